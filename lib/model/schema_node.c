/*
 * schema_node - from JSON to nodes: "$schema", "$id", anchors, keywords
 *
 * Every place that is a schema becomes a node, wanted or not, because an "$id" or an anchor in it may be what
 * a reference names. A place that is none by its keyword becomes one when a reference points at it.
 */
#include "ceilings.h"
#include "schema_parts.h"
#include "text.h"
#include "xalloc.h"

int schema_complain(const struct schema_compiler *compiler, const struct schema_node *node,
                    const char *keyword, const char *format, ...)
{
    struct buf text;
    va_list arguments;
    bool elsewhere = node->file->number > 0;
    buf_init(&text, SCHEMA_URI_MAX + SCHEMA_POINTER_MAX + sizeof compiler->fault->text * 4);
    buf_addf(&text, "%s%s%s", elsewhere ? node->file->uri : "", elsewhere ? "#" : "", node->pointer);
    if (keyword)
        schema_pointer_add(&text, keyword, SCHEMA_POINTER_MAX);
    buf_adds(&text, text.len ? ": " : "");
    va_start(arguments, format);
    buf_vaddf(&text, format, arguments);
    va_end(arguments);
    text_printable(text.data);
    fault_set(compiler->fault, FAULT_INPUT, "%s", text.data);
    buf_release(&text);
    return -1;
}

/* --- resources --- */

static struct schema_resource *resource_new(struct schema_compiler *compiler, struct schema_node *root,
                                            const char *uri)
{
    struct schema *schema = compiler->schema;
    struct schema_resource *resource = xcalloc(1, sizeof *resource);
    resource->uri = xstrdup(uri);
    resource->file = root->file;
    resource->root = root;
    strmap_init(&resource->anchors);
    strmap_init(&resource->dynamic);
    schema->resources =
        xreallocarray(schema->resources, schema->resource_count + 1, sizeof(struct schema_resource *));
    schema->resources[schema->resource_count++] = resource;
    return resource;
}

/*
 * Two of one name in a file are a mistake. In different files they are most often one schema that was handed
 * over twice; the one that was read first is meant then.
 */
static int resource_register(struct schema_compiler *compiler, const struct schema_node *node,
                             struct schema_resource *resource, const char *uri)
{
    const struct schema_resource *other = strmap_get(&compiler->resources, uri);
    char quoted[SCHEMA_QUOTED_SIZE];
    if (!other)
        strmap_put(&compiler->resources, uri, resource);
    else if (other != resource && other->file == resource->file)
        return schema_complain(compiler, node, "$id", "%s is the name of another schema at '#%s' already",
                               schema_quote(uri, strlen(uri), quoted), other->root->pointer);
    return 0;
}

static int add_anchor(struct schema_compiler *compiler, struct schema_node *node, const char *keyword,
                      const char *name)
{
    struct strmap *anchors = &((struct schema_resource *)node->resource)->anchors;
    const struct schema_node *other = strmap_get(anchors, name);
    char quoted[SCHEMA_QUOTED_SIZE];
    if (other && other != node)
        return schema_complain(compiler, node, keyword, "%s names another schema at '#%s' already",
                               schema_quote(name, strlen(name), quoted), other->pointer);
    strmap_put(anchors, name, node);
    return 0;
}

/* The string at `keyword`, which may be absent. */
static int read_string(struct schema_compiler *compiler, const struct schema_node *node, const char *keyword,
                       const char **text)
{
    const json_t *value = json_object_get(node->json, keyword);
    *text = json_string_value(value);
    return !value || *text ? 0 : schema_complain(compiler, node, keyword, "a string is wanted");
}

static int enter_resource(struct schema_compiler *compiler, struct schema_node *node, const char *reference)
{
    char *uri = schema_uri_resolve(node->resource->uri, reference);
    struct schema_resource *resource = (struct schema_resource *)node->resource;
    if (!uri)
        return schema_complain(compiler, node, "$id", "a URI of %d bytes at most is wanted",
                               (int)SCHEMA_URI_MAX);
    if (resource->root == node) {
        free(resource->uri);
        resource->uri = xstrdup(uri);
    } else if (strcmp(uri, resource->uri) != 0) {
        node->resource = resource = resource_new(compiler, node, uri);
    }
    int result = resource_register(compiler, node, resource, uri);
    free(uri);
    return result;
}

static int read_id(struct schema_compiler *compiler, struct schema_node *node)
{
    const char *id;
    char *fragment, *start;
    if (read_string(compiler, node, "$id", &id))
        return -1;
    if (!id)
        return 0;
    int result = 0;
    start = schema_uri_split(id, &fragment);
    if (fragment && *fragment && node->dialect.draft != DRAFT_07)
        result = schema_complain(compiler, node, "$id",
                                 "a URI without a fragment is wanted; \"$anchor\" sets one");
    if (result == 0 && *start)
        result = enter_resource(compiler, node, start);
    if (result == 0 && fragment && *fragment)
        result = add_anchor(compiler, node, "$id", fragment);
    free(start);
    free(fragment);
    return result;
}

static int read_anchors(struct schema_compiler *compiler, struct schema_node *node)
{
    const char *name, *dynamic;
    if (node->dialect.draft == DRAFT_07)
        return 0;
    if (read_string(compiler, node, "$anchor", &name) ||
        read_string(compiler, node, "$dynamicAnchor", &dynamic))
        return -1;
    if (dynamic)
        strmap_put(&((struct schema_resource *)node->resource)->dynamic, dynamic, node);
    if (name && add_anchor(compiler, node, "$anchor", name))
        return -1;
    return dynamic ? add_anchor(compiler, node, "$dynamicAnchor", dynamic) : 0;
}

/* A resource of its own may be of another draft. */
static int read_dialect(struct schema_compiler *compiler, struct schema_node *node)
{
    const char *uri;
    if (node->resource->root != node && !json_object_get(node->json, "$id"))
        return 0;
    if (read_string(compiler, node, "$schema", &uri))
        return -1;
    return uri ? schema_reference_dialect(compiler, node, uri, &node->dialect) : 0;
}

/* --- keywords --- */

static bool silences_neighbours(const struct schema_node *node)
{
    return node->dialect.draft == DRAFT_07 && json_object_get(node->json, "$ref");
}

static bool counts(const struct schema_node *node, const struct schema_kind *kind)
{
    if (!(kind->drafts & node->dialect.draft) || !(kind->vocabulary & node->dialect.vocabularies) ||
        !json_object_get(node->json, kind->name))
        return false;
    /* Definitions stay: references may lead there. */
    return !silences_neighbours(node) || kind->read == schema_read_reference ||
           strcmp(kind->name, "definitions") == 0;
}

static const struct schema_keyword *find_keyword(const struct schema_node *node, size_t count,
                                                 const char *name)
{
    for (size_t i = 0; name && i < count; i++)
        if (strcmp(node->keywords[i].kind->name, name) == 0)
            return &node->keywords[i];
    return NULL;
}

static int read_keywords(struct schema_compiler *compiler, struct schema_node *node)
{
    size_t count = 0;
    for (const struct schema_kind *kind = schema_kinds; kind->name; kind++)
        count += counts(node, kind);
    node->keywords = xcalloc(count, sizeof *node->keywords);
    for (const struct schema_kind *kind = schema_kinds; kind->name; kind++) {
        if (!counts(node, kind))
            continue;
        struct schema_keyword *keyword = &node->keywords[node->count];
        keyword->kind = kind;
        keyword->value = json_object_get(node->json, kind->name);
        strmap_init(&keyword->by_name);
        for (size_t i = 0; i < 2; i++)
            keyword->peers[i] = find_keyword(node, node->count, kind->peers[i]);
        node->count++;
        node->additional |= kind->check == schema_check_additional;
        node->unevaluated |= kind->vocabulary == VOCABULARY_UNEVALUATED;
        if (kind->read(compiler, node, keyword))
            return -1;
    }
    return 0;
}

/* --- nodes --- */

static char *node_key(const struct schema_file *file, const char *pointer)
{
    return xasprintf("%zu:%s", file->number, pointer);
}

struct schema_node *schema_node_find(const struct schema_compiler *compiler, const struct schema_file *file,
                                     const char *pointer)
{
    char *key = node_key(file, pointer);
    struct schema_node *node = strmap_get(&compiler->nodes, key);
    free(key);
    return node;
}

static void node_register(struct schema_compiler *compiler, struct schema_node *node)
{
    struct schema *schema = compiler->schema;
    char *key = node_key(node->file, node->pointer);
    strmap_put(&compiler->nodes, key, node);
    free(key);
    schema->nodes = xreallocarray(schema->nodes, schema->node_count + 1, sizeof(struct schema_node *));
    schema->nodes[schema->node_count++] = node;
}

static int check_limits(const struct schema_compiler *compiler, const struct schema_node *node)
{
    if (strlen(node->pointer) > SCHEMA_POINTER_MAX)
        return schema_complain(compiler, node, NULL, "a place with a pointer of at most %d bytes is wanted",
                               (int)SCHEMA_POINTER_MAX);
    if (compiler->schema->node_count > compiler->max_subschemas)
        return schema_complain(compiler, node, NULL, "there are more than %zu subschemas",
                               compiler->max_subschemas);
    if (compiler->depth >= LIMIT_JSON_DEPTH)
        return schema_complain(compiler, node, NULL, "schemas are nested more than %d levels deep",
                               (int)LIMIT_JSON_DEPTH);
    return 0;
}

static int node_read(struct schema_compiler *compiler, struct schema_node *node)
{
    struct buf found;
    if (json_is_boolean(node->json)) {
        node->fixed = json_is_true(node->json) ? SCHEMA_TRUE : SCHEMA_FALSE;
        return 0;
    }
    if (!json_is_object(node->json)) {
        buf_init(&found, SCHEMA_QUOTED_SIZE);
        schema_describe(node->json, false, &found);
        schema_complain(compiler, node, NULL, "a schema is wanted (an object, true or false), not %s",
                        found.data);
        buf_release(&found);
        return -1;
    }
    if (read_dialect(compiler, node))
        return -1;
    if (!silences_neighbours(node) && (read_id(compiler, node) || read_anchors(compiler, node)))
        return -1;
    compiler->depth++;
    int result = read_keywords(compiler, node);
    compiler->depth--;
    return result;
}

struct schema_node *schema_node_make(struct schema_compiler *compiler, const struct schema_file *file,
                                     const struct schema_node *parent, struct schema_dialect dialect,
                                     char *pointer, const json_t *json)
{
    struct schema_node *node = schema_node_find(compiler, file, pointer);
    if (node) {
        free(pointer);
        return node;
    }
    node = xcalloc(1, sizeof *node);
    node->file = file;
    node->pointer = pointer;
    node->json = json;
    node->dialect = dialect;
    node_register(compiler, node);
    if (parent) {
        node->resource = parent->resource;
    } else {
        struct schema_resource *root = resource_new(compiler, node, file->uri ? file->uri : "");
        node->resource = root;
        if (file->uri && resource_register(compiler, node, root, file->uri))
            return NULL;
    }
    return check_limits(compiler, node) || node_read(compiler, node) ? NULL : node;
}

struct schema_node *schema_node_at(struct schema_compiler *compiler, const struct schema_node *parent,
                                   const char *keyword, const char *name, const json_t *json)
{
    struct buf pointer;
    buf_init(&pointer, SIZE_MAX / 4);
    buf_adds(&pointer, parent->pointer);
    schema_pointer_add(&pointer, keyword, SIZE_MAX);
    if (name)
        schema_pointer_add(&pointer, name, SIZE_MAX);
    return schema_node_make(compiler, parent->file, parent, parent->dialect, buf_steal(&pointer, NULL), json);
}
