/*
 * S3: what is sent, what each answer of a store means, and that no parts are left behind
 *
 * The store is of the test itself: it keeps what it is sent, and errs on demand. That signatures are right is
 * shown by a store that is not ours (tests/e2e/objects.bats).
 */
#include "attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <event2/event.h>
#include "little_http.h"
#include "s3.h"
#include "rows.h"
#include "secret.h"
#include "xalloc.h"

enum { UPLOADS = 4, LOG = 64 * 1024, BIG = 11 * 1024 * 1024 };

/* An answer in place of the store's own: for requests whose "METHOD path?query" has `part` in it. */
struct trick {
    const char *part;
    int times; /* < 0: always */
    int status;
    const char *code; /* of an error; NULL: no body */
    bool drop, hang;
    const char *head, *body; /* lines with their ends */
};

static struct store {
    struct little_http *server;
    struct buf log; /* "PUT /reports/key?query\n" */
    char *head;     /* of the last PUT or POST with uploads */
    struct buf object;
    struct buf parts;
    bool open[UPLOADS]; /* uploads that are neither completed nor aborted */
    int begun;
    struct trick trick, second;
} store;

static const struct secret credentials = {.access_key = (char *)"AKIDEXAMPLE",
                                          .secret_key = (char *)"wJalrXUtn"};
static struct destination *destination;

static bool is_tricked(const char *line, struct trick *trick, struct little_answer *answer)
{
    if (!trick->part || trick->times == 0 || !strstr(line, trick->part))
        return false;
    trick->times -= trick->times > 0;
    answer->status = trick->status;
    answer->drop = trick->drop;
    answer->hang = trick->hang;
    if (trick->code)
        buf_addf(&answer->body,
                 "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>it says so "
                 "wJalrXUtn</Message></Error>",
                 trick->code);
    if (trick->head)
        buf_adds(&answer->head, trick->head);
    if (trick->body)
        buf_adds(&answer->body, trick->body);
    return true;
}

static void list_uploads(struct little_answer *answer)
{
    buf_adds(&answer->body, "<ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (int i = 0; i < store.begun; i++)
        if (store.open[i])
            buf_addf(&answer->body, "<Upload><Key>big.json</Key><UploadId>id/%d</UploadId></Upload>", i);
    buf_adds(&answer->body, "<Upload><Key>big.json.other</Key><UploadId>foreign</UploadId></Upload>"
                            "</ListMultipartUploadsResult>");
}

static void change_upload(const struct little_request *request, const char *id, struct little_answer *answer)
{
    int number = atoi(id + strcspn(id, "0123456789"));

    if (strncmp(id, "id/", 3) != 0 || number >= store.begun || !store.open[number]) {
        answer->status = 404;
        buf_adds(&answer->body, "<Error><Code>NoSuchUpload</Code></Error>");
    } else if (strcmp(request->method, "PUT") == 0) {
        buf_add(&store.parts, request->body, request->body_size);
        buf_adds(&answer->head, "ETag: \"etag&1\"\r\n");
    } else if (strcmp(request->method, "POST") == 0) {
        store.open[number] = false;
        buf_clear(&store.object);
        buf_add(&store.object, store.parts.data, store.parts.len);
        buf_adds(&answer->body,
                 "<CompleteMultipartUploadResult><ETag>\"e-2\"</ETag></CompleteMultipartUploadResult>");
    } else {
        store.open[number] = false;
        answer->status = 204;
    }
}

static void on_request(void *arg, const struct little_request *request, struct little_answer *answer)
{
    char *line = xasprintf("%s %s?%s", request->method, request->path, request->query);
    char *id = little_parameter(request->query, "uploadId");

    (void)arg;
    buf_addf(&store.log, "%s\n", line);
    if (!id && (strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0)) {
        free(store.head);
        store.head = xstrdup(request->head);
    }
    if (is_tricked(line, &store.trick, answer) || is_tricked(line, &store.second, answer)) {
        ;
    } else if (id) {
        change_upload(request, id, answer);
    } else if (strcmp(request->method, "POST") == 0) {
        assert_true(store.begun < UPLOADS);
        store.open[store.begun] = true;
        buf_clear(&store.parts);
        buf_addf(&answer->body,
                 "<InitiateMultipartUploadResult><UploadId>id/%d</UploadId></InitiateMultipartUploadResult>",
                 store.begun++);
    } else if (strcmp(request->method, "GET") == 0) {
        list_uploads(answer);
    } else if (strcmp(request->method, "PUT") == 0) {
        buf_clear(&store.object);
        buf_add(&store.object, request->body, request->body_size);
        buf_adds(&answer->head, "ETag: \"etag\"\r\n");
    }
    free(line);
    free(id);
}

static struct attempts *setup_with(void **state, const char *more)
{
    attempts_setup(state);
    struct attempts *attempts = *state;
    store = (struct store){0};
    buf_init(&store.log, LOG);
    buf_init(&store.object, 64 * 1024 * 1024);
    buf_init(&store.parts, 64 * 1024 * 1024);
    store.server = little_http_new(attempts->base, 0, on_request, NULL);
    destination = attempts_destination("{'protocol':'S3','endpoint':'http://"
                                       "127.0.0.1:%d','region':'eu-south-1','bucket':'reports','part_size':"
                                       "5242880,'timeout':4%s}",
                                       little_http_port(store.server), more);
    attempts->attempt.destination = destination;
    attempts->attempt.secret = &credentials;
    return attempts;
}

static int setup(void **state)
{
    setup_with(state, "");
    return 0;
}

static int setup_big(void **state)
{
    struct attempts *attempts = setup_with(state, ",'key':'big.json'");
    char *body = xmalloc(BIG);

    for (size_t i = 0; i < BIG; i++)
        body[i] = (char)(i * 7 % 251);
    attempts->attempt.body = body;
    attempts->attempt.body_size = BIG;
    return 0;
}

static int teardown(void **state)
{
    struct attempts *attempts = *state;

    if (attempts->attempt.body_size == BIG)
        free((void *)attempts->attempt.body);
    destination_unref(destination);
    little_http_free(store.server);
    free(store.head);
    buf_release(&store.log);
    buf_release(&store.object);
    buf_release(&store.parts);
    return attempts_teardown(state);
}

static void assert_head(const char *line)
{
    if (!strcasestr(store.head, line))
        fail_msg("no '%s' in %s", line, store.head);
}

static int count_open(void)
{
    int count = 0;

    for (int i = 0; i < store.begun; i++)
        count += store.open[i];
    return count;
}

static int count_log(const char *part)
{
    int count = 0;

    for (const char *at = store.log.data; (at = strstr(at, part)); at++)
        count++;
    return count;
}

/* One PUT */

static void the_body_is_put_under_its_key_with_its_headers(void **state)
{
    struct attempts *attempts = *state;

    attempts->attempt.headers = json_pack("{ss ss}", "Content-Encoding", "gzip", "ce-id", "7");
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    json_decref((json_t *)attempts->attempt.headers);
    assert_string_equal(store.log.data, "PUT /reports/acme/2024-01-15/dist-1.json?\n");
    assert_string_equal(store.object.data, "{\"a\":1}");
    assert_head("content-type: application/json\r\n");
    assert_head("content-encoding: gzip\r\n");
    assert_head("x-amz-meta-ce-id: 7\r\n");
    assert_head("x-amz-meta-delivery-id: 0190b2c4-0000-7000-8000-000000000001\r\n");
    assert_head("x-amz-content-sha256: 015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862\r\n");
    assert_head("x-amz-checksum-sha256: AVq9f1zFei3ZS3WQ8ErYCEJzkF7jPsXOvq5iJ2qX+GI=\r\n");
    assert_head("authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/");
    assert_head("/eu-south-1/s3/aws4_request,SignedHeaders=content-encoding;content-type;host;");
    assert_null(strstr(store.head, "wJalrXUtn"));
    assert_null(strstr(store.head, "x-amz-server-side"));
}

static int setup_encrypted(void **state)
{
    setup_with(state, ",'encryption':'AWS:KMS','kms_key_id':'arn:aws:kms:x:1:key/2','checksum':false,'key':"
                      "'in/{data_type}/x y{{}.csv'");
    return 0;
}

static void encryption_and_session_tokens_are_sent_and_signed(void **state)
{
    struct attempts *attempts = *state;
    struct secret temporary = credentials;

    temporary.session_token = (char *)"FQoGZXIv+token/==";
    attempts->attempt.secret = &temporary;
    attempts->attempt.data_type = "../a/b";
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    assert_string_equal(store.log.data, "PUT /reports/in/_._a_b/x%20y%7B%7D.csv?\n");
    assert_head("x-amz-server-side-encryption: aws:kms\r\n");
    assert_head("x-amz-server-side-encryption-aws-kms-key-id: arn:aws:kms:x:1:key/2\r\n");
    assert_head("x-amz-security-token: FQoGZXIv+token/==\r\n");
    assert_head(";x-amz-security-token;x-amz-server-side-encryption;");
    assert_null(strcasestr(store.head, "x-amz-checksum"));
}

/* The proxy is the store's server, which sees whole URLs then. */
static void the_store_is_reached_through_a_proxy(void **state)
{
    struct attempts *attempts = *state;
    char *proxy = xasprintf("http://127.0.0.1:%d", little_http_port(store.server));
    struct destination *far =
        attempts_destination("{'protocol':'S3','endpoint':'http://store.invalid','region':"
                             "'eu-south-1','bucket':'reports','key':'k'}");
    struct destination *direct =
        attempts_destination("{'protocol':'S3','endpoint':'http://store.invalid','region'"
                             ":'eu-south-1','bucket':'reports','proxy':'direct'}");
    struct destination *own =
        attempts_destination("{'protocol':'S3','endpoint':'http://store.invalid','region':"
                             "'eu-south-1','bucket':'reports','key':'o','proxy':'%s'}",
                             proxy);

    attempts->attempt.destination = own;
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    attempts->context.proxy = proxy;
    attempts->attempt.destination = far;
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    assert_string_equal(store.log.data, "PUT http://store.invalid/reports/o?\n"
                                        "PUT http://store.invalid/reports/k?\n");
    attempts->attempt.destination = direct;
    attempts_expect(attempts, OUTCOME_DEFERRED, "connect");
    attempts->context.proxy = NULL;
    destination_unref(far);
    destination_unref(direct);
    destination_unref(own);
    free(proxy);
}

static void every_error_code_of_the_table_is_judged_by_its_row(void **state)
{
    struct attempts *attempts = *state;

    for (const struct answer *row = outcomes_s3.codes; row->reason; row++) {
        const char *name = outcomes_s3.code_text(row->first);
        store.trick =
            (struct trick){.part = "PUT", .times = -1, .status = name ? 400 : row->last, .code = name};
        attempts_expect(attempts, row->kind, row->reason);
        assert_int_equal(attempts->outcome.overload, (row->marks & OVERLOAD) != 0);
        assert_int_equal(attempts->outcome.code, store.trick.status);
        if (name) {
            assert_non_null(strstr(attempts->outcome.text, name));
            assert_non_null(strstr(attempts->outcome.text, ": it says so"));
            assert_non_null(strstr(attempts->outcome.response.data, "it says so"));
        }
        assert_null(strstr(attempts->outcome.text, "wJalrXUtn"));
        assert_null(strstr(attempts->outcome.response.data, "wJalrXUtn"));
    }
    store.trick = (struct trick){.part = "PUT", .times = 1, .status = 418, .code = "NeverHeardOf"};
    attempts_expect(attempts, OUTCOME_REJECTED, "http_4xx");
}

static void what_is_no_answer_is_told_apart(void **state)
{
    struct attempts *attempts = *state;
    struct secret incomplete = {.access_key = (char *)"A"};

    store.trick = (struct trick){.part = "PUT", .times = -1, .drop = true};
    attempts_expect(attempts, OUTCOME_DEFERRED, "broken");
    destination->timeout_ms = 300;
    store.trick = (struct trick){.part = "PUT", .times = 1, .hang = true};
    attempts_expect(attempts, OUTCOME_DEFERRED, "timeout");
    assert_true(attempts->outcome.overload);
    attempts->context.allow_private = false;
    attempts_expect(attempts, OUTCOME_REJECTED, "refused_address");
    attempts->context.allow_private = true;
    struct destination *secure = attempts_destination(
        "{'protocol':'S3','endpoint':'https://127.0.0.1:%d','region':'x','bucket':'reports'}",
        little_http_port(store.server));
    attempts->attempt.destination = secure;
    attempts_expect(attempts, OUTCOME_DEFERRED, "tls");
    attempts->attempt.destination = destination;
    destination_unref(secure);
    little_http_free(store.server);
    store.server = NULL;
    attempts_expect(attempts, OUTCOME_DEFERRED, "connect");
    attempts_limit_descriptors(true);
    attempts_expect(attempts, OUTCOME_DEFERRED, "system");
    attempts_limit_descriptors(false);
    attempts->attempt.secret = &incomplete;
    attempts_expect(attempts, OUTCOME_DEFERRED, "credentials");
    assert_non_null(strstr(attempts->outcome.text, "\"secret_key\""));
    assert_true(attempts->outcome.held);
    attempts->attempt.secret = NULL;
    attempts_expect(attempts, OUTCOME_DEFERRED, "credentials");
    attempts->attempt.secret = &credentials;
    attempts->attempt.distribution_id = NULL;
    attempts_expect(attempts, OUTCOME_REJECTED, "configuration");
}

static void a_check_asks_for_the_bucket_and_changes_nothing(void **state)
{
    struct attempts *attempts = *state;
    struct fault fault = {0};

    assert_int_equal(adapter_s3.check(&attempts->context, destination, &credentials, &fault), 0);
    assert_string_equal(store.log.data, "HEAD /reports?\n");
    store.trick = (struct trick){.part = "HEAD", .times = -1, .status = 404};
    assert_int_equal(adapter_s3.check(&attempts->context, destination, &credentials, &fault), -1);
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    assert_non_null(strstr(fault.text, "the bucket does not exist"));
    assert_int_equal(adapter_s3.check(&attempts->context, destination, NULL, &fault), -1);
    assert_int_equal(fault.class, FAULT_CONFIG);
}

/* In parts */

static void a_large_body_goes_in_parts(void **state)
{
    struct attempts *attempts = *state;

    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    assert_int_equal(store.object.len, BIG);
    assert_memory_equal(store.object.data, attempts->attempt.body, BIG);
    assert_int_equal(count_open(), 0);
    assert_string_equal(store.log.data, "GET /reports?max-uploads=50&prefix=big.json&uploads=\n"
                                        "POST /reports/big.json?uploads=\n"
                                        "PUT /reports/big.json?partNumber=1&uploadId=id%2F0\n"
                                        "PUT /reports/big.json?partNumber=2&uploadId=id%2F0\n"
                                        "PUT /reports/big.json?partNumber=3&uploadId=id%2F0\n"
                                        "POST /reports/big.json?uploadId=id%2F0\n");
    assert_head("x-amz-checksum-algorithm: SHA256\r\n");
}

static void an_upload_that_fails_anywhere_leaves_no_parts(void **state)
{
    static const struct {
        struct trick trick;
        const char *reason, *text;
    } cases[] = {
        {{.part = "GET", .drop = true}, "broken", ""},
        {{.part = "uploads=", .status = 503, .code = "SlowDown"},
         "SlowDown",
         "beginning the upload: HTTP 503"},
        {{.part = "POST /reports/big.json?uploads=", .status = 200}, "broken", "gave it no id"},
        {{.part = "partNumber=2", .status = 500, .code = "InternalError"},
         "InternalError",
         "part 2 of 3: HTTP"},
        {{.part = "partNumber=1", .drop = true}, "broken", "part 1 of 3: "},
        {{.part = "partNumber=3", .status = 200}, "broken", "no ETag"},
        {{.part = "POST /reports/big.json?uploadId", .status = 200, .code = "InternalError"},
         "InternalError",
         "completing the upload: HTTP 200 InternalError"},
        {{.part = "POST /reports/big.json?uploadId", .status = 200, .code = "Odd"}, "http_5xx", "Odd"},
        {{.part = "POST /reports/big.json?uploadId", .status = 200, .body = "<CompleteMultip"},
         "broken",
         "the answer broke off"},
        {{.part = "POST /reports/big.json?uploadId",
          .status = 200,
          .head = "ETag: \"e-2\"\r\n",
          .body = "<CompleteMultip"},
         "broken",
         "the answer broke off"},
    };
    struct attempts *attempts = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        store.begun = 0;
        store.trick = cases[i].trick;
        store.trick.times = -1;
        attempts_expect(attempts, OUTCOME_DEFERRED, cases[i].reason);
        if (!strstr(attempts->outcome.text, cases[i].text))
            fail_msg("no '%s' in: %s", cases[i].text, attempts->outcome.text);
        assert_null(strstr(attempts->outcome.text, "parts are left"));
        assert_int_equal(count_open(), 0);
    }
    assert_int_equal(store.object.len, 0);
}

static void an_abort_that_fails_is_tried_again_and_what_is_left_is_told(void **state)
{
    struct attempts *attempts = *state;

    destination->timeout_ms = 1000;
    /* the third part has no answer: the deadline ends it, and leaves time for the abort */
    store.trick = (struct trick){.part = "partNumber=3", .times = -1, .hang = true};
    store.second = (struct trick){.part = "DELETE", .times = 1, .status = 503, .code = "SlowDown"};
    attempts_expect(attempts, OUTCOME_DEFERRED, "timeout");
    assert_int_equal(count_log("DELETE"), 2);
    assert_int_equal(count_open(), 0);
    destination->timeout_ms = 4000;
    store.trick = (struct trick){.part = "uploadId", .times = -1, .status = 503, .code = "SlowDown"};
    attempts_expect(attempts, OUTCOME_DEFERRED, "SlowDown");
    assert_non_null(strstr(attempts->outcome.text, "; parts are left (upload id/1: SlowDown)"));
    assert_int_equal(count_log("DELETE /reports/big.json?uploadId=id%2F1\n"), 4);
    assert_int_equal(count_open(), 1);
    /* the next attempt for the key clears them away, and nobody else's */
    store.trick = (struct trick){0};
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    assert_int_equal(count_open(), 0);
    assert_int_equal(count_log("foreign"), 0);
}

static void a_store_that_lists_no_uploads_is_not_asked_more_of(void **state)
{
    struct attempts *attempts = *state;

    store.trick = (struct trick){.part = "GET", .times = -1, .status = 501, .code = "NotImplemented"};
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
}

static void on_never(void *arg, struct outcome *outcome)
{
    (void)arg;
    (void)outcome;
    fail_msg("done was called for a cancelled attempt");
}

static void an_attempt_can_be_cancelled_at_every_step(void **state)
{
    static const char *const steps[] = {"GET", "uploads=\n", "partNumber=2",
                                        "POST /reports/big.json?uploadId"};
    struct attempts *attempts = *state;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        store.begun = 0;
        buf_clear(&store.log);
        struct attempt_handle *handle =
            adapter_s3.start(&attempts->context, &attempts->attempt, on_never, NULL);
        while (!strstr(store.log.data, steps[i]))
            event_base_loop(attempts->base, EVLOOP_ONCE);
        adapter_s3.cancel(handle);
    }
}

/* Pure: what a store says */

static void answers_that_are_no_answers_are_empty(void **state)
{
    static const char *const texts[] = {"", "<html><body>Bad Gateway", "{}", "<!DOCTYPE x><Error/>",
                                        "<Other/>"};
    char *ids[S3_UPLOADS];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct s3_answer answer = {0};
        s3_answer_read(texts[i], strlen(texts[i]), &answer);
        assert_string_equal(answer.code, "");
        assert_string_equal(answer.upload_id, "");
        assert_int_equal(s3_uploads_read(texts[i], strlen(texts[i]), "k", ids), 0);
    }
    struct s3_answer answer = {0};
    s3_answer_read("<Error><Message>x\n\x1b[2J</Message></Error>", 39, &answer);
    assert_string_equal(answer.code, ""); /* no XML: a control character */
    s3_answer_read("<Error><Message>a\nb</Message></Error>", 37, &answer);
    assert_string_equal(answer.code, "Error");
    assert_string_equal(answer.message, "a?b");
}

static void every_row_was_seen(void **state)
{
    (void)state;
    rows_assert_all(&outcomes_s3);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
#define BIG_TEST(function) cmocka_unit_test_setup_teardown(function, setup_big, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_body_is_put_under_its_key_with_its_headers),
        cmocka_unit_test_setup_teardown(encryption_and_session_tokens_are_sent_and_signed, setup_encrypted,
                                        teardown),
        TEST(the_store_is_reached_through_a_proxy),
        TEST(every_error_code_of_the_table_is_judged_by_its_row),
        TEST(what_is_no_answer_is_told_apart),
        TEST(a_check_asks_for_the_bucket_and_changes_nothing),
        BIG_TEST(a_large_body_goes_in_parts),
        BIG_TEST(an_upload_that_fails_anywhere_leaves_no_parts),
        BIG_TEST(an_abort_that_fails_is_tried_again_and_what_is_left_is_told),
        BIG_TEST(a_store_that_lists_no_uploads_is_not_asked_more_of),
        BIG_TEST(an_attempt_can_be_cancelled_at_every_step),
        cmocka_unit_test(answers_that_are_no_answers_are_empty),
        cmocka_unit_test(every_row_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
