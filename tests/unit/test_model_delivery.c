/*
 * Deliveries: routing, candidates, transformation, and what becomes of one after an attempt
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "catalog.h"
#include "delivery.h"
#include "route.h"
#include "transform.h"
#include "xalloc.h"

static const int64_t now_us = INT64_C(1705312800000000);
static const double middle = 0.5; /* the random number without jitter */

static struct job *job_to(const char *destinations)
{
    struct job *job = job_new();
    json_t *array = json_loads(destinations, 0, NULL);
    struct fault fault = {0};

    job->distribution_id = xstrdup(job->id);
    job->tenant_id = xstrdup("acme");
    job->data_type = xstrdup("report");
    job->content_type = xstrdup("text/csv");
    job->body = xstrdup("[1, 2]");
    job->body_size = strlen(job->body);
    if (json_array_size(array) && job_set_destinations(job, array, "", &fault))
        fail_msg("%s", fault.text);
    json_decref(array);
    return job;
}

/* A delivery to `count` candidates named a, b, c ... */
static struct delivery *delivery_to(size_t count)
{
    struct job *job = job_to("[\"x\"]");
    struct delivery *delivery = delivery_new(job, "x");

    job_unref(job);
    for (size_t i = 0; i < count; i++)
        delivery_add_candidate(delivery, (char[]){(char)('a' + i), '\0'});
    return delivery;
}

/* ---- deliveries ---- */

static void a_new_delivery_waits_and_holds_its_job(void **state)
{
    struct delivery *delivery = delivery_to(0);

    (void)state;
    assert_true(uid_is(delivery->id));
    assert_string_not_equal(delivery->id, delivery->job->id);
    assert_int_equal(delivery->status, DELIVERY_WAITING);
    assert_int_equal(delivery->job->references, 1);
    assert_null(delivery_candidate(delivery));
    delivery_free(delivery);
    delivery_free(NULL);
}

static void each_attempt_moves_to_the_next_candidate_and_a_replay_to_the_first(void **state)
{
    struct delivery *delivery = delivery_to(3);

    (void)state;
    assert_string_equal(delivery_candidate(delivery), "a");
    delivery->attempts = 2;
    assert_string_equal(delivery_candidate(delivery), "c");
    delivery->attempts = 4;
    assert_string_equal(delivery_candidate(delivery), "b");
    delivery->budget_start = 4;
    assert_string_equal(delivery_candidate(delivery), "a");
    delivery_free(delivery);
}

struct step {
    enum outcome_kind kind;
    size_t candidates;
    int number; /* of the attempt that just ended */
    int budget_start;
    int64_t expires_in_ms; /* 0: never */
    int64_t retry_after_ms;
    const char *policy;
    struct verdict wanted;
};

static void check_step(const struct step *step, size_t index)
{
    struct delivery *delivery = delivery_to(step->candidates);
    struct outcome outcome;
    struct verdict verdict;

    delivery->attempts = step->number - 1; /* the one that just ended is not counted yet */
    delivery->budget_start = step->budget_start;
    if (step->expires_in_ms)
        delivery->job->expires_at_us = now_us + step->expires_in_ms * 1000;
    outcome_init(&outcome);
    outcome_set(&outcome, step->kind, 0, "test", "%s", "");
    outcome.retry_after_ms = step->retry_after_ms;
    verdict = delivery_verdict(delivery, retry_policy_by_name(step->policy), &outcome, now_us, middle);
    if (verdict.status != step->wanted.status || verdict.delay_ms != step->wanted.delay_ms ||
        verdict.reason != step->wanted.reason)
        fail_msg("step %zu: %s after %lld ms, reason %d", index, delivery_status_names[verdict.status],
                 (long long)verdict.delay_ms, (int)verdict.reason);
    outcome_release(&outcome);
    delivery_free(delivery);
}

static void the_verdict_follows_its_table(void **state)
{
    static const char exponential[] = "exponential_backoff", none[] = "none";
    const struct verdict delivered = {.status = DELIVERY_DELIVERED}, expired = {.status = DELIVERY_EXPIRED};
    const struct verdict at_once = {.status = DELIVERY_WAITING};
    const struct verdict rejected = {.status = DELIVERY_DEAD, .reason = DEAD_REJECTED};
    const struct verdict exhausted = {.status = DELIVERY_DEAD, .reason = DEAD_EXHAUSTED};
    const struct verdict second = {.status = DELIVERY_WAITING, .delay_ms = 1000};
    const struct verdict half_minute = {.status = DELIVERY_WAITING, .delay_ms = 30000};
    const struct verdict longest = {.status = DELIVERY_WAITING, .delay_ms = 16000};
    const struct step steps[] = {
        {OUTCOME_DELIVERED, 1, 1, 0, 0, -1, none, delivered},
        {OUTCOME_DELIVERED, 1, 9, 0, -5, -1, none, delivered}, /* late, but it arrived */
        {OUTCOME_REJECTED, 3, 1, 0, 0, -1, exponential, rejected},
        {OUTCOME_DEFERRED, 1, 1, 0, 0, -1, exponential, second},
        {OUTCOME_DEFERRED, 1, 1, 0, 0, 30000, exponential, half_minute},
        {OUTCOME_DEFERRED, 1, 5, 0, 0, -1, exponential, longest},
        {OUTCOME_DEFERRED, 1, 6, 0, 0, -1, exponential, exhausted},
        {OUTCOME_DEFERRED, 1, 1, 0, 0, -1, none, exhausted},
        {OUTCOME_DEFERRED, 1, 7, 6, 0, -1, exponential, second}, /* the first one after a replay */
        {OUTCOME_DEFERRED, 1, 12, 6, 0, -1, exponential, exhausted},
        {OUTCOME_DEFERRED, 1, 1, 0, -1, -1, exponential, expired},
        {OUTCOME_DEFERRED, 1, 6, 0, -1, -1, exponential, expired},
        {OUTCOME_DEFERRED, 1, 1, 0, 1000, -1, exponential, expired},
        {OUTCOME_DEFERRED, 1, 1, 0, 1001, -1, exponential, second},
        {OUTCOME_DEFERRED, 1, 6, 0, 1000, -1, exponential, exhausted},
        {OUTCOME_DEFERRED, 2, 1, 0, 0, 30000, exponential, at_once}, /* b has not been asked yet */
        {OUTCOME_DEFERRED, 2, 1, 0, -1, -1, exponential, expired},
        {OUTCOME_DEFERRED, 2, 2, 0, 0, -1, exponential, second},
        {OUTCOME_DEFERRED, 2, 3, 0, 0, -1, exponential, at_once},
        {OUTCOME_DEFERRED, 2, 11, 0, 0, -1, exponential, at_once},
        {OUTCOME_DEFERRED, 2, 12, 0, 0, -1, exponential, exhausted},
        {OUTCOME_DEFERRED, 3, 2, 0, 0, -1, none, at_once}, /* one round is every candidate once */
        {OUTCOME_DEFERRED, 3, 3, 0, 0, -1, none, exhausted},
        {OUTCOME_DEFERRED, 3, 8, 5, 0, -1, exponential, second},
        {OUTCOME_DEFERRED, 0, 1, 0, 0, -1, exponential, second},
    };

    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        check_step(&steps[i], i);
}

/* ---- routes ---- */

static struct catalog *sample_catalog(void)
{
    static const char *const forms[] = {
        "{\"name\":\"hook\",\"protocol\":\"REST\",\"endpoint\":\"https://hook.example.com/"
        "in\",\"credentials\":\"hook-key\"}",
        "{\"name\":\"out\",\"protocol\":\"file\",\"path\":\"/tmp/out/{delivery_id}\"}",
        "{\"name\":\"rows\",\"protocol\":\"JDBC\",\"connection\":{\"url\":\"jdbc:postgresql://db.example.com/"
        "x\"},"
        "\"table\":\"t\"}",
        "{\"name\":\"ops\",\"group\":[\"hook\",\"rows\",\"out\"],\"policy\":\"failover\"}",
        "{\"name\":\"db\",\"group\":[\"rows\"],\"policy\":\"failover\"}",
        "{\"name\":\"paused\",\"protocol\":\"file\",\"path\":\"/tmp/x\",\"disabled\":true}",
    };
    struct catalog *catalog = catalog_new();
    struct fault fault = {0};

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (catalog_add(catalog, forms[i], strlen(forms[i]), "stem", "test.json", &fault))
            fail_msg("%s: %s", forms[i], fault.text);
    }
    if (catalog_check(catalog, &fault))
        fail_msg("%s", fault.text);
    return catalog;
}

struct route_case {
    const char *destination; /* JSON */
    const char *candidates;  /* joined by blanks; "" for a dead one */
    const char *error;       /* of a dead one, or NULL */
    enum fault_class class;  /* of route_check() */
};
static const struct route_case route_cases[] = {
    {"\"hook\"", "hook", NULL, FAULT_NONE},
    {"\"paused\"", "paused", NULL, FAULT_NONE},
    {"\"ops\"", "hook rows out", NULL, FAULT_NONE},
    {"{\"name\":\"ops\"}", "hook rows out", NULL, FAULT_NONE},
    {"\"hok\"", "", "destination 'hok' is not configured; did you mean 'hook'?", FAULT_INPUT},
    {"\"zzzzzzzzz\"", "", "destination 'zzzzzzzzz' is not configured", FAULT_INPUT},
    {"\"rows\"", "rows", NULL, FAULT_NONE},
    {"\"db\"", "rows", NULL, FAULT_NONE},
    {"{\"name\":\"mine\",\"protocol\":\"REST\",\"endpoint\":\"https://m.example.com/\"}", "mine", NULL,
     FAULT_NONE},
    {"{\"name\":\"hook\",\"protocol\":\"REST\",\"endpoint\":\"https://hook.example.com/in\"}", "hook", NULL,
     FAULT_NONE},
    {"{\"name\":\"hook\",\"protocol\":\"REST\",\"endpoint\":\"https://evil.example.com/\"}", "",
     "destination 'hook' is configured, and the request's form differs from it", FAULT_DENIED},
    {"{\"name\":\"hook\",\"headers\":{}}", "",
     "destination 'hook' is configured, and the request's form differs from it", FAULT_DENIED},
    {"{\"name\":\"ops\",\"protocol\":\"REST\",\"endpoint\":\"https://m.example.com/\"}", "",
     "'ops' is a group, and the request brings a form of its own for it", FAULT_DENIED},
};

static void route(const struct catalog *catalog, struct job *job, struct delivery_list *list)
{
    route_job(&(struct router){.catalog = catalog}, job, list, NULL);
}

static void check_route(const struct catalog *catalog, const struct route_case *wanted)
{
    char *destinations = xasprintf("[%s]", wanted->destination);
    struct job *job = job_to(destinations);
    struct delivery_list list = {0};
    struct fault fault = {0};
    struct buf candidates;
    const struct delivery *delivery;

    route(catalog, job, &list);
    assert_int_equal(list.count, 1);
    delivery = list.items[0];
    buf_init(&candidates, 1000);
    for (size_t i = 0; i < delivery->candidate_count; i++)
        buf_addf(&candidates, "%s%s", i ? " " : "", delivery->candidates[i]);
    assert_string_equal(candidates.data, wanted->candidates);
    assert_int_equal(delivery->status, wanted->error ? DELIVERY_DEAD : DELIVERY_WAITING);
    if (wanted->error) {
        assert_int_equal(delivery->dead_reason, DEAD_UNROUTABLE);
        assert_string_equal(delivery->last_error, wanted->error);
    }
    assert_int_equal(route_check(catalog, job, &fault), wanted->error ? -1 : 0);
    assert_int_equal(fault.class, wanted->class);
    if (wanted->error)
        assert_string_equal(fault.text, wanted->error);
    buf_release(&candidates);
    delivery_list_release(&list);
    assert_int_equal(job->references, 1);
    job_unref(job);
    free(destinations);
}

static void every_target_becomes_one_delivery_and_the_check_agrees(void **state)
{
    struct catalog *catalog = sample_catalog();

    (void)state;
    for (size_t i = 0; i < sizeof route_cases / sizeof *route_cases; i++)
        check_route(catalog, &route_cases[i]);
    catalog_free(catalog);
}

static void targets_keep_their_order_and_a_bad_one_does_not_stop_the_others(void **state)
{
    struct catalog *catalog = sample_catalog();
    struct job *job = job_to("[\"out\",\"gone\",{\"name\":\"mine\",\"protocol\":\"null\"}]");
    struct delivery_list list = {0};
    struct fault fault = {0};

    (void)state;
    route(catalog, job, &list);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0]->target, "out");
    assert_null(list.items[0]->inline_form);
    assert_int_equal(list.items[1]->status, DELIVERY_DEAD);
    assert_string_equal(list.items[2]->target, "mine");
    assert_non_null(list.items[2]->inline_form);
    assert_int_equal(list.items[2]->status, DELIVERY_WAITING);
    assert_int_equal(job->references, 4);
    delivery_list_release(&list);
    assert_int_equal(list.count, 0);
    assert_int_equal(route_check(catalog, job, &fault), -1);
    job_unref(job);
    catalog_free(catalog);
}

static void a_job_without_destinations_is_one_dead_letter(void **state)
{
    struct catalog *catalog = catalog_new();
    struct job *job = job_to("[]");
    struct delivery_list list = {0};
    struct fault fault = {0};

    (void)state;
    route(catalog, job, &list);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0]->target, CATALOG_NO_TARGET);
    assert_int_equal(list.items[0]->status, DELIVERY_DEAD);
    assert_int_equal(list.items[0]->dead_reason, DEAD_UNROUTABLE);
    assert_string_equal(
        list.items[0]->last_error,
        "the request names no destination, there are no rules, and there is no default target");
    delivery_list_release(&list);
    assert_int_equal(route_check(catalog, job, &fault), -1);
    assert_int_equal(fault.class, FAULT_INPUT);
    job_unref(job);
    catalog_free(catalog);
}

static void resolving_gives_the_configured_one_or_the_requests_own(void **state)
{
    struct catalog *catalog = sample_catalog();
    json_t *form = json_pack("{s:s,s:s}", "protocol", "REST", "endpoint", "https://m.example.com/");
    json_t *bad = json_pack("{s:s,s:s}", "protocol", "REST", "endpont", "https://m.example.com/");
    struct destination *destination;
    struct fault fault = {0};

    (void)state;
    destination = route_resolve(catalog, "hook", NULL, "acme", &fault);
    assert_ptr_equal(destination, catalog_destination(catalog, "hook"));
    destination_unref(destination);
    destination = route_resolve(catalog, "mine", form, "acme", &fault);
    assert_non_null(destination);
    assert_string_equal(destination->name, "mine");
    assert_string_equal(destination->tenant, "acme");
    assert_string_equal(destination->origin, "request");
    destination_unref(destination);
    assert_null(route_resolve(catalog, "mine", bad, "acme", &fault));
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_non_null(strstr(fault.text, "destination 'mine': "));
    assert_null(route_resolve(catalog, "ops", NULL, "acme", &fault));
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_string_equal(fault.text, "'ops' is a group, no destination");
    json_decref(form);
    json_decref(bad);
    catalog_free(catalog);
}

/* ---- transformations ---- */

static void identity_and_raw_send_what_came(void **state)
{
    struct delivery *delivery = delivery_to(1);
    struct rendering rendering = {.plain = FORMAT_IDENTITY};

    (void)state;
    assert_int_equal(transform_delivery(&rendering, delivery, NULL), 0);
    assert_string_equal(delivery_content_type(delivery), "text/csv");
    rendering.plain = FORMAT_RAW;
    assert_int_equal(transform_delivery(&rendering, delivery, NULL), 0);
    assert_string_equal(delivery_content_type(delivery), "text/csv");
    assert_string_equal(delivery->job->body, "[1, 2]");
    delivery_free(delivery);
}

static void only_json_looks_at_the_body(void **state)
{
    (void)state;
    assert_false(transform_needs_body(&(struct rendering){.plain = FORMAT_IDENTITY}));
    assert_false(transform_needs_body(&(struct rendering){.plain = FORMAT_RAW}));
    assert_true(transform_needs_body(&(struct rendering){.plain = FORMAT_JSON}));
}

static void json_sends_the_same_bytes_as_json(void **state)
{
    struct delivery *delivery = delivery_to(1);
    struct rendering rendering = {.plain = FORMAT_JSON};

    (void)state;
    assert_int_equal(transform_delivery(&rendering, delivery, NULL), 0);
    assert_int_equal(transform_delivery(&rendering, delivery, NULL), 0);
    assert_string_equal(delivery_content_type(delivery), "application/json");
    assert_string_equal(delivery->job->body, "[1, 2]");
    rendering.plain = FORMAT_RAW;
    assert_int_equal(transform_delivery(&rendering, delivery, NULL), 0);
    assert_string_equal(delivery_content_type(delivery), "text/csv");
    delivery_free(delivery);
}

static void json_refuses_a_body_that_is_none(void **state)
{
    struct delivery *delivery = delivery_to(1);
    struct rendering rendering = {.plain = FORMAT_JSON};
    struct fault fault = {0};

    (void)state;
    delivery->job->body[5] = '\n';
    assert_int_equal(transform_delivery(&rendering, delivery, &fault), -1);
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_int_equal(strncmp(fault.text, "the body is no JSON: line 2, ", 29), 0);
    assert_string_equal(delivery_content_type(delivery), "text/csv");
    delivery_free(delivery);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_delivery_waits_and_holds_its_job),
        cmocka_unit_test(each_attempt_moves_to_the_next_candidate_and_a_replay_to_the_first),
        cmocka_unit_test(the_verdict_follows_its_table),
        cmocka_unit_test(every_target_becomes_one_delivery_and_the_check_agrees),
        cmocka_unit_test(targets_keep_their_order_and_a_bad_one_does_not_stop_the_others),
        cmocka_unit_test(a_job_without_destinations_is_one_dead_letter),
        cmocka_unit_test(resolving_gives_the_configured_one_or_the_requests_own),
        cmocka_unit_test(identity_and_raw_send_what_came),
        cmocka_unit_test(only_json_looks_at_the_body),
        cmocka_unit_test(json_sends_the_same_bytes_as_json),
        cmocka_unit_test(json_refuses_a_body_that_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
