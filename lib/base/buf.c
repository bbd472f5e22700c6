/*
 * buf - where every size that somebody else controls meets its ceiling.
 * Hard rule: len never passes max, and a refused addition leaves the bytes as they were.
 */
#include "buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "utf8.h"
#include "xalloc.h"

enum { FIRST_CAP = 64 };

/* What data points at while nothing is allocated; never written. */
static char nothing[1];

void buf_init(struct buf *buf, size_t max_bytes)
{
    /* Half the address space, so that no sum below can wrap. */
    const size_t most = SIZE_MAX / 2 - 1;

    *buf = (struct buf){.data = nothing, .max = max_bytes < most ? max_bytes : most};
}

void buf_release(struct buf *buf)
{
    if (buf == NULL)
        return;
    if (buf->cap > 0)
        free(buf->data);
    buf_init(buf, buf->max);
}

void buf_clear(struct buf *buf)
{
    buf_cut(buf, 0);
    buf->overflow = false;
}

void buf_cut(struct buf *buf, size_t len)
{
    buf->len = len;
    if (buf->cap > 0)
        buf->data[len] = '\0';
}

char *buf_room(struct buf *buf, size_t size)
{
    size_t need, cap;

    if (size > buf->max - buf->len) {
        buf->overflow = true;
        return NULL;
    }
    need = buf->len + size + 1;
    if (need > buf->cap) {
        cap = buf->cap > 0 ? buf->cap * 2 : FIRST_CAP;
        if (cap < need)
            cap = need;
        if (cap > buf->max + 1)
            cap = buf->max + 1;
        buf->data = xrealloc(buf->cap > 0 ? buf->data : NULL, cap);
        buf->cap = cap;
        buf->data[buf->len] = '\0';
    }
    return buf->data + buf->len;
}

void buf_added(struct buf *buf, size_t size)
{
    buf_cut(buf, buf->len + size);
}

int buf_add(struct buf *buf, const void *data, size_t size)
{
    char *room;

    if (size == 0)
        return 0;
    room = buf_room(buf, size);
    if (room == NULL)
        return -1;
    memcpy(room, data, size);
    buf_added(buf, size);
    return 0;
}

int buf_adds(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

int buf_addc(struct buf *buf, char c)
{
    return buf_add(buf, &c, 1);
}

int buf_addf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    int result;

    va_start(arguments, format);
    result = buf_vaddf(buf, format, arguments);
    va_end(arguments);
    return result;
}

int buf_vaddf(struct buf *buf, const char *format, va_list arguments)
{
    /* Mostly there is room already, and then it is formatted only once. */
    size_t left = buf->cap > 0 ? buf->cap - buf->len : 0;
    va_list again;
    size_t size;
    char *room;
    int printed;

    va_copy(again, arguments);
    printed = vsnprintf(left > 0 ? buf->data + buf->len : NULL, left, format, again);
    va_end(again);
    if (printed >= 0 && (size_t)printed < left) {
        buf_added(buf, (size_t)printed);
        return 0;
    }
    buf_cut(buf, buf->len); /* takes back what there was room for */
    if (printed < 0) {
        buf->overflow = true;
        return -1;
    }
    size = (size_t)printed;
    room = buf_room(buf, size);
    if (room == NULL)
        return -1;
    vsnprintf(room, size + 1, format, arguments);
    buf_added(buf, size);
    return 0;
}

static int add_json_point(struct buf *buf, const char *text, size_t length, uint32_t point)
{
    static const char short_forms[] = "\b\f\n\r\t\"\\";
    static const char short_letters[] = "bfnrt\"\\";
    const char *form;

    if (point != 0 && point < 0x80 && (form = strchr(short_forms, (int)point)) != NULL)
        return buf_addf(buf, "\\%c", short_letters[form - short_forms]);
    /* DEL and C1 could stand as they are; escaped they cannot reach a terminal. */
    if (point < 0x20 || (point >= 0x7f && point < 0xa0))
        return buf_addf(buf, "\\u%04x", (unsigned)point);
    return buf_add(buf, text, length);
}

int buf_add_json(struct buf *buf, const char *text, size_t size)
{
    size_t before = buf->len;
    size_t done = 0;
    int failed = buf_addc(buf, '"');

    while (failed == 0 && done < size) {
        size_t plain = done;
        uint32_t point;
        size_t length;

        while (plain < size && text[plain] >= 0x20 && text[plain] < 0x7f && text[plain] != '"' &&
               text[plain] != '\\')
            plain++;
        failed = buf_add(buf, text + done, plain - done);
        done = plain;
        if (failed != 0 || done == size)
            continue;
        length = utf8_decode(text + done, size - done, &point);
        if (length > 0)
            failed = add_json_point(buf, text + done, length, point);
        else
            failed = buf_adds(buf, "\xef\xbf\xbd");
        done += length > 0 ? length : 1;
    }
    if (failed == 0)
        failed = buf_addc(buf, '"');
    if (failed != 0)
        buf_cut(buf, before);
    return failed;
}

char *buf_steal(struct buf *buf, size_t *size)
{
    char *data = buf->cap > 0 ? buf->data : xmemdupz("", 0);

    if (size != NULL)
        *size = buf->len;
    buf_init(buf, buf->max);
    return data;
}
