/*
 * window - see window.h
 */
#include "window.h"

#include <math.h>

#define CUT 0.7
#define LEARN 0.3 /* the weight of a new interval in the moving values */

enum {
    INTERVAL = 20,       /* answers that are judged together: single ones are noise */
    OUTLIER_SPREADS = 3, /* beyond the mean */
    OUTLIER_MS = 50,     /* and at least this: on a loopback everything is an outlier of something */
};

void window_init(struct window *window, size_t most)
{
    *window = (struct window){.most = (double)(most ? most : 1)};
    window_restart(window);
}

void window_limit(struct window *window, size_t most)
{
    window->most = (double)(most ? most : 1);
    if (window->size > window->most)
        window->size = window->most;
}

void window_restart(struct window *window)
{
    window->size = window->most < WINDOW_START ? window->most : WINDOW_START;
    window->reached = false;
    window->successes = 0;
    window->mean_ms = window->spread_ms = window->sum_ms = 0;
    window->samples = 0;
}

size_t window_room(const struct window *window, size_t in_flight)
{
    size_t size = (size_t)window->size;

    return in_flight < size ? size - in_flight : 0;
}

void window_enter(struct window *window, size_t in_flight)
{
    if (in_flight >= (size_t)window->size)
        window->reached = true;
}

static void cut(struct window *window, double least, int64_t started_ms, int64_t now_ms)
{
    if (started_ms < window->cut_at_ms || window->size <= least)
        return;
    window->size = window->size * CUT > least ? window->size * CUT : least;
    window->cut_at_ms = now_ms;
    window->reached = false;
    window->successes = 0;
}

/* Takes the interval into the moving values. True: it was far slower than those before it. */
static bool learn(struct window *window)
{
    double mean = window->sum_ms / (double)window->samples;
    double beyond = mean - window->mean_ms;
    bool known = window->mean_ms > 0;
    bool outlier = known && beyond > OUTLIER_MS && beyond > OUTLIER_SPREADS * window->spread_ms;

    window->spread_ms = known ? window->spread_ms + LEARN * (fabs(beyond) - window->spread_ms) : mean / 2;
    window->mean_ms = known ? window->mean_ms + LEARN * beyond : mean;
    window->sum_ms = 0;
    window->samples = 0;
    return outlier;
}

void window_success(struct window *window, int64_t started_ms, int64_t now_ms)
{
    double least = window->most < WINDOW_START ? window->most : WINDOW_START;

    window->successes++;
    window->samples++;
    window->sum_ms += now_ms > started_ms ? (double)(now_ms - started_ms) : 0;
    if (window->samples >= INTERVAL && learn(window)) {
        cut(window, least, started_ms, now_ms);
        return;
    }
    if (!window->reached || window->successes < (size_t)window->size)
        return;
    window->size = window->size + 1 < window->most ? window->size + 1 : window->most;
    window->reached = false;
    window->successes = 0;
}

void window_overload(struct window *window, int64_t started_ms, int64_t now_ms)
{
    cut(window, 1, started_ms, now_ms);
}
