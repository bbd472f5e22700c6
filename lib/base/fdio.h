/*
 * fdio - reading and writing file descriptors to the end
 *
 * All descriptors made here are close-on-exec. EINTR is retried; short reads and writes are
 * completed; a descriptor that somebody made non-blocking is waited for. A call that failed because the
 * system refused leaves errno as the system set it, so that a caller can be quiet about EPIPE.
 */
#ifndef DIST_FDIO_H
#define DIST_FDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "buf.h"
#include "fault.h"

/*
 * The descriptor, or -1 with "PATH: why". Class INPUT where the path is to blame (missing, a directory, too
 * long), DENIED for permissions, SYSTEM for the rest.
 */
int fdio_open(const char *path, int flags, mode_t mode, struct fault *fault);
/* Reads to the end of file, behind what `out` holds. More than out->max: class INPUT, "larger than N bytes".
 */
int fdio_read_all(int fd, struct buf *out, struct fault *fault);
/*
 * A whole file of at most max_bytes. Initialises `out`, which is empty after a failure. Faults as those of
 * fdio_open() and fdio_read_all(), with the path in front.
 */
int fdio_read_file(const char *path, size_t max_bytes, struct buf *out, struct fault *fault);
int fdio_write_all(int fd, const void *data, size_t size, struct fault *fault);
/* Ignores SIGPIPE; called once by every tool. A child inherits this across exec(2): reset it there. */
void fdio_ignore_sigpipe(void);

/*
 * Lines with a ceiling. A line longer than the ceiling is consumed to its end and reported once as
 * LINE_TOO_LONG: one rejected record, never two. A last line without a newline is a line. The ceiling
 * counts the bytes of the line as it is returned. After LINE_FAULT the stream is over: LINE_END follows.
 */
enum line_status { LINE_OK, LINE_END, LINE_TOO_LONG, LINE_FAULT, LINE_WAIT };
struct line_reader {
    int fd;
    size_t max_line;
    struct buf buf;
    size_t start;       /* offset of the next unread byte */
    uint64_t number;    /* of the line last returned, from 1 */
    uint64_t line_size; /* of the line last returned, also where it was too long */
    size_t searched;    /* unread bytes that hold no newline */
    uint64_t dropped;   /* bytes of a line that is too long, so far */
    bool dropping, dropped_cr;
    bool eof;
    bool eager; /* for event loops: one read(2) a call at the most, and LINE_WAIT where that ended no line */
};
void line_reader_init(struct line_reader *reader, int fd, size_t max_line_bytes);
void line_reader_release(struct line_reader *reader); /* does not close the descriptor */
/*
 * The line without its newline (and without a CR before it), borrowed until the next call, with a NUL behind
 * it; the caller may write to it. It may hold NULs. NULL and 0 for all but LINE_OK.
 */
enum line_status line_reader_next(struct line_reader *reader, char **line, size_t *size, struct fault *fault);
/* True where the next call returns without reading. */
bool line_reader_has_line(const struct line_reader *reader);

#endif
