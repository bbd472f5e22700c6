/*
 * route_stage - jobs in, deliveries out
 *
 * One record: rulebook_route(). Here it is put between its two kinds of source and sink: an
 * envelope that becomes lines, and a batch of claimed jobs that becomes rows and then entries of Redis.
 */
#ifndef DIST_ROUTE_STAGE_H
#define DIST_ROUTE_STAGE_H

#include <stdint.h>
#include "buf.h"
#include "due.h"
#include "fault.h"
#include "health.h"
#include "postponed.h"
#include "queue.h"
#include "rulebook.h"
#include "rules_engine.h"
#include "store.h"

struct route_stage {
    struct rulebook *book;       /* see route_stage_attach() */
    struct rules_engine *engine; /* asked in the place of the rules; NULL: there is none. Borrowed */
    uint64_t max_payload;
    struct store *store; /* NULL in a pipe */
    struct queue *queue; /* likewise */
    int64_t lease_ms;
    size_t window;  /* entries of a lane in Redis */
    size_t batches; /* so far */
    struct due due; /* the pump that the service runs beside its batches */
    struct health health;
};

/* What the stage goes by from now on; borrowed until the next call. */
void route_stage_attach(struct route_stage *stage, struct rulebook *book);
void route_stage_release(struct route_stage *stage);

/* A request envelope to delivery envelopes. INPUT: the envelope is refused. TEMP: the engine is waited for.
 */
int route_stage_line(struct route_stage *stage, const char *line, size_t size, struct buf *out,
                     struct fault *fault);

/* Claimed job ids: deliveries are committed, then published, then the jobs' entries go, in one hop each.
 * Every step may be repeated, by this process or another. A job whose deliveries need no transformation goes
 * straight to their lanes. A job that cannot be routed now, because the engine does not answer it or its
 * programs cannot be run, is added to `later`, and the others are routed. After the time of batch_limit.h
 * what is not routed yet is handed back. */
int route_stage_batch(struct route_stage *stage, const struct queue_claims *claims, struct postponed *later,
                      struct fault *fault);

/* The due pump's turn: see due.h. */
int route_stage_tick(struct route_stage *stage, int64_t *wait_ms, struct fault *fault);

/* The job cannot be routed: it ends as failed, with the reason. */
int route_stage_poison(struct route_stage *stage, const struct queue_claim *claim, const char *why,
                       struct fault *fault);

#endif
