/*
 * dead_file - dist-dlq on the file of dist-deliver --dead-letters: see dead_letters.h
 *
 * The file is a list of delivery envelopes and is only read: a replay writes envelopes to standard output,
 * for dist-transform, with a fresh attempt budget and the same message id.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dead_letters.h"
#include "dead_show.h"
#include "envelope.h"
#include "fdio.h"
#include "ceilings.h"
#include "lines.h"
#include "text.h"

struct reading {
    struct dead_letters *letters;
    struct dead_list list;
    uint64_t selected;
};

static bool has_id(const struct dead_filter *filter, const struct delivery *delivery)
{
    for (size_t i = 0; i < filter->id_count; i++)
        if (!strcmp(filter->ids[i], delivery->id) || !strcmp(filter->ids[i], delivery->job->distribution_id))
            return true;
    return !filter->id_count;
}

static const char *destination_of(const struct delivery *delivery)
{
    return delivery->candidate_count ? delivery_candidate(delivery) : delivery->target;
}

static bool matches(const struct dead_filter *filter, const struct delivery *delivery)
{
    const struct job *job = delivery->job;
    if ((filter->tenant_id && strcmp(filter->tenant_id, job->tenant_id)) ||
        (filter->data_type && strcmp(filter->data_type, job->data_type)) ||
        (filter->destination && strcmp(filter->destination, destination_of(delivery)) &&
         strcmp(filter->destination, delivery->target)) ||
        (filter->reason && strcmp(filter->reason, dead_reason_names[delivery->dead_reason])) ||
        (filter->error && !(delivery->last_error && strstr(delivery->last_error, filter->error))))
        return false;
    return has_id(filter, delivery);
}

static int list_one(struct reading *reading, const struct delivery *delivery)
{
    struct job *job = delivery->job;
    struct dead_view view = {
        .delivery_id = (char *)delivery->id,
        .distribution_id = job->distribution_id,
        .tenant_id = job->tenant_id,
        .data_type = job->data_type,
        .target = delivery->target,
        .destination = (char *)destination_of(delivery),
        .priority = (char *)priority_names[job->priority],
        .reason = (char *)dead_reason_names[delivery->dead_reason],
        .error = delivery->last_error,
        .attempts = delivery->attempts,
        .submitted_at_us = job->submitted_at_us,
        .body_size = (int64_t)job->body_size,
    };
    return dead_list_row(&reading->list, &view);
}

static int replay_one(struct delivery *delivery, struct buf *out, struct fault *fault)
{
    delivery->status = DELIVERY_QUEUED;
    delivery->budget_start = delivery->attempts;
    free(delivery->last_error);
    delivery->last_error = NULL;
    return envelope_write_delivery(delivery, out, fault);
}

static int record(void *arg, char *line, size_t size, uint64_t number, struct buf *out, struct fault *fault)
{
    struct reading *reading = arg;
    const struct dead_letters *letters = reading->letters;
    struct delivery *delivery;
    int result = 0;
    (void)number;

    if (envelope_read_delivery(line, size, letters->max_payload, &delivery, fault) < 0)
        return -1;
    if (matches(&letters->filter, delivery)) {
        reading->selected++;
        if (letters->action == DEAD_LIST)
            result = list_one(reading, delivery);
        else if (letters->action == DEAD_SHOW)
            result = dead_show(delivery, letters->json, letters->body, letters->max_payload, fault);
        else if (!letters->dry_run)
            result = replay_one(delivery, out, fault);
    }
    delivery_free(delivery);
    return result;
}

int dead_letters_file(struct dead_letters *letters, const char *path, struct fault *fault)
{
    struct reading reading = {.letters = letters};
    struct lines lines = {
        .in = fdio_open(path, O_RDONLY, 0, fault),
        .out = STDOUT_FILENO,
        .name = path,
        .max_line = LIMIT_ENVELOPE(letters->max_payload),
        .max_pending = LIMIT_ENVELOPE(letters->max_payload),
        .record = record,
        .arg = &reading,
    };
    if (lines.in < 0)
        return -1;
    dead_list_begin(&reading.list, letters->json, fault);
    int result = lines_run(&lines, fault);
    close(lines.in);
    int shown = dead_list_end(&reading.list, result < 0 ? result : 0);
    if (shown < 0)
        return -1;
    if (letters->dry_run &&
        print_text(fault, "%llu would be replayed\n", (unsigned long long)reading.selected) < 0)
        return -1;
    return result;
}
