/*
 * fold - see fold.h
 *
 * A table of ranges: in most, either all letters move by the same distance, or every other one is the capital
 * of the one behind it.
 */
#include "fold.h"
#include "utf8.h"

/* In the place of a distance: every other letter from the first is a capital, and its small one is behind it.
 */
enum { PAIRS = 0 };

static const struct {
    uint32_t first, last;
    int32_t distance;
} ranges[] = {
    {0x41, 0x5a, 32},        /* ASCII */
    {0xb5, 0xb5, 775},       /* Latin-1: the micro sign is the Greek letter */
    {0xc0, 0xd6, 32},        /* Latin-1 */
    {0xd8, 0xde, 32},        /* Latin-1 */
    {0x100, 0x12f, PAIRS},   /* Latin Extended-A; the dotted I, behind it, has no single small letter */
    {0x132, 0x137, PAIRS},   /* Latin Extended-A */
    {0x139, 0x148, PAIRS},   /* Latin Extended-A */
    {0x14a, 0x177, PAIRS},   /* Latin Extended-A */
    {0x178, 0x178, -121},    /* y with diaeresis, whose small letter is in Latin-1 */
    {0x179, 0x17e, PAIRS},   /* Latin Extended-A */
    {0x17f, 0x17f, -268},    /* the long s */
    {0x386, 0x386, 38},      /* Greek: alpha with tonos */
    {0x388, 0x38a, 37},      /* Greek: epsilon, eta, iota with tonos */
    {0x38c, 0x38c, 64},      /* Greek: omicron with tonos */
    {0x38e, 0x38f, 63},      /* Greek: upsilon, omega with tonos */
    {0x391, 0x3a1, 32},      /* Greek */
    {0x3a3, 0x3ab, 32},      /* Greek */
    {0x3c2, 0x3c2, 1},       /* Greek: the sigma at the end of a word */
    {0x400, 0x40f, 80},      /* Cyrillic */
    {0x410, 0x42f, 32},      /* Cyrillic */
    {0x460, 0x481, PAIRS},   /* Cyrillic, historic */
    {0x1e00, 0x1e95, PAIRS}, /* Latin Extended Additional */
    {0x1ea0, 0x1eff, PAIRS}, /* Latin Extended Additional */
};

uint32_t fold_point(uint32_t point)
{
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && point >= ranges[i].first; i++) {
        if (point > ranges[i].last)
            continue;
        if (ranges[i].distance == PAIRS)
            return (point - ranges[i].first) % 2 ? point : point + 1;
        return (uint32_t)((int32_t)point + ranges[i].distance);
    }
    return point;
}

/* The next code point, folded; a byte that is no UTF-8 stands for itself. *text moves. */
static uint32_t next(const char **text, const char *end)
{
    uint32_t point;
    size_t length = utf8_decode(*text, (size_t)(end - *text), &point);

    if (length == 0)
        return (unsigned char)*(*text)++;
    *text += length;
    return fold_point(point);
}

bool fold_starts_with(const char *text, size_t size, const char *prefix, size_t prefix_size)
{
    const char *end = text + size, *prefix_end = prefix + prefix_size;

    while (text < end && prefix < prefix_end) {
        if (next(&text, end) != next(&prefix, prefix_end))
            return false;
    }
    return prefix == prefix_end;
}

bool fold_equals(const char *a, size_t a_size, const char *b, size_t b_size)
{
    const char *a_end = a + a_size, *b_end = b + b_size;

    while (a < a_end && b < b_end) {
        if (next(&a, a_end) != next(&b, b_end))
            return false;
    }
    return a == a_end && b == b_end;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

bool fold_ends_with(const char *text, size_t size, const char *suffix, size_t suffix_size)
{
    size_t at = size;

    /* As many code points from the end as the suffix has: a folded letter may have another length. */
    for (size_t i = 0; i < suffix_size; i++) {
        if (is_continuation(suffix[i]))
            continue;
        if (at == 0)
            return false;
        do
            at--;
        while (at > 0 && is_continuation(text[at]));
    }
    return fold_equals(text + at, size - at, suffix, suffix_size);
}
