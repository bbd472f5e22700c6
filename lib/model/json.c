/*
 * json - values and the typed reading of objects; the scan of texts is json_check.c
 *
 * The kinds of fields are a table: how a value is read, and the words for what was wanted. A fault never
 * quotes the value of a free string nor a whole object: they may hold secrets.
 */
#include <strings.h>
#include "clock.h"
#include "json.h"
#include "ceilings.h"
#include "num.h"
#include "text.h"

enum {
    NAMES_MAX = 64,   /* known names that a suggestion is sought among */
    QUOTED_SIZE = 60, /* bytes of a value that is quoted in a fault */
};

/* The shortest text that reads back as the same number: 0.9 stays 0.9, which jansson's 17 digits do not do.
 */
static void write_real(double number, struct buf *out)
{
    char text[40];
    int digits = 15;
    do
        snprintf(text, sizeof text, "%.*g", digits, number);
    while (++digits <= 17 && strtod(text, NULL) != number);
    buf_adds(out, text);
    if (!strpbrk(text, ".e"))
        buf_adds(out, ".0");
}

static void write_value(const json_t *value, struct buf *out);

static void write_nested(const json_t *value, struct buf *out)
{
    const char *name;
    json_t *item;
    size_t index, count = 0;
    if (json_is_array(value)) {
        buf_addc(out, '[');
        json_array_foreach (value, index, item) {
            buf_adds(out, index ? "," : "");
            write_value(item, out);
        }
        buf_addc(out, ']');
        return;
    }
    buf_addc(out, '{');
    /* jansson's iterator wants an object that it could change; the loops here only read. */
    json_object_foreach ((json_t *)value, name, item) {
        buf_adds(out, count++ ? "," : "");
        buf_add_json(out, name, strlen(name));
        buf_addc(out, ':');
        write_value(item, out);
    }
    buf_addc(out, '}');
}

static void write_value(const json_t *value, struct buf *out)
{
    if (json_is_object(value) || json_is_array(value))
        write_nested(value, out);
    else if (json_is_string(value))
        buf_add_json(out, json_string_value(value), json_string_length(value));
    else if (json_is_integer(value))
        buf_addf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        write_real(json_real_value(value), out);
    else
        buf_adds(out, json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null");
}

int json_write(const json_t *value, struct buf *out)
{
    write_value(value, out);
    return out->overflow ? -1 : 0;
}

char *json_text(const json_t *value)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 4);
    json_write(value, &text);
    return buf_steal(&text, NULL);
}

static json_t *read_tree(const char *text, size_t size, size_t flags, struct fault *fault)
{
    struct json_members members;
    json_error_t error;

    if (json_check(text, size, &members, fault))
        return NULL;
    if (members.values > LIMIT_JSON_VALUES) {
        fault_set(fault, FAULT_INPUT, "more than %d values", LIMIT_JSON_VALUES);
        return NULL;
    }
    json_t *value = json_loadb(text, size, JSON_DECODE_ANY | flags, &error);
    /* The check leaves it nothing to refuse but numbers that do not fit. */
    if (!value) {
        fault_set(fault, FAULT_INPUT, "line %d, column %d: %s", error.line, error.column, error.text);
        if (fault)
            text_printable(fault->text);
    }
    return value;
}

json_t *json_read(const char *text, size_t size, struct fault *fault)
{
    return read_tree(text, size, 0, fault);
}

json_t *json_read_nearest(const char *text, size_t size, struct fault *fault)
{
    json_t *value = read_tree(text, size, 0, NULL);
    /* Not at once: as doubles, whole numbers above 2^53 that fit would not be what they were. */
    return value ? value : read_tree(text, size, JSON_DECODE_INT_AS_REAL, fault);
}

static const char *type_words(const json_t *value)
{
    static const char *const words[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return words[json_typeof(value)];
}

/* What was found instead: a scalar is quoted and cut; what may be a secret is told by its type and size. */
static void describe(const json_t *value, enum json_kind kind, struct buf *out)
{
    bool quoted = kind != JSON_KIND_STRING && kind != JSON_KIND_STRINGS;
    if (json_is_array(value) && kind == JSON_KIND_ARRAY) {
        buf_addf(out, "%zu", json_array_size(value));
    } else if (json_is_string(value) && quoted) {
        char cut[QUOTED_SIZE];
        text_copy(cut, sizeof cut, json_string_value(value));
        buf_add_json(out, cut, strlen(cut));
        if (strlen(cut) < json_string_length(value))
            buf_addf(out, "... (%zu bytes)", json_string_length(value));
    } else if (json_is_string(value)) {
        buf_addf(out, "%zu", json_string_length(value));
    } else if (json_is_number(value) && quoted) {
        json_write(value, out);
    } else {
        buf_adds(out, type_words(value));
    }
}

/* `name` as a part of a JSON pointer. */
static void add_pointer(struct buf *out, const char *name)
{
    char cut[QUOTED_SIZE];
    text_copy(cut, sizeof cut, name);
    buf_addc(out, '/');
    for (const char *c = cut; *c; c++) {
        if (*c == '~' || *c == '/')
            buf_adds(out, *c == '~' ? "~0" : "~1");
        else
            buf_addc(out, *c);
    }
}

/*
 * One kind: `read` stores a value that fits; `want` adds the words for what fits.
 */
struct kind {
    bool (*read)(const struct json_field *field, json_t *value);
    void (*want)(const struct json_field *field, struct buf *out);
    const char *wanted; /* where `want` is NULL */
};

/* min and max that are both 0 are no limits. */
static bool in_range(const struct json_field *field, double value)
{
    return (field->min == 0 && field->max == 0) ||
           (value >= (double)field->min && value <= (double)field->max);
}

static bool read_string(const struct json_field *field, json_t *value)
{
    if (!json_is_string(value) || (int64_t)json_string_length(value) < field->min ||
        (field->max && (int64_t)json_string_length(value) > field->max))
        return false;
    *(const char **)field->target = json_string_value(value);
    return true;
}

static void want_string(const struct json_field *field, struct buf *out)
{
    buf_adds(out, "a string");
    if (field->max)
        buf_addf(out, " of %lld to %lld bytes", (long long)field->min, (long long)field->max);
    else if (field->min)
        buf_addf(out, " of %lld bytes or more", (long long)field->min);
}

static bool read_name(const struct json_field *field, json_t *value)
{
    if (!json_is_string(value) || !text_is_name(json_string_value(value)))
        return false;
    return read_string(field, value);
}

static void want_name(const struct json_field *field, struct buf *out)
{
    buf_addf(out, "a name of 1 to %lld letters, digits, '.', '_' and '-'",
             field->max ? (long long)field->max : 100LL);
}

static bool read_word(const struct json_field *field, json_t *value)
{
    for (const char *const *word = field->words; json_is_string(value) && *word; word++) {
        if (strcasecmp(*word, json_string_value(value)) == 0) {
            *(const char **)field->target = *word;
            return true;
        }
    }
    return false;
}

static void want_word(const struct json_field *field, struct buf *out)
{
    for (const char *const *word = field->words; *word; word++)
        buf_addf(out, "%s\"%s\"", word == field->words ? "" : word[1] ? ", " : " or ", *word);
}

static bool read_bool(const struct json_field *field, json_t *value)
{
    if (!json_is_boolean(value))
        return false;
    *(bool *)field->target = json_is_true(value);
    return true;
}

static bool read_int(const struct json_field *field, json_t *value)
{
    int64_t number = json_integer_value(value);
    if (!json_is_integer(value) ||
        ((field->min || field->max) && (number < field->min || number > field->max)))
        return false;
    *(int64_t *)field->target = number;
    return true;
}

static void want_int(const struct json_field *field, struct buf *out)
{
    buf_adds(out, field->kind == JSON_KIND_INT ? "a whole number" : "a number");
    if (field->min || field->max)
        buf_addf(out, " from %lld to %lld", (long long)field->min, (long long)field->max);
}

static bool read_number(const struct json_field *field, json_t *value)
{
    if (!json_is_number(value) || !in_range(field, json_number_value(value)))
        return false;
    *(double *)field->target = json_number_value(value);
    return true;
}

static bool read_seconds(const struct json_field *field, json_t *value)
{
    const int64_t most = field->max ? field->max : INT64_MAX / 1000000;
    int64_t ms;
    if (json_is_string(value)) {
        if (num_parse_duration(json_string_value(value), most, &ms, NULL))
            return false;
    } else {
        double number = json_number_value(value) * 1000;
        if (!json_is_number(value) || number < 0 || number > (double)most)
            return false;
        ms = (int64_t)(number + 0.5);
    }
    if (ms < field->min)
        return false;
    *(int64_t *)field->target = ms;
    return true;
}

static void want_seconds(const struct json_field *field, struct buf *out)
{
    char text[NUM_DURATION_SIZE];
    buf_adds(out, "a number of seconds or a duration as \"1m30s\"");
    if (field->max) {
        buf_addf(out, " from %s", num_format_duration(field->min, text));
        buf_addf(out, " to %s", num_format_duration(field->max, text));
    }
}

static bool read_time(const struct json_field *field, json_t *value)
{
    return json_is_string(value) && clock_parse(json_string_value(value), field->target, NULL) == 0;
}

static bool read_object(const struct json_field *field, json_t *value)
{
    if (!json_is_object(value))
        return false;
    *(json_t **)field->target = value;
    return true;
}

static bool read_array(const struct json_field *field, json_t *value)
{
    if (!json_is_array(value) || (int64_t)json_array_size(value) < field->min ||
        (field->max && (int64_t)json_array_size(value) > field->max))
        return false;
    *(json_t **)field->target = value;
    return true;
}

static void want_array(const struct json_field *field, struct buf *out)
{
    buf_adds(out, "an array");
    if (field->max)
        buf_addf(out, " of %lld to %lld elements", (long long)field->min, (long long)field->max);
}

static json_t *not_a_string(json_t *object, const char **name)
{
    json_t *value;
    json_object_foreach (object, *name, value) {
        if (!json_is_string(value))
            return value;
    }
    return NULL;
}

static bool read_strings(const struct json_field *field, json_t *value)
{
    const char *name;
    return json_is_object(value) && !not_a_string(value, &name) && read_object(field, value);
}

static bool read_any(const struct json_field *field, json_t *value)
{
    *(json_t **)field->target = value;
    return true;
}

static bool read_ignored(const struct json_field *field, json_t *value)
{
    (void)field;
    (void)value;
    return true;
}

static const struct kind kinds[] = {
    [JSON_KIND_STRING] = {read_string, want_string, NULL},
    [JSON_KIND_NAME] = {read_name, want_name, NULL},
    [JSON_KIND_WORD] = {read_word, want_word, NULL},
    [JSON_KIND_BOOL] = {read_bool, NULL, "true or false"},
    [JSON_KIND_INT] = {read_int, want_int, NULL},
    [JSON_KIND_NUMBER] = {read_number, want_int, NULL},
    [JSON_KIND_SECONDS] = {read_seconds, want_seconds, NULL},
    [JSON_KIND_TIME] = {read_time, NULL, "a time as \"2024-01-15T10:00:00Z\""},
    [JSON_KIND_OBJECT] = {read_object, NULL, "an object"},
    [JSON_KIND_ARRAY] = {read_array, want_array, NULL},
    [JSON_KIND_STRINGS] = {read_strings, NULL, "an object of strings"},
    [JSON_KIND_ANY] = {read_any, NULL, "a value"},
    [JSON_KIND_IGNORED] = {read_ignored, NULL, "a value"},
};

/* "/retry_policy/max_attempts: a whole number from 1 to 1000 is wanted, not "3"" */
static int fail_value(const char *path, const struct json_field *field, json_t *value, struct fault *fault)
{
    struct buf text;
    buf_init(&text, sizeof fault->text * 2);
    buf_adds(&text, path);
    add_pointer(&text, field->name);
    const char *name;
    if (field->kind == JSON_KIND_STRINGS && json_is_object(value)) {
        value = not_a_string(value, &name);
        add_pointer(&text, name);
        buf_adds(&text, ": a string");
    } else {
        buf_adds(&text, ": ");
        if (kinds[field->kind].want)
            kinds[field->kind].want(field, &text);
        else
            buf_adds(&text, kinds[field->kind].wanted);
    }
    buf_adds(&text, " is wanted, not ");
    describe(value, field->kind, &text);
    text_printable(text.data);
    fault_set(fault, FAULT_INPUT, "%s", text.data);
    buf_release(&text);
    return -1;
}

static int fail_unknown(const char *path, const char *name, const struct json_field *fields,
                        struct fault *fault)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    while (count < NAMES_MAX && fields[count].name) {
        names[count] = fields[count].name;
        count++;
    }
    char cut[QUOTED_SIZE];
    text_copy(cut, sizeof cut, name);
    const char *nearest = text_nearest(cut, names, count);
    return fault_set(fault, FAULT_INPUT, "%s%sunknown member '%s'%s%s%s", path, *path ? ": " : "",
                     text_printable(cut), nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

static const struct json_field *find_field(const struct json_field *fields, const char *name)
{
    while (fields->name && strcmp(fields->name, name) != 0)
        fields++;
    return fields->name ? fields : NULL;
}

int json_fields(const json_t *object, const char *path, const struct json_field *fields, struct fault *fault)
{
    const char *before = *path ? ": " : "";
    if (!json_is_object(object))
        return fault_set(fault, FAULT_INPUT, "%s%san object is wanted", path, before);
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)object, name, value) {
        if (!find_field(fields, name))
            return fail_unknown(path, name, fields, fault);
    }
    for (const struct json_field *field = fields; field->name; field++) {
        value = json_object_get(object, field->name);
        if (!value || json_is_null(value)) {
            if (field->required)
                return fault_set(fault, FAULT_INPUT, "%s%s'%s' is missing", path, before, field->name);
        } else if (!kinds[field->kind].read(field, value)) {
            return fail_value(path, field, value, fault);
        }
    }
    return 0;
}

const char *json_find_name(const json_t *object, const char *name)
{
    const char *own;
    json_t *value;

    json_object_foreach ((json_t *)object, own, value) {
        if (strcasecmp(own, name) == 0)
            return own;
    }
    return NULL;
}
