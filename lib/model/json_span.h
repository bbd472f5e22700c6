/*
 * json_span - parts of a JSON text as they are written
 *
 * For what must not change on its way: a number keeps all of its digits, which no value of jansson does. The
 * text has passed json_check(); nothing is allocated, nothing fails. Each step is linear in what it passes.
 */
#ifndef DIST_JSON_SPAN_H
#define DIST_JSON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include "paths.h"

/* One value, without the blanks around it; `at` is NULL where there is none. Borrowed from the text. */
struct json_span {
    const char *at;
    size_t size;
};
struct json_span json_span_of(const char *text, size_t size);

/* The members of an object, or the elements of an array; a walk over anything else is over at once. */
struct json_walk {
    const char *at, *end;
    bool is_object;
};
struct json_walk json_walk_begin(struct json_span value);
/* False: there are no more. `name` is a member's with its quotes; of an element it is empty. */
bool json_walk_next(struct json_walk *walk, struct json_span *name, struct json_span *value);

/* Whether the string, with its quotes and escapes, says this. */
bool json_span_says(struct json_span string, const char *text);
/* The value at the path, as path_get() finds it. */
struct json_span json_span_get(struct json_span value, const struct path *path);

#endif
