/*
 * status_results - dist-status as a filter: see status_show.h
 */
#include <stdio.h>
#include <unistd.h>

#include "envelope.h"
#include "ceilings.h"
#include "lines.h"
#include "num.h"
#include "status_show.h"
#include "table.h"
#include "text.h"
#include "tool.h"

enum { RESULT_LINE = 64 * 1024 };

struct tally {
    bool json;
    uint64_t by_status[DELIVERY_STATUS_COUNT];
    uint64_t total;
};

/* Changes the result's texts into printable ones. Where no attempt was made, the target stands for the
 * destination. */
static void add_row(struct result *result, struct buf *out)
{
    char code[16], took[NUM_DURATION_SIZE], state[64];
    char *destination = result->destination ? result->destination : result->target;

    snprintf(code, sizeof code, "%d", result->response_code);
    snprintf(state, sizeof state, "%s%s%s%s", delivery_status_names[result->status],
             result->status == DELIVERY_DEAD ? " (" : "",
             result->status == DELIVERY_DEAD ? dead_reason_names[result->dead_reason] : "",
             result->status == DELIVERY_DEAD ? ")" : "");
    buf_addf(out, "%-36s  %-20s  %-18s  %8d  %4s  %6s  %s\n", text_printable(result->distribution_id),
             text_printable(destination), state, result->attempts, result->response_code ? code : "-",
             result->attempts ? num_format_duration(result->latency_ms, took) : "-",
             result->error ? text_printable(result->error) : "");
}

static int record(void *arg, char *line, size_t size, uint64_t number, struct buf *out, struct fault *fault)
{
    struct tally *tally = arg;
    struct result result = {0};
    (void)number;

    if (envelope_read_result(line, size, &result, fault) < 0)
        return -1;
    if (!tally->json && !tally->total)
        buf_addf(out, "%-36s  %-20s  %-18s  %8s  %4s  %6s  %s\n", "DISTRIBUTION", "DESTINATION", "STATUS",
                 "ATTEMPTS", "CODE", "TOOK", "ERROR");
    tally->total++;
    tally->by_status[result.status]++;
    if (!tally->json)
        add_row(&result, out);
    result_release(&result);
    return 0;
}

static int print_summary(const struct tally *tally, struct fault *fault)
{
    struct buf out;

    buf_init(&out, RESULT_LINE);
    buf_addf(&out, tally->json ? "{\"total\":%llu" : "%llu deliveries", (unsigned long long)tally->total);
    for (int i = 0; i < DELIVERY_STATUS_COUNT; i++) {
        unsigned long long count = tally->by_status[i];
        if (tally->json)
            buf_addf(&out, ",\"%s\":%llu", delivery_status_names[i], count);
        else if (count)
            buf_addf(&out, ", %llu %s", count, delivery_status_names[i]);
    }
    int result = print_text(fault, tally->json ? "%s}\n" : "%s\n", out.data);
    buf_release(&out);
    return result;
}

int status_show_results(bool json, struct fault *fault)
{
    struct tally tally = {.json = json};
    struct lines lines = {
        .in = STDIN_FILENO,
        .out = STDOUT_FILENO,
        .name = "stdin",
        .max_line = RESULT_LINE,
        .max_pending = RESULT_LINE * 2,
        .record = record,
        .arg = &tally,
    };
    int result = lines_run(&lines, fault);
    if (result < 0 || print_summary(&tally, fault) < 0)
        return -1;
    return tally.by_status[DELIVERY_DELIVERED] == tally.total ? result : EXIT_REJECTED;
}
