/*
 * num - the readers behind every option, variable and configured number.
 * Hard rule: a text that is not wholly the value, or a value outside its range, is a fault and never a guess.
 */
#include "num.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The digits at *text, *text moved behind them. False where there are none or the number passes `max`. */
static bool read_digits(const char **text, uint64_t max, uint64_t *value)
{
    const char *start = *text;

    *value = 0;
    for (; **text >= '0' && **text <= '9'; ++*text) {
        uint64_t digit = (uint64_t)(**text - '0');

        if (digit > max || *value > (max - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return *text > start;
}

static bool starts_with_digit(const char *text)
{
    return *text >= '0' && *text <= '9';
}

int num_parse_int(const char *text, int64_t min, int64_t max, int64_t *value, struct fault *fault)
{
    const bool negative = min < 0 && text[0] == '-';
    const char *digits = text + negative;
    const size_t count = strspn(digits, "0123456789");
    uint64_t size;
    int64_t result;

    if (count == 0 || digits[count] != '\0')
        return fault_set(fault, FAULT_INPUT, "'%.80s' is not a whole number", text);
    if (!read_digits(&digits, (uint64_t)INT64_MAX + negative, &size))
        goto range;
    if (negative)
        result = size == 0 ? 0 : -(int64_t)(size - 1) - 1;
    else
        result = (int64_t)size;
    if (result < min || result > max)
        goto range;
    *value = result;
    return 0;
range:
    return fault_set(fault, FAULT_INPUT, "'%.80s' is not from %" PRId64 " to %" PRId64, text, min, max);
}

/* The shift of "", "K", "KiB", ...; -1 for anything else */
static int size_shift(const char *suffix)
{
    static const struct {
        char letter;
        int shift;
    } units[] = {{'K', 10}, {'M', 20}, {'G', 30}, {'T', 40}};

    if (*suffix == '\0')
        return 0;
    if (suffix[1] != '\0' && strcmp(suffix + 1, "iB") != 0)
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if ((*suffix & ~0x20) == units[i].letter)
            return units[i].shift;
    }
    return -1;
}

int num_parse_size(const char *text, uint64_t max, uint64_t *bytes, struct fault *fault)
{
    const char *at = text;
    const char *suffix = text + strspn(text, "0123456789");
    char most[NUM_SIZE_SIZE];
    uint64_t count;
    int shift = size_shift(suffix);

    if (suffix == text || shift < 0)
        return fault_set(fault, FAULT_INPUT, "'%.80s' is not a size such as 65536, 64K or 16M", text);
    if (!read_digits(&at, max >> shift, &count))
        return fault_set(fault, FAULT_INPUT, "'%.80s' is more than %s", text, num_format_size(max, most));
    *bytes = count << shift;
    return 0;
}

static const struct duration_unit {
    const char *name;
    int64_t ms;
} duration_units[] = {{"ms", 1}, {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};

static const struct duration_unit seconds_unit = {"", 1000};

/* The unit at *text, *text moved behind it, or NULL. "ms" comes before "m" in the table. */
static const struct duration_unit *read_unit(const char **text)
{
    for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
        size_t len = strlen(duration_units[i].name);

        if (strncmp(*text, duration_units[i].name, len) == 0) {
            *text += len;
            return &duration_units[i];
        }
    }
    return NULL;
}

enum duration_error { DURATION_OK, DURATION_MALFORMED, DURATION_TOO_LONG, DURATION_TOO_FINE };

/* ".5" at *text as count / scale; 0 / 1 where there is none. */
static enum duration_error read_fraction(const char **text, uint64_t *count, uint64_t *scale)
{
    *count = 0;
    *scale = 1;
    if (**text != '.')
        return DURATION_OK;
    ++*text;
    if (!starts_with_digit(*text))
        return DURATION_MALFORMED;
    for (; starts_with_digit(*text); ++*text) {
        if (*scale == 1000000000)
            return DURATION_TOO_FINE;
        *count = *count * 10 + (uint64_t)(**text - '0');
        *scale *= 10;
    }
    return DURATION_OK;
}

/* One "1h" or "1.5h" at *text. Only the first may have a fraction or lack its unit, and is the last then. */
static enum duration_error read_part(const char **text, bool first, int64_t *ms, int64_t *unit_ms)
{
    const struct duration_unit *unit;
    uint64_t count, fraction = 0, scale = 1;
    enum duration_error error;
    bool fits;

    if (!starts_with_digit(*text))
        return DURATION_MALFORMED;
    fits = read_digits(text, INT64_MAX, &count);
    *text += strspn(*text, "0123456789");
    if (first && (error = read_fraction(text, &fraction, &scale)) != DURATION_OK)
        return error;
    unit = first && **text == '\0' ? &seconds_unit : read_unit(text);
    if (unit == NULL || (scale > 1 && **text != '\0'))
        return DURATION_MALFORMED;
    if (!fits || count > (uint64_t)(INT64_MAX / unit->ms))
        return DURATION_TOO_LONG;
    fraction *= (uint64_t)unit->ms; /* below 10^9 * 86400000 */
    if (fraction % scale != 0)
        return DURATION_TOO_FINE;
    *ms = (int64_t)count * unit->ms;
    if ((int64_t)(fraction / scale) > INT64_MAX - *ms)
        return DURATION_TOO_LONG;
    *ms += (int64_t)(fraction / scale);
    *unit_ms = unit->ms;
    return DURATION_OK;
}

int num_parse_duration(const char *text, int64_t max_ms, int64_t *ms, struct fault *fault)
{
    const char *at = text;
    char most[NUM_DURATION_SIZE];
    int64_t total = 0, last_unit_ms = INT64_MAX;
    enum duration_error error;

    do {
        int64_t part, unit_ms;

        /* The range is asked last, so that what is malformed is called that. */
        error = read_part(&at, at == text, &part, &unit_ms);
        if (error != DURATION_OK)
            break;
        if (unit_ms >= last_unit_ms)
            error = DURATION_MALFORMED;
        else if (part > INT64_MAX - total)
            error = DURATION_TOO_LONG;
        else
            total += part;
        last_unit_ms = unit_ms;
    } while (error == DURATION_OK && *at != '\0');

    if (error == DURATION_OK && total > max_ms)
        error = DURATION_TOO_LONG;
    switch (error) {
    case DURATION_OK:
        *ms = total;
        return 0;
    case DURATION_TOO_LONG:
        return fault_set(fault, FAULT_INPUT, "'%.80s' is more than %s", text,
                         num_format_duration(max_ms, most));
    case DURATION_TOO_FINE:
        return fault_set(fault, FAULT_INPUT, "'%.80s' is finer than a millisecond", text);
    case DURATION_MALFORMED:
        break;
    }
    return fault_set(fault, FAULT_INPUT, "'%.80s' is not a duration such as 500ms, 30s, 5m or 1h30m", text);
}

int num_parse_bool(const char *text, bool *value, struct fault *fault)
{
    static const char *const words[][2] = {{"0", "1"}, {"false", "true"}, {"no", "yes"}, {"off", "on"}};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        for (int which = 0; which < 2; which++) {
            if (strcasecmp(text, words[i][which]) == 0) {
                *value = which == 1;
                return 0;
            }
        }
    }
    return fault_set(fault, FAULT_INPUT, "'%.80s' is neither true nor false", text);
}

const char *num_format_duration(int64_t ms, char text[NUM_DURATION_SIZE])
{
    static const char names[] = "dhms";
    static const uint64_t sizes[] = {86400000, 3600000, 60000, 1000};
    const char *sign = ms < 0 ? "-" : "";
    const uint64_t left = ms < 0 ? (uint64_t)0 - (uint64_t)ms : (uint64_t)ms;
    unsigned char second = 0; /* tenths, or the smaller unit: below 60 */
    size_t unit = 0;

    if (left < 1000) {
        snprintf(text, NUM_DURATION_SIZE, "%s%" PRIu64 "ms", sign, left);
        return text;
    }
    if (left < 10000 && left % 1000 >= 100) {
        second = (unsigned char)(left % 1000 / 100);
        snprintf(text, NUM_DURATION_SIZE, "%s%" PRIu64 ".%hhus", sign, left / 1000, second);
        return text;
    }
    while (left < sizes[unit])
        unit++;
    if (unit < 3)
        second = (unsigned char)(left % sizes[unit] / sizes[unit + 1]);
    if (second > 0)
        snprintf(text, NUM_DURATION_SIZE, "%s%" PRIu64 "%c%hhu%c", sign, left / sizes[unit], names[unit],
                 second, names[unit + 1]);
    else
        snprintf(text, NUM_DURATION_SIZE, "%s%" PRIu64 "%c", sign, left / sizes[unit], names[unit]);
    return text;
}

const char *num_format_size(uint64_t bytes, char text[NUM_SIZE_SIZE])
{
    static const char units[] = "KMGTPE";
    unsigned shift = 10;
    size_t unit = 0;
    unsigned whole, tenths;

    if (bytes < 1024) {
        snprintf(text, NUM_SIZE_SIZE, "%u", (unsigned)bytes);
        return text;
    }
    for (; bytes >> shift >= 1024; shift += 10)
        unit++;
    whole = (unsigned)(bytes >> shift);
    /* Two steps, so that nothing overflows in the exabytes. */
    tenths = (unsigned)((bytes >> (shift - 10) & 1023) * 10 / 1024);
    if (whole < 10 && tenths > 0)
        snprintf(text, NUM_SIZE_SIZE, "%u.%u%c", whole, tenths, units[unit]);
    else
        snprintf(text, NUM_SIZE_SIZE, "%u%c", whole, units[unit]);
    return text;
}
