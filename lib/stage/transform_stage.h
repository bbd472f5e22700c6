/*
 * transform_stage - deliveries in, deliveries with a body that is ready to send out
 *
 * A delivery that has an output for its candidate already goes on with it: what was sent once is sent again,
 * whatever the configuration is by now.
 */
#ifndef DIST_TRANSFORM_STAGE_H
#define DIST_TRANSFORM_STAGE_H

#include <stdint.h>
#include "buf.h"
#include "catalog.h"
#include "destination.h"
#include "fault.h"
#include "queue.h"
#include "render.h"
#include "store.h"

struct transform_stage {
    const struct catalog *catalog;
    struct render *render; /* borrowed */
    uint64_t max_payload;
    int64_t lease_ms;        /* of the claims of a batch */
    struct store *store;     /* NULL in a pipe */
    struct queue *queue;     /* likewise */
    const json_t *rendering; /* in a pipe: in front of each delivery's, whose destinations need not be known
                                then; or NULL */
};

/* A delivery envelope to the same with an output for each candidate that is to get one, or dead; a dead one
 * passes through. A candidate for which the body cannot be transformed has none, but the first one's failure
 * is the delivery's death. */
int transform_stage_line(struct transform_stage *stage, const char *line, size_t size, struct buf *out,
                         struct fault *fault);

/* Claimed delivery ids: what transformation changed is committed, then the ids hop to their lanes. */
int transform_stage_batch(struct transform_stage *stage, const struct queue_claims *claims,
                          struct fault *fault);

/* The delivery cannot be worked on: a dead letter of reason `poison`. */
int transform_stage_poison(struct transform_stage *stage, const struct queue_claim *claim, const char *why,
                           struct fault *fault);

#endif
