/*
 * broker_publish - publishing and its confirms: see broker.h
 *
 * A frame is handled as soon as it came whole. What the broker may say at any time (that it is blocked, that
 * it closes) is remembered wherever it comes; confirms and returns are events of broker_wait().
 */
#include "broker_parts.h"

#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "xalloc.h"

enum { ROOM = 256 * 1024, POOL_PAGE = 4096, HEARTBEATS_MISSED = 2 };

struct broker *broker_new(struct duplex *duplex)
{
    struct broker *broker = xcalloc(1, sizeof *broker);

    broker->duplex = duplex;
    broker->frame_max = BROKER_FRAME_MAX;
    init_amqp_pool(&broker->pool, POOL_PAGE);
    return broker;
}

static void say_goodbye(struct broker *broker)
{
    amqp_connection_close_t close = {.reply_code = AMQP_REPLY_SUCCESS, .reply_text = broker_bytes("done")};
    int64_t until_ms = clock_mono_ms() + BROKER_GOODBYE_MS;
    struct broker_frame frame;

    if (broker_put_method(broker, 0, AMQP_CONNECTION_CLOSE_METHOD, &close, NULL) < 0)
        return;
    while (clock_mono_ms() < until_ms && broker_next(broker, until_ms, &frame, NULL) > 0)
        if (frame.type == AMQP_FRAME_METHOD && frame.method == AMQP_CONNECTION_CLOSE_OK_METHOD)
            return;
}

void broker_free(struct broker *broker)
{
    if (!broker)
        return;
    if (broker->open && !broker->is_blocked)
        say_goodbye(broker);
    empty_amqp_pool(&broker->pool);
    duplex_free(broker->duplex);
    free(broker);
}

int broker_close_code(const struct broker *broker)
{
    return broker->close_code;
}

bool broker_has_channel(const struct broker *broker)
{
    return broker->channel;
}

const char *broker_blocked(const struct broker *broker)
{
    return broker->is_blocked ? broker->blocked : NULL;
}

bool broker_has_room(const struct broker *broker)
{
    return duplex_unsent(broker->duplex) < ROOM;
}

/* ---- what comes at any time ---- */

int broker_closed(struct broker *broker, struct fault *fault)
{
    return fault_set(fault, FAULT_UNAVAILABLE, "AMQP %d: %s", broker->close_code, broker->close_text);
}

static void note_close(struct broker *broker, const struct broker_frame *frame)
{
    const amqp_channel_close_t *channel = frame->decoded; /* both have the same beginning */
    const amqp_connection_close_t *connection = frame->decoded;
    bool of_channel = frame->method == AMQP_CHANNEL_CLOSE_METHOD;

    broker->close_code = of_channel ? channel->reply_code : connection->reply_code;
    broker_copy(broker->close_text, sizeof broker->close_text,
                of_channel ? channel->reply_text : connection->reply_text);
    broker->channel = false;
    broker->open = broker->open && of_channel;
    broker->back = (struct broker_return){0};
}

int broker_take_notice(struct broker *broker, const struct broker_frame *frame, struct fault *fault)
{
    amqp_connection_close_ok_t close_ok = {0};
    amqp_channel_close_ok_t channel_close_ok = {0};
    const amqp_connection_blocked_t *blocked = frame->decoded;

    if (frame->type == AMQP_FRAME_HEARTBEAT)
        return 1;
    if (frame->type != AMQP_FRAME_METHOD)
        return 0;
    switch (frame->method) {
    case AMQP_CONNECTION_BLOCKED_METHOD:
        broker->is_blocked = true;
        broker_copy(broker->blocked, sizeof broker->blocked, blocked->reason);
        return 1;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        broker->is_blocked = false;
        return 1;
    case AMQP_CHANNEL_CLOSE_METHOD:
        note_close(broker, frame);
        return broker_put_method(broker, BROKER_CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &channel_close_ok,
                                 fault) < 0
                   ? -1
                   : 1;
    case AMQP_CONNECTION_CLOSE_METHOD:
        note_close(broker, frame);
        if (broker_put_method(broker, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &close_ok, NULL) == 0)
            (void)duplex_turn(broker->duplex, 0, NULL);
        return broker_closed(broker, fault);
    default:
        return 0;
    }
}

/* ---- waiting ---- */

/* When there is something to do for the heartbeats; -1: the broker has not been heard for too long. */
static int64_t keep_alive(struct broker *broker, int64_t until_ms, struct fault *fault)
{
    const struct duplex *duplex = broker->duplex;
    int64_t period_ms = broker->heartbeat_s * INT64_C(1000), now_ms = clock_mono_ms();

    if (period_ms == 0)
        return until_ms;
    if (now_ms - duplex->received_ms >= HEARTBEATS_MISSED * period_ms &&
        duplex_turn(broker->duplex, 0, fault) <= 0) /* it may have been heard, but not listened to */
        return fault_set(fault, FAULT_UNAVAILABLE, "no heartbeat for %lld s",
                         (long long)(now_ms - duplex->received_ms) / 1000);
    if (duplex_unsent(duplex) == 0 && now_ms - duplex->sent_ms >= period_ms / 2)
        broker_put_heartbeat(broker);
    int64_t next_ms = duplex->received_ms + HEARTBEATS_MISSED * period_ms;
    if (duplex_unsent(duplex) == 0 && duplex->sent_ms + period_ms / 2 < next_ms)
        next_ms = duplex->sent_ms + period_ms / 2;
    return next_ms < until_ms ? next_ms : until_ms;
}

/* Sends and reads until something moved. 1, 0: the time is over, -1. */
static int turn(struct broker *broker, int64_t until_ms, struct fault *fault)
{
    for (;;) {
        int64_t next_ms = keep_alive(broker, until_ms, fault);
        int result = next_ms < 0 ? -1 : duplex_turn(broker->duplex, next_ms, fault);

        if (result != 0 || clock_mono_ms() >= until_ms)
            return result;
    }
}

int broker_next(struct broker *broker, int64_t until_ms, struct broker_frame *frame, struct fault *fault)
{
    for (;;) {
        int result = broker_frame_next(broker, frame, fault);
        if (result == 0)
            result = turn(broker, until_ms, fault);
        else if (result > 0)
            return 1;
        if (result <= 0)
            return result;
        if (clock_mono_ms() >= until_ms) /* a frame that comes byte by byte */
            return broker_frame_next(broker, frame, fault);
    }
}

/* ---- events ---- */

static int unexpected(struct fault *fault)
{
    return fault_set(fault, FAULT_UNAVAILABLE, "the server sent what AMQP does not allow here");
}

static void begin_return(struct broker *broker, const struct broker_frame *frame)
{
    const amqp_basic_return_t *returned = frame->decoded;

    broker->back = (struct broker_return){.coming = true};
    broker->back.event.kind = BROKER_RETURNED;
    broker->back.event.code = returned->reply_code;
    broker_copy(broker->back.event.text, sizeof broker->back.event.text, returned->reply_text);
}

/* The header or a piece of the body. 1: it is all there. */
static int continue_return(struct broker *broker, const struct broker_frame *frame,
                           struct broker_event *event, struct fault *fault)
{
    struct broker_return *back = &broker->back;

    if (!back->coming || (frame->type == AMQP_FRAME_HEADER) == back->has_header ||
        (frame->type == AMQP_FRAME_BODY && frame->size > back->body_left))
        return unexpected(fault);
    if (frame->type == AMQP_FRAME_BODY) {
        back->body_left -= frame->size;
    } else {
        back->has_header = true;
        if (broker_read_header(broker, frame, back->event.message_id, sizeof back->event.message_id,
                               &back->body_left, fault) < 0)
            return -1;
    }
    if (back->body_left > 0)
        return 0;
    *event = back->event;
    *back = (struct broker_return){0};
    return 1;
}

static int take_method(struct broker *broker, const struct broker_frame *frame, struct broker_event *event,
                       struct fault *fault)
{
    const amqp_basic_ack_t *ack = frame->decoded;
    const amqp_basic_nack_t *nack = frame->decoded;

    switch (frame->method) {
    case AMQP_BASIC_ACK_METHOD:
        *event =
            (struct broker_event){.kind = BROKER_ACK, .tag = ack->delivery_tag, .multiple = ack->multiple};
        return 1;
    case AMQP_BASIC_NACK_METHOD:
        *event =
            (struct broker_event){.kind = BROKER_NACK, .tag = nack->delivery_tag, .multiple = nack->multiple};
        return 1;
    case AMQP_BASIC_RETURN_METHOD:
        begin_return(broker, frame);
        return 0;
    default:
        return unexpected(fault);
    }
}

/* 1: an event; 0: none; -1. */
static int take_frame(struct broker *broker, const struct broker_frame *frame, struct broker_event *event,
                      struct fault *fault)
{
    bool was_blocked = broker->is_blocked, had_channel = broker->channel;
    int result = broker_take_notice(broker, frame, fault);

    if (result < 0)
        return -1;
    if (result == 0)
        return frame->type == AMQP_FRAME_METHOD ? take_method(broker, frame, event, fault)
                                                : continue_return(broker, frame, event, fault);
    if (had_channel && !broker->channel) {
        *event = (struct broker_event){.kind = BROKER_CHANNEL_CLOSED, .code = broker->close_code};
        memcpy(event->text, broker->close_text, sizeof event->text);
    } else if (broker->is_blocked && !was_blocked) {
        *event = (struct broker_event){.kind = BROKER_BLOCKED};
    } else {
        return 0;
    }
    return 1;
}

int broker_wait(struct broker *broker, bool want_room, int64_t until_ms, struct broker_event *event,
                struct fault *fault)
{
    struct broker_frame frame;
    bool moved = false;

    *event = (struct broker_event){.kind = BROKER_NOTHING};
    for (;;) {
        int result = broker_frame_next(broker, &frame, fault);
        if (result > 0)
            result = take_frame(broker, &frame, event, fault);
        else if (result == 0 && want_room && broker_has_room(broker)) {
            event->kind = BROKER_ROOM;
            return 0;
        } else if (result == 0) {
            if (moved && clock_mono_ms() >= until_ms) /* things come, but no events */
                return 0;
            result = turn(broker, until_ms, fault);
            if (result <= 0)
                return result;
            moved = true;
            continue;
        }
        if (result != 0)
            return result < 0 ? -1 : 0;
    }
}

/* ---- publishing ---- */

static amqp_basic_properties_t properties_of(const struct broker_message *message, amqp_table_t *headers)
{
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG,
        .delivery_mode = (uint8_t)message->delivery_mode,
        .content_type = broker_bytes(message->content_type),
        .content_encoding = broker_bytes(message->content_encoding),
        .message_id = broker_bytes(message->message_id),
        .correlation_id = broker_bytes(message->correlation_id),
        .type = broker_bytes(message->type),
        .timestamp = message->timestamp_s,
        .headers = *headers,
    };

    properties._flags |= message->content_type ? AMQP_BASIC_CONTENT_TYPE_FLAG : 0;
    properties._flags |= message->content_encoding ? AMQP_BASIC_CONTENT_ENCODING_FLAG : 0;
    properties._flags |= message->message_id ? AMQP_BASIC_MESSAGE_ID_FLAG : 0;
    properties._flags |= message->correlation_id ? AMQP_BASIC_CORRELATION_ID_FLAG : 0;
    properties._flags |= message->type ? AMQP_BASIC_TYPE_FLAG : 0;
    properties._flags |= message->timestamp_s ? AMQP_BASIC_TIMESTAMP_FLAG : 0;
    properties._flags |= headers->num_entries > 0 ? AMQP_BASIC_HEADERS_FLAG : 0;
    return properties;
}

static int put_message(struct broker *broker, const struct broker_message *message, struct fault *fault)
{
    amqp_table_entry_t entries[BROKER_HEADERS_MAX];
    amqp_table_t headers = {.num_entries = (int)message->header_count, .entries = entries};
    amqp_basic_publish_t publish = {.exchange = broker_bytes(message->exchange),
                                    .routing_key = broker_bytes(message->routing_key),
                                    .mandatory = message->mandatory};

    if (message->header_count > BROKER_HEADERS_MAX)
        return fault_set(fault, FAULT_INPUT, "more than %d headers", BROKER_HEADERS_MAX);
    for (size_t i = 0; i < message->header_count; i++) {
        entries[i].key = broker_bytes(message->headers[i].name);
        entries[i].value.kind = AMQP_FIELD_KIND_UTF8;
        entries[i].value.value.bytes = broker_bytes(message->headers[i].value);
    }
    amqp_basic_properties_t properties = properties_of(message, &headers);
    if (broker_put_method(broker, BROKER_CHANNEL, AMQP_BASIC_PUBLISH_METHOD, &publish, fault) < 0)
        return -1;
    return broker_put_content(broker, &properties, message->body, message->body_size, fault);
}

int broker_publish(struct broker *broker, const struct broker_message *message, uint64_t *tag,
                   struct fault *fault)
{
    size_t before = broker->duplex->out.len;

    if (put_message(broker, message, fault) < 0) {
        buf_cut(&broker->duplex->out, before);
        broker->duplex->out.overflow = false;
        return -1;
    }
    *tag = broker->next_tag++;
    return 0;
}
