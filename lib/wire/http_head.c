/*
 * http_head - see http_head.h
 */
#include "http_head.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <curl/curl.h>
#include "clock.h"
#include "text.h"

#define RETRY_AFTER_MAX_MS (INT64_C(10) * 365 * 24 * 3600 * 1000)

enum { HOST_MAX = 260 /* a name of 253 bytes (RFC 1035 section 2.3.4) and a port */ };

int http_head_status(const char *line)
{
    const char *space = strchr(line, ' ');

    if (!space || !isdigit((unsigned char)space[1]) || !isdigit((unsigned char)space[2]) ||
        !isdigit((unsigned char)space[3]))
        return 0;
    return (space[1] - '0') * 100 + (space[2] - '0') * 10 + (space[3] - '0');
}

const char *http_head_field(const char *line, const char *name)
{
    size_t size = strlen(name);

    if (strncasecmp(line, name, size) != 0)
        return NULL;
    return line + size + strspn(line + size, " \t");
}

int64_t http_head_retry_after_ms(const char *value)
{
    int64_t seconds = 0, limit = RETRY_AFTER_MAX_MS / 1000;

    if (*value == '-')
        return isdigit((unsigned char)value[1]) ? 0 : -1;
    if (isdigit((unsigned char)*value)) {
        for (; isdigit((unsigned char)*value) && seconds < limit; value++)
            seconds = seconds * 10 + (*value - '0');
    } else {
        time_t date = curl_getdate(value, NULL);
        if (date == -1)
            return -1;
        seconds = (int64_t)date - clock_wall_us() / 1000000;
        if (seconds < 0)
            seconds = 0;
    }
    return (seconds < limit ? seconds : limit) * 1000;
}

/* Behind "//", with or without a scheme in front; NULL where there is no host. */
static const char *authority_of(const char *value)
{
    size_t scheme = 0;

    while (isalnum((unsigned char)value[scheme]) || (value[scheme] && strchr("+-.", value[scheme])))
        scheme++;
    if (scheme > 0 && value[scheme] == ':')
        scheme++;
    else
        scheme = 0;
    return strncmp(value + scheme, "//", 2) == 0 ? value + scheme + 2 : NULL;
}

void http_head_redirect(const char *value, char *out, size_t out_size)
{
    const char *authority = authority_of(value);

    if (!authority) {
        text_copy(out, out_size, "another path of the same host");
        return;
    }
    size_t size = strcspn(authority, "/?#\\");
    const char *user_end = memrchr(authority, '@', size);
    const char *host = user_end ? user_end + 1 : authority;
    size -= (size_t)(host - authority);
    if (size == 0 || size > HOST_MAX || authority - value > HOST_MAX) { /* of a cut line too */
        text_copy(out, out_size, "an address that is none");
        return;
    }
    snprintf(out, out_size, "%.*s%.*s", (int)(authority - value), value, (int)size, host);
    text_printable(out);
}
