/*
 * xml_names - which characters XML 1.0 (fifth edition) takes where
 */
#ifndef DIST_XML_NAMES_H
#define DIST_XML_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool xml_is_char(uint32_t point);       /* production 2: may stand in a text */
bool xml_is_name_start(uint32_t point); /* production 4, without ':' */
bool xml_is_name_char(uint32_t point);  /* production 4a, without ':' */
/* A name without a colon (Namespaces in XML 1.0, production 4) of code points up to `last`. */
bool xml_is_ncname(const char *text, size_t size, uint32_t last);
/*
 * A URI reference (RFC 3986), as a namespace has to be, of the forms that occur there: an authority is a host
 * and a port, without user and brackets. "" is none.
 */
bool xml_is_uri(const char *text);

#endif
