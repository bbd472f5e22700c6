/*
 * json and ndjson: the value as JSON text, and the elements of an array as a line each
 */
#include <string.h>
#include "format_parts.h"
#include "xalloc.h"

enum { INDENT_MAX = 8 };

static int json_parse(struct format *format, const char *path, struct fault *fault)
{
    const struct json_field fields[] = {
        {.name = "indent", .kind = JSON_KIND_INT, .target = &format->indent, .min = 0, .max = INDENT_MAX},
        {0},
    };
    return format_fields(format, path, fields, fault);
}

static void add_line(struct buf *out, int64_t blanks)
{
    buf_addf(out, "\n%*s", (int)blanks, "");
}

static void add_indented(struct buf *out, const json_t *value, int64_t indent, int64_t depth)
{
    const char *name;
    json_t *item;
    size_t index, count = 0;

    if (json_is_array(value) && json_array_size(value)) {
        json_array_foreach (value, index, item) {
            buf_addc(out, index ? ',' : '[');
            add_line(out, indent * (depth + 1));
            add_indented(out, item, indent, depth + 1);
        }
        add_line(out, indent * depth);
        buf_addc(out, ']');
    } else if (json_is_object(value) && json_object_size(value)) {
        json_object_foreach ((json_t *)value, name, item) {
            buf_addc(out, count++ ? ',' : '{');
            add_line(out, indent * (depth + 1));
            buf_add_json(out, name, strlen(name));
            buf_adds(out, ": ");
            add_indented(out, item, indent, depth + 1);
        }
        add_line(out, indent * depth);
        buf_addc(out, '}');
    } else {
        json_write(value, out);
    }
}

static int json_format(struct writing *writing, struct fault *fault)
{
    struct buf *body = &writing->out->body;

    (void)fault;
    if (writing->format->indent) {
        add_indented(body, writing->value, writing->format->indent, 0);
        buf_addc(body, '\n');
    } else {
        json_write(writing->value, body);
    }
    writing->out->content_type = xstrdup("application/json");
    return 0;
}

static int ndjson_parse(struct format *format, const char *path, struct fault *fault)
{
    static const struct json_field none[1];
    return format_fields(format, path, none, fault);
}

static int ndjson_format(struct writing *writing, struct fault *fault)
{
    struct buf *body = &writing->out->body;
    json_t *item;
    size_t index;

    (void)fault;
    if (json_is_array(writing->value)) {
        json_array_foreach (writing->value, index, item) {
            json_write(item, body);
            buf_addc(body, '\n');
        }
    } else {
        json_write(writing->value, body);
        buf_addc(body, '\n');
    }
    writing->out->content_type = xstrdup("application/x-ndjson");
    return 0;
}

const struct format_kind format_json = {
    .parse = json_parse,
    .write = json_format,
    .charsets = 1u << CHARSET_UTF8 | 1u << CHARSET_ASCII,
    .unencodable = UNENCODABLE_JSON,
};
const struct format_kind format_ndjson = {
    .parse = ndjson_parse,
    .write = ndjson_format,
    .charsets = 1u << CHARSET_UTF8 | 1u << CHARSET_ASCII,
    .unencodable = UNENCODABLE_JSON,
};
