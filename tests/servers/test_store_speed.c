/*
 * What the store does in a second, and that its hot statements find their rows by an index, among 200,000
 * jobs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "store_fixture.h"
#include "store_replay.h"
#include "text.h"
#include "xalloc.h"

enum { BATCH = 500, BODY = 1000 };

static int64_t batches(void)
{
    const char *given = getenv("TEST_BATCHES"); /* more of them for a better measurement */

    return given ? strtoll(given, NULL, 10) : 10;
}

static void report(const char *what, int64_t rows, int64_t start_ms)
{
    int64_t ms = clock_mono_ms() - start_ms;

    print_message("%-20s %6lld rows/s (%lld rows in %lld ms)\n", what,
                  (long long)(rows * 1000 / (ms ? ms : 1)), (long long)rows, (long long)ms);
}

static struct job *kilobyte_job(void)
{
    struct job *job = make_job("hook");

    free(job->body);
    job->body = xmalloc(BODY + 1);
    memset(job->body, 'x', BODY);
    memcpy(job->body, "{\"text\":\"", 9);
    memcpy(job->body + BODY - 2, "\"}", 3);
    for (size_t i = 20; i < BODY - 10; i += 7)
        job->body[i] = (char)('a' + rand() % 26);
    job->body_size = BODY;
    return job;
}

static void submit_batch(struct store *store, struct routing *routings)
{
    struct submission items[BATCH];

    for (size_t i = 0; i < BATCH; i++) {
        items[i] = submission_of(kilobyte_job());
        routings[i] = (struct routing){.job = items[i].job};
    }
    ok(store_submit(store, items, BATCH, 3600000, &problem));
    for (size_t i = 0; i < BATCH; i++)
        assert_int_equal(items[i].result, SUBMIT_ACCEPTED);
}

static void the_happy_path_is_measured(void **state)
{
    struct store_fixture *f = *state;
    int64_t count = batches();
    struct routing *routings = xcalloc((size_t)count * BATCH, sizeof *routings);
    struct settlement *items = xcalloc((size_t)count * BATCH, sizeof *items);
    struct delivery *out[BATCH];
    const char *ids[BATCH];
    int64_t start_ms = clock_mono_ms();

    for (int64_t i = 0; i < count; i++)
        submit_batch(f->store, routings + i * BATCH);
    report("store_submit", count * BATCH, start_ms);

    for (int64_t i = 0; i < count * BATCH; i++) {
        struct delivery *delivery = delivery_new((struct job *)routings[i].job, "hook");
        delivery_add_candidate(delivery, "hook");
        delivery->status = DELIVERY_QUEUED;
        delivery_list_add(&routings[i].deliveries, delivery);
        items[i] = settlement_of(delivery->id, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    }
    start_ms = clock_mono_ms();
    for (int64_t i = 0; i < count; i++)
        ok(store_save_routings(f->store, routings + i * BATCH, BATCH, 60000, &problem));
    report("store_save_routings", count * BATCH, start_ms);

    start_ms = clock_mono_ms();
    for (int64_t i = 0; i < count; i++) {
        for (size_t k = 0; k < BATCH; k++)
            ids[k] = items[i * BATCH + (int64_t)k].delivery_id;
        ok(store_load_deliveries(f->store, ids, BATCH, 1 << 30, out, &problem));
        for (size_t k = 0; k < BATCH; k++) {
            assert_int_equal(out[k]->job->body_size, BODY);
            delivery_free(out[k]);
        }
    }
    report("store_load_deliveries", count * BATCH, start_ms);

    start_ms = clock_mono_ms();
    for (int64_t i = 0; i < count; i++)
        ok(store_settle(f->store, items + i * BATCH, BATCH, &problem));
    report("store_settle", count * BATCH, start_ms);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status = 'completed'"),
                     count * BATCH);

    for (int64_t i = 0; i < count * BATCH; i++) {
        settlement_release(&items[i]);
        delivery_list_release(&routings[i].deliveries);
        job_unref((struct job *)routings[i].job);
    }
    free(routings);
    free(items);
}

/* --- plans --- */

/* No triggers: the rows are written as they end. */
#define AS_IT_ENDS "SET session_replication_role = 'replica';"

/* 200,000 jobs: of each thousand one pending, one waiting, one queued, one dead, the rest delivered. A
 * statement each, so that each has the whole time of a call. */
static const char *const fill_sql[] = {
    AS_IT_ENDS
    "INSERT INTO distribution_jobs (id, tenant_id, distribution_id, status, data_type, payload, destinations,"
    " body, content_type, body_size, request_hash, created_at, expires_at, supersede_key)"
    " SELECT dist_uuid(), 'acme', 'd-' || n, CASE n % 1000 WHEN 0 THEN 'pending' WHEN 1 THEN 'routed'"
    "  WHEN 2 THEN 'routed' WHEN 3 THEN 'failed' ELSE 'completed' END, 'report', '{}', '[]', 'x',"
    "  'text/plain', 1, repeat('0', 64), now() - n * interval '1 second', now() + interval '1 day',"
    "  CASE WHEN n % 1000 NOT IN (1, 2) THEN 's-' || n % 5000 END" /* open ones have no counters here */
    " FROM generate_series(1, 200000) n",
    "INSERT INTO distribution_keys (tenant_id, key, job_id, request_hash, expires_at)"
    " SELECT 'acme', distribution_id, id, request_hash, now() + interval '1 day' FROM distribution_jobs",
    AS_IT_ENDS "INSERT INTO distribution_deliveries (id, job_id, tenant_id, priority, target, candidates, "
               "status, due_at,"
               " dead_reason) SELECT dist_uuid(), id, 'acme', 'normal', 'hook', '[\"hook\"]', s,"
               "  CASE WHEN s IN ('waiting', 'queued') THEN now() + (n % 7 - 3) * interval '1 hour' END,"
               "  CASE s WHEN 'dead' THEN 'rejected' END"
               " FROM (SELECT id, substr(distribution_id, 3)::integer AS n,"
               "   CASE substr(distribution_id, 3)::integer % 1000"
               "   WHEN 1 THEN 'waiting' WHEN 2 THEN 'queued' WHEN 3 THEN 'dead' ELSE 'delivered' END AS s"
               "   FROM distribution_jobs WHERE status <> 'pending') j",
    AS_IT_ENDS
    "INSERT INTO distribution_attempts (distribution_job_id, delivery_id, destination_name, attempt_number,"
    " status, started_at)"
    " SELECT job_id, id, 'hook', 1, 'delivered', now() FROM distribution_deliveries",
    "ANALYZE",
};

/*
 * By the statistics of the tables: nothing is read whole but partitions of a page or less, for which a scan
 * is the better plan. A single scan of a filled table would read 200,000 rows.
 */
static void expect_no_scans(const struct store_fixture *f, const char *what)
{
    enum { FEW = 1000 };
    static const char sql[] =
        "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname LIKE 'distribution_%'";

    int64_t rows = pg_server_number(&f->server, sql);
    if (rows > FEW)
        fail_msg("%s: %lld rows were read in sequential scans", what, (long long)rows);
}

static int ignore_job(void *arg, const struct job_view *view)
{
    (void)arg;
    (void)view;
    return 0;
}

static int ignore_dead(void *arg, const struct dead_view *view)
{
    (void)arg;
    (void)view;
    return 0;
}

static int ignore_batch(void *arg, const struct batch_view *view)
{
    (void)arg;
    (void)view;
    return 0;
}

static void use_due(struct store_fixture *f)
{
    struct due_list list = {0};
    struct due_list recall = {0}, stuck = {0};
    const char *const held[] = {"hook", NULL};
    const char *ids[BATCH];
    size_t expired, moved, count;

    for (int all = 0; all < 2; all++)
        ok(store_overdue_deliveries(f->store, all, "", 1000, &list, &problem));
    ok(pending_due(f->store, 1000, &list, &problem));
    ok(store_expire(f->store, 1000, 60000, &expired, &recall, &problem));
    ok(claim_due(f->store, 1000, 60000, &list, &problem));
    ok(store_stuck_in_group(f->store, "hook", held, 1000, &stuck, &problem));
    count = list.count < BATCH ? list.count : BATCH;
    for (size_t i = 0; i < count; i++)
        ids[i] = list.items[i].id;
    ok(store_pass_over(f->store, "hook", held, ids, count, &moved, &problem));
    due_list_release(&list);
    due_list_release(&recall);
    due_list_release(&stuck);
}

static void use_one(struct store_fixture *f)
{
    char id[UID_TEXT_SIZE], hook[UID_TEXT_SIZE];
    const char *ids[] = {hook};
    struct delivery *delivery;
    struct job_view view;
    size_t count;

    accept_job(f->store, make_job("hook"), id);
    route_it(f->store, id);
    delivery_id(f, id, "hook", hook);
    ok(store_load_deliveries(f->store, ids, 1, 100, &delivery, &problem));
    ok(store_save_transformed(f->store, &delivery, 1, &problem));
    delivery_free(delivery);
    settle_one(f->store, hook, 1, OUTCOME_REJECTED, DELIVERY_DEAD);
    ok(store_view(f->store, id, true, &view, &problem));
    job_view_release(&view);
    ok(replay_now(f->store, ids, 1, &count, &problem));
    ok(store_batch_list(f->store, &(struct batch_filter){0}, ignore_batch, NULL, &problem));
    ok(store_drop(f->store, ids, 1, &count, &problem));
}

/* A batch of the size that the stages use, submitted twice, so that it is looked up too. */
static void use_batch(struct store_fixture *f)
{
    struct routing routings[BATCH];
    struct settlement items[BATCH];
    struct delivery *out[BATCH];
    struct submission again[BATCH];
    const char *ids[BATCH];

    submit_batch(f->store, routings);
    for (size_t i = 0; i < BATCH; i++) {
        struct delivery *delivery = delivery_new((struct job *)routings[i].job, "hook");
        delivery->status = DELIVERY_QUEUED;
        delivery_list_add(&routings[i].deliveries, delivery);
        items[i] = settlement_of(delivery->id, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
        ids[i] = items[i].delivery_id;
        again[i] = submission_of((struct job *)routings[i].job);
    }
    ok(store_submit(f->store, again, BATCH, 3600000, &problem));
    ok(store_save_routings(f->store, routings, BATCH, 60000, &problem));
    ok(store_load_deliveries(f->store, ids, BATCH, 1 << 30, out, &problem));
    ok(store_save_transformed(f->store, out, BATCH, &problem));
    ok(store_settle(f->store, items, BATCH, &problem));
    for (size_t i = 0; i < BATCH; i++) {
        delivery_free(out[i]);
        settlement_release(&items[i]);
        delivery_list_release(&routings[i].deliveries);
        submission_release(&again[i]);
    }
}

/* Keys that are taken and asked for again, old ones that are replaced, and the new ones cancelled. */
static void use_keys(struct store_fixture *f)
{
    enum { COUNT = 50 };
    struct submission items[COUNT];
    struct cancellation cancelled[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        struct job *job = make_job("hook");
        job->idempotency_key = xstrdup(job->id);
        job->supersede_key = xasprintf("s-%zu", i);
        items[i] = submission_of(job);
        cancelled[i] = (struct cancellation){.distribution_id = job->distribution_id};
    }
    ok(store_submit(f->store, items, COUNT, 3600000, &problem));
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(items[i].result, SUBMIT_ACCEPTED);
        uid_new(items[i].job->id); /* another submission under the same key */
    }
    ok(store_submit(f->store, items, COUNT, 3600000, &problem));
    ok(store_cancel(f->store, cancelled, COUNT, "by hand", &problem));
    ok(store_forget_keys(f->store, 1000, &problem));
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(items[i].result, SUBMIT_SAME);
        assert_true(cancelled[i].whole);
        submission_release(&items[i]);
    }
}

static void use_lists(struct store_fixture *f)
{
    const char *ids[] = {"d-17"};
    struct destination_count *counts;
    size_t count;

    ok(store_list(f->store, &(struct job_filter){.limit = 10}, ignore_job, NULL, &problem));
    ok(store_list(f->store, &(struct job_filter){.tenant_id = "nobody"}, ignore_job, NULL, &problem));
    ok(store_list(f->store, &(struct job_filter){.status = "failed", .tenant_id = "acme"}, ignore_job, NULL,
                  &problem));
    ok(store_dead_list(f->store, &(struct dead_filter){.limit = 10}, ignore_dead, NULL, &problem));
    ok(store_dead_list(f->store, &(struct dead_filter){.tenant_id = "acme"}, ignore_dead, NULL, &problem));
    ok(store_dead_list(f->store, &(struct dead_filter){.ids = ids, .id_count = 1}, ignore_dead, NULL,
                       &problem));
    ok(store_destination_counts(f->store, &counts, &count, &problem));
    destination_counts_free(counts, count);
}

static void hot_statements_find_their_rows_by_an_index(void **state)
{
    struct store_fixture *f = *state;
    static void (*const uses[])(struct store_fixture *) = {use_one, use_batch, use_keys, use_due, use_lists};
    static const char *const names[] = {"one job", "a batch", "keys", "the due queue", "lists"};

    for (size_t i = 0; i < sizeof fill_sql / sizeof *fill_sql; i++)
        pg_server_run(&f->server, fill_sql[i]);
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        store_fixture_reconnect(f);
        pg_server_run(&f->server, "SELECT pg_stat_reset()");
        for (int again = 0; again < 8; again++) /* more than the five before a plan becomes a general one */
            uses[i](f);
        store_fixture_reconnect(f);
        expect_no_scans(f, names[i]);
    }
}

int main(void)
{
#define with_empty_store(test) cmocka_unit_test_setup(test, store_fixture_empty)
    const struct CMUnitTest tests[] = {
        with_empty_store(the_happy_path_is_measured),
        with_empty_store(hot_statements_find_their_rows_by_an_index),
    };
    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
