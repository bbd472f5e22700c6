/*
 * dead_letters - dist-dlq: what died, why, and the way back
 *
 * On the store, or on the file that dist-deliver --dead-letters wrote. Nothing is ever removed silently: a
 * replay keeps the history, a drop is recorded as cancelled, and a list leaves nothing out.
 */
#ifndef DIST_DEAD_LETTERS_H
#define DIST_DEAD_LETTERS_H

#include "dead_request.h"
#include "fault.h"
#include "store.h"

/* 0, EXIT_REJECTED where an id named no dead letter or letters were passed over, -1: fault. A show of such an
 * id is INPUT, and shows nothing. */
int dead_letters_run(const struct dead_request *letters, struct store *store, struct fault *fault);
/* The same for a file: list, show, export, and replay to standard output, as envelopes for dist-transform. Of
 * a regular file the lines that it has now: what is written to it meanwhile is not read, so that a replay may
 * end in the file it came from. EXIT_REJECTED where a line was rejected too. */
int dead_letters_file(const struct dead_request *letters, struct fault *fault);

#endif
