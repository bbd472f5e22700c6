/*
 * The path of an id through queue.c: published, found, claimed, moved, recalled; lanes and bells. Claims that
 * are lost are in test_queue_claims.c, faults in test_queue_faults.c.
 */
#include "queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clock.h"

static void publishing_what_is_there_changes_nothing(void **state)
{
    struct scene *s = *state;
    struct queue_item items[300];
    char ids[300][16];
    size_t added;

    assert_int_equal(publish(s, QUEUE_SUBMITTED, "j1", NULL), 1);
    assert_int_equal(publish(s, QUEUE_SUBMITTED, "j1", NULL), 0);
    assert_int_equal(publish(s, QUEUE_ROUTED, "j1", NULL), 0); /* an id is in one place only */
    assert_int_equal(RUN(s->a, "XLEN", SUBMITTED), 1);
    assert_int_equal(RUN(s->a, "EXISTS", ROUTED), 0);
    for (int i = 0; i < 300; i++) {
        snprintf(ids[i], sizeof ids[i], "d%d", i / 2); /* twice each */
        items[i] = (struct queue_item){.id = ids[i], .lane = LANE};
    }
    OK(queue_publish(s->a, QUEUE_READY, items, 300, 0, &added, &s->fault));
    assert_int_equal(added, 150);
    OK(queue_publish(s->a, QUEUE_READY, items, 300, 0, NULL, &s->fault));
    OK(queue_publish(s->a, QUEUE_READY, items, 0, 0, &added, &s->fault));
    assert_int_equal(added, 0);
    assert_int_equal(RUN(s->a, "XLEN", READY), 150);
}

static void improper_ids_and_lanes_are_refused(void **state)
{
    struct scene *s = *state;
    const char *const ids[] = {"", "a b", "a\nb", "\xc3\xa9",
                               "0123456789012345678901234567890123456789012345678901234567890123"};
    static char long_lane[502];
    const char *const lanes[] = {NULL, "", long_lane};
    struct queue_item item;
    struct queue_place place;
    int64_t length;
    bool recalled;

    memset(long_lane, 'x', 501);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_int_equal(queue_publish(s->a, QUEUE_ROUTED, &(struct queue_item){.id = ids[i], .lane = EARLY},
                                       1, 0, NULL, &s->fault),
                         -1);
        assert_int_equal(s->fault.class, FAULT_BUG);
    }
    assert_int_equal(queue_recall(s->a, &(struct queue_item){.id = "a b"}, 1, &recalled, &s->fault), -1);
    assert_int_equal(queue_find(s->a, &(struct queue_item){.id = ""}, &place, &s->fault), -1);
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
        item = (struct queue_item){.id = "d", .lane = lanes[i]};
        for (int stage = 0; stage < QUEUE_STAGE_COUNT; stage++) {
            assert_int_equal(queue_publish(s->a, stage, &item, 1, 0, NULL, &s->fault), -1);
            assert_int_equal(s->fault.class, FAULT_BUG);
            assert_int_equal(queue_fetch(s->a, stage, &(struct queue_want){.lane = lanes[i], .count = 1}, 1,
                                         &s->claims, &s->fault),
                             -1);
            assert_int_equal(queue_lengths(s->a, stage, &item, 1, &length, &s->fault), -1);
            assert_int_equal(s->fault.class, FAULT_BUG);
        }
    }
    item = (struct queue_item){.id = "d", .lane = "a b:normal"};
    assert_int_equal(queue_publish(s->a, QUEUE_ROUTED, &item, 1, 0, NULL, &s->fault), -1);
    assert_int_equal(s->fault.class, FAULT_BUG);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

/* A blank would end its field in a record. */
static void an_owner_may_have_a_blank_in_its_name(void **state)
{
    struct scene *s = *state;
    struct queue *odd = worker_new(&s->server, "my host\n:1", 1);

    publish(s, QUEUE_ROUTED, "d1", NULL);
    assert_int_equal(fetch(s, odd, QUEUE_ROUTED, 1), 1);
    assert_false(lost(s, odd, &s->claims.items[0]));
    finish(s, odd, &s->claims.items[0], false);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    queue_free(odd);
}

/* Records are written when a call ends; what it did before, it knows. */
static void an_id_may_be_in_a_batch_more_than_once(void **state)
{
    struct scene *s = *state;
    const struct queue_item twice[] = {{.id = "d1", .lane = EARLY}, {.id = "d1", .lane = EARLY}},
                            ready = {.id = "d1", .lane = LANE}, again = {.id = "d1", .lane = EARLY};
    struct queue_hop hops[3];
    struct queue_finish finishes[3];
    bool recalled[2];
    size_t added;

    OK(queue_publish(s->a, QUEUE_ROUTED, twice, 2, 0, &added, &s->fault));
    assert_int_equal(added, 1);
    assert_int_equal(RUN(s->a, "XLEN", ROUTED), 1);
    OK(queue_recall(s->a, twice, 2, recalled, &s->fault));
    assert_true(recalled[0] && recalled[1]);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);

    publish(s, QUEUE_SUBMITTED, "j1", NULL);
    publish(s, QUEUE_ROUTED, "d1", NULL);
    fetch(s, s->a, QUEUE_SUBMITTED, 1);
    struct queue_claim job;
    queue_claim_copy(&job, &s->claims.items[0]);
    fetch(s, s->a, QUEUE_ROUTED, 1);
    struct queue_claim *claim = &s->claims.items[0];
    hops[0] = (struct queue_hop){.claim = &job, .stage = QUEUE_ROUTED, .items = &again, .count = 1};
    hops[1] = hops[2] = (struct queue_hop){.claim = claim, .stage = QUEUE_READY, .items = &ready, .count = 1};
    OK(queue_hops(s->a, hops, 3, &s->fault)); /* it moves, so the job need not publish it */
    queue_claim_release(&job);
    assert_int_equal(RUN(s->a, "EXISTS", SUBMITTED, ROUTED), 0);
    assert_int_equal(RUN(s->a, "XLEN", READY), 1);
    assert_true(is_present(s, "d1"));

    fetch(s, s->a, QUEUE_READY, 1);
    publish(s, QUEUE_ROUTED, "d1", NULL); /* a wish */
    claim = &s->claims.items[0];
    for (int i = 0; i < 3; i++)
        finishes[i] = (struct queue_finish){.claim = claim, .ended = i != 1};
    OK(queue_finish(s->a, finishes, 3, &s->fault));
    assert_int_equal(RUN(s->a, "EXISTS", READY), 0);
    assert_int_equal(RUN(s->a, "XLEN", ROUTED), 1);
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 9), 1);
    finish(s, s->a, &s->claims.items[0], false);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void an_id_goes_through_all_stages_and_leaves_nothing(void **state)
{
    struct scene *s = *state;
    struct queue_item deliveries[] = {{.id = "d1", .lane = EARLY}, {.id = "d2", .lane = EARLY}};

    publish(s, QUEUE_SUBMITTED, "j1", NULL);
    assert_int_equal(fetch(s, s->a, QUEUE_SUBMITTED, 10), 1);
    assert_string_equal(s->claims.items[0].id, "j1");
    assert_string_equal(s->claims.items[0].stream, SUBMITTED);
    assert_int_equal(s->claims.items[0].crashes, 0);
    OK(queue_hops(
        s->a,
        &(struct queue_hop){.claim = s->claims.items, .stage = QUEUE_ROUTED, .items = deliveries, .count = 2},
        1, &s->fault));
    assert_false(is_present(s, "j1"));
    assert_int_equal(RUN(s->a, "EXISTS", SUBMITTED), 0);
    assert_int_equal(fetch(s, s->a, QUEUE_SUBMITTED, 10), 0);
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 10), 2);
    for (int i = 0; i < 2; i++)
        hop(s, s->a, &s->claims.items[i], QUEUE_READY, s->claims.items[i].id);
    assert_int_equal(RUN(s->a, "EXISTS", ROUTED), 0);
    LANES_ARE(s, QUEUE_ROUTED, NULL);
    LANES_ARE(s, QUEUE_READY, LANE);
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
        struct queue *queue = worker_new(&s->server, "listener", 1);
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

static void a_hop_may_have_thousands_of_items(void **state)
{
    enum { COUNT = 2500 };
    struct scene *s = *state;
    static char ids[COUNT][24], lanes[COUNT][32];
    static struct queue_item items[COUNT];
    struct queue_lane *names;
    size_t found;

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
    OK(queue_lanes(s->a, QUEUE_READY, &names, &found, &s->fault));
    assert_int_equal(found, 50);
    assert_string_equal(names[49].name, "web9:acme:normal");
    queue_lanes_free(names, found);
}

/* A lane per tenant in the early stages, too: one that floods stands in its own. */
static void every_stage_has_lanes(void **state)
{
    struct scene *s = *state;
    const struct queue_want wants[] = {{.lane = "acme:high", .count = 2},
                                       {.lane = "nobody:high", .count = 5},
                                       {.lane = "beta:low", .count = 1}};
    struct queue_lane *lanes;
    size_t count;
    int64_t lengths[3];

    for (enum queue_stage stage = QUEUE_SUBMITTED; stage <= QUEUE_ROUTED; stage++) {
        publish(s, stage, "d1", "beta:low");
        publish(s, stage, "d2", "acme:high");
        publish(s, stage, "d3", "acme:high");
        publish(s, stage, "d4", "acme:high");
        queue_claims_release(&s->claims);
        OK(queue_fetch(s->a, stage, wants, 3, &s->claims,
                       &s->fault)); /* of each what it says, in its order */
        assert_int_equal(s->claims.count, 3);
        assert_string_equal(s->claims.items[0].id, "d2");
        assert_string_equal(s->claims.items[1].id, "d3");
        assert_string_equal(s->claims.items[2].id, "d1");
        LANES_ARE(s, stage, "acme:high", "beta:low");
        OK(queue_lanes(s->b, stage, &lanes, &count, &s->fault));
        assert_int_equal(lanes[0].length, 3);
        assert_int_equal(lanes[0].in_flight, 2);
        assert_int_equal(lanes[1].in_flight, 1);
        queue_lanes_free(lanes, count);
        OK(queue_lengths(
            s->b, stage,
            (const struct queue_item[]){{.lane = "beta:low"}, {.lane = "nobody:high"}, {.lane = "acme:high"}},
            3, lengths, &s->fault));
        assert_int_equal(lengths[0], 1);
        assert_int_equal(lengths[1], 0);
        assert_int_equal(lengths[2], 3);
        assert_int_equal(fetch_lane(s, s->b, stage, "acme:high", 9), 1);
        finish(s, s->b, &s->claims.items[0], true);
        assert_int_equal(take_over(s, s->b, stage, 0), 3); /* of all lanes */
        for (int i = 0; i < 3; i++)
            finish(s, s->b, &s->taken.items[i], true);
        LANES_ARE(s, stage, NULL);
        assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    }
    OK(queue_lengths(s->a, QUEUE_READY, NULL, 0, NULL, &s->fault));
    OK(queue_fetch(s->a, QUEUE_READY, NULL, 0, &s->claims, &s->fault));
}

/* One pipeline asks for a share of each lane: the lane that is full takes nothing from the others. */
static void a_flooded_lane_leaves_the_others_their_share(void **state)
{
    enum { FLOOD = 600, LANES = 9 };
    struct scene *s = *state;
    static char ids[FLOOD][16], names[LANES][24];
    static struct queue_item items[FLOOD];
    struct queue_want wants[LANES + 1] = {{.lane = "web:flood:normal", .count = 20}};

    for (int i = 0; i < FLOOD; i++) {
        snprintf(ids[i], sizeof ids[i], "f%d", i);
        items[i] = (struct queue_item){.id = ids[i], .lane = "web:flood:normal"};
    }
    OK(queue_publish(s->a, QUEUE_READY, items, FLOOD, 0, NULL, &s->fault));
    for (int i = 0; i < LANES; i++) {
        snprintf(names[i], sizeof names[i], "web:t%d:normal", i);
        wants[i + 1] = (struct queue_want){.lane = names[i], .count = 20};
        publish(s, QUEUE_READY, names[i], names[i]);
    }
    OK(queue_fetch(s->a, QUEUE_READY, wants, LANES + 1, &s->claims, &s->fault));
    assert_int_equal(s->claims.count, 20 + LANES);
    assert_string_equal(s->claims.items[0].id, "f0");
    for (int i = 0; i < LANES; i++) {
        assert_string_equal(s->claims.items[20 + i].id, names[i]);
        assert_non_null(strstr(s->claims.items[20 + i].stream, names[i]));
    }
    assert_int_equal(fetch_lane(s, s->a, QUEUE_READY, "web:flood:normal", 1000), 500); /* of one call */
    assert_string_equal(s->claims.items[0].id, "f20");
}

static void a_lane_takes_no_more_than_its_ceiling(void **state)
{
    enum { COUNT = 400 };
    struct scene *s = *state;
    static char ids[COUNT][16];
    static struct queue_item items[COUNT];
    size_t added;

    for (int i = 0; i < COUNT; i++) { /* in turn, so several calls have both */
        snprintf(ids[i], sizeof ids[i], "d%d", i);
        items[i] = (struct queue_item){.id = ids[i], .lane = i % 2 ? LANE : "api:acme:low"};
    }
    OK(queue_publish(s->a, QUEUE_READY, items, 20, 10, &added, &s->fault));
    assert_int_equal(added, 20); /* up to the limit itself */
    OK(queue_publish(s->a, QUEUE_READY, items, 22, 10, &added, &s->fault));
    assert_int_equal(added, 0);
    OK(queue_publish(s->a, QUEUE_READY, items, 22, 11, &added, &s->fault)); /* present ids do not count */
    assert_int_equal(added, 2);
    fetch(s, s->a, QUEUE_READY, 5); /* in flight ones do */
    OK(queue_publish(s->a, QUEUE_READY, items + 22, COUNT - 22, 11, &added, &s->fault));
    assert_int_equal(added, 0);
    finish(s, s->a, &s->claims.items[0], true);
    OK(queue_publish(s->a, QUEUE_READY, items + 22, COUNT - 22, 11, &added, &s->fault));
    assert_int_equal(added, 1);
    assert_int_equal(RUN(s->a, "XLEN", READY), 11);
    OK(queue_publish(s->a, QUEUE_READY, items, COUNT, 150, &added, &s->fault));
    assert_int_equal(added, 2 * 150 - 22);
    assert_int_equal(RUN(s->a, "XLEN", READY), 150);
    assert_int_equal(RUN(s->a, "XLEN", KEY("ready:api:acme:low")), 150);
    assert_int_equal(RUN(s->a, "KEYS", KEY("d:*")), 300); /* what was refused left nothing */
    OK(queue_publish(s->a, QUEUE_READY, items, COUNT, 0, &added, &s->fault));
    assert_int_equal(added, COUNT - 300);
}

static void recalling_takes_out_what_nobody_holds(void **state)
{
    enum { COUNT = 300 };
    struct scene *s = *state;
    static char ids[COUNT][16];
    static struct queue_item items[COUNT];
    static bool recalled[COUNT];

    for (int i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "d%d", i);
        items[i] = (struct queue_item){.id = ids[i], .lane = LANE};
    }
    OK(queue_publish(s->a, QUEUE_READY, items, COUNT - 1, 0, NULL, &s->fault)); /* the last one is absent */
    fetch(s, s->b, QUEUE_READY, 2);
    memset(recalled, 1, sizeof recalled);
    OK(queue_recall(s->a, items, COUNT, recalled, &s->fault));
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(recalled[i], i >= 2);
    assert_int_equal(RUN(s->a, "XLEN", READY), 2);
    assert_int_equal(RUN(s->a, "KEYS", KEY("d:*")), 2);
    assert_false(lost(s, s->b, &s->claims.items[0]));
    release(s, s->b, &s->claims.items[0]);
    assert_true(recall(s, "d0"));
    LANES_ARE(s, QUEUE_READY, LANE);
    release(s, s->b, &s->claims.items[1]);
    assert_true(recall(s, "d1")); /* the last: lane and bell go with it */
    LANES_ARE(s, QUEUE_READY, NULL);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    assert_true(recall(s, "d1")); /* again: nothing to do */
    OK(queue_recall(s->a, NULL, 0, NULL, &s->fault));
    assert_int_equal(publish(s, QUEUE_READY, "d1", NULL), 1); /* it may come again */
    RUN(s->a, "DEL", READY);                                  /* a record without its entry is not in Redis */
    assert_true(recall(s, "d1"));
    LANES_ARE(s, QUEUE_READY, NULL); /* looking at the lanes takes away what was left of the stream */
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static struct queue_place find(struct scene *s, const char *id)
{
    struct queue_place place = {.stream = (char *)"", .claimed = true, .ahead = -1};

    OK(queue_find(s->b, &(struct queue_item){.id = id}, &place, &s->fault));
    return place;
}

static void an_id_is_found_where_it_is(void **state)
{
    enum { COUNT = 1200 };
    struct scene *s = *state;
    static char ids[COUNT][16];
    static struct queue_item items[COUNT];
    struct queue_place place = find(s, "d0");

    assert_null(place.stream);
    assert_false(place.claimed);
    assert_int_equal(place.ahead, 0);
    for (int i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "d%d", i);
        items[i] = (struct queue_item){.id = ids[i], .lane = LANE};
    }
    OK(queue_publish(s->a, QUEUE_READY, items, COUNT, 0, NULL, &s->fault));
    fetch(s, s->a, QUEUE_READY, 3);
    finish(s, s->a, &s->claims.items[0], true);
    place = find(s, "d1");
    assert_string_equal(place.stream, "ready:" LANE);
    assert_true(place.claimed);
    assert_int_equal(place.ahead, 0);
    free(place.stream);
    place = find(s, "d5");
    assert_false(place.claimed);
    assert_int_equal(place.ahead, 4); /* those in flight are before it, too */
    free(place.stream);
    place = find(s, "d1199");
    assert_int_equal(place.ahead, 1000);
    free(place.stream);
    publish(s, QUEUE_SUBMITTED, "j1", NULL);
    place = find(s, "j1");
    assert_string_equal(place.stream, "submitted:" EARLY);
    free(place.stream);
}

static void lanes_tell_their_length_and_age(void **state)
{
    struct scene *s = *state;
    struct queue_lane *lanes;
    size_t count;

    publish(s, QUEUE_READY, "d1", LANE);
    publish(s, QUEUE_READY, "d2", LANE);
    publish(s, QUEUE_READY, "d3", "api:acme:high");
    publish(s, QUEUE_ROUTED, "d4", NULL);
    fetch(s, s->a, QUEUE_READY, 1);
    usleep(20000); /* what is measured */
    OK(queue_lanes(s->b, QUEUE_SUBMITTED, &lanes, &count, &s->fault));
    assert_int_equal(count, 0);
    queue_lanes_free(lanes, count);
    OK(queue_lanes(s->b, QUEUE_ROUTED, &lanes, &count, &s->fault));
    assert_int_equal(count, 1);
    assert_string_equal(lanes[0].name, EARLY);
    assert_int_equal(lanes[0].length, 1);
    assert_in_range(lanes[0].oldest_ms, 19, 5000);
    queue_lanes_free(lanes, count);
    OK(queue_lanes(s->b, QUEUE_READY, &lanes, &count, &s->fault));
    assert_int_equal(count, 2);
    assert_string_equal(lanes[0].name, "api:acme:high");
    assert_int_equal(lanes[0].in_flight, 0);
    assert_string_equal(lanes[1].name, LANE);
    assert_int_equal(lanes[1].length, 2);
    assert_int_equal(lanes[1].in_flight, 1);
    assert_in_range(lanes[1].oldest_ms, 19, 5000);
    queue_lanes_free(lanes, count);
}

/* Other clients wait while a script runs, so none looks at all lanes. */
static void many_lanes_are_looked_at_in_short_calls(void **state)
{
    enum { COUNT = 2000 };
    struct scene *s = *state;
    static char names[COUNT][24];
    static struct queue_item items[COUNT];
    struct queue_lane *lanes;
    size_t count;
    redisReply *reply;
    const char *calls;

    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "web:t%04d:normal", i);
        items[i] = (struct queue_item){.id = names[i], .lane = names[i]};
    }
    OK(queue_publish(s->a, QUEUE_READY, items, COUNT, 0, NULL, &s->fault));
    RUN(s->a, "CONFIG", "RESETSTAT");
    OK(queue_lanes(s->a, QUEUE_READY, &lanes, &count, &s->fault));
    reply = redis_commandf(queue_redis(s->a), 0, &s->fault, "INFO commandstats");
    calls = strstr(reply->str, "cmdstat_evalsha:calls=");
    assert_non_null(calls);
    assert_in_range(strtol(calls + strlen("cmdstat_evalsha:calls="), NULL, 10), COUNT / 400, COUNT / 20);
    freeReplyObject(reply);
    assert_int_equal(count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_string_equal(lanes[i].name, names[i]);
        assert_int_equal(lanes[i].length, 1);
    }
    queue_lanes_free(lanes, count);
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
            items[i] = (struct queue_item){.id = ids[i], .lane = EARLY};
        }
        start_us = clock_wall_us();
        OK(queue_publish(s->a, QUEUE_ROUTED, items, BATCH, 0, NULL, &s->fault));
        spent_us[0] += clock_wall_us() - start_us;
        start_us = clock_wall_us();
        assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, BATCH), BATCH);
        spent_us[1] += clock_wall_us() - start_us;
        for (int i = 0; i < BATCH; i++) {
            items[i].lane = LANE;
            hops[i] = (struct queue_hop){
                .claim = &s->claims.items[i], .stage = QUEUE_READY, .items = &items[i], .count = 1};
        }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(publishing_what_is_there_changes_nothing),
        TEST(an_owner_may_have_a_blank_in_its_name),
        TEST(an_id_may_be_in_a_batch_more_than_once),
        TEST(improper_ids_and_lanes_are_refused),
        TEST(an_id_goes_through_all_stages_and_leaves_nothing),
        TEST(fetching_is_in_order_bounded_and_exclusive),
        TEST(the_bell_wakes_one_waiter_at_once_and_a_full_fetch_the_next),
        TEST(a_hop_may_have_thousands_of_items),
        TEST(every_stage_has_lanes),
        TEST(a_flooded_lane_leaves_the_others_their_share),
        TEST(a_lane_takes_no_more_than_its_ceiling),
        TEST(recalling_takes_out_what_nobody_holds),
        TEST(an_id_is_found_where_it_is),
        TEST(lanes_tell_their_length_and_age),
        TEST(many_lanes_are_looked_at_in_short_calls),
        TEST(a_batch_costs_this_much),
    };

    return cmocka_run_group_tests(tests, scene_group_setup, scene_group_teardown);
}
