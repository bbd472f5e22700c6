/*
 * broker_open - login, virtual host and channel: see broker.h
 *
 *   "AMQP" 0 0 9 1 -->             <-- connection.start
 *   connection.start-ok -->        <-- connection.tune
 *   connection.tune-ok, connection.open -->   <-- connection.open-ok
 *   channel.open -->               <-- channel.open-ok
 *   exchange.declare (passive) --> <-- exchange.declare-ok
 *   confirm.select -->             <-- confirm.select-ok
 */
#include "broker_parts.h"

#include <string.h>
#include "clock.h"
#include "version.h"

enum { SASL_MAX = 4096 };

/* Waits for this method; whatever else the broker may say here is noted, or ends it. */
static int await(struct broker *broker, amqp_method_number_t method, int64_t deadline_ms,
                 struct broker_frame *frame, struct fault *fault)
{
    for (;;) {
        int result = broker_next(broker, deadline_ms, frame, fault);

        if (result == 0)
            return fault_set(fault, FAULT_UNAVAILABLE, "no answer in time: does it speak AMQP?");
        if (result > 0 && frame->type == AMQP_FRAME_METHOD && frame->method == method)
            return 0;
        if (result > 0)
            result = broker_take_notice(broker, frame, fault);
        if (result < 0)
            return -1;
        if (broker->close_code)
            return broker_closed(broker, fault);
        if (result == 0 &&
            method != AMQP_CHANNEL_OPEN_OK_METHOD) /* there: confirms of a channel that is gone */
            return fault_set(fault, FAULT_UNAVAILABLE, "the server sent what AMQP does not allow here");
        if (clock_mono_ms() >= deadline_ms)
            return fault_set(fault, FAULT_UNAVAILABLE, "no answer in time, but other things");
    }
}

static bool has_mechanism(amqp_bytes_t list, const char *name)
{
    const char *at = list.bytes, *end = at + list.len;
    size_t size = strlen(name);

    while (at < end) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        size_t length = (size_t)((blank ? blank : end) - at);
        if (length == size && memcmp(at, name, size) == 0)
            return true;
        at += length + 1;
    }
    return false;
}

static void set_flag(amqp_table_entry_t *entry, const char *name)
{
    entry->key = broker_bytes(name);
    entry->value.kind = AMQP_FIELD_KIND_BOOLEAN;
    entry->value.value.boolean = 1;
}

static void set_text(amqp_table_entry_t *entry, const char *name, const char *text)
{
    entry->key = broker_bytes(name);
    entry->value.kind = AMQP_FIELD_KIND_UTF8;
    entry->value.value.bytes = broker_bytes(text);
}

/* SASL PLAIN (RFC 4616): NUL, the name, NUL, the password. */
static int put_start_ok(struct broker *broker, const struct broker_login *login, struct fault *fault)
{
    amqp_table_entry_t abilities[4], properties[3];
    size_t name_size = strlen(login->username), password_size = strlen(login->password);
    char response[SASL_MAX];

    if (name_size + password_size + 2 > sizeof response)
        return fault_set(fault, FAULT_INPUT, "the user name and the password are longer than %d bytes",
                         SASL_MAX - 2);
    response[0] = response[name_size + 1] = '\0';
    memcpy(response + 1, login->username, name_size);
    memcpy(response + name_size + 2, login->password, password_size);
    set_flag(&abilities[0], "publisher_confirms");
    set_flag(&abilities[1], "basic.nack");
    set_flag(&abilities[2], "connection.blocked");
    set_flag(&abilities[3], "authentication_failure_close");
    set_text(&properties[0], "product", "dist");
    set_text(&properties[1], "version", DIST_VERSION);
    properties[2] = (amqp_table_entry_t){.key = broker_bytes("capabilities")};
    properties[2].value.kind = AMQP_FIELD_KIND_TABLE;
    properties[2].value.value.table = (amqp_table_t){.num_entries = 4, .entries = abilities};
    amqp_connection_start_ok_t start_ok = {
        .client_properties = {.num_entries = 3, .entries = properties},
        .mechanism = broker_bytes("PLAIN"),
        .response = {.len = name_size + password_size + 2, .bytes = response},
        .locale = broker_bytes("en_US"),
    };
    int result = broker_put_method(broker, 0, AMQP_CONNECTION_START_OK_METHOD, &start_ok, fault);
    explicit_bzero(response, sizeof response);
    return result;
}

static int tune(struct broker *broker, const amqp_connection_tune_t *tune, int heartbeat_s,
                struct fault *fault)
{
    amqp_connection_tune_ok_t tune_ok;

    if (tune->frame_max > 0 && tune->frame_max < BROKER_FRAME_MAX)
        broker->frame_max = tune->frame_max < AMQP_FRAME_MIN_SIZE ? AMQP_FRAME_MIN_SIZE : tune->frame_max;
    broker->heartbeat_s =
        tune->heartbeat > 0 && tune->heartbeat < heartbeat_s ? tune->heartbeat : heartbeat_s;
    tune_ok = (amqp_connection_tune_ok_t){.channel_max = 1,
                                          .frame_max = (uint32_t)broker->frame_max,
                                          .heartbeat = (uint16_t)broker->heartbeat_s};
    return broker_put_method(broker, 0, AMQP_CONNECTION_TUNE_OK_METHOD, &tune_ok, fault);
}

int broker_login(struct broker *broker, const struct broker_login *login, int64_t deadline_ms,
                 struct fault *fault)
{
    static const char protocol[] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};
    amqp_connection_open_t open = {.virtual_host = broker_bytes(login->vhost)};
    const amqp_connection_start_t *start;
    struct broker_frame frame;

    buf_add(&broker->duplex->out, protocol, sizeof protocol);
    if (await(broker, AMQP_CONNECTION_START_METHOD, deadline_ms, &frame, fault) < 0)
        return -1;
    start = frame.decoded;
    if (!has_mechanism(start->mechanisms, "PLAIN"))
        return fault_set(fault, FAULT_UNAVAILABLE, "the server does not take PLAIN authentication");
    if (put_start_ok(broker, login, fault) < 0 ||
        await(broker, AMQP_CONNECTION_TUNE_METHOD, deadline_ms, &frame, fault) < 0 ||
        tune(broker, frame.decoded, login->heartbeat_s, fault) < 0 ||
        broker_put_method(broker, 0, AMQP_CONNECTION_OPEN_METHOD, &open, fault) < 0 ||
        await(broker, AMQP_CONNECTION_OPEN_OK_METHOD, deadline_ms, &frame, fault) < 0)
        return -1;
    broker->open = true;
    return 0;
}

int broker_open_channel(struct broker *broker, const char *exchange, int64_t deadline_ms, struct fault *fault)
{
    amqp_channel_open_t open = {0};
    amqp_confirm_select_t confirm = {0};
    amqp_exchange_declare_t declare = {
        .exchange = broker_bytes(exchange), .type = broker_bytes(""), .passive = 1};
    struct broker_frame frame;

    broker->close_code = 0;
    broker->next_tag = 1;
    if (broker_put_method(broker, BROKER_CHANNEL, AMQP_CHANNEL_OPEN_METHOD, &open, fault) < 0 ||
        await(broker, AMQP_CHANNEL_OPEN_OK_METHOD, deadline_ms, &frame, fault) < 0)
        return -1;
    if (exchange[0] &&
        (broker_put_method(broker, BROKER_CHANNEL, AMQP_EXCHANGE_DECLARE_METHOD, &declare, fault) < 0 ||
         await(broker, AMQP_EXCHANGE_DECLARE_OK_METHOD, deadline_ms, &frame, fault) < 0))
        return -1;
    if (broker_put_method(broker, BROKER_CHANNEL, AMQP_CONFIRM_SELECT_METHOD, &confirm, fault) < 0 ||
        await(broker, AMQP_CONFIRM_SELECT_OK_METHOD, deadline_ms, &frame, fault) < 0)
        return -1;
    broker->channel = true;
    return 0;
}
