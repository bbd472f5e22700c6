/*
 * schema_set - see schema_set.h
 */
#include "schema_set.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "json.h"
#include "requirement.h"
#include "schema_name.h"
#include "schemas.h"
#include "strmap.h"
#include "text.h"
#include "xalloc.h"
#include "xsd.h"

struct schema_set {
    struct schemas *json;
    struct xsd_set *xml;
    struct requirements requirements;
    char **names; /* of all, for the one that is near */
    size_t count;
};

/* A fault has one line: of the mistakes behind the first as many are told as have room in this. */
enum { TOLD_MAX = 800 };

struct schema_set *schema_set_new(bool hide_values)
{
    struct schema_set *set = xcalloc(1, sizeof *set);

    set->json = schemas_new(hide_values);
    set->xml = xsd_set_new(hide_values, 0);
    return set;
}

void schema_set_free(struct schema_set *set)
{
    if (!set)
        return;
    schemas_free(set->json);
    xsd_set_free(set->xml);
    requirements_release(&set->requirements);
    for (size_t i = 0; i < set->count; i++)
        free(set->names[i]);
    free(set->names);
    free(set);
}

int schema_set_add(struct schema_set *set, const char *name, const char *text, size_t size,
                   struct fault *fault)
{
    int result;

    switch (schema_name_language(name)) {
    case SCHEMA_LANGUAGE_JSON:
        result = schemas_add(set->json, name, text, size, fault);
        break;
    case SCHEMA_LANGUAGE_XML:
        result = xsd_set_add(set->xml, name, text, size, fault);
        break;
    default:
        return fault_set(
            fault, FAULT_INPUT,
            "a schema's file has a name of letters, digits, '.', '_' and '-', with .json or .xsd "
            "at its end");
    }
    set->names = xreallocarray(set->names, set->count + 1, sizeof *set->names);
    set->names[set->count++] = xstrdup(name);
    return result;
}

size_t schema_set_compile(struct schema_set *set,
                          void (*mistake)(void *arg, const char *name, const char *text), void *arg)
{
    size_t mistakes = schemas_compile(set->json, mistake, arg);

    return mistakes + xsd_set_compile(set->xml, mistake, arg);
}

int schema_set_named(const struct schema_set *set, const char *path, const char *name, struct fault *fault)
{
    const char *why = "";

    if (schemas_find(set->json, name) || xsd_set_find(set->xml, name, &why))
        return 0;
    if (*why)
        return fault_set(fault, FAULT_INPUT, "%s: '%s' does not stand alone: %s", path, name, why);
    const char *nearest = text_nearest(name, (const char *const *)set->names, set->count);
    return fault_set(fault, FAULT_INPUT, "%s: there is no schema '%s' in schemas.d%s%s%s", path, name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

size_t schema_set_require(struct schema_set *set, const char *text, size_t size,
                          void (*mistake)(void *arg, const char *text), void *arg)
{
    size_t mistakes = requirements_read(&set->requirements, text, size, mistake, arg);

    for (size_t i = 0; i < set->requirements.count; i++) {
        const struct requirement *item = &set->requirements.items[i];
        struct fault fault = {0};
        char path[64];
        snprintf(path, sizeof path, "line %zu: /%zu/schema", item->line, item->index);
        if (schema_set_named(set, path, item->schema, &fault) == 0)
            continue;
        mistake(arg, fault.text);
        mistakes++;
    }
    return mistakes;
}

bool schema_set_requires(const struct schema_set *set)
{
    return set->requirements.count > 0;
}

/* --- checks --- */

/* Errors, one behind the other, while there is room: of the first as much as there is. */
struct telling {
    struct buf text;
    size_t left; /* that had no room */
};

static void tell(struct telling *telling, const char *text)
{
    size_t wanted = telling->text.len + strlen(text) + 2;

    if (telling->text.len && (telling->left || wanted > TOLD_MAX)) {
        telling->left++;
        return;
    }
    buf_addf(&telling->text, "%s%s", telling->text.len ? "; " : "", text);
}

static int end(struct telling *telling, bool more, struct fault *fault)
{
    char rest[48] = "";

    if (telling->left || more)
        snprintf(rest, sizeof rest, "; and %s%zu more", more ? "at least " : "", telling->left + more);
    fault_set(fault, FAULT_INPUT, "%.900s%s", telling->text.data, rest);
    if (fault)
        text_printable(fault->text);
    buf_release(&telling->text);
    return -1;
}

static int check_json(const struct schema *schema, const json_t *value, struct fault *fault)
{
    struct schema_errors errors = {0};
    struct telling telling = {0};

    if (schema_validate(schema, value, &errors) == 0)
        return 0;
    buf_init(&telling.text, 64 * 1024);
    for (size_t i = 0; i < errors.count; i++) {
        struct buf line;
        buf_init(&line, 32 * 1024);
        schema_error_write(&errors.items[i], &line);
        tell(&telling, line.data);
        buf_release(&line);
    }
    bool more = errors.more;
    schema_errors_release(&errors);
    return end(&telling, more, fault);
}

static int check_xml(const struct xsd *xsd, const char *text, size_t size, struct fault *fault)
{
    struct xsd_errors errors = {0};
    struct telling telling = {0};

    if (xsd_validate(xsd, text, size, &errors) == 0)
        return 0;
    buf_init(&telling.text, 64 * 1024);
    for (size_t i = 0; i < errors.count; i++)
        tell(&telling, errors.items[i]);
    bool more = errors.more;
    xsd_errors_release(&errors);
    return end(&telling, more, fault);
}

static int no_schema(const char *name, struct fault *fault)
{
    return fault_set(fault, FAULT_INPUT, "there is no schema '%s'", name);
}

/* application/xml, text/xml and what ends with +xml (RFC 7303) */
static bool is_xml(const char *content_type)
{
    size_t size = strcspn(content_type, "; ");

    return (size == 15 && strncasecmp(content_type, "application/xml", size) == 0) ||
           (size == 8 && strncasecmp(content_type, "text/xml", size) == 0) ||
           (size > 4 && strncasecmp(content_type + size - 4, "+xml", 4) == 0);
}

static int check_type(const char *name, const char *content_type, struct fault *fault)
{
    bool xml = schema_name_language(name) == SCHEMA_LANGUAGE_XML;

    if (xml ? is_xml(content_type) : job_content_is_json(content_type))
        return 0;
    return fault_set(fault, FAULT_INPUT, "it is %s, and the schema %s is for %s", content_type, name,
                     xml ? "XML" : "JSON");
}

int schema_set_check_value(const struct schema_set *set, const char *name, const json_t *value,
                           struct fault *fault)
{
    const struct schema *schema = set ? schemas_find(set->json, name) : NULL;

    return schema ? check_json(schema, value, fault) : no_schema(name, fault);
}

int schema_set_check(const struct schema_set *set, const char *name, const char *content_type,
                     const char *body, size_t size, struct fault *fault)
{
    if (check_type(name, content_type, fault))
        return -1;
    if (schema_name_language(name) == SCHEMA_LANGUAGE_XML) {
        const struct xsd *xsd = set ? xsd_set_find(set->xml, name, NULL) : NULL;
        return xsd ? check_xml(xsd, body, size, fault) : no_schema(name, fault);
    }
    json_t *value = json_read(body, size, fault);
    if (!value)
        return -1;
    int result = schema_set_check_value(set, name, value, fault);
    json_decref(value);
    return result;
}

int schema_set_check_job(const struct schema_set *set, const struct job *job, struct fault *fault)
{
    const struct requirement *item;
    size_t index = 0;

    while (set && (item = requirements_next(&set->requirements, job, &index)))
        if (schema_set_check(set, item->schema, job->content_type, job->body, job->body_size, fault))
            return fault_wrap(fault, "the report does not fit its schema");
    return 0;
}
