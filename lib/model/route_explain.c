/*
 * route_explain - see route_explain.h
 */
#include "route_explain.h"

#include <stdarg.h>
#include <stdlib.h>
#include "text.h"
#include "xalloc.h"

/* --- for programs --- */

/* Text that may quote somebody's bytes. */
static json_t *text_value(const char *text)
{
    json_t *value = json_string(text);

    if (!value) {
        char *copy = text_printable(xstrdup(text));
        value = json_string(copy);
        free(copy);
    }
    return value;
}

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text)
        json_object_set_new(object, name, text_value(text));
}

static json_t *rules_value(const struct decision *decision)
{
    json_t *array = json_array();

    for (size_t i = 0; i < decision->step_count; i++) {
        const struct decision_step *step = &decision->steps[i];
        json_t *value = json_object();

        set_text(value, "rule", step->rule->name);
        set_text(value, "tenant", step->rule->tenant);
        set_text(value, "origin", step->rule->origin);
        set_text(value, "look", rule_look_names[step->look]);
        set_text(value, "path", step->path);
        set_text(value, "text", step->text);
        json_array_append_new(array, value);
    }
    return array;
}

/* What rules set, and which did; NULL: nothing. */
static json_t *set_value(const struct decision *decision)
{
    json_t *value;

    if (!decision->set_by)
        return NULL;
    value = json_object();
    set_text(value, "priority", decision->priority);
    if (decision->options)
        json_object_set(value, "options", decision->options);
    if (decision->metadata)
        json_object_set(value, "metadata", decision->metadata);
    json_object_set(value, "by", decision->set_by);
    return value;
}

static json_t *dropped_value(const struct route_choice *choice)
{
    json_t *array = json_array();

    for (size_t i = 0; i < choice->drop_count; i++) {
        json_t *value = json_object();

        set_text(value, "name", choice->drops[i].name);
        set_text(value, "reason", choice->drops[i].reason);
        json_object_set_new(value, "last", json_boolean(choice->drops[i].last));
        json_array_append_new(array, value);
    }
    return array;
}

static json_t *target_value(const struct delivery *delivery, const struct route_choice *choice)
{
    json_t *value = json_object(), *candidates = json_array();

    for (size_t i = 0; i < delivery->candidate_count; i++)
        json_array_append_new(candidates, json_string(delivery->candidates[i]));
    set_text(value, "target", delivery->target);
    set_text(value, "source", route_source_names[choice->source]);
    set_text(value, "rule", delivery->rule);
    set_text(value, "policy", choice->policy);
    set_text(value, "key", choice->key);
    set_text(value, "note", choice->note);
    json_object_set_new(value, "candidates", candidates);
    if (choice->drop_count)
        json_object_set_new(value, "dropped", dropped_value(choice));
    set_text(value, "status", delivery_status_names[delivery->status]);
    set_text(value, "error", delivery->last_error);
    return value;
}

json_t *route_explain_json(const struct job *job, const struct delivery_list *deliveries,
                           const struct route_explanation *explanation)
{
    const struct decision *decision = &explanation->decision;
    json_t *document = json_object(), *targets = json_array(), *set = set_value(decision);

    for (size_t i = 0; i < deliveries->count; i++)
        json_array_append_new(targets, target_value(deliveries->items[i], &explanation->choices[i]));
    set_text(document, "distribution_id", job->distribution_id);
    set_text(document, "tenant_id", job->tenant_id);
    set_text(document, "data_type", job->data_type);
    json_object_set_new(document, "rules", rules_value(decision));
    set_text(document, "stopped_by", decision->stopped_by ? decision->stopped_by->name : NULL);
    if (set)
        json_object_set_new(document, "set", set);
    json_object_set_new(document, "targets", targets);
    return document;
}

/* --- for people --- */

/* One line; what cannot be printed becomes '?'. */
static void add_line(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_line(struct buf *out, const char *format, ...)
{
    struct buf line;
    va_list arguments;

    buf_init(&line, 16 * 1024);
    va_start(arguments, format);
    buf_vaddf(&line, format, arguments);
    va_end(arguments);
    buf_adds(out, text_printable(line.data));
    buf_addc(out, '\n');
    buf_release(&line);
}

static void add_rules(const struct decision *decision, struct buf *out)
{
    for (size_t i = 0; i < decision->step_count; i++) {
        const struct decision_step *step = &decision->steps[i];

        add_line(out, "  %-12s  %-20s %s%s%s", rule_look_names[step->look], step->rule->name,
                 step->path ? step->path : "", step->path ? ": " : "", step->text ? step->text : "");
    }
    if (!decision->step_count)
        add_line(out, "  (there are none)");
}

static void add_target(const struct delivery *delivery, const struct route_choice *choice, struct buf *out)
{
    static const char *const sources[] = {"the request", "rule ", "the default target", "nobody"};
    struct buf candidates;

    buf_init(&candidates, 8 * 1024);
    for (size_t i = 0; i < delivery->candidate_count; i++)
        buf_addf(&candidates, "%s%s", i ? ", " : "", delivery->candidates[i]);
    add_line(out, "  %s, named by %s%s%s%s%s%s: %s", delivery->target, sources[choice->source],
             delivery->rule ? delivery->rule : "", choice->policy ? ", by " : "",
             choice->policy ? choice->policy : "", choice->key ? " of " : "", choice->key ? choice->key : "",
             delivery->status == DELIVERY_DEAD ? "unroutable" : candidates.data);
    buf_release(&candidates);
    if (delivery->last_error)
        add_line(out, "    %s", delivery->last_error);
    if (choice->note)
        add_line(out, "    %s; it goes by turns", choice->note);
    for (size_t i = 0; i < choice->drop_count; i++)
        add_line(out, "    %s %s: %s", choice->drops[i].name,
                 choice->drops[i].last ? "takes no turn, and is tried last" : "is left out",
                 choice->drops[i].reason);
}

static void add_set(const struct decision *decision, struct buf *out)
{
    const char *what;
    json_t *rule;

    if (!decision->set_by)
        return;
    add_line(out, "set:");
    json_object_foreach (decision->set_by, what, rule)
        add_line(out, "  %s, by rule %s", what, json_string_value(rule));
}

void route_explain_text(const struct job *job, const struct delivery_list *deliveries,
                        const struct route_explanation *explanation, struct buf *out)
{
    add_line(out, "distribution %s of tenant %s, type %s", job->distribution_id, job->tenant_id,
             job->data_type);
    add_line(out, "rules:");
    add_rules(&explanation->decision, out);
    add_set(&explanation->decision, out);
    add_line(out, "targets:");
    for (size_t i = 0; i < deliveries->count; i++)
        add_target(deliveries->items[i], &explanation->choices[i], out);
    buf_addc(out, '\n');
}
