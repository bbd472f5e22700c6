/*
 * exec_result - see exec_result.h
 */
#include "exec_result.h"

#include <stdio.h>
#include "json.h"
#include "text.h"

enum { CODE_MOST = 999999 };

static const int64_t retry_most_ms = (int64_t)30 * 24 * 60 * 60 * 1000; /* 30 days */

/* In the order of the events. */
static const char *const words[] = {"delivered", "deferred", "rejected", NULL};
static const enum outcome_event events[] = {EVENT_SAID_DELIVERED, EVENT_SAID_DEFERRED, EVENT_SAID_REJECTED};

static int read_members(const json_t *object, struct exec_result *result, struct fault *fault)
{
    const char *outcome = NULL, *reason = "", *text = "";
    int64_t code = -1, retry_after_ms = -1;
    const struct json_field fields[] = {
        {.name = "outcome", .kind = JSON_KIND_WORD, .required = true, .target = &outcome, .words = words},
        {.name = "reason", .kind = JSON_KIND_STRING, .target = &reason, .max = EXEC_REASON_MAX},
        {.name = "retry_after", .kind = JSON_KIND_SECONDS, .target = &retry_after_ms, .max = retry_most_ms},
        {.name = "code", .kind = JSON_KIND_INT, .target = &code, .max = CODE_MOST},
        {.name = "text", .kind = JSON_KIND_STRING, .target = &text},
        {0},
    };

    if (json_fields(object, "", fields, fault) < 0)
        return -1;
    for (size_t i = 0; words[i]; i++)
        if (outcome == words[i])
            result->event = events[i];
    snprintf(result->text, sizeof result->text, "%s%s%.*s", reason, *reason && *text ? ": " : "",
             EXEC_TEXT_MAX, text);
    text_printable(result->text);
    result->code = (int)code;
    result->retry_after_ms = retry_after_ms;
    return 0;
}

int exec_result_read(const char *said, size_t size, struct exec_result *result, struct fault *fault)
{
    json_t *object;
    int status;

    *result = (struct exec_result){.code = -1, .retry_after_ms = -1};
    if (size > EXEC_RESULT_MAX)
        return fault_set(fault, FAULT_INPUT, "it is larger than %d bytes", EXEC_RESULT_MAX);
    object = json_read(said, size, fault);
    if (!object)
        return -1;
    status = read_members(object, result, fault);
    json_decref(object);
    return status;
}
