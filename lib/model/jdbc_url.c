/*
 * jdbc_url - see jdbc_url.h
 */
#include "jdbc_url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "ceilings.h"
#include "form_text.h"
#include "num.h"
#include "text.h"
#include "xalloc.h"

enum { PORT_MAX = 65535, DATABASE_MAX = 63, APPLICATION_MAX = 63, PATH_SIZE_MAX = 4095 };
#define SOCKET_FOLDER "/var/run/postgresql" /* where Debian's server and its libpq have it */

static int refuse(struct fault *fault, const char *what)
{
    return fault_set(fault, FAULT_INPUT, "/connection/url: %s", what);
}

/* A part, decoded; NULL where an escape is none, or says NUL or a control character. */
static char *decode(const char *text, size_t size)
{
    char *out = xmalloc(size + 1), *to = out;

    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '%') {
            char digits[3] = "";
            memcpy(digits, text + i + 1, size - i > 2 ? 2 : 0);
            if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1])) {
                free(out);
                return NULL;
            }
            c = (char)strtol(digits, NULL, 16);
            i += 2;
        }
        *to++ = c;
        if ((unsigned char)c < ' ' || c == 0x7f) {
            free(out);
            return NULL;
        }
    }
    *to = '\0';
    return out;
}

/* Hosts */

static bool is_host(const char *host)
{
    if (host[0] == '/')
        return form_path_is_plain(host);
    if (strchr(host, ':'))
        return strspn(host, "0123456789abcdefABCDEF:.") == strlen(host);
    return form_host_is_valid(host, strlen(host));
}

/* Takes the host. */
static int add_host(struct jdbc_url *url, char *host, int port, struct fault *fault)
{
    if (host && is_host(host) && url->host_count < JDBC_HOSTS_MAX) {
        url->hosts[url->host_count++] = (struct jdbc_host){host, port};
        return 0;
    }
    free(host);
    if (url->host_count == JDBC_HOSTS_MAX)
        return fault_set(fault, FAULT_INPUT, "/connection/url: more than %d hosts", JDBC_HOSTS_MAX);
    return refuse(fault, "a host is no name, no address and no folder of a socket");
}

static int parse_port(const char *text, size_t size, int *port, struct fault *fault)
{
    char digits[8] = "";
    int64_t number;

    if (size < sizeof digits)
        memcpy(digits, text, size);
    if (num_parse_int(digits, 1, PORT_MAX, &number, NULL))
        return fault_set(fault, FAULT_INPUT, "/connection/url: a port is no number from 1 to %d", PORT_MAX);
    *port = (int)number;
    return 0;
}

/* "host", "host:port", "[address]:port", and "" for the one that is meant then */
static int parse_host(const char *text, size_t size, const char *none, struct jdbc_url *url,
                      struct fault *fault)
{
    const char *end = text + size, *host = text, *host_end;
    int port = JDBC_PORT_DEFAULT;

    if (size > 0 && *text == '[') {
        host = text + 1;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end)
            return refuse(fault, "a '[' without its ']'");
        text = host_end + 1;
    } else {
        host_end = memchr(host, ':', size);
        host_end = host_end ? host_end : end;
        text = host_end;
    }
    if (text < end && *text != ':')
        return refuse(fault, "something stands between a ']' and its port");
    if (text < end && parse_port(text + 1, (size_t)(end - text) - 1, &port, fault))
        return -1;
    return add_host(url, host == host_end ? xstrdup(none) : decode(host, (size_t)(host_end - host)), port,
                    fault);
}

static int parse_hosts(const char *text, size_t size, const char *none, struct jdbc_url *url,
                       struct fault *fault)
{
    if (memchr(text, '@', size))
        return refuse(fault, "a secret in the URL ends in logs; use \"credentials\"");
    for (const char *end = text + size;;) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        if (parse_host(text, (size_t)((comma ? comma : end) - text), none, url, fault))
            return -1;
        if (!comma)
            return 0;
        text = comma + 1;
    }
}

/* Parameters */

static const char *const sslmodes[] = {"disable",   "allow",       "prefer", "require",
                                       "verify-ca", "verify-full", NULL};

static int set_sslmode(struct jdbc_url *url, char **value, struct fault *fault)
{
    for (size_t i = 0; sslmodes[i]; i++)
        if (strcmp(*value, sslmodes[i]) == 0) {
            url->sslmode = sslmodes[i];
            return 0;
        }
    return refuse(fault, "sslmode is disable, allow, prefer, require, verify-ca or verify-full");
}

/* As the JDBC driver means it. */
static int set_ssl(struct jdbc_url *url, char **value, struct fault *fault)
{
    bool is_true = strcasecmp(*value, "true") == 0 || **value == '\0';

    if (!is_true && strcasecmp(*value, "false") != 0)
        return refuse(fault, "ssl is true or false");
    if (!url->sslmode && is_true)
        url->sslmode = "verify-full";
    return 0;
}

/* Takes the value. */
static int set_path(char **target, char **value, struct fault *fault)
{
    if (strlen(*value) > PATH_SIZE_MAX || !form_path_is_plain(*value))
        return refuse(fault, "sslrootcert, sslcert and sslkey are absolute paths of PEM files");
    free(*target);
    *target = *value;
    *value = NULL;
    return 0;
}

static int set_ca_file(struct jdbc_url *url, char **value, struct fault *fault)
{
    return set_path(&url->ca_file, value, fault);
}

static int set_cert_file(struct jdbc_url *url, char **value, struct fault *fault)
{
    return set_path(&url->cert_file, value, fault);
}

static int set_key_file(struct jdbc_url *url, char **value, struct fault *fault)
{
    return set_path(&url->key_file, value, fault);
}

static int set_application(struct jdbc_url *url, char **value, struct fault *fault)
{
    if (!**value || strlen(*value) > APPLICATION_MAX)
        return fault_set(fault, FAULT_INPUT, "/connection/url: ApplicationName has 1 to %d bytes",
                         APPLICATION_MAX);
    free(url->application);
    url->application = *value;
    *value = NULL;
    return 0;
}

/* libpq's way to name a folder, which no host of a URL can be without escapes. */
static int set_host(struct jdbc_url *url, char **value, struct fault *fault)
{
    int port = url->hosts[0].port;

    for (size_t i = 0; i < url->host_count; i++)
        free(url->hosts[i].host);
    url->host_count = 0;
    char *host = *value;
    *value = NULL;
    return add_host(url, host, port, fault);
}

static int set_port(struct jdbc_url *url, char **value, struct fault *fault)
{
    for (size_t i = 0; i < url->host_count; i++)
        if (parse_port(*value, strlen(*value), &url->hosts[i].port, fault))
            return -1;
    return 0;
}

/* It is always the primary that is looked for: nobody else takes a row. */
static int set_target(struct jdbc_url *url, char **value, struct fault *fault)
{
    (void)url;
    if (strcmp(*value, "primary") == 0 || strcmp(*value, "master") == 0 || strcmp(*value, "read-write") == 0)
        return 0;
    return refuse(fault, "only a primary takes rows: targetServerType is primary, target_session_attrs "
                         "read-write or primary");
}

static const struct parameter {
    const char *name;
    int (*set)(struct jdbc_url *url, char **value, struct fault *fault);
} parameters[] = {
    {"ssl", set_ssl},
    {"sslmode", set_sslmode},
    {"sslrootcert", set_ca_file},
    {"sslcert", set_cert_file},
    {"sslkey", set_key_file},
    {"ApplicationName", set_application},
    {"application_name", set_application},
    {"host", set_host},
    {"port", set_port},
    {"targetServerType", set_target},
    {"target_session_attrs", set_target},
};
enum { PARAMETERS = sizeof parameters / sizeof *parameters };

static int unknown_parameter(const char *name, struct fault *fault)
{
    const char *names[PARAMETERS];
    char cut[40];

    if (strcasestr(name, "password") || strcasecmp(name, "user") == 0)
        return refuse(fault, "a secret in the URL ends in logs; use \"credentials\"");
    for (size_t i = 0; i < PARAMETERS; i++)
        names[i] = parameters[i].name;
    const char *nearest = text_nearest(name, names, PARAMETERS);
    text_copy(cut, sizeof cut, name);
    return fault_set(fault, FAULT_INPUT, "/connection/url: the parameter '%s' is not taken%s%s%s",
                     text_printable(cut), nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : "");
}

static int parse_parameter(const char *text, size_t size, struct jdbc_url *url, struct fault *fault)
{
    const char *equals = memchr(text, '=', size);
    size_t name_size = equals ? (size_t)(equals - text) : size;
    char *name = decode(text, name_size);
    char *value = equals ? decode(equals + 1, size - name_size - 1) : xstrdup("");
    int result = -1;
    size_t i = 0;

    while (name && i < PARAMETERS && strcmp(parameters[i].name, name) != 0)
        i++;
    if (!name || !value)
        refuse(fault, "a '%' is followed by two hexadecimal digits, which say no control character");
    else if (i == PARAMETERS)
        unknown_parameter(name, fault);
    else
        result = parameters[i].set(url, &value, fault);
    free(name);
    free(value);
    return result;
}

static int parse_parameters(const char *text, struct jdbc_url *url, struct fault *fault)
{
    while (*text) {
        size_t size = strcspn(text, "&");
        if (size && parse_parameter(text, size, url, fault))
            return -1;
        text += size + (text[size] == '&');
    }
    return 0;
}

/* The whole */

static int parse_database(const char *text, size_t size, struct jdbc_url *url, struct fault *fault)
{
    if (!size)
        return 0;
    url->database = decode(text, size);
    if (!url->database || strlen(url->database) > DATABASE_MAX || strchr(url->database, '/'))
        return fault_set(fault, FAULT_INPUT, "/connection/url: the name of a database has 1 to %d bytes",
                         DATABASE_MAX);
    return 0;
}

/* Behind the scheme. */
static int parse_rest(const char *rest, const char *none, struct jdbc_url *url, struct fault *fault)
{
    const char *question = strchr(rest, '?'), *end = question ? question : rest + strlen(rest);
    const char *database = rest;

    if (text_starts_with(rest, "//")) {
        const char *slash = memchr(rest + 2, '/', (size_t)(end - rest - 2));
        if (parse_hosts(rest + 2, (size_t)((slash ? slash : end) - rest - 2), none, url, fault))
            return -1;
        database = slash ? slash + 1 : end;
    } else if (add_host(url, xstrdup(none), JDBC_PORT_DEFAULT, fault)) {
        return -1;
    }
    if (parse_database(database, (size_t)(end - database), url, fault))
        return -1;
    return question ? parse_parameters(question + 1, url, fault) : 0;
}

static int wrong_scheme(const char *text, struct fault *fault)
{
    const char *scheme = text_starts_with(text, "jdbc:") ? text + 5 : text;
    char name[24];

    text_copy(name, sizeof name, scheme);
    name[strcspn(name, ":/?@")] = '\0'; /* what follows may be a secret */
    if (!strchr(scheme, ':'))
        return refuse(fault, "jdbc:postgresql://host:port/database or postgresql://... is wanted");
    return fault_set(fault, FAULT_INPUT,
                     "/connection/url: only PostgreSQL is delivered to, not '%s': "
                     "jdbc:postgresql://host:port/database or postgresql://... is wanted",
                     text_printable(name));
}

int jdbc_url_parse(const char *text, struct jdbc_url *url, struct fault *fault)
{
    int result;

    *url = (struct jdbc_url){0};
    if (strlen(text) > LIMIT_URL)
        return fault_set(fault, FAULT_INPUT, "/connection/url: longer than %d bytes", LIMIT_URL);
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '{')
            return refuse(fault, "blanks, control characters and placeholders are not taken");
    if (text_starts_with(text, "jdbc:postgresql:"))
        result = parse_rest(text + 16, "localhost", url, fault);
    else if (text_starts_with(text, "postgresql://"))
        result = parse_rest(text + 11, SOCKET_FOLDER, url, fault);
    else if (text_starts_with(text, "postgres://"))
        result = parse_rest(text + 9, SOCKET_FOLDER, url, fault);
    else
        return wrong_scheme(text, fault);
    if (result < 0)
        jdbc_url_release(url);
    return result;
}

void jdbc_url_release(struct jdbc_url *url)
{
    for (size_t i = 0; i < url->host_count; i++)
        free(url->hosts[i].host);
    free(url->database);
    free(url->ca_file);
    free(url->cert_file);
    free(url->key_file);
    free(url->application);
    *url = (struct jdbc_url){0};
}

bool jdbc_url_has_socket(const struct jdbc_url *url)
{
    for (size_t i = 0; i < url->host_count; i++)
        if (url->hosts[i].host[0] == '/')
            return true;
    return false;
}
