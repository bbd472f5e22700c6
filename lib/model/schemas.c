/*
 * schemas - see schemas.h
 */
#include "schemas.h"
#include <stdlib.h>
#include <string.h>
#include "json.h"
#include "json_where.h"
#include "strmap.h"
#include "xalloc.h"

struct entry {
    char *name;
    char *text; /* for lines of mistakes, until it is compiled */
    size_t size;
    json_t *json;
    struct schema *schema;
    struct fault fault; /* why it does not compile */
};

struct schemas {
    struct entry *items[SCHEMAS_MAX];
    size_t count;
    struct strmap by_name;
    bool hide_values;
};

struct schemas *schemas_new(bool hide_values)
{
    struct schemas *schemas = xcalloc(1, sizeof *schemas);

    schemas->hide_values = hide_values;
    strmap_init(&schemas->by_name);
    return schemas;
}

static void entry_free(struct entry *entry)
{
    schema_free(entry->schema);
    json_decref(entry->json);
    free(entry->text);
    free(entry->name);
    free(entry);
}

void schemas_free(struct schemas *schemas)
{
    if (!schemas)
        return;
    for (size_t i = 0; i < schemas->count; i++)
        entry_free(schemas->items[i]);
    strmap_release(&schemas->by_name, NULL);
    free(schemas);
}

int schemas_add(struct schemas *schemas, const char *name, const char *text, size_t size, struct fault *fault)
{
    if (schemas->count == SCHEMAS_MAX)
        return fault_set(fault, FAULT_INPUT, "more than %d JSON Schemas are not taken", SCHEMAS_MAX);
    if (strmap_get(&schemas->by_name, name))
        return fault_set(fault, FAULT_INPUT, "there is one of this name already");
    json_t *json = json_read(text, size, fault);
    if (!json)
        return -1;
    struct entry *entry = xcalloc(1, sizeof *entry);
    *entry = (struct entry){.name = xstrdup(name), .text = xmemdupz(text, size), .size = size, .json = json};
    schemas->items[schemas->count++] = entry;
    strmap_put(&schemas->by_name, name, entry);
    return 0;
}

/* With the line, where the fault begins with a pointer into this document. */
static char *explain(const struct entry *entry, const struct fault *fault)
{
    if (*fault->text != '/')
        return xstrdup(fault->text);
    char *pointer = xmemdupz(fault->text, strcspn(fault->text, ": "));
    size_t line = json_where(entry->text, entry->size, pointer);
    free(pointer);
    return xasprintf("line %zu: %s", line, fault->text);
}

static void compile(const struct schemas *schemas, struct entry *entry,
                    const struct schema_document *documents, size_t count)
{
    const struct schema_options options = {
        .uri = entry->name,
        .documents = documents,
        .document_count = count,
        .hide_values = schemas->hide_values,
    };
    entry->schema = schema_compile(entry->json, &options, &entry->fault);
}

static const char *id_of(const struct entry *entry)
{
    return json_string_value(json_object_get(entry->json, "$id"));
}

/* The place of a mistake in another document begins with that one's URI, not with a pointer or a word. */
static const struct entry *other_at_fault(const struct schemas *schemas, const struct entry *entry)
{
    size_t size = strcspn(entry->fault.text, "#");

    for (size_t i = 0; i < schemas->count; i++) {
        const struct entry *other = schemas->items[i];
        const char *id = id_of(other);
        if (other == entry || other->schema)
            continue;
        if ((strlen(other->name) == size && strncmp(other->name, entry->fault.text, size) == 0) ||
            (id && strlen(id) == size && strncmp(id, entry->fault.text, size) == 0))
            return other;
    }
    return NULL;
}

/* Whether `text` quotes a reference to `uri`. */
static bool refers_to(const char *text, const char *uri)
{
    char *quoted = xasprintf("\"%s", uri);
    const char *at = strstr(text, quoted), *end = at ? at + strlen(quoted) : "";

    free(quoted);
    return *end == '"' || *end == '#';
}

static bool names_broken(const struct schemas *schemas, const char *text)
{
    for (size_t i = 0; i < schemas->count; i++) {
        const struct entry *entry = schemas->items[i];
        const char *id = id_of(entry);
        if (!entry->schema && (refers_to(text, entry->name) || (id && refers_to(text, id))))
            return true;
    }
    return false;
}

/*
 * A reference that leads nowhere is looked for in all documents, so each mistake in one of them is a mistake
 * of all that have such. What they say without the broken ones is told, unless it is that those are not
 * there.
 */
static void try_again(const struct schemas *schemas, struct entry *entry)
{
    struct schema_document *documents = xcalloc(schemas->count, sizeof *documents);
    size_t count = 0;

    for (size_t i = 0; i < schemas->count; i++)
        if (schemas->items[i]->schema || schemas->items[i] == entry)
            documents[count++] =
                (struct schema_document){.uri = schemas->items[i]->name, .json = schemas->items[i]->json};
    compile(schemas, entry, documents, count);
    if (entry->schema || names_broken(schemas, entry->fault.text))
        fault_clear(&entry->fault);
    schema_free(entry->schema);
    entry->schema = NULL;
    free(documents);
}

static void compile_all(struct schemas *schemas)
{
    struct schema_document *documents = xcalloc(schemas->count, sizeof *documents);

    for (size_t i = 0; i < schemas->count; i++)
        documents[i] =
            (struct schema_document){.uri = schemas->items[i]->name, .json = schemas->items[i]->json};
    for (size_t i = 0; i < schemas->count; i++)
        compile(schemas, schemas->items[i], documents, schemas->count);
    for (size_t i = 0; i < schemas->count; i++)
        if (!schemas->items[i]->schema && other_at_fault(schemas, schemas->items[i]))
            try_again(schemas, schemas->items[i]);
    free(documents);
}

size_t schemas_compile(struct schemas *schemas,
                       void (*mistake)(void *arg, const char *name, const char *text), void *arg)
{
    size_t mistakes = 0;

    compile_all(schemas);
    for (size_t i = 0; i < schemas->count; i++) {
        struct entry *entry = schemas->items[i];
        if (!entry->schema && entry->fault.class != FAULT_NONE) {
            char *text = explain(entry, &entry->fault);
            mistake(arg, entry->name, text);
            free(text);
            mistakes++;
        }
        free(entry->text);
        entry->text = NULL;
    }
    return mistakes;
}

const struct schema *schemas_find(const struct schemas *schemas, const char *name)
{
    const struct entry *entry = strmap_get(&schemas->by_name, name);

    return entry ? entry->schema : NULL;
}
