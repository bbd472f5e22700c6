/*
 * crash - named points between two durable effects, at which a test may kill the process
 *
 * DIST_CRASH_AT=<point>[:N] in the environment: the process kills itself with SIGKILL when it passes the
 * point for the N-th time (the first, without N). That is what a failing machine does, at an instant that no
 * signal from outside could hit; what must hold afterwards is in dist-internals(7), and tests/e2e/crash.bats
 * holds it for every point. Unset, a point costs one comparison, so the points are in every build: what is
 * proved is what runs.
 *
 * A point is named <stage>:<what has just become durable>, or what is about to. The names are those of the
 * table in crash.c, which a test compares with the calls.
 */
#ifndef DIST_CRASH_H
#define DIST_CRASH_H

#include "fault.h"

extern const char *const crash_points[]; /* ended by NULL */

/* CONFIG for a text that is no point of the table, with or without a number from 1 behind it. */
int crash_check(const char *text, struct fault *fault);
/* Arms the point; NULL, "" and what crash_check() refuses disarm. Counting starts here. Before threads. */
void crash_arm(const char *text);

extern const char *crash_armed; /* NULL: none; only for crash_point() */
void crash_pass(const char *point);

static inline void crash_point(const char *point)
{
    if (crash_armed)
        crash_pass(point);
}

#endif
