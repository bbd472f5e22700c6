/*
 * admin_rules - the work of dist-admin rules: rules in the database
 *
 * Each returns the exit code or -1 with the fault, as in admin.h.
 */
#ifndef DIST_ADMIN_RULES_H
#define DIST_ADMIN_RULES_H

#include <stdbool.h>
#include "fault.h"
#include "store_rules.h"
#include "tool.h"

/* What the options say. */
struct admin_rules {
    const char *tenant; /* NULL: the rules of all tenants, or whatever the files say */
    bool replace;       /* what is there and in no file is removed */
    bool dry_run;
    bool json;
};

/* Loads the files, all or nothing, and prints what changed; with dry_run what would change. */
int admin_rules_load(const struct tool *tool, const struct admin_rules *rules, char **files, int count,
                     struct fault *fault);
/* Prints what a load would change: 1 where that is anything. */
int admin_rules_diff(const struct tool *tool, const struct admin_rules *rules, char **files, int count,
                     struct fault *fault);
/* DISABLED, ENABLED or REMOVED: all of the names, or none. */
int admin_rules_set(const struct tool *tool, const struct admin_rules *rules, enum rule_change_kind kind,
                    char **names, int count, struct fault *fault);
/* All of them as a table, or (name) one with its form and its history, also where it is removed. */
int admin_rules_show(const struct tool *tool, const struct admin_rules *rules, const char *name,
                     struct fault *fault);

#endif
