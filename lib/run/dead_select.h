/*
 * dead_select - which dead letters somebody means
 *
 * Ids from the command line or from standard input, and the letters that ids and filters choose. A selection
 * is taken whole before anything is done with it: it cannot change while it is worked on.
 */
#ifndef DIST_DEAD_SELECT_H
#define DIST_DEAD_SELECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dead_show.h"
#include "fault.h"
#include "store.h"
#include "strmap.h"

/* Texts that grow; the strings are its own. */
struct dead_texts {
    char **items;
    size_t count, cap;
};
void dead_texts_add(struct dead_texts *texts, const char *text);
void dead_texts_release(struct dead_texts *texts);

/* Ids from standard input, one per line: bare, as a JSON string, or as "delivery_id" of an object, with
 * blanks around them or none. A line that holds no id is reported with its number, and the others count:
 * *rejected. */
int dead_texts_read(struct dead_texts *ids, size_t max_line, uint64_t *rejected, struct fault *fault);

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

/* How many letters there are for each destination and reason. */
struct dead_count {
    char *destination, *reason;
    uint64_t letters;
};
struct dead_counts {
    struct dead_count **items;
    size_t count, cap;
    struct strmap by_key;
};
void dead_counts_init(struct dead_counts *counts);
void dead_counts_release(struct dead_counts *counts);
void dead_counts_note(struct dead_counts *counts, const char *destination, const char *reason);
/* A table to standard output, or an array of objects; by destination and reason. */
int dead_counts_print(struct dead_counts *counts, struct fault *fault);
json_t *dead_counts_json(struct dead_counts *counts);

/* The letters of the store that a filter chooses, the latest death first. */
struct dead_selection {
    struct dead_ids ids;
    struct dead_texts letters;  /* ids */
    struct dead_texts spent;    /* of those that were replayed max_replays times: not in letters */
    struct dead_texts callback; /* of those that cannot go to another destination: not in letters */
    struct dead_counts counts;  /* of letters */
    struct strmap tenants;      /* of letters */
    uint64_t count;             /* of all three */
    struct dead_list *shown;    /* or NULL: they are collected */
    int64_t max_replays;        /* 0: any number */
    bool no_callbacks;
};
/* Set shown, max_replays and no_callbacks in between. Release it in any case. */
void dead_selection_init(struct dead_selection *selection, const struct dead_filter *filter);
int dead_selection_load(struct dead_selection *selection, struct store *store, struct fault *fault);
void dead_selection_release(struct dead_selection *selection);
/* EXIT_REJECTED where ids were missing or letters passed over, which are named; else 0. */
int dead_selection_report(const struct dead_selection *selection);

#endif
