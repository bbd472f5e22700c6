/*
 * catalog - all destinations and groups of one configuration
 *
 * It is built whole and handed over, or thrown away at the first fault: a reload takes all or nothing.
 */
#include "form.h"
#include "catalog.h"
#include "destination.h"
#include "json.h"
#include "ceilings.h"
#include "text.h"
#include "xalloc.h"

static void group_free(void *pointer)
{
    struct group *group = pointer;
    if (!group)
        return;
    for (size_t i = 0; i < group->member_count; i++)
        free(group->members[i]);
    free(group->members);
    json_decref(group->form);
    free(group->name);
    free(group->origin);
    free(group);
}

static int add_member(struct group *group, const char *member, struct fault *fault)
{
    if (!member || !text_is_name(member))
        return fault_set(fault, FAULT_INPUT, "/group/%zu: the name of a destination is wanted",
                         group->member_count);
    for (size_t i = 0; i < group->member_count; i++)
        if (strcmp(group->members[i], member) == 0)
            return fault_set(fault, FAULT_INPUT, "/group/%zu: '%s' is there twice", group->member_count,
                             member);
    group->members[group->member_count++] = xstrdup(member);
    return 0;
}

static int add_members(struct group *group, const json_t *members, struct fault *fault)
{
    group->members = xcalloc(json_array_size(members), sizeof *group->members);
    for (size_t i = 0; i < json_array_size(members); i++)
        if (add_member(group, json_string_value(json_array_get(members, i)), fault))
            return -1;
    return 0;
}

bool catalog_is_group(const json_t *form)
{
    return json_object_get(form, "group") && !json_object_get(form, "protocol");
}

/* {"name": "eu", "group": ["a", "b"], "policy": "weighted", "weights": {"a": 3}, "max_queue": 500} */
static int read_group(struct group *group, struct fault *fault)
{
    json_t *members = NULL, *weights = NULL;
    const char *policy = NULL, *hash_on = NULL;
    const struct json_field fields[] = {
        {.name = "name", .kind = JSON_KIND_IGNORED},
        {.name = "description", .kind = JSON_KIND_IGNORED},
        {.name = "group",
         .kind = JSON_KIND_ARRAY,
         .required = true,
         .target = &members,
         .min = 1,
         .max = LIMIT_CANDIDATES},
        {.name = "policy", .kind = JSON_KIND_STRING, .target = &policy},
        {.name = "weights", .kind = JSON_KIND_ANY, .target = &weights},
        {.name = "hash_on", .kind = JSON_KIND_STRING, .target = &hash_on},
        {.name = "max_queue",
         .kind = JSON_KIND_INT,
         .target = &group->max_queue,
         .min = 1,
         .max = GROUP_QUEUE_MAX},
        {0},
    };
    if (json_fields(group->form, "", fields, fault) || add_members(group, members, fault))
        return -1;
    return balance_plan_read(policy, weights, hash_on, (const char *const *)group->members,
                             group->member_count, &group->plan, fault);
}

static struct group *group_new(const char *name, const json_t *form, const char *origin, struct fault *fault)
{
    struct group *group = xcalloc(1, sizeof *group);

    group->name = xstrdup(name);
    group->origin = xstrdup(origin);
    group->form = json_deep_copy(form);
    if (read_group(group, fault) == 0)
        return group;
    group_free(group);
    return NULL;
}

static void unref(void *destination)
{
    destination_unref(destination);
}

struct catalog *catalog_new(void)
{
    struct catalog *catalog = xcalloc(1, sizeof *catalog);
    strmap_init(&catalog->destinations);
    strmap_init(&catalog->groups);
    strmap_init(&catalog->programs);
    return catalog;
}

void catalog_free(struct catalog *catalog)
{
    if (!catalog)
        return;
    strmap_release(&catalog->destinations, unref);
    strmap_release(&catalog->groups, group_free);
    strmap_release(&catalog->programs, free);
    if (catalog->schemas.set)
        catalog->schemas.free(catalog->schemas.set);
    if (catalog->networks.set)
        catalog->networks.free(catalog->networks.set);
    free(catalog);
}

struct destination *catalog_destination(const struct catalog *catalog, const char *name)
{
    return strmap_get(&catalog->destinations, name);
}

struct group *catalog_group(const struct catalog *catalog, const char *name)
{
    return strmap_get(&catalog->groups, name);
}

/* `stem` is NULL where the form must name itself. */
static int add_form(struct catalog *catalog, const json_t *form, const char *stem, const char *origin,
                    struct fault *fault)
{
    const json_t *own = json_object_get(form, "name");
    const char *name = json_is_null(own) || !own ? stem : json_string_value(own);
    if (!json_is_object(form))
        return fault_set(fault, FAULT_INPUT, "an object is wanted");
    if (!name && !own)
        return fault_set(fault, FAULT_INPUT, "'name' is missing");
    if (!name || !text_is_name(name))
        return fault_set(fault, FAULT_INPUT, "%sa name of letters, digits, '.', '_' and '-' is wanted",
                         own ? "/name: " : "for the destination of this file ");
    if (strcmp(name, CATALOG_NO_TARGET) == 0)
        return fault_set(fault, FAULT_INPUT, "'%s' is the target of what has nowhere to go: take another",
                         name);
    struct destination *destination = catalog_destination(catalog, name);
    struct group *group = catalog_group(catalog, name);
    if (destination || group)
        return fault_set(fault, FAULT_INPUT, "the name '%s' is defined in %s already", name,
                         destination ? destination->origin : group->origin);
    if (catalog_is_group(form)) {
        group = group_new(name, form, origin, fault);
        if (group)
            strmap_put(&catalog->groups, name, group);
        return group ? 0 : -1;
    }
    destination = form_destination(name, form, NULL, origin, fault);
    if (destination)
        strmap_put(&catalog->destinations, name, destination);
    return destination ? 0 : -1;
}

/* The pointer of an element of the file goes in front of the pointer within the element. */
static int wrap_element(size_t index, struct fault *fault)
{
    if (!fault)
        return -1;
    const struct fault inner = *fault;
    return fault_set(fault, inner.class, "/%zu%s%s", index, *inner.text == '/' ? "" : ": ", inner.text);
}

int catalog_add(struct catalog *catalog, const char *text, size_t size, const char *stem, const char *origin,
                struct fault *fault)
{
    json_t *content = json_read(text, size, fault);
    if (!content)
        return -1;
    int result = 0;
    if (json_is_array(content)) {
        for (size_t i = 0; i < json_array_size(content) && result == 0; i++) {
            result = add_form(catalog, json_array_get(content, i), NULL, origin, fault);
            if (result)
                wrap_element(i, fault);
        }
    } else {
        result = add_form(catalog, content, stem, origin, fault);
    }
    json_decref(content);
    return result;
}

/* Names as strmap_each() finds them. */
struct names {
    const char **items;
    size_t count;
};

static void add_destination_name(const char *key, void *value, void *arg)
{
    struct names *names = arg;
    (void)key;
    names->items[names->count++] = ((struct destination *)value)->name;
}

static void add_group_name(const char *key, void *value, void *arg)
{
    struct names *names = arg;
    (void)key;
    names->items[names->count++] = ((struct group *)value)->name;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted; the items are for free(). strmap_each() asks for a map that it could change; these visits do not.
 */
static struct names collect(const struct catalog *catalog, bool destinations, bool groups)
{
    struct names names = {
        .items = xcalloc(catalog->destinations.count + catalog->groups.count + 1, sizeof *names.items),
    };
    if (destinations)
        strmap_each((struct strmap *)&catalog->destinations, add_destination_name, &names);
    if (groups)
        strmap_each((struct strmap *)&catalog->groups, add_group_name, &names);
    qsort(names.items, names.count, sizeof *names.items, compare_names);
    return names;
}

const char *catalog_nearest(const struct catalog *catalog, const char *name)
{
    struct names names = collect(catalog, true, true);
    const char *nearest = text_nearest(name, names.items, names.count);
    free(names.items);
    return nearest;
}

const char **catalog_names(const struct catalog *catalog, size_t *count)
{
    struct names names = collect(catalog, true, false);
    *count = names.count;
    return names.items;
}

/* --- programs --- */

void catalog_add_program(struct catalog *catalog, const char *name, char *text)
{
    free(strmap_put(&catalog->programs, name, text));
}

static void add_key(const char *key, void *value, void *arg)
{
    struct names *names = arg;
    (void)value;
    names->items[names->count++] = key;
}

int catalog_program(const struct catalog *catalog, const struct rendering *rendering, const char *path,
                    const char **text, struct fault *fault)
{
    const char *file = rendering->program_file;

    *text = file ? strmap_get(&catalog->programs, file) : rendering->program;
    if (!file || *text)
        return 0;
    struct names names = {.items = xcalloc(catalog->programs.count + 1, sizeof *names.items)};
    strmap_each((struct strmap *)&catalog->programs, add_key, &names);
    const char *nearest = text_nearest(file, names.items, names.count);
    fault_set(fault, FAULT_INPUT, "%s/transform/file: there is no file '%s' in transforms.d%s%s%s", path,
              file, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    free(names.items);
    return -1;
}

int catalog_schema(const struct catalog *catalog, const struct rendering *rendering, const char *path,
                   struct fault *fault)
{
    const struct catalog_schemas *schemas = &catalog->schemas;

    if (!rendering->schema || !schemas->set)
        return 0;
    char *place = xasprintf("%s/schema", path);
    const int result = schemas->named(schemas->set, place, rendering->schema, fault);
    free(place);
    return result;
}

static int check_program(const struct destination *destination, const struct catalog *catalog,
                         struct fault *fault)
{
    const char *text;

    if (catalog_program(catalog, destination->rendering, "", &text, fault) == 0)
        return 0;
    return fault_wrap(fault, "%s: destination '%s'", destination->origin, destination->name);
}

const char **catalog_group_names(const struct catalog *catalog, size_t *count)
{
    struct names names = collect(catalog, false, true);
    *count = names.count;
    return names.items;
}

static int check_group(const struct catalog *catalog, const struct group *group, struct fault *fault)
{
    for (size_t i = 0; i < group->member_count; i++) {
        const char *member = group->members[i];
        if (catalog_destination(catalog, member))
            continue;
        if (catalog_group(catalog, member))
            return fault_set(fault, FAULT_INPUT, "%s: group '%s': /group/%zu: '%s' is a group itself",
                             group->origin, group->name, i, member);
        struct names names = collect(catalog, true, false);
        const char *nearest = text_nearest(member, names.items, names.count);
        free(names.items);
        return fault_set(fault, FAULT_INPUT, "%s: group '%s': /group/%zu: no destination is named '%s'%s%s%s",
                         group->origin, group->name, i, member, nearest ? "; did you mean '" : "",
                         nearest ? nearest : "", nearest ? "'?" : "");
    }
    return 0;
}

int catalog_check(const struct catalog *catalog, struct fault *fault)
{
    struct names names = collect(catalog, true, false);
    int result = 0;

    for (size_t i = 0; i < names.count && result == 0; i++)
        result = check_program(catalog_destination(catalog, names.items[i]), catalog, fault);
    free(names.items);
    names = collect(catalog, false, true);
    for (size_t i = 0; i < names.count && result == 0; i++)
        result = check_group(catalog, catalog_group(catalog, names.items[i]), fault);
    free(names.items);
    return result;
}
