/*
 * retry - the policies as a table, their refinement, and the arithmetic of delays
 *
 * Delays are computed in double and capped at every step, so no number of attempts overflows.
 */
#include "retry.h"
#include "json.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

enum { ATTEMPTS_MAX = 1000, MULTIPLIER_MAX = 100 };
#define BACKOFF_MIN_MS INT64_C(100)
#define BACKOFF_MAX_MS (7 * DAY_MS)
#define JITTER (RETRY_JITTER_PERCENT / 100.0)

/* Standard Webhooks, "Deliverability and reliability": the delays it recommends. */
static const int64_t webhooks_ms[] = {5 * SECOND_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 5 * HOUR_MS,
                                      10 * HOUR_MS,  14 * HOUR_MS,  20 * HOUR_MS,   24 * HOUR_MS};
enum { WEBHOOKS_COUNT = sizeof webhooks_ms / sizeof *webhooks_ms };

/* The first is the default. A Retry-After of more than a day is a destination that errs. */
static const struct retry_policy policies[] = {
    {.name = "exponential_backoff", /* the specification, 2.1.2 */
     .max_attempts = 6,
     .multiplier = 2,
     .first_ms = SECOND_MS,
     .max_backoff_ms = 16 * SECOND_MS,
     .max_retry_after_ms = DAY_MS},
    {.name = "standard_webhooks",
     .max_attempts = WEBHOOKS_COUNT + 1,
     .multiplier = 1,
     .first_ms = 5 * SECOND_MS,
     .max_backoff_ms = DAY_MS,
     .schedule_ms = webhooks_ms,
     .schedule_count = WEBHOOKS_COUNT,
     .max_retry_after_ms = DAY_MS},
    {.name = "none",
     .max_attempts = 1,
     .multiplier = 1,
     .first_ms = SECOND_MS,
     .max_backoff_ms = SECOND_MS,
     .max_retry_after_ms = DAY_MS},
};
enum { POLICY_COUNT = sizeof policies / sizeof *policies };

const char *const retry_policy_names[] = {"exponential_backoff", "standard_webhooks", "none", NULL};

const struct retry_policy *retry_policy_by_name(const char *name)
{
    for (size_t i = 0; name && i < POLICY_COUNT; i++)
        if (strcmp(policies[i].name, name) == 0)
            return &policies[i];
    return NULL;
}

/* A destination's numbers on top of the policy; 0 where it has none. */
struct refinement {
    const char *name;
    int64_t max_attempts, max_backoff_ms;
    double multiplier;
};

/* Numbers that contradict the policy which the same object names are refused. */
static int check_contradiction(const struct refinement *wish, const char *path, struct fault *fault)
{
    if (!wish->name)
        return 0;
    if (strcmp(wish->name, "none") == 0 &&
        (wish->max_attempts > 1 || wish->max_backoff_ms || wish->multiplier > 0))
        return fault_set(fault, FAULT_INPUT,
                         "%s: the policy \"none\" makes one attempt; leave the others out", path);
    if (strcmp(wish->name, "standard_webhooks") == 0 && wish->multiplier > 0)
        return fault_set(
            fault, FAULT_INPUT,
            "%s/backoff_multiplier: the policy \"standard_webhooks\" has a schedule and no multiplier", path);
    return 0;
}

static void refine(struct retry_policy *policy, const struct refinement *wish)
{
    if (policy->max_attempts == 1 && !wish->name)
        return; /* who asked for no second attempt gets none */
    if (wish->max_attempts)
        policy->max_attempts = (int)wish->max_attempts;
    if (wish->multiplier > 0 && !policy->schedule_ms)
        policy->multiplier = wish->multiplier;
    if (wish->max_backoff_ms)
        policy->max_backoff_ms = wish->max_backoff_ms;
}

int retry_policy_refine(const struct retry_policy *base, const json_t *form, const char *path,
                        struct retry_policy *policy, struct fault *fault)
{
    *policy = *base;
    if (!form || json_is_null(form))
        return 0;
    struct refinement wish = {0};
    const struct json_field fields[] = {
        {.name = "policy", .kind = JSON_KIND_WORD, .target = &wish.name, .words = retry_policy_names},
        {.name = "max_attempts",
         .kind = JSON_KIND_INT,
         .target = &wish.max_attempts,
         .min = 1,
         .max = ATTEMPTS_MAX},
        {.name = "backoff_multiplier",
         .kind = JSON_KIND_NUMBER,
         .target = &wish.multiplier,
         .min = 1,
         .max = MULTIPLIER_MAX},
        {.name = "max_backoff",
         .kind = JSON_KIND_SECONDS,
         .target = &wish.max_backoff_ms,
         .min = BACKOFF_MIN_MS,
         .max = BACKOFF_MAX_MS},
        {0},
    };
    if (json_is_string(form)) {
        const struct retry_policy *named = retry_policy_by_name(json_string_value(form));
        if (!named)
            return fault_set(fault, FAULT_INPUT,
                             "%s: \"exponential_backoff\", \"standard_webhooks\" or \"none\" is wanted",
                             path);
        *policy = *named;
        return 0;
    }
    if (json_fields(form, path, fields, fault) || check_contradiction(&wish, path, fault))
        return -1;
    if (wish.name)
        *policy = *retry_policy_by_name(wish.name);
    refine(policy, &wish);
    return 0;
}

/* The delay before the attempt that follows `attempts_made` (1 or more), without jitter. */
static double backoff_ms(const struct retry_policy *policy, int attempts_made)
{
    const double most = (double)policy->max_backoff_ms;
    double delay;
    if (policy->schedule_count > 0) {
        int last = policy->schedule_count;
        delay = (double)policy->schedule_ms[(attempts_made < last ? attempts_made : last) - 1];
    } else {
        delay = (double)policy->first_ms;
        for (int i = 1; i < attempts_made && delay < most && policy->multiplier > 1; i++)
            delay *= policy->multiplier;
    }
    return delay < most ? delay : most;
}

int64_t retry_delay_ms(const struct retry_policy *policy, int attempts_made, int64_t retry_after_ms,
                       double unit_random)
{
    if (attempts_made >= policy->max_attempts)
        return -1;
    int64_t delay = 0;
    if (attempts_made > 0)
        delay = (int64_t)(backoff_ms(policy, attempts_made) * (1 - JITTER + 2 * JITTER * unit_random) + 0.5);
    if (retry_after_ms > policy->max_retry_after_ms)
        retry_after_ms = policy->max_retry_after_ms;
    return delay > retry_after_ms ? delay : retry_after_ms;
}
