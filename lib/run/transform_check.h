/*
 * transform_check - dist-transform --check and --test: renderings before they go live
 */
#ifndef DIST_TRANSFORM_CHECK_H
#define DIST_TRANSFORM_CHECK_H

#include <stdbool.h>
#include "fault.h"
#include "render.h"
#include "tool.h"

/*
 * The renderings in files of destinations or rules, or in destinations.d where there are none; with the
 * programs of transforms.d and the schemas of schemas.d. Every mistake has an error line, with file and line;
 * CONFIG where there was one. Prints how many are good.
 */
int transform_check_run(const struct tool *tool, struct render *render, char **files, int count,
                        struct fault *fault);

/*
 * Tests of renderings from files ("-": standard input): an array, or a line each, of
 *
 *   {"name": "disks as csv", "destination": "ops", "input": [{"disk": "sda"}], "expect": "disk\r\nsda\r\n"}
 *
 * "rendering" lies over the destination's, or stands alone; "body" is a text in the place of "input", which
 * is a value; "expect" is a text, or a value that is compared as JSON; "error" is a part of the reason in its
 * place. Compression is left out. Failed ones are printed, with `json` all of them. 0: all passed;
 * EXIT_REJECTED: some failed or were no tests; -1: a file or the configuration could not be read.
 */
int transform_test_run(const struct tool *tool, struct render *render, char **files, int count, bool json,
                       struct fault *fault);

#endif
