/*
 * dead_request - what dist-dlq was asked for
 */
#ifndef DIST_DEAD_REQUEST_H
#define DIST_DEAD_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include "catalog.h"
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

struct dead_request {
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
    size_t max_delivery; /* bytes of an envelope */
};

#endif
