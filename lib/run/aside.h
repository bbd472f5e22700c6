/*
 * aside - calls that may block, on a thread of their own beside an event loop
 *
 * One job at a time: its `work` runs on the thread, then its `done` in the loop. Between the two calls the job is
 * the thread's alone. So a server that hangs holds up nothing but the jobs behind it.
 */
#ifndef DIST_ASIDE_H
#define DIST_ASIDE_H

#include <stdbool.h>
#include <stdint.h>
#include "fault.h"

struct event_base;
struct aside;

/* Signals are left to the thread that calls it. NULL: SYSTEM. */
struct aside *aside_start(struct event_base *base, struct fault *fault);
/* Waits for the job that is being worked on, and calls its `done` from here. NULL is fine. */
void aside_stop(struct aside *aside);

bool aside_is_busy(const struct aside *aside);
/* Since when, by clock_mono_ms(); 0: it is idle. */
int64_t aside_busy_since_ms(const struct aside *aside);
/* Only while it is idle: from then on it is busy until `done` is called, which may post the next job. */
void aside_post(struct aside *aside, void (*work)(void *job), void (*done)(void *job), void *job);

#endif
