/*
 * queue_fixture - an empty Redis and two workers for the tests of queue.c and holds.c
 *
 * A group has one server; each test finds it empty and with memory. Helpers fail the test where a call of the
 * queue does not work. Where a lane is NULL, it is the one of its stage.
 */
#ifndef DIST_QUEUE_FIXTURE_H
#define DIST_QUEUE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <cmocka.h>
#include "queue.h"

/* The lanes that tests use where it does not matter, and their keys. */
#define EARLY "acme:normal"
#define LANE "web:acme:normal"
#define KEY(name) "dist:{0}:" name
#define SUBMITTED KEY("submitted:" EARLY)
#define ROUTED KEY("routed:" EARLY)
#define READY KEY("ready:" LANE)

struct server {
    char folder[64];
    char socket[96];
    bool cluster; /* the only node of one; it works with the slots that it has */
    pid_t pid;
};
void server_start(struct server *server);
void server_kill(struct server *server);

struct scene {
    struct server server;
    struct queue *a, *b;
    struct fault fault;
    struct queue_claims claims, taken;
};
int scene_group_setup(void **state);
int scene_group_setup_cluster(void **state);
int scene_group_teardown(void **state);
int scene_setup(void **state);
int scene_teardown(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

struct queue *worker_new(const struct server *server, const char *owner, unsigned partitions);

/* One command that must work; its integer, or the number of its elements. */
long long run_command(struct queue *queue, int argc, const char *const *argv);
#define RUN(queue, ...)                                                                                      \
    run_command(queue, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *),                          \
                (const char *const[]){__VA_ARGS__})

/* The call works; its fault is shown where it does not. `s` is the scene. */
#define OK(call)                                                                                             \
    do {                                                                                                     \
        if ((call) != 0)                                                                                     \
            fail_msg("%s: %s", #call, s->fault.text);                                                        \
    } while (0)

const char *lane_of(enum queue_stage stage, const char *lane);
/* How many were added: 0 or 1. */
size_t publish(struct scene *s, enum queue_stage stage, const char *id, const char *lane);
/* What `queue` gets from one lane, in s->claims alone. */
size_t fetch(struct scene *s, struct queue *queue, enum queue_stage stage, size_t want);
size_t fetch_lane(struct scene *s, struct queue *queue, enum queue_stage stage, const char *lane,
                  size_t want);
size_t take_over(struct scene *s, struct queue *queue, enum queue_stage stage, int64_t idle_ms);
void hop(struct scene *s, struct queue *queue, const struct queue_claim *claim, enum queue_stage stage,
         const char *id);
void finish(struct scene *s, struct queue *queue, const struct queue_claim *claim, bool ended);
void release(struct scene *s, struct queue *queue, const struct queue_claim *claim);
bool lost(struct scene *s, struct queue *queue, const struct queue_claim *claim);
bool recall(struct scene *s, const char *id);
bool is_present(struct scene *s, const char *id);
/* The lanes of a stage are these, by their names (partition 0), up to NULL. */
void assert_lanes(struct scene *s, enum queue_stage stage, const char *const *names);
#define LANES_ARE(s, stage, ...) assert_lanes(s, stage, (const char *const[]){__VA_ARGS__, NULL})

#endif
