/*
 * Who a request comes from: access tokens with everything that their endpoint may do, keys, signatures,
 * traces; and the way by a proxy. Both the endpoint and the destination are a server in this process that
 * says what the test told it to.
 */
#include "adapter.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include "ceilings.h"
#include "clock.h"
#include "http.h"
#include "oauth2.h"
#include "signing.h"
#include "xalloc.h"

#define KEY "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

static struct event_base *base;
static struct adapter_context context;

/* The server */

/* What it does with one kind of request; requests beyond `count` answers get the last one. */
struct script {
    const char
        *answers[8]; /* status line and headers without the length, a blank line, the body; NULL: hangs */
    size_t count, asked;
    char *last; /* the last request as it came */
};
static struct script token_script, hook_script, proxy_script;
static struct evconnlistener *listener;
static int port;
static struct bufferevent *peers[64];
static size_t peer_count;
static struct bufferevent *hung; /* the last peer that got no answer */

static struct script *script_for(const char *request)
{
    const char *proxied = strstr(request, " http://");

    if (strncmp(request, "CONNECT ", 8) == 0 || (proxied && proxied < strchr(request, '\r')))
        return &proxy_script;
    return strncmp(request, "POST /token", 11) == 0 ? &token_script : &hook_script;
}

static void send_text(struct bufferevent *bev, const char *text)
{
    const char *body = strstr(text, "\r\n\r\n") + 4;

    evbuffer_add_printf(bufferevent_get_output(bev), "%.*sContent-Length: %zu\r\n\r\n%s",
                        (int)(body - text - 2), text, strlen(body), body);
}

static void answer(struct bufferevent *bev, const char *request)
{
    struct script *script = script_for(request);
    const char *text = script->answers[script->asked < script->count ? script->asked : script->count - 1];

    script->asked++;
    free(script->last);
    script->last = xstrdup(request);
    if (text)
        send_text(bev, text);
    else
        hung = bev;
}

static void on_readable(struct bufferevent *bev, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    size_t size = evbuffer_get_length(in);
    char *request = xmemdupz(evbuffer_pullup(in, -1), size);
    const char *end = strstr(request, "\r\n\r\n"), *length = strcasestr(request, "content-length:");

    (void)arg;
    if (end && size >= (size_t)(end + 4 - request) + (length ? strtoul(length + 15, NULL, 10) : 0)) {
        evbuffer_drain(in, size);
        answer(bev, request);
    }
    free(request);
}

static void on_accept(struct evconnlistener *from, evutil_socket_t fd, struct sockaddr *address, int size,
                      void *arg)
{
    struct bufferevent *bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

    (void)from;
    (void)address;
    (void)size;
    (void)arg;
    assert_true(peer_count < sizeof peers / sizeof *peers);
    peers[peer_count++] = bev;
    bufferevent_setcb(bev, on_readable, NULL, NULL, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static struct script script_of(const char *one)
{
    return (struct script){.answers = {one}, .count = 1};
}

#define OK "HTTP/1.1 200 OK\r\n\r\nok"
#define REFUSED "HTTP/1.1 401 Unauthorized\r\n\r\nno: Bearer first"
#define TOKEN(text)                                                                                          \
    "HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"" text "\",\"token_type\":\"bearer\",\"expires_in\":3600}"

static int begin(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    (void)state;
    base = event_base_new();
    listener = evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                                       64, (struct sockaddr *)&address, sizeof address);
    if (!listener || getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &size) < 0)
        return -1;
    port = ntohs(address.sin_port);
    hung = NULL;
    token_script = script_of(TOKEN("first"));
    hook_script = script_of(OK);
    proxy_script = script_of(OK);
    return adapter_context_init(&context, base, true, NULL, NULL);
}

static int end(void **state)
{
    (void)state;
    adapter_context_release(&context);
    evconnlistener_free(listener);
    while (peer_count)
        bufferevent_free(peers[--peer_count]);
    event_base_free(base);
    free(token_script.last);
    free(hook_script.last);
    free(proxy_script.last);
    return 0;
}

/* Attempts */

struct result {
    bool done, held;
    enum outcome_kind kind;
    char reason[40], text[500], response[300];
    int64_t retry_after_ms;
};
static struct result results[20];

static void on_done(void *arg, struct outcome *outcome)
{
    struct result *result = arg;

    assert_false(result->done);
    *result = (struct result){.done = true,
                              .held = outcome->held,
                              .kind = outcome->kind,
                              .retry_after_ms = outcome->retry_after_ms};
    snprintf(result->reason, sizeof result->reason, "%s", outcome->reason);
    snprintf(result->text, sizeof result->text, "%s", outcome->text);
    snprintf(result->response, sizeof result->response, "%s", outcome->response.data);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    fail_msg("no end within 20 seconds");
}

static void wait_for(size_t count)
{
    struct event *late = evtimer_new(base, on_late, NULL);
    struct timeval limit = {.tv_sec = 20};

    evtimer_add(late, &limit);
    for (size_t i = 0; i < count; i++)
        while (!results[i].done)
            event_base_loop(base, EVLOOP_ONCE);
    event_free(late);
}

static char endpoint[100], token_url[100];
static const struct secret client = {.client_id = (char *)"me & co", .client_secret = (char *)"hunter2:%"};

static struct destination hook(void)
{
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d/hook", port);
    return (struct destination){.protocol = PROTOCOL_REST,
                                .name = (char *)"hook",
                                .endpoint = endpoint,
                                .method = "POST",
                                .timeout_ms = 5000};
}

static struct destination guarded_by_tokens(void)
{
    struct destination destination = hook();

    snprintf(token_url, sizeof token_url, "http://127.0.0.1:%d/token", port);
    destination.auth = AUTH_OAUTH2;
    destination.token_url = token_url;
    destination.scope = "reports write";
    return destination;
}

static struct attempt attempt_of(const struct destination *destination)
{
    return (struct attempt){
        .destination = destination,
        .secret = &client,
        .message_id = "0190b2c4-0000-7000-8000-000000000001",
        .distribution_id = "dist-1",
        .tenant_id = "acme",
        .data_type = "report",
        .date = "2024-01-15",
        .content_type = "application/json",
        .body = "{\"test\": 2432232314}",
        .body_size = 20,
        .number = 1,
    };
}

static struct attempt_handle *start(const struct attempt *attempt, size_t index)
{
    results[index] = (struct result){0};
    struct attempt_handle *handle = adapter_rest.start(&context, attempt, on_done, &results[index]);
    assert_false(results[index].done); /* never from start() */
    return handle;
}

static void assert_ends(const struct attempt *attempt, enum outcome_kind kind, const char *reason)
{
    start(attempt, 0);
    wait_for(1);
    if (results[0].kind != kind || strcmp(results[0].reason, reason) != 0)
        fail_msg("%s (%s): %s", outcome_kind_names[results[0].kind], results[0].reason, results[0].text);
}

static void assert_delivers(const struct attempt *attempt)
{
    assert_ends(attempt, OUTCOME_DELIVERED, "http_2xx");
}

static void assert_has(const struct script *script, const char *line)
{
    if (!script->last || !strstr(script->last, line))
        fail_msg("'%s' is not in: %s", line, script->last ? script->last : "nothing");
}

/* The value of a field of the last request of the destination. */
static const char *field(const char *name)
{
    static char value[400];
    char *start_of = xasprintf("\r\n%s: ", name), *at = strcasestr(hook_script.last, start_of);

    snprintf(value, sizeof value, "%.*s", at ? (int)strcspn(at + strlen(start_of), "\r") : 0,
             at ? at + strlen(start_of) : "");
    free(start_of);
    return value;
}

/* Tokens */

static void a_token_is_fetched_once_and_used_for_all(void **state)
{
    struct destination destination = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    for (size_t i = 0; i < 20; i++)
        start(&attempt, i);
    wait_for(20);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(results[i].kind, OUTCOME_DELIVERED);
    assert_delivers(&attempt);
    assert_int_equal(token_script.asked, 1);
    assert_int_equal(hook_script.asked, 21);
    assert_has(&hook_script, "Authorization: Bearer first\r\n");
    assert_has(&token_script, "Authorization: Basic bWUlMjAlMjYlMjBjbzpodW50ZXIyJTNBJTI1\r\n");
    assert_has(&token_script, "Content-Type: application/x-www-form-urlencoded\r\n");
    assert_has(&token_script, "\r\n\r\ngrant_type=client_credentials&scope=reports%20write");
    assert_null(strstr(token_script.last, "hunter2"));
}

static void the_client_can_be_in_the_body(void **state)
{
    struct destination destination = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    destination.client_in_body = true;
    destination.scope = NULL;
    destination.audience = "https://api";
    assert_delivers(&attempt);
    assert_has(&token_script,
               "\r\n\r\ngrant_type=client_credentials&audience=https%3A%2F%2Fapi&client_id=me%20%26%20co&"
               "client_secret=hunter2%3A%25");
    assert_null(strcasestr(token_script.last, "authorization:"));
}

static void a_refused_token_is_replaced_once(void **state)
{
    struct destination destination = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    token_script = (struct script){.answers = {TOKEN("first"), TOKEN("second")}, .count = 2};
    hook_script = (struct script){.answers = {REFUSED, OK}, .count = 2};
    assert_delivers(&attempt);
    assert_int_equal(token_script.asked, 2);
    assert_int_equal(hook_script.asked, 2);
    assert_has(&hook_script, "Authorization: Bearer second\r\n");
}

static void a_destination_that_refuses_every_token_is_asked_twice(void **state)
{
    struct destination destination = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    hook_script = script_of(REFUSED);
    assert_ends(&attempt, OUTCOME_DEFERRED, "http_401");
    assert_int_equal(token_script.asked, 2);
    assert_int_equal(hook_script.asked, 2);
    assert_null(strstr(results[0].text, "first"));
    assert_null(strstr(results[0].response, "first"));
    assert_non_null(strstr(results[0].response, "no: Bearer *****"));
}

static void a_401_without_tokens_is_no_reason_to_ask_again(void **state)
{
    struct destination destination = hook();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    hook_script = script_of(REFUSED);
    assert_ends(&attempt, OUTCOME_DEFERRED, "http_401");
    assert_int_equal(hook_script.asked, 1);
}

static void a_token_is_given_up_before_its_end(void **state)
{
    static const char short_lived[] =
        "HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"first\",\"token_type\":\"Bearer\",\"expires_in\":\"0\"}";
    struct destination destination = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    token_script = (struct script){.answers = {short_lived, TOKEN("second")}, .count = 2};
    assert_delivers(&attempt);
    assert_has(&hook_script, "Authorization: Bearer first\r\n");
    assert_delivers(&attempt);
    assert_has(&hook_script, "Authorization: Bearer second\r\n");
    assert_delivers(&attempt);
    assert_int_equal(token_script.asked, 2);
}

static void other_clients_and_scopes_have_other_tokens(void **state)
{
    const struct secret renewed = {.client_id = client.client_id, .client_secret = (char *)"hunter3"};
    struct destination destination = guarded_by_tokens(), other = guarded_by_tokens();
    struct destination tenants = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination), another = attempt_of(&other);
    struct attempt anothers = attempt_of(&tenants);

    (void)state;
    other.scope = "else";
    tenants.tenant = (char *)"acme";
    assert_delivers(&attempt);
    assert_delivers(&another);
    assert_delivers(&anothers);
    attempt.secret = &renewed;
    assert_delivers(&attempt);
    assert_int_equal(token_script.asked, 4);
}

static void on_token(void *arg, const struct token_answer *answer)
{
    assert_non_null(answer->token);
    *(bool *)arg = true;
}

static void get_token(const char *tenant, const char *scope)
{
    struct destination destination = guarded_by_tokens();
    const struct token_request request = {.destination = &destination,
                                          .secret = &client,
                                          .guard = {.allow_private = true},
                                          .deadline_ms = clock_mono_ms() + 10000};
    bool done = false;

    destination.tenant = (char *)tenant;
    destination.scope = scope;
    tokens_ask(context.tokens, &request, on_token, &done);
    while (!done)
        event_base_loop(base, EVLOOP_ONCE);
}

/* Whoever asks for ever new scopes pushes out his own. */
static void tokens_of_one_tenant_make_no_room_for_anothers(void **state)
{
    enum { OTHERS = 200 };
    char name[40];

    (void)state;
    for (int i = 0; i < OTHERS; i++) {
        snprintf(name, sizeof name, "tenant-%d", i);
        get_token(name, "reports");
    }
    for (int i = 0; i < TOKENS_MAX; i++) {
        snprintf(name, sizeof name, "scope-%d", i);
        get_token("greedy", name);
    }
    size_t asked = token_script.asked;
    for (int i = 0; i < OTHERS; i++) {
        snprintf(name, sizeof name, "tenant-%d", i);
        get_token(name, "reports");
    }
    assert_int_equal(token_script.asked, asked);
    get_token("greedy", "scope-999"); /* of his own the oldest went */
    assert_int_equal(token_script.asked, asked);
    get_token("greedy", "scope-0");
    assert_int_equal(token_script.asked, asked + 1);
    /* One who has none yet gets the place of what was not used for longest, which is one of the greedy's. */
    get_token("new", "reports");
    assert_int_equal(token_script.asked, asked + 2);
    get_token("tenant-0", "reports");
    assert_int_equal(token_script.asked, asked + 2);
}

static void what_the_token_endpoint_says_wrongly_defers(void **state)
{
    static const struct {
        const char *answer, *text;
    } cases[] = {
        {"HTTP/1.1 401 Unauthorized\r\n\r\n{\"error\":\"invalid_client\",\"error_description\":\"hunter2\"}",
         "the token endpoint answered HTTP 401: invalid_client"},
        {"HTTP/1.1 400 Bad Request\r\n\r\n{\"error\":\"hunter2 is wrong\"}",
         "the token endpoint answered HTTP 400"},
        {"HTTP/1.1 302 Found\r\nLocation: /token\r\n\r\n", "the token endpoint answered HTTP 302"},
        {"HTTP/1.1 200 OK\r\n\r\nhunter2", "the token endpoint: its answer has no usable access_token"},
        {"HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"a b\",\"token_type\":\"bearer\"}",
         "the token endpoint: its answer has no usable access_token"},
        {"HTTP/1.1 200 OK\r\n\r\n{\"access_token\":\"hunter2\",\"token_type\":\"mac\"}",
         "the token endpoint: its answer is no token of the type Bearer"},
    };
    struct destination destination = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        free(token_script.last);
        token_script = script_of(cases[i].answer);
        assert_ends(&attempt, OUTCOME_DEFERRED, "token");
        assert_string_equal(results[0].text, cases[i].text);
        assert_string_equal(results[0].response, "");
        assert_int_equal(token_script.asked, 1);
    }
    assert_int_equal(hook_script.asked, 0);
}

static void a_busy_token_endpoint_says_when_to_come_back(void **state)
{
    struct destination destination = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    token_script = script_of("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n");
    assert_ends(&attempt, OUTCOME_DEFERRED, "token");
    assert_int_equal(results[0].retry_after_ms, 7000);
}

static void a_token_endpoint_that_hangs_ends_each_wait_by_its_deadline(void **state)
{
    struct destination destination = guarded_by_tokens(), hasty = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination), soon = attempt_of(&hasty);
    int64_t began_ms = clock_mono_ms();

    (void)state;
    token_script = script_of(NULL);
    destination.timeout_ms = 1000;
    hasty.timeout_ms = 200;
    start(&attempt, 0);
    start(&soon, 1);
    wait_for(2);
    assert_string_equal(results[0].reason, "timeout");
    assert_string_equal(results[1].reason, "timeout");
    assert_in_range(clock_mono_ms() - began_ms, 990, 5000);
    assert_int_equal(token_script.asked, 1);
}

/* What the first one asked for comes when he has given up, and is there for all others. */
static void a_shared_request_outlives_who_asked_first(void **state)
{
    struct destination destination = guarded_by_tokens(), hasty = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination), soon = attempt_of(&hasty);

    (void)state;
    token_script = script_of(NULL);
    hasty.timeout_ms = 200;
    start(&soon, 0);
    wait_for(1);
    assert_string_equal(results[0].reason, "timeout");
    start(&attempt, 1);
    while (!hung)
        event_base_loop(base, EVLOOP_ONCE);
    send_text(hung, TOKEN("late"));
    wait_for(2);
    assert_int_equal(results[1].kind, OUTCOME_DELIVERED);
    assert_int_equal(token_script.asked, 1);
    assert_has(&hook_script, "Authorization: Bearer late\r\n");
}

static void cancelled_attempts_wait_for_no_token(void **state)
{
    struct destination destination = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    struct attempt_handle *first = start(&attempt, 0);
    start(&attempt, 1);
    first->adapter->cancel(first);
    wait_for(0);
    while (!results[1].done)
        event_base_loop(base, EVLOOP_ONCE);
    assert_false(results[0].done);
    assert_int_equal(results[1].kind, OUTCOME_DELIVERED);
    token_script = (struct script){.answers = {NULL}, .count = 1, .last = token_script.last};
    destination.scope = "never answered";
    struct attempt_handle *last = start(&attempt, 2);
    event_base_loop(base, EVLOOP_NONBLOCK);
    last->adapter->cancel(last); /* the request for its token goes on, and ends with the context */
}

static void the_token_endpoint_is_under_the_address_guard(void **state)
{
    struct destination destination = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    context.allow_private = false;
    assert_ends(&attempt, OUTCOME_REJECTED, "refused_address");
    assert_string_equal(results[0].text,
                        "the token endpoint: the address is refused: loopback (127.0.0.0/8)");
    assert_int_equal(token_script.asked, 0);
}

static void a_token_endpoint_that_is_away_defers(void **state)
{
    struct destination destination = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    destination.token_url = "http://127.0.0.1:1/token";
    assert_ends(&attempt, OUTCOME_DEFERRED, "connect");
    assert_non_null(strstr(results[0].text, "the token endpoint: "));
}

static void credentials_without_what_the_scheme_needs_wait_for_the_operator(void **state)
{
    static const struct secret nothing = {.username = (char *)"u"};
    static const struct {
        enum auth_scheme scheme;
        const char *text;
    } cases[] = {
        {AUTH_BASIC, "headers: auth: the credentials have no 'username' with 'password'"},
        {AUTH_BEARER, "headers: auth: the credentials have no 'token'"},
        {AUTH_API_KEY, "headers: auth: the credentials have no 'api_key'"},
        {AUTH_OAUTH2, "auth: the credentials have no 'client_id' with 'client_secret'"},
    };
    struct destination destination = guarded_by_tokens();
    struct attempt attempt = attempt_of(&destination);
    struct fault fault = {0};

    (void)state;
    attempt.secret = &nothing;
    destination.auth_header = "X-API-Key";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        destination.auth = cases[i].scheme;
        assert_ends(&attempt, OUTCOME_DEFERRED, "credentials");
        assert_string_equal(results[0].text, cases[i].text);
        assert_true(results[0].held);
        assert_int_equal(adapter_rest.check(&context, &destination, &nothing, &fault), -1);
        assert_int_equal(fault.class, FAULT_CONFIG);
        assert_string_equal(fault.text, cases[i].text);
    }
    destination.auth = AUTH_PLAIN;
    destination.headers = json_pack("{s:s}", "X-Key", "{token}");
    assert_ends(&attempt, OUTCOME_DEFERRED, "credentials");
    assert_int_equal(adapter_rest.check(&context, &destination, &nothing, &fault), -1);
    assert_non_null(strstr(fault.text, "{token} has no value"));
    json_decref(destination.headers);
    assert_int_equal(token_script.asked + hook_script.asked, 0);
}

static void a_check_asks_for_a_token_and_sends_nothing(void **state)
{
    struct destination destination = guarded_by_tokens();
    struct fault fault = {0};

    (void)state;
    assert_int_equal(adapter_rest.check(&context, &destination, &client, &fault), 0);
    assert_int_equal(token_script.asked, 1);
    assert_int_equal(hook_script.asked, 0);
    free(token_script.last);
    token_script = script_of("HTTP/1.1 401 Unauthorized\r\n\r\n{\"error\":\"invalid_client\"}");
    destination.scope = "other";
    assert_int_equal(adapter_rest.check(&context, &destination, &client, &fault), -1);
    assert_string_equal(fault.text, "the token endpoint answered HTTP 401: invalid_client");
}

/* Other schemes */

static void schemes_send_their_secret_where_it_belongs(void **state)
{
    const struct secret plain = {.token = (char *)"tok", .password = (char *)"tok"};
    const struct secret members = {
        .api_key = (char *)"key", .token = (char *)"tok", .username = (char *)"u", .password = (char *)"p"};
    struct destination destination = hook();
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    attempt.secret = &plain;
    destination.auth = AUTH_BEARER;
    assert_delivers(&attempt);
    assert_string_equal(field("Authorization"), "Bearer tok");
    destination.auth = AUTH_API_KEY;
    destination.auth_header = "X-API-Key";
    assert_delivers(&attempt);
    assert_string_equal(field("X-API-Key"), "tok");
    assert_string_equal(field("Authorization"), "");
    attempt.secret = &members;
    assert_delivers(&attempt);
    assert_string_equal(field("X-API-Key"), "key");
    destination.auth = AUTH_BASIC;
    assert_delivers(&attempt);
    assert_string_equal(field("Authorization"), "Basic dTpw");
    assert_string_equal(field("X-API-Key"), "");
}

/* Signatures and traces */

static void every_attempt_is_signed_with_its_own_time(void **state)
{
    struct signing_keys keys;
    struct destination destination = hook();
    struct attempt attempt = attempt_of(&destination);
    struct buf wanted;

    (void)state;
    assert_int_equal(signing_keys_parse(KEY "\n" KEY, &keys, NULL), 0);
    attempt.signing = &keys;
    int64_t before_s = clock_wall_us() / 1000000;
    assert_delivers(&attempt);
    assert_string_equal(field("webhook-id"), attempt.message_id);
    int64_t time_s = strtoll(field("webhook-timestamp"), NULL, 10);
    assert_in_range(time_s, before_s, before_s + 10);
    buf_init(&wanted, SIGNING_MAX);
    signing_sign(&keys, 1, attempt.message_id, time_s, attempt.body, attempt.body_size, &wanted, NULL);
    assert_string_equal(field("webhook-signature"), wanted.data);
    assert_non_null(strchr(wanted.data, ' '));
    buf_release(&wanted);
    keys.items[0].until_us = keys.items[1].until_us = 1;
    assert_ends(&attempt, OUTCOME_DEFERRED, "credentials");
    assert_string_equal(results[0].text, "headers: signing: the time of every key is over");
    keys.items[0].until_us = 0;
    attempt.message_id = "a.b";
    assert_ends(&attempt, OUTCOME_REJECTED, "configuration");
    attempt.signing = NULL;
    assert_delivers(&attempt);
    assert_string_equal(field("webhook-id"), "");
    assert_string_equal(field("webhook-signature"), "");
}

static void attempts_of_a_distribution_are_in_one_trace(void **state)
{
    static const char given[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    static const char *const wrong[] = {
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "",
    };
    struct destination destination = hook();
    struct attempt attempt = attempt_of(&destination);
    char first[56];

    (void)state;
    assert_delivers(&attempt);
    snprintf(first, sizeof first, "%s", field("traceparent"));
    assert_int_equal(strlen(first), 55);
    assert_int_equal(strncmp(first, "00-", 3), 0);
    assert_string_equal(first + 52, "-01");
    attempt.number = 2;
    assert_delivers(&attempt);
    assert_int_equal(strncmp(field("traceparent"), first, 35), 0); /* the trace, and another parent */
    assert_int_not_equal(strncmp(field("traceparent") + 36, first + 36, 16), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        attempt.traceparent = wrong[i];
        assert_delivers(&attempt);
        assert_int_equal(strncmp(field("traceparent"), first, 35), 0);
    }
    attempt.traceparent = given;
    assert_delivers(&attempt);
    assert_int_equal(strncmp(field("traceparent"), given, 36), 0);
    assert_int_not_equal(strncmp(field("traceparent") + 36, given + 36, 16), 0);
    assert_string_equal(field("traceparent") + 52, "-00");
    attempt.traceparent = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more";
    assert_delivers(&attempt);
    assert_int_equal(strncmp(field("traceparent"), given, 35), 0);
}

/* The proxy */

static char proxy_url[60];

static struct destination through_proxy(const char *to)
{
    struct destination destination = hook();

    snprintf(proxy_url, sizeof proxy_url, "http://127.0.0.1:%d", port);
    destination.endpoint = to;
    destination.proxy = proxy_url;
    return destination;
}

static void a_proxy_is_asked_for_a_name_that_nobody_looks_up_here(void **state)
{
    struct destination destination = through_proxy("http://never.invalid/hook");
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    context.allow_private = false; /* the proxy itself is the operator's choice */
    assert_delivers(&attempt);
    assert_has(&proxy_script, "POST http://never.invalid/hook HTTP/1.1\r\n");
    assert_has(&proxy_script, "\r\n\r\n{\"test\": 2432232314}");
}

static void addresses_are_guarded_before_the_proxy_gets_them(void **state)
{
    static const char *const private[] = {
        "http://127.0.0.1/",  "http://2130706433/",        "http://0x7f.1/",
        "http://[::1]/",      "https://10.0.0.1/",         "http://[::ffff:10.0.0.1]/",
        "http://localhost/",  "http://x.LOCALHOST./",      "http://169.254.169.254/latest",
        "http://127.0.0.1./", "http://169.254.169.254../", "http://0x7f.1./",
    };

    (void)state;
    context.allow_private = false;
    for (size_t i = 0; i < sizeof private / sizeof *private; i++) {
        struct destination destination = through_proxy(private[i]);
        struct attempt attempt = attempt_of(&destination);
        assert_ends(&attempt, OUTCOME_REJECTED, "refused_address");
    }
    assert_int_equal(proxy_script.asked, 0);
    struct destination public = through_proxy("http://8.8.8.8/");
    struct attempt attempt = attempt_of(&public);
    assert_delivers(&attempt);
    assert_int_equal(proxy_script.asked, 1);
}

static void the_operators_lists_are_asked_before_the_proxy_is(void **state)
{
    static const struct {
        const char *url;
        bool open;
    } cases[] = {
        {"http://8.8.8.8/", false},      {"http://134744072/", false}, {"http://[::ffff:8.8.8.8]/", false},
        {"http://8.8.8.8:8080/", true},  {"http://10.1.2.3/", true},   {"http://10.1.2.3:81/", false},
        {"http://never.invalid/", true}, /* which the proxy looks up */
    };
    struct guard_lists *lists = guard_lists_new(NULL);
    int asked = 0;

    (void)state;
    assert_int_equal(guard_lists_add(lists, GUARD_DENY, "8.8.8.8:80", NULL), 0);
    assert_int_equal(guard_lists_add(lists, GUARD_ALLOW, "10.1.0.0/16:80", NULL), 0);
    context.allow_private = false;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct destination destination = through_proxy(cases[i].url);
        struct attempt attempt = attempt_of(&destination);
        attempt.networks = lists;
        if (cases[i].open)
            assert_delivers(&attempt);
        else
            assert_ends(&attempt, OUTCOME_REJECTED, "refused_address");
        asked += cases[i].open;
        assert_int_equal(proxy_script.asked, asked);
    }
    guard_lists_unref(lists);
}

static void what_is_refused_to_one_tenant_fails_no_other(void **state)
{
    struct destination destination = guarded_by_tokens();
    struct attempt open = attempt_of(&destination), closed = attempt_of(&destination);
    struct guard_lists *lists = guard_lists_new(NULL);

    (void)state;
    assert_int_equal(guard_lists_add(lists, GUARD_DENY, "127.0.0.0/8", NULL), 0);
    closed.networks = lists;
    assert_ends(&closed, OUTCOME_REJECTED, "refused_address");
    assert_delivers(&open);
    assert_ends(&closed, OUTCOME_REJECTED, "refused_address"); /* another's token is not its own */
    assert_int_equal(token_script.asked, 1);
    guard_lists_unref(lists);
}

static void tls_goes_through_the_proxy_as_a_tunnel(void **state)
{
    struct destination destination = through_proxy("https://never.invalid:8443/hook");
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    destination.http_version = "2";
    free(proxy_script.last);
    proxy_script = script_of("HTTP/1.1 403 Forbidden\r\n\r\nnot there");
    assert_ends(&attempt, OUTCOME_DEFERRED, "connect");
    assert_has(&proxy_script, "CONNECT never.invalid:8443 HTTP/1.1\r\n");
    assert_null(strstr(proxy_script.last, "2432232314"));
}

static void a_proxy_that_is_away_defers(void **state)
{
    struct destination destination = through_proxy("http://never.invalid/hook");
    struct attempt attempt = attempt_of(&destination);

    (void)state;
    destination.proxy = "socks5h://127.0.0.1:1";
    assert_ends(&attempt, OUTCOME_DEFERRED, "connect");
    destination.proxy = "http://proxy.invalid:3128";
    assert_ends(&attempt, OUTCOME_DEFERRED, "connect");
}

static void the_setting_holds_unless_the_destination_says_otherwise(void **state)
{
    struct destination destination = hook();
    struct attempt attempt = attempt_of(&destination);
    struct fault fault = {0};

    (void)state;
    adapter_context_release(&context);
    char *proxy = xasprintf("http://127.0.0.1:%d", port);
    assert_int_equal(adapter_context_init(&context, base, true, proxy, NULL), 0);
    free(proxy);
    assert_delivers(&attempt);
    assert_int_equal(proxy_script.asked, 1);
    assert_int_equal(hook_script.asked, 0);
    destination.proxy = "direct";
    assert_delivers(&attempt);
    assert_int_equal(proxy_script.asked, 1);
    assert_int_equal(hook_script.asked, 1);
    struct adapter_context other;
    assert_int_equal(adapter_context_init(&other, base, true, "http://u:hunter2@p:1", &fault), -1);
    assert_int_equal(fault.class, FAULT_CONFIG);
    assert_string_equal(
        fault.text, "DIST_PROXY: a proxy is http://host:port, https or socks5h, without a user and a path");
    assert_int_equal(adapter_context_init(&other, base, true, "ftp://p", &fault), -1);
    assert_int_equal(adapter_context_init(&other, base, true, "p:3128", &fault), -1);
    assert_int_equal(adapter_context_init(&other, base, true, "socks5h://p:1080/", &fault), 0);
    adapter_context_release(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_token_is_fetched_once_and_used_for_all),
        TEST(the_client_can_be_in_the_body),
        TEST(a_refused_token_is_replaced_once),
        TEST(a_destination_that_refuses_every_token_is_asked_twice),
        TEST(a_401_without_tokens_is_no_reason_to_ask_again),
        TEST(a_token_is_given_up_before_its_end),
        TEST(other_clients_and_scopes_have_other_tokens),
        TEST(tokens_of_one_tenant_make_no_room_for_anothers),
        TEST(what_the_token_endpoint_says_wrongly_defers),
        TEST(a_busy_token_endpoint_says_when_to_come_back),
        TEST(a_token_endpoint_that_hangs_ends_each_wait_by_its_deadline),
        TEST(a_shared_request_outlives_who_asked_first),
        TEST(cancelled_attempts_wait_for_no_token),
        TEST(the_token_endpoint_is_under_the_address_guard),
        TEST(a_token_endpoint_that_is_away_defers),
        TEST(credentials_without_what_the_scheme_needs_wait_for_the_operator),
        TEST(a_check_asks_for_a_token_and_sends_nothing),
        TEST(schemes_send_their_secret_where_it_belongs),
        TEST(every_attempt_is_signed_with_its_own_time),
        TEST(attempts_of_a_distribution_are_in_one_trace),
        TEST(a_proxy_is_asked_for_a_name_that_nobody_looks_up_here),
        TEST(addresses_are_guarded_before_the_proxy_gets_them),
        TEST(the_operators_lists_are_asked_before_the_proxy_is),
        TEST(what_is_refused_to_one_tenant_fails_no_other),
        TEST(tls_goes_through_the_proxy_as_a_tunnel),
        TEST(a_proxy_that_is_away_defers),
        TEST(the_setting_holds_unless_the_destination_says_otherwise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
