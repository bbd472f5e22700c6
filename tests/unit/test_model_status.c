/*
 * States and outcomes: names, allowed transitions, a job's status from its deliveries, outcomes
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ceilings.h"
#include "outcome.h"
#include "status.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void every_status_has_a_name_that_leads_back(void **state)
{
    static const struct {
        const char *const *names;
        int count;
    } tables[] = {
        {delivery_status_names, DELIVERY_STATUS_COUNT},
        {job_status_names, JOB_STATUS_COUNT},
        {priority_names, PRIORITY_COUNT},
        {dead_reason_names, DEAD_REASON_COUNT},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(tables); i++) {
        for (int j = 0; j < tables[i].count; j++)
            assert_int_equal(status_index(tables[i].names, tables[i].names[j]), j);
        assert_null(tables[i].names[tables[i].count]);
        assert_int_equal(status_index(tables[i].names, "DEAD"), -1);
        assert_int_equal(status_index(tables[i].names, ""), -1);
        assert_int_equal(status_index(tables[i].names, NULL), -1);
    }
    assert_string_equal(delivery_status_names[DELIVERY_DEAD], "dead");
    assert_string_equal(job_status_names[JOB_PARTIAL], "partial");
    assert_string_equal(priority_names[PRIORITY_LOW], "low");
    assert_string_equal(dead_reason_names[DEAD_POISON], "poison");
}

/* Rows from, columns to: waiting queued delivered dead expired cancelled */
static void deliveries_move_only_along_the_table(void **state)
{
    static const char *const allowed[DELIVERY_STATUS_COUNT] = {
        [DELIVERY_WAITING] = ".xxxxx", [DELIVERY_QUEUED] = "x.xxxx",  [DELIVERY_DELIVERED] = "......",
        [DELIVERY_DEAD] = "x.x..x",    [DELIVERY_EXPIRED] = "..x...", [DELIVERY_CANCELLED] = "..x...",
    };
    (void)state;
    for (int from = 0; from < DELIVERY_STATUS_COUNT; from++) {
        for (int to = 0; to < DELIVERY_STATUS_COUNT; to++)
            assert_int_equal(delivery_status_may_become((enum delivery_status)from, (enum delivery_status)to),
                             allowed[from][to] == 'x');
        assert_int_equal(delivery_status_is_final((enum delivery_status)from),
                         from != DELIVERY_WAITING && from != DELIVERY_QUEUED);
    }
}

/* Rows from, columns to: pending routed completed partial failed expired cancelled */
static void jobs_move_only_along_the_table(void **state)
{
    static const char *const allowed[JOB_STATUS_COUNT] = {
        [JOB_PENDING] = ".x..xxx",   [JOB_ROUTED] = "..xxxxx", [JOB_COMPLETED] = ".......",
        [JOB_PARTIAL] = ".xx....",   [JOB_FAILED] = ".xxx.xx", [JOB_EXPIRED] = "..xx...",
        [JOB_CANCELLED] = "..xx...",
    };
    (void)state;
    for (int from = 0; from < JOB_STATUS_COUNT; from++) {
        for (int to = 0; to < JOB_STATUS_COUNT; to++)
            assert_int_equal(job_status_may_become((enum job_status)from, (enum job_status)to),
                             allowed[from][to] == 'x');
        assert_int_equal(job_status_is_final((enum job_status)from),
                         from != JOB_PENDING && from != JOB_ROUTED);
    }
}

static void the_response_speaks_the_words_of_the_specification(void **state)
{
    static const char *const words[DELIVERY_STATUS_COUNT] = {"pending", "pending", "success",
                                                             "failed",  "expired", "cancelled"};
    (void)state;
    for (int i = 0; i < DELIVERY_STATUS_COUNT; i++)
        assert_string_equal(delivery_status_response((enum delivery_status)i), words[i]);
}

static void a_job_is_what_its_deliveries_are(void **state)
{
    static const struct {
        struct delivery_counts counts;
        enum job_status status;
    } cases[] = {
        {{0}, JOB_PENDING},
        {{.total = 1, .open = 1}, JOB_ROUTED},
        {{.total = 3, .open = 1, .delivered = 1, .dead = 1}, JOB_ROUTED},
        {{.total = 2, .delivered = 2}, JOB_COMPLETED},
        {{.total = 2, .delivered = 1, .dead = 1}, JOB_PARTIAL},
        {{.total = 2, .delivered = 1, .cancelled = 1}, JOB_PARTIAL},
        {{.total = 3, .dead = 1, .expired = 1, .cancelled = 1}, JOB_FAILED},
        {{.total = 2, .expired = 1, .cancelled = 1}, JOB_EXPIRED},
        {{.total = 2, .cancelled = 2}, JOB_CANCELLED},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(job_status_from(&cases[i].counts), cases[i].status);
}

static void an_outcome_that_nobody_set_is_not_delivered(void **state)
{
    struct outcome outcome;
    (void)state;
    outcome_init(&outcome);
    assert_int_equal(outcome.kind, OUTCOME_DEFERRED);
    assert_int_equal(outcome.retry_after_ms, -1);
    assert_string_equal(outcome.text, "");
    assert_int_equal(outcome.response.max, LIMIT_RESPONSE);
    outcome_release(&outcome);
    outcome_release(NULL);
}

static void an_outcome_is_set_and_keeps_what_was_received(void **state)
{
    struct outcome outcome;
    (void)state;
    outcome_init(&outcome);
    buf_adds(&outcome.response, "busy");
    outcome.retry_after_ms = 5000;
    outcome_set(&outcome, OUTCOME_REJECTED, 410, "http_410", "%s said %d\n\x1b[31m", "host", 410);
    assert_int_equal(outcome.kind, OUTCOME_REJECTED);
    assert_int_equal(outcome.code, 410);
    assert_string_equal(outcome.reason, "http_410");
    assert_string_equal(outcome.text, "host said 410??[31m");
    assert_string_equal(outcome.response.data, "busy");
    assert_int_equal(outcome.retry_after_ms, 5000);
    assert_string_equal(outcome_kind_names[outcome.kind], "rejected");
    assert_null(outcome_kind_names[OUTCOME_REJECTED + 1]);
    outcome_release(&outcome);
}

static void a_long_text_is_cut_between_characters(void **state)
{
    struct outcome outcome;
    char text[1001] = "";
    (void)state;
    for (int i = 0; i < 500; i++)
        memcpy(text + 2 * i, "\xc3\xa9", 2);
    outcome_init(&outcome);
    outcome_set(&outcome, OUTCOME_DEFERRED, 0, "connect", "x%s", text);
    assert_int_equal(strlen(outcome.text), 499);
    outcome_set(&outcome, OUTCOME_DEFERRED, 0, "connect", "%s", text);
    assert_int_equal(strlen(outcome.text), 498);
    outcome_release(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_that_leads_back),
        cmocka_unit_test(deliveries_move_only_along_the_table),
        cmocka_unit_test(jobs_move_only_along_the_table),
        cmocka_unit_test(the_response_speaks_the_words_of_the_specification),
        cmocka_unit_test(a_job_is_what_its_deliveries_are),
        cmocka_unit_test(an_outcome_that_nobody_set_is_not_delivered),
        cmocka_unit_test(an_outcome_is_set_and_keeps_what_was_received),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
