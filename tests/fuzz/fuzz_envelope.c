/*
 * envelope: a line, read as a request document and as each kind of envelope. What was read is written, read
 * again and written again: the same bytes.
 */
#include <string.h>
#include "envelope.h"
#include "parts.h"
#include "retry.h"
#include "text.h"

enum { PAYLOAD_MAX = 64 * 1024, LINE_MAX = 8 * 1024 * 1024 };
#define NOW_US INT64_C(1700000000000000)

/* One kind of line: reads it and writes it anew. -1: it is refused, with the reason. */
typedef int copy_function(const char *line, size_t size, struct buf *out, struct fault *fault);

static int copy_request(const char *line, size_t size, struct buf *out, struct fault *fault)
{
    struct job *job = NULL;

    if (envelope_read_request(line, size, PAYLOAD_MAX, &job, fault))
        return -1;
    HOLDS(job->body_size <= PAYLOAD_MAX && envelope_write_request(job, out, fault) == 0);
    job_unref(job);
    return 0;
}

static int copy_delivery(const char *line, size_t size, struct buf *out, struct fault *fault)
{
    struct delivery *delivery = NULL;

    if (envelope_read_delivery(line, size, PAYLOAD_MAX, &delivery, fault))
        return -1;
    HOLDS(envelope_write_delivery(delivery, out, fault) == 0);
    delivery_free(delivery);
    return 0;
}

static int copy_result(const char *line, size_t size, struct buf *out, struct fault *fault)
{
    struct result result;

    if (envelope_read_result(line, size, &result, fault))
        return -1;
    HOLDS(envelope_write_result(&result, out, fault) == 0);
    result_release(&result);
    return 0;
}

/* A request document becomes an envelope, unless it needs the service. */
static int copy_document(const char *line, size_t size, struct buf *out, struct fault *fault)
{
    const struct job_defaults defaults = {.max_payload = PAYLOAD_MAX, .tenant_id = "acme"};
    struct job *job = NULL;

    if (job_from_request(line, size, NULL, &defaults, NOW_US, &job, fault))
        return -1;
    job->submitted_at_us = NOW_US;
    job_fix_times(job);
    int result = envelope_write_request(job, out, fault);
    job_unref(job);
    return result;
}

static void check(copy_function *first, copy_function *again, const char *line, size_t size)
{
    struct fault fault = {0};
    struct buf one, two;

    buf_init(&one, LINE_MAX);
    buf_init(&two, LINE_MAX);
    if (first(line, size, &one, &fault)) {
        HOLDS(fault.text[0] && text_is_utf8(fault.text, strlen(fault.text), NULL));
    } else {
        HOLDS(memchr(one.data, '\n', one.len) == one.data + one.len - 1);
        HOLDS(again(one.data, one.len, &two, &fault) == 0);
        HOLDS(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    }
    buf_release(&one);
    buf_release(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *line = (const char *)data;

    check(copy_request, copy_request, line, size);
    check(copy_delivery, copy_delivery, line, size);
    check(copy_result, copy_result, line, size);
    check(copy_document, copy_request, line, size);
    return 0;
}
