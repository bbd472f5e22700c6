/*
 * What is sent in place of a body, against a PostgreSQL of its own: it is kept for every attempt, and no
 * longer
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "store_fixture.h"
#include "text.h"
#include "xalloc.h"

/* A queued delivery to "hook" and then "mirror", as it is loaded; its id stays. */
static struct delivery *queued(struct store_fixture *f, char id[UID_TEXT_SIZE], uint64_t budget)
{
    struct delivery *delivery;
    char job[UID_TEXT_SIZE];
    const char *ids[] = {id};

    if (!*id) {
        accept_job(f->store, make_job("hook"), job);
        route_it(f->store, job);
        delivery_id(f, job, "hook", id);
        run_sql(f, "UPDATE distribution_deliveries SET candidates = '[\"hook\", \"mirror\"]' WHERE id = '%s'",
                id);
    }
    ok(store_load_deliveries(f->store, ids, 1, budget, &delivery, &problem));
    return delivery;
}

static void add(struct delivery *delivery, const char *body, size_t size)
{
    struct output output = {
        .destination = xstrdup(delivery_candidate(delivery)),
        .content_type = xstrdup("text/xml"),
        .headers = json_pack("{s:s}", "SOAPAction", "\"x\""),
        .body = xmemdupz(body, size),
        .body_size = size,
    };
    delivery_add_output(delivery, &output);
}

static void save(struct store_fixture *f, struct delivery *delivery)
{
    ok(store_save_outputs(f->store, &delivery, 1, &problem));
    delivery_free(delivery);
}

static int64_t rows(const struct store_fixture *f)
{
    return number_of(f, "SELECT count(*) FROM distribution_outputs");
}

static void an_output_is_sent_in_place_of_the_body(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE] = "";
    struct delivery *delivery = queued(f, id, 0);
    size_t size;

    assert_null(delivery_output(delivery));
    add(delivery, "\x1f\0\xff", 3);
    save(f, delivery);
    delivery = queued(f, id, 0);
    assert_null(delivery_body(delivery, &size));
    assert_int_equal(size, 3);
    delivery_free(delivery);
    delivery = queued(f, id, 1000);
    assert_memory_equal(delivery_body(delivery, &size), "\x1f\0\xff", 4);
    assert_int_equal(size, 3);
    assert_null(delivery->job->body);
    assert_string_equal(delivery_content_type(delivery), "text/xml");
    assert_string_equal(json_string_value(json_object_get(delivery_output(delivery)->headers, "SOAPAction")),
                        "\"x\"");
    delivery_free(delivery);
}

static void the_first_output_stays(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE] = "";
    struct delivery *delivery = queued(f, id, 0);
    size_t size;

    add(delivery, "first", 5);
    save(f, delivery);
    delivery = queued(f, id, 0);
    add(delivery, "another", 7);
    save(f, delivery);
    delivery = queued(f, id, 1000);
    assert_string_equal(delivery_body(delivery, &size), "first");
    assert_int_equal(size, 5);
    delivery_free(delivery);
    assert_int_equal(rows(f), 1);
    assert_int_equal(number_of(f, "SELECT (outputs ->> 'hook')::integer FROM distribution_deliveries"), 5);
}

/* A group's members have outputs of their own; a round that comes back to the first finds it. */
static void each_candidate_has_its_own(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE] = "";
    struct delivery *delivery = queued(f, id, 0);
    size_t size;

    add(delivery, "one", 3);
    save(f, delivery);
    settle_one(f->store, id, 1, OUTCOME_DEFERRED, DELIVERY_WAITING);
    run_sql(f, "UPDATE distribution_deliveries SET status = 'queued' WHERE id = '%s'", id);
    delivery = queued(f, id, 1000);
    assert_string_equal(delivery_candidate(delivery), "mirror");
    assert_null(delivery_output(delivery));
    assert_non_null(delivery->job->body);
    add(delivery, "two", 3);
    save(f, delivery);
    assert_int_equal(rows(f), 2);
    settle_one(f->store, id, 2, OUTCOME_DEFERRED, DELIVERY_WAITING);
    run_sql(f, "UPDATE distribution_deliveries SET status = 'queued' WHERE id = '%s'", id);
    delivery = queued(f, id, 1000);
    assert_string_equal(delivery_body(delivery, &size), "one");
    delivery_free(delivery);
}

static void outputs_end_with_the_delivery(void **state)
{
    struct store_fixture *f = *state;
    static const enum delivery_status ends[] = {DELIVERY_DELIVERED, DELIVERY_DEAD, DELIVERY_EXPIRED};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char id[UID_TEXT_SIZE] = "";
        struct delivery *delivery = queued(f, id, 0);
        const enum outcome_kind kind = ends[i] == DELIVERY_DELIVERED ? OUTCOME_DELIVERED : OUTCOME_DEFERRED;

        add(delivery, "x", 1);
        save(f, delivery);
        assert_int_equal(rows(f), 1);
        settle_one(f->store, id, 1, kind, ends[i]);
        assert_int_equal(rows(f), 0);
    }
    run_sql(f, "DELETE FROM distribution_jobs");
}

static void a_cancelled_or_erased_one_leaves_nothing(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE] = "", other[UID_TEXT_SIZE] = "", job[UID_TEXT_SIZE];
    struct delivery *delivery = queued(f, id, 0);
    struct cancellation cancellation = {.distribution_id = job};

    text_copy(job, sizeof job, delivery->job->id);
    add(delivery, "x", 1);
    save(f, delivery);
    ok(store_cancel(f->store, &cancellation, 1, "no more", &problem));
    assert_int_equal(rows(f), 0);
    delivery = queued(f, other, 0);
    add(delivery, "x", 1);
    save(f, delivery);
    assert_int_equal(rows(f), 1);
    run_sql(f, "DELETE FROM distribution_jobs");
    assert_int_equal(rows(f), 0);
}

/* It was cancelled while it was being transformed. */
static void nothing_is_kept_for_what_has_ended(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE] = "";
    struct delivery *delivery = queued(f, id, 0);

    add(delivery, "x", 1);
    settle_one(f->store, id, 1, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    save(f, delivery);
    assert_int_equal(rows(f), 0);
}

static void a_replay_makes_new_ones(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE] = "";
    struct delivery *delivery = queued(f, id, 0);
    const char *ids[] = {id};
    size_t replayed;

    add(delivery, "x", 1);
    save(f, delivery);
    settle_one(f->store, id, 1, OUTCOME_REJECTED, DELIVERY_DEAD);
    ok(store_dead_load(f->store, id, &delivery, &problem));
    assert_int_equal(delivery->output_count, 0); /* what is shown is what was submitted */
    delivery_free(delivery);
    ok(replay_now(f->store, ids, 1, &replayed, &problem));
    run_sql(f, "UPDATE distribution_deliveries SET status = 'queued' WHERE id = '%s'", id);
    delivery = queued(f, id, 1000);
    assert_null(delivery_output(delivery));
    assert_non_null(delivery->job->body);
    delivery_free(delivery);
}

static void outputs_keep_to_the_budget(void **state)
{
    struct store_fixture *f = *state;
    char a[UID_TEXT_SIZE] = "", b[UID_TEXT_SIZE] = "";
    struct delivery *out[2] = {queued(f, a, 0), queued(f, b, 0)};
    const char *ids[] = {a, b};
    char *large = xcalloc(1, 60000);
    size_t size;

    add(out[0], large, 60000);
    add(out[1], large, 60000);
    free(large);
    ok(store_save_outputs(f->store, out, 2, &problem));
    delivery_free(out[0]);
    delivery_free(out[1]);
    ok(store_load_deliveries(f->store, ids, 2, 70000, out, &problem));
    assert_int_equal((delivery_body(out[0], &size) != NULL) + (delivery_body(out[1], &size) != NULL), 1);
    delivery_free(out[0]);
    delivery_free(out[1]);
}

static void a_rules_rendering_stays_with_the_delivery(void **state)
{
    struct store_fixture *f = *state;
    char job[UID_TEXT_SIZE], id[UID_TEXT_SIZE];
    struct job *loaded;
    bool routed;
    const char *ids[] = {job};
    struct routing routing = {0};

    accept_job(f->store, make_job("hook"), job);
    ok(store_load_jobs(f->store, ids, 1, &loaded, &routed, &problem));
    struct delivery *delivery = delivery_new(loaded, "hook");
    delivery_add_candidate(delivery, "hook");
    delivery->status = DELIVERY_QUEUED;
    delivery->rendering = json_pack("{s:s}", "format", "csv");
    text_copy(id, sizeof id, delivery->id);
    routing.job = loaded;
    delivery_list_add(&routing.deliveries, delivery);
    ok(store_save_routings(f->store, &routing, 1, 60000, &problem));
    delivery_list_release(&routing.deliveries);
    job_unref(loaded);
    delivery = queued(f, id, 0);
    assert_string_equal(json_string_value(json_object_get(delivery->rendering, "format")), "csv");
    delivery_free(delivery);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_output_is_sent_in_place_of_the_body, store_fixture_empty),
        cmocka_unit_test_setup(the_first_output_stays, store_fixture_empty),
        cmocka_unit_test_setup(each_candidate_has_its_own, store_fixture_empty),
        cmocka_unit_test_setup(outputs_end_with_the_delivery, store_fixture_empty),
        cmocka_unit_test_setup(a_cancelled_or_erased_one_leaves_nothing, store_fixture_empty),
        cmocka_unit_test_setup(nothing_is_kept_for_what_has_ended, store_fixture_empty),
        cmocka_unit_test_setup(a_replay_makes_new_ones, store_fixture_empty),
        cmocka_unit_test_setup(outputs_keep_to_the_budget, store_fixture_empty),
        cmocka_unit_test_setup(a_rules_rendering_stays_with_the_delivery, store_fixture_empty),
    };
    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
