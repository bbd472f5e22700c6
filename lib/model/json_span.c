/*
 * json_span - see json_span.h
 */
#include "json_span.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include "json_keys.h"
#include "num.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\';
    return at < end ? at + 1 : end;
}

/* Brackets are counted, whatever their kind: they match, or the text would not have passed. */
static const char *skip_value(const char *at, const char *end)
{
    size_t depth = 0;

    do {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
        if (depth == 0) /* behind a bracket that closes, or in a number or a word */
            while (at < end && !is_blank(*at) && !strchr(",]}", *at))
                at++;
    } while (depth > 0 && at < end);
    return at;
}

struct json_span json_span_of(const char *text, size_t size)
{
    const char *at = skip_blanks(text, text + size), *end = text + size;

    while (end > at && is_blank(end[-1]))
        end--;
    return (struct json_span){at, (size_t)(end - at)};
}

struct json_walk json_walk_begin(struct json_span value)
{
    const char *end = value.at + value.size;

    if (value.size < 2 || (*value.at != '{' && *value.at != '['))
        return (struct json_walk){end, end, false};
    return (struct json_walk){value.at + 1, end - 1, *value.at == '{'};
}

bool json_walk_next(struct json_walk *walk, struct json_span *name, struct json_span *value)
{
    const char *at = skip_blanks(walk->at, walk->end);

    *name = (struct json_span){0};
    if (at < walk->end && *at == ',')
        at = skip_blanks(at + 1, walk->end);
    if (at >= walk->end)
        return false;
    if (walk->is_object) {
        name->at = at;
        at = skip_string(at, walk->end);
        name->size = (size_t)(at - name->at);
        at = skip_blanks(skip_blanks(at, walk->end) + 1, walk->end); /* the colon */
    }
    value->at = at;
    walk->at = skip_value(at, walk->end);
    value->size = (size_t)(walk->at - at);
    return true;
}

bool json_span_says(struct json_span string, const char *text)
{
    struct json_cursor cursor = {.at = (const unsigned char *)string.at + 1};

    for (;; text++) {
        int byte = json_cursor_next(&cursor);
        if (byte < 0 || byte != (unsigned char)*text)
            return byte < 0 && *text == '\0';
    }
}

/* An index without leading zeros; -1: it is none. */
static int64_t index_of(const char *part)
{
    int64_t index;

    if (!isdigit((unsigned char)part[0]) || (part[0] == '0' && part[1]) ||
        num_parse_int(part, 0, INT64_C(1) << 40, &index, NULL))
        return -1;
    return index;
}

static struct json_span get_part(struct json_span from, const char *part)
{
    struct json_walk walk = json_walk_begin(from);
    struct json_span name, value;
    int64_t wanted = walk.is_object ? -1 : index_of(part);

    for (int64_t i = 0; (walk.is_object || i <= wanted) && json_walk_next(&walk, &name, &value); i++)
        if (walk.is_object ? json_span_says(name, part) : i == wanted)
            return value;
    return (struct json_span){0};
}

struct json_span json_span_get(struct json_span value, const struct path *path)
{
    for (size_t i = 0; value.at && i < path->count; i++)
        value = get_part(value, path_part(path, i));
    return value;
}
