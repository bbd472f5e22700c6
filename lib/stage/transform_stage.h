/*
 * transform_stage - deliveries in, deliveries with a body that is ready to send out
 */
#ifndef DIST_TRANSFORM_STAGE_H
#define DIST_TRANSFORM_STAGE_H

#include <stdint.h>
#include "buf.h"
#include "catalog.h"
#include "destination.h"
#include "fault.h"
#include "queue.h"
#include "store.h"

struct transform_stage {
    const struct catalog *catalog;
    uint64_t max_payload;
    struct store *store; /* NULL in a pipe */
    struct queue *queue; /* likewise */
};

/* A delivery envelope to the same with its body ready, or dead; a dead one passes through. */
int transform_stage_line(struct transform_stage *stage, const char *line, size_t size, struct buf *out,
                         struct fault *fault);

/* Claimed delivery ids: what transformation changed is committed, then the ids hop to their lanes. */
int transform_stage_batch(struct transform_stage *stage, const struct queue_claims *claims,
                          struct fault *fault);

/* The delivery cannot be worked on: a dead letter of reason `poison`. */
int transform_stage_poison(struct transform_stage *stage, const struct queue_claim *claim, const char *why,
                           struct fault *fault);

#endif
