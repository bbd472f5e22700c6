/*
 * due - see due.h
 *
 * The order is the one hard rule: a row is `queued` in PostgreSQL before its id is published. A crash in
 * between leaves a queued row that Redis lacks, which the sweep finds.
 */
#include "due.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "crash.h"
#include "msg.h"
#include "text.h"
#include "xalloc.h"

enum {
    TICK_MS = 100,                 /* how late a retry may be */
    SWEEP_MS = 2000,               /* between two looks at what is overdue */
    MAINTAIN_MS = 3600 * 1000,     /* between two makings of partitions, */
    MAINTAIN_AGAIN_MS = 60 * 1000, /* and after one that failed: there are two months ahead */
    CLAIM_BATCH = 1000,
    CLAIM_ROUNDS = 10,  /* of claiming in one tick, so that a large backlog does not hold up the caller */
    SWEEP_BATCH = 5000, /* rows looked at in one sweep */
};

void due_init(struct due *due, struct store *store, struct queue *queue, int64_t lease_ms)
{
    *due = (struct due){.store = store, .queue = queue, .lease_ms = lease_ms};
}

static int publish(struct due *due, enum queue_stage stage, const struct due_list *list, size_t *added,
                   struct fault *fault)
{
    struct queue_item *items = xcalloc(list->count, sizeof *items);
    for (size_t i = 0; i < list->count; i++)
        items[i].id = list->items[i].id;
    int result = list->count ? queue_publish(due->queue, stage, items, list->count, added, fault) : 0;
    free(items);
    return result;
}

static int claim_due(struct due *due, struct fault *fault)
{
    for (int round = 0; round < CLAIM_ROUNDS; round++) {
        struct due_list list = {0};
        int result = store_claim_due(due->store, CLAIM_BATCH, due->lease_ms, &list, fault);
        size_t count = list.count;
        if (result == 0 && count) {
            crash_point("pump:claimed");
            result = publish(due, QUEUE_ROUTED, &list, NULL, fault);
            crash_point("pump:published");
        }
        due_list_release(&list);
        if (result < 0 || count < CLAIM_BATCH)
            return result;
    }
    return 0;
}

typedef int look(struct store *store, bool all, const char *after, size_t limit, struct due_list *list,
                 struct fault *fault);

/* One batch behind the cursor; at the end the cursor starts again. *more: there are rows behind it. */
static int sweep(struct due *due, look *rows, enum queue_stage stage, bool all, char cursor[UID_TEXT_SIZE],
                 bool *more, struct fault *fault)
{
    struct due_list list = {0};
    size_t added = 0;

    int result = rows(due->store, all, cursor, SWEEP_BATCH, &list, fault);
    if (result == 0)
        result = publish(due, stage, &list, &added, fault);
    if (result == 0) {
        *more = list.count == SWEEP_BATCH;
        text_copy(cursor, UID_TEXT_SIZE, *more ? list.items[list.count - 1].id : "");
        if (added)
            msg(MSG_DEBUG, "%zu %s that Redis did not have are queued again", added,
                stage == QUEUE_SUBMITTED ? "distributions" : "deliveries");
    }
    due_list_release(&list);
    return result;
}

/* Everything that is open, from the first row to the last. */
static int republish(struct due *due, struct fault *fault)
{
    char cursor[UID_TEXT_SIZE] = "";
    bool more = true;

    while (more)
        if (sweep(due, store_overdue_jobs, QUEUE_SUBMITTED, true, cursor, &more, fault) < 0)
            return -1;
    more = true;
    *cursor = 0;
    while (more)
        if (sweep(due, store_overdue_deliveries, QUEUE_ROUTED, true, cursor, &more, fault) < 0)
            return -1;
    return 0;
}

/* A Redis that forgot everything has another epoch; so has a restored or a different one. */
static int check_epoch(struct due *due, struct fault *fault)
{
    char epoch[UID_TEXT_SIZE];
    bool changed;

    if (queue_epoch(due->queue, epoch, fault) < 0 || store_see_epoch(due->store, epoch, &changed, fault) < 0)
        return -1;
    crash_point("pump:epoch");
    if (changed)
        msg(MSG_INFO, "Redis is new or was emptied: everything that is open is queued again");
    due->republish = due->republish || changed;
    if (due->republish && republish(due, fault) < 0)
        return -1;
    due->republish = false;
    return 0;
}

static int upkeep(struct due *due, struct fault *fault)
{
    bool more;
    size_t expired;

    if (check_epoch(due, fault) < 0 || store_expire(due->store, CLAIM_BATCH, &expired, fault) < 0 ||
        sweep(due, store_overdue_jobs, QUEUE_SUBMITTED, false, due->job_cursor, &more, fault) < 0 ||
        sweep(due, store_overdue_deliveries, QUEUE_ROUTED, false, due->delivery_cursor, &more, fault) < 0)
        return -1;
    return 0;
}

int due_tick(struct due *due, int64_t *wait_ms, struct fault *fault)
{
    int64_t now_ms = clock_mono_ms();

    *wait_ms = TICK_MS;
    if (now_ms >= due->maintain_at_ms) {
        struct fault problem = {0};
        bool made = store_make_partitions(due->store, &problem) == 0;
        if (!made)
            msg(MSG_WARNING, "no partitions were made: %s", problem.text);
        due->maintain_at_ms = now_ms + (made ? MAINTAIN_MS : MAINTAIN_AGAIN_MS);
    }
    if (now_ms >= due->sweep_at_ms || redis_generation(queue_redis(due->queue)) != due->generation) {
        if (upkeep(due, fault) < 0)
            return -1;
        due->generation = redis_generation(queue_redis(due->queue));
        due->sweep_at_ms = now_ms + SWEEP_MS;
    }
    return claim_due(due, fault);
}
