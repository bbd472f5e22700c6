/*
 * form_http - what protocols have that are HTTP requests: endpoint, headers, who we are, the way there
 *
 * Where a request goes is decided by the form alone: scheme, host and port are literal, placeholders stand
 * behind them. Secrets stay out of the URL, which ends in logs.
 */
#include <string.h>
#include <strings.h>
#include "ceilings.h"
#include "form.h"
#include "form_parts.h"
#include "http_field.h"
#include "placeholders.h"
#include "text.h"

enum { HEADER_VALUE_MAX = 8192 };

static const char *const gone_words[] = {"disable", "reject", NULL};
static const char *const http_versions[] = {"1.1", "2", "2-prior-knowledge", NULL};

size_t form_add_http_fields(struct form *form, struct json_field *out)
{
    struct destination *destination = form->destination;
    const struct json_field fields[] = {
        {.name = "endpoint", .kind = JSON_KIND_STRING, .required = true, .target = &destination->endpoint},
        {.name = "headers", .kind = JSON_KIND_STRINGS, .target = &destination->headers},
        {.name = "http_version",
         .kind = JSON_KIND_WORD,
         .target = &destination->http_version,
         .words = http_versions},
        {.name = "auth", .kind = JSON_KIND_OBJECT, .target = &form->auth},
        {.name = "proxy", .kind = JSON_KIND_STRING, .target = &destination->proxy},
        {.name = "on_gone", .kind = JSON_KIND_WORD, .target = &form->on_gone, .words = gone_words},
        FORM_FIELD_TLS(form),
        {.name = "allow_private", .kind = JSON_KIND_BOOL, .target = &destination->allow_private},
        {0},
    };
    return form_add_fields(out, fields);
}

int form_check_endpoint(const struct destination *destination, struct fault *fault)
{
    static const char *const schemes[] = {"http", "https", NULL};
    const char *url = destination->endpoint;

    if (form_check_url("/endpoint", url, schemes, fault))
        return -1;
    if (destination->credentials && !destination->allow_private && strncasecmp(url, "https:", 6) != 0)
        return fault_set(fault, FAULT_INPUT,
                         "/endpoint: \"credentials\" would be sent in clear; take https://, or say "
                         "\"allow_private\": true where the network is your own");
    return placeholders_check_public(url, "/endpoint", fault);
}

int form_check_base(const struct destination *destination, struct fault *fault)
{
    const char *url = destination->endpoint;

    if (form_check_endpoint(destination, fault))
        return -1;
    if (strpbrk(url, "{?") || url[strlen(url) - 1] == '/')
        return fault_set(fault, FAULT_INPUT,
                         "/endpoint: a URL without placeholders, query and '/' at its end is wanted");
    return 0;
}

static int check_header(const char *name, const char *value, struct fault *fault)
{
    if (!http_field_is_name(name)) {
        char cut[60];
        text_copy(cut, sizeof cut, name);
        return fault_set(fault, FAULT_INPUT, "/headers: '%s' cannot be the name of a header field",
                         text_printable(cut));
    }
    if (http_field_is_framing(name, strlen(name)))
        return fault_set(fault, FAULT_INPUT, "/headers/%s: this field is set by the HTTP client alone", name);
    char path[100];
    snprintf(path, sizeof path, "/headers/%s", name);
    if (strlen(value) > HEADER_VALUE_MAX)
        return fault_set(fault, FAULT_INPUT, "%s: longer than %d bytes", path, HEADER_VALUE_MAX);
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return fault_set(fault, FAULT_INPUT, "%s: a control character", path);
    return placeholders_check(value, path, fault);
}

static bool has_header_before(json_t *headers, const char *name)
{
    const char *other;
    json_t *value;
    json_object_foreach (headers, other, value) {
        if (strcmp(other, name) == 0)
            return false;
        if (strcasecmp(other, name) == 0)
            return true;
    }
    return false;
}

static int check_headers(json_t *headers, struct fault *fault)
{
    const char *name;
    json_t *value;
    if (json_object_size(headers) > LIMIT_HEADERS)
        return fault_set(fault, FAULT_INPUT, "/headers: more than %d", LIMIT_HEADERS);
    json_object_foreach (headers, name, value) {
        if (check_header(name, json_string_value(value), fault))
            return -1;
        if (has_header_before(headers, name))
            return fault_set(fault, FAULT_INPUT, "/headers/%s: the field is there twice; case does not count",
                             name);
    }
    return 0;
}

static int check_version(struct destination *destination, struct fault *fault)
{
    bool tls = strncasecmp(destination->endpoint, "https:", 6) == 0;
    const char *version = destination->http_version;
    if (!version)
        destination->http_version = tls ? "2" : "1.1";
    else if (!tls && strcmp(version, "2") == 0)
        return fault_set(fault, FAULT_INPUT,
                         "/http_version: \"2\" is agreed on over TLS; for http:// say \"2-prior-knowledge\"");
    else if (tls && strcmp(version, "2-prior-knowledge") == 0)
        return fault_set(fault, FAULT_INPUT,
                         "/http_version: \"2-prior-knowledge\" is for http://; say \"2\"");
    return 0;
}

int form_check_proxy(const struct destination *destination, struct fault *fault)
{
    static const char *const schemes[] = {"http", "https", "socks5h", NULL};
    const char *url = destination->proxy;

    if (!url)
        return 0;
    if (destination->tenant)
        return fault_set(fault, FAULT_DENIED,
                         "/proxy: only the operator names a proxy, in a configured destination");
    if (strcmp(url, "direct") == 0)
        return 0;
    if (form_check_url("/proxy", url, schemes, fault))
        return -1;
    const char *authority = strstr(url, "://") + 3;
    size_t end = strcspn(authority, "/?");
    if (strcmp(authority + end, "/") != 0 && authority[end])
        return fault_set(fault, FAULT_INPUT, "/proxy: nothing may stand behind the port");
    return 0;
}

int form_check_http(struct form *form, struct fault *fault)
{
    struct destination *destination = form->destination;

    if (form_check_endpoint(destination, fault) || check_headers(destination->headers, fault))
        return -1;
    if (form_check_tls(form, strncasecmp(destination->endpoint, "https:", 6) == 0, false, fault))
        return -1;
    if (form_check_auth(form, fault) || form_check_proxy(destination, fault))
        return -1;
    /* Of an endpoint with placeholders one URL may be gone, and not the destination. */
    destination->gone_rejects =
        form->on_gone ? strcmp(form->on_gone, "reject") == 0 : placeholders_present(destination->endpoint);
    return check_version(destination, fault);
}
