/*
 * form_amqp - AMQP 0-9-1; specification 2.2.2
 */
#include "form_parts.h"

#include "ceilings.h"
#include "placeholders.h"

enum {
    PORT_MAX = 65535,
    SHORT_STRING = 255, /* AMQP's, with one byte for its length */
    HEADER_NAME_MAX = 128,
    HEADER_VALUE_MAX = 8192,
    HEADERS_MAX_BYTES = 64 * 1024, /* all have to fit into one frame */
    HEARTBEAT_MS = 30 * 1000,
    HEARTBEAT_MIN_MS = 10 * 1000,
    HEARTBEAT_MAX_MS = 600 * 1000,
    CONNECT_MS = 10 * 1000,
    CONNECT_MIN_MS = 100,
    CONNECT_MAX_MS = 5 * 60 * 1000,
};

static const char *const schemes[] = {"amqp", "amqps", NULL};

static void amqp_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    struct destination_amqp *amqp = &form->destination->amqp;
    const struct json_field fields[] = {
        {.name = "connection", .kind = JSON_KIND_OBJECT, .required = true, .target = &form->connection},
        {.name = "exchange",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &amqp->exchange,
         .max = SHORT_STRING},
        {.name = "routing_key",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &amqp->routing_key,
         .max = SHORT_STRING},
        {.name = "delivery_mode", .kind = JSON_KIND_INT, .target = &amqp->delivery_mode, .min = 1, .max = 2},
        {.name = "mandatory", .kind = JSON_KIND_BOOL, .target = &amqp->mandatory},
        {.name = "content_type",
         .kind = JSON_KIND_STRING,
         .target = &amqp->content_type,
         .min = 1,
         .max = SHORT_STRING},
        {.name = "headers", .kind = JSON_KIND_STRINGS, .target = &amqp->headers},
        FORM_FIELD_TLS(form),
        {.name = "allow_private", .kind = JSON_KIND_BOOL, .target = &form->destination->allow_private},
        {0},
    };

    amqp->mandatory = true;
    amqp->delivery_mode = 2;
    form_add_fields(out, fields);
}

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

static int check_text(const char *path, const char *text, struct fault *fault)
{
    if (text && !is_plain(text))
        return fault_set(fault, FAULT_INPUT, "%s: a control character", path);
    return 0;
}

static int check_header(const char *name, const char *value, struct fault *fault)
{
    char path[HEADER_NAME_MAX + 20];

    if (strlen(name) > HEADER_NAME_MAX || !*name || !is_plain(name))
        return fault_set(fault, FAULT_INPUT,
                         "/headers: a name of 1 to %d bytes without control characters is wanted",
                         HEADER_NAME_MAX);
    snprintf(path, sizeof path, "/headers/%s", name);
    if (strlen(value) > HEADER_VALUE_MAX)
        return fault_set(fault, FAULT_INPUT, "%s: longer than %d bytes", path, HEADER_VALUE_MAX);
    return check_text(path, value, fault) ? -1 : placeholders_check_public(value, path, fault);
}

static int check_headers(json_t *headers, struct fault *fault)
{
    const char *name;
    json_t *value;
    size_t size = 0;

    if (json_object_size(headers) > LIMIT_HEADERS)
        return fault_set(fault, FAULT_INPUT, "/headers: more than %d", LIMIT_HEADERS);
    json_object_foreach (headers, name, value) {
        if (check_header(name, json_string_value(value), fault))
            return -1;
        size += strlen(name) + json_string_length(value);
    }
    if (size > HEADERS_MAX_BYTES)
        return fault_set(fault, FAULT_INPUT, "/headers: more than %d bytes in all", HEADERS_MAX_BYTES);
    return 0;
}

static int check_connection(struct form *form, struct fault *fault)
{
    struct destination_amqp *amqp = &form->destination->amqp;
    json_t *credentials = NULL;
    const char *scheme = schemes[0];
    const struct json_field fields[] = {
        {.name = "scheme", .kind = JSON_KIND_WORD, .target = &scheme, .words = schemes},
        {.name = "host", .kind = JSON_KIND_STRING, .required = true, .target = &amqp->host},
        {.name = "port", .kind = JSON_KIND_INT, .target = &amqp->port, .min = 1, .max = PORT_MAX},
        {.name = "vhost", .kind = JSON_KIND_STRING, .target = &amqp->vhost, .min = 1, .max = SHORT_STRING},
        {.name = "credentials", .kind = JSON_KIND_OBJECT, .target = &credentials},
        {.name = "heartbeat",
         .kind = JSON_KIND_SECONDS,
         .target = &amqp->heartbeat_ms,
         .min = HEARTBEAT_MIN_MS,
         .max = HEARTBEAT_MAX_MS},
        {.name = "connect_timeout",
         .kind = JSON_KIND_SECONDS,
         .target = &amqp->connect_timeout_ms,
         .min = CONNECT_MIN_MS,
         .max = CONNECT_MAX_MS},
        {0},
    };

    amqp->vhost = "/";
    amqp->heartbeat_ms = HEARTBEAT_MS;
    amqp->connect_timeout_ms = CONNECT_MS;
    if (json_fields(form->connection, "/connection", fields, fault))
        return -1;
    if (!form_host_is_valid(amqp->host, strlen(amqp->host)))
        return fault_set(fault, FAULT_INPUT,
                         "/connection/host: the name of a host is wanted, without placeholders");
    amqp->encrypted = scheme == schemes[1];
    if (!amqp->port)
        amqp->port = amqp->encrypted ? 5671 : 5672;
    return form_check_credentials(credentials, &amqp->username, fault);
}

static int amqp_check(struct form *form, struct fault *fault)
{
    struct destination_amqp *amqp = &form->destination->amqp;

    if (check_connection(form, fault) || check_text("/exchange", amqp->exchange, fault) ||
        check_text("/content_type", amqp->content_type, fault) || check_headers(amqp->headers, fault))
        return -1;
    if (form_check_tls(form, amqp->encrypted, true, fault))
        return -1;
    return placeholders_check_public(amqp->routing_key, "/routing_key", fault);
}

static const struct form_help amqp_help[] = {
    {"connection",
     "{\"host\": \"rabbitmq.example.com\", \"port\": 5672, \"vhost\": \"/\", \"credentials\": {\"username\": "
     "\"dist\", \"password\": \"{secret}\"}}",
     "host (required), scheme (amqp or amqps), port, vhost, credentials, heartbeat and connect_timeout "
     "(seconds) "
     "(required)"},
    {"exchange", "\"reports\"", "the exchange to publish to, \"\" for the default one (required)"},
    {"routing_key", "\"report.{tenant_id}\"", "with placeholders (required)"},
    {"delivery_mode", "2", "1: kept in memory, 2: persistent; default: 2"},
    {"mandatory", NULL, "false: what reaches no queue counts as delivered; default: true"},
    {"content_type", NULL, "default: that of the body"},
    {"headers", NULL, "an object of texts with placeholders; default: none"},
    {"tls", NULL, "for amqps: an object with \"ca_file\", \"cert_file\", \"key_file\", \"server_name\""},
    {"allow_private", NULL, "true: private addresses may be connected to; default: false"},
    {0},
};

const struct form_kind form_amqp = {.fields = amqp_fields, .check = amqp_check, .help = amqp_help};
