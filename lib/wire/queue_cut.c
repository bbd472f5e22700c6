/*
 * queue_cut - see queue_cut.h
 */
#include "queue_cut.h"

#include <stdlib.h>
#include "xalloc.h"

static int by_partition(const void *a, const void *b)
{
    const struct queue_cut_slot *one = a, *two = b;

    if (one->partition != two->partition)
        return one->partition < two->partition ? -1 : 1;
    return one->index < two->index ? -1 : one->index > two->index; /* otherwise as they came */
}

void queue_cut_init(struct queue_cut *cut, size_t count)
{
    *cut = (struct queue_cut){.slots = xcalloc(count + 1, sizeof *cut->slots),
                              .starts = xcalloc(count + 1, sizeof *cut->starts)};
    for (size_t i = 0; i < count; i++)
        cut->slots[i] = (struct queue_cut_slot){.index = i, .weight = 1};
}

void queue_cut_up(struct queue_cut *cut, size_t count, size_t most)
{
    size_t weight = 0;

    qsort(cut->slots, count, sizeof *cut->slots, by_partition);
    for (size_t i = 0; i < count; i++) {
        weight += cut->slots[i].weight;
        if (!i || weight > most || cut->slots[i].partition != cut->slots[i - 1].partition) {
            cut->starts[cut->calls++] = i;
            weight = cut->slots[i].weight;
        }
    }
    cut->starts[cut->calls] = count;
}

void queue_cut_items(struct queue_cut *cut, const struct queue_item *items, size_t count, size_t most)
{
    queue_cut_init(cut, count);
    for (size_t i = 0; i < count; i++)
        cut->slots[i].partition = items[i].partition;
    queue_cut_up(cut, count, most);
}

void queue_cut_release(struct queue_cut *cut)
{
    free(cut->slots);
    free(cut->starts);
}
