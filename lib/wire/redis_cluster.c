/*
 * redis_cluster - see redis_cluster.h
 *
 * A slot that nobody is known to serve goes to any node, whose answer (MOVED, CLUSTERDOWN) knows better. A
 * node that cannot be reached may have been replaced: the map is asked for once more before that is a fault,
 * which is safe since nothing was sent to it.
 */
#include "redis_cluster.h"

#include <string.h>
#include "clock.h"
#include "num.h"
#include "redis_slot.h"
#include "xalloc.h"

enum { NODES_MAX = 1000 }; /* what the cluster specification foresees */

struct redis_cluster {
    struct addresses seeds;
    char *name;
    const struct redis_login *login;
    unsigned *opened;
    struct redis_node **nodes;
    size_t count;
    struct redis_node *slots[REDIS_SLOTS]; /* NULL: nobody is known */
    struct redis_node *hint;               /* whom to ask for the map first, or NULL */
    bool known;                            /* there is a map */
    bool doubtful;                         /* it is to be asked for again */
    unsigned turn;
};

struct redis_cluster *redis_cluster_new(struct addresses *seeds, const char *name,
                                        const struct redis_login *login, unsigned *opened)
{
    struct redis_cluster *cluster = xcalloc(1, sizeof *cluster);

    cluster->seeds = *seeds;
    *seeds = (struct addresses){0};
    cluster->name = xstrdup(name);
    cluster->login = login;
    cluster->opened = opened;
    cluster->nodes = xcalloc(NODES_MAX, sizeof(struct redis_node *));
    return cluster;
}

void redis_cluster_free(struct redis_cluster *cluster)
{
    if (!cluster)
        return;
    for (size_t i = 0; i < cluster->count; i++)
        redis_node_free(cluster->nodes[i]);
    addresses_release(&cluster->seeds);
    free(cluster->nodes);
    free(cluster->name);
    free(cluster);
}

void redis_cluster_close(struct redis_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++)
        redis_node_close(cluster->nodes[i]);
    cluster->doubtful = true;
}

int redis_cluster_fd(const struct redis_cluster *cluster)
{
    for (size_t i = 0; i < cluster->count; i++)
        if (redis_link_is_open(cluster->nodes[i]->link))
            return redis_link_fd(cluster->nodes[i]->link);
    return -1;
}

void redis_cluster_doubt(struct redis_cluster *cluster)
{
    cluster->doubtful = true;
}

/* ---- nodes ---- */

static bool is_at(const struct redis_node *node, const char *host, int port)
{
    return node->port == port && strcmp(node->host, host) == 0;
}

/* The node of that address, made where there is none; NULL: there are too many. */
static struct redis_node *find_node(struct redis_cluster *cluster, const char *host, int port)
{
    char *where, *name;

    for (size_t i = 0; i < cluster->count; i++)
        if (is_at(cluster->nodes[i], host, port))
            return cluster->nodes[i];
    if (cluster->count == NODES_MAX)
        return NULL;
    where = address_text(host, port);
    name = xasprintf("%s: node %s", cluster->name, where);
    cluster->nodes[cluster->count++] = redis_node_new(name, host, port, cluster->login);
    free(name);
    free(where);
    return cluster->nodes[cluster->count - 1];
}

void redis_cluster_begin(struct redis_cluster *cluster, bool first)
{
    size_t kept = 0;

    cluster->turn++;
    if (!first)
        return;
    for (size_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i]->listed) {
            cluster->nodes[kept++] = cluster->nodes[i];
            continue;
        }
        if (cluster->hint == cluster->nodes[i])
            cluster->hint = NULL;
        redis_node_free(cluster->nodes[i]);
    }
    cluster->count = kept;
}

/* Looks at a connection once a turn only: a pipeline has hundreds of requests. */
static bool is_usable(const struct redis_cluster *cluster, struct redis_node *node)
{
    if (node->turn == cluster->turn && redis_link_is_open(node->link))
        return true;
    node->turn = cluster->turn;
    return redis_node_is_usable(node);
}

int redis_cluster_open(struct redis_cluster *cluster, struct redis_node *node, int64_t deadline_ms,
                       struct fault *fault)
{
    if (is_usable(cluster, node))
        return 0;
    if (redis_node_open(node, deadline_ms, fault))
        return -1;
    ++*cluster->opened;
    return 0;
}

/* ---- the map ---- */

static bool is_integer(const redisReply *reply, long long min, long long max)
{
    return reply->type == REDIS_REPLY_INTEGER && reply->integer >= min && reply->integer <= max;
}

/* ["10.0.0.1", 7001, ...]; no host: that of the node that was asked. NULL: no address. */
static struct redis_node *read_node(struct redis_cluster *cluster, const struct redis_node *asked,
                                    const redisReply *reply)
{
    const char *host;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 || !is_integer(reply->element[1], 1, 65535))
        return NULL;
    host = reply->element[0]->type == REDIS_REPLY_STRING ? reply->element[0]->str : "";
    if (strlen(host) > ADDRESS_HOST_MAX || strcmp(host, "?") == 0) /* "?": it has not learned its name yet */
        return NULL;
    return find_node(cluster, *host ? host : asked->host, (int)reply->element[1]->integer);
}

/* [[first, last, master, replica...]...] -> the map; how many slots are served. */
static int read_map(struct redis_cluster *cluster, const struct redis_node *asked, const redisReply *reply)
{
    int served = 0;

    memset(cluster->slots, 0, sizeof cluster->slots);
    for (size_t i = 0; i < cluster->count; i++)
        cluster->nodes[i]->listed = false;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *range = reply->element[i];
        struct redis_node *node;

        if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 ||
            !is_integer(range->element[0], 0, REDIS_SLOTS - 1) ||
            !is_integer(range->element[1], range->element[0]->integer, REDIS_SLOTS - 1))
            continue;
        node = read_node(cluster, asked, range->element[2]);
        if (!node)
            continue;
        node->listed = true;
        for (long long slot = range->element[0]->integer; slot <= range->element[1]->integer; slot++) {
            cluster->slots[slot] = node;
            served++;
        }
    }
    return served;
}

/* Asks one node for the map. */
static int ask(struct redis_cluster *cluster, struct redis_node *node, int64_t deadline_ms,
               struct fault *fault)
{
    redisReply *reply;
    int served;

    if (redis_cluster_open(cluster, node, deadline_ms, fault))
        return -1;
    reply = redis_node_call(node, deadline_ms, fault, 2, (const char *const[]){"CLUSTER", "SLOTS"});
    if (!reply && fault->class == FAULT_BUG) /* "ERR This instance has cluster support disabled" */
        fault->class = FAULT_CONFIG;
    if (!reply)
        return -1;
    served = read_map(cluster, node, reply);
    freeReplyObject(reply);
    if (served > 0)
        return 0;
    return fault_set(fault, FAULT_TEMP, "%s: it knows of no node that serves a slot",
                     redis_link_name(node->link));
}

static void add_unique(struct redis_node **list, size_t *count, struct redis_node *node)
{
    for (size_t i = 0; i < *count; i++)
        if (list[i] == node)
            return;
    list[(*count)++] = node;
}

/* Whom to ask, the most promising first: who was named last, who is connected, who was in the map, the seeds.
 */
static size_t list_candidates(struct redis_cluster *cluster, struct redis_node **list)
{
    size_t count = 0, known = cluster->count;

    if (cluster->hint)
        add_unique(list, &count, cluster->hint);
    for (size_t i = 0; i < known; i++)
        if (is_usable(cluster, cluster->nodes[i]))
            add_unique(list, &count, cluster->nodes[i]);
    for (size_t i = 0; i < known; i++)
        add_unique(list, &count, cluster->nodes[i]);
    for (size_t i = 0; i < cluster->seeds.count; i++) {
        struct redis_node *node =
            find_node(cluster, cluster->seeds.items[i].host, cluster->seeds.items[i].port);

        if (node)
            add_unique(list, &count, node);
    }
    return count;
}

/* The map, from the first node that has one; each has its share of the time. */
static int refresh(struct redis_cluster *cluster, int64_t deadline_ms, struct fault *fault)
{
    struct redis_node **list = xcalloc(NODES_MAX + ADDRESSES_MAX, sizeof(struct redis_node *));
    size_t count = list_candidates(cluster, list);
    struct fault problem = {0};
    int status = -1;

    cluster->hint = NULL;
    for (size_t i = 0; i < count && status; i++) {
        int64_t now_ms = clock_mono_ms();

        status = ask(cluster, list[i], now_ms + (deadline_ms - now_ms) / (int64_t)(count - i), &problem);
    }
    free(list);
    cluster->known = status == 0;
    cluster->doubtful = status != 0;
    if (status && fault)
        *fault = problem;
    return status;
}

/* Where a request without a known slot goes: a node that is open, else the first of the map. */
static struct redis_node *any_node(struct redis_cluster *cluster)
{
    struct redis_node *found = NULL;

    for (size_t i = cluster->count; i-- > 0;) {
        if (!cluster->nodes[i]->listed)
            continue;
        if (is_usable(cluster, cluster->nodes[i]))
            return cluster->nodes[i];
        found = cluster->nodes[i];
    }
    return found;
}

struct redis_node *redis_cluster_node(struct redis_cluster *cluster, int slot, int64_t deadline_ms,
                                      struct fault *fault)
{
    for (int tries = 0;; tries++) {
        bool fresh = !cluster->known || cluster->doubtful;
        struct fault problem = {0};
        struct redis_node *node;

        if (fresh && refresh(cluster, deadline_ms, fault))
            return NULL;
        node = slot >= 0 ? cluster->slots[slot] : NULL;
        if (!node)
            node = any_node(cluster);
        if (node && redis_cluster_open(cluster, node, deadline_ms, &problem) == 0)
            return node;
        cluster->doubtful = true;
        if (tries == 0 && problem.class == FAULT_UNAVAILABLE)
            continue;
        if (fault)
            *fault = problem;
        return NULL;
    }
}

/* ---- redirections ---- */

/* "MOVED 3999 10.0.0.1:7001", "ASK 3999 10.0.0.1:7001", "MOVED 3999 :7001" (the same host) */
static struct redis_node *read_redirection(struct redis_cluster *cluster, const struct redis_request *request,
                                           int *slot)
{
    char *copy = xstrdup(request->reply->str), *rest = copy, *number, *port;
    struct redis_node *node = NULL;
    int64_t slot_number, port_number;

    (void)strsep(&rest, " ");
    number = strsep(&rest, " ");
    port = rest ? strrchr(rest, ':') : NULL;
    if (port) {
        *port++ = '\0';
        if (strlen(rest) <= ADDRESS_HOST_MAX && strcmp(rest, "?") != 0 &&
            num_parse_int(number, 0, REDIS_SLOTS - 1, &slot_number, NULL) == 0 &&
            num_parse_int(port, 1, 65535, &port_number, NULL) == 0) {
            node = find_node(cluster, *rest ? rest : request->node->host, (int)port_number);
            *slot = (int)slot_number;
        }
    }
    free(copy);
    return node;
}

bool redis_cluster_redirect(struct redis_cluster *cluster, struct redis_request *request)
{
    bool moved = redis_request_failed_with(request, "MOVED"),
         ask_once = redis_request_failed_with(request, "ASK");
    struct redis_node *node;
    int slot;

    if (redis_request_failed_with(request, "CLUSTERDOWN"))
        cluster->doubtful = true;
    if (!moved && !ask_once)
        return false;
    node = read_redirection(cluster, request, &slot);
    if (!node)
        return false;
    if (moved) {
        node->listed = true;
        cluster->slots[slot] = node;
        cluster->hint = node;
        cluster->doubtful = true;
    } else {
        request->ask = node;
    }
    redis_request_reopen(request);
    return true;
}
