/*
 * dead_show - see dead_show.h
 */
#include "dead_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceilings.h"
#include "clock.h"
#include "envelope.h"
#include "fdio.h"
#include "num.h"
#include "utf8.h"

const char *dead_destination(const struct delivery *delivery)
{
    int made = delivery->attempts - delivery->budget_start;

    if (!delivery->candidate_count)
        return NULL;
    return delivery->candidates[made > 0 ? (size_t)(made - 1) % delivery->candidate_count : 0];
}

const char *dead_reason(const struct delivery *delivery)
{
    return delivery->status == DELIVERY_DEAD ? dead_reason_names[delivery->dead_reason] : NULL;
}

void dead_list_begin(struct dead_list *list, bool json, struct fault *fault)
{
    static const char *const heading[] = {"DELIVERY", "TENANT", "DESTINATION", "REASON",
                                          "ATTEMPTS", "DIED",   "ERROR"};
    *list = (struct dead_list){.json = json, .fault = fault};
    table_init(&list->table, heading, 7);
}

static int row_json(const struct dead_view *view, struct fault *fault)
{
    char died[CLOCK_TEXT_SIZE], submitted[CLOCK_TEXT_SIZE];
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s?, s:s, s:s?, s:s?, s:i, s:o, s:s?, s:s, s:I, s:o, s:s?, s:s?}",
        "delivery_id", view->delivery_id, "distribution_id", view->distribution_id, "tenant_id",
        view->tenant_id, "data_type", view->data_type, "target", view->target, "destination",
        view->destination, "priority", view->priority, "reason", view->reason, "error", view->error,
        "attempts", view->attempts, "status_code",
        view->last_code ? json_integer(view->last_code) : json_null(), "died_at",
        view->died_at_us ? clock_format(view->died_at_us, died) : NULL, "submitted_at",
        clock_format(view->submitted_at_us, submitted), "size", (json_int_t)view->body_size, "replays",
        view->replays < 0 ? json_null() : json_integer(view->replays), "batch_id", view->batch_id,
        "replay_of", view->replay_of);
    if (!row)
        return fault_set(fault, FAULT_BUG, "%s cannot be written as JSON", view->delivery_id);
    return print_json(row, fault);
}

int dead_list_row(void *arg, const struct dead_view *view)
{
    struct dead_list *list = arg;
    char attempts[16], died[CLOCK_TEXT_SIZE];

    if (list->json) {
        list->failed = row_json(view, list->fault) < 0;
        return list->failed ? -1 : 0;
    }
    snprintf(attempts, sizeof attempts, "%d", view->attempts);
    table_row(&list->table,
              (const char *[]){view->delivery_id, view->tenant_id,
                               view->destination ? view->destination : view->target, view->reason, attempts,
                               view->died_at_us ? clock_format(view->died_at_us, died) : "-", view->error});
    return 0;
}

int dead_list_end(struct dead_list *list, int result)
{
    if (list->failed)
        result = -1;
    if (result == 0)
        result = table_print(&list->table, list->fault);
    table_release(&list->table);
    return result;
}

int dead_show_envelope(const struct delivery *delivery, size_t max_bytes, struct fault *fault)
{
    struct buf line;

    buf_init(&line, max_bytes);
    int result = envelope_write_delivery(delivery, &line, fault);
    if (result == 0)
        result = fdio_write_all(STDOUT_FILENO, line.data, line.len, fault);
    buf_release(&line);
    return result;
}

/* A body goes to a terminal only where it is text, without C0 and C1. */
static bool is_presentable(const struct job *job)
{
    for (size_t i = 0, length; i < job->body_size; i += length) {
        uint32_t point;
        length = utf8_decode(job->body + i, job->body_size - i, &point);
        if (!length || (point >= 0x7f && point < 0xa0) ||
            (point < 0x20 && point != '\n' && point != '\t' && point != '\r'))
            return false;
    }
    return true;
}

static int show_facts(const struct delivery *delivery, const struct dead_view *history, struct fault *fault)
{
    const struct job *job = delivery->job;
    const char *destination = dead_destination(delivery), *reason = dead_reason(delivery);
    char submitted[CLOCK_TEXT_SIZE], size[NUM_SIZE_SIZE];
    struct facts facts;

    facts_init(&facts);
    facts_add(&facts, "delivery", "%s", delivery->id);
    facts_add(&facts, "distribution", "%s", job->distribution_id);
    facts_add(&facts, "tenant", "%s", job->tenant_id);
    facts_add(&facts, "type", "%s, priority %s", job->data_type, priority_names[job->priority]);
    facts_add(&facts, "target", "%s", delivery->target);
    facts_add(&facts, "destination", "%s", destination ? destination : "-");
    facts_add(&facts, "reason", "%s", reason ? reason : "-");
    facts_add(&facts, "error", "%s", delivery->last_error ? delivery->last_error : "-");
    facts_add(&facts, "attempts", "%d", delivery->attempts);
    if (history && history->batch_id)
        facts_add(&facts, "replays", "%d, the last one in batch %s", history->replays, history->batch_id);
    if (*job->replay_of)
        facts_add(&facts, "replay of", "%s", job->replay_of);
    facts_add(&facts, "submitted", "%s", clock_format(job->submitted_at_us, submitted));
    facts_add(&facts, "body", "%s, %s%s", delivery_content_type(delivery),
              num_format_size(job->body_size, size), job->body_size < 1024 ? " bytes" : "");
    return facts_print(&facts, fault);
}

static int show_text(const struct delivery *delivery, const struct dead_view *history, struct fault *fault)
{
    const struct job *job = delivery->job;

    if (show_facts(delivery, history, fault) < 0)
        return -1;
    if (!is_presentable(job))
        return print_text(fault, "(not text; --body writes its bytes)\n");
    if (fdio_write_all(STDOUT_FILENO, job->body, job->body_size, fault) < 0)
        return -1;
    return job->body_size && job->body[job->body_size - 1] == '\n' ? 0 : print_text(fault, "\n");
}

int dead_show(const struct delivery *delivery, const struct dead_view *history, bool json, bool body,
              size_t max_bytes, struct fault *fault)
{
    if (json)
        return dead_show_envelope(delivery, max_bytes, fault);
    if (body)
        return fdio_write_all(STDOUT_FILENO, delivery->job->body, delivery->job->body_size, fault);
    return show_text(delivery, history, fault);
}
