/*
 * csv_read - one field after the other, each with the line it stands in
 *
 *   field = quoted / plain      record = field *(delimiter field) (LF / CRLF / end)
 */
#include "csv_read.h"
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "strmap.h"
#include "text.h"
#include "xalloc.h"

enum { NAME_SHOWN = 60 };

enum field_end { END_FIELD, END_RECORD, END_TEXT, END_FAULT };

struct reader {
    const struct csv_reading *reading;
    const char *at, *end;
    size_t line;        /* of `at`, from 1 */
    size_t record_line; /* of the record that is read */
    struct buf field;
    json_t *record; /* an array of its fields */
    char **names;
    size_t name_count;
    size_t width; /* fields of every record; 0: not known yet */
    size_t cells;
    size_t row_name_bytes, name_bytes; /* of the names in one row, and in all so far */
};

static int fail(const struct reader *reader, struct fault *fault, const char *text)
{
    return fault_set(fault, FAULT_INPUT, "line %zu: %s", reader->line, text);
}

static int take(struct reader *reader, const char *text, size_t size, struct fault *fault)
{
    if (buf_add(&reader->field, text, size))
        return fault_set(fault, FAULT_INPUT, "line %zu: a field is longer than %zu bytes", reader->line,
                         reader->field.max);
    return 0;
}

/* Behind a field: the delimiter, or a line end, which is taken. */
static enum field_end end_field(struct reader *reader, struct fault *fault)
{
    if (reader->at == reader->end)
        return END_TEXT;
    if (*reader->at == reader->reading->delimiter) {
        reader->at++;
        return END_FIELD;
    }
    if (*reader->at == '\r' && reader->at + 1 < reader->end && reader->at[1] == '\n')
        reader->at++;
    if (*reader->at == '\n') {
        reader->at++;
        reader->line++;
        return END_RECORD;
    }
    fail(reader, fault, *reader->at == '\r' ? "a CR without LF" : "text behind a closing quote");
    return END_FAULT;
}

static enum field_end read_quoted(struct reader *reader, struct fault *fault)
{
    const size_t began = reader->line;

    reader->at++;
    for (;;) {
        const char *quote = memchr(reader->at, '"', (size_t)(reader->end - reader->at));
        if (!quote) {
            fault_set(fault, FAULT_INPUT, "line %zu: the text ends inside of quotes", began);
            return END_FAULT;
        }
        if (take(reader, reader->at, (size_t)(quote - reader->at), fault))
            return END_FAULT;
        for (const char *c = reader->at; c < quote; c++)
            reader->line += *c == '\n';
        reader->at = quote + 1;
        if (reader->at == reader->end || *reader->at != '"')
            return end_field(reader, fault);
        if (take(reader, "\"", 1, fault))
            return END_FAULT;
        reader->at++;
    }
}

static enum field_end read_field(struct reader *reader, struct fault *fault)
{
    const char *c = reader->at;

    buf_clear(&reader->field);
    if (c < reader->end && *c == '"')
        return read_quoted(reader, fault);
    while (c < reader->end && *c != reader->reading->delimiter && *c != '\n' && *c != '\r' && *c != '"')
        c++;
    if (c < reader->end && *c == '"') {
        fail(reader, fault, "a quote in a field that is not in quotes");
        return END_FAULT;
    }
    if (take(reader, reader->at, (size_t)(c - reader->at), fault))
        return END_FAULT;
    reader->at = c;
    return end_field(reader, fault);
}

static json_t *field_value(struct reader *reader, struct fault *fault)
{
    size_t bad;

    if (memchr(reader->field.data, '\0', reader->field.len)) {
        fail(reader, fault, "a NUL is not taken");
        return NULL;
    }
    if (!text_is_utf8(reader->field.data, reader->field.len, &bad)) {
        fault_set(fault, FAULT_INPUT, "line %zu: the byte 0x%02x is not UTF-8", reader->record_line,
                  (unsigned)(unsigned char)reader->field.data[bad]);
        return NULL;
    }
    json_t *value = json_stringn_nocheck(reader->field.data, reader->field.len);
    if (!value)
        abort(); /* jansson is out of memory, as in xalloc */
    return value;
}

/* Reads a record into reader->record. 1, or 0 at the end of the text, or -1. */
static int read_record(struct reader *reader, struct fault *fault)
{
    enum field_end end;

    if (reader->at == reader->end)
        return 0;
    json_array_clear(reader->record);
    reader->record_line = reader->line;
    do {
        end = read_field(reader, fault);
        json_t *value = end == END_FAULT ? NULL : field_value(reader, fault);
        if (!value)
            return -1;
        if (json_array_size(reader->record) == CSV_COLUMNS_MAX) {
            json_decref(value);
            return fault_set(fault, FAULT_INPUT, "line %zu: more than %d fields", reader->record_line,
                             CSV_COLUMNS_MAX);
        }
        if (json_array_append_new(reader->record, value))
            abort();
    } while (end == END_FIELD);
    return 1;
}

/* An empty line is one empty field that has no quotes: where there are more columns it is none. */
static bool is_empty_line(const struct reader *reader, const char *began)
{
    return reader->width != 1 && json_array_size(reader->record) == 1 && (*began == '\n' || *began == '\r');
}

static int set_names(struct reader *reader, struct fault *fault)
{
    struct strmap seen;
    json_t *name;
    size_t index;
    int result = 0;

    strmap_init(&seen);
    reader->names = xcalloc(json_array_size(reader->record), sizeof *reader->names);
    json_array_foreach (reader->record, index, name) {
        const char *text = json_string_value(name);
        char cut[NAME_SHOWN];
        text_copy(cut, sizeof cut, text);
        if (*text == '\0')
            result = fault_set(fault, FAULT_INPUT, "line 1: column %zu has no name", index + 1);
        else if (json_string_length(name) > CSV_NAME_MAX)
            result = fault_set(fault, FAULT_INPUT, "line 1: the name of column %zu is longer than %d bytes",
                               index + 1, CSV_NAME_MAX);
        else if (strmap_put(&seen, text, reader))
            result =
                fault_set(fault, FAULT_INPUT, "line 1: the column '%s' is there twice", text_printable(cut));
        if (result)
            break;
        reader->names[reader->name_count++] = xstrdup(text);
        reader->row_name_bytes += json_string_length(name);
    }
    strmap_release(&seen, NULL);
    return result;
}

static json_t *make_row(const struct reader *reader, const char *const *names)
{
    json_t *row = names ? json_object() : json_array(), *value;
    size_t index;

    json_array_foreach (reader->record, index, value) {
        int failed =
            names ? json_object_set_nocheck(row, names[index], value) : json_array_append(row, value);
        if (failed)
            abort(); /* jansson is out of memory, as in xalloc */
    }
    return row;
}

static int add_row(struct reader *reader, json_t *rows, struct fault *fault)
{
    const struct csv_reading *reading = reader->reading;
    const size_t count = json_array_size(reader->record);

    if (reader->width == 0)
        reader->width = count;
    if (count != reader->width)
        return fault_set(fault, FAULT_INPUT, "line %zu: %zu fields, and %s %zu", reader->record_line, count,
                         reading->column_count ? "the columns are" : "the first line has", reader->width);
    if ((int64_t)json_array_size(rows) >= reading->max_rows)
        return fault_set(fault, FAULT_INPUT, "line %zu: more than %lld rows", reader->record_line,
                         (long long)reading->max_rows);
    reader->cells += count;
    if (reader->cells > CSV_CELLS_MAX)
        return fault_set(fault, FAULT_INPUT, "line %zu: more than %d fields in all", reader->record_line,
                         CSV_CELLS_MAX);
    reader->name_bytes += reader->row_name_bytes;
    if (reader->name_bytes > CSV_NAME_BYTES_MAX)
        return fault_set(
            fault, FAULT_INPUT,
            "line %zu: the names of the columns are too long for so many rows: more than %d bytes "
            "in all",
            reader->record_line, CSV_NAME_BYTES_MAX);
    json_t *row = make_row(reader, reader->names ? (const char *const *)reader->names : reading->columns);
    if (json_array_append_new(rows, row))
        abort();
    return 0;
}

static int read_rows(struct reader *reader, json_t *rows, struct fault *fault)
{
    bool header = reader->reading->header;
    int result = 0;

    while (result == 0) {
        const char *began = reader->at;
        int got = read_record(reader, fault);
        if (got <= 0)
            return got;
        if (is_empty_line(reader, began))
            continue;
        if (!header) {
            result = add_row(reader, rows, fault);
            continue;
        }
        header = false;
        result = set_names(reader, fault);
        reader->width = reader->name_count;
    }
    return result;
}

static void add_latin1(struct buf *out, const char *text, size_t size)
{
    buf_init(out, size * 2);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80) {
            buf_addc(out, (char)(0xc0 | c >> 6));
            c = 0x80 | (c & 0x3f);
        }
        buf_addc(out, (char)c);
    }
}

json_t *csv_read(const char *text, size_t size, const struct csv_reading *reading, struct fault *fault)
{
    struct reader reader = {
        .reading = reading, .line = 1, .record = json_array(), .width = reading->column_count};
    struct buf converted = {0};
    json_t *rows = json_array();

    if (!rows || !reader.record)
        abort(); /* jansson is out of memory, as in xalloc */
    if (reading->latin1) {
        add_latin1(&converted, text, size);
        text = converted.data;
        size = converted.len;
    }
    if (!reading->latin1 && size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    for (size_t i = 0; i < reading->column_count; i++)
        reader.row_name_bytes += strlen(reading->columns[i]);
    reader.at = text;
    reader.end = text + size;
    buf_init(&reader.field, (size_t)reading->max_field);
    if (read_rows(&reader, rows, fault)) {
        json_decref(rows);
        rows = NULL;
    }
    for (size_t i = 0; i < reader.name_count; i++)
        free(reader.names[i]);
    free(reader.names);
    json_decref(reader.record);
    buf_release(&reader.field);
    if (converted.cap)
        buf_release(&converted);
    return rows;
}
