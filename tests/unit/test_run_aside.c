/*
 * Calls beside the loop: one at a time, on another thread, done in the loop, and what a stop leaves
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>
#include "aside.h"
#include "clock.h"

enum { DEADLINE_S = 20 };

struct scene {
    struct event_base *base;
    struct aside *aside;
    pthread_t loop;
    sem_t begun, go; /* a job that waits says that it began, and goes on when it is told */
    int worked, done, wanted;
    bool in_loop, on_thread, busy_in_done, signals_blocked;
};

static int setup(void **state)
{
    static struct scene scene;
    struct fault fault = {0};

    scene = (struct scene){.loop = pthread_self()};
    sem_init(&scene.begun, 0, 0);
    sem_init(&scene.go, 0, 0);
    scene.base = event_base_new();
    scene.aside = aside_start(scene.base, &fault);
    assert_non_null(scene.aside);
    *state = &scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    aside_stop(s->aside);
    event_base_free(s->base);
    sem_destroy(&s->begun);
    sem_destroy(&s->go);
    return 0;
}

static void work(void *job)
{
    struct scene *s = job;
    sigset_t blocked;

    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    s->signals_blocked = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGHUP);
    s->on_thread = !pthread_equal(pthread_self(), s->loop);
    s->worked++;
}

static void work_until_told(void *job)
{
    struct scene *s = job;

    sem_post(&s->begun);
    sem_wait(&s->go);
    work(job);
}

static void note_done(struct scene *s)
{
    s->in_loop = pthread_equal(pthread_self(), s->loop);
    s->busy_in_done = aside_is_busy(s->aside);
    s->done++;
}

static void done(void *job)
{
    struct scene *s = job;

    note_done(s);
    event_base_loopbreak(s->base);
}

/* Posts the next one until there were as many as wanted. */
static void done_and_next(void *job)
{
    struct scene *s = job;

    note_done(s);
    if (s->done < s->wanted)
        aside_post(s->aside, work, done_and_next, s);
    else
        event_base_loopbreak(s->base);
}

static void expired(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    (void)arg;
    fail_msg("the job was not done in time");
}

static void run_loop(struct scene *s)
{
    struct event *deadline = evtimer_new(s->base, expired, NULL);

    evtimer_add(deadline, &(struct timeval){.tv_sec = DEADLINE_S});
    event_base_loop(s->base, EVLOOP_NO_EXIT_ON_EMPTY);
    event_free(deadline);
}

static void wait_begun(struct scene *s)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += DEADLINE_S;
    assert_int_equal(sem_timedwait(&s->begun, &deadline), 0);
}

static void a_job_is_worked_on_beside_and_done_in_the_loop(void **state)
{
    struct scene *s = *state;

    assert_false(aside_is_busy(s->aside));
    assert_int_equal(aside_busy_since_ms(s->aside), 0);
    aside_post(s->aside, work, done, s);
    assert_true(aside_is_busy(s->aside));
    run_loop(s);
    assert_int_equal(s->worked, 1);
    assert_int_equal(s->done, 1);
    assert_true(s->on_thread);
    assert_true(s->in_loop);
    assert_false(s->busy_in_done); /* so it may post the next one */
    assert_true(s->signals_blocked);
    assert_false(aside_is_busy(s->aside));
}

static void it_is_busy_until_the_loop_has_seen_the_end(void **state)
{
    struct scene *s = *state;
    int64_t before_ms = clock_mono_ms();

    aside_post(s->aside, work_until_told, done, s);
    wait_begun(s);
    assert_true(aside_is_busy(s->aside));
    assert_in_range(aside_busy_since_ms(s->aside), before_ms, clock_mono_ms());
    event_base_loop(s->base, EVLOOP_NONBLOCK); /* the loop turns while a server hangs */
    assert_int_equal(s->done, 0);
    assert_true(aside_is_busy(s->aside));
    sem_post(&s->go);
    run_loop(s);
    assert_int_equal(s->worked, 1);
    assert_int_equal(s->done, 1);
    assert_int_equal(aside_busy_since_ms(s->aside), 0);
}

static void one_after_the_other_each_is_done_once(void **state)
{
    struct scene *s = *state;

    s->wanted = 5000;
    aside_post(s->aside, work, done_and_next, s);
    run_loop(s);
    assert_int_equal(s->worked, 5000);
    assert_int_equal(s->done, 5000);
    event_base_loop(s->base, EVLOOP_NONBLOCK);
    assert_int_equal(s->done, 5000); /* nobody rings for nothing */
}

static void starting_leaves_the_signals_of_the_loop(void **state)
{
    sigset_t now;
    (void)state;

    pthread_sigmask(SIG_SETMASK, NULL, &now);
    assert_false(sigismember(&now, SIGTERM));
    assert_false(sigismember(&now, SIGHUP));
}

/* --- stopping --- */

static void *tell_to_go(void *arg)
{
    struct scene *s = arg;

    sem_post(&s->go);
    return NULL;
}

static void a_stop_waits_for_the_job_and_calls_its_end(void **state)
{
    struct scene *s = *state;
    pthread_t thread;

    aside_post(s->aside, work_until_told, done, s);
    wait_begun(s);
    assert_int_equal(pthread_create(&thread, NULL, tell_to_go, s), 0);
    aside_stop(s->aside);
    s->aside = NULL;
    pthread_join(thread, NULL);
    assert_int_equal(s->worked, 1);
    assert_int_equal(s->done, 1);
    assert_true(s->in_loop);
}

/* A job that was posted is done, also where the thread had not begun with it. */
static void a_stop_right_behind_a_post_loses_nothing(void **state)
{
    struct scene *s = *state;
    struct fault fault = {0};

    for (int i = 1; i <= 200; i++) {
        aside_post(s->aside, work, done, s);
        aside_stop(s->aside);
        assert_int_equal(s->worked, i);
        assert_int_equal(s->done, i);
        s->aside = aside_start(s->base, &fault);
        assert_non_null(s->aside);
    }
}

static void a_job_whose_end_waits_in_the_loop_is_done_by_a_stop(void **state)
{
    struct scene *s = *state;

    aside_post(s->aside, work_until_told, done, s);
    wait_begun(s);
    sem_post(&s->go);
    aside_stop(s->aside); /* the loop had no turn */
    s->aside = NULL;
    assert_int_equal(s->done, 1);
    event_base_loop(s->base, EVLOOP_NONBLOCK);
    assert_int_equal(s->done, 1);
}

static void stopping_nothing_is_fine(void **state)
{
    struct scene *s = *state;

    aside_stop(NULL);
    aside_stop(s->aside);
    s->aside = NULL;
    assert_int_equal(s->worked, 0);
    assert_int_equal(s->done, 0);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(a_job_is_worked_on_beside_and_done_in_the_loop),
        test(it_is_busy_until_the_loop_has_seen_the_end),
        test(one_after_the_other_each_is_done_once),
        test(starting_leaves_the_signals_of_the_loop),
        test(a_stop_waits_for_the_job_and_calls_its_end),
        test(a_stop_right_behind_a_post_loses_nothing),
        test(a_job_whose_end_waits_in_the_loop_is_done_by_a_stop),
        test(stopping_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
