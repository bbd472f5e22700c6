/*
 * redis_server - a redis-server (or a Sentinel) of the test's own: folder, socket and port of its own,
 * nothing kept, ended with the test
 *
 * Everything here fails the test where it does not work: a missing server is a failure.
 */
#ifndef DIST_TEST_REDIS_SERVER_H
#define DIST_TEST_REDIS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>
#include "redis.h"

struct redis_server {
    char folder[64];
    char socket[96]; /* it always listens here, plainly */
    int port;        /* on 127.0.0.1 */
    pid_t pid;       /* 0: not running */
};

/* A folder and a port that was free a moment ago. */
void redis_server_prepare(struct redis_server *server);
/* With these options (ended by NULL) behind those that are everybody's; "--port" among them counts. Returns
 * when it answers. `sentinel` may name a configuration file to run it as a Sentinel. */
void redis_server_start(struct redis_server *server, const char *sentinel, const char *const *options);
void redis_server_kill(struct redis_server *server); /* -9 */
void redis_server_remove(struct redis_server *server);
int redis_server_free_port(void);

/* A plain client of its socket. */
struct redis *redis_server_client(const struct redis_server *server);
/* The answer to one command by the socket, as text: a string, a number, or an error. The caller frees. */
char *redis_server_ask(const struct redis_server *server, const char *command);
/* The same, which must be OK. */
void redis_server_tell(const struct redis_server *server, const char *command);

/* Asks until the answer has `part` in it; fails the test after a quarter of a minute. */
void redis_server_await(const struct redis_server *server, const char *command, const char *part);

#endif
