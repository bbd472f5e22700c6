/*
 * dist-dlq - the dead letter queue
 */
#include <string.h>

#include "dead_letters.h"
#include "status.h"
#include "tool.h"

static struct dead_letters letters;
static const char *file;

static const struct option options[] = {
    {'f', "file", "file", OPTION_STRING, &file, 0, 0, "a dead letter file of dist-deliver, not the store",
     NULL},
    {'j', "json", NULL, OPTION_FLAG, &letters.json, 0, 0, "one JSON object per dead letter", NULL},
    {0, "body", NULL, OPTION_FLAG, &letters.body, 0, 0, "show: just the bytes of the body", NULL},
    {'n', "dry-run", NULL, OPTION_FLAG, &letters.dry_run, 0, 0, "replay, drop: just count", NULL},
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
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {
    "list [-j] [-t tenant] [-T type] [-d destination] [--reason word] [--error text] [--since when] "
    "[--until when] [--limit number] [id ...]",
    "list -f file [-j] [-t tenant] [-T type] [-d destination] [--reason word] [--error text] "
    "[--limit number] [id ...]",
    "show [-j] [-f file] [--body] id ...",
    "replay [-n] [--all] [-t tenant] [-T type] [-d destination] [--reason word] [--error text] "
    "[--since when] [--until when] [--limit number] [id ... | -]",
    "replay -f file [-n] [--all] [-t tenant] [-T type] [-d destination] [--reason word] [--error text] "
    "[--limit number] [id ... | -]",
    "drop [-n] [--all] [-t tenant] [-T type] [-d destination] [--reason word] [--error text] [--since when] "
    "[--until when] [--limit number] [id ... | -]",
    NULL,
};
static const char *const subcommands[] = {"list", "show", "replay", "drop",
                                          NULL}; /* in the order of dead_action */
static const struct tool_options tool_options = {
    .tool = "dist-dlq",
    .purpose = "list, show, replay and drop dead letters",
    .usage = usage,
    .options = options,
    .subcommands = subcommands,
    .notes = "Ids are those of deliveries or of distributions; '-' reads them from standard input, one per "
             "line, bare or as lines of 'dist-dlq list --json'.",
};

static int check_call(const struct tool *tool, int count, struct fault *fault)
{
    const struct dead_filter *filter = &letters.filter;
    bool filters = filter->tenant_id || filter->data_type || filter->destination || filter->reason ||
                   filter->error || filter->since_us || filter->until_us;
    bool acts = letters.action == DEAD_REPLAY || letters.action == DEAD_DROP;

    if (letters.action == DEAD_SHOW && !count)
        return tool_usage(tool, fault, "show needs an id");
    if (acts && !count && !filters && !letters.all)
        return tool_usage(tool, fault, "name dead letters by id, by filters, or say --all");
    if (letters.all && (count || !acts))
        return tool_usage(tool, fault, "--all is for replay and drop without ids");
    if (letters.body && letters.action != DEAD_SHOW)
        return tool_usage(tool, fault, "--body belongs to show");
    if (letters.dry_run && !acts)
        return tool_usage(tool, fault, "--dry-run belongs to replay and drop");
    if (file && letters.action == DEAD_DROP)
        return tool_usage(tool, fault, "drop works on the store, not on a file");
    if (file && (filter->since_us || filter->until_us))
        return tool_usage(tool, fault, "--since and --until work on the store, not on a file");
    return 0;
}

static int run_store(const struct tool *tool, struct fault *fault)
{
    struct store *store = tool_store(tool);
    int result = store_open(store, fault);

    if (result == 0)
        result = dead_letters_run(&letters, store, fault);
    store_free(store);
    return result;
}

static int run(const struct tool *tool, int count, char **words, struct fault *fault)
{
    char **ids = NULL;
    size_t id_count = 0;
    int action = count ? status_index(subcommands, words[0]) : -1;
    bool from_stdin = count == 2 && !strcmp(words[1], "-");

    if (action < 0)
        return tool_usage(tool, fault,
                          count ? "'%s' is not list, show, replay or drop" : "say what is to be done%s",
                          count ? words[0] : "");
    letters.action = (enum dead_action)action;
    letters.max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD");
    if (check_call(tool, count - 1, fault) < 0)
        return -1;
    int result = from_stdin ? dead_letters_read_ids(&ids, &id_count, fault) : 0;
    letters.filter.ids = from_stdin ? (const char *const *)ids : (const char *const *)words + 1;
    letters.filter.id_count = from_stdin ? id_count : (size_t)count - 1;
    bool nothing = from_stdin && !id_count; /* an empty list names nothing: not everything */
    if (result == 0 && !nothing)
        result = file ? dead_letters_file(&letters, file, fault) : run_store(tool, fault);
    dead_letters_free_ids(ids, id_count);
    return result;
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
