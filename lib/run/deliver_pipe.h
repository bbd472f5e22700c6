/*
 * deliver_pipe - dist-deliver as a filter: delivery envelopes in, a result line for each out
 *
 * Retries happen within the run, by the same policy as in the service. The run ends when the input has ended
 * and every delivery has. What is held in memory is bounded: while too much of it is in flight or waits for a
 * retry, no further line is read.
 */
#ifndef DIST_DELIVER_PIPE_H
#define DIST_DELIVER_PIPE_H

#include <stdint.h>
#include "deliver_stage.h"
#include "envelope.h"
#include "fault.h"

struct deliver_pipe {
    struct deliver_stage *stage;
    uint64_t max_payload;
    size_t max_delivery;     /* bytes of an envelope */
    int dead_letters;        /* descriptor that dead deliveries are written to as envelopes, or -1 */
    int64_t stop_timeout_ms; /* after SIGTERM, for what is in flight */
};

/* Opens (or makes) a file for dead letters, to append to; half a line that a crash left is ended first. The
 * caller closes it. */
int deliver_pipe_dead_letters(const char *path, struct fault *fault);

/* What a result line says; its texts are borrowed from both. `settlement` of the last attempt, or NULL. */
struct result deliver_pipe_result(const struct delivery *delivery, const struct settlement *settlement);

/* 0: all delivered; EXIT_REJECTED: some not, or some lines refused; 75: stopped before the end. -1: fault. */
int deliver_pipe_run(struct deliver_pipe *pipe, struct fault *fault);

#endif
