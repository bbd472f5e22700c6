/*
 * service - what every long-running program does alike: signals, supervisor, patience with servers
 *
 * SIGTERM and SIGINT: stop taking, finish or hand back what is in hand, exit 0. SIGHUP: read the
 * destinations again; all of the new ones are good, or the old ones stay. A server that is away is waited for
 * with growing pauses, said once when it goes and once when it is back.
 */
#ifndef DIST_SERVICE_H
#define DIST_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include "catalog.h"
#include "destination.h"
#include "fault.h"
#include "tool.h"

struct service {
    const struct tool *tool;
    struct catalog *catalog; /* the one in force */
    bool ready;              /* the supervisor has been told */
    int failures;            /* calls that failed since the last good one */
    int64_t retry_at_ms;
    int64_t alive_at_ms;
};

/* Installs the handlers and loads the destinations. */
int service_begin(struct service *service, const struct tool *tool, struct fault *fault);
void service_end(struct service *service);

bool service_stopping(void); /* SIGTERM or SIGINT came */

/* A turn of the loop: the watchdog's sign. */
void service_turn(struct service *service);
/*
 * The reload, if SIGHUP came: true where the catalog changed; the old one is then given to the caller through
 * `old` for catalog_free() when nothing uses it. To be asked between the taking of work and its beginning
 * too: what was submitted after the signal is done by what was read after it.
 */
bool service_reload(struct service *service, struct catalog **old);

/* The servers answered: ready, and the end of any trouble. */
void service_good(struct service *service);
/*
 * A call failed. 0: call again after *pause_ms. -1: the service has never worked, and waiting does not mend
 * that. Once it has worked nothing ends it: a password that is being changed, a database that is being
 * restored and a full disk pass, and what is in hand is not to be sent twice because of them.
 */
int service_failed(struct service *service, const struct fault *fault, int64_t *pause_ms);

/* Sleeps, but not through a signal. */
void service_sleep(int64_t ms);

#endif
