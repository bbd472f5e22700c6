/*
 * rules_engine - see rules_engine.h
 *
 * All questions of a call are asked side by side, in a loop of its own that ends with the call. The one hard
 * rule: a question has rules, or is left to those of files, or has a reason; there is no fourth way.
 */
#include "rules_engine.h"

#include <stdlib.h>
#include <string.h>
#include <event2/event.h>

#include "answers.h"
#include "ceilings.h"
#include "clock.h"
#include "digest.h"
#include "http.h"
#include "json.h"
#include "text.h"
#include "xalloc.h"

static const char rule_name[] = "rules-engine", origin[] = "RULES_ENGINE_URL";

const char *const engine_absent_names[ENGINE_ABSENT_COUNT + 1] = {
    [ENGINE_LAST] = "last",
    [ENGINE_REFUSE] = "refuse",
    [ENGINE_WAIT] = "wait",
};

struct rules_engine {
    char *url, *authorization; /* the header's line, or NULL */
    int64_t timeout_ms, cache_ms;
    bool payload, allow_private;
    enum engine_absent absent;
    struct event_base *base;
    struct http *http;
    struct answers answers; /* by the digest of what is alike */
    int failures;           /* in a row */
    int64_t paused_until_ms;
    struct fault why; /* of the last absence */
    bool away, told;  /* what the last question found, and what was told of that */
};

static int check_url(const char *url, struct fault *fault)
{
    const char *host = text_starts_with(url, "http://")    ? url + strlen("http://")
                       : text_starts_with(url, "https://") ? url + strlen("https://")
                                                           : "";
    size_t size = strcspn(host, "/?#");

    if (!size || strlen(url) > LIMIT_URL)
        return fault_set(fault, FAULT_CONFIG, "%s: an http or https URL is wanted", origin);
    if (memchr(host, '@', size))
        return fault_set(fault, FAULT_CONFIG,
                         "%s: a user and a password belong into RULES_ENGINE_CREDENTIALS, not into the URL",
                         origin);
    return 0;
}

static char *authorization_of(const struct secret *secret)
{
    struct buf line;
    char *pair, *copy;

    if (!secret || !(secret->token || (secret->username && secret->password)))
        return NULL;
    buf_init(&line, 4 * LIMIT_SECRET);
    if (secret->username && secret->password) {
        pair = xasprintf("%s:%s", secret->username, secret->password);
        buf_adds(&line, "Authorization: Basic ");
        text_add_base64(&line, pair, strlen(pair));
        secret_wipe(pair);
    } else {
        buf_addf(&line, "Authorization: Bearer %s", secret->token);
    }
    copy = xmemdupz(line.data, line.len);
    explicit_bzero(line.data, line.len);
    buf_release(&line);
    return copy;
}

struct rules_engine *rules_engine_new(const struct rules_engine_config *config, struct fault *fault)
{
    struct rules_engine *engine;

    if (check_url(config->url, fault) < 0)
        return NULL;
    engine = xcalloc(1, sizeof *engine);
    engine->url = xstrdup(config->url);
    engine->authorization = authorization_of(config->secret);
    engine->timeout_ms = config->timeout_ms;
    engine->cache_ms = config->cache_ms;
    engine->payload = config->payload;
    engine->allow_private = config->allow_private;
    engine->absent = config->absent;
    answers_init(&engine->answers, ENGINE_ANSWERS_MAX, ENGINE_ANSWERS_BYTES);
    engine->base = event_base_new();
    if (!engine->base)
        fault_set(fault, FAULT_SYSTEM, "no event loop can be made");
    else
        engine->http = http_new(engine->base, ENGINE_CONNECTIONS, fault);
    if (engine->http)
        return engine;
    rules_engine_free(engine);
    return NULL;
}

void rules_engine_free(struct rules_engine *engine)
{
    if (!engine)
        return;
    http_free(engine->http);
    if (engine->base)
        event_base_free(engine->base);
    answers_release(&engine->answers);
    secret_wipe(engine->authorization);
    free(engine->url);
    free(engine);
}

bool rules_engine_wants_payload(const struct rules_engine *engine)
{
    return engine->payload;
}

/* --- an answer --- */

/* The first mistake, in the words of the answer: "/set/priority" of the rule is its "/priority". */
struct judging {
    struct fault *fault;
    bool any;
};

static void keep_mistake(void *arg, const struct rules_mistake *mistake)
{
    static const char to[] = "/to", set[] = "/set";
    struct judging *judging = arg;
    const char *path = mistake->path;

    if (judging->any)
        return;
    judging->any = true;
    if (text_starts_with(path, to))
        fault_set(judging->fault, FAULT_INPUT, "the rules engine's answer: /targets%s: %s", path + strlen(to),
                  mistake->text);
    else
        fault_set(judging->fault, FAULT_INPUT, "the rules engine's answer: %s: %s",
                  text_starts_with(path, set) ? path + strlen(set) : path, mistake->text);
}

/* The answer as a rule's form; the caller's. */
static json_t *form_of(const json_t *answer, struct fault *fault)
{
    static const char *const set[] = {"priority", "options", "metadata"};
    json_t *targets = json_object_get(answer, "targets"), *form, *values;

    if (!json_is_array(targets)) {
        fault_set(fault, FAULT_INPUT, "the rules engine's answer has no \"targets\", an array of names");
        return NULL;
    }
    /* It stops, so that an answer without a target says something too. */
    form = json_pack("{s:s, s:O, s:b}", "name", rule_name, "to", targets, "stop", 1);
    values = json_object();
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
        json_t *value = json_object_get(answer, set[i]);
        if (value && !json_is_null(value))
            json_object_set(values, set[i], value);
    }
    if (json_object_size(values))
        json_object_set(form, "set", values);
    json_decref(values);
    return form;
}

/* NULL where the answer cannot be done. `text` has been found to be JSON. */
static struct rules *rules_of(const char *text, const struct catalog *catalog, struct fault *fault)
{
    const struct rule_checks checks = {.catalog = catalog};
    struct judging judging = {.fault = fault};
    json_t *answer = json_read(text, strlen(text), fault);
    json_t *form = answer ? form_of(answer, fault) : NULL;
    struct rules *rules = NULL;

    if (form) {
        char *rule = json_text(form);
        const struct rules_source source = {.origin = origin, .text = rule, .size = strlen(rule)};
        rules = rules_new(&source, 1, &checks, keep_mistake, &judging);
        free(rule);
    }
    json_decref(form);
    json_decref(answer);
    return rules;
}

/* --- asking --- */

struct asking;

struct question {
    struct asking *asking;
    struct engine_question *question;
    char alike[DIGEST_TEXT_SIZE];
    char *body;
    enum { OPEN, ANSWERED, UNFIT, ABSENT } state;
    char *answer; /* of ANSWERED */
};

struct asking {
    struct rules_engine *engine;
    struct question *items;
    size_t count, next, under_way;
    bool answered; /* one of these questions was: what is wrong with others is their own */
};

/* What does not make two questions different. */
static const char *const own[] = {"distribution_id", "id",        "idempotency_key", "replay_of",
                                  "submitted_at",    "timestamp", "expires_at",      "payload_size"};

static void digest_alike(const json_t *event, char hex[DIGEST_TEXT_SIZE])
{
    json_t *alike = json_copy((json_t *)event);

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        json_object_del(alike, own[i]);
    char *text = json_dumps(alike, JSON_COMPACT | JSON_SORT_KEYS);
    digest_sha256(text, text ? strlen(text) : 0, hex);
    free(text);
    json_decref(alike);
}

static void absent(struct question *item, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void absent(struct question *item, const char *format, ...)
{
    struct rules_engine *engine = item->asking->engine;
    char text[400];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    item->state = ABSENT;
    fault_set(&item->question->why, FAULT_TEMP, "the rules engine is absent: %s", text_printable(text));
    engine->why = item->question->why;
    if (++engine->failures >= ENGINE_FAILURES)
        engine->paused_until_ms = clock_mono_ms() + ENGINE_PAUSE_MS;
}

static void note_answer(struct asking *asking)
{
    asking->answered = true;
    asking->engine->failures = 0;
}

static void take_answer(struct question *item, const struct http_response *response)
{
    struct fault fault = {0};

    if (response->body.len > ENGINE_ANSWER_MAX) {
        absent(item, "its answer is larger than %d KiB", ENGINE_ANSWER_MAX / 1024);
        return;
    }
    json_t *value = json_read(response->body.data, response->body.len, &fault);
    if (!value) {
        absent(item, "its answer is no JSON: %s", fault.text);
        return;
    }
    json_decref(value);
    item->state = ANSWERED;
    item->answer = xmemdupz(response->body.data, response->body.len);
    note_answer(item->asking);
}

/* These are about the question; every other one is about the engine, the URL or the credentials. */
static bool is_refusal(int status)
{
    return status == 400 || status == 413 || status == 415 || status == 422;
}

static void start_next(struct asking *asking);

static void on_response(void *arg, struct http_response *response)
{
    struct question *item = arg;
    struct asking *asking = item->asking;

    asking->under_way--;
    if (response->result != HTTP_ANSWERED) {
        absent(item, "%s", response->text);
    } else if (response->status >= 200 && response->status < 300) {
        take_answer(item, response);
    } else if (is_refusal(response->status)) {
        item->state = UNFIT;
        fault_set(&item->question->why, FAULT_INPUT, "the rules engine refused it: HTTP %d",
                  response->status);
        note_answer(asking);
    } else {
        absent(item, "HTTP %d", response->status);
    }
    start_next(asking);
}

static void start(struct question *item)
{
    const struct rules_engine *engine = item->asking->engine;
    const char *const headers[] = {"Content-Type: application/json", "Accept: application/json",
                                   engine->authorization, NULL};
    const struct http_request request = {
        .method = "POST",
        .url = engine->url,
        .headers = headers,
        .body = item->body,
        .body_size = strlen(item->body),
        .timeout_ms = engine->timeout_ms,
        .guard = {.allow_private = engine->allow_private},
        .max_response = ENGINE_ANSWER_MAX + 1,
    };

    http_start(engine->http, &request, on_response, item);
    item->asking->under_way++;
}

/* An engine that has answered another one of these questions is there. */
static bool is_in_peace(const struct asking *asking)
{
    const struct rules_engine *engine = asking->engine;

    return !asking->answered && engine->failures >= ENGINE_FAILURES &&
           clock_mono_ms() < engine->paused_until_ms;
}

/* As many as may be under way; none while it is left in peace, and what is under way tells whether it is. */
static void start_next(struct asking *asking)
{
    struct rules_engine *engine = asking->engine;

    while (asking->next < asking->count && asking->under_way < ENGINE_CONNECTIONS) {
        const bool in_peace = is_in_peace(asking);
        if (in_peace && asking->under_way)
            return;
        struct question *item = &asking->items[asking->next++];
        if (item->state != OPEN)
            continue;
        if (in_peace) {
            item->state = ABSENT;
            item->question->why = engine->why;
            continue;
        }
        item->body = json_text(item->question->event);
        start(item);
    }
}

/* What is known needs no question. */
static void prepare(struct asking *asking, struct engine_question *questions, size_t count)
{
    struct rules_engine *engine = asking->engine;
    int64_t now_ms = clock_mono_ms(), at_ms;

    for (size_t i = 0; i < count; i++) {
        if (!questions[i].event)
            continue;
        struct question *item = &asking->items[asking->count++];
        item->asking = asking;
        item->question = &questions[i];
        digest_alike(questions[i].event, item->alike);
        const char *known = engine->cache_ms ? answers_get(&engine->answers, item->alike, &at_ms) : NULL;
        if (known && now_ms - at_ms < engine->cache_ms) {
            item->state = ANSWERED;
            item->answer = xstrdup(known);
        }
    }
}

/* --- what comes of it --- */

static void conclude_absent(struct rules_engine *engine, struct question *item, const struct catalog *catalog)
{
    struct engine_question *question = item->question;
    struct fault ignored = {0};
    int64_t at_ms;
    const char *last =
        engine->absent == ENGINE_LAST ? answers_get(&engine->answers, item->alike, &at_ms) : NULL;

    question->verdict = engine->absent == ENGINE_LAST   ? ENGINE_SAYS_RULES
                        : engine->absent == ENGINE_WAIT ? ENGINE_AWAITED
                                                        : ENGINE_UNROUTABLE;
    question->rules = last ? rules_of(last, catalog, &ignored) : NULL;
    if (!question->rules)
        return;
    question->verdict = ENGINE_ANSWERED;
    question->old = true;
}

static void conclude(struct rules_engine *engine, struct question *item, const struct catalog *catalog)
{
    struct engine_question *question = item->question;

    question->verdict = ENGINE_UNROUTABLE;
    if (item->state == ABSENT)
        conclude_absent(engine, item, catalog);
    if (item->state != ANSWERED)
        return;
    question->rules = rules_of(item->answer, catalog, &question->why);
    if (!question->rules)
        return;
    question->verdict = ENGINE_ANSWERED;
    if (item->body) /* asked just now; a kept one keeps its time */
        answers_put(&engine->answers, item->alike, item->answer, clock_mono_ms());
}

int rules_engine_ask(struct rules_engine *engine, const struct catalog *catalog,
                     struct engine_question *questions, size_t count, struct fault *fault)
{
    struct asking asking = {.engine = engine, .items = xcalloc(count, sizeof *asking.items)};
    bool asked = false, absent = false;

    prepare(&asking, questions, count);
    start_next(&asking);
    while (asking.under_way)
        event_base_loop(engine->base, EVLOOP_ONCE);
    for (size_t i = 0; i < asking.count; i++) {
        asked = asked || asking.items[i].body;
        absent = absent || asking.items[i].state == ABSENT;
        conclude(engine, &asking.items[i], catalog);
        free(asking.items[i].body);
        free(asking.items[i].answer);
    }
    free(asking.items);
    if (asked)
        engine->away = absent && !asking.answered;
    if (asking.answered) /* it is there, whichever answer came last */
        engine->failures = 0;
    if (!absent || engine->absent != ENGINE_WAIT)
        return 0;
    return fault_set(fault, FAULT_TEMP, "%s", engine->why.text);
}

bool rules_engine_ruling(const struct engine_question *question, struct rulebook_ruling *ruling)
{
    *ruling = (struct rulebook_ruling){.rules = question->rules};
    if (question->verdict == ENGINE_UNROUTABLE)
        ruling->refused = question->why.text;
    return question->verdict != ENGINE_SAYS_RULES;
}

enum engine_news rules_engine_news(struct rules_engine *engine, struct fault *why)
{
    if (engine->away == engine->told)
        return ENGINE_NO_NEWS;
    engine->told = engine->away;
    *why = engine->why;
    return engine->away ? ENGINE_IS_ABSENT : ENGINE_IS_BACK;
}
