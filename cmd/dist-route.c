/*
 * dist-route - from distributions to deliveries; as a service also the due pump
 */
#include "catalog.h"
#include "ceilings.h"
#include "pump.h"
#include "route_stage.h"
#include "tool.h"

static bool stream;

static const struct option options[] = {
    {'s', "stream", NULL, OPTION_FLAG, &stream, 0, 0, "run as a service over Redis and PostgreSQL", NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {"", "-s", NULL};
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

static int run(const struct tool *tool, struct fault *fault)
{
    struct programs *programs = programs_new(&program_limits_default);
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
    int result =
        operands ? tool_usage(&tool, &fault, "unexpected argument '%s'", argv[1]) : run(&tool, &fault);
    return tool_end(&tool, result, &fault);
}
