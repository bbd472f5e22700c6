/*
 * Turns: fair among tenants, 8:3:1 among priorities, nothing saved up, within the rooms
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "share.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { PLENTY = 1000000 };

static int setup(void **state)
{
    static struct share share;

    share_init(&share);
    *state = &share;
    return 0;
}

static int teardown(void **state)
{
    share_release(*state);
    return 0;
}

static struct share_lane lane(const char *name, size_t unread)
{
    return (struct share_lane){.name = name, .unread = unread, .want = 12345};
}

/* sums[i] gets what lane i was given. */
static void plan_on(struct share *share, struct share_lane *lanes, size_t count, size_t total, size_t plans,
                    size_t *sums)
{
    for (size_t plan = 0; plan < plans; plan++) {
        size_t given = share_plan(share, lanes, count, total), sum = 0;

        for (size_t i = 0; i < count; i++) {
            sum += lanes[i].want;
            sums[i] += lanes[i].want;
        }
        assert_int_equal(given, sum);
    }
}

/* --- tenants --- */

static void tenants_get_the_same_however_many_lanes_they_have(void **state)
{
    enum { LANES = 100 };
    struct share_lane lanes[LANES + 1];
    char names[LANES][40];
    size_t sums[LANES + 1] = {0}, flood = 0;

    for (size_t i = 0; i < LANES; i++) {
        snprintf(names[i], sizeof names[i], "web%zu:flood:high", i);
        lanes[i] = lane(names[i], PLENTY);
    }
    lanes[LANES] = lane("web0:small:low", PLENTY);
    plan_on(*state, lanes, LANES + 1, 10, 100, sums);
    for (size_t i = 0; i < LANES; i++) {
        flood += sums[i];
        assert_in_range(sums[i], 4, 6); /* its own lanes share fairly, too */
    }
    assert_int_equal(flood, 500);
    assert_int_equal(sums[LANES], 500);
}

/* What one leaves is taken by the others. */
static void what_a_tenant_does_not_need_is_given_to_the_others(void **state)
{
    struct share_lane lanes[] = {lane("w:a:normal", 3), lane("w:b:normal", PLENTY),
                                 lane("w:c:normal", PLENTY), lane("w:d:normal", 0)};
    size_t sums[COUNT(lanes)] = {0};

    plan_on(*state, lanes, COUNT(lanes), 23, 1, sums);
    assert_int_equal(sums[0], 3);
    assert_int_equal(sums[1], 10);
    assert_int_equal(sums[2], 10);
    assert_int_equal(sums[3], 0);
}

static void plans_of_one_entry_are_fair_too(void **state)
{
    struct share_lane lanes[] = {lane("w:a:high", PLENTY), lane("v:a:high", PLENTY), lane("w:b:low", PLENTY),
                                 lane("w:c:normal", PLENTY)};
    size_t sums[COUNT(lanes)] = {0};

    plan_on(*state, lanes, COUNT(lanes), 1, 600, sums);
    assert_int_equal(sums[0], 100);
    assert_int_equal(sums[1], 100);
    assert_int_equal(sums[2], 200);
    assert_int_equal(sums[3], 200);
}

/* One was alone for long; who comes then gets half from the first plan on, and no more than half. */
static void who_comes_late_gets_its_share_at_once_and_not_more(void **state)
{
    struct share_lane lanes[] = {lane("w:old:normal", PLENTY), lane("w:new:normal", PLENTY)};
    size_t sums[2] = {0};

    plan_on(*state, lanes, 1, 1000, 10, sums);
    assert_int_equal(sums[0], 10000);
    for (int i = 0; i < 5; i++) {
        size_t now[2] = {0};
        plan_on(*state, lanes, 2, 100, 1, now);
        assert_in_range(now[1], 49, 51);
    }
    /* It goes, and comes back: nothing was saved up. */
    plan_on(*state, lanes, 1, 1000, 10, sums);
    size_t back[2] = {0};
    plan_on(*state, lanes, 2, 100, 1, back);
    assert_in_range(back[1], 49, 51);
}

/* The same where it is there all the time, but empty, or without room. */
static void who_could_not_take_saves_nothing_up(void **state)
{
    size_t room = 0;
    struct share_lane lanes[] = {lane("w:a:normal", PLENTY), lane("x:b:normal", PLENTY),
                                 lane("w:c:normal", 0)};
    size_t sums[3] = {0}, after[3] = {0};

    lanes[1].room = &room;
    plan_on(*state, lanes, 3, 100, 20, sums);
    assert_int_equal(sums[0], 2000);
    assert_int_equal(sums[1], 0);
    room = PLENTY;
    lanes[2].unread = PLENTY;
    plan_on(*state, lanes, 3, 300, 1, after);
    for (size_t i = 0; i < 3; i++)
        assert_in_range(after[i], 99, 101);
}

/* A tenant whose lanes come and go with every plan gets no more than half by that. */
static void coming_and_going_pays_nothing(void **state)
{
    struct share_lane both[] = {lane("w:steady:normal", PLENTY), lane("w:hopper:normal", PLENTY)};
    size_t sums[2] = {0};

    for (int i = 0; i < 100; i++) {
        plan_on(*state, both, 2, 2, 1, sums);
        plan_on(*state, both, 1, 1, 1, sums);
    }
    assert_in_range(sums[1], 99, 151);
    assert_int_equal(sums[0] + sums[1], 300);
}

/* One entry at a time, each new when the one before is done and forgotten: those who stay have their turns.
 */
static void a_trickle_does_not_starve_what_waits(void **state)
{
    struct share_lane lanes[] = {lane("w:trickle:low", 1), lane("w:waits:low", PLENTY)};
    size_t sums[2] = {0}, own[2] = {0};

    for (int i = 0; i < 100; i++) {
        plan_on(*state, lanes, 2, 1, 1, sums);
        assert_int_equal(share_plan(*state, &lanes[1], 1, 0), 0); /* nothing is free now */
    }
    assert_in_range(sums[0], 49, 51);
    /* The same between two lanes of one tenant: a trickle of low is an eighth of high. */
    lanes[0] = lane("w:a:low", 1);
    lanes[1] = lane("w:a:high", PLENTY);
    for (int i = 0; i < 900; i++) {
        plan_on(*state, lanes, 2, 1, 1, own);
        assert_int_equal(share_plan(*state, &lanes[1], 1, 0), 0);
    }
    assert_in_range(own[0], 98, 102);
}

/* --- priorities --- */

static void priorities_get_eight_three_and_one(void **state)
{
    struct share_lane lanes[] = {lane("w:a:low", PLENTY), lane("w:a:normal", PLENTY),
                                 lane("w:a:high", PLENTY)};
    static const size_t totals[] = {1, 5, 12, 1000};

    for (size_t i = 0; i < COUNT(totals); i++) {
        size_t sums[3] = {0}, plans = 12000 / totals[i];
        plan_on(*state, lanes, 3, totals[i], plans, sums);
        assert_in_range(sums[0], 998, 1002);
        assert_in_range(sums[1], 2998, 3002);
        assert_in_range(sums[2], 7998, 8002);
    }
}

static void low_gets_its_part_in_every_dozen(void **state)
{
    struct share_lane lanes[] = {lane("w:a:high", PLENTY), lane("w:a:normal", PLENTY),
                                 lane("w:a:low", PLENTY)};

    for (int i = 0; i < 100; i++) {
        size_t sums[3] = {0};
        plan_on(*state, lanes, 3, 13, 1, sums);
        assert_in_range(sums[2], 1, 2);
    }
}

/* A priority of one tenant takes nothing from another tenant. */
static void priorities_count_within_a_tenant(void **state)
{
    struct share_lane lanes[] = {lane("w:a:high", PLENTY), lane("w:b:low", PLENTY)};
    size_t sums[2] = {0};

    plan_on(*state, lanes, 2, 100, 1, sums);
    assert_int_equal(sums[0], 50);
    assert_int_equal(sums[1], 50);
}

static void what_waited_long_counts_for_more(void **state)
{
    static const struct {
        int64_t oldest_ms;
        size_t low, of;
    } cases[] = {
        {SHARE_AGE_MS - 1, 1000, 9000},      /* 1 to 8 */
        {SHARE_AGE_MS, 3000, 11000},         /* as normal: 3 to 8 */
        {2 * SHARE_AGE_MS, 5000, 10000},     /* as high */
        {200LL * SHARE_AGE_MS, 5000, 10000}, /* there is nothing above */
    };
    struct share_lane lanes[] = {lane("w:a:high", PLENTY), lane("w:a:low", PLENTY)};

    lanes[0].oldest_ms = INT64_C(1) << 40; /* high is high, however old */
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t sums[2] = {0};
        lanes[1].oldest_ms = cases[i].oldest_ms;
        plan_on(*state, lanes, 2, 100, cases[i].of / 100, sums);
        assert_in_range(sums[1], cases[i].low - 2, cases[i].low + 2);
    }
    size_t sums[2] = {0};
    lanes[1] = lane("w:a:normal", PLENTY);
    lanes[1].oldest_ms = SHARE_AGE_MS;
    plan_on(*state, lanes, 2, 100, 100, sums);
    assert_in_range(sums[1], 4998, 5002);
}

static void a_lane_that_was_empty_saves_nothing_up(void **state)
{
    struct share_lane lanes[] = {lane("w:a:high", PLENTY), lane("w:a:low", 0)};
    size_t sums[2] = {0}, after[2] = {0};

    plan_on(*state, lanes, 2, 900, 10, sums);
    assert_int_equal(sums[0], 9000);
    lanes[1].unread = PLENTY;
    plan_on(*state, lanes, 2, 90, 1, after);
    assert_in_range(after[1], 9, 11);
}

/* --- rooms --- */

static void rooms_are_shared_and_never_passed(void **state)
{
    size_t web = 7, mail = 100, acme = 20, other = 4;
    struct share_lane lanes[] = {lane("web:acme:high", PLENTY), lane("web:other:low", PLENTY),
                                 lane("mail:acme:low", PLENTY), lane("mail:other:high", PLENTY)};
    size_t sums[4] = {0};

    lanes[0].room = lanes[1].room = &web;
    lanes[2].room = lanes[3].room = &mail;
    lanes[0].tenant_room = lanes[2].tenant_room = &acme;
    lanes[1].tenant_room = lanes[3].tenant_room = &other;
    plan_on(*state, lanes, 4, PLENTY, 1, sums);
    assert_int_equal(sums[0] + sums[1], 7);
    assert_int_equal(sums[0] + sums[2], 20);
    assert_int_equal(sums[1] + sums[3], 4);
    assert_int_equal(web, 0);
    assert_int_equal(mail, 100 - sums[2] - sums[3]);
    assert_int_equal(acme, 0);
    assert_int_equal(other, 0);
    plan_on(*state, lanes, 4, PLENTY, 1, sums);
    assert_int_equal(sums[0] + sums[1] + sums[2] + sums[3], 24);
}

/* A destination with little room is shared fairly by the tenants, whoever is more. */
static void a_narrow_destination_is_shared_by_the_tenants(void **state)
{
    struct share_lane lanes[] = {lane("web:flood:high", PLENTY), lane("web:flood:normal", PLENTY),
                                 lane("web:small:normal", PLENTY)};
    size_t sums[3] = {0};

    for (int i = 0; i < 100; i++) {
        size_t room = 4;
        for (size_t k = 0; k < 3; k++)
            lanes[k].room = &room;
        plan_on(*state, lanes, 3, 100, 1, sums);
        assert_int_equal(room, 0);
    }
    assert_int_equal(sums[2], 200);
}

static void no_more_than_there_is_and_no_more_than_the_total(void **state)
{
    struct share_lane lanes[] = {lane("w:a:high", 2), lane("w:a:low", 3), lane("w:b:high", 0)};

    assert_int_equal(share_plan(*state, lanes, 3, 0), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(lanes[i].want, 0); /* what stood there before is gone */
    assert_int_equal(share_plan(*state, lanes, 3, 100), 5);
    assert_int_equal(lanes[0].want, 2);
    assert_int_equal(lanes[1].want, 3);
    assert_int_equal(lanes[2].want, 0);
    assert_int_equal(share_plan(*state, lanes, 3, 4), 4);
    assert_int_equal(share_plan(*state, NULL, 0, 100), 0);
}

/* Partitions have lanes of the same name: they are one lane with two ends. */
static void lanes_of_one_name_share_a_turn(void **state)
{
    struct share_lane lanes[] = {lane("w:a:high", PLENTY), lane("w:a:high", PLENTY),
                                 lane("w:a:normal", PLENTY)};
    size_t sums[3] = {0};

    plan_on(*state, lanes, 3, 110, 100, sums);
    assert_in_range(sums[0] + sums[1], 7998, 8002);
    assert_in_range(sums[2], 2998, 3002);
}

/* What is remembered is that of the last plan: lanes that requests invent do not pile up. */
static void lanes_that_are_gone_are_forgotten(void **state)
{
    struct share *share = *state;
    char name[40];

    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "w@%d:t%d:low", i, i);
        struct share_lane one = lane(name, 5);
        assert_int_equal(share_plan(share, &one, 1, 3), 3);
    }
    assert_int_equal(share->lanes.count, 1);
    assert_int_equal(share->tenants.count, 1);
    for (int i = 0; i < 5000; i++) { /* of one tenant, each ahead of its clock */
        snprintf(name, sizeof name, "w@%d:acme:low", i);
        struct share_lane one = lane(name, 5);
        assert_int_equal(share_plan(share, &one, 1, 1), 1);
    }
    assert_in_range(share->lanes.count, 1, 1001);
    assert_int_equal(share->tenants.count, 1);
}

/* --- names --- */

static void names_of_lanes_tell_tenant_and_priority(void **state)
{
    static const struct {
        const char *lane, *tenant;
        enum priority priority;
    } cases[] = {
        {"acme:high", "acme", PRIORITY_HIGH},
        {"acme:low", "acme", PRIORITY_LOW},
        {"web:acme:normal", "acme", PRIORITY_NORMAL},
        {"web@0123456789ab:acme:low", "acme", PRIORITY_LOW},
        {"callback@0123456789ab:acme:high", "acme", PRIORITY_HIGH},
        {"web:acme:urgent", "acme", PRIORITY_NORMAL}, /* no word of ours */
        {"web:acme:", "acme", PRIORITY_NORMAL},
        {"web::low", "", PRIORITY_LOW},
        {":high", "", PRIORITY_HIGH},
        {"acme", "acme", PRIORITY_NORMAL},
        {"", "", PRIORITY_NORMAL},
        {":", "", PRIORITY_NORMAL},
        {"a:b:c:d:low", "d", PRIORITY_LOW},
        {"w\xc3\xa9 b:t n:low", "t n", PRIORITY_LOW},
    };
    (void)state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        enum priority priority = PRIORITY_COUNT;
        char *tenant = share_tenant(cases[i].lane, &priority);
        assert_string_equal(tenant, cases[i].tenant);
        assert_int_equal(priority, cases[i].priority);
        free(tenant);
    }
}

static void lanes_with_odd_names_have_their_turn(void **state)
{
    struct share_lane lanes[] = {lane("", PLENTY), lane("no colon", PLENTY), lane("w:a:urgent", PLENTY),
                                 lane("w:a:high", PLENTY)};
    size_t sums[4] = {0};

    plan_on(*state, lanes, 4, 33, 100, sums);
    assert_in_range(sums[0], 1099, 1101);
    assert_in_range(sums[1], 1099, 1101);
    assert_in_range(sums[2], 298, 302); /* as normal */
    assert_in_range(sums[3], 798, 802);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(tenants_get_the_same_however_many_lanes_they_have),
        test(what_a_tenant_does_not_need_is_given_to_the_others),
        test(plans_of_one_entry_are_fair_too),
        test(who_comes_late_gets_its_share_at_once_and_not_more),
        test(who_could_not_take_saves_nothing_up),
        test(coming_and_going_pays_nothing),
        test(a_trickle_does_not_starve_what_waits),
        test(priorities_get_eight_three_and_one),
        test(low_gets_its_part_in_every_dozen),
        test(priorities_count_within_a_tenant),
        test(what_waited_long_counts_for_more),
        test(a_lane_that_was_empty_saves_nothing_up),
        test(rooms_are_shared_and_never_passed),
        test(a_narrow_destination_is_shared_by_the_tenants),
        test(no_more_than_there_is_and_no_more_than_the_total),
        test(lanes_of_one_name_share_a_turn),
        test(lanes_that_are_gone_are_forgotten),
        test(names_of_lanes_tell_tenant_and_priority),
        test(lanes_with_odd_names_have_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
