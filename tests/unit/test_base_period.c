/*
 * test_base_period - labels of hours, days, weeks and months by the local time zone
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "clock.h"
#include "period.h"

static void check(const char *zone, const char *time, const char *const wanted[PERIOD_COUNT])
{
    char text[PERIOD_LABEL_SIZE];
    int64_t wall_us;

    assert_int_equal(setenv("TZ", zone, 1), 0);
    assert_int_equal(clock_parse(time, &wall_us, NULL), 0);
    for (int period = 0; period < PERIOD_COUNT; period++)
        assert_string_equal(period_label((enum period)period, wall_us, text), wanted[period]);
}

static void periods_are_those_of_the_local_zone(void **state)
{
    (void)state;
    check("UTC", "2024-12-31T23:30:00Z",
          (const char *const[]){"2024-12-31T23+0000", "2024-12-31", "2025-W01", "2024-12"});
    check("CET-1CEST,M3.5.0,M10.5.0/3", "2024-12-31T23:30:00Z",
          (const char *const[]){"2025-01-01T00+0100", "2025-01-01", "2025-W01", "2025-01"});
    check("UTC", "2023-01-01T00:00:00Z",
          (const char *const[]){"2023-01-01T00+0000", "2023-01-01", "2022-W52", "2023-01"});
}

static void the_hour_that_comes_twice_is_two(void **state)
{
    (void)state;
    check("CET-1CEST,M3.5.0,M10.5.0/3", "2024-10-27T00:30:00Z",
          (const char *const[]){"2024-10-27T02+0200", "2024-10-27", "2024-W43", "2024-10"});
    check("CET-1CEST,M3.5.0,M10.5.0/3", "2024-10-27T01:30:00Z",
          (const char *const[]){"2024-10-27T02+0100", "2024-10-27", "2024-W43", "2024-10"});
}

static void every_period_is_reached(void **state)
{
    static const int64_t hours[PERIOD_COUNT] = {1, 25, 7 * 24 + 1, 31 * 24 + 1};

    (void)state;
    for (int period = 0; period < PERIOD_COUNT; period++)
        assert_true(period_reach_ms((enum period)period) > hours[period] * 3600 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(periods_are_those_of_the_local_zone),
        cmocka_unit_test(the_hour_that_comes_twice_is_two),
        cmocka_unit_test(every_period_is_reached),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
