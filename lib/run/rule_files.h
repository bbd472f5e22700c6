/*
 * rule_files - texts of rules from files and from the database, as the sources of a set of rules
 */
#ifndef DIST_RULE_FILES_H
#define DIST_RULE_FILES_H

#include <stddef.h>
#include "fault.h"
#include "rules.h"
#include "store_rules.h"

enum { RULE_FILES_SIZE = 64 * 1024 * 1024 }; /* bytes of all texts of one list */

struct rule_files {
    struct rules_source *items; /* what they point to is the list's */
    size_t count, size;
};
void rule_files_release(struct rule_files *files);

/* One file, which messages call `origin`; its name without ".json" is that of a rule without one. Class INPUT
 * where it is no regular file or there is too much in all, else as in fdio.h. */
int rule_files_add(struct rule_files *files, const char *path, const char *origin, struct fault *fault);
/* What stands on standard input, called "stdin": its rules must name themselves. */
int rule_files_add_stdin(struct rule_files *files, struct fault *fault);
/* What was added last are rules of this tenant, whatever they say: see rules.h. */
void rule_files_set_tenant(struct rule_files *files, const char *tenant);
/* A rule of the database, called "database:tenant/name", or without its tenant; one whose switch is off is
 * disabled in its text as well. */
int rule_files_add_stored(struct rule_files *files, const struct stored_rule *rule, struct fault *fault);
/* All that `from` has goes to the end of `files`. */
void rule_files_move(struct rule_files *files, struct rule_files *from);
/* The *.json of a folder, called "rules.d/eu.json". Returns the mistakes, each of which goes to `mistake`. */
size_t rule_files_add_folder(struct rule_files *files, const char *folder,
                             void (*mistake)(void *arg, const char *text), void *arg);

/* A mistake as one line: "rules.d/eu.json:12: /0/match: text"; without a line where that says nothing, as of
 * what is in the database. The caller's. */
char *rule_files_mistake(const struct rules_mistake *mistake);

#endif
