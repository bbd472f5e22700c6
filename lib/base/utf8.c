/*
 * utf8 - the one decoder below buf and text, so that "is it UTF-8?" has one answer in the project.
 * Hard rule: never looks at a byte past `size`.
 */
#include "utf8.h"

size_t utf8_decode(const char *text, size_t size, uint32_t *point)
{
    const unsigned char *byte = (const unsigned char *)text;
    uint32_t value, least;
    size_t length;

    if (size == 0)
        return 0;
    if (byte[0] < 0x80) {
        value = byte[0], least = 0, length = 1;
    } else if ((byte[0] & 0xe0) == 0xc0) {
        value = byte[0] & 0x1f, least = 0x80, length = 2;
    } else if ((byte[0] & 0xf0) == 0xe0) {
        value = byte[0] & 0x0f, least = 0x800, length = 3;
    } else if ((byte[0] & 0xf8) == 0xf0) {
        value = byte[0] & 0x07, least = 0x10000, length = 4;
    } else {
        return 0;
    }
    if (length > size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (byte[i] & 0x3f);
    }
    if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    if (point != NULL)
        *point = value;
    return length;
}
