/*
 * mail_address - see mail_address.h
 */
#include "mail_address.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "form_text.h"
#include "text.h"
#include "xalloc.h"

enum {
    LOCAL_MAX = 64, /* RFC 5321 4.5.3.1 */
    ADDRESS_MAX = 254,
    NAME_MAX_BYTES = 500,
};

static bool is_atom(const char *text, size_t size)
{
    bool after_dot = true;

    for (size_t i = 0; i < size; i++) {
        bool dot = text[i] == '.';
        if (dot && after_dot)
            return false;
        if (!dot && !isalnum((unsigned char)text[i]) && (!text[i] || !strchr("!#$%&'*+-/=?^_`{|}~", text[i])))
            return false;
        after_dot = dot;
    }
    return !after_dot;
}

static bool is_domain(const char *text)
{
    size_t size = strlen(text);

    return form_host_is_valid(text, size) && !strchr(text, '_') && !strstr(text, "..") && *text != '.' &&
           text[size - 1] != '.';
}

static bool is_address(const char *text)
{
    const char *at = strrchr(text, '@');

    return at && strlen(text) <= ADDRESS_MAX && at - text <= LOCAL_MAX &&
           is_atom(text, (size_t)(at - text)) && is_domain(at + 1);
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* "a \"b\"" without its quotes and backslashes, in place. */
static void unquote(char *name)
{
    size_t size = strlen(name);
    char *to = name;

    if (size < 2 || *name != '"' || name[size - 1] != '"')
        return;
    name[size - 1] = '\0';
    for (const char *from = name + 1; *from; from++) {
        if (*from == '\\' && from[1])
            from++;
        *to++ = *from;
    }
    *to = '\0';
}

int mail_address_parse(const char *text, struct mail_address *address, struct fault *fault)
{
    size_t size = strlen(text);
    const char *open = strrchr(text, '<');

    *address = (struct mail_address){0};
    if (size > NAME_MAX_BYTES + ADDRESS_MAX || has_control(text) || !text_is_utf8(text, size, NULL))
        return fault_set(fault, FAULT_INPUT, "longer than %d bytes, or with a control character in it",
                         NAME_MAX_BYTES + ADDRESS_MAX);
    if (open && text[size - 1] == '>') {
        address->name = xmemdupz(text, (size_t)(open - text));
        unquote(text_trim(address->name));
        address->address = xmemdupz(open + 1, size - (size_t)(open - text) - 2);
    } else {
        address->address = xstrdup(text);
    }
    if (address->name && !*address->name) {
        free(address->name);
        address->name = NULL;
    }
    if (is_address(address->address))
        return 0;
    mail_address_release(address);
    return fault_set(fault, FAULT_INPUT, "\"user@example.com\" or \"Name <user@example.com>\" is wanted");
}

void mail_address_release(struct mail_address *address)
{
    free(address->name);
    free(address->address);
    *address = (struct mail_address){0};
}

const char *mail_address_domain(const struct mail_address *address)
{
    return strrchr(address->address, '@') + 1;
}
