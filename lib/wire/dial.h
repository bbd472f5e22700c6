/*
 * dial - a connected stream socket, by a deadline
 */
#ifndef DIST_DIAL_H
#define DIST_DIAL_H

#include <netdb.h>
#include <stdint.h>
#include "fault.h"
#include "guard.h"

/*
 * Connects to host and port, or to the unix socket whose path `host` is where it starts with '/'. Each
 * address that a name has is tried, with its share of the time that is left (monotonic clock). The
 * descriptor is non-blocking and close-on-exec; over TCP it sends at once (TCP_NODELAY) and notices a peer
 * that vanished (keepalive, half a minute). The caller closes it.
 *
 * -1: UNAVAILABLE with the reason ("Connection refused", "no connection in time"), without the address;
 * CONFIG for a path that is too long; SYSTEM where there are no descriptors or threads. A name is looked up
 * by a thread of its own, which is left behind where the deadline passes: it ends when the resolver does.
 * While 64 such do not end, names are UNAVAILABLE at once.
 */
int dial(const char *host, int port, int64_t deadline_ms, struct fault *fault);
/*
 * The same for a destination's address: each one is shown to the address guard (guard.h) before it is
 * connected to, and passed over where that refuses. DENIED where it refused all that there were, with the
 * network; the path of a unix socket is refused too, unless private addresses are allowed.
 */
int dial_guarded(const char *host, int port, const struct guard *guard, int64_t deadline_ms,
                 struct fault *fault);
/* The look-up alone, for a library that connects by itself; freeaddrinfo(). The addresses carry the port.
 * Faults as above. */
int dial_look_up(const char *host, int port, int64_t deadline_ms, struct addrinfo **found,
                 struct fault *fault);

#endif
