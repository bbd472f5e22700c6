/*
 * form_jdbc - JDBC: connection, table and what its columns get; specification 2.2.3
 *
 * No column is given two values: where each one's comes from is said once, or not at all.
 */
#include <ctype.h>
#include <stdlib.h>
#include "form_parts.h"
#include "jdbc.h"
#include "placeholders.h"
#include "text.h"
#include "xalloc.h"

enum { TABLE_MAX = 2 * JDBC_IDENTIFIER_MAX + 1, BATCH_MAX = 100000, VALUE_MAX = 1000 };

/* With the words of SQL. */
static const char *const levels[] = {"READ_UNCOMMITTED", "READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE",
                                     NULL};
static const char *const levels_sql[] = {"READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ",
                                         "SERIALIZABLE"};
static const char *const upserts[] = {"nothing", "update", NULL};

/* The checks need all of them: they are read into the form, which ends before the destination does. */
static void jdbc_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    struct form_jdbc_members *members = &form->jdbc;
    const struct json_field fields[] = {
        {.name = "connection", .kind = JSON_KIND_OBJECT, .required = true, .target = &form->connection},
        {.name = "table",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &members->table,
         .max = TABLE_MAX},
        {.name = "columns", .kind = JSON_KIND_STRINGS, .target = &members->columns},
        {.name = "values", .kind = JSON_KIND_STRINGS, .target = &members->values},
        {.name = "body_column", .kind = JSON_KIND_STRING, .target = &members->body_column},
        {.name = "key_column", .kind = JSON_KIND_STRING, .target = &members->key_column},
        {.name = "row_column", .kind = JSON_KIND_STRING, .target = &members->row_column},
        {.name = "upsert", .kind = JSON_KIND_WORD, .target = &members->upsert, .words = upserts},
        {.name = "batch_size",
         .kind = JSON_KIND_INT,
         .target = &members->batch_size,
         .min = 1,
         .max = BATCH_MAX},
        {.name = "isolation_level", .kind = JSON_KIND_WORD, .target = &members->isolation, .words = levels},
        FORM_FIELD_TLS(form),
        {.name = "allow_private", .kind = JSON_KIND_BOOL, .target = &form->destination->allow_private},
        {0},
    };
    form_add_fields(out, fields);
}

/* Where */

static int check_connection(struct form *form, struct jdbc *jdbc, struct fault *fault)
{
    const char *url = "", *driver = NULL;
    json_t *credentials = NULL;
    const struct json_field fields[] = {
        {.name = "url", .kind = JSON_KIND_STRING, .required = true, .target = &url},
        {.name = "driver", .kind = JSON_KIND_STRING, .target = &driver},
        {.name = "credentials", .kind = JSON_KIND_OBJECT, .target = &credentials},
        {0},
    };

    if (json_fields(form->connection, "/connection", fields, fault) || jdbc_url_parse(url, &jdbc->url, fault))
        return -1;
    if (driver && strcmp(driver, "org.postgresql.Driver") != 0)
        return fault_set(
            fault, FAULT_INPUT,
            "/connection/driver: only \"org.postgresql.Driver\" is taken: no Java is run, and no "
            "other database is delivered to");
    return form_check_credentials(credentials, &jdbc->username, fault);
}

static bool verifies(const char *sslmode)
{
    return strcmp(sslmode, "verify-ca") == 0 || strcmp(sslmode, "verify-full") == 0;
}

/* "tls" asks for an encrypted and verified connection, and files of the URL are those of "tls". */
static int check_encryption(struct form *form, struct jdbc *jdbc, struct fault *fault)
{
    struct destination *destination = form->destination;
    const struct jdbc_url *url = &jdbc->url;
    bool files = url->ca_file || url->cert_file || url->key_file;

    if (destination->tenant && (files || jdbc_url_has_socket(url)))
        return fault_set(fault, FAULT_DENIED,
                         "/connection/url: only the operator names files and sockets, in a configured "
                         "destination");
    if (form->tls && files)
        return fault_set(fault, FAULT_INPUT, "/tls: the URL names files too: name them in one place");
    /* A password that is stored goes to nobody who cannot say who he is, unless the form takes that upon it.
     */
    bool verified = form->tls || url->ca_file || destination->credentials;
    jdbc->sslmode = url->sslmode ? url->sslmode : verified ? "verify-full" : "prefer";
    if (form->tls && !verifies(jdbc->sslmode) && strcmp(jdbc->sslmode, "disable") != 0)
        return fault_set(fault, FAULT_INPUT,
                         "/tls: with sslmode=%s no certificate is verified; verify-full is the default here",
                         jdbc->sslmode);
    if (form_check_tls(form, strcmp(jdbc->sslmode, "disable") != 0, true, fault))
        return -1;
    if (url->key_file && !url->cert_file)
        return fault_set(fault, FAULT_INPUT, "/connection/url: sslkey without sslcert");
    if (!form->tls) {
        destination->ca_file = url->ca_file;
        destination->cert_file = url->cert_file;
        destination->key_file = url->key_file;
    }
    if (strcmp(jdbc->sslmode, "verify-ca") == 0 && !destination->ca_file)
        return fault_set(
            fault, FAULT_INPUT,
            "/connection/url: sslmode=verify-ca looks at no name, so that any server with a public "
            "certificate would do: name the authority (sslrootcert, or tls/ca_file), or say "
            "verify-full");
    return 0;
}

/* What */

static bool is_identifier(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f || text[i] == '"')
            return false;
    return size > 0 && size <= JDBC_IDENTIFIER_MAX;
}

static int check_identifier(const char *path, const char *name, struct fault *fault)
{
    if (name && !is_identifier(name, strlen(name)))
        return fault_set(fault, FAULT_INPUT,
                         "%s: the name of a column is wanted: 1 to %d bytes without '\"' and control "
                         "characters",
                         path, JDBC_IDENTIFIER_MAX);
    return 0;
}

/* [schema.]table */
static int split_table(const char *text, struct jdbc *jdbc, struct fault *fault)
{
    const char *dot = strchr(text, '.'), *table = dot ? dot + 1 : text;

    if ((dot && !is_identifier(text, (size_t)(dot - text))) || strchr(table, '.') ||
        !is_identifier(table, strlen(table)) || strpbrk(text, "; '\\"))
        return fault_set(fault, FAULT_INPUT, "/table: \"table\" or \"schema.table\" is wanted");
    jdbc->schema = dot ? xmemdupz(text, (size_t)(dot - text)) : NULL;
    jdbc->table = xstrdup(table);
    return 0;
}

static bool is_named(const struct jdbc_column *columns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(columns[i].name, name) == 0)
            return true;
    return false;
}

static int read_columns(json_t *columns, struct jdbc *jdbc, struct fault *fault)
{
    const char *name;
    json_t *value;

    if (json_object_size(columns) > JDBC_COLUMNS_MAX)
        return fault_set(fault, FAULT_INPUT, "/columns: more than %d", JDBC_COLUMNS_MAX);
    if (columns && json_object_size(columns) == 0)
        return fault_set(fault, FAULT_INPUT, "/columns: at least one is wanted");
    jdbc->columns = xcalloc(json_object_size(columns), sizeof *jdbc->columns);
    json_object_foreach (columns, name, value) {
        struct jdbc_column *column = &jdbc->columns[jdbc->column_count++];
        column->name = name;
        if (check_identifier("/columns", name, fault))
            return -1;
        if (path_parse(json_string_value(value), json_string_length(value), &column->path, fault))
            return fault_wrap(fault, "/columns/%s", name);
    }
    return 0;
}

static int read_values(json_t *values, struct jdbc *jdbc, struct fault *fault)
{
    const char *name;
    json_t *value;

    if (json_object_size(values) > JDBC_COLUMNS_MAX)
        return fault_set(fault, FAULT_INPUT, "/values: more than %d", JDBC_COLUMNS_MAX);
    jdbc->values = xcalloc(json_object_size(values), sizeof *jdbc->values);
    json_object_foreach (values, name, value) {
        struct jdbc_column *column = &jdbc->values[jdbc->value_count++];
        char path[100];
        *column = (struct jdbc_column){.name = name, .pattern = json_string_value(value)};
        snprintf(path, sizeof path, "/values/%s", name);
        if (check_identifier("/values", name, fault) ||
            placeholders_check_public(column->pattern, path, fault))
            return -1;
        if (json_string_length(value) > VALUE_MAX)
            return fault_set(fault, FAULT_INPUT, "%s: longer than %d bytes", path, VALUE_MAX);
        if (is_named(jdbc->columns, jdbc->column_count, name))
            return fault_set(fault, FAULT_INPUT, "%s: \"columns\" has this column too", path);
    }
    return 0;
}

static bool is_taken(const struct jdbc *jdbc, const char *name)
{
    return is_named(jdbc->columns, jdbc->column_count, name) ||
           is_named(jdbc->values, jdbc->value_count, name);
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static int check_special(struct jdbc *jdbc, const char *upsert, struct fault *fault)
{
    const char *body = jdbc->body_column, *key = jdbc->key_column, *row = jdbc->row_column;

    if (check_identifier("/body_column", body, fault) || check_identifier("/key_column", key, fault) ||
        check_identifier("/row_column", row, fault))
        return -1;
    if (body && is_taken(jdbc, body))
        return fault_set(fault, FAULT_INPUT, "/body_column: this column has another value");
    if (row && (is_taken(jdbc, row) || same(row, key)))
        return fault_set(fault, FAULT_INPUT, "/row_column: this column has another value");
    if (body && (same(body, key) || row))
        return fault_set(fault, FAULT_INPUT, "/body_column: the whole body is one row, and no key");
    if (upsert && !key)
        return fault_set(fault, FAULT_INPUT, "/upsert: \"key_column\" is wanted with it");
    jdbc->key_is_id = key && !is_taken(jdbc, key);
    jdbc->update = same(upsert, "update");
    return 0;
}

static int jdbc_check(struct form *form, struct fault *fault)
{
    const struct form_jdbc_members *members = &form->jdbc;
    struct jdbc *jdbc = jdbc_new();

    form->destination->jdbc = jdbc;
    jdbc->body_column = members->body_column;
    jdbc->key_column = members->key_column;
    jdbc->row_column = members->row_column;
    if (members->batch_size)
        jdbc->batch_size = members->batch_size;
    for (size_t i = 0; members->isolation && levels[i]; i++)
        if (strcmp(levels[i], members->isolation) == 0)
            jdbc->isolation = levels_sql[i];
    if (check_connection(form, jdbc, fault) || check_encryption(form, jdbc, fault) ||
        split_table(members->table, jdbc, fault) || read_columns(members->columns, jdbc, fault) ||
        read_values(members->values, jdbc, fault))
        return -1;
    return check_special(jdbc, members->upsert, fault);
}

static const struct form_help help[] = {
    {"connection",
     "{\"url\": \"jdbc:postgresql://db.example.com:5432/reports\", \"credentials\": {\"username\": \"dist\", "
     "\"password\": \"{secret}\"}}",
     "url (required: jdbc:postgresql://host:port/database or postgresql://...), driver and credentials"},
    {"table", "\"public.reports\"", "\"table\" or \"schema.table\", as it is written in quotes (required)"},
    {"columns", NULL,
     "object of column and path in the body; default: each member to the column of its name"},
    {"values", NULL, "object of column and text with placeholders"},
    {"body_column", NULL, "the column that gets the whole body"},
    {"key_column", "\"delivery_id\"",
     "a second attempt with the same value writes nothing twice; it gets the message id where nothing else "
     "is "
     "said of it, and needs a unique index"},
    {"row_column", NULL, "the column that gets the number of the row, from 1; part of the key"},
    {"upsert", NULL, "nothing or update: what becomes of a row that is there; default: nothing"},
    {"batch_size", NULL, "deliveries of one transaction, 1 to 100000; default: 100"},
    {"isolation_level", NULL,
     "READ_UNCOMMITTED, READ_COMMITTED, REPEATABLE_READ or SERIALIZABLE; default: READ_COMMITTED"},
    {"tls", NULL, "ca_file, cert_file, key_file, server_name; the connection is verified then"},
    {"allow_private", NULL, "true: private addresses may be connected to; default: false"},
    {0},
};

const struct form_kind form_jdbc = {.fields = jdbc_fields, .check = jdbc_check, .help = help};
