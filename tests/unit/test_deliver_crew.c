/*
 * The crew, with a protocol that does what the body says: it answers, hangs in its socket, hangs where no
 * shutdown reaches it, or breaks. No outcome is lost or comes twice, deadlines hold, threads end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <event2/event.h>
#include <jansson.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "crew.h"
#include "form.h"
#include "xalloc.h"

enum { LIMIT_S = 20 };

/* The protocol */

static const struct answer codes[] = {
    {1, 1, OUTCOME_DELIVERED, "taken", 0, "taken"},
    {2, 2, OUTCOME_REJECTED, "refused", 0, "refused"},
    {0},
};
static const struct answer events[] = {
    {EVENT_TIMEOUT, EVENT_TIMEOUT, OUTCOME_DEFERRED, "timeout", OVERLOAD, "timeout"},
    {EVENT_CONNECT, EVENT_CONNECT, OUTCOME_DEFERRED, "connect", 0, "connect"},
    {EVENT_BROKEN, EVENT_BROKEN, OUTCOME_DEFERRED, "broken", 0, "broken"},
    {EVENT_SYSTEM, EVENT_SYSTEM, OUTCOME_DEFERRED, "system", LOCAL, "system"},
    {EVENT_CONFIGURATION, EVENT_CONFIGURATION, OUTCOME_REJECTED, "configuration", LOCAL, "form"},
    {0},
};
static const struct outcome_table table = {"code", NULL, codes, events};

static struct {
    atomic_int opens, closes, works, items, biggest, running, tended;
    atomic_bool refuse, hang_in_open, stale, holds;
    sem_t begun, go;
} toy;

struct connection {
    int fds[2];
    int works;
};

static void *toy_open(const struct crew_call *call)
{
    struct connection *connection;
    char byte;

    atomic_fetch_add(&toy.opens, 1);
    if (toy.refuse) {
        crew_refuse_by(call, outcomes_by_code(&table, 2), 2, "wrong password %s",
                       call->secret ? call->secret->password : "");
        return NULL;
    }
    connection = xcalloc(1, sizeof *connection);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, connection->fds) < 0)
        abort();
    crew_watch(call->line, connection->fds[0]);
    if (!toy.hang_in_open)
        return connection;
    sem_post(&toy.begun);
    (void)!read(connection->fds[0], &byte, 1); /* until it is shut down */
    close(connection->fds[0]);
    close(connection->fds[1]);
    free(connection);
    crew_refuse(call, EVENT_CONNECT, "cut off");
    return NULL;
}

static int toy_tend(void *arg, struct fault *fault)
{
    (void)arg;
    atomic_fetch_add(&toy.tended, 1);
    return toy.stale ? fault_set(fault, FAULT_UNAVAILABLE, "closed") : toy.holds;
}

static void toy_close(void *arg)
{
    struct connection *connection = arg;

    atomic_fetch_add(&toy.closes, 1);
    close(connection->fds[0]);
    close(connection->fds[1]);
    free(connection);
}

static bool says(const struct errand *errand, const char *word)
{
    return strcmp(errand_attempt(errand)->body, word) == 0;
}

/* -1: the connection is broken. */
static int do_one(struct connection *connection, struct errand *errand, struct fault *fault)
{
    const json_t *header = json_object_get(errand_attempt(errand)->headers, "x");
    char byte;

    if (!header || !says(errand, json_string_value(header)))
        return fault_set(fault, FAULT_BUG, "the headers are another's");
    if (says(errand, "hang")) {
        sem_post(&toy.begun);
        (void)!read(connection->fds[0], &byte, 1);
        return fault_set(fault, FAULT_UNAVAILABLE, "shut down");
    }
    if (says(errand, "wait")) { /* no shutdown reaches it */
        sem_post(&toy.begun);
        sem_wait(&toy.go);
    }
    if (says(errand, "break") || (says(errand, "break if used") && connection->works > 1))
        return fault_set(fault, FAULT_UNAVAILABLE, "broken pipe");
    if (says(errand, "send and break")) {
        errand_sent(errand);
        return fault_set(fault, FAULT_UNAVAILABLE, "broken pipe");
    }
    if (says(errand, "forget"))
        return 0;
    errand_add_response(errand, "said hunter2", 12);
    if (says(errand, "no"))
        errand_set(errand, outcomes_by_code(&table, 2), 2, "no: hunter2");
    else
        errand_set(errand, outcomes_by_code(&table, 1), 1, "%s", "");
    return 0;
}

static int toy_work(void *arg, struct errand **items, size_t count, int64_t deadline_ms, struct fault *fault)
{
    struct connection *connection = arg;

    assert_true(deadline_ms > 0);
    atomic_fetch_add(&toy.works, 1);
    atomic_fetch_add(&toy.items, (int)count);
    if ((int)count > toy.biggest)
        toy.biggest = (int)count;
    connection->works++;
    for (size_t i = 0; i < count; i++)
        if (do_one(connection, items[i], fault) < 0)
            return -1;
    return 0;
}

static size_t toy_batch(const struct destination *destination)
{
    (void)destination;
    return 10;
}

static const struct crew_kind kind = {toy_batch, toy_open, toy_tend, toy_work, toy_close};

static void toy_cancel(struct attempt_handle *handle)
{
    crew_cancel(handle);
}

static const struct adapter adapter = {.protocol = PROTOCOL_NULL, .outcomes = &table, .cancel = toy_cancel};

/* Surroundings */

static struct event_base *base;
static struct adapter_context context;
static int descriptors;

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static int setup(void **state)
{
    (void)state;
    descriptors = count_descriptors();
    base = event_base_new();
    memset(&toy, 0, sizeof toy);
    sem_init(&toy.begun, 0, 0);
    sem_init(&toy.go, 0, 0);
    return adapter_context_init(&context, base, true, NULL, NULL);
}

static int teardown(void **state)
{
    (void)state;
    adapter_context_release(&context);
    event_base_free(base);
    sem_destroy(&toy.begun);
    sem_destroy(&toy.go);
    if (toy.opens - toy.closes != 0 && !toy.refuse && !toy.hang_in_open) {
        print_error("%d opened, %d closed\n", toy.opens, toy.closes);
        return -1;
    }
    return count_descriptors() == descriptors ? 0 : -1;
}

static struct destination *destination_by(const char *tenant, const char *name, int timeout_ms)
{
    struct fault fault = {0};
    json_t *form = json_pack("{s:s, s:f}", "protocol", "null", "timeout", timeout_ms / 1000.0);
    struct destination *destination = form_destination(name, form, tenant, "test", &fault);

    json_decref(form);
    assert_non_null(destination);
    return destination;
}

static struct destination *destination_of(const char *name, int timeout_ms)
{
    return destination_by(NULL, name, timeout_ms);
}

struct result {
    int done;
    char reason[40], text[500], response[40];
    enum outcome_kind kind;
    struct attempt_handle *handle;
};

static void on_done(void *arg, struct outcome *outcome)
{
    struct result *result = arg;

    result->done++;
    result->kind = outcome->kind;
    snprintf(result->reason, sizeof result->reason, "%s", outcome->reason);
    snprintf(result->text, sizeof result->text, "%s", outcome->text);
    snprintf(result->response, sizeof result->response, "%.*s", (int)outcome->response.len,
             outcome->response.data);
    result->handle = NULL;
}

static void begin_with(struct destination *destination, const char *body, const struct secret *secret,
                       struct result *result)
{
    const struct attempt attempt = {
        .destination = destination,
        .secret = secret,
        .message_id = "m",
        .distribution_id = "d",
        .tenant_id = "acme",
        .data_type = "report",
        .date = "2024-01-15",
        .content_type = "text/plain",
        .headers = json_pack("{s:s}", "x", body),
        .body = body,
        .body_size = strlen(body) + 1,
        .number = 1,
    };

    *result = (struct result){0};
    result->handle = crew_start(&kind, &adapter, &context, &attempt, on_done, result);
    json_object_clear((json_t *)attempt.headers); /* the thread has its own */
    json_decref((json_t *)attempt.headers);
    assert_int_equal(result->done, 0); /* never from start() */
}

static void begin(struct destination *destination, const char *body, struct result *result)
{
    begin_with(destination, body, NULL, result);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    fail_msg("no end in time");
}

static bool all_done(const struct result *results, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!results[i].done)
            return false;
    return true;
}

static void run_until(const struct result *results, size_t count)
{
    struct event *late = evtimer_new(base, on_late, NULL);

    evtimer_add(late, &(struct timeval){.tv_sec = LIMIT_S});
    while (!all_done(results, count))
        event_base_loop(base, EVLOOP_ONCE);
    event_free(late);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(results[i].done, 1);
}

static void wait_begun(void)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += LIMIT_S;
    assert_int_equal(sem_timedwait(&toy.begun, &deadline), 0);
}

/* Work */

static void attempts_are_worked_on_in_batches_over_one_connection(void **state)
{
    enum { COUNT = 1000 };
    static struct result results[COUNT];
    struct destination *destination = destination_of("one", 20000);
    (void)state;

    for (size_t i = 0; i < COUNT; i++)
        begin(destination, i % 10 ? "yes" : "no", &results[i]);
    destination_unref(destination); /* the crew has a reference */
    run_until(results, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_string_equal(results[i].reason, i % 10 ? "taken" : "refused");
    assert_int_equal(toy.opens, 1);
    assert_int_equal(toy.items, COUNT);
    assert_in_range(toy.biggest, 1, 10);
    assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1); /* no event is left: a loop ends */
}

static void what_a_destination_repeats_of_a_secret_is_masked(void **state)
{
    struct secret secret = {.password = (char[]){"hunter2"}};
    struct destination *destination = destination_of("one", 20000);
    struct result result;
    (void)state;

    begin_with(destination, "no", &secret, &result);
    run_until(&result, 1);
    assert_string_equal(result.text, "no: *******");
    assert_string_equal(result.response, "said *******");
    destination_unref(destination);
}

static void equal_forms_share_a_connection_and_a_changed_one_gets_its_own(void **state)
{
    struct destination *same[] = {destination_of("one", 20000), destination_of("one", 20000)};
    struct destination *changed = destination_of("one", 10000);
    struct result result;
    (void)state;

    begin(same[0], "yes", &result);
    run_until(&result, 1);
    destination_unref(same[0]);
    begin(same[1], "yes", &result);
    run_until(&result, 1);
    assert_int_equal(toy.opens, 1);
    begin(changed, "yes", &result);
    run_until(&result, 1);
    assert_int_equal(toy.opens, 2);
    destination_unref(same[1]);
    destination_unref(changed);
}

static void a_connection_is_shared_only_where_the_guard_judges_alike(void **state)
{
    static const char *const networks[] = {NULL, "10.0.0.0/8", "10.0.0.0/8", "11.0.0.0/8", NULL};
    static const int opens[] = {1, 2, 2, 3, 3};
    struct destination *destination = destination_of("one", 20000);
    struct result result;
    (void)state;

    for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
        struct guard_lists *lists = networks[i] ? guard_lists_new(NULL) : NULL;
        if (lists)
            assert_int_equal(guard_lists_add(lists, GUARD_DENY, networks[i], NULL), 0);
        context.networks = lists;
        begin(destination, "yes", &result);
        run_until(&result, 1);
        assert_int_equal(toy.opens, opens[i]);
        guard_lists_unref(lists);
    }
    context.networks = NULL;
    destination_unref(destination);
}

static void a_refused_connection_is_the_outcome_of_all_that_wait(void **state)
{
    struct secret secret = {.password = (char[]){"hunter2"}};
    struct destination *destination = destination_of("one", 20000);
    struct result results[5];
    (void)state;

    toy.refuse = true;
    for (size_t i = 0; i < 5; i++)
        begin_with(destination, "yes", &secret, &results[i]);
    run_until(results, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(results[i].reason, "refused");
        assert_string_equal(results[i].text, "wrong password *******");
    }
    assert_int_equal(toy.works, 0);
    destination_unref(destination);
}

/* Breaking */

static void a_broken_connection_defers_and_the_next_one_is_new(void **state)
{
    struct destination *destination = destination_of("one", 20000);
    struct result result;
    (void)state;

    begin(destination, "break", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "broken");
    assert_string_equal(result.text, "broken pipe");
    assert_int_equal(toy.works, 1); /* a fresh connection is not tried twice */
    begin(destination, "yes", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "taken");
    assert_int_equal(toy.opens, 2);
    destination_unref(destination);
}

static void a_used_connection_that_broke_costs_no_attempt(void **state)
{
    struct destination *destination = destination_of("one", 20000);
    struct result result;
    (void)state;

    begin(destination, "yes", &result);
    run_until(&result, 1);
    begin(destination, "break if used", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "taken");
    assert_int_equal(toy.opens, 2);
    begin(destination, "break", &result); /* but once only */
    run_until(&result, 1);
    assert_string_equal(result.reason, "broken");
    assert_int_equal(toy.opens, 3);
    destination_unref(destination);
}

static void what_was_sent_is_not_sent_twice(void **state)
{
    struct destination *destination = destination_of("one", 20000);
    struct result result;
    (void)state;

    begin(destination, "yes", &result);
    run_until(&result, 1);
    begin(destination, "send and break", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "broken");
    assert_int_equal(toy.works, 2);
    destination_unref(destination);
}

static void an_idle_connection_is_looked_at_before_it_is_used(void **state)
{
    struct destination *destination = destination_of("one", 20000);
    struct result result;
    int64_t since_ms = clock_mono_ms();
    (void)state;

    begin(destination, "yes", &result);
    run_until(&result, 1);
    toy.stale = true;
    while (clock_mono_ms() - since_ms < 1200)
        usleep(10000);
    begin(destination, "yes", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "taken");
    assert_int_equal(toy.tended, 1);
    assert_int_equal(toy.opens, 2);
    destination_unref(destination);
}

static void an_adapter_that_forgets_one_is_told_by_its_outcome(void **state)
{
    struct destination *destination = destination_of("one", 20000);
    struct result result;
    (void)state;

    begin(destination, "forget", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "broken");
    assert_string_equal(result.text, "the adapter reported no outcome");
    destination_unref(destination);
}

/* Deadlines */

static void a_deadline_holds_and_the_socket_is_shut_down(void **state)
{
    struct destination *destination = destination_of("one", 300);
    struct result result;
    int64_t began_ms = clock_mono_ms();
    (void)state;

    begin(destination, "hang", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "timeout");
    assert_in_range(clock_mono_ms() - began_ms, 290, 5000); /* the loop counts in whole milliseconds */
    begin(destination, "yes", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "taken");
    destination_unref(destination);
}

static void a_deadline_holds_while_the_connection_is_opened(void **state)
{
    struct destination *destination = destination_of("one", 300);
    struct result result;
    (void)state;

    toy.hang_in_open = true;
    begin(destination, "yes", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "timeout");
    destination_unref(destination);
}

static void pass(int64_t since_ms, int ms)
{
    while (clock_mono_ms() - since_ms < ms)
        usleep(10000);
}

static void a_library_that_does_not_come_back_costs_its_destination_the_thread(void **state)
{
    struct destination *slow = destination_of("slow", 300), *good = destination_of("good", 20000);
    struct result result, other;
    int64_t since_ms;
    (void)state;

    begin(slow, "wait", &result);
    wait_begun();
    run_until(&result, 1);
    assert_string_equal(result.reason, "timeout");
    since_ms = clock_mono_ms();
    begin(slow, "yes", &result); /* it may end still */
    begin(good, "yes", &other);
    run_until(&other, 1);
    assert_string_equal(other.reason, "taken");
    run_until(&result, 1);
    assert_string_equal(result.reason, "timeout");
    pass(since_ms, CREW_STUCK_MS + 10);
    begin(slow, "yes", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "timeout");
    assert_non_null(strstr(result.text, "does not end"));
    sem_post(&toy.go);
    while (toy.closes < 1)
        usleep(1000);
    begin(good, "yes", &other);
    run_until(&other, 1);
    begin(slow, "yes", &result);
    run_until(&result, 1);
    assert_non_null(strstr(result.text, "did not end for long: none for it for"));
    assert_int_equal(toy.opens, 2);
    destination_unref(slow);
    destination_unref(good);
}

/* Those of the operator get theirs for ever. */
static void a_tenant_whose_threads_do_not_end_gets_no_more(void **state)
{
    struct destination *bad[CREW_STUCK_TENANT], *more = destination_by("a", "more", 300);
    struct destination *others[] = {destination_by("b", "more", 300), destination_of("more", 300)};
    struct result result;
    (void)state;

    for (size_t i = 0; i < CREW_STUCK_TENANT; i++) {
        bad[i] = destination_by("a", i ? "one" : "two", 100);
        begin(bad[i], "wait", &result);
        wait_begun();
        run_until(&result, 1);
    }
    pass(clock_mono_ms(), CREW_STUCK_MS + 10);
    begin(more, "yes", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "timeout");
    assert_non_null(strstr(result.text, "of this tenant"));
    for (size_t i = 0; i < 2; i++) {
        begin(others[i], "yes", &result);
        run_until(&result, 1);
        assert_string_equal(result.reason, "taken");
        destination_unref(others[i]);
    }
    for (size_t i = 0; i < CREW_STUCK_TENANT; i++) {
        sem_post(&toy.go);
        destination_unref(bad[i]);
    }
    destination_unref(more);
}

static void a_tenant_leaves_threads_to_others(void **state)
{
    enum { COUNT = CREW_THREADS + 6 };
    static struct result results[COUNT];
    struct destination *destinations[COUNT], *late = destination_by("a", "late", 200);
    struct destination *other = destination_by("b", "one", 20000);
    struct result result;
    (void)state;

    for (size_t i = 0; i < COUNT; i++) {
        char name[20];
        snprintf(name, sizeof name, "d%zu", i);
        destinations[i] = destination_by("a", name, 20000);
        begin(destinations[i], "hang", &results[i]);
    }
    for (size_t i = 0; i < CREW_THREADS / 2; i++)
        wait_begun();
    begin(late, "yes", &result); /* has none, and is not the destination's fault */
    run_until(&result, 1);
    assert_string_equal(result.reason, "system");
    begin(other, "yes", &result);
    run_until(&result, 1);
    assert_string_equal(result.reason, "taken");
    assert_int_equal(toy.opens, CREW_THREADS / 2 + 1);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(results[i].done, 0);
        crew_cancel(results[i].handle);
        destination_unref(destinations[i]);
    }
    destination_unref(late);
    destination_unref(other);
}

static void a_connection_that_knows_something_gives_way_last(void **state)
{
    enum { COUNT = CREW_THREADS };
    struct destination *holder = destination_of("holder", 20000), *destinations[COUNT];
    static struct result results[COUNT];
    struct result result;
    (void)state;

    begin(holder, "yes", &result);
    run_until(&result, 1);
    pass(clock_mono_ms(), 1200);
    toy.holds = true;
    begin(holder, "yes", &result);
    run_until(&result, 1);
    assert_int_equal(toy.tended, 1);
    toy.holds = false;
    for (size_t i = 0; i < COUNT; i++) {
        char name[20];
        snprintf(name, sizeof name, "d%zu", i);
        destinations[i] = destination_of(name, 20000);
        begin(destinations[i], "yes", &results[i]);
    }
    run_until(results, COUNT);
    assert_true(toy.closes > 0);
    begin(holder, "yes", &result);
    run_until(&result, 1);
    assert_int_equal(toy.opens, COUNT + 1);
    for (size_t i = 0; i < COUNT; i++)
        destination_unref(destinations[i]);
    destination_unref(holder);
}

static void mail_behind_a_hanging_one_goes_to_another_thread(void **state)
{
    struct destination *destination = destination_of("one", 1000);
    struct result hung, behind;
    int64_t began_ms = clock_mono_ms();
    (void)state;

    begin(destination, "hang", &hung);
    wait_begun();
    while (clock_mono_ms() - began_ms < 500)
        usleep(10000);
    begin(destination, "yes", &behind);
    run_until(&hung, 1);
    run_until(&behind, 1);
    assert_string_equal(hung.reason, "timeout");
    assert_string_equal(behind.reason, "taken");
    destination_unref(destination);
}

/* The loop does not turn until the deadline has passed: what was handed back before counts. */
static void an_outcome_that_is_there_beats_the_deadline(void **state)
{
    struct destination *destination = destination_of("one", 200);
    struct result result;
    int64_t began_ms = clock_mono_ms();
    (void)state;

    begin(destination, "yes", &result);
    while (clock_mono_ms() - began_ms < 300)
        usleep(10000);
    run_until(&result, 1);
    assert_string_equal(result.reason, "taken");
    destination_unref(destination);
}

/* Cancelling */

static void a_cancel_before_during_and_after_the_work(void **state)
{
    struct destination *destination = destination_of("one", 20000);
    struct result results[3], last;
    (void)state;

    begin(destination, "wait", &results[0]);
    wait_begun();
    begin(destination, "yes", &results[1]);
    crew_cancel(results[1].handle); /* in the mailbox */
    crew_cancel(results[0].handle); /* at work: its connection goes */
    sem_post(&toy.go);
    begin(destination, "wait", &results[2]); /* begins when the loop has seen the end of the first thread */
    for (int64_t until_ms = clock_mono_ms() + LIMIT_S * 1000; sem_trywait(&toy.begun) < 0; usleep(1000)) {
        assert_true(clock_mono_ms() < until_ms);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    sem_post(&toy.go);
    begin(destination, "yes", &last);
    run_until(&last, 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(results[i].done, 0);
    destination_unref(destination);
}

static void what_is_under_way_is_gone_with_the_crew(void **state)
{
    struct destination *destination = destination_of("one", 20000), *other = destination_of("two", 20000);
    struct result results[4];
    int64_t began_ms = clock_mono_ms();
    (void)state;

    begin(destination, "hang", &results[0]);
    wait_begun();
    begin(destination, "yes", &results[1]);
    begin(other, "yes", &results[2]);
    begin(other, "hang", &results[3]);
    adapter_context_release(&context);
    assert_true(clock_mono_ms() - began_ms < CREW_END_MS);
    for (int i = 0; i < 4; i++)
        assert_int_equal(results[i].done, 0);
    assert_int_equal(toy.opens, toy.closes);
    destination_unref(destination);
    destination_unref(other);
}

/* Many */

static void more_destinations_than_threads_are_all_served(void **state)
{
    enum { COUNT = CREW_THREADS * 3 };
    static struct result results[COUNT];
    struct destination *destinations[COUNT];
    (void)state;

    for (size_t i = 0; i < COUNT; i++) {
        char name[20];
        snprintf(name, sizeof name, "d%zu", i);
        destinations[i] = destination_of(name, 20000);
        begin(destinations[i], "yes", &results[i]);
    }
    run_until(results, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_string_equal(results[i].reason, "taken");
        destination_unref(destinations[i]);
    }
    assert_int_equal(toy.opens, COUNT);
    assert_true(toy.closes >= COUNT - CREW_THREADS);
}

static void starts_and_cancels_at_random_lose_nothing(void **state)
{
    enum { COUNT = 2000, NAMES = 7 };
    static struct result results[COUNT];
    static bool cancelled[COUNT];
    static const char *const bodies[] = {"yes", "yes", "no", "break", "break if used", "send and break"};
    struct destination *destinations[NAMES];
    unsigned seed = 1;
    (void)state;

    for (size_t i = 0; i < NAMES; i++) {
        char name[20];
        snprintf(name, sizeof name, "d%zu", i);
        destinations[i] = destination_of(name, 20000);
    }
    for (size_t i = 0; i < COUNT; i++) {
        begin(destinations[i % NAMES], bodies[(unsigned)rand_r(&seed) % 6], &results[i]);
        size_t victim = (unsigned)rand_r(&seed) % (i + 1);
        cancelled[i] = false;
        if (results[victim].handle && i % 5 == 0) {
            crew_cancel(results[victim].handle);
            results[victim].handle = NULL;
            cancelled[victim] = true;
        }
        if (i % 50 == 0)
            event_base_loop(base, EVLOOP_NONBLOCK);
    }
    for (size_t i = 0; i < COUNT; i++)
        if (!cancelled[i])
            run_until(&results[i], 1);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(results[i].done, cancelled[i] ? 0 : 1);
    for (size_t i = 0; i < NAMES; i++)
        destination_unref(destinations[i]);
}

/* Checking */

static void a_check_opens_and_sends_nothing(void **state)
{
    struct destination *destination = destination_of("one", 20000);
    struct fault fault = {0};
    (void)state;

    assert_int_equal(crew_check(&kind, &adapter, &context, destination, NULL, &fault), 0);
    assert_int_equal(toy.opens, 1);
    assert_int_equal(toy.works, 0);
    toy.refuse = true;
    adapter_context_release(&context);
    assert_int_equal(adapter_context_init(&context, base, true, NULL, NULL), 0);
    assert_int_equal(crew_check(&kind, &adapter, &context, destination, NULL, &fault), -1);
    assert_int_equal(fault.class, FAULT_CONFIG);
    assert_string_equal(fault.text, "wrong password ");
    destination_unref(destination);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(attempts_are_worked_on_in_batches_over_one_connection),
        test(what_a_destination_repeats_of_a_secret_is_masked),
        test(equal_forms_share_a_connection_and_a_changed_one_gets_its_own),
        test(a_connection_is_shared_only_where_the_guard_judges_alike),
        test(a_refused_connection_is_the_outcome_of_all_that_wait),
        test(a_broken_connection_defers_and_the_next_one_is_new),
        test(a_used_connection_that_broke_costs_no_attempt),
        test(what_was_sent_is_not_sent_twice),
        test(an_idle_connection_is_looked_at_before_it_is_used),
        test(an_adapter_that_forgets_one_is_told_by_its_outcome),
        test(a_deadline_holds_and_the_socket_is_shut_down),
        test(a_deadline_holds_while_the_connection_is_opened),
        test(a_library_that_does_not_come_back_costs_its_destination_the_thread),
        test(a_tenant_whose_threads_do_not_end_gets_no_more),
        test(a_tenant_leaves_threads_to_others),
        test(a_connection_that_knows_something_gives_way_last),
        test(mail_behind_a_hanging_one_goes_to_another_thread),
        test(an_outcome_that_is_there_beats_the_deadline),
        test(a_cancel_before_during_and_after_the_work),
        test(what_is_under_way_is_gone_with_the_crew),
        test(more_destinations_than_threads_are_all_served),
        test(starts_and_cancels_at_random_lose_nothing),
        test(a_check_opens_and_sends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
