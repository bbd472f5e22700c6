/*
 * store_due - the waiting queue: what is due, what is overdue, what has expired
 *
 * Any number of pumps run these at once. Claiming skips the rows that another one holds; looking at what is
 * overdue takes no locks and writes nothing.
 */
#include <stdlib.h>
#include <string.h>
#include "store_parts.h"

/* Below every UUIDv7. */
#define FIRST_ID "00000000-0000-0000-0000-000000000000"

// clang-format off
static const char claim_sql[] =
    "WITH c AS MATERIALIZED ("
    "    SELECT id FROM distribution_deliveries WHERE status = 'waiting' AND due_at <= now()"
    "    ORDER BY due_at LIMIT $1::bigint FOR NO KEY UPDATE SKIP LOCKED"
    ") UPDATE distribution_deliveries d"
    " SET status = 'queued', due_at = now() + $2::bigint * interval '1 millisecond', updated_at = now()"
    " FROM c WHERE d.id = c.id RETURNING d.id";

static const char overdue_deliveries_sql[] =
    "SELECT id FROM distribution_deliveries WHERE status = 'queued' AND id > $1::uuid AND due_at <= now()"
    " ORDER BY id LIMIT $2::bigint";
static const char queued_deliveries_sql[] =
    "SELECT id FROM distribution_deliveries WHERE status = 'queued' AND id > $1::uuid ORDER BY id LIMIT $2::bigint";
static const char overdue_jobs_sql[] =
    "SELECT id FROM distribution_jobs WHERE status = 'pending' AND id > $1::uuid AND due_at <= now()"
    " ORDER BY id LIMIT $2::bigint";
static const char pending_jobs_sql[] =
    "SELECT id FROM distribution_jobs WHERE status = 'pending' AND id > $1::uuid"
    "   AND coalesce(scheduled_at <= now(), true) ORDER BY id LIMIT $2::bigint";

static const char expire_deliveries_sql[] =
    "WITH e AS MATERIALIZED ("
    "    SELECT d.id FROM distribution_jobs j JOIN distribution_deliveries d ON d.job_id = j.id"
    "    WHERE j.status IN ('pending', 'routed') AND j.expires_at <= now()"
    "      AND d.status = 'waiting' AND d.kind = 'target'"
    "    LIMIT $1::bigint FOR NO KEY UPDATE OF d SKIP LOCKED"
    ") UPDATE distribution_deliveries d"
    " SET status = 'expired', due_at = NULL, updated_at = now(), last_error = coalesce(d.last_error, 'expired')"
    " FROM e WHERE d.id = e.id";
static const char expire_jobs_sql[] =
    "WITH e AS MATERIALIZED ("
    "    SELECT id FROM distribution_jobs WHERE status = 'pending' AND expires_at <= now()"
    "    LIMIT $1::bigint FOR NO KEY UPDATE SKIP LOCKED"
    "), ended AS ("
    "    UPDATE distribution_jobs j SET status = 'expired', error_message = 'expired before it was routed',"
    "        completed_at = now(), updated_at = now()"
    "    FROM e WHERE j.id = e.id RETURNING j.id, j.callback_url, j.tenant_id, j.priority"
    "), called AS ("
    "    INSERT INTO distribution_deliveries (id, job_id, kind, tenant_id, priority, target, candidates, status,"
    "                                         due_at)"
    "    SELECT dist_uuid(), id, 'callback', tenant_id, priority, 'callback', '[\"callback\"]', 'waiting', now()"
    "    FROM ended WHERE callback_url IS NOT NULL"
    "    ON CONFLICT ON CONSTRAINT distribution_deliveries_target DO NOTHING"
    ") SELECT count(*) FROM ended";

static const char epoch_sql[] =
    "INSERT INTO dist_state AS s (key, value) VALUES ('redis_epoch', $1)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE s.value <> excluded.value";
// clang-format on

static int read_ids(struct store *store, const char *name, const char *sql, const struct pg_params *params,
                    struct due_list *list, struct fault *fault)
{
    PGresult *result = store_run(store, name, sql, params, fault);

    if (!result)
        return -1;
    store_read_ids(result, list);
    PQclear(result);
    return 0;
}

int store_claim_due(struct store *store, size_t limit, int64_t lease_ms, struct due_list *list,
                    struct fault *fault)
{
    struct pg_params params;

    pg_params_init(&params);
    pg_param_int(&params, (int64_t)limit);
    pg_param_int(&params, lease_ms);
    return read_ids(store, "claim_due", claim_sql, &params, list, fault);
}

static int look(struct store *store, const char *name, const char *sql, const char *after, size_t limit,
                struct due_list *list, struct fault *fault)
{
    struct pg_params params;

    pg_params_init(&params);
    pg_param_text(&params, *after ? after : FIRST_ID);
    pg_param_int(&params, (int64_t)limit);
    return read_ids(store, name, sql, &params, list, fault);
}

int store_overdue_deliveries(struct store *store, bool all, const char *after, size_t limit,
                             struct due_list *list, struct fault *fault)
{
    return all ? look(store, "queued_deliveries", queued_deliveries_sql, after, limit, list, fault)
               : look(store, "overdue_deliveries", overdue_deliveries_sql, after, limit, list, fault);
}

int store_overdue_jobs(struct store *store, bool all, const char *after, size_t limit, struct due_list *list,
                       struct fault *fault)
{
    return all ? look(store, "pending_jobs", pending_jobs_sql, after, limit, list, fault)
               : look(store, "overdue_jobs", overdue_jobs_sql, after, limit, list, fault);
}

int store_expire(struct store *store, size_t limit, size_t *expired, struct fault *fault)
{
    struct pg_params params;
    PGresult *result;

    pg_params_init(&params);
    pg_param_int(&params, (int64_t)limit);
    if (store_change(store, "expire_deliveries", expire_deliveries_sql, &params, expired, fault))
        return -1;
    result = store_run(store, "expire_jobs", expire_jobs_sql, &params, fault);
    if (!result)
        return -1;
    *expired += (size_t)pg_int(result, 0, 0);
    PQclear(result);
    return store_forget_keys(store, limit, fault);
}

int store_see_epoch(struct store *store, const char *epoch, bool *changed, struct fault *fault)
{
    struct pg_params params;
    size_t rows;

    pg_params_init(&params);
    pg_param_text(&params, epoch);
    if (store_change(store, "see_epoch", epoch_sql, &params, &rows, fault))
        return -1;
    *changed = rows > 0;
    return 0;
}

int store_make_partitions(struct store *store, struct fault *fault)
{
    return store_change(store, "make_partitions", "SELECT dist_make_partitions()", NULL, NULL, fault);
}
