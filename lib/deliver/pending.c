/*
 * The one place that calls attempt_done, so that "exactly once" has one place to look at.
 */
#include "placeholders.h"
#include "pending.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <event2/event.h>

void pending_init(struct pending *pending, const struct adapter *adapter, struct adapter_context *context,
                  const struct attempt *attempt, attempt_done done, void *arg,
                  void (*free_pending)(struct pending *))
{
    pending->handle.adapter = adapter;
    pending->attempt = *attempt;
    pending->base = context->base;
    pending->done = done;
    pending->arg = arg;
    pending->free = free_pending;
    outcome_init(&pending->outcome);
}

void pending_release(struct pending *pending)
{
    if (pending->later)
        event_free(pending->later);
    outcome_release(&pending->outcome);
}

void pending_report(struct pending *pending)
{
    pending->done(pending->arg, &pending->outcome);
    pending->free(pending);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pending_report(arg);
}

void pending_report_later(struct pending *pending)
{
    pending->later = event_new(pending->base, -1, 0, on_later, pending);
    if (!pending->later)
        abort(); /* libevent is out of memory, as in xalloc */
    event_active(pending->later, EV_TIMEOUT, 0);
}

static void set(struct pending *pending, const struct answer *row, int code, const char *format,
                va_list arguments)
{
    char text[4 * sizeof pending->outcome.text];

    vsnprintf(text, sizeof text, format, arguments);
    outcomes_apply(row, code, text, &pending->outcome);
}

void pending_set(struct pending *pending, const struct answer *row, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    set(pending, row, code, format, arguments);
    va_end(arguments);
}

void pending_set_event(struct pending *pending, enum outcome_event event, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    set(pending, outcomes_by_event(pending->handle.adapter->outcomes, event), 0, format, arguments);
    va_end(arguments);
}

void pending_set_misconfigured(struct pending *pending, const char *what, const struct fault *fault)
{
    pending_set_event(pending, fault->class == FAULT_DENIED ? EVENT_CREDENTIALS : EVENT_CONFIGURATION,
                      "%s: %s", what, fault->text);
}

struct placeholders pending_placeholders(const struct pending *pending, bool with_secrets)
{
    return attempt_placeholders(&pending->attempt, with_secrets);
}

struct placeholders attempt_placeholders(const struct attempt *attempt, bool with_secrets)
{
    const struct secret *secret = with_secrets ? attempt->secret : NULL;

    return (struct placeholders){
        .tenant_id = attempt->tenant_id,
        .distribution_id = attempt->distribution_id,
        .delivery_id = attempt->message_id,
        .data_type = attempt->data_type,
        .date = attempt->date,
        .token = secret ? secret->token : NULL,
        .username = secret ? secret->username : NULL,
        .password = secret ? secret->password : NULL,
    };
}

void pending_trial_done(void *arg, struct outcome *outcome)
{
    struct pending_trial *trial = arg;
    enum fault_class class = FAULT_UNAVAILABLE;

    trial->done = true;
    if (outcome->kind == OUTCOME_DELIVERED)
        return;
    if (outcome->kind == OUTCOME_REJECTED || outcome->held)
        class = FAULT_CONFIG;
    else if (outcome->local)
        class = FAULT_SYSTEM;
    trial->result = fault_set(trial->fault, class, "%s", outcome->text);
}

int pending_trial_run(struct pending_trial *trial, struct adapter_context *context)
{
    while (!trial->done)
        if (event_base_loop(context->base, EVLOOP_ONCE) != 0)
            return fault_set(trial->fault, FAULT_BUG, "the event loop has nothing to wait for");
    return trial->result;
}
