/*
 * submit - see submit.h
 *
 * The one hard rule: nothing is said about a job before its transaction has committed.
 */
#include "catalog.h"
#include "form.h"
#include "submit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crash.h"
#include "digest.h"
#include "ceilings.h"
#include "msg.h"
#include "once.h"
#include "route.h"
#include "schema_set.h"
#include "xalloc.h"

void submit_init(struct submit *submit, const struct catalog *catalog, struct store *store,
                 struct queue *queue, int64_t max_age_ms, int64_t key_ms)
{
    *submit = (struct submit){
        .catalog = catalog,
        .store = store,
        .queue = queue,
        .max_age_ms = max_age_ms,
        .key_ms = key_ms,
        .items = xcalloc(SUBMIT_BATCH, sizeof *submit->items),
        .numbers = xcalloc(SUBMIT_BATCH, sizeof *submit->numbers),
    };
}

void submit_clear(struct submit *submit)
{
    for (size_t i = 0; i < submit->count; i++)
        job_unref(submit->items[i].job);
    submit->count = 0;
    submit->bytes = 0;
}

void submit_release(struct submit *submit)
{
    submit_clear(submit);
    free(submit->items);
    free(submit->numbers);
    *submit = (struct submit){0};
}

/* A callback is delivered as a REST destination of the request's own: it must be a good one. */
static int check_callback(const struct job *job, struct fault *fault)
{
    json_t *form = json_pack("{s:s, s:s, s:O*}", "protocol", "REST", "endpoint", job->callback_url, "headers",
                             job->callback_headers);
    if (!form)
        return fault_set(fault, FAULT_INPUT, "callback: not text");
    struct destination *destination = form_destination("callback", form, job->tenant_id, "request", fault);
    json_decref(form);
    if (!destination)
        return fault_wrap(fault, "callback");
    destination_unref(destination);
    return 0;
}

int submit_check(const struct submit *submit, const struct job *job, struct fault *fault)
{
    /* A job that names no destination has been taken as one that rules route. */
    if (json_array_size(job->destinations) && route_check(submit->catalog, job, fault) < 0)
        return -1;
    if (job->callback_url && check_callback(job, fault) < 0)
        return -1;
    return schema_set_check_job(submit->catalog->schemas.set, job, fault);
}

bool submit_add(struct submit *submit, struct job *job, uint64_t number)
{
    struct submission *item = &submit->items[submit->count];
    struct buf identity;

    once_key(job, job->submitted_at_us);
    *item = (struct submission){.job = job,
                                .key_ms = once_reach_ms(job),
                                .key_alone = job->once_per != NULL,
                                .spooled_at_us = submit->spooled ? job->submitted_at_us : 0};
    if (item->key_ms < submit->key_ms)
        item->key_ms = submit->key_ms;
    buf_init(&identity, job->body_size + LIMIT_ENVELOPE_EXTRA);
    job_identity(job, &identity);
    digest_sha256(identity.data, identity.len, item->request_hash);
    buf_release(&identity);
    submit->numbers[submit->count++] = number;
    submit->bytes += job->body_size;
    return submit->count == SUBMIT_BATCH || submit->bytes >= SUBMIT_BATCH_BYTES;
}

/* After the commit: a Redis that is away is no reason to fail, the due pump of dist-route publishes. */
static void publish(struct submit *submit)
{
    struct queue_item items[SUBMIT_BATCH];
    char *lanes[SUBMIT_BATCH];
    struct fault problem = {0};
    size_t count = 0;

    for (size_t i = 0; i < submit->count; i++) {
        const struct submission *item = &submit->items[i];

        if (item->result != SUBMIT_ACCEPTED || item->scheduled)
            continue;
        lanes[count] = job_lane(item->job);
        items[count] = (struct queue_item){
            .id = item->id, .lane = lanes[count], .partition = queue_partition(submit->queue, item->id)};
        count++;
    }
    if (count &&
        queue_publish(submit->queue, QUEUE_SUBMITTED, items, count, submit->window / 2, NULL, &problem) < 0)
        msg(MSG_DEBUG, "accepted, and dist-route will queue it: %s", problem.text);
    for (size_t i = 0; i < count; i++)
        free(lanes[i]);
}

/*
 * Where the answer to a COMMIT is lost nobody knows whether it happened. Storing the same batch again finds
 * out: what was committed is accepted as it is, and the caller need not submit it a second time under other
 * ids.
 */
static int store(struct submit *submit, struct fault *fault)
{
    enum { TRIES = 4 };
    struct timespec pause = {.tv_nsec = 250 * 1000 * 1000};

    for (int tries = 1;; tries++) {
        if (store_submit(submit->store, submit->items, submit->count, submit->max_age_ms, fault) == 0)
            return 0;
        if (fault->class != FAULT_UNAVAILABLE || tries == TRIES)
            return -1;
        nanosleep(&pause, NULL);
    }
}

int submit_flush(struct submit *submit,
                 void (*each)(void *arg, const struct submission *item, uint64_t number), void *arg,
                 struct fault *fault)
{
    if (!submit->count)
        return 0;
    if (store(submit, fault) < 0)
        return -1;
    crash_point("submit:committed");
    publish(submit);
    crash_point("submit:published");
    for (size_t i = 0; i < submit->count; i++)
        each(arg, &submit->items[i], submit->numbers[i]);
    submit_clear(submit);
    return 0;
}
