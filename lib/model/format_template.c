/*
 * template: a text with places that are filled in from the value
 *
 *   Order {{order.id}} of {{customer.name | xml}}: {{/lines/0/amount}} in {{$tenant}}
 *
 * A place names a path (paths.h) or a variable, and filters that its text goes through, from left to right.
 * There are no loops and no conditions: the result is as long as the text and what it names. The text is cut
 * into pieces once.
 */
#include <stdlib.h>
#include <string.h>
#include "format_parts.h"
#include "text.h"
#include "xalloc.h"
#include "xml_names.h"
#include "utf8.h"

enum { PIECES_MAX = 2000, FILTERS_MAX = 4, NAME_SHOWN = 60 };

/* Each adds the text, changed. */
typedef void filter_function(struct buf *out, const char *text, size_t size);
struct filter {
    const char *name;
    filter_function *apply; /* NULL: the value as JSON, which comes first */
};

struct piece {
    const char *text; /* literal bytes, or where the place is in the text */
    size_t size;
    bool is_place;
    int variable; /* index of `variables`, or -1 */
    struct path path;
    const struct filter *filters[FILTERS_MAX];
    size_t filter_count;
};

/* --- filters ------------------------------------------------------------------------------------------- */

static void filter_url(struct buf *out, const char *text, size_t size)
{
    format_add_url(out, text, size, false);
}

/* For texts and attributes; characters that XML cannot hold become U+FFFD. */
static void filter_xml(struct buf *out, const char *text, size_t size)
{
    static const struct {
        char c;
        const char *as;
    } references[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};
    uint32_t point;

    for (size_t at = 0, length; at < size && !out->overflow; at += length) {
        const char *as = NULL;
        length = utf8_decode(text + at, size - at, &point);
        for (size_t i = 0; i < sizeof references / sizeof *references; i++)
            if (text[at] == references[i].c)
                as = references[i].as;
        if (as)
            buf_adds(out, as);
        else if (length && xml_is_char(point))
            buf_add(out, text + at, length);
        else
            buf_adds(out, "\xef\xbf\xbd");
        length += length == 0;
    }
}

static void filter_base64(struct buf *out, const char *text, size_t size)
{
    text_add_base64(out, text, size);
}

/* Line breaks and other control characters become blanks. */
static void filter_line(struct buf *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size && !out->overflow; i++)
        buf_addc(out, (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i]);
}

/* A JSON string without its quotes. */
static void filter_jsonstring(struct buf *out, const char *text, size_t size)
{
    struct buf quoted;

    buf_init(&quoted, out->max);
    if (buf_add_json(&quoted, text, size))
        out->overflow = true;
    else
        buf_add(out, quoted.data + 1, quoted.len - 2);
    buf_release(&quoted);
}

static void filter_none(struct buf *out, const char *text, size_t size)
{
    buf_add(out, text, size);
}

static const struct filter filters[] = {
    {"json", NULL},        {"jsonstring", filter_jsonstring}, {"url", filter_url},
    {"xml", filter_xml},   {"base64", filter_base64},         {"line", filter_line},
    {"none", filter_none},
};
enum { FILTER_COUNT = sizeof filters / sizeof *filters };
static const char *const filter_names[] = {"json",   "jsonstring", "url",  "xml",
                                           "base64", "line",       "none", NULL};

/* --- variables ----------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t at;
} variables[] = {
    {"$tenant", offsetof(struct format_context, tenant)},
    {"$distribution", offsetof(struct format_context, distribution)},
    {"$destination", offsetof(struct format_context, destination)},
    {"$data_type", offsetof(struct format_context, data_type)},
    {"$time", offsetof(struct format_context, time)},
};
enum { VARIABLE_COUNT = sizeof variables / sizeof *variables };

static int parse_variable(const char *text, size_t size, struct piece *piece, struct fault *fault)
{
    const char *names[VARIABLE_COUNT];
    char name[NAME_SHOWN];

    for (size_t i = 0; i < VARIABLE_COUNT; i++) {
        names[i] = variables[i].name;
        if (strlen(names[i]) == size && memcmp(names[i], text, size) == 0) {
            piece->variable = (int)i;
            return 0;
        }
    }
    snprintf(name, sizeof name, "%.*s", size < sizeof name ? (int)size : (int)sizeof name - 1, text);
    const char *nearest = text_nearest(name, names, VARIABLE_COUNT);
    return fault_set(fault, FAULT_INPUT, "there is no variable %s%s%s%s", text_printable(name),
                     nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

/* --- the text, in pieces ------------------------------------------------------------------------------- */

static void trim(const char **text, size_t *size)
{
    while (*size && strchr(" \t\r\n", **text))
        ++*text, --*size;
    while (*size && strchr(" \t\r\n", (*text)[*size - 1]))
        (*size)--;
}

static int add_filter(struct piece *piece, const char *text, size_t size, struct fault *fault)
{
    char name[NAME_SHOWN];

    trim(&text, &size);
    if (piece->filter_count == FILTERS_MAX)
        return fault_set(fault, FAULT_INPUT, "at most %d filters", FILTERS_MAX);
    for (size_t i = 0; i < FILTER_COUNT; i++) {
        if (strlen(filters[i].name) != size || memcmp(filters[i].name, text, size) != 0)
            continue;
        if (!filters[i].apply && piece->filter_count)
            return fault_set(fault, FAULT_INPUT,
                             "the filter json comes first: jsonstring is for what others made");
        piece->filters[piece->filter_count++] = &filters[i];
        return 0;
    }
    snprintf(name, sizeof name, "%.*s", size < sizeof name ? (int)size : (int)sizeof name - 1, text);
    const char *nearest = text_nearest(name, filter_names, FILTER_COUNT);
    return fault_set(fault, FAULT_INPUT, "there is no filter '%s'%s%s%s", text_printable(name),
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* What stands between the braces. */
static int parse_place(const char *text, size_t size, const struct filter *usual, struct piece *piece,
                       struct fault *fault)
{
    const char *end = text + size, *bar = memchr(text, '|', size);
    size_t name_size = (size_t)((bar ? bar : end) - text);

    piece->is_place = true;
    trim(&text, &name_size);
    piece->text = text;
    piece->size = name_size;
    if (*text == '$' ? parse_variable(text, name_size, piece, fault)
                     : path_parse(text, name_size, &piece->path, fault))
        return -1;
    while (bar) {
        const char *from = bar + 1;
        bar = memchr(from, '|', (size_t)(end - from));
        if (add_filter(piece, from, (size_t)((bar ? bar : end) - from), fault))
            return -1;
    }
    if (piece->filter_count == 0)
        piece->filters[piece->filter_count++] = usual;
    return 0;
}

/* "{{{{" is a "{{". */
static int parse_text(struct template_format *template, const char *text, const struct filter *usual,
                      struct fault *fault)
{
    while (*text) {
        struct piece *piece = &template->pieces[template->count];
        const char *open = strstr(text, "{{"), *close;
        if (template->count == PIECES_MAX)
            return fault_set(fault, FAULT_INPUT, "more than %d places and texts between them", PIECES_MAX);
        template->count++;
        *piece = (struct piece){.text = text, .variable = -1};
        if (open != text) {
            piece->size = open ? (size_t)(open - text) : strlen(text);
            text += piece->size;
        } else if (strncmp(text, "{{{{", 4) == 0) {
            piece->size = 2;
            text += 4;
        } else {
            close = strstr(text, "}}");
            if (!close)
                return fault_set(fault, FAULT_INPUT, "a \"{{\" without \"}}\"; \"{{{{\" is a \"{{\"");
            if (parse_place(text + 2, (size_t)(close - text) - 2, usual, piece, fault))
                return -1;
            text = close + 2;
        }
    }
    return 0;
}

static int check_content_type(const char *type, const char *path, struct fault *fault)
{
    const char *slash = type ? strchr(type, '/') : NULL;

    if (!type)
        return 0;
    for (const unsigned char *c = (const unsigned char *)type; *c; c++)
        if (*c < ' ' || *c >= 0x7f)
            slash = NULL;
    return slash && slash != type && slash[1]
               ? 0
               : fault_set(fault, FAULT_INPUT, "%s/content_type: a type as \"text/plain\" is wanted", path);
}

static int parse(struct format *format, const char *path, struct fault *fault)
{
    static const char *const unknown_words[] = {"refuse", "empty", NULL};
    struct template_format *template = &format->template;
    const char *text = "", *unknown = NULL, *escape = "none";
    const struct filter *usual = NULL;
    const struct json_field fields[] = {
        {.name = "text",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &text,
         .max = FORMAT_TEMPLATE_MAX},
        {.name = "content_type",
         .kind = JSON_KIND_STRING,
         .target = &template->content_type,
         .min = 1,
         .max = 200},
        {.name = "escape", .kind = JSON_KIND_WORD, .target = &escape, .words = filter_names},
        {.name = "unknown", .kind = JSON_KIND_WORD, .target = &unknown, .words = unknown_words},
        {0},
    };
    if (format_fields(format, path, fields, fault) || check_content_type(template->content_type, path, fault))
        return -1;
    template->unknown_empty = unknown &&strcmp(unknown, "empty") == 0;
    for (size_t i = 0; i < FILTER_COUNT; i++)
        if (strcmp(filters[i].name, escape) == 0)
            usual = &filters[i];
    /* Every piece takes at least a byte of the text. */
    const size_t most = strlen(text) < PIECES_MAX ? strlen(text) : PIECES_MAX;
    template->pieces = xcalloc(most, sizeof *template->pieces);
    int result = parse_text(template, text, usual, fault);
    template->pieces = xreallocarray(template->pieces, template->count, sizeof *template->pieces);
    return result ? fault_wrap(fault, "%s/text", path) : 0;
}

static void release(struct format *format)
{
    for (size_t i = 0; i < format->template.count; i++)
        path_release(&format->template.pieces[i].path);
    free(format->template.pieces);
}

/* --- filling in ---------------------------------------------------------------------------------------- */

/* The text of a place before its filters: JSON where the first filter is json. -1: there is nothing there. */
static int get_text(const struct writing *writing, const struct piece *piece, struct buf *out)
{
    const bool as_json = !piece->filters[0]->apply;

    if (piece->variable >= 0) {
        const char *text =
            *(const char *const *)((const char *)writing->context + variables[piece->variable].at);
        if (!text)
            return -1;
        if (as_json)
            buf_add_json(out, text, strlen(text));
        else
            buf_adds(out, text);
        return 0;
    }
    const json_t *value = path_get(&piece->path, writing->value);
    if (!value)
        return -1;
    if (as_json)
        json_write(value, out);
    else
        format_add_plain(out, value);
    return 0;
}

static int fill_in(struct writing *writing, const struct piece *piece, struct fault *fault)
{
    struct buf *body = &writing->out->body, texts[2];
    int current = 0, result = 0;

    buf_init(&texts[0], body->max);
    buf_init(&texts[1], body->max);
    if (get_text(writing, piece, &texts[0])) {
        if (piece->filters[0]->apply == NULL)
            buf_adds(&texts[0], "null");
        if (!writing->format->template.unknown_empty)
            result = fault_set(fault, FAULT_INPUT, "{{%.*s}}: the value has no such place",
                               piece->size < NAME_SHOWN ? (int)piece->size : NAME_SHOWN, piece->text);
    }
    for (size_t i = 0; i < piece->filter_count; i++) {
        struct buf *from = &texts[current], *to = &texts[!current];
        if (!piece->filters[i]->apply)
            continue;
        buf_clear(to);
        piece->filters[i]->apply(to, from->data, from->len);
        if (from->overflow)
            to->overflow = true;
        current = !current;
    }
    if (texts[current].overflow)
        body->overflow = true;
    buf_add(body, texts[current].data, texts[current].len);
    buf_release(&texts[0]);
    buf_release(&texts[1]);
    return result;
}

static int write_template(struct writing *writing, struct fault *fault)
{
    const struct template_format *template = &writing->format->template;

    for (size_t i = 0; i < template->count && !writing->out->body.overflow; i++) {
        const struct piece *piece = &template->pieces[i];
        if (!piece->is_place)
            buf_add(&writing->out->body, piece->text, piece->size);
        else if (fill_in(writing, piece, fault))
            return -1;
    }
    writing->out->content_type =
        template->content_type ? xstrdup(template->content_type)
                               : xasprintf("text/plain; charset=%s", format_charset_name(writing->format));
    return 0;
}

const struct format_kind format_template = {
    .parse = parse,
    .write = write_template,
    .release = release,
    .charsets = 1u << CHARSET_UTF8 | 1u << CHARSET_LATIN1 | 1u << CHARSET_ASCII,
};
