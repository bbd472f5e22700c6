/*
 * rest - one HTTP request: the body to the endpoint
 *
 *   POST /webhook HTTP/1.1
 *   Content-Type: application/json            of the body; not where none is sent
 *   Idempotency-Key: 0190b2c4-...             the delivery's id, the same on every attempt
 *   X-Distribution-ID: dist-uuid-123
 *   Authorization: Basic ...                  where the credentials have a user name and a password
 *
 * Each of these only where the destination's own headers do not have it. A token is put where the destination
 * says {token}, and nowhere else. GET, HEAD and OPTIONS send no body. Redirects are not followed. Nothing of
 * a secret that a response repeats goes into the outcome.
 */
#include "placeholders.h"
#include "pending.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "excerpt.h"
#include "http.h"
#include "ceilings.h"
#include "secret.h"
#include "text.h"
#include "xalloc.h"

/* What came instead of a status. */
static const enum outcome_event events[] = {
    [HTTP_TIMEOUT] = EVENT_TIMEOUT, [HTTP_CONNECT] = EVENT_CONNECT,
    [HTTP_TLS] = EVENT_TLS,         [HTTP_REFUSED_ADDRESS] = EVENT_REFUSED_ADDRESS,
    [HTTP_BROKEN] = EVENT_BROKEN,   [HTTP_BAD_REQUEST] = EVENT_CONFIGURATION,
    [HTTP_SHORTAGE] = EVENT_SYSTEM,
};

enum {
    OWN_HEADERS = 4,              /* those at the head of this file */
    HEADER_MAX = 4 * LIMIT_SECRET /* Basic: a user name and a password in base64 */
};

struct rest {
    struct pending pending; /* first */
    struct http_transfer *transfer;
    char *basic; /* the credentials as they were sent, or NULL */
};

struct header_list {
    char **lines; /* ended by NULL */
    size_t count;
};

static void rest_free(struct pending *pending)
{
    struct rest *rest = (struct rest *)pending;

    if (rest->transfer)
        http_cancel(rest->transfer);
    secret_wipe(rest->basic);
    pending_release(pending);
    free(rest);
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
}

static void on_response(void *arg, struct http_response *response)
{
    struct rest *rest = arg;
    struct outcome *outcome = &rest->pending.outcome;

    rest->transfer = NULL; /* it is gone when this returns */
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

static bool has_header(json_t *headers, const char *name)
{
    const char *key;
    json_t *value;

    json_object_foreach (headers, key, value) {
        if (strcasecmp(key, name) == 0)
            return true;
    }
    return false;
}

/* Unless the destination has one of its own. */
static void add_header(struct rest *rest, struct header_list *list, const char *name, const char *value)
{
    if (value && !has_header(rest->pending.attempt.destination->headers, name))
        list->lines[list->count++] = xasprintf("%s: %s", name, value);
}

static void add_authorization(struct rest *rest, struct header_list *list)
{
    const struct secret *secret = rest->pending.attempt.secret;
    struct buf encoded;

    if (!secret || !secret->username || !secret->password ||
        has_header(rest->pending.attempt.destination->headers, "Authorization"))
        return;
    char *pair = xasprintf("%s:%s", secret->username, secret->password);
    buf_init(&encoded, HEADER_MAX);
    text_add_base64(&encoded, pair, strlen(pair));
    rest->basic = xmemdupz(encoded.data, encoded.len);
    list->lines[list->count++] = xasprintf("Authorization: Basic %s", rest->basic);
    explicit_bzero(encoded.data, encoded.len);
    buf_release(&encoded);
    secret_wipe(pair);
}

static int add_configured(struct rest *rest, struct header_list *list, struct fault *fault)
{
    struct placeholders values = pending_placeholders(&rest->pending, true);
    const char *name;
    json_t *pattern;

    json_object_foreach (rest->pending.attempt.destination->headers, name, pattern) {
        struct buf line;
        buf_init(&line, HEADER_MAX);
        buf_addf(&line, "%s: ", name);
        int result = placeholders_expand(json_string_value(pattern), &values, ESCAPE_NONE, &line, fault);
        if (result == 0)
            list->lines[list->count++] = xmemdupz(line.data, line.len);
        if (line.len)
            explicit_bzero(line.data, line.len);
        buf_release(&line);
        if (result < 0)
            return fault_wrap(fault, "header %s", name);
    }
    return 0;
}

static void add_body_headers(struct rest *rest, struct header_list *list)
{
    const struct attempt *attempt = &rest->pending.attempt;
    const char *name;
    json_t *value;

    add_header(rest, list, "Content-Type", attempt->content_type);
    json_object_foreach ((json_t *)attempt->headers, name, value)
        add_header(rest, list, name, json_string_value(value));
}

static int add_headers(struct rest *rest, struct header_list *list, bool with_body, struct fault *fault)
{
    const struct attempt *attempt = &rest->pending.attempt;

    list->lines = xcalloc(json_object_size(attempt->destination->headers) +
                              json_object_size(attempt->headers) + OWN_HEADERS + 1,
                          sizeof *list->lines);
    if (with_body)
        add_body_headers(rest, list);
    add_header(rest, list, "Idempotency-Key", attempt->message_id);
    add_header(rest, list, "X-Distribution-ID", attempt->distribution_id);
    add_authorization(rest, list);
    return add_configured(rest, list, fault);
}

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

static struct attempt_handle *rest_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    const struct destination *destination = attempt->destination;
    struct rest *rest = xcalloc(1, sizeof *rest);
    struct placeholders values;
    struct header_list headers = {0};
    struct fault fault = {0};
    struct buf url;

    pending_init(&rest->pending, &adapter_rest, context, attempt, done, arg, rest_free);
    values = pending_placeholders(&rest->pending, false);
    bool with_body = method_has_body(destination->method);
    buf_init(&url, LIMIT_URL);
    if (placeholders_expand(destination->endpoint, &values, ESCAPE_URL, &url, &fault) < 0) {
        pending_set_misconfigured(&rest->pending, "endpoint", &fault);
        pending_report_later(&rest->pending);
    } else if (add_headers(rest, &headers, with_body, &fault) < 0) {
        pending_set_misconfigured(&rest->pending, "headers", &fault);
        pending_report_later(&rest->pending);
    } else {
        const struct http_request request = {
            .method = destination->method,
            .url = url.data,
            .headers = (const char *const *)headers.lines,
            .body = with_body ? attempt->body : NULL,
            .body_size = with_body ? attempt->body_size : 0,
            .timeout_ms = destination->timeout_ms,
            .allow_private = context->allow_private || destination->allow_private,
            .version = version_of(destination->http_version),
            .ca_file = destination->ca_file,
            .cert_file = destination->cert_file,
            .key_file = destination->key_file,
            .max_response = LIMIT_RESPONSE,
        };
        rest->transfer = http_start(context->http, &request, on_response, rest);
    }
    for (size_t i = 0; i < headers.count; i++)
        secret_wipe(headers.lines[i]);
    free(headers.lines);
    buf_release(&url);
    return &rest->pending.handle;
}

static void rest_cancel(struct attempt_handle *handle)
{
    rest_free((struct pending *)handle);
}

/* Name, connection and TLS: no request has no effect for sure. */
static int rest_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    struct pending_trial trial = {.fault = fault};
    const struct attempt attempt = {.destination = destination, .secret = secret};
    struct rest *rest = xcalloc(1, sizeof *rest);
    const char *host = strstr(destination->endpoint, "://") + 3;
    char *url = xmemdupz(destination->endpoint, (size_t)(host - destination->endpoint) +
                                                    strcspn(host, "/?")); /* without placeholders */

    pending_init(&rest->pending, &adapter_rest, context, &attempt, pending_trial_done, &trial, rest_free);
    const struct http_request request = {
        .method = "GET",
        .url = url,
        .timeout_ms = destination->timeout_ms,
        .allow_private = context->allow_private || destination->allow_private,
        .version = version_of(destination->http_version),
        .ca_file = destination->ca_file,
        .cert_file = destination->cert_file,
        .key_file = destination->key_file,
        .connect_only = true,
    };
    rest->transfer = http_start(context->http, &request, on_connected, rest);
    free(url);
    return pending_trial_run(&trial, context);
}

const struct adapter adapter_rest = {PROTOCOL_REST, &outcomes_rest, rest_start, rest_cancel, rest_check};
