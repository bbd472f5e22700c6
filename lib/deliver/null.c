/*
 * null - delivers to nowhere, at once: for measuring and for trying rules
 */
#include "pending.h"

#include <stdlib.h>
#include "xalloc.h"

static void null_free(struct pending *pending)
{
    pending_release(pending);
    free(pending);
}

static struct attempt_handle *null_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    struct pending *pending = xcalloc(1, sizeof *pending);

    pending_init(pending, &adapter_null, context, attempt, done, arg, null_free);
    outcome_set(&pending->outcome, OUTCOME_DELIVERED, 0, "null", "%s", "");
    pending_report_later(pending);
    return &pending->handle;
}

static void null_cancel(struct attempt_handle *handle)
{
    null_free((struct pending *)handle);
}

const struct adapter adapter_null = {PROTOCOL_NULL, NULL, null_start, null_cancel};
