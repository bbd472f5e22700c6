/*
 * response - the specification's response document (4.2.2) of a view
 *
 *   {"$schema":...,"distribution_id":"d-1","status":"completed","submitted_at":...,"completed_at":...,
 *    "destinations":[{"name":"hook","status":"success","attempts":1,"delivered_at":...,
 *                     "response":{"status_code":200,"body":{"accepted":true}}}],
 *    "metrics":{"total_latency_ms":5000,"processing_time_ms":3000,"network_time_ms":2000},"errors":[]}
 *
 * Hard rule: a member of the specification is always there, null where it has no value yet, so that a
 * consumer need not ask for its presence.
 */
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "job.h"
#include "response.h"
#include "text.h"
#include "xalloc.h"

void attempt_view_release(struct attempt_view *view)
{
    free(view->destination);
    free(view->status);
    free(view->response_body);
    free(view->error);
    free(view->retry_reason);
    *view = (struct attempt_view){0};
}

void delivery_view_release(struct delivery_view *view)
{
    free(view->id);
    free(view->target);
    free(view->destination);
    free(view->dead_reason);
    free(view->error);
    free(view->rule);
    free(view->replayed_as);
    for (size_t i = 0; i < view->attempt_count; i++)
        attempt_view_release(&view->attempt_items[i]);
    free(view->attempt_items);
    *view = (struct delivery_view){0};
}

void job_view_release(struct job_view *view)
{
    free(view->id);
    free(view->distribution_id);
    free(view->tenant_id);
    free(view->data_type);
    free(view->priority);
    free(view->content_type);
    free(view->callback_url);
    free(view->error);
    free(view->replay_of);
    json_decref(view->metadata);
    for (size_t i = 0; i < view->delivery_count; i++)
        delivery_view_release(&view->deliveries[i]);
    free(view->deliveries);
    if (view->callback)
        delivery_view_release(view->callback);
    free(view->callback);
    *view = (struct job_view){0};
}

/* A string, or null; jansson takes UTF-8 only, so other bytes become '?'. */
static json_t *text_value(const char *text)
{
    json_t *value;
    char *copy;

    if (!text)
        return json_null();
    value = json_string(text);
    if (value)
        return value;
    copy = xstrdup(text);
    for (char *c = copy; *c; c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    }
    value = json_string(copy);
    free(copy);
    return value;
}

static json_t *time_value(int64_t wall_us)
{
    char text[CLOCK_TEXT_SIZE];

    return wall_us ? json_string(clock_format(wall_us, text)) : json_null();
}

static json_t *body_value(const char *body)
{
    json_t *value = body ? json_read(body, strlen(body), NULL) : NULL;

    return value ? value : text_value(body);
}

static json_t *response_value(const struct delivery_view *delivery)
{
    const struct attempt_view *last =
        delivery->attempt_count ? &delivery->attempt_items[delivery->attempt_count - 1] : NULL;
    json_t *response;

    if (!last || (!last->response_code && !last->response_body))
        return json_null();
    response = json_object();
    json_object_set_new(response, "status_code",
                        last->response_code ? json_integer(last->response_code) : json_null());
    json_object_set_new(response, "body", body_value(last->response_body));
    return response;
}

static json_t *destination_value(const struct delivery_view *delivery)
{
    json_t *value = json_object();

    json_object_set_new(value, "name", text_value(delivery->target));
    if (delivery->destination && delivery->target && strcmp(delivery->destination, delivery->target))
        json_object_set_new(value, "destination", text_value(delivery->destination));
    if (delivery->rule)
        json_object_set_new(value, "rule", text_value(delivery->rule));
    json_object_set_new(value, "status", json_string(delivery_status_response(delivery->status)));
    json_object_set_new(value, "attempts", json_integer(delivery->attempts));
    json_object_set_new(value, "delivered_at", time_value(delivery->delivered_at_us));
    json_object_set_new(value, "response", response_value(delivery));
    if (delivery->replayed_as)
        json_object_set_new(value, "replayed_as", text_value(delivery->replayed_as));
    return value;
}

static json_t *destinations_value(const struct job_view *view)
{
    json_t *array = json_array();

    for (size_t i = 0; i < view->delivery_count; i++)
        json_array_append_new(array, destination_value(&view->deliveries[i]));
    return array;
}

static int64_t network_time_us(const struct job_view *view)
{
    int64_t sum = 0;

    for (size_t i = 0; i < view->delivery_count; i++) {
        const struct delivery_view *delivery = &view->deliveries[i];

        for (size_t j = 0; j < delivery->attempt_count; j++) {
            const struct attempt_view *attempt = &delivery->attempt_items[j];

            if (attempt->completed_at_us > attempt->started_at_us)
                sum += attempt->completed_at_us - attempt->started_at_us;
        }
    }
    return sum;
}

static json_t *metrics_value(const struct job_view *view)
{
    json_t *metrics = json_object();
    int64_t network_ms = network_time_us(view) / 1000;
    json_t *total = json_null(), *processing = json_null();

    if (view->completed_at_us) {
        int64_t total_us = view->completed_at_us - view->submitted_at_us;
        int64_t total_ms = total_us > 0 ? total_us / 1000 : 0;

        total = json_integer(total_ms);
        processing = json_integer(total_ms > network_ms ? total_ms - network_ms : 0);
    }
    json_object_set_new(metrics, "total_latency_ms", total);
    json_object_set_new(metrics, "processing_time_ms", processing);
    json_object_set_new(metrics, "network_time_ms", json_integer(network_ms));
    return metrics;
}

static json_t *error_value(const char *destination, const char *status, const char *reason, const char *error)
{
    json_t *value = json_object();

    json_object_set_new(value, "destination", text_value(destination));
    json_object_set_new(value, "status", text_value(status));
    json_object_set_new(value, "reason", text_value(reason));
    json_object_set_new(value, "error", text_value(error));
    return value;
}

static json_t *errors_value(const struct job_view *view)
{
    json_t *array = json_array();

    if (view->error)
        json_array_append_new(array, error_value(NULL, job_status_names[view->status], NULL, view->error));
    for (size_t i = 0; i < view->delivery_count; i++) {
        const struct delivery_view *delivery = &view->deliveries[i];

        if (delivery->status != DELIVERY_DEAD && delivery->status != DELIVERY_EXPIRED)
            continue;
        json_array_append_new(array, error_value(delivery->target, delivery_status_response(delivery->status),
                                                 delivery->dead_reason, delivery->error));
    }
    return array;
}

json_t *response_document(const struct job_view *view)
{
    json_t *document = json_object();

    json_object_set_new(document, "$schema", json_string(JOB_RESPONSE_SCHEMA));
    json_object_set_new(document, "distribution_id", text_value(view->distribution_id));
    if (view->replay_of)
        json_object_set_new(document, "replay_of", text_value(view->replay_of));
    json_object_set_new(document, "status", json_string(job_status_names[view->status]));
    json_object_set_new(document, "submitted_at", time_value(view->submitted_at_us));
    if (view->scheduled_at_us)
        json_object_set_new(document, "scheduled_at", time_value(view->scheduled_at_us));
    json_object_set_new(document, "completed_at", time_value(view->completed_at_us));
    json_object_set_new(document, "destinations", destinations_value(view));
    json_object_set_new(document, "metrics", metrics_value(view));
    json_object_set_new(document, "errors", errors_value(view));
    return document;
}

json_t *response_callback(const struct job_view *view)
{
    return view->callback ? destination_value(view->callback) : NULL;
}

int response_progress(const struct job_view *view)
{
    size_t ended = 0;

    for (size_t i = 0; i < view->delivery_count; i++)
        ended += delivery_status_is_final(view->deliveries[i].status);
    if (!view->delivery_count)
        return job_status_is_final(view->status) ? 100 : 0;
    return (int)(ended * 100 / view->delivery_count);
}
