/*
 * rules - all rules of one configuration, and what they say of a distribution
 *
 * A set is built whole or not at all, from any number of sources, and does not change afterwards: a reload
 * makes another one. Threads may share it. Rules are asked by priority, higher ones first; of the same
 * priority by name; of the same name those of all tenants first. Pure: the clock and jq are the caller's.
 */
#ifndef DIST_RULES_H
#define DIST_RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "rule.h"
#include "strmap.h"

enum {
    RULES_MAX = 10000, /* of a set */
    RULES_LOOKS_MAX =
        100 * 1000 * 1000,     /* at values of one event, see pattern_match_within(): a second or so */
    RULES_MISTAKES_MAX = 1000, /* that are reported: each costs a look at its file for the line */
};

/* One file, or what a database has of one tenant: a rule, or an array of rules with names. Borrowed. */
struct rules_source {
    const char *origin; /* for messages: "rules.d/eu.json" */
    const char *text;
    size_t size;
    const char *stem;   /* the name of a rule that has none and is no element of an array; NULL: it must */
    const char *tenant; /* all are rules of this tenant, and cannot say otherwise; NULL: "tenant" says it */
};

struct rules_mistake {
    const char *origin; /* of the source */
    size_t line;        /* from 1 */
    const char *path;   /* JSON pointer in the source; "" is all of it */
    const char *text;
};
typedef void rules_report(void *arg, const struct rules_mistake *mistake);

struct rules_scope;
struct rules {
    struct rule **items; /* in the order in which they are asked */
    size_t count;
    bool ask_payload;        /* some enabled rule looks at the payload: rule_event() needs it */
    struct rules_scope *all; /* the enabled rules of all tenants */
    struct strmap scopes;    /* tenant -> struct rules_scope *: its own enabled rules */
};

/*
 * Every mistake of every source is reported, in the order of the sources; NULL where there is one, else a
 * set. Beside those of single rules (rule.h) they are: a text that is not JSON, a name twice for one tenant
 * or for all of them (a tenant and all tenants may both have it), more than RULES_MAX, and a rule that can
 * never be reached, because an enabled one before it, of the same tenant or of all, without "when" and in
 * force for as long, stops and matches all that it matches, as far as pattern_covers() sees.
 */
struct rules *rules_new(const struct rules_source *sources, size_t count, const struct rule_checks *checks,
                        rules_report *report, void *arg);
void rules_free(struct rules *rules);

/* What came of asking a rule. */
enum rule_look {
    RULE_MATCHED,
    RULE_MISSED,       /* the text says which field did not match */
    RULE_WHEN_FALSE,   /* `match` holds and `when` does not */
    RULE_WHEN_FAILED,  /* likewise, with its error as the text: the rule counts as not matched */
    RULE_DISABLED,     /* not in force: */
    RULE_NOT_YET,      /*     valid_from has not come */
    RULE_NO_MORE,      /*     valid_until has come */
    RULE_OTHER_TENANT, /*     it is another tenant's */
    RULE_STOPPED,      /* not asked, because a rule before it matched and stops */
    RULE_LOOK_COUNT
};
extern const char *const rule_look_names[RULE_LOOK_COUNT + 1]; /* "matched", "missed", "when_false", ... */

struct rules_question {
    const json_t *event; /* see rule_event() */
    const char *tenant;
    int64_t now_us;
    /*
     * Whether a rule's `when` holds. -1 with the fault set: it could not be told. `program` lives as long as
     * the set and is always the same pointer for the same rule. NULL: a rule with a `when` fails.
     */
    int (*when)(void *arg, const char *program, const json_t *event, bool *holds, struct fault *fault);
    void *when_arg;
    bool explain; /* a step for every rule; else for those alone that matched or failed, which is quick */
};

/* What rules say. It borrows from the set, which must outlive it. */
struct decision_target {
    const char *name;
    const struct rule *rule; /* that named it first */
};
struct decision_step {
    const struct rule *rule;
    enum rule_look look;
    char *path; /* RULE_MISSED: the field in the event, a JSON pointer; else NULL */
    char *text; /* what there is to say, which may quote the event; NULL: nothing */
};
struct decision {
    struct decision_target *targets; /* each name once, in the order of the rules */
    size_t target_count;
    const char *priority;          /* a word of priority_names[], or NULL: as it is */
    json_t *options;               /* an object; NULL: none was set */
    json_t *metadata;              /* likewise */
    size_t matched;                /* rules */
    const struct rule *stopped_by; /* or NULL */
    size_t patterns_asked;         /* what it cost */
    struct decision_step *steps;
    size_t step_count;
    json_t *set_by; /* "metadata.site": the name of the rule that set it */
};

/*
 * Asks the rules. Targets are united. Of "set" the first rule decides, for the priority and for each member
 * of options and metadata by itself; a step says where a later one was left out. `decision` is set in either
 * case and is released by the caller. -1 (class INPUT): the rules that match name more than LIMIT_TARGETS, or
 * set metadata of more than LIMIT_METADATA.
 */
int rules_apply(const struct rules *rules, const struct rules_question *question, struct decision *decision,
                struct fault *fault);
void decision_release(struct decision *decision);

#endif
