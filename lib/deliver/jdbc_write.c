/*
 * jdbc_write - see jdbc_write.h
 *
 * The one hard rule: nothing is delivered before COMMIT was answered, and from the moment in which COMMIT is
 * sent the destination may have it (errand_sent()).
 */
#include "jdbc_write.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "outcomes.h"
#include "sqlstate.h"
#include "text.h"
#include "xalloc.h"

enum {
    TRIES = 3,         /* of a transaction that conflicts with others */
    STAGE_ROWS = 1000, /* from here on COPY is worth a temporary table */
    STAGE_BYTES = 8 * 1024 * 1024,
    STATEMENT_MAX = 1024 * 1024, /* 1600 columns, each named thrice */
    MARGIN_MS = 1000,            /* the server gives up so much earlier, so that it can still say so */
};
#define VALUE_MAX ((size_t)1000 << 20) /* of a parameter: PostgreSQL's ceiling is 1 GiB */

static const struct answer *row_of(const struct pg_sink_error *error)
{
    return outcomes_by_code(&outcomes_jdbc, sqlstate_code(error->state));
}

static void set_by(struct errand *errand, const struct answer *row, const struct pg_sink_error *error)
{
    errand_set(errand, row, sqlstate_number(error->state), "SQLSTATE %s: %s", error->state, error->text);
}

const struct answer *jdbc_row_before(const struct pg_sink_error *error)
{
    const struct answer *row = row_of(error);

    return row->kind == OUTCOME_REJECTED ? outcomes_by_event(&outcomes_jdbc, EVENT_CONNECT) : row;
}

void jdbc_set_before(struct errand *errand, const struct pg_sink_error *error)
{
    set_by(errand, jdbc_row_before(error), error);
}

/*
 * It may be one report that is to blame, and others may be fine: also where an operator mends it (a column
 * that is generated, or that this role may not write). Not so where it passes by itself, whatever is written.
 */
static bool may_be_of_one(const struct jdbc_writer *writer)
{
    static const char *const passing[] = {"08", "25", "40", "53", "55P03", "57P", "58"};

    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (text_starts_with(writer->error.state, passing[i]))
            return false;
    return writer->error.cause == PG_SINK_STATE;
}

/* Statements */

static void add_names(struct buf *sql, const struct jdbc_writer *writer, const struct jdbc_set *set,
                      const char *prefix, bool with_type)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct pg_sink_column *column = &writer->sets->table->columns[set->columns[i]];
        buf_adds(sql, i ? ", " : "");
        buf_adds(sql, prefix);
        pg_sink_add_name(sql, column->name);
        if (with_type)
            buf_addf(sql, " %s", column->type);
    }
}

static bool is_key(const struct jdbc *jdbc, const char *name)
{
    return strcmp(name, jdbc->key_column) == 0 || (jdbc->row_column && strcmp(name, jdbc->row_column) == 0);
}

static void add_conflict(struct buf *sql, const struct jdbc_writer *writer, const struct jdbc_set *set)
{
    const struct jdbc *jdbc = writer->jdbc;
    size_t updated = 0;

    if (!jdbc->key_column)
        return;
    buf_adds(sql, " ON CONFLICT (");
    pg_sink_add_name(sql, jdbc->key_column);
    if (jdbc->row_column) {
        buf_adds(sql, ", ");
        pg_sink_add_name(sql, jdbc->row_column);
    }
    buf_adds(sql, ") DO ");
    for (size_t i = 0; jdbc->update && i < set->count; i++) {
        const char *name = writer->sets->table->columns[set->columns[i]].name;
        if (is_key(jdbc, name))
            continue;
        buf_adds(sql, updated++ ? ", " : "UPDATE SET ");
        pg_sink_add_name(sql, name);
        buf_adds(sql, " = EXCLUDED.");
        pg_sink_add_name(sql, name);
    }
    buf_adds(sql, updated ? "" : "NOTHING");
}

/*
 * INSERT INTO "s"."t" ("id", "n") SELECT r."id", r."n"
 * FROM json_to_recordset($1::json) AS r("id" text, "n" integer) ON CONFLICT ("id") DO NOTHING
 */
static void add_insert(struct buf *sql, const struct jdbc_writer *writer, const struct jdbc_set *set,
                       const char *from)
{
    buf_adds(sql, "INSERT INTO ");
    if (writer->jdbc->schema) {
        pg_sink_add_name(sql, writer->jdbc->schema);
        buf_addc(sql, '.');
    }
    pg_sink_add_name(sql, writer->jdbc->table);
    buf_adds(sql, " (");
    add_names(sql, writer, set, "", false);
    buf_adds(sql, ") SELECT ");
    add_names(sql, writer, set, "r.", false);
    buf_addf(sql, " FROM %s AS r(", from);
    add_names(sql, writer, set, "", true);
    buf_addc(sql, ')');
    add_conflict(sql, writer, set);
}

static int run(struct jdbc_writer *writer, const char *sql)
{
    return pg_sink_run(writer->sink, sql, writer->deadline_ms, &writer->error);
}

/* Rows of one set */

struct line {
    const char *text;
    size_t size, order;
    unsigned set;
};

static int insert_as_value(struct jdbc_writer *writer, const char *sql, const struct line *lines,
                           size_t count)
{
    struct buf value;

    buf_init(&value, VALUE_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_addc(&value, i ? ',' : '[');
        buf_add(&value, lines[i].text, lines[i].size);
    }
    buf_addc(&value, ']');
    int result = 0;
    if (!value.overflow) {
        result = pg_sink_run_with(writer->sink, sql, value.data, writer->deadline_ms, &writer->error);
    } else {
        writer->error = (struct pg_sink_error){PG_SINK_STATE, "54000", "too many bytes for one statement"};
        result = -1;
    }
    buf_release(&value);
    return result;
}

static int insert_by_copy(struct jdbc_writer *writer, const char *sql, const struct line *lines, size_t count)
{
    if (pg_sink_copy_begin(writer->sink, "COPY pg_temp.dist_rows (line) FROM STDIN", writer->deadline_ms,
                           &writer->error))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (pg_sink_copy_line(writer->sink, lines[i].text, lines[i].size, writer->deadline_ms,
                              &writer->error))
            return -1;
    if (pg_sink_copy_end(writer->sink, writer->deadline_ms, &writer->error) || run(writer, sql))
        return -1;
    return run(writer, "DROP TABLE pg_temp.dist_rows");
}

/*
 * 1: there is one. 0: this database does not let us (an event trigger that forbids it): the rows go by value.
 * -1: fault.
 */
static int make_stage(struct jdbc_writer *writer)
{
    if (run(writer,
            "SAVEPOINT stage; CREATE TEMPORARY TABLE dist_rows (line pg_catalog.json) ON COMMIT DROP") == 0)
        return run(writer, "RELEASE SAVEPOINT stage") == 0 ? 1 : -1;
    if (writer->error.cause != PG_SINK_STATE ||
        run(writer, "ROLLBACK TO SAVEPOINT stage; RELEASE SAVEPOINT stage"))
        return -1;
    return 0;
}

static int insert_lines(struct jdbc_writer *writer, const struct line *lines, size_t count)
{
    const struct jdbc_set *set = &writer->sets->items[lines[0].set];
    size_t bytes = 0;
    struct buf sql;

    for (size_t i = 0; i < count; i++)
        bytes += lines[i].size;
    int by_copy = writer->sets->table->may_stage && (count >= STAGE_ROWS || bytes >= STAGE_BYTES);
    if (by_copy && (by_copy = make_stage(writer)) < 0)
        return -1;
    buf_init(&sql, STATEMENT_MAX);
    add_insert(&sql, writer, set,
               by_copy ? "pg_temp.dist_rows s, pg_catalog.json_to_record(s.line)"
                       : "pg_catalog.json_to_recordset($1::pg_catalog.json)");
    int result = by_copy ? insert_by_copy(writer, sql.data, lines, count)
                         : insert_as_value(writer, sql.data, lines, count);
    buf_release(&sql);
    return result;
}

/* Rows of some parts */

static int compare_lines(const void *a, const void *b)
{
    const struct line *left = a, *right = b;

    if (left->set != right->set)
        return left->set < right->set ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

/* By set, and within one as they came; the caller frees. */
static struct line *gather(const struct jdbc_writer *writer, size_t first, size_t count, size_t *total)
{
    size_t rows = 0;

    for (size_t i = first; i < first + count; i++)
        rows += writer->parts[i].errand ? writer->parts[i].rows.count : 0;
    struct line *lines = xcalloc(rows, sizeof *lines);
    *total = 0;
    for (size_t i = first; i < first + count; i++) {
        const struct jdbc_rows *from = &writer->parts[i].rows;
        for (size_t j = 0; writer->parts[i].errand && j < from->count; j++, ++*total)
            lines[*total] = (struct line){from->text.data + from->items[j].at, from->items[j].size, *total,
                                          from->items[j].set};
    }
    qsort(lines, *total, sizeof *lines, compare_lines);
    return lines;
}

static int insert_parts(struct jdbc_writer *writer, size_t first, size_t count)
{
    size_t total, run_end;
    struct line *lines = gather(writer, first, count, &total);
    int result = 0;

    for (size_t i = 0; result == 0 && i < total; i = run_end) {
        for (run_end = i + 1; run_end < total && lines[run_end].set == lines[i].set; run_end++)
            ;
        result = insert_lines(writer, lines + i, run_end - i);
    }
    free(lines);
    return result;
}

/* Of several a statement gets no more than a part of what is left, so that one that takes too long is found.
 */
static int64_t statement_ms(const struct jdbc_writer *writer, bool alone)
{
    int64_t left_ms = writer->deadline_ms - clock_mono_ms();
    int64_t limit_ms = !alone ? left_ms / 4 : left_ms > 4 * MARGIN_MS ? left_ms - MARGIN_MS : left_ms * 3 / 4;

    return limit_ms < 1 ? 1 : limit_ms;
}

/* -1: all of the transaction fails. */
static int insert_or_halve(struct jdbc_writer *writer, size_t first, size_t count)
{
    char sql[100];

    if (insert_parts(writer, first, count) == 0)
        return 0;
    if (!may_be_of_one(writer))
        return -1;
    const struct pg_sink_error reason = writer->error;
    snprintf(sql, sizeof sql, "ROLLBACK TO SAVEPOINT dist; SET LOCAL statement_timeout = %" PRId64,
             statement_ms(writer, false));
    if (run(writer, sql))
        return -1;
    if (count == 1) {
        set_by(writer->parts[first].errand, row_of(&reason), &reason);
        writer->parts[first].errand = NULL;
        return 0;
    }
    if (insert_or_halve(writer, first, count / 2) || /* what went well is kept */
        run(writer, "RELEASE SAVEPOINT dist; SAVEPOINT dist"))
        return -1;
    return insert_or_halve(writer, first + count / 2, count - count / 2);
}

/* Transactions */

static int begin(struct jdbc_writer *writer, bool alone)
{
    char sql[600];

    /* A server that says yes before it is durable would lose what we call delivered. What triggers have to
     * remark of each row is for nobody here. */
    snprintf(sql, sizeof sql,
             "BEGIN ISOLATION LEVEL %s READ WRITE; SET LOCAL statement_timeout = %" PRId64
             "; SET LOCAL idle_in_transaction_session_timeout = %" PRId64
             "; SET LOCAL client_min_messages = error; SELECT pg_catalog.set_config('synchronous_commit', "
             "'on', true) "
             "WHERE pg_catalog.current_setting('synchronous_commit') = 'off'; SAVEPOINT dist",
             writer->jdbc->isolation, statement_ms(writer, alone), statement_ms(writer, true));
    return run(writer, sql);
}

static void deliver(struct jdbc_writer *writer, size_t first, size_t count)
{
    static const struct pg_sink_error committed = {.state = "00000"};

    for (size_t i = first; i < first + count; i++) {
        struct jdbc_part *part = &writer->parts[i];
        char said[40];
        if (!part->errand)
            continue;
        errand_add_response(part->errand, said,
                            (size_t)snprintf(said, sizeof said, "rows: %zu", part->rows.count));
        errand_set(part->errand, row_of(&committed), 0, "%s", "");
        part->errand = NULL;
    }
}

/* Their reports were deferred, and come again: without a key they would be there twice. */
static void leave_out_abandoned(struct jdbc_writer *writer, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        struct jdbc_part *part = &writer->parts[i];
        if (!part->errand || errand_is_awaited(part->errand))
            continue;
        errand_set_event(part->errand, EVENT_TIMEOUT, "given up before it was written");
        part->errand = NULL;
    }
}

static bool has_abandoned(const struct jdbc_writer *writer, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        if (writer->parts[i].errand && !errand_is_awaited(writer->parts[i].errand))
            return true;
    return false;
}

/* All but the COMMIT. Where one was given up meanwhile it is done again without that one, unless a key sees
 * to it that nothing is there twice. */
static int prepare(struct jdbc_writer *writer, size_t first, size_t count)
{
    for (;;) {
        leave_out_abandoned(writer, first, count);
        writer->began = begin(writer, count == 1) == 0;
        if (!writer->began || insert_or_halve(writer, first, count))
            return -1;
        if (writer->jdbc->key_column || !has_abandoned(writer, first, count))
            return 0;
        if (run(writer, "ROLLBACK"))
            return -1;
    }
}

static int transact(struct jdbc_writer *writer, size_t first, size_t count)
{
    if (prepare(writer, first, count))
        return -1;
    for (size_t i = first; i < first + count; i++)
        if (writer->parts[i].errand)
            errand_sent(writer->parts[i].errand);
    if (pg_sink_commit(writer->sink, writer->deadline_ms, &writer->error))
        return -1;
    deliver(writer, first, count);
    return 0;
}

/* The outcome of the error for all that have none. */
static void set_all(struct jdbc_writer *writer, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        if (writer->parts[i].errand)
            set_by(writer->parts[i].errand,
                   writer->began ? row_of(&writer->error) : jdbc_row_before(&writer->error), &writer->error);
        writer->parts[i].errand = NULL;
    }
}

/* 0: written; -1: why is in writer->error, and nothing of it is there. */
static int transact_again(struct jdbc_writer *writer, size_t first, size_t count)
{
    for (int try = 1;; try++) {
        if (transact(writer, first, count) == 0)
            return 0;
        if (writer->error.cause != PG_SINK_STATE)
            return -1;
        const struct pg_sink_error reason = writer->error;
        if (run(writer, "ROLLBACK"))
            return -1;
        writer->error = reason;
        if (!text_starts_with(reason.state, "40") || try == TRIES)
            return -1;
    }
}

int jdbc_write(struct jdbc_writer *writer, size_t first, size_t count)
{
    if (transact_again(writer, first, count) == 0)
        return 0;
    if (writer->error.cause != PG_SINK_STATE)
        return -1;
    bool one_by_one = writer->began && may_be_of_one(writer) && count > 1;
    for (size_t i = first; one_by_one && i < first + count; i++)
        if (writer->parts[i].errand && jdbc_write(writer, i, 1))
            return -1;
    if (one_by_one)
        return 0;
    set_all(writer, first, count);
    /* Of a server that takes no rows any more another connection may find the one that does. */
    return strcmp(writer->error.state, "25006") == 0 ? -1 : 0;
}
