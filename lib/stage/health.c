/*
 * health - see health.h
 *
 * A breaker that is half open counts as closed here: somebody must be sent there for the probe to be made.
 * The engine passes over the member for what comes before the probe has ended.
 */
#include "health.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "num.h"
#include "xalloc.h"

/* What is ready, in flight or waiting for one destination. */
struct health_depth {
    uint64_t count;
    int64_t limit; /* of what is counted of the waiting ones */
};

static void add_member(struct health *health, const struct group *group, size_t i)
{
    const int64_t limit = group->max_queue ? group->max_queue + 1 : HEALTH_COUNT_MAX;
    struct health_depth *depth = strmap_get(&health->members, group->members[i]);

    if (!depth) {
        depth = xcalloc(1, sizeof *depth);
        strmap_put(&health->members, group->members[i], depth);
    }
    if (depth->limit < limit)
        depth->limit = limit;
}

void health_init(struct health *health, const struct catalog *catalog)
{
    size_t count;
    const char **names = catalog_group_names(catalog, &count);

    *health = (struct health){.wanted = count > 0};
    strmap_init(&health->depths);
    strmap_init(&health->members);
    for (size_t i = 0; i < count; i++) {
        const struct group *group = catalog_group(catalog, names[i]);

        if (!group->max_queue && group->plan.policy != BALANCE_LEAST_OUTSTANDING)
            continue;
        for (size_t k = 0; k < group->member_count; k++)
            add_member(health, group, k);
    }
    free(names);
}

void health_release(struct health *health)
{
    holds_release(&health->holds);
    strmap_release(&health->depths, free);
    strmap_release(&health->members, free);
    *health = (struct health){0};
}

static void add_depth(struct strmap *depths, const char *destination, uint64_t count)
{
    struct health_depth *depth = strmap_get(depths, destination);

    if (!depth) {
        depth = xcalloc(1, sizeof *depth);
        strmap_put(depths, destination, depth);
    }
    depth->count += count;
}

/* Lanes are named "<destination>:<tenant>:<priority>", and names have no colon. */
static int read_lanes(struct queue *queue, struct strmap *depths, struct fault *fault)
{
    struct queue_lane *lanes;
    size_t count;

    if (queue_lanes(queue, QUEUE_READY, &lanes, &count, fault) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        char *name = xmemdupz(lanes[i].name, strcspn(lanes[i].name, ":"));

        add_depth(depths, name, (uint64_t)lanes[i].length);
        free(name);
    }
    queue_lanes_free(lanes, count);
    return 0;
}

/* The members as arrays, for the store. */
struct listing {
    struct waiting_count *items;
    size_t count;
};

static void list_member(const char *name, void *value, void *arg)
{
    const struct health_depth *depth = value;
    struct listing *listing = arg;

    listing->items[listing->count++] = (struct waiting_count){.destination = name, .limit = depth->limit};
}

static int read_waiting(struct health *health, struct store *store, struct strmap *depths,
                        struct fault *fault)
{
    struct listing listing = {.items = xcalloc(health->members.count + 1, sizeof *listing.items)};
    int status = 0;

    strmap_each(&health->members, list_member, &listing);
    if (store && listing.count)
        status = store_count_waiting(store, listing.items, listing.count, fault);
    for (size_t i = 0; status == 0 && i < listing.count; i++)
        add_depth(depths, listing.items[i].destination, (uint64_t)listing.items[i].count);
    free(listing.items);
    return status;
}

int health_refresh(struct health *health, struct queue *queue, struct store *store, int64_t now_ms,
                   struct fault *fault)
{
    struct strmap depths;
    struct holds holds;

    if (!health->wanted || now_ms < health->fresh_until_ms)
        return 0;
    if (holds_look(queue, &holds, fault) < 0)
        return -1;
    strmap_init(&depths);
    if (health->members.count &&
        (read_lanes(queue, &depths, fault) < 0 || read_waiting(health, store, &depths, fault) < 0)) {
        strmap_release(&depths, free);
        holds_release(&holds);
        return -1;
    }
    holds_release(&health->holds);
    strmap_release(&health->depths, free);
    health->holds = holds;
    health->depths = depths;
    health->fresh_until_ms = now_ms + HEALTH_FRESH_MS;
    return 0;
}

void health_count(struct health *health, const struct delivery *delivery)
{
    if (delivery->candidate_count > 1 && strmap_get(&health->members, delivery->candidates[0]))
        add_depth(&health->depths, delivery->candidates[0], 1);
}

static uint64_t outstanding(void *arg, const char *destination)
{
    const struct health *health = arg;
    const struct health_depth *depth = strmap_get(&health->depths, destination);

    return depth ? depth->count : 0;
}

static const char *unfit(void *arg, const char *destination, int64_t max_queue)
{
    struct health *health = arg;
    const struct hold *hold = holds_find(&health->holds, destination);
    const uint64_t depth = outstanding(health, destination);
    char left[NUM_DURATION_SIZE];

    if (hold && hold->kind == HOLD_OPEN)
        snprintf(health->text, sizeof health->text, "its breaker is open after %d failures", hold->failures);
    else if (hold && hold->kind == HOLD_GONE)
        snprintf(health->text, sizeof health->text, "it said to be gone, and is disabled");
    else if (hold && hold->kind == HOLD_PAUSED)
        snprintf(health->text, sizeof health->text, "it asked for a pause: %s are left",
                 num_format_duration(hold->left_ms, left));
    else if (max_queue && depth > (uint64_t)max_queue)
        snprintf(health->text, sizeof health->text, "more than %" PRId64 " deliveries wait for it",
                 max_queue);
    else
        return NULL;
    return health->text;
}

struct route_health health_for_routing(struct health *health)
{
    return (struct route_health){.unfit = unfit, .outstanding = outstanding, .arg = health};
}
