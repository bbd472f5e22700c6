/*
 * outcomes_http - the rows of an HTTP status (RFC 9110 section 15, RFC 6585, RFC 8470), for tables that have
 * them all
 *
 * 401 and 407 are an expired token far more often than a wrong one, 421 is right on another connection and
 * 423 is free again later: deferred, unlike the other 4xx. 501 and 505 come from the proxies in front of a
 * server that is being replaced more often than from the server: deferred like every 5xx. Asked too much: 408
 * and 504 are timeouts that the server or its gateway saw first; 529 is what some services say for 503.
 */
#ifndef DIST_OUTCOMES_HTTP_H
#define DIST_OUTCOMES_HTTP_H

#include "outcomes.h"

#define OUTCOMES_STATUS(status, kind, marks, meaning)                                                        \
    {                                                                                                        \
        status, status, kind, "http_" #status, marks, meaning                                                \
    }
/* Of codes: 200 to 599. */
#define OUTCOMES_HTTP_STATUSES                                                                               \
    {200, 299, OUTCOME_DELIVERED, "http_2xx", 0, "success"},                                                 \
        {300, 399, OUTCOME_REJECTED, "http_3xx", 0, "redirects are not followed"},                           \
        OUTCOMES_STATUS(400, OUTCOME_REJECTED, 0, "Bad Request"),                                            \
        OUTCOMES_STATUS(401, OUTCOME_DEFERRED, 0, "Unauthorized"),                                           \
        OUTCOMES_STATUS(403, OUTCOME_REJECTED, 0, "Forbidden"),                                              \
        OUTCOMES_STATUS(404, OUTCOME_REJECTED, 0, "Not Found"),                                              \
        OUTCOMES_STATUS(405, OUTCOME_REJECTED, 0, "Method Not Allowed"),                                     \
        OUTCOMES_STATUS(407, OUTCOME_DEFERRED, 0, "Proxy Authentication Required"),                          \
        OUTCOMES_STATUS(408, OUTCOME_DEFERRED, OVERLOAD, "Request Timeout"),                                 \
        OUTCOMES_STATUS(409, OUTCOME_REJECTED, 0, "Conflict"),                                               \
        OUTCOMES_STATUS(410, OUTCOME_REJECTED, GONE, "Gone"),                                                \
        OUTCOMES_STATUS(411, OUTCOME_REJECTED, 0, "Length Required"),                                        \
        OUTCOMES_STATUS(413, OUTCOME_REJECTED, 0, "Content Too Large"),                                      \
        OUTCOMES_STATUS(414, OUTCOME_REJECTED, 0, "URI Too Long"),                                           \
        OUTCOMES_STATUS(415, OUTCOME_REJECTED, 0, "Unsupported Media Type"),                                 \
        OUTCOMES_STATUS(421, OUTCOME_DEFERRED, 0, "Misdirected Request"),                                    \
        OUTCOMES_STATUS(422, OUTCOME_REJECTED, 0, "Unprocessable Content"),                                  \
        OUTCOMES_STATUS(423, OUTCOME_DEFERRED, 0, "Locked"),                                                 \
        OUTCOMES_STATUS(425, OUTCOME_DEFERRED, 0, "Too Early"),                                              \
        OUTCOMES_STATUS(429, OUTCOME_DEFERRED, OVERLOAD, "Too Many Requests"),                               \
        OUTCOMES_STATUS(451, OUTCOME_REJECTED, 0, "Unavailable For Legal Reasons"),                          \
        {400, 499, OUTCOME_REJECTED, "http_4xx", 0, "client error"},                                         \
        OUTCOMES_STATUS(500, OUTCOME_DEFERRED, 0, "Internal Server Error"),                                  \
        OUTCOMES_STATUS(501, OUTCOME_DEFERRED, 0, "Not Implemented"),                                        \
        OUTCOMES_STATUS(502, OUTCOME_DEFERRED, 0, "Bad Gateway"),                                            \
        OUTCOMES_STATUS(503, OUTCOME_DEFERRED, OVERLOAD, "Service Unavailable"),                             \
        OUTCOMES_STATUS(504, OUTCOME_DEFERRED, OVERLOAD, "Gateway Timeout"),                                 \
        OUTCOMES_STATUS(505, OUTCOME_DEFERRED, 0, "HTTP Version Not Supported"),                             \
        OUTCOMES_STATUS(507, OUTCOME_DEFERRED, 0, "Insufficient Storage"),                                   \
        OUTCOMES_STATUS(529, OUTCOME_DEFERRED, OVERLOAD, "Overloaded"),                                      \
    {                                                                                                        \
        500, 599, OUTCOME_DEFERRED, "http_5xx", 0, "server error"                                            \
    }

/* Where no status came. */
#define OUTCOMES_HTTP_EVENTS                                                                                 \
    {EVENT_TIMEOUT, EVENT_TIMEOUT, OUTCOME_DEFERRED, "timeout", OVERLOAD, "no answer in time"},              \
        {EVENT_CONNECT, EVENT_CONNECT, OUTCOME_DEFERRED, "connect", 0, "no such name, or no connection"},    \
        {EVENT_TLS, EVENT_TLS, OUTCOME_DEFERRED, "tls", 0, "no trusted TLS"},                                \
        {EVENT_BROKEN, EVENT_BROKEN, OUTCOME_DEFERRED, "broken", 0, "no HTTP, or it broke off"},             \
        {EVENT_TOKEN, EVENT_TOKEN, OUTCOME_DEFERRED, "token", 0, "no OAuth2 token was given"},               \
        {EVENT_CREDENTIALS, EVENT_CREDENTIALS, OUTCOME_DEFERRED,                                             \
         "credentials",     LOCAL | HELD,      "the credentials lack what is wanted, or are over"},          \
        {EVENT_SYSTEM, EVENT_SYSTEM, OUTCOME_DEFERRED, "system", LOCAL, "this host has no socket for it"},   \
        {EVENT_REFUSED_ADDRESS,         EVENT_REFUSED_ADDRESS, OUTCOME_REJECTED, "refused_address", LOCAL,   \
         "refused by the address guard"},                                                                    \
    {                                                                                                        \
        EVENT_CONFIGURATION, EVENT_CONFIGURATION, OUTCOME_REJECTED, "configuration", LOCAL,                  \
            "the form cannot be used"                                                                        \
    }

#endif
