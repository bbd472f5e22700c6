/*
 * holds - see holds.h; the scripts are in hold_scripts.c
 */
#include "holds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "queue_call.h"
#include "xalloc.h"

#define STEP_US_MAX INT64_C(100000000000000)

const char *const hold_kind_names[HOLD_KIND_COUNT + 1] = {"paused", "open", "half_open", "gone", NULL};

static int by_destination(const void *a, const void *b)
{
    return strcmp(((const struct hold *)a)->destination, ((const struct hold *)b)->destination);
}

int holds_look(struct queue *queue, struct holds *holds, struct fault *fault)
{
    struct queue_call call;
    redisReply *reply;

    *holds = (struct holds){0};
    queue_call_begin(&call, QUEUE_SCRIPT_HOLDS, 0);
    queue_call_key(&call, "holds");
    queue_call_values(&call, queue);
    reply = queue_call_run(queue, &call, fault);
    if (!reply)
        return -1;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 4) {
        freeReplyObject(reply);
        return fault_set(fault, FAULT_BUG, "queue: holds of another shape");
    }
    holds->items = xcalloc(reply->elements / 4 + 1, sizeof *holds->items);
    for (size_t i = 0; i < reply->elements; i += 4) {
        redisReply *const *element = reply->element + i;
        long long kind = element[1]->integer;

        holds->items[holds->count++] = (struct hold){
            .destination = xmemdupz(element[0]->str, element[0]->len),
            .kind = kind >= 0 && kind < HOLD_KIND_COUNT ? (enum hold_kind)kind : HOLD_OPEN,
            .failures = (int)element[2]->integer,
            .left_ms = element[3]->integer,
        };
    }
    freeReplyObject(reply);
    qsort(holds->items, holds->count, sizeof *holds->items, by_destination);
    return 0;
}

void holds_release(struct holds *holds)
{
    for (size_t i = 0; i < holds->count; i++)
        free(holds->items[i].destination);
    free(holds->items);
    *holds = (struct holds){0};
}

const struct hold *holds_find(const struct holds *holds, const char *destination)
{
    const struct hold key = {.destination = (char *)destination};

    return holds->count ? bsearch(&key, holds->items, holds->count, sizeof *holds->items, by_destination)
                        : NULL;
}

struct reporting {
    const struct hold_rules *rules;
    const struct hold_report *reports;
};

static void build_report(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct reporting *reporting = items;
    const struct hold_report *report = &reporting->reports[index];

    queue_call_key(call, "holds");
    queue_call_values(call, queue);
    queue_call_value(call, report->destination);
    queue_call_number(call, report->failures);
    queue_call_value(call, report->success ? "1" : "0");
    queue_call_value(call, report->probe_failed ? "1" : "0");
    queue_call_number(call, report->pause_ms);
    queue_call_number(call, reporting->rules->failures);
    queue_call_number(call, reporting->rules->open_ms);
    queue_call_value(call, report->gone ? "1" : "0");
}

int holds_report(struct queue *queue, const struct hold_rules *rules, const struct hold_report *reports,
                 size_t count, struct fault *fault)
{
    const struct reporting reporting = {.rules = rules, .reports = reports};

    return queue_work(
        queue,
        &(struct queue_work){
            .script = QUEUE_SCRIPT_REPORT, .count = count, .build = build_report, .items = &reporting},
        fault);
}

int holds_lift(struct queue *queue, const char *destination, bool *lifted, struct fault *fault)
{
    struct queue_call call;
    redisReply *reply;

    queue_call_begin(&call, QUEUE_SCRIPT_LIFT, 0);
    queue_call_key(&call, "holds");
    queue_call_values(&call, queue);
    queue_call_value(&call, destination);
    reply = queue_call_run(queue, &call, fault);
    if (!reply)
        return -1;
    *lifted = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
    freeReplyObject(reply);
    return 0;
}

int holds_probe(struct queue *queue, const char *destination, int64_t for_ms, bool *granted,
                struct fault *fault)
{
    struct queue_call call;
    redisReply *reply;

    *granted = false;
    queue_call_begin(&call, QUEUE_SCRIPT_PROBE, 0);
    queue_call_key(&call, "holds");
    queue_call_values(&call, queue);
    queue_call_value(&call, destination);
    queue_call_number(&call, for_ms);
    reply = queue_call_run(queue, &call, fault);
    if (!reply)
        return -1;
    *granted = reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
    freeReplyObject(reply);
    return 0;
}

/* Between two slots: from a million a second down to one in some years. */
static long long step_us(double rate_per_s)
{
    double us = 1e6 / rate_per_s;

    if (!(us < STEP_US_MAX))
        return STEP_US_MAX;
    return us < 1 ? 1 : llround(us);
}

static void build_grant(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct hold_grant *grant = (const struct hold_grant *)items + index;
    char *name = xasprintf("rate:%s", grant->destination);

    queue_call_key(call, name);
    queue_call_values(call, queue);
    queue_call_number(call, (long long)grant->want);
    queue_call_number(call, step_us(grant->rate_per_s));
    free(name);
}

static void set_granted(void *arg, size_t index, const redisReply *reply)
{
    struct hold_grant *grant = (struct hold_grant *)arg + index;

    if (reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0)
        grant->granted = (size_t)reply->integer;
}

int holds_grant(struct queue *queue, struct hold_grant *grants, size_t count, struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        grants[i].granted = 0;
    return queue_work(queue,
                      &(struct queue_work){.script = QUEUE_SCRIPT_GRANT,
                                           .count = count,
                                           .build = build_grant,
                                           .items = grants,
                                           .answer = set_granted,
                                           .arg = grants},
                      fault);
}
