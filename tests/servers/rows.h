/*
 * rows - which rows of a table of outcomes a program of tests has brought about
 *
 * An adapter's tests tell every outcome that they get, and the last of them asks whether a row is left out;
 * so no row is written that nobody has seen work. Rows with one reason are one.
 */
#ifndef DIST_TEST_ROWS_H
#define DIST_TEST_ROWS_H

#include "outcome.h"
#include "outcomes.h"

/* The test fails where the table has no row of that reason and kind. */
void rows_saw(const struct outcome_table *table, const struct outcome *outcome);
/* The test fails with the reasons that no outcome had. */
void rows_assert_all(const struct outcome_table *table);
/* A code that this row decides, and none before it. */
int rows_code(const struct outcome_table *table, const struct answer *row);

#endif
