/*
 * oauth2 - see oauth2.h
 *
 *   unknown --(ask)--> asked for: everybody waits --> known --> shortly before its end, or refused: unknown
 *
 * The one hard rule: whatever the endpoint says, its waits end, each once, and by its own deadline. The
 * request is nobody's: it has a time of its own, and outlives whoever asked first.
 */
#include "oauth2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <event2/event.h>
#include "ceilings.h"
#include "clock.h"
#include "digest.h"
#include "http.h"
#include "http_event.h"
#include "json.h"
#include "strmap.h"
#include "text.h"
#include "xalloc.h"

enum {
    REQUEST_MAX = 4 * LIMIT_SECRET + 8 * 1024,
    ANSWER_MAX = 64 * 1024,
    LIFE_MAX_S = 365 * 24 * 3600,
};

LIST_HEAD(token_waits, token_wait);

struct token {
    struct tokens *tokens;
    char key[DIGEST_TEXT_SIZE];
    char *tenant;  /* of the destination, or NULL: a configured one's */
    uint64_t used; /* when, in askings */
    char *text;    /* NULL: unknown */
    int64_t until_ms;
    struct http_transfer *transfer; /* while it is asked for, with this body */
    struct buf body;
    struct token_waits waits;
};

struct token_wait {
    LIST_ENTRY(token_wait) link;
    struct event *event; /* its deadline, or the next turn of the loop where the token is known */
    char *known;         /* a copy of it then */
    token_done done;
    void *arg;
};

struct tokens {
    struct event_base *base;
    struct http *http;
    struct strmap map;
    uint64_t askings;
};

static void token_wipe_body(struct token *token)
{
    if (token->body.cap)
        explicit_bzero(token->body.data, token->body.cap);
    buf_release(&token->body);
}

static void token_forget(struct token *token)
{
    secret_wipe(token->text);
    token->text = NULL;
}

static void wait_free(struct token_wait *wait)
{
    LIST_REMOVE(wait, link);
    event_free(wait->event);
    secret_wipe(wait->known);
    free(wait);
}

static void token_free(void *value)
{
    struct token *token = value;

    if (token->transfer)
        http_cancel(token->transfer);
    while (!LIST_EMPTY(&token->waits))
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what is freed leaves the list */
        wait_free(LIST_FIRST(&token->waits));
    token_forget(token);
    token_wipe_body(token);
    free(token->tenant);
    free(token);
}

struct tokens *tokens_new(struct event_base *base, struct http *http)
{
    struct tokens *tokens = xcalloc(1, sizeof *tokens);

    tokens->base = base;
    tokens->http = http;
    strmap_init(&tokens->map);
    return tokens;
}

void tokens_free(struct tokens *tokens)
{
    if (!tokens)
        return;
    strmap_release(&tokens->map, token_free);
    free(tokens);
}

/* Which token it is */

static void add_part(struct buf *all, const char *part)
{
    buf_addf(all, "%zu:%s,", part ? strlen(part) : 0, part ? part : "");
}

static void key_of(const struct token_request *request, char key[DIGEST_TEXT_SIZE])
{
    const struct destination *to = request->destination;
    char networks[DIGEST_TEXT_SIZE];
    guard_lists_key(request->guard.lists, networks); /* what is refused to one is not to fail another */
    const char *const parts[] = {to->token_url,
                                 to->scope,
                                 to->audience,
                                 to->tenant,
                                 to->ca_file,
                                 to->cert_file,
                                 to->key_file,
                                 request->proxy,
                                 request->secret->client_id,
                                 request->secret->client_secret,
                                 networks};
    struct buf all;

    buf_init(&all, REQUEST_MAX + 8 * LIMIT_URL);
    buf_addf(&all, "%d%d", request->guard.allow_private, to->client_in_body);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        add_part(&all, parts[i]);
    digest_sha256(all.data, all.len, key);
    explicit_bzero(all.data, all.cap);
    buf_release(&all);
}

/*
 * Room is made by one that nobody waits for: by one that is over; else by the one of the asker's tenant that
 * was not used for longest, so that nobody pushes out what is another's; else by the one of all.
 */
struct eviction {
    const char *tenant;
    int64_t now_ms;
    const struct token *over, *own, *any;
};

static bool is_of(const struct token *token, const char *tenant)
{
    return token->tenant && tenant ? strcmp(token->tenant, tenant) == 0 : token->tenant == tenant;
}

static bool is_older(const struct token *token, const struct token *than)
{
    return !than || token->used < than->used;
}

static void look_at(const char *key, void *value, void *arg)
{
    const struct token *token = value;
    struct eviction *eviction = arg;

    (void)key;
    if (token->transfer || !LIST_EMPTY(&token->waits))
        return;
    if (!token->text || token->until_ms <= eviction->now_ms)
        eviction->over = token;
    if (is_of(token, eviction->tenant) && is_older(token, eviction->own))
        eviction->own = token;
    if (is_older(token, eviction->any))
        eviction->any = token;
}

static void make_room(struct tokens *tokens, const char *tenant)
{
    struct eviction eviction = {.tenant = tenant, .now_ms = clock_mono_ms()};

    if (tokens->map.count < TOKENS_MAX)
        return;
    strmap_each(&tokens->map, look_at, &eviction);
    const struct token *gone = eviction.over ? eviction.over : eviction.own ? eviction.own : eviction.any;
    if (gone)
        token_free(strmap_remove(&tokens->map, gone->key));
}

static struct token *token_of(struct tokens *tokens, const struct token_request *request)
{
    char key[DIGEST_TEXT_SIZE];

    key_of(request, key);
    struct token *token = strmap_get(&tokens->map, key);
    if (token) {
        token->used = ++tokens->askings;
        return token;
    }
    make_room(tokens, request->destination->tenant);
    token = xcalloc(1, sizeof *token);
    token->tokens = tokens;
    token->tenant = xstrdup_null(request->destination->tenant);
    token->used = ++tokens->askings;
    memcpy(token->key, key, sizeof key);
    LIST_INIT(&token->waits);
    strmap_put(&tokens->map, key, token);
    return token;
}

/* The answer */

/* RFC 6750 2.1 in spirit: what a header's value can carry, without blanks. */
static bool is_token_text(const char *text)
{
    size_t size = 0;

    while (text[size] > ' ' && text[size] < 0x7f)
        size++;
    return size > 0 && size <= TOKEN_SIZE_MAX && text[size] == '\0';
}

/* A number of seconds, also as a text, as some servers have it. */
static int64_t life_of(const json_t *answer)
{
    const json_t *member = json_object_get(answer, "expires_in");
    double seconds = json_is_number(member) ? json_number_value(member) : TOKEN_LIFE_S;
    char *end;

    if (json_is_string(member)) {
        seconds = strtod(json_string_value(member), &end);
        if (*end || end == json_string_value(member))
            seconds = TOKEN_LIFE_S;
    }
    if (!(seconds >= 0))
        return 0;
    return (int64_t)((seconds < LIFE_MAX_S ? seconds : LIFE_MAX_S) * 1000);
}

static const char *take_token(struct token *token, const json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "access_token"));
    const char *type = json_string_value(json_object_get(answer, "token_type"));

    if (!text || !is_token_text(text))
        return "its answer has no usable access_token";
    if (!type || strcasecmp(type, "Bearer") != 0)
        return "its answer is no token of the type Bearer";
    int64_t life_ms = life_of(answer);
    int64_t lead_ms = life_ms / 10 < TOKEN_LEAD_MS ? life_ms / 10 : TOKEN_LEAD_MS;
    token_forget(token);
    token->text = xstrdup(text);
    token->until_ms = clock_mono_ms() + life_ms - lead_ms;
    return NULL;
}

/* The error of RFC 6749 5.2 is a word; a text that may repeat what was sent is not. */
static const char *error_word(const json_t *answer)
{
    const char *word = json_string_value(json_object_get(answer, "error"));

    return word && strlen(word) <= 60 && strspn(word, "abcdefghijklmnopqrstuvwxyz_") == strlen(word) ? word
                                                                                                     : NULL;
}

static void wipe_answer(struct http_response *response, json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "access_token"));

    if (text) /* jansson's own memory, which it lends as const */
        explicit_bzero((char *)text, strlen(text));
    if (response->body.cap)
        explicit_bzero(response->body.data, response->body.cap);
    json_decref(answer);
}

static void judge(struct token *token, struct http_response *response, struct token_answer *out)
{
    static const char from[] = "the token endpoint";
    const char *mistake, *word;

    *out = (struct token_answer){.event = EVENT_TOKEN, .retry_after_ms = -1};
    if (response->result != HTTP_ANSWERED) {
        out->event = http_event(response->result);
        snprintf(out->text, sizeof out->text, "%s: %.200s", from, response->text);
        return;
    }
    json_t *answer = json_read(response->body.data, response->body.len, NULL);
    if (response->status == 200) {
        mistake = take_token(token, answer);
        if (mistake)
            snprintf(out->text, sizeof out->text, "%s: %s", from, mistake);
    } else {
        word = error_word(answer);
        out->retry_after_ms = response->retry_after_ms;
        snprintf(out->text, sizeof out->text, "%s answered HTTP %d%s%s", from, response->status,
                 word ? ": " : "", word ? word : "");
    }
    wipe_answer(response, answer);
}

/* All that wait now; whoever asks from inside of a `done` waits for the next answer. */
static void on_answer(void *arg, struct http_response *response)
{
    struct token *token = arg;
    struct token_waits waits = LIST_HEAD_INITIALIZER(waits);
    struct token_answer answer;
    struct token_wait *wait;

    token->transfer = NULL;
    token_wipe_body(token);
    judge(token, response, &answer);
    char *text = *answer.text ? NULL : xstrdup(token->text); /* a `done` may refuse it */
    answer.token = text;
    while ((wait = LIST_FIRST(&token->waits))) {
        LIST_REMOVE(wait, link);
        LIST_INSERT_HEAD(&waits, wait, link);
    }
    while ((wait = LIST_FIRST(&waits))) {
        token_done done = wait->done;
        void *done_arg = wait->arg;
        wait_free(wait);
        done(done_arg, &answer);
    }
    secret_wipe(text);
}

/* The request */

static void add_field(struct buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    buf_addf(out, "%s%s=", out->len ? "&" : "", name);
    text_add_url(out, value, "");
}

/* RFC 6749 2.3.1: both are encoded as in a form before they become a user name and a password. */
static char *authorization_of(const struct secret *secret)
{
    struct buf pair, line;

    buf_init(&pair, REQUEST_MAX);
    buf_init(&line, 2 * REQUEST_MAX);
    text_add_url(&pair, secret->client_id, "");
    buf_addc(&pair, ':');
    text_add_url(&pair, secret->client_secret, "");
    buf_adds(&line, "Authorization: Basic ");
    text_add_base64(&line, pair.data, pair.len);
    char *text = xmemdupz(line.data, line.len);
    explicit_bzero(pair.data, pair.cap);
    explicit_bzero(line.data, line.cap);
    buf_release(&pair);
    buf_release(&line);
    return text;
}

static void ask_endpoint(struct token *token, const struct token_request *request)
{
    const struct destination *to = request->destination;
    struct buf *body = &token->body;
    char *authorization = to->client_in_body ? NULL : authorization_of(request->secret);
    const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                   "Accept: application/json", authorization, NULL};
    bool tls = strncasecmp(to->token_url, "https:", 6) == 0;

    buf_init(body, REQUEST_MAX);
    add_field(body, "grant_type", "client_credentials");
    add_field(body, "scope", to->scope);
    add_field(body, "audience", to->audience);
    add_field(body, "client_id", to->client_in_body ? request->secret->client_id : NULL);
    add_field(body, "client_secret", to->client_in_body ? request->secret->client_secret : NULL);
    const struct http_request call = {
        .method = "POST",
        .url = to->token_url,
        .headers = headers,
        .body = body->data,
        .body_size = body->len,
        .timeout_ms = TOKEN_FETCH_MS,
        .guard = request->guard,
        .proxy = request->proxy,
        .ca_file = tls ? to->ca_file : NULL,
        .cert_file = tls ? to->cert_file : NULL,
        .key_file = tls ? to->key_file : NULL,
        .max_response = ANSWER_MAX,
    };

    token->transfer = http_start(token->tokens->http, &call, on_answer, token);
    secret_wipe(authorization);
}

/* Waiting */

static void on_wait(evutil_socket_t fd, short what, void *arg)
{
    struct token_wait *wait = arg;
    struct token_answer answer = {.event = EVENT_TIMEOUT, .retry_after_ms = -1};
    token_done done = wait->done;
    void *done_arg = wait->arg;
    char *known = wait->known;

    (void)fd;
    (void)what;
    wait->known = NULL;
    if (!known)
        snprintf(answer.text, sizeof answer.text, "the token endpoint: no answer in time");
    answer.token = known;
    wait_free(wait);
    done(done_arg, &answer);
    secret_wipe(known);
}

struct token_wait *tokens_ask(struct tokens *tokens, const struct token_request *request, token_done done,
                              void *arg)
{
    struct token *token = token_of(tokens, request);
    struct token_wait *wait = xcalloc(1, sizeof *wait);
    int64_t now_ms = clock_mono_ms(), left_ms = request->deadline_ms - now_ms;
    struct timeval when = {0};

    *wait = (struct token_wait){.done = done, .arg = arg};
    LIST_INSERT_HEAD(&token->waits, wait, link);
    if (token->text && token->until_ms > now_ms)
        wait->known = xstrdup(token->text);
    else if (left_ms > 0)
        when = (struct timeval){.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    wait->event = evtimer_new(tokens->base, on_wait, wait);
    if (!wait->event || evtimer_add(wait->event, &when) < 0)
        abort(); /* libevent is out of memory, as in xalloc */
    if (!wait->known && !token->transfer && left_ms > 0)
        ask_endpoint(token, request);
    return wait;
}

void tokens_cancel(struct token_wait *wait)
{
    wait_free(wait);
}

void tokens_refuse(struct tokens *tokens, const struct token_request *request, const char *refused)
{
    struct token *token = token_of(tokens, request);

    if (token->text && strcmp(token->text, refused) == 0)
        token_forget(token);
}
