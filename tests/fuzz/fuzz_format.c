/*
 * format: the form of a format, and a value. It is written the same each time, within its ceiling, and is
 * what its type says: JSON, rows that the CSV reader takes, a document that the XML reader takes.
 */
#include <ctype.h>
#include <string.h>
#include "ceilings.h"
#include "csv_read.h"
#include "formats.h"
#include "json.h"
#include "parts.h"
#include "text.h"
#include "xml_read.h"

enum { OUTPUT_MAX = 256 * 1024, JSON_MAX = 4 * OUTPUT_MAX };

static const struct format_context context = {
    .tenant = "acme",
    .distribution = "0190a0b0-0000-7000-8000-000000000001",
    .destination = "hook",
    .data_type = "report",
    .time = "2024-01-15T10:00:00Z",
};

typedef void check_function(const json_t *form, const json_t *value, const struct buf *body);

static void check_json(const json_t *form, const json_t *value, const struct buf *body)
{
    json_t *again = json_read(body->data, body->len, NULL);

    (void)form;
    HOLDS(again && json_equal(again, value));
    json_decref(again);
}

static void check_lines(const json_t *form, const json_t *value, const struct buf *body)
{
    (void)form;
    (void)value;
    for (size_t at = 0; at < body->len;) {
        const char *end = memchr(body->data + at, '\n', body->len - at);
        HOLDS(end);
        HOLDS(json_check(body->data + at, (size_t)(end - body->data) - at, NULL, NULL) == 0);
        at = (size_t)(end - body->data) + 1;
    }
}

/* With columns all rows have as many fields. */
static void check_csv(const json_t *form, const json_t *value, const struct buf *body)
{
    const char *delimiter = json_string_value(json_object_get(form, "delimiter"));
    const char *charset = json_string_value(json_object_get(form, "charset"));
    const struct csv_reading reading = {
        .delimiter = delimiter ? *delimiter : ',',
        .latin1 = charset && strcasecmp(charset, "iso-8859-1") == 0,
        .max_rows = CSV_ROWS_DEFAULT,
        .max_field = OUTPUT_MAX,
    };

    (void)value;
    if (!json_object_get(form, "columns"))
        return;
    json_t *rows = csv_read(body->data, body->len, &reading, NULL);
    HOLDS(rows);
    json_decref(rows);
}

static void check_xml(const json_t *form, const json_t *value, const struct buf *body)
{
    const struct xml_reading reading = {.max_nodes = OUTPUT_MAX, .max_depth = 4 * LIMIT_JSON_DEPTH};
    struct buf json;
    struct fault fault = {0};

    (void)form;
    (void)value;
    buf_init(&json, JSON_MAX);
    HOLDS(xml_read(body->data, body->len, &reading, &json, &fault) == 0);
    buf_release(&json);
}

static void check_urlencoded(const json_t *form, const json_t *value, const struct buf *body)
{
    (void)form;
    (void)value;
    for (size_t i = 0; i < body->len; i++)
        HOLDS(isalnum((unsigned char)body->data[i]) || strchr("*-._+%=&", body->data[i]));
}

static void check_event(const json_t *form, const json_t *value, const struct buf *body)
{
    json_t *event = json_read(body->data, body->len, NULL);
    const char *mode = json_string_value(json_object_get(form, "mode"));

    HOLDS(event);
    if (mode && strcasecmp(mode, "binary") == 0)
        HOLDS(json_equal(event, value));
    else
        HOLDS(json_equal(json_object_get(event, "data"), value));
    json_decref(event);
}

static void check_nothing(const json_t *form, const json_t *value, const struct buf *body)
{
    (void)form;
    (void)value;
    (void)body;
}

static check_function *const checks[FORMAT_TYPE_COUNT] = {
    [FORMAT_TYPE_JSON] = check_json,         [FORMAT_TYPE_NDJSON] = check_lines,
    [FORMAT_TYPE_CSV] = check_csv,           [FORMAT_TYPE_XML] = check_xml,
    [FORMAT_TYPE_FORM] = check_urlencoded,   [FORMAT_TYPE_SOAP] = check_xml,
    [FORMAT_TYPE_CLOUDEVENTS] = check_event, [FORMAT_TYPE_TEMPLATE] = check_nothing,
};

static void check_headers(const struct formatted *out)
{
    HOLDS(out->content_type && !strpbrk(out->content_type, "\r\n"));
    for (size_t i = 0; i < out->header_count; i++)
        HOLDS(!strpbrk(out->headers[i].name, "\r\n: ") && !strpbrk(out->headers[i].value, "\r\n"));
}

/*
 * A ceiling that is one byte short is told, and nothing of the result stays. What is in another charset was
 * longer as UTF-8, and may be refused for that.
 */
static void check_ceiling(const struct format *format, const json_t *form, const json_t *value,
                          const struct formatted *whole)
{
    struct formatted out;
    struct fault fault = {0};

    formatted_init(&out, whole->body.len);
    const int result = format_write(format, value, &context, &out, &fault);
    HOLDS(result == 0 || json_object_get(form, "charset"));
    if (result == 0)
        HOLDS(out.body.len == whole->body.len && memcmp(out.body.data, whole->body.data, out.body.len) == 0);
    formatted_release(&out);
    if (whole->body.len == 0)
        return;
    formatted_init(&out, whole->body.len - 1);
    HOLDS(format_write(format, value, &context, &out, &fault) < 0 && fault.text[0] && out.body.len == 0);
    formatted_release(&out);
}

static void check(const struct format *format, const json_t *form, const json_t *value)
{
    struct formatted out;
    struct fault fault = {0};

    formatted_init(&out, OUTPUT_MAX);
    if (format_write(format, value, &context, &out, &fault)) {
        HOLDS(fault.text[0] && fault.class == FAULT_INPUT && out.body.len == 0);
        HOLDS(text_is_utf8(fault.text, strlen(fault.text), NULL));
    } else {
        check_headers(&out);
        check_ceiling(format, form, value, &out);
        checks[format_type(format)](form, value, &out.body);
    }
    formatted_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parts parts;
    struct fault fault = {0};

    parts_split(&parts, 2, data, size);
    json_t *form = parts_json(&parts, 0), *value = parts_json(&parts, 1);
    struct format *format = form ? format_parse(form, "/format", &fault) : NULL;
    HOLDS(!form || (format == NULL) == (fault.text[0] != '\0'));
    HOLDS(text_is_utf8(fault.text, strlen(fault.text), NULL));
    if (format && value)
        check(format, form, value);
    format_free(format);
    json_decref(form);
    json_decref(value);
    parts_release(&parts);
    return 0;
}
