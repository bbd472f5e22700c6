/*
 * The AMQP adapter against a broker that does what a real one does seldom: it refuses several at once, blocks
 * and goes on, falls silent, or speaks something else. It is a thread of the test, writes its frames by
 * itself, and counts what is published. What a real one does is in tests/e2e/amqp.bats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <endian.h>
#include <event2/event.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "adapter.h"
#include "ceilings.h"
#include "clock.h"
#include "form.h"
#include "rows.h"
#include "xalloc.h"

enum { METHOD = 1, HEADER = 2, BODY = 3, FRAME_END = 0xce, MESSAGES = 5, LIMIT_S = 30 };
#define ID(class, method) ((uint32_t)(class) << 16 | (method))

/* ---- the broker ---- */

struct peer {
    int fd;
    int published; /* on this connection */
    uint64_t body_left;
};

/* What it does; NULL: as a broker does, and every message is confirmed. */
struct script {
    const char *greeting; /* instead of AMQP */
    size_t greeting_size;
    bool mute;                          /* says nothing at all */
    void (*greeted)(struct peer *peer); /* what it says instead */
    int heartbeat;                      /* seconds that it asks for */
    void (*published)(struct peer *peer);
};

static struct {
    int fd, port;
    pthread_t thread;
    const struct script *script;
    atomic_int came, published, connections, ended;
    atomic_bool may_answer; /* all of a test's messages have been handed over, and so go together */
} broker;

static void put_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the adapter has gone: the test sees what it makes of it */
        at += n;
        size -= (size_t)n;
    }
}

static bool get_all(int fd, void *data, size_t size)
{
    char *at = data;

    while (size > 0) {
        ssize_t n = recv(fd, at, size, 0);
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static void put_frame(const struct peer *peer, int type, int channel, const void *payload, size_t size)
{
    unsigned char head[7] = {(unsigned char)type, 0, (unsigned char)channel};
    const unsigned char end = FRAME_END;
    uint32_t size_be = htobe32((uint32_t)size);

    memcpy(head + 3, &size_be, sizeof size_be);
    put_all(peer->fd, head, sizeof head);
    put_all(peer->fd, payload, size);
    put_all(peer->fd, &end, 1);
}

static void put_method(const struct peer *peer, int channel, uint32_t id, const void *arguments, size_t size)
{
    char payload[600];
    uint32_t id_be = htobe32(id);

    memcpy(payload, &id_be, sizeof id_be);
    memcpy(payload + sizeof id_be, arguments, size);
    put_frame(peer, METHOD, channel, payload, size + sizeof id_be);
}

static void put_confirm(const struct peer *peer, int method, uint64_t tag, int bits)
{
    char arguments[9];
    uint64_t tag_be = htobe64(tag);

    memcpy(arguments, &tag_be, sizeof tag_be);
    arguments[8] = (char)bits;
    put_method(peer, 1, ID(60, method), arguments, sizeof arguments);
}

static void ack(const struct peer *peer, uint64_t tag, bool multiple)
{
    put_confirm(peer, 80, tag, multiple);
}

/* Of the channel (20, 40) or the connection (10, 50). */
static void put_close(const struct peer *peer, uint32_t id, int code)
{
    char arguments[] = {(char)(code >> 8), (char)code, 2, 'n', 'o', 0, 0, 0, 0};

    put_method(peer, id == ID(20, 40), id, arguments, sizeof arguments);
}

/* What asks for a plain answer, and the answer. */
static const struct {
    uint32_t asked, answer;
    int channel;
    const char *arguments;
    size_t size;
} answers[] = {
    {ID(10, 40), ID(10, 41), 0, "\0", 1}, {ID(20, 10), ID(20, 11), 1, "\0\0\0\0", 4},
    {ID(40, 10), ID(40, 11), 1, "", 0},   {ID(85, 10), ID(85, 11), 1, "", 0},
    {ID(10, 50), ID(10, 51), 0, "", 0},
};

static void take_method(struct peer *peer, uint32_t id)
{
    const char tune[] = {0, 1, 0, 1, 0, 0, 0, (char)broker.script->heartbeat};

    if (id == ID(10, 11))
        put_method(peer, 0, ID(10, 30), tune, sizeof tune);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (answers[i].asked == id)
            put_method(peer, answers[i].channel, answers[i].answer, answers[i].arguments, answers[i].size);
    if (id == ID(20, 10))
        peer->published = 0; /* tags begin anew */
}

static void take_published(struct peer *peer)
{
    atomic_fetch_add(&broker.came, 1);
    while (!broker.may_answer)
        usleep(1000);
    peer->published++;
    atomic_fetch_add(&broker.published, 1);
    if (broker.script->published)
        broker.script->published(peer);
    else
        ack(peer, (uint64_t)peer->published, false);
}

static bool take_frame(struct peer *peer)
{
    unsigned char head[7], *payload;
    uint32_t size, id;
    bool whole;

    if (!get_all(peer->fd, head, sizeof head))
        return false;
    memcpy(&size, head + 3, sizeof size);
    size = be32toh(size);
    payload = xmalloc(size + 1);
    whole = get_all(peer->fd, payload, size + 1);
    if (whole && head[0] == METHOD) {
        memcpy(&id, payload, sizeof id);
        take_method(peer, be32toh(id));
    } else if (whole && head[0] == HEADER) {
        memcpy(&peer->body_left, payload + 4, sizeof peer->body_left);
        peer->body_left = be64toh(peer->body_left);
    } else if (whole && head[0] == BODY) {
        peer->body_left -= size;
        if (peer->body_left == 0)
            take_published(peer);
    }
    free(payload);
    return whole;
}

static void serve(struct peer *peer)
{
    static const char start[] = "\0\11\0\0\0\0\0\0\0\16AMQPLAIN PLAIN\0\0\0\5en_US";
    char greeting[8];

    if (!get_all(peer->fd, greeting, sizeof greeting) || memcmp(greeting, "AMQP\0\0\11\1", 8) != 0)
        return;
    if (broker.script->greeting) {
        put_all(peer->fd, broker.script->greeting, broker.script->greeting_size);
        return;
    }
    if (broker.script->greeted)
        broker.script->greeted(peer);
    else if (!broker.script->mute)
        put_method(peer, 0, ID(10, 10), start, sizeof start - 1);
    while (peer->fd >= 0 && take_frame(peer))
        ;
}

static void *serve_all(void *arg)
{
    int fd;

    while ((fd = accept(broker.fd, NULL, NULL)) >= 0) {
        struct peer peer = {.fd = fd};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* a frame is three pieces */
        atomic_fetch_add(&broker.connections, 1);
        serve(&peer);
        if (peer.fd >= 0)
            close(peer.fd);
        atomic_fetch_add(&broker.ended, 1);
    }
    return arg;
}

static void hang_up(struct peer *peer)
{
    shutdown(peer->fd, SHUT_RDWR);
    close(peer->fd);
    peer->fd = -1;
}

/* ---- the adapter ---- */

struct result {
    bool done;
    enum outcome_kind kind;
    bool overload;
    int code;
    char reason[40], text[500];
};

static struct event_base *base;
static struct adapter_context context;
static struct destination *destination;
static struct result results[MESSAGES];
static const struct secret secret = {.username = (char *)"u", .password = (char *)"hunter2"};
static const struct secret *credentials; /* of the next messages */

static void on_done(void *arg, struct outcome *outcome)
{
    struct result *result = arg;

    assert_false(result->done);
    rows_saw(&outcomes_amqp, outcome);
    *result = (struct result){
        .done = true, .kind = outcome->kind, .overload = outcome->overload, .code = outcome->code};
    snprintf(result->reason, sizeof result->reason, "%s", outcome->reason);
    snprintf(result->text, sizeof result->text, "%s", outcome->text);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    fail_msg("no end within %d seconds", LIMIT_S);
}

static void start_broker(const struct script *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    broker.script = script;
    broker.came = broker.published = broker.connections = broker.ended = 0;
    broker.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(broker.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(broker.fd, 8), 0);
    assert_int_equal(getsockname(broker.fd, (struct sockaddr *)&address, &size), 0);
    broker.port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&broker.thread, NULL, serve_all, NULL), 0);
}

/* The broker, an adapter, and a form with this connect_timeout. */
static void begin(const struct script *script, const char *connect_timeout, const char *timeout)
{
    struct fault fault = {0};

    start_broker(script);
    credentials = &secret;
    base = event_base_new();
    assert_int_equal(adapter_context_init(&context, base, true, NULL, NULL), 0);
    char *text = xasprintf("{\"protocol\": \"AMQP\", \"connection\": {\"host\": \"127.0.0.1\", \"port\": %d, "
                           "\"connect_timeout\": \"%s\"}, \"exchange\": \"e\", \"routing_key\": \"r\", "
                           "\"timeout\": \"%s\"}",
                           broker.port, connect_timeout, timeout);
    json_t *form = json_loads(text, 0, NULL);
    destination = form_destination("queue", form, NULL, "test", &fault);
    if (!destination)
        fail_msg("%s", fault.text);
    json_decref(form);
    free(text);
}

static void end(void)
{
    adapter_context_release(&context);
    shutdown(broker.fd, SHUT_RDWR);
    pthread_join(broker.thread, NULL);
    close(broker.fd);
    destination_unref(destination);
    event_base_free(base);
}

static void await_count(const atomic_int *count, int least)
{
    int64_t until_ms = clock_mono_ms() + LIMIT_S * 1000;

    while (*count < least) {
        assert_true(clock_mono_ms() < until_ms);
        usleep(1000);
    }
}

/*
 * So many messages from that one on; returns when each has its outcome. The broker does not answer the first
 * before the others were handed over: they are one batch.
 */
static void send_messages(int from, int count)
{
    static const char *const ids[MESSAGES] = {"id-0", "id-1", "id-2", "id-3", "id-4"};
    const struct timeval limit = {.tv_sec = LIMIT_S};
    struct event *late = evtimer_new(base, on_limit, NULL);
    int open = count, came = broker.came;

    broker.may_answer = false;
    evtimer_add(late, &limit);
    for (int i = from; i < from + count; i++) {
        const struct attempt attempt = {.destination = destination,
                                        .secret = credentials,
                                        .message_id = ids[i],
                                        .distribution_id = "d",
                                        .tenant_id = "acme",
                                        .data_type = "t",
                                        .date = "2024-01-15",
                                        .content_type = "text/plain",
                                        .body = "body",
                                        .body_size = 4,
                                        .number = 1};
        results[i] = (struct result){0};
        adapter_amqp.start(&context, &attempt, on_done, &results[i]);
        if (count > 1 && i == from)
            await_count(&broker.came, came + 1);
    }
    broker.may_answer = true;
    while (open > 0) {
        event_base_loop(base, EVLOOP_ONCE);
        open = 0;
        for (int i = from; i < from + count; i++)
            open += !results[i].done;
    }
    event_free(late);
}

static void assert_result(int i, enum outcome_kind kind, const char *reason)
{
    if (results[i].kind != kind || strcmp(results[i].reason, reason) != 0)
        fail_msg("%d: %s (%s), not %s (%s): %s", i, outcome_kind_names[results[i].kind], results[i].reason,
                 outcome_kind_names[kind], reason, results[i].text);
    assert_null(strstr(results[i].text, "hunter2"));
}

/* ---- tests ---- */

static void what_is_no_broker_is_deferred(void **state)
{
    static const struct {
        const char *greeting;
        size_t size;
        const char *text;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 28, "not AMQP"},
        {"AMQP\0\1\0\0", 8, "does not speak AMQP 0-9-1"},
        {"\1\0\0\377\377\377\377", 7, "not AMQP"},             /* 4 GiB */
        {"\1\0\0\0\0\0\4\0\12\0\12\0", 12, "not AMQP"},        /* no end of the frame */
        {"\1\0\0\0\0\0\2\0\12\316", 10, "not AMQP"},           /* no whole number */
        {"\1\0\0\0\0\0\6\0\12\0\12\0\11\316", 14, "not AMQP"}, /* arguments cut off */
        {"\1\0\0\0\0\0\4\0\173\0\12\316", 12, "not AMQP"},     /* no such method */
        {"\3\0\1\0\0\0\1x\316", 9, "does not allow"},          /* a body of nothing */
        {"", 0, "closed the connection"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct script script = {.greeting = cases[i].greeting, .greeting_size = cases[i].size};
        begin(&script, "10s", "20s");
        send_messages(0, 1);
        assert_result(0, OUTCOME_DEFERRED, "broken");
        if (!strstr(results[0].text, cases[i].text))
            fail_msg("case %zu: %s", i, results[0].text);
        end();
    }
}

/* A connection.start whose properties are a table in a table in a table, as deep as a frame allows. */
static void deep_tables_do_no_harm(void **state)
{
    enum { SIZE = 128 * 1024, LEVEL = 6, FRONT = 7 + 4 + 2 };
    static char frame[SIZE];
    uint32_t size = htobe32(SIZE - 8);
    const struct script script = {.greeting = frame, .greeting_size = SIZE};

    (void)state;
    memcpy(frame, "\1\0\0", 3);
    memcpy(frame + 3, &size, sizeof size);
    memcpy(frame + 7, "\0\12\0\12\0\11", 6);
    for (size_t at = FRONT; at + 4 + LEVEL < SIZE - 1; at += LEVEL) {
        uint32_t inner = htobe32((uint32_t)(SIZE - 1 - at - 4));
        memcpy(frame + at, &inner, sizeof inner);
        frame[at + 4] = 0; /* a name of no bytes */
        frame[at + 5] = 'F';
    }
    frame[SIZE - 1] = (char)FRAME_END;
    begin(&script, "10s", "20s");
    send_messages(0, 1);
    assert_result(0, OUTCOME_DEFERRED, "broken");
    end();
}

static void a_broker_that_says_nothing_is_given_up_in_time(void **state)
{
    static const struct script script = {.mute = true};
    int64_t began_ms = clock_mono_ms();

    (void)state;
    begin(&script, "200ms", "20s");
    send_messages(0, 1);
    assert_result(0, OUTCOME_DEFERRED, "broken");
    assert_in_range(clock_mono_ms() - began_ms, 200, 5000);
    assert_non_null(strstr(results[0].text, "in time"));
    end();
}

/* The first goes alone; then one confirm is for all. */
static void ack_first_and_all_others(struct peer *peer)
{
    if (peer->published == 1)
        ack(peer, 1, false);
    else if (peer->published == MESSAGES)
        ack(peer, MESSAGES, true);
}

static void one_confirm_may_be_for_many(void **state)
{
    static const struct script script = {.published = ack_first_and_all_others};

    (void)state;
    begin(&script, "10s", "20s");
    send_messages(0, MESSAGES);
    for (int i = 0; i < MESSAGES; i++)
        assert_result(i, OUTCOME_DELIVERED, "confirmed");
    assert_int_equal(broker.published, MESSAGES);
    assert_int_equal(broker.connections, 1);
    end();
}

static void nack_two_and_ack_the_rest(struct peer *peer)
{
    if (peer->published == 1)
        ack(peer, 1, false);
    if (peer->published != MESSAGES)
        return;
    put_confirm(peer, 120, 3, 1);
    ack(peer, 99, false); /* of nothing */
    ack(peer, 5, false);
    ack(peer, 4, false);
}

static void what_the_broker_does_not_take_is_deferred(void **state)
{
    static const struct script script = {.published = nack_two_and_ack_the_rest};
    int taken = 0;

    (void)state;
    begin(&script, "10s", "20s");
    send_messages(0, MESSAGES);
    for (int i = 0; i < MESSAGES; i++) {
        bool delivered = results[i].kind == OUTCOME_DELIVERED;
        taken += delivered;
        assert_result(i, delivered ? OUTCOME_DELIVERED : OUTCOME_DEFERRED, delivered ? "confirmed" : "nack");
        assert_int_equal(results[i].overload, !delivered);
    }
    assert_int_equal(taken, MESSAGES - 2);
    end();
}

static void close_by_force(struct peer *peer)
{
    put_close(peer, ID(10, 50), 320);
}

static void a_closed_connection_has_its_code_and_nothing_is_sent_twice(void **state)
{
    static const struct script script = {.published = close_by_force};

    (void)state;
    begin(&script, "10s", "20s");
    send_messages(0, 1);
    assert_result(0, OUTCOME_DEFERRED, "amqp_320");
    assert_int_equal(results[0].code, 320);
    assert_int_equal(broker.published, 1);
    end();
}

static void a_connection_that_ends_without_a_word_is_broken(void **state)
{
    static const struct script script = {.published = hang_up};

    (void)state;
    begin(&script, "10s", "20s");
    send_messages(0, 1);
    assert_result(0, OUTCOME_DEFERRED, "broken");
    assert_int_equal(broker.published, 1);
    end();
}

static void ack_and_hang_up(struct peer *peer)
{
    ack(peer, 1, false);
    hang_up(peer);
}

static void a_connection_that_ended_meanwhile_is_made_anew(void **state)
{
    static const struct script script = {.published = ack_and_hang_up};

    (void)state;
    begin(&script, "10s", "20s");
    for (int i = 0; i < 3; i++) {
        send_messages(i, 1);
        assert_result(i, OUTCOME_DELIVERED, "confirmed");
        await_count(&broker.ended, i + 1);
    }
    assert_int_equal(broker.connections, 3);
    assert_int_equal(broker.published, 3);
    end();
}

/* As of a message that is too large: the third one, when it goes with others. */
static void refuse_third(struct peer *peer)
{
    static int alone;

    if (broker.published == 1) {
        alone = 0;
        ack(peer, 1, false);
    } else if (broker.published == MESSAGES) {
        put_close(peer, ID(20, 40), 406);
    } else if (broker.published > MESSAGES && ++alone == 2) {
        put_close(peer, ID(20, 40), 406);
    } else if (broker.published > MESSAGES) {
        ack(peer, (uint64_t)peer->published, false);
    }
}

static void a_refusal_of_one_of_several_rejects_only_that_one(void **state)
{
    static const struct script script = {.published = refuse_third};
    int rejected = 0;

    (void)state;
    begin(&script, "10s", "20s");
    send_messages(0, MESSAGES);
    assert_result(0, OUTCOME_DELIVERED, "confirmed");
    for (int i = 1; i < MESSAGES; i++)
        assert_result(i, OUTCOME_DEFERRED, "one_of_several");
    send_messages(1, MESSAGES - 1);
    for (int i = 1; i < MESSAGES; i++) {
        bool no = results[i].kind == OUTCOME_REJECTED;
        rejected += no;
        assert_result(i, no ? OUTCOME_REJECTED : OUTCOME_DELIVERED, no ? "amqp_406" : "confirmed");
    }
    assert_int_equal(rejected, 1);
    assert_int_equal(broker.connections, 1); /* the channel alone is made anew */
    end();
}

/* It blocks with the second message, and takes it when the test says so. */
static atomic_bool unblock;

static void block(struct peer *peer)
{
    if (peer->published == 2) {
        put_method(peer, 0, ID(10, 60), "\3low", 4);
        while (!unblock)
            usleep(1000); /* it reads nothing meanwhile */
        put_method(peer, 0, ID(10, 61), "", 0);
    }
    ack(peer, (uint64_t)peer->published, false);
}

static void what_a_blocked_broker_took_later_is_not_sent_again(void **state)
{
    static const struct script script = {.published = block};

    (void)state;
    unblock = false;
    begin(&script, "10s", "20s");
    send_messages(0, 1);
    assert_result(0, OUTCOME_DELIVERED, "confirmed");
    for (int i = 1; i < 3; i++) {
        send_messages(i, 1);
        assert_result(i, OUTCOME_DEFERRED, "blocked");
        assert_true(results[i].overload);
        assert_non_null(strstr(results[i].text, "low"));
        assert_int_equal(broker.published, 2); /* nothing is published while it is blocked */
    }
    unblock = true;
    for (int64_t until_ms = clock_mono_ms() + 10000; results[1].kind != OUTCOME_DELIVERED;) {
        assert_true(clock_mono_ms() < until_ms);
        send_messages(1, 1); /* until the confirm has come */
    }
    send_messages(2, 1);
    assert_result(2, OUTCOME_DELIVERED, "confirmed");
    assert_int_equal(broker.published, 3); /* each once */
    assert_int_equal(broker.connections, 1);
    end();
}

static void say_nothing(struct peer *peer)
{
    (void)peer;
}

static void a_broker_whose_heart_stops_is_given_up(void **state)
{
    static const struct script script = {.heartbeat = 1, .published = say_nothing};
    int64_t began_ms = clock_mono_ms();

    (void)state;
    begin(&script, "10s", "20s");
    send_messages(0, 1);
    assert_result(0, OUTCOME_DEFERRED, "broken");
    assert_non_null(strstr(results[0].text, "heartbeat"));
    assert_in_range(clock_mono_ms() - began_ms, 1900, 10000);
    end();
}

static void no_confirm_in_time_is_a_timeout(void **state)
{
    static const struct script script = {.published = say_nothing};

    (void)state;
    begin(&script, "10s", "1s");
    send_messages(0, 2);
    for (int i = 0; i < 2; i++) {
        assert_result(i, OUTCOME_DEFERRED, "timeout");
        assert_true(results[i].overload);
    }
    end();
}

/* Its code, with which the broker closes the connection, or with which it gives the message back. */
static int refusal;

static void refuse(struct peer *peer)
{
    /* class 60, a body of no bytes, and the property message-id alone */
    static const char header[] = "\0\74\0\0\0\0\0\0\0\0\0\0\0\200\4id-0";
    char back[] = {(char)(refusal >> 8), (char)refusal, 2, 'n', 'o', 1, 'e', 1, 'r'};

    if (refusal < 311 || refusal > 313) {
        put_close(peer, ID(10, 50), refusal);
        return;
    }
    put_method(peer, 1, ID(60, 50), back, sizeof back);
    put_frame(peer, HEADER, 1, header, sizeof header - 1);
    ack(peer, (uint64_t)peer->published, false);
}

static void each_code_has_its_row(void **state)
{
    static const struct script script = {.published = refuse};

    (void)state;
    begin(&script, "10s", "20s");
    for (const struct answer *row = outcomes_amqp.codes; row->reason; row++) {
        refusal = rows_code(&outcomes_amqp, row);
        send_messages(0, 1);
        assert_result(0, row->kind, row->reason);
        assert_int_equal(results[0].code, refusal);
        assert_int_equal(results[0].overload, (row->marks & OVERLOAD) != 0);
    }
    end();
}

/* Another destination, which has no connection yet. */
static void rewrite_form(const char *scheme, int port, const char *routing_key)
{
    struct fault fault = {0};
    json_t *form = json_pack("{ss s{ss ss si} ss ss}", "protocol", "AMQP", "connection", "scheme", scheme,
                             "host", "127.0.0.1", "port", port, "exchange", "e", "routing_key", routing_key);

    destination_unref(destination);
    destination = form_destination("queue", form, NULL, "test", &fault);
    if (!destination)
        fail_msg("%s", fault.text);
    json_decref(form);
}

static void limit_descriptors(bool limit)
{
    static struct rlimit before;
    struct rlimit now;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    if (limit)
        before = now;
    now.rlim_cur = limit ? 3 : before.rlim_cur;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static void what_comes_before_the_message_is_told_apart(void **state)
{
    static const struct script script = {.greeting = "no TLS", .greeting_size = 6};

    (void)state;
    begin(&script, "10s", "20s");
    rewrite_form("amqps", broker.port, "r");
    send_messages(0, 1);
    assert_result(0, OUTCOME_DEFERRED, "tls");
    rewrite_form("amqp", 1, "r");
    limit_descriptors(true);
    send_messages(0, 1);
    limit_descriptors(false);
    assert_result(0, OUTCOME_DEFERRED, "system");
    send_messages(0, 1);
    assert_result(0, OUTCOME_DEFERRED, "connect");
    context.allow_private = false;
    rewrite_form("amqp", 1, "other");
    send_messages(0, 1);
    assert_result(0, OUTCOME_REJECTED, "refused_address");
    credentials = NULL;
    rewrite_form("amqp", 1, "r");
    send_messages(0, 1);
    assert_result(0, OUTCOME_DEFERRED, "credentials");
    end();
}

#define DAYS "{date}{date}{date}{date}{date}{date}{date}{date}{date}"

static void a_routing_key_that_gets_too_long_is_rejected(void **state)
{
    static const struct script script = {0};

    (void)state;
    begin(&script, "10s", "20s");
    rewrite_form("amqp", broker.port, DAYS DAYS DAYS); /* 27 of 10 bytes; 255 is the most */
    send_messages(0, 1);
    assert_result(0, OUTCOME_REJECTED, "configuration");
    assert_int_equal(broker.published, 0);
    end();
}

static void a_check_publishes_nothing(void **state)
{
    static const struct script script = {0};
    struct fault fault = {0};

    (void)state;
    begin(&script, "10s", "20s");
    assert_int_equal(adapter_amqp.check(&context, destination, NULL, &fault), -1);
    assert_int_equal(broker.connections, 0);
    if (adapter_amqp.check(&context, destination, &secret, &fault) < 0)
        fail_msg("%s", fault.text);
    assert_int_equal(broker.published, 0);
    assert_int_equal(broker.connections, 1);
    end();
}

/* Until there is room; false: the adapter has hung up, and takes nothing (TCP asks again for minutes). */
static bool has_room(int fd)
{
    struct pollfd socket = {.fd = fd, .events = POLLOUT | POLLRDHUP};

    if (poll(&socket, 1, -1) > 0 && !(socket.revents & POLLOUT)) {
        socket.events = POLLOUT;
        return poll(&socket, 1, 1000) > 0;
    }
    return true;
}

/* A frame of this type again and again, as fast as they go, until the adapter hangs up. */
static void flood(struct peer *peer, int type, const char *payload, size_t size)
{
    enum { FRAMES = 500, FRAME_MAX = 40 };
    char frames[FRAMES * FRAME_MAX];
    size_t whole = 0;

    for (int i = 0; i < FRAMES; i++) {
        const char head[] = {(char)type, 0, type == METHOD, 0, 0, 0, (char)size};
        memcpy(frames + whole, head, sizeof head);
        memcpy(frames + whole + sizeof head, payload, size);
        whole += sizeof head + size;
        frames[whole++] = (char)FRAME_END;
    }
    while (has_room(peer->fd) && send(peer->fd, frames, whole, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        ;
}

static void ack_and_flood_heartbeats(struct peer *peer)
{
    ack(peer, (uint64_t)peer->published, false);
    flood(peer, 8, "", 0);
}

static void ack_and_flood_acks(struct peer *peer)
{
    ack(peer, (uint64_t)peer->published, false);
    flood(peer, METHOD, "\0\74\0\120\0\0\0\0\0\0\377\377", 13);
}

/* While the connection is idle, before the next message, and in the goodbye. */
static void a_broker_that_talks_without_end_keeps_no_thread(void **state)
{
    static const struct script scripts[] = {{.published = ack_and_flood_heartbeats},
                                            {.published = ack_and_flood_acks}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        begin(&scripts[i], "10s", "2500ms");
        send_messages(0, 1);
        assert_result(0, OUTCOME_DELIVERED, "confirmed");
        usleep(1200 * 1000); /* so long that the connection is looked at before it is used */
        int64_t began_ms = clock_mono_ms();
        send_messages(1, 1);
        if (i == 0)
            assert_result(1, OUTCOME_DEFERRED, "timeout"); /* it is not confirmed */
        else
            assert_result(1, OUTCOME_DELIVERED, "confirmed"); /* over a connection that is new */
        await_count(&broker.ended, 1);
        assert_in_range(clock_mono_ms() - began_ms, 0, 9000);
        began_ms = clock_mono_ms();
        end();
        assert_in_range(clock_mono_ms() - began_ms, 0, 3500);
    }
}

static void flood_heartbeats(struct peer *peer)
{
    flood(peer, 8, "", 0);
}

static void heartbeats_are_no_login(void **state)
{
    static const struct script script = {.greeted = flood_heartbeats};
    int64_t began_ms = clock_mono_ms();

    (void)state;
    begin(&script, "200ms", "20s");
    send_messages(0, 1);
    assert_result(0, OUTCOME_DEFERRED, "broken");
    assert_in_range(clock_mono_ms() - began_ms, 200, 2000);
    assert_non_null(strstr(results[0].text, "in time"));
    end();
}

static void every_row_was_seen(void **state)
{
    (void)state;
    rows_assert_all(&outcomes_amqp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_broker_is_deferred),
        cmocka_unit_test(deep_tables_do_no_harm),
        cmocka_unit_test(a_broker_that_says_nothing_is_given_up_in_time),
        cmocka_unit_test(one_confirm_may_be_for_many),
        cmocka_unit_test(what_the_broker_does_not_take_is_deferred),
        cmocka_unit_test(a_closed_connection_has_its_code_and_nothing_is_sent_twice),
        cmocka_unit_test(a_connection_that_ends_without_a_word_is_broken),
        cmocka_unit_test(a_connection_that_ended_meanwhile_is_made_anew),
        cmocka_unit_test(a_refusal_of_one_of_several_rejects_only_that_one),
        cmocka_unit_test(what_a_blocked_broker_took_later_is_not_sent_again),
        cmocka_unit_test(a_broker_whose_heart_stops_is_given_up),
        cmocka_unit_test(no_confirm_in_time_is_a_timeout),
        cmocka_unit_test(each_code_has_its_row),
        cmocka_unit_test(what_comes_before_the_message_is_told_apart),
        cmocka_unit_test(a_routing_key_that_gets_too_long_is_rejected),
        cmocka_unit_test(a_check_publishes_nothing),
        cmocka_unit_test(a_broker_that_talks_without_end_keeps_no_thread),
        cmocka_unit_test(heartbeats_are_no_login),
        cmocka_unit_test(every_row_was_seen),
    };

    return cmocka_run_group_tests_name("amqp", tests, NULL, NULL);
}
