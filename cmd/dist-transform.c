/*
 * dist-transform - bodies as their destinations expect them
 */
#include "catalog.h"
#include "ceilings.h"
#include "pump.h"
#include "tool.h"
#include "transform_stage.h"

static bool stream;

static const struct option options[] = {
    {'s', "stream", NULL, OPTION_FLAG, &stream, 0, 0, "run as a service over Redis and PostgreSQL", NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {"", "-s", NULL};
static const struct tool_options tool_options = {
    .tool = "dist-transform",
    .purpose = "put bodies into the form that their destinations expect",
    .usage = usage,
    .options = options,
    .notes = "Without --stream it is a filter: delivery envelopes of dist-route on standard input, the same "
             "with the "
             "body ready to send on standard output.",
};

static void attach(void *arg, const struct catalog *catalog, void *part, struct store *store,
                   struct queue *queue)
{
    struct transform_stage *stage = arg;
    (void)part;
    stage->catalog = catalog;
    stage->store = store;
    stage->queue = queue;
}

static int line(void *stage, const char *text, size_t size, struct buf *out, struct fault *fault)
{
    return transform_stage_line(stage, text, size, out, fault);
}

static int batch(void *stage, const struct queue_claims *claims, struct fault *fault)
{
    return transform_stage_batch(stage, claims, fault);
}

static int poison(void *stage, const struct queue_claim *claim, const char *why, struct fault *fault)
{
    return transform_stage_poison(stage, claim, why, fault);
}

static int run(const struct tool *tool, struct fault *fault)
{
    struct transform_stage stage = {
        .max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD"),
    };
    struct pump pump = {
        .stage = &stage,
        .attach = attach,
        .line = line,
        .max_line = LIMIT_ENVELOPE(stage.max_payload),
        .max_pending = LIMIT_ENVELOPE(stage.max_payload),
        .source = QUEUE_ROUTED,
        .batch = batch,
        .poison = poison,
    };
    return pump_run(&pump, tool, stream, fault);
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
