/*
 * The SFTP adapter against an sshd whose subsystem fails as it is told. What OpenSSH's own does is in
 * tests/e2e/sftp.bats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "attempts.h"
#include "clock.h"
#include "faulty_sftp.h"
#include "little_smtp.h"
#include "rows.h"
#include "sshd_server.h"
#include "xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ID "0190b2c4-0000-7000-8000-000000000001"

static struct sshd_server server;
static char work[200]; /* the subsystem's folder */
static struct secret secret;

static void set_file(const char *name, const char *content)
{
    char *path = xasprintf("%s/%s", work, name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static char *content_of(const char *name)
{
    char *path = xasprintf("%s/%s", work, name), *text = xcalloc(1, 20000);
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        assert_true(read(fd, text, 19999) >= 0);
        close(fd);
    }
    free(path);
    return text;
}

static void assert_content(const char *name, const char *content)
{
    char *text = content_of(name);

    assert_string_equal(text, content);
    free(text);
}

static void plan(const char *text)
{
    set_file("plan", text);
    set_file("log", "");
}

static void clear_root(void)
{
    char *command = xasprintf("rm -rf %s/root && mkdir -p %s/root/in", work, work);

    assert_int_equal(system(command), 0);
    free(command);
}

static int begin(void **state)
{
    if (!sshd_server_is_installed())
        return attempts_setup(state);
    clear_root();
    plan("");
    if (attempts_setup(state) < 0)
        return -1;
    ((struct attempts *)*state)->attempt.secret = &secret;
    return 0;
}

static void use(struct attempts *attempts, const char *more)
{
    if (!sshd_server_is_installed())
        skip();
    if (attempts->attempt.destination)
        destination_unref((struct destination *)attempts->attempt.destination);
    attempts->attempt.destination =
        attempts_destination("{'protocol':'SFTP','host':'127.0.0.1','port':%d,'username':'%s',"
                             "'path':'/in/{tenant_id}.json','host_key':'%s'%s}",
                             server.port, server.user, server.fingerprint, more);
}

static int end(void **state)
{
    struct destination *destination = (struct destination *)((struct attempts *)*state)->attempt.destination;
    int result = attempts_teardown(state);

    destination_unref(destination);
    return result;
}

/* It is removed when the outcome is told already. */
static void assert_no_temporary(void)
{
    char *command = xasprintf("test -z \"$(find %s/root -name '*.tmp')\"", work);
    int64_t until_ms = clock_mono_ms() + 10000;

    while (system(command) != 0) {
        if (clock_mono_ms() > until_ms)
            fail_msg("a temporary file is left");
        usleep(20000);
    }
    free(command);
}

/* Tests */

static void a_file_is_written_under_another_name_and_renamed(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "");
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    assert_content("root/in/acme.json", "{\"a\":1}");
    assert_content("log", "create /in/." ID ".1.tmp\nrename /in/." ID ".1.tmp /in/acme.json\n");
    assert_no_temporary();
}

static void an_empty_body_is_an_empty_file(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "");
    attempts->attempt.body_size = 0;
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    assert_content("root/in/acme.json", "");
    attempts->attempt.number = 2;
    attempts_expect(attempts, OUTCOME_DELIVERED, "there_already");
}

static void what_is_there_with_the_same_bytes_is_ours(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "");
    set_file("root/in/acme.json", "{\"a\":1}");
    attempts_expect(attempts, OUTCOME_DELIVERED, "there_already");
    assert_no_temporary();
    attempts->attempt.number = 2;
    plan("");
    attempts_expect(attempts, OUTCOME_DELIVERED, "there_already");
    char *log = content_of("log");
    assert_null(strstr(log, "create")); /* it is looked at first */
    free(log);
}

static void another_file_is_never_replaced(void **state)
{
    static const char *const others[] = {"{\"a\":2}", "{\"a\":1}\n", "{\"a\":1", ""};
    struct attempts *attempts = *state;

    use(attempts, "");
    for (size_t i = 0; i < COUNT(others); i++)
        for (int number = 1; number <= 2; number++) {
            set_file("root/in/acme.json", others[i]);
            attempts->attempt.number = number;
            attempts_expect(attempts, OUTCOME_REJECTED, "exists");
            assert_content("root/in/acme.json", others[i]);
            assert_no_temporary();
        }
}

static void a_folder_of_that_name_is_in_the_way(void **state)
{
    struct attempts *attempts = *state;
    char *path = xasprintf("%s/root/in/acme.json", work);

    use(attempts, "");
    assert_int_equal(mkdir(path, 0755), 0);
    attempts_expect(attempts, OUTCOME_DEFERRED, "failure");
    free(path);
    assert_no_temporary();
}

static void every_status_has_its_outcome(void **state)
{
    static const struct {
        int code;
        enum outcome_kind kind;
        const char *reason;
    } cases[] = {
        {2, OUTCOME_DEFERRED, "no_such_file"},
        {3, OUTCOME_DEFERRED, "permission_denied"},
        {4, OUTCOME_DEFERRED, "failure"},
        {5, OUTCOME_DEFERRED, "bad_message"},
        {6, OUTCOME_DEFERRED, "no_connection"},
        {7, OUTCOME_DEFERRED, "connection_lost"},
        {8, OUTCOME_REJECTED, "op_unsupported"},
        {9, OUTCOME_DEFERRED, "invalid_handle"},
        {10, OUTCOME_DEFERRED, "no_such_path"},
        {11, OUTCOME_DEFERRED, "file_already_exists"},
        {12, OUTCOME_DEFERRED, "write_protect"},
        {13, OUTCOME_DEFERRED, "no_media"},
        {14, OUTCOME_DEFERRED, "no_space"},
        {15, OUTCOME_DEFERRED, "quota_exceeded"},
        {16, OUTCOME_DEFERRED, "unknown_principal"},
        {17, OUTCOME_DEFERRED, "lock_conflict"},
        {18, OUTCOME_DEFERRED, "dir_not_empty"},
        {19, OUTCOME_REJECTED, "not_a_directory"},
        {20, OUTCOME_REJECTED, "invalid_filename"},
        {21, OUTCOME_REJECTED, "link_loop"},
        {42, OUTCOME_DEFERRED, "status"},
    };
    static const char *const requests[] = {"open", "rename"};
    struct attempts *attempts = *state;
    char text[40];

    use(attempts, "");
    for (size_t i = 0; i < 2 * COUNT(cases); i++) {
        bool alike = i % 2 && cases[i / 2].code == 10; /* libcurl has the same words for 2 and 10 there */
        const char *reason = cases[alike ? 0 : i / 2].reason;
        snprintf(text, sizeof text, "%s %d\n", requests[i % 2], cases[i / 2].code);
        plan(text);
        attempts_try(attempts);
        if (attempts->outcome.kind != cases[i / 2].kind || strcmp(attempts->outcome.reason, reason) != 0)
            fail_msg("%s: %s: %s", text, attempts->outcome.reason, attempts->outcome.text);
        assert_true(attempts->outcome.text[0]);
    }
    plan("");
    assert_no_temporary();
}

static void a_write_that_fails_is_deferred_and_nothing_is_left(void **state)
{
    static const char *const plans[] = {"write 4\n", "write 14\n", "close 4\n"};
    struct attempts *attempts = *state;

    use(attempts, "");
    for (size_t i = 0; i < COUNT(plans); i++) {
        plan(plans[i]);
        attempts_expect(attempts, OUTCOME_DEFERRED, "failure");
        plan("");
        attempts->attempt.number++;
    }
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    assert_no_temporary(); /* also what earlier attempts could not remove */
}

static void an_answer_that_is_lost_is_looked_for(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "");
    plan("rename exit\n");
    attempts_expect(attempts, OUTCOME_DELIVERED, "there_already");
    assert_content("root/in/acme.json", "{\"a\":1}");
    assert_no_temporary();
}

/* The sessions of the server, which are processes of their own. */
static void end_sessions(void)
{
    char *command = xasprintf("pkill -KILL -P %d; true", (int)server.pid);

    assert_int_equal(system(command), 0);
    free(command);
}

static void a_connection_that_has_ended_costs_no_attempt(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "");
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    clear_root();
    end_sessions();
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
}

static void a_server_that_ends_at_every_write_is_deferred(void **state)
{
    static const char *const plans[] = {"open exit\n", "write exit\n"};
    struct attempts *attempts = *state;

    use(attempts, "");
    for (size_t i = 0; i < COUNT(plans); i++) {
        plan(plans[i]);
        attempts_expect(attempts, OUTCOME_DEFERRED, "failure");
        assert_non_null(strstr(attempts->outcome.text, "writing failed twice"));
    }
    assert_no_temporary();
}

static void a_server_that_hangs_up_is_deferred(void **state)
{
    static const struct smtp_script hangup = {.greeting = SMTP_HANGUP};
    static struct little_smtp other;
    struct attempts *attempts = *state;
    char port[40];

    little_smtp_start(&other, &hangup);
    snprintf(port, sizeof port, ",'port':%d", other.port);
    use(attempts, port);
    attempts_expect(attempts, OUTCOME_DEFERRED, "broken");
    little_smtp_stop(&other);
}

static void the_deadline_holds_wherever_the_server_falls_silent(void **state)
{
    static const char *const plans[] = {"open hang\n", "write hang\n", "close hang\n", "rename hang\n"};
    struct attempts *attempts = *state;

    use(attempts, ",'timeout':'1s'");
    for (size_t i = 0; i < COUNT(plans); i++) {
        int64_t began_ms = clock_mono_ms();
        plan(plans[i]);
        attempts_expect(attempts, OUTCOME_DEFERRED, "timeout");
        assert_true(attempts->outcome.overload);
        assert_true(clock_mono_ms() - began_ms < 5000);
    }
}

static void folders_and_mode_are_as_the_form_says(void **state)
{
    struct attempts *attempts = *state;
    struct stat found;
    char *path = xasprintf("%s/root/in/acme.json", work), *command = xasprintf("rm -r %s/root/in", work);

    use(attempts, "");
    assert_int_equal(system(command), 0);
    attempts_expect(attempts, OUTCOME_DEFERRED, "no_such_file");
    use(attempts, ",'make_folders':true,'mode':'0604'");
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0604);
    free(path);
    free(command);
}

static void an_unknown_key_of_the_host_is_deferred(void **state)
{
    struct attempts *attempts = *state;
    char *wrong = xasprintf(",'host_key':'SHA256:%043d'", 0), *known, *line, *path;

    use(attempts, wrong);
    attempts_expect(attempts, OUTCOME_DEFERRED, "host_key");
    assert_non_null(strstr(attempts->outcome.text, server.fingerprint));
    free(wrong);
    set_file("known", "other.example.com ssh-ed25519 "
                      "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    known = xasprintf(",'host_key':null,'known_hosts':'%s/known'", work);
    use(attempts, known);
    attempts_expect(attempts, OUTCOME_DEFERRED, "host_key");
    assert_non_null(strstr(attempts->outcome.text, "is not in the file of known hosts"));
    line = xasprintf(
        "[127.0.0.1]:%d ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
        server.port);
    set_file("known", line);
    attempts_expect(attempts, OUTCOME_DEFERRED, "host_key");
    assert_non_null(strstr(attempts->outcome.text, "is not the one in the file of known hosts"));
    free(line);
    path = xasprintf("%s/known", work);
    assert_int_equal(unlink(path), 0);
    attempts_expect(attempts, OUTCOME_DEFERRED, "host_key");
    assert_non_null(strstr(attempts->outcome.text, "cannot be read"));
    free(path);
    free(known);
    assert_content("log", "");
}

static void a_file_of_known_hosts_knows_it(void **state)
{
    struct attempts *attempts = *state;
    char *command, *more;

    use(attempts, "");
    command = xasprintf("echo \"[127.0.0.1]:%d $(cut -d' ' -f1,2 %s/host.pub)\" >%s/known", server.port,
                        server.folder, work);
    assert_int_equal(system(command), 0);
    more = xasprintf(",'host_key':null,'known_hosts':'%s/known'", work);
    use(attempts, more);
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    free(command);
    free(more);
}

static void who_is_not_let_in_is_deferred(void **state)
{
    static const struct secret password = {.password = (char *)"hunter2"}, nothing = {0},
                               key = {.private_key =
                                          (char *)"-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n"};
    struct attempts *attempts = *state;

    use(attempts, "");
    attempts->attempt.secret = &password;
    attempts_expect(attempts, OUTCOME_DEFERRED, "login");
    assert_null(strstr(attempts->outcome.text, "hunter2"));
    attempts->attempt.secret = &key;
    attempts_expect(attempts, OUTCOME_DEFERRED, "login");
    assert_null(strstr(attempts->outcome.text, "hunter2"));
    attempts->attempt.secret = &nothing;
    attempts_expect(attempts, OUTCOME_DEFERRED, "credentials");
    attempts->attempt.secret = NULL;
    attempts_expect(attempts, OUTCOME_DEFERRED, "credentials");
}

static void a_key_alone_is_a_secret_too(void **state)
{
    struct attempts *attempts = *state;
    struct secret plain = {.token = server.key, .password = server.key};

    use(attempts, "");
    attempts->attempt.secret = &plain;
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
}

static void the_guard_looks_at_the_address(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "");
    attempts->context.allow_private = false;
    attempts_expect(attempts, OUTCOME_REJECTED, "refused_address");
    assert_non_null(strstr(attempts->outcome.text, "loopback"));
}

static void what_is_no_ssh_is_deferred(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct attempts *attempts = *state;
    char port[40];
    int fd;

    use(attempts, "");
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(port, sizeof port, ",'port':%d,'timeout':'1s'", ntohs(address.sin_port));
    use(attempts, port);
    attempts_expect(attempts, OUTCOME_DEFERRED, "connect");
    assert_int_equal(listen(fd, 8), 0);
    attempts_expect(attempts, OUTCOME_DEFERRED, "timeout"); /* it says nothing */
    close(fd);
}

static void a_process_without_descriptors_is_not_the_servers_fault(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "");
    attempts_limit_descriptors(true);
    attempts_try(attempts);
    attempts_limit_descriptors(false);
    if (strcmp(attempts->outcome.reason, "system") != 0)
        fail_msg("%s: %s", attempts->outcome.reason, attempts->outcome.text);
    assert_true(attempts->outcome.local);
}

static void a_home_folder_is_no_path(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, ",'path':'/{data_type}/x'");
    attempts->attempt.data_type = "~";
    attempts_expect(attempts, OUTCOME_REJECTED, "configuration");
    attempts->attempt.data_type = NULL;
    attempts_expect(attempts, OUTCOME_REJECTED, "configuration");
}

static int start(void **state)
{
    const char *tmp = getenv("TMPDIR");
    char self[500] = "", command[800];

    (void)state;
    if (!sshd_server_is_installed()) {
        print_message("# sshd is not installed\n");
        return 0;
    }
    snprintf(work, sizeof work, "%s/dist-sftp-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(work));
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(command, sizeof command, "%s --serve %s", self, work);
    sshd_server_start(&server, command);
    secret.private_key = server.key;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    if (!sshd_server_is_installed())
        return 0;
    sshd_server_stop(&server);
    char *command = xasprintf("rm -rf %s", work);
    int result = system(command);
    free(command);
    return result;
}

static void every_row_was_seen(void **state)
{
    (void)state;
    rows_assert_all(&outcomes_sftp);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
#define TRY(test) cmocka_unit_test_setup_teardown(test, begin, end)
        TRY(a_file_is_written_under_another_name_and_renamed),
        TRY(an_empty_body_is_an_empty_file),
        TRY(what_is_there_with_the_same_bytes_is_ours),
        TRY(another_file_is_never_replaced),
        TRY(a_folder_of_that_name_is_in_the_way),
        TRY(every_status_has_its_outcome),
        TRY(a_write_that_fails_is_deferred_and_nothing_is_left),
        TRY(an_answer_that_is_lost_is_looked_for),
        TRY(a_connection_that_has_ended_costs_no_attempt),
        TRY(a_server_that_ends_at_every_write_is_deferred),
        TRY(a_server_that_hangs_up_is_deferred),
        TRY(the_deadline_holds_wherever_the_server_falls_silent),
        TRY(folders_and_mode_are_as_the_form_says),
        TRY(an_unknown_key_of_the_host_is_deferred),
        TRY(a_file_of_known_hosts_knows_it),
        TRY(who_is_not_let_in_is_deferred),
        TRY(a_key_alone_is_a_secret_too),
        TRY(the_guard_looks_at_the_address),
        TRY(what_is_no_ssh_is_deferred),
        TRY(a_process_without_descriptors_is_not_the_servers_fault),
        TRY(a_home_folder_is_no_path),
        cmocka_unit_test(every_row_was_seen),
    };

    if (argc == 3 && strcmp(argv[1], "--serve") == 0)
        return faulty_sftp_serve(argv[2]);
    return cmocka_run_group_tests(tests, start, stop);
}
