/*
 * What happens on this machine, by the members of the forms of file and exec: owners, modes, folders, links,
 * disks that are full or cannot be written; limits, folders and results of commands. Where it needs root and
 * a mount of its own and there is none, it is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "attempts.h"
#include "destination.h"
#include "file_owner.h"
#include "form.h"
#include "xalloc.h"

enum { STRANGER = 65533 }; /* an id that nobody has */

static char folder[] = "/tmp/dist-local-XXXXXX";

static int make_all(void **state)
{
    char *command = xasprintf("rm -rf %s/*", folder);
    int result = system(command);

    free(command);
    return result ? result : attempts_setup(state);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char *command = xasprintf("rm -rf %s", folder);
    int result = system(command);

    (void)state;
    free(command);
    return result;
}

/* One attempt of the form; its destination is gone afterwards. */
static void expect(struct attempts *attempts, const char *form, enum outcome_kind kind, const char *reason)
{
    struct destination *destination = attempts_destination("%s", form);

    attempts->attempt.destination = destination;
    attempts_expect(attempts, kind, reason);
    destination_unref(destination);
}

static struct stat status_of(const char *name)
{
    char *path = xasprintf("%s/%s", folder, name);
    struct stat status = {0};

    if (lstat(path, &status) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    free(path);
    return status;
}

static bool is_there(const char *name)
{
    char *path = xasprintf("%s/%s", folder, name);
    struct stat status;
    bool there = lstat(path, &status) == 0;

    free(path);
    return there;
}

static void must_make(const char *name, mode_t mode)
{
    char *path = xasprintf("%s/%s", folder, name);

    assert_int_equal(mkdir(path, mode), 0);
    free(path);
}

/* file */

static void each_sync_policy_writes_the_file(void **state)
{
    static const char *const policies[] = {"full", "file", "none"};

    for (size_t i = 0; i < 3; i++) {
        char *form =
            xasprintf("{'protocol':'file','path':'%s/%s','sync':'%s'}", folder, policies[i], policies[i]);
        expect(*state, form, OUTCOME_DELIVERED, "written");
        expect(*state, form, OUTCOME_DELIVERED, "there_already");
        assert_int_equal(status_of(policies[i]).st_mode & 07777, 0640);
        free(form);
    }
}

static void folders_are_made_with_their_mode_where_the_form_says_so(void **state)
{
    struct attempts *attempts = *state;
    char *without = xasprintf("{'protocol':'file','path':'%s/other/{tenant_id}/x'}", folder);
    char *plain =
        xasprintf("{'protocol':'file','path':'%s/new/{tenant_id}/{data_type}/x','make_folders':true,"
                  "'folder_mode':'0775'}",
                  folder);
    struct fault fault = {0};
    mode_t mask = umask(077); /* it is not applied */

    expect(attempts, without, OUTCOME_DEFERRED, "no_folder");
    assert_false(is_there("other"));
    expect(attempts, plain, OUTCOME_DELIVERED, "written");
    assert_int_equal(status_of("new").st_mode & 07777, 0775);
    assert_int_equal(status_of("new/acme/report").st_mode & 07777, 0775);
    expect(attempts, plain, OUTCOME_DELIVERED, "there_already");
    attempts->attempt.tenant_id = "../../..";
    expect(attempts, plain, OUTCOME_DELIVERED, "written");
    assert_true(is_there("new/_._.._../report/x"));
    umask(mask);
    struct destination *destination = attempts_destination("%s", plain);
    assert_int_equal(adapter_file.check(&attempts->context, destination, NULL, &fault), 0);
    destination_unref(destination);
    free(without);
    free(plain);
}

static void links_are_followed_where_the_operator_wrote_them_and_nowhere_else(void **state)
{
    struct attempts *attempts = *state;
    char *link = xasprintf("%s/link", folder), *deep = xasprintf("%s/real/acme", folder);
    char *literal = xasprintf("{'protocol':'file','path':'%s/link/{data_type}'}", folder);
    char *beneath =
        xasprintf("{'protocol':'file','path':'%s/real/{tenant_id}/x','make_folders':true}", folder);
    char *last = xasprintf("{'protocol':'file','path':'%s/real/{data_type}'}", folder);

    must_make("real", 0700);
    assert_int_equal(symlink("real", link), 0);
    expect(attempts, literal, OUTCOME_DELIVERED, "written");
    assert_true(is_there("real/report"));
    assert_int_equal(symlink("/tmp", deep), 0);
    expect(attempts, beneath, OUTCOME_REJECTED, "path");
    assert_non_null(strstr(attempts->outcome.text, "symbolic link"));
    unlink(deep);
    expect(attempts, beneath, OUTCOME_DELIVERED, "written");
    free(link);
    link = xasprintf("%s/real/report", folder);
    unlink(link);
    assert_int_equal(symlink("acme/x", link), 0); /* the same bytes, by a link: it is not ours */
    expect(attempts, last, OUTCOME_REJECTED, "exists");
    assert_true(S_ISLNK(status_of("real/report").st_mode));
    free(link);
    free(deep);
    free(literal);
    free(beneath);
    free(last);
}

static void no_value_leaves_its_component(void **state)
{
    struct attempts *attempts = *state;
    static const char *const evil[] = {"..",        "../x",     "/etc/passwd", ".hidden",
                                       "a/../../b", "a\nb\x7f", ".",           ""};
    static const char *const names[] = {"_.",        "_._x", "_etc_passwd", "_hidden",
                                        "a_.._.._b", "a_b_", "_",           "_"};
    char *form = xasprintf("{'protocol':'file','path':'%s/in/{tenant_id}/{distribution_id}/{data_type}/"
                           "{delivery_id}/.{date}','make_folders':true}",
                           folder);

    must_make("in", 0700);
    for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
        const char *n = names[i];
        char *path = xasprintf("in/%s/%s/%s/%s/.%s", n, n, n, n, n);
        attempts->attempt.tenant_id = attempts->attempt.distribution_id = attempts->attempt.data_type =
            attempts->attempt.message_id = attempts->attempt.date = evil[i];
        expect(attempts, form, OUTCOME_DELIVERED,
               i + 1 < sizeof evil / sizeof *evil ? "written" : "there_already");
        if (!is_there(path))
            fail_msg("'%s' became no %s", evil[i], path);
        free(path);
    }
    free(form);
}

static void owner_and_group_are_given_by_root(void **state)
{
    struct attempts *attempts = *state;
    char *form =
        xasprintf("{'protocol':'file','path':'%s/{tenant_id}/x','owner':'%d','group':'%d','mode':'0604',"
                  "'make_folders':true,'folder_mode':'0711'}",
                  folder, STRANGER, STRANGER - 1);

    if (geteuid() != 0)
        skip();
    expect(attempts, form, OUTCOME_DELIVERED, "written");
    struct stat file = status_of("acme/x"), parent = status_of("acme");
    assert_true(file.st_uid == STRANGER && file.st_gid == STRANGER - 1 && (file.st_mode & 07777) == 0604);
    assert_true(parent.st_uid == STRANGER && parent.st_gid == STRANGER - 1 &&
                (parent.st_mode & 07777) == 0711);
    free(form);
    form = xasprintf("{'protocol':'file','path':'%s/y','group':'%d'}", folder, STRANGER);
    expect(attempts, form, OUTCOME_DELIVERED, "written");
    file = status_of("y");
    assert_true(file.st_uid == 0 && file.st_gid == STRANGER);
    free(form);
}

static void a_name_is_looked_up_and_one_that_is_missing_defers(void **state)
{
    struct attempts *attempts = *state;
    struct fault fault = {0};
    struct destination *missing =
        attempts_destination("{'protocol':'file','path':'%s/x','owner':'no-such-user'}", folder);
    struct destination *group =
        attempts_destination("{'protocol':'file','path':'%s/x','group':'no-such-group'}", folder);
    struct destination *root =
        attempts_destination("{'protocol':'file','path':'%s/x','owner':'root','group':'root'}", folder);

    file_owner_find(missing);
    file_owner_find(group);
    file_owner_find(root);
    assert_true(root->owner.known && root->owner.id == 0 && root->group.known && root->group.id == 0);
    attempts->attempt.destination = missing;
    attempts_expect(attempts, OUTCOME_DEFERRED, "permission");
    assert_non_null(strstr(attempts->outcome.text, "owner: there is no user 'no-such-user' on this host"));
    assert_int_equal(adapter_file.check(&attempts->context, missing, NULL, &fault), -1);
    assert_non_null(strstr(fault.text, "there is no user 'no-such-user'"));
    assert_int_equal(adapter_file.check(&attempts->context, group, NULL, &fault), -1);
    assert_non_null(strstr(fault.text, "there is no group 'no-such-group'"));
    assert_false(is_there("x"));
    destination_unref(missing);
    destination_unref(group);
    destination_unref(root);
}

/* In a child: what it says is its exit code. */
static int as_nobody(int (*act)(struct attempts *attempts), struct attempts *attempts)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        if (setgroups(0, NULL) < 0 || setgid(STRANGER) < 0 || setuid(STRANGER) < 0)
            _exit(100);
        _exit(act(attempts));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int check_ownership(struct attempts *attempts)
{
    static const struct {
        const char *members, *text; /* NULL: it is good */
    } cases[] = {
        {"'owner':'65533'", NULL},
        {"'group':'65533'", NULL},
        {"'owner':'0'", "owner: only root"},
        {"'group':'0'", "group: files may be given to '0' only by root"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct destination *destination =
            attempts_destination("{'protocol':'file','path':'%s/open/x',%s}", folder, cases[i].members);
        struct fault fault = {0};
        int result = adapter_file.check(&attempts->context, destination, NULL, &fault);
        destination_unref(destination);
        if (cases[i].text ? result == 0 || !strstr(fault.text, cases[i].text) : result != 0)
            return (int)i + 1;
    }
    return 0;
}

static void a_check_says_who_may_give_files_away(void **state)
{
    char *path = xasprintf("%s/open", folder);

    if (geteuid() != 0)
        skip();
    must_make("open", 0777);
    assert_int_equal(chmod(path, 0777) | chmod(folder, 0755), 0);
    assert_int_equal(as_nobody(check_ownership, *state), 0);
    free(path);
}

/* A file system of 64 KiB below the folder, in a namespace of its own, which ends with this process. */
static bool mount_small(const char *options, unsigned long flags)
{
    char *path = xasprintf("%s/disk", folder);
    bool done = mount("dist-test", path, "tmpfs", flags, options) == 0;

    free(path);
    return done;
}

static int on_a_small_disk(struct attempts *attempts)
{
    char *body = xcalloc(1, 256 * 1024);
    char *form = xasprintf("{'protocol':'file','path':'%s/disk/x'}", folder);
    struct destination *destination = attempts_destination("%s", form);

    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        !mount_small("size=64k", 0))
        return 77;
    attempts->attempt.destination = destination;
    attempts->attempt.body = body;
    attempts->attempt.body_size = 256 * 1024;
    if (attempts_try(attempts) != OUTCOME_DEFERRED || strcmp(attempts->outcome.reason, "full") != 0)
        return 1;
    if (is_there("disk/x"))
        return 2;
    if (!mount_small("size=64k", MS_REMOUNT | MS_RDONLY))
        return 77;
    attempts->attempt.body_size = 10;
    if (attempts_try(attempts) != OUTCOME_DEFERRED || strcmp(attempts->outcome.reason, "read_only") != 0)
        return 3;
    return 0;
}

static void a_disk_that_is_full_or_read_only_defers(void **state)
{
    int status;

    (void)state;
    if (geteuid() != 0)
        skip();
    must_make("disk", 0755);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) { /* the loop of the parent is not for two */
        void *fresh = NULL;
        _exit(attempts_setup(&fresh) == 0 ? on_a_small_disk(fresh) : 99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* exec */

static void command(struct attempts *attempts, const char *members, const char *script,
                    enum outcome_kind kind, const char *reason)
{
    json_t *form = json_pack("{s:s, s:[s,s,s]}", "protocol", "exec", "command", "/bin/sh", "-c", script);
    json_t *more = json_loads(members, 0, NULL);
    struct fault fault = {0};

    assert_non_null(more);
    json_object_update(form, more);
    struct destination *destination = form_destination("script", form, NULL, "test", &fault);
    if (!destination)
        fail_msg("%s", fault.text);
    attempts->attempt.destination = destination;
    attempts_expect(attempts, kind, reason);
    destination_unref(destination);
    json_decref(more);
    json_decref(form);
}

static const char *said(struct attempts *attempts)
{
    return attempts->outcome.response.len ? attempts->outcome.response.data : "";
}

static void a_result_says_more_than_an_exit_code(void **state)
{
    static const struct {
        const char *script;
        enum outcome_kind kind;
        const char *reason, *text; /* how the text begins */
        int code;
        int64_t retry_after_ms;
    } cases[] = {
        {"echo '{{\"outcome\": \"delivered\"}' >&3", OUTCOME_DELIVERED, "said_delivered", "", 0, -1},
        {"echo '{{\"outcome\": \"DELIVERED\", \"code\": 250, \"text\": \"ok\"}' >&$DIST_RESULT_FD",
         OUTCOME_DELIVERED, "said_delivered", "", 250, -1},
        {"echo '{{\"outcome\": \"deferred\", \"reason\": \"busy\", \"retry_after\": 90, \"code\": 451, "
         "\"text\": \"try "
         "later\\\\nplease\"}' >&3",
         OUTCOME_DEFERRED, "said_deferred", "busy: try later?please", 451, 90000},
        {"echo '{{\"outcome\": \"deferred\"}' >&3; exit 1", OUTCOME_DEFERRED, "said_deferred",
         "its result says so", 1, -1},
        {"echo why >&2; echo '{{\"outcome\": \"rejected\"}' >&3; exit 75", OUTCOME_REJECTED, "said_rejected",
         "why", 75, -1},
        {"echo '{{\"outcome\": \"rejected\", \"reason\": \"bad\"}' >&3", OUTCOME_REJECTED, "said_rejected",
         "bad", 0, -1},
        /* what does not go together, or is none: the exit code decides */
        {"echo '{{\"outcome\": \"delivered\"}' >&3; exit 75", OUTCOME_DEFERRED, "exit_75",
         "exit code 75: although its result says delivered", 75, -1},
        {"echo no >&2; echo '{{\"outcome\": \"delivered\"' >&3; exit 1", OUTCOME_REJECTED, "exit",
         "exit code 1: no; its result on descriptor 3 is not used: line ", 1, -1},
        {"echo '{{\"outcome\": \"sent\"}' >&3; exit 75", OUTCOME_DEFERRED, "exit_75",
         "exit code 75: its result on descriptor 3 is not used: /outcome: ", 75, -1},
        {"echo '{{\"outcom\": \"delivered\"}' >&3; exit 75", OUTCOME_DEFERRED, "exit_75",
         "exit code 75: its result on descriptor 3 is not used: unknown member", 75, -1},
        {"echo '[]' >&3; exit 1", OUTCOME_REJECTED, "exit", "exit code 1: its result", 1, -1},
        {"echo '{{\"outcome\": \"rejected\", \"retry_after\": -1}' >&3", OUTCOME_DELIVERED, "exit_0", "", 0,
         -1},
        {"/usr/bin/head -c 3000000 /dev/zero >&3; exit 1", OUTCOME_REJECTED, "exit",
         "exit code 1: its result on descriptor 3 is not used: it is larger than 16384 bytes", 1, -1},
        {"echo '{{\"outcome\": \"delivered\"}' >&3; kill -KILL $$", OUTCOME_DEFERRED, "signal",
         "killed by signal 9", 137, -1},
    };
    struct attempts *attempts = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        command(attempts, "{}", cases[i].script, cases[i].kind, cases[i].reason);
        assert_int_equal(attempts->outcome.code, cases[i].code);
        assert_int_equal(attempts->outcome.retry_after_ms, cases[i].retry_after_ms);
        if (strncmp(attempts->outcome.text, cases[i].text, strlen(cases[i].text)) != 0 ||
            (!*cases[i].text && *attempts->outcome.text))
            fail_msg("%s: '%s'", cases[i].script, attempts->outcome.text);
    }
    command(attempts, "{}", "echo done; echo x >&3", OUTCOME_DELIVERED, "exit_0");
    assert_non_null(strstr(said(attempts), "done\n\nits result on descriptor 3 is not used: line 1"));
    command(attempts, "{\"timeout\": 0.3}", "echo '{{\"outcome\": \"delivered\"}' >&3; exec /bin/sleep 50",
            OUTCOME_DEFERRED, "timeout");
}

static void a_result_does_not_wait_for_who_keeps_the_descriptor(void **state)
{
    command(*state, "{\"timeout\": 20}",
            "echo '{{\"outcome\": \"rejected\"}' >&3; /bin/sleep 3 >/dev/null 2>&1 &", OUTCOME_REJECTED,
            "said_rejected");
}

static void a_command_runs_in_its_folder_with_its_mask_and_variables(void **state)
{
    struct attempts *attempts = *state;
    struct fault fault = {0};

    command(attempts,
            "{\"folder\": \"/usr/bin\", \"umask\": \"0027\", \"environment\": {\"KIND\": \"{data_type}/x\", "
            "\"LANG\": \"C\"}}",
            "pwd; umask; echo $KIND $LANG $PATH", OUTCOME_DELIVERED, "exit_0");
    assert_string_equal(said(attempts), "/usr/bin\n0027\nreport/x C /usr/local/bin:/usr/bin:/bin\n");
    command(attempts, "{}", "pwd; umask; echo $LANG", OUTCOME_DELIVERED, "exit_0");
    assert_string_equal(said(attempts), "/\n0077\nC.UTF-8\n");
    command(attempts, "{\"folder\": \"/nowhere\"}", "true", OUTCOME_REJECTED, "not_startable");
    assert_string_equal(attempts->outcome.text, "/nowhere: No such file or directory");
    struct destination *lost =
        attempts_destination("{'protocol':'exec','command':['/bin/true'],'folder':'/nowhere'}");
    assert_int_equal(adapter_exec.check(&attempts->context, lost, NULL, &fault), -1);
    assert_string_equal(fault.text, "folder: /nowhere: No such file or directory");
    destination_unref(lost);
    attempts->attempt.date = NULL;
    command(attempts, "{}", "echo {date}", OUTCOME_REJECTED, "configuration");
    assert_non_null(strstr(attempts->outcome.text, "command: argument 2: "));
    command(attempts, "{\"environment\": {\"DAY\": \"{date}\"}}", "true", OUTCOME_REJECTED, "configuration");
    assert_non_null(strstr(attempts->outcome.text, "environment: DAY: "));
}

static void limits_hold(void **state)
{
    struct attempts *attempts = *state;

    command(attempts, "{\"limits\": {\"cpu\": 1}}", "while :; do :; done", OUTCOME_DEFERRED, "signal");
    assert_non_null(strstr(attempts->outcome.text, "CPU time limit exceeded"));
    command(attempts, "{\"limits\": {\"file_size\": 1000}}", "exec /usr/bin/head -c 2000 /dev/zero >\"$0\"x",
            OUTCOME_DEFERRED, "signal");
    command(attempts, "{\"limits\": {\"open_files\": 7}}", "ulimit -n; ulimit -Hn", OUTCOME_DELIVERED,
            "exit_0");
    assert_string_equal(said(attempts), "7\n7\n");
    command(attempts, "{\"limits\": {\"memory\": 50000000, \"processes\": 77}}",
            "ulimit -v; ulimit -p; ulimit -c", OUTCOME_DELIVERED, "exit_0");
    assert_string_equal(said(attempts), "48828\n77\n0\n");
    command(attempts, "{\"limits\": {\"memory\": 50000000}}",
            "exec /usr/bin/head -c 100000000 /dev/zero | "
            "/usr/bin/tail -n 1 >/dev/null",
            OUTCOME_REJECTED, "exit");
    command(attempts, "{}", "ulimit -n; ulimit -v", OUTCOME_DELIVERED, "exit_0");
    assert_string_equal(said(attempts), "1024\nunlimited\n"); /* select(2) of old programs ends there */
}

static void stderr_is_the_response_where_stdout_says_nothing(void **state)
{
    struct attempts *attempts = *state;

    command(attempts, "{}", "echo first >&2; echo last >&2; exit 75", OUTCOME_DEFERRED, "exit_75");
    assert_string_equal(said(attempts), "first\nlast\n");
    command(attempts, "{}", "echo out; echo last >&2; exit 75", OUTCOME_DEFERRED, "exit_75");
    assert_string_equal(said(attempts), "out\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_all, attempts_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_sync_policy_writes_the_file),
        TEST(folders_are_made_with_their_mode_where_the_form_says_so),
        TEST(links_are_followed_where_the_operator_wrote_them_and_nowhere_else),
        TEST(no_value_leaves_its_component),
        TEST(owner_and_group_are_given_by_root),
        TEST(a_name_is_looked_up_and_one_that_is_missing_defers),
        TEST(a_check_says_who_may_give_files_away),
        TEST(a_disk_that_is_full_or_read_only_defers),
        TEST(a_result_says_more_than_an_exit_code),
        TEST(a_result_does_not_wait_for_who_keeps_the_descriptor),
        TEST(a_command_runs_in_its_folder_with_its_mask_and_variables),
        TEST(limits_hold),
        TEST(stderr_is_the_response_where_stdout_says_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
