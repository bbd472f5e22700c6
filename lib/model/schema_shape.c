/*
 * schema_shape - how the value of each keyword is read
 *
 * What a keyword cannot mean is a fault here, with its place; no schema is taken that would be found wrong
 * only when a value comes to it.
 */
#include "schema_parts.h"
#include "text.h"
#include "xalloc.h"

/* ": a string is wanted, not 3" */
static int complain_value(const struct schema_compiler *compiler, const struct schema_node *node,
                          const struct schema_keyword *keyword, const char *wanted, const json_t *value)
{
    struct buf text;
    buf_init(&text, SCHEMA_QUOTED_SIZE * 2);
    schema_describe(value, false, &text);
    schema_complain(compiler, node, keyword->kind->name, "%s is wanted, not %s", wanted, text.data);
    buf_release(&text);
    return -1;
}

int schema_read_const(struct schema_compiler *compiler, struct schema_node *node,
                      struct schema_keyword *keyword)
{
    (void)compiler;
    (void)node;
    keyword->number = schema_value_size(keyword->value);
    return 0;
}

int schema_read_bool(struct schema_compiler *compiler, struct schema_node *node,
                     struct schema_keyword *keyword)
{
    return json_is_boolean(keyword->value)
               ? 0
               : complain_value(compiler, node, keyword, "true or false", keyword->value);
}

/* 2.0 is a whole number too. */
int schema_read_count(struct schema_compiler *compiler, struct schema_node *node,
                      struct schema_keyword *keyword)
{
    const json_t *value = keyword->value;
    double number = json_number_value(value);
    if (!json_is_number(value) || !schema_number_is_whole(value) || number < 0 ||
        number >= 9223372036854775808.0)
        return complain_value(compiler, node, keyword, "a whole number of 0 or more", value);
    keyword->number = json_is_integer(value) ? (uint64_t)json_integer_value(value) : (uint64_t)number;
    return 0;
}

int schema_read_number(struct schema_compiler *compiler, struct schema_node *node,
                       struct schema_keyword *keyword)
{
    return json_is_number(keyword->value)
               ? 0
               : complain_value(compiler, node, keyword, "a number", keyword->value);
}

int schema_read_positive(struct schema_compiler *compiler, struct schema_node *node,
                         struct schema_keyword *keyword)
{
    return json_is_number(keyword->value) && json_number_value(keyword->value) > 0
               ? 0
               : complain_value(compiler, node, keyword, "a number greater than 0", keyword->value);
}

static const struct {
    const char *name;
    unsigned type;
} types[] = {
    {"null", TYPE_NULL},     {"boolean", TYPE_BOOLEAN}, {"object", TYPE_OBJECT},   {"array", TYPE_ARRAY},
    {"number", TYPE_NUMBER}, {"string", TYPE_STRING},   {"integer", TYPE_INTEGER},
};
enum { TYPE_COUNT = sizeof types / sizeof *types };

static int add_type(struct schema_compiler *compiler, struct schema_node *node,
                    struct schema_keyword *keyword, const json_t *value)
{
    const char *names[TYPE_COUNT], *name = json_string_value(value);
    char quoted[SCHEMA_QUOTED_SIZE];
    if (!name)
        return complain_value(compiler, node, keyword, "the name of a type, or an array of such names,",
                              value);
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        names[i] = types[i].name;
        if (strcmp(name, types[i].name) == 0) {
            keyword->number |= types[i].type;
            return 0;
        }
    }
    const char *nearest = text_nearest(name, names, TYPE_COUNT);
    return schema_complain(compiler, node, keyword->kind->name, "%s is no type%s%s%s",
                           schema_quote(name, strlen(name), quoted), nearest ? "; did you mean '" : "",
                           nearest ? nearest : "", nearest ? "'?" : "");
}

int schema_read_type(struct schema_compiler *compiler, struct schema_node *node,
                     struct schema_keyword *keyword)
{
    if (!json_is_array(keyword->value))
        return add_type(compiler, node, keyword, keyword->value);
    for (size_t i = 0; i < json_array_size(keyword->value); i++)
        if (add_type(compiler, node, keyword, json_array_get(keyword->value, i)))
            return -1;
    return keyword->number ? 0 : complain_value(compiler, node, keyword, "a type at least", keyword->value);
}

int schema_read_enum(struct schema_compiler *compiler, struct schema_node *node,
                     struct schema_keyword *keyword)
{
    size_t count = json_array_size(keyword->value);
    if (!json_is_array(keyword->value))
        return complain_value(compiler, node, keyword, "an array", keyword->value);
    keyword->hashes = xreallocarray(NULL, count, sizeof *keyword->hashes);
    for (size_t i = 0; i < count; i++)
        keyword->hashes[i] = (struct schema_hash){
            schema_value_hash(json_array_get(keyword->value, i), compiler->schema->seed), i};
    schema_hashes_sort(keyword->hashes, count);
    return 0;
}

static int add_pattern(struct schema_compiler *compiler, struct schema_node *node,
                       struct schema_keyword *keyword, const char *text, size_t size)
{
    struct fault cause = {0};
    char quoted[SCHEMA_QUOTED_SIZE];
    if (size > compiler->max_pattern_bytes)
        return schema_complain(compiler, node, keyword->kind->name,
                               "a pattern of %zu bytes; at most %zu are taken", size,
                               compiler->max_pattern_bytes);
    struct schema_pattern *pattern = schema_pattern_new(text, size, &cause);
    if (!pattern)
        return schema_complain(compiler, node, keyword->kind->name, "the pattern %s cannot be read: %s",
                               schema_quote(text, size, quoted), cause.text);
    keyword->patterns =
        xreallocarray(keyword->patterns, keyword->pattern_count + 1, sizeof(struct schema_pattern *));
    keyword->patterns[keyword->pattern_count++] = pattern;
    return 0;
}

int schema_read_pattern(struct schema_compiler *compiler, struct schema_node *node,
                        struct schema_keyword *keyword)
{
    if (!json_is_string(keyword->value))
        return complain_value(compiler, node, keyword, "a regular expression", keyword->value);
    return add_pattern(compiler, node, keyword, json_string_value(keyword->value),
                       json_string_length(keyword->value));
}

static int check_names(struct schema_compiler *compiler, struct schema_node *node,
                       struct schema_keyword *keyword, const json_t *names)
{
    if (!json_is_array(names))
        return complain_value(compiler, node, keyword, "an array of names", names);
    for (size_t i = 0; i < json_array_size(names); i++)
        if (!json_is_string(json_array_get(names, i)))
            return complain_value(compiler, node, keyword, "a name", json_array_get(names, i));
    return 0;
}

int schema_read_names(struct schema_compiler *compiler, struct schema_node *node,
                      struct schema_keyword *keyword)
{
    return check_names(compiler, node, keyword, keyword->value);
}

int schema_read_name_lists(struct schema_compiler *compiler, struct schema_node *node,
                           struct schema_keyword *keyword)
{
    const char *name;
    json_t *names;
    if (!json_is_object(keyword->value))
        return complain_value(compiler, node, keyword, "an object of arrays of names", keyword->value);
    json_object_foreach ((json_t *)keyword->value, name, names)
        if (check_names(compiler, node, keyword, names))
            return -1;
    return 0;
}

int schema_read_node(struct schema_compiler *compiler, struct schema_node *node,
                     struct schema_keyword *keyword)
{
    keyword->node = schema_node_at(compiler, node, keyword->kind->name, NULL, keyword->value);
    return keyword->node ? 0 : -1;
}

int schema_read_list(struct schema_compiler *compiler, struct schema_node *node,
                     struct schema_keyword *keyword)
{
    size_t count = json_array_size(keyword->value);
    char index[24];
    if (count == 0)
        return complain_value(compiler, node, keyword, "an array of one schema or more", keyword->value);
    keyword->list = xcalloc(count, sizeof(struct schema_node *));
    for (size_t i = 0; i < count; i++) {
        snprintf(index, sizeof index, "%zu", i);
        keyword->list[i] =
            schema_node_at(compiler, node, keyword->kind->name, index, json_array_get(keyword->value, i));
        if (!keyword->list[i])
            return -1;
    }
    keyword->list_count = count;
    return 0;
}

/* An empty list is taken: every element is additional then. */
int schema_read_items_07(struct schema_compiler *compiler, struct schema_node *node,
                         struct schema_keyword *keyword)
{
    if (!json_is_array(keyword->value))
        return schema_read_node(compiler, node, keyword);
    return json_array_size(keyword->value) ? schema_read_list(compiler, node, keyword) : 0;
}

/* Members that are schemas; `skip_lists`: those that are arrays are not for us. */
static int read_members(struct schema_compiler *compiler, struct schema_node *node,
                        struct schema_keyword *keyword, bool skip_lists)
{
    const char *name;
    json_t *value;
    if (!json_is_object(keyword->value))
        return complain_value(compiler, node, keyword, "an object of schemas", keyword->value);
    json_object_foreach ((json_t *)keyword->value, name, value) {
        if (skip_lists && json_is_array(value))
            continue;
        struct schema_node *member = schema_node_at(compiler, node, keyword->kind->name, name, value);
        if (!member)
            return -1;
        strmap_put(&keyword->by_name, name, member);
    }
    return 0;
}

int schema_read_members(struct schema_compiler *compiler, struct schema_node *node,
                        struct schema_keyword *keyword)
{
    return read_members(compiler, node, keyword, false);
}

int schema_read_dependencies(struct schema_compiler *compiler, struct schema_node *node,
                             struct schema_keyword *keyword)
{
    const char *name;
    json_t *value;
    if (read_members(compiler, node, keyword, true))
        return -1;
    json_object_foreach ((json_t *)keyword->value, name, value)
        if (json_is_array(value) && check_names(compiler, node, keyword, value))
            return -1;
    return 0;
}

int schema_read_patterns(struct schema_compiler *compiler, struct schema_node *node,
                         struct schema_keyword *keyword)
{
    const char *name;
    json_t *value;
    if (!json_is_object(keyword->value))
        return complain_value(compiler, node, keyword, "an object of schemas", keyword->value);
    keyword->list = xcalloc(json_object_size(keyword->value), sizeof(struct schema_node *));
    json_object_foreach ((json_t *)keyword->value, name, value) {
        if (add_pattern(compiler, node, keyword, name, strlen(name)))
            return -1;
        struct schema_node *member = schema_node_at(compiler, node, keyword->kind->name, name, value);
        if (!member)
            return -1;
        keyword->list[keyword->list_count++] = member;
    }
    return 0;
}

int schema_read_reference(struct schema_compiler *compiler, struct schema_node *node,
                          struct schema_keyword *keyword)
{
    if (!json_is_string(keyword->value))
        return complain_value(compiler, node, keyword, "a reference", keyword->value);
    schema_reference_add(compiler, node, keyword);
    return 0;
}
