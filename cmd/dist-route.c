/*
 * dist-route - from distributions to deliveries; as a service also the due pump
 */
#include "catalog.h"
#include "ceilings.h"
#include "pump.h"
#include "route_stage.h"
#include "rule_loader.h"
#include "tool.h"
#include "tool_engine.h"

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

static int batch(void *service, const struct queue_claims *claims, struct fault *fault)
{
    return told(service, route_stage_batch(service, claims, fault));
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

static int run(const struct tool *tool, struct fault *fault)
{
    struct programs *programs = programs_new(&program_limits_default);
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
