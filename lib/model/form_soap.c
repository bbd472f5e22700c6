/*
 * form_soap - SOAP: an HTTP request whose body is an envelope
 *
 * The envelope is made or completed when it is sent, so everything that would change its bytes behind that,
 * or makes a body that is no XML, is a mistake here.
 */
#include <string.h>
#include "form_parts.h"
#include "formats.h"
#include "placeholders.h"

enum {
    ACTION_MAX = 1000,
    LIFETIME_DEFAULT_MS = 5 * 60 * 1000, /* what receivers take for a difference of clocks (WS-I BSP) */
    LIFETIME_MIN_MS = 1000,
    LIFETIME_MAX_MS = 60 * 60 * 1000,
};

static const char *const version_words[] = {"1.1", "1.2", NULL};
static const char *const password_words[] = {"text", "digest", NULL};

static void soap_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    struct destination_soap *soap = &form->destination->soap;
    const struct json_field fields[] = {
        {.name = "version", .kind = JSON_KIND_WORD, .target = &form->version, .words = version_words},
        {.name = "action", .kind = JSON_KIND_STRING, .target = &soap->action, .max = ACTION_MAX},
        {.name = "security", .kind = JSON_KIND_OBJECT, .target = &form->security},
        {.name = "addressing", .kind = JSON_KIND_BOOL, .target = &soap->addressing},
        {0},
    };
    out += form_add_fields(out, fields);
    form_add_http_fields(form, out);
}

/* The version of the envelope that the format makes is the one that is spoken. */
static int check_version(struct form *form, struct fault *fault)
{
    const struct rendering *rendering = form->destination->rendering;
    const char *made = rendering->format ? format_soap_version(rendering->format) : NULL;
    const char *version = form->version;

    if (version && made && strcmp(version, made) != 0)
        return fault_set(fault, FAULT_INPUT, "/version: the format makes an envelope of SOAP %s", made);
    if (!version)
        version = made ? made : "1.2";
    form->destination->soap.is_12 = strcmp(version, "1.2") == 0;
    return 0;
}

static int check_rendering(const struct rendering *rendering, struct fault *fault)
{
    static const bool makes_xml[FORMAT_TYPE_COUNT] = {
        [FORMAT_TYPE_XML] = true, [FORMAT_TYPE_SOAP] = true, [FORMAT_TYPE_TEMPLATE] = true};

    if (rendering->gzip)
        return fault_set(fault, FAULT_INPUT, "/compress: the envelope is made after that would be done");
    if (rendering->format ? !makes_xml[format_type(rendering->format)] : rendering->plain == FORMAT_JSON)
        return fault_set(fault, FAULT_INPUT,
                         "/format: it makes no XML; \"soap\" makes an envelope of a report in JSON");
    return 0;
}

static int check_action(const struct destination *destination, struct fault *fault)
{
    static const char *const own[] = {"Content-Type", "SOAPAction", "Content-Encoding"};
    const char *action = destination->soap.action;

    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        const char *name = destination_header(destination, own[i]);
        if (name)
            return fault_set(fault, FAULT_INPUT, "/headers/%s: \"version\" and \"action\" set this field",
                             name);
    }
    if (!action && destination->soap.addressing)
        return fault_set(fault, FAULT_INPUT, "/addressing: it needs an \"action\"");
    for (const char *c = action ? action : ""; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || strchr("\"\\<>", *c))
            return fault_set(fault, FAULT_INPUT, "/action: a URI is wanted");
    return action ? placeholders_check_public(action, "/action", fault) : 0;
}

/*
 * A password crosses no network in clear but the operator's own. With a header of security HTTP's Basic is
 * sent only where "auth" asks for it: it would show what a digest hides.
 */
static int check_security(const struct form *form, struct fault *fault)
{
    struct destination *destination = form->destination;
    struct destination_soap *soap = &destination->soap;
    const char *password = NULL;
    const struct json_field fields[] = {
        {.name = "password",
         .kind = JSON_KIND_WORD,
         .required = true,
         .target = &password,
         .words = password_words},
        {.name = "timestamp", .kind = JSON_KIND_BOOL, .target = &soap->timestamp},
        {.name = "lifetime",
         .kind = JSON_KIND_SECONDS,
         .target = &soap->lifetime_ms,
         .min = LIFETIME_MIN_MS,
         .max = LIFETIME_MAX_MS},
        {0},
    };

    if (!form->security)
        return 0;
    soap->timestamp = true;
    soap->lifetime_ms = LIFETIME_DEFAULT_MS;
    if (json_fields(form->security, "/security", fields, fault))
        return -1;
    if (!soap->timestamp && json_object_get(form->security, "lifetime"))
        return fault_set(fault, FAULT_INPUT, "/security/lifetime: it is that of the timestamp");
    if (!destination->credentials)
        return fault_set(fault, FAULT_INPUT,
                         "/security: it takes user name and password from \"credentials\", which is missing");
    soap->password = strcmp(password, "digest") == 0 ? SOAP_PASSWORD_DIGEST : SOAP_PASSWORD_TEXT;
    if (destination->auth == AUTH_PLAIN)
        destination->auth = AUTH_NONE;
    return 0;
}

static int soap_check(struct form *form, struct fault *fault)
{
    form->destination->method = "POST";
    if (form_check_http(form, fault) || check_rendering(form->destination->rendering, fault) ||
        check_version(form, fault) || check_action(form->destination, fault))
        return -1;
    return check_security(form, fault);
}

static const struct form_help soap_help[] = {
    {"endpoint", "\"https://ws.example.com/reports\"",
     "an http or https URL; placeholders as {tenant_id} behind the host (required)"},
    {"version", "\"1.2\"",
     "of SOAP: \"1.1\" or \"1.2\"; default: that of the format \"soap\", and \"1.2\" without it"},
    {"action", "\"urn:example:reports:submit\"",
     "a URI with placeholders, for SOAPAction or the content type; default: that of the format, or none"},
    {"security", NULL,
     "an object for WS-Security: \"password\": \"text\" or \"digest\" (required), \"timestamp\": true "
     "(default) "
     "or false, \"lifetime\": seconds (default: 300); default: none"},
    {"addressing", NULL,
     "true: WS-Addressing says endpoint, action and the id of the delivery; default: false"},
    {"headers", NULL, "an object of texts, fields of HTTP: \"X-Tenant\": \"{tenant_id}\"; default: none"},
    {"auth", NULL,
     "as for REST; default: Basic, where the credentials have a user name and a password and there is no "
     "\"security\""},
    FORM_HELP_HTTP,
    {0},
};

const struct form_kind form_soap = {.fields = soap_fields, .check = soap_check, .help = soap_help};
