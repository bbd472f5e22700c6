/*
 * schema_compile - the compiler's beginning and end: options, files, memory
 *
 * The main document is read first, then its references are followed, and those of the files that they lead
 * to, until none is open. A document of the options that nothing leads to is not read.
 */
#include "rng.h"
#include "schema_parts.h"
#include "xalloc.h"

/* Documents are found without the empty fragment that their URIs may end with. */
static void add_document(struct schema_compiler *compiler, const char *uri,
                         const struct schema_document *document)
{
    char *fragment, *start = schema_uri_split(uri, &fragment), *clean = schema_uri_resolve("", start);
    if (clean && (!fragment || !*fragment) && !strmap_get(&compiler->documents, clean))
        strmap_put(&compiler->documents, clean, (void *)document);
    free(clean);
    free(start);
    free(fragment);
}

static int add_documents(struct schema_compiler *compiler, struct fault *fault)
{
    const struct schema_options *options = compiler->options;
    for (size_t i = 0; i < options->document_count; i++)
        if (options->documents[i].uri)
            add_document(compiler, options->documents[i].uri, &options->documents[i]);
    /* What they say of themselves comes behind where they were found. */
    for (size_t i = 0; i < options->document_count; i++) {
        const char *id = json_string_value(json_object_get(options->documents[i].json, "$id"));
        if (id)
            add_document(compiler, id, &options->documents[i]);
        else if (!options->documents[i].uri)
            return fault_set(fault, FAULT_INPUT, "document %zu has neither a URI nor an \"$id\"", i + 1);
    }
    return 0;
}

struct schema_node *schema_file_load(struct schema_compiler *compiler, const char *uri, const json_t *json,
                                     struct schema_dialect dialect)
{
    struct schema *schema = compiler->schema;
    struct schema_file *file = xcalloc(1, sizeof *file);
    file->uri = xstrdup_null(uri);
    file->json = json_deep_copy(json);
    file->number = schema->file_count;
    schema->files = xreallocarray(schema->files, schema->file_count + 1, sizeof(struct schema_file *));
    schema->files[schema->file_count++] = file;
    return schema_node_make(compiler, file, NULL, dialect, xstrdup(""), file->json);
}

static int compile(struct schema_compiler *compiler, const json_t *document, struct fault *fault)
{
    const struct schema_dialect standard = {DRAFT_2020_12, VOCABULARY_ALL};
    char *uri = NULL, *fragment = NULL, *start;
    if (compiler->options->uri) {
        start = schema_uri_split(compiler->options->uri, &fragment);
        uri = schema_uri_resolve("", start);
        free(fragment);
        free(start);
        if (!uri)
            return fault_set(fault, FAULT_INPUT, "its URI has more than %d bytes", (int)SCHEMA_URI_MAX);
    }
    int result = add_documents(compiler, fault);
    if (result == 0)
        compiler->schema->root = schema_file_load(compiler, uri, document, standard);
    free(uri);
    return result == 0 && compiler->schema->root ? schema_references_resolve(compiler) : -1;
}

struct schema *schema_compile(const json_t *document, const struct schema_options *options,
                              struct fault *fault)
{
    static const struct schema_options none = {0};
    struct schema *schema = xcalloc(1, sizeof *schema);
    struct fault unwanted;
    options = options ? options : &none;
    schema->max_steps = options->max_steps ? options->max_steps : SCHEMA_STEPS_DEFAULT;
    schema->max_match_steps =
        options->max_match_steps ? options->max_match_steps : SCHEMA_MATCH_STEPS_DEFAULT;
    schema->max_errors = options->max_errors ? options->max_errors : SCHEMA_ERRORS_DEFAULT;
    schema->hide_values = options->hide_values;
    rng_bytes(&schema->seed, sizeof schema->seed);
    struct schema_compiler compiler = {
        .schema = schema,
        .options = options,
        .max_subschemas = options->max_subschemas ? options->max_subschemas : SCHEMA_SUBSCHEMAS_DEFAULT,
        .max_pattern_bytes = options->max_pattern_bytes ? options->max_pattern_bytes : SCHEMA_PATTERN_DEFAULT,
        .fault = fault ? fault : &unwanted,
    };
    strmap_init(&compiler.nodes);
    strmap_init(&compiler.resources);
    strmap_init(&compiler.documents);
    if (compile(&compiler, document, compiler.fault)) {
        schema_free(schema);
        schema = NULL;
    }
    strmap_release(&compiler.nodes, NULL);
    strmap_release(&compiler.resources, NULL);
    strmap_release(&compiler.documents, NULL);
    free(compiler.references);
    return schema;
}

static void free_node(struct schema_node *node)
{
    for (size_t i = 0; i < node->count; i++) {
        struct schema_keyword *keyword = &node->keywords[i];
        for (size_t j = 0; j < keyword->pattern_count; j++)
            schema_pattern_free(keyword->patterns[j]);
        strmap_release(&keyword->by_name, NULL);
        free(keyword->patterns);
        free(keyword->list);
        free(keyword->hashes);
    }
    free(node->keywords);
    free(node->pointer);
    free(node);
}

void schema_free(struct schema *schema)
{
    if (!schema)
        return;
    for (size_t i = 0; i < schema->node_count; i++)
        free_node(schema->nodes[i]);
    for (size_t i = 0; i < schema->resource_count; i++) {
        strmap_release(&schema->resources[i]->anchors, NULL);
        strmap_release(&schema->resources[i]->dynamic, NULL);
        free(schema->resources[i]->uri);
        free(schema->resources[i]);
    }
    for (size_t i = 0; i < schema->file_count; i++) {
        json_decref(schema->files[i]->json);
        free(schema->files[i]->uri);
        free(schema->files[i]);
    }
    free(schema->nodes);
    free(schema->resources);
    free(schema->files);
    free(schema);
}
