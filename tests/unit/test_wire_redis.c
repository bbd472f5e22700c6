/*
 * What the Redis client knows without a server: addresses, slots, where the keys of a command are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "address.h"
#include "redis_error.h"
#include "redis_request.h"
#include "redis_slot.h"

static int slot(const char *key)
{
    return redis_slot_of_key(key, strlen(key));
}

static void slots_are_those_of_the_specification(void **state)
{
    (void)state;
    assert_int_equal(slot("123456789"), 0x31C3);
    assert_int_equal(slot("foo"), 12182);
    assert_int_equal(slot("bar"), 5061);
    assert_int_equal(slot(""), 0);
    assert_int_not_equal(redis_slot_of_key("a\0b", 3), slot("a"));
}

static void the_first_tag_that_is_not_empty_counts(void **state)
{
    (void)state;
    assert_int_equal(slot("x{bar}y"), slot("bar"));
    assert_int_equal(slot("x{bar}{zap}"), slot("bar"));
    assert_int_equal(slot("x{{bar}}y"), slot("{bar"));
    assert_int_equal(slot("x{bar"), redis_slot_of_key("x{bar", 5));
    assert_int_not_equal(slot("x{}{bar}"), slot("bar"));
    assert_int_not_equal(slot("x}bar{y"), slot("bar"));
    assert_int_equal(slot("dist:{0}:lanes"), slot("0"));
}

static int slot_of(int argc, const char *const *argv)
{
    struct redis_request request;
    int found;

    assert_int_equal(redis_request_format(&request, argc, argv, NULL, NULL), 0);
    found = redis_slot_of_command(request.bytes, request.size);
    redis_request_release(&request);
    return found;
}
#define SLOT_OF(...)                                                                                         \
    slot_of(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

static void the_keys_of_a_command_are_found(void **state)
{
    const int foo = slot("foo");

    (void)state;
    assert_int_equal(SLOT_OF("GET", "foo"), foo);
    assert_int_equal(SLOT_OF("bzpopmin", "foo", "1"), foo);
    assert_int_equal(SLOT_OF("XINFO", "GROUPS", "foo"), foo);
    assert_int_equal(SLOT_OF("XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "foo", ">"), foo);
    assert_int_equal(SLOT_OF("XREAD", "COUNT", "1", "streams", "foo", "0"), foo);
    assert_int_equal(SLOT_OF("EVALSHA", "0123", "1", "foo", "bar"), foo);
    assert_int_equal(SLOT_OF("EVAL", "return 1", "2", "x{foo}", "y{foo}", "bar"), foo);
    assert_int_equal(SLOT_OF("BZMPOP", "1", "1", "foo", "MIN"), foo);
    assert_int_equal(SLOT_OF("ZMPOP", "1", "foo", "MIN"), foo);
    assert_int_equal(SLOT_OF("BITOP", "AND", "foo", "foo"), foo);
}

static void commands_without_a_key_and_those_with_too_many_are_told(void **state)
{
    (void)state;
    assert_int_equal(SLOT_OF("PING"), REDIS_SLOT_NONE);
    assert_int_equal(SLOT_OF("ping"), REDIS_SLOT_NONE);
    assert_int_equal(SLOT_OF("SCRIPT", "LOAD", "return 1"), REDIS_SLOT_NONE);
    assert_int_equal(SLOT_OF("INFO", "server"), REDIS_SLOT_NONE);
    assert_int_equal(SLOT_OF("EVALSHA", "0123", "0", "foo"), REDIS_SLOT_NONE);
    assert_int_equal(SLOT_OF("EVALSHA", "0123", "2", "foo", "bar"), REDIS_SLOT_MIXED);
    assert_int_equal(SLOT_OF("GET"), REDIS_SLOT_NONE);
    assert_int_equal(SLOT_OF("EVALSHA", "0123"), REDIS_SLOT_NONE);
    assert_int_equal(SLOT_OF("XREAD", "COUNT", "1"), REDIS_SLOT_NONE);
    assert_int_equal(SLOT_OF("EVALSHA", "0123", "9", "foo"), slot("foo"));
    assert_int_equal(redis_slot_of_command("", 0), REDIS_SLOT_NONE);
}

static void a_command_has_every_argument_with_its_size(void **state)
{
    static const char wanted[] = "*4\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\na\0b\r\n$12\r\nabcdefghijkl\r\n";
    const char *const argv[] = {"SET", "", "a\0b", "abcdefghijkl"};
    const size_t sizes[] = {3, 0, 3, 12};
    struct redis_request request;

    (void)state;
    assert_int_equal(redis_request_format(&request, 4, argv, sizes, NULL), 0);
    assert_int_equal(request.size, sizeof wanted - 1);
    assert_memory_equal(request.bytes, wanted, request.size);
    redis_request_release(&request);
}

static void a_request_asks_and_forgets_that_it_asked(void **state)
{
    struct redis_request request;

    (void)state;
    assert_int_equal(redis_request_format(&request, 2, (const char *const[]){"GET", "k"}, NULL, NULL), 0);
    for (int i = 0; i < 2; i++) {
        redis_request_set_asking(&request, true);
        redis_request_set_asking(&request, true);
        assert_memory_equal(request.bytes, "*1\r\n$6\r\nASKING\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
                            request.size);
        assert_int_equal(request.size, 36);
        redis_request_set_asking(&request, false);
        redis_request_set_asking(&request, false);
        assert_memory_equal(request.bytes, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", request.size);
        assert_int_equal(request.size, 20);
    }
    redis_request_release(&request);
}

static enum fault_class class_of(const char *text, enum redis_remedy *remedy)
{
    const redisReply reply = {.type = REDIS_REPLY_ERROR, .str = (char *)text, .len = strlen(text)};

    return redis_error_class(&reply, remedy);
}

static void errors_have_their_class_and_remedy(void **state)
{
    enum redis_remedy remedy;

    (void)state;
    assert_int_equal(class_of("READONLY You can't write", &remedy), FAULT_TEMP);
    assert_int_equal(remedy, REDIS_REMEDY_REPLACE);
    assert_int_equal(class_of("NOREPLICAS Not enough", &remedy), FAULT_TEMP);
    assert_int_equal(remedy, REDIS_REMEDY_SEEK);
    assert_int_equal(class_of("TRYAGAIN Multiple keys", &remedy), FAULT_TEMP);
    assert_int_equal(remedy, REDIS_REMEDY_NONE);
    assert_int_equal(class_of("CROSSSLOT Keys in request", &remedy), FAULT_BUG);
    assert_int_equal(class_of("READONLYX", &remedy), FAULT_BUG);
    assert_int_equal(class_of("", &remedy), FAULT_BUG);
}

static void lists_of_addresses_are_read(void **state)
{
    struct addresses list;
    struct fault fault = {0};
    char *text;

    (void)state;
    assert_int_equal(addresses_parse("a, b:1 ,[2001:db8::1]:2,::1,[::2]", 9, &list, &fault), 0);
    assert_int_equal(list.count, 5);
    assert_string_equal(list.items[0].host, "a");
    assert_int_equal(list.items[0].port, 9);
    assert_string_equal(list.items[1].host, "b");
    assert_int_equal(list.items[1].port, 1);
    assert_string_equal(list.items[2].host, "2001:db8::1");
    assert_int_equal(list.items[2].port, 2);
    assert_string_equal(list.items[3].host, "::1");
    assert_int_equal(list.items[3].port, 9);
    assert_string_equal(list.items[4].host, "::2");
    text = address_text(list.items[2].host, list.items[2].port);
    assert_string_equal(text, "[2001:db8::1]:2");
    free(text);
    addresses_release(&list);
    text = address_text("a\033b", 1);
    assert_string_equal(text, "a?b:1");
    free(text);
    assert_true(address_is_numeric("127.0.0.1"));
    assert_true(address_is_numeric("::1"));
    assert_false(address_is_numeric("localhost"));
}

static void lists_that_are_none_are_refused(void **state)
{
    static const char *const wrong[] = {"",   ",",    "a,",  "a,,b",     "a:0",     "a:65536", "a:x",  "a:",
                                        ":1", "[::1", "a b", "[::1]x:1", "/a/path", "[]:1",    "a:1 2"};
    char many[2 * (ADDRESSES_MAX + 1) + 1], host[ADDRESS_HOST_MAX + 2];
    struct addresses list;
    struct fault fault = {0};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (addresses_parse(wrong[i], 9, &list, &fault) == 0)
            fail_msg("'%s' is taken", wrong[i]);
        assert_int_equal(fault.class, FAULT_CONFIG);
        assert_int_equal(list.count, 0);
        assert_null(list.items);
    }
    for (int i = 0; i <= ADDRESSES_MAX; i++)
        memcpy(many + 2 * i, "a,", 2);
    many[2 * ADDRESSES_MAX - 1] = '\0';
    assert_int_equal(addresses_parse(many, 9, &list, &fault), 0);
    addresses_release(&list);
    many[2 * ADDRESSES_MAX - 1] = ',';
    many[2 * ADDRESSES_MAX + 1] = '\0';
    assert_int_equal(addresses_parse(many, 9, &list, &fault), -1);
    memset(host, 'h', sizeof host);
    host[sizeof host - 1] = '\0';
    assert_int_equal(addresses_parse(host, 9, &list, &fault), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_those_of_the_specification),
        cmocka_unit_test(the_first_tag_that_is_not_empty_counts),
        cmocka_unit_test(the_keys_of_a_command_are_found),
        cmocka_unit_test(commands_without_a_key_and_those_with_too_many_are_told),
        cmocka_unit_test(a_command_has_every_argument_with_its_size),
        cmocka_unit_test(a_request_asks_and_forgets_that_it_asked),
        cmocka_unit_test(errors_have_their_class_and_remedy),
        cmocka_unit_test(lists_of_addresses_are_read),
        cmocka_unit_test(lists_that_are_none_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
