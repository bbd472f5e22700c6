/*
 * Claims: who holds an id, who took it over, what a claim that is lost may still do, and what becomes of a
 * publish that came while an id was held.
 */
#include "queue_fixture.h"

#include <stdio.h>
#include <string.h>

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
    assert_int_equal(RUN(s->a, "EXISTS", READY), 0);
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
        assert_int_equal(RUN(s->a, "EXISTS", READY), 0);
        finish(s, s->a, &s->claims.items[0], false); /* again: the new entry is not its own */
        assert_int_equal(queue_wait(s->b, QUEUE_ROUTED, 0, &s->fault), 1);
        assert_int_equal(fetch(s, s->b, QUEUE_ROUTED, 9), 1);
        assert_string_equal(s->claims.items[0].id, "d1");
        assert_int_equal(s->claims.items[0].crashes, 0);
        finish(s, s->b, &s->claims.items[0], true); /* the look: it ends, and that is all */
        assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    }
}

/* One call: an end twice, a wish, an end of what another has by now, and what waits without a wish. */
static void finishes_of_one_call_do_not_answer_for_each_other(void **state)
{
    struct scene *s = *state;
    enum { TWICE, WISHED, LOST, WAITS, IDS };
    static const char *const ids[IDS] = {"twice", "wished", "lost", "waits"};
    struct queue_finish ends[IDS + 1];

    for (size_t i = 0; i < IDS; i++)
        publish(s, QUEUE_READY, ids[i], LANE);
    publish(s, QUEUE_READY, "busy", LANE);
    assert_int_equal(fetch(s, s->a, QUEUE_READY, IDS + 1), IDS + 1);
    publish(s, QUEUE_ROUTED, "wished", NULL);
    assert_int_equal(take_over(s, s->b, QUEUE_READY, 0), IDS + 1);
    for (size_t i = 0; i < IDS; i++)
        ends[i] = (struct queue_finish){.claim = &s->taken.items[i], .ended = i != WAITS};
    ends[WISHED].claim = &s->claims.items[WISHED];
    ends[LOST] = (struct queue_finish){.claim = &s->claims.items[LOST], .ended = false};
    ends[IDS] = ends[TWICE];
    publish(s, QUEUE_ROUTED, "wished", NULL);
    OK(queue_finish(s->b, ends, IDS + 1, &s->fault));
    assert_false(is_present(s, "twice"));
    assert_true(is_present(s, "wished"));
    assert_true(is_present(s, "lost"));
    assert_false(is_present(s, "waits"));
    assert_int_equal(RUN(s->a, "XLEN", READY), 2); /* lost, busy */
    assert_int_equal(fetch(s, s->a, QUEUE_ROUTED, 9), 1);
    assert_string_equal(s->claims.items[0].id, "wished");
    finish(s, s->a, &s->claims.items[0], true);
    finish(s, s->b, &s->taken.items[LOST], true);
    finish(s, s->b, &s->taken.items[IDS], true);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
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

static void reaping_passes_busy_entries_and_all_lanes(void **state)
{
    enum { LANES = 100, BUSY = 300 };
    struct scene *s = *state;
    char text[32];
    size_t got = 0;

    for (int i = 0; i < LANES; i++) {
        snprintf(text, sizeof text, "lane%03d:t:low", i);
        publish(s, QUEUE_READY, text, text);
        OK(queue_fetch(s->a, QUEUE_READY, &(struct queue_want){.lane = text, .count = 1}, 1, &s->claims,
                       &s->fault));
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

/* What was never claimed cannot be taken over, so it costs no round trip. */
static void reaping_passes_lanes_where_nothing_is_claimed(void **state)
{
    enum { LANES = 300 };
    struct scene *s = *state;
    static char names[LANES][24];
    static struct queue_item items[LANES];

    for (int i = 0; i < LANES; i++) {
        snprintf(names[i], sizeof names[i], "lane%03d:t:low", i);
        items[i] = (struct queue_item){.id = names[i], .lane = names[i]};
    }
    OK(queue_publish(s->a, QUEUE_READY, items, LANES, 0, NULL, &s->fault));
    assert_int_equal(fetch_lane(s, s->a, QUEUE_READY, names[LANES - 1], 1), 1);
    assert_int_equal(fetch_lane(s, s->a, QUEUE_READY, names[150], 1), 1);
    assert_int_equal(take_over(s, s->b, QUEUE_READY, 0), 2);
    assert_string_equal(s->taken.items[0].id, names[150]);
    assert_string_equal(s->taken.items[1].id, names[LANES - 1]);
}

/* Lanes come and go between two calls, and other stages are reaped, too. */
static void reaping_goes_on_where_it_ended(void **state)
{
    enum { LANES = 100 };
    struct scene *s = *state;
    static char names[LANES][24];

    publish(s, QUEUE_ROUTED, "d1", NULL);
    publish(s, QUEUE_ROUTED, "d2", NULL);
    fetch(s, s->a, QUEUE_ROUTED, 2);
    for (int i = 0; i < LANES; i++) {
        snprintf(names[i], sizeof names[i], "lane%03d:t:low", i);
        publish(s, QUEUE_READY, names[i], names[i]);
        fetch_lane(s, s->a, QUEUE_READY, names[i], 1);
    }
    assert_int_equal(take_over(s, s->b, QUEUE_READY, 0), 64);
    assert_string_equal(s->taken.items[0].id, names[0]);
    for (int i = 0; i < 40; i++)
        finish(s, s->b, &s->taken.items[i], true);
    queue_claims_release(&s->taken);
    for (int i = 0; i < 4; i++) { /* one entry at a time, and round again */
        OK(queue_reap(s->b, QUEUE_ROUTED, 0, 1, &s->taken, &s->fault));
        assert_int_equal(s->taken.count, i + 1);
        assert_string_equal(s->taken.items[i].id, i % 2 ? "d2" : "d1");
        assert_int_equal(s->taken.items[i].crashes, i / 2 + 1);
    }
    finish(s, s->b, &s->taken.items[2], true);
    finish(s, s->b, &s->taken.items[3], true);
    assert_int_equal(take_over(s, s->b, QUEUE_READY, 0), 60); /* all that are left, from there on */
    assert_string_equal(s->taken.items[0].id, names[64]);
    assert_string_equal(s->taken.items[36].id, names[40]);
    for (int i = 0; i < 60; i++)
        finish(s, s->b, &s->taken.items[i], true);
    assert_int_equal(take_over(s, s->b, QUEUE_READY, 0), 0);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_claim_that_was_taken_over_moves_nothing),
        TEST(a_claim_taken_over_by_its_own_process_is_void),
        TEST(lost_workers_are_counted),
        TEST(released_entries_go_to_the_end_and_ring),
        TEST(renewed_entries_are_not_taken_over),
        TEST(what_is_published_before_a_finish_is_there_after_it),
        TEST(finishes_of_one_call_do_not_answer_for_each_other),
        TEST(a_wish_ends_where_the_id_is_looked_at_anyway),
        TEST(reaping_passes_busy_entries_and_all_lanes),
        TEST(reaping_passes_lanes_where_nothing_is_claimed),
        TEST(reaping_goes_on_where_it_ended),
    };

    return cmocka_run_group_tests(tests, scene_group_setup, scene_group_teardown);
}
