/*
 * store_replay - dead letters on their way again: batches, and edited ones
 *
 * A batch is a row that says who replayed what, when and why; letters carry the batch of their last replay
 * and the number of their replays. A batch begins, takes letters in one or more calls, and ends; each call is
 * one transaction that may be repeated, as everything in store.h. Who else replays or drops the same letter
 * at the same time waits for the row, finds it not dead any more, and passes it over: a letter is replayed
 * once.
 */
#ifndef DIST_STORE_REPLAY_H
#define DIST_STORE_REPLAY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "job.h"
#include "store.h"

enum replay_state {
    REPLAY_CANARY,    /* the first ones are on their way; nobody has seen them arrive yet */
    REPLAY_REPLAYING, /* the rest is being replayed */
    REPLAY_REPLAYED,  /* all that could be was replayed */
    REPLAY_STOPPED,   /* the canary did not arrive: the rest stays dead */
    REPLAY_STATE_COUNT
};
extern const char *const replay_state_names[REPLAY_STATE_COUNT + 1];

/* What begins; everything is borrowed. */
struct replay_plan {
    char id[UID_TEXT_SIZE];         /* uid_new()'s */
    const char *who;                /* "user@host" */
    const char *why;                /* or NULL */
    const json_t *filter;           /* what chose the letters, for people */
    const char *destination, *rate; /* as they were given, or NULL */
    const json_t
        *candidates;     /* of `destination`, in the order in which they are tried; or NULL: as they are */
    int64_t canary;      /* 0: none */
    int64_t max_replays; /* a letter that was replayed so often is passed over */
    int64_t selected, refused;
};
int store_replay_begin(struct store *store, const struct replay_plan *plan, struct fault *fault);

/*
 * dead -> waiting, with a fresh attempt budget and the job's lifetime anew; the history stays. ids[i] is due
 * offsets_us[i] after the beginning of the batch (or of its rest, behind a canary), and its lifetime counts
 * from then; offsets_us NULL: now. What is no UUID, not dead (any more) or was replayed max_replays times is
 * passed over; so is a callback where there are candidates, since it has but one place to go to. *replayed:
 * how many letters the batch has replayed by now, in all.
 */
int store_replay_letters(struct store *store, const struct replay_plan *plan, const char *const *ids,
                         const int64_t *offsets_us, size_t count, size_t *replayed, struct fault *fault);
/* `error` goes with REPLAY_STOPPED. A batch that has ended stays as it is. */
int store_replay_set_state(struct store *store, const char *batch_id, enum replay_state state,
                           const char *error, struct fault *fault);

/* How the replayed letters among `ids` are. `failed`: dead again, expired or cancelled; *example (the
 * caller's) is a text about one of them, or NULL. */
struct replay_progress {
    size_t open, delivered, failed;
    char *example;
};
int store_replay_progress(struct store *store, const char *batch_id, const char *const *ids, size_t count,
                          struct replay_progress *progress, struct fault *fault);

/*
 * The edited body of a dead letter as a distribution of its own: `job` is stored (its id is new, its expiry
 * is the lifetime of the original from now on), and the letter becomes cancelled with the text "replayed as
 * ID". The batch of `plan` is written with it, and has ended. INPUT where the letter is not dead (any more),
 * a callback, was replayed too often, or where PostgreSQL refuses the body; then nothing has changed.
 */
int store_replay_edited(struct store *store, const struct replay_plan *plan, const char *delivery_id,
                        const struct job *job, const char *request_hash, struct fault *fault);

/* For a letter that is not found dead: makes the fault say what it is, where there is such a delivery. */
void store_replay_why_not(struct store *store, const char *delivery_id, struct fault *fault);

/* A batch, and how its letters are now; of edited ones the distribution that has the place of the letter. */
struct batch_view {
    char *id, *who, *why, *destination, *rate, *error, *replayed_as;
    enum replay_state state;
    bool edited;
    json_t *filter;
    int64_t created_at_us, ended_at_us;
    int64_t canary, max_replays, selected, refused, replayed;
    int64_t open, delivered, dead, expired, cancelled; /* of which this is the last replay */
};
struct batch_filter {
    const char *id;                    /* or NULL: all */
    int64_t since_us, until_us, limit; /* 0: open */
};
/* The newest first. `row` as in store_list(). */
int store_batch_list(struct store *store, const struct batch_filter *filter,
                     int (*row)(void *arg, const struct batch_view *view), void *arg, struct fault *fault);

#endif
