/*
 * Retries: the delays of each policy, jitter, Retry-After, and a destination's own numbers
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "json.h"
#include "retry.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { HOUR_MS = 3600000, DAY_MS = 24 * HOUR_MS };

/* In the middle of its range the random number adds no jitter. */
static int64_t delay(const char *policy, int attempts_made)
{
    return retry_delay_ms(retry_policy_by_name(policy), attempts_made, -1, 0.5);
}

static void policies_are_found_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; retry_policy_names[i]; i++)
        assert_string_equal(retry_policy_by_name(retry_policy_names[i])->name, retry_policy_names[i]);
    assert_null(retry_policy_by_name("exponential"));
    assert_null(retry_policy_by_name(NULL));
}

static void the_delays_are_those_of_the_specifications(void **state)
{
    static const int64_t exponential[] = {0, 1000, 2000, 4000, 8000, 16000, -1, -1};
    static const int64_t webhooks[] = {0,           5000,         300000,       1800000,      2 * HOUR_MS,
                                       5 * HOUR_MS, 10 * HOUR_MS, 14 * HOUR_MS, 20 * HOUR_MS, 24 * HOUR_MS,
                                       -1};
    (void)state;
    for (int i = 0; i < (int)COUNT(exponential); i++)
        assert_int_equal(delay("exponential_backoff", i), exponential[i]);
    for (int i = 0; i < (int)COUNT(webhooks); i++)
        assert_int_equal(delay("standard_webhooks", i), webhooks[i]);
    assert_int_equal(delay("none", 0), 0);
    assert_int_equal(delay("none", 1), -1);
}

static void jitter_stays_within_a_fifth(void **state)
{
    const struct retry_policy *policy = retry_policy_by_name("exponential_backoff");
    (void)state;
    assert_int_equal(retry_delay_ms(policy, 4, -1, 0), 6400);
    assert_int_equal(retry_delay_ms(policy, 4, -1, 0.25), 7200);
    assert_int_equal(retry_delay_ms(policy, 4, -1, 0.9999999), 9600);
}

static void what_the_destination_asks_for_is_waited_up_to_a_day(void **state)
{
    const struct retry_policy *policy = retry_policy_by_name("exponential_backoff");
    (void)state;
    assert_int_equal(retry_delay_ms(policy, 1, 0, 0.5), 1000);
    assert_int_equal(retry_delay_ms(policy, 1, 999, 0.5), 1000);
    assert_int_equal(retry_delay_ms(policy, 1, 60000, 0.5), 60000);
    assert_int_equal(retry_delay_ms(policy, 1, DAY_MS, 0.5), DAY_MS);
    assert_int_equal(retry_delay_ms(policy, 1, DAY_MS + 1, 0.5), DAY_MS);
    assert_int_equal(retry_delay_ms(policy, 1, INT64_MAX, 0.5), DAY_MS);
    assert_int_equal(retry_delay_ms(policy, 0, 5000, 0.5), 5000);
    assert_int_equal(retry_delay_ms(policy, 6, 60000, 0.5), -1);
}

static void a_thousand_attempts_overflow_nothing(void **state)
{
    struct retry_policy policy = *retry_policy_by_name("exponential_backoff");
    (void)state;
    policy.max_attempts = 1000;
    policy.multiplier = 100;
    policy.max_backoff_ms = 7 * (int64_t)DAY_MS;
    for (int i = 6; i < 1000; i++)
        assert_int_equal(retry_delay_ms(&policy, i, -1, 0.5), 7 * (int64_t)DAY_MS);
    assert_int_equal(retry_delay_ms(&policy, 1000, -1, 0.5), -1);
    policy.multiplier = 1;
    assert_int_equal(retry_delay_ms(&policy, 999, -1, 0.5), 1000);
    policy = *retry_policy_by_name("standard_webhooks");
    policy.max_attempts = 1000;
    assert_int_equal(retry_delay_ms(&policy, 999, -1, 0.5), DAY_MS);
}

static int refine(const char *base, const char *form_text, struct retry_policy *policy, struct fault *fault)
{
    json_t *form = form_text ? json_read(form_text, strlen(form_text), NULL) : NULL;
    int result = retry_policy_refine(retry_policy_by_name(base), form, "/retry_policy", policy, fault);
    json_decref(form);
    return result;
}

static void a_destination_refines_the_policy(void **state)
{
    static const struct {
        const char *base, *form, *name;
        int max_attempts;
        int64_t second_ms, fourth_ms; /* delays after two and after four attempts */
    } cases[] = {
        {"exponential_backoff", NULL, "exponential_backoff", 6, 2000, 8000},
        {"exponential_backoff", "null", "exponential_backoff", 6, 2000, 8000},
        {"exponential_backoff", "{}", "exponential_backoff", 6, 2000, 8000},
        {"exponential_backoff", "{\"max_attempts\":3,\"backoff_multiplier\":2.0,\"max_backoff\":60}",
         "exponential_backoff", 3, 2000, -1},
        {"exponential_backoff", "{\"backoff_multiplier\":10,\"max_backoff\":\"1m\"}", "exponential_backoff",
         6, 10000, 60000},
        {"exponential_backoff", "{\"max_backoff\":0.5}", "exponential_backoff", 6, 500, 500},
        {"exponential_backoff", "\"none\"", "none", 1, -1, -1},
        {"none", "\"standard_webhooks\"", "standard_webhooks", 10, 300000, 2 * HOUR_MS},
        {"exponential_backoff", "{\"policy\":\"standard_webhooks\",\"max_backoff\":\"1h\"}",
         "standard_webhooks", 10, 300000, HOUR_MS},
        {"standard_webhooks", "{\"backoff_multiplier\":3,\"max_attempts\":4}", "standard_webhooks", 4, 300000,
         -1},
        {"none", "{\"max_attempts\":9,\"max_backoff\":9}", "none", 1, -1, -1},
        {"none", "{\"policy\":\"exponential_backoff\"}", "exponential_backoff", 6, 2000, 8000},
        {"exponential_backoff", "{\"policy\":\"none\",\"max_attempts\":1}", "none", 1, -1, -1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct retry_policy policy;
        struct fault fault = {0};
        if (refine(cases[i].base, cases[i].form, &policy, &fault))
            fail_msg("%s: %s", cases[i].form, fault.text);
        assert_string_equal(policy.name, cases[i].name);
        assert_int_equal(policy.max_attempts, cases[i].max_attempts);
        assert_int_equal(retry_delay_ms(&policy, 2, -1, 0.5), cases[i].second_ms);
        assert_int_equal(retry_delay_ms(&policy, 4, -1, 0.5), cases[i].fourth_ms);
    }
}

static void wrong_refinements_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"5", "/retry_policy: an object is wanted"},
        {"\"often\"", "/retry_policy: \"exponential_backoff\", \"standard_webhooks\" or \"none\" is wanted"},
        {"{\"max_attempt\":3}", "/retry_policy: unknown member 'max_attempt'; did you mean 'max_attempts'?"},
        {"{\"max_attempts\":0}",
         "/retry_policy/max_attempts: a whole number from 1 to 1000 is wanted, not 0"},
        {"{\"max_attempts\":\"3\"}",
         "/retry_policy/max_attempts: a whole number from 1 to 1000 is wanted, not \"3\""},
        {"{\"backoff_multiplier\":0.9}",
         "/retry_policy/backoff_multiplier: a number from 1 to 100 is wanted, not 0.9"},
        {"{\"max_backoff\":0}",
         "/retry_policy/max_backoff: a number of seconds or a duration as \"1m30s\" from "
         "100ms to 7d is wanted, not 0"},
        {"{\"policy\":\"none\",\"max_attempts\":2}",
         "/retry_policy: the policy \"none\" makes one attempt; leave the others out"},
        {"{\"policy\":\"standard_webhooks\",\"backoff_multiplier\":2}",
         "/retry_policy/backoff_multiplier: the policy \"standard_webhooks\" has a schedule and no "
         "multiplier"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct retry_policy policy;
        struct fault fault = {0};
        assert_int_equal(refine("exponential_backoff", cases[i][0], &policy, &fault), -1);
        assert_string_equal(fault.text, cases[i][1]);
        assert_int_equal(fault.class, FAULT_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_are_found_by_name),
        cmocka_unit_test(the_delays_are_those_of_the_specifications),
        cmocka_unit_test(jitter_stays_within_a_fifth),
        cmocka_unit_test(what_the_destination_asks_for_is_waited_up_to_a_day),
        cmocka_unit_test(a_thousand_attempts_overflow_nothing),
        cmocka_unit_test(a_destination_refines_the_policy),
        cmocka_unit_test(wrong_refinements_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
