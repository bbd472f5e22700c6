/*
 * soap - one HTTP request whose body is an envelope, and an answer that may be a fault
 *
 *   POST /reports HTTP/1.1
 *   Content-Type: application/soap+xml; charset=utf-8; action="urn:example:submit"    1.2
 *   Content-Type: text/xml; charset=utf-8                                             1.1
 *   SOAPAction: "urn:example:submit"                                                  1.1
 *   Idempotency-Key: 0190b2c4-...             and the other fields of exchange_headers.h
 *
 * A body that is an envelope of the version is taken as it is; any other XML becomes the content of soap:Body
 * (soap_envelope.h). The header gets, where the form says so, a UsernameToken and what WS-Addressing has
 * (soap_header.h): made for each request, so that no receiver sees a nonce twice. The rest is the same on
 * every attempt.
 *
 * Of the answer a fault counts, whatever the status is, with two exceptions, in which HTTP itself speaks: 401
 * and 407, and the statuses that say that it is asked too much. Without a fault the status counts.
 */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "ceilings.h"
#include "clock.h"
#include "placeholders.h"
#include "rng.h"
#include "secret.h"
#include "soap_fault.h"
#include "soap_header.h"
#include "text.h"
#include "xalloc.h"

enum {
    ACTION_SIZE = 8 * 1024,
    BLOCKS_MAX = 16 * LIMIT_SECRET + 8 * LIMIT_URL + 4096, /* each character may become a reference */
    CHARSET_SIZE = 20,
};

struct soap {
    struct exchange exchange; /* first */
    struct soap_envelope envelope;
    char *content_type;
    json_t *headers;
};

static void soap_release(struct exchange *exchange)
{
    struct soap *soap = (struct soap *)exchange;

    soap_envelope_release(&soap->envelope);
    free(soap->content_type);
    json_decref(soap->headers);
}

/* The request */

/* text/xml, application/xml, application/soap+xml, ...: RFC 7303 section 4.2. */
static bool is_xml(const char *type)
{
    size_t size = strcspn(type, "; \t");

    if (size == 8 && strncasecmp(type, "text/xml", 8) == 0)
        return true;
    if (size == 15 && strncasecmp(type, "application/xml", 15) == 0)
        return true;
    return size > 4 && strncasecmp(type + size - 4, "+xml", 4) == 0;
}

/* The value of the parameter `name` ("charset="), without its quotes; "" where there is none. */
static void get_parameter(const char *type, const char *name, char *value, size_t size)
{
    const char *at = strcasestr(type, name);

    value[0] = '\0';
    if (!at || at == type || !strchr("; \t", at[-1]))
        return;
    at += strlen(name);
    bool quoted = *at == '"';
    size_t length = quoted ? strcspn(++at, "\"") : strcspn(at, "; \t");
    snprintf(value, size, "%.*s", (int)(length < size ? length : size - 1), at);
}

/* That of the form, or else the one that the format gave. */
static int find_action(const struct attempt *sent, struct buf *action, struct fault *fault)
{
    const struct destination_soap *form = &sent->destination->soap;
    const char *given = json_string_value(json_object_get(sent->headers, "SOAPAction"));
    struct placeholders values = attempt_placeholders(sent, false);
    char of_type[ACTION_SIZE];

    if (form->action) {
        if (placeholders_expand(form->action, &values, ESCAPE_URL, action, fault) < 0)
            return fault_wrap(fault, "action");
    } else if (form->is_12) {
        get_parameter(sent->content_type, "action=", of_type, sizeof of_type);
        buf_adds(action, of_type);
    } else if (given && *given == '"') {
        buf_add(action, given + 1, strcspn(given + 1, "\""));
    }
    return 0;
}

static int add_security(struct soap *soap, const struct attempt *sent, enum soap_version version,
                        struct buf *blocks, struct fault *fault)
{
    const struct destination_soap *form = &sent->destination->soap;
    const struct secret *secret = sent->secret;
    char proof[SOAP_PROOF_SIZE];

    if (form->password == SOAP_PASSWORD_NONE)
        return 0;
    if (!secret || !secret->username || !secret->password)
        return fault_set(fault, FAULT_DENIED, "security: the credentials have no 'username' with 'password'");
    struct soap_token token = {.username = secret->username,
                               .password = secret->password,
                               .digest = form->password == SOAP_PASSWORD_DIGEST,
                               .timestamp = form->timestamp,
                               .created_us = clock_wall_us(),
                               .lifetime_ms = form->lifetime_ms};
    rng_bytes(token.nonce, sizeof token.nonce);
    if (soap_header_add_security(blocks, &token, version, proof, fault))
        return fault_wrap(fault, "security");
    secret_wipe(soap->exchange.proof);
    soap->exchange.proof = *proof ? xstrdup(proof) : NULL;
    return 0;
}

static int add_blocks(struct soap *soap, const struct attempt *sent, const char *url, const char *action,
                      struct buf *blocks, struct fault *fault)
{
    const struct destination_soap *form = &sent->destination->soap;
    enum soap_version version = form->is_12 ? SOAP_1_2 : SOAP_1_1;
    const struct soap_address address = {.to = url, .action = action, .message_id = sent->message_id};

    if (form->addressing && soap_header_add_addressing(blocks, &address, version, fault))
        return fault_wrap(fault, "addressing");
    return add_security(soap, sent, version, blocks, fault);
}

static void set_types(struct soap *soap, struct attempt *sent, const char *action)
{
    const char *encoding = soap->envelope.encoding;

    free(soap->content_type);
    json_decref(soap->headers);
    soap->headers = sent->headers ? json_copy((json_t *)sent->headers) : json_object();
    if (!soap->headers)
        abort(); /* out of memory, as in xalloc */
    json_object_del(soap->headers, "SOAPAction");
    if (!sent->destination->soap.is_12) {
        char *quoted = xasprintf("\"%s\"", action);
        json_object_set_new(soap->headers, "SOAPAction", json_string(quoted));
        free(quoted);
        soap->content_type = xasprintf("text/xml; charset=%s", encoding);
    } else if (*action) {
        soap->content_type = xasprintf("application/soap+xml; charset=%s; action=\"%s\"", encoding, action);
    } else {
        soap->content_type = xasprintf("application/soap+xml; charset=%s", encoding);
    }
    sent->headers = soap->headers;
    sent->content_type = soap->content_type;
}

static int make_envelope(struct soap *soap, const struct attempt *sent, const char *blocks,
                         struct fault *fault)
{
    enum soap_version version = sent->destination->soap.is_12 ? SOAP_1_2 : SOAP_1_1;
    char charset[CHARSET_SIZE], type[60];

    if (!is_xml(sent->content_type)) {
        text_copy(type, sizeof type, sent->content_type);
        return fault_set(
            fault, FAULT_INPUT,
            "the body is '%s', and XML is wanted; \"format\": \"soap\" makes an envelope of a report "
            "in JSON",
            text_printable(type));
    }
    if (json_object_get(sent->headers, "Content-Encoding"))
        return fault_set(fault, FAULT_INPUT, "the body is compressed");
    get_parameter(sent->content_type, "charset=", charset, sizeof charset);
    const struct soap_report report = {.data = sent->body, .size = sent->body_size, .charset = charset};
    soap_envelope_release(&soap->envelope);
    return soap_envelope_make(&report, version, blocks, &soap->envelope, fault);
}

static int soap_prepare(struct exchange *exchange, const char *url, struct attempt *sent, struct fault *fault)
{
    struct soap *soap = (struct soap *)exchange;
    struct buf action, blocks;

    if (!sent->content_type)
        sent->content_type = "";
    buf_init(&action, ACTION_SIZE);
    buf_init(&blocks, BLOCKS_MAX);
    int result = find_action(sent, &action, fault);
    if (result == 0)
        result = add_blocks(soap, sent, url, action.data, &blocks, fault);
    if (result == 0)
        result = make_envelope(soap, sent, blocks.data, fault);
    if (result == 0) {
        sent->body = soap->envelope.data;
        sent->body_size = soap->envelope.size;
        set_types(soap, sent, action.data);
    }
    if (blocks.len)
        explicit_bzero(blocks.data, blocks.len);
    buf_release(&blocks);
    buf_release(&action);
    return result;
}

/* The answer */

/* A reason may repeat what it was sent; what is masked is never longer. */
static void mask_line(const struct soap *soap, char *line)
{
    struct buf said;

    buf_init(&said, SOAP_REASON_SIZE);
    buf_adds(&said, line);
    exchange_mask(&soap->exchange, &said);
    text_copy(line, SOAP_REASON_SIZE, said.data);
    buf_release(&said);
}

static bool http_speaks(int status)
{
    return status / 100 == 3 || status == 401 || status == 407 ||
           (outcomes_by_code(&outcomes_soap, status)->marks & OVERLOAD);
}

/* A fault without a code broke off in front of it, or is none of SOAP's: the status counts, if it says more.
 */
static const struct answer *row_of_fault(const struct soap_fault *said, int status)
{
    if (http_speaks(status) || (!said->code[0] && status > 299))
        return outcomes_by_code(&outcomes_soap, status);
    if (!said->code[0])
        return outcomes_by_event(&outcomes_soap, EVENT_BROKEN);
    return outcomes_by_code(&outcomes_soap, outcomes_soap_code(said->code, said->subcode));
}

/* "HTTP 500 Server.Busy: come again later". */
static void judge_fault(struct soap *soap, const struct http_response *response, struct soap_fault *said)
{
    const char *name = said->code[0] ? said->code : "a fault without a code";

    mask_line(soap, said->reason);
    char *text =
        xasprintf("HTTP %d %s%s%s%s%s%s", response->status, name, said->subcode[0] ? " (" : "", said->subcode,
                  said->subcode[0] ? ")" : "", said->reason[0] ? ": " : "", said->reason);
    exchange_judge(&soap->exchange, response, row_of_fault(said, response->status), text);
    free(text);
}

static void soap_judge(struct exchange *exchange, const struct http_response *response)
{
    struct soap_fault said;

    if (soap_fault_read(response->body.data, response->body.len, &said) == SOAP_FAULT)
        judge_fault((struct soap *)exchange, response, &said);
    else
        exchange_judge_status(exchange, response);
}

/* The attempt */

static const struct exchange_kind kind = {
    .adapter = &adapter_soap,
    .prepare = soap_prepare,
    .judge = soap_judge,
    .release = soap_release,
    .max_response = LIMIT_RESPONSE_READ, /* a fault is read whole, though less is kept */
};

static struct exchange *soap_new(struct adapter_context *context, const struct attempt *attempt,
                                 attempt_done done, void *arg)
{
    struct soap *soap = xcalloc(1, sizeof *soap);

    exchange_init(&soap->exchange, &kind, context, attempt, done, arg);
    return &soap->exchange;
}

static struct attempt_handle *soap_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    struct exchange *exchange = soap_new(context, attempt, done, arg);

    exchange_begin(exchange);
    return &exchange->pending.handle;
}

/* Nothing is asked of the service: no operation is without effect for sure. */
static int soap_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    struct pending_trial trial = {.fault = fault};
    const struct attempt attempt = {.destination = destination, .secret = secret};

    if (destination->soap.password != SOAP_PASSWORD_NONE &&
        (!secret || !secret->username || !secret->password))
        return fault_set(fault, FAULT_CONFIG, "security: the credentials have no 'username' with 'password'");
    return exchange_check(soap_new(context, &attempt, pending_trial_done, &trial), &trial);
}

const struct adapter adapter_soap = {PROTOCOL_SOAP, &outcomes_soap, soap_start, exchange_cancel, soap_check};
