/*
 * pg_sink_call - statements over an open connection: see pg_sink.h
 *
 * The hard rule: after PG_SINK_STATE all that the server had to say was read; after anything else the caller
 * closes the connection.
 */
#include "pg_sink_parts.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "text.h"
#include "xalloc.h"

enum {
    COPY_CHUNK = 64 * 1024,
    ANSWER_MAX =
        4 * 1024 * 1024, /* bytes that a server may say to one call; a table of 1600 columns has 300 KB */
};

/* libpq keeps all that comes, so it is stopped before it reads. */
static bool is_flooded(struct pg_sink *sink)
{
    return pg_sink_received(sink->connection) - sink->received > ANSWER_MAX;
}

bool pg_sink_is_alive(struct pg_sink *sink)
{
    struct pollfd socket = {.fd = PQsocket(sink->connection), .events = POLLIN};

    if (poll(&socket, 1, 0) > 0 && (is_flooded(sink) || !PQconsumeInput(sink->connection)))
        return false;
    return PQstatus(sink->connection) == CONNECTION_OK;
}

/* Waiting */

static int broken(struct pg_sink *sink, struct pg_sink_error *error)
{
    return pg_sink_fail(error, PG_SINK_BROKEN, PQerrorMessage(sink->connection));
}

static int late(struct pg_sink_error *error)
{
    return pg_sink_fail(error, PG_SINK_TIMEOUT, "no answer in time");
}

static int consume(struct pg_sink *sink, struct pg_sink_error *error)
{
    if (is_flooded(sink))
        return pg_sink_fail(error, PG_SINK_BROKEN, "the server says more than anybody asked for");
    return PQconsumeInput(sink->connection) ? 0 : broken(sink, error);
}

/* Hands everything to the kernel, and reads meanwhile: else both sides could wait for ever. */
static int flush(struct pg_sink *sink, int64_t deadline_ms, struct pg_sink_error *error)
{
    for (;;) {
        int left = PQflush(sink->connection);
        short got;

        if (left == 0)
            return 0;
        if (left < 0)
            return broken(sink, error);
        if (pg_sink_wait(sink->connection, POLLIN | POLLOUT, deadline_ms, &got))
            return late(error);
        if ((got & ~POLLOUT) && consume(sink, error))
            return -1;
    }
}

/* NULL in `result`: there are no more. */
static int next_result(struct pg_sink *sink, int64_t deadline_ms, PGresult **result,
                       struct pg_sink_error *error)
{
    *result = NULL;
    if (flush(sink, deadline_ms, error))
        return -1;
    if (clock_mono_ms() >= deadline_ms) /* also of a server that never lets us wait */
        return late(error);
    while (PQisBusy(sink->connection)) {
        short got;

        if (pg_sink_wait(sink->connection, POLLIN, deadline_ms, &got))
            return late(error);
        if (consume(sink, error))
            return -1;
    }
    *result = PQgetResult(sink->connection);
    return 0;
}

static bool is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

/*
 * What the server says of a value it does not take quotes the value, and that is the report's: it stays out
 * of logs and states. What is around the quotes is kept, where the server speaks ASCII: else quotes have many
 * forms.
 */
static void hide_value(char text[PG_LINE_SIZE])
{
    char *first = strpbrk(text, "\"'"), *last = first, whole[PG_LINE_SIZE];

    for (char *c = text; *c; c++) {
        if ((unsigned char)*c >= 0x80) {
            text_copy(text, PG_LINE_SIZE, "a value that its type does not take");
            return;
        }
        if (*c == '"' || *c == '\'')
            last = c;
    }
    if (!first)
        return;
    snprintf(whole, sizeof whole, "%.*s...%s", (int)(first - text), text, last + 1);
    text_copy(text, PG_LINE_SIZE, whole);
}

static int said_no(struct pg_sink *sink, const PGresult *result, struct pg_sink_error *error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (!state || PQstatus(sink->connection) == CONNECTION_BAD)
        pg_sink_fail(error, PG_SINK_BROKEN, primary ? primary : PQresultErrorMessage(result));
    else
        pg_sink_fail(error, PG_SINK_STATE, primary);
    if (state && text_starts_with(state, "22"))
        hide_value(error->text);
    text_copy(error->state, sizeof error->state, state ? state : "");
    return -1;
}

static bool is_copy(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

/*
 * All results of what was sent; the last good one, for PQclear(), or NULL. A copy ends where it begins: it
 * has the same result for ever. `copying`: one to the server was asked for, and its end is awaited later.
 */
static PGresult *collect(struct pg_sink *sink, bool copying, int64_t deadline_ms, struct pg_sink_error *error)
{
    PGresult *last = NULL, *bad = NULL, *result;

    for (;;) {
        if (next_result(sink, deadline_ms, &result, error))
            goto lost;
        if (!result)
            break;
        if (is_copy(result)) {
            bool asked = copying && !bad && PQresultStatus(result) == PGRES_COPY_IN;
            PQclear(bad);
            PQclear(last);
            if (asked)
                return result;
            PQclear(result);
            pg_sink_fail(error, PG_SINK_BROKEN, "the server began a COPY that nobody asked for");
            return NULL;
        }
        PGresult **place = is_good(result) || bad ? &last : &bad;
        PQclear(*place);
        *place = result;
    }
    if (!bad && last && PQstatus(sink->connection) != CONNECTION_BAD)
        return last;
    if (bad)
        said_no(sink, bad, error);
    else
        broken(sink, error);
lost:
    PQclear(last);
    PQclear(bad);
    return NULL;
}

/* Statements */

static PGresult *ask_for(struct pg_sink *sink, bool copying, const char *sql, const char *value,
                         int64_t deadline_ms, struct pg_sink_error *error)
{
    sink->received = pg_sink_received(sink->connection);
    int sent = value ? PQsendQueryParams(sink->connection, sql, 1, NULL, &value, NULL, NULL, 0)
                     : PQsendQuery(sink->connection, sql);

    if (sent)
        return collect(sink, copying, deadline_ms, error);
    broken(sink, error);
    return NULL;
}

static PGresult *ask(struct pg_sink *sink, const char *sql, const char *value, int64_t deadline_ms,
                     struct pg_sink_error *error)
{
    return ask_for(sink, false, sql, value, deadline_ms, error);
}

int pg_sink_run(struct pg_sink *sink, const char *sql, int64_t deadline_ms, struct pg_sink_error *error)
{
    PGresult *result = ask(sink, sql, NULL, deadline_ms, error);

    PQclear(result);
    return result ? 0 : -1;
}

int pg_sink_run_with(struct pg_sink *sink, const char *sql, const char *value, int64_t deadline_ms,
                     struct pg_sink_error *error)
{
    PGresult *result = ask(sink, sql, value, deadline_ms, error);

    PQclear(result);
    return result ? 0 : -1;
}

/* COMMIT of a transaction that failed answers ROLLBACK, and that is no error to the server. */
int pg_sink_commit(struct pg_sink *sink, int64_t deadline_ms, struct pg_sink_error *error)
{
    char text[PG_LINE_SIZE];
    PGresult *result = ask(sink, "COMMIT", NULL, deadline_ms, error);
    bool committed = result && strcmp(PQcmdStatus(result), "COMMIT") == 0;

    PQclear(result);
    if (committed)
        return 0;
    if (result)
        return pg_sink_fail(error, PG_SINK_BROKEN, "the transaction had failed before its COMMIT");
    if (error->cause != PG_SINK_STATE) {
        snprintf(text, sizeof text, "lost during COMMIT, it may have been written: %.400s", error->text);
        text_copy(error->text, sizeof error->text, text);
    }
    return -1;
}

/* Tables */

void pg_sink_add_name(struct buf *sql, const char *name)
{
    buf_addc(sql, '"');
    for (; *name; name++) {
        if (*name == '"')
            buf_addc(sql, '"');
        buf_addc(sql, *name);
    }
    buf_addc(sql, '"');
}

static const char describe_sql[] =
    "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), "
    "CASE WHEN t.typtype OPERATOR(pg_catalog.=) 'd' THEN (WITH RECURSIVE b(type, base) AS ("
    "SELECT t.oid, t.typbasetype UNION ALL SELECT p.oid, p.typbasetype FROM b "
    "JOIN pg_catalog.pg_type p ON p.oid OPERATOR(pg_catalog.=) b.base) "
    "SELECT pg_catalog.format_type(type, NULL) FROM b WHERE base OPERATOR(pg_catalog.=) 0) "
    "ELSE pg_catalog.format_type(a.atttypid, NULL) END, "
    "pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY') "
    "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid WHERE a.attrelid = "
    "$1::pg_catalog.regclass AND a.attnum > 0 "
    "AND NOT a.attisdropped ORDER BY a.attnum";

int pg_sink_describe(struct pg_sink *sink, const char *schema, const char *table, int64_t deadline_ms,
                     struct pg_sink_table *description, struct pg_sink_error *error)
{
    struct buf name;

    buf_init(&name, 1024);
    if (schema) {
        pg_sink_add_name(&name, schema);
        buf_addc(&name, '.');
    }
    pg_sink_add_name(&name, table);
    PGresult *result = ask(sink, describe_sql, name.data, deadline_ms, error);
    buf_release(&name);
    *description = (struct pg_sink_table){0};
    if (!result)
        return -1;
    if (PQnfields(result) != 4 || PQntuples(result) > PG_SINK_COLUMNS_MAX) {
        PQclear(result);
        return pg_sink_fail(error, PG_SINK_BROKEN, "what the server says of the table is no answer");
    }
    description->count = (size_t)PQntuples(result);
    description->columns = xcalloc(description->count, sizeof *description->columns);
    for (size_t i = 0; i < description->count; i++) {
        description->columns[i].name = xstrdup(PQgetvalue(result, (int)i, 0));
        description->columns[i].type = xstrdup(PQgetvalue(result, (int)i, 1));
        description->columns[i].base = xstrdup(PQgetvalue(result, (int)i, 2));
        description->may_stage = PQgetvalue(result, (int)i, 3)[0] == 't';
    }
    PQclear(result);
    return 0;
}

void pg_sink_table_release(struct pg_sink_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->columns[i].name);
        free(table->columns[i].type);
        free(table->columns[i].base);
    }
    free(table->columns);
    *table = (struct pg_sink_table){0};
}

/* COPY */

int pg_sink_copy_begin(struct pg_sink *sink, const char *sql, int64_t deadline_ms,
                       struct pg_sink_error *error)
{
    PGresult *result = ask_for(sink, true, sql, NULL, deadline_ms, error);
    bool begun = PQresultStatus(result) == PGRES_COPY_IN;

    PQclear(result);
    buf_clear(&sink->line);
    if (result && !begun)
        return pg_sink_fail(error, PG_SINK_BROKEN, "COPY was not begun");
    return result ? 0 : -1;
}

static int send_lines(struct pg_sink *sink, int64_t deadline_ms, struct pg_sink_error *error)
{
    int sent = 0;

    while (sink->line.len && sent == 0) { /* 0: what libpq holds has to go first */
        sent = PQputCopyData(sink->connection, sink->line.data, (int)sink->line.len);
        if (sent < 0)
            return broken(sink, error);
        if (flush(sink, deadline_ms, error))
            return -1;
    }
    buf_clear(&sink->line);
    return 0;
}

static void add_escaped(struct buf *out, const char *line, size_t size)
{
    static const char plain[] = "\b\f\n\r\t\v\\", letters[] = "bfnrtv\\";

    for (const char *end = line + size, *from = line; line < end; from = line) {
        while (line < end && !memchr(plain, *line, sizeof plain - 1))
            line++;
        buf_add(out, from, (size_t)(line - from));
        if (line < end) {
            buf_addc(out, '\\');
            buf_addc(out, letters[(const char *)memchr(plain, *line++, sizeof plain - 1) - plain]);
        }
    }
}

/* The row is to blame, not the connection. */
static int refuse_line(struct pg_sink *sink, int64_t deadline_ms, struct pg_sink_error *error)
{
    buf_clear(&sink->line);
    if (PQputCopyEnd(sink->connection, "too large") < 0)
        return broken(sink, error);
    PQclear(collect(sink, false, deadline_ms, error));
    if (error->cause != PG_SINK_STATE)
        return -1;
    pg_sink_fail(error, PG_SINK_STATE, "a row of more than 1 GiB");
    text_copy(error->state, sizeof error->state, "54000");
    return -1;
}

int pg_sink_copy_line(struct pg_sink *sink, const char *line, size_t size, int64_t deadline_ms,
                      struct pg_sink_error *error)
{
    add_escaped(&sink->line, line, size);
    buf_addc(&sink->line, '\n');
    if (sink->line.overflow)
        return refuse_line(sink, deadline_ms, error);
    return sink->line.len < COPY_CHUNK ? 0 : send_lines(sink, deadline_ms, error);
}

int pg_sink_copy_end(struct pg_sink *sink, int64_t deadline_ms, struct pg_sink_error *error)
{
    int ended = 0;

    if (send_lines(sink, deadline_ms, error))
        return -1;
    while (ended == 0) {
        ended = PQputCopyEnd(sink->connection, NULL);
        if (ended < 0)
            return broken(sink, error);
        if (flush(sink, deadline_ms, error))
            return -1;
    }
    PGresult *result = collect(sink, false, deadline_ms, error);
    PQclear(result);
    return result ? 0 : -1;
}
