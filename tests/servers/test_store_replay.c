/*
 * The store against a PostgreSQL of its own: batches of replays, edited dead letters
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "store_fixture.h"
#include "store_replay.h"
#include "text.h"
#include "xalloc.h"

static void die(const struct store_fixture *f, const char *id)
{
    settle_one(f->store, id, 1, OUTCOME_REJECTED, DELIVERY_DEAD);
}

/* `count` dead letters of one distribution each; their ids. */
static void make_letters(const struct store_fixture *f, size_t count, char (*ids)[UID_TEXT_SIZE])
{
    for (size_t i = 0; i < count; i++) {
        char job[UID_TEXT_SIZE];
        accept_job(f->store, make_job("hook"), job);
        route_it(f->store, job);
        delivery_id(f, job, "hook", ids[i]);
        die(f, ids[i]);
    }
}

/* Dead letters by the thousand: no attempts, one body. */
static void make_many(const struct store_fixture *f, int count)
{
    char *sql = xasprintf(
        "INSERT INTO distribution_jobs (tenant_id, distribution_id, data_type, payload, destinations, body,"
        "    content_type, body_size, request_hash, expires_at, lifetime)"
        " SELECT 'acme', 'many-' || n, 'report', '{}', '[{\"name\": \"hook\"}]', '12345678',"
        "    'application/json', 8, repeat('0', 64), now() + interval '1 hour', interval '1 hour'"
        " FROM generate_series(1, %d) n;"
        "INSERT INTO distribution_deliveries (id, job_id, tenant_id, priority, target, candidates, status,"
        "    dead_reason, attempts, last_code)"
        " SELECT dist_uuid(), id, 'acme', 'normal', 'hook', '[\"hook\"]', 'dead', 'exhausted', 1, 503"
        " FROM distribution_jobs WHERE distribution_id LIKE 'many-%%'",
        count);

    pg_server_run(&f->server, sql);
    free(sql);
}

static struct replay_plan plan_of(json_t *filter, size_t selected)
{
    struct replay_plan plan = {
        .who = "test@here",
        .why = "because",
        .filter = filter,
        .max_replays = 10,
        .selected = (int64_t)selected,
    };

    uid_new(plan.id);
    return plan;
}

struct batches {
    struct batch_view last;
    char id[UID_TEXT_SIZE], replayed_as[UID_TEXT_SIZE], error[100];
    size_t count;
};

static int see_batch(void *arg, const struct batch_view *view)
{
    struct batches *batches = arg;

    batches->count++;
    batches->last = *view;
    text_copy(batches->id, UID_TEXT_SIZE, view->id);
    text_copy(batches->replayed_as, UID_TEXT_SIZE, view->replayed_as ? view->replayed_as : "");
    text_copy(batches->error, sizeof batches->error, view->error ? view->error : "");
    assert_string_equal(view->who, "test@here");
    assert_string_equal(view->why, "because");
    return 0;
}

static struct batches see(const struct store_fixture *f, const char *id)
{
    struct batches batches = {0};

    ok(store_batch_list(f->store, &(struct batch_filter){.id = id}, see_batch, &batches, &problem));
    return batches;
}

static void a_batch_replays_each_letter_once_and_counts_it(void **state)
{
    struct store_fixture *f = *state;
    char ids[3][UID_TEXT_SIZE];
    const char *all[] = {ids[0], ids[1], "nonsense", ids[2], ids[0]};
    json_t *filter = json_pack("{s:s}", "tenant", "acme");
    struct replay_plan plan = plan_of(filter, 3), again = plan_of(filter, 3);
    size_t replayed;

    make_letters(f, 3, ids);
    ok(store_replay_begin(f->store, &plan, &problem));
    ok(store_replay_begin(f->store, &plan, &problem)); /* again, as after a lost connection */
    ok(store_replay_letters(f->store, &plan, all, NULL, 2, &replayed, &problem));
    assert_int_equal(replayed, 2);
    ok(store_replay_letters(f->store, &plan, all, NULL, 5, &replayed, &problem));
    assert_int_equal(replayed, 3);
    ok(store_replay_begin(f->store, &again, &problem));
    ok(store_replay_letters(f->store, &again, all, NULL, 5, &replayed, &problem));
    assert_int_equal(replayed, 0);
    check_counters(f);
    assert_int_equal(
        number_of(f,
                  "SELECT count(*) FROM distribution_deliveries WHERE status = 'waiting' AND replays = 1"
                  " AND due_at <= now() AND budget_start = 1 AND replay_batch = '%s'",
                  plan.id),
        3);
    settle_one(f->store, ids[0], 2, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    struct batches batches = see(f, plan.id);
    assert_int_equal(batches.count, 1);
    assert_int_equal(batches.last.state, REPLAY_REPLAYING);
    assert_int_equal(batches.last.replayed, 3);
    assert_int_equal(batches.last.delivered, 1);
    assert_int_equal(batches.last.open, 2);
    ok(store_replay_set_state(f->store, plan.id, REPLAY_REPLAYED, NULL, &problem));
    ok(store_replay_set_state(f->store, plan.id, REPLAY_STOPPED, "too late", &problem));
    batches = see(f, plan.id);
    assert_int_equal(batches.last.state, REPLAY_REPLAYED);
    assert_true(batches.last.ended_at_us > 0);
    assert_string_equal(batches.error, "");
    json_decref(filter);
}

static void a_rate_is_a_due_time_and_a_lifetime_from_then_on(void **state)
{
    struct store_fixture *f = *state;
    char ids[3][UID_TEXT_SIZE];
    const char *all[] = {ids[0], ids[1], ids[2]};
    const int64_t hours[] = {0, INT64_C(3600) * 1000000, INT64_C(7200) * 1000000};
    json_t *filter = json_object();
    struct replay_plan plan = plan_of(filter, 3);
    struct due_list due = {0};
    size_t replayed, expired;

    make_letters(f, 3, ids);
    ok(store_replay_begin(f->store, &plan, &problem));
    ok(store_replay_letters(f->store, &plan, all, hours, 3, &replayed, &problem));
    assert_int_equal(replayed, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            number_of(f,
                      "SELECT count(*) FROM distribution_deliveries d"
                      " JOIN distribution_jobs j ON j.id = d.job_id"
                      " JOIN replay_batches b ON b.id = d.replay_batch"
                      " WHERE d.id = '%s' AND d.due_at - b.started_at BETWEEN interval '%d hours'"
                      "  AND interval '%d hours 1 minute' AND j.expires_at >= d.due_at + j.lifetime",
                      ids[i], i, i),
            1);
    ok(claim_due(f->store, 10, 1000, &due, &problem)); /* the others wait, whoever lives */
    assert_int_equal(due.count, 1);
    assert_string_equal(due.items[0].id, ids[0]);
    due_list_release(&due);
    ok(store_expire(f->store, 10, 60000, &expired, &due, &problem));
    assert_int_equal(expired, 0);
    assert_int_equal(due.count, 0);
    json_decref(filter);
}

struct worker {
    struct store *store;
    const struct replay_plan *plan;
    const char **ids;
    size_t count, replayed, dropped;
    bool drops;
    int status;
    struct fault fault;
};

static void *operate(void *arg)
{
    struct worker *worker = arg;

    if (worker->drops) {
        worker->status =
            store_drop(worker->store, worker->ids, worker->count, &worker->dropped, &worker->fault);
        return NULL;
    }
    worker->status = store_replay_begin(worker->store, worker->plan, &worker->fault);
    for (size_t at = 0; at < worker->count && !worker->status; at += 20)
        worker->status = store_replay_letters(worker->store, worker->plan, worker->ids + at, NULL, 20,
                                              &worker->replayed, &worker->fault);
    return NULL;
}

static void two_operators_and_a_third_one_who_drops_share_the_letters(void **state)
{
    enum { LETTERS = 100, OPERATORS = 3 };
    struct store_fixture *f = *state;
    static char ids[LETTERS][UID_TEXT_SIZE];
    const char *forth[LETTERS], *back[LETTERS];
    json_t *filter = json_object();
    struct replay_plan plans[] = {plan_of(filter, LETTERS), plan_of(filter, LETTERS)};
    pthread_t threads[OPERATORS];

    make_letters(f, LETTERS, ids);
    for (size_t i = 0; i < LETTERS; i++) {
        forth[i] = ids[i];
        back[LETTERS - 1 - i] = ids[i];
    }
    struct worker operators[] = {
        {.plan = &plans[0], .ids = forth, .count = LETTERS},
        {.plan = &plans[1], .ids = back, .count = LETTERS},
        {.drops = true, .ids = back, .count = LETTERS / 10},
    };
    for (int i = 0; i < OPERATORS; i++) {
        operators[i].store = store_fixture_store(f, 20000);
        assert_int_equal(pthread_create(&threads[i], NULL, operate, &operators[i]), 0);
    }
    size_t done = 0;
    for (int i = 0; i < OPERATORS; i++) {
        pthread_join(threads[i], NULL);
        if (operators[i].status)
            fail_msg("%s", operators[i].fault.text);
        done += operators[i].replayed + operators[i].dropped;
        store_free(operators[i].store);
    }
    assert_int_equal(done, LETTERS);
    assert_int_equal(
        number_of(f, "SELECT count(*) FROM distribution_deliveries WHERE status = 'waiting' AND replays = 1"),
        (int64_t)(done - operators[2].dropped));
    assert_int_equal(
        number_of(f,
                  "SELECT count(*) FROM distribution_deliveries WHERE status = 'cancelled' AND replays = 0"),
        (int64_t)operators[2].dropped);
    assert_int_equal(number_of(f, "SELECT sum(replayed) FROM replay_batches"),
                     (int64_t)(done - operators[2].dropped));
    check_counters(f);
    json_decref(filter);
}

static void what_was_replayed_too_often_is_passed_over(void **state)
{
    struct store_fixture *f = *state;
    char ids[1][UID_TEXT_SIZE];
    const char *all[] = {ids[0]};
    json_t *filter = json_object();
    size_t replayed;

    make_letters(f, 1, ids);
    for (int i = 0; i < 3; i++) {
        struct replay_plan plan = plan_of(filter, 1);
        plan.max_replays = 2;
        ok(store_replay_begin(f->store, &plan, &problem));
        ok(store_replay_letters(f->store, &plan, all, NULL, 1, &replayed, &problem));
        assert_int_equal(replayed, i < 2);
        pg_server_run(&f->server,
                      "UPDATE distribution_deliveries SET status = 'queued' WHERE status = 'waiting'");
        settle_one(f->store, ids[0], i + 2, OUTCOME_REJECTED, DELIVERY_DEAD);
    }
    check_counters(f);
    json_decref(filter);
}

static void candidates_take_a_letter_elsewhere_but_not_a_callback(void **state)
{
    struct store_fixture *f = *state;
    char ids[1][UID_TEXT_SIZE], callback[UID_TEXT_SIZE];
    json_t *filter = json_object(), *candidates = json_pack("[s, s]", "other", "third");
    struct replay_plan plan = plan_of(filter, 2);
    struct delivery *delivery;
    size_t replayed;

    make_letters(f, 1, ids);
    pg_server_run(
        &f->server,
        "INSERT INTO distribution_deliveries (id, job_id, kind, tenant_id, priority, target, candidates,"
        "  status, dead_reason) SELECT dist_uuid(), job_id, 'callback', tenant_id, priority, 'callback',"
        "  '[\"callback\"]', 'dead', 'rejected' FROM distribution_deliveries");
    pg_server_run(&f->server, "UPDATE distribution_deliveries SET inline_form = '{\"name\": \"hook\"}'"
                              " WHERE kind = 'target'");
    char job[UID_TEXT_SIZE];
    ok(store_dead_load(f->store, ids[0], &delivery, &problem));
    text_copy(job, sizeof job, delivery->job->id);
    delivery_free(delivery);
    delivery_id(f, job, "callback", callback);
    const char *all[] = {ids[0], callback};
    plan.candidates = candidates;
    plan.destination = "other";
    ok(store_replay_begin(f->store, &plan, &problem));
    ok(store_replay_letters(f->store, &plan, all, NULL, 2, &replayed, &problem));
    assert_int_equal(replayed, 1);
    pg_server_run(&f->server,
                  "UPDATE distribution_deliveries SET status = 'queued' WHERE status = 'waiting'");
    ok(store_load_deliveries(f->store, all, 1, 0, &delivery, &problem));
    assert_string_equal(delivery->target, "hook"); /* what the request named */
    assert_string_equal(delivery_candidate(delivery), "other");
    assert_int_equal(delivery->candidate_count, 2);
    assert_null(delivery->inline_form);
    delivery_free(delivery);
    assert_int_equal(
        number_of(f,
                  "SELECT count(*) FROM distribution_deliveries WHERE id = '%s' AND last_destination IS NULL",
                  ids[0]),
        1);
    check_counters(f);
    json_decref(candidates);
    json_decref(filter);
}

static void a_canary_is_followed_until_it_has_ended(void **state)
{
    struct store_fixture *f = *state;
    char ids[3][UID_TEXT_SIZE];
    const char *all[] = {ids[0], ids[1], ids[2]};
    json_t *filter = json_object();
    struct replay_plan plan = plan_of(filter, 3);
    struct replay_progress progress;
    size_t replayed;

    make_letters(f, 3, ids);
    plan.canary = 2;
    ok(store_replay_begin(f->store, &plan, &problem));
    ok(store_replay_letters(f->store, &plan, all, NULL, 2, &replayed, &problem));
    assert_int_equal(see(f, plan.id).last.state, REPLAY_CANARY);
    ok(store_replay_progress(f->store, plan.id, all, 2, &progress, &problem));
    assert_int_equal(progress.open, 2);
    assert_null(progress.example);
    pg_server_run(&f->server,
                  "UPDATE distribution_deliveries SET status = 'queued' WHERE status = 'waiting'");
    settle_one(f->store, ids[0], 2, OUTCOME_DELIVERED, DELIVERY_DELIVERED);
    settle_one(f->store, ids[1], 2, OUTCOME_REJECTED, DELIVERY_DEAD);
    ok(store_replay_progress(f->store, plan.id, all, 3, &progress,
                             &problem)); /* the third is none of the batch */
    assert_int_equal(progress.open, 0);
    assert_int_equal(progress.delivered, 1);
    assert_int_equal(progress.failed, 1);
    assert_non_null(strstr(progress.example, ids[1]));
    free(progress.example);
    ok(store_replay_set_state(f->store, plan.id, REPLAY_STOPPED, "it \xff did not", &problem));
    struct batches batches = see(f, plan.id);
    assert_int_equal(batches.last.state, REPLAY_STOPPED);
    assert_string_equal(batches.error, "it ? did not");
    ok(store_replay_letters(f->store, &plan, all, NULL, 3, &replayed, &problem)); /* a batch that has ended */
    assert_int_equal(replayed, 2);
    json_decref(filter);
}

static struct job *edited_job(const char *body)
{
    struct job *job = make_job("hook");

    free(job->body);
    job->body = xstrdup(body);
    job->body_size = strlen(body);
    return job;
}

static const char hash[] = "0123456789012345678901234567890123456789012345678901234567890123";

static void an_edited_letter_is_a_distribution_that_knows_where_it_comes_from(void **state)
{
    struct store_fixture *f = *state;
    char ids[1][UID_TEXT_SIZE];
    json_t *filter = json_object();
    struct replay_plan plan = plan_of(filter, 1), late = plan_of(filter, 1);
    struct job *job = edited_job("{\"a\": \"\\u0000\"}"),
               *other = edited_job("{}"); /* jsonb cannot hold the first */
    struct job_view view;

    make_letters(f, 1, ids);
    ok(store_replay_edited(f->store, &plan, ids[0], job, hash, &problem));
    ok(store_replay_edited(f->store, &plan, ids[0], job, hash,
                           &problem)); /* again, as after a lost connection */
    refused(store_replay_edited(f->store, &late, ids[0], other, hash, &problem), FAULT_INPUT);
    assert_non_null(strstr(problem.text, "not dead"));
    assert_non_null(strstr(problem.text, job->id));
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), 2);
    assert_int_equal(number_of(f, "SELECT count(*) FROM replay_batches"), 1);
    assert_int_equal(
        number_of(f,
                  "SELECT count(*) FROM distribution_deliveries WHERE id = '%s' AND status = 'cancelled'"
                  " AND last_error = 'replayed as %s' AND replayed_as = '%s'",
                  ids[0], job->id, job->id),
        1);
    assert_int_equal(
        number_of(f,
                  "SELECT count(*) FROM distribution_jobs WHERE replay_of = '%s' AND body = '%s'::bytea"
                  " AND lifetime = interval '1 hour' AND expires_at > now() AND data_type = 'report'",
                  ids[0], "{\"a\": \"\\\\u0000\"}"),
        1);
    ok(store_view(f->store, job->id, true, &view, &problem));
    assert_string_equal(view.replay_of, ids[0]);
    assert_int_equal(view.status, JOB_PENDING);
    job_view_release(&view);
    route_it(f->store, job->id);
    struct batches batches = see(f, plan.id);
    assert_true(batches.last.edited);
    assert_int_equal(batches.last.state, REPLAY_REPLAYED);
    assert_string_equal(batches.replayed_as, job->id);
    check_counters(f);
    job_unref(job);
    job_unref(other);
    json_decref(filter);
}

static void what_is_no_dead_target_cannot_be_edited(void **state)
{
    struct store_fixture *f = *state;
    char ids[1][UID_TEXT_SIZE], nobody[UID_TEXT_SIZE];
    json_t *filter = json_object();
    struct replay_plan plan = plan_of(filter, 1);
    struct job *job = edited_job("{}");
    size_t count;

    make_letters(f, 1, ids);
    uid_new(nobody);
    refused(store_replay_edited(f->store, &plan, nobody, job, hash, &problem), FAULT_INPUT);
    pg_server_run(&f->server, "UPDATE distribution_deliveries SET replays = 10");
    refused(store_replay_edited(f->store, &plan, ids[0], job, hash, &problem), FAULT_INPUT);
    assert_non_null(strstr(problem.text, "10 times"));
    pg_server_run(&f->server, "UPDATE distribution_deliveries SET kind = 'callback', replays = 0");
    refused(store_replay_edited(f->store, &plan, ids[0], job, hash, &problem), FAULT_INPUT);
    assert_non_null(strstr(problem.text, "callback"));
    pg_server_run(&f->server, "UPDATE distribution_deliveries SET kind = 'target'");
    const char *all[] = {ids[0]};
    ok(store_drop(f->store, all, 1, &count, &problem));
    refused(store_replay_edited(f->store, &plan, ids[0], job, hash, &problem), FAULT_INPUT);
    assert_non_null(strstr(problem.text, "cancelled"));
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs"), 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM replay_batches"), 0);
    job_unref(job);
    json_decref(filter);
}

static int count_dead(void *arg, const struct dead_view *view)
{
    size_t *count = arg;

    assert_int_equal(view->replays, 0);
    ++*count;
    return 0;
}

static void a_list_of_many_pages_leaves_nothing_out(void **state)
{
    enum { MANY = 2103, BATCHES = 450 };
    struct store_fixture *f = *state;
    struct batches batches = {0};
    size_t count = 0;

    make_many(f, MANY); /* all of one instant: only the ids tell the pages apart */
    ok(store_dead_list(f->store, &(struct dead_filter){0}, count_dead, &count, &problem));
    assert_int_equal(count, MANY);
    char *sql = xasprintf("INSERT INTO replay_batches (id, state, who, why, filter, max_replays, selected)"
                          " SELECT dist_uuid(), 'replaying', 'test@here', 'because', '{}', 1, 1"
                          " FROM generate_series(1, %d)",
                          BATCHES);
    pg_server_run(&f->server, sql);
    free(sql);
    ok(store_batch_list(f->store, &(struct batch_filter){0}, see_batch, &batches, &problem));
    assert_int_equal(batches.count, BATCHES);
    check_counters(f);
}

#define with_empty_store(test) cmocka_unit_test_setup(test, store_fixture_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_empty_store(a_batch_replays_each_letter_once_and_counts_it),
        with_empty_store(a_rate_is_a_due_time_and_a_lifetime_from_then_on),
        with_empty_store(two_operators_and_a_third_one_who_drops_share_the_letters),
        with_empty_store(what_was_replayed_too_often_is_passed_over),
        with_empty_store(candidates_take_a_letter_elsewhere_but_not_a_callback),
        with_empty_store(a_canary_is_followed_until_it_has_ended),
        with_empty_store(an_edited_letter_is_a_distribution_that_knows_where_it_comes_from),
        with_empty_store(what_is_no_dead_target_cannot_be_edited),
        with_empty_store(a_list_of_many_pages_leaves_nothing_out),
    };

    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
