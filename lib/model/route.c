/*
 * route - targets to deliveries
 *
 * Hard rule: a target never vanishes. What cannot be routed becomes a dead delivery that says why.
 */
#include <stdlib.h>
#include <string.h>
#include "catalog.h"
#include "form.h"
#include "route.h"
#include "xalloc.h"

/* The form that an element of a job's destinations brings along, or NULL where it only names one. */
static json_t *brought_form(json_t *element)
{
    return json_object_size(element) > 1 ? element : NULL;
}

/* True where no member of `form` differs from the configured one's; the name is what found it. */
static bool form_agrees(const json_t *configured, const json_t *form)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *)form, key, value) {
        if (strcmp(key, "name") && !json_equal(json_object_get(configured, key), value))
            return false;
    }
    return true;
}

static struct destination *unknown(const struct catalog *catalog, const char *name, struct fault *fault)
{
    const char *nearest = catalog_nearest(catalog, name);

    fault_set(fault, FAULT_INPUT, "destination '%s' is not configured%s%s%s", name,
              nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return NULL;
}

struct destination *route_resolve(const struct catalog *catalog, const char *name, const json_t *inline_form,
                                  const char *tenant, struct fault *fault)
{
    struct destination *configured = catalog_destination(catalog, name);
    bool has_form = json_object_size(inline_form) > (json_object_get(inline_form, "name") ? 1 : 0);

    if (configured) {
        if (!has_form || form_agrees(configured->form, inline_form))
            return destination_ref(configured);
        fault_set(fault, FAULT_DENIED,
                  "destination '%s' is configured, and the request's form differs from it", name);
        return NULL;
    }
    if (catalog_group(catalog, name)) {
        if (has_form)
            fault_set(fault, FAULT_DENIED, "'%s' is a group, and the request brings a form of its own for it",
                      name);
        else
            fault_set(fault, FAULT_INPUT, "'%s' is a group, no destination", name);
        return NULL;
    }
    if (!has_form)
        return unknown(catalog, name, fault);
    configured = form_destination(name, inline_form, tenant, "request", fault);
    if (!configured)
        fault_wrap(fault, "destination '%s'", name);
    return configured;
}

/* The protocols that this version has an adapter for. */
static int check_protocol(const struct destination *destination, struct fault *fault)
{
    if (destination->protocol != PROTOCOL_AMQP && destination->protocol != PROTOCOL_JDBC)
        return 0;
    return fault_set(fault, FAULT_INPUT, "destination '%s' uses %s, which this version cannot deliver to",
                     destination->name, protocol_names[destination->protocol]);
}

/* One candidate of a delivery; -1 where nothing can deliver to it. */
static int add_candidate(const struct catalog *catalog, struct delivery *delivery, const char *name,
                         json_t *form, struct fault *fault)
{
    struct destination *destination = route_resolve(catalog, name, form, delivery->job->tenant_id, fault);
    int status;

    if (!destination)
        return -1;
    status = check_protocol(destination, fault);
    if (!status)
        delivery_add_candidate(delivery, name);
    destination_unref(destination);
    return status;
}

static int add_members(const struct catalog *catalog, struct delivery *delivery, const struct group *group,
                       struct fault *fault)
{
    struct fault reason = {0};

    for (size_t i = 0; i < group->member_count; i++)
        add_candidate(catalog, delivery, group->members[i], NULL, &reason);
    if (delivery->candidate_count)
        return 0;
    return fault_set(fault, FAULT_INPUT, "group '%s': %s", group->name, reason.text);
}

int route_delivery(const struct catalog *catalog, struct delivery *delivery, struct fault *fault)
{
    const struct group *group = catalog_group(catalog, delivery->target);

    if (group && !delivery->inline_form)
        return add_members(catalog, delivery, group, fault);
    return add_candidate(catalog, delivery, delivery->target, delivery->inline_form, fault);
}

/* The delivery to one element of a job's destinations; -1 where it is unroutable, with its candidates empty.
 */
static int route_target(const struct catalog *catalog, struct job *job, json_t *element,
                        struct delivery **delivery, struct fault *fault)
{
    const char *name = json_string_value(json_object_get(element, "name"));
    const struct group *group = catalog_group(catalog, name);
    json_t *form = brought_form(element);

    *delivery = delivery_new(job, name);
    if (group && !form)
        return add_members(catalog, *delivery, group, fault);
    if (form && !catalog_destination(catalog, name))
        (*delivery)->inline_form = json_incref(form);
    return add_candidate(catalog, *delivery, name, form, fault);
}

int route_job(const struct catalog *catalog, struct job *job, struct delivery_list *deliveries,
              struct fault *fault)
{
    json_t *element;
    size_t index;

    if (!json_array_size(job->destinations))
        return fault_set(fault, FAULT_INPUT, "the distribution has no destination");
    json_array_foreach (job->destinations, index, element) {
        struct delivery *delivery;
        struct fault reason = {0};

        if (route_target(catalog, job, element, &delivery, &reason)) {
            delivery->status = DELIVERY_DEAD;
            delivery->dead_reason = DEAD_UNROUTABLE;
            delivery->last_error = xstrdup(reason.text);
        }
        delivery_list_add(deliveries, delivery);
    }
    return 0;
}

int route_check(const struct catalog *catalog, const struct job *job, struct fault *fault)
{
    json_t *element;
    size_t index;

    if (!json_array_size(job->destinations))
        return fault_set(fault, FAULT_INPUT, "the distribution has no destination");
    json_array_foreach (job->destinations, index, element) {
        struct delivery *delivery;
        /* A delivery holds a reference of its job for as long as it lives, which is this call. */
        int status = route_target(catalog, (struct job *)job, element, &delivery, fault);

        delivery_free(delivery);
        if (status)
            return -1;
    }
    return 0;
}
