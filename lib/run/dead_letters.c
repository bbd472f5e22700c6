/*
 * dead_letters - dist-dlq on the store: see dead_letters.h
 *
 * What is replayed, dropped or shown is chosen first, ids and all, and then worked on.
 */
#include "dead_letters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "crash.h"
#include "dead_show.h"
#include "job.h"
#include "json.h"
#include "lines.h"
#include "msg.h"
#include "table.h"
#include "text.h"
#include "tool.h"
#include "uid.h"
#include "xalloc.h"

enum { BATCH = 500, ID_LINE = 1024 * 1024, NAMED_MISSING = 5 };

struct collected {
    char **ids;
    size_t count, cap;
};

static void collect(struct collected *collected, const char *id)
{
    if (collected->count == collected->cap) {
        collected->cap = collected->cap ? collected->cap * 2 : 64;
        collected->ids = xreallocarray(collected->ids, collected->cap, sizeof *collected->ids);
    }
    collected->ids[collected->count++] = xstrdup(id);
}

/* Ids of deliveries are ids of distributions as far as their form goes. */
static int collect_checked(struct collected *collected, const char *id, struct fault *fault)
{
    if (!job_distribution_id_is_valid(id))
        return fault_set(fault, FAULT_INPUT, "this is no id");
    collect(collected, id);
    return 0;
}

static int id_record(void *arg, char *line, size_t size, uint64_t number, struct buf *out,
                     struct fault *fault)
{
    struct collected *collected = arg;
    (void)number;
    (void)out;

    if (strlen(line) != size)
        return fault_set(fault, FAULT_INPUT, "a NUL is in no id");
    char *id = text_trim(line);
    if (*id != '{')
        return collect_checked(collected, id, fault);
    json_t *object = json_read(id, strlen(id), fault);
    if (!object)
        return -1;
    const char *value = json_string_value(json_object_get(object, "delivery_id"));
    int result = value ? collect_checked(collected, value, fault)
                       : fault_set(fault, FAULT_INPUT, "the object has no \"delivery_id\"");
    json_decref(object);
    return result;
}

int dead_letters_read_ids(char ***ids, size_t *count, struct fault *fault)
{
    struct collected collected = {0};
    struct lines lines = {
        .in = STDIN_FILENO,
        .out = STDOUT_FILENO,
        .name = "stdin",
        .max_line = ID_LINE,
        .record = id_record,
        .arg = &collected,
    };
    int result = lines_run(&lines, fault);
    if (result > 0) /* an operator's list with a mistake in it is not acted on in part */
        result = fault_set(fault, FAULT_INPUT, "nothing was done: %llu lines hold no id",
                           (unsigned long long)lines.rejected);
    *ids = collected.ids;
    *count = collected.count;
    return result;
}

void dead_letters_free_ids(char **ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(ids[i]);
    free(ids);
}

/* What an id of a strmap points at: its value is never NULL. */
static char is_missing, has_named;

void dead_ids_init(struct dead_ids *ids, const struct dead_filter *filter)
{
    *ids = (struct dead_ids){.filter = filter};
    strmap_init(&ids->named);
    for (size_t i = 0; i < filter->id_count; i++)
        strmap_put(&ids->named, filter->ids[i], &is_missing);
    ids->missing = ids->named.count;
}

void dead_ids_release(struct dead_ids *ids)
{
    strmap_release(&ids->named, NULL);
}

static bool note_one(struct dead_ids *ids, const char *id)
{
    const void *state = strmap_get(&ids->named, id);

    if (state == &is_missing) {
        strmap_put(&ids->named, id, &has_named);
        ids->missing--;
    }
    return state != NULL;
}

bool dead_ids_note(struct dead_ids *ids, const char *delivery_id, const char *distribution_id)
{
    bool delivery = note_one(ids, delivery_id);
    bool distribution = note_one(ids, distribution_id);
    return delivery || distribution;
}

/* What is left is unknown where the limit ended the search. */
static bool is_cut(const struct dead_filter *filter, uint64_t selected)
{
    return filter->limit && selected >= (uint64_t)filter->limit;
}

int dead_ids_report(const struct dead_ids *ids, uint64_t selected)
{
    struct buf names;
    size_t told = 0;

    if (!ids->missing || is_cut(ids->filter, selected))
        return 0;
    buf_init(&names, NAMED_MISSING * 128);
    for (size_t i = 0; i < ids->filter->id_count && told < NAMED_MISSING; i++)
        if (strmap_get(&ids->named, ids->filter->ids[i]) == &is_missing)
            buf_addf(&names, "%s%.100s", told++ ? ", " : "", ids->filter->ids[i]);
    if (ids->missing > told)
        buf_addf(&names, " and %zu more", ids->missing - told);
    msg(MSG_WARNING, "%zu of %zu ids name no dead letter: %s", ids->missing, ids->named.count, names.data);
    buf_release(&names);
    return EXIT_REJECTED;
}

/* The letters of a filter, as they come from the store. */
struct selection {
    struct dead_ids ids;
    struct collected letters;
    struct dead_list *shown; /* or NULL: they are collected */
    uint64_t count;
};

static int select_row(void *arg, const struct dead_view *view)
{
    struct selection *selection = arg;

    selection->count++;
    dead_ids_note(&selection->ids, view->delivery_id, view->distribution_id);
    if (selection->shown)
        return dead_list_row(selection->shown, view);
    collect(&selection->letters, view->delivery_id);
    return 0;
}

static int found_row(void *arg, const struct dead_view *view)
{
    bool *found = arg;
    (void)view;
    *found = true;
    return 0;
}

/* The store takes more than a row tells: a UUID in upper case, and the one of the distribution's row. */
static int ask_for_missing(struct store *store, struct selection *selection, struct fault *fault)
{
    struct dead_filter filter = *selection->ids.filter;
    const struct dead_filter *asked = selection->ids.filter;

    for (size_t i = 0; i < asked->id_count && selection->ids.missing; i++) {
        bool found = false;
        if (!uid_is(asked->ids[i]) || strmap_get(&selection->ids.named, asked->ids[i]) != &is_missing)
            continue;
        filter.ids = &asked->ids[i];
        filter.id_count = 1;
        filter.limit = 1;
        if (store_dead_list(store, &filter, found_row, &found, fault) < 0)
            return -1;
        if (found)
            note_one(&selection->ids, asked->ids[i]);
    }
    return 0;
}

static int select_letters(struct store *store, const struct dead_filter *filter, struct dead_list *shown,
                          struct selection *selection, struct fault *fault)
{
    *selection = (struct selection){.shown = shown};
    dead_ids_init(&selection->ids, filter);
    if (store_dead_list(store, filter, select_row, selection, fault) < 0)
        return -1;
    return is_cut(filter, selection->count) ? 0 : ask_for_missing(store, selection, fault);
}

static void selection_release(struct selection *selection)
{
    dead_ids_release(&selection->ids);
    dead_letters_free_ids(selection->letters.ids, selection->letters.count);
}

static int list(const struct dead_letters *letters, struct store *store, struct fault *fault)
{
    struct selection selection;
    struct dead_list shown;

    dead_list_begin(&shown, letters->json, fault);
    int result = select_letters(store, &letters->filter, &shown, &selection, fault);
    result = dead_list_end(&shown, result);
    if (result == 0)
        result = dead_ids_report(&selection.ids, selection.count);
    selection_release(&selection);
    return result;
}

static int collect_row(void *arg, const struct dead_view *view)
{
    collect(arg, view->delivery_id);
    return 0;
}

/* Id by id, so that they are shown in the order in which they were named. */
static int choose_shown(const struct dead_filter *asked, struct store *store, struct collected *chosen,
                        struct fault *fault)
{
    struct dead_filter filter = *asked;

    filter.id_count = 1;
    for (size_t i = 0; i < asked->id_count && !is_cut(asked, chosen->count); i++) {
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

static int show(const struct dead_letters *letters, struct store *store, struct fault *fault)
{
    struct collected chosen = {0};
    int result = choose_shown(&letters->filter, store, &chosen, fault);

    for (size_t i = 0; result == 0 && i < chosen.count; i++) {
        struct delivery *delivery;
        result = store_dead_load(store, chosen.ids[i], &delivery, fault);
        if (result < 0)
            break;
        result = dead_show(delivery, letters->json, letters->body, letters->max_payload, fault);
        delivery_free(delivery);
    }
    dead_letters_free_ids(chosen.ids, chosen.count);
    return result;
}

static int act_on(const struct dead_letters *letters, struct store *store, const struct collected *selected,
                  size_t *done, struct fault *fault)
{
    *done = 0;
    for (size_t at = 0; at < selected->count; at += BATCH) {
        size_t count = selected->count - at < BATCH ? selected->count - at : BATCH;
        const char *const *ids = (const char *const *)selected->ids + at;
        size_t changed = 0;
        crash_point(letters->action == DEAD_REPLAY ? "replay:chosen" : "drop:chosen");
        int result = letters->action == DEAD_REPLAY ? store_replay(store, ids, count, &changed, fault)
                                                    : store_drop(store, ids, count, &changed, fault);
        *done += changed;
        crash_point(letters->action == DEAD_REPLAY ? "replay:committed" : "drop:committed");
        if (result < 0)
            return fault_wrap(fault, "after %zu of %zu", *done, selected->count);
        msg_progress(letters->action == DEAD_REPLAY ? "replayed" : "dropped", at + count, selected->count);
    }
    return 0;
}

/* The selection is taken first, so that it cannot change while it is worked on. */
static int replay_or_drop(const struct dead_letters *letters, struct store *store, struct fault *fault)
{
    struct selection selection;
    const char *verb = letters->action == DEAD_REPLAY ? "replayed" : "dropped";
    size_t done = 0;

    int result = select_letters(store, &letters->filter, NULL, &selection, fault);
    if (result == 0 && letters->dry_run)
        result = print_text(fault, "%zu would be %s\n", selection.letters.count, verb);
    else if (result == 0 && (result = act_on(letters, store, &selection.letters, &done, fault)) == 0)
        result = print_text(fault, "%zu %s\n", done, verb);
    if (result == 0)
        result = dead_ids_report(&selection.ids, selection.count);
    selection_release(&selection);
    return result;
}

int dead_letters_run(struct dead_letters *letters, struct store *store, struct fault *fault)
{
    if (letters->action == DEAD_LIST)
        return list(letters, store, fault);
    if (letters->action == DEAD_SHOW)
        return show(letters, store, fault);
    return replay_or_drop(letters, store, fault);
}
