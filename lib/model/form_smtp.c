/*
 * form_smtp - a report as a mail
 *
 * A password goes over encrypted connections alone. Addresses are looked at here as far as they have no
 * placeholders, and again when those are filled in.
 */
#include "form_parts.h"

#include <stdlib.h>
#include "mail.h"
#include "placeholders.h"

enum {
    PORT_MAX = 65535,
    PORT_SUBMISSION = 587, /* RFC 6409 */
    PORT_TLS = 465,        /* RFC 8314 */
    RECIPIENTS_MAX = 100,  /* what every server takes: RFC 5321 4.5.3.1.8 */
    ADDRESS_TEXT_MAX = 754,
    SUBJECT_MAX = 500,
    FILE_NAME_BYTES = 200,
    TEXT_MAX = 16 * 1024,
    USERNAME_MAX = 255,
};

static const char *const securities[] = {"starttls", "tls", "none", NULL};
static const char *const reports[] = {"body", "attachment", NULL};
static const char *const logins[] = {"password", "bearer", NULL};

static void smtp_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    struct destination_smtp *smtp = &form->destination->smtp;
    const struct json_field fields[] = {
        {.name = "host", .kind = JSON_KIND_STRING, .required = true, .target = &smtp->host},
        {.name = "port", .kind = JSON_KIND_INT, .target = &smtp->port, .min = 1, .max = PORT_MAX},
        {.name = "security", .kind = JSON_KIND_WORD, .target = &form->encryption, .words = securities},
        {.name = "login", .kind = JSON_KIND_WORD, .target = &form->login, .words = logins},
        {.name = "username",
         .kind = JSON_KIND_STRING,
         .target = &smtp->username,
         .min = 1,
         .max = USERNAME_MAX},
        {.name = "ehlo", .kind = JSON_KIND_STRING, .target = &smtp->ehlo},
        {.name = "from",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &smtp->from,
         .max = ADDRESS_TEXT_MAX},
        {.name = "to",
         .kind = JSON_KIND_ARRAY,
         .required = true,
         .target = &smtp->to,
         .min = 1,
         .max = RECIPIENTS_MAX},
        {.name = "cc", .kind = JSON_KIND_ARRAY, .target = &smtp->cc, .max = RECIPIENTS_MAX},
        {.name = "reply_to", .kind = JSON_KIND_STRING, .target = &smtp->reply_to, .max = ADDRESS_TEXT_MAX},
        {.name = "subject", .kind = JSON_KIND_STRING, .target = &smtp->subject, .max = SUBJECT_MAX},
        {.name = "report", .kind = JSON_KIND_WORD, .target = &form->report, .words = reports},
        {.name = "filename",
         .kind = JSON_KIND_STRING,
         .target = &smtp->filename,
         .min = 1,
         .max = FILE_NAME_BYTES},
        {.name = "text", .kind = JSON_KIND_STRING, .target = &smtp->text, .max = TEXT_MAX},
        FORM_FIELD_TLS(form),
        {.name = "allow_private", .kind = JSON_KIND_BOOL, .target = &form->destination->allow_private},
        {0},
    };
    form_add_fields(out, fields);
}

static int index_of(const char *const *words, const char *word)
{
    int i = 0;

    while (words[i] && words[i] != word)
        i++;
    return words[i] ? i : 0;
}

static int check_control(const char *path, const char *text, const char *taken, struct fault *fault)
{
    for (const char *c = text; *c; c++)
        if (((unsigned char)*c < ' ' && !strchr(taken, *c)) || *c == 0x7f)
            return fault_set(fault, FAULT_INPUT, "%s: a control character", path);
    return placeholders_check_public(text, path, fault);
}

static int check_address(const char *path, const char *text, struct fault *fault)
{
    struct mail_address address;

    if (!text)
        return fault_set(fault, FAULT_INPUT, "%s: a string is wanted", path);
    if (placeholders_check_public(text, path, fault) < 0)
        return -1;
    if (strchr(text, '{'))
        return check_control(path, text, "", fault);
    if (mail_address_parse(text, &address, fault) < 0)
        return fault_wrap(fault, "%s", path);
    mail_address_release(&address);
    return 0;
}

static int check_list(const char *name, const json_t *list, struct fault *fault)
{
    char path[40];

    for (size_t i = 0; i < json_array_size(list); i++) {
        snprintf(path, sizeof path, "/%s/%zu", name, i);
        if (check_address(path, json_string_value(json_array_get(list, i)), fault) < 0)
            return -1;
    }
    return 0;
}

static int check_addresses(const struct destination_smtp *smtp, struct fault *fault)
{
    if (json_array_size(smtp->to) + json_array_size(smtp->cc) > RECIPIENTS_MAX)
        return fault_set(fault, FAULT_INPUT, "/to: more than %d recipients with those of \"cc\"",
                         RECIPIENTS_MAX);
    if (check_address("/from", smtp->from, fault) < 0 || check_list("to", smtp->to, fault) < 0 ||
        check_list("cc", smtp->cc, fault) < 0)
        return -1;
    return smtp->reply_to ? check_address("/reply_to", smtp->reply_to, fault) : 0;
}

static int check_report(const struct destination_smtp *smtp, struct fault *fault)
{
    if (!smtp->attached && smtp->filename)
        return fault_set(fault, FAULT_INPUT, "/filename: the report is the body of the mail");
    if (!smtp->attached && smtp->text)
        return fault_set(fault, FAULT_INPUT, "/text: the report is the body of the mail");
    if (check_control("/subject", smtp->subject, "", fault) < 0)
        return -1;
    if (smtp->filename && check_control("/filename", smtp->filename, "", fault) < 0)
        return -1;
    return smtp->text ? check_control("/text", smtp->text, "\t\r\n", fault) : 0;
}

static int check_login(const struct form *form, struct fault *fault)
{
    const struct destination *destination = form->destination;
    const struct destination_smtp *smtp = &destination->smtp;

    if (destination->credentials && smtp->security == MAIL_PLAIN)
        return fault_set(fault, FAULT_INPUT,
                         "/credentials: they are not sent over a connection that is not encrypted");
    if (!destination->credentials && (smtp->username || form->login))
        return fault_set(fault, FAULT_INPUT, "/%s: there is no login without \"credentials\"",
                         smtp->username ? "username" : "login");
    return smtp->username ? check_control("/username", smtp->username, "", fault) : 0;
}

static int smtp_check(struct form *form, struct fault *fault)
{
    struct destination_smtp *smtp = &form->destination->smtp;

    smtp->security = (enum mail_security)index_of(securities, form->encryption);
    smtp->attached = index_of(reports, form->report) == 1;
    smtp->bearer = index_of(logins, form->login) == 1;
    if (!smtp->port)
        smtp->port = smtp->security == MAIL_TLS ? PORT_TLS : PORT_SUBMISSION;
    if (!smtp->subject)
        smtp->subject = "{data_type} {date}";
    if (!form_host_is_valid(smtp->host, strlen(smtp->host)))
        return fault_set(fault, FAULT_INPUT, "/host: the name of a host is wanted, without placeholders");
    if (smtp->ehlo && !form_host_is_valid(smtp->ehlo, strlen(smtp->ehlo)))
        return fault_set(fault, FAULT_INPUT, "/ehlo: the name of a host is wanted, without placeholders");
    if (check_login(form, fault) < 0 || check_addresses(smtp, fault) < 0 || check_report(smtp, fault) < 0)
        return -1;
    return form_check_tls(form, smtp->security != MAIL_PLAIN, true, fault);
}

static const struct form_help smtp_help[] = {
    {"host", "\"mail.example.com\"", "the mail server that takes our mail (required)"},
    {"port", "587", "default: 587, with tls 465"},
    {"security", "\"starttls\"",
     "starttls (the server must offer it), tls (from the first byte) or none; default: starttls"},
    {"login", NULL, "password, or bearer: a token of OAuth2; default: password"},
    {"username", NULL, "who logs in; default: the user name of the credentials"},
    {"ehlo", NULL, "who we say we are; default: the name of this host"},
    {"from", "\"Reports <reports@example.com>\"",
     "who sends, also its envelope; with placeholders (required)"},
    {"to", "[\"{tenant_id}@example.com\"]", "who gets it: 1 to 100 addresses with placeholders (required)"},
    {"cc", NULL, "who gets it too; default: nobody"},
    {"reply_to", NULL, "where answers go; default: to the sender"},
    {"subject", "\"{data_type} of {date}\"", "with placeholders; default: \"{data_type} {date}\""},
    {"report", "\"attachment\"", "body, or attachment; default: body"},
    {"filename", "\"{data_type}-{date}.json\"",
     "of an attachment, with placeholders; default: \"{data_type}-{distribution_id}\" and what its type is "
     "called"},
    {"text", "\"The report {data_type} of {date} is attached.\\n\"",
     "in front of an attachment, with placeholders; default: none"},
    {"tls", NULL, "an object with \"ca_file\", \"cert_file\", \"key_file\", \"server_name\""},
    {"allow_private", NULL, "true: private addresses may be connected to; default: false"},
    {0},
};

const struct form_kind form_smtp = {.fields = smtp_fields, .check = smtp_check, .help = smtp_help};
