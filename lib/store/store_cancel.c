/*
 * store_cancel - ending what is open: by hand, or because a newer report has come
 *
 * Two statements in this order, each with a snapshot of its own. First the pending jobs: whoever routes one
 * of them at this moment is waited for, and has it routed by then. So the second one, which cancels what is
 * waiting or queued, sees the deliveries of all that was not cancelled by the first. Rows are locked in the
 * order of their ids, deliveries before jobs, as everywhere. What is in flight ends by its outcome: a success
 * moves it from cancelled to delivered (store_deliver.c).
 */
#include <stdlib.h>
#include <string.h>
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

// clang-format off
static const char cancel_jobs_sql[] =
    "WITH i AS MATERIALIZED ("
    "    SELECT * FROM unnest($1::uuid[], $2::text[]) AS i (id, why)"
    "), l AS MATERIALIZED ("
    "    SELECT id FROM distribution_jobs WHERE id = ANY ($1::uuid[]) AND " STORE_STATUS_IS("status", "pending")
    "    ORDER BY id FOR NO KEY UPDATE"
    "), ended AS ("
    "    UPDATE distribution_jobs j SET status = 'cancelled', error_message = i.why, completed_at = now(),"
    "        updated_at = now()"
    "    FROM i JOIN l USING (id) WHERE j.id = i.id AND j.id = ANY ($1::uuid[]) RETURNING j.id, j.callback_url, j.tenant_id, j.priority"
    "), called AS ("
    "    INSERT INTO distribution_deliveries (id, job_id, kind, tenant_id, priority, target, candidates, own_key,"
    "                                         status, due_at)"
    "    SELECT dist_uuid(), id, 'callback', tenant_id, priority, 'callback', '[\"callback\"]',"
    "        dist_own_key(tenant_id, callback_url), 'waiting', now()"
    "    FROM ended WHERE callback_url IS NOT NULL"
    "    ON CONFLICT ON CONSTRAINT distribution_deliveries_target DO NOTHING"
    ") SELECT id FROM ended";

static const char cancel_deliveries_sql[] =
    "WITH i AS MATERIALIZED ("
    "    SELECT * FROM unnest($1::uuid[], $2::text[]) AS i (id, why)"
    "), l AS MATERIALIZED ("
    "    SELECT d.id, i.why FROM i JOIN distribution_deliveries d ON d.job_id = i.id"
    "    WHERE d.job_id = ANY ($1::uuid[]) AND d.kind = 'target' AND d.status IN ('waiting', 'queued')"
    "    ORDER BY d.id FOR NO KEY UPDATE OF d"
    "), moved AS ("
    "    UPDATE distribution_deliveries d SET status = 'cancelled', due_at = NULL, last_error = l.why,"
    "        updated_at = now()"
    "    FROM l WHERE d.id = l.id AND d.id = ANY (ARRAY(SELECT id FROM l)) RETURNING d.job_id"
    ") SELECT job_id, count(*) FROM moved GROUP BY job_id";

static const char find_sql[] =
    "SELECT i.place, j.id, j.distribution_id, j.status"
    " FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS i (distribution_id, id, place)"
    " JOIN LATERAL ("
    "    SELECT id, distribution_id, status FROM distribution_jobs WHERE distribution_id = i.distribution_id"
    "    UNION ALL SELECT id, distribution_id, status FROM distribution_jobs WHERE id = i.id LIMIT 1"
    " ) j ON true";

/* The number of the lock is made of tenant and key; where two make the same, one submitter waits for nothing. */
static const char supersede_lock_sql[] =
    "SELECT pg_advisory_xact_lock(l.number) FROM ("
    "    SELECT DISTINCT hashtextextended('dist_supersede ' || u.tenant_id || ' ' || u.key, 0) AS number"
    "    FROM unnest($1::text[], $2::text[]) AS u (tenant_id, key) ORDER BY 1) l";

/* One from a spool is as old as its spooling, and may be what is replaced. */
static const char older_sql[] =
    "WITH u AS MATERIALIZED ("
    "    SELECT tenant_id, key, id, newest, dist_time(spooled_us) AS spooled_at"
    "    FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::bigint[])"
    "         AS u (tenant_id, key, id, newest, spooled_us)"
    ") SELECT j.id, 'superseded by ' || u.newest FROM u"
    " JOIN distribution_jobs j ON j.tenant_id = u.tenant_id AND j.open_supersede_key = u.key AND j.id <> u.id"
    "     AND (u.spooled_at IS NULL OR j.created_at <= u.spooled_at)"
    " UNION ALL"
    " SELECT u.id, 'superseded by ' || j.distribution_id FROM u CROSS JOIN LATERAL ("
    "     SELECT distribution_id FROM distribution_jobs"
    "     WHERE tenant_id = u.tenant_id AND supersede_key = u.key AND id <> u.id AND created_at > u.spooled_at"
    "     ORDER BY created_at DESC LIMIT 1) j";
// clang-format on

/* A statement within the caller's transaction. */
static PGresult *run(struct store *store, const char *name, const char *sql, struct store_arrays *arrays,
                     struct fault *fault)
{
    struct pg_params params;

    pg_params_init(&params);
    if (store_arrays_bind(arrays, &params, fault))
        return NULL;
    return pg_prepared(store->pg, name, sql, &params, fault);
}

/* Ids and reasons in `arrays`; the results are the caller's. */
static int cancel_open(struct store *store, struct store_arrays *arrays, PGresult **jobs,
                       PGresult **deliveries, struct fault *fault)
{
    *deliveries = NULL;
    *jobs = run(store, "cancel_jobs", cancel_jobs_sql, arrays, fault);
    if (*jobs)
        *deliveries = run(store, "cancel_deliveries", cancel_deliveries_sql, arrays, fault);
    return *deliveries ? 0 : -1;
}

/* --- superseding --- */

int store_supersede_lock(struct store *store, const struct submission *items, size_t count,
                         struct fault *fault)
{
    struct store_arrays arrays;
    PGresult *result;

    store_arrays_init(&arrays, PG_TEXT, PG_TEXT);
    for (size_t i = 0; i < count; i++) {
        if (!items[i].job->supersede_key)
            continue;
        store_array_add_clean(&arrays.items[0], items[i].job->tenant_id);
        store_array_add_clean(&arrays.items[1], items[i].job->supersede_key);
    }
    result = run(store, "supersede_lock", supersede_lock_sql, &arrays, fault);
    store_arrays_release(&arrays);
    PQclear(result);
    return result ? 0 : -1;
}

/* Whether a later one of the stored items has the same tenant and key. */
static bool has_newer(const struct submission *items, const bool *stored, size_t count, size_t at)
{
    const struct job *job = items[at].job;

    for (size_t i = at + 1; i < count; i++)
        if (stored[i] && items[i].job->supersede_key &&
            !strcmp(items[i].job->supersede_key, job->supersede_key) &&
            !strcmp(items[i].job->tenant_id, job->tenant_id))
            return true;
    return false;
}

int store_supersede(struct store *store, const struct submission *items, const bool *stored, size_t count,
                    struct fault *fault)
{
    struct store_arrays newest, older;
    PGresult *found, *jobs = NULL, *deliveries = NULL;
    int status = -1;

    store_arrays_init(&newest, PG_TEXT, PG_TEXT, PG_UUID, PG_TEXT, PG_BIGINT);
    store_arrays_init(&older, PG_UUID, PG_TEXT);
    for (size_t i = 0; i < count; i++) {
        const struct job *job = items[i].job;

        if (!stored[i] || !job->supersede_key || has_newer(items, stored, count, i))
            continue;
        store_array_add_clean(&newest.items[0], job->tenant_id);
        store_array_add_clean(&newest.items[1], job->supersede_key);
        pg_array_add(&newest.items[2], job->id);
        store_array_add_clean(&newest.items[3], job->distribution_id ? job->distribution_id : job->id);
        pg_array_add_nonzero(&newest.items[4], items[i].spooled_at_us);
    }
    found = run(store, "supersede_find", older_sql, &newest, fault);
    if (!found)
        goto out;
    status = 0;
    if (!PQntuples(found))
        goto out;
    for (int row = 0; row < PQntuples(found); row++) {
        pg_array_add(&older.items[0], pg_text(found, row, 0));
        pg_array_add(&older.items[1], pg_text(found, row, 1));
    }
    status = cancel_open(store, &older, &jobs, &deliveries, fault);
out:
    PQclear(found);
    PQclear(jobs);
    PQclear(deliveries);
    store_arrays_release(&newest);
    store_arrays_release(&older);
    return status;
}

/* --- by hand --- */

static PGresult *find(struct store *store, struct cancellation *items, size_t count, struct fault *fault)
{
    struct store_arrays arrays;
    PGresult *result;

    store_arrays_init(&arrays, PG_TEXT, PG_UUID);
    for (size_t i = 0; i < count; i++) {
        store_array_add_clean(&arrays.items[0], items[i].distribution_id);
        pg_array_add(&arrays.items[1], uid_is(items[i].distribution_id) ? items[i].distribution_id : NULL);
        items[i].found = false;
        items[i].cancelled = 0;
        *items[i].id = '\0';
    }
    result = run(store, "cancel_find", find_sql, &arrays, fault);
    store_arrays_release(&arrays);
    for (int row = 0; row < PQntuples(result); row++) {
        struct cancellation *item = &items[pg_int(result, row, 0) - 1];
        int status = status_index(job_status_names, pg_text(result, row, 3));

        item->found = true;
        item->before = status < 0 ? JOB_PENDING : (enum job_status)status;
        text_copy(item->id, sizeof item->id, pg_text(result, row, 1));
    }
    return result;
}

static void note(struct cancellation *items, size_t count, const PGresult *jobs, const PGresult *deliveries)
{
    struct strmap cancelled, was_pending;

    strmap_init(&cancelled);
    strmap_init(&was_pending);
    for (int row = 0; row < PQntuples(deliveries); row++)
        strmap_put(&cancelled, pg_text(deliveries, row, 0), PQgetvalue(deliveries, row, 1));
    for (int row = 0; row < PQntuples(jobs); row++)
        strmap_put(&was_pending, pg_text(jobs, row, 0), items);
    for (size_t i = 0; i < count; i++) {
        const char *number = items[i].found ? strmap_get(&cancelled, items[i].id) : NULL;

        items[i].cancelled = number ? strtoull(number, NULL, 10) : 0;
        items[i].whole = items[i].found && strmap_get(&was_pending, items[i].id);
    }
    strmap_release(&cancelled, NULL);
    strmap_release(&was_pending, NULL);
}

static int cancel(struct store *store, struct cancellation *items, size_t count, const char *why,
                  struct fault *fault)
{
    struct store_arrays arrays;
    PGresult *found, *jobs = NULL, *deliveries = NULL;
    struct strmap seen; /* an id that is given twice is one */
    int status = -1;

    store_arrays_init(&arrays, PG_UUID, PG_TEXT);
    strmap_init(&seen);
    found = find(store, items, count, fault);
    if (!found)
        goto out;
    for (size_t i = 0; i < count; i++) {
        if (!items[i].found || strmap_put(&seen, items[i].id, items))
            continue;
        pg_array_add(&arrays.items[0], items[i].id);
        pg_array_add(&arrays.items[1], why);
    }
    status = cancel_open(store, &arrays, &jobs, &deliveries, fault);
    if (!status)
        note(items, count, jobs, deliveries);
out:
    PQclear(found);
    PQclear(jobs);
    PQclear(deliveries);
    strmap_release(&seen, NULL);
    store_arrays_release(&arrays);
    return status;
}

static int cancel_some(struct store *store, struct cancellation *items, size_t count, const char *why,
                       struct fault *fault)
{
    int tries = 0;

    for (;;) {
        struct fault problem = {0};
        int status = store_open(store, &problem);

        if (!status)
            status = pg_begin(store->pg, &problem);
        if (!status)
            status = cancel(store, items, count, why, &problem);
        if (!status)
            status = pg_commit(store->pg, &problem);
        if (!status)
            return 0;
        pg_rollback(store->pg);
        if (store_again(store, &tries))
            continue;
        if (fault)
            *fault = problem;
        return -1;
    }
}

int store_cancel(struct store *store, struct cancellation *items, size_t count, const char *why,
                 struct fault *fault)
{
    for (size_t at = 0; at < count; at += STORE_CHUNK) {
        size_t some = count - at < STORE_CHUNK ? count - at : STORE_CHUNK;

        if (cancel_some(store, items + at, some, why, fault))
            return -1;
    }
    return 0;
}
