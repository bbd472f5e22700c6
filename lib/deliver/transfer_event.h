/*
 * transfer_event - what a transfer that failed (transfer.h) is in a table of outcomes
 */
#ifndef DIST_TRANSFER_EVENT_H
#define DIST_TRANSFER_EVENT_H

#include "outcomes.h"
#include "transfer.h"

/* Not of DONE and ANSWERED, which have rows of their own. */
enum outcome_event transfer_event(enum transfer_result result);

#endif
