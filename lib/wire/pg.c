/*
 * pg - one connection, driven without blocking: every wait is a poll() against an absolute deadline
 *
 * States: closed (connection NULL); idle; within a transaction (pg_begin() until pg_commit() or
 * pg_rollback()). The hard rule: a call that did not read all that the server had to say about it closes the
 * connection, so that no call ever reads the answer of an earlier one. A connection that breaks within a
 * transaction is not made again until the transaction was ended here: half of it would be missing.
 */
#include "pg.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "num.h"
#include "strmap.h"
#include "text.h"
#include "xalloc.h"

enum {
    TIMEOUT_DEFAULT_MS = 10000,
    BYTES_PER_MS = 10000,           /* what a slow network carries: large parameters prolong the deadline */
    IDLE_IN_TRANSACTION_MS = 60000, /* a frozen client loses its locks */
    PORT_DEFAULT = 5432,
};

struct pg {
    char *host, *database, *user, *password, *sslmode, *application, *address;
    char port[12];
    int64_t config_timeout_ms, timeout_ms;
    PGconn *connection;
    struct strmap prepared; /* names on this connection; the value is not used */
    bool in_transaction;    /* also where its connection is gone, until it is ended here */
    unsigned generation;
    char sqlstate[6];
};

struct pg *pg_new(const struct pg_config *config)
{
    struct pg *pg = xcalloc(1, sizeof *pg);
    int port = config->port ? config->port : PORT_DEFAULT;

    pg->host = xstrdup(config->host ? config->host : "localhost");
    pg->database = xstrdup_null(config->database);
    pg->user = xstrdup_null(config->user);
    pg->password = xstrdup_null(config->password);
    pg->sslmode = xstrdup_null(config->sslmode);
    pg->application = xstrdup_null(config->application);
    snprintf(pg->port, sizeof pg->port, "%d", port);
    pg->config_timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : TIMEOUT_DEFAULT_MS;
    pg->timeout_ms = pg->config_timeout_ms;
    pg->address = xasprintf(strchr(pg->host, ':') ? "PostgreSQL at [%s]:%d (database %s)"
                                                  : "PostgreSQL at %s:%d (database %s)",
                            pg->host, port, pg->database ? pg->database : "of the user's name");
    text_printable(pg->address);
    strmap_init(&pg->prepared);
    return pg;
}

void pg_free(struct pg *pg)
{
    if (!pg)
        return;
    pg_close(pg);
    if (pg->password)
        explicit_bzero(pg->password, strlen(pg->password));
    free(pg->password);
    free(pg->host);
    free(pg->database);
    free(pg->user);
    free(pg->sslmode);
    free(pg->application);
    free(pg->address);
    strmap_release(&pg->prepared, NULL);
    free(pg);
}

const char *pg_address(const struct pg *pg)
{
    return pg->address;
}

static void drop_connection(struct pg *pg)
{
    if (pg->connection)
        PQfinish(pg->connection);
    pg->connection = NULL;
    strmap_release(&pg->prepared, NULL);
    strmap_init(&pg->prepared);
}

void pg_close(struct pg *pg)
{
    drop_connection(pg);
    pg->in_transaction = false;
}

bool pg_is_connected(const struct pg *pg)
{
    return pg->connection != NULL;
}

unsigned pg_generation(const struct pg *pg)
{
    return pg->generation;
}

PGconn *pg_connection(struct pg *pg)
{
    return pg->connection;
}

const char *pg_sqlstate(const struct pg *pg)
{
    return pg->sqlstate;
}

void pg_set_timeout(struct pg *pg, int64_t timeout_ms)
{
    pg->timeout_ms = timeout_ms > 0 ? timeout_ms : pg->config_timeout_ms;
}

/* --- faults --- */

/* What a SQLSTATE, or all that begin so, means for the caller. The first that fits counts. */
static const struct {
    const char *state;
    enum fault_class class;
} states[] = {
    {"22", FAULT_INPUT},     {"23", FAULT_INPUT},   {"54", FAULT_INPUT},     {"40", FAULT_TEMP},
    {"53", FAULT_TEMP},      {"55P03", FAULT_TEMP}, {"57", FAULT_TEMP},      {"58", FAULT_TEMP},
    {"26000", FAULT_TEMP}, /* the session forgot a prepared statement: a pooler, DISCARD */
    {"0A000", FAULT_TEMP}, /* "cached plan must not change result type": a migration in between */
    {"25006", FAULT_TEMP}, /* a standby: a new connection may find the primary */
    {"42501", FAULT_DENIED}, {"28", FAULT_CONFIG},  {"3D000", FAULT_CONFIG}, {"42P01", FAULT_CONFIG},
};

static enum fault_class class_of(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (text_starts_with(sqlstate, states[i].state))
            return states[i].class;
    return FAULT_BUG;
}

/* The first line of a message, without blanks around it. */
static const char *first_line(const char *message, char out[600])
{
    text_copy(out, 600, message ? message : "");
    out[strcspn(out, "\r\n")] = '\0';
    return text_printable(text_trim(out));
}

/* The connection is of no use any more. */
static int broken(struct pg *pg, const char *why, struct fault *fault)
{
    char line[600];

    fault_set(fault, FAULT_UNAVAILABLE, "%s: %s", pg->address, first_line(why, line));
    drop_connection(pg);
    return -1;
}

static int timed_out(struct pg *pg, struct fault *fault)
{
    char duration[NUM_DURATION_SIZE];

    fault_set(fault, FAULT_UNAVAILABLE, "%s did not answer within %s", pg->address,
              num_format_duration(pg->timeout_ms, duration));
    drop_connection(pg);
    return -1;
}

/* The fault of an error result; the connection is closed where another one may do better. */
static int failed_result(struct pg *pg, const PGresult *result, struct fault *fault)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char line[600];

    if (!state) /* libpq's own error: the connection broke */
        return broken(pg, PQresultErrorMessage(result), fault);
    text_copy(pg->sqlstate, sizeof pg->sqlstate, state);
    if (PQstatus(pg->connection) == CONNECTION_BAD)
        return broken(pg, primary, fault);
    fault_set(fault, class_of(state), "%s: %s%s", pg->address, first_line(primary, line),
              strcmp(state, "42P01") ? "" : " (run dist-admin migrate)");
    if (!strcmp(state, "26000") || !strcmp(state, "0A000") || !strcmp(state, "25006")) {
        drop_connection(pg);
    }
    return -1;
}

/* --- waiting --- */

/* Waits for `events`; -1: the deadline has passed (or poll() failed, which nothing but a bug explains). */
static int wait_socket(const struct pg *pg, short events, int64_t deadline_ms, short *got)
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
static int flush(struct pg *pg, int64_t deadline_ms, struct fault *fault)
{
    for (;;) {
        int left = PQflush(pg->connection);
        short got;

        if (left == 0)
            return 0;
        if (left < 0)
            return broken(pg, PQerrorMessage(pg->connection), fault);
        if (wait_socket(pg, POLLIN | POLLOUT, deadline_ms, &got))
            return timed_out(pg, fault);
        if ((got & ~POLLOUT) && !PQconsumeInput(pg->connection))
            return broken(pg, PQerrorMessage(pg->connection), fault);
    }
}

/* The next result (NULL: the end of a statement's results) is there. */
static int await_result(struct pg *pg, int64_t deadline_ms, PGresult **result, struct fault *fault)
{
    if (flush(pg, deadline_ms, fault))
        return -1;
    while (PQisBusy(pg->connection)) {
        short got;

        if (wait_socket(pg, POLLIN, deadline_ms, &got))
            return timed_out(pg, fault);
        if (!PQconsumeInput(pg->connection))
            return broken(pg, PQerrorMessage(pg->connection), fault);
    }
    *result = PQgetResult(pg->connection);
    return 0;
}

static bool is_good(const PGresult *result)
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
static PGresult *collect(struct pg *pg, int64_t deadline_ms, struct fault *fault)
{
    PGresult *last = NULL, *bad = NULL, *result;

    for (;;) {
        if (await_result(pg, deadline_ms, &result, fault))
            goto lost;
        if (!result)
            break;
        if (is_copy(result)) {
            PQclear(result);
            broken(pg, "COPY is not spoken here", fault);
            goto lost;
        }
        PGresult **place = is_good(result) || bad ? &last : &bad;
        PQclear(*place);
        *place = result;
    }
    if (bad)
        failed_result(pg, bad, fault);
    else if (last)
        return last;
    else
        broken(pg, "no answer", fault);
lost:
    PQclear(last);
    PQclear(bad);
    return NULL;
}

/* --- connecting --- */

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

static PGconn *start_connection(const struct pg *pg)
{
    const char *const names[] = {"host",
                                 "port",
                                 "dbname",
                                 "user",
                                 "password",
                                 "sslmode",
                                 "application_name",
                                 "client_encoding",
                                 "keepalives",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 NULL};
    const char *const values[] = {
        pg->host, pg->port, pg->database, pg->user, pg->password, pg->sslmode, pg->application,
        "UTF8",   "1",      "30",         "10",     "3",          NULL};

    return PQconnectStartParams(names, values, 0);
}

/* The SQLSTATE in a verbose message: "... FATAL:  28P01: password authentication failed ...". */
static const char *state_in_message(char *message, char state[6])
{
    for (char *at = strstr(message, ":  "); at; at = strstr(at + 1, ":  ")) {
        char *code = at + 3;

        if (strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && text_starts_with(code + 5, ": ")) {
            memcpy(state, code, 5);
            state[5] = '\0';
            memmove(code, code + 7, strlen(code + 7) + 1);
            return state;
        }
    }
    return "";
}

static int refused(struct pg *pg, struct fault *fault)
{
    char *message = xstrdup(PQerrorMessage(pg->connection));
    bool password = PQconnectionNeedsPassword(pg->connection) != 0;
    char line[600];

    text_copy(pg->sqlstate, sizeof pg->sqlstate, state_in_message(message, (char[6]){0}));
    enum fault_class class = *pg->sqlstate ? class_of(pg->sqlstate) : FAULT_UNAVAILABLE;
    if (password)
        class = FAULT_CONFIG;
    else if (class != FAULT_CONFIG && class != FAULT_DENIED)
        class = FAULT_UNAVAILABLE;
    fault_set(fault, class, "%s: %s", pg->address, first_line(message, line));
    drop_connection(pg);
    free(message);
    return -1;
}

static int shake_hands(struct pg *pg, int64_t deadline_ms, struct fault *fault)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    short got;

    while (state != PGRES_POLLING_OK) {
        if (state == PGRES_POLLING_FAILED)
            return refused(pg, fault);
        if (wait_socket(pg, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms, &got))
            return timed_out(pg, fault);
        state = PQconnectPoll(pg->connection);
    }
    return 0;
}

/*
 * What this session holds. A server that acknowledges before it is durable would break the promise of an
 * accepted job, whatever its configuration says. Compiling statements at run time (jit) costs more than ours
 * take.
 */
static int set_session(struct pg *pg, struct fault *fault)
{
    char sql[600];

    snprintf(
        sql, sizeof sql,
        "SET statement_timeout = %" PRId64 "; SET idle_in_transaction_session_timeout = %d; "
        "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET jit = off; SET client_min_messages = 'warning'; "
        "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; "
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'",
        pg->config_timeout_ms, IDLE_IN_TRANSACTION_MS);
    return pg_script(pg, sql, fault);
}

/*
 * True where the idle connection is one still. What the server says unasked is mostly that it goes: found out
 * here nothing was sent yet, and the call may go over a new connection.
 */
static bool is_alive(const struct pg *pg)
{
    struct pollfd socket = {.fd = PQsocket(pg->connection), .events = POLLIN};

    if (poll(&socket, 1, 0) > 0 && !PQconsumeInput(pg->connection))
        return false;
    return PQstatus(pg->connection) == CONNECTION_OK;
}

int pg_connect(struct pg *pg, struct fault *fault)
{
    int64_t deadline_ms = clock_mono_ms() + pg->timeout_ms;

    if (pg->connection && is_alive(pg))
        return 0;
    if (pg->in_transaction) {
        drop_connection(pg);
        return fault_set(fault, FAULT_UNAVAILABLE, "%s: the connection broke within a transaction",
                         pg->address);
    }
    drop_connection(pg);
    pg->sqlstate[0] = '\0';
    pg->connection = start_connection(pg);
    if (!pg->connection)
        return fault_set(fault, FAULT_SYSTEM, "%s: out of memory", pg->address);
    PQsetNoticeProcessor(pg->connection, ignore_notice, NULL);
    PQsetErrorVerbosity(pg->connection, PQERRORS_VERBOSE); /* the only way to a SQLSTATE while connecting */
    if (PQstatus(pg->connection) == CONNECTION_BAD)
        return refused(pg, fault);
    if (shake_hands(pg, deadline_ms, fault))
        return -1;
    PQsetErrorVerbosity(pg->connection, PQERRORS_DEFAULT);
    PQsetnonblocking(pg->connection, 1);
    pg->generation++;
    if (set_session(pg, fault)) {
        drop_connection(pg);
        return -1;
    }
    return 0;
}

/* --- statements --- */

static int64_t deadline_for(const struct pg *pg, const struct pg_params *params)
{
    int64_t bytes = 0;

    for (int i = 0; params && i < params->count; i++)
        bytes += params->lengths[i];
    return clock_mono_ms() + pg->timeout_ms + bytes / BYTES_PER_MS;
}

static PGresult *not_sent(struct pg *pg, struct fault *fault)
{
    broken(pg, PQerrorMessage(pg->connection), fault);
    return NULL;
}

static int ready(struct pg *pg, struct fault *fault)
{
    pg->sqlstate[0] = '\0';
    return pg_connect(pg, fault);
}

PGresult *pg_query(struct pg *pg, const char *sql, const struct pg_params *params, struct fault *fault)
{
    int64_t deadline_ms = deadline_for(pg, params);

    if (ready(pg, fault))
        return NULL;
    if (!PQsendQueryParams(pg->connection, sql, params ? params->count : 0, NULL,
                           params ? params->values : NULL, params ? params->lengths : NULL,
                           params ? params->formats : NULL, 0))
        return not_sent(pg, fault);
    return collect(pg, deadline_ms, fault);
}

static int prepare(struct pg *pg, const char *name, const char *sql, struct fault *fault)
{
    PGresult *result;

    if (ready(pg, fault))
        return -1;
    if (strmap_get(&pg->prepared, name))
        return 0;
    if (!PQsendPrepare(pg->connection, name, sql, 0, NULL)) {
        not_sent(pg, fault);
        return -1;
    }
    result = collect(pg, deadline_for(pg, NULL), fault);
    if (!result)
        return -1;
    PQclear(result);
    strmap_put(&pg->prepared, name, pg);
    return 0;
}

static PGresult *run_prepared(struct pg *pg, const char *name, const char *sql,
                              const struct pg_params *params, int format, struct fault *fault)
{
    if (prepare(pg, name, sql, fault))
        return NULL;
    if (!PQsendQueryPrepared(pg->connection, name, params ? params->count : 0, params ? params->values : NULL,
                             params ? params->lengths : NULL, params ? params->formats : NULL, format))
        return not_sent(pg, fault);
    return collect(pg, deadline_for(pg, params), fault);
}

PGresult *pg_prepared(struct pg *pg, const char *name, const char *sql, const struct pg_params *params,
                      struct fault *fault)
{
    return run_prepared(pg, name, sql, params, 0, fault);
}

PGresult *pg_prepared_binary(struct pg *pg, const char *name, const char *sql, const struct pg_params *params,
                             struct fault *fault)
{
    return run_prepared(pg, name, sql, params, 1, fault);
}

int pg_script(struct pg *pg, const char *sql, struct fault *fault)
{
    PGresult *result;

    if (ready(pg, fault))
        return -1;
    if (!PQsendQuery(pg->connection, sql)) {
        not_sent(pg, fault);
        return -1;
    }
    result = collect(pg, deadline_for(pg, NULL), fault);
    PQclear(result);
    return result ? 0 : -1;
}

/* --- transactions --- */

static int begin(struct pg *pg, const char *sql, struct fault *fault)
{
    if (pg_script(pg, sql, fault))
        return -1;
    pg->in_transaction = true;
    return 0;
}

int pg_begin(struct pg *pg, struct fault *fault)
{
    return begin(pg, "BEGIN", fault);
}

int pg_begin_read(struct pg *pg, struct fault *fault)
{
    return begin(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", fault);
}

/* COMMIT of a transaction that failed answers ROLLBACK, and that is no error to the server. */
int pg_commit(struct pg *pg, struct fault *fault)
{
    PGresult *result = pg_query(pg, "COMMIT", NULL, fault);
    bool committed = result && !strcmp(PQcmdStatus(result), "COMMIT");

    pg->in_transaction = false;
    PQclear(result);
    if (result && !committed)
        return fault_set(fault, FAULT_BUG, "%s: COMMIT of a transaction that had failed", pg->address);
    return result ? 0 : -1;
}

void pg_rollback(struct pg *pg)
{
    bool within = pg->in_transaction && pg->connection;
    char sqlstate[sizeof pg->sqlstate];

    pg->in_transaction = false;
    text_copy(sqlstate, sizeof sqlstate, pg->sqlstate);
    if (within && pg_script(pg, "ROLLBACK", NULL))
        drop_connection(pg);
    text_copy(pg->sqlstate, sizeof pg->sqlstate, sqlstate); /* of what made it necessary */
}

/* --- pipeline --- */

struct pipeline {
    struct pg *pg;
    const char *name;
    size_t rows, sent, answered;
    void (*row)(void *arg, size_t index, struct pg_params *params);
    void (*done)(void *arg, size_t index, const PGresult *result);
    void *arg;
    size_t failed;    /* index of the row, or `rows` */
    PGresult *reason; /* its error */
    bool synced;
};

/* Sends every row and the end of the transaction; libpq hands over to the kernel as it goes. */
static int pipeline_send(struct pipeline *line, struct fault *fault)
{
    struct pg *pg = line->pg;
    struct pg_params params;

    for (; line->sent < line->rows; line->sent++) {
        pg_params_init(&params);
        line->row(line->arg, line->sent, &params);
        if (!PQsendQueryPrepared(pg->connection, line->name, params.count, params.values, params.lengths,
                                 params.formats, 0))
            return broken(pg, PQerrorMessage(pg->connection), fault);
        if (flush(pg, deadline_for(pg, &params), fault))
            return -1;
    }
    /* What is behind the last sync is one transaction, which this ends: committed, or undone if a row failed.
     */
    if (!PQpipelineSync(pg->connection))
        return broken(pg, PQerrorMessage(pg->connection), fault);
    return 0;
}

/* One result: of a row, of the sync, or the NULL behind each row's. */
static void pipeline_take(struct pipeline *line, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_PIPELINE_SYNC) {
        line->synced = true;
    } else if (is_good(result)) {
        if (line->answered < line->rows)
            line->done(line->arg, line->answered, result);
        line->answered++;
    } else if (status != PGRES_PIPELINE_ABORTED && !line->reason) {
        line->failed = line->answered;
        line->reason = result;
        return;
    }
    PQclear(result);
}

int pg_pipeline(struct pg *pg, const char *name, const char *sql, size_t rows,
                void (*row)(void *arg, size_t index, struct pg_params *params),
                void (*done)(void *arg, size_t index, const PGresult *result), void *arg, size_t *failed,
                struct fault *fault)
{
    struct pipeline line = {
        .pg = pg, .name = name, .rows = rows, .row = row, .done = done, .arg = arg, .failed = rows};
    int status = -1;

    *failed = rows;
    if (prepare(pg, name, sql, fault))
        return -1;
    if (!PQenterPipelineMode(pg->connection))
        return broken(pg, PQerrorMessage(pg->connection), fault);
    if (pipeline_send(&line, fault))
        goto out;
    while (!line.synced) {
        PGresult *result;

        if (await_result(pg, deadline_for(pg, NULL), &result, fault))
            goto out;
        if (result)
            pipeline_take(&line, result);
        else if (PQstatus(pg->connection) == CONNECTION_BAD) {
            broken(pg, PQerrorMessage(pg->connection), fault);
            goto out;
        }
    }
    if (!PQexitPipelineMode(pg->connection)) {
        broken(pg, PQerrorMessage(pg->connection), fault);
        goto out;
    }
    *failed = line.failed;
    status = line.reason ? failed_result(pg, line.reason, fault) : 0;
out:
    PQclear(line.reason);
    return status;
}
