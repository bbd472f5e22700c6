/*
 * broker_parts - frames, and the state of a connection; inside of broker*.c
 */
#ifndef DIST_BROKER_PARTS_H
#define DIST_BROKER_PARTS_H

#include "broker.h"

#include <amqp.h>
#include <amqp_framing.h>

enum { BROKER_CHANNEL = 1 };

/* A frame that came. `payload` points into the duplex until broker_frame_next() is called again. */
struct broker_frame {
    int type; /* AMQP_FRAME_METHOD, ... */
    int channel;
    const unsigned char *payload;
    size_t size;
    amqp_method_number_t method; /* of a method frame */
    void *decoded;               /* a method's arguments, in the broker's pool */
};

/* A message that comes back: basic.return, its header and its body, in that order. */
struct broker_return {
    bool coming, has_header;
    uint64_t body_left;
    struct broker_event event;
};

struct broker {
    struct duplex *duplex;
    amqp_pool_t pool;   /* of the last frame */
    size_t taken;       /* bytes of the frames before, to be taken from the duplex */
    size_t frame_max;   /* as agreed */
    int heartbeat_s;    /* as agreed */
    bool open, channel; /* logged in; there is a channel */
    bool is_blocked;
    char blocked[BROKER_SHORT_MAX + 1];
    int close_code;
    char close_text[BROKER_SHORT_MAX + 1];
    uint64_t next_tag;
    struct broker_return back;
};

/* ---- broker_frame.c ---- */

/* The next frame that came whole, decoded. 1, 0: none yet, -1: what came is no AMQP. */
int broker_frame_next(struct broker *broker, struct broker_frame *frame, struct fault *fault);
/* Appends a method to what is to be sent; `arguments` is librabbitmq's struct. -1: they do not fit (INPUT).
 */
int broker_put_method(struct broker *broker, int channel, amqp_method_number_t method, void *arguments,
                      struct fault *fault);
/* The header and the body of a message. */
int broker_put_content(struct broker *broker, amqp_basic_properties_t *properties, const void *body,
                       size_t size, struct fault *fault);
void broker_put_heartbeat(struct broker *broker);
/* The message id of a header frame, and the size of its body. */
int broker_read_header(struct broker *broker, const struct broker_frame *frame, char *message_id,
                       size_t id_size, uint64_t *body_size, struct fault *fault);
amqp_bytes_t broker_bytes(const char *text); /* NULL: none */
/* A copy that is printable and ended by NUL. */
void broker_copy(char *out, size_t size, amqp_bytes_t bytes);

/* ---- broker_publish.c ---- */

/*
 * Waits for a frame: 1, 0: the time is over, -1. Heartbeats are kept. Frames that came are handed out also
 * after that time: who calls this in a loop looks at the clock.
 */
int broker_next(struct broker *broker, int64_t until_ms, struct broker_frame *frame, struct fault *fault);
/* What may come at any time. 1: it was one of these; 0: it was not; -1: the connection is closed (fault). */
int broker_take_notice(struct broker *broker, const struct broker_frame *frame, struct fault *fault);
int broker_closed(struct broker *broker, struct fault *fault); /* the fault of the close code; -1 */

#endif
