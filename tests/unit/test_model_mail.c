/*
 * Mails: addresses, texts that mails can carry, and that no value becomes a header field of its own
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "mail.h"
#include "mime.h"
#include "text.h"
#include "xalloc.h"

enum { ROOM = 4 * 1024 * 1024 };
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* What every mail server takes: ASCII, lines of at most 78 characters that end with CRLF. */
static void assert_lines(const struct buf *mail)
{
    size_t column = 0;

    assert_false(mail->overflow);
    for (size_t i = 0; i < mail->len; i++) {
        unsigned char c = (unsigned char)mail->data[i];
        if (c == '\r' && mail->data[i + 1] == '\n') {
            i++;
            column = 0;
            continue;
        }
        if ((c < ' ' && c != '\t') || c >= 0x7f)
            fail_msg("byte %02x at %zu of %s", c, i, mail->data);
        if (++column > 78)
            fail_msg("a line is longer: %.80s", mail->data + i - 78);
    }
    assert_int_equal(column, 0);
}

static void an_address_has_a_name_and_a_host(void **state)
{
    static const struct {
        const char *text, *name, *address;
    } good[] = {
        {"a@b.example", NULL, "a@b.example"},
        {"a+b.c_d@b-c.example", NULL, "a+b.c_d@b-c.example"},
        {"Reports <a@b.example>", "Reports", "a@b.example"},
        {"\"Reports, \\\"daily\\\"\" <a@b.example>", "Reports, \"daily\"", "a@b.example"},
        {"T\xc3\xa4glich <a@b.example>", "T\xc3\xa4glich", "a@b.example"},
        {"<a@b.example>", NULL, "a@b.example"},
        {"a < b <a@b.example>", "a < b", "a@b.example"},
    };
    static const char *const bad[] = {
        "",          "a",          "@b",           "a@",    "a@b@c",    "a b@c",      "a@b c",
        ".a@b",      "a.@b",       "a..b@c",       "a@.b",  "a@b.",     "a@b..c",     "a@b_c",
        "a@[1.2.3]", "a,b@c",      "<a@b",         "a@b>",  "A <a@b>x", "a@b\r\nc:d", "A\n<a@b>",
        "\xff<a@b>", "\xc3\xa4@b", "a@\xc3\xa4.b", "a<b@c", "(x)a@b",
    };
    struct mail_address address;
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (mail_address_parse(good[i].text, &address, &fault) < 0)
            fail_msg("%s: %s", good[i].text, fault.text);
        assert_string_equal(address.address, good[i].address);
        if (good[i].name)
            assert_string_equal(address.name, good[i].name);
        else
            assert_null(address.name);
        assert_string_equal(mail_address_domain(&address), strrchr(good[i].address, '@') + 1);
        mail_address_release(&address);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (mail_address_parse(bad[i], &address, &fault) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(fault.class, FAULT_INPUT);
        assert_null(address.address);
    }
    char *local = xasprintf("%065d@b.example", 0);
    assert_int_equal(mail_address_parse(local, &address, &fault), -1);
    assert_int_equal(mail_address_parse(local + 1, &address, &fault), 0);
    mail_address_release(&address);
    free(local);
}

static char *made(void (*make)(struct buf *, const char *), const char *text)
{
    struct buf out;

    buf_init(&out, ROOM);
    make(&out, text);
    assert_false(out.overflow);
    return buf_steal(&out, NULL);
}

static void subject(struct buf *out, const char *text)
{
    mime_add_text(out, 9, text);
}

static void filename(struct buf *out, const char *text)
{
    mime_add_parameter(out, "filename", text);
}

static void quoted(struct buf *out, const char *text)
{
    mime_add_quoted_printable(out, text, strlen(text));
}

struct made {
    const char *text, *made;
};

static void assert_made(void (*make)(struct buf *, const char *), const struct made *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *text = made(make, cases[i].text);
        assert_string_equal(text, cases[i].made);
        free(text);
    }
}

static void a_subject_is_encoded_where_ascii_will_not_do(void **state)
{
    static const struct made cases[] = {
        {"", ""},
        {"Report 5", "Report 5"},
        {"Gr\xc3\xbc\xc3\x9f"
         "e",
         "=?UTF-8?B?R3LDvMOfZQ==?="},
        {"=?UTF-8?B?eA==?=",
         "=?UTF-8?B?PT9VVEYtOD9CP2VBPT0/PQ==?="}, /* what looks like it is shown as it is */
        {" a", "=?UTF-8?B?IGE=?="},
        {"a\r\nBcc: c@h.x", "=?UTF-8?B?YSAgQmNjOiBjQGgueA==?="}, /* a second line of defence */
        {"one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen",
         "one two three four five six seven eight nine ten eleven twelve\r\n thirteen fourteen fifteen"},
        /* no code point is cut: the 36 bytes of a word end inside of the 12th one */
        {"ab\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
         "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac",
         "=?UTF-8?B?YWLigqzigqzigqzigqzigqzigqzigqzigqzigqzigqzigqw=?=\r\n =?UTF-8?B?4oKs?="},
    };

    (void)state;
    assert_made(subject, cases, COUNT(cases));
}

static void a_name_of_a_file_is_quoted_or_encoded(void **state)
{
    static const struct made cases[] = {
        {"a.json", ";\r\n filename=\"a.json\""},
        {"a \"b\" \\.json", ";\r\n filename=\"a \\\"b\\\" \\\\.json\""},
        {"\xc3\xbc.json", ";\r\n filename*=UTF-8''%C3%BC.json"},
        {"a-name-that-is-much-longer-than-what-goes-into-one-line-of-a-header.json",
         ";\r\n filename*0*=UTF-8''a-name-that-is-much-longer-than-what-goes-into-one"
         ";\r\n filename*1*=-line-of-a-header.json"},
        /* no escape is cut, at either of its bytes */
        {"0123456789012345678901234567890123456789012345678\xc3\xbc",
         ";\r\n filename*0*=UTF-8''0123456789012345678901234567890123456789012345678;\r\n "
         "filename*1*=%C3%BC"},
        {"012345678901234567890123456789012345678901234567\xc3\xbc",
         ";\r\n filename*0*=UTF-8''012345678901234567890123456789012345678901234567;\r\n filename*1*=%C3%BC"},
    };

    (void)state;
    assert_made(filename, cases, COUNT(cases));
}

static void quoted_printable_keeps_lines_and_escapes_the_rest(void **state)
{
    static const struct made cases[] = {
        {"", ""},
        {"a\n", "a\r\n"},
        {"a\r\nb\n", "a\r\nb\r\n"},
        {"a", "a=\r\n"},
        {"a=b\xc3\xbc\n", "a=3Db=C3=BC\r\n"},
        {"a \nb\t\n \n", "a=20\r\nb=09\r\n=20\r\n"},
        {"a\rb\n", "a=0Db\r\n"},
        {"0123456789012345678901234567890123456789012345678901234567890123456789012345678\n",
         "012345678901234567890123456789012345678901234567890123456789012345678901234=\r\n5678\r\n"},
        {"01234567890123456789012345678901234567890123456789012345678901234567890123=\n",
         "01234567890123456789012345678901234567890123456789012345678901234567890123=\r\n=3D\r\n"},
    };

    (void)state;
    assert_made(quoted, cases, COUNT(cases));
}

static void what_people_cannot_read_is_not_quoted(void **state)
{
    (void)state;
    assert_true(mime_is_readable("", 0));
    assert_true(mime_is_readable("{\"a\": 1}\r\n\t", 11));
    assert_true(mime_is_readable("Gr\xc3\xbc\xc3\x9f"
                                 "e, ein wenig Text",
                                 22));
    assert_false(mime_is_readable("\xc3\xbc\xc3\xbc", 4));
    assert_false(mime_is_readable("a\0b", 3));
    assert_false(mime_is_readable("a and so on \xff", 13));
    assert_false(mime_is_readable("\x1b[31m", 5));
}

/* A mail */

static struct mail mail_of(const char *body)
{
    struct mail mail = {.subject = "Report",
                        .message_id = "0190b2c4-0000-7000-8000-000000000001",
                        .date_us = INT64_C(1705312800000000),
                        .content_type = "application/json",
                        .body = body,
                        .body_size = strlen(body)};

    assert_int_equal(mail_addresses_add(&mail.from, "Reports <reports@example.com>", NULL), 0);
    assert_int_equal(mail_addresses_add(&mail.to, "a@example.org", NULL), 0);
    return mail;
}

static void end(struct mail *mail)
{
    mail_addresses_release(&mail->from);
    mail_addresses_release(&mail->to);
    mail_addresses_release(&mail->cc);
    mail_addresses_release(&mail->reply_to);
}

/* Composed, for free(); the mail is released. */
static char *composed(struct mail *mail)
{
    struct fault fault = {0};
    struct buf out;

    buf_init(&out, ROOM);
    if (mail_compose(mail, &out, &fault) < 0)
        fail_msg("%s", fault.text);
    assert_lines(&out);
    end(mail);
    return buf_steal(&out, NULL);
}

static void a_report_is_the_body_of_a_mail(void **state)
{
    struct mail mail = mail_of("{\"a\": \"\xc3\xbc\"}\n");

    (void)state;
    mail_addresses_add(&mail.to, "\"B, C\" <b@example.org>", NULL);
    mail_addresses_add(&mail.cc, "c@example.org", NULL);
    mail_addresses_add(&mail.reply_to, "d@example.org", NULL);
    char *text = composed(&mail);
    assert_string_equal(text, "Date: Mon, 15 Jan 2024 10:00:00 +0000\r\n"
                              "From: \"Reports\"\r\n <reports@example.com>\r\n"
                              "To: a@example.org,\r\n \"B, C\"\r\n <b@example.org>\r\n"
                              "Cc: c@example.org\r\n"
                              "Reply-To: d@example.org\r\n"
                              "Subject: Report\r\n"
                              "Message-ID: <0190b2c4-0000-7000-8000-000000000001@example.com>\r\n"
                              "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                              "Content-Type: application/json\r\n"
                              "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                              "{\"a\": \"=C3=BC\"}\r\n");
    free(text);
}

static void an_attachment_keeps_every_byte(void **state)
{
    static const char bytes[] = "\0\1\r\n.\r\n--=_\xff";
    struct mail mail = mail_of("");

    (void)state;
    mail.body = bytes;
    mail.body_size = sizeof bytes - 1;
    mail.content_type = "application/pdf";
    mail.filename = "report.pdf";
    mail.text = "It is attached.\n";
    char *text = composed(&mail), *parts = strstr(text, "Content-Type: multipart");
    assert_string_equal(
        parts,
        "Content-Type: multipart/mixed;\r\n boundary=\"=_0190b2c4-0000-7000-8000-000000000001\"\r\n\r\n"
        "--=_0190b2c4-0000-7000-8000-000000000001\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        "It is attached.\r\n\r\n"
        "--=_0190b2c4-0000-7000-8000-000000000001\r\n"
        "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment;\r\n filename=\"report.pdf\"\r\n\r\n"
        "AAENCi4NCi0tPV//\r\n\r\n"
        "--=_0190b2c4-0000-7000-8000-000000000001--\r\n");
    free(text);
}

static void a_body_of_any_bytes_and_sizes_becomes_short_lines_of_ascii(void **state)
{
    char body[700];
    unsigned random = 1;

    (void)state;
    for (size_t size = 0; size < sizeof body; size++) {
        struct mail mail = mail_of("");
        for (size_t i = 0; i < size; i++) {
            random = random * 1103515245 + 12345;
            body[i] = size % 2 ? (char)(random >> 16) : "a =\n\r\t.b"[random >> 16 & 7];
        }
        mail.body = body;
        mail.body_size = size;
        free(composed(&mail));
    }
}

static void a_compressed_report_is_one_of_gzip(void **state)
{
    struct mail mail = mail_of("\x1f\x8b");
    json_t *headers = json_pack("{s:s}", "Content-Encoding", "gzip");

    (void)state;
    mail.headers = headers;
    mail.filename = "report.json";
    char *text = composed(&mail);
    assert_non_null(strstr(text, "Content-Type: application/gzip\r\n"));
    assert_non_null(strstr(text, "filename=\"report.json.gz\""));
    assert_null(strstr(text, "Content-Encoding"));
    free(text);
    json_decref(headers);
}

static void a_text_says_its_charset(void **state)
{
    struct mail mail = mail_of("a,b\n"), other = mail_of("a,b\n"), bytes = mail_of("a\xff\n");

    (void)state;
    mail.content_type = "text/csv";
    char *text = composed(&mail);
    assert_non_null(strstr(text, "Content-Type: text/csv; charset=utf-8\r\n"));
    free(text);
    other.content_type = "text/csv; charset=iso-8859-1";
    text = composed(&other);
    assert_non_null(strstr(text, "Content-Type: text/csv; charset=iso-8859-1\r\n"));
    free(text);
    bytes.content_type = "text/csv";
    text = composed(&bytes);
    assert_non_null(strstr(text, "Content-Type: text/csv\r\nContent-Transfer-Encoding: base64\r\n"));
    free(text);
}

static void fields_of_the_format_are_added_and_none_of_ours_is_replaced(void **state)
{
    struct mail mail = mail_of("{}\n");
    json_t *headers = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "ce-id", "1", "ce-subject", "\xc3\xbc",
                                "subject", "x", "Bcc", "c@h.x", "content-type", "text/html", "a b", "x");

    (void)state;
    mail.headers = headers;
    char *text = composed(&mail);
    assert_non_null(strstr(text, "\r\nce-id: 1\r\nce-subject: =?UTF-8?B?w7w=?=\r\nAuto-Submitted:"));
    assert_null(strstr(text, "Bcc"));
    assert_null(strstr(text, "text/html"));
    assert_null(strstr(text, "subject: x"));
    free(text);
    json_decref(headers);
}

static void no_value_becomes_a_field_of_its_own(void **state)
{
    static const char injection[] = "a\r\nBcc: c@h.x", line_feed[] = "a\nBcc: c@h.x";
    struct fault fault;
    struct buf out;

    (void)state;
    buf_init(&out, ROOM);
    for (int i = 0; i < 5; i++) {
        struct mail mail = mail_of("{}\n");
        const char **values[] = {&mail.subject, &mail.content_type, &mail.filename};
        if (i < 3)
            *values[i] = injection;
        else
            *values[i - 3] = line_feed;
        assert_int_equal(mail_compose(&mail, &out, &fault), -1);
        assert_int_equal(fault.class, FAULT_INPUT);
        end(&mail);
    }
    struct mail mail = mail_of("{}\n");
    json_t *headers = json_pack("{s:s}", "ce-id", injection);
    mail.headers = headers;
    char *text = composed(&mail);
    assert_null(strstr(text, "Bcc"));
    free(text);
    json_decref(headers);
    buf_release(&out);
}

static void a_mail_that_is_too_large_is_a_fault(void **state)
{
    struct mail mail = mail_of("{}\n");
    struct fault fault;
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    assert_int_equal(mail_compose(&mail, &out, &fault), -1);
    assert_string_equal(fault.text, "the mail is larger than 100 bytes");
    buf_release(&out);
    end(&mail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_a_name_and_a_host),
        cmocka_unit_test(a_subject_is_encoded_where_ascii_will_not_do),
        cmocka_unit_test(a_name_of_a_file_is_quoted_or_encoded),
        cmocka_unit_test(quoted_printable_keeps_lines_and_escapes_the_rest),
        cmocka_unit_test(what_people_cannot_read_is_not_quoted),
        cmocka_unit_test(a_report_is_the_body_of_a_mail),
        cmocka_unit_test(an_attachment_keeps_every_byte),
        cmocka_unit_test(a_body_of_any_bytes_and_sizes_becomes_short_lines_of_ascii),
        cmocka_unit_test(a_compressed_report_is_one_of_gzip),
        cmocka_unit_test(a_text_says_its_charset),
        cmocka_unit_test(fields_of_the_format_are_added_and_none_of_ours_is_replaced),
        cmocka_unit_test(no_value_becomes_a_field_of_its_own),
        cmocka_unit_test(a_mail_that_is_too_large_is_a_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
