/*
 * request_join - one job from what a request document says and what the command line gives
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "ceilings.h"
#include "clock.h"
#include "http_field.h"
#include "period.h"
#include "request_parts.h"
#include "retry.h"
#include "text.h"
#include "xalloc.h"

enum { SHOWN_SIZE = 80 }; /* of somebody else's value in a message */

/* The value that is given; both must not differ. */
static int agree(const char *member, const char *requested, const char *option, const char *given,
                 const char **value, struct fault *fault)
{
    char left[SHOWN_SIZE], right[SHOWN_SIZE];

    *value = requested ? requested : given;
    if (!requested || !given || !strcmp(requested, given))
        return 0;
    text_copy(left, sizeof left, requested);
    text_copy(right, sizeof right, given);
    return fault_set(fault, FAULT_INPUT, "the request says %s '%s', %s says '%s'", member,
                     text_printable(left), option, text_printable(right));
}

/* The word of `words` for an option's value, in any case; NULL stays NULL. */
static int option_word(const char *option, const char *value, const char *const *words, const char **word,
                       struct fault *fault)
{
    char shown[SHOWN_SIZE];
    size_t count = 0;
    const char *nearest;

    *word = NULL;
    if (!value)
        return 0;
    for (; words[count]; count++) {
        if (!strcasecmp(words[count], value)) {
            *word = words[count];
            return 0;
        }
    }
    nearest = text_nearest(value, words, count);
    text_copy(shown, sizeof shown, value);
    return fault_set(fault, FAULT_INPUT, "%s: '%s' is not known%s%s%s", option, text_printable(shown),
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static int take_names(struct job *job, const struct request *request, const struct job_defaults *defaults,
                      struct fault *fault)
{
    const char *tenant_id, *data_type;

    if (agree("tenant_id", request->tenant_id, "--tenant", defaults->tenant_id, &tenant_id, fault) ||
        agree("data_type", request->data_type, "--type", defaults->data_type, &data_type, fault))
        return -1;
    if (!tenant_id)
        return fault_set(fault, FAULT_INPUT, "no tenant: give --tenant or tenant_id");
    if (!data_type)
        return fault_set(fault, FAULT_INPUT, "no type: give --type or data_type");
    if (job_check_name(request->tenant_id ? "/tenant_id" : "--tenant", tenant_id, fault) ||
        job_check_name(request->data_type ? "/data_type" : "--type", data_type, fault))
        return -1;
    if (request->distribution_id &&
        job_check_distribution_id("/distribution_id", request->distribution_id, fault))
        return -1;
    job->own_id = request->distribution_id != NULL;
    job->distribution_id = xstrdup(job->own_id ? request->distribution_id : job->id);
    job->tenant_id = xstrdup(tenant_id);
    job->data_type = xstrdup(data_type);
    return 0;
}

/* What decides whether this is a new distribution, and what it replaces. */
static int take_keys(struct job *job, const struct request *request, const struct job_defaults *defaults,
                     struct fault *fault)
{
    const char *key, *given, *once_per, *supersede_key;

    if (agree("idempotency_key", request->idempotency_key, "--idempotency-key", defaults->idempotency_key,
              &key, fault) ||
        option_word("--once-per", defaults->once_per, period_names, &given, fault) ||
        agree("once_per", request->once_per, "--once-per", given, &once_per, fault) ||
        agree("supersede", request->supersede_key, "--supersede", defaults->supersede_key, &supersede_key,
              fault))
        return -1;
    if (key && job_check_idempotency_key(
                   request->idempotency_key ? "/options/idempotency_key" : "--idempotency-key", key, fault))
        return -1;
    if (key && once_per)
        return fault_set(fault, FAULT_INPUT,
                         "once_per makes the idempotency key, and there is one already: give one of them");
    if (supersede_key &&
        job_check_idempotency_key(request->supersede_key ? "/options/supersede" : "--supersede",
                                  supersede_key, fault))
        return -1;
    job->idempotency_key = xstrdup_null(key);
    job->once_per = xstrdup_null(once_per);
    job->supersede_key = xstrdup_null(supersede_key);
    return 0;
}

static int take_options(struct job *job, const struct request *request, const struct job_defaults *defaults,
                        struct fault *fault)
{
    const char *given, *priority, *retry_policy, *content_type;

    if (option_word("--priority", defaults->priority, priority_names, &given, fault) ||
        agree("priority", request->priority, "--priority", given, &priority, fault) ||
        option_word("--retry-policy", defaults->retry_policy, retry_policy_names, &given, fault) ||
        agree("retry_policy", request->retry_policy, "--retry-policy", given, &retry_policy, fault) ||
        agree("content_type", request->content_type, "--content-type", defaults->content_type, &content_type,
              fault))
        return -1;
    if (content_type && job_check_content_type(request->content_type ? "/content_type" : "--content-type",
                                               content_type, fault))
        return -1;
    if (priority)
        job->priority = (enum priority)status_index(priority_names, priority);
    job->retry_policy = xstrdup_null(retry_policy);
    job->content_type = xstrdup(content_type ? content_type : JOB_DEFAULT_TYPE);
    return 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a && (!b || a < b) ? a : b;
}

/* A time that both the document and the command line give must be the same. */
static int agree_time(const char *member, int64_t requested_us, const char *option, int64_t given_us,
                      int64_t *value_us, struct fault *fault)
{
    char left[CLOCK_TEXT_SIZE], right[CLOCK_TEXT_SIZE];

    *value_us = requested_us ? requested_us : given_us;
    if (!requested_us || !given_us || requested_us == given_us)
        return 0;
    return fault_set(fault, FAULT_INPUT, "the request says %s '%s', %s says '%s'", member,
                     clock_format(requested_us, left), option, clock_format(given_us, right));
}

static int take_schedule(struct job *job, const struct request *request, const struct job_defaults *defaults,
                         int64_t now_us, struct fault *fault)
{
    char text[CLOCK_TEXT_SIZE];

    if (agree_time("scheduled_at", request->scheduled_at_us, "--at", defaults->scheduled_at_us,
                   &job->scheduled_at_us, fault))
        return -1;
    if (request->delay_ms && defaults->delay_ms && request->delay_ms != defaults->delay_ms)
        return fault_set(fault, FAULT_INPUT, "the request says another delay than --delay");
    job->delay_ms = request->delay_ms ? request->delay_ms : defaults->delay_ms;
    if (job->scheduled_at_us && job->delay_ms)
        return fault_set(fault, FAULT_INPUT, "a scheduled time and a delay exclude each other");
    if (job->scheduled_at_us > now_us + REQUEST_SCHEDULE_MAX_MS * 1000)
        return fault_set(fault, FAULT_INPUT, "%s: %s is more than 400 days ahead",
                         request->scheduled_at_us ? "/options/scheduled_at" : "--at",
                         clock_format(job->scheduled_at_us, text));
    return 0;
}

static int take_times(struct job *job, const struct request *request, const struct job_defaults *defaults,
                      int64_t now_us, struct fault *fault)
{
    const char *path = request->expires_at_us ? "/options/expires_at" : "--expires";
    char left[CLOCK_TEXT_SIZE], right[CLOCK_TEXT_SIZE];
    int64_t start_us;

    job->requested_at_us = request->timestamp_us;
    job->submitted_at_us = now_us;
    if (agree_time("expires_at", request->expires_at_us, "--expires", defaults->expires_at_us,
                   &job->expires_at_us, fault) ||
        take_schedule(job, request, defaults, now_us, fault))
        return -1;
    job->timeout_ms = least(request->timeout_ms, defaults->expires_in_ms);
    if (job->expires_at_us && job->expires_at_us <= now_us)
        return fault_set(fault, FAULT_INPUT, "%s: %s is in the past", path,
                         clock_format(job->expires_at_us, left));
    start_us = job->delay_ms ? now_us + job->delay_ms * 1000 : job->scheduled_at_us;
    if (job->expires_at_us && job->expires_at_us <= start_us)
        return fault_set(fault, FAULT_INPUT, "%s: %s is not after the scheduled time %s", path,
                         clock_format(job->expires_at_us, left), clock_format(start_us, right));
    return 0;
}

static bool names_contain(const json_t *destinations, const char *name)
{
    for (size_t i = 0; i < json_array_size(destinations); i++) {
        if (!strcmp(json_string_value(json_object_get(json_array_get(destinations, i), "name")), name))
            return true;
    }
    return false;
}

static int take_destinations(struct job *job, const struct request *request,
                             const struct job_defaults *defaults, struct fault *fault)
{
    json_t *given;
    int status;

    if (request->destinations) {
        if (!json_array_size(request->destinations) && !defaults->routed)
            return fault_set(fault, FAULT_INPUT, "/destinations: none, where 1 to %d are wanted",
                             LIMIT_TARGETS);
        if (job_set_destinations(job, request->destinations, "/destinations", fault))
            return -1;
        for (size_t i = 0; i < defaults->to_count; i++) {
            if (!names_contain(job->destinations, defaults->to[i]))
                return fault_set(fault, FAULT_INPUT,
                                 "--to names a destination that the request does not name");
        }
        if (defaults->to_count && defaults->to_count != json_array_size(job->destinations))
            return fault_set(fault, FAULT_INPUT, "the request names %zu destinations, --to names %zu",
                             json_array_size(job->destinations), defaults->to_count);
        return 0;
    }
    if (!defaults->to_count && defaults->routed)
        return 0;
    if (!defaults->to_count)
        return fault_set(fault, FAULT_INPUT, "no destination: give --to or destinations");
    given = json_array();
    for (size_t i = 0; i < defaults->to_count; i++) {
        json_t *name = json_string(defaults->to[i]); /* NULL where it is not UTF-8 */
        json_array_append_new(given, name ? name : json_string(""));
    }
    status = job_set_destinations(job, given, "--to", fault);
    json_decref(given);
    return status;
}

static int check_url(const char *path, const char *url, struct fault *fault)
{
    size_t size = strlen(url);
    size_t scheme = !strncasecmp(url, "https://", 8) ? 8 : !strncasecmp(url, "http://", 7) ? 7 : 0;

    if (size > LIMIT_URL)
        return fault_set(fault, FAULT_INPUT, "%s: %zu bytes are more than the limit of %d", path, size,
                         LIMIT_URL);
    if (!scheme || !url[scheme] || strchr("/?#:", url[scheme]))
        return fault_set(fault, FAULT_INPUT, "%s: an http or https URL is wanted", path);
    for (const char *c = url; *c; c++) {
        if ((unsigned char)*c <= 0x20 || *c == 0x7f)
            return fault_set(fault, FAULT_INPUT, "%s: a blank or control character at byte %td", path,
                             c - url + 1);
    }
    return 0;
}

/* A field name or value with a line end in it would be another header field. */
static int check_headers(const json_t *headers, struct fault *fault)
{
    const char *name;
    json_t *value;

    if (json_object_size(headers) > LIMIT_HEADERS)
        return fault_set(fault, FAULT_INPUT, "/callback/headers: %zu are more than the limit of %d",
                         json_object_size(headers), LIMIT_HEADERS);
    json_object_foreach ((json_t *)headers, name, value) {
        char shown[SHOWN_SIZE];

        text_copy(shown, sizeof shown, name);
        if (!http_field_is_name(name))
            return fault_set(fault, FAULT_INPUT, "/callback/headers: '%s' is no name of a header field",
                             text_printable(shown));
        for (const char *c = json_string_value(value); *c; c++) {
            if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
                return fault_set(fault, FAULT_INPUT, "/callback/headers/%s: a control character", shown);
        }
    }
    return 0;
}

static int take_callback(struct job *job, const struct request *request, const struct job_defaults *defaults,
                         struct fault *fault)
{
    const char *url;

    if (agree("callback url", request->callback_url, "--callback", defaults->callback_url, &url, fault))
        return -1;
    if (url && check_url(request->callback_url ? request->callback_path : "--callback", url, fault))
        return -1;
    if (check_headers(request->callback_headers, fault))
        return -1;
    job->callback_url = xstrdup_null(url);
    job->callback_headers = json_incref(request->callback_headers);
    return 0;
}

static int take_metadata(struct job *job, const struct request *request, const struct job_defaults *defaults,
                         struct fault *fault)
{
    const char *key;
    json_t *value;

    if (request->metadata)
        json_object_update(job->metadata, request->metadata);
    if (defaults->metadata) {
        json_object_foreach ((json_t *)defaults->metadata, key, value) {
            const json_t *requested = json_object_get(job->metadata, key);
            char shown[SHOWN_SIZE];

            text_copy(shown, sizeof shown, key);
            if (requested && !json_equal(requested, value))
                return fault_set(fault, FAULT_INPUT, "the request and --meta differ in metadata '%s'",
                                 text_printable(shown));
            json_object_set(job->metadata, key, value);
        }
    }
    return job_check_metadata(request->metadata ? "/metadata" : "--meta", job->metadata, fault);
}

struct job *request_join(const struct request *request, const struct job_defaults *defaults, int64_t now_us,
                         struct fault *fault)
{
    struct job *job = job_new();

    if (take_names(job, request, defaults, fault) || take_options(job, request, defaults, fault) ||
        take_keys(job, request, defaults, fault) || take_times(job, request, defaults, now_us, fault) ||
        take_destinations(job, request, defaults, fault) || take_callback(job, request, defaults, fault) ||
        take_metadata(job, request, defaults, fault)) {
        job_unref(job);
        return NULL;
    }
    return job;
}
