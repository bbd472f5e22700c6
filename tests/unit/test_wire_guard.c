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

static const char *judge(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(443)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)};

    if (strchr(text, ':')) {
        assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
        return guard_refuses((struct sockaddr *)&in6);
    }
    assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
    return guard_refuses((struct sockaddr *)&in);
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
    assert_non_null(guard_refuses((struct sockaddr *)&path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_is_judged_by_its_network),
        cmocka_unit_test(what_is_no_internet_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
