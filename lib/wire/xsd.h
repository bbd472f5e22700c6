/*
 * xsd - XML Schema (1.0) by libxml2: a set of schema documents, and whether an XML document fits one of them
 *
 * A set is filled with documents, each by its name ("order.xsd"), then compiled, then used. xs:include,
 * xs:import and xs:redefine lead to documents of the set alone, by their names; nothing is ever opened or
 * fetched, whatever a schema or a document says (xsi:schemaLocation is not followed). An import without a
 * schemaLocation brings nothing.
 *
 * Schemas and documents are read by xml_document.h: no DOCTYPE, no entities, limits. A document is checked
 * with libxml2, which cannot be interrupted: what it may cost is bounded by the elements and attributes of a
 * document, by the length of the texts that an xs:pattern is matched with, and by the counts that a schema
 * may have in minOccurs and maxOccurs.
 *
 * Compiling is for one thread at a time, as libxml2's loader of documents is one for the process; compiled
 * schemas may be used by many threads at once. Nothing here blocks.
 */
#ifndef DIST_XSD_H
#define DIST_XSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"

enum {
    XSD_FILES_MAX = 1000,
    XSD_FILE_NODES_MAX = 200000,  /* of one schema document */
    XSD_OCCURS_MAX = 10000,       /* a number in minOccurs and maxOccurs */
    XSD_NODES_MAX = 1000000,      /* elements and attributes of a document, each with its text */
    XSD_DEPTH_MAX = 200,          /* elements within each other, of schemas and documents */
    XSD_PATTERN_TEXT_MAX = 10000, /* bytes of a text, where the schema has an xs:pattern */
    XSD_ERRORS_MAX = 20,
    XSD_CPU_MS = 5000, /* of processor time that a check may take, as a default */
};

struct xsd_set;
struct xsd;

/* `cpu_ms`: the most that a check takes; 0: XSD_CPU_MS. */
struct xsd_set *xsd_set_new(bool hide_values, int64_t cpu_ms);
void xsd_set_free(struct xsd_set *set); /* NULL is fine */
/* `name` is what others refer to it by. Class INPUT: no XML, no schema document, or one too many. */
int xsd_set_add(struct xsd_set *set, const char *name, const char *text, size_t size, struct fault *fault);
/*
 * When all are added. A document that others include, import or redefine need not stand alone. `mistake` is
 * called for each one that does not compile, with what is wrong: "line 7: /schema/element/@type: ...". The
 * number of mistakes.
 */
size_t xsd_set_compile(struct xsd_set *set, void (*mistake)(void *arg, const char *name, const char *text),
                       void *arg);
/* Borrowed from the set, or NULL: it is not there, or does not stand alone, which `why` (may be NULL) says
 * then
 * ("" where it is not there). */
const struct xsd *xsd_set_find(const struct xsd_set *set, const char *name, const char **why);

struct xsd_errors {
    /* "/order/item[3]/price: ... (order.xsd)", printable. The first of its name has no number. */
    char *items[XSD_ERRORS_MAX];
    size_t count;
    bool more; /* there are others */
};
/*
 * 0: the document fits. -1: it does not, and `errors` (emptied first) says why, or what of it is no XML or
 * past a limit. With hide_values nothing that stands in the document is quoted but names of elements and
 * attributes.
 */
int xsd_validate(const struct xsd *xsd, const char *text, size_t size, struct xsd_errors *errors);
void xsd_errors_release(struct xsd_errors *errors);

#endif
