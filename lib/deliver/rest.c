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
 * the destination says {token}, and nowhere else. GET, HEAD and OPTIONS send no body. Redirects are not
 * followed. Nothing of a secret that a response repeats goes into the outcome.
 *
 *   start --> (OAuth2: waits for a token) --> request --> reported
 *                       ^---- 401, the first time: the token is forgotten
 *
 * Both requests, and the wait, are within one timeout_ms.
 */
#include "placeholders.h"
#include "pending.h"

#include <stdlib.h>
#include <string.h>
#include "ceilings.h"
#include "clock.h"
#include "excerpt.h"
#include "http.h"
#include "oauth2.h"
#include "rest_headers.h"
#include "secret.h"
#include "xalloc.h"

/* What came instead of a status. */
static const enum outcome_event events[] = {
    [HTTP_TIMEOUT] = EVENT_TIMEOUT, [HTTP_CONNECT] = EVENT_CONNECT,
    [HTTP_TLS] = EVENT_TLS,         [HTTP_REFUSED_ADDRESS] = EVENT_REFUSED_ADDRESS,
    [HTTP_BROKEN] = EVENT_BROKEN,   [HTTP_BAD_REQUEST] = EVENT_CONFIGURATION,
    [HTTP_SHORTAGE] = EVENT_SYSTEM,
};

struct rest {
    struct pending pending; /* first */
    struct adapter_context *context;
    struct http_transfer *transfer;
    struct token_wait *waiting;
    int64_t deadline_ms;
    char *basic; /* the credentials as they were sent, or NULL */
    char *token; /* of OAuth2, or NULL */
    bool again;  /* it is the second request */
    bool trial;  /* nothing is sent: of a check */
};

static void rest_free(struct pending *pending)
{
    struct rest *rest = (struct rest *)pending;

    if (rest->transfer)
        http_cancel(rest->transfer);
    if (rest->waiting)
        tokens_cancel(rest->waiting);
    secret_wipe(rest->basic);
    secret_wipe(rest->token);
    pending_release(pending);
    free(rest);
}

/* The proxy of the destination, or of the setting. */
static const char *proxy_of(const struct rest *rest)
{
    const char *own = rest->pending.attempt.destination->proxy;

    if (!own)
        return rest->context->proxy;
    return strcmp(own, "direct") == 0 ? NULL : own;
}

static struct token_request token_request_of(const struct rest *rest)
{
    const struct attempt *attempt = &rest->pending.attempt;

    return (struct token_request){
        .destination = attempt->destination,
        .secret = attempt->secret,
        .proxy = proxy_of(rest),
        .guard = attempt_guard(rest->context, attempt),
        .deadline_ms = rest->deadline_ms,
    };
}

/* The answer */

/* A server that shows the request it got shows its secrets too. */
static void mask_secrets(struct rest *rest, struct buf *said)
{
    const struct secret *secret = rest->pending.attempt.secret;

    if (!secret)
        return;
    excerpt_mask_secret(said, secret);
    excerpt_mask(said, rest->basic);
    excerpt_mask(said, rest->token);
}

/*
 * "HTTP 503 Service Unavailable: no disk". A redirect's body repeats the whole target, whose path and query
 * may be secrets: only where it leads is said.
 */
static void set_answered(struct rest *rest, const struct http_response *response)
{
    const struct answer *answer = outcomes_by_code(&outcomes_rest, response->status);
    struct outcome *outcome = &rest->pending.outcome;
    char line[EXCERPT_SIZE] = "";
    const char *more = line;

    if (response->redirect[0])
        more = response->redirect;
    else if (response->status < 300 || response->status > 399)
        excerpt_first_line(&outcome->response, line);
    if (answer->kind == OUTCOME_DELIVERED)
        pending_set(&rest->pending, answer, response->status, "%s", "");
    else
        pending_set(&rest->pending, answer, response->status, "HTTP %d %s%s%s%s", response->status,
                    answer->meaning, *more ? ": " : "", response->redirect[0] ? "to " : "", more);
    outcome->retry_after_ms = response->retry_after_ms;
    outcome->gone = outcome->gone && !rest->pending.attempt.destination->gone_rejects;
}

static void ask_token(struct rest *rest);

static void on_response(void *arg, struct http_response *response)
{
    struct rest *rest = arg;
    struct outcome *outcome = &rest->pending.outcome;

    rest->transfer = NULL; /* it is gone when this returns */
    if (rest->token && response->status == 401 && !rest->again) {
        const struct token_request request = token_request_of(rest);
        tokens_refuse(rest->context->tokens, &request, rest->token);
        rest->again = true;
        ask_token(rest);
        return;
    }
    buf_add(&outcome->response, response->body.data, response->body.len);
    mask_secrets(rest, &outcome->response);
    if (response->result == HTTP_ANSWERED)
        set_answered(rest, response);
    else
        pending_set_event(&rest->pending, events[response->result], "%s", response->text);
    pending_report(&rest->pending);
}

/* Of a check. */
static void on_connected(void *arg, struct http_response *response)
{
    struct rest *rest = arg;

    rest->transfer = NULL;
    if (response->result == HTTP_ANSWERED)
        outcome_set(&rest->pending.outcome, OUTCOME_DELIVERED, 0, "connected", "%s", "");
    else
        pending_set_event(&rest->pending, events[response->result], "%s", response->text);
    pending_report(&rest->pending);
}

/* The request */

static enum http_version version_of(const char *word)
{
    if (word && strcmp(word, "1.1") == 0)
        return HTTP_VERSION_1_1;
    if (word && strcmp(word, "2-prior-knowledge") == 0)
        return HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    return word ? HTTP_VERSION_2 : HTTP_VERSION_AUTO;
}

static bool method_has_body(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "OPTIONS") != 0;
}

/* What goes for every request of the destination. */
static struct http_request request_of(const struct rest *rest)
{
    const struct destination *destination = rest->pending.attempt.destination;
    int64_t left_ms = rest->deadline_ms - clock_mono_ms();

    return (struct http_request){
        .method = destination->method,
        .timeout_ms = left_ms > 1 ? left_ms : 1,
        .guard = attempt_guard(rest->context, &rest->pending.attempt),
        .proxy = proxy_of(rest),
        .version = version_of(destination->http_version),
        .ca_file = destination->ca_file,
        .cert_file = destination->cert_file,
        .key_file = destination->key_file,
        .max_response = LIMIT_RESPONSE,
    };
}

/* `what` is wrong with the form for this report. */
static int make_request(struct rest *rest, struct buf *url, struct header_list *headers, bool with_body,
                        const char **what, struct fault *fault)
{
    const struct attempt *attempt = &rest->pending.attempt;
    struct placeholders values = attempt_placeholders(attempt, false);

    *what = "endpoint";
    if (placeholders_expand(attempt->destination->endpoint, &values, ESCAPE_URL, url, fault) < 0)
        return -1;
    *what = "headers";
    if (header_list_make(headers, attempt, with_body, rest->token, fault) < 0)
        return -1;
    secret_wipe(rest->basic);
    rest->basic = xstrdup_null(headers->credential);
    return 0;
}

/* The outcome that it finds at once comes from the loop's next turn. */
static void send_request(struct rest *rest)
{
    const struct attempt *attempt = &rest->pending.attempt;
    bool with_body = method_has_body(attempt->destination->method);
    struct header_list headers = {0};
    struct fault fault = {0};
    const char *what;
    struct buf url;

    buf_init(&url, LIMIT_URL);
    if (make_request(rest, &url, &headers, with_body, &what, &fault) < 0) {
        pending_set_misconfigured(&rest->pending, what, &fault);
        pending_report_later(&rest->pending);
    } else {
        struct http_request request = request_of(rest);
        request.url = url.data;
        request.headers = (const char *const *)headers.lines;
        request.body = with_body ? attempt->body : NULL;
        request.body_size = with_body ? attempt->body_size : 0;
        rest->transfer = http_start(rest->context->http, &request, on_response, rest);
    }
    header_list_release(&headers);
    buf_release(&url);
}

/* Name, connection and TLS: no request has no effect for sure. */
static void connect_only(struct rest *rest)
{
    const char *endpoint = rest->pending.attempt.destination->endpoint;
    const char *host = strstr(endpoint, "://") + 3;
    char *url = xmemdupz(endpoint, (size_t)(host - endpoint) + strcspn(host, "/?")); /* no placeholders */
    struct http_request request = request_of(rest);

    request.method = "GET";
    request.url = url;
    request.connect_only = true;
    rest->transfer = http_start(rest->context->http, &request, on_connected, rest);
    free(url);
}

static void proceed(struct rest *rest)
{
    if (rest->trial)
        connect_only(rest);
    else
        send_request(rest);
}

static void on_token(void *arg, const struct token_answer *answer)
{
    struct rest *rest = arg;

    rest->waiting = NULL;
    if (answer->token) {
        secret_wipe(rest->token);
        rest->token = xstrdup(answer->token);
        proceed(rest);
        return;
    }
    pending_set_event(&rest->pending, answer->event, "%s", answer->text);
    rest->pending.outcome.retry_after_ms = answer->retry_after_ms;
    pending_report(&rest->pending);
}

static void ask_token(struct rest *rest)
{
    const struct token_request request = token_request_of(rest);

    rest->waiting = tokens_ask(rest->context->tokens, &request, on_token, rest);
}

static void begin(struct rest *rest)
{
    const struct secret *secret = rest->pending.attempt.secret;
    struct fault fault = {0};

    if (rest->pending.attempt.destination->auth != AUTH_OAUTH2) {
        proceed(rest);
    } else if (secret && secret->client_id && secret->client_secret) {
        ask_token(rest);
    } else {
        fault_set(&fault, FAULT_CONFIG, "the credentials have no 'client_id' with 'client_secret'");
        pending_set_misconfigured(&rest->pending, "auth", &fault);
        pending_report_later(&rest->pending);
    }
}

static struct rest *rest_new(struct adapter_context *context, const struct attempt *attempt,
                             attempt_done done, void *arg)
{
    struct rest *rest = xcalloc(1, sizeof *rest);

    pending_init(&rest->pending, &adapter_rest, context, attempt, done, arg, rest_free);
    rest->context = context;
    rest->deadline_ms = clock_mono_ms() + attempt->destination->timeout_ms;
    return rest;
}

static struct attempt_handle *rest_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    struct rest *rest = rest_new(context, attempt, done, arg);

    begin(rest);
    return &rest->pending.handle;
}

static void rest_cancel(struct attempt_handle *handle)
{
    rest_free((struct pending *)handle);
}

/* A token is asked for too: it is how we are let in. */
static int rest_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    struct pending_trial trial = {.fault = fault};
    const struct attempt attempt = {.destination = destination, .secret = secret};
    struct rest *rest = rest_new(context, &attempt, pending_trial_done, &trial);

    rest->trial = true;
    begin(rest);
    return pending_trial_run(&trial, context);
}

const struct adapter adapter_rest = {PROTOCOL_REST, &outcomes_rest, rest_start, rest_cancel, rest_check};
