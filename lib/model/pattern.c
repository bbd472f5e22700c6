/*
 * pattern - from a form to its parts, and what two patterns have to do with each other
 *
 * The parts have the shape of the form. They borrow names and texts from the pattern's own copy of it, so
 * reading a pattern copies nothing twice.
 */
#include <string.h>
#include "pattern.h"
#include "pattern_parts.h"
#include "text.h"
#include "xalloc.h"

enum { PATH_SIZE = 600 }; /* of a path in a fault; deeper names are left out */

static int read_fields(struct pattern_reader *reader, const json_t *form, struct pattern_part *part);

void pattern_path_add(struct buf *path, const char *name)
{
    char cut[64];

    text_copy(cut, sizeof cut, name);
    text_printable(cut);
    buf_addc(path, '/');
    for (const char *c = cut; *c; c++) {
        if (*c == '~' || *c == '/')
            buf_adds(path, *c == '~' ? "~0" : "~1");
        else
            buf_addc(path, *c);
    }
}

int pattern_fail(const struct pattern_reader *reader, const char *format, ...)
{
    struct fault reason;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason.text, sizeof reason.text, format, arguments);
    va_end(arguments);
    return fault_set(reader->fault, FAULT_INPUT, "%s%s%s", reader->path.data, reader->path.len ? ": " : "",
                     text_printable(reason.text));
}

/* A mistake was found: -1 where it ends the reading; else it is reported and counted. */
static int note(struct pattern_reader *reader)
{
    if (!reader->report)
        return -1;
    reader->mistakes++;
    reader->report(reader->arg, reader->fault);
    return 0;
}

static void part_release(struct pattern_part *part)
{
    for (size_t i = 0; i < part->count; i++) {
        if (part->kind == PATTERN_LEAF)
            pattern_test_release(&part->tests[i]);
        else
            part_release(&part->parts[i]);
    }
    free(part->parts);
    free(part->tests);
}

static int read_leaf(struct pattern_reader *reader, const json_t *form, struct pattern_part *part)
{
    const size_t count = json_array_size(form), length = reader->path.len;

    part->kind = PATTERN_LEAF;
    part->form = form;
    if (count < 1 || count > PATTERN_ALTERNATIVES)
        return pattern_fail(reader, "an array of 1 to %d alternatives is wanted", PATTERN_ALTERNATIVES);
    part->tests = xcalloc(count, sizeof *part->tests);
    for (size_t i = 0; i < count; i++) {
        buf_addf(&reader->path, "/%zu", i);
        int status = pattern_test_read(reader, json_array_get(form, i), &part->tests[part->count]);
        if (status == 0)
            part->count++;
        buf_cut(&reader->path, length);
        if (status && note(reader))
            return -1;
    }
    return 0;
}

/* The patterns of $or or $and. */
static int read_patterns(struct pattern_reader *reader, const json_t *form, struct pattern_part *part)
{
    const size_t count = json_array_size(form), length = reader->path.len;

    part->form = form;
    if (count < 1 || count > PATTERN_ALTERNATIVES)
        return pattern_fail(reader, "an array of 1 to %d patterns is wanted", PATTERN_ALTERNATIVES);
    part->parts = xcalloc(count, sizeof *part->parts);
    for (size_t i = 0; i < count; i++) {
        const json_t *pattern = json_array_get(form, i);
        int status;

        buf_addf(&reader->path, "/%zu", i);
        part->count++;
        if (json_object_size(pattern))
            status = read_fields(reader, pattern, &part->parts[i]);
        else
            status = pattern_fail(reader, "an object with a field is wanted");
        buf_cut(&reader->path, length);
        if (status && (json_object_size(pattern) || note(reader)))
            return -1;
    }
    return 0;
}

/* {"amount": {"numeric": [">", 5]}}: an operator that was not put into an array. */
static bool is_bare_operation(const json_t *form)
{
    void *member = json_object_iter((json_t *)form);
    const char *name = json_object_iter_key(member);
    const json_t *operand = json_object_iter_value(member);

    if (json_object_size(form) != 1 || !pattern_is_operator(name))
        return false;
    if (strchr(name, '-') || (!json_is_object(operand) && !json_is_array(operand)))
        return true; /* nobody names a field so, or it could be none */
    return strcmp(name, "numeric") == 0 && json_is_array(operand) && json_array_size(operand) > 1 &&
           json_is_number(json_array_get(operand, 1));
}

static int fail_scalar(struct pattern_reader *reader, const json_t *form)
{
    char *text = json_dumps(form, JSON_ENCODE_ANY | JSON_COMPACT);
    char cut[80];

    text_copy(cut, sizeof cut, text ? text : "");
    free(text);
    return pattern_fail(reader, "an array of alternatives is wanted, as [%s]", cut);
}

/* A name with a dollar that is no field but a misspelt $or. */
static int check_name(struct pattern_reader *reader, const char *name, const json_t *value)
{
    static const char *const words[] = {"$or", "$and"};
    const char *nearest = *name == '$' ? text_nearest(name, words, 2) : NULL;

    if (strlen(name) > PATTERN_TEXT)
        return pattern_fail(reader, "a name of at most %d bytes is wanted", PATTERN_TEXT);
    if (nearest && json_is_array(value) && json_is_object(json_array_get(value, 0)))
        return pattern_fail(reader, "unknown operator; did you mean '%s'?", nearest);
    return 0;
}

static int read_field(struct pattern_reader *reader, const char *name, const json_t *value,
                      struct pattern_part *part)
{
    if (strcmp(name, "$or") == 0 || strcmp(name, "$and") == 0) {
        part->kind = name[1] == 'o' ? PATTERN_OR : PATTERN_AND;
        return read_patterns(reader, value, part);
    }
    part->name = name;
    if (check_name(reader, name, value))
        return -1;
    if (json_is_array(value))
        return read_leaf(reader, value, part);
    if (!json_is_object(value))
        return fail_scalar(reader, value);
    if (is_bare_operation(value))
        return pattern_fail(reader, "an operator is an alternative in an array: [{\"%s\": ...}]",
                            json_object_iter_key(json_object_iter((json_t *)value)));
    if (!json_object_size(value))
        return pattern_fail(reader, "an object with a field is wanted; for any value take "
                                    "[{\"exists\": true}]");
    return read_fields(reader, value, part);
}

/* The outermost fields are those of an event, also where they stand in $or and $and. */
static int check_member(struct pattern_reader *reader, const char *name)
{
    const char *nearest;
    char cut[60];
    size_t count = 0;

    if (!reader->members || strcmp(name, "$or") == 0 || strcmp(name, "$and") == 0)
        return 0;
    for (; reader->members[count]; count++) {
        if (strcmp(reader->members[count], name) == 0)
            return 0;
    }
    text_copy(cut, sizeof cut, name);
    nearest = text_nearest(cut, reader->members, count);
    return pattern_fail(reader, "no event has this field%s%s%s", nearest ? "; did you mean '" : "",
                        nearest ? nearest : "", nearest ? "'?" : "");
}

static int read_fields(struct pattern_reader *reader, const json_t *form, struct pattern_part *part)
{
    const size_t length = reader->path.len;
    const char *const *members = reader->members;
    const char *name;
    json_t *value;

    part->kind = PATTERN_FIELDS;
    part->form = form;
    if (reader->depth == PATTERN_DEPTH)
        return pattern_fail(reader, "nested deeper than %d levels", PATTERN_DEPTH);
    reader->depth++;
    part->parts = xcalloc(json_object_size(form) + 1, sizeof *part->parts);
    json_object_foreach ((json_t *)form, name, value) {
        pattern_path_add(&reader->path, name);
        int status = check_member(reader, name);
        /* Below a field nothing is known; $or and $and stay on its level. */
        if (strcmp(name, "$or") != 0 && strcmp(name, "$and") != 0)
            reader->members = NULL;
        if (status == 0)
            status = read_field(reader, name, value, &part->parts[part->count++]);
        reader->members = members;
        buf_cut(&reader->path, length);
        if (status && note(reader))
            return -1;
    }
    reader->depth--;
    return 0;
}

static int read_root(struct pattern_reader *reader, const char *path, struct pattern *pattern)
{
    buf_init(&reader->path, PATH_SIZE);
    buf_adds(&reader->path, path);
    int status = json_is_object(pattern->form) ? read_fields(reader, pattern->form, &pattern->root)
                                               : pattern_fail(reader, "an object of fields is wanted");
    buf_release(&reader->path);
    return status;
}

struct pattern *pattern_new(const json_t *form, const char *path, const char *const *members,
                            struct fault *fault)
{
    struct pattern_reader reader = {.members = members, .fault = fault};
    struct pattern *pattern = xcalloc(1, sizeof *pattern);

    pattern->form = json_deep_copy(form);
    if (read_root(&reader, path, pattern) == 0)
        return pattern;
    pattern_free(pattern);
    return NULL;
}

size_t pattern_check(const json_t *form, const char *path, const char *const *members,
                     void (*report)(void *arg, const struct fault *mistake), void *arg)
{
    struct fault fault = {0};
    struct pattern_reader reader = {.members = members, .fault = &fault, .report = report, .arg = arg};
    struct pattern *pattern = xcalloc(1, sizeof *pattern);

    pattern->form = json_deep_copy(form);
    if (read_root(&reader, path, pattern))
        note(&reader); /* the form is no object, or too deep */
    pattern_free(pattern);
    return reader.mistakes;
}

void pattern_free(struct pattern *pattern)
{
    if (!pattern)
        return;
    part_release(&pattern->root);
    json_decref(pattern->form);
    free(pattern);
}

static bool part_covers(const struct pattern_part *wide, const struct pattern_part *narrow);

/* Each alternative of `narrow` is one of `wide` too, or `wide` is content with any value that is there. */
static bool leaf_covers(const struct pattern_part *wide, const struct pattern_part *narrow)
{
    for (size_t i = 0; i < narrow->count; i++) {
        const struct pattern_test *test = &narrow->tests[i];
        const bool there = test->operator!= & pattern_exists || test->there;
        size_t k = 0;

        while (
            k < wide->count &&
            !(there && wide->tests[k].operator== & pattern_exists && wide->tests[k].there) &&
            !(wide->tests[k].operator== test->operator&& json_equal(wide->tests[k].operand, test->operand)))
            k++;
        if (k == wide->count)
            return false;
    }
    return true;
}

/* A part of `narrow` that is covered by `wide`: each must hold where `narrow` does, so one is enough. */
static bool one_is_covered(const struct pattern_part *wide, const struct pattern_part *narrow)
{
    for (size_t i = 0; i < narrow->count; i++) {
        const struct pattern_part *part = &narrow->parts[i];
        if (part->kind == wide->kind && !part->name == !wide->name &&
            (!wide->name || strcmp(part->name, wide->name) == 0) && part_covers(wide, part))
            return true;
    }
    return false;
}

static bool part_covers(const struct pattern_part *wide, const struct pattern_part *narrow)
{
    if (wide->kind != narrow->kind)
        return false;
    if (wide->kind == PATTERN_LEAF)
        return leaf_covers(wide, narrow);
    if (wide->kind != PATTERN_FIELDS)
        return json_equal(wide->form, narrow->form);
    for (size_t i = 0; i < wide->count; i++) {
        if (!one_is_covered(&wide->parts[i], narrow))
            return false;
    }
    return true;
}

bool pattern_covers(const struct pattern *wide, const struct pattern *narrow)
{
    return part_covers(&wide->root, &narrow->root);
}

static bool part_asks(const struct pattern_part *part, const char *member)
{
    for (size_t i = 0; i < part->count; i++) {
        const struct pattern_part *inner = &part->parts[i];
        if (inner->name ? strcmp(inner->name, member) == 0 : part_asks(inner, member))
            return true;
    }
    return false;
}

bool pattern_asks(const struct pattern *pattern, const char *member)
{
    return part_asks(&pattern->root, member);
}
