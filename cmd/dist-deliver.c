/*
 * dist-deliver - deliver, as a filter or as a service
 */
#include <unistd.h>

#include "catalog.h"
#include "deliver_pipe.h"
#include "deliver_stage.h"
#include "deliver_stream.h"
#include "service.h"
#include "tool.h"

static bool stream;
static const char *dead_letters;

static const struct option options[] = {
    {'s', "stream", NULL, OPTION_FLAG, &stream, 0, 0, "run as a service over Redis and PostgreSQL", NULL},
    {'D', "dead-letters", "file", OPTION_STRING, &dead_letters, 0, 0,
     "append deliveries that died, for dist-dlq", NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {"[-D file]", "-s", NULL};
static const struct tool_options tool_options = {
    .tool = "dist-deliver",
    .purpose = "deliver to destinations, with retries",
    .usage = usage,
    .options = options,
    .notes = "Without --stream it is a filter: delivery envelopes of dist-transform on standard input, a "
             "result line "
             "per delivery on standard output.",
};

static int run_pipe(const struct tool *tool, struct deliver_stage *stage, struct fault *fault)
{
    struct deliver_pipe pipe = {
        .stage = stage,
        .max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD"),
        .dead_letters = -1,
        .stop_timeout_ms = conf_duration_ms(tool->conf, "DIST_STOP_TIMEOUT"),
    };
    if (dead_letters) {
        pipe.dead_letters = deliver_pipe_dead_letters(dead_letters, fault);
        if (pipe.dead_letters < 0)
            return -1;
    }
    int result = deliver_pipe_run(&pipe, fault);
    if (pipe.dead_letters >= 0)
        close(pipe.dead_letters);
    return result;
}

static int run_stream(const struct tool *tool, struct deliver_stage *stage, struct service *service,
                      struct fault *fault)
{
    struct deliver_stream engine = {
        .stage = stage,
        .service = service,
        .take_store = tool_store(tool),
        .record_store = tool_store(tool),
        .take_queue = tool_queue(tool),
        .lease_ms = conf_duration_ms(tool->conf, "DIST_LEASE"),
        .stop_timeout_ms = conf_duration_ms(tool->conf, "DIST_STOP_TIMEOUT"),
    };
    engine.record_queue = tool_queue_beside(tool, engine.take_queue);
    engine.renew_queue = tool_queue_beside(tool, engine.take_queue);
    engine.bell_queue = tool_queue_beside(tool, engine.take_queue);
    int result = deliver_stream_run(&engine, fault);
    queue_free(engine.bell_queue);
    queue_free(engine.renew_queue);
    queue_free(engine.record_queue);
    queue_free(engine.take_queue);
    store_free(engine.record_store);
    store_free(engine.take_store);
    return result;
}

static int run(const struct tool *tool, struct fault *fault)
{
    struct deliver_stage stage = {0};
    struct service service = {0};
    struct catalog *catalog = NULL;
    int result = -1;

    if (stream ? service_begin(&service, tool, fault) == 0
               : (catalog = tool_catalog(tool, tool_mistake, NULL, fault)) != NULL) {
        if (deliver_stage_init(&stage, stream ? service.catalog : catalog, conf_dir(tool->conf),
                               conf_text(tool->conf, "DIST_RETRY_POLICY"),
                               conf_bool(tool->conf, "DIST_ALLOW_PRIVATE"),
                               (size_t)conf_int(tool->conf, "DIST_CONCURRENCY"),
                               (size_t)conf_int(tool->conf, "DIST_TENANT_CONCURRENCY"), fault) == 0)
            result = stream ? run_stream(tool, &stage, &service, fault) : run_pipe(tool, &stage, fault);
        deliver_stage_release(&stage);
    }
    catalog_free(catalog);
    service_end(&service);
    return result;
}

int main(int argc, char **argv)
{
    struct fault fault = {0};
    struct tool tool;
    int operands;

    if (!tool_begin(&tool, &tool_options, argc, argv, &operands, &stream))
        return tool.exit_code;
    int result = -1;
    if (operands)
        tool_usage(&tool, &fault, "unexpected argument '%s'", argv[1]);
    else if (stream && dead_letters)
        tool_usage(&tool, &fault, "--dead-letters is for the filter; the service keeps them in PostgreSQL");
    else
        result = run(&tool, &fault);
    return tool_end(&tool, result, &fault);
}
