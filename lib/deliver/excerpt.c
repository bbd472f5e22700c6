/*
 * What comes in is bytes: NULs, escape sequences and half characters included; what goes out may be shown on
 * a terminal and in a log.
 */
#include "excerpt.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "text.h"
#include "xalloc.h"

static bool is_blank(char c)
{
    return (unsigned char)c <= ' ' || c == 0x7f;
}

/* [from, to) has no line end in it. */
static void take(const char *from, const char *to, char line[EXCERPT_SIZE])
{
    while (from < to && is_blank(*from))
        from++;
    while (from < to && is_blank(to[-1]))
        to--;
    if (to - from > 4 * EXCERPT_SIZE)
        to = from + 4 * EXCERPT_SIZE;
    size_t size = (size_t)(to - from), bad;
    char *copy = xmemdupz(from, size);
    if (!text_is_utf8(copy, size, &bad) && size - bad >= 4) /* not just cut in the middle of a character */
        for (char *c = copy; c < copy + size; c++)
            if ((unsigned char)*c >= 0x80)
                *c = '?';
    for (char *c = copy; c < copy + size; c++)
        if (*c == '\0')
            *c = '?';
    text_copy(line, EXCERPT_SIZE, copy);
    text_printable(line);
    free(copy);
}

static const char *line_end(const char *from, const char *end)
{
    const char *found = memchr(from, '\n', (size_t)(end - from));
    return found ? found : end;
}

static void find(const struct buf *said, bool last, char line[EXCERPT_SIZE])
{
    const char *end = said->data + said->len;

    line[0] = '\0';
    for (const char *from = said->data; from < end; from = line_end(from, end) + 1) {
        const char *to = line_end(from, end), *c = from;
        while (c < to && is_blank(*c))
            c++;
        if (c == to)
            continue;
        take(from, to, line);
        if (!last)
            return;
    }
}

void excerpt_first_line(const struct buf *said, char line[EXCERPT_SIZE])
{
    find(said, false, line);
}

void excerpt_last_line(const struct buf *said, char line[EXCERPT_SIZE])
{
    find(said, true, line);
}

void excerpt_mask(struct buf *said, const char *secret)
{
    size_t size = secret ? strlen(secret) : 0;
    char *from = said->data, *found;

    if (size < 4)
        return;
    while ((found = memmem(from, (size_t)(said->data + said->len - from), secret, size))) {
        memset(found, '*', size);
        from = found + size;
    }
}
