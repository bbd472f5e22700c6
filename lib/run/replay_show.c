/*
 * replay_show - see replay_show.h
 */
#include "replay_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "store_replay.h"
#include "table.h"
#include "text.h"
#include "xalloc.h"

struct listing {
    bool json, whole;
    size_t count;
    struct table table;
    struct fault *fault;
    bool failed;
};

static const char *time_text(int64_t wall_us, char text[CLOCK_TEXT_SIZE])
{
    return wall_us ? clock_format(wall_us, text) : NULL;
}

static int print_document(const struct batch_view *view, struct fault *fault)
{
    char created[CLOCK_TEXT_SIZE], ended[CLOCK_TEXT_SIZE];
    json_t *outcomes = json_pack("{s:I, s:I, s:I, s:I, s:I}", "open", (json_int_t)view->open, "delivered",
                                 (json_int_t)view->delivered, "dead", (json_int_t)view->dead, "expired",
                                 (json_int_t)view->expired, "cancelled", (json_int_t)view->cancelled);
    json_t *document = json_pack(
        "{s:s, s:s, s:s, s:s?, s:s, s:s?, s:O, s:b, s:s?, s:s?, s:I, s:I, s:I, s:I, s:I, s:s?, s:s?, s:o}",
        "batch_id", view->id, "state", replay_state_names[view->state], "created_at",
        clock_format(view->created_at_us, created), "ended_at", time_text(view->ended_at_us, ended), "who",
        view->who, "why", view->why, "filter", view->filter, "edited", view->edited, "to", view->destination,
        "rate", view->rate, "canary", (json_int_t)view->canary, "max_replays", (json_int_t)view->max_replays,
        "selected", (json_int_t)view->selected, "refused", (json_int_t)view->refused, "replayed",
        (json_int_t)view->replayed, "error", view->error, "replayed_as", view->replayed_as, "deliveries",
        outcomes);

    if (!document)
        return fault_set(fault, FAULT_BUG, "%s cannot be written as JSON", view->id);
    return print_json(document, fault);
}

static void add_fact(struct facts *facts, const char *name, const char *value)
{
    if (value)
        facts_add(facts, name, "%s", value);
}

static int print_whole(const struct batch_view *view, struct fault *fault)
{
    char created[CLOCK_TEXT_SIZE], ended[CLOCK_TEXT_SIZE];
    char *filter = json_text(view->filter);
    struct facts facts;

    facts_init(&facts);
    facts_add(&facts, "batch", "%s", view->id);
    facts_add(&facts, "state", "%s", replay_state_names[view->state]);
    add_fact(&facts, "error", view->error);
    facts_add(&facts, "created", "%s", clock_format(view->created_at_us, created));
    add_fact(&facts, "ended", time_text(view->ended_at_us, ended));
    facts_add(&facts, "who", "%s", view->who);
    facts_add(&facts, "why", "%s", view->why ? view->why : "-");
    facts_add(&facts, "filter", "%s", filter);
    add_fact(&facts, "to", view->destination);
    add_fact(&facts, "rate", view->rate);
    if (view->canary)
        facts_add(&facts, "canary", "%" PRId64, view->canary);
    facts_add(&facts, "letters",
              "%" PRId64 " selected, %" PRId64 " refused (replayed %" PRId64 " times or more), %" PRId64
              " replayed",
              view->selected, view->refused, view->max_replays, view->replayed);
    add_fact(&facts, "replayed as", view->replayed_as);
    facts_add(&facts, "by now",
              "%" PRId64 " delivered, %" PRId64 " open, %" PRId64 " dead, %" PRId64 " expired, %" PRId64
              " cancelled",
              view->delivered, view->open, view->dead, view->expired, view->cancelled);
    free(filter);
    return facts_print(&facts, fault);
}

static void add_row(struct table *table, const struct batch_view *view)
{
    char created[CLOCK_TEXT_SIZE], replayed[48], delivered[24], open[24], dead[24];

    snprintf(replayed, sizeof replayed, "%" PRId64 "/%" PRId64, view->replayed, view->selected);
    snprintf(delivered, sizeof delivered, "%" PRId64, view->delivered);
    snprintf(open, sizeof open, "%" PRId64, view->open);
    snprintf(dead, sizeof dead, "%" PRId64, view->dead + view->expired);
    table_row(table,
              (const char *[]){view->id, clock_format(view->created_at_us, created), view->who,
                               replay_state_names[view->state], replayed, delivered, open, dead, view->why});
}

static int show_row(void *arg, const struct batch_view *view)
{
    struct listing *listing = arg;
    int result = 0;

    listing->count++;
    if (listing->json)
        result = print_document(view, listing->fault);
    else if (listing->whole)
        result = print_whole(view, listing->fault);
    else
        add_row(&listing->table, view);
    listing->failed = result < 0;
    return result;
}

static int show_one(struct listing *listing, struct store *store, const char *id, struct fault *fault)
{
    struct batch_filter filter = {.id = id, .limit = 1};
    size_t before = listing->count;
    char shown[120];

    if (uid_is(id) && store_batch_list(store, &filter, show_row, listing, fault) < 0)
        return -1;
    if (listing->failed)
        return -1;
    if (listing->count > before)
        return 0;
    text_copy(shown, sizeof shown, id);
    return fault_set(fault, FAULT_INPUT, "there is no batch '%s'", text_printable(shown));
}

int replay_show_batches(const struct dead_request *letters, struct store *store, struct fault *fault)
{
    static const char *const heading[] = {"BATCH",     "CREATED", "WHO",  "STATE", "REPLAYED",
                                          "DELIVERED", "OPEN",    "DEAD", "WHY"};
    const struct dead_filter *asked = &letters->filter;
    struct batch_filter filter = {
        .since_us = asked->since_us, .until_us = asked->until_us, .limit = asked->limit};
    struct listing listing = {.json = letters->json, .whole = asked->id_count > 0, .fault = fault};
    int result = 0;

    table_init(&listing.table, heading, sizeof heading / sizeof *heading);
    for (size_t i = 0; i < asked->id_count && result == 0; i++)
        result = show_one(&listing, store, asked->ids[i], fault);
    if (!asked->id_count)
        result = store_batch_list(store, &filter, show_row, &listing, fault);
    if (listing.failed)
        result = -1;
    if (result == 0)
        result = table_print(&listing.table, fault);
    table_release(&listing.table);
    return result;
}
