/*
 * adapter - how one protocol delivers: a const struct of functions per protocol
 *
 * An adapter gets a prepared body and reports exactly one outcome. It sees neither the store nor the rules.
 * It never blocks the event loop: what may block (a disk, a command) runs in a child process (child.h), a
 * client library that blocks on a thread (crew.h). How to write one is told in dist-internals(7).
 */
#ifndef DIST_ADAPTER_H
#define DIST_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "destination.h"
#include "guard.h"
#include "outcome.h"
#include "outcomes.h"
#include "secret.h"

struct event_base;
struct http;
struct crew;
struct tokens;
struct signing_keys;

/* What adapters of one process share. */
struct adapter_context {
    struct event_base *base;
    struct http *http;
    struct crew *crew;
    struct tokens *tokens;
    char *proxy;        /* DIST_PROXY: what connects for destinations that name no proxy; NULL: nobody */
    bool allow_private; /* DIST_ALLOW_PRIVATE: the operator allows private addresses everywhere */
    /* What check() is judged by, as of struct attempt; borrowed. */
    const struct guard_lists *networks;
};
/* CONFIG where the proxy (NULL: none) is none; else SYSTEM. */
int adapter_context_init(struct adapter_context *context, struct event_base *base, bool allow_private,
                         const char *proxy, struct fault *fault);
void adapter_context_release(struct adapter_context *context);

/* One attempt; everything is borrowed until the outcome is reported or the attempt cancelled. */
struct attempt {
    const struct destination *destination;
    const struct secret *secret;        /* NULL: the destination names no credentials */
    const struct signing_keys *signing; /* NULL: the destination names none */
    const char *message_id;             /* the delivery's id: the same on every attempt */
    const char *distribution_id, *tenant_id, *data_type;
    const char *date;        /* of submission, "2024-01-15" */
    int64_t submitted_at_us; /* the same on every attempt */
    const char *content_type;
    const char *traceparent; /* of the distribution's metadata, unchecked; or NULL */
    const json_t *headers;   /* that belong to the body, an object of texts; or NULL */
    const void *body;
    size_t body_size;
    int number; /* of the attempt, from 1 */
    /* Networks that are allowed and denied to the tenant (networks.h); NULL: the context's. Adapters go by
     * attempt_guard(). */
    const struct guard_lists *networks;
};

/* Who judges every address that the attempt connects to; borrowed as the attempt is. */
struct guard attempt_guard(const struct adapter_context *context, const struct attempt *attempt);
/* The proxy of the destination, or of the setting, as of struct http_request; borrowed likewise. */
const char *attempt_proxy(const struct adapter_context *context, const struct attempt *attempt);

/*
 * How each protocol sends is told at the head of its file. Common to all: a placeholder without a value is
 * REJECTED with the reason "configuration", the end of destination->timeout_ms DEFERRED with "timeout", what
 * this system refused (processes, descriptors) DEFERRED with "system".
 *
 * Called exactly once, from the event loop, never from start(). The outcome is borrowed, and
 * its strings but `reason` end with the call; the handle is gone when it returns. It may start and cancel
 * other attempts.
 */
typedef void (*attempt_done)(void *arg, struct outcome *outcome);

/* An attempt under way; adapters embed it. */
struct attempt_handle {
    const struct adapter *adapter;
};

struct adapter {
    enum protocol protocol;
    const struct outcome_table *outcomes; /* what its answers mean, for people too (--explain-policy) */
    /* Begins the attempt; the adapter keeps to destination->timeout_ms itself. Never NULL. */
    struct attempt_handle *(*start)(struct adapter_context *context, const struct attempt *attempt,
                                    attempt_done done, void *arg);
    /* Ends it without a call of done; a command is killed with its whole process group. */
    void (*cancel)(struct attempt_handle *handle);
    /*
     * For dist-admin destination check: whether the destination is there and lets us in, as far as it can be
     * seen without any effect on it. It may block and run the context's loop, at most for timeout_ms. Never
     * NULL. UNAVAILABLE, CONFIG or SYSTEM; the secret may be NULL.
     */
    int (*check)(struct adapter_context *context, const struct destination *destination,
                 const struct secret *secret, struct fault *fault);
};

extern const struct adapter adapter_rest, adapter_file, adapter_exec, adapter_null, adapter_amqp,
    adapter_jdbc, adapter_s3, adapter_hdfs, adapter_soap, adapter_smtp, adapter_sftp;

/* The adapter of a protocol, or NULL where this version has none. */
const struct adapter *adapter_for(enum protocol protocol);

#endif
