/*
 * store_due - the waiting queue: what is due, what is overdue, what has expired
 *
 * Any number of pumps run these at once. Claiming skips the rows that another one holds; looking takes no
 * locks and writes nothing. Lanes are found by jumping from one to the next in the index, so a lane costs the
 * same whether a row or a million of them wait in it.
 */
#include <stdlib.h>
#include <string.h>
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

/* Below every UUIDv7. */
#define FIRST_ID "00000000-0000-0000-0000-000000000000"

// clang-format off
/* The first row behind (destination, tenant, priority, again), and that of each lane behind that one. */
static const char due_lanes_sql[] =
    "WITH RECURSIVE lanes AS ("
    "    (SELECT destination, tenant_id, priority, again FROM distribution_deliveries"
    "     WHERE status = 'waiting' AND (destination, tenant_id, priority, again) > ($1::text, $2::text, $3::text, $4::boolean)"
    "     ORDER BY destination, tenant_id, priority, again LIMIT 1)"
    "    UNION ALL"
    "    SELECT n.* FROM lanes l CROSS JOIN LATERAL ("
    "        SELECT d.destination, d.tenant_id, d.priority, d.again FROM distribution_deliveries d"
    "        WHERE d.status = 'waiting'"
    "          AND (d.destination, d.tenant_id, d.priority, d.again) > (l.destination, l.tenant_id, l.priority, l.again)"
    "        ORDER BY d.destination, d.tenant_id, d.priority, d.again LIMIT 1) n"
    ") SELECT destination, tenant_id, priority, again FROM lanes l"
    " WHERE EXISTS (SELECT 1 FROM distribution_deliveries d WHERE d.status = 'waiting'"
    "    AND d.destination = l.destination AND d.tenant_id = l.tenant_id AND d.priority = l.priority"
    "    AND d.again = l.again AND d.due_at <= now())"
    " LIMIT $5::bigint";

/* An array of ids, and no join with them: how many a LIMIT gives is not known to the planner, and what it guesses of a
 * long lane made it read the whole table. */
static const char claim_sql[] =
    "WITH c AS MATERIALIZED ("
    "    SELECT d.id FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::bigint[])"
    "                     AS l (destination, tenant_id, priority, again, want)"
    "    CROSS JOIN LATERAL (SELECT w.id FROM distribution_deliveries w WHERE w.status = 'waiting'"
    "        AND w.destination = l.destination AND w.tenant_id = l.tenant_id AND w.priority = l.priority"
    "        AND w.again = l.again AND w.due_at <= now()"
    "        ORDER BY w.due_at LIMIT l.want FOR NO KEY UPDATE SKIP LOCKED) d"
    ") UPDATE distribution_deliveries d"
    " SET status = 'queued', due_at = now() + $6::bigint * interval '1 millisecond', updated_at = now()"
    " WHERE id = ANY (ARRAY(SELECT id FROM c)) AND " STORE_STATUS_IS("status", "waiting")
    " RETURNING d.id, d.job_id, d.tenant_id, d.priority";

static const char pending_lanes_sql[] =
    "WITH RECURSIVE lanes AS ("
    "    (SELECT tenant_id, priority FROM distribution_pending"
    "     WHERE (tenant_id, priority) > ($1::text, $2::text)"
    "     ORDER BY tenant_id, priority LIMIT 1)"
    "    UNION ALL"
    "    SELECT n.* FROM lanes l CROSS JOIN LATERAL ("
    "        SELECT p.tenant_id, p.priority FROM distribution_pending p"
    "        WHERE (p.tenant_id, p.priority) > (l.tenant_id, l.priority)"
    "        ORDER BY p.tenant_id, p.priority LIMIT 1) n"
    ") SELECT '', tenant_id, priority, false FROM lanes l"
    " WHERE EXISTS (SELECT 1 FROM distribution_pending p"
    "    WHERE p.tenant_id = l.tenant_id AND p.priority = l.priority AND p.due_at <= now())"
    " LIMIT $3::bigint";

/* An id begins with the time at which it was made, so one that was scheduled is older than it is due. By the submitter's
 * clock: where that is wrong, some are looked at that need not be, or later. The bound is made once, and not for each row. */
static const char pending_jobs_sql[] =
    "SELECT p.job_id, p.job_id, l.tenant_id, l.priority"
    " FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::bigint[])"
    "      AS l (destination, tenant_id, priority, again, want)"
    " CROSS JOIN LATERAL (SELECT q.job_id FROM distribution_pending q"
    "    WHERE q.tenant_id = l.tenant_id AND q.priority = l.priority"
    "    AND q.due_at <= now() AND (q.due_at <= now() - $6::bigint * interval '1 millisecond'"
    "        OR q.job_id < (SELECT (lpad(to_hex(dist_us(now()) / 1000 - $6::bigint), 12, '0') || repeat('0', 20))::uuid))"
    "    ORDER BY q.due_at, q.job_id LIMIT l.want) p";

static const char overdue_deliveries_sql[] =
    "SELECT id, job_id, tenant_id, priority FROM distribution_deliveries"
    " WHERE status = 'queued' AND id > $1::uuid AND due_at <= now() ORDER BY id LIMIT $2::bigint";
static const char queued_deliveries_sql[] =
    "SELECT id, job_id, tenant_id, priority FROM distribution_deliveries"
    " WHERE status = 'queued' AND id > $1::uuid ORDER BY id LIMIT $2::bigint";

static const char expire_deliveries_sql[] =
    "WITH e AS MATERIALIZED ("
    "    SELECT d.id, d.status = 'queued' AS queued FROM distribution_deliveries d"
    "    JOIN distribution_jobs j ON j.id = d.job_id"
    "    WHERE d.status IN ('waiting', 'queued') AND d.expires_at <= now() AND j.expires_at <= now()"
    "      AND d.kind = 'target' AND (d.status = 'waiting'"
    "           OR d.status = 'queued' AND j.expires_at <= now() - $2::bigint * interval '1 millisecond')"
    "    LIMIT $1::bigint FOR NO KEY UPDATE OF d SKIP LOCKED"
    ") UPDATE distribution_deliveries d"
    " SET status = 'expired', due_at = NULL, updated_at = now(), last_error = coalesce(d.last_error, 'expired')"
    " FROM e WHERE d.id = e.id AND d.id = ANY (ARRAY(SELECT id FROM e))"
    " RETURNING d.id, d.job_id, d.tenant_id, d.priority, e.queued";
static const char expire_jobs_sql[] =
    "WITH e AS MATERIALIZED ("
    "    SELECT j.id FROM distribution_pending p JOIN distribution_jobs j ON j.id = p.job_id"
    "    WHERE p.expires_at <= now() AND j.expires_at <= now() AND " STORE_STATUS_IS("j.status", "pending")
    "    LIMIT $1::bigint FOR NO KEY UPDATE OF j SKIP LOCKED"
    "), ended AS ("
    "    UPDATE distribution_jobs j SET status = 'expired', error_message = 'expired before it was routed',"
    "        completed_at = now(), updated_at = now()"
    "    WHERE j.id = ANY (ARRAY(SELECT id FROM e)) RETURNING j.id, j.callback_url, j.tenant_id, j.priority"
    "), called AS ("
    "    INSERT INTO distribution_deliveries (id, job_id, kind, tenant_id, priority, target, candidates, own_key,"
    "                                         status, due_at)"
    "    SELECT dist_uuid(), id, 'callback', tenant_id, priority, 'callback', '[\"callback\"]',"
    "        dist_own_key(tenant_id, callback_url), 'waiting', now()"
    "    FROM ended WHERE callback_url IS NOT NULL"
    "    ON CONFLICT ON CONSTRAINT distribution_deliveries_target DO NOTHING"
    ") SELECT count(*) FROM ended";

/* How many candidates to pass over until one is not held: 1 to n - 1, or NULL. */
#define PASS                                                                                                \
    "(SELECT min(k) FROM generate_series(1, jsonb_array_length(d.candidates) - 1) AS k"                     \
    " WHERE NOT dist_candidate(d.candidates, d.attempts, d.budget_start, d.skipped + k) = ANY ($2::text[]))"
static const char stuck_sql[] =
    "SELECT d.id, d.job_id, d.tenant_id, d.priority FROM distribution_deliveries d"
    " WHERE d.status IN ('waiting', 'queued') AND jsonb_array_length(d.candidates) > 1 AND d.destination = $1"
    "   AND " PASS " IS NOT NULL LIMIT $3::bigint";
static const char pass_over_sql[] =
    "WITH l AS MATERIALIZED ("
    "    SELECT d.id, " PASS " AS pass FROM distribution_deliveries d"
    "    WHERE d.id = ANY ($3::uuid[]) AND d.status IN ('waiting', 'queued') AND d.destination = $1"
    "    ORDER BY d.id FOR NO KEY UPDATE"
    ") UPDATE distribution_deliveries d"
    " SET skipped = d.skipped + l.pass, status = 'waiting', updated_at = now(),"
    "     due_at = CASE d.status WHEN 'queued' THEN now() ELSE d.due_at END"
    " FROM l WHERE d.id = l.id AND d.id = ANY ($3::uuid[]) AND l.pass IS NOT NULL";

static const char epoch_sql[] =
    "INSERT INTO dist_state AS s (key, value) VALUES ('redis_epoch:' || $1::bigint, $2)"
    " ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE s.value <> excluded.value";
// clang-format on

void due_lanes_release(struct due_lanes *lanes)
{
    free(lanes->items);
    *lanes = (struct due_lanes){0};
}

static int read_due(struct store *store, const char *name, const char *sql, const struct pg_params *params,
                    struct due_list *list, struct fault *fault)
{
    PGresult *result = store_run(store, name, sql, params, fault);

    if (!result)
        return -1;
    store_read_due(result, list);
    PQclear(result);
    return 0;
}

static int read_lanes(struct store *store, const char *name, const char *sql, const struct pg_params *params,
                      struct due_lanes *lanes, struct fault *fault)
{
    PGresult *result = store_run(store, name, sql, params, fault);

    if (!result)
        return -1;
    lanes->cap = lanes->count = (size_t)PQntuples(result);
    lanes->items = xcalloc(lanes->cap, sizeof *lanes->items);
    for (int row = 0; row < PQntuples(result); row++) {
        struct due_lane *lane = &lanes->items[row];

        text_copy(lane->destination, sizeof lane->destination, pg_text(result, row, 0));
        text_copy(lane->tenant_id, sizeof lane->tenant_id, pg_text(result, row, 1));
        text_copy(lane->priority, sizeof lane->priority, pg_text(result, row, 2));
        lane->again = pg_bool(result, row, 3);
    }
    PQclear(result);
    return 0;
}

int store_due_lanes(struct store *store, const struct due_lane *after, size_t limit, struct due_lanes *lanes,
                    struct fault *fault)
{
    struct pg_params params;

    pg_params_init(&params);
    pg_param_text(&params, after ? after->destination : "");
    pg_param_text(&params, after ? after->tenant_id : "");
    pg_param_text(&params, after ? after->priority : "");
    pg_param_text(&params, after && after->again ? "t" : "f");
    pg_param_int(&params, (int64_t)limit);
    return read_lanes(store, "due_lanes", due_lanes_sql, &params, lanes, fault);
}

int store_pending_lanes(struct store *store, const struct due_lane *after, size_t limit,
                        struct due_lanes *lanes, struct fault *fault)
{
    struct pg_params params;

    pg_params_init(&params);
    pg_param_text(&params, after ? after->tenant_id : "");
    pg_param_text(&params, after ? after->priority : "");
    pg_param_int(&params, (int64_t)limit);
    return read_lanes(store, "pending_lanes", pending_lanes_sql, &params, lanes, fault);
}

#define LANE_TYPES PG_TEXT, PG_TEXT, PG_TEXT, PG_BOOLEAN, PG_BIGINT

/* Those lanes of which something is wanted. */
static void add_lanes(struct store_arrays *arrays, const struct due_lanes *lanes)
{
    for (size_t i = 0; i < lanes->count; i++) {
        const struct due_lane *lane = &lanes->items[i];

        if (!lane->want)
            continue;
        pg_array_add(&arrays->items[0], lane->destination);
        pg_array_add(&arrays->items[1], lane->tenant_id);
        pg_array_add(&arrays->items[2], lane->priority);
        pg_array_add_bool(&arrays->items[3], lane->again);
        pg_array_add_int(&arrays->items[4], (int64_t)lane->want);
    }
}

int store_claim_due(struct store *store, const struct due_lanes *lanes, int64_t lease_ms,
                    struct due_list *list, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    int status;

    store_arrays_init(&arrays, LANE_TYPES);
    pg_params_init(&params);
    add_lanes(&arrays, lanes);
    status = store_arrays_bind(&arrays, &params, fault);
    if (!status) {
        pg_param_int(&params, lease_ms);
        status = read_due(store, "claim_due", claim_sql, &params, list, fault);
    }
    store_arrays_release(&arrays);
    return status;
}

int store_pending_jobs(struct store *store, const struct due_lanes *lanes, int64_t since_ms,
                       struct due_list *list, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    int status;

    store_arrays_init(&arrays, LANE_TYPES);
    pg_params_init(&params);
    add_lanes(&arrays, lanes);
    status = store_arrays_bind(&arrays, &params, fault);
    if (!status) {
        pg_param_int(&params, since_ms);
        status = read_due(store, "pending_jobs", pending_jobs_sql, &params, list, fault);
    }
    store_arrays_release(&arrays);
    return status;
}

int store_overdue_deliveries(struct store *store, bool all, const char *after, size_t limit,
                             struct due_list *list, struct fault *fault)
{
    struct pg_params params;

    pg_params_init(&params);
    pg_param_text(&params, *after ? after : FIRST_ID);
    pg_param_int(&params, (int64_t)limit);
    return all ? read_due(store, "queued_deliveries", queued_deliveries_sql, &params, list, fault)
               : read_due(store, "overdue_deliveries", overdue_deliveries_sql, &params, list, fault);
}

int store_expire(struct store *store, size_t limit, int64_t lease_ms, size_t *expired,
                 struct due_list *recall, struct fault *fault)
{
    struct pg_params params;
    struct due_list all = {0};
    PGresult *result;

    pg_params_init(&params);
    pg_param_int(&params, (int64_t)limit);
    pg_param_int(&params, lease_ms);
    result = store_run(store, "expire_deliveries", expire_deliveries_sql, &params, fault);
    if (!result)
        return -1;
    store_read_due(result, &all);
    *expired = all.count;
    for (size_t i = 0; i < all.count; i++)
        if (pg_bool(result, (int)i, 4))
            due_list_add(recall, &all.items[i]);
    due_list_release(&all);
    PQclear(result);
    pg_params_init(&params);
    pg_param_int(&params, (int64_t)limit);
    result = store_run(store, "expire_jobs", expire_jobs_sql, &params, fault);
    if (!result)
        return -1;
    *expired += (size_t)pg_int(result, 0, 0);
    PQclear(result);
    return store_forget_keys(store, limit, fault);
}

static void add_names(struct pg_array *array, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        pg_array_add(array, names[i]);
}

int store_stuck_in_group(struct store *store, const char *destination, const char *const *held, size_t limit,
                         struct due_list *list, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    int status;

    store_arrays_init(&arrays, PG_TEXT);
    pg_params_init(&params);
    pg_param_text(&params, destination);
    add_names(&arrays.items[0], held);
    status = store_arrays_bind(&arrays, &params, fault);
    if (!status) {
        pg_param_int(&params, (int64_t)limit);
        status = read_due(store, "stuck_in_group", stuck_sql, &params, list, fault);
    }
    store_arrays_release(&arrays);
    return status;
}

int store_pass_over(struct store *store, const char *destination, const char *const *held,
                    const char *const *ids, size_t count, size_t *moved, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    int status;

    store_arrays_init(&arrays, PG_TEXT, PG_UUID);
    pg_params_init(&params);
    pg_param_text(&params, destination);
    add_names(&arrays.items[0], held);
    store_array_add_ids(&arrays.items[1], ids, count);
    status = store_arrays_bind(&arrays, &params, fault);
    if (!status)
        status = store_change(store, "pass_over", pass_over_sql, &params, moved, fault);
    store_arrays_release(&arrays);
    return status;
}

int store_see_epoch(struct store *store, unsigned partition, const char *epoch, bool *changed,
                    struct fault *fault)
{
    struct pg_params params;
    size_t rows;

    pg_params_init(&params);
    pg_param_int(&params, partition);
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
