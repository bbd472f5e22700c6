/*
 * xalloc - memory, or the end of the process
 *
 * Out of memory ends the process with exit code 71 and one line on stderr: what is not acknowledged comes
 * back by itself (dist-internals(7)). Every size that others control is bounded before it gets here.
 * The result is the caller's, to be given to free(). A size of zero returns a pointer that can be freed.
 */
#ifndef DIST_XALLOC_H
#define DIST_XALLOC_H

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *pointer, size_t size) __attribute__((returns_nonnull));
/* Room for `count` elements of `size`; the product is checked for overflow. */
void *xreallocarray(void *pointer, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull, nonnull(1)));
/* NULL stays NULL. */
char *xstrdup_null(const char *text);
/* `size` bytes and a NUL behind them. */
char *xmemdupz(const void *data, size_t size) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *format, ...) __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));
/* The texts one behind the other; cheaper than xasprintf(). The function takes an array of them with NULL at
 * its end. */
#define xconcat(...) xconcat_all((const char *const[]){__VA_ARGS__, NULL})
char *xconcat_all(const char *const *texts) __attribute__((malloc, returns_nonnull, nonnull(1)));

#endif
