/*
 * The Redis client over TLS, against a redis-server with certificates of the test's own.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "certificates.h"
#include "clock.h"
#include "redis.h"
#include "redis_server.h"

/* One server whose certificate is for localhost and 127.0.0.1, and files beside it. */
struct scene {
    struct redis_server server;
    int tls_port;
    char paths[16][128];
    size_t path_count;
};

/* FOLDER/NAME; valid as long as the scene. */
static const char *file(struct scene *s, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", s->server.folder, name);
    for (size_t i = 0; i < s->path_count; i++)
        if (strcmp(s->paths[i], path) == 0)
            return s->paths[i];
    assert_true(s->path_count < 16);
    memcpy(s->paths[s->path_count], path, sizeof path);
    return s->paths[s->path_count++];
}

static void start(struct scene *s, const char *certificate, const char *clients, const char *protocols)
{
    char port[12], crt[64], key[64];

    snprintf(port, sizeof port, "%d", s->tls_port);
    snprintf(crt, sizeof crt, "%s.crt", certificate);
    snprintf(key, sizeof key, "%s.key", certificate);
    redis_server_start(&s->server, NULL,
                       (const char *const[]){"--tls-port", port, "--tls-cert-file", file(s, crt),
                                             "--tls-key-file", file(s, key), "--tls-ca-cert-file",
                                             file(s, "ca.crt"), "--tls-auth-clients", clients,
                                             "--tls-protocols", protocols, NULL});
}

static void prepare(struct scene *s)
{
    *s = (struct scene){0};
    redis_server_prepare(&s->server);
    s->tls_port = redis_server_free_port();
    certificate_make(s->server.folder, &(struct certificate){.name = "ca"});
    certificate_make(s->server.folder, &(struct certificate){.name = "other-ca"});
    certificate_make(
        s->server.folder,
        &(struct certificate){.name = "server", .issuer = "ca", .names = "DNS:localhost,IP:127.0.0.1"});
}

static int setup(void **state)
{
    static struct scene scene;

    prepare(&scene);
    start(&scene, "server", "no", "TLSv1.2 TLSv1.3");
    *state = &scene;
    return 0;
}

static int teardown(void **state)
{
    redis_server_remove(&((struct scene *)*state)->server);
    return 0;
}

static struct redis_config config(struct scene *s)
{
    return (struct redis_config){.host = "127.0.0.1",
                                 .port = s->tls_port,
                                 .timeout_ms = 5000,
                                 .tls = true,
                                 .tls_ca_file = file(s, "ca.crt")};
}

static void works(struct redis *redis)
{
    struct fault fault = {0};
    redisReply *reply = redis_commandf(redis, 0, &fault, "PING");

    if (!reply)
        fail_msg("%s", fault.text);
    assert_string_equal(reply->str, "PONG");
    freeReplyObject(reply);
}

/* The next call fails in this way, with that in its text. */
static void fails(struct redis *redis, enum fault_class class, const char *part)
{
    struct fault fault = {0};

    assert_null(redis_commandf(redis, 0, &fault, "PING"));
    if (fault.class != class || !strstr(fault.text, part))
        fail_msg("%s (wanted: %s): %s", fault_class_name(fault.class), part, fault.text);
    assert_non_null(strstr(fault.text, redis_address(redis)));
    assert_false(redis_is_connected(redis));
    assert_int_equal(redis_generation(redis), 0);
}

static void fails_with(struct redis_config settings, enum fault_class class, const char *part)
{
    struct redis *redis = redis_new(&settings);

    fails(redis, class, part);
    redis_free(redis);
}

static void commands_pass_over_one_connection(void **state)
{
    struct redis_config settings = config(*state);
    struct redis *redis = redis_new(&settings);
    struct fault fault = {0};
    redisReply *reply;

    for (int i = 0; i < 20; i++) /* the tickets of TLS 1.3 are no reason to connect again */
        works(redis);
    assert_int_equal(redis_generation(redis), 1);
    reply = redis_command(redis, 0, &fault, 3, (const char *const[]){"SET", "bytes", "a\0b"},
                          (size_t[]){3, 5, 3});
    assert_non_null(reply);
    freeReplyObject(reply);
    reply = redis_commandf(redis, 0, &fault, "GET bytes");
    assert_int_equal(reply->len, 3);
    assert_memory_equal(reply->str, "a\0b", 3);
    freeReplyObject(reply);
    redis_free(redis);
}

static void tls_1_2_works_and_1_1_is_refused(void **state)
{
    struct scene scene;
    struct redis_config settings;
    struct redis *redis;

    (void)state;
    prepare(&scene);
    start(&scene, "server", "no", "TLSv1.2");
    settings = config(&scene);
    redis = redis_new(&settings);
    works(redis);
    works(redis);
    assert_int_equal(redis_generation(redis), 1);
    redis_free(redis);
    redis_server_kill(&scene.server);
    start(&scene, "server", "no", "TLSv1.1");
    fails_with(settings, FAULT_CONFIG, "TLS: ");
    redis_server_remove(&scene.server);
}

static void count_bytes(void *arg, size_t index, redisReply *reply)
{
    (void)index;
    *(size_t *)arg += reply->len;
}

static void large_pipelines_pass_in_both_directions(void **state)
{
    enum { COMMANDS = 1000, SIZE = 20000 };
    struct redis_config settings = config(*state);
    settings.timeout_ms = 60000; /* it is about bytes; below valgrind they are slow */
    struct redis *redis = redis_new(&settings);
    struct fault fault = {0};
    char *value = malloc(SIZE + 1);
    size_t bytes = 0;

    memset(value, 'v', SIZE);
    value[SIZE] = '\0';
    for (int i = 0; i < COMMANDS; i++)
        assert_int_equal(redis_append(redis, 2, (const char *const[]){"ECHO", value}, NULL, &fault), 0);
    if (redis_flush(redis, count_bytes, &bytes, &fault))
        fail_msg("%s", fault.text);
    assert_int_equal(bytes, (size_t)COMMANDS * SIZE);
    assert_int_equal(redis_generation(redis), 1);
    free(value);
    redis_free(redis);
}

static void the_name_in_the_certificate_must_be_the_hosts(void **state)
{
    struct scene scene;
    struct redis_config settings;
    struct redis *redis;

    (void)state;
    prepare(&scene);
    certificate_make(
        scene.server.folder,
        &(struct certificate){.name = "named", .issuer = "ca", .names = "DNS:localhost,DNS:redis.test"});
    start(&scene, "named", "no", "TLSv1.2 TLSv1.3");
    settings = config(&scene);
    fails_with(settings, FAULT_CONFIG, "IP address mismatch");
    settings.host = "localhost";
    redis = redis_new(&settings);
    works(redis);
    redis_free(redis);
    settings.host = "127.0.0.1";
    settings.tls_server_name = "redis.test";
    redis = redis_new(&settings);
    works(redis);
    redis_free(redis);
    settings.tls_server_name = "another.test";
    fails_with(settings, FAULT_CONFIG, "ostname mismatch");
    redis_server_remove(&scene.server);
}

static void an_authority_that_is_not_known_is_refused(void **state)
{
    struct redis_config settings = config(*state);

    settings.tls_ca_file = file(*state, "other-ca.crt");
    fails_with(settings, FAULT_CONFIG, "the server's certificate is refused");
    settings.tls_ca_file = NULL; /* the system does not know it either */
    fails_with(settings, FAULT_CONFIG, "the server's certificate is refused");
}

static void an_expired_certificate_is_refused_and_a_renewed_one_taken(void **state)
{
    struct scene scene;
    struct redis_config settings;
    struct redis *redis;

    (void)state;
    prepare(&scene);
    certificate_make(
        scene.server.folder,
        &(struct certificate){
            .name = "server", .issuer = "ca", .names = "IP:127.0.0.1", .from_s = -7200, .until_s = -3600});
    start(&scene, "server", "no", "TLSv1.2 TLSv1.3");
    settings = config(&scene);
    redis = redis_new(&settings);
    fails(redis, FAULT_CONFIG, "expired");
    redis_server_kill(&scene.server);
    certificate_make(scene.server.folder,
                     &(struct certificate){.name = "server", .issuer = "ca", .names = "IP:127.0.0.1"});
    start(&scene, "server", "no", "TLSv1.2 TLSv1.3");
    works(redis);
    redis_free(redis);
    redis_server_remove(&scene.server);
}

/* Answers whoever connects with these bytes, then with one every 20 ms for as long as anybody listens. */
static pid_t drip(int *port, const char *first, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pid_t pid;

    assert_int_equal(bind(listener, (struct sockaddr *)&address, address_size), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &address_size), 0);
    assert_int_equal(listen(listener, 4), 0);
    *port = ntohs(address.sin_port);
    pid = fork();
    if (pid == 0) {
        int fd = accept(listener, NULL, NULL);

        if (send(fd, first, size, MSG_NOSIGNAL) == (ssize_t)size)
            while (send(fd, "\x02", 1, MSG_NOSIGNAL) == 1)
                usleep(20000);
        _exit(0);
    }
    close(listener);
    return pid;
}

static void who_speaks_plainly_and_who_does_not_is_told_apart(void **state)
{
    struct scene *s = *state;
    struct redis_config settings = config(s);

    struct fault fault = {0};
    struct redis *redis;
    pid_t pid = drip(&settings.port, "-ERR unknown command\r\n", 22);

    fails_with(settings, FAULT_CONFIG, "does not speak TLS");
    waitpid(pid, NULL, 0);
    settings.port = s->server.port; /* Redis waits for the end of the line */
    settings.timeout_ms = 300;
    fails_with(settings, FAULT_UNAVAILABLE, "does it speak TLS?");
    settings.tls = false;
    settings.tls_ca_file = NULL;
    settings.port = s->tls_port;
    redis = redis_new(&settings);
    assert_null(redis_commandf(redis, 0, &fault, "PING"));
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    redis_free(redis);
}

static void a_server_may_demand_a_certificate(void **state)
{
    struct scene scene;
    struct redis_config settings;
    struct redis *redis;

    (void)state;
    prepare(&scene);
    certificate_make(scene.server.folder, &(struct certificate){.name = "client", .issuer = "ca"});
    certificate_make(scene.server.folder, &(struct certificate){.name = "stranger", .issuer = "other-ca"});
    start(&scene, "server", "yes", "TLSv1.2 TLSv1.3");
    settings = config(&scene);
    fails_with(settings, FAULT_CONFIG, "certificate required");
    settings.tls_cert_file = file(&scene, "stranger.crt");
    settings.tls_key_file = file(&scene, "stranger.key");
    fails_with(settings, FAULT_CONFIG, "TLS: ");
    settings.tls_cert_file = file(&scene, "client.crt");
    settings.tls_key_file = file(&scene, "client.key");
    redis = redis_new(&settings);
    works(redis);
    redis_free(redis);
    redis_server_remove(&scene.server);
}

static void files_that_cannot_be_used_are_named(void **state)
{
    struct scene *s = *state;
    struct redis_config settings = config(s);

    certificate_make(s->server.folder,
                     &(struct certificate){.name = "locked", .issuer = "ca", .passphrase = "open sesame"});
    settings.tls_ca_file = "/nonexistent/ca.crt";
    fails_with(settings, FAULT_CONFIG, "/nonexistent/ca.crt");
    settings = config(s);
    settings.tls_cert_file = "/nonexistent/client.crt";
    fails_with(settings, FAULT_CONFIG, "/nonexistent/client.crt");
    settings.tls_cert_file = file(s, "locked.crt");
    settings.tls_key_file = file(s, "locked.key"); /* nobody is asked for the passphrase */
    fails_with(settings, FAULT_CONFIG, "locked.key");
    settings.tls_key_file = file(s, "server.key"); /* of another certificate */
    fails_with(settings, FAULT_CONFIG, "server.key");
}

static void a_connection_that_the_server_closes_is_replaced(void **state)
{
    struct scene *s = *state;
    struct redis_config settings = config(s);
    struct redis *redis = redis_new(&settings);
    char *killed;

    works(redis);
    killed = redis_server_ask(&s->server, "CLIENT KILL TYPE normal");
    free(killed);
    works(redis); /* no fault */
    assert_int_equal(redis_generation(redis), 2);
    redis_free(redis);
}

static void a_server_that_hangs_costs_the_timeout_and_no_more(void **state)
{
    struct scene *s = *state;
    struct redis_config settings = config(s);
    struct redis *redis, *fresh;
    struct fault fault = {0};
    int64_t start_ms;

    settings.timeout_ms = 300;
    redis = redis_new(&settings);
    fresh = redis_new(&settings);
    works(redis);
    kill(s->server.pid, SIGSTOP);
    start_ms = clock_mono_ms();
    assert_null(redis_commandf(redis, 0, &fault, "PING"));
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    fails(fresh, FAULT_UNAVAILABLE, "TLS: no handshake in time");
    assert_in_range(clock_mono_ms() - start_ms, 580, 3000);
    kill(s->server.pid, SIGCONT);
    redis_free(redis);
    redis_free(fresh);
    redis = redis_new(&(struct redis_config){.host = "127.0.0.1",
                                             .port = s->tls_port,
                                             .timeout_ms = 5000,
                                             .tls = true,
                                             .tls_ca_file = settings.tls_ca_file});
    works(redis);
    redis_free(redis);
}

static void a_handshake_that_drips_in_has_a_deadline(void **state)
{
    struct redis_config settings = config(*state);
    int64_t start_ms;
    pid_t pid = drip(&settings.port, "\x16\x03\x03\x40\x00", 5);

    settings.timeout_ms = 300;
    start_ms = clock_mono_ms();
    fails_with(settings, FAULT_UNAVAILABLE, "TLS: ");
    assert_in_range(clock_mono_ms() - start_ms, 200, 2000);
    waitpid(pid, NULL, 0);
}

static void settings_that_do_not_go_together_are_refused(void **state)
{
    const struct redis_config wrong[] = {
        {.host = "/run/redis.sock", .tls = true},
        {.host = "r", .tls_ca_file = "/ca.crt"},
        {.host = "r", .tls = true, .tls_ca_file = "ca.crt"},
        {.host = "r", .tls = true, .tls_key_file = "/key.pem"},
        {.host = "r", .sentinels = "s1"},
        {.host = "r", .sentinel_master = "m"},
        {.host = "r", .sentinels = "s1:0", .sentinel_master = "m"},
        {.host = "r", .sentinels = "s1,,s2", .sentinel_master = "m"},
        {.host = "r", .sentinels = "s1", .sentinel_master = "m", .cluster = true},
        {.host = "r", .database = 1, .cluster = true},
        {.host = "/run/redis.sock", .cluster = true},
        {.host = "r:x", .port = 1, .cluster = true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct redis *redis = redis_new(&wrong[i]);
        struct fault fault = {0}, told = {0};

        if (redis_config_check(&wrong[i], &fault) == 0)
            fail_msg("number %zu is taken", i);
        assert_int_equal(fault.class, FAULT_CONFIG);
        assert_int_equal(redis_connect(redis, &told), -1);
        assert_int_equal(told.class, FAULT_CONFIG);
        assert_string_equal(told.text, fault.text);
        redis_free(redis);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_pass_over_one_connection),
        cmocka_unit_test(tls_1_2_works_and_1_1_is_refused),
        cmocka_unit_test(large_pipelines_pass_in_both_directions),
        cmocka_unit_test(the_name_in_the_certificate_must_be_the_hosts),
        cmocka_unit_test(an_authority_that_is_not_known_is_refused),
        cmocka_unit_test(an_expired_certificate_is_refused_and_a_renewed_one_taken),
        cmocka_unit_test(who_speaks_plainly_and_who_does_not_is_told_apart),
        cmocka_unit_test(a_server_may_demand_a_certificate),
        cmocka_unit_test(files_that_cannot_be_used_are_named),
        cmocka_unit_test(a_connection_that_the_server_closes_is_replaced),
        cmocka_unit_test(a_server_that_hangs_costs_the_timeout_and_no_more),
        cmocka_unit_test(a_handshake_that_drips_in_has_a_deadline),
        cmocka_unit_test(settings_that_do_not_go_together_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
