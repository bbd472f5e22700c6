/*
 * route_job - a job to its deliveries
 *
 * Hard rule: a target never vanishes, and a job has a delivery in any case. What cannot be routed becomes a
 * dead delivery that says why.
 */
#include <stdlib.h>
#include <string.h>
#include "ceilings.h"
#include "json.h"
#include "retry.h"
#include "route_parts.h"
#include "xalloc.h"

const char *const route_mode_names[ROUTE_MODE_COUNT + 1] = {"unite", "restrict", "replace", NULL};
const char *const route_source_names[] = {"request", "rule", "default", "nobody"};

/* One target, in the order of the deliveries. */
struct target {
    const char *name;
    json_t *form; /* that the request has for it, or NULL */
    const struct rule *rule;
    enum route_source source;
    const char *refused; /* why it is dead before it is looked at; NULL: it is not */
};
struct targets {
    struct target *items;
    size_t count;
};

static const char no_rule_allows[] =
    "no rule that matches allows this target, and the rules restrict the request's";

const json_t *route_event(struct routing_of *routing)
{
    if (!routing->event)
        routing->event = rule_event(routing->job, routing->router->ask_payload);
    return routing->event;
}

static int ask_rules(struct routing_of *routing, bool explain, struct decision *decision, struct fault *fault)
{
    const struct router *router = routing->router;
    const struct rules_question question = {
        .event = route_event(routing),
        .tenant = routing->job->tenant_id,
        .now_us = router->now_us,
        .when = router->when,
        .when_arg = router->arg,
        .explain = explain,
    };

    return rules_apply(router->rules, &question, decision, fault);
}

/* --- what rules set --- */

static void set_options(const struct router *router, const json_t *options, struct job *job)
{
    const char *retry_policy = NULL;
    int64_t timeout_ms = 0, start_us;
    const struct json_field fields[] = {
        {.name = "retry_policy",
         .kind = JSON_KIND_WORD,
         .target = &retry_policy,
         .words = retry_policy_names},
        {.name = "timeout", .kind = JSON_KIND_SECONDS, .target = &timeout_ms},
        {0},
    };

    if (!options || json_fields(options, "", fields, NULL)) /* checked when the rule was made */
        return;
    if (retry_policy) {
        free(job->retry_policy);
        job->retry_policy = xstrdup(retry_policy);
    }
    if (!timeout_ms)
        return;
    start_us = job->submitted_at_us ? job->submitted_at_us : router->now_us;
    if (job->scheduled_at_us > start_us)
        start_us = job->scheduled_at_us;
    job->timeout_ms = timeout_ms;
    job->expires_at_us = start_us + timeout_ms * 1000;
}

static int apply_settings(const struct router *router, const struct decision *decision, struct job *job,
                          struct fault *fault)
{
    job->ruled = decision->metadata || decision->priority || decision->options;
    if (decision->metadata) {
        json_t *joined = json_copy(job->metadata);

        json_object_update(joined, decision->metadata);
        if (job_check_metadata("the metadata with what rules set", joined, fault)) {
            json_decref(joined);
            job->ruled = false;
            return -1;
        }
        json_decref(job->metadata);
        job->metadata = joined;
        job->metadata_ruled = true;
    }
    if (decision->priority)
        job->priority = (enum priority)status_index(priority_names, decision->priority);
    set_options(router, decision->options, job);
    return 0;
}

/* --- which targets --- */

static void add_target(struct targets *targets, const struct target *target)
{
    if ((targets->count & (targets->count - 1)) == 0)
        targets->items =
            xreallocarray(targets->items, targets->count ? targets->count * 2 : 1, sizeof *targets->items);
    targets->items[targets->count++] = *target;
}

static const char *element_name(json_t *element)
{
    return json_string_value(json_object_get(element, "name"));
}

/* Names of the decision -> the rule that named it. */
static void index_decision(const struct decision *decision, struct strmap *rules)
{
    strmap_init(rules);
    for (size_t i = 0; i < decision->target_count; i++)
        strmap_put(rules, decision->targets[i].name, (void *)decision->targets[i].rule);
}

static void add_requested(const struct router *router, const struct job *job, const struct decision *decision,
                          struct targets *targets)
{
    struct strmap rules;
    json_t *element;
    size_t index;

    index_decision(decision, &rules);
    json_array_foreach (job->destinations, index, element) {
        const char *name = element_name(element);
        const bool refused = router->mode == ROUTE_RESTRICT && !strmap_get(&rules, name);

        add_target(targets, &(struct target){.name = name,
                                             .form = route_form(element),
                                             .source = ROUTE_BY_REQUEST,
                                             .refused = refused ? no_rule_allows : NULL});
    }
    strmap_release(&rules, NULL);
}

static void add_ruled(const struct decision *decision, struct targets *targets)
{
    struct strmap there;

    strmap_init(&there);
    for (size_t i = 0; i < targets->count; i++)
        strmap_put(&there, targets->items[i].name, targets->items);
    for (size_t i = 0; i < decision->target_count; i++) {
        const struct decision_target *target = &decision->targets[i];

        if (!strmap_get(&there, target->name))
            add_target(targets,
                       &(struct target){.name = target->name, .rule = target->rule, .source = ROUTE_BY_RULE});
    }
    strmap_release(&there, NULL);
}

/* Why a job has no target: `text` has room for it. */
static const char *say_nothing_matches(const struct router *router, const struct decision *decision,
                                       struct fault *text)
{
    fault_set(text, FAULT_INPUT, "the request names no destination, %s, and there is no default target",
              !router->rules      ? "there are no rules"
              : decision->matched ? "the rules that match name none"
                                  : "no rule matches");
    for (size_t i = 0; i < decision->step_count; i++)
        if (decision->steps[i].look == RULE_WHEN_FAILED) {
            struct fault head = *text;
            fault_set(text, FAULT_INPUT, "%s ('when' of rule '%s' failed: %s)", head.text,
                      decision->steps[i].rule->name, decision->steps[i].text ? decision->steps[i].text : "");
            break;
        }
    return text->text;
}

static void choose_targets(const struct router *router, struct job *job, const struct decision *decision,
                           struct targets *targets, struct fault *text)
{
    const size_t requested = json_array_size(job->destinations);

    if (router->mode != ROUTE_REPLACE || !decision->target_count)
        add_requested(router, job, decision, targets);
    else
        job->ruled = job->replaced = true;
    if (router->mode != ROUTE_RESTRICT || !requested)
        add_ruled(decision, targets);
    if (targets->count)
        return;
    if (router->default_target)
        add_target(targets, &(struct target){.name = router->default_target, .source = ROUTE_BY_DEFAULT});
    else
        add_target(targets, &(struct target){.name = CATALOG_NO_TARGET,
                                             .source = ROUTE_BY_NOBODY,
                                             .refused = say_nothing_matches(router, decision, text)});
}

/* What the request names, all of it refused; or the one dead letter of a job that names nothing. */
static void refuse_all(const struct job *job, const char *why, struct targets *targets)
{
    json_t *element;
    size_t index;

    targets->count = 0;
    json_array_foreach (job->destinations, index, element)
        add_target(targets, &(struct target){.name = element_name(element),
                                             .form = route_form(element),
                                             .source = ROUTE_BY_REQUEST,
                                             .refused = why});
    if (!targets->count)
        add_target(targets,
                   &(struct target){.name = CATALOG_NO_TARGET, .source = ROUTE_BY_NOBODY, .refused = why});
}

/* --- deliveries --- */

static void make_delivery(struct routing_of *routing, const struct target *target,
                          struct delivery_list *deliveries, struct route_choice *choice)
{
    struct delivery *delivery = delivery_new(routing->job, target->name);
    struct fault reason = {0};
    int status = -1;

    delivery->rule = xstrdup_null(target->rule ? target->rule->name : NULL);
    delivery->rendering = target->rule ? json_incref(target->rule->rendering) : NULL;
    if (target->refused) {
        /* with its form: a replay routes it by that */
        if (target->form && !catalog_destination(routing->router->catalog, target->name))
            delivery->inline_form = json_incref(target->form);
        fault_set(&reason, FAULT_DENIED, "%s", target->refused);
    } else {
        status = route_target(routing, delivery, target->form, choice, &reason);
    }
    if (status) {
        delivery->status = DELIVERY_DEAD;
        delivery->dead_reason = DEAD_UNROUTABLE;
        delivery->last_error = xstrdup(reason.text);
    }
    if (choice)
        choice->source = target->source;
    delivery_list_add(deliveries, delivery);
}

/* The edited body of a dead letter goes where that was to go: rules had their say about the first one. */
bool route_is_replay(const struct job *job)
{
    return *job->replay_of && json_array_size(job->destinations);
}

static struct router without_rules(const struct router *router)
{
    struct router own = *router;

    own.rules = NULL;
    own.refused = NULL;
    own.mode = ROUTE_UNITE;
    return own;
}

void route_job(const struct router *router, struct job *job, struct delivery_list *deliveries,
               struct route_explanation *explanation)
{
    const struct router own = route_is_replay(job) ? without_rules(router) : *router;
    struct routing_of routing = {.router = &own, .job = job};
    struct decision decision = {0};
    struct targets targets = {0};
    struct fault reason = {0};

    if (own.refused) {
        refuse_all(job, own.refused, &targets);
    } else if (own.rules && (ask_rules(&routing, explanation != NULL, &decision, &reason) ||
                             apply_settings(&own, &decision, job, &reason))) {
        refuse_all(job, reason.text, &targets);
    } else {
        choose_targets(&own, job, &decision, &targets, &reason);
        if (targets.count > LIMIT_TARGETS) {
            fault_set(&reason, FAULT_INPUT, "request and rules name %zu targets, more than the limit of %d",
                      targets.count, LIMIT_TARGETS);
            refuse_all(job, reason.text, &targets);
        }
    }
    if (explanation)
        *explanation = (struct route_explanation){
            .decision = decision,
            .choices = xcalloc(targets.count, sizeof *explanation->choices),
            .count = targets.count,
        };
    for (size_t i = 0; i < targets.count; i++)
        make_delivery(&routing, &targets.items[i], deliveries, explanation ? &explanation->choices[i] : NULL);
    if (!explanation)
        decision_release(&decision);
    free(targets.items);
    json_decref(routing.event);
}

void route_explanation_release(struct route_explanation *explanation)
{
    for (size_t i = 0; i < explanation->count; i++) {
        struct route_choice *choice = &explanation->choices[i];

        for (size_t k = 0; k < choice->drop_count; k++) {
            free(choice->drops[k].name);
            free(choice->drops[k].reason);
        }
        free(choice->drops);
        free(choice->key);
        free(choice->note);
    }
    free(explanation->choices);
    decision_release(&explanation->decision);
    *explanation = (struct route_explanation){0};
}
