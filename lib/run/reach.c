/*
 * reach - see reach.h
 */
#include "reach.h"

#include <event2/event.h>

#include "secret.h"

int reach_init(struct reach *reach, const struct tool *tool, struct fault *fault)
{
    *reach = (struct reach){.tool = tool, .base = event_base_new()};
    if (!reach->base)
        return fault_set(fault, FAULT_SYSTEM, "cannot make an event loop");
    if (adapter_context_init(&reach->context, reach->base, conf_bool(tool->conf, "DIST_ALLOW_PRIVATE"),
                             conf_text(tool->conf, "DIST_PROXY"), fault) == 0)
        return 0;
    event_base_free(reach->base);
    reach->base = NULL;
    return -1;
}

void reach_release(struct reach *reach)
{
    if (!reach->base)
        return;
    adapter_context_release(&reach->context);
    event_base_free(reach->base);
    reach->base = NULL;
}

int reach_destination(struct reach *reach, const struct destination *destination, struct fault *fault)
{
    const struct adapter *adapter = adapter_for(destination->protocol);
    struct secret secret = {0};

    if (destination->credentials &&
        secret_load(conf_dir(reach->tool->conf), NULL, destination->credentials, &secret, fault) < 0)
        return -1;
    int result =
        adapter->check(&reach->context, destination, destination->credentials ? &secret : NULL, fault);
    secret_release(&secret);
    return result;
}
