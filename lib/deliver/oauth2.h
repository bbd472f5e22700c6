/*
 * oauth2 - access tokens by client credentials (RFC 6749 section 4.4), for all attempts that need one
 *
 *   POST /token HTTP/1.1
 *   Authorization: Basic ...            client_id and client_secret of the credentials; or both in the body
 *   Content-Type: application/x-www-form-urlencoded
 *
 *   grant_type=client_credentials&scope=reports
 *
 * A token is kept until shortly before it expires, and is asked for once, however many attempts wait for it.
 * Destinations share one where the endpoint, what is asked for, the client with its secret, the tenant and
 * the way to the endpoint are the same. The endpoint is reached as the destination is: by its TLS files and
 * its proxy, and under the address guard.
 *
 * Tokens are kept in memory alone and wiped before they are freed. Nothing blocks.
 */
#ifndef DIST_OAUTH2_H
#define DIST_OAUTH2_H

#include <stdbool.h>
#include <stdint.h>
#include "destination.h"
#include "guard.h"
#include "outcomes.h"
#include "secret.h"

struct event_base;
struct http;
struct tokens;

enum {
    TOKENS_MAX = 1000,     /* kept at once */
    TOKEN_SIZE_MAX = 8192, /* bytes of one */
    TOKEN_LEAD_MS = 30000, /* it is given up so long before its end, or a tenth of its time before it */
    TOKEN_LIFE_S = 300,    /* of one whose answer does not say */
    TOKEN_FETCH_MS = 30000 /* for the answer, whoever waits for it */
};

/* Base and client are borrowed. */
struct tokens *tokens_new(struct event_base *base, struct http *http);
void tokens_free(struct tokens *tokens); /* before the client; waits are gone without a call. NULL is fine */

/* Borrowed until tokens_ask() returns. The secret needs client_id and client_secret. */
struct token_request {
    const struct destination *destination;
    const struct secret *secret;
    const char *proxy; /* as in struct http_request */
    struct guard guard;
    int64_t deadline_ms; /* of this wait, clock_mono_ms() */
};

/* Borrowed. Without a token `event` and `text` say why not: one line, no secret. */
struct token_answer {
    const char *token;
    enum outcome_event event;
    char text[300];
    int64_t retry_after_ms; /* -1: none */
};
typedef void (*token_done)(void *arg, const struct token_answer *answer);
struct token_wait;

/* `done` is called once, later, from the event loop; it may ask, refuse and cancel. The wait is gone then. */
struct token_wait *tokens_ask(struct tokens *tokens, const struct token_request *request, token_done done,
                              void *arg);
void tokens_cancel(struct token_wait *wait);
/* The destination took this token for none: it is forgotten, unless it has been replaced already. */
void tokens_refuse(struct tokens *tokens, const struct token_request *request, const char *token);

#endif
