/*
 * The protocols that this version delivers to, and what their adapters share.
 */
#include "adapter.h"

#include <stdlib.h>
#include <string.h>
#include "crew.h"
#include "http.h"
#include "http_proxy.h"
#include "oauth2.h"
#include "tls.h"
#include "xalloc.h"

/* Idle connections to all destinations together: some hundred destinations are kept warm. */
#define CONNECTIONS_KEPT 256

static const struct adapter *const adapters[] = {&adapter_rest, &adapter_file, &adapter_exec, &adapter_null,
                                                 &adapter_amqp, &adapter_jdbc, &adapter_s3,   &adapter_hdfs,
                                                 &adapter_soap, &adapter_smtp, &adapter_sftp};

const struct adapter *adapter_for(enum protocol protocol)
{
    for (size_t i = 0; i < sizeof adapters / sizeof *adapters; i++)
        if (adapters[i]->protocol == protocol)
            return adapters[i];
    return NULL;
}

struct guard attempt_guard(const struct adapter_context *context, const struct attempt *attempt)
{
    return (struct guard){
        .allow_private = context->allow_private || attempt->destination->allow_private,
        .lists = attempt->networks ? attempt->networks : context->networks,
    };
}

const char *attempt_proxy(const struct adapter_context *context, const struct attempt *attempt)
{
    const char *own = attempt->destination->proxy;

    if (!own)
        return context->proxy;
    return strcmp(own, "direct") == 0 ? NULL : own;
}

int adapter_context_init(struct adapter_context *context, struct event_base *base, bool allow_private,
                         const char *proxy, struct fault *fault)
{
    *context = (struct adapter_context){.base = base, .allow_private = allow_private};
    tls_outlive_exit();
    if (proxy && http_check_proxy(proxy, fault) < 0)
        return fault_wrap(fault, "DIST_PROXY");
    context->proxy = xstrdup_null(proxy);
    context->http = http_new(base, CONNECTIONS_KEPT, fault);
    context->crew = context->http ? crew_new(base, fault) : NULL;
    if (context->crew) {
        context->tokens = tokens_new(base, context->http);
        return 0;
    }
    adapter_context_release(context);
    return -1;
}

void adapter_context_release(struct adapter_context *context)
{
    if (!context)
        return;
    crew_free(context->crew);
    tokens_free(context->tokens);
    http_free(context->http);
    free(context->proxy);
    context->crew = NULL;
    context->tokens = NULL;
    context->http = NULL;
    context->proxy = NULL;
}
