/*
 * address - "host:port", and lists of them
 *
 * A host is a name, an IPv4 address, or an IPv6 address, which has brackets where a port follows it:
 * "redis-1:26379,[2001:db8::1]:26379,redis-3".
 */
#ifndef DIST_ADDRESS_H
#define DIST_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include "fault.h"

enum { ADDRESSES_MAX = 64, ADDRESS_HOST_MAX = 255 };

struct address {
    char *host; /* without brackets */
    int port;
};
struct addresses {
    struct address *items;
    size_t count;
};

/* 1 to ADDRESSES_MAX entries with commas between them, blanks around them ignored. Class CONFIG; `addresses`
 * is empty then. */
int addresses_parse(const char *text, int default_port, struct addresses *addresses, struct fault *fault);
void addresses_release(struct addresses *addresses);
/* "host:port", "[2001:db8::1]:port", printable; the caller frees. */
char *address_text(const char *host, int port);
/* True for an IPv4 or IPv6 address. */
bool address_is_numeric(const char *host);

#endif
