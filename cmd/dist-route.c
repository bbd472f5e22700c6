/*
 * dist-route - from distributions to deliveries; as a service also the due pump
 */
#include "catalog.h"
#include "ceilings.h"
#include "explain.h"
#include "pump.h"
#include "route_stage.h"
#include "rule_check.h"
#include "rule_loader.h"
#include "rules_diff.h"
#include "tool.h"
#include "tool_engine.h"

static bool stream, explain, check, test, diff, health, json;
static int64_t days, limit;

enum { DAYS_DEFAULT = 7, DAYS_MAX = 3650 };

static const struct option options[] = {
    {'s', "stream", NULL, OPTION_FLAG, &stream, 0, 0, "run as a service over Redis and PostgreSQL", NULL},
    {0, "explain", NULL, OPTION_FLAG, &explain, 0, 0, "say why each envelope would go where it would go",
     NULL},
    {0, "health", NULL, OPTION_FLAG, &health, 0, 0,
     "with --explain: ask the servers which destinations are fit", NULL},
    {0, "check", NULL, OPTION_FLAG, &check, 0, 0, "find every mistake in files of rules, or in rules.d",
     NULL},
    {0, "test", NULL, OPTION_FLAG, &test, 0, 0, "run tests of the rules", NULL},
    {0, "diff", NULL, OPTION_FLAG, &diff, 0, 0, "what other rules would have done to stored distributions",
     NULL},
    {0, "days", "n", OPTION_INT, &days, 1, DAYS_MAX, "with --diff: those of the last n days; default 7",
     NULL},
    {0, "limit", "n", OPTION_INT, &limit, 1, INT64_MAX, "with --diff: the newest n of them", NULL},
    {'j', "json", NULL, OPTION_FLAG, &json, 0, 0, "explanations and results as JSON", NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {
    "",
    "-s",
    "--explain [-j] [--health] [id ...]",
    "--check [-j] [file ...]",
    "--test [-j] file ...",
    "--diff [-j] [--days n] [--limit n] file ...",
    NULL,
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

/* What the callbacks of the pump get. */
struct routing_service {
    struct route_stage stage; /* first */
    const struct tool *tool;
};

static int told(struct routing_service *service, int result)
{
    if (service->stage.engine)
        tool_engine_news(service->tool, service->stage.engine);
    return result;
}

static int line(void *service, const char *text, size_t size, struct buf *out, struct fault *fault)
{
    return told(service, route_stage_line(service, text, size, out, fault));
}

static int batch(void *service, const struct queue_claims *claims, struct postponed *later,
                 struct fault *fault)
{
    return told(service, route_stage_batch(service, claims, later, fault));
}

static int tick(void *stage, int64_t *wait_ms, struct fault *fault)
{
    return route_stage_tick(stage, wait_ms, fault);
}

static int poison(void *stage, const struct queue_claim *claim, const char *why, struct fault *fault)
{
    return route_stage_poison(stage, claim, why, fault);
}

static int run_pump(const struct tool *tool, struct routing_service *service, struct rule_loader *loader,
                    struct fault *fault)
{
    const struct service_part rules = {.name = "rules",
                                       .load = rule_loader_load,
                                       .release = rule_loader_release,
                                       .arg = loader,
                                       .is_old = rule_loader_is_old};
    struct pump pump = {
        .stage = service,
        .part = &rules,
        .attach = attach,
        .line = line,
        .max_line = LIMIT_ENVELOPE(service->stage.max_payload),
        .max_pending = LIMIT_ENVELOPE(service->stage.max_payload) * LIMIT_TARGETS,
        .source = QUEUE_SUBMITTED,
        .batch = batch,
        .tick = tick,
        .poison = poison,
    };
    return pump_run(&pump, tool, stream, fault);
}

static int run_routing(const struct tool *tool, struct programs *programs, struct fault *fault)
{
    struct store *store = stream ? tool_store(tool) : NULL; /* the stage's may be in a transaction */
    struct rule_loader loader;
    struct routing_service service = {
        .stage = {.max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD"),
                  .lease_ms = conf_duration_ms(tool->conf, "DIST_LEASE"),
                  .window = (size_t)conf_int(tool->conf, "DIST_LANE_WINDOW")},
        .tool = tool,
    };
    int result = tool_engine(tool, &service.stage.engine, fault);

    rule_loader_init(&loader, programs, store);
    if (result == 0)
        result = run_pump(tool, &service, &loader, fault);
    route_stage_release(&service.stage);
    rules_engine_free(service.stage.engine);
    store_free(store);
    return result;
}

static int check_call(const struct tool *tool, int operands, char **names, struct fault *fault)
{
    if (stream + explain + check + test + diff > 1)
        return tool_usage(tool, fault, "--stream, --explain, --check, --test and --diff exclude each other");
    if (json && !explain && !check && !test && !diff)
        return tool_usage(tool, fault, "--json belongs to --explain, --check, --test and --diff");
    if ((days || limit) && !diff)
        return tool_usage(tool, fault, "--days and --limit belong to --diff");
    if (health && !explain)
        return tool_usage(tool, fault, "--health belongs to --explain");
    if (operands && !check && !test && !explain && !diff)
        return tool_usage(tool, fault, "unexpected argument '%s'", names[0]);
    if (diff && !operands)
        return tool_usage(tool, fault, "--diff wants the new rules: files or a folder");
    if (test && !operands)
        return tool_usage(tool, fault, "--test wants a file of tests, or '-'");
    return 0;
}

static int run(const struct tool *tool, int operands, char **files, struct fault *fault)
{
    /* Before anything large is there: its worker is a copy of this process. */
    struct programs *programs = programs_new(&program_limits_default);
    const struct explain explaining = {.tool = tool,
                                       .programs = programs,
                                       .json = json,
                                       .health = health,
                                       .ids = files,
                                       .id_count = operands};
    const struct rules_diff differing = {
        .tool = tool, .programs = programs, .days = days ? days : DAYS_DEFAULT, .limit = limit, .json = json};
    int result = explain ? explain_run(&explaining, fault)
                 : check ? rule_check_run(tool, programs, files, operands, json, fault)
                 : test  ? rule_test_run(tool, programs, files, operands, json, fault)
                 : diff  ? rules_diff_run(&differing, files, operands, fault)
                         : run_routing(tool, programs, fault);

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
