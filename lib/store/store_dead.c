/*
 * store_dead - the dead letter queue: it is the deliveries in status `dead`, nothing else
 *
 * Lists go page by page from the newest death, so that a million of them needs the memory of one page, and
 * none is left out. The way back is in store_replay.c.
 */
#include <stdlib.h>
#include <string.h>
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

enum { DEAD_PAGE = 500 };

#define DEAD_DESTINATION                                                                                     \
    "coalesce(d.last_destination, dist_candidate(d.candidates, d.attempts, d.budget_start, d.skipped), "     \
    "d.target)"

// clang-format off
static const char list_sql[] =
    "SELECT d.id, j.distribution_id, j.tenant_id, j.data_type, d.target, " DEAD_DESTINATION ", d.priority,"
    "    d.dead_reason, d.last_error, coalesce(d.content_type, j.content_type), d.attempts, d.last_code,"
    "    dist_us(d.updated_at), dist_us(j.created_at), j.body_size, d.updated_at::text, d.replays,"
    "    d.replay_batch, j.replay_of, d.kind = 'callback'"
    " FROM distribution_deliveries d JOIN distribution_jobs j ON j.id = d.job_id"
    " WHERE d.status = 'dead' AND (d.updated_at, d.id) < ($1::timestamptz, $2::uuid)"
    "   AND ($3::text IS NULL OR d.tenant_id = $3)"
    "   AND ($4::text IS NULL OR d.target = $4 OR " DEAD_DESTINATION " = $4)"
    "   AND ($5::text IS NULL OR d.dead_reason = $5) AND ($6::text IS NULL OR j.data_type = $6)"
    "   AND ($7::text IS NULL OR position(lower($7) IN lower(d.last_error)) > 0)"
    "   AND ($8::bigint IS NULL OR d.updated_at >= dist_time($8::bigint))"
    "   AND ($9::bigint IS NULL OR d.updated_at < dist_time($9::bigint))"
    "   AND ($10::text[] IS NULL OR d.id IN (SELECT unnest($11::uuid[])"
    "        UNION SELECT n.id FROM distribution_jobs k JOIN distribution_deliveries n ON n.job_id = k.id"
    "              WHERE k.distribution_id = ANY ($10::text[])"
    "        UNION SELECT n.id FROM distribution_deliveries n WHERE n.job_id = ANY ($11::uuid[])))"
    " ORDER BY d.updated_at DESC, d.id DESC LIMIT $12::bigint";

static const char load_sql[] =
    "SELECT " STORE_DELIVERY_COLUMNS ", j.replay_of"
    " FROM distribution_deliveries d JOIN distribution_jobs j ON j.id = d.job_id"
    " WHERE d.id = $1::uuid AND " STORE_STATUS_IS("d.status", "dead");

static const char drop_sql[] =
    "WITH l AS MATERIALIZED ("
    "    SELECT id FROM distribution_deliveries WHERE id = ANY ($1::uuid[]) AND " STORE_STATUS_IS("status", "dead")
    "    ORDER BY id FOR NO KEY UPDATE"
    ") UPDATE distribution_deliveries d SET status = 'cancelled', dead_reason = NULL, updated_at = now()"
    " WHERE d.id = ANY (ARRAY(SELECT id FROM l))";
// clang-format on

/* The ids as texts, and those of them that are UUIDs as such. */
static void add_ids(const struct dead_filter *filter, struct store_arrays *arrays)
{
    for (size_t i = 0; i < filter->id_count; i++)
        store_array_add_clean(&arrays->items[0], filter->ids[i]);
    store_array_add_ids(&arrays->items[1], filter->ids, filter->id_count);
}

/* Not prepared: a plan of these very filters knows which index is good for them. */
static PGresult *list_page(struct store *store, const void *arg, const struct store_cursor *cursor,
                           int64_t limit, struct fault *fault)
{
    const struct dead_filter *filter = arg;
    struct store_arrays arrays;
    struct pg_params params;
    PGresult *result = NULL;

    store_arrays_init(&arrays, PG_TEXT, PG_UUID);
    add_ids(filter, &arrays);
    pg_params_init(&params);
    pg_param_text(&params, cursor->at);
    pg_param_text(&params, cursor->id);
    pg_param_text(&params, filter->tenant_id);
    pg_param_text(&params, filter->destination);
    pg_param_text(&params, filter->reason);
    pg_param_text(&params, filter->data_type);
    pg_param_text(&params, filter->error);
    pg_param_time(&params, filter->since_us);
    pg_param_time(&params, filter->until_us);
    if (store_arrays_bind(&arrays, &params, fault) || store_open(store, fault))
        goto out;
    if (!filter->id_count)
        params.values[params.count - 2] = NULL;
    pg_param_int(&params, limit);
    result = pg_query(store->pg, list_sql, &params, fault);
out:
    store_arrays_release(&arrays);
    return result;
}

static void read_dead(const PGresult *result, int row, struct dead_view *view)
{
    *view = (struct dead_view){
        .delivery_id = pg_text_copy(result, row, 0),
        .distribution_id = pg_text_copy(result, row, 1),
        .tenant_id = pg_text_copy(result, row, 2),
        .data_type = pg_text_copy(result, row, 3),
        .target = pg_text_copy(result, row, 4),
        .destination = pg_text_copy(result, row, 5),
        .priority = pg_text_copy(result, row, 6),
        .reason = pg_text_copy(result, row, 7),
        .error = pg_text_copy(result, row, 8),
        .content_type = pg_text_copy(result, row, 9),
        .attempts = (int)pg_int(result, row, 10),
        .last_code = (int)pg_int(result, row, 11),
        .died_at_us = pg_int(result, row, 12),
        .submitted_at_us = pg_int(result, row, 13),
        .body_size = pg_int(result, row, 14),
        .replays = (int)pg_int(result, row, 16),
        .batch_id = pg_text_copy(result, row, 17),
        .replay_of = pg_text_copy(result, row, 18),
        .callback = pg_bool(result, row, 19),
    };
}

static void dead_view_release(struct dead_view *view)
{
    free(view->delivery_id);
    free(view->distribution_id);
    free(view->tenant_id);
    free(view->data_type);
    free(view->target);
    free(view->destination);
    free(view->priority);
    free(view->reason);
    free(view->error);
    free(view->content_type);
    free(view->batch_id);
    free(view->replay_of);
}

/* Who wants the rows. */
struct dead_reader {
    int (*row)(void *arg, const struct dead_view *view);
    void *arg;
};

static int show_dead(const PGresult *page, int row, void *arg)
{
    const struct dead_reader *reader = arg;
    struct dead_view view;

    read_dead(page, row, &view);
    int ended = reader->row(reader->arg, &view);
    dead_view_release(&view);
    return ended;
}

int store_dead_list(struct store *store, const struct dead_filter *filter,
                    int (*row)(void *arg, const struct dead_view *view), void *arg, struct fault *fault)
{
    struct dead_reader reader = {.row = row, .arg = arg};

    return store_show_pages(store,
                            &(struct store_pages){.page = list_page,
                                                  .filter = filter,
                                                  .at_column = 15,
                                                  .limit = filter->limit,
                                                  .size = DEAD_PAGE,
                                                  .show = show_dead,
                                                  .arg = &reader},
                            fault);
}

static int load_body(struct store *store, struct delivery *delivery, bool callback, struct fault *fault)
{
    return callback ? store_load_callbacks(store, &delivery, 1, fault)
                    : store_load_bodies(store, &delivery->job, 1, fault);
}

int store_dead_load(struct store *store, const char *delivery_id, struct delivery **delivery,
                    struct fault *fault)
{
    struct pg_params params;
    PGresult *result;
    char shown[120];
    bool callback = false;

    *delivery = NULL;
    if (uid_is(delivery_id)) {
        pg_params_init(&params);
        pg_param_text(&params, delivery_id);
        result = store_run(store, "dead_load", load_sql, &params, fault);
        if (!result)
            return -1;
        if (PQntuples(result))
            store_read_deliveries(result, delivery, &callback);
        if (*delivery) /* by its name: the columns before it are others' to extend */
            text_copy((*delivery)->job->replay_of, UID_TEXT_SIZE,
                      pg_text(result, 0, PQfnumber(result, "replay_of")));
        PQclear(result);
    }
    if (!*delivery) {
        text_copy(shown, sizeof shown, delivery_id);
        return fault_set(fault, FAULT_INPUT, "there is no dead delivery '%s'", text_printable(shown));
    }
    if (!load_body(store, *delivery, callback, fault))
        return 0;
    delivery_free(*delivery);
    *delivery = NULL;
    return -1;
}

/* `sql` for the ids, chunk by chunk; the sum of the rows that it changed. */
static int change_ids(struct store *store, const char *name, const char *sql, const char *const *ids,
                      size_t count, size_t *changed, struct fault *fault)
{
    *changed = 0;
    for (size_t at = 0; at < count; at += STORE_CHUNK) {
        size_t some = count - at < STORE_CHUNK ? count - at : STORE_CHUNK;
        struct store_arrays arrays;
        struct pg_params params;
        size_t rows = 0;
        int status;

        store_arrays_init(&arrays, PG_UUID);
        pg_params_init(&params);
        store_array_add_ids(&arrays.items[0], ids + at, some);
        status = store_arrays_bind(&arrays, &params, fault);
        if (!status)
            status = store_change(store, name, sql, &params, &rows, fault);
        store_arrays_release(&arrays);
        if (status)
            return -1;
        *changed += rows;
    }
    return 0;
}

int store_drop(struct store *store, const char *const *ids, size_t count, size_t *dropped,
               struct fault *fault)
{
    return change_ids(store, "drop", drop_sql, ids, count, dropped, fault);
}
