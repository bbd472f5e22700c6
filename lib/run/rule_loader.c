/*
 * rule_loader - see rule_loader.h
 */
#include "rule_loader.h"

#include <stdlib.h>

#include "clock.h"
#include "rule_files.h"
#include "store_rules.h"
#include "xalloc.h"

enum { LOOK_MS = 1000 };

void rule_loader_init(struct rule_loader *loader, struct programs *programs, struct store *store)
{
    *loader = (struct rule_loader){.programs = programs, .store = store, .version = -1};
}

/* -1 leaves the version as it is not known: the next look finds a change. */
static int add_stored(struct rule_loader *loader, struct rule_files *files, struct fault *fault)
{
    struct stored_rules rules;
    int result = store_rules_read(loader->store, &rules, fault);

    loader->version = result < 0 ? -1 : rules.version;
    for (size_t i = 0; i < rules.count && result == 0; i++)
        result = rule_files_add_stored(files, &rules.items[i], fault);
    stored_rules_release(&rules);
    return result;
}

void *rule_loader_load(void *arg, const struct tool *tool, const struct catalog *catalog, struct fault *fault)
{
    struct rule_loader *loader = arg;
    char *folder = xasprintf("%s/rules.d", conf_dir(tool->conf));
    struct rule_files files = {0};
    struct rulebook *book = NULL;
    size_t mistakes = rule_files_add_folder(&files, folder, tool_mistake, NULL);

    if (mistakes)
        fault_set(fault, FAULT_CONFIG, "%s has %zu mistake%s", folder, mistakes, mistakes == 1 ? "" : "s");
    else if (!loader->store || add_stored(loader, &files, fault) == 0)
        book = tool_rulebook(tool, catalog, loader->programs, files.items, files.count, tool_mistake, NULL,
                             fault);
    if (!book && fault->class != FAULT_CONFIG) /* nobody has looked at these rules */
        loader->version = -1;
    rule_files_release(&files);
    free(folder);
    return book;
}

void rule_loader_release(void *book)
{
    rulebook_free(book);
}

bool rule_loader_is_old(void *arg)
{
    struct rule_loader *loader = arg;
    int64_t now_ms = clock_mono_ms(), version;
    struct fault ignored = {0};

    if (!loader->store || now_ms < loader->look_at_ms)
        return false;
    loader->look_at_ms = now_ms + LOOK_MS;
    if (store_rules_version(loader->store, &version, &ignored) < 0 || version == loader->version)
        return false;
    loader->version = version;
    return true;
}
