/*
 * admin_rules_show - see admin_rules.h: what is there, and what was
 */
#include "admin_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "rules_plan.h"
#include "table.h"
#include "text.h"
#include "xalloc.h"

static const char *state_of(const struct stored_rule *rule, const json_t *form)
{
    return rule->enabled && !json_is_false(json_object_get(form, "enabled")) ? "enabled" : "disabled";
}

static json_t *json_time(int64_t wall_us)
{
    char text[CLOCK_TEXT_SIZE];

    return json_string(clock_format(wall_us, text));
}

static json_t *json_rule(const struct stored_rule *rule, const json_t *form)
{
    return json_pack("{s:s, s:s?, s:s, s:b, s:I, s:o, s:s, s:o, s:s, s:O?}", "name", rule->name, "tenant_id",
                     rule->tenant_id, "state", state_of(rule, form), "switched_off", (int)!rule->enabled,
                     "version", (json_int_t)rule->version, "created_at", json_time(rule->created_at_us),
                     "created_by", rule->created_by, "updated_at", json_time(rule->updated_at_us),
                     "updated_by", rule->updated_by, "form", form);
}

/* --- all of them --- */

static void add_row(struct table *table, const struct stored_rule *rule, const json_t *form)
{
    char priority[24], version[24], updated[CLOCK_TEXT_SIZE];

    snprintf(priority, sizeof priority, "%lld",
             (long long)json_integer_value(json_object_get(form, "priority")));
    snprintf(version, sizeof version, "%lld", (long long)rule->version);
    table_row(table, (const char *[]){rule->name, rule->tenant_id ? rule->tenant_id : "-",
                                      state_of(rule, form), priority, version,
                                      clock_format(rule->updated_at_us, updated), rule->updated_by});
}

static int show_all(const struct rules_plan *plan, const struct admin_rules *rules, struct fault *fault)
{
    static const char *const heading[] = {"RULE", "TENANT", "STATE", "PRIORITY", "VERSION", "CHANGED", "BY"};
    struct table table;
    int result = 0;

    table_init(&table, heading, 7);
    for (size_t i = 0; i < plan->stored.count && result == 0; i++) {
        const struct stored_rule *rule = &plan->stored.items[i];
        if (rules->tenant && (!rule->tenant_id || strcmp(rule->tenant_id, rules->tenant)))
            continue;
        if (rules->json)
            result = print_json(json_rule(rule, plan->forms[i]), fault);
        else
            add_row(&table, rule, plan->forms[i]);
    }
    if (result == 0)
        result = table_print(&table, fault);
    table_release(&table);
    return result;
}

/* --- one, with its history --- */

/* What was done, by the tenant: "" for all of them. */
static int keep_change(void *arg, const struct rule_change_view *view)
{
    json_t *histories = arg;
    const char *tenant = view->tenant_id ? view->tenant_id : "";
    json_t *list = json_object_get(histories, tenant);
    json_t *form = view->form ? json_loads(view->form, JSON_DECODE_ANY, NULL) : NULL;

    if (!list) {
        list = json_array();
        json_object_set_new(histories, tenant, list);
    }
    json_array_append_new(list, json_pack("{s:I, s:s, s:o, s:s, s:o?}", "version", (json_int_t)view->version,
                                          "change", view->change, "at", json_time(view->at_us), "by",
                                          view->who, "form", form));
    return 0;
}

/* As short as it reads back: jansson writes 0.1 with 17 digits where it is not told. */
static char *indented(const json_t *form)
{
    char *text = json_dumps(form, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_t *again = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

    if (!again || !json_equal(again, form)) {
        free(text);
        text = json_dumps(form, JSON_INDENT(2));
    }
    json_decref(again);
    return text;
}

static int print_form(const json_t *form, struct fault *fault)
{
    char *text = form ? indented(form) : NULL;
    int result = text ? print_text(fault, "%s\n\n", text) : 0;

    free(text);
    return result;
}

static int print_history(const json_t *history, struct fault *fault)
{
    static const char *const heading[] = {"VERSION", "CHANGE", "AT", "BY"};
    struct table table;
    json_t *change;
    size_t index;

    table_init(&table, heading, 4);
    json_array_foreach (history, index, change) {
        char version[24];
        snprintf(version, sizeof version, "%lld",
                 (long long)json_integer_value(json_object_get(change, "version")));
        table_row(&table, (const char *[]){version, json_string_value(json_object_get(change, "change")),
                                           json_string_value(json_object_get(change, "at")),
                                           json_string_value(json_object_get(change, "by"))});
    }
    int result = table_print(&table, fault);
    table_release(&table);
    return result;
}

static int show_text(const char *name, const char *tenant, const struct stored_rule *rule, const json_t *form,
                     const json_t *history, struct fault *fault)
{
    struct facts facts;
    char at[CLOCK_TEXT_SIZE];

    facts_init(&facts);
    facts_add(&facts, "rule", "%s", name);
    facts_add(&facts, "tenant", "%s", *tenant ? tenant : "-");
    facts_add(&facts, "state", "%s", rule ? state_of(rule, form) : "removed");
    if (rule) {
        facts_add(&facts, "created", "%s by %s", clock_format(rule->created_at_us, at), rule->created_by);
        facts_add(&facts, "changed", "%s by %s", clock_format(rule->updated_at_us, at), rule->updated_by);
    }
    int result = facts_print(&facts, fault);
    if (result == 0)
        result = print_form(form, fault);
    if (result == 0)
        result = print_history(history, fault);
    return result;
}

/* One rule of this name, or what is left of it. */
static int show_one(const struct rules_plan *plan, const char *name, const char *tenant, json_t *history,
                    bool json, struct fault *fault)
{
    const struct stored_rule *rule = rules_plan_find(plan, *tenant ? tenant : NULL, name);
    const json_t *form = rule ? plan->forms[rule - plan->stored.items] : NULL;

    if (!json)
        return show_text(name, tenant, rule, form, history, fault);
    json_t *object = rule ? json_rule(rule, form)
                          : json_pack("{s:s, s:s?, s:s}", "name", name, "tenant_id", *tenant ? tenant : NULL,
                                      "state", "removed");
    json_object_set(object, "history", history);
    return print_json(object, fault);
}

static int show_named(const struct rules_plan *plan, struct store *store, const struct admin_rules *rules,
                      const char *name, struct fault *fault)
{
    json_t *histories = json_object(), *history;
    const char *tenant;
    bool first = true;
    int result = store_rules_history(store, rules->tenant, name, keep_change, histories, fault);

    if (result == 0 && !json_object_size(histories))
        result = rules_plan_need(plan, rules->tenant, name, fault) ? 0 : -1;
    json_object_foreach (histories, tenant, history) {
        if (result == 0 && !first && !rules->json)
            result = print_text(fault, "\n");
        if (result == 0)
            result = show_one(plan, name, tenant, history, rules->json, fault);
        first = false;
    }
    json_decref(histories);
    return result;
}

int admin_rules_show(const struct tool *tool, const struct admin_rules *rules, const char *name,
                     struct fault *fault)
{
    struct store *store = tool_store(tool);
    struct rules_plan plan = {0};
    int result = rules->tenant ? store_tenant_known(store, rules->tenant, fault) : 0;

    if (result == 0)
        result = rules_plan_begin(&plan, store, fault);
    if (result == 0)
        result = name ? show_named(&plan, store, rules, name, fault) : show_all(&plan, rules, fault);
    rules_plan_release(&plan);
    store_free(store);
    return result;
}
