/*
 * pg - one connection, driven without blocking: every wait is a poll() against an absolute deadline
 *
 * States: closed (connection NULL); idle; within a transaction (pg_begin() until pg_commit() or
 * pg_rollback()). The hard rule: a connection that breaks within a transaction is not made again until the
 * transaction was ended here: half of it would be missing.
 */
#include "pg_parts.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "text.h"
#include "xalloc.h"

enum {
    TIMEOUT_DEFAULT_MS = 10000,
    IDLE_IN_TRANSACTION_MS = 60000, /* a frozen client loses its locks */
    PORT_DEFAULT = 5432,
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

void pg_drop(struct pg *pg)
{
    if (pg->connection)
        PQfinish(pg->connection);
    pg->connection = NULL;
    pg->extra_ms = 0;
    strmap_release(&pg->prepared, NULL);
    strmap_init(&pg->prepared);
}

void pg_close(struct pg *pg)
{
    pg_drop(pg);
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

static int refused(struct pg *pg, struct fault *fault)
{
    char *message = xstrdup(PQerrorMessage(pg->connection));
    bool password = PQconnectionNeedsPassword(pg->connection) != 0;
    char line[PG_LINE_SIZE];

    text_copy(pg->sqlstate, sizeof pg->sqlstate, pg_state_in_message(message, (char[PG_STATE_SIZE]){0}));
    enum fault_class class = *pg->sqlstate ? pg_class_of(pg->sqlstate) : FAULT_UNAVAILABLE;
    if (password)
        class = FAULT_CONFIG;
    else if (class != FAULT_CONFIG && class != FAULT_DENIED)
        class = FAULT_UNAVAILABLE;
    fault_set(fault, class, "%s: %s", pg->address, pg_first_line(message, line));
    pg_drop(pg);
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
        if (pg_wait_socket(pg, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms, &got))
            return pg_timed_out(pg, fault);
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
    PGresult *result;
    char sql[600];

    snprintf(
        sql, sizeof sql,
        "SET statement_timeout = %" PRId64 "; SET idle_in_transaction_session_timeout = %d; "
        "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET jit = off; SET client_min_messages = 'warning'; "
        "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; "
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'",
        pg->config_timeout_ms, IDLE_IN_TRANSACTION_MS);
    if (!PQsendQuery(pg->connection, sql))
        return pg_broken(pg, PQerrorMessage(pg->connection), fault);
    result = pg_collect(pg, pg_deadline_for(pg, NULL), fault);
    PQclear(result);
    return result ? 0 : -1;
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
        pg_drop(pg);
        return fault_set(fault, FAULT_UNAVAILABLE, "%s: the connection broke within a transaction",
                         pg->address);
    }
    pg_drop(pg);
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
        pg_drop(pg);
        return -1;
    }
    return 0;
}
