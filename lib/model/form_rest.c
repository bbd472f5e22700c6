/*
 * form_rest - REST: endpoint, method and headers; specification 2.2.1
 *
 * Where a request goes is decided by the form alone: scheme, host and port are literal, placeholders stand
 * behind them. Secrets stay out of the URL, which ends in logs.
 */
#include <ctype.h>
#include <strings.h>
#include "placeholders.h"
#include "form.h"
#include "form_parts.h"
#include "ceilings.h"
#include "num.h"
#include "text.h"

enum { HEADER_VALUE_MAX = 8192, PORT_MAX = 65535 };

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", NULL};
static const char *const http_versions[] = {"1.1", "2", "2-prior-knowledge", NULL};

/* Framing and connection handling are the client's: a form that set them could smuggle a second request. */
static const char *const own_headers[] = {"Connection", "Content-Length",    "Expect", "Keep-Alive", "TE",
                                          "Trailer",    "Transfer-Encoding", "Upgrade"};
enum { OWN_HEADERS = sizeof own_headers / sizeof *own_headers };

static void rest_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    struct destination *destination = form->destination;
    const struct json_field fields[] = {
        {.name = "endpoint", .kind = JSON_KIND_STRING, .required = true, .target = &destination->endpoint},
        {.name = "method", .kind = JSON_KIND_WORD, .target = &destination->method, .words = methods},
        {.name = "headers", .kind = JSON_KIND_STRINGS, .target = &destination->headers},
        {.name = "http_version",
         .kind = JSON_KIND_WORD,
         .target = &destination->http_version,
         .words = http_versions},
        FORM_FIELD_TLS(form),
        {.name = "allow_private", .kind = JSON_KIND_BOOL, .target = &destination->allow_private},
        {0},
    };
    form_add_fields(out, fields);
}

/* "host", "host:port", "[::1]:port" */
static int check_authority(const char *authority, size_t size, struct fault *fault)
{
    if (memchr(authority, '{', size))
        return fault_set(fault, FAULT_INPUT,
                         "/endpoint: placeholders are taken in path and query, not in the host");
    if (memchr(authority, '@', size))
        return fault_set(fault, FAULT_INPUT,
                         "/endpoint: a user in the URL ends in logs; use \"credentials\" and \"headers\"");
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
        return fault_set(fault, FAULT_INPUT, "/endpoint: no valid host follows \"://\"");
    if (host_end == end)
        return 0;
    char port[8] = "";
    int64_t number;
    if (*host_end == ':' && end - host_end < (ptrdiff_t)sizeof port)
        memcpy(port, host_end + 1, (size_t)(end - host_end) - 1);
    if (num_parse_int(port, 1, PORT_MAX, &number, NULL))
        return fault_set(fault, FAULT_INPUT, "/endpoint: the port is no number from 1 to %d", PORT_MAX);
    return 0;
}

int form_check_endpoint(const struct destination *destination, struct fault *fault)
{
    const char *url = destination->endpoint;
    if (strlen(url) > LIMIT_URL)
        return fault_set(fault, FAULT_INPUT, "/endpoint: longer than %d bytes", LIMIT_URL);
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '\\')
            return fault_set(fault, FAULT_INPUT,
                             "/endpoint: a blank or a character that a URL cannot have; percent-encode it");
    if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
        return fault_set(fault, FAULT_INPUT, "/endpoint: a URL with http:// or https:// is wanted");
    if (strchr(url, '#'))
        return fault_set(fault, FAULT_INPUT,
                         "/endpoint: a fragment (#) is never sent; write %%23 for the character");
    const char *authority = strchr(url, ':') + 3;
    if (check_authority(authority, strcspn(authority, "/?"), fault))
        return -1;
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

/* RFC 9110 section 5.6.2 */
static bool is_token(const char *text)
{
    const char *c = text;
    while (*c && (isalnum((unsigned char)*c) || strchr("!#$%&'*+-.^_`|~", *c)))
        c++;
    return *c == 0 && c != text;
}

bool form_header_is_framing(const char *name)
{
    for (size_t i = 0; i < OWN_HEADERS; i++)
        if (strcasecmp(own_headers[i], name) == 0)
            return true;
    return false;
}

static int check_header(const char *name, const char *value, struct fault *fault)
{
    if (!is_token(name)) {
        char cut[60];
        text_copy(cut, sizeof cut, name);
        return fault_set(fault, FAULT_INPUT, "/headers: '%s' cannot be the name of a header field",
                         text_printable(cut));
    }
    if (form_header_is_framing(name))
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

static int rest_check(struct form *form, struct fault *fault)
{
    struct destination *destination = form->destination;
    if (!destination->method)
        destination->method = "POST";
    if (form_check_endpoint(destination, fault) || check_headers(destination->headers, fault))
        return -1;
    if (form_check_tls(form, strncasecmp(destination->endpoint, "https:", 6) == 0, false, fault))
        return -1;
    return check_version(destination, fault);
}

static const struct form_help rest_help[] = {
    {"endpoint", "\"https://api.example.com/webhook\"",
     "an http or https URL; placeholders as {tenant_id} behind the host (required)"},
    {"method", "\"POST\"", "GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS; default: POST"},
    {"headers", "{}", "an object of texts: \"Authorization\": \"Bearer {token}\"; default: none"},
    {"http_version", NULL,
     "\"1.1\", \"2\" or \"2-prior-knowledge\"; default: \"2\" for https, \"1.1\" for http"},
    {"tls", NULL,
     "an object with \"ca_file\", \"cert_file\", \"key_file\"; default: the system's authorities"},
    {"allow_private", NULL, "true: private addresses may be connected to; default: false"},
    {0},
};

const struct form_kind form_rest = {.fields = rest_fields, .check = rest_check, .help = rest_help};
