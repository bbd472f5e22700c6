/*
 * deliver_take - the engine's source: what lies in the lanes, and the part of it that can start now
 *
 * A round runs on a thread of its own (aside.h), since every step of it may block: what the last attempts
 * said is reported, claims that came to nothing are let go, entries are claimed and their deliveries loaded,
 * and the lanes are looked at for the next round. What may be claimed is planned in the loop, by
 * deliver_plan(), from the last look and the gate: fair among tenants, weighted among priorities, nothing for
 * a destination that is held, and one delivery as the probe of a breaker that is half open.
 *
 * A fault ends a round where it is; what was claimed by then is kept and loaded in the next one.
 */
#ifndef DIST_DELIVER_TAKE_H
#define DIST_DELIVER_TAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "catalog.h"
#include "fault.h"
#include "gate.h"
#include "holds.h"
#include "queue.h"
#include "share.h"
#include "store.h"
#include "strmap.h"

/* The last look at the lanes. */
struct deliver_look {
    struct queue_lane *lanes;
    size_t lane_count;
    struct holds holds;
    int64_t at_ms; /* clock_mono_ms(); 0: there was none */
};
void deliver_look_release(struct deliver_look *look);

/* What is to be taken: in `wants`, names borrowed from the look; those of one rate share a grant. */
struct deliver_plan {
    struct queue_want *wants;
    size_t *grant_of; /* of wants[i]: index + 1 into grants, 0: no rate */
    size_t want_count;
    struct hold_grant *grants; /* destinations owned */
    size_t grant_count;
    struct queue_want *probes; /* one entry each, of a breaker that is half open */
    char **probed;             /* their destinations, owned */
    int64_t *probe_ms;         /* how long an attempt takes at most */
    size_t probe_count;
};
void deliver_plan_release(struct deliver_plan *plan);

/* Who may be served, and how much. */
struct deliver_limits {
    const struct catalog *catalog;
    const struct gate *gate;
    size_t total;
    const struct strmap *reports; /* struct hold_report: who has failed gets nothing before Redis was asked */
    const char *const *patterns;  /* of the destinations that are served: pool.h */
};
/* Counts what it plans as taken from the look. */
void deliver_plan(struct deliver_look *look, struct share *share, const struct deliver_limits *limits,
                  struct deliver_plan *plan);

struct deliver_round {
    struct store *store;
    struct queue *queue;
    int64_t lease_ms;
    struct hold_rules rules;
    /* in, all the round's own */
    struct hold_report *reports; /* destinations owned */
    size_t report_count;
    struct queue_claims finished, released; /* claims whose entries go, or go back */
    struct strmap unused;                   /* destinations whose probe was not made */
    struct deliver_plan plan;
    void *arg;   /* the maker's */
    size_t reap; /* take over so many entries of silent workers; 0: none */
    bool look;
    uint64_t body_budget;
    /* in and out: those that are to be loaded, with what was claimed behind them */
    struct queue_claims claims;
    /* out */
    struct delivery **deliveries; /* of the claims, as store_load_deliveries() gives them; NULL: not loaded */
    char (*probes)[sizeof((struct queue_claim *)0)->id]; /* ids of the claims that are probes */
    size_t probe_count;
    struct deliver_look fresh; /* with at_ms, where it looked */
    int result;
    struct fault fault;
};
void deliver_round_run(void *round);
/* The first part of it: `finished` and `released`, emptied as far as that is done. */
int deliver_round_let_go(struct deliver_round *round, struct fault *fault);
void deliver_round_free(struct deliver_round *round);

#endif
