/*
 * request_parts - what the two halves of the request reader share; nobody else includes it
 */
#ifndef DIST_REQUEST_PARTS_H
#define DIST_REQUEST_PARTS_H

#include <jansson.h>
#include <stdint.h>
#include "job.h"

/* A schedule may lie so far ahead of now. */
#define REQUEST_SCHEDULE_MAX_MS (INT64_C(400) * 24 * 3600 * 1000)

/* The members of a request as they were read; strings and values borrow from the document. */
struct request {
    const char *distribution_id, *tenant_id, *data_type, *priority, *content_type;
    const char *callback_url, *callback_path, *idempotency_key, *retry_policy, *once_per, *supersede_key;
    int64_t timestamp_us, expires_at_us, timeout_ms, scheduled_at_us, delay_ms;
    json_t *destinations, *callback_headers, *metadata;
};

/* A job with everything but its body: what the document says and what the command line gives must not differ.
 * NULL with the fault (INPUT) set. */
struct job *request_join(const struct request *request, const struct job_defaults *defaults, int64_t now_us,
                         struct fault *fault);

#endif
