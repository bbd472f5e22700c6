/*
 * Groups: the form of a policy, the order of each, what is left out and why, shares, and who moves when a
 * member goes
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "balance.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

/* A plan with the first weights, the others 1. */
static struct balance_plan plan_of(enum balance_policy policy, const int64_t *weights, size_t count)
{
    struct balance_plan plan = {.policy = policy};

    for (size_t i = 0; i < LIMIT_CANDIDATES; i++)
        plan.weights[i] = i < count ? weights[i] : 1;
    return plan;
}

/* Letters of the order: "bca". `unfit` has the letters that are left out, `load` the numbers in flight. */
static const char *order_of(struct balance *balance, const struct balance_plan *plan, size_t count,
                            const char *unfit, const uint64_t *load, const char *key)
{
    static char text[LIMIT_CANDIDATES + 1];
    struct balance_candidate candidates[LIMIT_CANDIDATES] = {0};
    struct balance_order order;
    size_t i;

    for (i = 0; i < count; i++) {
        candidates[i].name = names[i];
        candidates[i].unfit = strchr(unfit, *names[i]) ? "its breaker is open" : NULL;
        candidates[i].outstanding = load ? load[i] : 0;
    }
    balance_order(balance, plan, candidates, count, key, &order);
    assert_int_equal(order.count + order.dropped_count, count);
    for (i = 0; i < order.dropped_count; i++) {
        assert_ptr_equal(order.dropped[i].reason, candidates[order.dropped[i].place].unfit);
        assert_non_null(order.dropped[i].reason);
    }
    for (i = 0; i < order.count; i++)
        text[i] = *names[order.places[i]];
    text[i] = 0;
    return text;
}

/* Who comes first in so many orders, one letter each. */
static void expect_firsts(struct balance *balance, const struct balance_plan *plan, size_t count,
                          const char *unfit, const char *firsts)
{
    char found[100];
    size_t length = strlen(firsts);

    for (size_t i = 0; i < length; i++)
        found[i] = *order_of(balance, plan, count, unfit, NULL, NULL);
    found[length] = 0;
    assert_string_equal(found, firsts);
}

/* --- the form --- */

static int read_plan(const char *policy, const char *weights, const char *hash_on, struct balance_plan *plan,
                     struct fault *fault)
{
    static const char *const members[] = {"north", "south"};
    json_t *object = weights ? json_loads(weights, JSON_DECODE_ANY, NULL) : NULL;

    assert_true(!weights == !object);
    int status = balance_plan_read(policy, object, hash_on, members, COUNT(members), plan, fault);
    json_decref(object);
    return status;
}

static void a_plan_is_what_the_form_says(void **state)
{
    (void)state;
    struct balance_plan plan;

    assert_int_equal(read_plan(NULL, NULL, NULL, &plan, NULL), 0);
    assert_int_equal(plan.policy, BALANCE_FAILOVER);
    assert_int_equal(read_plan("weighted", "{\"south\":1000}", NULL, &plan, NULL), 0);
    assert_int_equal(plan.policy, BALANCE_WEIGHTED);
    assert_int_equal(plan.weights[0], 1);
    assert_int_equal(plan.weights[1], 1000);
    assert_int_equal(read_plan("consistent_hash", "{\"north\":2}", ".payload.customer", &plan, NULL), 0);
    assert_string_equal(plan.hash_on, ".payload.customer");
    for (size_t i = 0; i < BALANCE_POLICY_COUNT; i++) {
        const char *hash_on = i == BALANCE_CONSISTENT_HASH ? "." : NULL;
        assert_int_equal(read_plan(balance_policy_names[i], NULL, hash_on, &plan, NULL), 0);
        assert_int_equal(plan.policy, i);
    }
}

static void a_plan_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *weights, *hash_on, *text;
    } cases[] = {
        {"round-robin", NULL, NULL, "/policy: unknown policy 'round-robin'; did you mean 'round_robin'?"},
        {"best", NULL, NULL, "/policy: unknown policy 'best'"},
        {"round_robin", "{}", NULL,
         "/weights: the policy round_robin has no use for them; weighted, least_outstanding and "
         "consistent_hash "
         "have"},
        {NULL, "{\"north\":1}", NULL,
         "/weights: the policy failover has no use for them; weighted, least_outstanding and consistent_hash "
         "have"},
        {"weighted", "[1,2]", NULL, "/weights: an object of members and numbers is wanted"},
        {"weighted", "{\"nort\":1}", NULL,
         "/weights: 'nort' is no member of the group; did you mean 'north'?"},
        {"weighted", "{\"north\":0}", NULL, "/weights/north: a whole number from 1 to 1000 is wanted"},
        {"weighted", "{\"north\":1001}", NULL, "/weights/north: a whole number from 1 to 1000 is wanted"},
        {"weighted", "{\"north\":1.5}", NULL, "/weights/north: a whole number from 1 to 1000 is wanted"},
        {"weighted", NULL, ".", "/hash_on: it is for the policy consistent_hash alone"},
        {"consistent_hash", NULL, NULL, "'hash_on' is missing: the expression whose value decides"},
        {"consistent_hash", NULL, "", "/hash_on: an expression of 1 to 4096 bytes is wanted"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct balance_plan plan;
        struct fault fault = {0};
        assert_int_equal(read_plan(cases[i].policy, cases[i].weights, cases[i].hash_on, &plan, &fault), -1);
        assert_string_equal(fault.text, cases[i].text);
        assert_int_equal(fault.class, FAULT_INPUT);
    }
    const char *many[LIMIT_CANDIDATES + 1];
    struct balance_plan plan;
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = "x";
    assert_int_equal(balance_plan_read(NULL, NULL, NULL, many, COUNT(many), &plan, NULL), -1);
    assert_int_equal(balance_plan_read(NULL, NULL, NULL, many, COUNT(many) - 1, &plan, NULL), 0);
}

/* --- the orders --- */

static void failover_is_as_listed_without_the_unfit(void **state)
{
    (void)state;
    struct balance balance = {0};
    struct balance_plan plan = plan_of(BALANCE_FAILOVER, NULL, 0);

    for (int i = 0; i < 3; i++) {
        assert_string_equal(order_of(&balance, &plan, 4, "", NULL, NULL), "abcd");
        assert_string_equal(order_of(&balance, &plan, 4, "ac", NULL, "key"), "bd");
    }
}

static void nobody_is_chosen_where_all_are_unfit(void **state)
{
    (void)state;
    for (int policy = 0; policy < BALANCE_POLICY_COUNT; policy++) {
        struct balance balance = {0};
        struct balance_plan plan = plan_of((enum balance_policy)policy, NULL, 0);
        assert_string_equal(order_of(&balance, &plan, 3, "abc", NULL, "key"), "");
        assert_string_equal(order_of(&balance, &plan, 3, "abc", NULL, NULL), "");
        assert_string_equal(order_of(&balance, &plan, 0, "", NULL, "key"), "");
        assert_string_equal(order_of(&balance, &plan, 1, "", NULL, "key"), "a");
    }
}

static void round_robin_gives_each_a_turn(void **state)
{
    (void)state;
    struct balance balance = {0};
    struct balance_plan plan = plan_of(BALANCE_ROUND_ROBIN, NULL, 0);

    assert_string_equal(order_of(&balance, &plan, 3, "", NULL, NULL), "abc");
    assert_string_equal(order_of(&balance, &plan, 3, "", NULL, NULL), "bca");
    assert_string_equal(order_of(&balance, &plan, 3, "", NULL, NULL), "cab");
    expect_firsts(&balance, &plan, 3, "", "abcabc");
    expect_firsts(&balance, &plan, 3, "b", "acacac"); /* and not a c c, where c stands in for b */
    expect_firsts(&balance, &plan, 3, "", "abcabc");  /* b has saved nothing up */
}

static void a_copy_tells_what_comes_next(void **state)
{
    (void)state;
    struct balance balance = {0}, copy;
    struct balance_plan plan = plan_of(BALANCE_ROUND_ROBIN, NULL, 0);

    expect_firsts(&balance, &plan, 3, "", "a");
    copy = balance;
    expect_firsts(&copy, &plan, 3, "", "bc");
    expect_firsts(&balance, &plan, 3, "", "b");
}

static void weights_are_spread_evenly(void **state)
{
    (void)state;
    struct balance balance = {0};
    static const int64_t weights[] = {5, 1, 1};
    struct balance_plan plan = plan_of(BALANCE_WEIGHTED, weights, 3);

    expect_firsts(&balance, &plan, 3, "", "aabacaa");
    expect_firsts(&balance, &plan, 3, "", "aabacaa");
    expect_firsts(&balance, &plan, 3, "a", "bcbc");
    static const int64_t great[] = {1000, 1};
    struct balance other = {0};
    plan = plan_of(BALANCE_WEIGHTED, great, 2);
    size_t counts[2] = {0};
    for (int i = 0; i < 1001 * 3; i++)
        counts[*order_of(&other, &plan, 2, "", NULL, NULL) - 'a']++;
    assert_int_equal(counts[0], 3000);
    assert_int_equal(counts[1], 3);
}

static void the_least_busy_is_first(void **state)
{
    (void)state;
    struct balance balance = {0};
    struct balance_plan plan = plan_of(BALANCE_LEAST_OUTSTANDING, NULL, 0);

    assert_string_equal(order_of(&balance, &plan, 4, "", (const uint64_t[]){5, 0, 7, 2}, NULL), "bdac");
    assert_string_equal(order_of(&balance, &plan, 4, "b", (const uint64_t[]){5, 0, 7, 2}, NULL), "dac");
    expect_firsts(&balance, &plan, 3, "", "abcabc"); /* equals take turns */
    /* a and c are equal and take turns; b is busy, and has saved nothing up when it is idle again. */
    for (int i = 0; i < 4; i++)
        assert_int_equal(*order_of(&balance, &plan, 3, "", (const uint64_t[]){1, 9, 1}, NULL),
                         i % 2 ? 'c' : 'a');
    expect_firsts(&balance, &plan, 3, "", "abcabc");
    static const int64_t weights[] = {1, 4};
    plan = plan_of(BALANCE_LEAST_OUTSTANDING, weights, 2);
    assert_string_equal(order_of(&balance, &plan, 2, "", (const uint64_t[]){1, 6}, NULL), "ba");
    assert_string_equal(order_of(&balance, &plan, 2, "", (const uint64_t[]){1, 8}, NULL), "ab");
    assert_string_equal(
        order_of(&balance, &plan, 2, "", (const uint64_t[]){UINT64_MAX, UINT64_MAX - 1}, NULL), "ba");
}

/* --- consistent hash --- */

enum { KEYS = 20000 };

static const char *key_of(int i)
{
    static char key[20];
    snprintf(key, sizeof key, "customer-%d", i);
    return key;
}

static void a_key_has_its_member(void **state)
{
    (void)state;
    struct balance balance = {0}, other = {.credit = {5, -5, 3}};
    struct balance_plan plan = plan_of(BALANCE_CONSISTENT_HASH, NULL, 0);
    char first[LIMIT_CANDIDATES + 1];
    struct balance_order order;
    /* The place in the list says nothing: the name does. */
    static const struct balance_candidate turned[] = {
        {.name = "c"}, {.name = "a"}, {.name = "e"}, {.name = "b"}, {.name = "d"}};

    for (int i = 0; i < 100; i++) {
        snprintf(first, sizeof first, "%s", order_of(&balance, &plan, 5, "", NULL, key_of(i)));
        assert_string_equal(order_of(&other, &plan, 5, "", NULL, key_of(i)), first);
        balance_order(&balance, &plan, turned, COUNT(turned), key_of(i), &order);
        for (size_t k = 0; k < order.count; k++)
            assert_int_equal(*turned[order.places[k]].name, first[k]);
    }
    /* Whatever host asks, and whatever version: these have been so from the first. */
    assert_string_equal(order_of(&balance, &plan, 4, "", NULL, "customer-1"), "dacb");
    assert_string_equal(order_of(&balance, &plan, 4, "", NULL, ""), "cabd");
    expect_firsts(&balance, &plan, 3, "", "abcabc"); /* without a key */
}

static void members_get_their_shares_of_the_keys(void **state)
{
    (void)state;
    struct balance balance = {0};
    static const int64_t weights[] = {1, 2, 5};
    struct balance_plan plan = plan_of(BALANCE_CONSISTENT_HASH, NULL, 0);
    size_t counts[8] = {0};

    for (int i = 0; i < KEYS; i++)
        counts[*order_of(&balance, &plan, 8, "", NULL, key_of(i)) - 'a']++;
    for (size_t i = 0; i < 8; i++)
        assert_in_range(counts[i], KEYS / 8 * 93 / 100, KEYS / 8 * 107 / 100);
    memset(counts, 0, sizeof counts);
    plan = plan_of(BALANCE_CONSISTENT_HASH, weights, 3);
    for (int i = 0; i < KEYS; i++)
        counts[*order_of(&balance, &plan, 3, "", NULL, key_of(i)) - 'a']++;
    for (size_t i = 0; i < 3; i++)
        assert_in_range(counts[i], KEYS * weights[i] / 8 * 93 / 100, KEYS * weights[i] / 8 * 107 / 100);
}

/* When a member goes its own keys move, to whom they would have failed over, and no other's. */
static void few_keys_move_when_a_member_goes(void **state)
{
    (void)state;
    struct balance balance = {0};
    struct balance_plan plan = plan_of(BALANCE_CONSISTENT_HASH, NULL, 0);
    size_t moved = 0, to[8] = {0};

    for (int i = 0; i < KEYS; i++) {
        char before[LIMIT_CANDIDATES + 1];
        snprintf(before, sizeof before, "%s", order_of(&balance, &plan, 8, "", NULL, key_of(i)));
        char now = *order_of(&balance, &plan, 8, "c", NULL, key_of(i));
        assert_int_equal(now, before[0] == 'c' ? before[1] : before[0]);
        if (now != before[0]) {
            moved++;
            to[now - 'a']++;
        }
    }
    assert_in_range(moved, KEYS / 8 * 93 / 100, KEYS / 8 * 107 / 100); /* an eighth, which was its own */
    for (size_t i = 0; i < 8; i++) {
        if (i != 2)
            assert_in_range(to[i], moved / 7 * 80 / 100, moved / 7 * 120 / 100); /* spread over all others */
    }
}

/* And when one comes, it takes from all, and nothing moves between the others. */
static void who_comes_takes_its_share_from_all(void **state)
{
    (void)state;
    struct balance balance = {0};
    struct balance_plan plan = plan_of(BALANCE_CONSISTENT_HASH, NULL, 0);
    size_t moved = 0;

    for (int i = 0; i < KEYS; i++) {
        char before = *order_of(&balance, &plan, 7, "", NULL, key_of(i));
        char now = *order_of(&balance, &plan, 8, "", NULL, key_of(i));
        assert_true(now == before || now == 'h');
        moved += now != before;
    }
    assert_in_range(moved, KEYS / 8 * 93 / 100, KEYS / 8 * 107 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_what_the_form_says),
        cmocka_unit_test(a_plan_that_makes_no_sense_is_refused),
        cmocka_unit_test(failover_is_as_listed_without_the_unfit),
        cmocka_unit_test(nobody_is_chosen_where_all_are_unfit),
        cmocka_unit_test(round_robin_gives_each_a_turn),
        cmocka_unit_test(a_copy_tells_what_comes_next),
        cmocka_unit_test(weights_are_spread_evenly),
        cmocka_unit_test(the_least_busy_is_first),
        cmocka_unit_test(a_key_has_its_member),
        cmocka_unit_test(members_get_their_shares_of_the_keys),
        cmocka_unit_test(few_keys_move_when_a_member_goes),
        cmocka_unit_test(who_comes_takes_its_share_from_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
