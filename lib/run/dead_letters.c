/*
 * dead_letters - see dead_letters.h
 */
#include "dead_letters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "dead_show.h"
#include "envelope.h"
#include "fdio.h"
#include "ceilings.h"
#include "lines.h"
#include "msg.h"
#include "table.h"
#include "text.h"
#include "tool.h"
#include "xalloc.h"

enum { BATCH = 500, ID_LINE = 1024 * 1024 };

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

static int id_record(void *arg, char *line, size_t size, uint64_t number, struct buf *out,
                     struct fault *fault)
{
    struct collected *collected = arg;
    (void)number;
    (void)out;

    char *id = text_trim(line);
    if (*id != '{') {
        if (strlen(line) != size && strlen(id) > 100)
            return fault_set(fault, FAULT_INPUT, "this is no id");
        collect(collected, id);
        return 0;
    }
    json_t *object = json_read(line, size, fault);
    if (!object)
        return -1;
    const char *value = json_string_value(json_object_get(object, "delivery_id"));
    if (value)
        collect(collected, value);
    json_decref(object);
    return value ? 0 : fault_set(fault, FAULT_INPUT, "the object has no \"delivery_id\"");
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

static int list(const struct dead_letters *letters, struct store *store, struct fault *fault)
{
    struct dead_list shown;

    dead_list_begin(&shown, letters->json, fault);
    int result = store_dead_list(store, &letters->filter, dead_list_row, &shown, fault);
    return dead_list_end(&shown, result);
}

static int show(const struct dead_letters *letters, struct store *store, struct fault *fault)
{
    for (size_t i = 0; i < letters->filter.id_count; i++) {
        struct delivery *delivery;
        if (store_dead_load(store, letters->filter.ids[i], &delivery, fault) < 0)
            return -1;
        int result = dead_show(delivery, letters->json, letters->body, letters->max_payload, fault);
        delivery_free(delivery);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int select_row(void *arg, const struct dead_view *view)
{
    collect(arg, view->delivery_id);
    return 0;
}

static int act_on(const struct dead_letters *letters, struct store *store, const struct collected *selected,
                  size_t *done, struct fault *fault)
{
    *done = 0;
    for (size_t at = 0; at < selected->count; at += BATCH) {
        size_t count = selected->count - at < BATCH ? selected->count - at : BATCH;
        const char *const *ids = (const char *const *)selected->ids + at;
        size_t changed = 0;
        int result = letters->action == DEAD_REPLAY ? store_replay(store, ids, count, &changed, fault)
                                                    : store_drop(store, ids, count, &changed, fault);
        *done += changed;
        if (result < 0)
            return fault_wrap(fault, "after %zu of %zu", *done, selected->count);
        msg_progress(letters->action == DEAD_REPLAY ? "replayed" : "dropped", at + count, selected->count);
    }
    return 0;
}

/* The selection is taken first, so that it cannot change while it is worked on. */
static int replay_or_drop(const struct dead_letters *letters, struct store *store, struct fault *fault)
{
    struct collected selected = {0};
    const char *verb = letters->action == DEAD_REPLAY ? "replayed" : "dropped";
    size_t done = 0;

    int result = store_dead_list(store, &letters->filter, select_row, &selected, fault);
    if (result == 0 && letters->dry_run)
        result = print_text(fault, "%zu would be %s\n", selected.count, verb);
    else if (result == 0 && (result = act_on(letters, store, &selected, &done, fault)) == 0)
        result = print_text(fault, "%zu %s\n", done, verb);
    if (result == 0 && letters->filter.id_count > selected.count) {
        msg(MSG_WARNING, "%zu of %zu ids name no dead letter", letters->filter.id_count - selected.count,
            letters->filter.id_count);
        result = EXIT_REJECTED;
    }
    dead_letters_free_ids(selected.ids, selected.count);
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
