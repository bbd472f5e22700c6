/*
 * route_stage - see route_stage.h
 *
 * The order is the one hard rule: the deliveries are committed, then they are in Redis, then the job's
 * entry is gone. A crash between any two of these repeats the step before it, which changes nothing.
 */
#include "route_stage.h"

#include <stdlib.h>

#include "batch_limit.h"
#include "clock.h"
#include "crash.h"
#include "envelope.h"
#include "render.h"
#include "route.h"
#include "strmap.h"
#include "text.h"
#include "turns.h"
#include "xalloc.h"

/* Bytes of bodies that are in memory for rules at once, beside the one that is larger. */
enum { BODY_BUDGET = 32 * 1024 * 1024 };

void route_stage_attach(struct route_stage *stage, struct rulebook *book)
{
    stage->book = book;
    health_release(&stage->health);
    health_init(&stage->health, book->catalog);
}

void route_stage_release(struct route_stage *stage)
{
    health_release(&stage->health);
    stage->book = NULL;
}

/* Puts the question for a job, if there is one; its event is the question's until question_release(). */
static void put_question(const struct route_stage *stage, const struct job *job,
                         struct engine_question *question)
{
    *question = (struct engine_question){.verdict = ENGINE_SAYS_RULES};
    if (!route_is_replay(job))
        question->event = rule_event(job, rules_engine_wants_payload(stage->engine));
}

static void question_release(struct engine_question *question)
{
    json_decref((json_t *)question->event);
    rules_free(question->rules);
    *question = (struct engine_question){0};
}

/* The job by what the engine says of it, if there is one. */
static int route_asked(struct route_stage *stage, const struct engine_question *question, struct job *job,
                       int64_t now_us, const struct route_health *health, struct delivery_list *deliveries,
                       struct fault *fault)
{
    struct rulebook_ruling ruling;
    const bool ruled = question && rules_engine_ruling(question, &ruling);

    return rulebook_route_ruled(stage->book, ruled ? &ruling : NULL, job, now_us, health, deliveries, NULL,
                                fault);
}

int route_stage_line(struct route_stage *stage, const char *line, size_t size, struct buf *out,
                     struct fault *fault)
{
    struct delivery_list deliveries = {0};
    struct engine_question question = {0};
    struct job *job = NULL;
    int result = -1;

    if (envelope_read_request(line, size, stage->max_payload, &job, fault) < 0)
        return -1;
    if (stage->engine)
        put_question(stage, job, &question);
    if (stage->engine && rules_engine_ask(stage->engine, stage->book->catalog, &question, 1, fault) < 0)
        goto out;
    if (route_asked(stage, stage->engine ? &question : NULL, job, clock_wall_us(), NULL, &deliveries, fault) <
        0)
        goto out;
    for (size_t i = 0; i < deliveries.count; i++)
        if (envelope_write_delivery(deliveries.items[i], out, fault) < 0)
            goto out;
    result = 0;
out:
    question_release(&question);
    delivery_list_release(&deliveries);
    job_unref(job);
    return result;
}

/* What a batch works on; arrays of the claims' count. */
struct batch {
    const struct queue_claims *claims;
    const char **ids;
    struct job **jobs;
    bool *routed;
    struct routing *routings; /* of the jobs that are still to be routed */
    size_t *routing_of;       /* index into routings, or SIZE_MAX */
    size_t routing_count;
    struct due_list *again;              /* deliveries of jobs that were routed before */
    char **lanes;                        /* of the jobs, and so of their deliveries in dist-transform */
    bool *put_off;                       /* jobs that are not routed this time */
    struct postponed later;              /* those of them that could not be */
    const struct queue_claim **released; /* the others: the time was over */
    size_t released_count;
    size_t looked_at;
    int64_t until_ms;
    struct queue_hop *hops; /* of the others, one each; the lanes of their items are owned */
    size_t hop_count;
};

static void batch_init(struct batch *batch, const struct queue_claims *claims)
{
    size_t count = claims->count;
    *batch = (struct batch){
        .claims = claims,
        .ids = xcalloc(count, sizeof *batch->ids),
        .jobs = xcalloc(count, sizeof *batch->jobs),
        .routed = xcalloc(count, sizeof *batch->routed),
        .routings = xcalloc(count, sizeof *batch->routings),
        .routing_of = xcalloc(count, sizeof *batch->routing_of),
        .again = xcalloc(count, sizeof *batch->again),
        .lanes = xcalloc(count, sizeof *batch->lanes),
        .put_off = xcalloc(count, sizeof *batch->put_off),
        .released = xcalloc(count, sizeof *batch->released),
        .hops = xcalloc(count, sizeof *batch->hops),
    };
    for (size_t i = 0; i < count; i++)
        batch->ids[i] = claims->items[i].id;
}

static void batch_release(struct batch *batch)
{
    for (size_t i = 0; i < batch->claims->count; i++) {
        job_unref(batch->jobs[i]);
        due_list_release(&batch->again[i]);
        free(batch->lanes[i]);
    }
    for (size_t i = 0; i < batch->hop_count; i++) {
        for (size_t k = 0; k < batch->hops[i].count; k++)
            free((char *)batch->hops[i].items[k].lane);
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
    free(batch->lanes);
    free(batch->put_off);
    postponed_release(&batch->later);
    free(batch->released);
    free(batch->hops);
}

static void drop_body(struct job *job)
{
    free(job->body); /* its size stays: events have it */
    job->body = NULL;
}

/*
 * The bodies that rules look at, of jobs[from] and of those behind it as far as they fit; returns where they
 * end. Only JSON can be looked at. What is loaded is dropped when the job has been routed: its deliveries do
 * without.
 */
static int load_bodies(const struct route_stage *stage, const struct batch *batch, size_t from, size_t count,
                       size_t *end, struct fault *fault)
{
    struct job **jobs = xcalloc(count, sizeof *jobs);
    uint64_t bytes = 0;
    size_t wanted = 0, i;
    int result = 0;

    for (i = from; i < count; i++) {
        struct job *job = batch->jobs[i];

        if (!job || !job_content_is_json(job->content_type))
            continue;
        if (wanted && bytes + job->body_size > BODY_BUDGET)
            break;
        bytes += job->body_size;
        jobs[wanted++] = job;
    }
    *end = i;
    if (wanted)
        result = store_load_bodies(stage->store, jobs, wanted, fault);
    free(jobs);
    return result;
}

/* What is wrong passes, or is the job's own: it waits alone. */
static void postpone(struct batch *batch, size_t i, const struct fault *why)
{
    drop_body(batch->jobs[i]);
    batch->put_off[i] = true;
    postponed_add(&batch->later, &batch->claims->items[i], why);
}

/* Others are to have their turn; but the first job always has its own. */
static bool is_over(const struct batch *batch, int64_t until_ms)
{
    return batch->looked_at && clock_mono_ms() >= until_ms;
}

static void leave(struct batch *batch, size_t i)
{
    drop_body(batch->jobs[i]);
    batch->put_off[i] = true;
    batch->released[batch->released_count++] = &batch->claims->items[i];
}

static void route_one(struct route_stage *stage, struct batch *batch, size_t i,
                      const struct engine_question *question, int64_t now_us)
{
    struct route_health health = health_for_routing(&stage->health);
    struct routing *routing = &batch->routings[batch->routing_count];
    struct job *job = batch->jobs[i];
    struct fault problem = {0};
    int result = route_asked(stage, question, job, now_us, &health, &routing->deliveries, &problem);

    drop_body(job);
    if (result < 0) {
        fault_wrap(&problem, "%s", job->distribution_id);
        postpone(batch, i, &problem);
        return;
    }
    batch->routing_of[i] = batch->routing_count++;
    routing->job = job;
    batch->lanes[i] = job_lane(job); /* behind the rules: they may set the priority */
    for (size_t k = 0; k < routing->deliveries.count; k++)
        health_count(&stage->health, routing->deliveries.items[k]);
}

/* The jobs from the one to just before the other, whose bodies are there if somebody wants them. */
static void route_some(struct route_stage *stage, struct batch *batch, size_t from, size_t end,
                       int64_t now_us)
{
    struct engine_question *questions = stage->engine ? xcalloc(end - from, sizeof *questions) : NULL;

    for (size_t i = from; questions && i < end; i++)
        if (batch->jobs[i])
            put_question(stage, batch->jobs[i], &questions[i - from]);
    if (questions) /* each one's verdict says what there is to say */
        rules_engine_ask(stage->engine, stage->book->catalog, questions, end - from, NULL);
    /* What was answered is not to be asked again. */
    const int64_t until_ms = questions ? clock_mono_ms() + batch_limit_ms(stage->lease_ms) : batch->until_ms;
    for (size_t i = from; i < end; i++) {
        const struct engine_question *question = questions ? &questions[i - from] : NULL;
        if (!batch->jobs[i])
            continue;
        if (question && question->verdict == ENGINE_AWAITED)
            postpone(batch, i, &question->why);
        else if (is_over(batch, until_ms))
            leave(batch, i);
        else
            route_one(stage, batch, i, question, now_us);
        batch->looked_at++;
    }
    for (size_t i = from; questions && i < end; i++)
        question_release(&questions[i - from]);
    free(questions);
}

static bool wants_bodies(const struct route_stage *stage)
{
    return stage->book->ask_payload || (stage->engine && rules_engine_wants_payload(stage->engine));
}

static int route_all(struct route_stage *stage, struct batch *batch, size_t count, struct fault *fault)
{
    const int64_t now_us = clock_wall_us();
    size_t from, end;

    if (health_refresh(&stage->health, stage->queue, stage->store, clock_mono_ms(), fault) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        batch->routing_of[i] = SIZE_MAX;
    batch->until_ms = clock_mono_ms() + batch_limit_ms(stage->lease_ms);
    for (from = 0; from < count && !is_over(batch, batch->until_ms); from = end) {
        /* as many as are asked about side by side: one timeout at most */
        end = stage->engine && count - from > ENGINE_CONNECTIONS ? from + ENGINE_CONNECTIONS : count;
        if (wants_bodies(stage) && load_bodies(stage, batch, from, end, &end, fault) < 0)
            return -1;
        route_some(stage, batch, from, end, now_us);
    }
    for (; from < count; from++)
        if (batch->jobs[from])
            leave(batch, from);
    return 0;
}

/* A delivery that looks for room in its lane. */
struct guest {
    struct delivery *delivery;
    size_t room; /* index of its lane */
};

/* Lanes by name, each with the room that it has; and what is asked of Redis about them. */
struct rooms {
    struct strmap indices; /* "<partition>:<lane>" -> index + 1, as a pointer's number */
    struct queue_item *items;
    int64_t *lengths;
    size_t count, cap;
    struct guest *guests; /* in their order */
    size_t guest_count, guest_cap;
};

static size_t room_index(struct rooms *rooms, const struct delivery *delivery, unsigned partition)
{
    char *lane = delivery_lane(delivery);
    char decimal[TEXT_DECIMAL_SIZE];
    char *name = xconcat(text_decimal(partition, decimal), ":", lane);
    size_t index = (size_t)(uintptr_t)strmap_get(&rooms->indices, name);

    if (!index) {
        if (rooms->count == rooms->cap) {
            rooms->cap = rooms->cap ? 2 * rooms->cap : 64;
            rooms->items = xreallocarray(rooms->items, rooms->cap, sizeof *rooms->items);
        }
        rooms->items[rooms->count++] = (struct queue_item){.lane = lane, .partition = partition};
        lane = NULL;
        index = rooms->count;
        strmap_put(&rooms->indices, name, (void *)(uintptr_t)index);
    }
    free(name);
    free(lane);
    return index - 1;
}

static void rooms_add(struct rooms *rooms, struct delivery *delivery, unsigned partition)
{
    if (rooms->guest_count == rooms->guest_cap) {
        rooms->guest_cap = rooms->guest_cap ? 2 * rooms->guest_cap : 64;
        rooms->guests = xreallocarray(rooms->guests, rooms->guest_cap, sizeof *rooms->guests);
    }
    rooms->guests[rooms->guest_count++] =
        (struct guest){.delivery = delivery, .room = room_index(rooms, delivery, partition)};
}

static void rooms_release(struct rooms *rooms)
{
    for (size_t i = 0; i < rooms->count; i++)
        free((char *)rooms->items[i].lane);
    strmap_release(&rooms->indices, NULL);
    free(rooms->items);
    free(rooms->lengths);
    free(rooms->guests);
}

/*
 * Deliveries whose lane has room are published after the commit; the others wait for the due pump. A lane is
 * filled half from here, so that what waits is never overtaken for long. What a request brings along has
 * lanes that are not known before PostgreSQL has made its key; those are few, and dist-transform takes what
 * is there.
 */
static int choose_queued(const struct route_stage *stage, struct batch *batch,
                         const struct queue_claims *claims, struct fault *fault)
{
    int64_t most = (int64_t)(stage->window / 2 / queue_partitions(stage->queue));
    struct rooms rooms = {0};
    int result;

    strmap_init(&rooms.indices);
    for (size_t i = 0; i < claims->count; i++) {
        if (batch->routing_of[i] == SIZE_MAX)
            continue;
        struct delivery_list *list = &batch->routings[batch->routing_of[i]].deliveries;
        for (size_t k = 0; k < list->count; k++)
            if (list->items[k]->status == DELIVERY_WAITING)
                rooms_add(&rooms, list->items[k], claims->items[i].partition);
    }
    rooms.lengths = xcalloc(rooms.count + 1, sizeof *rooms.lengths);
    result = queue_lengths(stage->queue, QUEUE_READY, rooms.items, rooms.count, rooms.lengths, fault);
    for (size_t i = 0; result >= 0 && i < rooms.guest_count; i++) {
        struct delivery *delivery = rooms.guests[i].delivery;

        if (delivery->inline_form || rooms.lengths[rooms.guests[i].room]++ < most)
            delivery->status = DELIVERY_QUEUED;
    }
    rooms_release(&rooms);
    return result;
}

/* Its destination takes the bytes as they came: there is nothing that dist-transform would do. */
static bool needs_nothing(const struct route_stage *stage, const struct delivery *delivery)
{
    const struct destination *destination =
        delivery->inline_form ? NULL
                              : catalog_destination(stage->book->catalog, delivery_candidate(delivery));

    return destination && !destination->disabled && !render_needs_body(destination, delivery);
}

/* What a job has just become goes to dist-transform, or to its lanes where none of it needs that. */
static void collect_saved(const struct route_stage *stage, const struct routing *routing, const char *lane,
                          struct queue_hop *hop)
{
    const struct delivery_list *list = &routing->deliveries;
    struct queue_item *items = xcalloc(list->count, sizeof *items);
    bool straight = true;

    for (size_t k = 0; k < list->count; k++)
        if (list->items[k]->status == DELIVERY_QUEUED)
            straight = straight && needs_nothing(stage, list->items[k]);
    for (size_t k = 0; k < list->count; k++)
        if (list->items[k]->status == DELIVERY_QUEUED)
            items[hop->count++] = (struct queue_item){
                .id = list->items[k]->id,
                .lane = straight ? delivery_lane(list->items[k]) : xstrdup(lane),
            };
    hop->items = items;
    hop->stage = straight ? QUEUE_READY : QUEUE_ROUTED;
}

/* The ids that one job publishes: what was saved now, or what is still queued of an earlier time. */
static int collect(struct route_stage *stage, struct batch *batch, size_t i, struct fault *fault)
{
    const struct routing *routing =
        batch->routing_of[i] == SIZE_MAX ? NULL : &batch->routings[batch->routing_of[i]];
    struct queue_hop *hop = &batch->hops[batch->hop_count++];

    hop->claim = &batch->claims->items[i];
    hop->stage = QUEUE_ROUTED;
    if (routing && routing->saved) {
        collect_saved(stage, routing, batch->lanes[i], hop);
    } else if (routing || batch->routed[i]) {
        struct due_list *again = &batch->again[i];
        struct queue_item *items;

        if (store_queued_of_job(stage->store, batch->ids[i], again, fault) < 0)
            return -1;
        hop->items = items = xcalloc(again->count, sizeof *items);
        for (; hop->count < again->count; hop->count++)
            items[hop->count] = (struct queue_item){
                .id = again->items[hop->count].id,
                .lane = xstrdup(again->items[hop->count].lane),
            };
    }
    return 0;
}

int route_stage_batch(struct route_stage *stage, const struct queue_claims *claims, struct postponed *later,
                      struct fault *fault)
{
    struct queue_claims turned = claims_by_turns(claims, stage->batches++);
    struct batch batch;
    size_t count = claims->count;
    int result = -1;

    crash_point("route:claimed");
    batch_init(&batch, &turned);
    if (store_load_jobs(stage->store, batch.ids, count, batch.jobs, batch.routed, fault) < 0 ||
        route_all(stage, &batch, count, fault) < 0 || choose_queued(stage, &batch, &turned, fault) < 0)
        goto out;
    if (batch.routing_count &&
        store_save_routings(stage->store, batch.routings, batch.routing_count, stage->lease_ms, fault) < 0)
        goto out;
    crash_point("route:saved");
    for (size_t i = 0; i < count; i++)
        if (!batch.put_off[i] && collect(stage, &batch, i, fault) < 0)
            goto out;
    if (queue_hops(stage->queue, batch.hops, batch.hop_count, fault) < 0)
        goto out;
    crash_point("route:hopped");
    if (batch.released_count && queue_release(stage->queue, batch.released, batch.released_count, fault) < 0)
        goto out;
    postponed_move(later, &batch.later);
    result = 0;
out:
    batch_release(&batch);
    free(turned.items);
    return result;
}

int route_stage_tick(struct route_stage *stage, int64_t *wait_ms, struct fault *fault)
{
    if (!stage->due.store)
        due_init(&stage->due, stage->store, stage->queue, stage->lease_ms, stage->window);
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
