/*
 * pattern_match - asks an event, and says where it did not fit
 *
 * Parts and values are walked side by side, so each part meets each value at its place once. The place is a
 * chain of structs on the C stack, which costs nothing until a miss is written. Both are bounded: patterns by
 * PATTERN_DEPTH, events by LIMIT_JSON_DEPTH.
 */
#include <stdarg.h>
#include <string.h>
#include "json.h"
#include "pattern.h"
#include "pattern_parts.h"
#include "text.h"

enum {
    VALUE_SIZE = 80,     /* bytes of a value of the event that is quoted, with its escapes */
    TEXT_SIZE = 60,      /* without them */
    LEAF_SIZE = 200,     /* of the alternatives */
    TEXT_PER_LOOK = 256, /* bytes of a text that cost as much as a test of a short one */
};

/* Where the walk is: a member or an element of what `outer` is. The outermost has neither. */
struct place {
    const struct place *outer;
    const char *name;
    size_t index;
    size_t *looks; /* that are left; the same for all */
};

static bool part_matches(const struct pattern_part *part, const json_t *value, const struct place *place,
                         struct pattern_miss *miss);

static void add_place(struct buf *path, const struct place *place)
{
    if (!place->outer)
        return;
    add_place(path, place->outer);
    if (place->name)
        pattern_path_add(path, place->name);
    else
        buf_addf(path, "/%zu", place->index);
}

/* Cut, never in the middle of a character. */
static void quote(const char *text, char *out, size_t size)
{
    text_copy(out, size, text);
    if (strlen(out) < strlen(text) && size > 4) {
        text_copy(out, size - 3, text);
        memcpy(out + strlen(out), "...", 4);
    }
}

static void describe(const json_t *value, char out[VALUE_SIZE])
{
    if (json_is_object(value)) {
        text_copy(out, VALUE_SIZE, "an object");
    } else if (json_is_array(value)) {
        snprintf(out, VALUE_SIZE, "an array of %zu", json_array_size(value));
    } else {
        struct buf text;
        char cut[TEXT_SIZE];

        buf_init(&text, (size_t)VALUE_SIZE * 6 + 2); /* every byte may need an escape */
        if (json_is_string(value)) {
            quote(json_string_value(value), cut, sizeof cut);
            buf_add_json(&text, cut, strlen(cut));
        } else {
            json_write(value, &text);
        }
        quote(text.data, out, VALUE_SIZE);
        buf_release(&text);
    }
}

/* As many of the alternatives as are shown: all of them may be much. */
static void describe_leaf(const struct pattern_part *leaf, char out[LEAF_SIZE])
{
    struct buf text;

    buf_init(&text, SIZE_MAX / 4);
    for (size_t i = 0; i < leaf->count && text.len < LEAF_SIZE; i++) {
        buf_addc(&text, i ? ',' : '[');
        json_write(json_array_get(leaf->form, i), &text);
    }
    buf_addc(&text, ']');
    quote(text.data, out, LEAF_SIZE);
    buf_release(&text);
}

static bool leaf_miss(const struct pattern_part *leaf, const json_t *value, const struct place *place,
                      struct pattern_miss *miss)
{
    char found[VALUE_SIZE], wanted[LEAF_SIZE];
    struct buf path;

    if (!miss)
        return false;
    buf_init(&path, sizeof miss->path * 4);
    add_place(&path, place);
    quote(path.data, miss->path, sizeof miss->path);
    buf_release(&path);
    describe_leaf(leaf, wanted);
    if (!value) {
        snprintf(miss->text, sizeof miss->text, "it is missing, and %s is wanted", wanted);
        return false;
    }
    describe(value, found);
    snprintf(miss->text, sizeof miss->text, "%s does not match %s", found, wanted);
    return false;
}

/*
 * Pays for a test of a value. A long text costs more, and so does a test that is many; a value that is absent
 * is a look as well.
 */
static bool spend(size_t *looks, const struct pattern_test *test, const json_t *value)
{
    const size_t cost = 1 + test->count + json_string_length(value) / TEXT_PER_LOOK;

    if (*looks >= cost) {
        *looks -= cost;
        return true;
    }
    *looks = 0;
    return false;
}

/* `value` is NULL where the field is absent. */
static bool test_holds(const struct pattern_test *test, const json_t *value, size_t *looks)
{
    size_t index;
    json_t *element;

    if (!spend(looks, test, value))
        return false;
    if (test->operator== & pattern_exists)
        return test->there == (value != NULL);
    if (!value || json_is_object(value))
        return false;
    if (!json_is_array(value))
        return test->operator->holds(test, value);
    json_array_foreach (value, index, element) {
        if (test_holds(test, element, looks))
            return true;
        if (!*looks)
            return false;
    }
    return false;
}

static bool leaf_matches(const struct pattern_part *leaf, const json_t *value, const struct place *place,
                         struct pattern_miss *miss)
{
    for (size_t i = 0; i < leaf->count; i++) {
        if (test_holds(&leaf->tests[i], value, place->looks))
            return true;
    }
    return leaf_miss(leaf, value, place, miss);
}

/* Puts words in front of the text of a miss. */
static bool miss_wrap(struct pattern_miss *miss, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool miss_wrap(struct pattern_miss *miss, const char *format, ...)
{
    char inner[sizeof miss->text], words[100];
    va_list arguments;

    if (!miss)
        return false;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    text_copy(inner, sizeof inner, miss->text);
    text_copy(miss->text, sizeof words, words);
    text_copy(miss->text + strlen(miss->text), sizeof miss->text - strlen(miss->text), inner);
    return false;
}

/* One element has all the fields; the miss is that of the first. */
static bool element_matches(const struct pattern_part *part, const json_t *array, const struct place *place,
                            struct pattern_miss *miss)
{
    size_t index;
    json_t *element;

    json_array_foreach (array, index, element) {
        const struct place inner = {.outer = place, .index = index, .looks = place->looks};
        if (part_matches(part, element, &inner, index ? NULL : miss))
            return true;
        if (!*place->looks)
            return false;
    }
    if (!json_array_size(array))
        return part_matches(part, NULL, place, miss);
    return json_array_size(array) > 1
               ? miss_wrap(miss, "none of %zu elements; the first: ", json_array_size(array))
               : false;
}

static bool fields_match(const struct pattern_part *part, const json_t *value, const struct place *place,
                         struct pattern_miss *miss)
{
    for (size_t i = 0; i < part->count; i++) {
        const struct pattern_part *field = &part->parts[i];
        const struct place inner = {.outer = place, .name = field->name, .looks = place->looks};
        bool matches = field->name ? part_matches(field, json_object_get(value, field->name), &inner, miss)
                                   : part_matches(field, value, place, miss);
        if (!matches)
            return false;
    }
    return true;
}

static bool one_matches(const struct pattern_part *part, const json_t *value, const struct place *place,
                        struct pattern_miss *miss)
{
    for (size_t i = 0; i < part->count; i++) {
        if (part_matches(&part->parts[i], value, place, i ? NULL : miss))
            return true;
    }
    return part->count > 1 ? miss_wrap(miss, "none of %zu in $or; the first: ", part->count) : false;
}

static bool part_matches(const struct pattern_part *part, const json_t *value, const struct place *place,
                         struct pattern_miss *miss)
{
    switch (part->kind) {
    case PATTERN_LEAF:
        return leaf_matches(part, value, place, miss);
    case PATTERN_OR:
        return one_matches(part, value, place, miss);
    case PATTERN_AND: /* its parts have no names: all are asked of this value */
        return fields_match(part, value, place, miss);
    case PATTERN_FIELDS:
        break;
    }
    if (json_is_array(value))
        return element_matches(part, value, place, miss);
    return fields_match(part, value, place, miss);
}

bool pattern_match_within(const struct pattern *pattern, const json_t *event, size_t *looks,
                          struct pattern_miss *miss)
{
    size_t left = *looks;
    const struct place outermost = {.looks = &left};
    bool matches = part_matches(&pattern->root, event, &outermost, miss);

    *looks = left;
    return matches && left;
}

bool pattern_match(const struct pattern *pattern, const json_t *event, struct pattern_miss *miss)
{
    size_t looks = SIZE_MAX;

    return pattern_match_within(pattern, event, &looks, miss);
}
