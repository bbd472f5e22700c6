/*
 * The gate: rooms of destinations, tenants and in all, and what becomes of windows
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "gate.h"
#include "window.h"

enum { WIDE = 100 };

static int setup(void **state)
{
    static struct gate gate;

    gate_init(&gate, 12, 8);
    *state = &gate;
    return 0;
}

static int teardown(void **state)
{
    gate_release(*state);
    return 0;
}

static void leave_all(struct gate *gate, const char *key, const char *tenant, size_t count,
                      enum gate_result result, int64_t started_ms, int64_t now_ms)
{
    for (size_t i = 0; i < count; i++)
        gate_leave(gate, key, tenant, result, started_ms, now_ms);
}

static void enter_all(struct gate *gate, const char *key, size_t concurrency, const char *tenant,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        gate_enter(gate, key, concurrency, tenant);
}

static void each_room_is_counted_for_itself(void **state)
{
    struct gate *gate = *state;

    assert_int_equal(gate_room(gate), 12);
    assert_int_equal(gate_destination_room(gate, "web", WIDE), WINDOW_START);
    assert_int_equal(gate_tenant_room(gate, "acme"), 8);
    enter_all(gate, "web", WIDE, "acme", 5);
    enter_all(gate, "mail", 2, "acme", 2);
    gate_enter(gate, "web@0123456789ab", WIDE, "other"); /* a destination of its own */
    assert_int_equal(gate_room(gate), 4);
    assert_int_equal(gate_destination_room(gate, "web", WIDE), 0);
    assert_int_equal(gate_destination_room(gate, "mail", 2), 0);
    assert_int_equal(gate_destination_room(gate, "web@0123456789ab", WIDE), 4);
    assert_int_equal(gate_tenant_room(gate, "acme"), 1);
    assert_int_equal(gate_tenant_room(gate, "other"), 7);
    assert_int_equal(gate_tenant_room(gate, "nobody"), 8);
    gate_leave(gate, "web", "acme", GATE_NOTHING, 0, 0);
    assert_int_equal(gate_room(gate), 5);
    assert_int_equal(gate_destination_room(gate, "web", WIDE), 1);
    assert_int_equal(gate_tenant_room(gate, "acme"), 2);
    leave_all(gate, "web", "acme", 4, GATE_NOTHING, 0, 0);
    leave_all(gate, "mail", "acme", 2, GATE_NOTHING, 0, 0);
    gate_leave(gate, "web@0123456789ab", "other", GATE_NOTHING, 0, 0);
    assert_int_equal(gate_room(gate), 12);
    assert_int_equal(gate->tenants.count, 0); /* tenants are remembered while they have something */
}

/* Whoever fetched more than there is room for, as after a take-over, makes no huge number of it. */
static void rooms_never_fall_below_nothing(void **state)
{
    struct gate *gate = *state;

    enter_all(gate, "web", WIDE, "acme", 20);
    assert_int_equal(gate_room(gate), 0);
    assert_int_equal(gate_destination_room(gate, "web", WIDE), 0);
    assert_int_equal(gate_tenant_room(gate, "acme"), 0);
    leave_all(gate, "web", "acme", 20, GATE_NOTHING, 0, 0);
    assert_int_equal(gate_room(gate), 12);
    assert_int_equal(gate_destination_room(gate, "web", WIDE), WINDOW_START);
}

static void successes_widen_and_overload_narrows(void **state)
{
    struct gate *gate = *state;

    assert_int_equal(gate_window(gate, "web"), 0); /* it has none yet */
    enter_all(gate, "web", WIDE, "acme", 5);
    assert_int_equal(gate_window(gate, "web"), 5);
    leave_all(gate, "web", "acme", 5, GATE_SUCCESS, 0, 10);
    assert_int_equal(gate_window(gate, "web"), 6);
    /* Failures and attempts that were given up say nothing here. */
    enter_all(gate, "web", WIDE, "acme", 6);
    leave_all(gate, "web", "acme", 3, GATE_FAILURE, 10, 20);
    leave_all(gate, "web", "acme", 3, GATE_NOTHING, 10, 20);
    assert_int_equal(gate_window(gate, "web"), 6);
    enter_all(gate, "web", WIDE, "acme", 6);
    leave_all(gate, "web", "acme", 6, GATE_OVERLOAD, 20, 30);
    assert_int_equal(gate_window(gate, "web"), 4); /* once */
    assert_int_equal(gate_destination_room(gate, "web", WIDE), 4);
    assert_int_equal(gate_window(gate, "mail"), 0);
}

static void another_concurrency_counts_at_once(void **state)
{
    struct gate *gate = *state;

    enter_all(gate, "web", WIDE, "acme", 5);
    assert_int_equal(gate_destination_room(gate, "web", 3), 0); /* two more than there may be */
    leave_all(gate, "web", "acme", 3, GATE_NOTHING, 0, 0);
    assert_int_equal(gate_destination_room(gate, "web", 3), 1);
    assert_int_equal(gate_destination_room(gate, "web", WIDE), 3); /* a look changes nothing */
    gate_enter(gate, "web", 3, "acme");
    assert_int_equal(gate_window(gate, "web"), 3);
    leave_all(gate, "web", "acme", 3, GATE_NOTHING, 0, 0);
    assert_int_equal(gate_destination_room(gate, "new", 2), 2);
    assert_int_equal(gate_destination_room(gate, "new", 0), 1);
}

static void after_an_outage_it_begins_with_a_small_window(void **state)
{
    struct gate *gate = *state;

    for (int64_t round = 0; round < 6; round++) {
        size_t room = gate_destination_room(gate, "web", WIDE);
        enter_all(gate, "web", WIDE, "acme", room);
        leave_all(gate, "web", "acme", room, GATE_SUCCESS, 10 * round, 10 * round + 10);
    }
    assert_int_equal(gate_window(gate, "web"), 11);
    enter_all(gate, "web", WIDE, "acme", 7);
    gate_restart(gate, "web");
    gate_restart(gate, "never used");
    assert_int_equal(gate_window(gate, "web"), WINDOW_START);
    assert_int_equal(gate_destination_room(gate, "web", WIDE), 0); /* seven are in flight still */
    leave_all(gate, "web", "acme", 7, GATE_NOTHING, 0, 0);
    assert_int_equal(gate_destination_room(gate, "web", WIDE), WINDOW_START);
}

/* Requests may bring a destination each: memory does not grow with them, and what is in flight is kept. */
static void windows_of_many_destinations_do_not_pile_up(void **state)
{
    struct gate *gate = *state;
    char key[32];

    gate_enter(gate, "busy", WIDE, "acme");
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "web@%d", i);
        gate_enter(gate, key, WIDE, "acme");
        gate_leave(gate, key, "acme", GATE_SUCCESS, 0, 1);
    }
    assert_in_range(gate->windows.count, 1, 1001);
    assert_int_equal(gate_destination_room(gate, "busy", WIDE), 4);
    assert_int_equal(gate->total, 1);
    gate_leave(gate, "busy", "acme", GATE_SUCCESS, 0, 1);
}

/* A destination that many inline ones pushed out of memory while it had work to do keeps what it learned. */
static void a_window_with_attempts_in_flight_is_kept(void **state)
{
    struct gate *gate = *state;
    char key[32];

    enter_all(gate, "web", WIDE, "acme", 5);
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "web@%d", i);
        gate_enter(gate, key, WIDE, "acme");
        gate_leave(gate, key, "acme", GATE_SUCCESS, 0, 1);
    }
    leave_all(gate, "web", "acme", 4, GATE_SUCCESS, 0, 10);
    assert_int_equal(gate_window(gate, "web"), 5);
    gate_enter(gate, "web", WIDE, "acme");
    leave_all(gate, "web", "acme", 1, GATE_SUCCESS, 0, 10);
    assert_int_equal(gate_window(gate, "web"), 6);
    leave_all(gate, "web", "acme", 1, GATE_SUCCESS, 0, 10);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(each_room_is_counted_for_itself),
        test(rooms_never_fall_below_nothing),
        test(successes_widen_and_overload_narrows),
        test(another_concurrency_counts_at_once),
        test(after_an_outage_it_begins_with_a_small_window),
        test(windows_of_many_destinations_do_not_pile_up),
        test(a_window_with_attempts_in_flight_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
