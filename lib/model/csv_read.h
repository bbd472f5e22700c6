/*
 * csv_read - from CSV (RFC 4180) to a JSON value
 *
 * Lines end with LF or CRLF; a field in quotes may hold delimiters, line ends and doubled quotes. All fields
 * are strings: CSV has no other type. Empty lines are skipped where there is more than one column. Every
 * record must have as many fields as the first.
 */
#ifndef DIST_CSV_READ_H
#define DIST_CSV_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"

enum {
    CSV_COLUMNS_MAX = 1000,
    CSV_NAME_MAX = 1000, /* bytes of a column's name */
    CSV_ROWS_DEFAULT = 1000000,
    CSV_CELLS_MAX =
        4000000, /* fields of all rows: each takes some 150 bytes of memory, and one byte of text */
    CSV_NAME_BYTES_MAX = 256 * 1024 * 1024, /* of the names in all rows, each of which has its own copy */
    CSV_FIELD_DEFAULT = 1024 * 1024,
};

struct csv_reading {
    char delimiter;
    bool header;                /* the first line has the names */
    const char *const *columns; /* the names where no line has them; or NULL */
    size_t column_count;
    bool latin1;       /* the text is ISO-8859-1; else UTF-8, of which a byte order mark is skipped */
    int64_t max_rows;  /* without the header */
    int64_t max_field; /* bytes of a field, without its quotes */
};

/*
 * With a header or names an array of objects, else an array of arrays; the caller's, for json_decref(). NULL,
 * class INPUT, with the line: "line 7: 3 fields, and the first line has 4". Refused: another count of fields,
 * a quote in a field without quotes, text behind a closing quote, a quote that is not closed, a CR without
 * LF, a NUL, bytes that are not UTF-8, a name of a column that is empty or there twice, and what passes a
 * limit.
 */
json_t *csv_read(const char *text, size_t size, const struct csv_reading *reading, struct fault *fault);

#endif
