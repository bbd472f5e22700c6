/*
 * Stored distributions, page by page and one by one, from a PostgreSQL of its own
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store_fixture.h"
#include "store_past.h"
#include "xalloc.h"

struct seen {
    size_t count, bodies, limit;
    char first[UID_TEXT_SIZE], last[UID_TEXT_SIZE];
};

static int see(void *arg, struct job *job, struct fault *fault)
{
    struct seen *seen = arg;

    if (!seen->count++)
        memcpy(seen->first, job->id, sizeof seen->first);
    memcpy(seen->last, job->id, sizeof seen->last);
    seen->bodies += job->body != NULL;
    job->priority = PRIORITY_LOW; /* it may be changed */
    return seen->count == seen->limit ? fault_set(fault, FAULT_INPUT, "enough") : 0;
}

static struct seen walk(const struct store_fixture *f, int64_t days, int64_t limit, bool bodies)
{
    struct seen seen = {0};

    ok(store_past_walk(f->store, days, limit, bodies, see, &seen, &problem));
    return seen;
}

/* As many as make three pages, the first of them the oldest; ids are in the order of acceptance. */
static void fill(const struct store_fixture *f, char first[UID_TEXT_SIZE], char last[UID_TEXT_SIZE])
{
    enum { COUNT = 2 * PAST_PAGE + 7 };
    struct submission *items = xcalloc(COUNT, sizeof *items);

    for (size_t i = 0; i < COUNT; i++)
        items[i] = submission_of(make_job("hook"));
    ok(store_submit(f->store, items, COUNT, 3600 * 1000, &problem));
    run_sql(f, "UPDATE distribution_jobs SET content_type = 'text/plain' WHERE id = '%s'", items[1].id);
    memcpy(first, items[0].id, UID_TEXT_SIZE);
    memcpy(last, items[COUNT - 1].id, UID_TEXT_SIZE);
    for (size_t i = 0; i < COUNT; i++)
        submission_release(&items[i]);
    free(items);
}

static void all_are_walked_through_once_the_newest_first(void **state)
{
    struct store_fixture *f = *state;
    char first[UID_TEXT_SIZE], last[UID_TEXT_SIZE];

    fill(f, first, last);
    struct seen seen = walk(f, 7, 0, false);
    assert_int_equal(seen.count, 2 * PAST_PAGE + 7);
    assert_int_equal(seen.bodies, 0);
    assert_string_equal(seen.first, last);
    assert_string_equal(seen.last, first);
    seen = walk(f, 7, 0, true);
    assert_int_equal(seen.count, 2 * PAST_PAGE + 7);
    assert_int_equal(seen.bodies, 2 * PAST_PAGE + 6); /* no JSON, no body */
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_jobs WHERE priority <> 'normal'"), 0);
}

static void days_and_limit_bound_the_walk_and_a_failure_ends_it(void **state)
{
    struct store_fixture *f = *state;
    struct seen seen = {.limit = PAST_PAGE + 1};
    char first[UID_TEXT_SIZE], last[UID_TEXT_SIZE];

    fill(f, first, last);
    assert_int_equal(walk(f, 7, 3, true).count, 3);
    assert_int_equal(walk(f, 7, PAST_PAGE, false).count, PAST_PAGE);
    assert_int_equal(walk(f, 7, PAST_PAGE + 1, false).count, PAST_PAGE + 1);
    refused(store_past_walk(f->store, 7, 0, false, see, &seen, &problem), FAULT_INPUT);
    assert_int_equal(seen.count, PAST_PAGE + 1);
    run_sql(f, "UPDATE distribution_jobs SET created_at = now() - interval '49 hours' WHERE id <> '%s'",
            last);
    assert_int_equal(walk(f, 2, 0, false).count, 1);
    assert_int_equal(walk(f, 3, 0, false).count, 2 * PAST_PAGE + 7);
}

static void a_body_larger_than_the_ceiling_comes_alone(void **state)
{
    struct store_fixture *f = *state;
    char id[UID_TEXT_SIZE];

    for (int i = 0; i < 3; i++) {
        struct job *job = make_job("hook");
        size_t size = PAST_BODIES / 2 + 1;
        free(job->body);
        job->body = xmalloc(size + 1);
        memset(job->body, ' ', size);
        memcpy(job->body, "1", 1);
        job->body[size] = '\0';
        job->body_size = size;
        accept_job(f->store, job, id);
    }
    assert_int_equal(walk(f, 7, 0, true).bodies, 3);
}

static void one_is_found_by_either_id_in_any_status(void **state)
{
    struct store_fixture *f = *state;
    struct job *job = make_job("hook"), *back;
    char id[UID_TEXT_SIZE];

    free(job->distribution_id);
    job->distribution_id = xstrdup("d-1");
    job->own_id = true;
    accept_job(f->store, job, id);
    route_it(f->store, id);
    const char *const ids[] = {"d-1", id};
    for (int i = 0; i < 2; i++) {
        ok(store_past_load(f->store, ids[i], &back, &problem));
        assert_string_equal(back->id, id);
        assert_string_equal(back->body, "{\"a\": 1}");
        job_unref(back);
    }
    refused(store_past_load(f->store, "d-2", &back, &problem), FAULT_INPUT);
    assert_null(back);
    refused(store_past_load(f->store, "\xff\x1b[1m", &back, &problem), FAULT_INPUT);
    assert_null(strchr(problem.text, '\x1b'));
}

#define with_empty_store(test) cmocka_unit_test_setup(test, store_fixture_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_empty_store(all_are_walked_through_once_the_newest_first),
        with_empty_store(days_and_limit_bound_the_walk_and_a_failure_ends_it),
        with_empty_store(a_body_larger_than_the_ceiling_comes_alone),
        with_empty_store(one_is_found_by_either_id_in_any_status),
    };

    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
