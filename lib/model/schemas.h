/*
 * schemas - a set of JSON Schemas that may refer to each other
 *
 * A set is filled with documents, each by its name ("order.json"), then compiled, then used. "$ref" leads to
 * the other documents by their names ("parts.json#/$defs/price", relative to the own name) or by their
 * "$id"; see schema.h for everything else. Pure.
 */
#ifndef DIST_SCHEMAS_H
#define DIST_SCHEMAS_H

#include <stdbool.h>
#include <stddef.h>
#include "fault.h"
#include "schema.h"

enum { SCHEMAS_MAX = 1000 };

struct schemas;

/* `hide_values`: errors tell types and not what stands in a value. */
struct schemas *schemas_new(bool hide_values);
void schemas_free(struct schemas *schemas); /* NULL is fine */
/* Class INPUT: no JSON, a name that is there, or one too many. `text` is copied. */
int schemas_add(struct schemas *schemas, const char *name, const char *text, size_t size,
                struct fault *fault);
/*
 * When all are added. `mistake` is called for each one that does not compile, with the line and what is
 * wrong: "line 7: /properties/price/type: "text" is no type". The number of mistakes; a set with any is not
 * for use.
 */
size_t schemas_compile(struct schemas *schemas,
                       void (*mistake)(void *arg, const char *name, const char *text), void *arg);
const struct schema *schemas_find(const struct schemas *schemas, const char *name); /* borrowed, or NULL */

#endif
