/*
 * share - whose turn it is: fair among tenants, weighted among priorities
 *
 * Pure: start-time fair queueing over lanes. Each tenant with something to do gets the same share of what
 * there is room for, whatever lies in its lanes; within it a lane of high, normal and low priority gets 8, 3
 * and 1 parts. So a flood of one tenant costs the others nothing but the share of one tenant, and low never
 * starves. A lane
 * whose oldest entry has waited long counts as of the next higher priority, and after as long again of the
 * one above. Nothing is saved up: who had nothing to do begins where the others are.
 */
#ifndef DIST_SHARE_H
#define DIST_SHARE_H

#include <stddef.h>
#include <stdint.h>
#include "status.h"
#include "strmap.h"

enum { SHARE_AGE_MS = 30 * 1000 };

struct share {
    struct strmap tenants; /* name -> struct share_turn *: of the last plan, and who is ahead of the clock */
    struct strmap lanes;   /* likewise, by lane */
    double now;            /* the clock: where the tenant was that was served last */
};

struct share_lane {
    const char
        *name;     /* "<destination>:<tenant>:<priority>" or "<tenant>:<priority>", and what tells it apart */
    size_t unread; /* entries that may be taken */
    int64_t oldest_ms;   /* age of the oldest */
    size_t *room;        /* shared with other lanes, of a destination for example; NULL: none */
    size_t *tenant_room; /* likewise, of the tenant */
    size_t want;         /* out: how many to take */
};

void share_init(struct share *share);
void share_release(struct share *share);

/* Gives out up to `total`; takes what it gives from the rooms. A lane whose priority is no word counts as
 * normal. Costs `total` times `count`. Returns how many were given. */
size_t share_plan(struct share *share, struct share_lane *lanes, size_t count, size_t total);

/* The parts of the name of a lane: the tenant (the caller's), and the priority. */
char *share_tenant(const char *lane, enum priority *priority);

#endif
