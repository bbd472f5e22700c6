/*
 * xml: the form of an input, and a document. What was read is JSON; where the format xml takes it, what it
 * writes is read as the same.
 */
#include <string.h>
#include "ceilings.h"
#include "formats.h"
#include "inputs.h"
#include "json.h"
#include "parts.h"
#include "text.h"
#include "xml_read.h"

enum { TEXT_MAX = 1 << 22 };

static void write_and_read(struct xml_reading reading, const json_t *value)
{
    json_t *form = json_string("xml");
    struct format *format = format_parse(form, "", NULL);
    struct formatted out;
    struct buf json;
    struct fault fault = {0};

    formatted_init(&out, TEXT_MAX);
    buf_init(&json, TEXT_MAX);
    /* Refused: a namespace that is no URI. */
    if (format_write(format, value, NULL, &out, NULL) == 0) {
        reading.keep_root = false;
        reading.max_depth++;
        reading.max_nodes += 2;
        HOLDS(xml_read(out.body.data, out.body.len, &reading, &json, &fault) == 0);
        json_t *again = json_read(json.data, json.len, &fault);
        HOLDS(again && json_equal(again, value));
        json_decref(again);
    }
    buf_release(&json);
    formatted_release(&out);
    format_free(format);
    json_decref(form);
}

static void check(const struct input *input, const char *text, size_t size)
{
    const struct xml_reading reading = {
        .arrays = input->names,
        .array_count = input->name_count,
        .strip_namespaces = input->strip_namespaces,
        .keep_root = input->keep_root,
        .max_nodes = input->max_nodes,
        .max_depth = LIMIT_JSON_DEPTH,
    };
    struct buf json;
    struct fault fault = {0};

    buf_init(&json, TEXT_MAX);
    const int result = xml_read(text, size, &reading, &json, &fault);
    HOLDS((result < 0) == (fault.text[0] != '\0') && text_is_utf8(fault.text, strlen(fault.text), NULL));
    HOLDS(result == 0 || json.len == 0);
    if (result == 0) {
        json_t *value = json_read(json.data, json.len, &fault);
        HOLDS(value);
        if (reading.keep_root)
            write_and_read(reading, value);
        json_decref(value);
    }
    buf_release(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parts parts;

    parts_split(&parts, 2, data, size);
    json_t *form = parts_json(&parts, 0);
    struct input *input = form ? input_parse(form, "/input", NULL) : NULL;
    if (input && input->type == INPUT_XML)
        check(input, parts.items[1].text, parts.items[1].size);
    input_free(input);
    json_decref(form);
    parts_release(&parts);
    return 0;
}
