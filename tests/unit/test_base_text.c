/*
 * test_base_text - strings, numbers, times, ids, random numbers
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include "clock.h"
#include "http_field.h"
#include "num.h"
#include "rng.h"
#include "text.h"
#include "uid.h"

/* --- text ---------------------------------------------------------------------------------------------- */

static void strict_utf8_is_told_from_the_rest(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        bool good;
        size_t bad;
    } cases[] = {
        {"", 0, true, 0},
        {"a\0b", 3, true, 0},
        {"\xc3\xa8", 2, true, 0},
        {"\xef\xbf\xbf", 3, true, 0},
        {"\xf4\x8f\xbf\xbf", 4, true, 0},
        {"ab\xff", 3, false, 2},
        {"\x80", 1, false, 0},
        {"a\xc3", 2, false, 1},
        {"a\xc3"
         "b",
         3, false, 1},
        {"\xc0\x80", 2, false, 0},         /* overlong */
        {"\xe0\x9f\xbf", 3, false, 0},     /* overlong */
        {"\xf0\x8f\xbf\xbf", 4, false, 0}, /* overlong */
        {"\xed\xa0\x80", 3, false, 0},     /* surrogate */
        {"\xf4\x90\x80\x80", 4, false, 0}, /* past U+10FFFF */
        {"\xf8\x88\x80\x80\x80", 5, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bad = 99;

        assert_int_equal(text_is_utf8(cases[i].text, cases[i].size, &bad), cases[i].good);
        assert_int_equal(bad, cases[i].good ? 99 : cases[i].bad);
    }
    assert_false(text_is_utf8("\xff", 1, NULL));
}

static void base64_of_rfc_4648_goes_both_ways(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbe", "+/++"},
    };
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        buf_clear(&buf);
        assert_int_equal(text_add_base64(&buf, pairs[i][0], strlen(pairs[i][0])), 0);
        assert_string_equal(buf.data, pairs[i][1]);
        buf_clear(&buf);
        assert_int_equal(text_decode_base64(pairs[i][1], strlen(pairs[i][1]), &buf), 0);
        assert_string_equal(buf.data, pairs[i][0]);
    }
    buf_release(&buf);
}

static void what_is_not_quite_base64_is_refused(void **state)
{
    static const char *const texts[] = {
        "Z",    "Zg",   "Zg=",      "Zh==", "Zm9=",   "Z===",         "====",
        "Zm9 ", "Zm-v", "Zg==Zg==", "Zm=v", "Zm9v\n", "Zm9v\n\n\n\n", "\xc3\xa8zz"};
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    buf_adds(&buf, "kept");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(text_decode_base64(texts[i], strlen(texts[i]), &buf), -1);
        assert_string_equal(buf.data, "kept");
    }
    buf_release(&buf);
}

static void base64_respects_the_ceiling(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 3);
    assert_int_equal(text_add_base64(&buf, "f", 1), -1);
    assert_int_equal(text_add_base64(&buf, "f", SIZE_MAX), -1);
    assert_int_equal(text_decode_base64("Zm9v", 4, &buf), 0);
    assert_int_equal(text_decode_base64("Zm9v", 4, &buf), -1);
    assert_string_equal(buf.data, "foo");
    buf_release(&buf);
}

static void a_url_keeps_what_is_unreserved_and_what_is_asked(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 60);
    assert_int_equal(text_add_url(&out, "aZ09-._~/ +%\xc3\xa9", "/"), 0);
    assert_string_equal(out.data, "aZ09-._~/%20%2B%25%C3%A9");
    assert_int_equal(text_add_url(&out, "/", ""), 0);
    assert_string_equal(out.data, "aZ09-._~/%20%2B%25%C3%A9%2F");
    buf_release(&out);
    buf_init(&out, 2);
    assert_int_equal(text_add_url(&out, "a/", ""), -1);
    buf_release(&out);
}

static void a_number_is_written_in_decimal(void **state)
{
    char out[TEXT_DECIMAL_SIZE];

    (void)state;
    assert_string_equal(text_decimal(0, out), "0");
    assert_string_equal(text_decimal(10, out), "10");
    assert_string_equal(text_decimal(UINT64_MAX, out), "18446744073709551615");
}

static void hex_is_lower_case(void **state)
{
    char out[9];

    (void)state;
    text_hex("\x00\x9a\xff\x0f", 4, out);
    assert_string_equal(out, "009aff0f");
    text_hex("", 0, out);
    assert_string_equal(out, "");
}

static const char *nearest(const char *name)
{
    static const char *const names[] = {
        "destination", "priority", "format",
        "to",          "tenant",   "a-name-of-more-than-sixty-four-characters-that-nobody-would-ever-mistype",
    };

    return text_nearest(name, names, sizeof(names) / sizeof(names[0]));
}

static void the_nearest_name_is_suggested(void **state)
{
    (void)state;
    assert_string_equal(nearest("fromat"), "format");    /* two swapped */
    assert_string_equal(nearest("formt"), "format");     /* one lost */
    assert_string_equal(nearest("forrmat"), "format");   /* one too many */
    assert_string_equal(nearest("farmat"), "format");    /* one wrong */
    assert_string_equal(nearest("FORMAT"), "format");    /* case */
    assert_string_equal(nearest("dest"), "destination"); /* a beginning */
    assert_string_equal(nearest("t"), "to");
    assert_string_equal(nearest("distinatoin"), "destination");
}

static void nothing_is_suggested_where_nothing_is_near(void **state)
{
    (void)state;
    assert_null(nearest("zebra"));
    assert_null(nearest(""));
    assert_null(nearest("x"));
    assert_null(nearest("frm"));
    assert_null(nearest("a-name-of-more-than-sixty-four-characters-that-nobody-would-ever-mistyp"));
    assert_null(text_nearest("x", NULL, 0));
}

static void names_have_their_alphabet_and_length(void **state)
{
    char longest[102];

    (void)state;
    memset(longest, 'x', sizeof(longest));
    longest[101] = '\0';
    assert_false(text_is_name(longest));
    longest[100] = '\0';
    assert_true(text_is_name(longest));
    assert_true(text_is_name("A-z_0.9"));
    assert_false(text_is_name(""));
    assert_false(text_is_name(".x"));
    assert_false(text_is_name("-x"));
    assert_false(text_is_name("a b"));
    assert_false(text_is_name("a/b"));
    assert_false(text_is_name("\xc3\xa8"));
}

static void prefixes_are_seen(void **state)
{
    (void)state;
    assert_true(text_starts_with("dist-route", "dist-"));
    assert_true(text_starts_with("x", ""));
    assert_false(text_starts_with("dist", "dist-"));
}

static void expect_trimmed(const char *in, const char *out)
{
    char text[64];

    text_copy(text, sizeof(text), in);
    assert_ptr_equal(text_trim(text), text);
    assert_string_equal(text, out);
}

static void blanks_are_trimmed_at_both_ends(void **state)
{
    (void)state;
    expect_trimmed(" \ta b\r\n", "a b");
    expect_trimmed("x", "x");
    expect_trimmed("", "");
    expect_trimmed(" \n ", "");
}

static void expect_printable(const char *in, const char *out)
{
    char text[64];

    text_copy(text, sizeof(text), in);
    assert_string_equal(text_printable(text), out);
}

static void no_control_character_stays_printable(void **state)
{
    (void)state;
    expect_printable("plain \xc3\xa8 \xf0\x9f\x98\x80", "plain \xc3\xa8 \xf0\x9f\x98\x80");
    expect_printable("\x1b[31mred\x07\n\t\x7f", "?[31mred????");
    expect_printable("a\xc2\x9b"
                     "b\x9b"
                     "c",
                     "a?b?c");
    expect_printable("\xc2\xa0", "\xc2\xa0");
}

static void a_copy_is_never_cut_inside_a_character(void **state)
{
    char out[8];

    (void)state;
    text_copy(out, sizeof(out), "short");
    assert_string_equal(out, "short");
    text_copy(out, sizeof(out), "1234567");
    assert_string_equal(out, "1234567");
    text_copy(out, sizeof(out), "12345678");
    assert_string_equal(out, "1234567");
    text_copy(out, sizeof(out), "123456\xc3\xa8");
    assert_string_equal(out, "123456");
    text_copy(out, sizeof(out),
              "12345\xc3\xa8"
              "8");
    assert_string_equal(out, "12345\xc3\xa8");
    text_copy(out, sizeof(out), "1234\xf0\x9f\x98\x80");
    assert_string_equal(out, "1234");
    text_copy(out, sizeof(out), "123\x80\x80\x80\x80\x80\x80");
    assert_string_equal(out, "123\x80\x80\x80\x80");
    out[0] = 'k';
    text_copy(out, 0, "x");
    assert_int_equal(out[0], 'k');
    text_copy(out, 1, "\xc3\xa8");
    assert_string_equal(out, "");
}

/* --- num ----------------------------------------------------------------------------------------------- */

static void whole_numbers_are_read_strictly(void **state)
{
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "-1", "a", "1a"};
    struct fault fault;
    int64_t value = 99;

    (void)state;
    assert_int_equal(num_parse_int("0", 0, 10, &value, &fault), 0);
    assert_int_equal(value, 0);
    assert_int_equal(num_parse_int("10", 0, 10, &value, &fault), 0);
    assert_int_equal(value, 10);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(num_parse_int(bad[i], 0, 10, &value, &fault), -1);
        assert_int_equal(fault.class, FAULT_INPUT);
        assert_non_null(strstr(fault.text, "not a whole number"));
    }
    assert_int_equal(value, 10);
}

static void whole_numbers_hold_their_range(void **state)
{
    struct fault fault;
    int64_t value;

    (void)state;
    assert_int_equal(num_parse_int("11", 0, 10, &value, &fault), -1);
    assert_string_equal(fault.text, "'11' is not from 0 to 10");
    assert_int_equal(num_parse_int("4", 5, 10, &value, NULL), -1);
    assert_int_equal(num_parse_int("-5", -5, 10, &value, &fault), 0);
    assert_int_equal(value, -5);
    assert_int_equal(num_parse_int("-0", -5, 10, &value, &fault), 0);
    assert_int_equal(value, 0);
    assert_int_equal(num_parse_int("-6", -5, 10, &value, &fault), -1);
    assert_int_equal(num_parse_int("9223372036854775807", INT64_MIN, INT64_MAX, &value, &fault), 0);
    assert_true(value == INT64_MAX);
    assert_int_equal(num_parse_int("9223372036854775808", INT64_MIN, INT64_MAX, &value, &fault), -1);
    assert_int_equal(num_parse_int("-9223372036854775808", INT64_MIN, INT64_MAX, &value, &fault), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(num_parse_int("-9223372036854775809", INT64_MIN, INT64_MAX, &value, &fault), -1);
    assert_int_equal(num_parse_int("99999999999999999999999", 0, INT64_MAX, &value, &fault), -1);
    assert_non_null(strstr(fault.text, "is not from"));
}

static void sizes_are_powers_of_1024(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0},           {"65536", 65536},          {"64K", 65536},
                {"64k", 65536},     {"16M", 16777216},         {"16MiB", 16777216},
                {"1G", 1073741824}, {"1T", UINT64_C(1) << 40}, {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {"", "K", "1.5K", "-1", "16MB", "16Mi", "16 M", "1X", "1KK", "1MiBx"};
    struct fault fault;
    uint64_t bytes;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(num_parse_size(good[i].text, UINT64_MAX, &bytes, &fault), 0);
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(num_parse_size(bad[i], UINT64_MAX, &bytes, &fault), -1);
        assert_non_null(strstr(fault.text, "is not a size"));
    }
    assert_int_equal(num_parse_size("1M", 1048576, &bytes, &fault), 0);
    assert_int_equal(num_parse_size("1048577", 1048576, &bytes, &fault), -1);
    assert_string_equal(fault.text, "'1048577' is more than 1M");
    assert_int_equal(num_parse_size("2M", 1048576, &bytes, &fault), -1);
    assert_int_equal(num_parse_size("18446744073709551616", UINT64_MAX, &bytes, &fault), -1);
    assert_int_equal(num_parse_size("99999999999T", UINT64_MAX, &bytes, &fault), -1);
}

static void durations_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0},
        {"30", 30000},
        {"0.5", 500},
        {"500ms", 500},
        {"30s", 30000},
        {"1.5s", 1500},
        {"5m", 300000},
        {"2h", 7200000},
        {"4d", 345600000},
        {"1h30m", 5400000},
        {"1d2h3m4s5ms", 93784005},
        {"1.5h", 5400000},
        {"0.001", 1},
        {"0.000000000", 0},
        {"106751991167d", INT64_C(106751991167) * 86400000},
    };
    struct fault fault;
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (num_parse_duration(good[i].text, INT64_MAX, &ms, &fault) != 0)
            fail_msg("%s", fault.text);
        assert_true(ms == good[i].ms);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    static const char *const malformed[] = {"",       "s",   "-1s", "+1s",     "1 s",   " 1s",  "1x",
                                            "1s ",    "1.s", ".5s", "1.5s5ms", "30m1h", "1h1h", "1h30",
                                            "1h1.5m", "1S",  "1.",  "1..5",    "1ss"};
    static const char *const fine[] = {"0.0005", "1.5ms", "0.0000000001", "0.00000000001", "1.99999999999"};
    static const char *const huge[] = {"9223372036854775808",  "99999999999999999999999s",
                                       "9223372036854775807s", "106751991168d",
                                       "106751991167d23h",     "9223372036854775.808"};
    struct fault fault;
    int64_t ms = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        assert_int_equal(num_parse_duration(malformed[i], INT64_MAX, &ms, &fault), -1);
        if (strstr(fault.text, "is not a duration") == NULL)
            fail_msg("%s", fault.text);
        assert_int_equal(fault.class, FAULT_INPUT);
    }
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        assert_int_equal(num_parse_duration(fine[i], INT64_MAX, &ms, &fault), -1);
        if (strstr(fault.text, "finer than a millisecond") == NULL)
            fail_msg("%s", fault.text);
    }
    for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
        assert_int_equal(num_parse_duration(huge[i], INT64_MAX, &ms, &fault), -1);
        if (strstr(fault.text, "is more than") == NULL)
            fail_msg("%s", fault.text);
    }
    assert_int_equal(num_parse_duration("1h", 3600000, &ms, &fault), 0);
    assert_int_equal(num_parse_duration("1h1ms", 3600000, &ms, &fault), -1);
    assert_string_equal(fault.text, "'1h1ms' is more than 1h");
}

static void booleans_have_four_pairs_of_words(void **state)
{
    static const char *const yes[] = {"1", "true", "yes", "on", "True", "YES"};
    static const char *const no[] = {"0", "false", "no", "off", "False"};
    static const char *const bad[] = {"", "2", "y", "truee", "enabled", " on"};
    struct fault fault;
    bool value;

    (void)state;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        value = false;
        assert_int_equal(num_parse_bool(yes[i], &value, &fault), 0);
        assert_true(value);
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        value = true;
        assert_int_equal(num_parse_bool(no[i], &value, &fault), 0);
        assert_false(value);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(num_parse_bool(bad[i], &value, &fault), -1);
}

static void durations_are_written_for_people(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "0ms"},          {850, "850ms"},
        {1000, "1s"},        {1500, "1.5s"},
        {9050, "9s"},        {12345, "12s"},
        {200000, "3m20s"},   {180000, "3m"},
        {14400000, "4h"},    {14400999, "4h"},
        {183600000, "2d3h"}, {172800001, "2d"},
        {-1500, "-1.5s"},    {INT64_MIN, "-106751991167d7h"},
    };
    char text[NUM_DURATION_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(num_format_duration(cases[i].ms, text), cases[i].text);
}

static void sizes_are_written_for_people(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0"},
        {1023, "1023"},
        {1024, "1K"},
        {1536, "1.5K"},
        {10240 + 512, "10K"},
        {1048575, "1023K"},
        {16777216, "16M"},
        {UINT64_C(5) << 40, "5T"},
        {UINT64_MAX, "15E"},
    };
    char text[NUM_SIZE_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(num_format_size(cases[i].bytes, text), cases[i].text);
}

/* --- clock --------------------------------------------------------------------------------------------- */

static void times_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {
        {"1970-01-01T00:00:01Z", 1000000},
        {"2024-01-15T10:00:00Z", INT64_C(1705312800000000)},
        {"2024-01-15t10:00:00z", INT64_C(1705312800000000)},
        {"2024-01-15T12:00:00+02:00", INT64_C(1705312800000000)},
        {"2024-01-15T04:30:00-05:30", INT64_C(1705312800000000)},
        {"2024-01-15T10:00:00-00:00", INT64_C(1705312800000000)},
        {"2024-01-15T10:00:00.5Z", INT64_C(1705312800500000)},
        {"2024-01-15T10:00:00.123456Z", INT64_C(1705312800123456)},
        {"2024-01-15T10:00:00.123456789Z", INT64_C(1705312800123456)},
        {"2024-02-29T00:00:00Z", INT64_C(1709164800000000)},
        {"2000-02-29T23:59:59Z", INT64_C(951868799000000)},
        {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
    };
    struct fault fault;
    int64_t us;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (clock_parse(good[i].text, &us, &fault) != 0)
            fail_msg("%s", fault.text);
        assert_true(us == good[i].us);
    }
}

static void what_is_no_rfc_3339_time_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "2024-01-15",
        "2024-01-15T10:00:00",
        "2024-01-15T10:00Z",
        "2024-01-15 10:00:00Z",
        "2024-1-15T10:00:00Z",
        "24-01-15T10:00:00Z",
        "2024/01/15T10:00:00Z",
        "2024-01-15T10:00:00.Z",
        "2024-01-15T10:00:00,5Z",
        "2024-01-15T10:00:00ZZ",
        "2024-01-15T10:00:00Z ",
        " 2024-01-15T10:00:00Z",
        "2024-01-15T10:00:00+0200",
        "2024-01-15T10:00:00+02",
        "2024-01-15T10:00:00+24:00",
        "2024-01-15T10:00:00+01:60",
        "2024-01-15T10:00:00+01:00Z",
        "2024-00-15T10:00:00Z",
        "2024-13-15T10:00:00Z",
        "2024-01-00T10:00:00Z",
        "2024-01-32T10:00:00Z",
        "2023-02-29T10:00:00Z",
        "2100-02-29T10:00:00Z",
        "2024-04-31T10:00:00Z",
        "2024-01-15T24:00:00Z",
        "2024-01-15T10:60:00Z",
        "2024-01-15T10:00:61Z",
        "2016-12-31T23:59:60Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59-00:01",
        "10000-01-01T00:00:00Z",
    };
    struct fault fault;
    int64_t us = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (clock_parse(bad[i], &us, &fault) != -1)
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(fault.class, FAULT_INPUT);
    }
    assert_true(us == 7);
}

static void times_are_written_in_utc(void **state)
{
    char text[CLOCK_TEXT_SIZE];

    (void)state;
    assert_string_equal(clock_format(INT64_C(1705312800000000), text), "2024-01-15T10:00:00Z");
    assert_string_equal(clock_format(INT64_C(1705312800000999), text), "2024-01-15T10:00:00Z");
    assert_string_equal(clock_format(INT64_C(1705312800123999), text), "2024-01-15T10:00:00.123Z");
    assert_string_equal(clock_format(INT64_C(1705312800005000), text), "2024-01-15T10:00:00.005Z");
    assert_string_equal(clock_format(-1, text), "1970-01-01T00:00:00Z");
    assert_string_equal(clock_format(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
}

static void the_clocks_run(void **state)
{
    int64_t mono = clock_mono_ms();

    (void)state;
    assert_true(clock_wall_us() > INT64_C(1700000000000000));
    assert_true(mono > 0);
    assert_true(clock_mono_ms() >= mono);
}

/* --- uid, rng ------------------------------------------------------------------------------------------ */

static void ids_are_version_7_and_grow(void **state)
{
    char last[UID_TEXT_SIZE] = "";
    char id[UID_TEXT_SIZE];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uid_new(id);
        assert_true(uid_is(id));
        assert_int_equal(id[14], '7');
        assert_non_null(strchr("89ab", id[19]));
        assert_true(strcmp(last, id) < 0);
        memcpy(last, id, sizeof(last));
    }
}

static void an_id_begins_with_the_milliseconds(void **state)
{
    int64_t before_ms = clock_wall_us() / 1000;
    char id[UID_TEXT_SIZE], hex[13];
    int64_t ms;

    (void)state;
    uid_new(id);
    memcpy(hex, id, 8);
    memcpy(hex + 8, id + 9, 4);
    hex[12] = '\0';
    ms = (int64_t)strtoull(hex, NULL, 16);
    assert_in_range(ms - before_ms, 0, 10000);
}

static void ids_are_told_from_other_text(void **state)
{
    (void)state;
    assert_true(uid_is("018d0a5c-7c00-7abc-8def-0123456789ab"));
    assert_true(uid_is("018D0A5C-7C00-4ABC-8DEF-0123456789AB"));
    assert_false(uid_is(""));
    assert_false(uid_is("018d0a5c"));
    assert_false(uid_is("018d0a5c-7c00-7abc-8def-0123456789a"));
    assert_false(uid_is("018d0a5c-7c00-7abc-8def-0123456789abc"));
    assert_false(uid_is("018d0a5c07c00-7abc-8def-0123456789ab"));
    assert_false(uid_is("018d0a5g-7c00-7abc-8def-0123456789ab"));
    assert_false(uid_is("{18d0a5c-7c00-7abc-8def-0123456789a}"));
}

static void the_bytes_of_an_id_are_those_of_its_text(void **state)
{
    static const unsigned char wanted[UID_SIZE] = {0x01, 0x8d, 0x0a, 0x5c, 0x7c, 0x00, 0x7a, 0xbc,
                                                   0x8d, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab};
    unsigned char bytes[UID_SIZE];

    (void)state;
    assert_true(uid_bytes("018d0a5c-7c00-7abc-8def-0123456789ab", bytes));
    assert_memory_equal(bytes, wanted, sizeof bytes);
    memset(bytes, 0, sizeof bytes);
    assert_true(uid_bytes("018D0A5C-7C00-7ABC-8DEF-0123456789AB", bytes));
    assert_memory_equal(bytes, wanted, sizeof bytes);
    assert_false(uid_bytes("018d0a5c-7c00-7abc-8def-0123456789a", bytes));
}

/* Each byte, at the beginning, behind it, and for what is told from it: a set of characters is what the
 * standard says. */
static void names_have_their_characters_and_no_others(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char token[] = "!#$%&'*+-.^_`|~"; /* RFC 9110 section 5.6.2, beside letters and digits */

    (void)state;
    for (int c = 1; c < 256; c++) {
        char first[] = {(char)c, 'x', '\0'}, last[] = {'x', (char)c, '\0'};
        bool letter = strchr(letters, c) != NULL, in_token = letter || strchr(token, c);
        bool in_name = letter || strchr("._-", c);

        assert_int_equal(http_field_is_name(first), in_token);
        assert_int_equal(http_field_is_name(last), in_token);
        assert_int_equal(http_field_token_size(last), in_token ? 2 : 1);
        assert_int_equal(text_is_name(first), in_name && c != '.' && c != '-');
        assert_int_equal(text_is_name(last), in_name);
    }
    assert_false(http_field_is_name(""));
    assert_false(text_is_name(""));
}

/* Each byte of an id by each byte that there is. */
static void an_id_has_nothing_but_digits_and_its_hyphens(void **state)
{
    static const char id[] = "018d0a5c-7c00-7abc-8def-0123456789ab";

    (void)state;
    for (size_t i = 0; i < sizeof id - 1; i++)
        for (int byte = 0; byte < 256; byte++) {
            char text[UID_TEXT_SIZE];

            memcpy(text, id, sizeof text);
            text[i] = (char)byte;
            assert_int_equal(uid_is(text), id[i] == '-' ? byte == '-' : isxdigit(byte) != 0);
        }
}

static void random_numbers_differ_and_stay_in_their_range(void **state)
{
    unsigned char a[32], b[32];
    double sum = 0;

    (void)state;
    rng_bytes(a, sizeof(a));
    rng_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    rng_bytes(NULL, 0);
    for (int i = 0; i < 2000; i++) {
        double x = rng_unit();

        assert_true(x >= 0 && x < 1);
        sum += x;
    }
    /* The mean of 2000 is off by 0.1 with a chance of 10^-53. */
    assert_true(sum > 800 && sum < 1200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strict_utf8_is_told_from_the_rest),
        cmocka_unit_test(base64_of_rfc_4648_goes_both_ways),
        cmocka_unit_test(what_is_not_quite_base64_is_refused),
        cmocka_unit_test(base64_respects_the_ceiling),
        cmocka_unit_test(a_url_keeps_what_is_unreserved_and_what_is_asked),
        cmocka_unit_test(a_number_is_written_in_decimal),
        cmocka_unit_test(hex_is_lower_case),
        cmocka_unit_test(the_nearest_name_is_suggested),
        cmocka_unit_test(nothing_is_suggested_where_nothing_is_near),
        cmocka_unit_test(names_have_their_alphabet_and_length),
        cmocka_unit_test(prefixes_are_seen),
        cmocka_unit_test(blanks_are_trimmed_at_both_ends),
        cmocka_unit_test(no_control_character_stays_printable),
        cmocka_unit_test(a_copy_is_never_cut_inside_a_character),
        cmocka_unit_test(whole_numbers_are_read_strictly),
        cmocka_unit_test(whole_numbers_hold_their_range),
        cmocka_unit_test(sizes_are_powers_of_1024),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(booleans_have_four_pairs_of_words),
        cmocka_unit_test(durations_are_written_for_people),
        cmocka_unit_test(sizes_are_written_for_people),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(what_is_no_rfc_3339_time_is_refused),
        cmocka_unit_test(times_are_written_in_utc),
        cmocka_unit_test(the_clocks_run),
        cmocka_unit_test(ids_are_version_7_and_grow),
        cmocka_unit_test(an_id_begins_with_the_milliseconds),
        cmocka_unit_test(ids_are_told_from_other_text),
        cmocka_unit_test(the_bytes_of_an_id_are_those_of_its_text),
        cmocka_unit_test(an_id_has_nothing_but_digits_and_its_hyphens),
        cmocka_unit_test(names_have_their_characters_and_no_others),
        cmocka_unit_test(random_numbers_differ_and_stay_in_their_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
