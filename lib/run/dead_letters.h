/*
 * dead_letters - dist-dlq: what died, why, and the way back
 *
 * On the store, or on the file that dist-deliver --dead-letters wrote. Nothing is ever removed silently: a
 * replay keeps the history, a drop is recorded as cancelled.
 */
#ifndef DIST_DEAD_LETTERS_H
#define DIST_DEAD_LETTERS_H

#include <stdbool.h>
#include <stdint.h>
#include "fault.h"
#include "store.h"

enum dead_action { DEAD_LIST, DEAD_SHOW, DEAD_REPLAY, DEAD_DROP };

struct dead_letters {
    enum dead_action action;
    struct dead_filter filter; /* ids are filled from the command line or from standard input */
    bool json;                 /* NDJSON instead of a table */
    bool body;                 /* show: just the body's bytes */
    bool dry_run;              /* replay, drop: just the counts */
    bool all;                  /* replay, drop: without ids and without filters */
    uint64_t max_payload;
};

/* 0, EXIT_REJECTED where an id was not dead, -1: fault. */
int dead_letters_run(struct dead_letters *letters, struct store *store, struct fault *fault);
/* The same for a file: list, show, and replay to standard output, as envelopes for dist-transform. */
int dead_letters_file(struct dead_letters *letters, const char *path, struct fault *fault);

/* Ids from standard input, one per line, bare or as "delivery_id" of an object; the caller frees both. */
int dead_letters_read_ids(char ***ids, size_t *count, struct fault *fault);
void dead_letters_free_ids(char **ids, size_t count);

#endif
