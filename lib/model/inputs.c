/*
 * inputs - see inputs.h
 */
#include "inputs.h"
#include <stdlib.h>
#include <string.h>
#include "json.h"
#include "status.h"
#include "text.h"
#include "xalloc.h"

const char *const input_type_names[] = {"json", "csv", "xml", NULL};

static const char *const charset_words[] = {"utf-8", "iso-8859-1", NULL};
static const char *const namespace_words[] = {"keep", "strip", NULL};
static const char *const root_words[] = {"drop", "keep", NULL};

static int parse_names(struct input *input, const json_t *names, const char *path, const char *member,
                       struct fault *fault)
{
    json_t *name;
    size_t index;

    input->names = xcalloc(json_array_size(names), sizeof *input->names);
    json_array_foreach (names, index, name) {
        if (!json_is_string(name) || json_string_length(name) == 0 || json_string_length(name) > CSV_NAME_MAX)
            return fault_set(fault, FAULT_INPUT, "%s/%s/%zu: a name of 1 to %d bytes is wanted", path, member,
                             index, CSV_NAME_MAX);
        for (size_t i = 0; i < index && input->type == INPUT_CSV; i++)
            if (strcmp(input->names[i], json_string_value(name)) == 0)
                return fault_set(fault, FAULT_INPUT, "%s/%s/%zu: this column is there twice", path, member,
                                 index);
        input->names[input->name_count++] = json_string_value(name);
    }
    return 0;
}

static int parse_json(struct input *input, const char *path, struct fault *fault)
{
    static const struct json_field fields[] = {{.name = "type", .kind = JSON_KIND_IGNORED}, {0}};
    return json_fields(input->form, path, fields, fault);
}

static int parse_csv(struct input *input, const char *path, struct fault *fault)
{
    struct csv_reading *csv = &input->csv;
    const char *delimiter = ",", *charset = NULL;
    json_t *columns = NULL;
    const struct json_field fields[] = {
        {.name = "type", .kind = JSON_KIND_IGNORED},
        {.name = "delimiter", .kind = JSON_KIND_STRING, .target = &delimiter, .min = 1, .max = 1},
        {.name = "header", .kind = JSON_KIND_BOOL, .target = &csv->header},
        {.name = "columns", .kind = JSON_KIND_ARRAY, .target = &columns, .min = 1, .max = CSV_COLUMNS_MAX},
        {.name = "charset", .kind = JSON_KIND_WORD, .target = &charset, .words = charset_words},
        {.name = "max_rows", .kind = JSON_KIND_INT, .target = &csv->max_rows, .min = 1, .max = 100000000},
        {.name = "max_field", .kind = JSON_KIND_INT, .target = &csv->max_field, .min = 1, .max = 1 << 30},
        {0},
    };
    *csv = (struct csv_reading){
        .header = true,
        .max_rows = CSV_ROWS_DEFAULT,
        .max_field = CSV_FIELD_DEFAULT,
    };
    if (json_fields(input->form, path, fields, fault))
        return -1;
    csv->delimiter = delimiter[0];
    csv->latin1 = charset && strcmp(charset, "iso-8859-1") == 0;
    if (csv->delimiter != '\t' && (csv->delimiter < ' ' || csv->delimiter >= 0x7f || csv->delimiter == '"'))
        return fault_set(fault, FAULT_INPUT,
                         "%s/delimiter: a tab or a printable ASCII character is wanted, no quote", path);
    if (!columns)
        return 0;
    if (csv->header && json_object_get(input->form, "header"))
        return fault_set(fault, FAULT_INPUT, "%s/columns: with \"header\" the first line has the names",
                         path);
    csv->header = false;
    if (parse_names(input, columns, path, "columns", fault))
        return -1;
    csv->columns = input->names;
    csv->column_count = input->name_count;
    return 0;
}

static int parse_xml(struct input *input, const char *path, struct fault *fault)
{
    const char *namespaces = NULL, *root = NULL;
    json_t *arrays = NULL;
    const struct json_field fields[] = {
        {.name = "type", .kind = JSON_KIND_IGNORED},
        {.name = "arrays", .kind = JSON_KIND_ARRAY, .target = &arrays, .max = INPUT_NAMES_MAX},
        {.name = "namespaces", .kind = JSON_KIND_WORD, .target = &namespaces, .words = namespace_words},
        {.name = "root", .kind = JSON_KIND_WORD, .target = &root, .words = root_words},
        {.name = "max_nodes", .kind = JSON_KIND_INT, .target = &input->max_nodes, .min = 1, .max = 10000000},
        {0},
    };
    input->max_nodes = INPUT_NODES_DEFAULT;
    if (json_fields(input->form, path, fields, fault))
        return -1;
    input->keep_root = root && strcmp(root, "keep") == 0;
    input->strip_namespaces = namespaces && strcmp(namespaces, "strip") == 0;
    return arrays ? parse_names(input, arrays, path, "arrays", fault) : 0;
}

static int fail_type(const json_t *type, const char *path, struct fault *fault)
{
    char cut[40];

    if (!json_is_string(type))
        return fault_set(fault, FAULT_INPUT, "%s: json, csv or xml is wanted, or an object with its 'type'",
                         path);
    text_copy(cut, sizeof cut, json_string_value(type));
    const char *nearest = text_nearest(cut, input_type_names, INPUT_TYPE_COUNT);
    return fault_set(fault, FAULT_INPUT, "%s: there is no input '%s'%s%s%s", path, text_printable(cut),
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

struct input *input_parse(const json_t *form, const char *path, struct fault *fault)
{
    static int (*const parsers[])(struct input *, const char *, struct fault *) = {parse_json, parse_csv,
                                                                                   parse_xml};
    const json_t *type = json_is_object(form) ? json_object_get(form, "type") : form;
    int index = json_is_string(type) ? status_index(input_type_names, json_string_value(type)) : -1;

    if (index < 0) {
        fail_type(type, path, fault);
        return NULL;
    }
    struct input *input = xcalloc(1, sizeof *input);
    input->type = (enum input_type)index;
    input->form = json_is_object(form) ? json_deep_copy(form) : json_object();
    if (!input->form)
        abort(); /* jansson is out of memory, as in xalloc */
    if (parsers[index](input, path, fault)) {
        input_free(input);
        return NULL;
    }
    return input;
}

void input_free(struct input *input)
{
    if (!input)
        return;
    free(input->names);
    json_decref(input->form);
    free(input);
}

int input_check_ceilings(const struct input *input, const char *path, struct fault *fault)
{
    const struct {
        const char *name;
        int64_t value, most;
    } ceilings[] = {
        {"max_nodes", input->max_nodes, INPUT_NODES_DEFAULT},
        {"max_rows", input->csv.max_rows, CSV_ROWS_DEFAULT},
        {"max_field", input->csv.max_field, CSV_FIELD_DEFAULT},
    };

    for (size_t i = 0; i < sizeof ceilings / sizeof *ceilings; i++)
        if (ceilings[i].value > ceilings[i].most)
            return fault_set(fault, FAULT_DENIED,
                             "%s/%s: only the operator allows more than %lld, in a configured destination",
                             path, ceilings[i].name, (long long)ceilings[i].most);
    return 0;
}

json_t *input_read(const struct input *input, const char *text, size_t size, struct fault *fault)
{
    if (input->type == INPUT_JSON)
        return json_read(text, size, fault);
    if (input->type == INPUT_CSV)
        return csv_read(text, size, &input->csv, fault);
    fault_set(fault, FAULT_BUG, "xml is read by xml_read()");
    return NULL;
}
