/*
 * status_why - why is it not finished: exactly one reason for everything that is open
 */
#ifndef DIST_STATUS_WHY_H
#define DIST_STATUS_WHY_H

#include <stdbool.h>
#include "fault.h"
#include "tool.h"

/*
 * A line per open delivery of the distributions (or deliveries) with these ids: target, state, one reason as
 * a word, and the same for people. The words: scheduled, unrouted, retry, deferred, breaker, half_open,
 * paused, lane_full, next, transform, in_flight, rate, tenant_cap, window, behind, missing. `json`: an object
 * a line. Nothing for what is finished. INPUT where there is no such distribution.
 */
int status_why(const struct tool *tool, int count, char **ids, bool json, struct fault *fault);

#endif
