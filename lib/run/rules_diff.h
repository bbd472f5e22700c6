/*
 * rules_diff - dist-route --diff: what other rules would have done to the distributions of the last days
 */
#ifndef DIST_RULES_DIFF_H
#define DIST_RULES_DIFF_H

#include <stdbool.h>
#include <stdint.h>
#include "fault.h"
#include "program.h"
#include "tool.h"

struct rules_diff {
    const struct tool *tool;
    struct programs *programs;
    int64_t days, limit; /* limit 0: none */
    bool json;
};

/*
 * The rules in force are those of rules.d and of the database; the new ones those of `paths`, files and
 * folders, in the place of rules.d, and of the database, except where a file has a rule of the same tenant
 * and name. Every distribution goes through both as of now, and a group counts as one target. EXIT_REJECTED
 * where anything differs.
 */
int rules_diff_run(const struct rules_diff *diff, char **paths, int count, struct fault *fault);

#endif
