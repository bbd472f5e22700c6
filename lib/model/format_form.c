/*
 * form: application/x-www-form-urlencoded, as browsers send it (WHATWG URL, section 5.2)
 *
 * An array repeats its name; anything deeper has no form of its own there and becomes JSON text, or is
 * refused.
 */
#include <string.h>
#include "format_parts.h"
#include "xalloc.h"

static const char *const nested_words[] = {"json", "refuse", NULL};

static int parse(struct format *format, const char *path, struct fault *fault)
{
    const char *nested = NULL;
    const struct json_field fields[] = {
        {.name = "nested", .kind = JSON_KIND_WORD, .target = &nested, .words = nested_words},
        {0},
    };
    if (format_fields(format, path, fields, fault))
        return -1;
    format->refuse_nested = nested && strcmp(nested, "refuse") == 0;
    return 0;
}

static int add_pair(struct writing *writing, const char *name, const json_t *value, const struct place *place,
                    struct fault *fault)
{
    struct buf *body = &writing->out->body, text;

    if (writing->format->refuse_nested && (json_is_object(value) || json_is_array(value)))
        return place_fail(place, fault, "a form has no place for an array or object here");
    if (body->len)
        buf_addc(body, '&');
    format_add_url(body, name, strlen(name), true);
    buf_addc(body, '=');
    if (json_is_string(value)) {
        format_add_url(body, json_string_value(value), json_string_length(value), true);
        return 0;
    }
    buf_init(&text, body->max);
    format_add_plain(&text, value);
    format_add_url(body, text.data, text.len, true);
    if (text.overflow)
        body->overflow = true;
    buf_release(&text);
    return 0;
}

static int write_form(struct writing *writing, struct fault *fault)
{
    const struct place top = {0};
    const char *name;
    json_t *value, *item;
    size_t index;

    if (!json_is_object(writing->value))
        return place_fail(&top, fault, "a form is made of an object, and this is none");
    json_object_foreach ((json_t *)writing->value, name, value) {
        const struct place place = {.up = &top, .name = name};
        if (!json_is_array(value)) {
            if (add_pair(writing, name, value, &place, fault))
                return -1;
            continue;
        }
        json_array_foreach (value, index, item) {
            const struct place element = {.up = &place, .index = index};
            if (add_pair(writing, name, item, &element, fault))
                return -1;
        }
    }
    writing->out->content_type = xstrdup("application/x-www-form-urlencoded");
    return 0;
}

const struct format_kind format_form = {
    .parse = parse,
    .write = write_form,
    .charsets = 1u << CHARSET_UTF8,
    .unencodable = UNENCODABLE_JSON, /* never met */
};
