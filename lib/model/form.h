/*
 * form - from a JSON form of dist-destinations(5) to a destination
 *
 * The forms are the specification's (2.2.1 REST, 2.2.2 AMQP, 2.2.3 JDBC) and file, exec and null. Faults are
 * class INPUT with the JSON pointer; whoever reads a file puts its name in front and makes them CONFIG.
 */
#ifndef DIST_FORM_H
#define DIST_FORM_H

#include <jansson.h>
#include "destination.h"
#include "fault.h"
#include "form_help.h"

/*
 * `form` (borrowed) as destination `name`; a "name" in the form must be the same. `tenant` is NULL for
 * configured destinations. The result has one reference.
 */
struct destination *form_destination(const char *name, const json_t *form, const char *tenant,
                                     const char *origin, struct fault *fault);

/* Of all protocols, and of one; ended by a NULL name. */
extern const struct form_help form_common_help[];
const struct form_help *form_help(enum protocol protocol);
/* A form of the protocol that form_destination() takes, to be filled in. */
json_t *form_start(enum protocol protocol);
/* By its name, in any case; INPUT names those that there are. */
int form_protocol(const char *name, enum protocol *protocol, struct fault *fault);

#endif
