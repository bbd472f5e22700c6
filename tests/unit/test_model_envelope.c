/*
 * Envelopes: what a stage writes is what the next one reads, and what a pipe could bring otherwise is refused
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "envelope.h"
#include "ceilings.h"
#include "text.h"
#include "xalloc.h"

enum { MAX_PAYLOAD = 1000000 };
static const char job_id[] = "018d0c3e-7b1a-7000-8000-000000000001";
static const char delivery_id[] = "018d0c3e-7b1a-7000-8000-000000000002";
static const int64_t now_us = INT64_C(1705312800123000); /* 2024-01-15T10:00:00.123Z */

static struct job *sample_job(const char *content_type, const void *body, size_t size)
{
    struct job *job = job_new();

    text_copy(job->id, sizeof job->id, job_id);
    job->distribution_id = xstrdup("d-1");
    job->own_id = true;
    job->tenant_id = xstrdup("acme");
    job->data_type = xstrdup("report");
    job->priority = PRIORITY_LOW;
    job->content_type = xstrdup(content_type);
    job->body = xmemdupz(body, size);
    job->body_size = size;
    job->submitted_at_us = now_us;
    json_object_set_new(job->metadata, "region", json_string("eu"));
    json_array_append_new(job->destinations, json_pack("{s:s}", "name", "hook"));
    json_array_append_new(job->destinations, json_pack("{s:s,s:s,s:s}", "name", "own", "protocol", "REST",
                                                       "endpoint", "https://x/"));
    return job;
}

static struct delivery *sample_delivery(void)
{
    struct job *job = sample_job("text/csv", "a,b\n", 4);
    struct delivery *delivery = delivery_new(job, "ops");

    job_unref(job);
    text_copy(delivery->id, sizeof delivery->id, delivery_id);
    delivery_add_candidate(delivery, "hook");
    delivery_add_candidate(delivery, "mirror");
    return delivery;
}

static char *request_line(const struct job *job)
{
    struct buf out;
    struct fault fault = {0};

    buf_init(&out, LIMIT_ENVELOPE(MAX_PAYLOAD));
    if (envelope_write_request(job, &out, &fault))
        fail_msg("%s", fault.text);
    return buf_steal(&out, NULL);
}

static char *delivery_line(const struct delivery *delivery)
{
    struct buf out;
    struct fault fault = {0};

    buf_init(&out, LIMIT_ENVELOPE(MAX_PAYLOAD));
    if (envelope_write_delivery(delivery, &out, &fault))
        fail_msg("%s", fault.text);
    return buf_steal(&out, NULL);
}

static struct job *read_request(const char *line)
{
    struct job *job = NULL;
    struct fault fault = {0};

    if (envelope_read_request(line, strlen(line), MAX_PAYLOAD, &job, &fault))
        fail_msg("%.500s: %s", line, fault.text);
    return job;
}

static struct delivery *read_delivery(const char *line)
{
    struct delivery *delivery = NULL;
    struct fault fault = {0};

    if (envelope_read_delivery(line, strlen(line), MAX_PAYLOAD, &delivery, &fault))
        fail_msg("%.500s: %s", line, fault.text);
    return delivery;
}

/* `line` with the first `from` in it replaced by `to`. */
static char *edited(const char *line, const char *from, const char *to)
{
    const char *at = strstr(line, from);

    if (!at)
        fail_msg("no %s in %s", from, line);
    return xasprintf("%.*s%s%s", (int)(at - line), line, to, at + strlen(from));
}

static void a_request_line_looks_as_documented(void **state)
{
    struct job *job = sample_job("text/csv", "a,\"b\"\n", 6);
    char *line = request_line(job);

    (void)state;
    assert_string_equal(
        line, "{\"v\":1,\"kind\":\"request\",\"distribution_id\":\"d-1\",\"id\":\"018d0c3e-7b1a-7000-8000-"
              "000000000001\","
              "\"tenant_id\":\"acme\",\"data_type\":\"report\",\"priority\":\"low\","
              "\"submitted_at\":\"2024-01-15T10:00:00.123Z\",\"metadata\":{\"region\":\"eu\"},"
              "\"content_type\":\"text/csv\",\"destinations\":[{\"name\":\"hook\"},{\"name\":\"own\","
              "\"protocol\":\"REST\",\"endpoint\":\"https://x/\"}],\"body\":\"a,\\\"b\\\"\\n\"}\n");
    free(line);
    job_unref(job);
}

static void a_request_comes_back_with_every_member(void **state)
{
    struct job *job = sample_job("application/json", "{ \"a\":1.0 }", 11);
    struct job *back;
    char *line, *again;

    (void)state;
    job->requested_at_us = now_us - 1000;
    job->expires_at_us = now_us + 1000000;
    job->retry_policy = xstrdup("standard_webhooks");
    job->idempotency_key = xstrdup("key \"1\"");
    text_copy(job->replay_of, sizeof job->replay_of, delivery_id);
    line = request_line(job);
    back = read_request(line);
    assert_string_equal(back->id, job->id);
    assert_true(back->own_id);
    assert_int_equal(back->priority, PRIORITY_LOW);
    assert_int_equal(back->submitted_at_us, now_us);
    assert_int_equal(back->requested_at_us, job->requested_at_us);
    assert_int_equal(back->expires_at_us, job->expires_at_us);
    assert_string_equal(back->idempotency_key, "key \"1\"");
    assert_string_equal(back->replay_of, delivery_id);
    assert_true(json_equal(back->metadata, job->metadata));
    assert_true(json_equal(back->destinations, job->destinations));
    again = request_line(back);
    assert_string_equal(again, line);
    free(again);
    free(line);
    job_unref(back);
    job_unref(job);
}

/* The line of a job with that body, after a check that it comes back byte for byte. */
static char *body_line(const void *body, size_t size)
{
    struct job *job = sample_job("application/octet-stream", body, size);
    char *line = request_line(job);
    struct job *back = read_request(line);

    assert_int_equal(back->body_size, size);
    assert_memory_equal(back->body, body, size);
    assert_int_equal(back->body[size], '\0');
    job_unref(back);
    job_unref(job);
    return line;
}

static void bodies_come_back_byte_for_byte(void **state)
{
    static const struct {
        const char *body;
        size_t size;
        const char *member; /* as it is in the line */
    } cases[] = {
        {"", 0, "\"body\":\"\"}"},
        {"{\"a\":\"b\"}", 9, "\"body\":\"{\\\"a\\\":\\\"b\\\"}\"}"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"body\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}"},
        {"\x01\x1f\x7f\xc2\x85", 5, "\"body\":\"\\u0001\\u001f\\u007f\\u0085\"}"},
        {"a\0b", 3, "\"body_base64\":\"YQBi\"}"},
        {"\xff\xfe", 2, "\"body_base64\":\"//4=\"}"},
        {"\xed\xa0\x80", 3, "\"body_base64\":\"7aCA\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *line = body_line(cases[i].body, cases[i].size);

        if (!strstr(line, cases[i].member))
            fail_msg("%s: no %s", line, cases[i].member);
        free(line);
    }
}

static void every_byte_comes_back(void **state)
{
    char body[257] = "";

    (void)state;
    for (int i = 0; i < 256; i++)
        body[i] = (char)i;
    free(body_line(body, 256));
    free(body_line(body + 1, 127));
}

static void a_text_is_base64_where_its_escapes_cost_too_much(void **state)
{
    /* n quotes are 2n bytes of text and 4n/3 of base64: the slack is passed beyond 3/2 of it */
    const size_t most = ENVELOPE_TEXT_SLACK / 2 * 3;
    char *body = xmalloc(most + 4);
    char *line;

    (void)state;
    memset(body, '"', most + 3);
    body[most + 3] = '\0';
    line = body_line(body + 3, most);
    assert_non_null(strstr(line, "\"body\":"));
    free(line);
    line = body_line(body, most + 3);
    assert_non_null(strstr(line, "\"body_base64\":"));
    free(line);
    free(body);
}

static void the_worst_body_fits_into_the_longest_line(void **state)
{
    char *body = xmalloc(MAX_PAYLOAD + 1);
    static const int fills[] = {0x01, '"', 0xff, 'x'};

    (void)state;
    body[MAX_PAYLOAD] = '\0';
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        memset(body, fills[i], MAX_PAYLOAD);
        free(body_line(body, MAX_PAYLOAD));
    }
    free(body);
}

static void a_line_without_room_is_not_written_at_all(void **state)
{
    struct job *job = sample_job("text/csv", "a,b\n", 4);
    char *line = request_line(job);
    struct fault fault;

    (void)state;
    for (size_t max = 0; max < strlen(line); max++) {
        struct buf out;

        buf_init(&out, max + 2);
        buf_adds(&out, "x\n");
        fault = (struct fault){0};
        assert_int_equal(envelope_write_request(job, &out, &fault), -1);
        assert_int_equal(fault.class, FAULT_INPUT);
        assert_string_equal(out.data, "x\n");
        assert_false(out.overflow);
        buf_release(&out);
    }
    free(line);
    job_unref(job);
}

static void a_job_with_a_callback_is_not_for_a_pipe(void **state)
{
    struct delivery *delivery = sample_delivery();
    struct fault fault = {0};
    struct buf out;

    (void)state;
    delivery->job->callback_url = xstrdup("https://x/");
    buf_init(&out, 10000);
    assert_int_equal(envelope_write_request(delivery->job, &out, &fault), -1);
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_int_equal(envelope_write_delivery(delivery, &out, &fault), -1);
    assert_int_equal(out.len, 0);
    buf_release(&out);
    delivery_free(delivery);
}

static void a_delivery_comes_back_with_every_member(void **state)
{
    struct delivery *delivery = sample_delivery();
    struct delivery *back;
    char *line, *again;

    (void)state;
    delivery->inline_form = json_pack("{s:s,s:s}", "name", "ops", "protocol", "null");
    delivery->content_type = xstrdup("application/json");
    delivery->attempts = 7;
    delivery->budget_start = 3;
    delivery->status = DELIVERY_DEAD;
    delivery->dead_reason = DEAD_EXHAUSTED;
    delivery->last_error = xstrdup("503\n\xff");
    line = delivery_line(delivery);
    back = read_delivery(line);
    assert_string_equal(back->id, delivery_id);
    assert_string_equal(back->job->id, job_id);
    assert_string_equal(back->target, "ops");
    assert_int_equal(back->candidate_count, 2);
    assert_string_equal(back->candidates[1], "mirror");
    assert_true(json_equal(back->inline_form, delivery->inline_form));
    assert_true(json_equal(json_array_get(back->job->destinations, 0), delivery->inline_form));
    assert_string_equal(back->content_type, "application/json");
    assert_string_equal(back->job->content_type, "text/csv");
    assert_int_equal(back->attempts, 7);
    assert_int_equal(back->budget_start, 3);
    assert_int_equal(back->status, DELIVERY_DEAD);
    assert_int_equal(back->dead_reason, DEAD_EXHAUSTED);
    assert_string_equal(back->last_error, "503\n\xef\xbf\xbd");
    assert_memory_equal(back->job->body, "a,b\n", 5);
    again = delivery_line(back);
    assert_string_equal(again, line);
    free(again);
    free(line);
    delivery_free(back);
    delivery_free(delivery);
}

/* --- what is sent in place of the body --- */

static void add_output(struct delivery *delivery, const char *destination, const char *body, size_t size,
                       json_t *headers)
{
    struct output output = {
        .destination = xstrdup(destination),
        .content_type = xstrdup("text/xml"),
        .body = xmemdupz(body, size),
        .body_size = size,
        .headers = headers,
    };
    delivery_add_output(delivery, &output);
}

static void outputs_come_back_beside_the_body(void **state)
{
    struct delivery *delivery = sample_delivery(), *back;
    char *line, *again;
    size_t size;

    (void)state;
    delivery->rendering = json_pack("{s:s}", "format", "xml");
    add_output(delivery, "hook", "first", 5, NULL);
    add_output(delivery, "hook", "<a/>", 4, json_pack("{s:s}", "SOAPAction", "\"x\""));
    add_output(delivery, "mirror", "\x1f\x8b\0\xff", 4, NULL);
    assert_int_equal(delivery->output_count, 2);
    line = delivery_line(delivery);
    back = read_delivery(line);
    assert_true(json_equal(back->rendering, delivery->rendering));
    assert_int_equal(back->output_count, 2);
    assert_string_equal(delivery_content_type(back), "text/xml");
    assert_memory_equal(delivery_body(back, &size), "<a/>", 5);
    assert_int_equal(size, 4);
    assert_true(json_equal(delivery_output(back)->headers, delivery->outputs[0].headers));
    assert_memory_equal(back->job->body, "a,b\n", 5);
    back->attempts = 1;
    assert_memory_equal(delivery_body(back, &size), "\x1f\x8b\0\xff", 5);
    assert_int_equal(size, 4);
    back->attempts = 0;
    again = delivery_line(back);
    assert_string_equal(again, line);
    delivery_drop_outputs(back);
    assert_memory_equal(delivery_body(back, &size), "a,b\n", 5);
    assert_string_equal(delivery_content_type(back), "text/csv");
    free(again);
    free(line);
    delivery_free(back);
    delivery_free(delivery);
}

static void a_deliverys_job_has_its_target_alone(void **state)
{
    struct delivery *delivery = sample_delivery();
    char *line = delivery_line(delivery);
    struct delivery *back = read_delivery(line);

    (void)state;
    assert_null(strstr(line, "dead_reason"));
    assert_null(strstr(line, "destinations"));
    assert_null(back->inline_form);
    assert_int_equal(back->status, DELIVERY_WAITING);
    assert_int_equal(json_array_size(back->job->destinations), 1);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(back->job->destinations, 0), "name")), "ops");
    free(line);
    delivery_free(back);
    delivery_free(delivery);
}

static void a_dead_delivery_may_have_no_candidates(void **state)
{
    struct job *job = sample_job("text/csv", "", 0);
    struct delivery *delivery = delivery_new(job, "gone");
    struct delivery *back;
    char *line;

    (void)state;
    delivery->status = DELIVERY_DEAD;
    delivery->dead_reason = DEAD_UNROUTABLE;
    line = delivery_line(delivery);
    back = read_delivery(line);
    assert_int_equal(back->candidate_count, 0);
    assert_int_equal(back->dead_reason, DEAD_UNROUTABLE);
    free(line);
    delivery_free(back);
    delivery_free(delivery);
    job_unref(job);
}

struct edit {
    const char *from, *to, *wanted; /* wanted: what the fault begins with */
};

static void check_refused(int status, const struct fault *fault, const struct edit *edit)
{
    if (status != -1)
        fail_msg("taken with %s", edit->to);
    assert_int_equal(fault->class, FAULT_INPUT);
    if (strncmp(fault->text, edit->wanted, strlen(edit->wanted)))
        fail_msg("%s: '%s' is not '%s'", edit->to, fault->text, edit->wanted);
}

static void a_request_that_no_stage_wrote_is_refused(void **state)
{
    static const struct edit edits[] = {
        {"\"v\":1", "\"v\":2", "/v: version 2, and this program reads version 1"},
        {"\"v\":1,", "", "'v' is missing"},
        {"\"request\"", "\"delivery\"", "/kind: a delivery, where a request of dist-submit --pipe is wanted"},
        {"\"request\"", "\"letter\"", "no envelope: "},
        {"\"request\"", "7", "no envelope: "},
        {"\"v\"", "\"vv\"", "unknown member 'vv'"},
        {"\"d-1\"", "\"d.1\"", "/distribution_id: "},
        {"018d", "x18d", "/id: a UUID is wanted"},
        {"\"acme\"", "\"a/b\"", "/tenant_id: "},
        {"\"report\"", "\"\"", "/data_type: "},
        {"\"low\"", "\"lower\"", "/priority: "},
        {"2024-01-15T", "2024-01-15 at ", "/submitted_at: "},
        {"{\"region\":\"eu\"}", "[]", "/metadata: "},
        {"\"text/csv\"", "\"csv\"", "/content_type: "},
        {"\"name\":\"own\"", "\"name\":\"hook\"", "/destinations/1: destination 'hook' is named twice"},
        {"\"metadata\"", "\"idempotency_key\":\"\",\"metadata\"", "/idempotency_key: "},
        {"\"metadata\"", "\"replay_of\":\"x\",\"metadata\"", "/replay_of: "},
        {"\"body\":\"a,b\\n\"", "\"body\":\"a\",\"body_base64\":\"\"",
         "/body_base64: the envelope has a body too"},
        {",\"body\":\"a,b\\n\"", "", "no body: body or body_base64 is wanted"},
        {"\"body\":\"a,b\\n\"", "\"body_base64\":\"a\"", "/body_base64: not base64"},
        {"a,b\\n", "12345678901", "/body: 11 bytes are more than the limit of 10 (DIST_MAX_PAYLOAD)"},
        {"{\"v\"", "{{", "line 1, column 2: "},
    };
    struct job *job = sample_job("text/csv", "a,b\n", 4);
    char *line = request_line(job);

    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char *text = edited(line, edits[i].from, edits[i].to);
        struct job *back = NULL;
        struct fault fault = {0};
        int status = envelope_read_request(text, strlen(text), 10, &back, &fault);

        check_refused(status, &fault, &edits[i]);
        assert_null(back);
        free(text);
    }
    free(line);
    job_unref(job);
}

static void too_much_metadata_is_refused(void **state)
{
    struct job *job = sample_job("text/csv", "", 0);
    char *text = xmalloc(LIMIT_METADATA + 1);
    char *line;
    struct fault fault = {0};

    (void)state;
    memset(text, 'x', LIMIT_METADATA);
    text[LIMIT_METADATA] = '\0';
    json_object_set_new(job->metadata, "a", json_string(text));
    line = request_line(job);
    job_unref(job);
    assert_int_equal(envelope_read_request(line, strlen(line), 10, &job, &fault), -1);
    assert_int_equal(strncmp(fault.text, "/metadata: ", 11), 0);
    free(line);
    free(text);
}

static void a_delivery_that_no_stage_wrote_is_refused(void **state)
{
    static const struct edit edits[] = {
        {"\"delivery\"", "\"request\"", "/kind: a request, where a delivery of dist-route is wanted"},
        {"\"delivery_id\":\"018d", "\"delivery_id\":\"", "/delivery_id: a UUID is wanted"},
        {"\"ops\"", "\"\"", "/target: "},
        {"[\"hook\",\"mirror\"]", "[\"hook\",7]", "/candidates/1: a name is wanted"},
        {"[\"hook\",\"mirror\"]", "[\"../x\"]", "/candidates/0: a name is wanted"},
        {"\"attempts\":0", "\"attempts\":-1", "/attempts: "},
        {"\"budget_start\":0", "\"budget_start\":1", "/budget_start: more than /attempts"},
        {"\"waiting\"", "\"sleeping\"", "/status: "},
        {"\"waiting\"", "\"dead\"", "/dead_reason: missing, and the status is dead"},
        {"\"waiting\"", "\"waiting\",\"dead_reason\":\"poison\"",
         "/dead_reason: the status is waiting, not dead"},
        {"\"waiting\"", "\"waiting\",\"delivery_content_type\":\"x\"", "/delivery_content_type: "},
        {"\"waiting\"", "\"waiting\",\"destination\":{\"name\":\"x\"}",
         "/destination/name: not the same as /target"},
        {"\"waiting\"", "\"waiting\",\"destination\":{}", "/destination/name: not the same as /target"},
        {"\"waiting\"", "\"waiting\",\"rendering\":{\"format\":\"cvs\"}",
         "/rendering/format: there is no format"},
        {"\"waiting\"", "\"waiting\",\"rendering\":7", "/rendering: "},
        {"\"waiting\"", "\"waiting\",\"outputs\":[{}]", "/outputs/0: "},
        {"\"waiting\"", "\"waiting\",\"outputs\":[7]", "/outputs/0"},
        {"\"waiting\"", "\"waiting\",\"outputs\":[{\"destination\":\"hook\",\"content_type\":\"a/b\"}]",
         "/outputs/0: either 'body' or 'body_base64' is wanted"},
        {"\"waiting\"",
         "\"waiting\",\"outputs\":[{\"destination\":\"hook\",\"content_type\":\"a/"
         "b\",\"body_base64\":\"?\"}]",
         "/outputs/0/body_base64: no base64"},
        {"\"waiting\"",
         "\"waiting\",\"outputs\":[{\"destination\":\"hook\",\"content_type\":\"a\\nb\",\"body\":\"\"}]",
         "/outputs/0"},
        {"\"waiting\"",
         "\"waiting\",\"outputs\":[{\"destination\":\"hook\",\"content_type\":\"a/b\",\"body\":\"\","
         "\"headers\":{\"X\":\"a\\r\\nB: c\"}}]",
         "/outputs/0/headers: no header field of HTTP"},
        {"\"waiting\"",
         "\"waiting\",\"outputs\":[{\"destination\":\"hook\",\"content_type\":\"a/b\",\"body\":\"\","
         "\"headers\":{\"Content-Length\":\"a\"}}]",
         "/outputs/0/headers: no header field of HTTP"},
        {"\"acme\"", "\"\"", "/tenant_id: "},
        {"\"ops\"", "\"ops\",\"destinations\":[]", "unknown member 'destinations'"},
    };
    struct delivery *delivery = sample_delivery();
    char *line = delivery_line(delivery);

    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char *text = edited(line, edits[i].from, edits[i].to);
        struct delivery *back = NULL;
        struct fault fault = {0};
        int status = envelope_read_delivery(text, strlen(text), 10, &back, &fault);

        check_refused(status, &fault, &edits[i]);
        assert_null(back);
        free(text);
    }
    free(line);
    delivery_free(delivery);
}

static char *result_line(const struct result *result)
{
    struct buf out;

    buf_init(&out, 10000);
    assert_int_equal(envelope_write_result(result, &out, NULL), 0);
    return buf_steal(&out, NULL);
}

static struct result sample_result(void)
{
    return (struct result){.distribution_id = (char *)"d-1",
                           .delivery_id = (char *)delivery_id,
                           .tenant_id = (char *)"acme",
                           .data_type = (char *)"report",
                           .target = (char *)"ops",
                           .destination = (char *)"hook",
                           .status = DELIVERY_DEAD,
                           .dead_reason = DEAD_REJECTED,
                           .attempts = 2,
                           .response_code = 410,
                           .started_at_us = now_us,
                           .completed_at_us = now_us + 15000,
                           .latency_ms = 15,
                           .error = (char *)"410 Gone"};
}

static void a_result_comes_back_with_every_member(void **state)
{
    struct result result = sample_result();
    struct result back;
    char *line = result_line(&result);
    struct fault fault = {0};

    (void)state;
    if (envelope_read_result(line, strlen(line), &back, &fault))
        fail_msg("%s: %s", line, fault.text);
    assert_string_equal(back.distribution_id, "d-1");
    assert_string_equal(back.delivery_id, delivery_id);
    assert_string_equal(back.tenant_id, "acme");
    assert_string_equal(back.data_type, "report");
    assert_string_equal(back.target, "ops");
    assert_string_equal(back.destination, "hook");
    assert_int_equal(back.status, DELIVERY_DEAD);
    assert_int_equal(back.dead_reason, DEAD_REJECTED);
    assert_int_equal(back.attempts, 2);
    assert_int_equal(back.response_code, 410);
    assert_int_equal(back.started_at_us, now_us);
    assert_int_equal(back.completed_at_us, now_us + 15000);
    assert_int_equal(back.latency_ms, 15);
    assert_string_equal(back.error, "410 Gone");
    result_release(&back);
    assert_null(back.error);
    free(line);
}

static void a_result_without_an_attempt_leaves_its_members_out(void **state)
{
    struct result result = sample_result();
    struct result back;
    char *line;

    (void)state;
    result.status = DELIVERY_EXPIRED;
    result.destination = NULL;
    result.error = NULL;
    result.response_code = 0;
    result.started_at_us = result.completed_at_us = 0;
    result.latency_ms = 0;
    result.attempts = 0;
    line = result_line(&result);
    assert_string_equal(line,
                        "{\"v\":1,\"kind\":\"result\",\"distribution_id\":\"d-1\","
                        "\"delivery_id\":\"018d0c3e-7b1a-7000-8000-000000000002\",\"tenant_id\":\"acme\","
                        "\"data_type\":\"report\",\"target\":\"ops\",\"status\":\"expired\",\"attempts\":0,"
                        "\"latency_ms\":0}\n");
    assert_int_equal(envelope_read_result(line, strlen(line), &back, NULL), 0);
    assert_null(back.destination);
    assert_null(back.error);
    assert_int_equal(back.response_code, 0);
    assert_int_equal(back.completed_at_us, 0);
    result_release(&back);
    free(line);
}

static void a_result_that_no_stage_wrote_is_refused(void **state)
{
    static const struct edit edits[] = {
        {"\"result\"", "\"delivery\"", "/kind: a delivery, where a result of dist-deliver is wanted"},
        {"{\"v\"", "[\"v\"", "line 1, "},
        {"\"v\":1", "\"v\":0", "/v: version 0"},
        {"\"d-1\"", "\"\"", "/distribution_id: "},
        {"018d", "", "/delivery_id: "},
        {"\"acme\"", "\"a b\"", "/tenant_id: "},
        {"\"report\"", "\"a b\"", "/data_type: "},
        {"\"rejected\"", "\"bored\"", "/dead_reason: "},
        {"\"dead\"", "\"delivered\"", "/dead_reason: the status is delivered, not dead"},
        {"\"attempts\":2,", "", "'attempts' is missing"},
        {"\"error\"", "\"err\"", "unknown member 'err'"},
    };
    struct result result = sample_result();
    char *line = result_line(&result);

    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char *text = edited(line, edits[i].from, edits[i].to);
        struct result back;
        struct fault fault = {0};
        int status = envelope_read_result(text, strlen(text), &back, &fault);

        check_refused(status, &fault, &edits[i]);
        free(text);
    }
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_line_looks_as_documented),
        cmocka_unit_test(a_request_comes_back_with_every_member),
        cmocka_unit_test(bodies_come_back_byte_for_byte),
        cmocka_unit_test(every_byte_comes_back),
        cmocka_unit_test(a_text_is_base64_where_its_escapes_cost_too_much),
        cmocka_unit_test(the_worst_body_fits_into_the_longest_line),
        cmocka_unit_test(a_line_without_room_is_not_written_at_all),
        cmocka_unit_test(a_job_with_a_callback_is_not_for_a_pipe),
        cmocka_unit_test(a_delivery_comes_back_with_every_member),
        cmocka_unit_test(outputs_come_back_beside_the_body),
        cmocka_unit_test(a_deliverys_job_has_its_target_alone),
        cmocka_unit_test(a_dead_delivery_may_have_no_candidates),
        cmocka_unit_test(a_request_that_no_stage_wrote_is_refused),
        cmocka_unit_test(too_much_metadata_is_refused),
        cmocka_unit_test(a_delivery_that_no_stage_wrote_is_refused),
        cmocka_unit_test(a_result_comes_back_with_every_member),
        cmocka_unit_test(a_result_without_an_attempt_leaves_its_members_out),
        cmocka_unit_test(a_result_that_no_stage_wrote_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
