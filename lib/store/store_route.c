/*
 * store_route - from a pending job to its deliveries
 *
 * Any number of routers may work on one job: whoever locks it while it is pending writes its deliveries, the
 * others write nothing. The trigger on the deliveries makes it `routed`.
 */
#include <stdlib.h>
#include <string.h>
#include "catalog.h"
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

// clang-format off
static const char load_sql[] =
    "SELECT j.status = 'pending' AND coalesce(j.scheduled_at <= now(), true), dist_us(now()), " STORE_JOB_COLUMNS
    ", j.replay_of, dist_us(j.scheduled_at) FROM distribution_jobs j WHERE j.id = ANY ($1::uuid[])";

static const char queued_sql[] =
    "SELECT id, job_id, tenant_id, priority FROM distribution_deliveries"
    " WHERE job_id = $1::uuid AND status = 'queued' ORDER BY id";

static const char waiting_sql[] =
    "SELECT i.place, (SELECT count(*) FROM (SELECT 1 FROM distribution_deliveries d"
    "                 WHERE d.destination = i.destination AND d.status = 'waiting' LIMIT i.most) AS w)"
    " FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS i (destination, most, place)";

#define SAVE_SQL(conflict)                                                                                       \
    "WITH mine AS MATERIALIZED ("                                                                                \
    "    SELECT id, expires_at FROM distribution_jobs WHERE id = ANY ($1::uuid[])"                               \
    "     AND " STORE_STATUS_IS("status", "pending")                                                             \
    "    ORDER BY id FOR NO KEY UPDATE"                                                                          \
    "), ruled AS ("                                                                                              \
    "    UPDATE distribution_jobs j SET priority = r.priority, retry_policy = r.retry_policy,"                   \
    "        metadata = coalesce(r.metadata, j.metadata), replaced = r.replaced,"                                \
    "        expires_at = coalesce(greatest(j.created_at, j.scheduled_at) + r.timeout, j.expires_at),"           \
    "        lifetime = coalesce(r.timeout, j.lifetime)"                                                         \
    "    FROM (SELECT u.*, u.timeout_ms * interval '1 millisecond' AS timeout"                                   \
    "          FROM unnest($15::uuid[], $16::text[], $17::text[], $18::jsonb[], $19::bigint[], $20::boolean[])"  \
    "               AS u (id, priority, retry_policy, metadata, timeout_ms, replaced)) AS r"                     \
    "    WHERE j.id = r.id AND j.id = ANY (ARRAY(SELECT id FROM mine WHERE id = ANY ($15::uuid[])))"             \
    "    RETURNING j.id, j.expires_at"                                                                           \
    "), added AS ("                                                                                              \
    "    INSERT INTO distribution_deliveries (id, job_id, tenant_id, priority, target, candidates, inline_form," \
    "        rendering, own_key, content_type, status, due_at, expires_at, dead_reason, last_error, rule)"       \
    "    SELECT r.id, r.job_id, r.tenant_id, r.priority, r.target, r.candidates, r.inline_form, r.rendering,"    \
    "        dist_own_key(r.tenant_id, r.inline_form::text), r.content_type, r.status,"                          \
    "        CASE r.status WHEN 'queued' THEN now() + $21::bigint * interval '1 millisecond'"                    \
    "                                WHEN 'waiting' THEN now() END,"                                             \
    "        coalesce(ruled.expires_at, mine.expires_at), r.dead_reason, r.last_error, r.rule"                   \
    "    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[],"      \
    "                $9::jsonb[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[])"              \
    "         AS r (id, job_id, tenant_id, priority, target, candidates, inline_form, rendering, content_type,"  \
    "               status, dead_reason, last_error, rule)"                                                      \
    "    JOIN mine ON mine.id = r.job_id LEFT JOIN ruled ON ruled.id = r.job_id"                                 \
    conflict                                                                                                     \
    "    RETURNING job_id"                                                                                       \
    ") SELECT DISTINCT job_id FROM added"
static const char save_sql[] = SAVE_SQL("");
/* Where a target is named twice. */
static const char save_again_sql[] = SAVE_SQL(" ON CONFLICT ON CONSTRAINT distribution_deliveries_target DO NOTHING");

/*
 * A dead delivery for each destination, or one for a job that names none, so that the dead letters tell of it and a
 * replay has something to open: without candidates, they are routed then. The trigger counts them after this statement,
 * and finds the job failed. The callback is inserted here too.
 */
static const char fail_sql[] =
    "WITH job AS MATERIALIZED ("
    "    SELECT id, tenant_id, priority, callback_url, destinations, expires_at FROM distribution_jobs"
    "    WHERE id = $1::uuid AND " STORE_STATUS_IS("status", "pending") " FOR NO KEY UPDATE"
    "), failed AS ("
    "    UPDATE distribution_jobs j SET status = 'failed', error_message = $2::text, completed_at = now(),"
    "        updated_at = now()"
    "    FROM job WHERE j.id = job.id"
    ") INSERT INTO distribution_deliveries (id, job_id, kind, tenant_id, priority, target, candidates, inline_form,"
    "                                       own_key, status, due_at, expires_at, dead_reason, last_error)"
    " SELECT dist_uuid(), job.id, 'target', job.tenant_id, job.priority, e.element ->> 'name', '[]'::jsonb,"
    "     e.form, dist_own_key(job.tenant_id, e.form::text), 'dead', NULL, job.expires_at, 'poison', $2::text"
    " FROM job CROSS JOIN LATERAL (SELECT element, CASE WHEN element - 'name' <> '{}' THEN element END AS form"
    "     FROM jsonb_array_elements(CASE job.destinations WHEN '[]' THEN '[{\"name\": \"" CATALOG_NO_TARGET "\"}]'"
    "                               ELSE job.destinations END) AS element) AS e"
    " UNION ALL"
    " SELECT dist_uuid(), job.id, 'callback', job.tenant_id, job.priority, 'callback', '[\"callback\"]', NULL,"
    "     dist_own_key(job.tenant_id, job.callback_url), 'waiting', now(), NULL, NULL, NULL"
    " FROM job WHERE job.callback_url IS NOT NULL"
    " ON CONFLICT ON CONSTRAINT distribution_deliveries_target DO NOTHING";
// clang-format on

int store_load_jobs(struct store *store, const char *const *ids, size_t count, struct job **jobs,
                    bool *routed, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    struct strmap rows;
    PGresult *result = NULL;
    int64_t ahead_us;

    for (size_t i = 0; i < count; i++) {
        jobs[i] = NULL;
        routed[i] = false;
    }
    store_arrays_init(&arrays, PG_UUID);
    pg_params_init(&params);
    store_array_add_ids(&arrays.items[0], ids, count);
    if (!store_arrays_bind(&arrays, &params, fault))
        result = store_run(store, "load_jobs", load_sql, &params, fault);
    store_arrays_release(&arrays);
    if (!result)
        return -1;
    ahead_us = store_clock_ahead_us(result, 1);
    store_rows_by_id(result, 2, &rows);
    for (size_t i = 0; i < count; i++) {
        int row = store_row_of(&rows, ids[i]);

        routed[i] = row >= 0 && !pg_bool(result, row, 0);
        if (row < 0 || routed[i])
            continue;
        jobs[i] = store_read_job(result, row, 2);
        jobs[i]->expires_at_us = store_local_us(jobs[i]->expires_at_us, ahead_us);
        text_copy(jobs[i]->replay_of, sizeof jobs[i]->replay_of,
                  pg_text(result, row, 2 + STORE_JOB_COLUMN_COUNT));
        jobs[i]->scheduled_at_us = pg_int(result, row, 3 + STORE_JOB_COLUMN_COUNT);
    }
    strmap_release(&rows, NULL);
    PQclear(result);
    return 0;
}

int store_queued_of_job(struct store *store, const char *job_id, struct due_list *list, struct fault *fault)
{
    struct pg_params params;
    PGresult *result;

    if (!uid_is(job_id))
        return 0;
    pg_params_init(&params);
    pg_param_text(&params, job_id);
    result = store_run(store, "queued_of_job", queued_sql, &params, fault);
    if (!result)
        return -1;
    store_read_due(result, list);
    PQclear(result);
    return 0;
}

int store_count_waiting(struct store *store, struct waiting_count *items, size_t count, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    PGresult *result = NULL;

    store_arrays_init(&arrays, PG_TEXT, PG_BIGINT);
    pg_params_init(&params);
    for (size_t i = 0; i < count; i++) {
        items[i].count = 0;
        pg_array_add(&arrays.items[0], items[i].destination);
        pg_array_add_int(&arrays.items[1], items[i].limit);
    }
    if (!store_arrays_bind(&arrays, &params, fault))
        result = store_run(store, "count_waiting", waiting_sql, &params, fault);
    store_arrays_release(&arrays);
    if (!result)
        return -1;
    for (int row = 0; row < PQntuples(result); row++)
        items[pg_int(result, row, 0) - 1].count = pg_int(result, row, 1);
    PQclear(result);
    return 0;
}

static void add_delivery(struct store_arrays *arrays, const struct job *job, const struct delivery *delivery)
{
    struct pg_array *item = &arrays->items[1];
    json_t *candidates = json_array();
    bool dead = delivery->status == DELIVERY_DEAD;

    for (size_t i = 0; i < delivery->candidate_count; i++)
        json_array_append_new(candidates, json_string(delivery->candidates[i]));
    pg_array_add(item++, delivery->id);
    pg_array_add(item++, job->id);
    pg_array_add(item++, job->tenant_id);
    pg_array_add(item++, priority_names[job->priority]);
    pg_array_add(item++, delivery->target);
    store_array_add_json(item++, candidates);
    store_array_add_json(item++, delivery->inline_form);
    store_array_add_json(item++, delivery->rendering);
    store_array_add_clean(item++, delivery->content_type);
    pg_array_add(item++, delivery_status_names[delivery->status]);
    pg_array_add(item++, dead ? dead_reason_names[delivery->dead_reason] : NULL);
    store_array_add_clean(item++, delivery->last_error);
    pg_array_add(item, delivery->rule);
    json_decref(candidates);
}

/* What rules set of the job. */
static void add_ruled(struct store_arrays *arrays, const struct job *job)
{
    struct pg_array *item = &arrays->items[14];

    pg_array_add(item++, job->id);
    pg_array_add(item++, priority_names[job->priority]);
    pg_array_add(item++, job->retry_policy);
    store_array_add_json(item++, job->metadata_ruled ? job->metadata : NULL);
    pg_array_add_nonzero(item++, job->timeout_ms);
    pg_array_add_bool(item, job->replaced);
}

static int save_some(struct store *store, struct routing *items, size_t count, int64_t lease_ms,
                     struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    struct strmap saved; /* ids of jobs */
    struct fault problem = {0};
    PGresult *result = NULL;

    store_arrays_init(&arrays, PG_UUID, /* of add_delivery() */ PG_UUID, PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT,
                      PG_JSONB, PG_JSONB, PG_JSONB, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT,
                      /* of add_ruled() */ PG_UUID, PG_TEXT, PG_TEXT, PG_JSONB, PG_BIGINT, PG_BOOLEAN);
    pg_params_init(&params);
    for (size_t i = 0; i < count; i++) {
        pg_array_add(&arrays.items[0], items[i].job->id);
        if (items[i].job->ruled)
            add_ruled(&arrays, items[i].job);
        for (size_t k = 0; k < items[i].deliveries.count; k++)
            add_delivery(&arrays, items[i].job, items[i].deliveries.items[k]);
    }
    if (!store_arrays_bind(&arrays, &params, fault)) {
        pg_param_int(&params, lease_ms);
        result = store_run(store, "save_routings", save_sql, &params, &problem);
        if (!result && store_was_there(store))
            result = store_run(store, "save_routings_again", save_again_sql, &params, &problem);
        if (!result && fault)
            *fault = problem;
    }
    store_arrays_release(&arrays);
    if (!result)
        return -1;
    strmap_init(&saved);
    for (int row = 0; row < PQntuples(result); row++)
        strmap_put(&saved, pg_text(result, row, 0), result);
    for (size_t i = 0; i < count; i++)
        items[i].saved = strmap_remove(&saved, items[i].job->id) != NULL;
    strmap_release(&saved, NULL);
    PQclear(result);
    return 0;
}

/* A job may have LIMIT_TARGETS deliveries: so many jobs go into one transaction that their deliveries are
 * few. */
int store_save_routings(struct store *store, struct routing *items, size_t count, int64_t lease_ms,
                        struct fault *fault)
{
    for (size_t start = 0, next; start < count; start = next) {
        size_t deliveries = 0;

        for (next = start; next < count && (next == start || deliveries < STORE_CHUNK); next++)
            deliveries += items[next].deliveries.count;
        if (save_some(store, &items[start], next - start, lease_ms, fault))
            return -1;
    }
    return 0;
}

int store_fail_job(struct store *store, const char *job_id, const char *why, struct fault *fault)
{
    struct pg_params params;
    char *clean;
    int status;

    if (!uid_is(job_id))
        return 0;
    clean = store_clean(why);
    pg_params_init(&params);
    pg_param_text(&params, job_id);
    pg_param_text(&params, clean);
    status = store_change(store, "fail_job", fail_sql, &params, NULL, fault);
    free(clean);
    return status;
}
