/*
 * holds.c against a real server: breakers that several workers share, pauses, rates. Times are those of
 * Redis; what must end is waited for, and that it did not end before its time is held by the same clock.
 */
#include "queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clock.h"
#include "holds.h"

#define HOLDS KEY("holds")

enum { LONG_MS = 600000 }; /* longer than any test */

static const struct hold_rules rules = {.failures = 5, .open_ms = LONG_MS};

static void report(struct scene *s, struct queue *queue, const struct hold_rules *with,
                   struct hold_report what)
{
    if (!what.destination)
        what.destination = "web";
    OK(holds_report(queue, with, &what, 1, &s->fault));
}

static void failing(struct scene *s, struct queue *queue, int failures)
{
    report(s, queue, &rules, (struct hold_report){.failures = failures});
}

static void succeed(struct scene *s, struct queue *queue)
{
    report(s, queue, &rules, (struct hold_report){.success = true});
}

/* The kind of hold of `destination`; -1: none. Its numbers go to `hold`, without its name. */
static int look_at(struct scene *s, const char *destination, struct hold *hold)
{
    const struct hold *found;
    struct holds holds;

    OK(holds_look(s->b, &holds, &s->fault));
    found = holds_find(&holds, destination);
    *hold = found ? *found : (struct hold){.kind = HOLD_KIND_COUNT};
    hold->destination = NULL;
    holds_release(&holds);
    return found ? (int)hold->kind : -1;
}

static int look(struct scene *s)
{
    struct hold hold;

    return look_at(s, "web", &hold);
}

static int64_t now_us(struct scene *s)
{
    redisReply *reply = redis_commandf(queue_redis(s->b), 0, &s->fault, "TIME");
    int64_t us =
        strtoll(reply->element[0]->str, NULL, 10) * 1000000 + strtoll(reply->element[1]->str, NULL, 10);

    freeReplyObject(reply);
    return us;
}

/* Waits until the hold is of this kind, and holds that this was not before `ms` from `start_us` on. */
static void wait_for(struct scene *s, int kind, int64_t start_us, int64_t ms)
{
    int64_t deadline_ms = clock_mono_ms() + 10000;

    while (look(s) != kind)
        assert_true(clock_mono_ms() < deadline_ms);
    assert_true(now_us(s) - start_us >= (ms - 1) * 1000); /* both ends were cut to milliseconds */
}

static bool probe_of(struct scene *s, struct queue *queue, int64_t for_ms)
{
    bool granted;

    OK(holds_probe(queue, "web", for_ms, &granted, &s->fault));
    return granted;
}

/* A breaker whose time has passed. */
static void half_open(struct scene *s)
{
    int64_t start_us = now_us(s);

    report(s, s->a, &(struct hold_rules){.failures = 5, .open_ms = 20}, (struct hold_report){.failures = 5});
    wait_for(s, HOLD_PROBE, start_us, 20);
}

static void nothing_is_held_at_first(void **state)
{
    struct scene *s = *state;
    struct holds holds;

    OK(holds_look(s->a, &holds, &s->fault));
    assert_int_equal(holds.count, 0);
    assert_null(holds_find(&holds, "web"));
    holds_release(&holds);
    assert_false(probe_of(s, s->a, LONG_MS));
    assert_false(probe_of(s, s->a, 0));
    OK(holds_report(s->a, &rules, NULL, 0, &s->fault));
    OK(holds_grant(s->a, NULL, 0, &s->fault));
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void five_failures_in_a_row_open_it_whoever_had_them(void **state)
{
    struct scene *s = *state;
    struct hold hold;

    for (int i = 0; i < 4; i++) {
        failing(s, i % 2 ? s->a : s->b, 1);
        assert_int_equal(look(s), -1);
    }
    failing(s, s->a, 1);
    assert_int_equal(look_at(s, "web", &hold), HOLD_OPEN);
    assert_int_equal(hold.failures, 5);
    assert_in_range(hold.left_ms, 1, LONG_MS);
    assert_int_equal(look_at(s, "api", &hold), -1);
    assert_false(probe_of(s, s->a, LONG_MS));
    succeed(s, s->b);
    assert_int_equal(look(s), -1);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void a_success_in_between_begins_the_row_again(void **state)
{
    struct scene *s = *state;
    struct hold hold;

    failing(s, s->a, 4);
    succeed(s, s->b);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0); /* a destination that works has no field */
    failing(s, s->b, 4);
    assert_int_equal(look(s), -1);
    /* The row in a report is the one behind its success. */
    report(s, s->a, &rules, (struct hold_report){.success = true, .failures = 3});
    assert_int_equal(look(s), -1);
    failing(s, s->b, 1);
    assert_int_equal(look(s), -1);
    failing(s, s->b, 1);
    assert_int_equal(look_at(s, "web", &hold), HOLD_OPEN);
    assert_int_equal(hold.failures, 5);
    report(s, s->a, &rules,
           (struct hold_report){.success = true, .failures = 5}); /* closed, and open again */
    assert_int_equal(look_at(s, "web", &hold), HOLD_OPEN);
    assert_int_equal(hold.failures, 5);
}

static void many_reports_are_one_call(void **state)
{
    enum { COUNT = 700 };
    struct scene *s = *state;
    static struct hold_report reports[COUNT];
    static char names[COUNT][16];
    struct holds holds;

    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "dest%03d", COUNT - 1 - i);
        reports[i] = (struct hold_report){.destination = names[i], .failures = i % 2 ? 5 : 4};
    }
    OK(holds_report(s->a, &rules, reports, COUNT, &s->fault));
    OK(holds_look(s->b, &holds, &s->fault));
    assert_int_equal(holds.count, COUNT / 2);
    for (size_t i = 1; i < holds.count; i++)
        assert_true(strcmp(holds.items[i - 1].destination, holds.items[i].destination) < 0);
    for (int i = 0; i < COUNT; i++) {
        const struct hold *hold = holds_find(&holds, names[i]);

        assert_int_equal(hold != NULL, i % 2);
        if (hold)
            assert_string_equal(hold->destination, names[i]);
        reports[i].failures = 0;
        reports[i].success = true;
    }
    holds_release(&holds);
    OK(holds_report(s->a, &rules, reports, COUNT, &s->fault));
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void an_open_one_may_be_probed_after_its_time(void **state)
{
    struct scene *s = *state;
    const struct hold_rules shortly = {.failures = 5, .open_ms = 150};
    struct hold hold;
    int64_t start_us = now_us(s);

    report(s, s->a, &shortly, (struct hold_report){.failures = 5});
    wait_for(s, HOLD_PROBE, start_us, 150);
    assert_int_equal(look_at(s, "web", &hold), HOLD_PROBE); /* until somebody makes it */
    assert_int_equal(hold.left_ms, 0);
    assert_int_equal(hold.failures, 5);
    assert_true(probe_of(s, s->a, LONG_MS));
    assert_int_equal(look_at(s, "web", &hold), HOLD_OPEN);
    assert_in_range(hold.left_ms, 1, LONG_MS);
    succeed(s, s->a);
    assert_int_equal(look(s), -1);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

/* Asks when `go` is closed, and writes to `answer`: 1 granted, 0 not, 2 a fault. */
static void ask_for_probe(const struct server *server, int go, int answer)
{
    struct queue *queue = worker_new(server, "asker", 1);
    struct fault fault;
    bool mine = false;
    char byte;

    if (redis_connect(queue_redis(queue), &fault) || read(go, &byte, 1) != 0 ||
        holds_probe(queue, "web", LONG_MS, &mine, &fault))
        byte = 2;
    else
        byte = (char)mine;
    _exit(write(answer, &byte, 1) != 1);
}

static void one_of_many_workers_gets_the_probe(void **state)
{
    enum { WORKERS = 8 };
    struct scene *s = *state;
    pid_t pids[WORKERS];
    int go[2], answers[2], granted = 0;
    char byte;

    half_open(s);
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(answers), 0);
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            close(go[1]);
            ask_for_probe(&s->server, go[0], answers[1]);
        }
    }
    close(go[0]);
    close(go[1]); /* now */
    close(answers[1]);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(read(answers[0], &byte, 1), 1);
        assert_in_range(byte, 0, 1);
        granted += byte;
    }
    close(answers[0]);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    assert_int_equal(granted, 1);
    assert_int_equal(look(s), HOLD_OPEN);
}

static void a_probe_that_was_not_used_is_given_to_the_next(void **state)
{
    struct scene *s = *state;
    int64_t start_us;

    half_open(s);
    assert_true(probe_of(s, s->a, LONG_MS));
    assert_false(probe_of(s, s->b, LONG_MS));
    assert_false(probe_of(s, s->a, 0)); /* back */
    assert_int_equal(look(s), HOLD_PROBE);
    start_us = now_us(s);
    assert_true(probe_of(s, s->b, 40));
    wait_for(s, HOLD_PROBE, start_us, 40); /* its worker was lost: it comes back by itself */
    assert_true(probe_of(s, s->a, LONG_MS));
    succeed(s, s->b);
    assert_false(probe_of(s, s->a, 0));
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void a_probe_that_failed_opens_it_again(void **state)
{
    struct scene *s = *state;
    struct hold hold;
    int64_t start_us;

    half_open(s);
    assert_true(probe_of(s, s->a, LONG_MS));
    start_us = now_us(s);
    report(s, s->a, &(struct hold_rules){.failures = 5, .open_ms = 60},
           (struct hold_report){.failures = 1, .probe_failed = true});
    wait_for(s, HOLD_PROBE, start_us, 60); /* what was left of the time for the probe does not count */
    assert_true(probe_of(s, s->b, 1));
    report(s, s->b, &rules, (struct hold_report){.failures = 1, .probe_failed = true});
    assert_int_equal(look_at(s, "web", &hold), HOLD_OPEN);
    assert_int_equal(hold.failures, 7);
    assert_in_range(hold.left_ms, LONG_MS / 2, LONG_MS);
    succeed(s, s->a);
    report(s, s->b, &rules,
           (struct hold_report){.failures = 1, .probe_failed = true}); /* too late to matter */
    assert_int_equal(look(s), -1);
}

static void stragglers_do_not_prolong_it(void **state)
{
    struct scene *s = *state;
    const struct hold_rules longer = {.failures = 5, .open_ms = 100 * LONG_MS};
    struct hold hold;
    int64_t start_us;

    failing(s, s->a, 5);
    for (int i = 0; i < 3; i++)
        report(s, s->b, &longer, (struct hold_report){.failures = 5});
    assert_int_equal(look_at(s, "web", &hold), HOLD_OPEN);
    assert_in_range(hold.left_ms, 1, LONG_MS);
    succeed(s, s->a);
    half_open(s);
    report(s, s->b, &longer, (struct hold_report){.failures = 5});
    assert_int_equal(look(s), HOLD_PROBE); /* nor while it waits for its probe */
    start_us = now_us(s);
    assert_true(probe_of(s, s->a, 30));
    report(s, s->b, &longer, (struct hold_report){.failures = 5});
    wait_for(s, HOLD_PROBE, start_us, 30);
}

static void a_pause_ends_by_itself(void **state)
{
    struct scene *s = *state;
    struct hold hold;
    int64_t start_us;

    report(s, s->a, &rules, (struct hold_report){.failures = 1, .pause_ms = LONG_MS});
    report(s, s->b, &rules, (struct hold_report){.failures = 1, .pause_ms = 10}); /* the longer one holds */
    assert_int_equal(look_at(s, "web", &hold), HOLD_PAUSED);
    assert_int_equal(hold.failures, 2);
    assert_in_range(hold.left_ms, LONG_MS / 2, LONG_MS);
    assert_false(probe_of(s, s->a, LONG_MS));
    succeed(s, s->b); /* one that was on its way: the wish to be left alone stands */
    assert_int_equal(look_at(s, "web", &hold), HOLD_PAUSED);
    assert_int_equal(hold.failures, 0);
    RUN(s->a, "DEL", HOLDS);
    start_us = now_us(s);
    report(s, s->a, &rules, (struct hold_report){.success = true, .pause_ms = 80});
    wait_for(s, -1, start_us, 80);
    assert_int_equal(RUN(s->a, "HLEN", HOLDS), 1);
    succeed(s, s->a);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

/* A breaker that is open while a pause runs waits for both. */
static void a_pause_holds_the_probe_back(void **state)
{
    struct scene *s = *state;
    struct hold hold;

    half_open(s);
    report(s, s->a, &rules, (struct hold_report){.pause_ms = LONG_MS});
    assert_int_equal(look_at(s, "web", &hold), HOLD_OPEN);
    assert_in_range(hold.left_ms, LONG_MS / 2, LONG_MS);
    assert_false(probe_of(s, s->a, LONG_MS));
}

static void set_field(struct scene *s, const char *destination, int64_t paused_in_ms, int64_t touched_ms_ago)
{
    int64_t now_ms = now_us(s) / 1000;
    char text[128];

    snprintf(text, sizeof text, "3 0 %lld 0 %lld", (long long)(paused_in_ms ? now_ms + paused_in_ms : 0),
             (long long)(now_ms - touched_ms_ago));
    RUN(s->a, "HSET", HOLDS, destination, text);
}

static void stale_fields_go(void **state)
{
    struct scene *s = *state;
    struct hold hold;

    set_field(s, "fresh", 0, 3500000);
    set_field(s, "stale", 0, 3700000);
    set_field(s, "paused", 7200000, 3700000); /* Retry-After of some hours: nobody reports meanwhile */
    set_field(s, "future", 0, -7200000);      /* somebody set the clock back */
    RUN(s->a, "HSET", HOLDS, "damaged", "nonsense");
    assert_int_equal(look_at(s, "paused", &hold), HOLD_PAUSED);
    assert_in_range(hold.left_ms, 7000000, 7200000);
    assert_int_equal(RUN(s->a, "HEXISTS", HOLDS, "fresh"), 1);
    assert_int_equal(RUN(s->a, "HEXISTS", HOLDS, "paused"), 1);
    assert_int_equal(RUN(s->a, "HLEN", HOLDS), 2);
    /* What is stale does not count, even where nobody looked before. */
    set_field(s, "web", 0, 3700000);
    failing(s, s->a, 4);
    assert_int_equal(look(s), -1);
    failing(s, s->a, 1);
    assert_int_equal(look(s), HOLD_OPEN);
}

static void one_that_is_gone_is_held_until_it_is_lifted(void **state)
{
    struct scene *s = *state;
    struct hold hold;
    bool lifted;

    report(s, s->a, &rules, (struct hold_report){.success = true, .gone = true});
    assert_int_equal(look_at(s, "web", &hold), HOLD_GONE);
    assert_int_equal(hold.left_ms, 0);
    succeed(s, s->b); /* an attempt that was under way */
    failing(s, s->b, 5);
    assert_int_equal(look(s), HOLD_GONE);
    assert_false(probe_of(s, s->a, LONG_MS));
    OK(holds_lift(s->b, "web", &lifted, &s->fault));
    assert_true(lifted);
    assert_int_equal(look(s), HOLD_OPEN); /* the breaker is another matter */
    OK(holds_lift(s->b, "web", &lifted, &s->fault));
    assert_false(lifted);
    succeed(s, s->a);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void one_that_is_gone_is_asked_again_after_thirty_days(void **state)
{
    struct scene *s = *state;
    long long now_ms = now_us(s) / 1000, day_ms = 24 * 3600 * 1000LL;
    char text[128];

    snprintf(text, sizeof text, "0 0 0 0 %lld %lld", now_ms - 29 * day_ms, now_ms - 29 * day_ms);
    RUN(s->a, "HSET", HOLDS, "web", text);
    assert_int_equal(look(s), HOLD_GONE);
    snprintf(text, sizeof text, "0 0 0 0 %lld %lld", now_ms - 31 * day_ms, now_ms - 31 * day_ms);
    RUN(s->a, "HSET", HOLDS, "web", text);
    assert_int_equal(look(s), -1);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void a_wiped_redis_holds_nothing(void **state)
{
    struct scene *s = *state;

    failing(s, s->a, 5);
    RUN(s->b, "FLUSHALL");
    assert_int_equal(look(s), -1);
    assert_false(probe_of(s, s->a, 0));
    report(s, s->a, &rules, (struct hold_report){.failures = 1, .probe_failed = true});
    assert_int_equal(look(s), -1);
    succeed(s, s->a);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

/* ---- rates ---- */

static size_t grant(struct scene *s, struct queue *queue, double rate_per_s, size_t want)
{
    struct hold_grant grant = {.destination = "web", .rate_per_s = rate_per_s, .want = want, .granted = 99};

    OK(holds_grant(queue, &grant, 1, &s->fault));
    assert_in_range(grant.granted, 0, want);
    return grant.granted;
}

static void a_second_is_saved_up_and_then_it_is_steady(void **state)
{
    enum { RATE = 50 };
    struct scene *s = *state;
    int64_t start_us = now_us(s), first_us, before_us, after_us, gap_us = 0;
    size_t all, turn = 0;

    assert_int_equal(grant(s, s->a, RATE, 20), 20);
    all = 20 + grant(s, s->b, RATE, 1000); /* another worker gets the rest */
    before_us = after_us = first_us = now_us(s);
    assert_in_range(all, RATE, RATE + (size_t)((first_us - start_us) * RATE / 1000000) + 1);
    while (after_us < start_us + 700000) {
        before_us = now_us(s);
        all += grant(s, turn++ % 2 ? s->a : s->b, RATE, 1000);
        gap_us = now_us(s) - after_us > gap_us ? now_us(s) - after_us : gap_us;
        after_us = now_us(s);
    }
    assert_in_range(all, RATE, RATE + (size_t)((after_us - start_us) * RATE / 1000000) + 1);
    if (gap_us < 900000) /* else this process stood still, and what it did not take was lost */
        assert_true(all >= RATE + (size_t)((before_us - first_us) * RATE / 1000000));
}

static void a_rate_below_one_a_second_is_one_at_a_time(void **state)
{
    struct scene *s = *state;
    int64_t start_us = now_us(s), deadline_ms = clock_mono_ms() + 20000, got_us;

    assert_int_equal(grant(s, s->a, 0.8, 5), 1);
    while (grant(s, s->b, 0.8, 5) == 0)
        assert_true(clock_mono_ms() < deadline_ms);
    got_us = now_us(s) - start_us;
    assert_true(got_us >= 1250000);
    assert_int_equal(grant(s, s->a, 0.8, 5), 0);
    RUN(s->a, "DEL", KEY("rate:web"));
    assert_int_equal(grant(s, s->a, 1.0 / 86400, 5), 1); /* one a day */
    assert_int_equal(grant(s, s->b, 1.0 / 86400, 5), 0);
}

static void a_rate_leaves_no_key(void **state)
{
    struct scene *s = *state;
    int64_t deadline_ms = clock_mono_ms() + 20000;

    assert_int_equal(grant(s, s->a, 20, 0), 0); /* nothing was wanted */
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
    assert_int_equal(grant(s, s->a, 1000, 1000), 1000);
    assert_in_range(RUN(s->a, "PTTL", KEY("rate:web")), 1, 1100);
    while (RUN(s->a, "EXISTS", KEY("rate:web")))
        assert_true(clock_mono_ms() < deadline_ms);
    assert_int_equal(RUN(s->a, "DBSIZE"), 0);
}

static void several_destinations_have_their_own_rates(void **state)
{
    struct scene *s = *state;
    struct hold_grant grants[] = {{.destination = "web", .rate_per_s = 0.001, .want = 3},
                                  {.destination = "api", .rate_per_s = 1000000, .want = 3},
                                  {.destination = "web", .rate_per_s = 0.001, .want = 3},
                                  {.destination = "box", .rate_per_s = 1e12, .want = 3},
                                  {.destination = "sea", .rate_per_s = 1e-300, .want = 3}};
    static const size_t expected[] = {1, 3, 0, 3, 1};

    OK(holds_grant(s->a, grants, 5, &s->fault));
    for (int i = 0; i < 5; i++)
        assert_int_equal(grants[i].granted, expected[i]);
}

/* What is stored is a slot far ahead: the clock was set back, or the rate was one an hour. */
static void a_slot_far_ahead_does_not_stop_a_destination(void **state)
{
    struct scene *s = *state;
    char text[32];
    int64_t deadline_ms = clock_mono_ms() + 20000;

    snprintf(text, sizeof text, "%lld", (long long)now_us(s) + 3600000000);
    RUN(s->a, "SET", KEY("rate:web"), text);
    while (grant(s, s->a, 20, 1) == 0)
        assert_true(clock_mono_ms() < deadline_ms);
}

/* Whatever is held must be known, and what is let through must flow, so that a full Redis gets empty. */
static void without_memory_holds_and_rates_go_on(void **state)
{
    struct scene *s = *state;

    failing(s, s->a, 4);
    RUN(s->a, "CONFIG", "SET", "maxmemory", "1");
    failing(s, s->a, 1);
    assert_int_equal(look(s), HOLD_OPEN);
    report(s, s->a, &rules, (struct hold_report){.destination = "new", .pause_ms = LONG_MS});
    assert_int_equal(RUN(s->a, "HLEN", HOLDS), 2);
    assert_int_equal(grant(s, s->a, 20, 10), 10);
    assert_int_equal(grant(s, s->a, 20, 5), 5);
    RUN(s->a, "DEL", HOLDS);
    RUN(s->a, "CONFIG", "SET", "maxmemory", "0");
    half_open(s);
    RUN(s->a, "CONFIG", "SET", "maxmemory", "1");
    assert_true(probe_of(s, s->a, LONG_MS));
    assert_false(probe_of(s, s->b, LONG_MS));
    succeed(s, s->a);
    RUN(s->a, "CONFIG", "SET", "maxmemory", "0");
    assert_int_equal(RUN(s->a, "EXISTS", HOLDS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_held_at_first),
        TEST(five_failures_in_a_row_open_it_whoever_had_them),
        TEST(a_success_in_between_begins_the_row_again),
        TEST(many_reports_are_one_call),
        TEST(an_open_one_may_be_probed_after_its_time),
        TEST(one_of_many_workers_gets_the_probe),
        TEST(a_probe_that_was_not_used_is_given_to_the_next),
        TEST(a_probe_that_failed_opens_it_again),
        TEST(stragglers_do_not_prolong_it),
        TEST(a_pause_ends_by_itself),
        TEST(a_pause_holds_the_probe_back),
        TEST(stale_fields_go),
        TEST(one_that_is_gone_is_held_until_it_is_lifted),
        TEST(one_that_is_gone_is_asked_again_after_thirty_days),
        TEST(a_wiped_redis_holds_nothing),
        TEST(a_second_is_saved_up_and_then_it_is_steady),
        TEST(a_rate_below_one_a_second_is_one_at_a_time),
        TEST(a_rate_leaves_no_key),
        TEST(several_destinations_have_their_own_rates),
        TEST(a_slot_far_ahead_does_not_stop_a_destination),
        TEST(without_memory_holds_and_rates_go_on),
    };

    return cmocka_run_group_tests(tests, scene_group_setup, scene_group_teardown);
}
