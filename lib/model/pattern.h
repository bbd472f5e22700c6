/*
 * pattern - event patterns: which events a rule is for, in JSON
 *
 *   {"data_type": ["report"],                                   any of these values
 *    "payload": {"region": [{"prefix": "eu-"}],                 fields are nested as in the event
 *                "amount": [{"numeric": [">", 0, "<=", 5000]}],
 *                "$or": [{"urgent": [true]}, {"due": [{"exists": true}]}]}}
 *
 * A pattern is an object of fields, and all of them must match. A leaf is an array of alternatives, of which
 * one must: a value (text, number, true, false, null), or an object with one operator:
 *
 *   {"prefix": text}  {"suffix": text}  {"equals-ignore-case": text}
 *                                                  the first two take {"equals-ignore-case": text} as well
 *   {"wildcard": text}                             * stands for any bytes, \* and \\ for themselves
 *   {"numeric": [">=", 1, "<", 10]}                one or two of = > >= < <=
 *   {"exists": true} {"exists": false}
 *   {"anything-but": value, [values] or {operator: text or [texts]}}
 *                                                  prefix, suffix, equals-ignore-case, wildcard or cidr
 *   {"cidr": "10.0.0.0/8"} {"cidr": "2001:db8::/32"}
 *
 * An array in the event matches where one of its elements does, at every level; fields below an array of
 * objects must be matched by one and the same element. Numbers are compared by value (1 is 1.0), without
 * loss. A field that is absent matches {"exists": false} and nothing else, anything-but neither; one that is
 * null or empty is there. Objects match no alternative but {"exists": true}. An IPv6 address that carries an
 * IPv4 one
 * (::ffff:10.0.0.1) is the IPv4 address. What equals-ignore-case means is in fold.h.
 *
 * "$or" is an array of patterns for the same object, of which one must match, and "$and" of which all must
 * (for two conditions on one field); a field of one of those names cannot be asked for.
 *
 * Matching costs at most the size of the pattern times the size of the event: no text of either is looked at
 * more often than once per alternative, wildcards included. Pure; a pattern does not change once it is made,
 * and threads may share it.
 */
#ifndef DIST_PATTERN_H
#define DIST_PATTERN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include "fault.h"

enum {
    PATTERN_DEPTH = 20,         /* nested objects, with those of $or and $and */
    PATTERN_ALTERNATIVES = 256, /* of one field */
    PATTERN_TESTS = 2000,       /* alternatives of a whole pattern */
    PATTERN_WILDCARDS = 16,     /* stars in one text */
    PATTERN_TEXT = 1024,        /* bytes of one text in it, and of the name of a field */
};

struct pattern;

/*
 * `form` is copied. `path` is its JSON pointer, for faults ("/match"). `members` (ended by NULL) are the
 * fields that an event may have at its outermost level, another one is a mistake; NULL: any. Class INPUT:
 * "/match/payload/amount/0: unknown operator 'gte'; did you mean 'numeric'?"
 */
struct pattern *pattern_new(const json_t *form, const char *path, const char *const *members,
                            struct fault *fault);
void pattern_free(struct pattern *pattern);

/* Every mistake of a form instead of the first alone, one call of `report` for each. Returns their count. */
size_t pattern_check(const json_t *form, const char *path, const char *const *members,
                     void (*report)(void *arg, const struct fault *mistake), void *arg);

/* The first field that did not match. It quotes the event: not for logs. */
struct pattern_miss {
    char path[200]; /* JSON pointer in the event: "/payload/amount" */
    char text[400]; /* "120 does not match [{"numeric":[">",500]}]" */
};

/* `miss` may be NULL, which saves time; it is set where the answer is false. */
bool pattern_match(const struct pattern *pattern, const json_t *event, struct pattern_miss *miss);
/*
 * The same for those who do not trust whoever wrote patterns and events: *looks is how often an alternative
 * may be held against a value (in a long text more than once for each), and what is left of it. Where nothing
 * is left the answer is false, and means nothing.
 */
bool pattern_match_within(const struct pattern *pattern, const json_t *event, size_t *looks,
                          struct pattern_miss *miss);

/*
 * True only where everything that `narrow` matches is matched by `wide`, as far as that is seen by looking at
 * the fields one by one: false may also mean that it is not easy to tell.
 */
bool pattern_covers(const struct pattern *wide, const struct pattern *narrow);

/* True where the pattern asks for that field of the outermost level, in "$or" and "$and" too. */
bool pattern_asks(const struct pattern *pattern, const char *member);

#endif
