/*
 * The HTTP client against the test receiver (DIST_RECEIVER), against a server in this process that sends
 * canned bytes, and against openssl's. Names are looked up here: getaddrinfo() below knows a few of its own.
 */
#include "http.h"

#include <dlfcn.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include "certificates.h"
#include "clock.h"
#include "fdio.h"
#include "xalloc.h"

/* Names of this test */

static const struct {
    const char *name, *address; /* NULL: there is no such name */
} names[] = {
    {"rebound.test", "127.0.0.1"},
    {"private.test", "10.1.2.3"},
    {"mapped.test", "::ffff:127.0.0.1"},
    {"absent.test", NULL},
};

static int
    changes; /* how often "changes.test" was looked up: the first time it is 127.0.0.1, then 127.0.0.2 */

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (name && strcmp(name, "hung.test") == 0) {
        sleep(2);
        return EAI_AGAIN;
    }
    if (name && strcmp(name, "changes.test") == 0)
        return real(changes++ ? "127.0.0.2" : "127.0.0.1", service, hints, result);
    if (name && strcmp(name, "several.test") == 0) { /* 127.0.0.2 and 127.0.0.1, where nobody and we listen */
        int error = real("127.0.0.2", service, hints, result);
        return error ? error : real("127.0.0.1", service, hints, &(*result)->ai_next);
    }
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0)
            return names[i].address ? real(names[i].address, service, hints, result) : EAI_NONAME;
    return real(name, service, hints, result);
}

/* The receiver and the loop */

static char folder[] = "/tmp/dist-http-XXXXXX";
static pid_t receiver;
static int port;
static struct event_base *base;
static struct http *http;

static char *read_port(void)
{
    struct buf text;
    char *path = xasprintf("%s/port", folder);

    buf_init(&text, 100);
    for (int tries = 0; tries < 500 && fdio_read_file(path, 100, &text, NULL) < 0; tries++) {
        buf_clear(&text);
        usleep(20000);
    }
    free(path);
    return buf_steal(&text, NULL);
}

static int start_receiver(void **state)
{
    const char *program = getenv("DIST_RECEIVER");

    (void)state;
    program = program ? program : "build/default/tests/receiver/dist-receiver";
    if (!mkdtemp(folder))
        return -1;
    char *port_file = xasprintf("%s/port", folder), *bodies = xasprintf("%s/bodies", folder);
    char *mkdir_bodies = xasprintf("mkdir -p %s", bodies);
    int made = system(mkdir_bodies);
    free(mkdir_bodies);
    receiver = fork();
    if (receiver == 0) {
        execl(program, program, "--quiet", "--port-file", port_file, "--bodies", bodies, (char *)NULL);
        perror(program);
        _exit(127);
    }
    char *text = read_port();
    port = (int)strtol(text, NULL, 10);
    free(text);
    free(port_file);
    free(bodies);
    return made == 0 && port > 0 ? 0 : -1;
}

static int stop_receiver(void **state)
{
    char *command = xasprintf("rm -rf %s", folder);
    int removed = system(command);

    (void)state;
    free(command);
    kill(receiver, SIGTERM);
    waitpid(receiver, NULL, 0);
    return removed;
}

static int make_client(void **state)
{
    (void)state;
    base = event_base_new();
    http = http_new(base, 16, NULL);
    return http ? 0 : -1;
}

static int free_client(void **state)
{
    (void)state;
    http_free(http);
    event_base_free(base);
    return 0;
}

/* A request and its response */

struct reply {
    bool done;
    struct http_response response; /* its body is a copy */
    char *body;
};

static void on_done(void *arg, struct http_response *response)
{
    struct reply *reply = arg;

    assert_false(reply->done);
    reply->done = true;
    reply->response = *response;
    reply->body = xmemdupz(response->body.data, response->body.len);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    fail_msg("no end within 20 seconds");
}

static void wait_for(bool *done)
{
    struct event *late = evtimer_new(base, on_late, NULL);
    struct timeval limit = {.tv_sec = 20};

    evtimer_add(late, &limit);
    while (!*done)
        event_base_loop(base, EVLOOP_ONCE);
    event_free(late);
}

static struct reply reply;

/* The request from `url` on; the response is in `reply`, and its result is returned. */
static enum http_result ask(const struct http_request *request)
{
    free(reply.body);
    reply = (struct reply){0};
    struct http_transfer *transfer = http_start(http, request, on_done, &reply);
    assert_non_null(transfer);
    assert_false(reply.done); /* never from http_start() */
    wait_for(&reply.done);
    return reply.response.result;
}

static struct http_request request_of(const char *method, const char *url)
{
    return (struct http_request){.method = method,
                                 .url = url,
                                 .timeout_ms = 5000,
                                 .guard = {.allow_private = true},
                                 .max_response = 20000};
}

static char *url_of(const char *path)
{
    return xasprintf("http://127.0.0.1:%d%s", port, path);
}

static enum http_result ask_path(const char *method, const char *path, int64_t timeout_ms)
{
    char *url = url_of(path);
    struct http_request request = request_of(method, url);

    request.timeout_ms = timeout_ms;
    enum http_result result = ask(&request);
    free(url);
    return result;
}

/* The requests that the receiver recorded below the path, as a JSON array; the caller's. */
static json_t *recorded(const char *path)
{
    char *url = xasprintf("http://127.0.0.1:%d/_/requests?path=%s", port, path), *rest, *line;
    struct http_request request = request_of("GET", url);
    json_t *array = json_array();

    request.max_response = 4 * 1024 * 1024;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    assert_int_equal(reply.response.status, 200);
    rest = reply.body;
    while ((line = strsep(&rest, "\n")))
        if (*line)
            json_array_append_new(array, json_loads(line, 0, NULL));
    free(url);
    return array;
}

static const char *header_of(json_t *record, const char *name)
{
    return json_string_value(json_object_get(json_object_get(record, "headers"), name));
}

/* A server of canned bytes */

enum then { THEN_HOLD, THEN_CLOSE, THEN_RESET };

struct canned {
    struct evconnlistener *listener;
    const char *answer;
    enum then then;
    int connections, open, requests;
    int close_after; /* requests on the first connection; 0: no limit */
    char *url;
};

struct canned_peer {
    struct canned *canned;
    int requests;
};

static void peer_free(struct bufferevent *bev, struct canned_peer *peer)
{
    peer->canned->open--;
    bufferevent_free(bev);
    free(peer);
}

static void on_peer_event(struct bufferevent *bev, short what, void *arg)
{
    (void)what;
    peer_free(bev, arg);
}

static void on_peer_written(struct bufferevent *bev, void *arg)
{
    struct canned_peer *peer = arg;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (peer->requests == 0 || peer->canned->then == THEN_HOLD)
        return;
    if (peer->canned->then == THEN_RESET) {
        usleep(20000); /* the bytes are read before the reset drops them */
        setsockopt(bufferevent_getfd(bev), SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    peer_free(bev, peer);
}

static void on_peer_read(struct bufferevent *bev, void *arg)
{
    struct canned_peer *peer = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);

    if (end.pos < 0)
        return;
    evbuffer_drain(in, evbuffer_get_length(in));
    peer->canned->requests++;
    peer->requests++;
    if (peer->canned->close_after && peer->canned->connections == 1 &&
        peer->requests > peer->canned->close_after) {
        peer_free(bev, peer);
        return;
    }
    bufferevent_write(bev, peer->canned->answer, strlen(peer->canned->answer));
}

static void on_peer(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size,
                    void *arg)
{
    struct canned_peer *peer = xcalloc(1, sizeof *peer);
    struct bufferevent *bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

    (void)listener;
    (void)address;
    (void)size;
    peer->canned = arg;
    peer->canned->connections++;
    peer->canned->open++;
    bufferevent_setcb(bev, on_peer_read, on_peer_written, on_peer_event, peer);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void canned_open(struct canned *canned)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    canned->listener = evconnlistener_new_bind(base, on_peer, canned, LEV_OPT_CLOSE_ON_FREE, 16,
                                               (struct sockaddr *)&address, sizeof address);
    assert_non_null(canned->listener);
    getsockname(evconnlistener_get_fd(canned->listener), (struct sockaddr *)&address, &size);
    canned->url = xasprintf("http://127.0.0.1:%d/", ntohs(address.sin_port));
}

static void canned_close(struct canned *canned)
{
    evconnlistener_free(canned->listener);
    free(canned->url);
    http_free(http); /* closes the connections, so that the peers see their end */
    event_base_loop(base, EVLOOP_NONBLOCK);
    http = http_new(base, 16, NULL);
}

static enum http_result ask_canned(const char *answer, enum then then, int64_t timeout_ms)
{
    struct canned canned = {.answer = answer, .then = then};
    canned_open(&canned);
    struct http_request request = request_of("POST", canned.url);
    request.timeout_ms = timeout_ms;
    enum http_result result = ask(&request);
    canned_close(&canned);
    return result;
}

/* What is sent */

static void a_binary_body_arrives_byte_for_byte(void **state)
{
    size_t size = 300000;
    char *body = xmalloc(size), *url = url_of("/in/binary"), *path;
    struct http_request request = request_of("POST", url);
    struct buf saved;

    (void)state;
    for (size_t i = 0; i < size; i++)
        body[i] = (char)(i * 31 >> (i % 7)); /* NULs, line ends, 0xff */
    request.body = body;
    request.body_size = size;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    json_t *records = recorded("/in/binary"), *record = json_array_get(records, 0);
    assert_int_equal(json_integer_value(json_object_get(record, "body_size")), size);
    path = xasprintf("%s/bodies/%d.body", folder, (int)json_integer_value(json_object_get(record, "seq")));
    buf_init(&saved, 2 * size);
    assert_int_equal(fdio_read_file(path, 2 * size, &saved, NULL), 0);
    assert_int_equal(saved.len, size);
    assert_memory_equal(saved.data, body, size);
    json_decref(records);
    buf_release(&saved);
    free(path);
    free(url);
    free(body);
}

static void only_the_headers_that_belong_there_are_sent(void **state)
{
    static const char *const headers[] = {"X-One: 1", "X-Empty: ", NULL};
    static const char *const agent[] = {"user-agent: mine", "content-type: text/csv", NULL};
    char *url = url_of("/in/headers");
    struct http_request request = request_of("POST", url);

    (void)state;
    request.body = "x";
    request.body_size = 1;
    request.headers = headers;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    request.headers = agent;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    json_t *records = recorded("/in/headers"), *first = json_array_get(records, 0),
           *second = json_array_get(records, 1);
    assert_string_equal(header_of(first, "x-one"), "1");
    assert_string_equal(header_of(first, "x-empty"), "");
    assert_string_equal(header_of(first, "user-agent"), "dist/0.1.0");
    assert_string_equal(header_of(first, "content-length"), "1");
    assert_null(header_of(first, "content-type"));
    assert_null(header_of(first, "expect"));
    assert_null(header_of(first, "accept-encoding"));
    assert_null(header_of(first, "cookie"));
    assert_null(header_of(first, "upgrade"));
    assert_string_equal(header_of(second, "user-agent"), "mine");
    assert_string_equal(header_of(second, "content-type"), "text/csv");
    json_decref(records);
    free(url);
}

static void each_method_is_sent_with_and_without_a_body(void **state)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char *path = xasprintf("/in/method-%zu/big/1000", i), *url = url_of(path);
        struct http_request request = request_of(methods[i], url);
        bool head = strcmp(methods[i], "HEAD") == 0;
        assert_int_equal(ask(&request), HTTP_ANSWERED);
        assert_int_equal(reply.response.status, 200);
        assert_int_equal(reply.response.body.len, head ? 0 : 1000);
        request.body = "body";
        request.body_size = 4;
        assert_int_equal(ask(&request), HTTP_ANSWERED);
        assert_int_equal(reply.response.status, 200);
        json_t *records = recorded(path);
        assert_int_equal(json_array_size(records), 2);
        for (size_t n = 0; n < 2; n++) {
            json_t *record = json_array_get(records, n);
            assert_string_equal(json_string_value(json_object_get(record, "method")), methods[i]);
            assert_int_equal(json_integer_value(json_object_get(record, "body_size")), n && !head ? 4 : 0);
        }
        json_decref(records);
        free(path);
        free(url);
    }
}

/* Who signed a path, or looked at it, must find it as it was. */
static void a_path_is_sent_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(ask_path("POST", "/in/dots/../as/./is", 5000), HTTP_ANSWERED);
    json_t *records = recorded("/in/dots/");
    assert_int_equal(json_array_size(records), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(records, 0), "path")),
                        "/in/dots/../as/./is");
    json_decref(records);
}

static void a_bad_request_is_not_sent(void **state)
{
    static const char *const bad_headers[] = {"X: a\r\nY: b",
                                              "X: a\nY: b",
                                              "X\r\n: a",
                                              "no colon",
                                              ": no name",
                                              "X Y: a",
                                              "Content-Length: 3",
                                              "transfer-encoding: chunked",
                                              "Connection: close",
                                              "Upgrade: h2c",
                                              "Expect: 100-continue",
                                              "TE: gzip",
                                              "proxy-connection: close",
                                              "HTTP2-Settings: AAMAAABkAAQAAP__",
                                              "Keep-Alive: 5",
                                              "Trailer: X",
                                              ""};
    static const char *const bad_urls[] = {"",
                                           "http://",
                                           "ftp://127.0.0.1/x",
                                           "file:///etc/passwd",
                                           "gopher://127.0.0.1/",
                                           "http://127.0.0.1:99999/",
                                           "http://a b/",
                                           "http://127.0.0.1/a\r\nb",
                                           "dict://127.0.0.1/x"};
    char *url = url_of("/in/bad");

    (void)state;
    for (size_t i = 0; i < sizeof bad_headers / sizeof *bad_headers; i++) {
        const char *const headers[] = {"A: b", bad_headers[i], NULL};
        struct http_request request = request_of("POST", url);
        request.headers = headers;
        assert_int_equal(ask(&request), HTTP_BAD_REQUEST);
        assert_true(reply.response.text[0]);
    }
    for (size_t i = 0; i < sizeof bad_urls / sizeof *bad_urls; i++) {
        struct http_request request = request_of("POST", bad_urls[i]);
        assert_int_equal(ask(&request), HTTP_BAD_REQUEST);
        assert_true(reply.response.text[0]);
    }
    json_t *records = recorded("/in/bad");
    assert_int_equal(json_array_size(records), 0);
    json_decref(records);
    free(url);
}

/* Connections */

struct series {
    bool done;
    int left, reused;
    char *url;
};

static void on_one_of_series(void *arg, struct http_response *response)
{
    struct series *series = arg;
    struct http_request request = request_of("POST", series->url);

    assert_int_equal(response->result, HTTP_ANSWERED);
    series->reused += response->reused;
    if (--series->left)
        http_start(http, &request, on_one_of_series, series);
    else
        series->done = true;
}

static void a_hundred_requests_use_one_connection(void **state)
{
    struct series series = {.left = 100, .url = url_of("/in/reuse")};
    struct http_request request = request_of("POST", series.url);
    json_int_t connection = 0;
    json_t *record;
    size_t i;

    (void)state;
    http_start(http, &request, on_one_of_series, &series);
    wait_for(&series.done);
    assert_int_equal(series.reused, 99);
    json_t *records = recorded("/in/reuse");
    assert_int_equal(json_array_size(records), 100);
    json_array_foreach (records, i, record) {
        json_int_t its = json_integer_value(json_object_get(record, "connection"));
        assert_true(i == 0 || its == connection);
        connection = its;
    }
    json_decref(records);
    free(series.url);
}

static void requests_side_by_side_all_end(void **state)
{
    struct reply replies[50] = {0};
    char *url = url_of("/delay/20/json");
    struct http_request request = request_of("POST", url);

    (void)state;
    for (int i = 0; i < 50; i++)
        http_start(http, &request, on_done, &replies[i]);
    for (int i = 0; i < 50; i++) {
        wait_for(&replies[i].done);
        assert_int_equal(replies[i].response.status, 200);
        free(replies[i].body);
    }
    free(url);
}

static void a_kept_connection_that_closed_is_replaced_and_the_request_sent_again(void **state)
{
    struct canned canned = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .close_after = 1};

    (void)state;
    canned_open(&canned);
    struct http_request request = request_of("POST", canned.url);
    request.body = "once";
    request.body_size = 4;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    assert_int_equal(reply.response.status, 200);
    assert_int_equal(canned.requests, 3); /* the second one was seen twice */
    assert_int_equal(canned.connections, 2);
    canned_close(&canned);
}

/* The end */

static void misbehaviour_ends_by_the_deadline(void **state)
{
    static const struct {
        const char *path;
        enum http_result result;
        int status;
        bool until_deadline;
    } cases[] = {
        {"/hang", HTTP_TIMEOUT, 0, true},
        {"/delay/5000", HTTP_TIMEOUT, 0, true},
        {"/reset", HTTP_BROKEN, 0, false},
        {"/close", HTTP_BROKEN, 0, false},
        {"/status/999", HTTP_BROKEN, 0, false},
        /* The status came: nothing that follows makes it a failure. */
        {"/hang-body", HTTP_ANSWERED, 200, true},
        {"/status/503/hang-body", HTTP_ANSWERED, 503, true},
        {"/drip/200/big/100", HTTP_ANSWERED, 200, true},
        {"/wrong-length", HTTP_ANSWERED, 200, false},
        {"/status/404/wrong-length", HTTP_ANSWERED, 404, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t started = clock_mono_ms();
        enum http_result result = ask_path("POST", cases[i].path, 400);
        int64_t took = clock_mono_ms() - started;
        if (result != cases[i].result || reply.response.status != cases[i].status)
            fail_msg("%s: result %d, status %d: %s", cases[i].path, (int)result, reply.response.status,
                     reply.response.text);
        assert_true(reply.response.text[0]);
        assert_true(took < 3000);
        assert_true(!cases[i].until_deadline || (took >= 390 && reply.response.elapsed_ms >= 390));
    }
}

static void a_large_body_is_left_and_its_beginning_kept(void **state)
{
    (void)state;
    assert_int_equal(ask_path("POST", "/big/1000000000", 5000), HTTP_ANSWERED);
    assert_int_equal(reply.response.status, 200);
    assert_int_equal(reply.response.body.len, 20000);
    assert_int_equal(ask_path("POST", "/in/kept/big/500000", 5000), HTTP_ANSWERED);
    assert_int_equal(reply.response.body.len, 20000);
    assert_int_equal(ask_path("POST", "/in/kept/big/500000", 5000), HTTP_ANSWERED);
    assert_true(reply.response.reused); /* it was read to its end */
}

static void a_redirect_is_an_answer(void **state)
{
    (void)state;
    assert_int_equal(ask_path("POST", "/in/from/redirect/%2Fin%2Fto", 5000), HTTP_ANSWERED);
    assert_int_equal(reply.response.status, 302);
    json_t *records = recorded("/in/to");
    assert_int_equal(json_array_size(records), 0);
    json_decref(records);
}

static void retry_after_is_read(void **state)
{
    static const int64_t ten_years = INT64_C(10) * 365 * 24 * 3600 * 1000;
    static const struct {
        const char *value;
        int64_t ms;
    } cases[] = {
        {"2", 2000},
        {"0", 0},
        {"-5", 0},
        {"Fri%2C%2031%20Dec%201999%2023%3A59%3A59%20GMT", 0},
        {"99999999999999999999999", ten_years},
        {"Fri%2C%2031%20Dec%202199%2023%3A59%3A59%20GMT", ten_years},
        {"soon", -1},
        {"-", -1},
    };
    char date[100], *path;
    time_t later = time(NULL) + 3600;
    struct tm tm;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        path = xasprintf("/status/429/retry-after/%s", cases[i].value);
        assert_int_equal(ask_path("POST", path, 5000), HTTP_ANSWERED);
        assert_int_equal(reply.response.retry_after_ms, cases[i].ms);
        free(path);
    }
    strftime(date, sizeof date, "/status/503/retry-after/%a%%2C%%20%d%%20%b%%20%Y%%20%H%%3A%M%%3A%S%%20GMT",
             gmtime_r(&later, &tm));
    assert_int_equal(ask_path("POST", date, 5000), HTTP_ANSWERED);
    assert_in_range(reply.response.retry_after_ms, 3590000, 3600000);
    assert_int_equal(ask_path("POST", "/status/503", 5000), HTTP_ANSWERED);
    assert_int_equal(reply.response.retry_after_ms, -1);
}

static char *repeated(const char *first, const char *line, size_t bytes)
{
    struct buf text;
    buf_init(&text, bytes + 1000);
    buf_adds(&text, first);
    while (text.len < bytes)
        buf_adds(&text, line);
    return buf_steal(&text, NULL);
}

static void strange_answers_are_judged_by_their_final_status(void **state)
{
    char *endless =
        repeated("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 200000);
    char *endless_head = repeated("HTTP/1.1 204 No Content\r\n", "X-Line: some text\r\n", 200000);
    const struct {
        const char *answer;
        enum then then;
        enum http_result result;
        int status;
    } cases[] = {
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", THEN_HOLD,
         HTTP_ANSWERED, 201},
        {"HTTP/1.1 103 Early Hints\r\nRetry-After: 7\r\n\r\nHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
         THEN_HOLD, HTTP_ANSWERED, 500},
        {"HTTP/1.1 100 Continue\r\n\r\n", THEN_CLOSE, HTTP_BROKEN, 0},
        {"HTTP/1.1 100 Continue\r\n\r\n", THEN_HOLD, HTTP_TIMEOUT, 0},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nxx", THEN_CLOSE, HTTP_BROKEN, 0},
        {"HTTP/1.1 200 OK\r\n", THEN_RESET, HTTP_ANSWERED, 200},
        {"HTTP/1.1 200 OK\r\n", THEN_HOLD, HTTP_ANSWERED, 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", THEN_RESET, HTTP_ANSWERED, 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", THEN_CLOSE, HTTP_ANSWERED, 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHTTP/1.1 500: x\r\n\r\n", THEN_HOLD,
         HTTP_ANSWERED, 200},
        {"HTTP/1.0 503 \r\n\r\nfor a while", THEN_CLOSE, HTTP_ANSWERED, 503},
        {"hello\r\n\r\n", THEN_CLOSE, HTTP_BROKEN, 0},
        {"HTTP/1.1 20", THEN_CLOSE, HTTP_BROKEN, 0},
        {"\x16\x03\x01", THEN_CLOSE, HTTP_BROKEN, 0},
        {endless, THEN_HOLD, HTTP_BROKEN, 0},
        {endless_head, THEN_HOLD, HTTP_ANSWERED, 204},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum http_result result = ask_canned(cases[i].answer, cases[i].then, 400);
        if (result != cases[i].result || reply.response.status != cases[i].status)
            fail_msg("%.60s: result %d, status %d: %s", cases[i].answer, (int)result, reply.response.status,
                     reply.response.text);
        assert_int_equal(reply.response.retry_after_ms, -1); /* of a 103 it does not count */
        for (const char *c = reply.response.text; *c; c++)
            assert_true((unsigned char)*c >= ' ');
    }
    free(endless);
    free(endless_head);
}

/* Who is spoken to */

static void private_addresses_are_refused_in_every_form(void **state)
{
    static const char *const hosts[] = {"127.0.0.1",
                                        "localhost",
                                        "[::1]",
                                        "[::ffff:127.0.0.1]",
                                        "[::ffff:7f00:1]",
                                        "2130706433",
                                        "0x7f000001",
                                        "0x7f.1",
                                        "017700000001",
                                        "127.1",
                                        "0.0.0.0",
                                        "0",
                                        "[::]",
                                        "rebound.test",
                                        "private.test",
                                        "mapped.test",
                                        "169.254.169.254",
                                        "[64:ff9b::7f00:1]",
                                        "[fe80::1]",
                                        "10.0.0.1",
                                        "user@127.0.0.1",
                                        "LOCALHOST"};

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char *url = xasprintf("http://%s:%d/in/guarded", hosts[i], port);
        struct http_request request = request_of("POST", url);
        request.guard.allow_private = false;
        enum http_result result = ask(&request);
        if (result != HTTP_REFUSED_ADDRESS)
            fail_msg("%s: result %d: %s", url, (int)result, reply.response.text);
        assert_non_null(strstr(reply.response.text, "the address is refused: "));
        free(url);
    }
    json_t *records = recorded("/in/guarded");
    assert_int_equal(json_array_size(records), 0);
    json_decref(records);
}

static void a_connection_that_may_be_private_is_not_lent_to_a_request_that_may_not(void **state)
{
    char *url = url_of("/in/lent");
    struct http_request request = request_of("POST", url);

    (void)state;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    request.guard.allow_private = false;
    assert_int_equal(ask(&request), HTTP_REFUSED_ADDRESS);
    request.guard.allow_private = true;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    assert_true(reply.response.reused);
    free(url);
}

static struct guard_lists *lists_of(enum guard_list list, const char *network)
{
    struct guard_lists *lists = guard_lists_new(NULL);

    assert_int_equal(guard_lists_add(lists, list, network, NULL), 0);
    return lists;
}

static void the_operators_lists_hold_for_every_address(void **state)
{
    static const struct {
        enum guard_list list;
        const char *network, *host;
        bool allow_private;
        enum http_result result;
    } cases[] = {
        {GUARD_ALLOW, "127.0.0.1", "127.0.0.1", false, HTTP_ANSWERED},
        {GUARD_ALLOW, "127.0.0.1", "2130706433", false, HTTP_ANSWERED},
        {GUARD_ALLOW, "127.0.0.1", "127.0.0.2", false, HTTP_REFUSED_ADDRESS},
        {GUARD_ALLOW, "127.0.0.1", "several.test", false, HTTP_ANSWERED}, /* the other one is passed over */
        {GUARD_ALLOW, "127.0.0.1:1", "127.0.0.1", false, HTTP_REFUSED_ADDRESS},
        {GUARD_DENY, "127.0.0.1", "127.0.0.1", true, HTTP_REFUSED_ADDRESS},
        {GUARD_DENY, "127.0.0.1", "rebound.test", true, HTTP_REFUSED_ADDRESS},
        {GUARD_DENY, "127.0.0.1", "[::ffff:127.0.0.1]", true, HTTP_REFUSED_ADDRESS},
        {GUARD_DENY, "127.0.0.1", "mapped.test", true, HTTP_REFUSED_ADDRESS},
        {GUARD_DENY, "127.0.0.2", "several.test", true, HTTP_ANSWERED},
        {GUARD_DENY, "127.0.0.1:1", "127.0.0.1", true, HTTP_ANSWERED},
        {GUARD_ONLY, "127.0.0.2", "127.0.0.1", true, HTTP_REFUSED_ADDRESS},
        {GUARD_ONLY, "127.0.0.0/8", "127.0.0.1", true, HTTP_ANSWERED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *url = xasprintf("http://%s:%d/in/lists", cases[i].host, port);
        struct http_request request = request_of("POST", url);
        struct guard_lists *lists = lists_of(cases[i].list, cases[i].network);
        request.guard = (struct guard){cases[i].allow_private, lists};
        enum http_result result = ask(&request);
        if (result != cases[i].result)
            fail_msg("case %zu: result %d: %s", i, (int)result, reply.response.text);
        guard_lists_unref(lists);
        free(url);
    }
    json_t *records = recorded("/in/lists");
    assert_int_equal(json_array_size(records), 6);
    json_decref(records);
}

static void a_name_that_changes_is_judged_by_what_it_is_now(void **state)
{
    char *url = xasprintf("http://changes.test:%d/in/changes", port);
    struct http_request request = request_of("POST", url);
    struct guard_lists *lists = lists_of(GUARD_DENY, "127.0.0.2");

    request.guard.lists = lists;
    changes = 0;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    free_client(state); /* and what it remembers of names */
    assert_int_equal(make_client(state), 0);
    assert_int_equal(ask(&request), HTTP_REFUSED_ADDRESS);
    assert_int_equal(changes, 2);
    guard_lists_unref(lists);
    free(url);
}

/* Each request has the guard of its own delivery, whoever opened the connection. */
static void check_not_lent(enum http_version version, const char *url, const struct guard *may,
                           const struct guard *may_not)
{
    struct http_request request = request_of("POST", url);

    request.version = version;
    request.guard = *may;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    assert_true(reply.response.reused);
    request.guard = *may_not;
    assert_int_equal(ask(&request), HTTP_REFUSED_ADDRESS);
    assert_non_null(strstr(reply.response.text, "the address is refused: "));
    request.guard = *may;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
}

static void a_kept_connection_is_lent_to_nobody_whose_guard_refuses_it(void **state)
{
    struct guard_lists *allow = lists_of(GUARD_ALLOW, "127.0.0.0/8"),
                       *deny = lists_of(GUARD_DENY, "127.0.0.1");
    char *url = url_of("/in/unlent");

    (void)state;
    check_not_lent(HTTP_VERSION_AUTO, url, &(struct guard){false, allow}, &(struct guard){false, NULL});
    check_not_lent(HTTP_VERSION_AUTO, url, &(struct guard){false, allow}, &(struct guard){false, deny});
    check_not_lent(HTTP_VERSION_AUTO, url, &(struct guard){true, NULL}, &(struct guard){true, deny});
    json_t *records = recorded("/in/unlent");
    assert_int_equal(json_array_size(records), 9);
    json_decref(records);
    guard_lists_unref(allow);
    guard_lists_unref(deny);
    free(url);
}

static void who_may_not_have_a_kept_connection_gets_one_of_its_own(void **state)
{
    struct guard_lists *allow = lists_of(GUARD_ALLOW, "127.0.0.0/8"),
                       *other = lists_of(GUARD_ALLOW, "127.0.0.1");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    char *url = xasprintf("http://several.test:%d/in/own", port);
    struct http_request request = request_of("POST", url);
    struct canned canned = {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", .then = THEN_HOLD};

    (void)state;
    address.sin_addr.s_addr = htonl(0x7F000002);
    canned.listener = evconnlistener_new_bind(base, on_peer, &canned, LEV_OPT_CLOSE_ON_FREE, 4,
                                              (struct sockaddr *)&address, sizeof address);
    assert_non_null(canned.listener);
    request.guard.allow_private = false;
    request.guard.lists = allow;
    assert_int_equal(ask(&request), HTTP_ANSWERED); /* by 127.0.0.2, which is first */
    assert_int_equal(canned.requests, 1);
    request.guard.lists = other;
    assert_int_equal(ask(&request), HTTP_ANSWERED); /* by 127.0.0.1 */
    assert_int_equal(canned.requests, 1);
    json_t *records = recorded("/in/own");
    assert_int_equal(json_array_size(records), 1);
    json_decref(records);
    http_free(http); /* so that the peer sees the end, and goes */
    http = NULL;
    while (canned.open)
        event_base_loop(base, EVLOOP_ONCE);
    evconnlistener_free(canned.listener);
    guard_lists_unref(allow);
    guard_lists_unref(other);
    free(url);
}

static void what_cannot_be_connected_says_so(void **state)
{
    struct http_request request = request_of("POST", "http://absent.test/");
    struct canned canned = {0};

    (void)state;
    assert_int_equal(ask(&request), HTTP_CONNECT);
    assert_non_null(strstr(reply.response.text, "absent.test"));
    canned_open(&canned);
    char *url = xstrdup(canned.url);
    canned_close(&canned); /* now nobody listens there */
    request.url = url;
    assert_int_equal(ask(&request), HTTP_CONNECT);
    request.version = HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    assert_int_equal(ask(&request), HTTP_CONNECT);
    free(url);
}

static void no_proxy_is_taken_from_the_environment(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
    enum http_result result = ask_path("POST", "/in/proxy", 5000);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    assert_int_equal(result, HTTP_ANSWERED);
}

static void the_environment_takes_no_proxy_away(void **state)
{
    char *proxy = url_of("");
    struct http_request request = request_of("GET", "http://never.invalid/in/proxied");

    (void)state;
    request.proxy = proxy;
    request.guard.allow_private = false;
    setenv("no_proxy", "*", 1);
    setenv("NO_PROXY", "*", 1);
    enum http_result proxied = ask(&request);
    request.url = "http://rebound.test/"; /* what nobody but the proxy may look up */
    enum http_result guarded = ask(&request);
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    assert_int_equal(proxied, HTTP_ANSWERED);
    assert_int_equal(guarded, HTTP_ANSWERED);
    free(proxy);
}

static void a_server_without_http2_fails_cleanly(void **state)
{
    char *url = url_of("/in/h2");
    struct http_request request = request_of("POST", url);

    (void)state;
    request.version = HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    request.timeout_ms = 1000;
    enum http_result result = ask(&request);
    assert_true(result == HTTP_BROKEN || result == HTTP_TIMEOUT);
    request.version = HTTP_VERSION_2;
    request.timeout_ms = 5000;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    free(url);
}

static void tls_to_a_server_that_has_none_is_a_tls_failure(void **state)
{
    char *url = xasprintf("https://127.0.0.1:%d/", port);
    struct http_request request = request_of("POST", url);

    (void)state;
    assert_int_equal(ask(&request), HTTP_TLS);
    free(url);
}

static void an_untrusted_certificate_is_a_tls_failure(void **state)
{
    /* The port is one that the kernel gave away and took back. */
    struct canned canned = {0};
    canned_open(&canned);
    int free_port = (int)strtol(strrchr(canned.url, ':') + 1, NULL, 10);
    canned_close(&canned);
    char *make = xasprintf("openssl req -x509 -newkey rsa:2048 -nodes -keyout %s/key -out %s/cert -days 1 "
                           "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>/dev/null",
                           folder, folder);
    char *serve =
        xasprintf("exec openssl s_server -quiet -www -accept 127.0.0.1:%d -key %s/key -cert %s/cert "
                  ">/dev/null 2>&1",
                  free_port, folder, folder);
    char *url = xasprintf("https://127.0.0.1:%d/", free_port);
    struct http_request request = request_of("GET", url);
    enum http_result result = HTTP_CONNECT;

    (void)state;
    assert_int_equal(system(make), 0);
    pid_t server = fork();
    if (server == 0) {
        execl("/bin/sh", "sh", "-c", serve, (char *)NULL);
        _exit(127);
    }
    for (int tries = 0; tries < 200 && result == HTTP_CONNECT; tries++) {
        result = ask(&request);
        usleep(result == HTTP_CONNECT ? 50000 : 0);
    }
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    assert_int_equal(result, HTTP_TLS);
    assert_non_null(strstr(reply.response.text, "certificate"));
    free(make);
    free(serve);
    free(url);
}

/* With an authority of its own; `options` are s_server's. Asks until it is there. */
static enum http_result ask_own_server(const char *options, struct http_request *request)
{
    /* The port is one that the kernel gave away and took back. */
    struct canned canned = {0};
    enum http_result result = HTTP_CONNECT;

    canned_open(&canned);
    int free_port = (int)strtol(strrchr(canned.url, ':') + 1, NULL, 10);
    canned_close(&canned);
    char *serve = xasprintf("cd %s && exec openssl s_server -quiet -www -accept 127.0.0.1:%d -key server.key "
                            "-cert server.crt %s >/dev/null 2>&1",
                            folder, free_port, options);
    char *url = xasprintf("https://127.0.0.1:%d/", free_port);
    pid_t server = fork();
    if (server == 0) {
        execl("/bin/sh", "sh", "-c", serve, (char *)NULL);
        _exit(127);
    }
    request->url = url;
    for (int tries = 0; tries < 200 && result == HTTP_CONNECT; tries++) {
        result = ask(request);
        usleep(result == HTTP_CONNECT ? 50000 : 0);
    }
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    free(serve);
    free(url);
    return result;
}

static void files_say_whom_to_trust_and_who_we_are(void **state)
{
    static const struct certificate made[] = {
        {.name = "ca"},
        {.name = "other-ca"},
        {.name = "server", .issuer = "ca", .names = "IP:127.0.0.1"},
        {.name = "client", .issuer = "ca"},
        {.name = "locked", .issuer = "ca", .passphrase = "sesame"},
    };
    static const char mutual[] = "-CAfile ca.crt -Verify 1 -verify_return_error";
    char *ca = xasprintf("%s/ca.crt", folder), *other = xasprintf("%s/other-ca.crt", folder);
    char *cert = xasprintf("%s/client.crt", folder), *key = xasprintf("%s/client.key", folder);
    char *locked = xasprintf("%s/locked.crt", folder), *locked_key = xasprintf("%s/locked.key", folder);
    struct http_request request = request_of("GET", NULL);

    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        certificate_make(folder, &made[i]);
    request.ca_file = ca;
    assert_int_equal(ask_own_server("", &request), HTTP_ANSWERED);
    assert_int_equal(ask_own_server("-tls1_1 -cipher DEFAULT@SECLEVEL=0", &request), HTTP_TLS);
    request.ca_file = other;
    assert_int_equal(ask_own_server("", &request), HTTP_TLS);
    request.ca_file = "/no/such/file";
    assert_int_equal(ask_own_server("", &request), HTTP_TLS);
    request.ca_file = ca;
    assert_int_not_equal(ask_own_server(mutual, &request), HTTP_ANSWERED);
    request.cert_file = locked;
    request.key_file = locked_key;
    assert_int_equal(ask_own_server(mutual, &request), HTTP_TLS); /* and nobody is asked for it */
    request.cert_file = cert;
    request.key_file = key;
    assert_int_equal(ask_own_server(mutual, &request), HTTP_ANSWERED);
    request.connect_only = true;
    assert_int_equal(ask_own_server(mutual, &request), HTTP_ANSWERED);
    assert_int_equal(reply.response.status, 0);
    request.ca_file = other;
    assert_int_equal(ask_own_server(mutual, &request), HTTP_TLS);
    free(ca);
    free(other);
    free(cert);
    free(key);
    free(locked);
    free(locked_key);
}

/* The port of a server of tests/peers, or 0. */
static int start_http2(pid_t *server)
{
    char *port_file = xasprintf("%s/port2", folder), *key = xasprintf("%s/server.key", folder);
    char *cert = xasprintf("%s/server.crt", folder);
    struct buf text;

    certificate_make(folder, &(struct certificate){.name = "ca"});
    certificate_make(folder,
                     &(struct certificate){.name = "server", .issuer = "ca", .names = "IP:127.0.0.1"});
    unlink(port_file); /* of another one */
    buf_init(&text, 100);
    *server = fork();
    if (*server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("node", "node", "tests/peers/http2.js", port_file, key, cert, (char *)NULL);
        perror("node");
        _exit(127);
    }
    for (int tries = 0; tries < 500 && fdio_read_file(port_file, 100, &text, NULL) < 0; tries++)
        usleep(20000);
    int found = (int)strtol(text.data, NULL, 10);
    buf_release(&text);
    free(port_file);
    free(key);
    free(cert);
    return found;
}

static void over_tls_requests_side_by_side_share_one_connection(void **state)
{
    enum { TOGETHER = 20 };
    static struct reply replies[TOGETHER];
    char *ca = xasprintf("%s/ca.crt", folder);
    struct http_request request = request_of("POST", NULL);
    int64_t began_ms;
    pid_t server;

    (void)state;
    char *url = xasprintf("https://127.0.0.1:%d/", start_http2(&server));
    request.url = url;
    request.ca_file = ca;
    began_ms = clock_mono_ms();
    for (size_t i = 0; i < TOGETHER; i++) {
        replies[i] = (struct reply){0};
        http_start(http, &request, on_done, &replies[i]);
    }
    for (size_t i = 0; i < TOGETHER; i++) {
        wait_for(&replies[i].done);
        assert_int_equal(replies[i].response.status, 200);
        assert_string_equal(replies[i].body, "1 2.0");
        free(replies[i].body);
    }
    assert_in_range(clock_mono_ms() - began_ms, 100, 100 * TOGETHER - 1); /* not one after the other */
    request.version = HTTP_VERSION_1_1;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    assert_string_equal(reply.body + 2, "1.1");
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    free(url);
    free(ca);
}

static void a_shared_connection_that_did_not_answer_is_not_used_again(void **state)
{
    char *ca = xasprintf("%s/ca.crt", folder);
    struct http_request request = request_of("POST", NULL);
    long long within_ms = 0;
    pid_t server;

    (void)state;
    char *url = xasprintf("https://127.0.0.1:%d/", start_http2(&server)), *hang = xasprintf("%shang", url);
    request.ca_file = ca;
    request.url = url;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    assert_string_equal(reply.body, "1 2.0");
    request.url = hang;
    request.timeout_ms = 300;
    assert_int_equal(ask(&request), HTTP_TIMEOUT);
    assert_int_equal(sscanf(reply.response.text, "no answer within %lld ms", &within_ms), 1);
    assert_true(within_ms >= request.timeout_ms - 20); /* the clock of the timer ticks coarsely */
    request.url = url;
    request.timeout_ms = 5000;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    assert_string_equal(reply.body, "2 2.0");
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    free(hang);
    free(url);
    free(ca);
}

/* A host that went away is noticed by the kernel, whose answer to silence would be a quarter of an hour. */
static void a_kept_connection_to_a_host_that_went_away_is_noticed(void **state)
{
    int found = 0;

    (void)state;
    assert_int_equal(ask_path("POST", "/in/alive", 5000), HTTP_ANSWERED);
    for (int fd = 3; fd < 200; fd++) {
        struct sockaddr_in peer = {0};
        socklen_t size = sizeof peer, int_size = sizeof(int);
        unsigned unacknowledged_ms = 0;
        int keepalive = 0, idle_s = 0;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0 || ntohs(peer.sin_port) != port)
            continue;
        found++;
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, &int_size), 0);
        assert_in_range(unacknowledged_ms, 20000, 30000);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive, &int_size), 0);
        assert_true(keepalive);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, &int_size), 0);
        assert_in_range(idle_s, 1, 30);
    }
    assert_int_equal(found, 1);
}

static void a_connection_alone_sends_nothing(void **state)
{
    struct canned canned = {0};

    (void)state;
    canned_open(&canned);
    char *url = xstrdup(canned.url);
    struct http_request request = request_of("POST", url);
    request.connect_only = true;
    assert_int_equal(ask(&request), HTTP_ANSWERED);
    assert_int_equal(reply.response.status, 0);
    canned_close(&canned);
    assert_int_equal(canned.connections, 1);
    assert_int_equal(canned.requests, 0);
    assert_int_equal(ask(&request), HTTP_CONNECT);
    free(url);
}

/* The loop */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ++*(int *)arg;
}

/* Who waits for a connection that another makes, in the hope of HTTP/2, keeps to his own time. */
static void a_server_that_never_speaks_tls_holds_each_for_its_own_time(void **state)
{
    static const int64_t timeouts_ms[] = {3000, 300, 600, 300};
    enum { COUNT = sizeof timeouts_ms / sizeof *timeouts_ms };
    static struct reply replies[COUNT];
    struct canned canned = {.answer = ""};

    (void)state;
    canned_open(&canned);
    char *url = xasprintf("https%s", strchr(canned.url, ':'));
    struct http_request request = request_of("POST", url);
    for (size_t i = 0; i < COUNT; i++) {
        replies[i] = (struct reply){0};
        request.timeout_ms = timeouts_ms[i];
        http_start(http, &request, on_done, &replies[i]);
    }
    for (size_t i = 0; i < COUNT; i++) {
        wait_for(&replies[i].done);
        assert_int_equal(replies[i].response.result, HTTP_TIMEOUT);
        assert_in_range(replies[i].response.elapsed_ms, timeouts_ms[i] - 5, timeouts_ms[i] + 2000);
        assert_non_null(strstr(replies[i].response.text, "no connection within "));
        free(replies[i].body);
    }
    canned_close(&canned);
    free(url);
}

static void a_connection_is_made_within_its_own_time(void **state)
{
    struct canned canned = {.answer = ""};

    (void)state;
    canned_open(&canned);
    char *url = xasprintf("https%s", strchr(canned.url, ':'));
    struct http_request request = request_of("POST", url);
    request.timeout_ms = 60000;
    assert_int_equal(ask(&request), HTTP_TIMEOUT);
    assert_in_range(reply.response.elapsed_ms, HTTP_CONNECT_MAX_MS - 5, HTTP_CONNECT_MAX_MS + 2000);
    canned_close(&canned);
    free(url);
}

static void a_hung_look_up_holds_neither_the_deadline_nor_the_loop(void **state)
{
    struct http_request request = request_of("POST", "http://hung.test/");
    struct timeval often = {.tv_usec = 20000};
    int ticks = 0;
    struct event *tick = event_new(base, -1, EV_PERSIST, on_tick, &ticks);

    (void)state;
    event_add(tick, &often);
    request.timeout_ms = 400;
    int64_t started = clock_mono_ms();
    assert_int_equal(ask(&request), HTTP_TIMEOUT);
    assert_true(clock_mono_ms() - started < 1500); /* the look-up takes 2 s */
    assert_true(ticks > 10);
    struct http_transfer *transfer = http_start(http, &request, on_done, &reply);
    usleep(20000);
    event_base_loop(base, EVLOOP_NONBLOCK);
    started = clock_mono_ms();
    http_cancel(transfer);
    assert_true(clock_mono_ms() - started < 500);
    event_free(tick);
    sleep(2); /* the threads end, and leak nothing */
}

static void on_never(void *arg, struct http_response *response)
{
    (void)arg;
    (void)response;
    fail_msg("done was called for a cancelled request");
}

static void a_cancelled_request_is_silent(void **state)
{
    char *hang = url_of("/hang"), *fine = url_of("/in/fine");
    struct http_request hung = request_of("POST", hang), bad = request_of("POST", hang),
                        good = request_of("POST", fine);
    static const char *const headers[] = {"bad", NULL};
    struct http_transfer *transfers[4];

    (void)state;
    bad.headers = headers;
    transfers[0] = http_start(http, &hung, on_never, NULL);
    transfers[1] = http_start(http, &bad, on_never, NULL);
    transfers[2] = http_start(http, &good, on_never, NULL);
    http_cancel(transfers[1]);
    http_cancel(transfers[2]);
    assert_int_equal(ask_path("POST", "/in/fine", 5000), HTTP_ANSWERED);
    transfers[3] = http_start(http, &hung, on_never, NULL);
    event_base_loop(base, EVLOOP_NONBLOCK);
    http_cancel(transfers[0]);
    http_cancel(transfers[3]);
    assert_int_equal(ask_path("POST", "/in/fine", 5000), HTTP_ANSWERED);
    /* What is under way at the end goes with the client. */
    http_start(http, &hung, on_never, NULL);
    event_base_loop(base, EVLOOP_NONBLOCK);
    http_start(http, &bad, on_never, NULL);
    http_free(http);
    http = http_new(base, 16, NULL);
    event_base_loop(base, EVLOOP_NONBLOCK);
    free(hang);
    free(fine);
}

struct canceller {
    bool done;
    struct http_transfer *other;
};

static void on_cancel_other(void *arg, struct http_response *response)
{
    struct canceller *canceller = arg;
    assert_int_equal(response->result, HTTP_ANSWERED);
    http_cancel(canceller->other);
    canceller->done = true;
}

static void done_may_cancel_another_request(void **state)
{
    char *hang = url_of("/hang"), *fine = url_of("/in/fine");
    struct http_request hung = request_of("POST", hang), good = request_of("POST", fine);
    struct canceller canceller = {0};

    (void)state;
    canceller.other = http_start(http, &hung, on_never, NULL);
    http_start(http, &good, on_cancel_other, &canceller);
    wait_for(&canceller.done);
    free(hang);
    free(fine);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, make_client, free_client)
    const struct CMUnitTest tests[] = {
        TEST(a_binary_body_arrives_byte_for_byte),
        TEST(only_the_headers_that_belong_there_are_sent),
        TEST(each_method_is_sent_with_and_without_a_body),
        TEST(a_path_is_sent_as_it_is),
        TEST(a_bad_request_is_not_sent),
        TEST(a_hundred_requests_use_one_connection),
        TEST(requests_side_by_side_all_end),
        TEST(a_kept_connection_that_closed_is_replaced_and_the_request_sent_again),
        TEST(misbehaviour_ends_by_the_deadline),
        TEST(a_large_body_is_left_and_its_beginning_kept),
        TEST(a_redirect_is_an_answer),
        TEST(retry_after_is_read),
        TEST(strange_answers_are_judged_by_their_final_status),
        TEST(private_addresses_are_refused_in_every_form),
        TEST(a_connection_that_may_be_private_is_not_lent_to_a_request_that_may_not),
        TEST(the_operators_lists_hold_for_every_address),
        TEST(a_name_that_changes_is_judged_by_what_it_is_now),
        TEST(a_kept_connection_is_lent_to_nobody_whose_guard_refuses_it),
        TEST(who_may_not_have_a_kept_connection_gets_one_of_its_own),
        TEST(what_cannot_be_connected_says_so),
        TEST(no_proxy_is_taken_from_the_environment),
        TEST(the_environment_takes_no_proxy_away),
        TEST(a_server_without_http2_fails_cleanly),
        TEST(tls_to_a_server_that_has_none_is_a_tls_failure),
        TEST(an_untrusted_certificate_is_a_tls_failure),
        TEST(files_say_whom_to_trust_and_who_we_are),
        TEST(over_tls_requests_side_by_side_share_one_connection),
        TEST(a_shared_connection_that_did_not_answer_is_not_used_again),
        TEST(a_kept_connection_to_a_host_that_went_away_is_noticed),
        TEST(a_connection_alone_sends_nothing),
        TEST(a_server_that_never_speaks_tls_holds_each_for_its_own_time),
        TEST(a_connection_is_made_within_its_own_time),
        TEST(a_hung_look_up_holds_neither_the_deadline_nor_the_loop),
        TEST(a_cancelled_request_is_silent),
        TEST(done_may_cancel_another_request),
    };

    fdio_ignore_sigpipe();
    int failed = cmocka_run_group_tests(tests, start_receiver, stop_receiver);
    free(reply.body);
    return failed;
}
