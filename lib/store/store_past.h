/*
 * store_past - stored distributions, to ask again where they would go
 *
 * They are as they are stored: what rules set of one when it was routed is in it. Nothing is changed. Faults
 * as in store.h.
 */
#ifndef DIST_STORE_PAST_H
#define DIST_STORE_PAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "job.h"
#include "store.h"

/* One, in whatever status, by its distribution_id or the id of its row, with its body; one reference. INPUT
 * where there is none. */
int store_past_load(struct store *store, const char *id, struct job **job, struct fault *fault);

/*
 * All that were accepted at most `days` days ago, the newest first, at most `limit` (0: no limit), one by
 * one: `each` borrows the job, and may change it. What fails in there ends the walk. With `bodies` those that
 * are JSON have theirs. Memory: a page of jobs, and PAST_BODIES bytes of bodies, or one that is larger. What
 * is accepted or removed meanwhile may be in it or not.
 */
enum { PAST_PAGE = 200, PAST_BODIES = 32 * 1024 * 1024 };
int store_past_walk(struct store *store, int64_t days, int64_t limit, bool bodies,
                    int (*each)(void *arg, struct job *job, struct fault *fault), void *arg,
                    struct fault *fault);

#endif
