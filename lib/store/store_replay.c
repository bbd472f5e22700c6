/*
 * store_replay - see store_replay.h
 *
 * Hard rule: a letter leaves `dead` in the statement that counts it for its batch, under the lock of its row.
 * So two operators never replay the same one, and the numbers of a batch are right after a call that was
 * repeated.
 */
#include "store_replay.h"

#include <stdlib.h>
#include <string.h>

#include "ceilings.h"
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

enum { BATCH_PAGE = 200 };

const char *const replay_state_names[REPLAY_STATE_COUNT + 1] = {
    [REPLAY_CANARY] = "canary",
    [REPLAY_REPLAYING] = "replaying",
    [REPLAY_REPLAYED] = "replayed",
    [REPLAY_STOPPED] = "stopped",
};

// clang-format off
static const char begin_sql[] =
    "INSERT INTO replay_batches (id, state, who, why, filter, destination, rate, canary, max_replays, selected,"
    "    refused)"
    " VALUES ($1::uuid, CASE WHEN $7::integer > 0 THEN 'canary' ELSE 'replaying' END, $2, $3, $4::jsonb, $5, $6,"
    "    $7::integer, $8::integer, $9::integer, $10::integer)"
    " ON CONFLICT (id) DO NOTHING";

/* Rows are locked in the order of their ids; the trigger then locks the jobs in the order of theirs. */
static const char letters_sql[] =
    "WITH l AS MATERIALIZED ("
    "    SELECT d.id, b.id AS batch,"
    "        greatest(now(), b.started_at + i.offset_us * interval '1 microsecond') AS due_at"
    "    FROM unnest($2::uuid[], $3::bigint[]) AS i (id, offset_us)"
    "    JOIN distribution_deliveries d ON d.id = i.id JOIN replay_batches b ON b.id = $1::uuid"
    "    WHERE d.id = ANY ($2::uuid[]) AND " STORE_STATUS_IS("d.status", "dead")
    "      AND d.replays < b.max_replays AND b.state IN ('canary', 'replaying')"
    "      AND ($4::jsonb IS NULL OR d.kind = 'target')"
    "    ORDER BY d.id FOR NO KEY UPDATE OF d"
    "), u AS ("
    "    UPDATE distribution_deliveries d"
    "    SET status = 'waiting', due_at = l.due_at, budget_start = attempts, skipped = 0, dead_reason = NULL,"
    "        updated_at = now(), replayed_at = l.due_at, replays = replays + 1, replay_batch = l.batch,"
    "        candidates = coalesce($4::jsonb, candidates),"
    "        inline_form = CASE WHEN $4::jsonb IS NULL THEN inline_form END,"
    "        rendering = CASE WHEN $4::jsonb IS NULL THEN rendering END,"
    "        outputs = NULL,"
    "        expires_at = (SELECT j.expires_at FROM distribution_jobs j WHERE j.id = d.job_id AND d.kind = 'target'),"
    "        last_destination = CASE WHEN $4::jsonb IS NULL THEN last_destination END"
    "    FROM l WHERE d.id = l.id AND d.id = ANY ($2::uuid[]) RETURNING d.id"
    ") UPDATE replay_batches b SET replayed = replayed + (SELECT count(*) FROM u) WHERE b.id = $1::uuid"
    " RETURNING b.replayed";

/* The trigger has given each job its lifetime from now on; what is due later gets it from then on. */
static const char lifetimes_sql[] =
    "UPDATE distribution_jobs j SET expires_at = d.due_at + j.lifetime"
    " FROM (SELECT job_id, max(due_at) AS due_at FROM distribution_deliveries"
    "       WHERE id = ANY ($2::uuid[]) AND replay_batch = $1::uuid AND " STORE_STATUS_IS("status", "waiting")
    "         AND kind = 'target'"
    "       GROUP BY job_id) d"
    " WHERE j.id = d.job_id AND j.expires_at < d.due_at + j.lifetime";

static const char set_state_sql[] =
    "UPDATE replay_batches"
    " SET state = $2::text, error = $3::text,"
    "     started_at = CASE WHEN $2::text = 'replaying' THEN now() ELSE started_at END,"
    "     ended_at = CASE WHEN $2::text IN ('replayed', 'stopped') THEN now() END"
    " WHERE id = $1::uuid AND ended_at IS NULL AND state <> $2::text";

static const char progress_sql[] =
    "SELECT count(*) FILTER (WHERE status IN ('waiting', 'queued')),"
    "    count(*) FILTER (WHERE status = 'delivered'),"
    "    count(*) FILTER (WHERE status IN ('dead', 'expired', 'cancelled')),"
    "    min(id || ' is ' || status || coalesce(': ' || last_error, ''))"
    "        FILTER (WHERE status IN ('dead', 'expired', 'cancelled'))"
    " FROM distribution_deliveries WHERE id = ANY ($2::uuid[]) AND replay_batch = $1::uuid";

static const char edited_sql[] =
    "WITH l AS MATERIALIZED ("
    "    SELECT d.id, d.job_id FROM distribution_deliveries d"
    "    WHERE d.id = $1::uuid AND " STORE_STATUS_IS("d.status", "dead")
    "     AND d.kind = 'target' AND d.replays < $13::integer"
    "    FOR NO KEY UPDATE"
    "), n AS ("
    "    INSERT INTO distribution_jobs (id, tenant_id, distribution_id, priority, data_type, payload, destinations,"
    "        callback_url, callback_headers, expires_at, lifetime, metadata, body, content_type, body_size,"
    "        request_hash, retry_policy, due_at, replay_of)"
    "    SELECT $2::uuid, j.tenant_id, $2::uuid::text, j.priority, j.data_type,"
    "        CASE WHEN $4::boolean THEN convert_from($3::bytea, 'UTF8')::jsonb"
    "             ELSE jsonb_build_object('content_type', j.content_type, 'size', length($3::bytea),"
    "                                     'sha256', encode(sha256($3::bytea), 'hex')) END,"
    "        $5::jsonb, j.callback_url, j.callback_headers, now() + j.lifetime, j.lifetime, j.metadata, $3::bytea,"
    "        j.content_type, length($3::bytea), $6, j.retry_policy, now(), l.id"
    "    FROM l JOIN distribution_jobs j ON j.id = l.job_id"
    "    RETURNING id"
    "), b AS ("
    "    INSERT INTO replay_batches (id, state, ended_at, who, why, filter, destination, edited, max_replays,"
    "        selected, replayed)"
    "    SELECT $7::uuid, 'replayed', now(), $8, $9, $10::jsonb, $11, true, $13::integer, $12::integer, 1 FROM n"
    "    RETURNING id"
    ") UPDATE distribution_deliveries d"
    " SET status = 'cancelled', dead_reason = NULL, updated_at = now(), last_error = 'replayed as ' || n.id,"
    "     replayed_as = n.id, replays = replays + 1, replay_batch = b.id"
    " FROM l, n, b WHERE d.id = l.id AND d.id = $1::uuid";

static const char letter_sql[] =
    "SELECT status, kind, replayed_as FROM distribution_deliveries WHERE id = $1::uuid";

static const char batches_sql[] =
    "SELECT b.id, b.who, b.why, b.destination, b.rate, b.error, b.state, b.edited, b.filter,"
    "    dist_us(b.created_at), dist_us(b.ended_at), b.canary, b.max_replays, b.selected, b.refused, b.replayed,"
    "    c.open, c.delivered, c.dead, c.expired, c.cancelled, c.replayed_as, b.created_at::text"
    " FROM replay_batches b CROSS JOIN LATERAL ("
    "    SELECT count(*) FILTER (WHERE d.status IN ('waiting', 'queued')) AS open,"
    "        count(*) FILTER (WHERE d.status = 'delivered') AS delivered,"
    "        count(*) FILTER (WHERE d.status = 'dead') AS dead,"
    "        count(*) FILTER (WHERE d.status = 'expired') AS expired,"
    "        count(*) FILTER (WHERE d.status = 'cancelled') AS cancelled,"
    "        max(d.replayed_as::text) AS replayed_as"
    "    FROM distribution_deliveries d WHERE d.replay_batch = b.id) c"
    " WHERE (b.created_at, b.id) < ($1::timestamptz, $2::uuid) AND ($3::uuid IS NULL OR b.id = $3::uuid)"
    "   AND ($4::bigint IS NULL OR b.created_at >= dist_time($4::bigint))"
    "   AND ($5::bigint IS NULL OR b.created_at < dist_time($5::bigint))"
    " ORDER BY b.created_at DESC, b.id DESC LIMIT $6::bigint";
// clang-format on

int store_replay_begin(struct store *store, const struct replay_plan *plan, struct fault *fault)
{
    struct pg_params params;
    char *filter = json_text(plan->filter);

    pg_params_init(&params);
    pg_param_text(&params, plan->id);
    pg_param_text(&params, plan->who);
    pg_param_text(&params, plan->why);
    pg_param_text(&params, filter);
    pg_param_text(&params, plan->destination);
    pg_param_text(&params, plan->rate);
    pg_param_int(&params, plan->canary);
    pg_param_int(&params, plan->max_replays);
    pg_param_int(&params, plan->selected);
    pg_param_int(&params, plan->refused);
    int status = store_change(store, "replay_begin", begin_sql, &params, NULL, fault);
    free(filter);
    return status;
}

/* --- letters --- */

/* The parameters of one call: the ids that are UUIDs with their offsets. */
struct letters {
    struct store_arrays arrays;
    char *candidates;
};

static void letters_init(struct letters *letters, const struct replay_plan *plan, const char *const *ids,
                         const int64_t *offsets_us, size_t count)
{
    store_arrays_init(&letters->arrays, PG_UUID, PG_BIGINT);
    for (size_t i = 0; i < count; i++) {
        if (!uid_is(ids[i]))
            continue;
        pg_array_add(&letters->arrays.items[0], ids[i]);
        pg_array_add_int(&letters->arrays.items[1], offsets_us ? offsets_us[i] : 0);
    }
    letters->candidates = plan->candidates ? json_text(plan->candidates) : NULL;
}

static void letters_release(struct letters *letters)
{
    store_arrays_release(&letters->arrays);
    free(letters->candidates);
}

/* Within a transaction. */
static int move_letters(struct store *store, const struct pg_params *params, bool later, size_t *replayed,
                        struct fault *fault)
{
    struct pg_params ids = *params;
    PGresult *result = pg_prepared(store->pg, "replay_letters", letters_sql, params, fault);

    if (!result)
        return -1;
    *replayed = PQntuples(result) ? (size_t)pg_int(result, 0, 0) : 0;
    PQclear(result);
    if (!later)
        return 0;
    ids.count = 2;
    result = pg_prepared(store->pg, "replay_lifetimes", lifetimes_sql, &ids, fault);
    PQclear(result);
    return result ? 0 : -1;
}

static int move_once(struct store *store, const struct pg_params *params, bool later, size_t *replayed,
                     struct fault *fault)
{
    if (store_open(store, fault) || pg_begin(store->pg, fault))
        return -1;
    if (!move_letters(store, params, later, replayed, fault) && !pg_commit(store->pg, fault))
        return 0;
    pg_rollback(store->pg);
    return -1;
}

int store_replay_letters(struct store *store, const struct replay_plan *plan, const char *const *ids,
                         const int64_t *offsets_us, size_t count, size_t *replayed, struct fault *fault)
{
    struct letters letters;
    struct pg_params params;
    int status, tries = 0;

    *replayed = 0;
    letters_init(&letters, plan, ids, offsets_us, count);
    pg_params_init(&params);
    pg_param_text(&params, plan->id);
    status = store_arrays_bind(&letters.arrays, &params, fault);
    if (!status) {
        pg_param_text(&params, letters.candidates);
        do
            status = move_once(store, &params, offsets_us != NULL, replayed, fault);
        while (status && store_again(store, &tries));
    }
    letters_release(&letters);
    return status;
}

int store_replay_set_state(struct store *store, const char *batch_id, enum replay_state state,
                           const char *error, struct fault *fault)
{
    struct pg_params params;
    char *clean = store_clean(error);

    pg_params_init(&params);
    pg_param_text(&params, batch_id);
    pg_param_text(&params, replay_state_names[state]);
    pg_param_text(&params, clean);
    int status = store_change(store, "replay_set_state", set_state_sql, &params, NULL, fault);
    free(clean);
    return status;
}

int store_replay_progress(struct store *store, const char *batch_id, const char *const *ids, size_t count,
                          struct replay_progress *progress, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    PGresult *result = NULL;

    *progress = (struct replay_progress){0};
    store_arrays_init(&arrays, PG_UUID);
    store_array_add_ids(&arrays.items[0], ids, count);
    pg_params_init(&params);
    pg_param_text(&params, batch_id);
    if (!store_arrays_bind(&arrays, &params, fault))
        result = store_run(store, "replay_progress", progress_sql, &params, fault);
    store_arrays_release(&arrays);
    if (!result)
        return -1;
    *progress = (struct replay_progress){
        .open = (size_t)pg_int(result, 0, 0),
        .delivered = (size_t)pg_int(result, 0, 1),
        .failed = (size_t)pg_int(result, 0, 2),
        .example = pg_text_copy(result, 0, 3),
    };
    PQclear(result);
    return 0;
}

/* --- edited ones --- */

/* How a delivery is that could not be replayed; NULL where it cannot be asked for. */
static PGresult *look_at(struct store *store, const char *delivery_id, struct fault *fault)
{
    struct pg_params params;

    pg_params_init(&params);
    pg_param_text(&params, delivery_id);
    return store_run(store, "replay_letter", letter_sql, &params, fault);
}

/* Why it is not dead (0 where it is); the row is there. */
static int not_dead(const PGresult *result, const char *delivery_id, struct fault *fault)
{
    const char *status = pg_text(result, 0, 0), *replayed_as = pg_text(result, 0, 2);

    if (*replayed_as)
        return fault_set(fault, FAULT_INPUT, "'%s' is not dead: it was replayed as %s", delivery_id,
                         replayed_as);
    if (strcmp(status, delivery_status_names[DELIVERY_DEAD]) != 0)
        return fault_set(fault, FAULT_INPUT, "'%s' is not dead: it is %s", delivery_id, status);
    return 0;
}

void store_replay_why_not(struct store *store, const char *delivery_id, struct fault *fault)
{
    PGresult *result = look_at(store, delivery_id, NULL);

    if (result && PQntuples(result))
        not_dead(result, delivery_id, fault);
    PQclear(result);
}

/* Nothing was changed: by an earlier call of which nothing was known, or why not. */
static int judge_edited(struct store *store, const struct replay_plan *plan, const char *delivery_id,
                        const char *job_id, struct fault *fault)
{
    PGresult *result = look_at(store, delivery_id, fault);
    int status = 0;

    if (!result)
        return -1;
    if (!PQntuples(result))
        status = fault_set(fault, FAULT_INPUT, "there is no delivery '%s'", delivery_id);
    else if (strcmp(pg_text(result, 0, 2), job_id) != 0)
        status = not_dead(result, delivery_id, fault);
    if (!status && PQntuples(result) && !pg_text(result, 0, 2)[0]) {
        bool callback = !strcmp(pg_text(result, 0, 1), "callback");
        status = callback
                     ? fault_set(fault, FAULT_INPUT, "'%s' is a callback, whose body is made when it is sent",
                                 delivery_id)
                     : fault_set(fault, FAULT_INPUT, "'%s' was replayed %lld times or more (--max-replays)",
                                 delivery_id, (long long)plan->max_replays);
    }
    PQclear(result);
    return status;
}

/* *changed: the letter was dead, and is replayed now. */
static int try_edited(struct store *store, const struct replay_plan *plan, const char *delivery_id,
                      const struct job *job, const char *request_hash, bool holds_json, size_t *changed,
                      struct fault *fault)
{
    struct pg_params params;
    char *destinations = json_text(job->destinations), *filter = json_text(plan->filter);

    pg_params_init(&params);
    pg_param_text(&params, delivery_id);
    pg_param_text(&params, job->id);
    pg_param_bytes(&params, job->body, job->body_size);
    pg_param_bool(&params, holds_json);
    pg_param_text(&params, destinations);
    pg_param_text(&params, request_hash);
    pg_param_text(&params, plan->id);
    pg_param_text(&params, plan->who);
    pg_param_text(&params, plan->why);
    pg_param_text(&params, filter);
    pg_param_text(&params, plan->destination);
    pg_param_int(&params, 1);
    pg_param_int(&params, plan->max_replays);
    int status = store_change(store, "replay_edited", edited_sql, &params, changed, fault);
    free(destinations);
    free(filter);
    return status;
}

int store_replay_edited(struct store *store, const struct replay_plan *plan, const char *delivery_id,
                        const struct job *job, const char *request_hash, struct fault *fault)
{
    bool holds_json = job_content_is_json(job->content_type) && job->body_size <= LIMIT_PAYLOAD_JSONB;
    struct fault problem = {0};
    size_t changed = 0;

    int status = try_edited(store, plan, delivery_id, job, request_hash, holds_json, &changed, &problem);
    if (status && problem.class == FAULT_INPUT && holds_json) /* JSON that jsonb cannot hold is described */
        status = try_edited(store, plan, delivery_id, job, request_hash, false, &changed, &problem);
    if (status && fault)
        *fault = problem;
    if (status)
        return -1;
    return changed ? 0 : judge_edited(store, plan, delivery_id, job->id, fault);
}

/* --- batches --- */

static void read_batch(const PGresult *result, int row, struct batch_view *view)
{
    int state = status_index(replay_state_names, pg_text(result, row, 6));

    *view = (struct batch_view){
        .id = pg_text_copy(result, row, 0),
        .who = pg_text_copy(result, row, 1),
        .why = pg_text_copy(result, row, 2),
        .destination = pg_text_copy(result, row, 3),
        .rate = pg_text_copy(result, row, 4),
        .error = pg_text_copy(result, row, 5),
        .state = state < 0 ? REPLAY_REPLAYING : (enum replay_state)state,
        .edited = pg_bool(result, row, 7),
        .filter = store_read_json(result, row, 8),
        .created_at_us = pg_int(result, row, 9),
        .ended_at_us = pg_int(result, row, 10),
        .canary = pg_int(result, row, 11),
        .max_replays = pg_int(result, row, 12),
        .selected = pg_int(result, row, 13),
        .refused = pg_int(result, row, 14),
        .replayed = pg_int(result, row, 15),
        .open = pg_int(result, row, 16),
        .delivered = pg_int(result, row, 17),
        .dead = pg_int(result, row, 18),
        .expired = pg_int(result, row, 19),
        .cancelled = pg_int(result, row, 20),
        .replayed_as = pg_text_copy(result, row, 21),
    };
}

static void batch_view_release(struct batch_view *view)
{
    free(view->id);
    free(view->who);
    free(view->why);
    free(view->destination);
    free(view->rate);
    free(view->error);
    free(view->replayed_as);
    json_decref(view->filter);
}

static PGresult *list_page(struct store *store, const void *arg, const struct store_cursor *cursor,
                           int64_t limit, struct fault *fault)
{
    const struct batch_filter *filter = arg;
    struct pg_params params;

    if (store_open(store, fault))
        return NULL;
    pg_params_init(&params);
    pg_param_text(&params, cursor->at);
    pg_param_text(&params, cursor->id);
    pg_param_text(&params, filter->id);
    pg_param_time(&params, filter->since_us);
    pg_param_time(&params, filter->until_us);
    pg_param_int(&params, limit);
    return pg_query(store->pg, batches_sql, &params, fault);
}

/* Who wants the rows. */
struct batch_reader {
    int (*row)(void *arg, const struct batch_view *view);
    void *arg;
};

static int show_batch(const PGresult *page, int row, void *arg)
{
    const struct batch_reader *reader = arg;
    struct batch_view view;

    read_batch(page, row, &view);
    int ended = reader->row(reader->arg, &view);
    batch_view_release(&view);
    return ended;
}

int store_batch_list(struct store *store, const struct batch_filter *filter,
                     int (*row)(void *arg, const struct batch_view *view), void *arg, struct fault *fault)
{
    struct batch_reader reader = {.row = row, .arg = arg};

    return store_show_pages(store,
                            &(struct store_pages){.page = list_page,
                                                  .filter = filter,
                                                  .at_column = 22,
                                                  .limit = filter->limit,
                                                  .size = BATCH_PAGE,
                                                  .show = show_batch,
                                                  .arg = &reader},
                            fault);
}
