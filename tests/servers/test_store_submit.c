/*
 * The store against a PostgreSQL of its own: keys and their time, schedules, superseding, cancelling
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

#define HOUR_MS (INT64_C(3600) * 1000)

static struct submission keyed(const char *key, const char *distribution, const char *body)
{
    struct job *job = make_job("hook");

    job->idempotency_key = xstrdup_null(key);
    if (distribution) {
        free(job->distribution_id);
        job->distribution_id = xstrdup(distribution);
        job->own_id = true;
    }
    free(job->content_type);
    free(job->body);
    job->content_type = xstrdup("text/plain");
    job->body = xstrdup(body);
    job->body_size = strlen(body);
    return submission_of(job);
}

static void submit_wanting(struct store *store, struct submission item, enum submit_result wanted,
                           char id[UID_TEXT_SIZE])
{
    ok(store_submit(store, &item, 1, HOUR_MS, &problem));
    if (item.result != wanted)
        fail_msg("%d rather than %d: %s", item.result, wanted, item.fault.text);
    if (id)
        text_copy(id, UID_TEXT_SIZE, item.id);
    submission_release(&item);
}

/* --- keys --- */

static void a_key_is_free_after_its_time(void **state)
{
    struct store_fixture *f = *state;
    char first[UID_TEXT_SIZE], again[UID_TEXT_SIZE], second[UID_TEXT_SIZE];

    submit_wanting(f->store, keyed("k", NULL, "one"), SUBMIT_ACCEPTED, first);
    assert_int_equal(number_of(f, "SELECT extract(epoch FROM expires_at - taken_at)::integer"
                                  " FROM distribution_keys"),
                     24 * 3600);
    submit_wanting(f->store, keyed("k", NULL, "two"), SUBMIT_CONFLICT, NULL);
    pg_server_run(&f->server, "UPDATE distribution_keys SET expires_at = now()");
    submit_wanting(f->store, keyed("k", NULL, "two"), SUBMIT_ACCEPTED, second);
    assert_string_not_equal(first, second);
    submit_wanting(f->store, keyed("k", NULL, "two"), SUBMIT_SAME, again);
    assert_string_equal(again, second);
    submit_wanting(f->store, keyed("k", NULL, "one"), SUBMIT_CONFLICT, NULL);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE idempotency_key = 'k'"), 2);
}

static void a_key_has_the_time_that_its_submission_asks_for(void **state)
{
    struct store_fixture *f = *state;
    struct submission item = keyed("k", NULL, "one");

    item.key_ms = 90000;
    submit_wanting(f->store, item, SUBMIT_ACCEPTED, NULL);
    assert_int_equal(number_of(f, "SELECT extract(epoch FROM expires_at - taken_at)::integer"
                                  " FROM distribution_keys"),
                     90);
}

static void a_distribution_id_stays_taken(void **state)
{
    struct store_fixture *f = *state;
    char first[UID_TEXT_SIZE], again[UID_TEXT_SIZE];

    submit_wanting(f->store, keyed("k", "d-1", "one"), SUBMIT_ACCEPTED, first);
    pg_server_run(&f->server, "UPDATE distribution_keys SET expires_at = now()");
    submit_wanting(f->store, keyed("k", "d-1", "one"), SUBMIT_SAME, again);
    assert_string_equal(again, first);
    submit_wanting(f->store, keyed("k", "d-1", "two"), SUBMIT_CONFLICT, NULL);
    submit_wanting(f->store, keyed("k", "d-2", "two"), SUBMIT_ACCEPTED, NULL); /* the key was free */
}

static void a_key_alone_decides_where_it_shall(void **state)
{
    struct store_fixture *f = *state;
    struct submission late = keyed("k", NULL, "two");
    char first[UID_TEXT_SIZE], again[UID_TEXT_SIZE];

    submit_wanting(f->store, keyed("k", NULL, "one"), SUBMIT_ACCEPTED, first);
    late.key_alone = true;
    submit_wanting(f->store, late, SUBMIT_SAME, again);
    assert_string_equal(again, first);
}

static void a_key_without_its_job_is_free(void **state)
{
    struct store_fixture *f = *state;

    submit_wanting(f->store, keyed("k", NULL, "one"), SUBMIT_ACCEPTED, NULL);
    pg_server_run(&f->server, "DELETE FROM distribution_jobs");
    submit_wanting(f->store, keyed("k", NULL, "two"), SUBMIT_ACCEPTED, NULL);
    submit_wanting(f->store, keyed("k", NULL, "two"), SUBMIT_SAME, NULL);
}

static void keys_whose_time_is_over_are_forgotten(void **state)
{
    struct store_fixture *f = *state;

    for (int i = 0; i < 5; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        submit_wanting(f->store, keyed(key, NULL, "x"), SUBMIT_ACCEPTED, NULL);
    }
    pg_server_run(&f->server, "UPDATE distribution_keys SET expires_at = now() WHERE key <> 'k0'");
    ok(store_forget_keys(f->store, 3, &problem));
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_keys"), 2);
    ok(store_forget_keys(f->store, 3, &problem));
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_keys WHERE key = 'k0'"), 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), 5);
}

/* --- batches --- */

/* Several statements with many rows, some of which are in the way of others: each row has the answer that it
 * would have alone. */
static void rows_of_a_batch_do_not_answer_for_each_other(void **state)
{
    enum { COUNT = 350, LARGE = 2 * 1024 * 1024 };
    struct store_fixture *f = *state;
    struct submission *items = xcalloc(COUNT, sizeof *items);

    ok(store_tenant_add(f->store, "closed", NULL, &problem));
    ok(store_tenant_disable(f->store, "closed", true, &problem));
    submit_wanting(f->store, keyed(NULL, "there", "old"), SUBMIT_ACCEPTED, NULL);
    for (size_t i = 0; i < COUNT; i++) {
        char id[16], body[16];

        snprintf(id, sizeof id, "d-%zu", i % 7 == 2 ? i - 1 : i); /* two of one id are neighbours */
        snprintf(body, sizeof body, "body %zu", i);
        items[i] = keyed(NULL, i % 7 == 3 ? "there" : id, i % 7 == 4 ? "old" : body);
        if (i % 7 == 5) {
            free(items[i].job->tenant_id);
            items[i].job->tenant_id = xstrdup("closed");
        }
    }
    free(items[154].job->body); /* a statement of its own */
    items[154].job->body = xcalloc(1, LARGE);
    items[154].job->body_size = LARGE;
    ok(store_submit(f->store, items, COUNT, HOUR_MS, &problem));
    for (size_t i = 0; i < COUNT; i++) {
        static const enum submit_result wanted[7] = {
            [2] = SUBMIT_CONFLICT, [3] = SUBMIT_CONFLICT, [5] = SUBMIT_REFUSED};

        if (items[i].result != (wanted[i % 7] ? wanted[i % 7] : SUBMIT_ACCEPTED))
            fail_msg("row %zu: %d: %s", i, items[i].result, items[i].fault.text);
        if (items[i].result == SUBMIT_ACCEPTED && i != 154)
            assert_int_equal(number_of(f,
                                       "SELECT count(*) FROM distribution_jobs WHERE id = '%s'"
                                       " AND distribution_id = 'd-%zu' AND body = '%s'",
                                       items[i].id, i, items[i].job->body),
                             1);
    }
    assert_int_equal(number_of(f, "SELECT body_size FROM distribution_jobs WHERE id = '%s'", items[154].id),
                     LARGE);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), 1 + COUNT / 7 * 4);
    for (size_t i = 0; i < COUNT; i++)
        submission_release(&items[i]);
    free(items);
}

/* --- races --- */

enum { RACERS = 4, ROWS = 120 };

struct racer {
    struct store *store;
    struct submission *items;
    pthread_barrier_t *barrier;
    struct fault fault;
    int status;
};

static void *submit_racer(void *arg)
{
    struct racer *racer = arg;

    pthread_barrier_wait(racer->barrier);
    racer->status = store_submit(racer->store, racer->items, ROWS, HOUR_MS, &racer->fault);
    return NULL;
}

/* The items of every racer are made by `item`; they are the caller's to release. */
static void race(const struct store_fixture *f, struct racer racers[RACERS],
                 struct submission (*item)(size_t racer, size_t row))
{
    pthread_t threads[RACERS];
    pthread_barrier_t barrier;

    pthread_barrier_init(&barrier, NULL, RACERS);
    for (size_t r = 0; r < RACERS; r++) {
        racers[r] = (struct racer){.store = store_fixture_store(f, 20000), .barrier = &barrier};
        racers[r].items = xcalloc(ROWS, sizeof *racers[r].items);
        for (size_t i = 0; i < ROWS; i++)
            racers[r].items[i] = item(r, i);
        ok(store_open(racers[r].store, &problem));
    }
    for (size_t r = 0; r < RACERS; r++)
        assert_int_equal(pthread_create(&threads[r], NULL, submit_racer, &racers[r]), 0);
    for (size_t r = 0; r < RACERS; r++)
        pthread_join(threads[r], NULL);
    pthread_barrier_destroy(&barrier);
    for (size_t r = 0; r < RACERS; r++)
        if (racers[r].status)
            fail_msg("%s", racers[r].fault.text);
}

static void race_release(struct racer racers[RACERS])
{
    for (size_t r = 0; r < RACERS; r++) {
        for (size_t i = 0; i < ROWS; i++)
            submission_release(&racers[r].items[i]);
        free(racers[r].items);
        store_free(racers[r].store);
    }
}

static size_t count_results(const struct racer racers[RACERS], enum submit_result wanted)
{
    size_t count = 0;

    for (size_t r = 0; r < RACERS; r++)
        for (size_t i = 0; i < ROWS; i++)
            count += racers[r].items[i].result == wanted;
    return count;
}

/* Half of the racers go through the keys in the other order. */
static struct submission same_keys(size_t racer, size_t row)
{
    char key[16];

    snprintf(key, sizeof key, "%zu", racer % 2 ? row : ROWS - 1 - row);
    return keyed(key, NULL, "new");
}

static void racing_submitters_take_over_each_key_once(void **state)
{
    struct store_fixture *f = *state;
    struct racer racers[RACERS];

    for (int round = 0; round < 3; round++) {
        race(f, racers, same_keys);
        assert_int_equal(count_results(racers, SUBMIT_ACCEPTED), ROWS);
        assert_int_equal(count_results(racers, SUBMIT_SAME), ROWS * (RACERS - 1));
        race_release(racers);
        assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), ROWS * (round + 1));
        assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_keys k JOIN distribution_jobs j"
                                      " ON j.id = k.job_id AND j.idempotency_key = k.key"),
                         ROWS);
        pg_server_run(&f->server, "UPDATE distribution_keys SET expires_at = now()");
    }
}

static struct submission same_ids(size_t racer, size_t row)
{
    char key[32], id[16];

    snprintf(key, sizeof key, "%zu-%zu", row, racer);
    snprintf(id, sizeof id, "d-%zu", row);
    return keyed(key, id, "x");
}

/* Whoever comes second under an id has taken its key for nothing: that key is still free. */
static void racing_ids_leave_no_key_taken(void **state)
{
    struct store_fixture *f = *state;
    struct racer racers[RACERS];

    race(f, racers, same_ids);
    assert_int_equal(count_results(racers, SUBMIT_ACCEPTED), ROWS);
    assert_int_equal(count_results(racers, SUBMIT_SAME), ROWS * (RACERS - 1));
    for (size_t r = 0; r < RACERS; r++) {
        for (size_t i = 0; i < ROWS; i++) {
            bool was_first = racers[r].items[i].result == SUBMIT_ACCEPTED;
            submit_wanting(f->store, keyed(racers[r].items[i].job->idempotency_key, NULL, "y"),
                           was_first ? SUBMIT_CONFLICT : SUBMIT_ACCEPTED, NULL);
        }
    }
    race_release(racers);
}

/* --- schedules --- */

static void a_scheduled_job_waits_for_its_time(void **state)
{
    struct store_fixture *f = *state;
    struct job *job = make_job("hook"), *loaded;
    struct submission item;
    struct due_list due = {0};
    char id[UID_TEXT_SIZE];
    const char *ids[] = {id};
    bool routed;

    job->delay_ms = HOUR_MS;
    job->timeout_ms = 60000;
    item = submission_of(job);
    ok(store_submit(f->store, &item, 1, HOUR_MS, &problem));
    assert_int_equal(item.result, SUBMIT_ACCEPTED);
    assert_true(item.scheduled);
    text_copy(id, sizeof id, item.id);
    submission_release(&item);
    assert_int_equal(number_of(f,
                               "SELECT extract(epoch FROM scheduled_at - created_at)::integer"
                               " FROM distribution_jobs WHERE due_at = scheduled_at AND status = 'pending'"),
                     3600);
    assert_int_equal(number_of(f, "SELECT extract(epoch FROM expires_at - scheduled_at)::integer"
                                  " FROM distribution_jobs WHERE lifetime = interval '60 seconds'"),
                     60);
    /* Neither the pump nor a router that was told its id takes it. */
    ok(pending_due(f->store, 10, &due, &problem));
    assert_int_equal(due.count, 0);
    ok(store_load_jobs(f->store, ids, 1, &loaded, &routed, &problem));
    assert_null(loaded);
    assert_true(routed);

    pg_server_run(&f->server, "UPDATE distribution_jobs SET scheduled_at = now(), due_at = now()");
    ok(pending_due(f->store, 10, &due, &problem));
    assert_int_equal(due.count, 1);
    due_list_release(&due);
    route_it(f->store, id);
    check_counters(f);
}

static void a_schedule_that_has_passed_is_none(void **state)
{
    struct store_fixture *f = *state;
    struct job *job = make_job("hook");
    struct submission item;

    job->scheduled_at_us = clock_wall_us() - INT64_C(60000000);
    item = submission_of(job);
    ok(store_submit(f->store, &item, 1, HOUR_MS, &problem));
    assert_int_equal(item.result, SUBMIT_ACCEPTED);
    assert_false(item.scheduled);
    submission_release(&item);
    assert_int_equal(number_of(f, "SELECT extract(epoch FROM expires_at - created_at)::integer"
                                  " FROM distribution_jobs WHERE due_at = created_at"),
                     3600);
}

static void a_schedule_behind_the_expiry_is_refused(void **state)
{
    struct store_fixture *f = *state;
    struct job *job = make_job("hook");

    job->delay_ms = 2 * HOUR_MS;
    job->expires_at_us = clock_wall_us() + HOUR_MS * 1000;
    submit_wanting(f->store, submission_of(job), SUBMIT_REFUSED, NULL);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), 0);
}

/* --- superseding --- */

static struct submission superseding(const char *key, const char *destinations)
{
    struct job *job = make_job(destinations);

    job->supersede_key = xstrdup(key);
    return submission_of(job);
}

static void a_row_with_an_id_that_is_none_is_refused_alone(void **state)
{
    struct store_fixture *f = *state;
    struct submission items[] = {keyed("a", NULL, "1"), keyed("b", NULL, "2"), keyed("c", NULL, "3")};
    enum { COUNT = sizeof items / sizeof *items };

    text_copy(items[1].job->id, sizeof items[1].job->id, "not-a-uuid");
    ok(store_submit(f->store, items, COUNT, HOUR_MS, &problem));
    assert_int_equal(items[0].result, SUBMIT_ACCEPTED);
    assert_int_equal(items[1].result, SUBMIT_REFUSED);
    assert_int_equal(items[1].fault.class, FAULT_INPUT);
    assert_int_equal(items[2].result, SUBMIT_ACCEPTED);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), 2);
    for (size_t i = 0; i < COUNT; i++)
        submission_release(&items[i]);
}

static void a_newer_report_replaces_what_is_open_of_older_ones(void **state)
{
    struct store_fixture *f = *state;
    char pending[UID_TEXT_SIZE], routed[UID_TEXT_SIZE], other[UID_TEXT_SIZE], newest[UID_TEXT_SIZE];
    char done[UID_TEXT_SIZE], flying[UID_TEXT_SIZE], waiting[UID_TEXT_SIZE], why[UID_TEXT_SIZE + 20];
    struct submission item = superseding("stock", "a");

    item.job->callback_url = xstrdup("https://example.com/");
    submit_wanting(f->store, superseding("stock", "done flying waiting dead"), SUBMIT_ACCEPTED, routed);
    route_it(f->store, routed);
    delivery_id(f, routed, "done", done);
    delivery_id(f, routed, "flying", flying);
    delivery_id(f, routed, "waiting", waiting);
    settle_one(f->store, done, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    settle_one(f->store, waiting, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    delivery_id(f, routed, "dead", other);
    settle_one(f->store, other, 1, OUTCOME_REJECTED, DELIVERY_DEAD);
    submit_wanting(f->store, superseding("other key", "a"), SUBMIT_ACCEPTED, other);
    submit_wanting(f->store, item, SUBMIT_ACCEPTED, pending); /* supersedes what is left of `routed` */
    snprintf(why, sizeof why, "superseded by %s", pending);
    assert_int_equal(number_of(f,
                               "SELECT count(*) FROM distribution_deliveries WHERE status = 'cancelled'"
                               " AND last_error = '%s' AND target IN ('flying', 'waiting')",
                               why),
                     2);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE status IN ('delivered', 'dead')"),
        2);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM distribution_jobs WHERE id = '%s' AND status = 'partial'", routed),
        1);
    submit_wanting(f->store, superseding("stock", "a"), SUBMIT_ACCEPTED, newest);
    assert_int_equal(
        number_of(f,
                  "SELECT count(*) FROM distribution_jobs WHERE id = '%s' AND status = 'cancelled'"
                  " AND completed_at IS NOT NULL AND error_message = 'superseded by %s'",
                  pending, newest),
        1);
    assert_int_equal(number_of(f,
                               "SELECT count(*) FROM distribution_deliveries WHERE job_id = '%s'"
                               " AND kind = 'callback' AND status = 'waiting'",
                               pending),
                     1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status = 'pending'"), 2);
    check_counters(f);
    /* What was in flight ends by its outcome: a failure leaves it cancelled, a success counts. */
    settle_one(f->store, waiting, 2, OUTCOME_DEFERRED, DELIVERY_WAITING);
    settle_one(f->store, flying, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE id = '%s' AND status = 'cancelled'",
                  waiting),
        1);
    assert_int_equal(
        number_of(f, "SELECT delivered_deliveries FROM distribution_jobs WHERE id = '%s'", routed), 2);
    check_counters(f);
}

static void of_a_batch_the_last_one_stays_and_a_refused_one_replaces_nothing(void **state)
{
    struct store_fixture *f = *state;
    struct submission items[] = {superseding("k", "a"), superseding("k", "a"), superseding("l", "a"),
                                 superseding("k", "a")};
    enum { COUNT = sizeof items / sizeof *items };

    free(items[3].job->data_type);
    items[3].job->data_type = xstrdup("a type that is longer than the fifty characters of its column");
    ok(store_submit(f->store, items, COUNT, HOUR_MS, &problem));
    assert_int_equal(items[3].result, SUBMIT_REFUSED);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM distribution_jobs WHERE id = '%s' AND status = 'cancelled'",
                  items[0].id),
        1);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM distribution_jobs WHERE id IN ('%s', '%s') AND status = 'pending'",
                  items[1].id, items[2].id),
        2);
    for (size_t i = 0; i < COUNT; i++)
        submission_release(&items[i]);
}

static void another_tenants_key_is_another_key(void **state)
{
    struct store_fixture *f = *state;
    struct submission theirs = superseding("k", "a");

    ok(store_tenant_add(f->store, "other", NULL, &problem));
    free(theirs.job->tenant_id);
    theirs.job->tenant_id = xstrdup("other");
    submit_wanting(f->store, superseding("k", "a"), SUBMIT_ACCEPTED, NULL);
    submit_wanting(f->store, theirs, SUBMIT_ACCEPTED, NULL);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status = 'pending'"), 2);
}

/* A report that lay in a spool is as old as its spooling. */
static void a_late_report_does_not_replace_a_newer_one(void **state)
{
    struct store_fixture *f = *state;
    struct submission late = superseding("k", "a"), later = superseding("k", "a");
    char newer[UID_TEXT_SIZE], id[UID_TEXT_SIZE];

    submit_wanting(f->store, superseding("k", "a"), SUBMIT_ACCEPTED, newer);
    late.spooled_at_us = clock_wall_us() - INT64_C(60000000);
    submit_wanting(f->store, late, SUBMIT_ACCEPTED, id);
    assert_int_equal(
        number_of(f,
                  "SELECT count(*) FROM distribution_jobs WHERE id = '%s' AND status = 'cancelled'"
                  " AND error_message = 'superseded by %s' AND created_at < now() - interval '50 s'",
                  id, newer),
        1);
    pg_server_run(&f->server, "UPDATE distribution_jobs SET created_at = created_at - interval '1 hour'");
    later.spooled_at_us = clock_wall_us() - INT64_C(60000000);
    submit_wanting(f->store, later, SUBMIT_ACCEPTED, id);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM distribution_jobs WHERE id = '%s' AND status = 'pending'", id), 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status = 'pending'"), 1);
}

static struct submission few_supersede_keys(size_t racer, size_t row)
{
    char key[16];

    snprintf(key, sizeof key, "%zu", (racer % 2 ? row : ROWS - 1 - row) % 3);
    return superseding(key, "a");
}

static void racing_reports_leave_one_of_each_key(void **state)
{
    struct store_fixture *f = *state;
    struct racer racers[RACERS];

    race(f, racers, few_supersede_keys);
    assert_int_equal(count_results(racers, SUBMIT_ACCEPTED), ROWS * RACERS);
    race_release(racers);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status = 'pending'"), 3);
    assert_int_equal(
        number_of(f, "SELECT count(DISTINCT supersede_key) FROM distribution_jobs WHERE status = 'pending'"),
        3);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status = 'cancelled'"),
                     ROWS * RACERS - 3);
}

struct router {
    struct store *store;
    pthread_barrier_t *barrier;
    char (*ids)[UID_TEXT_SIZE];
    struct fault fault;
    int status;
};

static void *route_all(void *arg)
{
    struct router *router = arg;

    pthread_barrier_wait(router->barrier);
    for (size_t i = 0; i < ROWS && !router->status; i++) {
        const char *id = router->ids[i];
        struct routing routing = {0};
        struct job *job = NULL;
        bool routed;

        router->status = store_load_jobs(router->store, &id, 1, &job, &routed, &router->fault);
        if (router->status || !job)
            continue;
        routing.job = job;
        delivery_list_add(&routing.deliveries, delivery_new(job, "a"));
        routing.deliveries.items[0]->status = DELIVERY_QUEUED;
        router->status = store_save_routings(router->store, &routing, 1, 60000, &router->fault);
        delivery_list_release(&routing.deliveries);
        job_unref(job);
    }
    return NULL;
}

/* Whether they were routed before, after or in the same moment: of the older ones nothing stays open. */
static void what_is_routed_meanwhile_is_replaced_too(void **state)
{
    struct store_fixture *f = *state;
    char ids[ROWS][UID_TEXT_SIZE];
    struct submission item;
    pthread_barrier_t barrier;
    pthread_t thread;

    for (int round = 0; round < 5; round++) {
        struct router router = {.store = store_fixture_store(f, 20000), .barrier = &barrier, .ids = ids};

        pthread_barrier_init(&barrier, NULL, 2);
        for (size_t i = 0; i < ROWS; i++) {
            accept_job(f->store, make_job("a"), ids[i]);
        }
        pg_server_run(&f->server,
                      "UPDATE distribution_jobs SET supersede_key = 'k' WHERE status = 'pending'");
        item = superseding("k", "a");
        assert_int_equal(pthread_create(&thread, NULL, route_all, &router), 0);
        pthread_barrier_wait(&barrier);
        while (!number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status = 'routed'"))
            ;
        ok(store_submit(f->store, &item, 1, HOUR_MS, &problem));
        pthread_join(thread, NULL);
        if (router.status)
            fail_msg("%s", router.fault.text);
        assert_int_equal(item.result, SUBMIT_ACCEPTED);
        assert_int_equal(
            number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status IN ('pending', 'routed')"), 1);
        assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE status = 'queued'"),
                         0);
        check_counters(f);
        submission_release(&item);
        store_free(router.store);
        pthread_barrier_destroy(&barrier);
        pg_server_run(&f->server, "DELETE FROM distribution_jobs");
    }
}

/* --- cancelling --- */

static void what_is_open_is_cancelled_and_each_is_told(void **state)
{
    struct store_fixture *f = *state;
    char pending[UID_TEXT_SIZE], routed[UID_TEXT_SIZE], ended[UID_TEXT_SIZE], a[UID_TEXT_SIZE],
        again[UID_TEXT_SIZE];
    struct job *job = make_job("a");
    struct cancellation items[6] = {{0}};

    job->callback_url = xstrdup("https://example.com/");
    accept_job(f->store, job, pending);
    accept_job(f->store, make_job("a b c"), routed);
    route_it(f->store, routed);
    delivery_id(f, routed, "a", a);
    settle_one(f->store, a, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    accept_job(f->store, make_job("a"), ended);
    route_it(f->store, ended);
    delivery_id(f, ended, "a", a);
    settle_one(f->store, a, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    submit_wanting(f->store, keyed(NULL, "by-its-name", "x"), SUBMIT_ACCEPTED, again);
    items[0].distribution_id = pending;
    items[1].distribution_id = routed;
    items[2].distribution_id = ended;
    items[3].distribution_id = "no such \xff one";
    items[4].distribution_id = "by-its-name";
    items[5].distribution_id = again; /* the same, by its row's id */
    ok(store_cancel(f->store, items, 6, "cancelled by hand", &problem));
    assert_true(items[0].found && items[0].whole && items[0].before == JOB_PENDING);
    assert_true(items[1].found && !items[1].whole && items[1].before == JOB_ROUTED);
    assert_int_equal(items[1].cancelled, 2);
    assert_true(items[2].found && !items[2].whole && items[2].before == JOB_COMPLETED);
    assert_int_equal(items[2].cancelled, 0);
    assert_false(items[3].found);
    assert_true(items[4].whole && items[5].whole);
    assert_string_equal(items[4].id, again);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status = 'partial'"), 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE status = 'cancelled'"), 2);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE kind = 'callback'"), 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries"
                                  " WHERE status = 'cancelled' AND last_error = 'cancelled by hand'"),
                     2);
    check_counters(f);
    ok(store_cancel(f->store, items, 2, "again", &problem));
    assert_true(items[0].before == JOB_CANCELLED && !items[0].whole && !items[0].cancelled);
    assert_true(items[1].before == JOB_PARTIAL && !items[1].cancelled);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE kind = 'callback'"), 1);
}

int main(void)
{
#define with_empty_store(test) cmocka_unit_test_setup(test, store_fixture_empty)
    const struct CMUnitTest tests[] = {
        with_empty_store(a_key_is_free_after_its_time),
        with_empty_store(a_key_has_the_time_that_its_submission_asks_for),
        with_empty_store(a_distribution_id_stays_taken),
        with_empty_store(a_key_alone_decides_where_it_shall),
        with_empty_store(a_key_without_its_job_is_free),
        with_empty_store(keys_whose_time_is_over_are_forgotten),
        with_empty_store(rows_of_a_batch_do_not_answer_for_each_other),
        with_empty_store(racing_submitters_take_over_each_key_once),
        with_empty_store(racing_ids_leave_no_key_taken),
        with_empty_store(a_scheduled_job_waits_for_its_time),
        with_empty_store(a_schedule_that_has_passed_is_none),
        with_empty_store(a_schedule_behind_the_expiry_is_refused),
        with_empty_store(a_row_with_an_id_that_is_none_is_refused_alone),
        with_empty_store(a_newer_report_replaces_what_is_open_of_older_ones),
        with_empty_store(of_a_batch_the_last_one_stays_and_a_refused_one_replaces_nothing),
        with_empty_store(another_tenants_key_is_another_key),
        with_empty_store(a_late_report_does_not_replace_a_newer_one),
        with_empty_store(racing_reports_leave_one_of_each_key),
        with_empty_store(what_is_routed_meanwhile_is_replaced_too),
        with_empty_store(what_is_open_is_cancelled_and_each_is_told),
    };
    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
