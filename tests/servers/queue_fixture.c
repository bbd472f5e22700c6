/*
 * The server of a group of tests, and what they say in one line each.
 */
#include "queue_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clock.h"

struct queue *worker_new(const struct server *server, const char *owner, unsigned partitions)
{
    return queue_new(redis_new(&(struct redis_config){.host = server->socket, .timeout_ms = 3000}), owner,
                     partitions);
}

/* Its bus needs a port, on the loopback address: one that was free a moment ago. */
static void free_port(char port[8])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(port, 8, "%d", ntohs(address.sin_port));
    close(fd);
}

/* All slots are its own; it takes them into use after a while. */
static void join_cluster(struct queue *queue, int64_t deadline_ms)
{
    struct fault fault = {0};
    redisReply *reply;
    bool ready = false;

    RUN(queue, "CLUSTER", "ADDSLOTSRANGE", "0", "16383");
    while (!ready) {
        assert_true(clock_mono_ms() < deadline_ms);
        reply = redis_commandf(queue_redis(queue), 0, &fault, "CLUSTER INFO");
        ready = reply && strstr(reply->str, "cluster_state:ok");
        freeReplyObject(reply);
        usleep(5000);
    }
}

void server_start(struct server *server)
{
    int64_t deadline_ms = clock_mono_ms() + 10000;
    struct queue *queue = worker_new(server, "probe", 1);
    struct fault fault = {0};
    char port[8];
    redisReply *reply;

    free_port(port);
    server->pid = fork();
    if (server->pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with the test, however that ends */
        dup2(null, 1);
        dup2(null, 2);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", server->socket, "--dir",
               server->folder, "--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--cluster-enabled",
               server->cluster ? "yes" : "no", "--cluster-port", port, "--cluster-require-full-coverage",
               "no", (char *)NULL);
        _exit(127);
    }
    assert_true(server->pid > 0);
    while (!(reply = redis_commandf(queue_redis(queue), 0, &fault, "PING"))) {
        if (clock_mono_ms() > deadline_ms || waitpid(server->pid, NULL, WNOHANG) != 0)
            fail_msg("redis-server does not start: %s", fault.text);
        usleep(5000);
    }
    freeReplyObject(reply);
    if (server->cluster)
        join_cluster(queue, deadline_ms);
    queue_free(queue);
}

void server_kill(struct server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    unlink(server->socket);
}

long long run_command(struct queue *queue, int argc, const char *const *argv)
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

static int group_setup(void **state, bool cluster)
{
    static struct scene scene;

    scene.server.cluster = cluster;
    snprintf(scene.server.folder, sizeof scene.server.folder, "/tmp/dist-queue-XXXXXX");
    if (!mkdtemp(scene.server.folder))
        return -1;
    snprintf(scene.server.socket, sizeof scene.server.socket, "%s/redis.sock", scene.server.folder);
    server_start(&scene.server);
    *state = &scene;
    return 0;
}

int scene_group_setup(void **state)
{
    return group_setup(state, false);
}

int scene_group_setup_cluster(void **state)
{
    return group_setup(state, true);
}

int scene_group_teardown(void **state)
{
    struct scene *scene = *state;
    char nodes[96];

    server_kill(&scene->server);
    snprintf(nodes, sizeof nodes, "%s/nodes.conf", scene->server.folder);
    unlink(nodes);
    rmdir(scene->server.folder);
    return 0;
}

int scene_setup(void **state)
{
    struct scene *scene = *state;

    scene->a = worker_new(&scene->server, "a", 1);
    scene->b = worker_new(&scene->server, "b", 1);
    scene->fault = (struct fault){0};
    RUN(scene->a, "CONFIG", "SET", "maxmemory", "0");
    RUN(scene->a, "FLUSHALL");
    return 0;
}

int scene_teardown(void **state)
{
    struct scene *scene = *state;

    queue_claims_release(&scene->claims);
    queue_claims_release(&scene->taken);
    queue_free(scene->a);
    queue_free(scene->b);
    return 0;
}

const char *lane_of(enum queue_stage stage, const char *lane)
{
    if (lane)
        return lane;
    return stage == QUEUE_READY ? LANE : EARLY;
}

size_t publish(struct scene *s, enum queue_stage stage, const char *id, const char *lane)
{
    size_t added;

    OK(queue_publish(s->a, stage, &(struct queue_item){.id = id, .lane = lane_of(stage, lane)}, 1, 0, &added,
                     &s->fault));
    return added;
}

size_t fetch_lane(struct scene *s, struct queue *queue, enum queue_stage stage, const char *lane, size_t want)
{
    queue_claims_release(&s->claims);
    OK(queue_fetch(queue, stage, &(struct queue_want){.lane = lane_of(stage, lane), .count = want}, 1,
                   &s->claims, &s->fault));
    return s->claims.count;
}

size_t fetch(struct scene *s, struct queue *queue, enum queue_stage stage, size_t want)
{
    return fetch_lane(s, queue, stage, NULL, want);
}

size_t take_over(struct scene *s, struct queue *queue, enum queue_stage stage, int64_t idle_ms)
{
    queue_claims_release(&s->taken);
    OK(queue_reap(queue, stage, idle_ms, 1000, &s->taken, &s->fault));
    return s->taken.count;
}

void hop(struct scene *s, struct queue *queue, const struct queue_claim *claim, enum queue_stage stage,
         const char *id)
{
    struct queue_item item = {.id = id, .lane = lane_of(stage, NULL)};

    OK(queue_hops(queue, &(struct queue_hop){.claim = claim, .stage = stage, .items = &item, .count = 1}, 1,
                  &s->fault));
}

void finish(struct scene *s, struct queue *queue, const struct queue_claim *claim, bool ended)
{
    OK(queue_finish(queue, &(struct queue_finish){.claim = claim, .ended = ended}, 1, &s->fault));
}

void release(struct scene *s, struct queue *queue, const struct queue_claim *claim)
{
    OK(queue_release(queue, &claim, 1, &s->fault));
}

bool lost(struct scene *s, struct queue *queue, const struct queue_claim *claim)
{
    bool is_lost;

    OK(queue_renew(queue, &claim, 1, &is_lost, &s->fault));
    return is_lost;
}

bool recall(struct scene *s, const char *id)
{
    bool recalled;

    OK(queue_recall(s->a, &(struct queue_item){.id = id}, 1, &recalled, &s->fault));
    return recalled;
}

bool is_present(struct scene *s, const char *id)
{
    struct queue_place place;
    bool present;

    OK(queue_find(s->a, &(struct queue_item){.id = id}, &place, &s->fault));
    present = place.stream != NULL;
    free(place.stream);
    return present;
}

void assert_lanes(struct scene *s, enum queue_stage stage, const char *const *names)
{
    struct queue_lane *lanes;
    size_t count;

    OK(queue_lanes(s->a, stage, &lanes, &count, &s->fault));
    for (size_t i = 0; i < count; i++) {
        assert_non_null(names[i]);
        assert_string_equal(lanes[i].name, names[i]);
        assert_int_equal(lanes[i].partition, 0);
    }
    assert_null(names[count]);
    queue_lanes_free(lanes, count);
}
