/*
 * transform_options - see transform_options.h
 */
#include "transform_options.h"

#include <stdlib.h>
#include <string.h>

#include "config_files.h"
#include "json.h"
#include "rendering.h"
#include "text.h"

/* The same text as the command line's problem. */
static int blame(struct fault *fault, const char *option)
{
    fault_wrap(fault, "%s", option);
    fault->class = FAULT_USAGE;
    return -1;
}

static int add_form(json_t *form, const char *member, const char *option, const char *text,
                    struct fault *fault)
{
    json_t *value;

    if (!text)
        return 0;
    value = *text == '{' ? json_read(text, strlen(text), fault) : json_string(text);
    if (!value)
        return *text == '{' ? blame(fault, option) : fault_set(fault, FAULT_USAGE, "%s: no UTF-8", option);
    json_object_set_new(form, member, value);
    return 0;
}

static int add_file(json_t *form, const char *path, struct fault *fault)
{
    struct buf text;
    int result;

    buf_init(&text, RENDERING_PROGRAM_MAX);
    result = config_file_read(path, &text, fault);
    json_t *value = result == 0 ? json_stringn(text.data, text.len) : NULL;
    if (value)
        json_object_set_new(form, "transform", value);
    else if (result == 0)
        result = fault_set(fault, FAULT_INPUT, "%s: a program is UTF-8", path);
    buf_release(&text);
    return result;
}

/* In words of the command line, and before the first envelope. */
static int check(const json_t *form, const struct transform_options *options, struct render *render,
                 struct fault *fault)
{
    const char *option = options->program_file ? "--program-file" : "--program";
    struct rendering *rendering = rendering_parse(form, "", false, fault);
    int result = rendering ? 0 : -1;

    if (!rendering)
        option = text_starts_with(fault->text, "/input")    ? "--input"
                 : text_starts_with(fault->text, "/format") ? "--format"
                                                            : option;
    else if (rendering->program)
        result = render_check_program(render, NULL, rendering, "", fault);
    rendering_free(rendering);
    if (result == 0 || fault->class != FAULT_INPUT)
        return result;
    return blame(fault, option);
}

int transform_options_read(const struct transform_options *options, struct render *render, json_t **rendering,
                           struct fault *fault)
{
    json_t *form;
    int result = 0;

    *rendering = NULL;
    if (!options->input && !options->format && !options->program && !options->program_file)
        return 0;
    form = json_object();
    if (add_form(form, "input", "--input", options->input, fault) ||
        add_form(form, "format", "--format", options->format, fault))
        result = -1;
    else if (options->program && json_object_set_new(form, "transform", json_string(options->program)))
        result = fault_set(fault, FAULT_USAGE, "--program: no UTF-8");
    else if (options->program_file)
        result = add_file(form, options->program_file, fault);
    if (result == 0)
        result = check(form, options, render, fault);
    if (result == 0)
        *rendering = form;
    else
        json_decref(form);
    return result;
}
