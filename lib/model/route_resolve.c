/*
 * route_resolve - names to destinations; route_job.c makes the deliveries of a job
 */
#include <stdlib.h>
#include <string.h>
#include "catalog.h"
#include "form.h"
#include "route_parts.h"
#include "xalloc.h"

json_t *route_form(json_t *element)
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

    if (configured && !destination_allows(configured, tenant)) {
        fault_set(fault, FAULT_DENIED, "destination '%s' is not for tenant '%s'", name, tenant);
        return NULL;
    }
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

int route_can_deliver(const struct catalog *catalog, const char *name, const json_t *form, const char *tenant,
                      bool *disabled, struct fault *fault)
{
    struct destination *destination = route_resolve(catalog, name, form, tenant, fault);

    if (!destination)
        return -1;
    *disabled = destination->disabled;
    destination_unref(destination);
    return 0;
}

/* The one candidate of a delivery that is not to a group; a disabled one is waited for. */
static int add_candidate(const struct catalog *catalog, struct delivery *delivery, struct fault *fault)
{
    bool disabled;

    if (route_can_deliver(catalog, delivery->target, delivery->inline_form, delivery->job->tenant_id,
                          &disabled, fault))
        return -1;
    delivery_add_candidate(delivery, delivery->target);
    return 0;
}

int route_target(struct routing_of *routing, struct delivery *delivery, json_t *form,
                 struct route_choice *choice, struct fault *fault)
{
    const struct catalog *catalog = routing->router->catalog;
    const struct group *group = catalog_group(catalog, delivery->target);
    bool disabled;

    if (group && !form)
        return route_group(routing, delivery, group, choice, fault);
    if (form && !catalog_destination(catalog, delivery->target)) {
        delivery->inline_form = json_incref(form);
        return add_candidate(catalog, delivery, fault);
    }
    if (route_can_deliver(catalog, delivery->target, form, delivery->job->tenant_id, &disabled, fault))
        return -1;
    delivery_add_candidate(delivery, delivery->target);
    return 0;
}

int route_delivery(const struct catalog *catalog, struct delivery *delivery, struct fault *fault)
{
    const struct group *group = catalog_group(catalog, delivery->target);
    struct fault reason = {0};
    bool disabled;

    if (!strcmp(delivery->target, CATALOG_NO_TARGET) && !delivery->inline_form)
        return fault_set(fault, FAULT_INPUT, "nothing says where it goes: a replay must name a target");
    if (!group || delivery->inline_form)
        return add_candidate(catalog, delivery, fault);
    for (size_t i = 0; i < group->member_count; i++)
        if (!route_can_deliver(catalog, group->members[i], NULL, delivery->job->tenant_id, &disabled,
                               &reason))
            delivery_add_candidate(delivery, group->members[i]);
    if (delivery->candidate_count)
        return 0;
    return fault_set(fault, reason.class, "group '%s': %s", group->name, reason.text);
}

int route_check(const struct catalog *catalog, const struct job *job, struct fault *fault)
{
    const struct router router = {.catalog = catalog};
    /* A delivery holds a reference of its job for as long as it lives, which is this call. */
    struct routing_of routing = {.router = &router, .job = (struct job *)job};
    json_t *element;
    size_t index;

    if (!json_array_size(job->destinations))
        return fault_set(fault, FAULT_INPUT, "the distribution has no destination");
    json_array_foreach (job->destinations, index, element) {
        const char *name = json_string_value(json_object_get(element, "name"));
        struct delivery *delivery = delivery_new(routing.job, name);
        int status = route_target(&routing, delivery, route_form(element), NULL, fault);

        delivery_free(delivery);
        if (status)
            return -1;
    }
    return 0;
}
