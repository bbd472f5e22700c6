/*
 * store - the system of record: PostgreSQL
 *
 * The queue of record is the table distribution_deliveries; Redis holds a copy of what is ready to run. Every
 * function is one transaction (or one read) and may be repeated: after UNAVAILABLE or TEMP nothing is known
 * about the last call, and calling it again does no harm. Times are PostgreSQL's now(). Calls block, up to
 * the deadline of the connection. Faults as in wire/pg.h.
 */
#ifndef DIST_STORE_H
#define DIST_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "delivery.h"
#include "envelope.h"
#include "fault.h"
#include "job.h"
#include "outcome.h"
#include "pg.h"
#include "response.h"

struct store;
struct store *store_new(const struct pg_config *config); /* does not connect */
void store_free(struct store *store);
const char *store_address(const struct store *store);
/* Connects now and holds that the schema is the one of this version (CONFIG: "run dist-admin migrate"). Costs
 * nothing while connected; every other function begins with it. */
int store_open(struct store *store, struct fault *fault);

/* --- submit: the instant of acceptance is the COMMIT in here --- */

enum submit_result {
    SUBMIT_ACCEPTED,
    SUBMIT_SAME, /* accepted before under this idempotency key or distribution_id: that one's id is given */
    SUBMIT_CONFLICT, /* the key or id is taken by another content: nothing stored */
    SUBMIT_REFUSED,  /* tenant unknown or disabled, or a value that PostgreSQL refuses: nothing stored */
};
struct submission {
    struct job *job;           /* borrowed */
    char request_hash[65];     /* SHA-256 of job_identity() */
    int64_t key_ms;            /* how long the idempotency key is taken; 0: a day */
    bool key_alone;            /* what was accepted under the key is the same, whatever its content */
    int64_t spooled_at_us;     /* when it was put into a spool; 0: it comes straight from the submitter */
    enum submit_result result; /* out */
    bool scheduled;            /* out, of ACCEPTED: not to be published now */
    char id[UID_TEXT_SIZE];    /* out: of the row, also of the earlier one for SAME */
    char distribution_id[101]; /* out */
    struct fault fault;        /* out: why, for CONFLICT and REFUSED */
};
/* All rows in one transaction; a row that is refused does not take the others with it. `max_age_ms`: the
 * expiry of jobs without one, from now (or their schedule) on by PostgreSQL's clock; 0: none.
 *
 * A key that was taken is free again after its time, or where its job is gone. Each key belongs to one job at
 * a time, however many submit at once. What is open of older jobs with the supersede key of an accepted one
 * is cancelled in the same transaction; of concurrent ones the last to be accepted stays, and of one batch
 * the last in it. */
int store_submit(struct store *store, struct submission *items, size_t count, int64_t max_age_ms,
                 struct fault *fault);
/* Removes idempotency keys whose time is over, at most `limit`. */
int store_forget_keys(struct store *store, size_t limit, struct fault *fault);
/* class INPUT: unknown (with the nearest name) or disabled */
int store_check_tenant(struct store *store, const char *tenant_id, struct fault *fault);

/* --- cancel --- */

struct cancellation {
    const char *distribution_id; /* or the row's id; borrowed */
    char id[UID_TEXT_SIZE];      /* out: of the row */
    bool found;                  /* out: there is such a distribution */
    bool whole;                  /* out: it was not routed yet, and is cancelled as a whole */
    uint64_t cancelled;     /* out: so many of its deliveries were waiting or queued, and are cancelled */
    enum job_status before; /* out: its status before */
};
/* What is open of these distributions becomes cancelled, with `why`. What a worker has in flight is cancelled
 * too, and delivered if that succeeds. */
int store_cancel(struct store *store, struct cancellation *items, size_t count, const char *why,
                 struct fault *fault);

/* --- route --- */

/* jobs[i]: the job of ids[i] without its body, or NULL where there is none, or it is not `pending` or is
 * scheduled for later; then routed[i] says that there is nothing to be routed now. */
int store_load_jobs(struct store *store, const char *const *ids, size_t count, struct job **jobs,
                    bool *routed, struct fault *fault);
/* Ids and lanes of the deliveries of a routed job that are `queued`, for publishing again. */
struct due_item {
    char id[UID_TEXT_SIZE];
    char job_id[UID_TEXT_SIZE]; /* what the partition is chosen by; the same as id for a job */
    char lane[64];              /* "<tenant>:<priority>" */
};
struct due_list {
    struct due_item *items;
    size_t count, cap;
};
void due_list_add(struct due_list *list, const struct due_item *item); /* copies */
void due_list_release(struct due_list *list);
int store_queued_of_job(struct store *store, const char *job_id, struct due_list *list, struct fault *fault);

struct routing {
    const struct job *job;
    /* their status is QUEUED (published after the commit), WAITING (the due pump takes them) or DEAD */
    struct delivery_list deliveries;
    bool saved; /* out: false where another router was faster: nothing of this one was written */
};
/* Inserts the deliveries, sets the job `routed` (or ended, where all are dead); of a job that is `ruled` also
 * what rules may set: priority, retry policy, metadata, and the expiry if it has a timeout_ms. lease_ms: see
 * store_overdue(). */
int store_save_routings(struct store *store, struct routing *items, size_t count, int64_t lease_ms,
                        struct fault *fault);

/* Text and size of the jobs' bodies; those that have one keep it. */
int store_load_bodies(struct store *store, struct job *const *jobs, size_t count, struct fault *fault);
/* How many deliveries wait for each destination, counted up to its limit. */
struct waiting_count {
    const char *destination;
    int64_t limit;
    int64_t count; /* out */
};
int store_count_waiting(struct store *store, struct waiting_count *items, size_t count, struct fault *fault);

/* The pending job cannot be routed: it ends as failed with `why`, and with a dead delivery of reason `poison`
 * for each of its destinations, which a replay routes; or one of target CATALOG_NO_TARGET. */
int store_fail_job(struct store *store, const char *job_id, const char *why, struct fault *fault);

/* --- transform, deliver --- */

/*
 * out[i]: the delivery of ids[i] with its job, or NULL where it is not `queued` any more (its entry is to be
 * dropped). Deliveries of one job share it. With `body_budget` > 0 bodies are loaded, as many as fit (at
 * least one): what delivery_body() gives, so the output where there is one, and not the job's body then. One
 * whose body did not fit has none, and is to be handed back to the queue. Without a budget outputs have their
 * sizes alone. The body of a callback is the response document.
 */
int store_load_deliveries(struct store *store, const char *const *ids, size_t count, uint64_t body_budget,
                          struct delivery **out, struct fault *fault);
/* After transformation: content types and candidates of deliveries, or dead letters of reason `transform`
 * (status DEAD). */
int store_save_transformed(struct store *store, struct delivery *const *items, size_t count,
                           struct fault *fault);

/* The output of each of them for its candidate, which must be there: kept until the delivery ends. Nothing
 * happens to one that is not queued any more, or has an output for that destination. */
int store_save_outputs(struct store *store, struct delivery *const *items, size_t count, struct fault *fault);

/* An attempt that was made, or a death without one (number 0), and what becomes of the delivery. */
struct settlement {
    char delivery_id[UID_TEXT_SIZE];
    char job_id[UID_TEXT_SIZE];
    char *destination; /* owned */
    char *instead_of;  /* owned: the candidate that was passed over for it, or NULL */
    int number;        /* of the attempt */
    enum outcome_kind kind;
    int code;
    const char *reason;
    char *error;         /* owned, NULL on success */
    char *response_body; /* owned; UTF-8 without NUL, or NULL */
    int64_t started_at_us, completed_at_us;
    struct verdict verdict;
};
/* One without an attempt, deferred: `error` may be NULL. */
void settlement_init(struct settlement *settlement, const struct delivery *delivery, struct verdict verdict,
                     const char *error);
void settlement_release(struct settlement *settlement);
/*
 * One transaction for the batch: attempt rows, delivery states, and by trigger the jobs' counters, their end
 * and their callbacks. A state moves only from `queued` with attempts = number - 1 (fencing); a success moves
 * it from any state but delivered. Attempts are recorded in any case.
 *
 * Where PostgreSQL refuses a batch for what is in it (INPUT), it becomes a transaction for each settlement;
 * one that is refused alone is written once more without the texts that others control. If that is refused
 * too, the others are settled and the fault is given.
 */
int store_settle(struct store *store, const struct settlement *items, size_t count, struct fault *fault);

/* --- the due pump --- */

/*
 * What waits is taken lane by lane. The lanes that have something due, sorted, at most `limit` behind `after`
 * (NULL: from the first one); each costs two descents of an index, however much waits in it.
 */
struct due_lane {
    char destination[128]; /* as in the names of lanes; "" for jobs */
    char tenant_id[51];
    char priority[11];
    bool again;  /* those that were tried before; the others are a lane beside it */
    size_t want; /* in: how many to take */
};
struct due_lanes {
    struct due_lane *items;
    size_t count, cap;
};
void due_lanes_release(struct due_lanes *lanes);
int store_due_lanes(struct store *store, const struct due_lane *after, size_t limit, struct due_lanes *lanes,
                    struct fault *fault);
/* waiting deliveries of these lanes whose time has come become `queued` with a lease, the longest due first;
 * skips locked rows. */
int store_claim_due(struct store *store, const struct due_lanes *lanes, int64_t lease_ms,
                    struct due_list *list, struct fault *fault);
/* The same for pending jobs that are due; a look, not a write: they stay pending until they are routed. The
 * jobs are those that were made, or have been due, `since_ms` ago. */
int store_pending_lanes(struct store *store, const struct due_lane *after, size_t limit,
                        struct due_lanes *lanes, struct fault *fault);
int store_pending_jobs(struct store *store, const struct due_lanes *lanes, int64_t since_ms,
                       struct due_list *list, struct fault *fault);
/* A look, not a write: `queued` deliveries whose lease has passed (or, with `all`, all of them), in the order
 * of their ids after `after` ("" at first). */
int store_overdue_deliveries(struct store *store, bool all, const char *after, size_t limit,
                             struct due_list *list, struct fault *fault);
/* Ends waiting deliveries (and pending jobs) whose expiry has passed; queued ones a lease later, when whoever
 * tries them has had his time: `recall` gets these. */
int store_expire(struct store *store, size_t limit, int64_t lease_ms, size_t *expired,
                 struct due_list *recall, struct fault *fault);
/*
 * Open deliveries of a group whose turn is at `destination`, and which have a candidate that is none of
 * `held` (ended by NULL): a look. store_pass_over() then gives them to that candidate: they wait, due now
 * where they were queued. Nothing happens to what has moved meanwhile.
 */
int store_stuck_in_group(struct store *store, const char *destination, const char *const *held, size_t limit,
                         struct due_list *list, struct fault *fault);
int store_pass_over(struct store *store, const char *destination, const char *const *held,
                    const char *const *ids, size_t count, size_t *moved, struct fault *fault);
/* Compares the epoch of a partition of Redis with the one seen last, and keeps it: `changed` only for the
 * first caller. */
int store_see_epoch(struct store *store, unsigned partition, const char *epoch, bool *changed,
                    struct fault *fault);
/* Partitions of distribution_attempts for this month and the next two. */
int store_make_partitions(struct store *store, struct fault *fault);

/* --- status and dead letters --- */

/* INPUT where there is no such distribution (by distribution_id or by the row's id). */
int store_view(struct store *store, const char *distribution_id, bool attempts, struct job_view *view,
               struct fault *fault);
/* Only what --wait needs: one indexed read. */
int store_job_status(struct store *store, const char *distribution_id, enum job_status *status,
                     struct fault *fault);

/* What is open of a distribution: its open deliveries, or itself while it is pending (then target is ""). By
 * distribution_id or the id of its row, or the id of one delivery. INPUT where there is no such thing. */
struct open_view {
    char *id, *job_id, *target, *status, *destination, *tenant_id, *priority, *last_error;
    int attempts, budget_start;
    int64_t due_at_us;
    bool due; /* due_at has come, by PostgreSQL's clock */
};
struct open_list {
    struct open_view *items;
    size_t count;
};
int store_open_of(struct store *store, const char *id, struct open_list *list, struct fault *fault);
void open_list_release(struct open_list *list);

struct job_filter {
    const char *tenant_id, *data_type, *destination; /* NULL: all */
    const char *status;                              /* a job status, or NULL */
    int64_t since_us, until_us;                      /* of submission; 0: open */
    int64_t limit;
};
/* Newest first; each view has its deliveries without attempts. A `row` that returns non-zero ends the list
 * (no fault). It must not use the store. */
int store_list(struct store *store, const struct job_filter *filter,
               int (*row)(void *arg, const struct job_view *view), void *arg, struct fault *fault);

struct dead_filter {
    const char *tenant_id, *destination, *reason, *data_type,
        *error;                 /* NULL: all; error: a part of the text */
    int64_t since_us, until_us; /* of death */
    const char *const *ids;     /* delivery ids or distribution ids; with id_count 0: all */
    size_t id_count;
    int64_t limit; /* 0: none */
};
struct dead_view {
    char *delivery_id, *distribution_id, *tenant_id, *data_type, *target, *destination, *priority;
    char *reason, *error, *content_type;
    char *batch_id;  /* of its last replay, or NULL */
    char *replay_of; /* the dead delivery whose edited body this is, or NULL */
    int attempts, last_code, replays;
    int64_t died_at_us, submitted_at_us, body_size;
    bool callback; /* of the distribution's end, not of a target */
};
/* The latest death first; callbacks that died are in it (target "callback"). `row` as in store_list(). */
int store_dead_list(struct store *store, const struct dead_filter *filter,
                    int (*row)(void *arg, const struct dead_view *view), void *arg, struct fault *fault);
/* The delivery with job and body, for dist-dlq show. INPUT where it is not dead. */
int store_dead_load(struct store *store, const char *delivery_id, struct delivery **delivery,
                    struct fault *fault);
/* dead -> cancelled: the operator's word that it shall not be delivered. The way back is store_replay.h. */
int store_drop(struct store *store, const char *const *ids, size_t count, size_t *dropped,
               struct fault *fault);

/* Counts of deliveries by destination and status, for dist-status --queues. */
struct destination_count {
    char *destination;
    int64_t waiting, queued, dead;
    int64_t oldest_open_us; /* when the oldest open one was routed; 0: none */
};
int store_destination_counts(struct store *store, struct destination_count **counts, size_t *count,
                             struct fault *fault);
void destination_counts_free(struct destination_count *counts, size_t count);

/* --- administration --- */

/* Applies the migrations that are missing, in order, under an advisory lock. `applied` is called for each. */
int store_migrate(struct store *store, void (*applied)(void *arg, int version, const char *name), void *arg,
                  struct fault *fault);
/* The version in the database (0: none) and the one of this build. */
int store_schema_version(struct store *store, int *have, int *want, struct fault *fault);

struct tenant_view {
    char *tenant_id, *name;
    bool disabled;
    int64_t created_at_us, jobs;
};
int store_tenant_add(struct store *store, const char *tenant_id, const char *name, struct fault *fault);
int store_tenant_disable(struct store *store, const char *tenant_id, bool disabled, struct fault *fault);
/* INPUT where there is none; a disabled one is one. */
int store_tenant_known(struct store *store, const char *tenant_id, struct fault *fault);
int store_tenant_list(struct store *store, int (*row)(void *arg, const struct tenant_view *view), void *arg,
                      struct fault *fault);
/* Server version as text, and the difference of its clock to ours in milliseconds. */
int store_server(struct store *store, char version[64], int64_t *skew_ms, struct fault *fault);

/* --- audit: is every accepted target somewhere? --- */

struct audit_sums {
    int64_t jobs, pending, targets; /* targets: those named, and those that routing added */
    int64_t waiting, queued, delivered, dead, expired, cancelled; /* deliveries to targets */
    int64_t unrouted;  /* targets of jobs that ended before they were routed */
    int64_t callbacks; /* deliveries of that kind, in any status */
    int64_t attempts;
    int64_t repeated;   /* attempts whose number another attempt of the delivery has: its claim was lost */
    int64_t duplicates; /* attempts that delivered what another attempt delivered too */
};
struct audit_break {
    const char *id; /* borrowed; of a job its distribution_id */
    bool is_job;
    char reason[300];
};
/*
 * All jobs, or those of one tenant, in one snapshot: their counters against their deliveries, their
 * deliveries against the targets that they were accepted with, their status against the rule, and the
 * attempts of each delivery. Whatever is under way is either in the snapshot or not. The snapshot lasts as
 * long as the walk, page by page. `found` gets each break; where it returns non-zero the walk ends (no
 * fault).
 */
int store_audit(struct store *store, const char *tenant_id, struct audit_sums *sums,
                int (*found)(void *arg, const struct audit_break *broken), void *arg, struct fault *fault);
/* `queued` deliveries whose due_at passed more than grace_ms ago, in the order of their ids after `after`. */
int store_audit_overdue(struct store *store, const char *tenant_id, int64_t grace_ms, const char *after,
                        size_t limit, struct due_list *list, struct fault *fault);
/* Takes from the list what is not queued (with `jobs`: pending) and overdue any more. */
int store_audit_still_overdue(struct store *store, bool jobs, int64_t grace_ms, struct due_list *list,
                              struct fault *fault);
enum audit_standing {
    AUDIT_UNKNOWN, /* no row */
    AUDIT_OPEN,
    AUDIT_ENDED,   /* and where somebody meets it in Redis it is dropped there */
    AUDIT_FOREIGN, /* another tenant's */
};
/* What the rows of these ids say, deliveries and jobs. */
int store_audit_standing(struct store *store, const char *tenant_id, const char *const *ids, size_t count,
                         enum audit_standing *standing, struct fault *fault);

#endif
