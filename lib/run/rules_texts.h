/*
 * rules_texts - texts of rules from files and from the database, for rules_new()
 */
#ifndef DIST_RULES_TEXTS_H
#define DIST_RULES_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include "fault.h"
#include "rules.h"
#include "store_rules.h"

enum { RULES_TEXTS_MAX = 64 * 1024 * 1024 }; /* bytes of all texts of one list */

struct rules_texts {
    struct rules_source *items; /* what they point to is the list's */
    size_t count, cap, size;
};
void rules_texts_release(struct rules_texts *texts);

/*
 * One file, of at most LIMIT_CONFIG_FILE; "-" is standard input, whose rules must name themselves. `tenant`:
 * as in rules.h. Faults as those of fdio.h, and INPUT where the list is full.
 */
int rules_texts_add_file(struct rules_texts *texts, const char *path, const char *tenant,
                         struct fault *fault);
/* A rule of the database; one whose switch is off is disabled in its text as well. */
int rules_texts_add_stored(struct rules_texts *texts, const struct stored_rule *rule, struct fault *fault);

/* For rules_new(): an error line each, "rules.d/eu.json:12: /0/to/1: no destination or group ...". */
void rules_texts_mistake(void *arg, const struct rules_mistake *mistake);

#endif
