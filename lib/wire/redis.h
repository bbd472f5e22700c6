/*
 * redis - one connection to a Redis server: commands and scripts with deadlines (hiredis)
 *
 * Blocking, each call up to its deadline; a signal does not cut a call short. A connection that failed is
 * closed, and the next call connects again, at once: waiting between tries is the caller's. One that the
 * server closed while nothing was asked is replaced without a fault. Faults are UNAVAILABLE (text names
 * server and address) for the connection, TEMP for errors that pass (LOADING, OOM, READONLY, BUSY, TRYAGAIN,
 * ...), CONFIG for WRONGPASS/NOAUTH/NOPERM and whatever AUTH and SELECT answer, BUG for others. After
 * UNAVAILABLE nothing is known about what was sent: it may have run. Looking up the name of a host has no
 * deadline (getaddrinfo).
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
    int port;
    const char *password; /* or NULL */
    const char *user;     /* or NULL */
    int database;
    int64_t timeout_ms; /* of connecting, and of each reply beside what the command blocks for; 0: 5000 */
};

struct redis;
struct redis *redis_new(const struct redis_config *config); /* copies; does not connect */
void redis_free(struct redis *redis);
/* "redis at /run/redis.sock" for messages; borrowed. */
const char *redis_address(const struct redis *redis);
int redis_connect(struct redis *redis, struct fault *fault); /* a no-op while connected */
void redis_close(struct redis *redis);
bool redis_is_connected(const struct redis *redis);
/* Grows by one with every connection made: what was learned before may be gone (another server, wiped data).
 */
unsigned redis_generation(const struct redis *redis);
int redis_fd(const struct redis *redis); /* -1 while not connected */

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
 * struct belongs to one connection. */
struct redis_script {
    const char *name;
    const char *text;
    char sha[41];        /* "" before the first load */
    unsigned generation; /* of the connection that has it */
};
redisReply *redis_eval(struct redis *redis, struct redis_script *script, int key_count, int argc,
                       const char *const *argv, const size_t *sizes, struct fault *fault);

/*
 * Pipelining: commands are kept by redis_append*() and sent together by redis_flush(), which reads all
 * replies and then hands each to `reply` (borrowed, may be NULL), in order. Error replies are handed over too
 * (REDIS_REPLY_ERROR): redis_reply_fault(). Scripts that this connection does not have yet are loaded first.
 * Where the server forgot one nevertheless (SCRIPT FLUSH), its NOSCRIPT says that the command did not run:
 * the script is loaded again and exactly those commands are sent once more, behind the others. So the order
 * among commands of one pipeline is not a promise; a command runs at most once unless the connection breaks.
 *
 * A fault drops everything that was appended, and no reply is handed over.
 */
int redis_append_eval(struct redis *redis, struct redis_script *script, int key_count, int argc,
                      const char *const *argv, const size_t *sizes, struct fault *fault);
int redis_append(struct redis *redis, int argc, const char *const *argv, const size_t *sizes,
                 struct fault *fault);
int redis_flush(struct redis *redis, void (*reply)(void *arg, size_t index, redisReply *reply), void *arg,
                struct fault *fault);

#endif
