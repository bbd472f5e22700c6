/*
 * soap: the XML of format_xml.c in an envelope of SOAP 1.1 or 1.2
 *
 *   <soap:Envelope
 * xmlns:soap="..."><soap:Header>...</soap:Header><soap:Body><root>...</root></soap:Body></soap:Envelope>
 */
#include <stdlib.h>
#include <string.h>
#include "format_parts.h"
#include "formats.h"
#include "xalloc.h"

enum { ACTION_MAX = 1000 };

static const char *const version_words[] = {"1.1", "1.2", NULL};

static int parse(struct format *format, const char *path, struct fault *fault)
{
    struct json_field fields[FORMAT_FIELDS] = {{0}};
    const char *version = NULL;
    size_t count = format_xml_fields(format, fields);

    fields[count++] = (struct json_field){
        .name = "version", .kind = JSON_KIND_WORD, .target = &version, .words = version_words};
    fields[count++] = (struct json_field){
        .name = "action", .kind = JSON_KIND_STRING, .target = &format->soap.action, .max = ACTION_MAX};
    fields[count++] =
        (struct json_field){.name = "header", .kind = JSON_KIND_OBJECT, .target = &format->soap.header};
    format->soap.action = "";
    if (format_fields(format, path, fields, fault))
        return -1;
    format->soap.is_12 = version && strcmp(version, "1.2") == 0;
    for (const unsigned char *c = (const unsigned char *)format->soap.action; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '"' || *c == '\\')
            return fault_set(fault, FAULT_INPUT, "%s/action: a URI is wanted", path);
    return format_xml_check(format, path, fault);
}

const char *format_soap_version(const struct format *format)
{
    return format->type == FORMAT_TYPE_SOAP ? version_words[format->soap.is_12] : NULL;
}

static void add_line(struct writing *writing, int depth, const char *text)
{
    const int indent = (int)writing->format->xml.indent;

    buf_addf(&writing->out->body, "%*s%s%s", indent * depth, "", text, indent ? "\n" : "");
}

static int write_header(struct writing *writing, struct fault *fault)
{
    const struct place top = {0}, header = {.up = &top, .name = "(header)"};
    const char *name;
    json_t *value;

    if (!writing->format->soap.header)
        return 0;
    add_line(writing, 1, "<soap:Header>");
    json_object_foreach (writing->format->soap.header, name, value) {
        const struct place at = {.up = &header, .name = name};
        if (format_xml_element(writing, name, value, &at, 2, fault))
            return -1;
    }
    add_line(writing, 1, "</soap:Header>");
    return 0;
}

static int write_soap(struct writing *writing, struct fault *fault)
{
    const struct format *format = writing->format;
    const char *charset = format_charset_name(format);
    const struct place top = {0};
    char *open = xasprintf("<soap:Envelope xmlns:soap=\"%s\">", format_soap_uri(format));

    format_xml_declaration(writing);
    add_line(writing, 0, open);
    free(open);
    if (write_header(writing, fault))
        return -1;
    add_line(writing, 1, "<soap:Body>");
    if (format_xml_element(writing, format->xml.root, writing->value, &top, 2, fault))
        return -1;
    add_line(writing, 1, "</soap:Body>");
    add_line(writing, 0, "</soap:Envelope>");
    if (!format->soap.is_12) {
        writing->out->content_type = xasprintf("text/xml; charset=%s", charset);
        return format_add_header(writing->out, "SOAPAction", xasprintf("\"%s\"", format->soap.action), fault);
    }
    writing->out->content_type =
        *format->soap.action
            ? xasprintf("application/soap+xml; charset=%s; action=\"%s\"", charset, format->soap.action)
            : xasprintf("application/soap+xml; charset=%s", charset);
    return 0;
}

const struct format_kind format_soap = {
    .parse = parse,
    .write = write_soap,
    .charsets = 1u << CHARSET_UTF8 | 1u << CHARSET_LATIN1 | 1u << CHARSET_ASCII,
    .unencodable = UNENCODABLE_XML,
};
