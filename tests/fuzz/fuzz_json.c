/*
 * json: a text. The check and jansson agree on what JSON is; a value that is written is read as the same; the
 * raw members are values themselves.
 */
#include <string.h>
#include "ceilings.h"
#include "json.h"
#include "json_where.h"
#include "parts.h"
#include "text.h"

enum { TEXT_MAX = 1 << 20 };

static int depth_of(const json_t *value)
{
    const char *key;
    json_t *item;
    size_t index;
    int most = 0;

    json_object_foreach ((json_t *)value, key, item) {
        const int depth = depth_of(item);
        most = depth > most ? depth : most;
    }
    json_array_foreach (value, index, item) {
        const int depth = depth_of(item);
        most = depth > most ? depth : most;
    }
    return json_is_object(value) || json_is_array(value) ? most + 1 : 0;
}

/* What jansson takes is what the check takes, but for the depth, and for NULs behind the value; what the
 * check takes and jansson does not is a number out of its range. */
static void compare_with_jansson(const char *text, size_t size, bool taken)
{
    json_error_t error;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

    if (value)
        HOLDS(taken || depth_of(value) > LIMIT_JSON_DEPTH || memchr(text, '\0', size));
    else if (taken)
        HOLDS(json_error_code(&error) == json_error_numeric_overflow);
    json_decref(value);
}

static void check_members(const char *text, size_t size, const struct json_members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        const struct json_member *member = &members->items[i];
        HOLDS(member->value_at + member->value_size <= size && member->name_at < member->value_at);
        HOLDS(json_check(text + member->value_at, member->value_size, NULL, NULL) == 0);
    }
}

static void write_and_read(const json_t *value)
{
    struct buf first, again;

    buf_init(&first, TEXT_MAX);
    buf_init(&again, TEXT_MAX);
    HOLDS(json_write(value, &first) == 0);
    json_t *copy = json_read(first.data, first.len, NULL);
    HOLDS(copy && json_equal(copy, value));
    HOLDS(json_write(copy, &again) == 0 && strcmp(first.data, again.data) == 0);
    json_decref(copy);
    buf_release(&first);
    buf_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_members members;
    struct fault fault = {0};
    const char *text = (const char *)data;
    const bool taken = json_check(text, size, &members, &fault) == 0;

    HOLDS(taken == (fault.text[0] == '\0') && text_is_utf8(fault.text, strlen(fault.text), NULL));
    compare_with_jansson(text, size, taken);
    json_t *value = json_read(text, size, NULL);
    HOLDS(taken || !value);
    if (taken)
        check_members(text, size, &members);
    if (taken)
        HOLDS(json_where(text, size, "/a/0/b") >= 1);
    if (value)
        write_and_read(value);
    json_decref(value);
    return 0;
}
