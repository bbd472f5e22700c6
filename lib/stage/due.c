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
#include "holds.h"
#include "msg.h"
#include "strmap.h"
#include "text.h"
#include "window.h"
#include "xalloc.h"

enum {
    TICK_MS = 100,                 /* how late a retry may be */
    SUBMIT_MS = 500,               /* who makes a job accepts and publishes it within this time */
    SWEEP_MS = 2000,               /* between two looks at what is overdue */
    PASS_OVER_MS = 500,            /* between two looks for other members of groups */
    MAINTAIN_MS = 3600 * 1000,     /* between two makings of partitions, */
    MAINTAIN_AGAIN_MS = 60 * 1000, /* and after one that failed: there are two months ahead */
    LANE_BATCH = 500,              /* lanes looked at in one tick */
    ROW_BATCH = 1000,              /* rows that are ended or moved in one statement */
    SWEEP_BATCH = 5000,            /* rows looked at in one sweep */
    AGAIN_PART = 5,                /* one in so many is a retry, where fresh ones wait beside them */
};

void due_init(struct due *due, struct store *store, struct queue *queue, int64_t lease_ms, size_t window)
{
    *due = (struct due){.store = store, .queue = queue, .lease_ms = lease_ms, .window = window};
}

/* The items of a list, as the queue takes them; the caller frees them. */
static struct queue_item *items_of(const struct due *due, const struct due_list *list)
{
    struct queue_item *items = xcalloc(list->count + 1, sizeof *items);

    for (size_t i = 0; i < list->count; i++)
        items[i] = (struct queue_item){
            .id = list->items[i].id,
            .lane = list->items[i].lane,
            .partition = queue_partition(due->queue, list->items[i].job_id),
        };
    return items;
}

static int publish(struct due *due, enum queue_stage stage, const struct due_list *list, size_t ceiling,
                   size_t *added, struct fault *fault)
{
    struct queue_item *items = items_of(due, list);
    int result =
        list->count ? queue_publish(due->queue, stage, items, list->count, ceiling, added, fault) : 0;

    free(items);
    return result;
}

/* lengths[i]: entries of lanes[i] in all partitions; in QUEUE_READY of itself, in another stage of the lane
 * of its tenant and priority there. */
static int measure(struct due *due, enum queue_stage stage, const struct due_lanes *lanes, int64_t *lengths,
                   struct fault *fault)
{
    unsigned partitions = queue_partitions(due->queue);
    size_t count = lanes->count * partitions;
    struct queue_item *items = xcalloc(count + 1, sizeof *items);
    int64_t *each = xcalloc(count + 1, sizeof *each);
    char **names = xcalloc(lanes->count + 1, sizeof *names);

    for (size_t i = 0; i < lanes->count; i++) {
        const struct due_lane *lane = &lanes->items[i];

        names[i] = stage == QUEUE_READY
                       ? xasprintf("%s:%s:%s", lane->destination, lane->tenant_id, lane->priority)
                       : xasprintf("%s:%s", lane->tenant_id, lane->priority);
        for (unsigned p = 0; p < partitions; p++)
            items[i * partitions + p] = (struct queue_item){.lane = names[i], .partition = p};
    }
    int result = queue_lengths(due->queue, stage, items, count, each, fault);
    for (size_t i = 0; i < lanes->count; i++) {
        lengths[i] = 0;
        for (unsigned p = 0; p < partitions; p++)
            lengths[i] += each[i * partitions + p];
        free(names[i]);
    }
    free(names);
    free(each);
    free(items);
    return result;
}

static size_t room(const struct due *due, int64_t length)
{
    size_t used = length > 0 ? (size_t)length : 0;

    return used <= due->window / 2 ? due->window - used : 0;
}

/* Where the next look goes on: behind the last lane of this one, or at the first where there were no more. */
static void move_cursor(struct due_lane *cursor, const struct due_lanes *lanes)
{
    *cursor = lanes->count == LANE_BATCH ? lanes->items[lanes->count - 1] : (struct due_lane){0};
}

/*
 * Lanes of dist-route that are half empty get their oldest pending jobs. Those that are in Redis are among
 * them, and publishing these adds nothing; so nobody has to remember which ones are there. Those that were
 * accepted a moment ago are there in all likelihood, and not looked at.
 */
static int feed_jobs(struct due *due, struct fault *fault)
{
    struct due_lanes lanes = {0};
    struct due_list list = {0};
    int64_t *lengths = NULL;
    int result = store_pending_lanes(due->store, &due->pending_lane, LANE_BATCH, &lanes, fault);

    if (result < 0 || !lanes.count)
        goto out;
    move_cursor(&due->pending_lane, &lanes);
    lengths = xcalloc(lanes.count, sizeof *lengths);
    result = measure(due, QUEUE_SUBMITTED, &lanes, lengths, fault);
    for (size_t i = 0; result == 0 && i < lanes.count; i++)
        lanes.items[i].want = room(due, lengths[i]) ? due->window : 0;
    if (result == 0)
        result = store_pending_jobs(due->store, &lanes, due->all_jobs ? 0 : SUBMIT_MS, &list, fault);
    if (result == 0)
        result = publish(due, QUEUE_SUBMITTED, &list, due->window, NULL, fault);
    if (result == 0)
        due->all_jobs = false;
out:
    if (!lanes.count)
        due->pending_lane = (struct due_lane){0};
    free(lengths);
    due_list_release(&list);
    due_lanes_release(&lanes);
    return result;
}

/* How much a lane may be given while its destination is held. */
static size_t held_room(const struct hold *hold, size_t room, int64_t length)
{
    if (!hold)
        return room;
    if (hold->kind == HOLD_PROBE && length == 0)
        return room < WINDOW_START ? room : WINDOW_START; /* something to probe with */
    return 0;
}

static bool same_lane(const struct due_lane *a, const struct due_lane *b)
{
    return !strcmp(a->destination, b->destination) && !strcmp(a->tenant_id, b->tenant_id) &&
           !strcmp(a->priority, b->priority);
}

/* A lane of dist-transform, "<tenant>:<priority>", that several lanes go through. */
struct passage {
    size_t left;  /* its room */
    size_t lanes; /* that want a part of it, and have none yet */
};

static struct passage *passage_of(struct strmap *passages, const struct due_lane *lane, size_t room)
{
    char *name = xasprintf("%s:%s", lane->tenant_id, lane->priority);
    struct passage *passage = strmap_get(passages, name);

    if (!passage) {
        passage = xcalloc(1, sizeof *passage);
        passage->left = room;
        strmap_put(passages, name, passage);
    }
    free(name);
    return passage;
}

/* Retries of a lane have a part of what it gets while fresh ones wait too. */
static void split(struct due_lane *fresh, struct due_lane *again, size_t want)
{
    again->want = want / AGAIN_PART;
    if (!again->want && want > 1)
        again->want = 1;
    fresh->want = want - again->want;
}

/*
 * What each lane gets: no more than its own room, and an equal part of the passage that it goes through,
 * whose room the first one may not take alone: nobody knows how little may wait in it. One is always given
 * where the passage has any room, so a hundred lanes may overfill it by so many.
 */
static void share_out(const struct due *due, struct due_lanes *lanes, const int64_t *lengths,
                      const int64_t *routed, const struct holds *holds)
{
    struct passage **passages = xcalloc(lanes->count + 1, sizeof *passages);
    size_t *most = xcalloc(lanes->count + 1, sizeof *most);
    struct strmap names;

    strmap_init(&names);
    for (size_t i = 0; i < lanes->count; i++) {
        struct due_lane *lane = &lanes->items[i];
        size_t used = routed[i] > 0 ? (size_t)routed[i] : 0;

        passages[i] = passage_of(&names, lane, used < due->window ? due->window - used : 0);
        if (i && same_lane(lane, lane - 1))
            continue; /* goes with the fresh ones before it */
        most[i] = held_room(holds_find(holds, lane->destination), room(due, lengths[i]), lengths[i]);
        passages[i]->lanes += most[i] > 0;
    }
    for (size_t i = 0; i < lanes->count; i++) {
        struct due_lane *lane = &lanes->items[i];
        struct passage *passage = passages[i];

        if (!most[i])
            continue;
        size_t part = passage->left / passage->lanes--;
        lane->want = part ? part : routed[i] < (int64_t)due->window;
        if (lane->want > most[i])
            lane->want = most[i];
        passage->left -= lane->want < passage->left ? lane->want : passage->left;
        if (i + 1 < lanes->count && same_lane(lane, lane + 1))
            split(lane, lane + 1, lane->want);
    }
    strmap_release(&names, free);
    free(most);
    free(passages);
}

static int feed_deliveries(struct due *due, const struct holds *holds, struct fault *fault)
{
    struct due_lanes lanes = {0};
    struct due_list list = {0};
    int64_t *lengths = NULL, *routed = NULL;
    int result = store_due_lanes(due->store, &due->delivery_lane, LANE_BATCH, &lanes, fault);

    move_cursor(&due->delivery_lane, &lanes);
    if (result < 0 || !lanes.count)
        goto out;
    lengths = xcalloc(lanes.count, sizeof *lengths);
    routed = xcalloc(lanes.count, sizeof *routed);
    result = measure(due, QUEUE_READY, &lanes, lengths, fault);
    if (result == 0)
        result = measure(due, QUEUE_ROUTED, &lanes, routed, fault);
    if (result < 0)
        goto out;
    share_out(due, &lanes, lengths, routed, holds);
    result = store_claim_due(due->store, &lanes, due->lease_ms, &list, fault);
    if (result == 0 && list.count) {
        crash_point("pump:claimed");
        result = publish(due, QUEUE_ROUTED, &list, 0, NULL, fault);
        crash_point("pump:published");
    }
out:
    free(lengths);
    free(routed);
    due_list_release(&list);
    due_lanes_release(&lanes);
    return result;
}

/* The ids of a list that nobody works on are taken out of Redis; `ids` gets these, borrowed from the list. */
static int recall(struct due *due, const struct due_list *list, const char **ids, size_t *count,
                  struct fault *fault)
{
    struct queue_item *items = items_of(due, list);
    bool *recalled = xcalloc(list->count + 1, sizeof *recalled);
    int result = queue_recall(due->queue, items, list->count, recalled, fault);

    *count = 0;
    for (size_t i = 0; result == 0 && i < list->count; i++)
        if (recalled[i])
            ids[(*count)++] = list->items[i].id;
    free(recalled);
    free(items);
    return result;
}

/* Recall first: what is queued and not in Redis is found by the sweep, if this ends in between. */
static int pass_over(struct due *due, const char *destination, const char *const *held, struct fault *fault)
{
    struct due_list list = {0};
    const char **ids = NULL;
    size_t count = 0, moved = 0;
    int result = store_stuck_in_group(due->store, destination, held, ROW_BATCH, &list, fault);

    if (result == 0 && list.count) {
        ids = xcalloc(list.count, sizeof *ids);
        result = recall(due, &list, ids, &count, fault);
    }
    if (result == 0 && count)
        crash_point("pump:recalled");
    if (result == 0 && count)
        result = store_pass_over(due->store, destination, held, ids, count, &moved, fault);
    if (moved)
        msg(MSG_INFO, "%zu deliveries go to other members of their groups: the breaker of %s is open", moved,
            destination);
    free(ids);
    due_list_release(&list);
    return result;
}

/* Members of groups whose breaker is open are passed over for those whose breaker is closed. */
static int pass_over_held(struct due *due, const struct holds *holds, struct fault *fault)
{
    const char **held = xcalloc(holds->count + 1, sizeof *held);
    size_t count = 0;
    int result = 0;

    for (size_t i = 0; i < holds->count; i++)
        if (holds->items[i].kind == HOLD_OPEN || holds->items[i].kind == HOLD_GONE)
            held[count++] = holds->items[i].destination;
    for (size_t i = 0; result == 0 && i < count; i++)
        result = pass_over(due, held[i], held, fault);
    free(held);
    return result;
}

/* One batch of queued rows behind the cursor; at the end the cursor starts again. *more: there are rows
 * behind it. */
static int sweep(struct due *due, bool all, char cursor[UID_TEXT_SIZE], bool *more, struct fault *fault)
{
    struct due_list list = {0};
    size_t added = 0;

    int result = store_overdue_deliveries(due->store, all, cursor, SWEEP_BATCH, &list, fault);
    if (result == 0)
        result = publish(due, QUEUE_ROUTED, &list, 0, &added, fault);
    if (result == 0) {
        *more = list.count == SWEEP_BATCH;
        text_copy(cursor, UID_TEXT_SIZE, *more ? list.items[list.count - 1].id : "");
        if (added)
            msg(MSG_DEBUG, "%zu deliveries that Redis did not have are queued again", added);
    }
    due_list_release(&list);
    return result;
}

/* Everything that is queued, from the first row to the last; what is pending is looked at in every tick
 * anyway. */
static int republish(struct due *due, struct fault *fault)
{
    char cursor[UID_TEXT_SIZE] = "";
    bool more = true;

    while (more)
        if (sweep(due, true, cursor, &more, fault) < 0)
            return -1;
    return 0;
}

/* A Redis that forgot everything has another epoch; so has a restored or a different one. */
static int check_epoch(struct due *due, struct fault *fault)
{
    for (unsigned p = 0; p < queue_partitions(due->queue); p++) {
        char epoch[UID_TEXT_SIZE];
        bool changed;

        if (queue_epoch(due->queue, p, epoch, fault) < 0 ||
            store_see_epoch(due->store, p, epoch, &changed, fault) < 0)
            return -1;
        crash_point("pump:epoch");
        if (changed)
            msg(MSG_INFO, "Redis is new or was emptied: everything that is open is queued again");
        due->republish = due->republish || changed;
    }
    if (due->republish && republish(due, fault) < 0)
        return -1;
    due->all_jobs = due->all_jobs || due->republish;
    due->republish = false;
    return 0;
}

static int expire(struct due *due, struct fault *fault)
{
    struct due_list queued = {0};
    const char **ids = NULL;
    size_t expired, count;
    int result = store_expire(due->store, ROW_BATCH, due->lease_ms, &expired, &queued, fault);

    if (result == 0 && queued.count) {
        ids = xcalloc(queued.count, sizeof *ids);
        result = recall(due, &queued, ids, &count, fault);
    }
    free(ids);
    due_list_release(&queued);
    return result;
}

static int upkeep(struct due *due, struct fault *fault)
{
    bool more;

    if (check_epoch(due, fault) < 0 || expire(due, fault) < 0)
        return -1;
    return sweep(due, false, due->delivery_cursor, &more, fault);
}

static int feed(struct due *due, const struct holds *holds, int64_t now_ms, struct fault *fault)
{
    if (holds->count && now_ms >= due->pass_over_at_ms) {
        if (pass_over_held(due, holds, fault) < 0)
            return -1;
        due->pass_over_at_ms = now_ms + PASS_OVER_MS;
    }
    if (feed_jobs(due, fault) < 0)
        return -1;
    return feed_deliveries(due, holds, fault);
}

/* The holds are asked for first: that connects again where it must, so that a Redis that is another one is
 * known before its empty lanes are filled with more than was in them. */
static int look_and_feed(struct due *due, int64_t now_ms, struct fault *fault)
{
    struct holds holds;
    int result = holds_look(due->queue, &holds, fault);
    unsigned generation = redis_generation(queue_redis(due->queue));

    if (result == 0 && (now_ms >= due->sweep_at_ms || generation != due->generation)) {
        result = upkeep(due, fault);
        if (result == 0) {
            due->generation = generation;
            due->sweep_at_ms = now_ms + SWEEP_MS;
        }
    }
    if (result == 0)
        result = feed(due, &holds, now_ms, fault);
    holds_release(&holds);
    return result;
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
    return look_and_feed(due, now_ms, fault);
}
