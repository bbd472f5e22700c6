/*
 * status_show - dist-status: distributions, lists and queues for people and for programs
 */
#ifndef DIST_STATUS_SHOW_H
#define DIST_STATUS_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include "fault.h"
#include "queue.h"
#include "store.h"

/* One distribution with its deliveries and attempts; `json`: the specification's response document (4.2.2) on
 * a line. *status (may be NULL): where it stands. INPUT where there is none. */
int status_show_job(struct store *store, const char *distribution_id, bool json, enum job_status *status,
                    struct fault *fault);
/* A row, or with `json` a response document, per distribution; newest first. */
int status_show_list(struct store *store, const struct job_filter *filter, bool json, struct fault *fault);
/* The streams and lanes of Redis, and per destination what PostgreSQL holds. */
int status_show_queues(struct store *store, struct queue *queue, bool json, struct fault *fault);

/* Result lines of dist-deliver on standard input: a row each and a summary at the end; with `json` the
 * summary as an object only. 0: all delivered, EXIT_REJECTED: not all, -1: fault. */
int status_show_results(bool json, struct fault *fault);

#endif
