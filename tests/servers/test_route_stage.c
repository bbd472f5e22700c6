/*
 * The routing stage against a PostgreSQL and a Redis of its own: rules and what they set in the rows,
 * payloads, steps that are repeated, the health of members, and dead letters of what has nowhere to go
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "holds.h"
#include "queue_fixture.h"
#include "route_stage.h"
#include "store_fixture.h"
#include "xalloc.h"

enum { LEASE_MS = 60000, WINDOW = 100 };

struct routed {
    struct store_fixture *f;
    struct scene *s;
    struct programs *programs;
    struct catalog *catalog;
    struct rulebook *book;
    struct route_stage stage;
    struct postponed later;
};

static int group_setup(void **state)
{
    static struct routed routed;

    routed.programs = programs_new(&program_limits_default);
    if (store_fixture_setup((void **)&routed.f) || scene_group_setup((void **)&routed.s))
        return -1;
    *state = &routed;
    return 0;
}

static int group_teardown(void **state)
{
    struct routed *r = *state;

    programs_free(r->programs);
    return store_fixture_teardown((void **)&r->f) || scene_group_teardown((void **)&r->s);
}

static int setup(void **state)
{
    static const char forms[] =
        "[{\"name\":\"a\",\"protocol\":\"null\"},{\"name\":\"b\",\"protocol\":\"null\"},"
        "{\"name\":\"c\",\"protocol\":\"null\"},{\"name\":\"g\",\"group\":[\"a\",\"b\"],\"max_queue\":3},"
        "{\"name\":\"l\",\"group\":[\"a\",\"b\"],\"policy\":\"least_outstanding\"}]";
    struct routed *r = *state;

    if (store_fixture_empty((void **)&r->f) || scene_setup((void **)&r->s))
        return -1;
    r->catalog = catalog_new();
    ok(catalog_add(r->catalog, forms, sizeof forms - 1, NULL, "test", &problem));
    ok(catalog_check(r->catalog, &problem));
    r->stage =
        (struct route_stage){.store = r->f->store, .queue = r->s->a, .lease_ms = LEASE_MS, .window = WINDOW};
    return 0;
}

static int teardown(void **state)
{
    struct routed *r = *state;

    route_stage_release(&r->stage);
    rulebook_free(r->book);
    r->book = NULL;
    postponed_release(&r->later);
    catalog_free(r->catalog);
    return scene_teardown((void **)&r->s);
}

static void no_mistake(void *arg, const struct rules_mistake *mistake)
{
    (void)arg;
    fail_msg("%s: %s", mistake->path, mistake->text);
}

/* From now on these rules are in force; ' stands for ". */
static void rules_are(struct routed *r, const char *text, enum route_mode mode)
{
    const struct rulebook_settings settings = {.mode = mode};
    char *copy = xstrdup(text);
    struct rulebook *old = r->book;

    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    const struct rules_source source = {.origin = "r.json", .text = copy, .size = strlen(copy)};
    r->book = rulebook_new(r->catalog, &source, 1, &settings, r->programs, no_mistake, NULL, &problem);
    assert_non_null(r->book);
    route_stage_attach(&r->stage, r->book);
    rulebook_free(old);
    free(copy);
}

/* The same with a limit of their own for programs, until programs_are_usual(). */
static void rules_with_limit(struct routed *r, const char *text, int64_t run_ms)
{
    struct program_limits limits = program_limits_default;

    limits.run_ms = run_ms;
    rules_are(r, "[]", ROUTE_UNITE);
    programs_free(r->programs);
    r->programs = programs_new(&limits);
    rules_are(r, text, ROUTE_UNITE);
}

static void programs_are_usual(struct routed *r)
{
    rules_with_limit(r, "[]", PROGRAM_RUN_MS);
}

/* Accepts a job with this payload and publishes it. */
static void submit(struct routed *r, const char *destinations, const char *payload, char id[UID_TEXT_SIZE])
{
    struct job *job = make_job(destinations);

    free(job->body);
    job->body = xstrdup(payload);
    job->body_size = strlen(payload);
    accept_job(r->f->store, job, id);
    assert_int_equal(publish(r->s, QUEUE_SUBMITTED, id, NULL), 1);
}

/* Takes what is submitted, and routes it. */
static void route_all(struct routed *r)
{
    assert_true(fetch(r->s, r->s->a, QUEUE_SUBMITTED, 100) > 0);
    ok(route_stage_batch(&r->stage, &r->s->claims, &r->later, &problem));
}

static void submit_and_route(struct routed *r, const char *destinations, const char *payload,
                             char id[UID_TEXT_SIZE])
{
    submit(r, destinations, payload, id);
    route_all(r);
}

/* How many deliveries of the job are like this. */
static int64_t deliveries(struct routed *r, const char *id, const char *condition)
{
    return number_of(r->f, "SELECT count(*) FROM distribution_deliveries WHERE job_id = '%s' AND (%s)", id,
                     condition);
}

static int64_t job_is(struct routed *r, const char *id, const char *condition)
{
    return number_of(r->f, "SELECT count(*) FROM distribution_jobs WHERE id = '%s' AND (%s)", id, condition);
}

static void a_rule_names_targets_and_the_row_says_which(void **state)
{
    struct routed *r = *state;
    char id[UID_TEXT_SIZE];

    rules_are(r,
              "[{'name':'r1','match':{'payload':{'n':[7]}},'to':['b']},{'name':'r2','when':'.payload.n > "
              "5','to':['c']}]",
              ROUTE_UNITE);
    submit_and_route(r, "a", "{\"n\": 7}", id);
    assert_int_equal(deliveries(r, id, "true"), 3);
    assert_int_equal(deliveries(r, id, "target = 'a' AND rule IS NULL"), 1);
    assert_int_equal(deliveries(r, id, "target = 'b' AND rule = 'r1'"), 1);
    assert_int_equal(deliveries(r, id, "target = 'c' AND rule = 'r2' AND status = 'queued'"), 1);
    assert_int_equal(job_is(r, id, "status = 'routed' AND NOT replaced AND retry_policy IS NULL"), 1);
    LANES_ARE(r->s, QUEUE_SUBMITTED, NULL);
    LANES_ARE(r->s, QUEUE_READY, "a:acme:normal", "b:acme:normal", "c:acme:normal");
    check_counters(r->f);
}

static void what_rules_set_is_in_the_rows_and_in_the_lane(void **state)
{
    struct routed *r = *state;
    char id[UID_TEXT_SIZE], plain[UID_TEXT_SIZE];

    rules_are(r,
              "[{'name':'s','match':{'payload':{'n':[1]}},'set':{'priority':'high','options':{'retry_policy':"
              "'none',"
              "'timeout':'2h'},'metadata':{'site':'x'}}}]",
              ROUTE_UNITE);
    submit(r, "a b", "{\"n\": 1}", id);
    submit(r, "a", "{\"n\": 2}", plain);
    route_all(r);
    assert_int_equal(job_is(r, id,
                            "priority = 'high' AND retry_policy = 'none' AND metadata = '{\"site\": \"x\"}'"
                            " AND expires_at = created_at + interval '2h' AND lifetime = interval '2h'"),
                     1);
    assert_int_equal(deliveries(r, id, "priority = 'high' AND rule IS NULL"), 2);
    assert_int_equal(job_is(r, plain, "priority = 'normal' AND retry_policy IS NULL AND metadata = '{}'"), 1);
    LANES_ARE(r->s, QUEUE_READY, "a:acme:high", "a:acme:normal", "b:acme:high");
    check_counters(r->f);
}

/* The first router saved the deliveries and was lost before they were in Redis; the rules are others by now.
 */
static void a_repeated_batch_keeps_what_the_first_one_decided(void **state)
{
    struct routed *r = *state;
    char id[UID_TEXT_SIZE];

    rules_are(r, "[{'name':'r','to':['b']}]", ROUTE_UNITE);
    submit_and_route(r, "a", "{}", id);
    RUN(r->s->a, "DEL", ROUTED);
    RUN(r->s->a, "FLUSHALL");
    assert_int_equal(publish(r->s, QUEUE_SUBMITTED, id, NULL), 1);
    rules_are(r, "[{'name':'r','to':['c']}]", ROUTE_REPLACE);
    route_all(r);
    assert_int_equal(deliveries(r, id, "true"), 2);
    assert_int_equal(deliveries(r, id, "target IN ('a', 'b') AND status = 'queued'"), 2);
    assert_int_equal(fetch(r->s, r->s->b, QUEUE_ROUTED, 10), 2);
    assert_int_equal(job_is(r, id, "NOT replaced"), 1);
    check_counters(r->f);
}

static void what_has_nowhere_to_go_is_a_dead_letter(void **state)
{
    struct routed *r = *state;
    char id[UID_TEXT_SIZE];

    rules_are(r, "[{'name':'r','match':{'payload':{'n':[7]}},'to':['b']}]", ROUTE_UNITE);
    submit_and_route(r, "", "{\"n\": 8}", id);
    assert_int_equal(deliveries(r, id,
                                "target = '" CATALOG_NO_TARGET "' AND status = 'dead' AND dead_reason ="
                                " 'unroutable' AND last_error LIKE '%no rule matches%'"),
                     1);
    assert_int_equal(job_is(r, id, "status = 'failed'"), 1);
    assert_int_equal(fetch(r->s, r->s->b, QUEUE_ROUTED, 10), 0);
    /* given up as poison it has one as well */
    submit(r, "", "{}", id);
    assert_int_equal(fetch(r->s, r->s->a, QUEUE_SUBMITTED, 1), 1);
    ok(route_stage_poison(&r->stage, &r->s->claims.items[0], "workers crashed on it", &problem));
    assert_int_equal(deliveries(r, id, "target = '" CATALOG_NO_TARGET "' AND dead_reason = 'poison'"), 1);
    check_counters(r->f);
}

static void an_edited_dead_letter_is_not_asked_about_again(void **state)
{
    struct routed *r = *state;
    char id[UID_TEXT_SIZE];

    rules_are(r, "[{'name':'r','to':['b'],'set':{'priority':'high'}}]", ROUTE_UNITE);
    submit(r, "a", "{}", id);
    run_sql(r->f, "UPDATE distribution_jobs SET replay_of = dist_uuid() WHERE id = '%s'", id);
    route_all(r);
    assert_int_equal(deliveries(r, id, "true"), 1);
    assert_int_equal(deliveries(r, id, "target = 'a' AND rule IS NULL AND priority = 'normal'"), 1);
}

static int count_break(void *arg, const struct audit_break *broken)
{
    (void)broken;
    (*(int *)arg)++;
    return 0;
}

static int breaks(struct routed *r)
{
    struct audit_sums sums = {0};
    int count = 0;

    ok(store_audit(r->f->store, NULL, &sums, count_break, &count, &problem));
    if (!count)
        assert_int_equal(sums.targets, sums.pending + sums.unrouted + sums.waiting + sums.queued +
                                           sums.delivered + sums.dead + sums.expired + sums.cancelled);
    return count;
}

static void the_audit_knows_what_rules_added_and_replaced(void **state)
{
    struct routed *r = *state;
    char id[UID_TEXT_SIZE], nowhere[UID_TEXT_SIZE];

    rules_are(r, "[{'name':'r','match':{'payload':{'n':[7]}},'to':['b','c']}]", ROUTE_REPLACE);
    submit_and_route(r, "a b", "{\"n\": 7}", id);
    submit_and_route(r, "", "{\"n\": 8}", nowhere);
    assert_int_equal(deliveries(r, id, "target IN ('b', 'c') AND rule = 'r'"), 2);
    assert_int_equal(deliveries(r, id, "true"), 2);
    assert_int_equal(job_is(r, id, "replaced"), 1);
    assert_int_equal(breaks(r), 0);
    /* what nobody named is one */
    run_sql(r->f, "UPDATE distribution_deliveries SET rule = NULL WHERE job_id = '%s' AND target = 'c'", id);
    assert_int_equal(breaks(r), 1);
    run_sql(r->f, "UPDATE distribution_deliveries SET rule = 'r' WHERE job_id = '%s' AND target = 'c'", id);
    /* and what the request names is missed, if it was not replaced */
    run_sql(r->f, "UPDATE distribution_jobs SET replaced = false WHERE id = '%s'", id);
    assert_int_equal(breaks(r), 1);
}

static void first_is(struct routed *r, const char *target, const char *first)
{
    char id[UID_TEXT_SIZE], condition[100];

    submit_and_route(r, target, "{}", id);
    snprintf(condition, sizeof condition, "candidates ->> 0 = '%s' AND jsonb_array_length(candidates) = 2",
             first);
    assert_int_equal(deliveries(r, id, condition), 1);
}

static void open_breaker(struct routed *r, const char *destination)
{
    const struct hold_rules rules = {.failures = 1, .open_ms = 60000};
    const struct hold_report report = {.destination = destination, .failures = 1};

    ok(holds_report(r->s->a, &rules, &report, 1, &problem));
}

static void forget_health(struct routed *r)
{
    r->stage.health.fresh_until_ms = 0;
}

static void a_member_whose_breaker_is_open_stands_last(void **state)
{
    struct routed *r = *state;

    rules_are(r, "[]", ROUTE_UNITE);
    first_is(r, "g", "a");
    open_breaker(r, "a");
    first_is(r, "g", "a"); /* what is known is fresh enough */
    forget_health(r);
    first_is(r, "g", "b");
    /* nobody is fit: as they are listed */
    open_breaker(r, "b");
    forget_health(r);
    first_is(r, "g", "a");
    assert_int_equal(number_of(r->f, "SELECT count(*) FROM distribution_deliveries WHERE status = 'dead'"),
                     0);
}

static void a_member_for_which_too_much_waits_stands_last(void **state)
{
    struct routed *r = *state;
    char id[UID_TEXT_SIZE];

    rules_are(r, "[]", ROUTE_UNITE);
    accept_job(r->f->store, make_job("a"), id);
    run_sql(r->f, "UPDATE distribution_jobs SET status = 'routed'");
    fill_lane(r->f, id, "a", "acme", "normal", 3, 0, 600);
    first_is(r, "g", "a"); /* three are no more than three */
    forget_health(r);
    fill_lane(r->f, id, "a", "acme", "low", 1, 0, 600);
    first_is(r, "g", "b");
    /* and what is ready in Redis counts too */
    for (int i = 0; i < 4; i++) {
        char entry[UID_TEXT_SIZE];
        uid_new(entry);
        assert_int_equal(publish(r->s, QUEUE_READY, entry, "b:acme:normal"), 1);
    }
    forget_health(r);
    first_is(r, "g", "a"); /* both have too much: as they are listed */
}

static void who_has_least_gets_the_next_one_also_within_a_second(void **state)
{
    struct routed *r = *state;
    char id[UID_TEXT_SIZE];

    rules_are(r, "[]", ROUTE_UNITE);
    accept_job(r->f->store, make_job("a"), id);
    run_sql(r->f, "UPDATE distribution_jobs SET status = 'routed'");
    fill_lane(r->f, id, "a", "acme", "normal", 2, 0, 600);
    first_is(r, "l", "b");
    first_is(r, "l", "b");
    for (int i = 0; i < 4; i++) /* even by now: as many for each from then on */
        submit_and_route(r, "l", "{}", id);
    assert_int_equal(number_of(r->f, "SELECT count(*) FROM distribution_deliveries WHERE target = 'l'"
                                     " AND candidates ->> 0 = 'a'"),
                     2);
    assert_int_equal(number_of(r->f, "SELECT count(*) FROM distribution_deliveries WHERE target = 'l'"
                                     " AND candidates ->> 0 = 'b'"),
                     4);
}

static void what_waits_is_counted_up_to_a_limit(void **state)
{
    struct waiting_count counts[] = {{.destination = "a", .limit = 100},
                                     {.destination = "a", .limit = 4},
                                     {.destination = "none", .limit = 9}};
    struct routed *r = *state;
    char id[UID_TEXT_SIZE];

    rules_are(r, "[]", ROUTE_UNITE);
    accept_job(r->f->store, make_job("a"), id);
    run_sql(r->f, "UPDATE distribution_jobs SET status = 'routed'");
    fill_lane(r->f, id, "a", "acme", "normal", 7, 0, 600);
    ok(store_count_waiting(r->f->store, counts, 3, &problem));
    assert_int_equal(counts[0].count, 7);
    assert_int_equal(counts[1].count, 4);
    assert_int_equal(counts[2].count, 0);
}

/* Large bodies are looked at one after the other, and the job that has none to look at goes with them. */
static void bodies_are_loaded_as_many_as_fit(void **state)
{
    enum { SIZE = 20 * 1024 * 1024 };
    struct routed *r = *state;
    char ids[3][UID_TEXT_SIZE];
    char *body = xmalloc(SIZE + 1);

    rules_are(r, "[{'name':'r','match':{'payload':{'n':[7]}},'to':['b']}]", ROUTE_UNITE);
    memset(body, ' ', SIZE);
    memcpy(body, "{\"n\": 7}", 8);
    body[SIZE] = '\0';
    submit(r, "", body, ids[0]);
    submit(r, "a", "{\"n\": 7}", ids[1]);
    submit(r, "", body, ids[2]);
    do /* a slow machine does not look at all of them in the time of one batch */
        route_all(r);
    while (number_of(r->f, "SELECT count(*) FROM distribution_jobs WHERE status = 'pending'") > 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(deliveries(r, ids[i], "target = 'b' AND rule = 'r' AND status = 'queued'"), 1);
    free(body);
}

/* Each job takes longer than all of the batch's time. */
static void a_batch_that_takes_too_long_is_cut_and_every_job_is_routed_once(void **state)
{
    enum { JOBS = 4, RUN_MS = 300 };
    struct routed *r = *state;
    char ids[JOBS][UID_TEXT_SIZE];

    r->stage.lease_ms = 4 * (RUN_MS - 100);
    rules_with_limit(r, "[{'name':'r','when':'def f: f; f','to':['b']}]", RUN_MS);
    for (int i = 0; i < JOBS; i++)
        submit(r, "a", "{}", ids[i]);
    for (int left = JOBS; left; left--) {
        assert_int_equal(fetch(r->s, r->s->a, QUEUE_SUBMITTED, 100), left);
        ok(route_stage_batch(&r->stage, &r->s->claims, &r->later, &problem));
        assert_int_equal(number_of(r->f, "SELECT count(*) FROM distribution_jobs WHERE status = 'pending'"),
                         left - 1);
    }
    assert_int_equal(r->later.claims.count, 0);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(deliveries(r, ids[i], "target = 'a' AND status = 'queued'"), 1);
    assert_int_equal(fetch(r->s, r->s->b, QUEUE_ROUTED, 10) + fetch(r->s, r->s->b, QUEUE_SUBMITTED, 10), 0);
    LANES_ARE(r->s, QUEUE_READY, "a:acme:normal");
    programs_are_usual(r);
    check_counters(r->f);
}

/* The lane of somebody else has its turn, though each job of the first one takes all of the time. */
static void a_slow_lane_does_not_starve_another(void **state)
{
    enum { RUN_MS = 300 };
    const struct queue_want wants[] = {{.lane = EARLY, .count = 10}, {.lane = "other:normal", .count = 10}};
    struct routed *r = *state;
    char id[UID_TEXT_SIZE], other[UID_TEXT_SIZE];

    r->stage.lease_ms = 4 * (RUN_MS - 100);
    rules_with_limit(
        r, "[{'name':'r','when':'if .payload.n == 7 then def f: f; f else true end','to':['b']}]", RUN_MS);
    for (int i = 0; i < 4; i++)
        submit(r, "a", "{\"n\": 7}", id);
    accept_job(r->f->store, make_job("c"), other);
    assert_int_equal(publish(r->s, QUEUE_SUBMITTED, other, "other:normal"), 1);
    for (int i = 0; i < 2; i++) {
        queue_claims_release(&r->s->claims);
        ok(queue_fetch(r->s->a, QUEUE_SUBMITTED, wants, 2, &r->s->claims, &problem));
        assert_true(r->s->claims.count >= 4 - (size_t)i);
        ok(route_stage_batch(&r->stage, &r->s->claims, &r->later, &problem));
    }
    assert_int_equal(job_is(r, other, "status = 'routed'"), 1);
    programs_are_usual(r);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(a_rule_names_targets_and_the_row_says_which),
        test(what_rules_set_is_in_the_rows_and_in_the_lane),
        test(a_repeated_batch_keeps_what_the_first_one_decided),
        test(what_has_nowhere_to_go_is_a_dead_letter),
        test(an_edited_dead_letter_is_not_asked_about_again),
        test(the_audit_knows_what_rules_added_and_replaced),
        test(a_member_whose_breaker_is_open_stands_last),
        test(a_member_for_which_too_much_waits_stands_last),
        test(who_has_least_gets_the_next_one_also_within_a_second),
        test(what_waits_is_counted_up_to_a_limit),
        test(bodies_are_loaded_as_many_as_fit),
        test(a_slow_lane_does_not_starve_another),
        test(a_batch_that_takes_too_long_is_cut_and_every_job_is_routed_once),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
