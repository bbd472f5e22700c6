/*
 * submit - from checked requests to accepted distributions
 *
 * A batch collects jobs; submit_flush() stores them in one transaction and then tells Redis. Accepted
 * means committed: the instant is the COMMIT in store_submit(). Redis is told afterwards, and where that
 * fails the due pump of dist-route does it: an id that was handed out is never taken back.
 */
#ifndef DIST_SUBMIT_H
#define DIST_SUBMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "catalog.h"
#include "destination.h"
#include "fault.h"
#include "job.h"
#include "queue.h"
#include "store.h"

enum { SUBMIT_BATCH = 500, SUBMIT_BATCH_BYTES = 32 * 1024 * 1024 };

struct submit {
    const struct catalog *catalog;
    struct store *store;
    struct queue *queue;
    int64_t max_age_ms;
    size_t window;  /* of a lane: half of it is published here, the rest is left to the due pump */
    int64_t key_ms; /* how long idempotency keys are taken */
    bool spooled;   /* the jobs come from a spool: submitted_at_us is when they were put there */
    struct submission *items;
    uint64_t *numbers; /* of the records that the items were */
    size_t count;
    size_t bytes; /* of the bodies in the batch */
};

/* catalog, store and queue are borrowed; store and queue are NULL where jobs are only checked or go to a
 * pipe. */
void submit_init(struct submit *submit, const struct catalog *catalog, struct store *store,
                 struct queue *queue, int64_t max_age_ms, int64_t key_ms);
void submit_release(struct submit *submit);

/* Every target exists and can be delivered to, the callback can be made, and the body fits the schemas that
 * are required of it. Class INPUT or DENIED. */
int submit_check(const struct submit *submit, const struct job *job, struct fault *fault);

/* Takes the reference of a checked job, and gives it the key that once_per asks for. True: the batch is full,
 * flush it. */
bool submit_add(struct submit *submit, struct job *job, uint64_t number);
/* Drops the batch: its jobs have been kept in another way. */
void submit_clear(struct submit *submit);

/* Stores the batch and empties it. `each` is called per job in order, with its submission and number, once
 * all is committed. A fault means that nothing of the batch is known to be accepted, and the batch stays. */
int submit_flush(struct submit *submit,
                 void (*each)(void *arg, const struct submission *item, uint64_t number), void *arg,
                 struct fault *fault);

#endif
