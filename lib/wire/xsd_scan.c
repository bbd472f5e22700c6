/*
 * xsd_scan - a schema document before it is compiled: where it leads to, what it would cost
 */
#include "xsd_parts.h"
#include <stdlib.h>
#include <string.h>
#include "num.h"
#include "text.h"
#include "xalloc.h"

static const char xs[] = "http://www.w3.org/2001/XMLSchema";

static bool is_xs(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && node->ns && xmlStrEqual(node->ns->href, (const xmlChar *)xs) &&
           xmlStrEqual(node->name, (const xmlChar *)name);
}

/* The attribute's value, for free() (libxml2's allocator is malloc), or NULL. */
static char *attribute_of(const xmlNode *element, const char *name)
{
    return (char *)xmlGetNoNsProp(element, (const xmlChar *)name);
}

static void add_lead(struct xsd *xsd, const xmlNode *node)
{
    char *location = attribute_of(node, "schemaLocation");

    if (!location)
        return;
    xsd->leads = xreallocarray(xsd->leads, xsd->lead_count + 1, sizeof *xsd->leads);
    xsd->leads[xsd->lead_count++] =
        (struct xsd_lead){.location = xstrdup(location), .line = xmlGetLineNo(node)};
    free(location);
}

/* libxml2 makes an automaton with a state for each time that something may occur, and of nested ones all. */
static int check_occurs(const xmlNode *element, const char *name, struct fault *fault)
{
    char *text = attribute_of(element, name);
    int64_t count;
    int result = 0;

    if (text)
        text_trim(text);
    if (text && *text && strspn(text, "0123456789") == strlen(text) &&
        num_parse_int(text, 0, XSD_OCCURS_MAX, &count, NULL))
        result = fault_set(fault, FAULT_INPUT, "line %ld: %s: more than %d is not taken but \"unbounded\"",
                           xmlGetLineNo(element), name, XSD_OCCURS_MAX);
    free(text);
    return result;
}

static const xmlNode *next_node(const xmlNode *node, const xmlNode *root)
{
    if (node->children)
        return node->children;
    while (node != root && !node->next)
        node = node->parent;
    return node == root ? NULL : node->next;
}

int xsd_scan(struct xsd *xsd, const xmlNode *root, struct fault *fault)
{
    if (!root || !is_xs(root, "schema"))
        return fault_set(fault, FAULT_INPUT, "this is no XML Schema: its root is not 'schema' of %s", xs);
    for (const xmlNode *node = root->children; node; node = node->next)
        if (is_xs(node, "include") || is_xs(node, "import") || is_xs(node, "redefine"))
            add_lead(xsd, node);
    for (const xmlNode *node = root; node; node = next_node(node, root)) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        if (check_occurs(node, "minOccurs", fault) || check_occurs(node, "maxOccurs", fault))
            return -1;
        xsd->has_patterns |= is_xs(node, "pattern");
    }
    return 0;
}
