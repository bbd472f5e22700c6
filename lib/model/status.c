/*
 * status - tables of states: one of names and one of transitions for each kind
 */
#include "status.h"
#include <string.h>

const char *const delivery_status_names[] = {"waiting", "queued",    "delivered", "dead",
                                             "expired", "cancelled", NULL};
const char *const job_status_names[] = {"pending", "routed",  "completed", "partial",
                                        "failed",  "expired", "cancelled", NULL};
const char *const priority_names[] = {"high", "normal", "low", NULL};
const char *const dead_reason_names[] = {"rejected", "exhausted", "unroutable", "transform",
                                         "schema",   "poison",    NULL};

int status_index(const char *const *names, const char *name)
{
    for (int i = 0; name && names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

#define BIT(status) (1U << (status))

/*
 * From WAITING a delivery may end without being queued: it expires, is cancelled, or a pipe delivers it at
 * once. A dead one comes back by a replay, or is dropped. A success is the truth whenever it is reported,
 * also by a worker that lost its claim long ago: everything may still become DELIVERED.
 */
static const unsigned delivery_next[DELIVERY_STATUS_COUNT] = {
    [DELIVERY_WAITING] = BIT(DELIVERY_QUEUED) | BIT(DELIVERY_DELIVERED) | BIT(DELIVERY_DEAD) |
                         BIT(DELIVERY_EXPIRED) | BIT(DELIVERY_CANCELLED),
    [DELIVERY_QUEUED] = BIT(DELIVERY_WAITING) | BIT(DELIVERY_DELIVERED) | BIT(DELIVERY_DEAD) |
                        BIT(DELIVERY_EXPIRED) | BIT(DELIVERY_CANCELLED),
    [DELIVERY_DEAD] = BIT(DELIVERY_WAITING) | BIT(DELIVERY_DELIVERED) | BIT(DELIVERY_CANCELLED),
    [DELIVERY_EXPIRED] = BIT(DELIVERY_DELIVERED),
    [DELIVERY_CANCELLED] = BIT(DELIVERY_DELIVERED),
};

#define JOB_ENDS                                                                                             \
    (BIT(JOB_COMPLETED) | BIT(JOB_PARTIAL) | BIT(JOB_FAILED) | BIT(JOB_EXPIRED) | BIT(JOB_CANCELLED))

/*
 * A job's status follows from its deliveries: one whose every delivery is dead when it is routed has failed
 * at once, a replay opens it again, a drop or a late success makes one end of another.
 */
static const unsigned job_next[JOB_STATUS_COUNT] = {
    [JOB_PENDING] = BIT(JOB_ROUTED) | BIT(JOB_FAILED) | BIT(JOB_EXPIRED) | BIT(JOB_CANCELLED),
    [JOB_ROUTED] = JOB_ENDS,
    [JOB_PARTIAL] = BIT(JOB_ROUTED) | BIT(JOB_COMPLETED),
    [JOB_FAILED] = BIT(JOB_ROUTED) | (JOB_ENDS & ~BIT(JOB_FAILED)),
    [JOB_EXPIRED] = BIT(JOB_COMPLETED) | BIT(JOB_PARTIAL),
    [JOB_CANCELLED] = BIT(JOB_COMPLETED) | BIT(JOB_PARTIAL),
};

bool delivery_status_is_final(enum delivery_status status)
{
    return status != DELIVERY_WAITING && status != DELIVERY_QUEUED;
}

bool job_status_is_final(enum job_status status)
{
    return status != JOB_PENDING && status != JOB_ROUTED;
}

bool delivery_status_may_become(enum delivery_status from, enum delivery_status to)
{
    return (delivery_next[from] & BIT(to)) != 0;
}

bool job_status_may_become(enum job_status from, enum job_status to)
{
    return (job_next[from] & BIT(to)) != 0;
}

const char *delivery_status_response(enum delivery_status status)
{
    static const char *const words[DELIVERY_STATUS_COUNT] = {
        [DELIVERY_WAITING] = "pending", [DELIVERY_QUEUED] = "pending",  [DELIVERY_DELIVERED] = "success",
        [DELIVERY_DEAD] = "failed",     [DELIVERY_EXPIRED] = "expired", [DELIVERY_CANCELLED] = "cancelled",
    };
    return words[status];
}

enum job_status job_status_from(const struct delivery_counts *counts)
{
    if (counts->total == 0)
        return JOB_PENDING;
    if (counts->open > 0)
        return JOB_ROUTED;
    if (counts->delivered > 0)
        return counts->delivered == counts->total ? JOB_COMPLETED : JOB_PARTIAL;
    if (counts->dead > 0)
        return JOB_FAILED;
    return counts->expired > 0 ? JOB_EXPIRED : JOB_CANCELLED;
}
