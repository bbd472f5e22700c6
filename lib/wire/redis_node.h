/*
 * redis_node - a Redis server to be logged in to: its link, and the scripts that it has
 */
#ifndef DIST_REDIS_NODE_H
#define DIST_REDIS_NODE_H

#include "redis_link.h"
#include "redis_request.h"
#include "strmap.h"

/* How all nodes of one `struct redis` are logged in to. */
struct redis_login {
    char *user, *password;        /* or NULL */
    int database;                 /* 0: none is selected */
    int64_t timeout_ms;           /* of each reply */
    const struct tls_config *tls; /* NULL: plain; borrowed */
    const char *tls_name;         /* or NULL; borrowed */
};

struct redis_node {
    struct redis_link *link;
    const struct redis_login *login; /* borrowed */
    char *host;
    int port;
    struct strmap scripts; /* hashes of those that this connection has */
    bool listed;           /* redis_cluster.c: the map names it */
    unsigned turn;         /* redis_cluster.c: when it was last seen to be usable */
};

/* Everything is copied but the login; `name` is what faults begin with. */
struct redis_node *redis_node_new(const char *name, const char *host, int port,
                                  const struct redis_login *login);
void redis_node_free(struct redis_node *node);
/* Another server from the next redis_node_open() on; closes it. */
void redis_node_move(struct redis_node *node, const char *name, const char *host, int port);

/*
 * Connects, authenticates and selects the database, by the deadline. What AUTH and SELECT answer is a
 * matter of configuration (CONFIG) unless it passes (TEMP).
 */
int redis_node_open(struct redis_node *node, int64_t deadline_ms, struct fault *fault);
void redis_node_close(struct redis_node *node);
/* Open, and not stale: one that is stale is closed by this. */
bool redis_node_is_usable(struct redis_node *node);

/* One command to an open node, by the deadline; the reply is the caller's, NULL on a fault. An error reply
 * is a fault. */
redisReply *redis_node_call(struct redis_node *node, int64_t deadline_ms, struct fault *fault, int argc,
                            const char *const *argv);

/* Loads a script unless this connection has it; sets its hash. */
int redis_node_load(struct redis_node *node, struct redis_script *script, struct fault *fault);
/* The server turned out not to have it. */
void redis_node_forget(struct redis_node *node, const struct redis_script *script);

#endif
