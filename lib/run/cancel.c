/*
 * cancel - see cancel.h
 */
#include "cancel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdio.h"
#include "msg.h"
#include "table.h"
#include "text.h"
#include "tool.h"
#include "xalloc.h"

enum { ID_MAX = 100, BATCH = 1000 };

struct run {
    struct store *store;
    bool json, quiet;
    struct cancellation items[BATCH];
    char *ids[BATCH];
    size_t count;
    uint64_t failed;
};

/* What became of one; true where it shall not be delivered any more. */
static bool outcome(const struct cancellation *item, char text[120])
{
    bool done = item->whole || item->cancelled || item->before == JOB_CANCELLED;

    if (!item->found)
        snprintf(text, 120, "unknown");
    else if (item->whole)
        snprintf(text, 120, "cancelled");
    else if (item->cancelled)
        snprintf(text, 120, "cancelled (%" PRIu64 " %s)", item->cancelled,
                 item->cancelled == 1 ? "delivery" : "deliveries");
    else if (item->before == JOB_CANCELLED)
        snprintf(text, 120, "was cancelled before");
    else if (item->before == JOB_PENDING || item->before == JOB_ROUTED)
        snprintf(text, 120, "has just ended"); /* between the look and the change */
    else
        snprintf(text, 120, "had ended: %s", job_status_names[item->before]);
    return item->found && done;
}

static int tell(struct run *run, const struct cancellation *item, struct fault *fault)
{
    char text[120], id[ID_MAX + 1];
    bool done = outcome(item, text);

    run->failed += !done;
    text_copy(id, sizeof id, item->distribution_id);
    text_printable(id);
    if (run->json)
        return print_json(json_pack("{s:s, s:s, s:s, s:I}", "distribution_id", id, "result",
                                    !item->found ? "unknown"
                                    : done       ? "cancelled"
                                                 : "ended",
                                    "status_before", item->found ? job_status_names[item->before] : "unknown",
                                    "cancelled_deliveries", (json_int_t)item->cancelled),
                          fault);
    if (!done)
        msg(MSG_ERROR, "%s: %s", id, item->found ? text : "there is no such distribution");
    return run->quiet || !done ? 0 : print_text(fault, "%s: %s\n", id, text);
}

static int cancel_batch(struct run *run, struct fault *fault)
{
    int result = 0;

    for (size_t i = 0; i < run->count; i++)
        run->items[i] = (struct cancellation){.distribution_id = run->ids[i]};
    if (run->count)
        result = store_cancel(run->store, run->items, run->count, "cancelled by its submitter", fault);
    for (size_t i = 0; i < run->count; i++) {
        if (result == 0)
            result = tell(run, &run->items[i], fault);
        free(run->ids[i]);
    }
    run->count = 0;
    return result;
}

static int add(struct run *run, const char *id, struct fault *fault)
{
    run->ids[run->count++] = xstrdup(id);
    return run->count == BATCH ? cancel_batch(run, fault) : 0;
}

static int add_lines(struct run *run, struct fault *fault)
{
    struct line_reader reader;
    enum line_status status;
    char *line;
    size_t size;
    int result = 0;

    line_reader_init(&reader, STDIN_FILENO, 1024);
    while (result == 0 && (status = line_reader_next(&reader, &line, &size, fault)) != LINE_END) {
        if (status == LINE_FAULT) {
            result = -1;
        } else if (status == LINE_TOO_LONG || strlen(line) != size) {
            msg(MSG_ERROR, "stdin:%" PRIu64 ": this is no id", reader.number);
            run->failed++;
        } else if (*text_trim(line)) {
            result = add(run, line, fault);
        }
    }
    line_reader_release(&reader);
    return result;
}

int cancel_run(struct store *store, char **ids, int count, bool json, bool quiet, struct fault *fault)
{
    struct run *run = xcalloc(1, sizeof *run);
    int result = 0;

    run->store = store;
    run->json = json;
    run->quiet = quiet;
    for (int i = 0; i < count && result == 0; i++)
        result = strcmp(ids[i], "-") ? add(run, ids[i], fault) : add_lines(run, fault);
    if (result == 0)
        result = cancel_batch(run, fault);
    for (size_t i = 0; i < run->count; i++)
        free(run->ids[i]);
    if (result == 0 && run->failed)
        result = EXIT_REJECTED;
    free(run);
    return result;
}
