/*
 * xalloc - the place where the process ends for want of memory, so that no caller needs an untested way out.
 * Hard rule: the way out itself allocates nothing.
 */
#include "xalloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_SYSTEM = 71 };

static _Noreturn void out_of_memory(void)
{
    char line[128];
    int len = snprintf(line, sizeof(line), "%.64s: out of memory\n", program_invocation_short_name);

    if (write(STDERR_FILENO, line, (size_t)len) < 0)
        _exit(EXIT_SYSTEM);
    _exit(EXIT_SYSTEM);
}

void *xmalloc(size_t size)
{
    void *pointer = malloc(size > 0 ? size : 1);

    if (pointer == NULL)
        out_of_memory();
    return pointer;
}

void *xcalloc(size_t count, size_t size)
{
    void *pointer = count > 0 && size > 0 ? calloc(count, size) : calloc(1, 1);

    if (pointer == NULL)
        out_of_memory();
    return pointer;
}

void *xrealloc(void *pointer, size_t size)
{
    void *moved = realloc(pointer, size > 0 ? size : 1);

    if (moved == NULL)
        out_of_memory();
    return moved;
}

void *xreallocarray(void *pointer, size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size)
        out_of_memory();
    return xrealloc(pointer, count * size);
}

char *xstrdup(const char *text)
{
    return xmemdupz(text, strlen(text));
}

char *xstrdup_null(const char *text)
{
    return text == NULL ? NULL : xstrdup(text);
}

char *xmemdupz(const void *data, size_t size)
{
    char *copy;

    if (size == SIZE_MAX)
        out_of_memory();
    copy = xmalloc(size + 1);
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

char *xasprintf(const char *format, ...)
{
    va_list arguments;
    char *text;
    int len;

    va_start(arguments, format);
    len = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (len < 0)
        out_of_memory();
    return text;
}

char *xconcat_all(const char *const *texts)
{
    size_t size = 0;
    char *all, *at;

    for (size_t i = 0; texts[i]; i++)
        size += strlen(texts[i]);
    all = at = xmalloc(size + 1);
    for (size_t i = 0; texts[i]; i++)
        at = stpcpy(at, texts[i]);
    *at = '\0';
    return all;
}
