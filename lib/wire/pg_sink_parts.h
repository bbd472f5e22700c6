/*
 * pg_sink_parts - what pg_sink_call.c and pg_sink_open.c share; nobody else includes it
 */
#ifndef DIST_PG_SINK_PARTS_H
#define DIST_PG_SINK_PARTS_H

#include <libpq-fe.h>
#include "pg_sink.h"

struct pg_sink {
    PGconn *connection;
    struct buf line;   /* of COPY, on its way */
    uint64_t received; /* pg_sink_received() when the last call began */
};

/* Always -1. */
int pg_sink_fail(struct pg_sink_error *error, enum pg_sink_cause cause, const char *message);
/* Bytes that the server has sent over TCP; 0 for ever over a unix socket, which is the operator's own. */
uint64_t pg_sink_received(PGconn *connection);
/* Waits for `events` of poll(2); -1: not by then, or it is later already. */
int pg_sink_wait(PGconn *connection, short events, int64_t deadline_ms, short *got);

#endif
