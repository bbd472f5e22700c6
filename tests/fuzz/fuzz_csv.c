/*
 * csv: the form of an input, and a CSV text. Rows that were read and are written by the format csv are read
 * as the same.
 */
#include <string.h>
#include "formats.h"
#include "inputs.h"
#include "parts.h"
#include "text.h"

enum { TEXT_MAX = 1 << 20 };

/* The format that writes what `reading` reads; NULL: it has no such delimiter. */
static struct format *writer_for(const struct csv_reading *reading, bool names)
{
    const char delimiter[] = {reading->delimiter, '\0'};
    json_t *form = json_pack("{s:s, s:s, s:b, s:b}", "type", "csv", "delimiter", delimiter, "header", names,
                             "formula_guard", 0);
    struct format *format = format_parse(form, "", NULL);

    HOLDS(format || reading->delimiter == ' ');
    json_decref(form);
    return format;
}

static void write_and_read(const struct input *input, const json_t *rows)
{
    const bool names = input->csv.header || input->csv.columns;
    const struct csv_reading reading = {
        .delimiter = input->csv.delimiter,
        .header = names,
        .max_rows = input->csv.max_rows,
        .max_field = TEXT_MAX,
    };
    struct format *format = writer_for(&input->csv, names);
    struct formatted out;
    struct fault fault = {0};

    if (!format)
        return;
    formatted_init(&out, TEXT_MAX);
    HOLDS(format_write(format, rows, NULL, &out, &fault) == 0);
    json_t *again = csv_read(out.body.data, out.body.len, &reading, &fault);
    HOLDS(again && json_equal(again, rows));
    json_decref(again);
    formatted_release(&out);
    format_free(format);
}

static void check(const struct input *input, const char *text, size_t size)
{
    struct fault fault = {0};
    json_t *rows = input_read(input, text, size, &fault);

    HOLDS((rows == NULL) == (fault.text[0] != '\0') && text_is_utf8(fault.text, strlen(fault.text), NULL));
    if (rows) {
        HOLDS((int64_t)json_array_size(rows) <= input->csv.max_rows);
        write_and_read(input, rows);
    }
    json_decref(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parts parts;
    struct fault fault = {0};

    parts_split(&parts, 2, data, size);
    json_t *form = parts_json(&parts, 0);
    struct input *input = form ? input_parse(form, "/input", &fault) : NULL;
    HOLDS(!form || (input == NULL) == (fault.text[0] != '\0'));
    if (input && input->type == INPUT_CSV)
        check(input, parts.items[1].text, parts.items[1].size);
    input_free(input);
    json_decref(form);
    parts_release(&parts);
    return 0;
}
