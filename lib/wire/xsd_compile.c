/*
 * xsd_compile - a set of schema documents: reading and compiling; see xsd.h
 *
 * Hard rule: while libxml2 compiles, the only documents that it can get are those of the set. Its loader is
 * one for the process, so it is exchanged for ours during a compilation, and in other threads ours gives
 * nothing.
 */
#include "xsd_parts.h"
#include <stdlib.h>
#include <string.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlIO.h>
#include "strmap.h"
#include "text.h"
#include "xalloc.h"
#include "xml_document.h"

struct xsd_set {
    struct xsd *items[XSD_FILES_MAX]; /* in the order in which they were added */
    size_t count;
    struct strmap by_name;
    bool hide_values;
    int64_t cpu_ms;
    size_t walks;
};

struct xsd_set *xsd_set_new(bool hide_values, int64_t cpu_ms)
{
    struct xsd_set *set = xcalloc(1, sizeof *set);

    set->hide_values = hide_values;
    set->cpu_ms = cpu_ms ? cpu_ms : XSD_CPU_MS;
    strmap_init(&set->by_name);
    return set;
}

static void xsd_free(struct xsd *xsd)
{
    for (size_t i = 0; i < xsd->lead_count; i++)
        free(xsd->leads[i].location);
    free(xsd->leads);
    xmlSchemaFree(xsd->schema);
    free(xsd->complaint);
    free(xsd->text);
    free(xsd->name);
    free(xsd);
}

void xsd_set_free(struct xsd_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        xsd_free(set->items[i]);
    strmap_release(&set->by_name, NULL);
    free(set);
}

int xsd_set_add(struct xsd_set *set, const char *name, const char *text, size_t size, struct fault *fault)
{
    const struct xml_limits limits = {.max_nodes = XSD_FILE_NODES_MAX, .max_depth = XSD_DEPTH_MAX};

    if (set->count == XSD_FILES_MAX)
        return fault_set(fault, FAULT_INPUT, "more than %d XML Schemas are not taken", XSD_FILES_MAX);
    if (strmap_get(&set->by_name, name))
        return fault_set(fault, FAULT_INPUT, "there is one of this name already");
    xmlDoc *document = xml_document(text, size, name, &limits, fault);
    if (!document)
        return -1;
    struct xsd *xsd = xcalloc(1, sizeof *xsd);
    xsd->name = xstrdup(name);
    xsd->text = xmemdupz(text, size);
    xsd->size = size;
    xsd->hide_values = set->hide_values;
    xsd->cpu_ms = set->cpu_ms;
    int result = xsd_scan(xsd, xmlDocGetRootElement(document), fault);
    xmlFreeDoc(document);
    if (result) {
        xsd_free(xsd);
        return -1;
    }
    set->items[set->count++] = xsd;
    strmap_put(&set->by_name, name, xsd);
    return 0;
}

const struct xsd *xsd_set_find(const struct xsd_set *set, const char *name, const char **why)
{
    const struct xsd *xsd = strmap_get(&set->by_name, name);

    if (why)
        *why = xsd && xsd->complaint ? xsd->complaint : "";
    return xsd && xsd->schema ? xsd : NULL;
}

/* --- the documents that libxml2 gets --- */

/* What this thread compiles. The loader has no argument of its own that leads here. */
static _Thread_local const struct xsd_set *loading;

static xmlParserInput *load(const char *url, const char *id, xmlParserCtxt *parser)
{
    const struct xsd *xsd = loading && url ? strmap_get(&loading->by_name, url) : NULL;
    xmlParserInputBuffer *bytes;
    xmlParserInput *input;

    (void)id;
    if (!xsd)
        return NULL;
    bytes = xmlParserInputBufferCreateMem(xsd->text, (int)xsd->size, XML_CHAR_ENCODING_NONE);
    input = bytes ? xmlNewIOInputStream(parser, bytes, XML_CHAR_ENCODING_NONE) : NULL;
    if (!input)
        abort(); /* libxml2 is out of memory, as in xalloc */
    input->filename = (char *)xmlStrdup((const xmlChar *)xsd->name);
    return input;
}

/* --- compiling --- */

struct complaint {
    const struct xsd *xsd;
    char *text; /* the first mistake */
    size_t count;
};

/* "{http://www.w3.org/2001/XMLSchema}element" as people write it */
static char *shorten(const char *message)
{
    static const char long_form[] = "{http://www.w3.org/2001/XMLSchema}";
    struct buf out;

    buf_init(&out, strlen(message) + 1);
    for (const char *at = message, *next; *at; at = next) {
        next = strstr(at, long_form);
        buf_add(&out, at, next ? (size_t)(next - at) : strlen(at));
        if (next)
            buf_adds(&out, "xs:");
        next = next ? next + sizeof long_form - 1 : at + strlen(at);
    }
    while (out.len && strchr("\n. ", out.data[out.len - 1]))
        buf_cut(&out, out.len - 1);
    return text_printable(buf_steal(&out, NULL));
}

static void on_mistake(void *arg, xmlError *error)
{
    struct complaint *complaint = arg;
    const char *file = error->file ? error->file : "";

    if (error->level < XML_ERR_ERROR || complaint->count++ > 0)
        return;
    char *message = shorten(error->message ? error->message : "not valid");
    bool own = !*file || strcmp(file, complaint->xsd->name) == 0;
    complaint->text = xasprintf("%s%sline %d: %s", own ? "" : file, own ? "" : ", ", error->line, message);
    free(message);
}

static void parse(const struct xsd_set *set, struct xsd *xsd, struct complaint *complaint)
{
    xmlSchemaParserCtxt *context = xmlSchemaNewParserCtxt(xsd->name);
    xmlExternalEntityLoader before = xmlGetExternalEntityLoader();
    xmlStructuredErrorFunc before_error = xmlStructuredError;
    void *before_arg = xmlStructuredErrorContext;

    if (!context)
        abort(); /* libxml2 is out of memory, as in xalloc */
    xmlSchemaSetParserStructuredErrors(context, on_mistake, complaint);
    /* Errors of the documents that it loads find their way by the thread's own handler alone. */
    xmlSetStructuredErrorFunc(complaint, on_mistake);
    loading = set;
    xmlSetExternalEntityLoader(load);
    xsd->schema = xmlSchemaParse(context);
    xmlSetExternalEntityLoader(before);
    loading = NULL;
    xmlSetStructuredErrorFunc(before_arg, before_error);
    xmlSchemaFreeParserCtxt(context);
}

static void compile(const struct xsd_set *set, struct xsd *xsd)
{
    struct complaint complaint = {.xsd = xsd};

    parse(set, xsd, &complaint);
    if (complaint.count == 0 && xsd->schema)
        return;
    xmlSchemaFree(xsd->schema);
    xsd->schema = NULL;
    if (complaint.count > 1)
        xsd->complaint = xasprintf("%s (and %zu more)", complaint.text, complaint.count - 1);
    else
        xsd->complaint = xstrdup(complaint.text ? complaint.text : "cannot be compiled");
    free(complaint.text);
}

/* `visit` is called with all that `xsd` leads to, itself first. */
static void walk(struct xsd_set *set, struct xsd *xsd, void (*visit)(struct xsd *from, struct xsd *at))
{
    struct xsd **open = xcalloc(set->count, sizeof(struct xsd *));
    size_t count = 0;

    set->walks++;
    open[count++] = xsd;
    xsd->walk = set->walks;
    while (count > 0) {
        struct xsd *at = open[--count];
        visit(xsd, at);
        for (size_t i = 0; i < at->lead_count; i++) {
            struct xsd *to = at->leads[i].to;
            if (to && to->walk != set->walks) {
                to->walk = set->walks;
                open[count++] = to;
            }
        }
    }
    free(open);
}

static void inherit(struct xsd *from, struct xsd *at)
{
    from->broken |= at->broken;
    from->has_patterns |= at->has_patterns;
}

static void excuse(struct xsd *from, struct xsd *at)
{
    (void)from;
    at->told = true;
}

/* A function for mistakes, and how many it got. */
struct telling {
    void (*mistake)(void *arg, const char *name, const char *text);
    void *arg;
    size_t count;
};

static void tell(struct telling *telling, const struct xsd *xsd, const char *text)
{
    telling->mistake(telling->arg, xsd->name, text);
    telling->count++;
}

static void resolve(struct xsd_set *set, struct xsd *xsd, struct telling *telling)
{
    for (size_t i = 0; i < xsd->lead_count; i++) {
        struct xsd_lead *lead = &xsd->leads[i];
        lead->to = strmap_get(&set->by_name, lead->location);
        if (lead->to) {
            lead->to->included |= lead->to != xsd;
            continue;
        }
        char *text = xasprintf("line %ld: schemaLocation \"%.200s\" is none of the XML Schemas at hand; "
                               "nothing is fetched",
                               lead->line, lead->location);
        tell(telling, xsd, text_printable(text));
        free(text);
        xsd->broken = xsd->told = true;
    }
}

/* Mistakes of what others include are theirs too: told once, where nobody includes it, or else in a circle.
 */
static void tell_all(struct xsd_set *set, struct telling *telling)
{
    for (int included = 0; included <= 1; included++)
        for (size_t i = 0; i < set->count; i++) {
            struct xsd *xsd = set->items[i];
            if (xsd->told || xsd->included != included)
                continue;
            if (xsd->complaint)
                tell(telling, xsd, xsd->complaint);
            if (xsd->complaint || !included)
                walk(set, xsd, excuse);
        }
}

size_t xsd_set_compile(struct xsd_set *set, void (*mistake)(void *arg, const char *name, const char *text),
                       void *arg)
{
    struct telling telling = {.mistake = mistake, .arg = arg};

    for (size_t i = 0; i < set->count; i++)
        resolve(set, set->items[i], &telling);
    for (size_t i = 0; i < set->count; i++)
        walk(set, set->items[i], inherit);
    for (size_t i = 0; i < set->count; i++)
        if (!set->items[i]->broken)
            compile(set, set->items[i]);
    tell_all(set, &telling);
    return telling.count;
}
