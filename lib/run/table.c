/*
 * table - see table.h
 */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "fdio.h"
#include "json.h"
#include "text.h"
#include "xalloc.h"

enum { TABLE_BYTES = 64 * 1024 * 1024, FLUSH_BYTES = 64 * 1024 };

void table_init(struct table *table, const char *const *heading, size_t columns)
{
    *table = (struct table){.columns = columns};
    table_row(table, heading);
}

static void forget_rows(struct table *table, size_t from)
{
    for (size_t i = from * table->columns; i < table->rows * table->columns; i++)
        free(table->cells[i]);
    if (table->rows > from)
        table->rows = from;
}

void table_release(struct table *table)
{
    forget_rows(table, 0);
    free(table->cells);
    *table = (struct table){0};
}

void table_row(struct table *table, const char *const *cells)
{
    if (table->rows == table->cap) {
        table->cap = table->cap ? table->cap * 2 : 16;
        table->cells = xreallocarray(table->cells, table->cap * table->columns, sizeof *table->cells);
    }
    for (size_t i = 0; i < table->columns; i++)
        table->cells[table->rows * table->columns + i] = text_printable(xstrdup(cells[i] ? cells[i] : ""));
    table->rows++;
}

static size_t width(const char *cell)
{
    size_t count = 0;
    for (; *cell; cell++)
        count += ((unsigned char)*cell & 0xC0) != 0x80; /* not a continuation byte */
    return count;
}

static void add_row(const struct table *table, size_t row, const size_t *widths, struct buf *out)
{
    for (size_t i = 0; i < table->columns; i++) {
        const char *cell = table->cells[row * table->columns + i];
        buf_adds(out, cell);
        for (size_t pad = width(cell); i + 1 < table->columns && pad < widths[i] + 2; pad++)
            buf_addc(out, ' ');
    }
    while (out->len && out->data[out->len - 1] == ' ')
        buf_cut(out, out->len - 1);
    buf_addc(out, '\n');
}

int table_print(struct table *table, struct fault *fault)
{
    size_t widths[TABLE_COLUMNS] = {0};
    struct buf out;

    if (table->rows < 2)
        return 0;
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        size_t cell = width(table->cells[i]);
        if (cell > widths[i % table->columns])
            widths[i % table->columns] = cell;
    }
    buf_init(&out, TABLE_BYTES);
    int result = 0;
    for (size_t row = 0; row < table->rows && result == 0; row++) {
        add_row(table, row, widths, &out);
        if (out.len < FLUSH_BYTES && row + 1 < table->rows)
            continue;
        result = fdio_write_all(STDOUT_FILENO, out.data, out.len, fault);
        buf_clear(&out);
    }
    buf_release(&out);
    forget_rows(table, 1);
    return result;
}

void facts_init(struct facts *facts)
{
    buf_init(&facts->text, TABLE_BYTES);
}

void facts_add(struct facts *facts, const char *name, const char *format, ...)
{
    struct buf *text = &facts->text;
    va_list arguments;

    buf_addf(text, "%-14s", name);
    size_t start = text->len;
    va_start(arguments, format);
    buf_vaddf(text, format, arguments);
    va_end(arguments);
    buf_cut(text, start + strlen(text_printable(text->data + start)));
    buf_addc(text, '\n');
}

int facts_print(struct facts *facts, struct fault *fault)
{
    buf_addc(&facts->text, '\n');
    int result = fdio_write_all(STDOUT_FILENO, facts->text.data, facts->text.len, fault);
    buf_release(&facts->text);
    return result;
}

int print_text(struct fault *fault, const char *format, ...)
{
    struct buf out;
    va_list arguments;

    buf_init(&out, TABLE_BYTES);
    va_start(arguments, format);
    buf_vaddf(&out, format, arguments);
    va_end(arguments);
    int result = fdio_write_all(STDOUT_FILENO, out.data, out.len, fault);
    buf_release(&out);
    return result;
}

int print_json(json_t *value, struct fault *fault)
{
    char *text = json_text(value);
    int result = print_text(fault, "%s\n", text);
    free(text);
    json_decref(value);
    return result;
}
