/*
 * store_why - what is still open of a distribution, for whoever explains why
 */
#include <stdlib.h>
#include "store_parts.h"
#include "xalloc.h"

// clang-format off
/* A pending job counts as one row; else its open deliveries. By distribution_id, or by the id of a row. */
static const char why_sql[] =
    "WITH j AS (SELECT id, tenant_id, priority, status, due_at FROM distribution_jobs"
    "    WHERE distribution_id = $1 OR id = $2::uuid"
    "       OR id = (SELECT job_id FROM distribution_deliveries WHERE id = $2::uuid))"
    " SELECT j.id, j.id, '', 'pending', '', j.tenant_id, j.priority, 0, 0, NULL, dist_us(j.due_at), j.due_at <= now()"
    " FROM j WHERE j.status = 'pending'"
    " UNION ALL"
    " SELECT d.id, d.job_id, d.target, d.status, d.destination, d.tenant_id, d.priority, d.attempts, d.budget_start,"
    "     d.last_error, dist_us(d.due_at), d.due_at <= now()"
    " FROM j JOIN distribution_deliveries d ON d.job_id = j.id WHERE d.status IN ('waiting', 'queued')"
    "   AND ($2::uuid IS NULL OR d.id = $2::uuid OR NOT EXISTS (SELECT 1 FROM distribution_deliveries WHERE id = $2::uuid))";
static const char exists_sql[] =
    "SELECT 1 FROM distribution_jobs WHERE distribution_id = $1 OR id = $2::uuid"
    " UNION ALL SELECT 1 FROM distribution_deliveries WHERE id = $2::uuid LIMIT 1";
// clang-format on

int store_open_of(struct store *store, const char *id, struct open_list *list, struct fault *fault)
{
    struct pg_params params;
    PGresult *result;

    *list = (struct open_list){0};
    pg_params_init(&params);
    pg_param_text(&params, id);
    pg_param_text(&params, uid_is(id) ? id : NULL);
    result = store_run(store, "open_of", why_sql, &params, fault);
    if (!result)
        return -1;
    list->items = xcalloc((size_t)PQntuples(result) + 1, sizeof *list->items);
    for (int row = 0; row < PQntuples(result); row++) {
        struct open_view *view = &list->items[list->count++];

        view->id = pg_text_copy(result, row, 0);
        view->job_id = pg_text_copy(result, row, 1);
        view->target = pg_text_copy(result, row, 2);
        view->status = pg_text_copy(result, row, 3);
        view->destination = pg_text_copy(result, row, 4);
        view->tenant_id = pg_text_copy(result, row, 5);
        view->priority = pg_text_copy(result, row, 6);
        view->attempts = (int)pg_int(result, row, 7);
        view->budget_start = (int)pg_int(result, row, 8);
        view->last_error = pg_text_copy(result, row, 9);
        view->due_at_us = pg_int(result, row, 10);
        view->due = pg_bool(result, row, 11);
    }
    PQclear(result);
    if (list->count)
        return 0;
    result = store_run(store, "known", exists_sql, &params, fault);
    if (!result)
        return -1;
    int known = PQntuples(result);
    PQclear(result);
    return known ? 0 : fault_set(fault, FAULT_INPUT, "no distribution '%s'", id);
}

void open_list_release(struct open_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct open_view *view = &list->items[i];

        free(view->id);
        free(view->job_id);
        free(view->target);
        free(view->status);
        free(view->destination);
        free(view->tenant_id);
        free(view->priority);
        free(view->last_error);
    }
    free(list->items);
    *list = (struct open_list){0};
}
