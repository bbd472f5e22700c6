/*
 * One connection answers one request at a time: what is sent ahead waits in the input buffer.
 *
 *   READING --whole request--> ANSWERING (delay, drip) --> READING, or FLUSHING (what is left goes out) -->
 * GONE HUNG (until the peer leaves) READING --not HTTP------> FLUSHING --> DRAINING (peer reads the answer
 * before it sees our end) --> GONE
 *
 * Only conn_run() frees a connection, and nothing touches it after conn_run(): every callback ends with that
 * call.
 */
#include "conn.h"
#include "control.h"
#include "http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/bufferevent.h>

#define INPUT_MAX (1UL << 20) /* read ahead per connection; a body leaves the input as it comes */
#define WRONG_BY 100          /* bytes that /wrong-length announces and does not send */
#define DRAIN_SECONDS 2       /* for a peer that goes on sending after it was refused */

enum conn_state { CONN_READING, CONN_ANSWERING, CONN_HUNG, CONN_FLUSHING, CONN_DRAINING, CONN_GONE };

struct conn {
    LIST_ENTRY(conn) link;
    struct receiver *receiver;
    uint64_t number;
    enum conn_state state;
    bool keep_alive; /* after the present answer */
    bool drain;      /* what comes in after the present answer is thrown away first */
    bool headless;   /* HEAD: the body is only announced */
    struct bufferevent *bev;
    struct event *timer;
    struct request *request;
    struct behaviour behaviour;
};

static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, link);
    if (conn->timer)
        event_free(conn->timer);
    if (conn->bev)
        bufferevent_free(conn->bev);
    request_free(conn->request);
    behaviour_release(&conn->behaviour);
    free(conn);
}

static struct evbuffer *output(struct conn *conn)
{
    return bufferevent_get_output(conn->bev);
}

static void wait_ms(struct conn *conn, uint64_t ms)
{
    struct timeval delay = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    if (event_add(conn->timer, &delay) < 0)
        conn->state = CONN_GONE;
}

/* With a linger time of zero, close(2) sends RST. */
static void reset(struct conn *conn)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (setsockopt(bufferevent_getfd(conn->bev), SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0)
        perror("dist-receiver: SO_LINGER");
    conn->state = CONN_GONE;
}

static void answered(struct conn *conn)
{
    if (conn->keep_alive) {
        request_clear(conn->request);
        conn->state = CONN_READING;
    } else {
        conn->state = CONN_FLUSHING;
    }
}

static void send_head(struct conn *conn)
{
    struct behaviour *b = &conn->behaviour;
    struct evbuffer *out = output(conn);
    size_t length = evbuffer_get_length(b->body) + (b->ending == ENDING_WRONG_LENGTH ? WRONG_BY : 0);
    bool bodiless = b->status == 204 || b->status == 304;

    evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", b->status, http_reason(b->status),
                        b->type);
    if (!bodiless)
        evbuffer_add_printf(out, "Content-Length: %zu\r\n", length);
    if (b->retry_after)
        evbuffer_add_printf(out, "Retry-After: %s\r\n", b->retry_after);
    if (b->location)
        evbuffer_add_printf(out, "Location: %s\r\n", b->location);
    evbuffer_add_printf(out, "Connection: %s\r\n\r\n", conn->keep_alive ? "keep-alive" : "close");
    if (bodiless || conn->headless)
        evbuffer_drain(b->body, evbuffer_get_length(b->body));
}

/* One byte, and the timer for the next; after the last one the answer is complete. */
static void drip(struct conn *conn)
{
    struct behaviour *b = &conn->behaviour;

    evbuffer_remove_buffer(b->body, output(conn), 1);
    if (evbuffer_get_length(b->body))
        wait_ms(conn, b->drip_ms);
    else
        answered(conn);
}

static void send_answer(struct conn *conn)
{
    struct behaviour *b = &conn->behaviour;

    switch (b->ending) {
    case ENDING_HANG:
        conn->state = CONN_HUNG;
        return;
    case ENDING_RESET:
        reset(conn);
        return;
    case ENDING_CLOSE:
        conn->state = CONN_GONE;
        return;
    case ENDING_HANG_BODY:
        send_head(conn);
        evbuffer_remove_buffer(b->body, output(conn), evbuffer_get_length(b->body) / 2);
        conn->state = CONN_HUNG;
        return;
    case ENDING_WRONG_LENGTH:
        conn->keep_alive = false;
        break;
    case ENDING_ANSWER:
        break;
    }
    send_head(conn);
    if (b->drip_ms && evbuffer_get_length(b->body)) {
        drip(conn);
        return;
    }
    evbuffer_add_buffer(output(conn), b->body);
    answered(conn);
}

/* webhook-id is the Standard Webhooks name; a sender that knows only the IETF draft's sends the other. */
static const char *request_id(const struct request *request)
{
    const char *id = request_field(request, "webhook-id");
    return id ? id : request_field(request, "idempotency-key");
}

static void decide(struct conn *conn)
{
    struct receiver *receiver = conn->receiver;
    struct request *request = conn->request;

    if (strncmp(request->target, "/_/", 3) == 0) {
        control_answer(receiver, request, &conn->behaviour);
        return;
    }
    if (!receiver->quiet)
        fprintf(stderr, "dist-receiver: %s %s (%zu bytes)\n", request->method, request->target,
                evbuffer_get_length(request->body));
    if (record_add(receiver->record, request, conn->number) < 0) {
        perror("dist-receiver: record");
        behaviour_refuse(&conn->behaviour, 500, "the record could not be written");
        return;
    }
    char *path = strndup(request->target, strcspn(request->target, "?"));
    if (path)
        behaviour_read(&conn->behaviour, &receiver->tallies, path, request_id(request));
    else
        behaviour_refuse(&conn->behaviour, 500, "out of memory");
    free(path);
}

static void on_request(struct conn *conn)
{
    conn->keep_alive = conn->request->keep_alive;
    conn->headless = strcmp(conn->request->method, "HEAD") == 0;
    conn->state = CONN_ANSWERING;
    decide(conn);
    if (conn->behaviour.delay_ms)
        wait_ms(conn, conn->behaviour.delay_ms);
    else
        send_answer(conn);
}

static void on_bad_request(struct conn *conn)
{
    conn->keep_alive = false;
    conn->headless = false;
    conn->drain = true;
    conn->state = CONN_ANSWERING;
    behaviour_refuse(&conn->behaviour, conn->request->error, conn->request->reason);
    send_answer(conn);
}

/* True when there may be another request in the input. */
static bool read_request(struct conn *conn)
{
    switch (request_parse(conn->request, bufferevent_get_input(conn->bev))) {
    case HTTP_MORE:
        return false;
    case HTTP_CONTINUE:
        evbuffer_add_printf(output(conn), "HTTP/1.1 100 Continue\r\n\r\n");
        return true;
    case HTTP_DONE:
        on_request(conn);
        return true;
    case HTTP_BAD:
        on_bad_request(conn);
        return true;
    }
    return false;
}

/* Everything is sent: close, or first wait for a peer that may still be sending. Closing with unread input
 * sends RST, and RST can overtake our answer. */
static void flushed(struct conn *conn)
{
    struct timeval patience = {.tv_sec = DRAIN_SECONDS};

    if (!conn->drain || shutdown(bufferevent_getfd(conn->bev), SHUT_WR) < 0) {
        conn->state = CONN_GONE;
        return;
    }
    conn->state = CONN_DRAINING;
    bufferevent_set_timeouts(conn->bev, &patience, NULL);
}

static void conn_run(struct conn *conn)
{
    while (conn->state == CONN_READING && read_request(conn))
        ;
    if (conn->state == CONN_FLUSHING && evbuffer_get_length(output(conn)) == 0)
        flushed(conn);
    if (conn->state == CONN_DRAINING) {
        struct evbuffer *input = bufferevent_get_input(conn->bev);
        evbuffer_drain(input, evbuffer_get_length(input));
    }
    if (conn->state == CONN_GONE)
        conn_free(conn);
}

static void on_data(struct bufferevent *bev, void *context)
{
    (void)bev;
    conn_run(context);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct conn *conn = context;

    (void)fd;
    (void)what;
    if (conn->behaviour.delay_ms) {
        conn->behaviour.delay_ms = 0;
        send_answer(conn);
    } else {
        drip(conn);
    }
    conn_run(conn);
}

/* A peer that has only shut its sending side down still gets the answer that is on its way. */
static void on_end(struct bufferevent *bev, short what, void *context)
{
    struct conn *conn = context;

    (void)bev;
    if (what & BEV_EVENT_EOF) {
        bool owes_answer = conn->state == CONN_ANSWERING || evbuffer_get_length(output(conn));
        conn->keep_alive = false;
        if (conn->state != CONN_ANSWERING)
            conn->state = owes_answer && conn->state != CONN_HUNG ? CONN_FLUSHING : CONN_GONE;
        conn->drain = false;
    } else {
        conn->state = CONN_GONE;
    }
    conn_run(conn);
}

void conn_accept(struct receiver *receiver, evutil_socket_t fd)
{
    struct conn *conn = calloc(1, sizeof *conn);
    int yes = 1;

    if (!conn) {
        close(fd);
        return;
    }
    LIST_INSERT_HEAD(&receiver->conns, conn, link);
    conn->receiver = receiver;
    conn->number = ++receiver->conn_count;
    conn->bev = bufferevent_socket_new(receiver->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev)
        close(fd);
    conn->timer = event_new(receiver->base, -1, 0, on_timer, conn);
    conn->request = request_new();
    if (!conn->bev || !conn->timer || !conn->request || behaviour_init(&conn->behaviour) < 0)
        goto fail;
    /* Without it a dripped byte would wait for the acknowledgement of the one before. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0)
        goto fail;
    bufferevent_setcb(conn->bev, on_data, on_data, on_end, conn);
    bufferevent_setwatermark(conn->bev, EV_READ, 0, INPUT_MAX);
    if (bufferevent_enable(conn->bev, EV_READ | EV_WRITE) == 0)
        return;
fail:
    perror("dist-receiver: connection");
    conn_free(conn);
}

void conn_free_all(struct receiver *receiver)
{
    while (!LIST_EMPTY(&receiver->conns))
        conn_free(LIST_FIRST(&receiver->conns));
}
