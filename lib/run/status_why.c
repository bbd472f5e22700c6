/*
 * status_why - see status_why.h
 *
 * The reasons are asked for in the order in which they would be met; the first that holds is the one.
 */
#include "status_why.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "clock.h"
#include "holds.h"
#include "num.h"
#include "share.h"
#include "table.h"
#include "text.h"
#include "xalloc.h"

enum { TEXT_SIZE = 300 };

/* What the answer is made of. */
struct asking {
    const struct tool *tool;
    struct catalog *catalog;
    struct store *store;
    struct queue *queue;
    struct holds holds;
    struct queue_lane *lanes; /* of dist-deliver */
    size_t lane_count;
    int64_t window;
};

struct reason {
    const char *word;
    char text[TEXT_SIZE];
};

static void say(struct reason *reason, const char *word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct reason *reason, const char *word, const char *format, ...)
{
    va_list values;

    reason->word = word;
    va_start(values, format);
    vsnprintf(reason->text, sizeof reason->text, format, values);
    va_end(values);
}

/* True where the destination is held, with the reason. */
static bool held(const struct asking *asking, const struct open_view *view, struct reason *reason)
{
    const struct hold *hold = holds_find(&asking->holds, view->destination);
    char left[NUM_DURATION_SIZE];

    if (!hold)
        return false;
    num_format_duration(hold->left_ms, left);
    switch (hold->kind) {
    case HOLD_OPEN:
        say(reason, "breaker", "the breaker of %s is open for another %s, after %d failures",
            view->destination, left, hold->failures);
        break;
    case HOLD_PROBE:
        say(reason, "half_open", "the breaker of %s is half open: one probe goes first", view->destination);
        break;
    case HOLD_GONE:
        say(reason, "gone",
            "%s answered that it is gone, and is disabled; 'dist-admin destination resume' lifts that",
            view->destination);
        break;
    case HOLD_PAUSED:
    case HOLD_KIND_COUNT:
        say(reason, "paused", "%s asked to be left alone for another %s", view->destination, left);
        break;
    }
    return true;
}

/* Entries of the lanes that a filter takes: all of them, and those in flight. */
static void add_up(const struct asking *asking, const char *destination, const char *tenant, int64_t *length,
                   int64_t *in_flight)
{
    *length = *in_flight = 0;
    for (size_t i = 0; i < asking->lane_count; i++) {
        const struct queue_lane *lane = &asking->lanes[i];
        enum priority priority;
        size_t size = strcspn(lane->name, ":");
        char *owner = share_tenant(lane->name, &priority);

        if ((!destination || (strlen(destination) == size && !strncmp(lane->name, destination, size))) &&
            (!tenant || !strcmp(owner, tenant))) {
            *length += lane->length;
            *in_flight += lane->in_flight;
        }
        free(owner);
    }
}

static void why_waiting(const struct asking *asking, const struct open_view *view, struct reason *reason)
{
    char due[CLOCK_TEXT_SIZE];
    int64_t length, in_flight;

    clock_format(view->due_at_us, due);
    if (!view->due && view->attempts > view->budget_start)
        say(reason, "retry", "attempt %d is due at %s, after: %s", view->attempts + 1, due,
            view->last_error ? view->last_error : "no error");
    else if (!view->due)
        say(reason, "deferred", "due at %s%s%s", due, view->last_error ? ": " : "",
            view->last_error ? view->last_error : "");
    else if (!held(asking, view, reason)) {
        add_up(asking, view->destination, NULL, &length, &in_flight);
        if (length > asking->window / 2)
            say(reason, "lane_full", "it waits in PostgreSQL: %lld deliveries to %s go first",
                (long long)length, view->destination);
        else
            say(reason, "next", "due: dist-route queues it next");
    }
}

/* In its lane, and nobody has claimed it. */
static void why_in_lane(const struct asking *asking, const struct open_view *view, int64_t ahead,
                        struct reason *reason)
{
    char *name = xmemdupz(view->destination, strcspn(view->destination, "@"));
    const struct destination *destination = catalog_destination(asking->catalog, name);
    int64_t cap = conf_int(asking->tool->conf, "DIST_TENANT_CONCURRENCY");
    int64_t length, in_flight, tenant_length, tenant_in_flight;

    add_up(asking, view->destination, NULL, &length, &in_flight);
    add_up(asking, NULL, view->tenant_id, &tenant_length, &tenant_in_flight);
    if (held(asking, view, reason))
        ;
    else if (tenant_in_flight >= cap)
        say(reason, "tenant_cap", "%lld deliveries of %s are in flight, a worker makes %lld at once",
            (long long)tenant_in_flight, view->tenant_id, (long long)cap);
    else if (destination && destination->rate_per_s > 0 && ahead > in_flight)
        say(reason, "rate", "%s takes %g/s, and %lld are before it", view->destination,
            destination->rate_per_s, (long long)(ahead - in_flight));
    else if (in_flight && in_flight >= ahead)
        say(reason, "window", "%lld deliveries to %s are in flight, it is next", (long long)in_flight,
            view->destination);
    else
        say(reason, "behind", "%s%lld entries of its lane are before it", ahead >= 1000 ? "at least " : "",
            (long long)ahead);
    free(name);
}

static int why_queued(const struct asking *asking, const struct open_view *view, struct reason *reason,
                      struct fault *fault)
{
    const struct queue_item item = {.id = view->id,
                                    .partition = queue_partition(asking->queue, view->job_id)};
    char due[CLOCK_TEXT_SIZE];
    struct queue_place place;

    if (queue_find(asking->queue, &item, &place, fault) < 0)
        return -1;
    if (!place.stream)
        say(reason, "missing", "not in Redis: it is queued again at %s", clock_format(view->due_at_us, due));
    else if (text_starts_with(place.stream, "submitted"))
        say(reason, "unrouted", "%lld distributions are before it at dist-route", (long long)place.ahead);
    else if (text_starts_with(place.stream, "routed"))
        say(reason, "transform", "%lld deliveries are before it at dist-transform", (long long)place.ahead);
    else if (place.claimed)
        say(reason, "in_flight", "attempt %d is under way", view->attempts + 1);
    else
        why_in_lane(asking, view, place.ahead, reason);
    free(place.stream);
    return 0;
}

static int why_pending(const struct asking *asking, const struct open_view *view, struct reason *reason,
                       struct fault *fault)
{
    char due[CLOCK_TEXT_SIZE];

    if (!view->due) {
        say(reason, "scheduled", "due at %s", clock_format(view->due_at_us, due));
        return 0;
    }
    if (why_queued(asking, view, reason, fault) < 0)
        return -1;
    if (!strcmp(reason->word, "missing"))
        say(reason, "unrouted", "dist-route takes it next");
    return 0;
}

static int explain(const struct asking *asking, const struct open_view *view, struct reason *reason,
                   struct fault *fault)
{
    *reason = (struct reason){.word = "next"};
    if (!strcmp(view->status, "pending"))
        return why_pending(asking, view, reason, fault);
    if (!strcmp(view->status, "queued"))
        return why_queued(asking, view, reason, fault);
    why_waiting(asking, view, reason);
    return 0;
}

static int print_one(const struct open_view *view, const struct reason *reason, struct fault *fault)
{
    char due[CLOCK_TEXT_SIZE];
    bool pending = !strcmp(view->status, "pending");

    return print_json(json_pack("{s:s, s:s?, s:s, s:s?, s:i, s:s, s:s, s:s}", "id", view->id, "target",
                                pending ? NULL : view->target, "status", view->status, "destination",
                                pending ? NULL : view->destination, "attempts", view->attempts, "due_at",
                                clock_format(view->due_at_us, due), "reason", reason->word, "text",
                                reason->text),
                      fault);
}

static int answer(const struct asking *asking, const char *id, bool json, struct table *table,
                  struct fault *fault)
{
    struct open_list list;
    int result = store_open_of(asking->store, id, &list, fault);

    for (size_t i = 0; result == 0 && i < list.count; i++) {
        const struct open_view *view = &list.items[i];
        struct reason reason;

        result = explain(asking, view, &reason, fault);
        if (result == 0 && json)
            result = print_one(view, &reason, fault);
        else if (result == 0)
            table_row(table, (const char *[]){id, *view->target ? view->target : "-", view->status,
                                              reason.word, reason.text});
    }
    open_list_release(&list);
    return result;
}

int status_why(const struct tool *tool, int count, char **ids, bool json, struct fault *fault)
{
    static const char *const heading[] = {"DISTRIBUTION", "TARGET", "STATUS", "REASON", "WHY"};
    struct asking asking = {.tool = tool, .window = conf_int(tool->conf, "DIST_LANE_WINDOW")};
    struct table table;
    int result = -1;

    table_init(&table, heading, 5);
    asking.catalog = tool_catalog(tool, tool_mistake, NULL, fault);
    if (!asking.catalog)
        goto out;
    asking.store = tool_store(tool);
    asking.queue = tool_queue(tool);
    if (holds_look(asking.queue, &asking.holds, fault) < 0 ||
        queue_lanes(asking.queue, QUEUE_READY, &asking.lanes, &asking.lane_count, fault) < 0)
        goto out;
    result = 0;
    for (int i = 0; result == 0 && i < count; i++)
        result = answer(&asking, ids[i], json, &table, fault);
    if (result == 0)
        result = table_print(&table, fault);
out:
    table_release(&table);
    queue_lanes_free(asking.lanes, asking.lane_count);
    holds_release(&asking.holds);
    queue_free(asking.queue);
    store_free(asking.store);
    catalog_free(asking.catalog);
    return result;
}
