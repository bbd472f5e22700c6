/*
 * How a tool begins
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tool.h"

static void children_are_reaped_whoever_started_it(void **state)
{
    static const char *const usage[] = {"", NULL};
    static const struct option none[] = {{0}};
    static const struct tool_options options = {
        .tool = "dist-test", .purpose = "test", .usage = usage, .options = none};
    char name[] = "dist-test", *argv[] = {name, NULL};
    struct tool tool;
    int operands, status;

    (void)state;
    signal(SIGCHLD, SIG_IGN);
    setenv("DIST_CONFIG_DIR", "/", 1);
    assert_true(tool_begin(&tool, &options, 1, argv, &operands, NULL));
    const pid_t child = fork();
    if (child == 0)
        _exit(7);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(tool_end(&tool, 0, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_are_reaped_whoever_started_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
