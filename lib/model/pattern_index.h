/*
 * pattern_index - of many patterns, the few that an event may match
 *
 * Most patterns ask some field for certain values. Of those fields each pattern is filed under the one that
 * sets it apart best: the fewest patterns ask for the same values of it ("$or" is filed under one field of
 * each of its patterns). An event is looked up with the values that it has; what is found, and the patterns
 * that ask for no value at all, must then be asked with pattern_match(). So a thousand rules that each name a
 * customer of their own cost an event a look-up for each field, and one or two matches. Pure; an index does
 * not change once it is made, and threads may share it.
 */
#ifndef DIST_PATTERN_INDEX_H
#define DIST_PATTERN_INDEX_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "pattern.h"

struct pattern_index;

/* The patterns are looked at and not kept. Each has the number of its place in the array. */
struct pattern_index *pattern_index_new(const struct pattern *const *patterns, size_t count);
void pattern_index_free(struct pattern_index *index);

/* The words that a set of `count` numbers has; number n is bit n % 64 of word n / 64. */
#define PATTERN_SET_WORDS(count) (((count) + 63) / 64)

/*
 * Adds to `set` (as many bits as there are patterns) every pattern that matches the event, and few that do
 * not. Returns how many were added by it.
 */
size_t pattern_index_find(const struct pattern_index *index, const json_t *event, uint64_t *set);

#endif
