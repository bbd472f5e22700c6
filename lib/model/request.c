/*
 * request - a job from the request document (specification 4.2.1, and 4.1.1 of the API) or from a bare
 * payload
 *
 * Hard rule: the payload is bytes. Its span is cut out of the document before a value is built of the rest,
 * so no number, key order, escape or blank in it can change.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "clock.h"
#include "job.h"
#include "ceilings.h"
#include "retry.h"
#include "text.h"
#include "xalloc.h"

enum {
    TIMEOUT_MIN_MS = 1000,
    SHOWN_SIZE = 80, /* of somebody else's value in a message */
};
static const int64_t timeout_max_ms = INT64_C(30) * 24 * 3600 * 1000;

/* The members of a request as they were read; strings and values borrow from the document. */
struct request {
    const char *distribution_id, *tenant_id, *data_type, *priority, *content_type;
    const char *callback_url, *callback_path, *idempotency_key, *retry_policy;
    int64_t timestamp_us, expires_at_us, timeout_ms;
    json_t *destinations, *callback_headers, *metadata;
};

/* ---- reading the document ---- */

static int read_options(const json_t *options, struct request *request, struct fault *fault)
{
    const struct json_field fields[] = {
        {"retry_policy", JSON_KIND_WORD, .target = &request->retry_policy, .words = retry_policy_names},
        {"timeout", JSON_KIND_SECONDS, .target = &request->timeout_ms, .min = TIMEOUT_MIN_MS,
         .max = timeout_max_ms},
        {"idempotency_key", JSON_KIND_STRING, .target = &request->idempotency_key},
        {"expires_at", JSON_KIND_TIME, .target = &request->expires_at_us},
        {.name = NULL},
    };

    return options ? json_fields(options, "/options", fields, fault) : 0;
}

static int read_callback(const json_t *callback, const char *api_url, struct request *request,
                         struct fault *fault)
{
    const char *url = NULL;
    const struct json_field fields[] = {
        {"url", JSON_KIND_STRING, .required = true, .target = &url},
        {"headers", JSON_KIND_STRINGS, .target = &request->callback_headers},
        {.name = NULL},
    };

    request->callback_url = api_url;
    request->callback_path = "/callback_url";
    if (!callback)
        return 0;
    if (json_fields(callback, "/callback", fields, fault))
        return -1;
    if (api_url && strcmp(api_url, url))
        return fault_set(fault, FAULT_INPUT, "/callback_url: not the same as /callback/url");
    request->callback_url = url;
    request->callback_path = "/callback/url";
    return 0;
}

static int read_document(const json_t *document, struct request *request, struct fault *fault)
{
    const char *schema = NULL, *api_url = NULL;
    json_t *callback = NULL, *options = NULL;
    const struct json_field fields[] = {
        {"$schema", JSON_KIND_STRING, .target = &schema},
        {"distribution_id", JSON_KIND_STRING, .target = &request->distribution_id},
        {"tenant_id", JSON_KIND_STRING, .target = &request->tenant_id},
        {"timestamp", JSON_KIND_TIME, .target = &request->timestamp_us},
        {"data_type", JSON_KIND_STRING, .target = &request->data_type},
        {"priority", JSON_KIND_WORD, .target = &request->priority, .words = priority_names},
        {"payload", JSON_KIND_IGNORED, .target = NULL},
        {"payload_base64", JSON_KIND_IGNORED, .target = NULL},
        {"content_type", JSON_KIND_STRING, .target = &request->content_type},
        {"destinations", JSON_KIND_ARRAY, .target = &request->destinations, .max = LIMIT_TARGETS},
        {"callback", JSON_KIND_OBJECT, .target = &callback},
        {"callback_url", JSON_KIND_STRING, .target = &api_url},
        {"options", JSON_KIND_OBJECT, .target = &options},
        {"metadata", JSON_KIND_OBJECT, .target = &request->metadata},
        {.name = NULL},
    };

    if (json_fields(document, "", fields, fault))
        return -1;
    if (schema && strcmp(schema, JOB_REQUEST_SCHEMA))
        return fault_set(fault, FAULT_INPUT, "/$schema: only %s is known", JOB_REQUEST_SCHEMA);
    if (read_callback(callback, api_url, request, fault))
        return -1;
    return read_options(options, request, fault);
}

/* ---- joining the document and the command line ---- */

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

static int take_options(struct job *job, const struct request *request, const struct job_defaults *defaults,
                        struct fault *fault)
{
    const char *given, *priority, *retry_policy, *key, *content_type;

    if (option_word("--priority", defaults->priority, priority_names, &given, fault) ||
        agree("priority", request->priority, "--priority", given, &priority, fault) ||
        option_word("--retry-policy", defaults->retry_policy, retry_policy_names, &given, fault) ||
        agree("retry_policy", request->retry_policy, "--retry-policy", given, &retry_policy, fault) ||
        agree("idempotency_key", request->idempotency_key, "--idempotency-key", defaults->idempotency_key,
              &key, fault) ||
        agree("content_type", request->content_type, "--content-type", defaults->content_type, &content_type,
              fault))
        return -1;
    if (key && job_check_idempotency_key(
                   request->idempotency_key ? "/options/idempotency_key" : "--idempotency-key", key, fault))
        return -1;
    if (content_type && job_check_content_type(request->content_type ? "/content_type" : "--content-type",
                                               content_type, fault))
        return -1;
    if (priority)
        job->priority = (enum priority)status_index(priority_names, priority);
    job->retry_policy = xstrdup_null(retry_policy);
    job->idempotency_key = xstrdup_null(key);
    job->content_type = xstrdup(content_type ? content_type : JOB_DEFAULT_TYPE);
    return 0;
}

static int take_times(struct job *job, const struct request *request, const struct job_defaults *defaults,
                      int64_t now_us, struct fault *fault)
{
    char left[CLOCK_TEXT_SIZE], right[CLOCK_TEXT_SIZE];
    int64_t expires_at_us = request->expires_at_us ? request->expires_at_us : defaults->expires_at_us;

    if (request->expires_at_us && defaults->expires_at_us &&
        request->expires_at_us != defaults->expires_at_us)
        return fault_set(fault, FAULT_INPUT, "the request says expires_at '%s', --expires says '%s'",
                         clock_format(request->expires_at_us, left),
                         clock_format(defaults->expires_at_us, right));
    if (expires_at_us && expires_at_us <= now_us)
        return fault_set(fault, FAULT_INPUT, "%s: %s is in the past",
                         request->expires_at_us ? "/options/expires_at" : "--expires",
                         clock_format(expires_at_us, left));
    job->timeout_ms = request->timeout_ms;
    if (job->timeout_ms && (!expires_at_us || now_us + job->timeout_ms * 1000 < expires_at_us))
        expires_at_us = now_us + job->timeout_ms * 1000;
    job->requested_at_us = request->timestamp_us;
    job->submitted_at_us = now_us;
    job->expires_at_us = expires_at_us;
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
        if (!job_header_name_is_valid(name))
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

/* A job with everything but its body. */
static struct job *make_job(const struct request *request, const struct job_defaults *defaults,
                            int64_t now_us, struct fault *fault)
{
    struct job *job = job_new();

    if (take_names(job, request, defaults, fault) || take_options(job, request, defaults, fault) ||
        take_times(job, request, defaults, now_us, fault) ||
        take_destinations(job, request, defaults, fault) || take_callback(job, request, defaults, fault) ||
        take_metadata(job, request, defaults, fault)) {
        job_unref(job);
        return NULL;
    }
    return job;
}

static uint64_t payload_limit(const struct job_defaults *defaults)
{
    return defaults->max_payload ? defaults->max_payload : LIMIT_PAYLOAD_DEFAULT;
}

int job_from_payload(const char *body, size_t size, const struct job_defaults *defaults, int64_t now_us,
                     struct job **job, struct fault *fault)
{
    const struct request request = {0};
    struct job *made;

    if (job_check_size("", size, payload_limit(defaults), fault))
        return -1;
    made = make_job(&request, defaults, now_us, fault);
    if (!made)
        return -1;
    if ((job_content_is_json(made->content_type) && json_check(body, size, NULL, fault)) ||
        job_set_body(made, "", body, size, payload_limit(defaults), fault)) {
        job_unref(made);
        return -1;
    }
    *job = made;
    return 0;
}

/* ---- the payload's span ---- */

/* Member `name` where it is there and not null. */
static const struct json_member *given_member(const char *text, const struct json_members *members,
                                              const char *name)
{
    const struct json_member *member = json_member(text, members, name);

    if (member && member->value_size == 4 && !memcmp(text + member->value_at, "null", 4))
        return NULL;
    return member;
}

/* The document's value with null in the place of the payload, if there is one. */
static json_t *read_rest(const char *text, size_t size, const struct json_member *payload,
                         struct fault *fault)
{
    size_t start = payload ? payload->value_at : size;
    size_t end = payload ? start + payload->value_size : size;
    size_t rest_size = size - (end - start);
    struct buf rest;
    json_t *document;

    if (rest_size > LIMIT_ENVELOPE_EXTRA) {
        fault_set(fault, FAULT_INPUT, "%zu bytes beside the payload are more than the limit of %d", rest_size,
                  LIMIT_ENVELOPE_EXTRA);
        return NULL;
    }
    buf_init(&rest, rest_size + 4);
    buf_add(&rest, text, start);
    if (payload)
        buf_adds(&rest, "null");
    buf_add(&rest, text + end, size - end);
    document = json_read(rest.data, rest.len, fault);
    buf_release(&rest);
    return document;
}

/* The body of a payload that is a string: the decoded text, or what its base64 stands for. */
static int body_from_string(struct job *job, const char *value, size_t size, bool base64,
                            uint64_t max_payload, struct fault *fault)
{
    const char *path = base64 ? "/payload_base64" : "/payload";
    json_t *string = *value == '"' ? json_read(value, size, fault) : NULL;
    int status;

    if (!string && *value == '"')
        return -1;
    if (!string && base64)
        return fault_set(fault, FAULT_INPUT, "%s: a string is wanted", path);
    if (!string)
        return fault_set(fault, FAULT_INPUT, "%s: with the content type %s a string is wanted", path,
                         job->content_type);
    if (base64)
        status = job_set_body_base64(job, path, json_string_value(string), max_payload, fault);
    else
        status = job_set_body(job, path, json_string_value(string), json_string_length(string), max_payload,
                              fault);
    json_decref(string);
    return status;
}

static int take_body(struct job *job, const char *text, const struct json_member *payload, bool base64,
                     uint64_t max_payload, struct fault *fault)
{
    const char *value = text + payload->value_at;
    bool is_json = job_content_is_json(job->content_type);

    if (is_json && !base64)
        return job_set_body(job, "/payload", value, payload->value_size, max_payload, fault);
    if (body_from_string(job, value, payload->value_size, base64, max_payload, fault))
        return -1;
    if (is_json && json_check(job->body, job->body_size, NULL, fault))
        return fault_wrap(fault, "/payload_base64 as %s", job->content_type);
    return 0;
}

int job_from_request(const char *text, size_t size, const struct job_defaults *defaults, int64_t now_us,
                     struct job **job, struct fault *fault)
{
    struct request request = {0};
    struct json_members members;
    const struct json_member *payload, *base64, *given;
    json_t *document = NULL;
    struct job *made = NULL;
    int status = -1;

    if (json_check(text, size, &members, fault))
        return -1;
    if (!members.is_object)
        return fault_set(fault, FAULT_INPUT, "a request is a JSON object");
    payload = given_member(text, &members, "payload");
    base64 = given_member(text, &members, "payload_base64");
    if (payload && base64)
        return fault_set(fault, FAULT_INPUT, "/payload_base64: the request has a payload too");
    given = payload ? payload : base64;
    document = read_rest(text, size, given, fault);
    if (!document || read_document(document, &request, fault))
        goto out;
    if (!given) { /* after the members, because a misspelt "payload" has been named by now */
        fault_set(fault, FAULT_INPUT, "no payload: give payload or payload_base64");
        goto out;
    }
    made = make_job(&request, defaults, now_us, fault);
    if (!made || take_body(made, text, given, base64 != NULL, payload_limit(defaults), fault))
        goto out;
    *job = made;
    made = NULL;
    status = 0;
out:
    job_unref(made);
    json_decref(document);
    return status;
}

bool job_is_request(const char *text, const struct json_members *members)
{
    static const char request_schema[] = "https://zenia.io/schemas/distribution-request-";
    const struct json_member *schema = json_member(text, members, "$schema");
    json_t *value;
    bool is_request;

    if (!members->is_object)
        return false;
    if (json_member(text, members, "destinations") &&
        (json_member(text, members, "payload") || json_member(text, members, "payload_base64")))
        return true;
    /* Decoded, because many writers escape the slashes. A later version counts, to be refused by its name. */
    if (!schema || schema->value_size > 200)
        return false;
    value = json_loadb(text + schema->value_at, schema->value_size, JSON_DECODE_ANY, NULL);
    is_request = json_is_string(value) && text_starts_with(json_string_value(value), request_schema);
    json_decref(value);
    return is_request;
}
