/*
 * queue.c against a real server: each rule of the header once, then a model test: publishers, workers, lost
 * workers, taken over claims, wiped data and a reconciler in random order (DIST_TEST_SEED repeats a run).
 */
#include <fcntl.h>
#include <setjmp.h>
#include <string.h>
#include <stdio.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "clock.h"
#include "queue.h"
#include "rng.h"
#include "xalloc.h"

#define LANE "web:acme:normal"
#define KEY(name) "dist:{0}:" name

struct server {
    char folder[64];
    char socket[96];
    pid_t pid;
};

static struct queue *worker(const struct server *server, const char *owner)
{
    return queue_new(redis_new(&(struct redis_config){.host = server->socket, .timeout_ms = 3000}), owner);
}

static void server_start(struct server *server)
{
    int64_t deadline_ms = clock_mono_ms() + 10000;
    struct queue *queue = worker(server, "probe");
    struct fault fault = {0};
    redisReply *reply;

    server->pid = fork();
    if (server->pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with the test, however that ends */
        dup2(null, 1);
        dup2(null, 2);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", server->socket, "--dir",
               server->folder, "--save", "", "--appendonly", "no", (char *)NULL);
        _exit(127);
    }
    assert_true(server->pid > 0);
    while (!(reply = redis_commandf(queue_redis(queue), 0, &fault, "PING"))) {
        if (clock_mono_ms() > deadline_ms || waitpid(server->pid, NULL, WNOHANG) != 0)
            fail_msg("redis-server does not start: %s", fault.text);
        usleep(5000);
    }
    freeReplyObject(reply);
    queue_free(queue);
}

static void server_kill(struct server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    unlink(server->socket);
}

/* One command that must work; its integer, or the number of its elements. */
static long long run(struct queue *queue, int argc, const char *const *argv)
{
    struct fault fault = {0};
    redisReply *reply = redis_command(queue_redis(queue), 0, &fault, argc, argv, NULL);
    long long value;

    if (!reply)
        fail_msg("%s: %s", argv[0], fault.text);
    value = reply->type == REDIS_REPLY_ARRAY ? (long long)reply->elements : reply->integer;
    freeReplyObject(reply);
    return value;
}
#define RUN(queue, ...)                                                                                      \
    run(queue, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *),                                  \
        (const char *const[]){__VA_ARGS__})

/* What every test has: an empty server and two workers. */
struct scene {
    struct server server;
    struct queue *a, *b;
    struct fault fault;
    struct queue_claims claims, taken;
};

static int group_setup(void **state)
{
    static struct scene scene;

    snprintf(scene.server.folder, sizeof scene.server.folder, "/tmp/dist-queue-XXXXXX");
    if (!mkdtemp(scene.server.folder))
        return -1;
    snprintf(scene.server.socket, sizeof scene.server.socket, "%s/redis.sock", scene.server.folder);
    server_start(&scene.server);
    *state = &scene;
    return 0;
}

static int group_teardown(void **state)
{
    struct scene *scene = *state;

    server_kill(&scene->server);
    rmdir(scene->server.folder);
    return 0;
}

static int setup(void **state)
{
    struct scene *scene = *state;

    scene->a = worker(&scene->server, "a");
    scene->b = worker(&scene->server, "b");
    scene->fault = (struct fault){0};
    RUN(scene->a, "CONFIG", "SET", "maxmemory", "0");
    RUN(scene->a, "FLUSHALL");
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;

    queue_claims_release(&scene->claims);
    queue_claims_release(&scene->taken);
    queue_free(scene->a);
    queue_free(scene->b);
    return 0;
}

/* The call works; its fault is shown where it does not. */
#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != 0)                                                                                     \
            fail_msg("%s: %s", #call, s->fault.text);                                                        \
    } while (0)

static size_t publish(struct scene *s, enum queue_stage stage, const char *id, const char *lane)
{
    size_t added;

    OK(queue_publish(s->a, stage, &(struct queue_item){.id = id, .lane = lane}, 1, &added, &s->fault));
    return added;
}

/* What `queue` gets, in s->claims alone. */
static size_t fetch(struct scene *s, struct queue *queue, enum queue_stage stage, size_t want)
{
    queue_claims_release(&s->claims);
    if (stage == QUEUE_READY)
        OK(queue_fetch_lane(queue, LANE, want, &s->claims, &s->fault));
    else
        OK(queue_fetch(queue, stage, want, &s->claims, &s->fault));
    return s->claims.count;
}

static size_t take_over(struct scene *s, struct queue *queue, enum queue_stage stage, int64_t idle_ms)
{
    queue_claims_release(&s->taken);
    OK(queue_reap(queue, stage, idle_ms, 1000, &s->taken, &s->fault));
    return s->taken.count;
}

static void hop(struct scene *s, struct queue *queue, const struct queue_claim *claim, enum queue_stage stage,
                const char *id)
{
    struct queue_item item = {.id = id, .lane = LANE};

    OK(queue_hops(queue, &(struct queue_hop){.claim = claim, .stage = stage, .items = &item, .count = 1}, 1,
                  &s->fault));
}

static void finish(struct scene *s, struct queue *queue, const struct queue_claim *claim, bool ended)
{
    OK(queue_finish(queue, &(struct queue_finish){.claim = claim, .ended = ended}, 1, &s->fault));
}

static void release(struct scene *s, struct queue *queue, const struct queue_claim *claim)
{
    OK(queue_release(queue, &claim, 1, &s->fault));
}

static bool lost(struct scene *s, struct queue *queue, const struct queue_claim *claim)
{
    bool is_lost;

    OK(queue_renew(queue, &claim, 1, &is_lost, &s->fault));
    return is_lost;
}

static bool is_present(struct scene *s, const char *id)
{
    bool present;

    OK(queue_present(s->a, &id, 1, &present, &s->fault));
    return present;
}

static void publishing_what_is_there_changes_nothing(void **state)
{
    struct scene *s = *state;
    struct queue_item items[300];
    char ids[300][16];
    size_t added;

    assert_int_equal(publish(s, QUEUE_SUBMITTED, "j1", NULL), 1);
    assert_int_equal(publish(s, QUEUE_SUBMITTED, "j1", NULL), 0);
    assert_int_equal(publish(s, QUEUE_ROUTED, "j1", NULL), 0); /* an id is in one place only */
    assert_int_equal(RUN(s->a, "XLEN", KEY("submitted")), 1);
    assert_int_equal(RUN(s->a, "EXISTS", KEY("routed")), 0);
    for (int i = 0; i < 300; i++) {
        snprintf(ids[i], sizeof ids[i], "d%d", i / 2); /* twice each */
        items[i] = (struct queue_item){.id = ids[i], .lane = LANE};
    }
    OK(queue_publish(s->a, QUEUE_READY, items, 300, &added, &s->fault));
    assert_int_equal(added, 150);
    OK(queue_publish(s->a, QUEUE_READY, items, 300, NULL, &s->fault));
    OK(queue_publish(s->a, QUEUE_READY, items, 0, &added, &s->fault));
    assert_int_equal(added, 0);
    assert_int_equal(RUN(s->a, "XLEN", KEY("ready:" LANE)), 150);
}

static void improper_ids_and_lanes_are_refused(void **state)
{
    struct scene *s = *state;
    const char *const ids[] = {"", "a b", "a\nb", "\xc3\xa9",
                               "0123456789012345678901234567890123456789012345678901234567890123"};

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_int_equal(
            queue_publish(s->a, QUEUE_ROUTED, &(struct queue_item){.id = ids[i]}, 1, NULL, &s->fault), -1);
        assert_int_equal(s->fault.class, FAULT_BUG);
    }
    assert_int_equal(queue_publish(s->a, QUEUE_READY, &(struct queue_item){.id = "d"}, 1, NULL, &s->fault),
                     -1);
    assert_int_equal(queue_fetch(s->a, QUEUE_READY, 1, &s->claims, &s->fault), -1);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void an_id_goes_through_all_stages_and_leaves_nothing(void **state)
{
    struct scene *s = *state;
    struct queue_item deliveries[] = {{.id = "d1"}, {.id = "d2"}};
    char **lanes;

    publish(s, QUEUE_SUBMITTED, "j1", NULL);
    assert_int_equal(fetch(s, s->a, QUEUE_SUBMITTED, 10), 1);
    assert_string_equal(s->claims.items[0].id, "j1");
    assert_string_equal(s->claims.items[0].stream, KEY("submitted"));
    assert_int_equal(s->claims.items[0].crashes, 0);
    OK(queue_hops(
        s->a,
        &(struct queue_hop){.claim = s->claims.items, .stage = QUEUE_ROUTED, .items = deliveries, .count = 2},
        1, &s->fault));
    assert_false(is_present(s, "j1"));
    assert_int_equal(RUN(s->a, "EXISTS", KEY("submitted")), 0);
    assert_int_equal(fetch(s, s->a, QUEUE_SUBMITTED, 10), 0);
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 10), 2);
    for (int i = 0; i < 2; i++)
        hop(s, s->a, &s->claims.items[i], QUEUE_READY, s->claims.items[i].id);
    assert_int_equal(RUN(s->a, "EXISTS", KEY("routed")), 0);
    OK(queue_lanes(s->a, &lanes, &s->fault));
    assert_string_equal(lanes[0], LANE);
    assert_null(lanes[1]);
    queue_lanes_free(lanes);
    assert_int_equal(fetch(s, s->b, QUEUE_READY, 10), 2);
    assert_string_equal(s->claims.items[1].id, "d2");
    finish(s, s->b, &s->claims.items[0], true);
    assert_true(is_present(s, "d2"));
    finish(s, s->b, &s->claims.items[1], false);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    finish(s, s->b, &s->claims.items[1], true); /* again: nothing to do */
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void fetching_is_in_order_bounded_and_exclusive(void **state)
{
    struct scene *s = *state;
    char id[16];

    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "d%d", i);
        publish(s, QUEUE_ROUTED, id, NULL);
    }
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 0), 0);
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 2), 2);
    assert_string_equal(s->claims.items[1].id, "d1");
    assert_int_equal(fetch(s, s->b, QUEUE_ROUTED, 10), 3);
    assert_string_equal(s->claims.items[0].id, "d2");
    assert_int_equal(fetch(s, s->b, QUEUE_ROUTED, 10), 0);
}

static void a_claim_that_was_taken_over_moves_nothing(void **state)
{
    struct scene *s = *state;
    struct queue_claim old, *new;

    publish(s, QUEUE_ROUTED, "d1", NULL);
    fetch(s, s->a, QUEUE_ROUTED, 1);
    queue_claim_copy(&old, &s->claims.items[0]);
    assert_false(lost(s, s->a, &old));
    assert_true(lost(s, s->b, &old)); /* not b's */
    assert_int_equal(take_over(s, s->b, QUEUE_ROUTED, 60000), 0);
    assert_int_equal(take_over(s, s->b, QUEUE_ROUTED, 0), 1);
    new = &s->taken.items[0];
    assert_string_equal(new->entry, old.entry);
    assert_int_equal(new->crashes, 1);
    assert_true(lost(s, s->a, &old));
    assert_false(lost(s, s->b, new));
    hop(s, s->a, &old, QUEUE_READY, "d1");
    release(s, s->a, &old);
    finish(s, s->a, &old, false);
    assert_int_equal(RUN(s->a, "EXISTS", KEY("ready:" LANE)), 0);
    assert_false(lost(s, s->b, new));
    hop(s, s->a, &old, QUEUE_READY, "d2"); /* another id is published all the same */
    assert_true(is_present(s, "d2"));
    assert_false(lost(s, s->b, new));
    hop(s, s->b, new, QUEUE_READY, "d1");
    assert_int_equal(fetch(s, s->b, QUEUE_READY, 10), 2);
    assert_int_equal(s->claims.items[0].crashes, 0); /* a stage further: a new start */
    finish(s, s->a, &old, true); /* an end counts, whoever says so and wherever the id is */
    assert_false(is_present(s, "d1"));
    finish(s, s->b, &s->claims.items[0], true);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    queue_claim_release(&old);
}

static void a_claim_taken_over_by_its_own_process_is_void(void **state)
{
    struct scene *s = *state;

    publish(s, QUEUE_ROUTED, "d1", NULL);
    fetch(s, s->a, QUEUE_ROUTED, 1);
    assert_int_equal(take_over(s, s->a, QUEUE_ROUTED, 0), 1);
    assert_true(lost(s, s->a, &s->claims.items[0]));
    assert_false(lost(s, s->a, &s->taken.items[0]));
    finish(s, s->a, &s->claims.items[0], false);
    assert_true(is_present(s, "d1"));
    finish(s, s->a, &s->claims.items[0], true); /* but an end is an end */
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void lost_workers_are_counted(void **state)
{
    struct scene *s = *state;

    publish(s, QUEUE_READY, "d1", LANE);
    fetch(s, s->a, QUEUE_READY, 1);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(take_over(s, i % 2 ? s->b : s->a, QUEUE_READY, 0), 1);
        assert_int_equal(s->taken.items[0].crashes, i);
    }
    release(s, s->b, &s->taken.items[0]);
    assert_int_equal(fetch(s, s->a, QUEUE_READY, 1), 1);
    assert_int_equal(s->claims.items[0].crashes, 3);
}

static void released_entries_go_to_the_end_and_ring(void **state)
{
    struct scene *s = *state;

    publish(s, QUEUE_ROUTED, "d1", NULL);
    publish(s, QUEUE_ROUTED, "d2", NULL);
    fetch(s, s->a, QUEUE_ROUTED, 1);
    while (queue_wait(s->a, QUEUE_ROUTED, 0, &s->fault) == 1)
        ;
    release(s, s->a, &s->claims.items[0]);
    release(s, s->a, &s->claims.items[0]); /* no longer held: nothing */
    assert_int_equal(queue_wait(s->b, QUEUE_ROUTED, 0, &s->fault), 1);
    assert_int_equal(fetch(s, s->b, QUEUE_ROUTED, 10), 2);
    assert_string_equal(s->claims.items[0].id, "d2");
    assert_string_equal(s->claims.items[1].id, "d1");
    for (int i = 0; i < 2; i++)
        finish(s, s->b, &s->claims.items[i], true);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

/* As if its worker had been silent for an hour. */
static void age(struct scene *s, const struct queue_claim *claim)
{
    RUN(s->a, "XCLAIM", claim->stream, "dist", "a", "0", claim->entry, "IDLE", "3600000", "JUSTID");
}

static void renewed_entries_are_not_taken_over(void **state)
{
    struct scene *s = *state;

    publish(s, QUEUE_ROUTED, "d1", NULL);
    publish(s, QUEUE_ROUTED, "d2", NULL);
    fetch(s, s->a, QUEUE_ROUTED, 2);
    age(s, &s->claims.items[0]);
    age(s, &s->claims.items[1]);
    assert_false(lost(s, s->a, &s->claims.items[0])); /* the first is worked on, the second forgotten */
    assert_int_equal(take_over(s, s->b, QUEUE_ROUTED, 60000), 1);
    assert_string_equal(s->taken.items[0].id, "d2");
    assert_false(lost(s, s->a, &s->claims.items[0]));
    assert_true(lost(s, s->a, &s->claims.items[1]));
}

static void malformed_entries_are_quarantined(void **state)
{
    struct scene *s = *state;
    struct queue_depth *depths;
    size_t count;
    int64_t quarantined;
    redisReply *reply;

    RUN(s->a, "XADD", KEY("routed"), "*", "name", "x\n\x01y");
    RUN(s->a, "XADD", KEY("routed"), "*", "id", "");
    RUN(s->a, "XADD", KEY("routed"), "*", "id", "with blank");
    RUN(s->a, "XADD", KEY("routed"), "*", "id",
        "0123456789012345678901234567890123456789012345678901234567890123456789");
    RUN(s->a, "XADD", KEY("routed"), "*", "id", "nobody-knows-it"); /* stale: dropped, no malformed entry */
    publish(s, QUEUE_ROUTED, "d1", NULL);                           /* the stream has no group so far */
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 1), 1);           /* dropped ones are made up for */
    assert_string_equal(s->claims.items[0].id, "d1");
    assert_int_equal(RUN(s->a, "XLEN", KEY("routed")), 1);
    OK(queue_depths(s->a, &depths, &count, &quarantined, &s->fault));
    assert_int_equal(quarantined, 4);
    queue_depths_free(depths, count);
    reply = redis_commandf(queue_redis(s->a), 0, &s->fault, "LINDEX %s -1", KEY("quarantine"));
    assert_non_null(strstr(reply->str, "\"reason\":\"no field id\""));
    assert_non_null(strstr(reply->str, "x??y"));
    freeReplyObject(reply);
    /* Met by reap, too: one that was claimed by other means. */
    RUN(s->a, "XADD", KEY("routed"), "*", "name", "z");
    RUN(s->a, "XREADGROUP", "GROUP", "dist", "c", "STREAMS", KEY("routed"), ">");
    assert_int_equal(take_over(s, s->b, QUEUE_ROUTED, 0), 1);
    assert_int_equal(RUN(s->a, "LLEN", KEY("quarantine")), 5);
    finish(s, s->b, &s->taken.items[0], true);
    RUN(s->a, "DEL", KEY("quarantine"));
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void a_wipe_changes_the_epoch_and_voids_all_claims(void **state)
{
    struct scene *s = *state;
    char first[37], again[37], after[37];

    OK(queue_epoch(s->a, first, &s->fault));
    OK(queue_epoch(s->b, again, &s->fault));
    assert_string_equal(first, again);
    assert_int_equal(strlen(first), 36);
    publish(s, QUEUE_ROUTED, "d1", NULL);
    publish(s, QUEUE_ROUTED, "d2", NULL);
    fetch(s, s->a, QUEUE_ROUTED, 1);
    RUN(s->b, "FLUSHALL");
    assert_true(lost(s, s->a, &s->claims.items[0]));
    assert_false(is_present(s, "d2"));
    assert_int_equal(publish(s, QUEUE_ROUTED, "d2", NULL), 1);
    hop(s, s->a, &s->claims.items[0], QUEUE_READY, "d1");
    finish(s, s->a, &s->claims.items[0], false);
    release(s, s->a, &s->claims.items[0]);
    assert_false(is_present(s, "d1"));
    assert_true(is_present(s, "d2"));
    OK(queue_epoch(s->a, after, &s->fault));
    assert_string_not_equal(first, after);
    RUN(s->a, "SET", KEY("epoch"), "nonsense");
    OK(queue_epoch(s->a, after, &s->fault));
    assert_int_equal(strlen(after), 36);
    fetch(s, s->a, QUEUE_ROUTED, 1);
    finish(s, s->a, &s->claims.items[0], true);
    assert_int_equal(RUN(s->a, "DBSIZE"), 1); /* the epoch */
}

static void a_server_that_restarts_is_used_again(void **state)
{
    struct scene *s = *state;

    publish(s, QUEUE_ROUTED, "d1", NULL);
    fetch(s, s->a, QUEUE_ROUTED, 1);
    server_kill(&s->server);
    assert_int_equal(queue_publish(s->a, QUEUE_ROUTED, &(struct queue_item){.id = "d2"}, 1, NULL, &s->fault),
                     -1);
    assert_int_equal(s->fault.class, FAULT_UNAVAILABLE);
    assert_int_equal(queue_wait(s->a, QUEUE_ROUTED, 100, &s->fault), -1);
    server_start(&s->server);
    assert_int_equal(publish(s, QUEUE_ROUTED, "d2", NULL), 1);
    hop(s, s->a, &s->claims.items[0], QUEUE_READY, "d1");
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 10), 1);
    RUN(s->b, "SCRIPT", "FLUSH");
    hop(s, s->a, &s->claims.items[0], QUEUE_READY, "d2");
    RUN(s->b, "SCRIPT", "FLUSH");
    assert_int_equal(fetch(s, s->a, QUEUE_READY, 10), 1);
    finish(s, s->a, &s->claims.items[0], true);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void what_others_deleted_is_healed(void **state)
{
    struct scene *s = *state;
    char **lanes;

    publish(s, QUEUE_READY, "d1", LANE);
    RUN(s->a, "DEL", KEY("ready:" LANE)); /* an evicted stream: the hash alone is no presence */
    assert_false(is_present(s, "d1"));
    assert_int_equal(fetch(s, s->a, QUEUE_READY, 1), 0);
    assert_int_equal(RUN(s->a, "SCARD", KEY("lanes")), 0);
    assert_int_equal(publish(s, QUEUE_READY, "d1", LANE), 1);
    RUN(s->a, "DEL", KEY("lanes"));
    assert_int_equal(publish(s, QUEUE_READY, "d1", LANE), 0); /* a look puts the lane back */
    OK(queue_lanes(s->a, &lanes, &s->fault));
    assert_string_equal(lanes[0], LANE);
    queue_lanes_free(lanes);
    fetch(s, s->a, QUEUE_READY, 1);
    RUN(s->a, "XGROUP", "DESTROY", KEY("ready:" LANE), "dist");
    assert_true(lost(s, s->a, &s->claims.items[0]));
    assert_int_equal(take_over(s, s->b, QUEUE_READY, 0), 0); /* makes the group, so it is read again */
    assert_int_equal(fetch(s, s->b, QUEUE_READY, 1), 1);
    RUN(s->a, "DEL", KEY("d:d1")); /* an entry that no hash names goes away */
    assert_int_equal(take_over(s, s->a, QUEUE_READY, 0), 0);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void without_memory_nothing_comes_in_and_all_goes_out(void **state)
{
    struct scene *s = *state;
    struct queue_claim other;

    publish(s, QUEUE_SUBMITTED, "j1", NULL);
    publish(s, QUEUE_ROUTED, "d1", NULL);
    publish(s, QUEUE_ROUTED, "d2", NULL);
    fetch(s, s->b, QUEUE_SUBMITTED, 1);
    RUN(s->a, "CONFIG", "SET", "maxmemory", "1");
    assert_int_equal(queue_publish(s->a, QUEUE_ROUTED, &(struct queue_item){.id = "d9"}, 1, NULL, &s->fault),
                     -1);
    assert_int_equal(s->fault.class, FAULT_TEMP);
    assert_int_equal(publish(s, QUEUE_ROUTED, "d1", NULL), 0);
    other = s->claims.items[0];
    other.crashes = 7; /* a claim that is not ours frees nothing, so it may bring nothing */
    assert_int_equal(queue_hops(s->b,
                                &(struct queue_hop){.claim = &other,
                                                    .stage = QUEUE_ROUTED,
                                                    .items = &(struct queue_item){.id = "d9"},
                                                    .count = 1},
                                1, &s->fault),
                     -1);
    assert_int_equal(s->fault.class, FAULT_TEMP);
    assert_false(lost(s, s->b, &s->claims.items[0]));
    finish(s, s->b, &s->claims.items[0], false);
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 2), 2);
    release(s, s->a, &s->claims.items[0]);
    hop(s, s->a, &s->claims.items[1], QUEUE_READY, "d2");
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 1), 1);
    assert_int_equal(take_over(s, s->b, QUEUE_ROUTED, 0), 1);
    hop(s, s->b, &s->taken.items[0], QUEUE_READY, "d1");
    assert_int_equal(fetch(s, s->a, QUEUE_READY, 9), 2);
    for (int i = 0; i < 2; i++)
        finish(s, s->a, &s->claims.items[i], true);
    RUN(s->a, "CONFIG", "SET", "maxmemory", "0");
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

/* The entry of the job makes room first, else a full Redis would never be emptied. */
static void without_memory_a_job_still_becomes_its_deliveries(void **state)
{
    struct scene *s = *state;
    struct queue_item deliveries[] = {{.id = "d1"}, {.id = "d2"}, {.id = "d3"}};
    struct queue_hop hop_out = {.stage = QUEUE_ROUTED, .items = deliveries, .count = 3};

    publish(s, QUEUE_SUBMITTED, "j1", NULL);
    publish(s, QUEUE_SUBMITTED, "j2", NULL);
    fetch(s, s->a, QUEUE_SUBMITTED, 2);
    RUN(s->a, "CONFIG", "SET", "maxmemory", "1");
    hop_out.claim = &s->claims.items[0];
    OK(queue_hops(s->a, &hop_out, 1, &s->fault));
    hop_out.claim = &s->claims.items[1]; /* the same ones: nothing is added, the job goes */
    OK(queue_hops(s->a, &hop_out, 1, &s->fault));
    assert_false(is_present(s, "j1"));
    assert_false(is_present(s, "j2"));
    assert_int_equal(RUN(s->a, "EXISTS", KEY("submitted")), 0);
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 9), 3);
    assert_int_equal(publish(s, QUEUE_ROUTED, "d1", NULL), 0); /* no room for a wish, and no fault */
    for (int i = 0; i < 3; i++)
        finish(s, s->a, &s->claims.items[i], true);
    RUN(s->a, "CONFIG", "SET", "maxmemory", "0");
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

/* ---- wishes: published while somebody holds the id ---- */

/* The worker commits "waiting", the pump makes it "queued" and publishes, and then the worker finishes. */
static void what_is_published_before_a_finish_is_there_after_it(void **state)
{
    struct scene *s = *state;

    for (int ended = 0; ended < 2; ended++) {
        publish(s, QUEUE_READY, "d1", LANE);
        assert_int_equal(publish(s, QUEUE_ROUTED, "d1", NULL), 0); /* nobody holds it: no wish */
        assert_int_equal(fetch(s, s->a, QUEUE_READY, 1), 1);
        assert_int_equal(publish(s, QUEUE_ROUTED, "d1", NULL), 0);
        assert_int_equal(publish(s, QUEUE_ROUTED, "d1", NULL), 0);
        finish(s, s->a, &s->claims.items[0], ended);
        assert_true(is_present(s, "d1"));
        assert_int_equal(RUN(s->a, "EXISTS", KEY("ready:" LANE)), 0);
        finish(s, s->a, &s->claims.items[0], false); /* again: the new entry is not its own */
        assert_int_equal(queue_wait(s->b, QUEUE_ROUTED, 0, &s->fault), 1);
        assert_int_equal(fetch(s, s->b, QUEUE_ROUTED, 9), 1);
        assert_string_equal(s->claims.items[0].id, "d1");
        assert_int_equal(s->claims.items[0].crashes, 0);
        finish(s, s->b, &s->claims.items[0], true); /* the look: it ends, and that is all */
        assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    }
}

static void a_wish_ends_where_the_id_is_looked_at_anyway(void **state)
{
    struct scene *s = *state;
    enum { HOP, HOP_OF_OTHERS, RELEASE, TAKE_OVER, WAYS };

    for (int way = 0; way < WAYS; way++) {
        publish(s, QUEUE_ROUTED, "d1", NULL);
        fetch(s, s->a, QUEUE_ROUTED, 1);
        publish(s, QUEUE_ROUTED, "d1", NULL);
        if (way == HOP) {
            hop(s, s->a, &s->claims.items[0], QUEUE_READY, "d1");
            assert_int_equal(fetch(s, s->a, QUEUE_READY, 9), 1);
        } else if (way == HOP_OF_OTHERS) { /* a job that was routed is not pending any more */
            hop(s, s->a, &s->claims.items[0], QUEUE_READY, "d2");
            assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 9), 0);
            assert_int_equal(fetch(s, s->a, QUEUE_READY, 9), 1);
        } else if (way == RELEASE) {
            release(s, s->a, &s->claims.items[0]);
            assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 9), 1);
        } else {
            assert_int_equal(take_over(s, s->a, QUEUE_ROUTED, 0), 1);
        }
        finish(s, s->a, way == TAKE_OVER ? &s->taken.items[0] : &s->claims.items[0], true);
        assert_int_equal(RUN(s->a, "DBSIZE"), 0);
        queue_claims_release(&s->claims);
    }
}

/* A process that waits for the bell and writes down whether it rang. */
struct listener {
    pid_t pid;
    int fd;
};

static struct listener listen_for(const struct scene *s, enum queue_stage stage, int64_t wait_ms)
{
    struct listener listener;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    listener.pid = fork();
    listener.fd = ends[0];
    if (listener.pid == 0) {
        struct queue *queue = worker(&s->server, "listener");
        struct fault fault;
        char rang = (char)queue_wait(queue, stage, wait_ms, &fault);

        _exit(write(ends[1], &rang, 1) != 1);
    }
    close(ends[1]);
    return listener;
}

static int heard(struct listener listener)
{
    char rang = -1;

    assert_int_equal(read(listener.fd, &rang, 1), 1);
    close(listener.fd);
    waitpid(listener.pid, NULL, 0);
    return rang;
}

static void wait_blocked(struct scene *s, int clients)
{
    int64_t deadline_ms = clock_mono_ms() + 5000;
    char wanted[32];
    bool there = false;

    snprintf(wanted, sizeof wanted, "blocked_clients:%d\r", clients);
    while (!there && clock_mono_ms() < deadline_ms) {
        redisReply *reply = redis_commandf(queue_redis(s->a), 0, &s->fault, "INFO clients");

        there = strstr(reply->str, wanted) != NULL;
        freeReplyObject(reply);
    }
    assert_true(there);
}

static void the_bell_wakes_one_waiter_at_once_and_a_full_fetch_the_next(void **state)
{
    struct scene *s = *state;
    int64_t start_ms;
    struct listener first, second;

    start_ms = clock_mono_ms();
    assert_int_equal(queue_wait(s->b, QUEUE_READY, 60, &s->fault), 0);
    assert_in_range(clock_mono_ms() - start_ms, 59, 2000);
    assert_int_equal(queue_wait(s->b, QUEUE_READY, 0, &s->fault), 0);
    first = listen_for(s, QUEUE_READY, 5000);
    wait_blocked(s, 1);
    second = listen_for(s, QUEUE_READY, 5000);
    wait_blocked(s, 2);
    start_ms = clock_mono_ms();
    publish(s, QUEUE_READY, "d1", LANE);
    assert_int_equal(heard(first), 1);
    assert_in_range(clock_mono_ms() - start_ms, 0, 1000);
    wait_blocked(s, 1);
    start_ms = clock_mono_ms();
    fetch(s, s->a, QUEUE_READY, 1); /* as many as wanted: perhaps there are more */
    assert_int_equal(heard(second), 1);
    assert_in_range(clock_mono_ms() - start_ms, 0, 1000);
    publish(s, QUEUE_READY, "d2", LANE);
    fetch(s, s->a, QUEUE_READY, 10); /* all there is: silence */
    assert_int_equal(queue_wait(s->b, QUEUE_READY, 0, &s->fault), 0);
}

static void depths_are_listed_by_stage_and_lane(void **state)
{
    struct scene *s = *state;
    struct queue_depth *depths;
    size_t count;

    publish(s, QUEUE_READY, "d1", LANE);
    publish(s, QUEUE_READY, "d2", LANE);
    publish(s, QUEUE_READY, "d3", "api:acme:high");
    publish(s, QUEUE_ROUTED, "d4", NULL);
    fetch(s, s->a, QUEUE_READY, 1);
    usleep(20000);
    OK(queue_depths(s->b, &depths, &count, NULL, &s->fault));
    assert_int_equal(count, 4);
    assert_string_equal(depths[0].name, "submitted");
    assert_int_equal(depths[0].length, 0);
    assert_int_equal(depths[0].oldest_ms, -1);
    assert_string_equal(depths[1].name, "routed");
    assert_int_equal(depths[1].length, 1);
    assert_string_equal(depths[2].name, "ready:api:acme:high");
    assert_int_equal(depths[2].in_flight, 0);
    assert_string_equal(depths[3].name, "ready:" LANE);
    assert_int_equal(depths[3].length, 2);
    assert_int_equal(depths[3].in_flight, 1);
    assert_in_range(depths[3].oldest_ms, 19, 5000);
    queue_depths_free(depths, count);
}

static void a_hop_may_have_thousands_of_items(void **state)
{
    enum { COUNT = 2500 };
    struct scene *s = *state;
    static char ids[COUNT][24], lanes[COUNT][32];
    static struct queue_item items[COUNT];
    char **names;

    for (int i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "delivery-%d", i);
        snprintf(lanes[i], sizeof lanes[i], "web%d:acme:normal", i % 50);
        items[i] = (struct queue_item){.id = i == 2000 ? "j1" : ids[i], .lane = lanes[i]};
    }
    publish(s, QUEUE_SUBMITTED, "j1", NULL);
    for (size_t count = 1000; count <= COUNT; count += 1500) {
        int64_t start_us = clock_wall_us();

        fetch(s, s->a, QUEUE_SUBMITTED, 1);
        OK(queue_hops(s->a,
                      &(struct queue_hop){
                          .claim = s->claims.items, .stage = QUEUE_READY, .items = items, .count = count},
                      1, &s->fault));
        print_message("hop of %zu items: %.1f ms\n", count, (double)(clock_wall_us() - start_us) / 1000);
        assert_int_equal(RUN(s->a, "KEYS", KEY("d:*")), count);
        publish(s, QUEUE_SUBMITTED, "j1", NULL);
    }
    OK(queue_lanes(s->a, &names, &s->fault));
    assert_string_equal(names[49], "web9:acme:normal");
    assert_null(names[50]);
    queue_lanes_free(names);
}

static void reaping_passes_busy_entries_and_all_lanes(void **state)
{
    enum { LANES = 100, BUSY = 300 };
    struct scene *s = *state;
    char text[32];
    size_t got = 0;

    for (int i = 0; i < LANES; i++) {
        snprintf(text, sizeof text, "lane%03d:t:low", i);
        publish(s, QUEUE_READY, text, text);
        OK(queue_fetch_lane(s->a, text, 1, &s->claims, &s->fault));
    }
    for (int call = 0; call < 3; call++) {
        queue_claims_release(&s->taken);
        OK(queue_reap(s->b, QUEUE_READY, call < 2 ? 0 : 60000, 1000, &s->taken, &s->fault));
        got += s->taken.count;
        assert_in_range(s->taken.count, 0, 64);
    }
    assert_int_equal(got, 64 + 64); /* 100 once, then from the start again */
    queue_claims_release(&s->claims);
    for (int i = 0; i <= BUSY; i++) {
        snprintf(text, sizeof text, "busy%03d", i);
        publish(s, QUEUE_ROUTED, text, NULL);
    }
    fetch(s, s->a, QUEUE_ROUTED, BUSY + 1);
    age(s, &s->claims.items[BUSY]);
    queue_claims_release(&s->taken);
    OK(queue_reap(s->b, QUEUE_ROUTED, 60000, 1, &s->taken,
                  &s->fault)); /* COUNT 1 looks at 10 entries a call */
    assert_int_equal(s->taken.count, 1);
    assert_string_equal(s->taken.items[0].id, "busy300");
}

/* ---- the model ---- */

enum {
    MODEL_STEPS_EXACT = 10000,
    MODEL_STEPS = 16000, /* some five seconds */
    MODEL_JOBS = 4000,
    MODEL_FANOUT = 3,
    MODEL_IDS = MODEL_JOBS * (MODEL_FANOUT + 1),
    MODEL_WORKERS = 4,
};

/* What PostgreSQL knows of an id, and whose it is in Redis: the claim that must hold. */
struct row {
    bool exists, done;
    int sent;
    bool held;
    int owner, crashes;
    char entry[32];
};

struct held {
    struct queue_claim claim;
    int owner;
};

struct model {
    struct scene *s;
    struct queue *workers[MODEL_WORKERS];
    struct row *rows; /* job j is row j * (FANOUT + 1), its deliveries follow */
    struct held *held;
    size_t held_count, held_cap;
    int jobs, oldest; /* rows before `oldest` are done */
    uint64_t random;
    bool exact; /* so far no fault that makes `held` of a row unsure */
    long stolen, wiped, stale, duplicates, damages;
};

static int dice(struct model *m, int sides)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (int)((m->random >> 20) % (uint64_t)sides);
}

static struct row *row_of(struct model *m, const char *id)
{
    return &m->rows[strtol(id + 1, NULL, 10)];
}

static bool holds(struct model *m, const struct held *held)
{
    const struct row *row = row_of(m, held->claim.id);

    return row->held && row->owner == held->owner && row->crashes == held->claim.crashes &&
           strcmp(row->entry, held->claim.entry) == 0;
}

static void model_hold(struct model *m, int owner, struct queue_claims *claims)
{
    for (size_t i = 0; i < claims->count; i++) {
        struct row *row = row_of(m, claims->items[i].id);

        if (m->held_count == m->held_cap) {
            m->held_cap = m->held_cap ? 2 * m->held_cap : 64;
            m->held = xreallocarray(m->held, m->held_cap, sizeof *m->held);
        }
        queue_claim_copy(&m->held[m->held_count].claim, &claims->items[i]);
        m->held[m->held_count++].owner = owner;
        row->held = true;
        row->owner = owner;
        row->crashes = claims->items[i].crashes;
        snprintf(row->entry, sizeof row->entry, "%s", claims->items[i].entry);
    }
    queue_claims_release(claims);
}

static void model_forget(struct model *m, size_t i)
{
    queue_claim_release(&m->held[i].claim);
    m->held[i] = m->held[--m->held_count];
}

static void model_lane(char lane[32], int row)
{
    snprintf(lane, 32, "web%d:t%d:normal", row % 3, row % 2);
}

static void model_publish(struct model *m, int row)
{
    struct scene *s = m->s;
    bool job = row % (MODEL_FANOUT + 1) == 0;
    char id[16];

    snprintf(id, sizeof id, "%c%d", job ? 'j' : 'd', row);
    OK(queue_publish(m->workers[0], job ? QUEUE_SUBMITTED : QUEUE_ROUTED, &(struct queue_item){.id = id}, 1,
                     NULL, &s->fault));
}

static void model_reconcile(struct model *m, int share)
{
    int end = m->jobs * (MODEL_FANOUT + 1);

    for (int row = m->oldest; row < end; row++) {
        if (m->rows[row].exists && !m->rows[row].done && dice(m, share) == 0)
            model_publish(m, row);
        if (row == m->oldest && (!m->rows[row].exists || m->rows[row].done) &&
            row / (MODEL_FANOUT + 1) < m->jobs - 1)
            m->oldest++;
    }
}

static void model_fetch(struct model *m, bool all)
{
    struct scene *s = m->s;
    struct queue_claims claims = {0};
    int owner = dice(m, MODEL_WORKERS), stage = dice(m, 4);
    size_t want = all ? 1000 : (size_t)dice(m, 8) + 1;
    char lane[32];

    model_lane(lane, dice(m, 6));
    if (stage >= QUEUE_READY)
        OK(queue_fetch_lane(m->workers[owner], lane, want, &claims, &s->fault));
    else
        OK(queue_fetch(m->workers[owner], (enum queue_stage)stage, want, &claims, &s->fault));
    model_hold(m, owner, &claims);
}

static void model_reap(struct model *m, int64_t idle_ms)
{
    struct scene *s = m->s;
    struct queue_claims claims = {0};
    int owner = dice(m, MODEL_WORKERS);

    OK(queue_reap(m->workers[owner], (enum queue_stage)dice(m, QUEUE_STAGE_COUNT), idle_ms,
                  (size_t)dice(m, 20) + 1, &claims, &s->fault));
    m->stolen += (long)claims.count;
    model_hold(m, owner, &claims);
}

/* The id has left the place that the claim names. */
static void model_settled(struct model *m, const struct held *held, bool whoever)
{
    if (whoever || holds(m, held))
        row_of(m, held->claim.id)->held = false;
}

static void model_hop(struct model *m, const struct held *held)
{
    struct scene *s = m->s;
    struct row *row = row_of(m, held->claim.id);
    int number = (int)(row - m->rows);
    struct queue_item items[MODEL_FANOUT];
    char ids[MODEL_FANOUT][16], lane[32];
    struct queue_hop go = {.claim = &held->claim, .items = items};

    if (held->claim.id[0] == 'j') {
        row->done = true; /* the commit: deliveries exist from now on */
        go.stage = QUEUE_ROUTED;
        for (int i = 0; i < MODEL_FANOUT; i++) {
            row[i + 1].exists = true;
            snprintf(ids[i], sizeof ids[i], "d%d", number + i + 1);
            items[go.count++] = (struct queue_item){.id = ids[i]};
        }
        if (dice(m, 10) == 0)
            return; /* killed after the commit */
    } else {
        go.stage = QUEUE_READY;
        model_lane(lane, number);
        items[go.count++] = (struct queue_item){.id = held->claim.id, .lane = lane};
    }
    OK(queue_hops(m->workers[held->owner], &go, 1, &s->fault));
    model_settled(m, held, false);
}

/* One attempt of a delivery in its lane; killed at each gap now and then. */
static void model_deliver(struct model *m, const struct held *held, int kill)
{
    struct row *row = row_of(m, held->claim.id);
    bool success = dice(m, 3) > 0;

    if (dice(m, kill) == 0)
        return;
    row->sent += success;
    if (dice(m, kill) == 0)
        return;
    row->done |= success;
    if (dice(m, kill) == 0)
        return;
    finish(m->s, m->workers[held->owner], &held->claim, success);
    model_settled(m, held, success);
}

static void model_work(struct model *m, int kill)
{
    size_t i;
    struct held *held;
    struct queue *queue;

    if (m->held_count == 0)
        return;
    i = (size_t)dice(m, (int)m->held_count);
    held = &m->held[i];
    queue = m->workers[held->owner];
    m->stale += !holds(m, held);
    if (dice(m, 8) == 0) {
        assert_int_equal(lost(m->s, queue, &held->claim),
                         m->exact ? !holds(m, held) : lost(m->s, queue, &held->claim));
        return;
    }
    if (row_of(m, held->claim.id)->done) {
        finish(m->s, queue, &held->claim, true);
        model_settled(m, held, true);
    } else if (dice(m, 10) == 0) {
        release(m->s, queue, &held->claim);
        model_settled(m, held, false);
    } else if (strstr(held->claim.stream, ":ready:")) {
        model_deliver(m, held, kill);
    } else if (dice(m, kill) > 0) {
        model_hop(m, held);
    }
    model_forget(m, i);
}

static void model_wipe(struct model *m)
{
    for (int row = 0; row < m->jobs * (MODEL_FANOUT + 1); row++)
        m->rows[row].held = false;
    m->wiped++;
    RUN(m->workers[0], "FLUSHALL");
}

/* Somebody deletes keys: entries without hashes, hashes without entries, streams without groups. */
static void model_damage(struct model *m)
{
    char key[64], lane[32];

    m->damages += 20; /* a deleted stream may leave that many, and mostly leaves none */
    model_lane(lane, dice(m, 6));
    snprintf(key, sizeof key, "%s%s", KEY("ready:"), lane);
    switch (dice(m, 5)) {
    case 0:
        RUN(m->workers[0], "DEL", key);
        break;
    case 1:
        RUN(m->workers[0], "DEL", KEY("lanes"), KEY("bell:ready"));
        break;
    case 2:
        if (RUN(m->workers[0], "EXISTS", key))
            RUN(m->workers[0], "XGROUP", "DESTROY", key, "dist");
        break;
    case 3:
        RUN(m->workers[0], "XTRIM", KEY("routed"), "MAXLEN", "=", "2");
        break;
    default:
        snprintf(key, sizeof key, "%s%d", KEY("d:d"), dice(m, m->jobs * (MODEL_FANOUT + 1) + 1));
        RUN(m->workers[0], "DEL", key);
    }
}

/* Hashes and entries one to one, owned ones and pending ones too, lanes and bells of streams that exist. */
static void model_check(struct model *m)
{
    static const char check[] =
        "local n, entries, claimed, pending = 0, 0, 0, 0\n"
        "for _, k in ipairs(redis.call('KEYS', '*')) do\n"
        "  if string.find(k, '{0}:d:', 1, true) then n = n + 1\n"
        "    local d = redis.call('HMGET', k, 's', 'e', 'o')\n"
        "    if d[3] ~= '' then claimed = claimed + 1 end\n"
        "    local r = redis.call('XRANGE', d[1], d[2], d[2])[1]\n"
        "    if not r or 'dist:{0}:d:' .. r[2][2] ~= k then return redis.error_reply('hash ' .. k) end\n"
        "  elseif redis.call('TYPE', k).ok == 'stream' then\n"
        "    entries = entries + redis.call('XLEN', k)\n"
        "    pending = pending + redis.call('XPENDING', k, 'dist')[1]\n"
        "    local lane = string.match(k, '{0}:ready:(.*)')\n"
        "    if lane and redis.call('SISMEMBER', 'dist:{0}:lanes', lane) == 0 then\n"
        "      return redis.error_reply('not listed ' .. k) end\n"
        "  elseif redis.call('TYPE', k).ok == 'zset' then\n"
        "    for _, s in ipairs(redis.call('ZRANGE', k, 0, -1)) do\n"
        "      if redis.call('EXISTS', s) == 0 then return redis.error_reply('bell ' .. s) end end\n"
        "  end\n"
        "end\n"
        "for _, l in ipairs(redis.call('SMEMBERS', 'dist:{0}:lanes')) do\n"
        "  if redis.call('EXISTS', 'dist:{0}:ready:' .. l) == 0 then return redis.error_reply('lane ' .. l) "
        "end end\n"
        "if n ~= entries then return redis.error_reply(n .. ' hashes, ' .. entries .. ' entries') end\n"
        "if claimed ~= pending then return redis.error_reply(claimed .. ' claimed, ' .. pending .. ' "
        "pending') end\n"
        "return n\n";

    RUN(m->workers[0], "EVAL", check, "0");
}

static void model_step(struct model *m)
{
    int op = dice(m, 1000);

    if (op < 100 && m->jobs < MODEL_JOBS) {
        int row = m->jobs++ * (MODEL_FANOUT + 1);

        m->rows[row].exists = true;
        if (dice(m, 10) > 0) /* else killed between commit and publish */
            model_publish(m, row);
    } else if (op < 350) {
        model_fetch(m, false);
    } else if (op < 900) {
        model_work(m, 10);
    } else if (op < 930) {
        model_reap(m, 0); /* every claim may be stolen, those of living workers too */
    } else if (op < 950) {
        for (size_t i = 0, owner = (size_t)dice(m, MODEL_WORKERS); i < m->held_count;) /* kill -9 */
            if (m->held[i].owner == (int)owner)
                model_forget(m, i);
            else
                i++;
    } else if (op < 990) {
        redis_close(queue_redis(m->workers[dice(m, MODEL_WORKERS)]));
    } else if (op < 994) {
        model_reconcile(m, 4);
    } else if (op < 995) {
        model_wipe(m);
    } else if (op < 998) {
        RUN(m->workers[0], "SCRIPT", "FLUSH");
    } else if (m->exact) {
        model_check(m);
    } else {
        model_damage(m);
    }
}

static bool model_open(const struct model *m)
{
    for (int row = 0; row < m->jobs * (MODEL_FANOUT + 1); row++)
        if (m->rows[row].exists && !m->rows[row].done)
            return true;
    return false;
}

/* Keys that are not hashes of ids. A hash whose stream somebody deleted stays, if its id had ended by then:
 * nobody asks for it again. That is why this is no DBSIZE after damage. */
static long long model_left(struct model *m)
{
    static const char left[] = "local n = 0\n"
                               "for _, k in ipairs(redis.call('KEYS', '*')) do\n"
                               "  if not string.find(k, '{0}:d:', 1, true) then n = n + 1 end\n"
                               "end\n"
                               "return n\n";

    return RUN(m->workers[0], "EVAL", left, "0");
}

static void model_drain(struct model *m)
{
    m->oldest = 0;
    for (int round = 0; round < 2000 && (model_open(m) || model_left(m) > 0); round++) {
        if (round % 20 == 0)
            model_reconcile(m, 1);
        for (int i = 0; i < 6; i++)
            model_fetch(m, true);
        model_reap(m, 0);
        while (m->held_count > 0)
            model_work(m, 1000000);
    }
}

static uint64_t model_seed(void)
{
    const char *text = getenv("DIST_TEST_SEED");
    uint64_t seed;

    rng_bytes(&seed, sizeof seed);
    seed = text ? strtoull(text, NULL, 10) : seed % 1000000;
    print_message("DIST_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void nothing_is_lost_whatever_happens(void **state)
{
    struct scene *s = *state;
    struct model m = {.s = s, .exact = true, .random = (model_seed() + 1) * 0x9E3779B97F4A7C15u};
    static const char *const names[MODEL_WORKERS] = {"w0", "w1", "w2", "w3"};

    m.rows = xcalloc(MODEL_IDS, sizeof *m.rows);
    for (int i = 0; i < MODEL_WORKERS; i++)
        m.workers[i] = worker(&s->server, names[i]);
    for (int step = 0; step < MODEL_STEPS; step++) {
        if (step == MODEL_STEPS_EXACT) { /* from now on with damage */
            model_drain(&m);
            assert_false(model_open(&m));
            assert_int_equal(RUN(m.workers[0], "DBSIZE"), 0);
            m.exact = false;
        }
        model_step(&m);
    }
    model_drain(&m);
    assert_false(model_open(&m));
    for (int row = 0; row < m.jobs * (MODEL_FANOUT + 1); row++) {
        assert_true(m.rows[row].exists);
        if (row % (MODEL_FANOUT + 1) != 0) {
            assert_true(m.rows[row].sent > 0);
            m.duplicates += m.rows[row].sent - 1;
        }
    }
    assert_int_equal(model_left(&m), 0);
    assert_in_range(RUN(m.workers[0], "DBSIZE"), 0, m.damages);
    print_message("model: %d steps, %d jobs, %d deliveries, %ld duplicates, %ld taken over, %ld stale acts, "
                  "%ld wipes\n",
                  MODEL_STEPS, m.jobs, m.jobs * MODEL_FANOUT, m.duplicates, m.stolen, m.stale, m.wiped);
    for (int i = 0; i < MODEL_WORKERS; i++)
        queue_free(m.workers[i]);
    free(m.held);
    free(m.rows);
}

static void a_batch_costs_this_much(void **state)
{
    enum { BATCH = 100, ROUNDS = 100 };
    struct scene *s = *state;
    static char ids[BATCH][48];
    struct queue_item items[BATCH];
    struct queue_hop hops[BATCH];
    struct queue_finish ends[BATCH];
    int64_t start_us, spent_us[4] = {0};
    static const char *const names[] = {"publish", "fetch", "hop", "finish"};

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < BATCH; i++) {
            snprintf(ids[i], sizeof ids[i], "0190a1b2-c3d4-7000-8000-%06d%06d", round, i);
            items[i] = (struct queue_item){.id = ids[i], .lane = LANE};
        }
        start_us = clock_wall_us();
        OK(queue_publish(s->a, QUEUE_ROUTED, items, BATCH, NULL, &s->fault));
        spent_us[0] += clock_wall_us() - start_us;
        start_us = clock_wall_us();
        assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, BATCH), BATCH);
        spent_us[1] += clock_wall_us() - start_us;
        for (int i = 0; i < BATCH; i++)
            hops[i] = (struct queue_hop){
                .claim = &s->claims.items[i], .stage = QUEUE_READY, .items = &items[i], .count = 1};
        start_us = clock_wall_us();
        OK(queue_hops(s->a, hops, BATCH, &s->fault));
        spent_us[2] += clock_wall_us() - start_us;
        start_us = clock_wall_us();
        assert_int_equal(fetch(s, s->a, QUEUE_READY, BATCH), BATCH);
        spent_us[1] += clock_wall_us() - start_us;
        for (int i = 0; i < BATCH; i++)
            ends[i] = (struct queue_finish){.claim = &s->claims.items[i], .ended = true};
        start_us = clock_wall_us();
        OK(queue_finish(s->a, ends, BATCH, &s->fault));
        spent_us[3] += clock_wall_us() - start_us;
    }
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    for (int i = 0; i < 4; i++)
        print_message("%s: %.1f us an id\n", names[i],
                      (double)spent_us[i] / (BATCH * ROUNDS * (i == 1 ? 2 : 1)));
    print_message("all (publish, fetch, hop, fetch, finish): %.0f ids/s\n",
                  1e6 * BATCH * ROUNDS / (double)(spent_us[0] + spent_us[1] + spent_us[2] + spent_us[3]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(publishing_what_is_there_changes_nothing),
        TEST(improper_ids_and_lanes_are_refused),
        TEST(an_id_goes_through_all_stages_and_leaves_nothing),
        TEST(fetching_is_in_order_bounded_and_exclusive),
        TEST(a_claim_that_was_taken_over_moves_nothing),
        TEST(a_claim_taken_over_by_its_own_process_is_void),
        TEST(lost_workers_are_counted),
        TEST(released_entries_go_to_the_end_and_ring),
        TEST(renewed_entries_are_not_taken_over),
        TEST(malformed_entries_are_quarantined),
        TEST(a_wipe_changes_the_epoch_and_voids_all_claims),
        TEST(a_server_that_restarts_is_used_again),
        TEST(what_others_deleted_is_healed),
        TEST(without_memory_nothing_comes_in_and_all_goes_out),
        TEST(without_memory_a_job_still_becomes_its_deliveries),
        TEST(what_is_published_before_a_finish_is_there_after_it),
        TEST(a_wish_ends_where_the_id_is_looked_at_anyway),
        TEST(the_bell_wakes_one_waiter_at_once_and_a_full_fetch_the_next),
        TEST(depths_are_listed_by_stage_and_lane),
        TEST(a_hop_may_have_thousands_of_items),
        TEST(reaping_passes_busy_entries_and_all_lanes),
        TEST(nothing_is_lost_whatever_happens),
        TEST(a_batch_costs_this_much),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
