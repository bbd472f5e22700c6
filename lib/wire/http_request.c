/*
 * http_request - see http_request.h
 */
#include "http_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <curl/curl.h>
#include "http_field.h"
#include "xalloc.h"

/* What is wrong with the header, or NULL. */
static const char *header_mistake(const char *header)
{
    size_t name = strcspn(header, ":");

    if (header[name] != ':' || name == 0)
        return "a header is not of the form 'Name: value'";
    if (http_field_token_size(header) != name)
        return "a header's name holds a character that is not allowed";
    for (const char *c = header + name; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return "a header's value holds a control character";
    return http_field_is_framing(header, name) ? "a header is one of those that the connection sets by itself"
                                               : NULL;
}

static void headers_append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer)
        abort(); /* out of memory, as in xalloc */
    *list = longer;
}

/* libcurl's own language: "Name:" takes a header away, "Name;" is one with an empty value. */
const char *http_request_headers(const char *const *headers, struct curl_slist **list)
{
    bool typed = false;

    headers_append(list, "Expect:"); /* we do not wait for a 100 before a body */
    for (; headers && *headers; headers++) {
        const char *mistake = header_mistake(*headers);
        size_t name = strcspn(*headers, ":");
        if (mistake)
            return mistake;
        typed |= name == 12 && strncasecmp(*headers, "Content-Type", 12) == 0;
        if ((*headers)[name + 1 + strspn(*headers + name + 1, " \t")] == '\0') {
            char *empty = xasprintf("%.*s;", (int)name, *headers);
            headers_append(list, empty);
            free(empty);
        } else {
            headers_append(list, *headers);
        }
    }
    if (!typed)
        headers_append(list, "Content-Type:"); /* not libcurl's form-urlencoded */
    return NULL;
}

static long version_of(enum http_version version)
{
    switch (version) {
    case HTTP_VERSION_1_1:
        return CURL_HTTP_VERSION_1_1;
    case HTTP_VERSION_2_PRIOR_KNOWLEDGE:
        return CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    case HTTP_VERSION_AUTO:
    case HTTP_VERSION_2:
        break;
    }
    return CURL_HTTP_VERSION_2TLS;
}

/* Before 8.0.0 libcurl spoils a connection that it reuses with prior knowledge (curl issue 10634). */
static long reuse_is_broken(enum http_version version)
{
    return version == HTTP_VERSION_2_PRIOR_KNOWLEDGE &&
           curl_version_info(CURLVERSION_NOW)->version_num < 0x080000;
}

static bool set_request(CURL *easy, const struct http_request *request)
{
    bool head = strcmp(request->method, "HEAD") == 0, get = strcmp(request->method, "GET") == 0;
    bool post = strcmp(request->method, "POST") == 0;
    bool carries = request->body || post || strcmp(request->method, "PUT") == 0 ||
                   strcmp(request->method, "PATCH") == 0; /* these say Content-Length: 0 */
    CURLcode failed = CURLE_OK;

    failed |= curl_easy_setopt(easy, CURLOPT_URL, request->url);
    failed |= curl_easy_setopt(easy, CURLOPT_PROXY, request->proxy ? request->proxy : "");
    failed |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version_of(request->version));
    /* Who comes while the first connection makes its TLS waits to share it, should the server speak HTTP/2;
     * without TLS nothing tells, and he would wait for the answer of the one before him. */
    bool shares = request->version != HTTP_VERSION_1_1 && strncasecmp(request->url, "https:", 6) == 0;
    failed |= curl_easy_setopt(easy, CURLOPT_PIPEWAIT, shares ? 1L : 0L);
    failed |= curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, reuse_is_broken(request->version));
    failed |= curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, reuse_is_broken(request->version));
    failed |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MAX_MS);
    if (head) {
        failed |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (carries) {
        failed |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
        failed |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
    }
    if (!head && !(get && !carries) && !post)
        failed |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    return failed == CURLE_OK;
}

/* A key with a passphrase is refused: OpenSSL would ask the terminal for it. */
static bool set_files(CURL *easy, const struct http_request *request)
{
    const char *key_file = request->key_file ? request->key_file : request->cert_file;
    CURLcode failed = CURLE_OK;

    if (request->ca_file) {
        failed |= curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
        failed |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* these and no others */
    }
    if (request->cert_file) {
        failed |= curl_easy_setopt(easy, CURLOPT_SSLCERT, request->cert_file);
        failed |= curl_easy_setopt(easy, CURLOPT_SSLKEY, key_file);
        failed |= curl_easy_setopt(easy, CURLOPT_KEYPASSWD, "");
    }
    if (request->connect_only)
        failed |= curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    return failed == CURLE_OK;
}

bool http_request_set(void *easy, const struct http_request *request, struct curl_slist *headers)
{
    return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK && set_request(easy, request) &&
           set_files(easy, request);
}
