/*
 * batch_limit - how long a batch of claims begins new work; what it does not come to is handed back
 *
 * The supervisor hears of a service between batches (WatchdogSec=30), and so do the other holders of leases.
 * Behind this limit there may be one more step: a call of the rules engine, the programs of one distribution,
 * or one rendering. Each has a ceiling of some seconds.
 */
#ifndef DIST_BATCH_LIMIT_H
#define DIST_BATCH_LIMIT_H

#include <stdint.h>

enum { BATCH_MS_MAX = 5000, BATCH_LEASE_PART = 4 };

static inline int64_t batch_limit_ms(int64_t lease_ms)
{
    return lease_ms / BATCH_LEASE_PART < BATCH_MS_MAX ? lease_ms / BATCH_LEASE_PART : BATCH_MS_MAX;
}

#endif
