/*
 * retry - when the next attempt is, or that there is none
 *
 * Policies by name: exponential_backoff (1, 2, 4, 8, 16 s, then max_backoff; 6 attempts), standard_webhooks
 * (5 s, 5 min, 30 min, 2, 5, 10, 14, 20, 24 h; 10 attempts), none (1 attempt). A destination's own
 * max_attempts, backoff_multiplier and max_backoff refine them. Pure: the random number is handed in.
 */
#ifndef DIST_RETRY_H
#define DIST_RETRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "fault.h"

struct retry_policy {
    const char *name;           /* of the policy, static */
    int max_attempts;           /* 1 to 1000 */
    double multiplier;          /* 1 to 100: the delay grows by it */
    int64_t first_ms;           /* the delay before the second attempt */
    int64_t max_backoff_ms;     /* caps the delay before the jitter, of a schedule too; 100 ms to 7 d */
    const int64_t *schedule_ms; /* NULL, or the delays one by one; the last one repeats */
    int schedule_count;
    int64_t max_retry_after_ms; /* a longer Retry-After is cut to it: 24 h in every policy */
};

/* Of a delay, to either side: spreads what failed together. */
enum { RETRY_JITTER_PERCENT = 20 };

extern const char *const retry_policy_names[]; /* ended by NULL */

/* The policy of that name, or NULL. */
const struct retry_policy *retry_policy_by_name(const char *name);

/*
 * `base` refined by a destination's "retry_policy": a name, or an object {"policy": name, "max_attempts",
 * "backoff_multiplier", "max_backoff": seconds or duration}. `form` may be NULL. INPUT, with the pointer.
 * A policy that the form names replaces `base`. Numbers alone do not refine a `base` of "none", and a
 * multiplier does not change a schedule; named in one object with such a policy they are refused.
 */
int retry_policy_refine(const struct retry_policy *base, const json_t *form, const char *path,
                        struct retry_policy *policy, struct fault *fault);

/*
 * The delay before attempt `attempts_made` + 1, in milliseconds, or -1 where the policy's attempts are
 * spent. The backoff gets a jitter of RETRY_JITTER_PERCENT by `unit_random` (0 <= x < 1) and is never shorter
 * than what the destination asked for (`retry_after_ms`, -1: nothing), up to max_retry_after_ms.
 */
int64_t retry_delay_ms(const struct retry_policy *policy, int attempts_made, int64_t retry_after_ms,
                       double unit_random);

#endif
