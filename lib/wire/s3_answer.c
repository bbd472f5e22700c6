/*
 * s3_answer - the XML of an object store; see s3.h
 *
 * Namespaces are not looked at: stores differ in theirs. A body that is no XML is no answer, never a fault:
 * proxies in front of a store speak HTML.
 */
#include "s3.h"

#include <stdlib.h>
#include <string.h>
#include "text.h"
#include "xalloc.h"
#include "xml_document.h"

static const struct xml_limits limits = {.max_nodes = 4000, .max_depth = 10};

static bool is_named(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

/* The text of the child of that name; for xmlFree(), or NULL. */
static xmlChar *text_of(const xmlNode *node, const char *name)
{
    for (const xmlNode *child = node->children; child; child = child->next)
        if (is_named(child, name))
            return xmlNodeGetContent(child);
    return NULL;
}

static void copy_text(const xmlNode *node, const char *name, char *out, size_t out_size)
{
    xmlChar *text = text_of(node, name);

    /* An id that was cut would be another one. */
    if (text && (out_size != S3_ID_SIZE || strlen((const char *)text) < out_size))
        text_copy(out, out_size, (const char *)text);
    text_printable(out);
    xmlFree(text);
}

void s3_answer_read(const char *body, size_t size, struct s3_answer *answer)
{
    xmlDoc *document = size ? xml_document(body, size, NULL, &limits, NULL) : NULL;
    const xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
    char etag[sizeof answer->etag] = "";

    if (root && is_named(root, "Error")) {
        copy_text(root, "Code", answer->code, sizeof answer->code);
        copy_text(root, "Message", answer->message, sizeof answer->message);
        if (!answer->code[0])
            text_copy(answer->code, sizeof answer->code, "Error");
    } else if (root) {
        copy_text(root, "UploadId", answer->upload_id, sizeof answer->upload_id);
        copy_text(root, "ETag", etag, sizeof etag);
        answer->completed = is_named(root, "CompleteMultipartUploadResult") && etag[0];
    }
    xmlFreeDoc(document);
}

size_t s3_uploads_read(const char *body, size_t size, const char *key, char *ids[S3_UPLOADS])
{
    xmlDoc *document = size ? xml_document(body, size, NULL, &limits, NULL) : NULL;
    const xmlNode *root = document ? xmlDocGetRootElement(document) : NULL;
    size_t count = 0;

    for (const xmlNode *node = root ? root->children : NULL; node && count < S3_UPLOADS; node = node->next) {
        if (!is_named(node, "Upload"))
            continue;
        xmlChar *name = text_of(node, "Key"), *id = text_of(node, "UploadId");
        if (name && id && strcmp((const char *)name, key) == 0 && strlen((const char *)id) < S3_ID_SIZE)
            ids[count++] = xstrdup((const char *)id);
        xmlFree(name);
        xmlFree(id);
    }
    xmlFreeDoc(document);
    return count;
}
