/*
 * dist-dlq - the dead letter queue
 */
#include <string.h>

#include "dead_call.h"
#include "dead_letters.h"
#include "dead_select.h"
#include "status.h"
#include "ceilings.h"
#include "tool.h"

static struct dead_request letters;

enum { MAX_REPLAYS = 10, CANARY_MS = 5 * 60 * 1000 };

static const struct option options[] = {
    {'f', "file", "file", OPTION_STRING, &letters.file, 0, 0,
     "a dead letter file of dist-deliver or of export, not the store", NULL},
    {'j', "json", NULL, OPTION_FLAG, &letters.json, 0, 0, "one JSON object per dead letter, batch or outcome",
     NULL},
    {0, "body", NULL, OPTION_FLAG, &letters.body, 0, 0, "show: just the bytes of the body", NULL},
    {'n', "dry-run", NULL, OPTION_FLAG, &letters.dry_run, 0, 0, "replay, drop: just count", NULL},
    {'y', "yes", NULL, OPTION_FLAG, &letters.yes, 0, 0,
     "replay, drop: more than one too, which is else counted", NULL},
    {0, "all", NULL, OPTION_FLAG, &letters.all, 0, 0, "replay, drop: every dead letter", NULL},
    {0, "Which dead letters", NULL, OPTION_HEADING, NULL, 0, 0, NULL, NULL},
    {'t', "tenant", "name", OPTION_STRING, &letters.filter.tenant_id, 0, 0, "of this tenant", NULL},
    {'T', "type", "name", OPTION_STRING, &letters.filter.data_type, 0, 0, "of this data type", NULL},
    {'d', "destination", "name", OPTION_STRING, &letters.filter.destination, 0, 0,
     "for this destination or group", NULL},
    {0, "reason", "word", OPTION_STRING, &letters.filter.reason, 0, 0, "that died for this reason",
     dead_reason_names},
    {0, "error", "text", OPTION_STRING, &letters.filter.error, 0, 0,
     "with this in the error's text, in any case", NULL},
    {0, "since", "when", OPTION_TIME, &letters.filter.since_us, 0, 0, "that died at or after", NULL},
    {0, "until", "when", OPTION_TIME, &letters.filter.until_us, 0, 0, "that died before", NULL},
    {0, "limit", "number", OPTION_INT, &letters.filter.limit, 1, INT64_C(1000000000), "at most so many",
     NULL},
    {0, "How they are replayed", NULL, OPTION_HEADING, NULL, 0, 0, NULL, NULL},
    {0, "rate", "rate", OPTION_STRING, &letters.replay.rate, 0, 0, "so many at most: 50/s, 10/m, 5/h", NULL},
    {0, "canary", "number", OPTION_INT, &letters.replay.canary, 1, 1000,
     "so many first, and the rest only when they have arrived", NULL},
    {0, "timeout", "duration", OPTION_DURATION, &letters.replay.timeout_ms, 1, 0,
     "until when the canary must have arrived (default 5m)", NULL},
    {0, "to", "name", OPTION_STRING, &letters.replay.to, 0, 0, "to this destination or group instead", NULL},
    {0, "edited", "file", OPTION_STRING, &letters.replay.edited, 0, 0,
     "with this body, as a distribution of its own", NULL},
    {0, "edit", NULL, OPTION_FLAG, &letters.replay.edit, 0, 0, "the same from an editor", NULL},
    {0, "max-replays", "number", OPTION_INT, &letters.replay.max_replays, 1, 1000000,
     "not what was replayed so often (default 10)", NULL},
    {0, "why", "text", OPTION_STRING, &letters.replay.why, 0, 0, "kept with the batch", NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
#define FILTERS "[-t tenant] [-T type] [-d destination] [--reason word] [--error text] "
#define TIMES "[--since when] [--until when] "
#define MANNER                                                                                               \
    "[--rate rate] [--canary number] [--timeout duration] [--to name] [--max-replays number] [--why text] "
static const char *const usage[] = {
    "list [-j] " FILTERS TIMES "[--limit number] [id ... | -]",
    "list -f file [-j] " FILTERS "[--limit number] [id ... | -]",
    "show [-j] [-f file] [--body] id ... | -",
    "export " FILTERS TIMES "[--limit number] [id ... | -]",
    "export -f file " FILTERS "[--limit number] [id ... | -]",
    "replay [-jny] [--all] " FILTERS TIMES "[--limit number] " MANNER "[id ... | -]",
    "replay [-j] --edited file | --edit [--to name] [--max-replays number] [--why text] id",
    "replay -f file [-n] [--all] " FILTERS "[--limit number] [--to name] [id ... | -]",
    "drop [-jny] [--all] " FILTERS TIMES "[--limit number] [id ... | -]",
    "batches [-j] " TIMES "[--limit number] [id ...]",
    NULL,
};
static const char *const subcommands[] = {"list", "show",    "export", "replay",
                                          "drop", "batches", NULL}; /* in the order of dead_action */
static const struct tool_options tool_options = {
    .tool = "dist-dlq",
    .purpose = "list, show, replay and drop dead letters",
    .usage = usage,
    .options = options,
    .subcommands = subcommands,
    .notes =
        "Ids are those of deliveries or of distributions; '-' reads them from standard input, one per "
        "line, bare or as lines of 'dist-dlq list --json'. More than one letter is only counted until --yes "
        "is said.",
};

static int run_store(const struct tool *tool, struct fault *fault)
{
    struct store *store = tool_store(tool);
    int result = store_open(store, fault);

    if (result == 0)
        result = dead_letters_run(&letters, store, fault);
    store_free(store);
    return result;
}

static int run_ids(const struct tool *tool, struct fault *fault)
{
    const struct dead_replay *replay = &letters.replay;
    struct catalog *catalog = NULL;
    int result = 0;

    if (replay->to || replay->edited || replay->edit) {
        catalog = tool_catalog(tool, tool_mistake, NULL, fault);
        result = catalog ? 0 : -1;
    }
    letters.catalog = catalog;
    if (!replay->max_replays)
        letters.replay.max_replays = MAX_REPLAYS;
    if (!replay->timeout_ms)
        letters.replay.timeout_ms = CANARY_MS;
    if (result == 0)
        result = letters.file ? dead_letters_file(&letters, fault) : run_store(tool, fault);
    catalog_free(catalog);
    return result;
}

static int run(const struct tool *tool, int count, char **words, struct fault *fault)
{
    int action = count ? status_index(subcommands, words[0]) : -1;
    bool from_stdin = count == 2 && !strcmp(words[1], "-");
    struct dead_texts ids = {0};
    uint64_t rejected = 0;
    int result = 0;

    if (action < 0)
        return tool_usage(tool, fault,
                          count ? "'%s' is not list, show, export, replay, drop or batches"
                                : "say what is to be done%s",
                          count ? words[0] : "");
    letters.action = (enum dead_action)action;
    letters.max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD");
    letters.max_delivery = tool_max_delivery(tool);
    if (dead_call_check(tool, &letters, (size_t)count - 1, fault) < 0)
        return -1;
    if (from_stdin)
        result = dead_texts_read(&ids, LIMIT_ENVELOPE(letters.max_payload), &rejected, fault);
    letters.filter.ids = from_stdin ? (const char *const *)ids.items : (const char *const *)words + 1;
    letters.filter.id_count = from_stdin ? ids.count : (size_t)count - 1;
    bool nothing = from_stdin && !ids.count; /* an empty list names nothing: not everything */
    if (result == 0 && !nothing)
        result = run_ids(tool, fault);
    dead_texts_release(&ids);
    return result == 0 && rejected ? EXIT_REJECTED : result;
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
