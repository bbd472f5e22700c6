/*
 * rest - one HTTP request: the body to the endpoint
 *
 *   POST /webhook HTTP/1.1
 *   Content-Type: application/json            of the body; not where none is sent
 *   Idempotency-Key: 0190b2c4-...             the delivery's id, the same on every attempt
 *   X-Distribution-ID: dist-uuid-123
 *   traceparent: 00-4bf9...-00f0...-01        see trace.h
 *   Authorization: Basic ...                  where the credentials have a user name and a password, or as
 *                                             the form's "auth" says: Bearer, or a key in another field
 *   webhook-id: 0190b2c4-...                  these three where the form has "signing": see signing.h
 *   webhook-timestamp: 1674087231
 *   webhook-signature: v1,K5oZfzN9...
 *
 * Each of these only where the destination's own headers do not have it. Without "auth" a token is put where
 * the destination says {token}, and nowhere else. GET, HEAD and OPTIONS send no body. All else is told in
 * exchange.h.
 */
#include "exchange.h"

#include "ceilings.h"
#include "xalloc.h"

static const struct exchange_kind kind = {.adapter = &adapter_rest, .max_response = LIMIT_RESPONSE};

static struct exchange *rest_new(struct adapter_context *context, const struct attempt *attempt,
                                 attempt_done done, void *arg)
{
    struct exchange *exchange = xcalloc(1, sizeof *exchange);

    exchange_init(exchange, &kind, context, attempt, done, arg);
    return exchange;
}

static struct attempt_handle *rest_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    struct exchange *exchange = rest_new(context, attempt, done, arg);

    exchange_begin(exchange);
    return &exchange->pending.handle;
}

static int rest_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    struct pending_trial trial = {.fault = fault};
    const struct attempt attempt = {.destination = destination, .secret = secret};

    return exchange_check(rest_new(context, &attempt, pending_trial_done, &trial), &trial);
}

const struct adapter adapter_rest = {PROTOCOL_REST, &outcomes_rest, rest_start, exchange_cancel, rest_check};
