/*
 * service - what every long-running program does alike: signals, supervisor, patience with servers
 *
 * SIGTERM and SIGINT: stop taking, finish or hand back what is in hand, exit 0. SIGHUP: read the
 * configuration again; all of it is good, or the old one stays. The same where a part of it turns out to be
 * old. A server that is away is waited for with growing pauses, said once when it goes and once when it is
 * back.
 */
#ifndef DIST_SERVICE_H
#define DIST_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include "catalog.h"
#include "destination.h"
#include "fault.h"
#include "tool.h"

/* What a program makes of a configuration beside the destinations, as rules. */
struct service_part {
    const char *name; /* for messages: "rules" */
    /* NULL with the fault: there was a mistake, and nothing of the configuration is taken. Mistakes have had
     * their lines. The catalog outlives what is made. */
    void *(*load)(void *arg, const struct tool *tool, const struct catalog *catalog, struct fault *fault);
    void (*release)(void *part);
    void *arg;
    /* NULL, or whether what was loaded last is old by now, whatever SIGHUP says. Asked in every turn. */
    bool (*is_old)(void *arg);
};

struct service {
    const struct tool *tool;
    const struct service_part *part; /* or NULL */
    struct catalog *catalog;         /* the one in force */
    void *loaded;                    /* the part of it */
    bool ready;                      /* the supervisor has been told */
    unsigned failures;               /* calls that failed since the last good one */
    int64_t retry_at_ms;
    int64_t alive_at_ms;
    bool reload_waits; /* the configuration could not be read, for a reason that passes */
    int64_t reload_at_ms;
};

/* Installs the handlers and loads the destinations, and the part if there is one. Where a server is away that
 * has something of it, it is waited for; a signal to stop is a result of 0 with nothing loaded. */
int service_begin(struct service *service, const struct tool *tool, const struct service_part *part,
                  struct fault *fault);
void service_end(struct service *service);

bool service_stopping(void); /* SIGTERM or SIGINT came */

/* A turn of the loop: the watchdog's sign. */
void service_turn(struct service *service);
/*
 * The reload, if SIGHUP came or the part is old: true where the catalog and the part changed; the old ones
 * are then given to the caller through `old`, for service_old_free() when nothing uses them. To be asked
 * between the taking of work and its beginning too: what was submitted after the signal is done by what was
 * read after it.
 */
struct service_old {
    struct catalog *catalog;
    void *loaded;
};
bool service_reload(struct service *service, struct service_old *old);
void service_old_free(const struct service *service, struct service_old *old);

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
