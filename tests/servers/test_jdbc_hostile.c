/*
 * The JDBC adapter against a server that does what PostgreSQL never does: it begins copies that nobody asked
 * for, talks without end, answers with something else. It is a thread of the test, and writes its messages by
 * itself. What a real one does is in test_jdbc.c.
 */
#include "attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <endian.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clock.h"
#include "xalloc.h"

/* ---- the server ---- */

/* What it says to the login, to the question about the table (which ends by Sync), and to plain statements.
 */
struct script {
    bool kept; /* the connection stays good, and is closed here */
    void (*login)(int fd), (*sync)(int fd), (*query)(int fd);
};

static struct {
    int fd, client, port;
    pthread_t thread;
    const struct script *script;
    atomic_llong sent; /* bytes */
} server;

/* Until there is room; false: the adapter has hung up, and takes nothing (TCP asks again for minutes). */
static bool has_room(int fd)
{
    struct pollfd socket = {.fd = fd, .events = POLLOUT | POLLRDHUP};

    if (poll(&socket, 1, -1) > 0 && !(socket.revents & POLLOUT)) {
        socket.events = POLLOUT;
        return poll(&socket, 1, 1000) > 0;
    }
    return true;
}

static bool put_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t n = has_room(fd) ? send(fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
        if (n <= 0)
            return false; /* the adapter has gone: the test sees what it makes of it */
        at += n;
        size -= (size_t)n;
        atomic_fetch_add(&server.sent, n);
    }
    return true;
}

static bool get_all(int fd, void *data, size_t size)
{
    return size == 0 || recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

static bool put(int fd, char type, const void *payload, size_t size)
{
    char head[5] = {type};
    uint32_t size_be = htobe32((uint32_t)size + 4);

    memcpy(head + 1, &size_be, sizeof size_be);
    return put_all(fd, head, sizeof head) && put_all(fd, payload, size);
}
#define PUT(fd, type, text) put(fd, type, text, sizeof(text) - 1)

static void say_error(int fd, const char *state)
{
    char text[60];

    put(fd, 'E', text, (size_t)snprintf(text, sizeof text, "SERROR%cC%s%cMno%c%c", 0, state, 0, 0, 0));
}

static void let_in(int fd)
{
    PUT(fd, 'R', "\0\0\0\0");
    PUT(fd, 'S',
        "server_version\0"
        "15.0\0");
    PUT(fd, 'S',
        "default_transaction_read_only\0"
        "off\0");
    PUT(fd, 'S',
        "in_hot_standby\0"
        "off\0");
    PUT(fd, 'Z', "I");
}

/* The head of so many columns of type text. */
static void put_columns(int fd, int count)
{
    static const char column[] = "c\0\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0";
    char head[2 + 4 * sizeof column] = {0, (char)count};
    size_t size = 2;

    for (int i = 0; i < count; i++, size += sizeof column)
        memcpy(head + size, column, sizeof column);
    PUT(fd, '1', "");
    PUT(fd, '2', "");
    put(fd, 'T', head, size);
}

/* A table with a column n. */
static void describe(int fd)
{
    put_columns(fd, 4);
    PUT(fd, 'D', "\0\4\0\0\0\1n\0\0\0\4text\0\0\0\4text\0\0\0\1f");
    PUT(fd, 'C', "SELECT 1\0");
    PUT(fd, 'Z', "I");
}

static void complete(int fd)
{
    PUT(fd, 'C', "BEGIN\0");
    PUT(fd, 'Z', "T");
}

static void serve(int fd)
{
    const struct script *script = server.script;
    char payload[4096], type;
    uint32_t size;

    if (!get_all(fd, &size, sizeof size) || (size = be32toh(size)) > sizeof payload ||
        !get_all(fd, payload, size - 4))
        return;
    (script->login ? script->login : let_in)(fd);
    while (get_all(fd, &type, 1) && get_all(fd, &size, sizeof size) &&
           (size = be32toh(size)) <= sizeof payload && get_all(fd, payload, size - 4)) {
        if (type == 'S')
            (script->sync ? script->sync : describe)(fd);
        else if (type == 'Q')
            (script->query ? script->query : complete)(fd);
    }
}

static void *serve_all(void *arg)
{
    int fd;

    while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
        server.client = fd;
        serve(fd);
        close(fd);
    }
    return arg;
}

static void start_server(const struct script *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    server.script = script;
    server.sent = 0;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server.fd, 8), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&address, &size), 0);
    server.port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server.thread, NULL, serve_all, NULL), 0);
}

/* One attempt, which ends so, and no thread is left busy by it. */
static void expect(struct attempts *attempts, const struct script *script, enum outcome_kind kind,
                   const char *reason, const char *text)
{
    int64_t began_ms = clock_mono_ms();

    start_server(script);
    struct destination *destination = attempts_destination(
        "{'protocol':'JDBC','connection':{'url':'jdbc:postgresql://127.0.0.1:%d/d"
        "?sslmode=disable','credentials':{'username':'u','password':'{secret}'}},'table':'t','timeout':8}",
        server.port);
    attempts->attempt.destination = destination;
    attempts->attempt.body = "{\"n\": \"1\"}";
    attempts->attempt.body_size = 10;
    attempts_expect(attempts, kind, reason);
    if (!strstr(attempts->outcome.text, text))
        fail_msg("%s", attempts->outcome.text);
    if (script->kept)
        shutdown(server.client, SHUT_RDWR);
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL); /* its connection was closed, so it ends */
    close(server.fd);
    destination_unref(destination);
    assert_true(clock_mono_ms() - began_ms < 5000);
}

/* ---- copies ---- */

static void copy_out(int fd)
{
    PUT(fd, '1', "");
    PUT(fd, '2', "");
    PUT(fd, 'H', "\0\0\0");
}

static void copy_both(int fd)
{
    PUT(fd, 'W', "\0\0\0");
}

static void copy_in(int fd)
{
    PUT(fd, 'G', "\0\0\0");
}

static void a_copy_that_nobody_asked_for_ends_the_connection(void **state)
{
    static const struct script scripts[] = {{.sync = copy_out}, {.query = copy_both}, {.query = copy_in}};

    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        expect(*state, &scripts[i], OUTCOME_DEFERRED, "broken", "nobody asked for");
}

/* ---- floods ---- */

/* One message again and again, many at once. */
static void flood(int fd, char type, const char *payload, size_t size)
{
    char messages[64 * 1024], head[5] = {type, 0, 0, 0, (char)(size + 4)};
    size_t used = 0;

    while (used + sizeof head + size <= sizeof messages) {
        memcpy(messages + used, head, sizeof head);
        memcpy(messages + used + sizeof head, payload, size);
        used += sizeof head + size;
    }
    while (put_all(fd, messages, used))
        ;
}
#define FLOOD(fd, type, text) flood(fd, type, text, sizeof(text) - 1)

static void flood_rows(int fd)
{
    put_columns(fd, 4);
    FLOOD(fd, 'D', "\0\4\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377");
}

static void flood_field(int fd)
{
    static const char nothing[64 * 1024];

    put_columns(fd, 4);
    if (put_all(fd, "D\x3f\xff\xff\xff\0\4\x3f\0\0\0", 11)) /* of 1 GiB */
        while (put_all(fd, nothing, sizeof nothing))
            ;
}

static void flood_notices(int fd)
{
    FLOOD(fd, 'N', "SNOTICE\0C00000\0Mhello\0");
}

static void flood_settings(int fd)
{
    PUT(fd, 'R', "\0\0\0\0");
    FLOOD(fd, 'S', "application_name\0x\0");
}

static void a_server_that_talks_without_end_is_cut_off(void **state)
{
    static const struct script scripts[] = {
        {.sync = flood_rows}, {.sync = flood_field}, {.query = flood_notices}, {.login = flood_settings}};

    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        expect(*state, &scripts[i], OUTCOME_DEFERRED, i == 3 ? "connect" : "broken", "the server says more");
        if (scripts[i].sync != flood_field) /* of one field a peer as near as this may bring more in one go */
            assert_true(server.sent < 16 * 1024 * 1024); /* some of it lies in sockets */
    }
}

/* ---- answers to other questions ---- */

static void describe_otherwise(int fd)
{
    put_columns(fd, 1);
    PUT(fd, 'D', "\0\1\0\0\0\1n");
    PUT(fd, 'C', "SELECT 1\0");
    PUT(fd, 'Z', "I");
}

static void an_answer_to_another_question_is_none(void **state)
{
    static const struct script script = {.sync = describe_otherwise};

    expect(*state, &script, OUTCOME_DEFERRED, "broken", "no answer");
}

/* ---- refusals before any row ---- */

static void refuse_login(int fd)
{
    say_error(fd, "P0001");
}

static void refuse_question(int fd)
{
    say_error(fd, "22023");
    PUT(fd, 'Z', "I");
}

static void what_is_refused_before_any_row_rejects_none(void **state)
{
    static const struct script scripts[] = {
        {.login = refuse_login}, {.sync = refuse_question}, {.query = refuse_question, .kept = true}};

    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        expect(*state, &scripts[i], OUTCOME_DEFERRED, "connect", i ? "SQLSTATE 22023" : "SQLSTATE P0001");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, attempts_setup, attempts_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_copy_that_nobody_asked_for_ends_the_connection),
        TEST(a_server_that_talks_without_end_is_cut_off),
        TEST(an_answer_to_another_question_is_none),
        TEST(what_is_refused_before_any_row_rejects_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
