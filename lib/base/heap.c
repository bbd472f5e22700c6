/*
 * heap - what is due next, in O(log n). Hard rule: no parent has a greater key than its children.
 */
#include "heap.h"

#include <stdlib.h>
#include "xalloc.h"

enum { FIRST_CAP = 16 };

void heap_init(struct heap *heap)
{
    *heap = (struct heap){0};
}

void heap_release(struct heap *heap)
{
    if (heap == NULL)
        return;
    free(heap->slots);
    heap_init(heap);
}

void heap_push(struct heap *heap, int64_t key, void *value)
{
    size_t hole = heap->count;

    if (heap->count == heap->cap) {
        heap->cap = heap->cap > 0 ? heap->cap * 2 : FIRST_CAP;
        heap->slots = xreallocarray(heap->slots, heap->cap, sizeof(*heap->slots));
    }
    heap->count++;
    while (hole > 0 && heap->slots[(hole - 1) / 2].key > key) {
        heap->slots[hole] = heap->slots[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    heap->slots[hole] = (struct heap_slot){.key = key, .value = value};
}

void *heap_peek(const struct heap *heap, int64_t *key)
{
    if (heap->count == 0)
        return NULL;
    if (key != NULL)
        *key = heap->slots[0].key;
    return heap->slots[0].value;
}

void *heap_pop(struct heap *heap)
{
    struct heap_slot last;
    void *value;
    size_t hole = 0;

    if (heap->count == 0)
        return NULL;
    value = heap->slots[0].value;
    last = heap->slots[--heap->count];
    for (;;) {
        size_t child = 2 * hole + 1;

        if (child + 1 < heap->count && heap->slots[child + 1].key < heap->slots[child].key)
            child++;
        if (child >= heap->count || heap->slots[child].key >= last.key)
            break;
        heap->slots[hole] = heap->slots[child];
        hole = child;
    }
    heap->slots[hole] = last;
    return value;
}
