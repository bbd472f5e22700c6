/*
 * guard - addresses that a destination may not make us connect to
 *
 * Refused unless the operator allows them: this network (0/8), loopback, private (RFC 1918, RFC 4193), shared
 * (100.64/10), link-local with the metadata services, Azure's platform address, benchmarking, documentation,
 * multicast, reserved, broadcast; and of the IPv6 forms that carry an IPv4 address (mapped, compatible,
 * translated, 6to4, NAT64, Teredo) those whose IPv4 address is refused. It is asked about the very socket
 * address that is about to be connected to, so a name that changes between look-up and connection gains
 * nothing. Sources: the IANA special-purpose registries (RFC 6890 and its updates) and, for IPv6, that only
 * 2000::/3 is handed out (RFC 4291 2.4).
 *
 * Pure: no look-up, no state, never blocks.
 */
#ifndef DIST_GUARD_H
#define DIST_GUARD_H

#include <sys/socket.h>

/*
 * NULL where the address is public; else the name of its network: "loopback (127.0.0.0/8)". Static text. What
 * is neither AF_INET nor AF_INET6 is refused.
 */
const char *guard_refuses(const struct sockaddr *address);

#endif
