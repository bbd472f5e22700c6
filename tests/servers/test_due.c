/*
 * The due pump against a PostgreSQL and a Redis of its own: windows of lanes, retries beside fresh ones, held
 * destinations, members of groups, pending jobs of many tenants, a wiped Redis, and pumps at once
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "clock.h"
#include "due.h"
#include "holds.h"
#include "queue_fixture.h"
#include "rng.h"
#include "store_fixture.h"
#include "strmap.h"
#include "text.h"
#include "window.h"
#include "xalloc.h"

enum { LEASE_MS = 60000, WINDOW = 20 };

struct pumping {
    struct store_fixture *f;
    struct scene *s;
    struct due due;
    char job[UID_TEXT_SIZE]; /* whose deliveries fill_lane() makes */
};

static int group_setup(void **state)
{
    static struct pumping pumping;

    if (store_fixture_setup((void **)&pumping.f) || scene_group_setup((void **)&pumping.s))
        return -1;
    *state = &pumping;
    return 0;
}

static int group_teardown(void **state)
{
    struct pumping *p = *state;

    return store_fixture_teardown((void **)&p->f) || scene_group_teardown((void **)&p->s);
}

static int setup(void **state)
{
    struct pumping *p = *state;

    if (store_fixture_empty((void **)&p->f) || scene_setup((void **)&p->s))
        return -1;
    accept_job(p->f->store, make_job("hook"), p->job);
    run_sql(p->f, "UPDATE distribution_jobs SET status = 'routed'");
    due_init(&p->due, p->f->store, p->s->a, LEASE_MS, WINDOW);
    return 0;
}

static int teardown(void **state)
{
    struct pumping *p = *state;

    return scene_teardown((void **)&p->s);
}

static void tick(struct pumping *p)
{
    int64_t wait_ms = 0;

    ok(due_tick(&p->due, &wait_ms, &problem));
    assert_in_range(wait_ms, 1, 1000);
}

static int64_t length(struct pumping *p, enum queue_stage stage, const char *lane)
{
    const struct queue_item item = {.lane = lane};
    int64_t length;

    ok(queue_lengths(p->s->a, stage, &item, 1, &length, &problem));
    return length;
}

/* dist-transform: up to `want` entries go on to the lane of `web`. Returns how many did. */
static size_t transform(struct pumping *p, size_t want)
{
    size_t count = fetch_lane(p->s, p->s->b, QUEUE_ROUTED, "acme:normal", want);

    for (size_t i = 0; i < count; i++)
        hop(p->s, p->s->b, &p->s->claims.items[i], QUEUE_READY, p->s->claims.items[i].id);
    return count;
}

/* dist-deliver: up to `want` of the lane of `web` are delivered. */
static size_t deliver(struct pumping *p, size_t want)
{
    size_t count = fetch_lane(p->s, p->s->b, QUEUE_READY, LANE, want);

    for (size_t i = 0; i < count; i++) {
        run_sql(p->f,
                "SET session_replication_role = 'replica'; UPDATE distribution_deliveries SET status ="
                " 'delivered', due_at = NULL WHERE id = '%s'",
                p->s->claims.items[i].id);
        finish(p->s, p->s->b, &p->s->claims.items[i], true);
    }
    return count;
}

static int64_t queued(struct pumping *p)
{
    return number_of(p->f, "SELECT count(*) FROM distribution_deliveries WHERE status = 'queued'");
}

/* --- windows --- */

static void a_lane_is_filled_up_when_it_is_half_empty(void **state)
{
    struct pumping *p = *state;

    fill_lane(p->f, p->job, "web", "acme", "normal", 100, 0, -10);
    fill_lane(p->f, p->job, "web", "acme", "normal", 5, 0, 600); /* not due */
    for (int again = 0; again < 3; again++) {
        tick(p);
        assert_int_equal(length(p, QUEUE_ROUTED, EARLY), WINDOW);
        assert_int_equal(queued(p), WINDOW);
    }
    assert_int_equal(transform(p, 100), WINDOW);
    tick(p);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), 0); /* it is full */
    assert_int_equal(deliver(p, WINDOW / 2 - 1), WINDOW / 2 - 1);
    tick(p);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), 0); /* and more than half full */
    assert_int_equal(deliver(p, 1), 1);
    tick(p);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), WINDOW / 2);
    assert_int_equal(queued(p), WINDOW);
}

/* In whatever order things happen: a lane has no more than its window, and as much again on its way to it;
 * and all of it goes through. */
static void a_lane_never_holds_more_than_its_window_and_what_is_on_the_way(void **state)
{
    enum { ALL = 300 };
    struct pumping *p = *state;
    size_t delivered = 0;
    int64_t most = 0;

    fill_lane(p->f, p->job, "web", "acme", "normal", ALL, 0, -10);
    for (int step = 0; delivered < ALL; step++) {
        assert_true(step < 1000);
        tick(p);
        if (rng_unit() < 0.7)
            transform(p, 1 + (size_t)(rng_unit() * WINDOW));
        if (rng_unit() < 0.7)
            delivered += deliver(p, 1 + (size_t)(rng_unit() * WINDOW / 2));
        int64_t way = length(p, QUEUE_ROUTED, EARLY), ready = length(p, QUEUE_READY, LANE);
        assert_in_range(way, 0, WINDOW);
        assert_in_range(ready, 0, 2 * WINDOW);
        assert_int_equal(queued(p), way + ready); /* nothing is queued that Redis does not have */
        most = ready > most ? ready : most;
    }
    assert_true(most >= WINDOW / 2);
}

/* A lane may have entries in every partition; its window is one. */
static void partitions_share_the_window_of_a_lane(void **state)
{
    struct pumping *p = *state;
    struct queue *queue = worker_new(&p->s->server, "many", 4);
    unsigned used = 0;
    char id[UID_TEXT_SIZE];

    for (int i = 0; i < 60; i++) {
        accept_job(p->f->store, make_job("web"), id);
        route_it(p->f->store, id);
    }
    run_sql(p->f, "UPDATE distribution_deliveries SET status = 'waiting', due_at = now()");
    due_init(&p->due, p->f->store, queue, LEASE_MS, WINDOW);
    for (int again = 0; again < 3; again++)
        tick(p);
    int64_t lengths[4], sum = 0;
    struct queue_item items[4];
    for (unsigned partition = 0; partition < 4; partition++)
        items[partition] = (struct queue_item){.lane = EARLY, .partition = partition};
    ok(queue_lengths(queue, QUEUE_ROUTED, items, 4, lengths, &problem));
    for (unsigned partition = 0; partition < 4; partition++) {
        sum += lengths[partition];
        used += lengths[partition] > 0;
    }
    assert_int_equal(sum, WINDOW);
    assert_int_equal(queued(p), WINDOW);
    assert_true(used > 1);
    queue_free(queue);
}

/* Lanes of a tenant go through one lane of dist-transform: one that always has something due takes no more
 * than its part of the room there. */
static void a_destination_does_not_delay_another_of_its_tenant(void **state)
{
    static const char *const names[] = {"a", "b", "web", "z"};
    struct pumping *p = *state;

    fill_lane(p->f, p->job, "a", "acme", "normal", 100, 0, -10);
    fill_lane(p->f, p->job, "b", "acme", "normal", 1, 0, -10);
    fill_lane(p->f, p->job, "web", "acme", "normal", 100, 0, -10);
    fill_lane(p->f, p->job, "z", "acme", "normal", 3, 0, -10);
    tick(p);
    for (size_t i = 0; i < 4; i++)
        assert_in_range(number_of(p->f,
                                  "SELECT count(*) FROM distribution_deliveries WHERE destination = '%s' AND"
                                  " status = 'queued'",
                                  names[i]),
                        i == 1 ? 1 : WINDOW / 8, WINDOW / 2);
    assert_in_range(queued(p), WINDOW / 2, WINDOW);
    tick(p);
    assert_in_range(queued(p), WINDOW - 1, WINDOW + 4);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), queued(p));
}

/* --- retries --- */

static void retries_get_a_fifth_beside_fresh_ones(void **state)
{
    struct pumping *p = *state;

    fill_lane(p->f, p->job, "web", "acme", "normal", 100, 0, -10);
    fill_lane(p->f, p->job, "web", "acme", "normal", 100, 3, -100);
    tick(p);
    assert_int_equal(queued(p), WINDOW);
    assert_int_equal(
        number_of(p->f, "SELECT count(*) FROM distribution_deliveries WHERE status = 'queued' AND again"),
        WINDOW / 5);
}

static void retries_alone_get_all(void **state)
{
    struct pumping *p = *state;

    fill_lane(p->f, p->job, "web", "acme", "normal", 100, 3, -100);
    tick(p);
    assert_int_equal(queued(p), WINDOW);
}

/* --- holds --- */

static void open_breaker(struct pumping *p, const char *destination, int64_t open_ms)
{
    const struct hold_rules rules = {.failures = 1, .open_ms = open_ms};
    const struct hold_report report = {.destination = destination, .failures = 1};

    ok(holds_report(p->s->a, &rules, &report, 1, &problem));
}

static void snapshot(struct pumping *p, const char *destination, char *text, size_t size)
{
    struct pg_config config = pg_server_config(&p->f->server, 10000);
    struct pg *pg = pg_new(&config);
    char sql[300];

    snprintf(sql, sizeof sql,
             "SELECT md5(string_agg(id::text || ctid || xmin || updated_at || status, ',' ORDER BY id)) FROM"
             " distribution_deliveries WHERE destination = '%s'",
             destination);
    PGresult *result = pg_query(pg, sql, NULL, &problem);
    assert_non_null(result);
    text_copy(text, size, pg_text(result, 0, 0));
    PQclear(result);
    pg_free(pg);
}

/* An outage costs nothing, however long it lasts, and holds up nobody. */
static void an_open_breaker_costs_no_row_and_no_entry(void **state)
{
    struct pumping *p = *state;
    char before[64], after[64];

    fill_lane(p->f, p->job, "down", "acme", "normal", 100, 0, -100);
    fill_lane(p->f, p->job, "down", "acme", "normal", 100, 2, -100);
    fill_lane(p->f, p->job, "web", "acme", "normal", 7, 0, -1);
    open_breaker(p, "down", 600000);
    snapshot(p, "down", before, sizeof before);
    for (int i = 0; i < 4; i++) {
        p->due.sweep_at_ms = p->due.pass_over_at_ms = 0;
        tick(p);
    }
    snapshot(p, "down", after, sizeof after);
    assert_string_equal(before, after);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), 7);
    assert_int_equal(queued(p), 7);
}

static void a_paused_destination_gets_nothing_either(void **state)
{
    const struct hold_rules rules = {.failures = 5, .open_ms = 60000};
    const struct hold_report report = {.destination = "web", .success = true, .pause_ms = 600000};
    struct pumping *p = *state;

    fill_lane(p->f, p->job, "web", "acme", "normal", 100, 0, -100);
    ok(holds_report(p->s->a, &rules, &report, 1, &problem));
    tick(p);
    assert_int_equal(queued(p), 0);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), 0);
}

static void a_half_open_breaker_gets_a_few_to_probe_with(void **state)
{
    struct pumping *p = *state;
    struct holds holds = {0};
    int64_t deadline_ms = clock_mono_ms() + 10000;
    bool half_open = false;

    fill_lane(p->f, p->job, "web", "acme", "normal", 100, 0, -100);
    open_breaker(p, "web", 1);
    while (!half_open) {
        ok(holds_look(p->s->a, &holds, &problem));
        half_open = holds.count == 1 && holds.items[0].kind == HOLD_PROBE;
        holds_release(&holds);
        assert_true(clock_mono_ms() < deadline_ms);
    }
    tick(p);
    assert_int_equal(queued(p), WINDOW_START);
    assert_int_equal(transform(p, 100), WINDOW_START);
    for (int again = 0; again < 3; again++)
        tick(p);
    assert_int_equal(queued(p), WINDOW_START); /* there is something to probe with */
    /* The breaker closes: everything flows. */
    const struct hold_rules rules = {.failures = 5, .open_ms = 60000};
    const struct hold_report report = {.destination = "web", .success = true};
    ok(holds_report(p->s->a, &rules, &report, 1, &problem));
    tick(p);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), WINDOW - WINDOW_START);
}

/* --- groups --- */

static void waiting_group(struct pumping *p, const char *members)
{
    run_sql(
        p->f,
        "SET session_replication_role = 'replica';"
        "INSERT INTO distribution_deliveries (id, job_id, tenant_id, priority, target, candidates, status,"
        " due_at) VALUES (dist_uuid(), '%s', 'acme', 'normal', dist_uuid()::text, '%s', 'waiting',"
        " now() - interval '1 second')",
        p->job, members);
}

static int64_t at(struct pumping *p, const char *destination, const char *status)
{
    return number_of(
        p->f, "SELECT count(*) FROM distribution_deliveries WHERE destination = '%s' AND status = '%s'",
        destination, status);
}

static void members_of_groups_whose_breaker_is_open_are_passed_over(void **state)
{
    struct pumping *p = *state;

    for (int i = 0; i < 3; i++)
        waiting_group(p, "[\"web\", \"second\", \"third\"]");
    waiting_group(p, "[\"web\", \"down\"]");
    waiting_group(p, "[\"web\"]");
    tick(p);
    assert_int_equal(transform(p, 100), 5);
    assert_int_equal(at(p, "web", "queued"), 5);
    /* One of the first three is in a worker's hands when the breaker opens: its outcome will tell. */
    assert_int_equal(fetch_lane(p->s, p->s->b, QUEUE_READY, LANE, 1), 1);
    open_breaker(p, "web", 600000);
    open_breaker(p, "down", 600000);
    p->due.pass_over_at_ms = 0;
    tick(p);
    /* Two went on, in one turn to be published at once; the one of a worker, the one of a group that is down
     * as a whole, and the one that is no group stay. */
    assert_int_equal(at(p, "second", "queued"), 2);
    assert_int_equal(at(p, "web", "queued"), 3);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), 2);
    assert_int_equal(length(p, QUEUE_READY, LANE), 3);
    /* Again changes nothing. */
    p->due.pass_over_at_ms = 0;
    tick(p);
    assert_int_equal(at(p, "second", "queued"), 2);
    assert_int_equal(at(p, "web", "queued"), 3);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), 2);
}

/* --- pending jobs --- */

/* Accepted a second ago: published by nobody, as it seems. */
static void add_pending(struct pumping *p, const char *tenant, int count)
{
    run_sql(
        p->f,
        "INSERT INTO distribution_jobs (id, tenant_id, distribution_id, data_type, payload, destinations,"
        " body, content_type, body_size, request_hash, due_at) SELECT dist_uuid(), '%s', dist_uuid(), 'x',"
        " '{}', '[]', '', 'text/plain', 0, repeat('0', 64), now() - interval '1 second'"
        " FROM generate_series(1, %d)",
        tenant, count);
}

static void a_flood_of_one_tenant_does_not_delay_another(void **state)
{
    struct pumping *p = *state;

    ok(store_tenant_add(p->f->store, "flood", NULL, &problem));
    ok(store_tenant_add(p->f->store, "small", NULL, &problem));
    add_pending(p, "flood", 5000);
    tick(p);
    assert_int_equal(length(p, QUEUE_SUBMITTED, "flood:normal"), WINDOW);
    add_pending(p, "small", 5);
    tick(p);
    assert_int_equal(length(p, QUEUE_SUBMITTED, "small:normal"), 5);
    assert_int_equal(length(p, QUEUE_SUBMITTED, "flood:normal"), WINDOW);
    /* What is there is not published twice, and the lane is filled up as it empties. */
    assert_int_equal(fetch_lane(p->s, p->s->b, QUEUE_SUBMITTED, "flood:normal", WINDOW / 2), WINDOW / 2);
    for (size_t i = 0; i < p->s->claims.count; i++) {
        run_sql(p->f, "UPDATE distribution_jobs SET status = 'routed' WHERE id = '%s'",
                p->s->claims.items[i].id);
        finish(p->s, p->s->b, &p->s->claims.items[i], true);
    }
    tick(p);
    assert_int_equal(length(p, QUEUE_SUBMITTED, "flood:normal"), WINDOW);
    assert_int_equal(length(p, QUEUE_SUBMITTED, "small:normal"), 5);
    assert_int_equal(number_of(p->f, "SELECT count(*) FROM distribution_jobs WHERE status = 'pending'"),
                     5000 + 5 - WINDOW / 2);
}

/* --- a Redis that forgot --- */

static void expect_all_back(struct pumping *p)
{
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), WINDOW);
    assert_int_equal(length(p, QUEUE_ROUTED, "acme:high"), 7);
    assert_int_equal(length(p, QUEUE_SUBMITTED, EARLY), 3);
    assert_int_equal(queued(p), WINDOW + 7);
}

static void a_wiped_redis_has_everything_again_after_one_tick(void **state)
{
    struct pumping *p = *state;

    fill_lane(p->f, p->job, "web", "acme", "normal", 50, 0, -10);
    fill_lane(p->f, p->job, "mail", "acme", "high", 7, 0, -10);
    add_pending(p, "acme", 3);
    tick(p);
    expect_all_back(p);
    assert_int_equal(transform(p, 100), WINDOW);
    RUN(p->s->b, "FLUSHALL");
    run_sql(p->f,
            "UPDATE distribution_jobs SET due_at = now() WHERE status = 'pending'"); /* also the newest */
    p->due.sweep_at_ms = 0;                                                          /* two seconds later */
    tick(p);
    expect_all_back(p);
    /* Redis comes back as another process, empty: the lost connection tells, nobody waits for the sweep. */
    server_kill(&p->s->server);
    server_start(&p->s->server);
    int64_t deadline_ms = clock_mono_ms() + 20000, wait_ms;
    fault_clear(&problem);
    while (due_tick(&p->due, &wait_ms, &problem) < 0)
        assert_true(clock_mono_ms() < deadline_ms);
    expect_all_back(p);
}

/* What PostgreSQL has as queued and Redis does not, is found when its lease has passed, and not before. */
static void a_row_whose_entry_was_never_published_is_found(void **state)
{
    struct pumping *p = *state;

    fill_lane(p->f, p->job, "web", "acme", "normal", 3, 0, -10);
    tick(p);
    RUN(p->s->b, "DEL", ROUTED);
    run_sql(p->f, "UPDATE distribution_deliveries SET due_at = now() - interval '1 second' WHERE id ="
                  " (SELECT min(id::text)::uuid FROM distribution_deliveries)");
    p->due.sweep_at_ms = 0;
    tick(p);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), 1);
}

/* --- expiry --- */

static void what_expires_leaves_redis(void **state)
{
    struct pumping *p = *state;

    fill_lane(p->f, p->job, "web", "acme", "normal", 30, 0, -10);
    run_sql(p->f,
            "SET session_replication_role = 'replica'; UPDATE distribution_jobs SET total_deliveries = 30,"
            " open_deliveries = 30");
    tick(p);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), WINDOW);
    run_sql(p->f, "UPDATE distribution_jobs SET expires_at = now() - interval '2 minutes'");
    p->due.sweep_at_ms = 0;
    tick(p);
    assert_int_equal(length(p, QUEUE_ROUTED, EARLY), 0);
    assert_int_equal(at(p, "web", "expired"), 30);
}

/* --- pumps at once --- */

struct racer {
    struct store *store;
    struct queue *queue;
    struct fault fault;
    int status;
};

static void *pump(void *arg)
{
    struct racer *racer = arg;
    struct due due;
    int64_t wait_ms;

    due_init(&due, racer->store, racer->queue, LEASE_MS, 1000);
    for (int i = 0; i < 15 && !racer->status; i++)
        racer->status = due_tick(&due, &wait_ms, &racer->fault);
    return NULL;
}

static size_t distinct_entries(struct pumping *p, enum queue_stage stage, const char *lane)
{
    size_t count = 0, some, distinct;
    struct strmap ids;

    strmap_init(&ids);
    while ((some = fetch_lane(p->s, p->s->b, stage, lane, 100)) > 0) {
        for (size_t i = 0; i < some; i++)
            strmap_put(&ids, p->s->claims.items[i].id, p);
        count += some;
    }
    distinct = ids.count;
    strmap_release(&ids, NULL);
    assert_int_equal(distinct, count);
    return count;
}

static void pumps_at_once_publish_nothing_twice(void **state)
{
    enum { RACERS = 4 };
    struct pumping *p = *state;
    struct racer racers[RACERS] = {0};
    pthread_t threads[RACERS];
    char name[32];

    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "web%d", i);
        fill_lane(p->f, p->job, name, "acme", "normal", 150, i % 2, -10);
    }
    add_pending(p, "acme", 300);
    for (size_t r = 0; r < RACERS; r++) {
        snprintf(name, sizeof name, "pump%zu", r);
        racers[r].store = store_fixture_store(p->f, 20000);
        racers[r].queue = worker_new(&p->s->server, name, 1);
        assert_int_equal(pthread_create(&threads[r], NULL, pump, &racers[r]), 0);
    }
    for (size_t r = 0; r < RACERS; r++) {
        pthread_join(threads[r], NULL);
        if (racers[r].status)
            fail_msg("%s", racers[r].fault.text);
        store_free(racers[r].store);
        queue_free(racers[r].queue);
    }
    assert_int_equal(queued(p), 750);
    assert_int_equal(distinct_entries(p, QUEUE_ROUTED, EARLY), 750);
    assert_int_equal(distinct_entries(p, QUEUE_SUBMITTED, EARLY), 300);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(a_lane_is_filled_up_when_it_is_half_empty),
        test(a_lane_never_holds_more_than_its_window_and_what_is_on_the_way),
        test(partitions_share_the_window_of_a_lane),
        test(a_destination_does_not_delay_another_of_its_tenant),
        test(retries_get_a_fifth_beside_fresh_ones),
        test(retries_alone_get_all),
        test(an_open_breaker_costs_no_row_and_no_entry),
        test(a_paused_destination_gets_nothing_either),
        test(a_half_open_breaker_gets_a_few_to_probe_with),
        test(members_of_groups_whose_breaker_is_open_are_passed_over),
        test(a_flood_of_one_tenant_does_not_delay_another),
        test(a_wiped_redis_has_everything_again_after_one_tick),
        test(a_row_whose_entry_was_never_published_is_found),
        test(what_expires_leaves_redis),
        test(pumps_at_once_publish_nothing_twice),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
