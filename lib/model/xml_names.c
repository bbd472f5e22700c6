/*
 * xml_names - the productions of XML 1.0 as tables of ranges
 */
#include "xml_names.h"
#include <ctype.h>
#include <string.h>
#include "utf8.h"

struct range {
    uint32_t first, last;
};

static const struct range starts[] = {
    {'A', 'Z'},       {'_', '_'},       {'a', 'z'},       {0xc0, 0xd6},     {0xd8, 0xf6},
    {0xf8, 0x2ff},    {0x370, 0x37d},   {0x37f, 0x1fff},  {0x200c, 0x200d}, {0x2070, 0x218f},
    {0x2c00, 0x2fef}, {0x3001, 0xd7ff}, {0xf900, 0xfdcf}, {0xfdf0, 0xfffd}, {0x10000, 0xeffff},
};
static const struct range others[] = {
    {'-', '.'}, {'0', '9'}, {0xb7, 0xb7}, {0x300, 0x36f}, {0x203f, 0x2040},
};

static bool is_in(uint32_t point, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    return false;
}

bool xml_is_char(uint32_t point)
{
    if (point < 0x20)
        return point == '\t' || point == '\n' || point == '\r';
    return point < 0xd800 || (point > 0xdfff && point < 0xfffe) || (point > 0xffff && point <= 0x10ffff);
}

bool xml_is_name_start(uint32_t point)
{
    return is_in(point, starts, sizeof starts / sizeof *starts);
}

bool xml_is_name_char(uint32_t point)
{
    return xml_is_name_start(point) || is_in(point, others, sizeof others / sizeof *others);
}

bool xml_is_ncname(const char *text, size_t size, uint32_t last)
{
    uint32_t point;

    for (size_t at = 0, length; at < size; at += length) {
        length = utf8_decode(text + at, size - at, &point);
        if (length == 0 || point > last || !(at ? xml_is_name_char(point) : xml_is_name_start(point)))
            return false;
    }
    return size > 0;
}

/* The characters of a path, a query and a fragment; "%" with its two digits. */
static bool is_uri_text(const char *text)
{
    size_t fragments = 0;

    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        fragments += c == '#';
        if (c == '%' && isxdigit((unsigned char)text[1]) && isxdigit((unsigned char)text[2]))
            continue;
        if (c >= 0x80 || fragments > 1 || (!isalnum(c) && !strchr("-._~:/?#@!$&'()*+,;=", c)))
            return false;
    }
    return true;
}

/* What is behind "//": a host, and a port. */
static bool is_authority(const char *text)
{
    const size_t host = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~");
    const size_t port = text[host] == ':' ? 1 + strspn(text + host + 1, "0123456789") : 0;

    return host > 0 && port != 1 && port <= 6 &&
           (text[host + port] == '\0' || strchr("/?#", text[host + port]));
}

bool xml_is_uri(const char *text)
{
    const char *rest = text + strcspn(text, ":/?#");

    if (*text == '\0' || !is_uri_text(text))
        return false;
    if (*rest == ':') {
        if (!isalpha((unsigned char)*text))
            return false;
        for (const char *c = text; c < rest; c++)
            if (!isalnum((unsigned char)*c) && !strchr("+-.", *c))
                return false;
        text = rest + 1;
    }
    return strncmp(text, "//", 2) != 0 || is_authority(text + 2);
}
