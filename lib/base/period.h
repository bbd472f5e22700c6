/*
 * period - the hour, day, week or month that a moment lies in, by the local time zone (TZ)
 */
#ifndef DIST_PERIOD_H
#define DIST_PERIOD_H

#include <stdint.h>

enum period { PERIOD_HOUR, PERIOD_DAY, PERIOD_WEEK, PERIOD_MONTH, PERIOD_COUNT };
extern const char *const period_names[PERIOD_COUNT + 1]; /* "hour", "day", "week", "month" */

enum { PERIOD_LABEL_SIZE = 32 };
/*
 * "2024-10-27T02+0200", "2024-10-27", "2024-W43" (ISO 8601: weeks begin on Monday), "2024-10". The hour has
 * its offset, because where clocks are put back an hour comes twice.
 */
const char *period_label(enum period period, int64_t wall_us, char text[PERIOD_LABEL_SIZE]);
/* How long after its beginning the longest period of this kind has certainly ended, with a reserve for clocks
 * that differ. */
int64_t period_reach_ms(enum period period);

#endif
