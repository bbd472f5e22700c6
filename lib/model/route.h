/*
 * route - from a job's targets to its deliveries: specification 2.1.1
 *
 * One delivery per target. A target is a destination (one candidate) or a group (its members in order). A
 * name that is not configured becomes a delivery that is dead as `unroutable`, with the nearest known name in
 * its text: never silence. Pure.
 */
#ifndef DIST_ROUTE_H
#define DIST_ROUTE_H

#include "delivery.h"
#include "catalog.h"
#include "destination.h"

/*
 * A rule adds targets to jobs that it matches. The request's own destinations are the one source of
 * targets that exists so far; route_job() is where rules are asked. Members of a group that nothing can
 * deliver to are no candidates; a target that has none left is dead as `unroutable`. -1: the job has no
 * destination (class INPUT).
 */
int route_job(const struct catalog *catalog, struct job *job, struct delivery_list *deliveries,
              struct fault *fault);

/* The candidates of a delivery that has none: a dead letter that was unroutable, once it is replayed. -1: it
 * still is. */
int route_delivery(const struct catalog *catalog, struct delivery *delivery, struct fault *fault);

/*
 * The destination of `name` for this delivery: configured, or made from the form that the request brought
 * along. A form for a configured name may leave members out, but those it has must not differ (class
 * DENIED): it could send that destination's credentials elsewhere; the configured form is what is used. An
 * object with nothing but "name" is no form. The caller gets a reference. NULL: the fault's class is INPUT
 * (unknown, with the nearest name; a group; or a bad form) or DENIED.
 */
struct destination *route_resolve(const struct catalog *catalog, const char *name, const json_t *inline_form,
                                  const char *tenant, struct fault *fault);

/*
 * Checks every target of a job before it is accepted, by the same questions as route_job(): what that would
 * make unroutable is a fault here, INPUT or DENIED. `disabled` destinations are taken: they wait.
 */
int route_check(const struct catalog *catalog, const struct job *job, struct fault *fault);

#endif
