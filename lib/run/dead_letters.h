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
#include "strmap.h"

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

/* 0, EXIT_REJECTED where an id named no dead letter, -1: fault. A show of such an id is INPUT, and shows
 * nothing. */
int dead_letters_run(struct dead_letters *letters, struct store *store, struct fault *fault);
/* The same for a file: list, show, and replay to standard output, as envelopes for dist-transform. Of a
 * regular file the lines that it has now: what is written to it meanwhile is not read, so that a replay may
 * end in the file it came from. EXIT_REJECTED where a line was rejected too. */
int dead_letters_file(struct dead_letters *letters, const char *path, struct fault *fault);

/* Ids from standard input, one per line, bare or as "delivery_id" of an object, with blanks around them or
 * none; the caller frees both. INPUT where a line holds no id. */
int dead_letters_read_ids(char ***ids, size_t *count, struct fault *fault);
void dead_letters_free_ids(char **ids, size_t count);

/* The ids of a filter, and which of them have named a dead letter. */
struct dead_ids {
    const struct dead_filter *filter; /* borrowed */
    struct strmap named;              /* by id: whether it has */
    size_t missing;
};
void dead_ids_init(struct dead_ids *ids, const struct dead_filter *filter);
void dead_ids_release(struct dead_ids *ids);
/* Whether either was asked for; that one is not missing any more. */
bool dead_ids_note(struct dead_ids *ids, const char *delivery_id, const char *distribution_id);
/* 0, or EXIT_REJECTED after a warning that names the first of the missing ones. `selected` letters were
 * found: where the filter's limit ended the search, nothing is known about the rest. */
int dead_ids_report(const struct dead_ids *ids, uint64_t selected);

#endif
