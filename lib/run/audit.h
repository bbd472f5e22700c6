/*
 * audit - the conservation oracle: dist-admin audit
 *
 * Compares, without changing anything, what was accepted with what became of it in PostgreSQL
 * (store_audit()), and what is queued there with what Redis holds (queue_audit.h). Meant to be run at any
 * time, also under load: what is under way is no break. So an id that is in doubt is looked at again a moment
 * later, and counts if it is still in doubt.
 *
 * Blocking. Memory does not grow with the store or the queue.
 */
#ifndef DIST_AUDIT_H
#define DIST_AUDIT_H

#include <stdbool.h>
#include "fault.h"
#include "tool.h"

/* Of one tenant, or (NULL) of all. Prints each break as it is found, then the sums; with `json` an object
 * each. The exit code: 0, or 1 where there is a break; -1 with the fault. */
int audit_run(const struct tool *tool, const char *tenant_id, bool json, struct fault *fault);

#endif
