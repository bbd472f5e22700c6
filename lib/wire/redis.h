/*
 * redis - one client of Redis: commands and scripts with deadlines
 *
 * A single server, the master that Redis Sentinels name, or a Redis Cluster; plain or TLS 1.2 and later
 * (tls.h). Blocking, each call up to its deadline; a signal does not cut a call short. A connection that
 * failed is closed, and the next call connects again, at once: waiting between tries is the caller's. One
 * that the server closed while nothing was asked is replaced without a fault.
 *
 * Faults are UNAVAILABLE (text names server and address) for the connection, TEMP for errors that pass
 * (LOADING, OOM, READONLY, BUSY, TRYAGAIN, CLUSTERDOWN, ...), CONFIG for WRONGPASS/NOAUTH/NOPERM, whatever
 * AUTH and SELECT answer, certificates that are refused and settings that do not go together, BUG for others.
 * After UNAVAILABLE nothing is known about what was sent: it may have run.
 *
 * Sentinel: the sentinels are asked with each connection that is made, so a failover is followed by the call
 * after the one that failed. Cluster: the first key of a command (all keys of a script, which must share a
 * hash tag: BUG) says which node it goes to; commands without a key go to any. Where nodes say that slots
 * have moved, that is followed within the call. A node that is away costs the calls whose keys it has.
 */
#ifndef DIST_REDIS_H
#define DIST_REDIS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"

struct redis_config {
    const char *host; /* a name or address, or the path of a unix socket where it starts with '/' */
    int port;         /* of a cluster: `host` may be a list (address.h), this the port of those without one */
    const char *password; /* or NULL */
    const char *user;     /* or NULL */
    int database;
    int64_t timeout_ms; /* of connecting, and of each reply beside what the command blocks for; 0: 5000 */

    bool tls;                    /* sentinels too */
    const char *tls_ca_file;     /* as in tls.h, absolute paths */
    const char *tls_cert_file;   /* or NULL */
    const char *tls_key_file;    /* or NULL */
    const char *tls_server_name; /* what certificates must carry in place of each server's host, or NULL */

    const char *sentinels;         /* a list (address.h), port 26379 where none is given; NULL: no Sentinel */
    const char *sentinel_master;   /* the name of the master that they watch; host and port are not used */
    const char *sentinel_user;     /* of the sentinels themselves, or NULL */
    const char *sentinel_password; /* or NULL */

    bool cluster; /* host and port: where to ask for the others */
};
/* CONFIG for settings that do not go together; redis_connect() says the same. */
int redis_config_check(const struct redis_config *config, struct fault *fault);

struct redis;
struct redis *redis_new(const struct redis_config *config); /* copies; does not connect */
void redis_free(struct redis *redis);
/* "redis at /run/redis.sock", "redis master m at 10.0.0.1:6379 (sentinel)", "redis cluster at 10.0.0.1:7000"
 * for messages; borrowed until the next call. */
const char *redis_address(const struct redis *redis);
int redis_connect(struct redis *redis, struct fault *fault); /* a no-op while connected */
void redis_close(struct redis *redis);
bool redis_is_connected(const struct redis *redis);
/* Grows by one with every connection made, to whichever node: what was learned before may be gone (another
 * server, wiped data). */
unsigned redis_generation(const struct redis *redis);
int redis_fd(const struct redis *redis); /* -1 while not connected; of a cluster: that of some node */

/* `sizes` may be NULL everywhere: all arguments are ended by NUL. */

/* One command; the reply is the caller's for freeReplyObject(), NULL on a fault. `block_ms` is added to the
 * timeout for commands that block. An error reply is a fault. */
redisReply *redis_command(struct redis *redis, int64_t block_ms, struct fault *fault, int argc,
                          const char *const *argv, const size_t *sizes);
/* The same with a format as redisCommand() takes it (%s, %b, %d, %lld). */
redisReply *redis_commandf(struct redis *redis, int64_t block_ms, struct fault *fault, const char *format,
                           ...);
/* Sets the fault that an error reply is and returns -1; 0 for every other reply. May close the connection, so
 * that the next call looks for a server that takes writes (READONLY) or logs in again (NOAUTH). */
int redis_reply_fault(struct redis *redis, const redisReply *reply, struct fault *fault);

/* A script is loaded once per connection and called by its hash; a server that forgot it gets it again. One
 * struct belongs to one `struct redis`. */
struct redis_script {
    const char *name;
    const char *text;
    char sha[41];        /* "" before the first load */
    unsigned generation; /* when it was last seen to be loaded */
};
redisReply *redis_eval(struct redis *redis, struct redis_script *script, int key_count, int argc,
                       const char *const *argv, const size_t *sizes, struct fault *fault);

/*
 * Pipelining: commands are kept by redis_append*() and sent together by redis_flush(), which reads all
 * replies and then hands each to `reply` (borrowed, may be NULL), in order. Error replies are handed over too
 * (REDIS_REPLY_ERROR): redis_reply_fault(). Scripts that a connection does not have yet are loaded first.
 * Where the server forgot one nevertheless (SCRIPT FLUSH), its NOSCRIPT says that the command did not run:
 * the script is loaded again and exactly those commands are sent once more, behind the others. So the order
 * among commands of one pipeline is not a promise; a command runs at most once unless the connection breaks.
 * In a cluster each node gets its part, all at the same time, and what a node sends elsewhere goes there.
 *
 * A fault drops everything that was appended, and no reply is handed over. In a cluster what other nodes were
 * sent may have run then.
 */
int redis_append_eval(struct redis *redis, struct redis_script *script, int key_count, int argc,
                      const char *const *argv, const size_t *sizes, struct fault *fault);
int redis_append(struct redis *redis, int argc, const char *const *argv, const size_t *sizes,
                 struct fault *fault);
int redis_flush(struct redis *redis, void (*reply)(void *arg, size_t index, redisReply *reply), void *arg,
                struct fault *fault);

#endif
