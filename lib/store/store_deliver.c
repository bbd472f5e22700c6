/*
 * store_deliver - what becomes of deliveries: content types after transformation, and settlements
 *
 * A settlement is one statement: attempts are written, states move where the fence lets them, and the trigger
 * on the deliveries counts for the jobs. The deliveries are locked in the order of their ids first, so that
 * two settlements cannot lock each other out.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "crash.h"
#include "digest.h"
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

// clang-format off
static const char transformed_sql[] =
    "WITH i AS MATERIALIZED ("
    "    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::text[])"
    "                  AS i (id, content_type, reason, error, dead, candidates)"
    "), l AS MATERIALIZED ("
    "    SELECT d.id FROM distribution_deliveries d WHERE d.id = ANY ($1::uuid[])"
    "    ORDER BY d.id FOR NO KEY UPDATE"
    ") UPDATE distribution_deliveries d"
    " SET content_type = i.content_type,"
    "     candidates = i.candidates::jsonb,"
    "     status = CASE WHEN i.dead THEN 'dead' ELSE d.status END,"
    "     due_at = CASE WHEN i.dead THEN NULL ELSE d.due_at END,"
    "     dead_reason = i.reason,"
    "     last_error = CASE WHEN i.dead THEN i.error ELSE d.last_error END,"
    "     updated_at = CASE WHEN i.dead THEN now() ELSE d.updated_at END"
    " FROM i WHERE d.id = i.id AND d.id = ANY (ARRAY(SELECT id FROM l)) AND d.status = 'queued'";

/*
 * A worker's clock that is more than an hour ahead or a week behind is not believed: its attempt would lie in
 * no partition. A success moves a delivery from any state; all else only while it is queued, and only
 * the attempt that is the next one (number 0: none was made).
 */
#define SETTLE_SQL                                                                                                   \
    "WITH i AS MATERIALIZED ("                                                                                       \
    "    SELECT u.*, CASE WHEN dist_time(u.started) BETWEEN now() - interval '7 days' AND now() + interval '1 hour'" \
    "                     THEN dist_time(u.started) ELSE now() END AS started_at"                                    \
    "    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::text[], $6::integer[], $7::text[],"      \
    "                $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[],"              \
    "                $14::text[], $15::text[])"                                                                      \
    "         AS u (attempt_id, delivery_id, destination, number, kind, code, reason, error, body, started, took,"   \
    "               status, delay_ms, dead_reason, instead_of)"                                                      \
    "), l AS MATERIALIZED ("                                                                                         \
    "    SELECT d.id, d.job_id FROM distribution_deliveries d WHERE d.id = ANY ($2::uuid[])"                         \
    "    ORDER BY d.id FOR NO KEY UPDATE"                                                                            \
    "), v AS ("                                                                                                      \
    "    SELECT DISTINCT ON (delivery_id) * FROM i ORDER BY delivery_id, (status = 'delivered') DESC, number"        \
    "), moved AS ("                                                                                                  \
    "    UPDATE distribution_deliveries d"                                                                           \
    "    SET status = v.status,"                                                                                     \
    "        due_at = CASE v.status WHEN 'waiting' THEN now() + v.delay_ms * interval '1 millisecond' END,"          \
    "        attempts = greatest(d.attempts, v.number),"                                                             \
    "        dead_reason = v.dead_reason,"                                                                           \
    "        last_error = v.error,"                                                                                  \
    "        last_code = CASE WHEN v.number > 0 THEN v.code ELSE d.last_code END,"                                   \
    "        last_destination = coalesce(v.destination, d.last_destination),"                                        \
    "        updated_at = now(),"                                                                                    \
    "        delivered_at = CASE v.status WHEN 'delivered' THEN now() END"                                           \
    "    FROM v WHERE d.id = v.delivery_id AND d.id = ANY (ARRAY(SELECT id FROM l))"                                 \
    "      AND CASE v.status WHEN 'delivered' THEN d.status <> 'delivered'"                                          \
    "          ELSE d.status = 'queued' AND (v.number = 0 OR d.attempts = v.number - 1) END"                         \
    ") INSERT INTO distribution_attempts (id, distribution_job_id, delivery_id, destination_name, attempt_number,"   \
    "      status, started_at, completed_at, response_status_code, response_body, error_message, retry_reason,"      \
    "      metadata)"                                                                                                \
    " SELECT i.attempt_id, l.job_id, l.id, coalesce(i.destination, ''), i.number, i.kind, i.started_at,"             \
    "      i.started_at + i.took * interval '1 microsecond', i.code, i.body, i.error, i.reason,"                     \
    "      CASE WHEN i.instead_of IS NULL THEN '{}' ELSE jsonb_build_object('instead_of', i.instead_of) END"         \
    " FROM i JOIN l ON l.id = i.delivery_id WHERE i.number > 0"
static const char settle_sql[] = SETTLE_SQL;
/* Where some of it was written before: the answer to that COMMIT was lost. */
static const char settle_again_sql[] = SETTLE_SQL " ON CONFLICT (id, started_at) DO NOTHING";
// clang-format on

void settlement_init(struct settlement *settlement, const struct delivery *delivery, struct verdict verdict,
                     const char *error)
{
    *settlement = (struct settlement){
        .destination = xstrdup_null(delivery_candidate(delivery)),
        .instead_of = xstrdup_null(delivery_passed_over(delivery)),
        .kind = OUTCOME_DEFERRED,
        .error = xstrdup_null(error),
        .reason = "",
        .verdict = verdict,
    };
    text_copy(settlement->delivery_id, sizeof settlement->delivery_id, delivery->id);
    text_copy(settlement->job_id, sizeof settlement->job_id, delivery->job->id);
}

void settlement_release(struct settlement *settlement)
{
    free(settlement->destination);
    free(settlement->instead_of);
    free(settlement->error);
    free(settlement->response_body);
    *settlement = (struct settlement){0};
}

static void add_candidates(struct pg_array *array, const struct delivery *delivery)
{
    json_t *names = json_array();

    for (size_t i = 0; i < delivery->candidate_count; i++)
        json_array_append_new(names, json_string(delivery->candidates[i]));
    store_array_add_json(array, names);
    json_decref(names);
}

static int save_transformed(struct store *store, struct delivery *const *items, size_t count,
                            struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    int status;

    store_arrays_init(&arrays, PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT, PG_BOOLEAN, PG_TEXT);
    pg_params_init(&params);
    for (size_t i = 0; i < count; i++) {
        bool dead = items[i]->status == DELIVERY_DEAD;

        pg_array_add(&arrays.items[0], items[i]->id);
        store_array_add_clean(&arrays.items[1], items[i]->content_type);
        pg_array_add(&arrays.items[2], dead ? dead_reason_names[items[i]->dead_reason] : NULL);
        store_array_add_clean(&arrays.items[3], items[i]->last_error);
        pg_array_add_bool(&arrays.items[4], dead);
        add_candidates(&arrays.items[5], items[i]);
    }
    status = store_arrays_bind(&arrays, &params, fault);
    if (!status)
        status = store_change(store, "save_transformed", transformed_sql, &params, NULL, fault);
    store_arrays_release(&arrays);
    return status;
}

int store_save_transformed(struct store *store, struct delivery *const *items, size_t count,
                           struct fault *fault)
{
    for (size_t at = 0; at < count; at += STORE_CHUNK) {
        size_t some = count - at < STORE_CHUNK ? count - at : STORE_CHUNK;

        if (save_transformed(store, items + at, some, fault))
            return -1;
    }
    return 0;
}

/*
 * The id of an attempt's row, the same whenever the same settlement is written again: a UUIDv7 whose time is
 * the attempt's beginning, and whose other bits are a digest of what makes the attempt this one.
 */
static void attempt_id(const struct settlement *item, char id[UID_TEXT_SIZE])
{
    char key[160], hex[DIGEST_TEXT_SIZE];
    uint64_t ms = (uint64_t)(item->started_at_us / 1000) & UINT64_C(0xffffffffffff);
    int size =
        snprintf(key, sizeof key, "%s/%d/%" PRId64, item->delivery_id, item->number, item->started_at_us);

    digest_sha256(key, (size_t)size, hex);
    snprintf(id, UID_TEXT_SIZE, "%08" PRIx32 "-%04" PRIx32 "-7%.3s-%c%.3s-%.12s", (uint32_t)(ms >> 16),
             (uint32_t)(ms & 0xffff), hex, "89ab"[hex[3] & 3], hex + 4, hex + 7);
}

static void add_settlement(struct store_arrays *arrays, const struct settlement *item)
{
    struct pg_array *array = arrays->items;
    bool dead = item->verdict.status == DELIVERY_DEAD;
    bool deferred = item->kind != OUTCOME_DELIVERED && item->reason && *item->reason;
    int64_t took_us = item->completed_at_us - item->started_at_us;
    char id[UID_TEXT_SIZE];

    attempt_id(item, id);
    pg_array_add(array++, id);
    pg_array_add(array++, item->delivery_id);
    pg_array_add(array++, item->destination);
    pg_array_add_int(array++, item->number);
    pg_array_add(array++, outcome_kind_names[item->kind]);
    pg_array_add_nonzero(array++, item->code);
    pg_array_add(array++, deferred ? item->reason : NULL);
    store_array_add_clean(array++, item->error);
    store_array_add_clean(array++, item->response_body);
    pg_array_add_int(array++, item->started_at_us);
    pg_array_add_int(array++, took_us > 0 ? took_us : 0);
    pg_array_add(array++, delivery_status_names[item->verdict.status]);
    pg_array_add_int(array++, item->verdict.delay_ms > 0 ? item->verdict.delay_ms : 0);
    pg_array_add(array++, dead ? dead_reason_names[item->verdict.reason] : NULL);
    pg_array_add(array, item->instead_of);
}

/* The month of an attempt has no partition: a check violation that is no constraint's. */
static bool lacks_partition(const struct store *store, const struct fault *problem)
{
    return !strcmp(pg_sqlstate(store->pg), "23514") && strstr(problem->text, "partition");
}

static int settle_all(struct store *store, const struct settlement *items, size_t count, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    struct fault problem = {0};
    int status;

    store_arrays_init(&arrays, PG_UUID, PG_UUID, PG_TEXT, PG_INTEGER, PG_TEXT, PG_INTEGER, PG_TEXT, PG_TEXT,
                      PG_TEXT, PG_BIGINT, PG_BIGINT, PG_TEXT, PG_BIGINT, PG_TEXT, PG_TEXT);
    pg_params_init(&params);
    for (size_t i = 0; i < count; i++)
        if (uid_is(items[i].delivery_id))
            add_settlement(&arrays, &items[i]);
    status = store_arrays_bind(&arrays, &params, &problem);
    if (!status)
        status = store_change(store, "settle", settle_sql, &params, NULL, &problem);
    if (status && lacks_partition(store, &problem) && !store_make_partitions(store, &problem))
        status = store_change(store, "settle", settle_sql, &params, NULL, &problem);
    if (status && store_was_there(store))
        status = store_change(store, "settle_again", settle_again_sql, &params, NULL, &problem);
    store_arrays_release(&arrays);
    if (status && fault)
        *fault = problem;
    return status;
}

/* One that is refused with its texts goes without them: what became of the delivery counts for more. */
static int settle_alone(struct store *store, const struct settlement *item, struct fault *fault)
{
    char unknown[] = "(the text of the error could not be stored)";
    struct settlement poor = *item; /* borrows all it has */

    if (settle_all(store, item, 1, fault) == 0)
        return 0;
    if (fault->class != FAULT_INPUT)
        return -1;
    poor.error = item->error ? unknown : NULL;
    poor.response_body = NULL;
    return settle_all(store, &poor, 1, fault);
}

/* A fault that is no settlement's own ends it; the first of the others is told at the end. */
static int settle_singly(struct store *store, const struct settlement *items, size_t count,
                         struct fault *fault)
{
    struct fault problem;
    int status = 0;

    for (size_t i = 0; i < count; i++) {
        fault_clear(&problem);
        int done = settle_alone(store, &items[i], &problem);
        crash_point("settle:single");
        if (done == 0)
            continue;
        if ((status == 0 || problem.class != FAULT_INPUT) && fault)
            *fault = problem;
        status = -1;
        if (problem.class != FAULT_INPUT)
            break;
    }
    return status;
}

static int settle(struct store *store, const struct settlement *items, size_t count, struct fault *fault)
{
    struct fault problem = {0};

    if (settle_all(store, items, count, &problem) == 0)
        return 0;
    if (problem.class == FAULT_INPUT)
        return settle_singly(store, items, count, fault);
    if (fault)
        *fault = problem;
    return -1;
}

int store_settle(struct store *store, const struct settlement *items, size_t count, struct fault *fault)
{
    for (size_t at = 0; at < count; at += STORE_CHUNK)
        if (settle(store, items + at, count - at < STORE_CHUNK ? count - at : STORE_CHUNK, fault))
            return -1;
    return 0;
}
