/*
 * crew_errand - one attempt on its thread: see crew.h
 *
 * It has copies of everything, because the attempt may be over, timed out or cancelled, while a library still
 * holds the body. They are wiped as far as they are secret.
 */
#include "crew_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ceilings.h"
#include "excerpt.h"
#include "xalloc.h"

struct errand *errand_new(const struct adapter *adapter, const struct attempt *attempt)
{
    struct errand *errand = xcalloc(1, sizeof *errand);
    struct attempt *own = &errand->attempt;

    *own = *attempt;
    errand->adapter = adapter;
    own->message_id = xstrdup_null(attempt->message_id);
    own->distribution_id = xstrdup_null(attempt->distribution_id);
    own->tenant_id = xstrdup_null(attempt->tenant_id);
    own->data_type = xstrdup_null(attempt->data_type);
    own->date = xstrdup_null(attempt->date);
    own->content_type = xstrdup_null(attempt->content_type);
    own->traceparent = xstrdup_null(attempt->traceparent);
    own->signing = NULL; /* no protocol with a thread signs */
    own->headers = attempt->headers ? json_deep_copy(attempt->headers) : NULL;
    own->body = attempt->body ? xmemdupz(attempt->body, attempt->body_size) : NULL;
    secret_copy(&errand->secret, attempt->secret);
    own->secret = attempt->secret ? &errand->secret : NULL;
    own->networks = NULL; /* the line has them */
    outcome_init(&errand->outcome);
    return errand;
}

void errand_free(struct errand *errand)
{
    const struct attempt *own = &errand->attempt;
    const void *const copies[] = {own->message_id, own->distribution_id, own->tenant_id, own->data_type,
                                  own->date,       own->content_type,    own->body,      own->traceparent};

    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++)
        free((void *)copies[i]);
    json_decref((json_t *)own->headers);
    secret_release(&errand->secret);
    outcome_release(&errand->outcome);
    free(errand);
}

const struct attempt *errand_attempt(const struct errand *errand)
{
    return &errand->attempt;
}

struct crew_line *errand_line(const struct errand *errand)
{
    return errand->line;
}

struct placeholders errand_placeholders(const struct errand *errand, bool with_secrets)
{
    return attempt_placeholders(&errand->attempt, with_secrets);
}

bool errand_is_awaited(const struct errand *errand)
{
    struct crew *crew = errand->line->crew;

    pthread_mutex_lock(&crew->mutex);
    bool awaited = errand->awaited;
    pthread_mutex_unlock(&crew->mutex);
    return awaited;
}

void errand_sent(struct errand *errand)
{
    errand->sent = true;
}

void errand_add_response(struct errand *errand, const void *data, size_t size)
{
    struct buf *response = &errand->outcome.response;
    size_t room = response->max - response->len;

    buf_add(response, data, size < room ? size : room);
}

/* What a destination says may repeat what it was told. */
static void mask(struct errand *errand, char text[sizeof errand->outcome.text])
{
    struct buf said;

    excerpt_mask_secret(&errand->outcome.response, errand->attempt.secret);
    buf_init(&said, sizeof errand->outcome.text);
    buf_add(&said, text, strlen(text));
    excerpt_mask_secret(&said, errand->attempt.secret);
    snprintf(text, sizeof errand->outcome.text, "%s", said.data);
    buf_release(&said);
}

/* To the loop. */
static void hand_back(struct errand *errand)
{
    struct crew_line *line = errand->line;
    struct crew *crew = line->crew;

    line->taken[errand->slot] = NULL;
    pthread_mutex_lock(&crew->mutex);
    errand->state = ERRAND_SET;
    if (errand->awaited)
        line->awaited--;
    if (TAILQ_EMPTY(&crew->set))
        crew_ring(crew);
    TAILQ_INSERT_TAIL(&crew->set, errand, link);
    pthread_mutex_unlock(&crew->mutex);
}

static void set(struct errand *errand, const struct answer *row, int code, const char *format,
                va_list arguments)
{
    char text[sizeof errand->outcome.text];

    vsnprintf(text, sizeof text, format, arguments);
    mask(errand, text);
    outcomes_apply(row, code, text, &errand->outcome);
    hand_back(errand);
}

void errand_set(struct errand *errand, const struct answer *row, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    set(errand, row, code, format, arguments);
    va_end(arguments);
}

void errand_set_event(struct errand *errand, enum outcome_event event, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    set(errand, outcomes_by_event(errand->adapter->outcomes, event), 0, format, arguments);
    va_end(arguments);
}

void errand_set_misconfigured(struct errand *errand, const char *what, const struct fault *fault)
{
    errand_set_event(errand, EVENT_CONFIGURATION, "%s: %s", what, fault->text);
}

void crew_refuse(const struct crew_call *call, enum outcome_event event, const char *format, ...)
{
    va_list arguments;

    *call->refusal = (struct refusal){.event = event};
    va_start(arguments, format);
    vsnprintf(call->refusal->text, sizeof call->refusal->text, format, arguments);
    va_end(arguments);
}

void crew_refuse_by(const struct crew_call *call, const struct answer *row, int code, const char *format, ...)
{
    va_list arguments;

    *call->refusal = (struct refusal){.row = row, .code = code};
    va_start(arguments, format);
    vsnprintf(call->refusal->text, sizeof call->refusal->text, format, arguments);
    va_end(arguments);
}
