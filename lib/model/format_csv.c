/*
 * csv: rows of fields (RFC 4180)
 *
 * What was an absent or null member is an empty field, what was nested is JSON text. A text that a
 * spreadsheet would take for a formula gets a quote sign in front (the guard): reports are opened by people.
 * Numbers are no formulas.
 */
#include <stdlib.h>
#include <string.h>
#include "format_parts.h"
#include "strmap.h"
#include "xalloc.h"

enum { COLUMN_NAME_MAX = 1000 };

static const char *const quote_words[] = {"minimal", "all", NULL};
static const char *const line_words[] = {"crlf", "lf", NULL};

/* --- the form ------------------------------------------------------------------------------------------ */

/* "name", "/a/b", or {"name": "Amount", "path": "/a/b"} */
static int parse_column(const json_t *form, const char *path, struct column *column, struct fault *fault)
{
    const char *where = json_string_value(form);
    const struct json_field fields[] = {
        {.name = "name",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &column->name,
         .max = COLUMN_NAME_MAX},
        {.name = "path",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &where,
         .min = 1,
         .max = PATH_BYTES_MAX},
        {0},
    };
    column->name = where;
    if (!where && !json_is_object(form))
        return fault_set(fault, FAULT_INPUT, "%s: a name, a path, or an object of both is wanted", path);
    if (!where && json_fields(form, path, fields, fault))
        return -1;
    if (path_parse(where, strlen(where), &column->path, fault))
        return fault_wrap(fault, "%s%s", path, json_is_object(form) ? "/path" : "");
    return 0;
}

static int parse_columns(struct csv_format *csv, const json_t *columns, const char *path, struct fault *fault)
{
    size_t index;
    json_t *column;

    csv->columns = xcalloc(json_array_size(columns), sizeof *csv->columns);
    json_array_foreach (columns, index, column) {
        char *at = xasprintf("%s/columns/%zu", path, index);
        csv->column_count = index + 1;
        int result = parse_column(column, at, &csv->columns[index], fault);
        free(at);
        if (result)
            return -1;
    }
    return 0;
}

static int check_delimiter(struct csv_format *csv, const char *delimiter, const char *path,
                           struct fault *fault)
{
    if (!delimiter)
        return 0;
    csv->delimiter = delimiter[0];
    if (csv->delimiter == '\t' || (csv->delimiter > ' ' && csv->delimiter < 0x7f && csv->delimiter != '"'))
        return 0;
    return fault_set(fault, FAULT_INPUT,
                     "%s/delimiter: a tab or a printable ASCII character is wanted, no quote", path);
}

static int parse(struct format *format, const char *path, struct fault *fault)
{
    struct csv_format *csv = &format->csv;
    const char *delimiter = NULL, *quoting = NULL, *line_end = NULL, *rows = NULL;
    json_t *columns = NULL;
    const struct json_field fields[] = {
        {.name = "columns", .kind = JSON_KIND_ARRAY, .target = &columns, .min = 1, .max = FORMAT_COLUMNS_MAX},
        {.name = "rows", .kind = JSON_KIND_STRING, .target = &rows, .min = 1, .max = PATH_BYTES_MAX},
        {.name = "header", .kind = JSON_KIND_BOOL, .target = &csv->header},
        {.name = "delimiter", .kind = JSON_KIND_STRING, .target = &delimiter, .min = 1, .max = 1},
        {.name = "quoting", .kind = JSON_KIND_WORD, .target = &quoting, .words = quote_words},
        {.name = "line_end", .kind = JSON_KIND_WORD, .target = &line_end, .words = line_words},
        {.name = "formula_guard", .kind = JSON_KIND_BOOL, .target = &csv->guard},
        {.name = "byte_order_mark", .kind = JSON_KIND_BOOL, .target = &csv->mark},
        {0},
    };
    csv->header = csv->guard = true;
    csv->delimiter = ',';
    if (format_fields(format, path, fields, fault) || check_delimiter(csv, delimiter, path, fault))
        return -1;
    csv->quote_all = quoting && strcmp(quoting, "all") == 0;
    csv->line_end = line_end && strcmp(line_end, "lf") == 0 ? "\n" : "\r\n";
    if (csv->mark && format->charset != CHARSET_UTF8)
        return fault_set(fault, FAULT_INPUT, "%s/byte_order_mark: only utf-8 has one", path);
    if (rows && path_parse(rows, strlen(rows), &csv->rows, fault))
        return fault_wrap(fault, "%s/rows", path);
    return columns ? parse_columns(csv, columns, path, fault) : 0;
}

static void release(struct format *format)
{
    for (size_t i = 0; i < format->csv.column_count; i++)
        path_release(&format->csv.columns[i].path);
    free(format->csv.columns);
    path_release(&format->csv.rows);
}

/* --- fields -------------------------------------------------------------------------------------------- */

static size_t skip_digits(const char *text, size_t at, size_t size)
{
    while (at < size && text[at] >= '0' && text[at] <= '9')
        at++;
    return at;
}

/* "-12.5", "+1e3": what a spreadsheet takes for a number, and no formula. */
static bool is_number(const char *text, size_t size)
{
    size_t at = text[0] == '-' || text[0] == '+', before = at;

    at = skip_digits(text, at, size);
    if (at == before)
        return false;
    if (at < size && text[at] == '.')
        at = skip_digits(text, at + 1, size);
    if (at + 1 < size && (text[at] == 'e' || text[at] == 'E')) {
        before = at + 1 + (text[at + 1] == '-' || text[at + 1] == '+');
        at = skip_digits(text, before, size);
        if (at == before)
            return false;
    }
    return at == size;
}

static bool is_formula(const char *text, size_t size)
{
    return size && text[0] && strchr("=+-@\t\r\n", text[0]) && !is_number(text, size);
}

static bool needs_quotes(const struct csv_format *csv, const char *text, size_t size)
{
    if (csv->quote_all)
        return true;
    if (size == 0)
        return false;
    /* At the begin of the text it would be taken for the mark of its encoding, and skipped. */
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return true;
    /* Blanks at the ends belong to the field, and readers that cut them off do not where there are quotes. */
    return text[0] == ' ' || text[size - 1] == ' ' || memchr(text, csv->delimiter, size) ||
           memchr(text, '"', size) || memchr(text, '\r', size) || memchr(text, '\n', size);
}

static void add_field(struct buf *out, const struct csv_format *csv, const char *text, size_t size,
                      bool is_text)
{
    const bool formula = csv->guard && is_text && is_formula(text, size);

    if (!needs_quotes(csv, text, size)) {
        if (formula)
            buf_addc(out, '\'');
        buf_add(out, text, size);
        return;
    }
    buf_adds(out, formula ? "\"'" : "\"");
    while (size > 0) {
        const char *quote = memchr(text, '"', size);
        size_t piece = quote ? (size_t)(quote - text) + 1 : size;
        buf_add(out, text, piece);
        if (quote)
            buf_addc(out, '"');
        text += piece;
        size -= piece;
    }
    buf_addc(out, '"');
}

static void add_value(struct buf *out, const struct csv_format *csv, const json_t *value)
{
    struct buf text;

    if (json_is_string(value)) {
        add_field(out, csv, json_string_value(value), json_string_length(value), true);
        return;
    }
    buf_init(&text, out->max);
    format_add_plain(&text, value);
    if (text.overflow)
        out->overflow = true;
    add_field(out, csv, text.data, text.len, false);
    buf_release(&text);
}

/* A line of one empty field would be an empty line, which readers skip. */
static void end_line(struct buf *out, const struct csv_format *csv, size_t began, size_t fields)
{
    if (fields == 1 && out->len == began)
        buf_adds(out, "\"\"");
    buf_adds(out, csv->line_end);
}

/* --- rows ---------------------------------------------------------------------------------------------- */

/* The columns of a value for which the form names none: the members in the order in which they appear. */
struct columns {
    struct strmap seen;
    const char *names[FORMAT_COLUMNS_MAX];
    size_t count;
};

static int add_names(struct columns *columns, const json_t *row, const struct place *place,
                     struct fault *fault)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)row, name, value) {
        if (strmap_get(&columns->seen, name))
            continue;
        if (columns->count == FORMAT_COLUMNS_MAX)
            return place_fail(place, fault, "a csv has at most %d columns", FORMAT_COLUMNS_MAX);
        strmap_put(&columns->seen, name, columns);
        columns->names[columns->count++] = name;
    }
    return 0;
}

static int find_columns(struct columns *columns, const json_t *rows, const struct place *place,
                        struct fault *fault)
{
    json_t *row;
    size_t index;
    bool objects = json_is_object(json_array_get(rows, 0));

    json_array_foreach (rows, index, row) {
        const struct place at = {.up = place, .index = index};
        if (json_is_object(row) != objects)
            return place_fail(&at, fault, "objects and other rows do not make one csv");
        if (objects && add_names(columns, row, &at, fault))
            return -1;
    }
    return 0;
}

static void write_header(struct writing *writing, const struct columns *columns)
{
    const struct csv_format *csv = &writing->format->csv;
    struct buf *out = &writing->out->body;
    const size_t count = csv->column_count ? csv->column_count : columns->count, began = out->len;

    for (size_t i = 0; i < count; i++) {
        const char *name = csv->column_count ? csv->columns[i].name : columns->names[i];
        if (i)
            buf_addc(out, csv->delimiter);
        add_field(out, csv, name, strlen(name), true);
    }
    end_line(out, csv, began, count);
}

/* How many fields a row has: those of the columns, or those it brings. */
static size_t field_count(const struct csv_format *csv, const struct columns *columns, const json_t *row)
{
    if (csv->column_count)
        return csv->column_count;
    return json_is_object(row) ? columns->count : json_is_array(row) ? json_array_size(row) : 1;
}

static const json_t *get_field(const struct csv_format *csv, const struct columns *columns, const json_t *row,
                               size_t index)
{
    if (csv->column_count)
        return path_get(&csv->columns[index].path, row);
    if (json_is_object(row))
        return json_object_get(row, columns->names[index]);
    return json_is_array(row) ? json_array_get(row, index) : row;
}

/* Columns lead into a row; one that is a single value has nothing there, and would be an empty line. */
static bool has_columns(const struct csv_format *csv, const json_t *row)
{
    for (size_t i = 0; i < csv->column_count; i++)
        if (csv->columns[i].path.count && !json_is_object(row) && !json_is_array(row))
            return false;
    return true;
}

static int write_rows(struct writing *writing, const struct columns *columns, const json_t *rows,
                      const struct place *place, struct fault *fault)
{
    const struct csv_format *csv = &writing->format->csv;
    struct buf *out = &writing->out->body;
    json_t *row;
    size_t index;

    json_array_foreach (rows, index, row) {
        const size_t count = field_count(csv, columns, row), began = out->len;
        const struct place at = {.up = place, .index = index};
        if (count > FORMAT_COLUMNS_MAX)
            return place_fail(&at, fault, "a csv has at most %d columns", FORMAT_COLUMNS_MAX);
        if (!has_columns(csv, row))
            return place_fail(&at, fault, "a row is an object or an array where there are columns");
        for (size_t i = 0; i < count; i++) {
            if (i)
                buf_addc(out, csv->delimiter);
            add_value(out, csv, get_field(csv, columns, row, i));
        }
        end_line(out, csv, began, count);
        if (out->overflow)
            return 0;
    }
    return 0;
}

static int write_all(struct writing *writing, const json_t *rows, const struct place *place,
                     struct fault *fault)
{
    const struct csv_format *csv = &writing->format->csv;
    struct columns *columns = xcalloc(1, sizeof *columns);
    bool header = false;
    int result = 0;

    strmap_init(&columns->seen);
    if (!csv->column_count)
        result = find_columns(columns, rows, place, fault);
    if (result == 0) {
        header = csv->header && (csv->column_count || columns->count);
        buf_adds(&writing->out->body, csv->mark ? "\xef\xbb\xbf" : "");
        if (header)
            write_header(writing, columns);
        result = write_rows(writing, columns, rows, place, fault);
    }
    strmap_release(&columns->seen, NULL);
    free(columns);
    writing->out->content_type =
        xasprintf("text/csv; charset=%s; header=%s", format_charset_name(writing->format),
                  header ? "present" : "absent");
    return result;
}

static int write_csv(struct writing *writing, struct fault *fault)
{
    const struct path *path = &writing->format->csv.rows;
    struct place places[PATH_PARTS_MAX + 1] = {{0}};
    json_t *rows = path_get(path, writing->value);

    for (size_t i = 0; i < path->count; i++)
        places[i + 1] = (struct place){.up = &places[i], .name = path_part(path, i)};
    if (!rows)
        return place_fail(&places[path->count], fault, "there are no rows: the value has no such place");
    if (json_is_array(rows))
        return write_all(writing, rows, &places[path->count], fault);
    json_t *one = json_pack("[O]", rows);
    if (!one)
        abort(); /* jansson is out of memory, as in xalloc */
    int result = write_all(writing, one, &places[path->count], fault);
    json_decref(one);
    return result;
}

const struct format_kind format_csv = {
    .parse = parse,
    .write = write_csv,
    .release = release,
    .charsets = 1u << CHARSET_UTF8 | 1u << CHARSET_LATIN1 | 1u << CHARSET_ASCII,
};
