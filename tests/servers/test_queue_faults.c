/*
 * What goes wrong around queue.c: malformed entries, a Redis that was wiped, that restarts or has no memory,
 * keys that somebody deleted.
 */
#include "queue_fixture.h"

#include <stdio.h>
#include <string.h>

static void malformed_entries_are_quarantined(void **state)
{
    struct scene *s = *state;
    int64_t quarantined;
    redisReply *reply;

    RUN(s->a, "XADD", ROUTED, "*", "name", "x\n\x01y");
    RUN(s->a, "XADD", ROUTED, "*", "id", "");
    RUN(s->a, "XADD", ROUTED, "*", "id", "with blank");
    RUN(s->a, "XADD", ROUTED, "*", "id",
        "0123456789012345678901234567890123456789012345678901234567890123456789");
    RUN(s->a, "XADD", ROUTED, "*", "id", "nobody-knows-it"); /* stale: dropped, no malformed entry */
    publish(s, QUEUE_ROUTED, "d1", NULL);                    /* the stream has no group so far */
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 1), 1);    /* dropped ones are made up for */
    assert_string_equal(s->claims.items[0].id, "d1");
    assert_int_equal(RUN(s->a, "XLEN", ROUTED), 1);
    OK(queue_quarantined(s->a, &quarantined, &s->fault));
    assert_int_equal(quarantined, 4);
    reply = redis_commandf(queue_redis(s->a), 0, &s->fault, "LINDEX %s -1", KEY("quarantine"));
    assert_non_null(strstr(reply->str, "\"reason\":\"no field id\""));
    assert_non_null(strstr(reply->str, "x??y"));
    freeReplyObject(reply);
    /* Met by reap, too: one that was claimed by other means. */
    RUN(s->a, "XADD", ROUTED, "*", "name", "z");
    RUN(s->a, "XREADGROUP", "GROUP", "dist", "c", "STREAMS", ROUTED, ">");
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

    OK(queue_epoch(s->a, 0, first, &s->fault));
    OK(queue_epoch(s->b, 0, again, &s->fault));
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
    OK(queue_epoch(s->a, 0, after, &s->fault));
    assert_string_not_equal(first, after);
    RUN(s->a, "SET", KEY("epoch"), "nonsense");
    OK(queue_epoch(s->a, 0, after, &s->fault));
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
    assert_int_equal(queue_publish(s->a, QUEUE_ROUTED, &(struct queue_item){.id = "d2", .lane = EARLY}, 1, 0,
                                   NULL, &s->fault),
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

/* Calls of every kind, in the order of a whole path; `step` is the one before which Redis is wiped. */
struct walk {
    struct scene *s;
    int step, wipe_at;
};

static struct scene *step(struct walk *walk)
{
    if (walk->step++ == walk->wipe_at)
        RUN(walk->s->b, "FLUSHALL");
    return walk->s;
}

/* What is claimed of the stage goes to the next one. */
static void walk_hop(struct walk *walk, enum queue_stage stage, const char *const *ids, size_t count)
{
    struct scene *s = step(walk);
    struct queue_item items[2];
    struct queue_hop go = {.stage = stage, .items = items, .count = count};

    for (size_t i = 0; i < count; i++)
        items[i] = (struct queue_item){.id = ids[i], .lane = lane_of(stage, NULL)};
    for (size_t i = 0; i < s->claims.count; i++) {
        go.claim = &s->claims.items[i];
        OK(queue_hops(s->a, &go, 1, &s->fault));
    }
}

static void walk_settle(struct walk *walk)
{
    struct scene *s = step(walk);
    const struct queue_claim *claim;
    struct queue_claims claims = s->claims;

    s->claims = (struct queue_claims){0};
    for (size_t i = 0; i < claims.count; i++) {
        claim = &claims.items[i];
        lost(step(walk), s->a, claim);
        if (i == 0)
            release(step(walk), s->a, claim);
        else
            finish(step(walk), s->a, claim, false);
    }
    queue_claims_release(&claims);
}

static void walk_look(struct walk *walk)
{
    struct scene *s = walk->s;
    const struct queue_item lane = {.lane = LANE};
    struct queue_lane *lanes;
    size_t count;
    int64_t length, quarantined;
    char epoch[37];

    step(walk);
    OK(queue_lanes(s->a, QUEUE_READY, &lanes, &count, &s->fault));
    queue_lanes_free(lanes, count);
    step(walk);
    OK(queue_lengths(s->a, QUEUE_READY, &lane, 1, &length, &s->fault));
    step(walk);
    OK(queue_quarantined(s->a, &quarantined, &s->fault));
    step(walk);
    OK(queue_epoch(s->a, 0, epoch, &s->fault));
    is_present(step(walk), "d2");
    assert_in_range(queue_wait(step(walk)->a, QUEUE_READY, 0, &s->fault), 0, 1);
}

static void walk_path(struct walk *walk)
{
    publish(step(walk), QUEUE_SUBMITTED, "j1", NULL);
    fetch(step(walk), walk->s->a, QUEUE_SUBMITTED, 9);
    walk_hop(walk, QUEUE_ROUTED, (const char *const[]){"d1", "d2"}, 2);
    walk_look(walk);
    fetch(step(walk), walk->s->a, QUEUE_ROUTED, 1);
    walk_hop(walk, QUEUE_READY, (const char *const[]){"d1"}, 1);
    fetch(step(walk), walk->s->a, QUEUE_ROUTED, 1);
    walk_hop(walk, QUEUE_READY, (const char *const[]){"d2"}, 1);
    fetch(step(walk), walk->s->a, QUEUE_READY, 9);
    walk_look(walk);
    publish(step(walk), QUEUE_ROUTED, "d2", NULL); /* a wish */
    walk_settle(walk);
    take_over(step(walk), walk->s->b, QUEUE_READY, 0);
    recall(step(walk), "d2");
    walk_look(walk);
}

/* No call has a fault, and what is published again afterwards goes through and leaves nothing. */
static void a_wipe_between_any_two_calls_is_survived(void **state)
{
    struct scene *s = *state;
    int steps = 1;

    for (int wipe_at = 0; wipe_at < steps; wipe_at++) {
        struct walk walk = {.s = s, .wipe_at = wipe_at};

        walk_path(&walk);
        assert_true(walk.step > wipe_at); /* it happened */
        walk.wipe_at = -1;
        walk.step = 0;
        if (wipe_at == 0) {
            walk_path(&walk);
            steps = walk.step;
        }
        publish(s, QUEUE_ROUTED, "d1", NULL);
        publish(s, QUEUE_ROUTED, "d2", NULL);
        for (enum queue_stage stage = QUEUE_ROUTED; stage <= QUEUE_READY; stage++) {
            fetch(s, s->a, stage, 9);
            take_over(s, s->b, stage, 0);
            for (size_t i = 0; i < s->taken.count; i++)
                finish(s, s->b, &s->taken.items[i], true);
        }
        assert_false(is_present(s, "d1"));
        assert_false(is_present(s, "d2"));
        RUN(s->a, "DEL", KEY("epoch"));
        assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    }
    assert_in_range(steps, 30, 60);
}

static void what_others_deleted_is_healed(void **state)
{
    struct scene *s = *state;

    publish(s, QUEUE_READY, "d1", LANE);
    RUN(s->a, "DEL", READY); /* an evicted stream: the record alone is no presence */
    assert_false(is_present(s, "d1"));
    assert_int_equal(fetch(s, s->a, QUEUE_READY, 1), 0);
    assert_int_equal(RUN(s->a, "SCARD", KEY("lanes:ready")), 0);
    assert_int_equal(publish(s, QUEUE_READY, "d1", LANE), 1);
    RUN(s->a, "DEL", KEY("lanes:ready"));
    assert_int_equal(publish(s, QUEUE_READY, "d1", LANE), 0); /* a look puts the lane back */
    LANES_ARE(s, QUEUE_READY, LANE);
    RUN(s->a, "DEL", KEY("lanes:ready"));
    assert_true(is_present(s, "d1"));
    LANES_ARE(s, QUEUE_READY, LANE);
    fetch(s, s->a, QUEUE_READY, 1);
    RUN(s->a, "XGROUP", "DESTROY", READY, "dist");
    assert_true(lost(s, s->a, &s->claims.items[0]));
    assert_int_equal(take_over(s, s->b, QUEUE_READY, 0), 0); /* makes the group, so it is read again */
    assert_int_equal(fetch(s, s->b, QUEUE_READY, 1), 1);
    RUN(s->a, "DEL", KEY("d:d1")); /* an entry that no record names goes away */
    assert_int_equal(take_over(s, s->a, QUEUE_READY, 0), 0);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

/* Its entries are read once more, so two workers have the same claim: the first that settles it does. */
static void a_group_that_was_made_again_has_each_claim_settled_once(void **state)
{
    struct scene *s = *state;
    enum { FINISH, HOP, RELEASE, WAYS };

    for (int way = 0; way < WAYS; way++) {
        struct queue_claim old;

        publish(s, QUEUE_ROUTED, "d1", NULL);
        fetch(s, s->a, QUEUE_ROUTED, 1);
        queue_claim_copy(&old, &s->claims.items[0]);
        RUN(s->a, "XGROUP", "DESTROY", ROUTED, "dist");
        assert_int_equal(fetch(s, s->b, QUEUE_ROUTED, 1), 1);
        const struct queue_claim *new = &s->claims.items[0];
        assert_string_equal(new->entry, old.entry);
        assert_true(lost(s, s->a, &old));
        assert_false(lost(s, s->b, new));
        if (way == FINISH) {
            finish(s, s->a, &old, false);
            finish(s, s->b, new, false);
        } else if (way == HOP) {
            hop(s, s->b, new, QUEUE_READY, "d1");
            hop(s, s->a, &old, QUEUE_READY, "d1");
            release(s, s->a, &old);
            assert_int_equal(RUN(s->a, "EXISTS", ROUTED), 0);
            assert_int_equal(fetch(s, s->b, QUEUE_READY, 9), 1);
            finish(s, s->b, &s->claims.items[0], false);
        } else {
            release(s, s->a, &old);
            assert_false(lost(s, s->b, new)); /* it was not the first one's to give back */
            release(s, s->b, new);
            finish(s, s->b, new, false);
            assert_int_equal(fetch(s, s->b, QUEUE_ROUTED, 9), 1);
            assert_int_equal(s->claims.items[0].crashes, 0);
            finish(s, s->b, &s->claims.items[0], false);
        }
        assert_int_equal(RUN(s->a, "DBSIZE"), 0);
        queue_claim_release(&old);
    }
}

static void without_memory_nothing_comes_in_and_all_goes_out(void **state)
{
    struct scene *s = *state;
    struct queue_claim other;

    publish(s, QUEUE_SUBMITTED, "j1", NULL);
    publish(s, QUEUE_ROUTED, "d1", NULL);
    publish(s, QUEUE_ROUTED, "d2", NULL);
    publish(s, QUEUE_ROUTED, "d3", NULL);
    fetch(s, s->b, QUEUE_SUBMITTED, 1);
    RUN(s->a, "CONFIG", "SET", "maxmemory", "1");
    assert_int_equal(queue_publish(s->a, QUEUE_ROUTED, &(struct queue_item){.id = "d9", .lane = EARLY}, 1, 0,
                                   NULL, &s->fault),
                     -1);
    assert_int_equal(s->fault.class, FAULT_TEMP);
    assert_int_equal(publish(s, QUEUE_ROUTED, "d1", NULL), 0);
    RUN(s->a, "DEL", KEY("lanes:routed")); /* a look cannot mend it now, and is no fault */
    assert_int_equal(publish(s, QUEUE_ROUTED, "d1", NULL), 0);
    assert_true(is_present(s, "d1"));
    assert_true(recall(s, "d3"));
    other = s->claims.items[0];
    other.crashes = 7; /* a claim that is not ours frees nothing, so it may bring nothing */
    assert_int_equal(queue_hops(s->b,
                                &(struct queue_hop){.claim = &other,
                                                    .stage = QUEUE_ROUTED,
                                                    .items = &(struct queue_item){.id = "d9", .lane = EARLY},
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

/* What somebody else put where a lane's stream belongs is an error for that lane alone: the ids before it are
 * queued, once. */
static void an_unusable_lane_leaves_the_others_as_they_are(void **state)
{
    struct scene *s = *state;
    struct queue_item items[] = {{.id = "d1", .lane = EARLY},
                                 {.id = "d2", .lane = "zz:normal"},
                                 {.id = "d4", .lane = EARLY},
                                 {.id = "d5", .lane = "zz:normal"}};
    size_t added;

    RUN(s->a, "SET", KEY("routed:zz:normal"), "x");
    for (int i = 0; i < 3; i++) {
        fault_clear(&s->fault);
        assert_int_equal(queue_publish(s->a, QUEUE_ROUTED, items, 2, 0, &added, &s->fault), -1);
        assert_int_equal(s->fault.class, FAULT_BUG);
        assert_true(is_present(s, "d1"));
        assert_false(is_present(s, "d2"));
        assert_int_equal(RUN(s->a, "XLEN", ROUTED), 1);
    }
    /* Finished while somebody wishes it elsewhere: the wish is lost, and nothing else. */
    assert_int_equal(publish(s, QUEUE_ROUTED, "d3", NULL), 1);
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 9), 2);
    RUN(s->a, "DEL", KEY("routed:zz:normal"));
    items[1].id = "d3";
    assert_int_equal(queue_publish(s->a, QUEUE_ROUTED, &items[1], 1, 0, &added, &s->fault), 0);
    RUN(s->a, "SET", KEY("routed:zz:normal"), "x");
    for (int i = 0; i < 2; i++) {
        struct queue_finish end = {.claim = &s->claims.items[i], .ended = true};
        fault_clear(&s->fault);
        assert_int_equal(queue_finish(s->a, &end, 1, &s->fault), i ? -1 : 0);
        assert_false(is_present(s, i ? "d3" : "d1"));
    }
    RUN(s->a, "DEL", KEY("routed:zz:normal"));
    finish(s, s->a, &s->claims.items[1], true);
    /* What was to move there is not in Redis any more. */
    publish(s, QUEUE_SUBMITTED, "d4", NULL);
    publish(s, QUEUE_SUBMITTED, "d5", NULL);
    fetch(s, s->a, QUEUE_SUBMITTED, 2);
    RUN(s->a, "SET", KEY("routed:zz:normal"), "x");
    struct queue_hop hops[] = {
        {.claim = &s->claims.items[0], .stage = QUEUE_ROUTED, .items = &items[2], .count = 1},
        {.claim = &s->claims.items[1], .stage = QUEUE_ROUTED, .items = &items[3], .count = 1}};
    assert_int_equal(queue_hops(s->a, hops, 2, &s->fault), -1);
    assert_int_equal(RUN(s->a, "EXISTS", KEY("d:d5")), 0);
    assert_int_equal(fetch(s, s->a, QUEUE_SUBMITTED, 9), 0); /* a look takes the empty stream away */
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 9), 1);
    assert_string_equal(s->claims.items[0].id, "d4");
    finish(s, s->a, &s->claims.items[0], true);
    RUN(s->a, "DEL", KEY("routed:zz:normal"));
    assert_int_equal(fetch_lane(s, s->a, QUEUE_ROUTED, "zz:normal", 1),
                     0); /* who hears its bell finds nothing */
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

/* A version that had one stream for all tenants left its entries here: its ids are not in Redis. */
static void ids_of_streams_without_a_lane_are_published_again(void **state)
{
    struct scene *s = *state;

    for (int way = 0; way < 3; way++) {
        RUN(s->a, "XADD", KEY("routed"), "5-1", "id", "d1");
        RUN(s->a, "SET", KEY("d:d1"), "0 5-1  " KEY("routed"));
        assert_false(is_present(s, "d1"));
        if (way == 0) {
            assert_int_equal(publish(s, QUEUE_ROUTED, "d1", NULL), 1);
            assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 9), 1);
        } else if (way == 1) { /* its worker found that it has ended */
            finish(s, s->a, &s->claims.items[0], true);
            assert_int_equal(RUN(s->a, "EXISTS", KEY("routed")), 0);
        } else {
            assert_true(recall(s, "d1"));
        }
        if (way == 0)
            finish(s, s->a, &s->claims.items[0], true);
        RUN(s->a, "DEL", KEY("routed"));
        assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    }
}

/* Former versions kept a hash for each id, or its owner in the record, and somebody may write anything: none
 * of these is a record. */
static void what_is_no_record_counts_as_none_and_heals(void **state)
{
    static const char *const texts[] = {NULL,
                                        "",
                                        "nonsense",
                                        "0 5-1 " ROUTED,
                                        "0 5-1   " ROUTED,
                                        "0 5-1 host:123:8f0a2b4c  " ROUTED,
                                        "-1 5-1  " ROUTED,
                                        "0 5  " ROUTED,
                                        "0 5-1  ",
                                        "0 5-1  " ROUTED "\n"};
    struct scene *s = *state;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int way = 0; way < 3; way++) {
            RUN(s->a, "XADD", ROUTED, "5-1", "id", "d1");
            RUN(s->a, "XGROUP", "CREATE", ROUTED, "dist", "0");
            if (texts[i])
                RUN(s->a, "SET", KEY("d:d1"), texts[i]);
            else
                RUN(s->a, "HSET", KEY("d:d1"), "s", ROUTED, "e", "5-1", "o", "", "c", "0", "a", "");
            assert_false(is_present(s, "d1"));
            if (way == 0) { /* published again: the new entry is the only one that is claimed */
                assert_int_equal(publish(s, QUEUE_ROUTED, "d1", NULL), 1);
                assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 9), 1);
                assert_int_equal(RUN(s->a, "XLEN", ROUTED), 1);
                finish(s, s->a, &s->claims.items[0], true);
            } else if (way == 1) {
                assert_true(recall(s, "d1"));
                assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 9), 0);
            } else { /* it was claimed when the version changed */
                RUN(s->a, "XREADGROUP", "GROUP", "dist", "old", "STREAMS", ROUTED, ">");
                assert_int_equal(take_over(s, s->b, QUEUE_ROUTED, 0), 0);
                RUN(s->a, "DEL", ROUTED, KEY("d:d1"),
                    KEY("lanes:routed")); /* the hash that nobody asks for */
            }
            assert_int_equal(RUN(s->a, "DBSIZE"), 0);
        }
}

/* The entry of the job makes room first, else a full Redis would never be emptied. */
static void without_memory_a_job_still_becomes_its_deliveries(void **state)
{
    struct scene *s = *state;
    struct queue_item deliveries[] = {
        {.id = "d1", .lane = EARLY}, {.id = "d2", .lane = EARLY}, {.id = "d3", .lane = EARLY}};
    struct queue_hop hop_out = {.stage = QUEUE_ROUTED, .items = deliveries, .count = 3};
    struct queue_claim other;

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
    assert_int_equal(RUN(s->a, "EXISTS", SUBMITTED), 0);
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 9), 3);
    assert_int_equal(publish(s, QUEUE_ROUTED, "d1", NULL), 0); /* no room for a wish, and no fault */
    other = s->claims.items[0];
    other.crashes = 7;
    hop(s, s->a, &other, QUEUE_ROUTED, "d2"); /* likewise */
    for (int i = 0; i < 3; i++)
        finish(s, s->a, &s->claims.items[i], true);
    RUN(s->a, "CONFIG", "SET", "maxmemory", "0");
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(malformed_entries_are_quarantined),
        TEST(a_wipe_changes_the_epoch_and_voids_all_claims),
        TEST(a_server_that_restarts_is_used_again),
        TEST(a_wipe_between_any_two_calls_is_survived),
        TEST(what_others_deleted_is_healed),
        TEST(a_group_that_was_made_again_has_each_claim_settled_once),
        TEST(an_unusable_lane_leaves_the_others_as_they_are),
        TEST(ids_of_streams_without_a_lane_are_published_again),
        TEST(what_is_no_record_counts_as_none_and_heals),
        TEST(without_memory_nothing_comes_in_and_all_goes_out),
        TEST(without_memory_a_job_still_becomes_its_deliveries),
    };

    return cmocka_run_group_tests(tests, scene_group_setup, scene_group_teardown);
}
