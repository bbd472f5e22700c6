/*
 * xml_read - a tree of libxml2 is written as JSON
 */
#include "xml_read.h"
#include <stdlib.h>
#include <string.h>
#include "strmap.h"
#include "xalloc.h"
#include "xml_document.h"

struct writer {
    const struct xml_reading *reading;
    struct strmap arrays; /* the names of reading->arrays */
    struct buf *out;
    struct fault *fault;
};

/* Children of one name: a list through their _private. */
struct group {
    char *name;
    xmlNode *first, *last;
    struct group *next;
};

static int write_element(struct writer *writer, const xmlNode *element, int depth);

/* "p:name", or "name" where there is no prefix or prefixes are stripped; the caller frees. */
static char *full_name(const struct writer *writer, const xmlNs *ns, const xmlChar *name)
{
    if (!ns || !ns->prefix || writer->reading->strip_namespaces)
        return xstrdup((const char *)name);
    return xasprintf("%s:%s", (const char *)ns->prefix, (const char *)name);
}

static bool is_text(const xmlNode *node)
{
    return node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE;
}

static bool is_blank(const xmlNode *element)
{
    for (const xmlNode *node = element->children; node; node = node->next)
        for (const xmlChar *c = is_text(node) ? node->content : NULL; c && *c; c++)
            if (!strchr(" \t\r\n", *c))
                return false;
    return true;
}

/* All texts of the list, as one string. */
static void write_text(struct writer *writer, const xmlNode *node)
{
    const xmlNode *only = node && is_text(node) && !node->next ? node : NULL;
    struct buf text;

    if (only) {
        const char *content = only->content ? (const char *)only->content : "";
        buf_add_json(writer->out, content, strlen(content));
        return;
    }
    buf_init(&text, writer->out->max);
    for (; node; node = node->next)
        if (is_text(node) && node->content)
            buf_adds(&text, (const char *)node->content);
    buf_add_json(writer->out, text.data, text.len);
    if (text.overflow)
        writer->out->overflow = true;
    buf_release(&text);
}

/* `name` with `mark` in front as a key, behind a comma where it is not the first. */
static void write_key(struct writer *writer, bool *first, const char *mark, const char *name)
{
    char *key = xasprintf("%s%s", mark, name);

    if (!*first)
        buf_addc(writer->out, ',');
    *first = false;
    buf_add_json(writer->out, key, strlen(key));
    buf_addc(writer->out, ':');
    free(key);
}

static int write_attributes(struct writer *writer, const xmlNode *element, bool *first)
{
    struct strmap seen;
    int result = 0;

    for (const xmlNs *ns = element->nsDef; ns && !writer->reading->strip_namespaces; ns = ns->next) {
        const char *uri = ns->href ? (const char *)ns->href : "";
        write_key(writer, first, ns->prefix ? "@xmlns:" : "@xmlns",
                  ns->prefix ? (const char *)ns->prefix : "");
        buf_add_json(writer->out, uri, strlen(uri));
    }
    strmap_init(&seen);
    for (const xmlAttr *attribute = element->properties; attribute && result == 0;
         attribute = attribute->next) {
        char *name = full_name(writer, attribute->ns, attribute->name);
        if (strmap_put(&seen, name, writer)) {
            result = fault_set(writer->fault, FAULT_INPUT,
                               "line %ld: two attributes are '%.60s' without their prefixes",
                               xmlGetLineNo(element), name);
        } else {
            write_key(writer, first, "@", name);
            write_text(writer, attribute->children);
        }
        free(name);
    }
    strmap_release(&seen, NULL);
    return result;
}

/* The child elements by name, in the order in which the names appear; the caller frees. */
static struct group *group_children(const struct writer *writer, const xmlNode *element)
{
    struct group *groups = NULL, **end = &groups;
    struct strmap by_name;

    strmap_init(&by_name);
    for (xmlNode *node = element->children; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        char *name = full_name(writer, node->ns, node->name);
        struct group *group = strmap_get(&by_name, name);
        node->_private = NULL;
        if (group) {
            group->last->_private = node;
            group->last = node;
            free(name);
            continue;
        }
        group = xcalloc(1, sizeof *group);
        *group = (struct group){.name = name, .first = node, .last = node};
        strmap_put(&by_name, name, group);
        *end = group;
        end = &group->next;
    }
    strmap_release(&by_name, NULL);
    return groups;
}

static int write_group(struct writer *writer, const struct group *group, int depth)
{
    const bool is_array = group->first != group->last || strmap_get(&writer->arrays, group->name);

    if (!is_array)
        return write_element(writer, group->first, depth);
    if (depth > writer->reading->max_depth)
        return fault_set(writer->fault, FAULT_INPUT, "line %ld: elements are nested too deeply",
                         xmlGetLineNo(group->first));
    buf_addc(writer->out, '[');
    for (const xmlNode *node = group->first; node && !writer->out->overflow; node = node->_private) {
        if (node != group->first)
            buf_addc(writer->out, ',');
        if (write_element(writer, node, depth + 1))
            return -1;
    }
    buf_addc(writer->out, ']');
    return 0;
}

static int write_children(struct writer *writer, const xmlNode *element, bool *first, int depth)
{
    struct group *groups = group_children(writer, element), *next;
    int result = 0;

    for (struct group *group = groups; group; group = next) {
        next = group->next;
        if (result == 0 && !writer->out->overflow) {
            write_key(writer, first, "", group->name);
            result = write_group(writer, group, depth);
        }
        free(group->name);
        free(group);
    }
    return result;
}

static bool has_elements(const xmlNode *element)
{
    for (const xmlNode *node = element->children; node; node = node->next)
        if (node->type == XML_ELEMENT_NODE)
            return true;
    return false;
}

static int write_element(struct writer *writer, const xmlNode *element, int depth)
{
    const bool attributes = element->properties || (element->nsDef && !writer->reading->strip_namespaces);
    bool first = true;

    if (!attributes && !has_elements(element)) {
        write_text(writer, element->children);
        return 0;
    }
    if (depth > writer->reading->max_depth)
        return fault_set(writer->fault, FAULT_INPUT, "line %ld: elements are nested too deeply",
                         xmlGetLineNo(element));
    buf_addc(writer->out, '{');
    if (write_attributes(writer, element, &first))
        return -1;
    if (!is_blank(element)) {
        write_key(writer, &first, "", "#text");
        write_text(writer, element->children);
    }
    if (write_children(writer, element, &first, depth + 1))
        return -1;
    buf_addc(writer->out, '}');
    return 0;
}

static int write_document(struct writer *writer, const xmlNode *root)
{
    bool first = true;

    if (!writer->reading->keep_root)
        return write_element(writer, root, 1);
    char *name = full_name(writer, root->ns, root->name);
    buf_addc(writer->out, '{');
    write_key(writer, &first, "", name);
    free(name);
    int result = write_element(writer, root, 2);
    buf_addc(writer->out, '}');
    return result;
}

int xml_read(const char *text, size_t size, const struct xml_reading *reading, struct buf *json,
             struct fault *fault)
{
    const struct xml_limits limits = {.max_nodes = reading->max_nodes, .max_depth = reading->max_depth};
    struct writer writer = {.reading = reading, .out = json, .fault = fault};
    const size_t before = json->len;

    xmlDoc *document = xml_document(text, size, NULL, &limits, fault);
    if (!document)
        return -1;
    strmap_init(&writer.arrays);
    for (size_t i = 0; i < reading->array_count; i++)
        strmap_put(&writer.arrays, reading->arrays[i], &writer);
    int result = write_document(&writer, xmlDocGetRootElement(document));
    strmap_release(&writer.arrays, NULL);
    xmlFreeDoc(document);
    if (result == 0 && json->overflow)
        result = fault_set(fault, FAULT_INPUT, "as JSON it is larger than %zu bytes", json->max);
    if (result)
        buf_cut(json, before);
    return result;
}
