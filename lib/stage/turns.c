/*
 * turns - see turns.h
 */
#include "turns.h"

#include <stdlib.h>

#include "strmap.h"
#include "xalloc.h"

/* One claim in the order of work. */
struct turn {
    size_t round, place; /* in its lane; of the lane, which changes from batch to batch */
    const struct queue_claim *claim;
};

static int compare_turns(const void *left, const void *right)
{
    const struct turn *a = left, *b = right;

    if (a->round != b->round)
        return a->round < b->round ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

struct queue_claims claims_by_turns(const struct queue_claims *claims, size_t batches)
{
    struct queue_claims turned = {.items = xcalloc(claims->count, sizeof *turned.items),
                                  .count = claims->count};
    struct turn *turns = xcalloc(claims->count, sizeof *turns);
    size_t *rounds = xcalloc(claims->count, sizeof *rounds), lanes = 0;
    struct strmap indices; /* stream -> index + 1, as a pointer's number */

    strmap_init(&indices);
    for (size_t i = 0; i < claims->count; i++) {
        const char *stream = claims->items[i].stream;
        size_t index = (size_t)(uintptr_t)strmap_get(&indices, stream);
        if (!index) {
            index = ++lanes;
            strmap_put(&indices, stream, (void *)(uintptr_t)index);
        }
        turns[i] =
            (struct turn){.round = rounds[index - 1]++, .place = index - 1, .claim = &claims->items[i]};
    }
    for (size_t i = 0; lanes && i < claims->count; i++)
        turns[i].place = (turns[i].place + batches) % lanes;
    if (claims->count)
        qsort(turns, claims->count, sizeof *turns, compare_turns);
    for (size_t i = 0; i < claims->count; i++)
        turned.items[i] = *turns[i].claim;
    strmap_release(&indices, NULL);
    free(rounds);
    free(turns);
    return turned;
}
