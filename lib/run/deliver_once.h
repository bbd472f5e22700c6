/*
 * deliver_once - dist-deliver --once: standard input is the body of one attempt at one destination
 *
 * The attempt is the service's own (deliver_stage.h): the form's format, credentials, placeholders, address
 * guard and timeout. There is no store, no queue and no retry.
 */
#ifndef DIST_DELIVER_ONCE_H
#define DIST_DELIVER_ONCE_H

#include <stdint.h>
#include "deliver_stage.h"
#include "fault.h"

struct deliver_once {
    struct deliver_stage *stage;
    const char *destination;
    const char *tenant_id, *data_type; /* what placeholders and headers say; NULL: "once" */
    const char *content_type;          /* NULL: application/json, which the body must then be */
    const char *message_id;            /* a UUID; NULL: a fresh one */
    uint64_t max_payload;
    struct render *render;
};

/*
 * Prints a result line, in which a deferred attempt is `waiting`, and gives the exit code:
 *
 *    0  delivered
 *   65  rejected by the destination, or no body for its format: the same body fails again   EX_DATAERR
 *   75  deferred, or stopped by a signal: the same call may succeed later                    EX_TEMPFAIL
 *   78  it was not asked, because an operator has to mend something first: the form, the     EX_CONFIG
 *       credentials, a disabled destination, a refused address, a protocol without adapter
 *
 * -1 where there is no attempt to tell of: TEMP and SYSTEM (no process for its program), INPUT (the body),
 * CONFIG (no such destination), USAGE (a group, an id that is no UUID), or standard output failed.
 */
int deliver_once_run(const struct deliver_once *once, struct fault *fault);

#endif
