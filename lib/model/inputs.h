/*
 * inputs - how a body becomes a JSON value before it is transformed: dist-transform(5), "input"
 *
 * A word ("json", "csv", "xml") or an object with its options:
 *
 *   {"type": "csv", "delimiter": ";", "header": false, "columns": ["id", "amount"], "charset": "iso-8859-1",
 *    "max_rows": 100000, "max_field": 65536}
 *   {"type": "xml", "arrays": ["line"], "namespaces": "strip", "root": "keep", "max_nodes": 100000}
 *
 * JSON and CSV are read here. XML is read by lib/wire/xml_read.h, which takes what struct input says of it.
 */
#ifndef DIST_INPUTS_H
#define DIST_INPUTS_H

#include <jansson.h>
#include "csv_read.h"
#include "fault.h"

enum input_type { INPUT_JSON, INPUT_CSV, INPUT_XML, INPUT_TYPE_COUNT };
extern const char *const input_type_names[INPUT_TYPE_COUNT + 1];

enum { INPUT_NODES_DEFAULT = 500000, INPUT_NAMES_MAX = 1000 };

struct input {
    enum input_type type;
    json_t *form;       /* as it was read; the strings below are borrowed from it */
    const char **names; /* csv: the columns; xml: "arrays" */
    size_t name_count;
    struct csv_reading csv;
    bool strip_namespaces; /* xml */
    bool keep_root;        /* xml */
    int64_t max_nodes;     /* xml */
};

/* `form` is borrowed for the call, `path` its JSON pointer. NULL, class INPUT. */
struct input *input_parse(const json_t *form, const char *path, struct fault *fault);
void input_free(struct input *input);
/* -1, class DENIED: a ceiling above its default, which in a tenant's own form nobody but the operator allows.
 */
int input_check_ceilings(const struct input *input, const char *path, struct fault *fault);
/* A body of type json or csv; the value is the caller's. NULL, class INPUT (BUG for xml, which is not read
 * here). */
json_t *input_read(const struct input *input, const char *text, size_t size, struct fault *fault);

#endif
