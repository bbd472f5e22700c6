/*
 * pg_parts - what the files of pg share; nobody else includes it
 */
#ifndef DIST_PG_PARTS_H
#define DIST_PG_PARTS_H

#include "pg.h"
#include "pg_message.h"
#include "strmap.h"

struct pg {
    char *host, *database, *user, *password, *sslmode, *application, *address;
    char port[12];
    int64_t config_timeout_ms, timeout_ms;
    int64_t extra_ms; /* for large results; of this connection */
    PGconn *connection;
    struct strmap prepared; /* names on this connection; the value is not used */
    bool in_transaction;    /* also where its connection is gone, until it is ended here */
    unsigned generation;
    char sqlstate[6];
};

/* Closes the connection, whatever state it is in; a transaction stays open until it is ended here. */
void pg_drop(struct pg *pg);

/* What a SQLSTATE means for the caller. */
enum fault_class pg_class_of(const char *sqlstate);
/* The connection is of no use any more: closed, and UNAVAILABLE. */
int pg_broken(struct pg *pg, const char *why, struct fault *fault);
int pg_timed_out(struct pg *pg, struct fault *fault);
/* The fault of an error result; the connection is closed where another one may do better. */
int pg_failed_result(struct pg *pg, const PGresult *result, struct fault *fault);

/* When a call with these parameters (or NULL) is late. */
int64_t pg_deadline_for(const struct pg *pg, const struct pg_params *params);
/* Waits for `events` of poll(2); -1: the deadline has passed. */
int pg_wait_socket(const struct pg *pg, short events, int64_t deadline_ms, short *got);
/* Hands everything to the kernel. */
int pg_flush(struct pg *pg, int64_t deadline_ms, struct fault *fault);
/* The next result; NULL: the end of a statement's results. */
int pg_await_result(struct pg *pg, int64_t deadline_ms, PGresult **result, struct fault *fault);
bool pg_is_good(const PGresult *result);
/* All results of what was sent: the last one, or NULL and the fault of the first bad one. */
PGresult *pg_collect(struct pg *pg, int64_t deadline_ms, struct fault *fault);

#endif
