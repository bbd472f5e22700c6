/*
 * deliver_hands - what the engine has in hand: from the claim to the outcome
 */
#include "deliver_engine.h"

#include <stdlib.h>
#include <string.h>

#include "breaker.h"
#include "pool.h"
#include "xalloc.h"

enum { SETTLE_MS = 5 }; /* the longest that an outcome waits for others */

void engine_carried_free(struct carried *carried)
{
    carried->engine->bytes -= carried->bytes;
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
        engine->settled_cap = engine->settled_cap ? engine->settled_cap * 2 : ENGINE_SETTLE_BATCH;
        engine->settled = xreallocarray(engine->settled, engine->settled_cap, sizeof *engine->settled);
    }
    engine->settled[engine->settled_count++] = carried;
    if (engine->settled_count >= ENGINE_SETTLE_BATCH)
        event_active(engine->settle_timer, EV_TIMEOUT, 0);
    else if (engine->settled_count == 1)
        engine_schedule(engine->settle_timer, SETTLE_MS);
}

/* What an attempt says about its destination is told to all workers with the next round. */
static void note(struct engine *engine, const struct carried *carried, const struct deliver_report *said)
{
    struct hold_report *report = strmap_get(&engine->reports, carried->key);

    if (said->result == GATE_NOTHING) {
        if (carried->probe)
            strmap_put(&engine->unused, carried->key, engine);
        return;
    }
    if (!report) {
        report = xcalloc(1, sizeof *report);
        report->destination = xstrdup(carried->key);
        strmap_put(&engine->reports, carried->key, report);
    }
    if (said->result == GATE_SUCCESS) {
        report->success = true;
        report->failures = 0;
    } else {
        report->failures++;
        report->probe_failed = report->probe_failed || carried->probe;
    }
    report->gone = report->gone || said->gone;
    if (said->result == GATE_OVERLOAD && said->retry_after_ms > report->pause_ms)
        report->pause_ms =
            said->retry_after_ms < BREAKER_PAUSE_MAX_MS ? said->retry_after_ms : BREAKER_PAUSE_MAX_MS;
    engine->urgent = engine->urgent || said->result != GATE_SUCCESS || said->gone || carried->probe;
}

static void on_done(void *arg, struct settlement *settlement, const struct deliver_report *report)
{
    struct carried *carried = arg;
    struct engine *engine = carried->engine;
    bool failed_probe = carried->probe &&
                        (report->result == GATE_FAILURE || report->result == GATE_OVERLOAD) &&
                        settlement->verdict.status != DELIVERY_EXPIRED;

    carried->attempt = NULL;
    note(engine, carried, report);
    engine_want_round(engine);
    if (!failed_probe) {
        carried->settlement = *settlement;
        add_settled(carried);
        return;
    }
    settlement_release(settlement); /* no attempt is spent and no row is written: it goes back to its lane */
    queue_claims_add(&engine->released, &carried->claim);
    strmap_remove(&engine->carried, carried->delivery->id);
    engine_carried_free(carried);
}

static size_t body_bytes(const struct delivery *delivery)
{
    size_t bytes;

    delivery_body(delivery, &bytes);
    return bytes;
}

/* False where its body did not fit, and it is to be handed back. */
static bool has_body(const struct delivery *delivery)
{
    size_t bytes;

    return delivery_body(delivery, &bytes) != NULL;
}

static void carry(struct engine *engine, struct queue_claim *claim, struct delivery *delivery)
{
    struct carried *carried = xcalloc(1, sizeof *carried);

    *carried = (struct carried){.engine = engine,
                                .claim = *claim,
                                .delivery = delivery,
                                .key = delivery_destination_key(delivery),
                                .bytes = body_bytes(delivery),
                                .probe = strmap_remove(&engine->probes, claim->id) != NULL};
    claim->stream = NULL; /* it is the carried one's now */
    engine->bytes += carried->bytes;
    strmap_put(&engine->carried, delivery->id, carried);
    if (carried->claim.crashes >= ENGINE_POISON_CRASHES) {
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

/* "dist:{0}:ready:<destination>:<tenant>:<priority>": the probe of that destination is not made. */
static void forget_probe(struct engine *engine, const struct queue_claim *claim)
{
    const char *lane = strstr(claim->stream, ":ready:") + strlen(":ready:");
    char *key = xmemdupz(lane, strcspn(lane, ":"));

    strmap_put(&engine->unused, key, engine);
    free(key);
}

/* What was taken over from a worker that was lost may be of another pool. */
static bool is_served(const struct engine *engine, const struct delivery *delivery)
{
    const char *destination = delivery_candidate(delivery);

    return !destination || pool_serves(engine->stream->patterns, destination);
}

void engine_start(struct engine *engine, struct queue_claim *claim, struct delivery *delivery)
{
    struct carried *carried = strmap_get(&engine->carried, claim->id);
    bool begins = !carried && delivery && has_body(delivery) && !engine->stopping &&
                  is_served(engine, delivery) &&
                  (claim->crashes != ENGINE_POISON_CRASHES - 1 || engine->alone);

    if (!begins && strmap_remove(&engine->probes, claim->id))
        forget_probe(engine, claim);
    if (carried) {
        renew_claim(carried, claim);
    } else if (!delivery) { /* it is not open any more */
        queue_claims_add(&engine->finished, claim);
    } else if (begins) {
        carry(engine, claim, delivery);
        return;
    } else if (!has_body(delivery) || engine->stopping || !is_served(engine, delivery)) {
        queue_claims_add(&engine->released, claim);
    } else {
        queue_claims_add(&engine->suspects, claim);
    }
    delivery_free(delivery);
}

static void copy_claim(struct queue_claims *claims, const struct queue_claim *claim)
{
    struct queue_claim copy;

    queue_claim_copy(&copy, claim);
    queue_claims_add(claims, &copy);
}

static void copy_carried(const char *key, void *value, void *arg)
{
    const struct carried *carried = value;
    (void)key;

    copy_claim(arg, &carried->claim);
    if (carried->has_newer)
        copy_claim(arg, &carried->newer);
}

void engine_all_claims(struct engine *engine, struct queue_claims *claims)
{
    const struct queue_claims *lists[] = {&engine->claims, &engine->suspects};

    strmap_each(&engine->carried, copy_carried, claims);
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++)
        for (size_t i = 0; i < lists[k]->count; i++)
            copy_claim(claims, &lists[k]->items[i]);
}
