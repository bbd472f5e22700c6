/*
 * rule - one rule: for which distributions it is, and what it does with them; dist-rules(5)
 *
 *   {"name": "eu-reports", "priority": 10, "match": {"data_type": ["report"]}, "when": ".payload.total > 5",
 *    "to": ["archive", "eu-group"], "set": {"priority": "high"}, "rendering": {"format": "csv"}, "stop":
 * true}
 *
 * What a rule sees of a distribution is its event, which rule_event() makes. Pure; a rule does not change
 * once it is made, and threads may share it.
 */
#ifndef DIST_RULE_H
#define DIST_RULE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "catalog.h"
#include "fault.h"
#include "job.h"
#include "pattern.h"
#include "status.h"

enum {
    RULE_PRIORITY_MAX = 1000000, /* and as far below 0 */
    RULE_WHEN_SIZE = 16 * 1024,  /* bytes of a "when" */
};

struct rule {
    char *name;
    char *tenant; /* NULL: of all tenants */
    char *origin; /* where it was defined: "rules.d/eu.json" */
    json_t *form; /* as it was read; texts below borrow from it */
    bool enabled;
    int64_t priority;                      /* higher is asked first; default 0 */
    int64_t valid_from_us, valid_until_us; /* in force from the one until before the other; 0: no end */
    struct pattern *match;                 /* never NULL: without "match" it matches everything */
    const char *when;                      /* jq program, or NULL */
    const char **to;                       /* destinations and groups; the array is owned */
    size_t to_count;
    const char *set_priority; /* a word of priority_names[], or NULL */
    json_t *set_options;      /* borrowed, or NULL: "retry_policy" and "timeout" of a request's options */
    json_t *set_metadata;     /* borrowed, or NULL */
    json_t *rendering;        /* borrowed: of the deliveries to `to`; rendering.h. Or NULL */
    bool stop;                /* rules behind it are not asked, where it matches */
};

/* What a rule can be checked against. NULL members: that is not checked. */
struct rule_checks {
    const struct catalog *catalog; /* every name in "to" is there */
    /* `when` is a program. -1 with the fault set where it is not. */
    int (*when)(void *arg, const char *program, struct fault *fault);
    void *when_arg;
};

/* `path` is the JSON pointer of what is wrong within the file, "/3/match/data_type". */
typedef void rule_report(void *arg, const char *path, const char *text);

/*
 * `form` is copied. `path` is its pointer within its file. `name` is that of a form without one; NULL: it
 * must name itself. `tenant` is the only one whose rules these are, or NULL: then "tenant" says it, or it is
 * a rule of all. Every mistake is reported; with any of them the result is NULL. Mistakes are: an unknown
 * member (the nearest known one is named), a wrong type, what pattern_check() finds, a destination twice or
 * unknown, a rule that does nothing, valid_until that is not after valid_from, the tenant of somebody else.
 */
struct rule *rule_new(const json_t *form, const char *path, const char *name, const char *tenant,
                      const char *origin, const struct rule_checks *checks, rule_report *report, void *arg);
void rule_free(struct rule *rule);

/* The fields of an event, ended by NULL. */
extern const char *const rule_event_members[];
/*
 * A distribution as rules see it; a new reference. Members that the job has not are absent; "destinations"
 * are names. "payload" is there where `with_payload` and the body is JSON: whole numbers past 64 bits are
 * taken as real ones, and a body with a number that fits neither has no "payload".
 */
json_t *rule_event(const struct job *job, bool with_payload);

#endif
