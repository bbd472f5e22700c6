/*
 * buf - a growing run of bytes with a ceiling
 *
 * A buffer is created with the most bytes it may ever hold. An addition that would pass the ceiling adds
 * nothing, returns -1 and sets `overflow`, which stays set until buf_clear(): a writer may add many pieces
 * and ask once at the end. `data` always has a NUL behind its `len` bytes and is never NULL.
 */
#ifndef DIST_BUF_H
#define DIST_BUF_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

struct buf {
    char *data; /* owned by the buffer; moves when the buffer grows */
    size_t len;
    size_t cap; /* bytes allocated; 0 while data points at a static empty string */
    size_t max;
    bool overflow;
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_release(struct buf *buf); /* NULL and zeroed memory are fine; the buffer is empty afterwards */
void buf_clear(struct buf *buf);   /* len 0, overflow off; keeps its memory */
void buf_cut(struct buf *buf, size_t len); /* shortens to len, which is not more than buf->len */

/* What is added must not lie in the buffer itself, which may move. */
int buf_add(struct buf *buf, const void *data, size_t size);
int buf_adds(struct buf *buf, const char *text);
int buf_addc(struct buf *buf, char c);
int buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vaddf(struct buf *buf, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
/*
 * `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD each, and control
 * characters, DEL and C1 among them, are escaped.
 */
int buf_add_json(struct buf *buf, const char *text, size_t size);
/*
 * Room for `size` more bytes at data + len, for a read(); NULL (and `overflow`) past the ceiling. Then
 * buf_added().
 */
char *buf_room(struct buf *buf, size_t size);
void buf_added(struct buf *buf, size_t size);
/* The bytes, now the caller's to free(); the buffer is empty afterwards. */
char *buf_steal(struct buf *buf, size_t *size);

#endif
