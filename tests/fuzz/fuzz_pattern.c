/*
 * pattern: two patterns and an event. A match says the same with and without its reason, within looks, inside
 * of $and and $or, and through the index; who covers another matches all that it matches.
 */
#include <string.h>
#include "parts.h"
#include "pattern.h"
#include "pattern_index.h"
#include "text.h"

enum { LOOKS = 100 * 1000 * 1000 };

static void count(void *arg, const struct fault *mistake)
{
    size_t *mistakes = arg;

    (*mistakes)++;
    HOLDS(mistake->text[0] && text_is_utf8(mistake->text, strlen(mistake->text), NULL));
}

static struct pattern *make(const json_t *form)
{
    size_t mistakes = 0;
    struct fault fault = {0};
    struct pattern *pattern = form ? pattern_new(form, "/match", NULL, &fault) : NULL;

    if (form) {
        HOLDS(pattern_check(form, "/match", NULL, count, &mistakes) == mistakes);
        HOLDS((pattern == NULL) == (mistakes > 0) && (pattern == NULL) == (fault.text[0] != '\0'));
    }
    return pattern;
}

/* {"$and": [form]} means the same, where it is not nested too deeply by that. */
static void check_wrapped(const json_t *form, const char *word, const json_t *event, bool matches)
{
    json_t *wrapped = json_pack("{s:[O]}", word, form);
    struct pattern *pattern = pattern_new(wrapped, "", NULL, NULL);

    if (pattern)
        HOLDS(pattern_match(pattern, event, NULL) == matches);
    pattern_free(pattern);
    json_decref(wrapped);
}

static bool matches(const struct pattern *pattern, const json_t *form, const json_t *event)
{
    struct pattern_miss miss = {.text = ""};
    size_t looks = LOOKS, few = 3;
    const bool answer = pattern_match(pattern, event, NULL);

    HOLDS(pattern_match(pattern, event, &miss) == answer && (answer || miss.text[0]));
    HOLDS(text_is_utf8(miss.text, strlen(miss.text), NULL) &&
          text_is_utf8(miss.path, strlen(miss.path), NULL));
    HOLDS(pattern_match_within(pattern, event, &looks, NULL) == answer && looks > 0);
    HOLDS(!pattern_match_within(pattern, event, &few, NULL) || answer);
    check_wrapped(form, "$and", event, answer);
    check_wrapped(form, "$or", event, answer);
    return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parts parts;
    json_t *forms[2], *event;
    struct pattern *patterns[2];

    parts_split(&parts, 3, data, size);
    for (size_t i = 0; i < 2; i++) {
        forms[i] = parts_json(&parts, i);
        patterns[i] = make(forms[i]);
    }
    event = parts_json(&parts, 2);
    if (patterns[0] && patterns[1] && event) {
        const bool first = matches(patterns[0], forms[0], event),
                   second = matches(patterns[1], forms[1], event);
        struct pattern_index *index = pattern_index_new((const struct pattern *const *)patterns, 2);
        uint64_t set[PATTERN_SET_WORDS(2)] = {0};
        HOLDS(pattern_index_find(index, event, set) == (size_t)__builtin_popcountll(set[0]));
        HOLDS(!(first && !(set[0] & 1)) && !(second && !(set[0] & 2)) && set[0] < 4);
        HOLDS(!(pattern_covers(patterns[0], patterns[1]) && second && !first));
        HOLDS(!(pattern_covers(patterns[1], patterns[0]) && first && !second));
        pattern_index_free(index);
    }
    for (size_t i = 0; i < 2; i++) {
        pattern_free(patterns[i]);
        json_decref(forms[i]);
    }
    json_decref(event);
    parts_release(&parts);
    return 0;
}
