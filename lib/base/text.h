/*
 * text - small questions about strings: encodings, nearest names, patterns
 */
#ifndef DIST_TEXT_H
#define DIST_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"

/* Strict UTF-8 (RFC 3629: no surrogates, no overlong forms). `bad`: offset of the first bad byte, or NULL. */
bool text_is_utf8(const char *text, size_t size, size_t *bad);
/* RFC 4648 section 4, padded, no line breaks. */
int text_add_base64(struct buf *out, const void *data, size_t size);
/* The inverse, strict: -1 where it is not base64 (or `out` is full). */
int text_decode_base64(const char *text, size_t size, struct buf *out);
/* Percent-encoded (RFC 3986 section 2.1); unreserved characters stay, and those of `keep`. */
int text_add_url(struct buf *out, const char *text, const char *keep);
void text_hex(const void *data, size_t size, char *out); /* out: 2 * size + 1 bytes */
/* The number in decimal, somewhere in `out`; for where printf's time counts. */
enum { TEXT_DECIMAL_SIZE = sizeof "18446744073709551615" };
const char *text_decimal(uint64_t number, char out[TEXT_DECIMAL_SIZE]);
/* The name of `names` (count of them) nearest to `name`, or NULL where none is near enough to suggest. */
const char *text_nearest(const char *name, const char *const *names, size_t count);
/* 1 to 100 of [A-Za-z0-9._-], the first not '.' or '-': names of tenants, destinations, groups, data types.
 */
bool text_is_name(const char *text);
bool text_starts_with(const char *text, const char *prefix);
/* Blanks at both ends cut off, in place; returns `text`. */
char *text_trim(char *text);
/*
 * Control characters (and C1, and bytes that are not UTF-8) in place to '?', one each: text from elsewhere
 * that goes to a terminal or a log line. The text may get shorter, never longer.
 */
char *text_printable(char *text);
/* Copies with truncation, always ended by NUL, never cut in the middle of a UTF-8 sequence. */
void text_copy(char *out, size_t out_size, const char *text);

#endif
