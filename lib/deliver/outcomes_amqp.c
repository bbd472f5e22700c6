/*
 * outcomes_amqp - what a reply code of AMQP 0-9-1 means, and how it went where there is none (AMQP 0-9-1
 * section 1.2, and RabbitMQ's use of it)
 *
 * An operator makes the exchange and the virtual host that are missing, and gives the right that is refused,
 * and then the same report goes: deferred, unlike HTTP's 403 and 404. A message that reached no queue, or
 * that is larger than the broker takes, meets the same the next time.
 */
#include "outcomes.h"

#define REPLY(code, kind, marks, meaning)                                                                    \
    {                                                                                                        \
        code, code, kind, "amqp_" #code, marks, meaning                                                      \
    }
static const struct answer codes[] = {
    REPLY(311, OUTCOME_REJECTED, 0, "CONTENT_TOO_LARGE: larger than the broker takes"),
    REPLY(312, OUTCOME_REJECTED, 0, "NO_ROUTE: no queue is bound for the routing key"),
    REPLY(313, OUTCOME_REJECTED, 0, "NO_CONSUMERS: nobody takes it at once"),
    REPLY(320, OUTCOME_DEFERRED, 0, "CONNECTION_FORCED: closed by an operator, or it stops"),
    REPLY(402, OUTCOME_DEFERRED, 0, "INVALID_PATH: no such virtual host"),
    REPLY(403, OUTCOME_DEFERRED, 0, "ACCESS_REFUSED: the login, or the right to write there"),
    REPLY(404, OUTCOME_DEFERRED, 0, "NOT_FOUND: no such exchange"),
    REPLY(405, OUTCOME_DEFERRED, 0, "RESOURCE_LOCKED"),
    REPLY(406, OUTCOME_REJECTED, 0, "PRECONDITION_FAILED: RabbitMQ's word for a message that is too large"),
    REPLY(501, OUTCOME_DEFERRED, 0, "FRAME_ERROR"),
    REPLY(502, OUTCOME_DEFERRED, 0, "SYNTAX_ERROR"),
    REPLY(503, OUTCOME_DEFERRED, 0, "COMMAND_INVALID"),
    REPLY(504, OUTCOME_DEFERRED, 0, "CHANNEL_ERROR"),
    REPLY(505, OUTCOME_DEFERRED, 0, "UNEXPECTED_FRAME"),
    REPLY(506, OUTCOME_DEFERRED, OVERLOAD, "RESOURCE_ERROR: the broker lacks something"),
    REPLY(530, OUTCOME_DEFERRED, 0, "NOT_ALLOWED: the virtual host is not there, or not for this user"),
    REPLY(540, OUTCOME_DEFERRED, 0, "NOT_IMPLEMENTED"),
    REPLY(541, OUTCOME_DEFERRED, 0, "INTERNAL_ERROR"),
    {300, 599, OUTCOME_DEFERRED, "amqp", 0, "any other code"},
    {0},
};

static const struct answer events[] = {
    {EVENT_CONFIRMED, EVENT_CONFIRMED, OUTCOME_DELIVERED, "confirmed", 0,
     "confirmed by the broker (basic.ack)"},
    {EVENT_NACK, EVENT_NACK, OUTCOME_DEFERRED, "nack", OVERLOAD,
     "not taken by the broker (basic.nack): a queue is full, or fails"},
    {EVENT_BLOCKED, EVENT_BLOCKED, OUTCOME_DEFERRED, "blocked", OVERLOAD,
     "the broker takes nothing for now (connection.blocked)"},
    {EVENT_ONE_OF_SEVERAL, EVENT_ONE_OF_SEVERAL, OUTCOME_DEFERRED, "one_of_several", 0,
     "refused with others, one of which is the reason: goes alone next time"},
    {EVENT_TIMEOUT, EVENT_TIMEOUT, OUTCOME_DEFERRED, "timeout", OVERLOAD, "no confirm in time"},
    {EVENT_CONNECT, EVENT_CONNECT, OUTCOME_DEFERRED, "connect", 0, "no such name, or no connection"},
    {EVENT_TLS, EVENT_TLS, OUTCOME_DEFERRED, "tls", 0, "no trusted TLS"},
    {EVENT_BROKEN, EVENT_BROKEN, OUTCOME_DEFERRED, "broken", 0, "no AMQP, or it broke off"},
    {EVENT_SYSTEM, EVENT_SYSTEM, OUTCOME_DEFERRED, "system", LOCAL,
     "this host has no socket or thread for it"},
    {EVENT_REFUSED_ADDRESS, EVENT_REFUSED_ADDRESS, OUTCOME_REJECTED, "refused_address", LOCAL,
     "refused by the address guard"},
    {EVENT_CREDENTIALS, EVENT_CREDENTIALS, OUTCOME_DEFERRED, "credentials", LOCAL | HELD,
     "the credentials lack what is wanted"},
    {EVENT_CONFIGURATION, EVENT_CONFIGURATION, OUTCOME_REJECTED, "configuration", LOCAL,
     "the form cannot be used"},
    {0},
};

const struct outcome_table outcomes_amqp = {"AMQP reply code", NULL, codes, events};
