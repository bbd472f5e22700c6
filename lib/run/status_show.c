/*
 * status_show - see status_show.h
 */
#include "status_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "fdio.h"
#include "ceilings.h"
#include "holds.h"
#include "num.h"
#include "response.h"
#include "table.h"
#include "xalloc.h"

static int print_document(const struct job_view *view, struct fault *fault)
{
    json_t *document = response_document(view);

    if (view->callback)
        json_object_set_new(document, "callback", response_callback(view));
    return print_json(document, fault);
}

static const char *time_text(int64_t wall_us, char text[CLOCK_TEXT_SIZE])
{
    return wall_us ? clock_format(wall_us, text) : "-";
}

static const char *code_text(int code, char text[16])
{
    snprintf(text, 16, "%d", code);
    return code ? text : "-";
}

static int print_head(const struct job_view *view, struct fault *fault)
{
    char time[CLOCK_TEXT_SIZE], size[NUM_SIZE_SIZE];
    struct facts facts;

    facts_init(&facts);
    facts_add(&facts, "distribution", "%s", view->distribution_id);
    facts_add(&facts, "status", "%s (%d %%)", job_status_names[view->status], response_progress(view));
    facts_add(&facts, "tenant", "%s", view->tenant_id);
    facts_add(&facts, "type", "%s, priority %s", view->data_type, view->priority);
    facts_add(&facts, "body", "%s, %s%s", view->content_type,
              num_format_size((uint64_t)view->body_size, size), view->body_size < 1024 ? " bytes" : "");
    facts_add(&facts, "submitted", "%s", time_text(view->submitted_at_us, time));
    if (view->scheduled_at_us)
        facts_add(&facts, "scheduled", "%s", time_text(view->scheduled_at_us, time));
    facts_add(&facts, "completed", "%s", time_text(view->completed_at_us, time));
    facts_add(&facts, "expires", "%s", time_text(view->expires_at_us, time));
    if (view->replay_of)
        facts_add(&facts, "replay of", "%s", view->replay_of);
    if (view->error)
        facts_add(&facts, "error", "%s", view->error);
    return facts_print(&facts, fault);
}

static void add_delivery(struct table *table, const struct delivery_view *delivery)
{
    char attempts[16], due[CLOCK_TEXT_SIZE], state[64];
    bool open = !delivery_status_is_final(delivery->status);

    snprintf(attempts, sizeof attempts, "%d", delivery->attempts);
    snprintf(state, sizeof state, "%s%s%s%s", delivery_status_names[delivery->status],
             delivery->dead_reason ? " (" : "", delivery->dead_reason ? delivery->dead_reason : "",
             delivery->dead_reason ? ")" : "");
    table_row(table, (const char *[]){delivery->target, delivery->destination, state, attempts,
                                      open ? time_text(delivery->due_at_us, due)
                                           : time_text(delivery->delivered_at_us, due),
                                      delivery->error});
}

static void add_attempts(struct table *table, const struct delivery_view *delivery)
{
    for (size_t i = 0; i < delivery->attempt_count; i++) {
        const struct attempt_view *attempt = &delivery->attempt_items[i];
        char number[16], code[16], started[CLOCK_TEXT_SIZE], took[NUM_DURATION_SIZE];
        snprintf(number, sizeof number, "%d", attempt->number);
        int64_t ms = (attempt->completed_at_us - attempt->started_at_us) / 1000;
        table_row(table, (const char *[]){attempt->destination, number, attempt->status,
                                          code_text(attempt->response_code, code),
                                          time_text(attempt->started_at_us, started),
                                          num_format_duration(ms > 0 ? ms : 0, took), attempt->error});
    }
}

static int print_job(const struct job_view *view, struct fault *fault)
{
    static const char *const delivery_heading[] = {"TARGET",   "DESTINATION", "STATUS",
                                                   "ATTEMPTS", "DUE/DONE",    "ERROR"};
    static const char *const attempt_heading[] = {"DESTINATION", "ATTEMPT", "OUTCOME", "CODE",
                                                  "STARTED",     "TOOK",    "ERROR"};
    struct table deliveries, attempts;

    table_init(&deliveries, delivery_heading, 6);
    table_init(&attempts, attempt_heading, 7);
    for (size_t i = 0; i < view->delivery_count; i++) {
        add_delivery(&deliveries, &view->deliveries[i]);
        add_attempts(&attempts, &view->deliveries[i]);
    }
    if (view->callback) {
        add_delivery(&deliveries, view->callback);
        add_attempts(&attempts, view->callback);
    }
    bool both = attempts.rows > 1;
    int result = print_head(view, fault);
    if (result == 0)
        result = table_print(&deliveries, fault);
    if (result == 0 && both)
        result = print_text(fault, "\n");
    if (result == 0)
        result = table_print(&attempts, fault);
    table_release(&deliveries);
    table_release(&attempts);
    return result;
}

int status_show_job(struct store *store, const char *distribution_id, bool json, enum job_status *status,
                    struct fault *fault)
{
    struct job_view view = {0};

    if (store_view(store, distribution_id, true, &view, fault) < 0)
        return -1;
    int result = json ? print_document(&view, fault) : print_job(&view, fault);
    if (status)
        *status = view.status;
    job_view_release(&view);
    return result;
}

struct listing {
    bool json;
    struct table table;
    struct fault *fault;
};

static int list_row(void *arg, const struct job_view *view)
{
    struct listing *listing = arg;
    char submitted[CLOCK_TEXT_SIZE], done[16];
    size_t delivered = 0;

    if (listing->json)
        return print_document(view, listing->fault);
    for (size_t i = 0; i < view->delivery_count; i++)
        delivered += view->deliveries[i].status == DELIVERY_DELIVERED;
    snprintf(done, sizeof done, "%zu/%zu", delivered, view->delivery_count);
    table_row(&listing->table, (const char *[]){view->distribution_id, view->tenant_id, view->data_type,
                                                view->priority, job_status_names[view->status], done,
                                                time_text(view->submitted_at_us, submitted)});
    return 0;
}

int status_show_list(struct store *store, const struct job_filter *filter, bool json, struct fault *fault)
{
    static const char *const heading[] = {"DISTRIBUTION", "TENANT",    "TYPE",     "PRIORITY",
                                          "STATUS",       "DELIVERED", "SUBMITTED"};
    struct listing listing = {.json = json, .fault = fault};

    table_init(&listing.table, heading, 7);
    int result = store_list(store, filter, list_row, &listing, fault);
    if (result == 0)
        result = table_print(&listing.table, fault);
    table_release(&listing.table);
    return result;
}

/* What is in Redis: the lanes of all stages, and what is known of destinations. */
struct picture {
    struct queue_lane *lanes[QUEUE_STAGE_COUNT];
    size_t counts[QUEUE_STAGE_COUNT];
    struct holds holds;
    int64_t quarantined;
};

static void picture_release(struct picture *picture)
{
    for (int stage = 0; stage < QUEUE_STAGE_COUNT; stage++)
        queue_lanes_free(picture->lanes[stage], picture->counts[stage]);
    holds_release(&picture->holds);
}

static int take_picture(struct queue *queue, struct picture *picture, struct fault *fault)
{
    for (int stage = 0; stage < QUEUE_STAGE_COUNT; stage++)
        if (queue_lanes(queue, (enum queue_stage)stage, &picture->lanes[stage], &picture->counts[stage],
                        fault) < 0)
            return -1;
    if (holds_look(queue, &picture->holds, fault) < 0)
        return -1;
    return queue_quarantined(queue, &picture->quarantined, fault);
}

static json_t *lanes_json(const struct picture *picture)
{
    json_t *array = json_array();

    for (int stage = 0; stage < QUEUE_STAGE_COUNT; stage++)
        for (size_t i = 0; i < picture->counts[stage]; i++) {
            const struct queue_lane *lane = &picture->lanes[stage][i];
            char *name = xasprintf("%s:%s", queue_stage_names[stage], lane->name);
            json_array_append_new(array, json_pack("{s:s, s:i, s:I, s:I, s:I}", "queue", name, "partition",
                                                   (int)lane->partition, "length", (json_int_t)lane->length,
                                                   "in_flight", (json_int_t)lane->in_flight, "oldest_ms",
                                                   (json_int_t)lane->oldest_ms));
            free(name);
        }
    return array;
}

static json_t *holds_json(const struct holds *holds)
{
    json_t *array = json_array();

    for (size_t i = 0; i < holds->count; i++)
        json_array_append_new(
            array, json_pack("{s:s, s:s, s:i, s:I}", "destination", holds->items[i].destination, "state",
                             hold_kind_names[holds->items[i].kind], "failures", holds->items[i].failures,
                             "left_ms", (json_int_t)holds->items[i].left_ms));
    return array;
}

static json_t *count_json(const struct destination_count *count)
{
    char oldest[CLOCK_TEXT_SIZE];
    return json_pack("{s:s, s:I, s:I, s:I, s:s?}", "destination", count->destination, "waiting",
                     (json_int_t)count->waiting, "queued", (json_int_t)count->queued, "dead",
                     (json_int_t)count->dead, "oldest_open",
                     count->oldest_open_us ? clock_format(count->oldest_open_us, oldest) : NULL);
}

static int print_lanes(const struct picture *picture, struct fault *fault)
{
    static const char *const heading[] = {"QUEUE", "ENTRIES", "IN FLIGHT", "OLDEST"};
    struct table table;

    table_init(&table, heading, 4);
    for (int stage = 0; stage < QUEUE_STAGE_COUNT; stage++)
        for (size_t i = 0; i < picture->counts[stage]; i++) {
            const struct queue_lane *lane = &picture->lanes[stage][i];
            char *name = xasprintf("%s:%s", queue_stage_names[stage], lane->name);
            char length[24], in_flight[24], oldest[NUM_DURATION_SIZE];
            snprintf(length, sizeof length, "%lld", (long long)lane->length);
            snprintf(in_flight, sizeof in_flight, "%lld", (long long)lane->in_flight);
            table_row(&table, (const char *[]){name, length, in_flight,
                                               num_format_duration(lane->oldest_ms, oldest)});
            free(name);
        }
    int result = table_print(&table, fault);
    table_release(&table);
    return result;
}

static int print_holds(const struct holds *holds, struct fault *fault)
{
    static const char *const heading[] = {"HELD DESTINATION", "STATE", "FAILURES", "FOR"};
    struct table table;

    if (!holds->count)
        return 0;
    table_init(&table, heading, 4);
    for (size_t i = 0; i < holds->count; i++) {
        char failures[24], left[NUM_DURATION_SIZE];
        snprintf(failures, sizeof failures, "%d", holds->items[i].failures);
        table_row(&table, (const char *[]){holds->items[i].destination, hold_kind_names[holds->items[i].kind],
                                           failures, num_format_duration(holds->items[i].left_ms, left)});
    }
    int result = print_text(fault, "\n");
    if (result == 0)
        result = table_print(&table, fault);
    table_release(&table);
    return result;
}

static int print_counts(const struct destination_count *counts, size_t count, struct fault *fault)
{
    static const char *const heading[] = {"DESTINATION", "WAITING", "QUEUED", "DEAD", "OLDEST OPEN"};
    struct table table;

    table_init(&table, heading, 5);
    for (size_t i = 0; i < count; i++) {
        char waiting[24], queued[24], dead[24], oldest[CLOCK_TEXT_SIZE];
        snprintf(waiting, sizeof waiting, "%lld", (long long)counts[i].waiting);
        snprintf(queued, sizeof queued, "%lld", (long long)counts[i].queued);
        snprintf(dead, sizeof dead, "%lld", (long long)counts[i].dead);
        table_row(&table, (const char *[]){counts[i].destination, waiting, queued, dead,
                                           time_text(counts[i].oldest_open_us, oldest)});
    }
    int result = table_print(&table, fault);
    table_release(&table);
    return result;
}

static int print_queues(const struct picture *picture, const struct destination_count *counts, size_t count,
                        struct fault *fault)
{
    size_t lanes = 0;

    for (int stage = 0; stage < QUEUE_STAGE_COUNT; stage++)
        lanes += picture->counts[stage];
    if (print_lanes(picture, fault) < 0)
        return -1;
    if (lanes && count && print_text(fault, "\n") < 0)
        return -1;
    if (print_counts(counts, count, fault) < 0 || print_holds(&picture->holds, fault) < 0)
        return -1;
    if (!lanes && !count && print_text(fault, "nothing is queued, waiting or dead\n") < 0)
        return -1;
    return picture->quarantined ? print_text(fault, "\n%lld malformed entries are in quarantine\n",
                                             (long long)picture->quarantined)
                                : 0;
}

int status_show_queues(struct store *store, struct queue *queue, bool json, struct fault *fault)
{
    struct picture picture = {0};
    struct destination_count *counts = NULL;
    size_t count = 0;
    int result = -1;

    if (take_picture(queue, &picture, fault) < 0 ||
        store_destination_counts(store, &counts, &count, fault) < 0)
        goto out;
    if (json) {
        json_t *destinations = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(destinations, count_json(&counts[i]));
        result = print_json(json_pack("{s:o, s:o, s:o, s:I}", "queues", lanes_json(&picture), "destinations",
                                      destinations, "held", holds_json(&picture.holds), "quarantined",
                                      (json_int_t)picture.quarantined),
                            fault);
    } else {
        result = print_queues(&picture, counts, count, fault);
    }
out:
    picture_release(&picture);
    destination_counts_free(counts, count);
    return result;
}
