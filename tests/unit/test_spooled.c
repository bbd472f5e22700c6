/*
 * test_spooled - files of the spool, and the keys of once_per
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "once.h"
#include "spooled.h"
#include "text.h"
#include "xalloc.h"

static const int64_t now_us = INT64_C(1705312800123000); /* 2024-01-15T10:00:00.123Z */

static struct job *make(const char *document)
{
    struct job_defaults defaults = {.tenant_id = "acme", .data_type = "report"};
    struct fault fault = {0};
    struct job *job = NULL;

    if (job_from_request(document, strlen(document), NULL, &defaults, now_us, &job, &fault))
        fail_msg("%s: %s", document, fault.text);
    return job;
}

static void write_of(struct job *job, struct buf *out)
{
    struct fault fault = {0};

    buf_init(out, LIMIT_SPOOLED(job->body_size));
    if (spooled_write(job, out, &fault))
        fail_msg("%s", fault.text);
}

static void assert_same_text(const char *left, const char *right)
{
    if (!left || !right)
        assert_ptr_equal(left, right);
    else
        assert_string_equal(left, right);
}

static void check_round_trip(struct job *job)
{
    struct fault fault = {0};
    struct job *back;
    struct buf text;

    job_fix_times(job);
    write_of(job, &text);
    if (spooled_read(text.data, text.len, &back, &fault))
        fail_msg("%s", fault.text);
    assert_string_equal(back->id, job->id);
    assert_string_equal(back->distribution_id, job->distribution_id);
    assert_int_equal(back->own_id, job->own_id);
    assert_string_equal(back->tenant_id, job->tenant_id);
    assert_string_equal(back->data_type, job->data_type);
    assert_int_equal(back->priority, job->priority);
    assert_string_equal(back->content_type, job->content_type);
    assert_int_equal(back->body_size, job->body_size);
    assert_memory_equal(back->body, job->body, job->body_size + 1);
    assert_true(json_equal(back->destinations, job->destinations));
    assert_true(json_equal(back->metadata, job->metadata));
    assert_same_text(back->callback_url, job->callback_url);
    assert_true(!job->callback_headers || json_equal(back->callback_headers, job->callback_headers));
    assert_same_text(back->idempotency_key, job->idempotency_key);
    assert_same_text(back->once_per, job->once_per);
    assert_same_text(back->supersede_key, job->supersede_key);
    assert_same_text(back->retry_policy, job->retry_policy);
    assert_int_equal(back->submitted_at_us, job->submitted_at_us);
    assert_int_equal(back->requested_at_us, job->requested_at_us);
    assert_int_equal(back->scheduled_at_us, job->scheduled_at_us);
    assert_int_equal(back->expires_at_us, job->expires_at_us);
    buf_release(&text);
    job_unref(back);
    job_unref(job);
}

static void a_spooled_job_comes_back_as_it_was(void **state)
{
    struct job *job;

    (void)state;
    check_round_trip(make("{\"payload\":{\"n\":1.10},\"destinations\":[\"a\"]}"));
    job = make("{\"distribution_id\":\"mine\",\"payload_base64\":\"AAoA/w==\",\"content_type\":\"x/y\","
               "\"priority\":\"high\",\"timestamp\":\"2024-01-15T09:00:00Z\",\"metadata\":{\"k\":[1]},"
               "\"destinations\":[\"b\",{\"name\":\"a\",\"protocol\":\"REST\",\"endpoint\":\"http://x/\"}],"
               "\"callback\":{\"url\":\"http://cb/\",\"headers\":{\"h\":\"\\u00fc\"}},"
               "\"options\":{\"retry_policy\":\"none\",\"once_per\":\"week\",\"supersede\":\"s\","
               "\"delay\":60,\"timeout\":30}}");
    once_key(job, now_us);
    assert_non_null(job->idempotency_key);
    check_round_trip(job);
}

static void what_is_no_whole_spooled_job_is_refused(void **state)
{
    struct job *job = make("{\"payload\":\"abc\",\"destinations\":[\"a\"]}"), *back = NULL;
    struct fault fault;
    struct buf text;

    (void)state;
    write_of(job, &text);
    for (size_t size = 0; size < text.len; size++) {
        fault_clear(&fault);
        assert_int_equal(spooled_read(text.data, size, &back, &fault), -1);
        assert_int_equal(fault.class, FAULT_INPUT);
    }
    assert_string_equal(fault.text, "/size: 5 bytes are wanted, 4 are there");
    memcpy(strstr(text.data, "\"spooled\""), "\"sp00led\"", 9);
    assert_int_equal(spooled_read(text.data, text.len, &back, &fault), -1);
    assert_string_equal(fault.text, "this is no spooled distribution of version 1");
    buf_release(&text);
    job_unref(job);
}

static void names_that_a_request_could_not_have_are_refused(void **state)
{
    static const struct {
        const char *was, *is, *wanted;
    } cases[] = {
        {"\"acme\"", "\"a me\"", "/tenant_id: 'a me' is not a name"},
        {"\"report\"", "\"repo/t\"", "/data_type: 'repo/t' is not a name"},
        {"\"mine\"", "\"mi.e\"", "/distribution_id: 'mi.e' is not"},
        {"\"id\":\"0", "\"id\":\"x", "/id: a UUID is wanted"},
        {"\"key\"", "\"k\\n\"", "/idempotency_key: a control character"},
    };
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job *job = make("{\"distribution_id\":\"mine\",\"payload\":1,\"destinations\":[\"a\"],"
                               "\"options\":{\"idempotency_key\":\"key\"}}");
        struct job *back;
        struct buf text;

        write_of(job, &text);
        assert_int_equal(strlen(cases[i].was), strlen(cases[i].is));
        memcpy(strstr(text.data, cases[i].was), cases[i].is, strlen(cases[i].is));
        fault_clear(&fault);
        assert_int_equal(spooled_read(text.data, text.len, &back, &fault), -1);
        if (!text_starts_with(fault.text, cases[i].wanted))
            fail_msg("%s", fault.text);
        buf_release(&text);
        job_unref(job);
    }
}

/* The key that a job of these destinations gets. */
static char *key_of(const char *destinations, const char *period, const char *body, int64_t at_us)
{
    char *document = xasprintf("{\"payload\":%s,\"destinations\":%s,\"options\":{\"once_per\":\"%s\"}}", body,
                               destinations, period);
    struct job *job = make(document);
    char *key;

    once_key(job, at_us);
    key = xstrdup(job->idempotency_key);
    assert_true(strlen(key) <= LIMIT_IDEMPOTENCY_KEY);
    job_unref(job);
    free(document);
    return key;
}

static void check_keys(char *left, char *right, bool same)
{
    assert_int_equal(!strcmp(left, right), same);
    free(left);
    free(right);
}

static void the_key_is_of_period_type_and_destinations(void **state)
{
    const int64_t hour_us = INT64_C(3600000000);
    char *key;

    (void)state;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    key = key_of("[\"a\"]", "day", "1", now_us);
    assert_true(text_starts_with(key, "once-per-day:2024-01-15:report:"));
    free(key);
    check_keys(key_of("[\"a\",\"b\"]", "day", "1", now_us),
               key_of("[\"b\",\"a\"]", "day", "2", now_us + hour_us), true);
    check_keys(key_of("[\"a\",\"b\"]", "day", "1", now_us), key_of("[\"ab\"]", "day", "1", now_us), false);
    check_keys(key_of("[\"a\"]", "hour", "1", now_us), key_of("[\"a\"]", "hour", "1", now_us + hour_us),
               false);
    check_keys(key_of("[\"a\"]", "day", "1", now_us), key_of("[\"a\"]", "month", "1", now_us), false);
}

static void a_key_that_was_given_stays(void **state)
{
    struct job *job =
        make("{\"payload\":1,\"destinations\":[\"a\"],\"options\":{\"idempotency_key\":\"k\"}}");

    (void)state;
    once_key(job, now_us);
    assert_string_equal(job->idempotency_key, "k");
    assert_int_equal(once_reach_ms(job), 0);
    job->once_per = xstrdup("hour"); /* as in a spool, where the key was made at the submission */
    once_key(job, now_us);
    assert_string_equal(job->idempotency_key, "k");
    assert_true(once_reach_ms(job) > 3600 * 1000);
    job_unref(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spooled_job_comes_back_as_it_was),
        cmocka_unit_test(what_is_no_whole_spooled_job_is_refused),
        cmocka_unit_test(names_that_a_request_could_not_have_are_refused),
        cmocka_unit_test(the_key_is_of_period_type_and_destinations),
        cmocka_unit_test(a_key_that_was_given_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
