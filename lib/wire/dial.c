/*
 * dial - see dial.h
 *
 * getaddrinfo() cannot be told to stop. So it runs in a thread, over memory that both sides share and that
 * the last of them frees.
 */
#include "dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "address.h"
#include "clock.h"
#include "xalloc.h"

enum {
    KEEPALIVE_IDLE_S = 15,
    KEEPALIVE_INTERVAL_S = 5,
    KEEPALIVE_PROBES = 3,
    FULL_BACKLOG_MS = 5,
    LEFT_MAX = 64
};

/* ---- names ---- */

/* Threads that were left behind, of the whole process: nobody else can count them. */
static atomic_int left_behind;

struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    char *host;
    char port[12];
    struct addrinfo *found;
    int error;     /* of getaddrinfo() */
    int errno_was; /* with EAI_SYSTEM */
    bool done, abandoned;
};

static struct lookup *lookup_new(const char *host, int port)
{
    struct lookup *lookup = xcalloc(1, sizeof *lookup);
    pthread_condattr_t attributes;

    pthread_mutex_init(&lookup->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&lookup->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    lookup->host = xstrdup(host);
    snprintf(lookup->port, sizeof lookup->port, "%d", port);
    return lookup;
}

static void lookup_free(struct lookup *lookup)
{
    if (lookup->found)
        freeaddrinfo(lookup->found);
    pthread_cond_destroy(&lookup->ended);
    pthread_mutex_destroy(&lookup->lock);
    free(lookup->host);
    free(lookup);
}

static void look_up(struct lookup *lookup)
{
    const struct addrinfo want = {.ai_socktype = SOCK_STREAM,
                                  .ai_flags = AI_NUMERICSERV |
                                              (address_is_numeric(lookup->host) ? AI_NUMERICHOST : 0)};

    lookup->error = getaddrinfo(lookup->host, lookup->port, &want, &lookup->found);
    lookup->errno_was = errno;
}

static void *look_up_aside(void *arg)
{
    struct lookup *lookup = arg;
    bool abandoned;

    look_up(lookup);
    pthread_mutex_lock(&lookup->lock);
    lookup->done = true;
    abandoned = lookup->abandoned;
    pthread_cond_signal(&lookup->ended);
    pthread_mutex_unlock(&lookup->lock);
    if (abandoned) {
        atomic_fetch_sub(&left_behind, 1);
        lookup_free(lookup);
    }
    return NULL;
}

/* Waits for the thread; false: it is left behind, and frees the memory. */
static bool await(struct lookup *lookup, int64_t deadline_ms)
{
    const struct timespec limit = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    bool done;

    pthread_mutex_lock(&lookup->lock);
    while (!lookup->done && pthread_cond_timedwait(&lookup->ended, &lookup->lock, &limit) != ETIMEDOUT)
        ;
    done = lookup->done;
    lookup->abandoned = !done;
    if (!done)
        atomic_fetch_add(&left_behind, 1);
    pthread_mutex_unlock(&lookup->lock);
    return done;
}

static int start_thread(struct lookup *lookup)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    int error;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are not for this thread */
    error = pthread_create(&thread, &attributes, look_up_aside, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* The addresses of a name; the lookup is the caller's. NULL: fault. */
static struct lookup *resolve(const char *host, int port, int64_t deadline_ms, struct fault *fault)
{
    struct lookup *lookup = lookup_new(host, port);
    int error;

    if (address_is_numeric(host)) {
        look_up(lookup);
    } else if (atomic_load(&left_behind) >= LEFT_MAX) {
        lookup_free(lookup);
        fault_set(fault, FAULT_UNAVAILABLE, "names are not resolved: %d look-ups do not end", LEFT_MAX);
        return NULL;
    } else if ((error = start_thread(lookup)) != 0) {
        lookup_free(lookup);
        fault_errno(fault, error, "cannot start a thread");
        return NULL;
    } else if (!await(lookup, deadline_ms)) {
        fault_set(fault, FAULT_UNAVAILABLE, "the name was not resolved in time");
        return NULL;
    }
    if (lookup->error == 0)
        return lookup;
    fault_set(fault, FAULT_UNAVAILABLE, "%s",
              lookup->error == EAI_SYSTEM ? strerror(lookup->errno_was) : gai_strerror(lookup->error));
    lookup_free(lookup);
    return NULL;
}

int dial_look_up(const char *host, int port, int64_t deadline_ms, struct addrinfo **found,
                 struct fault *fault)
{
    struct lookup *lookup = resolve(host, port, deadline_ms, fault);

    if (!lookup)
        return -1;
    *found = lookup->found;
    lookup->found = NULL;
    lookup_free(lookup);
    return 0;
}

/* ---- sockets ---- */

static int late(struct fault *fault)
{
    return fault_set(fault, FAULT_UNAVAILABLE, "no connection in time");
}

static int refused(int error, struct fault *fault)
{
    return fault_set(fault, FAULT_UNAVAILABLE, "%s", strerror(error));
}

/* Waits until the connection that was begun is made or refused. */
static int await_connection(int fd, int64_t deadline_ms, struct fault *fault)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof(int);
    int error = 0;

    for (;;) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        int n = poll(&ready, 1, left_ms < 0 ? 0 : left_ms > 1000000 ? 1000000 : (int)left_ms);

        if (n > 0)
            break;
        if (n < 0 && errno != EINTR)
            return refused(errno, fault);
        if (n == 0 && left_ms <= 0)
            return late(fault);
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
        return refused(errno, fault);
    return error ? refused(error, fault) : 0;
}

static int open_socket(const struct sockaddr *address, socklen_t size, int64_t deadline_ms,
                       struct fault *fault)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), status = 0;

    if (fd < 0 && errno == EAFNOSUPPORT) /* a host without IPv6 */
        return refused(errno, fault);
    if (fd < 0)
        return fault_errno(fault, errno, "cannot make a socket");
    while (status == 0 && connect(fd, address, size)) {
        if (errno == EINPROGRESS || errno == EINTR) {
            status = await_connection(fd, deadline_ms, fault);
            break;
        }
        if (errno != EAGAIN) /* the backlog of a unix socket is full, and poll() does not wait for it */
            status = refused(errno, fault);
        else if (clock_mono_ms() >= deadline_ms)
            status = late(fault);
        else
            (void)poll(NULL, 0, FULL_BACKLOG_MS);
    }
    if (status == 0)
        return fd;
    close(fd);
    return -1;
}

/* Failing is no reason to stop. */
static void tune(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

static int dial_path(const char *path, int64_t deadline_ms, struct fault *fault)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        return fault_set(fault, FAULT_CONFIG, "the path of a socket has at most %zu bytes",
                         sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path));
    return open_socket((const struct sockaddr *)&address, sizeof address, deadline_ms, fault);
}

/* `guard` may be NULL: the address is our own. */
static int dial_name(const char *host, int port, const struct guard *guard, int64_t deadline_ms,
                     struct fault *fault)
{
    struct fault problem = {0};
    struct lookup *lookup;
    int fd = -1, left = 0;

    lookup = resolve(host, port, deadline_ms, fault);
    if (!lookup)
        return -1;
    for (const struct addrinfo *at = lookup->found; at; at = at->ai_next)
        left++;
    for (const struct addrinfo *at = lookup->found; at && fd < 0; at = at->ai_next, left--) {
        int64_t now_ms = clock_mono_ms();
        const char *network = guard ? guard_refuses(guard, at->ai_addr) : NULL;

        if (network && !problem.class)
            fault_set(&problem, FAULT_DENIED, "the address is refused: %s", network);
        if (network)
            continue;
        fd = open_socket(at->ai_addr, at->ai_addrlen, now_ms + (deadline_ms - now_ms) / left, &problem);
    }
    lookup_free(lookup);
    if (fd >= 0)
        tune(fd);
    else if (fault)
        *fault = problem;
    return fd;
}

int dial(const char *host, int port, int64_t deadline_ms, struct fault *fault)
{
    return host[0] == '/' ? dial_path(host, deadline_ms, fault)
                          : dial_name(host, port, NULL, deadline_ms, fault);
}

int dial_guarded(const char *host, int port, const struct guard *guard, int64_t deadline_ms,
                 struct fault *fault)
{
    if (host[0] != '/')
        return dial_name(host, port, guard, deadline_ms, fault);
    if (!guard->allow_private)
        return fault_set(fault, FAULT_DENIED, "the address is refused: a unix socket");
    return dial_path(host, deadline_ms, fault);
}
