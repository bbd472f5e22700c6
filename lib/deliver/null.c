/*
 * null - delivers to nowhere, at once: for measuring and for trying rules
 */
#include "pending.h"

#include <stdlib.h>
#include "xalloc.h"

static const struct answer codes[] = {{0}};
static const struct answer events[] = {
    {EVENT_DISCARDED, EVENT_DISCARDED, OUTCOME_DELIVERED, "null", 0, "discarded"},
    {0},
};
const struct outcome_table outcomes_null = {NULL, NULL, codes, events};

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
    pending_set_event(pending, EVENT_DISCARDED, "%s", "");
    pending_report_later(pending);
    return &pending->handle;
}

static void null_cancel(struct attempt_handle *handle)
{
    null_free((struct pending *)handle);
}

static int null_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    (void)context;
    (void)destination;
    (void)secret;
    (void)fault;
    return 0;
}

const struct adapter adapter_null = {PROTOCOL_NULL, &outcomes_null, null_start, null_cancel, null_check};
