/*
 * excerpt - one line out of what a destination said, for an outcome's text
 */
#ifndef DIST_EXCERPT_H
#define DIST_EXCERPT_H

#include <stddef.h>
#include "buf.h"

enum { EXCERPT_SIZE = 201 };

/* The first, the last line that is more than blanks; printable UTF-8, cut to fit. "" where there is none. */
void excerpt_first_line(const struct buf *said, char line[EXCERPT_SIZE]);
void excerpt_last_line(const struct buf *said, char line[EXCERPT_SIZE]);

/* Overwrites every occurrence of `secret` with '*'. NULL and less than 4 bytes, which are everywhere, are
 * left. */
void excerpt_mask(struct buf *said, const char *secret);

#endif
