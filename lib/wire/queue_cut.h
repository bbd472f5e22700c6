/*
 * queue_cut - many things for one script, cut into calls; nobody but queue*.c includes this
 *
 * A call is about one partition, and other clients wait while it runs: some 15 us a key.
 */
#ifndef DIST_QUEUE_CUT_H
#define DIST_QUEUE_CUT_H

#include <stddef.h>
#include "queue.h"

/* What is to be done in the order of its partitions, cut into calls. */
struct queue_cut {
    struct queue_cut_slot {
        unsigned partition;
        size_t index;
        size_t weight; /* of the keys that it needs */
    } * slots;
    size_t *starts; /* of each call; one more at the end */
    size_t calls;
};

/* The caller fills in partitions and weights (1 at first), in any order; then cuts. */
void queue_cut_init(struct queue_cut *cut, size_t count);
/* A call has one slot at least, and no more than `most` of weight beside. */
void queue_cut_up(struct queue_cut *cut, size_t count, size_t most);
void queue_cut_items(struct queue_cut *cut, const struct queue_item *items, size_t count, size_t most);
void queue_cut_release(struct queue_cut *cut);

#endif
