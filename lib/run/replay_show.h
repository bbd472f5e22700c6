/*
 * replay_show - batches of replays, for people and for programs
 */
#ifndef DIST_REPLAY_SHOW_H
#define DIST_REPLAY_SHOW_H

#include "dead_request.h"
#include "fault.h"
#include "store.h"

/* All of them, the newest first, or those that the ids of the filter name, each whole. INPUT where an id
 * names no batch. */
int replay_show_batches(const struct dead_request *letters, struct store *store, struct fault *fault);

#endif
