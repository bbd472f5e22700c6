/*
 * guard - addresses that a destination may not make us connect to
 *
 * Beside the tables of this module an operator has lists (guard_lists.h): they deny and allow before the
 * tables are asked. Refused unless the operator allows them: this network (0/8), loopback, private (RFC 1918,
 * RFC 4193), shared (100.64/10), link-local with the metadata services, Azure's platform address,
 * benchmarking, documentation, multicast, reserved, broadcast; and of the IPv6 forms that carry an IPv4
 * address (mapped, compatible, translated, 6to4, NAT64, Teredo) those whose IPv4 address is refused. It is
 * asked about the very socket address that is about to be connected to, so a name that changes between
 * look-up and connection gains nothing. Sources: the IANA special-purpose registries (RFC 6890 and its
 * updates) and, for IPv6, that only 2000::/3 is handed out (RFC 4291 2.4).
 *
 * Pure: no look-up, never blocks.
 */
#ifndef DIST_GUARD_H
#define DIST_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>
#include "guard_lists.h"

/* Who judges a connection. All zeros: the tables alone. */
struct guard {
    bool allow_private;              /* what the tables refuse is open; the lists hold all the same */
    const struct guard_lists *lists; /* or NULL; borrowed */
};

/*
 * NULL where the address, with its port, may be connected to; else the network that it is refused for:
 * "loopback (127.0.0.0/8)". Borrowed from the guard's lists. What is neither AF_INET nor AF_INET6 is refused.
 */
const char *guard_refuses(const struct guard *guard, const struct sockaddr *address);
/* The same of lists and private addresses alike. */
bool guard_equal(const struct guard *a, const struct guard *b);

#endif
