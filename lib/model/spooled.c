/*
 * spooled - see spooled.h
 */
#include "spooled.h"

#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "period.h"
#include "retry.h"
#include "text.h"
#include "xalloc.h"

enum { SPOOLED_VERSION = 1 };

/* What the first line says; strings and values borrow from the document. */
struct head {
    int64_t version, spooled_at_us, requested_at_us, scheduled_at_us, expires_at_us, size;
    const char *kind, *id, *distribution_id, *tenant_id, *data_type, *priority, *content_type;
    const char *callback_url, *idempotency_key, *once_per, *supersede_key, *retry_policy;
    json_t *destinations, *metadata, *callback_headers;
};

static void set_text(json_t *object, const char *name, const char *value)
{
    if (value)
        json_object_set_new(object, name, json_string(value));
}

static void set_time(json_t *object, const char *name, int64_t wall_us)
{
    char text[CLOCK_TEXT_SIZE];

    if (wall_us)
        json_object_set_new(object, name, json_string(clock_format(wall_us, text)));
}

static json_t *head_of(const struct job *job)
{
    json_t *head = json_object();

    json_object_set_new(head, "v", json_integer(SPOOLED_VERSION));
    set_text(head, "kind", "spooled");
    set_text(head, "id", job->id);
    set_text(head, "distribution_id", job->distribution_id);
    set_text(head, "tenant_id", job->tenant_id);
    set_text(head, "data_type", job->data_type);
    set_text(head, "priority", priority_names[job->priority]);
    set_text(head, "content_type", job->content_type);
    json_object_set(head, "destinations", job->destinations);
    json_object_set(head, "metadata", job->metadata);
    set_text(head, "callback_url", job->callback_url);
    if (job->callback_headers)
        json_object_set(head, "callback_headers", job->callback_headers);
    set_text(head, "idempotency_key", job->idempotency_key);
    set_text(head, "once_per", job->once_per);
    set_text(head, "supersede", job->supersede_key);
    set_text(head, "retry_policy", job->retry_policy);
    set_time(head, "spooled_at", job->submitted_at_us);
    set_time(head, "timestamp", job->requested_at_us);
    set_time(head, "scheduled_at", job->scheduled_at_us);
    set_time(head, "expires_at", job->expires_at_us);
    json_object_set_new(head, "size", json_integer((json_int_t)job->body_size));
    return head;
}

int spooled_write(const struct job *job, struct buf *out, struct fault *fault)
{
    json_t *head = head_of(job);
    int status;

    buf_clear(out);
    status = json_write(head, out);
    json_decref(head);
    if (status || buf_addc(out, '\n') || buf_add(out, job->body, job->body_size))
        return fault_set(fault, FAULT_INPUT, "a distribution of more than %zu bytes cannot be spooled",
                         out->max);
    return 0;
}

static int read_head(const json_t *document, struct head *head, struct fault *fault)
{
    const struct json_field fields[] = {
        {"v", JSON_KIND_INT, .required = true, .target = &head->version, .max = INT32_MAX},
        {"kind", JSON_KIND_STRING, .required = true, .target = &head->kind},
        {"id", JSON_KIND_STRING, .required = true, .target = &head->id},
        {"distribution_id", JSON_KIND_STRING, .required = true, .target = &head->distribution_id},
        {"tenant_id", JSON_KIND_STRING, .required = true, .target = &head->tenant_id},
        {"data_type", JSON_KIND_STRING, .required = true, .target = &head->data_type},
        {"priority", JSON_KIND_WORD, .required = true, .target = &head->priority, .words = priority_names},
        {"content_type", JSON_KIND_STRING, .required = true, .target = &head->content_type},
        {"destinations", JSON_KIND_ARRAY, .required = true, .target = &head->destinations,
         .max = LIMIT_TARGETS},
        {"metadata", JSON_KIND_OBJECT, .target = &head->metadata},
        {"callback_url", JSON_KIND_STRING, .target = &head->callback_url},
        {"callback_headers", JSON_KIND_STRINGS, .target = &head->callback_headers},
        {"idempotency_key", JSON_KIND_STRING, .target = &head->idempotency_key},
        {"once_per", JSON_KIND_WORD, .target = &head->once_per, .words = period_names},
        {"supersede", JSON_KIND_STRING, .target = &head->supersede_key},
        {"retry_policy", JSON_KIND_WORD, .target = &head->retry_policy, .words = retry_policy_names},
        {"spooled_at", JSON_KIND_TIME, .required = true, .target = &head->spooled_at_us},
        {"timestamp", JSON_KIND_TIME, .target = &head->requested_at_us},
        {"scheduled_at", JSON_KIND_TIME, .target = &head->scheduled_at_us},
        {"expires_at", JSON_KIND_TIME, .target = &head->expires_at_us},
        {"size", JSON_KIND_INT, .required = true, .target = &head->size, .max = LIMIT_PAYLOAD_CEILING},
        {.name = NULL},
    };

    return json_fields(document, "", fields, fault);
}

static int check_head(const struct head *head, size_t body_size, struct fault *fault)
{
    if (head->version != SPOOLED_VERSION || strcmp(head->kind, "spooled"))
        return fault_set(fault, FAULT_INPUT, "this is no spooled distribution of version %d",
                         SPOOLED_VERSION);
    if ((uint64_t)head->size != body_size)
        return fault_set(fault, FAULT_INPUT, "/size: %lld bytes are wanted, %zu are there",
                         (long long)head->size, body_size);
    if (!uid_is(head->id))
        return fault_set(fault, FAULT_INPUT, "/id: a UUID is wanted");
    if (job_check_distribution_id("/distribution_id", head->distribution_id, fault) ||
        job_check_name("/tenant_id", head->tenant_id, fault) ||
        job_check_name("/data_type", head->data_type, fault) ||
        job_check_content_type("/content_type", head->content_type, fault))
        return -1;
    if (head->idempotency_key && job_check_idempotency_key("/idempotency_key", head->idempotency_key, fault))
        return -1;
    if (head->supersede_key && job_check_idempotency_key("/supersede", head->supersede_key, fault))
        return -1;
    return head->metadata ? job_check_metadata("/metadata", head->metadata, fault) : 0;
}

static struct job *job_of(const struct head *head)
{
    struct job *job = job_new();

    text_copy(job->id, sizeof job->id, head->id);
    job->distribution_id = xstrdup(head->distribution_id);
    job->own_id = strcmp(head->distribution_id, head->id) != 0;
    job->tenant_id = xstrdup(head->tenant_id);
    job->data_type = xstrdup(head->data_type);
    job->priority = (enum priority)status_index(priority_names, head->priority);
    job->content_type = xstrdup(head->content_type);
    if (head->metadata)
        json_object_update(job->metadata, head->metadata);
    job->callback_url = xstrdup_null(head->callback_url);
    job->callback_headers = json_incref(head->callback_headers);
    job->idempotency_key = xstrdup_null(head->idempotency_key);
    job->once_per = xstrdup_null(head->once_per);
    job->supersede_key = xstrdup_null(head->supersede_key);
    job->retry_policy = xstrdup_null(head->retry_policy);
    job->submitted_at_us = head->spooled_at_us;
    job->requested_at_us = head->requested_at_us;
    job->scheduled_at_us = head->scheduled_at_us;
    job->expires_at_us = head->expires_at_us;
    return job;
}

int spooled_read(const char *text, size_t size, struct job **job, struct fault *fault)
{
    const char *end = memchr(text, '\n', size);
    struct head head = {0};
    struct job *made = NULL;
    json_t *document;
    size_t line, body;
    int status = -1;

    if (!end)
        return fault_set(fault, FAULT_INPUT, "this is no spooled distribution");
    line = (size_t)(end - text);
    body = size - line - 1;
    document = json_read(text, line, fault);
    if (!document || read_head(document, &head, fault) || check_head(&head, body, fault))
        goto out;
    made = job_of(&head);
    if (job_set_destinations(made, head.destinations, "/destinations", fault) ||
        job_set_body(made, "", end + 1, body, LIMIT_PAYLOAD_CEILING, fault))
        goto out;
    *job = made;
    made = NULL;
    status = 0;
out:
    job_unref(made);
    json_decref(document);
    return status;
}
