/*
 * paths - see paths.h
 */
#include "paths.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "num.h"
#include "text.h"
#include "xalloc.h"

enum {
    NAME_SHOWN = 60,    /* bytes of a name in a fault */
    POINTER_SHOWN = 500 /* bytes of a pointer in a fault: the message must have room behind it */
};

static int add_part(struct path *path, size_t *used, const char *text, size_t size, bool is_pointer,
                    struct fault *fault)
{
    if (path->count == PATH_PARTS_MAX)
        return fault_set(fault, FAULT_INPUT, "a path has at most %d parts", PATH_PARTS_MAX);
    path->starts[path->count++] = *used;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (is_pointer && c == '~') {
            if (i + 1 == size || (text[i + 1] != '0' && text[i + 1] != '1'))
                return fault_set(fault, FAULT_INPUT, "a '~' in a pointer is written \"~0\", a '/' \"~1\"");
            c = text[++i] == '0' ? '~' : '/';
        }
        path->names[(*used)++] = c;
    }
    path->names[(*used)++] = '\0';
    return 0;
}

static int parse_parts(const char *text, size_t size, struct path *path, struct fault *fault)
{
    const bool is_pointer = text[0] == '/';
    const char mark = is_pointer ? '/' : '.';
    const char *at = text + is_pointer, *end = text + size;
    size_t used = 0;

    if (size == 1 && text[0] == '.')
        return 0;
    for (;;) {
        const char *next = memchr(at, mark, (size_t)(end - at));
        size_t part = (size_t)((next ? next : end) - at);
        if (part == 0 && !is_pointer)
            return fault_set(fault, FAULT_INPUT, "a name is missing between the dots of a path");
        if (add_part(path, &used, at, part, is_pointer, fault))
            return -1;
        if (!next)
            return 0;
        at = next + 1;
    }
}

int path_parse(const char *text, size_t size, struct path *path, struct fault *fault)
{
    *path = (struct path){0};
    if (size == 0)
        return fault_set(fault, FAULT_INPUT, "a path is missing; \".\" is the whole value");
    if (size > PATH_BYTES_MAX)
        return fault_set(fault, FAULT_INPUT, "a path has at most %d bytes", PATH_BYTES_MAX);
    /* A part needs the byte of its mark for its NUL, and the first part one more. */
    path->names = xmalloc(size + 1);
    if (parse_parts(text, size, path, fault) == 0)
        return 0;
    path_release(path);
    return -1;
}

void path_release(struct path *path)
{
    free(path->names);
    *path = (struct path){0};
}

const char *path_part(const struct path *path, size_t index)
{
    return path->names + path->starts[index];
}

static json_t *get_element(const json_t *array, const char *part)
{
    int64_t index;
    if (!isdigit((unsigned char)part[0]) || (part[0] == '0' && part[1]) ||
        num_parse_int(part, 0, INT64_C(1) << 40, &index, NULL))
        return NULL;
    return json_array_get(array, (size_t)index);
}

json_t *path_get(const struct path *path, const json_t *value)
{
    /* The caller's value is only read; jansson's getters give what can be changed. */
    json_t *at = (json_t *)value;
    for (size_t i = 0; at && i < path->count; i++) {
        const char *part = path_part(path, i);
        at = json_is_array(at) ? get_element(at, part) : json_object_get(at, part);
    }
    return at;
}

static void add_place(struct buf *out, const struct place *place)
{
    char cut[NAME_SHOWN];

    if (!place->up)
        return;
    add_place(out, place->up);
    if (!place->name) {
        buf_addf(out, "/%zu", place->index);
        return;
    }
    text_copy(cut, sizeof cut, place->name);
    buf_addc(out, '/');
    for (const char *c = cut; *c; c++) {
        if (*c == '~' || *c == '/')
            buf_adds(out, *c == '~' ? "~0" : "~1");
        else
            buf_addc(out, *c);
    }
}

int place_fail(const struct place *place, struct fault *fault, const char *format, ...)
{
    va_list arguments;
    struct buf text;
    char pointer[POINTER_SHOWN];

    buf_init(&text, sizeof fault->text * 100);
    add_place(&text, place);
    text_copy(pointer, sizeof pointer, text.data);
    buf_clear(&text);
    va_start(arguments, format);
    buf_vaddf(&text, format, arguments);
    va_end(arguments);
    fault_set(fault, FAULT_INPUT, "%s%s%s", text_printable(pointer), *pointer ? ": " : "",
              text_printable(text.data));
    buf_release(&text);
    return -1;
}
