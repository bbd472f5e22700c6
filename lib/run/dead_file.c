/*
 * dead_file - dist-dlq on the file of dist-deliver --dead-letters: see dead_letters.h
 *
 * The file is a list of delivery envelopes and is only read: a replay writes envelopes to standard output,
 * for dist-transform, with a fresh attempt budget and the same message id.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dead_letters.h"
#include "dead_select.h"
#include "dead_show.h"
#include "envelope.h"
#include "fdio.h"
#include "ceilings.h"
#include "lines.h"
#include "replay.h"
#include "tool.h"

struct reading {
    const struct dead_request *letters;
    struct dead_list list;
    struct dead_ids ids;
    struct dead_counts counts;
    uint64_t last_line; /* that the file had when it was opened */
    uint64_t selected;
};

static const char *destination_of(const struct delivery *delivery)
{
    const char *destination = dead_destination(delivery);
    return destination ? destination : delivery->target;
}

/* The store's filters: see list_sql in store_dead.c. */
static bool matches(const struct dead_filter *filter, const struct delivery *delivery)
{
    const struct job *job = delivery->job;
    const char *reason = dead_reason(delivery);

    if ((filter->tenant_id && strcmp(filter->tenant_id, job->tenant_id)) ||
        (filter->data_type && strcmp(filter->data_type, job->data_type)) ||
        (filter->destination && strcmp(filter->destination, destination_of(delivery)) &&
         strcmp(filter->destination, delivery->target)) ||
        (filter->reason && !(reason && !strcmp(filter->reason, reason))) ||
        (filter->error && !(delivery->last_error && strcasestr(delivery->last_error, filter->error))))
        return false;
    return true;
}

static int list_one(struct reading *reading, const struct delivery *delivery, struct fault *fault)
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
        .reason = (char *)dead_reason(delivery),
        .error = delivery->last_error,
        .attempts = delivery->attempts,
        .submitted_at_us = job->submitted_at_us,
        .body_size = (int64_t)job->body_size,
        .replays = -1, /* a file does not know */
        .replay_of = *job->replay_of ? job->replay_of : NULL,
    };
    reading->list.fault = fault;
    return dead_list_row(&reading->list, &view);
}

/* Other candidates, in the place of those and of the form that the request brought along. */
static int redirect(const struct dead_request *letters, struct delivery *delivery, struct fault *fault)
{
    json_t *candidates =
        replay_candidates(letters->catalog, letters->replay.to, delivery->job->tenant_id, fault);
    json_t *candidate;
    size_t index;

    if (!candidates)
        return -1;
    for (size_t i = 0; i < delivery->candidate_count; i++)
        free(delivery->candidates[i]);
    delivery->candidate_count = 0;
    json_array_foreach (candidates, index, candidate)
        delivery_add_candidate(delivery, json_string_value(candidate));
    json_decref(candidates);
    json_decref(delivery->inline_form);
    delivery->inline_form = NULL;
    json_decref(delivery->rendering);
    delivery->rendering = NULL;
    return 0;
}

static int replay_one(const struct dead_request *letters, struct delivery *delivery, struct buf *out,
                      struct fault *fault)
{
    if (letters->replay.to && redirect(letters, delivery, fault) < 0)
        return -1;
    delivery_drop_outputs(delivery); /* what they were made with may have been mended */
    delivery->status = DELIVERY_QUEUED;
    delivery->budget_start = delivery->attempts;
    free(delivery->last_error);
    delivery->last_error = NULL;
    return envelope_write_delivery(delivery, out, fault);
}

static const char *dead_reason_or_none(const struct delivery *delivery)
{
    const char *reason = dead_reason(delivery);
    return reason ? reason : "-";
}

static int record(void *arg, char *line, size_t size, uint64_t number, struct buf *out, struct fault *fault)
{
    struct reading *reading = arg;
    const struct dead_request *letters = reading->letters;
    const struct dead_filter *filter = &letters->filter;
    struct delivery *delivery;
    int result = 0;

    if (number > reading->last_line || (filter->limit && reading->selected >= (uint64_t)filter->limit))
        return 0;
    if (envelope_read_delivery(line, size, letters->max_payload, &delivery, fault) < 0)
        return -1;
    if (matches(filter, delivery) &&
        (!filter->id_count || dead_ids_note(&reading->ids, delivery->id, delivery->job->distribution_id))) {
        reading->selected++;
        if (letters->action == DEAD_LIST)
            result = list_one(reading, delivery, fault);
        else if (letters->action == DEAD_SHOW)
            result = dead_show(delivery, NULL, letters->json, letters->body, letters->max_delivery, fault);
        else if (letters->action == DEAD_EXPORT)
            result = envelope_write_delivery(delivery, out, fault);
        else if (letters->dry_run)
            dead_counts_note(&reading->counts, destination_of(delivery), dead_reason_or_none(delivery));
        else
            result = replay_one(letters, delivery, out, fault);
    }
    delivery_free(delivery);
    return result;
}

/*
 * The lines are counted before the first of them is acted on: the reader of a replay may append to the file,
 * and would be handed its own letters again, without end. What is no regular file ends by itself.
 */
static int count_lines(int fd, uint64_t *count, struct fault *fault)
{
    struct line_reader reader;
    struct stat status;
    enum line_status line_status;
    char *line;
    size_t size;

    *count = UINT64_MAX;
    if (fstat(fd, &status) != 0)
        return fault_errno(fault, errno, "fstat");
    if (!S_ISREG(status.st_mode))
        return 0;
    line_reader_init(&reader, fd, 0); /* every line is too long for it, and none is kept */
    do
        line_status = line_reader_next(&reader, &line, &size, fault);
    while (line_status != LINE_END && line_status != LINE_FAULT);
    *count = reader.number;
    line_reader_release(&reader);
    if (line_status == LINE_FAULT)
        return -1;
    return lseek(fd, 0, SEEK_SET) < 0 ? fault_errno(fault, errno, "lseek") : 0;
}

static int read_file(struct reading *reading, struct lines *lines, struct fault *fault)
{
    if (count_lines(lines->in, &reading->last_line, fault) < 0)
        return fault_wrap(fault, "%s", lines->name);
    dead_list_begin(&reading->list, reading->letters->json, fault);
    int result = lines_run(lines, fault);
    reading->list.fault = fault;
    int shown = dead_list_end(&reading->list, result < 0 ? -1 : 0);
    if (shown < 0)
        return -1;
    if (reading->letters->dry_run &&
        (dead_counts_print(&reading->counts, fault) < 0 ||
         print_text(fault, "%llu would be replayed\n", (unsigned long long)reading->selected) < 0))
        return -1;
    return dead_ids_report(&reading->ids, reading->selected) ? EXIT_REJECTED : result;
}

/* A --to that nobody knows is one mistake, not one of every line. */
static int check_to(const struct dead_request *letters, struct fault *fault)
{
    json_t *candidates =
        letters->replay.to ? replay_candidates(letters->catalog, letters->replay.to, "", fault) : json_null();

    if (!candidates)
        return -1;
    json_decref(candidates);
    return 0;
}

int dead_letters_file(const struct dead_request *letters, struct fault *fault)
{
    struct reading reading = {.letters = letters};
    struct lines lines = {
        .out = STDOUT_FILENO,
        .name = letters->file,
        .max_line = letters->max_delivery,
        .max_pending = letters->max_delivery,
        .record = record,
        .arg = &reading,
    };
    if (check_to(letters, fault) < 0)
        return -1;
    lines.in = fdio_open(letters->file, O_RDONLY, 0, fault);
    if (lines.in < 0)
        return -1;
    dead_ids_init(&reading.ids, &letters->filter);
    dead_counts_init(&reading.counts);
    int result = read_file(&reading, &lines, fault);
    dead_counts_release(&reading.counts);
    dead_ids_release(&reading.ids);
    close(lines.in);
    return result;
}
