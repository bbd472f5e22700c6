/*
 * route_stage - see route_stage.h
 *
 * The order is the one hard rule: the deliveries are committed, then they are in Redis, then the job's
 * entry is gone. A crash between any two of these repeats the step before it, which changes nothing.
 */
#include "route_stage.h"

#include <stdlib.h>

#include "crash.h"
#include "envelope.h"
#include "route.h"
#include "xalloc.h"

int route_stage_line(struct route_stage *stage, const char *line, size_t size, struct buf *out,
                     struct fault *fault)
{
    struct delivery_list deliveries = {0};
    struct job *job = NULL;
    int result = -1;

    if (envelope_read_request(line, size, stage->max_payload, &job, fault) < 0)
        return -1;
    if (route_job(stage->catalog, job, &deliveries, fault) < 0)
        goto out;
    for (size_t i = 0; i < deliveries.count; i++)
        if (envelope_write_delivery(deliveries.items[i], out, fault) < 0)
            goto out;
    result = 0;
out:
    delivery_list_release(&deliveries);
    job_unref(job);
    return result;
}

/* What a batch works on; arrays of the claims' count. */
struct batch {
    const char **ids;
    struct job **jobs;
    bool *routed;
    struct routing *routings; /* of the jobs that are still to be routed */
    size_t *routing_of;       /* index into routings, or SIZE_MAX */
    size_t routing_count;
    struct due_list *again; /* deliveries of jobs that were routed before */
    struct queue_hop *hops;
};

static void batch_init(struct batch *batch, const struct queue_claims *claims)
{
    size_t count = claims->count;
    *batch = (struct batch){
        .ids = xcalloc(count, sizeof *batch->ids),
        .jobs = xcalloc(count, sizeof *batch->jobs),
        .routed = xcalloc(count, sizeof *batch->routed),
        .routings = xcalloc(count, sizeof *batch->routings),
        .routing_of = xcalloc(count, sizeof *batch->routing_of),
        .again = xcalloc(count, sizeof *batch->again),
        .hops = xcalloc(count, sizeof *batch->hops),
    };
    for (size_t i = 0; i < count; i++)
        batch->ids[i] = claims->items[i].id;
}

static void batch_release(struct batch *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        job_unref(batch->jobs[i]);
        due_list_release(&batch->again[i]);
        free((void *)batch->hops[i].items);
    }
    for (size_t i = 0; i < batch->routing_count; i++)
        delivery_list_release(&batch->routings[i].deliveries);
    free(batch->ids);
    free(batch->jobs);
    free(batch->routed);
    free(batch->routings);
    free(batch->routing_of);
    free(batch->again);
    free(batch->hops);
}

static int route_all(const struct route_stage *stage, struct batch *batch, size_t count, struct fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        batch->routing_of[i] = SIZE_MAX;
        if (!batch->jobs[i])
            continue;
        struct routing *routing = &batch->routings[batch->routing_count];
        batch->routing_of[i] = batch->routing_count++;
        routing->job = batch->jobs[i];
        if (route_job(stage->catalog, batch->jobs[i], &routing->deliveries, fault) < 0)
            return fault_wrap(fault, "%s", batch->jobs[i]->distribution_id);
        for (size_t k = 0; k < routing->deliveries.count; k++) /* they are published after the commit */
            if (routing->deliveries.items[k]->status == DELIVERY_WAITING)
                routing->deliveries.items[k]->status = DELIVERY_QUEUED;
    }
    return 0;
}

/* The ids that one job publishes: what was saved now, or what is still queued of an earlier time. */
static int collect(struct route_stage *stage, struct batch *batch, size_t i, struct fault *fault)
{
    const struct routing *routing =
        batch->routing_of[i] == SIZE_MAX ? NULL : &batch->routings[batch->routing_of[i]];
    struct queue_item *items = NULL;
    size_t count = 0;

    if (routing && routing->saved) {
        items = xcalloc(routing->deliveries.count, sizeof *items);
        for (size_t k = 0; k < routing->deliveries.count; k++)
            if (routing->deliveries.items[k]->status == DELIVERY_QUEUED)
                items[count++].id = routing->deliveries.items[k]->id;
    } else if (routing || batch->routed[i]) {
        struct due_list *again = &batch->again[i];
        if (store_queued_of_job(stage->store, batch->ids[i], again, fault) < 0)
            return -1;
        items = xcalloc(again->count, sizeof *items);
        for (size_t k = 0; k < again->count; k++)
            items[count++].id = again->items[k].id;
    }
    batch->hops[i].items = items;
    batch->hops[i].count = count;
    batch->hops[i].stage = QUEUE_ROUTED;
    return 0;
}

int route_stage_batch(struct route_stage *stage, const struct queue_claims *claims, struct fault *fault)
{
    struct batch batch;
    size_t count = claims->count;
    int result = -1;

    crash_point("route:claimed");
    batch_init(&batch, claims);
    if (store_load_jobs(stage->store, batch.ids, count, batch.jobs, batch.routed, fault) < 0 ||
        route_all(stage, &batch, count, fault) < 0)
        goto out;
    if (batch.routing_count &&
        store_save_routings(stage->store, batch.routings, batch.routing_count, stage->lease_ms, fault) < 0)
        goto out;
    crash_point("route:saved");
    for (size_t i = 0; i < count; i++) {
        batch.hops[i].claim = &claims->items[i];
        if (collect(stage, &batch, i, fault) < 0)
            goto out;
    }
    result = queue_hops(stage->queue, batch.hops, count, fault);
    crash_point("route:hopped");
out:
    batch_release(&batch, count);
    return result;
}

int route_stage_tick(struct route_stage *stage, int64_t *wait_ms, struct fault *fault)
{
    if (!stage->due.store)
        due_init(&stage->due, stage->store, stage->queue, stage->lease_ms);
    return due_tick(&stage->due, wait_ms, fault);
}

int route_stage_poison(struct route_stage *stage, const struct queue_claim *claim, const char *why,
                       struct fault *fault)
{
    const struct queue_finish finish = {.claim = claim, .ended = true};
    if (store_fail_job(stage->store, claim->id, why, fault) < 0)
        return -1;
    crash_point("route:given-up");
    return queue_finish(stage->queue, &finish, 1, fault);
}
