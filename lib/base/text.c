/*
 * text - what the project asks of strings, answered once. Bytes from elsewhere come through here before a
 * person sees them. Hard rule: no answer depends on the locale, and none takes more than quadratic time.
 */
#include "text.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>
#include "utf8.h"

bool text_is_utf8(const char *text, size_t size, size_t *bad)
{
    size_t done = 0;

    while (done < size) {
        size_t length = utf8_decode(text + done, size - done, NULL);

        if (length == 0) {
            if (bad != NULL)
                *bad = done;
            return false;
        }
        done += length;
    }
    return true;
}

static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int text_add_base64(struct buf *out, const void *data, size_t size)
{
    const unsigned char *byte = data;
    char *room;

    if (size > SIZE_MAX / 4 * 3 - 3) {
        out->overflow = true;
        return -1;
    }
    room = buf_room(out, (size + 2) / 3 * 4);
    if (room == NULL)
        return -1;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t group = (uint32_t)byte[i] << 16;

        if (left > 1)
            group |= (uint32_t)byte[i + 1] << 8;
        if (left > 2)
            group |= byte[i + 2];
        *room++ = base64_letters[group >> 18];
        *room++ = base64_letters[group >> 12 & 63];
        *room++ = left > 1 ? base64_letters[group >> 6 & 63] : '=';
        *room++ = left > 2 ? base64_letters[group & 63] : '=';
    }
    buf_added(out, (size + 2) / 3 * 4);
    return 0;
}

/* 0 to 63, or -1 */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

int text_decode_base64(const char *text, size_t size, struct buf *out)
{
    size_t pads = 0;
    size_t bytes, wrote = 0;
    uint32_t group = 0;
    char *room;

    if (size % 4 != 0)
        return -1;
    while (pads < 2 && pads < size && text[size - 1 - pads] == '=')
        pads++;
    bytes = size / 4 * 3 - pads;
    room = buf_room(out, bytes);
    if (room == NULL)
        return -1;
    for (size_t i = 0; i < size; i++) {
        int value = i < size - pads ? base64_value(text[i]) : 0;

        if (value < 0)
            goto bad;
        group = group << 6 | (uint32_t)value;
        if (i % 4 != 3)
            continue;
        for (int shift = 16; shift >= 0; shift -= 8) {
            unsigned char byte = (unsigned char)(group >> shift);

            if (wrote < bytes)
                room[wrote++] = (char)byte;
            else if (byte != 0) /* two texts for the same bytes: one of them is forged or broken */
                goto bad;
        }
        group = 0;
    }
    buf_added(out, bytes);
    return 0;
bad:
    buf_cut(out, out->len);
    return -1;
}

/* Not isalnum(): it asks the locale. */
static bool is_unreserved(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("-._~", c));
}

int text_add_url(struct buf *out, const char *text, const char *keep)
{
    int result = 0;

    for (; *text && result == 0; text++) {
        if (is_unreserved(*text) || strchr(keep, *text))
            result = buf_addc(out, *text);
        else
            result = buf_addf(out, "%%%02X", (unsigned)(unsigned char)*text);
    }
    return result;
}

void text_hex(const void *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *byte = data;

    for (size_t i = 0; i < size; i++) {
        *out++ = digits[byte[i] >> 4];
        *out++ = digits[byte[i] & 15];
    }
    *out = '\0';
}

const char *text_decimal(uint64_t number, char out[TEXT_DECIMAL_SIZE])
{
    char *first = out + TEXT_DECIMAL_SIZE - 1;

    *first = '\0';
    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    return first;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

enum { NEAREST_MAX = 64 }; /* names longer than this are nobody's typing mistake */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein (each pair swapped at most once), without case; neither is longer than NEAREST_MAX. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NEAREST_MAX + 1]; /* row i of the table is rows[i % 3] */

    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *above2 = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            char x = lower(a[i - 1]);
            char y = lower(b[j - 1]);

            row[j] = least(above[j] + 1, row[j - 1] + 1);
            row[j] = least(row[j], above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]))
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

const char *text_nearest(const char *name, const char *const *names, size_t count)
{
    const size_t len = strlen(name);
    const size_t limit = len / 3 > 1 ? len / 3 : 1;
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;

    if (len == 0 || len > NEAREST_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t other_len = strlen(names[i]);
        size_t far;

        if (other_len > NEAREST_MAX)
            continue;
        far = distance(name, len, names[i], other_len);
        if (strncasecmp(name, names[i], len) == 0)
            far = least(far, 1);
        else if (far > limit || far >= len) /* with every letter replaced it is another word */
            continue;
        if (far < best_distance) {
            best = names[i];
            best_distance = far;
        }
    }
    return best;
}

static bool is_in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* Not strspn(), which makes a table of the characters at each call. */
bool text_is_name(const char *text)
{
    size_t len = 0;

    while (is_in_name(text[len]))
        len++;
    return len >= 1 && len <= 100 && text[len] == '\0' && text[0] != '.' && text[0] != '-';
}

bool text_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

char *text_trim(char *text)
{
    static const char blanks[] = " \t\r\n\v\f";
    size_t start = strspn(text, blanks);
    size_t end = strlen(text);

    while (end > start && strchr(blanks, text[end - 1]) != NULL)
        end--;
    memmove(text, text + start, end - start);
    text[end - start] = '\0';
    return text;
}

char *text_printable(char *text)
{
    const size_t size = strlen(text);
    size_t done = 0, kept = 0;

    while (done < size) {
        uint32_t point;
        size_t length = utf8_decode(text + done, size - done, &point);

        if (length == 0 || point < 0x20 || (point >= 0x7f && point < 0xa0)) {
            text[kept++] = '?';
            done += length > 0 ? length : 1;
        } else {
            memmove(text + kept, text + done, length);
            kept += length;
            done += length;
        }
    }
    text[kept] = '\0';
    return text;
}

void text_copy(char *out, size_t out_size, const char *text)
{
    size_t len = strlen(text);

    if (out_size == 0)
        return;
    if (len >= out_size) {
        size_t cut = len = out_size - 1;

        while (cut > 0 && len - cut < 3 && ((unsigned char)text[cut] & 0xc0) == 0x80)
            cut--;
        if (((unsigned char)text[cut] & 0xc0) != 0x80)
            len = cut;
    }
    memmove(out, text, len);
    out[len] = '\0';
}
