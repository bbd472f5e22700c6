/*
 * rows - see rows.h
 */
#include "rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "buf.h"

enum { ROWS_MAX = 500, TEXT_MAX = 10000 };

static const struct answer *seen[ROWS_MAX];
static size_t seen_count;

static bool was_seen(const struct answer *row)
{
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i] == row)
            return true;
    return false;
}

static int mark(const struct answer *row, const struct outcome *outcome)
{
    int found = 0;

    for (; row->reason; row++) {
        if (strcmp(row->reason, outcome->reason) != 0 || row->kind != outcome->kind)
            continue;
        found++;
        if (was_seen(row))
            continue;
        assert_true(seen_count < ROWS_MAX);
        seen[seen_count++] = row;
    }
    return found;
}

void rows_saw(const struct outcome_table *table, const struct outcome *outcome)
{
    if (strcmp(outcome->reason, "unknown") == 0)
        return; /* what no row is for */
    if (mark(table->codes, outcome) + mark(table->events, outcome) == 0)
        fail_msg("no row is %s (%s)", outcome_kind_names[outcome->kind], outcome->reason);
}

static void add_missing(const struct answer *row, struct buf *text)
{
    for (; row->reason; row++)
        if (!was_seen(row))
            buf_addf(text, " %s (%s);", row->reason, row->meaning);
}

void rows_assert_all(const struct outcome_table *table)
{
    struct buf text;

    buf_init(&text, TEXT_MAX);
    add_missing(table->codes, &text);
    add_missing(table->events, &text);
    if (text.len)
        print_error("no test has brought about:%s\n", text.data);
    size_t missing = text.len;
    buf_release(&text);
    assert_int_equal(missing, 0);
}

int rows_code(const struct outcome_table *table, const struct answer *row)
{
    for (int code = row->first; code <= row->last; code++)
        if (outcomes_by_code(table, code) == row)
            return code;
    fail_msg("no code is left for %s", row->reason);
    return -1;
}
