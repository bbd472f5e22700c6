/*
 * What becomes of ids that were claimed: they hop, are finished, go back, are renewed; and those that nobody
 * holds are recalled. Many go into one call.
 */
#include "queue.h"

#include <stdlib.h>
#include <string.h>
#include "queue_call.h"
#include "queue_cut.h"
#include "xalloc.h"

enum {
    FINISH_IDS = 64,
    RECALL_IDS = 128,
    HOP_KEYS = 128,   /* of one call, in which a single hop may have more */
    HOP_ITEMS = 1000, /* in the call that settles the claim; what is more is published before it */
};

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
    struct queue_cut cut;
};

static void build_hops(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct several *all = items;
    const struct queue_hop *hops = all->items;
    const struct queue_cut *cut = &all->cut;

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
        if (queue_check_items(hops[i].items, hops[i].count, fault))
            return -1;
    for (size_t i = 0; i < count; i++)
        if (publish_rest(queue, &hops[i], fault))
            return -1;
    struct several all = {.items = hops};
    queue_cut_init(&all.cut, count);
    for (size_t i = 0; i < count; i++) {
        all.cut.slots[i].partition = hops[i].claim->partition;
        all.cut.slots[i].weight = hop_weight(&hops[i]);
    }
    queue_cut_up(&all.cut, count, HOP_KEYS);
    int status = queue_work(
        queue,
        &(struct queue_work){
            .script = QUEUE_SCRIPT_HOP, .count = all.cut.calls, .build = build_hops, .items = &all},
        fault);
    queue_cut_release(&all.cut);
    return status;
}

static void build_finish(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct several *all = items;
    const struct queue_finish *finishes = all->items;
    const struct queue_cut *cut = &all->cut;

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

    queue_cut_init(&all.cut, count);
    for (size_t i = 0; i < count; i++)
        all.cut.slots[i].partition = items[i].claim->partition;
    queue_cut_up(&all.cut, count, FINISH_IDS);
    int status = queue_work(
        queue,
        &(struct queue_work){
            .script = QUEUE_SCRIPT_FINISH, .count = all.cut.calls, .build = build_finish, .items = &all},
        fault);
    queue_cut_release(&all.cut);
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
    struct queue_cut cut;
    bool *recalled;
};

static void build_recall(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct question *question = items;
    const struct queue_cut *cut = &question->cut;

    call->partition = cut->slots[cut->starts[index]].partition;
    queue_call_key(call, "epoch");
    queue_call_values(call, queue);
    for (size_t i = cut->starts[index]; i < cut->starts[index + 1]; i++)
        queue_call_value(call, question->items[cut->slots[i].index].id);
}

static void set_recalled(void *arg, size_t index, const redisReply *reply)
{
    struct question *question = arg;
    const struct queue_cut *cut = &question->cut;

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
        if (queue_check_id(items[i].id, fault))
            return -1;
    }
    queue_cut_items(&question.cut, items, count, RECALL_IDS);
    status = queue_work(queue,
                        &(struct queue_work){.script = QUEUE_SCRIPT_RECALL,
                                             .count = question.cut.calls,
                                             .build = build_recall,
                                             .items = &question,
                                             .answer = set_recalled,
                                             .arg = &question},
                        fault);
    queue_cut_release(&question.cut);
    return status;
}
