/*
 * envelope_read - reading the lines of a pipe: a table of members, checks of what the table cannot say, and
 * then the struct
 *
 * Hard rule: a line may come from an editor. It passes the same checks as a request, and what it does not
 * mention is as if a stage had not set it.
 */
#include <inttypes.h>
#include <string.h>
#include "envelope.h"
#include "ceilings.h"
#include "http_field.h"
#include "rendering.h"
#include "text.h"
#include "xalloc.h"

/* RFC 9110, section 5.6.2 */

enum {
    ATTEMPTS_MAX = 1000000,
    ERROR_MAX = 4096,    /* bytes of an error's text: we write far shorter ones */
    JOB_FIELDS_MAX = 17, /* members of a job in a line */
};

/* The line's object where it is an envelope of the wanted kind; the caller's. */
static json_t *open_envelope(const char *line, size_t size, enum envelope_kind wanted, struct fault *fault)
{
    static const char *const makers[ENVELOPE_KIND_COUNT] = {"dist-submit --pipe", "dist-route",
                                                            "dist-deliver"};
    json_t *document = json_read(line, size, fault);
    const char *kind_name = json_string_value(json_object_get(document, "kind"));
    int kind = kind_name ? status_index(envelope_kind_names, kind_name) : -1;

    if (!document)
        return NULL;
    if (kind == (int)wanted)
        return document;
    if (kind >= 0)
        fault_set(fault, FAULT_INPUT, "/kind: a %s, where a %s of %s is wanted", envelope_kind_names[kind],
                  envelope_kind_names[wanted], makers[wanted]);
    else
        fault_set(fault, FAULT_INPUT, "no envelope: an object with \"kind\":\"%s\" from %s is wanted",
                  envelope_kind_names[wanted], makers[wanted]);
    json_decref(document);
    return NULL;
}

static int check_version(int64_t version, struct fault *fault)
{
    if (version == ENVELOPE_VERSION)
        return 0;
    return fault_set(fault, FAULT_INPUT, "/v: version %" PRId64 ", and this program reads version %d",
                     version, ENVELOPE_VERSION);
}

static int check_id(const char *path, const char *id, struct fault *fault)
{
    return uid_is(id) ? 0 : fault_set(fault, FAULT_INPUT, "%s: a UUID is wanted", path);
}

/* The job's members as they were read; strings and values borrow from the document. */
struct job_line {
    int64_t version, submitted_at_us, requested_at_us, expires_at_us;
    const char *distribution_id, *id, *tenant_id, *data_type, *priority, *retry_policy, *idempotency_key;
    const char *replay_of, *content_type, *body, *body_base64;
    json_t *metadata;
};

/* The table of the members that requests and deliveries have in common; returns their number. */
static size_t job_line_fields(struct job_line *job, struct json_field *out)
{
    const struct json_field fields[] = {
        {"v", JSON_KIND_INT, .required = true, .target = &job->version, .max = INT32_MAX},
        {"kind", JSON_KIND_IGNORED, .target = NULL},
        {"distribution_id", JSON_KIND_STRING, .required = true, .target = &job->distribution_id},
        {"id", JSON_KIND_STRING, .required = true, .target = &job->id},
        {"tenant_id", JSON_KIND_STRING, .required = true, .target = &job->tenant_id},
        {"data_type", JSON_KIND_STRING, .required = true, .target = &job->data_type},
        {"priority", JSON_KIND_WORD, .required = true, .target = &job->priority, .words = priority_names},
        {"submitted_at", JSON_KIND_TIME, .required = true, .target = &job->submitted_at_us},
        {"timestamp", JSON_KIND_TIME, .target = &job->requested_at_us},
        {"expires_at", JSON_KIND_TIME, .target = &job->expires_at_us},
        {"retry_policy", JSON_KIND_WORD, .target = &job->retry_policy, .words = retry_policy_names},
        {"idempotency_key", JSON_KIND_STRING, .target = &job->idempotency_key},
        {"replay_of", JSON_KIND_STRING, .target = &job->replay_of},
        {"metadata", JSON_KIND_OBJECT, .target = &job->metadata},
        {"content_type", JSON_KIND_STRING, .required = true, .target = &job->content_type},
        {"body", JSON_KIND_STRING, .target = &job->body},
        {"body_base64", JSON_KIND_STRING, .target = &job->body_base64},
    };

    _Static_assert(sizeof fields / sizeof *fields == JOB_FIELDS_MAX, "JOB_FIELDS_MAX is the table's size");
    memcpy(out, fields, sizeof fields);
    return JOB_FIELDS_MAX;
}

static int check_job_line(const struct job_line *line, struct fault *fault)
{
    if (check_version(line->version, fault) ||
        job_check_distribution_id("/distribution_id", line->distribution_id, fault) ||
        check_id("/id", line->id, fault) || job_check_name("/tenant_id", line->tenant_id, fault) ||
        job_check_name("/data_type", line->data_type, fault) ||
        job_check_content_type("/content_type", line->content_type, fault))
        return -1;
    if (line->idempotency_key && job_check_idempotency_key("/idempotency_key", line->idempotency_key, fault))
        return -1;
    if (line->replay_of && check_id("/replay_of", line->replay_of, fault))
        return -1;
    if (line->metadata && job_check_metadata("/metadata", line->metadata, fault))
        return -1;
    if (line->body && line->body_base64)
        return fault_set(fault, FAULT_INPUT, "/body_base64: the envelope has a body too");
    if (!line->body && !line->body_base64)
        return fault_set(fault, FAULT_INPUT, "no body: body or body_base64 is wanted");
    return 0;
}

/* The job of the members; without destinations. */
static struct job *job_of_line(const struct job_line *line, uint64_t max_payload, struct fault *fault)
{
    struct job *job;
    int status;

    if (check_job_line(line, fault))
        return NULL;
    job = job_new();
    text_copy(job->id, sizeof job->id, line->id);
    job->distribution_id = xstrdup(line->distribution_id);
    job->own_id = strcmp(line->distribution_id, line->id) != 0;
    job->tenant_id = xstrdup(line->tenant_id);
    job->data_type = xstrdup(line->data_type);
    job->priority = (enum priority)status_index(priority_names, line->priority);
    job->content_type = xstrdup(line->content_type);
    job->retry_policy = xstrdup_null(line->retry_policy);
    job->idempotency_key = xstrdup_null(line->idempotency_key);
    text_copy(job->replay_of, sizeof job->replay_of, line->replay_of ? line->replay_of : "");
    job->submitted_at_us = line->submitted_at_us;
    job->requested_at_us = line->requested_at_us;
    job->expires_at_us = line->expires_at_us;
    if (line->metadata)
        json_object_update(job->metadata, line->metadata);
    if (line->body)
        status = job_set_body(job, "/body", line->body, strlen(line->body), max_payload, fault);
    else
        status = job_set_body_base64(job, "/body_base64", line->body_base64, max_payload, fault);
    if (!status)
        return job;
    job_unref(job);
    return NULL;
}

int envelope_read_request(const char *line, size_t size, uint64_t max_payload, struct job **job,
                          struct fault *fault)
{
    struct job_line members = {0};
    json_t *destinations = NULL;
    struct json_field fields[JOB_FIELDS_MAX + 2];
    size_t count = job_line_fields(&members, fields);
    json_t *document = open_envelope(line, size, ENVELOPE_REQUEST, fault);
    struct job *made = NULL;
    int status = -1;

    fields[count++] = (struct json_field){"destinations", JSON_KIND_ARRAY, .required = true,
                                          .target = &destinations, .max = LIMIT_TARGETS};
    fields[count] = (struct json_field){.name = NULL};
    if (!document || json_fields(document, "", fields, fault))
        goto out;
    made = job_of_line(&members, max_payload, fault);
    if (!made || job_set_destinations(made, destinations, "/destinations", fault))
        goto out;
    *job = made;
    made = NULL;
    status = 0;
out:
    job_unref(made);
    json_decref(document);
    return status;
}

/* The delivery's own members; strings and values borrow from the document. */
struct delivery_line {
    const char *id, *target, *rule, *status, *dead_reason, *error, *content_type;
    int64_t attempts, budget_start;
    json_t *candidates, *form, *rendering, *outputs;
};

static void delivery_line_fields(struct delivery_line *line, struct json_field *out)
{
    const struct json_field fields[] = {
        {"delivery_id", JSON_KIND_STRING, .required = true, .target = &line->id},
        {"target", JSON_KIND_NAME, .required = true, .target = &line->target},
        {"rule", JSON_KIND_NAME, .target = &line->rule},
        {"candidates", JSON_KIND_ARRAY, .required = true, .target = &line->candidates,
         .max = LIMIT_CANDIDATES},
        {"destination", JSON_KIND_OBJECT, .target = &line->form},
        {"rendering", JSON_KIND_OBJECT, .target = &line->rendering},
        {"outputs", JSON_KIND_ARRAY, .target = &line->outputs, .max = LIMIT_CANDIDATES},
        {"attempts", JSON_KIND_INT, .target = &line->attempts, .max = ATTEMPTS_MAX},
        {"budget_start", JSON_KIND_INT, .target = &line->budget_start, .max = ATTEMPTS_MAX},
        {"status", JSON_KIND_WORD, .required = true, .target = &line->status, .words = delivery_status_names},
        {"dead_reason", JSON_KIND_WORD, .target = &line->dead_reason, .words = dead_reason_names},
        {"error", JSON_KIND_STRING, .target = &line->error, .max = ERROR_MAX},
        {"delivery_content_type", JSON_KIND_STRING, .target = &line->content_type},
        {.name = NULL},
    };

    memcpy(out, fields, sizeof fields);
}

static int check_dead_reason(const char *status, const char *dead_reason, struct fault *fault)
{
    bool dead = !strcmp(status, delivery_status_names[DELIVERY_DEAD]);

    if (dead && !dead_reason)
        return fault_set(fault, FAULT_INPUT, "/dead_reason: missing, and the status is dead");
    if (!dead && dead_reason)
        return fault_set(fault, FAULT_INPUT, "/dead_reason: the status is %s, not dead", status);
    return 0;
}

/* A mistake in it is one in the line: it would be found when it is too late. */
static int check_rendering(const json_t *over, struct fault *fault)
{
    struct rendering *rendering = over ? rendering_parse(over, "/rendering", false, fault) : NULL;

    rendering_free(rendering);
    return over && !rendering ? -1 : 0;
}

static int check_delivery_line(const struct delivery_line *line, struct fault *fault)
{
    if (check_id("/delivery_id", line->id, fault) ||
        check_dead_reason(line->status, line->dead_reason, fault))
        return -1;
    if (check_rendering(line->rendering, fault))
        return -1;
    if (line->budget_start > line->attempts)
        return fault_set(fault, FAULT_INPUT, "/budget_start: more than /attempts");
    if (line->content_type && job_check_content_type("/delivery_content_type", line->content_type, fault))
        return -1;
    for (size_t i = 0; i < json_array_size(line->candidates); i++) {
        const char *name = json_string_value(json_array_get(line->candidates, i));

        if (!name || !text_is_name(name))
            return fault_set(fault, FAULT_INPUT, "/candidates/%zu: a name is wanted", i);
    }
    return 0;
}

/* The destinations of a delivery's job: the target alone. */
static int set_target(struct job *job, const struct delivery_line *line, struct fault *fault)
{
    json_t *array = json_array();
    const char *name = json_string_value(json_object_get(line->form, "name"));
    int status;

    if (line->form)
        json_array_append(array, line->form);
    else
        json_array_append_new(array, json_string(line->target));
    if (line->form && (!name || strcmp(name, line->target)))
        status = fault_set(fault, FAULT_INPUT, "/destination/name: not the same as /target");
    else
        status = job_set_destinations(job, array, "/target", fault);
    json_decref(array);
    return status;
}

/* An output's members as they were read; strings borrow from the document. */
struct output_line {
    const char *destination, *content_type, *body, *body_base64;
    json_t *headers;
};

/* What HTTP does not take would be found by the adapter, and spend an attempt. */
static int check_output_headers(const char *path, json_t *headers, struct fault *fault)
{
    const char *name;
    json_t *value;

    if (json_object_size(headers) > FORMAT_HEADERS_MAX)
        return fault_set(fault, FAULT_INPUT, "%s/headers: more than %d", path, FORMAT_HEADERS_MAX);
    json_object_foreach (headers, name, value) {
        const char *text = json_string_value(value);
        bool good = http_field_is_name(name) && !http_field_is_framing(name, strlen(name));

        for (; good && *text; text++)
            good = (unsigned char)*text >= ' ' && *text != 0x7f;
        if (!good)
            return fault_set(fault, FAULT_INPUT, "%s/headers: no header field of HTTP", path);
    }
    return 0;
}

static int read_output(const json_t *form, const char *path, size_t max, struct output *output,
                       struct fault *fault)
{
    struct output_line line = {0};
    struct buf body;
    const struct json_field fields[] = {
        {"destination", JSON_KIND_NAME, .required = true, .target = &line.destination},
        {"content_type", JSON_KIND_STRING, .required = true, .target = &line.content_type},
        {"headers", JSON_KIND_STRINGS, .target = &line.headers},
        {"body", JSON_KIND_STRING, .target = &line.body},
        {"body_base64", JSON_KIND_STRING, .target = &line.body_base64},
        {.name = NULL},
    };

    if (json_fields(form, path, fields, fault) || check_output_headers(path, line.headers, fault))
        return -1;
    if (job_check_content_type(path, line.content_type, fault))
        return -1;
    if (!line.body == !line.body_base64)
        return fault_set(fault, FAULT_INPUT, "%s: either 'body' or 'body_base64' is wanted", path);
    buf_init(&body, max);
    if (line.body ? buf_adds(&body, line.body)
                  : text_decode_base64(line.body_base64, strlen(line.body_base64), &body)) {
        buf_release(&body);
        return fault_set(fault, FAULT_INPUT, "%s/body_base64: no base64", path);
    }
    *output = (struct output){.destination = xstrdup(line.destination),
                              .content_type = xstrdup(line.content_type),
                              .headers = json_incref(line.headers)};
    output->body = buf_steal(&body, &output->body_size);
    return 0;
}

/* `max`: the bytes of the line, which no body in it is longer than. */
static int read_outputs(struct delivery *delivery, const json_t *outputs, size_t max, struct fault *fault)
{
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        struct output output;
        char path[40];

        snprintf(path, sizeof path, "/outputs/%zu", i);
        if (read_output(json_array_get(outputs, i), path, max, &output, fault))
            return -1;
        delivery_add_output(delivery, &output);
    }
    return 0;
}

static struct delivery *delivery_of_line(struct job *job, const struct delivery_line *line)
{
    struct delivery *delivery = delivery_new(job, line->target);

    text_copy(delivery->id, sizeof delivery->id, line->id);
    for (size_t i = 0; i < json_array_size(line->candidates); i++)
        delivery_add_candidate(delivery, json_string_value(json_array_get(line->candidates, i)));
    delivery->rule = xstrdup_null(line->rule);
    delivery->inline_form = json_incref(line->form);
    delivery->rendering = json_incref(line->rendering);
    delivery->attempts = (int)line->attempts;
    delivery->budget_start = (int)line->budget_start;
    delivery->status = (enum delivery_status)status_index(delivery_status_names, line->status);
    if (line->dead_reason)
        delivery->dead_reason = (enum dead_reason)status_index(dead_reason_names, line->dead_reason);
    delivery->last_error = xstrdup_null(line->error);
    delivery->content_type = xstrdup_null(line->content_type);
    return delivery;
}

int envelope_read_delivery(const char *line, size_t size, uint64_t max_payload, struct delivery **delivery,
                           struct fault *fault)
{
    struct job_line job_members = {0};
    struct delivery_line members = {0};
    struct json_field fields[JOB_FIELDS_MAX + 16];
    json_t *document = open_envelope(line, size, ENVELOPE_DELIVERY, fault);
    struct job *job = NULL;
    int status = -1;

    delivery_line_fields(&members, fields + job_line_fields(&job_members, fields));
    if (!document || json_fields(document, "", fields, fault) || check_delivery_line(&members, fault))
        goto out;
    job = job_of_line(&job_members, max_payload, fault);
    if (!job || set_target(job, &members, fault))
        goto out;
    *delivery = delivery_of_line(job, &members);
    status = read_outputs(*delivery, members.outputs, size, fault);
    if (status) {
        delivery_free(*delivery);
        *delivery = NULL;
    }
out:
    job_unref(job);
    json_decref(document);
    return status;
}

/* A result's members as they were read; strings borrow from the document. */
struct result_line {
    const char *distribution_id, *delivery_id, *tenant_id, *data_type, *target, *destination, *status;
    const char *dead_reason, *error;
    int64_t version, attempts, response_code, started_at_us, completed_at_us, latency_ms;
};

static int read_result_line(const json_t *document, struct result_line *line, struct fault *fault)
{
    const struct json_field fields[] = {
        {"v", JSON_KIND_INT, .required = true, .target = &line->version, .max = INT32_MAX},
        {"kind", JSON_KIND_IGNORED, .target = NULL},
        {"distribution_id", JSON_KIND_STRING, .required = true, .target = &line->distribution_id},
        {"delivery_id", JSON_KIND_STRING, .required = true, .target = &line->delivery_id},
        {"tenant_id", JSON_KIND_STRING, .required = true, .target = &line->tenant_id},
        {"data_type", JSON_KIND_STRING, .required = true, .target = &line->data_type},
        {"target", JSON_KIND_NAME, .required = true, .target = &line->target},
        {"destination", JSON_KIND_NAME, .target = &line->destination},
        {"status", JSON_KIND_WORD, .required = true, .target = &line->status, .words = delivery_status_names},
        {"dead_reason", JSON_KIND_WORD, .target = &line->dead_reason, .words = dead_reason_names},
        {"attempts", JSON_KIND_INT, .required = true, .target = &line->attempts, .max = ATTEMPTS_MAX + 1},
        {"response_code", JSON_KIND_INT, .target = &line->response_code, .min = INT32_MIN, .max = INT32_MAX},
        {"started_at", JSON_KIND_TIME, .target = &line->started_at_us},
        {"completed_at", JSON_KIND_TIME, .target = &line->completed_at_us},
        {"latency_ms", JSON_KIND_INT, .target = &line->latency_ms, .min = -1, .max = INT64_MAX},
        {"error", JSON_KIND_STRING, .target = &line->error, .max = ERROR_MAX},
        {.name = NULL},
    };

    if (json_fields(document, "", fields, fault) || check_version(line->version, fault) ||
        job_check_distribution_id("/distribution_id", line->distribution_id, fault) ||
        check_id("/delivery_id", line->delivery_id, fault) ||
        job_check_name("/tenant_id", line->tenant_id, fault) ||
        job_check_name("/data_type", line->data_type, fault))
        return -1;
    return check_dead_reason(line->status, line->dead_reason, fault);
}

int envelope_read_result(const char *line, size_t size, struct result *result, struct fault *fault)
{
    struct result_line members = {0};
    json_t *document = open_envelope(line, size, ENVELOPE_RESULT, fault);

    if (!document)
        return -1;
    if (read_result_line(document, &members, fault)) {
        json_decref(document);
        return -1;
    }
    *result = (struct result){
        .distribution_id = xstrdup(members.distribution_id),
        .delivery_id = xstrdup(members.delivery_id),
        .tenant_id = xstrdup(members.tenant_id),
        .data_type = xstrdup(members.data_type),
        .target = xstrdup(members.target),
        .destination = xstrdup_null(members.destination),
        .status = (enum delivery_status)status_index(delivery_status_names, members.status),
        .attempts = (int)members.attempts,
        .response_code = (int)members.response_code,
        .started_at_us = members.started_at_us,
        .completed_at_us = members.completed_at_us,
        .latency_ms = members.latency_ms,
        .error = xstrdup_null(members.error),
    };
    if (members.dead_reason)
        result->dead_reason = (enum dead_reason)status_index(dead_reason_names, members.dead_reason);
    json_decref(document);
    return 0;
}
