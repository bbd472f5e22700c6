/*
 * health - which members of groups are fit to be sent to now, as routing asks
 *
 * What the fleet knows of destinations (holds.h), and how much is ready and waiting for them, is asked of
 * Redis and PostgreSQL at most once a second and kept; what this process routes in between is counted on top.
 * So the answers are up to a second old, and cost nothing.
 */
#ifndef DIST_HEALTH_H
#define DIST_HEALTH_H

#include <stdint.h>
#include "catalog.h"
#include "delivery.h"
#include "fault.h"
#include "holds.h"
#include "queue.h"
#include "route.h"
#include "store.h"
#include "strmap.h"

enum {
    HEALTH_FRESH_MS = 1000,
    HEALTH_COUNT_MAX = 10000, /* of least_outstanding: who has more waiting has as many */
};

struct health {
    struct holds holds;
    struct strmap depths;  /* destination -> struct health_depth * */
    struct strmap members; /* whose waiting deliveries are counted, likewise */
    bool wanted;           /* the catalog has groups */
    int64_t fresh_until_ms;
    char text[100];
};

/* Begins with the groups of this catalog; health_release() first for those of another. */
void health_init(struct health *health, const struct catalog *catalog);
void health_release(struct health *health);

/* Asks the servers where the answers are old, and where there are groups at all. `store` may be NULL: what
 * waits in PostgreSQL is not counted then. Faults as in queue.h and store.h; the old answers stay. */
int health_refresh(struct health *health, struct queue *queue, struct store *store, int64_t now_ms,
                   struct fault *fault);
/* A delivery was routed: it is outstanding at its first candidate. */
void health_count(struct health *health, const struct delivery *delivery);

/* For route_job(); borrows `health`. */
struct route_health health_for_routing(struct health *health);

#endif
