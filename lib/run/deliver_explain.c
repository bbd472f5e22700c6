/*
 * deliver_explain - see deliver_explain.h
 *
 * Nothing is said here that is not read from where the engine reads it: the policy by retry_delay_ms(), the
 * outcomes from the adapters' tables.
 */
#include "deliver_explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter.h"
#include "ceilings.h"
#include "json.h"
#include "num.h"
#include "retry.h"
#include "table.h"
#include "window.h"

enum { CODE_SIZE = 40 };

/* What is explained: a destination, or the defaults where it is NULL. */
struct subject {
    const struct deliver_explain *explain;
    const struct destination *destination;
    struct retry_policy policy;
};

static int subject_init(struct subject *subject, const struct deliver_explain *explain,
                        const struct destination *destination, struct fault *fault)
{
    *subject = (struct subject){.explain = explain, .destination = destination};
    return retry_policy_refine(retry_policy_by_name(explain->retry_policy),
                               destination ? destination->retry_policy : NULL, "/retry_policy",
                               &subject->policy, fault);
}

/* Before the attempt of that number, without the jitter: its middle. */
static int64_t delay_ms(const struct retry_policy *policy, int number)
{
    return number == 1 ? 0 : retry_delay_ms(policy, number - 1, -1, 0.5);
}

/* The codes of a row: "429", "200 to 299", "ENOSPC", "22000 to 22ZZZ"; "any other" for a range that ends
 * without a name; "-" of an event. */
static const char *code_of(const struct outcome_table *table, const struct answer *row, bool event,
                           char text[CODE_SIZE])
{
    const char *name = table->code_text ? table->code_text(row->first) : NULL;
    const char *last = table->code_text ? table->code_text(row->last) : NULL;

    if (event)
        return "-";
    if (row->first == row->last && name)
        return name;
    if (row->first == row->last)
        snprintf(text, CODE_SIZE, "%d", row->first);
    else if (name && last)
        snprintf(text, CODE_SIZE, "%s to %s", name, last);
    else if (name)
        snprintf(text, CODE_SIZE, "any other");
    else
        snprintf(text, CODE_SIZE, "%d to %d", row->first, row->last);
    return text;
}

/* For people */

static void add_limits(struct facts *facts, const struct subject *subject)
{
    const struct destination *destination = subject->destination;
    char text[NUM_DURATION_SIZE];

    if (destination) {
        facts_add(facts, "timeout", "%s, from the look-up of the name to the last byte",
                  num_format_duration(destination->timeout_ms, text));
        facts_add(facts, "concurrency", "%d attempts at once at first, %" PRId64 " at the most, per worker",
                  WINDOW_START < destination->concurrency ? WINDOW_START : (int)destination->concurrency,
                  destination->concurrency);
        if (destination->rate_per_s > 0)
            facts_add(facts, "rate", "%g attempts per second, %g at once after a pause, of all workers",
                      destination->rate_per_s, destination_burst(destination));
        else
            facts_add(facts, "rate", "no limit");
    }
    facts_add(facts, "in all", "%" PRId64 " attempts at once, per worker (DIST_CONCURRENCY)",
              subject->explain->concurrency);
    facts_add(facts, "per tenant", "%" PRId64 " attempts at once, per worker (DIST_TENANT_CONCURRENCY)",
              subject->explain->tenant_concurrency);
    facts_add(facts, "breaker",
              "opens after %" PRId64 " deferred attempts in a row, of all workers; one probe after %s",
              subject->explain->breaker_failures,
              num_format_duration(subject->explain->breaker_recovery_ms, text));
    facts_add(facts, "response", "%d bytes are kept", LIMIT_RESPONSE);
    facts_add(facts, "private", "addresses are %s",
              subject->explain->allow_private || (destination && destination->allow_private) ? "allowed"
                                                                                             : "refused");
}

static int print_facts(const struct subject *subject, struct fault *fault)
{
    const struct destination *destination = subject->destination;
    const struct retry_policy *policy = &subject->policy;
    char text[NUM_DURATION_SIZE];
    struct facts facts;

    facts_init(&facts);
    if (destination) {
        facts_add(&facts, "destination", "%s%s", destination->name,
                  destination->disabled ? " (disabled: deliveries wait, and spend no attempt)" : "");
        facts_add(&facts, "protocol", "%s", protocol_names[destination->protocol]);
    }
    facts_add(&facts, "retry policy", "%s, unless the request names one", policy->name);
    facts_add(&facts, "attempts", "%d", policy->max_attempts);
    facts_add(&facts, "Retry-After", "obeyed up to %s",
              num_format_duration(policy->max_retry_after_ms, text));
    facts_add(&facts, "max age", "%s, unless the request expires (DIST_MAX_AGE)",
              num_format_duration(subject->explain->max_age_ms, text));
    add_limits(&facts, subject);
    return facts_print(&facts, fault);
}

/* Attempts that are equally far apart are one row. */
static int print_delays(const struct retry_policy *policy, struct fault *fault)
{
    char delays[CODE_SIZE];
    const char *heading[] = {"ATTEMPT", delays, "SINCE THE FIRST"};
    int64_t total_ms = 0;
    struct table table;

    snprintf(delays, sizeof delays, "DELAY (+-%d%%)", RETRY_JITTER_PERCENT);
    table_init(&table, heading, sizeof heading / sizeof *heading);
    for (int number = 1, last; number <= policy->max_attempts; number = last + 1) {
        int64_t delay = delay_ms(policy, number);
        char numbers[CODE_SIZE], delay_text[NUM_DURATION_SIZE], total_text[NUM_DURATION_SIZE];
        for (last = number; last < policy->max_attempts && delay_ms(policy, last + 1) == delay; last++)
            ;
        total_ms += delay * (last - number + 1);
        snprintf(numbers, sizeof numbers, last == number ? "%d" : "%d to %d", number, last);
        table_row(&table,
                  (const char *[]){numbers, number == 1 ? "-" : num_format_duration(delay, delay_text),
                                   num_format_duration(total_ms, total_text)});
    }
    int result = table_print(&table, fault);
    table_release(&table);
    return result;
}

static void add_rows(struct table *out, const struct outcome_table *table, bool events)
{
    for (const struct answer *row = events ? table->events : table->codes; row->reason; row++) {
        char code[CODE_SIZE];
        table_row(out, (const char *[]){code_of(table, row, events, code), outcome_kind_names[row->kind],
                                        row->reason,
                                        row->marks & OVERLOAD ? "overload"
                                        : row->marks & HELD   ? "held"
                                        : row->marks & LOCAL  ? "local"
                                        : row->marks & GONE   ? "gone"
                                                              : "-",
                                        row->meaning});
    }
}

static int print_outcomes(enum protocol protocol, struct fault *fault)
{
    const struct adapter *adapter = adapter_for(protocol);
    const struct outcome_table *outcomes = adapter ? adapter->outcomes : NULL;
    const char *heading[] = {"CODE", "OUTCOME", "REASON", "MARK", "MEANING"};
    struct table table;

    if (!outcomes)
        return print_text(fault, "\n%s: this version has no adapter\n", protocol_names[protocol]);
    if (print_text(fault, "\n%s%s%s\n", protocol_names[protocol], outcomes->code_name ? ", by " : "",
                   outcomes->code_name ? outcomes->code_name : "") < 0)
        return -1;
    table_init(&table, heading, sizeof heading / sizeof *heading);
    add_rows(&table, outcomes, false);
    add_rows(&table, outcomes, true);
    int result = table_print(&table, fault);
    table_release(&table);
    return result;
}

static int print_for_people(const struct subject *subject, struct fault *fault)
{
    int result = 0;

    if (print_facts(subject, fault) < 0 || print_delays(&subject->policy, fault) < 0)
        return -1;
    if (subject->destination)
        return print_outcomes(subject->destination->protocol, fault);
    for (int i = 0; result == 0 && i < PROTOCOL_COUNT; i++)
        if (adapter_for((enum protocol)i))
            result = print_outcomes((enum protocol)i, fault);
    return result;
}

/* As JSON */

static json_t *retry_json(const struct retry_policy *policy)
{
    json_t *attempts = json_array();
    int64_t total_ms = 0;

    for (int number = 1; number <= policy->max_attempts; number++) {
        int64_t delay = delay_ms(policy, number);
        total_ms += delay;
        json_array_append_new(attempts, json_pack("{s:i, s:I, s:I}", "attempt", number, "delay_ms",
                                                  (json_int_t)delay, "cumulative_ms", (json_int_t)total_ms));
    }
    return json_pack("{s:s, s:i, s:f, s:I, s:o}", "policy", policy->name, "max_attempts",
                     policy->max_attempts, "jitter", RETRY_JITTER_PERCENT / 100.0, "max_retry_after_ms",
                     (json_int_t)policy->max_retry_after_ms, "attempts", attempts);
}

static void rows_json(json_t *array, enum protocol protocol, const struct outcome_table *table, bool events)
{
    for (const struct answer *row = events ? table->events : table->codes; row->reason; row++) {
        char code[CODE_SIZE];
        json_t *item = json_pack("{s:s}", "protocol", protocol_names[protocol]);
        if (!events)
            json_object_set_new(item, "code", json_string(code_of(table, row, events, code)));
        json_object_update_new(item, json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:s}", "outcome",
                                               outcome_kind_names[row->kind], "reason", row->reason,
                                               "overload", (row->marks & OVERLOAD) != 0, "local",
                                               (row->marks & LOCAL) != 0, "held", (row->marks & HELD) != 0,
                                               "gone", (row->marks & GONE) != 0, "meaning", row->meaning));
        json_array_append_new(array, item);
    }
}

static json_t *outcomes_json(const struct destination *destination)
{
    json_t *array = json_array();

    for (int i = 0; i < PROTOCOL_COUNT; i++) {
        const struct adapter *adapter = adapter_for((enum protocol)i);
        if (!adapter || (destination && destination->protocol != (enum protocol)i))
            continue;
        rows_json(array, (enum protocol)i, adapter->outcomes, false);
        rows_json(array, (enum protocol)i, adapter->outcomes, true);
    }
    return array;
}

static int print_as_json(const struct subject *subject, struct fault *fault)
{
    const struct destination *destination = subject->destination;
    json_t *object = json_object();

    if (destination)
        json_object_update_new(
            object, json_pack("{s:s, s:s, s:b, s:I, s:I, s:f, s:f}", "destination", destination->name,
                              "protocol", protocol_names[destination->protocol], "disabled",
                              destination->disabled, "timeout_ms", (json_int_t)destination->timeout_ms,
                              "concurrency", (json_int_t)destination->concurrency, "rate_per_s",
                              destination->rate_per_s, "burst", destination_burst(destination)));
    json_object_update_new(
        object,
        json_pack("{s:o, s:I, s:I, s:I, s:{s:I, s:I}, s:i, s:b, s:o}", "retry", retry_json(&subject->policy),
                  "max_age_ms", (json_int_t)subject->explain->max_age_ms, "total_concurrency",
                  (json_int_t)subject->explain->concurrency, "tenant_concurrency",
                  (json_int_t)subject->explain->tenant_concurrency, "breaker", "failures",
                  (json_int_t)subject->explain->breaker_failures, "recovery_ms",
                  (json_int_t)subject->explain->breaker_recovery_ms, "response_kept_bytes", LIMIT_RESPONSE,
                  "allow_private",
                  subject->explain->allow_private || (destination && destination->allow_private), "outcomes",
                  outcomes_json(destination)));
    return print_json(object, fault);
}

static int explain_one(const struct deliver_explain *explain, const struct destination *destination,
                       struct fault *fault)
{
    struct subject subject;

    if (subject_init(&subject, explain, destination, fault) < 0)
        return -1;
    return explain->json ? print_as_json(&subject, fault) : print_for_people(&subject, fault);
}

int deliver_explain_run(const struct deliver_explain *explain, const char *name, struct fault *fault)
{
    const struct destination *destination = name ? catalog_destination(explain->catalog, name) : NULL;
    const struct group *group = name ? catalog_group(explain->catalog, name) : NULL;
    int result = 0;

    if (destination || !name)
        return explain_one(explain, destination, fault);
    if (!group) {
        const char *nearest = catalog_nearest(explain->catalog, name);
        return fault_set(fault, FAULT_INPUT, "no destination or group is named '%.100s'%s%s%s", name,
                         nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    }
    for (size_t i = 0; result == 0 && i < group->member_count; i++) {
        if (i > 0 && !explain->json)
            result = print_text(fault, "\n");
        if (result == 0)
            result = explain_one(explain, catalog_destination(explain->catalog, group->members[i]), fault);
    }
    return result;
}
