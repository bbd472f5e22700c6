/*
 * num - strict readers of numbers, sizes and durations
 *
 * The whole text must be the value: no blanks, no sign where none is named, no clamping. Class INPUT.
 */
#ifndef DIST_NUM_H
#define DIST_NUM_H

#include <stdint.h>
#include <stdbool.h>
#include "fault.h"

int num_parse_int(const char *text, int64_t min, int64_t max, int64_t *value, struct fault *fault);
/* "65536", "64K", "16M", "16MiB", "1G", "1T", "64k"; powers of 1024 ("MB" would be ambiguous: refused). */
int num_parse_size(const char *text, uint64_t max, uint64_t *bytes, struct fault *fault);
/*
 * "500ms", "30s", "5m", "2h", "4d", "1h30m"; a bare number is seconds, "1.5s" and "0.5" are taken.
 * Units go from great to small, each once; a fraction stands alone and comes out at whole milliseconds.
 */
int num_parse_duration(const char *text, int64_t max_ms, int64_t *ms, struct fault *fault);
/* "1/0", "true/false", "yes/no", "on/off"; upper or lower case */
int num_parse_bool(const char *text, bool *value, struct fault *fault);
/* Two units at most, the rest cut off: "850ms", "1.5s", "12s", "3m20s", "4h", "2d3h" for people. */
enum { NUM_DURATION_SIZE = 48 };
const char *num_format_duration(int64_t ms, char text[NUM_DURATION_SIZE]);
/* "1.5K", "16M" for people. */
enum { NUM_SIZE_SIZE = 16 };
const char *num_format_size(uint64_t bytes, char text[NUM_SIZE_SIZE]);

#endif
