/*
 * networks - which networks each tenant's deliveries may connect to: networks.json, dist-destinations(5)
 *
 *   {"default": {"deny": ["203.0.113.0/24"], "allow": ["10.1.0.0/16:443"]},
 *    "tenants": {"acme": {"only": ["10.1.2.0/24"]}}}
 *
 * The lists are those of guard_lists.h; the default's lie beneath those of each tenant.
 */
#ifndef DIST_NETWORKS_H
#define DIST_NETWORKS_H

#include <stddef.h>
#include "guard_lists.h"

enum { NETWORKS_TENANTS_MAX = 10000 };

struct networks;

/*
 * `mistake` is called for each, with the line and the JSON pointer: "line 3: /default/deny/0: ...". NULL
 * where there was one: `mistakes` is their number.
 */
struct networks *networks_read(const char *text, size_t size, void (*mistake)(void *arg, const char *text),
                               void *arg, size_t *mistakes);
void networks_free(struct networks *networks); /* NULL is fine; who has a reference to lists keeps them */

/* Borrowed; what the default says where the tenant is not named or NULL. NULL where `networks` is. */
const struct guard_lists *networks_of(const struct networks *networks, const char *tenant);

#endif
