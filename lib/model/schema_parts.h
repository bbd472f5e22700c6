/*
 * schema_parts - what the files of the schema module share; nobody else includes it
 *
 * schema_compile.c    the compiler's beginning and end: options, files, memory
 * schema_node.c       from JSON to nodes: "$schema", "$id", anchors, keywords
 * schema_reference.c  from nodes to a web of them
 * schema_dialect.c    the meta-schemas, and which keywords a "$schema" turns on
 * schema_keywords.c   the table of keywords
 * schema_shape.c      how the value of each keyword is read
 * schema_assert.c     checks of one value by itself
 * schema_apply.c      checks that hand the value or its parts to other nodes
 * schema_run.c        one validation: steps, depth, errors
 * schema_pattern.c    regular expressions
 * schema_value.c      equality, hashes and exact numbers
 * schema_uri.c        references (RFC 3986)
 */
#ifndef DIST_SCHEMA_PARTS_H
#define DIST_SCHEMA_PARTS_H

#include <stdarg.h>
#include "schema.h"
#include "strmap.h"

enum {
    SCHEMA_URI_MAX = 4096,     /* bytes of one URI */
    SCHEMA_POINTER_MAX = 4096, /* bytes of one JSON pointer into a schema */
    SCHEMA_DEPTH_MAX = 512,    /* nodes within nodes of one validation: a few hundred bytes of stack each */
};

enum { DRAFT_07 = 1, DRAFT_2020_12 = 2, DRAFT_BOTH = 3 };
enum {
    VOCABULARY_CORE = 1,
    VOCABULARY_APPLICATOR = 2,
    VOCABULARY_UNEVALUATED = 4,
    VOCABULARY_VALIDATION = 8,
    VOCABULARY_ALL = 15,
};
struct schema_dialect {
    unsigned draft;        /* one of DRAFT_ */
    unsigned vocabularies; /* that count */
};

enum {
    TYPE_OBJECT = 1 << JSON_OBJECT,
    TYPE_ARRAY = 1 << JSON_ARRAY,
    TYPE_STRING = 1 << JSON_STRING,
    TYPE_NUMBER = 1 << JSON_INTEGER | 1 << JSON_REAL,
    TYPE_BOOLEAN = 1 << JSON_TRUE | 1 << JSON_FALSE,
    TYPE_NULL = 1 << JSON_NULL,
    TYPE_ANY = TYPE_OBJECT | TYPE_ARRAY | TYPE_STRING | TYPE_NUMBER | TYPE_BOOLEAN | TYPE_NULL,
    TYPE_INTEGER =
        1 << 8, /* a number without a fraction; no type of jansson, which knows integers by a bit */
};

/* --- the compiled form --- */

/* One JSON text, with the root of each resource in it below. */
struct schema_file {
    char *uri; /* NULL: none is known, which is never so of one that is referenced */
    json_t *json;
    size_t number;
};

/* A schema with a base URI of its own: the root of a file, or one with an "$id". */
struct schema_resource {
    char *uri; /* without a fragment; "" where nothing is known */
    const struct schema_file *file;
    struct schema_node *root;
    struct strmap anchors; /* name -> struct schema_node */
    struct strmap dynamic; /* the same for "$dynamicAnchor" */
};

enum schema_fixed { SCHEMA_KEYWORDS, SCHEMA_TRUE, SCHEMA_FALSE };

/* A subschema. */
struct schema_node {
    const struct schema_resource *resource;
    const struct schema_file *file;
    struct schema_dialect dialect;
    char *pointer;      /* from the root of the file */
    const json_t *json; /* borrowed from the file */
    enum schema_fixed fixed;
    struct schema_keyword *keywords; /* in the order of the table */
    size_t count;
    bool unevaluated; /* has unevaluatedItems or unevaluatedProperties */
    bool additional;  /* has additionalProperties */
};

/* Many values by their hashes. */
struct schema_hash {
    uint64_t hash;
    size_t index;
};

/* What has been read of one keyword; which fields are set is up to the `read` of its kind. */
struct schema_keyword {
    const struct schema_kind *kind;
    const json_t *value;       /* borrowed from the file */
    struct schema_node *node;  /* the subschema, or where the reference leads */
    struct schema_node **list; /* of allOf and the like; with by_name: the members in their order */
    size_t list_count;
    struct strmap by_name; /* member name -> struct schema_node */
    struct schema_pattern **patterns;
    size_t pattern_count;
    struct schema_hash *hashes; /* of enum, sorted */
    uint64_t number;            /* of maxItems and the like; the types of type; the size of const */
    const char *dynamic;        /* of $dynamicRef: the anchor that the scope is searched for, or NULL */
    const struct schema_keyword *peers[2]; /* neighbours that it reads: see the table */
};

struct schema_compiler;
struct schema_run;
struct schema_frame;

struct schema_kind {
    const char *name;
    unsigned drafts, vocabulary;
    unsigned types; /* of values that it says something about */
    int (*read)(struct schema_compiler *compiler, struct schema_node *node, struct schema_keyword *keyword);
    /* NULL: it holds subschemas, or a neighbour reads it. */
    bool (*check)(struct schema_run *run, struct schema_frame *frame, const struct schema_keyword *keyword);
    const char *peers[2]; /* come before it in the table */
};
extern const struct schema_kind schema_kinds[]; /* ends with a NULL name */

struct schema {
    struct schema_file **files;
    struct schema_resource **resources;
    struct schema_node **nodes;
    size_t file_count, resource_count, node_count;
    const struct schema_node *root;
    uint64_t max_steps;
    uint32_t max_match_steps;
    size_t max_errors;
    bool hide_values;
    uint64_t seed; /* of the hashes */
};

/* --- schema_compile.c --- */

struct schema_reference {
    struct schema_node *node;
    struct schema_keyword *keyword;
};
struct schema_compiler {
    struct schema *schema;
    const struct schema_options *options;
    size_t max_subschemas, max_pattern_bytes;
    struct strmap nodes;     /* "FILE:POINTER" -> struct schema_node */
    struct strmap resources; /* URI -> struct schema_resource */
    struct strmap documents; /* URI -> const struct schema_document, of the options */
    struct schema_reference *references;
    size_t reference_count;
    int depth;
    struct fault *fault;
};

/* `json` with all nodes in it; `dialect` counts where it names none. NULL with the fault set. */
struct schema_node *schema_file_load(struct schema_compiler *compiler, const char *uri, const json_t *json,
                                     struct schema_dialect dialect);

/* --- schema_node.c --- */

/* "/properties/price/type: " (and the URI in front, but in the main document) and the message; always -1. */
int schema_complain(const struct schema_compiler *compiler, const struct schema_node *node,
                    const char *keyword, const char *format, ...) __attribute__((format(printf, 4, 5)));
/*
 * The node of `json` at `pointer` (taken) of the file. `parent` gives it the base URI and the dialect; NULL
 * for the root, whose dialect is the one given. NULL with the fault set.
 */
struct schema_node *schema_node_make(struct schema_compiler *compiler, const struct schema_file *file,
                                     const struct schema_node *parent, struct schema_dialect dialect,
                                     char *pointer, const json_t *json);
/* The one at this place, or NULL where nothing has been read as a schema. */
struct schema_node *schema_node_find(const struct schema_compiler *compiler, const struct schema_file *file,
                                     const char *pointer);
/* The node of `json` at "KEYWORD" or "KEYWORD/NAME" of `parent`. */
struct schema_node *schema_node_at(struct schema_compiler *compiler, const struct schema_node *parent,
                                   const char *keyword, const char *name, const json_t *json);

/* --- schema_reference.c --- */

/* The reference is resolved when everything has been read. */
void schema_reference_add(struct schema_compiler *compiler, struct schema_node *node,
                          struct schema_keyword *keyword);
int schema_references_resolve(struct schema_compiler *compiler);
/* What the "$schema" of `node` says. */
int schema_reference_dialect(const struct schema_compiler *compiler, const struct schema_node *node,
                             const char *uri, struct schema_dialect *dialect);

/* --- schema_dialect.c --- */

enum schema_known { SCHEMA_KNOWN, SCHEMA_UNSUPPORTED, SCHEMA_UNKNOWN };
/* The dialect that `uri` names by itself. */
enum schema_known schema_dialect_by_uri(const char *uri, struct schema_dialect *dialect);
/* The "$vocabulary" of a meta-schema; returns the name of one that is required and unknown, or NULL. */
const char *schema_dialect_read(const json_t *meta, struct schema_dialect *dialect);
/* The built-in meta-schema at this URI, the caller's; NULL where there is none. */
json_t *schema_meta_load(const char *uri);

/* --- schema_shape.c --- */

typedef int schema_reader(struct schema_compiler *compiler, struct schema_node *node,
                          struct schema_keyword *keyword);
schema_reader schema_read_const, schema_read_bool, schema_read_count, schema_read_number,
    schema_read_positive, schema_read_type, schema_read_enum, schema_read_pattern, schema_read_names,
    schema_read_name_lists, schema_read_node, schema_read_list, schema_read_items_07, schema_read_members,
    schema_read_patterns, schema_read_dependencies, schema_read_reference;

/* --- checks --- */

typedef bool schema_checker(struct schema_run *run, struct schema_frame *frame,
                            const struct schema_keyword *keyword);
/* schema_assert.c */
schema_checker schema_check_type, schema_check_enum, schema_check_const, schema_check_multiple,
    schema_check_maximum, schema_check_exclusive_maximum, schema_check_minimum,
    schema_check_exclusive_minimum, schema_check_max_length, schema_check_min_length, schema_check_pattern,
    schema_check_max_items, schema_check_min_items, schema_check_unique, schema_check_max_members,
    schema_check_min_members, schema_check_required, schema_check_dependent_required;
/* schema_apply.c */
schema_checker schema_check_reference, schema_check_dynamic, schema_check_all, schema_check_any,
    schema_check_one, schema_check_not, schema_check_if, schema_check_prefix, schema_check_items,
    schema_check_items_07, schema_check_additional_items, schema_check_contains, schema_check_members,
    schema_check_patterns, schema_check_additional, schema_check_names, schema_check_dependent,
    schema_check_dependencies, schema_check_unevaluated_items, schema_check_unevaluated_members;

/* --- schema_run.c: one validation --- */

/* Where in the value we are, from the inside out; the whole is NULL. */
struct schema_place {
    const struct schema_place *parent;
    const char *key; /* NULL: an element */
    size_t index;
    int depth;
    bool is_name; /* it is the member's name that is looked at, not its value */
};

/* One bit for each member or element; the first 64 need no memory. */
struct schema_marks {
    uint64_t few, *many;
    size_t count;
};
void schema_marks_init(struct schema_marks *marks, size_t count);
void schema_marks_release(struct schema_marks *marks);
void schema_marks_set(struct schema_marks *marks, size_t index);
void schema_marks_fill(struct schema_marks *marks);
bool schema_marks_has(const struct schema_marks *marks, size_t index);
void schema_marks_merge(struct schema_marks *marks, const struct schema_marks *from); /* of one count */

/* The resources that were entered, from the innermost out. */
struct schema_scope {
    const struct schema_scope *parent;
    const struct schema_resource *resource;
};

struct schema_run {
    const struct schema *schema;
    struct schema_errors *errors;
    uint64_t left;  /* steps */
    int depth;      /* of nodes */
    int quiet;      /* above 0: whether, not why */
    bool halted;    /* everything returns false now */
    bool detailing; /* the errors of one alternative are being told */
    int furthest;   /* how far the value came before something failed: see schema_apply.c */
    const struct schema_scope *scope;
    struct schema_matcher *matcher; /* of schema_pattern.c */
};

/* One value before one node. */
struct schema_frame {
    const struct schema_node *node;
    const json_t *value;
    const struct schema_place *place;
    struct schema_marks own;  /* members that properties and patternProperties of this node have taken */
    struct schema_marks seen; /* what has been evaluated here, neighbours and nodes in place included */
    bool tracks;              /* `seen` is wanted */
};

/* Whether the value fits; what was evaluated is added to `seen`, which may be NULL. */
bool schema_apply(struct schema_run *run, const struct schema_node *node, const json_t *value,
                  const struct schema_place *place, struct schema_marks *seen);
/* Takes `count` steps; false: there are no more, and the run is halted. */
bool schema_step(struct schema_run *run, const struct schema_frame *frame, uint64_t count);
/*
 * Tells of a mistake, unless quiet; always false. `keyword` NULL: the node itself refuses. Names and patterns
 * that others chose come into the text by schema_quote().
 */
bool schema_fail(struct schema_run *run, const struct schema_frame *frame,
                 const struct schema_keyword *keyword, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* "is VALUE, ... is wanted" */
bool schema_fail_value(struct schema_run *run, const struct schema_frame *frame,
                       const struct schema_keyword *keyword, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A limit was reached: told even when quiet, and the run is halted; always false. */
bool schema_stop(struct schema_run *run, const struct schema_frame *frame,
                 const struct schema_keyword *keyword, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
enum { SCHEMA_QUOTED_SIZE = 400 };
/* As a JSON string; what is longer than 60 bytes is cut, and "..." stands behind it. */
const char *schema_quote(const char *text, size_t size, char out[SCHEMA_QUOTED_SIZE]);
/* A value in a few bytes, for people: the scalar, or its type and size. */
void schema_describe(const json_t *value, bool hidden, struct buf *out);
/* `name` as a part of a JSON pointer, with the slash; cut where it is longer than `max` bytes. */
void schema_pointer_add(struct buf *out, const char *name, size_t max);

/* --- schema_pattern.c --- */

struct schema_pattern;
struct schema_matcher;
struct schema_pattern *schema_pattern_new(const char *text, size_t size, struct fault *fault);
void schema_pattern_free(struct schema_pattern *pattern);
const char *schema_pattern_text(const struct schema_pattern *pattern); /* as the schema has it */
/* False where it does not match, and where a limit has halted the run. */
bool schema_pattern_match(struct schema_run *run, const struct schema_frame *frame,
                          const struct schema_keyword *keyword, const struct schema_pattern *pattern,
                          const char *subject, size_t size);
void schema_matcher_free(struct schema_matcher *matcher);

/* --- schema_value.c --- */

/* Below 0, 0, above 0: exactly, whatever mix of int64_t and double. */
int schema_number_compare(const json_t *a, const json_t *b);
bool schema_number_is_whole(const json_t *number);
bool schema_number_is_multiple(const json_t *number, const json_t *of);
/* 1 equals 1.0; the order of members does not matter. */
bool schema_value_equals(const json_t *a, const json_t *b);
uint64_t schema_value_hash(const json_t *value, uint64_t seed);
uint64_t schema_value_size(
    const json_t *value); /* of values in it, itself included: what a comparison costs */
/* Sorted by hash, and by index where hashes are equal. */
void schema_hashes_sort(struct schema_hash *hashes, size_t count);

/* --- schema_uri.c --- */

/* `reference` against `base` (RFC 3986 section 5.2), both without fragments; NULL where too long. Caller
 * frees. */
char *schema_uri_resolve(const char *base, const char *reference);
/* The part before '#'; *fragment: behind it, percent-encoding undone, or NULL where there is no '#'. Both are
 * the caller's. */
char *schema_uri_split(const char *uri, char **fragment);

#endif
