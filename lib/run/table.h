/*
 * table - rows for people: columns as wide as their widest cell, two blanks between them
 *
 * Rows are collected and printed by table_print(); the last column is not padded. Cells are copied, and
 * control characters in them become '?'. Width is counted in characters, not bytes.
 */
#ifndef DIST_TABLE_H
#define DIST_TABLE_H

#include <jansson.h>
#include <stddef.h>
#include "buf.h"
#include "fault.h"

enum { TABLE_COLUMNS = 12 };

struct table {
    size_t columns;
    char **cells; /* columns * rows, the heading first */
    size_t rows, cap;
};

void table_init(struct table *table, const char *const *heading, size_t columns);
void table_release(struct table *table);
/* The next row; `cells` has as many as there are columns, NULL is an empty one. */
void table_row(struct table *table, const char *const *cells);
/* To standard output; a table without rows prints nothing, its heading neither. The rows are gone then. */
int table_print(struct table *table, struct fault *fault);

/* What is known of one thing, for people: a line "name          value" each. */
struct facts {
    struct buf text;
};
void facts_init(struct facts *facts);
/* Control characters of the value, newlines among them, become '?'. */
void facts_add(struct facts *facts, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* To standard output, with an empty line behind them; then they are gone. */
int facts_print(struct facts *facts, struct fault *fault);

/* Text to standard output, for what is no table. It is printed as it is. */
int print_text(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A value as one line of JSON to standard output; takes the reference. */
int print_json(json_t *value, struct fault *fault);

#endif
