/*
 * json - strict JSON (RFC 8259) with faults that say where, and typed reading of objects
 *
 * jansson builds the values; this module adds what it does not do: a check of a whole text without building
 * a tree, which names the line, the column and the JSON pointer (RFC 6901) of the first mistake, keeps
 * numbers of any size as they are, and gives the raw bytes of the members. Every fault is class INPUT.
 */
#ifndef DIST_JSON_H
#define DIST_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"

/* A member of the outermost object: offsets into the checked text. */
struct json_member {
    size_t name_at, name_size;   /* without the quotes, escapes not resolved */
    size_t value_at, value_size; /* raw bytes, no blanks around them */
};
enum { JSON_MEMBERS_MAX = 64 };
struct json_members {
    struct json_member items[JSON_MEMBERS_MAX]; /* further members are checked and not listed */
    size_t count;
    size_t values; /* of the whole text, in all depths */
    bool is_object;
};

/*
 * Refused: anything but one JSON value with blanks around it, truncation, invalid UTF-8, a NUL (raw or as
 * \u0000), unpaired surrogates, the same key twice in one object, more than LIMIT_JSON_DEPTH levels.
 * `members` may be NULL. Text: "line 3, column 14: /payload/rows/2/id: the key 'id' appears twice".
 */
int json_check(const char *text, size_t size, struct json_members *members, struct fault *fault);

/*
 * json_check() and then the value; the caller's, for json_decref(). NULL with the fault set. Refused here,
 * though not by json_check(): a number that fits no int64_t or double, since none changes in silence, and
 * more than LIMIT_JSON_VALUES values.
 */
json_t *json_read(const char *text, size_t size, struct fault *fault);
/* The same where it is only looked at: a whole number that does not fit becomes the nearest double. */
json_t *json_read_nearest(const char *text, size_t size, struct fault *fault);

/* The span of member `name`, or NULL. */
const struct json_member *json_member(const char *text, const struct json_members *members, const char *name);

/* Compact text of a value appended: keys in order, reals as short as they read back. -1: the buffer is full.
 */
int json_write(const json_t *value, struct buf *out);

/*
 * Reading an object by a table. Unknown members are refused with the nearest known name, wrong types and
 * values with the pointer: "/retry_policy/max_attempts: a whole number from 1 to 1000 is wanted, not "3"".
 * Targets of absent and null members stay as they are; a null member that is required is missing. A fault
 * does not quote STRING values, which may be secrets; it quotes the others.
 */
enum json_kind {
    JSON_KIND_STRING,  /* const char **  borrowed from the object */
    JSON_KIND_NAME,    /* const char **  text_is_name() */
    JSON_KIND_WORD,    /* const char **  one of `words`, in any case; the target gets the word of the table */
    JSON_KIND_BOOL,    /* bool * */
    JSON_KIND_INT,     /* int64_t *  min..max */
    JSON_KIND_NUMBER,  /* double *   min..max */
    JSON_KIND_SECONDS, /* int64_t *  milliseconds; a number of seconds or a duration as "1m30s"; min..max in
                          ms */
    JSON_KIND_TIME,    /* int64_t *  microseconds; RFC 3339 text */
    JSON_KIND_OBJECT,  /* json_t **  borrowed */
    JSON_KIND_ARRAY,   /* json_t **  borrowed, at most max elements */
    JSON_KIND_STRINGS, /* json_t **  borrowed: an object whose values are all strings */
    JSON_KIND_ANY,     /* json_t **  borrowed */
    JSON_KIND_IGNORED, /* known, and nothing is stored */
};
struct json_field {
    const char *name;
    enum json_kind kind;
    bool required;
    void *target;
    int64_t min, max; /* both 0: no limits. STRING and NAME: the least and most bytes, max 0: no limit */
    const char *const *words;
};
/* `path` is the pointer of `object` ("" for the document). `fields` ends with a NULL name. */
int json_fields(const json_t *object, const char *path, const struct json_field *fields, struct fault *fault);

/* Some object to its text with JSON_COMPACT, for a column or a test; the caller frees. */
char *json_text(const json_t *value);
/* The name of a member, as it is written, that is `name` in any case; NULL where there is none, or no object.
 */
const char *json_find_name(const json_t *object, const char *name);

#endif
