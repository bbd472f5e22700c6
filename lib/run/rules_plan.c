/*
 * rules_plan - see rules_plan.h
 *
 * Rules are found by a key, "tenant/name", or a star for the rules of all tenants: no name has either sign.
 */
#include "rules_plan.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "program.h"
#include "rulebook.h"
#include "strmap.h"
#include "text.h"
#include "xalloc.h"

static char *key_of(const char *tenant, const char *name)
{
    return xasprintf("%s/%s", tenant ? tenant : "*", name);
}

int rules_plan_begin(struct rules_plan *plan, struct store *store, struct fault *fault)
{
    *plan = (struct rules_plan){0};
    if (store_rules_read(store, &plan->stored, fault) < 0)
        return -1;
    plan->forms = xcalloc(plan->stored.count, sizeof *plan->forms);
    plan->overridden = xcalloc(plan->stored.count, sizeof *plan->overridden);
    for (size_t i = 0; i < plan->stored.count; i++)
        plan->forms[i] = json_read(plan->stored.items[i].form, strlen(plan->stored.items[i].form), NULL);
    return 0;
}

void rules_plan_release(struct rules_plan *plan)
{
    for (size_t i = 0; i < plan->step_count; i++)
        json_decref(plan->steps[i].after);
    free(plan->steps);
    for (size_t i = 0; plan->forms && i < plan->stored.count; i++)
        json_decref(plan->forms[i]);
    free(plan->forms);
    free(plan->overridden);
    stored_rules_release(&plan->stored);
    rule_files_release(&plan->files);
    rules_free(plan->wanted);
    *plan = (struct rules_plan){0};
}

static bool same_tenant(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

struct stored_rule *rules_plan_find(const struct rules_plan *plan, const char *tenant, const char *name)
{
    for (size_t i = 0; i < plan->stored.count; i++) {
        struct stored_rule *rule = &plan->stored.items[i];
        if (same_tenant(rule->tenant_id, tenant) && !strcmp(rule->name, name))
            return rule;
    }
    return NULL;
}

struct stored_rule *rules_plan_need(const struct rules_plan *plan, const char *tenant, const char *name,
                                    struct fault *fault)
{
    struct stored_rule *rule = rules_plan_find(plan, tenant, name);
    char whose[80] = "that is of all tenants";
    const char **names;
    size_t count = 0;

    if (rule)
        return rule;
    if (tenant)
        snprintf(whose, sizeof whose, "of tenant '%.50s'", tenant);
    for (size_t i = 0; i < plan->stored.count; i++) {
        const struct stored_rule *other = &plan->stored.items[i];
        if (strcmp(other->name, name))
            continue;
        fault_set(fault, FAULT_INPUT, "the database has no rule '%s' %s, but one %s%s%s", name, whose,
                  other->tenant_id ? "of tenant '" : "of all tenants",
                  other->tenant_id ? other->tenant_id : "", other->tenant_id ? "'" : "");
        return NULL;
    }
    names = xcalloc(plan->stored.count, sizeof *names);
    for (size_t i = 0; i < plan->stored.count; i++)
        if (same_tenant(plan->stored.items[i].tenant_id, tenant))
            names[count++] = plan->stored.items[i].name;
    const char *nearest = text_nearest(name, names, count);
    char *shown = text_printable(xstrdup(name));
    fault_set(fault, FAULT_INPUT, "the database has no rule '%s' %s%s%s%s", shown, whose,
              nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    free(shown);
    free(names);
    return NULL;
}

/* --- checking --- */

struct checking {
    struct programs *programs;
    struct strmap known; /* programs that need no look: they are in the database already */
    struct strmap seen;  /* programs of these texts */
    size_t mistakes;
};

/* Compiling takes 25 ms for each, and a thousand may be there. */
static int check_when(void *arg, const char *text, struct fault *fault)
{
    struct checking *checking = arg;
    struct program *program = NULL;

    if (!strmap_get(&checking->seen, text)) {
        if (checking->seen.count == RULEBOOK_PROGRAMS_MAX)
            return fault_set(fault, FAULT_INPUT, "there are more than %d different programs",
                             RULEBOOK_PROGRAMS_MAX);
        strmap_put(&checking->seen, text, checking);
    }
    if (strmap_get(&checking->known, text))
        return 0;
    for (int tries = 0; !program && tries < 2; tries++) {
        fault_clear(fault);
        program = program_compile(checking->programs, text, strlen(text), PROGRAM_ARRAY, fault);
        if (!program && fault->class != FAULT_TEMP)
            return -1;
    }
    if (!program)
        return -1;
    program_free(program);
    strmap_put(&checking->known, text, checking);
    return 0;
}

static void count_mistake(void *arg, const struct rules_mistake *mistake)
{
    struct checking *checking = arg;
    char *text = rule_files_mistake(mistake);

    checking->mistakes++;
    tool_mistake(NULL, text);
    free(text);
}

/* Every mistake of these texts is a line. */
static int check_texts(const struct rules_plan *plan, const struct tool *tool, const struct rule_files *files,
                       struct fault *fault)
{
    struct catalog *catalog = tool_catalog(tool, tool_mistake, NULL, fault);
    struct checking checking = {.programs = programs_new(&program_limits_default)};
    const struct rule_checks checks = {.catalog = catalog, .when = check_when, .when_arg = &checking};
    int result = -1;

    strmap_init(&checking.known);
    strmap_init(&checking.seen);
    for (size_t i = 0; i < plan->stored.count; i++) {
        const char *when = json_string_value(json_object_get(plan->forms[i], "when"));
        if (when)
            strmap_put(&checking.known, when, &checking);
    }
    if (catalog) {
        rules_free(rules_new(files->items, files->count, &checks, count_mistake, &checking));
        result = checking.mistakes
                     ? fault_set(fault, FAULT_INPUT, "the rules have %zu mistake%s: nothing was changed",
                                 checking.mistakes, checking.mistakes == 1 ? "" : "s")
                     : 0;
    }
    strmap_release(&checking.known, NULL);
    strmap_release(&checking.seen, NULL);
    programs_free(checking.programs);
    catalog_free(catalog);
    return result;
}

/* What is asked together: the files of this host, what stays in the database, and what is wanted. */
static int add_all(struct rules_plan *plan, const struct tool *tool, struct rule_files *all,
                   struct fault *fault)
{
    char *folder = xasprintf("%s/rules.d", conf_dir(tool->conf));
    size_t mistakes = rule_files_add_folder(all, folder, tool_mistake, NULL);

    free(folder);
    if (mistakes)
        return fault_set(fault, FAULT_CONFIG, "rules.d cannot be read: nothing was changed");
    for (size_t i = 0; i < plan->stored.count; i++)
        if (!plan->overridden[i] && rule_files_add_stored(all, &plan->stored.items[i], fault) < 0)
            return -1;
    rule_files_move(all, &plan->files);
    return 0;
}

int rules_plan_check(struct rules_plan *plan, const struct tool *tool, struct fault *fault)
{
    struct rule_files all = {0};
    int result = add_all(plan, tool, &all, fault);

    if (result == 0)
        result = check_texts(plan, tool, &all, fault);
    rule_files_release(&all);
    return result;
}

/* --- files --- */

static void ignore_mistake(void *arg, const struct rules_mistake *mistake)
{
    (void)arg;
    (void)mistake;
}

/* The form as it is stored: whoever prints it and loads it again gets the same rule. */
static json_t *whole_form(const struct rule *rule)
{
    json_t *form = json_copy(rule->form);

    if (!json_is_string(json_object_get(form, "name")))
        json_object_set_new(form, "name", json_string(rule->name));
    if (rule->tenant)
        json_object_set_new(form, "tenant", json_string(rule->tenant));
    return form;
}

static void plan_rule(struct rules_plan *plan, struct strmap *stored, struct strmap *seen, struct rule *rule)
{
    char *key = key_of(rule->tenant, rule->name);
    const struct stored_rule *there = strmap_get(stored, key);
    const json_t *before = there ? plan->forms[there - plan->stored.items] : NULL;
    json_t *after = whole_form(rule);

    strmap_put(seen, key, rule);
    free(key);
    if (there) /* the file's text is judged in its place */
        plan->overridden[there - plan->stored.items] = true;
    if (before && json_equal(before, after)) {
        plan->unchanged++;
        json_decref(after);
        return;
    }
    plan->steps[plan->step_count++] = (struct rules_step){.kind = RULE_CHANGE_LOADED,
                                                          .tenant_id = rule->tenant,
                                                          .name = rule->name,
                                                          .stored = there,
                                                          .before = before,
                                                          .after = after,
                                                          .switched_off = there && !there->enabled};
}

static void plan_steps(struct rules_plan *plan, const char *tenant, bool replace)
{
    struct strmap stored, seen;

    strmap_init(&stored);
    strmap_init(&seen);
    plan->steps = xcalloc(plan->wanted->count + plan->stored.count, sizeof *plan->steps);
    for (size_t i = 0; i < plan->stored.count; i++) {
        char *key = key_of(plan->stored.items[i].tenant_id, plan->stored.items[i].name);
        strmap_put(&stored, key, &plan->stored.items[i]);
        free(key);
    }
    for (size_t i = 0; i < plan->wanted->count; i++)
        plan_rule(plan, &stored, &seen, plan->wanted->items[i]);
    for (size_t i = 0; replace && i < plan->stored.count; i++) {
        struct stored_rule *rule = &plan->stored.items[i];
        char *key = key_of(rule->tenant_id, rule->name);
        if (!strmap_get(&seen, key) && (!tenant || same_tenant(tenant, rule->tenant_id))) {
            plan->overridden[i] = true;
            plan->steps[plan->step_count++] = (struct rules_step){.kind = RULE_CHANGE_REMOVED,
                                                                  .tenant_id = rule->tenant_id,
                                                                  .name = rule->name,
                                                                  .stored = rule,
                                                                  .before = plan->forms[i]};
        }
        free(key);
    }
    strmap_release(&stored, NULL);
    strmap_release(&seen, NULL);
}

/* Every tenant that a rule names must be there; the database would say less of it. */
static int check_tenants(const struct rules_plan *plan, struct store *store, struct fault *fault)
{
    struct strmap known;
    int result = 0;

    strmap_init(&known);
    for (size_t i = 0; result == 0 && i < plan->wanted->count; i++) {
        const struct rule *rule = plan->wanted->items[i];
        if (!rule->tenant || strmap_get(&known, rule->tenant))
            continue;
        strmap_put(&known, rule->tenant, (void *)rule);
        if (store_tenant_known(store, rule->tenant, fault) < 0)
            result = fault_wrap(fault, "%s: rule '%s'", rule->origin, rule->name);
    }
    strmap_release(&known, NULL);
    return result;
}

int rules_plan_files(struct rules_plan *plan, const struct tool *tool, struct store *store, char **files,
                     int count, const char *tenant, bool replace, struct fault *fault)
{
    for (int i = 0; i < count; i++) {
        if ((strcmp(files[i], "-") ? rule_files_add(&plan->files, files[i], files[i], fault)
                                   : rule_files_add_stdin(&plan->files, fault)) < 0)
            return -1;
        rule_files_set_tenant(&plan->files, tenant);
    }
    plan->wanted = rules_new(plan->files.items, plan->files.count, NULL, ignore_mistake, NULL);
    if (!plan->wanted) /* what the files are to be held against is not known before they are good */
        return check_texts(plan, tool, &plan->files, fault) < 0
                   ? -1
                   : fault_set(fault, FAULT_BUG, "rules are good and bad at once");
    if (check_tenants(plan, store, fault) < 0)
        return -1;
    plan_steps(plan, tenant, replace);
    return rules_plan_check(plan, tool, fault);
}
