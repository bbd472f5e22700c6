/*
 * deliver_stage - one attempt of one delivery, from its destination to the verdict
 *
 * The core of dist-deliver, without source and sink: both of its lives (deliver_pipe.h, deliver_stream.h)
 * start attempts here and get back how each ended and what becomes of the delivery.
 */
#ifndef DIST_DELIVER_STAGE_H
#define DIST_DELIVER_STAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "adapter.h"
#include "delivery.h"
#include "catalog.h"
#include "destination.h"
#include "gate.h"
#include "retry.h"
#include "store.h"

struct event_base;

struct deliver_stage {
    struct event_base *base;
    struct adapter_context adapters;
    struct gate gate;
    const struct catalog *catalog;
    const char *config_dir;
    bool holds; /* the caller holds destinations that are gone; else their deliveries are rejected */
    const struct retry_policy *retry; /* where neither the job nor the destination says otherwise */
};

int deliver_stage_init(struct deliver_stage *stage, const struct catalog *catalog, const char *config_dir,
                       const char *retry_policy, bool allow_private, const char *proxy, size_t limit,
                       size_t tenant_limit, struct fault *fault);
void deliver_stage_release(struct deliver_stage *stage);

/* The destination of the delivery's next attempt; the caller's reference. NULL: see route_resolve(). */
struct destination *deliver_stage_destination(const struct deliver_stage *stage,
                                              const struct delivery *delivery, struct fault *fault);

/* What an attempt says about its destination, for windows and breakers. */
struct deliver_report {
    enum gate_result result;
    int64_t retry_after_ms; /* what the destination asked for; 0: nothing */
    bool gone;              /* it said to be gone, and is to be held: the delivery waits */
};
/* The settlement is the receiver's, to be released by settlement_release(). */
typedef void (*deliver_done)(void *arg, struct settlement *settlement, const struct deliver_report *report);
struct deliver_attempt;

/*
 * Starts the attempt; `done` is called once, later, from the event loop. The delivery (with its body) is
 * borrowed until then. What stands in the way of an attempt (an unknown destination, an expiry that
 * has passed, credentials that cannot be read) is settled in the same way, with number 0; of kind REJECTED
 * where waiting here does not mend it; with a verdict that it waits, the verdict's reason is that of its
 * death where there is nobody else to mend it (in a pipe).
 */
struct deliver_attempt *deliver_stage_start(struct deliver_stage *stage, const struct delivery *delivery,
                                            deliver_done done, void *arg);
/* Ends it without a call of done. */
void deliver_stage_cancel(struct deliver_attempt *attempt);

#endif
