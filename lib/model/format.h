/*
 * format - a value on its way into a format: what is known beside it, and what comes out; for formats.h
 */
#ifndef DIST_FORMAT_H
#define DIST_FORMAT_H

#include <stddef.h>
#include "buf.h"

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

#endif
