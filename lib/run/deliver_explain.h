/*
 * deliver_explain - dist-deliver --explain-policy: what is in force for a destination, and nothing is sent
 *
 * For people facts, the delays and the table of outcomes; with `json` the same as one object per line.
 */
#ifndef DIST_DELIVER_EXPLAIN_H
#define DIST_DELIVER_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>
#include "catalog.h"
#include "fault.h"

struct deliver_explain {
    const struct catalog *catalog;
    const char *retry_policy; /* DIST_RETRY_POLICY */
    int64_t max_age_ms;       /* DIST_MAX_AGE */
    int64_t concurrency;      /* DIST_CONCURRENCY */
    int64_t tenant_concurrency, breaker_failures, breaker_recovery_ms;
    bool allow_private; /* DIST_ALLOW_PRIVATE */
    bool json;
};

/* `name`: a destination; a group, for its members one after the other; NULL: the defaults, and the tables of
 * all protocols. INPUT where there is none of that name. */
int deliver_explain_run(const struct deliver_explain *explain, const char *name, struct fault *fault);

#endif
