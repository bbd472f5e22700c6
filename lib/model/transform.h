/*
 * transform - bodies that are sent as they came: specification 2.1.3
 *
 * identity and raw send the bytes with their content type; json demands that they are one JSON text and sends
 * them, unchanged, as application/json. Every other rendering makes other bytes: stage/render.h. Doing it
 * again for another destination is fine: the content type of the time before is dropped first. Pure.
 */
#ifndef DIST_TRANSFORM_H
#define DIST_TRANSFORM_H

#include "delivery.h"
#include "rendering.h"

/* True where the rendering looks at the body; else transform_delivery() works without one. */
bool transform_needs_body(const struct rendering *rendering);

/* Of a plain rendering. -1: the body cannot be sent in that format (class INPUT): a dead letter of reason
 * `transform`. */
int transform_delivery(const struct rendering *rendering, struct delivery *delivery, struct fault *fault);

#endif
