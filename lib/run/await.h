/*
 * await - waiting until distributions have ended
 */
#ifndef DIST_AWAIT_H
#define DIST_AWAIT_H

#include <stdint.h>
#include "fault.h"
#include "status.h"
#include "store.h"

/*
 * Polls until the distribution has ended or `deadline_ms` (clock_mono_ms(), 0: none) has passed; a server
 * that is away is waited for. The status is the last one seen. INPUT where there is no such distribution.
 */
int await_job(struct store *store, const char *distribution_id, int64_t deadline_ms, enum job_status *status,
              struct fault *fault);
/* 0 completed; 1 ended in any other way; 75 not ended yet. */
int await_exit_code(enum job_status status);

#endif
