/*
 * rulebook - what routing goes by: the destinations and rules of one configuration, their jq programs,
 * settings
 *
 * It is built whole or not at all, from a catalog and any number of sources of rules, and what it says does
 * not change afterwards: a reload makes another one. Only the turns of the groups go on in it; so it is used
 * by one thread at a time.
 */
#ifndef DIST_RULEBOOK_H
#define DIST_RULEBOOK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "catalog.h"
#include "fault.h"
#include "program.h"
#include "route.h"
#include "rules.h"
#include "strmap.h"

enum {
    RULEBOOK_PROGRAMS_MAX = 1000, /* different ones of a set */
    RULEBOOK_PROGRAMS_MS = 5000,  /* in which all programs of one distribution are begun */
};

struct rulebook_settings {
    enum route_mode mode;
    const char *default_target; /* NULL: none; copied */
    int64_t programs_ms;        /* 0: RULEBOOK_PROGRAMS_MS */
    size_t programs_max;        /* 0: RULEBOOK_PROGRAMS_MAX */
    void (*alive)(void);        /* called before each compilation, which takes its time; or NULL */
};

struct rulebook {
    const struct catalog *catalog; /* borrowed: it must outlive the rulebook */
    struct rules *rules;           /* never NULL; may be empty */
    enum route_mode mode;
    char *default_target; /* or NULL */
    bool ask_payload;     /* some rule or group looks at the body: jobs must have it */
    struct programs *programs;
    int64_t programs_ms;
    struct strmap compiled; /* text -> struct program *; the same text is compiled once */
    struct strmap turns;    /* group -> struct balance * */
};

/*
 * Every mistake goes to `report`: those of the rules (rules.h), a "when" or "hash_on" that is no jq program,
 * a default target that is not configured (line 0: it stands in no text); more than RULEBOOK_PROGRAMS_MAX.
 * NULL where there is one, and `fault` stays as it was; else also where a program could not be compiled for a
 * reason that passes: `fault` (TEMP, SYSTEM) is set then, and the same call may succeed later. `sources` are
 * borrowed for the call. `programs` is borrowed until rulebook_free(); what has been compiled there is
 * forgotten with it. Blocks: compiling takes some 25 ms for each program. Without a catalog the rules are
 * checked for what is wrong with them alone, and nothing can be routed.
 */
struct rulebook *rulebook_new(const struct catalog *catalog, const struct rules_source *sources, size_t count,
                              const struct rulebook_settings *settings, struct programs *programs,
                              rules_report *report, void *arg, struct fault *fault);
void rulebook_free(struct rulebook *book);

/*
 * One distribution by the rulebook: adds its deliveries, see route_job(). `health` may be NULL. With
 * `explanation` every rule is looked at and what was found is kept there; NULL is quick. Where its programs
 * together take too long it is unroutable. -1: class TEMP or SYSTEM, a program could not be run for a reason
 * that is not its own: nothing is known, try again.
 */
int rulebook_route(struct rulebook *book, struct job *job, int64_t now_us, const struct route_health *health,
                   struct delivery_list *deliveries, struct route_explanation *explanation,
                   struct fault *fault);

/* What somebody else says of one distribution, in the place of the book's rules. */
struct rulebook_ruling {
    const struct rules *rules; /* without a "when"; they outlive the explanation */
    const char *refused;       /* or why it is unroutable */
};
/* The same with a ruling; NULL: there is none, and the book's rules are asked. */
int rulebook_route_ruled(struct rulebook *book, const struct rulebook_ruling *ruling, struct job *job,
                         int64_t now_us, const struct route_health *health, struct delivery_list *deliveries,
                         struct route_explanation *explanation, struct fault *fault);

#endif
