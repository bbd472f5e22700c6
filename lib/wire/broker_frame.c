/*
 * broker_frame - AMQP 0-9-1 frames: see broker_parts.h
 *
 *   type (1 byte)  channel (2)  size (4)  payload  0xCE
 *
 * The payload of a method is its number (4) and its arguments, of a header the class (2), a weight (2), the
 * size of the body (8) and the properties; numbers are big endian. No more than a frame of the size that was
 * agreed on is ever held.
 */
#include "broker_parts.h"

#include <endian.h>
#include <string.h>
#include "text.h"

enum { HEAD = 7, OVERHEAD = 8, CLASS_BASIC = 60, HEADER_HEAD = 12, METHOD_HEAD = 4 };

amqp_bytes_t broker_bytes(const char *text)
{
    return (amqp_bytes_t){.len = text ? strlen(text) : 0, .bytes = (void *)text};
}

void broker_copy(char *out, size_t size, amqp_bytes_t bytes)
{
    size_t length = bytes.len < size - 1 ? bytes.len : size - 1;

    if (length > 0)
        memcpy(out, bytes.bytes, length);
    out[length] = '\0';
    text_printable(out);
}

static uint32_t get32(const unsigned char *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return be32toh(value);
}

static int not_amqp(struct fault *fault)
{
    return fault_set(fault, FAULT_UNAVAILABLE, "what came is not AMQP 0-9-1");
}

static int decode_method(struct broker *broker, struct broker_frame *frame, struct fault *fault)
{
    if (frame->size < METHOD_HEAD)
        return not_amqp(fault);
    frame->method = get32(frame->payload);
    const amqp_bytes_t arguments = {.len = frame->size - METHOD_HEAD,
                                    .bytes = (void *)(frame->payload + METHOD_HEAD)};
    if (amqp_decode_method(frame->method, &broker->pool, arguments, &frame->decoded) < 0)
        return not_amqp(fault);
    return 0;
}

/* What was taken goes when a whole frame is wanted: moving the rest for each small one would cost its square.
 */
static int wait_for_more(struct broker *broker)
{
    if (broker->taken > 0)
        duplex_take(broker->duplex, broker->taken);
    broker->taken = 0;
    return 0;
}

int broker_frame_next(struct broker *broker, struct broker_frame *frame, struct fault *fault)
{
    const struct buf *in = &broker->duplex->in;
    const unsigned char *head = (const unsigned char *)in->data + broker->taken;
    size_t left = in->len - broker->taken;

    recycle_amqp_pool(&broker->pool);
    if (left == 0)
        return wait_for_more(broker);
    if (head[0] == 'A') /* "AMQP" and the version that it wants instead */
        return fault_set(fault, FAULT_UNAVAILABLE, "the server does not speak AMQP 0-9-1");
    if (head[0] != AMQP_FRAME_METHOD && head[0] != AMQP_FRAME_HEADER && head[0] != AMQP_FRAME_BODY &&
        head[0] != AMQP_FRAME_HEARTBEAT)
        return not_amqp(fault);
    if (left < HEAD)
        return wait_for_more(broker);
    *frame =
        (struct broker_frame){.type = head[0], .channel = head[1] << 8 | head[2], .size = get32(head + 3)};
    if (frame->size > broker->frame_max - OVERHEAD)
        return not_amqp(fault);
    if (left < frame->size + OVERHEAD)
        return wait_for_more(broker);
    if (head[HEAD + frame->size] != AMQP_FRAME_END)
        return not_amqp(fault);
    frame->payload = head + HEAD;
    broker->taken += frame->size + OVERHEAD;
    if (frame->type == AMQP_FRAME_METHOD && decode_method(broker, frame, fault) < 0)
        return -1;
    return 1;
}

int broker_read_header(struct broker *broker, const struct broker_frame *frame, char *message_id,
                       size_t id_size, uint64_t *body_size, struct fault *fault)
{
    const amqp_basic_properties_t *properties;
    void *decoded;

    if (frame->size < HEADER_HEAD)
        return not_amqp(fault);
    memcpy(body_size, frame->payload + 4, sizeof *body_size);
    *body_size = be64toh(*body_size);
    const amqp_bytes_t encoded = {.len = frame->size - HEADER_HEAD,
                                  .bytes = (void *)(frame->payload + HEADER_HEAD)};
    if (amqp_decode_properties(CLASS_BASIC, &broker->pool, encoded, &decoded) < 0)
        return not_amqp(fault);
    properties = decoded;
    broker_copy(message_id, id_size,
                properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG ? properties->message_id : (amqp_bytes_t){0});
    return 0;
}

/* ---- out ---- */

static void put_head(char *at, int type, int channel, size_t size)
{
    uint16_t channel_be = htobe16((uint16_t)channel);
    uint32_t size_be = htobe32((uint32_t)size);

    at[0] = (char)type;
    memcpy(at + 1, &channel_be, sizeof channel_be);
    memcpy(at + 3, &size_be, sizeof size_be);
}

/* Room for a frame of the largest size; where its payload begins is *payload, what it may hold the value. */
static size_t begin_frame(struct broker *broker, char **payload)
{
    char *room = buf_room(&broker->duplex->out, broker->frame_max);

    if (!room)
        return 0;
    *payload = room + HEAD;
    return broker->frame_max - OVERHEAD;
}

static void end_frame(struct broker *broker, int type, int channel, size_t size)
{
    char *at = broker->duplex->out.data + broker->duplex->out.len;

    put_head(at, type, channel, size);
    at[HEAD + size] = (char)AMQP_FRAME_END;
    buf_added(&broker->duplex->out, size + OVERHEAD);
}

static int too_long(struct fault *fault)
{
    return fault_set(fault, FAULT_INPUT, "it does not fit into a frame of AMQP");
}

int broker_put_method(struct broker *broker, int channel, amqp_method_number_t method, void *arguments,
                      struct fault *fault)
{
    uint32_t number = htobe32(method);
    char *payload;
    size_t room = begin_frame(broker, &payload);
    int size;

    if (room < METHOD_HEAD)
        return too_long(fault);
    memcpy(payload, &number, sizeof number);
    size = amqp_encode_method(method, arguments,
                              (amqp_bytes_t){.len = room - METHOD_HEAD, .bytes = payload + METHOD_HEAD});
    if (size < 0)
        return too_long(fault);
    end_frame(broker, AMQP_FRAME_METHOD, channel, (size_t)size + METHOD_HEAD);
    return 0;
}

static int put_header(struct broker *broker, amqp_basic_properties_t *properties, size_t body_size,
                      struct fault *fault)
{
    uint16_t class = htobe16(CLASS_BASIC);
    uint64_t size_be = htobe64(body_size);
    char *payload;
    size_t room = begin_frame(broker, &payload);
    int size;

    if (room < HEADER_HEAD)
        return too_long(fault);
    memset(payload, 0, HEADER_HEAD);
    memcpy(payload, &class, sizeof class);
    memcpy(payload + 4, &size_be, sizeof size_be);
    size = amqp_encode_properties(CLASS_BASIC, properties,
                                  (amqp_bytes_t){.len = room - HEADER_HEAD, .bytes = payload + HEADER_HEAD});
    if (size < 0)
        return too_long(fault);
    end_frame(broker, AMQP_FRAME_HEADER, BROKER_CHANNEL, (size_t)size + HEADER_HEAD);
    return 0;
}

int broker_put_content(struct broker *broker, amqp_basic_properties_t *properties, const void *body,
                       size_t size, struct fault *fault)
{
    const char *from = body;
    char *payload;

    if (put_header(broker, properties, size, fault) < 0)
        return -1;
    while (size > 0) {
        size_t room = begin_frame(broker, &payload), piece = size < room ? size : room;
        if (piece == 0)
            return too_long(fault);
        memcpy(payload, from, piece);
        end_frame(broker, AMQP_FRAME_BODY, BROKER_CHANNEL, piece);
        from += piece;
        size -= piece;
    }
    return 0;
}

void broker_put_heartbeat(struct broker *broker)
{
    char *payload;

    if (begin_frame(broker, &payload) > 0)
        end_frame(broker, AMQP_FRAME_HEARTBEAT, 0, 0);
}
