/*
 * rules_diff - see rules_diff.h
 *
 * Two rulebooks and one walk. Routing writes what rules set into a distribution: it is put back before the
 * other rulebook sees it.
 */
#include "rules_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "json.h"
#include "msg.h"
#include "rule_files.h"
#include "rulebook.h"
#include "store_past.h"
#include "store_rules.h"
#include "strmap.h"
#include "table.h"
#include "xalloc.h"

/* Deliveries of one target; those that are dead before they are tried have a row of their own, without a
 * name. */
struct target_counts {
    char *name;
    int64_t before, after, gained, lost;
    uint64_t seen; /* the last distribution that had it before, counted from 1 */
};

struct comparing {
    const struct rules_diff *diff;
    struct catalog *catalog;
    struct rulebook *old, *new;
    struct strmap
        targets; /* struct target_counts *; the name of what is dead has a blank, which no target has */
    uint64_t distributions, changed;
};

static const char dead_name[] = "(dead letter)";

/* --- the two sets --- */

static void count_mistake(void *arg, const char *text)
{
    size_t *mistakes = arg;

    tool_mistake(NULL, text);
    ++*mistakes;
}

static void ignore_mistake(void *arg, const struct rules_mistake *mistake)
{
    (void)arg;
    (void)mistake;
}

static size_t add_paths(struct rule_files *files, char **paths, int count)
{
    size_t mistakes = 0;

    for (int i = 0; i < count; i++) {
        struct fault fault = {0};
        struct stat status;

        if (stat(paths[i], &status) == 0 && S_ISDIR(status.st_mode))
            mistakes += rule_files_add_folder(files, paths[i], tool_mistake, NULL);
        else if (rule_files_add(files, paths[i], paths[i], &fault) < 0)
            count_mistake(&mistakes, fault.text);
    }
    return mistakes;
}

/* The stored rules but for those that the files have too; files with mistakes replace nothing. */
static int add_stored(struct rule_files *files, const struct stored_rules *stored, struct fault *fault)
{
    struct rules *own = rules_new(files->items, files->count, NULL, ignore_mistake, NULL);
    struct strmap names;
    int result = 0;

    strmap_init(&names);
    for (size_t i = 0; own && i < own->count; i++) {
        char *key =
            xasprintf("%s/%s", own->items[i]->tenant ? own->items[i]->tenant : "*", own->items[i]->name);
        strmap_put(&names, key, own->items[i]);
        free(key);
    }
    for (size_t i = 0; i < stored->count && result == 0; i++) {
        const struct stored_rule *rule = &stored->items[i];
        char *key = xasprintf("%s/%s", rule->tenant_id ? rule->tenant_id : "*", rule->name);
        if (!strmap_get(&names, key))
            result = rule_files_add_stored(files, rule, fault);
        free(key);
    }
    strmap_release(&names, NULL);
    rules_free(own);
    return result;
}

static struct rulebook *book_of(const struct comparing *comparing, const struct rule_files *files,
                                struct fault *fault)
{
    return tool_rulebook(comparing->diff->tool, comparing->catalog, comparing->diff->programs, files->items,
                         files->count, tool_mistake, NULL, fault);
}

static int read_old(struct comparing *comparing, const struct stored_rules *stored, struct fault *fault)
{
    char *folder = xasprintf("%s/rules.d", conf_dir(comparing->diff->tool->conf));
    struct rule_files files = {0};
    size_t mistakes = rule_files_add_folder(&files, folder, tool_mistake, NULL);
    int result = mistakes ? fault_set(fault, FAULT_CONFIG, "%s cannot be read", folder) : 0;

    for (size_t i = 0; i < stored->count && result == 0; i++)
        result = rule_files_add_stored(&files, &stored->items[i], fault);
    comparing->old = result == 0 ? book_of(comparing, &files, fault) : NULL;
    rule_files_release(&files);
    free(folder);
    if (comparing->old)
        return 0;
    fault_wrap(fault, "the rules in force");
    return -1;
}

static int read_new(struct comparing *comparing, const struct stored_rules *stored, char **paths, int count,
                    struct fault *fault)
{
    struct rule_files files = {0};
    size_t mistakes = add_paths(&files, paths, count);
    int result = mistakes ? fault_set(fault, FAULT_INPUT, "%zu of them cannot be read", mistakes) : 0;

    if (result == 0)
        result = add_stored(&files, stored, fault);
    comparing->new = result == 0 ? book_of(comparing, &files, fault) : NULL;
    rule_files_release(&files);
    if (comparing->new)
        return 0;
    fault_wrap(fault, "the new rules");
    return -1;
}

static int read_both(struct comparing *comparing, struct store *store, char **paths, int count,
                     struct fault *fault)
{
    struct stored_rules stored;
    int result = store_rules_read(store, &stored, fault);

    if (result == 0)
        result = read_old(comparing, &stored, fault);
    if (result == 0)
        result = read_new(comparing, &stored, paths, count, fault);
    stored_rules_release(&stored);
    return result;
}

/* --- one distribution --- */

static struct target_counts *counts_of(struct comparing *comparing, const struct delivery *delivery)
{
    const char *name = delivery->status == DELIVERY_DEAD ? dead_name : delivery->target;
    struct target_counts *counts = strmap_get(&comparing->targets, name);

    if (!counts) {
        counts = xcalloc(1, sizeof *counts);
        counts->name = xstrdup(name);
        strmap_put(&comparing->targets, name, counts);
    }
    return counts;
}

/* What rules may set of a job. */
struct settable {
    enum priority priority;
    char *retry_policy;
    json_t *metadata;
    int64_t expires_at_us, timeout_ms;
};

static struct settable keep(const struct job *job)
{
    return (struct settable){job->priority, xstrdup_null(job->retry_policy), json_incref(job->metadata),
                             job->expires_at_us, job->timeout_ms};
}

static void put_back(struct job *job, struct settable *kept)
{
    free(job->retry_policy);
    json_decref(job->metadata);
    job->priority = kept->priority;
    job->retry_policy = kept->retry_policy;
    job->metadata = kept->metadata;
    job->expires_at_us = kept->expires_at_us;
    job->timeout_ms = kept->timeout_ms;
    job->ruled = false;
}

/* Of what is dead a distribution may have several: each is counted. */
static void compare_lists(struct comparing *comparing, const struct delivery_list *before,
                          const struct delivery_list *after)
{
    int64_t dead = 0;
    size_t same = 0;

    comparing->distributions++;
    for (size_t i = 0; i < before->count; i++) {
        struct target_counts *counts = counts_of(comparing, before->items[i]);
        counts->before++;
        counts->lost++; /* until it is found again */
        counts->seen = comparing->distributions;
        dead += before->items[i]->status == DELIVERY_DEAD;
    }
    for (size_t i = 0; i < after->count; i++) {
        struct target_counts *counts = counts_of(comparing, after->items[i]);
        bool is_dead = after->items[i]->status == DELIVERY_DEAD;
        bool found = is_dead ? dead-- > 0 : counts->seen == comparing->distributions;
        counts->after++;
        counts->lost -= found;
        counts->gained += !found;
        same += found;
    }
    comparing->changed += same != before->count || same != after->count;
}

static int compare(void *arg, struct job *job, struct fault *fault)
{
    struct comparing *comparing = arg;
    struct delivery_list before = {0}, after = {0};
    struct settable kept = keep(job);
    int64_t now_us = clock_wall_us();
    int result = rulebook_route(comparing->old, job, now_us, NULL, &before, NULL, fault);

    put_back(job, &kept);
    if (result == 0)
        result = rulebook_route(comparing->new, job, now_us, NULL, &after, NULL, fault);
    if (result == 0)
        compare_lists(comparing, &before, &after);
    delivery_list_release(&before);
    delivery_list_release(&after);
    return result;
}

/* --- the result --- */

struct rows {
    struct target_counts **items;
    size_t count;
};

static void add_row(const char *name, void *value, void *arg)
{
    struct rows *rows = arg;

    (void)name;
    rows->items[rows->count++] = value;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct target_counts *const *)a)->name, (*(struct target_counts *const *)b)->name);
}

static int print_row(const struct target_counts *counts, bool json, struct table *table, struct fault *fault)
{
    char texts[4][24];
    const int64_t numbers[4] = {counts->gained, counts->lost, counts->before, counts->after};
    const char *target = strcmp(counts->name, dead_name) ? counts->name : NULL;

    if (json)
        return print_json(json_pack("{s:s?, s:b, s:I, s:I, s:I, s:I}", "target", target, "dead", (int)!target,
                                    "gained", (json_int_t)counts->gained, "lost", (json_int_t)counts->lost,
                                    "before", (json_int_t)counts->before, "after", (json_int_t)counts->after),
                          fault);
    for (size_t i = 0; i < 4; i++)
        snprintf(texts[i], sizeof texts[i], "%lld", (long long)numbers[i]);
    table_row(table, (const char *[]){counts->name, texts[0], texts[1], texts[2], texts[3]});
    return 0;
}

static int print_sums(const struct comparing *comparing, struct fault *fault)
{
    if (comparing->diff->json)
        return print_json(json_pack("{s:I, s:I}", "distributions", (json_int_t)comparing->distributions,
                                    "changed", (json_int_t)comparing->changed),
                          fault);
    return print_text(fault, "%llu of %llu distributions would go elsewhere\n",
                      (unsigned long long)comparing->changed, (unsigned long long)comparing->distributions);
}

/* The targets that gain or lose something. */
static int print(struct comparing *comparing, struct fault *fault)
{
    static const char *const heading[] = {"TARGET", "GAINED", "LOST", "BEFORE", "AFTER"};
    struct rows rows = {.items = xcalloc(comparing->targets.count, sizeof *rows.items)};
    struct table table;
    int result = 0;

    strmap_each(&comparing->targets, add_row, &rows);
    if (rows.count)
        qsort(rows.items, rows.count, sizeof *rows.items, by_name);
    table_init(&table, heading, 5);
    for (size_t i = 0; i < rows.count && result == 0; i++)
        if (rows.items[i]->gained || rows.items[i]->lost)
            result = print_row(rows.items[i], comparing->diff->json, &table, fault);
    if (result == 0)
        result = table_print(&table, fault);
    if (result == 0)
        result = print_sums(comparing, fault);
    table_release(&table);
    free(rows.items);
    return result;
}

static void free_counts(void *value)
{
    struct target_counts *counts = value;

    free(counts->name);
    free(counts);
}

int rules_diff_run(const struct rules_diff *diff, char **paths, int count, struct fault *fault)
{
    struct store *store = tool_store(diff->tool);
    struct comparing comparing = {.diff = diff};
    int result = -1;

    strmap_init(&comparing.targets);
    comparing.catalog = tool_catalog(diff->tool, tool_mistake, NULL, fault);
    if (comparing.catalog)
        result = read_both(&comparing, store, paths, count, fault);
    if (result == 0)
        result = store_past_walk(store, diff->days, diff->limit,
                                 comparing.old->ask_payload || comparing.new->ask_payload, compare,
                                 &comparing, fault);
    if (result == 0)
        result = print(&comparing, fault);
    if (result == 0 && comparing.changed)
        result = EXIT_REJECTED;
    strmap_release(&comparing.targets, free_counts);
    rulebook_free(comparing.old);
    rulebook_free(comparing.new);
    catalog_free(comparing.catalog);
    store_free(store);
    return result;
}
