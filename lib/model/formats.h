/*
 * formats - from a JSON value to the bytes that a destination expects: dist-transform(5)
 *
 * A format is parsed once from its JSON form, a word ("csv") or an object ({"type": "csv", "delimiter":
 * ";"}), and used for any number of values. The same value in the same context always gives the same bytes: a
 * retry sends what the first attempt sent. Pure: no descriptor, no clock, no environment.
 *
 * Everything is bounded: the result by the ceiling that formatted_init() is given, depth by LIMIT_JSON_DEPTH,
 * the columns of a csv by FORMAT_COLUMNS_MAX. Time is linear in the value and the result.
 */
#ifndef DIST_FORMATS_H
#define DIST_FORMATS_H

#include <jansson.h>
#include <stddef.h>
#include "buf.h"
#include "fault.h"

enum format_type {
    FORMAT_TYPE_JSON,
    FORMAT_TYPE_NDJSON,
    FORMAT_TYPE_CSV,
    FORMAT_TYPE_XML,
    FORMAT_TYPE_FORM,
    FORMAT_TYPE_SOAP,
    FORMAT_TYPE_CLOUDEVENTS,
    FORMAT_TYPE_TEMPLATE,
    FORMAT_TYPE_COUNT
};
extern const char *const format_type_names[FORMAT_TYPE_COUNT + 1]; /* "json", "ndjson", ... */

enum {
    FORMAT_COLUMNS_MAX = 1000,
    FORMAT_TEMPLATE_MAX = 64 * 1024, /* bytes of a template's text */
    FORMAT_HEADERS_MAX = 40,         /* that a result brings along */
};

struct format;

/*
 * `form` is borrowed for the call; `path` is its JSON pointer ("/format"), for faults. NULL with the fault
 * set (class INPUT): an unknown type or member with the nearest known one, a value out of bounds, a template
 * or a path that cannot be read, a name that XML does not have.
 */
struct format *format_parse(const json_t *form, const char *path, struct fault *fault);
void format_free(struct format *format);
enum format_type format_type(const struct format *format);

/* What is known beside the value; all borrowed, any may be NULL. All of it is the same on every attempt. */
struct format_context {
    const char *tenant, *distribution, *destination, *data_type;
    const char *time; /* of the submission, RFC 3339 */
};

struct format_header {
    char *name, *value;
};

/* A result. The headers are those that belong to the format (SOAPAction, ce-id), without Content-Type. */
struct formatted {
    struct buf body;
    char *content_type;
    struct format_header headers[FORMAT_HEADERS_MAX];
    size_t header_count;
    size_t replaced; /* characters that the format or the charset cannot hold and that were replaced, as its
                        form allows */
};
void formatted_init(struct formatted *out, size_t max_bytes);
void formatted_release(struct formatted *out);

/*
 * Writes `value` (borrowed) into `out`, which is initialised and is emptied first. -1, class INPUT: the value
 * has not the shape that the format can write, with its JSON pointer ("/rows/3/name: ..."), or the result is
 * larger than the ceiling. `out` is empty then.
 */
int format_write(const struct format *format, const json_t *value, const struct format_context *context,
                 struct formatted *out, struct fault *fault);

#endif
