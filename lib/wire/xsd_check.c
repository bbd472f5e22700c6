/*
 * xsd_check - a document before a schema
 */
#include "xsd_parts.h"
#include <stdlib.h>
#include <string.h>
#include "xalloc.h"
#include "xml_document.h"

/* libxml2 tries ways through a pattern one after the other: what is longer may take it minutes. */
enum { PATTERN_TEXT_MAX = 10000 };

struct check {
    const struct xsd *xsd;
    struct xsd_errors *errors;
};

static void tell(struct check *check, const char *place, const char *text)
{
    struct xsd_errors *errors = check->errors;

    if (errors->count == XSD_ERRORS_MAX)
        errors->more = true;
    else
        errors->items[errors->count++] =
            xasprintf("%s%s%s (%s)", place, *place ? ": " : "", text, check->xsd->name);
}

static void on_error(void *arg, xmlError *error)
{
    struct check *check = arg;

    if (check->errors->count == XSD_ERRORS_MAX) {
        check->errors->more = true;
        return;
    }
    char *place = xsd_error_place(error), *text = xsd_message(error, check->xsd->hide_values);
    tell(check, place, text);
    free(place);
    free(text);
}

static size_t text_size(const xmlNode *node)
{
    size_t size = 0;
    for (; node; node = node->next)
        if (node->type == XML_TEXT_NODE && node->content)
            size += strlen((const char *)node->content);
    return size;
}

static const xmlNode *long_attribute(const xmlNode *element)
{
    for (const xmlAttr *attribute = element->properties; attribute; attribute = attribute->next)
        if (text_size(attribute->children) > PATTERN_TEXT_MAX)
            return (const xmlNode *)attribute;
    return NULL;
}

/* In the order of the document, texts too. */
static const xmlNode *next_node(const xmlNode *node, const xmlNode *root)
{
    if (node->children)
        return node->children;
    while (node != root && !node->next)
        node = node->parent;
    return node == root ? NULL : node->next;
}

/* The first element or attribute whose text is too long for a pattern, or NULL. */
static const xmlNode *find_long(const xmlNode *root)
{
    for (const xmlNode *node = root; node; node = next_node(node, root)) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        const xmlNode *attribute = long_attribute(node);
        if (attribute || text_size(node->children) > PATTERN_TEXT_MAX)
            return attribute ? attribute : node;
    }
    return NULL;
}

static void validate(struct check *check, xmlDoc *document)
{
    xmlSchemaValidCtxt *context = xmlSchemaNewValidCtxt(check->xsd->schema);

    if (!context)
        abort(); /* libxml2 is out of memory, as in xalloc */
    xmlSchemaSetValidStructuredErrors(context, on_error, check);
    int result = xmlSchemaValidateDoc(context, document);
    if (result != 0 && check->errors->count == 0)
        tell(check, "", result < 0 ? "could not be checked" : "does not fit the schema");
    xmlSchemaFreeValidCtxt(context);
}

int xsd_validate(const struct xsd *xsd, const char *text, size_t size, struct xsd_errors *errors)
{
    const struct xml_limits limits = {.max_nodes = XSD_NODES_MAX, .max_depth = XSD_DEPTH_MAX};
    struct check check = {.xsd = xsd, .errors = errors};
    struct fault problem = {0};

    xsd_errors_release(errors);
    xmlDoc *document = xml_document(text, size, NULL, &limits, &problem);
    if (!document) {
        tell(&check, "", problem.text);
        return -1;
    }
    const xmlNode *longest = xsd->has_patterns ? find_long(xmlDocGetRootElement(document)) : NULL;
    if (longest) {
        char *place = xsd_place(longest);
        char *why = xasprintf("a text of more than %d bytes is not matched with patterns", PATTERN_TEXT_MAX);
        tell(&check, place, why);
        free(why);
        free(place);
    } else {
        validate(&check, document);
    }
    xmlFreeDoc(document);
    return errors->count ? -1 : 0;
}

void xsd_errors_release(struct xsd_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        free(errors->items[i]);
    *errors = (struct xsd_errors){0};
}
