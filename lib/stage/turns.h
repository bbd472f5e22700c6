/*
 * turns - a batch of claims in the order in which its lanes have their turns
 *
 * The first claim of each lane, then the second of each, and so on. Who begins changes from batch to batch:
 * where the time is over after the first claim, that is not the same lane's each time.
 */
#ifndef DIST_TURNS_H
#define DIST_TURNS_H

#include <stddef.h>
#include "queue.h"

/* `batches`: how many there were. The items borrow from `claims`; the array alone is the caller's, for
 * free(3). */
struct queue_claims claims_by_turns(const struct queue_claims *claims, size_t batches);

#endif
