/*
 * rule_check - see rule_check.h; the tests are in rule_test.c
 */
#include "rule_check.h"

#include <stdlib.h>

#include "rule_files.h"
#include "table.h"
#include "xalloc.h"

static void count_mistake(void *arg, const char *text)
{
    size_t *mistakes = arg;

    tool_mistake(NULL, text);
    (*mistakes)++;
}

/* What the files have, or else the folder; what cannot be read is a mistake like others. */
static void read_files(const struct tool *tool, char **paths, int count, struct rule_files *files,
                       size_t *mistakes)
{
    struct fault fault = {0};

    for (int i = 0; i < count; i++)
        if (rule_files_add(files, paths[i], paths[i], &fault) < 0)
            count_mistake(mistakes, fault.text);
    if (count)
        return;
    char *folder = xasprintf("%s/rules.d", conf_dir(tool->conf));
    rule_files_add_folder(files, folder, count_mistake, mistakes);
    free(folder);
}

static int say_good(const struct rulebook *book, bool json, struct fault *fault)
{
    const size_t count = book->rules->count;

    if (json)
        return print_json(json_pack("{s:I, s:I}", "rules", (json_int_t)count, "mistakes", (json_int_t)0),
                          fault);
    return print_text(fault, "%zu rule%s, no mistakes\n", count, count == 1 ? "" : "s");
}

int rule_check_run(const struct tool *tool, struct programs *programs, char **paths, int count, bool json,
                   struct fault *fault)
{
    struct rule_files files = {0};
    struct fault ignored = {0}, trouble = {0};
    size_t mistakes = 0;
    struct catalog *catalog = tool_catalog(tool, count_mistake, &mistakes, &ignored);
    struct rulebook *book;
    int result = 0;

    read_files(tool, paths, count, &files, &mistakes);
    book =
        tool_rulebook(tool, catalog, programs, files.items, files.count, count_mistake, &mistakes, &trouble);
    if (mistakes)
        result = fault_set(fault, FAULT_CONFIG, "%zu mistake%s", mistakes, mistakes == 1 ? "" : "s");
    else if (!book)
        result = fault_set(fault, trouble.class, "%s", trouble.text);
    else
        result = say_good(book, json, fault);
    rulebook_free(book);
    rule_files_release(&files);
    catalog_free(catalog);
    return result;
}
