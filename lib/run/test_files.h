/*
 * test_files - files of tests that users write: an array of them, or a line each
 */
#ifndef DIST_TEST_FILES_H
#define DIST_TEST_FILES_H

#include <jansson.h>
#include "fault.h"

/*
 * Calls `each` for every test of the file ("-": standard input), of at most LIMIT_CONFIG_FILE bytes, with its
 * place for messages ("tests.json: /3", "tests.ndjson:4"). `test` is borrowed; it is NULL for a line that is
 * no JSON, and the fault says why. What `each` returns other than 0 ends it. -1: the file cannot be read.
 */
int test_files_each(const char *path,
                    int (*each)(void *arg, const json_t *test, const char *place, const struct fault *why),
                    void *arg, struct fault *fault);

#endif
