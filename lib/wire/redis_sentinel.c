/*
 * redis_sentinel - see redis_sentinel.h
 *
 * No connection to a sentinel is kept: it is asked where a connection to the master is made, which is rare.
 * That a master was replaced shows on its connection: Sentinel closes the clients of one that it demotes,
 * and one that cannot be reached any more does not answer.
 */
#include "redis_sentinel.h"

#include <string.h>
#include "clock.h"
#include "num.h"
#include "text.h"
#include "xalloc.h"

struct redis_sentinel {
    struct addresses addresses;
    char *master;
    const struct redis_login *login;
    size_t first; /* the one to ask first */
};

struct redis_sentinel *redis_sentinel_new(struct addresses *addresses, const char *master,
                                          const struct redis_login *login)
{
    struct redis_sentinel *sentinel = xcalloc(1, sizeof *sentinel);

    sentinel->addresses = *addresses;
    *addresses = (struct addresses){0};
    sentinel->master = xstrdup(master);
    sentinel->login = login;
    return sentinel;
}

void redis_sentinel_free(struct redis_sentinel *sentinel)
{
    if (!sentinel)
        return;
    addresses_release(&sentinel->addresses);
    free(sentinel->master);
    free(sentinel);
}

static int64_t share(int64_t deadline_ms, size_t parts)
{
    int64_t now_ms = clock_mono_ms();

    return now_ms + (deadline_ms - now_ms) / (int64_t)parts;
}

/* ["10.0.0.1", "6379"], or nil for a name that it does not know (CONFIG). */
static int read_answer(const struct redis_sentinel *sentinel, const struct redis_node *asked,
                       const redisReply *reply, struct address *address, struct fault *fault)
{
    const char *name = redis_link_name(asked->link);
    int64_t port;

    if (reply->type == REDIS_REPLY_NIL)
        return fault_set(fault, FAULT_CONFIG, "%s: it knows no master '%s'", name, sentinel->master);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING || reply->element[1]->type != REDIS_REPLY_STRING ||
        reply->element[0]->len == 0 || reply->element[0]->len > ADDRESS_HOST_MAX ||
        num_parse_int(reply->element[1]->str, 1, 65535, &port, NULL))
        return fault_set(fault, FAULT_UNAVAILABLE, "%s: its answer is no address", name);
    *address = (struct address){.host = xstrdup(reply->element[0]->str), .port = (int)port};
    return 0;
}

/* SENTINEL GET-MASTER-ADDR-BY-NAME <master>; sets the address unless there is a fault. */
static int ask(const struct redis_sentinel *sentinel, const struct address *whom, int64_t deadline_ms,
               struct address *address, struct fault *fault)
{
    char *where = address_text(whom->host, whom->port);
    char *name = xasprintf("redis master %s: sentinel at %s", sentinel->master, where);
    struct redis_node *node = redis_node_new(name, whom->host, whom->port, sentinel->login);
    redisReply *reply = NULL;
    int status = -1;

    if (redis_node_open(node, deadline_ms, fault) == 0)
        reply =
            redis_node_call(node, deadline_ms, fault, 3,
                            (const char *const[]){"SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinel->master});
    if (reply) {
        status = read_answer(sentinel, node, reply, address, fault);
        freeReplyObject(reply);
    }
    redis_node_free(node);
    free(name);
    free(where);
    return status;
}

static int check_role(struct redis_node *node, int64_t deadline_ms, struct fault *fault)
{
    redisReply *reply = redis_node_call(node, deadline_ms, fault, 1, (const char *const[]){"ROLE"});
    bool is_master;

    if (!reply) {
        redis_node_close(node);
        return -1;
    }
    is_master = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
                reply->element[0]->type == REDIS_REPLY_STRING &&
                strcmp(reply->element[0]->str, "master") == 0;
    freeReplyObject(reply);
    if (is_master)
        return 0;
    return redis_link_fail(node->link, FAULT_UNAVAILABLE, "it is a replica, though a sentinel names it",
                           fault);
}

static int open_master(const struct redis_sentinel *sentinel, struct redis_node *node,
                       const struct address *address, int64_t deadline_ms, struct fault *fault)
{
    char *where = address_text(address->host, address->port);
    char *name = xasprintf("redis master %s at %s (sentinel)", sentinel->master, where);

    redis_node_move(node, name, address->host, address->port);
    free(name);
    free(where);
    if (redis_node_open(node, deadline_ms, fault))
        return -1;
    return check_role(node, deadline_ms, fault);
}

static bool is_where(const struct redis_node *node, const struct address *address)
{
    return strcmp(node->host, address->host) == 0 && node->port == address->port;
}

int redis_sentinel_open(struct redis_sentinel *sentinel, struct redis_node *node, int64_t deadline_ms,
                        struct fault *fault)
{
    const size_t count = sentinel->addresses.count;
    struct fault problem = {0}, unknown = {0};
    bool tried = false;

    for (size_t i = 0; i < count; i++) {
        size_t at = (sentinel->first + i) % count;
        struct address address = {0};
        struct fault why = {0};
        bool again;
        int status = -1;

        (void)ask(sentinel, &sentinel->addresses.items[at], share(deadline_ms, count - i + 1), &address,
                  &why);
        if (!address.host) { /* what a name is unknown to says least */
            *(why.class == FAULT_CONFIG ? &unknown : &problem) = why;
            continue;
        }
        again = tried && is_where(node, &address); /* it would fail as it did a moment ago */
        if (!again)
            status = open_master(sentinel, node, &address, share(deadline_ms, count - i), &problem);
        free(address.host);
        tried = true;
        if (status == 0) {
            sentinel->first = at;
            return 0;
        }
    }
    if (fault)
        *fault = problem.class != FAULT_NONE ? problem : unknown;
    return -1;
}
