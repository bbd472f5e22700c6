/*
 * rulebook - see rulebook.h
 *
 * The one hard rule: a program that could not be run is not a program that said no. A worker that was ended
 * from outside fails the call, and the distribution is routed again.
 */
#include "rulebook.h"

#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "clock.h"
#include "json.h"
#include "xalloc.h"

enum { RESULT_MAX = 64 * 1024 }; /* bytes of what a "when" or "hash_on" says */

/* --- building --- */

struct building {
    struct rulebook *book;
    rules_report *report;
    void *arg;
    size_t mistakes;
    void (*alive)(void);
    size_t programs_max;
    bool full;            /* the mistake has been told */
    struct fault trouble; /* that passes: the first one; no program is compiled any more */
};

static void note_mistake(struct building *building, const char *origin, const char *path, const char *text)
{
    const struct rules_mistake mistake = {.origin = origin, .path = path, .text = text};

    building->mistakes++;
    building->report(building->arg, &mistake);
}

/* A fault is a mistake of the program; of other trouble nothing is said here. */
static int compile(struct building *building, const char *text, struct fault *fault)
{
    struct rulebook *book = building->book;
    struct program *program = NULL;

    if (strmap_get(&book->compiled, text) || building->trouble.class || building->full)
        return 0;
    if (book->compiled.count == building->programs_max) {
        building->full = true;
        return fault_set(fault, FAULT_INPUT, "there are more than %zu different programs",
                         building->programs_max);
    }
    if (building->alive)
        building->alive();
    for (int tries = 0; !program && tries < 2; tries++) {
        fault_clear(fault);
        program = program_compile(book->programs, text, strlen(text), PROGRAM_ARRAY, fault);
        if (fault->class != FAULT_TEMP)
            break;
    }
    if (program) {
        strmap_put(&book->compiled, text, program);
        return 0;
    }
    if (fault->class == FAULT_INPUT)
        return -1;
    building->trouble = *fault;
    return 0;
}

static int check_when(void *arg, const char *program, struct fault *fault)
{
    return compile(arg, program, fault);
}

static void add_groups(struct building *building)
{
    struct rulebook *book = building->book;
    size_t count;
    const char **names = catalog_group_names(book->catalog, &count);

    for (size_t i = 0; i < count; i++) {
        const struct group *group = catalog_group(book->catalog, names[i]);
        struct fault fault = {0};

        strmap_put(&book->turns, group->name, xcalloc(1, sizeof(struct balance)));
        if (!group->plan.hash_on)
            continue;
        book->ask_payload = true;
        if (compile(building, group->plan.hash_on, &fault) < 0) {
            fault_wrap(&fault, "group '%s'", group->name);
            note_mistake(building, group->origin, "/hash_on", fault.text);
        }
    }
    free(names);
}

static void check_default(struct building *building)
{
    const struct rulebook *book = building->book;
    const char *name = book->default_target, *nearest;
    struct fault fault;

    if (!name || catalog_destination(book->catalog, name) || catalog_group(book->catalog, name))
        return;
    nearest = catalog_nearest(book->catalog, name);
    fault_set(&fault, FAULT_CONFIG, "no destination or group is named '%s'%s%s%s", name,
              nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    note_mistake(building, "DIST_DEFAULT_TARGET", "", fault.text);
}

struct rulebook *rulebook_new(const struct catalog *catalog, const struct rules_source *sources, size_t count,
                              const struct rulebook_settings *settings, struct programs *programs,
                              rules_report *report, void *arg, struct fault *fault)
{
    struct rulebook *book = xcalloc(1, sizeof *book);
    struct building building = {
        .book = book,
        .report = report,
        .arg = arg,
        .alive = settings->alive,
        .programs_max = settings->programs_max ? settings->programs_max : RULEBOOK_PROGRAMS_MAX,
    };
    const struct rule_checks checks = {.catalog = catalog, .when = check_when, .when_arg = &building};

    book->catalog = catalog;
    book->mode = settings->mode;
    book->default_target = xstrdup_null(settings->default_target);
    book->programs = programs;
    book->programs_ms = settings->programs_ms ? settings->programs_ms : RULEBOOK_PROGRAMS_MS;
    strmap_init(&book->compiled);
    strmap_init(&book->turns);
    book->rules = rules_new(sources, count, &checks, report, arg);
    if (catalog) {
        add_groups(&building);
        check_default(&building);
    }
    const bool mistaken = !book->rules || building.mistakes;
    if (mistaken || building.trouble.class) {
        if (!mistaken)
            *fault = building.trouble;
        rulebook_free(book);
        return NULL;
    }
    book->ask_payload = book->ask_payload || book->rules->ask_payload;
    return book;
}

static void free_program(void *program)
{
    program_free(program);
}

void rulebook_free(struct rulebook *book)
{
    if (!book)
        return;
    rules_free(book->rules);
    strmap_release(&book->compiled, free_program);
    strmap_release(&book->turns, free);
    free(book->default_target);
    free(book);
}

/* --- asking --- */

/* One distribution that is being routed. */
struct asking {
    const struct rulebook *book;
    const struct job *job;
    struct buf event;     /* as text, once a program wants it; the event does not change */
    int64_t until_ms;     /* no program begins to run after that; 0: none has yet */
    struct fault trouble; /* a program could not be run, for no fault of its own */
    struct fault slow;    /* or because the others before it took too long */
};

/* A rule that was not asked has not said no. */
static int check_time(struct asking *asking, struct fault *fault)
{
    const int64_t now_ms = clock_mono_ms();

    if (!asking->until_ms)
        asking->until_ms = now_ms + asking->book->programs_ms;
    if (now_ms < asking->until_ms)
        return 0;
    fault_set(&asking->slow, FAULT_INPUT, "the programs of its rules ran longer than %lld ms",
              (long long)asking->book->programs_ms);
    *fault = asking->slow;
    return -1;
}

/* What a program says of the event: an array of its results, the caller's. */
static json_t *run_program(struct asking *asking, const char *text, const json_t *event, struct fault *fault)
{
    struct program *program = strmap_get(&asking->book->compiled, text);
    const struct program_variables variables = {.tenant = asking->job->tenant_id,
                                                .distribution = asking->job->distribution_id};
    struct buf output;
    json_t *results = NULL;
    int status = -1;

    if (!program) {
        fault_set(fault, FAULT_BUG, "the program was not compiled");
        return NULL;
    }
    if (check_time(asking, fault) < 0)
        return NULL;
    if (!asking->event.len && json_write(event, &asking->event)) {
        fault_set(fault, FAULT_INPUT, "the event is larger than a program may see");
        return NULL;
    }
    buf_init(&output, RESULT_MAX);
    for (int tries = 0; status < 0 && tries < 2; tries++) {
        status = program_run(program, &variables, asking->event.data, asking->event.len, &output, fault);
        if (status < 0 && fault->class != FAULT_TEMP)
            break;
    }
    if (status < 0 && fault->class != FAULT_INPUT)
        asking->trouble = *fault;
    else if (status == 0)
        results = json_read(output.data, output.len, fault);
    buf_release(&output);
    return results;
}

/* It holds where the program has results, and none of them is false or null. */
static int run_when(void *arg, const char *text, const json_t *event, bool *holds, struct fault *fault)
{
    json_t *results = run_program(arg, text, event, fault), *result;
    size_t index;

    if (!results)
        return -1;
    *holds = json_array_size(results) > 0;
    json_array_foreach (results, index, result)
        *holds = *holds && !json_is_false(result) && !json_is_null(result);
    json_decref(results);
    return 0;
}

/* The first result as a text; none, null and false are no key. */
static char *run_key(void *arg, const char *text, const json_t *event, struct fault *fault)
{
    json_t *results = run_program(arg, text, event, fault);
    const json_t *first = json_array_get(results, 0);
    char *key = NULL;

    if (json_is_string(first))
        key = xstrdup(json_string_value(first));
    else if (first && !json_is_null(first) && !json_is_false(first))
        key = json_text(first);
    json_decref(results);
    return key;
}

int rulebook_route(struct rulebook *book, struct job *job, int64_t now_us, const struct route_health *health,
                   struct delivery_list *deliveries, struct route_explanation *explanation,
                   struct fault *fault)
{
    return rulebook_route_ruled(book, NULL, job, now_us, health, deliveries, explanation, fault);
}

static void forget(struct delivery_list *deliveries, struct route_explanation *explanation)
{
    delivery_list_release(deliveries);
    if (explanation)
        route_explanation_release(explanation);
}

int rulebook_route_ruled(struct rulebook *book, const struct rulebook_ruling *ruling, struct job *job,
                         int64_t now_us, const struct route_health *health, struct delivery_list *deliveries,
                         struct route_explanation *explanation, struct fault *fault)
{
    const struct rules *rules = ruling ? ruling->rules : book->rules;
    struct asking asking = {.book = book, .job = job};
    struct router router = {
        .catalog = book->catalog,
        .rules = rules && rules->count ? rules : NULL,
        .refused = ruling ? ruling->refused : NULL,
        .mode = book->mode,
        .default_target = book->default_target,
        .ask_payload = book->ask_payload,
        .turns = &book->turns,
        .now_us = now_us,
        .health = health,
        .when = run_when,
        .key = run_key,
        .arg = &asking,
    };

    buf_init(&asking.event, PROGRAM_INPUT_MAX);
    route_job(&router, job, deliveries, explanation);
    if (asking.slow.class && !asking.trouble.class) {
        forget(deliveries, explanation);
        router.refused = asking.slow.text;
        route_job(&router, job, deliveries, explanation);
    }
    buf_release(&asking.event);
    if (!asking.trouble.class)
        return 0;
    forget(deliveries, explanation);
    *fault = asking.trouble;
    return -1;
}
