/*
 * The waiting queue of the store against a PostgreSQL of its own: lanes, claims, members of groups that are
 * passed over, expiry, and the migration to it
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "migrations.h"
#include "store_fixture.h"
#include "text.h"
#include "xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* --- rows --- */

/* A routed job with one queued delivery to a group of these members. */
static void group_delivery(const struct store_fixture *f, const char *const *members,
                           char delivery_out[UID_TEXT_SIZE])
{
    struct job *job = make_job("group");
    struct routing routing = {.job = job};
    struct delivery *delivery = delivery_new(job, "group");
    char id[UID_TEXT_SIZE];

    for (size_t i = 0; members[i]; i++)
        delivery_add_candidate(delivery, members[i]);
    delivery->status = DELIVERY_QUEUED;
    text_copy(delivery_out, UID_TEXT_SIZE, delivery->id);
    delivery_list_add(&routing.deliveries, delivery);
    accept_job(f->store, job_ref(job), id);
    ok(store_save_routings(f->store, &routing, 1, 60000, &problem));
    assert_true(routing.saved);
    delivery_list_release(&routing.deliveries);
    job_unref(job);
}

static struct delivery *load(const struct store_fixture *f, const char *id)
{
    struct delivery *delivery;

    ok(store_load_deliveries(f->store, &id, 1, 1000, &delivery, &problem));
    assert_non_null(delivery);
    return delivery;
}

/* --- lanes --- */

/* "destination tenant priority" and "again", one after the other. */
static void expect_lanes(const struct due_lanes *lanes, const char *const *wanted, size_t count)
{
    assert_int_equal(lanes->count, count);
    for (size_t i = 0; i < count; i++) {
        const struct due_lane *lane = &lanes->items[i];
        char text[256];

        snprintf(text, sizeof text, "%s %s %s%s", lane->destination, lane->tenant_id, lane->priority,
                 lane->again ? " again" : "");
        assert_string_equal(text, wanted[i]);
        assert_int_equal(lane->want, 0);
    }
}

static void lanes_with_something_due_are_listed(void **state)
{
    static const char *const all[] = {"mail acme high",    "mail acme normal",   "mail acme normal again",
                                      "mail other normal", "web acme low again", "web acme normal"};
    struct store_fixture *f = *state;
    struct due_lanes lanes = {0};
    char job[UID_TEXT_SIZE];

    accept_job(f->store, make_job("hook"), job);
    ok(store_due_lanes(f->store, NULL, 10, &lanes, &problem));
    assert_int_equal(lanes.count, 0);
    due_lanes_release(&lanes);
    fill_lane(f, job, "web", "acme", "normal", 3, 0, -10);
    fill_lane(f, job, "web", "acme", "low", 1, 2, -1);
    fill_lane(f, job, "web", "acme", "low", 5, 0, 60); /* not due yet */
    fill_lane(f, job, "web", "later", "high", 5, 0, 60);
    fill_lane(f, job, "mail", "other", "normal", 1, 0, -1);
    fill_lane(f, job, "mail", "acme", "normal", 2, 0, -1);
    fill_lane(f, job, "mail", "acme", "normal", 2, 1, -1);
    fill_lane(f, job, "mail", "acme", "normal", 2, 0, 60); /* some of it is */
    fill_lane(f, job, "mail", "acme", "high", 2, 0, -1);
    ok(store_due_lanes(f->store, NULL, 100, &lanes, &problem));
    expect_lanes(&lanes, all, COUNT(all));
    due_lanes_release(&lanes);

    /* Two by two: each goes on behind the last one of the one before, also between fresh ones and retries. */
    struct due_lane after = {0};
    for (size_t at = 0; at < COUNT(all); at += 2) {
        ok(store_due_lanes(f->store, at ? &after : NULL, 2, &lanes, &problem));
        expect_lanes(&lanes, all + at, 2);
        after = lanes.items[1];
        due_lanes_release(&lanes);
    }
    ok(store_due_lanes(f->store, &after, 2, &lanes, &problem));
    assert_int_equal(lanes.count, 0);
    due_lanes_release(&lanes);
    ok(store_due_lanes(f->store, &(struct due_lane){0}, 100, &lanes, &problem)); /* as NULL */
    assert_int_equal(lanes.count, COUNT(all));
    due_lanes_release(&lanes);
    /* A lane that is gone is a place to go on from as well. */
    ok(store_due_lanes(f->store, &(struct due_lane){.destination = "nail"}, 100, &lanes, &problem));
    expect_lanes(&lanes, all + 4, 2);
    due_lanes_release(&lanes);
}

static void pending_lanes_are_listed_the_same_way(void **state)
{
    static const char *const all[] = {" acme high", " acme low", " other normal"};
    struct store_fixture *f = *state;
    struct due_lanes lanes = {0};
    char id[UID_TEXT_SIZE];

    ok(store_tenant_add(f->store, "other", NULL, &problem));
    for (size_t i = 0; i < 6; i++) {
        struct job *job = make_job("hook");
        job->priority = i % 2 ? PRIORITY_HIGH : PRIORITY_LOW;
        if (i == 4) {
            free(job->tenant_id);
            job->tenant_id = xstrdup("other");
            job->priority = PRIORITY_NORMAL;
        }
        accept_job(f->store, job, id);
    }
    accept_job(f->store, make_job("hook"), id);
    route_it(f->store, id); /* acme normal: not pending */
    accept_job(f->store, make_job("hook"), id);
    run_sql(f, "UPDATE distribution_jobs SET due_at = now() + interval '1 minute' WHERE id = '%s'", id);
    ok(store_pending_lanes(f->store, NULL, 100, &lanes, &problem));
    expect_lanes(&lanes, all, COUNT(all));
    due_lanes_release(&lanes);
    ok(store_pending_lanes(f->store, NULL, 1, &lanes, &problem));
    expect_lanes(&lanes, all, 1);
    struct due_lane after = lanes.items[0];
    due_lanes_release(&lanes);
    ok(store_pending_lanes(f->store, &after, 100, &lanes, &problem));
    expect_lanes(&lanes, all + 1, 2);
    due_lanes_release(&lanes);
}

/* Whatever becomes of a job, and whoever changes it. */
static void what_is_to_be_routed_is_what_the_jobs_say(void **state)
{
    struct store_fixture *f = *state;
    struct due_list list = {0}, recall = {0};
    char ids[6][UID_TEXT_SIZE];
    size_t expired;

    for (size_t i = 0; i < COUNT(ids); i++)
        accept_job(f->store, make_job("hook"), ids[i]);
    check_counters(f);
    ok(pending_due(f->store, 100, &list, &problem));
    assert_int_equal(list.count, COUNT(ids));
    due_list_release(&list);
    run_sql(f, "UPDATE distribution_jobs SET priority = 'high', due_at = due_at - interval '1 second'");
    check_counters(f);
    route_it(f->store, ids[0]);
    ok(store_fail_job(f->store, ids[1], "why", &problem));
    run_sql(f, "UPDATE distribution_jobs SET expires_at = now() WHERE id = '%s'", ids[2]);
    check_counters(f);
    ok(store_expire(f->store, 10, 60000, &expired, &recall, &problem));
    assert_int_equal(expired, 1);
    run_sql(f, "DELETE FROM distribution_jobs WHERE id = '%s'", ids[3]);
    run_sql(f, "UPDATE distribution_jobs SET status = 'cancelled' WHERE id = '%s'", ids[4]);
    check_counters(f);
    ok(pending_due(f->store, 100, &list, &problem));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].id, ids[5]);
    due_list_release(&list);
    run_sql(f, "UPDATE distribution_jobs SET status = 'pending' WHERE id = '%s'", ids[4]);
    check_counters(f);
    ok(pending_due(f->store, 100, &list, &problem));
    assert_int_equal(list.count, 2);
    due_list_release(&list);
    due_list_release(&recall);
}

/* What was accepted a moment ago is left out where that is asked for, and what was scheduled long before is
 * not. */
static void pending_jobs_may_have_to_be_accepted_for_a_while(void **state)
{
    struct store_fixture *f = *state;
    struct due_lane lane = {.tenant_id = "acme", .priority = "normal", .want = 10};
    struct due_lanes lanes = {.items = &lane, .count = 1, .cap = 1};
    struct due_list list = {0};
    char old[UID_TEXT_SIZE], fresh[UID_TEXT_SIZE];

    accept_job(f->store, make_job("hook"), old);
    run_sql(f, "UPDATE distribution_jobs SET due_at = now() - interval '1 hour'");
    accept_job(f->store, make_job("hook"), fresh);
    ok(store_pending_jobs(f->store, &lanes, 0, &list, &problem));
    assert_int_equal(list.count, 2);
    due_list_release(&list);
    ok(store_pending_jobs(f->store, &lanes, 1800 * 1000, &list, &problem));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].id, old);
    due_list_release(&list);
    run_sql(
        f,
        "UPDATE distribution_pending SET job_id = overlay(job_id::text PLACING '01890000-0000' FROM 1)::uuid"
        " WHERE due_at > now() - interval '1 minute'"); /* an id of 2023 */
    ok(store_pending_jobs(f->store, &lanes, 1800 * 1000, &list, &problem));
    assert_int_equal(list.count, 2);
    due_list_release(&list);
}

/* A dead letter that lives again expires with its job, also where the job has more time than a replay gives
 * it. */
static void a_replayed_letter_expires_with_its_job(void **state)
{
    struct store_fixture *f = *state;
    struct due_list recall = {0};
    char job[UID_TEXT_SIZE], a[UID_TEXT_SIZE], b[UID_TEXT_SIZE];
    size_t count;

    accept_job(f->store, make_job("a b"), job);
    ok(store_fail_job(f->store, job, "why", &problem));
    delivery_id(f, job, "a", a);
    delivery_id(f, job, "b", b);
    ok(replay_now(f->store, (const char *const[]){a}, 1, &count, &problem));
    run_sql(f, "UPDATE distribution_jobs SET expires_at = now() + interval '30 days'");
    check_counters(f);
    ok(replay_now(f->store, (const char *const[]){b}, 1, &count, &problem));
    check_counters(f);
    run_sql(f, "UPDATE distribution_jobs SET expires_at = now() - interval '1 hour'");
    check_counters(f);
    ok(store_expire(f->store, 10, 60000, &count, &recall, &problem));
    assert_int_equal(count, 2);
    due_list_release(&recall);
}

/* From its acceptance to its end, the row of a job that is delivered touches no index again. */
static void a_job_that_is_delivered_touches_no_index_again(void **state)
{
    enum { JOBS = 20 };
    struct store_fixture *f = *state;
    char job[UID_TEXT_SIZE], delivery[UID_TEXT_SIZE];

    store_fixture_reconnect(f);
    run_sql(f, "SELECT pg_stat_reset()");
    for (int i = 0; i < JOBS; i++) {
        accept_job(f->store, make_job("hook"), job);
        route_it(f->store, job);
        delivery_id(f, job, "hook", delivery);
        settle_one(f->store, delivery, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    }
    store_fixture_reconnect(f);
    assert_int_equal(
        number_of(f, "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'distribution_jobs'"),
        2 * JOBS);
    assert_int_equal(
        number_of(f, "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'distribution_jobs'"),
        2 * JOBS);
}

/* Rows of indexes and of tables that statements have read since the statistics were reset. */
static int64_t rows_read(struct store_fixture *f)
{
    store_fixture_reconnect(f);
    return number_of(f, "SELECT (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname LIKE"
                        " 'distribution_%%')"
                        " + (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE relname LIKE"
                        " 'distribution_%%')");
}

/* 100,000 rows wait in one lane: the lanes beside it are found, and a few of it are claimed, for a few rows.
 */
static void a_long_lane_costs_as_little_as_a_short_one(void **state)
{
    enum { MANY = 100000, LOOKS = 10, FEW = 500 };
    struct store_fixture *f = *state;
    struct due_lanes lanes;
    struct due_list list = {0};
    char job[UID_TEXT_SIZE];

    accept_job(f->store, make_job("hook"), job);
    for (int part = 0; part < 5; part++)
        fill_lane(f, job, "down", "flood", "normal", MANY / 5, 0, -3600 + part);
    fill_lane(f, job, "web", "acme", "low", 3, 0, -1);
    run_sql(f,
            "INSERT INTO distribution_jobs (id, tenant_id, distribution_id, data_type, payload, destinations,"
            " body, content_type, body_size, request_hash) SELECT dist_uuid(), CASE WHEN n > 3 THEN 'flood'"
            " ELSE 'small' END, dist_uuid(), 'x', '{}', '[]', '', 'text/plain', 0, repeat('0', 64)"
            " FROM generate_series(1, 50000) n");
    run_sql(f, "ANALYZE");
    store_fixture_reconnect(f);
    run_sql(f, "SELECT pg_stat_reset()");
    for (int look = 0; look < LOOKS; look++) { /* more than the five before a plan becomes a general one */
        ok(store_due_lanes(f->store, NULL, 500, &lanes, &problem));
        expect_lanes(&lanes, (const char *const[]){"down flood normal", "web acme low"}, 2);
        due_lanes_release(&lanes);
        ok(store_pending_lanes(f->store, NULL, 500, &lanes, &problem));
        expect_lanes(&lanes, (const char *const[]){" acme normal", " flood normal", " small normal"}, 3);
        for (size_t i = 0; i < lanes.count; i++)
            lanes.items[i].want = 5;
        ok(store_pending_jobs(f->store, &lanes, 0, &list, &problem));
        assert_int_equal(list.count, 5 + 3 + 1);
        due_list_release(&list);
        due_lanes_release(&lanes);
    }
    assert_in_range(rows_read(f), 1, FEW);
    run_sql(f, "SELECT pg_stat_reset()");
    for (int look = 0; look < LOOKS; look++) {
        ok(claim_due(f->store, 2, 60000, &list, &problem));
        assert_int_equal(list.count, look < 1 ? 4 : look < 2 ? 7 : 2 * look + 5);
    }
    due_list_release(&list);
    assert_in_range(rows_read(f), 1, FEW);
    /* All of it expires: each time as many rows are read as end. */
    run_sql(f,
            "UPDATE distribution_jobs SET status = 'routed', total_deliveries = %d, open_deliveries = %d"
            " WHERE id = '%s'",
            MANY + 3, MANY + 3, job);
    run_sql(f, "UPDATE distribution_jobs SET expires_at = now() - interval '1 hour'");
    run_sql(f, "VACUUM ANALYZE");
    run_sql(f, "SELECT pg_stat_reset()");
    for (int look = 0; look < LOOKS; look++) {
        size_t expired;
        ok(store_expire(f->store, 5, 60000, &expired, &list, &problem));
        assert_int_equal(expired, 10); /* deliveries and jobs */
    }
    due_list_release(&list);
    assert_in_range(rows_read(f), 1, 4 * FEW);
}

/* What is known by its id is not looked for among all that is in its state, also by plans that were made when
 * there was next to nothing. (A table without statistics stays so: nobody analyzes it in so short a time.) */
static void known_rows_are_found_beside_many_of_their_state(void **state)
{
    enum { MANY = 50000, EARLY = 8, FEW = 1000 };
    struct store_fixture *f = *state;
    struct due_list list = {0};
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE], delivery[UID_TEXT_SIZE];
    const char *const ids[] = {delivery};
    struct delivery *loaded;
    size_t count;

    accept_job(f->store, make_job("hook"), job);
    for (int round = 0; round <= EARLY; round++) {
        if (round == EARLY) {
            fill_lane(f, job, "down", "flood", "normal", MANY, 0, 3600);
            run_sql(f,
                    "SET session_replication_role = 'replica';"
                    "INSERT INTO distribution_deliveries (id, job_id, tenant_id, priority, target, status, "
                    "dead_reason)"
                    " SELECT dist_uuid(), '%s', 'flood', 'normal', dist_uuid()::text, 'dead', 'rejected'"
                    " FROM generate_series(1, %d)",
                    job, MANY);
            run_sql(f,
                    "SET session_replication_role = 'replica';"
                    "INSERT INTO distribution_jobs (id, tenant_id, distribution_id, data_type, payload, "
                    "destinations,"
                    " body, content_type, body_size, request_hash) SELECT dist_uuid(), 'flood', dist_uuid(), "
                    "'x', '{}',"
                    " '[]', '', 'text/plain', 0, repeat('0', 64) FROM generate_series(1, %d) n",
                    MANY);
            run_sql(f, "SELECT pg_stat_reset()");
        }
        accept_job(f->store, make_job("hook"), id);
        route_it(f->store, id);
        delivery_id(f, id, "hook", delivery);
        ok(store_load_deliveries(f->store, ids, 1, 1000, &loaded, &problem));
        ok(store_save_transformed(f->store, &loaded, 1, &problem));
        delivery_free(loaded);
        settle_one(f->store, delivery, 1, OUTCOME_REJECTED, DELIVERY_DEAD);
        ok(replay_now(f->store, ids, 1, &count, &problem));
        assert_int_equal(count, 1);
        ok(claim_due(f->store, 5, 60000, &list, &problem));
        settle_one(f->store, delivery, 2, OUTCOME_REJECTED, DELIVERY_DEAD);
        ok(store_drop(f->store, ids, 1, &count, &problem));
        assert_int_equal(count, 1);
        accept_job(f->store, make_job("hook"), id);
        ok(store_cancel(f->store, &(struct cancellation){.distribution_id = id}, 1, "no", &problem));
    }
    assert_int_equal(list.count, EARLY + 1);
    due_list_release(&list);
    assert_in_range(rows_read(f), 1, FEW);
}

/* --- claims --- */

static void the_longest_due_are_claimed_first_as_many_as_each_lane_wants(void **state)
{
    struct store_fixture *f = *state;
    struct due_lanes lanes = {0};
    struct due_list list = {0};
    char job[UID_TEXT_SIZE];

    accept_job(f->store, make_job("hook"), job);
    fill_lane(f, job, "web", "acme", "normal", 5, 0, -10);
    fill_lane(f, job, "web", "acme", "normal", 5, 0, -20);
    fill_lane(f, job, "web", "acme", "normal", 5, 3, -30); /* retries have a lane of their own */
    fill_lane(f, job, "mail", "acme", "normal", 5, 0, -40);
    ok(store_due_lanes(f->store, NULL, 10, &lanes, &problem));
    expect_lanes(&lanes,
                 (const char *const[]){"mail acme normal", "web acme normal", "web acme normal again"}, 3);
    ok(store_claim_due(f->store, &lanes, 60000, &list, &problem)); /* nothing is wanted */
    assert_int_equal(list.count, 0);
    lanes.items[1].want = 7;
    lanes.items[2].want = 2;
    ok(store_claim_due(f->store, &lanes, 60000, &list, &problem));
    assert_int_equal(list.count, 9);
    for (size_t i = 0; i < list.count; i++) {
        assert_string_equal(list.items[i].job_id, job);
        assert_string_equal(list.items[i].lane, "acme:normal");
        assert_int_equal(number_of(f,
                                   "SELECT count(*) FROM distribution_deliveries WHERE id = '%s'"
                                   " AND status = 'queued' AND destination = 'web'",
                                   list.items[i].id),
                         1);
    }
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE status = 'queued'"
                                  " AND due_at BETWEEN now() + interval '50 seconds' AND now() + interval"
                                  " '60 seconds'"),
                     9);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE status = 'queued'"
                                  " AND again"),
                     2);
    /* Of the fresh ones the five of 20 seconds ago are gone, and the two oldest of 10 seconds ago. */
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE status = 'waiting' AND"
                                  " destination = 'web' AND NOT again"),
                     3);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE status = 'waiting' AND"
                                  " destination = 'web' AND NOT again AND due_at < now() - interval '15 s'"),
                     0);
    due_list_release(&list);
    due_lanes_release(&lanes);
}

static void what_another_pump_holds_is_skipped(void **state)
{
    struct store_fixture *f = *state;
    struct pg_config config = pg_server_config(&f->server, 10000);
    struct pg *other = pg_new(&config);
    struct due_list list = {0};
    char job[UID_TEXT_SIZE];
    int64_t start_ms;

    accept_job(f->store, make_job("hook"), job);
    fill_lane(f, job, "web", "acme", "normal", 10, 0, -10);
    ok(pg_begin(other, &problem));
    ok(pg_script(other,
                 "SELECT 1 FROM distribution_deliveries WHERE status = 'waiting' ORDER BY due_at LIMIT 4"
                 " FOR UPDATE",
                 &problem));
    start_ms = clock_mono_ms();
    ok(claim_due(f->store, 6, 60000, &list, &problem));
    assert_int_equal(list.count, 6);
    assert_true(clock_mono_ms() - start_ms < 8000); /* nobody waited for the other's ten seconds */
    ok(claim_due(f->store, 6, 60000, &list, &problem));
    assert_int_equal(list.count, 6);
    ok(pg_commit(other, &problem));
    ok(claim_due(f->store, 6, 60000, &list, &problem));
    assert_int_equal(list.count, 10);
    for (size_t i = 0; i < list.count; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(list.items[i].id, list.items[k].id);
    pg_free(other);
    due_list_release(&list);
}

/* A retry is `again` until a replay gives it a fresh budget. */
static void a_replay_is_fresh(void **state)
{
    struct store_fixture *f = *state;
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];
    const char *ids[] = {id};
    struct due_lanes lanes = {0};
    size_t replayed;

    accept_job(f->store, make_job("hook"), job);
    route_it(f->store, job);
    delivery_id(f, job, "hook", id);
    settle_one(f->store, id, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    ok(store_due_lanes(f->store, NULL, 10, &lanes, &problem));
    expect_lanes(&lanes, (const char *const[]){"hook acme normal again"}, 1);
    due_lanes_release(&lanes);
    struct due_list list = {0};
    ok(claim_due(f->store, 10, 60000, &list, &problem));
    due_list_release(&list);
    settle_one(f->store, id, 2, OUTCOME_REJECTED, DELIVERY_DEAD);
    ok(replay_now(f->store, ids, 1, &replayed, &problem));
    ok(store_due_lanes(f->store, NULL, 10, &lanes, &problem));
    expect_lanes(&lanes, (const char *const[]){"hook acme normal"}, 1);
    due_lanes_release(&lanes);
}

/* --- destinations that requests bring along --- */

static struct delivery *own_delivery(struct job *job, const char *endpoint)
{
    struct delivery *delivery = delivery_new(job, "own");

    delivery_add_candidate(delivery, "own");
    delivery->inline_form =
        json_pack("{s:s, s:s, s:s}", "name", "own", "protocol", "REST", "endpoint", endpoint);
    delivery->status = DELIVERY_QUEUED;
    return delivery;
}

static char *key_of_inline(struct store_fixture *f, const char *tenant, const char *endpoint)
{
    struct job *job = make_job("own");
    struct routing routing = {.job = job};
    char id[UID_TEXT_SIZE], target[UID_TEXT_SIZE];
    struct delivery *delivery;

    free(job->tenant_id);
    job->tenant_id = xstrdup(tenant);
    delivery_list_add(&routing.deliveries, own_delivery(job, endpoint));
    accept_job(f->store, job_ref(job), id);
    ok(store_save_routings(f->store, &routing, 1, 60000, &problem));
    delivery_id(f, id, "own", target);
    delivery = load(f, target);
    assert_int_equal(strlen(delivery->own_key), 12);
    assert_int_equal(strspn(delivery->own_key, "0123456789abcdef"), 12);
    /* C and SQL have the same name for it. */
    char *key = delivery_destination_key(delivery);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE id = '%s' AND destination = '%s'",
                  target, key),
        1);
    delivery_free(delivery);
    delivery_list_release(&routing.deliveries);
    job_unref(job);
    return key;
}

static void destinations_of_requests_have_lanes_of_their_own(void **state)
{
    struct store_fixture *f = *state;
    char *keys[4];

    ok(store_tenant_add(f->store, "other", NULL, &problem));
    keys[0] = key_of_inline(f, "acme", "https://one.example/");
    keys[1] = key_of_inline(f, "acme", "https://one.example/");
    keys[2] = key_of_inline(f, "acme", "https://two.example/");
    keys[3] = key_of_inline(f, "other", "https://one.example/"); /* one tenant cannot hold another's */
    assert_memory_equal(keys[0], "own@", 4);
    assert_string_equal(keys[0], keys[1]);
    assert_string_not_equal(keys[0], keys[2]);
    assert_string_not_equal(keys[0], keys[3]);
    for (size_t i = 0; i < 4; i++)
        free(keys[i]);
    /* What is configured has none. */
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];
    accept_job(f->store, make_job("hook"), job);
    route_it(f->store, job);
    delivery_id(f, job, "hook", id);
    struct delivery *delivery = load(f, id);
    assert_null(delivery->own_key);
    delivery_free(delivery);
}

/* However a job ends, its callback to an address is in the lane of that address. */
static void callbacks_to_one_address_share_a_lane(void **state)
{
    struct store_fixture *f = *state;
    char delivered[UID_TEXT_SIZE], expired[UID_TEXT_SIZE], failed[UID_TEXT_SIZE], id[UID_TEXT_SIZE];
    char *all[] = {delivered, expired, failed};
    struct due_list recall = {0}, list = {0};
    size_t count;

    for (size_t i = 0; i < COUNT(all); i++) {
        struct job *job = make_job("hook");
        job->callback_url = xstrdup("https://example.com/cb");
        accept_job(f->store, job, all[i]);
    }
    route_it(f->store, delivered);
    delivery_id(f, delivered, "hook", id);
    settle_one(f->store, id, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    ok(store_fail_job(f->store, failed, "why", &problem));
    run_sql(f, "UPDATE distribution_jobs SET expires_at = now() WHERE id = '%s'", expired);
    ok(store_expire(f->store, 10, 60000, &count, &recall, &problem));
    assert_int_equal(count, 1);
    assert_int_equal(recall.count, 0);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE kind = 'callback'"), 3);
    assert_int_equal(number_of(f, "SELECT count(DISTINCT destination) FROM distribution_deliveries WHERE"
                                  " kind = 'callback' AND destination ~ '^callback@[0-9a-f]{12}$'"),
                     1);
    struct job *job = make_job("hook");
    job->callback_url = xstrdup("https://example.com/another");
    accept_job(f->store, job, id);
    ok(store_fail_job(f->store, id, "why", &problem));
    assert_int_equal(number_of(f, "SELECT count(DISTINCT destination) FROM distribution_deliveries WHERE"
                                  " kind = 'callback'"),
                     2);
    ok(claim_due(f->store, 10, 60000, &list, &problem));
    assert_int_equal(list.count, 4);
    due_list_release(&list);
    delivery_id(f, id, "callback", id);
    struct delivery *delivery = load(f, id);
    char *key = delivery_destination_key(delivery);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE id = '%s' AND destination = '%s'",
                  id, key),
        1);
    free(key);
    delivery_free(delivery);
}

/* --- groups --- */

static const char *const a_b_c[] = {"a", "b", "c", NULL};

static void sql_and_c_agree_on_the_candidate(void **state)
{
    struct store_fixture *f = *state;

    for (int n = 0; n < 4 * 6 * 3 * 7; n++) {
        int candidates = n % 4, attempts = n / 4 % 6, start = n / 24 % 3, skipped = n / 72;
        struct job *job = make_job("t");
        struct delivery *delivery = delivery_new(job, "t");

        job_unref(job);
        for (int i = 0; i < candidates; i++)
            delivery_add_candidate(delivery, a_b_c[i]);
        delivery->attempts = attempts + start;
        delivery->budget_start = start;
        delivery->skipped = skipped;
        const char *in_c = delivery_candidate(delivery);
        if (!number_of(f,
                       "SELECT (coalesce(dist_candidate((SELECT coalesce(jsonb_agg(x), '[]') FROM"
                       " unnest((ARRAY['a', 'b', 'c'])[1:%d]) x), %d, %d, %d), 'none') = '%s')::integer",
                       candidates, attempts + start, start, skipped, in_c ? in_c : "none"))
            fail_msg("%d candidates, attempt %d from %d, %d skipped", candidates, attempts + start, start,
                     skipped);
        delivery_free(delivery);
    }
}

static size_t stuck_count(struct store_fixture *f, const char *destination, const char *const *held,
                          size_t limit)
{
    struct due_list list = {0};

    ok(store_stuck_in_group(f->store, destination, held, limit, &list, &problem));
    size_t count = list.count;
    due_list_release(&list);
    return count;
}

static size_t pass_over(struct store_fixture *f, const char *destination, const char *const *held,
                        const char *id)
{
    size_t moved;

    ok(store_pass_over(f->store, destination, held, &id, 1, &moved, &problem));
    return moved;
}

static void expect_next(struct store_fixture *f, const char *id, const char *destination, const char *status,
                        int skipped)
{
    if (!number_of(f,
                   "SELECT count(*) FROM distribution_deliveries WHERE id = '%s' AND destination = '%s' AND"
                   " status = '%s' AND skipped = %d",
                   id, destination, status, skipped))
        fail_msg("the delivery is not %s at %s, with %d skipped", status, destination, skipped);
}

static void a_queued_member_is_passed_over_for_the_next_that_is_not_held(void **state)
{
    static const char *const a[] = {"a", NULL}, *const a_b[] = {"a", "b", NULL},
                             *const c_b[] = {"c", "b", NULL};
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE], other[UID_TEXT_SIZE];
    struct due_list list = {0};
    struct delivery *delivery;

    group_delivery(f, a_b_c, id);
    group_delivery(f, a_b_c, other);
    ok(store_stuck_in_group(f->store, "a", a, 10, &list, &problem));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].lane, "acme:normal");
    due_list_release(&list);
    assert_int_equal(stuck_count(f, "a", a, 1), 1);
    assert_int_equal(stuck_count(f, "b", a_b, 10), 0); /* its turn is not there */
    assert_int_equal(pass_over(f, "b", a_b, id), 0);
    expect_next(f, id, "a", "queued", 0);
    /* b is held too, so it is c. */
    assert_int_equal(pass_over(f, "a", a_b, id), 1);
    expect_next(f, id, "c", "waiting", 2);
    assert_int_equal(number_of(f,
                               "SELECT count(*) FROM distribution_deliveries WHERE id = '%s' AND due_at"
                               " BETWEEN now() - interval '30 seconds' AND now()",
                               id),
                     1);
    expect_next(f, other, "a", "queued", 0);
    assert_int_equal(stuck_count(f, "a", a, 10), 1);
    /* Around: from c to a, since b is held; a is not held any more. */
    assert_int_equal(pass_over(f, "c", c_b, id), 1);
    expect_next(f, id, "a", "waiting", 3);
    assert_int_equal(pass_over(f, "a", a, id), 1);
    expect_next(f, id, "b", "waiting", 4);

    ok(claim_due(f->store, 10, 60000, &list, &problem));
    assert_int_equal(list.count, 1);
    due_list_release(&list);
    delivery = load(f, id);
    assert_int_equal(delivery->skipped, 4);
    assert_string_equal(delivery_candidate(delivery), "b");
    assert_string_equal(delivery_passed_over(delivery), "a");
    /* The attempt tells of it. */
    struct settlement attempt;
    settlement_init(&attempt, delivery, (struct verdict){.status = DELIVERY_WAITING}, "no");
    attempt.number = 1;
    attempt.started_at_us = attempt.completed_at_us = clock_wall_us();
    ok(store_settle(f->store, &attempt, 1, &problem));
    settlement_release(&attempt);
    delivery_free(delivery);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_attempts WHERE destination_name = 'b'"
                                  " AND metadata = '{\"instead_of\": \"a\"}'"),
                     1);
    expect_next(f, id, "c", "waiting", 4); /* the next attempt goes on from there */
    /* One that went where its turn was tells nothing. */
    delivery = load(f, other);
    settlement_init(&attempt, delivery, (struct verdict){.status = DELIVERY_DELIVERED}, NULL);
    attempt.number = 1;
    attempt.kind = OUTCOME_DELIVERED;
    attempt.started_at_us = attempt.completed_at_us = clock_wall_us();
    ok(store_settle(f->store, &attempt, 1, &problem));
    settlement_release(&attempt);
    delivery_free(delivery);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_attempts WHERE destination_name = 'a'"
                                  " AND metadata = '{}'"),
                     1);
    check_counters(f);
}

static void nobody_is_passed_over_where_all_are_held(void **state)
{
    static const char *const all[] = {"c", "b", "a", NULL};
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE], job[UID_TEXT_SIZE], single[UID_TEXT_SIZE];

    group_delivery(f, a_b_c, id);
    assert_int_equal(stuck_count(f, "a", all, 10), 0);
    assert_int_equal(pass_over(f, "a", all, id), 0);
    expect_next(f, id, "a", "queued", 0);
    /* And one that is no group has nowhere to go. */
    accept_job(f->store, make_job("a"), job);
    route_it(f->store, job);
    delivery_id(f, job, "a", single);
    assert_int_equal(stuck_count(f, "a", (const char *const[]){"a", NULL}, 10), 1);
    assert_int_equal(pass_over(f, "a", (const char *const[]){"a", NULL}, single), 0);
    expect_next(f, single, "a", "queued", 0);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE updated_at >"
                                  " created_at"),
                     0); /* nothing was written */
}

static void what_waits_keeps_its_time_when_it_is_passed_over(void **state)
{
    static const char *const held[] = {"b", NULL};
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE];
    struct settlement later;

    group_delivery(f, a_b_c, id);
    later = settlement_of(id, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    later.verdict.delay_ms = 600000;
    ok(store_settle(f->store, &later, 1, &problem));
    settlement_release(&later);
    expect_next(f, id, "b", "waiting", 0);
    assert_int_equal(stuck_count(f, "b", held, 10), 1);
    assert_int_equal(pass_over(f, "b", held, id), 1);
    expect_next(f, id, "c", "waiting", 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE due_at BETWEEN now() +"
                                  " interval '500 seconds' AND now() + interval '600 seconds'"),
                     1);
}

static void what_has_moved_on_is_not_passed_over(void **state)
{
    static const char *const held[] = {"a", NULL};
    static const char *const statuses[] = {"delivered", "dead", "expired", "cancelled"};
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE], late[UID_TEXT_SIZE];
    struct due_list list = {0};

    group_delivery(f, a_b_c, id);
    group_delivery(f, a_b_c, late);
    ok(store_stuck_in_group(f->store, "a", held, 10, &list, &problem));
    assert_int_equal(list.count, 2);
    due_list_release(&list);
    /* Meanwhile it was tried: its turn is elsewhere. */
    settle_one(f->store, id, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    assert_int_equal(pass_over(f, "a", held, id), 0);
    expect_next(f, id, "b", "waiting", 0);
    for (size_t i = 0; i < COUNT(statuses); i++) {
        run_sql(f,
                "UPDATE distribution_deliveries SET status = '%s', due_at = NULL, dead_reason = %s WHERE id"
                " = '%s'",
                statuses[i], strcmp(statuses[i], "dead") ? "NULL" : "'rejected'", late);
        assert_int_equal(stuck_count(f, "a", held, 10), 0);
        assert_int_equal(pass_over(f, "a", held, late), 0);
        expect_next(f, late, "a", statuses[i], 0);
    }
    assert_int_equal(pass_over(f, "a", held, "not-a-uuid"), 0);
}

/* A replay begins with the first candidate, whoever was passed over before. */
static void a_replay_of_a_group_begins_with_the_first(void **state)
{
    static const char *const held[] = {"a", NULL};
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE];
    const char *ids[] = {id};
    struct due_list list = {0};
    size_t replayed;

    group_delivery(f, a_b_c, id);
    assert_int_equal(pass_over(f, "a", held, id), 1);
    ok(claim_due(f->store, 10, 60000, &list, &problem));
    due_list_release(&list);
    settle_one(f->store, id, 1, OUTCOME_REJECTED, DELIVERY_DEAD);
    ok(replay_now(f->store, ids, 1, &replayed, &problem));
    assert_int_equal(replayed, 1);
    expect_next(f, id, "a", "waiting", 0);
}

/* --- expiry --- */

static void what_is_queued_expires_a_lease_later_and_is_recalled(void **state)
{
    struct store_fixture *f = *state;
    char queued[UID_TEXT_SIZE], waiting[UID_TEXT_SIZE], job[UID_TEXT_SIZE], other[UID_TEXT_SIZE];
    struct due_list recall = {0};
    size_t expired;

    accept_job(f->store, make_job("hook"), job);
    route_it(f->store, job);
    delivery_id(f, job, "hook", queued);
    accept_job(f->store, make_job("hook"), other);
    route_it(f->store, other);
    delivery_id(f, other, "hook", waiting);
    settle_one(f->store, waiting, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    run_sql(f, "UPDATE distribution_jobs SET expires_at = now() - interval '30 seconds'");
    /* What waits ends at once; the queued one has a worker's time, here of a minute. */
    ok(store_expire(f->store, 100, 60000, &expired, &recall, &problem));
    assert_int_equal(expired, 1);
    assert_int_equal(recall.count, 0);
    expect_next(f, waiting, "hook", "expired", 0);
    expect_next(f, queued, "hook", "queued", 0);
    run_sql(f, "UPDATE distribution_jobs SET expires_at = now() - interval '61 seconds'");
    ok(store_expire(f->store, 100, 60000, &expired, &recall, &problem));
    assert_int_equal(expired, 1);
    assert_int_equal(recall.count, 1);
    assert_string_equal(recall.items[0].id, queued);
    assert_string_equal(recall.items[0].job_id, job);
    assert_string_equal(recall.items[0].lane, "acme:normal");
    expect_next(f, queued, "hook", "expired", 0);
    check_counters(f);
    /* A worker that was in the middle of it: a success counts all the same. */
    settle_one(f->store, queued, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    expect_next(f, queued, "hook", "delivered", 0);
    check_counters(f);
    due_list_release(&recall);
}

static void expiry_goes_in_batches(void **state)
{
    struct store_fixture *f = *state;
    struct due_list recall = {0};
    size_t expired, all = 0;
    char job[UID_TEXT_SIZE];

    for (int i = 0; i < 10; i++) {
        accept_job(f->store, make_job("a b"), job);
        route_it(f->store, job);
    }
    run_sql(f, "UPDATE distribution_jobs SET expires_at = now() - interval '1 hour'");
    for (int i = 0; i < 7; i++) {
        ok(store_expire(f->store, 3, 60000, &expired, &recall, &problem));
        assert_true(expired <= 3);
        all += expired;
    }
    assert_int_equal(all, 20);
    assert_int_equal(recall.count, 20);
    ok(store_expire(f->store, 3, 60000, &expired, &recall, &problem));
    assert_int_equal(expired, 0);
    check_counters(f);
    due_list_release(&recall);
}

/* --- the migration --- */

static const struct migration *migration_of(int version)
{
    for (const struct migration *m = migrations; m->version; m++)
        if (m->version == version)
            return m;
    fail_msg("no migration %d", version);
    return NULL;
}

/* A database of the first version: every state, a group in the middle of its round, a form that a request
 * brought along, callbacks, and an epoch. */
static const char old_rows[] =
    "INSERT INTO tenants (tenant_id, name) VALUES ('acme', 'Acme');"
    "INSERT INTO distribution_jobs (id, tenant_id, distribution_id, status, data_type, payload, destinations,"
    " callback_url, body, content_type, body_size, request_hash, expires_at)"
    " SELECT dist_uuid(), 'acme', d, s, 'report', '{}', '[{\"name\": \"hook\"}]', c, 'x', 'text/plain', 1,"
    "  repeat('0', 64), now() + interval '1 day'"
    " FROM (VALUES ('pending', 'pending', NULL), ('routed', 'routed', 'https://example.com/cb'),"
    "  ('ended', 'routed', 'https://example.com/cb')) v (d, s, c);"
    "INSERT INTO distribution_deliveries (id, job_id, tenant_id, priority, target, candidates, inline_form,"
    " status, due_at, attempts, budget_start, dead_reason)"
    " SELECT dist_uuid(), (SELECT id FROM distribution_jobs WHERE distribution_id = 'routed'), 'acme', "
    "'normal',"
    "  t, c::jsonb, i::jsonb, s, CASE WHEN s IN ('waiting', 'queued') THEN now() END, a, b,"
    "  CASE s WHEN 'dead' THEN 'rejected' END"
    " FROM (VALUES ('fresh', '[\"web\"]', NULL, 'waiting', 0, 0),"
    "  ('retried', '[\"web\"]', NULL, 'waiting', 2, 0),"
    "  ('replayed', '[\"web\"]', NULL, 'waiting', 2, 2),"
    "  ('group', '[\"a\", \"b\", \"c\"]', NULL, 'queued', 4, 0),"
    "  ('nowhere', '[]', NULL, 'dead', 0, 0),"
    "  ('own', '[\"own\"]', '{\"name\": \"own\", \"endpoint\": \"https://own.example/\"}', 'queued', 0, 0),"
    "  ('owndead', '[\"own\"]', '{\"name\": \"own\", \"endpoint\": \"https://own.example/\"}', 'dead', 1, 0),"
    "  ('done', '[\"web\"]', NULL, 'delivered', 1, 0),"
    "  ('gone', '[\"web\"]', NULL, 'expired', 1, 0),"
    "  ('dropped', '[\"web\"]', NULL, 'cancelled', 1, 0)) v (t, c, i, s, a, b);"
    "INSERT INTO distribution_deliveries (id, job_id, tenant_id, priority, target, candidates, status, "
    "due_at)"
    " SELECT dist_uuid(), id, 'acme', 'normal', 'hook', '[\"hook\"]', 'queued', now() FROM distribution_jobs"
    " WHERE distribution_id = 'ended';"
    "UPDATE distribution_deliveries SET status = 'delivered', due_at = NULL WHERE target = 'hook';" /* calls
                                                                                                       back */
    "INSERT INTO dist_state (key, value) VALUES ('redis_epoch', 'one')";

static void expect_migrated(struct store_fixture *f)
{
    static const struct {
        const char *target, *destination;
        int again;
    } rows[] = {
        {"fresh", "web", 0},       {"retried", "web", 1}, {"replayed", "web", 0}, {"group", "b", 1},
        {"nowhere", "nowhere", 0}, {"done", "web", 1},    {"gone", "web", 1},     {"dropped", "web", 1},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (!number_of(f,
                       "SELECT count(*) FROM distribution_deliveries WHERE target = '%s' AND destination ="
                       " '%s' AND again = (%d = 1) AND own_key IS NULL AND skipped = 0",
                       rows[i].target, rows[i].destination, rows[i].again))
            fail_msg("%s is not at %s", rows[i].target, rows[i].destination);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE target LIKE 'own%%' AND"
                                  " destination = 'own@' || own_key AND own_key ="
                                  " dist_own_key('acme', inline_form::text)"),
                     2);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE kind = 'callback' AND"
                                  " destination = 'callback@' || own_key AND own_key ="
                                  " dist_own_key('acme', 'https://example.com/cb')"),
                     1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries"), 12);
}

static void a_filled_database_of_the_first_version_is_migrated(void **state)
{
    struct store_fixture *f = *state;
    struct pg_config config = pg_server_config(&f->server, 20000);
    struct pg *pg = pg_new(&config);
    struct due_lanes lanes = {0};
    struct due_list list = {0};
    size_t count;
    bool changed;

    store_free(f->store);
    ok(pg_script(pg, "DROP SCHEMA public CASCADE; CREATE SCHEMA public", &problem));
    pg_free(pg);
    pg_server_run(&f->server, migration_of(1)->sql);
    pg_server_run(&f->server,
                  "CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL,"
                  " applied_at timestamptz NOT NULL DEFAULT now());"
                  "INSERT INTO schema_migrations (version, name) VALUES (1, '0001-init')");
    pg_server_run(&f->server, old_rows);
    f->store = store_fixture_store(f, 20000);
    refused(store_open(f->store, &problem), FAULT_CONFIG);
    ok(store_migrate(f->store, NULL, NULL, &problem));
    expect_migrated(f);
    check_counters(f);

    /* And it works on. */
    ok(store_see_epoch(f->store, 0, "one", &changed, &problem));
    assert_true(changed); /* all is published again */
    ok(store_due_lanes(f->store, NULL, 10, &lanes, &problem));
    assert_int_equal(lanes.count, 3);
    assert_memory_equal(lanes.items[0].destination, "callback@", 9);
    assert_string_equal(lanes.items[1].destination, "web");
    assert_false(lanes.items[1].again);
    assert_true(lanes.items[2].again);
    due_lanes_release(&lanes);
    ok(claim_due(f->store, 10, 60000, &list, &problem));
    assert_int_equal(list.count, 4);
    for (size_t i = 0; i < list.count; i++) {
        struct delivery *delivery = load(f, list.items[i].id);
        delivery_free(delivery);
        settle_one(f->store, list.items[i].id, 0, OUTCOME_REJECTED, DELIVERY_DEAD);
        ok(replay_now(f->store, (const char *const[]){list.items[i].id}, 1, &count, &problem));
        assert_int_equal(count, 1);
    }
    due_list_release(&list);
    assert_int_equal(stuck_count(f, "b", (const char *const[]){"b", NULL}, 10), 1);
    run_sql(f, "UPDATE distribution_jobs SET due_at = now()");
    ok(pending_due(f->store, 10, &list, &problem));
    assert_int_equal(list.count, 1);
    due_list_release(&list);
    check_counters(f);
}

int main(void)
{
#define with_empty_store(test) cmocka_unit_test_setup(test, store_fixture_empty)
    const struct CMUnitTest tests[] = {
        with_empty_store(lanes_with_something_due_are_listed),
        with_empty_store(pending_lanes_are_listed_the_same_way),
        with_empty_store(what_is_to_be_routed_is_what_the_jobs_say),
        with_empty_store(pending_jobs_may_have_to_be_accepted_for_a_while),
        with_empty_store(a_replayed_letter_expires_with_its_job),
        with_empty_store(a_job_that_is_delivered_touches_no_index_again),
        with_empty_store(a_long_lane_costs_as_little_as_a_short_one),
        with_empty_store(known_rows_are_found_beside_many_of_their_state),
        with_empty_store(the_longest_due_are_claimed_first_as_many_as_each_lane_wants),
        with_empty_store(what_another_pump_holds_is_skipped),
        with_empty_store(a_replay_is_fresh),
        with_empty_store(destinations_of_requests_have_lanes_of_their_own),
        with_empty_store(callbacks_to_one_address_share_a_lane),
        with_empty_store(sql_and_c_agree_on_the_candidate),
        with_empty_store(a_queued_member_is_passed_over_for_the_next_that_is_not_held),
        with_empty_store(nobody_is_passed_over_where_all_are_held),
        with_empty_store(what_waits_keeps_its_time_when_it_is_passed_over),
        with_empty_store(what_has_moved_on_is_not_passed_over),
        with_empty_store(a_replay_of_a_group_begins_with_the_first),
        with_empty_store(what_is_queued_expires_a_lease_later_and_is_recalled),
        with_empty_store(expiry_goes_in_batches),
        with_empty_store(a_filled_database_of_the_first_version_is_migrated), /* last: another database */
    };
    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
