/*
 * delivery - one distribution to one target: the unit that is queued, retried and dead-lettered
 */
#ifndef DIST_DELIVERY_H
#define DIST_DELIVERY_H

#include <stdint.h>
#include "destination.h"
#include "job.h"
#include "outcome.h"
#include "status.h"
#include "uid.h"

/*
 * What a delivery sends to one of its candidates: made once, the same on every attempt. `body` is NULL where
 * it was not loaded.
 */
struct output {
    char *destination; /* the candidate */
    char *body;
    size_t body_size;
    char *content_type;
    json_t *headers; /* an object of texts, or NULL */
};

struct delivery {
    char id[UID_TEXT_SIZE]; /* also the message id: the same on every attempt (Idempotency-Key, webhook-id) */
    struct job *job;        /* a reference */
    char *target;           /* what the request or a rule named: a destination or a group */
    char *rule;             /* that named it; NULL: the request did, or nobody */
    char **candidates; /* destinations in the order in which they are tried; one unless target is a group */
    size_t candidate_count;
    json_t *inline_form; /* the form that the request brought along, or NULL where the name is configured */
    json_t *rendering;   /* members of a rendering (rendering.h) that a rule gave it, or NULL */
    char *content_type;  /* after transformation, or NULL: the job's */
    struct output *outputs; /* what is sent in place of the body, where it was transformed */
    size_t output_count;
    int attempts;     /* attempts made in all */
    int budget_start; /* attempts made when the budget began: after a replay it is not 0 */
    int skipped;      /* candidates passed over without an attempt: their breaker was open */
    char *own_key;    /* digest of an address that the request brought along, or NULL */
    enum delivery_status status;
    enum dead_reason dead_reason; /* where status is DELIVERY_DEAD */
    char *last_error;             /* text of the last attempt or of the death, or NULL */
};

/* Takes its own reference of job; a fresh id, waiting, no candidates. */
struct delivery *delivery_new(struct job *job, const char *target);
/* The same, of one that has an id. */
struct delivery *delivery_known(struct job *job, const char *target, const char *id);
void delivery_free(struct delivery *delivery);
void delivery_add_candidate(struct delivery *delivery, const char *destination);

/*
 * The candidate of the next attempt: candidates[(attempts - budget_start + skipped) % candidate_count], so
 * each deferred attempt moves on to the next one, around, and a replay begins with the first. NULL where
 * there is none.
 */
const char *delivery_candidate(const struct delivery *delivery);
/* The candidate whose turn it was before any was passed over; NULL where none was, or there is none. */
const char *delivery_passed_over(const struct delivery *delivery);
/* The destination of the next attempt as lanes, windows and breakers know it: the candidate, or
 * "<candidate>@<own_key>". The caller's. */
char *delivery_destination_key(const struct delivery *delivery);
/* "<destination key>:<tenant>:<priority>": the name of its lane of dist-deliver; the caller's. */
char *delivery_lane(const struct delivery *delivery);
/* The output for the candidate of the next attempt, or NULL: the body itself is sent. Borrowed. */
struct output *delivery_output(const struct delivery *delivery);
/* Takes all of it, in place of an earlier one for the same destination. */
void delivery_add_output(struct delivery *delivery, struct output *output);
void delivery_drop_outputs(struct delivery *delivery);
void delivery_drop_output(struct delivery *delivery, struct output *output); /* one of its own */
void output_release(struct output *output);
/* Content type and body that are sent. */
const char *delivery_content_type(const struct delivery *delivery);
const char *delivery_body(const struct delivery *delivery, size_t *size); /* NULL: not loaded */

/* Deliveries that one job became. */
struct delivery_list {
    struct delivery **items;
    size_t count;
};
void delivery_list_add(struct delivery_list *list, struct delivery *delivery); /* takes it */
void delivery_list_release(struct delivery_list *list);                        /* frees the deliveries too */

/*
 * What becomes of a delivery after an attempt, which `attempts` does NOT count yet: whoever records the
 * outcome adds it. The policy, the expiry and the candidates decide; the clock and the random number are
 * handed in. In this order:
 *
 *   DELIVERED                       delivered
 *   REJECTED                        dead, rejected; no other candidate is asked
 *   DEFERRED, and
 *     the job's expiry has come     expired
 *     a candidate of this round     waiting, delay 0: a round asks each candidate once, one after the other,
 *       has not been asked          whatever Retry-After the last one sent
 *     the policy's rounds are       dead, exhausted
 *       spent
 *     the delay ends at or after    expired, at once
 *       the job's expiry
 *     else                          waiting, retry_delay_ms() after the rounds made so far
 *
 * Rounds made are (attempts + 1 - budget_start) / candidate_count: the policy's max_attempts counts rounds,
 * and a group of n candidates has max_attempts * n attempts. A single destination is a group of one.
 */
struct verdict {
    enum delivery_status status; /* WAITING (with delay_ms), DELIVERED, DEAD (with reason) or EXPIRED */
    int64_t delay_ms;
    enum dead_reason reason;
};
struct verdict delivery_verdict(const struct delivery *delivery, const struct retry_policy *policy,
                                const struct outcome *outcome, int64_t now_us, double unit_random);

#endif
