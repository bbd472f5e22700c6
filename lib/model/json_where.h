/*
 * json_where - the line of a value in a JSON text, for messages about what was read from it
 */
#ifndef DIST_JSON_WHERE_H
#define DIST_JSON_WHERE_H

#include <stddef.h>

/*
 * The line (from 1) where the value of the JSON pointer (RFC 6901) begins, or that of the deepest part of the
 * pointer which is there; of a member it is the line of its name. `text` has passed json_check(). Linear in
 * the size of the text. The ends of keys that a fault has cut are not found: then it is the line of the
 * object that holds them.
 */
size_t json_where(const char *text, size_t size, const char *pointer);

#endif
