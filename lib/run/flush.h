/*
 * flush - dist-submit --flush-spool: what was spooled becomes distributions
 */
#ifndef DIST_FLUSH_H
#define DIST_FLUSH_H

#include <stdbool.h>
#include "fault.h"
#include "spool.h"
#include "submit.h"

struct flush {
    struct spool *spool;
    struct submit submit; /* with `spooled` set */
    bool json, quiet;     /* forms of the output */
};

/*
 * All that lies in the spool, in the order in which it was put there. A file goes when its distribution is
 * committed (found committed, after a crash in between: it has the same id) or lies in rejected/. Ids are
 * printed as at a submission. The exit code: 0, or EXIT_REJECTED where some were rejected. -1: fault; what
 * was not committed is still in the spool.
 */
int flush_run(struct flush *flush, struct fault *fault);

#endif
