/*
 * intake - dist-submit: where reports come from, and where they go
 *
 * Sources: standard input, files (a distribution each), or NDJSON (a distribution per line). Sinks: the
 * store, a pipe of request envelopes, or, for a dry run, a description of what would be accepted. What the
 * store cannot take now goes into the spool, where there is one.
 */
#ifndef DIST_INTAKE_H
#define DIST_INTAKE_H

#include <stdbool.h>
#include <stdint.h>
#include "fault.h"
#include "job.h"
#include "spool.h"
#include "submit.h"

enum intake_sink { INTAKE_STORE, INTAKE_PIPE, INTAKE_DRY_RUN };

struct intake {
    struct job_defaults defaults;
    enum intake_sink sink;
    bool request, ndjson; /* forms of the input; with neither it is one payload */
    bool json, quiet;     /* forms of the output */
    bool wait;
    int64_t wait_ms; /* 0: as long as it takes */
    struct submit submit;
    struct spool *spool; /* borrowed, or NULL */
    bool spooling;       /* PostgreSQL is away: everything goes there from now on */

    uint64_t records, rejected, spooled; /* counted by the run */
    char **waiting;                      /* distribution ids that --wait waits for */
    size_t waiting_count;
    enum fault_class last_class; /* of the last rejection */
};

/* The files in turn, "-" being standard input. The exit code: 0, EXIT_REJECTED, that of the one record where
 * there was just one, or with `wait` how the distributions ended. -1: fault. */
int intake_run(struct intake *intake, char **files, int count, struct fault *fault);
void intake_release(struct intake *intake);

#endif
