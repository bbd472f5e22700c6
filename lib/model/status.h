/*
 * status - the states of deliveries and jobs, their names and their allowed transitions
 *
 * The tables in status.c are the ones of dist-internals(7).
 */
#ifndef DIST_STATUS_H
#define DIST_STATUS_H

#include <stdbool.h>
#include <stddef.h>

enum delivery_status {
    DELIVERY_WAITING, /* has a due time */
    DELIVERY_QUEUED,  /* has an entry in Redis, and a time by which somebody checks that */
    DELIVERY_DELIVERED,
    DELIVERY_DEAD, /* in the dead letter queue, with a reason */
    DELIVERY_EXPIRED,
    DELIVERY_CANCELLED,
    DELIVERY_STATUS_COUNT
};
enum job_status {
    JOB_PENDING, /* accepted, not yet routed */
    JOB_ROUTED,
    JOB_COMPLETED, /* every delivery delivered */
    JOB_PARTIAL,   /* all ended, some delivered */
    JOB_FAILED,    /* all ended, none delivered */
    JOB_EXPIRED,
    JOB_CANCELLED,
    JOB_STATUS_COUNT
};
enum priority { PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW, PRIORITY_COUNT };

/* Why a delivery is dead: the class of the dead letter. */
enum dead_reason {
    DEAD_REJECTED,   /* the destination said never */
    DEAD_EXHAUSTED,  /* the attempts of the policy are spent */
    DEAD_UNROUTABLE, /* no such destination any more, or nothing can deliver to it */
    DEAD_TRANSFORM,  /* the body could not be put into the destination's format */
    DEAD_SCHEMA,     /* the body that was to be sent does not fit the destination's schema */
    DEAD_POISON,     /* a worker crashed on it again and again */
    DEAD_REASON_COUNT
};

extern const char *const delivery_status_names[DELIVERY_STATUS_COUNT + 1]; /* ended by NULL, for options */
extern const char *const job_status_names[JOB_STATUS_COUNT + 1];
extern const char *const priority_names[PRIORITY_COUNT + 1];
extern const char *const dead_reason_names[DEAD_REASON_COUNT + 1];

/* The index of a name in one of the tables above, or -1. */
int status_index(const char *const *names, const char *name);

bool delivery_status_is_final(enum delivery_status status);
bool job_status_is_final(enum job_status status);
bool delivery_status_may_become(enum delivery_status from, enum delivery_status to);
bool job_status_may_become(enum job_status from, enum job_status to);

/* The status of a delivery in the specification's response document (4.2.2): pending, success, failed, ... */
const char *delivery_status_response(enum delivery_status status);

/* A job's status from the counts of its deliveries. */
struct delivery_counts {
    int total, open, delivered, dead, expired, cancelled;
};
enum job_status job_status_from(const struct delivery_counts *counts);

#endif
