/*
 * response - a distribution as the world sees it: the specification's response document (4.2.2) and views
 *
 * The store fills a view; this module makes the document of it.
 */
#ifndef DIST_RESPONSE_H
#define DIST_RESPONSE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "status.h"

struct attempt_view {
    char *destination;
    int number;
    char *status; /* outcome_kind_names[] */
    int64_t started_at_us, completed_at_us;
    int response_code;
    char *response_body; /* UTF-8 text, cut, or NULL */
    char *error;
    char *retry_reason;
};
struct delivery_view {
    char *id, *target, *destination; /* destination: the candidate of the last or next attempt */
    enum delivery_status status;
    char *dead_reason, *error;
    char *rule;        /* that named the target, or NULL */
    char *replayed_as; /* the distribution that has an edited body in its place, or NULL */
    int attempts;
    int64_t due_at_us, delivered_at_us, updated_at_us;
    struct attempt_view *attempt_items; /* oldest first */
    size_t attempt_count;
};
struct job_view {
    char *id, *distribution_id, *tenant_id, *data_type, *priority, *content_type, *callback_url;
    char *error;
    char *replay_of; /* the dead delivery whose edited body this is, or NULL */
    enum job_status status;
    int64_t submitted_at_us, scheduled_at_us, completed_at_us, expires_at_us; /* 0: none */
    int64_t body_size;
    json_t *metadata;
    struct delivery_view *deliveries;
    size_t delivery_count;
    struct delivery_view *callback; /* NULL where there is none yet; not in the document */
};

void attempt_view_release(struct attempt_view *view);
void delivery_view_release(struct delivery_view *view);
void job_view_release(struct job_view *view); /* the fields, not the struct */

/*
 * distribution-response-v1; the caller's. Members of the specification that have no value yet are null:
 * completed_at, delivered_at, response, and the metrics that need the end. "name" is the target; where that
 * is a group, "destination" is the member; "rule" is there where a rule named it. "scheduled_at" is there
 * where there is a schedule, "replay_of" and "replayed_as" for edited replays. "response" is the last
 * attempt's, "response.body" JSON where the body is JSON, else a string. "errors" has one object
 * {destination, status, reason, error} per dead or expired delivery, and one without a destination for the
 * job's own error. network_time_ms is the sum of all attempts (deliveries run side by side, so it may exceed
 * the total), processing_time_ms the rest of the total, at least 0.
 */
json_t *response_document(const struct job_view *view);
/* The callback as an object of "destinations"; the caller's, NULL where there is none. */
json_t *response_callback(const struct job_view *view);

/* 0 to 100: the share of deliveries that ended; 100 for a job that ended without any. */
int response_progress(const struct job_view *view);

#endif
