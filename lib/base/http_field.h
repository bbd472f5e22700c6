/*
 * http_field - the names of HTTP's header fields (RFC 9110 sections 5.1, 5.6.2 and 7.6.1)
 */
#ifndef DIST_HTTP_FIELD_H
#define DIST_HTTP_FIELD_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the token at the beginning of the text. */
size_t http_field_token_size(const char *text);
/* The text can be the name of a field. */
bool http_field_is_name(const char *text);
/* The field of that name (in any case, of `size` bytes) frames the message or is the connection's. */
bool http_field_is_framing(const char *name, size_t size);

#endif
