/*
 * dist-submit - accept reports for delivery
 */
#include <string.h>
#include <unistd.h>

#include "cancel.h"
#include "catalog.h"
#include "clock.h"
#include "flush.h"
#include "intake.h"
#include "msg.h"
#include "num.h"
#include "period.h"
#include "retry.h"
#include "spool.h"
#include "store_rules.h"
#include "status.h"
#include "tool.h"

static struct intake intake;
static struct option_list to, meta;
static bool pipe_out, dry_run, cancel, flush_spool;
static const char *at, *expires;
static json_t *metadata;
static int64_t wait_ms;

static const struct option options[] = {
    {0, "What is sent", NULL, OPTION_HEADING, NULL, 0, 0, NULL, NULL},
    {'t', "tenant", "name", OPTION_STRING, &intake.defaults.tenant_id, 0, 0,
     "the owner (default: DIST_DEFAULT_TENANT)", NULL},
    {'T', "type", "name", OPTION_STRING, &intake.defaults.data_type, 0, 0, "the kind of report", NULL},
    {'d', "to", "destination", OPTION_LIST, &to, 0, 0, "a destination or group; may be repeated", NULL},
    {'p', "priority", "word", OPTION_STRING, &intake.defaults.priority, 0, 0, "high, normal or low",
     priority_names},
    {0, "content-type", "type", OPTION_STRING, &intake.defaults.content_type, 0, 0,
     "of the body (default: by the file's name, else application/json)", NULL},
    {'m', "meta", "key=value", OPTION_LIST, &meta, 0, 0, "metadata; may be repeated", NULL},
    {0, "callback", "url", OPTION_STRING, &intake.defaults.callback_url, 0, 0,
     "POST the response document there when the distribution has ended", NULL},
    {0, "idempotency-key", "key", OPTION_STRING, &intake.defaults.idempotency_key, 0, 0,
     "submitting the same again under this key gives the first id", NULL},
    {0, "once-per", "period", OPTION_STRING, &intake.defaults.once_per, 0, 0,
     "one for this type and these destinations; a later one gives the first id", period_names},
    {0, "supersede", "key", OPTION_STRING, &intake.defaults.supersede_key, 0, 0,
     "cancel what is undelivered of older ones with this key", NULL},
    {0, "at", "time", OPTION_STRING, &at, 0, 0, "not before then: a time as 2024-01-15T10:00:00Z", NULL},
    {0, "delay", "duration", OPTION_DURATION, &intake.defaults.delay_ms, 1, INT64_C(400) * 24 * 3600 * 1000,
     "not before that long from now", NULL},
    {0, "expires", "when", OPTION_STRING, &expires, 0, 0,
     "give up then: a duration from now (or from --at, --delay), or a time", NULL},
    {0, "retry-policy", "name", OPTION_STRING, &intake.defaults.retry_policy, 0, 0,
     "when failed attempts are made again", retry_policy_names},
    {0, "Forms of the input", NULL, OPTION_HEADING, NULL, 0, 0, NULL, NULL},
    {'r', "request", NULL, OPTION_FLAG, &intake.request, 0, 0,
     "each input is a whole distribution request, not a bare payload", NULL},
    {0, "ndjson", NULL, OPTION_FLAG, &intake.ndjson, 0, 0,
     "each line is a distribution: a request, or a bare payload", NULL},
    {0, "What is done", NULL, OPTION_HEADING, NULL, 0, 0, NULL, NULL},
    {0, "pipe", NULL, OPTION_FLAG, &pipe_out, 0, 0, "write envelopes for dist-route; no server", NULL},
    {'n', "dry-run", NULL, OPTION_FLAG, &dry_run, 0, 0, "check only; store nothing", NULL},
    {0, "cancel", NULL, OPTION_FLAG, &cancel, 0, 0, "end what is open of these distributions", NULL},
    {0, "flush-spool", NULL, OPTION_FLAG, &flush_spool, 0, 0, "submit what was spooled", NULL},
    {'w', "wait", NULL, OPTION_FLAG, &intake.wait, 0, 0, "until everything has ended", NULL},
    {0, "timeout", "duration", OPTION_DURATION, &wait_ms, 1, 0, "of --wait", NULL},
    {'j', "json", NULL, OPTION_FLAG, &intake.json, 0, 0, "one JSON object per distribution", NULL},
    {'q', "quiet", NULL, OPTION_FLAG, &intake.quiet, 0, 0, "do not print the ids", NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {
    "[-jnqrw] [-t tenant] [-T type] [-d destination] [-p priority] [-m key=value] [--content-type type] "
    "[--callback url] [--idempotency-key key] [--once-per period] [--supersede key] [--at time] "
    "[--delay duration] [--expires when] [--retry-policy name] [--ndjson] [--pipe] [--timeout duration] "
    "[file ...]",
    "--cancel [-jq] id ...",
    "--flush-spool [-jq]",
    NULL,
};
static const struct tool_options tool_options = {
    .tool = "dist-submit",
    .purpose = "accept reports for delivery",
    .usage = usage,
    .options = options,
};

static int read_metadata(struct fault *fault)
{
    for (size_t i = 0; i < meta.count; i++) {
        const char *equals = strchr(meta.items[i], '=');
        if (!equals || equals == meta.items[i])
            return fault_set(fault, FAULT_USAGE, "--meta %s: key=value is wanted", meta.items[i]);
        json_t *value = json_string(equals + 1);
        if (!value)
            return fault_set(fault, FAULT_USAGE, "--meta %s: not UTF-8", meta.items[i]);
        json_object_setn_new(metadata, meta.items[i], (size_t)(equals - meta.items[i]), value);
    }
    return 0;
}

static int read_times(struct fault *fault)
{
    struct job_defaults *defaults = &intake.defaults;

    if (at && clock_parse(at, &defaults->scheduled_at_us, NULL) < 0)
        return fault_set(fault, FAULT_USAGE, "--at %s: an RFC 3339 time as 2024-01-15T10:00:00Z is wanted",
                         at);
    if (!expires ||
        num_parse_duration(expires, INT64_C(400) * 24 * 3600 * 1000, &defaults->expires_in_ms, NULL) == 0)
        return 0;
    if (clock_parse(expires, &defaults->expires_at_us, NULL) < 0)
        return fault_set(fault, FAULT_USAGE, "--expires %s: a duration or an RFC 3339 time is wanted",
                         expires);
    return 0;
}

static int check_pipe(const struct tool *tool, struct fault *fault)
{
    if (intake.json || intake.quiet)
        return tool_usage(tool, fault, "--pipe writes envelopes: not with --json or --quiet");
    if (intake.defaults.callback_url)
        return tool_usage(tool, fault, "--callback needs the service: not with --pipe");
    if (at || intake.defaults.delay_ms)
        return tool_usage(tool, fault,
                          "--at and --delay need the service, a filter does not wait: not with --pipe");
    if (intake.defaults.once_per || intake.defaults.supersede_key)
        return tool_usage(
            tool, fault,
            "--once-per and --supersede need the service, a filter does not know what was submitted "
            "before: not with --pipe");
    return 0;
}

/* --cancel and --flush-spool submit nothing that is described here. */
static int check_other(const struct tool *tool, int operands, struct fault *fault)
{
    const struct job_defaults *d = &intake.defaults;
    const char *mode = cancel ? "--cancel" : "--flush-spool";
    bool described = d->tenant_id || d->data_type || d->content_type || d->priority || d->idempotency_key ||
                     d->callback_url || d->retry_policy || d->once_per || d->supersede_key || d->delay_ms ||
                     to.count || meta.count || at || expires;

    if (cancel && flush_spool)
        return tool_usage(tool, fault, "--cancel and --flush-spool exclude each other");
    if (described || intake.request || intake.ndjson || pipe_out || dry_run || intake.wait || wait_ms)
        return tool_usage(tool, fault, "%s goes with --json and --quiet only", mode);
    if (cancel && !operands)
        return tool_usage(tool, fault, "--cancel needs the ids of distributions, or '-' to read them");
    if (flush_spool && operands)
        return tool_usage(tool, fault, "--flush-spool takes no files");
    return 0;
}

static int check_call(const struct tool *tool, int operands, char **files, struct fault *fault)
{
    const struct job_defaults *d = &intake.defaults;
    bool from_stdin = operands == 0;

    if (from_stdin && isatty(STDIN_FILENO))
        return tool_usage(tool, fault,
                          "standard input is a terminal; name a file, or '-' to type the report");
    if (pipe_out && dry_run)
        return tool_usage(tool, fault, "--pipe and --dry-run exclude each other");
    if ((pipe_out || dry_run) && intake.wait)
        return tool_usage(tool, fault, "--wait needs the service: not with --pipe or --dry-run");
    if (pipe_out && check_pipe(tool, fault) < 0)
        return -1;
    if (wait_ms && !intake.wait)
        return tool_usage(tool, fault, "--timeout belongs to --wait");
    if (at && d->delay_ms)
        return tool_usage(tool, fault, "--at and --delay exclude each other");
    if (d->idempotency_key && d->once_per)
        return tool_usage(tool, fault, "--once-per makes the idempotency key: not with --idempotency-key");
    if ((d->idempotency_key || d->once_per || d->supersede_key) && (intake.ndjson || operands > 1))
        return tool_usage(tool, fault, "%s is for one distribution",
                          d->idempotency_key ? "--idempotency-key"
                          : d->once_per      ? "--once-per"
                                             : "--supersede");
    for (int i = 0; i < operands; i++)
        if (!*files[i])
            return tool_usage(tool, fault, "a file's name is empty");
    return 0;
}

struct servers {
    struct store *store;
    struct queue *queue;
    struct spool *spool; /* or NULL */
};

/* What the store cannot take now goes into the spool, where one is configured. */
static int open_servers(const struct tool *tool, struct servers *servers, struct fault *fault)
{
    const char *folder = conf_text(tool->conf, "DIST_SPOOL_DIR");

    servers->store = tool_store(tool);
    servers->queue = tool_queue(tool);
    if (folder) {
        servers->spool = spool_open(folder, conf_size(tool->conf, "DIST_SPOOL_MAX"), fault);
        if (!servers->spool)
            return -1;
    }
    if (store_open(servers->store, fault) == 0)
        return 0;
    if (!folder || (fault->class != FAULT_UNAVAILABLE && fault->class != FAULT_TEMP))
        return -1;
    if (flush_spool) /* it is where it is */
        return -1;
    msg(MSG_WARNING, "%s", fault->text);
    intake.spooling = true;
    return 0;
}

/*
 * Whether what names no destination may have one by rules. Where it is not known whether the database has
 * any, as for what goes into the spool, it is taken: at the worst it becomes a dead letter.
 */
static bool may_be_routed(const struct tool *tool, const struct servers *servers)
{
    struct fault problem = {0};
    bool any = false;

    if (tool_routes(tool))
        return true;
    if (!servers->store || to.count)
        return false;
    if (intake.spooling)
        return true;
    return store_rules_any(servers->store, &any, &problem) < 0 || any;
}

static int run_submit(const struct tool *tool, const struct servers *servers, const struct catalog *catalog,
                      int operands, char **files, struct fault *fault)
{
    static char dash[] = "-";
    char *standard_input[] = {dash, NULL};
    int result;

    intake.sink = pipe_out ? INTAKE_PIPE : dry_run ? INTAKE_DRY_RUN : INTAKE_STORE;
    intake.defaults.to = to.items;
    intake.defaults.to_count = to.count;
    intake.defaults.routed = may_be_routed(tool, servers);
    intake.defaults.metadata = metadata;
    intake.defaults.max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD");
    if (!intake.defaults.tenant_id)
        intake.defaults.tenant_id = conf_text(tool->conf, "DIST_DEFAULT_TENANT");
    intake.wait_ms = wait_ms;
    intake.spool = servers->spool;
    submit_init(&intake.submit, catalog, servers->store, servers->queue,
                conf_duration_ms(tool->conf, "DIST_MAX_AGE"),
                conf_duration_ms(tool->conf, "DIST_IDEMPOTENCY_WINDOW"));
    intake.submit.window = (size_t)conf_int(tool->conf, "DIST_LANE_WINDOW");
    result = operands ? intake_run(&intake, files, operands, fault)
                      : intake_run(&intake, standard_input, 1, fault);
    intake_release(&intake);
    return result;
}

static int run_flush(const struct tool *tool, const struct servers *servers, const struct catalog *catalog,
                     struct fault *fault)
{
    struct flush flush = {.spool = servers->spool, .json = intake.json, .quiet = intake.quiet};
    int result;

    submit_init(&flush.submit, catalog, servers->store, servers->queue,
                conf_duration_ms(tool->conf, "DIST_MAX_AGE"),
                conf_duration_ms(tool->conf, "DIST_IDEMPOTENCY_WINDOW"));
    flush.submit.window = (size_t)conf_int(tool->conf, "DIST_LANE_WINDOW");
    flush.submit.spooled = true;
    result = flush_run(&flush, fault);
    submit_release(&flush.submit);
    return result;
}

static int run_cancel(const struct tool *tool, int operands, char **ids, struct fault *fault)
{
    struct store *store = tool_store(tool);
    int result = cancel_run(store, ids, operands, intake.json, intake.quiet, fault);

    store_free(store);
    return result;
}

static int run(struct tool *tool, int operands, char **files, struct fault *fault)
{
    struct catalog *catalog = NULL;
    struct servers servers = {0};
    int result = -1;

    if (cancel || flush_spool)
        result = check_other(tool, operands, fault);
    else if (check_call(tool, operands, files, fault) == 0)
        result = read_metadata(fault) < 0 ? -1 : read_times(fault);
    if (result < 0)
        return -1;
    if (cancel)
        return run_cancel(tool, operands, files, fault);
    if (flush_spool && !conf_text(tool->conf, "DIST_SPOOL_DIR"))
        return fault_set(fault, FAULT_CONFIG, "DIST_SPOOL_DIR is not set: there is no spool");
    catalog = tool_catalog(tool, tool_mistake, NULL, fault);
    if (!catalog)
        return -1;
    result = pipe_out || dry_run ? 0 : open_servers(tool, &servers, fault);
    if (result == 0)
        result = flush_spool ? run_flush(tool, &servers, catalog, fault)
                             : run_submit(tool, &servers, catalog, operands, files, fault);
    spool_close(servers.spool);
    queue_free(servers.queue);
    store_free(servers.store);
    catalog_free(catalog);
    return result;
}

int main(int argc, char **argv)
{
    struct fault fault = {0};
    struct tool tool;
    int operands;

    if (!tool_begin(&tool, &tool_options, argc, argv, &operands, NULL))
        return tool.exit_code;
    metadata = json_object();
    int result = run(&tool, operands, argv + 1, &fault);
    json_decref(metadata);
    if (result < 0 && fault.class == FAULT_UNAVAILABLE) /* run it again: nothing else is wrong */
        fault.class = FAULT_TEMP;
    return tool_end(&tool, result, &fault);
}
