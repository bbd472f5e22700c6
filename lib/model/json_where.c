/*
 * json_where - see json_where.h
 *
 * The text is known to be right, so that values are skipped by counting brackets outside of strings.
 */
#include <stdbool.h>
#include <string.h>
#include "json_keys.h"
#include "json_where.h"

struct walk {
    const char *at, *end;
};

static void skip_blanks(struct walk *walk)
{
    while (walk->at < walk->end && strchr(" \t\r\n,:", *walk->at) && *walk->at)
        walk->at++;
}

static void skip_string(struct walk *walk)
{
    for (walk->at++; walk->at < walk->end && *walk->at != '"'; walk->at++) {
        if (*walk->at == '\\')
            walk->at++;
    }
    walk->at++;
}

static void skip_value(struct walk *walk)
{
    size_t depth = 0;

    do {
        if (*walk->at == '"') {
            skip_string(walk);
            continue;
        }
        if (*walk->at == '{' || *walk->at == '[')
            depth++;
        if (*walk->at == '}' || *walk->at == ']')
            depth--;
        walk->at++;
        /* The rest of a number or a word. */
        while (depth == 0 && walk->at < walk->end && !strchr(",]} \t\r\n", *walk->at) &&
               walk->at[-1] != '}' && walk->at[-1] != ']')
            walk->at++;
    } while (depth && walk->at < walk->end);
}

/* True where the key (its first byte behind the quote) is the next part of the pointer, `part` to `end`. */
static bool key_is(const char *key, const char *part, const char *end)
{
    struct json_cursor cursor = {.at = (const unsigned char *)key};

    for (int byte; (byte = json_cursor_next(&cursor)) >= 0; part++) {
        char c = part < end ? *part : '\0';

        if (c == '~' && part + 1 < end)
            c = *++part == '1' ? '/' : '~';
        if (part >= end || (unsigned char)c != byte)
            return false;
    }
    return part == end;
}

/* Moves to the value of that member, *line_at to its name; false where there is none. */
static bool enter_member(struct walk *walk, const char *part, const char *end, const char **line_at)
{
    for (walk->at++, skip_blanks(walk); walk->at < walk->end && *walk->at != '}'; skip_blanks(walk)) {
        const char *name = walk->at;

        skip_string(walk);
        skip_blanks(walk);
        if (key_is(name + 1, part, end)) {
            *line_at = name;
            return true;
        }
        skip_value(walk);
    }
    return false;
}

static bool enter_element(struct walk *walk, const char *part, const char *end, const char **line_at)
{
    size_t index = 0;

    for (const char *c = part; c < end; c++) {
        if (*c < '0' || *c > '9' || index > (size_t)(walk->end - walk->at))
            return false;
        index = index * 10 + (size_t)(*c - '0');
    }
    for (walk->at++, skip_blanks(walk); walk->at < walk->end && *walk->at != ']'; skip_blanks(walk)) {
        if (index-- == 0) {
            *line_at = walk->at;
            return true;
        }
        skip_value(walk);
    }
    return false;
}

size_t json_where(const char *text, size_t size, const char *pointer)
{
    struct walk walk = {.at = text, .end = text + size};
    const char *line_at;
    size_t line = 1;

    skip_blanks(&walk);
    line_at = walk.at;
    while (*pointer == '/') {
        const char *part = ++pointer;

        pointer += strcspn(pointer, "/");
        if (walk.at >= walk.end || (*walk.at != '{' && *walk.at != '['))
            break;
        if (!(*walk.at == '{' ? enter_member : enter_element)(&walk, part, pointer, &line_at))
            break;
    }
    for (const char *c = text; c < line_at; c++)
        line += *c == '\n';
    return line;
}
