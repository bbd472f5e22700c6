/*
 * xml_bytes - see xml_bytes.h
 *
 * Hard rule: what libxml2 would count as an attribute is counted here, whatever it makes of the text before
 * it. So comments and CDATA are not looked for: after a mistake the two could disagree where one ends. Every
 * start tag has its own '<', and none goes on past what ends it here.
 */
#include "xml_bytes.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "text.h"

enum {
    HEAD_SIZE = 200,        /* characters in which an XML declaration ends */
    ENCODING_NAME_MAX = 40, /* bytes of a name of an encoding, in a fault */
    NOT_ASCII = 1           /* in place of all that is not, and of NUL: no markup has it */
};

/* The characters of a text, of one byte or two. */
struct characters {
    const unsigned char *at, *end;
    int width;
    int high; /* which of the two bytes is the upper one */
};

/* As libxml2 guesses it; false: as what we do not take. */
static bool begin(struct characters *characters, const char *text, size_t size)
{
    *characters = (struct characters){(const unsigned char *)text, (const unsigned char *)text + size, 1, 0};
    if (size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
        characters->width = 2;
        characters->high = text[0] == '\xff';
        characters->at += 2;
    } else if (size >= 4 && memcmp(text, "<\0?\0", 4) == 0) {
        characters->width = 2;
        characters->high = 1;
    } else if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        characters->at += 3;
    } else if (size > 0 && (!text[0] || (text[0] != '<' && !strchr("\t\r\n \xef\xfe\xff", text[0])))) {
        return false;
    } else if (size > 1 && !text[1]) {
        return false; /* four bytes each */
    }
    return true;
}

/* False at the end. */
static bool next(struct characters *characters, char *character)
{
    const unsigned char *at = characters->at;
    const int width = characters->width;

    if (characters->end - at < width)
        return false;
    const unsigned char low = width == 1 ? at[0] : at[!characters->high];
    const bool is_ascii = low && low < 0x80 && (width == 1 || !at[characters->high]);
    *character = is_ascii ? (char)low : NOT_ASCII;
    characters->at += width;
    return true;
}

/* --- the declaration ----------------------------------------------------------------------------------- */

static int check_encoding(struct characters characters, struct fault *fault)
{
    /* In UTF-16 libxml2 changes over for all but the first two. */
    static const char *const taken[] = {"utf-8", "utf-16", "iso-8859-1", "us-ascii", "windows-1252"};
    const size_t count = characters.width == 2 ? 2 : sizeof taken / sizeof *taken;
    char head[HEAD_SIZE] = "", name[ENCODING_NAME_MAX] = "";

    for (size_t i = 0; i < sizeof head - 1 && next(&characters, &head[i]); i++)
        continue;
    if (strncmp(head, "<?xml", 5) != 0 || !head[5] || !strchr("\t\r\n ", head[5]))
        return 0;
    char *end = strstr(head, "?>");
    if (!end)
        return fault_set(fault, FAULT_INPUT, "line 1: an XML declaration of more than %d characters",
                         HEAD_SIZE - 1);
    *end = '\0';
    const char *at = strstr(head, "encoding");
    if (!at)
        return 0;
    at += strcspn(at, "\"'");
    if (*at)
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 1, "\"'"), at + 1);
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(name, taken[i]) == 0)
            return 0;
    return fault_set(fault, FAULT_INPUT, "line 1: the encoding '%s' is not taken", text_printable(name));
}

/* --- attributes ---------------------------------------------------------------------------------------- */

enum place { IN_TEXT, BEHIND_OPENING, IN_TAG, BEFORE_VALUE, IN_VALUE, BEHIND_VALUE };

struct scan {
    enum place place;
    char quote;     /* of the value */
    int attributes; /* since the last '<' */
    int line;
};

static bool is_blank(char character)
{
    return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

/* A '"' or '\'' opens a value behind '=' alone, and a blank comes behind a value: else the tag has ended. */
static enum place place_behind(const struct scan *scan, char character)
{
    const bool is_quote = character == '"' || character == '\'';

    switch (scan->place) {
    case IN_TEXT:
        return IN_TEXT;
    case BEHIND_OPENING:
        return strchr("!?/", character) ? IN_TEXT : IN_TAG;
    case IN_TAG:
        return is_quote || character == '>' ? IN_TEXT : character == '=' ? BEFORE_VALUE : IN_TAG;
    case BEFORE_VALUE:
        return is_quote ? IN_VALUE : is_blank(character) ? BEFORE_VALUE : IN_TEXT;
    case IN_VALUE:
        return character == scan->quote ? BEHIND_VALUE : IN_VALUE;
    case BEHIND_VALUE:
        return is_blank(character) ? IN_TAG : IN_TEXT;
    }
    return IN_TEXT;
}

static int check_attributes(struct characters characters, struct fault *fault)
{
    struct scan scan = {.line = 1};
    char character;

    while (next(&characters, &character)) {
        scan.line += character == '\n';
        if (character == '<') {
            scan.place = BEHIND_OPENING;
            scan.attributes = 0;
            continue;
        }
        const enum place place = place_behind(&scan, character);
        if (place == IN_VALUE && scan.place == BEFORE_VALUE) {
            scan.quote = character;
            if (++scan.attributes > XML_ATTRIBUTES_MAX)
                return fault_set(fault, FAULT_INPUT, "line %d: an element of more than %d attributes",
                                 scan.line, XML_ATTRIBUTES_MAX);
        }
        scan.place = place;
    }
    return 0;
}

int xml_bytes_check(const char *text, size_t size, struct fault *fault)
{
    struct characters characters;

    if (!begin(&characters, text, size))
        return fault_set(fault, FAULT_INPUT, "this is no XML: it does not begin with '<'");
    if (check_encoding(characters, fault))
        return -1;
    return check_attributes(characters, fault);
}
