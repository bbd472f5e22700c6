/*
 * form_auth - who the sender is: the members "auth" and "signing" of REST
 *
 * The form names where secrets are and where they go, and never holds one.
 */
#include <string.h>
#include "form.h"
#include "form_parts.h"
#include "http_field.h"
#include "text.h"

enum { HEADER_NAME_MAX = 100, TOKEN_TEXT_MAX = 1000 };

static const char *const scheme_words[] = {"basic", "bearer", "api_key", "oauth2", NULL};
static const char *const client_words[] = {"header", "body", NULL};

/* A token is as good as the secret: it crosses no network in clear but the operator's own. */
static int check_token_url(const struct destination *destination, struct fault *fault)
{
    static const char *const open_schemes[] = {"https", "http", NULL};
    static const char *const schemes[] = {"https", NULL};

    if (form_check_url("/auth/token_url", destination->token_url,
                       destination->allow_private ? open_schemes : schemes, fault))
        return -1;
    if (strchr(destination->token_url, '{') || strchr(destination->token_url, '}'))
        return fault_set(fault, FAULT_INPUT, "/auth/token_url: placeholders are not taken here");
    return 0;
}

/* Members of "auth" that only one of its schemes takes. */
static int check_members(const struct destination *destination, bool client, struct fault *fault)
{
    bool oauth2 = destination->auth == AUTH_OAUTH2, api_key = destination->auth == AUTH_API_KEY;

    if (oauth2 != (destination->token_url != NULL))
        return fault_set(fault, FAULT_INPUT,
                         oauth2 ? "/auth: 'token_url' is missing"
                                : "/auth/token_url: it belongs to the scheme \"oauth2\"");
    if (!oauth2 && (destination->scope || destination->audience || client))
        return fault_set(fault, FAULT_INPUT,
                         "/auth: \"scope\", \"audience\" and \"client\" belong to the scheme \"oauth2\"");
    if (api_key != (destination->auth_header != NULL))
        return fault_set(fault, FAULT_INPUT,
                         api_key ? "/auth: 'header' is missing"
                                 : "/auth/header: it belongs to the scheme \"api_key\"");
    return oauth2 ? check_token_url(destination, fault) : 0;
}

static int check_header(const struct destination *destination, struct fault *fault)
{
    const char *header = destination->auth_header ? destination->auth_header : "Authorization";

    if (!http_field_is_name(header) || http_field_is_framing(header, strlen(header)))
        return fault_set(fault, FAULT_INPUT,
                         "/auth/header: the name of a header field is wanted that is not the client's own");
    if (destination_header(destination, header))
        return fault_set(fault, FAULT_INPUT, "/headers/%s: \"auth\" sets this field", header);
    return 0;
}

int form_check_auth(const struct form *form, struct fault *fault)
{
    struct destination *destination = form->destination;
    const char *scheme = NULL, *client = NULL;
    const struct json_field fields[] = {
        {.name = "scheme",
         .kind = JSON_KIND_WORD,
         .required = true,
         .target = &scheme,
         .words = scheme_words},
        {.name = "header",
         .kind = JSON_KIND_STRING,
         .target = &destination->auth_header,
         .max = HEADER_NAME_MAX},
        {.name = "token_url", .kind = JSON_KIND_STRING, .target = &destination->token_url},
        {.name = "scope", .kind = JSON_KIND_STRING, .target = &destination->scope, .max = TOKEN_TEXT_MAX},
        {.name = "audience",
         .kind = JSON_KIND_STRING,
         .target = &destination->audience,
         .max = TOKEN_TEXT_MAX},
        {.name = "client", .kind = JSON_KIND_WORD, .target = &client, .words = client_words},
        {0},
    };

    if (!form->auth)
        return 0;
    if (json_fields(form->auth, "/auth", fields, fault))
        return -1;
    for (int i = 0; scheme_words[i]; i++)
        if (strcmp(scheme, scheme_words[i]) == 0)
            destination->auth = (enum auth_scheme)(AUTH_BASIC + i);
    destination->client_in_body = client && strcmp(client, "body") == 0;
    if (!destination->credentials)
        return fault_set(fault, FAULT_INPUT,
                         "/auth: it takes its secret from \"credentials\", which is missing");
    if (check_members(destination, client != NULL, fault))
        return -1;
    return check_header(destination, fault);
}

int form_check_signing(const struct form *form, struct fault *fault)
{
    static const char *const own[] = {"webhook-id", "webhook-timestamp", "webhook-signature"};
    static const char *const bare[] = {"GET", "HEAD", "OPTIONS"};
    struct destination *destination = form->destination;
    const struct json_field fields[] = {
        {.name = "credentials", .kind = JSON_KIND_STRING, .required = true, .target = &destination->signing},
        {0},
    };

    if (!form->signing)
        return 0;
    if (json_fields(form->signing, "/signing", fields, fault))
        return -1;
    if (!text_is_name(destination->signing))
        return fault_set(fault, FAULT_INPUT,
                         "/signing/credentials: the name of a file of keys is wanted, not a key itself");
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (destination_header(destination, own[i]))
            return fault_set(fault, FAULT_INPUT, "/headers/%s: \"signing\" sets this field", own[i]);
    for (size_t i = 0; i < sizeof bare / sizeof *bare; i++)
        if (strcmp(destination->method, bare[i]) == 0)
            return fault_set(fault, FAULT_INPUT, "/signing: %s sends no body that could be signed", bare[i]);
    return 0;
}
