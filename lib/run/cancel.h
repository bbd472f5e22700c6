/*
 * cancel - dist-submit --cancel: distributions that shall not be delivered any more
 */
#ifndef DIST_CANCEL_H
#define DIST_CANCEL_H

#include <stdbool.h>
#include "fault.h"
#include "store.h"

/*
 * The ids of distributions; "-" stands for those on standard input, one a line. What happened is printed for
 * each, as a line or a JSON object. The exit code: 0, or EXIT_REJECTED where of one of them nothing could be
 * cancelled: it is not known, or has ended in another way.
 */
int cancel_run(struct store *store, char **ids, int count, bool json, bool quiet, struct fault *fault);

#endif
