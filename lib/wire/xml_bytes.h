/*
 * xml_bytes - the bytes of an XML document before libxml2 has them
 *
 * What libxml2 does before it calls anybody is bounded here: it compares each attribute of a start tag with
 * all before it, and asks iconv, which loads modules, for whatever encoding a document names. Does not block.
 */
#ifndef DIST_XML_BYTES_H
#define DIST_XML_BYTES_H

#include <stddef.h>
#include "fault.h"

enum { XML_ATTRIBUTES_MAX = 1000 }; /* of an element, its namespaces among them */

/*
 * -1, class INPUT: an encoding that is not taken, or an element of more attributes. Where '<' and what looks
 * like so many attributes stand in a comment or CDATA, they are taken for an element's.
 */
int xml_bytes_check(const char *text, size_t size, struct fault *fault);

#endif
