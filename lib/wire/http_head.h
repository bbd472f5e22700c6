/*
 * http_head - the lines of a response's head that http.c reads; pure, but for the clock
 *
 * Lines come trimmed and ended by NUL.
 */
#ifndef DIST_HTTP_HEAD_H
#define DIST_HTTP_HEAD_H

#include <stddef.h>
#include <stdint.h>

/* "HTTP/1.1 200 OK", "HTTP/2 200": the status, 0 where it is none. */
int http_head_status(const char *line);
/* The value of the field `name` ("Retry-After:") where the line is that field, or NULL. */
const char *http_head_field(const char *line, const char *name);
/*
 * Of a Retry-After (RFC 9110 section 10.2.3), seconds or a date: past and negative ones are 0, more than ten
 * years is ten years; -1: neither.
 */
int64_t http_head_retry_after_ms(const char *value);
/*
 * Where a Location leads, printable: "https://host:port", since its user, path and query are secrets at
 * times. A reference without a host (RFC 3986 section 4.2) is "another path of the same host".
 */
void http_head_redirect(const char *value, char *out, size_t out_size);

#endif
