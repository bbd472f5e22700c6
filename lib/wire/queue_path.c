/*
 * The path of an id: published, claimed, moved, finished. What may be done and when is decided in Redis, by
 * the scripts of queue_scripts.c; here they get their arguments and their answers are read.
 */
#include "queue.h"

#include <stdlib.h>
#include <string.h>
#include "queue_call.h"
#include "uid.h"
#include "xalloc.h"

enum {
    PUBLISH_IDS = 128, /* of one call: other clients wait while a script runs, some 5 us an id */
    RECALL_IDS = 128,
    FETCH_IDS = 500, /* of one call */
    FINISH_IDS = 64,
    HOP_KEYS = 128,   /* of one call, in which a single hop may have more */
    HOP_ITEMS = 1000, /* in the call that settles the claim; what is more is published before it */
    TURN_MS = 50,     /* at one of several bells */
};

struct queue *queue_new(struct redis *redis, const char *owner, unsigned partitions)
{
    struct queue *queue = xcalloc(1, sizeof *queue);

    queue->redis = redis;
    queue->owner = xstrdup(owner);
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

/* What identify() in queue_scripts.c takes. */
static int check_id(const char *id, struct fault *fault)
{
    size_t size = strlen(id);

    if (size == 0 || size >= sizeof((struct queue_claim *)0)->id)
        return fault_set(fault, FAULT_BUG, "queue: an id of %zu bytes", size);
    for (size_t i = 0; i < size; i++)
        if (id[i] <= ' ' || id[i] > '~')
            return fault_set(fault, FAULT_BUG, "queue: an id with bytes that are not printable");
    return 0;
}

static int check_items(const struct queue_item *items, size_t count, struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        if (check_id(items[i].id, fault) || queue_check_lane(items[i].lane, fault))
            return -1;
    return 0;
}

/* What is to be done in the order of its partitions, cut into calls. */
struct cut {
    struct cut_slot {
        unsigned partition;
        size_t index;
        size_t weight; /* of the keys that it needs */
    } * slots;
    size_t *starts; /* of each call; one more at the end */
    size_t calls;
};

static int by_partition(const void *a, const void *b)
{
    const struct cut_slot *one = a, *two = b;

    if (one->partition != two->partition)
        return one->partition < two->partition ? -1 : 1;
    return one->index < two->index ? -1 : one->index > two->index; /* otherwise as they came */
}

/* The caller fills in the slots. */
static void cut_init(struct cut *cut, size_t count)
{
    *cut = (struct cut){.slots = xcalloc(count + 1, sizeof *cut->slots),
                        .starts = xcalloc(count + 1, sizeof *cut->starts)};
    for (size_t i = 0; i < count; i++)
        cut->slots[i] = (struct cut_slot){.index = i, .weight = 1};
}

/* A call has one slot at least, and no more than `most` of weight beside. */
static void cut_up(struct cut *cut, size_t count, size_t most)
{
    size_t weight = 0;

    qsort(cut->slots, count, sizeof *cut->slots, by_partition);
    for (size_t i = 0; i < count; i++) {
        weight += cut->slots[i].weight;
        if (!i || weight > most || cut->slots[i].partition != cut->slots[i - 1].partition) {
            cut->starts[cut->calls++] = i;
            weight = cut->slots[i].weight;
        }
    }
    cut->starts[cut->calls] = count;
}

static void cut_items(struct cut *cut, const struct queue_item *items, size_t count, size_t most)
{
    cut_init(cut, count);
    for (size_t i = 0; i < count; i++)
        cut->slots[i].partition = items[i].partition;
    cut_up(cut, count, most);
}

static void cut_release(struct cut *cut)
{
    free(cut->slots);
    free(cut->starts);
}

struct publication {
    enum queue_stage stage;
    const struct queue_item *items;
    struct cut cut;
    size_t ceiling;
};

static void build_publish(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct publication *all = items;
    const struct cut *cut = &all->cut;

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

    if (check_items(items, count, fault))
        return -1;
    cut_items(&all.cut, items, count, PUBLISH_IDS);
    status = queue_work(queue,
                        &(struct queue_work){.script = QUEUE_SCRIPT_PUBLISH,
                                             .count = all.cut.calls,
                                             .build = build_publish,
                                             .items = &all,
                                             .answer = add_integer,
                                             .arg = &sum},
                        fault);
    cut_release(&all.cut);
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

static void add_claim(struct queue_call *call, const struct queue_claim *claim)
{
    queue_call_value(call, claim->entry);
    queue_call_value(call, claim->id);
    queue_call_number(call, claim->crashes);
}

static bool hop_takes(const struct queue_hop *hop, size_t item)
{
    return item < HOP_ITEMS || strcmp(hop->items[item].id, hop->claim->id) == 0;
}

/* What is done in several calls, of several things each. */
struct several {
    const void *items;
    struct cut cut;
};

static void build_hops(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct several *all = items;
    const struct queue_hop *hops = all->items;
    const struct cut *cut = &all->cut;

    call->partition = cut->slots[cut->starts[index]].partition;
    for (size_t k = cut->starts[index]; k < cut->starts[index + 1]; k++) {
        const struct queue_hop *hop = &hops[cut->slots[k].index];

        queue_call_whole_key(call, hop->claim->stream);
        for (size_t i = 0; i < hop->count; i++)
            if (hop_takes(hop, i))
                queue_call_stream(call, hop->stage, hop->items[i].lane);
    }
    queue_call_values(call, queue);
    for (size_t k = cut->starts[index]; k < cut->starts[index + 1]; k++) {
        const struct queue_hop *hop = &hops[cut->slots[k].index];

        add_claim(call, hop->claim);
        queue_call_number(call, (long long)cut->slots[k].weight - 1);
        for (size_t i = 0; i < hop->count; i++)
            if (hop_takes(hop, i))
                queue_call_value(call, hop->items[i].id);
    }
}

/* Its stream, and one for each item that goes into the call. */
static size_t hop_weight(const struct queue_hop *hop)
{
    size_t weight = 1;

    for (size_t i = 0; i < hop->count; i++)
        weight += hop_takes(hop, i);
    return weight;
}

/* What does not go into the call of a hop is published first: an order that a pipeline would not promise. */
static int publish_rest(struct queue *queue, const struct queue_hop *hop, struct fault *fault)
{
    struct queue_item *rest;
    size_t count = 0;
    int status;

    if (hop->count <= HOP_ITEMS)
        return 0;
    rest = xreallocarray(NULL, hop->count - HOP_ITEMS, sizeof *rest);
    for (size_t i = HOP_ITEMS; i < hop->count; i++)
        if (!hop_takes(hop, i)) {
            rest[count] = hop->items[i];
            rest[count++].partition = hop->claim->partition;
        }
    status = queue_publish(queue, hop->stage, rest, count, 0, NULL, fault);
    free(rest);
    return status;
}

int queue_hops(struct queue *queue, const struct queue_hop *hops, size_t count, struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        if (check_items(hops[i].items, hops[i].count, fault))
            return -1;
    for (size_t i = 0; i < count; i++)
        if (publish_rest(queue, &hops[i], fault))
            return -1;
    struct several all = {.items = hops};
    cut_init(&all.cut, count);
    for (size_t i = 0; i < count; i++) {
        all.cut.slots[i].partition = hops[i].claim->partition;
        all.cut.slots[i].weight = hop_weight(&hops[i]);
    }
    cut_up(&all.cut, count, HOP_KEYS);
    int status = queue_work(
        queue,
        &(struct queue_work){
            .script = QUEUE_SCRIPT_HOP, .count = all.cut.calls, .build = build_hops, .items = &all},
        fault);
    cut_release(&all.cut);
    return status;
}

static void build_finish(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct several *all = items;
    const struct queue_finish *finishes = all->items;
    const struct cut *cut = &all->cut;

    call->partition = cut->slots[cut->starts[index]].partition;
    for (size_t k = cut->starts[index]; k < cut->starts[index + 1]; k++)
        queue_call_whole_key(call, finishes[cut->slots[k].index].claim->stream);
    queue_call_values(call, queue);
    for (size_t k = cut->starts[index]; k < cut->starts[index + 1]; k++) {
        add_claim(call, finishes[cut->slots[k].index].claim);
        queue_call_value(call, finishes[cut->slots[k].index].ended ? "1" : "0");
    }
}

int queue_finish(struct queue *queue, const struct queue_finish *items, size_t count, struct fault *fault)
{
    struct several all = {.items = items};

    cut_init(&all.cut, count);
    for (size_t i = 0; i < count; i++)
        all.cut.slots[i].partition = items[i].claim->partition;
    cut_up(&all.cut, count, FINISH_IDS);
    int status = queue_work(
        queue,
        &(struct queue_work){
            .script = QUEUE_SCRIPT_FINISH, .count = all.cut.calls, .build = build_finish, .items = &all},
        fault);
    cut_release(&all.cut);
    return status;
}

static void build_claim(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct queue_claim *claim = ((const struct queue_claim *const *)items)[index];

    call->partition = claim->partition;
    queue_call_whole_key(call, claim->stream);
    queue_call_values(call, queue);
    add_claim(call, claim);
}

int queue_release(struct queue *queue, const struct queue_claim *const *claims, size_t count,
                  struct fault *fault)
{
    return queue_work(
        queue,
        &(struct queue_work){
            .script = QUEUE_SCRIPT_RELEASE, .count = count, .build = build_claim, .items = claims},
        fault);
}

static void set_lost(void *arg, size_t index, const redisReply *reply)
{
    bool *lost = arg;

    lost[index] = reply->type != REDIS_REPLY_INTEGER || reply->integer == 0;
}

int queue_renew(struct queue *queue, const struct queue_claim *const *claims, size_t count, bool *lost,
                struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        lost[i] = false;
    return queue_work(queue,
                      &(struct queue_work){.script = QUEUE_SCRIPT_RENEW,
                                           .count = count,
                                           .build = build_claim,
                                           .items = claims,
                                           .answer = set_lost,
                                           .arg = lost},
                      fault);
}

/* What is asked and what is answered by recalls. */
struct question {
    const struct queue_item *items;
    struct cut cut;
    bool *recalled;
};

static void build_recall(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct question *question = items;
    const struct cut *cut = &question->cut;

    call->partition = cut->slots[cut->starts[index]].partition;
    queue_call_key(call, "epoch");
    queue_call_values(call, queue);
    for (size_t i = cut->starts[index]; i < cut->starts[index + 1]; i++)
        queue_call_value(call, question->items[cut->slots[i].index].id);
}

static void set_recalled(void *arg, size_t index, const redisReply *reply)
{
    struct question *question = arg;
    const struct cut *cut = &question->cut;

    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
        if (cut->starts[index] + i < cut->starts[index + 1])
            question->recalled[cut->slots[cut->starts[index] + i].index] = reply->element[i]->integer == 1;
}

int queue_recall(struct queue *queue, const struct queue_item *items, size_t count, bool *recalled,
                 struct fault *fault)
{
    struct question question = {.items = items, .recalled = recalled};
    int status;

    for (size_t i = 0; i < count; i++) {
        recalled[i] = false;
        if (check_id(items[i].id, fault))
            return -1;
    }
    cut_items(&question.cut, items, count, RECALL_IDS);
    status = queue_work(queue,
                        &(struct queue_work){.script = QUEUE_SCRIPT_RECALL,
                                             .count = question.cut.calls,
                                             .build = build_recall,
                                             .items = &question,
                                             .answer = set_recalled,
                                             .arg = &question},
                        fault);
    cut_release(&question.cut);
    return status;
}

int queue_find(struct queue *queue, const struct queue_item *item, struct queue_place *place,
               struct fault *fault)
{
    struct queue_call call;
    redisReply *reply;

    *place = (struct queue_place){0};
    if (check_id(item->id, fault))
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
