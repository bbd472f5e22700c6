/*
 * reach - whether destinations are there and let us in, from the command line
 *
 * What that is for each protocol is its adapter's to say (struct adapter, check): nothing is delivered.
 */
#ifndef DIST_REACH_H
#define DIST_REACH_H

#include "adapter.h"
#include "tool.h"

struct reach {
    const struct tool *tool;
    struct event_base *base;
    struct adapter_context context;
};
int reach_init(struct reach *reach, const struct tool *tool, struct fault *fault);
void reach_release(struct reach *reach); /* zeroed memory is fine */

/* Blocks, at most for the destination's timeout. The form and its credentials have been checked. */
int reach_destination(struct reach *reach, const struct destination *destination, struct fault *fault);

#endif
