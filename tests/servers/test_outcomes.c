/*
 * Every row of the tables of REST, file, exec and null is brought about
 *
 * What a disk answers is said by an fsync() of this program, which takes the place of the C library's.
 */
#include "attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/event.h>
#include "little_http.h"
#include "rows.h"
#include "secret.h"
#include "xalloc.h"

/* The disk */

/* A positive number is the errno that fsync() fails with. */
enum { DISK_WORKS = 0, DISK_HANGS = -1, DISK_KILLS = -2, DISK_LOSES = -3 };
static int disk;

/* The file of that descriptor loses its name. */
static void lose(int fd)
{
    char link[40], path[1000];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size > 0) {
        path[size] = '\0';
        unlink(path);
    }
}

int fsync(int fd)
{
    if (disk == DISK_HANGS)
        pause();
    if (disk == DISK_KILLS)
        raise(SIGKILL);
    if (disk == DISK_LOSES)
        lose(fd);
    if (disk <= DISK_WORKS)
        return (int)syscall(SYS_fsync, fd);
    errno = disk;
    return -1;
}

/* A file that can lose its name has one from the start: there seems to be no /proc. */
int access(const char *path, int mode)
{
    if (disk != DISK_LOSES || strcmp(path, "/proc/self/fd") != 0)
        return faccessat(AT_FDCWD, path, mode, 0);
    errno = ENOENT;
    return -1;
}

/* Attempts */

/* One attempt at a destination of that form, which is used once. */
__attribute__((format(printf, 4, 5))) static void expect_of(struct attempts *attempts, enum outcome_kind kind,
                                                            const char *reason, const char *form, ...)
{
    char text[1000];
    va_list arguments;

    va_start(arguments, form);
    vsnprintf(text, sizeof text, form, arguments);
    va_end(arguments);
    struct destination *destination = attempts_destination("%s", text);
    attempts->attempt.destination = destination;
    attempts_expect(attempts, kind, reason);
    destination_unref(destination);
}

/* REST */

static struct little_http *server;

/* "/404" is answered with 404, "/drop" and "/hang" with nothing. */
static void on_request(void *arg, const struct little_request *request, struct little_answer *answer)
{
    int status = atoi(request->path + 1);

    (void)arg;
    answer->drop = strcmp(request->path, "/drop") == 0;
    answer->hang = strcmp(request->path, "/hang") == 0;
    if (status)
        answer->status = status;
}

static int setup_server(void **state)
{
    int result = attempts_setup(state);
    struct attempts *attempts = *state;

    server = little_http_new(attempts->base, 0, on_request, NULL);
    return result;
}

static int teardown_server(void **state)
{
    little_http_free(server);
    return attempts_teardown(state);
}

static void rest_gives_each_status_its_row(void **state)
{
    for (const struct answer *row = outcomes_rest.codes; row->reason; row++) {
        int status = rows_code(&outcomes_rest, row);
        struct attempts *attempts = *state;
        expect_of(attempts, row->kind, row->reason, "{'protocol':'REST','endpoint':'http://127.0.0.1:%d/%d'}",
                  little_http_port(server), status);
        assert_int_equal(attempts->outcome.code, status);
        assert_int_equal(attempts->outcome.overload, (row->marks & OVERLOAD) != 0);
        assert_int_equal(attempts->outcome.gone, (row->marks & GONE) != 0);
        assert_false(attempts->outcome.local);
    }
}

static void rest_tells_what_is_no_answer_apart(void **state)
{
    static const char nobody[] = "{'protocol':'REST','endpoint':'http://127.0.0.1:1/{date}'}";
    const struct secret client = {.client_id = (char *)"dist", .client_secret = (char *)"hunter2"};
    struct attempts *attempts = *state;
    int port = little_http_port(server);

    expect_of(attempts, OUTCOME_DEFERRED, "timeout",
              "{'protocol':'REST','endpoint':'http://127.0.0.1:%d/hang','timeout':0.2}", port);
    expect_of(attempts, OUTCOME_DEFERRED, "broken",
              "{'protocol':'REST','endpoint':'http://127.0.0.1:%d/drop'}", port);
    expect_of(attempts, OUTCOME_DEFERRED, "tls", "{'protocol':'REST','endpoint':'https://127.0.0.1:%d/'}",
              port);
    expect_of(attempts, OUTCOME_DEFERRED, "connect", nobody);
    attempts_limit_descriptors(true);
    expect_of(attempts, OUTCOME_DEFERRED, "system", nobody);
    attempts_limit_descriptors(false);
    attempts->context.allow_private = false;
    expect_of(attempts, OUTCOME_REJECTED, "refused_address", nobody);
    attempts->context.allow_private = true;
    attempts->attempt.date = NULL;
    expect_of(attempts, OUTCOME_REJECTED, "configuration", nobody);
    attempts->attempt.secret = &client;
    expect_of(attempts, OUTCOME_DEFERRED, "credentials",
              "{'protocol':'REST','endpoint':'http://127.0.0.1:%d/','credentials':'c','allow_private':true,"
              "'auth':{'scheme':'bearer'}}",
              port);
    expect_of(attempts, OUTCOME_DEFERRED, "token",
              "{'protocol':'REST','endpoint':'http://127.0.0.1:%d/','credentials':'c','allow_private':true,"
              "'auth':{'scheme':'oauth2','token_url':'http://127.0.0.1:%d/400'}}",
              port, port);
    assert_null(strstr(attempts->outcome.text, "hunter2"));
}

static void every_row_of_rest_was_seen(void **state)
{
    (void)state;
    rows_assert_all(&outcomes_rest);
}

/* file */

static char folder[] = "/tmp/dist-outcomes-XXXXXX";
static struct destination *file;

static int setup_folder(void **state)
{
    int result = attempts_setup(state);
    struct attempts *attempts = *state;

    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (!mkdtemp(folder))
        return -1;
    file = attempts_destination("{'protocol':'file','path':'%s/report-{date}'}", folder);
    attempts->attempt.destination = file;
    disk = DISK_WORKS;
    return result;
}

static int teardown_folder(void **state)
{
    char *path = xasprintf("%s/report-2024-01-15", folder);

    unlink(path);
    free(path);
    destination_unref(file);
    return attempts_teardown(state) || rmdir(folder);
}

static void file_gives_each_errno_its_row(void **state)
{
    for (const struct answer *row = outcomes_file.codes; row->reason; row++) {
        disk = rows_code(&outcomes_file, row);
        attempts_expect(*state, row->kind, row->reason);
    }
}

static void file_tells_other_ends_apart(void **state)
{
    struct attempts *attempts = *state;

    disk = DISK_LOSES;
    attempts_expect(attempts, OUTCOME_DEFERRED, "busy");
    disk = DISK_KILLS;
    attempts_expect(attempts, OUTCOME_DEFERRED, "killed");
    disk = DISK_HANGS;
    file->timeout_ms = 200;
    attempts_expect(attempts, OUTCOME_DEFERRED, "timeout");
    file->timeout_ms = 10000;
    disk = DISK_WORKS;
    attempts_limit_descriptors(true);
    attempts_expect(attempts, OUTCOME_DEFERRED, "system");
    assert_true(attempts->outcome.local);
    attempts_limit_descriptors(false);
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    attempts_expect(attempts, OUTCOME_DELIVERED, "there_already");
    attempts->attempt.body = "[]";
    attempts->attempt.body_size = 2;
    attempts_expect(attempts, OUTCOME_REJECTED, "exists");
    attempts->attempt.date = NULL;
    attempts_expect(attempts, OUTCOME_REJECTED, "configuration");
}

static void every_row_of_file_was_seen(void **state)
{
    (void)state;
    rows_assert_all(&outcomes_file);
}

/* exec, null */

#define SHELL(script) "{'protocol':'exec','command':['/bin/sh','-c','" script "'],'timeout':5}"
/* The result on descriptor 3. */
#define SAID "echo \\u0027{{\\u0022outcome\\u0022:\\u0022%s\\u0022}\\u0027 >&3"

static void exec_gives_each_exit_code_its_row(void **state)
{
    for (const struct answer *row = outcomes_exec.codes; row->reason; row++)
        expect_of(*state, row->kind, row->reason, SHELL("exit %d"), rows_code(&outcomes_exec, row));
}

static void exec_tells_other_ends_apart(void **state)
{
    struct attempts *attempts = *state;

    expect_of(attempts, OUTCOME_DELIVERED, "said_delivered", SHELL(SAID), "delivered");
    expect_of(attempts, OUTCOME_DEFERRED, "said_deferred", SHELL(SAID), "deferred");
    expect_of(attempts, OUTCOME_REJECTED, "said_rejected", SHELL(SAID), "rejected");
    expect_of(attempts, OUTCOME_DEFERRED, "signal", SHELL("kill -KILL $$"));
    expect_of(attempts, OUTCOME_DEFERRED, "timeout",
              "{'protocol':'exec','command':['/bin/sleep','100'],'timeout':0.2}");
    attempts_limit_descriptors(true);
    expect_of(attempts, OUTCOME_DEFERRED, "system", SHELL("exit 0"));
    attempts_limit_descriptors(false);
    expect_of(attempts, OUTCOME_REJECTED, "not_startable", "{'protocol':'exec','command':['/no/command']}");
    attempts->attempt.date = NULL;
    expect_of(attempts, OUTCOME_REJECTED, "configuration", SHELL("{date}"));
}

static void every_row_of_exec_was_seen(void **state)
{
    (void)state;
    rows_assert_all(&outcomes_exec);
}

static void null_has_one_row(void **state)
{
    expect_of(*state, OUTCOME_DELIVERED, "null", "{'protocol':'null'}");
    rows_assert_all(&outcomes_null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rest_gives_each_status_its_row, setup_server, teardown_server),
        cmocka_unit_test_setup_teardown(rest_tells_what_is_no_answer_apart, setup_server, teardown_server),
        cmocka_unit_test(every_row_of_rest_was_seen),
        cmocka_unit_test_setup_teardown(file_gives_each_errno_its_row, setup_folder, teardown_folder),
        cmocka_unit_test_setup_teardown(file_tells_other_ends_apart, setup_folder, teardown_folder),
        cmocka_unit_test(every_row_of_file_was_seen),
        cmocka_unit_test_setup_teardown(exec_gives_each_exit_code_its_row, attempts_setup, attempts_teardown),
        cmocka_unit_test_setup_teardown(exec_tells_other_ends_apart, attempts_setup, attempts_teardown),
        cmocka_unit_test(every_row_of_exec_was_seen),
        cmocka_unit_test_setup_teardown(null_has_one_row, attempts_setup, attempts_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
