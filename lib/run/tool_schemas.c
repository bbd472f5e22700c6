/*
 * tool_schemas - the schemas of the configuration: schemas.d, and schemas.json, which says who needs them
 */
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceilings.h"
#include "config_files.h"
#include "schema_set.h"
#include "xalloc.h"

struct reading {
    struct schema_set *set;
    const char *folder; /* schemas.d */
    const char *path;   /* schemas.json */
    void (*mistake)(void *arg, const char *text);
    void *arg;
    size_t mistakes;
};

static void note(struct reading *reading, const char *text)
{
    reading->mistake(reading->arg, text);
    reading->mistakes++;
}

static void note_schema(void *arg, const char *name, const char *text)
{
    struct reading *reading = arg;
    char *line = xasprintf("%s/%s: %s", reading->folder, name, text);

    note(reading, line);
    free(line);
}

static void note_requirement(void *arg, const char *text)
{
    struct reading *reading = arg;
    char *line = xasprintf("%s: %s", reading->path, text);

    note(reading, line);
    free(line);
}

/* What has another ending, as a README, is no business of ours. */
static int is_schema(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.' && ending && (!strcmp(ending, ".json") || !strcmp(ending, ".xsd"));
}

static void read_schema(struct reading *reading, const char *name)
{
    char *path = xasprintf("%s/%s", reading->folder, name);
    struct fault fault = {0};
    struct buf text;

    buf_init(&text, LIMIT_CONFIG_FILE);
    if (config_file_read(path, &text, &fault) < 0)
        note(reading, fault.text);
    else if (schema_set_add(reading->set, name, text.data, text.len, &fault) < 0)
        note_schema(reading, name, fault.text);
    buf_release(&text);
    free(path);
}

static void read_folder(struct reading *reading)
{
    struct dirent **entries = NULL;
    struct fault fault = {0};
    int count = scandir(reading->folder, &entries, is_schema, alphasort);

    if (count < 0 && errno != ENOENT) {
        fault_errno(&fault, errno, "cannot read %s", reading->folder);
        note(reading, fault.text);
    }
    for (int i = 0; i < count; i++) {
        read_schema(reading, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    schema_set_compile(reading->set, note_schema, reading);
}

static void read_requirements(struct reading *reading)
{
    struct fault fault = {0};
    struct buf text;

    if (access(reading->path, F_OK) < 0 && errno == ENOENT)
        return;
    buf_init(&text, LIMIT_CONFIG_FILE);
    if (config_file_read(reading->path, &text, &fault) < 0)
        note(reading, fault.text);
    else
        schema_set_require(reading->set, text.data, text.len, note_requirement, reading);
    buf_release(&text);
}

/* Destinations name schemas that are there. */
static void check_destinations(struct reading *reading, const struct catalog *catalog)
{
    size_t count;
    const char **names = catalog_names(catalog, &count);

    for (size_t i = 0; i < count; i++) {
        const struct destination *destination = catalog_destination(catalog, names[i]);
        struct fault fault = {0};
        if (catalog_schema(catalog, destination->rendering, "", &fault) == 0)
            continue;
        fault_wrap(&fault, "%s: destination '%s'", destination->origin, destination->name);
        note(reading, fault.text);
    }
    free(names);
}

size_t tool_schemas(const struct tool *tool, struct catalog *catalog,
                    void (*mistake)(void *arg, const char *text), void *arg)
{
    const bool hide = strcmp(conf_text(tool->conf, "DIST_SCHEMA_VALUES"), "show") != 0;
    char *folder = xasprintf("%s/schemas.d", conf_dir(tool->conf));
    char *path = xasprintf("%s/schemas.json", conf_dir(tool->conf));
    struct reading reading = {
        .set = schema_set_new(hide), .folder = folder, .path = path, .mistake = mistake, .arg = arg};

    read_folder(&reading);
    read_requirements(&reading);
    catalog->schemas =
        (struct catalog_schemas){.set = reading.set, .free = schema_set_free, .named = schema_set_named};
    check_destinations(&reading, catalog);
    free(path);
    free(folder);
    return reading.mistakes;
}
