/*
 * deliver_stream - see deliver_stream.h
 *
 * States of a claimed delivery here: loaded, in flight, settled (its outcome waits for the next batch),
 * recorded (committed, its entry is let go). The hard rule: an entry is acknowledged only when PostgreSQL has
 * committed what became of it. While a server is away outcomes are kept, and nothing new is taken.
 */
#include "catalog.h"
#include "deliver_stream.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "bell.h"
#include "clock.h"
#include "crash.h"
#include "msg.h"
#include "notify.h"
#include "strmap.h"
#include "xalloc.h"

enum {
    TURN_MS = 100,   /* the loop's own look around, beside the bell */
    LANE_BATCH = 50, /* claims from one lane before the next one has its turn */
    SETTLE_BATCH = 500,
    SETTLE_MS = 5, /* the longest that an outcome waits for others */
    POISON_CRASHES = 3,
    BODY_BUDGET = 128 * 1024 * 1024, /* bytes of bodies loaded at once */
};

/* A claim with its delivery, from the claim to the acknowledgement. */
struct carried {
    struct engine *engine;
    struct queue_claim claim;
    struct delivery *delivery;
    struct deliver_attempt *attempt;
    struct settlement settlement; /* once it has ended */
    bool settled, recorded;
};

struct engine {
    struct deliver_stream *stream;
    struct event *bell_event, *timer, *settle_timer;
    struct bell *bell;
    struct strmap carried;        /* delivery id to struct carried * */
    struct queue_claims claims;   /* claimed and not yet loaded: kept while PostgreSQL is away */
    struct queue_claims suspects; /* two workers were lost over them: each is tried alone */
    size_t bytes;                 /* of the bodies in hand */
    bool unsettled;               /* the last outcomes could not be recorded: nothing new is taken */
    struct carried **settled;
    size_t settled_count, settled_cap;
    size_t lane_turn; /* where the next round over the lanes begins */
    int64_t reap_at_ms, renew_at_ms, pause_until_ms, stop_at_ms;
    uint64_t delivered, deferred, dead;
    bool stopping;
    bool alone; /* a suspect is in hand: nothing is taken beside it */
    struct fault *fault;
    int result;
};

static void on_settle(evutil_socket_t fd, short events, void *arg);

static void carried_free(struct carried *carried)
{
    carried->engine->bytes -= carried->delivery->job->body_size;
    queue_claim_release(&carried->claim);
    delivery_free(carried->delivery);
    if (carried->settled)
        settlement_release(&carried->settlement);
    free(carried);
}

static void schedule(struct event *event, int64_t ms)
{
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(event, &time);
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

static void on_done(void *arg, struct settlement *settlement)
{
    struct carried *carried = arg;
    carried->attempt = NULL;
    carried->settlement = *settlement;
    count(carried->engine, settlement);
    add_settled(carried);
}

/* Records the first `count` outcomes, then lets their entries go; what is recorded is not recorded again. */
static int record(struct engine *engine, size_t count, struct fault *fault)
{
    struct settlement *items = xcalloc(count, sizeof *items);
    struct queue_finish *finished = xcalloc(count, sizeof *finished);
    size_t item_count = 0;

    for (size_t i = 0; i < count; i++) {
        const struct carried *carried = engine->settled[i];
        if (!carried->recorded)
            items[item_count++] = carried->settlement;
        finished[i].claim = &carried->claim;
        finished[i].ended =
            carried->settlement.verdict.status == DELIVERY_DELIVERED; /* a success is sticky */
    }
    int result = item_count ? store_settle(engine->stream->store, items, item_count, fault) : 0;
    for (size_t i = 0; result == 0 && i < count; i++)
        engine->settled[i]->recorded = true;
    if (result == 0) {
        crash_point("deliver:recorded");
        result = queue_finish(engine->stream->queue, finished, count, fault);
        crash_point("deliver:acknowledged");
    }
    free(items);
    free(finished);
    return result;
}

static void settle(struct engine *engine)
{
    while (engine->settled_count) {
        struct fault problem = {0};
        size_t count = engine->settled_count < SETTLE_BATCH ? engine->settled_count : SETTLE_BATCH;
        engine->unsettled = record(engine, count, &problem) < 0;
        if (engine->unsettled) {
            failed(engine, &problem);
            return;
        }
        for (size_t i = 0; i < count; i++) {
            strmap_remove(&engine->carried, engine->settled[i]->delivery->id);
            carried_free(engine->settled[i]);
        }
        engine->settled_count -= count;
        memmove(engine->settled, engine->settled + count, engine->settled_count * sizeof *engine->settled);
    }
}

/* An id that is not open any more, or cannot be worked on now: its entry goes, or goes back. */
static int leave(struct engine *engine, const struct queue_claim *claim, bool back, struct fault *fault)
{
    const struct queue_finish finish = {.claim = claim};
    return back ? queue_release(engine->stream->queue, &claim, 1, fault)
                : queue_finish(engine->stream->queue, &finish, 1, fault);
}

static void carry(struct engine *engine, struct queue_claim *claim, struct delivery *delivery)
{
    struct carried *carried = xcalloc(1, sizeof *carried);

    *carried = (struct carried){.engine = engine, .claim = *claim, .delivery = delivery};
    claim->stream = NULL; /* it is the carried one's now */
    engine->bytes += delivery->job->body_size;
    strmap_put(&engine->carried, delivery->id, carried);
    if (carried->claim.crashes >= POISON_CRASHES) {
        const struct verdict poison = {.status = DELIVERY_DEAD, .reason = DEAD_POISON};
        settlement_init(&carried->settlement, delivery, poison, "workers crashed on it");
        count(engine, &carried->settlement);
        add_settled(carried);
        return;
    }
    carried->attempt = deliver_stage_start(engine->stream->stage, delivery, on_done, carried);
}

/*
 * Starts the last claim with its delivery, or leaves it. What is in hand here already (its Redis was emptied
 * and it was published again) just gets its new entry.
 */
static int start_last(struct engine *engine, struct delivery **delivery, struct fault *fault)
{
    struct queue_claim *claim = &engine->claims.items[engine->claims.count - 1];
    struct carried *carried = strmap_get(&engine->carried, claim->id);

    if (carried) {
        queue_claim_release(&carried->claim);
        carried->claim = *claim;
    } else if (!*delivery || !(*delivery)->job->body) {
        if (leave(engine, claim, *delivery != NULL, fault) < 0)
            return -1;
        queue_claim_release(claim);
    } else {
        carry(engine, claim, *delivery);
        *delivery = NULL;
    }
    engine->claims.count--;
    return 0;
}

/*
 * How many more deliveries may be in hand: not only attempts in flight count, but also what is settled and
 * not yet recorded. A suspect is alone.
 */
static size_t room(const struct engine *engine)
{
    size_t limit = engine->stream->stage->gate.limit;
    size_t used = engine->carried.count + engine->claims.count;

    if (engine->suspects.count || engine->alone || engine->bytes >= BODY_BUDGET)
        return 0;
    return used < limit ? limit - used : 0;
}

/* Takes what the claim owns. */
static void claims_add(struct queue_claims *claims, const struct queue_claim *claim)
{
    if (claims->count == claims->cap) {
        claims->cap = claims->cap ? claims->cap * 2 : 16;
        claims->items = xreallocarray(claims->items, claims->cap, sizeof *claims->items);
    }
    claims->items[claims->count++] = *claim;
}

/* What two workers were lost over waits until nothing else is in hand. */
static void set_suspects_aside(struct engine *engine)
{
    struct queue_claims *claims = &engine->claims, *suspects = &engine->suspects;

    for (size_t i = 0; i < claims->count; i++) {
        if (claims->items[i].crashes != POISON_CRASHES - 1 || engine->alone)
            continue;
        claims_add(suspects, &claims->items[i]);
        claims->items[i--] = claims->items[--claims->count];
    }
}

/* Loads what was claimed and starts it. What a fault leaves undone stays among the claims, for the next turn.
 */
static int start_all(struct engine *engine, struct fault *fault)
{
    set_suspects_aside(engine);
    size_t count = engine->claims.count;
    uint64_t budget = engine->bytes < BODY_BUDGET ? BODY_BUDGET - engine->bytes : 1;
    if (!count)
        return 0;
    crash_point("deliver:claimed");
    const char **ids = xcalloc(count, sizeof *ids);
    struct delivery **deliveries = xcalloc(count, sizeof *deliveries);
    for (size_t i = 0; i < count; i++)
        ids[i] = engine->claims.items[i].id;
    int result = store_load_deliveries(engine->stream->store, ids, count, budget, deliveries, fault);
    for (size_t i = count; result == 0 && i > 0; i--)
        result = start_last(engine, &deliveries[i - 1], fault);
    for (size_t i = 0; i < count; i++)
        delivery_free(deliveries[i]);
    free(ids);
    free(deliveries);
    return result;
}

/* How many more attempts the destination of a lane ("<destination>:<tenant>:<priority>") may have. */
static size_t lane_room(const struct engine *engine, const char *lane)
{
    const struct deliver_stage *stage = engine->stream->stage;
    char *name = xmemdupz(lane, strcspn(lane, ":"));
    const struct destination *destination = catalog_destination(stage->catalog, name);
    size_t want = destination ? gate_room_for(&stage->gate, destination) : gate_room(&stage->gate);
    free(name);
    if (want > room(engine))
        want = room(engine);
    return want < LANE_BATCH ? want : LANE_BATCH;
}

/* The next suspect, alone. */
static int try_suspect(struct engine *engine, struct fault *fault)
{
    if (!engine->suspects.count || engine->carried.count || engine->claims.count)
        return 0;
    claims_add(&engine->claims, &engine->suspects.items[--engine->suspects.count]);
    engine->alone = true;
    return start_all(engine, fault);
}

/* One round over the lanes, beginning behind the one that began the last round. */
static int take_lanes(struct engine *engine, char **lanes, size_t count, bool *more, struct fault *fault)
{
    for (size_t i = 0; i < count && room(engine); i++) {
        const char *lane = lanes[(engine->lane_turn + i) % count];
        size_t want = lane_room(engine, lane);
        if (!want)
            continue;
        if (queue_fetch_lane(engine->stream->queue, lane, want, &engine->claims, fault) < 0)
            return -1;
        *more = *more || engine->claims.count == want;
        if (start_all(engine, fault) < 0)
            return -1;
    }
    engine->lane_turn++;
    return 0;
}

static int take(struct engine *engine, struct fault *fault)
{
    bool more = true;

    while (more && room(engine)) {
        char **lanes;
        size_t count = 0;
        more = false;
        if (queue_lanes(engine->stream->queue, &lanes, fault) < 0)
            return -1;
        while (lanes[count])
            count++;
        int result = count ? take_lanes(engine, lanes, count, &more, fault) : 0;
        queue_lanes_free(lanes);
        if (result < 0)
            return -1;
    }
    return 0;
}

struct claim_list {
    const struct queue_claim **items;
    size_t count;
};

static void list_claim(const char *key, void *value, void *arg)
{
    struct claim_list *list = arg;
    const struct carried *carried = value;
    (void)key;
    list->items[list->count++] = &carried->claim;
}

/* The claims of everything in hand; items are the caller's to free(). */
static struct claim_list all_claims(struct engine *engine)
{
    struct claim_list list = {.items =
                                  xcalloc(engine->carried.count + engine->claims.count, sizeof *list.items)};
    strmap_each(&engine->carried, list_claim, &list);
    for (size_t i = 0; i < engine->claims.count; i++)
        list.items[list.count++] = &engine->claims.items[i];
    for (size_t i = 0; i < engine->suspects.count; i++)
        list.items[list.count++] = &engine->suspects.items[i];
    return list;
}

/* Also while PostgreSQL is away: what is in hand then is not to be taken over and sent again. */
static void renew(struct engine *engine, int64_t now_ms)
{
    struct fault problem = {0};

    if (now_ms < engine->renew_at_ms)
        return;
    engine->renew_at_ms = now_ms + engine->stream->lease_ms / 3;
    struct claim_list list = all_claims(engine);
    bool *lost = xcalloc(list.count, sizeof *lost);
    /* a lost claim needs nothing: what became of it is fenced in PostgreSQL, and a success counts */
    if (list.count && queue_renew(engine->stream->queue, list.items, list.count, lost, &problem) < 0)
        msg(MSG_DEBUG, "%s", problem.text);
    free(lost);
    free(list.items);
}

/* Takes over what lost its worker, and at once again where there is more of it. */
static int reap(struct engine *engine, int64_t now_ms, struct fault *fault)
{
    size_t want = room(engine) < LANE_BATCH ? room(engine) : LANE_BATCH;
    size_t before = engine->claims.count;

    if (!want || now_ms < engine->reap_at_ms)
        return 0;
    if (queue_reap(engine->stream->queue, QUEUE_READY, engine->stream->lease_ms, want, &engine->claims,
                   fault) < 0)
        return -1;
    engine->reap_at_ms =
        engine->claims.count - before == want ? now_ms : now_ms + engine->stream->lease_ms / 4;
    return 0;
}

static void reload(struct engine *engine)
{
    struct catalog *old;

    if (service_turn(engine->stream->service, &old)) {
        engine->stream->stage->catalog = engine->stream->service->catalog;
        catalog_free(old); /* attempts in flight hold their destinations */
    }
}

static void check_stop(struct engine *engine, int64_t now_ms)
{
    if (!engine->stopping && service_stopping()) {
        engine->stopping = true;
        engine->stop_at_ms = now_ms + engine->stream->stop_timeout_ms;
        notify_stopping();
        msg(MSG_INFO, "stopping: %zu deliveries are in hand", engine->carried.count);
    }
    if (engine->stopping && (!engine->carried.count || now_ms >= engine->stop_at_ms))
        event_base_loopbreak(engine->stream->stage->base);
}

/* The loop's turn: servers there? settle, look after the claims, take. */
static void turn(struct engine *engine)
{
    struct fault problem = {0};
    int64_t now_ms = clock_mono_ms();

    reload(engine);
    check_stop(engine, now_ms);
    renew(engine, now_ms);
    engine->alone = engine->alone && (engine->carried.count || engine->claims.count);
    if (now_ms < engine->pause_until_ms || engine->unsettled)
        return;
    if (store_open(engine->stream->store, &problem) < 0 ||
        (!engine->stopping && (reap(engine, now_ms, &problem) < 0 || start_all(engine, &problem) < 0 ||
                               try_suspect(engine, &problem) < 0 || take(engine, &problem) < 0))) {
        failed(engine, &problem);
        return;
    }
    service_good(engine->stream->service);
    notify_status("in flight %zu, delivered %llu, deferred %llu, dead %llu",
                  engine->stream->stage->gate.total, (unsigned long long)engine->delivered,
                  (unsigned long long)engine->deferred, (unsigned long long)engine->dead);
}

static void on_settle(evutil_socket_t fd, short events, void *arg)
{
    struct engine *engine = arg;
    (void)fd;
    (void)events;
    if (clock_mono_ms() >= engine->pause_until_ms)
        settle(engine);
    if (engine->settled_count)
        schedule(engine->settle_timer, TURN_MS);
    else
        turn(engine); /* there is room again */
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    turn(arg);
}

static void on_bell(evutil_socket_t fd, short events, void *arg)
{
    struct engine *engine = arg;
    (void)fd;
    (void)events;
    bell_clear(engine->bell);
    turn(engine);
}

static int set_up(struct engine *engine, struct fault *fault)
{
    struct deliver_stream *stream = engine->stream;
    const struct timeval period = {.tv_usec = TURN_MS * 1000};

    strmap_init(&engine->carried);
    engine->bell = bell_start(stream->bell, QUEUE_READY, fault);
    if (!engine->bell)
        return -1;
    engine->timer = event_new(stream->stage->base, -1, EV_PERSIST, on_timer, engine);
    engine->settle_timer = evtimer_new(stream->stage->base, on_settle, engine);
    engine->bell_event =
        event_new(stream->stage->base, bell_fd(engine->bell), EV_READ | EV_PERSIST, on_bell, engine);
    if (!engine->timer || !engine->settle_timer || !engine->bell_event ||
        event_add(engine->timer, &period) < 0 || event_add(engine->bell_event, NULL) < 0)
        return fault_set(fault, FAULT_SYSTEM, "cannot set up the event loop");
    return 0;
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

/* What is settled is recorded once more; what is in flight still is cancelled and handed back at once. */
static void tear_down(struct engine *engine)
{
    struct fault problem = {0};

    engine->pause_until_ms = 0;
    settle(engine);
    struct claim_list list = all_claims(engine);
    if (list.count && queue_release(engine->stream->queue, list.items, list.count, &problem) < 0)
        msg(MSG_WARNING, "%zu deliveries come back when their lease is over: %s", list.count, problem.text);
    free(list.items);
    strmap_each(&engine->carried, abandon, NULL);
    strmap_release(&engine->carried, NULL);
    queue_claims_release(&engine->claims);
    queue_claims_release(&engine->suspects);
    free(engine->settled);
    bell_stop(engine->bell);
    if (engine->timer)
        event_free(engine->timer);
    if (engine->settle_timer)
        event_free(engine->settle_timer);
    if (engine->bell_event)
        event_free(engine->bell_event);
}

int deliver_stream_run(struct deliver_stream *stream, struct fault *fault)
{
    struct engine engine = {.stream = stream, .fault = fault};

    engine.reap_at_ms = clock_mono_ms() + stream->lease_ms / 4;
    engine.result = set_up(&engine, fault);
    if (engine.result == 0)
        event_base_dispatch(stream->stage->base);
    tear_down(&engine);
    return engine.result;
}
