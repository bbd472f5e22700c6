/*
 * networks - see networks.h
 */
#include "networks.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "json.h"
#include "json_where.h"
#include "strmap.h"
#include "text.h"
#include "xalloc.h"

struct networks {
    struct guard_lists *common;
    struct strmap tenants; /* struct guard_lists * */
};

struct reading {
    struct networks *networks;
    const char *text;
    size_t size;
    void (*mistake)(void *arg, const char *text);
    void *arg;
    size_t mistakes;
};

/* The fault's text begins with a pointer where it knows one, else `path` is it. */
static void note(struct reading *reading, const char *path, const struct fault *fault)
{
    char *pointer = *fault->text == '/' ? xmemdupz(fault->text, strcspn(fault->text, ": ")) : xstrdup(path);
    size_t line = json_where(reading->text, reading->size, pointer);
    char *text = *fault->text == '/' ? xasprintf("line %zu: %s", line, fault->text)
                                     : xasprintf("line %zu: %s: %s", line, path, fault->text);

    reading->mistake(reading->arg, text);
    reading->mistakes++;
    free(text);
    free(pointer);
}

static void read_list(struct reading *reading, const char *path, const json_t *array, enum guard_list list,
                      struct guard_lists *lists)
{
    size_t i;
    json_t *item;

    if (array)
        guard_lists_open(lists, list);
    json_array_foreach (array, i, item) {
        struct fault fault = {0};
        char *place = xasprintf("%s/%zu", path, i);
        int result = json_is_string(item)
                         ? guard_lists_add(lists, list, json_string_value(item), &fault)
                         : fault_set(&fault, FAULT_INPUT, "a text is wanted, as \"10.1.0.0/16\"");
        if (result < 0)
            note(reading, place, &fault);
        free(place);
    }
}

static void read_lists(struct reading *reading, const char *path, const json_t *object,
                       struct guard_lists *lists)
{
    static const char *const names[] = {
        [GUARD_DENY] = "deny", [GUARD_ONLY] = "only", [GUARD_ALLOW] = "allow"};
    json_t *arrays[GUARD_LIST_COUNT] = {0};
    struct json_field fields[GUARD_LIST_COUNT + 2] = {{.name = "description", .kind = JSON_KIND_IGNORED}};
    struct fault fault = {0};

    for (int list = 0; list < GUARD_LIST_COUNT; list++)
        fields[list + 1] = (struct json_field){
            .name = names[list], .kind = JSON_KIND_ARRAY, .target = &arrays[list], .max = GUARD_NETWORKS_MAX};
    if (json_fields(object, path, fields, &fault) < 0) {
        note(reading, path, &fault);
        return;
    }
    for (int list = 0; list < GUARD_LIST_COUNT; list++) {
        char *place = xasprintf("%s/%s", path, names[list]);
        read_list(reading, place, arrays[list], (enum guard_list)list, lists);
        free(place);
    }
}

static void read_tenants(struct reading *reading, json_t *tenants)
{
    struct networks *networks = reading->networks;
    struct fault fault = {0};
    const char *name;
    json_t *object;

    if (json_object_size(tenants) > NETWORKS_TENANTS_MAX) {
        fault_set(&fault, FAULT_INPUT, "more than %d tenants are not taken", NETWORKS_TENANTS_MAX);
        note(reading, "/tenants", &fault);
        return;
    }
    json_object_foreach (tenants, name, object) {
        if (!text_is_name(name)) {
            fault_set(&fault, FAULT_INPUT, "\"%.60s\" is no name of a tenant", name);
            note(reading, "/tenants", &fault);
            continue;
        }
        struct guard_lists *lists = guard_lists_new(networks->common);
        char *path = xasprintf("/tenants/%s", name);
        read_lists(reading, path, object, lists);
        strmap_put(&networks->tenants, name, lists);
        free(path);
    }
}

static void read_document(struct reading *reading, const json_t *document)
{
    json_t *common = NULL, *tenants = NULL;
    const struct json_field fields[] = {
        {.name = "default", .kind = JSON_KIND_OBJECT, .target = &common},
        {.name = "tenants", .kind = JSON_KIND_OBJECT, .target = &tenants},
        {.name = "description", .kind = JSON_KIND_IGNORED},
        {0},
    };
    struct fault fault = {0};

    if (json_fields(document, "", fields, &fault) < 0) {
        note(reading, "/", &fault);
        return;
    }
    if (common)
        read_lists(reading, "/default", common, reading->networks->common);
    read_tenants(reading, tenants);
}

struct networks *networks_read(const char *text, size_t size, void (*mistake)(void *arg, const char *text),
                               void *arg, size_t *mistakes)
{
    struct networks *networks = xcalloc(1, sizeof *networks);
    struct reading reading = {networks, text, size, mistake, arg, 0};
    struct fault fault = {0};
    json_t *document = json_read(text, size, &fault);

    networks->common = guard_lists_new(NULL);
    strmap_init(&networks->tenants);
    if (document)
        read_document(&reading, document);
    else
        mistake(arg, fault.text);
    *mistakes = document ? reading.mistakes : 1;
    json_decref(document);
    if (*mistakes == 0)
        return networks;
    networks_free(networks);
    return NULL;
}

static void drop_lists(void *lists)
{
    guard_lists_unref(lists);
}

void networks_free(struct networks *networks)
{
    if (!networks)
        return;
    strmap_release(&networks->tenants, drop_lists);
    guard_lists_unref(networks->common);
    free(networks);
}

const struct guard_lists *networks_of(const struct networks *networks, const char *tenant)
{
    const struct guard_lists *own = networks && tenant ? strmap_get(&networks->tenants, tenant) : NULL;

    return own ? own : networks ? networks->common : NULL;
}
