/*
 * schema_reference - from nodes to a web of them: where each reference leads
 *
 * A reference is a URI and a fragment. The URI names a resource that has been read, or a document that is
 * read now; the fragment is an anchor in it, or a pointer from its root, through whatever lies there.
 */
#include "schema_parts.h"
#include "text.h"
#include "xalloc.h"

void schema_reference_add(struct schema_compiler *compiler, struct schema_node *node,
                          struct schema_keyword *keyword)
{
    compiler->references =
        xreallocarray(compiler->references, compiler->reference_count + 1, sizeof *compiler->references);
    compiler->references[compiler->reference_count++] = (struct schema_reference){node, keyword};
}

/* --- resources --- */

/* Reads a document of the options, or a meta-schema, that is known by this URI; 0 where there is none, too.
 */
static int load(struct schema_compiler *compiler, const struct schema_node *node, const char *uri)
{
    const struct schema_document *document = strmap_get(&compiler->documents, uri);
    json_t *meta = document ? NULL : schema_meta_load(uri);
    if (!document && !meta)
        return 0;
    const struct schema_node *root =
        schema_file_load(compiler, uri, document ? document->json : meta, node->dialect);
    json_decref(meta);
    return root ? 0 : -1;
}

/* An "$id" below the root of a document is known when it has been read: so all that are left are. */
static int load_all(struct schema_compiler *compiler, const struct schema_node *node)
{
    const struct schema_options *options = compiler->options;
    for (size_t i = 0; i < options->document_count; i++) {
        const struct schema_document *document = &options->documents[i];
        const char *uri =
            document->uri ? document->uri : json_string_value(json_object_get(document->json, "$id"));
        char *fragment, *start = schema_uri_split(uri, &fragment), *clean = schema_uri_resolve("", start);
        int result = 0;
        if (clean && !strmap_get(&compiler->resources, clean))
            result = load(compiler, node, clean);
        free(clean);
        free(start);
        free(fragment);
        if (result)
            return -1;
    }
    return 0;
}

static struct schema_resource *find_resource(struct schema_compiler *compiler, const struct schema_node *node,
                                             const char *keyword, const char *uri)
{
    struct schema_resource *found = strmap_get(&compiler->resources, uri);
    char quoted[SCHEMA_QUOTED_SIZE];
    if (!found && load(compiler, node, uri))
        return NULL;
    found = strmap_get(&compiler->resources, uri);
    if (!found && load_all(compiler, node))
        return NULL;
    found = strmap_get(&compiler->resources, uri);
    if (!found)
        schema_complain(compiler, node, keyword, "no schema is known as %s",
                        schema_quote(uri, strlen(uri), quoted));
    return found;
}

/* --- fragments --- */

/* The next part of a JSON pointer with "~1" and "~0" undone; the caller's. `*at` stands on its slash. */
static char *next_token(const char **at)
{
    size_t size = strcspn(*at + 1, "/");
    char *token = xmemdupz(*at + 1, size), *out = token;
    for (const char *in = token; *in; in++) {
        if (in[0] == '~' && (in[1] == '0' || in[1] == '1'))
            *out++ = *++in == '0' ? '~' : '/';
        else
            *out++ = *in;
    }
    *out = '\0';
    *at += 1 + size;
    return token;
}

/* RFC 6901: digits, without a 0 in front. */
static const json_t *element(const json_t *array, const char *token)
{
    char *end;
    if (token[0] < '0' || token[0] > '9' || (token[0] == '0' && token[1]))
        return NULL;
    unsigned long index = strtoul(token, &end, 10);
    return *end ? NULL : json_array_get(array, index);
}

/* Behind `from`; the nearest node around the place gives it its base. */
static struct schema_node *node_by_pointer(struct schema_compiler *compiler, const struct schema_node *from,
                                           const char *fragment)
{
    const struct schema_node *nearest = from, *found;
    const json_t *json = from->json;
    struct buf pointer;
    buf_init(&pointer, SIZE_MAX / 4);
    buf_adds(&pointer, from->pointer);
    while (*fragment && json) {
        char *token = next_token(&fragment);
        json = json_is_array(json) ? element(json, token) : json_object_get(json, token);
        schema_pointer_add(&pointer, token, SIZE_MAX);
        free(token);
        found = schema_node_find(compiler, from->file, pointer.data);
        nearest = found ? found : nearest;
    }
    if (json)
        return schema_node_make(compiler, from->file, nearest, nearest->dialect, buf_steal(&pointer, NULL),
                                json);
    buf_release(&pointer);
    return NULL;
}

static struct schema_node *follow(struct schema_compiler *compiler, const struct schema_reference *reference,
                                  struct schema_resource *resource, const char *fragment)
{
    const char *name = reference->keyword->kind->name;
    char quoted[SCHEMA_QUOTED_SIZE];
    struct schema_node *node;
    if (!fragment || !*fragment)
        return resource->root;
    fault_clear(compiler->fault);
    node = *fragment == '/' ? node_by_pointer(compiler, resource->root, fragment)
                            : strmap_get(&resource->anchors, fragment);
    /* What is wrong at its end has been said already. */
    if (!node && compiler->fault->class == FAULT_NONE)
        schema_complain(compiler, reference->node, name, "it leads to %s, where nothing is",
                        schema_quote(json_string_value(reference->keyword->value),
                                     json_string_length(reference->keyword->value), quoted));
    return node;
}

static int resolve(struct schema_compiler *compiler, const struct schema_reference *reference)
{
    struct schema_keyword *keyword = reference->keyword;
    char *fragment, *start = schema_uri_split(json_string_value(keyword->value), &fragment);
    char *uri = schema_uri_resolve(reference->node->resource->uri, start);
    struct schema_resource *resource = NULL;
    if (!uri)
        schema_complain(compiler, reference->node, keyword->kind->name, "a URI of %d bytes at most is wanted",
                        (int)SCHEMA_URI_MAX);
    else if (!*start)
        resource = (struct schema_resource *)reference->node->resource; /* it may have no name */
    else
        resource = find_resource(compiler, reference->node, keyword->kind->name, uri);
    keyword->node = resource ? follow(compiler, reference, resource, fragment) : NULL;
    if (keyword->node && keyword->kind->check == schema_check_dynamic && fragment && *fragment &&
        strmap_get(&resource->dynamic, fragment) == keyword->node)
        keyword->dynamic = json_string_value(json_object_get(keyword->node->json, "$dynamicAnchor"));
    free(uri);
    free(start);
    free(fragment);
    return keyword->node ? 0 : -1;
}

int schema_references_resolve(struct schema_compiler *compiler)
{
    /* Each may read a document with further ones. */
    for (size_t i = 0; i < compiler->reference_count; i++) {
        const struct schema_reference reference = compiler->references[i];
        if (resolve(compiler, &reference))
            return -1;
    }
    return 0;
}

/* --- "$schema" --- */

static const struct schema_document *find_meta(const struct schema_compiler *compiler, const char *uri)
{
    char *fragment, *start = schema_uri_split(uri, &fragment);
    const struct schema_document *found =
        fragment && *fragment ? NULL : strmap_get(&compiler->documents, start);
    free(start);
    free(fragment);
    return found;
}

int schema_reference_dialect(const struct schema_compiler *compiler, const struct schema_node *node,
                             const char *uri, struct schema_dialect *dialect)
{
    char quoted[SCHEMA_QUOTED_SIZE];
    const struct schema_document *meta = NULL;
    const char *missing;
    enum schema_known known = schema_dialect_by_uri(uri, dialect);
    schema_quote(uri, strlen(uri), quoted);
    if (known == SCHEMA_UNKNOWN && (meta = find_meta(compiler, uri))) {
        /* Its own "$schema" says what it is a dialect of. */
        const char *base = json_string_value(json_object_get(meta->json, "$schema"));
        known = base ? schema_dialect_by_uri(base, dialect) : SCHEMA_KNOWN;
    }
    if (known == SCHEMA_UNSUPPORTED)
        return schema_complain(compiler, node, "$schema",
                               "draft 2020-12 or draft-07 is wanted, %s is neither of them", quoted);
    if (known == SCHEMA_UNKNOWN)
        return schema_complain(compiler, node, "$schema", "no meta-schema is known as %s", quoted);
    if (meta && (missing = schema_dialect_read(meta->json, dialect)))
        return schema_complain(compiler, node, "$schema",
                               "it requires the vocabulary '%s', which is not known", missing);
    return 0;
}
