/*
 * What comes in is bytes: NULs, escape sequences and half characters included; what goes out may be shown on
 * a terminal and in a log.
 */
#include "excerpt.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "secret.h"
#include "text.h"
#include "xalloc.h"

enum { REFERENCE_DIGITS = 7 }; /* &#1114111; */

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

/* The character of four hexadecimal digits; -1 where there are none. */
static long read_hex(const char *at, const char *end)
{
    long value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int c = tolower((unsigned char)at[i]);
        if (!isxdigit(c))
            return -1;
        value = value * 16 + (isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    return value;
}

static size_t put_utf8(long code, char out[4])
{
    static const struct {
        long below;
        int lead;
    } forms[] = {{0x80, 0}, {0x800, 0xc0}, {0x10000, 0xe0}, {0x110000, 0xf0}};
    size_t size = 1;

    while (code >= forms[size - 1].below)
        size++;
    for (size_t i = size; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(forms[size - 1].lead | code);
    return size;
}

/* "\ud83d\ude00" is one character; half a pair stands for itself. */
static const char *read_unicode(const char *at, const char *end, char out[4], size_t *size)
{
    long code = read_hex(at, end), low;

    if (code < 0)
        return NULL;
    at += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        low = read_hex(at + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
    }
    *size = put_utf8(code, out);
    return at;
}

/* One character of a JSON string: the bytes that it means, and where the next one begins. NULL: it is cut, or
 * none. */
static const char *read_escaped(const char *at, const char *end, char out[4], size_t *size)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *found;

    *size = 1;
    out[0] = *at++;
    if (out[0] != '\\')
        return at;
    if (at == end)
        return NULL;
    if (*at == 'u')
        return read_unicode(at + 1, end, out, size);
    found = memchr(letters, *at, sizeof letters - 1);
    if (!found)
        return NULL;
    out[0] = meanings[found - letters];
    return at + 1;
}

/* Behind "&#". NULL: it is cut, or no reference. */
static const char *read_number(const char *at, const char *end, char out[4], size_t *size)
{
    char digits[REFERENCE_DIGITS + 1] = "";
    size_t count = 0;

    bool hex = at < end && (*at == 'x' || *at == 'X');
    at += hex;
    while (at < end && count < REFERENCE_DIGITS && isxdigit((unsigned char)*at))
        digits[count++] = *at++;
    long code = strtol(digits, NULL, hex ? 16 : 10);
    if (at == end || *at != ';' || code <= 0 || code > 0x10ffff)
        return NULL;
    *size = put_utf8(code, out);
    return at + 1;
}

/* One character of XML: "&amp;", "&#38;", "&#x26;"; a '&' that opens nothing is itself. */
static const char *read_reference(const char *at, const char *end, char out[4], size_t *size)
{
    static const struct {
        const char *name;
        char meaning;
    } names[] = {{"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}};

    *size = 1;
    out[0] = *at++;
    if (out[0] != '&')
        return at;
    if (at < end && *at == '#')
        return read_number(at + 1, end, out, size);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t whole = strlen(names[i].name), left = (size_t)(end - at);
        if (memcmp(at, names[i].name, whole < left ? whole : left) != 0)
            continue;
        out[0] = names[i].meaning;
        return whole <= left ? at + whole : NULL;
    }
    return at;
}

static const char *read_plain(const char *at, const char *end, char out[4], size_t *size)
{
    (void)end;
    *size = 1;
    out[0] = *at;
    return at + 1;
}

typedef const char *(*reader)(const char *at, const char *end, char out[4], size_t *size);

/* The end of an occurrence that begins at `at`, or NULL. With `cut`, the end of the text ends it too. */
static const char *occurrence(const char *at, const char *end, const char *secret, reader read, bool cut)
{
    char bytes[4];
    size_t size;

    for (; *secret; secret += size) {
        const char *next = at < end ? read(at, end, bytes, &size) : NULL;
        if (!next) /* an escape sequence is 12 bytes at the most */
            return cut && end - at < 12 ? end : NULL;
        if (strncmp(secret, bytes, size) != 0)
            return NULL;
        at = next;
    }
    return at;
}

static void mask_as(struct buf *said, const char *secret, reader read)
{
    char *end = said->data + said->len;
    bool full = said->len == said->max;

    for (char *from = said->data; from < end;) {
        const char *to = occurrence(from, end, secret, read, full);
        if (to)
            memset(from, '*', (size_t)(to - from));
        from += to ? to - from : 1;
    }
}

void excerpt_mask(struct buf *said, const char *secret)
{
    size_t size = secret ? strlen(secret) : 0;

    if (!size || !said->len || strcmp(said->data, EXCERPT_WITHHELD) == 0)
        return;
    if (size < EXCERPT_SECRET_LEAST) {
        buf_clear(said);
        buf_adds(said, EXCERPT_WITHHELD);
        return;
    }
    mask_as(said, secret, read_plain);
    mask_as(said, secret, read_escaped);
    mask_as(said, secret, read_reference);
}

void excerpt_mask_secret(struct buf *said, const struct secret *secret)
{
    for (const struct secret_member *member = secret_members; secret && member->name; member++)
        if (member->hidden)
            excerpt_mask(said, secret_text(secret, member));
}
