/*
 * JSON: the strict check with the place of each mistake, the spans of members, and reading by a table
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>
#include "json.h"
#include "ceilings.h"
#include "xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(text) text, sizeof(text) - 1

static void valid_texts_pass(void **state)
{
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {BYTES("{}")},
        {BYTES("[]")},
        {BYTES(" \t\r\n[ ] \n")},
        {BYTES("null")},
        {BYTES("true")},
        {BYTES("false")},
        {BYTES("\"\"")},
        {BYTES("0")},
        {BYTES("-0")},
        {BYTES("-12.50e+10")},
        {BYTES("1E-2")},
        {BYTES("1e999")},
        {BYTES("123456789012345678901234567890")},
        {BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"")},
        {BYTES("\"\\ud83d\\ude00\"")},
        {BYTES("\"\xf0\x9f\x98\x80 \xc3\xa9 \x7f\"")},
        {BYTES("{\"a\":{\"a\":[{\"a\":1},{\"a\":1}]},\"\":2}")},
        {BYTES("[1,[2,[3]],{\"x\" : \"y\"} ]")},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        if (json_check(cases[i].text, cases[i].size, NULL, &fault))
            fail_msg("%s: %s", cases[i].text, fault.text);
    }
}

static void each_mistake_is_named_with_its_place(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *fault;
    } cases[] = {
        {BYTES(""), "line 1, column 1: the text ends where a value is wanted"},
        {BYTES(" \n "), "line 2, column 2: the text ends where a value is wanted"},
        {BYTES("\xef\xbb\xbf{}"), "line 1, column 1: a byte order mark does not belong into JSON"},
        {BYTES("{} x"), "line 1, column 4: the end of the text is wanted, not 'x'"},
        {BYTES("1\0"), "line 1, column 2: the end of the text is wanted, not the byte 0x00"},
        {BYTES("{\"a\""), "line 1, column 5: /a: the text ends where ':' is wanted"},
        {BYTES("{\"a\":1"), "line 1, column 7: the text ends where ',' or '}' is wanted"},
        {BYTES("{\"a\":1,}"), "line 1, column 8: a key in double quotes is wanted, not '}'"},
        {BYTES("{a:1}"), "line 1, column 2: a key in double quotes is wanted, not 'a'"},
        {BYTES("{\"a\" 1}"), "line 1, column 6: /a: ':' is wanted, not '1'"},
        {BYTES("[1 2]"), "line 1, column 4: /0: ',' or ']' is wanted, not '2'"},
        {BYTES("[1,]"), "line 1, column 4: /1: a value is wanted, not ']'"},
        {BYTES("[1,\xff]"), "line 1, column 4: /1: a value is wanted, not the byte 0xff"},
        {BYTES("\"abc"), "line 1, column 5: the text ends inside a string"},
        {BYTES("\"abc\\"), "line 1, column 5: no escape begins with this backslash"},
        {BYTES("\"\\x\""), "line 1, column 2: no escape begins with this backslash"},
        {BYTES("\"\\\0\""), "line 1, column 2: no escape begins with this backslash"},
        {BYTES("\"\\u12g4\""), "line 1, column 2: four hexadecimal digits are wanted behind \\u"},
        {BYTES("\"\\u12"), "line 1, column 2: four hexadecimal digits are wanted behind \\u"},
        {BYTES("\"\\u0000\""), "line 1, column 2: a NUL (\\u0000) is not taken"},
        {BYTES("\"a\0b\""), "line 1, column 3: the control character 0x00 in a string must be escaped"},
        {BYTES("\"a\nb\""), "line 1, column 3: the control character 0x0a in a string must be escaped"},
        {BYTES("\"\\ud800\""), "line 1, column 2: half of a surrogate pair (\\ud800) stands alone"},
        {BYTES("\"\\ud800\\u0041\""), "line 1, column 2: half of a surrogate pair (\\ud800) stands alone"},
        {BYTES("\"\\udc00\\ud800\""), "line 1, column 2: half of a surrogate pair (\\udc00) stands alone"},
        {BYTES("[\"\xc3\xa9\xc3\"]"), "line 1, column 4: /0: the byte 0xc3 is not UTF-8"},
        {BYTES("\"\xed\xa0\x80\""), "line 1, column 2: the byte 0xed is not UTF-8"},
        {BYTES("\"\xc0\xaf\""), "line 1, column 2: the byte 0xc0 is not UTF-8"},
        {BYTES("01"), "line 1, column 2: a number does not begin with 0"},
        {BYTES("-"), "line 1, column 2: the text ends where a digit is wanted"},
        {BYTES("1.x"), "line 1, column 3: a digit is wanted, not 'x'"},
        {BYTES("1e+"), "line 1, column 4: the text ends where a digit is wanted"},
        {BYTES("+1"), "line 1, column 1: a value is wanted, not '+'"},
        {BYTES(".5"), "line 1, column 1: a value is wanted, not '.'"},
        {BYTES("nul"), "line 1, column 1: a value is wanted, not 'n'"},
        {BYTES("NaN"), "line 1, column 1: a value is wanted, not 'N'"},
        {BYTES("'a'"), "line 1, column 1: a value is wanted, not '''"},
        {BYTES("{\"a\":1,\n \"\xc3\xa9\":2, \"a\":3}"), "line 2, column 9: /a: the key 'a' appears twice"},
        {BYTES("{\"payload\":\n{\"rows\":[0,1,\n  {\"id\":1, \"id\":2}]}}"),
         "line 3, column 12: /payload/rows/2/id: the key 'id' appears twice"},
        {BYTES("{\"a\":1,\"\\u0061\":2}"), "line 1, column 8: /a: the key 'a' appears twice"},
        {BYTES("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}"),
         "line 1, column 19: /\xf0\x9f\x98\x80: the key '\xf0\x9f\x98\x80' appears twice"},
        {BYTES("{\"\\n/~\\/\":1,\"\\u000a\\u002f~/\":2}"),
         "line 1, column 13: /?~1~0~1: the key '?/~/' appears twice"},
        {BYTES("{\"\\u00e9\\u20ac\":1,\"\xc3\xa9\xe2\x82\xac\":2}"),
         "line 1, column 19: /\xc3\xa9\xe2\x82\xac: the key '\xc3\xa9\xe2\x82\xac' appears twice"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        if (json_check(cases[i].text, cases[i].size, NULL, &fault) == 0)
            fail_msg("%s: taken", cases[i].text);
        assert_string_equal(fault.text, cases[i].fault);
        assert_int_equal(fault.class, FAULT_INPUT);
    }
}

static void every_truncation_of_a_text_is_refused_and_read_no_further(void **state)
{
    static const char text[] =
        "{\"a\":[1.5e-3,\"\\ud83d\\ude00\xc3\xa9\",true],\"b\":{\"c\":null,\"d\":false}}";
    (void)state;
    for (size_t size = 0; size < sizeof text - 1; size++) {
        char *exact = xmalloc(size ? size : 1); /* without a NUL: the address sanitizer watches its end */
        memcpy(exact, text, size);
        assert_int_equal(json_check(exact, size, NULL, NULL), -1);
        free(exact);
    }
    assert_int_equal(json_check(text, sizeof text - 1, NULL, NULL), 0);
}

static void nesting_has_a_ceiling(void **state)
{
    char text[2 * LIMIT_JSON_DEPTH + 3] = "";
    struct fault fault;
    (void)state;
    memset(text, '[', LIMIT_JSON_DEPTH);
    memset(text + LIMIT_JSON_DEPTH, ']', LIMIT_JSON_DEPTH);
    assert_int_equal(json_check(text, 2 * LIMIT_JSON_DEPTH, NULL, &fault), 0);
    memset(text, '[', LIMIT_JSON_DEPTH + 1);
    assert_int_equal(json_check(text, 2 * LIMIT_JSON_DEPTH + 1, NULL, &fault), -1);
    assert_non_null(strstr(fault.text, "/0/0/0"));
    assert_non_null(strstr(fault.text, "nested deeper than 100 levels"));
}

/* "[1,1,1]" */
static char *ones(size_t count, size_t *size)
{
    *size = 2 * count + 1;
    char *text = xmalloc(*size);

    for (size_t i = 0; i < count; i++)
        memcpy(text + 2 * i, ",1", 2);
    text[0] = '[';
    text[*size - 1] = ']';
    return text;
}

static void a_tree_has_a_ceiling_of_values_and_the_check_has_none(void **state)
{
    struct json_members members;
    struct fault fault;
    size_t size;

    (void)state;
    char *text = ones(LIMIT_JSON_VALUES, &size);
    assert_int_equal(json_check(text, size, &members, NULL), 0);
    assert_int_equal(members.values, LIMIT_JSON_VALUES + 1); /* the array is one */
    assert_null(json_read(text, size, &fault));
    free(text);
    assert_string_equal(fault.text, "more than 2000000 values");
}

static void a_long_pointer_is_cut_and_the_message_stays(void **state)
{
    struct buf text;
    struct fault fault;
    (void)state;
    buf_init(&text, 100000);
    for (int i = 0; i < 50; i++)
        buf_addf(&text, "{\"%0200d\":", i);
    buf_addc(&text, 'x');
    assert_int_equal(json_check(text.data, text.len, NULL, &fault), -1);
    assert_non_null(strstr(fault.text, "/00000"));
    assert_non_null(strstr(fault.text, "0.../..."));
    assert_non_null(strstr(fault.text, "a value is wanted, not 'x'"));
    buf_release(&text);
}

static void the_same_key_is_found_among_many(void **state)
{
    struct buf text;
    (void)state;
    buf_init(&text, 1 << 20);
    for (int count = 1; count < 200; count++) {
        buf_clear(&text);
        buf_addc(&text, '{');
        for (int i = 0; i < count; i++)
            buf_addf(&text, "\"k%d\":{\"k%d\":[]},", i, i);
        size_t end = text.len;
        buf_adds(&text, "\"last\":0}");
        assert_int_equal(json_check(text.data, text.len, NULL, NULL), 0);
        buf_cut(&text, end);
        buf_addf(&text, "\"\\u006b%d\":0}", count / 2);
        assert_int_equal(json_check(text.data, text.len, NULL, NULL), -1);
    }
    buf_release(&text);
}

/* Of the processor's time: what else the machine does counts for nothing. */
static double check_seconds(const struct buf *text, int expected)
{
    struct fault fault = {0};
    clock_t start = clock();
    if (json_check(text->data, text->len, NULL, &fault) != expected)
        fail_msg("%s", fault.text);
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

static void hostile_texts_take_no_quadratic_time(void **state)
{
    const size_t size = 16 * 1024 * 1024;
    struct buf text;
    (void)state;
    buf_init(&text, 2 * size);
    buf_addc(&text, '{'); /* as many keys as fit */
    for (unsigned i = 0; text.len < size; i++)
        buf_addf(&text, "\"%x\":1,", i);
    buf_adds(&text, "\"\":1}");
    assert_true(check_seconds(&text, 0) < 10); /* quadratic would be hours */
    buf_clear(&text);
    buf_addc(&text, '{'); /* long keys that differ at their end */
    for (unsigned i = 0; text.len < size; i++)
        buf_addf(&text, "\"%0100000u\":1,", i);
    buf_adds(&text, "\"\":1}");
    assert_true(check_seconds(&text, 0) < 10);
    buf_release(&text);
}

static void members_are_spans_of_the_text(void **state)
{
    static const char text[] = " { \"a\" : [1, 2 ] ,\"\\u0062\\n\":{\"a\":1}, \"c\":\"x\" ,\"n\": -1.50 } ";
    static const struct {
        const char *name, *value;
    } cases[] = {{"a", "[1, 2 ]"}, {"b\n", "{\"a\":1}"}, {"c", "\"x\""}, {"n", "-1.50"}};
    struct json_members members;
    (void)state;
    assert_int_equal(json_check(text, sizeof text - 1, &members, NULL), 0);
    assert_true(members.is_object);
    assert_int_equal(members.count, COUNT(cases));
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct json_member *member = json_member(text, &members, cases[i].name);
        assert_ptr_equal(member, &members.items[i]);
        assert_int_equal(member->value_size, strlen(cases[i].value));
        assert_memory_equal(text + member->value_at, cases[i].value, member->value_size);
    }
    assert_memory_equal(text + members.items[1].name_at, "\\u0062\\n", members.items[1].name_size);
    assert_null(json_member(text, &members, "b"));
    assert_null(json_member(text, &members, "b\nc"));
    assert_null(json_member(text, &members, ""));
}

static void members_beyond_the_table_are_checked_and_not_listed(void **state)
{
    struct buf text;
    struct json_members members;
    (void)state;
    buf_init(&text, 100000);
    for (int i = 0; i < 2 * JSON_MEMBERS_MAX; i++)
        buf_addf(&text, "%c\"%d\":%d", i ? ',' : '{', i, i);
    buf_addc(&text, '}');
    assert_int_equal(json_check(text.data, text.len, &members, NULL), 0);
    assert_int_equal(members.count, JSON_MEMBERS_MAX);
    buf_cut(&text, text.len - 1);
    buf_adds(&text, ",\"127\":1}");
    assert_int_equal(json_check(text.data, text.len, &members, NULL), -1);
    assert_int_equal(json_check(BYTES("[{\"a\":1}]"), &members, NULL), 0);
    assert_false(members.is_object);
    assert_int_equal(members.count, 0);
    buf_release(&text);
}

static void a_read_value_comes_back_in_its_order(void **state)
{
    static const char text[] = "{\"z\":1,\"a\":[true,false,null,\"\xc3\xa9\\n\",0.9,2.0,"
                               "1e+300,0.1234567890123456,-9223372036854775808],\"m\":{\"x\":1,\"b\":[]}}";
    struct fault fault = {0};
    struct buf out;
    (void)state;
    json_t *value = json_read(text, sizeof text - 1, &fault);
    assert_non_null(value);
    char *copy = json_text(value);
    assert_string_equal(copy, text);
    free(copy);
    buf_init(&out, 5);
    assert_int_equal(json_write(value, &out), -1);
    buf_release(&out);
    json_decref(value);
    assert_null(json_read(BYTES("{"), &fault));
    assert_null(json_read(BYTES("[1e999]"), &fault));
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_non_null(strstr(fault.text, "line 1, column "));
    assert_null(json_read(BYTES("123456789012345678901234567890"), NULL));
}

/* A target of every kind. */
static const char *const colours[] = {"red", "green", "blue", NULL};
static struct {
    const char *string, *limited, *name, *word;
    bool flag;
    int64_t number, any_number, delay_ms, any_delay_ms, time_us;
    double ratio;
    json_t *object, *array, *strings, *any;
} got;
static const struct json_field fields[] = {
    {.name = "string", .kind = JSON_KIND_STRING, .target = &got.string},
    {.name = "limited", .kind = JSON_KIND_STRING, .target = &got.limited, .min = 2, .max = 3},
    {.name = "at_least", .kind = JSON_KIND_STRING, .target = &got.limited, .min = 2},
    {.name = "name", .kind = JSON_KIND_NAME, .target = &got.name, .max = 50},
    {.name = "word", .kind = JSON_KIND_WORD, .target = &got.word, .words = colours},
    {.name = "flag", .kind = JSON_KIND_BOOL, .target = &got.flag},
    {.name = "number", .kind = JSON_KIND_INT, .target = &got.number, .min = 1, .max = 1000},
    {.name = "any_number", .kind = JSON_KIND_INT, .target = &got.any_number},
    {.name = "ratio", .kind = JSON_KIND_NUMBER, .target = &got.ratio, .min = 1, .max = 100},
    {.name = "delay", .kind = JSON_KIND_SECONDS, .target = &got.delay_ms, .min = 100, .max = 3600000},
    {.name = "any_delay", .kind = JSON_KIND_SECONDS, .target = &got.any_delay_ms},
    {.name = "time", .kind = JSON_KIND_TIME, .target = &got.time_us},
    {.name = "object", .kind = JSON_KIND_OBJECT, .target = &got.object},
    {.name = "array", .kind = JSON_KIND_ARRAY, .target = &got.array, .max = 2},
    {.name = "strings", .kind = JSON_KIND_STRINGS, .target = &got.strings},
    {.name = "any", .kind = JSON_KIND_ANY, .target = &got.any},
    {.name = "ignored", .kind = JSON_KIND_IGNORED},
    {0},
};

static json_t *object(const char *text)
{
    struct fault fault;
    json_t *value = json_read(text, strlen(text), &fault);
    if (!value)
        fail_msg("%s: %s", text, fault.text);
    return value;
}

static void fields_of_every_kind_are_read(void **state)
{
    struct fault fault = {0};
    (void)state;
    json_t *value =
        object("{\"string\":\"\",\"limited\":\"abc\",\"name\":\"a.b-c_1\",\"word\":\"GREEN\",\"flag\":true,"
               "\"number\":1000,\"any_number\":-5,\"ratio\":2,\"delay\":1.5,\"any_delay\":\"1h30m\","
               "\"time\":\"2024-01-15T10:00:00Z\",\"object\":{},\"array\":[1,2],"
               "\"strings\":{\"a\":\"b\"},\"any\":5,\"ignored\":[]}");
    memset(&got, 0, sizeof got);
    if (json_fields(value, "", fields, &fault))
        fail_msg("%s", fault.text);
    assert_string_equal(got.string, "");
    assert_string_equal(got.limited, "abc");
    assert_string_equal(got.name, "a.b-c_1");
    assert_ptr_equal(got.word, colours[1]);
    assert_true(got.flag);
    assert_int_equal(got.number, 1000);
    assert_int_equal(got.any_number, -5);
    assert_true(got.ratio > 1.99 && got.ratio < 2.01);
    assert_int_equal(got.delay_ms, 1500);
    assert_int_equal(got.any_delay_ms, 5400000);
    assert_int_equal(got.time_us, INT64_C(1705312800000000));
    assert_true(json_is_object(got.object) && json_array_size(got.array) == 2);
    assert_true(json_is_object(got.strings) && json_is_integer(got.any));
    json_decref(value);
}

static void absent_and_null_members_leave_the_defaults(void **state)
{
    (void)state;
    json_t *value = object("{\"number\":null,\"word\":null}");
    memset(&got, 0, sizeof got);
    got.number = 7;
    got.word = "mine";
    assert_int_equal(json_fields(value, "", fields, NULL), 0);
    assert_int_equal(got.number, 7);
    assert_string_equal(got.word, "mine");
    json_decref(value);
}

static void what_does_not_fit_is_refused_with_its_pointer(void **state)
{
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"5", "/p: an object is wanted"},
        {"{\"nmae\":1}", "/p: unknown member 'nmae'; did you mean 'name'?"},
        {"{\"zzzzzzzz\":1}", "/p: unknown member 'zzzzzzzz'"},
        {"{\"string\":1}", "/p/string: a string is wanted, not a number"},
        {"{\"string\":{\"password\":\"hunter2\"}}", "/p/string: a string is wanted, not an object"},
        {"{\"limited\":\"hunter2\"}", "/p/limited: a string of 2 to 3 bytes is wanted, not 7"},
        {"{\"at_least\":\"x\"}", "/p/at_least: a string of 2 bytes or more is wanted, not 1"},
        {"{\"name\":\"a b\"}",
         "/p/name: a name of 1 to 50 letters, digits, '.', '_' and '-' is wanted, not \"a b\""},
        {"{\"word\":\"rde\"}", "/p/word: \"red\", \"green\" or \"blue\" is wanted, not \"rde\""},
        {"{\"word\":5}", "/p/word: \"red\", \"green\" or \"blue\" is wanted, not 5"},
        {"{\"flag\":\"yes\"}", "/p/flag: true or false is wanted, not \"yes\""},
        {"{\"number\":\"3\"}", "/p/number: a whole number from 1 to 1000 is wanted, not \"3\""},
        {"{\"number\":0}", "/p/number: a whole number from 1 to 1000 is wanted, not 0"},
        {"{\"number\":1001}", "/p/number: a whole number from 1 to 1000 is wanted, not 1001"},
        {"{\"number\":2.5}", "/p/number: a whole number from 1 to 1000 is wanted, not 2.5"},
        {"{\"any_number\":[]}", "/p/any_number: a whole number is wanted, not an array"},
        {"{\"ratio\":0.5}", "/p/ratio: a number from 1 to 100 is wanted, not 0.5"},
        {"{\"ratio\":true}", "/p/ratio: a number from 1 to 100 is wanted, not true"},
        {"{\"delay\":0}",
         "/p/delay: a number of seconds or a duration as \"1m30s\" from 100ms to 1h is wanted, not 0"},
        {"{\"delay\":\"2h\"}",
         "/p/delay: a number of seconds or a duration as \"1m30s\" from 100ms to 1h is wanted, not \"2h\""},
        {"{\"delay\":1e300}",
         "/p/delay: a number of seconds or a duration as \"1m30s\" from 100ms to 1h is wanted, not 1e+300"},
        {"{\"any_delay\":-1}",
         "/p/any_delay: a number of seconds or a duration as \"1m30s\" is wanted, not -1"},
        {"{\"time\":\"noon\"}", "/p/time: a time as \"2024-01-15T10:00:00Z\" is wanted, not \"noon\""},
        {"{\"object\":[]}", "/p/object: an object is wanted, not an array"},
        {"{\"array\":[1,2,3]}", "/p/array: an array of 0 to 2 elements is wanted, not 3"},
        {"{\"array\":{}}", "/p/array: an array of 0 to 2 elements is wanted, not an object"},
        {"{\"strings\":[]}", "/p/strings: an object of strings is wanted, not an array"},
        {"{\"strings\":{\"a\":\"b\",\"c/d~e\":5}}", "/p/strings/c~1d~0e: a string is wanted, not a number"},
        {"{\"word\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
         "/p/word: \"red\", \"green\" or \"blue\" is wanted, not "
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"... (80 bytes)"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        json_t *value = object(cases[i].text);
        if (json_fields(value, "/p", fields, &fault) == 0)
            fail_msg("%s: taken", cases[i].text);
        assert_string_equal(fault.text, cases[i].fault);
        assert_int_equal(fault.class, FAULT_INPUT);
        json_decref(value);
    }
}

static void a_required_member_is_missed_also_where_it_is_null(void **state)
{
    const char *name = NULL;
    const struct json_field required[] = {
        {.name = "name", .kind = JSON_KIND_NAME, .required = true, .target = &name}, {0}};
    const char *const texts[] = {"{}", "{\"name\":null}"};
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct fault fault = {0};
        json_t *value = object(texts[i]);
        assert_int_equal(json_fields(value, "", required, &fault), -1);
        assert_string_equal(fault.text, "'name' is missing");
        json_decref(value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_pass),
        cmocka_unit_test(each_mistake_is_named_with_its_place),
        cmocka_unit_test(every_truncation_of_a_text_is_refused_and_read_no_further),
        cmocka_unit_test(nesting_has_a_ceiling),
        cmocka_unit_test(a_tree_has_a_ceiling_of_values_and_the_check_has_none),
        cmocka_unit_test(a_long_pointer_is_cut_and_the_message_stays),
        cmocka_unit_test(the_same_key_is_found_among_many),
        cmocka_unit_test(hostile_texts_take_no_quadratic_time),
        cmocka_unit_test(members_are_spans_of_the_text),
        cmocka_unit_test(members_beyond_the_table_are_checked_and_not_listed),
        cmocka_unit_test(a_read_value_comes_back_in_its_order),
        cmocka_unit_test(fields_of_every_kind_are_read),
        cmocka_unit_test(absent_and_null_members_leave_the_defaults),
        cmocka_unit_test(what_does_not_fit_is_refused_with_its_pointer),
        cmocka_unit_test(a_required_member_is_missed_also_where_it_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
