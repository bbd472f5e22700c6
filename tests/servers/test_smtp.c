/*
 * The mail adapter against a server that does what a real one does seldom: it refuses anything at any
 * command, falls silent, hangs up. What a real one does is in tests/e2e/mail.bats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "attempts.h"
#include "clock.h"
#include "little_smtp.h"
#include "rows.h"
#include "smtp.h"
#include "xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { LIMIT_MS = 20000 };

static struct little_smtp server;
static const struct smtp_script usual = {0};

/* Of a member that `more` has too, that one counts. */
static struct destination *mail_to(const char *more)
{
    return attempts_destination("{'protocol':'SMTP','host':'127.0.0.1','port':%d,'security':'none',"
                                "'from':'Reports <r@example.com>','to':['a@example.org','b@example.org'],"
                                "'cc':['A@example.org']%s}",
                                server.port, more);
}

/* One attempt over a connection of its own. */
static void expect_once(struct attempts *attempts, const struct smtp_script *script, const char *more,
                        enum outcome_kind kind, const char *reason)
{
    struct destination *destination;

    little_smtp_start(&server, script);
    destination = mail_to(more);
    attempts->attempt.destination = destination;
    attempts_expect(attempts, kind, reason);
    adapter_context_release(&attempts->context);
    assert_int_equal(adapter_context_init(&attempts->context, attempts->base, true, NULL, NULL), 0);
    little_smtp_stop(&server);
    destination_unref(destination);
}

static void await(const atomic_int *count, int least)
{
    int64_t until_ms = clock_mono_ms() + LIMIT_MS;

    while (*count < least) {
        assert_true(clock_mono_ms() < until_ms);
        usleep(1000);
    }
}

static void a_mail_is_what_the_form_says(void **state)
{
    struct attempts *attempts = *state;

    expect_once(attempts, &usual, ",'subject':'{data_type} of {tenant_id}','reply_to':'d@example.org'",
                OUTCOME_DELIVERED, "accepted");
    assert_int_equal(server.mails, 1);
    assert_non_null(strstr(server.last, "From: \"Reports\"\r\n <r@example.com>\r\n"));
    assert_non_null(strstr(server.last, "To: a@example.org,\r\n b@example.org\r\nCc: A@example.org\r\n"));
    assert_non_null(strstr(server.last, "Reply-To: d@example.org\r\nSubject: report of acme\r\n"));
    assert_non_null(
        strstr(server.last, "Message-ID: <0190b2c4-0000-7000-8000-000000000001@example.com>\r\n"));
    assert_non_null(strstr(server.last, "\r\n\r\n{\"a\":1}=\r\n"));
    /* each recipient once, and the size before the mail */
    assert_non_null(strstr(server.envelope, "MAIL FROM:<r@example.com> SIZE="));
    assert_non_null(
        strstr(server.envelope, "RCPT TO:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"));
    assert_non_null(strstr(server.envelope, "\r\nQUIT\r\n"));
}

static void the_same_mail_is_the_same_on_every_attempt(void **state)
{
    struct attempts *attempts = *state;
    char first[sizeof server.last];

    expect_once(attempts, &usual, ",'report':'attachment'", OUTCOME_DELIVERED, "accepted");
    memcpy(first, server.last, sizeof first);
    attempts->attempt.number = 2;
    expect_once(attempts, &usual, ",'report':'attachment'", OUTCOME_DELIVERED, "accepted");
    assert_string_equal(server.last, first);
    assert_non_null(strstr(first, "filename=\"report-dist-1.json\""));
}

static void lines_of_dots_arrive(void **state)
{
    static const char body[] = ".\n..\na\n.\n.b\n";
    struct attempts *attempts = *state;

    attempts->attempt.body = body;
    attempts->attempt.body_size = sizeof body - 1;
    expect_once(attempts, &usual, "", OUTCOME_DELIVERED, "accepted");
    assert_non_null(strstr(server.last, "\r\n\r\n..\r\n...\r\na\r\n..\r\n..b\r\n.\r\n"));
    assert_int_equal(server.mails, 1);
}

static void every_code_has_its_outcome_at_every_command(void **state)
{
    static const struct {
        const char *reply;
        int code;
        enum outcome_kind kind;
        const char *reason;
        bool overload;
    } cases[] = {
        {"421 4.3.2 going down\r\n", 421, OUTCOME_DEFERRED, "smtp_421", true},
        {"450 4.2.0 greylisted\r\n", 450, OUTCOME_DEFERRED, "smtp_450", false},
        {"451 4.3.0 trouble\r\n", 451, OUTCOME_DEFERRED, "smtp_451", false},
        {"452 4.3.1 full\r\n", 452, OUTCOME_DEFERRED, "smtp_452", true},
        {"454 4.7.0 later\r\n", 454, OUTCOME_DEFERRED, "smtp_454", false},
        {"455 4.5.1 parameters\r\n", 455, OUTCOME_DEFERRED, "smtp_4xx", false},
        {"500 5.5.2 what\r\n", 500, OUTCOME_REJECTED, "smtp_5xx", false},
        {"530 5.7.0 who are you\r\n", 530, OUTCOME_DEFERRED, "smtp_530", false},
        {"534 5.7.9 too weak\r\n", 534, OUTCOME_DEFERRED, "smtp_534", false},
        {"535 5.7.8 no\r\n", 535, OUTCOME_DEFERRED, "smtp_535", false},
        {"538 5.7.11 in the clear\r\n", 538, OUTCOME_DEFERRED, "smtp_538", false},
        {"550-5.1.1 no such\r\n550 5.1.1 user\r\n", 550, OUTCOME_REJECTED, "smtp_550", false},
        {"551 5.1.6 moved\r\n", 551, OUTCOME_REJECTED, "smtp_551", false},
        {"552 5.3.4 too large\r\n", 552, OUTCOME_REJECTED, "smtp_552", false},
        {"553 5.1.3 syntax\r\n", 553, OUTCOME_REJECTED, "smtp_553", false},
        {"554 5.7.1 spam\r\n", 554, OUTCOME_REJECTED, "smtp_554", false},
    };
    static const char *const at[] = {
        "MAIL FROM:<r@example.com>: ", "RCPT TO:<a@example.org>: ", "DATA: ", "DATA: "};
    struct attempts *attempts = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct smtp_script script = {0};
        const char **commands[] = {&script.mail, &script.rcpt, &script.data, &script.end};
        *commands[i % 4] = cases[i].reply;
        expect_once(attempts, &script, "", cases[i].kind, cases[i].reason);
        assert_int_equal(attempts->outcome.code, cases[i].code);
        assert_int_equal(attempts->outcome.overload, cases[i].overload);
        if (strncmp(attempts->outcome.text, at[i % 4], strlen(at[i % 4])) != 0)
            fail_msg("%s", attempts->outcome.text);
    }
}

static void the_servers_words_are_in_the_text(void **state)
{
    static const struct smtp_script script = {.rcpt = "550-5.1.1 no such\r\n550 5.1.1 user\x1b[31m\r\n"};
    struct attempts *attempts = *state;

    expect_once(attempts, &script, "", OUTCOME_REJECTED, "smtp_550");
    assert_string_equal(attempts->outcome.text,
                        "RCPT TO:<a@example.org>: 550-5.1.1 no such  5.1.1 user?[31m");
}

static void a_code_before_the_mail_is_about_no_mail(void **state)
{
    static const struct {
        struct smtp_script script;
        const char *reason, *text;
    } cases[] = {
        {{.greeting = "554 5.7.1 go away\r\n"}, "not_served", "554 5.7.1 go away"},
        {{.greeting = "421 4.3.2 too many\r\n"}, "smtp_421", "421 4.3.2 too many"},
        {{.ehlo = "550 5.7.1 no\r\n", .helo = "550 5.7.1 no\r\n"}, "not_served", "550 5.7.1 no"},
        {{.ehlo = "421 4.3.2 later\r\n", .helo = "421 4.3.2 later\r\n"}, "smtp_421", "421 4.3.2 later"},
    };
    struct attempts *attempts = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        expect_once(attempts, &cases[i].script, "", OUTCOME_DEFERRED, cases[i].reason);
        if (!strstr(attempts->outcome.text, cases[i].text))
            fail_msg("%s", attempts->outcome.text);
    }
}

static void a_server_without_starttls_is_left(void **state)
{
    static const struct smtp_script refusing = {.ehlo = "250-little\r\n250 STARTTLS\r\n"};
    struct attempts *attempts = *state;

    expect_once(attempts, &usual, ",'security':'starttls'", OUTCOME_DEFERRED, "tls");
    assert_string_equal(attempts->outcome.text, "the server offers no STARTTLS");
    assert_null(strstr(server.envelope, "MAIL"));
    expect_once(attempts, &refusing, ",'security':'starttls'", OUTCOME_DEFERRED, "tls");
    assert_string_equal(attempts->outcome.text, "STARTTLS: 500 what?");
    expect_once(attempts, &usual, ",'security':'tls'", OUTCOME_DEFERRED, "tls");
}

static void what_is_no_mail_server_is_deferred(void **state)
{
    static const struct smtp_script http = {.greeting = "HTTP/1.1 400 Bad Request\r\n\r\n"};
    static const struct smtp_script hangup = {.greeting = SMTP_HANGUP};
    static const struct smtp_script nonsense = {.mail = "\xff\xfe\r\n999999999 x\r\n", .quit = SMTP_HANGUP};
    struct attempts *attempts = *state;

    expect_once(attempts, &http, "", OUTCOME_DEFERRED, "broken");
    assert_string_equal(attempts->outcome.text, "what came is not SMTP");
    expect_once(attempts, &hangup, "", OUTCOME_DEFERRED, "broken");
    expect_once(attempts, &nonsense, "", OUTCOME_DEFERRED, "broken");
}

static void the_deadline_holds_wherever_the_server_falls_silent(void **state)
{
    struct attempts *attempts = *state;

    for (int i = 0; i < 12; i++) {
        struct smtp_script script = {0};
        const char **commands[] = {&script.greeting, &script.ehlo, &script.mail,
                                   &script.rcpt,     &script.data, &script.end};
        int64_t began_ms = clock_mono_ms();
        *commands[i % 6] = i < 6 ? SMTP_SILENCE : SMTP_FLOOD;
        expect_once(attempts, &script, ",'timeout':'300ms'", OUTCOME_DEFERRED, i < 6 ? "timeout" : "broken");
        assert_int_equal(attempts->outcome.overload, i < 6);
        assert_true(clock_mono_ms() - began_ms < 4000);
    }
}

static void the_answer_to_a_goodbye_is_not_waited_for(void **state)
{
    static const struct smtp_script script = {.rcpt = "550 no\r\n", .quit = SMTP_SILENCE};
    static const struct smtp_script taken = {.quit = SMTP_SILENCE};
    struct attempts *attempts = *state;
    int64_t began_ms = clock_mono_ms();

    expect_once(attempts, &script, "", OUTCOME_REJECTED, "smtp_550");
    expect_once(attempts, &taken, "", OUTCOME_DELIVERED, "accepted");
    assert_true(clock_mono_ms() - began_ms < 3000);
}

/* Two mails over what the server makes of the connection; the second is sent again where that loses nothing.
 */
static void expect_twice(struct attempts *attempts, const struct smtp_script *script, int connections,
                         int mails, bool await_close)
{
    struct destination *destination;

    little_smtp_start(&server, script);
    destination = mail_to("");
    attempts->attempt.destination = destination;
    attempts_expect(attempts, OUTCOME_DELIVERED, "accepted");
    if (await_close)
        await(&server.closed, 1);
    attempts_expect(attempts, OUTCOME_DELIVERED, "accepted");
    assert_int_equal(server.connections, connections);
    assert_int_equal(server.mails, mails);
    adapter_context_release(&attempts->context);
    assert_int_equal(adapter_context_init(&attempts->context, attempts->base, true, NULL, NULL), 0);
    little_smtp_stop(&server);
    destination_unref(destination);
}

static void a_connection_is_kept_and_replaced_without_an_attempt(void **state)
{
    static const struct smtp_script closing = {.close_after = 1};
    static const struct smtp_script one_mail = {.second_mail = "421 4.7.0 enough of you\r\n"};
    static const struct smtp_script hangup = {.second_mail = SMTP_HANGUP};
    struct attempts *attempts = *state;

    expect_twice(attempts, &usual, 1, 2, false);
    expect_twice(attempts, &closing, 2, 2, true);
    expect_twice(attempts, &one_mail, 2, 2, false);
    expect_twice(attempts, &hangup, 2, 2, false);
}

static void an_answer_that_is_lost_is_no_delivery_and_no_second_mail(void **state)
{
    static const struct smtp_script script = {.end = SMTP_HANGUP};
    struct attempts *attempts = *state;

    expect_once(attempts, &script, "", OUTCOME_DEFERRED, "broken");
    assert_int_equal(server.mails, 1);
}

static void a_connection_that_breaks_at_once_is_deferred(void **state)
{
    struct attempts *attempts = *state;

    for (int i = 0; i < 4; i++) {
        struct smtp_script script = {0};
        const char **commands[] = {&script.ehlo, &script.mail, &script.rcpt, &script.data};
        *commands[i] = SMTP_HANGUP;
        expect_once(attempts, &script, "", OUTCOME_DEFERRED, "broken");
        assert_int_equal(server.mails, 0);
    }
}

static void the_guard_looks_at_the_address(void **state)
{
    struct attempts *attempts = *state;
    struct destination *destination;

    little_smtp_start(&server, &usual);
    destination = mail_to("");
    attempts->context.allow_private = false;
    attempts->attempt.destination = destination;
    attempts_expect(attempts, OUTCOME_REJECTED, "refused_address");
    assert_non_null(strstr(attempts->outcome.text, "loopback"));
    assert_true(attempts->outcome.local);
    assert_int_equal(server.connections, 0);
    little_smtp_stop(&server);
    destination_unref(destination);
}

static void who_does_not_listen_is_deferred(void **state)
{
    struct attempts *attempts = *state;
    struct destination *destination;

    little_smtp_start(&server, &usual);
    little_smtp_stop(&server);
    destination = mail_to("");
    attempts->attempt.destination = destination;
    attempts_expect(attempts, OUTCOME_DEFERRED, "connect");
    destination_unref(destination);
}

static void a_process_without_descriptors_is_not_the_servers_fault(void **state)
{
    struct attempts *attempts = *state;
    struct destination *destination;

    little_smtp_start(&server, &usual);
    destination = mail_to("");
    attempts->attempt.destination = destination;
    attempts_limit_descriptors(true);
    attempts_try(attempts);
    attempts_limit_descriptors(false);
    if (strcmp(attempts->outcome.reason, "system") != 0)
        fail_msg("%s: %s", attempts->outcome.reason, attempts->outcome.text);
    assert_int_equal(attempts->outcome.kind, OUTCOME_DEFERRED);
    assert_true(attempts->outcome.local);
    little_smtp_stop(&server);
    destination_unref(destination);
}

static void values_that_would_be_more_than_values_are_refused(void **state)
{
    static const struct {
        const char *data_type, *more, *text;
    } cases[] = {
        {"a\r\nBcc: c@h.x", ",'subject':'{data_type}'", "subject: the value of {data_type} has a control"},
        {"a\nb", ",'report':'attachment','subject':'x','text':'{data_type}'",
         "text: the value of {data_type} has a control"},
        {"a b", ",'to':['{data_type}@h.x']", "to: \"user@example.com\" or"},
        {"a@b", ",'from':'{data_type}@h.x'", "from: \"user@example.com\" or"},
        {"x>, <c@h.x", ",'cc':['{data_type}@h.x']", "cc: \"user@example.com\" or"},
        {"", ",'reply_to':'{data_type}@h.x'", "reply_to: \"user@example.com\" or"},
        {NULL, ",'report':'attachment','subject':'x','filename':'{data_type}'",
         "filename: {data_type} has no value"},
    };
    struct attempts *attempts = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        attempts->attempt.data_type = cases[i].data_type;
        expect_once(attempts, &usual, cases[i].more, OUTCOME_REJECTED, "configuration");
        if (strncmp(attempts->outcome.text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("%s", attempts->outcome.text);
        assert_int_equal(server.mails, 0);
    }
}

static void credentials_that_are_not_whole_are_a_mistake(void **state)
{
    static const struct secret nothing = {0}, named = {.username = (char *)"u"};
    struct attempts *attempts = *state;

    attempts->attempt.secret = &nothing;
    expect_once(attempts, &usual, ",'security':'tls','credentials':'c'", OUTCOME_DEFERRED, "credentials");
    assert_non_null(strstr(attempts->outcome.text, "no user name"));
    attempts->attempt.secret = &named;
    expect_once(attempts, &usual, ",'security':'tls','credentials':'c'", OUTCOME_DEFERRED, "credentials");
    assert_non_null(strstr(attempts->outcome.text, "no password"));
    expect_once(attempts, &usual, ",'security':'tls','login':'bearer','credentials':'c'", OUTCOME_DEFERRED,
                "credentials");
    assert_non_null(strstr(attempts->outcome.text, "no token"));
}

/* The login, which no form lets go unencrypted: below the adapter. */

static struct smtp_answer login(const struct smtp_script *script, const char *password, const char *token)
{
    struct smtp_answer answer;

    little_smtp_start(&server, script);
    const struct smtp_peer peer = {
        .peer = {.host = "127.0.0.1", .port = server.port, .guard.allow_private = true},
        .security = SMTP_PLAIN,
        .username = "user",
        .password = password,
        .token = token,
    };
    struct smtp *smtp = smtp_new(&peer, NULL);
    smtp_open(smtp, clock_mono_ms() + 5000, &answer);
    smtp_free(smtp);
    little_smtp_stop(&server);
    return answer;
}

static void a_login_goes_by_what_the_server_offers(void **state)
{
    static const struct smtp_script only_login = {.ehlo = "250 AUTH LOGIN CRAM-MD5 NTLM\r\n"};
    static const struct smtp_script bearer = {.ehlo = "250 AUTH PLAIN XOAUTH2\r\n"};
    static const struct smtp_script newer = {.ehlo = "250 AUTH PLAIN OAUTHBEARER\r\n"};

    (void)state;
    assert_int_equal(login(&usual, "hunter2", NULL).result, TRANSFER_DONE);
    assert_non_null(strstr(server.envelope, "AUTH PLAIN"));
    assert_int_equal(login(&only_login, "hunter2", NULL).result, TRANSFER_DONE);
    assert_non_null(strstr(server.envelope, "AUTH LOGIN"));
    assert_int_equal(login(&bearer, NULL, "token2").result, TRANSFER_DONE);
    assert_non_null(strstr(server.envelope, "AUTH XOAUTH2"));
    assert_int_equal(login(&newer, NULL, "token2").result, TRANSFER_DONE);
    assert_non_null(strstr(server.envelope, "AUTH OAUTHBEARER"));
}

static void a_login_that_is_not_possible_is_told(void **state)
{
    static const struct smtp_script none = {.ehlo = "250 little\r\n"};
    static const struct smtp_script foreign = {.ehlo = "250 AUTH CRAM-MD5 GSSAPI\r\n"};

    (void)state;
    struct smtp_answer answer = login(&none, "hunter2", NULL);
    assert_int_equal(answer.result, TRANSFER_LOGIN);
    assert_string_equal(answer.text, "the server offers no login");
    answer = login(&foreign, "hunter2", NULL);
    assert_int_equal(answer.result, TRANSFER_LOGIN);
    assert_null(strstr(server.envelope, "MAIL"));
}

static void a_refused_login_has_its_code_and_gives_nothing_away(void **state)
{
    /* base64 of NUL user NUL hunter2 */
    static const struct smtp_script repeating = {.login =
                                                     "535 5.7.8 not AHVzZXIAaHVudGVyMg== as you say\r\n"};
    static const struct smtp_script refusing = {.login = "535 5.7.8 no\r\n"};
    static const struct smtp_script at_once = {.auth = "534 5.7.9 not so\r\n"};

    (void)state;
    struct smtp_answer answer = login(&refusing, "hunter2", NULL);
    assert_int_equal(answer.result, TRANSFER_ANSWERED);
    assert_int_equal(answer.stage, SMTP_STAGE_LOGIN);
    assert_int_equal(answer.code, 535);
    assert_string_equal(answer.text, "AUTH: 535 5.7.8 no");
    answer = login(&repeating, "hunter2", NULL);
    assert_int_equal(answer.code, 535);
    assert_string_equal(answer.text, "AUTH: 535 (withheld: it repeats the login)");
    answer = login(&at_once, "hunter2", NULL);
    assert_int_equal(answer.code, 534);
}

/* The adapter's view of the same: a form that could not be written. */
static void a_login_that_is_not_possible_is_deferred(void **state)
{
    static const struct smtp_script none = {.ehlo = "250 little\r\n"};
    static const struct secret secret = {.username = (char *)"user", .password = (char *)"hunter2"};
    struct attempts *attempts = *state;

    little_smtp_start(&server, &none);
    struct destination *destination = mail_to(",'security':'tls','credentials':'c'");
    destination->smtp.security = MAIL_PLAIN;
    attempts->attempt.destination = destination;
    attempts->attempt.secret = &secret;
    attempts_expect(attempts, OUTCOME_DEFERRED, "login");
    adapter_context_release(&attempts->context);
    assert_int_equal(adapter_context_init(&attempts->context, attempts->base, true, NULL, NULL), 0);
    little_smtp_stop(&server);
    destination_unref(destination);
}

static void every_row_was_seen(void **state)
{
    (void)state;
    rows_assert_all(&outcomes_smtp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TRY(test) cmocka_unit_test_setup_teardown(test, attempts_setup, attempts_teardown)
        TRY(a_mail_is_what_the_form_says),
        TRY(the_same_mail_is_the_same_on_every_attempt),
        TRY(lines_of_dots_arrive),
        TRY(every_code_has_its_outcome_at_every_command),
        TRY(the_servers_words_are_in_the_text),
        TRY(a_code_before_the_mail_is_about_no_mail),
        TRY(a_server_without_starttls_is_left),
        TRY(what_is_no_mail_server_is_deferred),
        TRY(the_deadline_holds_wherever_the_server_falls_silent),
        TRY(the_answer_to_a_goodbye_is_not_waited_for),
        TRY(a_connection_is_kept_and_replaced_without_an_attempt),
        TRY(an_answer_that_is_lost_is_no_delivery_and_no_second_mail),
        TRY(a_connection_that_breaks_at_once_is_deferred),
        TRY(the_guard_looks_at_the_address),
        TRY(who_does_not_listen_is_deferred),
        TRY(a_process_without_descriptors_is_not_the_servers_fault),
        TRY(values_that_would_be_more_than_values_are_refused),
        TRY(credentials_that_are_not_whole_are_a_mistake),
        TRY(a_login_goes_by_what_the_server_offers),
        TRY(a_login_that_is_not_possible_is_told),
        TRY(a_refused_login_has_its_code_and_gives_nothing_away),
        TRY(a_login_that_is_not_possible_is_deferred),
        cmocka_unit_test(every_row_was_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
