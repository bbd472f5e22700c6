/*
 * placeholders - {tenant_id} and the others in endpoints, headers, paths and arguments
 *
 * A pattern is a run of pieces: literal text, or one placeholder. Check and expansion walk the same pieces.
 */
#include <ctype.h>
#include "placeholders.h"
#include "destination.h"
#include "text.h"

struct placeholder {
    const char *name;
    size_t value_at; /* offset of its value in struct placeholders */
    bool is_secret;
};

#define VALUE(member) offsetof(struct placeholders, member)
static const struct placeholder known[] = {
    {"tenant_id", VALUE(tenant_id), false},
    {"distribution_id", VALUE(distribution_id), false},
    {"delivery_id", VALUE(delivery_id), false},
    {"data_type", VALUE(data_type), false},
    {"date", VALUE(date), false},
    {"token", VALUE(token), true},
    {"username", VALUE(username), true},
    {"password", VALUE(password), true},
    {"secret", VALUE(password), true},
};
enum { KNOWN_COUNT = sizeof known / sizeof *known, NAME_SIZE = 40 };

struct piece {
    const char *text; /* literal bytes, or the name of a placeholder */
    size_t size;
    const struct placeholder *placeholder; /* NULL: literal */
};

static int fail_unknown(const char *name, struct fault *fault)
{
    const char *names[KNOWN_COUNT];
    for (size_t i = 0; i < KNOWN_COUNT; i++)
        names[i] = known[i].name;
    const char *nearest = text_nearest(name, names, KNOWN_COUNT);
    if (nearest)
        return fault_set(fault, FAULT_INPUT, "unknown placeholder {%s}; did you mean {%s}?", name, nearest);
    return fault_set(fault, FAULT_INPUT, "unknown placeholder {%s}; \"{{\" is a brace", name);
}

/* The placeholder whose opening brace is at `text`. */
static int read_placeholder(const char *text, struct piece *piece, struct fault *fault)
{
    const char *end = strchr(text, '}');
    if (!end)
        return fault_set(fault, FAULT_INPUT, "a '{' without '}'; \"{{\" is a brace");
    piece->text = text + 1;
    piece->size = (size_t)(end - text) - 1;
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (strlen(known[i].name) == piece->size && memcmp(known[i].name, piece->text, piece->size) == 0) {
            piece->placeholder = &known[i];
            return 0;
        }
    }
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%.*s", piece->size < NAME_SIZE ? (int)piece->size : NAME_SIZE, piece->text);
    return fail_unknown(text_printable(name), fault);
}

/* Takes one piece off the pattern: 1, or 0 at its end, or -1 (class INPUT). */
static int next_piece(const char **pattern, struct piece *piece, struct fault *fault)
{
    const char *text = *pattern;
    *piece = (struct piece){.text = text};
    if (*text == 0)
        return 0;
    if (*text != '{') {
        piece->size = strcspn(text, "{");
        *pattern += piece->size;
    } else if (text[1] == '{') {
        piece->size = 1;
        *pattern += 2;
    } else {
        if (read_placeholder(text, piece, fault))
            return -1;
        *pattern += piece->size + 2;
    }
    return 1;
}

static int check(const char *pattern, bool is_public, const char *path, struct fault *fault)
{
    struct piece piece;
    int result;
    while ((result = next_piece(&pattern, &piece, fault)) > 0) {
        if (is_public && piece.placeholder && piece.placeholder->is_secret)
            return fault_set(fault, FAULT_INPUT,
                             "%s: {%s} is not taken here, where logs and process lists show it; "
                             "secrets belong into \"headers\"",
                             path, piece.placeholder->name);
    }
    return result ? fault_wrap(fault, "%s", path) : 0;
}

bool placeholders_present(const char *pattern)
{
    struct piece piece;

    while (next_piece(&pattern, &piece, NULL) > 0)
        if (piece.placeholder)
            return true;
    return false;
}

int placeholders_check(const char *pattern, const char *path, struct fault *fault)
{
    return check(pattern, false, path, fault);
}

int placeholders_check_public(const char *pattern, const char *path, struct fault *fault)
{
    return check(pattern, true, path, fault);
}

static bool is_control(unsigned char c)
{
    return c < ' ' || c == 0x7f;
}

/* An empty value would let the text around it meet: "/in/.{x}./" must not become "/in/../". */
static void add_path(struct buf *out, const char *value)
{
    if (*value == 0 || *value == '.')
        buf_addc(out, '_');
    for (const char *c = *value == '.' ? value + 1 : value; *c; c++)
        buf_addc(out, *c == '/' || is_control((unsigned char)*c) ? '_' : *c);
}

static int add_value(struct buf *out, const struct placeholder *placeholder, const char *value,
                     enum placeholder_escape escape, struct fault *fault)
{
    if (!value)
        return fault_set(fault, placeholder->is_secret ? FAULT_DENIED : FAULT_CONFIG, "{%s} has no value%s",
                         placeholder->name,
                         placeholder->is_secret ? ": \"credentials\" are missing or hold none" : "");
    if (escape == ESCAPE_URL) {
        text_add_url(out, value, "");
    } else if (escape == ESCAPE_PATH) {
        add_path(out, value);
    } else {
        for (const char *c = value; *c; c++)
            if (is_control((unsigned char)*c))
                return fault_set(fault, FAULT_CONFIG, "the value of {%s} has a control character in it",
                                 placeholder->name);
        buf_adds(out, value);
    }
    return 0;
}

int placeholders_expand(const char *pattern, const struct placeholders *values,
                        enum placeholder_escape escape, struct buf *out, struct fault *fault)
{
    const size_t start = out->len;
    struct piece piece;
    int result;
    while ((result = next_piece(&pattern, &piece, fault)) > 0) {
        if (!piece.placeholder) {
            buf_add(out, piece.text, piece.size);
            continue;
        }
        const char *value = *(const char *const *)((const char *)values + piece.placeholder->value_at);
        result = add_value(out, piece.placeholder, value, escape, fault);
        if (result < 0)
            break;
    }
    if (result == 0 && out->overflow)
        result =
            fault_set(fault, FAULT_INPUT, "longer than %zu bytes with its placeholders filled in", out->max);
    if (result < 0)
        buf_cut(out, start);
    return result;
}
