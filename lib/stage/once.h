/*
 * once - the idempotency key of "once per period", for what cron runs
 */
#ifndef DIST_ONCE_H
#define DIST_ONCE_H

#include <stdint.h>
#include "job.h"

/*
 * Where the job has once_per and no key yet: "once-per-day:2024-10-27:disk_report:<digest>", of the period
 * that now_us lies in by the local time zone, the data type, and the names of the destinations in any order.
 * The key belongs to the tenant. The body is not in it: a late run with somewhat other data is the same
 * report.
 */
void once_key(struct job *job, int64_t now_us);
/* How long the key is to be taken: the whole period is over by then. 0 where the job has no once_per. */
int64_t once_reach_ms(const struct job *job);

#endif
