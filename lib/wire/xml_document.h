/*
 * xml_document - an XML document from others by libxml2, under limits: as a tree, or as events
 *
 * Nothing is opened and nothing is fetched. A DOCTYPE is refused, and with it every entity but XML's own
 * five: there is nothing external and nothing that expands. Comments and processing instructions are dropped.
 * Does not block.
 */
#ifndef DIST_XML_DOCUMENT_H
#define DIST_XML_DOCUMENT_H

#include <stddef.h>
#include <stdint.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include "fault.h"

enum {
    XML_DOCUMENT_BYTES_MAX = 512 * 1024 * 1024,
    XML_NAMESPACES_MAX = 1000, /* declared at once, in elements within each other: each name is looked up */
};

struct xml_limits {
    int64_t max_nodes; /* elements, attributes and texts together: each takes some 150 bytes of memory */
    int max_depth;     /* elements within each other */
};

/*
 * The tree, for xmlFreeDoc(). `url` (or NULL) is what relative references in it start at. NULL, class INPUT:
 * not well-formed ("line 3: Opening and ending tag mismatch"), a prefix that is not declared, a DOCTYPE, an
 * encoding other than UTF-8, UTF-16, ISO-8859-1, US-ASCII and Windows-1252, or past a limit; a text node or
 * a start tag of more than 10 MB too.
 */
xmlDoc *xml_document(const char *text, size_t size, const char *url, const struct xml_limits *limits,
                     struct fault *fault);

/* The begin of an element, as libxml2's startElementNs has it: attributes are five pointers each. */
struct xml_start {
    const xmlChar *name, *prefix, *uri;
    int namespace_count, attribute_count, defaulted;
    const xmlChar **namespaces, **attributes;
};

/*
 * Each function is called with what the parser has just read, before it is forgotten: no tree is made. What
 * is not NULL ends the reading as a fault with that text; what was read is gone then, and nothing follows.
 */
struct xml_events {
    void *arg;
    const char *(*element)(void *arg, const struct xml_start *start);
    const char *(*element_end)(void *arg,
                               const struct xml_start *start);     /* of which only the names are there */
    const char *(*text)(void *arg, const xmlChar *text, int size); /* a piece, in bytes of UTF-8 */
};
/* -1, class INPUT: as xml_document(), or what a function said. */
int xml_document_read(const char *text, size_t size, const struct xml_limits *limits,
                      const struct xml_events *events, struct fault *fault);

#endif
