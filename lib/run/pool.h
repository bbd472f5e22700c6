/*
 * pool - which destinations one dist-deliver --stream serves
 *
 * Patterns are the shell's (fnmatch(3)): "slow-*", "eu-[12]". A pattern behind '!' takes away what it
 * matches, wherever it stands. With no other pattern, or none at all, everything else is served.
 */
#ifndef DIST_POOL_H
#define DIST_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include "catalog.h"
#include "fault.h"

/*
 * The patterns in a list ended by NULL, for free(); the texts are borrowed. NULL where
 * one of them can match no name (class USAGE).
 */
const char **pool_new(const char *const *patterns, size_t count, struct fault *fault);

/* The first pattern that chooses no configured destination, or NULL: a slip, or one that requests bring
 * along. */
const char *pool_unmatched(const char *const *patterns, const struct catalog *catalog);

/* Whether a worker of these patterns takes work for the destination. NULL: all. */
bool pool_serves(const char *const *patterns, const char *destination);

#endif
