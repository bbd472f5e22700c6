/*
 * address - see address.h
 */
#include "address.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>
#include "num.h"
#include "text.h"
#include "xalloc.h"

/* Takes an entry apart, in place: where its host is, and its port or NULL. -1: brackets that do not fit. */
static int split(char *entry, char **host, char **port)
{
    char *end;

    *host = entry;
    *port = NULL;
    if (entry[0] == '[') {
        *host = entry + 1;
        end = strchr(entry, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return -1;
        *port = end[1] ? end + 2 : NULL;
        *end = '\0';
        return 0;
    }
    end = strchr(entry, ':');
    if (end && !strchr(end + 1, ':')) { /* more than one: a bare IPv6 address */
        *port = end + 1;
        *end = '\0';
    }
    return 0;
}

static int parse_entry(const char *entry, int default_port, struct address *address, struct fault *fault)
{
    char *copy = xstrdup(entry), *trimmed = text_trim(copy), *host, *port;
    int64_t number = default_port;
    int status = -1;

    if (split(trimmed, &host, &port))
        fault_set(fault, FAULT_CONFIG, "'%.100s' is no address: a ']' ends the host", entry);
    else if (*host == '\0' || strlen(host) > ADDRESS_HOST_MAX || strpbrk(host, " \t/"))
        fault_set(fault, FAULT_CONFIG, "'%.100s' is no address: it takes HOST or HOST:PORT", entry);
    else if (port && num_parse_int(port, 1, 65535, &number, NULL))
        fault_set(fault, FAULT_CONFIG, "'%.100s' has no port from 1 to 65535", entry);
    else {
        *address = (struct address){.host = xstrdup(host), .port = (int)number};
        status = 0;
    }
    free(copy);
    return status;
}

int addresses_parse(const char *text, int default_port, struct addresses *addresses, struct fault *fault)
{
    char *copy = xstrdup(text), *rest = copy, *entry;
    int status = 0;

    *addresses = (struct addresses){.items = xcalloc(ADDRESSES_MAX, sizeof *addresses->items)};
    while (status == 0 && (entry = strsep(&rest, ",")) != NULL) {
        if (addresses->count == ADDRESSES_MAX)
            status = fault_set(fault, FAULT_CONFIG, "more than %d addresses", ADDRESSES_MAX);
        else
            status = parse_entry(entry, default_port, &addresses->items[addresses->count], fault);
        addresses->count += status == 0;
    }
    free(copy);
    if (status)
        addresses_release(addresses);
    return status;
}

void addresses_release(struct addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++)
        free(addresses->items[i].host);
    free(addresses->items);
    *addresses = (struct addresses){0};
}

char *address_text(const char *host, int port)
{
    char *text = strchr(host, ':') ? xasprintf("[%s]:%d", host, port) : xasprintf("%s:%d", host, port);

    return text_printable(text);
}

bool address_is_numeric(const char *host)
{
    struct in6_addr bytes; /* room for either */

    return inet_pton(AF_INET, host, &bytes) == 1 || inet_pton(AF_INET6, host, &bytes) == 1;
}
