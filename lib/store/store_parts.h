/*
 * store_parts - what the files of the store share; nobody else includes it
 */
#ifndef DIST_STORE_PARTS_H
#define DIST_STORE_PARTS_H

#include "store.h"
#include "strmap.h"

struct store {
    struct pg *pg;
    unsigned checked; /* the generation of the connection whose schema was found good; 0: none */
};

/* Room for the arrays of one statement: below what one message to PostgreSQL may hold. */
#define STORE_ARRAY_MAX ((size_t)1000 * 1000 * 1000)
/* Rows of one statement; longer lists are several transactions. */
enum { STORE_CHUNK = 2000 };

/* Where a transaction lost a deadlock or a race it is run again, that often in all. */
enum { STORE_TRIES = 3 };
/* True where the last failure is of that kind and `tries` (0 at first, counted here) are left. */
bool store_again(const struct store *store, int *tries);
/* True where the last failure is that a row was there already. To look for one costs more than to insert
 * without a look: where it is rare, the statement that leaves such rows alone is the second one that is run.
 */
bool store_was_there(const struct store *store);

/* One prepared statement as a transaction of its own, with store_open() before it and tries. */
PGresult *store_run(struct store *store, const char *name, const char *sql, const struct pg_params *params,
                    struct fault *fault);
/* The same for statements whose number of affected rows is all that matters. */
int store_change(struct store *store, const char *name, const char *sql, const struct pg_params *params,
                 size_t *changed, struct fault *fault);

/* Arrays of parameters: init all, add row by row, bind all, release all. */
struct store_arrays {
    struct pg_array items[24];
    size_t count;
};
/* One array for each of the types, in the order of the parameters: what the statement casts them to. */
#define store_arrays_init(arrays, ...)                                                                       \
    store_arrays_begin(arrays, (const enum pg_type[]){__VA_ARGS__},                                          \
                       sizeof((const enum pg_type[]){__VA_ARGS__}) / sizeof(enum pg_type))
void store_arrays_begin(struct store_arrays *arrays, const enum pg_type *types, size_t count);
void store_arrays_release(struct store_arrays *arrays);
/* Makes them parameters, in order; BUG where one had no room. */
int store_arrays_bind(struct store_arrays *arrays, struct pg_params *params, struct fault *fault);
/* Gives up those keys (arrays of tenants and keys) whose jobs are not there. */
int store_free_keys(struct store *store, struct store_arrays *keys, struct fault *fault);
/* Within the transaction that stores the items: the locks before, so that submitters of one key come one
 * after another; the older jobs are cancelled after. stored[i]: items[i] was inserted. */
int store_supersede_lock(struct store *store, const struct submission *items, size_t count,
                         struct fault *fault);
int store_supersede(struct store *store, const struct submission *items, const bool *stored, size_t count,
                    struct fault *fault);

/* Text of others, with bytes that are not UTF-8 as '?': no such byte may fail a whole batch. A copy, the
 * caller's; NULL for NULL. */
char *store_clean(const char *text);
void store_array_add_clean(struct pg_array *array, const char *text);
void store_array_add_json(struct pg_array *array, const json_t *value); /* NULL is NULL */
/* Adds those of the ids that are UUIDs: others are nobody's, and would fail the batch. */
void store_array_add_ids(struct pg_array *array, const char *const *ids, size_t count);

/* The rows of a result by the ids in that column; release with strmap_release(rows, NULL). */
void store_rows_by_id(const PGresult *result, int column, struct strmap *rows);
int store_row_of(const struct strmap *rows, const char *id); /* -1: it has none */

/* A condition on rows that are known by their ids. `status = 'word'` alone would let the planner read all
 * that is in the index of that status, of which it thinks little while the tables are young; IS TRUE fits
 * none. */
#define STORE_STATUS_IS(status, word) "(" status " = '" word "') IS TRUE"

/* The columns of store_read_job(), of distribution_jobs as j. */
#define STORE_JOB_COLUMNS                                                                                    \
    "j.id, j.distribution_id, j.tenant_id, j.data_type, j.priority, j.content_type, j.body_size, "           \
    "j.destinations, j.metadata, j.callback_url, j.callback_headers, j.idempotency_key, j.retry_policy, "    \
    "dist_us(j.requested_at), dist_us(j.created_at), dist_us(j.expires_at)"
enum { STORE_JOB_COLUMN_COUNT = 16 };
/* A job without its body from the columns that begin at `column`; one reference. */
struct job *store_read_job(const PGresult *result, int row, int column);

/*
 * What expires is PostgreSQL's to say, and workers compare with their own clock: so expiries that are loaded
 * for work are moved by the difference of the clocks, and a clock that is wrong ends nothing. `column` of the
 * first row has dist_us(now()); call this as soon as the result is there: the way here then counts for the
 * delivery.
 */
int64_t store_clock_ahead_us(const PGresult *result, int column); /* ours less the server's; 0: no rows */
int64_t store_local_us(int64_t us, int64_t ahead_us);             /* 0, which is never, stays 0 */

/* A jsonb column; NULL where it is NULL. */
json_t *store_read_json(const PGresult *result, int row, int column);

/* Columns: id, job_id, tenant_id, priority. */
void store_read_due(const PGresult *result, struct due_list *list);

/* The rows' views by their ids, in the order of the ids; views[i] is empty (id NULL) where there is none.
 * Within a transaction of the caller's. */
int store_load_views(struct store *store, const char *const *ids, size_t count, bool attempts,
                     struct job_view *views, struct fault *fault);

/* Ends what pg_expect_bytes() began. */
void store_expect_usual(struct store *store);
/* A query for bodies of so many bytes together, with binary results and time enough for them. */
PGresult *store_query_bodies(struct store *store, const char *name, const char *sql,
                             const struct pg_params *params, uint64_t bytes, struct fault *fault);
/* The output for the candidate, without its content, where the column `outputs` names one. */
void store_read_outputs(struct delivery *delivery, const json_t *outputs);
/* The contents of these deliveries' outputs; one that is gone stays without a body. */
int store_load_outputs(struct store *store, struct delivery *const *deliveries, size_t count,
                       struct fault *fault);

/* The deliveries of the result of a query with STORE_DELIVERY_COLUMNS; out in the order of the rows. */
#define STORE_DELIVERY_COLUMNS                                                                               \
    STORE_JOB_COLUMNS                                                                                        \
    ", d.id, d.kind, d.target, d.candidates, d.inline_form, d.content_type, d.attempts, "                    \
    "d.budget_start, d.skipped, d.own_key, d.status, d.dead_reason, d.last_error, d.rendering, d.outputs, "  \
    "dist_us(coalesce(d.replayed_at, d.created_at) + greatest(j.lifetime, interval '1 day')), "              \
    "dist_us(now()), d.rule"
/* Reads them, sharing jobs, with expiries by our clock: call it as soon as the result is there. The bodies
 * are still missing. `callbacks[i]` tells which ones are callbacks. */
void store_read_deliveries(const PGresult *result, struct delivery **out, bool *callbacks);
/* The bodies of the callbacks' jobs: the response document. */
int store_load_callbacks(struct store *store, struct delivery *const *callbacks, size_t count,
                         struct fault *fault);

/* A list page by page, the newest first: where the next one begins, behind (at, id) of the last row. */
struct store_cursor {
    char at[64], id[UID_TEXT_SIZE];
};
struct store_pages {
    /* A page of at most `limit` rows behind the cursor; its first column is the id, `at_column` the time. */
    PGresult *(*page)(struct store *store, const void *filter, const struct store_cursor *cursor,
                      int64_t limit, struct fault *fault);
    const void *filter;
    int at_column;
    int64_t limit; /* rows in all; 0: no limit */
    int64_t size;  /* of a page */
    /* A row; non-zero ends the list. */
    int (*show)(const PGresult *page, int row, void *arg);
    void *arg;
};
int store_show_pages(struct store *store, const struct store_pages *pages, struct fault *fault);

#endif
