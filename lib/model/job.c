/*
 * job - the struct, content types, what makes two submissions the same, and the parts that the request
 * (request.c) and the envelopes (envelope.c) have in common
 *
 * Hard rule: whoever reads a job from a text goes through the checks here, so that a line that somebody
 * wrote by hand into a pipe cannot carry what a request could not.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "job.h"
#include "ceilings.h"
#include "http_field.h"
#include "strmap.h"
#include "text.h"
#include "xalloc.h"

enum {
    NAME_MAX_BYTES = 50,          /* distribution_jobs.tenant_id and data_type are VARCHAR(50) */
    DISTRIBUTION_ID_MAX = 100,    /* distribution_jobs.distribution_id is VARCHAR(100) */
    CONTENT_TYPE_MAX_BYTES = 255, /* RFC 6838 allows 127 + 1 + 127 without parameters */
    SHOWN_SIZE = 80,              /* of somebody else's value in a message */
};

struct job *job_new(void)
{
    char id[UID_TEXT_SIZE];

    uid_new(id);
    return job_known(id);
}

struct job *job_known(const char *id)
{
    struct job *job = xcalloc(1, sizeof *job);

    text_copy(job->id, sizeof job->id, id);
    job->priority = PRIORITY_NORMAL;
    job->destinations = json_array();
    job->metadata = json_object();
    job->references = 1;
    return job;
}

struct job *job_ref(struct job *job)
{
    job->references++;
    return job;
}

void job_unref(struct job *job)
{
    if (!job || --job->references > 0)
        return;
    free(job->distribution_id);
    free(job->tenant_id);
    free(job->data_type);
    free(job->content_type);
    free(job->body);
    json_decref(job->destinations);
    json_decref(job->metadata);
    free(job->callback_url);
    json_decref(job->callback_headers);
    free(job->idempotency_key);
    free(job->once_per);
    free(job->supersede_key);
    free(job->retry_policy);
    free(job);
}

char *job_lane(const struct job *job)
{
    return xconcat(job->tenant_id, ":", priority_names[job->priority]);
}

void job_fix_times(struct job *job)
{
    int64_t start_us;

    if (job->delay_ms)
        job->scheduled_at_us = job->submitted_at_us + job->delay_ms * 1000;
    start_us = job->scheduled_at_us > job->submitted_at_us ? job->scheduled_at_us : job->submitted_at_us;
    if (job->timeout_ms && (!job->expires_at_us || start_us + job->timeout_ms * 1000 < job->expires_at_us))
        job->expires_at_us = start_us + job->timeout_ms * 1000;
    job->delay_ms = 0;
    job->timeout_ms = 0;
}

/* Somebody else's text as it may stand in a one-line message. */
static const char *shown(const char *text, char out[SHOWN_SIZE])
{
    text_copy(out, SHOWN_SIZE, text);
    return text_printable(out);
}

int job_check_name(const char *path, const char *name, struct fault *fault)
{
    char value[SHOWN_SIZE];

    if (text_is_name(name) && strlen(name) <= NAME_MAX_BYTES)
        return 0;
    return fault_set(fault, FAULT_INPUT,
                     "%s: '%s' is not a name: 1 to %d of A-Z a-z 0-9 . _ -, and no . or - in front", path,
                     shown(name, value), NAME_MAX_BYTES);
}

bool job_distribution_id_is_valid(const char *text)
{
    size_t size = strlen(text);

    return size >= 1 && size <= DISTRIBUTION_ID_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == size;
}

int job_check_distribution_id(const char *path, const char *text, struct fault *fault)
{
    char value[SHOWN_SIZE];

    if (job_distribution_id_is_valid(text))
        return 0;
    return fault_set(fault, FAULT_INPUT, "%s: '%s' is not 1 to %d of A-Z a-z 0-9 _ -", path,
                     shown(text, value), DISTRIBUTION_ID_MAX);
}

int job_check_idempotency_key(const char *path, const char *key, struct fault *fault)
{
    size_t size = strlen(key);

    if (size < 1 || size > LIMIT_IDEMPOTENCY_KEY)
        return fault_set(fault, FAULT_INPUT, "%s: %zu bytes, where 1 to %d are wanted", path, size,
                         LIMIT_IDEMPOTENCY_KEY);
    for (const char *c = key; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return fault_set(fault, FAULT_INPUT, "%s: a control character at byte %td", path, c - key + 1);
    }
    return 0;
}

int job_check_content_type(const char *path, const char *content_type, struct fault *fault)
{
    char value[SHOWN_SIZE];

    if (job_content_type_is_valid(content_type))
        return 0;
    return fault_set(fault, FAULT_INPUT,
                     "%s: '%s' is not a content type like text/csv or text/csv; header=present", path,
                     shown(content_type, value));
}

int job_check_metadata(const char *path, const json_t *metadata, struct fault *fault)
{
    char *text = json_text(metadata);
    size_t size = strlen(text);

    free(text);
    if (size <= LIMIT_METADATA)
        return 0;
    return fault_set(fault, FAULT_INPUT, "%s: %zu bytes are more than the limit of %d", path, size,
                     LIMIT_METADATA);
}

int job_check_size(const char *path, uint64_t size, uint64_t max_payload, struct fault *fault)
{
    if (size <= max_payload)
        return 0;
    return fault_set(fault, FAULT_INPUT,
                     "%s%s%" PRIu64 " bytes are more than the limit of %" PRIu64 " (DIST_MAX_PAYLOAD)", path,
                     *path ? ": " : "", size, max_payload);
}

int job_set_body(struct job *job, const char *path, const void *body, size_t size, uint64_t max_payload,
                 struct fault *fault)
{
    if (job_check_size(path, size, max_payload, fault))
        return -1;
    free(job->body);
    job->body = xmemdupz(body, size);
    job->body_size = size;
    return 0;
}

int job_set_body_base64(struct job *job, const char *path, const char *text, uint64_t max_payload,
                        struct fault *fault)
{
    size_t length = strlen(text);
    size_t padding = length >= 2 && text[length - 2] == '=' ? 2 : length >= 1 && text[length - 1] == '=';
    size_t size = length / 4 * 3;
    struct buf body;

    size = size > padding ? size - padding : 0;
    if (job_check_size(path, size, max_payload, fault))
        return -1;
    buf_init(&body, size);
    if (text_decode_base64(text, length, &body)) {
        buf_release(&body);
        return fault_set(fault, FAULT_INPUT, "%s: not base64 (RFC 4648 section 4, padded, no line breaks)",
                         path);
    }
    /* A copy of an empty buffer too: a body is never NULL. */
    int status = job_set_body(job, path, body.data, body.len, max_payload, fault);
    buf_release(&body);
    return status;
}

/* An element of "destinations" as an object with a good name; a new reference, or NULL. */
static json_t *destination_object(json_t *element, const char *path, size_t index, struct fault *fault)
{
    const char *name = json_string_value(element);
    char value[SHOWN_SIZE];
    json_t *object;

    if (name) {
        object = json_object();
        json_object_set(object, "name", element);
    } else if (json_is_object(element)) {
        object = json_incref(element);
        name = json_string_value(json_object_get(element, "name"));
    } else {
        fault_set(fault, FAULT_INPUT, "%s/%zu: a name or an object with \"name\" is wanted", path, index);
        return NULL;
    }
    if (name && text_is_name(name))
        return object;
    if (name)
        fault_set(fault, FAULT_INPUT, "%s/%zu: '%s' is not a name", path, index, shown(name, value));
    else
        fault_set(fault, FAULT_INPUT, "%s/%zu/name: a name is wanted", path, index);
    json_decref(object);
    return NULL;
}

int job_set_destinations(struct job *job, const json_t *array, const char *path, struct fault *fault)
{
    json_t *destinations;
    struct strmap names;
    json_t *element;
    size_t index;
    int status = -1;

    if (json_array_size(array) > LIMIT_TARGETS)
        return fault_set(fault, FAULT_INPUT, "%s: %zu destinations, where at most %d are wanted", path,
                         json_array_size(array), LIMIT_TARGETS);
    destinations = json_array();
    strmap_init(&names);
    json_array_foreach (array, index, element) {
        json_t *object = destination_object(element, path, index, fault);
        const char *name;

        if (!object)
            goto out;
        json_array_append_new(destinations, object);
        name = json_string_value(json_object_get(object, "name"));
        if (strmap_put(&names, name, object)) {
            fault_set(fault, FAULT_INPUT, "%s/%zu: destination '%s' is named twice", path, index, name);
            goto out;
        }
    }
    json_decref(job->destinations);
    job->destinations = json_incref(destinations);
    status = 0;
out:
    strmap_release(&names, NULL);
    json_decref(destinations);
    return status;
}

/* "name length:value\n": the length keeps one field's end from being read as another's beginning. */
static void identity_field(struct buf *out, const char *name, const char *value, size_t size)
{
    char decimal[TEXT_DECIMAL_SIZE];

    buf_adds(out, name);
    buf_addc(out, ' ');
    buf_adds(out, text_decimal(size, decimal));
    buf_addc(out, ':');
    buf_add(out, value, size);
    buf_addc(out, '\n');
}

static void identity_text(struct buf *out, const char *name, const char *value)
{
    if (value)
        identity_field(out, name, value, strlen(value));
}

static void identity_json(struct buf *out, const char *name, const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    identity_text(out, name, text);
    free(text);
}

void job_identity(const struct job *job, struct buf *out)
{
    identity_text(out, "tenant_id", job->tenant_id);
    identity_text(out, "data_type", job->data_type);
    identity_text(out, "priority", priority_names[job->priority]);
    identity_text(out, "content_type", job->content_type);
    identity_json(out, "destinations", job->destinations);
    identity_text(out, "callback_url", job->callback_url);
    identity_json(out, "callback_headers", job->callback_headers);
    identity_text(out, "retry_policy", job->retry_policy);
    identity_text(out, "supersede", job->supersede_key);
    identity_json(out, "metadata", job->metadata);
    identity_field(out, "body", job->body ? job->body : "", job->body_size);
}

bool job_content_is_json(const char *content_type)
{
    size_t size = strcspn(content_type, "; \t");

    if (size == strlen("application/json") && !strncasecmp(content_type, "application/json", size))
        return true;
    return size > strlen("+json") &&
           !strncasecmp(content_type + size - strlen("+json"), "+json", strlen("+json"));
}

const char *job_content_by_name(const char *file_name)
{
    static const struct {
        const char *suffix, *content_type;
    } types[] = {
        {"json", "application/json"},
        {"geojson", "application/geo+json"},
        {"jsonld", "application/ld+json"},
        {"ndjson", "application/x-ndjson"},
        {"jsonl", "application/x-ndjson"},
        {"csv", "text/csv"},
        {"tsv", "text/tab-separated-values"},
        {"txt", "text/plain"},
        {"log", "text/plain"},
        {"md", "text/markdown"},
        {"html", "text/html"},
        {"htm", "text/html"},
        {"xml", "application/xml"},
        {"yaml", "application/yaml"},
        {"yml", "application/yaml"},
        {"bin", "application/octet-stream"},
        {"pdf", "application/pdf"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"svg", "image/svg+xml"},
        {"gz", "application/gzip"},
        {"zst", "application/zstd"},
        {"zip", "application/zip"},
        {"tar", "application/x-tar"},
        {"parquet", "application/vnd.apache.parquet"},
        {"xls", "application/vnd.ms-excel"},
        {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
        {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    };
    const char *slash = strrchr(file_name, '/');
    const char *base = slash ? slash + 1 : file_name;
    const char *dot = strrchr(base, '.');

    if (!dot || dot == base) /* ".json" is a hidden file's name, no suffix */
        return NULL;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!strcasecmp(dot + 1, types[i].suffix))
            return types[i].content_type;
    }
    return NULL;
}

/* Bytes of the quoted string at the beginning of `text` with its quotes, or 0. */
static size_t quoted_size(const char *text)
{
    size_t at = 1;

    if (text[0] != '"')
        return 0;
    for (; text[at] && text[at] != '"'; at++) {
        if (text[at] == '\\')
            at++;
        if (((unsigned char)text[at] < 0x20 && text[at] != '\t') || text[at] == 0x7f)
            return 0;
    }
    return text[at] == '"' ? at + 1 : 0;
}

/* RFC 9110 section 8.3.1: type "/" subtype *( OWS ";" OWS name "=" ( token / quoted-string ) ) */
bool job_content_type_is_valid(const char *content_type)
{
    const char *at = content_type;
    size_t size = http_field_token_size(at);

    if (strlen(content_type) > CONTENT_TYPE_MAX_BYTES || !size || at[size] != '/')
        return false;
    at += size + 1;
    size = http_field_token_size(at);
    if (!size)
        return false;
    at += size;
    while (*at) {
        at += strspn(at, " \t");
        if (*at++ != ';')
            return false;
        at += strspn(at, " \t");
        size = http_field_token_size(at);
        if (!size || at[size] != '=')
            return false;
        at += size + 1;
        size = *at == '"' ? quoted_size(at) : http_field_token_size(at);
        if (!size)
            return false;
        at += size;
    }
    return true;
}
