/*
 * The store against a PostgreSQL of its own: submission, routing, delivery, the due queue
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
#include "digest.h"
#include "store_fixture.h"
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

/* --- submit --- */

static void set_body(struct job *job, const char *content_type, const void *body, size_t size)
{
    free(job->content_type);
    free(job->body);
    job->content_type = xstrdup(content_type);
    job->body = xmemdupz(body, size);
    job->body_size = size;
}

static void an_accepted_job_comes_back_as_it_was(void **state)
{
    struct store_fixture *f = *state;
    struct job *job = make_job("hook second"), *back = NULL;
    bool routed = true;

    job->priority = PRIORITY_HIGH;
    job->callback_url = xstrdup("https://example.com/back");
    job->callback_headers = json_pack("{s:s}", "X-Key", "k\"\\");
    job->idempotency_key = xstrdup("key with \"quotes\" \\ and {braces}");
    job->retry_policy = xstrdup("none");
    job->requested_at_us = INT64_C(1705312800123456);
    job->expires_at_us = clock_wall_us() + INT64_C(5000000);
    json_object_set_new(job->metadata, "π", json_string("naïve"));
    struct submission item = submission_of(job_ref(job));
    const char *id = item.job->id;
    ok(store_submit(f->store, &item, 1, 3600 * 1000, &problem));
    assert_int_equal(item.result, SUBMIT_ACCEPTED);
    assert_string_equal(item.id, job->id);
    assert_string_equal(item.distribution_id, job->id);

    ok(store_load_jobs(f->store, &id, 1, &back, &routed, &problem));
    assert_non_null(back);
    assert_false(routed);
    assert_string_equal(back->tenant_id, "acme");
    assert_string_equal(back->callback_url, job->callback_url);
    assert_string_equal(back->idempotency_key, job->idempotency_key);
    assert_string_equal(back->retry_policy, "none");
    assert_int_equal(back->priority, PRIORITY_HIGH);
    assert_int_equal(back->requested_at_us, job->requested_at_us);
    assert_in_range(back->expires_at_us - job->expires_at_us, 0, 5000000); /* by our clock */
    assert_int_equal(back->body_size, job->body_size);
    assert_null(back->body);
    assert_true(json_equal(back->metadata, job->metadata));
    assert_true(json_equal(back->destinations, job->destinations));
    assert_true(json_equal(back->callback_headers, job->callback_headers));
    job_unref(back);
    job_unref(job);
    submission_release(&item);
}

/* The functions that times go through, there and back. */
static void times_are_exact_to_the_microsecond(void **state)
{
    struct store_fixture *f = *state;

    assert_int_equal(
        number_of(f, "SELECT count(*) FROM generate_series(0, 4294967000000000, 39916801000) AS us,"
                     " generate_series(0, 1) AS one WHERE dist_us(dist_time(us + one)) <> us + one"),
        0);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM (VALUES (1700000000123456, '2023-11-14 22:13:20.123456+00'),"
                     " (1, '1970-01-01 00:00:00.000001+00'), (4294967295999999,"
                     " '2106-02-07 06:28:15.999999+00')) AS v (us, t)"
                     " WHERE dist_time(us) = t::timestamptz AND dist_us(t::timestamptz) = us"),
        3);
    assert_int_equal(number_of(f, "SELECT count(*) WHERE dist_time(NULL) IS NULL AND dist_us(NULL) IS NULL"),
                     1);
}

static void jobs_without_an_expiry_get_one_by_the_servers_clock(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE];

    accept_job(f->store, make_job("hook"), id);
    assert_int_equal(number_of(f,
                               "SELECT extract(epoch FROM expires_at - created_at)::integer"
                               " FROM distribution_jobs WHERE id = '%s'",
                               id),
                     3600);
    struct job *job = make_job("hook");
    job->timeout_ms = 60000;
    accept_job(f->store, job, id);
    assert_int_equal(number_of(f,
                               "SELECT extract(epoch FROM expires_at - created_at)::integer"
                               " FROM distribution_jobs WHERE id = '%s'",
                               id),
                     60);
}

static void any_bytes_are_a_body(void **state)
{
    struct store_fixture *f = *state;
    char bytes[256], id[UID_TEXT_SIZE];
    const struct {
        const char *content_type, *body;
        size_t size;
        bool described;
    } bodies[] = {
        {"application/octet-stream", bytes, sizeof bytes, true},
        {"text/plain", "", 0, true},
        {"application/json", "{\"n\": 1.10, \"t\": \"x\"}", 21, false},
        {"application/vnd.x+json", "[]", 2, false},
        {"application/json", "1e999999", 8, true}, /* more than numeric holds */
        {"application/json", "\xff\xfe", 2, true}, /* whoever let that through */
    };

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct job *job = make_job("hook");
        struct delivery *delivery;
        char target[UID_TEXT_SIZE], hex[DIGEST_TEXT_SIZE];
        const char *ids[] = {target};

        set_body(job, bodies[i].content_type, bodies[i].body, bodies[i].size);
        accept_job(f->store, job, id);
        digest_sha256(bodies[i].body, bodies[i].size, hex);
        assert_int_equal(
            number_of(f,
                      "SELECT (payload = jsonb_build_object('content_type', content_type, 'size',"
                      " %zu, 'sha256', '%s'))::integer FROM distribution_jobs WHERE id = '%s'",
                      bodies[i].size, hex, id),
            bodies[i].described);
        route_it(f->store, id);
        delivery_id(f, id, "hook", target);
        ok(store_load_deliveries(f->store, ids, 1, 1000, &delivery, &problem));
        assert_int_equal(delivery->job->body_size, bodies[i].size);
        assert_memory_equal(delivery->job->body, bodies[i].body, bodies[i].size);
        assert_string_equal(delivery->job->content_type, bodies[i].content_type);
        delivery_free(delivery);
    }
}

static void a_large_json_body_is_described(void **state)
{
    struct store_fixture *f = *state;
    size_t size = 300 * 1024;
    char *text = xmalloc(size), id[UID_TEXT_SIZE];
    struct job *job = make_job("hook");

    memset(text, ' ', size);
    text[0] = '1';
    set_body(job, "application/json", text, size);
    accept_job(f->store, job, id);
    assert_int_equal(number_of(f, "SELECT (payload->>'size')::integer FROM distribution_jobs"),
                     (int64_t)size);
    free(text);
}

static struct submission keyed(const char *key, const char *distribution, const char *body)
{
    struct job *job = make_job("hook");

    job->idempotency_key = xstrdup_null(key);
    if (distribution) {
        free(job->distribution_id);
        job->distribution_id = xstrdup(distribution);
        job->own_id = true;
    }
    set_body(job, "text/plain", body, strlen(body));
    return submission_of(job);
}

static void the_same_submission_is_stored_once(void **state)
{
    struct store_fixture *f = *state;
    struct submission items[] = {
        keyed("k", NULL, "one"),   keyed("k", NULL, "one"),   keyed("k", NULL, "two"),
        keyed(NULL, "d-1", "one"), keyed(NULL, "d-1", "one"), keyed(NULL, "d-1", "two"),
        keyed("k", "d-1", "one"),  keyed("l", "d-1", "one"),
    };
    enum { COUNT = sizeof items / sizeof *items };
    const enum submit_result wanted[COUNT] = {SUBMIT_ACCEPTED, SUBMIT_SAME, SUBMIT_CONFLICT,
                                              SUBMIT_ACCEPTED, SUBMIT_SAME, SUBMIT_CONFLICT,
                                              SUBMIT_SAME,     SUBMIT_SAME};

    ok(store_submit(f->store, items, COUNT, 1000, &problem));
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(items[i].result, wanted[i]);
    assert_string_equal(items[1].id, items[0].id);
    assert_string_equal(items[4].distribution_id, "d-1");
    assert_string_equal(items[4].id, items[3].id);
    assert_string_equal(items[6].id, items[0].id); /* the key counts before the id */
    assert_string_equal(items[7].id, items[3].id);
    assert_int_equal(items[2].fault.class, FAULT_INPUT);
    assert_non_null(strstr(items[2].fault.text, "'k'"));
    assert_non_null(strstr(items[5].fault.text, "'d-1'"));
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), 2);

    /* Called again, as after a lost connection: what was accepted is accepted. */
    ok(store_submit(f->store, items, COUNT, 1000, &problem));
    assert_int_equal(items[0].result, SUBMIT_ACCEPTED);
    assert_int_equal(items[1].result, SUBMIT_SAME);
    assert_int_equal(items[3].result, SUBMIT_ACCEPTED);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), 2);
    for (size_t i = 0; i < COUNT; i++)
        submission_release(&items[i]);
}

static void another_tenants_ids_are_taken_and_its_keys_are_not(void **state)
{
    struct store_fixture *f = *state;
    struct submission mine = keyed("k", "d-1", "one"), theirs = keyed("k", "d-1", "one"),
                      keys = keyed("k", NULL, "x");

    ok(store_tenant_add(f->store, "other", NULL, &problem));
    ok(store_submit(f->store, &mine, 1, 1000, &problem));
    free(theirs.job->tenant_id);
    theirs.job->tenant_id = xstrdup("other");
    memcpy(theirs.request_hash, mine.request_hash, sizeof theirs.request_hash);
    ok(store_submit(f->store, &theirs, 1, 1000, &problem));
    assert_int_equal(theirs.result, SUBMIT_CONFLICT);
    assert_string_equal(theirs.id, "");
    free(keys.job->tenant_id);
    keys.job->tenant_id = xstrdup("other");
    ok(store_submit(f->store, &keys, 1, 1000, &problem));
    assert_int_equal(keys.result, SUBMIT_ACCEPTED);
    submission_release(&mine);
    submission_release(&theirs);
    submission_release(&keys);
}

static void a_refused_row_does_not_take_the_others_along(void **state)
{
    enum { COUNT = 500 };
    struct store_fixture *f = *state;
    struct submission items[COUNT];

    ok(store_tenant_add(f->store, "gone", NULL, &problem));
    ok(store_tenant_disable(f->store, "gone", true, &problem));
    for (size_t i = 0; i < COUNT; i++) {
        struct job *job = make_job("hook");
        if (i == 17) {
            free(job->data_type);
            job->data_type = xstrdup("a type that is longer than the fifty characters of its column");
        } else if (i == 100 || i == 101) {
            free(job->tenant_id);
            job->tenant_id = xstrdup(i == 100 ? "gone" : "acmi");
        } else if (i == 300) {
            set_body(job, "application/json", "1e999999", 8);
        }
        items[i] = submission_of(job);
    }
    ok(store_submit(f->store, items, COUNT, 1000, &problem));
    for (size_t i = 0; i < COUNT; i++) {
        bool bad = i == 17 || i == 100 || i == 101;
        assert_int_equal(items[i].result, bad ? SUBMIT_REFUSED : SUBMIT_ACCEPTED);
        if (bad)
            assert_int_equal(items[i].fault.class, FAULT_INPUT);
    }
    assert_non_null(strstr(items[17].fault.text, "too long"));
    assert_non_null(strstr(items[100].fault.text, "disabled"));
    assert_non_null(strstr(items[101].fault.text, "did you mean 'acme'?"));
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), COUNT - 3);
    for (size_t i = 0; i < COUNT; i++)
        submission_release(&items[i]);
}

/* --- races --- */

struct racer {
    struct store *store;
    struct submission *items;
    size_t count, sum;
    struct routing *routings;
    pthread_barrier_t *barrier;
    struct fault fault;
    int status;
};

static void race(void *(*run)(void *), struct racer *racers, size_t count)
{
    pthread_t threads[4];
    pthread_barrier_t barrier;

    pthread_barrier_init(&barrier, NULL, (unsigned)count);
    for (size_t i = 0; i < count; i++) {
        racers[i].barrier = &barrier;
        assert_int_equal(pthread_create(&threads[i], NULL, run, &racers[i]), 0);
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
    for (size_t i = 0; i < count; i++)
        if (racers[i].status)
            fail_msg("%s", racers[i].fault.text);
}

static void *submit_racer(void *arg)
{
    struct racer *racer = arg;

    pthread_barrier_wait(racer->barrier);
    racer->status = store_submit(racer->store, racer->items, racer->count, 1000, &racer->fault);
    return NULL;
}

static void racing_submitters_accept_each_key_once(void **state)
{
    enum { COUNT = 200, RACERS = 4 };
    struct store_fixture *f = *state;
    struct racer racers[RACERS] = {0};
    int accepted[COUNT] = {0};

    for (size_t r = 0; r < RACERS; r++) {
        racers[r].store = store_fixture_store(f, 20000);
        racers[r].items = xcalloc(COUNT, sizeof *racers[r].items);
        racers[r].count = COUNT;
        for (size_t i = 0; i < COUNT; i++) {
            char key[16];
            /* Half of them in the other order, so that they lock each other out. */
            snprintf(key, sizeof key, "%zu", r % 2 ? i : COUNT - 1 - i);
            racers[r].items[i] = keyed(key, NULL, "x");
        }
    }
    race(submit_racer, racers, RACERS);
    for (size_t r = 0; r < RACERS; r++) {
        for (size_t i = 0; i < COUNT; i++) {
            struct submission *item = &racers[r].items[i];
            assert_true(item->result == SUBMIT_ACCEPTED || item->result == SUBMIT_SAME);
            accepted[r % 2 ? i : COUNT - 1 - i] += item->result == SUBMIT_ACCEPTED;
            submission_release(item);
        }
        free(racers[r].items);
        store_free(racers[r].store);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(accepted[i], 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), COUNT);
}

static void *routing_racer(void *arg)
{
    struct racer *racer = arg;

    pthread_barrier_wait(racer->barrier);
    racer->status = store_save_routings(racer->store, racer->routings, racer->count, 1000, &racer->fault);
    return NULL;
}

static void racing_routers_write_each_job_once(void **state)
{
    enum { COUNT = 60, RACERS = 4 };
    struct store_fixture *f = *state;
    struct racer racers[RACERS] = {0};
    struct job *jobs[COUNT];
    int saved[COUNT] = {0};
    char id[UID_TEXT_SIZE];

    for (size_t i = 0; i < COUNT; i++) {
        jobs[i] = make_job("a b c");
        accept_job(f->store, job_ref(jobs[i]), id);
    }
    for (size_t r = 0; r < RACERS; r++) {
        racers[r].store = store_fixture_store(f, 20000);
        racers[r].routings = xcalloc(COUNT, sizeof *racers[r].routings);
        racers[r].count = COUNT;
        for (size_t i = 0; i < COUNT; i++) {
            struct routing *routing = &racers[r].routings[i];
            routing->job = jobs[r % 2 ? i : COUNT - 1 - i];
            for (size_t k = 0; k < 3; k++) {
                struct delivery *delivery =
                    delivery_new((struct job *)routing->job, (const char *[]){"a", "b", "c"}[k]);
                delivery->status = DELIVERY_QUEUED;
                delivery_list_add(&routing->deliveries, delivery);
            }
        }
    }
    race(routing_racer, racers, RACERS);
    for (size_t r = 0; r < RACERS; r++) {
        for (size_t i = 0; i < COUNT; i++) {
            saved[r % 2 ? i : COUNT - 1 - i] += racers[r].routings[i].saved;
            delivery_list_release(&racers[r].routings[i].deliveries);
        }
        free(racers[r].routings);
        store_free(racers[r].store);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(saved[i], 1);
        job_unref(jobs[i]);
    }
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries"), 3 * COUNT);
    check_counters(f);
}

static void *claim_racer(void *arg)
{
    struct racer *racer = arg;
    struct due_list list = {0};

    pthread_barrier_wait(racer->barrier);
    for (;;) {
        size_t before = list.count;
        racer->status = claim_due(racer->store, 2, 60000, &list, &racer->fault);
        if (racer->status || list.count == before)
            break;
    }
    racer->sum = list.count;
    due_list_release(&list);
    return NULL;
}

static void racing_pumps_claim_each_delivery_once(void **state)
{
    enum { RACERS = 4 };
    struct store_fixture *f = *state;
    struct racer racers[RACERS] = {0};
    char id[UID_TEXT_SIZE];
    size_t sum = 0;

    for (size_t i = 0; i < 100; i++) {
        accept_job(f->store, make_job("a b c"), id);
        route_it(f->store, id);
    }
    pg_server_run(&f->server, "UPDATE distribution_deliveries SET status = 'waiting', due_at = now()");
    for (size_t r = 0; r < RACERS; r++)
        racers[r].store = store_fixture_store(f, 20000);
    race(claim_racer, racers, RACERS);
    for (size_t r = 0; r < RACERS; r++) {
        sum += racers[r].sum;
        store_free(racers[r].store);
    }
    /* Rows that another one holds are skipped, so a racer may leave early: none is lost, none is claimed
     * twice. */
    assert_int_equal(sum, 300);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE status = 'queued'"),
                     300);
}

/* --- route --- */

static void a_routed_job_is_routed_once(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE], other[UID_TEXT_SIZE];
    struct due_list list = {0};
    struct job *jobs[4];
    bool routed[4];

    accept_job(f->store, make_job("a b"), id);
    uid_new(other);
    route_it(f->store, id);
    const char *ids[] = {id, other, "not-a-uuid", id};
    ok(store_load_jobs(f->store, ids, 4, jobs, routed, &problem));
    assert_null(jobs[0]);
    assert_true(routed[0]);
    assert_false(routed[1]);
    assert_false(routed[2]);
    assert_true(routed[3]);
    ok(store_queued_of_job(f->store, id, &list, &problem));
    assert_int_equal(list.count, 2);
    ok(store_queued_of_job(f->store, "not-a-uuid", &list, &problem));
    assert_int_equal(list.count, 2);
    due_list_release(&list);
    check_counters(f);
}

static void a_job_whose_targets_are_all_dead_has_failed_at_once(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE];
    struct job *job = make_job("nowhere");
    struct delivery *delivery = delivery_new(job, "nowhere");
    struct routing routing = {.job = job};
    enum job_status status;

    delivery->status = DELIVERY_DEAD;
    delivery->dead_reason = DEAD_UNROUTABLE;
    delivery->last_error = xstrdup("no such thing \xff");
    delivery_list_add(&routing.deliveries, delivery);
    accept_job(f->store, job_ref(job), id);
    ok(store_save_routings(f->store, &routing, 1, 1000, &problem));
    assert_true(routing.saved);
    ok(store_save_routings(f->store, &routing, 1, 1000, &problem));
    assert_false(routing.saved);
    ok(store_job_status(f->store, id, &status, &problem));
    assert_int_equal(status, JOB_FAILED);
    check_counters(f);
    delivery_list_release(&routing.deliveries);
    job_unref(job);
}

static void a_target_that_is_named_twice_has_one_delivery(void **state)
{
    struct store_fixture *f = *state;
    struct job *jobs[2] = {make_job("hook"), make_job("hook")};
    struct routing routings[2] = {{.job = jobs[0]}, {.job = jobs[1]}};
    char id[UID_TEXT_SIZE];

    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k <= i; k++)
            delivery_list_add(&routings[i].deliveries, delivery_new(jobs[i], "hook"));
        accept_job(f->store, job_ref(jobs[i]), id);
    }
    ok(store_save_routings(f->store, routings, 2, 1000, &problem));
    assert_true(routings[0].saved && routings[1].saved);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries"), 2);
    check_counters(f);
    for (size_t i = 0; i < 2; i++) {
        delivery_list_release(&routings[i].deliveries);
        job_unref(jobs[i]);
    }
}

static void a_job_that_cannot_be_routed_fails_with_its_reason(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE], x[UID_TEXT_SIZE];
    struct job *job = make_job("x y");
    struct job_view view;
    struct delivery *delivery;
    const char *ids[] = {x};
    size_t replayed;

    job->callback_url = xstrdup("https://example.com/");
    json_object_set_new(json_array_get(job->destinations, 1), "protocol", json_string("REST"));
    accept_job(f->store, job, id);
    ok(store_fail_job(f->store, id, "three routers crashed on it \xff", &problem));
    ok(store_fail_job(f->store, id, "again", &problem));
    ok(store_view(f->store, id, true, &view, &problem));
    assert_int_equal(view.status, JOB_FAILED);
    assert_string_equal(view.error, "three routers crashed on it ?");
    assert_true(view.completed_at_us > 0);
    job_view_release(&view);
    check_counters(f);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE kind = 'callback'"), 1);
    assert_int_equal(number_of(f, "SELECT dead_deliveries FROM distribution_jobs"), 2);

    /* Its destinations are dead letters that a replay opens: to be routed, with the form that was brought. */
    delivery_id(f, id, "y", x);
    ok(store_dead_load(f->store, x, &delivery, &problem));
    assert_string_equal(json_string_value(json_object_get(delivery->inline_form, "protocol")), "REST");
    delivery_free(delivery);
    delivery_id(f, id, "x", x);
    ok(store_dead_load(f->store, x, &delivery, &problem));
    assert_int_equal(delivery->dead_reason, DEAD_POISON);
    assert_string_equal(delivery->last_error, "three routers crashed on it ?");
    assert_int_equal(delivery->candidate_count, 0);
    assert_null(delivery->inline_form);
    delivery_free(delivery);
    ok(replay_now(f->store, ids, 1, &replayed, &problem));
    assert_int_equal(replayed, 1);
    check_counters(f);
    settle_one(f->store, x, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    check_counters(f);
    assert_int_equal(number_of(f, "SELECT (status = 'partial')::integer FROM distribution_jobs"), 1);
}

/* --- load --- */

static void deliveries_of_one_job_share_it_and_bodies_keep_to_the_budget(void **state)
{
    struct store_fixture *f = *state;
    char jobs[3][UID_TEXT_SIZE], targets[4][UID_TEXT_SIZE];
    struct delivery *out[6];
    char kilobyte[1000];

    memset(kilobyte, 'x', sizeof kilobyte);
    for (size_t i = 0; i < 3; i++) {
        struct job *job = make_job("a b");
        set_body(job, "text/plain", kilobyte, sizeof kilobyte);
        accept_job(f->store, job, jobs[i]);
        route_it(f->store, jobs[i]);
        delivery_id(f, jobs[i], "a", targets[i]);
    }
    delivery_id(f, jobs[0], "b", targets[3]);
    const char *ids[] = {targets[0], targets[1], targets[2], targets[3], "not-a-uuid", jobs[0]};
    ok(store_load_deliveries(f->store, ids, 6, 0, out, &problem));
    assert_ptr_equal(out[0]->job, out[3]->job);
    assert_null(out[0]->job->body);
    assert_int_equal(out[0]->job->body_size, 1000);
    assert_string_equal(out[3]->target, "b");
    assert_string_equal(delivery_candidate(out[3]), "b");
    assert_null(out[4]);
    assert_null(out[5]);
    for (size_t i = 0; i < 6; i++)
        delivery_free(out[i]);
    for (uint64_t budget = 1; budget <= 3000; budget += 1000) {
        size_t with_body = 0;
        ok(store_load_deliveries(f->store, ids, 6, budget, out, &problem));
        for (size_t i = 0; i < 3; i++)
            with_body += out[i]->job->body != NULL;
        assert_int_equal(with_body, budget < 2000 ? 1 : budget / 1000);
        for (size_t i = 0; i < 6; i++)
            delivery_free(out[i]);
    }
}

static void what_a_stage_changed_is_saved(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE], a[UID_TEXT_SIZE], b[UID_TEXT_SIZE];
    struct delivery *out[2];
    const char *ids[] = {a, b};

    accept_job(f->store, make_job("a b"), id);
    route_it(f->store, id);
    delivery_id(f, id, "a", a);
    delivery_id(f, id, "b", b);
    ok(store_load_deliveries(f->store, ids, 2, 0, out, &problem));
    out[0]->content_type = xstrdup("text/csv");
    out[1]->status = DELIVERY_DEAD;
    out[1]->dead_reason = DEAD_TRANSFORM;
    out[1]->last_error = xstrdup("no JSON");
    ok(store_save_transformed(f->store, out, 2, &problem));
    ok(store_save_transformed(f->store, out, 2, &problem));
    delivery_free(out[0]);
    delivery_free(out[1]);
    ok(store_load_deliveries(f->store, ids, 2, 0, out, &problem));
    assert_string_equal(delivery_content_type(out[0]), "text/csv");
    assert_null(out[1]);
    delivery_free(out[0]);
    ok(store_dead_load(f->store, b, &out[1], &problem));
    assert_int_equal(out[1]->dead_reason, DEAD_TRANSFORM);
    assert_string_equal(out[1]->last_error, "no JSON");
    delivery_free(out[1]);
    check_counters(f);
}

/* PostgreSQL's clock is three hours behind ours: what has an hour left has it by our clock too. */
static void expiries_are_moved_to_our_clock(void **state)
{
    struct store_fixture *f = *state;
    char ids[2][UID_TEXT_SIZE], target[UID_TEXT_SIZE];
    const char *id = ids[0];
    struct job *job;
    struct delivery *delivery;
    bool routed;

    for (size_t i = 0; i < 2; i++)
        accept_job(f->store, make_job("hook"), ids[i]);
    route_it(f->store, ids[1]);
    delivery_id(f, ids[1], "hook", target);
    pg_server_run(&f->server,
                  "CREATE SCHEMA late; CREATE FUNCTION late.now() RETURNS timestamptz STABLE LANGUAGE"
                  " sql AS $$ SELECT pg_catalog.now() - interval '3 hours' $$;"
                  " ALTER ROLE dist SET search_path = late, pg_catalog, public");
    struct store *late = store_fixture_store(f, 10000);
    int64_t wanted_us = clock_wall_us() + INT64_C(4) * 3600 * 1000000;
    ok(store_load_jobs(late, &id, 1, &job, &routed, &problem));
    assert_in_range(job->expires_at_us - wanted_us + 60000000, 0, 120000000);
    job_unref(job);
    id = target;
    ok(store_load_deliveries(late, &id, 1, 1000, &delivery, &problem));
    assert_in_range(delivery->job->expires_at_us - wanted_us + 60000000, 0, 120000000);
    delivery_free(delivery);
    pg_server_run(&f->server, "UPDATE public.distribution_jobs SET expires_at = NULL");
    ok(store_load_deliveries(late, &id, 1, 1000, &delivery, &problem));
    assert_int_equal(delivery->job->expires_at_us, 0);
    delivery_free(delivery);
    store_free(late);
    pg_server_run(&f->server, "ALTER ROLE dist RESET search_path; DROP SCHEMA late CASCADE");
}

static void *lock_jobs(void *arg)
{
    pg_server_run(arg,
                  "BEGIN; LOCK TABLE distribution_jobs IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1); COMMIT");
    return NULL;
}

/* A second that a slow link or a busy server takes: more than the deadline of a call, little for four
 * megabytes. */
static void large_bodies_have_the_time_that_their_size_needs(void **state)
{
    struct store_fixture *f = *state;
    struct store *hasty = store_fixture_store(f, 300);
    char id[UID_TEXT_SIZE];
    struct job *job = make_job("hook");
    pthread_t thread;

    accept_job(f->store, job_ref(job), id);
    free(job->body);
    job->body = NULL;
    job->body_size = 4000000;
    text_copy(job->id, sizeof job->id, id);
    ok(store_open(hasty, &problem));
    assert_int_equal(pthread_create(&thread, NULL, lock_jobs, &f->server), 0);
    while (!number_of(f, "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND"
                         " relation = 'distribution_jobs'::regclass"))
        ;
    ok(store_load_bodies(hasty, &job, 1, &problem));
    pthread_join(thread, NULL);
    assert_non_null(job->body);
    store_free(hasty);
    job_unref(job);
}

int main(void)
{
#define with_empty_store(test) cmocka_unit_test_setup(test, store_fixture_empty)
    const struct CMUnitTest tests[] = {
        with_empty_store(an_accepted_job_comes_back_as_it_was),
        with_empty_store(times_are_exact_to_the_microsecond),
        with_empty_store(jobs_without_an_expiry_get_one_by_the_servers_clock),
        with_empty_store(any_bytes_are_a_body),
        with_empty_store(a_large_json_body_is_described),
        with_empty_store(the_same_submission_is_stored_once),
        with_empty_store(another_tenants_ids_are_taken_and_its_keys_are_not),
        with_empty_store(a_refused_row_does_not_take_the_others_along),
        with_empty_store(racing_submitters_accept_each_key_once),
        with_empty_store(racing_routers_write_each_job_once),
        with_empty_store(racing_pumps_claim_each_delivery_once),
        with_empty_store(a_routed_job_is_routed_once),
        with_empty_store(a_job_whose_targets_are_all_dead_has_failed_at_once),
        with_empty_store(a_target_that_is_named_twice_has_one_delivery),
        with_empty_store(a_job_that_cannot_be_routed_fails_with_its_reason),
        with_empty_store(deliveries_of_one_job_share_it_and_bodies_keep_to_the_budget),
        with_empty_store(what_a_stage_changed_is_saved),
        with_empty_store(expiries_are_moved_to_our_clock),
        with_empty_store(large_bodies_have_the_time_that_their_size_needs),
    };
    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
