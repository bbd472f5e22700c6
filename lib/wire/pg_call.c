/*
 * pg_call - statements, transactions and the pipeline: see pg.h
 */
#include <inttypes.h>
#include <string.h>
#include "pg_parts.h"
#include "text.h"

static PGresult *not_sent(struct pg *pg, struct fault *fault)
{
    pg_broken(pg, PQerrorMessage(pg->connection), fault);
    return NULL;
}

static int ready(struct pg *pg, struct fault *fault)
{
    pg->sqlstate[0] = '\0';
    return pg_connect(pg, fault);
}

PGresult *pg_query(struct pg *pg, const char *sql, const struct pg_params *params, struct fault *fault)
{
    int64_t deadline_ms = pg_deadline_for(pg, params);

    if (ready(pg, fault))
        return NULL;
    if (!PQsendQueryParams(pg->connection, sql, params ? params->count : 0, NULL,
                           params ? params->values : NULL, params ? params->lengths : NULL,
                           params ? params->formats : NULL, 0))
        return not_sent(pg, fault);
    return pg_collect(pg, deadline_ms, fault);
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
    result = pg_collect(pg, pg_deadline_for(pg, NULL), fault);
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
    return pg_collect(pg, pg_deadline_for(pg, params), fault);
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
    result = pg_collect(pg, pg_deadline_for(pg, NULL), fault);
    PQclear(result);
    return result ? 0 : -1;
}

/* SET of the session: a transaction that is rolled back takes it back too, and its caller ends it with 0. */
int pg_expect_bytes(struct pg *pg, uint64_t bytes, struct fault *fault)
{
    enum { SLOW_BYTES_PER_MS = 1000, WORTH_MS = 1000 };
    int64_t extra_ms = (int64_t)(bytes / SLOW_BYTES_PER_MS);
    char sql[80];

    if (extra_ms < WORTH_MS)
        extra_ms = 0;
    if (extra_ms == pg->extra_ms)
        return 0;
    if (ready(pg, fault))
        return -1;
    snprintf(sql, sizeof sql, "SET statement_timeout = %" PRId64, pg->config_timeout_ms + extra_ms);
    if (pg_script(pg, sql, fault))
        return -1;
    pg->extra_ms = extra_ms;
    return 0;
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
        pg_drop(pg);
    text_copy(pg->sqlstate, sizeof pg->sqlstate, sqlstate); /* of what made it necessary */
}

/* --- pipeline --- */

struct pipeline {
    struct pg *pg;
    const char *name;
    size_t rows, sent, answered;
    int (*row)(void *arg, size_t index, struct pg_params *params, struct fault *fault);
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
        if (line->row(line->arg, line->sent, &params, fault)) {
            pg_close(pg);
            return -1;
        }
        if (!PQsendQueryPrepared(pg->connection, line->name, params.count, params.values, params.lengths,
                                 params.formats, 0))
            return pg_broken(pg, PQerrorMessage(pg->connection), fault);
        if (pg_flush(pg, pg_deadline_for(pg, &params), fault))
            return -1;
    }
    /* What is behind the last sync is one transaction, which this ends: committed, or undone if a row failed.
     */
    if (!PQpipelineSync(pg->connection))
        return pg_broken(pg, PQerrorMessage(pg->connection), fault);
    return 0;
}

/* One result: of a row, of the sync, or the NULL behind each row's. */
static void pipeline_take(struct pipeline *line, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_PIPELINE_SYNC) {
        line->synced = true;
    } else if (pg_is_good(result)) {
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
                int (*row)(void *arg, size_t index, struct pg_params *params, struct fault *fault),
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
        return pg_broken(pg, PQerrorMessage(pg->connection), fault);
    if (pipeline_send(&line, fault))
        goto out;
    while (!line.synced) {
        PGresult *result;

        if (pg_await_result(pg, pg_deadline_for(pg, NULL), &result, fault))
            goto out;
        if (result)
            pipeline_take(&line, result);
        else if (PQstatus(pg->connection) == CONNECTION_BAD) {
            pg_broken(pg, PQerrorMessage(pg->connection), fault);
            goto out;
        }
    }
    if (!PQexitPipelineMode(pg->connection)) {
        pg_broken(pg, PQerrorMessage(pg->connection), fault);
        goto out;
    }
    *failed = line.failed;
    status = line.reason ? pg_failed_result(pg, line.reason, fault) : 0;
out:
    PQclear(line.reason);
    return status;
}
