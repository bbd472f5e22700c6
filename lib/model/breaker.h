/*
 * breaker - the numbers of the circuit breaker that are no settings; its state is in wire/holds.h
 */
#ifndef DIST_BREAKER_H
#define DIST_BREAKER_H

enum {
    /* Beyond an attempt's own deadline: until a worker that has the probe counts as lost. */
    BREAKER_PROBE_GRACE_MS = 5 * 1000,
    /* The longest that a Retry-After holds a whole destination; that of its delivery may be longer. */
    BREAKER_PAUSE_MAX_MS = 5 * 60 * 1000,
};

#endif
