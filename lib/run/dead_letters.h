/*
 * dead_letters - dist-dlq: what died, why, and the way back
 *
 * On the store, or on the file that dist-deliver --dead-letters wrote. Nothing is ever removed silently: a
 * replay keeps the history, a drop is recorded as cancelled, and a list leaves nothing out.
 */
#ifndef DIST_DEAD_LETTERS_H
#define DIST_DEAD_LETTERS_H

#include <stdbool.h>
#include <stdint.h>
#include "catalog.h"
#include "fault.h"
#include "store.h"

enum dead_action {
    DEAD_LIST,
    DEAD_SHOW,
    DEAD_EXPORT,
    DEAD_REPLAY,
    DEAD_DROP,
    DEAD_BATCHES,
    DEAD_ACTION_COUNT
};

/* The options of a replay; texts are borrowed, NULL and 0 where they were not given. */
struct dead_replay {
    const char *to;     /* a destination or a group, in the place of where they died */
    const char *rate;   /* "50/s" */
    int64_t canary;     /* so many first, alone */
    int64_t timeout_ms; /* until when the canary must have arrived */
    int64_t max_replays;
    const char *why;
    const char *edited; /* a file with the body in the place of the letter's; "-" is standard input */
    bool edit;          /* the same in an editor */
};

struct dead_letters {
    enum dead_action action;
    struct dead_filter filter; /* ids are filled from the command line or from standard input */
    const char *file;          /* a file of dead letters, or NULL: the store */
    bool json;                 /* NDJSON instead of a table or a sentence */
    bool body;                 /* show: just the body's bytes */
    bool dry_run;              /* replay, drop: just the counts */
    bool yes;                  /* replay, drop: more than one */
    bool all;                  /* replay, drop: without ids and without filters */
    struct dead_replay replay;
    const struct catalog *catalog; /* where there is something to route: --to, --edited, --edit */
    uint64_t max_payload;
};

/* 0, EXIT_REJECTED where an id named no dead letter or letters were passed over, -1: fault. A show of such an
 * id is INPUT, and shows nothing. */
int dead_letters_run(const struct dead_letters *letters, struct store *store, struct fault *fault);
/* The same for a file: list, show, export, and replay to standard output, as envelopes for dist-transform. Of
 * a regular file the lines that it has now: what is written to it meanwhile is not read, so that a replay may
 * end in the file it came from. EXIT_REJECTED where a line was rejected too. */
int dead_letters_file(const struct dead_letters *letters, struct fault *fault);

#endif
