/*
 * http_proxy - what is looked at before a request goes through a proxy; the URLs
 */
#ifndef DIST_HTTP_PROXY_H
#define DIST_HTTP_PROXY_H

#include "fault.h"
#include "guard.h"

/* CONFIG where it is no URL that `proxy` of struct http_request takes. */
int http_check_proxy(const char *url, struct fault *fault);

/*
 * The network of a URL whose host is an address that the guard refuses, in whatever way it is spelt, or is
 * "localhost" (RFC 6761 6.3) and private addresses are not allowed; NULL for all others. Borrowed as of
 * guard_refuses().
 */
const char *http_proxy_refused_host(const char *url, const struct guard *guard);

#endif
