/*
 * format_parts - what the formats share; inside of formats.c and format_*.c
 */
#ifndef DIST_FORMAT_PARTS_H
#define DIST_FORMAT_PARTS_H

#include "format.h"
#include "json.h"
#include "paths.h"

enum charset { CHARSET_UTF8, CHARSET_LATIN1, CHARSET_ASCII, CHARSET_COUNT };

/* What becomes of a character that the charset has not. */
enum unencodable {
    UNENCODABLE_BY_FORM, /* refused, or '?' where the form says so */
    UNENCODABLE_JSON,    /* an escape: \u20ac */
    UNENCODABLE_XML,     /* a reference: &#8364; */
};

struct column {
    const char *name;
    struct path path;
};

struct csv_format {
    struct column *columns; /* none: the members of all rows, in the order in which they appear */
    size_t column_count;
    struct path rows; /* where they are */
    char delimiter;
    bool header, quote_all, guard, mark;
    const char *line_end;
};

struct xml_format {
    const char *root, *item;
    json_t *namespaces; /* of the root element: prefix to URI, "" is the default one; or NULL */
    int64_t indent;
    bool declaration;
    const char *bad_names, *controls; /* as the form has them */
    bool map_names;                   /* else names that are none are refused */
    bool map_controls;                /* to U+FFFD; else refused */
};

struct soap_format {
    bool is_12;
    const char *action;
    json_t *header; /* or NULL */
};

struct event_format {
    const char *type, *source, *subject, *schema;
    json_t *extensions; /* or NULL */
    bool binary;
};

struct piece; /* of a template */
struct template_format {
    struct piece *pieces;
    size_t count;
    const char *content_type;
    bool unknown_empty;
};

/* One format with its options; only those of its type are set. Strings are borrowed from `form`. */
struct format {
    enum format_type type;
    json_t *form;
    enum charset charset;
    bool replace;       /* what the charset has not becomes '?' */
    int64_t indent;     /* json */
    bool refuse_nested; /* form */
    struct csv_format csv;
    struct xml_format xml; /* soap too */
    struct soap_format soap;
    struct event_format event;
    struct template_format template;
};

/* A value on its way out. */
struct writing {
    const struct format *format;
    const json_t *value;
    const struct format_context *context; /* never NULL */
    struct formatted *out;
};

enum { FORMAT_FIELDS = 16 };

/* One type. */
struct format_kind {
    /* Reads the members of the form: format_fields() and what types do not say. */
    int (*parse)(struct format *format, const char *path, struct fault *fault);
    /* The body in UTF-8, and what else it brings along. An overflow of the body may be ignored. */
    int (*write)(struct writing *writing, struct fault *fault);
    void (*release)(struct format *format); /* or NULL */
    unsigned charsets;                      /* bits: 1u << CHARSET_... */
    enum unencodable unencodable;
};
extern const struct format_kind format_json, format_ndjson, format_csv, format_xml, format_form, format_soap,
    format_cloudevents, format_template;

/* Reads `form`, which may be a bare word, by the members that all formats have and these; `fields` ends with
 * a NULL name. */
int format_fields(struct format *format, const char *path, const struct json_field *fields,
                  struct fault *fault);
/* "utf-8", as content types and declarations say it. */
const char *format_charset_name(const struct format *format);
/* Takes `value`. What HTTP does not take in a value is refused (class INPUT). */
int format_add_header(struct formatted *out, const char *name, char *value, struct fault *fault);
/* A scalar as plain text: strings as they are, null as nothing; arrays and objects as JSON text. */
void format_add_plain(struct buf *out, const json_t *value);
/* application/x-www-form-urlencoded (`plus`), or percent-encoding of all but RFC 3986's unreserved
 * characters. */
void format_add_url(struct buf *out, const char *text, size_t size, bool plus);

/* format_xml.c for soap: its members, the check of what they say, elements. */
size_t format_xml_fields(struct format *format, struct json_field *out);
int format_xml_check(struct format *format, const char *path, struct fault *fault);
/* Adds `value` as the element `name`, with the form's namespaces declared on it, `depth` levels in; with a
 * line end behind it where the form says "indent". */
int format_xml_element(struct writing *writing, const char *name, const json_t *value,
                       const struct place *place, int depth, struct fault *fault);
/* The XML declaration, where the form does not leave it out. */
void format_xml_declaration(struct writing *writing);
const char *format_soap_uri(const struct format *format); /* the namespace of the envelope */

#endif
