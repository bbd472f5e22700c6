/*
 * pool - see pool.h
 */
#include "pool.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "xalloc.h"

enum { PATTERN_MAX = 200 };

/* What is wrong with a pattern without its '!', or NULL. A name holds no bracket and no backslash, so one
 * that is not part of a pattern can match nothing. */
static const char *mistake(const char *pattern)
{
    const char *close = pattern;

    if (!*pattern)
        return "is empty";
    if (strlen(pattern) > PATTERN_MAX)
        return "is too long";
    for (const char *c = pattern; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._-*?[]!^", *c))
            return "holds a character that no name of a destination has";
    while ((close = strchr(close, '['))) {
        close = close[1] ? strchr(close + 2, ']') : NULL; /* []a] is a set with a bracket in it */
        if (!close)
            return "has a '[' without its ']'";
    }
    return NULL;
}

const char **pool_new(const char *const *patterns, size_t count, struct fault *fault)
{
    const char **copy;

    for (size_t i = 0; i < count; i++) {
        const char *wrong = mistake(patterns[i] + (*patterns[i] == '!'));
        if (wrong) {
            fault_set(fault, FAULT_USAGE, "--destination: the pattern '%.60s' %s", patterns[i], wrong);
            return NULL;
        }
    }
    copy = xcalloc(count + 1, sizeof *copy);
    for (size_t i = 0; i < count; i++)
        copy[i] = patterns[i];
    return copy;
}

const char *pool_unmatched(const char *const *patterns, const struct catalog *catalog)
{
    const char *unmatched = NULL;
    size_t count;
    const char **names = catalog_names(catalog, &count);

    for (; *patterns && !unmatched; patterns++) {
        size_t i = 0;
        while (i < count && fnmatch(*patterns + (**patterns == '!'), names[i], 0) != 0)
            i++;
        if (i == count)
            unmatched = *patterns;
    }
    free(names);
    return unmatched;
}

bool pool_serves(const char *const *patterns, const char *destination)
{
    bool chosen = false, choosing = false;

    for (const char *const *pattern = patterns; pattern && *pattern; pattern++) {
        bool without = **pattern == '!';
        bool match = fnmatch(*pattern + without, destination, 0) == 0;
        if (without && match)
            return false;
        choosing |= !without;
        chosen |= !without && match;
    }
    return chosen || !choosing;
}
