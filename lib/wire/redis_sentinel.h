/*
 * redis_sentinel - the master of a name, as Redis Sentinels know it
 */
#ifndef DIST_REDIS_SENTINEL_H
#define DIST_REDIS_SENTINEL_H

#include "address.h"
#include "redis_node.h"

struct redis_sentinel;
/* Takes the addresses (left empty) and borrows `login`, which is that of the sentinels. */
struct redis_sentinel *redis_sentinel_new(struct addresses *addresses, const char *master,
                                          const struct redis_login *login);
void redis_sentinel_free(struct redis_sentinel *sentinel);

/*
 * Asks one sentinel after the other, from the one that answered last time, and opens `node` at the first
 * address that says of itself that it is the master (ROLE): a sentinel that was cut off names an old one.
 * Each has its share of the time to the deadline. UNAVAILABLE with the last reason where there is none;
 * CONFIG where all that answer know no such master, or where a login is refused.
 */
int redis_sentinel_open(struct redis_sentinel *sentinel, struct redis_node *node, int64_t deadline_ms,
                        struct fault *fault);

#endif
