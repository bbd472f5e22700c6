/*
 * schema_assert - keywords that look at one value by itself
 */
#include "schema_parts.h"
#include "xalloc.h"

enum {
    WANTED_MAX = 200, /* bytes of the values that would have been right */
    PAIRS_MAX = 8,    /* elements of an array up to which each pair is compared */
};

static const struct {
    const char *words;
    unsigned type;
} type_words[] = {
    {"null", TYPE_NULL},        {"a boolean", TYPE_BOOLEAN}, {"an integer", TYPE_INTEGER},
    {"a number", TYPE_NUMBER},  {"a string", TYPE_STRING},   {"an array", TYPE_ARRAY},
    {"an object", TYPE_OBJECT},
};

/* Where nothing is told, which is so below every alternative, no text is made. */
static bool refuse_quietly(struct schema_run *run, const struct schema_frame *frame,
                           const struct schema_keyword *keyword)
{
    return schema_fail(run, frame, keyword, "is refused");
}

bool schema_check_type(struct schema_run *run, struct schema_frame *frame,
                       const struct schema_keyword *keyword)
{
    unsigned types = (unsigned)keyword->number;
    if (types & 1u << json_typeof(frame->value) ||
        (types & TYPE_INTEGER && json_is_number(frame->value) && schema_number_is_whole(frame->value)))
        return true;
    if (run->quiet)
        return refuse_quietly(run, frame, keyword);
    struct buf words;
    size_t left = 0, count = sizeof type_words / sizeof *type_words;
    for (size_t i = 0; i < count; i++)
        left += (types & type_words[i].type) == type_words[i].type;
    buf_init(&words, WANTED_MAX);
    for (size_t i = 0; i < count; i++)
        if ((types & type_words[i].type) == type_words[i].type)
            buf_addf(&words, "%s%s", type_words[i].words, --left > 1 ? ", " : left == 1 ? " or " : "");
    schema_fail_value(run, frame, keyword, "%s is wanted", words.data);
    buf_release(&words);
    return false;
}

static bool fail_const(struct schema_run *run, const struct schema_frame *frame,
                       const struct schema_keyword *keyword, const json_t *wanted)
{
    struct buf text;
    if (run->quiet)
        return refuse_quietly(run, frame, keyword);
    buf_init(&text, WANTED_MAX * 2);
    schema_describe(wanted, false, &text);
    if (json_is_object(wanted) || json_is_array(wanted))
        buf_adds(&text, " as the schema has it");
    schema_fail_value(run, frame, keyword, "%s is wanted", text.data);
    buf_release(&text);
    return false;
}

static bool fail_enum(struct schema_run *run, const struct schema_frame *frame,
                      const struct schema_keyword *keyword)
{
    size_t count = json_array_size(keyword->value), told = 0;
    struct buf text;
    buf_init(&text, (size_t)WANTED_MAX * 4);
    for (; told < count && text.len < WANTED_MAX; told++) {
        buf_adds(&text, told ? ", " : "");
        schema_describe(json_array_get(keyword->value, told), false, &text);
    }
    if (told < count)
        buf_addf(&text, " or one of %zu others", count - told);
    schema_fail_value(run, frame, keyword, "one of %s is wanted", text.data);
    buf_release(&text);
    return false;
}

bool schema_check_enum(struct schema_run *run, struct schema_frame *frame,
                       const struct schema_keyword *keyword)
{
    const struct schema_hash *hashes = keyword->hashes;
    size_t low = 0, high = json_array_size(keyword->value), count = high;
    if (!schema_step(run, frame, schema_value_size(frame->value)))
        return false;
    uint64_t hash = schema_value_hash(frame->value, run->schema->seed);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (hashes[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && hashes[low].hash == hash; low++)
        if (schema_value_equals(frame->value, json_array_get(keyword->value, hashes[low].index)))
            return true;
    if (run->quiet)
        return refuse_quietly(run, frame, keyword);
    return count == 1 ? fail_const(run, frame, keyword, json_array_get(keyword->value, 0))
                      : fail_enum(run, frame, keyword);
}

bool schema_check_const(struct schema_run *run, struct schema_frame *frame,
                        const struct schema_keyword *keyword)
{
    if (!schema_step(run, frame, keyword->number))
        return false;
    return schema_value_equals(frame->value, keyword->value) ||
           fail_const(run, frame, keyword, keyword->value);
}

static bool fail_number(struct schema_run *run, const struct schema_frame *frame,
                        const struct schema_keyword *keyword, const char *relation)
{
    struct buf limit;
    if (run->quiet)
        return refuse_quietly(run, frame, keyword);
    buf_init(&limit, WANTED_MAX);
    schema_describe(keyword->value, false, &limit);
    schema_fail_value(run, frame, keyword, "%s %s is wanted", relation, limit.data);
    buf_release(&limit);
    return false;
}

bool schema_check_multiple(struct schema_run *run, struct schema_frame *frame,
                           const struct schema_keyword *keyword)
{
    return schema_number_is_multiple(frame->value, keyword->value) ||
           fail_number(run, frame, keyword, "a multiple of");
}

bool schema_check_maximum(struct schema_run *run, struct schema_frame *frame,
                          const struct schema_keyword *keyword)
{
    return schema_number_compare(frame->value, keyword->value) <= 0 ||
           fail_number(run, frame, keyword, "at most");
}

bool schema_check_exclusive_maximum(struct schema_run *run, struct schema_frame *frame,
                                    const struct schema_keyword *keyword)
{
    return schema_number_compare(frame->value, keyword->value) < 0 ||
           fail_number(run, frame, keyword, "less than");
}

bool schema_check_minimum(struct schema_run *run, struct schema_frame *frame,
                          const struct schema_keyword *keyword)
{
    return schema_number_compare(frame->value, keyword->value) >= 0 ||
           fail_number(run, frame, keyword, "at least");
}

bool schema_check_exclusive_minimum(struct schema_run *run, struct schema_frame *frame,
                                    const struct schema_keyword *keyword)
{
    return schema_number_compare(frame->value, keyword->value) > 0 ||
           fail_number(run, frame, keyword, "more than");
}

/* "has 3 characters, at most 2 are wanted" */
static bool fail_count(struct schema_run *run, const struct schema_frame *frame,
                       const struct schema_keyword *keyword, uint64_t has, const char *noun,
                       const char *relation)
{
    return schema_fail(run, frame, keyword, "has %llu %s%s, %s %llu %s wanted", (unsigned long long)has, noun,
                       has == 1 ? "" : "s", relation, (unsigned long long)keyword->number,
                       keyword->number == 1 ? "is" : "are");
}

static uint64_t characters_of(const json_t *string)
{
    const char *text = json_string_value(string);
    uint64_t count = 0;
    for (size_t i = 0; i < json_string_length(string); i++)
        count += (text[i] & 0xc0) != 0x80;
    return count;
}

bool schema_check_max_length(struct schema_run *run, struct schema_frame *frame,
                             const struct schema_keyword *keyword)
{
    uint64_t has = characters_of(frame->value);
    return schema_step(run, frame, json_string_length(frame->value) / 64) &&
           (has <= keyword->number || fail_count(run, frame, keyword, has, "character", "at most"));
}

bool schema_check_min_length(struct schema_run *run, struct schema_frame *frame,
                             const struct schema_keyword *keyword)
{
    uint64_t has = characters_of(frame->value);
    return schema_step(run, frame, json_string_length(frame->value) / 64) &&
           (has >= keyword->number || fail_count(run, frame, keyword, has, "character", "at least"));
}

bool schema_check_max_items(struct schema_run *run, struct schema_frame *frame,
                            const struct schema_keyword *keyword)
{
    size_t has = json_array_size(frame->value);
    return has <= keyword->number || fail_count(run, frame, keyword, has, "element", "at most");
}

bool schema_check_min_items(struct schema_run *run, struct schema_frame *frame,
                            const struct schema_keyword *keyword)
{
    size_t has = json_array_size(frame->value);
    return has >= keyword->number || fail_count(run, frame, keyword, has, "element", "at least");
}

bool schema_check_max_members(struct schema_run *run, struct schema_frame *frame,
                              const struct schema_keyword *keyword)
{
    size_t has = json_object_size(frame->value);
    return has <= keyword->number || fail_count(run, frame, keyword, has, "member", "at most");
}

bool schema_check_min_members(struct schema_run *run, struct schema_frame *frame,
                              const struct schema_keyword *keyword)
{
    size_t has = json_object_size(frame->value);
    return has >= keyword->number || fail_count(run, frame, keyword, has, "member", "at least");
}

bool schema_check_pattern(struct schema_run *run, struct schema_frame *frame,
                          const struct schema_keyword *keyword)
{
    char quoted[SCHEMA_QUOTED_SIZE];
    if (schema_pattern_match(run, frame, keyword, keyword->patterns[0], json_string_value(frame->value),
                             json_string_length(frame->value)))
        return true;
    if (run->quiet)
        return refuse_quietly(run, frame, keyword);
    const char *text = schema_pattern_text(keyword->patterns[0]);
    return schema_fail_value(run, frame, keyword, "a match of %s is wanted",
                             schema_quote(text, strlen(text), quoted));
}

/* The first pair of equal elements. */
static bool find_pair_directly(const json_t *array, size_t pair[2])
{
    for (pair[1] = 1; pair[1] < json_array_size(array); pair[1]++)
        for (pair[0] = 0; pair[0] < pair[1]; pair[0]++)
            if (schema_value_equals(json_array_get(array, pair[0]), json_array_get(array, pair[1])))
                return true;
    return false;
}

/* Equal hashes of different elements are next to never; should they be made, each comparison is paid for. */
static bool find_pair_by_hash(struct schema_run *run, const struct schema_frame *frame, size_t pair[2])
{
    size_t count = json_array_size(frame->value);
    struct schema_hash *hashes = xreallocarray(NULL, count, sizeof *hashes);
    bool found = false;
    for (size_t i = 0; i < count; i++)
        hashes[i] =
            (struct schema_hash){schema_value_hash(json_array_get(frame->value, i), run->schema->seed), i};
    schema_hashes_sort(hashes, count);
    for (size_t i = 0; !found && i + 1 < count; i++)
        for (size_t j = i + 1; !found && j < count && hashes[j].hash == hashes[i].hash; j++) {
            pair[0] = hashes[i].index;
            pair[1] = hashes[j].index;
            const json_t *a = json_array_get(frame->value, pair[0]);
            if (!schema_step(run, frame, schema_value_size(a)))
                break;
            found = schema_value_equals(a, json_array_get(frame->value, pair[1]));
        }
    free(hashes);
    return found;
}

bool schema_check_unique(struct schema_run *run, struct schema_frame *frame,
                         const struct schema_keyword *keyword)
{
    bool few = json_array_size(frame->value) <= PAIRS_MAX;
    size_t pair[2];
    if (!json_is_true(keyword->value))
        return true;
    if (!schema_step(run, frame, schema_value_size(frame->value) * (few ? PAIRS_MAX : 2)))
        return false;
    if (few ? find_pair_directly(frame->value, pair) : find_pair_by_hash(run, frame, pair))
        return schema_fail(run, frame, keyword,
                           "the elements %zu and %zu are equal, different ones are wanted", pair[0], pair[1]);
    return true;
}

static bool require(struct schema_run *run, const struct schema_frame *frame,
                    const struct schema_keyword *keyword, const json_t *names, const char *because)
{
    char quoted[SCHEMA_QUOTED_SIZE], cause[SCHEMA_QUOTED_SIZE];
    bool fits = true;
    for (size_t i = 0; i < json_array_size(names) && (fits || !run->quiet) && !run->halted; i++) {
        const json_t *name = json_array_get(names, i);
        if (json_object_get(frame->value, json_string_value(name)))
            continue;
        schema_quote(json_string_value(name), json_string_length(name), quoted);
        fits = because ? schema_fail(run, frame, keyword, "the member %s is missing, which %s asks for",
                                     quoted, schema_quote(because, strlen(because), cause))
                       : schema_fail(run, frame, keyword, "the member %s is missing", quoted);
    }
    return schema_step(run, frame, json_array_size(names)) && fits;
}

bool schema_check_required(struct schema_run *run, struct schema_frame *frame,
                           const struct schema_keyword *keyword)
{
    return require(run, frame, keyword, keyword->value, NULL);
}

bool schema_check_dependent_required(struct schema_run *run, struct schema_frame *frame,
                                     const struct schema_keyword *keyword)
{
    const char *name;
    json_t *names;
    bool fits = true;
    json_object_foreach ((json_t *)keyword->value, name, names) {
        /* Those of "dependencies" may be schemas: see schema_check_dependencies(). */
        if (json_is_array(names) && json_object_get(frame->value, name))
            fits = require(run, frame, keyword, names, name) && fits;
    }
    return fits;
}
