/*
 * bell - see bell.h
 */
#include "bell.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "xalloc.h"

enum { BELL_WAIT_MS = 500 };

struct bell {
    struct queue *queue;
    enum queue_stage stage;
    int fd;
    pthread_t thread;
    atomic_bool stopping;
};

static void *listen_for_it(void *arg)
{
    struct bell *bell = arg;

    while (!atomic_load(&bell->stopping)) {
        struct fault problem = {0};
        int rang = queue_wait(bell->queue, bell->stage, BELL_WAIT_MS, &problem);
        if (rang > 0) {
            const uint64_t one = 1;
            if (write(bell->fd, &one, sizeof one) < 0 && errno != EAGAIN)
                break;
        } else if (rang < 0) {
            const struct timespec second = {.tv_sec = 1};
            nanosleep(&second, NULL);
        }
    }
    return NULL;
}

struct bell *bell_start(struct queue *queue, enum queue_stage stage, struct fault *fault)
{
    struct bell *bell = xcalloc(1, sizeof *bell);
    sigset_t all, before;

    bell->queue = queue;
    bell->stage = stage;
    bell->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell->fd < 0) {
        fault_errno(fault, errno, "eventfd");
        free(bell);
        return NULL;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are the main thread's */
    int error = pthread_create(&bell->thread, NULL, listen_for_it, bell);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        fault_errno(fault, error, "cannot start a thread");
        close(bell->fd);
        free(bell);
        return NULL;
    }
    return bell;
}

int bell_fd(const struct bell *bell)
{
    return bell->fd;
}

void bell_clear(struct bell *bell)
{
    uint64_t count;
    if (read(bell->fd, &count, sizeof count) < 0 && errno != EAGAIN)
        atomic_store(&bell->stopping, true); /* an eventfd that cannot be read is no bell any more */
}

void bell_stop(struct bell *bell)
{
    if (!bell)
        return;
    atomic_store(&bell->stopping, true);
    pthread_join(bell->thread, NULL);
    close(bell->fd);
    free(bell);
}
