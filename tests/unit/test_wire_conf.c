/*
 * conf: every source, every form of a line, every mistake. Each test has a folder of its own and no
 * environment but what it sets.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "conf.h"

enum { PATH_SIZE = 256, MISTAKES_SIZE = 16384, VARIABLES = 32 };

struct fixture {
    char dir[PATH_SIZE];
    char mistakes[MISTAKES_SIZE]; /* a line each */
    int count;
    struct fault fault;
    struct conf *conf;
    char *
        variables[VARIABLES + 1]; /* the environment, ours to free: libc's setenv() never gives memory back */
    char **environment;           /* the one that the program was started with */
};

static void unset(struct fixture *f, const char *name)
{
    size_t size = strlen(name), kept = 0;

    for (size_t i = 0; f->variables[i]; i++) {
        char *variable = f->variables[i];

        if (strncmp(variable, name, size) == 0 && variable[size] == '=')
            free(variable);
        else
            f->variables[kept++] = variable;
    }
    f->variables[kept] = NULL;
}

static void set(struct fixture *f, const char *name, const char *value)
{
    size_t count = 0, size = strlen(name) + strlen(value) + 2;
    char *variable = malloc(size);

    assert_non_null(variable);
    snprintf(variable, size, "%s=%s", name, value);
    unset(f, name);
    while (f->variables[count])
        count++;
    assert_true(count < VARIABLES);
    f->variables[count] = variable;
    f->variables[count + 1] = NULL;
}

static const char *path_of(const struct fixture *f, const char *name)
{
    static char path[PATH_SIZE + 64];

    snprintf(path, sizeof(path), "%s/%s", f->dir, name);
    return path;
}

static void put_bytes(const struct fixture *f, const char *name, mode_t mode, const void *data, size_t size)
{
    const char *path = path_of(f, name);
    FILE *file = fopen(path, "w");

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
    const char *tmp = getenv("TMPDIR");
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "%s/dist-conf-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    f->environment = environ;
    environ = f->variables;
    set(f, "DIST_CONFIG_DIR", f->dir);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    char command[PATH_SIZE + 32];

    conf_free(f->conf);
    environ = f->environment;
    for (size_t i = 0; f->variables[i]; i++)
        free(f->variables[i]);
    snprintf(command, sizeof(command), "rm -rf -- '%s'", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void collect(void *arg, const char *text)
{
    struct fixture *f = arg;
    size_t size = strlen(f->mistakes);

    snprintf(f->mistakes + size, sizeof(f->mistakes) - size, "%s\n", text);
    f->count++;
}

static struct conf *conf_new_of(struct fixture *f)
{
    conf_free(f->conf);
    f->conf = conf_new();
    return f->conf;
}

static int load(struct fixture *f)
{
    conf_new_of(f);
    f->count = 0;
    f->mistakes[0] = '\0';
    memset(&f->fault, 0, sizeof(f->fault));
    return conf_load(f->conf, collect, f, &f->fault);
}

static void load_ok(struct fixture *f)
{
    if (load(f) != 0)
        fail_msg("unexpected: %s", f->mistakes);
    assert_int_equal(f->count, 0);
}

/* Exactly one mistake, with that text. */
static void load_wrong(struct fixture *f, const char *expected)
{
    assert_int_equal(load(f), -1);
    assert_int_equal(f->fault.class, FAULT_CONFIG);
    if (f->count != 1 || !strstr(f->mistakes, expected))
        fail_msg("expected \"%s\", got %d: %s", expected, f->count, f->mistakes);
    assert_non_null(strstr(f->fault.text, expected));
}

static void file_wrong(struct fixture *f, const char *content, const char *expected)
{
    put(f, "dist.conf", 0640, content);
    load_wrong(f, expected);
}

static void without_any_source_all_defaults_hold(void **state)
{
    struct fixture *f = *state;

    load_ok(f);
    assert_string_equal(conf_dir(f->conf), f->dir);
    assert_string_equal(conf_text(f->conf, "DB_HOST"), "/var/run/postgresql");
    assert_int_equal(conf_int(f->conf, "DB_PORT"), 5432);
    assert_string_equal(conf_text(f->conf, "DB_SSLMODE"), "prefer");
    assert_null(conf_text(f->conf, "DB_PASSWORD"));
    assert_null(conf_text(f->conf, "REDIS_USER"));
    assert_null(conf_text(f->conf, "DIST_LOG_FORMAT"));
    assert_int_equal(conf_size(f->conf, "DIST_MAX_PAYLOAD"), 16 * 1024 * 1024);
    assert_int_equal(conf_duration_ms(f->conf, "DIST_MAX_AGE"), 4LL * 24 * 3600 * 1000);
    assert_int_equal(conf_duration_ms(f->conf, "DIST_STOP_TIMEOUT"), 20000);
    assert_false(conf_bool(f->conf, "DIST_ALLOW_PRIVATE"));
    assert_string_equal(conf_origin(f->conf, "DB_HOST"), "default");
    assert_string_equal(conf_shown(f->conf, "DB_PASSWORD"), "");
    assert_string_equal(conf_shown(f->conf, "DIST_MAX_AGE"), "4d");
}

static void every_setting_has_a_help_and_sane_bounds(void **state)
{
    (void)state;
    for (const struct conf_setting *s = conf_settings; s->name; s++) {
        assert_non_null(s->help);
        assert_true(s->min <= s->max);
        assert_int_equal(s->kind == CONF_WORD, s->words != NULL);
        if (s->kind == CONF_INT || s->kind == CONF_SIZE || s->kind == CONF_DURATION)
            assert_true(s->fallback && s->max > 0);
    }
}

static void the_environment_replaces_the_file_which_replaces_the_default(void **state)
{
    struct fixture *f = *state;

    put(f, "dist.conf", 0640, "# ours\nREDIS_HOST=red\n\nREDIS_PORT=1234\nDIST_ALLOW_PRIVATE=yes\n");
    set(f, "REDIS_PORT", "4321");
    set(f, "REDIS_DB", "");
    load_ok(f);
    assert_string_equal(conf_text(f->conf, "REDIS_HOST"), "red");
    assert_string_equal(conf_origin(f->conf, "REDIS_HOST"), "dist.conf:2");
    assert_int_equal(conf_int(f->conf, "REDIS_PORT"), 4321);
    assert_string_equal(conf_origin(f->conf, "REDIS_PORT"), "environment");
    assert_true(conf_bool(f->conf, "DIST_ALLOW_PRIVATE"));
    assert_string_equal(conf_origin(f->conf, "REDIS_DB"), "default");
}

static void an_empty_value_leaves_what_was_there(void **state)
{
    struct fixture *f = *state;

    put(f, "dist.conf", 0640, "DB_NAME=first\nDB_USER=\nDB_HOST=''\n");
    set(f, "DB_NAME", "");
    load_ok(f);
    assert_string_equal(conf_text(f->conf, "DB_NAME"), "first");
    assert_string_equal(conf_text(f->conf, "DB_USER"), "dist");
    assert_string_equal(conf_text(f->conf, "DB_HOST"), "/var/run/postgresql");
}

/* The expected values are what systemd's EnvironmentFile= makes of the same lines. */
static void values_are_read_as_systemd_reads_them(void **state)
{
    static const struct {
        const char *line, *value;
    } cases[] = {
        {"DB_NAME=plain", "plain"},
        {"  DB_NAME = blanks around \t", "blanks around"},
        {"DB_NAME=cr\r", "cr"},
        {"DB_NAME=it's", "it's"},
        {"DB_NAME=a#b;c", "a#b;c"},
        {"DB_NAME=#a", "#a"},
        {"DB_NAME=a\\ b\\\\c", "a b\\c"},
        {"DB_NAME=a=b", "a=b"},
        {"DB_NAME='a \\ \" # $x '", "a \\ \" # $x "},
        {"DB_NAME='${X}'", "${X}"},
        {"DB_NAME=\"a \\\" \\\\ \\` \\$ \\n # ' \"  ", "a \" \\ ` $ \\n # ' "},
        {"DB_NAME=\xc3\xa4", "\xc3\xa4"},
        {"; comment\n# and\n\n   # one more\n  \nDB_NAME=x", "x"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        put(f, "dist.conf", 0640, cases[i].line);
        load_ok(f);
        assert_string_equal(conf_text(f->conf, "DB_NAME"), cases[i].value);
    }
}

static void lines_that_are_not_clear_are_mistakes(void **state)
{
    struct fixture *f = *state;

    file_wrong(f, "\nDB_NAME\n", "dist.conf:2: not of the form NAME=VALUE");
    file_wrong(f, "export DB_NAME=x\n", "dist.conf:1: not of the form");
    file_wrong(f, "=x\n", "dist.conf:1: not of the form");
    file_wrong(f, "1DB=x\n", "dist.conf:1: not of the form");
    file_wrong(f, "DB\xc3\xa4=x\n", "dist.conf:1: not of the form");
    file_wrong(f, "DB_NAME='x\n", "dist.conf:1: DB_NAME: the closing ' is missing");
    file_wrong(f, "DB_NAME=\"x\\\"\n", "the closing \" is missing");
    file_wrong(f, "DB_NAME='x'y\n", "dist.conf:1: DB_NAME: there is text behind the closing '");
    file_wrong(f, "DB_NAME=x\\\n", "dist.conf:1: DB_NAME: a line cannot be continued");
    file_wrong(f, "DB_NAME=x # the name\n", "dist.conf:1: DB_NAME: a comment has a line of its own");
    file_wrong(f, "DB_PASSWORD=${OTHER}\n", "dist.conf:1: DB_PASSWORD: nothing expands");
    file_wrong(f, "DB_PASSWORD=$(cat x)\n", "nothing expands");
    file_wrong(f, "# comment \\\nDB_NAME=x\n", "dist.conf:1: a comment must not end");
    file_wrong(f, "DB_NAME=\xff\n", "dist.conf:1: not UTF-8");
    file_wrong(f, "DB_NAME=a\001b\n", "dist.conf:1: DB_NAME: the value is not UTF-8 or holds control");
    file_wrong(f, "DB_NAME=a\nDB_USER=u\nDB_NAME=b\n",
               "dist.conf:3: DB_NAME: the setting was given already (dist.conf:1)");
}

static void unknown_names_in_the_file_are_mistakes_with_the_nearest(void **state)
{
    struct fixture *f = *state;

    file_wrong(f, "REDIS_HOTS=x\n", "dist.conf:1: unknown setting 'REDIS_HOTS'; did you mean 'REDIS_HOST'?");
    file_wrong(f, "DB_PASSWORD_FIEL=/x\n", "did you mean 'DB_PASSWORD_FILE'?");
    file_wrong(f, "JWT_SECRET_KEI=/x\n", "did you mean 'JWT_SECRET_KEY'?");
    file_wrong(f, "DB_NAME_FILE=/x\n", "unknown setting 'DB_NAME_FILE'");
    file_wrong(f, "COMPLETELY_ELSE=1\n", "dist.conf:1: unknown setting 'COMPLETELY_ELSE'");
    assert_null(strstr(f->mistakes, "did you mean"));
    file_wrong(f, "DIST_CONFIG_DIR=/x\n", "DIST_CONFIG_DIR is taken from the environment only");
    file_wrong(f, "DIST_TEST_X=1\n", "unknown setting 'DIST_TEST_X'");
}

static void names_of_other_parts_of_the_system_are_ignored(void **state)
{
    struct fixture *f = *state;

    put(f, "dist.conf", 0640,
        "API_HOST=0.0.0.0\nAPI_PORT=8000\nAPI_WORKERS=4\nJWT_SECRET_KEY=k\nAPI_KEY_SECRET=s\n"
        "PROMETHEUS_PORT=9090\nGRAFANA_URL=https://grafana\nRULES_ENGINE_URL=http://rules\n"
        "JWT_SECRET_KEY_FILE=/x\n");
    set(f, "API_PORT", "nonsense");
    load_ok(f);
}

static void unknown_names_in_the_environment_matter_only_below_dist(void **state)
{
    struct fixture *f = *state;

    set(f, "HOME", "/");
    set(f, "REDIS_HOTS", "x");
    set(f, "A_NAME_OF_ANOTHER_PROGRAM_THAT_IS_LONGER_THAN_ANY_SETTING_OF_OURS_COULD_BE", "x");
    set(f, "DIST_RECEIVER", "x");
    set(f, "DIST_SANDBOX_REDIS", "x");
    set(f, "DIST_TEST_SLOW", "1");
    set(f, "DIST_BIN", "x");
    set(f, "DIST_BUILD_DIR", "x");
    load_ok(f);
    set(f, "DIST_LEESE", "60s");
    load_wrong(f, "environment: unknown setting 'DIST_LEESE'; did you mean 'DIST_LEASE'?");
    unset(f, "DIST_LEESE");
    set(f, "DIST_\033[31m", "60s");
    load_wrong(f, "environment: unknown setting 'DIST_?[31m'");
}

static void a_crash_point_is_no_setting_and_must_exist(void **state)
{
    struct fixture *f = *state;

    set(f, "DIST_CRASH_AT", "");
    load_ok(f);
    set(f, "DIST_CRASH_AT", "deliver:sent:3");
    load_ok(f);
    set(f, "DIST_CRASH_AT", "deliver:sentt");
    load_wrong(f,
               "environment: DIST_CRASH_AT: 'deliver:sentt' is no <point>[:N]; did you mean 'deliver:sent'?");
    unset(f, "DIST_CRASH_AT");
    file_wrong(f, "DIST_CRASH_AT=deliver:sent\n", "dist.conf:1: unknown setting 'DIST_CRASH_AT'");
}

static void values_outside_their_bounds_are_mistakes(void **state)
{
    struct fixture *f = *state;

    file_wrong(f, "DB_PORT=0\n", "dist.conf:1: DB_PORT: '0'");
    file_wrong(f, "DB_PORT=65536\n", "dist.conf:1: DB_PORT: '65536'");
    file_wrong(f, "DB_PORT=abc\n", "dist.conf:1: DB_PORT: 'abc'");
    file_wrong(f, "REDIS_DB=1000001\n", "REDIS_DB");
    file_wrong(f, "DIST_MAX_PAYLOAD=513M\n", "DIST_MAX_PAYLOAD");
    file_wrong(f, "DIST_MAX_PAYLOAD=0\n", "'0' is too little: it takes at least 1 bytes");
    file_wrong(f, "DIST_LEASE=999ms\nDIST_SERVER_TIMEOUT=100ms\n",
               "'999ms' is too short: it takes at least 1s");
    file_wrong(f, "DIST_LEASE=2h\n", "DIST_LEASE");
    file_wrong(f, "DIST_ALLOW_PRIVATE=maybe\n", "DIST_ALLOW_PRIVATE");
    file_wrong(f, "DIST_DEFAULT_TENANT=a/b\n", "DIST_DEFAULT_TENANT: 'a/b' is not a name");
    file_wrong(f, "DIST_LOG_LEVEL=inof\n", "unknown word 'inof'; did you mean 'info'?");
    file_wrong(f, "DIST_RETRY_POLICY=xyzzyxyzzy\n",
               "it takes one of exponential_backoff, standard_webhooks, none");
    file_wrong(f, "DIST_LEASE=10s\n", "DIST_LEASE (10s) must be longer than DIST_SERVER_TIMEOUT (10s)");
    file_wrong(f, "DIST_TRANSFORM_TIMEOUT=5001ms\n", "DIST_TRANSFORM_TIMEOUT");
    file_wrong(f, "DIST_TRANSFORM_TIMEOUT=2s\nDIST_LEASE=3s\nDIST_SERVER_TIMEOUT=1s\n",
               "DIST_TRANSFORM_TIMEOUT (2s) must be no longer than half of DIST_LEASE (3s)");
    file_wrong(f, "RULES_ENGINE_URL=http://x/\nDIST_LEASE=3s\nDIST_SERVER_TIMEOUT=1s\n",
               "RULES_ENGINE_TIMEOUT (2s) must be no longer than half of DIST_LEASE (3s)");
    put(f, "dist.conf", 0640, "DIST_MAX_PAYLOAD=512M\nDB_PORT=65535\nDIST_DEFAULT_TENANT=acme\n");
    load_ok(f);
    assert_int_equal(conf_size(f->conf, "DIST_MAX_PAYLOAD"), 512 * 1024 * 1024);
    assert_string_equal(conf_text(f->conf, "DIST_DEFAULT_TENANT"), "acme");
}

static void all_mistakes_are_told_and_the_first_is_the_fault(void **state)
{
    struct fixture *f = *state;

    put(f, "dist.conf", 0640, "NONSENSE\nDB_PORT=x\nREDIS_HOST=red\n");
    set(f, "DB_PORT", "99999999");
    assert_int_equal(load(f), -1);
    assert_int_equal(f->count, 3);
    assert_string_equal(f->fault.text, "dist.conf:1: not of the form NAME=VALUE");
    assert_string_equal(conf_text(f->conf, "REDIS_HOST"), "red");
    assert_int_equal(conf_int(f->conf, "DB_PORT"), 5432);
    conf_free(f->conf);
    f->conf = conf_new();
    assert_int_equal(conf_load(f->conf, NULL, NULL, NULL), -1);
}

static void a_secret_comes_from_the_file_that_its_variable_names(void **state)
{
    struct fixture *f = *state;
    char origin[PATH_SIZE + 80];

    put(f, "pw", 0444, "hunter2\n");
    set(f, "DB_PASSWORD_FILE", path_of(f, "pw"));
    load_ok(f);
    assert_string_equal(conf_text(f->conf, "DB_PASSWORD"), "hunter2");
    assert_string_equal(conf_shown(f->conf, "DB_PASSWORD"), "(set)");
    snprintf(origin, sizeof(origin), "file %s", path_of(f, "pw"));
    assert_string_equal(conf_origin(f->conf, "DB_PASSWORD"), origin);
}

static void a_secret_comes_from_a_systemd_credential_of_its_name(void **state)
{
    struct fixture *f = *state;

    put(f, "REDIS_PASSWORD", 0400, "hunter3");
    set(f, "CREDENTIALS_DIRECTORY", f->dir);
    put(f, "dist.conf", 0640, "REDIS_PASSWORD_FILE=/nonexistent/and/replaced\n");
    load_ok(f);
    assert_string_equal(conf_text(f->conf, "REDIS_PASSWORD"), "hunter3");
    assert_null(conf_text(f->conf, "DB_PASSWORD"));
}

static void a_systemd_credential_replaces_the_environment(void **state)
{
    struct fixture *f = *state;

    put(f, "DB_PASSWORD", 0400, "of systemd");
    put(f, "pw", 0444, "of the environment");
    set(f, "CREDENTIALS_DIRECTORY", f->dir);
    set(f, "DB_PASSWORD_FILE", path_of(f, "pw"));
    load_ok(f);
    assert_string_equal(conf_text(f->conf, "DB_PASSWORD"), "of systemd");
    assert_non_null(strstr(conf_origin(f->conf, "DB_PASSWORD"), "/DB_PASSWORD"));
    unset(f, "DB_PASSWORD_FILE");
    set(f, "DB_PASSWORD", "of the environment");
    load_ok(f);
    assert_string_equal(conf_text(f->conf, "DB_PASSWORD"), "of systemd");
    assert_int_equal(unlink(path_of(f, "DB_PASSWORD")), 0);
    load_ok(f);
    assert_string_equal(conf_text(f->conf, "DB_PASSWORD"), "of the environment");
}

static void a_secret_with_value_and_file_is_a_mistake(void **state)
{
    struct fixture *f = *state;

    put(f, "pw", 0444, "hunter2\n");
    set(f, "DB_PASSWORD_FILE", path_of(f, "pw"));
    set(f, "DB_PASSWORD", "hunter1");
    load_wrong(f, "the setting was given already (environment)");
    unset(f, "DB_PASSWORD_FILE");
    file_wrong(f, "DB_PASSWORD=a\nDB_PASSWORD_FILE=/b\n",
               "dist.conf:2: DB_PASSWORD_FILE: the setting was given already (dist.conf:1)");
}

static void a_secret_file_that_cannot_be_used_is_a_mistake(void **state)
{
    struct fixture *f = *state;
    static char large[64 * 1024 + 2];

    set(f, "DB_PASSWORD_FILE", path_of(f, "absent"));
    load_wrong(f, "absent: cannot be opened: No such file");
    put(f, "pw", 0600, "\n");
    set(f, "DB_PASSWORD_FILE", path_of(f, "pw"));
    load_wrong(f, "pw: is empty");
    put(f, "pw", 0600, "hunter\n2\n");
    load_wrong(f, "DB_PASSWORD: the value is not UTF-8 or holds control characters");
    put_bytes(f, "pw", 0600, "hunter\0002", 8);
    load_wrong(f, "holds a NUL byte");
    memset(large, 'x', sizeof(large) - 1);
    put(f, "pw", 0600, large);
    load_wrong(f, "is larger than 65536 bytes");
    set(f, "DB_PASSWORD_FILE", f->dir);
    load_wrong(f, "cannot be read: Is a directory");
    set(f, "DB_PASSWORD_FILE", "hunter2");
    load_wrong(f, "DB_PASSWORD_FILE: the value is not an absolute path");
    assert_null(strstr(f->mistakes, "hunter2"));
}

static void a_file_with_a_secret_that_others_may_read_is_a_mistake(void **state)
{
    struct fixture *f = *state;

    put(f, "dist.conf", 0644, "DB_HOST=db\nDB_PASSWORD_FILE=/dev/null\n");
    set(f, "DB_PASSWORD", "x");
    load_ok(f);
    put(f, "dist.conf", 0644, "DB_PASSWORD=hunter2\n");
    load_wrong(f, "dist.conf: it holds DB_PASSWORD and is open to others (mode 0644)");
    assert_null(strstr(f->mistakes, "hunter2"));
    put(f, "dist.conf", 0642, "JWT_SECRET_KEY=hunter2\n");
    load_wrong(f, "dist.conf: it holds JWT_SECRET_KEY and is open to others (mode 0642)");
    put(f, "dist.conf", 0640, "DB_PASSWORD=hunter2\n");
    load_ok(f);
}

static void no_mistake_quotes_a_secret_or_an_unreadable_line(void **state)
{
    struct fixture *f = *state;

    put(f, "dist.conf", 0644,
        "DB_PASSWORD: hunter2\nDB_PASSWORD='hunter2\nDB_PASSWORD=hunter2\\\nREDIS_PASSWORD=hunter2 # old\n"
        "DB_PASSWORD=hunter2\nDB_PASSWORD=hunter2\nhunter2 =x\nhunter2\xff\nREDIS_PASSWORD=hunter2\001\n");
    assert_int_equal(load(f), -1);
    assert_int_equal(f->count, 9);
    /* A name that is well-formed is quoted: "hunter2 =x" is an unknown setting. */
    assert_non_null(strstr(f->mistakes, "unknown setting 'hunter2'"));
    *strstr(f->mistakes, "hunter2") = '-';
    assert_null(strstr(f->mistakes, "hunter2"));
}

static void a_dist_conf_that_cannot_be_read_is_a_mistake(void **state)
{
    struct fixture *f = *state;
    static char large[256 * 1024 + 2];

    put_bytes(f, "dist.conf", 0640, "DB_NAME=a\0b\n", 12);
    load_wrong(f, "dist.conf: holds a NUL byte");
    memset(large, '#', sizeof(large) - 1);
    put(f, "dist.conf", 0640, large);
    load_wrong(f, "dist.conf: is larger than 262144 bytes");
    assert_int_equal(unlink(path_of(f, "dist.conf")), 0);
    assert_int_equal(symlink("dist.conf", path_of(f, "dist.conf")), 0);
    load_wrong(f, "dist.conf: cannot be opened: ");
    assert_int_equal(unlink(path_of(f, "dist.conf")), 0);
    assert_int_equal(mkfifo(path_of(f, "dist.conf"), 0600), 0);
    load_wrong(f, "dist.conf: is not a regular file");
}

static void a_missing_config_dir_is_left_to_those_who_need_it(void **state)
{
    struct fixture *f = *state;

    assert_true(conf_dir_given(conf_new_of(f)));
    set(f, "DIST_CONFIG_DIR", path_of(f, "absent"));
    load_ok(f);
    put(f, "file", 0600, "");
    set(f, "DIST_CONFIG_DIR", path_of(f, "file"));
    load_wrong(f, "/file: cannot be opened: Not a directory");
    set(f, "DIST_CONFIG_DIR", "");
    assert_string_equal(conf_dir(conf_new_of(f)), "/etc/dist");
    assert_false(conf_dir_given(f->conf));
}

static void reader_of_absent(const struct conf *conf)
{
    (void)conf_int(conf, "NO_SUCH_SETTING");
}

static void reader_of_another_kind(const struct conf *conf)
{
    (void)conf_int(conf, "DB_HOST");
}

static void text_reader_of_a_number(const struct conf *conf)
{
    (void)conf_text(conf, "DB_PORT");
}

static void a_reader_of_the_wrong_name_or_kind_aborts(void **state)
{
    static void (*const readers[])(const struct conf *) = {reader_of_absent, reader_of_another_kind,
                                                           text_reader_of_a_number};
    struct fixture *f = *state;

    load_ok(f);
    for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
        int status = 0;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            signal(SIGABRT, SIG_DFL);
            readers[i](f->conf);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

static void free_takes_null(void **state)
{
    (void)state;
    conf_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_any_source_all_defaults_hold),
        cmocka_unit_test(every_setting_has_a_help_and_sane_bounds),
        TEST(the_environment_replaces_the_file_which_replaces_the_default),
        TEST(an_empty_value_leaves_what_was_there),
        TEST(values_are_read_as_systemd_reads_them),
        TEST(lines_that_are_not_clear_are_mistakes),
        TEST(unknown_names_in_the_file_are_mistakes_with_the_nearest),
        TEST(names_of_other_parts_of_the_system_are_ignored),
        TEST(unknown_names_in_the_environment_matter_only_below_dist),
        TEST(a_crash_point_is_no_setting_and_must_exist),
        TEST(values_outside_their_bounds_are_mistakes),
        TEST(all_mistakes_are_told_and_the_first_is_the_fault),
        TEST(a_secret_comes_from_the_file_that_its_variable_names),
        TEST(a_secret_comes_from_a_systemd_credential_of_its_name),
        TEST(a_systemd_credential_replaces_the_environment),
        TEST(a_secret_with_value_and_file_is_a_mistake),
        TEST(a_secret_file_that_cannot_be_used_is_a_mistake),
        TEST(a_file_with_a_secret_that_others_may_read_is_a_mistake),
        TEST(no_mistake_quotes_a_secret_or_an_unreadable_line),
        TEST(a_dist_conf_that_cannot_be_read_is_a_mistake),
        TEST(a_missing_config_dir_is_left_to_those_who_need_it),
        TEST(a_reader_of_the_wrong_name_or_kind_aborts),
        cmocka_unit_test(free_takes_null),
    };

    return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
