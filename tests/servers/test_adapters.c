/*
 * The adapters, each with what it may meet: REST against the test receiver (DIST_RECEIVER), commands that
 * misbehave, files that are there already. After every test no descriptor and no process may be left.
 */
#include "adapter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/event.h>
#include "clock.h"
#include "excerpt.h"
#include "fdio.h"
#include "file_write.h"
#include "http.h"
#include "ceilings.h"
#include "xalloc.h"

static char folder[] = "/tmp/dist-adapters-XXXXXX";
static pid_t receiver;
static int port, descriptors;
static struct event_base *base;
static struct adapter_context context;

/* Surroundings */

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static char *below(const char *name)
{
    return xasprintf("%s/%s", folder, name);
}

static char *read_file(const char *path, size_t *size)
{
    struct buf text;

    buf_init(&text, 128 * 1024 * 1024);
    if (fdio_read_file(path, text.max, &text, NULL) < 0) {
        buf_release(&text);
        return NULL;
    }
    return buf_steal(&text, size);
}

static int start_receiver(void **state)
{
    const char *program = getenv("DIST_RECEIVER");
    char *text = NULL;

    (void)state;
    program = program ? program : "build/default/tests/receiver/dist-receiver";
    if (!mkdtemp(folder))
        return -1;
    char *port_file = below("port");
    receiver = fork();
    if (receiver == 0) {
        execl(program, program, "--quiet", "--port-file", port_file, (char *)NULL);
        perror(program);
        _exit(127);
    }
    for (int tries = 0; tries < 500 && !text; tries++) {
        usleep(20000);
        text = read_file(port_file, NULL);
    }
    port = text ? (int)strtol(text, NULL, 10) : 0;
    unlink(port_file);
    free(port_file);
    free(text);
    return port > 0 ? 0 : -1;
}

static void empty_folder(void)
{
    char *command = xasprintf("rm -rf %s/* %s/.[!.]*", folder, folder);
    assert_int_equal(system(command), 0);
    free(command);
}

static int stop_receiver(void **state)
{
    (void)state;
    empty_folder();
    kill(receiver, SIGTERM);
    waitpid(receiver, NULL, 0);
    return rmdir(folder);
}

static int make_context(void **state)
{
    (void)state;
    empty_folder();
    descriptors = count_entries("/proc/self/fd");
    base = event_base_new();
    return adapter_context_init(&context, base, true, NULL, NULL);
}

static int free_context(void **state)
{
    (void)state;
    adapter_context_release(&context);
    event_base_free(base);
    if (waitpid(-1, NULL, WNOHANG) != 0) {
        print_error("a child is left\n");
        return -1;
    }
    if (count_entries("/proc/self/fd") != descriptors) {
        print_error("a descriptor is left\n");
        return -1;
    }
    return 0;
}

/* An attempt and its outcome */

struct result {
    bool done;
    struct outcome outcome; /* the response is a copy */
};

static void on_done(void *arg, struct outcome *outcome)
{
    struct result *result = arg;

    assert_false(result->done);
    result->done = true;
    result->outcome = *outcome;
    buf_init(&result->outcome.response, LIMIT_RESPONSE);
    buf_add(&result->outcome.response, outcome->response.data, outcome->response.len);
}

static void on_never(void *arg, struct outcome *outcome)
{
    (void)arg;
    (void)outcome;
    fail_msg("done was called for a cancelled attempt");
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    fail_msg("no end within 30 seconds");
}

static void wait_for(const struct result *result)
{
    struct event *late = evtimer_new(base, on_late, NULL);
    struct timeval limit = {.tv_sec = 30};

    evtimer_add(late, &limit);
    while (!result->done)
        event_base_loop(base, EVLOOP_ONCE);
    event_free(late);
}

static struct result result;

static const char body_text[] = "{\"a\":1}\0\xff\n";

static struct attempt attempt_of(const struct destination *destination)
{
    return (struct attempt){
        .destination = destination,
        .message_id = "0190b2c4-0000-7000-8000-000000000001",
        .distribution_id = "dist-1",
        .tenant_id = "acme",
        .data_type = "report",
        .date = "2024-01-15",
        .content_type = "application/json",
        .body = body_text,
        .body_size = sizeof body_text - 1,
        .number = 3,
    };
}

static enum outcome_kind try_attempt(const struct attempt *attempt)
{
    buf_release(&result.outcome.response);
    result = (struct result){0};
    assert_non_null(adapter_for(attempt->destination->protocol)->start(&context, attempt, on_done, &result));
    assert_false(result.done); /* never from start() */
    wait_for(&result);
    return result.outcome.kind;
}

static void assert_outcome(enum outcome_kind kind, const char *reason)
{
    if (result.outcome.kind != kind || strcmp(result.outcome.reason, reason) != 0)
        fail_msg("%s (%s), not %s (%s): %s", outcome_kind_names[result.outcome.kind], result.outcome.reason,
                 outcome_kind_names[kind], reason, result.outcome.text);
}

/* REST */

static struct destination rest_to(const char *path, char **endpoint)
{
    *endpoint = xasprintf("http://127.0.0.1:%d%s", port, path);
    return (struct destination){.protocol = PROTOCOL_REST,
                                .name = (char *)"hook",
                                .endpoint = *endpoint,
                                .method = "POST",
                                .timeout_ms = 5000};
}

/* The last request that the receiver recorded below the path; the caller's. */
static json_t *last_record(const char *path)
{
    char *endpoint, *query = xasprintf("/_/requests?path=%s", path);
    struct destination destination = rest_to(query, &endpoint);
    struct attempt attempt = attempt_of(&destination);

    destination.method = "GET";
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    char *rest = result.outcome.response.data, *line, *last = NULL;
    while ((line = strsep(&rest, "\n")))
        last = *line ? line : last;
    json_t *record = last ? json_loads(last, 0, NULL) : NULL;
    free(endpoint);
    free(query);
    return record;
}

static const char *header_of(json_t *record, const char *name)
{
    return json_string_value(json_object_get(json_object_get(record, "headers"), name));
}

static void rest_sends_the_body_with_its_headers(void **state)
{
    char *endpoint;
    struct destination destination =
        rest_to("/in/{tenant_id}/{data_type}?d={date}&x={distribution_id}", &endpoint);
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    destination.headers = json_pack("{ss ss}", "X-Tenant-ID", "t {tenant_id}", "X-Brace", "{{}");
    attempt.distribution_id = "a b/\xc3\xa9&c";
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    assert_outcome(OUTCOME_DELIVERED, "http_2xx");
    assert_int_equal(result.outcome.code, 200);
    assert_string_equal(result.outcome.text, "");
    assert_string_equal(result.outcome.response.data, "ok");
    json_t *record = last_record("/in/acme/report");
    assert_string_equal(json_string_value(json_object_get(record, "path")),
                        "/in/acme/report?d=2024-01-15&x=a%20b%2F%C3%A9%26c");
    assert_int_equal(json_integer_value(json_object_get(record, "body_size")), sizeof body_text - 1);
    assert_string_equal(header_of(record, "content-type"), "application/json");
    assert_string_equal(header_of(record, "idempotency-key"), attempt.message_id);
    assert_non_null(header_of(record, "x-distribution-id"));
    assert_string_equal(header_of(record, "x-tenant-id"), "t acme");
    assert_string_equal(header_of(record, "x-brace"), "{}");
    assert_null(header_of(record, "authorization"));
    assert_null(header_of(record, "webhook-id"));
    json_decref(record);
    json_decref(destination.headers);
    free(endpoint);
}

static void rest_headers_of_the_destination_win(void **state)
{
    char *endpoint;
    struct destination destination = rest_to("/in/own", &endpoint);
    struct attempt attempt = attempt_of(&destination);
    const struct secret secret = {.token = (char *)"t", .username = (char *)"u", .password = (char *)"p"};

    (void)state;
    destination.headers = json_pack("{ss ss ss ss}", "content-type", "text/plain", "IDEMPOTENCY-KEY", "mine",
                                    "x-distribution-id", "too", "authorization", "Bearer {token}");
    attempt.secret = &secret;
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    json_t *record = last_record("/in/own");
    assert_string_equal(header_of(record, "content-type"), "text/plain");
    assert_string_equal(header_of(record, "idempotency-key"), "mine");
    assert_string_equal(header_of(record, "x-distribution-id"), "too");
    assert_string_equal(header_of(record, "authorization"), "Bearer t");
    json_decref(record);
    json_decref(destination.headers);
    free(endpoint);
}

static void rest_credentials_become_basic_only_with_name_and_password(void **state)
{
    char *endpoint;
    struct destination destination = rest_to("/in/basic", &endpoint);
    struct attempt attempt = attempt_of(&destination);
    const struct secret pair = {.username = (char *)"Aladdin", .password = (char *)"open sesame"};
    const struct secret plain = {.token = (char *)"secret", .password = (char *)"secret"};

    (void)state;
    attempt.secret = &pair;
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    json_t *record = last_record("/in/basic");
    assert_string_equal(header_of(record, "authorization"),
                        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="); /* RFC 7617 */
    json_decref(record);
    attempt.secret = &plain;
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    record = last_record("/in/basic");
    assert_null(header_of(record, "authorization"));
    json_decref(record);
    free(endpoint);
}

static void rest_methods_without_a_body_send_none(void **state)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS"};
    char *endpoint;
    struct destination destination = rest_to("/in/bodiless", &endpoint);
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        destination.method = methods[i];
        assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
        json_t *record = last_record("/in/bodiless");
        assert_string_equal(json_string_value(json_object_get(record, "method")), methods[i]);
        assert_int_equal(json_integer_value(json_object_get(record, "body_size")), 0);
        assert_null(header_of(record, "content-type"));
        json_decref(record);
    }
    destination.method = "DELETE";
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    json_t *record = last_record("/in/bodiless");
    assert_int_equal(json_integer_value(json_object_get(record, "body_size")), sizeof body_text - 1);
    json_decref(record);
    free(endpoint);
}

static void rest_judges_by_the_status(void **state)
{
    static const struct {
        const char *path;
        enum outcome_kind kind;
        const char *reason;
        const char *text; /* how it begins */
    } cases[] = {
        {"/200", OUTCOME_DELIVERED, "http_2xx", ""},
        {"/201", OUTCOME_DELIVERED, "http_2xx", ""},
        {"/204", OUTCOME_DELIVERED, "http_2xx", ""},
        {"/hang-body", OUTCOME_DELIVERED, "http_2xx", ""},
        {"/wrong-length", OUTCOME_DELIVERED, "http_2xx", ""},
        {"/redirect/%2Fx%3Fkey=hunter2", OUTCOME_REJECTED, "http_3xx",
         "HTTP 302 redirects are not followed: to another path of the same host"},
        {"/redirect/https%3A%2F%2Fme:hunter2@other.example:8443%2Fhunter2%3Fkey=hunter2", OUTCOME_REJECTED,
         "http_3xx", "HTTP 302 redirects are not followed: to https://other.example:8443"},
        {"/304", OUTCOME_REJECTED, "http_3xx", "HTTP 304 redirects are not followed"},
        {"/400", OUTCOME_REJECTED, "http_400", "HTTP 400 Bad Request: ok"},
        {"/401", OUTCOME_DEFERRED, "http_401", "HTTP 401 Unauthorized: ok"},
        {"/403", OUTCOME_REJECTED, "http_403", "HTTP 403 Forbidden"},
        {"/404", OUTCOME_REJECTED, "http_404", "HTTP 404 Not Found"},
        {"/408", OUTCOME_DEFERRED, "http_408", "HTTP 408 "},
        {"/410", OUTCOME_REJECTED, "http_410", "HTTP 410 Gone"},
        {"/418", OUTCOME_REJECTED, "http_4xx", "HTTP 418 client error"},
        {"/425", OUTCOME_DEFERRED, "http_425", "HTTP 425 "},
        {"/429", OUTCOME_DEFERRED, "http_429", "HTTP 429 Too Many Requests"},
        {"/500", OUTCOME_DEFERRED, "http_500", "HTTP 500 "},
        {"/501", OUTCOME_DEFERRED, "http_501", "HTTP 501 "},
        {"/503/body/no%20disk", OUTCOME_DEFERRED, "http_503", "HTTP 503 Service Unavailable: no disk"},
        {"/599", OUTCOME_DEFERRED, "http_5xx", "HTTP 599 server error"},
        {"/hang", OUTCOME_DEFERRED, "timeout", ""},
        {"/reset", OUTCOME_DEFERRED, "broken", ""},
        {"/status/999", OUTCOME_DEFERRED, "broken", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *endpoint;
        struct destination destination = rest_to(cases[i].path, &endpoint);
        struct attempt attempt = attempt_of(&destination);
        destination.timeout_ms = 500;
        try_attempt(&attempt);
        assert_outcome(cases[i].kind, cases[i].reason);
        if (strncmp(result.outcome.text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("%s: text '%s'", cases[i].path, result.outcome.text);
        assert_true(cases[i].kind != OUTCOME_DELIVERED || result.outcome.text[0] == '\0');
        assert_null(strpbrk(result.outcome.text, "\x1b\n"));
        assert_null(strstr(result.outcome.text, "hunter2"));
        assert_true(strlen(result.outcome.text) < 300);
        free(endpoint);
    }
}

static void rest_tells_overload_and_its_own_refusals_from_other_answers(void **state)
{
    static const struct {
        const char *path;
        bool overload;
    } cases[] = {
        {"/200", false}, {"/404", false}, {"/408", true}, {"/429", true},  {"/500", false},   {"/502", false},
        {"/503", true},  {"/504", true},  {"/529", true}, {"/hang", true}, {"/reset", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *endpoint;
        struct destination destination = rest_to(cases[i].path, &endpoint);
        struct attempt attempt = attempt_of(&destination);
        destination.timeout_ms = 500;
        try_attempt(&attempt);
        if (result.outcome.overload != cases[i].overload || result.outcome.local)
            fail_msg("%s: overload %d, local %d", cases[i].path, result.outcome.overload,
                     result.outcome.local);
        free(endpoint);
    }
    char *nobody = xstrdup("http://127.0.0.1:1/"), *endpoint;
    struct destination destination = {.protocol = PROTOCOL_REST,
                                      .name = (char *)"hook",
                                      .endpoint = nobody,
                                      .method = "POST",
                                      .timeout_ms = 5000};
    struct attempt attempt = attempt_of(&destination);
    assert_int_equal(try_attempt(&attempt), OUTCOME_DEFERRED);
    assert_outcome(OUTCOME_DEFERRED, "connect");
    assert_false(result.outcome.local || result.outcome.overload); /* it is the destination that is away */
    context.allow_private = false;
    try_attempt(&attempt);
    assert_outcome(OUTCOME_REJECTED, "refused_address");
    assert_true(result.outcome.local);
    context.allow_private = true;
    destination = rest_to("/in/{date}", &endpoint);
    attempt.date = NULL;
    try_attempt(&attempt);
    assert_outcome(OUTCOME_REJECTED, "configuration");
    assert_true(result.outcome.local);
    free(endpoint);
    free(nobody);
}

static void rest_without_a_descriptor_blames_this_host(void **state)
{
    char *endpoint;
    struct destination destination = rest_to("/in/short", &endpoint);
    struct attempt attempt = attempt_of(&destination);
    struct rlimit before, none;
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    try_attempt(&attempt);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_outcome(OUTCOME_DEFERRED, "system");
    assert_true(result.outcome.local);
    assert_string_equal(result.outcome.text, "socket: Too many open files");
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    free(endpoint);
}

static void rest_hands_on_retry_after(void **state)
{
    static const struct {
        const char *path;
        int64_t least_ms, most_ms;
    } cases[] = {
        {"/429/retry-after/7", 7000, 7000},
        {"/503/retry-after/7", 7000, 7000},
        {"/503/retry-after/Fri%2C%2031%20Dec%201999%2023%3A59%3A59%20GMT", 0, 0},
        {"/503/retry-after/Fri%2C%2031%20Dec%202199%2023%3A59%3A59%20GMT", INT64_C(24) * 3600 * 1000,
         INT64_MAX},
        {"/503", -1, -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *endpoint;
        struct destination destination = rest_to(cases[i].path, &endpoint);
        struct attempt attempt = attempt_of(&destination);
        assert_int_equal(try_attempt(&attempt), OUTCOME_DEFERRED);
        assert_true(result.outcome.retry_after_ms >= cases[i].least_ms &&
                    result.outcome.retry_after_ms <= cases[i].most_ms);
        free(endpoint);
    }
}

static void rest_faults_of_the_destination_are_rejected(void **state)
{
    char *endpoint;
    struct destination destination = rest_to("/in/faults", &endpoint);
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    destination.headers = json_pack("{ss}", "Authorization", "Bearer {token}");
    try_attempt(&attempt);
    assert_outcome(OUTCOME_DEFERRED, "credentials"); /* an operator mends them */
    assert_non_null(strstr(result.outcome.text, "Authorization"));
    json_decref(destination.headers);
    destination.headers = json_pack("{ss}", "Content-Length", "3");
    try_attempt(&attempt);
    assert_outcome(OUTCOME_REJECTED, "configuration");
    json_decref(destination.headers);
    destination.headers = NULL;
    destination.endpoint = "http://127.0.0.1:1/";
    try_attempt(&attempt);
    assert_outcome(OUTCOME_DEFERRED, "connect");
    destination.endpoint = "http://127.0.0.1:99999/";
    try_attempt(&attempt);
    assert_outcome(OUTCOME_REJECTED, "configuration");
    free(endpoint);
}

static void rest_private_addresses_need_the_operator_or_the_destination(void **state)
{
    char *endpoint;
    struct destination destination = rest_to("/in/private", &endpoint);
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    context.allow_private = false;
    try_attempt(&attempt);
    assert_outcome(OUTCOME_REJECTED, "refused_address");
    destination.allow_private = true;
    try_attempt(&attempt);
    assert_outcome(OUTCOME_DELIVERED, "http_2xx");
    free(endpoint);
}

static void rest_shows_no_secret_that_comes_back(void **state)
{
    char *endpoint;
    struct destination destination =
        rest_to("/403/body/no%20user%20for%20hunter2%20QWxhZGRpbjpodW50ZXIy", &endpoint);
    struct attempt attempt = attempt_of(&destination);
    const struct secret secret = {.username = (char *)"Aladdin", .password = (char *)"hunter2"};

    (void)state;
    attempt.secret = &secret;
    assert_int_equal(try_attempt(&attempt), OUTCOME_REJECTED);
    assert_null(strstr(result.outcome.text, "hunter2"));
    assert_null(strstr(result.outcome.text, "QWxhZGRpb"));
    assert_non_null(strstr(result.outcome.text, "no user for *******"));
    assert_string_equal(result.outcome.response.data, "no user for ******* ********************");
    free(endpoint);
}

static void rest_withholds_what_a_short_secret_cannot_be_masked_in(void **state)
{
    char *endpoint;
    struct destination destination = rest_to("/403/body/your%20pin%20is%20123", &endpoint);
    struct attempt attempt = attempt_of(&destination);
    const struct secret secret = {.token = (char *)"123", .password = (char *)"123"};

    (void)state;
    attempt.secret = &secret;
    assert_int_equal(try_attempt(&attempt), OUTCOME_REJECTED);
    assert_string_equal(result.outcome.text, "HTTP 403 Forbidden: " EXCERPT_WITHHELD);
    assert_string_equal(result.outcome.response.data, EXCERPT_WITHHELD);
    free(endpoint);
}

/* exec */

/* The command as JSON text; `json` is the caller's for json_decref(). */
static struct destination exec_of(const char *command, json_t **json)
{
    *json = json_loads(command, 0, NULL);
    assert_non_null(*json);
    return (struct destination){
        .protocol = PROTOCOL_EXEC, .name = (char *)"script", .command = *json, .timeout_ms = 10000};
}

static enum outcome_kind try_command(const char *command, int64_t timeout_ms)
{
    json_t *json;
    struct destination destination = exec_of(command, &json);
    struct attempt attempt = attempt_of(&destination);

    destination.timeout_ms = timeout_ms;
    enum outcome_kind kind = try_attempt(&attempt);
    json_decref(json);
    return kind;
}

static void exec_exit_codes_are_the_contract(void **state)
{
    static const struct {
        const char *command;
        enum outcome_kind kind;
        const char *reason;
        int code;
        const char *text;
    } cases[] = {
        {"[\"/bin/true\"]", OUTCOME_DELIVERED, "exit_0", 0, ""},
        {"[\"/bin/false\"]", OUTCOME_REJECTED, "exit", 1, "exit code 1"},
        {"[\"/bin/sh\", \"-c\", \"exit 75\"]", OUTCOME_DEFERRED, "exit_75", 75, "exit code 75"},
        {"[\"/bin/sh\", \"-c\", \"exit 111\"]", OUTCOME_DEFERRED, "exit_111", 111, "exit code 111"},
        {"[\"/bin/sh\", \"-c\", \"exit 127\"]", OUTCOME_REJECTED, "exit", 127, "exit code 127"},
        {"[\"/bin/sh\", \"-c\", \"exit 255\"]", OUTCOME_REJECTED, "exit", 255, "exit code 255"},
        {"[\"/bin/sh\", \"-c\", \"echo one >&2; echo 'disk  full' >&2; echo ' ' >&2; exit 75\"]",
         OUTCOME_DEFERRED, "exit_75", 75, "exit code 75: disk  full"},
        {"[\"/bin/sh\", \"-c\", \"echo note >&2\"]", OUTCOME_DELIVERED, "exit_0", 0, ""},
        {"[\"/bin/sh\", \"-c\", \"kill -KILL $$\"]", OUTCOME_DEFERRED, "signal", 137,
         "killed by signal 9 (Killed)"},
        {"[\"/bin/sh\", \"-c\", \"kill -PIPE $$\"]", OUTCOME_DEFERRED, "signal", 141,
         "killed by signal 13 (Broken pipe)"},
        {"[\"/nowhere/command\"]", OUTCOME_REJECTED, "not_startable", 0,
         "/nowhere/command: No such file or directory"},
        {"[\"/etc/passwd\"]", OUTCOME_REJECTED, "not_startable", 0, "/etc/passwd: Permission denied"},
        {"[\"/tmp\"]", OUTCOME_REJECTED, "not_startable", 0, "/tmp: Permission denied"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        try_command(cases[i].command, 10000);
        assert_outcome(cases[i].kind, cases[i].reason);
        assert_int_equal(result.outcome.code, cases[i].code);
        assert_int_equal(result.outcome.local, strcmp(cases[i].reason, "not_startable") == 0 ||
                                                   strcmp(cases[i].reason, "configuration") == 0);
        assert_false(result.outcome.overload);
        if (strncmp(result.outcome.text, cases[i].text, strlen(cases[i].text)) != 0 ||
            (cases[i].text[0] == '\0' && result.outcome.text[0]))
            fail_msg("%s: text '%s'", cases[i].command, result.outcome.text);
    }
}

static void exec_gets_the_body_the_arguments_and_a_clean_environment(void **state)
{
    (void)state;
    assert_int_equal(try_command("[\"/bin/cat\"]", 10000), OUTCOME_DELIVERED);
    assert_int_equal(result.outcome.response.len, sizeof body_text - 1);
    assert_memory_equal(result.outcome.response.data, body_text, sizeof body_text - 1);

    try_command("[\"/bin/echo\", \"$(id) {tenant_id}\", \"{data_type};{{\"]", 10000);
    assert_string_equal(result.outcome.response.data, "$(id) acme report;{\n");

    setenv("LEAK", "from the parent", 1);
    try_command("[\"/bin/sh\", \"-c\", \"/usr/bin/env | /usr/bin/sort\"]", 10000);
    unsetenv("LEAK");
    assert_string_equal(
        result.outcome.response.data,
        "DIST_ATTEMPT=3\nDIST_CONTENT_TYPE=application/json\nDIST_DATA_TYPE=report\n"
        "DIST_DELIVERY_ID=0190b2c4-0000-7000-8000-000000000001\nDIST_DESTINATION=script\n"
        "DIST_DISTRIBUTION_ID=dist-1\nDIST_RESULT_FD=3\nDIST_TENANT_ID=acme\n"
        "LANG=C.UTF-8\nPATH=/usr/local/bin:/usr/bin:/bin\nPWD=/\n"); /* PWD is the shell's own */
}

static void exec_inherits_no_descriptor_signal_or_group(void **state)
{
    int open_one = open("/dev/null", O_RDONLY); /* not close-on-exec */

    (void)state;
    try_command("[\"/bin/ls\", \"/proc/self/fd\"]", 10000);
    assert_string_equal(result.outcome.response.data,
                        "0\n1\n2\n3\n4\n"); /* 3 is for the result, 4 the folder that ls reads */
    close(open_one);
    try_command("[\"/bin/grep\", \"-E\", \"^Sig(Blk|Ign)\", \"/proc/self/status\"]", 10000);
    assert_string_equal(result.outcome.response.data,
                        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    try_command(
        "[\"/bin/sh\", \"-c\", \"read pid name state parent group session rest </proc/self/stat; test $pid = "
        "$group -a $pid = $session && pwd\"]",
        10000);
    assert_string_equal(result.outcome.response.data, "/\n");
}

static void exec_stdin_need_not_be_read_and_cannot_be_changed(void **state)
{
    json_t *json;
    struct destination destination = exec_of("[\"/bin/true\"]", &json);
    struct attempt attempt = attempt_of(&destination);
    size_t size = 8 * 1024 * 1024;
    char *body = xcalloc(1, size);

    (void)state;
    attempt.body = body;
    attempt.body_size = size;
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    json_decref(json);
    destination = exec_of("[\"/bin/sh\", \"-c\", \"/usr/bin/wc -c; /usr/bin/wc -c </proc/self/fd/0; "
                          "echo x 2>/dev/null >/proc/self/fd/0 || echo sealed\"]",
                          &json);
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    assert_string_equal(result.outcome.response.data, "8388608\n8388608\nsealed\n");
    attempt.body_size = 0;
    attempt.body = NULL;
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    assert_string_equal(result.outcome.response.data, "0\n0\nsealed\n");
    json_decref(json);
    free(body);
}

static void exec_output_is_read_to_its_end_and_kept_up_to_the_ceiling(void **state)
{
    (void)state;
    assert_int_equal(try_command("[\"/bin/sh\", \"-c\", \"/usr/bin/head -c 8000000 /dev/zero; "
                                 "/usr/bin/head -c 3000000 /dev/zero | /usr/bin/tr '\\\\0' '\\\\n' >&2; "
                                 "echo last words >&2; exit 75\"]",
                                 20000),
                     OUTCOME_DEFERRED);
    assert_int_equal(result.outcome.response.len, LIMIT_RESPONSE);
    assert_string_equal(result.outcome.text, "exit code 75: last words");
}

/* Gone, or a zombie that its new parent has not taken yet. */
static bool is_dead(long pid)
{
    char *path = xasprintf("/proc/%ld/stat", pid), state = 'Z';
    FILE *file = fopen(path, "re");

    free(path);
    if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'Z';
    if (file)
        fclose(file);
    return state == 'Z' || state == 'X';
}

static void assert_dies(long pid)
{
    assert_true(pid > 1);
    for (int tries = 0; tries < 100 && !is_dead(pid); tries++)
        usleep(20000);
    assert_true(is_dead(pid));
}

static void exec_deadline_ends_the_whole_group(void **state)
{
    int64_t started = clock_mono_ms();

    (void)state;
    assert_int_equal(
        try_command("[\"/bin/sh\", \"-c\", \"/bin/sleep 100 & echo $!; echo waiting >&2; wait\"]", 300),
        OUTCOME_DEFERRED);
    assert_outcome(OUTCOME_DEFERRED, "timeout");
    assert_true(result.outcome.overload);
    assert_string_equal(result.outcome.text, "killed after 300ms: waiting");
    assert_true(clock_mono_ms() - started < 1500); /* SIGTERM was enough */
    assert_dies(strtol(result.outcome.response.data, NULL, 10));

    started = clock_mono_ms();
    try_command(
        "[\"/bin/sh\", \"-c\", \"trap '' TERM; /bin/sleep 100 & echo $!; while :; do /bin/sleep 1; done\"]",
        300);
    assert_outcome(OUTCOME_DEFERRED, "timeout");
    assert_in_range(clock_mono_ms() - started, 2000, 4000);
    assert_dies(strtol(result.outcome.response.data, NULL, 10));

    /* The command heeds SIGTERM, its child does not. */
    try_command("[\"/bin/sh\", \"-c\", \"(trap '' TERM; exec /bin/sleep 100) & echo $!; wait\"]", 300);
    assert_outcome(OUTCOME_DEFERRED, "timeout");
    assert_dies(strtol(result.outcome.response.data, NULL, 10));

    /* It stopped itself. */
    try_command("[\"/bin/sh\", \"-c\", \"echo $$; kill -STOP $$\"]", 300);
    assert_outcome(OUTCOME_DEFERRED, "timeout");
    assert_dies(strtol(result.outcome.response.data, NULL, 10));
}

static void exec_background_work_does_not_hold_the_attempt(void **state)
{
    int64_t started = clock_mono_ms();

    (void)state;
    assert_int_equal(try_command("[\"/bin/sh\", \"-c\", \"/bin/sleep 100 & echo $!\"]", 10000),
                     OUTCOME_DELIVERED);
    assert_true(clock_mono_ms() - started < 2000);
    long pid = strtol(result.outcome.response.data, NULL, 10);
    assert_true(pid > 1 && !is_dead(pid));
    kill((pid_t)pid, SIGKILL);

    assert_int_equal(try_command("[\"/bin/sh\", \"-c\", \"/usr/bin/yes & echo $! >&2; exit 75\"]", 10000),
                     OUTCOME_DEFERRED);
    assert_outcome(OUTCOME_DEFERRED, "exit_75");
    pid = strtol(strrchr(result.outcome.text, ' '), NULL, 10);
    assert_dies(pid); /* of SIGPIPE: nobody reads any more */
}

static void exec_cancel_leaves_nothing(void **state)
{
    char *pids = below("pids"), *text = NULL;
    char *command = xasprintf("[\"/bin/sh\", \"-c\", \"trap '' TERM; /bin/sleep 100 & echo $! $$ >%s.new; "
                              "/bin/mv %s.new %s; wait; wait\"]",
                              pids, pids, pids);
    json_t *json;
    struct destination destination = exec_of(command, &json);
    struct attempt attempt = attempt_of(&destination);
    struct attempt_handle *handle = adapter_exec.start(&context, &attempt, on_never, NULL);

    (void)state;
    for (int tries = 0; tries < 500 && !text; tries++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        usleep(10000);
        text = read_file(pids, NULL);
    }
    assert_non_null(text);
    handle->adapter->cancel(handle);
    char *second = NULL;
    assert_dies(strtol(text, &second, 10));
    assert_dies(strtol(second, NULL, 10));

    handle =
        adapter_exec.start(&context, &attempt, on_never, NULL); /* at once, before it is its group's leader */
    handle->adapter->cancel(handle);
    event_base_loop(base, EVLOOP_NONBLOCK);
    json_decref(json);
    free(command);
    free(text);
    free(pids);
}

/* file */

static struct destination file_at(const char *path)
{
    return (struct destination){
        .protocol = PROTOCOL_FILE, .name = (char *)"drop", .path = path, .mode = 0640, .timeout_ms = 10000};
}

static void assert_content(const char *path, const void *body, size_t size)
{
    size_t there;
    char *content = read_file(path, &there);

    assert_non_null(content);
    assert_int_equal(there, size);
    assert_memory_equal(content, body, size);
    free(content);
}

static void file_is_written_whole_with_its_mode(void **state)
{
    char *pattern = below("{tenant_id}-{distribution_id}.json"), *path = below("acme-dist-1.json");
    struct destination destination = file_at(pattern);
    struct attempt attempt = attempt_of(&destination);
    mode_t mask = umask(077);
    struct stat status;

    (void)state;
    destination.mode = 0664;
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    umask(mask);
    assert_outcome(OUTCOME_DELIVERED, "written");
    assert_content(path, body_text, sizeof body_text - 1);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0664);
    assert_int_equal(count_entries(folder), 1);
    free(pattern);
    free(path);
}

static void file_of_the_same_bytes_is_ours_and_any_other_stays(void **state)
{
    char *path = below("report");
    struct destination destination = file_at(path);
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    assert_outcome(OUTCOME_DELIVERED, "there_already");
    attempt.body = "x{\"a\":1}\0\xff";
    assert_int_equal(try_attempt(&attempt), OUTCOME_REJECTED); /* as many bytes */
    assert_outcome(OUTCOME_REJECTED, "exists");
    attempt.body_size = 0;
    try_attempt(&attempt);
    assert_outcome(OUTCOME_REJECTED, "exists");
    assert_content(path, body_text, sizeof body_text - 1);
    assert_int_equal(count_entries(folder), 1);
    free(path);
}

static void file_that_is_no_file_is_left_alone(void **state)
{
    char *fifo = below("fifo"), *link = below("link"), *target = below("target"), *sub = below("sub");
    const char *const paths[] = {fifo, link, sub};

    (void)state;
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(mkdir(sub, 0700), 0);
    for (size_t i = 0; i < 3; i++) {
        struct destination destination = file_at(paths[i]);
        struct attempt attempt = attempt_of(&destination);
        try_attempt(&attempt);
        assert_outcome(OUTCOME_REJECTED, "exists");
    }
    assert_int_equal(count_entries(folder), 3);
    free(fifo);
    free(link);
    free(target);
    free(sub);
}

static void file_faults_are_told_apart(void **state)
{
    char *file = below("file"), *under_file = below("file/x"), *missing = below("missing/x"),
         *slash = below("sub/");
    char *long_name = xasprintf("%s/%0300d", folder, 1), *no_value = below("{date}");
    const struct {
        const char *path;
        enum outcome_kind kind;
        const char *reason;
    } cases[] = {
        {missing, OUTCOME_DEFERRED, "no_folder"},      {under_file, OUTCOME_REJECTED, "path"},
        {long_name, OUTCOME_REJECTED, "path"},         {slash, OUTCOME_REJECTED, "configuration"},
        {no_value, OUTCOME_REJECTED, "configuration"},
    };
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    close(fd);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct destination destination = file_at(cases[i].path);
        struct attempt attempt = attempt_of(&destination);
        attempt.date = NULL;
        try_attempt(&attempt);
        assert_outcome(cases[i].kind, cases[i].reason);
        assert_true(result.outcome.text[0]);
    }
    assert_int_equal(count_entries(folder), 1);
    free(file);
    free(under_file);
    free(missing);
    free(slash);
    free(long_name);
    free(no_value);
}

static void file_values_cannot_leave_the_folder(void **state)
{
    char *pattern = below("{distribution_id}"), *path = below("_._.._x_y");
    struct destination destination = file_at(pattern);
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    attempt.distribution_id = "../../x/y";
    attempt.message_id = "../../z";
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    assert_int_equal(count_entries(folder), 1);
    free(pattern);
    free(path);
}

static void file_attempts_side_by_side_write_one_whole_file(void **state)
{
    enum { RIVALS = 6 };
    struct result results[RIVALS] = {0};
    char *path = below("report"), *bodies[2];
    struct destination destination = file_at(path);
    size_t size = 1024 * 1024;
    int written = 0, there = 0;

    (void)state;
    for (int i = 0; i < 2; i++) {
        bodies[i] = xmalloc(size);
        memset(bodies[i], 'a' + i, size);
    }
    for (int i = 0; i < RIVALS; i++) {
        struct attempt attempt = attempt_of(&destination);
        attempt.message_id = i % 2 ? "id-1" : "id-0"; /* three attempts of one delivery, three of another */
        attempt.body = bodies[i % 2];
        attempt.body_size = size;
        adapter_file.start(&context, &attempt, on_done, &results[i]);
    }
    int winner = -1;
    for (int i = 0; i < RIVALS; i++) {
        wait_for(&results[i]);
        written += strcmp(results[i].outcome.reason, "written") == 0;
        there += strcmp(results[i].outcome.reason, "there_already") == 0;
        if (strcmp(results[i].outcome.reason, "written") == 0)
            winner = i % 2;
        buf_release(&results[i].outcome.response);
    }
    assert_int_equal(written, 1);
    assert_int_equal(there, 2);
    assert_content(path, bodies[winner], size);
    for (int i = 0; i < RIVALS; i++)
        assert_int_equal(results[i].outcome.kind, i % 2 == winner ? OUTCOME_DELIVERED : OUTCOME_REJECTED);
    assert_int_equal(count_entries(folder), 1);
    for (int i = 0; i < 2; i++)
        free(bodies[i]);
    free(path);
}

static void file_deadline_and_cancel_leave_nothing_behind(void **state)
{
    char *path = below("large");
    struct destination destination = file_at(path);
    struct attempt attempt = attempt_of(&destination);
    size_t size = 64 * 1024 * 1024;
    char *body = xmalloc(size);

    (void)state;
    memset(body, 'x', size);
    attempt.body = body;
    attempt.body_size = size;
    destination.timeout_ms = 2;
    try_attempt(&attempt);
    assert_outcome(OUTCOME_DEFERRED, "timeout");
    assert_int_equal(count_entries(folder), 0);
    struct attempt_handle *handle = adapter_file.start(&context, &attempt, on_never, NULL);
    usleep(10000);
    handle->adapter->cancel(handle);
    assert_int_equal(count_entries(folder), 0);
    destination.timeout_ms = 20000;
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    assert_content(path, body, size);
    free(body);
    free(path);
}

static void file_write_without_nameless_files_replaces_a_stale_one(void **state)
{
    char *stale = below(".tmp"), *path = below("report");
    struct file_write file = {.folder = folder,
                              .name = "report",
                              .temporary = ".tmp",
                              .body = "new",
                              .size = 3,
                              .mode = 0600,
                              .named = true};
    int error, fd = open(stale, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    assert_int_equal(write(fd, "half of an earlier attempt", 26), 26);
    close(fd);
    assert_int_equal(file_write(&file, &error), FILE_WRITTEN);
    assert_content(path, "new", 3);
    assert_int_equal(count_entries(folder), 1);
    assert_int_equal(file_write(&file, &error), FILE_THERE_ALREADY);
    file.body = "odd";
    assert_int_equal(file_write(&file, &error), FILE_EXISTS);
    assert_content(path, "new", 3);
    assert_int_equal(count_entries(folder), 1);
    file.named = false;
    assert_int_equal(file_write(&file, &error), FILE_EXISTS);
    file.body = "new";
    assert_int_equal(file_write(&file, &error), FILE_THERE_ALREADY);
    file.folder = "/nowhere/at/all";
    assert_int_equal(file_write(&file, &error), FILE_FAILED);
    assert_int_equal(error, ENOENT);
    free(stale);
    free(path);
}

/* They take each other's temporary file away; whatever gets the name is whole. */
static void file_write_rivals_with_one_temporary_name_publish_only_whole_files(void **state)
{
    enum { ROUNDS = 40, RIVALS = 4 };
    size_t size = 300000;
    char *body = xmalloc(size), *path = below("report");
    struct file_write file = {.folder = folder,
                              .name = "report",
                              .temporary = ".tmp",
                              .body = body,
                              .size = size,
                              .mode = 0600,
                              .named = true};

    (void)state;
    memset(body, 'x', size);
    for (int round = 0; round < ROUNDS; round++) {
        pid_t rivals[RIVALS];
        int there = 0;
        for (int i = 0; i < RIVALS; i++) {
            rivals[i] = fork();
            if (rivals[i] == 0) {
                int error;
                _exit((int)file_write(&file, &error));
            }
        }
        for (int i = 0; i < RIVALS; i++) {
            int status;
            waitpid(rivals[i], &status, 0);
            assert_true(WIFEXITED(status));
            int end = WEXITSTATUS(status);
            assert_true(end == FILE_WRITTEN || end == FILE_THERE_ALREADY || end == FILE_BUSY);
            there += end != FILE_BUSY;
        }
        if (there > 0)
            assert_content(path, body, size);
        unlink(path);
        assert_int_equal(count_entries(folder), 0);
    }
    free(body);
    free(path);
}

/* null and all */

static void null_delivers_later_or_never(void **state)
{
    struct destination destination = {.protocol = PROTOCOL_NULL, .name = (char *)"null"};
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    assert_int_equal(try_attempt(&attempt), OUTCOME_DELIVERED);
    struct attempt_handle *handle = adapter_null.start(&context, &attempt, on_never, NULL);
    handle->adapter->cancel(handle);
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void every_attempt_can_be_cancelled_at_once(void **state)
{
    char *endpoint, *path = below("{token}");
    json_t *json;
    struct destination all[] = {rest_to("/hang", &endpoint),
                                exec_of("[\"/bin/sleep\", \"100\"]", &json),
                                file_at(path),
                                {.protocol = PROTOCOL_REST, .endpoint = "{token}", .method = "GET"}};

    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int turns = 0; turns < 2; turns++) {
            struct attempt attempt = attempt_of(&all[i]);
            if (i > 1 && turns > 0)
                continue; /* reported by then */
            struct attempt_handle *handle =
                adapter_for(all[i].protocol)->start(&context, &attempt, on_never, NULL);
            if (turns)
                event_base_loop(base, EVLOOP_NONBLOCK);
            handle->adapter->cancel(handle);
            event_base_loop(base, EVLOOP_NONBLOCK);
        }
    json_decref(json);
    free(endpoint);
    free(path);
}

static void every_protocol_has_an_adapter(void **state)
{
    (void)state;
    for (int protocol = 0; protocol < PROTOCOL_COUNT; protocol++) {
        const struct adapter *adapter = adapter_for((enum protocol)protocol);
        assert_non_null(adapter);
        assert_int_equal(adapter->protocol, protocol);
    }
}

static void an_excerpt_is_one_printable_line(void **state)
{
    static const struct {
        const char *said;
        size_t size;
        const char *first, *last;
    } cases[] = {
        {"", 0, "", ""},
        {"\n \r\n\t", 5, "", ""},
        {"one\ntwo\n\n", 9, "one", "two"},
        {"  one  \r\n", 9, "one", "one"},
        {"a\0b\n\x1b[2Jx\n", 10, "a?b", "[2Jx"},
        {"caf\xc3\xa9\nbad \xff\xfe bytes here", 23, "caf\xc3\xa9", "bad ?? bytes here"},
    };
    char line[EXCERPT_SIZE];
    struct buf said;

    (void)state;
    buf_init(&said, 100000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&said);
        buf_add(&said, cases[i].said, cases[i].size);
        excerpt_first_line(&said, line);
        assert_string_equal(line, cases[i].first);
        excerpt_last_line(&said, line);
        assert_string_equal(line, cases[i].last);
    }
    buf_clear(&said);
    for (int i = 0; i < 20000; i++)
        buf_adds(&said, "\xe2\x82\xac");
    excerpt_first_line(&said, line);
    assert_int_equal(strlen(line), 198); /* no half character */
    buf_release(&said);
}

static const char *masked(struct buf *said, const char *text, const char *secret)
{
    buf_clear(said);
    buf_adds(said, text);
    excerpt_mask(said, secret);
    return said->data;
}

static void a_mask_finds_a_secret_in_every_json_form(void **state)
{
    static const struct {
        const char *said, *secret, *masked;
    } cases[] = {
        {"hunter2 hunter2!", "hunter2", "******* *******!"},
        {"hunter", "hunter2", "hunter"},
        {"aaaaa", "aaaa", "****a"},
        {"{\"k\":\"a\\\"b\\\\c\"}", "a\"b\\c", "{\"k\":\"*******\"}"},
        {"a\"b\\c", "a\"b\\c", "*****"},
        {"ab\\/cd ab/cd", "ab/cd", "****** *****"},
        {"x\\u0061bc\\u002fd", "abc/d", "x***************"},
        {"\\u0061\\u0062\\u0063\\u0064\\u002F", "abcd/", "******************************"},
        {"one\\ntwo\\t", "one\ntwo\t", "**********"},
        {"caf\\u00e9 caf\xc3\xa9", "caf\xc3\xa9", "********* *****"},
        {"key\\ud83d\\ude00", "key\xf0\x9f\x98\x80", "***************"},
        {"abc\\ud83d abc\\u00", "abcd", "abc\\ud83d abc\\u00"},
        {"a&amp;b&#x3C;c&#233;&quot; a&b<c", "a&b<c\xc3\xa9\"", "************************** a&b<c"},
        {"a&b; a&am; a&#; a&#x110000;", "a&b;", "**** a&am; a&#; a&#x110000;"},
        {"abc\\q abc\\", "abcd", "abc\\q abc\\"},
        {"text", "", "text"},
        {"text", NULL, "text"},
        {"", "abc", ""},
        {"a 1 b", "1", EXCERPT_WITHHELD},
        {"nothing", "abc", EXCERPT_WITHHELD},
        {EXCERPT_WITHHELD, "credential", EXCERPT_WITHHELD},
    };
    struct buf said;

    (void)state;
    buf_init(&said, 1000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(masked(&said, cases[i].said, cases[i].secret), cases[i].masked);
    buf_release(&said);
}

static void a_mask_finds_a_secret_that_the_ceiling_cut(void **state)
{
    struct buf said;

    (void)state;
    buf_init(&said, 12);
    assert_string_equal(masked(&said, "1234567hunte", "hunter2"), "1234567*****");
    assert_string_equal(masked(&said, "12345ab\\u006", "abcd"), "12345*******");
    assert_string_equal(masked(&said, "1234567hunt", "hunter2"), "1234567hunt");
    buf_release(&said);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, make_context, free_context)
    const struct CMUnitTest tests[] = {
        TEST(rest_sends_the_body_with_its_headers),
        TEST(rest_headers_of_the_destination_win),
        TEST(rest_credentials_become_basic_only_with_name_and_password),
        TEST(rest_methods_without_a_body_send_none),
        TEST(rest_judges_by_the_status),
        TEST(rest_tells_overload_and_its_own_refusals_from_other_answers),
        TEST(rest_without_a_descriptor_blames_this_host),
        TEST(rest_hands_on_retry_after),
        TEST(rest_faults_of_the_destination_are_rejected),
        TEST(rest_private_addresses_need_the_operator_or_the_destination),
        TEST(rest_shows_no_secret_that_comes_back),
        TEST(rest_withholds_what_a_short_secret_cannot_be_masked_in),
        TEST(exec_exit_codes_are_the_contract),
        TEST(exec_gets_the_body_the_arguments_and_a_clean_environment),
        TEST(exec_inherits_no_descriptor_signal_or_group),
        TEST(exec_stdin_need_not_be_read_and_cannot_be_changed),
        TEST(exec_output_is_read_to_its_end_and_kept_up_to_the_ceiling),
        TEST(exec_deadline_ends_the_whole_group),
        TEST(exec_background_work_does_not_hold_the_attempt),
        TEST(exec_cancel_leaves_nothing),
        TEST(file_is_written_whole_with_its_mode),
        TEST(file_of_the_same_bytes_is_ours_and_any_other_stays),
        TEST(file_that_is_no_file_is_left_alone),
        TEST(file_faults_are_told_apart),
        TEST(file_values_cannot_leave_the_folder),
        TEST(file_attempts_side_by_side_write_one_whole_file),
        TEST(file_deadline_and_cancel_leave_nothing_behind),
        TEST(file_write_without_nameless_files_replaces_a_stale_one),
        TEST(file_write_rivals_with_one_temporary_name_publish_only_whole_files),
        TEST(null_delivers_later_or_never),
        TEST(every_attempt_can_be_cancelled_at_once),
        TEST(every_protocol_has_an_adapter),
        TEST(an_excerpt_is_one_printable_line),
        TEST(a_mask_finds_a_secret_in_every_json_form),
        TEST(a_mask_finds_a_secret_that_the_ceiling_cut),
    };

    fdio_ignore_sigpipe();
    int failed = cmocka_run_group_tests(tests, start_receiver, stop_receiver);
    buf_release(&result.outcome.response);
    return failed;
}
