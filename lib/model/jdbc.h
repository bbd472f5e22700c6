/*
 * jdbc - what the form of a JDBC destination says: dist-destinations(5)
 *
 * Each delivery becomes one row, or one for each element of an array. What a column gets is said by the form:
 * a part of the row (`columns`), a text with placeholders (`values`), the whole body (`body_column`), the
 * message id (`key_column`, where nothing else is said of it) or the number of the row (`row_column`).
 * Without `columns` and `body_column` each member of a row goes to the column of its name.
 */
#ifndef DIST_JDBC_H
#define DIST_JDBC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "jdbc_url.h"
#include "paths.h"

enum {
    JDBC_IDENTIFIER_MAX = 63, /* PostgreSQL's NAMEDATALEN, without the NUL */
    JDBC_COLUMNS_MAX = 1600,  /* MaxHeapAttributeNumber */
    JDBC_BATCH_DEFAULT = 100,
};

struct jdbc_column {
    const char *name;
    struct path path;    /* of `columns` */
    const char *pattern; /* of `values` */
};

/* The strings that are not said to be owned borrow from the form. */
struct jdbc {
    struct jdbc_url url;
    const char *sslmode;  /* what is taken in the end */
    const char *username; /* NULL: that of the credentials; "{username}" is the same */
    char *schema;         /* owned; NULL: found by the search path */
    char *table;          /* owned */
    struct jdbc_column *columns, *values;
    size_t column_count, value_count;
    const char *body_column, *key_column, *row_column; /* or NULL */
    bool key_is_id;                                    /* the key column gets the message id */
    bool update;                                       /* of a row that is there; else it is left as it is */
    int64_t batch_size;
    const char *isolation; /* in SQL: "READ COMMITTED" */
};

struct jdbc *jdbc_new(void);
void jdbc_free(struct jdbc *jdbc); /* NULL and the half-built are fine */

#endif
