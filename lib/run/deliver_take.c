/*
 * deliver_take - see deliver_take.h
 */
#include "deliver_take.h"

#include <stdlib.h>
#include <string.h>

#include "breaker.h"
#include "clock.h"
#include "crash.h"
#include "pool.h"
#include "strmap.h"
#include "xalloc.h"

enum { UNKNOWN_CONCURRENCY = 20, UNKNOWN_TIMEOUT_MS = 30 * 1000 }; /* of what only a request describes */

void deliver_look_release(struct deliver_look *look)
{
    queue_lanes_free(look->lanes, look->lane_count);
    holds_release(&look->holds);
    *look = (struct deliver_look){0};
}

void deliver_plan_release(struct deliver_plan *plan)
{
    for (size_t i = 0; i < plan->grant_count; i++)
        free((char *)plan->grants[i].destination);
    for (size_t i = 0; i < plan->probe_count; i++)
        free(plan->probed[i]);
    free(plan->wants);
    free(plan->grant_of);
    free(plan->grants);
    free(plan->probes);
    free(plan->probed);
    free(plan->probe_ms);
    *plan = (struct deliver_plan){0};
}

/* As in the catalog: "web" of "web@3f2a:acme:normal"; the caller's. */
static char *lane_destination(const char *lane)
{
    return xmemdupz(lane, strcspn(lane, "@:"));
}

/* --- the plan --- */

/* A destination of the look, and what there is room for. */
struct place {
    char *key;
    const struct destination *destination; /* NULL: only requests know it */
    const struct hold *hold;
    bool served;
    size_t room;
    size_t grant; /* index + 1 */
};

struct planning {
    struct deliver_look *look;
    const struct deliver_limits *limits;
    struct deliver_plan *plan;
    struct strmap places;  /* key -> struct place * */
    struct strmap tenants; /* name -> size_t *, their rooms */
};

static void place_free(void *value)
{
    struct place *place = value;

    free(place->key);
    free(place);
}

static struct place *place_of(struct planning *planning, const char *lane)
{
    const struct deliver_limits *limits = planning->limits;
    char *key = xmemdupz(lane, strcspn(lane, ":"));
    struct place *place = strmap_get(&planning->places, key);

    if (place) {
        free(key);
        return place;
    }
    char *name = lane_destination(lane);
    place = xcalloc(1, sizeof *place);
    place->key = key;
    place->destination = catalog_destination(limits->catalog, name);
    place->hold = holds_find(&planning->look->holds, key);
    place->served = pool_serves(limits->patterns, name);
    const struct hold_report *report = strmap_get(limits->reports, key);
    if (report && report->failures)
        place->served = false;
    if (place->served && !place->hold)
        place->room = gate_destination_room(limits->gate, key,
                                            place->destination ? (size_t)place->destination->concurrency
                                                               : UNKNOWN_CONCURRENCY);
    strmap_put(&planning->places, key, place);
    free(name);
    return place;
}

static size_t *tenant_room(struct planning *planning, const char *lane)
{
    enum priority priority;
    char *tenant = share_tenant(lane, &priority);
    size_t *room = strmap_get(&planning->tenants, tenant);

    if (!room) {
        room = xcalloc(1, sizeof *room);
        *room = gate_tenant_room(planning->limits->gate, tenant);
        strmap_put(&planning->tenants, tenant, room);
    }
    free(tenant);
    return room;
}

static void plan_probe(struct planning *planning, struct queue_lane *lane, const struct place *place)
{
    struct deliver_plan *plan = planning->plan;
    size_t i = plan->probe_count;

    while (i > 0 && strcmp(plan->probed[i - 1], place->key) != 0)
        i--;
    if (i > 0)
        return; /* another lane of it has the probe */
    i = plan->probe_count++;
    plan->probes = xreallocarray(plan->probes, i + 1, sizeof *plan->probes);
    plan->probed = xreallocarray(plan->probed, i + 1, sizeof *plan->probed);
    plan->probe_ms = xreallocarray(plan->probe_ms, i + 1, sizeof *plan->probe_ms);
    plan->probes[i] = (struct queue_want){.lane = lane->name, .partition = lane->partition, .count = 1};
    plan->probed[i] = xstrdup(place->key);
    plan->probe_ms[i] =
        (place->destination ? place->destination->timeout_ms : UNKNOWN_TIMEOUT_MS) + BREAKER_PROBE_GRACE_MS;
}

static void plan_want(struct planning *planning, struct queue_lane *lane, size_t want, struct place *place)
{
    struct deliver_plan *plan = planning->plan;
    size_t i = plan->want_count++;

    plan->wants = xreallocarray(plan->wants, i + 1, sizeof *plan->wants);
    plan->grant_of = xreallocarray(plan->grant_of, i + 1, sizeof *plan->grant_of);
    plan->wants[i] = (struct queue_want){.lane = lane->name, .partition = lane->partition, .count = want};
    lane->in_flight += (int64_t)want;
    if (place->destination && place->destination->rate_per_s > 0 && !place->grant) {
        place->grant = ++plan->grant_count;
        plan->grants = xreallocarray(plan->grants, plan->grant_count, sizeof *plan->grants);
        plan->grants[place->grant - 1] = (struct hold_grant){.destination = xstrdup(place->key),
                                                             .rate_per_s = place->destination->rate_per_s};
    }
    plan->grant_of[i] = place->grant;
    if (place->grant)
        plan->grants[place->grant - 1].want += want;
}

void deliver_plan(struct deliver_look *look, struct share *share, const struct deliver_limits *limits,
                  struct deliver_plan *plan)
{
    struct planning planning = {.look = look, .limits = limits, .plan = plan};
    struct share_lane *shares = xcalloc(look->lane_count + 1, sizeof *shares);
    struct place **places = xcalloc(look->lane_count + 1, sizeof *places);

    *plan = (struct deliver_plan){0};
    strmap_init(&planning.places);
    strmap_init(&planning.tenants);
    for (size_t i = 0; i < look->lane_count; i++) {
        struct queue_lane *lane = &look->lanes[i];
        size_t unread = queue_lane_unread(lane);

        places[i] = place_of(&planning, lane->name);
        shares[i] = (struct share_lane){
            .name = lane->name,
            .unread = unread,
            .oldest_ms = lane->oldest_ms,
            .room = &places[i]->room,
            .tenant_room = tenant_room(&planning, lane->name),
        };
        if (unread && limits->total && places[i]->served && places[i]->hold &&
            places[i]->hold->kind == HOLD_PROBE)
            plan_probe(&planning, lane, places[i]);
    }
    share_plan(share, shares, look->lane_count, limits->total);
    for (size_t i = 0; i < look->lane_count; i++)
        if (shares[i].want)
            plan_want(&planning, &look->lanes[i], shares[i].want, places[i]);
    strmap_release(&planning.places, place_free);
    strmap_release(&planning.tenants, free);
    free(places);
    free(shares);
}

/* --- the round, on its thread --- */

/* Claims that came to nothing. What was done is forgotten, so that a fault does not do it again. */
int deliver_round_let_go(struct deliver_round *round, struct fault *fault)
{
    size_t count = round->finished.count;
    struct queue_finish *finished = xcalloc(count + 1, sizeof *finished);

    for (size_t i = 0; i < count; i++)
        finished[i].claim = &round->finished.items[i];
    int result = count ? queue_finish(round->queue, finished, count, fault) : 0;
    free(finished);
    if (result < 0)
        return -1;
    queue_claims_release(&round->finished);
    count = round->released.count;
    const struct queue_claim **released = xcalloc(count + 1, sizeof *released);
    for (size_t i = 0; i < count; i++)
        released[i] = &round->released.items[i];
    result = count ? queue_release(round->queue, released, count, fault) : 0;
    free(released);
    if (result == 0)
        queue_claims_release(&round->released);
    return result;
}

struct giving_back {
    struct deliver_round *round;
    struct fault *fault;
    int result;
};

static void give_back_probe(const char *destination, void *value, void *arg)
{
    struct giving_back *giving = arg;
    bool granted;
    (void)value;

    if (giving->result == 0)
        giving->result = holds_probe(giving->round->queue, destination, 0, &granted, giving->fault);
}

static int give_back_probes(struct deliver_round *round, struct fault *fault)
{
    struct giving_back giving = {.round = round, .fault = fault};

    strmap_each(&round->unused, give_back_probe, &giving);
    return giving.result;
}

/* A probe for which there is nothing to send is given back. */
static int fetch_probes(struct deliver_round *round, struct fault *fault)
{
    struct deliver_plan *plan = &round->plan;

    round->probes = xcalloc(plan->probe_count + 1, sizeof *round->probes);
    for (size_t i = 0; i < plan->probe_count; i++) {
        size_t before = round->claims.count;
        bool granted;

        if (holds_probe(round->queue, plan->probed[i], plan->probe_ms[i], &granted, fault) < 0)
            return -1;
        if (!granted)
            continue;
        if (queue_fetch(round->queue, QUEUE_READY, &plan->probes[i], 1, &round->claims, fault) < 0)
            return -1;
        if (round->claims.count > before)
            memcpy(round->probes[round->probe_count++], round->claims.items[before].id,
                   sizeof *round->probes);
        else if (holds_probe(round->queue, plan->probed[i], 0, &granted, fault) < 0)
            return -1;
    }
    return 0;
}

/* Of what a destination with a rate was to get, so much as its rate grants, in the order of the plan. */
static int ask_rates(struct deliver_round *round, struct fault *fault)
{
    struct deliver_plan *plan = &round->plan;

    if (!plan->grant_count)
        return 0;
    if (holds_grant(round->queue, plan->grants, plan->grant_count, fault) < 0)
        return -1;
    for (size_t i = 0; i < plan->want_count; i++) {
        struct queue_want *want = &plan->wants[i];

        if (!plan->grant_of[i])
            continue;
        struct hold_grant *grant = &plan->grants[plan->grant_of[i] - 1];
        if (want->count > grant->granted)
            want->count = grant->granted;
        grant->granted -= want->count;
    }
    return 0;
}

static int fetch(struct deliver_round *round, struct fault *fault)
{
    struct deliver_plan *plan = &round->plan;
    size_t kept = 0;

    if (fetch_probes(round, fault) < 0 || ask_rates(round, fault) < 0)
        return -1;
    for (size_t i = 0; i < plan->want_count; i++)
        if (plan->wants[i].count)
            plan->wants[kept++] = plan->wants[i];
    plan->want_count = kept;
    if (kept && queue_fetch(round->queue, QUEUE_READY, plan->wants, kept, &round->claims, fault) < 0)
        return -1;
    if (round->reap &&
        queue_reap(round->queue, QUEUE_READY, round->lease_ms, round->reap, &round->claims, fault) < 0)
        return -1;
    return 0;
}

static int load(struct deliver_round *round, struct fault *fault)
{
    size_t count = round->claims.count;

    if (!count)
        return 0;
    crash_point("deliver:claimed");
    const char **ids = xcalloc(count, sizeof *ids);
    round->deliveries = xcalloc(count, sizeof *round->deliveries);
    for (size_t i = 0; i < count; i++)
        ids[i] = round->claims.items[i].id;
    int result =
        store_load_deliveries(round->store, ids, count, round->body_budget, round->deliveries, fault);
    free(ids);
    if (result < 0) {
        free(round->deliveries);
        round->deliveries = NULL;
    }
    return result;
}

static int look(struct deliver_round *round, struct fault *fault)
{
    struct deliver_look fresh = {0};

    if (!round->look)
        return 0;
    if (queue_lanes(round->queue, QUEUE_READY, &fresh.lanes, &fresh.lane_count, fault) < 0 ||
        holds_look(round->queue, &fresh.holds, fault) < 0) {
        deliver_look_release(&fresh);
        return -1;
    }
    fresh.at_ms = clock_mono_ms();
    round->fresh = fresh;
    return 0;
}

void deliver_round_run(void *arg)
{
    struct deliver_round *round = arg;
    struct fault *fault = &round->fault;

    round->result = -1;
    if (round->report_count &&
        holds_report(round->queue, &round->rules, round->reports, round->report_count, fault) < 0)
        return;
    if (give_back_probes(round, fault) < 0 || deliver_round_let_go(round, fault) < 0)
        return;
    if (store_open(round->store, fault) < 0) /* nothing is claimed that cannot be loaded */
        return;
    if (fetch(round, fault) < 0 || load(round, fault) < 0 || look(round, fault) < 0)
        return;
    round->result = 0;
}

void deliver_round_free(struct deliver_round *round)
{
    if (!round)
        return;
    for (size_t i = 0; i < round->report_count; i++)
        free((char *)round->reports[i].destination);
    for (size_t i = 0; round->deliveries && i < round->claims.count; i++)
        delivery_free(round->deliveries[i]);
    free(round->reports);
    free(round->deliveries);
    free(round->probes);
    strmap_release(&round->unused, NULL);
    queue_claims_release(&round->finished);
    queue_claims_release(&round->released);
    queue_claims_release(&round->claims);
    deliver_plan_release(&round->plan);
    deliver_look_release(&round->fresh);
    free(round);
}
