/*
 * delivery - the unit that is queued, retried and dead-lettered, and what becomes of it after an attempt
 *
 * Hard rule: delivery_verdict() is the one place that decides between waiting and an end; the filter and the
 * services ask the same function.
 */
#include <stdlib.h>
#include <string.h>
#include "delivery.h"
#include "text.h"
#include "xalloc.h"

struct delivery *delivery_new(struct job *job, const char *target)
{
    char id[UID_TEXT_SIZE];

    uid_new(id);
    return delivery_known(job, target, id);
}

struct delivery *delivery_known(struct job *job, const char *target, const char *id)
{
    struct delivery *delivery = xcalloc(1, sizeof *delivery);

    text_copy(delivery->id, sizeof delivery->id, id);
    delivery->job = job_ref(job);
    delivery->target = xstrdup(target);
    delivery->status = DELIVERY_WAITING;
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    if (!delivery)
        return;
    job_unref(delivery->job);
    free(delivery->target);
    free(delivery->rule);
    for (size_t i = 0; i < delivery->candidate_count; i++)
        free(delivery->candidates[i]);
    free(delivery->candidates);
    json_decref(delivery->inline_form);
    json_decref(delivery->rendering);
    delivery_drop_outputs(delivery);
    free(delivery->own_key);
    free(delivery->content_type);
    free(delivery->last_error);
    free(delivery);
}

void delivery_add_candidate(struct delivery *delivery, const char *destination)
{
    delivery->candidates =
        xreallocarray(delivery->candidates, delivery->candidate_count + 1, sizeof *delivery->candidates);
    delivery->candidates[delivery->candidate_count++] = xstrdup(destination);
}

const char *delivery_candidate(const struct delivery *delivery)
{
    int turn = delivery->attempts - delivery->budget_start + delivery->skipped;

    return delivery->candidate_count ? delivery->candidates[(size_t)turn % delivery->candidate_count] : NULL;
}

const char *delivery_passed_over(const struct delivery *delivery)
{
    int turn = delivery->attempts - delivery->budget_start;

    if (!delivery->candidate_count || delivery->skipped % (int)delivery->candidate_count == 0)
        return NULL;
    return delivery->candidates[(size_t)turn % delivery->candidate_count];
}

/* Of the candidate whose turn it is, or the target's own. */
static const char *destination_name(const struct delivery *delivery)
{
    const char *candidate = delivery_candidate(delivery);

    return candidate ? candidate : delivery->target;
}

char *delivery_destination_key(const struct delivery *delivery)
{
    const char *key = delivery->own_key;

    return xconcat(destination_name(delivery), key ? "@" : "", key ? key : "");
}

char *delivery_lane(const struct delivery *delivery)
{
    const char *key = delivery->own_key;

    return xconcat(destination_name(delivery), key ? "@" : "", key ? key : "", ":", delivery->job->tenant_id,
                   ":", priority_names[delivery->job->priority]);
}

void output_release(struct output *output)
{
    free(output->destination);
    free(output->body);
    free(output->content_type);
    json_decref(output->headers);
    *output = (struct output){0};
}

static struct output *find_output(const struct delivery *delivery, const char *destination)
{
    for (size_t i = 0; destination && i < delivery->output_count; i++)
        if (strcmp(delivery->outputs[i].destination, destination) == 0)
            return &delivery->outputs[i];
    return NULL;
}

struct output *delivery_output(const struct delivery *delivery)
{
    return find_output(delivery, delivery_candidate(delivery));
}

void delivery_add_output(struct delivery *delivery, struct output *output)
{
    struct output *place = find_output(delivery, output->destination);

    if (place) {
        output_release(place);
    } else {
        delivery->outputs =
            xreallocarray(delivery->outputs, delivery->output_count + 1, sizeof *delivery->outputs);
        place = &delivery->outputs[delivery->output_count++];
    }
    *place = *output;
    *output = (struct output){0};
}

void delivery_drop_outputs(struct delivery *delivery)
{
    for (size_t i = 0; i < delivery->output_count; i++)
        output_release(&delivery->outputs[i]);
    free(delivery->outputs);
    delivery->outputs = NULL;
    delivery->output_count = 0;
}

void delivery_drop_output(struct delivery *delivery, struct output *output)
{
    output_release(output);
    *output = delivery->outputs[--delivery->output_count];
}

const char *delivery_body(const struct delivery *delivery, size_t *size)
{
    const struct output *output = delivery_output(delivery);

    *size = output ? output->body_size : delivery->job->body_size;
    return output ? output->body : delivery->job->body;
}

const char *delivery_content_type(const struct delivery *delivery)
{
    const struct output *output = delivery_output(delivery);

    if (output)
        return output->content_type;
    return delivery->content_type ? delivery->content_type : delivery->job->content_type;
}

void delivery_list_add(struct delivery_list *list, struct delivery *delivery)
{
    list->items = xreallocarray(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = delivery;
}

void delivery_list_release(struct delivery_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        delivery_free(list->items[i]);
    free(list->items);
    *list = (struct delivery_list){0};
}

/* The verdict on a deferred attempt: the lower half of the table in delivery.h. */
static struct verdict deferred(const struct delivery *delivery, const struct retry_policy *policy,
                               int64_t retry_after_ms, int64_t now_us, double unit_random)
{
    const int64_t expires_at_us = delivery->job->expires_at_us;
    const int made = delivery->attempts + 1 - delivery->budget_start; /* with the one that just ended */
    const int round = delivery->candidate_count ? (int)delivery->candidate_count : 1;
    struct verdict verdict = {.status = DELIVERY_WAITING};

    if (expires_at_us && now_us >= expires_at_us) {
        verdict.status = DELIVERY_EXPIRED;
        return verdict;
    }
    if (made % round)
        return verdict;
    verdict.delay_ms = retry_delay_ms(policy, made / round, retry_after_ms, unit_random);
    if (verdict.delay_ms < 0)
        verdict = (struct verdict){.status = DELIVERY_DEAD, .reason = DEAD_EXHAUSTED};
    else if (expires_at_us && verdict.delay_ms * 1000 >= expires_at_us - now_us)
        verdict = (struct verdict){.status = DELIVERY_EXPIRED};
    return verdict;
}

struct verdict delivery_verdict(const struct delivery *delivery, const struct retry_policy *policy,
                                const struct outcome *outcome, int64_t now_us, double unit_random)
{
    switch (outcome->kind) {
    case OUTCOME_DELIVERED:
        return (struct verdict){.status = DELIVERY_DELIVERED};
    case OUTCOME_REJECTED:
        return (struct verdict){.status = DELIVERY_DEAD, .reason = DEAD_REJECTED};
    case OUTCOME_DEFERRED:
        break;
    }
    return deferred(delivery, policy, outcome->retry_after_ms, now_us, unit_random);
}
