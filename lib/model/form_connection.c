/*
 * form_connection - AMQP; specification 2.2.2; and the credentials of a connection
 *
 * A password is never in a form: it is a placeholder that is filled from `credentials` when it is needed.
 */
#include "placeholders.h"
#include "form_parts.h"

enum { PORT_MAX = 65535, SHORT_STRING = 255 };

/* The text of a pointer, with what was read of one connection. */
struct connection {
    const char *host, *vhost;
    int64_t port;
    json_t *credentials;
};

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

static void amqp_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    const struct json_field fields[] = {
        {.name = "connection", .kind = JSON_KIND_OBJECT, .required = true, .target = &form->connection},
        {.name = "exchange",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &form->exchange,
         .max = SHORT_STRING},
        {.name = "routing_key",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &form->routing_key,
         .max = SHORT_STRING},
        {.name = "delivery_mode", .kind = JSON_KIND_INT, .target = &form->delivery_mode, .min = 1, .max = 2},
        {.name = "allow_private", .kind = JSON_KIND_BOOL, .target = &form->destination->allow_private},
        {0},
    };
    form_add_fields(out, fields);
}

static int amqp_check(struct form *form, struct fault *fault)
{
    struct connection connection = {0};
    const char *username;
    const struct json_field fields[] = {
        {.name = "host", .kind = JSON_KIND_STRING, .required = true, .target = &connection.host},
        {.name = "port", .kind = JSON_KIND_INT, .target = &connection.port, .min = 1, .max = PORT_MAX},
        {.name = "vhost",
         .kind = JSON_KIND_STRING,
         .target = &connection.vhost,
         .min = 1,
         .max = SHORT_STRING},
        {.name = "credentials", .kind = JSON_KIND_OBJECT, .target = &connection.credentials},
        {0},
    };
    if (json_fields(form->connection, "/connection", fields, fault))
        return -1;
    if (!form_host_is_valid(connection.host, strlen(connection.host)))
        return fault_set(fault, FAULT_INPUT,
                         "/connection/host: the name of a host is wanted, without placeholders");
    if (form_check_credentials(connection.credentials, &username, fault))
        return -1;
    return placeholders_check_public(form->routing_key, "/routing_key", fault);
}

static const struct form_help amqp_help[] = {
    {"connection",
     "{\"host\": \"rabbitmq.example.com\", \"port\": 5672, \"vhost\": \"/\", \"credentials\": {\"username\": "
     "\"dist\", \"password\": \"{secret}\"}}",
     "host (required), port, vhost and credentials (required)"},
    {"exchange", "\"reports\"", "the exchange to publish to (required)"},
    {"routing_key", "\"report.{tenant_id}\"", "with placeholders (required)"},
    {"delivery_mode", "2", "1: kept in memory, 2: persistent"},
    {"allow_private", NULL, "true: private addresses may be connected to; default: false"},
    {0},
};

const struct form_kind form_amqp = {.fields = amqp_fields, .check = amqp_check, .help = amqp_help};
