/*
 * deliver_once - see deliver_once.h
 *
 * The one hard rule: exit code 0 only where the destination said yes and the line that says so is written.
 */
#include "deliver_once.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "ceilings.h"
#include "clock.h"
#include "deliver_pipe.h"
#include "fdio.h"
#include "msg.h"
#include "render.h"
#include "text.h"
#include "xalloc.h"

#define NOBODY "once" /* tenant and data type where none is given */

struct one {
    const struct deliver_once *once;
    struct delivery *delivery;
    struct deliver_attempt *attempt;
    struct settlement settlement;
    struct deliver_report report;
    bool settled;
};

static int read_delivery(const struct deliver_once *once, struct delivery **delivery, struct fault *fault)
{
    const struct job_defaults defaults = {
        .tenant_id = once->tenant_id ? once->tenant_id : NOBODY,
        .data_type = once->data_type ? once->data_type : NOBODY,
        .content_type = once->content_type,
        .to = &once->destination,
        .to_count = 1,
        .max_payload = once->max_payload,
    };
    struct job *job = NULL;
    struct buf body;

    buf_init(&body, once->max_payload);
    int result = fdio_read_all(STDIN_FILENO, &body, fault);
    if (result == 0)
        result = job_from_payload(body.data, body.len, false, &defaults, clock_wall_us(), &job, fault);
    buf_release(&body);
    if (result < 0) {
        fault_wrap(fault, "stdin");
        return -1;
    }
    *delivery = delivery_new(job, once->destination);
    job_unref(job);
    delivery_add_candidate(*delivery, once->destination);
    if (once->message_id)
        text_copy((*delivery)->id, sizeof(*delivery)->id, once->message_id);
    return 0;
}

static void on_done(void *arg, struct settlement *settlement, const struct deliver_report *report)
{
    struct one *one = arg;

    one->attempt = NULL;
    one->settlement = *settlement;
    one->report = *report;
    one->settled = true;
    event_base_loopbreak(one->once->stage->base);
}

static void on_stop(evutil_socket_t fd, short events, void *arg)
{
    struct one *one = arg;
    (void)fd;
    (void)events;
    event_base_loopbreak(one->once->stage->base);
}

/* Makes the attempt; without a settlement it was stopped, and is cancelled. */
static int attempt(struct one *one, struct fault *fault)
{
    struct event_base *base = one->once->stage->base;
    struct event *terminate = evsignal_new(base, SIGTERM, on_stop, one);
    struct event *interrupt = evsignal_new(base, SIGINT, on_stop, one);
    int result = -1;

    if (!terminate || !interrupt || event_add(terminate, NULL) < 0 || event_add(interrupt, NULL) < 0) {
        fault_set(fault, FAULT_SYSTEM, "cannot set up the event loop");
    } else {
        one->attempt = deliver_stage_start(one->once->stage, one->delivery, on_done, one);
        if (event_base_dispatch(base) < 0)
            fault_set(fault, FAULT_SYSTEM, "the event loop failed");
        else
            result = 0;
        if (one->attempt)
            deliver_stage_cancel(one->attempt);
    }
    if (terminate)
        event_free(terminate);
    if (interrupt)
        event_free(interrupt);
    return result;
}

/* How it ended, for the line and the exit code. A policy that allows no second attempt makes it no less
 * temporary: whoever calls this decides about the next one. */
static int judge(struct one *one)
{
    struct delivery *delivery = one->delivery;
    const struct settlement *settlement = &one->settlement;

    if (!one->settled) {
        delivery->last_error = xstrdup("stopped before the attempt ended");
        return fault_exit_code(FAULT_TEMP);
    }
    delivery->attempts = settlement->number;
    delivery->last_error = xstrdup_null(settlement->error);
    delivery->status = settlement->verdict.status;
    if (delivery->status == DELIVERY_DELIVERED)
        return 0;
    if (!settlement->number && settlement->error)
        msg(MSG_ERROR, "%s", settlement->error); /* an attempt has had its message */
    if (settlement->kind == OUTCOME_DEFERRED) {
        delivery->status = DELIVERY_WAITING;
        return fault_exit_code(FAULT_TEMP);
    }
    delivery->status = DELIVERY_DEAD;
    delivery->dead_reason = settlement->number ? DEAD_REJECTED : DEAD_UNROUTABLE;
    return fault_exit_code(one->report.result == GATE_NOTHING ? FAULT_CONFIG : FAULT_INPUT);
}

static int print(const struct one *one, struct fault *fault)
{
    struct result result = deliver_pipe_result(one->delivery, one->settled ? &one->settlement : NULL);
    struct buf line;

    buf_init(&line, LIMIT_ENVELOPE_EXTRA);
    int written = envelope_write_result(&result, &line, fault);
    if (written == 0)
        written = fdio_write_all(STDOUT_FILENO, line.data, line.len, fault);
    buf_release(&line);
    return written;
}

/* The body as the destination's format wants it, and the attempt. Gives the exit code or -1. */
static int deliver(struct one *one, const struct destination *destination, struct fault *fault)
{
    struct delivery *delivery = one->delivery;
    enum dead_reason reason = DEAD_TRANSFORM;
    struct fault problem = {0};
    int code;

    if (render_delivery(one->once->render, one->once->stage->catalog, destination, delivery, &reason,
                        &problem) < 0) {
        if (problem.class != FAULT_INPUT) {
            *fault = problem;
            return -1;
        }
        msg(MSG_ERROR, "%s", problem.text);
        delivery->status = DELIVERY_DEAD;
        delivery->dead_reason = reason;
        delivery->last_error = xstrdup(problem.text);
        code = fault_exit_code(FAULT_INPUT);
    } else {
        if (attempt(one, fault) < 0)
            return -1;
        code = judge(one);
    }
    return print(one, fault) < 0 ? -1 : code;
}

/* Before standard input is read. */
static int check(const struct deliver_once *once, struct fault *fault)
{
    const struct catalog *catalog = once->stage->catalog;

    if (once->message_id && !uid_is(once->message_id))
        return fault_set(fault, FAULT_USAGE, "--id: a UUID is wanted, not '%.60s'", once->message_id);
    if (catalog_group(catalog, once->destination))
        return fault_set(fault, FAULT_USAGE, "--destination: '%s' is a group: name one of its members",
                         once->destination);
    if (catalog_destination(catalog, once->destination))
        return 0;
    const char *nearest = catalog_nearest(catalog, once->destination);
    return fault_set(fault, FAULT_CONFIG, "no destination is named '%.100s'%s%s%s", once->destination,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

int deliver_once_run(const struct deliver_once *once, struct fault *fault)
{
    struct one one = {.once = once};

    if (check(once, fault) < 0 || read_delivery(once, &one.delivery, fault) < 0)
        return -1;
    int code = deliver(&one, catalog_destination(once->stage->catalog, once->destination), fault);
    delivery_free(one.delivery);
    if (one.settled)
        settlement_release(&one.settlement);
    return code;
}
