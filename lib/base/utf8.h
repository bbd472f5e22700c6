/*
 * utf8 - one code point at a time, strictly as RFC 3629 has it
 */
#ifndef DIST_UTF8_H
#define DIST_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * The length in bytes (1 to 4) of the code point at `text`, which goes to *point (may be NULL); 0 where the
 * bytes are no UTF-8: a stray or missing continuation, an overlong form, a surrogate, past U+10FFFF, or size
 * 0.
 */
size_t utf8_decode(const char *text, size_t size, uint32_t *point);

#endif
