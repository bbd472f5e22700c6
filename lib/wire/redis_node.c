/*
 * redis_node - see redis_node.h
 */
#include "redis_node.h"

#include <string.h>
#include "clock.h"
#include "redis_batch.h"
#include "redis_error.h"
#include "xalloc.h"

struct redis_node *redis_node_new(const char *name, const char *host, int port,
                                  const struct redis_login *login)
{
    struct redis_node *node = xcalloc(1, sizeof *node);

    node->link = redis_link_new(name);
    node->login = login;
    node->host = xstrdup(host);
    node->port = port;
    strmap_init(&node->scripts);
    return node;
}

void redis_node_free(struct redis_node *node)
{
    if (!node)
        return;
    redis_link_free(node->link);
    strmap_release(&node->scripts, NULL);
    free(node->host);
    free(node);
}

void redis_node_move(struct redis_node *node, const char *name, const char *host, int port)
{
    char *copy = xstrdup(host);

    redis_node_close(node);
    redis_link_rename(node->link, name);
    free(node->host);
    node->host = copy;
    node->port = port;
}

void redis_node_close(struct redis_node *node)
{
    redis_link_close(node->link);
}

bool redis_node_is_usable(struct redis_node *node)
{
    if (!redis_link_is_open(node->link))
        return false;
    if (!redis_link_is_stale(node->link))
        return true;
    redis_link_close(node->link);
    return false;
}

/* One request to the open link; NULL: fault. Releases the request. */
static redisReply *run_one(struct redis_node *node, struct redis_request *request, int64_t patience_ms,
                           struct fault *fault)
{
    struct redis_request *requests[] = {request};
    struct redis_batch batch = {.link = node->link, .requests = requests, .count = 1};
    redisReply *reply = NULL;

    if (redis_batch_run(&batch, 1, patience_ms, fault) == 0) {
        reply = request->reply;
        request->reply = NULL;
    }
    redis_request_release(request);
    return reply;
}

static int reply_fault(struct redis_node *node, const redisReply *reply, struct fault *fault)
{
    enum redis_remedy remedy;
    enum fault_class class;

    if (reply->type != REDIS_REPLY_ERROR)
        return 0;
    class = redis_error_class(reply, &remedy);
    fault_set(fault, class, "%s: %s", redis_link_name(node->link), reply->str);
    if (remedy == REDIS_REMEDY_REPLACE)
        redis_node_close(node);
    return -1;
}

redisReply *redis_node_call(struct redis_node *node, int64_t deadline_ms, struct fault *fault, int argc,
                            const char *const *argv)
{
    int64_t left_ms = deadline_ms - clock_mono_ms();
    struct redis_request request;
    redisReply *reply;

    if (redis_request_format(&request, argc, argv, NULL, fault))
        return NULL;
    reply = run_one(node, &request, left_ms > 1 ? left_ms : 1, fault);
    if (reply && reply_fault(node, reply, fault)) {
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

/* A command of logging in. */
static int greet(struct redis_node *node, int64_t deadline_ms, int argc, const char *const *argv,
                 struct fault *fault)
{
    struct fault problem = {0};
    redisReply *reply = redis_node_call(node, deadline_ms, &problem, argc, argv);

    if (reply) {
        freeReplyObject(reply);
        return 0;
    }
    if (problem.class == FAULT_BUG)
        problem.class = FAULT_CONFIG;
    if (fault)
        *fault = problem;
    redis_node_close(node);
    return -1;
}

/* With TLS 1.3 a server refuses a client behind the handshake: only its first answer says that it did not.
 * Any answer does; PING itself may be forbidden. */
static int prove(struct redis_node *node, int64_t deadline_ms, struct fault *fault)
{
    struct fault problem;
    redisReply *reply = redis_node_call(node, deadline_ms, &problem, 1, (const char *const[]){"PING"});

    if (reply)
        freeReplyObject(reply);
    if (redis_link_is_open(node->link))
        return 0;
    if (fault)
        *fault = problem;
    return -1;
}

static int log_in(struct redis_node *node, int64_t deadline_ms, struct fault *fault)
{
    const struct redis_login *login = node->login;
    char database[16];

    if (login->password && login->user) {
        if (greet(node, deadline_ms, 3, (const char *const[]){"AUTH", login->user, login->password}, fault))
            return -1;
    } else if (login->password) {
        if (greet(node, deadline_ms, 2, (const char *const[]){"AUTH", login->password}, fault))
            return -1;
    }
    if (login->database == 0)
        return login->tls && !login->password ? prove(node, deadline_ms, fault) : 0;
    snprintf(database, sizeof database, "%d", login->database);
    return greet(node, deadline_ms, 2, (const char *const[]){"SELECT", database}, fault);
}

int redis_node_open(struct redis_node *node, int64_t deadline_ms, struct fault *fault)
{
    const struct redis_link_target target = {
        .host = node->host, .port = node->port, .tls = node->login->tls, .tls_name = node->login->tls_name};

    strmap_release(&node->scripts, NULL);
    strmap_init(&node->scripts);
    if (redis_link_open(node->link, &target, deadline_ms, fault))
        return -1;
    return log_in(node, deadline_ms, fault);
}

int redis_node_load(struct redis_node *node, struct redis_script *script, struct fault *fault)
{
    int64_t deadline_ms = clock_mono_ms() + node->login->timeout_ms;
    redisReply *reply;
    int status = -1;

    if (script->sha[0] && strmap_get(&node->scripts, script->sha))
        return 0;
    reply =
        redis_node_call(node, deadline_ms, fault, 3, (const char *const[]){"SCRIPT", "LOAD", script->text});
    if (!reply)
        return fault_wrap(fault, "script %s", script->name);
    if (reply->type != REDIS_REPLY_STRING || reply->len != sizeof script->sha - 1) {
        fault_set(fault, FAULT_BUG, "%s: SCRIPT LOAD did not answer with a hash",
                  redis_link_name(node->link));
    } else {
        memcpy(script->sha, reply->str, sizeof script->sha);
        (void)strmap_put(&node->scripts, script->sha, node); /* any pointer: it is a set */
        status = 0;
    }
    freeReplyObject(reply);
    return status;
}

void redis_node_forget(struct redis_node *node, const struct redis_script *script)
{
    (void)strmap_remove(&node->scripts, script->sha);
}
