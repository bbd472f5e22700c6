/*
 * redis_link - see redis_link.h
 *
 * Plain bytes go straight from the commands to the socket. Encrypted ones are made a piece at a time, the
 * next when the socket has taken the last, so that a large pipeline is not held twice. Writing is
 * send(MSG_NOSIGNAL): write() would raise SIGPIPE.
 */
#include "redis_link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clock.h"
#include "dial.h"
#include "xalloc.h"

enum {
    PIECE = 16 * 1024,     /* a record of TLS holds as much */
    CIPHER = PIECE + 1024, /* the same, encrypted */
    STALE_ROUNDS = 8,      /* a server sends a few tickets, not more */
};

struct redis_link {
    char *name;
    int fd;
    bool mute;       /* the socket broke while it was written to */
    struct tls *tls; /* NULL: plain */
    redisReader *reader;
    char *cipher; /* encrypted bytes for the socket */
    size_t cipher_size, cipher_sent;
};

struct redis_link *redis_link_new(const char *name)
{
    struct redis_link *link = xcalloc(1, sizeof *link);

    link->name = xstrdup(name);
    link->fd = -1;
    return link;
}

void redis_link_free(struct redis_link *link)
{
    if (!link)
        return;
    redis_link_close(link);
    free(link->name);
    free(link);
}

void redis_link_rename(struct redis_link *link, const char *name)
{
    free(link->name);
    link->name = xstrdup(name);
}

const char *redis_link_name(const struct redis_link *link)
{
    return link->name;
}

bool redis_link_is_open(const struct redis_link *link)
{
    return link->fd >= 0;
}

int redis_link_fd(const struct redis_link *link)
{
    return link->fd;
}

static bool is_sending(const struct redis_link *link)
{
    return link->cipher_sent < link->cipher_size;
}

short redis_link_events(const struct redis_link *link, bool more)
{
    return !link->mute && (more || is_sending(link)) ? POLLIN | POLLOUT : POLLIN;
}

int redis_link_fail(struct redis_link *link, enum fault_class class, const char *why, struct fault *fault)
{
    fault_set(fault, class, "%s: %s", link->name, why);
    redis_link_close(link); /* after the message: `why` may be the reader's */
    return -1;
}

static int fail_errno(struct redis_link *link, struct fault *fault)
{
    return redis_link_fail(link, FAULT_UNAVAILABLE, strerror(errno), fault);
}

static int fail_tls(struct redis_link *link, struct fault *fault)
{
    redis_link_close(link);
    (void)fault_wrap(fault, "%s", link->name);
    return -1;
}

/* ---- bytes ---- */

/* One sendmsg(2): how much was taken. */
static size_t send_now(struct redis_link *link, const struct iovec *parts, size_t count)
{
    const struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = count};
    ssize_t n;

    if (link->mute)
        return 0;
    do
        n = sendmsg(link->fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return (size_t)n;
    link->mute = errno != EAGAIN && errno != EWOULDBLOCK;
    return 0;
}

/* Sends encrypted bytes, as far as the socket takes them now. */
static void flush(struct redis_link *link)
{
    size_t sent = 0;

    do {
        struct iovec part;

        link->cipher_sent += sent;
        if (!is_sending(link)) {
            link->cipher_sent = 0;
            link->cipher_size = tls_take(link->tls, link->cipher, CIPHER);
        }
        part = (struct iovec){.iov_base = link->cipher + link->cipher_sent,
                              .iov_len = link->cipher_size - link->cipher_sent};
        sent = part.iov_len > 0 ? send_now(link, &part, 1) : 0;
    } while (sent > 0);
}

/* The first PIECE bytes of the parts. */
static size_t gather(char *piece, const struct iovec *parts, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count && size < PIECE; i++) {
        size_t some = parts[i].iov_len < PIECE - size ? parts[i].iov_len : PIECE - size;

        memcpy(piece + size, parts[i].iov_base, some);
        size += some;
    }
    return size;
}

static int send_encrypted(struct redis_link *link, const struct iovec *parts, size_t count, size_t *taken,
                          struct fault *fault)
{
    char piece[PIECE];
    size_t size;
    int status;

    flush(link);
    if (is_sending(link))
        return 0;
    size = gather(piece, parts, count);
    status = tls_write(link->tls, piece, size, fault);
    explicit_bzero(piece, size); /* it may have been a password */
    if (status)
        return fail_tls(link, fault);
    *taken = size;
    flush(link);
    return 0;
}

int redis_link_send(struct redis_link *link, const struct iovec *parts, size_t count, size_t *taken,
                    struct fault *fault)
{
    *taken = 0;
    if (link->tls)
        return send_encrypted(link, parts, count, taken, fault);
    *taken = send_now(link, parts, count);
    return 0;
}

/* One recv(2): the bytes, 0 where there are none now, -1 fault. */
static ssize_t receive_some(struct redis_link *link, char *bytes, size_t size, struct fault *fault)
{
    ssize_t n;

    do
        n = recv(link->fd, bytes, size, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        return n;
    if (n == 0)
        return redis_link_fail(link, FAULT_UNAVAILABLE, "the server closed the connection", fault);
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : fail_errno(link, fault);
}

static int feed(struct redis_link *link, const char *bytes, size_t size, struct fault *fault)
{
    if (redisReaderFeed(link->reader, bytes, size) == REDIS_OK)
        return 0;
    return redis_link_fail(link, FAULT_UNAVAILABLE, link->reader->errstr, fault);
}

int redis_link_receive(struct redis_link *link, struct fault *fault)
{
    char bytes[PIECE];
    ssize_t n = receive_some(link, bytes, sizeof bytes, fault);

    if (n <= 0)
        return (int)n;
    if (!link->tls)
        return feed(link, bytes, (size_t)n, fault);
    tls_put(link->tls, bytes, (size_t)n);
    while ((n = tls_read(link->tls, bytes, sizeof bytes, fault)) > 0)
        if (feed(link, bytes, (size_t)n, fault))
            return -1;
    if (n < 0)
        return fail_tls(link, fault);
    flush(link); /* what TLS itself has to say */
    return 0;
}

int redis_link_reply(struct redis_link *link, redisReply **reply, struct fault *fault)
{
    void *found = NULL;

    if (redisReaderGetReply(link->reader, &found) != REDIS_OK)
        return redis_link_fail(link, FAULT_UNAVAILABLE, link->reader->errstr, fault);
    *reply = found;
    return 0;
}

/* ---- opening and closing ---- */

/* 1: ready, 0: the deadline has passed, -1: fault */
static int await_bytes(struct redis_link *link, int64_t deadline_ms, struct fault *fault)
{
    for (;;) {
        struct pollfd ready = {.fd = link->fd, .events = redis_link_events(link, false)};
        int64_t left_ms = deadline_ms - clock_mono_ms();
        int n = poll(&ready, 1, left_ms < 0 ? 0 : left_ms > 1000000 ? 1000000 : (int)left_ms);

        if (n > 0)
            return 1;
        if (n < 0 && errno != EINTR)
            return fail_errno(link, fault);
        if (left_ms <= 0)
            return 0;
    }
}

static int shake_hands(struct redis_link *link, const struct redis_link_target *target, int64_t deadline_ms,
                       struct fault *fault)
{
    link->cipher = xmalloc(CIPHER);
    link->tls = tls_new(target->tls, target->tls_name ? target->tls_name : target->host, fault);
    if (!link->tls)
        return fail_tls(link, fault);
    for (;;) {
        char bytes[PIECE];
        int done = tls_handshake(link->tls, fault);
        ssize_t n;

        flush(link); /* after a fault too: it tells the server why */
        if (done < 0)
            return fail_tls(link, fault);
        if (done)
            return 0;
        done = await_bytes(link, deadline_ms, fault);
        if (done < 0)
            return -1;
        if (done == 0)
            return redis_link_fail(link, FAULT_UNAVAILABLE, "TLS: no handshake in time: does it speak TLS?",
                                   fault);
        n = receive_some(link, bytes, sizeof bytes, fault);
        if (n < 0)
            return -1;
        tls_put(link->tls, bytes, (size_t)n);
    }
}

int redis_link_open(struct redis_link *link, const struct redis_link_target *target, int64_t deadline_ms,
                    struct fault *fault)
{
    redis_link_close(link);
    link->fd = dial(target->host, target->port, deadline_ms, fault);
    if (link->fd < 0)
        return fault_wrap(fault, "%s", link->name);
    link->reader = redisReaderCreate();
    if (!link->reader)
        return redis_link_fail(link, FAULT_SYSTEM, "out of memory", fault);
    return target->tls ? shake_hands(link, target, deadline_ms, fault) : 0;
}

void redis_link_close(struct redis_link *link)
{
    if (link->tls) {
        tls_end(link->tls);
        flush(link); /* if it does not fit, the end of the connection says the same */
    }
    if (link->fd >= 0)
        close(link->fd);
    if (link->reader)
        redisReaderFree(link->reader);
    tls_free(link->tls);
    free(link->cipher);
    link->fd = -1;
    link->mute = false;
    link->reader = NULL;
    link->tls = NULL;
    link->cipher = NULL;
    link->cipher_size = link->cipher_sent = 0;
}

bool redis_link_is_stale(struct redis_link *link)
{
    struct pollfd ready = {.fd = link->fd, .events = POLLIN | POLLRDHUP};

    for (int i = 0; link->reader->pos == link->reader->len && i < STALE_ROUNDS; i++) {
        if (poll(&ready, 1, 0) <= 0)
            return false;
        if (!link->tls || redis_link_receive(link, NULL)) /* TLS 1.3: tickets come at any time */
            return true;
    }
    return true;
}
