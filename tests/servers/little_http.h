/*
 * little_http - an HTTP/1.1 server on the test's own event loop, whose answers a function of the test makes
 *
 * It listens on 127.0.0.1. Requests have a Content-Length or no body. What does not work here ends the
 * process.
 */
#ifndef DIST_TEST_LITTLE_HTTP_H
#define DIST_TEST_LITTLE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include "buf.h"

struct event_base;

struct little_request {
    const char *method, *path, *query; /* as they came; "" without a query */
    const char *head;                  /* all header lines */
    const void *body;
    size_t body_size;
};

struct little_answer {
    int status;
    struct buf head; /* further lines, each with its "\r\n" */
    struct buf body;
    bool drop; /* no answer: the connection is closed */
    bool hang; /* no answer */
};

/* The answer comes as 200 with nothing in it. */
typedef void (*little_handler)(void *arg, const struct little_request *request, struct little_answer *answer);
struct little_http;

/* port 0: a free one. NULL: the port is taken. */
struct little_http *little_http_new(struct event_base *base, int port, little_handler handler, void *arg);
int little_http_port(const struct little_http *server);
void little_http_free(struct little_http *server); /* closes its connections; NULL is fine */

/* The value of a header field ("x-amz-date") or of a parameter of the query, decoded; NULL, or for free(). */
char *little_field(const struct little_request *request, const char *name);
char *little_parameter(const char *query, const char *name);
char *little_decode(const char *text, size_t size);

#endif
