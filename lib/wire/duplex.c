/*
 * duplex - see duplex.h
 *
 * Writing is send(MSG_NOSIGNAL): write() would raise SIGPIPE. A socket that broke while it was written to is
 * read to its end first, because a peer that closes says why before.
 */
#include "duplex.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "clock.h"
#include "xalloc.h"

enum {
    PIECE = 16 * 1024,      /* a record of TLS holds as much */
    ROOM = DUPLEX_ROOM,     /* what one piece may become: the rest of a record, a record, and a last look */
    CIPHER_MAX = 4 * PIECE, /* encrypted bytes that wait */
    KEPT = 1024 * 1024,     /* a buffer that grew larger is given back when it is empty */
};

size_t duplex_unsent(const struct duplex *duplex)
{
    return duplex->out.len - duplex->out_sent + duplex->cipher.len - duplex->cipher_sent;
}

void duplex_take(struct duplex *duplex, size_t size)
{
    memmove(duplex->in.data, duplex->in.data + size, duplex->in.len - size);
    buf_cut(&duplex->in, duplex->in.len - size);
}

/* Forgets what was sent. What it held may be secret. */
static void rewind_sent(struct buf *buf, size_t *sent)
{
    if (*sent < buf->len)
        return;
    if (buf->len > 0)
        explicit_bzero(buf->data, buf->len);
    if (buf->cap > KEPT) {
        size_t max = buf->max;
        buf_release(buf);
        buf_init(buf, max);
    }
    buf_clear(buf);
    *sent = 0;
}

/* One send(2). 1: some went, 0: none now, -1: the socket is broken. */
static int send_some(struct duplex *duplex, struct buf *from, size_t *sent)
{
    ssize_t n;

    if (*sent >= from->len)
        return 0;
    do
        n = send(duplex->fd, from->data + *sent, from->len - *sent, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    *sent += (size_t)n;
    duplex->sent_ms = clock_mono_ms();
    rewind_sent(from, sent);
    return 1;
}

/* What TLS has for the peer. */
static void take_cipher(struct duplex *duplex)
{
    char *room;
    size_t size;

    while (duplex->cipher.len + PIECE <= duplex->cipher.max && (room = buf_room(&duplex->cipher, PIECE)) &&
           (size = tls_take(duplex->tls, room, PIECE)) > 0)
        buf_added(&duplex->cipher, size);
}

/* The next piece of `out` into TLS, when the last has gone. */
static int encrypt(struct duplex *duplex, struct fault *fault)
{
    size_t left = duplex->out.len - duplex->out_sent, size = left < PIECE ? left : PIECE;

    take_cipher(duplex);
    if (duplex->cipher_sent < duplex->cipher.len || size == 0)
        return 0;
    if (tls_write(duplex->tls, duplex->out.data + duplex->out_sent, size, fault))
        return -1;
    duplex->out_sent += size;
    rewind_sent(&duplex->out, &duplex->out_sent);
    take_cipher(duplex);
    return 0;
}

/* 1: some went, 0: none now, -1: fault; *broken: the socket takes nothing any more. */
static int send_all(struct duplex *duplex, bool *broken, struct fault *fault)
{
    int moved = 0, result;

    do {
        if (duplex->tls && encrypt(duplex, fault))
            return -1;
        result = duplex->tls ? send_some(duplex, &duplex->cipher, &duplex->cipher_sent)
                             : send_some(duplex, &duplex->out, &duplex->out_sent);
        moved |= result > 0;
    } while (result > 0);
    *broken = result < 0;
    return moved;
}

/* Plain bytes out of the encrypted ones. */
static int decrypt(struct duplex *duplex, const char *bytes, size_t size, struct fault *fault)
{
    char *room;
    ssize_t n = 0;

    tls_put(duplex->tls, bytes, size);
    while ((room = buf_room(&duplex->in, PIECE)) && (n = tls_read(duplex->tls, room, PIECE, fault)) > 0)
        buf_added(&duplex->in, (size_t)n);
    return n < 0 ? -1 : 0;
}

/* One recv(2). 1: bytes came, 0: none now, -1: fault. */
static int receive_some(struct duplex *duplex, struct fault *fault)
{
    char bytes[PIECE];
    ssize_t n;

    if (duplex->in.len + ROOM > duplex->in.max)
        return 0; /* whoever reads takes something first */
    do
        n = recv(duplex->fd, bytes, sizeof bytes, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n < 0)
        return fault_set(fault, FAULT_UNAVAILABLE, "%s", strerror(errno));
    if (n == 0)
        return fault_set(fault, FAULT_UNAVAILABLE, "the server closed the connection");
    duplex->received_ms = clock_mono_ms();
    if (!duplex->tls)
        return buf_add(&duplex->in, bytes, (size_t)n) == 0 ? 1 : -1;
    return decrypt(duplex, bytes, (size_t)n, fault) < 0 ? -1 : 1;
}

/* 1: it may be read or written, 0: the time is over, -1: fault. */
static int wait_ready(const struct duplex *duplex, bool writing, int64_t until_ms, struct fault *fault)
{
    struct pollfd ready = {.fd = duplex->fd, .events = (short)(writing ? POLLIN | POLLOUT : POLLIN)};

    for (;;) {
        int64_t left_ms = until_ms - clock_mono_ms();
        int n = poll(&ready, 1, left_ms < 0 ? 0 : left_ms > 1000000 ? 1000000 : (int)left_ms);

        if (n > 0)
            return 1;
        if (n < 0 && errno != EINTR)
            return fault_set(fault, FAULT_UNAVAILABLE, "%s", strerror(errno));
        if (n == 0 && left_ms <= 0)
            return 0;
    }
}

int duplex_turn(struct duplex *duplex, int64_t until_ms, struct fault *fault)
{
    bool broken = false;

    for (;;) {
        int sent = send_all(duplex, &broken, fault);
        int received = receive_some(duplex, fault); /* also where TLS broke: what came is whole */

        if (sent < 0 || received < 0)
            return -1;
        if (received > 0 || sent > 0)
            return 1;
        if (broken)
            return fault_set(fault, FAULT_UNAVAILABLE, "the server closed the connection");
        int ready = wait_ready(duplex, duplex_unsent(duplex) > 0, until_ms, fault);
        if (ready <= 0)
            return ready;
    }
}

/* ---- opening and closing ---- */

static int shake_hands(struct duplex *duplex, int64_t deadline_ms, struct fault *fault)
{
    bool broken;

    for (;;) {
        int done = tls_handshake(duplex->tls, fault);
        char bytes[PIECE];
        ssize_t n;

        take_cipher(duplex); /* after a fault too: it tells the server why */
        while (send_some(duplex, &duplex->cipher, &duplex->cipher_sent) > 0)
            ;
        if (done)
            return done < 0 ? -1 : send_all(duplex, &broken, fault) < 0 ? -1 : 0;
        done = wait_ready(duplex, duplex->cipher.len > 0, deadline_ms, fault);
        if (done == 0 || (done > 0 && clock_mono_ms() >= deadline_ms))
            return fault_set(fault, FAULT_UNAVAILABLE, "TLS: no handshake in time: does it speak TLS?");
        if (done < 0)
            return -1;
        n = recv(duplex->fd, bytes, sizeof bytes, 0);
        if (n == 0)
            return fault_set(fault, FAULT_UNAVAILABLE, "TLS: the server closed the connection");
        if (n > 0)
            tls_put(duplex->tls, bytes, (size_t)n);
        else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return fault_set(fault, FAULT_UNAVAILABLE, "TLS: %s", strerror(errno));
    }
}

struct duplex *duplex_new(int fd, const struct tls_config *tls, const char *name, size_t in_max,
                          size_t out_max, int64_t deadline_ms, struct fault *fault)
{
    struct duplex *duplex = xcalloc(1, sizeof *duplex);

    duplex->fd = fd;
    buf_init(&duplex->in, in_max);
    buf_init(&duplex->out, out_max);
    buf_init(&duplex->cipher, CIPHER_MAX);
    duplex->sent_ms = duplex->received_ms = clock_mono_ms();
    if (!tls)
        return duplex;
    duplex->tls = tls_new(tls, name, fault);
    if (duplex->tls && shake_hands(duplex, deadline_ms, fault) == 0)
        return duplex;
    duplex_free(duplex);
    return NULL;
}

void duplex_free(struct duplex *duplex)
{
    if (!duplex)
        return;
    if (duplex->tls) {
        tls_end(duplex->tls);
        take_cipher(duplex);
        (void)send_some(duplex, &duplex->cipher, &duplex->cipher_sent);
    }
    tls_free(duplex->tls);
    if (duplex->out.len > 0)
        explicit_bzero(duplex->out.data, duplex->out.len);
    buf_release(&duplex->in);
    buf_release(&duplex->out);
    buf_release(&duplex->cipher);
    close(duplex->fd);
    free(duplex);
}
