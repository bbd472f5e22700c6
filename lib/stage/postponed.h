/*
 * postponed - claims of a batch with which nothing could be done now, for a reason that may pass
 *
 * They are copies, still held: whoever has the list hands them back after a while, and the others of the
 * batch go on.
 */
#ifndef DIST_POSTPONED_H
#define DIST_POSTPONED_H

#include "fault.h"
#include "queue.h"

struct postponed {
    struct queue_claims claims;
    struct fault why; /* of the claim that was added last */
};
void postponed_add(struct postponed *postponed, const struct queue_claim *claim, const struct fault *why);
/* Takes all of `from`. */
void postponed_move(struct postponed *to, struct postponed *from);
void postponed_release(struct postponed *postponed);

#endif
