/*
 * holds - what all workers know about a destination: its breaker, a pause that it asked for, its rate
 *
 * Kept in Redis beside the queue, by the clock of Redis, since it is about now: a Redis that was emptied
 * starts with closed breakers, and that is right. A destination is named as in its lanes. All of it is in
 * partition 0:
 *
 *   dist:{0}:holds        hash: destination -> "failures open_until paused_until probe_until touched", in ms
 *   dist:{0}:rate:<dest>  time of the next free slot in us; gone a second after that has passed
 *
 * A destination that works has no field, and one whose times have passed for an hour without a report loses
 * its own.
 *
 * A destination that said to be gone (HTTP 410) is disabled until somebody lifts that, or for 30 days: then,
 * or where Redis was emptied, the next attempt hears it again. A success of somebody else does not lift it.
 *
 * A breaker counts failures in a row, of whichever workers. It opens at `failures`, for `open_ms`; after that
 * one attempt may be made in the whole fleet, the probe. A success of anybody closes it, a probe that failed
 * opens it again. Failures that come in while it is open change nothing.
 *
 * Blocking and faults as in queue.h. A Redis without memory takes all of this: it is small, and what waits
 * must be able to go out.
 */
#ifndef DIST_HOLDS_H
#define DIST_HOLDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "queue.h"

enum hold_kind {
    HOLD_PAUSED, /* it asked to be left alone */
    HOLD_OPEN,   /* the breaker is open, or its probe is on its way */
    HOLD_PROBE,  /* the breaker is open, and a probe may be made */
    HOLD_GONE,   /* it said to be gone: until an operator lifts it */
    HOLD_KIND_COUNT
};
extern const char *const hold_kind_names[HOLD_KIND_COUNT + 1]; /* "paused", "open", "half_open", "gone" */

struct hold {
    char *destination;
    enum hold_kind kind;
    int failures;
    int64_t left_ms; /* until it may be asked again; 0 for HOLD_PROBE and HOLD_GONE */
};
struct holds {
    struct hold *items;
    size_t count;
};
/* Destinations that may not simply be sent to, sorted by name. */
int holds_look(struct queue *queue, struct holds *holds, struct fault *fault);
void holds_release(struct holds *holds);
const struct hold *holds_find(const struct holds *holds, const char *destination); /* or NULL */

/* What attempts since the last report said, in the order in which they ended. */
struct hold_report {
    const char *destination;
    int failures;      /* in a row, since the last success in here */
    bool success;      /* the destination answered, if only to refuse a report */
    bool probe_failed; /* the probe was among the failures */
    int64_t pause_ms;  /* the longest Retry-After; 0: none */
    bool gone;         /* it said so, and is to be disabled */
};
struct hold_rules {
    int failures;
    int64_t open_ms;
};
int holds_report(struct queue *queue, const struct hold_rules *rules, const struct hold_report *reports,
                 size_t count, struct fault *fault);

/* Of a HOLD_GONE; `lifted` is false where it was none. */
int holds_lift(struct queue *queue, const char *destination, bool *lifted, struct fault *fault);

/* Asks for the probe, which nobody else gets for `for_ms`; 0 gives an unused one back (granted is false). */
int holds_probe(struct queue *queue, const char *destination, int64_t for_ms, bool *granted,
                struct fault *fault);

/* Slots of a destination's rate: how many of `want` may be used now. Up to one second's worth (at least one)
 * is saved up. What is granted and not used is lost. */
struct hold_grant {
    const char *destination;
    double rate_per_s;
    size_t want, granted;
};
int holds_grant(struct queue *queue, struct hold_grant *grants, size_t count, struct fault *fault);

#endif
