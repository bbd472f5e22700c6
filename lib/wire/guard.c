/*
 * What the operator's lists decide is decided. For all else there are two tables of networks, read from the
 * top; the first that holds the address decides. A row of the second table may say that its addresses carry
 * an IPv4 address: then that one is judged instead. The one hard rule: an address that no row knows must be
 * one that routers of the internet carry, so the second table ends with everything outside of 2000::/3.
 */
#include "guard.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <netinet/in.h>

struct network {
    unsigned char prefix[16]; /* network byte order, zeros behind what is written */
    int bits;
    const char *name;
};

static const struct network networks4[] = {
    {{0}, 8, "this network (0.0.0.0/8)"}, /* Linux connects 0.0.0.0 to itself */
    {{10}, 8, "private (10.0.0.0/8)"},
    {{100, 64}, 10, "shared address space (100.64.0.0/10)"},
    {{127}, 8, "loopback (127.0.0.0/8)"},
    {{168, 63, 129, 16},
     32,
     "Azure platform services (168.63.129.16/32)"}, /* hands out a machine's certificates */
    {{169, 254}, 16, "link-local (169.254.0.0/16)"},
    {{172, 16}, 12, "private (172.16.0.0/12)"},
    {{192, 0, 0}, 24, "IETF protocol assignments (192.0.0.0/24)"},
    {{192, 0, 2}, 24, "documentation (192.0.2.0/24)"},
    {{192, 88, 99}, 24, "6to4 relays (192.88.99.0/24)"},
    {{192, 168}, 16, "private (192.168.0.0/16)"},
    {{198, 18}, 15, "benchmarking (198.18.0.0/15)"},
    {{198, 51, 100}, 24, "documentation (198.51.100.0/24)"},
    {{203, 0, 113}, 24, "documentation (203.0.113.0/24)"},
    {{224}, 4, "multicast (224.0.0.0/4)"},
    {{255, 255, 255, 255}, 32, "broadcast (255.255.255.255/32)"},
    {{240}, 4, "reserved (240.0.0.0/4)"},
};

enum carries { CARRIES_NONE, CARRIES_PLAIN, CARRIES_INVERTED };

static const struct network6 {
    struct network network;
    enum carries carried;
    int offset; /* of the IPv4 address */
} networks6[] = {
    {{{0}, 128, "unspecified (::/128)"}, CARRIES_NONE, 0},
    {{{[15] = 1}, 128, "loopback (::1/128)"}, CARRIES_NONE, 0},
    {{{[10] = 0xff, 0xff}, 96, "IPv4-mapped (::ffff:0:0/96)"}, CARRIES_PLAIN, 12},
    {{{0}, 96, "IPv4-compatible (::/96)"}, CARRIES_PLAIN, 12},
    {{{[8] = 0xff, 0xff}, 96, "IPv4-translated (::ffff:0:0:0/96)"}, CARRIES_PLAIN, 12},
    {{{0x00, 0x64, 0xff, 0x9b}, 96, "NAT64 (64:ff9b::/96)"}, CARRIES_PLAIN, 12},
    {{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "local NAT64 (64:ff9b:1::/48)"}, CARRIES_NONE, 0},
    {{{0x01}, 64, "discard-only (100::/64)"}, CARRIES_NONE, 0},
    {{{0x20, 0x01}, 32, "Teredo (2001::/32)"}, CARRIES_INVERTED, 12}, /* the client's, all bits flipped */
    {{{0x20, 0x01}, 23, "IETF protocol assignments (2001::/23)"}, CARRIES_NONE, 0},
    {{{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation (2001:db8::/32)"}, CARRIES_NONE, 0},
    {{{0x20, 0x02}, 16, "6to4 (2002::/16)"}, CARRIES_PLAIN, 2},
    {{{0x3f, 0xff}, 20, "documentation (3fff::/20)"}, CARRIES_NONE, 0},
    {{{0x5f, 0x00}, 16, "segment routing (5f00::/16)"}, CARRIES_NONE, 0},
    {{{0xfc}, 7, "unique local (fc00::/7)"}, CARRIES_NONE, 0},
    {{{0xfe, 0x80}, 10, "link-local (fe80::/10)"}, CARRIES_NONE, 0},
    {{{0xfe, 0xc0}, 10, "site-local (fec0::/10)"}, CARRIES_NONE, 0},
    {{{0xff}, 8, "multicast (ff00::/8)"}, CARRIES_NONE, 0},
    {{{0}, 3, "reserved (::/3)"}, CARRIES_NONE, 0},
    {{{0x40}, 2, "reserved (4000::/2)"}, CARRIES_NONE, 0},
    {{{0x80}, 1, "reserved (8000::/1)"}, CARRIES_NONE, 0},
};

static bool holds(const struct network *network, const unsigned char *address)
{
    size_t whole = (size_t)network->bits / 8;
    int rest = network->bits % 8;

    if (memcmp(network->prefix, address, whole) != 0)
        return false;
    return rest == 0 || (network->prefix[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static const char *refuses4(const unsigned char address[4])
{
    for (size_t i = 0; i < sizeof networks4 / sizeof *networks4; i++)
        if (holds(&networks4[i], address))
            return networks4[i].name;
    return NULL;
}

/* The row that holds the address; NULL: it is handed out. */
static const struct network6 *row6(const unsigned char address[16])
{
    for (size_t i = 0; i < sizeof networks6 / sizeof *networks6; i++)
        if (holds(&networks6[i].network, address))
            return &networks6[i];
    return NULL;
}

/* The IPv4 address in it; false where it carries none. */
static bool carried(const struct network6 *row, const unsigned char address[16], unsigned char v4[4])
{
    unsigned char flip = row && row->carried == CARRIES_INVERTED ? 0xff : 0;

    if (!row || row->carried == CARRIES_NONE)
        return false;
    for (int byte = 0; byte < 4; byte++)
        v4[byte] = address[row->offset + byte] ^ flip;
    return true;
}

static const char *judge(const struct guard *guard, const struct guard_address *address, const char *by_table)
{
    const char *network = NULL;

    switch (guard_lists_judge(guard->lists, address, &network)) {
    case GUARD_REFUSED:
        return network;
    case GUARD_ALLOWED:
        return NULL;
    case GUARD_UNDECIDED:
        break;
    }
    return guard->allow_private ? NULL : by_table;
}

static const char *judge4(const struct guard *guard, const struct sockaddr_in *in)
{
    unsigned char bytes[4];

    memcpy(bytes, &in->sin_addr, sizeof bytes);
    return judge(guard, &(struct guard_address){.v4 = bytes, .port = ntohs(in->sin_port)}, refuses4(bytes));
}

static const char *judge6(const struct guard *guard, const struct sockaddr_in6 *in6)
{
    const unsigned char *bytes = in6->sin6_addr.s6_addr;
    const struct network6 *row = row6(bytes);
    unsigned char v4[4];
    bool carries = carried(row, bytes, v4);
    const struct guard_address address = {
        .v4 = carries ? v4 : NULL, .v6 = bytes, .port = ntohs(in6->sin6_port)};

    return judge(guard, &address, carries ? refuses4(v4) : row ? row->network.name : NULL);
}

const char *guard_refuses(const struct guard *guard, const struct sockaddr *address)
{
    /* Copied out: a sockaddr may be less aligned than what it holds. */
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return judge4(guard, &in);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return judge6(guard, &in6);
    }
    return "not an internet address";
}

bool guard_equal(const struct guard *a, const struct guard *b)
{
    return a->allow_private == b->allow_private && guard_lists_equal(a->lists, b->lists);
}
