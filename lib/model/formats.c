/*
 * formats - the table of formats, what they have in common, and charsets
 *
 * Every writer writes UTF-8; a charset is made of the whole body afterwards, so that no writer knows of it.
 * Hard rule: what leaves here is whole and in its charset, or it is a fault and nothing leaves.
 */
#include "formats.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "format_parts.h"
#include "status.h"
#include "text.h"
#include "utf8.h"
#include "xalloc.h"

const char *const format_type_names[] = {"json", "ndjson",      "csv",      "xml", "form",
                                         "soap", "cloudevents", "template", NULL};

static const struct format_kind *const kinds[FORMAT_TYPE_COUNT] = {
    [FORMAT_TYPE_JSON] = &format_json,
    [FORMAT_TYPE_NDJSON] = &format_ndjson,
    [FORMAT_TYPE_CSV] = &format_csv,
    [FORMAT_TYPE_XML] = &format_xml,
    [FORMAT_TYPE_FORM] = &format_form,
    [FORMAT_TYPE_SOAP] = &format_soap,
    [FORMAT_TYPE_CLOUDEVENTS] = &format_cloudevents,
    [FORMAT_TYPE_TEMPLATE] = &format_template,
};

static const char *const charset_names[] = {"utf-8", "iso-8859-1", "us-ascii", NULL};
static const uint32_t charset_last[] = {0x10ffff, 0xff, 0x7f};
static const char *const unencodable_words[] = {"refuse", "replace", NULL};

const char *format_charset_name(const struct format *format)
{
    return charset_names[format->charset];
}

enum format_type format_type(const struct format *format)
{
    return format->type;
}

/* --- the form ------------------------------------------------------------------------------------------ */

int format_fields(struct format *format, const char *path, const struct json_field *fields,
                  struct fault *fault)
{
    const struct format_kind *kind = kinds[format->type];
    const char *charset = NULL, *unencodable = NULL;
    const struct json_field common[] = {
        {.name = "type", .kind = JSON_KIND_IGNORED},
        {.name = "charset", .kind = JSON_KIND_WORD, .target = &charset, .words = charset_names},
        {.name = kind->unencodable == UNENCODABLE_BY_FORM ? "unencodable" : NULL,
         .kind = JSON_KIND_WORD,
         .target = &unencodable,
         .words = unencodable_words},
        {0},
    };
    struct json_field all[FORMAT_FIELDS + 1] = {0};
    size_t count = 0;

    while (fields[count].name) {
        all[count] = fields[count];
        count++;
    }
    for (size_t i = 0; common[i].name; i++)
        all[count++] = common[i];
    if (json_fields(format->form, path, all, fault))
        return -1;
    if (charset)
        format->charset = (enum charset)status_index(charset_names, charset);
    format->replace = unencodable && strcmp(unencodable, "replace") == 0;
    if (!(kind->charsets & 1u << format->charset))
        return fault_set(fault, FAULT_INPUT, "%s/charset: %s is always utf-8%s", path,
                         format_type_names[format->type],
                         kind->charsets & 1u << CHARSET_ASCII ? ", or us-ascii with escapes" : "");
    return 0;
}

static int fail_type(const char *path, const json_t *form, struct fault *fault)
{
    const json_t *type = json_is_object(form) ? json_object_get(form, "type") : form;
    char cut[40];

    if (!json_is_string(type))
        return fault_set(fault, FAULT_INPUT,
                         "%s: the name of a format is wanted, or an object with its 'type'", path);
    text_copy(cut, sizeof cut, json_string_value(type));
    const char *nearest = text_nearest(cut, format_type_names, FORMAT_TYPE_COUNT);
    return fault_set(fault, FAULT_INPUT, "%s%s: there is no format '%s'%s%s%s", path,
                     json_is_object(form) ? "/type" : "", text_printable(cut),
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

struct format *format_parse(const json_t *form, const char *path, struct fault *fault)
{
    const char *type = json_string_value(json_is_object(form) ? json_object_get(form, "type") : form);
    int index = type ? status_index(format_type_names, type) : -1;
    if (index < 0) {
        fail_type(path, form, fault);
        return NULL;
    }
    struct format *format = xcalloc(1, sizeof *format);
    format->type = (enum format_type)index;
    format->form = json_is_object(form) ? json_deep_copy(form) : json_object();
    if (!format->form)
        abort(); /* jansson is out of memory, as in xalloc */
    if (kinds[format->type]->parse(format, path, fault)) {
        format_free(format);
        return NULL;
    }
    return format;
}

void format_free(struct format *format)
{
    if (!format)
        return;
    if (kinds[format->type]->release)
        kinds[format->type]->release(format);
    json_decref(format->form);
    free(format);
}

/* --- results ------------------------------------------------------------------------------------------- */

void formatted_init(struct formatted *out, size_t max_bytes)
{
    *out = (struct formatted){0};
    buf_init(&out->body, max_bytes);
}

void formatted_release(struct formatted *out)
{
    buf_release(&out->body);
    free(out->content_type);
    for (size_t i = 0; i < out->header_count; i++) {
        free(out->headers[i].name);
        free(out->headers[i].value);
    }
    formatted_init(out, out->body.max);
}

int format_add_header(struct formatted *out, const char *name, char *value, struct fault *fault)
{
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            free(value);
            return fault_set(fault, FAULT_INPUT, "a control character does not belong into the header %s",
                             name);
        }
    }
    if (out->header_count == FORMAT_HEADERS_MAX) {
        free(value);
        return fault_set(fault, FAULT_INPUT, "more than %d headers", FORMAT_HEADERS_MAX);
    }
    out->headers[out->header_count++] = (struct format_header){xstrdup(name), value};
    return 0;
}

/* --- charsets ------------------------------------------------------------------------------------------ */

static void add_json_units(struct buf *out, uint32_t point)
{
    if (point < 0x10000) {
        buf_addf(out, "\\u%04x", (unsigned)point);
        return;
    }
    point -= 0x10000;
    buf_addf(out, "\\u%04x\\u%04x", 0xd800 + (unsigned)(point >> 10), 0xdc00 + (unsigned)(point & 0x3ff));
}

static int add_unencodable(const struct format *format, uint32_t point, struct buf *out, size_t *replaced,
                           struct fault *fault)
{
    const enum unencodable way = kinds[format->type]->unencodable;

    if (way == UNENCODABLE_JSON) {
        add_json_units(out, point);
    } else if (way == UNENCODABLE_XML) {
        buf_addf(out, "&#%u;", (unsigned)point);
    } else if (format->replace) {
        buf_addc(out, '?');
        (*replaced)++;
    } else {
        return fault_set(
            fault, FAULT_INPUT,
            "the character U+%04X is not in %s; \"unencodable\": \"replace\" would make it a '?'",
            (unsigned)point, format_charset_name(format));
    }
    return 0;
}

/* All writers write UTF-8, so every step has a length. */
static int encode(const struct format *format, const struct buf *from, struct buf *to, size_t *replaced,
                  struct fault *fault)
{
    const uint32_t last = charset_last[format->charset];

    for (size_t at = 0; at < from->len && !to->overflow;) {
        uint32_t point;
        size_t length = utf8_decode(from->data + at, from->len - at, &point);
        if (length == 0)
            return fault_set(fault, FAULT_BUG, "a format wrote what is not UTF-8");
        at += length;
        if (point <= last)
            buf_addc(to, (char)(unsigned char)point);
        else if (add_unencodable(format, point, to, replaced, fault))
            return -1;
    }
    return 0;
}

static int convert(const struct format *format, struct formatted *out, struct fault *fault)
{
    struct buf converted;

    if (format->charset == CHARSET_UTF8)
        return 0;
    buf_init(&converted, out->body.max);
    if (encode(format, &out->body, &converted, &out->replaced, fault)) {
        buf_release(&converted);
        return -1;
    }
    buf_release(&out->body);
    out->body = converted;
    return 0;
}

int format_write(const struct format *format, const json_t *value, const struct format_context *context,
                 struct formatted *out, struct fault *fault)
{
    static const struct format_context nothing;
    struct writing writing = {format, value, context ? context : &nothing, out};

    formatted_release(out);
    int result = kinds[format->type]->write(&writing, fault);
    if (result == 0 && !out->body.overflow)
        result = convert(format, out, fault);
    if (result == 0 && out->body.overflow)
        result = fault_set(fault, FAULT_INPUT, "the result as %s is larger than %zu bytes",
                           format_type_names[format->type], out->body.max);
    if (result)
        formatted_release(out);
    return result;
}

/* --- pieces of bodies ---------------------------------------------------------------------------------- */

void format_add_plain(struct buf *out, const json_t *value)
{
    if (json_is_string(value))
        buf_add(out, json_string_value(value), json_string_length(value));
    else if (value && !json_is_null(value))
        json_write(value, out);
}

void format_add_url(struct buf *out, const char *text, size_t size, bool plus)
{
    for (size_t i = 0; i < size && !out->overflow; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x80 && isalnum(c)) || c == '-' || c == '.' || c == '_' || c == (plus ? '*' : '~'))
            buf_addc(out, (char)c);
        else if (c == ' ' && plus)
            buf_addc(out, '+');
        else
            buf_addf(out, "%%%02X", (unsigned)c);
    }
}
