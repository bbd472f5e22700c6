/*
 * balance - in which order the members of a group are tried; dist-rules(5)
 *
 * Those that are not fit now are left out, with the reason that the caller has. The first of the others gets
 * the delivery; the rest stand in the order in which it fails over. Pure: health and load are handed in.
 *
 *   failover           as they are listed
 *   round_robin        by turns, the same number for each
 *   weighted           by turns, as many as their weights say, and evenly spread: 5:1:1 is a a b a c a a
 *   least_outstanding  who has the fewest deliveries in flight for its weight; among equals by turns
 *   consistent_hash    by the key of the delivery: the same key goes to the same member, and when a member
 *                      goes or comes only the keys move that were or will be its own. Weights are shares.
 *                      Without a key by turns. The same on every host: no state, no random numbers
 *
 * For consistent_hash it is the member with the best score for the key (rendezvous hashing, Thaler and
 * Ravishankar, 1998; with weights as in Schindelhauer and Schomaker, 2005); for turns the smooth weighted
 * round robin of nginx. Turns are counted for each process by itself.
 */
#ifndef DIST_BALANCE_H
#define DIST_BALANCE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "ceilings.h"
#include "fault.h"

enum balance_policy {
    BALANCE_FAILOVER,
    BALANCE_ROUND_ROBIN,
    BALANCE_WEIGHTED,
    BALANCE_LEAST_OUTSTANDING,
    BALANCE_CONSISTENT_HASH,
    BALANCE_POLICY_COUNT
};
extern const char *const balance_policy_names[BALANCE_POLICY_COUNT + 1]; /* "failover", "round_robin", ... */

enum { BALANCE_WEIGHT_MAX = 1000, BALANCE_HASH_ON_SIZE = 4096 };

/* What the form of a group says, besides its members. */
struct balance_plan {
    enum balance_policy policy;
    int64_t weights[LIMIT_CANDIDATES]; /* in the order of the members; 1 where none is given */
    const char *hash_on;               /* jq expression whose value is the key; borrowed; NULL: none */
};

/*
 * From the members of a group's form: "policy" (a word of the table; NULL: failover), "weights" (an object of
 * members and numbers from 1 to BALANCE_WEIGHT_MAX; NULL: all 1) and "hash_on" (NULL: absent). Refused (class
 * INPUT, with the pointer): weights of who is no member (the nearest is named), or for a policy that has no
 * use for them; hash_on missing for consistent_hash, or given for another; more than LIMIT_CANDIDATES
 * members.
 */
int balance_plan_read(const char *policy, const json_t *weights, const char *hash_on,
                      const char *const *members, size_t count, struct balance_plan *plan,
                      struct fault *fault);

/*
 * Whose turn it is in one group. Begin with zeros, and begin anew where the members change. It is plain
 * memory: a copy tells what would come next without taking the turn. One thread at a time.
 */
struct balance {
    int64_t credit[LIMIT_CANDIDATES];
};

struct balance_candidate {
    const char *name;
    const char *unfit;    /* why it is not taken: "its breaker is open"; NULL: it is fit. Borrowed */
    uint64_t outstanding; /* deliveries in flight, or waiting, as the caller counts: least_outstanding */
};

struct balance_drop {
    size_t place;       /* in the candidates */
    const char *reason; /* its `unfit` */
};
struct balance_order {
    size_t places[LIMIT_CANDIDATES]; /* in the candidates, first the one to take; none where all are unfit */
    size_t count;
    struct balance_drop dropped[LIMIT_CANDIDATES];
    size_t dropped_count;
};

/*
 * The order for one delivery. Candidates are all members in the order of the plan, at most LIMIT_CANDIDATES.
 * `key`: the value of hash_on, as text; NULL: it has none. Who was unfit gets no more than its share later:
 * turns are not saved up.
 */
void balance_order(struct balance *balance, const struct balance_plan *plan,
                   const struct balance_candidate *candidates, size_t count, const char *key,
                   struct balance_order *order);

#endif
