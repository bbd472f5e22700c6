/*
 * fold - letters that differ in case alone become the same
 *
 * Simple case folding, one code point to one, as Unicode has it (CaseFolding, status C and S) for the letters
 * of ASCII, Latin-1, Latin Extended-A and Additional, Greek and Cyrillic. All else stays as it is: there is
 * no locale, and no letter that becomes two (the German sharp s stays one). Pure.
 */
#ifndef DIST_FOLD_H
#define DIST_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t fold_point(uint32_t point);
/* UTF-8 of `size` bytes: all of `a` is all of `b`; `text` begins with `prefix`; `text` ends with `suffix`. */
bool fold_equals(const char *a, size_t a_size, const char *b, size_t b_size);
bool fold_starts_with(const char *text, size_t size, const char *prefix, size_t prefix_size);
bool fold_ends_with(const char *text, size_t size, const char *suffix, size_t suffix_size);

#endif
