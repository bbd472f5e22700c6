/*
 * route - from a job to its deliveries: specification 2.1.1
 *
 * One delivery per target. A target is a destination (one candidate) or a group (its members, in the order
 * that its policy gives them). Targets are those that the request names and those that the rules that match
 * name:
 *
 *   ROUTE_UNITE      both, the request's first
 *   ROUTE_RESTRICT   the request's, as far as rules name them too; the rules' where the request names none
 *   ROUTE_REPLACE    the rules'; the request's where no rule names one
 *
 * and the default target where that leaves none and the request named none. What cannot be routed (a name
 * that is not configured, a destination that the tenant may not use, a target that no rule allows, a job
 * without any target) becomes a delivery that is dead as `unroutable` and says why: never silence. Pure.
 */
#ifndef DIST_ROUTE_H
#define DIST_ROUTE_H

#include <stdbool.h>
#include <stdint.h>
#include "catalog.h"
#include "delivery.h"
#include "destination.h"
#include "rules.h"
#include "strmap.h"

enum route_mode { ROUTE_UNITE, ROUTE_RESTRICT, ROUTE_REPLACE, ROUTE_MODE_COUNT };
extern const char *const route_mode_names[ROUTE_MODE_COUNT + 1]; /* "unite", "restrict", "replace" */

/* The target of the dead letter of a job that has none. */
#define ROUTE_NO_TARGET "unrouted"

/* What is known about destinations now; both functions must be there. */
struct route_health {
    /* Why it should not be sent to now, "its breaker is open": borrowed until the next call; NULL: it is fit.
     * `max_queue`: the most that may wait for it; 0: no limit. */
    const char *(*unfit)(void *arg, const char *destination, int64_t max_queue);
    uint64_t (*outstanding)(void *arg, const char *destination); /* deliveries ready or in flight */
    void *arg;
};

/* What route_job() goes by. Everything but the catalog may be NULL. */
struct router {
    const struct catalog *catalog;
    const struct rules *rules;
    enum route_mode mode;
    const char *default_target;
    bool ask_payload;     /* the event has the payload: the job has its body */
    struct strmap *turns; /* group -> struct balance *; a group that is not there takes its first turn */
    int64_t now_us;
    const struct route_health *health; /* NULL: all are fit, unless they are disabled */
    /* See struct rules_question. */
    int (*when)(void *arg, const char *program, const json_t *event, bool *holds, struct fault *fault);
    /* The key of a group's hash_on, the caller's; NULL: there is none, or (with the fault set) it failed. */
    char *(*key)(void *arg, const char *program, const json_t *event, struct fault *fault);
    void *arg;
};

/* Why a member of a group did not take part in the policy. */
struct route_drop {
    char *name, *reason;
    bool last; /* it stands behind the others, as the last to be tried; else it is no candidate */
};
/* What came of one target. */
enum route_source { ROUTE_BY_REQUEST, ROUTE_BY_RULE, ROUTE_BY_DEFAULT, ROUTE_BY_NOBODY };
extern const char *const route_source_names[]; /* "request", "rule", "default", "nobody" */
struct route_choice {
    enum route_source source;
    const char *policy; /* of the group; NULL: the target is none. Borrowed from a table */
    char *key;          /* of consistent_hash, or NULL */
    char *note;         /* why there is no key, where hash_on failed; or NULL */
    struct route_drop *drops;
    size_t drop_count;
};
/* How a job was routed; it borrows from the rules. */
struct route_explanation {
    struct decision decision;     /* with a step for every rule */
    struct route_choice *choices; /* in the order of the deliveries */
    size_t count;
};
void route_explanation_release(struct route_explanation *explanation);

/*
 * Adds the job's deliveries: waiting, or dead. What matching rules set goes into the job, whatever the
 * request said: priority, retry policy, metadata, and the timeout as its expiry (and timeout_ms, counted from
 * its schedule or acceptance); `ruled` tells that there was something. `explanation` may be NULL; it is set.
 * What is wrong with a job is in its deliveries.
 *
 * Candidates of a group: members that nothing can deliver to and disabled ones are left out. Those that are
 * not fit for another reason stand behind the others, in their order, and take no turn. Where that leaves
 * nobody to begin with, all are ordered as if they were fit, and the delivery waits at the first.
 */
void route_job(const struct router *router, struct job *job, struct delivery_list *deliveries,
               struct route_explanation *explanation);

/* The candidates of a delivery that has none, in their listed order: a dead letter that was unroutable, once
 * it is replayed. -1: it still is. */
int route_delivery(const struct catalog *catalog, struct delivery *delivery, struct fault *fault);

/*
 * The destination of `name` for this delivery: configured, or made from the form that the request brought
 * along. A form for a configured name may leave members out, but those it has must not differ (class
 * DENIED): it could send that destination's credentials elsewhere; the configured form is what is used. An
 * object with nothing but "name" is no form. The caller gets a reference. NULL: the fault's class is INPUT
 * (unknown, with the nearest name; a group; or a bad form) or DENIED (also where it is not for this tenant).
 */
struct destination *route_resolve(const struct catalog *catalog, const char *name, const json_t *inline_form,
                                  const char *tenant, struct fault *fault);

/*
 * Checks every target of a job before it is accepted, by the same questions as route_job(): what that would
 * make unroutable is a fault here, INPUT or DENIED. `disabled` destinations are taken: they wait. A job
 * without a destination is refused: who has rules or a default target does not ask.
 */
int route_check(const struct catalog *catalog, const struct job *job, struct fault *fault);

#endif
