/*
 * store - the connection, the check of the schema, and the small things that the other files share
 *
 * Hard rule: every function of the store is one transaction that may be repeated. What loses a deadlock is
 * repeated in here; what loses its connection is the caller's to repeat, who knows whether there is time.
 */
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "store_parts.h"
#include "text.h"
#include "utf8.h"
#include "xalloc.h"

/*
 * Every statement of the services goes by an index. A plan that was made while the tables were nearly empty
 * would read them whole until they are analyzed, by themselves or by the order of an index; and none of them
 * is long enough to be worth compiling. For the same reason updates of rows that are known say so with an
 * array of their ids, beside the join.
 */
static const char connection_sql[] = "SET enable_seqscan = off; SET enable_mergejoin = off; SET jit = off";

struct store *store_new(const struct pg_config *config)
{
    struct store *store = xcalloc(1, sizeof *store);

    store->pg = pg_new(config);
    return store;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    pg_free(store->pg);
    free(store);
}

const char *store_address(const struct store *store)
{
    return pg_address(store->pg);
}

int store_open(struct store *store, struct fault *fault)
{
    int have, want;

    if (pg_connect(store->pg, fault))
        return -1;
    if (store->checked == pg_generation(store->pg))
        return 0;
    if (store_schema_version(store, &have, &want, fault))
        return -1;
    if (have < want)
        return fault_set(fault, FAULT_CONFIG,
                         "%s has schema version %d, and %d is wanted: run dist-admin migrate",
                         store_address(store), have, want);
    if (have > want)
        return fault_set(
            fault, FAULT_CONFIG,
            "%s has schema version %d, newer than the %d of this program: install its version of dist",
            store_address(store), have, want);
    if (pg_script(store->pg, connection_sql, fault))
        return -1;
    store->checked = pg_generation(store->pg);
    return 0;
}

bool store_again(const struct store *store, int *tries)
{
    const char *state = pg_sqlstate(store->pg);

    if (strcmp(state, "40P01") && strcmp(state, "40001"))
        return false;
    return ++*tries < STORE_TRIES;
}

bool store_was_there(const struct store *store)
{
    return !strcmp(pg_sqlstate(store->pg), "23505");
}

PGresult *store_run(struct store *store, const char *name, const char *sql, const struct pg_params *params,
                    struct fault *fault)
{
    PGresult *result;
    int tries = 0;

    do {
        if (store_open(store, fault))
            return NULL;
        result = pg_prepared(store->pg, name, sql, params, fault);
    } while (!result && store_again(store, &tries));
    return result;
}

int store_change(struct store *store, const char *name, const char *sql, const struct pg_params *params,
                 size_t *changed, struct fault *fault)
{
    PGresult *result = store_run(store, name, sql, params, fault);

    if (!result)
        return -1;
    if (changed)
        *changed = strtoul(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return 0;
}

/* --- arrays --- */

void store_arrays_begin(struct store_arrays *arrays, const enum pg_type *types, size_t count)
{
    if (count > sizeof arrays->items / sizeof *arrays->items)
        abort();
    arrays->count = count;
    for (size_t i = 0; i < count; i++)
        pg_array_init(&arrays->items[i], types[i], STORE_ARRAY_MAX);
}

void store_arrays_release(struct store_arrays *arrays)
{
    for (size_t i = 0; i < arrays->count; i++)
        pg_array_release(&arrays->items[i]);
}

int store_arrays_bind(struct store_arrays *arrays, struct pg_params *params, struct fault *fault)
{
    for (size_t i = 0; i < arrays->count; i++)
        if (pg_param_array(params, &arrays->items[i], fault))
            return -1;
    return 0;
}

char *store_clean(const char *text)
{
    char *copy = xstrdup_null(text);
    size_t left = copy ? strlen(copy) : 0, step;

    for (char *at = copy; left; at += step, left -= step) {
        step = utf8_decode(at, left, NULL);
        if (!step) {
            *at = '?';
            step = 1;
        }
    }
    return copy;
}

void store_array_add_clean(struct pg_array *array, const char *text)
{
    char *copy;

    if (!text || text_is_utf8(text, strlen(text), NULL)) {
        pg_array_add(array, text);
        return;
    }
    copy = store_clean(text);
    pg_array_add(array, copy);
    free(copy);
}

void store_array_add_json(struct pg_array *array, const json_t *value)
{
    char *text = value ? json_text(value) : NULL;

    pg_array_add(array, text);
    free(text);
}

void store_array_add_ids(struct pg_array *array, const char *const *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (uid_is(ids[i]))
            pg_array_add(array, ids[i]);
}

/* --- time --- */

void store_expect_usual(struct store *store)
{
    if (pg_expect_bytes(store->pg, 0, NULL))
        pg_close(store->pg); /* the next connection has the deadlines that were configured */
}

/* --- reading --- */

/* jsonb writes 1e20 as a whole number, which jansson takes as a real one alone. */
json_t *store_read_json(const PGresult *result, int row, int column)
{
    const char *text = pg_text(result, row, column);
    json_t *value;

    if (pg_null(result, row, column))
        return NULL;
    value = json_loads(text, JSON_DECODE_ANY, NULL);
    return value ? value : json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
}

int64_t store_clock_ahead_us(const PGresult *result, int column)
{
    return PQntuples(result) > 0 ? clock_wall_us() - pg_int(result, 0, column) : 0;
}

int64_t store_local_us(int64_t us, int64_t ahead_us)
{
    return us ? us + ahead_us : 0;
}

/* Row + 1, as a pointer's number: the map has no place for a NULL. */
void store_rows_by_id(const PGresult *result, int column, struct strmap *rows)
{
    strmap_init(rows);
    for (int row = 0; row < PQntuples(result); row++)
        strmap_put(rows, pg_text(result, row, column), (void *)((uintptr_t)row + 1));
}

int store_row_of(const struct strmap *rows, const char *id)
{
    return (int)(uintptr_t)strmap_get(rows, id) - 1;
}

struct job *store_read_job(const PGresult *result, int row, int column)
{
    struct job *job = job_known(pg_text(result, row, column));
    json_t *destinations = store_read_json(result, row, column + 7);
    json_t *metadata = store_read_json(result, row, column + 8);
    int priority = status_index(priority_names, pg_text(result, row, column + 4));

    job->distribution_id = pg_text_copy(result, row, column + 1);
    job->own_id = strcmp(job->distribution_id, job->id) != 0;
    job->tenant_id = pg_text_copy(result, row, column + 2);
    job->data_type = pg_text_copy(result, row, column + 3);
    job->priority = priority < 0 ? PRIORITY_NORMAL : (enum priority)priority;
    job->content_type = pg_text_copy(result, row, column + 5);
    job->body_size = (size_t)pg_int(result, row, column + 6);
    if (destinations) {
        json_decref(job->destinations);
        job->destinations = destinations;
    }
    if (metadata) {
        json_decref(job->metadata);
        job->metadata = metadata;
    }
    job->callback_url = pg_text_copy(result, row, column + 9);
    job->callback_headers = store_read_json(result, row, column + 10);
    job->idempotency_key = pg_text_copy(result, row, column + 11);
    job->retry_policy = pg_text_copy(result, row, column + 12);
    job->requested_at_us = pg_int(result, row, column + 13);
    job->submitted_at_us = pg_int(result, row, column + 14);
    job->expires_at_us = pg_int(result, row, column + 15);
    return job;
}

void due_list_release(struct due_list *list)
{
    free(list->items);
    *list = (struct due_list){0};
}

void due_list_add(struct due_list *list, const struct due_item *item)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 64;
        list->items = xreallocarray(list->items, list->cap, sizeof *list->items);
    }
    list->items[list->count++] = *item;
}

void store_read_due(const PGresult *result, struct due_list *list)
{
    for (int row = 0; row < PQntuples(result); row++) {
        struct due_item item;

        text_copy(item.id, sizeof item.id, pg_text(result, row, 0));
        text_copy(item.job_id, sizeof item.job_id, pg_text(result, row, 1));
        snprintf(item.lane, sizeof item.lane, "%s:%s", pg_text(result, row, 2), pg_text(result, row, 3));
        due_list_add(list, &item);
    }
}

int store_show_pages(struct store *store, const struct store_pages *pages, struct fault *fault)
{
    struct store_cursor cursor = {"infinity", "ffffffff-ffff-ffff-ffff-ffffffffffff"};
    int64_t left = pages->limit > 0 ? pages->limit : INT64_MAX;

    while (left > 0) {
        int64_t wanted = left < pages->size ? left : pages->size;
        PGresult *page = pages->page(store, pages->filter, &cursor, wanted, fault);
        bool go_on = true;

        if (!page)
            return -1;
        int count = PQntuples(page);
        for (int i = 0; i < count && go_on; i++)
            go_on = !pages->show(page, i, pages->arg);
        if (count) {
            text_copy(cursor.id, sizeof cursor.id, pg_text(page, count - 1, 0));
            text_copy(cursor.at, sizeof cursor.at, pg_text(page, count - 1, pages->at_column));
        }
        left = count < wanted || !go_on ? 0 : left - count;
        PQclear(page);
    }
    return 0;
}
