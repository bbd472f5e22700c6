/*
 * spooled - a job as a file of the spool: a line of JSON with everything about it, and the bytes of its body
 *
 *   {"v":1,"kind":"spooled","id":"0190...","distribution_id":"...","spooled_at":"...",...,"size":12}\n
 *   and 12 bytes
 *
 * Whoever reads one goes through the checks of a request. Durations were made times before (job_fix_times()).
 */
#ifndef DIST_SPOOLED_H
#define DIST_SPOOLED_H

#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "ceilings.h"
#include "job.h"

/* The most bytes of a file whose body has `payload` bytes. */
#define LIMIT_SPOOLED(payload) ((uint64_t)(payload) + LIMIT_ENVELOPE_EXTRA)

/* `out` is emptied first. -1 (INPUT) where it has no room. */
int spooled_write(const struct job *job, struct buf *out, struct fault *fault);
/* submitted_at_us is when it was spooled. Class INPUT where it is no such file, or not a whole one. */
int spooled_read(const char *text, size_t size, struct job **job, struct fault *fault);

#endif
