/*
 * HDFS: the steps of a delivery, what every exception means, and whom a redirect may lead to
 */
#include "attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/event.h>
#include "fdio.h"
#include "namenode.h"
#include "rows.h"
#include "secret.h"
#include "webhdfs.h"
#include "xalloc.h"

#define NAME "/in/acme/0190b2c4-0000-7000-8000-000000000001.json"
#define TEMPORARY "/in/acme/.0190b2c4-0000-7000-8000-000000000001.1.tmp"
#define SECOND_TEMPORARY "/in/acme/.0190b2c4-0000-7000-8000-000000000001.2.tmp"
#define LINE(op, path) op " " path " user=dist\n"

static char folder[] = "/tmp/dist-hdfs-XXXXXX";
static struct namenode namenode;
static struct destination *destination;

static struct destination *to_namenode(const char *more)
{
    return attempts_destination("{'protocol':'HDFS','endpoint':'http://127.0.0.1:%d','user':'dist','path':"
                                "'/in/{tenant_id}/{delivery_id}.json','timeout':4%s}",
                                namenode_port(&namenode), more);
}

static int setup(void **state)
{
    attempts_setup(state);
    struct attempts *attempts = *state;
    if (!mkdtemp(folder) || namenode_start(&namenode, attempts->base, folder, 0, 0))
        return -1;
    destination = to_namenode(",'permission':'640'");
    attempts->attempt.destination = destination;
    return 0;
}

static int teardown(void **state)
{
    char *command = xasprintf("rm -rf %s", folder);

    namenode_stop(&namenode);
    destination_unref(destination);
    if (system(command) != 0)
        return -1;
    free(command);
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    return attempts_teardown(state);
}

/* The file on this machine; NULL: there is none. */
static char *content(const char *path)
{
    char *local = xasprintf("%s%s", folder, path);
    struct buf text;
    char *result = fdio_read_file(local, 1000000, &text, NULL) == 0 ? buf_steal(&text, NULL) : NULL;

    buf_release(&text);
    free(local);
    return result;
}

static void put_file(const char *path, const char *text)
{
    char *command = xasprintf("mkdir -p %s/in/acme && printf '%%s' '%s' >%s%s", folder, text, folder, path);
    assert_int_equal(system(command), 0);
    free(command);
}

static void assert_content(const char *path, const char *text)
{
    char *found = content(path);

    if (!found || !text)
        assert_true(found == text);
    else
        assert_string_equal(found, text);
    free(found);
}

static void fail_at(const char *op, int status, const char *exception)
{
    namenode.failing = op;
    namenode.times = -1;
    namenode.status = status;
    namenode.exception = exception;
}

static void a_file_is_written_under_a_temporary_name_and_renamed(void **state)
{
    struct attempts *attempts = *state;
    char *local = xasprintf("%s%s", folder, NAME);
    struct stat stat_;

    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    assert_content(NAME, "{\"a\":1}");
    assert_content(TEMPORARY, NULL);
    assert_string_equal(namenode.log.data, LINE("CREATE", TEMPORARY) LINE("DATA CREATE", TEMPORARY)
                                               LINE("RENAME", TEMPORARY) LINE("GETFILESTATUS", NAME));
    assert_int_equal(stat(local, &stat_), 0);
    assert_int_equal(stat_.st_mode & 0777, 0640);
    free(local);
}

static void a_later_attempt_looks_first_and_writes_what_is_not_there(void **state)
{
    struct attempts *attempts = *state;

    attempts->attempt.number = 2;
    put_file(TEMPORARY, "half of an earlier attempt");
    put_file(SECOND_TEMPORARY, "half of this one before it was killed, and more than that");
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    assert_content(NAME, "{\"a\":1}");
    assert_content(TEMPORARY, NULL);
    assert_content(SECOND_TEMPORARY, NULL);
    assert_string_equal(namenode.log.data,
                        LINE("GETFILESTATUS", NAME) LINE("CREATE", SECOND_TEMPORARY)
                            LINE("DATA CREATE", SECOND_TEMPORARY) LINE("RENAME", SECOND_TEMPORARY)
                                LINE("GETFILESTATUS", NAME) LINE("DELETE", TEMPORARY));
    buf_clear(&namenode.log);
    attempts_expect(attempts, OUTCOME_DELIVERED, "there_already");
    assert_string_equal(namenode.log.data, LINE("GETFILESTATUS", NAME) LINE("OPEN", NAME)
                                               LINE("DATA OPEN", NAME) LINE("DELETE", TEMPORARY));
}

/* Of a hundred attempts no more than the last ones are looked after, and none where nobody answers. */
static void what_earlier_attempts_left_is_deleted_in_the_time_there_is(void **state)
{
    struct attempts *attempts = *state;
    size_t deletes = 0;

    attempts->attempt.number = 100;
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    for (const char *at = namenode.log.data; (at = strstr(at, "DELETE ")); at++)
        deletes++;
    assert_int_equal(deletes, 9);
    fail_at("DELETE", 0, NULL);
    namenode.hang = true;
    destination->timeout_ms = 1000;
    buf_clear(&namenode.log);
    attempts_expect(attempts, OUTCOME_DELIVERED, "there_already");
    assert_null(strstr(strstr(namenode.log.data, "DELETE ") + 1, "DELETE "));
}

/* A folder of the file's name: the file system moves the temporary file into it, and says yes. */
static void a_file_that_was_moved_into_a_folder_is_no_success_and_is_deleted(void **state)
{
    struct attempts *attempts = *state;
    char *command = xasprintf("mkdir -p %s" NAME "/mine", folder);
    char *empty = xasprintf("rmdir %s" NAME "/mine && rmdir %s" NAME, folder, folder);

    assert_int_equal(system(command), 0);
    attempts_expect(attempts, OUTCOME_REJECTED, "exists");
    assert_string_equal(attempts->outcome.text, "a folder or link of 0 bytes is there");
    assert_non_null(strstr(namenode.log.data, LINE("RENAME", TEMPORARY)));
    put_file(NAME "/.0190b2c4-0000-7000-8000-000000000001.1.tmp", "of an attempt that was killed there");
    attempts->attempt.number = 2;
    attempts_expect(attempts, OUTCOME_REJECTED, "exists");
    assert_int_equal(system(empty), 0); /* nothing else is in it */
    assert_content(TEMPORARY, NULL);
    free(command);
    free(empty);
}

static void what_the_name_is_then_decides(void **state)
{
    static const struct {
        const char *status;
        int http;
        enum outcome_kind kind;
        const char *reason;
    } cases[] = {
        {"{\"FileStatus\":{\"type\":\"FILE\",\"length\":3}}", 200, OUTCOME_DEFERRED, "broken"},
        {"{}", 200, OUTCOME_DEFERRED, "broken"},
        {"", 500, OUTCOME_DEFERRED, "http_5xx"},
        /* It was there, since the renaming says so, and somebody has taken it. */
        {"{\"RemoteException\":{\"exception\":\"FileNotFoundException\"}}", 404, OUTCOME_DELIVERED,
         "written"},
    };
    struct attempts *attempts = *state;
    char *local = xasprintf("%s%s", folder, NAME);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fail_at("GETFILESTATUS", cases[i].http, NULL);
        namenode.body = cases[i].status;
        attempts_expect(attempts, cases[i].kind, cases[i].reason);
        assert_int_equal(unlink(local), 0); /* it is not taken away by what is not sure */
    }
    free(local);
}

static void a_name_may_be_as_long_as_the_file_system_allows(void **state)
{
    struct attempts *attempts = *state;
    char name[257];

    for (int size = 255; size <= 256; size++) {
        memset(name, 'n', sizeof name);
        name[size] = '\0';
        struct destination *to = attempts_destination(
            "{'protocol':'HDFS','endpoint':'http://127.0.0.1:%d','user':'dist','path':'/in/%s'}",
            namenode_port(&namenode), name);
        attempts->attempt.destination = to;
        attempts_expect(attempts, size == 255 ? OUTCOME_DELIVERED : OUTCOME_REJECTED,
                        size == 255 ? "written" : "PathComponentTooLongException");
        destination_unref(to);
    }
    assert_non_null(strstr(attempts->outcome.text, "The maximum path component name limit"));
    assert_content("/in/.0190b2c4-0000-7000-8000-000000000001.1.tmp", NULL);
}

static void a_file_that_is_there_is_ours_by_its_bytes_and_never_replaced(void **state)
{
    static const struct {
        const char *there;
        enum outcome_kind kind;
        const char *reason;
    } cases[] = {
        {"{\"a\":1}", OUTCOME_DELIVERED, "there_already"},
        {"{\"a\":2}", OUTCOME_REJECTED, "exists"},
        {"{\"a\":10}", OUTCOME_REJECTED, "exists"},
        {"", OUTCOME_REJECTED, "exists"},
    };
    struct attempts *attempts = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int number = 1; number <= 2; number++) {
            attempts->attempt.number = number;
            put_file(NAME, cases[i].there);
            attempts_expect(attempts, cases[i].kind, cases[i].reason);
            assert_content(NAME, cases[i].there);
            assert_content(TEMPORARY, NULL);
        }
}

static void empty_bodies_and_folders_in_the_way(void **state)
{
    struct attempts *attempts = *state;
    char *path = xasprintf("%s/in/acme/0190b2c4-0000-7000-8000-000000000001.json", folder);

    attempts->attempt.body_size = 0;
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    attempts_expect(attempts, OUTCOME_DELIVERED, "there_already");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    attempts_expect(attempts, OUTCOME_REJECTED, "exists");
    assert_non_null(strstr(attempts->outcome.text, "folder"));
    assert_content(TEMPORARY, NULL);
    free(path);
}

/* The setting is for what is on the internet; a cluster that is behind a proxy names it. */
static void the_cluster_is_reached_through_a_proxy_only_where_the_form_names_one(void **state)
{
    struct attempts *attempts = *state;
    char *proxy = xasprintf("http://127.0.0.1:%d", namenode_port(&namenode));
    struct destination *far = attempts_destination(
        "{'protocol':'HDFS','endpoint':'http://cluster.invalid','path':'/x','proxy':'%s'}", proxy);

    attempts->context.proxy = (char *)"http://127.0.0.1:1";
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    attempts->attempt.destination = far;
    attempts_try(attempts);
    assert_non_null(strstr(namenode.log.data, "CREATE ? user=-\n")); /* a whole URL, which it does not know */
    attempts->context.proxy = NULL;
    destination_unref(far);
    free(proxy);
}

static void every_exception_of_the_table_is_judged_by_its_row(void **state)
{
    struct attempts *attempts = *state;

    for (const struct answer *row = outcomes_hdfs.codes; row->reason; row++) {
        const char *name = outcomes_hdfs.code_text(row->first);
        fail_at("CREATE", name ? 403 : row->last, name);
        attempts_expect(attempts, row->kind, row->reason);
        assert_int_equal(attempts->outcome.overload, (row->marks & OVERLOAD) != 0);
        if (name) {
            assert_non_null(strstr(attempts->outcome.text, name));
            assert_non_null(strstr(attempts->outcome.text, ": it says so"));
        }
    }
}

static void a_failure_at_any_step_is_deferred_and_leaves_no_temporary_file(void **state)
{
    static const struct {
        const char *op, *text;
        int number;
    } cases[] = {
        {"GETFILESTATUS", "the status of the file: ", 2},
        {"DATA CREATE", "writing: ", 1},
        {"RENAME", "renaming: ", 1},
        {"DATA OPEN", "reading the file that is there: ", 1},
    };
    struct attempts *attempts = *state;

    put_file(NAME, "{\"a\":1}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int drop = 0; drop < 2; drop++) {
            attempts->attempt.number = cases[i].number;
            fail_at(cases[i].op, 500, "IOException");
            namenode.drop = drop;
            attempts_expect(attempts, OUTCOME_DEFERRED, drop ? "broken" : "IOException");
            if (!strstr(attempts->outcome.text, cases[i].text))
                fail_msg("no '%s' in: %s", cases[i].text, attempts->outcome.text);
            assert_content(TEMPORARY, NULL);
            namenode.drop = false;
        }
}

static void answers_that_make_no_sense_are_no_success(void **state)
{
    static const struct {
        const char *op, *body;
        int status;
    } cases[] = {
        {"CREATE", NULL, 200},
        {"CREATE", NULL, 307},
        {"RENAME", "{}", 200},
        {"RENAME", "<html>", 200},
        {"GETFILESTATUS", "{\"FileStatus\":{\"type\":7}}", 200},
    };
    struct attempts *attempts = *state;

    put_file(NAME, "{\"a\":1}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fail_at(cases[i].op, cases[i].status, NULL);
        namenode.body = cases[i].body;
        attempts_try(attempts);
        assert_int_not_equal(attempts->outcome.kind, OUTCOME_DELIVERED);
    }
    assert_string_equal(attempts->outcome.reason, "broken");
}

static void what_is_no_answer_is_told_apart(void **state)
{
    struct attempts *attempts = *state;

    destination->timeout_ms = 400;
    fail_at("DATA CREATE", 0, NULL);
    namenode.hang = true;
    attempts_expect(attempts, OUTCOME_DEFERRED, "timeout");
    assert_true(attempts->outcome.overload);
    assert_non_null(strstr(namenode.log.data, LINE("DELETE", TEMPORARY))); /* within the time */
    attempts->context.allow_private = false;
    attempts_expect(attempts, OUTCOME_REJECTED, "refused_address");
    attempts->context.allow_private = true;
    struct destination *secure = attempts_destination(
        "{'protocol':'HDFS','endpoint':'https://127.0.0.1:%d','path':'/x'}", namenode_port(&namenode));
    attempts->attempt.destination = secure;
    attempts_expect(attempts, OUTCOME_DEFERRED, "tls");
    destination_unref(secure);
    attempts->attempt.destination = destination;
    namenode_stop(&namenode);
    attempts_expect(attempts, OUTCOME_DEFERRED, "connect");
    attempts_limit_descriptors(true);
    attempts_expect(attempts, OUTCOME_DEFERRED, "system");
    attempts_limit_descriptors(false);
    attempts->attempt.tenant_id = NULL;
    attempts_expect(attempts, OUTCOME_REJECTED, "configuration");
}

/* The namenode is reached by a name that is let in; where it sends us to is not. */
static void a_redirect_is_followed_only_where_the_guard_and_the_form_allow(void **state)
{
    struct attempts *attempts = *state;

    namenode.location = "http://10.255.255.1:9";
    destination_unref(destination);
    destination = to_namenode(",'datanodes':['dn1.example.com','127.0.0.1']");
    attempts->attempt.destination = destination;
    attempts_expect(attempts, OUTCOME_REJECTED, "refused_address");
    assert_non_null(strstr(attempts->outcome.text, "none of \"datanodes\""));
    assert_null(strstr(namenode.log.data, "DATA CREATE"));
    namenode.location = NULL;
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
}

static void targets_of_redirects_are_looked_at(void **state)
{
    static const struct {
        const char *endpoint, *target, *mistake;
    } cases[] = {
        {"http://n", "http://d:9864/webhdfs/v1/a?op=CREATE", NULL},
        {"http://n", "https://d/gateway/webhdfs/v1/a?op=CREATE", NULL},
        {"https://n", "https://[2001:db8::1]:9865/webhdfs/v1/a", NULL},
        {"https://n", "http://d/webhdfs/v1/a", "from https to http"},
        {"http://n", "ftp://d/webhdfs/v1/a", "neither http nor https"},
        {"http://n", "file:///webhdfs/v1/a", "neither http nor https"},
        {"http://n", "/webhdfs/v1/a", "neither http nor https"},
        {"http://n", "http://u:p@d/webhdfs/v1/a", "a user"},
        {"http://n", "http:///webhdfs/v1/a", "no host"},
        {"http://n", "http://d/admin?x=/webhdfs/v1/a", "no path of WebHDFS"},
        {"http://n", "http://d/admin#/webhdfs/v1/a", "fragment"},
        {"http://n", "http://d/webhdfs/v1/a?op=CREATE#x", "fragment"},
        {"http://n", "http://d#/webhdfs/v1/a", "fragment"},
        {"http://n", "http://d/webhdfs/v1/../../admin", "dot segment"},
        {"http://n", "http://d/webhdfs/v1/..", "dot segment"},
        {"http://n", "http://d/webhdfs/v1/%2e%2E/%2e./admin?op=CREATE", "dot segment"},
        {"http://n", "http://d/./webhdfs/v1/a", "dot segment"},
        {"http://n", "http://d/webhdfs/v1/a/.b/..c/d..?x=/../y", NULL},
        {"http://n", "http://d/webhdfs/v1/a b", "no URL"},
        {"http://n", "http://d\\@e/webhdfs/v1/a", "no URL"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct webhdfs server = {.endpoint = cases[i].endpoint};
        const char *mistake = webhdfs_target_mistake(&server, cases[i].target);
        if (!cases[i].mistake != !mistake || (mistake && !strstr(mistake, cases[i].mistake)))
            fail_msg("%s: %s", cases[i].target, mistake ? mistake : "no mistake");
    }
}

static void a_delegation_token_goes_in_place_of_the_user_and_into_no_text(void **state)
{
    const struct secret secret = {.token = (char *)"KAAKSm9i+/token=", .username = (char *)"else"};
    const struct secret other = {.token = (char *)"expired-token"};
    const struct secret named = {.username = (char *)"somebody"};
    struct attempts *attempts = *state;

    namenode.token = secret.token;
    attempts->attempt.secret = &secret;
    attempts_expect(attempts, OUTCOME_DELIVERED, "written");
    assert_null(strstr(namenode.log.data, "user=else"));
    attempts->attempt.secret = &other;
    attempts_expect(attempts, OUTCOME_DEFERRED, "InvalidToken");
    assert_null(strstr(attempts->outcome.text, "expired-token"));
    namenode.token = NULL;
    attempts->attempt.secret = &named;
    attempts_expect(attempts, OUTCOME_DELIVERED, "there_already");
    assert_non_null(strstr(namenode.log.data, " user=somebody\n"));
}

static void a_check_asks_for_the_folder_and_changes_nothing(void **state)
{
    struct attempts *attempts = *state;
    struct fault fault = {0};

    assert_int_equal(adapter_hdfs.check(&attempts->context, destination, NULL, &fault), 0);
    put_file("/in/acme/x", "");
    assert_int_equal(adapter_hdfs.check(&attempts->context, destination, NULL, &fault), 0);
    assert_string_equal(namenode.log.data, LINE("GETFILESTATUS", "/in") LINE("GETFILESTATUS", "/in"));
    fail_at("GETFILESTATUS", 403, "StandbyException");
    assert_int_equal(adapter_hdfs.check(&attempts->context, destination, NULL, &fault), -1);
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    namenode.times = 0;
    struct destination *file = attempts_destination(
        "{'protocol':'HDFS','endpoint':'http://127.0.0.1:%d','user':'dist','path':'/in/acme/x/{date}'}",
        namenode_port(&namenode));
    assert_int_equal(adapter_hdfs.check(&attempts->context, file, NULL, &fault), -1);
    assert_int_equal(fault.class, FAULT_CONFIG);
    assert_string_equal(fault.text, "/in/acme/x: no folder");
    destination_unref(file);
}

static void on_never(void *arg, struct outcome *outcome)
{
    (void)arg;
    (void)outcome;
    fail_msg("done was called for a cancelled attempt");
}

static void an_attempt_can_be_cancelled_at_every_step(void **state)
{
    static const char *const steps[] = {"CREATE", "DATA CREATE", "RENAME", "GETFILESTATUS", "DATA OPEN"};
    struct attempts *attempts = *state;

    put_file(NAME, "{\"a\":1}");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        buf_clear(&namenode.log);
        struct attempt_handle *handle =
            adapter_hdfs.start(&attempts->context, &attempts->attempt, on_never, NULL);
        while (!strstr(namenode.log.data, steps[i]))
            event_base_loop(attempts->base, EVLOOP_ONCE);
        adapter_hdfs.cancel(handle);
    }
}

static void every_row_was_seen(void **state)
{
    (void)state;
    rows_assert_all(&outcomes_hdfs);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_written_under_a_temporary_name_and_renamed),
        TEST(a_later_attempt_looks_first_and_writes_what_is_not_there),
        TEST(what_earlier_attempts_left_is_deleted_in_the_time_there_is),
        TEST(a_file_that_was_moved_into_a_folder_is_no_success_and_is_deleted),
        TEST(what_the_name_is_then_decides),
        TEST(a_name_may_be_as_long_as_the_file_system_allows),
        TEST(a_file_that_is_there_is_ours_by_its_bytes_and_never_replaced),
        TEST(empty_bodies_and_folders_in_the_way),
        TEST(the_cluster_is_reached_through_a_proxy_only_where_the_form_names_one),
        TEST(every_exception_of_the_table_is_judged_by_its_row),
        TEST(a_failure_at_any_step_is_deferred_and_leaves_no_temporary_file),
        TEST(answers_that_make_no_sense_are_no_success),
        TEST(what_is_no_answer_is_told_apart),
        TEST(a_redirect_is_followed_only_where_the_guard_and_the_form_allow),
        cmocka_unit_test(targets_of_redirects_are_looked_at),
        TEST(a_delegation_token_goes_in_place_of_the_user_and_into_no_text),
        TEST(a_check_asks_for_the_folder_and_changes_nothing),
        TEST(an_attempt_can_be_cancelled_at_every_step),
        cmocka_unit_test(every_row_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
