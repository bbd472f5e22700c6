/*
 * redis_batch - see redis_batch.h
 *
 * Every wait is a poll(2) against an absolute deadline, which bytes that drip in do not move: only a whole
 * reply does.
 */
#include "redis_batch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include "clock.h"
#include "xalloc.h"

enum { PARTS_MAX = 64 };

static bool is_open(const struct redis_batch *batch)
{
    return !batch->failed && batch->reading < batch->count;
}

static void advance(struct redis_batch *batch, size_t bytes)
{
    while (bytes > 0) {
        size_t left = batch->requests[batch->sending]->size - batch->sent;

        if (bytes < left) {
            batch->sent += bytes;
            return;
        }
        bytes -= left;
        batch->sending++;
        batch->sent = 0;
    }
}

/* Sends what the socket takes now. */
static int send_some(struct redis_batch *batch, struct fault *fault)
{
    while (batch->sending < batch->count) {
        struct iovec parts[PARTS_MAX];
        size_t count = 0, skip = batch->sent, taken;

        for (size_t i = batch->sending; i < batch->count && count < PARTS_MAX; i++) {
            parts[count++] = (struct iovec){.iov_base = batch->requests[i]->bytes + skip,
                                            .iov_len = batch->requests[i]->size - skip};
            skip = 0;
        }
        if (redis_link_send(batch->link, parts, count, &taken, fault))
            return -1;
        if (taken == 0)
            return 0;
        advance(batch, taken);
    }
    return 0;
}

/* Takes the replies that came whole; `*taken`: how many. */
static int take_replies(struct redis_batch *batch, int *taken, struct fault *fault)
{
    for (*taken = 0; is_open(batch); ++*taken) {
        struct redis_request *request = batch->requests[batch->reading];
        redisReply *reply = NULL;

        if (redis_link_reply(batch->link, &reply, fault))
            return -1;
        if (!reply)
            break;
        if (request->asking > 0 && !batch->asked) {
            freeReplyObject(reply); /* an error says the same as the command behind it will */
            batch->asked = true;
            continue;
        }
        request->reply = reply;
        batch->asked = false;
        batch->reading++;
    }
    return 0;
}

/* Reads after poll(2) has said what is there. */
static int read_some(struct redis_batch *batch, short events, int64_t patience_ms, struct fault *fault)
{
    int taken = 0;
    char why[64];

    if ((events & ~POLLOUT) && (redis_link_receive(batch->link, fault) || take_replies(batch, &taken, fault)))
        return -1;
    if (taken > 0)
        batch->deadline_ms = clock_mono_ms() + patience_ms;
    if (batch->reading == batch->count && batch->sending < batch->count)
        redis_link_close(
            batch->link); /* answered before it was all sent: what follows would be taken for it */
    if (taken > 0 || clock_mono_ms() < batch->deadline_ms)
        return 0;
    snprintf(why, sizeof why, "no answer within %lld ms", (long long)patience_ms);
    return redis_link_fail(batch->link, FAULT_UNAVAILABLE, why, fault);
}

/* Says what each waits for; the first deadline, or -1 where nothing is open. */
static int64_t prepare(struct redis_batch *batches, struct pollfd *ready, size_t count)
{
    int64_t first_ms = -1;

    for (size_t i = 0; i < count; i++) {
        const struct redis_batch *batch = &batches[i];

        ready[i] = (struct pollfd){.fd = -1}; /* which poll(2) ignores */
        if (!is_open(batch))
            continue;
        ready[i].fd = redis_link_fd(batch->link);
        ready[i].events = redis_link_events(batch->link, batch->sending < batch->count);
        if (first_ms < 0 || batch->deadline_ms < first_ms)
            first_ms = batch->deadline_ms;
    }
    return first_ms;
}

static int await(struct pollfd *ready, size_t count, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - clock_mono_ms();
    int n = poll(ready, count, left_ms < 0 ? 0 : left_ms > 1000000 ? 1000000 : (int)left_ms);

    return n < 0 && errno != EINTR ? errno : 0;
}

/* The batch is over; the first fault of all is the caller's. */
static void give_up(struct redis_batch *batch, const struct fault *problem, int *status, struct fault *fault)
{
    batch->failed = true;
    if (*status == 0 && fault)
        *fault = *problem;
    *status = -1;
}

int redis_batch_run(struct redis_batch *batches, size_t count, int64_t patience_ms, struct fault *fault)
{
    struct pollfd *ready = xcalloc(count, sizeof *ready);
    int64_t first_ms;
    struct fault problem;
    int status = 0;

    for (size_t i = 0; i < count; i++) {
        batches[i].deadline_ms = clock_mono_ms() + patience_ms;
        if (!redis_link_is_open(batches[i].link))
            redis_link_fail(batches[i].link, FAULT_UNAVAILABLE, "the connection was closed", &problem);
        else if (send_some(&batches[i], &problem) == 0)
            continue;
        give_up(&batches[i], &problem, &status, fault);
    }
    while ((first_ms = prepare(batches, ready, count)) >= 0) {
        int error = await(ready, count, first_ms);

        for (size_t i = 0; i < count; i++) {
            struct redis_batch *batch = &batches[i];

            if (!is_open(batch))
                continue;
            if (error)
                redis_link_fail(batch->link, FAULT_SYSTEM, strerror(error), &problem);
            else if (read_some(batch, ready[i].revents, patience_ms, &problem) == 0 &&
                     send_some(batch, &problem) == 0)
                continue;
            give_up(batch, &problem, &status, fault);
        }
    }
    free(ready);
    return status;
}
