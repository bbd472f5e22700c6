/*
 * libcurl says which sockets it waits for and until when (on_socket_wanted, on_timer_wanted), libevent
 * watches them, and each event goes back by curl_multi_socket_action(). A transfer is
 *
 *   starting (http_start, in the multi) --> running --> finished (its message is read) --> done is called
 *   starting --> spoilt (`later` is active) ------------------------------------------> done is called
 *
 * libcurl reuses a connection by host and port. What was opened for a request that may reach an address must
 * not carry one that may not: so the guard is asked when a socket is opened (on_open_socket) and once more
 * before each request is written to its connection (on_request). Where that one was another request's, and is
 * refused, the transfer starts again over a connection of its own. There are two pools, so that this is rare.
 * The one hard rule: a final status line that came is the answer, whatever happens to the rest.
 */
#include "http.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <curl/curl.h>
#include <event2/event.h>
#include "clock.h"
#include "http_head.h"
#include "http_proxy.h"
#include "http_request.h"
#include "text.h"
#include "version.h"
#include "xalloc.h"

struct pool {
    CURLM *multi;
    struct event *timer;
    struct event_base *base;
};

enum { POOL_GUARDED, POOL_OPEN, POOL_COUNT };

struct http {
    struct event_base *base;
    struct pool pools[POOL_COUNT];
    CURL **idle; /* handles to be used again: they keep buffers and TLS sessions */
    size_t idle_count, idle_max;
    LIST_HEAD(transfer_list, http_transfer) transfers;
};

struct http_transfer {
    LIST_ENTRY(http_transfer) link;
    struct http *http;
    struct pool *pool; /* NULL while the handle is in no multi */
    CURL *easy;
    struct curl_slist *headers;
    struct event *later;    /* reports what http_start() found */
    struct event *deadline; /* ends it: libcurl forgets the time of one that waits for another's connection */
    http_done done;
    void *arg;
    struct http_response response;
    const char *field;   /* of the head: what is handed over, or NULL */
    struct guard guard;  /* with a reference to its lists */
    const char *refused; /* the network of the last address that the guard refused */
    bool guarded, opened, connect_only;
    bool borrowed; /* the refused address was that of another request's connection */
    int shortage;  /* errno of a socket that this system refused, or 0 */
    int status;    /* of the final status line, 0: not yet */
    size_t head_bytes, body_bytes, body_max;
    int64_t started_ms;
    char error[CURL_ERROR_SIZE];
};

/* The transfer */

static void transfer_free(struct http_transfer *transfer)
{
    struct http *http = transfer->http;

    LIST_REMOVE(transfer, link);
    if (transfer->pool)
        curl_multi_remove_handle(transfer->pool->multi, transfer->easy);
    if (transfer->easy && http->idle_count < http->idle_max) {
        curl_easy_reset(transfer->easy);
        http->idle[http->idle_count++] = transfer->easy;
    } else if (transfer->easy) {
        curl_easy_cleanup(transfer->easy);
    }
    for (struct curl_slist *item = transfer->headers; item; item = item->next)
        explicit_bzero(item->data, strlen(item->data)); /* it may be an Authorization */
    curl_slist_free_all(transfer->headers);
    if (transfer->later)
        event_free(transfer->later);
    guard_lists_unref((struct guard_lists *)transfer->guard.lists);
    if (transfer->deadline)
        event_free(transfer->deadline);
    buf_release(&transfer->response.field);
    buf_release(&transfer->response.body);
    free(transfer);
}

static void transfer_report(struct http_transfer *transfer)
{
    text_printable(transfer->response.text);
    transfer->response.elapsed_ms = clock_mono_ms() - transfer->started_ms;
    transfer->done(transfer->arg, &transfer->response);
    transfer_free(transfer);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    transfer_report(arg);
}

/* Nothing will be sent; the first reason stays. */
static void transfer_spoil(struct http_transfer *transfer, enum http_result result, const char *text)
{
    if (transfer->later)
        return;
    transfer->response.result = result;
    text_copy(transfer->response.text, sizeof transfer->response.text, text);
    transfer->later = event_new(transfer->http->base, -1, 0, on_later, transfer);
    if (!transfer->later)
        abort(); /* libevent is out of memory, as in xalloc */
    event_active(transfer->later, EV_TIMEOUT, 0);
}

static const struct {
    CURLcode code;
    enum http_result result;
} results[] = {
    {CURLE_OPERATION_TIMEDOUT, HTTP_TIMEOUT},
    {CURLE_COULDNT_RESOLVE_HOST, HTTP_CONNECT},
    {CURLE_COULDNT_CONNECT, HTTP_CONNECT},
    {CURLE_COULDNT_RESOLVE_PROXY, HTTP_CONNECT},
    {CURLE_PROXY, HTTP_CONNECT},
    {CURLE_SSL_CONNECT_ERROR, HTTP_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, HTTP_TLS},
    {CURLE_SSL_CERTPROBLEM, HTTP_TLS},
    {CURLE_SSL_CIPHER, HTTP_TLS},
    {CURLE_SSL_CACERT_BADFILE, HTTP_TLS},
    {CURLE_SSL_ISSUER_ERROR, HTTP_TLS},
    {CURLE_SSL_INVALIDCERTSTATUS, HTTP_TLS},
    {CURLE_SSL_ENGINE_INITFAILED, HTTP_TLS},
    {CURLE_SSL_CLIENTCERT, HTTP_TLS},
    {CURLE_URL_MALFORMAT, HTTP_BAD_REQUEST},
    {CURLE_UNSUPPORTED_PROTOCOL, HTTP_BAD_REQUEST},
};

static enum http_result result_of(const struct http_transfer *transfer, CURLcode code)
{
    long sent = 0, proxied = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &proxied);
    if (code == CURLE_RECV_ERROR && proxied >= 300)
        return HTTP_CONNECT; /* the proxy's answer to CONNECT */
    if (code == CURLE_COULDNT_CONNECT && transfer->shortage && !transfer->opened)
        return HTTP_SHORTAGE;
    if (code == CURLE_COULDNT_CONNECT && transfer->refused && !transfer->opened)
        return HTTP_REFUSED_ADDRESS;
    if (code == CURLE_ABORTED_BY_CALLBACK && transfer->refused)
        return HTTP_REFUSED_ADDRESS;
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
    if (code == CURLE_UNSUPPORTED_PROTOCOL && sent > 0)
        return HTTP_BROKEN; /* what the server spoke, not what we were asked to */
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (results[i].code == code)
            return results[i].result;
    return HTTP_BROKEN;
}

/* Nothing was sent over the connection that the guard refused: again, over one that is opened for it. */
static bool start_again(struct http_transfer *transfer, CURLcode code)
{
    if (code != CURLE_ABORTED_BY_CALLBACK || !transfer->borrowed)
        return false;
    transfer->borrowed = false;
    transfer->refused = NULL;
    transfer->error[0] = '\0';
    curl_multi_remove_handle(transfer->pool->multi, transfer->easy);
    return curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
           curl_multi_add_handle(transfer->pool->multi, transfer->easy) == CURLM_OK;
}

static void transfer_finish(struct http_transfer *transfer, CURLcode code)
{
    struct http_response *response = &transfer->response;
    const char *error = transfer->error[0] ? transfer->error : curl_easy_strerror(code);
    bool left = transfer->body_bytes > transfer->body_max;
    long connections = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connections);
    response->reused = connections == 0 && transfer->head_bytes > 0;
    if (transfer->connect_only && code == CURLE_OK) {
        response->result = HTTP_ANSWERED;
    } else if (transfer->status >= 200 && transfer->status <= 599) {
        response->result = HTTP_ANSWERED;
        response->status = transfer->status;
        if (code != CURLE_OK && !left)
            snprintf(response->text, sizeof response->text, "the response broke off: %s", error);
    } else if (transfer->status) {
        response->result = HTTP_BROKEN;
        snprintf(response->text, sizeof response->text, "the server answered with status %d",
                 transfer->status);
    } else if (code == CURLE_OK) { /* 101, which nobody asked for */
        response->result = HTTP_BROKEN;
        snprintf(response->text, sizeof response->text, "the server gave no final status");
    } else {
        response->result = result_of(transfer, code);
        if (response->result == HTTP_REFUSED_ADDRESS)
            snprintf(response->text, sizeof response->text, "the address is refused: %s", transfer->refused);
        else if (response->result == HTTP_SHORTAGE)
            snprintf(response->text, sizeof response->text, "socket: %s", strerror(transfer->shortage));
        else if (transfer->head_bytes > HTTP_HEAD_MAX)
            snprintf(response->text, sizeof response->text, "the header is larger than %d bytes",
                     HTTP_HEAD_MAX);
        else
            text_copy(response->text, sizeof response->text, error);
    }
    /* Out of the multi before `done`, which may start requests that take the connection. */
    curl_multi_remove_handle(transfer->pool->multi, transfer->easy);
    transfer->pool = NULL;
    transfer_report(transfer);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct http_transfer *transfer = arg;
    curl_off_t connected_us = 0;

    (void)fd;
    (void)what;
    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    snprintf(transfer->error, sizeof transfer->error, "no %s within %lld ms",
             transfer->status   ? "end"
             : connected_us > 0 ? "answer"
                                : "connection",
             (long long)(clock_mono_ms() - transfer->started_ms));
    /* Else libcurl keeps a connection of HTTP/2, on which the next request may wait in vain too. */
    curl_easy_setopt(transfer->easy, CURLOPT_FORBID_REUSE, 1L);
    transfer_finish(transfer, CURLE_OPERATION_TIMEDOUT);
}

static void transfer_set_deadline(struct http_transfer *transfer, int64_t timeout_ms)
{
    struct timeval when = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

    transfer->deadline = evtimer_new(transfer->http->base, on_deadline, transfer);
    if (!transfer->deadline || evtimer_add(transfer->deadline, &when) < 0)
        abort(); /* libevent is out of memory, as in xalloc */
}

static void pool_collect(struct pool *pool)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(pool->multi, &left))) {
        struct http_transfer *transfer = NULL;
        CURLcode code = message->data.result; /* the message dies with remove_handle */
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        if (!start_again(transfer, code))
            transfer_finish(transfer, code);
    }
}

/* Between libcurl and libevent */

static void on_socket_ready(evutil_socket_t fd, short what, void *arg)
{
    struct pool *pool = arg;
    int running, mask = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

    curl_multi_socket_action(pool->multi, fd, mask, &running);
    pool_collect(pool);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct pool *pool = arg;
    int running;

    (void)fd;
    (void)what;
    curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    pool_collect(pool);
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *arg)
{
    struct pool *pool = arg;
    struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

    (void)multi;
    if (timeout_ms < 0)
        return evtimer_del(pool->timer);
    return evtimer_add(pool->timer, &wait);
}

/* `watched` is what curl_multi_assign() was given for this socket: its event, NULL at first. */
static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *watched)
{
    struct pool *pool = arg;
    short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));

    (void)easy;
    if (watched)
        event_free(watched);
    curl_multi_assign(pool->multi, fd, NULL);
    if (what == CURL_POLL_REMOVE)
        return 0;
    struct event *event = event_new(pool->base, fd, (short)(events | EV_PERSIST), on_socket_ready, pool);
    if (!event)
        return -1;
    if (event_add(event, NULL) < 0) {
        event_free(event);
        return -1;
    }
    curl_multi_assign(pool->multi, fd, event);
    return 0;
}

/*
 * A host that went away acknowledges nothing, and HTTP/2 would send it request after request for the quarter
 * of an hour that the kernel takes to give up. What the kernel does not take of this does no harm.
 */
static void notice_silence(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 25 * 1000}, /* ms without an acknowledgement */
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 20}, /* s */
        {IPPROTO_TCP, TCP_KEEPINTVL, 5},
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_transfer *transfer = arg;
    const char *network = transfer->guarded ? guard_refuses(&transfer->guard, &address->addr) : NULL;

    (void)purpose;
    if (network) {
        transfer->refused = network;
        return CURL_SOCKET_BAD; /* libcurl goes on to the name's next address */
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
        transfer->shortage = errno;
    else
        transfer->opened = true;
    if (fd >= 0)
        notice_silence(fd);
    return fd; /* -1 is CURL_SOCKET_BAD */
}

/* The connection is there, and the request about to be written to it: it may be one that was kept. */
/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type */
static int on_request(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    struct http_transfer *transfer = arg;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((in_port_t)remote_port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((in_port_t)remote_port)};
    const struct sockaddr *address = NULL;

    (void)local;
    (void)local_port;
    if (!transfer->guarded)
        return CURL_PREREQFUNC_OK;
    if (remote && inet_pton(AF_INET, remote, &v4.sin_addr) == 1)
        address = (const struct sockaddr *)&v4;
    else if (remote && inet_pton(AF_INET6, remote, &v6.sin6_addr) == 1)
        address = (const struct sockaddr *)&v6;
    const char *network =
        address ? guard_refuses(&transfer->guard, address) : "an address that cannot be read";
    if (!network)
        return CURL_PREREQFUNC_OK;
    transfer->refused = network;
    transfer->borrowed = !transfer->opened;
    return CURL_PREREQFUNC_ABORT;
}

/* The response */

/* Its value as it came, whatever its length: a target that was cut would be another one. */
static void keep_field(struct http_transfer *transfer, const char *data, size_t size)
{
    struct buf *field = &transfer->response.field;
    size_t name = transfer->field ? strlen(transfer->field) : 0;

    if (!name || !transfer->status || field->len || size < name ||
        strncasecmp(data, transfer->field, name) != 0)
        return;
    while (name < size && (data[name] == ' ' || data[name] == '\t'))
        name++;
    while (size > name && isspace((unsigned char)data[size - 1]))
        size--;
    if (!memchr(data + name, 0, size - name))
        buf_add(field, data + name, size - name); /* one past the ceiling is none */
}

/* One line of a header (or trailer) with its line end. */
static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    struct http_response *response = &transfer->response;
    char line[1000]; /* of a longer one its beginning is enough: the host of a Location */
    const char *value;
    size_t kept;

    transfer->head_bytes += size * count;
    if (transfer->head_bytes > HTTP_HEAD_MAX)
        return 0;
    keep_field(transfer, data, size * count);
    kept = size * count < sizeof line ? size * count : sizeof line - 1;
    memcpy(line, data, kept);
    line[kept] = '\0';
    text_trim(line);
    if (strncmp(line, "HTTP/", 5) == 0) {
        int status = http_head_status(line);
        if (!transfer->status && status >= 200) /* 1xx is not final; a trailer cannot change it */
            transfer->status = status;
    } else if (transfer->status && (value = http_head_field(line, "Retry-After:"))) {
        response->retry_after_ms = http_head_retry_after_ms(value);
    } else if (transfer->status >= 300 && transfer->status <= 399 && !response->redirect[0] &&
               (value = http_head_field(line, "Location:"))) {
        http_head_redirect(value, response->redirect, sizeof response->redirect);
    }
    return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_transfer *transfer = arg;
    struct buf *body = &transfer->response.body;
    size_t bytes = size * count, room = body->max - body->len;

    buf_add(body, data, bytes < room ? bytes : room);
    transfer->body_bytes += bytes;
    return transfer->body_bytes > transfer->body_max ? 0 : bytes;
}

/* The request */

/*
 * The socket leads to the proxy and is not guarded; an address in the URL is, in whatever way it is spelt:
 * libcurl writes 0x7f.1 as 127.0.0.1.
 */
static void transfer_set_proxy(struct http_transfer *transfer, const char *url)
{
    const char *network = transfer->guarded ? http_proxy_refused_host(url, &transfer->guard) : NULL;
    char text[200];

    transfer->guarded = false;
    if (!network)
        return;
    snprintf(text, sizeof text, "the address is refused: %s", network);
    transfer_spoil(transfer, HTTP_REFUSED_ADDRESS, text);
}

/* Any failure here is a libcurl that lacks something, but for the URL, which it looks at only later. */
static bool set_rules(CURL *easy, struct http_transfer *transfer)
{
    CURLcode failed = CURLE_OK;

    failed |= curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    failed |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    failed |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    failed |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* else the end waits for a hung look-up */
    failed |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    failed |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    failed |= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* as it was signed, or looked at */
    failed |= curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    failed |= curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* not the answer's */
    failed |= curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); /* not $NO_PROXY: the guard relies on the proxy */
    failed |= curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    failed |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    failed |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    failed |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    failed |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "dist/" DIST_VERSION);
    failed |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    failed |= curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    failed |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
    failed |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    failed |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    failed |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    failed |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    failed |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    return failed == CURLE_OK;
}

struct http_transfer *http_start(struct http *http, const struct http_request *request, http_done done,
                                 void *arg)
{
    struct http_transfer *transfer = xcalloc(1, sizeof *transfer);
    struct pool *pool = &http->pools[request->guard.allow_private ? POOL_OPEN : POOL_GUARDED];
    const char *mistake;

    *transfer = (struct http_transfer){.http = http, .done = done, .arg = arg};
    transfer->guard = (struct guard){request->guard.allow_private, guard_lists_ref(request->guard.lists)};
    transfer->guarded = !request->guard.allow_private || request->guard.lists;
    transfer->connect_only = request->connect_only;
    transfer->body_max = request->max_response > HTTP_READ_MAX ? request->max_response : HTTP_READ_MAX;
    transfer->started_ms = clock_mono_ms();
    transfer->response.retry_after_ms = -1;
    transfer->field = request->field;
    buf_init(&transfer->response.field, HTTP_FIELD_MAX);
    buf_init(&transfer->response.body, request->max_response);
    LIST_INSERT_HEAD(&http->transfers, transfer, link);
    mistake = http_request_headers(request->headers, &transfer->headers);
    if (mistake)
        transfer_spoil(transfer, HTTP_BAD_REQUEST, mistake);
    if (request->proxy)
        transfer_set_proxy(transfer, request->url);
    if (transfer->later)
        return transfer;
    transfer->easy = http->idle_count ? http->idle[--http->idle_count] : curl_easy_init();
    if (!transfer->easy || !set_rules(transfer->easy, transfer) ||
        !http_request_set(transfer->easy, request, transfer->headers)) {
        transfer_spoil(transfer, HTTP_BAD_REQUEST, "libcurl does not take the request");
    } else if (curl_multi_add_handle(pool->multi, transfer->easy) != CURLM_OK) {
        transfer_spoil(transfer, HTTP_BROKEN, "libcurl does not start the request");
    } else {
        transfer->pool = pool;
        transfer_set_deadline(transfer, request->timeout_ms > 0 ? request->timeout_ms : 1);
    }
    return transfer;
}

void http_cancel(struct http_transfer *transfer)
{
    transfer_free(transfer);
}

/* The client */

static int pool_init(struct pool *pool, struct event_base *base, int max_connections)
{
    pool->base = base;
    pool->multi = curl_multi_init();
    pool->timer = evtimer_new(base, on_timer, pool);
    if (!pool->multi || !pool->timer)
        return -1;
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long)max_connections);
    return 0;
}

struct http *http_new(struct event_base *base, int max_connections, struct fault *fault)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fault_set(fault, FAULT_SYSTEM, "libcurl cannot be started");
        return NULL;
    }
    struct http *http = xcalloc(1, sizeof *http);
    http->base = base;
    http->idle_max = max_connections > 0 ? (size_t)max_connections : 1;
    http->idle = xreallocarray(NULL, http->idle_max, sizeof *http->idle);
    LIST_INIT(&http->transfers);
    for (int i = 0; i < POOL_COUNT; i++)
        if (pool_init(&http->pools[i], base, max_connections) < 0) {
            fault_set(fault, FAULT_SYSTEM, "libcurl or libevent has no memory");
            http_free(http);
            return NULL;
        }
    return http;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    while (!LIST_EMPTY(&http->transfers))
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed leaves the list */
        transfer_free(LIST_FIRST(&http->transfers));
    while (http->idle_count)
        curl_easy_cleanup(http->idle[--http->idle_count]);
    for (int i = 0; i < POOL_COUNT; i++) {
        if (http->pools[i].multi)
            curl_multi_cleanup(http->pools[i].multi); /* closes, and takes its sockets' events back */
        if (http->pools[i].timer)
            event_free(http->pools[i].timer);
    }
    free(http->idle);
    free(http);
    curl_global_cleanup();
}
