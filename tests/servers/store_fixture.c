#include "store_fixture.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "digest.h"
#include "ceilings.h"
#include "store_replay.h"
#include "text.h"
#include "xalloc.h"

struct fault problem;

struct store *store_fixture_store(const struct store_fixture *fixture, int64_t timeout_ms)
{
    struct pg_config config = pg_server_config(&fixture->server, timeout_ms);

    return store_new(&config);
}

void store_fixture_reconnect(struct store_fixture *fixture)
{
    int64_t deadline_ms = clock_mono_ms() + 10000;

    store_free(fixture->store);
    fixture->store = store_fixture_store(fixture, 20000);
    while (pg_server_number(&fixture->server,
                            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dist-test'"
                            " AND pid <> pg_backend_pid()"))
        assert_true(clock_mono_ms() < deadline_ms);
}

int store_fixture_setup(void **state)
{
    static struct store_fixture fixture;

    pg_server_create(&fixture.server);
    fixture.store = store_fixture_store(&fixture, 20000);
    ok(store_migrate(fixture.store, NULL, NULL, &problem));
    ok(store_tenant_add(fixture.store, "acme", "Acme", &problem));
    *state = &fixture;
    return 0;
}

int store_fixture_teardown(void **state)
{
    struct store_fixture *fixture = *state;

    store_free(fixture->store);
    pg_server_remove(&fixture->server);
    return 0;
}

int store_fixture_empty(void **state)
{
    const struct store_fixture *fixture = *state;

    pg_server_run(
        &fixture->server,
        "TRUNCATE distribution_jobs, distribution_deliveries, distribution_outputs, distribution_attempts,"
        " distribution_keys, dist_state, replay_batches, distribution_rules, "
        "distribution_rule_changes;"
        " INSERT INTO dist_state (key, value) VALUES ('rules_version', '0');"
        " DELETE FROM tenants WHERE tenant_id <> 'acme';"
        " UPDATE tenants SET disabled = false");
    return 0;
}

struct job *make_job(const char *destinations)
{
    struct job *job = job_new();
    char *names = xstrdup(destinations), *save = NULL;

    job->distribution_id = xstrdup(job->id);
    job->tenant_id = xstrdup("acme");
    job->data_type = xstrdup("report");
    job->content_type = xstrdup("application/json");
    job->body = xstrdup("{\"a\": 1}");
    job->body_size = strlen(job->body);
    for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save))
        json_array_append_new(job->destinations, json_pack("{s:s}", "name", name));
    free(names);
    return job;
}

struct submission submission_of(struct job *job)
{
    struct submission item = {.job = job};
    struct buf identity;

    buf_init(&identity, job->body_size + LIMIT_ENVELOPE_EXTRA);
    job_identity(job, &identity);
    digest_sha256(identity.data, identity.len, item.request_hash);
    buf_release(&identity);
    return item;
}

void submission_release(struct submission *item)
{
    job_unref(item->job);
}

void accept_job(struct store *store, struct job *job, char id[UID_TEXT_SIZE])
{
    struct submission item = submission_of(job);

    ok(store_submit(store, &item, 1, 3600 * 1000, &problem));
    if (item.result != SUBMIT_ACCEPTED)
        fail_msg("not accepted: %s", item.fault.text);
    text_copy(id, UID_TEXT_SIZE, item.id);
    submission_release(&item);
}

void route_it(struct store *store, const char *id)
{
    struct routing routing = {0};
    struct job *job = NULL;
    json_t *element;
    size_t index;
    bool routed;

    ok(store_load_jobs(store, &id, 1, &job, &routed, &problem));
    assert_non_null(job);
    routing.job = job;
    json_array_foreach (job->destinations, index, element) {
        const char *name = json_string_value(json_object_get(element, "name"));
        struct delivery *delivery = delivery_new(job, name);
        delivery_add_candidate(delivery, name);
        delivery->status = DELIVERY_QUEUED;
        delivery_list_add(&routing.deliveries, delivery);
    }
    ok(store_save_routings(store, &routing, 1, 60000, &problem));
    assert_true(routing.saved);
    delivery_list_release(&routing.deliveries);
    job_unref(job);
}

static PGresult *query(const struct store_fixture *fixture, const char *sql, struct pg **pg)
{
    struct pg_config config = pg_server_config(&fixture->server, 60000);

    *pg = pg_new(&config);
    PGresult *result = pg_query(*pg, sql, NULL, &problem);
    if (!result)
        fail_msg("%s: %s", sql, problem.text);
    return result;
}

void delivery_id(const struct store_fixture *fixture, const char *job_id, const char *target,
                 char id[UID_TEXT_SIZE])
{
    char sql[300];
    struct pg *pg;

    snprintf(sql, sizeof sql, "SELECT id FROM distribution_deliveries WHERE job_id = '%s' AND target = '%s'",
             job_id, target);
    PGresult *result = query(fixture, sql, &pg);
    assert_int_equal(PQntuples(result), 1);
    text_copy(id, UID_TEXT_SIZE, pg_text(result, 0, 0));
    PQclear(result);
    pg_free(pg);
}

struct settlement settlement_of(const char *id, int number, enum outcome_kind kind,
                                enum delivery_status status)
{
    struct settlement settlement = {
        .destination = xstrdup("hook"),
        .number = number,
        .kind = kind,
        .code = kind == OUTCOME_DELIVERED ? 200 : 503,
        .reason = kind == OUTCOME_DELIVERED ? "" : "http_503",
        .error = kind == OUTCOME_DELIVERED ? NULL : xstrdup("503 Service Unavailable"),
        .response_body = xstrdup("{\"ok\": \"perhaps\"}"),
        .started_at_us = clock_wall_us() - 1000,
        .completed_at_us = clock_wall_us(),
        .verdict = {.status = status, .reason = DEAD_EXHAUSTED},
    };
    text_copy(settlement.delivery_id, sizeof settlement.delivery_id, id);
    return settlement;
}

void settle_one(struct store *store, const char *id, int number, enum outcome_kind kind,
                enum delivery_status status)
{
    struct settlement settlement = settlement_of(id, number, kind, status);

    ok(store_settle(store, &settlement, 1, &problem));
    settlement_release(&settlement);
}

int replay_now(struct store *store, const char *const *ids, size_t count, size_t *replayed,
               struct fault *fault)
{
    json_t *filter = json_object();
    struct replay_plan plan = {
        .who = "test@here",
        .filter = filter,
        .max_replays = 1000000,
        .selected = (int64_t)count,
    };
    uid_new(plan.id);
    int status = store_replay_begin(store, &plan, fault);
    if (!status)
        status = store_replay_letters(store, &plan, ids, NULL, count, replayed, fault);
    if (!status)
        status = store_replay_set_state(store, plan.id, REPLAY_REPLAYED, NULL, fault);
    json_decref(filter);
    return status;
}

enum { ALL_LANES = 10000 };

static void want_of_each(struct due_lanes *lanes, size_t want)
{
    for (size_t i = 0; i < lanes->count; i++)
        lanes->items[i].want = want;
}

int claim_due(struct store *store, size_t want, int64_t lease_ms, struct due_list *list, struct fault *fault)
{
    struct due_lanes lanes = {0};
    int status = store_due_lanes(store, NULL, ALL_LANES, &lanes, fault);

    want_of_each(&lanes, want);
    if (!status)
        status = store_claim_due(store, &lanes, lease_ms, list, fault);
    due_lanes_release(&lanes);
    return status;
}

int pending_due(struct store *store, size_t want, struct due_list *list, struct fault *fault)
{
    struct due_lanes lanes = {0};
    int status = store_pending_lanes(store, NULL, ALL_LANES, &lanes, fault);

    want_of_each(&lanes, want);
    if (!status)
        status = store_pending_jobs(store, &lanes, 0, list, fault);
    due_lanes_release(&lanes);
    return status;
}

int64_t number_of(const struct store_fixture *fixture, const char *format, ...)
{
    char *sql;
    va_list arguments;

    va_start(arguments, format);
    assert_true(vasprintf(&sql, format, arguments) > 0);
    va_end(arguments);
    int64_t number = pg_server_number(&fixture->server, sql);
    free(sql);
    return number;
}

void check_counters(const struct store_fixture *fixture)
{
    static const char sql[] =
        "SELECT j.id, total_deliveries, open_deliveries, delivered_deliveries, dead_deliveries,"
        " expired_deliveries, cancelled_deliveries, status, completed_at IS NOT NULL,"
        " c.total, c.open, c.delivered, c.dead, c.expired, c.cancelled,"
        " dist_job_status(c.total::integer, c.open::integer, c.delivered::integer, c.dead::integer,"
        "                 c.expired::integer, c.cancelled::integer)"
        " FROM distribution_jobs j CROSS JOIN LATERAL (SELECT count(*) AS total,"
        "  count(*) FILTER (WHERE d.status IN ('waiting', 'queued')) AS open,"
        "  count(*) FILTER (WHERE d.status = 'delivered') AS delivered,"
        "  count(*) FILTER (WHERE d.status = 'dead') AS dead,"
        "  count(*) FILTER (WHERE d.status = 'expired') AS expired,"
        "  count(*) FILTER (WHERE d.status = 'cancelled') AS cancelled"
        "  FROM distribution_deliveries d WHERE d.job_id = j.id AND d.kind = 'target') c"
        " WHERE total_deliveries > 0 OR c.total > 0";
    struct pg *pg;
    PGresult *result = query(fixture, sql, &pg);

    for (int row = 0; row < PQntuples(result); row++) {
        struct delivery_counts counts = {(int)pg_int(result, row, 9),  (int)pg_int(result, row, 10),
                                         (int)pg_int(result, row, 11), (int)pg_int(result, row, 12),
                                         (int)pg_int(result, row, 13), (int)pg_int(result, row, 14)};
        const char *status = job_status_names[job_status_from(&counts)];

        for (int i = 0; i < 6; i++)
            assert_int_equal(pg_int(result, row, 1 + i), pg_int(result, row, 9 + i));
        assert_string_equal(pg_text(result, row, 7), status);
        assert_string_equal(pg_text(result, row, 15), status);
        assert_int_equal(pg_bool(result, row, 8), job_status_is_final(job_status_from(&counts)));
    }
    PQclear(result);
    pg_free(pg);
    assert_int_equal(number_of(fixture,
                               "SELECT count(*) FROM distribution_pending p"
                               " FULL JOIN (SELECT * FROM distribution_jobs WHERE status = 'pending') j"
                               "  ON j.id = p.job_id"
                               " WHERE (p.tenant_id, p.priority, p.due_at, p.expires_at)"
                               "  IS DISTINCT FROM (j.tenant_id, j.priority, j.due_at, j.expires_at)"),
                     0);
    assert_int_equal(number_of(fixture, "SELECT count(*) FROM distribution_deliveries d"
                                        " JOIN distribution_jobs j ON j.id = d.job_id"
                                        " WHERE d.status IN ('waiting', 'queued') AND d.kind = 'target'"
                                        "  AND d.expires_at IS DISTINCT FROM j.expires_at"),
                     0);
}

void run_sql(const struct store_fixture *f, const char *format, ...)
{
    va_list arguments;
    char *sql;

    va_start(arguments, format);
    assert_true(vasprintf(&sql, format, arguments) > 0);
    va_end(arguments);
    pg_server_run(&f->server, sql);
    free(sql);
}

void fill_lane(const struct store_fixture *f, const char *job, const char *destination, const char *tenant,
               const char *priority, int count, int attempts, int due_s)
{
    run_sql(
        f,
        "SET session_replication_role = 'replica';"
        "INSERT INTO distribution_deliveries (id, job_id, tenant_id, priority, target, candidates, status,"
        " due_at, attempts) SELECT dist_uuid(), '%s', '%s', '%s', dist_uuid()::text,"
        " jsonb_build_array('%s'), 'waiting', now() + interval '%d seconds' + n * interval '1 millisecond',"
        " %d FROM generate_series(0, %d - 1) n",
        job, tenant, priority, destination, due_s, attempts, count);
}
