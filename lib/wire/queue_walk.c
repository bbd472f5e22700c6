/*
 * What walks over all lanes of a stage: the survey of them, and taking over what silent workers held, which is
 * bounded per call and goes on where the last one ended.
 */
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "queue_call.h"
#include "xalloc.h"

enum {
    REAP_CALLS = 64, /* of one queue_reap(): it stands between two rounds of a worker */
    REAP_IDS = 500,  /* of one call; it looks at ten times as many pending entries at most */
};

/* Where the answers of a survey go. */
struct survey {
    enum queue_stage stage;
    struct queue_lane *lanes;
    size_t count, cap;
    int status;
    struct fault *fault;
};

static int by_name(const void *a, const void *b)
{
    const struct queue_lane *one = a, *two = b;
    int order = strcmp(one->name, two->name);

    return order ? order : (int)one->partition - (int)two->partition;
}

static void build_survey(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct survey *survey = items;
    char name[32];

    call->partition = (unsigned)index;
    snprintf(name, sizeof name, "lanes:%s", queue_stage_names[survey->stage]);
    queue_call_key(call, name);
    queue_call_values(call, queue);
    queue_call_value(call, queue_stage_names[survey->stage]);
}

static void take_survey(void *arg, size_t index, const redisReply *reply)
{
    struct survey *survey = arg;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 4) {
        survey->status = fault_set(survey->fault, FAULT_BUG, "queue: lanes of another shape");
        return;
    }
    if (survey->count + reply->elements / 4 > survey->cap) {
        survey->cap = survey->count + reply->elements / 4;
        survey->lanes = xreallocarray(survey->lanes, survey->cap, sizeof *survey->lanes);
    }
    for (size_t i = 0; i < reply->elements; i += 4) {
        redisReply *const *element = reply->element + i;

        survey->lanes[survey->count++] = (struct queue_lane){
            .name = xmemdupz(element[0]->str, element[0]->len),
            .partition = (unsigned)index,
            .length = element[1]->integer,
            .in_flight = element[2]->integer,
            .oldest_ms = element[3]->integer,
        };
    }
}

int queue_lanes(struct queue *queue, enum queue_stage stage, struct queue_lane **lanes, size_t *count,
                struct fault *fault)
{
    struct survey survey = {.stage = stage, .fault = fault};
    int status = queue_work(queue,
                            &(struct queue_work){.script = QUEUE_SCRIPT_SURVEY,
                                                 .count = queue->partitions,
                                                 .build = build_survey,
                                                 .items = &survey,
                                                 .answer = take_survey,
                                                 .arg = &survey},
                            fault);

    *lanes = NULL;
    *count = 0;
    if (status || survey.status) {
        queue_lanes_free(survey.lanes, survey.count);
        return -1;
    }
    if (survey.count)
        qsort(survey.lanes, survey.count, sizeof *survey.lanes, by_name);
    *lanes = survey.lanes;
    *count = survey.count;
    return 0;
}

void queue_lanes_free(struct queue_lane *lanes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(lanes[i].name);
    free(lanes);
}

struct lengths {
    struct redis *redis;
    int64_t *lengths;
    int status;
    struct fault *fault;
};

static void set_length(void *arg, size_t index, redisReply *reply)
{
    struct lengths *lengths = arg;

    if (reply->type == REDIS_REPLY_ERROR)
        lengths->status = redis_reply_fault(lengths->redis, reply, lengths->fault);
    else
        lengths->lengths[index] = reply->integer;
}

/* XLEN dist:{0}:ready:web:acme:normal */
int queue_lengths(struct queue *queue, enum queue_stage stage, const struct queue_item *items, size_t count,
                  int64_t *lengths, struct fault *fault)
{
    struct lengths answer = {.redis = queue->redis, .lengths = lengths, .fault = fault};

    for (size_t i = 0; i < count; i++) {
        char *stream = queue_stream(items[i].partition, stage, items[i].lane);
        int status =
            redis_append(queue->redis, 2, (const char *const[]){"XLEN", stream}, NULL, fault);

        free(stream);
        lengths[i] = 0;
        if (status)
            return -1;
    }
    if (count && redis_flush(queue->redis, set_length, &answer, fault))
        return -1;
    return answer.status;
}

/* One call of reap, at the cursor of the stream. `ended`: it reached the end of the pending entries. */
static int reap_some(struct queue *queue, unsigned partition, const char *stream, int64_t idle_ms, size_t want,
                     struct queue_claims *claims, bool *ended, struct fault *fault)
{
    const char *cursor = strmap_get(&queue->cursors, stream);
    struct queue_call call;
    redisReply *reply;
    int status = -1;

    queue_call_begin(&call, QUEUE_SCRIPT_REAP, partition);
    queue_call_whole_key(&call, stream);
    queue_call_values(&call, queue);
    queue_call_number(&call, idle_ms > 0 ? idle_ms : 0);
    queue_call_value(&call, cursor ? cursor : "0-0");
    queue_call_number(&call, want < REAP_IDS ? (long long)want : REAP_IDS);
    reply = queue_call_run(queue, &call, fault);
    if (!reply)
        return -1;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
        reply->element[0]->type != REDIS_REPLY_STRING) {
        fault_set(fault, FAULT_BUG, "queue: %s: an answer of another shape", stream);
    } else {
        *ended = strcmp(reply->element[0]->str, "0-0") == 0;
        free(*ended ? strmap_remove(&queue->cursors, stream)
                    : strmap_put(&queue->cursors, stream, xstrdup(reply->element[0]->str)));
        status = queue_claims_read(claims, partition, stream, reply, 1, fault);
    }
    freeReplyObject(reply);
    return status;
}

/* Where the last call ended counts in lanes: they come and go meanwhile, and all have their turn all the same. */
int queue_reap(struct queue *queue, enum queue_stage stage, int64_t idle_ms, size_t want,
               struct queue_claims *claims, struct fault *fault)
{
    struct queue_lane *lanes;
    size_t before = claims->count, count, done = 0;
    int status = 0;

    if (queue_lanes(queue, stage, &lanes, &count, fault))
        return -1;
    for (int calls = 0; calls < REAP_CALLS && done < count && claims->count - before < want; calls++) {
        const struct queue_lane *lane = &lanes[queue->reap_turn % count];
        char *stream = queue_stream(lane->partition, stage, lane->name);
        bool ended = true;

        status = reap_some(queue, lane->partition, stream, idle_ms, want - (claims->count - before), claims,
                           &ended, fault);
        free(stream);
        if (status)
            break;
        if (!ended)
            continue;
        done++;
        queue->reap_turn++;
    }
    queue_lanes_free(lanes, count);
    return claims->count > before ? 0 : status; /* what was claimed must reach the caller */
}

int queue_quarantined(struct queue *queue, int64_t *count, struct fault *fault)
{
    *count = 0;
    for (unsigned p = 0; p < queue->partitions; p++) {
        char *key = queue_key(p, "quarantine");
        redisReply *reply =
            redis_command(queue->redis, 0, fault, 2, (const char *const[]){"LLEN", key}, NULL);

        free(key);
        if (!reply)
            return -1;
        *count += reply->integer;
        freeReplyObject(reply);
    }
    return 0;
}
