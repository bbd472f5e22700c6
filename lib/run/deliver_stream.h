/*
 * deliver_stream - dist-deliver as a service: the delivery engine over the lanes
 *
 * Takes from a lane only what can start now, makes the attempts, records their ends in batches, and only then
 * lets the entries go: effect, record, acknowledge. Any number of them may run, on one host or many.
 *
 * The loop makes the attempts and never waits for a server: what is claimed and loaded, recorded and
 * acknowledged, renewed, and the doorbell have a thread each, with connections of their own.
 */
#ifndef DIST_DELIVER_STREAM_H
#define DIST_DELIVER_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include "deliver_stage.h"
#include "fault.h"
#include "holds.h"
#include "queue.h"
#include "service.h"
#include "store.h"

struct deliver_stream {
    struct deliver_stage *stage;
    struct service *service;
    struct store *take_store, *record_store;
    struct queue *take_queue, *record_queue, *renew_queue, *bell_queue;
    int64_t lease_ms;
    int64_t stop_timeout_ms;
    struct hold_rules rules;     /* of the breakers */
    const char *const *patterns; /* of the destinations that are served: see pool.h; NULL: all */
};

/* Until SIGTERM: then what is in flight is finished, up to the stop's deadline, and the rest is handed back.
 */
int deliver_stream_run(struct deliver_stream *stream, struct fault *fault);

#endif
