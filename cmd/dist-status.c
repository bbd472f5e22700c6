/*
 * dist-status - where distributions are
 */
#include <string.h>
#include <unistd.h>

#include "await.h"
#include "clock.h"
#include "service.h"
#include "status_show.h"
#include "status_why.h"
#include "tool.h"

static bool list, queues, json, watch, wait_for;
static int64_t timeout_ms, interval_ms = 2000;
static struct job_filter filter = {.limit = 50};

static const struct option options[] = {
    {'l', "list", NULL, OPTION_FLAG, &list, 0, 0, "the newest distributions", NULL},
    {0, "queues", NULL, OPTION_FLAG, &queues, 0, 0, "streams and lanes, and what each destination waits for",
     NULL},
    {'w', "wait", NULL, OPTION_FLAG, &wait_for, 0, 0, "until each distribution has ended", NULL},
    {0, "timeout", "duration", OPTION_DURATION, &timeout_ms, 1, 0, "of --wait", NULL},
    {'W', "watch", NULL, OPTION_FLAG, &watch, 0, 0, "show it again and again", NULL},
    {0, "interval", "duration", OPTION_DURATION, &interval_ms, 100, 0, "of --watch (default 2s)", NULL},
    {'j', "json", NULL, OPTION_FLAG, &json, 0, 0, "response documents, one per line", NULL},
    {0, "Which distributions --list shows", NULL, OPTION_HEADING, NULL, 0, 0, NULL, NULL},
    {'t', "tenant", "name", OPTION_STRING, &filter.tenant_id, 0, 0, "of this tenant", NULL},
    {'T', "type", "name", OPTION_STRING, &filter.data_type, 0, 0, "of this data type", NULL},
    {'d', "destination", "name", OPTION_STRING, &filter.destination, 0, 0, "to this destination or group",
     NULL},
    {0, "status", "word", OPTION_STRING, &filter.status, 0, 0, "in this status", job_status_names},
    {0, "since", "when", OPTION_TIME, &filter.since_us, 0, 0, "submitted at or after", NULL},
    {0, "until", "when", OPTION_TIME, &filter.until_us, 0, 0, "submitted before", NULL},
    {'n', "limit", "number", OPTION_INT, &filter.limit, 1, 1000000, "at most so many (default 50)", NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {
    "[-jwW] [--timeout duration] [--interval duration] id ...",
    "-l [-jW] [-t tenant] [-T type] [-d destination] [--status word] [--since when] [--until when] [-n "
    "number] "
    "[--interval duration]",
    "--queues [-jW] [--interval duration]",
    "why [-j] id ...",
    "[-j] [-]",
    NULL,
};
static const struct tool_options tool_options = {
    .tool = "dist-status",
    .purpose = "show where distributions are",
    .usage = usage,
    .options = options,
    .notes = "Without an id, a list or the queues it is a filter: result lines of dist-deliver on standard "
             "input, a "
             "table of them on standard output.",
};

struct servers {
    struct store *store;
    struct queue *queue;
};

/* One showing of what was asked for. *ended: every distribution has, and the exit code is known. */
static int show(const struct servers *servers, int count, char **ids, bool *ended, struct fault *fault)
{
    int worst = 0;

    *ended = count > 0;
    if (queues)
        return status_show_queues(servers->store, servers->queue, json, fault);
    if (list)
        return status_show_list(servers->store, &filter, json, fault);
    for (int i = 0; i < count; i++) {
        enum job_status status;
        if (status_show_job(servers->store, ids[i], json, &status, fault) < 0)
            return -1;
        *ended = *ended && job_status_is_final(status);
        int code = await_exit_code(status);
        worst = code > worst ? code : worst;
    }
    return wait_for ? worst : 0;
}

static int wait_for_all(struct store *store, int count, char **ids, struct fault *fault)
{
    int64_t deadline_ms = timeout_ms ? clock_mono_ms() + timeout_ms : 0;
    for (int i = 0; i < count; i++) {
        enum job_status status;
        if (await_job(store, ids[i], deadline_ms, &status, fault) < 0)
            return -1;
    }
    return 0;
}

static int run_servers(const struct tool *tool, int count, char **ids, struct fault *fault)
{
    struct servers servers = {.store = tool_store(tool), .queue = queues ? tool_queue(tool) : NULL};
    bool ended = false;
    int result = store_open(servers.store, fault);

    if (result == 0 && wait_for)
        result = wait_for_all(servers.store, count, ids, fault);
    while (result == 0) {
        if (watch && isatty(STDOUT_FILENO) && write(STDOUT_FILENO, "\033[H\033[J", 6) < 0)
            break;
        result = show(&servers, count, ids, &ended, fault);
        if (!watch || ended || result < 0)
            break;
        service_sleep(interval_ms);
    }
    queue_free(servers.queue);
    store_free(servers.store);
    return result;
}

/* `ids` begins with the word "why". */
static int run_why(const struct tool *tool, int count, char **ids, struct fault *fault)
{
    if (list || queues || watch || wait_for)
        return tool_usage(tool, fault, "why takes ids and --json, nothing else");
    if (count < 2)
        return tool_usage(tool, fault, "why needs the ids of distributions or deliveries");
    return status_why(tool, count - 1, ids + 1, json, fault);
}

static int run(const struct tool *tool, int count, char **ids, struct fault *fault)
{
    bool filters = filter.tenant_id || filter.data_type || filter.destination || filter.status ||
                   filter.since_us || filter.until_us;
    bool is_filter = !list && !queues && (count == 0 || (count == 1 && !strcmp(ids[0], "-")));

    if ((list || queues) && count)
        return tool_usage(tool, fault, "--list and --queues take no ids");
    if (count && !strcmp(ids[0], "why"))
        return run_why(tool, count, ids, fault);
    if (list && queues)
        return tool_usage(tool, fault, "--list and --queues exclude each other");
    if (filters && !list)
        return tool_usage(tool, fault,
                          "--tenant, --type, --destination, --status, --since and --until belong to --list");
    if (wait_for && !count)
        return tool_usage(tool, fault, "--wait needs the ids of distributions");
    if (timeout_ms && !wait_for)
        return tool_usage(tool, fault, "--timeout belongs to --wait");
    if (!is_filter)
        return run_servers(tool, count, ids, fault);
    if (watch)
        return tool_usage(tool, fault, "--watch needs ids, --list or --queues");
    if (!count && isatty(STDIN_FILENO))
        return tool_usage(tool, fault, "give an id, --list or --queues; standard input is a terminal");
    return status_show_results(json, fault);
}

int main(int argc, char **argv)
{
    struct fault fault = {0};
    struct tool tool;
    int operands;

    if (!tool_begin(&tool, &tool_options, argc, argv, &operands, NULL))
        return tool.exit_code;
    return tool_end(&tool, run(&tool, operands, argv + 1, &fault), &fault);
}
