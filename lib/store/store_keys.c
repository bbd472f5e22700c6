/*
 * store_keys - idempotency keys that belong to nobody any more
 *
 * They are taken in store_submit.c, by the statement that inserts the job.
 */
#include "store_parts.h"

// clang-format off
/* A key without its job is free. One that somebody takes at this moment has another taken_at by then. */
static const char free_sql[] =
    "WITH f AS MATERIALIZED ("
    "    SELECT k.tenant_id, k.key, k.job_id, k.taken_at"
    "    FROM unnest($1::text[], $2::text[]) AS i (tenant_id, key) JOIN distribution_keys k USING (tenant_id, key)"
    "    WHERE NOT EXISTS (SELECT 1 FROM distribution_jobs j WHERE j.id = k.job_id)"
    ") DELETE FROM distribution_keys k USING f"
    " WHERE k.tenant_id = f.tenant_id AND k.key = f.key AND k.job_id = f.job_id AND k.taken_at = f.taken_at";

static const char forget_sql[] =
    "WITH f AS MATERIALIZED ("
    "    SELECT tenant_id, key FROM distribution_keys WHERE expires_at <= now()"
    "    ORDER BY expires_at LIMIT $1::bigint FOR UPDATE SKIP LOCKED"
    ") DELETE FROM distribution_keys k USING f WHERE k.tenant_id = f.tenant_id AND k.key = f.key";
// clang-format on

int store_free_keys(struct store *store, struct store_arrays *keys, struct fault *fault)
{
    struct pg_params params;

    pg_params_init(&params);
    if (store_arrays_bind(keys, &params, fault))
        return -1;
    return store_change(store, "free_keys", free_sql, &params, NULL, fault);
}

int store_forget_keys(struct store *store, size_t limit, struct fault *fault)
{
    struct pg_params params;

    pg_params_init(&params);
    pg_param_int(&params, (int64_t)limit);
    return store_change(store, "forget_keys", forget_sql, &params, NULL, fault);
}
