/*
 * mail - see mail.h
 */
#include "mail.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "mime.h"
#include "text.h"
#include "xalloc.h"

enum { VALUE_MAX = 900 }; /* bytes of a value that is not folded: a line has at most 998 */

int mail_addresses_add(struct mail_addresses *addresses, const char *text, struct fault *fault)
{
    struct mail_address address;

    if (mail_address_parse(text, &address, fault) < 0)
        return -1;
    addresses->items = xreallocarray(addresses->items, addresses->count + 1, sizeof *addresses->items);
    addresses->items[addresses->count++] = address;
    return 0;
}

void mail_addresses_release(struct mail_addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++)
        mail_address_release(&addresses->items[i]);
    free(addresses->items);
    *addresses = (struct mail_addresses){0};
}

/* Fields */

/* From: "Daily Reports" <reports@example.com>, a line each. */
static void add_addresses(struct buf *out, const char *name, const struct mail_addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++) {
        const struct mail_address *address = &addresses->items[i];
        buf_addf(out, "%s%s", i ? ",\r\n " : name, i ? "" : ": ");
        if (address->name) {
            mime_add_phrase(out, address->name);
            buf_addf(out, "\r\n <%s>", address->address);
        } else {
            buf_addf(out, "%s", address->address);
        }
    }
    if (addresses->count)
        buf_adds(out, "\r\n");
}

/* Date: Mon, 15 Jan 2024 10:00:00 +0000; in English, whatever the locale is. */
static void add_date(struct buf *out, int64_t date_us)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(date_us / 1000000);
    struct tm tm = {0};

    gmtime_r(&seconds, &tm);
    buf_addf(out, "Date: %s, %02d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static bool is_field_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
            return false;
    return *name && strlen(name) < 60;
}

/* Fields that the mail has anyway, or that say how a body is coded: the form's own may not change them. */
static bool is_own_field(const char *name)
{
    static const char *const own[] = {"Date",       "From",         "Sender",         "To",
                                      "Cc",         "Bcc",          "Reply-To",       "Subject",
                                      "Message-ID", "MIME-Version", "Auto-Submitted", "Return-Path",
                                      "Received"};

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcasecmp(name, own[i]) == 0)
            return true;
    return strncasecmp(name, "Content-", 8) == 0 || strncasecmp(name, "Resent-", 7) == 0;
}

/* What a format says beside its body: the attributes of a CloudEvent, a SOAPAction. */
static void add_format_fields(struct buf *out, const json_t *headers)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)headers, name, value) {
        if (!is_field_name(name) || is_own_field(name))
            continue;
        buf_addf(out, "%s: ", name);
        mime_add_text(out, strlen(name) + 2, json_string_value(value) ? json_string_value(value) : "");
        buf_adds(out, "\r\n");
    }
}

static void add_head(struct buf *out, const struct mail *mail)
{
    add_date(out, mail->date_us);
    add_addresses(out, "From", &mail->from);
    add_addresses(out, "To", &mail->to);
    add_addresses(out, "Cc", &mail->cc);
    add_addresses(out, "Reply-To", &mail->reply_to);
    buf_adds(out, "Subject: ");
    mime_add_text(out, strlen("Subject: "), mail->subject);
    buf_addf(out, "\r\nMessage-ID: <%s@%s>\r\n", mail->message_id, mail_address_domain(mail->from.items));
    add_format_fields(out, mail->headers);
    buf_adds(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
}

/* Parts */

static bool is_gzip(const struct mail *mail)
{
    const char *coding = json_string_value(json_object_get(mail->headers, "Content-Encoding"));
    return coding && strcasecmp(coding, "gzip") == 0;
}

/* A text is ASCII unless its type says what else it is. */
static void add_type(struct buf *out, const struct mail *mail)
{
    const char *type = is_gzip(mail) ? "application/gzip" : mail->content_type;
    bool bare = strncasecmp(type, "text/", 5) == 0 && !strcasestr(type, "charset");

    buf_addf(out, "Content-Type: %s%s", type,
             bare && text_is_utf8(mail->body, mail->body_size, NULL) ? "; charset=utf-8" : "");
}

static void add_report(struct buf *out, const struct mail *mail)
{
    bool readable = !mail->filename && mime_is_readable(mail->body, mail->body_size);

    add_type(out, mail);
    buf_addf(out, "\r\nContent-Transfer-Encoding: %s\r\n", readable ? "quoted-printable" : "base64");
    if (mail->filename) {
        const char *dot = strrchr(mail->filename, '.');
        bool more = is_gzip(mail) && !(dot && strcasecmp(dot, ".gz") == 0);
        char *name = xasprintf("%s%s", mail->filename, more ? ".gz" : "");
        buf_adds(out, "Content-Disposition: attachment");
        mime_add_parameter(out, "filename", name);
        buf_adds(out, "\r\n");
        free(name);
    }
    buf_adds(out, "\r\n");
    if (readable)
        mime_add_quoted_printable(out, mail->body, mail->body_size);
    else
        mime_add_base64(out, mail->body, mail->body_size);
}

/* No line of base64 or quoted-printable has "=_" in it, so none is a boundary. */
static void add_parts(struct buf *out, const struct mail *mail)
{
    const char *id = mail->message_id;

    buf_addf(out, "Content-Type: multipart/mixed;\r\n boundary=\"=_%s\"\r\n\r\n", id);
    if (mail->text && *mail->text) {
        buf_addf(out,
                 "--=_%s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                 "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
                 id);
        mime_add_quoted_printable(out, mail->text, strlen(mail->text));
        buf_adds(out, "\r\n");
    }
    buf_addf(out, "--=_%s\r\n", id);
    add_report(out, mail);
    buf_addf(out, "\r\n--=_%s--\r\n", id);
}

static int check_line(const char *what, const char *value, struct fault *fault)
{
    size_t size = strlen(value);

    for (size_t i = 0; i < size; i++)
        if ((unsigned char)value[i] < ' ' || value[i] == 0x7f)
            return fault_set(fault, FAULT_INPUT, "%s: a control character", what);
    return 0;
}

static int check_type(const char *type, struct fault *fault)
{
    if (strlen(type) > VALUE_MAX)
        return fault_set(fault, FAULT_INPUT, "the content type: longer than %d bytes", VALUE_MAX);
    for (const char *c = type; *c; c++)
        if ((unsigned char)*c >= 0x7f)
            return fault_set(fault, FAULT_INPUT, "the content type: a character that is not ASCII");
    return check_line("the content type", type, fault);
}

int mail_compose(const struct mail *mail, struct buf *out, struct fault *fault)
{
    if (check_line("the subject", mail->subject, fault) < 0 || check_type(mail->content_type, fault) < 0 ||
        (mail->filename && check_line("the file name", mail->filename, fault) < 0))
        return -1;
    add_head(out, mail);
    if (mail->filename)
        add_parts(out, mail);
    else
        add_report(out, mail);
    if (out->overflow)
        return fault_set(fault, FAULT_INPUT, "the mail is larger than %zu bytes", out->max);
    return 0;
}
