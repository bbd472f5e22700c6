/*
 * What walks over all lanes of a stage: the survey of them, and taking over what silent workers held, which
 * is bounded per call and goes on where the last one ended.
 */
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "queue_call.h"
#include "xalloc.h"

enum {
    REAP_CALLS = 64,    /* of one queue_reap(): it stands between two rounds of a worker */
    SURVEY_LANES = 200, /* of one call: other clients wait while a script runs, some 10 us a lane */
    REAP_IDS = 500,     /* of one call; it looks at ten times as many pending entries at most */
};

/* A survey on its way, in rounds: each asks every partition that has more for some of its lanes. */
struct survey {
    enum queue_stage stage;
    struct part {
        unsigned partition;
        char cursor[24]; /* as SSCAN has it; "0" at first, and at the end */
        bool ended;
    } * parts;
    size_t part_count;
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
    const struct part *part = &survey->parts[index];
    char name[32];

    call->partition = part->partition;
    snprintf(name, sizeof name, "lanes:%s", queue_stage_names[survey->stage]);
    queue_call_key(call, name);
    queue_call_values(call, queue);
    queue_call_value(call, queue_stage_names[survey->stage]);
    queue_call_value(call, part->cursor);
    queue_call_number(call, SURVEY_LANES);
}

static void take_survey(void *arg, size_t index, const redisReply *reply)
{
    struct survey *survey = arg;
    struct part *part = &survey->parts[index];

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 4 != 1 ||
        reply->element[0]->type != REDIS_REPLY_STRING || reply->element[0]->len >= sizeof part->cursor) {
        survey->status = fault_set(survey->fault, FAULT_BUG, "queue: lanes of another shape");
        return;
    }
    snprintf(part->cursor, sizeof part->cursor, "%s", reply->element[0]->str);
    part->ended = strcmp(part->cursor, "0") == 0;
    for (size_t i = 1; i < reply->elements; i += 4) {
        redisReply *const *element = reply->element + i;

        if (survey->count == survey->cap) {
            survey->cap = survey->cap ? 2 * survey->cap : 64;
            survey->lanes = xreallocarray(survey->lanes, survey->cap, sizeof *survey->lanes);
        }
        survey->lanes[survey->count++] = (struct queue_lane){
            .name = xmemdupz(element[0]->str, element[0]->len),
            .partition = part->partition,
            .length = element[1]->integer,
            .in_flight = element[2]->integer,
            .oldest_ms = element[3]->integer,
        };
    }
}

static int survey_round(struct queue *queue, struct survey *survey)
{
    size_t left = 0;

    if (queue_work(queue,
                   &(struct queue_work){.script = QUEUE_SCRIPT_SURVEY,
                                        .count = survey->part_count,
                                        .build = build_survey,
                                        .items = survey,
                                        .answer = take_survey,
                                        .arg = survey},
                   survey->fault))
        return -1;
    for (size_t i = 0; i < survey->part_count; i++)
        if (!survey->parts[i].ended)
            survey->parts[left++] = survey->parts[i];
    survey->part_count = left;
    return survey->status;
}

/* SSCAN may say a name twice where the set grows or shrinks meanwhile. */
static void sort_lanes(struct survey *survey)
{
    size_t count = 0;

    if (survey->count)
        qsort(survey->lanes, survey->count, sizeof *survey->lanes, by_name);
    for (size_t i = 0; i < survey->count; i++)
        if (count && by_name(&survey->lanes[count - 1], &survey->lanes[i]) == 0)
            free(survey->lanes[i].name);
        else
            survey->lanes[count++] = survey->lanes[i];
    survey->count = count;
}

int queue_lanes(struct queue *queue, enum queue_stage stage, struct queue_lane **lanes, size_t *count,
                struct fault *fault)
{
    struct survey survey = {.stage = stage, .part_count = queue->partitions, .fault = fault};
    int status = 0;

    survey.parts = xcalloc(queue->partitions, sizeof *survey.parts);
    for (unsigned p = 0; p < queue->partitions; p++)
        survey.parts[p] = (struct part){.partition = p, .cursor = "0"};
    while (status == 0 && survey.part_count > 0)
        status = survey_round(queue, &survey);
    free(survey.parts);
    *lanes = NULL;
    *count = 0;
    if (status) {
        queue_lanes_free(survey.lanes, survey.count);
        return -1;
    }
    sort_lanes(&survey);
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

size_t queue_lane_unread(const struct queue_lane *lane)
{
    return lane->length > lane->in_flight ? (size_t)(lane->length - lane->in_flight) : 0;
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
        lengths[i] = 0;
        if (queue_check_lane(items[i].lane, fault))
            return -1;
    }
    for (size_t i = 0; i < count; i++) {
        char *stream = queue_stream(items[i].partition, stage, items[i].lane);
        int status = redis_append(queue->redis, 2, (const char *const[]){"XLEN", stream}, NULL, fault);

        free(stream);
        if (status)
            return -1;
    }
    if (count && redis_flush(queue->redis, set_length, &answer, fault))
        return -1;
    return answer.status;
}

static bool is_turn(const struct queue_turn *turn, const struct queue_lane *lane)
{
    return turn->lane && turn->partition == lane->partition && strcmp(turn->lane, lane->name) == 0;
}

static void keep_turn(struct queue_turn *turn, const struct queue_lane *lane, const char *cursor)
{
    if (!is_turn(turn, lane)) {
        free(turn->lane);
        turn->lane = xstrdup(lane->name);
        turn->partition = lane->partition;
    }
    snprintf(turn->cursor, sizeof turn->cursor, "%s", strcmp(cursor, "0-0") == 0 ? "" : cursor);
}

/* One call of reap, from the cursor of the lane on, which is kept. */
static int reap_some(struct queue *queue, enum queue_stage stage, const struct queue_lane *lane,
                     int64_t idle_ms, size_t want, struct queue_claims *claims, struct fault *fault)
{
    struct queue_turn *turn = &queue->turns[stage];
    char *stream = queue_stream(lane->partition, stage, lane->name);
    struct queue_call call;
    redisReply *reply;
    int status = -1;

    queue_call_begin(&call, QUEUE_SCRIPT_REAP, lane->partition);
    queue_call_whole_key(&call, stream);
    queue_call_values(&call, queue);
    queue_call_number(&call, idle_ms > 0 ? idle_ms : 0);
    queue_call_value(&call, is_turn(turn, lane) && turn->cursor[0] ? turn->cursor : "0-0");
    queue_call_number(&call, want < REAP_IDS ? (long long)want : REAP_IDS);
    reply = queue_call_run(queue, &call, fault);
    if (reply && (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
                  reply->element[0]->type != REDIS_REPLY_STRING)) {
        fault_set(fault, FAULT_BUG, "queue: %s: an answer of another shape", stream);
    } else if (reply) {
        keep_turn(turn, lane, reply->element[0]->str);
        status = queue_claims_read(claims, lane->partition, stream, reply, 1, fault);
    }
    freeReplyObject(reply);
    free(stream);
    return status;
}

/* Lanes of which something is claimed; the others have nothing to take over. */
static size_t keep_claimed(struct queue_lane *lanes, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (lanes[i].in_flight > 0)
            lanes[kept++] = lanes[i];
        else
            free(lanes[i].name);
    return kept;
}

/* Where the last call ended, or the next lane behind that: they come and go meanwhile. */
static size_t first_lane(const struct queue_turn *turn, const struct queue_lane *lanes, size_t count)
{
    const struct queue_lane last = {.name = turn->lane, .partition = turn->partition};

    for (size_t i = 0; turn->lane && i < count; i++) {
        int order = by_name(&lanes[i], &last);

        if (order > 0 || (order == 0 && turn->cursor[0]))
            return i;
    }
    return 0;
}

int queue_reap(struct queue *queue, enum queue_stage stage, int64_t idle_ms, size_t want,
               struct queue_claims *claims, struct fault *fault)
{
    struct queue_lane *lanes;
    size_t before = claims->count, count, done = 0, at;
    int status = 0;

    if (queue_lanes(queue, stage, &lanes, &count, fault))
        return -1;
    count = keep_claimed(lanes, count);
    at = first_lane(&queue->turns[stage], lanes, count);
    for (int calls = 0; calls < REAP_CALLS && done < count && claims->count - before < want; calls++) {
        status = reap_some(queue, stage, &lanes[(at + done) % count], idle_ms,
                           want - (claims->count - before), claims, fault);
        if (status)
            break;
        done += queue->turns[stage].cursor[0] == '\0';
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
