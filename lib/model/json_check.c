/*
 * json_check - one pass over a JSON text that builds nothing
 *
 * Recursive descent, never deeper than LIMIT_JSON_DEPTH. Each open array and object is a struct level on the
 * C stack; the levels are the JSON pointer, so a pointer costs nothing until there is a mistake to report.
 *
 * The one hard rule: time is linear in the size whatever the text holds, because anyone may send one.
 */
#include <ctype.h>
#include "json.h"
#include "json_keys.h"
#include "ceilings.h"
#include "text.h"

enum {
    POINTER_SIZE = 300, /* of the pointer in a fault; what is longer is cut */
    POINTER_KEY = 60,   /* bytes of one key in it */
};

/* An open array or object. */
struct level {
    const struct level *parent;
    bool is_object;
    bool has_key;  /* of an object: key_at is set */
    size_t key_at; /* the key whose value is being read */
    size_t index;  /* of an array: the element being read */
    struct json_key_set keys;
};

struct scan {
    const unsigned char *text;
    size_t size, at;
    const struct level *top;
    int depth;
    struct json_keys keys;
    size_t values;
    struct json_members *members;
    struct fault *fault;
};

static int scan_value(struct scan *scan);

/* A key with its escapes resolved, cut where it is long; `escaped` as a part of a JSON pointer. */
static void pointer_add_key(struct buf *out, const unsigned char *key, bool escaped)
{
    struct json_cursor cursor = {.at = key};
    int byte;
    for (int count = 0; (byte = json_cursor_next(&cursor)) >= 0; count++) {
        if (count >= POINTER_KEY && (byte & 0xc0) != 0x80) {
            buf_adds(out, "...");
            return;
        }
        if (escaped && (byte == '~' || byte == '/'))
            buf_adds(out, byte == '~' ? "~0" : "~1");
        else
            buf_addc(out, (char)byte);
    }
}

static void pointer_add(struct buf *out, const struct scan *scan)
{
    const struct level *levels[LIMIT_JSON_DEPTH];
    int count = 0;
    for (const struct level *level = scan->top; level; level = level->parent)
        levels[count++] = level;
    while (count-- > 0) {
        const struct level *level = levels[count];
        if (level->is_object && !level->has_key)
            continue;
        if (out->len > POINTER_SIZE) {
            buf_adds(out, "/...");
            return;
        }
        buf_addc(out, '/');
        if (level->is_object)
            pointer_add_key(out, scan->text + level->key_at, true);
        else
            buf_addf(out, "%zu", level->index);
    }
}

/* "line 3, column 14: /payload/rows/2/id: " and the message; columns count characters. */
__attribute__((format(printf, 3, 4))) static int scan_fail(const struct scan *scan, size_t at,
                                                           const char *format, ...)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        if (scan->text[i] == '\n') {
            line++;
            column = 1;
        } else if ((scan->text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    struct buf text;
    buf_init(&text, 4096);
    buf_addf(&text, "line %zu, column %zu: ", line, column);
    size_t pointer_at = text.len;
    pointer_add(&text, scan);
    if (text.len > pointer_at)
        buf_adds(&text, ": ");
    va_list arguments;
    va_start(arguments, format);
    buf_vaddf(&text, format, arguments);
    va_end(arguments);
    text_printable(text.data);
    fault_set(scan->fault, FAULT_INPUT, "%s", text.data);
    buf_release(&text);
    return -1;
}

static int scan_unexpected(const struct scan *scan, const char *wanted)
{
    if (scan->at >= scan->size)
        return scan_fail(scan, scan->size, "the text ends where %s is wanted", wanted);
    unsigned char c = scan->text[scan->at];
    if (c > ' ' && c < 0x7f)
        return scan_fail(scan, scan->at, "%s is wanted, not '%c'", wanted, c);
    return scan_fail(scan, scan->at, "%s is wanted, not the byte 0x%02x", wanted, c);
}

/* The byte at the scan's place, or 0 at the end: a NUL fits nowhere either. */
static unsigned char scan_peek(const struct scan *scan)
{
    return scan->at < scan->size ? scan->text[scan->at] : 0;
}

static unsigned char scan_skip_blanks(struct scan *scan)
{
    while (scan->at < scan->size) {
        unsigned char c = scan->text[scan->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return c;
        scan->at++;
    }
    return 0;
}

static bool scan_is_unit(const struct scan *scan, size_t at)
{
    if (scan->size - at < 6 || scan->text[at] != '\\' || scan->text[at + 1] != 'u')
        return false;
    for (size_t i = at + 2; i < at + 6; i++)
        if (!isxdigit(scan->text[i]))
            return false;
    return true;
}

/* \uXXXX at the scan's place, with its second half where it is the first of a surrogate pair. */
static int scan_unicode_escape(struct scan *scan)
{
    size_t at = scan->at;
    if (!scan_is_unit(scan, at))
        return scan_fail(scan, at, "four hexadecimal digits are wanted behind \\u");
    unsigned unit = json_hex_unit(scan->text + at + 2);
    if (unit == 0)
        return scan_fail(scan, at, "a NUL (\\u0000) is not taken");
    scan->at += 6;
    if (unit < 0xd800 || unit > 0xdfff)
        return 0;
    unsigned low =
        unit < 0xdc00 && scan_is_unit(scan, scan->at) ? json_hex_unit(scan->text + scan->at + 2) : 0;
    if (low < 0xdc00 || low > 0xdfff)
        return scan_fail(scan, at, "half of a surrogate pair (\\u%04x) stands alone", unit);
    scan->at += 6;
    return 0;
}

/* A string whose opening quote is at the scan's place; afterwards the place is behind the closing one. */
static int scan_string(struct scan *scan)
{
    size_t start = ++scan->at, bad;
    unsigned char seen = 0;
    for (;;) {
        const unsigned char *at = scan->text + scan->at, *end = scan->text + scan->size;
        while (at < end && *at >= ' ' && *at != '"' && *at != '\\')
            seen |= *at++;
        scan->at = (size_t)(at - scan->text);
        if (at == end)
            return scan_fail(scan, scan->size, "the text ends inside a string");
        unsigned char c = scan->text[scan->at];
        if (c == '"')
            break;
        if (c != '\\')
            return scan_fail(scan, scan->at, "the control character 0x%02x in a string must be escaped", c);
        unsigned char escaped = scan->at + 1 < scan->size ? scan->text[scan->at + 1] : 0;
        if (escaped == 'u') {
            if (scan_unicode_escape(scan))
                return -1;
        } else if (escaped && strchr("\"\\/bfnrt", escaped)) {
            scan->at += 2;
        } else {
            return scan_fail(scan, scan->at, "no escape begins with this backslash");
        }
    }
    if (seen >= 0x80 && !text_is_utf8((const char *)scan->text + start, scan->at - start, &bad))
        return scan_fail(scan, start + bad, "the byte 0x%02x is not UTF-8", scan->text[start + bad]);
    scan->at++;
    return 0;
}

static int scan_digits(struct scan *scan)
{
    if (!isdigit(scan_peek(scan)))
        return scan_unexpected(scan, "a digit");
    while (isdigit(scan_peek(scan)))
        scan->at++;
    return 0;
}

static int scan_number(struct scan *scan)
{
    if (scan_peek(scan) == '-')
        scan->at++;
    if (scan_peek(scan) == '0') {
        scan->at++;
        if (isdigit(scan_peek(scan)))
            return scan_fail(scan, scan->at, "a number does not begin with 0");
    } else if (scan_digits(scan)) {
        return -1;
    }
    if (scan_peek(scan) == '.') {
        scan->at++;
        if (scan_digits(scan))
            return -1;
    }
    if (scan_peek(scan) == 'e' || scan_peek(scan) == 'E') {
        scan->at++;
        if (scan_peek(scan) == '+' || scan_peek(scan) == '-')
            scan->at++;
        return scan_digits(scan);
    }
    return 0;
}

static int scan_word(struct scan *scan, const char *word)
{
    size_t size = strlen(word);
    if (scan->size - scan->at < size || memcmp(scan->text + scan->at, word, size) != 0)
        return scan_unexpected(scan, "a value");
    scan->at += size;
    return 0;
}

/* The key at `at` joins its object. */
static int level_add_key(struct level *level, struct scan *scan, size_t at)
{
    level->key_at = at;
    level->has_key = true;
    if (json_keys_add(&scan->keys, &level->keys, at))
        return 0;
    struct buf name;
    buf_init(&name, 4 * (size_t)POINTER_KEY);
    pointer_add_key(&name, scan->text + at, false);
    scan_fail(scan, at - 1, "the key '%s' appears twice", name.data);
    buf_release(&name);
    return -1;
}

/* One "key": value, with the scan at the quote. */
static int scan_member(struct scan *scan, struct level *level)
{
    struct json_member member = {.name_at = scan->at + 1};
    level->has_key = false;
    if (scan_peek(scan) != '"')
        return scan_unexpected(scan, "a key in double quotes");
    if (scan_string(scan))
        return -1;
    member.name_size = scan->at - 1 - member.name_at;
    if (level_add_key(level, scan, member.name_at))
        return -1;
    if (scan_skip_blanks(scan) != ':')
        return scan_unexpected(scan, "':'");
    scan->at++;
    scan_skip_blanks(scan);
    member.value_at = scan->at;
    if (scan_value(scan))
        return -1;
    member.value_size = scan->at - member.value_at;
    struct json_members *members = scan->members;
    if (members && !level->parent && members->count < JSON_MEMBERS_MAX)
        members->items[members->count++] = member;
    return 0;
}

static int scan_element(struct scan *scan, struct level *level)
{
    (void)level;
    return scan_value(scan);
}

/* The items of an array or object up to its end, with the scan behind its opening bracket. */
static int scan_items(struct scan *scan, struct level *level, unsigned char end)
{
    int (*item)(struct scan *, struct level *) = level->is_object ? scan_member : scan_element;
    if (scan_skip_blanks(scan) == end) {
        scan->at++;
        return 0;
    }
    for (;; level->index++) {
        scan_skip_blanks(scan);
        if (item(scan, level))
            return -1;
        unsigned char c = scan_skip_blanks(scan);
        if (c != end && c != ',') {
            level->has_key = false;
            return scan_unexpected(scan, level->is_object ? "',' or '}'" : "',' or ']'");
        }
        scan->at++;
        if (c == end)
            return 0;
    }
}

static int scan_nested(struct scan *scan, bool is_object)
{
    if (scan->depth == LIMIT_JSON_DEPTH)
        return scan_fail(scan, scan->at, "nested deeper than %d levels", LIMIT_JSON_DEPTH);
    struct level level = {.parent = scan->top, .is_object = is_object};
    json_keys_open(&scan->keys, &level.keys);
    scan->at++;
    scan->depth++;
    scan->top = &level;
    int result = scan_items(scan, &level, is_object ? '}' : ']');
    scan->top = level.parent;
    scan->depth--;
    json_keys_close(&scan->keys, &level.keys);
    return result;
}

static int scan_value(struct scan *scan)
{
    unsigned char c = scan_peek(scan);
    scan->values++;
    switch (c) {
    case '{':
    case '[':
        return scan_nested(scan, c == '{');
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        return c == '-' || isdigit(c) ? scan_number(scan) : scan_unexpected(scan, "a value");
    }
}

int json_check(const char *text, size_t size, struct json_members *members, struct fault *fault)
{
    struct scan scan = {
        .text = (const unsigned char *)text, .size = size, .members = members, .fault = fault};
    scan.keys.text = scan.text;
    if (members) {
        members->count = members->values = 0;
        members->is_object = false;
    }
    if (size > UINT32_MAX)
        return fault_set(fault, FAULT_INPUT, "a JSON text of more than 4 GiB is not taken");
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return scan_fail(&scan, 0, "a byte order mark does not belong into JSON");
    unsigned char first = scan_skip_blanks(&scan);
    int result = scan_value(&scan);
    if (result == 0 && scan_skip_blanks(&scan) == 0 && scan.at == size) {
        if (members) {
            members->is_object = first == '{';
            members->values = scan.values;
        }
    } else if (result == 0) {
        result = scan_unexpected(&scan, "the end of the text");
    }
    json_keys_release(&scan.keys);
    return result;
}

const struct json_member *json_member(const char *text, const struct json_members *members, const char *name)
{
    for (size_t i = 0; i < members->count; i++) {
        struct json_cursor cursor = {.at = (const unsigned char *)text + members->items[i].name_at};
        const unsigned char *byte = (const unsigned char *)name;
        int c;
        while ((c = json_cursor_next(&cursor)) >= 0 && c == *byte)
            byte++;
        if (c < 0 && *byte == 0)
            return &members->items[i];
    }
    return NULL;
}
