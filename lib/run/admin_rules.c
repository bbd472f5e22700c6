/*
 * admin_rules - see admin_rules.h: what changes them
 */
#include "admin_rules.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "msg.h"
#include "rules_plan.h"
#include "table.h"
#include "text.h"
#include "who.h"
#include "xalloc.h"

/* Administrators at once, so many that each of the others is faster, are none. */
enum { TRIES = 5 };

/* --- what changes, for people and for programs --- */

static int print_member(const json_t *form, const char *sign, const char *name, struct fault *fault)
{
    const json_t *value = json_object_get(form, name);

    if (!value)
        return 0;
    char *text = json_text(value), *shown = text_printable(xstrdup(name));
    int result = print_text(fault, "    %s \"%s\": %s\n", sign, shown, text_printable(text));
    free(shown);
    free(text);
    return result;
}

/* The members that differ, as they were and as they are. */
static int print_members(const json_t *before, const json_t *after, struct fault *fault)
{
    const char *name;
    json_t *value;
    int result = 0;

    json_object_foreach ((json_t *)after, name, value) {
        const json_t *old = json_object_get(before, name);
        if (old && json_equal(old, value))
            continue;
        if (result == 0)
            result = print_member(before, "-", name, fault);
        if (result == 0)
            result = print_member(after, "+", name, fault);
    }
    json_object_foreach ((json_t *)before, name, value)
        if (result == 0 && !json_object_get(after, name))
            result = print_member(before, "-", name, fault);
    return result;
}

static int print_step(const struct rules_step *step, bool json, struct fault *fault)
{
    static const char *const words[] = {"added", "changed", "removed"};
    int word = step->kind == RULE_CHANGE_REMOVED ? 2 : step->stored ? 1 : 0;

    if (json)
        return print_json(json_pack("{s:s, s:s?, s:s, s:O?, s:O?}", "change", words[word], "tenant_id",
                                    step->tenant_id, "name", step->name, "before", step->before, "after",
                                    step->after),
                          fault);
    int result =
        print_text(fault, "%c %s of %s%s%s%s\n", "+~-"[word], step -> name,
                   step -> tenant_id ? "tenant " : "all tenants", step->tenant_id ? step->tenant_id : "",
                   step->switched_off ? ", which is disabled and stays so" : "",
                   step->stored && !step->before ? ", whose form is no JSON" : "");
    return result == 0 && word == 1 ? print_members(step->before, step->after, fault) : result;
}

static int print_plan(const struct rules_plan *plan, bool json, struct fault *fault)
{
    int result = 0;

    for (size_t i = 0; i < plan->step_count && result == 0; i++)
        result = print_step(&plan->steps[i], json, fault);
    return result;
}

/* --- load and diff --- */

static int make_plan(struct rules_plan *plan, const struct tool *tool, struct store *store,
                     const struct admin_rules *rules, char **files, int count, struct fault *fault)
{
    if (rules_plan_begin(plan, store, fault) < 0)
        return -1;
    return rules_plan_files(plan, tool, store, files, count, rules->tenant, rules->replace, fault);
}

static int carry_out(const struct rules_plan *plan, struct store *store, struct fault *fault)
{
    struct rule_change *changes = xcalloc(plan->step_count, sizeof *changes);
    char who[WHO_SIZE];
    struct buf *forms = xcalloc(plan->step_count, sizeof *forms);

    who_find(who, sizeof who);
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct rules_step *step = &plan->steps[i];
        changes[i] =
            (struct rule_change){.kind = step->kind, .tenant_id = step->tenant_id, .name = step->name};
        if (!step->after)
            continue;
        buf_init(&forms[i], RULE_FILES_SIZE);
        json_write(step->after, &forms[i]);
        changes[i].form = forms[i].data;
    }
    int result = store_rules_change(store, plan->stored.version, changes, plan->step_count, who, fault);
    for (size_t i = 0; i < plan->step_count; i++)
        buf_release(&forms[i]);
    free(forms);
    free(changes);
    return result;
}

static void tell_sums(const struct rules_plan *plan)
{
    size_t sums[3] = {0};

    for (size_t i = 0; i < plan->step_count; i++)
        sums[plan->steps[i].kind == RULE_CHANGE_REMOVED ? 2 : plan->steps[i].stored ? 1 : 0]++;
    msg(MSG_INFO, "rules: %zu added, %zu changed, %zu removed, %zu as they were", sums[0], sums[1], sums[2],
        plan->unchanged);
}

int admin_rules_load(const struct tool *tool, const struct admin_rules *rules, char **files, int count,
                     struct fault *fault)
{
    struct store *store = tool_store(tool);
    int result = -1;

    for (int tries = 0; tries < TRIES && result < 0; tries++) {
        struct rules_plan plan;
        fault_clear(fault);
        result = make_plan(&plan, tool, store, rules, files, count, fault);
        if (result < 0)
            tries = TRIES; /* only losing a race is tried again */
        else if (plan.step_count && !rules->dry_run)
            result = carry_out(&plan, store, fault);
        if (result == 0)
            result = print_plan(&plan, rules->json, fault);
        if (result == 0 && !rules->dry_run)
            tell_sums(&plan);
        rules_plan_release(&plan);
        if (fault->class != FAULT_TEMP || !strcmp(*files, "-")) /* standard input is read once */
            break;
    }
    store_free(store);
    return result;
}

int admin_rules_diff(const struct tool *tool, const struct admin_rules *rules, char **files, int count,
                     struct fault *fault)
{
    struct store *store = tool_store(tool);
    struct rules_plan plan;
    int result = make_plan(&plan, tool, store, rules, files, count, fault);

    if (result == 0)
        result = print_plan(&plan, rules->json, fault);
    if (result == 0 && plan.step_count)
        result = EXIT_REJECTED;
    rules_plan_release(&plan);
    store_free(store);
    return result;
}

/* --- switches and removal --- */

static bool says_disabled(const struct rules_plan *plan, const struct stored_rule *rule)
{
    return json_is_false(json_object_get(plan->forms[rule - plan->stored.items], "enabled"));
}

/* The change of one name; *count stays where it is so already. */
static int plan_name(struct rules_plan *plan, const struct admin_rules *rules, enum rule_change_kind kind,
                     const char *name, struct rule_change *changes, size_t *count, struct fault *fault)
{
    struct stored_rule *rule = rules_plan_need(plan, rules->tenant, name, fault);

    if (!rule)
        return -1;
    if (kind == RULE_CHANGE_ENABLED && says_disabled(plan, rule))
        return fault_set(fault, FAULT_INPUT,
                         "rule '%s' says \"enabled\": false itself: load it again without that", name);
    for (size_t i = 0; i < *count; i++)
        if (changes[i].name == rule->name)
            return 0; /* named twice */
    if (kind != RULE_CHANGE_REMOVED && rule->enabled == (kind == RULE_CHANGE_ENABLED))
        return 0;
    rule->enabled = kind == RULE_CHANGE_ENABLED;
    changes[(*count)++] =
        (struct rule_change){.kind = kind, .tenant_id = rule->tenant_id, .name = rule->name};
    return 0;
}

/* What is taken away makes no rule worse; what is switched on may hide another one. */
static int set_once(const struct tool *tool, struct store *store, const struct admin_rules *rules,
                    enum rule_change_kind kind, char **names, int count, struct fault *fault)
{
    struct rules_plan plan;
    struct rule_change *changes = xcalloc((size_t)count, sizeof *changes);
    size_t changed = 0;
    char who[WHO_SIZE];
    int result = rules_plan_begin(&plan, store, fault);

    for (int i = 0; i < count && result == 0; i++)
        result = plan_name(&plan, rules, kind, names[i], changes, &changed, fault);
    if (result == 0 && changed && kind == RULE_CHANGE_ENABLED)
        result = rules_plan_check(&plan, tool, fault);
    who_find(who, sizeof who);
    if (result == 0 && changed)
        result = store_rules_change(store, plan.stored.version, changes, changed, who, fault);
    free(changes);
    rules_plan_release(&plan);
    return result;
}

int admin_rules_set(const struct tool *tool, const struct admin_rules *rules, enum rule_change_kind kind,
                    char **names, int count, struct fault *fault)
{
    struct store *store = tool_store(tool);
    int result = -1;

    for (int tries = 0; tries < TRIES && result < 0; tries++) {
        fault_clear(fault);
        result = set_once(tool, store, rules, kind, names, count, fault);
        if (fault->class != FAULT_TEMP)
            break;
    }
    store_free(store);
    return result;
}
