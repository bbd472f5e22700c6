/*
 * outcome - see the header; an outcome that nobody sets says deferred: it never counts as delivered
 */
#include <stdarg.h>
#include "ceilings.h"
#include "outcome.h"
#include "text.h"

const char *const outcome_kind_names[] = {"delivered", "deferred", "rejected", NULL};

void outcome_init(struct outcome *outcome)
{
    *outcome = (struct outcome){.kind = OUTCOME_DEFERRED, .retry_after_ms = -1, .reason = "unknown"};
    buf_init(&outcome->response, LIMIT_RESPONSE);
}

void outcome_release(struct outcome *outcome)
{
    if (outcome)
        buf_release(&outcome->response);
}

void outcome_set(struct outcome *outcome, enum outcome_kind kind, int code, const char *reason,
                 const char *format, ...)
{
    char text[4 * sizeof outcome->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    outcome->kind = kind;
    outcome->overload = outcome->local = outcome->held = false;
    outcome->code = code;
    outcome->reason = reason;
    text_copy(outcome->text, sizeof outcome->text, text_printable(text));
}
