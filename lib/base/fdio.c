/*
 * fdio - every read and write of the project that is not a library's goes through here, so that EINTR, short
 * counts and descriptors that somebody else made non-blocking are handled once. Hard rule: the memory of a
 * line reader is bounded by its ceiling plus one chunk, whatever comes in.
 */
#include "fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024 }; /* what a pipe of Linux holds by default */

/* What the path is to blame for is the caller's input, and permissions are permissions. */
static enum fault_class class_of_open(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
        return FAULT_INPUT;
    case EACCES:
    case EPERM:
        return FAULT_DENIED;
    default:
        return FAULT_SYSTEM;
    }
}

static int fail_path(struct fault *fault, const char *path, int error)
{
    fault_errno(fault, error, "%s", path);
    if (fault != NULL)
        fault->class = class_of_open(error);
    errno = error;
    return -1;
}

int fdio_open(const char *path, int flags, mode_t mode, struct fault *fault)
{
    int fd;

    do
        fd = open(path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd >= 0 ? fd : fail_path(fault, path, errno);
}

/* Waits where `error` says that the call may be made again; false where it is a real error. */
static bool again(int fd, short events, int error)
{
    struct pollfd wait = {.fd = fd, .events = events};

    if (error == EINTR)
        return true;
    if (error != EAGAIN && error != EWOULDBLOCK)
        return false;
    poll(&wait, 1, -1);
    return true;
}

/* read(2) that is not disturbed; 0 at the end of file, -1 with errno */
static ssize_t read_some(int fd, void *out, size_t size)
{
    ssize_t got;

    do
        got = read(fd, out, size);
    while (got < 0 && again(fd, POLLIN, errno));
    return got;
}

int fdio_read_all(int fd, struct buf *out, struct fault *fault)
{
    for (;;) {
        size_t left = out->max - out->len;
        size_t room = left < CHUNK ? left : CHUNK;
        char beyond;
        ssize_t got;

        if (room > 0)
            got = read_some(fd, buf_room(out, room), room);
        else
            got = read_some(fd, &beyond, 1);
        if (got < 0) {
            int error = errno;

            fault_errno(fault, error, "cannot read");
            errno = error;
            return -1;
        }
        if (got == 0)
            return 0;
        if (room == 0)
            return fault_set(fault, FAULT_INPUT, "larger than %zu bytes", out->max);
        buf_added(out, (size_t)got);
    }
}

int fdio_read_file(const char *path, size_t max_bytes, struct buf *out, struct fault *fault)
{
    int fd, result, error;

    buf_init(out, max_bytes);
    fd = fdio_open(path, O_RDONLY, 0, fault);
    if (fd < 0)
        return -1;
    errno = 0;
    result = fdio_read_all(fd, out, fault);
    error = errno;
    close(fd);
    if (result == 0)
        return 0;
    buf_release(out);
    /* open(2) takes a directory, and read(2) refuses it. */
    if (error == EISDIR)
        return fail_path(fault, path, error);
    return fault_wrap(fault, "%s", path);
}

int fdio_write_all(int fd, const void *data, size_t size, struct fault *fault)
{
    const char *at = data;

    while (size > 0) {
        ssize_t wrote = write(fd, at, size);

        if (wrote < 0) {
            int error = errno;

            if (again(fd, POLLOUT, error))
                continue;
            fault_errno(fault, error, "cannot write");
            if (fault != NULL && error == EPIPE)
                fault->class = FAULT_CLOSED;
            errno = error;
            return -1;
        }
        at += wrote;
        size -= (size_t)wrote;
    }
    return 0;
}

void fdio_ignore_sigpipe(void)
{
    struct sigaction action = {.sa_handler = SIG_IGN};

    sigaction(SIGPIPE, &action, NULL);
}

void line_reader_init(struct line_reader *reader, int fd, size_t max_line_bytes)
{
    *reader = (struct line_reader){.fd = fd, .max_line = max_line_bytes};
    if (reader->max_line > SIZE_MAX / 4)
        reader->max_line = SIZE_MAX / 4;
    /* The line, the CR that may turn out to be no part of it, and what one read brings. */
    buf_init(&reader->buf, reader->max_line + 1 + CHUNK);
}

void line_reader_release(struct line_reader *reader)
{
    if (reader == NULL)
        return;
    buf_release(&reader->buf);
    reader->start = 0;
}

/* Puts one chunk behind the unread bytes, which are at most max_line + 1. -1 with errno; 0 sets eof at the
 * end. */
static int fill(struct line_reader *reader)
{
    struct buf *buf = &reader->buf;
    ssize_t got;

    if (reader->start > 0) {
        size_t unread = buf->len - reader->start;

        memmove(buf->data, buf->data + reader->start, unread);
        buf_cut(buf, unread);
        reader->start = 0;
    }
    got = read_some(reader->fd, buf_room(buf, CHUNK), CHUNK);
    if (got < 0)
        return -1;
    buf_added(buf, (size_t)got);
    reader->eof = got == 0;
    return 0;
}

/* After an error the stream is over: the rest of a half-read line must not come back as a line of its own. */
static enum line_status fail_line(struct line_reader *reader, struct fault *fault)
{
    fault_errno(fault, errno, "cannot read line %" PRIu64, reader->number + 1);
    buf_clear(&reader->buf);
    reader->start = reader->searched = 0;
    reader->dropping = false;
    reader->eof = true;
    return LINE_FAULT;
}

/* One step of dropping a line that is too long: LINE_TOO_LONG at its end, LINE_WAIT before. */
static enum line_status drop_line(struct line_reader *reader)
{
    struct buf *buf = &reader->buf;
    size_t unread = buf->len - reader->start;
    char *begin = buf->data + reader->start;
    char *newline = memchr(begin, '\n', unread);
    size_t size = newline != NULL ? (size_t)(newline - begin) : unread;

    reader->dropped += size;
    if (size > 0)
        reader->dropped_cr = begin[size - 1] == '\r';
    reader->start += size + (newline != NULL);
    reader->searched = 0;
    reader->dropping = newline == NULL && !reader->eof;
    if (reader->dropping)
        return LINE_WAIT;
    reader->number++;
    reader->line_size = reader->dropped - (newline != NULL && reader->dropped_cr);
    reader->dropped = 0;
    return LINE_TOO_LONG;
}

/* What the unread bytes are without another read: LINE_WAIT where they end no line. */
static enum line_status take_line(struct line_reader *reader, char **line, size_t *size)
{
    struct buf *buf = &reader->buf;
    char *begin = buf->data + reader->start;
    size_t unread = buf->len - reader->start;

    if (reader->dropping)
        return drop_line(reader);
    char *newline = memchr(begin + reader->searched, '\n', unread - reader->searched);
    if (newline == NULL && !reader->eof) {
        reader->searched = unread;
        return unread > reader->max_line + 1 ? drop_line(reader) : LINE_WAIT;
    }
    if (unread == 0)
        return LINE_END;
    size_t length = newline != NULL ? (size_t)(newline - begin) : unread;
    if (newline != NULL && length > 0 && begin[length - 1] == '\r')
        length--;
    if (length > reader->max_line)
        return drop_line(reader);
    reader->start += newline != NULL ? (size_t)(newline - begin) + 1 : unread;
    reader->searched = 0;
    reader->number++;
    reader->line_size = length;
    begin[length] = '\0';
    *line = begin;
    *size = length;
    return LINE_OK;
}

enum line_status line_reader_next(struct line_reader *reader, char **line, size_t *size, struct fault *fault)
{
    bool may_read = true;

    *line = NULL;
    *size = 0;
    for (;;) {
        enum line_status status = take_line(reader, line, size);
        if (status != LINE_WAIT || !may_read)
            return status;
        if (fill(reader) != 0)
            return fail_line(reader, fault);
        may_read = !reader->eager;
    }
}

bool line_reader_has_line(const struct line_reader *reader)
{
    const char *begin = reader->buf.data + reader->start;
    size_t unread = reader->buf.len - reader->start;
    return reader->eof || memchr(begin + reader->searched, '\n', unread - reader->searched) != NULL;
}
