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
#include "rules_engine.h"
#include "tool.h"

struct explain {
    const struct tool *tool;
    struct programs *programs;
    bool json;
    bool health; /* ask the servers which destinations are fit */
    char **ids;  /* stored distributions, in the place of standard input */
    int id_count;
};

/*
 * Request envelopes on standard input, with the exit code of lines_run(); or stored distributions, as they
 * are stored: EXIT_REJECTED where one is not there. Where servers are asked, for health or an id, the rules
 * of the database are asked too; UNAVAILABLE where a server is away. A rules engine is asked in any case.
 */
int explain_run(const struct explain *explain, struct fault *fault);

/* One job by a rulebook, or by the engine if there is one, as text or as a line of JSON; `engine` and
 * `health` may be NULL. -1: see rulebook_route() and rules_engine_ask(), or INPUT where `out` has no room. */
int explain_job(struct rulebook *book, struct rules_engine *engine, struct job *job,
                const struct route_health *health, bool json, struct buf *out, struct fault *fault);

#endif
