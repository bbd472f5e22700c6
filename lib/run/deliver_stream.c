/*
 * deliver_stream - see deliver_stream.h
 *
 * States of a claimed delivery here: loaded, in flight, settled (its outcome waits for the next batch), recording
 * (the recorder has it), recorded (committed, its entry is let go). While a server is away outcomes are kept, and
 * nothing new is taken.
 *
 * Three threads work for the loop, one job each at a time: the taker runs rounds (deliver_take.h), the recorder
 * batches (deliver_record.h), the keeper renews claims. Everything else is the loop's.
 */
#include "deliver_stream.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "aside.h"
#include "bell.h"
#include "breaker.h"
#include "catalog.h"
#include "clock.h"
#include "deliver_record.h"
#include "deliver_take.h"
#include "msg.h"
#include "notify.h"
#include "strmap.h"
#include "xalloc.h"

enum {
    TURN_MS = 100,  /* the loop's own look around, beside the bell */
    LOOK_MS = 50,   /* how old a look at the lanes may be while there is something in it */
    REPORT_MS = 100, /* how long a mere success may wait to be told to the other workers */
    SETTLE_BATCH = 500,
    SETTLE_MS = 5, /* the longest that an outcome waits for others */
    REAP_BATCH = 50,
    POISON_CRASHES = 3,
    BODY_BUDGET = 128 * 1024 * 1024, /* bytes of bodies loaded at once */
    STUCK_MS = 5 * 60 * 1000,        /* a server's call has its deadline: a thread that takes so long hangs */
};

/* A claim with its delivery, from the claim to the acknowledgement. */
struct carried {
    struct engine *engine;
    struct queue_claim claim;
    struct queue_claim newer; /* it was published and claimed again, while the recorder had the older claim */
    struct delivery *delivery;
    char *key; /* of its destination */
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
    struct strmap carried;        /* delivery id to struct carried * */
    struct strmap probes;         /* ids of claims that are probes and not carried yet */
    struct strmap reports;        /* key of a destination to struct hold_report *, its name owned */
    struct queue_claims claims;   /* claimed and not yet loaded: kept while PostgreSQL is away */
    struct queue_claims suspects; /* two workers were lost over them: each is tried alone */
    struct queue_claims finished, released; /* entries that go, or go back, with the next round */
    size_t bytes;                 /* of the bodies in hand */
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

static void schedule(struct event *event, int64_t ms)
{
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(event, &time);
}

static void want_round(struct engine *engine)
{
    event_active(engine->round_timer, EV_TIMEOUT, 0);
}

/* Takes what the claim owns. */
static void claims_add(struct queue_claims *claims, struct queue_claim *claim)
{
    if (claims->count == claims->cap) {
        claims->cap = claims->cap ? claims->cap * 2 : 16;
        claims->items = xreallocarray(claims->items, claims->cap, sizeof *claims->items);
    }
    claims->items[claims->count++] = *claim;
    claim->stream = NULL;
}

/* Moves all of `from` behind `to`. */
static void claims_move(struct queue_claims *to, struct queue_claims *from)
{
    for (size_t i = 0; i < from->count; i++)
        claims_add(to, &from->items[i]);
    queue_claims_release(from);
}

/* A server is away: outcomes are kept, nothing is taken, until the pause is over. */
static void failed(struct engine *engine, const struct fault *fault)
{
    int64_t pause_ms;
    if (service_failed(engine->stream->service, fault, &pause_ms) < 0) {
        *engine->fault = *fault;
        engine->result = -1;
        event_base_loopbreak(engine->stream->stage->base);
        return;
    }
    engine->pause_until_ms = clock_mono_ms() + pause_ms;
}

/* --- what is in hand --- */

static void carried_free(struct carried *carried)
{
    carried->engine->bytes -= carried->delivery->job->body_size;
    queue_claim_release(&carried->claim);
    queue_claim_release(&carried->newer);
    delivery_free(carried->delivery);
    free(carried->key);
    if (carried->settled)
        settlement_release(&carried->settlement);
    free(carried);
}

static void count(struct engine *engine, const struct settlement *settlement)
{
    if (settlement->verdict.status == DELIVERY_DELIVERED)
        engine->delivered++;
    else if (settlement->verdict.status == DELIVERY_WAITING)
        engine->deferred++;
    else
        engine->dead++;
}

static void add_settled(struct carried *carried)
{
    struct engine *engine = carried->engine;

    carried->settled = true;
    count(engine, &carried->settlement);
    if (engine->settled_count == engine->settled_cap) {
        engine->settled_cap = engine->settled_cap ? engine->settled_cap * 2 : SETTLE_BATCH;
        engine->settled = xreallocarray(engine->settled, engine->settled_cap, sizeof *engine->settled);
    }
    engine->settled[engine->settled_count++] = carried;
    if (engine->settled_count >= SETTLE_BATCH)
        event_active(engine->settle_timer, EV_TIMEOUT, 0);
    else if (engine->settled_count == 1)
        schedule(engine->settle_timer, SETTLE_MS);
}

/* What an attempt says about its destination is told to all workers with the next round. */
static void note(struct engine *engine, const struct carried *carried, const struct deliver_report *said)
{
    struct hold_report *report = strmap_get(&engine->reports, carried->key);

    if (said->result == GATE_NOTHING)
        return;
    if (!report) {
        report = xcalloc(1, sizeof *report);
        report->destination = xstrdup(carried->key);
        strmap_put(&engine->reports, carried->key, report);
    }
    if (said->result == GATE_SUCCESS) {
        report->success = true;
        report->failures = 0;
        if (carried->probe)
            gate_restart(&engine->stream->stage->gate, carried->key);
    } else {
        report->failures++;
        report->probe_failed = report->probe_failed || carried->probe;
    }
    if (said->result == GATE_OVERLOAD && said->retry_after_ms > report->pause_ms)
        report->pause_ms =
            said->retry_after_ms < BREAKER_PAUSE_MAX_MS ? said->retry_after_ms : BREAKER_PAUSE_MAX_MS;
    engine->urgent = engine->urgent || said->result != GATE_SUCCESS || carried->probe;
}

static void on_done(void *arg, struct settlement *settlement, const struct deliver_report *report)
{
    struct carried *carried = arg;
    struct engine *engine = carried->engine;
    bool failed_probe = carried->probe && report->result != GATE_SUCCESS && settlement->number > 0 &&
                        settlement->verdict.status != DELIVERY_EXPIRED;

    carried->attempt = NULL;
    note(engine, carried, report);
    want_round(engine);
    if (!failed_probe) {
        carried->settlement = *settlement;
        add_settled(carried);
        return;
    }
    settlement_release(settlement); /* no attempt is spent and no row is written: it goes back to its lane */
    claims_add(&engine->released, &carried->claim);
    strmap_remove(&engine->carried, carried->delivery->id);
    carried_free(carried);
}

static void carry(struct engine *engine, struct queue_claim *claim, struct delivery *delivery)
{
    struct carried *carried = xcalloc(1, sizeof *carried);

    *carried = (struct carried){.engine = engine,
                                .claim = *claim,
                                .delivery = delivery,
                                .key = delivery_destination_key(delivery),
                                .probe = strmap_remove(&engine->probes, claim->id) != NULL};
    claim->stream = NULL; /* it is the carried one's now */
    engine->bytes += delivery->job->body_size;
    strmap_put(&engine->carried, delivery->id, carried);
    if (carried->claim.crashes >= POISON_CRASHES) {
        const struct verdict poison = {.status = DELIVERY_DEAD, .reason = DEAD_POISON};
        settlement_init(&carried->settlement, delivery, poison, "workers crashed on it");
        add_settled(carried);
        return;
    }
    carried->attempt = deliver_stage_start(engine->stream->stage, delivery, on_done, carried);
}

/* What is in hand already (its Redis was emptied, and it was published again) just gets its new entry. */
static void renew_claim(struct carried *carried, struct queue_claim *claim)
{
    struct queue_claim *old = carried->recording ? &carried->newer : &carried->claim;

    queue_claim_release(old);
    *old = *claim;
    claim->stream = NULL;
    carried->has_newer = carried->recording;
}

/* Starts a claim with its delivery, or leaves it; takes both. */
static void start(struct engine *engine, struct queue_claim *claim, struct delivery *delivery)
{
    struct carried *carried = strmap_get(&engine->carried, claim->id);

    if (carried) {
        renew_claim(carried, claim);
    } else if (!delivery) { /* it is not open any more */
        claims_add(&engine->finished, claim);
    } else if (!delivery->job->body || engine->stopping) {
        claims_add(&engine->released, claim);
    } else if (claim->crashes == POISON_CRASHES - 1 && !engine->alone) {
        claims_add(&engine->suspects, claim);
    } else {
        carry(engine, claim, delivery);
        delivery = NULL;
    }
    delivery_free(delivery);
}

/* --- rounds of the taker --- */

/*
 * How many more deliveries may be in hand: not only attempts in flight count, but also what is settled and
 * not yet recorded. A suspect is alone.
 */
static size_t room(const struct engine *engine)
{
    size_t limit = engine->stream->stage->gate.limit;
    size_t used = engine->carried.count + engine->claims.count;

    if (engine->stopping || engine->unsettled || engine->suspects.count || engine->alone ||
        engine->bytes >= BODY_BUDGET)
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
            claims_add(&engine->claims, &round->claims.items[i]);
            continue;
        }
        start(engine, &round->claims.items[i], round->deliveries[i]);
        round->deliveries[i] = NULL;
    }
    claims_move(&engine->finished, &round->finished); /* what a fault left undone */
    claims_move(&engine->released, &round->released);
}

static void on_round_done(void *arg)
{
    struct deliver_round *round = arg;
    struct engine *engine = round->arg;

    take_round(engine, round);
    if (round->fresh.at_ms) {
        deliver_look_release(&engine->look);
        engine->look = round->fresh;
        round->fresh = (struct deliver_look){0};
    }
    if (round->result < 0)
        failed(engine, &round->fault);
    else
        service_good(engine->stream->service);
    engine->alone = engine->alone && (engine->carried.count || engine->claims.count);
    deliver_round_free(round);
    want_round(engine);
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
    claims_add(&engine->claims, &engine->suspects.items[--engine->suspects.count]);
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
                                              .serves = stream->serves,
                                              .arg = stream->arg};
        deliver_plan(&engine->look, &engine->share, &limits, &round->plan);
    }
    if (free_room && now_ms >= engine->reap_at_ms) {
        round->reap = free_room < REAP_BATCH ? free_room : REAP_BATCH;
        engine->reap_at_ms = now_ms + stream->lease_ms / 4;
    }
    bool planned = round->plan.want_count || round->plan.probe_count;
    int64_t age_ms = now_ms - engine->look.at_ms;
    round->look = !engine->stopping && (!engine->look.at_ms || age_ms >= LOOK_MS || (engine->rang && !planned));
    if (round->look)
        engine->rang = false;
    round->arg = engine;
}

/* One round, where there is something to do. */
static void begin_round(struct engine *engine)
{
    int64_t now_ms = clock_mono_ms();

    if (aside_is_busy(engine->taker) || now_ms < engine->pause_until_ms)
        return;
    choose_suspect(engine);
    struct deliver_round *round = xcalloc(1, sizeof *round);
    round->store = engine->stream->take_store;
    round->queue = engine->stream->take_queue;
    round->lease_ms = engine->stream->lease_ms;
    round->body_budget = engine->bytes < BODY_BUDGET ? BODY_BUDGET - engine->bytes : 1;
    take_reports(engine, round, now_ms);
    plan_round(engine, round, now_ms);
    claims_move(&round->claims, &engine->claims);
    claims_move(&round->finished, &engine->finished);
    claims_move(&round->released, &engine->released);
    if (round->look || round->reap || round->plan.want_count || round->plan.probe_count ||
        round->report_count || round->claims.count || round->finished.count || round->released.count)
        aside_post(engine->taker, deliver_round_run, on_round_done, round);
    else
        deliver_round_free(round);
}

/* --- batches of the recorder --- */

static void on_recorded(void *arg)
{
    struct deliver_record *record = arg;
    struct engine *engine = record->arg;
    size_t count = record->count, kept = 0;

    for (size_t i = 0; i < count; i++) {
        struct carried *carried = engine->settled[i];
        bool done = record->result == 0 && !carried->has_newer;

        carried->recorded = record->endings[i].recorded;
        carried->recording = false;
        if (done) {
            strmap_remove(&engine->carried, carried->delivery->id);
            carried_free(carried);
            continue;
        }
        if (carried->has_newer) {
            queue_claim_release(&carried->claim);
            carried->claim = carried->newer;
            carried->newer = (struct queue_claim){0};
            carried->has_newer = false;
        }
        engine->settled[kept++] = carried;
    }
    memmove(engine->settled + kept, engine->settled + count,
            (engine->settled_count - count) * sizeof *engine->settled);
    engine->settled_count -= count - kept;
    engine->unsettled = record->result < 0;
    if (record->result < 0)
        failed(engine, &record->fault);
    free(record->endings);
    free(record);
    if (engine->settled_count)
        schedule(engine->settle_timer, engine->unsettled ? TURN_MS : 0);
    want_round(engine); /* there is room again */
}

static struct deliver_record *next_batch(struct engine *engine)
{
    struct deliver_record *record = xcalloc(1, sizeof *record);

    record->store = engine->stream->record_store;
    record->queue = engine->stream->record_queue;
    record->count = engine->settled_count < SETTLE_BATCH ? engine->settled_count : SETTLE_BATCH;
    record->endings = xcalloc(record->count + 1, sizeof *record->endings);
    record->arg = engine;
    for (size_t i = 0; i < record->count; i++) {
        struct carried *carried = engine->settled[i];

        carried->recording = true;
        record->endings[i] = (struct deliver_ending){
            .claim = &carried->claim, .settlement = &carried->settlement, .recorded = carried->recorded};
    }
    return record;
}

static void on_settle(evutil_socket_t fd, short events, void *arg)
{
    struct engine *engine = arg;
    (void)fd;
    (void)events;

    if (!engine->settled_count || aside_is_busy(engine->recorder))
        return;
    if (clock_mono_ms() < engine->pause_until_ms)
        schedule(engine->settle_timer, TURN_MS);
    else
        aside_post(engine->recorder, deliver_record_run, on_recorded, next_batch(engine));
}

/* --- the keeper --- */

/* Claims that are being worked on, copied. */
struct renewal {
    struct queue *queue;
    struct queue_claims claims;
};

static void copy_claim(struct queue_claims *claims, const struct queue_claim *claim)
{
    struct queue_claim copy;

    queue_claim_copy(&copy, claim);
    claims_add(claims, &copy);
}

static void copy_carried(const char *key, void *value, void *arg)
{
    const struct carried *carried = value;
    (void)key;

    copy_claim(arg, &carried->claim);
    if (carried->has_newer)
        copy_claim(arg, &carried->newer);
}

/* Those that the taker has at the moment are young, or come back with its round. */
static void all_claims(struct engine *engine, struct queue_claims *claims)
{
    const struct queue_claims *lists[] = {&engine->claims, &engine->suspects};

    strmap_each(&engine->carried, copy_carried, claims);
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
        for (size_t i = 0; i < lists[k]->count; i++)
            copy_claim(claims, &lists[k]->items[i]);
}

/* A lost claim needs nothing: what became of it is fenced in PostgreSQL, and a success counts. */
static void renew_run(void *arg)
{
    struct renewal *renewal = arg;
    size_t count = renewal->claims.count;
    const struct queue_claim **claims = xcalloc(count + 1, sizeof *claims);
    bool *lost = xcalloc(count + 1, sizeof *lost);
    struct fault problem = {0};

    for (size_t i = 0; i < count; i++)
        claims[i] = &renewal->claims.items[i];
    if (queue_renew(renewal->queue, claims, count, lost, &problem) < 0)
        msg(MSG_DEBUG, "%s", problem.text);
    free(lost);
    free(claims);
}

static void on_renewed(void *arg)
{
    struct renewal *renewal = arg;

    queue_claims_release(&renewal->claims);
    free(renewal);
}

/* Also while PostgreSQL is away: what is in hand then is not to be taken over and sent again. */
static void renew(struct engine *engine, int64_t now_ms)
{
    if (now_ms < engine->renew_at_ms || aside_is_busy(engine->keeper))
        return;
    engine->renew_at_ms = now_ms + engine->stream->lease_ms / 3;
    struct renewal *renewal = xcalloc(1, sizeof *renewal);
    renewal->queue = engine->stream->renew_queue;
    all_claims(engine, &renewal->claims);
    if (renewal->claims.count)
        aside_post(engine->keeper, renew_run, on_renewed, renewal);
    else
        free(renewal);
}

/* --- the loop's turns --- */

static bool stuck(const struct engine *engine, int64_t now_ms)
{
    const struct aside *asides[] = {engine->taker, engine->recorder};

    for (size_t i = 0; i < sizeof asides / sizeof *asides; i++)
        if (aside_is_busy(asides[i]) && now_ms - aside_busy_since_ms(asides[i]) > STUCK_MS)
            return true;
    return false;
}

/* Signals, the watchdog's sign (none from a service that hangs), a reload. */
static void look_after_service(struct engine *engine, int64_t now_ms)
{
    struct catalog *old;

    if (!stuck(engine, now_ms) && service_turn(engine->stream->service, &old)) {
        engine->stream->stage->catalog = engine->stream->service->catalog;
        catalog_free(old); /* attempts in flight hold their destinations */
    }
    if (!engine->stopping && service_stopping()) {
        engine->stopping = true;
        engine->stop_at_ms = now_ms + engine->stream->stop_timeout_ms;
        notify_stopping();
        msg(MSG_INFO, "stopping: %zu deliveries are in hand", engine->carried.count);
    }
    if (engine->stopping && (!engine->carried.count || now_ms >= engine->stop_at_ms))
        event_base_loopbreak(engine->stream->stage->base);
}

static void tell_status(const struct engine *engine)
{
    const struct holds *holds = &engine->look.holds;

    notify_status("in flight %zu, delivered %llu, deferred %llu, dead %llu%s%s%s",
                  engine->stream->stage->gate.total, (unsigned long long)engine->delivered,
                  (unsigned long long)engine->deferred, (unsigned long long)engine->dead,
                  holds->count ? ", held: " : "", holds->count ? holds->items[0].destination : "",
                  holds->count > 1 ? " and others" : "");
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
    struct engine *engine = arg;
    int64_t now_ms = clock_mono_ms();
    (void)fd;
    (void)events;

    look_after_service(engine, now_ms);
    renew(engine, now_ms);
    if (now_ms < engine->pause_until_ms)
        return;
    tell_status(engine);
    begin_round(engine);
}

static void on_round_timer(evutil_socket_t fd, short events, void *arg)
{
    struct engine *engine = arg;
    (void)fd;
    (void)events;
    if (engine->stopping && !engine->carried.count)
        event_base_loopbreak(engine->stream->stage->base);
    else
        begin_round(engine);
}

static void on_bell(evutil_socket_t fd, short events, void *arg)
{
    struct engine *engine = arg;
    (void)fd;
    (void)events;
    bell_clear(engine->bell);
    engine->rang = true;
    begin_round(engine);
}

/* --- beginning and end --- */

static int set_up(struct engine *engine, struct fault *fault)
{
    struct event_base *base = engine->stream->stage->base;
    const struct timeval period = {.tv_usec = TURN_MS * 1000};

    engine->taker = aside_start(base, fault);
    engine->recorder = engine->taker ? aside_start(base, fault) : NULL;
    engine->keeper = engine->recorder ? aside_start(base, fault) : NULL;
    engine->bell = engine->keeper ? bell_start(engine->stream->bell_queue, QUEUE_READY, fault) : NULL;
    if (!engine->bell)
        return -1;
    engine->timer = event_new(base, -1, EV_PERSIST, on_timer, engine);
    engine->settle_timer = evtimer_new(base, on_settle, engine);
    engine->round_timer = evtimer_new(base, on_round_timer, engine);
    engine->bell_event = event_new(base, bell_fd(engine->bell), EV_READ | EV_PERSIST, on_bell, engine);
    if (!engine->timer || !engine->settle_timer || !engine->round_timer || !engine->bell_event ||
        event_add(engine->timer, &period) < 0 || event_add(engine->bell_event, NULL) < 0)
        return fault_set(fault, FAULT_SYSTEM, "cannot set up the event loop");
    return 0;
}

/* What is settled is recorded once more, here and now. */
static void record_rest(struct engine *engine)
{
    while (engine->settled_count) {
        struct deliver_record *record = next_batch(engine);
        size_t before = engine->settled_count;

        deliver_record_run(record);
        on_recorded(record);
        if (engine->settled_count >= before)
            return;
    }
}

static void hand_back(struct engine *engine)
{
    struct deliver_round rest = {.queue = engine->stream->record_queue};
    struct fault problem = {0};

    all_claims(engine, &rest.released);
    claims_move(&rest.released, &engine->released);
    claims_move(&rest.finished, &engine->finished);
    size_t count = rest.released.count;
    if (deliver_round_let_go(&rest, &problem) < 0 && count)
        msg(MSG_WARNING, "%zu deliveries come back when their lease is over: %s", count, problem.text);
    queue_claims_release(&rest.finished);
    queue_claims_release(&rest.released);
}

static void abandon(const char *key, void *value, void *arg)
{
    struct carried *carried = value;
    (void)key;
    (void)arg;
    if (carried->attempt)
        deliver_stage_cancel(carried->attempt);
    carried_free(carried);
}

static void report_free(void *value)
{
    struct hold_report *report = value;
    free((char *)report->destination);
    free(report);
}

/* The threads end first; then what is in flight still is cancelled, and handed back at once. */
static void tear_down(struct engine *engine)
{
    struct event *events[] = {engine->timer, engine->settle_timer, engine->round_timer, engine->bell_event};

    engine->stopping = true;
    engine->pause_until_ms = 0;
    aside_stop(engine->taker);
    aside_stop(engine->recorder);
    aside_stop(engine->keeper);
    bell_stop(engine->bell);
    record_rest(engine);
    hand_back(engine);
    strmap_each(&engine->carried, abandon, NULL);
    strmap_release(&engine->carried, NULL);
    strmap_release(&engine->probes, NULL);
    strmap_release(&engine->reports, report_free);
    share_release(&engine->share);
    deliver_look_release(&engine->look);
    queue_claims_release(&engine->claims);
    queue_claims_release(&engine->suspects);
    free(engine->settled);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (events[i])
            event_free(events[i]);
}

int deliver_stream_run(struct deliver_stream *stream, struct fault *fault)
{
    struct engine engine = {.stream = stream, .fault = fault};

    engine.reap_at_ms = clock_mono_ms() + stream->lease_ms / 4;
    strmap_init(&engine.carried);
    strmap_init(&engine.probes);
    strmap_init(&engine.reports);
    share_init(&engine.share);
    engine.result = set_up(&engine, fault);
    if (engine.result == 0)
        event_base_dispatch(stream->stage->base);
    tear_down(&engine);
    return engine.result;
}
