/*
 * mime - see mime.h
 */
#include "mime.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "text.h"
#include "utf8.h"
#include "xalloc.h"

enum {
    LINE = 78,            /* characters, without the line end */
    ENCODED_LINE = 76,    /* with an encoded word, or in a body */
    WORD_BYTES = 36,      /* of an encoded word: 60 characters, behind the name of any field */
    PARAMETER_PIECE = 50, /* characters of one piece of a parameter */
};

static bool is_control(unsigned char c)
{
    return c < ' ' || c == 0x7f;
}

/* Header fields */

/* ASCII that no reader takes for encoded words, and that can be folded. */
static bool is_plain(const char *text)
{
    size_t word = 0, size = strlen(text);

    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] >= 0x7f || is_control((unsigned char)text[i]))
            return false;
        word = text[i] == ' ' ? 0 : word + 1;
        if (word > LINE - 20)
            return false;
    }
    return !strstr(text, "=?") && (size == 0 || (text[0] != ' ' && text[size - 1] != ' '));
}

/* =?UTF-8?B?w7w=?= and so on, a line each; no code point is cut. */
static void add_encoded(struct buf *out, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        char piece[WORD_BYTES];
        size_t size = 0, length;
        while (size < left && (length = utf8_decode(text + size, left - size, NULL)) > 0 &&
               size + length <= WORD_BYTES) {
            memcpy(piece + size, text + size, length);
            if (length == 1 && is_control((unsigned char)piece[size]))
                piece[size] = ' ';
            size += length;
        }
        if (size == 0) { /* no UTF-8 */
            piece[0] = '?';
            size = 1;
        }
        buf_adds(out, "=?UTF-8?B?");
        text_add_base64(out, piece, size);
        buf_adds(out, "?=");
        text += size;
        left -= size;
        if (left > 0)
            buf_adds(out, "\r\n ");
    }
}

/* A line may begin anew at any run of blanks, which stays behind the line end. */
static void add_folded(struct buf *out, size_t column, const char *text)
{
    while (*text) {
        size_t blanks = strspn(text, " "), word = blanks + strcspn(text + blanks, " ");
        if (blanks && column + word > LINE) {
            buf_adds(out, "\r\n");
            column = 0;
        }
        buf_add(out, text, word);
        column += word;
        text += word;
    }
}

void mime_add_text(struct buf *out, size_t column, const char *text)
{
    if (is_plain(text))
        add_folded(out, column, text);
    else
        add_encoded(out, text);
}

static void add_quoted(struct buf *out, const char *text)
{
    buf_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_addc(out, '\\');
        buf_addc(out, *text);
    }
    buf_addc(out, '"');
}

void mime_add_phrase(struct buf *out, const char *text)
{
    if (is_plain(text) && strlen(text) <= WORD_BYTES)
        add_quoted(out, text);
    else
        add_encoded(out, text);
}

/* The bytes of an encoded value that its next piece takes: "%C3" stays in one. */
static size_t piece_size(const char *encoded, size_t left)
{
    size_t size = PARAMETER_PIECE;

    if (left <= size)
        return left;
    if (encoded[size - 1] == '%')
        return size - 1;
    return encoded[size - 2] == '%' ? size - 2 : size;
}

/* filename*=UTF-8''a%20b, or numbered pieces: filename*0*=UTF-8''a%20b and filename*1*=c */
void mime_add_parameter(struct buf *out, const char *name, const char *value)
{
    struct buf encoded;

    if (is_plain(value) && strlen(value) <= PARAMETER_PIECE) {
        buf_addf(out, ";\r\n %s=", name);
        add_quoted(out, value);
        return;
    }
    buf_init(&encoded, 3 * strlen(value) + 1);
    text_add_url(&encoded, value, "");
    bool whole = encoded.len <= PARAMETER_PIECE;
    for (size_t at = 0, size, piece = 0; at < encoded.len; at += size, piece++) {
        size = piece_size(encoded.data + at, encoded.len - at);
        buf_addf(out, ";\r\n %s*", name);
        if (!whole)
            buf_addf(out, "%zu*", piece);
        buf_addf(out, "=%s%.*s", piece ? "" : "UTF-8''", (int)size, encoded.data + at);
    }
    buf_release(&encoded);
}

/* Bodies */

bool mime_is_readable(const char *text, size_t size)
{
    size_t escaped = 0;

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (is_control(c) && c != '\t' && c != '\n' && c != '\r')
            return false;
        escaped += c >= 0x80 || c == '=';
    }
    return escaped <= size / 4 && text_is_utf8(text, size, NULL);
}

/* The characters of one byte; `last`: nothing of its line follows. */
static size_t escape(char out[4], unsigned char c, bool last)
{
    if ((c > ' ' && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !last)) {
        out[0] = (char)c;
        return 1;
    }
    snprintf(out, 4, "=%02X", c);
    return 3;
}

void mime_add_quoted_printable(struct buf *out, const char *text, size_t size)
{
    size_t column = 0;

    for (size_t i = 0; i < size; i++) {
        char escaped[4];
        bool crlf = text[i] == '\r' && i + 1 < size && text[i + 1] == '\n';
        if (text[i] == '\n' || crlf) {
            buf_adds(out, "\r\n");
            column = 0;
            i += crlf;
            continue;
        }
        bool last = i + 1 == size || text[i + 1] == '\n' || text[i + 1] == '\r';
        size_t length = escape(escaped, (unsigned char)text[i], last);
        if (column + length >= ENCODED_LINE) { /* one is for the '=' */
            buf_adds(out, "=\r\n");
            column = 0;
        }
        buf_add(out, escaped, length);
        column += length;
    }
    if (column > 0)
        buf_adds(out, "=\r\n"); /* the text has no line end there */
}

void mime_add_base64(struct buf *out, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        size_t piece = size < ENCODED_LINE / 4 * 3 ? size : ENCODED_LINE / 4 * 3;
        text_add_base64(out, at, piece);
        buf_adds(out, "\r\n");
        at += piece;
        size -= piece;
    }
}
