/*
 * lines - see lines.h
 */
#include "lines.h"

#include <string.h>

#include "fdio.h"
#include "msg.h"
#include "tool.h"

void lines_reject(struct lines *lines, uint64_t number, const struct fault *fault)
{
    msg(MSG_ERROR, "%s:%llu: %s", lines->name, (unsigned long long)number, fault->text);
    lines->rejected++;
}

static bool is_blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!strchr(" \t\r", line[i]) || !line[i])
            return false;
    return true;
}

static int flush(struct lines *lines, struct buf *out, struct fault *fault)
{
    if (out->len && fdio_write_all(lines->out, out->data, out->len, fault) < 0)
        return -1;
    buf_clear(out);
    return 0;
}

/* 0: go on, 1: end of input, -1: fault */
static int step(struct lines *lines, struct line_reader *reader, struct buf *out, struct fault *fault)
{
    struct fault problem = {0};
    char *line;
    size_t size;

    switch (line_reader_next(reader, &line, &size, fault)) {
    case LINE_END:
        return 1;
    case LINE_FAULT:
        return -1;
    case LINE_TOO_LONG:
        lines->records++;
        fault_set(&problem, FAULT_INPUT, "a line of %llu bytes is longer than the limit of %zu",
                  (unsigned long long)reader->line_size, lines->max_line);
        lines_reject(lines, reader->number, &problem);
        return 0;
    case LINE_WAIT: /* only of eager readers */
    case LINE_OK:
        break;
    }
    if (is_blank(line, size))
        return 0;
    lines->records++;
    size_t before = out->len;
    if (lines->record(lines->arg, line, size, reader->number, out, &problem) < 0) {
        if (problem.class != FAULT_INPUT && problem.class != FAULT_DENIED) {
            if (fault)
                *fault = problem;
            return -1; /* what it wrote stays: ids of a batch that was kept in part */
        }
        buf_cut(out, before);
        lines_reject(lines, reader->number, &problem);
    }
    return 0;
}

int lines_run(struct lines *lines, struct fault *fault)
{
    enum { FLUSH_BYTES = 64 * 1024 };
    struct line_reader reader;
    struct buf out;
    int result = 0;

    line_reader_init(&reader, lines->in, lines->max_line);
    buf_init(&out, FLUSH_BYTES + lines->max_pending);
    while (!result) {
        result = step(lines, &reader, &out, fault);
        bool waiting = !result && line_reader_has_line(&reader);
        if (result >= 0 && !waiting && lines->idle && lines->idle(lines->arg, &out, fault) < 0)
            result = -1;
        if (result >= 0 && (!waiting || out.len >= FLUSH_BYTES) && flush(lines, &out, fault) < 0)
            result = -1;
    }
    if (result < 0)
        flush(lines, &out, NULL); /* what is done is done: an accepted id is to be seen */
    buf_release(&out);
    line_reader_release(&reader);
    if (result < 0)
        return -1;
    return lines->rejected ? EXIT_REJECTED : 0;
}
