/*
 * exchange - see exchange.h
 *
 * Each request is made anew, so that what is bound to its time (a token, a signature, a timestamp) is fresh.
 */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include "ceilings.h"
#include "clock.h"
#include "excerpt.h"
#include "exchange_headers.h"
#include "http_event.h"
#include "oauth2.h"
#include "placeholders.h"
#include "secret.h"
#include "xalloc.h"

static void exchange_free(struct pending *pending)
{
    struct exchange *exchange = (struct exchange *)pending;

    if (exchange->transfer)
        http_cancel(exchange->transfer);
    if (exchange->waiting)
        tokens_cancel(exchange->waiting);
    secret_wipe(exchange->basic);
    secret_wipe(exchange->token);
    secret_wipe(exchange->proof);
    if (exchange->kind->release)
        exchange->kind->release(exchange);
    pending_release(pending);
    free(exchange);
}

static struct token_request token_request_of(const struct exchange *exchange)
{
    const struct attempt *attempt = &exchange->pending.attempt;

    return (struct token_request){
        .destination = attempt->destination,
        .secret = attempt->secret,
        .proxy = attempt_proxy(exchange->context, attempt),
        .guard = attempt_guard(exchange->context, attempt),
        .deadline_ms = exchange->deadline_ms,
    };
}

/* The answer */

/* A server that shows the request it got shows its secrets too. */
void exchange_mask(const struct exchange *exchange, struct buf *said)
{
    const struct secret *secret = exchange->pending.attempt.secret;

    if (!secret)
        return;
    excerpt_mask_secret(said, secret);
    excerpt_mask(said, exchange->basic);
    excerpt_mask(said, exchange->token);
    excerpt_mask(said, exchange->proof);
}

void exchange_judge(struct exchange *exchange, const struct http_response *response, const struct answer *row,
                    const char *text)
{
    struct outcome *outcome = &exchange->pending.outcome;

    pending_set(&exchange->pending, row, response->status, "%s", text);
    outcome->retry_after_ms = response->retry_after_ms;
    outcome->gone = outcome->gone && !exchange->pending.attempt.destination->gone_rejects;
}

/*
 * "HTTP 503 Service Unavailable: no disk". A redirect's body repeats the whole target, whose path and query
 * may be secrets: only where it leads is said.
 */
void exchange_judge_status(struct exchange *exchange, const struct http_response *response)
{
    const struct answer *row = outcomes_by_code(exchange->kind->adapter->outcomes, response->status);
    char line[EXCERPT_SIZE] = "";
    const char *more = line;

    if (row->kind == OUTCOME_DELIVERED) {
        exchange_judge(exchange, response, row, "");
        return;
    }
    if (response->redirect[0])
        more = response->redirect;
    else if (response->status < 300 || response->status > 399)
        excerpt_first_line(&exchange->pending.outcome.response, line);
    char *text = xasprintf("HTTP %d %s%s%s%s", response->status, row->meaning, *more ? ": " : "",
                           response->redirect[0] ? "to " : "", more);
    exchange_judge(exchange, response, row, text);
    free(text);
}

static void ask_token(struct exchange *exchange);

static void on_response(void *arg, struct http_response *response)
{
    struct exchange *exchange = arg;
    struct outcome *outcome = &exchange->pending.outcome;

    exchange->transfer = NULL; /* it is gone when this returns */
    if (exchange->token && response->status == 401 && !exchange->again) {
        const struct token_request request = token_request_of(exchange);
        tokens_refuse(exchange->context->tokens, &request, exchange->token);
        exchange->again = true;
        ask_token(exchange);
        return;
    }
    buf_add(&outcome->response, response->body.data,
            response->body.len < outcome->response.max ? response->body.len : outcome->response.max);
    exchange_mask(exchange, &outcome->response);
    if (response->result == HTTP_ANSWERED && exchange->kind->judge)
        exchange->kind->judge(exchange, response);
    else if (response->result == HTTP_ANSWERED)
        exchange_judge_status(exchange, response);
    else
        pending_set_event(&exchange->pending, http_event(response->result), "%s", response->text);
    pending_report(&exchange->pending);
}

/* Of a check. */
static void on_connected(void *arg, struct http_response *response)
{
    struct exchange *exchange = arg;

    exchange->transfer = NULL;
    if (response->result == HTTP_ANSWERED)
        outcome_set(&exchange->pending.outcome, OUTCOME_DELIVERED, 0, "connected", "%s", "");
    else
        pending_set_event(&exchange->pending, http_event(response->result), "%s", response->text);
    pending_report(&exchange->pending);
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
static struct http_request request_of(const struct exchange *exchange)
{
    const struct destination *destination = exchange->pending.attempt.destination;
    int64_t left_ms = exchange->deadline_ms - clock_mono_ms();

    return (struct http_request){
        .method = destination->method,
        .timeout_ms = left_ms > 1 ? left_ms : 1,
        .guard = attempt_guard(exchange->context, &exchange->pending.attempt),
        .proxy = attempt_proxy(exchange->context, &exchange->pending.attempt),
        .version = version_of(destination->http_version),
        .ca_file = destination->ca_file,
        .cert_file = destination->cert_file,
        .key_file = destination->key_file,
        .max_response = exchange->kind->max_response,
    };
}

/* `what` is wrong with the form, or with the body, for this report. */
static int make_request(struct exchange *exchange, struct attempt *sent, struct buf *url,
                        struct header_list *headers, const char **what, struct fault *fault)
{
    const struct exchange_kind *kind = exchange->kind;
    struct placeholders values = attempt_placeholders(sent, false);

    *what = "endpoint";
    if (placeholders_expand(sent->destination->endpoint, &values, ESCAPE_URL, url, fault) < 0)
        return -1;
    *what = NULL;
    if (kind->prepare && kind->prepare(exchange, url->data, sent, fault) < 0)
        return -1;
    *what = "headers";
    if (header_list_make(headers, sent, method_has_body(sent->destination->method), exchange->token, fault) <
        0)
        return -1;
    secret_wipe(exchange->basic);
    exchange->basic = xstrdup_null(headers->credential);
    return 0;
}

static void refuse_request(struct exchange *exchange, const char *what, const struct fault *fault)
{
    if (what)
        pending_set_misconfigured(&exchange->pending, what, fault);
    else
        pending_set_event(&exchange->pending,
                          fault->class == FAULT_INPUT    ? EVENT_BODY
                          : fault->class == FAULT_DENIED ? EVENT_CREDENTIALS
                                                         : EVENT_CONFIGURATION,
                          "%s", fault->text);
    pending_report_later(&exchange->pending);
}

/* The outcome that it finds at once comes from the loop's next turn. */
static void send_request(struct exchange *exchange)
{
    struct attempt sent = exchange->pending.attempt;
    struct header_list headers = {0};
    struct fault fault = {0};
    const char *what;
    struct buf url;

    buf_init(&url, LIMIT_URL);
    if (make_request(exchange, &sent, &url, &headers, &what, &fault) < 0) {
        refuse_request(exchange, what, &fault);
    } else {
        struct http_request request = request_of(exchange);
        bool with_body = method_has_body(request.method);
        request.url = url.data;
        request.headers = (const char *const *)headers.lines;
        request.body = with_body ? sent.body : NULL;
        request.body_size = with_body ? sent.body_size : 0;
        exchange->transfer = http_start(exchange->context->http, &request, on_response, exchange);
    }
    header_list_release(&headers);
    buf_release(&url);
}

/* Whether the credentials have what the form takes of them, seen by fields that are made and not sent. */
static int check_headers(const struct exchange *exchange, struct fault *fault)
{
    struct attempt made = exchange->pending.attempt;
    struct header_list headers = {0};

    made.message_id = made.distribution_id = made.tenant_id = made.data_type = made.date = "check";
    int result = header_list_make(&headers, &made, false, exchange->token, fault);
    header_list_release(&headers);
    return result;
}

/* Name, connection and TLS: no request has no effect for sure. */
static void connect_only(struct exchange *exchange)
{
    const char *endpoint = exchange->pending.attempt.destination->endpoint;
    const char *host = strstr(endpoint, "://") + 3;
    char *url = xmemdupz(endpoint, (size_t)(host - endpoint) + strcspn(host, "/?")); /* no placeholders */
    struct http_request request = request_of(exchange);
    struct fault fault = {0};

    if (check_headers(exchange, &fault) < 0) {
        free(url);
        refuse_request(exchange, "headers", &fault);
        return;
    }
    request.method = "GET";
    request.url = url;
    request.connect_only = true;
    exchange->transfer = http_start(exchange->context->http, &request, on_connected, exchange);
    free(url);
}

static void proceed(struct exchange *exchange)
{
    if (exchange->trial)
        connect_only(exchange);
    else
        send_request(exchange);
}

static void on_token(void *arg, const struct token_answer *answer)
{
    struct exchange *exchange = arg;

    exchange->waiting = NULL;
    if (answer->token) {
        secret_wipe(exchange->token);
        exchange->token = xstrdup(answer->token);
        proceed(exchange);
        return;
    }
    pending_set_event(&exchange->pending, answer->event, "%s", answer->text);
    exchange->pending.outcome.retry_after_ms = answer->retry_after_ms;
    pending_report(&exchange->pending);
}

static void ask_token(struct exchange *exchange)
{
    const struct token_request request = token_request_of(exchange);

    exchange->waiting = tokens_ask(exchange->context->tokens, &request, on_token, exchange);
}

void exchange_begin(struct exchange *exchange)
{
    const struct secret *secret = exchange->pending.attempt.secret;
    struct fault fault = {0};

    if (exchange->pending.attempt.destination->auth != AUTH_OAUTH2) {
        proceed(exchange);
    } else if (secret && secret->client_id && secret->client_secret) {
        ask_token(exchange);
    } else {
        fault_set(&fault, FAULT_DENIED, "the credentials have no 'client_id' with 'client_secret'");
        pending_set_misconfigured(&exchange->pending, "auth", &fault);
        pending_report_later(&exchange->pending);
    }
}

void exchange_init(struct exchange *exchange, const struct exchange_kind *kind,
                   struct adapter_context *context, const struct attempt *attempt, attempt_done done,
                   void *arg)
{
    pending_init(&exchange->pending, kind->adapter, context, attempt, done, arg, exchange_free);
    exchange->kind = kind;
    exchange->context = context;
    exchange->deadline_ms = clock_mono_ms() + attempt->destination->timeout_ms;
}

void exchange_cancel(struct attempt_handle *handle)
{
    exchange_free((struct pending *)handle);
}

/* A token is asked for too: it is how we are let in. */
int exchange_check(struct exchange *exchange, struct pending_trial *trial)
{
    struct adapter_context *context = exchange->context;

    exchange->trial = true;
    exchange_begin(exchange);
    return pending_trial_run(trial, context);
}
