/*
 * crew_turns - which destination gets the next thread, and which gets none: see crew.h
 *
 * The tenant with the fewest threads is the next one, and has to have fewer than are free: whatever one
 * tenant does, there are threads for others. The hard rule: nothing here ends an errand or starts a thread.
 *
 * With the mutex held.
 */
#include "crew_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "xalloc.h"

enum { BANS_MAX = 256 }; /* the oldest is lifted where there are more */

struct crew_ban {
    TAILQ_ENTRY(crew_ban) link;
    const struct crew_kind *kind;
    struct destination *destination; /* a reference */
    int64_t until_ms;
};

/* Tenants */

static struct crew_tenant *find_tenant(const struct crew *crew, const char *name)
{
    struct crew_tenant *tenant;

    LIST_FOREACH (tenant, &crew->tenants, link)
        if (!tenant->name == !name && (!name || strcmp(tenant->name, name) == 0))
            return tenant;
    return NULL;
}

struct crew_tenant *crew_tenant_of(struct crew *crew, const char *name)
{
    struct crew_tenant *tenant = find_tenant(crew, name);

    if (!tenant) {
        tenant = xcalloc(1, sizeof *tenant);
        tenant->name = xstrdup_null(name);
        LIST_INSERT_HEAD(&crew->tenants, tenant, link);
    }
    tenant->lines++;
    return tenant;
}

void crew_tenant_leave(struct crew_tenant *tenant)
{
    if (--tenant->lines > 0)
        return;
    LIST_REMOVE(tenant, link);
    free(tenant->name);
    free(tenant);
}

/* Threads that do not end */

bool crew_is_same(const struct destination *a, const struct destination *b)
{
    if (a == b)
        return true;
    if (strcmp(a->name, b->name) != 0 || !a->tenant != !b->tenant)
        return false;
    return (!a->tenant || strcmp(a->tenant, b->tenant) == 0) && json_equal(a->form, b->form);
}

static bool is_left(const struct crew_line *line)
{
    return line->started && line->dropped && !line->ended;
}

bool crew_has_left(const struct crew_line *line)
{
    const struct crew_line *other;

    TAILQ_FOREACH (other, &line->crew->lines, link)
        if (is_left(other) && other->kind == line->kind &&
            crew_is_same(other->destination, line->destination))
            return true;
    return false;
}

static void lift(struct crew *crew, struct crew_ban *ban)
{
    TAILQ_REMOVE(&crew->bans, ban, link);
    crew->ban_count--;
    destination_unref(ban->destination);
    free(ban);
}

void crew_lift_bans(struct crew *crew, int64_t until_ms)
{
    struct crew_ban *ban;

    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed leaves the list */
    while ((ban = TAILQ_FIRST(&crew->bans)) && ban->until_ms <= until_ms)
        lift(crew, ban);
}

void crew_note_end(struct crew_line *line)
{
    struct crew *crew = line->crew;

    if (!line->dropped || line->ended_ms - line->dropped_ms < CREW_STUCK_MS)
        return;
    struct crew_ban *ban = xcalloc(1, sizeof *ban);
    *ban = (struct crew_ban){.kind = line->kind, .until_ms = line->ended_ms + CREW_BAN_MS};
    ban->destination = destination_ref(line->destination);
    TAILQ_INSERT_TAIL(&crew->bans, ban, link);
    if (++crew->ban_count > BANS_MAX)
        lift(crew, TAILQ_FIRST(&crew->bans));
}

static int refuse_for(struct crew_refusal *refusal, enum outcome_event event, const char *text)
{
    refusal->event = event;
    snprintf(refusal->text, sizeof refusal->text, "%s", text);
    return -1;
}

/* Its own thread, or those of its tenant or of others. */
static int check_stuck(const struct crew_line *line, int64_t now_ms, struct crew_refusal *refusal)
{
    size_t all = 0, of_tenant = 0;
    const struct crew_line *other;

    TAILQ_FOREACH (other, &line->crew->lines, link) {
        if (!is_left(other) || now_ms - other->dropped_ms < CREW_STUCK_MS)
            continue;
        if (other->kind == line->kind && crew_is_same(other->destination, line->destination))
            return refuse_for(refusal, EVENT_TIMEOUT,
                              "a thread that was given up does not end: no other one for it");
        all++;
        of_tenant += other->tenant == line->tenant;
    }
    if (!line->tenant->name)
        return 0;
    if (of_tenant >= CREW_STUCK_TENANT)
        return refuse_for(refusal, EVENT_TIMEOUT, "threads of this tenant that were given up do not end");
    if (all >= CREW_STUCK_MAX)
        return refuse_for(refusal, EVENT_SYSTEM, "too many threads that were given up do not end");
    return 0;
}

bool crew_has_stuck(const struct crew *crew)
{
    const struct crew_line *line;

    TAILQ_FOREACH (line, &crew->lines, link)
        if (is_left(line))
            return true;
    return !TAILQ_EMPTY(&crew->bans);
}

int crew_may_begin(const struct crew_line *line, int64_t now_ms, struct crew_refusal *refusal)
{
    const struct crew_ban *ban;

    TAILQ_FOREACH (ban, &line->crew->bans, link)
        if (ban->kind == line->kind && ban->until_ms > now_ms &&
            crew_is_same(ban->destination, line->destination)) {
            refusal->event = EVENT_TIMEOUT;
            snprintf(refusal->text, sizeof refusal->text,
                     "a thread that was given up did not end for long: none for it for %lld s more",
                     (long long)(ban->until_ms - now_ms + 999) / 1000);
            return -1;
        }
    return check_stuck(line, now_ms, refusal);
}

/* Turns */

static bool waits(const struct crew_line *line)
{
    return !line->started && !TAILQ_EMPTY(&line->mail) && !crew_has_left(line);
}

static struct crew_line *first_waiting(struct crew *crew)
{
    struct crew_line *line, *best = NULL;

    TAILQ_FOREACH (line, &crew->lines, link)
        if ((!best || line->tenant->threads < best->tenant->threads) && waits(line))
            best = line;
    return best;
}

struct crew_line *crew_next(struct crew *crew)
{
    struct crew_line *line = first_waiting(crew);

    return line && line->tenant->threads < CREW_THREADS - crew->threads ? line : NULL;
}

void crew_crowd(struct crew *crew)
{
    const struct crew_line *waiting = first_waiting(crew);
    struct crew_line *line;
    bool spare = false; /* there is one that holds nothing */

    TAILQ_FOREACH (line, &crew->lines, link) {
        line->crowded = line->started && waiting && line->tenant->threads >= waiting->tenant->threads;
        spare = spare || (line->crowded && !line->holds && !line->ending);
    }
    TAILQ_FOREACH (line, &crew->lines, link) {
        line->crowded = line->crowded && !(line->holds && spare);
        if (line->crowded)
            pthread_cond_signal(&line->wake);
    }
}
