/*
 * strmap - strings to pointers
 *
 * Open hashing with a random seed per process, so that nobody can choose colliding keys. Keys are copied.
 * Values are borrowed: strmap_release() does not free them unless a function for it was given.
 */
#ifndef DIST_STRMAP_H
#define DIST_STRMAP_H

#include <stddef.h>

struct strmap_entry;
struct strmap {
    struct strmap_entry **buckets;
    size_t bucket_count;
    size_t count;
};

void strmap_init(struct strmap *map);
void strmap_release(struct strmap *map, void (*free_value)(void *));
void *strmap_get(const struct strmap *map, const char *key); /* NULL where absent */
/* Returns the value that was there, or NULL. */
void *strmap_put(struct strmap *map, const char *key, void *value);
void *strmap_remove(struct strmap *map, const char *key); /* returns the value, now the caller's */
/*
 * Calls `visit` for every entry, in no order; it may remove the entry it is given (`key` ends with it), and
 * changes nothing else.
 */
void strmap_each(struct strmap *map, void (*visit)(const char *key, void *value, void *arg), void *arg);

#endif
