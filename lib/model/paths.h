/*
 * paths - to a place inside of a JSON value, as columns and templates name it
 *
 * Text that begins with '/' is a JSON pointer (RFC 6901): "/customer/address/0". Anything else is names with
 * dots between them: "customer.address.0"; "." is the whole value. In an array a part is an index without
 * leading zeros. A member whose name has a dot in it is reached by a pointer.
 */
#ifndef DIST_PATHS_H
#define DIST_PATHS_H

#include <jansson.h>
#include <stddef.h>
#include "buf.h"
#include "fault.h"

enum { PATH_PARTS_MAX = 32, PATH_BYTES_MAX = 1000 };

struct path {
    char *names; /* the parts, each with its NUL */
    size_t starts[PATH_PARTS_MAX];
    size_t count;
};

/* -1, class INPUT: empty, too long, an empty name between dots, a '~' that RFC 6901 does not know. `path` is
 * empty then. */
int path_parse(const char *text, size_t size, struct path *path, struct fault *fault);
void path_release(struct path *path); /* zeroed memory is fine */
const char *path_part(const struct path *path, size_t index);
/* The value there, borrowed, or NULL. */
json_t *path_get(const struct path *path, const json_t *value);

/*
 * Where a writer is inside of a value that it walks: a chain of frames on its stack, written out only for a
 * fault.
 */
struct place {
    const struct place *up; /* NULL: the whole value */
    const char *name;       /* a member, or NULL */
    size_t index;           /* an element */
};
/* Sets the fault (class INPUT) to "/rows/3/name: " and the text; for the whole value just the text. Always
 * -1. */
int place_fail(const struct place *place, struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
