/*
 * Commands, scripts and pipelines. All are requests that go through run_all(): each is given its node, the
 * nodes get theirs at the same time, and what an answer sends elsewhere (another node, or a script that was
 * forgotten: in both cases it did not run) goes out again in the next round.
 */
#include "redis_parts.h"

#include <stdarg.h>
#include <string.h>
#include "clock.h"
#include "redis_batch.h"
#include "redis_slot.h"
#include "xalloc.h"

enum { ROUNDS = 6 }; /* a slot that moves on, again and again, is a cluster in trouble: the answer says so */

struct sending {
    struct redis *redis;
    struct redis_request *requests;
    size_t count;
    int64_t block_ms;
};

/* In a cluster: which slot it is for. */
static int place(const struct redis *redis, struct redis_request *request, struct fault *fault)
{
    if (redis->cluster)
        request->slot = redis_slot_of_command(request->bytes, request->size);
    if (request->slot == REDIS_SLOT_MIXED)
        return fault_set(fault, FAULT_BUG, "%s: the keys of one call do not share a hash tag",
                         redis->address);
    return 0;
}

static int load(struct redis *redis, struct redis_node *node, struct redis_script *script,
                struct fault *fault)
{
    if (redis_node_load(node, script, fault))
        return -1;
    script->generation = redis->generation;
    return 0;
}

/* Finds the node that the request goes to now, and sees to its script there. */
static int route(struct redis *redis, struct redis_request *request, int64_t deadline_ms, struct fault *fault)
{
    struct redis_node *ask = request->ask;

    request->ask = NULL;
    redis_request_set_asking(request, ask != NULL);
    if (!redis->cluster)
        request->node = redis->node;
    else if (!ask)
        request->node = redis_cluster_node(redis->cluster, request->slot, deadline_ms, fault);
    else
        request->node = redis_cluster_open(redis->cluster, ask, deadline_ms, fault) ? NULL : ask;
    if (!request->node)
        return -1;
    return request->script ? load(redis, request->node, request->script, fault) : 0;
}

static struct redis_batch *batch_of(struct redis_batch *batches, size_t *count, struct redis_link *link)
{
    for (size_t i = 0; i < *count; i++)
        if (batches[i].link == link)
            return &batches[i];
    batches[*count].link = link;
    return &batches[(*count)++];
}

/* The requests without a reply as one batch for each node; `list` has room for all. How many batches. */
static size_t group(const struct sending *sending, struct redis_batch *batches, struct redis_request **list)
{
    size_t count = 0;

    for (size_t i = 0; i < sending->count; i++)
        if (!sending->requests[i].reply)
            batch_of(batches, &count, sending->requests[i].node->link)->count++;
    for (size_t i = 0; i < count; i++) {
        batches[i].requests = list;
        list += batches[i].count;
        batches[i].count = 0;
    }
    for (size_t i = 0; i < sending->count; i++)
        if (!sending->requests[i].reply) {
            struct redis_batch *batch = batch_of(batches, &count, sending->requests[i].node->link);

            batch->requests[batch->count++] = &sending->requests[i];
        }
    return count;
}

/* Sends the requests that have no reply, and waits for theirs. */
static int run_round(const struct sending *sending, struct fault *fault)
{
    struct redis *redis = sending->redis;
    int64_t timeout_ms = redis->login.timeout_ms, deadline_ms = clock_mono_ms() + timeout_ms;
    int64_t patience_ms = timeout_ms + (sending->block_ms > 0 ? sending->block_ms : 0);
    struct redis_batch *batches = NULL;
    struct redis_request **list = NULL;
    int status = 0;

    for (size_t i = 0; i < sending->count && status == 0; i++)
        if (!sending->requests[i].reply)
            status = route(redis, &sending->requests[i], deadline_ms, fault);
    if (status == 0) {
        batches = xcalloc(sending->count, sizeof *batches);
        list = xcalloc(sending->count, sizeof(struct redis_request *));
        status = redis_batch_run(batches, group(sending, batches, list), patience_ms, fault);
    }
    if (status && redis->cluster)
        redis_cluster_doubt(redis->cluster);
    free(batches);
    free(list);
    return status;
}

static bool is_forgotten(const struct redis_request *request)
{
    return request->script && !request->reloaded && redis_request_failed_with(request, "NOSCRIPT");
}

/* Looks at the replies of a round; true: some requests did not run, and are to be sent again. */
static bool review(const struct sending *sending)
{
    bool again = false;

    for (size_t i = 0; i < sending->count; i++) {
        struct redis_request *request = &sending->requests[i];

        if (is_forgotten(request)) {
            redis_node_forget(request->node, request->script);
            redis_request_reopen(request);
            request->reloaded = true;
            request->ask = request->asking > 0 ? request->node : NULL;
            again = true;
        } else if (sending->redis->cluster && redis_cluster_redirect(sending->redis->cluster, request)) {
            again = true;
        }
    }
    return again;
}

static int run_all(struct redis *redis, struct redis_request *requests, size_t count, int64_t block_ms,
                   struct fault *fault)
{
    const struct sending sending = {redis, requests, count, block_ms};

    if (redis_connect(redis, fault))
        return -1;
    for (int round = 1;; round++) {
        if (run_round(&sending, fault))
            return -1;
        if (round == ROUNDS || !review(&sending))
            return 0;
        if (redis->cluster)
            redis_cluster_begin(redis->cluster, false);
    }
}

/* Runs one request and releases it. An error reply is a fault. */
static redisReply *run_one(struct redis *redis, struct redis_request *request, int64_t block_ms,
                           struct fault *fault)
{
    redisReply *reply = NULL;

    if (place(redis, request, fault) == 0 && run_all(redis, request, 1, block_ms, fault) == 0 &&
        redis_reply_fault(redis, request->reply, fault) == 0) {
        reply = request->reply;
        request->reply = NULL;
    }
    redis_request_release(request);
    return reply;
}

redisReply *redis_command(struct redis *redis, int64_t block_ms, struct fault *fault, int argc,
                          const char *const *argv, const size_t *sizes)
{
    struct redis_request request;

    if (redis_request_format(&request, argc, argv, sizes, fault))
        return NULL;
    return run_one(redis, &request, block_ms, fault);
}

redisReply *redis_commandf(struct redis *redis, int64_t block_ms, struct fault *fault, const char *format,
                           ...)
{
    struct redis_request request;
    va_list arguments;
    int status;

    va_start(arguments, format);
    status = redis_request_vformat(&request, format, arguments, fault);
    va_end(arguments);
    return status ? NULL : run_one(redis, &request, block_ms, fault);
}

/* The hash of a script is that of its text: once a server has told it, it holds for every one. */
static int learn_hash(struct redis *redis, struct redis_script *script, struct fault *fault)
{
    struct redis_node *node = redis->node;

    if (script->sha[0])
        return 0;
    if (redis_connect(redis, fault))
        return -1;
    if (redis->cluster)
        node = redis_cluster_node(redis->cluster, REDIS_SLOT_NONE, clock_mono_ms() + redis->login.timeout_ms,
                                  fault);
    return node ? load(redis, node, script, fault) : -1;
}

redisReply *redis_eval(struct redis *redis, struct redis_script *script, int key_count, int argc,
                       const char *const *argv, const size_t *sizes, struct fault *fault)
{
    struct redis_request request;
    redisReply *reply;

    if (learn_hash(redis, script, fault) ||
        redis_request_format_eval(&request, script, key_count, argc, argv, sizes, fault))
        return NULL;
    reply = run_one(redis, &request, 0, fault);
    if (!reply)
        fault_wrap(fault, "script %s", script->name);
    return reply;
}

/* ---- pipelines ---- */

static void drop(struct redis_request *requests, size_t count)
{
    for (size_t i = 0; i < count; i++)
        redis_request_release(&requests[i]);
    free(requests);
}

static struct redis_request *add(struct redis *redis)
{
    if (redis->count == redis->cap) {
        redis->cap = redis->cap ? 2 * redis->cap : 16;
        redis->requests = xreallocarray(redis->requests, redis->cap, sizeof *redis->requests);
    }
    redis->requests[redis->count] = (struct redis_request){0};
    return &redis->requests[redis->count++];
}

/* What was appended, now the caller's; none is left. */
static struct redis_request *take(struct redis *redis, size_t *count)
{
    struct redis_request *requests = redis->requests;

    *count = redis->count;
    redis->requests = NULL;
    redis->count = redis->cap = 0;
    return requests;
}

static int give_up(struct redis *redis)
{
    size_t count;
    struct redis_request *requests = take(redis, &count);

    drop(requests, count);
    return -1;
}

int redis_append(struct redis *redis, int argc, const char *const *argv, const size_t *sizes,
                 struct fault *fault)
{
    struct redis_request *request = add(redis);

    if (redis_request_format(request, argc, argv, sizes, fault) || place(redis, request, fault))
        return give_up(redis);
    return 0;
}

int redis_append_eval(struct redis *redis, struct redis_script *script, int key_count, int argc,
                      const char *const *argv, const size_t *sizes, struct fault *fault)
{
    struct redis_request *request;

    if (learn_hash(redis, script, fault))
        return give_up(redis);
    request = add(redis);
    if (redis_request_format_eval(request, script, key_count, argc, argv, sizes, fault) ||
        place(redis, request, fault)) {
        fault_wrap(fault, "script %s", script->name);
        return give_up(redis);
    }
    return 0;
}

int redis_flush(struct redis *redis, void (*reply)(void *arg, size_t index, redisReply *reply), void *arg,
                struct fault *fault)
{
    size_t count;
    struct redis_request *requests = take(redis, &count); /* `reply` may use the connection */
    int status = 0;

    if (count > 0)
        status = run_all(redis, requests, count, 0, fault);
    for (size_t i = 0; i < count && status == 0 && reply; i++)
        reply(arg, i, requests[i].reply);
    drop(requests, count);
    return status;
}
