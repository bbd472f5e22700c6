/*
 * jdbc - rows of a PostgreSQL table
 *
 *   BEGIN ISOLATION LEVEL READ COMMITTED; SAVEPOINT dist
 *   INSERT INTO "daily_reports" (...) SELECT ... FROM json_to_recordset($1) AS r(...) ON CONFLICT ... DO
 * NOTHING COMMIT
 *
 * A thread per destination owns the connection (crew.h), and takes as many deliveries for one transaction as
 * wait, up to the form's batch_size. Values are parameters or go by COPY; the table is described anew for
 * each batch, so that it may be altered at any time. A second attempt of a delivery has the same message id,
 * and so the same key.
 */
#include "pending.h"

#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "crew.h"
#include "jdbc.h"
#include "jdbc_write.h"
#include "secret.h"
#include "sqlstate.h"
#include "xalloc.h"

enum {
    ERRANDS_MAX = 1000, /* as many as a destination's concurrency may be */
    OPEN_MS = 10000,    /* for a connection and a look at the table, of the attempts' time */
};

struct link {
    struct pg_sink *sink;
    const struct jdbc *jdbc;
};

static const enum outcome_event events[] = {
    [PG_SINK_CONNECT] = EVENT_CONNECT,
    [PG_SINK_TLS] = EVENT_TLS,
    [PG_SINK_REFUSED_ADDRESS] = EVENT_REFUSED_ADDRESS,
    [PG_SINK_TIMEOUT] = EVENT_TIMEOUT,
    [PG_SINK_BROKEN] = EVENT_BROKEN,
};

static size_t jdbc_batch(const struct destination *destination)
{
    int64_t size = destination->jdbc->batch_size;

    return size < ERRANDS_MAX ? (size_t)size : ERRANDS_MAX;
}

/* Connections */

static void watch(void *line, int fd)
{
    crew_watch(line, fd);
}

static void refuse(const struct crew_call *call, const struct pg_sink_error *error)
{
    if (error->cause == PG_SINK_STATE)
        crew_refuse_by(call, jdbc_row_before(error), sqlstate_number(error->state), "SQLSTATE %s: %s",
                       error->state, error->text);
    else
        crew_refuse(call, events[error->cause], "%s", error->text);
}

static struct pg_sink *connect_sink(const struct crew_call *call, int64_t deadline_ms,
                                    struct pg_sink_error *error)
{
    const struct destination *destination = call->destination;
    const struct jdbc *jdbc = destination->jdbc;
    const struct secret *secret = call->secret;
    struct pg_sink_host hosts[JDBC_HOSTS_MAX];
    bool is_named = jdbc->username && strcmp(jdbc->username, "{username}") != 0;

    for (size_t i = 0; i < jdbc->url.host_count; i++)
        hosts[i] = (struct pg_sink_host){jdbc->url.hosts[i].host, jdbc->url.hosts[i].port};
    const struct pg_sink_config config = {
        .hosts = hosts,
        .host_count = jdbc->url.host_count,
        .database = jdbc->url.database,
        .user = is_named ? jdbc->username
                : secret ? secret->username
                         : NULL,
        .password = secret ? secret->password : NULL,
        .sslmode = jdbc->sslmode,
        .tls_name = destination->tls_name,
        .ca_file = destination->ca_file,
        .cert_file = destination->cert_file,
        .key_file = destination->key_file,
        .application = jdbc->url.application ? jdbc->url.application : "dist-deliver",
        .guard = call->guard,
        .deadline_ms = deadline_ms,
        .on_socket = watch,
        .arg = call->line,
    };
    return pg_sink_open(&config, error);
}

/* What the form names is there: so that a check finds it. */
static int check_table(const struct jdbc *jdbc, const struct pg_sink_table *table,
                       struct pg_sink_error *error)
{
    struct jdbc_sets sets;

    jdbc_sets_init(&sets, table);
    const char *lacking = jdbc_sets_lacking(&sets, jdbc);
    if (lacking) {
        *error = (struct pg_sink_error){PG_SINK_STATE, "42703", ""};
        snprintf(error->text, sizeof error->text, "the table has no column \"%.100s\", which the form names",
                 lacking);
    }
    jdbc_sets_release(&sets);
    return lacking ? -1 : 0;
}

static void *jdbc_open(const struct crew_call *call)
{
    const struct jdbc *jdbc = call->destination->jdbc;
    struct pg_sink_table table = {0};
    struct pg_sink_error error = {0};
    struct pg_sink *sink;

    if (jdbc->username && strcmp(jdbc->username, "{username}") == 0 &&
        !(call->secret && call->secret->username)) {
        crew_refuse(call, EVENT_CREDENTIALS, "%s", "/connection/credentials/username: no value");
        return NULL;
    }
    int64_t deadline_ms = clock_mono_ms() + OPEN_MS;
    if (call->deadline_ms < deadline_ms)
        deadline_ms = call->deadline_ms;
    sink = connect_sink(call, deadline_ms, &error);
    if (!sink) {
        refuse(call, &error);
        return NULL;
    }
    if (pg_sink_describe(sink, jdbc->schema, jdbc->table, deadline_ms, &table, &error) ||
        check_table(jdbc, &table, &error)) {
        refuse(call, &error);
        pg_sink_close(sink);
        sink = NULL;
    }
    pg_sink_table_release(&table);
    if (!sink)
        return NULL;
    struct link *link = xcalloc(1, sizeof *link);
    *link = (struct link){sink, jdbc};
    return link;
}

static int jdbc_tend(void *arg, struct fault *fault)
{
    struct link *link = arg;

    return pg_sink_is_alive(link->sink) ? 0
                                        : fault_set(fault, FAULT_UNAVAILABLE, "the connection was closed");
}

static void jdbc_close(void *arg)
{
    struct link *link = arg;

    pg_sink_close(link->sink);
    free(link);
}

/* Work */

/* A body that cannot be rows has its outcome. How many can. */
static size_t make_rows(struct jdbc_writer *writer, struct jdbc_sets *sets, size_t count)
{
    size_t made = 0;

    for (size_t i = 0; i < count; i++) {
        struct jdbc_part *part = &writer->parts[i];
        struct fault fault = {0};
        if (jdbc_rows_make(&part->rows, sets, writer->jdbc, part->errand, writer->deadline_ms, &fault) == 0) {
            made++;
            continue;
        }
        if (fault.class == FAULT_CONFIG)
            errand_set_event(part->errand, EVENT_CONFIGURATION, "%s", fault.text);
        else if (fault.class == FAULT_UNAVAILABLE)
            errand_set_event(part->errand, EVENT_TIMEOUT, "%s", fault.text);
        else
            errand_set_event(part->errand, EVENT_BODY, "%s", fault.text);
        part->errand = NULL;
    }
    return made;
}

static int write_parts(struct jdbc_writer *writer, size_t count)
{
    struct pg_sink_table table = {0};
    struct jdbc_sets sets;
    int result = pg_sink_describe(writer->sink, writer->jdbc->schema, writer->jdbc->table,
                                  writer->deadline_ms, &table, &writer->error);

    if (result == 0)
        result = check_table(writer->jdbc, &table, &writer->error);
    if (result < 0) {
        for (size_t i = 0; writer->error.cause == PG_SINK_STATE && i < count; i++)
            jdbc_set_before(writer->parts[i].errand, &writer->error);
        pg_sink_table_release(&table);
        return writer->error.cause == PG_SINK_STATE ? 0 : -1;
    }
    jdbc_sets_init(&sets, &table);
    writer->sets = &sets;
    result = make_rows(writer, &sets, count) ? jdbc_write(writer, 0, count) : 0;
    for (size_t i = 0; i < count; i++)
        jdbc_rows_release(&writer->parts[i].rows);
    writer->sets = NULL;
    jdbc_sets_release(&sets);
    pg_sink_table_release(&table);
    return result;
}

static int jdbc_work(void *arg, struct errand **items, size_t count, int64_t deadline_ms, struct fault *fault)
{
    struct link *link = arg;
    struct jdbc_writer writer = {.sink = link->sink, .jdbc = link->jdbc, .deadline_ms = deadline_ms};

    writer.parts = xcalloc(count, sizeof *writer.parts);
    for (size_t i = 0; i < count; i++)
        writer.parts[i].errand = items[i];
    int result = write_parts(&writer, count);
    free(writer.parts);
    if (result == 0)
        return 0;
    return fault_set(fault, FAULT_UNAVAILABLE, "%s%s%s%s", *writer.error.state ? "SQLSTATE " : "",
                     writer.error.state, *writer.error.state ? ": " : "", writer.error.text);
}

static const struct crew_kind kind = {jdbc_batch, jdbc_open, jdbc_tend, jdbc_work, jdbc_close};

static struct attempt_handle *jdbc_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    return crew_start(&kind, &adapter_jdbc, context, attempt, done, arg);
}

/* That it lets us in, and has the table and its columns; nothing is written. */
static int jdbc_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    return crew_check(&kind, &adapter_jdbc, context, destination, secret, fault);
}

const struct adapter adapter_jdbc = {PROTOCOL_JDBC, &outcomes_jdbc, jdbc_start, crew_cancel, jdbc_check};
