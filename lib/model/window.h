/*
 * window - how many attempts to one destination may be in flight: adaptive concurrency
 *
 * Pure: the caller gives the clock. It starts small and grows by one per window of successes, but only where
 * the window was the limit; it shrinks to 0.7 of itself where the destination says that it is asked too much
 * (an overload answer, a timeout), or where answers take far longer than they used to, at most once per round
 * trip. Never below one, or below the start for slowness alone: that may be the way of a few reports.
 */
#ifndef DIST_WINDOW_H
#define DIST_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WINDOW_START = 5 };

struct window {
    double size;
    double most;
    bool reached;       /* it was full since it was changed last */
    size_t successes;   /* since then */
    int64_t cut_at_ms;  /* of the last cut; attempts that began before it say nothing new */
    double mean_ms;     /* of the latency, moving; 0: not known yet */
    double spread_ms;   /* mean deviation, moving */
    double sum_ms;      /* of the interval */
    size_t samples;
};

void window_init(struct window *window, size_t most);
/* Another maximum, as after a reload. */
void window_limit(struct window *window, size_t most);
/* From the start again: what is known of the destination is too old, or it was away. */
void window_restart(struct window *window);
/* How many more may start beside `in_flight`. */
size_t window_room(const struct window *window, size_t in_flight);
/* An attempt starts; `in_flight` counts it. */
void window_enter(struct window *window, size_t in_flight);
/* An attempt that began at started_ms has ended. */
void window_success(struct window *window, int64_t started_ms, int64_t now_ms);
void window_overload(struct window *window, int64_t started_ms, int64_t now_ms);

#endif
