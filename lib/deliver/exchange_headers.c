/*
 * exchange_headers - see exchange_headers.h
 *
 * The destination's own headers win over everything but "auth" and "signing", which no form has together with
 * headers of the same names.
 */
#include "exchange_headers.h"

#include <stdlib.h>
#include <string.h>
#include "ceilings.h"
#include "clock.h"
#include "pending.h"
#include "placeholders.h"
#include "signing.h"
#include "text.h"
#include "trace.h"
#include "xalloc.h"

enum {
    OWN_HEADERS = 8,              /* those of the header's list that are not the body's */
    HEADER_MAX = 4 * LIMIT_SECRET /* Basic: a user name and a password in base64 */
};

/* Unless the destination has one of its own. */
static void add_header(struct header_list *list, const struct attempt *attempt, const char *name,
                       const char *value)
{
    if (value && !destination_header(attempt->destination, name))
        list->lines[list->count++] = xconcat(name, ": ", value);
}

static int add_secret(struct header_list *list, const char *before, const char *value, const char *member,
                      struct fault *fault)
{
    if (!value)
        return fault_set(fault, FAULT_DENIED, "auth: the credentials have no '%s'", member);
    list->lines[list->count++] = xasprintf("%s%s", before, value);
    return 0;
}

static void add_basic(struct header_list *list, const struct secret *secret)
{
    char *pair = xasprintf("%s:%s", secret->username, secret->password);
    struct buf encoded;

    buf_init(&encoded, HEADER_MAX);
    text_add_base64(&encoded, pair, strlen(pair));
    list->credential = xmemdupz(encoded.data, encoded.len);
    list->lines[list->count++] = xasprintf("Authorization: Basic %s", list->credential);
    explicit_bzero(encoded.data, encoded.len);
    buf_release(&encoded);
    secret_wipe(pair);
}

/* A plain secret, without names of members, is the key too. */
static int add_api_key(struct header_list *list, const char *header, const struct secret *secret,
                       struct fault *fault)
{
    char *before = xasprintf("%s: ", header);
    int result =
        add_secret(list, before, secret->api_key ? secret->api_key : secret->token, "api_key", fault);

    free(before);
    return result;
}

static int add_authorization(struct header_list *list, const struct attempt *attempt, const char *token,
                             struct fault *fault)
{
    static const struct secret none;
    const struct destination *destination = attempt->destination;
    const struct secret *secret = attempt->secret ? attempt->secret : &none;
    bool pair = secret->username && secret->password;

    switch (destination->auth) {
    case AUTH_BEARER:
        return add_secret(list, "Authorization: Bearer ", secret->token, "token", fault);
    case AUTH_OAUTH2:
        return add_secret(list, "Authorization: Bearer ", token, "token", fault);
    case AUTH_API_KEY:
        return add_api_key(list, destination->auth_header, secret, fault);
    case AUTH_BASIC:
        if (!pair)
            return fault_set(fault, FAULT_DENIED, "auth: the credentials have no 'username' with 'password'");
        break;
    case AUTH_NONE:
        return 0;
    case AUTH_PLAIN:
    case AUTH_SCHEME_COUNT:
        break;
    }
    if (pair && !destination_header(destination, "Authorization"))
        add_basic(list, secret);
    return 0;
}

static int add_configured(struct header_list *list, const struct attempt *attempt, struct fault *fault)
{
    struct placeholders values = attempt_placeholders(attempt, true);
    const char *name;
    json_t *pattern;

    json_object_foreach (attempt->destination->headers, name, pattern) {
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

/* The time is the attempt's, so each has signatures of its own. */
static int add_signatures(struct header_list *list, const struct attempt *attempt, bool with_body,
                          struct fault *fault)
{
    int64_t now_us = clock_wall_us(), now_s = now_us / 1000000;
    struct buf signatures;

    if (!attempt->signing)
        return 0;
    buf_init(&signatures, SIGNING_MAX);
    int result = signing_sign(attempt->signing, now_us, attempt->message_id, now_s, attempt->body,
                              with_body ? attempt->body_size : 0, &signatures, fault);
    if (result == 0) {
        list->lines[list->count++] = xasprintf("webhook-id: %s", attempt->message_id);
        list->lines[list->count++] = xasprintf("webhook-timestamp: %lld", (long long)now_s);
        list->lines[list->count++] = xasprintf("webhook-signature: %s", signatures.data);
    }
    buf_release(&signatures);
    return result < 0 ? fault_wrap(fault, "signing") : 0;
}

static void add_body_headers(struct header_list *list, const struct attempt *attempt)
{
    const char *name;
    json_t *value;

    add_header(list, attempt, "Content-Type", attempt->content_type);
    json_object_foreach ((json_t *)attempt->headers, name, value)
        add_header(list, attempt, name, json_string_value(value));
}

int header_list_make(struct header_list *list, const struct attempt *attempt, bool with_body,
                     const char *token, struct fault *fault)
{
    char trace[TRACE_TEXT_SIZE];

    *list = (struct header_list){0};
    list->lines = xcalloc(json_object_size(attempt->destination->headers) +
                              json_object_size(attempt->headers) + OWN_HEADERS + 1,
                          sizeof *list->lines);
    if (with_body)
        add_body_headers(list, attempt);
    add_header(list, attempt, "Idempotency-Key", attempt->message_id);
    add_header(list, attempt, "X-Distribution-ID", attempt->distribution_id);
    trace_parent(attempt, trace);
    add_header(list, attempt, "traceparent", trace);
    if (add_authorization(list, attempt, token, fault) < 0 ||
        add_signatures(list, attempt, with_body, fault) < 0)
        return -1;
    return add_configured(list, attempt, fault);
}

void header_list_release(struct header_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        secret_wipe(list->lines[i]);
    free(list->lines);
    secret_wipe(list->credential);
    *list = (struct header_list){0};
}
