/*
 * form_connection - the credentials of a connection: specification 2.2.2 and 2.2.3
 *
 * A password is never in a form: it is a placeholder that is filled from `credentials` when it is needed.
 */
#include "placeholders.h"
#include "form_parts.h"

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
