/*
 * pg_wait - waiting for a server without blocking, and what its errors mean
 *
 * The hard rule: a call that did not read all that the server had to say about it closes the connection, so
 * that no call ever reads the answer of an earlier one.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include "clock.h"
#include "num.h"
#include "pg_parts.h"
#include "text.h"

enum { BYTES_PER_MS = 10000 }; /* what a slow network carries: large parameters prolong the deadline */

/* What a SQLSTATE, or all that begin so, means for the caller. The first that fits counts. */
static const struct {
    const char *state;
    enum fault_class class;
} states[] = {
    {"08", FAULT_UNAVAILABLE},
    {"57P0", FAULT_UNAVAILABLE},  /* the server, this session or its database ends, or it only starts */
    {"25P03", FAULT_UNAVAILABLE}, /* the session was idle within a transaction for too long, and ends */
    {"22", FAULT_INPUT},
    {"23", FAULT_INPUT},
    {"54", FAULT_INPUT},
    {"40", FAULT_TEMP},
    {"53", FAULT_TEMP},
    {"55P03", FAULT_TEMP},
    {"57", FAULT_TEMP},
    {"58", FAULT_TEMP},
    {"XX", FAULT_TEMP},    /* the server's own trouble: an operator's, and no word about the record */
    {"26000", FAULT_TEMP}, /* the session forgot a prepared statement: a pooler, DISCARD */
    {"0A000", FAULT_TEMP}, /* "cached plan must not change result type": a migration in between */
    {"25006", FAULT_TEMP}, /* a standby: a new connection may find the primary */
    {"42501", FAULT_DENIED},
    {"28", FAULT_CONFIG},
    {"3D000", FAULT_CONFIG},
    {"42P01", FAULT_CONFIG},
};

enum fault_class pg_class_of(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (text_starts_with(sqlstate, states[i].state))
            return states[i].class;
    return FAULT_BUG;
}

/* The connection is of no use any more. */
int pg_broken(struct pg *pg, const char *why, struct fault *fault)
{
    char line[PG_LINE_SIZE];

    fault_set(fault, FAULT_UNAVAILABLE, "%s: %s", pg->address, pg_first_line(why, line));
    pg_drop(pg);
    return -1;
}

int pg_timed_out(struct pg *pg, struct fault *fault)
{
    char duration[NUM_DURATION_SIZE];

    fault_set(fault, FAULT_UNAVAILABLE, "%s did not answer within %s", pg->address,
              num_format_duration(pg->timeout_ms + pg->extra_ms, duration));
    pg_drop(pg);
    return -1;
}

/* The fault of an error result; the connection is closed where another one may do better. */
int pg_failed_result(struct pg *pg, const PGresult *result, struct fault *fault)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char line[PG_LINE_SIZE];

    if (!state) /* libpq's own error: the connection broke */
        return pg_broken(pg, PQresultErrorMessage(result), fault);
    text_copy(pg->sqlstate, sizeof pg->sqlstate, state);
    if (PQstatus(pg->connection) == CONNECTION_BAD || pg_class_of(state) == FAULT_UNAVAILABLE)
        return pg_broken(pg, primary, fault);
    fault_set(fault, pg_class_of(state), "%s: %s%s", pg->address, pg_first_line(primary, line),
              strcmp(state, "42P01") ? "" : " (run dist-admin migrate)");
    if (!strcmp(state, "26000") || !strcmp(state, "0A000") || !strcmp(state, "25006")) {
        pg_drop(pg);
    }
    return -1;
}

/* --- waiting --- */

/* Waits for `events`; -1: the deadline has passed (or poll() failed, which nothing but a bug explains). */
int pg_wait_socket(const struct pg *pg, short events, int64_t deadline_ms, short *got)
{
    struct pollfd socket = {.fd = PQsocket(pg->connection), .events = events};

    for (;;) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        int ready = poll(&socket, 1, left_ms <= 0 ? 0 : left_ms > 1000000 ? 1000000 : (int)left_ms);

        if (ready > 0) {
            *got = socket.revents;
            return 0;
        }
        if (ready < 0 && errno != EINTR)
            return -1;
        if (left_ms <= 0)
            return -1;
    }
}

/* Hands everything to the kernel, and reads meanwhile what the server sends: else both could wait for ever.
 */
int pg_flush(struct pg *pg, int64_t deadline_ms, struct fault *fault)
{
    for (;;) {
        int left = PQflush(pg->connection);
        short got;

        if (left == 0)
            return 0;
        if (left < 0)
            return pg_broken(pg, PQerrorMessage(pg->connection), fault);
        if (pg_wait_socket(pg, POLLIN | POLLOUT, deadline_ms, &got))
            return pg_timed_out(pg, fault);
        if ((got & ~POLLOUT) && !PQconsumeInput(pg->connection))
            return pg_broken(pg, PQerrorMessage(pg->connection), fault);
    }
}

/* The next result (NULL: the end of a statement's results) is there. */
int pg_await_result(struct pg *pg, int64_t deadline_ms, PGresult **result, struct fault *fault)
{
    if (pg_flush(pg, deadline_ms, fault))
        return -1;
    while (PQisBusy(pg->connection)) {
        short got;

        if (pg_wait_socket(pg, POLLIN, deadline_ms, &got))
            return pg_timed_out(pg, fault);
        if (!PQconsumeInput(pg->connection))
            return pg_broken(pg, PQerrorMessage(pg->connection), fault);
    }
    *result = PQgetResult(pg->connection);
    return 0;
}

bool pg_is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

static bool is_copy(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/* All results of what was sent: the last good one, or NULL and the fault of the first bad one. */
PGresult *pg_collect(struct pg *pg, int64_t deadline_ms, struct fault *fault)
{
    PGresult *last = NULL, *bad = NULL, *result;

    for (;;) {
        if (pg_await_result(pg, deadline_ms, &result, fault))
            goto lost;
        if (!result)
            break;
        if (is_copy(result)) {
            PQclear(result);
            pg_broken(pg, "COPY is not spoken here", fault);
            goto lost;
        }
        PGresult **place = pg_is_good(result) || bad ? &last : &bad;
        PQclear(*place);
        *place = result;
    }
    if (bad)
        pg_failed_result(pg, bad, fault);
    else if (last)
        return last;
    else
        pg_broken(pg, "no answer", fault);
lost:
    PQclear(last);
    PQclear(bad);
    return NULL;
}

int64_t pg_deadline_for(const struct pg *pg, const struct pg_params *params)
{
    int64_t bytes = 0;

    for (int i = 0; params && i < params->count; i++)
        bytes += params->lengths[i];
    return clock_mono_ms() + pg->timeout_ms + pg->extra_ms + bytes / BYTES_PER_MS;
}
