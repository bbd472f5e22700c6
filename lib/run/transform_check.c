/*
 * transform_check - see transform_check.h; the tests are in transform_test.c
 */
#include "transform_check.h"

#include <stdlib.h>
#include <string.h>

#include "ceilings.h"
#include "config_files.h"
#include "json.h"
#include "json_where.h"
#include "rendering.h"
#include "table.h"
#include "text.h"
#include "xalloc.h"

struct checking {
    const struct tool *tool;
    struct render *render;
    struct catalog *catalog; /* for its programs */
    const char *file;        /* that is being read */
    const struct buf *text;
    size_t good, mistakes;
};

static void count_mistake(void *arg, const char *text)
{
    struct checking *checking = arg;

    tool_mistake(NULL, text);
    checking->mistakes++;
}

/* A fault that begins with its pointer gets its line. */
static void note(void *arg, const struct fault *fault)
{
    struct checking *checking = arg;
    const char *behind = strstr(fault->text, ": ");
    char *pointer =
        *fault->text == '/' && behind ? xmemdupz(fault->text, (size_t)(behind - fault->text)) : xstrdup("");
    const size_t line = json_where(checking->text->data, checking->text->len, pointer);
    char *text = xasprintf("%s:%zu: %s", checking->file, line, fault->text);

    count_mistake(checking, text);
    free(text);
    free(pointer);
}

/* One rendering at `path`. */
static void check_one(struct checking *checking, const json_t *form, const char *path, bool of_destination)
{
    struct fault fault = {0};

    if (rendering_check(form, path, of_destination, note, checking))
        return;
    struct rendering *rendering = rendering_parse(form, path, of_destination, NULL);
    if (render_check_program(checking->render, checking->catalog, rendering, path, &fault))
        note(checking, &fault);
    else if (json_object_size(rendering->form))
        checking->good++;
    rendering_free(rendering);
}

/* A destination has its members beside the others; a rule has a "rendering". Groups have none. */
static void check_form(struct checking *checking, const json_t *form, const char *path)
{
    const json_t *rendering = json_object_get(form, "rendering");
    struct fault fault = {0};
    char *inner;

    if (!json_is_object(form)) {
        fault_set(&fault, FAULT_INPUT, "%s%san object is wanted", path, *path ? ": " : "");
        note(checking, &fault);
    } else if (rendering) {
        inner = xasprintf("%s/rendering", path);
        check_one(checking, rendering, inner, false);
        free(inner);
    } else if (!catalog_is_group(form)) {
        check_one(checking, form, path, true);
    }
}

static void check_text(struct checking *checking, struct fault *fault)
{
    json_t *content = json_read(checking->text->data, checking->text->len, fault), *form;
    size_t index;

    if (!content)
        return;
    if (json_is_array(content)) {
        json_array_foreach (content, index, form) {
            char *path = xasprintf("/%zu", index);
            check_form(checking, form, path);
            free(path);
        }
    } else {
        check_form(checking, content, "");
    }
    json_decref(content);
}

static void check_file(struct checking *checking, const char *path)
{
    struct fault fault = {0};
    struct buf text;

    buf_init(&text, LIMIT_CONFIG_FILE);
    checking->file = path;
    checking->text = &text;
    if (config_file_read(path, &text, &fault) == 0) {
        check_text(checking, &fault);
        if (fault.class)
            fault_wrap(&fault, "%s", path);
    }
    if (fault.class)
        count_mistake(checking, fault.text);
    buf_release(&text);
    checking->text = NULL;
}

static void check_entry(void *arg, const struct config_file *file)
{
    check_file(arg, file->path);
}

static void check_folder(struct checking *checking, const char *name)
{
    char *folder = xasprintf("%s/%s", conf_dir(checking->tool->conf), name);
    struct fault fault = {0};

    if (config_folder_each(folder, check_entry, checking, &fault) < 0)
        count_mistake(checking, fault.text);
    free(folder);
}

int transform_check_run(const struct tool *tool, struct render *render, char **files, int count,
                        struct fault *fault)
{
    struct checking checking = {.tool = tool, .render = render, .catalog = catalog_new()};
    int result;

    tool_programs(tool, checking.catalog, count_mistake, &checking);
    tool_schemas(tool, checking.catalog, count_mistake, &checking);
    for (int i = 0; i < count; i++)
        check_file(&checking, files[i]);
    if (!count) {
        check_folder(&checking, "destinations.d");
        check_folder(&checking, "rules.d");
    }
    if (checking.mistakes)
        result = fault_set(fault, FAULT_CONFIG, "%zu mistake%s", checking.mistakes,
                           checking.mistakes == 1 ? "" : "s");
    else
        result =
            print_text(fault, "%zu rendering%s, no mistakes\n", checking.good, checking.good == 1 ? "" : "s");
    catalog_free(checking.catalog);
    return result;
}
