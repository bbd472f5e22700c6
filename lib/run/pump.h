/*
 * pump - joins a compute stage with its source and its sink
 *
 * The only code that knows whether a stage works on lines or on streams. dist-route and dist-transform are
 * such stages; dist-deliver has an event loop of its own (deliver_pipe.h, deliver_stream.h).
 */
#ifndef DIST_PUMP_H
#define DIST_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "catalog.h"
#include "buf.h"
#include "fault.h"
#include "postponed.h"
#include "queue.h"
#include "service.h"
#include "store.h"
#include "tool.h"

struct pump {
    void *stage;
    const struct service_part *part; /* of the configuration, beside the catalog; or NULL */
    /* What the stage works with: catalog and part at the start and after every reload, the servers as a
     * service only. */
    void (*attach)(void *stage, const struct catalog *catalog, void *part, struct store *store,
                   struct queue *queue);

    /* As a filter: one record to its lines. */
    int (*line)(void *stage, const char *line, size_t size, struct buf *out, struct fault *fault);
    size_t max_line, max_pending;

    /* As a service: one batch of claims, whole or not at all; it may be repeated. What it adds to `later` is
     * handed back after a pause, in which other claims are worked on. */
    enum queue_stage source;
    int (*batch)(void *stage, const struct queue_claims *claims, struct postponed *later,
                 struct fault *fault);
    /* Called between batches; *wait_ms: when it wants to be called again. NULL: not wanted. */
    int (*tick)(void *stage, int64_t *wait_ms, struct fault *fault);
    /* One claim that cannot be worked on, or whose workers died of it: the end of its work. */
    int (*poison)(void *stage, const struct queue_claim *claim, const char *why, struct fault *fault);
};

/*
 * As a service (`stream`): stream to stream until it is stopped. Else standard input to standard output, with
 * the exit code of lines_run().
 */
int pump_run(const struct pump *pump, const struct tool *tool, bool stream, struct fault *fault);

#endif
