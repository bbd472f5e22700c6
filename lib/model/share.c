/*
 * share - see share.h
 *
 * A turn is a point in virtual time: whoever is least far gets the next entry and moves on by one over its
 * weight. The clock is the turn of whoever was served last: of the tenants, and of each tenant's lanes. Who begins
 * is put there.
 */
#include "share.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "xalloc.h"

static const double weights[PRIORITY_COUNT] = {[PRIORITY_HIGH] = 8, [PRIORITY_NORMAL] = 3, [PRIORITY_LOW] = 1};

struct share_turn {
    double at;
    double lanes_at; /* of a tenant: the clock of its lanes */
};

/* A lane with its turns. */
struct entry {
    struct share_lane *lane;
    struct share_turn *tenant, *own;
    double step;
};

void share_init(struct share *share)
{
    strmap_init(&share->tenants);
    strmap_init(&share->lanes);
    share->now = 0;
}

void share_release(struct share *share)
{
    strmap_release(&share->tenants, free);
    strmap_release(&share->lanes, free);
}

char *share_tenant(const char *lane, enum priority *priority)
{
    const char *end = strrchr(lane, ':');
    const char *start = lane;
    int index;

    *priority = PRIORITY_NORMAL;
    if (!end)
        return xstrdup(lane);
    index = status_index(priority_names, end + 1);
    if (index >= 0)
        *priority = (enum priority)index;
    for (const char *c = lane; c < end; c++)
        if (*c == ':')
            start = c + 1;
    return xmemdupz(start, (size_t)(end - start));
}

/* The turn of a name in this plan: the one it had in the last. */
static struct share_turn *turn_of(struct strmap *fresh, const struct strmap *old, const char *name)
{
    struct share_turn *turn = strmap_get(fresh, name);
    const struct share_turn *before = strmap_get(old, name);

    if (turn)
        return turn;
    turn = xcalloc(1, sizeof *turn);
    if (before)
        *turn = *before;
    strmap_put(fresh, name, turn);
    return turn;
}

static void catch_up(struct share_turn *turn, double now)
{
    if (turn->at < now)
        turn->at = now;
}

static double step_of(enum priority priority, int64_t oldest_ms)
{
    int rank = (int)priority;

    for (int64_t age = oldest_ms; age >= SHARE_AGE_MS && rank > PRIORITY_HIGH; age -= SHARE_AGE_MS)
        rank--;
    return 1 / weights[rank];
}

static bool may_take(const struct share_lane *lane)
{
    return lane->want < lane->unread && (!lane->room || *lane->room) && (!lane->tenant_room || *lane->tenant_room);
}

static struct entry *next_entry(struct entry *entries, size_t count)
{
    struct entry *best = NULL;

    for (size_t i = 0; i < count; i++) {
        struct entry *one = &entries[i];

        if (!may_take(one->lane))
            continue;
        if (!best || one->tenant->at < best->tenant->at ||
            (one->tenant->at <= best->tenant->at && one->own->at < best->own->at))
            best = one;
    }
    return best;
}

static void begin(struct share *share, struct strmap *tenants, struct strmap *own, struct share_lane *lanes,
                  struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &entries[i];
        enum priority priority;
        char *tenant = share_tenant(lanes[i].name, &priority);

        lanes[i].want = 0;
        entry->lane = &lanes[i];
        entry->tenant = turn_of(tenants, &share->tenants, tenant);
        entry->own = turn_of(own, &share->lanes, lanes[i].name);
        entry->step = step_of(priority, lanes[i].oldest_ms);
        catch_up(entry->tenant, share->now);
        catch_up(entry->own, entry->tenant->lanes_at);
        free(tenant);
    }
}

size_t share_plan(struct share *share, struct share_lane *lanes, size_t count, size_t total)
{
    struct entry *entries = xcalloc(count + 1, sizeof *entries), *next = NULL;
    struct strmap tenants, own;
    size_t given = 0;

    strmap_init(&tenants);
    strmap_init(&own);
    begin(share, &tenants, &own, lanes, entries, count);
    for (; given < total && (next = next_entry(entries, count)); given++) {
        next->lane->want++;
        if (next->lane->room)
            --*next->lane->room;
        if (next->lane->tenant_room)
            --*next->lane->tenant_room;
        share->now = next->tenant->at;
        next->tenant->lanes_at = next->own->at;
        next->tenant->at += 1;
        next->own->at += next->step;
    }
    share_release(share);
    share->tenants = tenants;
    share->lanes = own;
    free(entries);
    return given;
}
