/*
 * due - the due pump: the one mechanism for all waiting
 *
 * Every open delivery has a time at which somebody looks: for `waiting` ones when they may run, for `queued`
 * ones when their entry in Redis is checked. So retries, replays, a wiped Redis and a killed worker are the
 * same case: a row whose time has come is published, and publishing what is there already changes nothing.
 * Any number of pumps may run.
 */
#ifndef DIST_DUE_H
#define DIST_DUE_H

#include <stdbool.h>
#include <stdint.h>
#include "fault.h"
#include "queue.h"
#include "store.h"
#include "uid.h"

struct due {
    struct store *store; /* borrowed */
    struct queue *queue; /* borrowed */
    int64_t lease_ms;
    unsigned generation;                 /* of the Redis connection whose epoch was looked at */
    bool republish;                      /* everything is to be published again, and was not yet */
    int64_t sweep_at_ms, maintain_at_ms; /* clock_mono_ms() of the next sweep and of the next upkeep */
    char delivery_cursor[UID_TEXT_SIZE], job_cursor[UID_TEXT_SIZE]; /* where the sweep goes on */
};

void due_init(struct due *due, struct store *store, struct queue *queue, int64_t lease_ms);

/*
 * One turn: what waits and is due is claimed and published; now and then rows whose check is overdue are
 * compared with Redis, expired ones end, partitions are made. *wait_ms: when to call again.
 */
int due_tick(struct due *due, int64_t *wait_ms, struct fault *fault);

#endif
