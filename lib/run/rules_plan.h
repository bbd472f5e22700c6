/*
 * rules_plan - what is to become of the rules in the database, and whether all of them are good then
 *
 * A plan is made of what is there and of what is wanted: files, or a switch. It is checked as a whole, by the
 * destinations of this host and jq, so that what a service reads afterwards is what was found good here.
 */
#ifndef DIST_RULES_PLAN_H
#define DIST_RULES_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "fault.h"
#include "rule_files.h"
#include "store.h"
#include "store_rules.h"
#include "tool.h"

struct rules_step {
    enum rule_change_kind kind; /* LOADED or REMOVED */
    const char *tenant_id;      /* borrowed, as all of it; NULL: of all tenants */
    const char *name;
    const struct stored_rule *stored; /* what is there under this name, or NULL */
    const json_t *before;             /* its form, or NULL */
    json_t *after;                    /* LOADED: the form, with its name and its tenant in it. Owned */
    bool switched_off;                /* LOADED over a rule whose switch is off, and stays so */
};

struct rules_plan {
    struct stored_rules stored;
    json_t **forms;   /* of what is stored; NULL where one is no JSON */
    bool *overridden; /* likewise: the plan loads it anew, or removes it */
    struct rule_files files;
    struct rules *wanted; /* what the files have */
    struct rules_step *steps;
    size_t step_count;
    size_t unchanged;
};

/* Reads what is there. Release it in any case. */
int rules_plan_begin(struct rules_plan *plan, struct store *store, struct fault *fault);
void rules_plan_release(struct rules_plan *plan);

/*
 * The steps to what the files have: rules of `tenant` where that is not NULL. With `replace` what is there of
 * that tenant (NULL: of everybody) and in no file is removed. The rules that are then there are checked
 * together, with those of rules.d; every mistake is an error line, and the fault (INPUT) says how many.
 */
int rules_plan_files(struct rules_plan *plan, const struct tool *tool, struct store *store, char **files,
                     int count, const char *tenant, bool replace, struct fault *fault);

/* The stored rule of that name, or NULL. `tenant` NULL: that of all tenants. */
struct stored_rule *rules_plan_find(const struct rules_plan *plan, const char *tenant, const char *name);
/* The same; INPUT with what is like it where there is none. */
struct stored_rule *rules_plan_need(const struct rules_plan *plan, const char *tenant, const char *name,
                                    struct fault *fault);

/* Checks the rules as they are stored, after the caller has set a switch in plan->stored. */
int rules_plan_check(struct rules_plan *plan, const struct tool *tool, struct fault *fault);

#endif
