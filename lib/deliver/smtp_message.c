/*
 * smtp_message - see smtp_message.h
 */
#include "smtp_message.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "mail.h"
#include "xalloc.h"

enum {
    VALUE_MAX = 8192, /* bytes of a member with its placeholders filled in */
    TEXT_MAX = 64 * 1024,
    HEAD_MAX = 256 * 1024,
};

/* The texts of a form, filled in. */
struct texts {
    char *subject, *filename, *text;
};

static char *expand(const char *pattern, const struct placeholders *values, enum placeholder_escape escape,
                    size_t max, struct fault *fault)
{
    struct buf text;

    buf_init(&text, max);
    if (placeholders_expand(pattern, values, escape, &text, fault) < 0) {
        buf_release(&text);
        return NULL;
    }
    return buf_steal(&text, NULL);
}

static int add_address(struct mail_addresses *addresses, const char *pattern,
                       const struct placeholders *values, struct fault *fault)
{
    char *text = expand(pattern, values, ESCAPE_NONE, VALUE_MAX, fault);
    int result = text ? mail_addresses_add(addresses, text, fault) : -1;

    free(text);
    return result;
}

static int add_list(struct mail_addresses *addresses, const json_t *list, const struct placeholders *values,
                    struct fault *fault)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (add_address(addresses, json_string_value(json_array_get(list, i)), values, fault) < 0)
            return -1;
    return 0;
}

/* The end of a name by the type of what is in it. */
static const char *extension_of(const char *content_type)
{
    static const struct {
        const char *type, *extension;
    } known[] = {
        {"application/json", ".json"},
        {"application/cloudevents+json", ".json"},
        {"application/x-ndjson", ".ndjson"},
        {"application/pdf", ".pdf"},
        {"application/xml", ".xml"},
        {"text/xml", ".xml"},
        {"text/csv", ".csv"},
        {"text/plain", ".txt"},
        {"text/html", ".html"},
    };
    size_t size = strcspn(content_type, "; ");

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].type) == size && strncasecmp(known[i].type, content_type, size) == 0)
            return known[i].extension;
    return ".bin";
}

static char *make_filename(const struct attempt *attempt, const struct placeholders *values,
                           struct fault *fault)
{
    const struct destination_smtp *smtp = &attempt->destination->smtp;
    const char *pattern = smtp->filename ? smtp->filename : "{data_type}-{distribution_id}";
    char *name = expand(pattern, values, ESCAPE_PATH, VALUE_MAX, fault), *longer;

    if (!name || smtp->filename)
        return name;
    longer = xasprintf("%s%s", name, extension_of(attempt->content_type));
    free(name);
    return longer;
}

/* NULL, or the member that is at fault. */
static const char *make_texts(struct texts *texts, const struct attempt *attempt,
                              const struct placeholders *values, struct fault *fault)
{
    const struct destination_smtp *smtp = &attempt->destination->smtp;

    texts->subject = expand(smtp->subject, values, ESCAPE_NONE, VALUE_MAX, fault);
    if (!texts->subject)
        return "subject";
    texts->filename = smtp->attached ? make_filename(attempt, values, fault) : NULL;
    if (smtp->attached && !texts->filename)
        return "filename";
    texts->text = smtp->text ? expand(smtp->text, values, ESCAPE_NONE, TEXT_MAX, fault) : NULL;
    return smtp->text && !texts->text ? "text" : NULL;
}

static const char *make_addresses(struct mail *mail, const struct destination_smtp *smtp,
                                  const struct placeholders *values, struct fault *fault)
{
    if (add_address(&mail->from, smtp->from, values, fault) < 0)
        return "from";
    if (add_list(&mail->to, smtp->to, values, fault) < 0)
        return "to";
    if (add_list(&mail->cc, smtp->cc, values, fault) < 0)
        return "cc";
    if (smtp->reply_to && add_address(&mail->reply_to, smtp->reply_to, values, fault) < 0)
        return "reply_to";
    return NULL;
}

static void add_recipients(struct smtp_message *message, const struct mail_addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++) {
        const char *address = addresses->items[i].address;
        size_t before = 0;
        while (before < message->to_count && strcasecmp(message->to[before], address) != 0)
            before++;
        if (before == message->to_count)
            message->to[message->to_count++] = xstrdup(address);
    }
}

/* A base64 line of 76 characters and its end carries 57 bytes; quoted-printable at most a quarter escaped. */
static size_t size_max(const struct attempt *attempt)
{
    return HEAD_MAX + TEXT_MAX * 3 + attempt->body_size / 57 * 100 + 200;
}

const char *smtp_message_make(struct smtp_message *message, const struct errand *errand, struct fault *fault)
{
    const struct attempt *attempt = errand_attempt(errand);
    const struct placeholders values = errand_placeholders(errand, false);
    struct texts texts = {0};
    struct mail mail = {
        .message_id = attempt->message_id,
        .date_us = attempt->submitted_at_us,
        .content_type = attempt->content_type,
        .headers = attempt->headers,
        .body = attempt->body ? attempt->body : "",
        .body_size = attempt->body_size,
    };
    const char *wrong = make_addresses(&mail, &attempt->destination->smtp, &values, fault);

    *message = (struct smtp_message){0};
    buf_init(&message->data, size_max(attempt));
    if (!wrong)
        wrong = make_texts(&texts, attempt, &values, fault);
    mail.subject = texts.subject;
    mail.filename = texts.filename;
    mail.text = texts.text;
    if (!wrong && mail_compose(&mail, &message->data, fault) < 0)
        wrong = "the mail";
    if (!wrong) {
        message->from = xstrdup(mail.from.items->address);
        message->to = xcalloc(mail.to.count + mail.cc.count + 1, sizeof *message->to);
        add_recipients(message, &mail.to);
        add_recipients(message, &mail.cc);
    }
    free(texts.subject);
    free(texts.filename);
    free(texts.text);
    mail_addresses_release(&mail.from);
    mail_addresses_release(&mail.to);
    mail_addresses_release(&mail.cc);
    mail_addresses_release(&mail.reply_to);
    return wrong;
}

void smtp_message_release(struct smtp_message *message)
{
    for (size_t i = 0; i < message->to_count; i++)
        free((char *)message->to[i]);
    free(message->to);
    free(message->from);
    buf_release(&message->data);
}
