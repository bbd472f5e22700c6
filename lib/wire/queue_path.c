/*
 * The path of an id: published, claimed, moved, finished. What may be done and when is decided in Redis, by
 * the scripts of queue_scripts.c; here they get their arguments and their answers are read.
 */
#include "queue.h"

#include <string.h>
#include "queue_call.h"
#include "uid.h"
#include "xalloc.h"

enum {
    PUBLISH_IDS = 128, /* of one call: other clients wait while a script runs, some 5 us an id */
    PRESENT_IDS = 256,
    FETCH_IDS = 500,
    HOP_ITEMS = 1000, /* in the call that settles the claim; what is more is published before it */
    LANE_MAX = 500,
};

struct queue *queue_new(struct redis *redis, const char *owner)
{
    struct queue *queue = xcalloc(1, sizeof *queue);

    queue->redis = redis;
    queue->owner = xstrdup(owner);
    queue_scripts_init(queue->scripts);
    strmap_init(&queue->cursors);
    return queue;
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    redis_free(queue->redis);
    queue_scripts_release(queue->scripts);
    strmap_release(&queue->cursors, free);
    free(queue->reaped);
    free(queue->owner);
    free(queue);
}

struct redis *queue_redis(struct queue *queue)
{
    return queue->redis;
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

static int check_lane(const char *lane, struct fault *fault)
{
    if (lane && lane[0] && strlen(lane) <= LANE_MAX)
        return 0;
    return fault_set(fault, FAULT_BUG, "queue: no lane, or one of more than %d bytes", LANE_MAX);
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

static int check_items(enum queue_stage stage, const struct queue_item *items, size_t count,
                       struct fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        if (check_id(items[i].id, fault))
            return -1;
        if (stage == QUEUE_READY && check_lane(items[i].lane, fault))
            return -1;
    }
    return 0;
}

static const char *lane_of(enum queue_stage stage, const struct queue_item *item)
{
    return stage == QUEUE_READY ? item->lane : NULL;
}

struct publication {
    enum queue_stage stage;
    const struct queue_item *items;
    size_t count;
};

static void build_publish(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct publication *all = items;
    size_t from = index * PUBLISH_IDS;
    size_t to = all->count - from < PUBLISH_IDS ? all->count : from + PUBLISH_IDS;

    for (size_t i = from; i < to; i++)
        queue_call_stream(call, all->stage, lane_of(all->stage, &all->items[i]));
    queue_call_values(call, queue);
    for (size_t i = from; i < to; i++)
        queue_call_value(call, all->items[i].id);
}

static void add_integer(void *arg, size_t index, const redisReply *reply)
{
    size_t *sum = arg;

    (void)index;
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer > 0)
        *sum += (size_t)reply->integer;
}

int queue_publish(struct queue *queue, enum queue_stage stage, const struct queue_item *items, size_t count,
                  size_t *added, struct fault *fault)
{
    struct publication all = {.stage = stage, .items = items, .count = count};
    size_t sum = 0;
    int status;

    if (check_items(stage, items, count, fault))
        return -1;
    status = queue_work(queue,
                        &(struct queue_work){.script = QUEUE_SCRIPT_PUBLISH,
                                             .count = (count + PUBLISH_IDS - 1) / PUBLISH_IDS,
                                             .build = build_publish,
                                             .items = &all,
                                             .answer = add_integer,
                                             .arg = &sum},
                        fault);
    if (added)
        *added = sum;
    return status;
}

/* One call of fetch; `got`: how many came. */
static int fetch_some(struct queue *queue, const char *stream, size_t want, struct queue_claims *claims,
                      size_t *got, struct fault *fault)
{
    size_t before = claims->count;
    struct queue_call call;
    redisReply *reply;
    int status;

    queue_call_begin(&call, QUEUE_SCRIPT_FETCH);
    queue_call_key(&call, stream);
    queue_call_values(&call, queue);
    queue_call_number(&call, (long long)want);
    reply = queue_call_run(queue, &call, fault);
    if (!reply)
        return -1;
    status = queue_claims_read(claims, stream, reply, 0, fault);
    freeReplyObject(reply);
    *got = claims->count - before;
    return status;
}

/* A fault behind claims that were made is left for the next call: these are held, and must reach the caller.
 */
static int fetch(struct queue *queue, enum queue_stage stage, const char *lane, size_t want,
                 struct queue_claims *claims, struct fault *fault)
{
    char *stream = queue_stream(stage, lane);
    size_t got_all = 0;
    int status = 0;

    while (got_all < want) {
        size_t ask = want - got_all < FETCH_IDS ? want - got_all : FETCH_IDS;
        size_t got = 0;

        if (fetch_some(queue, stream, ask, claims, &got, fault)) {
            status = got_all > 0 ? 0 : -1;
            break;
        }
        got_all += got;
        if (got < ask)
            break;
    }
    free(stream);
    return status;
}

int queue_fetch(struct queue *queue, enum queue_stage stage, size_t want, struct queue_claims *claims,
                struct fault *fault)
{
    if (stage == QUEUE_READY)
        return fault_set(fault, FAULT_BUG, "queue: ready is fetched by lane");
    return fetch(queue, stage, NULL, want, claims, fault);
}

int queue_fetch_lane(struct queue *queue, const char *lane, size_t want, struct queue_claims *claims,
                     struct fault *fault)
{
    if (check_lane(lane, fault))
        return -1;
    return fetch(queue, QUEUE_READY, lane, want, claims, fault);
}

/* BZPOPMIN dist:{0}:bell:routed 0.250; its timeout 0 would be for ever. */
int queue_wait(struct queue *queue, enum queue_stage stage, int64_t wait_ms, struct fault *fault)
{
    char bell[64], timeout[32];
    redisReply *reply;
    int rang;

    snprintf(bell, sizeof bell, "%sbell:%s", QUEUE_PREFIX, queue_stage_names[stage]);
    if (wait_ms <= 0) {
        reply = redis_command(queue->redis, 0, fault, 2, (const char *const[]){"ZPOPMIN", bell}, NULL);
    } else {
        snprintf(timeout, sizeof timeout, "%lld.%03d", (long long)(wait_ms / 1000), (int)(wait_ms % 1000));
        reply = redis_command(queue->redis, wait_ms, fault, 3,
                              (const char *const[]){"BZPOPMIN", bell, timeout}, NULL);
    }
    if (!reply)
        return -1;
    rang = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0;
    freeReplyObject(reply);
    return rang;
}

/* KEYS[6] and ARGV[3..5] of the scripts that settle a claim, with `streams` more keys between. */
static void add_claim_values(const struct queue *queue, struct queue_call *call,
                             const struct queue_claim *claim)
{
    queue_call_values(call, queue);
    queue_call_value(call, claim->entry);
    queue_call_value(call, claim->id);
    queue_call_number(call, claim->crashes);
}

static bool hop_takes(const struct queue_hop *hop, size_t item)
{
    return item < HOP_ITEMS || strcmp(hop->items[item].id, hop->claim->id) == 0;
}

static void build_hop(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct queue_hop *hop = (const struct queue_hop *)items + index;

    queue_call_key(call, hop->claim->stream);
    for (size_t i = 0; i < hop->count; i++)
        if (hop_takes(hop, i))
            queue_call_stream(call, hop->stage, lane_of(hop->stage, &hop->items[i]));
    add_claim_values(queue, call, hop->claim);
    for (size_t i = 0; i < hop->count; i++)
        if (hop_takes(hop, i))
            queue_call_value(call, hop->items[i].id);
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
        if (!hop_takes(hop, i))
            rest[count++] = hop->items[i];
    status = queue_publish(queue, hop->stage, rest, count, NULL, fault);
    free(rest);
    return status;
}

int queue_hops(struct queue *queue, const struct queue_hop *hops, size_t count, struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        if (check_items(hops[i].stage, hops[i].items, hops[i].count, fault))
            return -1;
    for (size_t i = 0; i < count; i++)
        if (publish_rest(queue, &hops[i], fault))
            return -1;
    return queue_work(
        queue,
        &(struct queue_work){.script = QUEUE_SCRIPT_HOP, .count = count, .build = build_hop, .items = hops},
        fault);
}

static void build_finish(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct queue_finish *item = (const struct queue_finish *)items + index;

    queue_call_key(call, item->claim->stream);
    add_claim_values(queue, call, item->claim);
    queue_call_value(call, item->ended ? "1" : "0");
}

int queue_finish(struct queue *queue, const struct queue_finish *items, size_t count, struct fault *fault)
{
    return queue_work(
        queue,
        &(struct queue_work){
            .script = QUEUE_SCRIPT_FINISH, .count = count, .build = build_finish, .items = items},
        fault);
}

static void build_claim(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct queue_claim *claim = ((const struct queue_claim *const *)items)[index];

    queue_call_key(call, claim->stream);
    add_claim_values(queue, call, claim);
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

struct question {
    const char *const *ids;
    size_t count;
    bool *present;
};

static void build_present(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct question *question = items;

    queue_call_values(call, queue);
    for (size_t i = index * PRESENT_IDS; i < question->count && i < (index + 1) * PRESENT_IDS; i++)
        queue_call_value(call, question->ids[i]);
}

static void set_present(void *arg, size_t index, const redisReply *reply)
{
    struct question *question = arg;

    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
        if (index * PRESENT_IDS + i < question->count)
            question->present[index * PRESENT_IDS + i] = reply->element[i]->integer == 1;
}

int queue_present(struct queue *queue, const char *const *ids, size_t count, bool *present,
                  struct fault *fault)
{
    struct question question = {.ids = ids, .count = count, .present = present};

    for (size_t i = 0; i < count; i++)
        present[i] = false;
    return queue_work(queue,
                      &(struct queue_work){.script = QUEUE_SCRIPT_PRESENT,
                                           .count = (count + PRESENT_IDS - 1) / PRESENT_IDS,
                                           .build = build_present,
                                           .items = &question,
                                           .answer = set_present,
                                           .arg = &question},
                      fault);
}

int queue_epoch(struct queue *queue, char epoch[37], struct fault *fault)
{
    char fresh[UID_TEXT_SIZE];
    struct queue_call call;
    redisReply *reply;
    int status = -1;

    uid_new(fresh);
    queue_call_begin(&call, QUEUE_SCRIPT_EPOCH);
    queue_call_key(&call, QUEUE_PREFIX "epoch");
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
