/*
 * Several partitions: what belongs together stays together, every call reaches all of them, and no script
 * touches a key of another one. The server is a node of a cluster, the only one: it refuses a script that
 * does.
 */
#include "queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "holds.h"

enum { PARTITIONS = 3 };

/* What a test here has beside the scene: two workers of three partitions, and a job in each of these. */
struct parts {
    struct queue *a, *b;
    char jobs[PARTITIONS][16];
};

static void parts_init(struct scene *s, struct parts *parts)
{
    bool found[PARTITIONS] = {false};
    char id[16];

    *parts = (struct parts){.a = worker_new(&s->server, "a", PARTITIONS),
                            .b = worker_new(&s->server, "b", PARTITIONS)};
    for (int i = 0, left = PARTITIONS; left > 0; i++) {
        unsigned p;

        snprintf(id, sizeof id, "job-%d", i);
        p = queue_partition(parts->a, id);
        assert_in_range(p, 0, PARTITIONS - 1);
        if (!found[p]) {
            found[p] = true;
            snprintf(parts->jobs[p], sizeof parts->jobs[p], "%s", id);
            left--;
        }
    }
}

static void parts_release(struct parts *parts)
{
    queue_free(parts->a);
    queue_free(parts->b);
}

/* One id in each partition; how many were added. */
static size_t publish_each(struct scene *s, struct parts *parts, enum queue_stage stage, char ids[][16])
{
    struct queue_item items[PARTITIONS];
    size_t added;

    for (unsigned p = 0; p < PARTITIONS; p++)
        items[p] = (struct queue_item){
            .id = ids[PARTITIONS - 1 - p], .lane = lane_of(stage, NULL), .partition = PARTITIONS - 1 - p};
    OK(queue_publish(parts->a, stage, items, PARTITIONS, 0, &added, &s->fault));
    return added;
}

/* Up to `want` from the lane of each partition, in s->claims. */
static size_t fetch_each(struct scene *s, struct queue *queue, enum queue_stage stage, size_t want)
{
    struct queue_want wants[PARTITIONS];

    for (unsigned p = 0; p < PARTITIONS; p++)
        wants[p] = (struct queue_want){.lane = lane_of(stage, NULL), .partition = p, .count = want};
    queue_claims_release(&s->claims);
    OK(queue_fetch(queue, stage, wants, PARTITIONS, &s->claims, &s->fault));
    return s->claims.count;
}

static void finish_all(struct scene *s, struct queue *queue, const struct queue_claims *claims)
{
    struct queue_finish ends[64];

    assert_in_range(claims->count, 0, 64);
    for (size_t i = 0; i < claims->count; i++)
        ends[i] = (struct queue_finish){.claim = &claims->items[i], .ended = true};
    OK(queue_finish(queue, ends, claims->count, &s->fault));
}

static void ids_are_spread_over_all_partitions(void **state)
{
    enum { IDS = 3000 };
    struct scene *s = *state;
    struct queue *other = worker_new(&s->server, "c", PARTITIONS), *one = worker_new(&s->server, "d", 1);
    struct parts parts;
    int counts[PARTITIONS] = {0};
    char id[48];

    parts_init(s, &parts);
    assert_int_equal(queue_partitions(parts.a), PARTITIONS);
    for (int i = 0; i < IDS; i++) {
        unsigned p;

        snprintf(id, sizeof id, "0190a1b2-c3d4-7000-8000-%012x", (unsigned)i);
        p = queue_partition(parts.a, id);
        assert_int_equal(queue_partition(other, id), p); /* the same for everybody */
        assert_int_equal(queue_partition(one, id), 0);
        counts[p]++;
    }
    for (int p = 0; p < PARTITIONS; p++)
        assert_in_range(counts[p], IDS / 4, IDS / 2);
    queue_free(other);
    queue_free(one);
    parts_release(&parts);
}

/* Jobs to deliveries to lanes, each in the partition of its job, and nothing is left. */
static void a_distribution_stays_in_its_partition(void **state)
{
    struct scene *s = *state;
    struct parts parts;
    char ids[PARTITIONS][2][24], key[64];
    struct queue_item items[PARTITIONS][2];
    struct queue_hop hops[PARTITIONS];

    parts_init(s, &parts);
    assert_int_equal(publish_each(s, &parts, QUEUE_SUBMITTED, parts.jobs), PARTITIONS);
    assert_int_equal(publish_each(s, &parts, QUEUE_SUBMITTED, parts.jobs), 0);
    assert_int_equal(fetch_each(s, parts.a, QUEUE_SUBMITTED, 9), PARTITIONS);
    for (size_t p = 0; p < PARTITIONS; p++) {
        assert_int_equal(s->claims.items[p].partition, p);
        assert_string_equal(s->claims.items[p].id, parts.jobs[p]);
        for (int i = 0; i < 2; i++) {
            snprintf(ids[p][i], sizeof ids[p][i], "d-%s-%d", parts.jobs[p], i);
            /* A hop goes where its claim is, whatever its items say. */
            items[p][i] = (struct queue_item){.id = ids[p][i], .lane = EARLY, .partition = 40};
        }
        hops[p] = (struct queue_hop){
            .claim = &s->claims.items[p], .stage = QUEUE_ROUTED, .items = items[p], .count = 2};
    }
    OK(queue_hops(parts.a, hops, PARTITIONS, &s->fault));
    for (int p = 0; p < PARTITIONS; p++) {
        snprintf(key, sizeof key, "dist:{%d}:d:%s", p, ids[p][1]);
        assert_int_equal(RUN(s->a, "EXISTS", key), 1);
        snprintf(key, sizeof key, "dist:{%d}:routed:" EARLY, p);
        assert_int_equal(RUN(s->a, "XLEN", key), 2);
    }
    assert_int_equal(fetch_each(s, parts.b, QUEUE_ROUTED, 1), PARTITIONS); /* a share of each */
    assert_int_equal(fetch_each(s, parts.b, QUEUE_ROUTED, 1), PARTITIONS);
    assert_int_equal(take_over(s, parts.a, QUEUE_ROUTED, 0), 2 * PARTITIONS);
    for (size_t i = 0; i < s->taken.count; i++)
        hop(s, parts.a, &s->taken.items[i], QUEUE_READY, s->taken.items[i].id);
    assert_int_equal(fetch_each(s, parts.b, QUEUE_READY, 9), 2 * PARTITIONS);
    for (size_t i = 0; i < s->claims.count; i++) {
        assert_int_equal(s->claims.items[i].partition, i / 2);
        assert_false(lost(s, parts.b, &s->claims.items[i]));
    }
    release(s, parts.b, &s->claims.items[5]);
    finish_all(s, parts.b, &s->claims);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    parts_release(&parts);
}

static void lanes_lengths_and_places_are_told_by_partition(void **state)
{
    struct scene *s = *state;
    struct parts parts;
    struct queue_item items[4];
    struct queue_place place;
    struct queue_lane *lanes;
    size_t count;
    int64_t lengths[4];
    bool recalled[4];

    parts_init(s, &parts);
    publish_each(s, &parts, QUEUE_READY, parts.jobs);
    items[0] = (struct queue_item){.id = "x1", .lane = LANE, .partition = 2};
    items[1] = (struct queue_item){.id = "x2", .lane = "api:acme:low", .partition = 1};
    items[2] = (struct queue_item){.id = "x3", .lane = LANE, .partition = 2};
    items[3] = (struct queue_item){.id = "x4", .lane = LANE, .partition = 0};
    OK(queue_publish(parts.a, QUEUE_READY, items, 3, 0, &count, &s->fault));
    assert_int_equal(count, 3);
    OK(queue_fetch(parts.a, QUEUE_READY, &(struct queue_want){.lane = LANE, .partition = 2, .count = 2}, 1,
                   &s->claims, &s->fault));
    OK(queue_lanes(parts.b, QUEUE_READY, &lanes, &count, &s->fault));
    assert_int_equal(count, 4);
    assert_string_equal(lanes[0].name, "api:acme:low");
    assert_int_equal(lanes[0].partition, 1);
    for (unsigned p = 0; p < PARTITIONS; p++) {
        assert_string_equal(lanes[p + 1].name, LANE);
        assert_int_equal(lanes[p + 1].partition, p);
        assert_int_equal(lanes[p + 1].length, p == 2 ? 3 : 1);
        assert_int_equal(lanes[p + 1].in_flight, p == 2 ? 2 : 0);
    }
    queue_lanes_free(lanes, count);
    OK(queue_lengths(parts.b, QUEUE_READY, items, 4, lengths, &s->fault));
    assert_int_equal(lengths[0], 3);
    assert_int_equal(lengths[1], 1);
    assert_int_equal(lengths[3], 1);
    OK(queue_find(parts.b, &items[2], &place, &s->fault));
    assert_string_equal(place.stream, "ready:" LANE);
    assert_false(place.claimed);
    assert_int_equal(place.ahead, 2);
    free(place.stream);
    items[2].partition = 0; /* asked where it is not */
    OK(queue_find(parts.b, &items[2], &place, &s->fault));
    assert_null(place.stream);
    items[2].partition = 2;
    OK(queue_recall(parts.b, items, 4, recalled, &s->fault)); /* answers in the order of the items */
    assert_false(recalled[0]);
    assert_true(recalled[1]);
    assert_true(recalled[2]);
    assert_true(recalled[3]);
    finish_all(s, parts.a, &s->claims);
    for (unsigned p = 0; p < PARTITIONS; p++)
        items[p] = (struct queue_item){.id = parts.jobs[p], .partition = p};
    OK(queue_recall(parts.b, items, PARTITIONS, recalled, &s->fault));
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    parts_release(&parts);
}

/* A lane in one partition has its own ceiling, whatever order the items come in. */
static void ceilings_are_of_a_partition(void **state)
{
    enum { COUNT = 900 };
    struct scene *s = *state;
    struct parts parts;
    static char ids[COUNT][16];
    static struct queue_item items[COUNT];
    size_t added;

    parts_init(s, &parts);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(ids[i], sizeof ids[i], "d%u", i);
        items[i] = (struct queue_item){.id = ids[i], .lane = LANE, .partition = i % PARTITIONS};
    }
    OK(queue_publish(parts.a, QUEUE_READY, items, COUNT, 200, &added, &s->fault));
    assert_int_equal(added, PARTITIONS * 200);
    assert_int_equal(RUN(s->a, "XLEN", "dist:{2}:ready:" LANE), 200);
    assert_int_equal(RUN(s->a, "EXISTS", "dist:{1}:d:d1", "dist:{1}:d:d598", "dist:{1}:d:d601"), 2);
    parts_release(&parts);
}

static void a_bell_of_any_partition_is_heard(void **state)
{
    struct scene *s = *state;
    struct parts parts;
    int64_t deadline_ms;

    parts_init(s, &parts);
    assert_int_equal(queue_wait(parts.b, QUEUE_READY, 0, &s->fault), 0);
    for (unsigned p = 0; p < PARTITIONS; p++) {
        struct queue_item item = {.id = "d1", .lane = LANE, .partition = p};
        char bell[32];
        bool recalled;

        OK(queue_publish(parts.a, QUEUE_READY, &item, 1, 0, NULL, &s->fault));
        assert_int_equal(queue_wait(parts.b, QUEUE_ROUTED, 0, &s->fault), 0);
        assert_int_equal(queue_wait(parts.b, QUEUE_READY, 0, &s->fault), 1);
        assert_int_equal(queue_wait(parts.b, QUEUE_READY, 0, &s->fault), 0);
        snprintf(bell, sizeof bell, "dist:{%u}:bell:ready", p);
        RUN(s->a, "ZADD", bell, "1", "x");
        assert_int_equal(queue_wait(parts.b, QUEUE_READY, 60000, &s->fault), 1);
        OK(queue_recall(parts.a, &item, 1, &recalled, &s->fault));
        /* Without one it comes back in time, wherever it stood. */
        deadline_ms = clock_mono_ms() + 5000;
        assert_int_equal(queue_wait(parts.b, QUEUE_READY, 60000, &s->fault), 0);
        assert_true(clock_mono_ms() < deadline_ms);
    }
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    parts_release(&parts);
}

static void each_partition_has_its_epoch(void **state)
{
    struct scene *s = *state;
    struct parts parts;
    char epochs[PARTITIONS][37], again[37];

    parts_init(s, &parts);
    for (unsigned p = 0; p < PARTITIONS; p++) {
        OK(queue_epoch(parts.a, p, epochs[p], &s->fault));
        OK(queue_epoch(parts.b, p, again, &s->fault));
        assert_string_equal(epochs[p], again);
    }
    assert_string_not_equal(epochs[0], epochs[1]);
    assert_string_not_equal(epochs[1], epochs[2]);
    RUN(s->a, "DEL", "dist:{1}:epoch"); /* its server was wiped, the others not */
    for (unsigned p = 0; p < PARTITIONS; p++) {
        OK(queue_epoch(parts.b, p, again, &s->fault));
        assert_int_equal(strcmp(epochs[p], again) == 0, p != 1);
    }
    assert_int_equal(RUN(s->a, "DBSIZE"), PARTITIONS);
    parts_release(&parts);
}

static void quarantines_are_counted_together(void **state)
{
    struct scene *s = *state;
    struct parts parts;
    int64_t count;

    parts_init(s, &parts);
    RUN(s->a, "XADD", "dist:{1}:routed:" EARLY, "*", "name", "x");
    RUN(s->a, "XADD", "dist:{2}:routed:" EARLY, "*", "id", "");
    RUN(s->a, "XADD", "dist:{2}:routed:" EARLY, "*", "id", "a b");
    assert_int_equal(fetch_each(s, parts.a, QUEUE_ROUTED, 5), 0);
    OK(queue_quarantined(parts.a, &count, &s->fault));
    assert_int_equal(count, 3);
    assert_int_equal(RUN(s->a, "LLEN", "dist:{2}:quarantine"), 2);
    RUN(s->a, "DEL", "dist:{1}:quarantine");
    RUN(s->a, "DEL", "dist:{2}:quarantine");
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    parts_release(&parts);
}

/* The node keeps the slot of this partition alone, or of all where `command` gives them back. A script that
 * touches another key is then refused. */
static void give_slots(struct scene *s, const char *command, unsigned partition)
{
    char tag[16], below[24], above[24];
    long long slot;

    snprintf(tag, sizeof tag, "{%u}", partition);
    slot = RUN(s->a, "CLUSTER", "KEYSLOT", tag);
    snprintf(below, sizeof below, "%lld", slot - 1);
    snprintf(above, sizeof above, "%lld", slot + 1);
    RUN(s->a, "CLUSTER", command, "0", below, above, "16383");
}

/* An id through everything that one partition is asked for, wishes and an older claim among it. */
static void walk_partition(struct scene *s, struct queue *queue, unsigned p)
{
    struct queue_item item = {.id = "d1", .lane = LANE, .partition = p}, early = item;
    struct queue_want want = {.lane = LANE, .partition = p, .count = 1}, first = want;
    struct queue_place place;
    bool recalled;
    char epoch[37];

    early.lane = first.lane = EARLY;
    queue_claims_release(&s->claims);
    OK(queue_publish(queue, QUEUE_ROUTED, &early, 1, 9, NULL, &s->fault));
    OK(queue_fetch(queue, QUEUE_ROUTED, &first, 1, &s->claims, &s->fault));
    OK(queue_publish(queue, QUEUE_ROUTED, &early, 1, 9, NULL, &s->fault));
    assert_false(lost(s, queue, &s->claims.items[0]));
    release(s, queue, &s->claims.items[0]);
    queue_claims_release(&s->claims);
    OK(queue_fetch(queue, QUEUE_ROUTED, &first, 1, &s->claims, &s->fault));
    OK(queue_hops(
        queue,
        &(struct queue_hop){.claim = &s->claims.items[0], .stage = QUEUE_READY, .items = &item, .count = 1},
        1, &s->fault));
    OK(queue_find(queue, &item, &place, &s->fault));
    assert_string_equal(place.stream, "ready:" LANE);
    free(place.stream);
    OK(queue_fetch(queue, QUEUE_READY, &want, 1, &s->claims, &s->fault));
    OK(queue_publish(queue, QUEUE_ROUTED, &early, 1, 0, NULL, &s->fault));
    finish(s, queue, &s->claims.items[1], false);
    finish(s, queue, &s->claims.items[0], true); /* wherever it is by now */
    OK(queue_publish(queue, QUEUE_READY, &item, 1, 0, NULL, &s->fault));
    OK(queue_recall(queue, &item, 1, &recalled, &s->fault));
    assert_true(recalled);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    OK(queue_epoch(queue, p, epoch, &s->fault));
}

/* What asks all partitions, where there is one. */
static void walk_only_partition(struct scene *s)
{
    int64_t count;

    RUN(s->a, "XADD", READY, "*", "name", "malformed");
    publish(s, QUEUE_READY, "d1", NULL);
    fetch(s, s->a, QUEUE_READY, 9);
    LANES_ARE(s, QUEUE_READY, LANE);
    assert_int_equal(take_over(s, s->b, QUEUE_READY, 0), 1);
    finish(s, s->b, &s->taken.items[0], true);
    OK(queue_quarantined(s->a, &count, &s->fault));
    assert_int_equal(count, 1);
}

static void walk_holds(struct scene *s)
{
    const struct hold_rules rules = {.failures = 1, .open_ms = 0};
    const struct hold_report bad = {.destination = "web", .failures = 1},
                             good = {.destination = "web", .success = true};
    struct hold_grant slot = {.destination = "web", .rate_per_s = 5, .want = 1};
    struct holds holds;
    bool granted;

    OK(holds_report(s->a, &rules, &bad, 1, &s->fault));
    OK(holds_probe(s->b, "web", 1000, &granted, &s->fault));
    assert_true(granted);
    OK(holds_grant(s->b, &slot, 1, &s->fault));
    OK(holds_look(s->b, &holds, &s->fault));
    assert_int_equal(holds.count, 1);
    holds_release(&holds);
    OK(holds_report(s->b, &rules, &good, 1, &s->fault));
}

static void no_script_leaves_its_slot(void **state)
{
    struct scene *s = *state;
    struct parts parts;
    size_t added;

    parts_init(s, &parts);
    for (unsigned p = 0; p < PARTITIONS; p++) {
        give_slots(s, "DELSLOTSRANGE", p);
        walk_partition(s, parts.a, p);
        if (p == 0) {
            walk_only_partition(s);
            walk_holds(s);
        }
        /* That a stranger's key is refused indeed. */
        assert_int_equal(
            queue_publish(parts.a, QUEUE_ROUTED,
                          &(struct queue_item){.id = "d1", .lane = EARLY, .partition = (p + 1) % PARTITIONS},
                          1, 0, &added, &s->fault),
            -1);
        give_slots(s, "ADDSLOTSRANGE", p);
        RUN(s->a, "FLUSHALL");
    }
    parts_release(&parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ids_are_spread_over_all_partitions),
        TEST(a_distribution_stays_in_its_partition),
        TEST(lanes_lengths_and_places_are_told_by_partition),
        TEST(ceilings_are_of_a_partition),
        TEST(a_bell_of_any_partition_is_heard),
        TEST(each_partition_has_its_epoch),
        TEST(quarantines_are_counted_together),
        TEST(no_script_leaves_its_slot),
    };

    return cmocka_run_group_tests(tests, scene_group_setup_cluster, scene_group_teardown);
}
