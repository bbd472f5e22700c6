/*
 * outcomes_rest - what an HTTP status, or its absence, means (RFC 9110 section 15, RFC 6585, RFC 8470)
 *
 * 401 and 407 are an expired token far more often than a wrong one, 421 is right on another connection and
 * 423 is free again later: deferred, unlike the other 4xx. 501 and 505 come from the proxies in front of a
 * server that is being replaced more often than from the server: deferred like every 5xx. Asked too much: 408
 * and 504 are timeouts that the server or its gateway saw first; 529 is what some services say for 503.
 */
#include "outcomes.h"

#define STATUS(status, kind, marks, meaning)                                                                 \
    {                                                                                                        \
        status, status, kind, "http_" #status, marks, meaning                                                \
    }
static const struct answer codes[] = {
    {200, 299, OUTCOME_DELIVERED, "http_2xx", 0, "success"},
    {300, 399, OUTCOME_REJECTED, "http_3xx", 0, "redirects are not followed"},
    STATUS(400, OUTCOME_REJECTED, 0, "Bad Request"),
    STATUS(401, OUTCOME_DEFERRED, 0, "Unauthorized"),
    STATUS(403, OUTCOME_REJECTED, 0, "Forbidden"),
    STATUS(404, OUTCOME_REJECTED, 0, "Not Found"),
    STATUS(405, OUTCOME_REJECTED, 0, "Method Not Allowed"),
    STATUS(407, OUTCOME_DEFERRED, 0, "Proxy Authentication Required"),
    STATUS(408, OUTCOME_DEFERRED, OVERLOAD, "Request Timeout"),
    STATUS(409, OUTCOME_REJECTED, 0, "Conflict"),
    STATUS(410, OUTCOME_REJECTED, GONE, "Gone"),
    STATUS(411, OUTCOME_REJECTED, 0, "Length Required"),
    STATUS(413, OUTCOME_REJECTED, 0, "Content Too Large"),
    STATUS(414, OUTCOME_REJECTED, 0, "URI Too Long"),
    STATUS(415, OUTCOME_REJECTED, 0, "Unsupported Media Type"),
    STATUS(421, OUTCOME_DEFERRED, 0, "Misdirected Request"),
    STATUS(422, OUTCOME_REJECTED, 0, "Unprocessable Content"),
    STATUS(423, OUTCOME_DEFERRED, 0, "Locked"),
    STATUS(425, OUTCOME_DEFERRED, 0, "Too Early"),
    STATUS(429, OUTCOME_DEFERRED, OVERLOAD, "Too Many Requests"),
    STATUS(451, OUTCOME_REJECTED, 0, "Unavailable For Legal Reasons"),
    {400, 499, OUTCOME_REJECTED, "http_4xx", 0, "client error"},
    STATUS(500, OUTCOME_DEFERRED, 0, "Internal Server Error"),
    STATUS(501, OUTCOME_DEFERRED, 0, "Not Implemented"),
    STATUS(502, OUTCOME_DEFERRED, 0, "Bad Gateway"),
    STATUS(503, OUTCOME_DEFERRED, OVERLOAD, "Service Unavailable"),
    STATUS(504, OUTCOME_DEFERRED, OVERLOAD, "Gateway Timeout"),
    STATUS(505, OUTCOME_DEFERRED, 0, "HTTP Version Not Supported"),
    STATUS(507, OUTCOME_DEFERRED, 0, "Insufficient Storage"),
    STATUS(529, OUTCOME_DEFERRED, OVERLOAD, "Overloaded"),
    {500, 599, OUTCOME_DEFERRED, "http_5xx", 0, "server error"},
    {0},
};

static const struct answer events[] = {
    {EVENT_TIMEOUT, EVENT_TIMEOUT, OUTCOME_DEFERRED, "timeout", OVERLOAD, "no answer in time"},
    {EVENT_CONNECT, EVENT_CONNECT, OUTCOME_DEFERRED, "connect", 0, "no such name, or no connection"},
    {EVENT_TLS, EVENT_TLS, OUTCOME_DEFERRED, "tls", 0, "no trusted TLS"},
    {EVENT_BROKEN, EVENT_BROKEN, OUTCOME_DEFERRED, "broken", 0, "no HTTP, or it broke off"},
    {EVENT_TOKEN, EVENT_TOKEN, OUTCOME_DEFERRED, "token", 0, "no OAuth2 token was given"},
    {EVENT_SYSTEM, EVENT_SYSTEM, OUTCOME_DEFERRED, "system", LOCAL, "this host has no socket for it"},
    {EVENT_REFUSED_ADDRESS, EVENT_REFUSED_ADDRESS, OUTCOME_REJECTED, "refused_address", LOCAL,
     "refused by the address guard"},
    {EVENT_CONFIGURATION, EVENT_CONFIGURATION, OUTCOME_REJECTED, "configuration", LOCAL,
     "the form cannot be used"},
    {0},
};

const struct outcome_table outcomes_rest = {"HTTP status", NULL, codes, events};
