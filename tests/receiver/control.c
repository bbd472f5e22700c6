#include "control.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct question {
    const char *path;
    char *header;
};

static int answer_ping(struct receiver *receiver, const struct question *question, struct evbuffer *out)
{
    (void)receiver;
    (void)question;
    return evbuffer_add_printf(out, "pong\n");
}

static int answer_count(struct receiver *receiver, const struct question *question, struct evbuffer *out)
{
    return evbuffer_add_printf(out, "%" PRIu64 "\n", record_count(receiver->record, question->path));
}

static int answer_distinct(struct receiver *receiver, const struct question *question, struct evbuffer *out)
{
    if (!question->header)
        return -1;
    return evbuffer_add_printf(out, "%" PRIu64 "\n",
                               record_distinct(receiver->record, question->path, question->header));
}

static int answer_requests(struct receiver *receiver, const struct question *question, struct evbuffer *out)
{
    return record_dump(receiver->record, question->path, out);
}

static int answer_reset(struct receiver *receiver, const struct question *question, struct evbuffer *out)
{
    (void)question;
    tallies_release(&receiver->tallies);
    return record_reset(receiver->record) < 0 ? -1 : evbuffer_add_printf(out, "ok\n");
}

static const struct control {
    const char *method;
    const char *name;
    const char *type;
    int (*answer)(struct receiver *receiver, const struct question *question, struct evbuffer *out);
} controls[] = {
    {"GET", "ping", "text/plain", answer_ping},
    {"GET", "count", "text/plain", answer_count},
    {"GET", "distinct", "text/plain", answer_distinct},
    {"GET", "requests", "application/x-ndjson", answer_requests},
    {"POST", "reset", "text/plain", answer_reset},
};

/* Cuts "a=b&c=d" in place. -1 for what is not known: a mistyped parameter must not answer another question.
 */
static int question_parse(struct question *question, char *query)
{
    while (query) {
        char *value = strsep(&query, "&"), *name = strsep(&value, "=");
        if (!value || percent_decode(value) < 0)
            return -1;
        if (strcmp(name, "path") == 0)
            question->path = value;
        else if (strcmp(name, "header") == 0)
            question->header = value;
        else
            return -1;
    }
    for (char *c = question->header; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return 0;
}

void control_answer(struct receiver *receiver, const struct request *request, struct behaviour *behaviour)
{
    struct question question = {.path = ""};
    char *copy = strdup(request->target + strlen("/_/")), *query = copy, *name = strsep(&query, "?");
    const struct control *control = NULL;

    for (size_t i = 0; copy && i < sizeof controls / sizeof *controls; i++)
        if (strcmp(controls[i].name, name) == 0)
            control = &controls[i];
    behaviour_refuse(behaviour, 200, "");
    evbuffer_drain(behaviour->body, evbuffer_get_length(behaviour->body));
    if (!control)
        behaviour_refuse(behaviour, 404, "no such question");
    else if (strcmp(control->method, request->method) != 0)
        behaviour_refuse(behaviour, 405, "wrong method");
    else if (question_parse(&question, query) < 0)
        behaviour_refuse(behaviour, 400, "parameters are path=PREFIX and header=NAME");
    else if (control->answer(receiver, &question, behaviour->body) < 0)
        behaviour_refuse(behaviour, 400, "could not be answered");
    else
        behaviour->type = control->type;
    free(copy);
}
