/*
 * pg_server - a PostgreSQL of the test's own: a new cluster in a folder of its own, on a unix socket
 *
 * Everything here fails the test where it does not work: a missing server is a failure.
 */
#ifndef DIST_TEST_PG_SERVER_H
#define DIST_TEST_PG_SERVER_H

#include <sys/types.h>
#include "pg.h"

struct pg_server {
    char folder[64]; /* of the cluster and its socket */
    pid_t pid;       /* of the postmaster; 0: stopped */
    int port;        /* 0: the socket alone; else of 127.0.0.1 too, to be set before it is created */
};

void pg_server_create(struct pg_server *server); /* initdb and start */
void pg_server_start(struct pg_server *server);  /* returns when a connection is answered */
void pg_server_stop(struct pg_server *server);   /* at once, as if the power went */
void pg_server_remove(struct pg_server *server); /* stops it too */

/* For pg_new(): database "postgres", superuser "dist", `timeout_ms` for each call. */
struct pg_config pg_server_config(const struct pg_server *server, int64_t timeout_ms);
/* A result of one column and row as a number, on a connection of its own. */
int64_t pg_server_number(const struct pg_server *server, const char *sql);
void pg_server_run(const struct pg_server *server, const char *sql);

#endif
