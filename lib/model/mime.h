/*
 * mime - texts and bytes as a mail can carry them: ASCII, lines of at most 78 characters
 *
 * Sources: RFC 5322 (folding), RFC 2045 (quoted-printable, base64), RFC 2047 (encoded words), RFC 2231
 * (parameters). All of them append, and fill the buffer's `overflow` where it is too small. Line ends are
 * CRLF. Texts are UTF-8 without control characters: whoever hands one over has seen to that, and what is left
 * of them becomes a blank, so that no value begins a header field of its own.
 */
#ifndef DIST_MIME_H
#define DIST_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include "buf.h"

/* The value of a field, whose name and ": " take `column` characters: as it is where ASCII will do, folded.
 */
void mime_add_text(struct buf *out, size_t column, const char *text);
/* The name in front of an address: a quoted string, or encoded words. */
void mime_add_phrase(struct buf *out, const char *text);
/* "; filename=\"report.json\"", on a line of its own. */
void mime_add_parameter(struct buf *out, const char *name, const char *value);
/* Each LF and CRLF is a line end of the mail. */
void mime_add_quoted_printable(struct buf *out, const char *text, size_t size);
/* Lines of 76 characters. */
void mime_add_base64(struct buf *out, const void *data, size_t size);
/* Whether people could read it in quoted-printable: UTF-8 without control characters, most of it ASCII. */
bool mime_is_readable(const char *text, size_t size);

#endif
