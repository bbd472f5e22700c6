/*
 * heap - a binary heap of pointers by an int64_t key, smallest first: timers and due times
 */
#ifndef DIST_HEAP_H
#define DIST_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_slot {
    int64_t key;
    void *value;
};
struct heap {
    struct heap_slot *slots;
    size_t count, cap;
};

void heap_init(struct heap *heap);
void heap_release(struct heap *heap); /* values are borrowed */
void heap_push(struct heap *heap, int64_t key, void *value);
void *heap_peek(const struct heap *heap, int64_t *key); /* NULL where empty; key may be NULL */
void *heap_pop(struct heap *heap);

#endif
