/*
 * explain - dist-route --explain: why a distribution would go where it would go
 */
#ifndef DIST_EXPLAIN_H
#define DIST_EXPLAIN_H

#include <stdbool.h>
#include "buf.h"
#include "fault.h"
#include "health.h"
#include "job.h"
#include "program.h"
#include "rulebook.h"
#include "tool.h"

struct explain {
    const struct tool *tool;
    struct programs *programs;
    bool json;
    bool health; /* ask the servers which destinations are fit */
};

/* Request envelopes on standard input; the exit code of lines_run(). UNAVAILABLE where health is asked for
 * and a server is away. */
int explain_run(const struct explain *explain, struct fault *fault);

/* One job by a rulebook, as text or as a line of JSON; `health` may be NULL. -1: see rulebook_route(), or
 * INPUT where `out` has no room. */
int explain_job(struct rulebook *book, struct job *job, const struct route_health *health, bool json,
                struct buf *out, struct fault *fault);

#endif
