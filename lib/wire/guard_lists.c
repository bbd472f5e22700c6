/*
 * guard_lists - see guard_lists.h
 *
 * The one hard rule: what is written in a way that could be read in two ways is no network. So bits behind a
 * prefix, octal parts and zones are refused.
 */
#include "guard_lists.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "buf.h"
#include "xalloc.h"

enum { V4_BITS = 32, V6_BITS = 128, MAPPED_BITS = 96, PORT_MAX = 65535, NETWORK_SIZE = 80 };

static const unsigned char mapped[12] = {[10] = 0xff, 0xff};

struct network {
    bool is_v4;
    unsigned char prefix[16]; /* of IPv4 the first four bytes */
    int bits;
    int first_port, last_port;
    char *refusal;
};

struct list {
    struct network *items;
    size_t count;
    bool open; /* it is there, be it empty */
};

struct guard_lists {
    size_t references;
    struct guard_lists *beneath;
    struct list lists[GUARD_LIST_COUNT];
};

/* Networks */

static int no_network(const char *text, const char *why, struct fault *fault)
{
    return fault_set(fault, FAULT_INPUT, "\"%.60s\" is no network: %s", text, why);
}

static bool read_number(const char *text, int most, int *number)
{
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 5 || text[digits] || (digits > 1 && *text == '0'))
        return false;
    *number = (int)strtol(text, NULL, 10);
    return *number <= most;
}

/* "443" or "8000-8099" */
static bool read_ports(char *text, struct network *network)
{
    char *dash = strchr(text, '-');

    if (dash)
        *dash = '\0';
    return read_number(text, PORT_MAX, &network->first_port) &&
           read_number(dash ? dash + 1 : text, PORT_MAX, &network->last_port) && network->first_port > 0 &&
           network->first_port <= network->last_port;
}

/* Cuts the text behind the network; NULL where there are no ports. */
static char *split_ports(char **text)
{
    char *end, *colon = strchr(*text, ':');

    if (**text == '[' && (end = strchr(*text, ']'))) {
        (*text)++;
        *end = '\0';
        return end[1] == ':' ? end + 2 : end[1] ? end + 1 : NULL;
    }
    if (!colon || strchr(colon + 1, ':'))
        return NULL; /* IPv6 without ports */
    *colon = '\0';
    return colon + 1;
}

static bool has_bits_behind(const struct network *network)
{
    int size = network->is_v4 ? V4_BITS : V6_BITS;

    for (int bit = network->bits; bit < size; bit++)
        if (network->prefix[bit / 8] & (0x80 >> bit % 8))
            return true;
    return false;
}

/* The mapped addresses are IPv4's. */
static void unmap(struct network *network)
{
    if (network->is_v4 || network->bits < MAPPED_BITS || memcmp(network->prefix, mapped, sizeof mapped) != 0)
        return;
    memmove(network->prefix, network->prefix + sizeof mapped, 4);
    network->bits -= MAPPED_BITS;
    network->is_v4 = true;
}

/* NULL, or what is wrong; `text` is cut into its parts. */
static const char *read_parts(char *text, struct network *network)
{
    bool bracketed = *text == '[';
    char *ports = split_ports(&text), *slash = strchr(text, '/');

    network->first_port = 0;
    network->last_port = PORT_MAX;
    if (ports && !read_ports(ports, network))
        return "its ports are not of the form 443 or 8000-8099";
    if (slash)
        *slash = '\0';
    network->is_v4 = !bracketed && inet_pton(AF_INET, text, network->prefix) == 1;
    if (!network->is_v4 && inet_pton(AF_INET6, text, network->prefix) != 1)
        return "an IPv4 or IPv6 address is wanted, behind it /bits and :ports if need be";
    network->bits = network->is_v4 ? V4_BITS : V6_BITS;
    if (slash && !read_number(slash + 1, network->bits, &network->bits))
        return "behind the '/' is no number of bits";
    if (has_bits_behind(network))
        return "its address has bits behind the prefix";
    unmap(network);
    return NULL;
}

static int network_read(const char *text, struct network *network, struct fault *fault)
{
    char parts[NETWORK_SIZE];

    if (strlen(text) >= sizeof parts)
        return no_network(text, "it is too long", fault);
    memcpy(parts, text, strlen(text) + 1);
    const char *mistake = read_parts(parts, network);
    return mistake ? no_network(text, mistake, fault) : 0;
}

static bool holds_bytes(const struct network *network, const unsigned char *address)
{
    size_t whole = (size_t)network->bits / 8;
    int rest = network->bits % 8;

    if (memcmp(network->prefix, address, whole) != 0)
        return false;
    return rest == 0 || (network->prefix[whole] ^ address[whole]) >> (8 - rest) == 0;
}

static bool holds(const struct network *network, const struct guard_address *address)
{
    const unsigned char *bytes = network->is_v4 ? address->v4 : address->v6;

    return bytes && address->port >= network->first_port && address->port <= network->last_port &&
           holds_bytes(network, bytes);
}

/* Lists */

struct guard_lists *guard_lists_new(struct guard_lists *beneath)
{
    struct guard_lists *lists = xcalloc(1, sizeof *lists);

    lists->references = 1;
    lists->beneath = guard_lists_ref(beneath);
    return lists;
}

int guard_lists_add(struct guard_lists *lists, enum guard_list list, const char *network, struct fault *fault)
{
    struct list *to = &lists->lists[list];
    struct network fresh = {0};

    if (to->count >= GUARD_NETWORKS_MAX)
        return fault_set(fault, FAULT_INPUT, "more than %d networks are not taken", GUARD_NETWORKS_MAX);
    if (network_read(network, &fresh, fault) < 0)
        return -1;
    fresh.refusal = xasprintf("denied by networks.json (%s)", network);
    to->items = xreallocarray(to->items, to->count + 1, sizeof *to->items);
    to->items[to->count++] = fresh;
    to->open = true;
    return 0;
}

void guard_lists_open(struct guard_lists *lists, enum guard_list list)
{
    lists->lists[list].open = true;
}

struct guard_lists *guard_lists_ref(const struct guard_lists *lists)
{
    struct guard_lists *own = (struct guard_lists *)lists; /* who judges by them has no right to more */

    if (own)
        own->references++;
    return own;
}

void guard_lists_unref(struct guard_lists *lists)
{
    if (!lists || --lists->references > 0)
        return;
    for (int list = 0; list < GUARD_LIST_COUNT; list++) {
        for (size_t i = 0; i < lists->lists[list].count; i++)
            free(lists->lists[list].items[i].refusal);
        free(lists->lists[list].items);
    }
    guard_lists_unref(lists->beneath);
    free(lists);
}

static void add_list(struct buf *text, const struct list *list)
{
    buf_addf(text, "%d%zu", list->open, list->count);
    for (size_t i = 0; i < list->count; i++) {
        const struct network *item = &list->items[i];
        buf_addf(text, " %d/%d:%d-%d ", item->is_v4, item->bits, item->first_port, item->last_port);
        buf_add(text, item->prefix, sizeof item->prefix);
    }
}

void guard_lists_key(const struct guard_lists *lists, char key[DIGEST_TEXT_SIZE])
{
    struct buf text;

    key[0] = '\0';
    if (!lists)
        return;
    buf_init(&text, (size_t)2 * GUARD_LIST_COUNT * (GUARD_NETWORKS_MAX + 1) * 64);
    for (const struct guard_lists *at = lists; at; at = at->beneath)
        for (int list = 0; list < GUARD_LIST_COUNT; list++)
            add_list(&text, &at->lists[list]);
    digest_sha256(text.data, text.len, key);
    buf_release(&text);
}

static bool same_networks(const struct list *a, const struct list *b)
{
    if (a->open != b->open || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct network *x = &a->items[i], *y = &b->items[i];
        if (x->is_v4 != y->is_v4 || x->bits != y->bits || x->first_port != y->first_port ||
            x->last_port != y->last_port || memcmp(x->prefix, y->prefix, sizeof x->prefix) != 0)
            return false;
    }
    return true;
}

bool guard_lists_equal(const struct guard_lists *a, const struct guard_lists *b)
{
    for (; a != b; a = a->beneath, b = b->beneath) {
        if (!a || !b)
            return false;
        for (int list = 0; list < GUARD_LIST_COUNT; list++)
            if (!same_networks(&a->lists[list], &b->lists[list]))
                return false;
    }
    return true;
}

/* Judgement */

static const struct network *find(const struct list *list, const struct guard_address *address)
{
    for (size_t i = 0; i < list->count; i++)
        if (holds(&list->items[i], address))
            return &list->items[i];
    return NULL;
}

enum guard_verdict guard_lists_judge(const struct guard_lists *lists, const struct guard_address *address,
                                     const char **network)
{
    enum guard_verdict verdict = GUARD_UNDECIDED;

    for (const struct guard_lists *at = lists; at; at = at->beneath) {
        const struct network *denied = find(&at->lists[GUARD_DENY], address);
        const struct list *only = &at->lists[GUARD_ONLY];
        if (denied)
            *network = denied->refusal;
        else if (only->open && !find(only, address))
            *network = "outside of \"only\" in networks.json";
        if (denied || (only->open && !find(only, address)))
            return GUARD_REFUSED;
        if (find(&at->lists[GUARD_ALLOW], address))
            verdict = GUARD_ALLOWED;
    }
    return verdict;
}
