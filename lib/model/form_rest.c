/*
 * form_rest - REST: an endpoint, a method and headers; specification 2.2.1
 */
#include "form_parts.h"

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", NULL};

static void rest_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    struct destination *destination = form->destination;
    const struct json_field fields[] = {
        {.name = "method", .kind = JSON_KIND_WORD, .target = &destination->method, .words = methods},
        {.name = "signing", .kind = JSON_KIND_OBJECT, .target = &form->signing},
        {0},
    };
    out += form_add_fields(out, fields);
    form_add_http_fields(form, out);
}

static int rest_check(struct form *form, struct fault *fault)
{
    struct destination *destination = form->destination;

    if (!destination->method)
        destination->method = "POST";
    return form_check_http(form, fault) ? -1 : form_check_signing(form, fault);
}

static const struct form_help rest_help[] = {
    {"endpoint", "\"https://api.example.com/webhook\"",
     "an http or https URL; placeholders as {tenant_id} behind the host (required)"},
    {"method", "\"POST\"", "GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS; default: POST"},
    {"headers", "{}", "an object of texts: \"Authorization\": \"Bearer {token}\"; default: none"},
    {"auth", NULL,
     "an object with \"scheme\": \"bearer\", \"basic\", \"api_key\" with \"header\", or \"oauth2\" with "
     "\"token_url\"; default: Basic, where the credentials have a user name and a password"},
    {"signing", NULL,
     "an object with \"credentials\": the name of a file of keys, as dist-admin secret new makes it; "
     "default: none"},
    FORM_HELP_HTTP,
    {0},
};

const struct form_kind form_rest = {.fields = rest_fields, .check = rest_check, .help = rest_help};
