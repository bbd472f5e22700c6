/*
 * jdbc_rows - see jdbc_rows.h
 */
#include "jdbc_rows.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "json.h"
#include "json_keys.h"
#include "json_span.h"
#include "text.h"
#include "xalloc.h"

enum {
    SETS_OF_ONE = 64,      /* sets of columns in one delivery, each of which is a statement */
    VALUE_MAX = 64 * 1024, /* bytes of one of the form's `values` */
    NAME_SIZE = 4 * JDBC_IDENTIFIER_MAX,
};
#define TEXT_MAX ((size_t)1000 << 20) /* below PostgreSQL's ceiling of one field, 1 GiB */

/* What a row is made of. */
struct maker {
    struct jdbc_rows *rows;
    struct jdbc_sets *sets;
    const struct jdbc *jdbc;
    const struct attempt *attempt;
    struct placeholders placeholders;
    size_t first_set;
    int64_t deadline_ms;
    bool several;  /* rows of an array with more than one */
    size_t number; /* of the row, from 1 */
};

/* Sets */

void jdbc_sets_init(struct jdbc_sets *sets, const struct pg_sink_table *table)
{
    *sets = (struct jdbc_sets){.table = table};
    strmap_init(&sets->names);
    for (size_t i = 0; i < table->count; i++)
        strmap_put(&sets->names, table->columns[i].name, (void *)(uintptr_t)(i + 1));
    sets->present = xcalloc(table->count, sizeof *sets->present);
    sets->is_present = xcalloc(table->count, sizeof *sets->is_present);
}

void jdbc_sets_release(struct jdbc_sets *sets)
{
    for (size_t i = 0; i < sets->count; i++)
        free(sets->items[i].columns);
    free(sets->items);
    free(sets->present);
    free(sets->is_present);
    strmap_release(&sets->names, NULL);
}

/* -1: the table has none of the name. */
static int column_of(const struct jdbc_sets *sets, const char *name)
{
    return (int)(uintptr_t)strmap_get(&sets->names, name) - 1;
}

const char *jdbc_sets_lacking(const struct jdbc_sets *sets, const struct jdbc *jdbc)
{
    const char *const special[] = {jdbc->body_column, jdbc->key_column, jdbc->row_column};

    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (special[i] && column_of(sets, special[i]) < 0)
            return special[i];
    for (size_t i = 0; i < jdbc->column_count; i++)
        if (column_of(sets, jdbc->columns[i].name) < 0)
            return jdbc->columns[i].name;
    for (size_t i = 0; i < jdbc->value_count; i++)
        if (column_of(sets, jdbc->values[i].name) < 0)
            return jdbc->values[i].name;
    return NULL;
}

static int compare_indexes(const void *a, const void *b)
{
    unsigned left = *(const unsigned *)a, right = *(const unsigned *)b;

    return left < right ? -1 : left > right;
}

/* The set of the columns that are present; most rows have that of the row before. */
static unsigned find_set(struct jdbc_sets *sets, unsigned before)
{
    size_t size = sets->present_count * sizeof *sets->present;

    qsort(sets->present, sets->present_count, sizeof *sets->present, compare_indexes);
    for (size_t i = 0; i <= sets->count; i++) {
        size_t at = i == 0 ? before : i - 1;
        if (at < sets->count && sets->items[at].count == sets->present_count &&
            memcmp(sets->items[at].columns, sets->present, size) == 0)
            return (unsigned)at;
    }
    sets->items = xreallocarray(sets->items, sets->count + 1, sizeof *sets->items);
    unsigned *columns = xcalloc(sets->present_count, sizeof *columns);
    memcpy(columns, sets->present, size);
    sets->items[sets->count] = (struct jdbc_set){columns, sets->present_count};
    return (unsigned)sets->count++;
}

/* A row */

static void add_column(struct maker *maker, int index)
{
    const char *name = maker->sets->table->columns[index].name;

    buf_addc(&maker->rows->text, maker->sets->present_count ? ',' : '{');
    buf_add_json(&maker->rows->text, name, strlen(name));
    buf_addc(&maker->rows->text, ':');
    maker->sets->is_present[index] = true;
    maker->sets->present[maker->sets->present_count++] = (unsigned)index;
}

static void add_span(struct maker *maker, int index, struct json_span value)
{
    add_column(maker, index);
    buf_add(&maker->rows->text, value.at, value.size);
}

static void add_text(struct maker *maker, int index, const char *text, size_t size)
{
    add_column(maker, index);
    buf_add_json(&maker->rows->text, text, size);
}

/* The name of a member, without escapes; "" where no column has so long a one. */
static void read_name(struct json_span name, char out[NAME_SIZE])
{
    struct json_cursor cursor = {.at = (const unsigned char *)name.at + 1};
    size_t size = 0;
    int byte;

    while ((byte = json_cursor_next(&cursor)) >= 0 && size + 1 < NAME_SIZE)
        out[size++] = (char)byte;
    out[byte < 0 ? size : 0] = '\0';
}

static bool is_null(struct json_span value)
{
    return value.size == 4 && memcmp(value.at, "null", 4) == 0;
}

static int unfit(const struct maker *maker, struct fault *fault, const char *what, const char *name)
{
    char cut[60], row[32] = "";

    text_copy(cut, sizeof cut, name);
    if (maker->several)
        snprintf(row, sizeof row, "row %zu: ", maker->number);
    return fault_set(fault, FAULT_INPUT, "%s%s '%s'", row, what, text_printable(cut));
}

static int add_members(struct maker *maker, struct json_span row, struct fault *fault)
{
    struct json_walk walk = json_walk_begin(row);
    struct json_span name, value;

    while (json_walk_next(&walk, &name, &value)) {
        char text[NAME_SIZE];
        read_name(name, text);
        int index = column_of(maker->sets, text);
        if (index < 0)
            return unfit(maker, fault, "the table has no column for the member", text);
        if (maker->sets->is_present[index])
            return unfit(maker, fault, "the form gives another value to the column of the member", text);
        if (!maker->jdbc->key_column || strcmp(maker->jdbc->key_column, text) != 0 || !is_null(value))
            add_span(maker, index, value);
    }
    return 0;
}

/* Large reports of many columns take long. */
static bool is_late(const struct maker *maker, struct fault *fault)
{
    if (clock_mono_ms() < maker->deadline_ms)
        return false;
    fault_set(fault, FAULT_UNAVAILABLE, "not made into rows in time");
    return true;
}

static int add_mapped(struct maker *maker, struct json_span row, struct fault *fault)
{
    for (size_t i = 0; i < maker->jdbc->column_count; i++) {
        const struct jdbc_column *column = &maker->jdbc->columns[i];
        if (is_late(maker, fault))
            return -1;
        struct json_span value = json_span_get(row, &column->path);
        bool is_key = maker->jdbc->key_column && strcmp(maker->jdbc->key_column, column->name) == 0;
        if (value.at && !(is_key && is_null(value)))
            add_span(maker, column_of(maker->sets, column->name), value);
    }
    return 0;
}

static int add_values(struct maker *maker, struct fault *fault)
{
    for (size_t i = 0; i < maker->jdbc->value_count; i++) {
        const struct jdbc_column *column = &maker->jdbc->values[i];
        struct buf text;
        buf_init(&text, VALUE_MAX);
        int result = placeholders_expand(column->pattern, &maker->placeholders, ESCAPE_NONE, &text, fault);
        if (result == 0)
            add_text(maker, column_of(maker->sets, column->name), text.data, text.len);
        buf_release(&text);
        if (result < 0) {
            fault_wrap(fault, "/values/%s", column->name);
            fault->class = FAULT_CONFIG;
            return -1;
        }
    }
    return 0;
}

static int add_key(struct maker *maker, struct fault *fault)
{
    const char *key = maker->jdbc->key_column;
    int index = key ? column_of(maker->sets, key) : -1;

    if (!key || maker->sets->is_present[index])
        return 0;
    if (!maker->jdbc->key_is_id)
        return unfit(maker, fault, "there is no value for the key column", key);
    if (maker->several && !maker->jdbc->row_column)
        return fault_set(fault, FAULT_CONFIG,
                         "a report of several rows has one message id: the form needs \"row_column\" beside "
                         "\"key_column\"");
    add_text(maker, index, maker->attempt->message_id, strlen(maker->attempt->message_id));
    return 0;
}

static void add_number(struct maker *maker)
{
    if (!maker->jdbc->row_column)
        return;
    add_column(maker, column_of(maker->sets, maker->jdbc->row_column));
    buf_addf(&maker->rows->text, "%zu", maker->number);
}

/* The whole body, in the form that the type of its column takes. */
static int add_body(struct maker *maker, struct fault *fault)
{
    const struct attempt *attempt = maker->attempt;
    int index = column_of(maker->sets, maker->jdbc->body_column);
    const char *type = maker->sets->table->columns[index].base;
    const char *body = attempt->body ? attempt->body : "";

    if (strcmp(type, "json") == 0 || strcmp(type, "jsonb") == 0) {
        if (json_check(body, attempt->body_size, NULL, fault))
            return fault_wrap(fault, "the body is no JSON");
        add_span(maker, index, json_span_of(body, attempt->body_size));
    } else if (strcmp(type, "bytea") == 0) {
        struct buf *text = &maker->rows->text;
        add_column(maker, index);
        buf_adds(text, "\"\\\\x");
        char *room = buf_room(text, 2 * attempt->body_size + 1);
        if (room) {
            text_hex(body, attempt->body_size, room);
            buf_added(text, 2 * attempt->body_size);
        }
        buf_addc(text, '"');
    } else if (!text_is_utf8(body, attempt->body_size, NULL) || memchr(body, 0, attempt->body_size)) {
        return fault_set(fault, FAULT_INPUT, "the body is no text of UTF-8, and its column no bytea");
    } else {
        add_text(maker, index, body, attempt->body_size);
    }
    return 0;
}

static int end_row(struct maker *maker, size_t at, struct fault *fault)
{
    struct jdbc_rows *rows = maker->rows;
    struct jdbc_sets *sets = maker->sets;

    if (sets->present_count == 0)
        return unfit(maker, fault, "there is no value for any column of", maker->jdbc->table);
    buf_addc(&rows->text, '}');
    if (rows->text.overflow)
        return fault_set(fault, FAULT_INPUT, "more than %zu bytes as rows", TEXT_MAX);
    if (rows->count == rows->room) {
        rows->room = rows->room ? 2 * rows->room : 1;
        rows->items = xreallocarray(rows->items, rows->room, sizeof *rows->items);
    }
    unsigned set = find_set(sets, rows->count ? rows->items[rows->count - 1].set : 0);
    rows->items[rows->count++] = (struct jdbc_row){at, rows->text.len - at, set};
    if (sets->count - maker->first_set > SETS_OF_ONE)
        return fault_set(fault, FAULT_INPUT, "rows of more than %d different sets of columns", SETS_OF_ONE);
    return 0;
}

/* `row` has no value for a body that is no JSON. */
static int make_row(struct maker *maker, struct json_span row, struct fault *fault)
{
    size_t at = maker->rows->text.len;
    bool by_name = !maker->jdbc->column_count && !maker->jdbc->body_column;

    for (size_t i = 0; i < maker->sets->present_count; i++)
        maker->sets->is_present[maker->sets->present[i]] = false;
    maker->sets->present_count = 0;
    maker->number++;
    if (row.at && *row.at != '{' && by_name)
        return fault_set(fault, FAULT_INPUT, "a row is a JSON object");
    add_number(maker);
    if (add_values(maker, fault) || (maker->jdbc->body_column && add_body(maker, fault)))
        return -1;
    if (by_name && add_members(maker, row, fault))
        return -1;
    if (is_late(maker, fault) || (row.at && add_mapped(maker, row, fault)))
        return -1;
    return add_key(maker, fault) ? -1 : end_row(maker, at, fault);
}

static int make_all(struct maker *maker, struct fault *fault)
{
    const struct attempt *attempt = maker->attempt;
    struct json_span body = {0}, name, row;

    if (maker->jdbc->column_count || !maker->jdbc->body_column) {
        if (json_check(attempt->body, attempt->body_size, NULL, fault))
            return fault_wrap(fault, "the body is no JSON");
        body = json_span_of(attempt->body, attempt->body_size);
    }
    if (maker->jdbc->body_column || *body.at == '{')
        return make_row(maker, body, fault);
    if (*body.at != '[')
        return fault_set(fault, FAULT_INPUT, "the body is neither an object nor an array of rows");
    struct json_walk walk = json_walk_begin(body), ahead = walk;
    size_t seen = 0;
    while (seen < 2 && json_walk_next(&ahead, &name, &row))
        seen++;
    maker->several = seen > 1;
    while (json_walk_next(&walk, &name, &row))
        if (make_row(maker, row, fault))
            return -1;
    return 0;
}

int jdbc_rows_make(struct jdbc_rows *rows, struct jdbc_sets *sets, const struct jdbc *jdbc,
                   const struct errand *errand, int64_t deadline_ms, struct fault *fault)
{
    struct maker maker = {
        .rows = rows,
        .sets = sets,
        .jdbc = jdbc,
        .attempt = errand_attempt(errand),
        .placeholders = errand_placeholders(errand, false),
        .first_set = sets->count,
        .deadline_ms = deadline_ms,
    };

    *rows = (struct jdbc_rows){0};
    buf_init(&rows->text, TEXT_MAX);
    if (!maker.attempt->body_size && !jdbc->body_column)
        fault_set(fault, FAULT_INPUT, "the body is empty");
    else if (make_all(&maker, fault) == 0)
        return 0;
    jdbc_rows_release(rows);
    return -1;
}

void jdbc_rows_release(struct jdbc_rows *rows)
{
    free(rows->items);
    if (rows->text.max)
        buf_release(&rows->text);
    *rows = (struct jdbc_rows){0};
}
