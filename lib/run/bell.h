/*
 * bell - a thread that waits for the doorbell of Redis, so that an event loop need not
 *
 * It has its own connection and shares nothing with the loop but a descriptor that becomes readable when the
 * bell has rung. A server that is away is tried again every second, silently: the loop says so.
 */
#ifndef DIST_BELL_H
#define DIST_BELL_H

#include "fault.h"
#include "queue.h"

struct bell;
struct bell *bell_start(struct queue *queue, enum queue_stage stage,
                        struct fault *fault); /* borrows the queue */
int bell_fd(const struct bell *bell);         /* for an event loop, level-triggered */
void bell_clear(struct bell *bell);           /* what has rung so far has been heard */
void bell_stop(struct bell *bell); /* waits for the thread, up to BELL_WAIT_MS and the server's timeout */

#endif
