/*
 * render - the way of a body through input, program, format and compression
 *
 *   body --input--> value --program--> value --format--> bytes --gzip--> output
 *                                        JSON Schema      XML Schema
 *
 * Hard rule: a body is sent as its rendering says, whole, or not at all. What is left out where a rendering
 * has no such step costs nothing.
 */
#include "render.h"
#include <stdlib.h>
#include <string.h>
#include "ceilings.h"
#include "clock.h"
#include "form.h"
#include "gzip.h"
#include "json.h"
#include "schema_name.h"
#include "schema_set.h"
#include "strmap.h"
#include "text.h"
#include "transform.h"
#include "xalloc.h"
#include "xml_read.h"

enum {
    PROGRAMS_MAX = 1000, /* that are kept compiled */
    PROGRAM_SHOWN = 120, /* bytes of a program in a fault */
};

struct render {
    struct programs *programs;
    struct strmap compiled; /* "1" or "n" for the results, and the text -> struct program * */
    size_t max_output;
};

static void free_program(void *program)
{
    program_free(program);
}

struct render *render_new(const struct program_limits *limits, size_t max_output)
{
    struct render *render = xcalloc(1, sizeof *render);

    render->programs = programs_new(limits);
    render->max_output = max_output;
    strmap_init(&render->compiled);
    return render;
}

void render_free(struct render *render)
{
    if (!render)
        return;
    strmap_release(&render->compiled, free_program);
    programs_free(render->programs);
    free(render);
}

size_t render_max_output(const struct render *render)
{
    return render->max_output;
}

pid_t render_worker(const struct render *render)
{
    return programs_worker(render->programs);
}

bool render_needs_body(const struct destination *destination, const struct delivery *delivery)
{
    return delivery->rendering || transform_needs_body(destination->rendering);
}

bool render_makes_output(const struct destination *destination, const struct delivery *delivery)
{
    struct rendering *merged;

    if (!delivery->rendering)
        return !rendering_is_plain(destination->rendering);
    merged = rendering_merge(destination->rendering, delivery->rendering, NULL);
    const bool makes = !merged || !rendering_is_plain(merged);
    rendering_free(merged);
    return makes;
}

struct destination *render_stand_in(const char *name)
{
    json_t *form = json_pack("{s:s}", "protocol", protocol_names[PROTOCOL_NULL]);
    struct destination *destination = form_destination(name, form, NULL, "option", NULL);

    json_decref(form);
    return destination;
}

/* --- programs ------------------------------------------------------------------------------------------ */

/* Borrowed until the next call. What nobody uses any more goes when there are many. */
static struct program *compiled(struct render *render, const char *text, bool many, struct fault *fault)
{
    char *key = xasprintf("%c%s", many ? 'n' : '1', text);
    struct program *program = strmap_get(&render->compiled, key);

    if (!program) {
        if (render->compiled.count >= PROGRAMS_MAX) {
            strmap_release(&render->compiled, free_program);
            strmap_init(&render->compiled);
        }
        program =
            program_compile(render->programs, text, strlen(text), many ? PROGRAM_ARRAY : PROGRAM_ONE, fault);
        if (program)
            strmap_put(&render->compiled, key, program);
    }
    free(key);
    return program;
}

/* The program in front of what is wrong with it: its file, or its text on one line. */
static int wrap_program(const struct rendering *rendering, struct fault *fault)
{
    char cut[PROGRAM_SHOWN];

    if (!fault)
        return -1;
    text_copy(cut, sizeof cut, rendering->program ? rendering->program : rendering->program_file);
    for (char *c = cut; *c; c++)
        if (*c == '\n' || *c == '\t')
            *c = ' ';
    return fault_wrap(fault, "/transform: '%s%s'", text_printable(cut),
                      rendering->program && strlen(rendering->program) >= sizeof cut ? "..." : "");
}

int render_check_program(struct render *render, const struct catalog *catalog,
                         const struct rendering *rendering, const char *path, struct fault *fault)
{
    const char *text;

    if (catalog_program(catalog, rendering, path, &text, fault))
        return -1;
    if (text && !compiled(render, text, rendering->many_results, fault))
        return fault_wrap(fault, "%s/transform%s", path, rendering->program_file ? "/file" : "");
    return catalog ? catalog_schema(catalog, rendering, path, fault) : 0;
}

size_t render_check(struct render *render, const struct catalog *catalog,
                    void (*mistake)(void *arg, const char *text), void *arg, void (*alive)(void),
                    struct fault *trouble)
{
    size_t count, mistakes = 0;
    const char **names = catalog_names(catalog, &count);

    fault_clear(trouble);
    for (size_t i = 0; i < count; i++) {
        const struct destination *destination = catalog_destination(catalog, names[i]);
        struct fault fault = {0};

        if (alive)
            alive();
        if (render_check_program(render, catalog, destination->rendering, "", &fault) == 0)
            continue;
        fault_wrap(&fault, "%s: destination '%s'", destination->origin, destination->name);
        if (fault.class == FAULT_TEMP || fault.class == FAULT_SYSTEM) {
            *trouble = fault;
            break;
        }
        mistake(arg, fault.text);
        mistakes++;
    }
    free(names);
    return mistakes;
}

/* --- one body ------------------------------------------------------------------------------------------ */

/* A body on its way. */
struct way {
    struct render *render;
    const struct catalog *catalog;
    const struct destination *destination;
    const struct rendering *rendering;
    struct delivery *delivery;
    struct buf text; /* the value as JSON text, where it is not the body itself */
    json_t *value;   /* or NULL: `text` has it */
    bool unfit;      /* it does not fit its schema */
    struct formatted formatted;
};

static int read_xml(struct way *way, const struct input *input, struct fault *fault)
{
    const struct job *job = way->delivery->job;
    const struct xml_reading reading = {
        .arrays = input->names,
        .array_count = input->name_count,
        .strip_namespaces = input->strip_namespaces,
        .keep_root = input->keep_root,
        .max_nodes = input->max_nodes,
        .max_depth = LIMIT_JSON_DEPTH,
    };

    return xml_read(job->body, job->body_size, &reading, &way->text, fault);
}

/* The value of the body: its text where a program is to have it, else a tree. */
static int read_input(struct way *way, bool as_text, struct fault *fault)
{
    const struct job *job = way->delivery->job;
    const struct input *input = rendering_input(way->rendering, job->content_type);
    int result = 0;

    if (input->type == INPUT_XML) {
        result = read_xml(way, input, fault);
    } else if (input->type == INPUT_JSON && as_text) {
        result = json_check(job->body, job->body_size, NULL, fault);
        if (!result)
            result = buf_add(&way->text, job->body, job->body_size);
    } else {
        way->value = input_read(input, job->body, job->body_size, fault);
        result = way->value ? 0 : -1;
        if (!result && as_text)
            result = json_write(way->value, &way->text);
    }
    if (result && way->text.overflow)
        fault_set(fault, FAULT_INPUT, "as JSON it is larger than %zu bytes", way->text.max);
    if (result)
        return fault_wrap(fault, "the body is no %s",
                          input->type == INPUT_XML   ? "XML that can be read"
                          : input->type == INPUT_CSV ? "CSV that can be read"
                                                     : "JSON");
    return 0;
}

/* Once more where the worker was ended from outside, which is no fault of the program. */
static int run_program(struct way *way, struct fault *fault)
{
    const struct program_variables variables = {
        .tenant = way->delivery->job->tenant_id,
        .distribution = way->delivery->job->distribution_id,
        .destination = way->destination->name,
    };
    struct fault problem = {0};
    const char *text;
    struct buf result;
    int status = -1;

    if (catalog_program(way->catalog, way->rendering, "", &text, fault))
        return -1;
    if (!text)
        return 0;
    buf_init(&result, way->render->max_output);
    for (int tries = 0; tries < 2 && status; tries++) {
        fault_clear(&problem);
        struct program *program = compiled(way->render, text, way->rendering->many_results, &problem);
        if (program)
            status = program_run(program, &variables, way->text.data, way->text.len, &result, &problem);
        if (problem.class != FAULT_TEMP)
            break;
    }
    if (status) {
        buf_release(&result);
        if (fault)
            *fault = problem;
        return wrap_program(way->rendering, fault);
    }
    buf_release(&way->text);
    way->text = result;
    json_decref(way->value);
    way->value = NULL;
    return 0;
}

static int need_value(struct way *way, struct fault *fault)
{
    if (!way->value)
        way->value = json_read(way->text.data, way->text.len, fault);
    return way->value ? 0 : fault_wrap(fault, "the result of the program");
}

static int write_format(struct way *way, struct fault *fault)
{
    const struct job *job = way->delivery->job;
    char time[CLOCK_TEXT_SIZE];
    const struct format_context context = {
        .tenant = job->tenant_id,
        .distribution = job->distribution_id,
        .destination = way->destination->name,
        .data_type = job->data_type,
        .time = clock_format(job->submitted_at_us, time),
    };

    if (need_value(way, fault))
        return -1;
    if (format_write(way->rendering->format, way->value, &context, &way->formatted, fault) == 0)
        return 0;
    return fault_wrap(fault, "/format: %s", format_type_names[format_type(way->rendering->format)]);
}

/* What the format gets. */
static int check_value(struct way *way, struct fault *fault)
{
    const char *schema = way->rendering->schema;

    if (!schema || schema_name_language(schema) != SCHEMA_LANGUAGE_JSON)
        return 0;
    if (need_value(way, fault))
        return -1;
    way->unfit = schema_set_check_value(way->catalog->schemas.set, schema, way->value, fault) < 0;
    return way->unfit ? -1 : 0;
}

/* What the format gave. */
static int check_bytes(struct way *way, struct fault *fault)
{
    const char *schema = way->rendering->schema;
    const struct formatted *formatted = &way->formatted;

    if (!schema || schema_name_language(schema) != SCHEMA_LANGUAGE_XML)
        return 0;
    way->unfit = schema_set_check(way->catalog->schemas.set, schema, formatted->content_type,
                                  formatted->body.data, formatted->body.len, fault) < 0;
    return way->unfit ? -1 : 0;
}

/* The body as it came, which is an output then: no attempt sends one that was not looked at. */
static int check_body(struct way *way, struct fault *fault)
{
    const struct job *job = way->delivery->job;
    const char *schema = way->rendering->schema, *content_type = delivery_content_type(way->delivery);
    struct buf *body = &way->formatted.body;

    if (!schema)
        return 0;
    way->unfit = schema_set_check(way->catalog->schemas.set, schema, content_type, job->body, job->body_size,
                                  fault) < 0;
    if (way->unfit)
        return -1;
    if (way->rendering->gzip)
        return 0;
    if (buf_add(body, job->body, job->body_size))
        return fault_set(fault, FAULT_INPUT, "/schema: the body is larger than %zu bytes", body->max);
    way->formatted.content_type = xstrdup(content_type);
    return 0;
}

/* The string that a program gave, as it is. */
static int write_raw(struct way *way, struct fault *fault)
{
    if (need_value(way, fault))
        return -1;
    if (!json_is_string(way->value))
        return fault_set(fault, FAULT_INPUT, "/format: raw: the result of the program is no string");
    if (buf_add(&way->formatted.body, json_string_value(way->value), json_string_length(way->value)))
        return fault_set(fault, FAULT_INPUT, "/format: raw: the result is larger than %zu bytes",
                         way->formatted.body.max);
    way->formatted.content_type = xstrdup(way->delivery->job->content_type);
    return 0;
}

static int write_value(struct way *way, struct fault *fault)
{
    const bool programmed = way->rendering->program || way->rendering->program_file;

    if (read_input(way, programmed, fault) || (programmed && run_program(way, fault)) ||
        check_value(way, fault))
        return -1;
    const int result = way->rendering->format ? write_format(way, fault) : write_raw(way, fault);
    return result ? result : check_bytes(way, fault);
}

/* What there is so far: the formatted value, or the body as it came. A rule may ask for it where the form of
 * the destination alone was right. */
static int compress(struct way *way, struct fault *fault)
{
    const char *own = destination_header(way->destination, "Content-Encoding");
    const struct job *job = way->delivery->job;
    struct formatted *formatted = &way->formatted;
    const bool kept = !rendering_needs_value(way->rendering);
    struct buf packed;

    if (own)
        return fault_set(fault, FAULT_INPUT, "/headers/%s: \"compress\" sets this field", own);
    buf_init(&packed, way->render->max_output);
    if (gzip_compress(kept ? job->body : formatted->body.data, kept ? job->body_size : formatted->body.len,
                      &packed, fault)) {
        buf_release(&packed);
        return fault_wrap(fault, "/compress");
    }
    buf_release(&formatted->body);
    formatted->body = packed;
    if (kept)
        formatted->content_type = xstrdup(delivery_content_type(way->delivery));
    return 0;
}

static void add_output(struct way *way)
{
    struct formatted *formatted = &way->formatted;
    struct output output = {.destination = xstrdup(way->destination->name),
                            .content_type = formatted->content_type};

    formatted->content_type = NULL;
    if (formatted->header_count || way->rendering->gzip)
        output.headers = json_object();
    for (size_t i = 0; i < formatted->header_count; i++)
        json_object_set_new(output.headers, formatted->headers[i].name,
                            json_string(formatted->headers[i].value));
    if (way->rendering->gzip)
        json_object_set_new(output.headers, "Content-Encoding", json_string("gzip"));
    output.body = buf_steal(&formatted->body, &output.body_size);
    delivery_add_output(way->delivery, &output);
}

/* One that is not plain. An output has a content type of its own: that of the delivery is another
 * candidate's, and stays. */
static int make_output(struct way *way, struct fault *fault)
{
    char *kept = way->delivery->content_type;
    int result = 0;

    way->delivery->content_type = NULL;
    buf_init(&way->text, PROGRAM_INPUT_MAX);
    formatted_init(&way->formatted, way->render->max_output);
    if (rendering_needs_value(way->rendering))
        result = write_value(way, fault);
    else if (transform_delivery(way->rendering, way->delivery, fault) || check_body(way, fault))
        result = -1;
    if (!result && way->rendering->gzip)
        result = compress(way, fault);
    if (!result)
        add_output(way);
    free(way->delivery->content_type);
    way->delivery->content_type = kept;
    formatted_release(&way->formatted);
    buf_release(&way->text);
    json_decref(way->value);
    return result;
}

int render_delivery(struct render *render, const struct catalog *catalog,
                    const struct destination *destination, struct delivery *delivery,
                    enum dead_reason *reason, struct fault *fault)
{
    struct rendering *merged = NULL;
    struct way way = {.render = render, .catalog = catalog, .destination = destination, .delivery = delivery};
    int result;

    if (reason)
        *reason = DEAD_TRANSFORM;
    if (delivery->rendering) {
        merged = rendering_merge(destination->rendering, delivery->rendering, fault);
        if (!merged)
            return -1;
    }
    way.rendering = merged ? merged : destination->rendering;
    if (rendering_is_plain(way.rendering))
        result = transform_delivery(way.rendering, delivery, fault);
    else
        result = make_output(&way, fault);
    if (way.unfit && reason)
        *reason = DEAD_SCHEMA;
    rendering_free(merged);
    return result;
}
