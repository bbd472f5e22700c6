/*
 * SOAP as bytes: envelopes around reports, blocks in headers of strangers, and faults as servers write them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "buf.h"
#include "digest.h"
#include "soap_envelope.h"
#include "soap_fault.h"
#include "soap_header.h"
#include "text.h"
#include "xalloc.h"
#include "xml_document.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define NS11 "http://schemas.xmlsoap.org/soap/envelope/"
#define NS12 "http://www.w3.org/2003/05/soap-envelope"
#define WSSE SOAP_SECURITY_NAMESPACE
#define WSU "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
#define TOKEN "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#Password"

enum { OUT_MAX = 4 * 1024 * 1024 };

/* --- envelopes ----------------------------------------------------------------------------------------- */

/* What is sent, for free(); the fault with "! " in front where it is refused. */
static char *enveloped_as(const char *text, size_t size, const char *charset, enum soap_version version,
                          const char *blocks, char encoding[SOAP_ENCODING_SIZE])
{
    char *exact = xmemdupz(text, size);
    const struct soap_report report = {.data = exact, .size = size, .charset = charset};
    struct soap_envelope envelope = {0};
    struct fault fault = {0};
    char *out;

    if (soap_envelope_make(&report, version, blocks, &envelope, &fault) == 0) {
        out = xmemdupz(envelope.data, envelope.size);
        if (encoding)
            text_copy(encoding, SOAP_ENCODING_SIZE, envelope.encoding);
    } else {
        assert_int_equal(fault.class, FAULT_INPUT);
        out = xasprintf("! %s", fault.text);
    }
    soap_envelope_release(&envelope);
    free(exact);
    return out;
}

static void assert_enveloped(const char *text, enum soap_version version, const char *blocks,
                             const char *wanted)
{
    char *out = enveloped_as(text, strlen(text), NULL, version, blocks, NULL);

    if (*wanted == '!' ? !strstr(out, wanted + 2) || *out != '!' : strcmp(out, wanted) != 0)
        fail_msg("%s\n became\n%s\n not\n%s", text, out, wanted);
    free(out);
}

#define DECLARATION "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
#define OPEN12 DECLARATION "<soap:Envelope xmlns:soap=\"" NS12 "\">"
#define CLOSE "</soap:Body></soap:Envelope>"

static void a_report_becomes_the_content_of_a_body(void **state)
{
    static const struct {
        const char *report, *content;
    } cases[] = {
        {"<a/>", "<a/>"},
        {"\xef\xbb\xbf<a b='>'>x</a>\n", "<a b='>'>x</a>"},
        {"<?xml version='1.0'?>\n<!-- <b/> --><?pi <c/> ?>\n<p:a xmlns:p='urn:p'><p:b/></p:a> \r\n",
         "<p:a xmlns:p='urn:p'><p:b/></p:a>"},
        {"<Envelope><Body/></Envelope>", "<Envelope><Body/></Envelope>"},
        {"<e:Envelope xmlns:e='urn:other'/>", "<e:Envelope xmlns:e='urn:other'/>"},
        {"<a>\xc3\xa9<![CDATA[]]></a><!-- end -->", "<a>\xc3\xa9<![CDATA[]]></a><!-- end -->"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *plain = xasprintf(OPEN12 "<soap:Body>%s" CLOSE, cases[i].content);
        char *more = xasprintf(OPEN12 "<soap:Header><h/></soap:Header><soap:Body>%s" CLOSE, cases[i].content);
        assert_enveloped(cases[i].report, SOAP_1_2, "", plain);
        assert_enveloped(cases[i].report, SOAP_1_2, "<h/>", more);
        free(plain);
        free(more);
    }
    assert_enveloped("<a/>", SOAP_1_1, "",
                     DECLARATION "<soap:Envelope xmlns:soap=\"" NS11 "\"><soap:Body><a/>" CLOSE);
}

static void blocks_go_into_the_header_of_an_envelope(void **state)
{
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"<e:Envelope xmlns:e='" NS12 "'><e:Body/></e:Envelope>",
         "<e:Envelope xmlns:e='" NS12 "'><e:Header><h/></e:Header><e:Body/></e:Envelope>"},
        {"<?xml version='1.0'?>\n<Envelope xmlns='" NS12 "'>\n <Body/></Envelope>\n",
         "<?xml version='1.0'?>\n<Envelope xmlns='" NS12 "'>\n <Header><h/></Header><Body/></Envelope>\n"},
        {"<e:Envelope xmlns:e='" NS12 "'><e:Header/><e:Body/></e:Envelope>",
         "<e:Envelope xmlns:e='" NS12 "'><e:Header><h/></e:Header><e:Body/></e:Envelope>"},
        {"<e:Envelope xmlns:e='" NS12 "'><e:Header a='/' /><e:Body/></e:Envelope>",
         "<e:Envelope xmlns:e='" NS12 "'><e:Header a='/' ><h/></e:Header><e:Body/></e:Envelope>"},
        {"<e:Envelope xmlns:e='" NS12 "'><!-- <e:Header> --><f:Header xmlns:f='" NS12
         "'><x y='>'/></f:Header><e:Body/></e:Envelope>",
         "<e:Envelope xmlns:e='" NS12 "'><!-- <e:Header> --><f:Header xmlns:f='" NS12
         "'><h/><x y='>'/></f:Header><e:Body/></e:Envelope>"},
        {"<e:Envelope xmlns:e='" NS12 "'><e:Body>",
         "<e:Envelope xmlns:e='" NS12 "'><e:Header><h/></e:Header><e:Body>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_enveloped(cases[i].before, SOAP_1_2, "", cases[i].before); /* byte for byte */
        assert_enveloped(cases[i].before, SOAP_1_2, "<h/>", cases[i].after);
        assert_enveloped(cases[i].before, SOAP_1_1, "<h/>", "! it is an envelope of SOAP 1.2");
        assert_enveloped(cases[i].before, SOAP_1_1, "", "! it is an envelope of SOAP 1.2");
    }
}

static void what_no_envelope_can_be_made_of_is_refused(void **state)
{
    static const struct {
        const char *text, *blocks, *why;
    } cases[] = {
        {"", "", "! "},
        {"{}", "", "! this is no XML"},
        {"<a", "", "! "},
        {"text", "", "! this is no XML"},
        {"<!DOCTYPE a [<!ENTITY x 'y'>]><a/>", "", "! a DOCTYPE is not taken"},
        {"<e:a/>", "", "! Namespace prefix e"},
        {"<a b='1' b='2'/>", "", "! "},
        {"<?xml version='1.0' encoding='koi8-r'?><a/>", "", "! the encoding 'koi8-r' is not taken"},
        {"<?xml version='1.0' encoding='utf-16'?><a/>", "", "! UTF-16"},
        {"<e:Envelope xmlns:e='" NS12 "'/>", "<h/>", "! an envelope without a body"},
        {"<e:Envelope xmlns:e='" NS12 "'> </e:Envelope>", "<h/>", "! an envelope without a body"},
        {"<e:Envelope xmlns:e='" NS12 "'><e:Header><s:Security xmlns:s='" WSSE "'/></e:Header></e:Envelope>",
         "<wsse:Security xmlns:wsse='" WSSE "'/>",
         "! the header of the envelope has a 'Security' of its own"},
        {"<e:Envelope xmlns:e='" NS12 "'><e:Header><MessageID xmlns='" SOAP_ADDRESSING_NAMESPACE
         "'/></e:Header></e:Envelope>",
         "<a:To xmlns:a='" SOAP_ADDRESSING_NAMESPACE "'/>",
         "! the header of the envelope has a 'MessageID' of its own"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_enveloped(cases[i].text, SOAP_1_2, cases[i].blocks, cases[i].why);
    char *out = enveloped_as("\xff\xfe<\0a\0/\0>\0", 10, NULL, SOAP_1_2, "", NULL);
    assert_non_null(strstr(out, "UTF-16"));
    free(out);
    out = enveloped_as("<a/>\0", 5, NULL, SOAP_1_2, "", NULL);
    assert_string_equal(out, "! there is a NUL in it");
    free(out);
    out = enveloped_as("\xef\xbb\xbf", 3, NULL, SOAP_1_2, "", NULL); /* nothing behind a mark */
    assert_int_equal(out[0], '!');
    free(out);
    out = enveloped_as("<\0a\0/\0>\0", 8, NULL, SOAP_1_2, "", NULL);
    assert_int_equal(out[0], '!');
    free(out);
}

static void an_envelope_keeps_blocks_of_other_kinds(void **state)
{
    (void)state;
    assert_enveloped("<e:Envelope xmlns:e='" NS12 "'><e:Header><s:Security xmlns:s='" WSSE
                     "'/></e:Header></e:Envelope>",
                     SOAP_1_2, "<a:To xmlns:a='" SOAP_ADDRESSING_NAMESPACE "'/>",
                     "<e:Envelope xmlns:e='" NS12 "'><e:Header><a:To xmlns:a='" SOAP_ADDRESSING_NAMESPACE
                     "'/><s:Security xmlns:s='" WSSE "'/></e:Header></e:Envelope>");
}

static void the_encoding_of_a_report_is_that_of_its_envelope(void **state)
{
    static const struct {
        const char *text, *charset, *encoding;
    } cases[] = {
        {"<a>x</a>", NULL, "utf-8"},
        {"<a>x</a>", "UTF-8", "utf-8"},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>", NULL, "ISO-8859-1"},
        {"<?xml version='1.0' encoding=\"windows-1252\"?><a>\x80</a>", "utf-8", "windows-1252"},
        {"<a>\xe9</a>", "iso-8859-1", "iso-8859-1"},
        {"\xef\xbb\xbf<a>\xc3\xa9</a>", "iso-8859-1", "utf-8"},
    };
    char encoding[SOAP_ENCODING_SIZE], *out;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct xml_limits limits = {1000, 100};
        struct fault fault = {0};
        out =
            enveloped_as(cases[i].text, strlen(cases[i].text), cases[i].charset, SOAP_1_1, "<h/>", encoding);
        assert_string_equal(encoding, cases[i].encoding);
        xmlDoc *document = xml_document(out, strlen(out), NULL, &limits, &fault);
        if (!document)
            fail_msg("%s: %s", out, fault.text);
        xmlFreeDoc(document);
        free(out);
    }
    out = enveloped_as("<a/>", 4, "x-odd", SOAP_1_1, "", NULL);
    assert_string_equal(out, "! line 1: the encoding 'x-odd' is not taken");
    free(out);
}

/* A head that is too long is refused; a body may be of any size, and is not looked through. */
static void only_the_head_is_read(void **state)
{
    static const char open[] = "<e:Envelope xmlns:e='" NS11 "'>";
    struct buf text;

    (void)state;
    buf_init(&text, OUT_MAX);
    buf_adds(&text, open);
    while (text.len < SOAP_HEAD_MAX)
        buf_adds(&text, "<!-- a comment -->");
    buf_adds(&text, "<e:Body/></e:Envelope>");
    char *out = enveloped_as(text.data, text.len, NULL, SOAP_1_1, "<h/>", NULL);
    assert_string_equal(out, "! the body of the envelope does not begin within 262144 bytes");
    free(out);
    buf_clear(&text);
    buf_adds(&text, "<big>");
    while (text.len < 2 * SOAP_HEAD_MAX)
        buf_adds(&text, "<item/>");
    buf_adds(&text, "</big>");
    out = enveloped_as(text.data, text.len, NULL, SOAP_1_1, "<h/>", NULL);
    assert_non_null(strstr(out, text.data));
    assert_string_equal(out + strlen(out) - strlen(CLOSE), CLOSE);
    free(out);
    buf_release(&text);
}

/* --- headers ------------------------------------------------------------------------------------------- */

static struct soap_token make_token(bool digest, bool timestamp)
{
    struct soap_token token = {.username = "j<\xc3\xa9>",
                               .password = "p\xc3\xa4ss<w&rd",
                               .digest = digest,
                               .timestamp = timestamp,
                               .created_us = 1705312800123000,
                               .lifetime_ms = 300000};
    for (size_t i = 0; i < sizeof token.nonce; i++)
        token.nonce[i] = (unsigned char)i;
    return token;
}

static void a_digest_is_that_of_the_profile(void **state)
{
    static const char nonce[] = "d36e316282959a9ed4c89851497a717f", created[] = "2003-12-15T14:43:07Z",
                      password[] = "taadtaadpstcsm";
    const struct digest_part parts[] = {
        {nonce, strlen(nonce)}, {created, strlen(created)}, {password, strlen(password)}};
    const struct soap_token token = make_token(true, true);
    unsigned char digest[DIGEST_SHA1_SIZE];
    char proof[SOAP_PROOF_SIZE];
    struct buf out;

    (void)state;
    buf_init(&out, OUT_MAX);
    digest_sha1(parts, COUNT(parts), digest);
    text_add_base64(&out, digest, sizeof digest);
    assert_string_equal(out.data, "quR/EWLAV4xLf9Zqyw4pDmfV9OY=");
    buf_clear(&out);
    assert_int_equal(soap_header_add_security(&out, &token, SOAP_1_1, proof, NULL), 0);
    assert_string_equal(proof, "1m3S2fVUDgWQkScahAeKQzpA/9k=");
    assert_string_equal(
        out.data,
        "<wsse:Security xmlns:wsse=\"" WSSE "\" xmlns:wsu=\"" WSU "\" xmlns:soap=\"" NS11
        "\" soap:mustUnderstand=\"1\"><wsu:Timestamp><wsu:Created>2024-01-15T10:00:00.123Z</wsu:Created>"
        "<wsu:Expires>2024-01-15T10:05:00.123Z</wsu:Expires></wsu:Timestamp><wsse:UsernameToken>"
        "<wsse:Username>j&#60;&#233;&#62;</wsse:Username><wsse:Password Type=\"" TOKEN
        "Digest\">1m3S2fVUDgWQkScahAeKQzpA/9k=</wsse:Password><wsse:Nonce "
        "EncodingType=\"http://docs.oasis-open.org/wss/2004/01/"
        "oasis-200401-wss-soap-message-security-1.0#Base64Binary\">AAECAwQFBgcICQoLDA0ODw==</wsse:Nonce>"
        "<wsu:Created>2024-01-15T10:00:00.123Z</wsu:Created></wsse:UsernameToken></wsse:Security>");
    buf_release(&out);
}

static void a_password_as_text_is_escaped(void **state)
{
    struct soap_token token = make_token(false, false);
    char proof[SOAP_PROOF_SIZE];
    struct fault fault = {0};
    struct buf out;

    (void)state;
    buf_init(&out, OUT_MAX);
    assert_int_equal(soap_header_add_security(&out, &token, SOAP_1_2, proof, NULL), 0);
    assert_string_equal(proof, "");
    assert_non_null(
        strstr(out.data, "#PasswordText\">p&#228;ss&#60;w&#38;rd</wsse:Password></wsse:UsernameToken>"));
    assert_null(strstr(out.data, "Timestamp"));
    assert_null(strstr(out.data, "Nonce"));
    static const char *const bad[] = {"a\x01", "\xff", "a\xef\xbf\xbe"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        token.password = bad[i];
        assert_int_equal(soap_header_add_security(&out, &token, SOAP_1_2, proof, &fault), -1);
        assert_int_equal(fault.class, FAULT_CONFIG);
        assert_string_equal(fault.text, "the password has a character that XML does not have");
    }
    buf_release(&out);
}

static void addressing_says_where_to_what_and_which(void **state)
{
    const struct soap_address address = {.to = "https://h/?a=1&b=2", .action = "urn:a", .message_id = "0190"};
    struct buf out;

    (void)state;
    buf_init(&out, OUT_MAX);
    assert_int_equal(soap_header_add_addressing(&out, &address, SOAP_1_2, NULL), 0);
    assert_non_null(strstr(out.data, ">urn:a</wsa:Action>"));
    assert_non_null(strstr(out.data, ">https://h/?a=1&#38;b=2</wsa:To>"));
    assert_non_null(strstr(out.data, ">urn:uuid:0190</wsa:MessageID>"));
    buf_release(&out);
}

/* --- faults -------------------------------------------------------------------------------------------- */

#define E11(body)                                                                                            \
    "<?xml version='1.0'?><S:Envelope xmlns:S='" NS11 "'><S:Header><x>S</x></S:Header><S:Body>" body         \
    "</S:Body></S:Envelope>"
#define E12(body) "<Envelope xmlns='" NS12 "'><Body>" body "</Body></Envelope>"

static void a_fault_is_read_as_servers_write_it(void **state)
{
    static const struct {
        const char *text;
        struct soap_fault said;
    } cases[] = {
        {E11("<S:Fault><faultcode>S:Server</faultcode><faultstring>no \n  disk</faultstring></S:Fault>"),
         {"Server", "", "no disk"}},
        {E11("<S:Fault><faultcode>SOAP-ENV:Client.Auth</faultcode><faultstring xml:lang='en'>a&lt;b"
             "<![CDATA[&]]></faultstring><detail><faultcode>x</faultcode></detail></S:Fault>"),
         {"Client.Auth", "", "a<b&"}},
        {E11("<S:Fault><S:Code><S:Value>SOAP-ENV:Client</S:Value><S:Subcode><S:Value>AuthenticationFailure"
             "</S:Value></S:Subcode></S:Code><S:Reason><S:Text>no</S:Text></S:Reason></S:Fault>"),
         {"Client", "AuthenticationFailure", "no"}},
        {E12("<Fault><Code><Value>\n "
             "env:Sender\n</Value><Subcode><Value>w:FailedAuthentication</Value><Subcode>"
             "<Value>deep</Value></Subcode></Subcode></Code><Reason><Text "
             "xml:lang='it'>no</Text><Text>nein</Text>"
             "</Reason><Detail><Code><Value>x</Value></Code></Detail></Fault>"),
         {"Sender", "FailedAuthentication", "no"}},
        {E12("<Fault/>"), {"", "", ""}},
        {E12("<Fault><Codes><Value>x</Value></Codes><faultstringlong>x</faultstringlong></Fault>"),
         {"", "", ""}},
        {E12("<Fault><Reason><Text>a\xe2\x80\xae\x7f</Text></Reason></Fault>"), {"", "", "a\xe2\x80\xae?"}},
        /* broken off behind what matters */
        {"<S:Envelope xmlns:S='" NS11 "'><S:Body><S:Fault><faultcode>S:Server</faultcode><faultstring>x",
         {"Server", "", "x"}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct soap_fault said;
        char *exact = xmemdupz(cases[i].text, strlen(cases[i].text));
        assert_int_equal(soap_fault_read(exact, strlen(exact), &said), SOAP_FAULT);
        assert_string_equal(said.code, cases[i].said.code);
        assert_string_equal(said.subcode, cases[i].said.subcode);
        if (strncmp(said.reason, cases[i].said.reason, 3) != 0)
            fail_msg("'%s', not '%s'", said.reason, cases[i].said.reason);
        free(exact);
    }
}

static void what_is_no_fault_is_none(void **state)
{
    static const struct {
        const char *text;
        enum soap_answer answer;
    } cases[] = {
        {"", SOAP_NO_ENVELOPE},
        {"ok", SOAP_NO_ENVELOPE},
        {"<html><body>Fault</body></html>", SOAP_NO_ENVELOPE},
        {"<!DOCTYPE a []>" E12("<Fault/>"), SOAP_NO_ENVELOPE},
        {"<Envelope xmlns='urn:x'><Body><Fault/></Body></Envelope>", SOAP_NO_ENVELOPE},
        {"<Fault xmlns='" NS12 "'/>", SOAP_NO_ENVELOPE},
        {E12(""), SOAP_REPLY},
        {E12("<r/><Fault/>"), SOAP_REPLY},
        {E12("<Fault xmlns='urn:mine'/>"), SOAP_REPLY},
        {E12("<f:Fault xmlns:f='" NS11 "'/>"), SOAP_REPLY},
        {"<Envelope xmlns='" NS12 "'><Header><Fault/></Header><Body><r><Fault/></r></Body></Envelope>",
         SOAP_REPLY},
        {"<Envelope xmlns='" NS12 "'><Header><Fault/>", SOAP_REPLY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct soap_fault said;
        if (soap_fault_read(cases[i].text, strlen(cases[i].text), &said) != cases[i].answer)
            fail_msg("%s", cases[i].text);
        assert_string_equal(said.code, "");
    }
}

static void texts_of_a_fault_are_cut_at_a_character(void **state)
{
    struct soap_fault said;
    struct buf text;

    (void)state;
    buf_init(&text, OUT_MAX);
    buf_adds(&text, "<E:Envelope xmlns:E='" NS12 "'><E:Body><E:Fault><E:Code><E:Value>");
    for (int i = 0; i < 1000; i++)
        buf_adds(&text, "\xe2\x82\xac");
    buf_adds(&text, "</E:Value></E:Code><E:Reason><E:Text>");
    for (int i = 0; i < 300000; i++)
        buf_adds(&text, "\xc3\xa9");
    assert_int_equal(soap_fault_read(text.data, text.len, &said), SOAP_FAULT);
    assert_int_equal(strlen(said.code), 99);
    assert_int_equal(strlen(said.reason), 298);
    assert_true(text_is_utf8(said.reason, strlen(said.reason), NULL));
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_becomes_the_content_of_a_body),
        cmocka_unit_test(blocks_go_into_the_header_of_an_envelope),
        cmocka_unit_test(what_no_envelope_can_be_made_of_is_refused),
        cmocka_unit_test(an_envelope_keeps_blocks_of_other_kinds),
        cmocka_unit_test(the_encoding_of_a_report_is_that_of_its_envelope),
        cmocka_unit_test(only_the_head_is_read),
        cmocka_unit_test(a_digest_is_that_of_the_profile),
        cmocka_unit_test(a_password_as_text_is_escaped),
        cmocka_unit_test(addressing_says_where_to_what_and_which),
        cmocka_unit_test(a_fault_is_read_as_servers_write_it),
        cmocka_unit_test(what_is_no_fault_is_none),
        cmocka_unit_test(texts_of_a_fault_are_cut_at_a_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
