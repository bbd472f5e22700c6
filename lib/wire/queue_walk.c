/*
 * What walks over all streams of a stage: the list of lanes, taking over what silent workers held, and the
 * depths that dist-status shows. Every walk is bounded per call and goes on where the last one ended.
 */
#include "queue.h"

#include <string.h>
#include "queue_call.h"
#include "xalloc.h"

enum {
    REAP_CALLS = 64, /* of one queue_reap(): it stands between two rounds of a worker */
    REAP_IDS = 500,  /* of one call; it looks at ten times as many pending entries at most */
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int queue_lanes(struct queue *queue, char ***lanes, struct fault *fault)
{
    redisReply *reply = redis_command(queue->redis, 0, fault, 2,
                                      (const char *const[]){"SMEMBERS", QUEUE_PREFIX "lanes"}, NULL);
    size_t count = 0;

    *lanes = NULL;
    if (!reply)
        return -1;
    *lanes = xcalloc(reply->elements + 1, sizeof **lanes);
    for (size_t i = 0; i < reply->elements; i++)
        (*lanes)[count++] = xmemdupz(reply->element[i]->str, reply->element[i]->len);
    qsort(*lanes, count, sizeof **lanes, by_name);
    freeReplyObject(reply);
    return 0;
}

void queue_lanes_free(char **lanes)
{
    for (size_t i = 0; lanes && lanes[i]; i++)
        free(lanes[i]);
    free(lanes);
}

/* One call of reap, at the cursor of the stream. `ended`: it reached the end of the pending entries. */
static int reap_some(struct queue *queue, const char *stream, int64_t idle_ms, size_t want,
                     struct queue_claims *claims, bool *ended, struct fault *fault)
{
    const char *cursor = strmap_get(&queue->cursors, stream);
    struct queue_call call;
    redisReply *reply;
    int status = -1;

    queue_call_begin(&call, QUEUE_SCRIPT_REAP);
    queue_call_key(&call, stream);
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
        status = queue_claims_read(claims, stream, reply, 1, fault);
    }
    freeReplyObject(reply);
    return status;
}

/* Where the walk over sorted lanes goes on: at the first one behind the last that was done. */
static size_t next_lane(const struct queue *queue, char *const *lanes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!queue->reaped || strcmp(lanes[i], queue->reaped) > 0)
            return i;
    return 0;
}

int queue_reap(struct queue *queue, enum queue_stage stage, int64_t idle_ms, size_t want,
               struct queue_claims *claims, struct fault *fault)
{
    char *whole[] = {NULL};
    char **lanes = NULL;
    size_t before = claims->count, count = 1, at = 0, done = 0;
    int status = 0;

    if (stage == QUEUE_READY) {
        if (queue_lanes(queue, &lanes, fault))
            return -1;
        for (count = 0; lanes[count];)
            count++;
        at = next_lane(queue, lanes, count);
    }
    for (int calls = 0; calls < REAP_CALLS && done < count && claims->count - before < want; calls++) {
        char *lane = (lanes ? lanes : whole)[(at + done) % count];
        char *stream = queue_stream(stage, lane);
        bool ended = true;

        status = reap_some(queue, stream, idle_ms, want - (claims->count - before), claims, &ended, fault);
        free(stream);
        if (status)
            break;
        if (!ended)
            continue;
        done++;
        if (lane) {
            free(queue->reaped);
            queue->reaped = xstrdup(lane);
        }
    }
    queue_lanes_free(lanes);
    return claims->count > before ? 0 : status; /* what was claimed must reach the caller */
}

/* What is asked and what is answered, over one array. */
struct survey {
    struct queue_depth *depths;
    size_t count;
};

static void build_depth(const struct queue *queue, struct queue_call *call, const void *items, size_t index)
{
    const struct survey *survey = items;
    char *stream = xasprintf("%s%s", QUEUE_PREFIX, survey->depths[index].name);

    queue_call_key(call, stream);
    queue_call_values(call, queue);
    free(stream);
}

static void set_depth(void *arg, size_t index, const redisReply *reply)
{
    struct survey *survey = arg;
    struct queue_depth *depth = &survey->depths[index];

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return;
    depth->length = reply->element[0]->integer;
    depth->in_flight = reply->element[1]->integer;
    depth->oldest_ms = reply->element[2]->integer;
}

static int count_quarantined(struct queue *queue, int64_t *quarantined, struct fault *fault)
{
    redisReply *reply = redis_command(queue->redis, 0, fault, 2,
                                      (const char *const[]){"LLEN", QUEUE_PREFIX "quarantine"}, NULL);

    if (!reply)
        return -1;
    *quarantined = reply->integer;
    freeReplyObject(reply);
    return 0;
}

int queue_depths(struct queue *queue, struct queue_depth **depths, size_t *count, int64_t *quarantined,
                 struct fault *fault)
{
    struct survey survey = {0};
    char **lanes;
    size_t lane_count = 0;
    int64_t malformed = 0;

    *depths = NULL;
    *count = 0;
    if (queue_lanes(queue, &lanes, fault))
        return -1;
    while (lanes[lane_count])
        lane_count++;
    survey.depths = xcalloc(lane_count + QUEUE_READY, sizeof *survey.depths);
    for (int stage = 0; stage < QUEUE_READY; stage++)
        survey.depths[survey.count++].name = xstrdup(queue_stage_names[stage]);
    for (size_t i = 0; i < lane_count; i++)
        survey.depths[survey.count++].name = xasprintf("%s:%s", queue_stage_names[QUEUE_READY], lanes[i]);
    queue_lanes_free(lanes);
    if (count_quarantined(queue, &malformed, fault) ||
        queue_work(queue,
                   &(struct queue_work){.script = QUEUE_SCRIPT_DEPTH,
                                        .count = survey.count,
                                        .build = build_depth,
                                        .items = &survey,
                                        .answer = set_depth,
                                        .arg = &survey},
                   fault)) {
        queue_depths_free(survey.depths, survey.count);
        return -1;
    }
    *depths = survey.depths;
    *count = survey.count;
    if (quarantined)
        *quarantined = malformed;
    return 0;
}

void queue_depths_free(struct queue_depth *depths, size_t count)
{
    for (size_t i = 0; depths && i < count; i++)
        free(depths[i].name);
    free(depths);
}
