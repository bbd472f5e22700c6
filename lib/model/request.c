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
#include "request_parts.h"
#include "ceilings.h"
#include "period.h"
#include "retry.h"
#include "text.h"
#include "xalloc.h"

enum {
    TIMEOUT_MIN_MS = 1000,
    SHOWN_SIZE = 80, /* of somebody else's value in a message */
};
static const int64_t timeout_max_ms = INT64_C(30) * 24 * 3600 * 1000;

/* ---- reading the document ---- */

static int read_options(const json_t *options, struct request *request, struct fault *fault)
{
    const struct json_field fields[] = {
        {"retry_policy", JSON_KIND_WORD, .target = &request->retry_policy, .words = retry_policy_names},
        {"timeout", JSON_KIND_SECONDS, .target = &request->timeout_ms, .min = TIMEOUT_MIN_MS,
         .max = timeout_max_ms},
        {"idempotency_key", JSON_KIND_STRING, .target = &request->idempotency_key},
        {"expires_at", JSON_KIND_TIME, .target = &request->expires_at_us},
        {"scheduled_at", JSON_KIND_TIME, .target = &request->scheduled_at_us},
        {"delay", JSON_KIND_SECONDS, .target = &request->delay_ms, .min = 1, .max = REQUEST_SCHEDULE_MAX_MS},
        {"once_per", JSON_KIND_WORD, .target = &request->once_per, .words = period_names},
        {"supersede", JSON_KIND_STRING, .target = &request->supersede_key},
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

static uint64_t payload_limit(const struct job_defaults *defaults)
{
    return defaults->max_payload ? defaults->max_payload : LIMIT_PAYLOAD_DEFAULT;
}

int job_from_payload(const char *body, size_t size, bool checked, const struct job_defaults *defaults,
                     int64_t now_us, struct job **job, struct fault *fault)
{
    const struct request request = {0};
    struct job *made;

    if (job_check_size("", size, payload_limit(defaults), fault))
        return -1;
    made = request_join(&request, defaults, now_us, fault);
    if (!made)
        return -1;
    if ((!checked && job_content_is_json(made->content_type) && json_check(body, size, NULL, fault)) ||
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

int job_from_request(const char *text, size_t size, const struct json_members *members,
                     const struct job_defaults *defaults, int64_t now_us, struct job **job,
                     struct fault *fault)
{
    struct request request = {0};
    struct json_members found;
    const struct json_member *payload, *base64, *given;
    json_t *document = NULL;
    struct job *made = NULL;
    int status = -1;

    if (!members && json_check(text, size, &found, fault))
        return -1;
    if (!members)
        members = &found;
    if (!members->is_object)
        return fault_set(fault, FAULT_INPUT, "a request is a JSON object");
    payload = given_member(text, members, "payload");
    base64 = given_member(text, members, "payload_base64");
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
    made = request_join(&request, defaults, now_us, fault);
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
