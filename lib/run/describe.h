/*
 * describe - what dist-submit --json prints of a distribution
 */
#ifndef DIST_DESCRIBE_H
#define DIST_DESCRIBE_H

#include "buf.h"
#include "fault.h"
#include "job.h"
#include "submit.h"

/* Room for the lines of a whole batch, as ids or described. */
#define DESCRIBE_BATCH_BYTES(json) ((size_t)SUBMIT_BATCH * 256 * ((json) ? 100 : 1))

/* A line with the given status ("accepted", "duplicate", "spooled", "valid") and id. */
int describe_job(const struct job *job, const char *status, const char *distribution_id, struct buf *out,
                 struct fault *fault);

#endif
