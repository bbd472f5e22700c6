/*
 * trace - the header field traceparent (W3C Trace Context, level 1)
 *
 *   00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *
 * The trace is that of the distribution: the one that its submitter gave, or a digest of its tenant and id,
 * so that all attempts of all its deliveries are in one trace though nobody keeps it. The parent is the
 * attempt, of which each has its own.
 */
#ifndef DIST_TRACE_H
#define DIST_TRACE_H

#include "adapter.h"

enum { TRACE_TEXT_SIZE = 56 };

/* attempt->traceparent is used where it is one, and else ignored, as the standard asks for (4.3). */
void trace_parent(const struct attempt *attempt, char text[TRACE_TEXT_SIZE]);

#endif
