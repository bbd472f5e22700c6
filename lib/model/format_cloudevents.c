/*
 * cloudevents: CloudEvents 1.0, structured (JSON event format) or binary (HTTP protocol binding, section 3.1)
 *
 * The id is the distribution's: source and id name an event, and one that goes to two destinations is one
 * event.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "format_parts.h"
#include "xalloc.h"

enum {
    ATTRIBUTE_MAX = 1000,
    EXTENSIONS_MAX = 20,
    EXTENSION_NAME_MAX = 20, /* CloudEvents 1.0, section 3.1 */
};

static const char *const mode_words[] = {"structured", "binary", NULL};

/* Names that extensions may not take: the specification's own, and those of the event formats. */
static const char *const own_names[] = {
    "id",   "source",      "specversion",     "type",       "subject", "time",
    "data", "data_base64", "datacontenttype", "dataschema", NULL};

static int check_extensions(const struct format *format, const char *path, struct fault *fault)
{
    const char *name, *why = NULL;
    json_t *value;

    if (json_object_size(format->event.extensions) > EXTENSIONS_MAX)
        return fault_set(fault, FAULT_INPUT, "%s/extensions: at most %d", path, EXTENSIONS_MAX);
    json_object_foreach (format->event.extensions, name, value) {
        for (const char *c = name; *c; c++)
            if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c))
                why = "a name is of lower-case letters and digits";
        if (strlen(name) == 0 || strlen(name) > EXTENSION_NAME_MAX)
            why = "a name has 1 to 20 letters";
        for (const char *const *own = own_names; *own; own++)
            if (strcmp(name, *own) == 0)
                why = "this is an attribute of its own";
        if (!json_is_string(value) && !json_is_boolean(value) && !json_is_integer(value))
            why = "a string, a whole number, true or false is wanted";
        if (json_is_integer(value) &&
            (json_integer_value(value) > INT32_MAX || json_integer_value(value) < INT32_MIN))
            why = "a number of 32 bits is wanted";
        if (why)
            return fault_set(fault, FAULT_INPUT, "%s/extensions/%.60s: %s", path, name, why);
    }
    return 0;
}

static int check_text(const char *value, const char *name, const char *path, struct fault *fault)
{
    for (; value && *value; value++)
        if ((unsigned char)*value < ' ' || *value == 0x7f)
            return fault_set(fault, FAULT_INPUT, "%s/%s: it has a control character", path, name);
    return 0;
}

static int parse(struct format *format, const char *path, struct fault *fault)
{
    struct event_format *event = &format->event;
    const char *mode = NULL;
    const struct json_field fields[] = {
        {.name = "mode", .kind = JSON_KIND_WORD, .target = &mode, .words = mode_words},
        {.name = "event_type",
         .kind = JSON_KIND_STRING,
         .target = &event->type,
         .min = 1,
         .max = ATTRIBUTE_MAX},
        {.name = "source",
         .kind = JSON_KIND_STRING,
         .target = &event->source,
         .min = 1,
         .max = ATTRIBUTE_MAX},
        {.name = "subject",
         .kind = JSON_KIND_STRING,
         .target = &event->subject,
         .min = 1,
         .max = ATTRIBUTE_MAX},
        {.name = "dataschema",
         .kind = JSON_KIND_STRING,
         .target = &event->schema,
         .min = 1,
         .max = ATTRIBUTE_MAX},
        {.name = "extensions", .kind = JSON_KIND_OBJECT, .target = &event->extensions},
        {0},
    };
    if (format_fields(format, path, fields, fault))
        return -1;
    event->binary = mode && strcmp(mode, "binary") == 0;
    if (check_text(event->type, "event_type", path, fault) ||
        check_text(event->source, "source", path, fault) ||
        check_text(event->subject, "subject", path, fault) ||
        check_text(event->schema, "dataschema", path, fault))
        return -1;
    return check_extensions(format, path, fault);
}

/* The attributes of an event, all but specversion and data; NULL values are left out. */
struct attribute {
    const char *name, *value;
};
enum { ATTRIBUTES = 7 }; /* with the end, whose name is NULL */

static int find_attributes(const struct writing *writing, char *source, size_t source_size,
                           struct attribute out[ATTRIBUTES], struct fault *fault)
{
    const struct event_format *event = &writing->format->event;
    const struct format_context *context = writing->context;

    snprintf(source, source_size, "/dist/%s", context->tenant ? context->tenant : "");
    if (!context->distribution)
        return fault_set(fault, FAULT_INPUT, "an event needs the id of a distribution");
    out[0] = (struct attribute){"id", context->distribution};
    out[1] = (struct attribute){"source", event->source ? event->source : source};
    out[2] = (struct attribute){"type", event->type          ? event->type
                                        : context->data_type ? context->data_type
                                                             : "report"};
    out[3] = (struct attribute){"subject", event->subject};
    out[4] = (struct attribute){"time", context->time};
    out[5] = (struct attribute){"dataschema", event->schema};
    return 0;
}

static void write_structured(struct writing *writing, const struct attribute *attributes)
{
    struct buf *out = &writing->out->body;
    const char *name;
    json_t *value;

    buf_adds(out, "{\"specversion\":\"1.0\"");
    for (; attributes->name; attributes++) {
        if (!attributes->value)
            continue;
        buf_addf(out, ",\"%s\":", attributes->name);
        buf_add_json(out, attributes->value, strlen(attributes->value));
    }
    json_object_foreach (writing->format->event.extensions, name, value) {
        buf_addf(out, ",\"%s\":", name);
        json_write(value, out);
    }
    buf_adds(out, ",\"datacontenttype\":\"application/json\",\"data\":");
    json_write(writing->value, out);
    buf_addc(out, '}');
    writing->out->content_type = xstrdup("application/cloudevents+json; charset=utf-8");
}

/* HTTP protocol binding 1.0, section 3.1.3.2: what is not printable ASCII, blanks, '"' and '%' are encoded.
 */
static int add_header(struct formatted *out, const char *name, const char *value, struct fault *fault)
{
    char *header = xasprintf("ce-%s", name);
    struct buf text;

    buf_init(&text, ATTRIBUTE_MAX * 10);
    for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
        if (*c <= ' ' || *c >= 0x7f || *c == '"' || *c == '%')
            buf_addf(&text, "%%%02X", (unsigned)*c);
        else
            buf_addc(&text, (char)*c);
    }
    int result = text.overflow ? fault_set(fault, FAULT_INPUT, "the header %s is too long", header)
                               : format_add_header(out, header, buf_steal(&text, NULL), fault);
    buf_release(&text);
    free(header);
    return result;
}

static int write_binary(struct writing *writing, const struct attribute *attributes, struct fault *fault)
{
    const char *name;
    json_t *value;

    if (add_header(writing->out, "specversion", "1.0", fault))
        return -1;
    for (; attributes->name; attributes++)
        if (attributes->value && add_header(writing->out, attributes->name, attributes->value, fault))
            return -1;
    json_object_foreach (writing->format->event.extensions, name, value) {
        struct buf text;
        buf_init(&text, ATTRIBUTE_MAX * 10);
        format_add_plain(&text, value);
        int result = text.overflow ? fault_set(fault, FAULT_INPUT, "the extension '%s' is too long", name)
                                   : add_header(writing->out, name, text.data, fault);
        buf_release(&text);
        if (result)
            return -1;
    }
    json_write(writing->value, &writing->out->body);
    writing->out->content_type = xstrdup("application/json");
    return 0;
}

static int write_event(struct writing *writing, struct fault *fault)
{
    struct attribute attributes[ATTRIBUTES] = {{0}};
    char source[ATTRIBUTE_MAX];

    if (find_attributes(writing, source, sizeof source, attributes, fault))
        return -1;
    if (writing->format->event.binary)
        return write_binary(writing, attributes, fault);
    write_structured(writing, attributes);
    return 0;
}

const struct format_kind format_cloudevents = {
    .parse = parse,
    .write = write_event,
    .charsets = 1u << CHARSET_UTF8,
    .unencodable = UNENCODABLE_JSON,
};
