/*
 * due - the due pump: the one mechanism for all waiting
 *
 * Every open delivery has a time at which somebody looks: for `waiting` ones when they may run, for `queued`
 * ones when their entry in Redis is checked. So retries, replays, a wiped Redis and a killed worker are the
 * same case: a row whose time has come is published, and publishing what is there already changes nothing.
 * Any number of pumps may run.
 *
 * Redis holds a window of each lane, the rest waits in PostgreSQL: a lane is filled up when it is half empty.
 * One whose destination is held (wire/holds.h) is not filled, so an outage costs no row and no attempt; what
 * has another member of its group to go to goes there.
 */
#ifndef DIST_DUE_H
#define DIST_DUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "queue.h"
#include "store.h"
#include "uid.h"

struct due {
    struct store *store; /* borrowed */
    struct queue *queue; /* borrowed */
    int64_t lease_ms;
    size_t window;                       /* entries of a lane in Redis */
    unsigned generation;                 /* of the Redis connection whose epoch was looked at */
    bool republish;                      /* everything is to be published again, and was not yet */
    bool all_jobs;                       /* the pending ones among it were not yet */
    int64_t sweep_at_ms, maintain_at_ms; /* clock_mono_ms() of the next sweep and of the next upkeep */
    int64_t pass_over_at_ms;
    char delivery_cursor[UID_TEXT_SIZE];         /* where the sweep goes on */
    struct due_lane delivery_lane, pending_lane; /* where the next look at lanes goes on; "": at the first */
};

void due_init(struct due *due, struct store *store, struct queue *queue, int64_t lease_ms, size_t window);

/*
 * One turn: lanes that have room get what waits for them and is due; now and then rows whose check is overdue
 * are compared with Redis, expired ones end, partitions are made. *wait_ms: when to call again.
 */
int due_tick(struct due *due, int64_t *wait_ms, struct fault *fault);

#endif
