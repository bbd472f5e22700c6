/*
 * form_connection - JDBC; specification 2.2.3; and the credentials of a connection
 *
 * A password is never in a form: it is a placeholder that is filled from `credentials` when it is needed.
 */
#include <ctype.h>
#include "placeholders.h"
#include "form_parts.h"
#include "ceilings.h"

enum { SHORT_STRING = 255, IDENTIFIER = 128, BATCH_MAX = 100000 };

/* The text of a pointer, with what was read of one connection. */
struct connection {
    const char *url, *driver;
    json_t *credentials;
};

static const char *const isolation_levels[] = {"READ_UNCOMMITTED", "READ_COMMITTED", "REPEATABLE_READ",
                                               "SERIALIZABLE", NULL};

/* connection.credentials: {"username": ..., "password": "{secret}"} */
int form_check_credentials(const json_t *credentials, const char **username, struct fault *fault)
{
    static const char path[] = "/connection/credentials";
    const char *password = NULL;
    const struct json_field fields[] = {
        {.name = "username", .kind = JSON_KIND_STRING, .target = username, .min = 1},
        {.name = "password", .kind = JSON_KIND_STRING, .target = &password},
        {0},
    };
    *username = NULL;
    if (!credentials)
        return 0;
    if (json_fields(credentials, path, fields, fault))
        return -1;
    if (password && strcmp(password, "{secret}") != 0 && strcmp(password, "{password}") != 0)
        return fault_set(
            fault, FAULT_INPUT,
            "%s/password: a password is not written into a form; say \"{secret}\", and name the stored "
            "secret in the destination's \"credentials\"",
            path);
    if (!*username || strcmp(*username, "{username}") == 0)
        return 0;
    if (placeholders_check(*username, "/connection/credentials/username", fault))
        return -1;
    if (strchr(*username, '{'))
        return fault_set(fault, FAULT_INPUT, "%s/username: a name, or \"{username}\", is wanted", path);
    return 0;
}

/* [schema.]table: it becomes part of a statement. */
static bool is_identifier(const char *text)
{
    for (;; text++) {
        if (!isalpha((unsigned char)*text) && *text != '_')
            return false;
        while (isalnum((unsigned char)*text) || *text == '_')
            text++;
        if (*text != '.')
            return *text == 0;
    }
}

static void jdbc_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    const struct json_field fields[] = {
        {.name = "connection", .kind = JSON_KIND_OBJECT, .required = true, .target = &form->connection},
        {.name = "table",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &form->table,
         .max = IDENTIFIER},
        {.name = "batch_size",
         .kind = JSON_KIND_INT,
         .target = &form->batch_size,
         .min = 1,
         .max = BATCH_MAX},
        {.name = "isolation_level",
         .kind = JSON_KIND_WORD,
         .target = &form->isolation_level,
         .words = isolation_levels},
        {.name = "allow_private", .kind = JSON_KIND_BOOL, .target = &form->destination->allow_private},
        {0},
    };
    form_add_fields(out, fields);
}

static int check_jdbc_url(const char *url, struct fault *fault)
{
    size_t size = strlen(url);
    if (size > LIMIT_URL || strncmp(url, "jdbc:", 5) != 0)
        return fault_set(fault, FAULT_INPUT, "/connection/url: \"jdbc:...\" of at most %d bytes is wanted",
                         LIMIT_URL);
    for (const char *c = url; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '{')
            return fault_set(fault, FAULT_INPUT,
                             "/connection/url: blanks, control characters and placeholders are not taken");
    if (strchr(url, '@') || strcasestr(url, "password"))
        return fault_set(fault, FAULT_INPUT,
                         "/connection/url: a secret in the URL ends in logs; use \"credentials\"");
    return 0;
}

static int jdbc_check(struct form *form, struct fault *fault)
{
    const char *username;
    struct connection connection = {0};
    const struct json_field fields[] = {
        {.name = "url", .kind = JSON_KIND_STRING, .required = true, .target = &connection.url},
        {.name = "driver",
         .kind = JSON_KIND_STRING,
         .target = &connection.driver,
         .min = 1,
         .max = SHORT_STRING},
        {.name = "credentials", .kind = JSON_KIND_OBJECT, .target = &connection.credentials},
        {0},
    };
    if (json_fields(form->connection, "/connection", fields, fault) || check_jdbc_url(connection.url, fault))
        return -1;
    if (connection.driver && !is_identifier(connection.driver))
        return fault_set(fault, FAULT_INPUT, "/connection/driver: the name of a class is wanted");
    if (!is_identifier(form->table))
        return fault_set(fault, FAULT_INPUT, "/table: \"table\" or \"schema.table\" is wanted");
    return form_check_credentials(connection.credentials, &username, fault);
}

static const struct form_help jdbc_help[] = {
    {"connection",
     "{\"url\": \"jdbc:postgresql://db.example.com:5432/reports\", \"credentials\": {\"username\": \"dist\", "
     "\"password\": \"{secret}\"}}",
     "url (required), driver and credentials (required)"},
    {"table", "\"public.reports\"", "\"table\" or \"schema.table\" (required)"},
    {"batch_size", NULL, "rows of one transaction, 1 to 100000"},
    {"isolation_level", NULL, "READ_UNCOMMITTED, READ_COMMITTED, REPEATABLE_READ or SERIALIZABLE"},
    {"allow_private", NULL, "true: private addresses may be connected to; default: false"},
    {0},
};

const struct form_kind form_jdbc = {.fields = jdbc_fields, .check = jdbc_check, .help = jdbc_help};
