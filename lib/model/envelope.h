/*
 * envelope - the lines that stages hand to each other in a pipe: dist-envelope(5)
 *
 * One JSON object per line. "kind" is "request" (dist-submit --pipe), "delivery" (dist-route, dist-transform;
 * with status "dead" and a dead_reason where the stage rejected it) or "result" (dist-deliver). The body is
 * the last member: "body" where it is UTF-8 text without NUL whose escapes make it longer than base64 would
 * by at most ENVELOPE_TEXT_SLACK bytes, else "body_base64"; either way it comes back byte for byte. Times are
 * written to the millisecond. Reading refuses unknown members by name; class INPUT with the pointer.
 *
 * Some things need the service, which a pipe has not: a job with a callback URL, a schedule, once_per or a
 * supersede key is refused (class INPUT). Its expiry is a time by now: see job_fix_times().
 */
#ifndef DIST_ENVELOPE_H
#define DIST_ENVELOPE_H

#include "buf.h"
#include "delivery.h"
#include "job.h"

/* Small texts stay readable whatever they hold; LIMIT_ENVELOPE_EXTRA has room for it. */
enum { ENVELOPE_TEXT_SLACK = 64 * 1024, ENVELOPE_VERSION = 1 };

enum envelope_kind { ENVELOPE_REQUEST, ENVELOPE_DELIVERY, ENVELOPE_RESULT, ENVELOPE_KIND_COUNT };
extern const char *const envelope_kind_names[ENVELOPE_KIND_COUNT + 1];

/* Each writes a line with its newline. -1 (class INPUT) where `out` has no room; then it is as it was. */
int envelope_write_request(const struct job *job, struct buf *out, struct fault *fault);
int envelope_write_delivery(const struct delivery *delivery, struct buf *out, struct fault *fault);

/* The job of a delivery has one destination: its target, with the form that came along. */
int envelope_read_request(const char *line, size_t size, uint64_t max_payload, struct job **job,
                          struct fault *fault);
int envelope_read_delivery(const char *line, size_t size, uint64_t max_payload, struct delivery **delivery,
                           struct fault *fault);

/* How a delivery ended, or its last attempt: what dist-deliver prints and dist-status reads. */
struct result {
    char *distribution_id, *delivery_id, *tenant_id, *data_type, *target, *destination;
    enum delivery_status status;
    enum dead_reason dead_reason; /* where status is dead */
    int attempts;
    int response_code;                      /* 0: none; absent in the line */
    int64_t started_at_us, completed_at_us; /* 0: none */
    int64_t latency_ms;                     /* of the last attempt */
    char *error;                            /* or NULL */
};
/* `destination` is NULL where no attempt was made. Reading sets all members. */
void result_release(struct result *result);
int envelope_write_result(const struct result *result, struct buf *out, struct fault *fault);
int envelope_read_result(const char *line, size_t size, struct result *result, struct fault *fault);

#endif
