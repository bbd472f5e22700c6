/*
 * pump - see pump.h
 *
 * A service keeps a batch until it is through: the claims stay its own, and every step of a stage may be
 * repeated. What it cannot finish before it stops it hands back at once.
 */
#include "catalog.h"
#include "pump.h"

#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "lines.h"
#include "msg.h"
#include "notify.h"
#include "service.h"
#include "share.h"
#include "xalloc.h"

enum {
    BATCH = 256,
    WAIT_MS = 1000,     /* the longest sleep of an idle service */
    POISON_CRASHES = 3, /* workers lost over one entry before it is given up */
    LATER_MS = 1000,    /* the pause before what is postponed is tried again */
    QUIET_MS = 5000,    /* without anything postponed: what was said of it is over */
};

static int pump_record(void *arg, char *line, size_t size, uint64_t number, struct buf *out,
                       struct fault *fault)
{
    const struct pump *pump = arg;
    (void)number;
    return pump->line(pump->stage, line, size, out, fault);
}

static int pump_lines(const struct pump *pump, struct fault *fault)
{
    struct lines lines = {
        .in = STDIN_FILENO,
        .out = STDOUT_FILENO,
        .name = "stdin",
        .max_line = pump->max_line,
        .max_pending = pump->max_pending,
        .record = pump_record,
        .arg = (void *)pump,
    };
    return lines_run(&lines, fault);
}

/* The claims in hand of one service. */
struct work {
    const struct pump *pump;
    struct service *service;
    struct store *store;
    struct queue *queue;
    int64_t lease_ms;
    size_t window;
    struct share share;
    struct queue_claims claims;
    struct postponed later;
    bool later_told;
    int64_t tick_at_ms, reap_at_ms, renew_at_ms;
    int64_t later_at_ms; /* what is postponed is handed back */
    uint64_t done;
};

static void drop_claims(struct work *work)
{
    queue_claims_release(&work->claims);
    work->claims = (struct queue_claims){0};
}

/* The claims as an array; the caller frees it. */
static const struct queue_claim **array_of(const struct queue_claims *claims)
{
    const struct queue_claim **array = xcalloc(claims->count + 1, sizeof *array);
    for (size_t i = 0; i < claims->count; i++)
        array[i] = &claims->items[i];
    return array;
}

static void renew_claims(struct work *work, const struct queue_claims *claims)
{
    const struct queue_claim **array = array_of(claims);
    bool *lost = xcalloc(claims->count + 1, sizeof *lost);
    struct fault problem = {0};

    if (claims->count && queue_renew(work->queue, array, claims->count, lost, &problem) < 0)
        msg(MSG_DEBUG, "%s", problem.text);
    free(lost);
    free(array);
}

/* While PostgreSQL is away a batch waits here for longer than its lease: nobody else is to take it. */
static void renew(struct work *work)
{
    int64_t now_ms = clock_mono_ms();

    if (!(work->claims.count + work->later.claims.count) || now_ms < work->renew_at_ms)
        return;
    renew_claims(work, &work->claims);
    renew_claims(work, &work->later.claims);
    work->renew_at_ms = now_ms + work->lease_ms / 3;
}

static int release_claims(struct work *work, const struct queue_claims *claims, struct fault *fault)
{
    const struct queue_claim **array = array_of(claims);
    int result = claims->count ? queue_release(work->queue, array, claims->count, fault) : 0;

    free(array);
    return result;
}

/* Takes what crashed too often out of the claims. */
static int give_up_poison(struct work *work, struct fault *fault)
{
    struct queue_claims *claims = &work->claims;
    for (size_t i = 0; i < claims->count; i++) {
        struct queue_claim *claim = &claims->items[i];
        if (claim->crashes < POISON_CRASHES)
            continue;
        msg(MSG_ERROR, "%s: %d workers were lost while they held it: given up", claim->id, claim->crashes);
        if (work->pump->poison(work->pump->stage, claim, "workers crashed on it", fault) < 0)
            return -1;
        queue_claim_release(claim);
        claims->items[i--] = claims->items[--claims->count];
    }
    return 0;
}

/*
 * What two workers were lost over is worked on alone: the third one is to take nobody innocent with it. The
 * others go back.
 */
static int isolate_suspect(struct work *work, struct fault *fault)
{
    struct queue_claims *claims = &work->claims;
    size_t suspect = 0;

    while (suspect < claims->count && claims->items[suspect].crashes < POISON_CRASHES - 1)
        suspect++;
    if (suspect == claims->count)
        return 0;
    struct queue_claim first = claims->items[0];
    claims->items[0] = claims->items[suspect];
    claims->items[suspect] = first;
    while (claims->count > 1) {
        const struct queue_claim *last = &claims->items[claims->count - 1];
        if (queue_release(work->queue, &last, 1, fault) < 0)
            return -1;
        queue_claim_release(&claims->items[--claims->count]);
    }
    return 0;
}

/* What the lanes of the next stage have room for: rooms[i] for lanes[i], which has the same name there. */
static int look_ahead(struct work *work, const struct queue_lane *lanes, size_t count, size_t *rooms,
                      struct fault *fault)
{
    struct queue_item *items = xcalloc(count, sizeof *items);
    int64_t *lengths = xcalloc(count, sizeof *lengths);

    for (size_t i = 0; i < count; i++)
        items[i] = (struct queue_item){.lane = lanes[i].name, .partition = lanes[i].partition};
    int result = queue_lengths(work->queue, QUEUE_ROUTED, items, count, lengths, fault);
    for (size_t i = 0; i < count; i++)
        rooms[i] = lengths[i] < (int64_t)work->window ? work->window - (size_t)lengths[i] : 0;
    free(lengths);
    free(items);
    return result;
}

/* A batch of what is unread, fair among tenants. */
static int fetch(struct work *work, struct fault *fault)
{
    struct queue_lane *lanes;
    size_t count, want_count = 0;
    int result = queue_lanes(work->queue, work->pump->source, &lanes, &count, fault);

    if (result < 0 || !count)
        return result;
    struct share_lane *shares = xcalloc(count, sizeof *shares);
    struct queue_want *wants = xcalloc(count, sizeof *wants);
    size_t *rooms = xcalloc(count, sizeof *rooms);
    bool bounded = work->pump->source == QUEUE_SUBMITTED;
    if (bounded)
        result = look_ahead(work, lanes, count, rooms, fault);
    for (size_t i = 0; i < count; i++)
        shares[i] = (struct share_lane){.name = lanes[i].name,
                                        .unread = queue_lane_unread(&lanes[i]),
                                        .oldest_ms = lanes[i].oldest_ms,
                                        .room = bounded ? &rooms[i] : NULL};
    if (result == 0)
        share_plan(&work->share, shares, count, BATCH);
    for (size_t i = 0; i < count; i++)
        if (shares[i].want)
            wants[want_count++] = (struct queue_want){
                .lane = lanes[i].name, .partition = lanes[i].partition, .count = shares[i].want};
    if (result == 0)
        result = queue_fetch(work->queue, work->pump->source, wants, want_count, &work->claims, fault);
    free(rooms);
    free(wants);
    free(shares);
    queue_lanes_free(lanes, count);
    return result;
}

static int take(struct work *work, int64_t now_ms, struct fault *fault)
{
    const struct pump *pump = work->pump;

    if (now_ms >= work->reap_at_ms) {
        if (queue_reap(work->queue, pump->source, work->lease_ms, BATCH, &work->claims, fault) < 0)
            return -1;
        work->reap_at_ms = work->claims.count == BATCH ? now_ms : now_ms + work->lease_ms / 4;
        if (give_up_poison(work, fault) < 0)
            return -1;
    }
    /* also where it is time to reap in every turn, as with a short lease */
    if (!work->claims.count && fetch(work, fault) < 0)
        return -1;
    return isolate_suspect(work, fault);
}

/* A batch with a bad row in it is tried one by one, so that it does not hold up the others. */
static int one_by_one(struct work *work, struct fault *fault)
{
    const struct pump *pump = work->pump;
    while (work->claims.count) {
        struct queue_claim *claim = &work->claims.items[work->claims.count - 1];
        struct queue_claims single = {.items = claim, .count = 1, .cap = 1};
        struct fault problem = {0};
        service_turn(work->service);
        renew(work);
        if (pump->batch(pump->stage, &single, &work->later, &problem) < 0) {
            if (problem.class != FAULT_INPUT) {
                if (fault)
                    *fault = problem;
                return -1;
            }
            msg(MSG_ERROR, "%s: %s: given up", claim->id, problem.text);
            if (pump->poison(pump->stage, claim, problem.text, fault) < 0)
                return -1;
        }
        queue_claim_release(claim);
        work->claims.count--;
    }
    return 0;
}

/* The stage's own clockwork. Where it fails the work in hand goes on: that is what makes room again. */
static int tick(struct work *work, int64_t now_ms, struct fault *fault)
{
    enum { AFTER_FAILURE_MS = 1000 };
    int64_t tick_ms;

    if (!work->pump->tick || now_ms < work->tick_at_ms)
        return 0;
    int result = work->pump->tick(work->pump->stage, &tick_ms, fault);
    work->tick_at_ms = clock_mono_ms() + (result < 0 ? AFTER_FAILURE_MS : tick_ms);
    return result;
}

/* How long the bell may be waited for before the clockwork is due. */
static int64_t bell_ms(const struct work *work)
{
    const int64_t now_ms = clock_mono_ms();
    int64_t left_ms = WAIT_MS;

    if (work->pump->tick && work->tick_at_ms - now_ms < left_ms)
        left_ms = work->tick_at_ms - now_ms;
    if (work->later.claims.count && work->later_at_ms - now_ms < left_ms)
        left_ms = work->later_at_ms - now_ms;
    return left_ms > 0 ? left_ms : 1;
}

/* Says once that something waits, and once that nothing has done so for a while. */
static void tell_of_later(struct work *work, int64_t now_ms)
{
    const struct postponed *later = &work->later;

    if (!work->later_told && later->claims.count)
        msg(MSG_WARNING, "%s; trying again until it works", later->why.text);
    else if (work->later_told && !later->claims.count && now_ms >= work->later_at_ms + QUIET_MS)
        msg(MSG_INFO, "it works again");
    else
        return;
    work->later_told = !work->later_told;
}

/* Back to the end of their lanes, once a pause: what others have waiting there comes first. */
static int release_later(struct work *work, int64_t now_ms, struct fault *fault)
{
    tell_of_later(work, now_ms);
    if (!work->later.claims.count || now_ms < work->later_at_ms)
        return 0;
    if (release_claims(work, &work->later.claims, fault) < 0)
        return -1;
    postponed_release(&work->later);
    return 0;
}

static int64_t pause_ms(const struct work *work)
{
    return work->lease_ms / 4 < LATER_MS ? work->lease_ms / 4 : LATER_MS;
}

static int run_batch(struct work *work, struct fault *fault)
{
    struct fault problem = {0};
    const size_t count = work->claims.count, before = work->later.claims.count;

    if (work->pump->batch(work->pump->stage, &work->claims, &work->later, &problem) < 0) {
        if (problem.class != FAULT_INPUT) {
            if (fault)
                *fault = problem;
            return -1;
        }
        if (one_by_one(work, fault) < 0)
            return -1;
    }
    if (!before && work->later.claims.count)
        work->later_at_ms = clock_mono_ms() + pause_ms(work);
    work->done += count - (work->later.claims.count - before);
    drop_claims(work);
    return 0;
}

static void follow_reload(struct work *work)
{
    struct service_old old;

    if (!service_reload(work->service, &old))
        return;
    work->pump->attach(work->pump->stage, work->service->catalog, work->service->loaded, work->store,
                       work->queue);
    service_old_free(work->service, &old);
}

/* One turn. *wait_ms: how long the bell may be waited for, 0 where there was work. */
static int turn(struct work *work, int64_t *wait_ms, struct fault *fault)
{
    int64_t now_ms = clock_mono_ms();
    int ticked = tick(work, now_ms, fault);

    if (release_later(work, now_ms, ticked < 0 ? NULL : fault) < 0)
        return -1;
    /* A batch of what is postponed is as much as this one holds back from others. */
    if (!work->claims.count && work->later.claims.count < BATCH &&
        take(work, now_ms, ticked < 0 ? NULL : fault) < 0)
        return -1;
    *wait_ms = work->claims.count ? 0 : bell_ms(work);
    follow_reload(work);
    if (work->claims.count && run_batch(work, ticked < 0 ? NULL : fault) < 0)
        return -1;
    return ticked;
}

static void hand_back(struct work *work)
{
    size_t count = work->claims.count + work->later.claims.count;
    struct fault problem = {0};

    if (release_claims(work, &work->claims, &problem) < 0 ||
        release_claims(work, &work->later.claims, &problem) < 0)
        msg(MSG_WARNING, "%zu entries come back when their lease is over: %s", count, problem.text);
    drop_claims(work);
    postponed_release(&work->later);
}

static int pump_streams(struct work *work, struct fault *fault)
{
    const struct pump *pump = work->pump;
    int result = 0;

    while (!service_stopping() && result == 0) {
        struct fault problem = {0};
        int64_t wait_ms = 0;

        service_turn(work->service);
        follow_reload(work);
        renew(work);
        if (store_open(work->store, &problem) == 0 && turn(work, &wait_ms, &problem) == 0) {
            service_good(work->service);
            notify_status("%llu done", (unsigned long long)work->done);
            if (!wait_ms || queue_wait(work->queue, pump->source, wait_ms, &problem) >= 0)
                continue;
        }
        if (service_stopping())
            break;
        if (service_failed(work->service, &problem, &wait_ms) < 0) {
            *fault = problem;
            result = -1;
        } else {
            service_sleep(wait_ms);
        }
    }
    hand_back(work);
    return result;
}

static int run_service(const struct pump *pump, const struct tool *tool, struct fault *fault)
{
    struct service service;
    struct work work = {
        .pump = pump,
        .service = &service,
        .store = tool_store(tool),
        .queue = tool_queue(tool),
        .lease_ms = conf_duration_ms(tool->conf, "DIST_LEASE"),
        .window = (size_t)conf_int(tool->conf, "DIST_LANE_WINDOW"),
    };

    share_init(&work.share);
    int result = service_begin(&service, tool, pump->part, fault);
    if (result == 0 && service.catalog) { /* there is none where it was stopped before that */
        pump->attach(pump->stage, service.catalog, service.loaded, work.store, work.queue);
        result = pump_streams(&work, fault);
    }
    if (result == 0 || service.catalog)
        service_end(&service);
    share_release(&work.share);
    queue_free(work.queue);
    store_free(work.store);
    return result;
}

static int run_filter(const struct pump *pump, const struct tool *tool, struct fault *fault)
{
    const struct service_part *part = pump->part;
    struct catalog *catalog = tool_catalog(tool, tool_mistake, NULL, fault);
    void *loaded = catalog && part ? part->load(part->arg, tool, catalog, fault) : NULL;
    int result = -1;

    if (catalog && (!part || loaded)) {
        pump->attach(pump->stage, catalog, loaded, NULL, NULL);
        result = pump_lines(pump, fault);
    }
    if (loaded)
        part->release(loaded);
    catalog_free(catalog);
    return result;
}

int pump_run(const struct pump *pump, const struct tool *tool, bool stream, struct fault *fault)
{
    return stream ? run_service(pump, tool, fault) : run_filter(pump, tool, fault);
}
