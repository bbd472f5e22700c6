/*
 * balance - see balance.h
 *
 * Each policy gives every fit candidate a rank, the lowest goes first, and ties are as listed. Turns: each
 * who takes part gets credit by its weight, the one with the most goes first, and pays what all have got; so
 * the sum stays zero and nobody can save up more than a round.
 */
#include <math.h>
#include <string.h>
#include "balance.h"
#include "status.h"
#include "text.h"

const char *const balance_policy_names[BALANCE_POLICY_COUNT + 1] = {
    "failover", "round_robin", "weighted", "least_outstanding", "consistent_hash", NULL,
};

/* The fit candidates of one question. */
struct choice {
    struct balance *balance;
    const struct balance_plan *plan;
    const struct balance_candidate *candidates;
    const char *key;
    struct balance_order *order;
    double rank[LIMIT_CANDIDATES]; /* by place */
};

static bool has_weights(enum balance_policy policy)
{
    return policy == BALANCE_WEIGHTED || policy == BALANCE_LEAST_OUTSTANDING ||
           policy == BALANCE_CONSISTENT_HASH;
}

static int read_weights(const json_t *weights, const char *const *members, size_t count,
                        struct balance_plan *plan, struct fault *fault)
{
    const char *name;
    json_t *weight;

    if (!json_is_object(weights))
        return fault_set(fault, FAULT_INPUT, "/weights: an object of members and numbers is wanted");
    json_object_foreach ((json_t *)weights, name, weight) {
        const char *nearest;
        char cut[60];
        size_t i = 0;

        while (i < count && strcmp(members[i], name) != 0)
            i++;
        text_copy(cut, sizeof cut, name);
        text_printable(cut);
        if (i == count) {
            nearest = text_nearest(cut, members, count);
            return fault_set(fault, FAULT_INPUT, "/weights: '%s' is no member of the group%s%s%s", cut,
                             nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
        }
        if (!json_is_integer(weight) || json_integer_value(weight) < 1 ||
            json_integer_value(weight) > BALANCE_WEIGHT_MAX)
            return fault_set(fault, FAULT_INPUT, "/weights/%s: a whole number from 1 to %d is wanted", cut,
                             BALANCE_WEIGHT_MAX);
        plan->weights[i] = json_integer_value(weight);
    }
    return 0;
}

int balance_plan_read(const char *policy, const json_t *weights, const char *hash_on,
                      const char *const *members, size_t count, struct balance_plan *plan,
                      struct fault *fault)
{
    int index = policy ? status_index(balance_policy_names, policy) : BALANCE_FAILOVER;

    *plan = (struct balance_plan){.hash_on = hash_on};
    for (size_t i = 0; i < LIMIT_CANDIDATES; i++)
        plan->weights[i] = 1;
    if (count > LIMIT_CANDIDATES)
        return fault_set(fault, FAULT_INPUT, "/group: more than %d members", LIMIT_CANDIDATES);
    if (index < 0) {
        char cut[60];
        const char *nearest;

        text_copy(cut, sizeof cut, policy);
        nearest = text_nearest(text_printable(cut), balance_policy_names, BALANCE_POLICY_COUNT);
        return fault_set(fault, FAULT_INPUT, "/policy: unknown policy '%s'%s%s%s", cut,
                         nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    }
    plan->policy = (enum balance_policy)index;
    if (hash_on && plan->policy != BALANCE_CONSISTENT_HASH)
        return fault_set(fault, FAULT_INPUT, "/hash_on: it is for the policy consistent_hash alone");
    if (!hash_on && plan->policy == BALANCE_CONSISTENT_HASH)
        return fault_set(fault, FAULT_INPUT, "'hash_on' is missing: the expression whose value decides");
    if (hash_on && (!*hash_on || strlen(hash_on) > BALANCE_HASH_ON_SIZE))
        return fault_set(fault, FAULT_INPUT, "/hash_on: an expression of 1 to %d bytes is wanted",
                         BALANCE_HASH_ON_SIZE);
    if (weights && !has_weights(plan->policy))
        return fault_set(fault, FAULT_INPUT,
                         "/weights: the policy %s has no use for them; weighted, least_outstanding and "
                         "consistent_hash have",
                         balance_policy_names[plan->policy]);
    return weights ? read_weights(weights, members, count, plan, fault) : 0;
}

/* Weights count for the policies that have them. */
static int64_t weight_of(const struct choice *choice, size_t place)
{
    return has_weights(choice->plan->policy) ? choice->plan->weights[place] : 1;
}

/* FNV-1a, and the mixing of splitmix64 behind it, since the last bytes reach the high bits too little. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/* A member's score depends on nothing but itself and the key: who comes or goes changes no other's. */
static void rank_by_hash(struct choice *choice)
{
    const uint64_t key = mix(hash_text(choice->key));

    for (size_t i = 0; i < choice->order->count; i++) {
        const size_t place = choice->order->places[i];
        const uint64_t hash = mix(key + mix(hash_text(choice->candidates[place].name)));
        const double unit = ((double)(hash >> 11) + 0.5) / 9007199254740992.0; /* 2^53: within 0 and 1 */

        choice->rank[place] = -log(unit) / (double)weight_of(choice, place);
    }
}

static void rank_by_load(struct choice *choice)
{
    for (size_t i = 0; i < choice->order->count; i++) {
        const size_t place = choice->order->places[i];

        choice->rank[place] =
            ((double)choice->candidates[place].outstanding + 1) / (double)weight_of(choice, place);
    }
}

static void rank_by_credit(struct choice *choice)
{
    for (size_t i = 0; i < choice->order->count; i++) {
        const size_t place = choice->order->places[i];

        choice->rank[place] = -(double)(choice->balance->credit[place] + weight_of(choice, place));
    }
}

/* By insertion: there are few, and ties stay as they are. */
static void sort(struct choice *choice)
{
    size_t *places = choice->order->places;

    for (size_t i = 1; i < choice->order->count; i++) {
        const size_t place = places[i];
        size_t k = i;

        for (; k > 0 && choice->rank[places[k - 1]] > choice->rank[place]; k--)
            places[k] = places[k - 1];
        places[k] = place;
    }
}

/* The turn of one of the first `count` of the order; it moves to the front. */
static void take_turn(struct choice *choice, size_t count)
{
    size_t *places = choice->order->places, best = 0;
    int64_t *credit = choice->balance->credit, total = 0;

    for (size_t i = 0; i < count; i++) {
        credit[places[i]] += weight_of(choice, places[i]);
        total += weight_of(choice, places[i]);
        if (credit[places[i]] > credit[places[best]])
            best = i;
    }
    if (!count)
        return;
    const size_t place = places[best];
    memmove(places + 1, places, best * sizeof *places);
    places[0] = place;
    credit[place] -= total;
}

static void order_as_listed(struct choice *choice)
{
    (void)choice;
}

static void order_by_turns(struct choice *choice)
{
    rank_by_credit(choice);
    sort(choice);
    take_turn(choice, choice->order->count);
}

static void order_by_load(struct choice *choice)
{
    const size_t *places = choice->order->places;
    size_t equal = 0;

    rank_by_load(choice);
    sort(choice);
    /* Turns only among those that have the least: who is busy saves none up. */
    while (equal < choice->order->count && choice->rank[places[equal]] <= choice->rank[places[0]])
        equal++;
    take_turn(choice, equal);
}

static void order_by_hash(struct choice *choice)
{
    if (!choice->key) {
        order_by_turns(choice);
        return;
    }
    rank_by_hash(choice);
    sort(choice);
}

void balance_order(struct balance *balance, const struct balance_plan *plan,
                   const struct balance_candidate *candidates, size_t count, const char *key,
                   struct balance_order *order)
{
    static void (*const policies[BALANCE_POLICY_COUNT])(struct choice *) = {
        [BALANCE_FAILOVER] = order_as_listed,      [BALANCE_ROUND_ROBIN] = order_by_turns,
        [BALANCE_WEIGHTED] = order_by_turns,       [BALANCE_LEAST_OUTSTANDING] = order_by_load,
        [BALANCE_CONSISTENT_HASH] = order_by_hash,
    };
    struct choice choice = {
        .balance = balance, .plan = plan, .candidates = candidates, .key = key, .order = order};

    *order = (struct balance_order){0};
    for (size_t i = 0; i < count && i < LIMIT_CANDIDATES; i++) {
        if (candidates[i].unfit) {
            order->dropped[order->dropped_count++] =
                (struct balance_drop){.place = i, .reason = candidates[i].unfit};
        } else {
            order->places[order->count++] = i;
        }
    }
    policies[plan->policy](&choice);
}
