/*
 * deliver_engine - what the files of the delivery engine share; nobody else includes this
 *
 * deliver_engine.c has the loop, its beginning and its end; deliver_hands.c what is in hand; deliver_rounds.c
 * what the taker does; deliver_batches.c what the recorder and the keeper do. All of it is the loop's thread;
 * a job that a thread has is the thread's until it is done (aside.h).
 */
#ifndef DIST_DELIVER_ENGINE_H
#define DIST_DELIVER_ENGINE_H

#include <event2/event.h>
#include "aside.h"
#include "bell.h"
#include "deliver_record.h"
#include "deliver_stream.h"
#include "deliver_take.h"
#include "strmap.h"

enum {
    ENGINE_TURN_MS = 100,                   /* the loop's own look around, beside the bell */
    ENGINE_SETTLE_BATCH = 500,              /* outcomes that are committed together */
    ENGINE_POISON_CRASHES = 3,              /* workers lost over one delivery before it is given up */
    ENGINE_BODY_BUDGET = 128 * 1024 * 1024, /* bytes of bodies loaded at once */
};

/* A claim with its delivery, from the claim to the acknowledgement. */
struct carried {
    struct engine *engine;
    struct queue_claim claim;
    struct queue_claim newer; /* it was published and claimed again, while the recorder had the older claim */
    struct delivery *delivery;
    char *key;    /* of its destination */
    size_t bytes; /* of what it sends */
    struct deliver_attempt *attempt;
    struct settlement settlement; /* once it has ended */
    bool probe;                   /* of a breaker that is half open: its failure spends no attempt */
    bool settled, recording, recorded, has_newer;
};

struct engine {
    struct deliver_stream *stream;
    struct event *bell_event, *timer, *settle_timer, *round_timer;
    struct bell *bell;
    struct aside *taker, *recorder, *keeper;
    struct share share;
    struct deliver_look look;
    struct strmap carried;                  /* delivery id to struct carried * */
    struct strmap probes;                   /* ids of claims that are probes and not carried yet */
    struct strmap unused;                   /* keys of destinations whose probe came to nothing */
    struct strmap reports;                  /* key of a destination to struct hold_report *, its name owned */
    struct queue_claims claims;             /* claimed and not yet loaded: kept while PostgreSQL is away */
    struct queue_claims suspects;           /* two workers were lost over them: each is tried alone */
    struct queue_claims finished, released; /* entries that go, or go back, with the next round */
    size_t bytes;                           /* of the bodies in hand */
    struct carried **settled;
    size_t settled_count, settled_cap;
    int64_t reap_at_ms, renew_at_ms, report_at_ms, pause_until_ms, stop_at_ms;
    uint64_t delivered, deferred, dead;
    bool rang;      /* the bell, since the last look */
    bool urgent;    /* a failure is among the reports */
    bool unsettled; /* the last outcomes could not be recorded: nothing new is taken */
    bool stopping;
    bool alone; /* a suspect is in hand: nothing is taken beside it */
    struct fault *fault;
    int result;
};

void engine_schedule(struct event *event, int64_t ms);
/* A server is away: outcomes are kept, nothing is taken, until the pause is over. */
void engine_failed(struct engine *engine, const struct fault *fault);

/* The catalog that was read again since SIGHUP, if it came. */
void engine_follow_reload(struct engine *engine);

/* Starts a claim with its delivery, or leaves it; takes both. `delivery` NULL: it is not open any more. */
void engine_start(struct engine *engine, struct queue_claim *claim, struct delivery *delivery);
void engine_carried_free(struct carried *carried);
/* Copies of the claims that are being worked on, appended. Those that the taker has at the moment are young,
 * or come back with its round. */
void engine_all_claims(struct engine *engine, struct queue_claims *claims);

/* One round of the taker where there is something to do and it is idle; the other asks the loop for one. */
void engine_begin_round(struct engine *engine);
void engine_want_round(struct engine *engine);

/* The settle timer: a batch for the recorder. */
void engine_on_settle(evutil_socket_t fd, short events, void *arg);
/* What is settled is recorded once more, here and now: when the threads have ended. */
void engine_record_rest(struct engine *engine);
/* Every third of a lease, also while PostgreSQL is away: what is in hand is not to be taken over and sent
 * again. */
void engine_renew(struct engine *engine, int64_t now_ms);

#endif
