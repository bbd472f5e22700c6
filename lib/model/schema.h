/*
 * schema - JSON Schema: a document is compiled once, and then says of any value whether it fits and why not
 *
 * Drafts: 2020-12 (JSON Schema Core and Validation, the default) and draft-07, as "$schema" of each schema
 * resource says. A "$schema" that names neither is looked up among the documents of the options, and its
 * "$vocabulary" says which keywords count; a vocabulary that is required and unknown here is a fault.
 *
 * What is an annotation and never refuses a value: unknown keywords, "format" (2020-12's default; the
 * vocabulary format-assertion is refused), "contentMediaType", "contentEncoding" and "contentSchema". In
 * draft-07 "$ref" silences its neighbours, as that draft says. "dependencies", which 2020-12 has replaced and
 * lets stand, counts in both.
 *
 * References are resolved at compile time, into the document itself, the documents of the options, and the
 * meta-schemas of both drafts, which are built in. Nothing is ever read from a file or a network, and one
 * that leads nowhere is a fault. Regular expressions are those of ECMA-262, run by PCRE2: \d, \w and \b know
 * ASCII alone, \s and \p{..} Unicode; a look-behind has a fixed length; what only PCRE2 knows ("(*UTF)", \Q,
 * \A) is a fault. "multipleOf" is exact on the decimal texts of both numbers: 0.3 is a multiple of 0.1.
 * Numbers are what jansson holds, int64_t and double, and are compared without rounding; 1.0 is an integer
 * and equals 1.
 *
 * Bounded: the schema by its nesting, its subschemas and the size of its patterns; a validation by its depth
 * (512 subschemas within each other), by steps (one a subschema, member, element or value compared; of a
 * pattern one an item tried, and one 16 bytes scanned), and by the errors it lists; a match by steps and 64
 * MiB of backtracking. Out of steps, too deep, or a match that takes too much: an error that says so,
 * `stopped` is set, and the value counts as one that does not fit, below "not" too. Nothing here blocks; a
 * compiled schema may be used by many threads at once.
 */
#ifndef DIST_SCHEMA_H
#define DIST_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"

struct schema;

/* A document that references may lead to: by `uri` (may be NULL), and by the "$id" that it has itself. */
struct schema_document {
    const char *uri;
    const json_t *json;
};

enum {
    SCHEMA_SUBSCHEMAS_DEFAULT = 10000,
    SCHEMA_PATTERN_DEFAULT = 4096,         /* bytes of one regular expression */
    SCHEMA_STEPS_DEFAULT = 50000000,       /* a few seconds at the very most */
    SCHEMA_MATCH_STEPS_DEFAULT = 10000000, /* of one match of one pattern */
    SCHEMA_ERRORS_DEFAULT = 20,
};

/* All borrowed until schema_compile() returns. 0 and NULL are the defaults; NULL for the whole is fine. */
struct schema_options {
    const char *uri; /* where the schema was read from: what its relative references start at */
    const struct schema_document *documents;
    size_t document_count;
    size_t max_subschemas;
    size_t max_pattern_bytes;
    uint64_t max_steps;
    uint32_t max_match_steps;
    size_t max_errors;
    bool hide_values; /* errors tell the types of the value's parts and not what stands in them */
};

/*
 * The compiled schema, for schema_free(); `document` and those of the options are copied as needed. NULL with
 * a fault of class INPUT that names the place: "/properties/price/type: "text" is no type; did you mean..."
 * in the document, "http://example.com/b.json#/minimum: ..." in another one.
 */
struct schema *schema_compile(const json_t *document, const struct schema_options *options,
                              struct fault *fault);
void schema_free(struct schema *schema); /* NULL is fine */

struct schema_error {
    /* For people: of long keys and texts the begin stands there, of control characters a '?'. */
    char *instance; /* JSON pointer (RFC 6901) into the value, "" for the whole */
    char *keyword;  /* where the document was read from, and the keyword in it: "#/properties/price/type" */
    char *text;     /* "is \"abc\", a number is wanted" */
};
struct schema_errors {
    struct schema_error *items;
    size_t count;
    bool more;    /* the ceiling was reached: there may be others */
    bool stopped; /* a limit ended the work; the last error says which */
};

/*
 * 0: the value fits. -1: it does not, and `errors` (may be NULL; what it held is released first) says why. Of
 * alternatives ("anyOf", "oneOf") that all fail, the errors of the one that came furthest are told too.
 */
int schema_validate(const struct schema *schema, const json_t *instance, struct schema_errors *errors);
void schema_errors_release(struct schema_errors *errors);

/* "/items/3/price: is "abc", a number is wanted (#/properties/price/type)"; -1: the buffer is full. */
int schema_error_write(const struct schema_error *error, struct buf *out);
/* The first error, and how many others there are, as a fault of class INPUT; always -1. */
int schema_errors_fault(const struct schema_errors *errors, struct fault *fault);

#endif
