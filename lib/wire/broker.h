/*
 * broker - one connection to an AMQP 0-9-1 broker that messages are published over and confirmed on
 *
 * Methods and properties are written and read by librabbitmq; the bytes go over a duplex, so that plain and
 * encrypted connections wait alike, deadlines hold, and what the broker says is heard while it takes nothing.
 * One connection has one channel, in confirm mode.
 *
 * Sources: the AMQP 0-9-1 specification, and RabbitMQ's extensions of it: publisher confirms, basic.nack,
 * connection.blocked, authentication_failure_close.
 *
 * Nothing blocks past the deadline that is given (monotonic clock). Faults are UNAVAILABLE, but INPUT for
 * what does not fit into a frame, and CONFIG for what TLS refuses (tls.h); where the broker closed the
 * connection or refused with a reply code, broker_close_code() has it and the fault its text: "AMQP 404:
 * NOT_FOUND - no exchange 'reports' in vhost '/'".
 */
#ifndef DIST_BROKER_H
#define DIST_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "duplex.h"
#include "fault.h"

enum {
    BROKER_SHORT_MAX = 255,        /* bytes of a name, a key, an id: AMQP's short strings */
    BROKER_HEADERS_MAX = 200,      /* of one message */
    BROKER_FRAME_MAX = 128 * 1024, /* bytes of a frame, unless the broker wants less */
    BROKER_IN_MAX = BROKER_FRAME_MAX + 2 * DUPLEX_ROOM, /* for duplex_new() */
    BROKER_OUT_MAX = 1024 * 1024 * 1024,
    BROKER_HEARTBEAT_MIN_S = 10,
    BROKER_GOODBYE_MS = 500, /* broker_free() waits so long for an answer */
};

struct broker;
/* Takes the duplex. Does nothing yet. */
struct broker *broker_new(struct duplex *duplex);
/* Says goodbye where the connection is open still. NULL is fine. */
void broker_free(struct broker *broker);

struct broker_login {
    const char *vhost, *username, *password;
    int heartbeat_s; /* at least BROKER_HEARTBEAT_MIN_S; the broker may want less */
};
/* Authenticates (SASL PLAIN) and opens the virtual host. */
int broker_login(struct broker *broker, const struct broker_login *login, int64_t deadline_ms,
                 struct fault *fault);
/* A channel, first or after the last was closed. The exchange must exist; "" is the default one, and is not
 * asked for. */
int broker_open_channel(struct broker *broker, const char *exchange, int64_t deadline_ms,
                        struct fault *fault);

/* The reply code (404) by which the broker closed the channel or the connection; 0: it did not. */
int broker_close_code(const struct broker *broker);
bool broker_has_channel(const struct broker *broker);
/* It has told that it takes no messages for now (connection.blocked), and why: "low on memory". NULL: it
 * takes. */
const char *broker_blocked(const struct broker *broker);

struct broker_header {
    const char *name, *value; /* UTF-8 */
};
/* All borrowed; NULL: left out. Ids, types and names have at most BROKER_SHORT_MAX bytes. */
struct broker_message {
    const char *exchange, *routing_key;
    bool mandatory;    /* it comes back where it reaches no queue */
    int delivery_mode; /* 1: kept in memory, 2: persistent */
    const char *content_type, *content_encoding, *message_id, *correlation_id, *type;
    uint64_t timestamp_s; /* 0: left out */
    const struct broker_header *headers;
    size_t header_count;
    const void *body;
    size_t body_size;
};
/* Puts it into the queue of what is to be sent; its tag is the next one of the channel, from 1 on. INPUT:
 * something in it is too long, and nothing was put. */
int broker_publish(struct broker *broker, const struct broker_message *message, uint64_t *tag,
                   struct fault *fault);
/* Little enough waits to be sent that another message should be put there. */
bool broker_has_room(const struct broker *broker);

enum broker_event_kind {
    BROKER_NOTHING,        /* the time is over */
    BROKER_ROOM,           /* see broker_has_room() */
    BROKER_ACK,            /* the broker has taken responsibility for it */
    BROKER_NACK,           /* it has not */
    BROKER_RETURNED,       /* it reached no queue; its ACK follows */
    BROKER_BLOCKED,        /* see broker_blocked() */
    BROKER_CHANNEL_CLOSED, /* by the broker; see broker_close_code() */
};
struct broker_event {
    enum broker_event_kind kind;
    uint64_t tag;                          /* ACK, NACK */
    bool multiple;                         /* and all before it */
    int code;                              /* RETURNED */
    char message_id[BROKER_SHORT_MAX + 1]; /* RETURNED */
    char text[BROKER_SHORT_MAX + 1];       /* RETURNED, CHANNEL_CLOSED: what the broker says; printable */
};
/*
 * The next event; heartbeats are sent and expected meanwhile. BROKER_ROOM comes only with `want_room`. -1:
 * the connection is closed or broken.
 */
int broker_wait(struct broker *broker, bool want_room, int64_t until_ms, struct broker_event *event,
                struct fault *fault);

#endif
