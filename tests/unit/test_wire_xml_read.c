/*
 * XML from strangers: what libxml2 would take hours for, and encodings that it would fetch
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "buf.h"
#include "xalloc.h"
#include "xml_read.h"

enum { TEXT_MAX = 64 * 1024 * 1024, CPU_MAX_MS = 5000 };

static const struct xml_reading reading = {.max_nodes = 500000, .max_depth = 100, .keep_root = true};

/* "" where it is taken. */
static const char *read_bytes(const char *text, size_t size)
{
    static char out[sizeof((struct fault *)NULL)->text];
    char *exact = xmemdupz(text, size);
    struct fault fault = {0};
    struct buf json;

    buf_init(&json, TEXT_MAX);
    const int result = xml_read(exact, size, &reading, &json, &fault);
    assert_int_equal(result < 0, fault.text[0] != '\0');
    if (result < 0)
        assert_int_equal(fault.class, FAULT_INPUT);
    snprintf(out, sizeof out, "%s", fault.text);
    buf_release(&json);
    free(exact);
    return out;
}

/* In UTF-16, `high` the place of the upper byte. */
static const char *read_wide(const char *mark, const char *text, size_t size, size_t high)
{
    struct buf wide;

    buf_init(&wide, TEXT_MAX);
    buf_adds(&wide, mark);
    for (size_t i = 0; i < size; i++) {
        const char pair[2] = {high ? text[i] : 0, high ? 0 : text[i]};
        buf_add(&wide, pair, 2);
    }
    const char *result = read_bytes(wide.data, wide.len);
    buf_release(&wide);
    return result;
}

static int64_t cpu_now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void add_attributes(struct buf *xml, const char *name, int count, const char *value)
{
    for (int i = 0; i < count; i++)
        buf_addf(xml, " %s%d=%s", name, i, value);
}

static void an_element_has_so_many_attributes(void **state)
{
    static const char told[] = "line 2: an element of more than 1000 attributes";
    static const char *const values[] = {"\"\"", "'>'", "'\"'", "\"don't\"", " \n 'a'"};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        for (int more = 0; more <= 1; more++) {
            struct buf xml;
            buf_init(&xml, TEXT_MAX);
            buf_adds(&xml, "<a>\n<b>\"'</b><c");
            add_attributes(&xml, "x", 1000 + more, values[i]);
            buf_adds(&xml, "/></a>");
            const char *expected = more ? "an element of more than 1000 attributes" : "";
            const char *told_of = read_bytes(xml.data, xml.len);
            assert_true(more ? strstr(told_of, expected) != NULL : !*told_of);
            if (i == 0) {
                assert_string_equal(told_of, more ? told : "");
                assert_string_equal(read_wide("\xff\xfe", xml.data, xml.len, 1), more ? told : "");
                assert_string_equal(read_wide("\xfe\xff", xml.data, xml.len, 0), more ? told : "");
            }
            buf_release(&xml);
        }
}

static void many_quotes_are_no_attributes(void **state)
{
    static const char *const around[][2] = {
        {"<a>", "</a>"},
        {"<a><!-- ", " --></a>"},
        {"<!-- <b> -->\n<a><![CDATA[a<b; ", "]]></a>"},
        {"<a><?p ", "?></a>"},
        {"<a><![CDATA[[\"x<y\", ", "]]]></a>"},
        {"<a x='", "'/>"},
    };
    static const char *const quotes[] = {"\"", "\"s\",", "a=\"b\";"};
    (void)state;
    for (size_t i = 0; i < sizeof around / sizeof *around; i++)
        for (size_t j = 0; j < sizeof quotes / sizeof *quotes; j++) {
            struct buf xml;
            buf_init(&xml, TEXT_MAX);
            buf_adds(&xml, around[i][0]);
            for (int n = 0; n < 5000; n++)
                buf_adds(&xml, quotes[j]);
            buf_adds(&xml, around[i][1]);
            assert_string_equal(read_bytes(xml.data, xml.len), "");
            buf_release(&xml);
        }
}

static void each_element_has_its_own_attributes(void **state)
{
    struct buf xml;
    (void)state;
    buf_init(&xml, TEXT_MAX);
    buf_adds(&xml, "<a>");
    for (int i = 0; i < 1000; i++)
        buf_adds(&xml, "<b x='1' y='2'>don't</b>");
    buf_adds(&xml, "</a>");
    assert_string_equal(read_bytes(xml.data, xml.len), "");
    buf_release(&xml);
}

static void add_namespaces(struct buf *xml, int elements, int each)
{
    for (int i = 0; i < elements; i++) {
        buf_adds(xml, "<a");
        for (int j = 0; j < each; j++)
            buf_addf(xml, " xmlns:p%d='urn:%d'", i * each + j, j);
        buf_addc(xml, '>');
    }
}

static void so_many_namespaces_are_declared_at_once(void **state)
{
    (void)state;
    for (int more = 0; more <= 1; more++) {
        struct buf xml;
        buf_init(&xml, TEXT_MAX);
        add_namespaces(&xml, 20, 50);
        buf_adds(&xml, more ? "<b xmlns:q='urn:q'/>" : "<b/><c/>");
        for (int i = 0; i < 20; i++)
            buf_adds(&xml, "</a>");
        assert_string_equal(read_bytes(xml.data, xml.len),
                            more ? "line 1: more namespaces are declared at once than are taken" : "");
        buf_release(&xml);
    }
}

/* Each would take minutes at least. */
static void nothing_takes_long(void **state)
{
    static const char *const heads[] = {"", "<?xml version='1.x'?>", "<?x \x01", "<?\x01", "<!-- \x01"};
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (int kind = 0; kind < 3; kind++) {
            struct buf xml;
            buf_init(&xml, TEXT_MAX);
            buf_adds(&xml, heads[i]);
            if (kind == 0) {
                buf_adds(&xml, "<a");
                add_attributes(&xml, "x", 400000, "''");
                buf_adds(&xml, "/>");
            } else if (kind == 1) {
                add_namespaces(&xml, 90, 900);
                for (int n = 0; n < 200000; n++)
                    buf_adds(&xml, "<q:a/>");
            } else {
                buf_adds(&xml, "<!DOCTYPE a [<!ATTLIST a");
                for (int n = 0; n < 100000; n++)
                    buf_addf(&xml, " x%d CDATA ''", n);
                buf_adds(&xml, ">]><a/>");
            }
            const int64_t before = cpu_now_ms();
            assert_string_not_equal(read_bytes(xml.data, xml.len), "");
            assert_in_range(cpu_now_ms() - before, 0, CPU_MAX_MS);
            buf_release(&xml);
        }
}

static void encodings_are_those_of_the_list(void **state)
{
    static const char *const taken[] = {
        "<?xml version='1.0'?><a/>",
        "<?xml version='1.0' encoding='utf-8'?><a/>",
        "<?xml version=\"1.0\"\n encoding = \"ISO-8859-1\"?><a/>",
        "<?xml version='1.0' encoding='US-ASCII'?><a/>",
        "<?xml version='1.0' encoding='windows-1252'?><a/>",
        "\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?><a/>",
        "<?xml-stylesheet encoding='UTF-7'?><a/>",
        "<a>encoding='UTF-7'?></a>",
    };
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        assert_string_equal(read_bytes(taken[i], strlen(taken[i])), "");
    static const char *const refused[] = {
        "<?xml version='1.0' encoding='ISO-2022-KR'?><a/>",
        "<?xml version='1.0'\tencoding\n=\n\"ISO-2022-KR\"?><a/>",
        "<?xml\rversion='1.0' encoding='ISO-2022-KR'?><a/>",
        "\xef\xbb\xbf<?xml version='1.0' encoding='ISO-2022-KR'?><a/>",
        "<?xml version='1.0\xc3\xa9' encoding='ISO-2022-KR'?><a/>",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_string_equal(read_bytes(refused[i], strlen(refused[i])),
                            "line 1: the encoding 'ISO-2022-KR' is not taken");
}

static void an_encoding_is_not_hidden_by_blanks(void **state)
{
    struct buf xml;
    (void)state;
    buf_init(&xml, TEXT_MAX);
    buf_addf(&xml, "<?xml version='1.0'%200sencoding='ISO-2022-KR'?><a/>", "");
    assert_string_equal(read_bytes(xml.data, xml.len),
                        "line 1: an XML declaration of more than 199 characters");
    buf_release(&xml);
}

static void utf_16_has_the_same_list(void **state)
{
    static const struct {
        const char *name, *told;
    } cases[] = {
        {"utf-16", ""},
        {"UTF-8", ""},
        {"ISO-2022-KR", "line 1: the encoding 'ISO-2022-KR' is not taken"},
        {"iso-8859-1", "line 1: the encoding 'iso-8859-1' is not taken"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *xml = xasprintf("<?xml version='1.0' encoding='%s'?><a/>", cases[i].name);
        assert_string_equal(read_wide("\xff\xfe", xml, strlen(xml), 1), cases[i].told);
        assert_string_equal(read_wide("\xfe\xff", xml, strlen(xml), 0), cases[i].told);
        assert_string_equal(read_wide("", xml, strlen(xml), 1), cases[i].told);
        free(xml);
    }
}

static void other_encodings_without_a_name_are_refused(void **state)
{
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {"\0<\0?\0x\0m\0l", 10},              /* UTF-16 without its mark */
        {"\0\0\0<\0\0\0a\0\0\0/\0\0\0>", 16}, /* UCS-4, in the orders there are */
        {"<\0\0\0a\0\0\0/\0\0\0>\0\0\0", 16},
        {"\0<\0\0\0a\0\0\0/\0\0\0>\0\0", 16},
        {"\0\0<\0\0\0a\0\0\0/\0\0\0>\0", 16},
        {"\x4c\x6f\xa7\x94", 4}, /* EBCDIC */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(read_bytes(cases[i].text, cases[i].size),
                            "this is no XML: it does not begin with '<'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_has_so_many_attributes),
        cmocka_unit_test(many_quotes_are_no_attributes),
        cmocka_unit_test(each_element_has_its_own_attributes),
        cmocka_unit_test(so_many_namespaces_are_declared_at_once),
        cmocka_unit_test(nothing_takes_long),
        cmocka_unit_test(encodings_are_those_of_the_list),
        cmocka_unit_test(an_encoding_is_not_hidden_by_blanks),
        cmocka_unit_test(utf_16_has_the_same_list),
        cmocka_unit_test(other_encodings_without_a_name_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
