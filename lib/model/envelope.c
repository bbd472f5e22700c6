/*
 * envelope - writing the lines of a pipe; envelope_read.c reads them
 *
 * A request on the wire (one line; a delivery has delivery_id ... status in the place of "destinations"):
 *
 *   {"v":1,"kind":"request","distribution_id":"d-1","id":"0190...","tenant_id":"acme","data_type":"report",
 *    "priority":"normal","submitted_at":"2024-01-15T10:00:00Z","metadata":{},"content_type":"text/csv",
 *    "destinations":[{"name":"hook"}],"body":"a,b\n"}
 *
 * Lines are written member by member, because a body of 16 MiB is better copied once than three times.
 *
 * Hard rule: a line that could not be written whole is not written at all.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "envelope.h"
#include "text.h"

const char *const envelope_kind_names[ENVELOPE_KIND_COUNT + 1] = {"request", "delivery", "result", NULL};

struct writer {
    struct buf *out;
    size_t start;
    bool overflow_before;
};

/* The name of a member that is not the first. */
static void add_name(struct buf *out, const char *name)
{
    buf_addf(out, ",\"%s\":", name);
}

static void add_text(struct buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    add_name(out, name);
    buf_add_json(out, value, strlen(value));
}

static void add_int(struct buf *out, const char *name, int64_t value)
{
    buf_addf(out, ",\"%s\":%" PRId64, name, value);
}

static void add_time(struct buf *out, const char *name, int64_t wall_us)
{
    char text[CLOCK_TEXT_SIZE];

    if (wall_us)
        add_text(out, name, clock_format(wall_us, text));
}

static void add_value(struct buf *out, const char *name, const json_t *value)
{
    add_name(out, name);
    if (json_write(value, out))
        out->overflow = true;
}

static struct writer writer_start(struct buf *out, enum envelope_kind kind)
{
    struct writer writer = {.out = out, .start = out->len, .overflow_before = out->overflow};

    out->overflow = false;
    buf_addf(out, "{\"v\":%d,\"kind\":\"%s\"", ENVELOPE_VERSION, envelope_kind_names[kind]);
    return writer;
}

static int writer_end(struct writer *writer, struct fault *fault)
{
    struct buf *out = writer->out;

    buf_adds(out, "}\n");
    if (!out->overflow) {
        out->overflow = writer->overflow_before;
        return 0;
    }
    buf_cut(out, writer->start);
    out->overflow = writer->overflow_before;
    return fault_set(fault, FAULT_INPUT, "the envelope has more than the %zu bytes that there is room for",
                     out->max - writer->start);
}

/* True where the body goes into "body" rather than "body_base64": the rule of envelope.h. */
static bool body_is_text(const char *body, size_t size)
{
    size_t base64_size = (size + 2) / 3 * 4;
    size_t text_size = size;

    if (!text_is_utf8(body, size, NULL))
        return false;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)body[i];

        if (c == 0)
            return false;
        if (c == '"' || c == '\\' || (c < 0x20 && strchr("\b\f\n\r\t", c)))
            text_size += 1; /* \n */
        else if (c < 0x20 || c == 0x7f)
            text_size += 5; /* \u001f */
        else if (c == 0xc2 && (unsigned char)body[i + 1] < 0xa0)
            text_size += 4; /* C1 control characters: \u0085 */
    }
    return text_size <= base64_size + ENVELOPE_TEXT_SLACK;
}

static void add_body(struct buf *out, const char *body, size_t size)
{
    if (body_is_text(body ? body : "", size)) {
        add_name(out, "body");
        buf_add_json(out, body ? body : "", size);
        return;
    }
    add_name(out, "body_base64");
    buf_addc(out, '"');
    text_add_base64(out, body, size);
    buf_addc(out, '"');
}

/* The members that requests and deliveries have in common, without the body. */
static void add_job(struct buf *out, const struct job *job)
{
    add_text(out, "distribution_id", job->distribution_id);
    add_text(out, "id", job->id);
    add_text(out, "tenant_id", job->tenant_id);
    add_text(out, "data_type", job->data_type);
    add_text(out, "priority", priority_names[job->priority]);
    add_time(out, "submitted_at", job->submitted_at_us);
    add_time(out, "timestamp", job->requested_at_us);
    add_time(out, "expires_at", job->expires_at_us);
    add_text(out, "retry_policy", job->retry_policy);
    add_text(out, "idempotency_key", job->idempotency_key);
    add_text(out, "replay_of", *job->replay_of ? job->replay_of : NULL);
    add_value(out, "metadata", job->metadata);
    add_text(out, "content_type", job->content_type);
}

/* What only the service can do. */
static int refuse_service(const struct job *job, struct fault *fault)
{
    if (job->callback_url)
        return fault_set(fault, FAULT_INPUT,
                         "a callback needs the service: in a pipe nobody would call back");
    if (job->scheduled_at_us || job->delay_ms)
        return fault_set(fault, FAULT_INPUT, "a schedule needs the service: a pipe does not wait");
    if (job->supersede_key || job->once_per)
        return fault_set(fault, FAULT_INPUT,
                         "%s needs the service: a pipe does not know what was submitted before",
                         job->supersede_key ? "supersede" : "once_per");
    return 0;
}

int envelope_write_request(const struct job *job, struct buf *out, struct fault *fault)
{
    struct writer writer;

    if (refuse_service(job, fault))
        return -1;
    writer = writer_start(out, ENVELOPE_REQUEST);
    add_job(out, job);
    add_value(out, "destinations", job->destinations);
    add_body(out, job->body, job->body_size);
    return writer_end(&writer, fault);
}

static void add_candidates(struct buf *out, const struct delivery *delivery)
{
    add_name(out, "candidates");
    buf_addc(out, '[');
    for (size_t i = 0; i < delivery->candidate_count; i++) {
        if (i)
            buf_addc(out, ',');
        buf_add_json(out, delivery->candidates[i], strlen(delivery->candidates[i]));
    }
    buf_addc(out, ']');
}

static void add_outputs(struct buf *out, const struct delivery *delivery)
{
    add_name(out, "outputs");
    buf_addc(out, '[');
    for (size_t i = 0; i < delivery->output_count; i++) {
        const struct output *output = &delivery->outputs[i];

        buf_adds(out, i ? ",{\"destination\":" : "{\"destination\":");
        buf_add_json(out, output->destination, strlen(output->destination));
        add_text(out, "content_type", output->content_type);
        if (output->headers)
            add_value(out, "headers", output->headers);
        add_body(out, output->body, output->body_size);
        buf_addc(out, '}');
    }
    buf_addc(out, ']');
}

int envelope_write_delivery(const struct delivery *delivery, struct buf *out, struct fault *fault)
{
    struct writer writer;

    if (refuse_service(delivery->job, fault))
        return -1;
    writer = writer_start(out, ENVELOPE_DELIVERY);
    add_job(out, delivery->job);
    add_text(out, "delivery_id", delivery->id);
    add_text(out, "target", delivery->target);
    add_text(out, "rule", delivery->rule);
    add_candidates(out, delivery);
    if (delivery->inline_form)
        add_value(out, "destination", delivery->inline_form);
    if (delivery->rendering)
        add_value(out, "rendering", delivery->rendering);
    add_int(out, "attempts", delivery->attempts);
    add_int(out, "budget_start", delivery->budget_start);
    add_text(out, "status", delivery_status_names[delivery->status]);
    if (delivery->status == DELIVERY_DEAD)
        add_text(out, "dead_reason", dead_reason_names[delivery->dead_reason]);
    add_text(out, "error", delivery->last_error);
    add_text(out, "delivery_content_type", delivery->content_type);
    if (delivery->output_count)
        add_outputs(out, delivery);
    add_body(out, delivery->job->body, delivery->job->body_size);
    return writer_end(&writer, fault);
}

int envelope_write_result(const struct result *result, struct buf *out, struct fault *fault)
{
    struct writer writer = writer_start(out, ENVELOPE_RESULT);

    add_text(out, "distribution_id", result->distribution_id);
    add_text(out, "delivery_id", result->delivery_id);
    add_text(out, "tenant_id", result->tenant_id);
    add_text(out, "data_type", result->data_type);
    add_text(out, "target", result->target);
    add_text(out, "destination", result->destination);
    add_text(out, "status", delivery_status_names[result->status]);
    if (result->status == DELIVERY_DEAD)
        add_text(out, "dead_reason", dead_reason_names[result->dead_reason]);
    add_int(out, "attempts", result->attempts);
    if (result->response_code)
        add_int(out, "response_code", result->response_code);
    add_time(out, "started_at", result->started_at_us);
    add_time(out, "completed_at", result->completed_at_us);
    add_int(out, "latency_ms", result->latency_ms);
    add_text(out, "error", result->error);
    return writer_end(&writer, fault);
}

void result_release(struct result *result)
{
    free(result->distribution_id);
    free(result->delivery_id);
    free(result->tenant_id);
    free(result->data_type);
    free(result->target);
    free(result->destination);
    free(result->error);
    *result = (struct result){0};
}
