/*
 * queue_audit - what Redis holds, for the comparison with PostgreSQL (dist-admin audit)
 *
 * Reading only, and by nothing but the names of the keys (queue.h): the records dist:{p}:d:<id> say which ids
 * are there, in partitions of any name. Walks go by SCAN and in pages, so the memory that they need does not
 * grow with the queue; a key that comes or goes meanwhile may be met or not, and one may be met twice. The
 * whole key space is walked: other people's keys cost time.
 *
 * Every statement about an id is true of one instant, also while the queue is worked on: entries and records
 * are looked at in an order in which a move between two looks cannot be taken for a loss.
 *
 * Blocking and faults as in redis.h.
 */
#ifndef DIST_QUEUE_AUDIT_H
#define DIST_QUEUE_AUDIT_H

#include <stdint.h>
#include "fault.h"
#include "redis.h"
#include "strmap.h"

struct queue_audit {
    struct redis *redis;      /* borrowed */
    struct strmap partitions; /* the prefixes "dist:{p}:" that keys begin with */
};
/* Finds the partitions. */
int queue_audit_init(struct queue_audit *audit, struct redis *redis, struct fault *fault);
void queue_audit_release(struct queue_audit *audit);

/* The ids of all records, in batches of a few hundred. An `each` that fails ends the walk. */
int queue_audit_ids(struct queue_audit *audit,
                    int (*each)(void *arg, const char *const *ids, size_t count, struct fault *fault),
                    void *arg, struct fault *fault);

enum queue_trace {
    QUEUE_ABSENT, /* no record in any partition */
    QUEUE_RECORD, /* a record, and the entry that it names is not there */
    QUEUE_ENTRY,  /* record and entry */
};
int queue_audit_look(struct queue_audit *audit, const char *const *ids, size_t count,
                     enum queue_trace *traces, struct fault *fault);

/* Entries of all streams, and how many of them no record names: whoever meets such a one drops it. */
int queue_audit_entries(struct queue_audit *audit, int64_t *entries, int64_t *unnamed, struct fault *fault);

#endif
