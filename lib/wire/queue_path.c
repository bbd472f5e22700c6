/*
 * The path of an id into a worker's hands: published, waited for, claimed. What may be done and when is
 * decided in Redis, by the scripts of queue_scripts.c; here they get their arguments and their answers are
 * read.
 */
#include "queue.h"

#include <stdlib.h>
#include <string.h>
#include "queue_call.h"
#include "queue_cut.h"
#include "uid.h"
#include "xalloc.h"

enum {
    PUBLISH_IDS = 128, /* of one call: other clients wait while a script runs, some 15 us an id */
    FETCH_IDS = 500,   /* of one call */
    TURN_MS = 50,      /* at one of several bells */
};

struct queue *queue_new(struct redis *redis, const char *owner, unsigned partitions)
{
    struct queue *queue = xcalloc(1, sizeof *queue);

    queue->redis = redis;
    queue->owner = xstrdup(owner);
    for (char *blank = queue->owner; (blank = strpbrk(blank, QUEUE_BLANKS));)
        *blank = '_';
    queue->partitions = partitions;
    queue_scripts_init(queue->scripts);
    return queue;
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    redis_free(queue->redis);
    queue_scripts_release(queue->scripts);
    for (int stage = 0; stage < QUEUE_STAGE_COUNT; stage++)
        free(queue->turns[stage].lane);
    free(queue->owner);
    free(queue);
}

struct redis *queue_redis(struct queue *queue)
{
    return queue->redis;
}

const char *queue_owner(const struct queue *queue)
{
    return queue->owner;
}

unsigned queue_partitions(const struct queue *queue)
{
    return queue->partitions;
}

/* FNV-1a: ids of version 7 share their first characters, and their digest must not. */
unsigned queue_partition(const struct queue *queue, const char *job_id)
{
    uint32_t hash = UINT32_C(2166136261);

    for (const char *c = job_id; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT32_C(16777619);
    return hash % queue->partitions;
}

void queue_claim_copy(struct queue_claim *to, const struct queue_claim *from)
{
    *to = *from;
    to->stream = xstrdup_null(from->stream);
}

void queue_claim_release(struct queue_claim *claim)
{
    if (!claim)
        return;
    free(claim->stream);
    claim->stream = NULL;
}

void queue_claims_release(struct queue_claims *claims)
{
    if (!claims)
        return;
    for (size_t i = 0; i < claims->count; i++)
        queue_claim_release(&claims->items[i]);
    free(claims->items);
    *claims = (struct queue_claims){0};
}

void queue_claims_add(struct queue_claims *claims, struct queue_claim *claim)
{
    if (claims->count == claims->cap) {
        claims->cap = claims->cap ? claims->cap * 2 : 16;
        claims->items = xreallocarray(claims->items, claims->cap, sizeof *claims->items);
    }
    claims->items[claims->count++] = *claim;
    claim->stream = NULL;
}

void queue_claims_move(struct queue_claims *to, struct queue_claims *from)
{
    for (size_t i = 0; i < from->count; i++)
        queue_claims_add(to, &from->items[i]);
    queue_claims_release(from);
}

struct publication {
    enum queue_stage stage;
    const struct queue_item *items;
    struct queue_cut cut;
    size_t ceiling;
};

static void build_publish(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct publication *all = items;
    const struct queue_cut *cut = &all->cut;

    call->partition = cut->slots[cut->starts[index]].partition;
    for (size_t i = cut->starts[index]; i < cut->starts[index + 1]; i++)
        queue_call_stream(call, all->stage, all->items[cut->slots[i].index].lane);
    queue_call_values(call, queue);
    queue_call_number(call, (long long)all->ceiling);
    for (size_t i = cut->starts[index]; i < cut->starts[index + 1]; i++)
        queue_call_value(call, all->items[cut->slots[i].index].id);
}

static void add_integer(void *arg, size_t index, const redisReply *reply)
{
    size_t *sum = arg;

    (void)index;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0)
        *sum += (size_t)reply->integer;
}

int queue_publish(struct queue *queue, enum queue_stage stage, const struct queue_item *items, size_t count,
                  size_t ceiling, size_t *added, struct fault *fault)
{
    struct publication all = {.stage = stage, .items = items, .ceiling = ceiling};
    size_t sum = 0;
    int status;

    if (queue_check_items(items, count, fault))
        return -1;
    queue_cut_items(&all.cut, items, count, PUBLISH_IDS);
    status = queue_work(queue,
                        &(struct queue_work){.script = QUEUE_SCRIPT_PUBLISH,
                                             .count = all.cut.calls,
                                             .build = build_publish,
                                             .items = &all,
                                             .answer = add_integer,
                                             .arg = &sum},
                        fault);
    queue_cut_release(&all.cut);
    if (added)
        *added = sum;
    return status;
}

/* What is asked and what is answered by fetches. */
struct fetching {
    enum queue_stage stage;
    const struct queue_want *wants;
    struct queue_claims *claims;
    int status;
    struct fault *fault;
};

static void build_fetch(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct fetching *fetching = items;
    const struct queue_want *want = &fetching->wants[index];

    call->partition = want->partition;
    queue_call_stream(call, fetching->stage, want->lane);
    queue_call_values(call, queue);
    queue_call_number(call, (long long)(want->count < FETCH_IDS ? want->count : FETCH_IDS));
}

static void take_fetched(void *arg, size_t index, const redisReply *reply)
{
    struct fetching *fetching = arg;
    const struct queue_want *want = &fetching->wants[index];
    char *stream = queue_stream(want->partition, fetching->stage, want->lane);

    if (queue_claims_read(fetching->claims, want->partition, stream, reply, 0, fetching->fault))
        fetching->status = -1;
    free(stream);
}

/* A fault behind claims that were made is left for the next call: these are held, and must reach the caller.
 */
int queue_fetch(struct queue *queue, enum queue_stage stage, const struct queue_want *wants, size_t count,
                struct queue_claims *claims, struct fault *fault)
{
    struct fetching fetching = {.stage = stage, .wants = wants, .claims = claims, .fault = fault};
    size_t before = claims->count;
    int status;

    for (size_t i = 0; i < count; i++)
        if (queue_check_lane(wants[i].lane, fault))
            return -1;
    status = queue_work(queue,
                        &(struct queue_work){.script = QUEUE_SCRIPT_FETCH,
                                             .count = count,
                                             .build = build_fetch,
                                             .items = &fetching,
                                             .answer = take_fetched,
                                             .arg = &fetching},
                        fault);
    if (claims->count > before)
        return 0;
    return status ? status : fetching.status;
}

/*
 * BZPOPMIN dist:{0}:bell:routed 0.250; its timeout 0 would be for ever. The bells of several partitions may
 * be on several servers: all are looked at, and one is waited for, another one each time, for a short while.
 */
int queue_wait(struct queue *queue, enum queue_stage stage, int64_t wait_ms, struct fault *fault)
{
    char bell[64], timeout[32];
    redisReply *reply;
    int rang = 0;

    for (unsigned p = 0; rang == 0 && p < queue->partitions && (wait_ms <= 0 || queue->partitions > 1); p++) {
        snprintf(bell, sizeof bell, "dist:{%u}:bell:%s", p, queue_stage_names[stage]);
        reply = redis_command(queue->redis, 0, fault, 2, (const char *const[]){"ZPOPMIN", bell}, NULL);
        if (!reply)
            return -1;
        rang = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0;
        freeReplyObject(reply);
    }
    if (rang || wait_ms <= 0)
        return rang;
    if (queue->partitions > 1 && wait_ms > TURN_MS)
        wait_ms = TURN_MS;
    queue->bell_turn = queue->bell_turn + 1 < queue->partitions ? queue->bell_turn + 1 : 0;
    snprintf(bell, sizeof bell, "dist:{%u}:bell:%s", queue->bell_turn, queue_stage_names[stage]);
    snprintf(timeout, sizeof timeout, "%lld.%03d", (long long)(wait_ms / 1000), (int)(wait_ms % 1000));
    reply = redis_command(queue->redis, wait_ms, fault, 3, (const char *const[]){"BZPOPMIN", bell, timeout},
                          NULL);
    if (!reply)
        return -1;
    rang = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0;
    freeReplyObject(reply);
    return rang;
}

int queue_find(struct queue *queue, const struct queue_item *item, struct queue_place *place,
               struct fault *fault)
{
    struct queue_call call;
    redisReply *reply;

    *place = (struct queue_place){0};
    if (queue_check_id(item->id, fault))
        return -1;
    queue_call_begin(&call, QUEUE_SCRIPT_FIND, item->partition);
    queue_call_key(&call, "epoch");
    queue_call_values(&call, queue);
    queue_call_value(&call, item->id);
    reply = queue_call_run(queue, &call, fault);
    if (!reply)
        return -1;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3) {
        place->stream = xmemdupz(reply->element[0]->str, reply->element[0]->len);
        place->claimed = reply->element[1]->len > 0;
        place->ahead = reply->element[2]->integer;
    }
    freeReplyObject(reply);
    return 0;
}

int queue_epoch(struct queue *queue, unsigned partition, char epoch[37], struct fault *fault)
{
    char fresh[UID_TEXT_SIZE];
    struct queue_call call;
    redisReply *reply;
    int status = -1;

    uid_new(fresh);
    queue_call_begin(&call, QUEUE_SCRIPT_EPOCH, partition);
    queue_call_key(&call, "epoch");
    queue_call_values(&call, queue);
    queue_call_value(&call, fresh);
    reply = queue_call_run(queue, &call, fault);
    if (!reply)
        return -1;
    if (reply->type == REDIS_REPLY_STRING && reply->len == 36) {
        memcpy(epoch, reply->str, 37);
        status = 0;
    } else {
        fault_set(fault, FAULT_BUG, "queue: the epoch has another shape");
    }
    freeReplyObject(reply);
    return status;
}
