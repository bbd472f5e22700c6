/*
 * Jobs: requests and payloads to jobs, the checks of every member, what two submissions have in common
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "job.h"
#include "ceilings.h"
#include "xalloc.h"

static const int64_t now_us = INT64_C(1705312800000000); /* 2024-01-15T10:00:00Z */

static const char *const to_hook[] = {"hook"};
static const struct job_defaults complete = {
    .tenant_id = "acme", .data_type = "report", .to = to_hook, .to_count = 1};
static const struct job_defaults nothing = {0};

static struct job *request(const char *text, const struct job_defaults *defaults)
{
    struct job *job = NULL;
    struct fault fault = {0};

    if (job_from_request(text, strlen(text), NULL, defaults, now_us, &job, &fault))
        fail_msg("%s: %s", text, fault.text);
    return job;
}

static struct job *payload(const char *text, const struct job_defaults *defaults)
{
    struct job *job = NULL;
    struct fault fault = {0};

    if (job_from_payload(text, strlen(text), false, defaults, now_us, &job, &fault))
        fail_msg("%s: %s", text, fault.text);
    return job;
}

/* The request is refused with class INPUT and exactly this text, or where it ends in "..." with this
 * beginning. */
static void refused(const char *text, const struct job_defaults *defaults, const char *wanted)
{
    struct job *job = NULL;
    struct fault fault = {0};
    size_t size = strlen(wanted);

    if (!job_from_request(text, strlen(text), NULL, defaults, now_us, &job, &fault)) {
        job_unref(job);
        fail_msg("taken: %s", text);
    }
    assert_null(job);
    assert_int_equal(fault.class, FAULT_INPUT);
    if (size > 3 && !strcmp(wanted + size - 3, "...") && !strncmp(fault.text, wanted, size - 3))
        return;
    assert_string_equal(fault.text, wanted);
}

static void refused_payload(const char *text, const struct job_defaults *defaults, const char *wanted)
{
    struct job *job = NULL;
    struct fault fault = {0};

    assert_int_equal(job_from_payload(text, strlen(text), false, defaults, now_us, &job, &fault), -1);
    assert_null(job);
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_string_equal(fault.text, wanted);
}

static const char *destination_name(const struct job *job, size_t index)
{
    return json_string_value(json_object_get(json_array_get(job->destinations, index), "name"));
}

static void the_specifications_request_is_taken_with_every_member(void **state)
{
    struct job *job = request(
        "{\"$schema\":\"https://zenia.io/schemas/"
        "distribution-request-v1.json\",\"distribution_id\":\"dist-uuid-123\","
        "\"tenant_id\":\"tenant-123\",\"timestamp\":\"2024-01-15T09:59:00Z\",\"data_type\":\"aggregated_"
        "report\","
        "\"priority\":\"HIGH\",\"payload\":{\"report_id\":\"rpt-456\"},\"destinations\":[{\"name\":\"ms09-"
        "reporter\","
        "\"protocol\":\"REST\",\"endpoint\":\"https://ms09.zenia.local/api/reports\",\"format\":\"json\","
        "\"credentials\":\"cred-ref-789\"}],\"callback\":{\"url\":\"https://webhook.example.com/cb\","
        "\"headers\":{\"X-API-Key\":\"secret\"}},\"options\":{\"retry_policy\":\"exponential_backoff\","
        "\"timeout\":300,\"idempotency_key\":\"idem-123\"}}",
        &nothing);

    (void)state;
    assert_string_equal(job->distribution_id, "dist-uuid-123");
    assert_true(job->own_id);
    assert_true(uid_is(job->id));
    assert_string_equal(job->tenant_id, "tenant-123");
    assert_string_equal(job->data_type, "aggregated_report");
    assert_int_equal(job->priority, PRIORITY_HIGH);
    assert_string_equal(job->body, "{\"report_id\":\"rpt-456\"}");
    assert_int_equal(job->body_size, strlen(job->body));
    assert_string_equal(job->content_type, "application/json");
    assert_string_equal(destination_name(job, 0), "ms09-reporter");
    assert_int_equal(json_object_size(json_array_get(job->destinations, 0)), 5);
    assert_string_equal(job->callback_url, "https://webhook.example.com/cb");
    assert_string_equal(json_string_value(json_object_get(job->callback_headers, "X-API-Key")), "secret");
    assert_string_equal(job->retry_policy, "exponential_backoff");
    assert_string_equal(job->idempotency_key, "idem-123");
    assert_int_equal(job->timeout_ms, 300000);
    assert_int_equal(job->expires_at_us, 0);
    job_fix_times(job);
    assert_int_equal(job->timeout_ms, 0);
    assert_int_equal(job->expires_at_us, now_us + 300 * INT64_C(1000000));
    assert_int_equal(job->requested_at_us, now_us - 60 * INT64_C(1000000));
    assert_int_equal(job->submitted_at_us, now_us);
    job_unref(job);
}

static void the_apis_short_form_is_taken(void **state)
{
    struct job *job =
        request("{\"tenant_id\":\"tenant-123\",\"data_type\":\"aggregated_report\",\"payload\":{},"
                "\"destinations\":[\"ms09-reporter\",\"external-api\"],\"priority\":\"normal\","
                "\"callback_url\":\"https://callback.example.com/status\"}",
                &nothing);

    (void)state;
    assert_int_equal(json_array_size(job->destinations), 2);
    assert_string_equal(destination_name(job, 1), "external-api");
    assert_string_equal(job->callback_url, "https://callback.example.com/status");
    assert_false(job->own_id);
    assert_string_equal(job->distribution_id, job->id);
    assert_int_equal(json_object_size(job->metadata), 0);
    job_unref(job);
}

static void the_payloads_bytes_are_the_documents_own(void **state)
{
    static const char *const values[] = {
        "{ \"b\" : 1.10,\n\t\"a\":12345678901234567890123, \"e\":1E2 }",
        "[1 , 2]",
        "\"\\u00e9\\/ text\"",
        "0.1000",
        "false",
    };

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char *text = xasprintf(" {\"metadata\":{\"payload\":1}, \"payload\" :\t%s \n,\"priority\":\"low\"}",
                               values[i]);
        struct job *job = request(text, &complete);

        assert_string_equal(job->body, values[i]);
        assert_int_equal(job->body_size, strlen(values[i]));
        assert_int_equal(job->priority, PRIORITY_LOW);
        job_unref(job);
        free(text);
    }
}

static void a_payload_whose_name_is_escaped_is_the_payload(void **state)
{
    struct job *job = request("{\"p\\u0061yload\":{\"a\":1.0}}", &complete);

    (void)state;
    assert_string_equal(job->body, "{\"a\":1.0}");
    job_unref(job);
}

static void another_content_type_takes_the_payload_from_a_string(void **state)
{
    struct job *job = request("{\"content_type\":\"text/csv\",\"payload\":\"a,b\\n\\u00e9\"}", &complete);

    (void)state;
    assert_string_equal(job->body, "a,b\n\xc3\xa9");
    assert_string_equal(job->content_type, "text/csv");
    job_unref(job);
    refused("{\"content_type\":\"text/csv\",\"payload\":{}}", &complete,
            "/payload: with the content type text/csv a string is wanted");
}

static void base64_brings_any_bytes(void **state)
{
    struct job *job = request(
        "{\"content_type\":\"application/pdf\",\"payload_base64\":\"AP8\\/\",\"payload\":null}", &complete);

    (void)state;
    assert_int_equal(job->body_size, 3);
    assert_memory_equal(job->body, "\0\xff?", 4);
    job_unref(job);
    job = request("{\"content_type\":\"text/plain\",\"payload_base64\":\"\"}", &complete);
    assert_int_equal(job->body_size, 0);
    assert_string_equal(job->body, "");
    job_unref(job);
    job = request("{\"payload_base64\":\"eyJhIjoxfQ==\"}", &complete);
    assert_string_equal(job->body, "{\"a\":1}");
    job_unref(job);
    refused("{\"payload_base64\":\"eyJh\"}", &complete, "/payload_base64 as application/json: line 1...");
    refused("{\"payload_base64\":\"e!Jh\"}", &complete, "/payload_base64: not base64...");
    refused("{\"payload_base64\":\"A\"}", &complete, "/payload_base64: not base64...");
    refused("{\"payload_base64\":7}", &complete, "/payload_base64: a string is wanted");
    refused("{\"payload_base64\":\"eyJh\",\"payload\":1}", &complete,
            "/payload_base64: the request has a payload too");
}

static void a_payload_at_the_limit_is_taken_and_one_above_is_not(void **state)
{
    struct job_defaults defaults = complete;
    struct job *job;

    (void)state;
    defaults.max_payload = 7;
    job = request("{\"payload\":[1,2,3]}", &defaults);
    job_unref(job);
    job = payload("[1,2,3]", &defaults);
    job_unref(job);
    job = request("{\"payload_base64\":\"eyJhIjoxfQ==\"}", &defaults);
    job_unref(job);
    refused("{\"payload\":[1,2,33]}", &defaults,
            "/payload: 8 bytes are more than the limit of 7 (DIST_MAX_PAYLOAD)");
    refused("{\"payload_base64\":\"eyJhIjoxfSA=\"}", &defaults,
            "/payload_base64: 8 bytes are more than the limit of 7 (DIST_MAX_PAYLOAD)");
    refused_payload("[1,2,33]", &defaults, "8 bytes are more than the limit of 7 (DIST_MAX_PAYLOAD)");
    defaults.content_type = "text/plain";
    refused("{\"payload\":\"12345678\"}", &defaults,
            "/payload: 8 bytes are more than the limit of 7 (DIST_MAX_PAYLOAD)");
}

static void what_is_wrong_in_a_request_is_named(void **state)
{
    static const struct {
        const char *member, *wanted;
    } cases[] = {
        {"\"$schema\":\"https://zenia.io/schemas/distribution-request-v2.json\"",
         "/$schema: only https://zenia.io/schemas/distribution-request-v1.json is known"},
        {"\"prioriti\":1", "unknown member 'prioriti'; did you mean 'priority'?"},
        {"\"priority\":\"urgent\"", "/priority: ..."},
        {"\"distribution_id\":\"a.b\"", "/distribution_id: 'a.b' is not 1 to 100 of A-Z a-z 0-9 _ -"},
        {"\"distribution_id\":\"\"", "/distribution_id: '' is not 1 to 100 of A-Z a-z 0-9 _ -"},
        {"\"tenant_id\":\"a\\nb\"",
         "/tenant_id: 'a?b' is not a name: 1 to 50 of A-Z a-z 0-9 . _ -, and no . or - in front"},
        {"\"tenant_id\":\"a23456789.123456789.123456789.123456789.123456789.1\"",
         "/tenant_id: 'a23456789...."},
        {"\"data_type\":\"-x\"", "/data_type: '-x' is not a name: ..."},
        {"\"timestamp\":\"yesterday\"", "/timestamp: ..."},
        {"\"content_type\":\"csv\"", "/content_type: 'csv' is not a content type ..."},
        {"\"destinations\":[]", "/destinations: none, where 1 to 1000 are wanted"},
        {"\"destinations\":{}", "/destinations: ..."},
        {"\"destinations\":[\"a\",\"b\",{\"name\":\"a\"}]",
         "/destinations/2: destination 'a' is named twice"},
        {"\"destinations\":[null]", "/destinations/0: a name or an object with \"name\" is wanted"},
        {"\"destinations\":[\"a\",{\"protocol\":\"REST\"}]", "/destinations/1/name: a name is wanted"},
        {"\"destinations\":[\"a/b\"]", "/destinations/0: 'a/b' is not a name"},
        {"\"destinations\":[{\"name\":\"a b\"}]", "/destinations/0: 'a b' is not a name"},
        {"\"callback\":\"https://x\"", "/callback: ..."},
        {"\"callback\":{}", "/callback..."},
        {"\"callback\":{\"uri\":\"https://x\"}", "/callback: unknown member 'uri'; did you mean 'url'?"},
        {"\"callback\":{\"url\":\"ftp://x\"}", "/callback/url: an http or https URL is wanted"},
        {"\"callback\":{\"url\":\"https:///x\"}", "/callback/url: an http or https URL is wanted"},
        {"\"callback\":{\"url\":\"https://\"}", "/callback/url: an http or https URL is wanted"},
        {"\"callback_url\":\"http://x/a b\"", "/callback_url: a blank or control character at byte 11"},
        {"\"callback_url\":\"http://x\",\"callback\":{\"url\":\"http://y\"}",
         "/callback_url: not the same as /callback/url"},
        {"\"callback\":{\"url\":\"http://x\",\"headers\":{\"a b\":\"1\"}}",
         "/callback/headers: 'a b' is no name of a header field"},
        {"\"callback\":{\"url\":\"http://x\",\"headers\":{\"\":\"1\"}}",
         "/callback/headers: '' is no name of a header field"},
        {"\"callback\":{\"url\":\"http://x\",\"headers\":{\"a\":\"1\\r\\nb: 2\"}}",
         "/callback/headers/a: a control character"},
        {"\"callback\":{\"url\":\"http://x\",\"headers\":{\"a\":1}}", "/callback/headers/a: ..."},
        {"\"options\":{\"retry_policy\":\"exponential\"}", "/options/retry_policy: ..."},
        {"\"options\":{\"retries\":3}", "/options: unknown member 'retries'..."},
        {"\"options\":{\"timeout\":0.5}", "/options/timeout: ..."},
        {"\"options\":{\"timeout\":2592001}", "/options/timeout: ..."},
        {"\"options\":{\"idempotency_key\":\"\"}",
         "/options/idempotency_key: 0 bytes, where 1 to 255 are wanted"},
        {"\"options\":{\"idempotency_key\":\"a\\tb\"}",
         "/options/idempotency_key: a control character at byte 2"},
        {"\"options\":{\"expires_at\":\"2024-01-15T10:00:00Z\"}",
         "/options/expires_at: 2024-01-15T10:00:00Z is in the past"},
        {"\"metadata\":[]", "/metadata: ..."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = xasprintf("{\"payload\":{},%s}", cases[i].member);
        struct job_defaults defaults = complete;

        if (strstr(cases[i].member, "tenant_id"))
            defaults.tenant_id = NULL;
        if (strstr(cases[i].member, "data_type"))
            defaults.data_type = NULL;
        refused(text, &defaults, cases[i].wanted);
        free(text);
    }
}

static void what_is_no_request_at_all_is_refused(void **state)
{
    (void)state;
    refused("{\"payload\":{},\"payload\":{}}", &complete, "line 1, ...");
    refused("{\"payload\":{}", &complete, "line 1, ...");
    refused("[]", &complete, "a request is a JSON object");
    refused("{}", &complete, "no payload: give payload or payload_base64");
    refused("{\"payload\":null}", &complete, "no payload: give payload or payload_base64");
    refused("{\"paylod\":{}}", &complete, "unknown member 'paylod'; did you mean 'payload'?");
    refused("{\"payload\":1,\"metadata\":{\"n\":123456789012345678901234567890}}", &complete, "line 1, ...");
}

static void what_is_missing_is_named_with_its_option(void **state)
{
    struct job_defaults defaults = complete;

    (void)state;
    defaults.tenant_id = NULL;
    refused_payload("{}", &defaults, "no tenant: give --tenant or tenant_id");
    refused("{\"payload\":1,\"tenant_id\":null}", &defaults, "no tenant: give --tenant or tenant_id");
    defaults = complete;
    defaults.data_type = NULL;
    refused_payload("{}", &defaults, "no type: give --type or data_type");
    defaults = complete;
    defaults.to_count = 0;
    refused_payload("{}", &defaults, "no destination: give --to or destinations");
}

static void the_command_line_must_not_contradict_the_request(void **state)
{
    static const char document[] = "{\"payload\":{},\"tenant_id\":\"acme\",\"data_type\":\"report\","
                                   "\"content_type\":\"application/json\","
                                   "\"priority\":\"low\",\"destinations\":[\"a\",\"b\"],\"callback_url\":"
                                   "\"http://x/\",\"metadata\":{\"k\":1},"
                                   "\"options\":{\"retry_policy\":\"none\",\"idempotency_key\":\"i\","
                                   "\"expires_at\":\"2024-01-16T00:00:00Z\"}}";
    static const char *const same_to[] = {"b", "a"}, *const other_to[] = {"a", "c"};
    static const struct {
        struct job_defaults defaults;
        const char *wanted;
    } cases[] = {
        {{.tenant_id = "b"}, "the request says tenant_id 'acme', --tenant says 'b'"},
        {{.data_type = "b"}, "the request says data_type 'report', --type says 'b'"},
        {{.content_type = "text/csv"},
         "the request says content_type 'application/json', --content-type says 'text/csv'"},
        {{.priority = "high"}, "the request says priority 'low', --priority says 'high'"},
        {{.callback_url = "http://y/"},
         "the request says callback url 'http://x/', --callback says 'http://y/'"},
        {{.retry_policy = "standard_webhooks"},
         "the request says retry_policy 'none', --retry-policy says 'standard_webhooks'"},
        {{.idempotency_key = "j"}, "the request says idempotency_key 'i', --idempotency-key says 'j'"},
        {{.expires_at_us = INT64_C(1705312801000000)},
         "the request says expires_at '2024-01-16T00:00:00Z', --expires says '2024-01-15T10:00:01Z'"},
        {{.to = other_to, .to_count = 2}, "--to names a destination that the request does not name"},
        {{.to = same_to, .to_count = 1}, "the request names 2 destinations, --to names 1"},
    };
    struct job_defaults same = {.tenant_id = "acme",
                                .data_type = "report",
                                .content_type = "application/json",
                                .priority = "Low",
                                .callback_url = "http://x/",
                                .retry_policy = "none",
                                .idempotency_key = "i",
                                .expires_at_us = INT64_C(1705363200000000),
                                .to = same_to,
                                .to_count = 2};
    struct job *job = request(document, &same);

    (void)state;
    assert_int_equal(job->expires_at_us, same.expires_at_us);
    job_unref(job);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(document, &cases[i].defaults, cases[i].wanted);
}

static void what_is_wrong_on_the_command_line_is_named(void **state)
{
    static const char *const twice[] = {"a", "a"}, *const latin1[] = {"\xe9"};
    struct job_defaults defaults;
    char long_key[LIMIT_IDEMPOTENCY_KEY + 2];

    (void)state;
    memset(long_key, 'k', sizeof long_key - 1);
    long_key[sizeof long_key - 1] = '\0';
    defaults = complete;
    defaults.tenant_id = "a b";
    refused_payload("1", &defaults,
                    "--tenant: 'a b' is not a name: 1 to 50 of A-Z a-z 0-9 . _ -, and no . or - in front");
    defaults = complete;
    defaults.data_type = "";
    refused_payload("1", &defaults,
                    "--type: '' is not a name: 1 to 50 of A-Z a-z 0-9 . _ -, and no . or - in front");
    defaults = complete;
    defaults.priority = "hihg";
    refused_payload("1", &defaults, "--priority: 'hihg' is not known; did you mean 'high'?");
    defaults = complete;
    defaults.retry_policy = "zzzzzz";
    refused_payload("1", &defaults, "--retry-policy: 'zzzzzz' is not known");
    defaults = complete;
    defaults.content_type = "text/";
    refused_payload(
        "1", &defaults,
        "--content-type: 'text/' is not a content type like text/csv or text/csv; header=present");
    defaults = complete;
    defaults.idempotency_key = long_key;
    refused_payload("1", &defaults, "--idempotency-key: 256 bytes, where 1 to 255 are wanted");
    defaults = complete;
    defaults.callback_url = "example.com";
    refused_payload("1", &defaults, "--callback: an http or https URL is wanted");
    defaults = complete;
    defaults.expires_at_us = 1;
    refused_payload("1", &defaults, "--expires: 1970-01-01T00:00:00Z is in the past");
    defaults = complete;
    defaults.to = twice;
    defaults.to_count = 2;
    refused_payload("1", &defaults, "--to/1: destination 'a' is named twice");
    defaults.to = latin1;
    defaults.to_count = 1;
    refused_payload("1", &defaults, "--to/0: '' is not a name");
}

static void metadata_of_both_sides_are_joined(void **state)
{
    struct job_defaults defaults = complete;
    struct job *job;
    json_t *meta = json_pack("{s:i,s:s}", "a", 1, "b", "x");

    (void)state;
    defaults.metadata = meta;
    job = request("{\"payload\":1,\"metadata\":{\"a\":1,\"c\":true}}", &defaults);
    assert_int_equal(json_object_size(job->metadata), 3);
    job_unref(job);
    refused("{\"payload\":1,\"metadata\":{\"b\":\"y\"}}", &defaults,
            "the request and --meta differ in metadata 'b'");
    json_decref(meta);
}

static void what_a_request_carries_beside_its_payload_is_bounded(void **state)
{
    char *long_text = xmalloc(LIMIT_ENVELOPE_EXTRA + 1);
    char *text;

    (void)state;
    memset(long_text, 'x', LIMIT_ENVELOPE_EXTRA);
    long_text[LIMIT_ENVELOPE_EXTRA] = '\0';
    text = xasprintf("{\"payload\":1,\"metadata\":{\"a\":\"%s\"}}", long_text);
    refused(text, &complete, "1048608 bytes beside the payload are more than the limit of 1048576");
    free(text);
    text = xasprintf("{\"payload\":1,\"metadata\":{\"a\":\"%.*s\"}}", LIMIT_METADATA - 7, long_text);
    refused(text, &complete, "/metadata: 65537 bytes are more than the limit of 65536");
    free(text);
    text = xasprintf("{\"payload\":1,\"callback_url\":\"http://%.*s\"}", LIMIT_URL - 6, long_text);
    refused(text, &complete, "/callback_url: 8193 bytes are more than the limit of 8192");
    free(text);
    text = xasprintf("{\"payload\":\"%s\"}", long_text);
    job_unref(request(text, &complete));
    free(text);
    free(long_text);
}

static void callback_headers_are_counted(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 10000);
    buf_adds(&text, "{\"payload\":1,\"callback\":{\"url\":\"http://x\",\"headers\":{\"h\":\"\"");
    for (int i = 0; i < LIMIT_HEADERS; i++)
        buf_addf(&text, ",\"h%d\":\"\"", i);
    buf_adds(&text, "}}}");
    refused(text.data, &complete, "/callback/headers: 101 are more than the limit of 100");
    buf_release(&text);
}

static void the_earlier_of_timeout_and_expiry_holds(void **state)
{
    struct job *job =
        request("{\"payload\":1,\"options\":{\"timeout\":\"1h\",\"expires_at\":\"2024-01-15T10:30:00Z\"}}",
                &complete);

    (void)state;
    job_fix_times(job);
    assert_int_equal(job->expires_at_us, now_us + INT64_C(1800000000));
    job_unref(job);
    job = request("{\"payload\":1,\"options\":{\"timeout\":60,\"expires_at\":\"2024-01-15T10:30:00Z\"}}",
                  &complete);
    job_fix_times(job);
    assert_int_equal(job->expires_at_us, now_us + INT64_C(60000000));
    job_unref(job);
}

static void a_duration_counts_from_the_schedule(void **state)
{
    struct job_defaults defaults = complete;
    struct job *job;

    (void)state;
    defaults.expires_in_ms = 60000;
    job = request("{\"payload\":1,\"options\":{\"scheduled_at\":\"2024-01-15T10:30:00Z\"}}", &defaults);
    assert_int_equal(job->timeout_ms, 60000);
    job_fix_times(job);
    assert_int_equal(job->scheduled_at_us, now_us + INT64_C(1800000000));
    assert_int_equal(job->expires_at_us, now_us + INT64_C(1860000000));
    job_unref(job);
    job = request("{\"payload\":1,\"options\":{\"delay\":\"10m\",\"timeout\":30}}", &defaults);
    assert_int_equal(job->delay_ms, 600000);
    job_fix_times(job);
    assert_int_equal(job->scheduled_at_us, now_us + INT64_C(600000000));
    assert_int_equal(job->expires_at_us, now_us + INT64_C(630000000));
    assert_int_equal(job->delay_ms, 0);
    job_unref(job);
    job = request("{\"payload\":1,\"options\":{\"scheduled_at\":\"2024-01-15T09:30:00Z\"}}", &defaults);
    job_fix_times(job); /* a schedule that has passed is now */
    assert_int_equal(job->expires_at_us, now_us + INT64_C(60000000));
    job_unref(job);
}

static void schedules_and_keys_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        const char *options;
        struct job_defaults defaults;
        const char *wanted;
    } cases[] = {
        {"\"scheduled_at\":\"2024-01-15T10:30:00Z\",\"expires_at\":\"2024-01-15T10:30:00Z\"",
         {0},
         "/options/expires_at: 2024-01-15T10:30:00Z is not after the scheduled time 2024-01-15T10:30:00Z"},
        {"\"delay\":\"2h\",\"expires_at\":\"2024-01-15T11:30:00Z\"",
         {0},
         "/options/expires_at: 2024-01-15T11:30:00Z is not after the scheduled time 2024-01-15T12:00:00Z"},
        {"\"scheduled_at\":\"2026-01-15T10:30:00Z\"",
         {0},
         "/options/scheduled_at: 2026-01-15T10:30:00Z is more than 400 days ahead"},
        {"\"scheduled_at\":\"2024-01-15T10:30:00Z\",\"delay\":5",
         {0},
         "a scheduled time and a delay exclude each other"},
        {"\"delay\":5", {.delay_ms = 6000}, "the request says another delay than --delay"},
        {"\"scheduled_at\":\"2024-01-15T10:30:00Z\"",
         {.scheduled_at_us = INT64_C(1705312860000000)},
         "the request says scheduled_at '2024-01-15T10:30:00Z', --at says '2024-01-15T10:01:00Z'"},
        {"\"once_per\":\"day\",\"idempotency_key\":\"k\"",
         {0},
         "once_per makes the idempotency key, and there is one already: give one of them"},
        {"\"once_per\":\"day\"",
         {.once_per = "week"},
         "the request says once_per 'day', --once-per says 'week'"},
        {"\"supersede\":\"\"", {0}, "/options/supersede: 0 bytes, where 1 to 255 are wanted"},
        {"\"supersede\":\"a\"",
         {.supersede_key = "b"},
         "the request says supersede 'a', --supersede says 'b'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job_defaults defaults = cases[i].defaults;
        char document[400];

        defaults.tenant_id = complete.tenant_id;
        defaults.data_type = complete.data_type;
        defaults.to = complete.to;
        defaults.to_count = complete.to_count;
        snprintf(document, sizeof document, "{\"payload\":1,\"options\":{%s}}", cases[i].options);
        refused(document, &defaults, cases[i].wanted);
    }
}

static void a_bare_payload_takes_everything_from_the_defaults(void **state)
{
    static const char *const to[] = {"a", "b"};
    struct job_defaults defaults = {.tenant_id = "acme",
                                    .data_type = "report",
                                    .content_type = "text/csv",
                                    .priority = "high",
                                    .idempotency_key = "k",
                                    .callback_url = "HTTPS://x/",
                                    .retry_policy = "none",
                                    .to = to,
                                    .to_count = 2,
                                    .expires_at_us = now_us + 5};
    struct job *job = payload("a;b\n\xff", &defaults);

    (void)state;
    assert_string_equal(job->body, "a;b\n\xff");
    assert_string_equal(job->content_type, "text/csv");
    assert_int_equal(job->priority, PRIORITY_HIGH);
    assert_string_equal(job->idempotency_key, "k");
    assert_string_equal(job->callback_url, "HTTPS://x/");
    assert_string_equal(job->retry_policy, "none");
    assert_string_equal(destination_name(job, 1), "b");
    assert_int_equal(job->expires_at_us, now_us + 5);
    assert_int_equal(job->requested_at_us, 0);
    assert_int_equal(job->timeout_ms, 0);
    job_unref(job);
}

static void a_json_payload_must_be_json(void **state)
{
    struct job_defaults defaults = complete;
    struct job *job = NULL;

    (void)state;
    assert_int_equal(job_from_payload("{\"a\":", 5, false, &defaults, now_us, &job, NULL), -1);
    defaults.content_type = "application/ld+json; charset=utf-8";
    assert_int_equal(job_from_payload("", 0, false, &defaults, now_us, &job, NULL), -1);
    defaults.content_type = "text/plain";
    assert_int_equal(job_from_payload("", 0, false, &defaults, now_us, &job, NULL), 0);
    assert_int_equal(job->body_size, 0);
    job_unref(job);
}

/* What the check is said to have found counts, and these bytes are not looked at again. */
static void what_was_checked_before_is_not_checked_again(void **state)
{
    static const char document[] = "{\"tenant_id\":\"acme\",\"data_type\":\"report\","
                                   "\"destinations\":[\"hook\"],\"payload\":{\"a\":1.0}}";
    struct json_members members;
    struct job *job = NULL;

    (void)state;
    assert_int_equal(json_check(document, strlen(document), &members, NULL), 0);
    assert_int_equal(job_from_request(document, strlen(document), &members, &nothing, now_us, &job, NULL), 0);
    assert_string_equal(job->body, "{\"a\":1.0}");
    job_unref(job);
    assert_int_equal(job_from_payload("{\"a\":", 5, true, &complete, now_us, &job, NULL), 0);
    assert_string_equal(job->body, "{\"a\":");
    job_unref(job);
}

static void request_documents_are_told_from_payloads(void **state)
{
    static const struct {
        const char *text;
        bool is_request;
    } cases[] = {
        {"{\"$schema\":\"https://zenia.io/schemas/distribution-request-v1.json\"}", true},
        {"{\"$schema\":\"https:\\/\\/zenia.io\\/schemas\\/distribution-request-v2.json\"}", true},
        {"{\"payload\":1,\"destinations\":[]}", true},
        {"{\"payload_base64\":\"\",\"destinations\":[]}", true},
        {"{\"payload\":1}", false},
        {"{\"destinations\":[\"a\"]}", false},
        {"{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"}", false},
        {"{\"$schema\":7}", false},
        {"[\"payload\",\"destinations\"]", false},
        {"{}", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_members members;

        assert_int_equal(json_check(cases[i].text, strlen(cases[i].text), &members, NULL), 0);
        if (job_is_request(cases[i].text, &members) != cases[i].is_request)
            fail_msg("%s", cases[i].text);
    }
}

static void identity(const char *text, const struct job_defaults *defaults, struct buf *out)
{
    struct job *job = request(text, defaults);

    buf_init(out, 100000);
    job_identity(job, out);
    assert_false(out->overflow);
    job_unref(job);
}

static bool same_identity(const char *left_text, const char *right_text)
{
    struct buf left, right;
    bool same;

    identity(left_text, &complete, &left);
    identity(right_text, &complete, &right);
    same = left.len == right.len && !memcmp(left.data, right.data, left.len);
    buf_release(&left);
    buf_release(&right);
    return same;
}

static void identity_is_what_is_delivered_and_where(void **state)
{
    static const char base[] = "{\"payload\":{\"a\":1},\"metadata\":{\"x\":1,\"y\":2}}";

    (void)state;
    assert_true(same_identity(base, base));
    assert_true(
        same_identity(base, "{\"metadata\":{\"y\":2,\"x\":1},\"payload\":{\"a\":1},\"distribution_id\":\"d\","
                            "\"timestamp\":\"2024-01-01T00:00:00Z\",\"options\":{\"idempotency_key\":\"k\","
                            "\"timeout\":60}}"));
    assert_false(same_identity(base, "{\"payload\":{\"a\": 1},\"metadata\":{\"x\":1,\"y\":2}}"));
    assert_false(same_identity(base, "{\"payload\":{\"a\":1},\"metadata\":{\"x\":1}}"));
    assert_false(
        same_identity(base, "{\"payload\":{\"a\":1},\"metadata\":{\"x\":1,\"y\":2},\"priority\":\"low\"}"));
    assert_false(same_identity(
        base, "{\"payload\":{\"a\":1},\"metadata\":{\"x\":1,\"y\":2},\"callback_url\":\"http://x\"}"));
}

static void an_identity_without_room_says_so(void **state)
{
    struct job *job = request("{\"payload\":{}}", &complete);
    struct buf out;

    (void)state;
    buf_init(&out, 30);
    job_identity(job, &out);
    assert_true(out.overflow);
    buf_release(&out);
    job_unref(job);
}

static void content_types_are_told_apart(void **state)
{
    static const struct {
        const char *type;
        bool valid, json;
    } cases[] = {
        {"application/json", true, true},
        {"Application/JSON; charset=utf-8", true, true},
        {"application/problem+json", true, true},
        {"application/vnd.x+JSON ;v=1", true, true},
        {"application/jsonp", true, false},
        {"application/json-seq", true, false},
        {"text/csv", true, false},
        {"text/csv;header=present; charset=\"utf \\\"8\"", true, false},
        {"+json", false, false},
        {"", false, false},
        {"text", false, false},
        {"/csv", false, false},
        {"text/", false, false},
        {"text/csv;", false, false},
        {"text/csv; header", false, false},
        {"text/csv; header=", false, false},
        {"text/csv header=1", false, false},
        {"text/csv; a=\"open", false, false},
        {"text/csv; a=\"open\\", false, false},
        {"text/csv; a=\"\x01\"", false, false},
        {"text/csv\r\nX: 1", false, false},
        {"text/csv; a=b\n", false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (job_content_type_is_valid(cases[i].type) != cases[i].valid)
            fail_msg("valid: %s", cases[i].type);
        if (job_content_is_json(cases[i].type) != cases[i].json)
            fail_msg("json: %s", cases[i].type);
    }
}

static void a_content_type_has_at_most_255_bytes(void **state)
{
    char type[300] = "text/";

    (void)state;
    memset(type + 5, 'x', 250);
    assert_true(job_content_type_is_valid(type));
    type[255] = 'x';
    assert_false(job_content_type_is_valid(type));
}

static void a_files_name_tells_its_content_type(void **state)
{
    static const struct {
        const char *name, *type;
    } cases[] = {
        {"x.csv", "text/csv"},
        {"/a.b/X.XML", "application/xml"},
        {"x.json.gz", "application/gzip"},
        {"r.pdf", "application/pdf"},
        {"r.ndjson", "application/x-ndjson"},
        {"a.csv/r", NULL},
        {".json", NULL},
        {"dir/.json", NULL},
        {"r", NULL},
        {"r.unknown", NULL},
        {"r.", NULL},
        {"t.txt", "text/plain"},
        {"i.html", "text/html"},
        {"r.json", "application/json"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *type = job_content_by_name(cases[i].name);

        if (!type || !cases[i].type)
            assert_true(!type && !cases[i].type);
        else
            assert_string_equal(type, cases[i].type);
    }
}

static void a_job_lives_until_its_last_reference_goes(void **state)
{
    struct job *job = job_new();
    struct job *again = job_ref(job);

    (void)state;
    assert_ptr_equal(again, job);
    job_unref(job);
    assert_int_equal(again->references, 1);
    assert_int_equal(again->priority, PRIORITY_NORMAL);
    job_unref(again);
    job_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_specifications_request_is_taken_with_every_member),
        cmocka_unit_test(the_apis_short_form_is_taken),
        cmocka_unit_test(the_payloads_bytes_are_the_documents_own),
        cmocka_unit_test(a_payload_whose_name_is_escaped_is_the_payload),
        cmocka_unit_test(another_content_type_takes_the_payload_from_a_string),
        cmocka_unit_test(base64_brings_any_bytes),
        cmocka_unit_test(a_payload_at_the_limit_is_taken_and_one_above_is_not),
        cmocka_unit_test(what_is_wrong_in_a_request_is_named),
        cmocka_unit_test(what_is_no_request_at_all_is_refused),
        cmocka_unit_test(what_is_missing_is_named_with_its_option),
        cmocka_unit_test(the_command_line_must_not_contradict_the_request),
        cmocka_unit_test(what_is_wrong_on_the_command_line_is_named),
        cmocka_unit_test(metadata_of_both_sides_are_joined),
        cmocka_unit_test(what_a_request_carries_beside_its_payload_is_bounded),
        cmocka_unit_test(callback_headers_are_counted),
        cmocka_unit_test(the_earlier_of_timeout_and_expiry_holds),
        cmocka_unit_test(a_duration_counts_from_the_schedule),
        cmocka_unit_test(schedules_and_keys_that_make_no_sense_are_refused),
        cmocka_unit_test(a_bare_payload_takes_everything_from_the_defaults),
        cmocka_unit_test(a_json_payload_must_be_json),
        cmocka_unit_test(what_was_checked_before_is_not_checked_again),
        cmocka_unit_test(request_documents_are_told_from_payloads),
        cmocka_unit_test(identity_is_what_is_delivered_and_where),
        cmocka_unit_test(an_identity_without_room_says_so),
        cmocka_unit_test(content_types_are_told_apart),
        cmocka_unit_test(a_content_type_has_at_most_255_bytes),
        cmocka_unit_test(a_files_name_tells_its_content_type),
        cmocka_unit_test(a_job_lives_until_its_last_reference_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
