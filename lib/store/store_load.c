/*
 * store_load - deliveries with their jobs, for the stages that work on them
 *
 * Metadata first, with the sizes of the bodies; then, in one more query, those bodies that fit. What a
 * callback sends is made here: its body is the response document of its job, and it has a job of its own,
 * because content type, body and expiry are not those of the other deliveries.
 */
#include <stdlib.h>
#include <string.h>
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

// clang-format off
static const char load_sql[] =
    "SELECT " STORE_DELIVERY_COLUMNS
    " FROM distribution_deliveries d JOIN distribution_jobs j ON j.id = d.job_id"
    " WHERE d.id = ANY ($1::uuid[]) AND d.status = 'queued'";

static const char bodies_sql[] =
    "SELECT id::text, body FROM distribution_jobs WHERE id = ANY ($1::uuid[])";
// clang-format on

/* The job of a callback: another body, no form of the targets', and time enough after the end of the job. */
static struct job *callback_job(const struct job *job, int64_t expires_at_us)
{
    struct job *own = job_known(job->id);

    own->distribution_id = xstrdup(job->distribution_id);
    own->own_id = job->own_id;
    own->tenant_id = xstrdup(job->tenant_id);
    own->data_type = xstrdup(job->data_type);
    own->priority = job->priority;
    own->content_type = xstrdup(JOB_DEFAULT_TYPE);
    own->retry_policy = xstrdup_null(job->retry_policy);
    own->submitted_at_us = job->submitted_at_us;
    own->expires_at_us = expires_at_us;
    return own;
}

static json_t *callback_form(const struct job *job)
{
    json_t *form = json_object();

    json_object_set_new(form, "protocol", json_string("REST"));
    json_object_set_new(form, "endpoint", json_string(job->callback_url));
    if (job->callback_headers)
        json_object_set(form, "headers", job->callback_headers);
    return form;
}

static struct delivery *read_delivery(const PGresult *result, int row, struct job *job)
{
    enum { FIRST = STORE_JOB_COLUMN_COUNT };
    struct delivery *delivery =
        delivery_known(job, pg_text(result, row, FIRST + 2), pg_text(result, row, FIRST));
    json_t *candidates = store_read_json(result, row, FIRST + 3), *candidate;
    int status = status_index(delivery_status_names, pg_text(result, row, FIRST + 10));
    int reason = status_index(dead_reason_names, pg_text(result, row, FIRST + 11));
    size_t index;

    json_array_foreach (candidates, index, candidate) {
        if (json_is_string(candidate))
            delivery_add_candidate(delivery, json_string_value(candidate));
    }
    json_decref(candidates);
    delivery->inline_form = store_read_json(result, row, FIRST + 4);
    delivery->content_type = pg_text_copy(result, row, FIRST + 5);
    delivery->attempts = (int)pg_int(result, row, FIRST + 6);
    delivery->budget_start = (int)pg_int(result, row, FIRST + 7);
    delivery->skipped = (int)pg_int(result, row, FIRST + 8);
    delivery->own_key = pg_text_copy(result, row, FIRST + 9);
    delivery->status = status < 0 ? DELIVERY_QUEUED : (enum delivery_status)status;
    delivery->dead_reason = reason < 0 ? DEAD_REJECTED : (enum dead_reason)reason;
    delivery->last_error = pg_text_copy(result, row, FIRST + 12);
    delivery->rendering = store_read_json(result, row, FIRST + 13);
    json_t *outputs = store_read_json(result, row, FIRST + 14);
    store_read_outputs(delivery, outputs);
    json_decref(outputs);
    delivery->rule = pg_text_copy(result, row, FIRST + 17);
    return delivery;
}

/* The job of this row: the one that an earlier row made, or a new one. Borrowed from the map. */
static struct job *shared_job(const PGresult *result, int row, struct strmap *jobs, int64_t ahead_us)
{
    struct job *job = strmap_get(jobs, pg_text(result, row, 0));

    if (!job) {
        job = store_read_job(result, row, 0);
        job->expires_at_us = store_local_us(job->expires_at_us, ahead_us);
        strmap_put(jobs, job->id, job);
    }
    return job;
}

static void unref(void *job)
{
    job_unref(job);
}

void store_read_deliveries(const PGresult *result, struct delivery **out, bool *callbacks)
{
    int64_t ahead_us = store_clock_ahead_us(result, STORE_JOB_COLUMN_COUNT + 16);
    struct strmap jobs;

    strmap_init(&jobs);
    for (int row = 0; row < PQntuples(result); row++) {
        struct job *job = shared_job(result, row, &jobs, ahead_us);

        callbacks[row] = !strcmp(pg_text(result, row, STORE_JOB_COLUMN_COUNT + 1), "callback");
        if (callbacks[row]) {
            int64_t expires_at_us = pg_int(result, row, STORE_JOB_COLUMN_COUNT + 15);
            struct job *own = callback_job(job, store_local_us(expires_at_us, ahead_us));
            out[row] = read_delivery(result, row, own);
            job_unref(own);
            json_decref(out[row]->inline_form);
            out[row]->inline_form = callback_form(job);
        } else {
            out[row] = read_delivery(result, row, job);
        }
    }
    strmap_release(&jobs, unref);
}

/* --- bodies --- */

/* With time enough for that many bytes: else a slow link would begin the same load for ever. */
PGresult *store_query_bodies(struct store *store, const char *name, const char *sql,
                             const struct pg_params *params, uint64_t bytes, struct fault *fault)
{
    PGresult *result = NULL;

    if (!pg_expect_bytes(store->pg, bytes, fault))
        result = pg_prepared_binary(store->pg, name, sql, params, fault);
    store_expect_usual(store);
    return result;
}

int store_load_bodies(struct store *store, struct job *const *jobs, size_t count, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    struct strmap rows;
    PGresult *result = NULL;
    uint64_t bytes = 0;

    store_arrays_init(&arrays, PG_UUID);
    pg_params_init(&params);
    for (size_t i = 0; i < count; i++) {
        pg_array_add(&arrays.items[0], jobs[i]->id);
        bytes += jobs[i]->body_size;
    }
    if (!store_arrays_bind(&arrays, &params, fault))
        result = store_query_bodies(store, "load_bodies", bodies_sql, &params, bytes, fault);
    store_arrays_release(&arrays);
    if (!result)
        return -1;
    store_rows_by_id(result, 0, &rows);
    for (size_t i = 0; i < count; i++) {
        int row = store_row_of(&rows, jobs[i]->id);

        if (row < 0 || jobs[i]->body)
            continue;
        jobs[i]->body_size = (size_t)PQgetlength(result, row, 1);
        jobs[i]->body = xmemdupz(PQgetvalue(result, row, 1), jobs[i]->body_size);
    }
    strmap_release(&rows, NULL);
    PQclear(result);
    return 0;
}

/* Views of the jobs of some callbacks, in one snapshot. */
static int views_of(struct store *store, struct delivery *const *callbacks, size_t count,
                    struct job_view *views, struct fault *fault)
{
    const char **ids = xcalloc(count, sizeof *ids);
    int status = pg_begin_read(store->pg, fault);

    for (size_t i = 0; i < count; i++)
        ids[i] = callbacks[i]->job->id;
    if (!status)
        status = store_load_views(store, ids, count, true, views, fault);
    if (!status)
        status = pg_commit(store->pg, fault);
    pg_rollback(store->pg);
    free(ids);
    return status;
}

int store_load_callbacks(struct store *store, struct delivery *const *callbacks, size_t count,
                         struct fault *fault)
{
    struct job_view *views = xcalloc(count, sizeof *views);
    int status = views_of(store, callbacks, count, views, fault);

    for (size_t i = 0; i < count; i++) {
        struct job *job = callbacks[i]->job;

        if (!status && views[i].id) {
            json_t *document = response_document(&views[i]);
            job->body = json_text(document);
            job->body_size = strlen(job->body);
            json_decref(document);
        }
        job_view_release(&views[i]);
    }
    free(views);
    return status;
}

/* Jobs, callbacks and outputs whose bodies fit into the budget; the first one always does. */
struct wanted {
    struct job **jobs;
    struct delivery **callbacks, **outputs;
    size_t job_count, callback_count, output_count;
    uint64_t budget, bytes;
};

/* True where there is room for so many bytes more, which are taken then. */
static bool take_room(struct wanted *wanted, uint64_t size)
{
    const uint64_t left = wanted->budget - wanted->bytes;

    if (size > left && wanted->job_count + wanted->callback_count + wanted->output_count)
        return false;
    wanted->bytes = size > left ? wanted->budget : wanted->bytes + size;
    return true;
}

static void want_job(struct wanted *wanted, struct job *job)
{
    for (size_t k = 0; k < wanted->job_count; k++)
        if (wanted->jobs[k] == job)
            return;
    if (take_room(wanted, job->body_size))
        wanted->jobs[wanted->job_count++] = job;
}

/* What a delivery sends: its output where it has one, else the body of its job. */
static void want_bodies(struct wanted *wanted, struct delivery *const *deliveries, const bool *callbacks,
                        size_t count)
{
    enum { CALLBACK_BYTES = 16 * 1024 }; /* a response document is not known before it is made */

    for (size_t i = 0; i < count; i++) {
        const struct output *output = delivery_output(deliveries[i]);

        if (output && take_room(wanted, output->body_size))
            wanted->outputs[wanted->output_count++] = deliveries[i];
        else if (!output && !callbacks[i])
            want_job(wanted, deliveries[i]->job);
        else if (!output && take_room(wanted, CALLBACK_BYTES))
            wanted->callbacks[wanted->callback_count++] = deliveries[i];
    }
}

static int load_bodies(struct store *store, struct delivery *const *deliveries, const bool *callbacks,
                       size_t count, uint64_t budget, struct fault *fault)
{
    struct wanted wanted = {.jobs = xcalloc(count, sizeof *wanted.jobs),
                            .callbacks = xcalloc(count, sizeof *wanted.callbacks),
                            .outputs = xcalloc(count, sizeof *wanted.outputs),
                            .budget = budget};
    int status = 0;

    want_bodies(&wanted, deliveries, callbacks, count);
    if (wanted.job_count)
        status = store_load_bodies(store, wanted.jobs, wanted.job_count, fault);
    if (!status && wanted.callback_count)
        status = store_load_callbacks(store, wanted.callbacks, wanted.callback_count, fault);
    if (!status && wanted.output_count)
        status = store_load_outputs(store, wanted.outputs, wanted.output_count, fault);
    free(wanted.jobs);
    free(wanted.callbacks);
    free(wanted.outputs);
    return status;
}

static PGresult *load(struct store *store, const char *const *ids, size_t count, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    PGresult *result = NULL;

    store_arrays_init(&arrays, PG_UUID);
    pg_params_init(&params);
    store_array_add_ids(&arrays.items[0], ids, count);
    if (!store_arrays_bind(&arrays, &params, fault))
        result = store_run(store, "load_deliveries", load_sql, &params, fault);
    store_arrays_release(&arrays);
    return result;
}

/* The places of the ids, and those that were named twice stay NULL. */
static void place(struct delivery **loaded, size_t loaded_count, const char *const *ids, size_t count,
                  struct delivery **out)
{
    struct strmap map;

    strmap_init(&map);
    for (size_t i = 0; i < loaded_count; i++)
        strmap_put(&map, loaded[i]->id, loaded[i]);
    for (size_t i = 0; i < count; i++)
        out[i] = strmap_remove(&map, ids[i]);
    for (size_t i = 0; i < loaded_count; i++)
        delivery_free(strmap_remove(&map, loaded[i]->id)); /* asked for in upper case */
    strmap_release(&map, NULL);
}

int store_load_deliveries(struct store *store, const char *const *ids, size_t count, uint64_t body_budget,
                          struct delivery **out, struct fault *fault)
{
    struct delivery **loaded;
    PGresult *result;
    bool *callbacks;
    size_t found;
    int status = 0;

    for (size_t i = 0; i < count; i++)
        out[i] = NULL;
    if (!count)
        return 0;
    result = load(store, ids, count, fault);
    if (!result)
        return -1;
    found = (size_t)PQntuples(result);
    loaded = xcalloc(found, sizeof *loaded);
    callbacks = xcalloc(found, sizeof *callbacks);
    store_read_deliveries(result, loaded, callbacks);
    PQclear(result);
    if (body_budget && found)
        status = load_bodies(store, loaded, callbacks, found, body_budget, fault);
    if (!status)
        place(loaded, found, ids, count, out);
    else
        for (size_t i = 0; i < found; i++)
            delivery_free(loaded[i]);
    free(loaded);
    free(callbacks);
    return status;
}
