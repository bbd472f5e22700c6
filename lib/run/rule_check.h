/*
 * rule_check - dist-route --check and --test: rules before they go live
 */
#ifndef DIST_RULE_CHECK_H
#define DIST_RULE_CHECK_H

#include <stdbool.h>
#include "fault.h"
#include "program.h"
#include "tool.h"

/*
 * The files together as one set, or rules.d where there are none; with the destinations of the configuration.
 * Every mistake has an error line; CONFIG where there was one. Prints how many rules are good.
 */
int rule_check_run(const struct tool *tool, struct programs *programs, char **files, int count, bool json,
                   struct fault *fault);

/*
 * Tests of the rules of the configuration from files ("-": standard input): an array, or a line each, of
 *
 *   {"name": "eu goes to g", "request": {...}, "expect": ["g"], "rules": ["eu"]}
 *
 * "request" is a distribution request of which the payload ({}), data_type ("test"), destinations and tenant
 * may be left out; "expect" names the targets that are not dead, in any order; "rules", where it is there,
 * all rules that match. Failed ones are printed, with `json` all of them. 0: all passed; EXIT_REJECTED: some
 * failed or were no tests; -1: a file or the configuration could not be read.
 */
int rule_test_run(const struct tool *tool, struct programs *programs, char **files, int count, bool json,
                  struct fault *fault);

#endif
