/*
 * jdbc_rows - from the body of a delivery to rows of a table, as JSON objects of column and value
 *
 * Values are passed on as they were written (json_span.h); what they become is the server's to say, by the
 * input function of the column's type. Rows that have values for the same columns belong to one set, since
 * they can be written by one statement: a column without a value gets its default.
 */
#ifndef DIST_JDBC_ROWS_H
#define DIST_JDBC_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include "buf.h"
#include "crew.h"
#include "fault.h"
#include "jdbc.h"
#include "pg_sink.h"
#include "strmap.h"

struct jdbc_set {
    unsigned *columns; /* indexes into the table, ascending */
    size_t count;
};

/* A table, and the sets of its columns that were met. */
struct jdbc_sets {
    const struct pg_sink_table *table;
    struct strmap names; /* to the index of a column and 1 */
    struct jdbc_set *items;
    size_t count;
    unsigned *present; /* of the row that is being made */
    bool *is_present;
    size_t present_count;
};
void jdbc_sets_init(struct jdbc_sets *sets, const struct pg_sink_table *table); /* borrows */
void jdbc_sets_release(struct jdbc_sets *sets);
/* The first column that the form names and the table lacks, or NULL. */
const char *jdbc_sets_lacking(const struct jdbc_sets *sets, const struct jdbc *jdbc);

struct jdbc_row {
    size_t at, size; /* in the text */
    unsigned set;
};
/* Of one delivery. */
struct jdbc_rows {
    struct buf text;
    struct jdbc_row *items;
    size_t count, room;
};
/*
 * INPUT: the body is not what the table takes; CONFIG: the form cannot be used for it; UNAVAILABLE: the
 * deadline passed (monotonic clock). Nothing needs a release then. An empty array has no rows, and that is
 * fine.
 */
int jdbc_rows_make(struct jdbc_rows *rows, struct jdbc_sets *sets, const struct jdbc *jdbc,
                   const struct errand *errand, int64_t deadline_ms, struct fault *fault);
void jdbc_rows_release(struct jdbc_rows *rows); /* zeroed memory is fine */

#endif
