/*
 * dist-transform - bodies as their destinations expect them
 */
#include <stdlib.h>
#include <unistd.h>

#include "catalog.h"
#include "notify.h"
#include "pump.h"
#include "tool.h"
#include "transform_check.h"
#include "transform_options.h"
#include "transform_stage.h"

static bool stream, check, test, json;
static struct transform_options over;

static const struct option options[] = {
    {'s', "stream", NULL, OPTION_FLAG, &stream, 0, 0, "run as a service over Redis and PostgreSQL", NULL},
    {0, "input", "form", OPTION_STRING, &over.input, 0, 0,
     "read bodies like that: json, csv, xml, or an object of JSON", NULL},
    {0, "program", "jq", OPTION_STRING, &over.program, 0, 0, "run this program for each body", NULL},
    {0, "program-file", "file", OPTION_STRING, &over.program_file, 0, 0, "the same from a file", NULL},
    {0, "format", "form", OPTION_STRING, &over.format, 0, 0,
     "write them like that: csv, xml, json, ..., or an object of JSON", NULL},
    {0, "check", NULL, OPTION_FLAG, &check, 0, 0,
     "find every mistake in the renderings of files, or of "
     "destinations.d and rules.d",
     NULL},
    {0, "test", NULL, OPTION_FLAG, &test, 0, 0, "run tests of renderings", NULL},
    {'j', "json", NULL, OPTION_FLAG, &json, 0, 0, "with --test: all results, as JSON", NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {
    "[--input form] [--program jq | --program-file file] [--format form]",
    "-s",
    "--check [file ...]",
    "--test [-j] file ...",
    NULL,
};
static const struct tool_options tool_options = {
    .tool = "dist-transform",
    .purpose = "put bodies into the form that their destinations expect",
    .usage = usage,
    .options = options,
    .notes =
        "Without --stream it is a filter: delivery envelopes of dist-route on standard input, the same "
        "with the body ready to send on standard output. --input, --program and --format stand in front of "
        "what the destinations say, which need not be configured here then.",
};

static void attach(void *arg, const struct catalog *catalog, void *part, struct store *store,
                   struct queue *queue)
{
    struct transform_stage *stage = arg;
    (void)part; /* it is the renderer, which stays */
    stage->catalog = catalog;
    stage->store = store;
    stage->queue = queue;
}

static int line(void *stage, const char *text, size_t size, struct buf *out, struct fault *fault)
{
    return transform_stage_line(stage, text, size, out, fault);
}

static int batch(void *stage, const struct queue_claims *claims, struct postponed *later, struct fault *fault)
{
    (void)later; /* what waits does so in PostgreSQL */
    return transform_stage_batch(stage, claims, fault);
}

static int poison(void *stage, const struct queue_claim *claim, const char *why, struct fault *fault)
{
    return transform_stage_poison(stage, claim, why, fault);
}

/* A configuration with a program that is none is not taken. */
static void *load_programs(void *render, const struct tool *tool, const struct catalog *catalog,
                           struct fault *fault)
{
    const size_t mistakes = render_check(render, catalog, tool_mistake, NULL, notify_alive, fault);

    if (!mistakes)
        return fault->class ? NULL : render;
    fault_set(fault, FAULT_CONFIG, "%s: %zu program%s cannot be run", conf_dir(tool->conf), mistakes,
              mistakes == 1 ? "" : "s");
    return NULL;
}

static void keep_programs(void *render)
{
    (void)render;
}

static int run(const struct tool *tool, struct render *render, struct fault *fault)
{
    const struct service_part programs = {
        .name = "programs", .load = load_programs, .release = keep_programs, .arg = render};
    struct transform_stage stage = {
        .render = render,
        .max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD"),
        .lease_ms = conf_duration_ms(tool->conf, "DIST_LEASE"),
    };
    const size_t max_line = tool_max_delivery(tool);
    struct pump pump = {
        .stage = &stage,
        .part = &programs,
        .attach = attach,
        .line = line,
        .max_line = max_line,
        .max_pending = max_line,
        .source = QUEUE_ROUTED,
        .batch = batch,
        .poison = poison,
    };
    json_t *rendering = NULL;

    if (transform_options_read(&over, render, &rendering, fault) < 0)
        return -1;
    stage.rendering = rendering;
    int result = pump_run(&pump, tool, stream, fault);
    json_decref(rendering);
    return result;
}

static int check_call(const struct tool *tool, int operands, char **words, struct fault *fault)
{
    const bool laid_over = over.input || over.program || over.program_file || over.format;

    if (stream + check + test > 1)
        return tool_usage(tool, fault, "--stream, --check and --test exclude each other");
    if (laid_over && (stream || check || test))
        return tool_usage(tool, fault, "--input, --program, --program-file and --format are for the filter");
    if (over.program && over.program_file)
        return tool_usage(tool, fault, "--program and --program-file exclude each other");
    if (json && !test)
        return tool_usage(tool, fault, "--json belongs to --test");
    if (test && !operands)
        return tool_usage(tool, fault, "--test wants a file");
    if (operands && !check && !test)
        return tool_usage(tool, fault, "unexpected argument '%s'", words[0]);
    return 0;
}

int main(int argc, char **argv)
{
    struct fault fault = {0};
    struct render *render = NULL;
    struct tool tool;
    int operands;

    if (!tool_begin(&tool, &tool_options, argc, argv, &operands, &stream))
        return tool.exit_code;
    int result = check_call(&tool, operands, argv + 1, &fault);
    if (result == 0) {
        render = tool_render(&tool);
        result = check  ? transform_check_run(&tool, render, argv + 1, operands, &fault)
                 : test ? transform_test_run(&tool, render, argv + 1, operands, json, &fault)
                        : run(&tool, render, &fault);
    }
    render_free(render);
    return tool_end(&tool, result, &fault);
}
