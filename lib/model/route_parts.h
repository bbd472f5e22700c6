/*
 * route_parts - the inside of routing; for route.c and its route_*.c
 */
#ifndef DIST_ROUTE_PARTS_H
#define DIST_ROUTE_PARTS_H

#include "route.h"

/* A job that is being routed. */
struct routing_of {
    const struct router *router;
    struct job *job;
    json_t *event; /* made when it is first asked for; see route_event() */
};
/* The event of the job as rules see it; borrowed. */
const json_t *route_event(struct routing_of *routing);

/* The form that an element of a job's destinations brings along, or NULL where it only names one. */
json_t *route_form(json_t *element);

/* Nothing stands in the way of deliveries of this tenant to the destination, beside its being disabled. Where
 * it is not, `disabled` tells. */
int route_can_deliver(const struct catalog *catalog, const char *name, const json_t *form, const char *tenant,
                      bool *disabled, struct fault *fault);

/* Candidates of a delivery to its target, with the form that the request has for it, or NULL. -1: it is
 * unroutable. */
int route_target(struct routing_of *routing, struct delivery *delivery, json_t *form,
                 struct route_choice *choice, struct fault *fault);
/*
 * Candidates of a delivery to a group, ordered by its policy. `choice` may be NULL. -1: it has none (the
 * fault is that of its last member).
 */
int route_group(struct routing_of *routing, struct delivery *delivery, const struct group *group,
                struct route_choice *choice, struct fault *fault);

#endif
