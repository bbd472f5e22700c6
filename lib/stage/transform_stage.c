/*
 * transform_stage - see transform_stage.h
 */
#include "transform_stage.h"

#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "envelope.h"
#include "route.h"
#include "text.h"
#include "transform.h"
#include "xalloc.h"

/* How long a delivery of a disabled destination waits before somebody looks again. */
enum { DISABLED_WAIT_MS = 30 * 1000 };
/* Bytes of bodies that are looked at in one batch. */
enum { BODY_BUDGET = 64 * 1024 * 1024 };

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

static void transform(const struct destination *destination, struct delivery *delivery)
{
    struct fault problem = {0};
    if (transform_delivery(destination->rendering, delivery, &problem) < 0)
        die(delivery, DEAD_TRANSFORM, &problem);
}

int transform_stage_line(struct transform_stage *stage, const char *line, size_t size, struct buf *out,
                         struct fault *fault)
{
    struct delivery *delivery;

    if (envelope_read_delivery(line, size, stage->max_payload, &delivery, fault) < 0)
        return -1;
    if (delivery->status != DELIVERY_DEAD) {
        struct destination *destination = resolve(stage, delivery);
        if (destination)
            transform(destination, delivery);
        destination_unref(destination);
    }
    int result = envelope_write_delivery(delivery, out, fault);
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
    free(batch->settlements);
    free(batch->finished);
    free(batch->released);
}

/* Deliveries whose format looks at the body are loaded again, with it. */
static int load_bodies(struct transform_stage *stage, struct batch *batch, struct fault *fault)
{
    const char **ids = xcalloc(batch->count, sizeof *ids);
    size_t *places = xcalloc(batch->count, sizeof *places);
    struct delivery **loaded = xcalloc(batch->count, sizeof *loaded);
    size_t count = 0;
    int result = 0;

    for (size_t i = 0; i < batch->count; i++)
        if (batch->destinations[i] && transform_needs_body(batch->destinations[i]->rendering)) {
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

static void plan_one(struct batch *batch, size_t i, const struct queue_claim *claim)
{
    struct delivery *delivery = batch->deliveries[i];
    const struct destination *destination = batch->destinations[i];

    if (!delivery) {
        batch->finished[batch->finished_count++] = (struct queue_finish){.claim = claim};
        return;
    }
    if (destination && delivery->status != DELIVERY_DEAD && transform_needs_body(destination->rendering) &&
        !delivery->job->body) {
        batch->released[batch->released_count++] = claim;
        return;
    }
    bool same = false;
    if (destination && delivery->status != DELIVERY_DEAD) {
        char *before = xstrdup_null(delivery->content_type);
        transform(destination, delivery);
        same = !batch->rerouted[i] &&
               (delivery->content_type ? before && !strcmp(before, delivery->content_type) : !before);
        free(before);
    }
    if (delivery->status == DELIVERY_DEAD) {
        settlement_init(&batch->settlements[batch->settlement_count++], delivery,
                        (struct verdict){.status = DELIVERY_DEAD, .reason = delivery->dead_reason},
                        delivery->last_error);
        batch->finished[batch->finished_count++] = (struct queue_finish){.claim = claim};
        return;
    }
    if (destination->disabled) {
        settlement_init(&batch->settlements[batch->settlement_count++], delivery,
                        (struct verdict){.status = DELIVERY_WAITING, .delay_ms = DISABLED_WAIT_MS},
                        "the destination is disabled");
        batch->finished[batch->finished_count++] = (struct queue_finish){.claim = claim};
        return;
    }
    if (!same)
        batch->changed[batch->changed_count++] = delivery;
    batch->lanes[i] = delivery_lane(delivery);
    batch->items[i] = (struct queue_item){.id = batch->ids[i], .lane = batch->lanes[i]};
    batch->hops[batch->hop_count++] =
        (struct queue_hop){.claim = claim, .stage = QUEUE_READY, .items = &batch->items[i], .count = 1};
}

/* PostgreSQL first, Redis afterwards. */
static int carry_out(struct transform_stage *stage, const struct batch *batch, struct fault *fault)
{
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
    for (size_t i = 0; i < batch.count; i++)
        plan_one(&batch, i, &claims->items[i]);
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
