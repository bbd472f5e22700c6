/*
 * The adaptive window: when it grows, when and how far it shrinks, and what latency tells
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "window.h"

enum { WIDE = 1000 };

static size_t size_of(const struct window *window)
{
    return window_room(window, 0);
}

/* As many attempts as the window lets start begin together, and all succeed `took_ms` later. */
static void full_round(struct window *window, int64_t *now_ms, int64_t took_ms)
{
    size_t size = size_of(window);
    int64_t started_ms = *now_ms;

    for (size_t i = 1; i <= size; i++)
        window_enter(window, i);
    *now_ms += took_ms;
    for (size_t i = 0; i < size; i++)
        window_success(window, started_ms, *now_ms);
}

static void it_starts_small_and_below_its_maximum(void **state)
{
    struct window window;
    (void)state;

    window_init(&window, WIDE);
    assert_int_equal(size_of(&window), WINDOW_START);
    window_init(&window, 2);
    assert_int_equal(size_of(&window), 2);
    window_init(&window, 0); /* one at a time is the least that works */
    assert_int_equal(size_of(&window), 1);
}

static void room_is_what_is_not_in_flight(void **state)
{
    struct window window;
    (void)state;

    window_init(&window, WIDE);
    assert_int_equal(window_room(&window, 0), 5);
    assert_int_equal(window_room(&window, 4), 1);
    assert_int_equal(window_room(&window, 5), 0);
    assert_int_equal(window_room(&window, 500), 0); /* after a cut more are in flight than fit */
}

static void it_grows_by_one_per_window_of_successes(void **state)
{
    struct window window;
    int64_t now_ms = 1000;
    (void)state;

    window_init(&window, 9);
    for (size_t i = 1; i <= 5; i++)
        window_enter(&window, i);
    for (size_t i = 1; i <= 4; i++) {
        window_success(&window, now_ms, now_ms);
        assert_int_equal(size_of(&window), 5);
    }
    window_success(&window, now_ms, now_ms);
    assert_int_equal(size_of(&window), 6);
    for (size_t wanted = 7; wanted <= 9; wanted++) {
        full_round(&window, &now_ms, 10);
        assert_int_equal(size_of(&window), wanted);
    }
    for (int i = 0; i < 5; i++)
        full_round(&window, &now_ms, 10);
    assert_int_equal(size_of(&window), 9); /* its maximum */
}

static void it_grows_only_where_it_was_the_limit(void **state)
{
    struct window window;
    (void)state;

    window_init(&window, WIDE);
    for (int64_t i = 0; i < 1000; i++) {
        window_enter(&window, 1 + (size_t)i % 4); /* never the fifth */
        window_success(&window, i, i + 10);
    }
    assert_int_equal(size_of(&window), 5);
    window_enter(&window, 5);
    window_success(&window, 1000, 1010);
    assert_int_equal(size_of(&window), 6);
    /* That it was reached once is used up. */
    for (int64_t i = 2000; i < 2100; i++)
        window_success(&window, i, i + 10);
    assert_int_equal(size_of(&window), 6);
}

static void overload_cuts_it_to_seven_tenths(void **state)
{
    struct window window;
    int64_t now_ms = 0;
    (void)state;

    window_init(&window, WIDE);
    while (size_of(&window) < 100)
        full_round(&window, &now_ms, 10);
    window_overload(&window, now_ms, now_ms + 10);
    assert_int_equal(size_of(&window), 70);
    window_overload(&window, now_ms + 10, now_ms + 20);
    assert_int_equal(size_of(&window), 49);
}

/* A hundred answers "too much" to attempts that were on their way together are one word. */
static void it_is_cut_once_per_round_trip(void **state)
{
    struct window window;
    int64_t now_ms = 0;
    (void)state;

    window_init(&window, WIDE);
    while (size_of(&window) < 100)
        full_round(&window, &now_ms, 10);
    for (int64_t i = 0; i < 100; i++)
        window_overload(&window, now_ms + i, now_ms + 200 + i);
    assert_int_equal(size_of(&window), 70);
    window_overload(&window, now_ms + 199, now_ms + 400); /* it began before the cut */
    assert_int_equal(size_of(&window), 70);
    window_overload(&window, now_ms + 200, now_ms + 400); /* and this one began after it */
    assert_int_equal(size_of(&window), 49);
}

static void a_cut_takes_what_was_counted_towards_growth(void **state)
{
    struct window window;
    (void)state;

    window_init(&window, WIDE);
    for (size_t i = 1; i <= 5; i++)
        window_enter(&window, i);
    for (int i = 0; i < 4; i++)
        window_success(&window, 0, 10);
    window_overload(&window, 0, 10);
    assert_int_equal(size_of(&window), 3);
    for (int i = 0; i < 10; i++)
        window_success(&window, 0, 11); /* of before */
    assert_int_equal(size_of(&window), 3);
    for (size_t i = 1; i <= 3; i++)
        window_enter(&window, i);
    for (int i = 0; i < 3; i++)
        window_success(&window, 12, 13);
    assert_int_equal(size_of(&window), 4);
}

static void overload_leaves_one(void **state)
{
    struct window window;
    (void)state;

    window_init(&window, WIDE);
    for (int64_t i = 0; i < 20; i++)
        window_overload(&window, 10 * i, 10 * i + 10);
    assert_int_equal(size_of(&window), 1);
    /* And from there it grows again. */
    for (int64_t i = 300; i < 310; i++) {
        window_enter(&window, size_of(&window));
        for (size_t k = size_of(&window); k > 0; k--)
            window_success(&window, i, i + 1);
    }
    assert_int_equal(size_of(&window), 11);
}

/* --- latency --- */

static size_t grown(struct window *window, int64_t *now_ms, int64_t took_ms)
{
    window_init(window, WIDE);
    while (size_of(window) < 50)
        full_round(window, now_ms, took_ms);
    return size_of(window);
}

static void far_slower_answers_cut_it(void **state)
{
    struct window window;
    int64_t now_ms = 0, started_ms;
    size_t before = grown(&window, &now_ms, 100);
    (void)state;

    started_ms = now_ms;
    for (int i = 0; i < 40; i++)
        window_success(&window, started_ms, now_ms + 2000);
    assert_in_range(size_of(&window), before * 7 / 10 - 1, before * 7 / 10 + 1);
}

static void a_single_slow_answer_says_nothing(void **state)
{
    struct window window;
    int64_t now_ms = 0;
    size_t before = grown(&window, &now_ms, 100);
    (void)state;

    for (int i = 0; i < 60; i++)
        window_success(&window, now_ms, now_ms + (i == 30 ? 900 : 100));
    assert_true(size_of(&window) >= before);
}

static void noise_is_no_outlier(void **state)
{
    struct window window;
    int64_t now_ms = 0;
    unsigned random = 17;
    size_t before = grown(&window, &now_ms, 100), size;
    (void)state;

    for (int i = 0; i < 100000; i++) {
        random = random * 1103515245U + 12345U;
        window_success(&window, now_ms, now_ms + 20 + (int64_t)(random >> 16) % 160);
        size = size_of(&window);
        assert_true(size >= before);
    }
}

/* Ten times as slow is nothing where all of it is a few milliseconds. */
static void little_is_no_outlier(void **state)
{
    struct window window;
    int64_t now_ms = 0;
    size_t before = grown(&window, &now_ms, 3);
    (void)state;

    for (int i = 0; i < 100; i++)
        window_success(&window, now_ms, now_ms + 40);
    assert_true(size_of(&window) >= before);
}

/* Answers that take less than a millisecond are known latencies too. */
static void a_destination_at_once_that_becomes_slow_is_seen(void **state)
{
    struct window window;
    int64_t now_ms = 0;
    size_t before = grown(&window, &now_ms, 0);
    (void)state;

    for (int i = 0; i < 20; i++)
        window_success(&window, now_ms, now_ms + 1500);
    assert_in_range(size_of(&window), before * 7 / 10 - 1, before * 7 / 10 + 1);
}

/* What stays slow is the way of this destination: it is cut for a while, and then it is used as it is. */
static void it_learns_a_new_latency(void **state)
{
    struct window window;
    int64_t now_ms = 0;
    (void)state;

    grown(&window, &now_ms, 10);
    for (int i = 0; i < 100; i++)
        full_round(&window, &now_ms, 1000);
    size_t settled = size_of(&window);
    for (int i = 0; i < 20; i++)
        full_round(&window, &now_ms, 1000);
    assert_int_equal(size_of(&window), settled + 20);
}

static void slowness_alone_leaves_the_start(void **state)
{
    struct window window;
    int64_t took_ms = 100, now_ms = 0;
    (void)state;

    window_init(&window, WIDE);
    for (int i = 0; i < 40; i++, took_ms = took_ms < 100000000 ? took_ms * 2 : took_ms) {
        for (int k = 0; k < 20; k++)
            window_success(&window, now_ms, now_ms + took_ms);
        now_ms += took_ms;
        assert_int_equal(size_of(&window), WINDOW_START);
    }
    /* Also below a maximum that is smaller than the start. */
    window_init(&window, 2);
    for (int i = 0, slow = 100; i < 10; i++, slow *= 4)
        for (int k = 0; k < 20; k++)
            window_success(&window, 0, slow);
    assert_int_equal(size_of(&window), 2);
}

/* A clock that is set back makes no negative latency. */
static void a_clock_that_goes_back_does_no_harm(void **state)
{
    struct window window;
    (void)state;

    window_init(&window, WIDE);
    for (int i = 0; i < 100; i++)
        window_success(&window, 1000000, 0);
    assert_int_equal(size_of(&window), WINDOW_START);
    assert_true(window.mean_ms >= 0 && window.spread_ms >= 0);
}

/* --- other limits --- */

static void a_lower_maximum_counts_at_once(void **state)
{
    struct window window;
    int64_t now_ms = 0;
    (void)state;

    window_init(&window, WIDE);
    while (size_of(&window) < 50)
        full_round(&window, &now_ms, 10);
    window_limit(&window, 20);
    assert_int_equal(size_of(&window), 20);
    full_round(&window, &now_ms, 10);
    assert_int_equal(size_of(&window), 20);
    window_limit(&window, 0);
    assert_int_equal(size_of(&window), 1);
    /* A higher one is room to grow into, not a jump. */
    window_limit(&window, WIDE);
    assert_int_equal(size_of(&window), 1);
    full_round(&window, &now_ms, 10);
    assert_int_equal(size_of(&window), 2);
}

static void a_restart_forgets(void **state)
{
    struct window window;
    int64_t now_ms = 0;
    (void)state;

    window_init(&window, WIDE);
    while (size_of(&window) < 50)
        full_round(&window, &now_ms, 10);
    for (size_t i = 1; i <= 50; i++)
        window_enter(&window, i);
    window_restart(&window);
    assert_int_equal(size_of(&window), WINDOW_START);
    /* That the old window was full does not count for this one. */
    for (int i = 0; i < 10; i++)
        window_success(&window, now_ms, now_ms + 10);
    assert_int_equal(size_of(&window), WINDOW_START);
    /* Nor does the old latency: it was ten milliseconds, and is five seconds now. */
    for (int i = 0; i < 5; i++)
        full_round(&window, &now_ms, 5000);
    assert_int_equal(size_of(&window), WINDOW_START + 5);
    /* A window that overload made smaller than the start begins at the start again. */
    for (int64_t i = 0; i < 20; i++)
        window_overload(&window, now_ms + 10 * i, now_ms + 10 * i + 10);
    assert_int_equal(size_of(&window), 1);
    window_restart(&window);
    assert_int_equal(size_of(&window), WINDOW_START);
    window_limit(&window, 3);
    window_restart(&window);
    assert_int_equal(size_of(&window), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_small_and_below_its_maximum),
        cmocka_unit_test(room_is_what_is_not_in_flight),
        cmocka_unit_test(it_grows_by_one_per_window_of_successes),
        cmocka_unit_test(it_grows_only_where_it_was_the_limit),
        cmocka_unit_test(overload_cuts_it_to_seven_tenths),
        cmocka_unit_test(it_is_cut_once_per_round_trip),
        cmocka_unit_test(a_cut_takes_what_was_counted_towards_growth),
        cmocka_unit_test(overload_leaves_one),
        cmocka_unit_test(far_slower_answers_cut_it),
        cmocka_unit_test(a_single_slow_answer_says_nothing),
        cmocka_unit_test(noise_is_no_outlier),
        cmocka_unit_test(little_is_no_outlier),
        cmocka_unit_test(a_destination_at_once_that_becomes_slow_is_seen),
        cmocka_unit_test(it_learns_a_new_latency),
        cmocka_unit_test(slowness_alone_leaves_the_start),
        cmocka_unit_test(a_clock_that_goes_back_does_no_harm),
        cmocka_unit_test(a_lower_maximum_counts_at_once),
        cmocka_unit_test(a_restart_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
