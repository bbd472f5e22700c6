/*
 * The guard against one list of addresses: each with the network that refuses it, or as public. The edges of
 * a network are in the list from both sides.
 */
#include "guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdlib.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>

static const struct {
    const char *address;
    const char *network; /* how the name begins; NULL: public */
} cases[] = {
    {"0.0.0.0", "this network"},
    {"0.255.255.255", "this network"},
    {"1.0.0.0", NULL},
    {"1.1.1.1", NULL},
    {"8.8.8.8", NULL},
    {"9.255.255.255", NULL},
    {"10.0.0.0", "private (10."},
    {"10.255.255.255", "private (10."},
    {"11.0.0.0", NULL},
    {"100.63.255.255", NULL},
    {"100.64.0.0", "shared"},
    {"100.100.100.200", "shared"}, /* Alibaba's metadata service */
    {"100.127.255.255", "shared"},
    {"100.128.0.0", NULL},
    {"126.255.255.255", NULL},
    {"127.0.0.1", "loopback"},
    {"127.255.255.254", "loopback"},
    {"128.0.0.0", NULL},
    {"168.63.129.15", NULL},
    {"168.63.129.16", "Azure"},
    {"168.63.129.17", NULL},
    {"169.253.255.255", NULL},
    {"169.254.169.254", "link-local"},
    {"169.255.0.0", NULL},
    {"172.15.255.255", NULL},
    {"172.16.0.0", "private (172."},
    {"172.31.255.255", "private (172."},
    {"172.32.0.0", NULL},
    {"191.255.255.255", NULL},
    {"192.0.0.9", "IETF"},
    {"192.0.1.0", NULL},
    {"192.0.2.1", "documentation (192."},
    {"192.0.3.0", NULL},
    {"192.88.99.1", "6to4 relays"},
    {"192.167.255.255", NULL},
    {"192.168.0.0", "private (192."},
    {"192.168.255.255", "private (192."},
    {"192.169.0.0", NULL},
    {"198.17.255.255", NULL},
    {"198.18.0.0", "benchmarking"},
    {"198.19.255.255", "benchmarking"},
    {"198.20.0.0", NULL},
    {"198.51.100.7", "documentation (198."},
    {"203.0.112.255", NULL},
    {"203.0.113.7", "documentation (203."},
    {"203.0.114.0", NULL},
    {"223.255.255.255", NULL},
    {"224.0.0.1", "multicast"},
    {"239.255.255.255", "multicast"},
    {"240.0.0.0", "reserved (240."},
    {"255.255.255.254", "reserved (240."},
    {"255.255.255.255", "broadcast"},

    {"::", "unspecified"},
    {"::1", "loopback (::1"},
    {"::2", "this network"}, /* compatible: 0.0.0.2 */
    {"::127.0.0.1", "loopback (127."},
    {"::10.1.2.3", "private (10."},
    {"::8.8.8.8", NULL},
    {"::ffff:127.0.0.1", "loopback (127."},
    {"::ffff:7f00:1", "loopback (127."},
    {"::ffff:169.254.169.254", "link-local (169."},
    {"::ffff:192.168.1.1", "private (192."},
    {"::ffff:0.0.0.0", "this network"},
    {"::ffff:8.8.8.8", NULL},
    {"::ffff:0:10.0.0.1", "private (10."}, /* translated */
    {"::ffff:0:8.8.8.8", NULL},
    {"::fffe:8.8.8.8", "reserved (::/3"},
    {"64:ff9b::10.0.0.1", "private (10."},
    {"64:ff9b::169.254.169.254", "link-local (169."},
    {"64:ff9b::8.8.8.8", NULL},
    {"64:ff9b:1::8.8.8.8", "local NAT64"},
    {"64:ff9b:2::1", "reserved (::/3"},
    {"100::1", "discard-only"},
    {"200::1", "reserved (::/3"},
    {"1fff:ffff::1", "reserved (::/3"},
    {"2000::1", NULL},
    {"2001:0:4136:e378:8000:63bf:3fff:fdd2", "documentation (192."}, /* Teredo: 192.0.2.45 flipped */
    {"2001::80ff:fffe", "loopback (127."},                           /* Teredo: 127.0.0.1 flipped */
    {"2001::f7f7:f7f7", NULL},                                       /* Teredo: 8.8.8.8 flipped */
    {"2001:2::1", "IETF protocol assignments (2001"},
    {"2001:20::1", "IETF protocol assignments (2001"},
    {"2001:1ff:ffff::1", "IETF protocol assignments (2001"},
    {"2001:200::1", NULL},
    {"2001:db7:ffff::1", NULL},
    {"2001:db8::1", "documentation (2001"},
    {"2001:db9::1", NULL},
    {"2001:4860:4860::8888", NULL},
    {"2002:7f00:1::", "loopback (127."},
    {"2002:a9fe:a9fe::1", "link-local (169."},
    {"2002:c0a8:101::1", "private (192."},
    {"2002:808:808::1", NULL},
    {"2003::1", NULL},
    {"2606:4700:4700::1111", NULL},
    {"3ffe:ffff::1", NULL},
    {"3fff:0fff::1", "documentation (3fff"},
    {"3fff:1000::1", NULL},
    {"4000::1", "reserved (4000"},
    {"5f00::1", "segment routing"},
    {"8000::1", "reserved (8000"},
    {"fbff::1", "reserved (8000"},
    {"fc00::1", "unique local"},
    {"fd00:ec2::254", "unique local"}, /* Amazon's metadata service */
    {"fdff:ffff::1", "unique local"},
    {"fe00::1", "reserved (8000"},
    {"fe80::1", "link-local (fe80"},
    {"febf::1", "link-local (fe80"},
    {"fec0::1", "site-local"},
    {"ff02::1", "multicast (ff00"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast (ff00"},
};

static const struct guard strict;

static const char *judge(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(443)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};

    if (strchr(text, ':')) {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        return guard_refuses(&strict, (struct sockaddr *)&in6);
    }
    assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
    return guard_refuses(&strict, (struct sockaddr *)&in);
}

static void each_address_is_judged_by_its_network(void **state)
{
    int wrong = 0;

    (void)state;
    assert_true(sizeof cases / sizeof *cases > 100);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *network = judge(cases[i].address), *expected = cases[i].network;
        if (!network == !expected && (!expected || strncmp(network, expected, strlen(expected)) == 0))
            continue;
        print_error("%s: %s, not %s\n", cases[i].address, network ? network : "public",
                    expected ? expected : "public");
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void what_is_no_internet_address_is_refused(void **state)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};

    (void)state;
    assert_non_null(guard_refuses(&strict, (struct sockaddr *)&path));
}

/* The lists */

static struct guard_lists *lists_of(struct guard_lists *beneath, const char *deny, const char *only,
                                    const char *allow)
{
    const char *const networks[] = {[GUARD_DENY] = deny, [GUARD_ONLY] = only, [GUARD_ALLOW] = allow};
    struct guard_lists *lists = guard_lists_new(beneath);
    struct fault fault = {0};

    for (int list = 0; list < GUARD_LIST_COUNT; list++) {
        char text[200], *rest = text, *word;
        snprintf(text, sizeof text, "%s", networks[list] ? networks[list] : "");
        while ((word = strsep(&rest, " ")))
            if (*word && guard_lists_add(lists, (enum guard_list)list, word, &fault) < 0)
                fail_msg("%s", fault.text);
    }
    return lists;
}

static const char *judge_by(const struct guard *guard, const char *text, int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((in_port_t)port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((in_port_t)port)};

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return guard_refuses(guard, (struct sockaddr *)&in);
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return guard_refuses(guard, (struct sockaddr *)&in6);
}

static void lists_decide_before_the_tables_and_deny_before_all(void **state)
{
    static const struct {
        const char *deny, *only, *allow;
        bool allow_private;
        const char *address;
        int port;
        const char *refusal; /* how it begins; NULL: open */
    } table[] = {
        {NULL, NULL, "10.1.0.0/16", false, "10.1.2.3", 443, NULL},
        {NULL, NULL, "10.1.0.0/16", false, "10.2.0.0", 443, "private (10."},
        {NULL, NULL, "10.1.0.0/16", false, "::ffff:10.1.2.3", 443, NULL},
        {NULL, NULL, "10.1.0.0/16", false, "64:ff9b::10.1.2.3", 443, NULL},
        {NULL, NULL, "10.1.0.0/16", false, "8.8.8.8", 443, NULL}, /* an allow closes nothing */
        {NULL, NULL, "10.1.0.0/16:5432", false, "10.1.2.3", 5432, NULL},
        {NULL, NULL, "10.1.0.0/16:5432", false, "10.1.2.3", 5433, "private (10."},
        {NULL, NULL, "10.1.0.0/16:8000-8099", false, "10.1.2.3", 8099, NULL},
        {NULL, NULL, "10.1.0.0/16:8000-8099", false, "10.1.2.3", 8100, "private (10."},
        {NULL, NULL, "fd00:1::/32", false, "fd00:1::7", 1, NULL},
        {NULL, NULL, "[fd00:1::/32]:443", false, "fd00:1::7", 444, "unique local"},
        {NULL, NULL, "::ffff:10.0.0.0/104", false, "10.9.9.9", 1, NULL},
        {NULL, NULL, "127.0.0.1", false, "127.0.0.2", 1, "loopback"},
        {"8.8.8.0/24", NULL, NULL, false, "8.8.8.8", 53, "denied by networks.json (8.8.8.0/24)"},
        {"8.8.8.0/24", NULL, NULL, false, "8.8.9.8", 53, NULL},
        {"8.8.8.0/24", NULL, "8.8.8.8", true, "8.8.8.8", 53, "denied"},
        {"8.8.8.0/24", NULL, NULL, false, "::ffff:8.8.8.8", 53, "denied"},
        {"8.8.8.0/24", NULL, NULL, false, "::8.8.8.8", 53, "denied"},
        {"8.8.8.0/24", NULL, NULL, false, "64:ff9b::8.8.8.8", 53, "denied"},
        {"8.8.8.0/24", NULL, NULL, false, "2002:808:808::1", 53, "denied"},
        {"8.8.8.0/24", NULL, NULL, false, "2001:0:1:2:3:4:f7f7:f7f7", 53, "denied"}, /* Teredo, inverted */
        {"::/0", NULL, NULL, false, "8.8.8.8", 53, NULL},
        {"::/0", NULL, NULL, false, "2606:4700::1", 53, "denied"},
        {"0.0.0.0/0", NULL, NULL, true, "127.0.0.1", 53, "denied"},
        {"0.0.0.0/0:25", NULL, NULL, false, "8.8.8.8", 25, "denied"},
        {"0.0.0.0/0:25", NULL, NULL, false, "8.8.8.8", 26, NULL},
        {NULL, "8.8.8.0/24 1.1.1.1", NULL, false, "1.1.1.1", 1, NULL},
        {NULL, "8.8.8.0/24 1.1.1.1", NULL, false, "1.1.1.2", 1, "outside of"},
        {NULL, "10.0.0.0/8", NULL, false, "10.1.2.3", 1, "private (10."}, /* an only opens nothing */
        {NULL, "10.0.0.0/8", "10.0.0.0/8", false, "10.1.2.3", 1, NULL},
        {NULL, "10.0.0.0/8", NULL, true, "10.1.2.3", 1, NULL},
        {NULL, "10.0.0.0/8", "11.0.0.0/8", true, "11.1.2.3", 1, "outside of"},
        {"128.0.0.0/1", NULL, NULL, false, "127.0.0.1", 1, "loopback"},
        {"128.0.0.0/1", NULL, NULL, false, "128.0.0.1", 1, "denied"},
    };
    int wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct guard_lists *lists = lists_of(NULL, table[i].deny, table[i].only, table[i].allow);
        const struct guard guard = {table[i].allow_private, lists};
        const char *expected = table[i].refusal, *got = judge_by(&guard, table[i].address, table[i].port);
        if (!got != !expected || (expected && strncmp(got, expected, strlen(expected)) != 0)) {
            print_error("row %zu, %s: %s\n", i, table[i].address, got ? got : "open");
            wrong++;
        }
        guard_lists_unref(lists);
    }
    assert_int_equal(wrong, 0);
}

static void what_is_written_in_two_ways_is_no_network(void **state)
{
    static const char *const wrong[] = {
        "",
        "10.1/16",
        "10.1.2.3/16",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/08",
        "10.0.0.0/-1",
        "10.0.0.0/8 ",
        "010.0.0.0/8",
        "2130706433",
        "0x7f.1",
        "localhost",
        "10.0.0.0/8:",
        "10.0.0.0/8:0",
        "10.0.0.0/8:65536",
        "10.0.0.0/8:9-8",
        "10.0.0.0/8:a",
        "10.0.0.0/8:1-2-3",
        "[10.0.0.0/8]:1",
        "fd00::/129",
        "fd00::1/64",
        "[fd00::/64",
        "[fd00::/64]x",
        "[fd00::/64]:",
        "fe80::1%eth0",
        "fd00:::/8",
        "1111:2222:3333:4444:5555:6666:7777:8888/128 and more than a network has"};
    struct guard_lists *lists = guard_lists_new(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fault fault = {0};
        if (guard_lists_add(lists, GUARD_DENY, wrong[i], &fault) == 0)
            fail_msg("\"%s\" was taken", wrong[i]);
        assert_int_equal(fault.class, FAULT_INPUT);
        assert_non_null(strstr(fault.text, "is no network: "));
    }
    for (int i = 0; i < GUARD_NETWORKS_MAX; i++)
        assert_int_equal(guard_lists_add(lists, GUARD_DENY, "10.0.0.0/8", NULL), 0);
    assert_int_equal(guard_lists_add(lists, GUARD_DENY, "10.0.0.0/8", NULL), -1);
    guard_lists_unref(lists);
}

static void a_tenants_lists_lie_above_those_of_all(void **state)
{
    struct guard_lists *common = lists_of(NULL, "8.8.8.8", "8.0.0.0/8 10.0.0.0/8", "10.1.0.0/16");
    struct guard_lists *own = lists_of(common, "8.8.4.4", NULL, "8.8.8.8 10.2.0.0/16");
    struct guard_lists *narrow = lists_of(common, NULL, "8.9.0.0/16 9.0.0.0/8", NULL);
    const struct guard all = {false, common}, by_own = {false, own}, by_narrow = {false, narrow};

    (void)state;
    guard_lists_unref(common); /* the other two have it */
    assert_null(judge_by(&all, "8.8.4.4", 1));
    assert_non_null(judge_by(&by_own, "8.8.4.4", 1));
    assert_non_null(judge_by(&by_own, "8.8.8.8", 1)); /* no tenant opens what is denied to all */
    assert_null(judge_by(&by_own, "10.1.0.1", 1));
    assert_null(judge_by(&by_own, "10.2.0.1", 1));
    assert_non_null(judge_by(&all, "10.2.0.1", 1));
    assert_null(judge_by(&by_narrow, "8.9.0.1", 1));
    assert_non_null(judge_by(&by_narrow, "8.10.0.1", 1));
    assert_non_null(judge_by(&by_narrow, "9.0.0.1", 1)); /* nor what is outside of what all may have */
    guard_lists_unref(own);
    guard_lists_unref(narrow);
}

static void an_only_without_networks_refuses_everything(void **state)
{
    struct guard_lists *lists = guard_lists_new(NULL);
    const struct guard guard = {true, lists};

    (void)state;
    assert_null(judge_by(&guard, "8.8.8.8", 1));
    guard_lists_open(lists, GUARD_ONLY);
    assert_non_null(judge_by(&guard, "8.8.8.8", 1));
    guard_lists_unref(lists);
}

static void lists_that_judge_alike_are_equal(void **state)
{
    struct guard_lists *common = lists_of(NULL, "8.8.8.8", NULL, NULL);
    struct guard_lists *sets[] = {
        lists_of(NULL, "8.8.8.8", NULL, NULL),        lists_of(NULL, NULL, "8.8.8.8", NULL),
        lists_of(NULL, NULL, NULL, "8.8.8.8"),        lists_of(NULL, "8.8.8.9", NULL, NULL),
        lists_of(NULL, "8.8.8.8:1", NULL, NULL),      lists_of(NULL, "8.8.8.8/32:1-2", NULL, NULL),
        lists_of(common, NULL, NULL, NULL),           lists_of(NULL, NULL, NULL, NULL),
        lists_of(NULL, "8.8.8.8 1.1.1.1", NULL, NULL)};
    enum { COUNT = sizeof sets / sizeof *sets };
    char keys[COUNT][DIGEST_TEXT_SIZE], key[DIGEST_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        guard_lists_key(sets[i], keys[i]);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < COUNT; k++) {
            assert_int_equal(guard_lists_equal(sets[i], sets[k]), i == k);
            assert_int_equal(strcmp(keys[i], keys[k]) == 0, i == k);
        }
    guard_lists_key(common, key);
    assert_true(guard_lists_equal(common, sets[0]) && strcmp(key, keys[0]) == 0);
    assert_true(guard_lists_equal(NULL, NULL) && !guard_lists_equal(NULL, common));
    guard_lists_key(NULL, key);
    assert_string_equal(key, "");
    for (size_t i = 0; i < COUNT; i++)
        guard_lists_unref(sets[i]);
    guard_lists_unref(common);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_decide_before_the_tables_and_deny_before_all),
        cmocka_unit_test(what_is_written_in_two_ways_is_no_network),
        cmocka_unit_test(a_tenants_lists_lie_above_those_of_all),
        cmocka_unit_test(an_only_without_networks_refuses_everything),
        cmocka_unit_test(lists_that_judge_alike_are_equal),
        cmocka_unit_test(each_address_is_judged_by_its_network),
        cmocka_unit_test(what_is_no_internet_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
