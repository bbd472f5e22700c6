/*
 * secret, digest and notify: the small modules of lib/wire that need no server.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "digest.h"
#include "notify.h"
#include "secret.h"

enum { PATH_SIZE = 90 }; /* a socket's address must fit, too */

struct fixture {
    char dir[PATH_SIZE];
    struct secret secret;
    struct fault fault;
};

static const char *path_of(const struct fixture *f, const char *name)
{
    static char path[PATH_SIZE + 64];

    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    return path;
}

static void put_bytes(const struct fixture *f, const char *name, mode_t mode, const void *data, size_t size)
{
    const char *path = path_of(f, name);
    FILE *file;

    (void)unlink(path);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void put(const struct fixture *f, const char *name, mode_t mode, const char *text)
{
    put_bytes(f, name, mode, text, strlen(text));
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    const char *tmp = getenv("TMPDIR");

    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "%s/dist-secret-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(mkdir(path_of(f, "credentials.d"), 0700), 0);
    assert_int_equal(mkdir(path_of(f, "credentials.d/acme"), 0700), 0);
    unsetenv("CREDENTIALS_DIRECTORY");
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    char command[PATH_SIZE + 32];

    secret_release(&f->secret);
    snprintf(command, sizeof(command), "rm -rf -- '%s'", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static int load(struct fixture *f, const char *tenant, const char *reference)
{
    secret_release(&f->secret);
    memset(&f->fault, 0, sizeof(f->fault));
    return secret_load(f->dir, tenant, reference, &f->secret, &f->fault);
}

static void load_ok(struct fixture *f, const char *tenant, const char *reference)
{
    if (load(f, tenant, reference) != 0)
        fail_msg("unexpected: %s", f->fault.text);
}

static void load_wrong(struct fixture *f, const char *tenant, const char *reference, const char *expected)
{
    assert_int_equal(load(f, tenant, reference), -1);
    assert_int_equal(f->fault.class, FAULT_CONFIG);
    if (!strstr(f->fault.text, expected) || strstr(f->fault.text, "hunter2"))
        fail_msg("expected \"%s\", got \"%s\"", expected, f->fault.text);
    assert_null(f->secret.token);
    assert_null(f->secret.username);
    assert_null(f->secret.password);
}

static void a_plain_content_is_token_and_password(void **state)
{
    struct fixture *f = *state;

    put(f, "credentials.d/key", 0600, "hunter2\n");
    load_ok(f, NULL, "key");
    assert_string_equal(f->secret.token, "hunter2");
    assert_string_equal(f->secret.password, "hunter2");
    assert_null(f->secret.username);
    put(f, "credentials.d/key", 0400, "hunter2\r\n");
    load_ok(f, NULL, "key");
    assert_string_equal(f->secret.token, "hunter2");
    put(f, "credentials.d/key", 0400, " a\nb \n\n");
    load_ok(f, NULL, "key");
    assert_string_equal(f->secret.token, " a\nb \n");
}

static void an_object_gives_its_members(void **state)
{
    struct fixture *f = *state;

    put(f, "credentials.d/key", 0600, "{\"username\": \"ann\", \"password\": \"hunter2\"}\n");
    load_ok(f, NULL, "key");
    assert_string_equal(f->secret.username, "ann");
    assert_string_equal(f->secret.password, "hunter2");
    assert_null(f->secret.token);
    put(f, "credentials.d/key", 0600, "{\"token\": \"{t}\"}");
    load_ok(f, NULL, "key");
    assert_string_equal(f->secret.token, "{t}");
}

static void every_member_is_read_and_copied(void **state)
{
    struct fixture *f = *state;
    struct secret copy;

    put(f, "credentials.d/key", 0600,
        "{\"token\": \"1\", \"username\": \"2\", \"password\": \"3\", \"access_key\": \"4\", \"secret_key\": "
        "\"5\", \"session_token\": \"6\", \"client_id\": \"7\", \"client_secret\": \"8\", \"private_key\": "
        "\"9\", "
        "\"api_key\": \"10\"}");
    load_ok(f, NULL, "key");
    secret_copy(&copy, &f->secret);
    for (int i = 0; i < 10; i++) {
        char want[4];
        snprintf(want, sizeof want, "%d", i + 1);
        assert_string_equal(secret_text(&f->secret, &secret_members[i]), want);
        assert_string_equal(secret_text(&copy, &secret_members[i]), want);
        assert_ptr_not_equal(secret_text(&copy, &secret_members[i]),
                             secret_text(&f->secret, &secret_members[i]));
    }
    assert_null(secret_members[10].name);
    secret_release(&copy);
    assert_null(copy.api_key);
    secret_copy(&copy, NULL);
    assert_null(copy.token);
}

static void an_object_that_is_not_strict_is_refused_without_its_text(void **state)
{
    static const struct {
        const char *content, *expected;
    } cases[] = {
        {"{hunter2", "credential 'key': begins with '{' and is not valid JSON (line 1)"},
        {"{\n\"token\": \"hunter2\", \"hunter2\"", "not valid JSON (line 2)"},
        {"{\"token\": \"hunter2\"} hunter2", "not valid JSON"},
        {"{\"token\": \"hunter2\", \"token\": \"hunter2\"}", "not valid JSON"},
        {"{\"token\": \"hunter2\\u0000x\"}", "not valid JSON"},
        {"{\"token\": \"hunter2\", \"hunter2\": \"hunter2\"}", "has members other than"},
        {"{\"token\": [\"hunter2\", {\"a\": \"hunter2\"}]}", "/token must be a text that is not empty"},
        {"{\"username\": \"hunter2\", \"password\": \"\"}", "/password must be a text that is not empty"},
        {"{\"token\": null}", "/token must be a text"},
        {"{}", "has none of 'token', 'username', "},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        put(f, "credentials.d/key", 0600, cases[i].content);
        load_wrong(f, NULL, "key", cases[i].expected);
    }
}

static void contents_out_of_bounds_are_refused(void **state)
{
    static char large[SECRET_MAX + 2];
    struct fixture *f = *state;

    put(f, "credentials.d/key", 0600, "");
    load_wrong(f, NULL, "key", "credential 'key': is empty");
    put(f, "credentials.d/key", 0600, "\n");
    load_wrong(f, NULL, "key", "is empty");
    put_bytes(f, "credentials.d/key", 0600, "a\0b", 3);
    load_wrong(f, NULL, "key", "holds a NUL byte");
    memset(large, 'x', SECRET_MAX + 1);
    put(f, "credentials.d/key", 0600, large);
    load_wrong(f, NULL, "key", "is larger than 65536 bytes");
    large[SECRET_MAX] = '\0';
    put(f, "credentials.d/key", 0600, large);
    load_ok(f, NULL, "key");
    assert_int_equal(strlen(f->secret.token), SECRET_MAX);
}

static void a_file_that_its_group_or_others_may_use_is_refused(void **state)
{
    static const mode_t modes[] = {0640, 0620, 0610, 0604, 0602, 0601};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        put(f, "credentials.d/key", modes[i], "hunter2");
        load_wrong(f, NULL, "key", "is open to its group or to others (mode 06");
    }
}

static void the_credentials_directory_comes_first_and_guards_its_files(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(mkdir(path_of(f, "guarded"), 0700), 0);
    setenv("CREDENTIALS_DIRECTORY", path_of(f, "guarded"), 1);
    put(f, "credentials.d/key", 0600, "ours");
    load_ok(f, NULL, "key");
    assert_string_equal(f->secret.token, "ours");
    put(f, "guarded/key", 0444, "systemd's");
    load_ok(f, NULL, "key");
    assert_string_equal(f->secret.token, "systemd's");
    setenv("CREDENTIALS_DIRECTORY", path_of(f, "absent"), 1);
    load_ok(f, NULL, "key");
    assert_string_equal(f->secret.token, "ours");
    setenv("CREDENTIALS_DIRECTORY", "", 1);
    load_ok(f, NULL, "key");
}

static void a_tenant_reaches_only_its_own_folder(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(mkdir(path_of(f, "credentials.d/other"), 0700), 0);
    put(f, "credentials.d/key", 0600, "operator's");
    put(f, "credentials.d/other/key", 0600, "other's");
    setenv("CREDENTIALS_DIRECTORY", path_of(f, "credentials.d"), 1);
    load_wrong(f, "acme", "key", "credential 'key': there is no such file in credentials.d/acme");
    put(f, "credentials.d/acme/key", 0600, "acme's");
    load_ok(f, "acme", "key");
    assert_string_equal(f->secret.token, "acme's");
    load_wrong(f, "..", "key", "the tenant is not a name");
    load_wrong(f, "", "key", "the tenant is not a name");
    load_wrong(f, "nobody", "key", "there is no such file in credentials.d/nobody");
}

static void a_reference_is_a_name(void **state)
{
    static const char *const references[] = {"", ".", "..", "../key", "acme/key", "/etc/passwd", "-x", "a b"};
    struct fixture *f = *state;

    put(f, "key", 0600, "hunter2");
    put(f, "credentials.d/acme/key", 0600, "hunter2");
    for (size_t i = 0; i < sizeof(references) / sizeof(*references); i++)
        load_wrong(f, NULL, references[i], "must be a name");
    load_wrong(f, NULL, "absent", "credential 'absent': there is no such file in credentials.d");
}

static void links_are_not_followed(void **state)
{
    struct fixture *f = *state;

    put(f, "outside", 0600, "hunter2");
    assert_int_equal(symlink("../outside", path_of(f, "credentials.d/key")), 0);
    load_wrong(f, NULL, "key", "cannot be opened: it is a symbolic link");
    assert_int_equal(symlink("acme", path_of(f, "credentials.d/other")), 0);
    put(f, "credentials.d/acme/key", 0600, "hunter2");
    load_wrong(f, "other", "key", "cannot be opened: ");
}

static void what_is_no_regular_file_is_refused_and_does_not_block(void **state)
{
    struct fixture *f = *state;

    load_wrong(f, NULL, "acme", "credential 'acme': is not a regular file");
    assert_int_equal(mkfifo(path_of(f, "credentials.d/pipe"), 0600), 0);
    load_wrong(f, NULL, "pipe", "is not a regular file");
}

static void a_descriptor_that_cannot_be_read_is_a_fault(void **state)
{
    struct fixture *f = *state;
    char *text = f->dir;

    assert_int_equal(secret_read_fd(-1, 10, &text, &f->fault), -1);
    assert_null(text);
    assert_string_equal(f->fault.text, "cannot be read: Bad file descriptor");
}

static void a_passing_shortage_is_not_the_configuration(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit, none;
    char *text = NULL;
    int fd;

    put(f, "credentials.d/key", 0600, "hunter2");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int result = load(f, NULL, "key");
    int from_file = secret_read_file("/dev/null", &text, &(struct fault){0});
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(result, -1);
    assert_int_equal(from_file, -1);
    assert_int_equal(f->fault.class, FAULT_SYSTEM);
    assert_string_equal(f->fault.text, "credential 'key': cannot be opened: Too many open files");
    load_ok(f, NULL, "key");

    fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC); /* nothing is mapped at 0: EIO */
    assert_true(fd >= 0);
    assert_int_equal(secret_read_fd(fd, 10, &text, &f->fault), -1);
    assert_int_equal(f->fault.class, FAULT_SYSTEM);
    assert_string_equal(f->fault.text, "cannot be read: Input/output error");
    close(fd);
}

static void release_takes_null_and_the_released(void **state)
{
    struct fixture *f = *state;

    secret_release(NULL);
    secret_wipe(NULL);
    secret_release(&f->secret);
    put(f, "credentials.d/key", 0600, "x");
    load_ok(f, NULL, "key");
    secret_release(&f->secret);
    assert_null(f->secret.token);
    secret_release(&f->secret);
}

/* FIPS 180-4 examples (NIST CSRC). */
static void digests_are_those_of_the_standard(void **state)
{
    static char million[1000000];
    char hex[DIGEST_TEXT_SIZE];

    (void)state;
    digest_sha256("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256(NULL, 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digest_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(million, 'a', sizeof(million));
    digest_sha256(million, sizeof(million), hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void expect_notice(int fd, const char *expected, bool whole)
{
    char text[1024];
    ssize_t got = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    assert_true(got > 0);
    text[got] = '\0';
    if (whole)
        assert_string_equal(text, expected);
    else
        assert_memory_equal(text, expected, strlen(expected));
}

static void the_supervisor_is_told(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/notify", f->dir);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    notify_ready();
    expect_notice(fd, "READY=1", true);
    notify_reloading();
    expect_notice(fd, "RELOADING=1\nMONOTONIC_USEC=", false);
    notify_stopping();
    expect_notice(fd, "STOPPING=1", true);
    notify_alive();
    expect_notice(fd, "WATCHDOG=1", true);
    notify_status("%d in flight\nREADY=1", 3);
    expect_notice(fd, "STATUS=3 in flight?READY=1", true);
    notify_status("%0300d", 1);
    expect_notice(fd, "STATUS=000", false);
    unsetenv("NOTIFY_SOCKET");
    notify_ready();
    assert_int_equal(recv(fd, address.sun_path, 1, MSG_DONTWAIT), -1);
    close(fd);
}

static void the_watchdog_wants_a_sign_in_half_its_time(void **state)
{
    (void)state;
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_int_equal(notify_watchdog_ms(), 15000);
    setenv("WATCHDOG_USEC", "10", 1);
    assert_int_equal(notify_watchdog_ms(), 1);
    setenv("WATCHDOG_USEC", "nonsense", 1);
    assert_int_equal(notify_watchdog_ms(), 0);
    unsetenv("WATCHDOG_USEC");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plain_content_is_token_and_password),
        TEST(an_object_gives_its_members),
        TEST(every_member_is_read_and_copied),
        TEST(an_object_that_is_not_strict_is_refused_without_its_text),
        TEST(contents_out_of_bounds_are_refused),
        TEST(a_file_that_its_group_or_others_may_use_is_refused),
        TEST(the_credentials_directory_comes_first_and_guards_its_files),
        TEST(a_tenant_reaches_only_its_own_folder),
        TEST(a_reference_is_a_name),
        TEST(links_are_not_followed),
        TEST(what_is_no_regular_file_is_refused_and_does_not_block),
        TEST(a_descriptor_that_cannot_be_read_is_a_fault),
        TEST(a_passing_shortage_is_not_the_configuration),
        TEST(release_takes_null_and_the_released),
        cmocka_unit_test(digests_are_those_of_the_standard),
        TEST(the_supervisor_is_told),
        cmocka_unit_test(the_watchdog_wants_a_sign_in_half_its_time),
    };

    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
