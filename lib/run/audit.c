/*
 * audit - see audit.h
 *
 * Redis is compared in both directions. From PostgreSQL: what is queued there, or the first of the pending,
 * and was to be looked at more than a lease and a round of the pump ago must be in Redis, for the pump puts
 * it there. What is not that late may be missing: that is what due_at is for. From Redis: an id whose row is
 * open is queued; one whose row has ended is dropped by whoever meets it; one that PostgreSQL does not know
 * is a break, and so is a record without an entry, which nobody will ever meet.
 */
#include "audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json.h"
#include "queue_audit.h"
#include "table.h"
#include "text.h"
#include "xalloc.h"

enum {
    OVERDUE_PAGE = 1000,
    LANE_PAGE = 500,
    DOUBTS = 5000,        /* ids in doubt before they are looked at again */
    SECOND_LOOK_MS = 500, /* a stage commits and publishes in less */
    SWEEP_MS = 10 * 1000, /* a few rounds of the pump of dist-route */
};

struct audit {
    struct store *store;
    struct queue_audit queue;
    const char *tenant_id;
    bool json;
    int64_t grace_ms;
    struct audit_sums sums;
    int64_t unaccounted;
    int64_t in_redis, leaving, entries, unnamed;
    struct fault *fault;
};

/* --- telling --- */

/* `kind`: "distribution", "delivery", or "id" of what is known in Redis only. */
static int tell(struct audit *audit, const char *id, const char *kind, const char *reason)
{
    char shown[128];

    audit->unaccounted++;
    text_copy(shown, sizeof shown, id);
    text_printable(shown);
    if (audit->json)
        return print_json(json_pack("{s:s, s:s, s:s}", "kind", kind, "id", shown, "reason", reason),
                          audit->fault);
    return print_text(audit->fault, "%s %s: %s\n", kind, shown, reason);
}

static int on_break(void *arg, const struct audit_break *broken)
{
    return tell(arg, broken->id, broken->is_job ? "distribution" : "delivery", broken->reason);
}

static int print_sums_json(const struct audit *audit, struct fault *fault)
{
    const struct audit_sums *sums = &audit->sums;
    json_t *targets =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accepted", (json_int_t)sums->targets,
                  "pending", (json_int_t)sums->pending, "unrouted", (json_int_t)sums->unrouted, "waiting",
                  (json_int_t)sums->waiting, "queued", (json_int_t)sums->queued, "delivered",
                  (json_int_t)sums->delivered, "dead", (json_int_t)sums->dead, "expired",
                  (json_int_t)sums->expired, "cancelled", (json_int_t)sums->cancelled);
    json_t *attempts = json_pack("{s:I, s:I, s:I}", "made", (json_int_t)sums->attempts, "repeated",
                                 (json_int_t)sums->repeated, "delivered_again", (json_int_t)sums->duplicates);
    json_t *redis = json_pack("{s:I, s:I, s:I, s:I}", "ids", (json_int_t)audit->in_redis, "leaving",
                              (json_int_t)audit->leaving, "entries", (json_int_t)audit->entries, "unnamed",
                              (json_int_t)audit->unnamed);
    return print_json(json_pack("{s:I, s:I, s:o, s:I, s:o, s:o}", "dist_unaccounted",
                                (json_int_t)audit->unaccounted, "distributions", (json_int_t)sums->jobs,
                                "targets", targets, "callbacks", (json_int_t)sums->callbacks, "attempts",
                                attempts, "redis", redis),
                      fault);
}

static void add_sum(struct facts *facts, const char *name, int64_t value)
{
    facts_add(facts, name, "%" PRId64, value);
}

static int print_sums(const struct audit *audit, struct fault *fault)
{
    const struct audit_sums *sums = &audit->sums;
    struct facts facts;

    facts_init(&facts);
    add_sum(&facts, "distributions", sums->jobs);
    add_sum(&facts, "targets", sums->targets);
    add_sum(&facts, "  delivered", sums->delivered);
    add_sum(&facts, "  dead", sums->dead);
    add_sum(&facts, "  expired", sums->expired);
    add_sum(&facts, "  cancelled", sums->cancelled);
    add_sum(&facts, "  queued", sums->queued);
    add_sum(&facts, "  waiting", sums->waiting);
    add_sum(&facts, "  pending", sums->pending);
    add_sum(&facts, "  unrouted", sums->unrouted);
    add_sum(&facts, "callbacks", sums->callbacks);
    add_sum(&facts, "attempts", sums->attempts);
    add_sum(&facts, "  repeated", sums->repeated);
    add_sum(&facts, "  again", sums->duplicates);
    add_sum(&facts, "in Redis", audit->in_redis);
    add_sum(&facts, "  leaving", audit->leaving);
    if (!audit->tenant_id) {
        add_sum(&facts, "entries", audit->entries);
        add_sum(&facts, "  unnamed", audit->unnamed);
    }
    if (facts_print(&facts, fault) < 0)
        return -1;
    return print_text(fault, "dist_unaccounted %" PRId64 "\n", audit->unaccounted);
}

/* --- from PostgreSQL to Redis --- */

/*
 * Ids in doubt: overdue, and not in Redis. Of pending distributions only the longest due of each lane: it is
 * the first that the pump takes, and those behind it may wait for room.
 */
struct doubts {
    struct audit *audit;
    bool jobs;
    struct due_list list;
};

/* Keeps of the list what Redis does not have. */
static int keep_absent(struct audit *audit, struct due_list *list, struct fault *fault)
{
    const char **ids = xcalloc(list->count, sizeof *ids);
    enum queue_trace *traces = xcalloc(list->count, sizeof *traces);
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++)
        ids[i] = list->items[i].id;
    int result = list->count ? queue_audit_look(&audit->queue, ids, list->count, traces, fault) : 0;
    for (size_t i = 0; result == 0 && i < list->count; i++)
        if (traces[i] != QUEUE_ENTRY)
            list->items[kept++] = list->items[i];
    list->count = kept;
    free(ids);
    free(traces);
    return result;
}

/* The second look at what is in doubt; what is still missing is told, and the list is empty then. */
static int settle(struct doubts *doubts, struct fault *fault)
{
    static const struct timespec pause = {.tv_nsec = SECOND_LOOK_MS * 1000L * 1000};
    struct audit *audit = doubts->audit;
    struct due_list *list = &doubts->list;

    if (!list->count)
        return 0;
    nanosleep(&pause, NULL);
    if (keep_absent(audit, list, fault) < 0 ||
        (list->count &&
         store_audit_still_overdue(audit->store, doubts->jobs, audit->grace_ms, list, fault) < 0))
        return -1;
    for (size_t i = 0; i < list->count; i++)
        if (tell(audit, list->items[i].id, doubts->jobs ? "distribution" : "delivery",
                 doubts->jobs ? "it is pending and long overdue, and Redis does not have it"
                              : "it is queued and long overdue, and Redis does not have it"))
            return -1;
    list->count = 0;
    return 0;
}

static void add_doubts(struct doubts *doubts, const struct due_list *page)
{
    struct due_list *list = &doubts->list;

    if (list->count + page->count > list->cap) {
        list->cap = list->count + page->count;
        list->items = xreallocarray(list->items, list->cap, sizeof *list->items);
    }
    for (size_t i = 0; i < page->count; i++)
        list->items[list->count++] = page->items[i];
}

static int check_queued(struct audit *audit, struct fault *fault)
{
    struct doubts doubts = {.audit = audit};
    char after[UID_TEXT_SIZE] = "";
    int result = 0;
    bool more = true;

    while (result == 0 && more) {
        struct due_list page = {0};
        result = store_audit_overdue(audit->store, audit->tenant_id, audit->grace_ms, after, OVERDUE_PAGE,
                                     &page, fault);
        more = page.count == OVERDUE_PAGE;
        if (page.count)
            text_copy(after, sizeof after, page.items[page.count - 1].id);
        if (result == 0)
            result = keep_absent(audit, &page, fault);
        add_doubts(&doubts, &page);
        due_list_release(&page);
        if (result == 0 && (!more || doubts.list.count >= DOUBTS))
            result = settle(&doubts, fault);
    }
    due_list_release(&doubts.list);
    return result;
}

static int check_pending(struct audit *audit, struct fault *fault)
{
    struct doubts doubts = {.audit = audit, .jobs = true};
    struct due_lane after = {0};
    int result = 0;
    bool more = true;

    while (result == 0 && more) {
        struct due_lanes lanes = {0};
        struct due_list oldest = {0};
        result = store_pending_lanes(audit->store, &after, LANE_PAGE, &lanes, fault);
        more = lanes.count == LANE_PAGE;
        if (more)
            after = lanes.items[lanes.count - 1];
        for (size_t i = 0; i < lanes.count; i++)
            lanes.items[i].want = !audit->tenant_id || !strcmp(lanes.items[i].tenant_id, audit->tenant_id);
        if (result == 0 && lanes.count)
            result = store_pending_jobs(audit->store, &lanes, 0, &oldest, fault);
        if (result == 0)
            result = keep_absent(audit, &oldest, fault);
        add_doubts(&doubts, &oldest);
        due_list_release(&oldest);
        due_lanes_release(&lanes);
        if (result == 0)
            result = settle(&doubts, fault);
    }
    due_list_release(&doubts.list);
    return result;
}

/* --- from Redis to PostgreSQL --- */

static int check_id(struct audit *audit, const char *id, enum queue_trace trace, enum audit_standing standing)
{
    if (trace == QUEUE_ABSENT || standing == AUDIT_FOREIGN)
        return 0; /* it went meanwhile */
    if (standing == AUDIT_UNKNOWN)
        /* of whom it would be nobody can tell */
        return audit->tenant_id ? 0
                                : tell(audit, id, "id", "it is in Redis, and PostgreSQL does not know it");
    audit->in_redis++;
    audit->leaving += standing == AUDIT_ENDED;
    if (trace == QUEUE_RECORD && standing == AUDIT_ENDED)
        return tell(audit, id, "id", "it has ended, and its record in Redis has no entry");
    return 0;
}

static int on_ids(void *arg, const char *const *ids, size_t count, struct fault *fault)
{
    struct audit *audit = arg;
    enum queue_trace *traces = xcalloc(count, sizeof *traces);
    enum audit_standing *standing = xcalloc(count, sizeof *standing);

    int result = queue_audit_look(&audit->queue, ids, count, traces, fault);
    if (result == 0)
        result = store_audit_standing(audit->store, audit->tenant_id, ids, count, standing, fault);
    for (size_t i = 0; result == 0 && i < count; i++)
        result = check_id(audit, ids[i], traces[i], standing[i]);
    free(traces);
    free(standing);
    return result;
}

static int run(struct audit *audit, struct redis *redis, struct fault *fault)
{
    if (audit->tenant_id && store_tenant_known(audit->store, audit->tenant_id, fault) < 0)
        return -1;
    if (queue_audit_init(&audit->queue, redis, fault) < 0 ||
        store_audit(audit->store, audit->tenant_id, &audit->sums, on_break, audit, fault) < 0)
        return -1;
    if (fault->class) /* what was found could not be printed */
        return -1;
    if (check_pending(audit, fault) < 0 || check_queued(audit, fault) < 0 ||
        queue_audit_ids(&audit->queue, on_ids, audit, fault) < 0)
        return -1;
    if (!audit->tenant_id && queue_audit_entries(&audit->queue, &audit->entries, &audit->unnamed, fault) < 0)
        return -1;
    if ((audit->json ? print_sums_json : print_sums)(audit, fault) < 0)
        return -1;
    return audit->unaccounted ? EXIT_REJECTED : 0;
}

int audit_run(const struct tool *tool, const char *tenant_id, bool json, struct fault *fault)
{
    struct audit audit = {
        .store = tool_store(tool),
        .tenant_id = tenant_id,
        .json = json,
        .grace_ms = conf_duration_ms(tool->conf, "DIST_LEASE") + SWEEP_MS,
        .fault = fault,
    };
    struct redis *redis = tool_redis(tool);

    int result = run(&audit, redis, fault);
    queue_audit_release(&audit.queue);
    redis_free(redis);
    store_free(audit.store);
    return result;
}
