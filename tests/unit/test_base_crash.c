/*
 * test_base_crash - the process ends at the point that was named, when it is passed for the N-th time
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "crash.h"

/* How many passes of the point a process survives that was armed with the text; 9: all. */
static int survived(const char *text, const char *point)
{
    int passes[2], status;
    char byte;
    int count = 0;

    assert_int_equal(pipe(passes), 0);
    pid_t child = fork();
    if (child == 0) {
        crash_arm(text);
        for (int i = 0; i < 9; i++) {
            crash_point(point);
            if (write(passes[1], "x", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(passes[1]);
    while (read(passes[0], &byte, 1) == 1)
        count++;
    close(passes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (count == 9)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    else
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return count;
}

static void the_process_is_killed_at_the_point_and_at_no_other(void **state)
{
    (void)state;
    assert_int_equal(survived("deliver:sent", "deliver:sent"), 0);
    assert_int_equal(survived("deliver:sent:1", "deliver:sent"), 0);
    assert_int_equal(survived("deliver:sent:4", "deliver:sent"), 3);
    assert_int_equal(survived("deliver:sent", "deliver:sending"), 9);
    assert_int_equal(survived("deliver:sending", "deliver:sending"), 0);
}

static void unset_or_wrong_is_disarmed(void **state)
{
    (void)state;
    assert_int_equal(survived(NULL, "deliver:sent"), 9);
    assert_int_equal(survived("", "deliver:sent"), 9);
    assert_int_equal(survived("deliver:nowhere", "deliver:sent"), 9);
}

static void a_text_that_names_no_point_is_a_mistake(void **state)
{
    static const char *const wrong[] = {
        "deliver",         "deliver:",      "deliver:sent:0", "deliver:sent:x",
        "deliver:sent:-1", "deliver:sent:", "Deliver:sent",   "deliver:sent 1"};
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(crash_check(wrong[i], &fault), -1);
        assert_int_equal(fault.class, FAULT_CONFIG);
    }
    crash_check("rout:saved", &fault);
    assert_non_null(strstr(fault.text, "did you mean 'route:saved'?"));
    crash_check("\n", &fault);
    assert_string_equal(fault.text, "'?' is no <point>[:N] of dist-internals(7)");
}

static void every_point_of_the_table_can_be_armed(void **state)
{
    (void)state;
    for (const char *const *point = crash_points; *point; point++) {
        assert_int_equal(crash_check(*point, NULL), 0);
        assert_int_equal(survived(*point, *point), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_is_killed_at_the_point_and_at_no_other),
        cmocka_unit_test(unset_or_wrong_is_disarmed),
        cmocka_unit_test(a_text_that_names_no_point_is_a_mistake),
        cmocka_unit_test(every_point_of_the_table_can_be_armed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
