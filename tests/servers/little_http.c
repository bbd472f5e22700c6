/*
 * little_http - see little_http.h
 */
#include "little_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include "xalloc.h"

enum { HEAD_MAX = 64 * 1024, BODY_MAX = 64 * 1024 * 1024 };

struct connection {
    LIST_ENTRY(connection) link;
    struct little_http *server;
    struct bufferevent *stream;
};

struct little_http {
    struct event_base *base;
    struct evconnlistener *listener;
    little_handler handler;
    void *arg;
    LIST_HEAD(connections, connection) connections;
};

static void connection_free(struct connection *connection)
{
    LIST_REMOVE(connection, link);
    bufferevent_free(connection->stream);
    free(connection);
}

char *little_decode(const char *text, size_t size)
{
    char *out = xmalloc(size + 1), *to = out;

    for (size_t i = 0; i < size; i++) {
        if (text[i] == '%' && i + 2 < size) {
            const char digits[] = {text[i + 1], text[i + 2], '\0'};
            *to++ = (char)strtol(digits, NULL, 16);
            i += 2;
        } else {
            *to++ = text[i];
        }
    }
    *to = '\0';
    return out;
}

char *little_parameter(const char *query, const char *name)
{
    size_t size = strlen(name);

    while (*query) {
        size_t end = strcspn(query, "&");
        if (end > size && strncmp(query, name, size) == 0 && query[size] == '=')
            return little_decode(query + size + 1, end - size - 1);
        query += end + (query[end] == '&');
    }
    return NULL;
}

char *little_field(const struct little_request *request, const char *name)
{
    size_t size = strlen(name);

    for (const char *line = request->head; *line;) {
        size_t end = strcspn(line, "\r\n");
        if (end > size && strncasecmp(line, name, size) == 0 && line[size] == ':') {
            const char *value = line + size + 1;
            value += strspn(value, " ");
            return xmemdupz(value, (size_t)(line + end - value));
        }
        line += end + strspn(line + end, "\r\n");
    }
    return NULL;
}

static void answer(struct connection *connection, const struct little_request *request)
{
    struct little_http *server = connection->server;
    struct evbuffer *out = bufferevent_get_output(connection->stream);
    struct little_answer reply = {.status = 200};

    buf_init(&reply.head, HEAD_MAX);
    buf_init(&reply.body, BODY_MAX);
    server->handler(server->arg, request, &reply);
    if (reply.drop) {
        connection_free(connection);
    } else if (!reply.hang) {
        evbuffer_add_printf(out, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n", reply.status,
                            reply.head.data, reply.body.len);
        if (strcmp(request->method, "HEAD") != 0)
            evbuffer_add(out, reply.body.data, reply.body.len);
    }
    buf_release(&reply.head);
    buf_release(&reply.body);
}

/* One request, once all of it is there: clients wait for an answer before they ask again. */
static void take(struct connection *connection)
{
    struct evbuffer *in = bufferevent_get_input(connection->stream);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    char method[16], target[HEAD_MAX];

    if (end.pos < 0 || end.pos > HEAD_MAX)
        return;
    size_t head_size = (size_t)end.pos + 4;
    char *head = xmalloc(head_size + 1);
    evbuffer_copyout(in, head, head_size);
    head[head_size] = '\0';
    if (sscanf(head, "%15s %65535s", method, target) != 2)
        abort();
    struct little_request request = {.method = method, .head = strchr(head, '\n') + 1};
    char *length = little_field(&request, "content-length");
    request.body_size = length ? strtoul(length, NULL, 10) : 0;
    free(length);
    if (evbuffer_get_length(in) >= head_size + request.body_size) {
        evbuffer_drain(in, head_size);
        char *body = xmemdupz(evbuffer_pullup(in, (ev_ssize_t)request.body_size), request.body_size);
        evbuffer_drain(in, request.body_size);
        char *query = strchr(target, '?');
        if (query)
            *query++ = '\0';
        request.path = target;
        request.query = query ? query : "";
        request.body = body;
        answer(connection, &request);
        free(body);
    }
    free(head);
}

static void on_readable(struct bufferevent *stream, void *arg)
{
    char first = 'G';

    evbuffer_copyout(bufferevent_get_input(stream), &first, 1);
    if (first >= 'A' && first <= 'Z')
        take(arg);
    else
        bufferevent_write(stream, "HTTP/1.1 400 no HTTP\r\n\r\n", 25); /* a client that speaks TLS */
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    (void)stream;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        connection_free(arg);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
                      void *arg)
{
    struct little_http *server = arg;
    struct connection *connection = xcalloc(1, sizeof *connection);

    (void)listener;
    (void)address;
    (void)size;
    connection->server = server;
    connection->stream = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(connection->stream, on_readable, NULL, on_event, connection);
    bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
    LIST_INSERT_HEAD(&server->connections, connection, link);
}

struct little_http *little_http_new(struct event_base *base, int port, little_handler handler, void *arg)
{
    struct little_http *server = xcalloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->base = base;
    server->handler = handler;
    server->arg = arg;
    LIST_INIT(&server->connections);
    server->listener = evconnlistener_new_bind(
        base, on_accept, server, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, -1,
        (struct sockaddr *)&address, sizeof address);
    if (!server->listener) {
        free(server);
        return NULL;
    }
    return server;
}

int little_http_port(const struct little_http *server)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    if (getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&address, &size) < 0)
        abort();
    return ntohs(address.sin_port);
}

void little_http_free(struct little_http *server)
{
    if (!server)
        return;
    while (!LIST_EMPTY(&server->connections))
        connection_free(LIST_FIRST(&server->connections));
    evconnlistener_free(server->listener);
    free(server);
}
