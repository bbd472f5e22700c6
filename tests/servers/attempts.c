/*
 * attempts - see attempts.h
 */
#include "attempts.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>
#include <event2/event.h>
#include "ceilings.h"
#include "fdio.h"
#include "form.h"
#include "rows.h"
#include "xalloc.h"

static int descriptors;

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

int attempts_setup(void **state)
{
    static const char body[] = "{\"a\":1}";
    struct attempts *attempts = xcalloc(1, sizeof *attempts);

    fdio_ignore_sigpipe();
    descriptors = count_descriptors();
    attempts->base = event_base_new();
    attempts->attempt = (struct attempt){
        .message_id = "0190b2c4-0000-7000-8000-000000000001",
        .distribution_id = "dist-1",
        .tenant_id = "acme",
        .data_type = "report",
        .date = "2024-01-15",
        .content_type = "application/json",
        .body = body,
        .body_size = sizeof body - 1,
        .number = 1,
    };
    outcome_init(&attempts->outcome);
    *state = attempts;
    return adapter_context_init(&attempts->context, attempts->base, true, NULL, NULL);
}

int attempts_teardown(void **state)
{
    struct attempts *attempts = *state;

    adapter_context_release(&attempts->context);
    event_base_free(attempts->base);
    outcome_release(&attempts->outcome);
    free(attempts);
    if (count_descriptors() == descriptors)
        return 0;
    print_error("a descriptor is left\n");
    return -1;
}

static void on_done(void *arg, struct outcome *outcome)
{
    struct attempts *attempts = arg;

    assert_false(attempts->done);
    attempts->done = true;
    rows_saw(adapter_for(attempts->attempt.destination->protocol)->outcomes, outcome);
    outcome_release(&attempts->outcome);
    attempts->outcome = *outcome;
    buf_init(&attempts->outcome.response, LIMIT_RESPONSE);
    buf_add(&attempts->outcome.response, outcome->response.data, outcome->response.len);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    fail_msg("no end within 30 seconds");
}

enum outcome_kind attempts_try(struct attempts *attempts)
{
    struct event *late = evtimer_new(attempts->base, on_late, NULL);
    struct timeval limit = {.tv_sec = 30};

    attempts->done = false;
    assert_non_null(adapter_for(attempts->attempt.destination->protocol)
                        ->start(&attempts->context, &attempts->attempt, on_done, attempts));
    assert_false(attempts->done); /* never from start() */
    evtimer_add(late, &limit);
    while (!attempts->done)
        event_base_loop(attempts->base, EVLOOP_ONCE);
    event_free(late);
    return attempts->outcome.kind;
}

void attempts_expect(struct attempts *attempts, enum outcome_kind kind, const char *reason)
{
    attempts_try(attempts);
    if (attempts->outcome.kind != kind || strcmp(attempts->outcome.reason, reason) != 0)
        fail_msg("%s (%s), not %s (%s): %s", outcome_kind_names[attempts->outcome.kind],
                 attempts->outcome.reason, outcome_kind_names[kind], reason, attempts->outcome.text);
}

void attempts_limit_descriptors(bool limit)
{
    static struct rlimit before;
    struct rlimit now;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    if (limit)
        before = now;
    now.rlim_cur = limit ? 3 : before.rlim_cur;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

struct destination *attempts_destination(const char *form, ...)
{
    struct fault fault = {0};
    char text[2000];
    va_list arguments;

    va_start(arguments, form);
    vsnprintf(text, sizeof text, form, arguments);
    va_end(arguments);
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    struct destination *destination = form_destination("there", json, NULL, "test", &fault);
    json_decref(json);
    if (!destination)
        fail_msg("%s", fault.text);
    return destination;
}
