/*
 * replay - see replay.h
 */
#include "replay.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "catalog.h"
#include "clock.h"
#include "crash.h"
#include "dead_select.h"
#include "msg.h"
#include "num.h"
#include "route.h"
#include "table.h"
#include "text.h"
#include "tool.h"
#include "xalloc.h"

enum {
    BATCH = 500,
    RATE_MAX = 1000000,
    SPREAD_DAYS_MAX = 30,
    FILTER_IDS = 100, /* that are written down by name */
};

int replay_parse_rate(const char *text, int64_t *letters, int64_t *interval_us, struct fault *fault)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"s", 1000000}, {"m", INT64_C(60) * 1000000}, {"h", INT64_C(3600) * 1000000}};
    const char *slash = strchr(text, '/');
    char *number = xmemdupz(text, slash ? (size_t)(slash - text) : strlen(text));
    int result = num_parse_int(number, 1, RATE_MAX, letters, fault);

    free(number);
    for (size_t i = 0; result == 0 && slash && i < sizeof units / sizeof *units; i++) {
        if (strcmp(slash + 1, units[i].unit) != 0)
            continue;
        *interval_us = units[i].us;
        return 0;
    }
    return fault_set(fault, FAULT_USAGE, "--rate: '%s' is no rate; '50/s', '10/m' or '5/h' is one", text);
}

bool replay_is_dry(const struct dead_request *letters, size_t count)
{
    if (letters->dry_run)
        return true;
    if (count < 2 || letters->yes)
        return false;
    msg(MSG_WARNING, "nothing was done: more than one takes --yes");
    return true;
}

json_t *replay_candidates(const struct catalog *catalog, const char *to, const char *tenant_id,
                          struct fault *fault)
{
    struct job *job = job_new();
    struct delivery *delivery = delivery_new(job, to);
    json_t *array = NULL;

    job->tenant_id = xstrdup(tenant_id);
    if (route_delivery(catalog, delivery, fault) == 0) {
        array = json_array();
        for (size_t i = 0; i < delivery->candidate_count; i++)
            json_array_append_new(array, json_string(delivery->candidates[i]));
    } else {
        fault_wrap(fault, "--to");
    }
    delivery_free(delivery);
    job_unref(job);
    return array;
}

/* --- who, and what for --- */

static void set_text(json_t *object, const char *name, const char *value)
{
    if (!value)
        return;
    char *copy = text_printable(xstrdup(value));
    json_object_set_new(object, name, json_string(copy));
    free(copy);
}

static void set_time(json_t *object, const char *name, int64_t wall_us)
{
    char text[CLOCK_TEXT_SIZE];

    if (wall_us)
        json_object_set_new(object, name, json_string(clock_format(wall_us, text)));
}

void replay_author_init(struct replay_author *author, const struct dead_request *letters)
{
    const struct dead_filter *filter = &letters->filter;
    json_t *object = json_object();

    who_find(author->who, sizeof author->who);
    set_text(object, "tenant", filter->tenant_id);
    set_text(object, "type", filter->data_type);
    set_text(object, "destination", filter->destination);
    set_text(object, "reason", filter->reason);
    set_text(object, "error", filter->error);
    set_time(object, "since", filter->since_us);
    set_time(object, "until", filter->until_us);
    if (filter->limit)
        json_object_set_new(object, "limit", json_integer(filter->limit));
    if (letters->all)
        json_object_set_new(object, "all", json_true());
    if (filter->id_count) {
        json_t *ids = json_array();
        for (size_t i = 0; i < filter->id_count && i < FILTER_IDS; i++)
            json_array_append_new(ids, json_string(filter->ids[i]));
        json_object_set_new(object, "id_count", json_integer((json_int_t)filter->id_count));
        json_object_set_new(object, "ids", ids);
    }
    author->filter = object;
}

void replay_author_release(struct replay_author *author)
{
    json_decref(author->filter);
    author->filter = NULL;
}

/* --- a batch --- */

struct batch {
    const struct dead_request *letters;
    struct store *store;
    struct dead_selection *selection;
    struct replay_author author; /* of the plan */
    struct replay_plan plan;
    int64_t rate, interval_us; /* 0: all at once */
    size_t replayed;
    enum replay_state state;
};

/* How long after the first one the letter number `index` of the rest is due. */
static int64_t offset_us(const struct batch *batch, size_t index)
{
    return batch->rate ? (int64_t)index * batch->interval_us / batch->rate : 0;
}

/* From the first to the last of the rest. */
static int64_t spread_ms(const struct batch *batch)
{
    size_t chosen = batch->selection->letters.count, canary = (size_t)batch->letters->replay.canary;
    return chosen > canary ? offset_us(batch, chosen - canary - 1) / 1000 : 0;
}

static int check_spread(const struct batch *batch, struct fault *fault)
{
    char took[NUM_DURATION_SIZE];
    int64_t ms = spread_ms(batch);

    if (ms <= INT64_C(86400000) * SPREAD_DAYS_MAX)
        return 0;
    return fault_set(fault, FAULT_USAGE, "--rate %s: %zu letters take %s, more than %d days",
                     batch->letters->replay.rate, batch->selection->letters.count,
                     num_format_duration(ms, took), SPREAD_DAYS_MAX);
}

/* The letters from `from` to `end` of the selection, in transactions of some each. */
static int replay_some(struct batch *batch, size_t from, size_t end, bool spread, struct fault *fault)
{
    const struct dead_texts *ids = &batch->selection->letters;
    int64_t offsets[BATCH];

    for (size_t at = from; at < end; at += BATCH) {
        size_t count = end - at < BATCH ? end - at : BATCH;
        for (size_t i = 0; spread && i < count; i++)
            offsets[i] = offset_us(batch, at - from + i);
        crash_point("replay:chosen");
        if (store_replay_letters(batch->store, &batch->plan, (const char *const *)ids->items + at,
                                 spread ? offsets : NULL, count, &batch->replayed, fault) < 0)
            return fault_wrap(fault, "batch %s: after %zu of %zu", batch->plan.id, batch->replayed,
                              ids->count);
        crash_point("replay:committed");
        msg_progress("replayed", at + count, ids->count);
    }
    return 0;
}

static void pause_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* What the canary says by now: 0 not yet, 1 all have arrived, -1 it failed, as *why (the caller's) says. */
static int judge_canary(const struct replay_progress *progress, size_t sent, char **why)
{
    if (progress->failed) {
        *why = xasprintf("%zu of %zu failed: %.600s", progress->failed, sent,
                         progress->example ? progress->example : "");
        return -1;
    }
    if (progress->delivered >= sent)
        return 1;
    if (progress->delivered + progress->open >= sent)
        return 0;
    *why = xasprintf("%zu of %zu were replayed again by somebody else",
                     sent - progress->delivered - progress->open, sent);
    return -1;
}

/* Until all of the canary have arrived (*why stays NULL), or there is a reason to stop. */
static int await_canary(const struct batch *batch, size_t count, char **why, struct fault *fault)
{
    enum { FIRST_MS = 20, LONGEST_MS = 500 };
    int64_t deadline_ms = clock_mono_ms() + batch->letters->replay.timeout_ms, wait_ms = FIRST_MS;
    const char *const *ids = (const char *const *)batch->selection->letters.items;
    bool told = false;

    for (;;) {
        struct replay_progress progress = {0};
        struct fault problem = {0};
        int verdict = 0;
        if (store_replay_progress(batch->store, batch->plan.id, ids, count, &progress, &problem) == 0) {
            verdict = judge_canary(&progress, batch->replayed, why);
        } else if (problem.class != FAULT_UNAVAILABLE && problem.class != FAULT_TEMP) {
            *fault = problem;
            return -1;
        } else if (!told) {
            msg(MSG_WARNING, "%s; waiting for it", problem.text);
            told = true;
        }
        free(progress.example);
        int64_t left_ms = deadline_ms - clock_mono_ms();
        if (verdict == 0 && left_ms <= 0) {
            char time[NUM_DURATION_SIZE];
            *why = xasprintf("%zu of %zu have not arrived in %s", batch->replayed - progress.delivered,
                             batch->replayed, num_format_duration(batch->letters->replay.timeout_ms, time));
        }
        if (verdict || *why)
            return 0;
        pause_ms(left_ms < wait_ms ? left_ms : wait_ms);
        wait_ms = wait_ms * 2 < LONGEST_MS ? wait_ms * 2 : LONGEST_MS;
    }
}

/* The first ones. The batch is stopped where they do not arrive. */
static int send_canary(struct batch *batch, size_t count, struct fault *fault)
{
    char *why = NULL;

    if (replay_some(batch, 0, count, false, fault) < 0)
        return -1;
    if (!batch->replayed)
        why = xstrdup("none of them was dead any more");
    int result = why ? 0 : await_canary(batch, count, &why, fault);
    if (result == 0 && why) {
        batch->state = REPLAY_STOPPED;
        msg(MSG_ERROR, "the canary: %s; the other %zu stay dead", why,
            batch->selection->letters.count - count);
    }
    if (result == 0 && (why || count < batch->selection->letters.count))
        result = store_replay_set_state(batch->store, batch->plan.id, why ? REPLAY_STOPPED : REPLAY_REPLAYING,
                                        why, fault);
    free(why);
    return result < 0 ? fault_wrap(fault, "batch %s", batch->plan.id) : 0;
}

static int run_batch(struct batch *batch, struct fault *fault)
{
    size_t chosen = batch->selection->letters.count, canary = (size_t)batch->plan.canary;

    if (store_replay_begin(batch->store, &batch->plan, fault) < 0)
        return -1;
    batch->state = REPLAY_REPLAYED;
    if (canary && send_canary(batch, canary, fault) < 0)
        return -1;
    if (batch->state == REPLAY_STOPPED)
        return EXIT_REJECTED;
    if (replay_some(batch, canary, chosen, batch->rate > 0, fault) < 0)
        return -1;
    if (store_replay_set_state(batch->store, batch->plan.id, REPLAY_REPLAYED, NULL, fault) < 0)
        return fault_wrap(fault, "batch %s", batch->plan.id);
    if (batch->replayed < chosen)
        msg(MSG_WARNING, "%zu were not dead any more", chosen - batch->replayed);
    return 0;
}

/* Every tenant's letters may go to `to`; the candidates are the plan's. */
struct redirection {
    const struct dead_request *letters;
    json_t *candidates;
    bool failed;
    struct fault *fault;
};

static void check_tenant(const char *key, void *value, void *arg)
{
    struct redirection *redirection = arg;
    (void)value;

    if (redirection->failed)
        return;
    json_decref(redirection->candidates);
    redirection->candidates = replay_candidates(redirection->letters->catalog,
                                                redirection->letters->replay.to, key, redirection->fault);
    redirection->failed = !redirection->candidates;
}

static int redirect(const struct dead_request *letters, struct dead_selection *selection, json_t **candidates,
                    struct fault *fault)
{
    struct redirection redirection = {.letters = letters, .fault = fault};

    if (letters->replay.to)
        strmap_each(&selection->tenants, check_tenant, &redirection);
    *candidates = redirection.candidates;
    return redirection.failed ? -1 : 0;
}

static int print_json_outcome(const struct batch *batch, bool dry, struct fault *fault)
{
    const struct dead_selection *selection = batch->selection;
    bool begun = !dry && selection->letters.count;

    return print_json(
        json_pack("{s:b, s:s?, s:s?, s:I, s:I, s:I, s:s?, s:s?, s:I, s:o}", "dry_run", dry, "batch_id",
                  begun ? batch->plan.id : NULL, "state", begun ? replay_state_names[batch->state] : NULL,
                  "selected", (json_int_t)batch->plan.selected, "refused", (json_int_t)batch->plan.refused,
                  "replayed", (json_int_t)batch->replayed, "to", batch->letters->replay.to, "rate",
                  batch->letters->replay.rate, "spread_ms", (json_int_t)spread_ms(batch), "counts",
                  dead_counts_json(&batch->selection->counts)),
        fault);
}

static int print_outcome(const struct batch *batch, bool dry, struct fault *fault)
{
    char took[NUM_DURATION_SIZE];
    size_t chosen = batch->selection->letters.count;
    int64_t ms = batch->state == REPLAY_STOPPED ? 0 : spread_ms(batch);
    const char *over = ms > 0 ? num_format_duration(ms, took) : NULL;

    if (batch->letters->json)
        return print_json_outcome(batch, dry, fault);
    if (dry && dead_counts_print(&batch->selection->counts, fault) < 0)
        return -1;
    if (dry)
        return print_text(fault, "%zu would be replayed%s%s\n", chosen, over ? ", over " : "",
                          over ? over : "");
    if (!chosen)
        return print_text(fault, "0 replayed\n");
    return print_text(fault, "%zu replayed%s%s, batch %s\n", batch->replayed, over ? " over " : "",
                      over ? over : "", batch->plan.id);
}

static int carry_out(struct batch *batch, const json_t *candidates, struct fault *fault)
{
    const struct dead_replay *options = &batch->letters->replay;
    size_t chosen = batch->selection->letters.count;

    bool dry = replay_is_dry(batch->letters, chosen);
    if (dry || !chosen)
        return print_outcome(batch, dry, fault);
    replay_author_init(&batch->author, batch->letters);
    uid_new(batch->plan.id);
    batch->plan.who = batch->author.who;
    batch->plan.why = options->why;
    batch->plan.filter = batch->author.filter;
    batch->plan.destination = options->to;
    batch->plan.rate = options->rate;
    batch->plan.candidates = candidates;
    batch->plan.canary = options->canary < (int64_t)chosen ? options->canary : (int64_t)chosen;
    batch->plan.max_replays = options->max_replays;
    int result = run_batch(batch, fault);
    if (result >= 0 && print_outcome(batch, false, fault) < 0)
        result = -1;
    replay_author_release(&batch->author);
    return result;
}

int replay_letters(const struct dead_request *letters, struct store *store, struct fault *fault)
{
    struct dead_selection selection;
    struct batch batch = {.letters = letters, .store = store, .selection = &selection};
    json_t *candidates = NULL;

    if (letters->replay.rate &&
        replay_parse_rate(letters->replay.rate, &batch.rate, &batch.interval_us, fault) < 0)
        return -1;
    dead_selection_init(&selection, &letters->filter);
    selection.max_replays = letters->replay.max_replays;
    selection.no_callbacks = letters->replay.to != NULL;
    int result = dead_selection_load(&selection, store, fault);
    if (result == 0)
        result = check_spread(&batch, fault);
    if (result == 0)
        result = redirect(letters, &selection, &candidates, fault);
    batch.plan.selected = (int64_t)selection.count;
    batch.plan.refused = (int64_t)(selection.spent.count + selection.callback.count);
    if (result == 0)
        result = carry_out(&batch, candidates, fault);
    if (result >= 0 && dead_selection_report(&selection))
        result = EXIT_REJECTED;
    json_decref(candidates);
    dead_selection_release(&selection);
    return result;
}
