/*
 * lines - a filter: records from one descriptor, a function on each, lines to another
 *
 * A bad record never ends a filter: it is reported with its line number and counted, the rest goes on. What
 * is written is flushed as soon as no whole record is waiting, so that a pipe never holds back what is ready.
 */
#ifndef DIST_LINES_H
#define DIST_LINES_H

#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"

struct lines {
    int in, out;
    const char *name;   /* of the input in messages: "stdin" */
    size_t max_line;    /* bytes of an input line */
    size_t max_pending; /* bytes of output that one record may become */
    /* One record: adds its output lines to `out`. -1: class INPUT rejects the record, any other ends the run.
     * `line` may be changed, and is gone after the call. Blank lines are not handed over. */
    int (*record)(void *arg, char *line, size_t size, uint64_t number, struct buf *out, struct fault *fault);
    /* May be NULL: no whole record is waiting; what was collected is to be finished now. */
    int (*idle)(void *arg, struct buf *out, struct fault *fault);
    void *arg;
    uint64_t records, rejected; /* counted by the run */
};

/* 0: all went well; EXIT_REJECTED: some records were rejected; -1: fault. */
int lines_run(struct lines *lines, struct fault *fault);
/* Reports a rejected record as "stdin:12: text" and counts it. */
void lines_reject(struct lines *lines, uint64_t number, const struct fault *fault);

#endif
