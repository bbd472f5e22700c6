/*
 * gzip - RFC 1952, by zlib
 *
 * The header has no time, no name and no system, so that the same bytes always become the same bytes.
 */
#ifndef DIST_GZIP_H
#define DIST_GZIP_H

#include <stddef.h>
#include "buf.h"
#include "fault.h"

/* Appends. -1, class INPUT, with `out` as it was: more than its ceiling. Memory that zlib lacks is a SYSTEM
 * fault. */
int gzip_compress(const void *data, size_t size, struct buf *out, struct fault *fault);

#endif
