/*
 * SOAP: what is sent, what each answer means, and that nothing of a password comes back
 *
 * The service is of the test itself and says what it is told to. That its envelopes are taken by a stack that
 * is not ours is shown by tests/e2e/soap.bats.
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
#include "ceilings.h"
#include "little_http.h"
#include "rows.h"
#include "secret.h"
#include "xalloc.h"

enum { KEPT = 1024 * 1024 };

#define NS11 "http://schemas.xmlsoap.org/soap/envelope/"
#define NS12 "http://www.w3.org/2003/05/soap-envelope"
#define REPLY "<e:Envelope xmlns:e='" NS12 "'><e:Body><ok/></e:Body></e:Envelope>"
#define FAULT11(code, text)                                                                                  \
    "<e:Envelope xmlns:e='" NS11 "'><e:Body><e:Fault><faultcode>e:" code "</faultcode><faultstring>" text    \
    "</faultstring></e:Fault></e:Body></e:Envelope>"
#define FAULT12(code, sub, text)                                                                             \
    "<e:Envelope xmlns:e='" NS12 "'><e:Body><e:Fault><e:Code><e:Value>e:" code                               \
    "</e:Value><e:Subcode><e:Value>m:" sub "</e:Value></e:Subcode></e:Code><e:Reason><e:Text>" text          \
    "</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>"

static struct service {
    struct little_http *server;
    int count, status;
    const char *head, *answer;
    bool drop, hang, echo;
    char *last_head;
    struct buf last; /* body */
    struct buf before;
} service;

static struct destination *destination;
static const struct secret credentials = {.username = (char *)"reports", .password = (char *)"s3cr<t&pass"};

static void on_request(void *arg, const struct little_request *request, struct little_answer *answer)
{
    (void)arg;
    service.count++;
    free(service.last_head);
    service.last_head = xstrdup(request->head);
    buf_clear(&service.before);
    buf_add(&service.before, service.last.data, service.last.len);
    buf_clear(&service.last);
    buf_add(&service.last, request->body, request->body_size);
    answer->status = service.status;
    answer->drop = service.drop;
    answer->hang = service.hang;
    if (service.head)
        buf_adds(&answer->head, service.head);
    if (service.echo)
        buf_add(&answer->body, request->body, request->body_size);
    else if (service.answer)
        buf_adds(&answer->body, service.answer);
}

static int setup(void **state)
{
    attempts_setup(state);
    struct attempts *attempts = *state;

    service = (struct service){.status = 200, .answer = REPLY};
    buf_init(&service.last, KEPT);
    buf_init(&service.before, KEPT);
    service.server = little_http_new(attempts->base, 0, on_request, NULL);
    destination = NULL;
    attempts->attempt.content_type = "application/xml";
    attempts->attempt.body = "<r><n>1</n></r>";
    attempts->attempt.body_size = strlen("<r><n>1</n></r>");
    attempts->attempt.secret = &credentials;
    return 0;
}

static int teardown(void **state)
{
    if (destination)
        destination_unref(destination);
    little_http_free(service.server);
    free(service.last_head);
    buf_release(&service.last);
    buf_release(&service.before);
    return attempts_teardown(state);
}

/* The destination is the service, with these members. */
static void use(struct attempts *attempts, const char *more)
{
    if (destination)
        destination_unref(destination);
    destination = attempts_destination("{'protocol':'SOAP','endpoint':'http://127.0.0.1:%d/ws/"
                                       "{tenant_id}','allow_private':true,'timeout':4%s%s}",
                                       little_http_port(service.server), *more ? "," : "", more);
    attempts->attempt.destination = destination;
}

static void assert_head(const char *line)
{
    if (!strcasestr(service.last_head, line))
        fail_msg("no '%s' in %s", line, service.last_head);
}

static void assert_body(const char *part)
{
    if (!strstr(service.last.data, part))
        fail_msg("no '%s' in %s", part, service.last.data);
}

/* --- what is sent -------------------------------------------------------------------------------------- */

static void each_version_has_its_envelope_and_its_way_to_say_the_action(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "'action':'urn:reports:{data_type}'");
    attempts->attempt.secret = NULL;
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    assert_string_equal(service.last.data,
                        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<soap:Envelope xmlns:soap=\"" NS12
                        "\"><soap:Body><r><n>1</n></r></soap:Body></soap:Envelope>");
    assert_head("content-type: application/soap+xml; charset=utf-8; action=\"urn:reports:report\"\r\n");
    assert_head("idempotency-key: 0190b2c4-0000-7000-8000-000000000001\r\n");
    assert_head("x-distribution-id: dist-1\r\n");
    assert_head("traceparent: 00-");
    assert_null(strcasestr(service.last_head, "soapaction"));
    assert_null(strcasestr(service.last_head, "authorization"));
    use(attempts, "'version':'1.1','action':'urn:a','headers':{'X-Tenant':'{tenant_id}'}");
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    assert_body("<soap:Envelope xmlns:soap=\"" NS11 "\"><soap:Body><r>");
    assert_head("content-type: text/xml; charset=utf-8\r\n");
    assert_head("soapaction: \"urn:a\"\r\n");
    assert_head("x-tenant: acme\r\n");
    use(attempts, "'version':'1.1'");
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    assert_head("soapaction: \"\"\r\n");
}

static void an_envelope_is_sent_byte_for_byte_with_the_action_of_its_format(void **state)
{
    static const char envelope[] =
        "<?xml version='1.0'?><x:Envelope xmlns:x='" NS12 "' ><x:Body ><a/></x:Body></x:Envelope>\n";
    struct attempts *attempts = *state;

    use(attempts, "");
    attempts->attempt.body = envelope;
    attempts->attempt.body_size = strlen(envelope);
    attempts->attempt.content_type = "application/soap+xml; charset=utf-8; action=\"urn:of:format\"";
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    assert_string_equal(service.last.data, envelope);
    assert_head("content-type: application/soap+xml; charset=utf-8; action=\"urn:of:format\"\r\n");
    use(attempts, "'action':'urn:of:form'");
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    assert_head("action=\"urn:of:form\"\r\n");
    use(attempts, "'version':'1.1'");
    attempts->attempt.body = "<r/>";
    attempts->attempt.body_size = 4;
    attempts->attempt.content_type = "text/xml; charset=utf-8";
    attempts->attempt.headers = json_pack("{ss}", "SOAPAction", "\"urn:of:format\"");
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    json_decref((json_t *)attempts->attempt.headers);
    assert_head("soapaction: \"urn:of:format\"\r\n");
}

static void bodies_that_are_no_xml_or_of_another_version_are_rejected_unsent(void **state)
{
    static const char other[] = "<x:Envelope xmlns:x='" NS11 "'><x:Body/></x:Envelope>";
    struct attempts *attempts = *state;

    use(attempts, "");
    attempts->attempt.content_type = "application/json";
    attempts_expect(attempts, OUTCOME_REJECTED, "body");
    assert_true(attempts->outcome.local);
    assert_non_null(strstr(attempts->outcome.text, "the body is 'application/json', and XML is wanted"));
    attempts->attempt.content_type = "text/xml";
    attempts->attempt.headers = json_pack("{ss}", "Content-Encoding", "gzip");
    attempts_expect(attempts, OUTCOME_REJECTED, "body");
    json_decref((json_t *)attempts->attempt.headers);
    attempts->attempt.headers = NULL;
    attempts->attempt.body = other;
    attempts->attempt.body_size = strlen(other);
    attempts_expect(attempts, OUTCOME_REJECTED, "body");
    assert_string_equal(attempts->outcome.text,
                        "it is an envelope of SOAP 1.1, and SOAP 1.2 is spoken there");
    assert_int_equal(service.count, 0);
}

static void a_digest_is_fresh_on_every_attempt_and_shows_no_password(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "'credentials':'c','security':{'password':'digest','lifetime':60}");
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    assert_body("<soap:Header><wsse:Security ");
    assert_body(" soap:mustUnderstand=\"1\"><wsu:Timestamp><wsu:Created>20");
    assert_body("<wsse:Username>reports</wsse:Username>");
    assert_body("#PasswordDigest\">");
    assert_null(strstr(service.last.data, "s3cr"));
    assert_null(strcasestr(service.last_head, "authorization"));
    attempts->attempt.number = 2;
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    const char *nonce = strstr(service.last.data, "<wsse:Nonce"),
               *before = strstr(service.before.data, "<wsse:Nonce");
    assert_non_null(nonce);
    assert_non_null(before);
    assert_memory_not_equal(strchr(nonce, '>'), strchr(before, '>'), 25);
    assert_string_equal(strstr(service.last.data, "<soap:Body>"), strstr(service.before.data, "<soap:Body>"));
}

static void a_password_as_text_and_addressing_are_sent_where_the_form_says_so(void **state)
{
    struct attempts *attempts = *state;

    use(attempts,
        "'credentials':'c','action':'urn:a','addressing':true,'version':'1.1','auth':{'scheme':'basic'},"
        "'security':{'password':'text','timestamp':false}");
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    assert_body("#PasswordText\">s3cr&#60;t&#38;pass</wsse:Password>");
    assert_body(">urn:uuid:0190b2c4-0000-7000-8000-000000000001</wsa:MessageID>");
    assert_body(">urn:a</wsa:Action>");
    assert_body("/ws/acme</wsa:To>");
    assert_null(strstr(service.last.data, "wsu:Timestamp"));
    assert_head("authorization: Basic ");
}

static void credentials_without_a_pair_are_the_operators_mistake(void **state)
{
    const struct secret token = {.token = (char *)"only-a-token", .password = (char *)"only-a-token"};
    struct attempts *attempts = *state;
    struct fault fault = {0};

    use(attempts, "'credentials':'c','security':{'password':'digest'}");
    attempts->attempt.secret = &token;
    attempts_expect(attempts, OUTCOME_DEFERRED, "credentials");
    assert_string_equal(attempts->outcome.text,
                        "security: the credentials have no 'username' with 'password'");
    assert_int_equal(adapter_soap.check(&attempts->context, destination, &token, &fault), -1);
    assert_int_equal(fault.class, FAULT_CONFIG);
    assert_int_equal(adapter_soap.check(&attempts->context, destination, NULL, &fault), -1);
    assert_int_equal(service.count, 0);
    use(attempts, "'action':'urn:{tenant_id}'");
    attempts->attempt.tenant_id = NULL;
    attempts_expect(attempts, OUTCOME_REJECTED, "configuration");
}

/* --- what comes back ----------------------------------------------------------------------------------- */

static void a_fault_is_judged_by_its_code_inside_of_any_status(void **state)
{
    static const int statuses[] = {200, 202, 400, 403, 404, 500, 502};
    static const struct {
        const char *answer, *reason, *text;
        enum outcome_kind kind;
    } cases[] = {
        {FAULT11("Server.Busy", "no disk"), "Server", "Server.Busy: no disk", OUTCOME_DEFERRED},
        {FAULT11("Client", "no such field"), "Client", "Client: no such field", OUTCOME_REJECTED},
        {FAULT11("Client.Authentication", "who?"), "Client.Authentication", "who?", OUTCOME_DEFERRED},
        {FAULT11("VersionMismatch", ""), "VersionMismatch", "VersionMismatch", OUTCOME_REJECTED},
        {FAULT11("MustUnderstand", "x"), "MustUnderstand", "x", OUTCOME_REJECTED},
        {FAULT11("InvalidSecurity", "x"), "InvalidSecurity", "x", OUTCOME_DEFERRED},
        {FAULT12("Receiver", "Busy", "later"), "Receiver", "Receiver (Busy): later", OUTCOME_DEFERRED},
        {FAULT12("Sender", "Bad", "no"), "Sender", "Sender (Bad): no", OUTCOME_REJECTED},
        {FAULT12("Sender", "FailedAuthentication", "no"), "FailedAuthentication",
         "Sender (FailedAuthentication): no", OUTCOME_DEFERRED},
        {FAULT12("Sender", "MessageExpired", "no"), "MessageExpired", "no", OUTCOME_DEFERRED},
        {FAULT12("DataEncodingUnknown", "x", "y"), "DataEncodingUnknown", "y", OUTCOME_REJECTED},
        {FAULT12("Odd", "x", "y"), "Fault", "Odd (x): y", OUTCOME_REJECTED},
    };
    struct attempts *attempts = *state;

    use(attempts, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t j = 0; j < sizeof statuses / sizeof *statuses; j++) {
            service.answer = cases[i].answer;
            service.status = statuses[j];
            attempts_expect(attempts, cases[i].kind, cases[i].reason);
            assert_int_equal(attempts->outcome.code, statuses[j]);
            assert_false(attempts->outcome.overload || attempts->outcome.local);
            if (!strstr(attempts->outcome.text, cases[i].text))
                fail_msg("'%s' is not in '%s'", cases[i].text, attempts->outcome.text);
            assert_string_equal(attempts->outcome.response.data, cases[i].answer);
        }
}

static void a_fault_without_a_code_is_no_success(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "");
    service.answer = "<e:Envelope xmlns:e='" NS11 "'><e:Body><e:Fault>";
    attempts_expect(attempts, OUTCOME_DEFERRED, "broken");
    assert_string_equal(attempts->outcome.text, "HTTP 200 a fault without a code");
    service.status = 400;
    attempts_expect(attempts, OUTCOME_REJECTED, "http_400");
}

static void each_code_and_each_status_has_its_row(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "");
    for (const struct answer *row = outcomes_soap.codes; row->reason; row++) {
        int code = rows_code(&outcomes_soap, row);
        bool is_fault = code > 599;
        char *fault = xasprintf(FAULT11("%s", "x"), strcmp(row->reason, "Fault") == 0 ? "Odd" : row->reason);
        service.answer = is_fault ? fault : REPLY;
        service.status = is_fault ? 500 : code;
        attempts_expect(attempts, row->kind, row->reason);
        assert_int_equal(attempts->outcome.overload, (row->marks & OVERLOAD) != 0);
        assert_false(attempts->outcome.local);
        free(fault);
    }
}

static void a_token_that_is_not_given_ends_the_attempt(void **state)
{
    const struct secret client = {.client_id = (char *)"dist", .client_secret = (char *)"hunter2"};
    struct attempts *attempts = *state;

    service.status = 400;
    use(attempts, "");
    char *more =
        xasprintf("'credentials':'c','auth':{'scheme':'oauth2','token_url':'http://127.0.0.1:%d/token'}",
                  little_http_port(service.server));
    use(attempts, more);
    free(more);
    attempts->attempt.secret = &client;
    attempts_expect(attempts, OUTCOME_DEFERRED, "token");
    assert_int_equal(service.count, 1);
    assert_null(strstr(attempts->outcome.text, "hunter2"));
}

static void http_speaks_for_itself_where_it_is_not_about_the_message(void **state)
{
    static const struct {
        int status;
        enum outcome_kind kind;
        const char *reason;
        bool overload;
    } cases[] = {
        {302, OUTCOME_REJECTED, "http_3xx", false}, {401, OUTCOME_DEFERRED, "http_401", false},
        {407, OUTCOME_DEFERRED, "http_407", false}, {408, OUTCOME_DEFERRED, "http_408", true},
        {429, OUTCOME_DEFERRED, "http_429", true},  {503, OUTCOME_DEFERRED, "http_503", true},
        {504, OUTCOME_DEFERRED, "http_504", true},
    };
    struct attempts *attempts = *state;

    use(attempts, "");
    service.answer = FAULT11("Client", "the fault's own text");
    service.head = "Retry-After: 7\r\n";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        service.status = cases[i].status;
        attempts_expect(attempts, cases[i].kind, cases[i].reason);
        assert_int_equal(attempts->outcome.overload, cases[i].overload);
        assert_int_equal(attempts->outcome.retry_after_ms, 7000);
        assert_non_null(strstr(attempts->outcome.text, "Client: the fault's own text"));
    }
}

static void without_a_fault_the_status_counts(void **state)
{
    static const char *const answers[] = {NULL, "", "ok", "<html/>", REPLY, "{\"Fault\":1}"};
    struct attempts *attempts = *state;

    use(attempts, "");
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        service.answer = answers[i];
        for (service.status = 200; service.status <= 599; service.status += 51) {
            const struct answer *row = outcomes_by_code(&outcomes_rest, service.status);
            attempts_expect(attempts, row->kind, row->reason);
        }
        service.status = 202;
        attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    }
    service.status = 410;
    attempts_expect(attempts, OUTCOME_REJECTED, "http_410");
    assert_false(attempts->outcome.gone); /* the endpoint has a placeholder */
    use(attempts, "'on_gone':'disable'");
    attempts_expect(attempts, OUTCOME_REJECTED, "http_410");
    assert_true(attempts->outcome.gone);
}

/* A fault with all of a trace in it is read, of which 20000 bytes are kept; one behind 1 MiB is not seen. */
static void an_answer_of_any_size_is_read_up_to_the_ceiling(void **state)
{
    struct attempts *attempts = *state;
    struct buf big;

    use(attempts, "");
    buf_init(&big, 4 * LIMIT_RESPONSE_READ);
    buf_adds(&big, "<e:Envelope xmlns:e='" NS11 "'><e:Header><x>");
    while (big.len < LIMIT_RESPONSE_READ / 2)
        buf_adds(&big, "0123456789abcdef");
    buf_adds(&big, "</x></e:Header><e:Body><e:Fault><faultcode>e:Server</faultcode><detail>");
    while (big.len < 2 * LIMIT_RESPONSE_READ)
        buf_adds(&big, "<frame/>");
    service.answer = big.data;
    attempts_expect(attempts, OUTCOME_DEFERRED, "Server");
    assert_int_equal(attempts->outcome.response.len, LIMIT_RESPONSE);
    buf_clear(&big);
    buf_adds(&big, "<e:Envelope xmlns:e='" NS11 "'><e:Header><x>");
    while (big.len < 2 * LIMIT_RESPONSE_READ)
        buf_adds(&big, "0123456789abcdef");
    attempts_expect(attempts, OUTCOME_DELIVERED, "http_2xx");
    buf_release(&big);
}

static void a_service_that_repeats_what_it_was_sent_shows_no_secret(void **state)
{
    static const char *const forms[] = {"'password':'text'", "'password':'digest'"};
    struct attempts *attempts = *state;

    for (size_t i = 0; i < 2; i++) {
        char *more = xasprintf("'credentials':'c','security':{%s}", forms[i]);
        use(attempts, more);
        free(more);
        service.echo = true;
        service.status = 500;
        attempts_expect(attempts, OUTCOME_DEFERRED, "http_500");
        const char *proof = strstr(service.last.data, "#Password");
        char *shown = xmemdupz(strchr(proof, '>') + 1, strcspn(strchr(proof, '>') + 1, "<"));
        assert_non_null(strstr(attempts->outcome.response.data, "<wsse:UsernameToken>"));
        assert_null(strstr(attempts->outcome.response.data, shown));
        assert_null(strstr(attempts->outcome.text, shown));
        free(shown);
        service.echo = false;
        service.answer = FAULT11("Client", "'s3cr&lt;t&amp;pass' is no password of s3cr&#x3c;t&#38;pass");
        attempts_expect(attempts, OUTCOME_REJECTED, "Client");
        assert_null(strstr(attempts->outcome.text, "s3cr"));
        assert_null(strstr(attempts->outcome.response.data, "s3cr"));
        assert_non_null(strstr(attempts->outcome.text, "'***********' is no password of ***********"));
    }
}

static void what_is_no_answer_is_told_apart(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "'timeout':0.3");
    service.hang = true;
    attempts_expect(attempts, OUTCOME_DEFERRED, "timeout");
    assert_true(attempts->outcome.overload);
    service.hang = false;
    service.drop = true;
    use(attempts, "");
    attempts_expect(attempts, OUTCOME_DEFERRED, "broken");
    attempts_limit_descriptors(true);
    attempts_expect(attempts, OUTCOME_DEFERRED, "system");
    attempts_limit_descriptors(false);
    static const struct {
        const char *endpoint, *reason;
        enum outcome_kind kind;
    } cases[] = {
        {"http://127.0.0.1:1", "connect", OUTCOME_DEFERRED},
        {"http://10.255.255.1", "refused_address", OUTCOME_REJECTED},
    };
    for (size_t i = 0; i < 2; i++) {
        destination_unref(destination);
        destination = attempts_destination("{'protocol':'SOAP','endpoint':'%s','timeout':2%s}",
                                           cases[i].endpoint, i == 0 ? ",'allow_private':true" : "");
        attempts->attempt.destination = destination;
        attempts->context.allow_private = false;
        attempts_expect(attempts, cases[i].kind, cases[i].reason);
    }
    destination_unref(destination);
    destination =
        attempts_destination("{'protocol':'SOAP','endpoint':'https://127.0.0.1:%d','allow_private':true}",
                             little_http_port(service.server));
    attempts->attempt.destination = destination;
    attempts_expect(attempts, OUTCOME_DEFERRED, "tls");
}

static void a_check_connects_and_sends_nothing(void **state)
{
    struct attempts *attempts = *state;
    struct fault fault = {0};

    use(attempts, "'credentials':'c','security':{'password':'digest'}");
    assert_int_equal(adapter_soap.check(&attempts->context, destination, &credentials, &fault), 0);
    assert_int_equal(service.count, 0);
    destination_unref(destination);
    destination =
        attempts_destination("{'protocol':'SOAP','endpoint':'http://127.0.0.1:1','allow_private':true}");
    assert_int_equal(adapter_soap.check(&attempts->context, destination, NULL, &fault), -1);
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
}

static void on_never(void *arg, struct outcome *outcome)
{
    (void)arg;
    (void)outcome;
    fail_msg("done was called for a cancelled attempt");
}

static void an_attempt_can_be_cancelled(void **state)
{
    struct attempts *attempts = *state;

    use(attempts, "'credentials':'c','security':{'password':'digest'}");
    service.hang = true;
    struct attempt_handle *handle =
        adapter_soap.start(&attempts->context, &attempts->attempt, on_never, NULL);
    while (service.count == 0)
        event_base_loop(attempts->base, EVLOOP_ONCE);
    adapter_soap.cancel(handle);
    attempts->attempt.content_type = "text/plain"; /* it is over before it is cancelled */
    handle = adapter_soap.start(&attempts->context, &attempts->attempt, on_never, NULL);
    adapter_soap.cancel(handle);
}

static void every_row_was_seen(void **state)
{
    (void)state;
    rows_assert_all(&outcomes_soap);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_version_has_its_envelope_and_its_way_to_say_the_action),
        TEST(an_envelope_is_sent_byte_for_byte_with_the_action_of_its_format),
        TEST(bodies_that_are_no_xml_or_of_another_version_are_rejected_unsent),
        TEST(a_digest_is_fresh_on_every_attempt_and_shows_no_password),
        TEST(a_password_as_text_and_addressing_are_sent_where_the_form_says_so),
        TEST(credentials_without_a_pair_are_the_operators_mistake),
        TEST(a_fault_is_judged_by_its_code_inside_of_any_status),
        TEST(a_fault_without_a_code_is_no_success),
        TEST(each_code_and_each_status_has_its_row),
        TEST(a_token_that_is_not_given_ends_the_attempt),
        TEST(http_speaks_for_itself_where_it_is_not_about_the_message),
        TEST(without_a_fault_the_status_counts),
        TEST(an_answer_of_any_size_is_read_up_to_the_ceiling),
        TEST(a_service_that_repeats_what_it_was_sent_shows_no_secret),
        TEST(what_is_no_answer_is_told_apart),
        TEST(a_check_connects_and_sends_nothing),
        TEST(an_attempt_can_be_cancelled),
        cmocka_unit_test(every_row_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
