/*
 * deliver_stage - see deliver_stage.h
 */
#include "catalog.h"
#include "deliver_stage.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "clock.h"
#include "crash.h"
#include "msg.h"
#include "networks.h"
#include "render.h"
#include "rng.h"
#include "route.h"
#include "secret.h"
#include "signing.h"
#include "text.h"
#include "xalloc.h"

enum {
    HELD_WAIT_MS =
        30 * 1000, /* where an operator has to mend something: a disabled destination, credentials */
    SHORTAGE_WAIT_MS = 1000, /* where this host is short of something, descriptors for example */
};

struct deliver_attempt {
    struct deliver_stage *stage;
    const struct delivery *delivery;
    struct destination *destination; /* a reference; NULL where the attempt cannot be made */
    char *key;                       /* of the destination, for the gate */
    struct deliver_report report;
    int64_t started_ms; /* clock_mono_ms() */
    struct secret secret;
    struct signing_keys signing;
    char date[11];
    struct retry_policy policy;
    struct attempt attempt;
    struct attempt_handle *handle; /* while the adapter works */
    struct event *later;           /* where the settlement is known already */
    struct settlement settlement;
    deliver_done done;
    void *arg;
};

/*
 * As many attempts as there are descriptors for: an attempt takes up to five (a socket, or a child's four
 * pipes and its pidfd), and running out of them would fail attempts that nothing is wrong with. The soft
 * limit is raised as far as it goes.
 */
static size_t fit_descriptors(size_t limit)
{
    enum { OWN = 20, PER_ATTEMPT = 5 };
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return limit;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 && getrlimit(RLIMIT_NOFILE, &files) < 0)
        return limit;
    size_t room = files.rlim_cur > OWN ? (size_t)(files.rlim_cur - OWN) / PER_ATTEMPT : 0;
    if (room >= limit)
        return limit;
    room = room ? room : 1;
    msg(MSG_WARNING, "DIST_CONCURRENCY is %zu here, not %zu: a process may open %llu files", room, limit,
        (unsigned long long)files.rlim_cur);
    return room;
}

int deliver_stage_init(struct deliver_stage *stage, const struct catalog *catalog, const char *config_dir,
                       const char *retry_policy, bool allow_private, const char *proxy, size_t limit,
                       size_t tenant_limit, struct fault *fault)
{
    *stage = (struct deliver_stage){
        .catalog = catalog, .config_dir = config_dir, .retry = retry_policy_by_name(retry_policy)};
    struct event_config *config = event_config_new();
    if (config) {
        /* any descriptor, also a file that is read as standard input */
        event_config_require_features(config, EV_FEATURE_FDS);
        stage->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (!stage->base)
        return fault_set(fault, FAULT_SYSTEM, "cannot make an event loop");
    gate_init(&stage->gate, fit_descriptors(limit), tenant_limit);
    return adapter_context_init(&stage->adapters, stage->base, allow_private, proxy, fault);
}

void deliver_stage_release(struct deliver_stage *stage)
{
    if (!stage->base)
        return;
    adapter_context_release(&stage->adapters);
    gate_release(&stage->gate);
    event_base_free(stage->base);
    stage->base = NULL;
}

struct destination *deliver_stage_destination(const struct deliver_stage *stage,
                                              const struct delivery *delivery, struct fault *fault)
{
    const char *candidate = delivery_candidate(delivery);

    if (!candidate) {
        fault_set(fault, FAULT_INPUT, "'%s' has no destination", delivery->target);
        return NULL;
    }
    return route_resolve(stage->catalog, candidate, delivery->inline_form, delivery->job->tenant_id, fault);
}

static void attempt_free(struct deliver_attempt *attempt)
{
    if (attempt->destination) {
        gate_leave(&attempt->stage->gate, attempt->key, attempt->delivery->job->tenant_id,
                   attempt->report.result, attempt->started_ms, clock_mono_ms());
        destination_unref(attempt->destination);
    }
    free(attempt->key);
    guard_lists_unref((struct guard_lists *)attempt->attempt.networks);
    secret_release(&attempt->secret);
    signing_keys_wipe(&attempt->signing);
    if (attempt->later)
        event_free(attempt->later);
    free(attempt);
}

static void finish(struct deliver_attempt *attempt, struct settlement *settlement)
{
    deliver_done done = attempt->done;
    void *arg = attempt->arg;
    struct deliver_report report = attempt->report;
    attempt_free(attempt);
    done(arg, settlement, &report);
}

/* The response as the table holds it: text, or nothing. */
static char *response_text(const struct buf *response)
{
    size_t bad;
    if (!response->len || memchr(response->data, 0, response->len))
        return NULL;
    if (text_is_utf8(response->data, response->len, &bad))
        return xmemdupz(response->data, response->len);
    return response->len - bad < 4 && bad ? xmemdupz(response->data, bad) : NULL; /* a cut sequence */
}

static void log_attempt(const struct deliver_attempt *attempt, const struct outcome *outcome,
                        const struct settlement *settlement)
{
    const struct job *job = attempt->delivery->job;
    msg_event(&(struct msg_event){
        .level = outcome->kind == OUTCOME_DELIVERED ? MSG_DEBUG : MSG_WARNING,
        .component = "deliver",
        .action = "distribution_attempt",
        .status = outcome_kind_names[outcome->kind],
        .distribution_id = job->distribution_id,
        .delivery_id = attempt->delivery->id,
        .tenant_id = job->tenant_id,
        .destination = settlement->destination,
        .text = *outcome->text ? outcome->text : NULL,
        .latency_ms = (settlement->completed_at_us - settlement->started_at_us) / 1000,
        .attempt = settlement->number,
        .response_code = outcome->code,
    });
}

static enum gate_result judge(const struct outcome *outcome)
{
    if (outcome->local)
        return GATE_NOTHING;
    if (outcome->kind != OUTCOME_DEFERRED)
        return GATE_SUCCESS;
    return outcome->overload ? GATE_OVERLOAD : GATE_FAILURE;
}

/*
 * Nobody was asked, so no attempt is spent: this host lacked something, or the operator has to mend what is
 * held, for which a filter does not wait: the same as with credentials that cannot be read.
 */
static void spare(struct deliver_attempt *attempt, const struct outcome *outcome)
{
    const struct verdict again = {.status = DELIVERY_WAITING,
                                  .delay_ms = outcome->held ? HELD_WAIT_MS : SHORTAGE_WAIT_MS,
                                  .reason = DEAD_UNROUTABLE};
    struct settlement settlement;

    attempt->report.result = GATE_NOTHING;
    settlement_init(&settlement, attempt->delivery, again, *outcome->text ? outcome->text : NULL);
    settlement.kind = outcome->held ? OUTCOME_REJECTED : outcome->kind;
    settlement.started_at_us = attempt->settlement.started_at_us;
    settlement.completed_at_us = clock_wall_us();
    log_attempt(attempt, outcome, &settlement);
    finish(attempt, &settlement);
}

static void on_outcome(void *arg, struct outcome *outcome)
{
    struct deliver_attempt *attempt = arg;
    const struct delivery *delivery = attempt->delivery;
    struct settlement settlement;
    int64_t now_us = clock_wall_us();

    crash_point("deliver:sent");
    attempt->handle = NULL;
    if (outcome->local && outcome->kind == OUTCOME_DEFERRED) {
        spare(attempt, outcome);
        return;
    }
    attempt->report.result = judge(outcome);
    attempt->report.retry_after_ms = outcome->retry_after_ms > 0 ? outcome->retry_after_ms : 0;
    attempt->report.gone = outcome->gone && attempt->stage->holds;
    if (attempt->report.gone)
        outcome->kind = OUTCOME_DEFERRED; /* by the operator, who lifts the hold */
    struct verdict verdict = delivery_verdict(delivery, &attempt->policy, outcome, now_us, rng_unit());
    if (attempt->report.gone && verdict.status == DELIVERY_DEAD)
        verdict = (struct verdict){.status = DELIVERY_WAITING, .delay_ms = HELD_WAIT_MS};
    settlement_init(&settlement, delivery, verdict, *outcome->text ? outcome->text : NULL);
    settlement.number = delivery->attempts + 1;
    settlement.kind = outcome->kind;
    settlement.code = outcome->code;
    settlement.reason = outcome->reason;
    settlement.response_body = response_text(&outcome->response);
    settlement.started_at_us = attempt->settlement.started_at_us;
    settlement.completed_at_us = now_us;
    log_attempt(attempt, outcome, &settlement);
    finish(attempt, &settlement);
}

static void on_later(evutil_socket_t fd, short events, void *arg)
{
    struct deliver_attempt *attempt = arg;
    struct settlement settlement = attempt->settlement;
    (void)fd;
    (void)events;
    finish(attempt, &settlement);
}

/* No attempt is made: the settlement comes from the event loop all the same. */
static void settle_later(struct deliver_attempt *attempt, struct verdict verdict, enum outcome_kind kind,
                         const char *error)
{
    static const struct timeval now = {0, 0};
    settlement_init(&attempt->settlement, attempt->delivery, verdict, error);
    attempt->settlement.kind = kind;
    attempt->later = evtimer_new(attempt->stage->base, on_later, attempt);
    if (!attempt->later || evtimer_add(attempt->later, &now) < 0)
        abort(); /* libevent is out of memory */
}

/*
 * The policy of this delivery: the one that the job names, else the destination's, else the default; the
 * destination's numbers refine it in each case.
 */
static int choose_policy(struct deliver_attempt *attempt, struct fault *fault)
{
    const char *name = attempt->delivery->job->retry_policy;
    const struct retry_policy *named = name ? retry_policy_by_name(name) : NULL;
    json_t *form = attempt->destination->retry_policy;
    json_t *numbers = NULL;

    if (named && json_is_string(form)) {
        form = NULL;
    } else if (named && json_object_get(form, "policy")) {
        form = numbers = json_copy(form);
        json_object_del(numbers, "policy");
    }
    int result = retry_policy_refine(named ? named : attempt->stage->retry, form, "/retry_policy",
                                     &attempt->policy, fault);
    json_decref(numbers);
    return result;
}

static int load_secrets(struct deliver_attempt *attempt, struct fault *fault)
{
    const struct destination *destination = attempt->destination;
    const char *folder = attempt->stage->config_dir;

    if (destination->credentials) {
        if (secret_load(folder, destination->tenant, destination->credentials, &attempt->secret, fault) < 0)
            return fault_wrap(fault, "credentials");
        attempt->attempt.secret = &attempt->secret;
    }
    if (destination->signing) {
        if (signing_keys_load(folder, destination->tenant, destination->signing, &attempt->signing, fault) <
            0)
            return fault_wrap(fault, "signing");
        attempt->attempt.signing = &attempt->signing;
    }
    return 0;
}

static void start_adapter(struct deliver_attempt *attempt, const struct adapter *adapter)
{
    const struct delivery *delivery = attempt->delivery;
    const struct job *job = delivery->job;
    const struct output *output = delivery_output(delivery);
    char submitted[CLOCK_TEXT_SIZE];

    text_copy(attempt->date, sizeof attempt->date, clock_format(job->submitted_at_us, submitted));
    attempt->attempt.destination = attempt->destination;
    attempt->attempt.message_id = delivery->id;
    attempt->attempt.distribution_id = job->distribution_id;
    attempt->attempt.tenant_id = job->tenant_id;
    attempt->attempt.data_type = job->data_type;
    attempt->attempt.date = attempt->date;
    attempt->attempt.submitted_at_us = job->submitted_at_us;
    attempt->attempt.content_type = delivery_content_type(delivery);
    attempt->attempt.traceparent = json_string_value(json_object_get(job->metadata, "traceparent"));
    attempt->attempt.headers = output ? output->headers : NULL;
    attempt->attempt.body = delivery_body(delivery, &attempt->attempt.body_size);
    attempt->attempt.number = delivery->attempts + 1;
    attempt->attempt.networks = /* a reload may come while the attempt is under way */
        guard_lists_ref(networks_of(attempt->stage->catalog->networks.set, job->tenant_id));
    attempt->settlement.started_at_us = clock_wall_us();
    attempt->started_ms = clock_mono_ms();
    crash_point("deliver:sending");
    attempt->handle = adapter->start(&attempt->stage->adapters, &attempt->attempt, on_outcome, attempt);
}

struct deliver_attempt *deliver_stage_start(struct deliver_stage *stage, const struct delivery *delivery,
                                            deliver_done done, void *arg)
{
    struct deliver_attempt *attempt = xcalloc(1, sizeof *attempt);
    struct fault problem = {0};
    const struct verdict expired = {.status = DELIVERY_EXPIRED};
    const struct verdict unroutable = {.status = DELIVERY_DEAD, .reason = DEAD_UNROUTABLE};
    const struct verdict held = {
        .status = DELIVERY_WAITING, .delay_ms = HELD_WAIT_MS, .reason = DEAD_UNROUTABLE};
    const struct verdict unready = {
        .status = DELIVERY_WAITING, .delay_ms = SHORTAGE_WAIT_MS, .reason = DEAD_TRANSFORM};
    const struct verdict again = {.status = DELIVERY_WAITING, .delay_ms = SHORTAGE_WAIT_MS};

    *attempt = (struct deliver_attempt){.stage = stage, .delivery = delivery, .done = done, .arg = arg};
    if (delivery->job->expires_at_us && clock_wall_us() >= delivery->job->expires_at_us) {
        settle_later(attempt, expired, OUTCOME_DEFERRED,
                     delivery->last_error ? delivery->last_error : "expired");
        return attempt;
    }
    attempt->destination = deliver_stage_destination(stage, delivery, &problem);
    const struct adapter *adapter = attempt->destination ? adapter_for(attempt->destination->protocol) : NULL;
    attempt->key = delivery_destination_key(delivery);
    if (attempt->destination)
        gate_enter(&stage->gate, attempt->key, (size_t)attempt->destination->concurrency,
                   delivery->job->tenant_id);
    if (!attempt->destination)
        settle_later(attempt, unroutable, OUTCOME_REJECTED, problem.text);
    else if (!adapter)
        settle_later(attempt, unroutable, OUTCOME_REJECTED,
                     "this version has no adapter for the destination's protocol");
    else if (attempt->destination->disabled)
        settle_later(attempt, held, OUTCOME_REJECTED, "the destination is disabled");
    else if (!delivery_output(delivery) && render_makes_output(attempt->destination, delivery))
        /* it was transformed for another candidate, or under another configuration */
        settle_later(attempt, unready, OUTCOME_REJECTED,
                     "the body is still to be transformed for the destination by dist-transform");
    else if (choose_policy(attempt, &problem) == 0 && load_secrets(attempt, &problem) == 0)
        start_adapter(attempt, adapter);
    else if (problem.class == FAULT_SYSTEM)
        settle_later(attempt, again, OUTCOME_DEFERRED, problem.text);
    else
        settle_later(attempt, held, OUTCOME_REJECTED, problem.text);
    return attempt;
}

void deliver_stage_cancel(struct deliver_attempt *attempt)
{
    if (attempt->handle)
        attempt->handle->adapter->cancel(attempt->handle);
    if (attempt->later)
        settlement_release(&attempt->settlement);
    attempt_free(attempt);
}
