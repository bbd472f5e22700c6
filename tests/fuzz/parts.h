/*
 * parts - what fuzz targets share: an input of several texts, and what must hold
 *
 * An input is texts with line feeds between them, so that a corpus can be read and written by hand. Each is
 * copied into memory of its exact size: whoever reads behind its end is seen.
 */
#ifndef DIST_FUZZ_PARTS_H
#define DIST_FUZZ_PARTS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { PARTS_MAX = 4 };

struct parts {
    struct {
        char *text; /* no NUL behind it */
        size_t size;
    } items[PARTS_MAX];
};

/* The last of the `count` parts takes what is left; parts that are not there are empty. */
void parts_split(struct parts *parts, size_t count, const uint8_t *data, size_t size);
void parts_release(struct parts *parts);
/* One of them as JSON, the caller's, or NULL. */
json_t *parts_json(const struct parts *parts, size_t index);
/* One of them as a string, the caller's; cut at a NUL. */
char *parts_string(const struct parts *parts, size_t index);

/* An invariant: ends the process with what did not hold, which is a finding. */
#define HOLDS(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                   \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* A target; libFuzzer calls it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
