/*
 * child - a child process under a deadline, watched from the event loop: for work that may block, and
 * commands
 *
 * The child is a session and process group of its own, has the signals' defaults, "/" as its folder and only
 * these descriptors: the input, its output and errors (read here, to the end, kept up to a ceiling),
 * CHILD_RESULT_FD where the caller takes a result (likewise), and CHILD_REPORT_FD, which an exec closes. It
 * is killed where this process dies.
 *
 * At the deadline the group gets SIGTERM and, grace_ms later, SIGKILL. The end is the end of the child
 * itself: what it left behind in the background may keep the pipes open, and holds nothing. After a deadline
 * or a cancel nothing of its group is left, and the child is reaped. One exception: a child that the kernel
 * does not let die (a dead NFS server) is left alone CHILD_STUCK_MS after SIGKILL and stays a zombie of this
 * process.
 *
 * Nothing here blocks but child_cancel(), which waits for the death of what it killed: CHILD_CANCEL_MS at
 * most.
 */
#ifndef DIST_CHILD_H
#define DIST_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"

struct event_base;

enum {
    CHILD_RESULT_FD = 3,
    CHILD_REPORT_FD = 4,
    CHILD_ERRORS_MIN = 16384, /* bytes of the end of stderr that are kept at least */
    CHILD_STUCK_MS = 2000,
    CHILD_CANCEL_MS = 200,
};

/* Two numbers from the child, for what no exit code can say; zeros where it said nothing. */
struct child_report {
    int what, error;
};

struct child_options {
    struct event_base *base;
    /* Runs in the child, its value is the exit code. Other threads hold locks for ever there: only
     * async-signal-safe calls (signal-safety(7)), no memory, no stdio. */
    int (*run)(void *arg);
    void *arg;
    int input; /* its descriptor 0, borrowed until child_start() returns; -1: /dev/null */
    int64_t timeout_ms;
    int64_t grace_ms; /* 0: SIGKILL at once */
    size_t max_output;
    size_t max_result; /* 0: there is no CHILD_RESULT_FD */
};

struct child_end {
    const char
        *failed; /* NULL, or what the system refused ("fork"): there was no child. `error` is its errno */
    int error;
    bool timed_out, stuck; /* stuck: it did not even die */
    int exit_code;         /* -1 where a signal ended it */
    int signal;
    struct child_report report;
    struct buf output; /* the first max_output bytes */
    struct buf errors; /* the last bytes of stderr */
    struct buf result; /* the first max_result bytes */
};

/* The end is borrowed. */
typedef void (*child_done)(void *arg, struct child_end *end);
struct child;

/* Never NULL; `done` is called once, later, from the event loop. The child is gone when it returns. */
struct child *child_start(const struct child_options *options, child_done done, void *arg);
/* Kills and reaps; done is not called any more. */
void child_cancel(struct child *child);

/* For `run`. */
void child_tell(struct child_report report);

#endif
