/*
 * rule_loader - the rules of files and of the database as what a service routes by, kept in step
 *
 * For struct service_part: what is loaded is a struct rulebook. The database counts its changes; that number
 * is looked at once a second, and what was loaded is old where it is another one. A service that starts waits
 * for PostgreSQL, because rules that it has not seen could have sent a distribution elsewhere.
 */
#ifndef DIST_RULE_LOADER_H
#define DIST_RULE_LOADER_H

#include <stdbool.h>
#include <stdint.h>
#include "catalog.h"
#include "fault.h"
#include "program.h"
#include "rulebook.h"
#include "rules.h"
#include "store.h"
#include "tool.h"

struct rule_loader {
    struct programs *programs; /* borrowed */
    struct store *store;       /* likewise; NULL: files alone */
    int64_t version;           /* of the database, when it was read or seen last */
    int64_t look_at_ms;
};
void rule_loader_init(struct rule_loader *loader, struct programs *programs, struct store *store);

/* The callbacks of the part; `loader` is its `arg`. */
void *rule_loader_load(void *loader, const struct tool *tool, const struct catalog *catalog,
                       struct fault *fault);
void rule_loader_release(void *book);
/* True once for each change. A database that cannot be asked has none. */
bool rule_loader_is_old(void *loader);

#endif
