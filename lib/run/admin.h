/*
 * admin - the work of dist-admin, one function per subcommand
 *
 * Each returns the exit code or -1 with the fault. Output is a table, or NDJSON with `json`.
 */
#ifndef DIST_ADMIN_H
#define DIST_ADMIN_H

#include <stdbool.h>
#include "fault.h"
#include "tool.h"

/* The configuration folder and what belongs into it, as far as it is missing. Needs no server. */
int admin_folders(const struct tool *tool, struct fault *fault);
/* The schema's missing migrations. */
int admin_migrate(const struct tool *tool, struct fault *fault);

int admin_tenant_add(const struct tool *tool, const char *tenant_id, const char *name, struct fault *fault);
int admin_tenant_disable(const struct tool *tool, const char *tenant_id, bool disabled, struct fault *fault);
int admin_tenant_list(const struct tool *tool, bool json, struct fault *fault);

int admin_destination_list(const struct tool *tool, bool json, struct fault *fault);
/* Forms, credentials and commands of all destinations, or of those named, groups too: every mistake, then 78.
 */
int admin_destination_check(const struct tool *tool, char **names, int count, struct fault *fault);
/*
 * The same, and each is connected to, by the networks that this tenant may have (NULL: that all may who are
 * not named); a row for each. 78 where one has a mistake, 69 where none can be reached, 1 where some cannot.
 */
int admin_destination_reach(const struct tool *tool, char **names, int count, const char *tenant, bool json,
                            struct fault *fault);
/* A form of this protocol to start with, to standard output; its members are explained on standard error. */
int admin_destination_new(const struct tool *tool, const char *protocol, struct fault *fault);

/* Lifts the hold of one that said to be gone, by the name that dist-status shows. INPUT where it has none. */
int admin_destination_resume(const struct tool *tool, const char *name, struct fault *fault);

/* The settings in force, their origins; tool_begin() has checked dist.conf and the environment already. */
int admin_config(const struct tool *tool, bool json, struct fault *fault);
/* Everything that can be checked without a server: settings, destinations, schemas and rules. */
int admin_config_check(const struct tool *tool, struct fault *fault);

/* Reaches every server: versions, schema, clock skew, Redis settings that lose entries. 69 where one is away.
 */
int admin_doctor(const struct tool *tool, struct fault *fault);

#endif
