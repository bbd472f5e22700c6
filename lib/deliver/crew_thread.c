/*
 * crew_thread - the thread of one destination: see crew.h
 *
 *   waits for mail --> takes a batch --> opens, where it has no connection --> works --> waits for mail
 *   ends: idle for long, others wait for a thread, the crew stops, or it was dropped
 *
 * The one hard rule: what it took has an outcome before it looks at its mailbox again.
 */
#include "crew_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clock.h"

enum {
    FRESH_MS = 1000,    /* a connection that was good so lately is used without a look */
    COURTESY_MS = 3000, /* a look at an idle connection, or a goodbye; both are to take a second at most */
};

/* The mailbox */

void crew_ring(struct crew *crew)
{
    eventfd_write(crew->fd, 1); /* cannot fail: nobody rings 2^64 times before the loop reads */
}

void crew_line_drop(struct crew_line *line)
{
    if (!line->dropped)
        line->dropped_ms = clock_mono_ms();
    line->dropped = line->ending = true;
    if (line->socket >= 0)
        shutdown(line->socket, SHUT_RDWR);
    pthread_cond_signal(&line->wake);
}

void crew_watch(struct crew_line *line, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    pthread_mutex_lock(&line->crew->mutex);
    if (line->socket >= 0)
        close(line->socket);
    line->socket = copy;
    line->unwatched = copy < 0;
    if (line->dropped || copy < 0) /* before there was anything to shut down; nobody could */
        shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&line->crew->mutex);
}

static bool is_dropped(struct crew_line *line)
{
    pthread_mutex_lock(&line->crew->mutex);
    bool dropped = line->dropped;
    pthread_mutex_unlock(&line->crew->mutex);
    return dropped;
}

static void take_mail(struct crew_line *line)
{
    struct errand *errand;

    for (line->taken_count = 0; line->taken_count < line->batch && (errand = TAILQ_FIRST(&line->mail));) {
        TAILQ_REMOVE(&line->mail, errand, link);
        errand->state = ERRAND_TAKEN;
        errand->slot = line->taken_count;
        line->taken[line->taken_count++] = errand;
        line->awaited++;
    }
}

/* Of the errands that have no outcome yet. */
static int64_t deadline_of(const struct crew_line *line)
{
    int64_t latest_ms = 0;

    for (size_t i = 0; i < line->taken_count; i++)
        if (line->taken[i] && line->taken[i]->deadline_ms > latest_ms)
            latest_ms = line->taken[i]->deadline_ms;
    return latest_ms;
}

/* The connection */

static void disconnect(struct crew_line *line)
{
    pthread_mutex_lock(&line->crew->mutex);
    line->courtesy_ms = clock_mono_ms() + COURTESY_MS;
    pthread_mutex_unlock(&line->crew->mutex);
    if (line->connection)
        line->kind->close(line->connection);
    line->connection = NULL;
    pthread_mutex_lock(&line->crew->mutex);
    line->courtesy_ms = 0;
    line->holds = false;
    if (line->socket >= 0)
        close(line->socket);
    line->socket = -1;
    pthread_mutex_unlock(&line->crew->mutex);
}

static void refuse_all(struct crew_line *line, const struct refusal *refusal)
{
    for (size_t i = 0; i < line->taken_count; i++) {
        struct errand *errand = line->taken[i];
        if (!errand)
            continue;
        if (refusal->row)
            errand_set(errand, refusal->row, refusal->code, "%s", refusal->text);
        else
            errand_set_event(errand, refusal->event, "%s", refusal->text);
    }
}

static bool connect_line(struct crew_line *line)
{
    struct refusal refusal = {.event = EVENT_CONNECT};
    const struct crew_call call = {
        .destination = line->destination,
        .secret = line->taken[0]->attempt.secret,
        .guard = line->guard,
        .deadline_ms = deadline_of(line),
        .refusal = &refusal,
        .line = line,
    };

    line->unwatched = false;
    line->connection = line->kind->open(&call);
    if (line->unwatched) {
        disconnect(line);
        refusal = (struct refusal){.event = EVENT_SYSTEM, .text = "no descriptor is free"};
    }
    if (!line->connection) {
        disconnect(line);
        refuse_all(line, &refusal);
    }
    line->used_ms = clock_mono_ms();
    return line->connection != NULL;
}

/* Whether an idle connection is good, as far as it can be seen. */
static void tend(struct crew_line *line)
{
    struct fault ignored = {0};
    int result = line->kind->tend ? line->kind->tend(line->connection, &ignored) : 0;

    if (result < 0)
        disconnect(line);
    pthread_mutex_lock(&line->crew->mutex);
    line->holds = result > 0;
    pthread_mutex_unlock(&line->crew->mutex);
    line->used_ms = clock_mono_ms();
}

/* The work */

/* Puts those without an outcome together; how many. Probes have theirs: the connection is there. */
static size_t gather(struct crew_line *line)
{
    static const struct answer connected = {0, 0, OUTCOME_DELIVERED, "connected", 0, "connected"};
    size_t count = 0;

    for (size_t i = 0; i < line->taken_count; i++) {
        struct errand *errand = line->taken[i];
        if (errand && errand->probe) {
            errand_set(errand, &connected, 0, "%s", "");
        } else if (errand) {
            line->taken[i] = NULL;
            line->taken[count] = errand;
            errand->slot = count++;
        }
    }
    line->taken_count = count;
    return count;
}

/* `again`: but for those that may be worked on once more. */
static void break_all(struct crew_line *line, bool again, const char *text)
{
    for (size_t i = 0; i < line->taken_count; i++)
        if (line->taken[i] && !(again && !line->taken[i]->sent))
            errand_set_event(line->taken[i], EVENT_BROKEN, "%s", text);
}

static void attend(struct crew_line *line)
{
    for (bool fresh = !line->connection;; fresh = true) {
        struct fault fault = {.text = "the adapter reported no outcome"};
        if (!line->connection && !connect_line(line))
            return;
        if (gather(line) == 0)
            return;
        int result =
            line->kind->work(line->connection, line->taken, line->taken_count, deadline_of(line), &fault);
        line->used_ms = clock_mono_ms();
        if (result < 0)
            disconnect(line);
        bool again = result < 0 && !fresh && !is_dropped(line);
        break_all(line, again, fault.text);
        if (!again || gather(line) == 0)
            return;
    }
}

/* Until there may be something to do, at the latest in `ms`. */
static void wait_for_mail(struct crew_line *line, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    pthread_cond_timedwait(&line->wake, &line->crew->mutex, &until);
}

/* With the mutex, which it lets go while it works. True: the thread goes on. */
static bool turn(struct crew_line *line, int64_t began_ms, int64_t *idle_since_ms)
{
    struct crew *crew = line->crew;
    int64_t now_ms = clock_mono_ms();

    if (line->ending || crew->stopping)
        return false;
    if (line->crowded && (TAILQ_EMPTY(&line->mail) || now_ms - began_ms >= CREW_TURN_MS))
        return false;
    if (TAILQ_EMPTY(&line->mail) && !line->holds && now_ms - *idle_since_ms >= CREW_IDLE_MS)
        return false;
    int64_t tend_ms = line->used_ms + CREW_TEND_MS;
    if (TAILQ_EMPTY(&line->mail) && (!line->connection || now_ms < tend_ms)) {
        int64_t end_ms = line->holds ? INT64_MAX : *idle_since_ms + CREW_IDLE_MS;
        wait_for_mail(line, line->connection && tend_ms < end_ms ? tend_ms : end_ms);
        return true;
    }
    take_mail(line);
    bool worked = line->taken_count > 0;
    line->busy = true;
    line->courtesy_ms = worked ? 0 : now_ms + COURTESY_MS;
    pthread_mutex_unlock(&crew->mutex);
    if (line->connection && now_ms - line->used_ms >= FRESH_MS)
        tend(line);
    if (worked)
        attend(line);
    if (worked)
        *idle_since_ms = clock_mono_ms();
    pthread_mutex_lock(&crew->mutex);
    line->busy = false;
    line->courtesy_ms = 0;
    return true;
}

void *crew_line_run(void *arg)
{
    struct crew_line *line = arg;
    struct crew *crew = line->crew;
    int64_t began_ms = clock_mono_ms(), idle_since_ms = began_ms;

    pthread_mutex_lock(&crew->mutex);
    while (turn(line, began_ms, &idle_since_ms))
        ;
    line->ending = true;
    if (!TAILQ_EMPTY(&line->mail)) /* the loop finds it another thread while this one says goodbye */
        crew_ring(crew);
    pthread_mutex_unlock(&crew->mutex);
    disconnect(line);
    pthread_mutex_lock(&crew->mutex);
    line->ended = true;
    line->ended_ms = clock_mono_ms();
    pthread_cond_signal(&crew->ended);
    crew_ring(crew);
    pthread_mutex_unlock(&crew->mutex);
    return NULL;
}
