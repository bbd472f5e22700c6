/*
 * deliver_rounds - the engine's side of the taker: when a round is made, with what, and what came of it
 */
#include "deliver_engine.h"

#include <stdlib.h>

#include "clock.h"
#include "service.h"
#include "xalloc.h"

enum {
    LOOK_MS = 50,    /* how old a look at the lanes may be while there is something in it */
    REPORT_MS = 100, /* how long a mere success may wait to be told to the other workers */
    REAP_BATCH = 50, /* entries of lost workers that are taken over in one round */
};

/*
 * How many more deliveries may be in hand: not only attempts in flight count, but also what is settled and
 * not yet recorded. A suspect is alone.
 */
static size_t room(const struct engine *engine)
{
    size_t limit = engine->stream->stage->gate.limit;
    size_t used = engine->carried.count + engine->claims.count;

    if (engine->stopping || engine->unsettled || engine->suspects.count || engine->alone ||
        engine->bytes >= ENGINE_BODY_BUDGET)
        return 0;
    return used < limit ? limit - used : 0;
}

/* Claims without deliveries are kept for the next round; those with one begin. */
static void take_round(struct engine *engine, struct deliver_round *round)
{
    for (size_t i = 0; i < round->probe_count; i++)
        strmap_put(&engine->probes, round->probes[i], engine);
    for (size_t i = 0; i < round->claims.count; i++) {
        if (!round->deliveries) {
            queue_claims_add(&engine->claims, &round->claims.items[i]);
            continue;
        }
        engine_start(engine, &round->claims.items[i], round->deliveries[i]);
        round->deliveries[i] = NULL;
    }
    queue_claims_move(&engine->finished, &round->finished); /* what a fault left undone */
    queue_claims_move(&engine->released, &round->released);
}

/* A destination that is not held any more gets little at first: it was away. */
static void restart_windows(struct engine *engine, const struct deliver_look *fresh)
{
    const struct holds *before = &engine->look.holds;

    for (size_t i = 0; i < before->count; i++)
        if (before->items[i].kind != HOLD_PAUSED && !holds_find(&fresh->holds, before->items[i].destination))
            gate_restart(&engine->stream->stage->gate, before->items[i].destination);
}

static void on_round_done(void *arg)
{
    struct deliver_round *round = arg;
    struct engine *engine = round->arg;

    engine_follow_reload(engine);
    take_round(engine, round);
    if (round->fresh.at_ms) {
        restart_windows(engine, &round->fresh);
        deliver_look_release(&engine->look);
        engine->look = round->fresh;
        round->fresh = (struct deliver_look){0};
    }
    if (round->result < 0)
        engine_failed(engine, &round->fault);
    else
        service_good(engine->stream->service);
    engine->alone = engine->alone && (engine->carried.count || engine->claims.count);
    deliver_round_free(round);
    engine_want_round(engine);
}

static void add_report(const char *key, void *value, void *arg)
{
    struct deliver_round *round = arg;
    struct hold_report *report = value;
    (void)key;

    round->reports[round->report_count++] = *report;
    free(report);
}

static void take_reports(struct engine *engine, struct deliver_round *round, int64_t now_ms)
{
    if (!engine->reports.count || (!engine->urgent && now_ms < engine->report_at_ms))
        return;
    round->reports = xcalloc(engine->reports.count, sizeof *round->reports);
    strmap_each(&engine->reports, add_report, round);
    strmap_release(&engine->reports, NULL);
    strmap_init(&engine->reports);
    engine->urgent = false;
    engine->report_at_ms = now_ms + REPORT_MS;
}

/* The next suspect, alone. */
static void choose_suspect(struct engine *engine)
{
    if (!engine->suspects.count || engine->carried.count || engine->claims.count || engine->stopping)
        return;
    queue_claims_add(&engine->claims, &engine->suspects.items[--engine->suspects.count]);
    engine->alone = true;
}

static void plan_round(struct engine *engine, struct deliver_round *round, int64_t now_ms)
{
    const struct deliver_stream *stream = engine->stream;
    size_t free_room = room(engine);

    if (free_room && engine->look.at_ms) {
        const struct deliver_limits limits = {.catalog = stream->stage->catalog,
                                              .gate = &stream->stage->gate,
                                              .total = free_room,
                                              .reports = &engine->reports,
                                              .patterns = stream->patterns};
        deliver_plan(&engine->look, &engine->share, &limits, &round->plan);
    }
    if (free_room && now_ms >= engine->reap_at_ms) {
        round->reap = free_room < REAP_BATCH ? free_room : REAP_BATCH;
        engine->reap_at_ms = now_ms + stream->lease_ms / 4;
    }
    bool planned = round->plan.want_count || round->plan.probe_count;
    int64_t age_ms = now_ms - engine->look.at_ms;
    round->look = !engine->stopping &&
                  (!engine->look.at_ms || age_ms >= LOOK_MS || engine->urgent || (engine->rang && !planned));
    if (round->look)
        engine->rang = false;
    round->arg = engine;
}

void engine_begin_round(struct engine *engine)
{
    int64_t now_ms = clock_mono_ms();

    if (aside_is_busy(engine->taker) || now_ms < engine->pause_until_ms)
        return;
    choose_suspect(engine);
    struct deliver_round *round = xcalloc(1, sizeof *round);
    round->store = engine->stream->take_store;
    round->queue = engine->stream->take_queue;
    round->lease_ms = engine->stream->lease_ms;
    round->rules = engine->stream->rules;
    round->body_budget = engine->bytes < ENGINE_BODY_BUDGET ? ENGINE_BODY_BUDGET - engine->bytes : 1;
    plan_round(engine, round, now_ms);
    take_reports(engine, round, now_ms);
    queue_claims_move(&round->claims, &engine->claims);
    queue_claims_move(&round->finished, &engine->finished);
    queue_claims_move(&round->released, &engine->released);
    round->unused = engine->unused;
    strmap_init(&engine->unused);
    if (round->look || round->unused.count || round->reap || round->plan.want_count ||
        round->plan.probe_count || round->report_count || round->claims.count || round->finished.count ||
        round->released.count)
        aside_post(engine->taker, deliver_round_run, on_round_done, round);
    else
        deliver_round_free(round);
}

void engine_want_round(struct engine *engine)
{
    event_active(engine->round_timer, EV_TIMEOUT, 0);
}
