/*
 * http_field - see http_field.h
 */
#include "http_field.h"

#include <string.h>
#include <strings.h>

/* They are the client's alone: whoever else set them could smuggle a second request. */
static const char *const framing[] = {"Connection",        "Content-Length",   "Expect", "HTTP2-Settings",
                                      "Keep-Alive",        "Proxy-Connection", "TE",     "Trailer",
                                      "Transfer-Encoding", "Upgrade"};

static bool is_in_token(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')
        return true;
    return c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL;
}

/* Not strspn(), which makes a table of the characters at each call. */
size_t http_field_token_size(const char *text)
{
    size_t size = 0;

    while (is_in_token(text[size]))
        size++;
    return size;
}

bool http_field_is_name(const char *text)
{
    size_t size = http_field_token_size(text);

    return size > 0 && text[size] == '\0';
}

bool http_field_is_framing(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof framing / sizeof *framing; i++)
        if (strlen(framing[i]) == size && strncasecmp(framing[i], name, size) == 0)
            return true;
    return false;
}
