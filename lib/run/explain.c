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
#include "fdio.h"
#include "json.h"
#include "lines.h"
#include "msg.h"
#include "route_explain.h"
#include "rule_loader.h"
#include "store_past.h"
#include "tool_engine.h"

struct explaining {
    const struct explain *explain;
    struct rulebook *book;
    struct rules_engine *engine; /* NULL: there is none */
    struct store *store;         /* NULL: neither health nor a stored distribution is asked for */
    struct queue *queue;         /* NULL: health is not asked for */
    struct health health;
    uint64_t max_payload;
};

/* What was found as it is printed. */
static int write_out(const struct job *job, const struct delivery_list *deliveries,
                     const struct route_explanation *explanation, bool json, struct buf *out,
                     struct fault *fault)
{
    if (json) {
        json_t *document = route_explain_json(job, deliveries, explanation);

        json_write(document, out);
        buf_addc(out, '\n');
        json_decref(document);
    } else {
        route_explain_text(job, deliveries, explanation, out);
    }
    return out->overflow ? fault_set(fault, FAULT_INPUT, "there is too much to explain") : 0;
}

int explain_job(struct rulebook *book, struct rules_engine *engine, struct job *job,
                const struct route_health *health, bool json, struct buf *out, struct fault *fault)
{
    struct delivery_list deliveries = {0};
    struct route_explanation explanation;
    struct engine_question question = {.verdict = ENGINE_SAYS_RULES};
    struct rulebook_ruling ruling;
    json_t *event = engine ? rule_event(job, rules_engine_wants_payload(engine)) : NULL;

    question.event = event;
    int result = engine ? rules_engine_ask(engine, book->catalog, &question, 1, fault) : 0;
    json_decref(event);
    bool ruled = rules_engine_ruling(&question, &ruling);
    if (result == 0)
        result = rulebook_route_ruled(book, ruled ? &ruling : NULL, job, clock_wall_us(), health, &deliveries,
                                      &explanation, fault);
    if (result == 0) {
        result = write_out(job, &deliveries, &explanation, json, out, fault);
        route_explanation_release(&explanation);
    }
    delivery_list_release(&deliveries);
    rules_free(question.rules); /* the explanation has borrowed from them */
    return result;
}

/* `job` is one reference of the caller's. */
static int explain_one(struct explaining *explaining, struct job *job, struct buf *out, struct fault *fault)
{
    struct route_health health = health_for_routing(&explaining->health);
    int result = 0;

    if (explaining->queue)
        result =
            health_refresh(&explaining->health, explaining->queue, explaining->store, clock_mono_ms(), fault);
    if (result == 0)
        result = explain_job(explaining->book, explaining->engine, job, explaining->queue ? &health : NULL,
                             explaining->explain->json, out, fault);
    return result;
}

static int explain_line(void *arg, char *line, size_t size, uint64_t number, struct buf *out,
                        struct fault *fault)
{
    struct explaining *explaining = arg;
    struct job *job;

    (void)number;
    if (envelope_read_request(line, size, explaining->max_payload, &job, fault) < 0)
        return -1;
    int result = explain_one(explaining, job, out, fault);
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

/* One stored distribution. What is wrong with it alone is a line, and the others go on. */
static int explain_stored(struct explaining *explaining, const char *id, int *rejected, struct fault *fault)
{
    struct fault problem = {0};
    struct job *job;
    struct buf out;

    buf_init(&out, LIMIT_ENVELOPE(explaining->max_payload) + RULES_MAX * 1024);
    int result = store_past_load(explaining->store, id, &job, &problem);
    if (result == 0)
        result = explain_one(explaining, job, &out, &problem);
    job_unref(job);
    if (result == 0)
        result = fdio_write_all(STDOUT_FILENO, out.data, out.len, &problem);
    buf_release(&out);
    if (result < 0 && problem.class == FAULT_INPUT) {
        msg_fault(&problem);
        *rejected = EXIT_REJECTED;
        return 0;
    }
    if (result < 0)
        *fault = problem;
    return result;
}

static int explain_ids(struct explaining *explaining, struct fault *fault)
{
    int rejected = 0, result = 0;

    for (int i = 0; i < explaining->explain->id_count && result == 0; i++)
        result = explain_stored(explaining, explaining->explain->ids[i], &rejected, fault);
    return result < 0 ? -1 : rejected;
}

int explain_run(const struct explain *explain, struct fault *fault)
{
    const struct tool *tool = explain->tool;
    struct explaining explaining = {.explain = explain,
                                    .max_payload = conf_size(tool->conf, "DIST_MAX_PAYLOAD")};
    struct catalog *catalog = tool_catalog(tool, tool_mistake, NULL, fault);
    struct rule_loader loader;
    int result = -1;

    if (explain->health || explain->id_count)
        explaining.store = tool_store(tool);
    rule_loader_init(&loader, explain->programs, explaining.store);
    if (catalog && tool_engine(tool, &explaining.engine, fault) == 0)
        explaining.book = rule_loader_load(&loader, tool, catalog, fault);
    if (explaining.book) {
        health_init(&explaining.health, catalog);
        explaining.queue = explain->health ? tool_queue(tool) : NULL;
        result = explain->id_count ? explain_ids(&explaining, fault) : explain_lines(&explaining, fault);
        queue_free(explaining.queue);
        health_release(&explaining.health);
    }
    rules_engine_free(explaining.engine);
    rulebook_free(explaining.book);
    store_free(explaining.store);
    catalog_free(catalog);
    return result;
}
