/*
 * rules: rules of all tenants, rules of one tenant, an event. The index, the explanation, and asking rule by
 * rule say the same; every mistake has a place and a text; a set that is made again from its forms decides
 * the same.
 */
#include <string.h>
#include "parts.h"
#include "rules.h"
#include "text.h"

#define TENANT "acme"
#define NOW_US INT64_C(1700000000000000)

static void count(void *arg, const struct rules_mistake *mistake)
{
    size_t *mistakes = arg;

    (*mistakes)++;
    HOLDS(mistake->origin && mistake->path && mistake->text && *mistake->text && mistake->line >= 1);
    HOLDS(text_is_utf8(mistake->text, strlen(mistake->text), NULL));
}

/* Programs do not run here: what they say follows from their length. */
static int when(void *arg, const char *program, const json_t *event, bool *holds, struct fault *fault)
{
    (void)arg;
    (void)event;
    *holds = strlen(program) % 3 != 0;
    return strlen(program) % 5 == 4 ? fault_set(fault, FAULT_INPUT, "failed") : 0;
}

static struct rules *make(const struct rules_source *sources, size_t source_count)
{
    size_t mistakes = 0;
    struct rules *rules = rules_new(sources, source_count, NULL, count, &mistakes);

    HOLDS((rules == NULL) == (mistakes > 0));
    return rules;
}

/* By the words of rules.h, without an index. `names` has the targets, each once. */
static size_t ask_each(const struct rules *rules, const json_t *event, json_t *names)
{
    size_t matched = 0;

    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = rules->items[i];
        bool holds = true;
        if (!rule->enabled || (rule->tenant && strcmp(rule->tenant, TENANT) != 0) ||
            rule->valid_from_us > NOW_US || (rule->valid_until_us && rule->valid_until_us <= NOW_US) ||
            !pattern_match(rule->match, event, NULL))
            continue;
        if (rule->when && (when(NULL, rule->when, event, &holds, NULL) || !holds))
            continue;
        matched++;
        for (size_t to = 0; to < rule->to_count; to++)
            if (!json_object_get(names, rule->to[to]))
                json_object_set_new(names, rule->to[to], json_null());
        if (rule->stop)
            break;
    }
    return matched;
}

static bool same(const struct decision *one, const struct decision *two)
{
    if (one->matched != two->matched || one->target_count != two->target_count)
        return false;
    for (size_t i = 0; i < one->target_count; i++)
        if (strcmp(one->targets[i].name, two->targets[i].name) != 0)
            return false;
    return one->priority == two->priority && (!one->options || json_equal(one->options, two->options)) &&
           (!one->metadata || json_equal(one->metadata, two->metadata)) && one->stopped_by == two->stopped_by;
}

static void check_decision(const struct rules *rules, const json_t *event)
{
    struct rules_question question = {.event = event, .tenant = TENANT, .now_us = NOW_US, .when = when};
    struct decision quick, full;
    struct fault fault = {0};
    const char *name;
    json_t *ignored, *names = json_object();
    const size_t matched = ask_each(rules, event, names);
    const int result = rules_apply(rules, &question, &quick, &fault);

    question.explain = true;
    HOLDS(rules_apply(rules, &question, &full, &fault) == result);
    HOLDS(same(&quick, &full));
    if (result == 0) {
        size_t i = 0;
        HOLDS(matched == quick.matched && json_object_size(names) == quick.target_count);
        HOLDS(full.step_count == rules->count);
        json_object_foreach (names, name, ignored)
            HOLDS(strcmp(name, quick.targets[i++].name) == 0);
    }
    json_decref(names);
    decision_release(&quick);
    decision_release(&full);
}

/* All rules anew, from what they kept of their forms. Those of the second source are of one tenant. */
static void check_again(const struct rules *rules, const json_t *event)
{
    json_t *all = json_array(), *own = json_array();

    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = rules->items[i];
        json_t *form = json_copy(rule->form);
        json_object_set_new(form, "name", json_string(rule->name));
        json_array_append_new(strcmp(rule->origin, "own") == 0 ? own : all, form);
    }
    char *all_text = json_dumps(all, 0), *own_text = json_dumps(own, 0);
    const struct rules_source sources[] = {
        {.origin = "all", .text = all_text, .size = strlen(all_text)},
        {.origin = "own", .text = own_text, .size = strlen(own_text), .tenant = TENANT},
    };
    struct rules *again = make(sources, 2);
    HOLDS(again && again->count == rules->count && again->ask_payload == rules->ask_payload);
    for (size_t i = 0; i < rules->count; i++)
        HOLDS(strcmp(rules->items[i]->name, again->items[i]->name) == 0);
    if (event)
        check_decision(again, event);
    rules_free(again);
    free(all_text);
    free(own_text);
    json_decref(all);
    json_decref(own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parts parts;

    parts_split(&parts, 3, data, size);
    const struct rules_source sources[] = {
        {.origin = "all", .text = parts.items[0].text, .size = parts.items[0].size, .stem = "stem"},
        {.origin = "own", .text = parts.items[1].text, .size = parts.items[1].size, .tenant = TENANT},
    };
    struct rules *rules = make(sources, parts.items[1].size ? 2 : 1);
    json_t *event = parts_json(&parts, 2);
    if (rules && event)
        check_decision(rules, event);
    if (rules)
        check_again(rules, event);
    json_decref(event);
    rules_free(rules);
    parts_release(&parts);
    return 0;
}
