/*
 * dead_select - see dead_select.h
 */
#include "dead_select.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "job.h"
#include "json.h"
#include "lines.h"
#include "msg.h"
#include "table.h"
#include "text.h"
#include "tool.h"
#include "uid.h"
#include "xalloc.h"

enum { NAMED = 5 }; /* ids that a message tells */

void dead_texts_add(struct dead_texts *texts, const char *text)
{
    if (texts->count == texts->cap) {
        texts->cap = texts->cap ? texts->cap * 2 : 64;
        texts->items = xreallocarray(texts->items, texts->cap, sizeof *texts->items);
    }
    texts->items[texts->count++] = xstrdup(text);
}

void dead_texts_release(struct dead_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
    *texts = (struct dead_texts){0};
}

/* --- ids on standard input --- */

/* Ids of deliveries are ids of distributions as far as their form goes. */
static int add_checked(struct dead_texts *ids, const char *id, struct fault *fault)
{
    if (!job_distribution_id_is_valid(id))
        return fault_set(fault, FAULT_INPUT, "this is no id");
    dead_texts_add(ids, id);
    return 0;
}

static int add_json(struct dead_texts *ids, const char *text, struct fault *fault)
{
    json_t *value = json_read(text, strlen(text), fault);
    int result;

    if (!value)
        return -1;
    const char *id = json_string_value(json_is_object(value) ? json_object_get(value, "delivery_id") : value);
    if (id)
        result = add_checked(ids, id, fault);
    else
        result = fault_set(fault, FAULT_INPUT, "the object has no \"delivery_id\"");
    json_decref(value);
    return result;
}

static int id_record(void *arg, char *line, size_t size, uint64_t number, struct buf *out,
                     struct fault *fault)
{
    (void)number;
    (void)out;

    if (strlen(line) != size)
        return fault_set(fault, FAULT_INPUT, "a NUL is in no id");
    char *id = text_trim(line);
    return *id == '{' || *id == '"' ? add_json(arg, id, fault) : add_checked(arg, id, fault);
}

int dead_texts_read(struct dead_texts *ids, size_t max_line, uint64_t *rejected, struct fault *fault)
{
    struct lines lines = {
        .in = STDIN_FILENO,
        .out = STDOUT_FILENO,
        .name = "stdin",
        .max_line = max_line,
        .record = id_record,
        .arg = ids,
    };
    int result = lines_run(&lines, fault);
    *rejected = lines.rejected;
    return result < 0 ? -1 : 0;
}

/* --- ids that name nothing --- */

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

/* "a, b, c and 7 more": the first of them. */
static void add_names(struct buf *names, const char *const *ids, size_t told, size_t count)
{
    for (size_t i = 0; i < told; i++)
        buf_addf(names, "%s%.100s", i ? ", " : "", ids[i]);
    if (count > told)
        buf_addf(names, " and %zu more", count - told);
}

int dead_ids_report(const struct dead_ids *ids, uint64_t selected)
{
    const char *first[NAMED];
    struct buf names;
    size_t told = 0;

    if (!ids->missing || is_cut(ids->filter, selected))
        return 0;
    for (size_t i = 0; i < ids->filter->id_count && told < NAMED; i++)
        if (strmap_get(&ids->named, ids->filter->ids[i]) == &is_missing)
            first[told++] = ids->filter->ids[i];
    buf_init(&names, (size_t)NAMED * 128);
    add_names(&names, first, told, ids->missing);
    msg(MSG_WARNING, "%zu of %zu ids name no dead letter: %s", ids->missing, ids->named.count, names.data);
    buf_release(&names);
    return EXIT_REJECTED;
}

/* --- counts --- */

void dead_counts_init(struct dead_counts *counts)
{
    *counts = (struct dead_counts){0};
    strmap_init(&counts->by_key);
}

void dead_counts_release(struct dead_counts *counts)
{
    for (size_t i = 0; i < counts->count; i++) {
        free(counts->items[i]->destination);
        free(counts->items[i]->reason);
        free(counts->items[i]);
    }
    free(counts->items);
    strmap_release(&counts->by_key, NULL);
}

void dead_counts_note(struct dead_counts *counts, const char *destination, const char *reason)
{
    char *key = xasprintf("%s\t%s", destination, reason);
    struct dead_count *count = strmap_get(&counts->by_key, key);

    if (!count) {
        count = xcalloc(1, sizeof *count);
        count->destination = xstrdup(destination);
        count->reason = xstrdup(reason);
        if (counts->count == counts->cap) {
            counts->cap = counts->cap ? counts->cap * 2 : 16;
            counts->items = xreallocarray(counts->items, counts->cap, sizeof(struct dead_count *));
        }
        counts->items[counts->count++] = count;
        strmap_put(&counts->by_key, key, count);
    }
    count->letters++;
    free(key);
}

static int compare(const void *left, const void *right)
{
    const struct dead_count *a = *(struct dead_count *const *)left, *b = *(struct dead_count *const *)right;
    int order = strcmp(a->destination, b->destination);

    return order ? order : strcmp(a->reason, b->reason);
}

static void sort(struct dead_counts *counts)
{
    if (counts->count)
        qsort(counts->items, counts->count, sizeof(struct dead_count *), compare);
}

int dead_counts_print(struct dead_counts *counts, struct fault *fault)
{
    static const char *const heading[] = {"DESTINATION", "REASON", "LETTERS"};
    struct table table;

    sort(counts);
    table_init(&table, heading, 3);
    for (size_t i = 0; i < counts->count; i++) {
        char letters[24];
        snprintf(letters, sizeof letters, "%" PRIu64, counts->items[i]->letters);
        table_row(&table, (const char *[]){counts->items[i]->destination, counts->items[i]->reason, letters});
    }
    int result = table_print(&table, fault);
    table_release(&table);
    return result;
}

json_t *dead_counts_json(struct dead_counts *counts)
{
    json_t *array = json_array();

    sort(counts);
    for (size_t i = 0; i < counts->count; i++)
        json_array_append_new(
            array, json_pack("{s:s, s:s, s:I}", "destination", counts->items[i]->destination, "reason",
                             counts->items[i]->reason, "letters", (json_int_t)counts->items[i]->letters));
    return array;
}

/* --- the selection --- */

void dead_selection_init(struct dead_selection *selection, const struct dead_filter *filter)
{
    *selection = (struct dead_selection){0};
    dead_ids_init(&selection->ids, filter);
    dead_counts_init(&selection->counts);
    strmap_init(&selection->tenants);
}

void dead_selection_release(struct dead_selection *selection)
{
    dead_ids_release(&selection->ids);
    dead_texts_release(&selection->letters);
    dead_texts_release(&selection->spent);
    dead_texts_release(&selection->callback);
    dead_counts_release(&selection->counts);
    strmap_release(&selection->tenants, NULL);
}

static void choose(struct dead_selection *selection, const struct dead_view *view)
{
    if (selection->max_replays && view->replays >= selection->max_replays) {
        dead_texts_add(&selection->spent, view->delivery_id);
    } else if (selection->no_callbacks && view->callback) {
        dead_texts_add(&selection->callback, view->delivery_id);
    } else {
        dead_texts_add(&selection->letters, view->delivery_id);
        dead_counts_note(&selection->counts, view->destination, view->reason);
        strmap_put(&selection->tenants, view->tenant_id, &has_named);
    }
}

static int select_row(void *arg, const struct dead_view *view)
{
    struct dead_selection *selection = arg;

    selection->count++;
    dead_ids_note(&selection->ids, view->delivery_id, view->distribution_id);
    if (selection->shown)
        return dead_list_row(selection->shown, view);
    choose(selection, view);
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
static int ask_for_missing(struct store *store, struct dead_selection *selection, struct fault *fault)
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

int dead_selection_load(struct dead_selection *selection, struct store *store, struct fault *fault)
{
    const struct dead_filter *filter = selection->ids.filter;

    if (store_dead_list(store, filter, select_row, selection, fault) < 0)
        return -1;
    return is_cut(filter, selection->count) ? 0 : ask_for_missing(store, selection, fault);
}

static int report_some(const struct dead_texts *ids, const char *why)
{
    struct buf names;

    if (!ids->count)
        return 0;
    buf_init(&names, (size_t)NAMED * 128);
    add_names(&names, (const char *const *)ids->items, ids->count < NAMED ? ids->count : NAMED, ids->count);
    msg(MSG_WARNING, "%zu passed over, %s: %s", ids->count, why, names.data);
    buf_release(&names);
    return EXIT_REJECTED;
}

int dead_selection_report(const struct dead_selection *selection)
{
    char why[80];

    snprintf(why, sizeof why, "replayed %lld times or more (--max-replays)",
             (long long)selection->max_replays);
    int missing = dead_ids_report(&selection->ids, selection->count);
    int spent = report_some(&selection->spent, why);
    int callback = report_some(&selection->callback, "a callback goes to its own address only (--to)");
    return missing || spent || callback ? EXIT_REJECTED : 0;
}
