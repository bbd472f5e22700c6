/*
 * http - an HTTP client on an event loop (libcurl's multi interface, libevent)
 *
 * One deadline covers everything from the name look-up to the last byte, and the wait for a connection that
 * another request is making. Redirects are not followed. The response's body is read up to a ceiling and then
 * left; a failure while reading the body of a response whose status arrived is not a failure of the request.
 * No proxy is taken from the environment, nor taken away by it, no cookie is kept, no .netrc read, only http
 * and https, TLS 1.2 and up (a request with files of its own never uses a connection that was made with
 * others), nothing is asked to be compressed. Connections are kept and reused; one that was made for a
 * request whose guard let it pass never serves one whose guard does not: that one gets a connection of its
 * own, or none. Nothing blocks: names are looked up in threads of libcurl, and a look-up that outlives its
 * request is left to its thread.
 *
 * A kept connection that turns out closed before one byte of the answer came is replaced by libcurl, which
 * sends the request once more, whatever its method (at most 5 times, within the same deadline). The server
 * may have seen the first one: give every request that changes something a key, as in Idempotency-Key.
 *
 * The process must ignore SIGPIPE: fdio_ignore_sigpipe().
 */
#ifndef DIST_HTTP_H
#define DIST_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"
#include "http_request.h"

enum {
    /* Bytes of a body that are read (or max_response, if that is more) before the rest is left. */
    HTTP_READ_MAX = 1024 * 1024,
    /* Bytes of all status and header lines; more is HTTP_BROKEN, unless a final status was among them. */
    HTTP_HEAD_MAX = 64 * 1024,
    HTTP_FIELD_MAX = 16 * 1024,
};

struct event_base;
struct http;

/*
 * max_connections: idle ones that are kept, of each of the two kinds (private addresses allowed by the guard
 * or not). NULL with the fault (SYSTEM). The base is borrowed until http_free().
 */
struct http *http_new(struct event_base *base, int max_connections, struct fault *fault);
/* Requests under way are cancelled without a call. NULL is fine. Not from inside of a http_done. */
void http_free(struct http *http);

enum http_result {
    HTTP_ANSWERED,        /* a final status came; what happened afterwards does not matter */
    HTTP_TIMEOUT,         /* none came in time */
    HTTP_CONNECT,         /* no such name, or no connection */
    HTTP_REFUSED_ADDRESS, /* the guard refused every address of the name */
    HTTP_TLS,             /* no trusted TLS connection */
    HTTP_BROKEN,          /* the connection ended, or what came is no HTTP */
    HTTP_SHORTAGE,        /* this process may open no further socket, or has no memory for one */
    HTTP_BAD_REQUEST      /* nothing was sent: see struct http_request */
};

struct http_response {
    enum http_result result;
    int status;             /* where ANSWERED: a final status, 200 to 599; else 0. 0 with connect_only */
    int64_t retry_after_ms; /* of Retry-After, as seconds or HTTP-date (RFC 9110 10.2.3); past and negative
                               values are 0, more than 10 years is 10 years; -1: none */
    char redirect[300]; /* of a 3xx with a Location: "https://host:port", or "another path of the same host";
                           never a user, path or query; "" */
    struct buf field;   /* the first value of request->field, at most HTTP_FIELD_MAX bytes, else empty */
    struct buf body;    /* the first max_response bytes, as they came; less where the body broke off */
    char text[300];     /* what went wrong, printable; "". It may name the host, never the rest of the URL */
    int64_t elapsed_ms;
    bool reused; /* the connection had been used before */
};

typedef void (*http_done)(void *arg, struct http_response *response); /* the response is borrowed */
struct http_transfer;

/*
 * The transfer, for http_cancel(); never NULL. `done` is called once, later, from the event loop (never from
 * here); it may start and cancel other requests. The transfer is gone when it returns.
 */
struct http_transfer *http_start(struct http *http, const struct http_request *request, http_done done,
                                 void *arg);
void http_cancel(struct http_transfer *transfer); /* done is not called any more */

#endif
