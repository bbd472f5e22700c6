/*
 * dead_call - which options of dist-dlq go with what
 */
#ifndef DIST_DEAD_CALL_H
#define DIST_DEAD_CALL_H

#include <stddef.h>
#include "dead_request.h"
#include "fault.h"
#include "tool.h"

/* USAGE, with the option by its name, where one is given that means nothing with this action, or for a file.
 * `operands`: ids, or "-", behind the action. */
int dead_call_check(const struct tool *tool, const struct dead_request *letters, size_t operands,
                    struct fault *fault);

#endif
