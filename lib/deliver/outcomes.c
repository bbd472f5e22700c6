/*
 * outcomes - see outcomes.h
 */
#include "outcomes.h"
#include <string.h>

static const struct answer *find(const struct answer *row, int code)
{
    static const struct answer unknown = {0, 0, OUTCOME_DEFERRED, "unknown", 0, "unknown answer"};

    while (row->reason && (code < row->first || code > row->last))
        row++;
    return row->reason ? row : &unknown;
}

int outcomes_code(const struct outcome_table *table, const char *name)
{
    for (const struct answer *row = table->codes; row->reason; row++) {
        const char *text = table->code_text(row->first);
        if (text && strcmp(text, name) == 0)
            return row->first;
    }
    return 0;
}

const struct answer *outcomes_by_code(const struct outcome_table *table, int code)
{
    return find(table->codes, code);
}

const struct answer *outcomes_by_event(const struct outcome_table *table, enum outcome_event event)
{
    return find(table->events, (int)event);
}

void outcomes_apply(const struct answer *row, int code, const char *text, struct outcome *outcome)
{
    outcome_set(outcome, row->kind, code, row->reason, "%s", text);
    outcome->overload = (row->marks & OVERLOAD) != 0;
    outcome->local = (row->marks & LOCAL) != 0;
    outcome->held = (row->marks & HELD) != 0;
    outcome->gone = (row->marks & GONE) != 0;
}
