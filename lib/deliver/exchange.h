/*
 * exchange - an attempt that is one HTTP request: who we are, the way there, the answer; REST and SOAP
 *
 *   start --> (OAuth2: waits for a token) --> request --> judged and reported
 *                       ^---- 401, the first time: the token is forgotten
 *
 * Both requests, and the wait, are within one timeout_ms. Redirects are not followed. Nothing of a secret
 * that a response repeats goes into the outcome. What is not in the hands of a protocol comes from the
 * members of the destination that REST has: endpoint, method, headers, http_version, auth, proxy, the TLS
 * files.
 */
#ifndef DIST_EXCHANGE_H
#define DIST_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include "http.h"
#include "pending.h"

struct exchange;
struct token_wait;

/* What a protocol does by itself; each may be NULL. */
struct exchange_kind {
    const struct adapter *adapter;
    /*
     * Changes what is sent (a copy of the attempt, for this request alone) to the URL. What it points at then
     * is the exchange's. CONFIG where the form cannot be used, INPUT where the body cannot be sent.
     */
    int (*prepare)(struct exchange *exchange, const char *url, struct attempt *sent, struct fault *fault);
    /* An answer with a status: sets the outcome, whose response is there. Else exchange_judge_status(). */
    void (*judge)(struct exchange *exchange, const struct http_response *response);
    void (*release)(struct exchange *exchange); /* what it has of its own */
    size_t max_response;                        /* bytes of a response that it wants to see */
};

/* Adapters embed it as their first member. */
struct exchange {
    struct pending pending; /* first */
    const struct exchange_kind *kind;
    struct adapter_context *context;
    struct http_transfer *transfer;
    struct token_wait *waiting;
    int64_t deadline_ms;
    char *basic; /* the credentials as they were sent, or NULL */
    char *token; /* of OAuth2, or NULL */
    char *proof; /* another text by which a password could be guessed, or NULL: the kind's to set */
    bool again;  /* it is the second request */
    bool trial;  /* nothing is sent: of a check */
};

/* For the contents of zeroed memory from the heap, which is freed with it. */
void exchange_init(struct exchange *exchange, const struct exchange_kind *kind,
                   struct adapter_context *context, const struct attempt *attempt, attempt_done done,
                   void *arg);
void exchange_begin(struct exchange *exchange);
void exchange_cancel(struct attempt_handle *handle); /* for struct adapter */
/* The same as struct adapter's check(), of a fresh exchange: connects, and is let in where a token says so.
 */
int exchange_check(struct exchange *exchange, struct pending_trial *trial);

/* Overwrites what is secret of this attempt, in what a destination said. */
void exchange_mask(const struct exchange *exchange, struct buf *said);
/* The outcome by the status and the adapter's table. */
void exchange_judge_status(struct exchange *exchange, const struct http_response *response);
/* The same by a row and with a text of one's own, "" on success; a Retry-After and a "gone" count too. */
void exchange_judge(struct exchange *exchange, const struct http_response *response, const struct answer *row,
                    const char *text);

#endif
