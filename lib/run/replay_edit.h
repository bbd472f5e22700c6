/*
 * replay_edit - a dead letter with another body: a distribution of its own, which knows where it comes from
 *
 * The body is a file's, or what an editor leaves; tenant, type, priority, metadata, callback, retry policy
 * and life time are the letter's, and so is the target, unless --to names another. One transaction accepts
 * the new distribution and cancels the letter with the text "replayed as ID": nothing is ever replayed twice
 * this way.
 */
#ifndef DIST_REPLAY_EDIT_H
#define DIST_REPLAY_EDIT_H

#include "dead_request.h"
#include "fault.h"
#include "store.h"

/* The one id of the filter names the letter: by its own id, or that of a distribution with just one. 0,
 * EXIT_REJECTED where an editor changed nothing, -1: fault, INPUT where the letter is not dead. */
int replay_edited(const struct dead_request *letters, struct store *store, struct fault *fault);

#endif
