/*
 * transform - the body as a destination expects it: specification 2.1.3
 *
 * identity and raw send the bytes as they came with their content type; json demands that they are one JSON
 * text and sends them, unchanged, as application/json. Doing it again for another destination is fine: the
 * content type of the time before is dropped first. Pure.
 */
#ifndef DIST_TRANSFORM_H
#define DIST_TRANSFORM_H

#include "delivery.h"
#include "destination.h"

/* True where the destination's format looks at the body; else transform_delivery() works without one. */
bool transform_needs_body(const struct destination *destination);

/* -1: the body cannot be sent in that format (class INPUT): a dead letter of reason `transform`. */
int transform_delivery(const struct destination *destination, struct delivery *delivery, struct fault *fault);

#endif
