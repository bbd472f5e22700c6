/*
 * deliver_engine - the loop of the delivery engine: see deliver_stream.h for what it is, deliver_engine.h for
 * its rooms
 *
 * States of a claimed delivery here: loaded, in flight, settled (its outcome waits for the next batch),
 * recording (the recorder has it), recorded (committed, its entry is let go). While a server is away outcomes
 * are kept, and nothing new is taken.
 *
 * Three threads work for the loop, one job each at a time: the taker runs rounds (deliver_take.h), the
 * recorder batches (deliver_record.h), the keeper renews claims. Everything else is the loop's.
 */
#include "deliver_engine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "catalog.h"
#include "clock.h"
#include "msg.h"
#include "notify.h"
#include "xalloc.h"

enum { STUCK_MS = 5 * 60 * 1000 }; /* a server's call has its deadline: a thread that takes so long hangs */

void engine_schedule(struct event *event, int64_t ms)
{
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_add(event, &time);
}

void engine_failed(struct engine *engine, const struct fault *fault)
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

/* --- the loop's turns --- */

static bool stuck(const struct engine *engine, int64_t now_ms)
{
    const struct aside *asides[] = {engine->taker, engine->recorder};

    for (size_t i = 0; i < sizeof asides / sizeof *asides; i++)
        if (aside_is_busy(asides[i]) && now_ms - aside_busy_since_ms(asides[i]) > STUCK_MS)
            return true;
    return false;
}

void engine_follow_reload(struct engine *engine)
{
    struct service_old old;

    if (!service_reload(engine->stream->service, &old))
        return;
    engine->stream->stage->catalog = engine->stream->service->catalog;
    service_old_free(engine->stream->service, &old); /* attempts in flight hold their destinations */
}

/* Signals, the watchdog's sign (none from a service that hangs), a reload. */
static void look_after_service(struct engine *engine, int64_t now_ms)
{
    if (!stuck(engine, now_ms))
        service_turn(engine->stream->service);
    engine_follow_reload(engine);
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
    engine_renew(engine, now_ms);
    if (now_ms < engine->pause_until_ms)
        return;
    tell_status(engine);
    engine_begin_round(engine);
}

static void on_round_timer(evutil_socket_t fd, short events, void *arg)
{
    struct engine *engine = arg;
    (void)fd;
    (void)events;
    if (engine->stopping && !engine->carried.count)
        event_base_loopbreak(engine->stream->stage->base);
    else
        engine_begin_round(engine);
}

static void on_bell(evutil_socket_t fd, short events, void *arg)
{
    struct engine *engine = arg;
    (void)fd;
    (void)events;
    bell_clear(engine->bell);
    engine->rang = true;
    engine_begin_round(engine);
}

/* --- beginning and end --- */

static int set_up(struct engine *engine, struct fault *fault)
{
    struct event_base *base = engine->stream->stage->base;
    const struct timeval period = {.tv_usec = ENGINE_TURN_MS * 1000};

    engine->taker = aside_start(base, fault);
    engine->recorder = engine->taker ? aside_start(base, fault) : NULL;
    engine->keeper = engine->recorder ? aside_start(base, fault) : NULL;
    engine->bell = engine->keeper ? bell_start(engine->stream->bell_queue, QUEUE_READY, fault) : NULL;
    if (!engine->bell)
        return -1;
    engine->timer = event_new(base, -1, EV_PERSIST, on_timer, engine);
    engine->settle_timer = evtimer_new(base, engine_on_settle, engine);
    engine->round_timer = evtimer_new(base, on_round_timer, engine);
    engine->bell_event = event_new(base, bell_fd(engine->bell), EV_READ | EV_PERSIST, on_bell, engine);
    if (!engine->timer || !engine->settle_timer || !engine->round_timer || !engine->bell_event ||
        event_add(engine->timer, &period) < 0 || event_add(engine->bell_event, NULL) < 0)
        return fault_set(fault, FAULT_SYSTEM, "cannot set up the event loop");
    return 0;
}

static void hand_back(struct engine *engine)
{
    struct deliver_round rest = {.queue = engine->stream->record_queue};
    struct fault problem = {0};

    engine_all_claims(engine, &rest.released);
    queue_claims_move(&rest.released, &engine->released);
    queue_claims_move(&rest.finished, &engine->finished);
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
    engine_carried_free(carried);
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
    engine_record_rest(engine);
    hand_back(engine);
    strmap_each(&engine->carried, abandon, NULL);
    strmap_release(&engine->carried, NULL);
    strmap_release(&engine->probes, NULL);
    strmap_release(&engine->unused, NULL);
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
    strmap_init(&engine.unused);
    share_init(&engine.share);
    engine.result = set_up(&engine, fault);
    if (engine.result == 0)
        event_base_dispatch(stream->stage->base);
    tear_down(&engine);
    return engine.result;
}
