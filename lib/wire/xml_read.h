/*
 * xml_read - from an XML document to JSON text, by libxml2
 *
 * The reverse of the mapping that the format xml writes (dist-transform(5)):
 *
 *   <order id="7"><line>1</line><line>2</line><note/></order>   {"@id":"7","line":["1","2"],"note":""}
 *
 * An element without attributes and child elements is its text, as a string: XML has no other type. Any other
 * is an object: attributes with '@' in front, "#text" where there is text other than blanks, child elements
 * by their names; children of one name are an array in place of the first. Comments and processing
 * instructions are dropped.
 *
 * Nothing is opened and nothing is fetched, there are no DOCTYPE and no entities: see xml_document.h. Does
 * not block.
 */
#ifndef DIST_XML_READ_H
#define DIST_XML_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"

struct xml_reading {
    const char *const *arrays; /* names of elements that are arrays even where there is one */
    size_t array_count;
    bool strip_namespaces; /* names without their prefixes, no "@xmlns"; else names as they are written */
    bool keep_root;        /* {"order": ...} in place of its content */
    int64_t max_nodes;     /* elements, attributes and texts together: each takes some 150 bytes of memory */
    int max_depth;         /* of the JSON text */
};

/*
 * Appends to `json`, whose ceiling is the result's. -1, class INPUT, with `json` as it was: what
 * xml_document() refuses, two attributes that are one without their prefixes, or past a limit.
 */
int xml_read(const char *text, size_t size, const struct xml_reading *reading, struct buf *json,
             struct fault *fault);

#endif
