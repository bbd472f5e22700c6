/*
 * rule_files - see rule_files.h
 */
#include "rule_files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "ceilings.h"
#include "config_files.h"
#include "fdio.h"
#include "json.h"
#include "text.h"
#include "xalloc.h"

static const char stored_origin[] = "database:";

void rule_files_release(struct rule_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free((char *)files->items[i].origin);
        free((char *)files->items[i].text);
        free((char *)files->items[i].stem);
        free((char *)files->items[i].tenant);
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

/* Takes the bytes of `text` and the stem, in any case. */
static int add(struct rule_files *files, const char *origin, struct buf *text, char *stem,
               struct fault *fault)
{
    if (text->len > RULE_FILES_SIZE - files->size) {
        buf_release(text);
        free(stem);
        return fault_set(fault, FAULT_INPUT, "%s: all rules together are larger than %d MiB", origin,
                         RULE_FILES_SIZE / 1024 / 1024);
    }
    files->size += text->len;
    if ((files->count & (files->count - 1)) == 0)
        files->items = xreallocarray(files->items, files->count ? 2 * files->count : 1, sizeof *files->items);
    struct rules_source *item = &files->items[files->count++];
    *item = (struct rules_source){.origin = xstrdup(origin), .stem = stem};
    item->text = buf_steal(text, &item->size);
    return 0;
}

int rule_files_add(struct rule_files *files, const char *path, const char *origin, struct fault *fault)
{
    struct buf text;

    buf_init(&text, LIMIT_CONFIG_FILE);
    if (config_file_read(path, &text, fault) == 0)
        return add(files, origin, &text, stem_of(path), fault);
    buf_release(&text);
    return -1;
}

int rule_files_add_stdin(struct rule_files *files, struct fault *fault)
{
    struct buf text;

    buf_init(&text, LIMIT_CONFIG_FILE);
    if (fdio_read_all(STDIN_FILENO, &text, fault) == 0)
        return add(files, "stdin", &text, NULL, fault);
    buf_release(&text);
    return fault_wrap(fault, "stdin");
}

void rule_files_set_tenant(struct rule_files *files, const char *tenant)
{
    struct rules_source *last = &files->items[files->count - 1];

    free((char *)last->tenant);
    last->tenant = xstrdup_null(tenant);
}

/* False where the form is not JSON: then the reader of the rules says so. */
static bool add_disabled(struct buf *text, const char *form)
{
    json_t *value = json_read(form, strlen(form), NULL);
    bool good = json_is_object(value);

    if (good) {
        json_object_set_new(value, "enabled", json_false());
        json_write(value, text);
    }
    json_decref(value);
    return good;
}

int rule_files_add_stored(struct rule_files *files, const struct stored_rule *rule, struct fault *fault)
{
    const char *tenant = rule->tenant_id ? rule->tenant_id : "", *slash = rule->tenant_id ? "/" : "";
    char *origin = xasprintf("%s%s%s%s", stored_origin, tenant, slash, rule->name);
    struct buf text;

    buf_init(&text, RULE_FILES_SIZE);
    if (rule->enabled || !add_disabled(&text, rule->form))
        buf_adds(&text, rule->form);
    int result = add(files, origin, &text, xstrdup(rule->name), fault);
    if (result == 0)
        rule_files_set_tenant(files, rule->tenant_id);
    free(origin);
    return result;
}

void rule_files_move(struct rule_files *files, struct rule_files *from)
{
    size_t count = files->count + from->count, room = 1;

    while (room < count)
        room *= 2; /* as add() has it */
    files->items = xreallocarray(files->items, room, sizeof *files->items);
    for (size_t i = 0; i < from->count; i++)
        files->items[files->count++] = from->items[i];
    files->size += from->size;
    from->count = 0;
    rule_files_release(from);
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

    if (!mistake->line || text_starts_with(mistake->origin, stored_origin))
        return xasprintf("%s: %s%s%s", mistake->origin, mistake->path, colon, mistake->text);
    return xasprintf("%s:%zu: %s%s%s", mistake->origin, mistake->line, mistake->path, colon, mistake->text);
}
