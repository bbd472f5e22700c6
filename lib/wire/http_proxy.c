/*
 * http_proxy - see http_proxy.h and http.h
 */
#include "http_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <curl/curl.h>
#include "xalloc.h"

/* The part of a URL, for curl_free(), or NULL. libcurl brings addresses into one form: 0x7f.1 is 127.0.0.1.
 */
static char *part_of(const char *url, CURLUPart part, unsigned flags)
{
    CURLU *parsed = curl_url();
    char *text = NULL;

    if (parsed && curl_url_set(parsed, CURLUPART_URL, url, flags) == CURLUE_OK)
        curl_url_get(parsed, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0);
    curl_url_cleanup(parsed);
    return text;
}

/*
 * The host of a URL, for curl_free(), or NULL, without the dots at its end: with them libcurl sees a name in
 * 0x7f.1. and a resolver sees an address.
 */
static char *host_of(const char *url)
{
    char *host = part_of(url, CURLUPART_HOST, 0);
    size_t size = host ? strlen(host) : 0, bare = size;

    while (bare && host[bare - 1] == '.')
        bare--;
    if (!bare || bare == size)
        return host;
    char *without = xasprintf("http://%.*s/", (int)bare, host);
    curl_free(host);
    host = part_of(without, CURLUPART_HOST, 0);
    free(without);
    return host;
}

static const char *refuses(const struct guard *guard, const char *host, in_port_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};
    char address[INET6_ADDRSTRLEN] = "";
    size_t size = strlen(host), local = sizeof "localhost" - 1;

    if (!guard->allow_private && size >= local && strncasecmp(host + size - local, "localhost", local) == 0 &&
        (size == local || host[size - local - 1] == '.'))
        return "loopback (localhost)";
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        return guard_refuses(guard, (const struct sockaddr *)&v4);
    size = strcspn(host + 1, "]%");
    if (*host == '[' && size < sizeof address) {
        memcpy(address, host + 1, size);
        if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1)
            return guard_refuses(guard, (const struct sockaddr *)&v6);
    }
    return NULL;
}

const char *http_proxy_refused_host(const char *url, const struct guard *guard)
{
    char *host = host_of(url), *port = part_of(url, CURLUPART_PORT, 0);
    unsigned long number = port ? strtoul(port, NULL, 10) : 0;
    const char *network = host && *host ? refuses(guard, host, htons((in_port_t)number)) : NULL;

    curl_free(port);
    curl_free(host);
    return network;
}

int http_check_proxy(const char *url, struct fault *fault)
{
    static const char *const schemes[] = {"http", "https", "socks5h", NULL};
    static const CURLUPart absent[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                       CURLUPART_FRAGMENT};
    char *scheme = part_of(url, CURLUPART_SCHEME, CURLU_NON_SUPPORT_SCHEME);
    char *path = part_of(url, CURLUPART_PATH, CURLU_NON_SUPPORT_SCHEME);
    bool good = scheme && path && strcmp(path, "/") == 0, known = false;

    for (size_t i = 0; scheme && schemes[i]; i++)
        known |= strcmp(schemes[i], scheme) == 0;
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        char *part = part_of(url, absent[i], CURLU_NON_SUPPORT_SCHEME);
        good &= part == NULL;
        curl_free(part);
    }
    curl_free(scheme);
    curl_free(path);
    if (good && known)
        return 0;
    return fault_set(fault, FAULT_CONFIG,
                     "a proxy is http://host:port, https or socks5h, without a user and a path");
}
