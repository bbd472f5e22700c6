/*
 * rules - from sources to a set
 *
 * All sources are read before anything is judged, so one run tells all mistakes. What needs the whole set
 * (names, rules that are never reached) is judged among the rules that are right by themselves.
 */
#include <string.h>
#include "json.h"
#include "json_where.h"
#include "pattern_index.h"
#include "rules.h"
#include "rules_parts.h"
#include "text.h"
#include "xalloc.h"

/* A rule and where it stands. */
struct placed {
    struct rule *rule;
    const struct rules_source *source;
    char *path;
    size_t number;                /* in the order of the sources */
    const struct rule *hidden_by; /* the rule that leaves nothing for it, or NULL */
};

struct building {
    const struct rule_checks *checks;
    rules_report *report;
    void *arg;
    size_t mistakes;
    const struct rules_source *source; /* that is being read */
    struct placed *items;
    size_t count, cap, seen; /* seen: with those that were not right */
};

/* The mistake that is one too many is not told, but that there are more. */
static void report_one(struct building *building, struct rules_mistake mistake)
{
    if (++building->mistakes > RULES_MISTAKES_MAX)
        return;
    if (building->mistakes == RULES_MISTAKES_MAX)
        mistake.text = "there are more mistakes, from here on";
    building->report(building->arg, &mistake);
}

static void tell(struct building *building, const struct rules_source *source, const char *path,
                 const char *text)
{
    const bool is_told = building->mistakes < RULES_MISTAKES_MAX;

    report_one(building,
               (struct rules_mistake){.origin = source->origin,
                                      .line = is_told ? json_where(source->text, source->size, path) : 0,
                                      .path = path,
                                      .text = text});
}

static void report_rule(void *arg, const char *path, const char *text)
{
    struct building *building = arg;

    tell(building, building->source, path, text);
}

/* "line 3, column 14: ..." has the line in it. */
static void tell_syntax(struct building *building, const struct fault *fault)
{
    struct rules_mistake mistake = {
        .origin = building->source->origin, .line = 1, .path = "", .text = fault->text};
    static const char word[] = "line ";
    char *end;

    if (text_starts_with(fault->text, word)) {
        mistake.line = strtoul(fault->text + sizeof word - 1, &end, 10);
        mistake.text = text_starts_with(end, ", ") ? end + 2 : fault->text;
    }
    report_one(building, mistake);
}

static void add_rule(struct building *building, const json_t *form, const char *path, const char *stem)
{
    const struct rules_source *source = building->source;
    struct rule *rule;

    if (building->seen++ >= RULES_MAX) {
        char text[80];
        snprintf(text, sizeof text, "there are more than %d rules", RULES_MAX);
        if (building->seen == RULES_MAX + 1)
            tell(building, source, path, text);
        return;
    }
    rule =
        rule_new(form, path, stem, source->tenant, source->origin, building->checks, report_rule, building);
    if (!rule)
        return;
    if (building->count == building->cap) {
        building->cap = building->cap ? building->cap * 2 : 64;
        building->items = xreallocarray(building->items, building->cap, sizeof *building->items);
    }
    building->items[building->count] =
        (struct placed){.rule = rule, .source = source, .path = xstrdup(path), .number = building->count};
    building->count++;
}

static void read_source(struct building *building, const struct rules_source *source)
{
    struct fault fault = {0};
    json_t *content = json_read(source->text, source->size, &fault);
    char path[32];

    building->source = source;
    if (!content) {
        tell_syntax(building, &fault);
        return;
    }
    if (!json_is_array(content))
        add_rule(building, content, "", source->stem);
    for (size_t i = 0; i < json_array_size(content); i++) {
        snprintf(path, sizeof path, "/%zu", i);
        add_rule(building, json_array_get(content, i), path, NULL);
    }
    json_decref(content);
}

/* Names are by tenant; a tenant's name has no '*'. */
static void check_names(struct building *building)
{
    struct strmap names;

    strmap_init(&names);
    for (size_t i = 0; i < building->count; i++) {
        const struct placed *item = &building->items[i], *first;
        char *key = xasprintf("%s:%s", item->rule->tenant ? item->rule->tenant : "*", item->rule->name);

        first = strmap_get(&names, key);
        if (first) {
            char *text = xasprintf("the name '%s' is defined in %s already, in line %zu", item->rule->name,
                                   first->rule->origin,
                                   json_where(first->source->text, first->source->size, first->path));
            tell(building, item->source, item->path, text);
            free(text);
        } else {
            strmap_put(&names, key, (void *)item);
        }
        free(key);
    }
    strmap_release(&names, NULL);
}

/* The order in which rules are asked. */
static int compare_rules(const struct rule *a, const struct rule *b)
{
    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    int order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->tenant ? a->tenant : "", b->tenant ? b->tenant : "");
}

static int compare_placed(const void *a, const void *b)
{
    return compare_rules(((const struct placed *)a)->rule, ((const struct placed *)b)->rule);
}

/* True where `first`, which is asked before it, leaves nothing for `later`. */
static bool hides(const struct rule *first, const struct rule *later)
{
    if (first->tenant && (!later->tenant || strcmp(first->tenant, later->tenant) != 0))
        return false;
    if (first->valid_from_us > later->valid_from_us) /* none is 0 */
        return false;
    if (first->valid_until_us && (!later->valid_until_us || first->valid_until_us < later->valid_until_us))
        return false;
    return pattern_covers(first->match, later->match);
}

static int compare_places(const void *a, const void *b)
{
    size_t left = ((const struct placed *)a)->number, right = ((const struct placed *)b)->number;

    return left < right ? -1 : left > right;
}

/* Sets hidden_by of the items, which are in the order of asking. */
static void find_hidden(struct building *building)
{
    const struct rule **stops = xcalloc(building->count + 1, sizeof *stops);
    size_t stop_count = 0;

    for (size_t i = 0; i < building->count; i++) {
        struct placed *item = &building->items[i];

        if (!item->rule->enabled)
            continue;
        for (size_t k = 0; k < stop_count && !item->hidden_by; k++)
            item->hidden_by = hides(stops[k], item->rule) ? stops[k] : NULL;
        if (item->rule->stop && !item->rule->when)
            stops[stop_count++] = item->rule;
    }
    free(stops);
}

/* The items come in the order of the sources and leave in that of asking. */
static void check_reach(struct building *building)
{
    if (!building->count)
        return;
    qsort(building->items, building->count, sizeof *building->items, compare_placed);
    find_hidden(building);
    qsort(building->items, building->count, sizeof *building->items, compare_places);
    for (size_t i = 0; i < building->count; i++) {
        const struct placed *item = &building->items[i];
        char *text;

        if (!item->hidden_by)
            continue;
        text = xasprintf(
            "rule '%s' is never reached: '%s' in %s is asked before it, matches all that it matches, "
            "and stops",
            item->rule->name, item->hidden_by->name, item->hidden_by->origin);
        tell(building, item->source, item->path, text);
        free(text);
    }
    qsort(building->items, building->count, sizeof *building->items, compare_placed);
}

static void scope_free(void *pointer)
{
    struct rules_scope *scope = pointer;

    if (!scope)
        return;
    pattern_index_free(scope->index);
    free(scope->numbers);
    free(scope);
}

static bool looks_at_payload(const struct rule *rule)
{
    return rule->when || pattern_asks(rule->match, "payload");
}

static void scope_add(struct rules_scope *scope, size_t number)
{
    /* As much room as there are rules would be much for many tenants: it doubles at each power of two. */
    if ((scope->count & (scope->count - 1)) == 0)
        scope->numbers =
            xreallocarray(scope->numbers, scope->count ? scope->count * 2 : 1, sizeof *scope->numbers);
    scope->numbers[scope->count++] = number;
}

struct indexing {
    const struct rules *rules;
    const struct pattern **patterns;
};

static void index_scope(const char *tenant, void *value, void *arg)
{
    struct rules_scope *scope = value;
    struct indexing *indexing = arg;

    (void)tenant;
    for (size_t i = 0; i < scope->count; i++)
        indexing->patterns[i] = indexing->rules->items[scope->numbers[i]]->match;
    scope->index = pattern_index_new(indexing->patterns, scope->count);
}

static void make_scopes(struct rules *rules)
{
    struct indexing indexing = {.rules = rules,
                                .patterns = xcalloc(rules->count + 1, sizeof *indexing.patterns)};

    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = rules->items[i];
        struct rules_scope *scope = rule->tenant ? strmap_get(&rules->scopes, rule->tenant) : rules->all;

        if (!rule->enabled)
            continue;
        if (!scope) {
            scope = xcalloc(1, sizeof *scope);
            strmap_put(&rules->scopes, rule->tenant, scope);
        }
        scope_add(scope, i);
        rules->ask_payload = rules->ask_payload || looks_at_payload(rule);
    }
    index_scope(NULL, rules->all, &indexing);
    strmap_each(&rules->scopes, index_scope, &indexing);
    free(indexing.patterns);
}

/* Takes the rules of the items. */
static struct rules *make_rules(const struct building *building)
{
    struct rules *rules = xcalloc(1, sizeof *rules);

    strmap_init(&rules->scopes);
    rules->all = xcalloc(1, sizeof *rules->all);
    rules->items = xcalloc(building->count + 1, sizeof *rules->items);
    rules->count = building->count;
    for (size_t i = 0; i < building->count; i++)
        rules->items[i] = building->items[i].rule;
    return rules;
}

struct rules *rules_new(const struct rules_source *sources, size_t count, const struct rule_checks *checks,
                        rules_report *report, void *arg)
{
    struct building building = {.checks = checks, .report = report, .arg = arg};
    struct rules *rules;

    for (size_t i = 0; i < count; i++)
        read_source(&building, &sources[i]);
    check_names(&building);
    check_reach(&building);
    rules = make_rules(&building);
    if (building.mistakes) {
        rules_free(rules);
        rules = NULL;
    } else {
        make_scopes(rules);
    }
    for (size_t i = 0; i < building.count; i++)
        free(building.items[i].path);
    free(building.items);
    return rules;
}

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; i < rules->count; i++)
        rule_free(rules->items[i]);
    free(rules->items);
    scope_free(rules->all);
    strmap_release(&rules->scopes, scope_free);
    free(rules);
}
