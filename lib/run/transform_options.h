/*
 * transform_options - a rendering from the command line of dist-transform
 */
#ifndef DIST_TRANSFORM_OPTIONS_H
#define DIST_TRANSFORM_OPTIONS_H

#include <jansson.h>
#include "fault.h"
#include "render.h"

/* As they were given; NULL where one was not. */
struct transform_options {
    const char *input, *format;         /* words, or objects as JSON text */
    const char *program, *program_file; /* a jq program, or the path of one */
};

/* The members of a rendering, the caller's reference; NULL where there was no option. -1, class USAGE: the
 * option that is wrong; INPUT and SYSTEM of a file that cannot be read. */
int transform_options_read(const struct transform_options *options, struct render *render, json_t **rendering,
                           struct fault *fault);

#endif
