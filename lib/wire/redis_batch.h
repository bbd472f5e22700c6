/*
 * redis_batch - requests on their way over one link or several at once
 *
 * All links are written to and read from in turn, so that the slowest decides how long it takes, not the sum.
 */
#ifndef DIST_REDIS_BATCH_H
#define DIST_REDIS_BATCH_H

#include "redis_link.h"
#include "redis_request.h"

struct redis_batch {
    struct redis_link *link;         /* nothing outstanding; a closed one is a fault */
    struct redis_request **requests; /* without a reply; in the order of sending */
    size_t count;
    /* what the run needs: zeroes before it */
    size_t sending, sent; /* the request that is to be sent next, and its bytes that went out */
    size_t reading;       /* the request whose reply comes next */
    bool asked;           /* the reply to its ASKING came */
    bool failed;
    int64_t deadline_ms;
};

/*
 * Sends all requests and sets their replies; each may take patience_ms behind the one before it. A batch
 * that fails is `failed`, and its link closed, so that no later call can get the answer of an earlier one;
 * the others go on to their end. -1: the fault of the first that failed.
 */
int redis_batch_run(struct redis_batch *batches, size_t count, int64_t patience_ms, struct fault *fault);

#endif
