/*
 * amqp - one message per report to an exchange, and the broker's confirm of it
 *
 * A batch is put on the wire as far as the socket takes it, while confirms and returns are heard; each report
 * has its outcome as soon as the broker has said something of it. The one hard rule: DELIVERED is said for a
 * basic.ack alone. A message that comes back was routed nowhere; the ack that follows it is not looked at.
 *
 * A broker that is short of memory or disk says so (connection.blocked) only after it was published to, and
 * what is in its socket then goes to the queues later. So the first message of a connection goes alone,
 * nothing is published while it is blocked, and the connection is kept, because it knows.
 *
 * A refusal of a single message (it is too large) closes the channel without saying which one it was. Where
 * several were under way, they are deferred, and as many go one by one after that.
 */
#include "crew.h"

#include <stdlib.h>
#include <string.h>
#include "amqp_late.h"
#include "amqp_message.h"
#include "broker.h"
#include "clock.h"
#include "dial.h"
#include "xalloc.h"

enum {
    BLOCKED_GRACE_MS = 1000, /* confirms of what the broker had read before are on their way */
    HEAR_MS = 500,           /* of listening to what was said meanwhile */
    HEAR_MAX = 10000,        /* events of it: more than there are messages whose confirms may be late */
};

/* One connection. */
struct amqp {
    struct broker *broker;
    const struct destination *destination;
    size_t alone; /* so many messages go one by one */
    struct amqp_late late;
};

/* ---- the connection ---- */

/* The attempts' time is over, not that of the connection alone. */
static bool is_late(const struct crew_call *call)
{
    return clock_mono_ms() >= call->deadline_ms;
}

static void refuse_socket(const struct crew_call *call, const struct fault *fault,
                          enum outcome_event otherwise)
{
    enum outcome_event event = fault->class == FAULT_DENIED   ? EVENT_REFUSED_ADDRESS
                               : fault->class == FAULT_SYSTEM ? EVENT_SYSTEM
                               : is_late(call)                ? EVENT_TIMEOUT
                                                              : otherwise;

    crew_refuse(call, event, "%s", fault->text);
}

static struct duplex *connect_socket(const struct crew_call *call, int64_t deadline_ms)
{
    const struct destination *destination = call->destination;
    const struct destination_amqp *amqp = &destination->amqp;
    const struct tls_config tls = {.ca_file = destination->ca_file,
                                   .cert_file = destination->cert_file,
                                   .key_file = destination->key_file};
    const char *name = destination->tls_name ? destination->tls_name : amqp->host;
    struct fault fault = {0};
    struct duplex *duplex;
    int fd = dial_guarded(amqp->host, (int)amqp->port, &call->guard, deadline_ms, &fault);

    if (fd < 0) {
        refuse_socket(call, &fault, EVENT_CONNECT);
        return NULL;
    }
    crew_watch(call->line, fd);
    duplex = duplex_new(fd, amqp->encrypted ? &tls : NULL, name, BROKER_IN_MAX, BROKER_OUT_MAX, deadline_ms,
                        &fault);
    if (!duplex)
        refuse_socket(call, &fault, EVENT_TLS);
    return duplex;
}

/* By the broker's code, where it gave one. A code that is about a message is none about a connection. */
static void refuse_by_broker(const struct crew_call *call, const struct broker *broker,
                             const struct fault *fault)
{
    int code = broker_close_code(broker);
    const struct answer *row = outcomes_by_code(&outcomes_amqp, code);

    if (code && row->kind == OUTCOME_DEFERRED)
        crew_refuse_by(call, row, code, "%s", fault->text);
    else if (fault->class == FAULT_INPUT)
        crew_refuse(call, EVENT_CONFIGURATION, "%s", fault->text);
    else if (fault->class == FAULT_CONFIG) /* with TLS 1.3 it is said after the handshake */
        crew_refuse(call, EVENT_TLS, "%s", fault->text);
    else
        crew_refuse(call, is_late(call) ? EVENT_TIMEOUT : EVENT_BROKEN, "%s", fault->text);
}

static bool find_login(const struct crew_call *call, struct broker_login *login)
{
    const struct destination_amqp *amqp = &call->destination->amqp;
    bool stored = !amqp->username || amqp->username[0] == '{';

    login->vhost = amqp->vhost;
    login->heartbeat_s = (int)(amqp->heartbeat_ms / 1000);
    login->username = !stored ? amqp->username : call->secret ? call->secret->username : NULL;
    login->password = call->secret ? call->secret->password : NULL;
    if (!login->username)
        crew_refuse(call, EVENT_CREDENTIALS, "no user name, neither in connection nor in the credentials");
    else if (!login->password)
        crew_refuse(call, EVENT_CREDENTIALS, "no password: \"credentials\" names none");
    return login->username && login->password;
}

static void *amqp_open(const struct crew_call *call)
{
    const struct destination_amqp *form = &call->destination->amqp;
    int64_t deadline_ms = clock_mono_ms() + form->connect_timeout_ms;
    struct broker_login login;
    struct fault fault = {0};

    if (call->deadline_ms < deadline_ms)
        deadline_ms = call->deadline_ms;
    struct duplex *duplex = find_login(call, &login) ? connect_socket(call, deadline_ms) : NULL;
    if (!duplex)
        return NULL;
    struct broker *broker = broker_new(duplex);
    if (broker_login(broker, &login, deadline_ms, &fault) < 0 ||
        broker_open_channel(broker, form->exchange, deadline_ms, &fault) < 0) {
        refuse_by_broker(call, broker, &fault);
        broker_free(broker);
        return NULL;
    }
    struct amqp *amqp = xcalloc(1, sizeof *amqp);
    amqp->broker = broker;
    amqp->destination = call->destination;
    amqp->alone = 1;
    return amqp;
}

static void amqp_close(void *connection)
{
    struct amqp *amqp = connection;

    amqp_late_clear(&amqp->late);
    broker_free(amqp->broker);
    free(amqp);
}

/* ---- one message ---- */

/* What became of an earlier attempt of it on this connection. */
static enum amqp_late_state look_back(struct amqp *amqp, struct errand *errand, uint64_t *tag)
{
    const char *id = errand_attempt(errand)->message_id;
    enum amqp_late_state state = amqp_late_find(&amqp->late, id, tag);

    if (state == AMQP_LATE_CONFIRMED) {
        amqp_late_forget(&amqp->late, id);
        errand_set_event(errand, EVENT_CONFIRMED, "%s", "");
    }
    return state;
}

/* Puts it into the queue for the socket, unless it is there. False: it has its outcome. */
static bool put(struct amqp *amqp, struct errand *errand, uint64_t *tag)
{
    struct fault fault = {0};
    const char *what = NULL;

    switch (look_back(amqp, errand, tag)) {
    case AMQP_LATE_CONFIRMED:
        return false;
    case AMQP_LATE_OPEN:
        amqp_late_forget(&amqp->late, errand_attempt(errand)->message_id);
        break;
    case AMQP_LATE_UNKNOWN:
        what = amqp_message_publish(amqp->broker, errand, tag, &fault);
        break;
    }
    if (what)
        errand_set_misconfigured(errand, what, &fault);
    else
        errand_sent(errand);
    return !what;
}

/* ---- a batch ---- */

struct batch {
    struct amqp *amqp;
    struct errand **items; /* NULL: it has its outcome */
    uint64_t tags[CREW_BATCH];
    size_t count, put;  /* of them are on their way, or have their outcome */
    bool solo;          /* the last one goes alone */
    int64_t blocked_ms; /* since then; 0: it is not */
};

static size_t count_open(const struct batch *batch)
{
    size_t count = 0;

    for (size_t i = 0; i < batch->put; i++)
        count += batch->items[i] != NULL;
    return count;
}

static bool may_put(const struct batch *batch)
{
    return batch->put < batch->count && !batch->blocked_ms && (!batch->solo || count_open(batch) == 0);
}

static void put_some(struct batch *batch)
{
    struct amqp *amqp = batch->amqp;

    while (may_put(batch) && broker_has_room(amqp->broker)) {
        size_t i = batch->put++;
        if (!errand_is_awaited(batch->items[i])) {
            errand_set_event(batch->items[i], EVENT_TIMEOUT, "given up before it was published");
            continue;
        }
        batch->solo = amqp->alone > 0;
        if (put(amqp, batch->items[i], &batch->tags[i]) && batch->solo)
            amqp->alone--;
    }
}

/* The items from `from` to `to` that have no outcome. */
static void set_by(struct batch *batch, size_t from, size_t to, const struct answer *row, int code,
                   const char *text)
{
    for (size_t i = from; i < to; i++)
        if (batch->items[i])
            errand_set(batch->items[i], row, code, "%s", text);
}

/* Those that were put are remembered: the broker takes them when it is unblocked. */
static void set_blocked(struct batch *batch, size_t from, size_t to)
{
    const char *why = broker_blocked(batch->amqp->broker);
    uint64_t tag;

    for (size_t i = from; i < to; i++) {
        struct errand *errand = batch->items[i];
        if (!errand || look_back(batch->amqp, errand, &tag) == AMQP_LATE_CONFIRMED)
            continue;
        if (i < batch->put)
            amqp_late_add(&batch->amqp->late, errand_attempt(errand)->message_id, batch->tags[i]);
        errand_set_event(errand, EVENT_BLOCKED, "the broker takes nothing for now: %s",
                         why && *why ? why : "blocked");
    }
}

/* 0, -1: the connection is closed. */
static int open_channel(struct batch *batch, int64_t deadline_ms, struct fault *fault)
{
    struct amqp *amqp = batch->amqp;
    int code;

    if (broker_open_channel(amqp->broker, amqp->destination->amqp.exchange, deadline_ms, fault) == 0)
        return 0;
    code = broker_close_code(amqp->broker);
    if (code)
        set_by(batch, 0, batch->count, outcomes_by_code(&outcomes_amqp, code), code, fault->text);
    return -1;
}

/* What the channel or the connection was closed for. Nothing says which message it was about. */
static void set_closed(struct batch *batch, int code, const char *text)
{
    const struct answer *row = outcomes_by_code(&outcomes_amqp, code);
    size_t open = count_open(batch);

    if (row->kind == OUTCOME_DEFERRED) {
        set_by(batch, 0, batch->count, row, code, text);
    } else if (open == 1) {
        set_by(batch, 0, batch->put, row, code, text);
    } else {
        set_by(batch, 0, batch->put, outcomes_by_event(&outcomes_amqp, EVENT_ONE_OF_SEVERAL), code, text);
        batch->amqp->alone = open;
    }
}

static int on_nothing(struct batch *batch, const struct broker_event *event, int64_t deadline_ms,
                      struct fault *fault)
{
    (void)event;
    (void)deadline_ms;
    for (size_t i = 0; i < batch->count && !batch->blocked_ms; i++)
        if (batch->items[i])
            errand_set_event(batch->items[i], EVENT_TIMEOUT, "no confirm in time");
    if (!batch->blocked_ms) /* what is still to come on this connection is nobody's */
        return fault_set(fault, FAULT_UNAVAILABLE, "no confirm in time");
    if (broker_blocked(batch->amqp->broker)) /* still */
        set_blocked(batch, 0, batch->count);
    return 0;
}

static int on_room(struct batch *batch, const struct broker_event *event, int64_t deadline_ms,
                   struct fault *fault)
{
    (void)batch;
    (void)event;
    (void)deadline_ms;
    (void)fault;
    return 0;
}

static int on_confirm(struct batch *batch, const struct broker_event *event, int64_t deadline_ms,
                      struct fault *fault)
{
    (void)deadline_ms;
    (void)fault;
    amqp_late_confirm(&batch->amqp->late, event->tag, event->multiple, event->kind == BROKER_ACK);
    for (size_t i = 0; i < batch->put; i++) {
        struct errand *errand = batch->items[i];
        if (!errand || (batch->tags[i] != event->tag && !(event->multiple && batch->tags[i] < event->tag)))
            continue;
        if (event->kind == BROKER_ACK && !errand_is_awaited(errand)) { /* the next attempt of it is told */
            amqp_late_add(&batch->amqp->late, errand_attempt(errand)->message_id, batch->tags[i]);
            amqp_late_confirm(&batch->amqp->late, batch->tags[i], false, true);
        }
        if (event->kind == BROKER_ACK)
            errand_set_event(errand, EVENT_CONFIRMED, "%s", "");
        else
            errand_set_event(errand, EVENT_NACK, "not taken by the broker: a queue is full, or fails");
    }
    return 0;
}

static int on_returned(struct batch *batch, const struct broker_event *event, int64_t deadline_ms,
                       struct fault *fault)
{
    (void)deadline_ms;
    (void)fault;
    amqp_late_forget(&batch->amqp->late,
                     event->message_id); /* it comes back again when it is published again */
    for (size_t i = 0; i < batch->put; i++) {
        struct errand *errand = batch->items[i];
        if (!errand || strcmp(errand_attempt(errand)->message_id, event->message_id) != 0)
            continue;
        errand_set(errand, outcomes_by_code(&outcomes_amqp, event->code), event->code,
                   "AMQP %d: returned: %s", event->code, event->text);
        break;
    }
    return 0;
}

/* What was not put yet need not wait. */
static int on_blocked(struct batch *batch, const struct broker_event *event, int64_t deadline_ms,
                      struct fault *fault)
{
    (void)event;
    (void)deadline_ms;
    (void)fault;
    set_blocked(batch, batch->put, batch->count);
    batch->put = batch->count;
    return 0;
}

static int on_channel_closed(struct batch *batch, const struct broker_event *event, int64_t deadline_ms,
                             struct fault *fault)
{
    char text[sizeof event->text + 20];

    snprintf(text, sizeof text, "AMQP %d: %s", event->code, event->text);
    set_closed(batch, event->code, text);
    amqp_late_clear(&batch->amqp->late);
    for (size_t i = batch->put; i < batch->count; i++)
        if (batch->items[i])
            return open_channel(batch, deadline_ms, fault);
    return 0;
}

typedef int (*event_handler)(struct batch *, const struct broker_event *, int64_t, struct fault *);
static const event_handler handlers[] = {
    [BROKER_NOTHING] = on_nothing,
    [BROKER_ROOM] = on_room,
    [BROKER_ACK] = on_confirm,
    [BROKER_NACK] = on_confirm,
    [BROKER_RETURNED] = on_returned,
    [BROKER_BLOCKED] = on_blocked,
    [BROKER_CHANNEL_CLOSED] = on_channel_closed,
};

/* The end of the connection. What may not have been sent is the crew's to send once more. */
static int fail(struct batch *batch, const struct fault *fault)
{
    int code = broker_close_code(batch->amqp->broker);

    if (code && !broker_has_channel(batch->amqp->broker)) {
        batch->count = batch->put;
        set_closed(batch, code, fault->text);
    }
    return -1;
}

static bool is_done(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i])
            return false;
    return true;
}

static int64_t note_blocked(struct batch *batch, int64_t deadline_ms)
{
    bool blocked = broker_blocked(batch->amqp->broker) != NULL;

    if (!blocked)
        batch->blocked_ms = 0;
    else if (!batch->blocked_ms)
        batch->blocked_ms = clock_mono_ms();
    if (!blocked || batch->blocked_ms + BLOCKED_GRACE_MS > deadline_ms)
        return deadline_ms;
    return batch->blocked_ms + BLOCKED_GRACE_MS;
}

/* What was said since the last batch; a broker that does not come to an end is none. */
static int hear(struct batch *batch, int64_t deadline_ms, struct fault *fault)
{
    int64_t until_ms = clock_mono_ms() + HEAR_MS;
    struct broker_event event;

    for (int i = 0; i < HEAR_MAX && clock_mono_ms() < until_ms; i++) {
        if (broker_wait(batch->amqp->broker, false, clock_mono_ms(), &event, fault) < 0)
            return -1;
        if (event.kind == BROKER_NOTHING)
            return 0;
        if (handlers[event.kind](batch, &event, deadline_ms, fault) < 0)
            return -1;
    }
    return fault_set(fault, FAULT_UNAVAILABLE, "the broker talks without end");
}

/* 1: there are messages whose confirms only this connection can bring. */
static int amqp_tend(void *connection, struct fault *fault)
{
    struct amqp *amqp = connection;
    struct batch nothing = {.amqp = amqp};

    if (hear(&nothing, clock_mono_ms(), fault) < 0)
        return -1;
    return amqp_late_is_open(&amqp->late);
}

static int amqp_work(void *connection, struct errand **items, size_t count, int64_t deadline_ms,
                     struct fault *fault)
{
    struct amqp *amqp = connection;
    struct batch batch = {.amqp = amqp, .items = items, .count = count};
    struct broker_event event;

    if (amqp_tend(amqp, fault) < 0)
        return -1;
    if (broker_blocked(amqp->broker)) {
        set_blocked(&batch, 0, count);
        return 0;
    }
    if (!broker_has_channel(amqp->broker) && open_channel(&batch, deadline_ms, fault) < 0)
        return -1;
    while (!is_done(&batch)) {
        int64_t until_ms = note_blocked(&batch, deadline_ms);
        put_some(&batch);
        if (is_done(&batch))
            break;
        if (clock_mono_ms() >= until_ms) /* however much is said */
            event = (struct broker_event){.kind = BROKER_NOTHING};
        else if (broker_wait(amqp->broker, may_put(&batch), until_ms, &event, fault) < 0)
            return fail(&batch, fault);
        if (handlers[event.kind](&batch, &event, deadline_ms, fault) < 0)
            return -1;
    }
    return 0;
}

static const struct crew_kind kind = {
    .open = amqp_open, .tend = amqp_tend, .work = amqp_work, .close = amqp_close};

static struct attempt_handle *amqp_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    return crew_start(&kind, &adapter_amqp, context, attempt, done, arg);
}

static int amqp_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    return crew_check(&kind, &adapter_amqp, context, destination, secret, fault);
}

const struct adapter adapter_amqp = {PROTOCOL_AMQP, &outcomes_amqp, amqp_start, crew_cancel, amqp_check};
