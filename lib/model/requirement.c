/*
 * requirement - see requirement.h
 */
#include "requirement.h"
#include <stdlib.h>
#include <string.h>
#include "json.h"
#include "json_where.h"
#include "schema_name.h"
#include "xalloc.h"

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static int check_twice(const struct requirements *requirements, const struct requirement *fresh,
                       const char *path, struct fault *fault)
{
    for (size_t i = 0; i < requirements->count; i++) {
        const struct requirement *item = &requirements->items[i];
        if (same(item->tenant, fresh->tenant) && same(item->data_type, fresh->data_type) &&
            same(item->schema, fresh->schema))
            return fault_set(fault, FAULT_INPUT, "%s: is there twice", path);
    }
    return 0;
}

static int read_entry(struct requirements *requirements, const json_t *entry, size_t index,
                      struct fault *fault)
{
    const char *tenant = NULL, *data_type = NULL, *schema = NULL;
    const struct json_field fields[] = {
        {.name = "tenant", .kind = JSON_KIND_NAME, .target = &tenant},
        {.name = "data_type", .kind = JSON_KIND_NAME, .target = &data_type},
        {.name = "schema", .kind = JSON_KIND_STRING, .required = true, .target = &schema},
        {.name = "description", .kind = JSON_KIND_IGNORED},
        {0},
    };
    char path[32], schema_path[48];

    snprintf(path, sizeof path, "/%zu", index);
    snprintf(schema_path, sizeof schema_path, "/%zu/schema", index);
    if (json_fields(entry, path, fields, fault) || schema_name_check(schema_path, schema, fault))
        return -1;
    if (!tenant && !data_type)
        return fault_set(fault, FAULT_INPUT, "%s: a \"tenant\", a \"data_type\" or both are wanted", path);
    struct requirement fresh = {
        .tenant = xstrdup_null(tenant), .data_type = xstrdup_null(data_type), .schema = xstrdup(schema)};
    requirements->items =
        xreallocarray(requirements->items, requirements->count + 1, sizeof *requirements->items);
    int result = check_twice(requirements, &fresh, path, fault);
    requirements->items[requirements->count++] = fresh;
    return result;
}

/* "line 3: /1/schema: ..." */
static void tell(const char *text, size_t size, size_t index, const struct fault *fault,
                 void (*mistake)(void *arg, const char *text), void *arg)
{
    char *pointer =
        *fault->text == '/' ? xmemdupz(fault->text, strcspn(fault->text, ": ")) : xasprintf("/%zu", index);
    char *line = xasprintf("line %zu: %s", json_where(text, size, pointer), fault->text);

    mistake(arg, line);
    free(line);
    free(pointer);
}

size_t requirements_read(struct requirements *requirements, const char *text, size_t size,
                         void (*mistake)(void *arg, const char *text), void *arg)
{
    struct fault fault = {0};
    json_t *array = json_read(text, size, &fault);
    size_t mistakes = 0;

    if (array && !json_is_array(array))
        fault_set(&fault, FAULT_INPUT, "an array of objects is wanted");
    else if (json_array_size(array) > REQUIREMENTS_MAX)
        fault_set(&fault, FAULT_INPUT, "more than %d entries are not taken", REQUIREMENTS_MAX);
    if (fault.class != FAULT_NONE) {
        mistake(arg, fault.text);
        json_decref(array);
        return 1;
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        char pointer[32];
        snprintf(pointer, sizeof pointer, "/%zu", i);
        if (read_entry(requirements, json_array_get(array, i), i, &fault)) {
            tell(text, size, i, &fault, mistake, arg);
            mistakes++;
        } else {
            struct requirement *item = &requirements->items[requirements->count - 1];
            item->index = i;
            item->line = json_where(text, size, pointer);
        }
    }
    json_decref(array);
    return mistakes;
}

void requirements_release(struct requirements *requirements)
{
    for (size_t i = 0; i < requirements->count; i++) {
        free(requirements->items[i].tenant);
        free(requirements->items[i].data_type);
        free(requirements->items[i].schema);
    }
    free(requirements->items);
    *requirements = (struct requirements){0};
}

const struct requirement *requirements_next(const struct requirements *requirements, const struct job *job,
                                            size_t *index)
{
    while (*index < requirements->count) {
        const struct requirement *item = &requirements->items[(*index)++];
        if ((!item->tenant || strcmp(item->tenant, job->tenant_id) == 0) &&
            (!item->data_type || strcmp(item->data_type, job->data_type) == 0))
            return item;
    }
    return NULL;
}
