/*
 * rendering - how a body becomes what a destination expects: dist-transform(5)
 *
 *   {"input": "csv", "transform": "map(select(.used > \"90\"))", "format": {"type": "xml"}, "compress":
 * "gzip"}
 *
 * (and "schema": what is sent must fit it). The members stand in the form of a destination, or in the
 * "rendering" of a rule, whose members take the place of the destination's one by one. In this order they
 * apply: the input makes a value of the body, the program another value of it, the format bytes, and the
 * compression other bytes.
 *
 * Pure: what runs programs, reads XML and compresses is stage/render.h.
 */
#ifndef DIST_RENDERING_H
#define DIST_RENDERING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "fault.h"
#include "formats.h"
#include "inputs.h"

enum {
    RENDERING_PROGRAM_MAX = 256 * 1024, /* bytes of a program */
    RENDERING_FILE_MAX = 100,           /* bytes of the name of a program's file */
};

/* The formats that leave the bytes as they are. */
enum body_format { FORMAT_IDENTITY, FORMAT_RAW, FORMAT_JSON, FORMAT_COUNT };
extern const char *const body_format_names[FORMAT_COUNT + 1]; /* "identity", "raw", "json" */

struct rendering {
    json_t *form;                           /* the members alone; the strings below borrow from it */
    struct input *inputs[INPUT_TYPE_COUNT]; /* those that may be: one where "input" says which */
    bool own_input;                         /* "input" is there */
    const char *program;                    /* its text; or */
    const char *program_file;               /* its name in transforms.d; both NULL: none */
    bool many_results;                      /* they become an array; else the program gives exactly one */
    enum body_format plain;                 /* where `format` is NULL */
    struct format *format;
    bool gzip;
    const char *schema; /* the name of one that what is sent must fit, or NULL */
};

/*
 * The members of `form` (borrowed) that are a rendering's; others are unknown, unless `of_destination`: then
 * they are passed over, for form.h reads them. `path` is the form's JSON pointer. NULL, class INPUT: the
 * first mistake.
 */
struct rendering *rendering_parse(const json_t *form, const char *path, bool of_destination,
                                  struct fault *fault);
void rendering_free(struct rendering *rendering);

/* Every mistake of such an object, each a fault with its pointer in front; their number. */
size_t rendering_check(const json_t *form, const char *path, bool of_destination,
                       void (*report)(void *arg, const struct fault *fault), void *arg);

/*
 * The destination's with `over` (as rendering_parse() takes it) in front of it, member by member; a null
 * takes the destination's away, and a "format" its "charset" with it. NULL, class INPUT, with pointers that
 * begin with "/rendering".
 */
struct rendering *rendering_merge(const struct rendering *destination, const json_t *over,
                                  struct fault *fault);

/* The body goes as it came, unseen: no program, no input, no compression, no schema, and identity, raw or
 * json. */
bool rendering_is_plain(const struct rendering *rendering);
/* A value is made of the body on its way: by an input, for a program or a format. */
bool rendering_needs_value(const struct rendering *rendering);
/* How a body of that type is read. */
const struct input *rendering_input(const struct rendering *rendering, const char *content_type);

#endif
