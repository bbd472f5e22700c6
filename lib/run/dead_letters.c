/*
 * dead_letters - dist-dlq on the store: see dead_letters.h
 *
 * What is replayed, dropped, exported or shown is chosen first, ids and all, and then worked on.
 */
#include "dead_letters.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "dead_select.h"
#include "dead_show.h"
#include "msg.h"
#include "replay.h"
#include "replay_edit.h"
#include "replay_show.h"
#include "table.h"
#include "text.h"
#include "tool.h"
#include "xalloc.h"

enum { BATCH = 500 };

static int list(const struct dead_request *letters, struct store *store, struct fault *fault)
{
    struct dead_selection selection;
    struct dead_list shown;

    dead_list_begin(&shown, letters->json, fault);
    dead_selection_init(&selection, &letters->filter);
    selection.shown = &shown;
    int result = dead_list_end(&shown, dead_selection_load(&selection, store, fault));
    if (result == 0)
        result = dead_selection_report(&selection);
    dead_selection_release(&selection);
    return result;
}

/* What a show needs of the list: the history, which is not in the envelope. */
struct shown {
    const struct dead_request *letters;
    struct dead_view *items;
    size_t count;
};

static int collect_row(void *arg, const struct dead_view *view)
{
    struct shown *shown = arg;

    shown->items = xreallocarray(shown->items, shown->count + 1, sizeof *shown->items);
    shown->items[shown->count++] = (struct dead_view){
        .delivery_id = xstrdup(view->delivery_id),
        .batch_id = xstrdup_null(view->batch_id),
        .replays = view->replays,
    };
    return 0;
}

static void shown_release(struct shown *shown)
{
    for (size_t i = 0; i < shown->count; i++) {
        free(shown->items[i].delivery_id);
        free(shown->items[i].batch_id);
    }
    free(shown->items);
}

/* Id by id, so that they are shown in the order in which they were named. */
static int choose_shown(const struct dead_filter *asked, struct store *store, struct shown *chosen,
                        struct fault *fault)
{
    struct dead_filter filter = *asked;

    filter.id_count = 1;
    for (size_t i = 0; i < asked->id_count && !(asked->limit && chosen->count >= (size_t)asked->limit); i++) {
        char shown[120];
        size_t before = chosen->count;
        filter.ids = &asked->ids[i];
        filter.limit = asked->limit ? asked->limit - (int64_t)before : 0;
        if (store_dead_list(store, &filter, collect_row, chosen, fault) < 0)
            return -1;
        text_copy(shown, sizeof shown, asked->ids[i]);
        if (chosen->count == before)
            return fault_set(fault, FAULT_INPUT, "'%s' names no dead letter", text_printable(shown));
    }
    return 0;
}

static int show(const struct dead_request *letters, struct store *store, struct fault *fault)
{
    struct shown chosen = {.letters = letters};
    int result = choose_shown(&letters->filter, store, &chosen, fault);

    for (size_t i = 0; result == 0 && i < chosen.count; i++) {
        struct delivery *delivery;
        result = store_dead_load(store, chosen.items[i].delivery_id, &delivery, fault);
        if (result < 0)
            break;
        result =
            dead_show(delivery, &chosen.items[i], letters->json, letters->body, letters->max_delivery, fault);
        delivery_free(delivery);
    }
    shown_release(&chosen);
    return result;
}

/* --- export --- */

/* One envelope. A letter that is not dead any more is nothing to export; a callback's address stays behind.
 */
static int export_one(const struct dead_request *letters, struct store *store, const char *id,
                      size_t *callbacks, struct fault *fault)
{
    struct fault problem = {0};
    struct delivery *delivery;
    int result = store_dead_load(store, id, &delivery, &problem);

    if (result == 0) {
        *callbacks += delivery->job->callback_url != NULL;
        free(delivery->job->callback_url);
        delivery->job->callback_url = NULL;
        result = dead_show_envelope(delivery, letters->max_delivery, &problem);
        delivery_free(delivery);
    }
    if (result < 0 && problem.class == FAULT_INPUT) {
        msg(MSG_WARNING, "%s: %s", id, problem.text);
        return EXIT_REJECTED;
    }
    if (result < 0)
        *fault = problem;
    return result;
}

static int export(const struct dead_request *letters, struct store *store, struct fault *fault)
{
    struct dead_selection selection;
    size_t callbacks = 0;
    int rejected = 0;

    dead_selection_init(&selection, &letters->filter);
    int result = dead_selection_load(&selection, store, fault);
    for (size_t i = 0; result == 0 && i < selection.letters.count; i++) {
        int one = export_one(letters, store, selection.letters.items[i], &callbacks, fault);
        if (one < 0)
            result = -1;
        rejected |= one == EXIT_REJECTED;
    }
    if (result == 0 && callbacks)
        msg(MSG_INFO, "%zu of %zu are of distributions with a callback, which a file does not hold",
            callbacks, selection.letters.count);
    if (result == 0)
        result = dead_selection_report(&selection) || rejected ? EXIT_REJECTED : 0;
    dead_selection_release(&selection);
    return result;
}

/* --- drop --- */

static int print_dropped(const struct dead_request *letters, struct dead_selection *selection, bool dry,
                         size_t dropped, struct fault *fault)
{
    if (letters->json)
        return print_json(json_pack("{s:b, s:I, s:I, s:o}", "dry_run", dry, "selected",
                                    (json_int_t)selection->letters.count, "dropped", (json_int_t)dropped,
                                    "counts", dead_counts_json(&selection->counts)),
                          fault);
    if (!dry)
        return print_text(fault, "%zu dropped\n", dropped);
    if (dead_counts_print(&selection->counts, fault) < 0)
        return -1;
    return print_text(fault, "%zu would be dropped\n", selection->letters.count);
}

static int drop_all(struct store *store, const struct dead_texts *chosen, size_t *done, struct fault *fault)
{
    *done = 0;
    for (size_t at = 0; at < chosen->count; at += BATCH) {
        size_t count = chosen->count - at < BATCH ? chosen->count - at : BATCH;
        size_t changed = 0;
        crash_point("drop:chosen");
        int result = store_drop(store, (const char *const *)chosen->items + at, count, &changed, fault);
        *done += changed;
        crash_point("drop:committed");
        if (result < 0)
            return fault_wrap(fault, "after %zu of %zu", *done, chosen->count);
        msg_progress("dropped", at + count, chosen->count);
    }
    return 0;
}

static int drop(const struct dead_request *letters, struct store *store, struct fault *fault)
{
    struct dead_selection selection;
    size_t done = 0;

    dead_selection_init(&selection, &letters->filter);
    int result = dead_selection_load(&selection, store, fault);
    bool dry = result == 0 && replay_is_dry(letters, selection.letters.count);
    if (result == 0 && !dry)
        result = drop_all(store, &selection.letters, &done, fault);
    if (result == 0)
        result = print_dropped(letters, &selection, dry, done, fault);
    if (result == 0)
        result = dead_selection_report(&selection);
    dead_selection_release(&selection);
    return result;
}

static int replay(const struct dead_request *letters, struct store *store, struct fault *fault)
{
    return letters->replay.edited || letters->replay.edit ? replay_edited(letters, store, fault)
                                                          : replay_letters(letters, store, fault);
}

int dead_letters_run(const struct dead_request *letters, struct store *store, struct fault *fault)
{
    static int (*const actions[DEAD_ACTION_COUNT])(const struct dead_request *letters, struct store *store,
                                                   struct fault *fault) = {
        [DEAD_LIST] = list,     [DEAD_SHOW] = show, [DEAD_EXPORT] = export,
        [DEAD_REPLAY] = replay, [DEAD_DROP] = drop, [DEAD_BATCHES] = replay_show_batches,
    };
    return actions[letters->action](letters, store, fault);
}
