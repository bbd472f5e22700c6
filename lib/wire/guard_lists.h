/*
 * guard_lists - the networks that an operator allows and denies: what the address guard is told beside its
 * own tables
 *
 *   "10.1.0.0/16"   "203.0.113.7"   "10.1.0.0/16:5432"   "10.1.0.0/16:8000-8099"
 *   "fd00:1::/32"   "fd00:1::7"     "[fd00:1::/32]:443"
 *
 * An address is judged by three lists, in this order:
 *
 *   deny   what is in it is refused, whoever allows it
 *   only   where there is one, what is outside of it is refused
 *   allow  what is in it is open, though the tables would refuse it; it closes nothing
 *
 * Lists may have others beneath them, those of all tenants beneath those of one: a deny and an allow of
 * either hold, and an `only` of each. An IPv4 network also holds the IPv6 addresses that carry its addresses
 * (guard.h).
 *
 * Pure; never blocks. They change only while they are made, and may then be read by any thread. References
 * are counted by one thread, the event loop's.
 */
#ifndef DIST_GUARD_LISTS_H
#define DIST_GUARD_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include "digest.h"
#include "fault.h"

enum guard_list { GUARD_DENY, GUARD_ONLY, GUARD_ALLOW, GUARD_LIST_COUNT };

enum { GUARD_NETWORKS_MAX = 1000 }; /* of one list */

struct guard_lists;

/* Empty, with one reference; `beneath` gets one more. NULL: nothing is beneath. */
struct guard_lists *guard_lists_new(struct guard_lists *beneath);
/* INPUT where it is no network, or one too many. */
int guard_lists_add(struct guard_lists *lists, enum guard_list list, const char *network,
                    struct fault *fault);
/* Empty lists are a choice too: an `only` without networks refuses everything. */
void guard_lists_open(struct guard_lists *lists, enum guard_list list);
struct guard_lists *guard_lists_ref(const struct guard_lists *lists); /* NULL gives NULL */
void guard_lists_unref(struct guard_lists *lists);                    /* NULL is fine */

/* The same for lists that judge alike, "" for NULL: one key for what they share, as connections. */
void guard_lists_key(const struct guard_lists *lists, char key[DIGEST_TEXT_SIZE]);
bool guard_lists_equal(const struct guard_lists *a, const struct guard_lists *b);

/* An address as it is judged. */
struct guard_address {
    const unsigned char *v4; /* 4 bytes: the address, or what the IPv6 one carries; or NULL */
    const unsigned char *v6; /* 16 bytes, or NULL */
    int port;
};
enum guard_verdict { GUARD_REFUSED, GUARD_ALLOWED, GUARD_UNDECIDED };
/* Where REFUSED, `network` says by what: "denied by networks.json (10.1.0.0/16)"; it lives as the lists do.
 */
enum guard_verdict guard_lists_judge(const struct guard_lists *lists, const struct guard_address *address,
                                     const char **network);

#endif
