/*
 * store_past - see store_past.h
 */
#include "store_past.h"

#include <stdlib.h>
#include <string.h>

#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

// clang-format off
static const char load_sql[] =
    "SELECT " STORE_JOB_COLUMNS " FROM distribution_jobs j"
    " WHERE j.distribution_id = $1::text OR j.id = $2::uuid"
    " ORDER BY j.distribution_id = $1::text DESC LIMIT 1";

static const char page_sql[] =
    "SELECT " STORE_JOB_COLUMNS ", j.created_at::text FROM distribution_jobs j"
    " WHERE (j.created_at, j.id) < ($1::timestamptz, $2::uuid)"
    "   AND j.created_at >= now() - $3::bigint * interval '1 day'"
    " ORDER BY j.created_at DESC, j.id DESC LIMIT $4::bigint";
// clang-format on

int store_past_load(struct store *store, const char *id, struct job **job, struct fault *fault)
{
    struct pg_params params;
    PGresult *result;
    char shown[120];

    *job = NULL;
    text_copy(shown, sizeof shown, id);
    if (!text_is_utf8(id, strlen(id), NULL))
        return fault_set(fault, FAULT_INPUT, "there is no distribution '%s'", text_printable(shown));
    pg_params_init(&params);
    pg_param_text(&params, id);
    pg_param_text(&params, uid_is(id) ? id : NULL);
    result = store_run(store, "past_load", load_sql, &params, fault);
    if (!result)
        return -1;
    if (PQntuples(result))
        *job = store_read_job(result, 0, 0);
    PQclear(result);
    if (!*job)
        return fault_set(fault, FAULT_INPUT, "there is no distribution '%s'", text_printable(shown));
    if (store_load_bodies(store, job, 1, fault) == 0)
        return 0;
    job_unref(*job);
    *job = NULL;
    return -1;
}

/* --- many --- */

struct walk {
    struct store *store;
    bool bodies;
    int (*each)(void *arg, struct job *job, struct fault *fault);
    void *arg;
    struct job *jobs[PAST_PAGE];
    size_t count;
    struct store_cursor cursor;
};

static int read_page(struct walk *walk, int64_t days, int64_t wanted, struct fault *fault)
{
    struct pg_params params;
    PGresult *result;

    pg_params_init(&params);
    pg_param_text(&params, walk->cursor.at);
    pg_param_text(&params, walk->cursor.id);
    pg_param_int(&params, days);
    pg_param_int(&params, wanted);
    result = store_run(walk->store, "past_page", page_sql, &params, fault);
    if (!result)
        return -1;
    walk->count = (size_t)PQntuples(result);
    for (size_t i = 0; i < walk->count; i++)
        walk->jobs[i] = store_read_job(result, (int)i, 0);
    if (walk->count) {
        text_copy(walk->cursor.at, sizeof walk->cursor.at,
                  pg_text(result, (int)walk->count - 1, STORE_JOB_COLUMN_COUNT));
        text_copy(walk->cursor.id, sizeof walk->cursor.id, walk->jobs[walk->count - 1]->id);
    }
    PQclear(result);
    return 0;
}

/* The bodies of jobs[from] and those behind it, as many as fit; returns where they end, 0 where that failed.
 */
static size_t load_bodies(struct walk *walk, size_t from, struct fault *fault)
{
    struct job *wanted[PAST_PAGE];
    uint64_t bytes = 0;
    size_t count = 0, i;

    for (i = from; i < walk->count; i++) {
        if (!job_content_is_json(walk->jobs[i]->content_type))
            continue;
        if (count && bytes + walk->jobs[i]->body_size > PAST_BODIES)
            break;
        bytes += walk->jobs[i]->body_size;
        wanted[count++] = walk->jobs[i];
    }
    return count && store_load_bodies(walk->store, wanted, count, fault) < 0 ? 0 : i;
}

static int show_page(struct walk *walk, struct fault *fault)
{
    size_t end = walk->bodies ? 0 : walk->count;

    for (size_t i = 0; i < walk->count; i++) {
        if (i == end && !(end = load_bodies(walk, i, fault)))
            return -1;
        if (walk->each(walk->arg, walk->jobs[i], fault) < 0)
            return -1;
        job_unref(walk->jobs[i]);
        walk->jobs[i] = NULL;
    }
    return 0;
}

int store_past_walk(struct store *store, int64_t days, int64_t limit, bool bodies,
                    int (*each)(void *arg, struct job *job, struct fault *fault), void *arg,
                    struct fault *fault)
{
    struct walk *walk = xcalloc(1, sizeof *walk);
    int64_t left = limit > 0 ? limit : INT64_MAX;
    int result = 0;

    *walk = (struct walk){.store = store,
                          .bodies = bodies,
                          .each = each,
                          .arg = arg,
                          .cursor = {"infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff"}};
    while (left > 0 && result == 0) {
        int64_t wanted = left < PAST_PAGE ? left : PAST_PAGE;

        result = read_page(walk, days, wanted, fault);
        if (result == 0)
            result = show_page(walk, fault);
        for (size_t i = 0; i < walk->count; i++)
            job_unref(walk->jobs[i]);
        left = (int64_t)walk->count < wanted ? 0 : left - wanted;
        walk->count = 0;
    }
    free(walk);
    return result;
}
