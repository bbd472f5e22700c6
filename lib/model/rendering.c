/*
 * rendering - from the members of a form to a rendering
 *
 * Each member is read by a function of its own, so that a check goes on behind the first mistake.
 */
#include "rendering.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "json.h"
#include "schema_name.h"
#include "status.h"
#include "text.h"
#include "xalloc.h"

const char *const body_format_names[] = {"identity", "raw", "json", NULL};

static const char *const compress_words[] = {"none", "gzip", NULL};
static const char *const results_words[] = {"one", "array", NULL};
static const char *const charset_words[] = {"utf-8", "iso-8859-1", "us-ascii", NULL};

/* A form while it is read. */
struct reading {
    struct rendering *rendering;
    const char *path;
    json_t *input, *transform, *format;
    const char *charset, *compress;
};

/* --- the members --------------------------------------------------------------------------------------- */

static int read_members(struct reading *reading, struct fault *fault)
{
    const struct json_field fields[] = {
        {.name = "input", .kind = JSON_KIND_ANY, .target = &reading->input},
        {.name = "transform", .kind = JSON_KIND_ANY, .target = &reading->transform},
        {.name = "format", .kind = JSON_KIND_ANY, .target = &reading->format},
        {.name = "charset", .kind = JSON_KIND_WORD, .target = &reading->charset, .words = charset_words},
        {.name = "compress", .kind = JSON_KIND_WORD, .target = &reading->compress, .words = compress_words},
        {.name = "schema", .kind = JSON_KIND_STRING, .target = &reading->rendering->schema},
        {0},
    };
    return json_fields(reading->rendering->form, reading->path, fields, fault);
}

static int read_input(struct reading *reading, struct fault *fault)
{
    struct rendering *rendering = reading->rendering;
    char *path;

    if (!reading->input)
        return 0;
    path = xasprintf("%s/input", reading->path);
    struct input *input = input_parse(reading->input, path, fault);
    free(path);
    if (!input)
        return -1;
    rendering->own_input = true;
    rendering->inputs[input->type] = input;
    return 0;
}

/* A program's text, as the worker takes it: its file is looked at where it is read. */
static int check_program(struct reading *reading, const char *member, const json_t *program,
                         struct fault *fault)
{
    size_t size = json_string_length(program);

    if (size > 0 && size <= RENDERING_PROGRAM_MAX && !memchr(json_string_value(program), '\0', size))
        return 0;
    return fault_set(fault, FAULT_INPUT, "%s/transform%s: a jq program of 1 to %d bytes is wanted",
                     reading->path, member, RENDERING_PROGRAM_MAX);
}

static int read_program(struct reading *reading, struct fault *fault)
{
    struct rendering *rendering = reading->rendering;
    const char *results = NULL;
    char *path = xasprintf("%s/transform", reading->path);
    const struct json_field fields[] = {
        {.name = "program", .kind = JSON_KIND_STRING, .target = &rendering->program},
        {.name = "file",
         .kind = JSON_KIND_NAME,
         .target = &rendering->program_file,
         .max = RENDERING_FILE_MAX},
        {.name = "results", .kind = JSON_KIND_WORD, .target = &results, .words = results_words},
        {0},
    };
    int status = json_fields(reading->transform, path, fields, fault);

    rendering->many_results = results && strcmp(results, "array") == 0;
    if (!status && !rendering->program == !rendering->program_file)
        status = fault_set(fault, FAULT_INPUT, "%s: either 'program' or 'file' is wanted", path);
    if (!status && rendering->program)
        status = check_program(reading, "/program", json_object_get(reading->transform, "program"), fault);
    free(path);
    return status;
}

static int read_transform(struct reading *reading, struct fault *fault)
{
    if (!reading->transform)
        return 0;
    if (json_is_object(reading->transform))
        return read_program(reading, fault);
    if (!json_is_string(reading->transform))
        return fault_set(
            fault, FAULT_INPUT,
            "%s/transform: a jq program is wanted, or an object with its 'program' or its 'file'",
            reading->path);
    reading->rendering->program = json_string_value(reading->transform);
    return check_program(reading, "", reading->transform, fault);
}

/* All names of formats, for the nearest one. */
static int fail_format(const char *path, const char *word, struct fault *fault)
{
    const char *names[FORMAT_COUNT + FORMAT_TYPE_COUNT];
    char cut[40];
    size_t count = 0;

    for (; count < FORMAT_COUNT; count++)
        names[count] = body_format_names[count];
    for (size_t i = 0; i < FORMAT_TYPE_COUNT; i++)
        names[count++] = format_type_names[i];
    text_copy(cut, sizeof cut, word);
    const char *nearest = text_nearest(cut, names, count);
    return fault_set(fault, FAULT_INPUT, "%s: there is no format '%s'%s%s%s", path, text_printable(cut),
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* A word in any case, as all words of forms. */
static int find_word(const char *const *names, const char *word)
{
    for (int i = 0; names[i]; i++)
        if (strcasecmp(names[i], word) == 0)
            return i;
    return -1;
}

static int parse_format(struct rendering *rendering, const json_t *form, const char *charset,
                        const char *path, struct fault *fault)
{
    json_t *whole = json_is_object(form) ? json_copy((json_t *)form) : json_object();

    if (!json_is_object(form))
        json_object_set(whole, "type", (json_t *)form);
    if (charset)
        json_object_set_new(whole, "charset", json_string(charset));
    rendering->format = format_parse(whole, path, fault);
    json_decref(whole);
    return rendering->format ? 0 : -1;
}

/* A word that only names the bytes as they are, or one that makes JSON of a value. */
static int read_word(struct reading *reading, const char *path, struct fault *fault)
{
    struct rendering *rendering = reading->rendering;
    const char *word = json_string_value(reading->format);
    const int plain = word ? find_word(body_format_names, word) : FORMAT_IDENTITY;
    const int type = word ? find_word(format_type_names, word) : -1;
    const bool value = rendering_needs_value(rendering);
    json_t *form;

    if (plain < 0 && type < 0)
        return fail_format(path, word, fault);
    rendering->plain = plain < 0 ? FORMAT_IDENTITY : (enum body_format)plain;
    if (plain == FORMAT_RAW && rendering->own_input && !rendering->program && !rendering->program_file)
        return fault_set(fault, FAULT_INPUT,
                         "%s: an input makes a value, and raw sends the bytes as they came", path);
    if (plain == FORMAT_RAW || (plain >= 0 && !value && !(plain == FORMAT_JSON && reading->charset)))
        return reading->charset
                   ? fault_set(fault, FAULT_INPUT,
                               "%s/charset: %s sends the bytes as they are: there is nothing to encode",
                               reading->path, body_format_names[plain])
                   : 0;
    form = json_string(plain < 0 ? format_type_names[type] : "json");
    int status = parse_format(rendering, form, reading->charset, path, fault);
    json_decref(form);
    return status;
}

static int read_format(struct reading *reading, struct fault *fault)
{
    char *path = xasprintf("%s/format", reading->path);
    int status;

    if (reading->format && !json_is_string(reading->format) && !json_is_object(reading->format))
        status = fault_set(fault, FAULT_INPUT,
                           "%s: the name of a format is wanted, or an object with its 'type'", path);
    else if (!json_is_object(reading->format))
        status = read_word(reading, path, fault);
    else if (reading->charset && json_object_get(reading->format, "charset"))
        status =
            fault_set(fault, FAULT_INPUT, "%s/charset: the format has a charset of its own", reading->path);
    else
        status = parse_format(reading->rendering, reading->format, reading->charset, path, fault);
    free(path);
    return status;
}

static int read_compress(struct reading *reading, struct fault *fault)
{
    (void)fault;
    reading->rendering->gzip = reading->compress && strcmp(reading->compress, "gzip") == 0;
    return 0;
}

static int read_schema(struct reading *reading, struct fault *fault)
{
    const char *schema = reading->rendering->schema;
    char *path = xasprintf("%s/schema", reading->path);
    const int status = schema ? schema_name_check(path, schema, fault) : 0;

    free(path);
    return status;
}

/* Where no input was given the content type says which it is: all of them have to be there. */
static int add_inputs(struct reading *reading, struct fault *fault)
{
    struct rendering *rendering = reading->rendering;
    bool good = true;

    if (rendering->own_input || !rendering_needs_value(rendering))
        return 0;
    for (int i = 0; i < INPUT_TYPE_COUNT; i++) {
        json_t *word = json_string(input_type_names[i]);
        rendering->inputs[i] = input_parse(word, reading->path, fault);
        good = good && rendering->inputs[i];
        json_decref(word);
    }
    return good ? 0 : -1;
}

/* In this order: a format is read in the light of what comes before it. */
static int (*const parts[])(struct reading *, struct fault *) = {
    read_members, read_input, read_transform, read_format, read_compress, read_schema, add_inputs,
};
enum { PARTS = sizeof parts / sizeof *parts };

/* --- a whole one --------------------------------------------------------------------------------------- */

/* The members of a rendering within a destination's form. */
static json_t *own_members(const json_t *form, bool of_destination)
{
    static const char *const names[] = {"input", "transform", "format", "charset", "compress", "schema"};
    json_t *members;

    if (!of_destination)
        return json_deep_copy(form);
    members = json_object();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *member = json_object_get(form, names[i]);
        if (member)
            json_object_set_new(members, names[i], json_deep_copy(member));
    }
    return members;
}

static struct rendering *reading_begin(struct reading *reading, const json_t *form, const char *path,
                                       bool of_destination)
{
    struct rendering *rendering = xcalloc(1, sizeof *rendering);

    rendering->form = own_members(form, of_destination);
    if (!rendering->form)
        abort(); /* jansson is out of memory, as in xalloc */
    *reading = (struct reading){.rendering = rendering, .path = path};
    return rendering;
}

struct rendering *rendering_parse(const json_t *form, const char *path, bool of_destination,
                                  struct fault *fault)
{
    struct reading reading;
    struct rendering *rendering = reading_begin(&reading, form, path, of_destination);

    for (size_t i = 0; i < PARTS; i++) {
        if (parts[i](&reading, fault)) {
            rendering_free(rendering);
            return NULL;
        }
    }
    return rendering;
}

size_t rendering_check(const json_t *form, const char *path, bool of_destination,
                       void (*report)(void *arg, const struct fault *fault), void *arg)
{
    struct reading reading;
    struct rendering *rendering = reading_begin(&reading, form, path, of_destination);
    size_t mistakes = 0;

    for (size_t i = 0; i < PARTS; i++) {
        struct fault fault = {0};
        if (parts[i](&reading, &fault) == 0)
            continue;
        report(arg, &fault);
        mistakes++;
    }
    rendering_free(rendering);
    return mistakes;
}

void rendering_free(struct rendering *rendering)
{
    if (!rendering)
        return;
    for (size_t i = 0; i < INPUT_TYPE_COUNT; i++)
        input_free(rendering->inputs[i]);
    format_free(rendering->format);
    json_decref(rendering->form);
    free(rendering);
}

struct rendering *rendering_merge(const struct rendering *destination, const json_t *over,
                                  struct fault *fault)
{
    json_t *form = json_copy(destination->form), *value;
    const char *name;

    if (json_object_get(over, "format"))
        json_object_del(form, "charset");
    json_object_foreach ((json_t *)over, name, value) {
        if (json_is_null(value))
            json_object_del(form, name);
        else
            json_object_set(form, name, value);
    }
    struct rendering *rendering = rendering_parse(form, "/rendering", false, fault);
    json_decref(form);
    return rendering;
}

/* --- questions ----------------------------------------------------------------------------------------- */

bool rendering_is_plain(const struct rendering *rendering)
{
    return !rendering_needs_value(rendering) && !rendering->gzip && !rendering->schema;
}

bool rendering_needs_value(const struct rendering *rendering)
{
    return rendering->program || rendering->program_file || rendering->own_input || rendering->format;
}

static bool type_is(const char *content_type, size_t size, const char *name)
{
    return size == strlen(name) && strncasecmp(content_type, name, size) == 0;
}

const struct input *rendering_input(const struct rendering *rendering, const char *content_type)
{
    static const char suffix[] = "+xml";
    const size_t size = strcspn(content_type, "; \t"), tail = sizeof suffix - 1;
    enum input_type type = INPUT_JSON;

    for (size_t i = 0; rendering->own_input && i < INPUT_TYPE_COUNT; i++)
        if (rendering->inputs[i])
            return rendering->inputs[i];
    if (type_is(content_type, size, "text/csv"))
        type = INPUT_CSV;
    else if (type_is(content_type, size, "application/xml") || type_is(content_type, size, "text/xml") ||
             (size > tail && strncasecmp(content_type + size - tail, suffix, tail) == 0))
        type = INPUT_XML;
    return rendering->inputs[type];
}
