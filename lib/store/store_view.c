/*
 * store_view - what people and callbacks see: one job, lists, counts
 *
 * One loader fills the views of any number of jobs with three queries: jobs, deliveries, attempts.
 */
#include <stdlib.h>
#include <string.h>
#include "ceilings.h"
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

enum {
    LIST_PAGE = 200,           /* jobs whose views are in memory at once */
    LIST_ATTEMPTS_MAX = 10000, /* of one loading; the newest */
    ANY_LIMIT = 1000000000,
};

// clang-format off
static const char jobs_sql[] =
    "SELECT i.place, j.id, j.distribution_id, j.tenant_id, j.data_type, j.priority, j.content_type,"
    "    j.callback_url, j.error_message, j.status, dist_us(j.created_at), dist_us(j.completed_at),"
    "    dist_us(j.expires_at), j.body_size, j.metadata, j.replay_of, dist_us(j.scheduled_at)"
    " FROM unnest($1::uuid[]) WITH ORDINALITY AS i (id, place) JOIN distribution_jobs j ON j.id = i.id";

/* Ids of deliveries grow in the order in which the request names the targets; the callback comes last. */
static const char deliveries_sql[] =
    "SELECT d.job_id, d.id, d.target,"
    "    coalesce(d.last_destination, dist_candidate(d.candidates, d.attempts, d.budget_start, d.skipped)),"
    "    d.status, d.dead_reason, d.last_error, d.attempts, dist_us(d.due_at), dist_us(d.delivered_at),"
    "    dist_us(d.updated_at), d.replayed_as, d.kind = 'callback', d.rule"
    " FROM distribution_deliveries d WHERE d.job_id = ANY ($1::uuid[])"
    " ORDER BY d.job_id, d.kind DESC, d.id";

static const char attempts_sql[] =
    "SELECT a.delivery_id, a.destination_name, a.attempt_number, a.status, dist_us(a.started_at),"
    "    dist_us(a.completed_at), a.response_status_code, a.response_body, a.error_message, a.retry_reason"
    " FROM (SELECT * FROM distribution_attempts WHERE distribution_job_id = ANY ($1::uuid[])"
    "       ORDER BY started_at DESC LIMIT $2::bigint) a"
    " ORDER BY a.delivery_id, a.started_at, a.attempt_number";

static const char find_sql[] =
    "SELECT id, status FROM distribution_jobs WHERE distribution_id = $1"
    " UNION ALL SELECT id, status FROM distribution_jobs WHERE id = $2::uuid LIMIT 1";

/* No index has a job's status. This narrows a list down to what has the jobs of a status, where they are few among all. */
static const char unsuccessful_sql[] = " AND j.unsuccessful = $5";
static const char *const status_sql[JOB_STATUS_COUNT] = {
    [JOB_PENDING] = " AND j.id IN (SELECT job_id FROM distribution_pending WHERE $3::text IS NULL OR tenant_id = $3)",
    [JOB_ROUTED] = " AND j.id IN (SELECT job_id FROM distribution_deliveries WHERE status = 'waiting'"
                   "     UNION ALL SELECT job_id FROM distribution_deliveries WHERE status = 'queued')",
    [JOB_COMPLETED] = "",
    [JOB_PARTIAL] = unsuccessful_sql,
    [JOB_FAILED] = unsuccessful_sql,
    [JOB_EXPIRED] = unsuccessful_sql,
    [JOB_CANCELLED] = unsuccessful_sql,
};
static const char list_format[] =
    "SELECT j.id, j.created_at::text FROM distribution_jobs j"
    " WHERE (j.created_at, j.id) < ($1::timestamptz, $2::uuid)"
    "   AND ($3::text IS NULL OR j.tenant_id = $3) AND ($4::text IS NULL OR j.data_type = $4)"
    "   AND ($5::text IS NULL OR j.status = $5)%s"
    "   AND ($6::bigint IS NULL OR j.created_at >= dist_time($6::bigint))"
    "   AND ($7::bigint IS NULL OR j.created_at < dist_time($7::bigint))"
    "   AND ($8::text IS NULL OR EXISTS (SELECT 1 FROM distribution_deliveries d"
    "        WHERE d.job_id = j.id AND d.kind = 'target'"
    "          AND (d.target = $8 OR d.last_destination = $8 OR d.candidates ? $8)))"
    " ORDER BY j.created_at DESC, j.id DESC LIMIT $9::bigint";

#define COUNT_OF(status)                                                                                     \
    "SELECT coalesce(last_destination, dist_candidate(candidates, attempts, budget_start, skipped), target)"  \
    " AS name, status, created_at FROM distribution_deliveries WHERE status = '" status "'"
static const char counts_sql[] =
    "SELECT name, count(*) FILTER (WHERE status = 'waiting'), count(*) FILTER (WHERE status = 'queued'),"
    "    count(*) FILTER (WHERE status = 'dead'), dist_us(min(created_at) FILTER (WHERE status <> 'dead'))"
    " FROM (" COUNT_OF("waiting") " UNION ALL " COUNT_OF("queued") " UNION ALL " COUNT_OF("dead") ") d"
    " GROUP BY name ORDER BY name";
// clang-format on

/* --- the loader --- */

static void read_job(const PGresult *result, int row, struct job_view *view)
{
    int status = status_index(job_status_names, pg_text(result, row, 9));

    view->id = pg_text_copy(result, row, 1);
    view->distribution_id = pg_text_copy(result, row, 2);
    view->tenant_id = pg_text_copy(result, row, 3);
    view->data_type = pg_text_copy(result, row, 4);
    view->priority = pg_text_copy(result, row, 5);
    view->content_type = pg_text_copy(result, row, 6);
    view->callback_url = pg_text_copy(result, row, 7);
    view->error = pg_text_copy(result, row, 8);
    view->status = status < 0 ? JOB_PENDING : (enum job_status)status;
    view->submitted_at_us = pg_int(result, row, 10);
    view->completed_at_us = pg_int(result, row, 11);
    view->expires_at_us = pg_int(result, row, 12);
    view->body_size = pg_int(result, row, 13);
    view->metadata = store_read_json(result, row, 14);
    view->replay_of = pg_text_copy(result, row, 15);
    view->scheduled_at_us = pg_int(result, row, 16);
}

static void read_delivery(const PGresult *result, int row, struct delivery_view *view)
{
    int status = status_index(delivery_status_names, pg_text(result, row, 4));

    *view = (struct delivery_view){
        .id = pg_text_copy(result, row, 1),
        .target = pg_text_copy(result, row, 2),
        .destination = pg_text_copy(result, row, 3),
        .status = status < 0 ? DELIVERY_WAITING : (enum delivery_status)status,
        .dead_reason = pg_text_copy(result, row, 5),
        .error = pg_text_copy(result, row, 6),
        .attempts = (int)pg_int(result, row, 7),
        .due_at_us = pg_int(result, row, 8),
        .delivered_at_us = pg_int(result, row, 9),
        .updated_at_us = pg_int(result, row, 10),
        .replayed_as = pg_text_copy(result, row, 11),
        .rule = pg_text_copy(result, row, 13),
    };
}

static void read_attempt(const PGresult *result, int row, struct attempt_view *view)
{
    *view = (struct attempt_view){
        .destination = pg_text_copy(result, row, 1),
        .number = (int)pg_int(result, row, 2),
        .status = pg_text_copy(result, row, 3),
        .started_at_us = pg_int(result, row, 4),
        .completed_at_us = pg_int(result, row, 5),
        .response_code = (int)pg_int(result, row, 6),
        .response_body = pg_text_copy(result, row, 7),
        .error = pg_text_copy(result, row, 8),
        .retry_reason = pg_text_copy(result, row, 9),
    };
}

/* The rows from `row` on that have the same first column: how many. */
static int run_length(const PGresult *result, int row)
{
    int end = row + 1;

    while (end < PQntuples(result) && !strcmp(pg_text(result, row, 0), pg_text(result, end, 0)))
        end++;
    return end - row;
}

static void take_deliveries(const PGresult *result, const struct strmap *jobs, struct strmap *deliveries)
{
    for (int row = 0, run; row < PQntuples(result); row += run) {
        struct job_view *view = strmap_get(jobs, pg_text(result, row, 0));

        run = run_length(result, row);
        if (!view)
            continue;
        view->deliveries = xcalloc((size_t)run, sizeof *view->deliveries);
        for (int i = 0; i < run; i++) {
            struct delivery_view *delivery = &view->deliveries[view->delivery_count];

            if (pg_bool(result, row + i, 12))
                delivery = view->callback = xcalloc(1, sizeof *view->callback);
            else
                view->delivery_count++;
            read_delivery(result, row + i, delivery);
            strmap_put(deliveries, delivery->id, delivery);
        }
    }
}

static void take_attempts(const PGresult *result, const struct strmap *deliveries)
{
    for (int row = 0, run; row < PQntuples(result); row += run) {
        struct delivery_view *view = strmap_get(deliveries, pg_text(result, row, 0));

        run = run_length(result, row);
        if (!view)
            continue;
        view->attempt_items = xcalloc((size_t)run, sizeof *view->attempt_items);
        view->attempt_count = (size_t)run;
        for (int i = 0; i < run; i++)
            read_attempt(result, row + i, &view->attempt_items[i]);
    }
}

static PGresult *select_for(struct store *store, const char *name, const char *sql, const char *const *ids,
                            size_t count, bool limited, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    PGresult *result = NULL;

    store_arrays_init(&arrays, PG_UUID);
    pg_params_init(&params);
    store_array_add_ids(&arrays.items[0], ids, count);
    if (!store_arrays_bind(&arrays, &params, fault)) {
        if (limited)
            pg_param_int(&params, LIST_ATTEMPTS_MAX);
        result = pg_prepared(store->pg, name, sql, &params, fault);
    }
    store_arrays_release(&arrays);
    return result;
}

int store_load_views(struct store *store, const char *const *ids, size_t count, bool attempts,
                     struct job_view *views, struct fault *fault)
{
    PGresult *job_rows = NULL, *delivery_rows = NULL, *attempt_rows = NULL;
    struct strmap jobs, deliveries;
    int status = -1;

    strmap_init(&jobs);
    strmap_init(&deliveries);
    job_rows = select_for(store, "view_jobs", jobs_sql, ids, count, false, fault);
    if (!job_rows)
        goto out;
    for (int row = 0; row < PQntuples(job_rows); row++) {
        struct job_view *view = &views[pg_int(job_rows, row, 0) - 1];
        read_job(job_rows, row, view);
        strmap_put(&jobs, view->id, view);
    }
    delivery_rows = select_for(store, "view_deliveries", deliveries_sql, ids, count, false, fault);
    if (!delivery_rows)
        goto out;
    take_deliveries(delivery_rows, &jobs, &deliveries);
    if (attempts) {
        attempt_rows = select_for(store, "view_attempts", attempts_sql, ids, count, true, fault);
        if (!attempt_rows)
            goto out;
        take_attempts(attempt_rows, &deliveries);
    }
    status = 0;
out:
    PQclear(job_rows);
    PQclear(delivery_rows);
    PQclear(attempt_rows);
    strmap_release(&jobs, NULL);
    strmap_release(&deliveries, NULL);
    return status;
}

/* --- one job --- */

/* Id and status of a distribution; NULL where there is none too (INPUT). */
static PGresult *find(struct store *store, const char *distribution_id, struct fault *fault)
{
    struct pg_params params;
    PGresult *result;
    char shown[120];

    pg_params_init(&params);
    pg_param_text(&params, distribution_id);
    pg_param_text(&params, uid_is(distribution_id) ? distribution_id : NULL);
    result = store_run(store, "find_job", find_sql, &params, fault);
    if (result && !PQntuples(result)) {
        PQclear(result);
        text_copy(shown, sizeof shown, distribution_id);
        fault_set(fault, FAULT_INPUT, "there is no distribution '%s'", text_printable(shown));
        return NULL;
    }
    return result;
}

int store_view(struct store *store, const char *distribution_id, bool attempts, struct job_view *view,
               struct fault *fault)
{
    PGresult *found = find(store, distribution_id, fault);
    const char *id;
    int status;

    *view = (struct job_view){0};
    if (!found)
        return -1;
    id = pg_text(found, 0, 0);
    status = pg_begin_read(store->pg, fault);
    if (!status)
        status = store_load_views(store, &id, 1, attempts, view, fault);
    if (!status)
        status = pg_commit(store->pg, fault);
    pg_rollback(store->pg);
    PQclear(found);
    if (!status && !view->id)
        status = fault_set(fault, FAULT_INPUT, "there is no distribution '%s' any more", distribution_id);
    if (status)
        job_view_release(view);
    return status;
}

int store_job_status(struct store *store, const char *distribution_id, enum job_status *status,
                     struct fault *fault)
{
    PGresult *found = find(store, distribution_id, fault);
    int index;

    if (!found)
        return -1;
    index = status_index(job_status_names, pg_text(found, 0, 1));
    PQclear(found);
    if (index < 0)
        return fault_set(fault, FAULT_BUG, "'%s' has an unknown status", distribution_id);
    *status = (enum job_status)index;
    return 0;
}

/* --- lists --- */

/* Where the next page begins: the last row of this one. */
struct cursor {
    char at[64], id[UID_TEXT_SIZE];
};

/* Not prepared: a plan of these very filters knows which index is good for them. */
static PGresult *list_page(struct store *store, const struct job_filter *filter, const struct cursor *cursor,
                           int64_t limit, struct fault *fault)
{
    int status = filter->status ? status_index(job_status_names, filter->status) : -1;
    struct pg_params params;
    PGresult *result;
    char *sql;

    if (store_open(store, fault))
        return NULL;
    pg_params_init(&params);
    pg_param_text(&params, cursor->at);
    pg_param_text(&params, cursor->id);
    pg_param_text(&params, filter->tenant_id);
    pg_param_text(&params, filter->data_type);
    pg_param_text(&params, filter->status);
    pg_param_time(&params, filter->since_us);
    pg_param_time(&params, filter->until_us);
    pg_param_text(&params, filter->destination);
    pg_param_int(&params, limit);
    sql = xasprintf(list_format, status < 0 ? "" : status_sql[status]);
    result = pg_query(store->pg, sql, &params, fault);
    free(sql);
    return result;
}

/* The page's views, one after the other; *go_on becomes false where `row` wants no more. */
static int show_page(struct store *store, const PGresult *page,
                     int (*row)(void *arg, const struct job_view *view), void *arg, bool *go_on,
                     struct fault *fault)
{
    size_t count = (size_t)PQntuples(page);
    struct job_view *views = xcalloc(count, sizeof *views);
    const char **ids = xcalloc(count, sizeof *ids);
    int status;

    for (size_t i = 0; i < count; i++)
        ids[i] = pg_text(page, (int)i, 0);
    status = store_load_views(store, ids, count, false, views, fault);
    for (size_t i = 0; i < count; i++) {
        if (!status && *go_on && views[i].id && row(arg, &views[i]))
            *go_on = false;
        job_view_release(&views[i]);
    }
    free(views);
    free(ids);
    return status;
}

int store_list(struct store *store, const struct job_filter *filter,
               int (*row)(void *arg, const struct job_view *view), void *arg, struct fault *fault)
{
    struct cursor cursor = {"infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff"};
    int64_t left = filter->limit > 0 ? filter->limit : ANY_LIMIT;
    bool go_on = true;
    int status = 0;

    while (!status && go_on && left > 0) {
        int64_t wanted = left < LIST_PAGE ? left : LIST_PAGE;
        PGresult *page = list_page(store, filter, &cursor, wanted, fault);

        if (!page)
            return -1;
        int count = PQntuples(page);
        if (count) {
            text_copy(cursor.id, sizeof cursor.id, pg_text(page, count - 1, 0));
            text_copy(cursor.at, sizeof cursor.at, pg_text(page, count - 1, 1));
            status = show_page(store, page, row, arg, &go_on, fault);
        }
        left = count < wanted ? 0 : left - count;
        PQclear(page);
    }
    return status;
}

int store_destination_counts(struct store *store, struct destination_count **counts, size_t *count,
                             struct fault *fault)
{
    PGresult *result = store_run(store, "destination_counts", counts_sql, NULL, fault);

    *counts = NULL;
    *count = 0;
    if (!result)
        return -1;
    *count = (size_t)PQntuples(result);
    *counts = xcalloc(*count, sizeof **counts);
    for (size_t i = 0; i < *count; i++)
        (*counts)[i] = (struct destination_count){
            .destination = xstrdup(pg_text(result, (int)i, 0)),
            .waiting = pg_int(result, (int)i, 1),
            .queued = pg_int(result, (int)i, 2),
            .dead = pg_int(result, (int)i, 3),
            .oldest_open_us = pg_int(result, (int)i, 4),
        };
    PQclear(result);
    return 0;
}

void destination_counts_free(struct destination_count *counts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(counts[i].destination);
    free(counts);
}
