/*
 * xml_document - libxml2 reads under our limits
 *
 * Hard rule: the limits are looked at while it reads, in the callbacks that build the tree, not afterwards.
 * libxml2 reads on after a mistake, but without its callbacks: it gets no more bytes then.
 */
#include "xml_document.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include "text.h"
#include "xml_bytes.h"

struct reader {
    const struct xml_limits *limits;
    const struct xml_events *events; /* NULL: a tree is made */
    struct fault *fault;
    const char *rest; /* what libxml2 has not been given yet */
    size_t rest_size;
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

/* False: it is stopped. */
static bool count_element(xmlParserCtxt *parser, int attribute_count, int namespace_count)
{
    struct reader *reader = parser->_private;

    /* An element, the text behind it, and each attribute with its text. */
    reader->nodes += 2 + 2 * (int64_t)attribute_count + namespace_count;
    if (reader->nodes > reader->limits->max_nodes)
        stop(parser, "more elements and attributes than are taken");
    else if (++reader->depth > reader->limits->max_depth)
        stop(parser, "elements are nested too deeply");
    else if (parser->nsNr / 2 > XML_NAMESPACES_MAX) /* a prefix and its URI each */
        stop(parser, "more namespaces are declared at once than are taken");
    return !reader->failed;
}

static void on_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespace_count, const xmlChar **namespaces, int attribute_count, int defaulted,
                     const xmlChar **attributes)
{
    if (count_element(arg, attribute_count, namespace_count))
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

static void tell_start(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                       int namespace_count, const xmlChar **namespaces, int attribute_count, int defaulted,
                       const xmlChar **attributes)
{
    xmlParserCtxt *parser = arg;
    const struct reader *reader = parser->_private;
    const struct xml_start start = {name,      prefix,     uri,       namespace_count, attribute_count,
                                    defaulted, namespaces, attributes};
    const char *why = NULL;

    if (count_element(parser, attribute_count, namespace_count))
        why = reader->events->element(reader->events->arg, &start);
    if (why)
        stop(parser, why);
}

static void tell_end(void *arg, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    xmlParserCtxt *parser = arg;
    struct reader *reader = parser->_private;
    const struct xml_start start = {.name = name, .prefix = prefix, .uri = uri};
    const char *why = reader->failed ? NULL : reader->events->element_end(reader->events->arg, &start);

    reader->depth--;
    if (why)
        stop(parser, why);
}

static void tell_text(void *arg, const xmlChar *text, int size)
{
    xmlParserCtxt *parser = arg;
    const struct reader *reader = parser->_private;
    const char *why = reader->failed ? NULL : reader->events->text(reader->events->arg, text, size);

    if (why)
        stop(parser, why);
}

static int give(void *arg, char *buffer, int size)
{
    struct reader *reader = arg;
    const size_t count = reader->rest_size < (size_t)size ? reader->rest_size : (size_t)size;

    if (reader->failed)
        return 0;
    memcpy(buffer, reader->rest, count);
    reader->rest += count;
    reader->rest_size -= count;
    return (int)count;
}

static xmlParserCtxt *new_parser(struct reader *reader)
{
    xmlParserCtxt *parser = xmlNewParserCtxt();

    if (!parser)
        abort(); /* libxml2 is out of memory, as in xalloc */
    parser->_private = reader;
    parser->sax->internalSubset = on_doctype;
    parser->sax->startElementNs = on_start;
    parser->sax->endElementNs = on_end;
    parser->sax->comment = NULL;
    parser->sax->processingInstruction = NULL;
    if (reader->events) {
        parser->sax->startElementNs = tell_start;
        parser->sax->endElementNs = tell_end;
        parser->sax->characters = tell_text;
        parser->sax->ignorableWhitespace = tell_text;
        parser->sax->startDocument = NULL;
        parser->sax->endDocument = NULL;
        parser->sax->reference = NULL;
    }
    return parser;
}

/* The tree, or NULL where there are events, or with the fault set. */
static xmlDoc *parse(struct reader *reader, const char *url)
{
    xmlParserCtxt *parser = new_parser(reader);
    const struct xml_events *events = reader->events;
    xmlDoc *document;

    /* Errors that have no parser (conversions) find their way by the thread's own handler alone. */
    xmlStructuredErrorFunc before = xmlStructuredError;
    void *before_arg = xmlStructuredErrorContext;
    xmlSetStructuredErrorFunc(reader, on_error);
    /* NOENT: else the '&' of a namespace stays "&#38;" in the tree. There are XML's own entities alone. The
     * reader of schemas makes the '&' itself. */
    document = xmlCtxtReadIO(parser, give, NULL, reader, url, NULL,
                             XML_PARSE_NONET | XML_PARSE_NOCDATA | (events ? 0 : XML_PARSE_NOENT));
    xmlSetStructuredErrorFunc(before_arg, before);
    if ((!document && !events) || !parser->wellFormed)
        fail(reader, 1, "not well-formed");
    xmlFreeParserCtxt(parser);
    if (!reader->failed)
        return document;
    xmlFreeDoc(document);
    return NULL;
}

static xmlDoc *read_text(struct reader *reader, const char *text, size_t size, const char *url)
{
    reader->rest = text;
    reader->rest_size = size;
    if (size <= XML_DOCUMENT_BYTES_MAX && xml_bytes_check(text, size, reader->fault) == 0)
        return parse(reader, url);
    if (size > XML_DOCUMENT_BYTES_MAX)
        fault_set(reader->fault, FAULT_INPUT, "a document of more than %d bytes is not taken",
                  XML_DOCUMENT_BYTES_MAX);
    reader->failed = true;
    return NULL;
}

xmlDoc *xml_document(const char *text, size_t size, const char *url, const struct xml_limits *limits,
                     struct fault *fault)
{
    struct reader reader = {.limits = limits, .fault = fault};

    return read_text(&reader, text, size, url);
}

int xml_document_read(const char *text, size_t size, const struct xml_limits *limits,
                      const struct xml_events *events, struct fault *fault)
{
    struct reader reader = {.limits = limits, .events = events, .fault = fault};

    xmlFreeDoc(read_text(&reader, text, size, NULL));
    return reader.failed ? -1 : 0;
}
