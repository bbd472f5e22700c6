/*
 * explain - see explain.h
 *
 * What is said here is what routing does: the same functions on the same configuration. Only the turns of
 * groups are those of this process, which begins with the first one.
 */
#include "explain.h"

#include <unistd.h>

#include "ceilings.h"
#include "clock.h"
#include "envelope.h"
#include "json.h"
#include "lines.h"
#include "route_explain.h"

struct explaining {
    const struct explain *explain;
    struct rulebook *book;
    struct store *store; /* NULL: health is not asked for */
    struct queue *queue;
    struct health health;
    uint64_t max_payload;
};

int explain_job(struct rulebook *book, struct job *job, const struct route_health *health, bool json,
                struct buf *out, struct fault *fault)
{
    struct delivery_list deliveries = {0};
    struct route_explanation explanation;

    if (rulebook_route(book, job, clock_wall_us(), health, &deliveries, &explanation, fault) < 0)
        return -1;
    if (json) {
        json_t *document = route_explain_json(job, &deliveries, &explanation);

        json_write(document, out);
        buf_addc(out, '\n');
        json_decref(document);
    } else {
        route_explain_text(job, &deliveries, &explanation, out);
    }
    route_explanation_release(&explanation);
    delivery_list_release(&deliveries);
    return out->overflow ? fault_set(fault, FAULT_INPUT, "there is too much to explain") : 0;
}

static int explain_line(void *arg, char *line, size_t size, uint64_t number, struct buf *out,
                        struct fault *fault)
{
    struct explaining *explaining = arg;
    struct route_health health = health_for_routing(&explaining->health);
    struct job *job;

    (void)number;
    if (envelope_read_request(line, size, explaining->max_payload, &job, fault) < 0)
        return -1;
    int result = 0;
    if (explaining->queue)
        result =
            health_refresh(&explaining->health, explaining->queue, explaining->store, clock_mono_ms(), fault);
    if (result == 0)
        result = explain_job(explaining->book, job, explaining->queue ? &health : NULL,
                             explaining->explain->json, out, fault);
    job_unref(job);
    return result;
}

static int explain_lines(struct explaining *explaining, struct fault *fault)
{
    struct lines lines = {
        .in = STDIN_FILENO,
        .out = STDOUT_FILENO,
        .name = "stdin",
        .max_line = LIMIT_ENVELOPE(explaining->max_payload),
        .max_pending = LIMIT_ENVELOPE(explaining->max_payload) + RULES_MAX * 1024,
        .record = explain_line,
        .arg = explaining,
    };
    return lines_run(&lines, fault);
}

int explain_run(const struct explain *explain, struct fault *fault)
{
    const struct tool *tool = explain->tool;
    struct explaining explaining = {.explain = explain,
                                    .max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD")};
    struct catalog *catalog = tool_catalog(tool, tool_mistake, NULL, fault);
    int result = -1;

    if (catalog)
        explaining.book = tool_rules(tool, catalog, explain->programs, tool_mistake, NULL, fault);
    if (explaining.book) {
        health_init(&explaining.health, catalog);
        if (explain->health) {
            explaining.store = tool_store(tool);
            explaining.queue = tool_queue(tool);
        }
        result = explain_lines(&explaining, fault);
        queue_free(explaining.queue);
        store_free(explaining.store);
        health_release(&explaining.health);
    }
    rulebook_free(explaining.book);
    catalog_free(catalog);
    return result;
}
