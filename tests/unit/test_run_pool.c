/*
 * Pools: which destinations a worker serves
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "pool.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { PATTERNS = 4 };

static void a_worker_serves_what_its_patterns_say(void **state)
{
    static const struct {
        const char *patterns[PATTERNS];
        const char *destination;
        bool served;
    } cases[] = {
        {{NULL}, "anything", true},
        {{"hook"}, "hook", true},
        {{"hook"}, "hook-2", false},
        {{"hook"}, "Hook", false},
        {{"slow-*"}, "slow-1", true},
        {{"slow-*"}, "slow", false},
        {{"*"}, ".5", true},
        {{"eu-?"}, "eu-1", true},
        {{"eu-?"}, "eu-12", false},
        {{"eu-[12]"}, "eu-2", true},
        {{"eu-[!12]"}, "eu-2", false},
        {{"eu-[!12]"}, "eu-3", true},
        {{"a", "b*"}, "b1", true},
        {{"a", "b*"}, "c", false},
        {{"!slow-*"}, "slow-1", false},
        {{"!slow-*"}, "hook", true},
        {{"!slow-*", "!eu-1"}, "eu-1", false},
        {{"!slow-*", "!eu-1"}, "eu-2", true},
        {{"slow-*", "!slow-9"}, "slow-9", false},
        {{"!slow-9", "slow-*"}, "slow-9", false},
        {{"!slow-9", "slow-*"}, "slow-1", true},
        {{"!slow-9", "slow-*"}, "hook", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (pool_serves(cases[i].patterns, cases[i].destination) != cases[i].served)
            fail_msg("case %zu: '%s' and '%s'", i, cases[i].patterns[0], cases[i].destination);
    }
    assert_true(pool_serves(NULL, "hook"));
}

static void patterns_come_back_in_a_list_that_ends(void **state)
{
    static const char *const given[] = {"slow-*", "!eu-[12]", "[]]"};
    struct fault fault = {0};

    (void)state;
    const char **patterns = pool_new(given, COUNT(given), &fault);
    assert_non_null(patterns);
    for (size_t i = 0; i < COUNT(given); i++)
        assert_ptr_equal(patterns[i], given[i]);
    assert_null(patterns[COUNT(given)]);
    free(patterns);
    patterns = pool_new(NULL, 0, &fault);
    assert_null(patterns[0]);
    free(patterns);
}

static void a_pattern_that_matches_no_name_is_refused(void **state)
{
    static const char *const wrong[] = {"",     "!",  "a b", "a/b",      "a\\*", "x[",
                                        "x[12", "[]", "!x[", "\xc3\xa9", "{a,b}"};
    char too_long[202];

    (void)state;
    memset(too_long, 'a', sizeof too_long);
    too_long[sizeof too_long - 1] = '\0';
    for (size_t i = 0; i <= COUNT(wrong); i++) {
        const char *patterns[] = {"good", i < COUNT(wrong) ? wrong[i] : too_long};
        struct fault fault = {0};
        if (pool_new(patterns, COUNT(patterns), &fault))
            fail_msg("'%s' was taken", patterns[1]);
        assert_int_equal(fault.class, FAULT_USAGE);
        assert_non_null(strstr(fault.text, "--destination"));
    }
}

static void a_pattern_that_chooses_nothing_is_found(void **state)
{
    static const char form[] =
        "[{\"name\":\"slow-1\",\"protocol\":\"null\"},{\"name\":\"hook\",\"protocol\":\"null\"}]";
    struct catalog *catalog = catalog_new();

    (void)state;
    assert_int_equal(catalog_add(catalog, form, strlen(form), NULL, "test", NULL), 0);
    assert_null(pool_unmatched((const char *[]){NULL}, catalog));
    assert_null(pool_unmatched((const char *[]){"slow-*", "!hook", NULL}, catalog));
    assert_string_equal(pool_unmatched((const char *[]){"hook", "slwo-*", NULL}, catalog), "slwo-*");
    assert_string_equal(pool_unmatched((const char *[]){"!hok", NULL}, catalog), "!hok");
    catalog_free(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_serves_what_its_patterns_say),
        cmocka_unit_test(patterns_come_back_in_a_list_that_ends),
        cmocka_unit_test(a_pattern_that_chooses_nothing_is_found),
        cmocka_unit_test(a_pattern_that_matches_no_name_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
