/*
 * form_url - URLs in forms: where a connection goes is literal, and nothing of a secret is in them
 */
#include <string.h>
#include <strings.h>
#include "form_parts.h"
#include "ceilings.h"
#include "num.h"

enum { PORT_MAX = 65535 };

/* "host", "host:port", "[::1]:port" */
static int check_authority(const char *path, const char *authority, size_t size, struct fault *fault)
{
    if (memchr(authority, '{', size))
        return fault_set(fault, FAULT_INPUT, "%s: placeholders are taken in path and query, not in the host",
                         path);
    if (memchr(authority, '@', size))
        return fault_set(fault, FAULT_INPUT,
                         "%s: a user in the URL ends in logs; use \"credentials\" and \"headers\"", path);
    const char *end = authority + size;
    const char *host_end = memchr(authority, *authority == '[' ? ']' : ':', size);
    bool valid;
    if (*authority == '[') {
        host_end = host_end ? host_end + 1 : authority;
        size_t address = strspn(authority + 1, "0123456789abcdefABCDEF:.");
        valid = address > 0 && authority + address + 2 == host_end;
    } else {
        host_end = host_end ? host_end : end;
        valid = form_host_is_valid(authority, (size_t)(host_end - authority));
    }
    if (!valid)
        return fault_set(fault, FAULT_INPUT, "%s: no valid host follows \"://\"", path);
    if (host_end == end)
        return 0;
    char port[8] = "";
    int64_t number;
    if (*host_end == ':' && end - host_end < (ptrdiff_t)sizeof port)
        memcpy(port, host_end + 1, (size_t)(end - host_end) - 1);
    if (num_parse_int(port, 1, PORT_MAX, &number, NULL))
        return fault_set(fault, FAULT_INPUT, "%s: the port is no number from 1 to %d", path, PORT_MAX);
    return 0;
}

static bool has_scheme(const char *url, const char *scheme)
{
    size_t size = strlen(scheme);

    return strncasecmp(url, scheme, size) == 0 && strncmp(url + size, "://", 3) == 0;
}

/* "a URL with http:// or https:// is wanted" */
static int refuse_scheme(const char *path, const char *const *schemes, struct fault *fault)
{
    char list[100] = "";
    size_t used = 0;

    for (size_t i = 0; schemes[i] && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s://",
                                 i == 0           ? ""
                                 : schemes[i + 1] ? ", "
                                                  : " or ",
                                 schemes[i]);
    return fault_set(fault, FAULT_INPUT, "%s: a URL with %s is wanted", path, list);
}

int form_check_url(const char *path, const char *url, const char *const *schemes, struct fault *fault)
{
    size_t scheme = 0;

    if (strlen(url) > LIMIT_URL)
        return fault_set(fault, FAULT_INPUT, "%s: longer than %d bytes", path, LIMIT_URL);
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '\\')
            return fault_set(fault, FAULT_INPUT,
                             "%s: a blank or a character that a URL cannot have; percent-encode it", path);
    while (schemes[scheme] && !has_scheme(url, schemes[scheme]))
        scheme++;
    if (!schemes[scheme])
        return refuse_scheme(path, schemes, fault);
    if (strchr(url, '#'))
        return fault_set(fault, FAULT_INPUT, "%s: a fragment (#) is never sent; write %%23 for the character",
                         path);
    const char *authority = strchr(url, ':') + 3;
    return check_authority(path, authority, strcspn(authority, "/?"), fault);
}
