/*
 * dist-route - from distributions to deliveries; as a service also the due pump
 */
#include "catalog.h"
#include "ceilings.h"
#include "explain.h"
#include "pump.h"
#include "route_stage.h"
#include "rule_check.h"
#include "tool.h"

static bool stream, explain, check, test, health, json;

static const struct option options[] = {
    {'s', "stream", NULL, OPTION_FLAG, &stream, 0, 0, "run as a service over Redis and PostgreSQL", NULL},
    {0, "explain", NULL, OPTION_FLAG, &explain, 0, 0, "say why each envelope would go where it would go",
     NULL},
    {0, "health", NULL, OPTION_FLAG, &health, 0, 0,
     "with --explain: ask the servers which destinations are fit", NULL},
    {0, "check", NULL, OPTION_FLAG, &check, 0, 0, "find every mistake in files of rules, or in rules.d",
     NULL},
    {0, "test", NULL, OPTION_FLAG, &test, 0, 0, "run tests of the rules", NULL},
    {'j', "json", NULL, OPTION_FLAG, &json, 0, 0, "explanations and results as JSON", NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {
    "", "-s", "--explain [-j] [--health]", "--check [-j] [file ...]", "--test [-j] file ...", NULL,
};
static const struct tool_options tool_options = {
    .tool = "dist-route",
    .purpose = "turn distributions into deliveries, one per target",
    .usage = usage,
    .options = options,
    .notes = "Without --stream it is a filter: request envelopes of dist-submit --pipe on standard input, "
             "delivery "
             "envelopes on standard output.",
};

static void attach(void *arg, const struct catalog *catalog, void *part, struct store *store,
                   struct queue *queue)
{
    struct route_stage *stage = arg;
    (void)catalog; /* the rulebook has it */
    route_stage_attach(stage, part);
    stage->store = store;
    stage->queue = queue;
}

static int line(void *stage, const char *text, size_t size, struct buf *out, struct fault *fault)
{
    return route_stage_line(stage, text, size, out, fault);
}

static int batch(void *stage, const struct queue_claims *claims, struct fault *fault)
{
    return route_stage_batch(stage, claims, fault);
}

static int tick(void *stage, int64_t *wait_ms, struct fault *fault)
{
    return route_stage_tick(stage, wait_ms, fault);
}

static int poison(void *stage, const struct queue_claim *claim, const char *why, struct fault *fault)
{
    return route_stage_poison(stage, claim, why, fault);
}

static void *load_rules(void *programs, const struct tool *tool, const struct catalog *catalog,
                        struct fault *fault)
{
    return tool_rules(tool, catalog, programs, tool_mistake, NULL, fault);
}

static void release_rules(void *book)
{
    rulebook_free(book);
}

static int run_pump(const struct tool *tool, struct programs *programs, struct fault *fault)
{
    const struct service_part rules = {
        .name = "rules", .load = load_rules, .release = release_rules, .arg = programs};
    struct route_stage stage = {
        .max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD"),
        .lease_ms = conf_duration_ms(tool->conf, "DIST_LEASE"),
        .window = (size_t)conf_int(tool->conf, "DIST_LANE_WINDOW"),
    };
    struct pump pump = {
        .stage = &stage,
        .part = &rules,
        .attach = attach,
        .line = line,
        .max_line = LIMIT_ENVELOPE(stage.max_payload),
        .max_pending = LIMIT_ENVELOPE(stage.max_payload) * LIMIT_TARGETS,
        .source = QUEUE_SUBMITTED,
        .batch = batch,
        .tick = tick,
        .poison = poison,
    };
    int result = pump_run(&pump, tool, stream, fault);
    route_stage_release(&stage);
    return result;
}

static int check_call(const struct tool *tool, int operands, char **names, struct fault *fault)
{
    if (stream + explain + check + test > 1)
        return tool_usage(tool, fault, "--stream, --explain, --check and --test exclude each other");
    if (json && !explain && !check && !test)
        return tool_usage(tool, fault, "--json belongs to --explain, --check and --test");
    if (health && !explain)
        return tool_usage(tool, fault, "--health belongs to --explain");
    if (operands && !check && !test)
        return tool_usage(tool, fault, "unexpected argument '%s'", names[0]);
    if (test && !operands)
        return tool_usage(tool, fault, "--test wants a file of tests, or '-'");
    return 0;
}

static int run(const struct tool *tool, int operands, char **files, struct fault *fault)
{
    /* Before anything large is there: its worker is a copy of this process. */
    struct programs *programs = programs_new(&program_limits_default);
    const struct explain explaining = {.tool = tool, .programs = programs, .json = json, .health = health};
    int result = explain ? explain_run(&explaining, fault)
                 : check ? rule_check_run(tool, programs, files, operands, json, fault)
                 : test  ? rule_test_run(tool, programs, files, operands, json, fault)
                         : run_pump(tool, programs, fault);

    programs_free(programs);
    return result;
}

int main(int argc, char **argv)
{
    struct fault fault = {0};
    struct tool tool;
    int operands;

    if (!tool_begin(&tool, &tool_options, argc, argv, &operands, &stream))
        return tool.exit_code;
    int result = check_call(&tool, operands, argv + 1, &fault);
    if (result == 0)
        result = run(&tool, operands, argv + 1, &fault);
    return tool_end(&tool, result, &fault);
}
