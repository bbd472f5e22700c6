/*
 * queue - the active queue: Redis Streams that carry what is ready to run now
 *
 * PostgreSQL has the truth; everything here may vanish at any instant and is published again
 * (dist-internals(7)). Entries carry one id and nothing else. All keys of a partition p have its hash tag,
 * and a distribution is in one partition with all its deliveries:
 *
 *   dist:{p}:submitted:<lane>  stream of job ids, read by dist-route; lane: <tenant>:<priority>
 *   dist:{p}:routed:<lane>     stream of delivery ids, read by dist-transform; likewise
 *   dist:{p}:ready:<lane>      stream of delivery ids, read by dist-deliver
 *                              lane: <destination>:<tenant>:<priority>
 *   dist:{p}:d:<id>            record: this id is in Redis now ("<crashes> <entry> <wish> <stream>")
 *   dist:{p}:lanes:<stage>     set of the lanes that have entries
 *   dist:{p}:bell:<stage>      sorted set: streams with unread entries; a doorbell, never the truth
 *   dist:{p}:quarantine        list of malformed entries with the reason (JSON), newest 1000
 *   dist:{p}:epoch             random; missing or changed: this Redis was wiped
 *
 * What all workers share about a destination is in holds.h.
 *
 * Every change is one Lua script. An empty stream is no stream: the script that takes the last entry
 * removes the key, its group and its lane, so nothing is left behind and no consumer has to be cleaned up. A
 * publish makes stream and group again. An id is published at most once at a time: publishing one that is
 * there adds nothing, so any caller may publish whatever it thinks is missing. Where a worker holds it, that
 * worker may have asked PostgreSQL before and be about to finish: the wish is remembered, and its finish
 * publishes the id. It is forgotten where the id moves, is released or is taken over, because then somebody
 * looks at it later anyway.
 *
 * An entry says "look at this id", never that the id is open: one that has ended may be published once more
 * by a worker that was slow. Whoever claims asks PostgreSQL first, and finishes what has ended.
 *
 * Fencing: a claim is (stream, entry, crashes). Whoever takes an entry over raises its crashes, so the older
 * claim is void even where both are of one process. A worker whose claim was taken over can no longer move
 * the id, but a `finish` always removes an id that has ended, whoever reports it. Where Redis forgets that an
 * entry was read (somebody destroys the group, a restart or a failover loses the last moments), it is read
 * once more, with the same crashes: then the first of two workers that moves or finishes the id does so, and
 * the other one can not. Until it is read once more nobody is known to hold it: a recall takes it, and a wish
 * is not kept, so that the lease brings it back.
 *
 * A Redis without memory refuses publishing (TEMP), and lets ids be claimed, moved, released and finished,
 * and a claimed job become its deliveries, so that it can be emptied. Entries without a proper id are
 * quarantined where they are met; entries that no record names are dropped; an id whose entry is gone counts
 * as not there and is published again.
 *
 * (Where somebody deletes a stream by hand or by eviction, records of ids that had just ended may stay
 * behind: 200 bytes each, and no harm. maxmemory-policy is noeviction.)
 *
 * Blocking as in redis.h; faults too. A call over many items runs in pipelines of a bounded size; after a
 * fault some of it may have been done: call it again with the same items, everything is idempotent
 * (queue_release() too: a claim that was released is no longer held). BUG for an id that is empty, longer
 * than 63 bytes or not printable, for a missing lane, and for one with a blank.
 */
#ifndef DIST_QUEUE_H
#define DIST_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "redis.h"

enum queue_stage { QUEUE_SUBMITTED, QUEUE_ROUTED, QUEUE_READY, QUEUE_STAGE_COUNT };
extern const char *const queue_stage_names[QUEUE_STAGE_COUNT + 1]; /* "submitted", "routed", "ready" */

struct queue;
/* `owner`: who claims, unique per process (host, pid, a few random letters), copied; a blank becomes '_'.
 * Takes the connection. `partitions`: 1 to QUEUE_PARTITIONS_MAX, the same for all who share a Redis. */
enum { QUEUE_PARTITIONS_MAX = 64 };
struct queue *queue_new(struct redis *redis, const char *owner, unsigned partitions);
void queue_free(struct queue *queue);
struct redis *queue_redis(struct queue *queue);     /* borrowed */
const char *queue_owner(const struct queue *queue); /* likewise */

unsigned queue_partitions(const struct queue *queue);
/* The partition of a distribution, by the id of its row, and of all its deliveries. */
unsigned queue_partition(const struct queue *queue, const char *job_id);

/* Where an id goes. The partition of a hop's items is its claim's, whatever they say. */
struct queue_item {
    const char *id;
    const char *lane; /* "<destination>:<tenant>:<priority>" for QUEUE_READY, else "<tenant>:<priority>" */
    unsigned partition;
};
/* Publishes ids to a stage, pipelined. A lane that has `ceiling` entries takes no more (0: no ceiling).
 * `added` (may be NULL): how many were not there yet, and are now. */
int queue_publish(struct queue *queue, enum queue_stage stage, const struct queue_item *items, size_t count,
                  size_t ceiling, size_t *added, struct fault *fault);

/* A claimed entry. */
struct queue_claim {
    char id[64];
    char entry[32]; /* stream id of the entry */
    char *stream;   /* whole key; owned by the claim */
    unsigned partition;
    int crashes; /* how often a worker was lost while holding it */
};
struct queue_claims {
    struct queue_claim *items;
    size_t count, cap;
};
void queue_claims_release(struct queue_claims *claims);
/* Takes what the claim owns; takes all of `from`. */
void queue_claims_add(struct queue_claims *claims, struct queue_claim *claim);
void queue_claims_move(struct queue_claims *to, struct queue_claims *from);
void queue_claim_copy(struct queue_claim *to, const struct queue_claim *from);
void queue_claim_release(struct queue_claim *claim);

/*
 * The lanes of a stage that have entries, in flight ones included, sorted by name and partition; an array for
 * queue_lanes_free(). `oldest_ms`: the age of the oldest entry, by the clock of Redis.
 */
struct queue_lane {
    char *name;
    unsigned partition;
    int64_t length;    /* entries, in flight ones included */
    int64_t in_flight; /* claimed */
    int64_t oldest_ms;
};
int queue_lanes(struct queue *queue, enum queue_stage stage, struct queue_lane **lanes, size_t *count,
                struct fault *fault);
void queue_lanes_free(struct queue_lane *lanes, size_t count);
/* Entries that may be claimed. None where somebody removed entries by hand that are claimed still. */
size_t queue_lane_unread(const struct queue_lane *lane);
/* length[i]: entries in the lane of items[i] (its id does not matter). One pipeline. */
int queue_lengths(struct queue *queue, enum queue_stage stage, const struct queue_item *items, size_t count,
                  int64_t *lengths, struct fault *fault);

/*
 * Claims unread entries, appended to `claims`, as many from each lane as it says, 500 at most. One pipeline;
 * does not wait. Where the answer is lost with the connection, the entries are claimed and nobody knows:
 * queue_reap() finds them. Of a fault behind claims that were made nothing is said: these are held.
 */
struct queue_want {
    const char *lane;
    unsigned partition;
    size_t count;
};
int queue_fetch(struct queue *queue, enum queue_stage stage, const struct queue_want *wants, size_t count,
                struct queue_claims *claims, struct fault *fault);

/*
 * Waits for the bell of a stage, at most wait_ms (0: looks). 1: it rang (something may be there), 0: not, -1:
 * fault. A hint and no promise: who wakes looks through queue_lanes() and calls queue_fetch(); and does so
 * now and then without a bell. One waiter wakes for one stream; a fetch that got all it wanted rings again
 * for the next. The connection is busy meanwhile, and a signal does not end it: wait a second at a time.
 */
int queue_wait(struct queue *queue, enum queue_stage stage, int64_t wait_ms, struct fault *fault);

/*
 * The hop: the claimed entry is acknowledged and deleted, and the ids of `items` are published to `stage`, in
 * one script. Where an item has the claim's own id, the id moves: only if the claim still holds. Other ids
 * are published even if it was taken over (that is idempotent), and the entry is left to its new owner; a
 * Redis without memory refuses that (TEMP). Pipelined over hops. Of more than 1000 items, the rest is
 * published in calls before. A moved id starts with no crashes.
 */
struct queue_hop {
    const struct queue_claim *claim;
    enum queue_stage stage;
    const struct queue_item *items;
    size_t count; /* 0: just acknowledge and delete */
};
int queue_hops(struct queue *queue, const struct queue_hop *hops, size_t count, struct fault *fault);

/*
 * The id has ended or waits in PostgreSQL (committed!): acknowledge, delete, forget. Pipelined. An entry that
 * now belongs to another owner is left alone unless `ended`: that takes the id away from whoever holds it,
 * and wherever it is. So `ended` is for an end that is committed (a success is sticky), and for one that a
 * worker found; from a worker that lost its claim before it looked, it may remove an entry that is needed
 * again, as after a replay: the id is then back when its lease has passed. Where the id was published while
 * it was held, it is there again after the call, unclaimed.
 */
struct queue_finish {
    const struct queue_claim *claim;
    bool ended;
};
int queue_finish(struct queue *queue, const struct queue_finish *items, size_t count, struct fault *fault);

/* Hands claims back: each is put at the end of its stream for anybody to claim, at once; its crashes stay. */
int queue_release(struct queue *queue, const struct queue_claim *const *claims, size_t count,
                  struct fault *fault);
/* Says that the claims are being worked on. `lost[i]` is set where the claim was taken over or its entry is
 * gone: stop working on it. On a fault nothing is known: those of later pipelines say "not lost". */
int queue_renew(struct queue *queue, const struct queue_claim *const *claims, size_t count, bool *lost,
                struct fault *fault);
/*
 * Takes over entries whose owners were silent for idle_ms, at most `want`, from all lanes of `stage`,
 * continuing where the last call ended. Their crash counter goes up. That includes entries of
 * this very owner, which it did not renew or never heard of (see queue_fetch()): the older claim is void
 * then. At most 64 round trips, of 500 entries each.
 */
int queue_reap(struct queue *queue, enum queue_stage stage, int64_t idle_ms, size_t want,
               struct queue_claims *claims, struct fault *fault);

/*
 * Takes ids out of Redis that nobody works on: recalled[i] is false where a worker holds items[i], whose
 * outcome will tell. For what has ended otherwise, or is to go another way; the lane does not matter.
 */
int queue_recall(struct queue *queue, const struct queue_item *items, size_t count, bool *recalled,
                 struct fault *fault);
/* Where an id is: its stream ("ready:web:acme:normal", the caller's; NULL: it is not in Redis), whether it is
 * claimed, and how many entries were added to the stream before it and are there still (up to 1000). */
struct queue_place {
    char *stream;
    bool claimed;
    int64_t ahead;
};
int queue_find(struct queue *queue, const struct queue_item *item, struct queue_place *place,
               struct fault *fault);
/* The epoch of a partition of this Redis; made where there is none. 36 characters and a NUL. */
int queue_epoch(struct queue *queue, unsigned partition, char epoch[37], struct fault *fault);

/* Entries in quarantine. */
int queue_quarantined(struct queue *queue, int64_t *count, struct fault *fault);

#endif
