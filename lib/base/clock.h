/*
 * clock - time: where we are, and its written forms
 *
 * Wall-clock times are microseconds since 1970 in UTC (int64_t `_us`); waiting uses monotonic milliseconds
 * (`_ms`). RFC 3339 is read with 'Z' or an offset, with or without a fraction, and written in UTC.
 */
#ifndef DIST_CLOCK_H
#define DIST_CLOCK_H

#include <stdint.h>
#include "fault.h"

int64_t clock_wall_us(void);
int64_t clock_mono_us(void);
int64_t clock_mono_ms(void);

enum { CLOCK_TEXT_SIZE = 32 };
/*
 * "2024-01-15T10:00:00.123Z"; the fraction is cut (not rounded) to milliseconds, and absent where it is zero.
 * Times outside the years 1970 to 9999 are written as the nearest end.
 */
const char *clock_format(int64_t wall_us, char text[CLOCK_TEXT_SIZE]);
/*
 * The inverse; class INPUT. Leap seconds are refused, years 1970 to 9999 (of the time in UTC) are taken,
 * digits behind the microsecond are cut off. The epoch itself is refused: 0 stands for no time everywhere.
 */
int clock_parse(const char *text, int64_t *wall_us, struct fault *fault);

#endif
