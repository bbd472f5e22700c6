/*
 * rules_parts - the inside of a set of rules; for rules.c and rules_apply.c
 */
#ifndef DIST_RULES_PARTS_H
#define DIST_RULES_PARTS_H

#include <stddef.h>
#include "pattern_index.h"

/* The enabled rules that are of one tenant, or of all. */
struct rules_scope {
    size_t *numbers; /* in items[] of the set, ascending; those of the index are places in here */
    size_t count;
    struct pattern_index *index;
};

#endif
