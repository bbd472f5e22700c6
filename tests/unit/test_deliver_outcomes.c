/*
 * The tables of outcomes: what the contract says of each code, and that every row is one that can be reached
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "adapter.h"
#include "http_head.h"
#include "outcomes.h"
#include "sqlstate.h"

static const struct outcome_table *const tables[] = {
    &outcomes_rest, &outcomes_exec, &outcomes_file, &outcomes_null, &outcomes_amqp, &outcomes_jdbc,
    &outcomes_s3,   &outcomes_hdfs, &outcomes_soap, &outcomes_smtp, &outcomes_sftp};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static void every_status_has_the_kind_of_the_contract(void **state)
{
    (void)state;
    for (int status = 200; status <= 599; status++) {
        const struct answer *row = outcomes_by_code(&outcomes_rest, status);
        bool later = status >= 500 || status == 408 || status == 425 || status == 429 || status == 401 ||
                     status == 407 || status == 421 || status == 423;
        enum outcome_kind kind = status < 300 ? OUTCOME_DELIVERED
                                 : later      ? OUTCOME_DEFERRED
                                              : OUTCOME_REJECTED;
        bool overload = status == 408 || status == 429 || status == 503 || status == 504 || status == 529;
        if (row->kind != kind || ((row->marks & OVERLOAD) != 0) != overload)
            fail_msg("%d is %s, marks %d", status, outcome_kind_names[row->kind], row->marks);
        assert_false(row->marks & LOCAL); /* whoever answers was asked */
        assert_string_not_equal(row->reason, "unknown");
    }
}

static void every_exit_code_and_errno_has_its_row(void **state)
{
    (void)state;
    for (int code = 0; code <= 255; code++) {
        enum outcome_kind kind = code == 0                   ? OUTCOME_DELIVERED
                                 : code == 75 || code == 111 ? OUTCOME_DEFERRED
                                                             : OUTCOME_REJECTED;
        assert_int_equal(outcomes_by_code(&outcomes_exec, code)->kind, kind);
    }
    for (int error = 1; error < 134; error++)
        assert_string_not_equal(outcomes_by_code(&outcomes_file, error)->reason, "unknown");
    assert_string_equal(outcomes_by_code(&outcomes_file, ENOSPC)->reason, "full");
    assert_int_equal(outcomes_by_code(&outcomes_file, ENOSPC)->kind, OUTCOME_DEFERRED);
    assert_int_equal(outcomes_by_code(&outcomes_file, ENOTDIR)->kind, OUTCOME_REJECTED);
    static const struct {
        int error;
        enum outcome_kind kind;
        const char *reason;
    } rows[] = {
        {EDQUOT, OUTCOME_DEFERRED, "full"},
        {EACCES, OUTCOME_DEFERRED, "permission"},
        {EPERM, OUTCOME_DEFERRED, "permission"},
        {EROFS, OUTCOME_DEFERRED, "read_only"},
        {ENAMETOOLONG, OUTCOME_REJECTED, "path"},
        {ELOOP, OUTCOME_REJECTED, "path"},
        {EFBIG, OUTCOME_REJECTED, "too_large"},
        {ENOENT, OUTCOME_DEFERRED, "no_folder"},
        {EIO, OUTCOME_DEFERRED, "io"},
        {EMFILE, OUTCOME_DEFERRED, "system"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(outcomes_by_code(&outcomes_file, rows[i].error)->kind, rows[i].kind);
        assert_string_equal(outcomes_by_code(&outcomes_file, rows[i].error)->reason, rows[i].reason);
    }
}

static void every_class_of_sqlstates_has_its_kind(void **state)
{
    static const struct {
        const char *state, *reason;
        enum outcome_kind kind;
        bool overload;
    } cases[] = {
        {"00000", "written", OUTCOME_DELIVERED, false},
        {"08006", "connection", OUTCOME_DEFERRED, false},
        {"21000", "data", OUTCOME_REJECTED, false},
        {"22P02", "data", OUTCOME_REJECTED, false},
        {"23502", "constraint", OUTCOME_REJECTED, false},
        {"23505", "duplicate", OUTCOME_REJECTED, false},
        {"23P01", "constraint", OUTCOME_REJECTED, false},
        {"25006", "read_only", OUTCOME_DEFERRED, false},
        {"28P01", "login", OUTCOME_DEFERRED, false},
        {"3D000", "no_database", OUTCOME_DEFERRED, false},
        {"40001", "serialization", OUTCOME_DEFERRED, false},
        {"40P01", "deadlock", OUTCOME_DEFERRED, false},
        {"42501", "privilege", OUTCOME_DEFERRED, false},
        {"42P01", "no_table", OUTCOME_DEFERRED, false},
        {"42804", "statement", OUTCOME_DEFERRED, false},
        {"53300", "connections", OUTCOME_DEFERRED, true},
        {"53200", "resources", OUTCOME_DEFERRED, true},
        {"53100", "full", OUTCOME_DEFERRED, false},
        {"54000", "limit", OUTCOME_REJECTED, false},
        {"55P03", "lock", OUTCOME_DEFERRED, true},
        {"57014", "canceled", OUTCOME_DEFERRED, true},
        {"57P03", "shutdown", OUTCOME_DEFERRED, false},
        {"P0001", "raised", OUTCOME_REJECTED, false},
        {"XX000", "internal", OUTCOME_DEFERRED, false},
        {"F0000", "unknown", OUTCOME_DEFERRED, false},
        {"", "unknown", OUTCOME_DEFERRED, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct answer *row = outcomes_by_code(&outcomes_jdbc, sqlstate_code(cases[i].state));
        if (strcmp(row->reason, cases[i].reason) != 0 || row->kind != cases[i].kind ||
            ((row->marks & OVERLOAD) != 0) != cases[i].overload)
            fail_msg("%s is %s", cases[i].state, row->reason);
    }
    for (const struct answer *row = outcomes_jdbc.codes; row->reason; row++) {
        assert_non_null(outcomes_jdbc.code_text(row->first));
        assert_non_null(outcomes_jdbc.code_text(row->last));
    }
    assert_int_equal(sqlstate_number("23505"), 23505);
    assert_int_equal(sqlstate_number("08006"), 8006);
    assert_int_equal(sqlstate_number("40P01"), 0);
    assert_int_equal(sqlstate_code("2350"), -1);
    assert_int_equal(sqlstate_code("2350a"), -1);
}

static void of_amqp_only_what_is_about_the_message_is_rejected(void **state)
{
    (void)state;
    for (int code = 300; code <= 599; code++) {
        bool lasting = code == 311 || code == 312 || code == 313 || code == 406;
        assert_int_equal(outcomes_by_code(&outcomes_amqp, code)->kind,
                         lasting ? OUTCOME_REJECTED : OUTCOME_DEFERRED);
    }
    assert_string_equal(outcomes_by_code(&outcomes_amqp, 404)->reason, "amqp_404");
    assert_int_equal(outcomes_by_event(&outcomes_amqp, EVENT_BLOCKED)->marks, OVERLOAD);
    assert_int_equal(outcomes_by_event(&outcomes_amqp, EVENT_CONFIRMED)->kind, OUTCOME_DELIVERED);
}

static void of_smtp_what_lasts_is_rejected_but_for_the_login(void **state)
{
    (void)state;
    for (int code = 400; code <= 599; code++) {
        bool login = code == 530 || code == 534 || code == 535 || code == 538;
        const struct answer *row = outcomes_by_code(&outcomes_smtp, code);
        assert_int_equal(row->kind, code < 500 || login ? OUTCOME_DEFERRED : OUTCOME_REJECTED);
        assert_string_not_equal(row->reason, "unknown");
    }
    assert_string_equal(outcomes_by_code(&outcomes_smtp, 535)->reason, "smtp_535");
    assert_string_equal(outcomes_by_code(&outcomes_smtp, 499)->reason, "smtp_4xx");
}

static void of_sftp_only_what_no_operator_mends_is_rejected(void **state)
{
    (void)state;
    for (int code = 0; code <= 30; code++) {
        bool lasting = code == 8 || (code >= 19 && code <= 21);
        assert_int_equal(outcomes_by_code(&outcomes_sftp, code)->kind,
                         lasting ? OUTCOME_REJECTED : OUTCOME_DEFERRED);
    }
    assert_string_equal(outcomes_sftp.code_text(3), "permission_denied");
    assert_null(outcomes_sftp.code_text(99));
}

static void a_named_error_is_found_by_its_name(void **state)
{
    (void)state;
    assert_string_equal(outcomes_s3.code_text(outcomes_code(&outcomes_s3, "SlowDown")), "SlowDown");
    assert_int_equal(outcomes_code(&outcomes_s3, "http_503"), 0);
    assert_int_equal(outcomes_code(&outcomes_s3, ""), 0);
    assert_null(outcomes_s3.code_text(503));
    assert_string_equal(outcomes_hdfs.code_text(outcomes_code(&outcomes_hdfs, "StandbyException")),
                        "StandbyException");
    assert_int_equal(outcomes_code(&outcomes_hdfs, "OtherException"), 0);
    for (int status = 200; status <= 599; status++) {
        assert_string_not_equal(outcomes_by_code(&outcomes_s3, status)->reason, "unknown");
        if (status >= 300)
            assert_string_not_equal(outcomes_by_code(&outcomes_hdfs, status)->reason, "unknown");
    }
}

static void a_fault_is_found_by_its_code_and_that_of_security_by_its_subcode(void **state)
{
    static const struct {
        const char *code, *subcode, *reason;
        enum outcome_kind kind;
    } cases[] = {
        {"Server", "", "Server", OUTCOME_DEFERRED},
        {"Server.Busy", "", "Server", OUTCOME_DEFERRED},
        {"Client", "", "Client", OUTCOME_REJECTED},
        {"Client.Auth", "", "Client", OUTCOME_REJECTED},
        {"Client.Authentication", "", "Client.Authentication", OUTCOME_DEFERRED},
        {"Client", "Server", "Client", OUTCOME_REJECTED},
        {"Receiver", "InternalError", "Receiver", OUTCOME_DEFERRED},
        {"Sender", "BadArguments", "Sender", OUTCOME_REJECTED},
        {"Sender", "FailedAuthentication", "FailedAuthentication", OUTCOME_DEFERRED},
        {"MessageExpired", "", "MessageExpired", OUTCOME_DEFERRED},
        {"MustUnderstand", "", "MustUnderstand", OUTCOME_REJECTED},
        {"VersionMismatch", "", "VersionMismatch", OUTCOME_REJECTED},
        {"DataEncodingUnknown", "", "DataEncodingUnknown", OUTCOME_REJECTED},
        {"E42", "", "Fault", OUTCOME_REJECTED},
        {"", "", "Fault", OUTCOME_REJECTED},
        {"http_503", "", "Fault", OUTCOME_REJECTED},
        {"server", "", "Fault", OUTCOME_REJECTED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        int code = outcomes_soap_code(cases[i].code, cases[i].subcode);
        const struct answer *row = outcomes_by_code(&outcomes_soap, code);
        if (strcmp(row->reason, cases[i].reason) != 0 || row->kind != cases[i].kind)
            fail_msg("%s (%s) is %s", cases[i].code, cases[i].subcode, row->reason);
        assert_non_null(outcomes_soap.code_text(code));
    }
    for (int status = 200; status <= 599; status++)
        assert_string_equal(outcomes_by_code(&outcomes_soap, status)->reason,
                            outcomes_by_code(&outcomes_rest, status)->reason);
}

static void what_no_row_is_for_is_deferred_as_unknown(void **state)
{
    (void)state;
    assert_string_equal(outcomes_by_code(&outcomes_rest, 199)->reason, "unknown");
    assert_int_equal(outcomes_by_code(&outcomes_exec, -1)->kind, OUTCOME_DEFERRED);
    assert_string_equal(outcomes_by_event(&outcomes_null, EVENT_TLS)->reason, "unknown");
}

static void assert_rows(const struct answer *rows)
{
    for (const struct answer *row = rows; row->reason; row++) {
        assert_true(row->first <= row->last);
        assert_true(*row->reason && *row->meaning);
        assert_int_equal(row->marks & ~(OVERLOAD | LOCAL | GONE | HELD), 0);
        assert_true(!(row->marks & HELD) || (row->kind == OUTCOME_DEFERRED && (row->marks & LOCAL)));
        /* nobody is asked too much by what never reached him, and a success is no complaint */
        assert_int_not_equal(row->marks & (OVERLOAD | LOCAL), OVERLOAD | LOCAL);
        assert_true(row->kind != OUTCOME_DELIVERED || row->marks == 0);
        assert_true(!(row->marks & OVERLOAD) || row->kind == OUTCOME_DEFERRED);
        assert_true(!(row->marks & GONE) || (row->kind == OUTCOME_REJECTED && row->marks == GONE));
        for (const struct answer *before = rows; before < row; before++)
            if (before->first <= row->first && before->last >= row->last)
                fail_msg("%d to %d is hidden by %d to %d", row->first, row->last, before->first,
                         before->last);
    }
}

static void no_row_is_hidden_by_one_before_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(tables); i++) {
        assert_rows(tables[i]->codes);
        assert_rows(tables[i]->events);
    }
}

static void every_adapter_has_a_table(void **state)
{
    (void)state;
    for (int i = 0; i < PROTOCOL_COUNT; i++) {
        const struct adapter *adapter = adapter_for((enum protocol)i);
        if (adapter)
            assert_non_null(adapter->outcomes);
    }
    assert_ptr_equal(adapter_for(PROTOCOL_REST)->outcomes, &outcomes_rest);
    assert_string_equal(outcomes_file.code_text(ENOSPC), "ENOSPC");
}

static void an_outcome_that_is_set_anew_has_no_old_marks(void **state)
{
    struct outcome outcome;

    (void)state;
    outcome_init(&outcome);
    assert_false(outcome.overload || outcome.local);
    outcome.overload = outcome.local = true;
    outcome_set(&outcome, OUTCOME_DEFERRED, 0, "connect", "%s", "");
    assert_false(outcome.overload || outcome.local);
    outcome_release(&outcome);
}

static void a_redirect_is_named_by_its_host_alone(void **state)
{
    char location[500] = "http://";
    static const struct {
        const char *location, *shown;
    } cases[] = {
        {"https://other.example/a?key=s", "https://other.example"},
        {"https://other.example?key=s", "https://other.example"},
        {"HTTP://[2001:db8::1]:8080#s", "HTTP://[2001:db8::1]:8080"},
        {"//other.example/s", "//other.example"},
        {"http://me:s@other.example\\s", "http://other.example"},
        {"http://a@b@other.example/s@s", "http://other.example"},
        {"/s?key=s", "another path of the same host"},
        {"s", "another path of the same host"},
        {"", "another path of the same host"},
        {"javascript:s", "another path of the same host"},
        {"http:///s", "an address that is none"},
        {"http://me:s@", "an address that is none"},
        {"http://a\x1b[31mb/", "http://a?[31mb"},
    };
    char shown[300];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        http_head_redirect(cases[i].location, shown, sizeof shown);
        assert_string_equal(shown, cases[i].shown);
    }
    memset(location + strlen(location), 'a', 400);
    http_head_redirect(location, shown, sizeof shown);
    assert_string_equal(shown, "an address that is none");
}

static void a_status_line_and_a_field_are_read(void **state)
{
    (void)state;
    assert_int_equal(http_head_status("HTTP/1.1 200 OK"), 200);
    assert_int_equal(http_head_status("HTTP/2 503"), 503);
    assert_int_equal(http_head_status("HTTP/1.1 20"), 0);
    assert_int_equal(http_head_status("HTTP/1.1"), 0);
    assert_string_equal(http_head_field("retry-AFTER: \t5", "Retry-After:"), "5");
    assert_null(http_head_field("Retry-Afte", "Retry-After:"));
    assert_int_equal(http_head_retry_after_ms("5"), 5000);
    assert_int_equal(http_head_retry_after_ms("-5"), 0);
    assert_int_equal(http_head_retry_after_ms("-"), -1);
    assert_int_equal(http_head_retry_after_ms(""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_the_kind_of_the_contract),
        cmocka_unit_test(every_exit_code_and_errno_has_its_row),
        cmocka_unit_test(every_class_of_sqlstates_has_its_kind),
        cmocka_unit_test(of_amqp_only_what_is_about_the_message_is_rejected),
        cmocka_unit_test(of_smtp_what_lasts_is_rejected_but_for_the_login),
        cmocka_unit_test(of_sftp_only_what_no_operator_mends_is_rejected),
        cmocka_unit_test(a_named_error_is_found_by_its_name),
        cmocka_unit_test(a_fault_is_found_by_its_code_and_that_of_security_by_its_subcode),
        cmocka_unit_test(what_no_row_is_for_is_deferred_as_unknown),
        cmocka_unit_test(no_row_is_hidden_by_one_before_it),
        cmocka_unit_test(every_adapter_has_a_table),
        cmocka_unit_test(an_outcome_that_is_set_anew_has_no_old_marks),
        cmocka_unit_test(a_redirect_is_named_by_its_host_alone),
        cmocka_unit_test(a_status_line_and_a_field_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
