/*
 * parts - see parts.h
 */
#include "parts.h"
#include <string.h>
#include "json.h"
#include "xalloc.h"

void parts_split(struct parts *parts, size_t count, const uint8_t *data, size_t size)
{
    const uint8_t *at = data, *end = data + size;

    *parts = (struct parts){0};
    for (size_t i = 0; i < count; i++) {
        const uint8_t *line = i + 1 < count && at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        const size_t part = (size_t)((line ? line : end) - at);
        parts->items[i].text = xmalloc(part);
        if (part)
            memcpy(parts->items[i].text, at, part);
        parts->items[i].size = part;
        at += part + (line != NULL);
    }
}

void parts_release(struct parts *parts)
{
    for (size_t i = 0; i < PARTS_MAX; i++)
        free(parts->items[i].text);
}

json_t *parts_json(const struct parts *parts, size_t index)
{
    return json_read(parts->items[index].text, parts->items[index].size, NULL);
}

char *parts_string(const struct parts *parts, size_t index)
{
    return xmemdupz(parts->items[index].text, parts->items[index].size);
}
