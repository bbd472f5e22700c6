/*
 * paths: a path, a value, a template, a pattern with placeholders. A path is what its parts make of it; what
 * a filter of a template lets out cannot leave its place; placeholders stay within theirs.
 */
#include <ctype.h>
#include <string.h>
#include "formats.h"
#include "json.h"
#include "parts.h"
#include "paths.h"
#include "placeholders.h"
#include "xalloc.h"

enum { OUTPUT_MAX = 256 * 1024 };

/* --- paths --------------------------------------------------------------------------------------------- */

/* The text that the parts were read from. */
static void add_path(struct buf *out, const struct path *path, bool is_pointer)
{
    for (size_t i = 0; i < path->count; i++) {
        if (is_pointer || i)
            buf_addc(out, is_pointer ? '/' : '.');
        for (const char *c = path_part(path, i); *c; c++) {
            if (is_pointer && (*c == '~' || *c == '/'))
                buf_adds(out, *c == '~' ? "~0" : "~1");
            else
                buf_addc(out, *c);
        }
    }
    if (path->count == 0)
        buf_addc(out, '.');
}

static void check_path(const char *text, const json_t *value)
{
    struct path path;
    struct fault fault = {0};
    struct buf again;

    if (path_parse(text, strlen(text), &path, &fault)) {
        HOLDS(fault.text[0] && path.count == 0);
        return;
    }
    buf_init(&again, 2 * PATH_BYTES_MAX);
    add_path(&again, &path, text[0] == '/');
    HOLDS(strcmp(again.data, text) == 0);
    if (value)
        HOLDS(path_get(&path, value) == value || path.count > 0);
    buf_release(&again);
    path_release(&path);
}

/* --- templates ----------------------------------------------------------------------------------------- */

/* Writes `text` as a template; false where it is none, or the value does not suit it. */
static bool fill(const char *text, const char *escape, const json_t *value, struct formatted *out)
{
    static const struct format_context context = {.tenant = "a<&>\"'\\b", .time = "2024-01-15T10:00:00Z"};
    json_t *form = json_pack("{s:s, s:s, s:s, s:s}", "type", "template", "text", text, "escape", escape,
                             "unknown", "empty");
    struct format *format = form ? format_parse(form, "", NULL) : NULL;
    const bool done = format && format_write(format, value, &context, out, NULL) == 0;

    format_free(format);
    json_decref(form);
    return done;
}

static bool all_of(const struct buf *text, const char *others)
{
    for (size_t i = 0; i < text->len; i++)
        if (!isalnum((unsigned char)text->data[i]) && !strchr(others, text->data[i]))
            return false;
    return true;
}

/* A place alone, by each filter. A path that has filters itself, or ends the place, is for check_template. */
static void check_filters(const char *path, const json_t *value)
{
    char *text = xasprintf("{{%s}}", path), *quoted = xasprintf("[\"{{%s}}\"]", path);
    struct formatted out;

    formatted_init(&out, OUTPUT_MAX);
    if (!strpbrk(path, "{}|")) {
        if (fill(text, "url", value, &out))
            HOLDS(all_of(&out.body, "-._~%"));
        if (fill(text, "base64", value, &out))
            HOLDS(all_of(&out.body, "+/="));
        if (fill(text, "xml", value, &out))
            HOLDS(!strpbrk(out.body.data, "<>\"'"));
        if (fill(text, "line", value, &out))
            HOLDS(!strpbrk(out.body.data, "\r\n\t"));
        if (fill(quoted, "jsonstring", value, &out))
            HOLDS(json_check(out.body.data, out.body.len, NULL, NULL) == 0);
    }
    formatted_release(&out);
    free(text);
    free(quoted);
}

static void check_template(const char *text, const json_t *value)
{
    struct formatted out;

    formatted_init(&out, OUTPUT_MAX);
    if (fill(text, "none", value, &out) && !strstr(text, "{{"))
        HOLDS(strcmp(out.body.data, text) == 0);
    formatted_release(&out);
}

/* --- placeholders -------------------------------------------------------------------------------------- */

static void check_placeholders(const char *pattern)
{
    const struct placeholders values = {.tenant_id = "../a b",
                                        .distribution_id = "",
                                        .delivery_id = "..",
                                        .data_type = ".\r\n/x",
                                        .date = "d"};
    struct buf out;
    struct fault fault = {0};
    const int known = placeholders_check(pattern, "/path", &fault);

    HOLDS((known < 0) == (fault.text[0] != '\0'));
    HOLDS(known == 0 || placeholders_check_public(pattern, "/path", NULL) < 0);
    buf_init(&out, OUTPUT_MAX);
    if (known == 0 && placeholders_check_public(pattern, "/path", NULL) == 0) {
        HOLDS(placeholders_expand(pattern, &values, ESCAPE_PATH, &out, &fault) == 0);
        if (!strpbrk(pattern, "/\r\n"))
            HOLDS(!strpbrk(out.data, "/\r\n"));
        buf_clear(&out);
        HOLDS(placeholders_expand(pattern, &values, ESCAPE_URL, &out, &fault) == 0);
        if (!strpbrk(pattern, " \r\n"))
            HOLDS(!strpbrk(out.data, " \r\n"));
        buf_clear(&out);
        HOLDS(placeholders_expand(pattern, &values, ESCAPE_NONE, &out, &fault) == 0 || out.len == 0);
    }
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parts parts;

    parts_split(&parts, 4, data, size);
    json_t *value = parts_json(&parts, 1);
    char *path = parts_string(&parts, 0), *text = parts_string(&parts, 2), *pattern = parts_string(&parts, 3);
    check_path(path, value);
    if (value) {
        check_filters(path, value);
        check_template(text, value);
    }
    check_placeholders(pattern);
    free(path);
    free(text);
    free(pattern);
    json_decref(value);
    parts_release(&parts);
    return 0;
}
