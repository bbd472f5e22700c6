/*
 * xml: elements, attributes and texts, well-formed (XML 1.0, Namespaces in XML 1.0) for any value
 *
 *   {"order": {"@id": 7, "#text": "x", "line": [1, 2]}}   <order id="7">x<line>1</line><line>2</line></order>
 *
 * A member is an element, one that begins with '@' an attribute, "#text" the text; an array repeats its
 * element, an array in an array has elements by the form's "item". Hard rule: no name and no character goes
 * out that a parser would refuse. What cannot go is refused with its place, or replaced where the form says
 * so.
 */
#include <stdlib.h>
#include <string.h>
#include "ceilings.h"
#include "format_parts.h"
#include "strmap.h"
#include "utf8.h"
#include "xalloc.h"
#include "xml_names.h"

enum {
    INDENT_MAX = 8,
    NAME_MAX = 1000, /* bytes of a name */
    DEPTH_MAX = 2 * LIMIT_JSON_DEPTH,
    NAMESPACES_MAX = 50,
};

static const char xml_uri[] = "http://www.w3.org/XML/1998/namespace";
static const char xmlns_uri[] = "http://www.w3.org/2000/xmlns/";
static const char soap11_uri[] = "http://schemas.xmlsoap.org/soap/envelope/";
static const char soap12_uri[] = "http://www.w3.org/2003/05/soap-envelope";
static const uint32_t name_last[CHARSET_COUNT] = {0x10ffff, 0xff, 0x7f};

static const char *const bad_name_words[] = {"refuse", "map", NULL};
static const char *const control_words[] = {"refuse", "replace", NULL};

const char *format_soap_uri(const struct format *format)
{
    return format->soap.is_12 ? soap12_uri : soap11_uri;
}

/* An element while it is written: who declares what. */
struct element {
    const struct element *up;
    const json_t *object; /* its value where that is an object */
};

/* --- the form ------------------------------------------------------------------------------------------ */

size_t format_xml_fields(struct format *format, struct json_field *out)
{
    struct xml_format *xml = &format->xml;
    const struct json_field fields[] = {
        {.name = "root", .kind = JSON_KIND_STRING, .target = &xml->root, .min = 1, .max = NAME_MAX},
        {.name = "item", .kind = JSON_KIND_STRING, .target = &xml->item, .min = 1, .max = NAME_MAX},
        {.name = "namespaces", .kind = JSON_KIND_STRINGS, .target = &xml->namespaces},
        {.name = "indent", .kind = JSON_KIND_INT, .target = &xml->indent, .min = 0, .max = INDENT_MAX},
        {.name = "declaration", .kind = JSON_KIND_BOOL, .target = &xml->declaration},
        {.name = "invalid_names", .kind = JSON_KIND_WORD, .target = &xml->bad_names, .words = bad_name_words},
        {.name = "control_characters",
         .kind = JSON_KIND_WORD,
         .target = &xml->controls,
         .words = control_words},
        {0},
    };
    const size_t count = sizeof fields / sizeof *fields;

    xml->root = "report";
    xml->item = "item";
    xml->declaration = true;
    memcpy(out, fields, sizeof fields);
    return count - 1;
}

static int check_namespaces(const struct format *format, const char *path, struct fault *fault)
{
    const char *prefix, *why = NULL;
    json_t *value;

    if (json_object_size(format->xml.namespaces) > NAMESPACES_MAX)
        return fault_set(fault, FAULT_INPUT, "%s/namespaces: at most %d", path, NAMESPACES_MAX);
    json_object_foreach (format->xml.namespaces, prefix, value) {
        const char *uri = json_string_value(value);
        if (*prefix && !xml_is_ncname(prefix, strlen(prefix), name_last[format->charset]))
            why = "this is no prefix";
        else if (strcmp(prefix, "xml") == 0 || strcmp(prefix, "xmlns") == 0 || strcmp(uri, xml_uri) == 0 ||
                 strcmp(uri, xmlns_uri) == 0)
            why = "XML keeps this one for itself";
        else if (format->type == FORMAT_TYPE_SOAP && strcmp(prefix, "soap") == 0)
            why = "this prefix is the envelope's";
        else if (!xml_is_uri(uri))
            why = "a URI is wanted";
        if (why)
            return fault_set(fault, FAULT_INPUT, "%s/namespaces/%.60s: %s", path, prefix, why);
    }
    return 0;
}

static bool name_fits(const struct format *format, const struct element *element, const char *name,
                      bool is_attribute);

int format_xml_check(struct format *format, const char *path, struct fault *fault)
{
    struct xml_format *xml = &format->xml;

    xml->map_names = xml->bad_names && strcmp(xml->bad_names, "map") == 0;
    xml->map_controls = xml->controls && strcmp(xml->controls, "replace") == 0;
    if (check_namespaces(format, path, fault))
        return -1;
    if (!name_fits(format, NULL, xml->root, false))
        return fault_set(fault, FAULT_INPUT, "%s/root: this is no name of an element", path);
    if (!name_fits(format, NULL, xml->item, false))
        return fault_set(fault, FAULT_INPUT, "%s/item: this is no name of an element", path);
    if (!xml->declaration && format->charset == CHARSET_LATIN1)
        return fault_set(fault, FAULT_INPUT, "%s/declaration: without one a parser takes it for utf-8", path);
    return 0;
}

static int parse(struct format *format, const char *path, struct fault *fault)
{
    struct json_field fields[FORMAT_FIELDS];

    format_xml_fields(format, fields);
    return format_fields(format, path, fields, fault) || format_xml_check(format, path, fault) ? -1 : 0;
}

/* --- names --------------------------------------------------------------------------------------------- */

/* The namespace of a prefix where it is used, or NULL. */
static const char *prefix_uri(const struct format *format, const struct element *element, const char *prefix,
                              size_t size, bool is_attribute)
{
    char key[NAME_MAX + sizeof "@xmlns:"];

    snprintf(key, sizeof key, "@xmlns:%.*s", (int)size, prefix);
    const char *name = key + strlen("@xmlns:");
    if (strcmp(name, "xml") == 0)
        return xml_uri;
    if (strcmp(name, "xmlns") == 0)
        return is_attribute ? xmlns_uri : NULL;
    for (; element; element = element->up) {
        const char *uri = json_string_value(json_object_get(element->object, key));
        if (uri)
            return uri;
    }
    if (format->type == FORMAT_TYPE_SOAP && strcmp(name, "soap") == 0)
        return format_soap_uri(format);
    return json_string_value(json_object_get(format->xml.namespaces, name));
}

static bool name_fits(const struct format *format, const struct element *element, const char *name,
                      bool is_attribute)
{
    const uint32_t last = name_last[format->charset];
    const char *colon = strchr(name, ':');

    if (!colon)
        return xml_is_ncname(name, strlen(name), last);
    return xml_is_ncname(name, (size_t)(colon - name), last) &&
           xml_is_ncname(colon + 1, strlen(colon + 1), last) &&
           prefix_uri(format, element, name, (size_t)(colon - name), is_attribute);
}

/* What XML does not take in a name becomes '_', and so does the colon of a prefix that nobody declares. */
static char *map_name(const struct format *format, const char *name)
{
    const size_t size = strlen(name);
    struct buf mapped;
    uint32_t point;

    buf_init(&mapped, size + 1);
    for (size_t at = 0, length; at < size; at += length) {
        length = utf8_decode(name + at, size - at, &point);
        if (length == 0)
            break;
        bool fits = point <= name_last[format->charset] && xml_is_name_char(point);
        if (at == 0 && fits && !xml_is_name_start(point))
            buf_addc(&mapped, '_');
        if (fits)
            buf_add(&mapped, name + at, length);
        else
            buf_addc(&mapped, '_');
    }
    if (mapped.len == 0)
        buf_addc(&mapped, '_');
    return buf_steal(&mapped, NULL);
}

/* The name as it goes out, or NULL. *mapped is the caller's to free. */
static const char *find_name(struct writing *writing, const struct element *element, const char *name,
                             bool is_attribute, const struct place *place, char **mapped, struct fault *fault)
{
    *mapped = NULL;
    if (strlen(name) > NAME_MAX) {
        place_fail(place, fault, "a name in XML has at most %d bytes", NAME_MAX);
        return NULL;
    }
    if (name_fits(writing->format, element, name, is_attribute))
        return name;
    if (!writing->format->xml.map_names) {
        place_fail(place, fault, "'%.60s' is no name in XML%s", name,
                   strchr(name, ':') ? ", or its prefix is not declared" : "");
        return NULL;
    }
    return *mapped = map_name(writing->format, name);
}

/* --- texts --------------------------------------------------------------------------------------------- */

static const char *reference(char c, bool is_attribute)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '\r': /* a parser makes a line feed of it */
        return "&#13;";
    case '"':
        return is_attribute ? "&quot;" : NULL;
    case '\t':
        return is_attribute ? "&#9;" : NULL;
    case '\n':
        return is_attribute ? "&#10;" : NULL;
    default:
        return NULL;
    }
}

static int add_text(struct writing *writing, const char *text, size_t size, bool is_attribute,
                    const struct place *place, struct fault *fault)
{
    struct buf *out = &writing->out->body;
    uint32_t point;

    for (size_t at = 0, length; at < size && !out->overflow; at += length) {
        const char *as = reference(text[at], is_attribute);
        length = utf8_decode(text + at, size - at, &point);
        if (as) {
            buf_adds(out, as);
        } else if (length && xml_is_char(point)) {
            buf_add(out, text + at, length);
        } else if (writing->format->xml.map_controls) {
            buf_adds(out, "\xef\xbf\xbd");
            writing->out->replaced++;
            length += length == 0;
        } else {
            return place_fail(place, fault, "XML has no place for the character U+%04X", (unsigned)point);
        }
    }
    return 0;
}

static int add_scalar(struct writing *writing, const json_t *value, bool is_attribute,
                      const struct place *place, struct fault *fault)
{
    if (json_is_string(value))
        return add_text(writing, json_string_value(value), json_string_length(value), is_attribute, place,
                        fault);
    format_add_plain(&writing->out->body, value);
    return 0;
}

/* --- attributes ---------------------------------------------------------------------------------------- */

static bool is_attribute_name(const char *name)
{
    return name[0] == '@';
}

static int check_declaration(const char *name, const json_t *value, const struct place *place,
                             struct fault *fault)
{
    const char *uri = json_string_value(value), *prefix;

    if (strcmp(name, "xmlns") != 0 && strncmp(name, "xmlns:", 6) != 0)
        return 0;
    prefix = name[5] ? name + 6 : NULL;
    /* xmlns="" takes the default namespace back. */
    if (!uri || ((prefix || *uri) && !xml_is_uri(uri)))
        return place_fail(place, fault, "the URI of a namespace is wanted");
    if (strcmp(uri, xml_uri) == 0 || strcmp(uri, xmlns_uri) == 0 ||
        (prefix && (strcmp(prefix, "xml") == 0 || strcmp(prefix, "xmlns") == 0)))
        return place_fail(place, fault, "XML keeps this namespace for itself");
    return 0;
}

/* An element has an attribute once, by its namespace and name: two prefixes may mean the same. */
static int claim_name(struct writing *writing, const struct element *element, const char *name,
                      struct strmap *taken, const struct place *place, struct fault *fault)
{
    const char *colon = strchr(name, ':');
    const char *uri = colon ? prefix_uri(writing->format, element, name, (size_t)(colon - name), true) : NULL;
    char *expanded = xasprintf("%s %s", uri ? uri : "", colon ? colon + 1 : name);
    bool there = strmap_put(taken, expanded, taken) != NULL;

    free(expanded);
    return there ? place_fail(place, fault, "the element has another attribute '%.60s'", name) : 0;
}

static int write_attribute(struct writing *writing, const struct element *element, const char *key,
                           const json_t *value, struct strmap *taken, const struct place *place,
                           struct fault *fault)
{
    struct buf *out = &writing->out->body;
    char *mapped;

    if (json_is_object(value) || json_is_array(value))
        return place_fail(place, fault, "an attribute is a text or a number, no array or object");
    const char *name = find_name(writing, element, key + 1, true, place, &mapped, fault);
    int result = name ? 0 : -1;
    if (result == 0)
        result = check_declaration(name, value, place, fault);
    if (result == 0)
        result = claim_name(writing, element, name, taken, place, fault);
    if (result == 0) {
        buf_addf(out, " %s=\"", name);
        result = add_scalar(writing, value, true, place, fault);
        buf_addc(out, '"');
    }
    free(mapped);
    return result;
}

/* The form's namespaces, on the outermost element; one that the value declares itself is the value's. */
static int write_namespaces(struct writing *writing, const json_t *object, const struct place *place,
                            struct fault *fault)
{
    const char *prefix;
    json_t *uri;

    json_object_foreach (writing->format->xml.namespaces, prefix, uri) {
        char key[NAME_MAX + sizeof "@xmlns:"];
        snprintf(key, sizeof key, "@xmlns%s%s", *prefix ? ":" : "", prefix);
        if (json_object_get(object, key))
            continue;
        buf_addf(&writing->out->body, " %s=\"", key + 1);
        if (add_scalar(writing, uri, true, place, fault))
            return -1;
        buf_addc(&writing->out->body, '"');
    }
    return 0;
}

static int write_attributes(struct writing *writing, const struct element *element, const struct place *place,
                            struct fault *fault)
{
    struct strmap taken;
    const char *name;
    json_t *value;
    int result = 0;

    if (!element->object)
        return 0;
    strmap_init(&taken);
    json_object_foreach ((json_t *)element->object, name, value) {
        const struct place at = {.up = place, .name = name};
        if (result == 0 && is_attribute_name(name) && !json_is_null(value) && !writing->out->body.overflow)
            result = write_attribute(writing, element, name, value, &taken, &at, fault);
    }
    strmap_release(&taken, NULL);
    return result;
}

/* --- elements ------------------------------------------------------------------------------------------ */

enum { INLINE = -1 }; /* for a depth: beside a text, where blanks would change it */

static int write_element(struct writing *writing, const struct element *up, const char *key,
                         const json_t *value, const struct place *place, int depth, struct fault *fault);

static void add_indent(struct writing *writing, int depth)
{
    if (depth > 0 && writing->format->xml.indent)
        buf_addf(&writing->out->body, "%*s", depth * (int)writing->format->xml.indent, "");
}

static void add_line_end(struct writing *writing, int depth)
{
    if (depth != INLINE && writing->format->xml.indent)
        buf_addc(&writing->out->body, '\n');
}

static int write_array(struct writing *writing, const struct element *up, const char *key,
                       const json_t *array, const struct place *place, int depth, struct fault *fault)
{
    json_t *item;
    size_t index;

    json_array_foreach (array, index, item) {
        const struct place at = {.up = place, .index = index};
        if (writing->out->body.overflow)
            return 0;
        if (write_element(writing, up, key, item, &at, depth, fault))
            return -1;
    }
    return 0;
}

static int write_members(struct writing *writing, const struct element *element, const struct place *place,
                         int depth, struct fault *fault)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)element->object, name, value) {
        const struct place at = {.up = place, .name = name};
        if (is_attribute_name(name) || strcmp(name, "#text") == 0)
            continue;
        if (writing->out->body.overflow)
            return 0;
        int result = json_is_array(value) ? write_array(writing, element, name, value, &at, depth, fault)
                                          : write_element(writing, element, name, value, &at, depth, fault);
        if (result)
            return -1;
    }
    return 0;
}

/* What stands between the tags. *is_inline: no blanks may be added there. */
static int write_content(struct writing *writing, const struct element *element, const json_t *value,
                         const struct place *place, int depth, bool *is_inline, struct fault *fault)
{
    const json_t *text = json_object_get(value, "#text");
    const struct place at = {.up = place, .name = "#text"};
    const int inner = depth == INLINE || text ? INLINE : depth + 1;
    const size_t began = writing->out->body.len;

    *is_inline = inner == INLINE || !(json_is_object(value) || json_is_array(value));
    if (json_is_object(text) || json_is_array(text))
        return place_fail(&at, fault, "a text is wanted, no array or object");
    if (!json_is_object(value) && !json_is_array(value))
        return add_scalar(writing, value, false, place, fault);
    if (text && add_scalar(writing, text, false, &at, fault))
        return -1;
    add_line_end(writing, inner);
    const size_t before = writing->out->body.len;
    int result = json_is_array(value)
                     ? write_array(writing, element, writing->format->xml.item, value, place, inner, fault)
                     : write_members(writing, element, place, inner, fault);
    if (result == 0 && writing->out->body.len == before && !*is_inline)
        buf_cut(&writing->out->body, began);
    return result;
}

static int write_tags(struct writing *writing, const struct element *element, const char *name,
                      const json_t *value, const struct place *place, int depth, struct fault *fault)
{
    struct buf *out = &writing->out->body;
    bool is_inline;

    buf_addf(out, "<%s", name);
    if (!element->up && write_namespaces(writing, element->object, place, fault))
        return -1;
    if (write_attributes(writing, element, place, fault))
        return -1;
    buf_addc(out, '>');
    const size_t began = out->len;
    if (write_content(writing, element, value, place, depth, &is_inline, fault))
        return -1;
    if (out->overflow)
        return 0;
    if (out->len == began) {
        buf_cut(out, began - 1);
        buf_adds(out, "/>");
        return 0;
    }
    if (!is_inline)
        add_indent(writing, depth);
    buf_addf(out, "</%s>", name);
    return 0;
}

static int write_element(struct writing *writing, const struct element *up, const char *key,
                         const json_t *value, const struct place *place, int depth, struct fault *fault)
{
    const struct element element = {.up = up, .object = json_is_object(value) ? value : NULL};
    int levels = 0;
    char *mapped;

    for (const struct element *at = up; at; at = at->up)
        levels++;
    if (levels > DEPTH_MAX)
        return place_fail(place, fault, "nested deeper than %d levels", DEPTH_MAX);
    const char *name = find_name(writing, &element, key, false, place, &mapped, fault);
    if (!name)
        return -1;
    add_indent(writing, depth);
    int result = write_tags(writing, &element, name, value, place, depth, fault);
    add_line_end(writing, depth);
    free(mapped);
    return result;
}

int format_xml_element(struct writing *writing, const char *name, const json_t *value,
                       const struct place *place, int depth, struct fault *fault)
{
    return write_element(writing, NULL, name, value, place, depth, fault);
}

void format_xml_declaration(struct writing *writing)
{
    if (writing->format->xml.declaration)
        buf_addf(&writing->out->body, "<?xml version=\"1.0\" encoding=\"%s\"?>\n",
                 format_charset_name(writing->format));
}

static int write_xml(struct writing *writing, struct fault *fault)
{
    const struct place top = {0};

    format_xml_declaration(writing);
    writing->out->content_type =
        xasprintf("application/xml; charset=%s", format_charset_name(writing->format));
    return format_xml_element(writing, writing->format->xml.root, writing->value, &top, 0, fault);
}

const struct format_kind format_xml = {
    .parse = parse,
    .write = write_xml,
    .charsets = 1u << CHARSET_UTF8 | 1u << CHARSET_LATIN1 | 1u << CHARSET_ASCII,
    .unencodable = UNENCODABLE_XML,
};
