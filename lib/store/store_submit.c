/*
 * store_submit - the instant of acceptance
 *
 * A job is accepted when the transaction in here has committed, and not before. All rows go in one pipeline,
 * many to a statement; where PostgreSQL refuses one of them the batch is done again row by row, each behind a
 * savepoint, so that the refused one stands alone. Rows that were not inserted are looked up afterwards: the
 * same submission, another one under the same key, or a tenant that may not.
 */
#include <stdlib.h>
#include <string.h>
#include "ceilings.h"
#include "crash.h"
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

/*
 * The tenant is asked for in the insert itself, so that none that was just disabled slips in. A schedule that
 * has passed is none. Three forms of one statement: batches without idempotency keys do not pay for them, nor
 * do those whose rows nothing can be in the way of, for the look whether something is.
 */
// clang-format off
#define INSERT_SQL(with, condition, conflict)                                                                 \
    "WITH r AS ("                                                                                             \
    "    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[],"     \
    "        $7::text[], $8::jsonb[], $9::text[], $10::jsonb[], $11::jsonb[], $12::text[], $13::text[],"      \
    "        $14::bigint[], $15::text[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[],"         \
    "        $20::text[], $21::bigint[], $22::bigint[], $23::bytea[]) WITH ORDINALITY"                        \
    "        AS r (id, tenant_id, distribution_id, priority, data_type, is_json, content_type, destinations," \
    "              callback_url, callback_headers, metadata, key, request_hash, requested, retry_policy,"     \
    "              expires, timeout_ms, scheduled, delay_ms, supersede_key, spooled, key_ms, body, place)"    \
    ")" with                                                                                                  \
    " INSERT INTO distribution_jobs (id, tenant_id, distribution_id, priority, data_type, payload, destinations," \
    "    callback_url, callback_headers, expires_at, lifetime, metadata, body, content_type, body_size,"      \
    "    idempotency_key, request_hash, requested_at, retry_policy, scheduled_at, due_at, supersede_key, created_at)" \
    " SELECT r.id, t.tenant_id, r.distribution_id, r.priority, r.data_type,"                                  \
    "    CASE WHEN r.is_json THEN convert_from(r.body, 'UTF8')::jsonb"                                        \
    "         ELSE jsonb_build_object('content_type', r.content_type, 'size', length(r.body),"                \
    "                                 'sha256', encode(sha256(r.body), 'hex')) END,"                          \
    "    r.destinations, r.callback_url, r.callback_headers, e.at, e.at - b.at, r.metadata, r.body,"          \
    "    r.content_type, length(r.body), r.key, r.request_hash, dist_time(r.requested), r.retry_policy,"      \
    "    s.at, b.at, r.supersede_key, least(dist_time(r.spooled), now())"                                     \
    " FROM r JOIN tenants t ON t.tenant_id = r.tenant_id AND NOT t.disabled"                                  \
    " CROSS JOIN LATERAL (SELECT coalesce("                                                                   \
    "    dist_time(r.scheduled), now() + r.delay_ms * interval '1 millisecond')) AS s (at)"                   \
    " CROSS JOIN LATERAL (SELECT greatest(s.at, now())) AS b (at)"                                            \
    " CROSS JOIN LATERAL (SELECT coalesce("                                                                   \
    "    least(dist_time(r.expires), b.at + r.timeout_ms * interval '1 millisecond'),"                        \
    "    b.at + $24::bigint * interval '1 millisecond')) AS e (at)"                                           \
    condition                                                                                                 \
    " ORDER BY r.place"                                                                                       \
    conflict                                                                                                  \
    " RETURNING id, coalesce(scheduled_at > now(), false)"
#define LEAVE " ON CONFLICT DO NOTHING"

static const char insert_new_sql[] = INSERT_SQL("", "", "");
static const char insert_sql[] = INSERT_SQL("", "", LEAVE);

/*
 * A row alone. The key first: whoever holds it is waited for, and only the holder inserts. The condition on the
 * distribution_id keeps a key from being taken for nothing, but for submitters of one id at the same moment:
 * see store_keys.c.
 */
static const char insert_keyed_sql[] = INSERT_SQL(
    ", taken AS ("
    "    INSERT INTO distribution_keys AS k (tenant_id, key, job_id, request_hash, expires_at)"
    "    SELECT t.tenant_id, r.key, r.id, r.request_hash, now() + r.key_ms * interval '1 millisecond'"
    "    FROM r JOIN tenants t ON t.tenant_id = r.tenant_id AND NOT t.disabled"
    "    WHERE r.key IS NOT NULL"
    "     AND NOT EXISTS (SELECT 1 FROM distribution_jobs j WHERE j.distribution_id = r.distribution_id)"
    "    ON CONFLICT (tenant_id, key) DO UPDATE SET job_id = excluded.job_id,"
    "        request_hash = excluded.request_hash, taken_at = now(), expires_at = excluded.expires_at"
    "    WHERE k.expires_at <= now() OR k.job_id = excluded.job_id"
    "    RETURNING 1)",
    " WHERE r.key IS NULL OR EXISTS (SELECT 1 FROM taken)", LEAVE);

static const char look_up_sql[] =
    "SELECT t.tenant_id IS NOT NULL AND NOT t.disabled,"
    "       s.id, s.distribution_id, s.request_hash,"
    "       k.id, k.distribution_id, o.request_hash,"
    "       d.id, d.distribution_id, d.request_hash, d.tenant_id = i.tenant_id,"
    "       o.job_id IS NOT NULL AND k.id IS NULL"
    " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY"
    "      AS i (id, tenant_id, distribution_id, key, place)"
    " LEFT JOIN tenants t ON t.tenant_id = i.tenant_id"
    " LEFT JOIN distribution_jobs s ON s.id = i.id"
    " LEFT JOIN distribution_keys o ON o.tenant_id = i.tenant_id AND o.key = i.key AND o.expires_at > now()"
    " LEFT JOIN distribution_jobs k ON k.id = o.job_id"
    " LEFT JOIN distribution_jobs d ON d.distribution_id = i.distribution_id"
    " ORDER BY i.place";
// clang-format on

enum {
    DAY_MS = 24 * 3600 * 1000,
    PORTION_ROWS = 100,          /* of one statement */
    PORTION_BYTES = 1024 * 1024, /* their bodies, where it is more than one row */
};

/* The rows that are still to be stored, as indexes of the items, and what is known of each. */
struct batch {
    struct submission *items;
    size_t *todo;
    bool *stored;   /* its row was inserted */
    bool *describe; /* jsonb cannot hold its payload */
    bool *refused;
    bool *free; /* the key that it wants belongs to no job */
    size_t count;
    size_t item_count;
    bool keyed, supersedes; /* one of the rows has a key, one replaces older jobs */
    bool fresh;             /* nothing is expected to be in the way of any */
    int64_t max_age_ms;
    size_t *starts; /* of the portions, each a statement; and the end of the last one */
    size_t portions;
    struct store_arrays arrays; /* parameters of the portion at hand */
};

/* What another submission may be in the way of: the client's key or id; "" where there is none. */
static const char *contested(const struct job *job)
{
    if (job->idempotency_key)
        return job->idempotency_key;
    return job->own_id && job->distribution_id ? job->distribution_id : "";
}

static int compare(const void *left, const void *right, void *arg)
{
    const struct submission *items = arg;
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    int order = strcmp(contested(items[a].job), contested(items[b].job));

    return order ? order : (a > b) - (a < b);
}

/* Everybody inserts contested rows in one order, so that two submitters do not lock each other out. */
static void batch_init(struct batch *batch, struct submission *items, size_t count, int64_t max_age_ms)
{
    *batch = (struct batch){
        .items = items,
        .todo = xcalloc(count, sizeof *batch->todo),
        .stored = xcalloc(count, sizeof *batch->stored),
        .describe = xcalloc(count, sizeof *batch->describe),
        .refused = xcalloc(count, sizeof *batch->refused),
        .free = xcalloc(count, sizeof *batch->free),
        .starts = xcalloc(count + 1, sizeof *batch->starts),
        .count = count,
        .item_count = count,
        .fresh = true,
        .max_age_ms = max_age_ms,
    };
    for (size_t i = 0; i < count; i++) {
        batch->todo[i] = i;
        batch->fresh = batch->fresh && !*contested(items[i].job) && !items[i].spooled_at_us;
        batch->keyed = batch->keyed || items[i].job->idempotency_key;
        batch->supersedes = batch->supersedes || items[i].job->supersede_key;
    }
    qsort_r(batch->todo, count, sizeof *batch->todo, compare, items);
}

static void batch_release(struct batch *batch)
{
    store_arrays_release(&batch->arrays);
    free(batch->starts);
    free(batch->todo);
    free(batch->stored);
    free(batch->describe);
    free(batch->refused);
    free(batch->free);
}

static const char *distribution_id(const struct job *job)
{
    return job->distribution_id ? job->distribution_id : job->id;
}

static bool holds_json(const struct batch *batch, size_t index)
{
    const struct job *job = batch->items[batch->todo[index]].job;

    return job_content_is_json(job->content_type) && job->body_size <= LIMIT_PAYLOAD_JSONB &&
           !batch->describe[index];
}

static void add_row(struct batch *batch, size_t index)
{
    const struct submission *item = &batch->items[batch->todo[index]];
    const struct job *job = item->job;
    struct pg_array *array = batch->arrays.items;

    pg_array_add(array++, job->id);
    pg_array_add(array++, job->tenant_id);
    pg_array_add(array++, distribution_id(job));
    pg_array_add(array++, priority_names[job->priority]);
    pg_array_add(array++, job->data_type);
    pg_array_add_bool(array++, holds_json(batch, index));
    pg_array_add(array++, job->content_type);
    store_array_add_json(array++, job->destinations);
    pg_array_add(array++, job->callback_url);
    store_array_add_json(array++, job->callback_headers);
    store_array_add_json(array++, job->metadata);
    pg_array_add(array++, job->idempotency_key);
    pg_array_add(array++, item->request_hash);
    pg_array_add_nonzero(array++, job->requested_at_us);
    pg_array_add(array++, job->retry_policy);
    pg_array_add_nonzero(array++, job->expires_at_us);
    pg_array_add_nonzero(array++, job->timeout_ms);
    pg_array_add_nonzero(array++, job->scheduled_at_us);
    pg_array_add_nonzero(array++, job->delay_ms);
    pg_array_add(array++, job->supersede_key);
    pg_array_add_nonzero(array++, item->spooled_at_us);
    pg_array_add_int(array++, item->key_ms ? item->key_ms : DAY_MS);
    pg_array_add_bytes(array, job->body, job->body_size);
}

/* The parameters of the rows [from, to). */
static int add_rows(struct batch *batch, size_t from, size_t to, struct pg_params *params,
                    struct fault *fault)
{
    store_arrays_release(&batch->arrays);
    store_arrays_init(&batch->arrays, PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_BOOLEAN, PG_TEXT,
                      PG_JSONB, PG_TEXT, PG_JSONB, PG_JSONB, PG_TEXT, PG_TEXT, PG_BIGINT, PG_TEXT, PG_BIGINT,
                      PG_BIGINT, PG_BIGINT, PG_BIGINT, PG_TEXT, PG_BIGINT, PG_BIGINT, PG_BYTEA);
    for (size_t i = from; i < to; i++)
        add_row(batch, i);
    if (store_arrays_bind(&batch->arrays, params, fault))
        return -1;
    pg_param_time(params, batch->max_age_ms);
    return 0;
}

static const char *insert_name(const struct batch *batch)
{
    return batch->keyed ? "submit_keyed" : batch->fresh ? "submit_new" : "submit";
}

static const char *insert_text(const struct batch *batch)
{
    return batch->keyed ? insert_keyed_sql : batch->fresh ? insert_new_sql : insert_sql;
}

/* RETURNING tells ids of the rows [from, to) in their order, but for those that were in the way. */
static void mark_stored(struct batch *batch, size_t from, size_t to, const PGresult *result)
{
    for (int row = 0; row < PQntuples(result); row++) {
        while (from < to && strcmp(batch->items[batch->todo[from]].job->id, pg_text(result, row, 0)) != 0)
            from++;
        if (from == to)
            return; /* what is not marked is looked up */
        batch->stored[from] = true;
        batch->items[batch->todo[from++]].scheduled = pg_bool(result, row, 1);
    }
}

static int portion(void *arg, size_t index, struct pg_params *params, struct fault *fault)
{
    struct batch *batch = arg;

    return add_rows(batch, batch->starts[index], batch->starts[index + 1], params, fault);
}

static void portion_done(void *arg, size_t index, const PGresult *result)
{
    struct batch *batch = arg;

    mark_stored(batch, batch->starts[index], batch->starts[index + 1], result);
    crash_point("submit:written");
}

/* One row behind a savepoint; -1 only where the whole transaction is lost. */
static int insert_one(struct store *store, struct batch *batch, size_t index, struct fault *fault)
{
    struct fault *reason = &batch->items[batch->todo[index]].fault;

    for (;;) {
        struct pg_params params;
        PGresult *result;

        if (pg_script(store->pg, "SAVEPOINT one", fault))
            return -1;
        pg_params_init(&params);
        if (add_rows(batch, index, index + 1, &params, fault))
            return -1;
        result = pg_prepared(store->pg, insert_name(batch), insert_text(batch), &params, reason);
        if (result) {
            mark_stored(batch, index, index + 1, result);
            PQclear(result);
            crash_point("submit:written");
            return pg_script(store->pg, "RELEASE one", fault);
        }
        if (reason->class != FAULT_INPUT) {
            if (fault)
                *fault = *reason;
            return -1;
        }
        if (pg_script(store->pg, "ROLLBACK TO one; RELEASE one", fault))
            return -1;
        batch->refused[index] = !holds_json(batch, index);
        if (batch->refused[index])
            return 0;
        batch->describe[index] = true;
    }
}

static int insert_one_by_one(struct store *store, struct batch *batch, struct fault *fault)
{
    for (size_t i = 0; i < batch->count; i++)
        if (insert_one(store, batch, i, fault))
            return -1;
    return 0;
}

/* A row with a key is a statement of its own: it waits for whoever holds that key. */
static void cut_portions(struct batch *batch)
{
    size_t rows = 0, bytes = 0;

    batch->portions = 0;
    for (size_t i = 0; i < batch->count; i++) {
        size_t size = batch->items[batch->todo[i]].job->body_size;

        if (!rows || batch->keyed || rows == PORTION_ROWS || bytes + size > PORTION_BYTES) {
            batch->starts[batch->portions++] = i;
            rows = bytes = 0;
        }
        rows++;
        bytes += size;
    }
    batch->starts[batch->portions] = batch->count;
}

static int insert_at_once(struct store *store, struct batch *batch, struct fault *fault)
{
    size_t failed;

    cut_portions(batch);
    return pg_pipeline(store->pg, insert_name(batch), insert_text(batch), batch->portions, portion,
                       portion_done, batch, &failed, fault);
}

/* What the stored rows replace, by the order of the items. */
static int supersede(struct store *store, const struct batch *batch, struct fault *fault)
{
    bool *stored = xcalloc(batch->item_count, sizeof *stored);
    int status;

    for (size_t i = 0; i < batch->count; i++)
        stored[batch->todo[i]] = batch->stored[i];
    status = store_supersede(store, batch->items, stored, batch->item_count, fault);
    free(stored);
    return status;
}

/* A transaction of several statements around `insert`. */
static int insert_within(struct store *store, struct batch *batch,
                         int (*insert)(struct store *store, struct batch *batch, struct fault *fault),
                         struct fault *fault)
{
    int status = pg_begin(store->pg, fault);

    if (!status && batch->supersedes)
        status = store_supersede_lock(store, batch->items, batch->item_count, fault);
    if (!status)
        status = insert(store, batch, fault);
    if (!status && batch->supersedes)
        status = supersede(store, batch, fault);
    if (!status)
        return pg_commit(store->pg, fault);
    pg_rollback(store->pg);
    return -1;
}

/* Stores what can be: afterwards each row is stored, refused, or was there in some form. */
static int insert(struct store *store, struct batch *batch, struct fault *fault)
{
    int tries = 0;

    for (;;) {
        struct fault problem = {0};
        bool fresh = batch->fresh;
        int status;

        if (store_open(store, fault))
            return -1;
        memset(batch->stored, 0, batch->count * sizeof *batch->stored);
        memset(batch->refused, 0, batch->count * sizeof *batch->refused);
        status = batch->supersedes ? insert_within(store, batch, insert_at_once, &problem)
                                   : insert_at_once(store, batch, &problem);
        if (!status)
            return 0;
        memset(batch->stored, 0, batch->count * sizeof *batch->stored);
        batch->fresh = false;
        if (fresh && store_was_there(store))
            continue;
        if (problem.class == FAULT_INPUT && !insert_within(store, batch, insert_one_by_one, &problem))
            return 0;
        if (!store_again(store, &tries)) {
            if (fault)
                *fault = problem;
            return -1;
        }
    }
}

static void settle_item(struct submission *item, enum submit_result result, const char *id,
                        const char *distribution)
{
    item->result = result;
    text_copy(item->id, sizeof item->id, id);
    text_copy(item->distribution_id, sizeof item->distribution_id, distribution);
}

static void conflict(struct submission *item, const char *what, const char *value)
{
    char shown[120];

    settle_item(item, SUBMIT_CONFLICT, "", "");
    text_copy(shown, sizeof shown, value);
    fault_set(&item->fault, FAULT_INPUT, "the %s '%s' was used for another content", what,
              text_printable(shown));
}

/* What the look-up says of one row; false where it says nothing: the row that was in the way is gone, or its
 * key is `unused`. */
static bool judge(const PGresult *result, int row_number, struct submission *item, bool *unknown_tenant,
                  bool *unused)
{
    enum { MAY = 0, SELF = 1, KEY = 4, ID = 7, SAME_TENANT = 10, FREE = 11 };
    const struct job *job = item->job;
    const struct {
        int column;
        bool holds;
        const char *what, *value;
    } matches[] = {
        {KEY, true, "idempotency key", job->idempotency_key},
        {ID, pg_bool(result, row_number, SAME_TENANT), "distribution_id", distribution_id(job)},
    };

    if (!pg_null(result, row_number, SELF)) { /* an earlier call, of which nothing was known, had committed */
        settle_item(item, SUBMIT_ACCEPTED, job->id, distribution_id(job));
        item->scheduled = job->scheduled_at_us || job->delay_ms; /* the pump of dist-route knows better */
        return true;
    }
    if (!pg_bool(result, row_number, MAY)) {
        *unknown_tenant = true;
        return true;
    }
    for (size_t i = 0; i < sizeof matches / sizeof *matches; i++) {
        int column = matches[i].column;
        bool same;

        if (pg_null(result, row_number, column))
            continue;
        same = !strcmp(pg_text(result, row_number, column + 2), item->request_hash) ||
               (column == KEY && item->key_alone);
        if (matches[i].holds && same)
            settle_item(item, SUBMIT_SAME, pg_text(result, row_number, column),
                        pg_text(result, row_number, column + 1));
        else
            conflict(item, matches[i].what, matches[i].value);
        return true;
    }
    *unused = pg_bool(result, row_number, FREE);
    return false;
}

/* The reason of the tenant's refusal is asked for once for each run of one tenant. */
static int refuse_tenant(struct store *store, struct submission *item, const struct submission **like,
                         struct fault *fault)
{
    settle_item(item, SUBMIT_REFUSED, "", "");
    if (*like && !strcmp((*like)->job->tenant_id, item->job->tenant_id)) {
        item->fault = (*like)->fault;
        return 0;
    }
    if (!store_check_tenant(store, item->job->tenant_id, &item->fault))
        fault_set(&item->fault, FAULT_INPUT, "tenant '%s' was just enabled: try again", item->job->tenant_id);
    else if (item->fault.class != FAULT_INPUT) {
        if (fault)
            *fault = item->fault;
        return -1;
    }
    *like = item;
    return 0;
}

static PGresult *look_up(struct store *store, const struct batch *batch, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    PGresult *result = NULL;

    store_arrays_init(&arrays, PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT);
    pg_params_init(&params);
    for (size_t i = 0; i < batch->count; i++) {
        const struct job *job = batch->items[batch->todo[i]].job;

        if (batch->stored[i] || batch->refused[i])
            continue;
        pg_array_add(&arrays.items[0], job->id);
        store_array_add_clean(&arrays.items[1], job->tenant_id);
        store_array_add_clean(&arrays.items[2], distribution_id(job));
        store_array_add_clean(&arrays.items[3], job->idempotency_key);
    }
    if (!store_arrays_bind(&arrays, &params, fault))
        result = store_run(store, "submit_look_up", look_up_sql, &params, fault);
    store_arrays_release(&arrays);
    return result;
}

/* Of the rows that are left. */
static int free_keys(struct store *store, const struct batch *batch, struct fault *fault)
{
    struct store_arrays arrays;
    int status;

    store_arrays_init(&arrays, PG_TEXT, PG_TEXT);
    for (size_t i = 0; i < batch->count; i++) {
        const struct job *job = batch->items[batch->todo[i]].job;

        if (!batch->free[i])
            continue;
        store_array_add_clean(&arrays.items[0], job->tenant_id);
        store_array_add_clean(&arrays.items[1], job->idempotency_key);
    }
    status = arrays.items[0].count ? store_free_keys(store, &arrays, fault) : 0;
    store_arrays_release(&arrays);
    return status;
}

static bool all_stored(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (!batch->stored[i])
            return false;
    return true;
}

/* Settles what was not inserted; what cannot be told yet is what is left in the batch. */
static int judge_all(struct store *store, struct batch *batch, struct fault *fault)
{
    const struct submission *like = NULL;
    PGresult *result = NULL;
    size_t left = 0;
    int found = 0, status = 0;

    if (!all_stored(batch) && !(result = look_up(store, batch, fault)))
        return -1;
    for (size_t i = 0; i < batch->count && !status; i++) {
        struct submission *item = &batch->items[batch->todo[i]];
        bool unknown_tenant = false, unused = false;

        if (batch->stored[i])
            settle_item(item, SUBMIT_ACCEPTED, item->job->id, distribution_id(item->job));
        else if (batch->refused[i])
            settle_item(item, SUBMIT_REFUSED, "", "");
        else if (!judge(result, found++, item, &unknown_tenant, &unused)) {
            batch->describe[left] = batch->describe[i];
            batch->free[left] = unused;
            batch->todo[left++] = batch->todo[i];
        }
        if (unknown_tenant)
            status = refuse_tenant(store, item, &like, fault);
    }
    batch->count = left;
    PQclear(result);
    return status ? status : free_keys(store, batch, fault);
}

int store_submit(struct store *store, struct submission *items, size_t count, int64_t max_age_ms,
                 struct fault *fault)
{
    struct batch batch;
    int status = 0;

    batch_init(&batch, items, count, max_age_ms);
    for (size_t i = 0; i < count; i++)
        items[i].fault = (struct fault){0}, items[i].scheduled = false;
    for (int tries = 0; batch.count && !status && tries < STORE_TRIES; tries++) {
        status = insert(store, &batch, fault);
        if (!status)
            status = judge_all(store, &batch, fault);
    }
    if (!status && batch.count)
        status = fault_set(fault, FAULT_TEMP, "%s: the rows in the way come and go", store_address(store));
    batch_release(&batch);
    return status;
}
