/*
 * The Redis client that follows the master of three Sentinels: one master, one replica, and failovers.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "clock.h"
#include "redis.h"
#include "redis_server.h"

enum { SENTINELS = 3, FAILOVER_MS = 20000 };

struct scene {
    struct redis_server servers[2]; /* the first is the master at the start */
    struct redis_server sentinels[SENTINELS];
    char list[100]; /* of the sentinels */
};

static void start_server(struct redis_server *server, const char *replica_of)
{
    const char *const replica[] = {"--repl-diskless-sync-delay", "0", "--replicaof", replica_of, NULL};
    const char *const master[] = {"--repl-diskless-sync-delay", "0", NULL};

    redis_server_start(server, NULL, replica_of ? replica : master);
}

static void start_sentinel(struct redis_server *sentinel, int master_port, const char *more)
{
    char path[100];
    FILE *file;

    redis_server_prepare(sentinel);
    snprintf(path, sizeof path, "%s/sentinel.conf", sentinel->folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "sentinel monitor mymaster 127.0.0.1 %d 2\n"
            "sentinel down-after-milliseconds mymaster 500\n"
            "sentinel failover-timeout mymaster 2000\n%s",
            master_port, more);
    assert_int_equal(fclose(file), 0);
    redis_server_start(sentinel, path, NULL);
}

static int setup(void **state)
{
    static struct scene scene;
    char where[40];
    size_t size = 0;

    redis_server_prepare(&scene.servers[0]);
    redis_server_prepare(&scene.servers[1]);
    start_server(&scene.servers[0], NULL);
    snprintf(where, sizeof where, "127.0.0.1 %d", scene.servers[0].port);
    start_server(&scene.servers[1], where);
    redis_server_await(&scene.servers[1], "INFO replication", "master_link_status:up");
    for (int i = 0; i < SENTINELS; i++) {
        start_sentinel(&scene.sentinels[i], scene.servers[0].port, "");
        size += (size_t)snprintf(scene.list + size, sizeof scene.list - size, "%s127.0.0.1:%d", i ? ", " : "",
                                 scene.sentinels[i].port);
    }
    for (int i = 0; i < SENTINELS; i++) { /* only then they can agree */
        redis_server_await(&scene.sentinels[i], "SENTINEL MASTER mymaster", "num-slaves 1");
        redis_server_await(&scene.sentinels[i], "SENTINEL MASTER mymaster", "num-other-sentinels 2");
    }
    *state = &scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    for (int i = 0; i < SENTINELS; i++)
        redis_server_remove(&s->sentinels[i]);
    redis_server_remove(&s->servers[0]);
    redis_server_remove(&s->servers[1]);
    return 0;
}

static struct redis *client(const char *sentinels)
{
    return redis_new(
        &(struct redis_config){.sentinels = sentinels, .sentinel_master = "mymaster", .timeout_ms = 3000});
}

static enum fault_class class_of(struct redis *redis, const char *command, struct fault *fault)
{
    redisReply *reply = redis_commandf(redis, 0, fault, command);

    if (!reply)
        return fault->class;
    freeReplyObject(reply);
    return FAULT_NONE;
}

static void works(struct redis *redis)
{
    struct fault fault = {0};

    if (class_of(redis, "INCR n", &fault) != FAULT_NONE)
        fail_msg("%s", fault.text);
}

static void is_at(struct redis *redis, int port)
{
    char address[80];

    snprintf(address, sizeof address, "redis master mymaster at 127.0.0.1:%d (sentinel)", port);
    assert_string_equal(redis_address(redis), address);
}

static void the_master_is_found_by_its_name(void **state)
{
    struct scene *s = *state;
    struct redis *redis = client(s->list);

    assert_non_null(strstr(redis_address(redis), "redis master mymaster (sentinels at 127.0.0.1:"));
    works(redis);
    works(redis);
    is_at(redis, s->servers[0].port);
    assert_int_equal(redis_generation(redis), 1);
    redis_free(redis);
}

static void sentinels_that_are_away_are_passed_over(void **state)
{
    struct scene *s = *state;
    struct redis *redis;
    struct fault fault = {0};
    char list[100];
    int64_t start_ms;

    snprintf(list, sizeof list, "127.0.0.1:1,127.0.0.1:%d", s->sentinels[0].port);
    redis = client(list);
    works(redis);
    redis_free(redis);
    kill(s->sentinels[0].pid, SIGSTOP); /* connects, and says nothing */
    redis = client(s->list);
    start_ms = clock_mono_ms();
    works(redis);
    assert_in_range(clock_mono_ms() - start_ms, 500, 2900);
    redis_close(redis);
    start_ms = clock_mono_ms();
    works(redis); /* who answered last is asked first */
    assert_in_range(clock_mono_ms() - start_ms, 0, 450);
    kill(s->sentinels[0].pid, SIGCONT);
    redis_free(redis);
    redis = client("127.0.0.1:1,127.0.0.1:2");
    assert_int_equal(class_of(redis, "PING", &fault), FAULT_UNAVAILABLE);
    assert_non_null(strstr(fault.text, "mymaster"));
    assert_non_null(strstr(fault.text, "127.0.0.1:2"));
    redis_free(redis);
}

static void a_name_that_no_sentinel_knows_is_a_mistake(void **state)
{
    struct scene *s = *state;
    struct redis *redis = redis_new(
        &(struct redis_config){.sentinels = s->list, .sentinel_master = "other", .timeout_ms = 3000});
    struct fault fault = {0};

    assert_int_equal(class_of(redis, "PING", &fault), FAULT_CONFIG);
    assert_non_null(strstr(fault.text, "it knows no master 'other'"));
    redis_free(redis);
}

static void sentinels_have_a_password_of_their_own(void **state)
{
    struct scene *s = *state;
    struct redis_server locked;
    struct redis_config config = {.sentinel_master = "mymaster", .timeout_ms = 3000};
    struct redis *redis;
    struct fault fault = {0};
    char list[40];

    start_sentinel(&locked, s->servers[0].port, "requirepass open-sesame\n");
    snprintf(list, sizeof list, "127.0.0.1:%d", locked.port);
    config.sentinels = list;
    redis = redis_new(&config);
    assert_int_equal(class_of(redis, "PING", &fault), FAULT_CONFIG);
    redis_free(redis);
    config.sentinel_password = "tell-nobody";
    redis = redis_new(&config);
    assert_int_equal(class_of(redis, "PING", &fault), FAULT_CONFIG);
    assert_null(strstr(fault.text, "tell-nobody"));
    redis_free(redis);
    config.sentinel_password = "open-sesame";
    redis = redis_new(&config);
    works(redis);
    redis_free(redis);
    redis_server_remove(&locked);
}

/* A sentinel that names the same server whoever asks whatever. */
static pid_t false_sentinel(int *port, int named)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char answer[80], text[12], request[400];
    pid_t pid;

    snprintf(text, sizeof text, "%d", named);
    snprintf(answer, sizeof answer, "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(text), text);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(listener, 4), 0);
    *port = ntohs(address.sin_port);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            int fd = accept(listener, NULL, NULL);

            if (recv(fd, request, sizeof request, 0) > 0)
                (void)!send(fd, answer, strlen(answer), MSG_NOSIGNAL);
            close(fd);
        }
    }
    close(listener);
    return pid;
}

static void a_replica_is_not_taken_for_the_master(void **state)
{
    struct scene *s = *state;
    struct redis *redis;
    struct fault fault = {0};
    char list[60];
    int port;
    pid_t pid = false_sentinel(&port, s->servers[1].port);

    snprintf(list, sizeof list, "127.0.0.1:%d", port);
    redis = client(list);
    assert_int_equal(class_of(redis, "PING", &fault), FAULT_UNAVAILABLE);
    assert_non_null(strstr(fault.text, "it is a replica"));
    assert_false(redis_is_connected(redis));
    assert_int_equal(redis_generation(redis), 0);
    redis_free(redis);
    snprintf(list, sizeof list, "127.0.0.1:%d,127.0.0.1:%d", port, s->sentinels[0].port);
    redis = client(list);
    works(redis); /* the second knows better */
    is_at(redis, s->servers[0].port);
    redis_free(redis);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/*
 * Calls until one succeeds at that server. `nudge`: a Sentinel that is asked for the failover again and
 * again: it gives up one for which it has not heard of the replica lately enough.
 */
static void follows_to(struct redis *redis, const struct redis_server *server,
                       const struct redis_server *nudge)
{
    int64_t deadline_ms = clock_mono_ms() + FAILOVER_MS, nudge_at_ms = 0;
    struct fault fault = {0};
    char port[12];

    snprintf(port, sizeof port, ":%d ", server->port);
    for (;;) {
        if (nudge && clock_mono_ms() >= nudge_at_ms) {
            free(redis_server_ask(nudge, "SENTINEL FAILOVER mymaster")); /* an error while one is under way */
            nudge_at_ms = clock_mono_ms() + 1000;
        }
        enum fault_class class = class_of(redis, "INCR n", &fault);

        if (class == FAULT_NONE && strstr(redis_address(redis), port))
            return;
        if (class != FAULT_NONE && class != FAULT_UNAVAILABLE && class != FAULT_TEMP)
            fail_msg("%s", fault.text);
        if (clock_mono_ms() > deadline_ms)
            fail_msg("no master at %s: %s", port, fault.text);
        usleep(20000);
    }
}

static void a_failover_is_followed_when_the_master_dies(void **state)
{
    struct scene *s = *state;
    struct redis *redis = client(s->list);
    struct redis_script script = {.name = "counter", .text = "return redis.call('INCR', KEYS[1])"};
    struct fault fault = {0};
    redisReply *reply;
    unsigned generation;

    works(redis);
    reply = redis_eval(redis, &script, 1, 1, (const char *const[]){"m"}, NULL, &fault);
    assert_non_null(reply);
    freeReplyObject(reply);
    generation = redis_generation(redis);
    redis_server_kill(&s->servers[0]);
    assert_int_equal(class_of(redis, "PING", &fault), FAULT_UNAVAILABLE);
    follows_to(redis, &s->servers[1], NULL);
    assert_true(redis_generation(redis) > generation);
    reply = redis_eval(redis, &script, 1, 1, (const char *const[]){"m"}, NULL, &fault);
    if (!reply)
        fail_msg("%s", fault.text);
    freeReplyObject(reply);
    redis_free(redis);
}

/* After the test above: the old master comes back as a replica, and is made the master again by hand. */
static void a_failover_by_hand_is_followed_while_both_live(void **state)
{
    struct scene *s = *state;
    struct redis *redis = client(s->list);
    char where[40];

    snprintf(where, sizeof where, "127.0.0.1 %d", s->servers[1].port);
    start_server(&s->servers[0], where);
    redis_server_await(&s->servers[0], "INFO replication", "master_link_status:up");
    works(redis);
    is_at(redis, s->servers[1].port);
    redis_server_await(&s->sentinels[0], "SENTINEL REPLICAS mymaster", "flags slave ");
    follows_to(redis, &s->servers[0], &s->sentinels[0]);
    redis_free(redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_master_is_found_by_its_name),
        cmocka_unit_test(sentinels_that_are_away_are_passed_over),
        cmocka_unit_test(a_name_that_no_sentinel_knows_is_a_mistake),
        cmocka_unit_test(sentinels_have_a_password_of_their_own),
        cmocka_unit_test(a_replica_is_not_taken_for_the_master),
        cmocka_unit_test(a_failover_is_followed_when_the_master_dies),
        cmocka_unit_test(a_failover_by_hand_is_followed_while_both_live),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
