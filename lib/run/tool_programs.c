/*
 * tool_programs - the programs that renderings name: transforms.d of the configuration folder; and their
 * limits
 */
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ceilings.h"
#include "config_files.h"
#include "rendering.h"
#include "text.h"
#include "xalloc.h"

struct reading {
    struct catalog *catalog;
    void (*mistake)(void *arg, const char *text);
    void *arg;
    size_t mistakes;
};

static void note(struct reading *reading, const struct fault *fault)
{
    reading->mistake(reading->arg, fault->text);
    reading->mistakes++;
}

static int check_text(const struct buf *text, const char *path, struct fault *fault)
{
    if (text->len && text_is_utf8(text->data, text->len, NULL) && !memchr(text->data, '\0', text->len))
        return 0;
    return fault_set(fault, FAULT_INPUT, "%s: a program is UTF-8 without a NUL, and not empty", path);
}

static void read_program(struct reading *reading, const char *folder, const char *file)
{
    struct fault fault = {0};
    struct buf text;
    char *path = xasprintf("%s/%s", folder, file);

    buf_init(&text, RENDERING_PROGRAM_MAX);
    if (config_file_read(path, &text, &fault) < 0 || check_text(&text, path, &fault) < 0)
        note(reading, &fault);
    else
        catalog_add_program(reading->catalog, file, buf_steal(&text, NULL));
    buf_release(&text);
    free(path);
}

/* Hidden files and what an editor leaves behind ("x.jq~") are no programs. */
static int is_program(const struct dirent *entry)
{
    return text_is_name(entry->d_name);
}

size_t tool_programs(const struct tool *tool, struct catalog *catalog,
                     void (*mistake)(void *arg, const char *text), void *arg)
{
    char *folder = xasprintf("%s/transforms.d", conf_dir(tool->conf));
    struct reading reading = {.catalog = catalog, .mistake = mistake, .arg = arg};
    struct dirent **entries = NULL;
    struct fault problem = {0};
    int count = scandir(folder, &entries, is_program, alphasort);

    if (count < 0 && errno != ENOENT) {
        fault_errno(&problem, errno, "cannot read %s", folder);
        note(&reading, &problem);
    } else if (count > LIMIT_PROGRAM_FILES) {
        fault_set(&problem, FAULT_INPUT, "%s has more than %d files", folder, LIMIT_PROGRAM_FILES);
        note(&reading, &problem);
    }
    for (int i = 0; i < count; i++) {
        if (!reading.mistakes || count <= LIMIT_PROGRAM_FILES)
            read_program(&reading, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    free(folder);
    return reading.mistakes;
}

struct render *tool_render(const struct tool *tool)
{
    struct program_limits limits = program_limits_default;

    limits.run_ms = conf_duration_ms(tool->conf, "DIST_TRANSFORM_TIMEOUT");
    limits.memory_bytes = conf_size(tool->conf, "DIST_TRANSFORM_MEMORY");
    return render_new(&limits, conf_size(tool->conf, "DIST_TRANSFORM_OUTPUT"));
}

size_t tool_max_delivery(const struct tool *tool)
{
    return LIMIT_DELIVERY(conf_size(tool->conf, "DIST_MAX_PAYLOAD"),
                          conf_size(tool->conf, "DIST_TRANSFORM_OUTPUT"));
}
