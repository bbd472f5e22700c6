/*
 * The Redis client against a cluster of three nodes, which these tests start, change and break.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "certificates.h"
#include "clock.h"
#include "queue.h"
#include "redis.h"
#include "redis_server.h"
#include "redis_slot.h"

enum { NODES = 3, BACK_MS = 15000 };

struct scene {
    struct redis_server nodes[NODES];
    char ids[NODES][41];
};

static void start_node(struct redis_server *server)
{
    char bus[12];

    snprintf(bus, sizeof bus, "%d", redis_server_free_port());
    redis_server_start(server, NULL,
                       (const char *const[]){"--cluster-enabled", "yes", "--cluster-port", bus,
                                             "--cluster-node-timeout", "1500",
                                             "--cluster-require-full-coverage", "no", NULL});
}

static void tell(const struct redis_server *server, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void tell(const struct redis_server *server, const char *format, ...)
{
    char command[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    redis_server_tell(server, command);
}

static int bus_port(const struct redis_server *server)
{
    char *answer = redis_server_ask(server, "CONFIG GET cluster-port");
    int port = (int)strtol(strchr(answer, ' '), NULL, 10);

    free(answer);
    return port;
}

/* The first node is told where the others are; every one has to see all slots served, by three. */
static void join(struct scene *s)
{
    for (int i = 1; i < NODES; i++)
        tell(&s->nodes[0], "CLUSTER MEET 127.0.0.1 %d %d", s->nodes[i].port, bus_port(&s->nodes[i]));
    for (int i = 0; i < NODES; i++) {
        redis_server_await(&s->nodes[i], "CLUSTER INFO", "cluster_known_nodes:3");
        redis_server_await(&s->nodes[i], "CLUSTER INFO", "cluster_slots_ok:16384");
        redis_server_await(&s->nodes[i], "CLUSTER INFO", "cluster_state:ok");
    }
}

static int setup(void **state)
{
    static struct scene scene;

    for (int i = 0; i < NODES; i++) {
        char *id;

        redis_server_prepare(&scene.nodes[i]);
        start_node(&scene.nodes[i]);
        id = redis_server_ask(&scene.nodes[i], "CLUSTER MYID");
        snprintf(scene.ids[i], sizeof scene.ids[i], "%s", id);
        free(id);
        tell(&scene.nodes[i], "CLUSTER ADDSLOTSRANGE %d %d", REDIS_SLOTS * i / NODES,
             REDIS_SLOTS * (i + 1) / NODES - 1);
        tell(&scene.nodes[i], "CLUSTER SET-CONFIG-EPOCH %d", i + 1);
    }
    join(&scene);
    *state = &scene;
    return 0;
}

static int teardown(void **state)
{
    for (int i = 0; i < NODES; i++)
        redis_server_remove(&((struct scene *)*state)->nodes[i]);
    return 0;
}

static struct redis *client(const struct scene *s)
{
    return redis_new(&(struct redis_config){
        .host = "127.0.0.1", .port = s->nodes[0].port, .timeout_ms = 5000, .cluster = true});
}

static int node_of(const char *key)
{
    int slot = redis_slot_of_key(key, strlen(key));

    for (int i = 0; i < NODES; i++)
        if (slot < REDIS_SLOTS * (i + 1) / NODES)
            return i;
    return -1;
}

static long long number(struct redis *redis, const char *format, const char *key)
{
    struct fault fault = {0};
    redisReply *reply = redis_commandf(redis, 0, &fault, format, key);
    long long value;

    if (!reply)
        fail_msg("%s: %s", key, fault.text);
    value = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : reply->integer;
    freeReplyObject(reply);
    return value;
}

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

#define COUNTER                                                                                              \
    {                                                                                                        \
        .name = "counter", .text = "return redis.call('INCRBY', KEYS[1], ARGV[1])"                           \
    }

static void keys_go_to_the_nodes_of_their_slots(void **state)
{
    struct scene *s = *state;
    struct redis *redis = client(s);
    int used[NODES] = {0};

    for (int i = 0; i < 30; i++) {
        char key[32], command[64], *there;

        snprintf(key, sizeof key, "a:{%d}", i);
        assert_int_equal(number(redis, "INCR %s", key), 1);
        snprintf(command, sizeof command, "GET %s", key);
        there = redis_server_ask(&s->nodes[node_of(key)], command); /* no MOVED there */
        assert_string_equal(there, "1");
        free(there);
        used[node_of(key)]++;
    }
    for (int i = 0; i < NODES; i++)
        assert_true(used[i] > 0);
    assert_int_equal(redis_generation(redis), NODES); /* one connection each */
    assert_true(redis_is_connected(redis));
    assert_true(redis_fd(redis) >= 0);
    assert_non_null(strstr(redis_address(redis), "redis cluster at 127.0.0.1:"));
    redis_close(redis);
    assert_false(redis_is_connected(redis));
    assert_int_equal(class_of(redis, "PING"), FAULT_NONE);
    assert_int_equal(redis_generation(redis), NODES + 1);
    redis_free(redis);
}

static void commands_without_a_key_go_to_any_node_and_keys_must_fit_together(void **state)
{
    struct redis *redis = client(*state);
    struct redis_script script = COUNTER;
    struct fault fault = {0};

    assert_int_equal(class_of(redis, "TIME"), FAULT_NONE);
    assert_int_equal(class_of(redis, "INFO server"), FAULT_NONE);
    assert_int_equal(redis_generation(redis), 1); /* one will do */
    assert_int_equal(class_of(redis, "DEL x{1} y{2}"), FAULT_BUG);
    assert_null(redis_eval(redis, &script, 2, 3, (const char *const[]){"x{1}", "y{2}", "1"}, NULL, &fault));
    assert_int_equal(fault.class, FAULT_BUG);
    assert_non_null(strstr(fault.text, "script counter"));
    assert_int_equal(
        redis_append_eval(redis, &script, 2, 3, (const char *const[]){"x{1}", "y{2}", "1"}, NULL, &fault),
        -1);
    assert_int_equal(fault.class, FAULT_BUG);
    assert_int_equal(class_of(redis, "EVAL return 2 x{1} y{2}"), FAULT_BUG);
    redis_free(redis);
}

struct replies {
    size_t count;
    long long integers[200];
    int errors;
};

static void collect(void *arg, size_t index, redisReply *reply)
{
    struct replies *replies = arg;

    assert_int_equal(index, replies->count);
    replies->integers[index] = reply->integer;
    replies->errors += reply->type == REDIS_REPLY_ERROR;
    replies->count++;
}

static void pipelines_are_split_and_answer_in_the_order_of_appending(void **state)
{
    struct scene *s = *state;
    struct redis *redis = client(s);
    struct redis_script script = COUNTER;
    struct replies replies = {0};
    struct fault fault = {0};

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100; i++) {
            char key[32], by[12];

            snprintf(key, sizeof key, "p%d:{%d}", round, i);
            snprintf(by, sizeof by, "%d", i + 1);
            if (redis_append_eval(redis, &script, 1, 2, (const char *const[]){key, by}, NULL, &fault) ||
                redis_append(redis, 2, (const char *const[]){"GET", key}, NULL, &fault))
                fail_msg("%s", fault.text);
        }
        replies = (struct replies){0};
        if (redis_flush(redis, collect, &replies, &fault))
            fail_msg("%s", fault.text);
        assert_int_equal(replies.count, 200);
        assert_int_equal(replies.errors, 0);
        for (int i = 0; i < 100; i++)
            assert_int_equal(replies.integers[2 * i], i + 1);
        for (int i = 0; i < NODES; i++) /* each has to have it loaded again */
            tell(&s->nodes[i], "SCRIPT FLUSH");
    }
    assert_int_equal(redis_generation(redis), NODES);
    redis_free(redis);
}

/* The slot of `key` as it is handed from the node that has it to another; returns that. */
static int begin_to_move(struct scene *s, const char *key, int from)
{
    int to = (from + 1) % NODES, slot = redis_slot_of_key(key, strlen(key));

    tell(&s->nodes[to], "CLUSTER SETSLOT %d IMPORTING %s", slot, s->ids[from]);
    tell(&s->nodes[from], "CLUSTER SETSLOT %d MIGRATING %s", slot, s->ids[to]);
    return to;
}

static void move_key(struct scene *s, const char *key, int from, int to)
{
    tell(&s->nodes[from], "MIGRATE 127.0.0.1 %d %s 0 5000", s->nodes[to].port, key);
}

static void end_move(struct scene *s, const char *key, int to)
{
    int slot = redis_slot_of_key(key, strlen(key));

    tell(&s->nodes[to], "CLUSTER SETSLOT %d NODE %s", slot, s->ids[to]); /* the new owner first */
    for (int i = 0; i < NODES; i++)
        if (i != to)
            tell(&s->nodes[i], "CLUSTER SETSLOT %d NODE %s", slot, s->ids[to]);
}

static long long count(struct redis *redis, struct redis_script *script, const char *key)
{
    struct fault fault = {0};
    redisReply *reply = redis_eval(redis, script, 1, 2, (const char *const[]){key, "1"}, NULL, &fault);
    long long value;

    if (!reply)
        fail_msg("%s", fault.text);
    value = reply->integer;
    freeReplyObject(reply);
    return value;
}

static void a_slot_that_moves_is_followed_before_during_and_after(void **state)
{
    const char *stays = "stays{move}", *goes = "goes{move}", *fresh = "fresh{move}";
    struct scene *s = *state;
    struct redis *redis = client(s);
    struct redis_script script = COUNTER;
    struct replies replies = {0};
    struct fault fault = {0};
    unsigned generation;
    int from = node_of(stays), to;

    assert_int_equal(count(redis, &script, stays), 1);
    assert_int_equal(count(redis, &script, goes), 1);
    to = begin_to_move(s, stays, from);
    move_key(s, goes, from, to);
    /* The one is still here, the other there (ASK), and a key that nobody has is made there. */
    assert_int_equal(count(redis, &script, stays), 2);
    assert_int_equal(count(redis, &script, goes), 2);
    assert_int_equal(number(redis, "INCR %s", fresh), 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(redis_append_eval(redis, &script, 1, 2,
                                           (const char *const[]){i == 1 ? stays : goes, "1"}, NULL, &fault),
                         0);
    assert_int_equal(redis_append(redis, 2, (const char *const[]){"INCR", fresh}, NULL, &fault), 0);
    if (redis_flush(redis, collect, &replies, &fault))
        fail_msg("%s", fault.text);
    assert_int_equal(replies.errors, 0);
    assert_int_equal(replies.integers[0], 3);
    assert_int_equal(replies.integers[1], 3);
    assert_int_equal(replies.integers[2], 4);
    assert_int_equal(replies.integers[3], 2);
    /* Some of its keys here and some there: nobody can run it now. */
    assert_int_equal(class_of(redis, "MGET stays{move} goes{move}"), FAULT_TEMP);
    assert_int_equal(class_of(redis, "EVAL return(redis.call('GET',ARGV[1])) 1 stays{move} goes{move}"),
                     FAULT_TEMP);
    move_key(s, stays, from, to);
    end_move(s, stays, to);
    generation = redis_generation(redis);
    assert_int_equal(count(redis, &script, stays), 4); /* MOVED */
    assert_int_equal(count(redis, &script, goes), 5);
    assert_int_equal(number(redis, "GET %s", fresh), 2);
    assert_int_equal(redis_generation(redis), generation); /* all nodes were known */
    /* And back, for the tests that follow. */
    assert_int_equal(class_of(redis, "DEL stays{move} goes{move} fresh{move}"), FAULT_NONE);
    end_move(s, stays, from);
    redis_free(redis);
}

static void blocking_commands_work(void **state)
{
    struct redis *redis = redis_new(&(struct redis_config){.host = "127.0.0.1",
                                                           .port = ((struct scene *)*state)->nodes[0].port,
                                                           .timeout_ms = 800,
                                                           .cluster = true});
    struct fault fault = {0};

    for (int i = 0; i < 3; i++) {
        char key[32];
        redisReply *reply;

        snprintf(key, sizeof key, "b:{%d}", i);
        assert_int_equal(number(redis, "ZADD %s 1 x", key), 1);
        reply = redis_commandf(redis, 1000, &fault, "BZPOPMIN %s 1", key);
        assert_non_null(reply);
        assert_int_equal(reply->elements, 3);
        freeReplyObject(reply);
        reply = redis_commandf(redis, 1000, &fault, "BZPOPMIN %s 1", key);
        if (!reply)
            fail_msg("%s", fault.text);
        assert_int_equal(reply->type, REDIS_REPLY_NIL);
        freeReplyObject(reply);
    }
    redis_free(redis);
}

static void a_connection_that_a_node_closes_is_replaced(void **state)
{
    struct scene *s = *state;
    struct redis *redis = client(s);
    unsigned before;

    for (int i = 0; i < 10; i++) {
        char key[32];

        snprintf(key, sizeof key, "c:{%d}", i);
        assert_int_equal(number(redis, "INCR %s", key), 1);
    }
    before = redis_generation(redis);
    for (int i = 0; i < NODES; i++)
        free(redis_server_ask(&s->nodes[i], "CLIENT KILL TYPE normal"));
    for (int i = 0; i < 10; i++) {
        char key[32];

        snprintf(key, sizeof key, "c:{%d}", i);
        assert_int_equal(number(redis, "INCR %s", key), 2);
    }
    assert_int_equal(redis_generation(redis), before + NODES);
    redis_free(redis);
}

/* A key that lives on that node. */
static void key_on(int node, char key[32])
{
    for (int i = 0;; i++) {
        snprintf(key, 32, "d:{%d}", i);
        if (node_of(key) == node)
            return;
    }
}

static void a_node_that_dies_costs_its_keys_only_and_comes_back(void **state)
{
    struct scene *s = *state;
    struct redis *redis = client(s);
    char lost[32], kept[32], command[64];
    enum fault_class class;
    int64_t deadline_ms;
    unsigned generation;

    key_on(0, lost); /* the seed, of all nodes */
    key_on(2, kept);
    assert_int_equal(number(redis, "INCR %s", lost), 1);
    assert_int_equal(number(redis, "INCR %s", kept), 1);
    redis_server_kill(&s->nodes[0]);
    snprintf(command, sizeof command, "INCR %s", lost);
    for (int i = 0; i < 5; i++) {
        class = class_of(redis, command);
        assert_true(class == FAULT_UNAVAILABLE || class == FAULT_TEMP);
        assert_int_equal(number(redis, "INCR %s", kept), i + 2);
    }
    generation = redis_generation(redis);
    start_node(&s->nodes[0]); /* with the nodes.conf that it has */
    tell(&s->nodes[0], "CLUSTER MEET 127.0.0.1 %d %d", s->nodes[1].port, bus_port(&s->nodes[1]));
    deadline_ms = clock_mono_ms() + BACK_MS;
    while ((class = class_of(redis, command)) != FAULT_NONE) {
        assert_true(class == FAULT_UNAVAILABLE || class == FAULT_TEMP);
        assert_true(clock_mono_ms() < deadline_ms);
        usleep(20000);
    }
    assert_true(redis_generation(redis) > generation);
    join(s);
    redis_free(redis);
}

static void one_of_several_seeds_will_do(void **state)
{
    struct scene *s = *state;
    struct redis *redis;
    char hosts[100];

    snprintf(hosts, sizeof hosts, "127.0.0.1:1,localhost:%d,127.0.0.1", s->nodes[1].port);
    redis = redis_new(&(struct redis_config){.host = hosts, .port = 2, .timeout_ms = 5000, .cluster = true});
    assert_int_equal(number(redis, "EXISTS %s", "x"), 0);
    redis_free(redis);
    redis = redis_new(&(struct redis_config){
        .host = "127.0.0.1:1,127.0.0.1:2", .port = 6379, .timeout_ms = 5000, .cluster = true});
    assert_int_equal(class_of(redis, "GET x"), FAULT_UNAVAILABLE);
    redis_free(redis);
}

static void what_is_a_cluster_and_what_is_not_is_told(void **state)
{
    struct scene *s = *state;
    struct redis_server single;
    struct redis *redis;
    struct fault fault = {0};
    char key[32], command[64];

    redis_server_prepare(&single);
    redis_server_start(&single, NULL, NULL);
    redis = redis_new(&(struct redis_config){
        .host = "127.0.0.1", .port = single.port, .timeout_ms = 5000, .cluster = true});
    assert_int_equal(class_of(redis, "GET x"), FAULT_CONFIG);
    redis_free(redis);
    redis_server_remove(&single);
    redis =
        redis_new(&(struct redis_config){.host = "127.0.0.1", .port = s->nodes[0].port, .timeout_ms = 5000});
    key_on(1, key);
    snprintf(command, sizeof command, "GET %s", key);
    assert_null(redis_commandf(redis, 0, &fault, command));
    assert_int_equal(fault.class, FAULT_CONFIG);
    assert_non_null(strstr(fault.text, "it belongs to a cluster"));
    redis_free(redis);
}

static void a_cluster_is_spoken_to_by_tls(void **state)
{
    struct redis_server server;
    struct redis *redis;
    char port[12], bus[12], ca[100], crt[100], key[100];

    (void)state;
    redis_server_prepare(&server);
    certificate_make(server.folder, &(struct certificate){.name = "ca"});
    certificate_make(server.folder,
                     &(struct certificate){.name = "server", .issuer = "ca", .names = "IP:127.0.0.1"});
    snprintf(port, sizeof port, "%d", redis_server_free_port());
    snprintf(bus, sizeof bus, "%d", redis_server_free_port());
    snprintf(ca, sizeof ca, "%s/ca.crt", server.folder);
    snprintf(crt, sizeof crt, "%s/server.crt", server.folder);
    snprintf(key, sizeof key, "%s/server.key", server.folder);
    redis_server_start(&server, NULL,
                       (const char *const[]){"--cluster-enabled", "yes", "--cluster-port", bus, "--tls-port",
                                             port, "--tls-ca-cert-file", ca, "--tls-cert-file", crt,
                                             "--tls-key-file", key, "--tls-auth-clients", "no",
                                             "--tls-cluster", "yes", NULL});
    tell(&server, "CLUSTER ADDSLOTSRANGE 0 16383");
    redis_server_await(&server, "CLUSTER INFO", "cluster_state:ok");
    redis = redis_new(&(struct redis_config){.host = "127.0.0.1",
                                             .port = (int)strtol(port, NULL, 10),
                                             .timeout_ms = 5000,
                                             .tls = true,
                                             .tls_ca_file = ca,
                                             .cluster = true});
    assert_int_equal(number(redis, "INCR %s", "{t}"), 1);
    assert_int_equal(number(redis, "INCR %s", "{u}"), 1);
    assert_true(redis_generation(redis) <= 2);
    redis_free(redis);
    redis_server_remove(&server);
}

static void the_queue_runs_on_a_cluster(void **state)
{
    enum { PARTITIONS = 3 };
    static const char lane[] = "acme:normal";
    struct queue *queue = queue_new(client(*state), "host:1:abc", PARTITIONS);
    const struct queue_item items[] = {{.id = "j1", .lane = lane, .partition = 0},
                                       {.id = "j2", .lane = lane, .partition = 1},
                                       {.id = "j3", .lane = lane, .partition = 2}};
    struct queue_want wants[PARTITIONS];
    struct queue_claims claims = {0};
    struct fault fault = {0};
    size_t added = 0;

    for (unsigned p = 0; p < PARTITIONS; p++)
        wants[p] = (struct queue_want){.lane = lane, .partition = p, .count = 10};
    if (queue_publish(queue, QUEUE_SUBMITTED, items, PARTITIONS, 0, &added, &fault) ||
        queue_wait(queue, QUEUE_SUBMITTED, 1000, &fault) != 1 ||
        queue_fetch(queue, QUEUE_SUBMITTED, wants, PARTITIONS, &claims, &fault))
        fail_msg("%s", fault.text);
    assert_int_equal(added, 3);
    assert_int_equal(claims.count, 3);
    for (size_t i = 0; i < claims.count; i++)
        if (queue_finish(queue, &(struct queue_finish){.claim = &claims.items[i], .ended = true}, 1, &fault))
            fail_msg("%s", fault.text);
    queue_claims_release(&claims);
    queue_free(queue);
}

/* The last one: node 1 is gone after it. */
static void a_replica_that_takes_over_is_followed(void **state)
{
    struct scene *s = *state;
    struct redis *redis = client(s);
    struct redis_server replica;
    char key[32], command[64];
    enum fault_class class;
    int64_t deadline_ms = clock_mono_ms() + BACK_MS;
    unsigned generation;

    redis_server_prepare(&replica);
    start_node(&replica);
    tell(&replica, "CLUSTER MEET 127.0.0.1 %d %d", s->nodes[0].port, bus_port(&s->nodes[0]));
    redis_server_await(&replica, "CLUSTER NODES", s->ids[1]);
    tell(&replica, "CLUSTER REPLICATE %s", s->ids[1]);
    redis_server_await(&replica, "INFO replication", "master_link_status:up");
    redis_server_await(&s->nodes[0], "CLUSTER NODES", "slave");
    redis_server_await(&s->nodes[2], "CLUSTER NODES", "slave");
    key_on(1, key);
    assert_true(number(redis, "INCR %s", key) > 0);
    generation = redis_generation(redis);
    redis_server_kill(&s->nodes[1]);
    snprintf(command, sizeof command, "INCR %s", key);
    while ((class = class_of(redis, command)) != FAULT_NONE) {
        assert_true(class == FAULT_UNAVAILABLE || class == FAULT_TEMP);
        assert_true(clock_mono_ms() < deadline_ms);
        usleep(20000);
    }
    assert_true(redis_generation(redis) > generation);
    redis_server_await(&replica, "ROLE", "master");
    redis_free(redis);
    redis_server_remove(&replica);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_go_to_the_nodes_of_their_slots),
        cmocka_unit_test(commands_without_a_key_go_to_any_node_and_keys_must_fit_together),
        cmocka_unit_test(pipelines_are_split_and_answer_in_the_order_of_appending),
        cmocka_unit_test(a_slot_that_moves_is_followed_before_during_and_after),
        cmocka_unit_test(blocking_commands_work),
        cmocka_unit_test(a_connection_that_a_node_closes_is_replaced),
        cmocka_unit_test(a_node_that_dies_costs_its_keys_only_and_comes_back),
        cmocka_unit_test(one_of_several_seeds_will_do),
        cmocka_unit_test(what_is_a_cluster_and_what_is_not_is_told),
        cmocka_unit_test(a_cluster_is_spoken_to_by_tls),
        cmocka_unit_test(the_queue_runs_on_a_cluster),
        cmocka_unit_test(a_replica_that_takes_over_is_followed),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
