/*
 * xsd_parts - what the files of the xsd module share; nobody else includes it
 *
 * xsd_compile.c  a set: reading and compiling
 * xsd_scan.c     a schema document before it is compiled: where it leads to, what it would cost
 * xsd_check.c    a document before a schema
 * xsd_message.c  what libxml2 says, as we tell it
 */
#ifndef DIST_XSD_PARTS_H
#define DIST_XSD_PARTS_H

#include <stdint.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>
#include <libxml/xmlschemas.h>
#include "xsd.h"

/* An xs:include, xs:import or xs:redefine with a schemaLocation. */
struct xsd_lead {
    char *location;
    long line;
    struct xsd *to; /* borrowed from the set; NULL: not there */
};

struct xsd {
    char *name;
    char *text; /* the document as it was read */
    size_t size;
    struct xsd_lead *leads;
    size_t lead_count;
    bool included;     /* another one leads here */
    bool told;         /* of a mistake in it, or one that leads here is whole or has been told of */
    bool broken;       /* a lead leads nowhere, its own or of one that it leads to */
    bool has_patterns; /* xs:pattern; when it is compiled: in those that it leads to too */
    bool hide_values;  /* the set's */
    int64_t cpu_ms;    /* likewise */
    size_t walk;       /* the last one that came by */
    xmlSchema *schema; /* NULL: it does not stand alone */
    char *complaint;   /* why */
};

/* What is told of a schema document, once it is XML: the leads, patterns, and counts that are too large. */
int xsd_scan(struct xsd *xsd, const xmlNode *root, struct fault *fault);

/* The name of the attribute that an error is about, without its namespace, and not ended; or NULL. Borrowed.
 */
const char *xsd_attribute(const xmlError *error, size_t *size);
/* What an error says beside the place, without values of the document if those are to be hidden; the caller
 * frees. */
char *xsd_message(const xmlError *error, bool hide_values);

#endif
