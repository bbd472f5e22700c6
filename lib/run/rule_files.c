/*
 * rule_files - see rule_files.h
 */
#include "rule_files.h"

#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "ceilings.h"
#include "config_files.h"
#include "xalloc.h"

void rule_files_release(struct rule_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free((char *)files->items[i].origin);
        free((char *)files->items[i].text);
        free((char *)files->items[i].stem);
    }
    free(files->items);
    *files = (struct rule_files){0};
}

/* "rules.d/eu.json" is "eu"; the caller's. */
static char *stem_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t size = strlen(name), end = strlen(".json");

    if (size > end && !strcmp(name + size - end, ".json"))
        size -= end;
    return xmemdupz(name, size);
}

int rule_files_add(struct rule_files *files, const char *path, const char *origin, struct fault *fault)
{
    struct buf text;

    buf_init(&text, LIMIT_CONFIG_FILE);
    if (config_file_read(path, &text, fault) < 0) {
        buf_release(&text);
        return -1;
    }
    if (text.len > RULE_FILES_SIZE - files->size) {
        buf_release(&text);
        return fault_set(fault, FAULT_INPUT, "%s: all rules together are larger than %d MiB", path,
                         RULE_FILES_SIZE / 1024 / 1024);
    }
    files->size += text.len;
    files->items = xreallocarray(files->items, files->count + 1, sizeof *files->items);
    struct rules_source *item = &files->items[files->count++];
    *item = (struct rules_source){.origin = xstrdup(origin), .stem = stem_of(path)};
    item->text = buf_steal(&text, &item->size);
    return 0;
}

struct adding {
    struct rule_files *files;
    void (*mistake)(void *arg, const char *text);
    void *arg;
    size_t mistakes;
};

static void note(struct adding *adding, const struct fault *fault)
{
    adding->mistake(adding->arg, fault->text);
    adding->mistakes++;
}

static void add_file(void *arg, const struct config_file *file)
{
    struct adding *adding = arg;
    struct fault fault = {0};
    char *origin = xasprintf("rules.d/%s", file->name);

    if (rule_files_add(adding->files, file->path, origin, &fault) < 0)
        note(adding, &fault);
    free(origin);
}

size_t rule_files_add_folder(struct rule_files *files, const char *folder,
                             void (*mistake)(void *arg, const char *text), void *arg)
{
    struct adding adding = {.files = files, .mistake = mistake, .arg = arg};
    struct fault fault = {0};

    if (config_folder_each(folder, add_file, &adding, &fault) < 0)
        note(&adding, &fault);
    return adding.mistakes;
}

char *rule_files_mistake(const struct rules_mistake *mistake)
{
    const char *colon = *mistake->path ? ": " : "";

    if (!mistake->line)
        return xasprintf("%s: %s%s%s", mistake->origin, mistake->path, colon, mistake->text);
    return xasprintf("%s:%zu: %s%s%s", mistake->origin, mistake->line, mistake->path, colon, mistake->text);
}
