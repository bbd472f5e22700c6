/*
 * route_group - the members of a group as candidates of one delivery
 *
 * Three kinds of members: those that take part in the policy; those that are not fit for the moment, which
 * stand behind them, so that a delivery that outlives its first choice finds them; and those that are no use
 * at all.
 */
#include <stdlib.h>
#include "ceilings.h"
#include "route_parts.h"
#include "xalloc.h"

/* The members of one question, in the order of the plan. */
struct members {
    const struct group *group;
    struct balance_candidate items[LIMIT_CANDIDATES];
    bool useless[LIMIT_CANDIDATES]; /* no candidate in any case */
    char *reasons[LIMIT_CANDIDATES];
    size_t useless_count;
};

static const char disabled_text[] = "it is disabled";

/* -1 where nothing can deliver to any of them; the fault is then set. */
static int look_at_members(const struct routing_of *routing, struct members *members, struct fault *fault)
{
    const struct router *router = routing->router;
    const struct route_health *health = router->health;
    struct fault reason = {0};

    for (size_t i = 0; i < members->group->member_count; i++) {
        const char *name = members->group->members[i], *unfit = NULL;
        bool disabled = false;

        members->items[i].name = name;
        if (route_can_deliver(router->catalog, name, NULL, routing->job->tenant_id, &disabled, &reason)) {
            members->useless[i] = true;
            members->useless_count++;
            unfit = reason.text;
        } else if (disabled) {
            unfit = disabled_text;
        } else if (health) {
            unfit = health->unfit(health->arg, name, members->group->max_queue);
            members->items[i].outstanding = health->outstanding(health->arg, name);
        }
        members->reasons[i] = xstrdup_null(unfit);
        members->items[i].unfit = members->reasons[i];
    }
    if (members->useless_count < members->group->member_count)
        return 0;
    return fault_set(fault, reason.class, "group '%s': %s", members->group->name, reason.text);
}

static bool is_disabled(const struct members *members, size_t place)
{
    return members->reasons[place] && strcmp(members->reasons[place], disabled_text) == 0;
}

/* The order by the policy. Where nobody is fit it is as if all were that can be delivered to at all: the
 * enabled ones, or else the disabled ones. */
static void order_members(const struct routing_of *routing, struct members *members, const char *key,
                          struct balance_order *order)
{
    const struct group *group = members->group;
    struct balance fresh = {0};
    struct balance *turns = routing->router->turns ? strmap_get(routing->router->turns, group->name) : NULL;

    balance_order(turns ? turns : &fresh, &group->plan, members->items, group->member_count, key, order);
    for (int disabled_too = 0; !order->count && disabled_too < 2; disabled_too++) {
        struct balance_candidate items[LIMIT_CANDIDATES];

        memcpy(items, members->items, sizeof items);
        for (size_t i = 0; i < group->member_count; i++)
            if (!members->useless[i] && (disabled_too || !is_disabled(members, i)))
                items[i].unfit = NULL;
        balance_order(turns ? turns : &fresh, &group->plan, items, group->member_count, key, order);
    }
}

static bool is_in(const struct balance_order *order, size_t place)
{
    for (size_t i = 0; i < order->count; i++)
        if (order->places[i] == place)
            return true;
    return false;
}

static void note_drop(struct route_choice *choice, const struct members *members, size_t place, bool last)
{
    if (!choice)
        return;
    choice->drops = xreallocarray(choice->drops, choice->drop_count + 1, sizeof *choice->drops);
    choice->drops[choice->drop_count++] = (struct route_drop){
        .name = xstrdup(members->items[place].name),
        .reason = xstrdup(members->reasons[place]),
        .last = last,
    };
}

/* Who is unfit stands behind those of the order, or is left out; where the order had to take him, he is in
 * it. */
static void add_candidates(const struct members *members, const struct balance_order *order,
                           struct delivery *delivery, struct route_choice *choice)
{
    for (size_t i = 0; i < order->count; i++)
        delivery_add_candidate(delivery, members->items[order->places[i]].name);
    for (size_t i = 0; i < members->group->member_count; i++) {
        const bool in_order = is_in(order, i);
        const bool last = !members->useless[i] && !is_disabled(members, i);

        if (!members->reasons[i])
            continue;
        if (!in_order && last)
            delivery_add_candidate(delivery, members->items[i].name);
        note_drop(choice, members, i, in_order || last);
    }
}

/* The key of hash_on, or NULL; the fault says why, if there is one to be had. */
static char *find_key(struct routing_of *routing, const struct group *group, struct fault *why)
{
    const struct router *router = routing->router;

    return group->plan.hash_on && router->key
               ? router->key(router->arg, group->plan.hash_on, route_event(routing), why)
               : NULL;
}

int route_group(struct routing_of *routing, struct delivery *delivery, const struct group *group,
                struct route_choice *choice, struct fault *fault)
{
    struct members members = {.group = group};
    struct balance_order order;
    struct fault why = {0};
    char *key = NULL;
    int status = look_at_members(routing, &members, fault);

    if (choice)
        choice->policy = balance_policy_names[group->plan.policy];
    if (!status) {
        key = find_key(routing, group, &why);
        if (choice && !key && why.class)
            choice->note = xasprintf("hash_on failed: %s", why.text);
        order_members(routing, &members, key, &order);
        add_candidates(&members, &order, delivery, choice);
    }
    if (choice)
        choice->key = key;
    else
        free(key);
    for (size_t i = 0; i < group->member_count; i++)
        free(members.reasons[i]);
    return status;
}
