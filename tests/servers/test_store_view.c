/*
 * The store against a PostgreSQL of its own: views, lists, dead letters, tenants, migrations, a server that
 * fails
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clock.h"
#include "migrations.h"
#include "store_fixture.h"
#include "text.h"
#include "xalloc.h"

static void die(const struct store_fixture *f, const char *id)
{
    settle_one(f->store, id, 1, OUTCOME_REJECTED, DELIVERY_DEAD);
}

/* --- views --- */

static void a_view_has_everything(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE], hook[UID_TEXT_SIZE];
    struct job *job = make_job("second hook");
    struct job_view view;

    free(job->distribution_id);
    job->distribution_id = xstrdup("d-1");
    job->own_id = true;
    json_object_set_new(job->metadata, "k", json_string("v"));
    accept_job(f->store, job, id);
    ok(store_view(f->store, "d-1", true, &view, &problem));
    assert_int_equal(view.status, JOB_PENDING);
    assert_int_equal(view.delivery_count, 0);
    job_view_release(&view);
    route_it(f->store, id);
    delivery_id(f, id, "hook", hook);
    settle_one(f->store, hook, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    pg_server_run(&f->server,
                  "UPDATE distribution_deliveries SET status = 'queued' WHERE status = 'waiting'");
    settle_one(f->store, hook, 2, OUTCOME_DELIVERED, DELIVERY_DELIVERED);

    ok(store_view(f->store, id, true, &view, &problem));
    assert_string_equal(view.id, id);
    assert_string_equal(view.distribution_id, "d-1");
    assert_string_equal(view.tenant_id, "acme");
    assert_string_equal(view.content_type, "application/json");
    assert_string_equal(json_string_value(json_object_get(view.metadata, "k")), "v");
    assert_int_equal(view.status, JOB_ROUTED);
    assert_int_equal(view.completed_at_us, 0);
    assert_true(view.submitted_at_us > 0 && view.expires_at_us > view.submitted_at_us);
    assert_int_equal(view.delivery_count, 2);
    assert_string_equal(view.deliveries[0].target, "second"); /* the order of the request */
    assert_string_equal(view.deliveries[0].destination, "second");
    assert_int_equal(view.deliveries[0].status, DELIVERY_QUEUED);
    assert_true(view.deliveries[0].due_at_us > 0);
    assert_int_equal(view.deliveries[1].status, DELIVERY_DELIVERED);
    assert_true(view.deliveries[1].delivered_at_us > 0);
    assert_int_equal(view.deliveries[1].attempts, 2);
    assert_int_equal(view.deliveries[1].attempt_count, 2);
    assert_int_equal(view.deliveries[1].attempt_items[0].number, 1);
    assert_string_equal(view.deliveries[1].attempt_items[0].status, "deferred");
    assert_string_equal(view.deliveries[1].attempt_items[0].retry_reason, "http_503");
    assert_string_equal(view.deliveries[1].attempt_items[0].error, "503 Service Unavailable");
    assert_int_equal(view.deliveries[1].attempt_items[1].response_code, 200);
    assert_string_equal(view.deliveries[1].attempt_items[1].response_body, "{\"ok\": \"perhaps\"}");
    job_view_release(&view);

    ok(store_view(f->store, "d-1", false, &view, &problem));
    assert_int_equal(view.deliveries[1].attempt_count, 0);
    job_view_release(&view);
    refused(store_view(f->store, "d-2", true, &view, &problem), FAULT_INPUT);
    enum job_status status;
    refused(store_job_status(f->store, "d-2\x1b[1m", &status, &problem), FAULT_INPUT);
    assert_null(strchr(problem.text, 0x1b));
}

struct seen {
    char ids[600][UID_TEXT_SIZE];
    size_t count, stop_at, deliveries;
};

static int see_job(void *arg, const struct job_view *view)
{
    struct seen *seen = arg;

    text_copy(seen->ids[seen->count++], UID_TEXT_SIZE, view->id);
    seen->deliveries += view->delivery_count;
    return seen->stop_at && seen->count == seen->stop_at;
}

static void expect_list(const struct store_fixture *f, const struct job_filter *filter, size_t wanted)
{
    static struct seen seen;

    seen = (struct seen){0};
    ok(store_list(f->store, filter, see_job, &seen, &problem));
    assert_int_equal(seen.count, wanted);
}

static void lists_know_each_status(void **state)
{
    static const struct {
        const char *status;
        enum delivery_status a, b;
    } ends[] = {
        {"completed", DELIVERY_DELIVERED, DELIVERY_DELIVERED},
        {"partial", DELIVERY_DELIVERED, DELIVERY_DEAD},
        {"failed", DELIVERY_DEAD, DELIVERY_DEAD},
        {"expired", DELIVERY_EXPIRED, DELIVERY_EXPIRED},
        {"cancelled", DELIVERY_CANCELLED, DELIVERY_CANCELLED},
        {"routed", DELIVERY_DELIVERED, DELIVERY_WAITING},
    };
    struct store_fixture *f = *state;
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];

    accept_job(f->store, make_job("a b"), job);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        accept_job(f->store, make_job("a b"), job);
        route_it(f->store, job);
        for (int b = 0; b < 2; b++) {
            enum delivery_status end = b ? ends[i].b : ends[i].a;
            delivery_id(f, job, b ? "b" : "a", id);
            settle_one(f->store, id, end == DELIVERY_DELIVERED ? 1 : 0, OUTCOME_DEFERRED, end);
        }
        expect_list(f, &(struct job_filter){.status = ends[i].status}, 1);
        expect_list(f, &(struct job_filter){.status = ends[i].status, .tenant_id = "acme"}, 1);
        expect_list(f, &(struct job_filter){.status = ends[i].status, .tenant_id = "other"}, 0);
    }
    expect_list(f, &(struct job_filter){.status = "pending"}, 1);
    expect_list(f, &(struct job_filter){.status = "pending", .tenant_id = "other"}, 0);
    expect_list(f, &(struct job_filter){0}, 1 + sizeof ends / sizeof *ends);
}

static void lists_are_filtered_paged_and_newest_first(void **state)
{
    enum { COUNT = 450 };
    struct store_fixture *f = *state;
    struct submission *items = xcalloc(COUNT, sizeof *items);
    static struct seen seen;
    char id[UID_TEXT_SIZE];

    for (size_t i = 0; i < COUNT; i++)
        items[i] = submission_of(make_job("hook"));
    ok(store_submit(f->store, items, COUNT, 1000, &problem));
    int64_t before_us = clock_wall_us();
    ok(store_tenant_add(f->store, "other", NULL, &problem));
    struct job *job = make_job("far away");
    job->tenant_id[0] = '\0';
    free(job->tenant_id);
    free(job->data_type);
    job->tenant_id = xstrdup("other");
    job->data_type = xstrdup("bill");
    accept_job(f->store, job, id);
    route_it(f->store, id);

    seen = (struct seen){0};
    ok(store_list(f->store, &(struct job_filter){0}, see_job, &seen, &problem));
    assert_int_equal(seen.count, COUNT + 1);
    assert_string_equal(seen.ids[0], id);
    assert_int_equal(seen.deliveries, 2);
    for (size_t i = 2; i < seen.count; i++) /* one transaction, so one time: the ids decide */
        assert_true(strcmp(seen.ids[i - 1], seen.ids[i]) > 0);
    expect_list(f, &(struct job_filter){.limit = 300}, 300);
    expect_list(f, &(struct job_filter){.tenant_id = "acme"}, COUNT);
    expect_list(f, &(struct job_filter){.tenant_id = "other"}, 1);
    expect_list(f, &(struct job_filter){.data_type = "bill"}, 1);
    expect_list(f, &(struct job_filter){.status = "routed"}, 1);
    expect_list(f, &(struct job_filter){.status = "pending", .limit = 5}, 5);
    expect_list(f, &(struct job_filter){.destination = "away"}, 1);
    expect_list(f, &(struct job_filter){.destination = "hook"}, 0);
    expect_list(f, &(struct job_filter){.since_us = before_us}, 1);
    expect_list(f, &(struct job_filter){.until_us = before_us}, COUNT);
    expect_list(f, &(struct job_filter){.since_us = before_us, .until_us = before_us}, 0);
    seen = (struct seen){.stop_at = 250};
    ok(store_list(f->store, &(struct job_filter){0}, see_job, &seen, &problem));
    assert_int_equal(seen.count, 250);
    for (size_t i = 0; i < COUNT; i++)
        submission_release(&items[i]);
    free(items);
}

static void destinations_are_counted(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE], delivery[UID_TEXT_SIZE];
    struct destination_count *counts;
    size_t count;

    ok(store_destination_counts(f->store, &counts, &count, &problem));
    assert_int_equal(count, 0);
    destination_counts_free(counts, count);
    for (int i = 0; i < 3; i++) {
        accept_job(f->store, make_job("a hook"), id);
        route_it(f->store, id);
        delivery_id(f, id, "hook", delivery);
        if (i < 2)
            settle_one(f->store, delivery, 1, OUTCOME_REJECTED, i ? DELIVERY_DEAD : DELIVERY_WAITING);
    }
    ok(store_destination_counts(f->store, &counts, &count, &problem));
    assert_int_equal(count, 2);
    assert_string_equal(counts[0].destination, "a");
    assert_int_equal(counts[0].queued, 3);
    assert_string_equal(counts[1].destination, "hook");
    assert_int_equal(counts[1].waiting, 1);
    assert_int_equal(counts[1].queued, 1);
    assert_int_equal(counts[1].dead, 1);
    assert_true(counts[1].oldest_open_us > 0);
    destination_counts_free(counts, count);
}

/* --- dead letters --- */

static int see_dead(void *arg, const struct dead_view *view)
{
    struct seen *seen = arg;

    assert_true(view->died_at_us >= view->submitted_at_us && view->submitted_at_us > 0);
    assert_int_equal(view->body_size, 8);
    assert_string_equal(view->destination, "hook");
    assert_string_equal(view->reason, "exhausted");
    assert_string_equal(view->content_type, "application/json");
    assert_int_equal(view->attempts, 1);
    assert_int_equal(view->last_code, 503);
    text_copy(seen->ids[seen->count++], UID_TEXT_SIZE, view->delivery_id);
    return seen->stop_at && seen->count == seen->stop_at;
}

static size_t dead_count(const struct store_fixture *f, const struct dead_filter *filter)
{
    static struct seen seen;

    seen = (struct seen){0};
    ok(store_dead_list(f->store, filter, see_dead, &seen, &problem));
    return seen.count;
}

static void dead_letters_are_found_by_anything(void **state)
{
    struct store_fixture *f = *state;
    char jobs[3][UID_TEXT_SIZE], ids[3][UID_TEXT_SIZE];

    for (int i = 0; i < 3; i++) {
        struct job *job = make_job("hook b");
        if (i == 2) {
            free(job->distribution_id);
            job->distribution_id = xstrdup("named");
            job->own_id = true;
        }
        accept_job(f->store, job, jobs[i]);
        route_it(f->store, jobs[i]);
        delivery_id(f, jobs[i], "hook", ids[i]);
        die(f, ids[i]);
    }
    int64_t now_us = clock_wall_us();
    const char *some[] = {ids[0], "named", "nobody"};
    const char *by_job[] = {jobs[1]};
    const char *none[] = {"nobody"};
    assert_int_equal(dead_count(f, &(struct dead_filter){0}), 3);
    assert_int_equal(dead_count(f, &(struct dead_filter){.limit = 2}), 2);
    assert_int_equal(dead_count(f, &(struct dead_filter){.tenant_id = "acme"}), 3);
    assert_int_equal(dead_count(f, &(struct dead_filter){.tenant_id = "other"}), 0);
    assert_int_equal(dead_count(f, &(struct dead_filter){.destination = "hook"}), 3);
    assert_int_equal(dead_count(f, &(struct dead_filter){.destination = "b"}), 0);
    assert_int_equal(dead_count(f, &(struct dead_filter){.reason = "exhausted"}), 3);
    assert_int_equal(dead_count(f, &(struct dead_filter){.reason = "poison"}), 0);
    assert_int_equal(dead_count(f, &(struct dead_filter){.data_type = "report"}), 3);
    assert_int_equal(dead_count(f, &(struct dead_filter){.error = "service UN"}), 3);
    assert_int_equal(dead_count(f, &(struct dead_filter){.error = "%"}), 0);
    assert_int_equal(dead_count(f, &(struct dead_filter){.since_us = now_us}), 0);
    assert_int_equal(dead_count(f, &(struct dead_filter){.until_us = now_us}), 3);
    assert_int_equal(dead_count(f, &(struct dead_filter){.ids = some, .id_count = 3}), 2);
    assert_int_equal(dead_count(f, &(struct dead_filter){.ids = by_job, .id_count = 1}), 1);
    assert_int_equal(dead_count(f, &(struct dead_filter){.ids = none, .id_count = 1}), 0);
}

static void a_replay_begins_again_and_keeps_the_history(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE], hook[UID_TEXT_SIZE];
    const char *ids[] = {hook, "nonsense", hook};
    struct delivery *delivery;
    struct due_list due = {0};
    struct job_view view;
    size_t count;

    accept_job(f->store, make_job("hook"), id);
    route_it(f->store, id);
    delivery_id(f, id, "hook", hook);
    refused(store_dead_load(f->store, hook, &delivery, &problem), FAULT_INPUT);
    refused(store_dead_load(f->store, "nonsense", &delivery, &problem), FAULT_INPUT);
    die(f, hook);
    pg_server_run(&f->server, "UPDATE distribution_jobs SET expires_at = now() - interval '1 day'");
    ok(replay_now(f->store, ids, 3, &count, &problem));
    assert_int_equal(count, 1);
    ok(replay_now(f->store, ids, 3, &count, &problem));
    assert_int_equal(count, 0);
    check_counters(f);
    ok(store_view(f->store, id, true, &view, &problem));
    assert_int_equal(view.status, JOB_ROUTED);
    assert_int_equal(view.completed_at_us, 0);
    assert_true(view.expires_at_us > clock_wall_us() + INT64_C(3500) * 1000000); /* its lifetime again */
    assert_int_equal(view.deliveries[0].attempt_count, 1);
    assert_null(view.deliveries[0].dead_reason);
    job_view_release(&view);
    ok(claim_due(f->store, 10, 1000, &due, &problem));
    assert_int_equal(due.count, 1);
    due_list_release(&due);
    ok(store_load_deliveries(f->store, ids, 1, 0, &delivery, &problem));
    assert_int_equal(delivery->attempts, 1);
    assert_int_equal(delivery->budget_start, 1);
    delivery_free(delivery);
    settle_one(f->store, hook, 2, OUTCOME_REJECTED, DELIVERY_DEAD);
    ok(store_drop(f->store, ids, 3, &count, &problem));
    assert_int_equal(count, 1);
    ok(replay_now(f->store, ids, 3, &count, &problem));
    assert_int_equal(count, 0);
    enum job_status status;
    ok(store_job_status(f->store, id, &status, &problem));
    assert_int_equal(status, JOB_CANCELLED);
    check_counters(f);
}

/* --- administration --- */

static int count_tenants(void *arg, const struct tenant_view *view)
{
    int *count = arg;

    assert_true(view->created_at_us > 0);
    if (!strcmp(view->tenant_id, "beta")) {
        assert_string_equal(view->name, "Beta & Co");
        assert_true(view->disabled);
    }
    ++*count;
    return 0;
}

static void tenants_are_added_listed_and_disabled(void **state)
{
    struct store_fixture *f = *state;
    int count = 0;

    ok(store_tenant_add(f->store, "beta", "Beta & Co", &problem));
    ok(store_tenant_add(f->store, "beta", "Beta & Co", &problem)); /* again, as after a lost connection */
    refused(store_tenant_add(f->store, "beta", "Other", &problem), FAULT_INPUT);
    refused(store_tenant_add(f->store, "no name", NULL, &problem), FAULT_INPUT);
    refused(store_tenant_add(f->store, "a23456789012345678901234567890123456789012345678901", NULL, &problem),
            FAULT_INPUT);
    ok(store_check_tenant(f->store, "beta", &problem));
    refused(store_check_tenant(f->store, "betta", &problem), FAULT_INPUT);
    assert_non_null(strstr(problem.text, "did you mean 'beta'?"));
    ok(store_tenant_disable(f->store, "beta", true, &problem));
    refused(store_check_tenant(f->store, "beta", &problem), FAULT_INPUT);
    assert_non_null(strstr(problem.text, "disabled"));
    ok(store_tenant_list(f->store, count_tenants, &count, &problem));
    assert_int_equal(count, 2);
    ok(store_tenant_disable(f->store, "beta", false, &problem));
    ok(store_check_tenant(f->store, "beta", &problem));
    refused(store_tenant_disable(f->store, "gamma", false, &problem), FAULT_INPUT);
}

static void count_migrations(void *arg, int version, const char *name)
{
    int *count = arg;

    assert_true(version > 0 && *name);
    ++*count;
}

struct migrator {
    struct store *store;
    struct fault fault;
    int applied, status;
};

static void *migrate(void *arg)
{
    struct migrator *migrator = arg;

    migrator->status = store_migrate(migrator->store, count_migrations, &migrator->applied, &migrator->fault);
    return NULL;
}

static void migrations_run_once_whoever_runs_them(void **state)
{
    enum { MANY = 4 };
    struct store_fixture *f = *state;
    struct pg_config config = pg_server_config(&f->server, 20000);
    struct migrator migrators[MANY] = {0};
    pthread_t threads[MANY];
    int have, want, applied = 0;
    char version[64];
    int64_t skew_ms;

    pg_server_run(&f->server, "CREATE DATABASE fresh");
    config.database = "fresh";
    for (int i = 0; i < MANY; i++)
        migrators[i].store = store_new(&config);
    refused(store_open(migrators[0].store, &problem), FAULT_CONFIG);
    assert_non_null(strstr(problem.text, "run dist-admin migrate"));
    refused(store_check_tenant(migrators[0].store, "acme", &problem), FAULT_CONFIG);
    ok(store_schema_version(migrators[0].store, &have, &want, &problem));
    assert_int_equal(have, 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, migrate, &migrators[i]), 0);
    for (int i = 0; i < MANY; i++) {
        pthread_join(threads[i], NULL);
        if (migrators[i].status)
            fail_msg("%s", migrators[i].fault.text);
        applied += migrators[i].applied;
    }
    for (const struct migration *m = migrations; m->version; m++)
        applied--;
    assert_int_equal(applied, 0);
    ok(store_open(migrators[0].store, &problem));
    ok(store_schema_version(migrators[0].store, &have, &want, &problem));
    assert_int_equal(have, want);
    ok(store_server(migrators[0].store, version, &skew_ms, &problem));
    assert_true(version[0] >= '1' && version[0] <= '9');
    assert_in_range(skew_ms + 1000, 0, 2000);
    assert_non_null(strstr(store_address(migrators[0].store), "database fresh"));
    for (int i = 0; i < MANY; i++)
        store_free(migrators[i].store);
}

static void a_schema_of_a_later_version_is_left_alone(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_store(f, 10000);

    pg_server_run(&f->server, "INSERT INTO schema_migrations (version, name) VALUES (999, 'later')");
    refused(store_open(store, &problem), FAULT_CONFIG);
    assert_non_null(strstr(problem.text, "newer"));
    pg_server_run(&f->server, "DELETE FROM schema_migrations WHERE version = 999");
    ok(store_open(store, &problem));
    store_free(store);
}

/* --- a server that fails --- */

static void a_restart_loses_nothing_that_was_accepted(void **state)
{
    struct store_fixture *f = *state;
    struct submission before = submission_of(make_job("hook")), after = submission_of(make_job("hook"));
    enum job_status status;

    ok(store_submit(f->store, &before, 1, 1000, &problem));
    pg_server_stop(&f->server);
    refused(store_submit(f->store, &after, 1, 1000, &problem), FAULT_UNAVAILABLE);
    refused(store_job_status(f->store, before.id, &status, &problem), FAULT_UNAVAILABLE);
    pg_server_start(&f->server);
    ok(store_submit(f->store, &after, 1, 1000, &problem));
    ok(store_job_status(f->store, before.id, &status, &problem));
    ok(store_job_status(f->store, after.id, &status, &problem));
    submission_release(&before);
    submission_release(&after);
}

static const char terminate_sql[] = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                                    " WHERE pid <> pg_backend_pid() AND application_name = 'dist-test'";

static void *terminator(void *arg)
{
    struct store_fixture *f = arg;

    for (int i = 0; i < 25; i++) {
        struct pg_config config = pg_server_config(&f->server, 5000);
        struct pg *pg = pg_new(&config);
        PGresult *result;

        config.application = "terminator";
        pg_free(pg);
        pg = pg_new(&config);
        result = pg_query(pg, terminate_sql, NULL, NULL);
        PQclear(result);
        pg_free(pg);
        usleep(20000);
    }
    return NULL;
}

/* The connection is cut again and again; a caller that repeats what failed stores each job once. */
static void cut_connections_lose_and_double_nothing(void **state)
{
    enum { ROUNDS = 40, BATCH = 50 };
    struct store_fixture *f = *state;
    pthread_t thread;
    size_t faults = 0;

    assert_int_equal(pthread_create(&thread, NULL, terminator, f), 0);
    for (int round = 0; round < ROUNDS; round++) {
        struct submission items[BATCH];
        for (size_t i = 0; i < BATCH; i++)
            items[i] = submission_of(make_job("hook"));
        while (store_submit(f->store, items, BATCH, 1000, &problem)) {
            assert_int_equal(problem.class, FAULT_UNAVAILABLE);
            faults++;
        }
        for (size_t i = 0; i < BATCH; i++) {
            assert_int_equal(items[i].result, SUBMIT_ACCEPTED);
            submission_release(&items[i]);
        }
    }
    pthread_join(thread, NULL);
    print_message("%zu calls lost their connection\n", faults);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), ROUNDS * BATCH);
    while (store_open(f->store, &problem)) /* the last cut may be one that nobody saw */
        assert_int_equal(problem.class, FAULT_UNAVAILABLE);
}

static void a_lock_that_is_held_costs_the_timeout(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_store(f, 500);
    struct pg_config config = pg_server_config(&f->server, 10000);
    struct pg *holder = pg_new(&config);
    char id[UID_TEXT_SIZE], hook[UID_TEXT_SIZE];
    struct settlement settlement;

    accept_job(f->store, make_job("hook"), id);
    route_it(f->store, id);
    delivery_id(f, id, "hook", hook);
    settlement = settlement_of(hook, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    ok(pg_begin(holder, &problem));
    ok(pg_script(holder, "SELECT id FROM distribution_deliveries FOR UPDATE", &problem));
    fault_clear(&problem);
    assert_int_equal(store_settle(store, &settlement, 1, &problem), -1);
    assert_true(problem.class == FAULT_TEMP || problem.class == FAULT_UNAVAILABLE);
    pg_rollback(holder);
    ok(store_settle(store, &settlement, 1, &problem));
    check_counters(f);
    settlement_release(&settlement);
    pg_free(holder);
    store_free(store);
}

int main(void)
{
#define with_empty_store(test) cmocka_unit_test_setup(test, store_fixture_empty)
    const struct CMUnitTest tests[] = {
        with_empty_store(a_view_has_everything),
        with_empty_store(lists_know_each_status),
        with_empty_store(lists_are_filtered_paged_and_newest_first),
        with_empty_store(destinations_are_counted),
        with_empty_store(dead_letters_are_found_by_anything),
        with_empty_store(a_replay_begins_again_and_keeps_the_history),
        with_empty_store(tenants_are_added_listed_and_disabled),
        with_empty_store(migrations_run_once_whoever_runs_them),
        with_empty_store(a_schema_of_a_later_version_is_left_alone),
        with_empty_store(a_restart_loses_nothing_that_was_accepted),
        with_empty_store(cut_connections_lose_and_double_nothing),
        with_empty_store(a_lock_that_is_held_costs_the_timeout),
    };
    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
