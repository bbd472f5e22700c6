/*
 * The store against a PostgreSQL of its own: settlements, the due queue, callbacks, counters
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "store_fixture.h"
#include "text.h"
#include "xalloc.h"

static void expect_job(const struct store_fixture *f, const char *id, enum job_status wanted)
{
    enum job_status status;

    ok(store_job_status(f->store, id, &status, &problem));
    assert_string_equal(job_status_names[status], job_status_names[wanted]);
    check_counters(f);
}

static void expect_delivery(const struct store_fixture *f, const char *id, const char *status, int attempts)
{
    int64_t matches = number_of(f,
                                "SELECT count(*) FROM distribution_deliveries WHERE id = '%s'"
                                " AND status = '%s' AND attempts = %d",
                                id, status, attempts);

    if (!matches)
        fail_msg("the delivery is not %s with %d attempts", status, attempts);
}

/* A routed job of one delivery. */
static void one_delivery(const struct store_fixture *f, char job[UID_TEXT_SIZE], char delivery[UID_TEXT_SIZE])
{
    accept_job(f->store, make_job("hook"), job);
    route_it(f->store, job);
    delivery_id(f, job, "hook", delivery);
}

static void make_due(const struct store_fixture *f)
{
    struct due_list list = {0};

    pg_server_run(&f->server, "UPDATE distribution_deliveries SET due_at = now() WHERE status = 'waiting'");
    ok(claim_due(f->store, 1000, 60000, &list, &problem));
    due_list_release(&list);
}

/* --- settlements --- */

static void a_deferred_attempt_waits_is_claimed_and_delivered(void **state)
{
    struct store_fixture *f = *state;
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];
    struct due_list list = {0};
    struct settlement later;

    one_delivery(f, job, id);
    later = settlement_of(id, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    later.verdict.delay_ms = 60000;
    ok(store_settle(f->store, &later, 1, &problem));
    expect_delivery(f, id, "waiting", 1);
    ok(claim_due(f->store, 10, 1000, &list, &problem));
    assert_int_equal(list.count, 0);
    pg_server_run(&f->server, "UPDATE distribution_deliveries SET due_at = now()");
    ok(claim_due(f->store, 10, 1000, &list, &problem));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].id, id);
    expect_job(f, job, JOB_ROUTED);
    settle_one(f->store, id, 2, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    expect_delivery(f, id, "delivered", 2);
    expect_job(f, job, JOB_COMPLETED);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM distribution_attempts WHERE distribution_job_id = '%s'", job), 2);
    settlement_release(&later);
    due_list_release(&list);
}

static void writing_a_settlement_again_changes_nothing(void **state)
{
    struct store_fixture *f = *state;
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];
    struct settlement first;

    one_delivery(f, job, id);
    first = settlement_of(id, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    for (int i = 0; i < 3; i++)
        ok(store_settle(f->store, &first, 1, &problem));
    make_due(f);
    ok(store_settle(f->store, &first, 1, &problem));
    expect_delivery(f, id, "queued", 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_attempts"), 1);
    /* The id is a UUIDv7 of the attempt's own time. */
    assert_int_equal(number_of(f,
                               "SELECT (substr(id::text, 15, 1) = '7' AND substr(id::text, 20, 1) ~ '[89ab]')"
                               "::integer FROM distribution_attempts"),
                     1);
    settlement_release(&first);
}

static void a_worker_that_lost_its_claim_moves_nothing_but_a_success_counts(void **state)
{
    struct store_fixture *f = *state;
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];

    one_delivery(f, job, id);
    settle_one(f->store, id, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    settle_one(f->store, id, 1, OUTCOME_REJECTED, DELIVERY_DEAD); /* the other worker's first attempt */
    expect_delivery(f, id, "waiting", 1);
    make_due(f);
    settle_one(f->store, id, 1, OUTCOME_REJECTED, DELIVERY_DEAD);
    expect_delivery(f, id, "queued", 1);
    settle_one(f->store, id, 2, OUTCOME_REJECTED, DELIVERY_DEAD);
    expect_delivery(f, id, "dead", 2);
    expect_job(f, job, JOB_FAILED);
    settle_one(f->store, id, 2, OUTCOME_DELIVERED, DELIVERY_DELIVERED); /* late */
    expect_delivery(f, id, "delivered", 2);
    expect_job(f, job, JOB_COMPLETED);
    settle_one(f->store, id, 3, OUTCOME_REJECTED, DELIVERY_DEAD);
    expect_delivery(f, id, "delivered", 2);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_attempts"), 6);
}

static void a_death_without_an_attempt_leaves_no_attempt(void **state)
{
    struct store_fixture *f = *state;
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];
    struct settlement death;
    struct delivery *delivery;

    one_delivery(f, job, id);
    settle_one(f->store, id, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    make_due(f);
    death = settlement_of(id, 0, OUTCOME_REJECTED, DELIVERY_DEAD);
    death.verdict.reason = DEAD_POISON;
    ok(store_settle(f->store, &death, 1, &problem));
    expect_delivery(f, id, "dead", 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_attempts"), 1);
    ok(store_dead_load(f->store, id, &delivery, &problem));
    assert_int_equal(delivery->dead_reason, DEAD_POISON);
    assert_non_null(delivery->job->body);
    delivery_free(delivery);
    settlement_release(&death);
}

static void one_strange_settlement_does_not_fail_the_batch(void **state)
{
    struct store_fixture *f = *state;
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE], nobody[UID_TEXT_SIZE];
    struct settlement items[4];

    one_delivery(f, job, id);
    uid_new(nobody);
    items[0] = settlement_of("not a uuid", 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    items[1] = settlement_of(nobody, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    items[2] = settlement_of(id, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    free(items[2].error);
    items[2].error = xstrdup("caf\xe9 \xf0\x9f NULL \"{}\\ ");
    items[2].started_at_us = 0;                                             /* a clock that was never set */
    items[3] = settlement_of(id, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED); /* of the same delivery */
    ok(store_settle(f->store, items, 4, &problem));
    expect_delivery(f, id, "delivered", 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_attempts"), 2);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_attempts WHERE error_message ="
                                  " 'caf? ?? NULL \"{}\\ ' AND started_at > now() - interval '1 minute'"),
                     1);
    for (size_t i = 0; i < 4; i++)
        settlement_release(&items[i]);
}

static void a_missing_partition_is_made(void **state)
{
    struct store_fixture *f = *state;
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];

    one_delivery(f, job, id);
    pg_server_run(
        &f->server,
        "DO $$ DECLARE name text; BEGIN FOR name IN SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'distribution_attempts'::regclass LOOP EXECUTE 'DROP TABLE ' || name;"
        " END LOOP; END $$");
    settle_one(f->store, id, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    expect_job(f, job, JOB_COMPLETED);
    assert_in_range(number_of(f, "SELECT count(*) FROM pg_inherits WHERE inhparent ="
                                 " 'distribution_attempts'::regclass"),
                    3, 4);
    ok(store_make_partitions(f->store, &problem));
    assert_in_range(number_of(f, "SELECT count(*) FROM pg_inherits WHERE inhparent ="
                                 " 'distribution_attempts'::regclass"),
                    3, 4);
}

/* Somebody reads the attempts all the while: partitions come all the same, and nobody waits. */
static void partitions_are_made_while_attempts_are_read(void **state)
{
    static const char parents[] = "SELECT count(*) FROM pg_inherits WHERE inhparent ="
                                  " 'distribution_attempts'::regclass";
    static const char drop_latest[] =
        "DO $$ DECLARE name text; BEGIN SELECT max(inhrelid::regclass::text) INTO name FROM pg_inherits"
        " WHERE inhparent = 'distribution_attempts'::regclass; EXECUTE 'DROP TABLE ' || name; END $$";
    struct store_fixture *f = *state;
    struct pg_config config = pg_server_config(&f->server, 10000);
    struct pg *reader = pg_new(&config);
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];
    int64_t before = number_of(f, parents);

    one_delivery(f, job, id);
    settle_one(f->store, id, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    pg_server_run(&f->server, drop_latest);
    ok(pg_begin(reader, &problem));
    ok(pg_script(reader, "SELECT count(*) FROM distribution_attempts", &problem));
    ok(store_make_partitions(f->store, &problem));
    ok(pg_script(reader, "SELECT count(*) FROM distribution_attempts", &problem));
    ok(pg_commit(reader, &problem));
    assert_int_equal(number_of(f, parents), before);
    /* What a partition has that was made as one: its keys, and the parent's indexes. */
    assert_int_equal(number_of(f, "SELECT count(*) FROM pg_inherits i JOIN pg_constraint c ON c.conrelid ="
                                  " i.inhrelid WHERE inhparent = 'distribution_attempts'::regclass"
                                  " AND contype IN ('p', 'f')"),
                     2 * before);
    assert_int_equal(number_of(f, "SELECT count(*) FROM pg_inherits i JOIN pg_index x ON x.indrelid ="
                                  " i.inhrelid WHERE inhparent = 'distribution_attempts'::regclass"),
                     4 * before);

    /* A writer of jobs is waited for, but not for long: others would queue up behind. */
    pg_server_run(&f->server, drop_latest);
    ok(pg_begin(reader, &problem));
    ok(pg_script(reader, "UPDATE distribution_jobs SET updated_at = now()", &problem));
    int64_t start_ms = clock_mono_ms();
    refused(store_make_partitions(f->store, &problem), FAULT_TEMP);
    assert_in_range(clock_mono_ms() - start_ms, 400, 3000);
    ok(pg_commit(reader, &problem));
    ok(store_make_partitions(f->store, &problem));
    assert_int_equal(number_of(f, parents), before);
    pg_free(reader);
}

static void *make_partitions(void *arg)
{
    struct fault fault = {0};

    return store_make_partitions(arg, &fault) ? arg : NULL;
}

static void racing_makers_make_each_partition_once(void **state)
{
    enum { RACERS = 4 };
    struct store_fixture *f = *state;
    struct store *stores[RACERS];
    pthread_t threads[RACERS];
    void *failed;

    for (size_t i = 0; i < RACERS; i++) {
        stores[i] = store_fixture_store(f, 20000);
        ok(store_open(stores[i], &problem));
    }
    pg_server_run(
        &f->server,
        "DO $$ DECLARE name text; BEGIN FOR name IN SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'distribution_attempts'::regclass LOOP EXECUTE 'DROP TABLE ' || name;"
        " END LOOP; END $$");
    for (size_t i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_partitions, stores[i]), 0);
    for (size_t i = 0; i < RACERS; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
        store_free(stores[i]);
    }
    assert_in_range(number_of(f, "SELECT count(*) FROM pg_inherits WHERE inhparent ="
                                 " 'distribution_attempts'::regclass"),
                    3, 4);
}

/* What PostgreSQL refuses for a text is written without the text, and the rest of the batch as it is. */
static void a_refused_text_fails_neither_the_batch_nor_its_delivery(void **state)
{
    enum { COUNT = 5 };
    struct store_fixture *f = *state;
    struct settlement items[COUNT];
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];

    for (size_t i = 0; i < COUNT; i++) {
        one_delivery(f, job, id);
        items[i] = settlement_of(id, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    }
    free(items[1].response_body);
    items[1].response_body = xstrdup("unwanted");
    free(items[3].error);
    items[3].error = xstrdup("unwanted");
    pg_server_run(&f->server, "ALTER TABLE distribution_attempts ADD CONSTRAINT strange CHECK"
                              " (response_body <> 'unwanted' AND error_message <> 'unwanted')");
    for (int again = 0; again < 2; again++)
        ok(store_settle(f->store, items, COUNT, &problem));
    for (size_t i = 0; i < COUNT; i++)
        expect_delivery(f, items[i].delivery_id, "waiting", 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_attempts"), COUNT);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_attempts WHERE response_body IS NULL AND"
                                  " error_message = '(the text of the error could not be stored)'"),
                     2);
    /* One alone, and one that nothing helps: the others are settled, and the fault is told. */
    make_due(f);
    for (size_t i = 0; i < COUNT; i++)
        items[i].number = 2;
    ok(store_settle(f->store, &items[1], 1, &problem));
    expect_delivery(f, items[1].delivery_id, "waiting", 2);
    free(items[0].destination);
    items[0].destination = xmalloc(102);
    memset(items[0].destination, 'x', 101);
    items[0].destination[101] = '\0';
    refused(store_settle(f->store, items, COUNT, &problem), FAULT_INPUT);
    expect_delivery(f, items[0].delivery_id, "queued", 1);
    for (size_t i = 1; i < COUNT; i++)
        expect_delivery(f, items[i].delivery_id, "waiting", 2);
    pg_server_run(&f->server, "ALTER TABLE distribution_attempts DROP CONSTRAINT strange");
    check_counters(f);
    for (size_t i = 0; i < COUNT; i++)
        settlement_release(&items[i]);
}

/* --- callbacks --- */

/* A callback that died long ago has its time anew, whether it had an attempt or not. */
static void a_replayed_callback_does_not_expire_at_once(void **state)
{
    struct store_fixture *f = *state;
    const char *ids[1];

    for (int attempts = 0; attempts < 2; attempts++) {
        char id[UID_TEXT_SIZE], hook[UID_TEXT_SIZE], callback[UID_TEXT_SIZE];
        struct job *job = make_job("hook");
        struct settlement death;
        struct delivery *delivery;
        size_t replayed;

        job->callback_url = xstrdup("https://example.com/cb");
        accept_job(f->store, job, id);
        route_it(f->store, id);
        delivery_id(f, id, "hook", hook);
        settle_one(f->store, hook, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
        delivery_id(f, id, "callback", callback);
        ids[0] = callback;
        make_due(f);
        pg_server_run(&f->server,
                      "UPDATE distribution_deliveries SET created_at = now() - interval '9 days'");
        ok(store_load_deliveries(f->store, ids, 1, 0, &delivery, &problem));
        assert_true(delivery->job->expires_at_us < clock_wall_us());
        delivery_free(delivery);
        death = settlement_of(callback, attempts, OUTCOME_REJECTED, DELIVERY_DEAD);
        ok(store_settle(f->store, &death, 1, &problem));
        settlement_release(&death);
        ok(replay_now(f->store, ids, 1, &replayed, &problem));
        assert_int_equal(replayed, 1);
        make_due(f);
        ok(store_load_deliveries(f->store, ids, 1, 0, &delivery, &problem));
        assert_true(delivery->job->expires_at_us > clock_wall_us() + INT64_C(80000) * 1000000);
        delivery_free(delivery);
    }
}

static void a_callback_comes_once_with_the_response(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE], hook[UID_TEXT_SIZE], callback[UID_TEXT_SIZE];
    struct job *job = make_job("hook");
    struct delivery *delivery;
    const char *ids[] = {callback};
    size_t replayed;

    job->callback_url = xstrdup("https://example.com/cb");
    job->callback_headers = json_pack("{s:s}", "X-API-Key", "s");
    accept_job(f->store, job, id);
    route_it(f->store, id);
    delivery_id(f, id, "hook", hook);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries"), 1);
    settle_one(f->store, hook, 1, OUTCOME_REJECTED, DELIVERY_DEAD);
    expect_job(f, id, JOB_FAILED);
    delivery_id(f, id, "callback", callback);
    make_due(f);
    ok(store_load_deliveries(f->store, ids, 1, 1, &delivery, &problem));
    assert_non_null(strstr(delivery->job->body, "\"status\":\"failed\""));
    assert_non_null(strstr(delivery->job->body, "\"name\":\"hook\""));
    assert_null(strstr(delivery->job->body, "\"name\":\"callback\""));
    assert_string_equal(delivery_content_type(delivery), "application/json");
    assert_string_equal(delivery_candidate(delivery), "callback");
    assert_string_equal(delivery->job->id, id);
    assert_string_equal(json_string_value(json_object_get(delivery->inline_form, "endpoint")),
                        "https://example.com/cb");
    assert_string_equal(json_string_value(json_object_get(delivery->inline_form, "protocol")), "REST");
    assert_non_null(json_object_get(json_object_get(delivery->inline_form, "headers"), "X-API-Key"));
    /* The job had an hour to live; telling its end has a day. */
    assert_true(delivery->job->expires_at_us > clock_wall_us() + INT64_C(80000) * 1000000);
    delivery_free(delivery);

    /* A replayed job calls back no second time, and a dead callback is nobody's counter. */
    ok(replay_now(f->store, (const char *[]){hook}, 1, &replayed, &problem));
    make_due(f);
    settle_one(f->store, hook, 2, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    settle_one(f->store, callback, 1, OUTCOME_REJECTED, DELIVERY_DEAD);
    expect_job(f, id, JOB_COMPLETED);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries"), 2);
    ok(store_dead_load(f->store, callback, &delivery, &problem));
    assert_non_null(strstr(delivery->job->body, "\"status\":\"completed\""));
    delivery_free(delivery);
}

/* --- the due queue --- */

static void what_is_overdue_is_found_in_pages(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE], after[UID_TEXT_SIZE] = "";
    size_t found = 0;

    for (int i = 0; i < 5; i++) {
        accept_job(f->store, make_job("a b"), id);
        route_it(f->store, id);
        accept_job(f->store, make_job("a"), id);
    }
    for (int all = 0; all <= 1; all++) {
        struct due_list list = {0};
        ok(store_overdue_deliveries(f->store, all, "", 100, &list, &problem));
        assert_int_equal(list.count, all ? 10 : 0);
        due_list_release(&list);
    }
    pg_server_run(&f->server, "UPDATE distribution_deliveries SET due_at = now() - interval '1 second'");
    for (;;) {
        struct due_list list = {0};
        ok(store_overdue_deliveries(f->store, false, after, 3, &list, &problem));
        size_t count = list.count;
        for (size_t i = 0; i < count; i++) {
            assert_true(strcmp(list.items[i].id, after) > 0);
            text_copy(after, sizeof after, list.items[i].id);
        }
        due_list_release(&list);
        found += count;
        if (count < 3)
            break;
    }
    assert_int_equal(found, 10);
}

/* A look and no write: what is pending is found again and again, from the moment at which it is due. */
static void pending_jobs_are_found_when_they_are_due(void **state)
{
    enum { COUNT = 5 };
    struct store_fixture *f = *state;
    char ids[COUNT][UID_TEXT_SIZE], routed[UID_TEXT_SIZE];
    struct due_list jobs = {0};

    for (size_t i = 0; i < COUNT; i++) {
        accept_job(f->store, make_job("a"), ids[i]);
        accept_job(f->store, make_job("a"), routed);
        route_it(f->store, routed);
        /* The last one is due for longest. */
        char *sql = xasprintf("UPDATE distribution_jobs SET due_at = now() - interval '%zu minutes'"
                              " WHERE id = '%s'",
                              i, ids[i]);
        pg_server_run(&f->server, sql);
        free(sql);
    }
    for (int again = 0; again < 2; again++) {
        ok(pending_due(f->store, 2, &jobs, &problem));
        assert_int_equal(jobs.count, 2);
        assert_string_equal(jobs.items[0].id, ids[COUNT - 1]);
        assert_string_equal(jobs.items[1].id, ids[COUNT - 2]);
        assert_string_equal(jobs.items[0].job_id, ids[COUNT - 1]);
        assert_string_equal(jobs.items[0].lane, "acme:normal");
        due_list_release(&jobs);
    }
    ok(pending_due(f->store, 100, &jobs, &problem));
    assert_int_equal(jobs.count, COUNT);
    due_list_release(&jobs);
    pg_server_run(&f->server, "UPDATE distribution_jobs SET due_at = now() + interval '1 minute'");
    ok(pending_due(f->store, 100, &jobs, &problem));
    assert_int_equal(jobs.count, 0);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status = 'pending'"), COUNT);
}

static void what_has_expired_ends(void **state)
{
    struct store_fixture *f = *state;
    char pending[UID_TEXT_SIZE], waiting[UID_TEXT_SIZE], queued[UID_TEXT_SIZE], fresh[UID_TEXT_SIZE],
        id[UID_TEXT_SIZE];
    struct job *job = make_job("hook");
    struct due_list recall = {0};
    size_t expired;

    job->callback_url = xstrdup("https://example.com/");
    accept_job(f->store, job, pending);
    one_delivery(f, waiting, id);
    settle_one(f->store, id, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    one_delivery(f, queued, id);
    pg_server_run(&f->server, "UPDATE distribution_jobs SET expires_at = now() - interval '1 second'");
    accept_job(f->store, make_job("hook"), fresh);
    ok(store_expire(f->store, 100, 60000, &expired, &recall, &problem));
    assert_int_equal(expired, 2);
    ok(store_expire(f->store, 100, 60000, &expired, &recall, &problem));
    assert_int_equal(expired, 0);
    expect_job(f, pending, JOB_EXPIRED);
    expect_job(f, waiting, JOB_EXPIRED);
    expect_job(f, queued, JOB_ROUTED);
    expect_job(f, fresh, JOB_PENDING);
    assert_int_equal(number_of(f,
                               "SELECT count(*) FROM distribution_deliveries WHERE kind = 'callback'"
                               " AND job_id = '%s'",
                               pending),
                     1);
    assert_int_equal(recall.count, 0);
    settle_one(f->store, id, 0, OUTCOME_DEFERRED, DELIVERY_EXPIRED);
    expect_job(f, queued, JOB_EXPIRED);
}

static void an_epoch_is_new_for_the_first_who_sees_it(void **state)
{
    struct store_fixture *f = *state;
    struct store *other = store_fixture_store(f, 10000);
    bool changed;

    ok(store_see_epoch(f->store, 0, "one", &changed, &problem));
    assert_true(changed);
    ok(store_see_epoch(other, 0, "one", &changed, &problem));
    assert_false(changed);
    ok(store_see_epoch(other, 0, "two", &changed, &problem));
    assert_true(changed);
    ok(store_see_epoch(f->store, 0, "two", &changed, &problem));
    assert_false(changed);
    /* Each partition has its own. */
    ok(store_see_epoch(f->store, 1, "two", &changed, &problem));
    assert_true(changed);
    ok(store_see_epoch(other, 1, "two", &changed, &problem));
    assert_false(changed);
    ok(store_see_epoch(f->store, 0, "two", &changed, &problem));
    assert_false(changed);
    store_free(other);
}

/* --- a job is what its deliveries are --- */

static void sql_and_c_agree_on_the_status_of_a_job(void **state)
{
    struct store_fixture *f = *state;

    for (int n = 0; n < 243; n++) {
        struct delivery_counts counts = {.open = n % 3,
                                         .delivered = n / 3 % 3,
                                         .dead = n / 9 % 3,
                                         .expired = n / 27 % 3,
                                         .cancelled = n / 81};
        counts.total = counts.open + counts.delivered + counts.dead + counts.expired + counts.cancelled;
        if (!number_of(f, "SELECT (dist_job_status(%d, %d, %d, %d, %d, %d) = '%s')::integer", counts.total,
                       counts.open, counts.delivered, counts.dead, counts.expired, counts.cancelled,
                       job_status_names[job_status_from(&counts)]))
            fail_msg("case %d", n);
    }
}

struct racer {
    struct store *store;
    struct settlement *items;
    size_t count;
    struct fault fault;
    int status;
};

static void *settle_by_tens(void *arg)
{
    struct racer *racer = arg;

    for (size_t at = 0; at < racer->count && !racer->status; at += 10)
        racer->status = store_settle(racer->store, racer->items + at, 10, &racer->fault);
    return NULL;
}

/* Four workers have deliveries of the same jobs, each in an order of its own. */
static void racing_workers_settle_the_same_jobs(void **state)
{
    enum { JOBS = 50, RACERS = 4 };
    static const char *const targets[RACERS] = {"a", "b", "c", "d"};
    static const enum delivery_status ends[] = {DELIVERY_DELIVERED, DELIVERY_DEAD};
    struct store_fixture *f = *state;
    struct racer racers[RACERS] = {0};
    pthread_t threads[RACERS];
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];

    for (size_t r = 0; r < RACERS; r++) {
        racers[r].store = store_fixture_store(f, 20000);
        racers[r].items = xcalloc(JOBS, sizeof *racers[r].items);
        racers[r].count = JOBS;
    }
    for (size_t i = 0; i < JOBS; i++) {
        accept_job(f->store, make_job("a b c d"), job);
        route_it(f->store, job);
        for (size_t r = 0; r < RACERS; r++) {
            size_t place = r % 2 ? i : JOBS - 1 - i;
            delivery_id(f, job, targets[r], id);
            racers[r].items[place] = settlement_of(id, 1, OUTCOME_REJECTED, ends[(i + r) % 2]);
        }
    }
    for (size_t r = 0; r < RACERS; r++)
        assert_int_equal(pthread_create(&threads[r], NULL, settle_by_tens, &racers[r]), 0);
    for (size_t r = 0; r < RACERS; r++) {
        pthread_join(threads[r], NULL);
        if (racers[r].status)
            fail_msg("%s", racers[r].fault.text);
        for (size_t i = 0; i < JOBS; i++)
            settlement_release(&racers[r].items[i]);
        free(racers[r].items);
        store_free(racers[r].store);
    }
    check_counters(f);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status = 'partial'"), JOBS);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_attempts"), JOBS * RACERS);
}

/* A random row of the deliveries in one of the statuses; false where there is none. */
static bool pick(const struct store_fixture *f, const char *statuses, unsigned *seed, char id[UID_TEXT_SIZE],
                 int *attempts)
{
    struct pg_config config = pg_server_config(&f->server, 10000);
    struct pg *pg = pg_new(&config);
    char sql[200];
    bool found;

    snprintf(sql, sizeof sql,
             "SELECT id, attempts FROM distribution_deliveries WHERE status IN (%s) ORDER BY id", statuses);
    PGresult *result = pg_query(pg, sql, NULL, &problem);
    assert_non_null(result);
    found = PQntuples(result) > 0;
    if (found) {
        int row = (int)((unsigned)rand_r(seed) % (unsigned)PQntuples(result));
        text_copy(id, UID_TEXT_SIZE, pg_text(result, row, 0));
        *attempts = (int)pg_int(result, row, 1);
    }
    PQclear(result);
    pg_free(pg);
    return found;
}

static void random_settlements(const struct store_fixture *f, unsigned *seed)
{
    enum { MANY = 20 };
    static const struct {
        enum outcome_kind kind;
        enum delivery_status status;
    } ends[] = {{OUTCOME_DELIVERED, DELIVERY_DELIVERED},
                {OUTCOME_REJECTED, DELIVERY_DEAD},
                {OUTCOME_DEFERRED, DELIVERY_WAITING},
                {OUTCOME_DEFERRED, DELIVERY_EXPIRED}};
    struct settlement items[MANY];
    char id[UID_TEXT_SIZE];
    size_t count = 0;
    int attempts;

    while (count < MANY &&
           pick(f, rand_r(seed) % 5 ? "'queued'" : "'waiting', 'dead', 'expired', 'cancelled'", seed, id,
                &attempts)) {
        int end = rand_r(seed) % 4;
        items[count] = settlement_of(id, attempts + rand_r(seed) % 3, ends[end].kind, ends[end].status);
        count++;
    }
    ok(store_settle(f->store, items, count, &problem));
    for (size_t i = 0; i < count; i++)
        settlement_release(&items[i]);
}

static void random_step(const struct store_fixture *f, unsigned *seed)
{
    static const char *const targets[] = {"a", "a b", "a b c d e"};
    char id[UID_TEXT_SIZE];
    const char *ids[] = {id};
    struct due_list list = {0};
    size_t changed;
    int attempts;

    switch (rand_r(seed) % 8) {
    case 0:
    case 1: {
        struct job *job = make_job(targets[rand_r(seed) % 3]);
        if (rand_r(seed) % 2)
            job->callback_url = xstrdup("https://example.com/");
        accept_job(f->store, job, id);
        if (rand_r(seed) % 5)
            route_it(f->store, id);
        break;
    }
    case 2:
        pg_server_run(&f->server,
                      "UPDATE distribution_deliveries SET due_at = now() WHERE status = 'waiting'");
        ok(claim_due(f->store, 10, 60000, &list, &problem));
        due_list_release(&list);
        break;
    case 3:
        if (pick(f, "'dead'", seed, id, &attempts))
            ok(replay_now(f->store, ids, 1, &changed, &problem));
        break;
    case 4:
        if (pick(f, "'dead'", seed, id, &attempts))
            ok(store_drop(f->store, ids, 1, &changed, &problem));
        break;
    case 5:
        pg_server_run(&f->server, "UPDATE distribution_jobs SET expires_at = now() WHERE id = (SELECT id FROM"
                                  " distribution_jobs ORDER BY md5(id::text || clock_timestamp()) LIMIT 1)");
        ok(store_expire(f->store, 10, rand_r(seed) % 2 ? 60000 : 0, &changed, &list, &problem));
        due_list_release(&list);
        break;
    default:
        random_settlements(f, seed);
    }
}

static void counters_are_what_a_recount_says(void **state)
{
    struct store_fixture *f = *state;
    const char *given = getenv("TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)clock_wall_us();

    print_message("TEST_SEED=%u\n", seed);
    for (int step = 0; step < 250; step++) {
        random_step(f, &seed);
        if (step % 10 == 9)
            check_counters(f);
    }
    /* Each job that has ended calls back once, others never: no callback is lost, none comes early. */
    assert_int_equal(number_of(f,
                               "SELECT count(*) FROM distribution_jobs j WHERE callback_url IS NOT NULL AND"
                               " status NOT IN ('pending', 'routed') AND NOT EXISTS (SELECT 1 FROM"
                               " distribution_deliveries d WHERE d.job_id = j.id AND d.kind = 'callback')"),
                     0);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries d JOIN distribution_jobs j"
                                  " ON j.id = d.job_id WHERE d.kind = 'callback' AND j.callback_url IS NULL"),
                     0);
}

int main(void)
{
#define with_empty_store(test) cmocka_unit_test_setup(test, store_fixture_empty)
    const struct CMUnitTest tests[] = {
        with_empty_store(a_deferred_attempt_waits_is_claimed_and_delivered),
        with_empty_store(writing_a_settlement_again_changes_nothing),
        with_empty_store(a_worker_that_lost_its_claim_moves_nothing_but_a_success_counts),
        with_empty_store(a_death_without_an_attempt_leaves_no_attempt),
        with_empty_store(one_strange_settlement_does_not_fail_the_batch),
        with_empty_store(a_missing_partition_is_made),
        with_empty_store(partitions_are_made_while_attempts_are_read),
        with_empty_store(racing_makers_make_each_partition_once),
        with_empty_store(a_refused_text_fails_neither_the_batch_nor_its_delivery),
        with_empty_store(a_replayed_callback_does_not_expire_at_once),
        with_empty_store(a_callback_comes_once_with_the_response),
        with_empty_store(what_is_overdue_is_found_in_pages),
        with_empty_store(pending_jobs_are_found_when_they_are_due),
        with_empty_store(what_has_expired_ends),
        with_empty_store(an_epoch_is_new_for_the_first_who_sees_it),
        with_empty_store(sql_and_c_agree_on_the_status_of_a_job),
        with_empty_store(racing_workers_settle_the_same_jobs),
        with_empty_store(counters_are_what_a_recount_says),
    };
    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
