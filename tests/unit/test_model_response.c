/*
 * Responses: the specification's document 4.2.2 of a job that is done, one that is not, and one that failed
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "json.h"
#include "response.h"
#include "xalloc.h"

static const int64_t start_us = INT64_C(1705312800000000); /* 2024-01-15T10:00:00Z */

/* A view with `count` deliveries to d0, d1 ..., each delivered by one attempt of 2 s. */
static struct job_view sample_view(size_t count)
{
    struct job_view view = {.distribution_id = xstrdup("dist-uuid-123"),
                            .status = JOB_COMPLETED,
                            .submitted_at_us = start_us,
                            .completed_at_us = start_us + 5000000,
                            .metadata = json_object(),
                            .delivery_count = count};

    view.deliveries = xcalloc(count, sizeof *view.deliveries);
    for (size_t i = 0; i < count; i++) {
        struct delivery_view *delivery = &view.deliveries[i];

        *delivery = (struct delivery_view){.target = xasprintf("d%zu", i),
                                           .destination = xasprintf("d%zu", i),
                                           .status = DELIVERY_DELIVERED,
                                           .attempts = 1,
                                           .delivered_at_us = start_us + 2000000,
                                           .attempt_count = 1};
        delivery->attempt_items = xcalloc(1, sizeof *delivery->attempt_items);
        delivery->attempt_items[0] = (struct attempt_view){.number = 1,
                                                           .started_at_us = start_us,
                                                           .completed_at_us = start_us + 2000000,
                                                           .response_code = 200,
                                                           .response_body = xstrdup("{\"accepted\": true}")};
    }
    return view;
}

static void check_document(const struct job_view *view, const char *wanted)
{
    json_t *document = response_document(view);
    char *text = json_text(document);

    assert_string_equal(text, wanted);
    free(text);
    json_decref(document);
}

/* The document's text has `part` in it. */
static void check_part(const struct job_view *view, const char *part)
{
    json_t *document = response_document(view);
    char *text = json_text(document);

    if (!strstr(text, part))
        fail_msg("no %s in %s", part, text);
    free(text);
    json_decref(document);
}

static void a_completed_job_is_the_specifications_document(void **state)
{
    struct job_view view = sample_view(1);

    (void)state;
    check_document(&view,
                   "{\"$schema\":\"https://zenia.io/schemas/distribution-response-v1.json\","
                   "\"distribution_id\":\"dist-uuid-123\",\"status\":\"completed\","
                   "\"submitted_at\":\"2024-01-15T10:00:00Z\",\"completed_at\":\"2024-01-15T10:00:05Z\","
                   "\"destinations\":[{\"name\":\"d0\",\"status\":\"success\",\"attempts\":1,"
                   "\"delivered_at\":\"2024-01-15T10:00:02Z\",\"response\":{\"status_code\":200,"
                   "\"body\":{\"accepted\":true}}}],\"metrics\":{\"total_latency_ms\":5000,"
                   "\"processing_time_ms\":3000,\"network_time_ms\":2000},\"errors\":[]}");
    job_view_release(&view);
    assert_null(view.deliveries);
}

static void an_edited_replay_is_told_on_both_sides(void **state)
{
    struct job_view view = sample_view(1);

    (void)state;
    view.replay_of = xstrdup("a-delivery");
    view.deliveries[0].replayed_as = xstrdup("a-distribution");
    check_part(&view, "\"distribution_id\":\"dist-uuid-123\",\"replay_of\":\"a-delivery\",");
    check_part(&view, "\"replayed_as\":\"a-distribution\"}]");
    job_view_release(&view);
}

static void what_has_no_value_yet_is_null(void **state)
{
    struct job_view view = sample_view(1);

    (void)state;
    view.status = JOB_ROUTED;
    view.completed_at_us = 0;
    view.deliveries[0].status = DELIVERY_QUEUED;
    view.deliveries[0].attempts = 0;
    view.deliveries[0].delivered_at_us = 0;
    attempt_view_release(&view.deliveries[0].attempt_items[0]);
    view.deliveries[0].attempt_count = 0;
    check_document(&view, "{\"$schema\":\"https://zenia.io/schemas/distribution-response-v1.json\","
                          "\"distribution_id\":\"dist-uuid-123\",\"status\":\"routed\","
                          "\"submitted_at\":\"2024-01-15T10:00:00Z\",\"completed_at\":null,"
                          "\"destinations\":[{\"name\":\"d0\",\"status\":\"pending\",\"attempts\":0,"
                          "\"delivered_at\":null,\"response\":null}],\"metrics\":{\"total_latency_ms\":null,"
                          "\"processing_time_ms\":null,\"network_time_ms\":0},\"errors\":[]}");
    job_view_release(&view);
}

static void what_failed_is_among_the_errors(void **state)
{
    struct job_view view = sample_view(4);

    (void)state;
    view.error = xstrdup("no rule matches");
    view.deliveries[1].status = DELIVERY_DEAD;
    view.deliveries[1].dead_reason = xstrdup("rejected");
    view.deliveries[1].error = xstrdup("410 Gone");
    view.deliveries[2].status = DELIVERY_EXPIRED;
    view.deliveries[2].error = xstrdup("caf\xe9");
    view.deliveries[3].status = DELIVERY_CANCELLED;
    check_part(&view, "\"errors\":[{\"destination\":null,\"status\":\"completed\",\"reason\":null,"
                      "\"error\":\"no rule matches\"},{\"destination\":\"d1\",\"status\":\"failed\","
                      "\"reason\":\"rejected\",\"error\":\"410 Gone\"},{\"destination\":\"d2\","
                      "\"status\":\"expired\",\"reason\":null,\"error\":\"caf?\"}]}");
    job_view_release(&view);
}

static void a_groups_member_is_named_beside_the_group(void **state)
{
    struct job_view view = sample_view(1);

    (void)state;
    free(view.deliveries[0].destination);
    view.deliveries[0].destination = xstrdup("mirror");
    check_part(&view, "{\"name\":\"d0\",\"destination\":\"mirror\",\"status\":\"success\",");
    job_view_release(&view);
}

static void a_response_body_is_json_where_it_is_json(void **state)
{
    static const struct {
        const char *body;
        int code;
        const char *part;
    } cases[] = {
        {"[1]", 200, "\"response\":{\"status_code\":200,\"body\":[1]}"},
        {"OK", 200, "\"response\":{\"status_code\":200,\"body\":\"OK\"}"},
        {"{\"cut\":", 200, "\"body\":\"{\\\"cut\\\":\"}"},
        {"{\"a\":1,\"a\":2}", 200, "\"body\":\"{\\\"a\\\":1,\\\"a\\\":2}\"}"},
        {"", 200, "\"body\":\"\"}"},
        {NULL, 204, "\"response\":{\"status_code\":204,\"body\":null}"},
        {"done", 0, "\"response\":{\"status_code\":null,\"body\":\"done\"}"},
        {NULL, 0, "\"response\":null"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job_view view = sample_view(1);
        struct attempt_view *attempt = &view.deliveries[0].attempt_items[0];

        free(attempt->response_body);
        attempt->response_body = xstrdup_null(cases[i].body);
        attempt->response_code = cases[i].code;
        check_part(&view, cases[i].part);
        job_view_release(&view);
    }
}

static void times_are_never_negative(void **state)
{
    struct job_view view = sample_view(3);

    (void)state;
    check_part(&view, "{\"total_latency_ms\":5000,\"processing_time_ms\":0,\"network_time_ms\":6000}");
    view.completed_at_us = start_us - 1;
    view.deliveries[0].attempt_items[0].completed_at_us = start_us - 1;
    check_part(&view, "{\"total_latency_ms\":0,\"processing_time_ms\":0,\"network_time_ms\":4000}");
    job_view_release(&view);
}

static void progress_is_the_share_that_ended(void **state)
{
    struct job_view view = sample_view(3);

    (void)state;
    assert_int_equal(response_progress(&view), 100);
    view.deliveries[0].status = DELIVERY_WAITING;
    assert_int_equal(response_progress(&view), 66);
    view.deliveries[1].status = DELIVERY_QUEUED;
    view.deliveries[2].status = DELIVERY_DEAD;
    assert_int_equal(response_progress(&view), 33);
    job_view_release(&view);
    view.status = JOB_PENDING;
    assert_int_equal(response_progress(&view), 0);
    view.status = JOB_CANCELLED;
    assert_int_equal(response_progress(&view), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_completed_job_is_the_specifications_document),
        cmocka_unit_test(an_edited_replay_is_told_on_both_sides),
        cmocka_unit_test(what_has_no_value_yet_is_null),
        cmocka_unit_test(what_failed_is_among_the_errors),
        cmocka_unit_test(a_groups_member_is_named_beside_the_group),
        cmocka_unit_test(a_response_body_is_json_where_it_is_json),
        cmocka_unit_test(times_are_never_negative),
        cmocka_unit_test(progress_is_the_share_that_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
