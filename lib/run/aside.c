/*
 * aside - see aside.h
 *
 * The loop sets a job and wakes the thread by a condition; the thread takes it, works, and wakes the loop by
 * an eventfd. `busy` is the loop's own word: it ends when `done` is called.
 */
#include "aside.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "xalloc.h"

struct aside {
    int fd;
    struct event *event;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stopping, waiting; /* waiting: a job is there that the thread has not taken */
    void (*work)(void *job);
    void (*done)(void *job);
    void *job;
    bool busy;
    int64_t since_ms;
};

static void *run(void *arg)
{
    struct aside *aside = arg;

    pthread_mutex_lock(&aside->mutex);
    while (!aside->stopping || aside->waiting) {
        if (!aside->waiting) {
            pthread_cond_wait(&aside->wake, &aside->mutex);
            continue;
        }
        aside->waiting = false;
        pthread_mutex_unlock(&aside->mutex);
        aside->work(aside->job);
        eventfd_write(aside->fd, 1); /* cannot fail: one is added to at most one */
        pthread_mutex_lock(&aside->mutex);
    }
    pthread_mutex_unlock(&aside->mutex);
    return NULL;
}

static void finish(struct aside *aside)
{
    void (*done)(void *job) = aside->done;

    aside->busy = false;
    done(aside->job);
}

static void on_ready(evutil_socket_t fd, short events, void *arg)
{
    struct aside *aside = arg;
    eventfd_t count;
    (void)events;

    if (eventfd_read((int)fd, &count) == 0 && aside->busy)
        finish(aside);
}

static int start_thread(struct aside *aside, struct fault *fault)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = pthread_create(&aside->thread, NULL, run, aside);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? fault_errno(fault, error, "cannot start a thread") : 0;
}

struct aside *aside_start(struct event_base *base, struct fault *fault)
{
    struct aside *aside = xcalloc(1, sizeof *aside);

    pthread_mutex_init(&aside->mutex, NULL);
    pthread_cond_init(&aside->wake, NULL);
    aside->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (aside->fd >= 0)
        aside->event = event_new(base, aside->fd, EV_READ | EV_PERSIST, on_ready, aside);
    if (!aside->event || event_add(aside->event, NULL) < 0)
        fault_errno(fault, errno, "cannot wait for a thread");
    else if (start_thread(aside, fault) == 0)
        return aside;
    if (aside->event)
        event_free(aside->event);
    if (aside->fd >= 0)
        close(aside->fd);
    free(aside);
    return NULL;
}

void aside_stop(struct aside *aside)
{
    if (!aside)
        return;
    pthread_mutex_lock(&aside->mutex);
    aside->stopping = true;
    pthread_cond_signal(&aside->wake);
    pthread_mutex_unlock(&aside->mutex);
    pthread_join(aside->thread, NULL);
    event_free(aside->event);
    close(aside->fd);
    if (aside->busy)
        finish(aside);
    pthread_cond_destroy(&aside->wake);
    pthread_mutex_destroy(&aside->mutex);
    free(aside);
}

bool aside_is_busy(const struct aside *aside)
{
    return aside->busy;
}

int64_t aside_busy_since_ms(const struct aside *aside)
{
    return aside->busy ? aside->since_ms : 0;
}

void aside_post(struct aside *aside, void (*work)(void *job), void (*done)(void *job), void *job)
{
    pthread_mutex_lock(&aside->mutex);
    aside->work = work;
    aside->done = done;
    aside->job = job;
    aside->waiting = true;
    pthread_cond_signal(&aside->wake);
    pthread_mutex_unlock(&aside->mutex);
    aside->busy = true;
    aside->since_ms = clock_mono_ms();
}
