/*
 * dist-submit - accept reports for delivery
 */
#include <string.h>
#include <unistd.h>

#include "catalog.h"
#include "clock.h"
#include "intake.h"
#include "num.h"
#include "retry.h"
#include "status.h"
#include "tool.h"

static struct intake intake;
static struct option_list to, meta;
static bool pipe_out, dry_run;
static const char *expires;
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
    {0, "expires", "when", OPTION_STRING, &expires, 0, 0,
     "give up then: a duration from now, or a time as 2024-01-15T10:00:00Z", NULL},
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
    {'w', "wait", NULL, OPTION_FLAG, &intake.wait, 0, 0, "until everything has ended", NULL},
    {0, "timeout", "duration", OPTION_DURATION, &wait_ms, 1, 0, "of --wait", NULL},
    {'j', "json", NULL, OPTION_FLAG, &intake.json, 0, 0, "one JSON object per distribution", NULL},
    {'q', "quiet", NULL, OPTION_FLAG, &intake.quiet, 0, 0, "do not print the ids", NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {
    "[-jnqrw] [-t tenant] [-T type] [-d destination] [-p priority] [-m key=value] [--content-type type] "
    "[--callback url] [--idempotency-key key] [--expires when] [--retry-policy name] [--ndjson] [--pipe] "
    "[--timeout duration] [file ...]",
    NULL,
};
static const struct tool_options tool_options = {
    .tool = "dist-submit",
    .purpose = "accept reports for delivery",
    .usage = usage,
    .options = options,
};

static int read_metadata(json_t *metadata, struct fault *fault)
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

static int read_expiry(int64_t *expires_at_us, struct fault *fault)
{
    int64_t ms;

    if (!expires)
        return 0;
    if (num_parse_duration(expires, INT64_C(400) * 24 * 3600 * 1000, &ms, NULL) == 0)
        *expires_at_us = clock_wall_us() + ms * 1000;
    else if (clock_parse(expires, expires_at_us, NULL) < 0)
        return fault_set(fault, FAULT_USAGE, "--expires %s: a duration or an RFC 3339 time is wanted",
                         expires);
    return 0;
}

static int check_call(const struct tool *tool, int operands, char **files, struct fault *fault)
{
    bool from_stdin = operands == 0;
    if (from_stdin && isatty(STDIN_FILENO))
        return tool_usage(tool, fault,
                          "standard input is a terminal; name a file, or '-' to type the report");
    if (pipe_out && dry_run)
        return tool_usage(tool, fault, "--pipe and --dry-run exclude each other");
    if ((pipe_out || dry_run) && intake.wait)
        return tool_usage(tool, fault, "--wait needs the service: not with --pipe or --dry-run");
    if (pipe_out && (intake.json || intake.quiet))
        return tool_usage(tool, fault, "--pipe writes envelopes: not with --json or --quiet");
    if (pipe_out && intake.defaults.callback_url)
        return tool_usage(tool, fault, "--callback needs the service: not with --pipe");
    if (wait_ms && !intake.wait)
        return tool_usage(tool, fault, "--timeout belongs to --wait");
    if (intake.defaults.idempotency_key && (intake.ndjson || operands > 1))
        return tool_usage(tool, fault, "--idempotency-key is for one distribution");
    for (int i = 0; i < operands; i++)
        if (!*files[i])
            return tool_usage(tool, fault, "a file's name is empty");
    return 0;
}

static int run(struct tool *tool, int operands, char **files, struct fault *fault)
{
    static char dash[] = "-";
    char *standard_input[] = {dash, NULL};
    json_t *metadata = json_object();
    struct catalog *catalog = NULL;
    struct store *store = NULL;
    struct queue *queue = NULL;
    int result = -1;

    if (check_call(tool, operands, files, fault) < 0 || read_metadata(metadata, fault) < 0 ||
        read_expiry(&intake.defaults.expires_at_us, fault) < 0)
        goto out;
    catalog = tool_catalog(tool, tool_mistake, NULL, fault);
    if (!catalog)
        goto out;
    intake.sink = pipe_out ? INTAKE_PIPE : dry_run ? INTAKE_DRY_RUN : INTAKE_STORE;
    if (intake.sink == INTAKE_STORE) {
        store = tool_store(tool);
        queue = tool_queue(tool);
        if (store_open(store, fault) < 0)
            goto out;
    }
    intake.defaults.to = to.items;
    intake.defaults.to_count = to.count;
    intake.defaults.metadata = metadata;
    intake.defaults.max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD");
    if (!intake.defaults.tenant_id)
        intake.defaults.tenant_id = conf_text(tool->conf, "DIST_DEFAULT_TENANT");
    intake.wait_ms = wait_ms;
    submit_init(&intake.submit, catalog, store, queue, conf_duration_ms(tool->conf, "DIST_MAX_AGE"));
    intake.submit.window = (size_t)conf_int(tool->conf, "DIST_LANE_WINDOW");
    result = operands ? intake_run(&intake, files, operands, fault)
                      : intake_run(&intake, standard_input, 1, fault);
    intake_release(&intake);
out:
    queue_free(queue);
    store_free(store);
    catalog_free(catalog);
    json_decref(metadata);
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
