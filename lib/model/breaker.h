/*
 * breaker - the numbers of the circuit breaker (specification 2.1.2); its state is in wire/holds.h
 */
#ifndef DIST_BREAKER_H
#define DIST_BREAKER_H

enum {
    BREAKER_FAILURES = 5,        /* in a row: it opens */
    BREAKER_OPEN_MS = 60 * 1000, /* until a probe may be made */
    /* Beyond an attempt's own deadline: until a worker that has the probe counts as lost. */
    BREAKER_PROBE_GRACE_MS = 5 * 1000,
    /* The longest that a Retry-After holds a whole destination; that of its delivery may be longer. */
    BREAKER_PAUSE_MAX_MS = 5 * 60 * 1000,
};

#endif
