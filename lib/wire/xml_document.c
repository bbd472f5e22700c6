/*
 * xml_document - libxml2 builds a tree under our limits
 *
 * Hard rule: the limits are looked at while the tree grows, in the callbacks that build it, not afterwards.
 */
#include "xml_document.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include "text.h"

enum {
    HEAD_SIZE = 200,       /* bytes in which an XML declaration ends */
    ENCODING_NAME_MAX = 40 /* bytes of a name of an encoding, in a fault */
};

struct reader {
    const struct xml_limits *limits;
    struct fault *fault;
    bool failed;
    int64_t nodes;
    int depth;
};

/* The first cause counts: what libxml2 says afterwards follows from it. */
static void fail(struct reader *reader, int line, const char *text)
{
    if (reader->failed)
        return;
    reader->failed = true;
    fault_set(reader->fault, FAULT_INPUT, "line %d: %s", line, text);
    if (reader->fault)
        text_printable(reader->fault->text);
}

static void stop(xmlParserCtxt *parser, const char *text)
{
    fail(parser->_private, parser->input ? parser->input->line : 0, text);
    xmlStopParser(parser);
}

static void on_error(void *arg, xmlError *error)
{
    /* What a namespace is called does not matter here. */
    if (error->level >= XML_ERR_ERROR && error->code != XML_WAR_NS_URI)
        fail(arg, error->line, error->message ? error->message : "not well-formed");
}

static void on_doctype(void *arg, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    (void)name;
    (void)external;
    (void)system;
    stop(arg, "a DOCTYPE is not taken");
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespace_count, const xmlChar **namespaces, int attribute_count, int defaulted,
                     const xmlChar **attributes)
{
    xmlParserCtxt *parser = arg;
    struct reader *reader = parser->_private;

    /* An element, the text behind it, and each attribute with its text. */
    reader->nodes += 2 + 2 * (int64_t)attribute_count + namespace_count;
    if (reader->nodes > reader->limits->max_nodes)
        stop(parser, "more elements and attributes than are taken");
    else if (++reader->depth > reader->limits->max_depth)
        stop(parser, "elements are nested too deeply");
    else
        xmlSAX2StartElementNs(arg, name, prefix, uri, namespace_count, namespaces, attribute_count, defaulted,
                              attributes);
}

static void on_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    xmlParserCtxt *parser = arg;
    struct reader *reader = parser->_private;

    reader->depth--;
    xmlSAX2EndElementNs(arg, name, prefix, uri);
}

/* libxml2 would ask iconv for any name, and iconv loads modules. */
static int check_encoding(const char *text, size_t size, struct fault *fault)
{
    static const char *const taken[] = {"utf-8", "utf-16", "iso-8859-1", "us-ascii", "windows-1252"};
    char head[HEAD_SIZE], name[ENCODING_NAME_MAX] = "";

    if (size > 0 && text[0] != '<' && !strchr("\t\r\n \xef\xfe\xff", text[0]))
        return fault_set(fault, FAULT_INPUT, "this is no XML: it does not begin with '<'");
    snprintf(head, sizeof head, "%.*s", size < sizeof head ? (int)size : HEAD_SIZE - 1, text);
    const char *begin = strncmp(head, "\xef\xbb\xbf", 3) == 0 ? head + 3 : head, *end = strstr(begin, "?>");
    const char *at = strncmp(begin, "<?xml", 5) == 0 ? strstr(begin, "encoding") : NULL;
    if (!at || !end || at > end)
        return 0;
    at += strcspn(at, "\"'");
    if (*at)
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 1, "\"'"), at + 1);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcasecmp(name, taken[i]) == 0)
            return 0;
    return fault_set(fault, FAULT_INPUT, "line 1: the encoding '%s' is not taken", text_printable(name));
}

static xmlDoc *parse(struct reader *reader, const char *text, size_t size, const char *url)
{
    xmlParserCtxt *parser = xmlNewParserCtxt();
    xmlDoc *document;

    if (!parser)
        abort(); /* libxml2 is out of memory, as in xalloc */
    parser->_private = reader;
    parser->sax->internalSubset = on_doctype;
    parser->sax->startElementNs = on_start;
    parser->sax->endElementNs = on_end;
    parser->sax->comment = NULL;
    parser->sax->processingInstruction = NULL;
    /* Errors that have no parser (conversions) find their way by the thread's own handler alone. */
    xmlStructuredErrorFunc before = xmlStructuredError;
    void *before_arg = xmlStructuredErrorContext;
    xmlSetStructuredErrorFunc(reader, on_error);
    document = xmlCtxtReadMemory(parser, text, (int)size, url, NULL, XML_PARSE_NONET | XML_PARSE_NOCDATA);
    xmlSetStructuredErrorFunc(before_arg, before);
    if (!document || !parser->wellFormed)
        fail(reader, 1, "not well-formed");
    xmlFreeParserCtxt(parser);
    if (reader->failed) {
        xmlFreeDoc(document);
        return NULL;
    }
    return document;
}

xmlDoc *xml_document(const char *text, size_t size, const char *url, const struct xml_limits *limits,
                     struct fault *fault)
{
    struct reader reader = {.limits = limits, .fault = fault};

    if (size > XML_DOCUMENT_BYTES_MAX) {
        fault_set(fault, FAULT_INPUT, "a document of more than %d bytes is not taken",
                  XML_DOCUMENT_BYTES_MAX);
        return NULL;
    }
    return check_encoding(text, size, fault) ? NULL : parse(&reader, text, size, url);
}
