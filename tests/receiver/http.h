/*
 * http - HTTP/1.1 requests out of an evbuffer, strictly
 *
 * Knows no socket and no clock. The receiver judges our own client, so what RFC 9112 forbids a sender is an
 * error here and not repaired: bare LF, folded header lines, two lengths, a missing Host.
 */
#ifndef RECEIVER_HTTP_H
#define RECEIVER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/buffer.h>

#define HTTP_HEAD_MAX 65536        /* request line, header lines and trailer together */
#define HTTP_FIELDS_MAX 200        /* header lines */
#define HTTP_BODY_MAX (64UL << 20) /* bytes, after chunks are taken apart */

struct field {
    char *line;  /* the whole header line; name and value point into it */
    char *name;  /* lower case */
    char *value; /* without blanks around it */
};

enum http_state {
    HTTP_REQUEST_LINE,
    HTTP_HEADER,
    HTTP_BODY,
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_END,
    HTTP_TRAILER,
    HTTP_COMPLETE,
};

struct request {
    char *line; /* the request line, cut into the next two */
    const char *method;
    const char *target; /* path and query as they were sent; begins with '/' */
    bool keep_alive;
    struct field fields[HTTP_FIELDS_MAX];
    size_t field_count;
    struct evbuffer *body;

    enum http_state state;
    bool minor_zero; /* HTTP/1.0 */
    bool chunked;
    bool wants_continue;
    size_t head_bytes;
    uint64_t body_left; /* of the body, or of the current chunk */
    int error;          /* status to answer after HTTP_BAD */
    const char *reason; /* what was wrong, for its body */
};

enum http_result {
    HTTP_MORE,     /* all input used; call again when there is more */
    HTTP_CONTINUE, /* the sender waits for "100 Continue"; send it and call again */
    HTTP_DONE,     /* the request is whole; what follows stays in the input */
    HTTP_BAD,      /* error and reason are set; nothing after this can be understood */
};

/* Heap-allocated: a request is some 5 KB. NULL when there is no memory. */
struct request *request_new(void);
void request_free(struct request *request);

/* Makes it ready for the next request of the connection. */
void request_clear(struct request *request);

/* Takes what it can from `in`. Never blocks. */
enum http_result request_parse(struct request *request, struct evbuffer *in);

/* The value of the first such header, or NULL. Borrowed until the request is cleared. `name` in lower case.
 */
const char *request_field(const struct request *request, const char *name);

/* "Not Found" for 404; "Status" for a code without a name. */
const char *http_reason(int status);

/* Undoes %XX in place. -1 when it is malformed, or when the result would hold a control character. */
int percent_decode(char *text);

#endif
