/*
 * crew_loop - the side of the event loop: see crew.h
 *
 * A line (the mailbox of one destination, and its thread) is waiting for a thread --> at work --> ending -->
 * ended and joined. What is in the mailbox of one that is ending is given to another one, so that nothing
 * waits for a goodbye or a library that hangs.
 *
 * Everything is freed here, in the loop, and never by a thread. The one hard rule: whoever takes an errand
 * out of a list with the mutex held is the one that ends it.
 */
#include "crew_parts.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "clock.h"
#include "xalloc.h"

enum {
    REPORTS_MAX = 256,            /* outcomes in one turn of the loop, which has others to look after */
    STACK_SIZE = 8 * 1024 * 1024, /* whatever ulimit -s is: librabbitmq recurses with what a broker sends */
};

struct crew_attempt {
    struct pending pending; /* first */
    LIST_ENTRY(crew_attempt) link;
    struct crew *crew;
    struct errand *errand; /* NULL where it is the thread's alone, or there is none any more */
    struct event *timer;
};

static void lock(struct crew *crew)
{
    pthread_mutex_lock(&crew->mutex);
}

static void unlock(struct crew *crew)
{
    pthread_mutex_unlock(&crew->mutex);
}

/* Lines */

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static struct crew_line *line_new(struct crew *crew, const struct crew_kind *kind,
                                  const struct destination *destination, const struct guard *guard)
{
    struct crew_line *line = xcalloc(1, sizeof *line);
    size_t batch = kind->batch ? kind->batch(destination) : CREW_BATCH;

    *line = (struct crew_line){.crew = crew, .kind = kind, .socket = -1};
    line->guard = (struct guard){guard->allow_private, guard_lists_ref(guard->lists)};
    line->destination = destination_ref((struct destination *)destination);
    line->tenant = crew_tenant_of(crew, destination->tenant);
    line->batch = batch ? batch : 1;
    line->taken = xcalloc(line->batch, sizeof(*line->taken));
    init_condition(&line->wake);
    TAILQ_INIT(&line->mail);
    TAILQ_INSERT_TAIL(&crew->lines, line, link);
    return line;
}

static void line_free(struct crew_line *line)
{
    TAILQ_REMOVE(&line->crew->lines, line, link);
    pthread_cond_destroy(&line->wake);
    crew_tenant_leave(line->tenant);
    destination_unref(line->destination);
    guard_lists_unref((struct guard_lists *)line->guard.lists);
    free(line->taken);
    free(line);
}

/* From here on everything below is called with the mutex held, unless it says otherwise. */

static struct crew_line *line_for(struct crew *crew, const struct crew_kind *kind,
                                  const struct destination *destination, const struct guard *guard)
{
    struct crew_line *line;

    TAILQ_FOREACH (line, &crew->lines, link)
        if (!line->ending && line->kind == kind && crew_is_same(line->destination, destination) &&
            guard_equal(&line->guard, guard))
            return line;
    return line_new(crew, kind, destination, guard);
}

static void post(struct crew_line *line, struct errand *errand)
{
    errand->line = line;
    errand->state = ERRAND_WAITING;
    errand->attempt.destination = line->destination;
    TAILQ_INSERT_TAIL(&line->mail, errand, link);
    if (line->started)
        pthread_cond_signal(&line->wake);
}

/* The mail of a line that is ending goes to another one. */
static void forward_mail(struct crew_line *line)
{
    struct errand *errand;

    while ((errand = TAILQ_FIRST(&line->mail))) {
        TAILQ_REMOVE(&line->mail, errand, link);
        errand->forwarded = errand->forwarded || line->started;
        post(line_for(line->crew, line->kind, line->destination, &line->guard), errand);
    }
}

static int start_thread(struct crew_line *line)
{
    pthread_attr_t attributes;
    sigset_t all, before;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = pthread_create(&line->thread, &attributes, crew_line_run, line);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    line->started = error == 0;
    line->crew->threads += line->started;
    line->tenant->threads += line->started;
    return error;
}

/* It gets no thread: nothing of this line can be done now. */
static void fail_mail(struct crew_line *line, const struct crew_refusal *refusal)
{
    struct errand *errand;

    while ((errand = TAILQ_FIRST(&line->mail))) {
        struct crew_attempt *call = errand->call;
        TAILQ_REMOVE(&line->mail, errand, link);
        call->errand = NULL;
        event_del(call->timer);
        errand_free(errand);
        pending_set_event(&call->pending, refusal->event, "%s", refusal->text);
        pending_report_later(&call->pending);
    }
}

static void end_lines(struct crew *crew)
{
    struct crew_line *line, *next;

    for (line = TAILQ_FIRST(&crew->lines); line; line = next) {
        if (line->ending)
            forward_mail(line); /* it may append lines */
        next = TAILQ_NEXT(line, link);
        if (line->ended) {
            pthread_join(line->thread, NULL); /* it has let go of the mutex, and does nothing more */
            crew_note_end(line);
        }
        crew->threads -= line->ended;
        line->tenant->threads -= line->ended;
        if (line->ended || (!line->started && TAILQ_EMPTY(&line->mail)))
            line_free(line);
    }
}

static void begin_lines(struct crew *crew)
{
    int64_t now_ms = clock_mono_ms();
    struct crew_refusal refusal;
    struct crew_line *line;

    crew_lift_bans(crew, now_ms);
    bool stuck = crew_has_stuck(crew);
    TAILQ_FOREACH (line, &crew->lines, link)
        if (stuck && !line->started && !TAILQ_EMPTY(&line->mail) &&
            crew_may_begin(line, now_ms, &refusal) < 0)
            fail_mail(line, &refusal);
    while ((line = crew_next(crew))) {
        int error = start_thread(line);
        if (!error)
            continue;
        refusal.event = EVENT_SYSTEM;
        snprintf(refusal.text, sizeof refusal.text, "no thread: %s", strerror(error));
        fail_mail(line, &refusal);
    }
    crew_crowd(crew);
}

/* What nobody waits for has no deadline but this one. */
static void drop_overdue(struct crew *crew)
{
    int64_t now_ms = clock_mono_ms();
    struct crew_line *line;

    TAILQ_FOREACH (line, &crew->lines, link)
        if (line->courtesy_ms && now_ms >= line->courtesy_ms && !line->dropped)
            crew_line_drop(line);
}

static void tidy(struct crew *crew)
{
    drop_overdue(crew);
    end_lines(crew);
    begin_lines(crew);
}

/* A thread that nobody waits for may hang. */
static void drop_unawaited(struct crew_line *line)
{
    if (line->busy && line->awaited == 0)
        crew_line_drop(line);
}

/*
 * Takes the errand from its thread or out of its list; what it was. Where it is the thread's, it comes back
 * later, as nobody's.
 */
static enum errand_state let_go(struct crew_attempt *call)
{
    struct errand *errand = call->errand;
    enum errand_state state = errand->state;

    if (state == ERRAND_TAKEN) {
        errand->call = NULL;
        errand->awaited = false;
        errand->line->awaited--;
        call->errand = NULL;
        drop_unawaited(errand->line);
    } else if (state == ERRAND_WAITING) {
        TAILQ_REMOVE(&errand->line->mail, errand, link);
        drop_unawaited(errand->line);
    } else {
        TAILQ_REMOVE(&call->crew->set, errand, link);
    }
    return state;
}

/* Without the mutex: attempts */

static void call_free(struct pending *pending)
{
    struct crew_attempt *call = (struct crew_attempt *)pending;
    struct crew *crew = call->crew;

    LIST_REMOVE(call, link);
    if (LIST_EMPTY(&crew->calls))
        event_del(crew->event); /* a loop without other work may end */
    if (call->errand)
        errand_free(call->errand);
    event_free(call->timer);
    pending_release(pending);
    free(call);
}

/* With the outcome of its errand. */
static void report(struct crew_attempt *call)
{
    struct outcome *from = &call->errand->outcome;

    outcome_release(&call->pending.outcome);
    call->pending.outcome = *from;
    outcome_init(from);
    pending_report(&call->pending);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct crew_attempt *call = arg;
    struct crew *crew = call->crew;
    (void)fd;
    (void)what;

    lock(crew);
    bool had_thread = call->errand->state != ERRAND_WAITING || call->errand->forwarded ||
                      call->errand->line->started || crew_has_left(call->errand->line);
    enum errand_state state = let_go(call);
    tidy(crew);
    unlock(crew);
    if (state == ERRAND_SET) {
        report(call);
        return;
    }
    if (had_thread)
        pending_set_event(&call->pending, EVENT_TIMEOUT, "no answer within %lld ms",
                          (long long)call->pending.attempt.destination->timeout_ms);
    else
        pending_set_event(&call->pending, EVENT_SYSTEM, "no thread is free for it");
    pending_report(&call->pending);
}

static void on_ring(evutil_socket_t fd, short what, void *arg)
{
    struct crew *crew = arg;
    struct errand *errand = NULL;
    eventfd_t rings;
    (void)what;

    (void)eventfd_read((int)fd, &rings);
    lock(crew);
    tidy(crew);
    for (int i = 0; i < REPORTS_MAX && (errand = TAILQ_FIRST(&crew->set)); i++) {
        TAILQ_REMOVE(&crew->set, errand, link);
        unlock(crew);
        if (errand->call)
            report(errand->call); /* which may start and cancel others */
        else
            errand_free(errand);
        lock(crew);
    }
    if (errand)
        crew_ring(crew);
    unlock(crew);
}

static struct crew_attempt *call_new(const struct adapter *adapter, struct adapter_context *context,
                                     const struct attempt *attempt, attempt_done done, void *arg)
{
    struct crew_attempt *call = xcalloc(1, sizeof *call);
    int64_t timeout_ms = attempt->destination->timeout_ms;
    const struct timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

    pending_init(&call->pending, adapter, context, attempt, done, arg, call_free);
    call->crew = context->crew;
    call->errand = errand_new(adapter, attempt);
    call->errand->call = call;
    call->errand->awaited = true;
    call->errand->deadline_ms = clock_mono_ms() + timeout_ms;
    call->timer = evtimer_new(context->base, on_deadline, call);
    if (!call->timer || event_add(call->timer, &timeout) < 0)
        abort(); /* libevent is out of memory, as in xalloc */
    if (LIST_EMPTY(&call->crew->calls) && event_add(call->crew->event, NULL) < 0)
        abort();
    LIST_INSERT_HEAD(&call->crew->calls, call, link);
    return call;
}

static struct attempt_handle *start(const struct crew_kind *kind, struct crew_attempt *call,
                                    struct adapter_context *context)
{
    const struct attempt *attempt = &call->pending.attempt;
    const struct guard guard = attempt_guard(context, attempt);

    lock(call->crew);
    post(line_for(call->crew, kind, attempt->destination, &guard), call->errand);
    tidy(call->crew);
    unlock(call->crew);
    return &call->pending.handle;
}

struct attempt_handle *crew_start(const struct crew_kind *kind, const struct adapter *adapter,
                                  struct adapter_context *context, const struct attempt *attempt,
                                  attempt_done done, void *arg)
{
    return start(kind, call_new(adapter, context, attempt, done, arg), context);
}

void crew_cancel(struct attempt_handle *handle)
{
    struct crew_attempt *call = (struct crew_attempt *)handle;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed leaves the list of crew_free() */
    struct crew *crew = call->crew;

    lock(crew);
    if (call->errand)
        let_go(call);
    tidy(crew);
    unlock(crew);
    call_free(&call->pending);
}

int crew_check(const struct crew_kind *kind, const struct adapter *adapter, struct adapter_context *context,
               const struct destination *destination, const struct secret *secret, struct fault *fault)
{
    const struct attempt attempt = {.destination = destination, .secret = secret};
    struct pending_trial trial = {.fault = fault};
    struct crew_attempt *call = call_new(adapter, context, &attempt, pending_trial_done, &trial);

    call->errand->probe = true;
    start(kind, call, context);
    return pending_trial_run(&trial, context);
}

/* The crew */

struct crew *crew_new(struct event_base *base, struct fault *fault)
{
    struct crew *crew = xcalloc(1, sizeof *crew);

    crew->base = base;
    pthread_mutex_init(&crew->mutex, NULL);
    init_condition(&crew->ended);
    TAILQ_INIT(&crew->set);
    TAILQ_INIT(&crew->lines);
    TAILQ_INIT(&crew->bans);
    LIST_INIT(&crew->tenants);
    LIST_INIT(&crew->calls);
    crew->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    crew->event = crew->fd < 0 ? NULL : event_new(base, crew->fd, EV_READ | EV_PERSIST, on_ring, crew);
    if (crew->event)
        return crew;
    fault_errno(fault, errno, "cannot wait for threads");
    if (crew->fd >= 0)
        close(crew->fd);
    pthread_cond_destroy(&crew->ended);
    pthread_mutex_destroy(&crew->mutex);
    free(crew);
    return NULL;
}

/* With the mutex. Whether all threads have ended by then. */
static bool await_end(struct crew *crew, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    struct crew_line *line;

    for (;;) {
        size_t open = 0;
        TAILQ_FOREACH (line, &crew->lines, link) {
            open += line->started && !line->ended;
        }
        if (!open)
            return true;
        if (pthread_cond_timedwait(&crew->ended, &crew->mutex, &until) == ETIMEDOUT)
            return false;
    }
}

static bool end_threads(struct crew *crew)
{
    int64_t now_ms = clock_mono_ms();
    struct crew_line *line;

    crew->stopping = true;
    TAILQ_FOREACH (line, &crew->lines, link) {
        pthread_cond_signal(&line->wake);
    }
    if (await_end(crew, now_ms + CREW_END_MS / 2))
        return true;
    TAILQ_FOREACH (line, &crew->lines, link) {
        crew_line_drop(line);
    }
    return await_end(crew, now_ms + CREW_END_MS);
}

void crew_free(struct crew *crew)
{
    struct errand *errand;

    if (!crew)
        return;
    while (!LIST_EMPTY(&crew->calls))
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed leaves the list */
        crew_cancel(&LIST_FIRST(&crew->calls)->pending.handle);
    lock(crew);
    bool all = end_threads(crew);
    tidy(crew);
    crew_lift_bans(crew, INT64_MAX);
    while ((errand = TAILQ_FIRST(&crew->set))) {
        TAILQ_REMOVE(&crew->set, errand, link);
        errand_free(errand);
    }
    unlock(crew);
    event_free(crew->event);
    if (!all)
        return; /* a thread has the mutex and the descriptor still: they are left to it */
    close(crew->fd);
    pthread_cond_destroy(&crew->ended);
    pthread_mutex_destroy(&crew->mutex);
    free(crew);
}
