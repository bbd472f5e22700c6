/*
 * test_base_buf - the buffer and its ceiling
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "buf.h"
#include "xalloc.h"

static void a_new_buffer_is_an_empty_string(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 10);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf.len, 0);
    buf_cut(&buf, 0);
    buf_clear(&buf);
    buf_release(&buf);
    assert_string_equal(buf.data, "");
}

static void release_takes_null_and_zeroed_memory(void **state)
{
    struct buf buf = {0};

    (void)state;
    buf_release(NULL);
    buf_release(&buf);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf_addc(&buf, 'x'), -1);
}

static void additions_append_and_keep_a_nul_behind(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    assert_int_equal(buf_adds(&buf, "ab"), 0);
    assert_int_equal(buf_addc(&buf, 'c'), 0);
    assert_int_equal(buf_add(&buf, "d\0e", 3), 0);
    assert_int_equal(buf_add(&buf, NULL, 0), 0);
    assert_int_equal(buf_addf(&buf, "%d-%s", 42, "x"), 0);
    assert_int_equal(buf.len, 10);
    assert_memory_equal(buf.data, "abcd\0e42-x", 11);
    buf_cut(&buf, 2);
    assert_string_equal(buf.data, "ab");
    assert_int_equal(buf_addf(&buf, "%200s", "y"), 0);
    assert_int_equal(buf.len, 202);
    buf_release(&buf);
}

static void the_ceiling_itself_is_reached_and_not_passed(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_addc(&buf, 'x'), 0);
    assert_true(buf.cap <= 101);
    assert_false(buf.overflow);
    assert_int_equal(buf_addc(&buf, 'x'), -1);
    assert_true(buf.overflow);
    assert_int_equal(buf.len, 100);
    buf_release(&buf);
}

static void a_refused_addition_adds_nothing_and_is_remembered(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 5);
    assert_int_equal(buf_adds(&buf, "abc"), 0);
    assert_int_equal(buf_adds(&buf, "def"), -1);
    assert_string_equal(buf.data, "abc");
    assert_int_equal(buf_addf(&buf, "%d", 123), -1);
    assert_string_equal(buf.data, "abc");
    assert_int_equal(buf_addf(&buf, "%d", 12), 0);
    assert_string_equal(buf.data, "abc12");
    assert_true(buf.overflow);
    buf_clear(&buf);
    assert_false(buf.overflow);
    assert_string_equal(buf.data, "");
    assert_int_equal(buf.max, 5);
    buf_release(&buf);
}

static void a_formatted_text_fits_into_the_room_that_is_there_or_makes_more(void **state)
{
    struct buf buf;

    (void)state;
    for (int size = 50; size < 80; size++) {
        buf_init(&buf, 1000);
        assert_int_equal(buf_addc(&buf, 'a'), 0);
        assert_int_equal(buf_addf(&buf, "%*s", size, "b"), 0);
        assert_int_equal(buf.len, 1 + size);
        assert_int_equal(strlen(buf.data), 1 + size);
        assert_int_equal(buf.data[size], 'b');
        buf_release(&buf);
    }
}

static void a_size_that_wraps_is_refused(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, SIZE_MAX);
    assert_int_equal(buf_adds(&buf, "abc"), 0);
    assert_null(buf_room(&buf, SIZE_MAX));
    assert_null(buf_room(&buf, SIZE_MAX / 2));
    assert_true(buf.overflow);
    buf_release(&buf);
}

static void room_is_writable_and_counts_when_added(void **state)
{
    struct buf buf;
    char *room;

    (void)state;
    buf_init(&buf, 70);
    room = buf_room(&buf, 70);
    assert_non_null(room);
    assert_string_equal(buf.data, "");
    for (int i = 0; i < 70; i++)
        room[i] = 'r';
    buf_added(&buf, 70);
    assert_int_equal(buf.len, 70);
    assert_int_equal(buf.data[70], '\0');
    assert_null(buf_room(&buf, 1));
    buf_release(&buf);
}

static void stealing_hands_over_the_bytes(void **state)
{
    struct buf buf;
    size_t size;
    char *data;

    (void)state;
    buf_init(&buf, 70);
    buf_adds(&buf, "abc");
    data = buf_steal(&buf, &size);
    assert_string_equal(data, "abc");
    assert_int_equal(size, 3);
    assert_int_equal(buf.len, 0);
    assert_int_equal(buf.max, 70);
    free(data);
    data = buf_steal(&buf, NULL);
    assert_string_equal(data, "");
    free(data);
    buf_release(&buf);
}

static void expect_json(const char *text, size_t size, const char *json)
{
    struct buf buf;

    buf_init(&buf, 1000);
    assert_int_equal(buf_add_json(&buf, text, size), 0);
    assert_string_equal(buf.data, json);
    buf_release(&buf);
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    expect_json("", 0, "\"\"");
    expect_json("plain", 5, "\"plain\"");
    expect_json("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    expect_json("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
    expect_json("a\0b", 3, "\"a\\u0000b\"");
    expect_json("\x1b[\x7f", 3, "\"\\u001b[\\u007f\"");
    expect_json("\xc2\x9b", 2, "\"\\u009b\"");
    expect_json("\xc3\xa8 \xe2\x82\xac \xf0\x9f\x98\x80", 11, "\"\xc3\xa8 \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

static void bytes_that_are_not_utf8_become_replacement_characters_in_json(void **state)
{
    (void)state;
    expect_json("a\xff"
                "b",
                3,
                "\"a\xef\xbf\xbd"
                "b\"");
    expect_json("\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    expect_json("\xe2\x82", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void a_json_string_is_added_whole_or_not_at_all(void **state)
{
    struct buf buf;

    (void)state;
    for (size_t max = 1; max < 12; max++) {
        buf_init(&buf, max);
        buf_addc(&buf, ':');
        assert_int_equal(buf_add_json(&buf, "ab\n\xff\x01", 5), -1);
        assert_true(buf.overflow);
        assert_string_equal(buf.data, ":");
        buf_release(&buf);
    }
}

static void the_allocators_take_zero(void **state)
{
    char *text = xmalloc(0);

    (void)state;
    text = xrealloc(text, 0);
    text = xreallocarray(text, 0, 8);
    free(text);
    free(xcalloc(0, 8));
    text = xcalloc(2, 2);
    assert_memory_equal(text, "\0\0\0\0", 4);
    free(text);
    assert_null(xstrdup_null(NULL));
    text = xstrdup_null("abc");
    assert_string_equal(text, "abc");
    free(text);
    text = xmemdupz(NULL, 0);
    assert_string_equal(text, "");
    free(text);
    text = xconcat("");
    assert_string_equal(text, "");
    free(text);
    text = xconcat("ab", "", ":", "c");
    assert_string_equal(text, "ab:c");
    free(text);
    text = xasprintf("%s %d", "x", 7);
    assert_string_equal(text, "x 7");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_buffer_is_an_empty_string),
        cmocka_unit_test(release_takes_null_and_zeroed_memory),
        cmocka_unit_test(additions_append_and_keep_a_nul_behind),
        cmocka_unit_test(the_ceiling_itself_is_reached_and_not_passed),
        cmocka_unit_test(a_refused_addition_adds_nothing_and_is_remembered),
        cmocka_unit_test(a_formatted_text_fits_into_the_room_that_is_there_or_makes_more),
        cmocka_unit_test(a_size_that_wraps_is_refused),
        cmocka_unit_test(room_is_writable_and_counts_when_added),
        cmocka_unit_test(stealing_hands_over_the_bytes),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(bytes_that_are_not_utf8_become_replacement_characters_in_json),
        cmocka_unit_test(a_json_string_is_added_whole_or_not_at_all),
        cmocka_unit_test(the_allocators_take_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
