/*
 * deliver_record - the engine's sink: outcomes are committed, then their entries are let go
 *
 * A batch runs on a thread of its own (aside.h), so that sending goes on while PostgreSQL commits. The hard
 * rule of the engine is here: an entry is acknowledged only when PostgreSQL has committed what became of its
 * delivery.
 */
#ifndef DIST_DELIVER_RECORD_H
#define DIST_DELIVER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include "fault.h"
#include "queue.h"
#include "store.h"

/* An outcome on its way; claim and settlement are borrowed from whoever made the batch. */
struct deliver_ending {
    const struct queue_claim *claim;
    const struct settlement *settlement;
    bool recorded; /* in and out: PostgreSQL has it */
};
struct deliver_record {
    struct store *store;
    struct queue *queue;
    struct deliver_ending *endings;
    size_t count;
    void *arg; /* the maker's */
    int result;
    struct fault fault;
};
void deliver_record_run(void *record);

#endif
