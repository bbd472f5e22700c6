/*
 * redis.c against real servers, each with its own folder, socket and no persistence.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdio.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "clock.h"
#include "redis.h"
#include "redis_server.h"

static struct redis *client(const struct redis_server *server, const char *password, int database)
{
    return redis_new(&(struct redis_config){
        .host = server->socket, .password = password, .database = database, .timeout_ms = 2000});
}

static void start(struct redis_server *server, const char *option, const char *value)
{
    redis_server_start(server, NULL, (const char *const[]){option, value, NULL});
}

static int setup(void **state)
{
    static struct redis_server server;

    redis_server_prepare(&server);
    start(&server, "--databases", "4");
    *state = &server;
    return 0;
}

static int teardown(void **state)
{
    redis_server_remove(*state);
    return 0;
}

static long long integer(struct redis *redis, const char *command, const char *key)
{
    struct fault fault = {0};
    redisReply *reply = redis_commandf(redis, 0, &fault, "%s %s", command, key);
    long long value;

    if (!reply)
        fail_msg("%s %s: %s", command, key, fault.text);
    value = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : reply->integer;
    freeReplyObject(reply);
    return value;
}

static void run(struct redis *redis, const char *const *argv, int argc)
{
    struct fault fault = {0};
    redisReply *reply = redis_command(redis, 0, &fault, argc, argv, NULL);

    if (!reply)
        fail_msg("%s: %s", argv[0], fault.text);
    freeReplyObject(reply);
}
#define RUN(redis, ...)                                                                                      \
    run(redis, (const char *const[]){__VA_ARGS__},                                                           \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static enum fault_class class_of(struct redis *redis, const char *command)
{
    struct fault fault = {0};
    redisReply *reply = redis_commandf(redis, 0, &fault, command);

    if (reply)
        freeReplyObject(reply);
    else
        assert_non_null(strstr(fault.text, redis_address(redis)));
    return fault.class;
}

static void commands_carry_bytes_and_connect_by_themselves(void **state)
{
    struct redis *redis = client(*state, NULL, 0);
    struct fault fault = {0};
    redisReply *reply;

    assert_false(redis_is_connected(redis));
    assert_int_equal(redis_fd(redis), -1);
    reply = redis_command(redis, 0, &fault, 3, (const char *const[]){"SET", "bytes", "a\0b"},
                          (size_t[]){3, 5, 3});
    assert_non_null(reply);
    freeReplyObject(reply);
    assert_true(redis_is_connected(redis));
    assert_int_equal(redis_generation(redis), 1);
    reply = redis_commandf(redis, 0, &fault, "GET %b", "bytes", (size_t)5);
    assert_int_equal(reply->len, 3);
    assert_memory_equal(reply->str, "a\0b", 3);
    freeReplyObject(reply);
    assert_true(fcntl(redis_fd(redis), F_GETFD) & FD_CLOEXEC);
    assert_string_equal(redis_address(redis) + strlen("redis at "), ((struct redis_server *)*state)->socket);
    redis_free(redis);
}

static void error_replies_have_their_class(void **state)
{
    struct redis *redis = client(*state, NULL, 0);

    RUN(redis, "SET", "text", "x");
    assert_int_equal(class_of(redis, "LPUSH text y"), FAULT_BUG);
    assert_int_equal(class_of(redis, "NONSENSE"), FAULT_BUG);
    assert_true(redis_is_connected(redis));
    RUN(redis, "CONFIG", "SET", "maxmemory", "1");
    assert_int_equal(class_of(redis, "SET text z"), FAULT_TEMP);
    RUN(redis, "CONFIG", "SET", "maxmemory", "0");
    RUN(redis, "REPLICAOF", "127.0.0.1", "1");
    assert_int_equal(class_of(redis, "SET text z"), FAULT_TEMP);
    assert_false(redis_is_connected(redis)); /* the next connection may find the master */
    RUN(redis, "REPLICAOF", "NO", "ONE");
    RUN(redis, "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+get");
    redis_free(redis);
    redis = redis_new(&(struct redis_config){.host = ((struct redis_server *)*state)->socket,
                                             .user = "reader",
                                             .password = "secret",
                                             .timeout_ms = 1000});
    assert_int_equal(class_of(redis, "GET text"), FAULT_NONE);
    assert_int_equal(class_of(redis, "SET text z"), FAULT_CONFIG);
    redis_free(redis);
}

static void a_database_is_selected_or_refused(void **state)
{
    struct redis *zero = client(*state, NULL, 0), *two = client(*state, NULL, 2),
                 *nine = client(*state, NULL, 9);

    RUN(two, "SET", "here", "7");
    assert_int_equal(integer(two, "GET", "here"), 7);
    assert_int_equal(integer(zero, "EXISTS", "here"), 0);
    assert_int_equal(class_of(nine, "PING"), FAULT_CONFIG);
    assert_false(redis_is_connected(nine));
    assert_int_equal(redis_generation(nine), 0);
    redis_free(zero);
    redis_free(two);
    redis_free(nine);
}

static void passwords_are_asked_for_and_never_shown(void **state)
{
    struct redis_server server;
    struct redis *right, *wrong, *none;
    struct fault fault = {0};

    (void)state;
    redis_server_prepare(&server);
    start(&server, "--requirepass", "open sesame");
    right = client(&server, "open sesame", 0);
    wrong = client(&server, "tell nobody", 0);
    none = client(&server, NULL, 0);
    assert_int_equal(class_of(right, "PING"), FAULT_NONE);
    assert_int_equal(class_of(none, "PING"), FAULT_CONFIG);
    assert_int_equal(redis_connect(wrong, &fault), -1);
    assert_int_equal(fault.class, FAULT_CONFIG);
    assert_null(strstr(fault.text, "tell nobody"));
    redis_free(right);
    redis_free(wrong);
    redis_free(none);
    redis_server_remove(&server);
}

static void a_server_that_is_not_there_is_unavailable(void **state)
{
    struct redis *redis =
        redis_new(&(struct redis_config){.host = "/nonexistent/redis.sock", .timeout_ms = 500});
    char path[200];
    struct fault fault = {0};

    (void)state;
    assert_int_equal(class_of(redis, "PING"), FAULT_UNAVAILABLE);
    redis_free(redis);
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    redis = redis_new(&(struct redis_config){.host = path, .timeout_ms = 500});
    assert_int_equal(redis_connect(redis, &fault), -1);
    assert_int_equal(fault.class, FAULT_CONFIG);
    redis_free(redis);
    redis = redis_new(&(struct redis_config){.host = "127.0.0.1", .port = 1, .timeout_ms = 500});
    assert_int_equal(class_of(redis, "PING"), FAULT_UNAVAILABLE);
    redis_free(redis);
    redis_free(NULL);
}

static void tcp_works_with_keepalive(void **state)
{
    struct redis_server server;
    struct redis *redis;
    struct fault fault = {0};
    socklen_t size = sizeof(int);
    int on = 0;

    (void)state;
    redis_server_prepare(&server);
    start(&server, "--databases", "4");
    redis = redis_new(&(struct redis_config){.host = "127.0.0.1", .port = server.port, .timeout_ms = 2000});
    assert_int_equal(redis_connect(redis, &fault), 0);
    assert_int_equal(getsockopt(redis_fd(redis), SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
    assert_int_equal(on, 1);
    assert_int_equal(class_of(redis, "PING"), FAULT_NONE);
    redis_server_kill(&server);
    assert_int_equal(class_of(redis, "PING"), FAULT_UNAVAILABLE);
    start(&server, "--databases", "4");
    assert_int_equal(class_of(redis, "PING"), FAULT_NONE);
    assert_int_equal(redis_generation(redis), 2);
    redis_free(redis);
    redis_server_remove(&server);
}

static void a_hung_server_costs_the_timeout_and_no_more(void **state)
{
    struct redis_server *server = *state;
    struct redis *redis =
        redis_new(&(struct redis_config){.host = server->socket, .password = NULL, .timeout_ms = 150});
    int64_t start_ms;

    assert_int_equal(class_of(redis, "PING"), FAULT_NONE);
    kill(server->pid, SIGSTOP);
    start_ms = clock_mono_ms();
    assert_int_equal(class_of(redis, "PING"), FAULT_UNAVAILABLE);
    assert_in_range(clock_mono_ms() - start_ms, 140, 1000);
    assert_false(redis_is_connected(redis));
    kill(server->pid, SIGCONT);
    assert_int_equal(class_of(redis, "PING"), FAULT_NONE);
    redis_free(redis);
}

/* A server that answers every 20 ms with one byte of a string that never ends. */
static pid_t dripping_server(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    pid_t pid;

    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 4), 0);
    pid = fork();
    if (pid == 0) {
        int fd = accept(listener, NULL, NULL);

        if (send(fd, "$1000000\r\n", 10, MSG_NOSIGNAL) == 10)
            while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
                usleep(20000);
        _exit(0);
    }
    close(listener);
    return pid;
}

static void bytes_that_drip_in_do_not_prolong_a_deadline(void **state)
{
    struct redis_server server;
    struct redis *redis;
    int64_t start_ms;
    pid_t pid;

    (void)state;
    redis_server_prepare(&server);
    pid = dripping_server(server.socket);
    redis = redis_new(&(struct redis_config){.host = server.socket, .timeout_ms = 200});
    start_ms = clock_mono_ms();
    assert_int_equal(class_of(redis, "GET x"), FAULT_UNAVAILABLE);
    assert_in_range(clock_mono_ms() - start_ms, 190, 1500);
    redis_free(redis);
    waitpid(pid, NULL, 0);
    redis_server_remove(&server);
}

/* Answers the first client with these bytes, the second with "+second", whatever they ask. */
static pid_t answering_server(const char *path, const char *first)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    pid_t pid;

    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 4), 0);
    pid = fork();
    if (pid == 0) {
        const char *const answers[] = {first, "+second\r\n"};
        char request[200];

        for (int i = 0; i < 2; i++) {
            int fd = accept(listener, NULL, NULL);

            if (recv(fd, request, sizeof request, 0) > 0)
                (void)!send(fd, answers[i], strlen(answers[i]), MSG_NOSIGNAL);
            (void)!recv(fd, request, sizeof request, 0);
            close(fd);
        }
        _exit(0);
    }
    close(listener);
    return pid;
}

static void bytes_that_answer_nothing_answer_nothing_later(void **state)
{
    struct redis_server server;
    struct redis *redis;
    struct fault fault = {0};
    redisReply *reply;
    pid_t pid;

    (void)state;
    redis_server_prepare(&server);
    pid = answering_server(server.socket, "+first\r\n+of nobody\r\n");
    redis = redis_new(&(struct redis_config){.host = server.socket, .timeout_ms = 5000});
    for (int i = 0; i < 2; i++) {
        reply = redis_commandf(redis, 0, &fault, "PING");
        if (!reply)
            fail_msg("%s", fault.text);
        assert_string_equal(reply->str, i ? "second" : "first");
        freeReplyObject(reply);
    }
    assert_int_equal(redis_generation(redis), 2);
    redis_free(redis);
    waitpid(pid, NULL, 0);
    redis_server_remove(&server);
}

static void what_is_no_reply_is_a_fault(void **state)
{
    struct redis_server server;
    struct redis *redis;
    pid_t pid;

    (void)state;
    redis_server_prepare(&server);
    pid = answering_server(server.socket, "HTTP/1.1 400 Bad Request\r\n");
    redis = redis_new(&(struct redis_config){.host = server.socket, .timeout_ms = 5000});
    assert_int_equal(class_of(redis, "PING"), FAULT_UNAVAILABLE);
    assert_false(redis_is_connected(redis));
    assert_int_equal(class_of(redis, "PING"), FAULT_NONE);
    redis_free(redis);
    waitpid(pid, NULL, 0);
    redis_server_remove(&server);
}

/* The server says so and closes, whatever it was sent: the reason is read to the end. */
static void a_server_that_takes_no_more_clients_says_so(void **state)
{
    enum { SIZE = 4 << 20 };
    struct redis_server server;
    struct redis *first, *second;
    struct fault fault = {0};
    char *value = malloc(SIZE + 1);

    (void)state;
    redis_server_prepare(&server);
    start(&server, "--maxclients", "1");
    memset(value, 'v', SIZE);
    value[SIZE] = '\0';
    first = client(&server, NULL, 0);
    second = client(&server, NULL, 0);
    RUN(first, "PING");
    assert_int_equal(class_of(second, "PING"), FAULT_TEMP);
    assert_null(redis_command(second, 0, &fault, 2, (const char *const[]){"ECHO", value}, NULL));
    assert_int_equal(fault.class, FAULT_TEMP);
    redis_free(first);
    redis_free(second);
    free(value);
    redis_server_remove(&server);
}

static void blocking_commands_may_take_longer_than_the_timeout(void **state)
{
    struct redis *redis =
        redis_new(&(struct redis_config){.host = ((struct redis_server *)*state)->socket, .timeout_ms = 400});
    struct fault fault = {0};
    redisReply *reply = redis_commandf(redis, 600, &fault, "BLPOP nothing 0.6");

    if (!reply)
        fail_msg("%s", fault.text);
    assert_int_equal(reply->type, REDIS_REPLY_NIL);
    freeReplyObject(reply);
    redis_free(redis);
}

static void a_server_that_dies_under_a_call_is_a_fault_and_the_next_call_connects(void **state)
{
    struct redis_server *server = *state;
    struct redis *redis = client(server, NULL, 0);
    struct fault fault = {0};
    pid_t killer;

    RUN(redis, "PING");
    killer = fork();
    if (killer == 0) {
        usleep(100000);
        kill(server->pid, SIGKILL);
        _exit(0);
    }
    assert_null(redis_commandf(redis, 5000, &fault, "BLPOP nothing 5"));
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    waitpid(killer, NULL, 0);
    redis_server_kill(server);
    start(server, "--databases", "4");
    RUN(redis, "PING");
    assert_int_equal(redis_generation(redis), 2);
    redis_free(redis);
}

#define COUNTER                                                                                              \
    {                                                                                                        \
        .name = "counter", .text = "return redis.call('INCRBY', KEYS[1], ARGV[1])"                           \
    }

static long long count(struct redis *redis, struct redis_script *script, const char *key, const char *by)
{
    struct fault fault = {0};
    redisReply *reply = redis_eval(redis, script, 1, 2, (const char *const[]){key, by}, NULL, &fault);
    long long value;

    if (!reply)
        fail_msg("%s", fault.text);
    value = reply->integer;
    freeReplyObject(reply);
    return value;
}

static void scripts_survive_script_flush_and_a_restart_in_between(void **state)
{
    struct redis_server *server = *state;
    struct redis *redis = client(server, NULL, 0);
    struct redis_script script = COUNTER, broken = {.name = "broken", .text = "return ("};
    struct fault fault = {0};

    RUN(redis, "DEL", "n");
    assert_int_equal(count(redis, &script, "n", "2"), 2);
    RUN(redis, "SCRIPT", "FLUSH");
    assert_int_equal(count(redis, &script, "n", "3"), 5);
    redis_server_kill(server);
    start(server, "--databases", "4");
    assert_int_equal(count(redis, &script, "n", "4"),
                     4); /* no fault: the old connection was seen to be closed */
    assert_int_equal(redis_generation(redis), 2);
    assert_int_equal(script.generation, 2);
    assert_null(redis_eval(redis, &broken, 0, 0, NULL, NULL, &fault));
    assert_int_equal(fault.class, FAULT_BUG);
    assert_non_null(strstr(fault.text, "script broken"));
    redis_free(redis);
}

struct replies {
    size_t count;
    long long integers[16];
    int errors;
};

static void collect(void *arg, size_t index, redisReply *reply)
{
    struct replies *replies = arg;

    assert_int_equal(index, replies->count);
    if (index < 16)
        replies->integers[index] = reply->integer;
    replies->errors += reply->type == REDIS_REPLY_ERROR;
    replies->count++;
}

static void pipelines_answer_in_order_and_hand_errors_over(void **state)
{
    struct redis *redis = client(*state, NULL, 0);
    struct redis_script script = COUNTER;
    struct replies replies = {0};
    struct fault fault = {0};

    assert_int_equal(redis_flush(redis, collect, &replies, &fault), 0);
    RUN(redis, "SET", "text", "x");
    RUN(redis, "DEL", "n");
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            redis_append_eval(redis, &script, 1, 2, (const char *const[]){"n", "1"}, NULL, &fault), 0);
    assert_int_equal(
        redis_append_eval(redis, &script, 1, 2, (const char *const[]){"text", "1"}, NULL, &fault), 0);
    assert_int_equal(redis_append(redis, 2, (const char *const[]){"INCR", "n"}, NULL, &fault), 0);
    assert_int_equal(integer(redis, "EXISTS", "n"),
                     0); /* nothing was sent yet, and a command may come between */
    assert_int_equal(redis_flush(redis, collect, &replies, &fault), 0);
    assert_int_equal(replies.count, 5);
    assert_int_equal(replies.errors, 1);
    assert_int_equal(replies.integers[0], 1);
    assert_int_equal(replies.integers[2], 3);
    assert_int_equal(replies.integers[4], 4);
    redis_free(redis);
}

static void a_script_forgotten_within_a_pipeline_runs_once_all_the_same(void **state)
{
    struct redis_server *server = *state;
    struct redis *redis = client(server, NULL, 0);
    struct redis_script script = COUNTER;
    struct replies replies = {0};
    struct fault fault = {0};

    RUN(redis, "DEL", "n");
    assert_int_equal(redis_append_eval(redis, &script, 1, 2, (const char *const[]){"n", "1"}, NULL, &fault),
                     0);
    assert_int_equal(redis_append(redis, 2, (const char *const[]){"SCRIPT", "FLUSH"}, NULL, &fault), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            redis_append_eval(redis, &script, 1, 2, (const char *const[]){"n", "1"}, NULL, &fault), 0);
    assert_int_equal(redis_flush(redis, collect, &replies, &fault), 0);
    assert_int_equal(replies.count, 6);
    assert_int_equal(replies.errors, 0);
    assert_int_equal(integer(redis, "GET", "n"), 5);
    /* Appended, then the server is replaced. */
    assert_int_equal(redis_append_eval(redis, &script, 1, 2, (const char *const[]){"n", "1"}, NULL, &fault),
                     0);
    redis_server_kill(server);
    start(server, "--databases", "4");
    replies = (struct replies){0};
    assert_int_equal(redis_flush(redis, collect, &replies, &fault), 0);
    assert_int_equal(replies.integers[0], 1);
    redis_free(redis);
}

static void a_fault_drops_the_pipeline(void **state)
{
    struct redis_server *server = *state;
    struct redis *redis = client(server, NULL, 0);
    struct redis_script script = COUNTER;
    struct replies replies = {0};
    struct fault fault = {0};

    assert_int_equal(redis_append(redis, 2, (const char *const[]){"INCR", "m"}, NULL, &fault), 0);
    redis_server_kill(server);
    assert_int_equal(redis_append_eval(redis, &script, 1, 2, (const char *const[]){"n", "1"}, NULL, &fault),
                     -1);
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    assert_int_equal(redis_append(redis, 2, (const char *const[]){"INCR", "m"}, NULL, &fault), 0);
    assert_int_equal(redis_flush(redis, collect, &replies, &fault), -1);
    start(server, "--databases", "4");
    assert_int_equal(redis_flush(redis, collect, &replies, &fault), 0);
    assert_int_equal(replies.count, 0);
    assert_int_equal(integer(redis, "EXISTS", "m"), 0);
    redis_free(redis);
}

static void large_pipelines_and_replies_do_not_lock_up(void **state)
{
    enum { COMMANDS = 2000, SIZE = 20000 };
    struct redis *redis = client(*state, NULL, 0);
    struct replies replies = {0};
    struct fault fault = {0};
    char *value = malloc(SIZE + 1);

    memset(value, 'v', SIZE);
    value[SIZE] = '\0';
    for (int i = 0; i < COMMANDS; i++)
        assert_int_equal(redis_append(redis, 2, (const char *const[]){"ECHO", value}, NULL, &fault), 0);
    if (redis_flush(redis, collect, &replies, &fault))
        fail_msg("%s", fault.text);
    assert_int_equal(replies.count, COMMANDS);
    assert_int_equal(replies.errors, 0);
    free(value);
    redis_free(redis);
}

static void a_connection_that_breaks_while_writing_raises_no_signal(void **state)
{
    enum { COMMANDS = 3000, SIZE = 10000 };
    struct redis *redis = client(*state, NULL, 0);
    struct replies replies = {0};
    struct fault fault = {0};
    char *value = malloc(SIZE + 1), id[24];

    memset(value, 'v', SIZE);
    value[SIZE] = '\0';
    snprintf(id, sizeof id, "%lld", integer(redis, "CLIENT", "ID"));
    assert_int_equal(redis_append(redis, 6, (const char *const[]){"CLIENT", "KILL", "ID", id, "SKIPME", "no"},
                                  NULL, &fault),
                     0);
    for (int i = 0; i < COMMANDS; i++)
        assert_int_equal(redis_append(redis, 3, (const char *const[]){"SET", "big", value}, NULL, &fault), 0);
    assert_int_equal(redis_flush(redis, collect, &replies, &fault), -1);
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    assert_int_equal(replies.count, 0);
    RUN(redis, "PING");
    free(value);
    redis_free(redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_carry_bytes_and_connect_by_themselves),
        cmocka_unit_test(error_replies_have_their_class),
        cmocka_unit_test(a_database_is_selected_or_refused),
        cmocka_unit_test(passwords_are_asked_for_and_never_shown),
        cmocka_unit_test(a_server_that_is_not_there_is_unavailable),
        cmocka_unit_test(tcp_works_with_keepalive),
        cmocka_unit_test(a_hung_server_costs_the_timeout_and_no_more),
        cmocka_unit_test(bytes_that_drip_in_do_not_prolong_a_deadline),
        cmocka_unit_test(bytes_that_answer_nothing_answer_nothing_later),
        cmocka_unit_test(what_is_no_reply_is_a_fault),
        cmocka_unit_test(a_server_that_takes_no_more_clients_says_so),
        cmocka_unit_test(blocking_commands_may_take_longer_than_the_timeout),
        cmocka_unit_test(a_server_that_dies_under_a_call_is_a_fault_and_the_next_call_connects),
        cmocka_unit_test(scripts_survive_script_flush_and_a_restart_in_between),
        cmocka_unit_test(pipelines_answer_in_order_and_hand_errors_over),
        cmocka_unit_test(a_script_forgotten_within_a_pipeline_runs_once_all_the_same),
        cmocka_unit_test(a_fault_drops_the_pipeline),
        cmocka_unit_test(large_pipelines_and_replies_do_not_lock_up),
        cmocka_unit_test(a_connection_that_breaks_while_writing_raises_no_signal),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
