/*
 * The arguments of a call lie behind one another in one buffer, so that building a call of a thousand ids
 * costs no thousand allocations; their addresses are taken at the end, when the buffer moves no more.
 */
#include "queue_call.h"

#include <string.h>
#include "text.h"
#include "xalloc.h"

enum {
    CALL_BYTES_MAX = 64 << 20, /* a thousand items of the longest names have some 600 KB */
    PIPELINE_CALLS = 512,      /* replies are kept until all have come */
    PIPELINE_BYTES = 1 << 20,
    LANE_MAX = 500,
};

const char *const queue_stage_names[QUEUE_STAGE_COUNT + 1] = {"submitted", "routed", "ready", NULL};

char *queue_key(unsigned partition, const char *name)
{
    return xasprintf("dist:{%u}:%s", partition, name);
}

char *queue_stream(unsigned partition, enum queue_stage stage, const char *lane)
{
    return xasprintf("dist:{%u}:%s:%s", partition, queue_stage_names[stage], lane);
}

int queue_check_lane(const char *lane, struct fault *fault)
{
    if (lane && lane[0] && strlen(lane) <= LANE_MAX)
        return 0;
    return fault_set(fault, FAULT_BUG, "queue: no lane, or one of more than %d bytes", LANE_MAX);
}

/* The argument that comes now starts here. */
static void start(struct queue_call *call)
{
    if (call->count == call->cap) {
        call->cap = call->cap ? 2 * call->cap : 32;
        call->starts = xreallocarray(call->starts, call->cap, sizeof *call->starts);
    }
    call->starts[call->count++] = call->text.len;
}

void queue_call_value(struct queue_call *call, const char *value)
{
    start(call);
    buf_add(&call->text, value, strlen(value) + 1);
}

void queue_call_number(struct queue_call *call, long long value)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", value);
    queue_call_value(call, text);
}

void queue_call_whole_key(struct queue_call *call, const char *key)
{
    queue_call_value(call, key);
    call->keys++;
}

static void add_prefix(struct queue_call *call)
{
    char decimal[TEXT_DECIMAL_SIZE];

    buf_adds(&call->text, "dist:{");
    buf_adds(&call->text, text_decimal(call->partition, decimal));
    buf_adds(&call->text, "}:");
}

void queue_call_key(struct queue_call *call, const char *name)
{
    start(call);
    add_prefix(call);
    buf_add(&call->text, name, strlen(name) + 1);
    call->keys++;
}

void queue_call_stream(struct queue_call *call, enum queue_stage stage, const char *lane)
{
    start(call);
    add_prefix(call);
    buf_adds(&call->text, queue_stage_names[stage]);
    buf_addc(&call->text, ':');
    buf_add(&call->text, lane, strlen(lane) + 1);
    call->keys++;
}

void queue_call_begin(struct queue_call *call, enum queue_script script, unsigned partition)
{
    *call = (struct queue_call){.script = script, .partition = partition};
    buf_init(&call->text, CALL_BYTES_MAX);
}

void queue_call_values(struct queue_call *call, const struct queue *queue)
{
    start(call);
    add_prefix(call);
    buf_addc(&call->text, '\0');
    queue_call_value(call, queue->owner);
}

/* The arguments as pointers and sizes; both the caller's to free. */
static const char **arguments(const struct queue_call *call, size_t **sizes)
{
    const char **argv = xreallocarray(NULL, call->count, sizeof *argv);

    *sizes = xreallocarray(NULL, call->count, sizeof **sizes);
    for (size_t i = 0; i < call->count; i++) {
        size_t end = i + 1 < call->count ? call->starts[i + 1] : call->text.len;

        argv[i] = call->text.data + call->starts[i];
        (*sizes)[i] = end - call->starts[i] - 1;
    }
    return argv;
}

static void release(struct queue_call *call)
{
    buf_release(&call->text);
    free(call->starts);
}

static int check_size(const struct queue_call *call, struct fault *fault)
{
    if (!call->text.overflow)
        return 0;
    return fault_set(fault, FAULT_BUG, "queue: a call of more than %d bytes", CALL_BYTES_MAX);
}

redisReply *queue_call_run(struct queue *queue, struct queue_call *call, struct fault *fault)
{
    redisReply *reply = NULL;

    if (check_size(call, fault) == 0) {
        size_t *sizes;
        const char **argv = arguments(call, &sizes);

        reply = redis_eval(queue->redis, &queue->scripts[call->script], call->keys, (int)call->count, argv,
                           sizes, fault);
        free(argv);
        free(sizes);
    }
    release(call);
    return reply;
}

static int append(struct queue *queue, struct queue_call *call, struct fault *fault)
{
    int status = check_size(call, fault);

    if (status == 0) {
        size_t *sizes;
        const char **argv = arguments(call, &sizes);

        status = redis_append_eval(queue->redis, &queue->scripts[call->script], call->keys, (int)call->count,
                                   argv, sizes, fault);
        free(argv);
        free(sizes);
    }
    release(call);
    return status;
}

/* One pipeline on its way. */
struct flight {
    struct queue *queue;
    const struct queue_work *work;
    size_t base; /* index of its first call */
    int status;
    struct fault *fault;
};

static void take_reply(void *arg, size_t index, redisReply *reply)
{
    struct flight *flight = arg;
    const struct queue_work *work = flight->work;

    if (reply->type == REDIS_REPLY_ERROR) {
        if (flight->status == 0)
            flight->status = redis_reply_fault(flight->queue->redis, reply, flight->fault);
    } else if (work->answer)
        work->answer(work->arg, flight->base + index, reply);
}

int queue_work(struct queue *queue, const struct queue_work *work, struct fault *fault)
{
    struct flight flight = {.queue = queue, .work = work, .fault = fault};
    size_t bytes = 0;

    for (size_t i = 0; i < work->count; i++) {
        struct queue_call call;

        queue_call_begin(&call, work->script, 0);
        work->build(queue, &call, work->items, i);
        bytes += call.text.len;
        if (append(queue, &call, fault))
            return -1;
        if (i + 1 < work->count && i + 1 - flight.base < PIPELINE_CALLS && bytes < PIPELINE_BYTES)
            continue;
        if (redis_flush(queue->redis, take_reply, &flight, fault))
            return -1;
        if (flight.status)
            return fault_wrap(fault, "script %s", queue->scripts[work->script].name);
        flight.base = i + 1;
        bytes = 0;
    }
    return 0;
}

int queue_claims_read(struct queue_claims *claims, unsigned partition, const char *stream,
                      const redisReply *reply, size_t first, struct fault *fault)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < first || (reply->elements - first) % 3 != 0)
        return fault_set(fault, FAULT_BUG, "queue: %s: an answer of another shape", stream);
    for (size_t i = first; i < reply->elements; i += 3) {
        const redisReply *entry = reply->element[i], *id = reply->element[i + 1],
                         *crashes = reply->element[i + 2];
        struct queue_claim *claim;

        if (entry->type != REDIS_REPLY_STRING || entry->len >= sizeof claim->entry ||
            id->type != REDIS_REPLY_STRING || id->len >= sizeof claim->id ||
            crashes->type != REDIS_REPLY_INTEGER)
            return fault_set(fault, FAULT_BUG, "queue: %s: an entry of another shape", stream);
        if (claims->count == claims->cap) {
            claims->cap = claims->cap ? 2 * claims->cap : 16;
            claims->items = xreallocarray(claims->items, claims->cap, sizeof *claims->items);
        }
        claim = &claims->items[claims->count++];
        *claim = (struct queue_claim){
            .stream = xstrdup(stream), .partition = partition, .crashes = (int)crashes->integer};
        memcpy(claim->entry, entry->str, entry->len);
        memcpy(claim->id, id->str, id->len);
    }
    return 0;
}

/* What inspect() in queue_scripts.c takes. */
int queue_check_id(const char *id, struct fault *fault)
{
    size_t size = strlen(id);

    if (size == 0 || size >= sizeof((struct queue_claim *)0)->id)
        return fault_set(fault, FAULT_BUG, "queue: an id of %zu bytes", size);
    for (size_t i = 0; i < size; i++)
        if (id[i] <= ' ' || id[i] > '~')
            return fault_set(fault, FAULT_BUG, "queue: an id with bytes that are not printable");
    return 0;
}

int queue_check_items(const struct queue_item *items, size_t count, struct fault *fault)
{
    for (size_t i = 0; i < count; i++) {
        if (queue_check_id(items[i].id, fault) || queue_check_lane(items[i].lane, fault))
            return -1;
        if (strpbrk(items[i].lane, QUEUE_BLANKS))
            return fault_set(fault, FAULT_BUG, "queue: a lane with a blank");
    }
    return 0;
}
