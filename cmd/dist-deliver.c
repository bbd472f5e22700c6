/*
 * dist-deliver - deliver, as a filter, as a service or once
 */
#include <stdlib.h>
#include <unistd.h>

#include "catalog.h"
#include "deliver_explain.h"
#include "deliver_once.h"
#include "deliver_pipe.h"
#include "deliver_stage.h"
#include "deliver_stream.h"
#include "msg.h"
#include "pool.h"
#include "service.h"
#include "tool.h"

static bool stream, once, explain, json;
static const char *dead_letters, *tenant, *type, *content_type, *message_id;
static struct option_list destinations;

static const struct option options[] = {
    {'D', "dead-letters", "file", OPTION_STRING, &dead_letters, 0, 0,
     "append deliveries that died, for dist-dlq", NULL},
    {'s', "stream", NULL, OPTION_FLAG, &stream, 0, 0, "run as a service over Redis and PostgreSQL", NULL},
    {'d', "destination", "pattern", OPTION_LIST, &destinations, 0, 0,
     "with --stream: serve only these, or behind '!' all but these; may be repeated. With --once: the one",
     NULL},
    {0, "One attempt", NULL, OPTION_HEADING, NULL, 0, 0, NULL, NULL},
    {0, "once", NULL, OPTION_FLAG, &once, 0, 0, "one attempt, with standard input as the body; no server",
     NULL},
    {'t', "tenant", "name", OPTION_STRING, &tenant, 0, 0, "the owner (default: DIST_DEFAULT_TENANT)", NULL},
    {'T', "type", "name", OPTION_STRING, &type, 0, 0, "the kind of report", NULL},
    {0, "content-type", "type", OPTION_STRING, &content_type, 0, 0, "of the body (default: application/json)",
     NULL},
    {0, "id", "uuid", OPTION_STRING, &message_id, 0, 0, "the message id (default: a new one)", NULL},
    {0, "What is in force", NULL, OPTION_HEADING, NULL, 0, 0, NULL, NULL},
    {0, "explain-policy", NULL, OPTION_FLAG, &explain, 0, 0,
     "print retries, limits and the table of outcomes; send nothing", NULL},
    {'j', "json", NULL, OPTION_FLAG, &json, 0, 0, "as one JSON object per destination", NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {
    "[-D file]",
    "-s [-d pattern]",
    "--once -d destination [-t tenant] [-T type] [--content-type type] [--id uuid]",
    "--explain-policy [-j] [destination]",
    NULL,
};
static const struct tool_options tool_options = {
    .tool = "dist-deliver",
    .purpose = "deliver to destinations, with retries",
    .usage = usage,
    .options = options,
    .notes = "Without --stream, --once and --explain-policy it is a filter: delivery envelopes of "
             "dist-transform on standard input, a result line per delivery on standard output.",
};

static int run_pipe(const struct tool *tool, struct deliver_stage *stage, struct fault *fault)
{
    struct deliver_pipe pipe = {
        .stage = stage,
        .max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD"),
        .max_delivery = tool_max_delivery(tool),
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
    const char **patterns = pool_new(destinations.items, destinations.count, fault);
    if (!patterns)
        return -1;
    const char *unmatched = pool_unmatched(patterns, service->catalog);
    if (unmatched)
        msg(MSG_WARNING, "--destination: no configured destination is '%s'", unmatched);
    struct deliver_stream engine = {
        .stage = stage,
        .service = service,
        .take_store = tool_store(tool),
        .record_store = tool_store(tool),
        .take_queue = tool_queue(tool),
        .lease_ms = conf_duration_ms(tool->conf, "DIST_LEASE"),
        .stop_timeout_ms = conf_duration_ms(tool->conf, "DIST_STOP_TIMEOUT"),
        .rules = {.failures = (int)conf_int(tool->conf, "DIST_BREAKER_FAILURES"),
                  .open_ms = conf_duration_ms(tool->conf, "DIST_BREAKER_RECOVERY")},
        .patterns = patterns,
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
    free(patterns);
    return result;
}

static int run_once(const struct tool *tool, struct deliver_stage *stage, struct fault *fault)
{
    const struct deliver_once one = {
        .stage = stage,
        .destination = destinations.items[0],
        .tenant_id = tenant ? tenant : conf_text(tool->conf, "DIST_DEFAULT_TENANT"),
        .data_type = type,
        .content_type = content_type,
        .message_id = message_id,
        .max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD"),
        .render = tool_render(tool),
    };
    int result = deliver_once_run(&one, fault);
    render_free(one.render);
    return result;
}

static int run_explain(const struct tool *tool, const char *name, struct fault *fault)
{
    struct catalog *catalog = tool_catalog(tool, tool_mistake, NULL, fault);
    const struct deliver_explain what = {
        .catalog = catalog,
        .retry_policy = conf_text(tool->conf, "DIST_RETRY_POLICY"),
        .max_age_ms = conf_duration_ms(tool->conf, "DIST_MAX_AGE"),
        .concurrency = conf_int(tool->conf, "DIST_CONCURRENCY"),
        .tenant_concurrency = conf_int(tool->conf, "DIST_TENANT_CONCURRENCY"),
        .breaker_failures = conf_int(tool->conf, "DIST_BREAKER_FAILURES"),
        .breaker_recovery_ms = conf_duration_ms(tool->conf, "DIST_BREAKER_RECOVERY"),
        .allow_private = conf_bool(tool->conf, "DIST_ALLOW_PRIVATE"),
        .json = json,
    };
    int result = catalog ? deliver_explain_run(&what, name, fault) : -1;
    catalog_free(catalog);
    return result;
}

static int run(const struct tool *tool, struct fault *fault)
{
    struct deliver_stage stage = {0};
    struct service service = {0};
    struct catalog *catalog = NULL;
    int result = -1;

    if (stream ? service_begin(&service, tool, NULL, fault) == 0
               : (catalog = tool_catalog(tool, tool_mistake, NULL, fault)) != NULL) {
        if (deliver_stage_init(
                &stage, stream ? service.catalog : catalog, conf_dir(tool->conf),
                conf_text(tool->conf, "DIST_RETRY_POLICY"), conf_bool(tool->conf, "DIST_ALLOW_PRIVATE"),
                conf_text(tool->conf, "DIST_PROXY"), (size_t)conf_int(tool->conf, "DIST_CONCURRENCY"),
                (size_t)conf_int(tool->conf, "DIST_TENANT_CONCURRENCY"), fault) == 0) {
            stage.holds = stream;
            result = stream ? run_stream(tool, &stage, &service, fault)
                     : once ? run_once(tool, &stage, fault)
                            : run_pipe(tool, &stage, fault);
        }
        deliver_stage_release(&stage);
    }
    catalog_free(catalog);
    service_end(&service);
    return result;
}

static int check_call(const struct tool *tool, int operands, char **names, struct fault *fault)
{
    bool of_once = tenant || type || content_type || message_id;

    if (operands > (explain ? 1 : 0))
        return tool_usage(tool, fault, "unexpected argument '%s'", names[explain ? 1 : 0]);
    if (stream + once + explain > 1)
        return tool_usage(tool, fault, "--stream, --once and --explain-policy exclude each other");
    if (stream && dead_letters)
        return tool_usage(tool, fault,
                          "--dead-letters is for the filter; the service keeps them in PostgreSQL");
    if (dead_letters && (once || explain))
        return tool_usage(tool, fault, "--dead-letters is for the filter");
    if (of_once && !once)
        return tool_usage(tool, fault, "--tenant, --type, --content-type and --id belong to --once");
    if (json && !explain)
        return tool_usage(tool, fault, "--json belongs to --explain-policy; results are JSON in any case");
    if (destinations.count && !stream && !once)
        return tool_usage(tool, fault, "--destination belongs to --stream and --once");
    if (once && destinations.count != 1)
        return tool_usage(tool, fault, "--once wants one --destination");
    if (once && isatty(STDIN_FILENO))
        return tool_usage(tool, fault, "standard input is a terminal; the body is wanted there");
    return 0;
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
        result = explain ? run_explain(&tool, argv[1], &fault) : run(&tool, &fault);
    return tool_end(&tool, result, &fault);
}
