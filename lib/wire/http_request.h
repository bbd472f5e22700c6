/*
 * http_request - one request of HTTP (http.h), and how libcurl is told of it
 */
#ifndef DIST_HTTP_REQUEST_H
#define DIST_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "guard.h"

enum http_version {
    HTTP_VERSION_AUTO, /* over TLS what the server prefers of HTTP/2 and 1.1 (ALPN), else 1.1 */
    HTTP_VERSION_1_1,
    HTTP_VERSION_2,                /* the same as AUTO: a server that has only 1.1 is served with it */
    HTTP_VERSION_2_PRIOR_KNOWLEDGE /* HTTP/2 at once, also without TLS; libcurl before 8.0.0 keeps no
                                      connection */
};

/*
 * `body` is borrowed until the request is done or cancelled, all else until http_start() returns. A header
 * that belongs to the framing (Content-Length, Transfer-Encoding, Connection, ...), that is no header or
 * holds a control character makes the request a HTTP_BAD_REQUEST, and so does an unusable URL. Content-Type
 * is sent where `headers` has it, User-Agent is "dist/VERSION" where they have none.
 */
struct http_request {
    const char *method; /* upper case; the body of a HEAD is not sent */
    const char *url;
    const char *const *headers; /* "Name: value", ended by NULL; may itself be NULL */
    const void *body;           /* NULL: none */
    size_t body_size;
    int64_t timeout_ms; /* less than 1 is 1 */
    struct guard guard; /* of every address that is connected to */
    enum http_version version;
    /* PEM files, as of struct tls_config (tls.h); NULL: the system's authorities, no certificate to show */
    const char *ca_file, *cert_file, *key_file;
    /*
     * "http://host:port", https or socks5h: what connects in our place; NULL: nobody. The proxy is trusted to
     * keep away from networks that the guard refuses, since it looks the name up; of a URL whose host is an
     * address the guard is asked all the same. The proxy's own address is the operator's choice and is not
     * guarded.
     */
    const char *proxy;
    /* Nothing is sent: the connection is made, with its TLS, and closed. ANSWERED with the status 0. */
    bool connect_only;
    const char *field;   /* of the answer's head, "ETag:": its value is handed over; a literal, or NULL */
    size_t max_response; /* bytes of the response's body that are kept */
};

/* ---- for http.c ---- */

enum {
    /* For look-up, connection, proxy and TLS, of any longer timeout: others may be waiting to share it. */
    HTTP_CONNECT_MAX_MS = 10 * 1000,
};

struct curl_slist;
/*
 * The header fields as libcurl wants them, appended to *list, which is the caller's. NULL, or what is wrong
 * with one of them: static text.
 */
const char *http_request_headers(const char *const *headers, struct curl_slist **list);
/* `easy` is a CURL; all is borrowed until it is done with. False: this libcurl lacks something. */
bool http_request_set(void *easy, const struct http_request *request, struct curl_slist *headers);

#endif
