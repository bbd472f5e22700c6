/*
 * transform_stage - see transform_stage.h
 *
 * Rendering may take its time: a second for a program that loops. So a batch renders for as long as
 * batch_limit.h says, each tenant in turn, and hands the rest back; and as many bytes as a batch of bodies
 * has.
 */
#include "transform_stage.h"

#include <stdlib.h>
#include <string.h>

#include "batch_limit.h"
#include "clock.h"
#include "crash.h"
#include "envelope.h"
#include "route.h"
#include "strmap.h"
#include "text.h"
#include "xalloc.h"

/* How long a delivery of a disabled destination waits before somebody looks again. */
enum { DISABLED_WAIT_MS = 30 * 1000 };
/* Bytes of bodies that are looked at in one batch, and of what it makes of them. */
enum { BODY_BUDGET = 64 * 1024 * 1024 };
/* How long a delivery waits that nobody could work on: no process for programs, for example. */
enum { SHORTAGE_WAIT_MS = 1000 };

static void die(struct delivery *delivery, enum dead_reason reason, const struct fault *fault)
{
    delivery->status = DELIVERY_DEAD;
    delivery->dead_reason = reason;
    free(delivery->last_error);
    delivery->last_error = xstrdup(fault->text);
}

/* The destination of the delivery's next attempt, or NULL: it is dead now. */
static struct destination *resolve(const struct transform_stage *stage, struct delivery *delivery)
{
    struct fault problem = {0};
    struct destination *destination = NULL;

    if (delivery->candidate_count || route_delivery(stage->catalog, delivery, &problem) == 0)
        destination = route_resolve(stage->catalog, delivery_candidate(delivery), delivery->inline_form,
                                    delivery->job->tenant_id, &problem);
    if (!destination)
        die(delivery, DEAD_UNROUTABLE, &problem);
    return destination;
}

/* 0: done, or dead now. -1: for later. */
static int render(const struct transform_stage *stage, const struct destination *destination,
                  struct delivery *delivery, struct fault *fault)
{
    struct fault problem = {0};
    enum dead_reason reason;

    if (render_delivery(stage->render, stage->catalog, destination, delivery, &reason, &problem) == 0)
        return 0;
    if (problem.class == FAULT_INPUT) {
        die(delivery, reason, &problem);
        return 0;
    }
    if (fault)
        *fault = problem;
    return -1;
}

/* Outputs for the candidates behind the first one, while there is room: each may come to be asked. */
static int render_others(const struct transform_stage *stage, struct delivery *delivery, struct fault *fault)
{
    const size_t max = render_max_output(stage->render);
    struct output *output = delivery_output(delivery);
    size_t bytes = output ? output->body_size : 0;
    int result = 0;

    for (size_t i = 1; i < delivery->candidate_count && result == 0; i++) {
        struct fault problem = {0};

        delivery->skipped++;
        struct destination *destination =
            route_resolve(stage->catalog, delivery_candidate(delivery), delivery->inline_form,
                          delivery->job->tenant_id, &problem);
        if (destination && render_makes_output(destination, delivery))
            result = render_delivery(stage->render, stage->catalog, destination, delivery, NULL, &problem);
        output = delivery_output(delivery);
        bytes += output ? output->body_size : 0;
        if (output && bytes > max)
            delivery_drop_output(delivery, output);
        destination_unref(destination);
        if (result && problem.class == FAULT_INPUT)
            result = 0;
        else if (result && fault)
            *fault = problem;
    }
    delivery->skipped = 0;
    return result;
}

/* The options' members in front of those that a rule gave it. */
static void lay_over(const struct transform_stage *stage, struct delivery *delivery)
{
    json_t *both = delivery->rendering ? json_copy(delivery->rendering) : json_object();

    json_object_update(both, (json_t *)stage->rendering);
    json_decref(delivery->rendering);
    delivery->rendering = both;
}

/* The first candidate's. */
static struct destination *destination_of(const struct transform_stage *stage, struct delivery *delivery)
{
    const char *candidate = delivery_candidate(delivery);

    if (stage->rendering && candidate && !delivery->inline_form &&
        !catalog_destination(stage->catalog, candidate))
        return render_stand_in(candidate);
    return resolve(stage, delivery);
}

/* What the envelope brings along of an earlier time is made again. */
static int prepare(const struct transform_stage *stage, struct delivery *delivery, struct fault *fault)
{
    delivery_drop_outputs(delivery);
    if (stage->rendering)
        lay_over(stage, delivery);
    struct destination *destination = destination_of(stage, delivery);
    if (!destination)
        return 0;
    int result = render(stage, destination, delivery, fault);
    destination_unref(destination);
    if (result || delivery->status == DELIVERY_DEAD)
        return result;
    return render_others(stage, delivery, fault);
}

int transform_stage_line(struct transform_stage *stage, const char *line, size_t size, struct buf *out,
                         struct fault *fault)
{
    struct delivery *delivery;
    int result = 0;

    if (envelope_read_delivery(line, size, stage->max_payload, &delivery, fault) < 0)
        return -1;
    if (delivery->status != DELIVERY_DEAD)
        result = prepare(stage, delivery, fault);
    if (result == 0)
        result = envelope_write_delivery(delivery, out, fault);
    delivery_free(delivery);
    return result;
}

/* What a batch works on; arrays of the claims' count, lists filled up to their counts. */
struct batch {
    size_t count;
    const char **ids;
    struct delivery **deliveries;
    struct destination **destinations;
    bool *rerouted; /* its candidates are new */
    char **lanes;
    struct queue_item *items;
    struct queue_hop *hops;
    size_t hop_count;
    struct delivery **changed;
    size_t changed_count;
    struct delivery **made; /* that have a new output */
    size_t made_count, made_bytes, rendered;
    int64_t render_until_ms;
    struct settlement *settlements;
    size_t settlement_count;
    struct queue_finish *finished;
    size_t finished_count;
    const struct queue_claim **released;
    size_t released_count;
};

static void batch_init(struct batch *batch, const struct queue_claims *claims)
{
    size_t count = claims->count;
    *batch = (struct batch){
        .count = count,
        .ids = xcalloc(count, sizeof *batch->ids),
        .deliveries = xcalloc(count, sizeof *batch->deliveries),
        .destinations = xcalloc(count, sizeof *batch->destinations),
        .rerouted = xcalloc(count, sizeof *batch->rerouted),
        .lanes = xcalloc(count, sizeof *batch->lanes),
        .items = xcalloc(count, sizeof *batch->items),
        .hops = xcalloc(count, sizeof *batch->hops),
        .changed = xcalloc(count, sizeof *batch->changed),
        .made = xcalloc(count, sizeof *batch->made),
        .settlements = xcalloc(count, sizeof *batch->settlements),
        .finished = xcalloc(count, sizeof *batch->finished),
        .released = xcalloc(count, sizeof *batch->released),
    };
    for (size_t i = 0; i < count; i++)
        batch->ids[i] = claims->items[i].id;
}

static void batch_release(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        delivery_free(batch->deliveries[i]);
        destination_unref(batch->destinations[i]);
        free(batch->lanes[i]);
    }
    for (size_t i = 0; i < batch->settlement_count; i++)
        settlement_release(&batch->settlements[i]);
    free(batch->ids);
    free(batch->deliveries);
    free(batch->destinations);
    free(batch->rerouted);
    free(batch->lanes);
    free(batch->items);
    free(batch->hops);
    free(batch->changed);
    free(batch->made);
    free(batch->settlements);
    free(batch->finished);
    free(batch->released);
}

/* There is something to be made of its body, or to be seen in it. */
static bool wants_body(const struct batch *batch, size_t i)
{
    const struct destination *destination = batch->destinations[i];
    const struct delivery *delivery = batch->deliveries[i];

    return destination && delivery && delivery->status != DELIVERY_DEAD && !destination->disabled &&
           !delivery_output(delivery) && render_needs_body(destination, delivery);
}

/* Deliveries whose rendering looks at the body are loaded again, with it. */
static int load_bodies(struct transform_stage *stage, struct batch *batch, struct fault *fault)
{
    const char **ids = xcalloc(batch->count, sizeof *ids);
    size_t *places = xcalloc(batch->count, sizeof *places);
    struct delivery **loaded = xcalloc(batch->count, sizeof *loaded);
    size_t count = 0;
    int result = 0;

    for (size_t i = 0; i < batch->count; i++)
        if (wants_body(batch, i)) {
            ids[count] = batch->ids[i];
            places[count++] = i;
        }
    if (count)
        result = store_load_deliveries(stage->store, ids, count, BODY_BUDGET, loaded, fault);
    for (size_t k = 0; result == 0 && k < count; k++) {
        if (batch->rerouted[places[k]] && loaded[k])
            route_delivery(stage->catalog, loaded[k], NULL); /* as a moment ago */
        delivery_free(batch->deliveries[places[k]]);
        batch->deliveries[places[k]] = loaded[k];
    }
    free(ids);
    free(places);
    free(loaded);
    return result;
}

/* The end of the claim's way through here: it waits, or is dead. */
static void settle(struct batch *batch, const struct queue_claim *claim, struct verdict verdict,
                   const struct delivery *delivery, const char *error)
{
    settlement_init(&batch->settlements[batch->settlement_count++], delivery, verdict, error);
    batch->finished[batch->finished_count++] = (struct queue_finish){.claim = claim};
}

/* On to the lane of its destination. */
static void hop(struct batch *batch, size_t i, const struct queue_claim *claim)
{
    batch->lanes[i] = delivery_lane(batch->deliveries[i]);
    batch->items[i] = (struct queue_item){.id = batch->ids[i], .lane = batch->lanes[i]};
    batch->hops[batch->hop_count++] =
        (struct queue_hop){.claim = claim, .stage = QUEUE_READY, .items = &batch->items[i], .count = 1};
}

/* Others are to have their turn, or the bodies that are there fill the memory: the first one always goes. */
static bool is_spent(const struct batch *batch)
{
    return batch->made_bytes > BODY_BUDGET || (batch->rendered && clock_mono_ms() >= batch->render_until_ms);
}

/* True where the delivery can go on. */
static bool render_one(struct transform_stage *stage, struct batch *batch, size_t i,
                       const struct queue_claim *claim)
{
    static const struct verdict later = {.status = DELIVERY_WAITING, .delay_ms = SHORTAGE_WAIT_MS};
    struct delivery *delivery = batch->deliveries[i];
    struct fault problem = {0};
    char *before = xstrdup_null(delivery->content_type);
    int result = render(stage, batch->destinations[i], delivery, &problem);
    const struct output *output = delivery_output(delivery);
    batch->rendered++;
    const bool same = !batch->rerouted[i] &&
                      (delivery->content_type ? before && !strcmp(before, delivery->content_type) : !before);

    free(before);
    if (result) {
        settle(batch, claim, later, delivery, problem.text);
        return false;
    }
    if (delivery->status == DELIVERY_DEAD)
        return true;
    if (!same)
        batch->changed[batch->changed_count++] = delivery;
    if (output) {
        batch->made[batch->made_count++] = delivery;
        batch->made_bytes += output->body_size;
    }
    return true;
}

static void plan_one(struct transform_stage *stage, struct batch *batch, size_t i,
                     const struct queue_claim *claim)
{
    static const struct verdict disabled = {.status = DELIVERY_WAITING, .delay_ms = DISABLED_WAIT_MS};
    struct delivery *delivery = batch->deliveries[i];
    const struct destination *destination = batch->destinations[i];

    if (!delivery) {
        batch->finished[batch->finished_count++] = (struct queue_finish){.claim = claim};
        return;
    }
    if (destination && destination->disabled) {
        settle(batch, claim, disabled, delivery, "the destination is disabled");
        return;
    }
    if (wants_body(batch, i) && (!delivery->job->body || is_spent(batch))) {
        batch->released[batch->released_count++] = claim;
        return;
    }
    if (destination && delivery->status != DELIVERY_DEAD && !delivery_output(delivery) &&
        !render_one(stage, batch, i, claim))
        return;
    if (delivery->status == DELIVERY_DEAD)
        settle(batch, claim, (struct verdict){.status = DELIVERY_DEAD, .reason = delivery->dead_reason},
               delivery, delivery->last_error);
    else
        hop(batch, i, claim);
}

/* The tenants by turns: what one of them has that takes its time holds up none of the others. */
static void plan(struct transform_stage *stage, struct batch *batch, const struct queue_claims *claims)
{
    size_t *turns = xcalloc(batch->count + 1, sizeof *turns);
    size_t last = 0;
    struct strmap counts; /* tenant -> number, as a pointer's */

    strmap_init(&counts);
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->deliveries[i] || !wants_body(batch, i))
            continue;
        const char *tenant = batch->deliveries[i]->job->tenant_id;
        turns[i] = (size_t)(uintptr_t)strmap_get(&counts, tenant) + 1;
        strmap_put(&counts, tenant, (void *)(uintptr_t)turns[i]);
        last = turns[i] > last ? turns[i] : last;
    }
    strmap_release(&counts, NULL);
    for (size_t turn = 0; turn <= last; turn++)
        for (size_t i = 0; i < batch->count; i++)
            if (turns[i] == turn)
                plan_one(stage, batch, i, &claims->items[i]);
    free(turns);
}

/* PostgreSQL first, Redis afterwards. */
static int carry_out(struct transform_stage *stage, const struct batch *batch, struct fault *fault)
{
    if (batch->made_count && store_save_outputs(stage->store, batch->made, batch->made_count, fault) < 0)
        return -1;
    crash_point("transform:kept");
    if (batch->changed_count &&
        store_save_transformed(stage->store, batch->changed, batch->changed_count, fault) < 0)
        return -1;
    crash_point("transform:saved");
    if (batch->settlement_count &&
        store_settle(stage->store, batch->settlements, batch->settlement_count, fault) < 0)
        return -1;
    crash_point("transform:settled");
    if (batch->hop_count && queue_hops(stage->queue, batch->hops, batch->hop_count, fault) < 0)
        return -1;
    crash_point("transform:hopped");
    if (batch->finished_count &&
        queue_finish(stage->queue, batch->finished, batch->finished_count, fault) < 0)
        return -1;
    crash_point("transform:finished");
    if (batch->released_count &&
        queue_release(stage->queue, batch->released, batch->released_count, fault) < 0)
        return -1;
    return 0;
}

int transform_stage_batch(struct transform_stage *stage, const struct queue_claims *claims,
                          struct fault *fault)
{
    struct batch batch;
    int result = -1;

    crash_point("transform:claimed");
    batch_init(&batch, claims);
    if (store_load_deliveries(stage->store, batch.ids, batch.count, 0, batch.deliveries, fault) < 0)
        goto out;
    for (size_t i = 0; i < batch.count; i++) {
        if (!batch.deliveries[i])
            continue;
        batch.rerouted[i] = !batch.deliveries[i]->candidate_count;
        batch.destinations[i] = resolve(stage, batch.deliveries[i]);
    }
    if (load_bodies(stage, &batch, fault) < 0)
        goto out;
    batch.render_until_ms = clock_mono_ms() + batch_limit_ms(stage->lease_ms);
    plan(stage, &batch, claims);
    result = carry_out(stage, &batch, fault);
out:
    batch_release(&batch);
    return result;
}

int transform_stage_poison(struct transform_stage *stage, const struct queue_claim *claim, const char *why,
                           struct fault *fault)
{
    const struct queue_finish finish = {.claim = claim, .ended = true};
    struct settlement settlement = {
        .error = xstrdup(why),
        .verdict = {.status = DELIVERY_DEAD, .reason = DEAD_POISON},
    };

    text_copy(settlement.delivery_id, sizeof settlement.delivery_id, claim->id);
    int result = store_settle(stage->store, &settlement, 1, fault);
    settlement_release(&settlement);
    crash_point("transform:given-up");
    return result < 0 ? -1 : queue_finish(stage->queue, &finish, 1, fault);
}
