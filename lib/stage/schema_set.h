/*
 * schema_set - all schemas of one configuration, JSON Schema and XML Schema, and what must fit which of them
 *
 * It is filled, then compiled, then used; a set that had a mistake is not for use. Nothing here opens a file
 * or blocks. See dist-schema(7).
 */
#ifndef DIST_SCHEMA_SET_H
#define DIST_SCHEMA_SET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "fault.h"
#include "job.h"

struct schema_set;

/* `hide_values`: faults tell what is wrong with a value and not the value. */
struct schema_set *schema_set_new(bool hide_values);
void schema_set_free(struct schema_set *set); /* NULL is fine */

/* One file; its ending says of which language. Class INPUT. */
int schema_set_add(struct schema_set *set, const char *name, const char *text, size_t size,
                   struct fault *fault);
/* When all are added: every schema that cannot be compiled goes to `mistake`; their number. */
size_t schema_set_compile(struct schema_set *set,
                          void (*mistake)(void *arg, const char *name, const char *text), void *arg);
/* The content of schemas.json, behind the compilation: every mistake in it likewise; their number. */
size_t schema_set_require(struct schema_set *set, const char *text, size_t size,
                          void (*mistake)(void *arg, const char *text), void *arg);
/* True where some report must fit a schema. */
bool schema_set_requires(const struct schema_set *set);

/* -1, class INPUT, with `path` in front: there is no such schema (and which name is near), or it is one that
 * does not stand alone. */
int schema_set_named(const struct schema_set *set, const char *path, const char *name, struct fault *fault);

/*
 * Whether something fits the schema of that name. -1, class INPUT: it does not, and as many mistakes as there
 * is room for are told: "/items/3/price: is a string, a number is wanted
 * (report.json#/properties/price/type);
 * ..."; or it is not what the schema is for (JSON, XML), or there is no such schema (any more). `set`
 * may be NULL: there are none.
 */
int schema_set_check(const struct schema_set *set, const char *name, const char *content_type,
                     const char *body, size_t size, struct fault *fault);
int schema_set_check_value(const struct schema_set *set, const char *name, const json_t *value,
                           struct fault *fault);
/* A report before the schemas that are required of it. `set` may be NULL: none. */
int schema_set_check_job(const struct schema_set *set, const struct job *job, struct fault *fault);

#endif
