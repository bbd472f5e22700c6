/*
 * amqp_message - see amqp_message.h
 */
#include "amqp_message.h"

#include <stdlib.h>
#include <strings.h>
#include "json.h"
#include "xalloc.h"

enum { HEADER_MAX = 64 * 1024 }; /* of one, with its placeholders filled in */

struct header_list {
    struct broker_header items[BROKER_HEADERS_MAX];
    size_t count;
};

/* Takes `value`. */
static int add_header(struct header_list *list, const char *name, char *value, struct fault *fault)
{
    if (list->count == BROKER_HEADERS_MAX) {
        free(value);
        return fault_set(fault, FAULT_INPUT, "more than %d headers", BROKER_HEADERS_MAX);
    }
    list->items[list->count++] = (struct broker_header){.name = name, .value = value};
    return 0;
}

/* Those of the form, and of the body's those that the form has not. */
static int add_headers(const struct errand *errand, struct header_list *list, struct fault *fault)
{
    const struct attempt *attempt = errand_attempt(errand);
    const struct placeholders values = errand_placeholders(errand, false);
    json_t *own = attempt->destination->amqp.headers, *value;
    const char *name;

    json_object_foreach (own, name, value) {
        struct buf text;
        buf_init(&text, HEADER_MAX);
        if (placeholders_expand(json_string_value(value), &values, ESCAPE_NONE, &text, fault) < 0) {
            buf_release(&text);
            return fault_wrap(fault, "%s", name);
        }
        if (add_header(list, name, xmemdupz(text.data, text.len), fault) < 0) {
            buf_release(&text);
            return -1;
        }
        buf_release(&text);
    }
    json_object_foreach ((json_t *)attempt->headers, name, value)
        if (!json_find_name(own, name) && strcasecmp(name, "Content-Encoding") != 0 &&
            add_header(list, name, xstrdup(json_string_value(value)), fault) < 0)
            return -1;
    return 0;
}

static int publish(struct broker *broker, const struct errand *errand, const char *routing_key,
                   const struct header_list *headers, uint64_t *tag, struct fault *fault)
{
    const struct attempt *attempt = errand_attempt(errand);
    const struct destination_amqp *form = &attempt->destination->amqp;
    const struct broker_message message = {
        .exchange = form->exchange,
        .routing_key = routing_key,
        .mandatory = form->mandatory,
        .delivery_mode = (int)form->delivery_mode,
        .content_type = form->content_type ? form->content_type : attempt->content_type,
        .content_encoding = json_string_value(json_object_get(attempt->headers, "Content-Encoding")),
        .message_id = attempt->message_id,
        .correlation_id = attempt->distribution_id,
        .type = attempt->data_type,
        .timestamp_s = (uint64_t)(attempt->submitted_at_us / 1000000),
        .headers = headers->items,
        .header_count = headers->count,
        .body = attempt->body,
        .body_size = attempt->body_size,
    };

    return broker_publish(broker, &message, tag, fault);
}

const char *amqp_message_publish(struct broker *broker, const struct errand *errand, uint64_t *tag,
                                 struct fault *fault)
{
    const struct placeholders values = errand_placeholders(errand, false);
    const struct destination_amqp *form = &errand_attempt(errand)->destination->amqp;
    struct header_list headers = {.count = 0};
    const char *what = NULL;
    struct buf key;

    buf_init(&key, BROKER_SHORT_MAX);
    if (placeholders_expand(form->routing_key, &values, ESCAPE_NONE, &key, fault) < 0)
        what = "routing_key";
    else if (add_headers(errand, &headers, fault) < 0)
        what = "headers";
    else if (publish(broker, errand, key.data, &headers, tag, fault) < 0)
        what = "the message";
    for (size_t i = 0; i < headers.count; i++)
        free((char *)headers.items[i].value);
    buf_release(&key);
    return what;
}
