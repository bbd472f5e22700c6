/*
 * rule_test - dist-route --test; see rule_check.h
 */
#include "rule_check.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "json.h"
#include "msg.h"
#include "table.h"
#include "test_files.h"
#include "text.h"
#include "xalloc.h"

struct testing {
    const struct tool *tool;
    struct rulebook *book;
    bool json;
    size_t passed, failed;
    struct fault *fault; /* what ends everything */
};

/* One test as it was read; borrows from its value. */
struct test {
    const char *name;
    json_t *request, *expect, *rules;
};

static int read_test(const json_t *value, struct test *test, struct fault *fault)
{
    const struct json_field fields[] = {
        {.name = "name", .kind = JSON_KIND_STRING, .target = &test->name},
        {.name = "description", .kind = JSON_KIND_IGNORED},
        {.name = "request", .kind = JSON_KIND_OBJECT, .required = true, .target = &test->request},
        {.name = "expect", .kind = JSON_KIND_ARRAY, .required = true, .target = &test->expect},
        {.name = "rules", .kind = JSON_KIND_ARRAY, .target = &test->rules},
        {0},
    };
    static const char *const words[] = {"expect", "rules"};
    json_t *name;
    size_t index;

    if (json_fields(value, "", fields, fault))
        return -1;
    for (size_t i = 0; i < 2; i++)
        json_array_foreach (i ? test->rules : test->expect, index, name) {
            if (!json_is_string(name))
                return fault_set(fault, FAULT_INPUT, "/%s/%zu: a name is wanted", words[i], index);
        }
    return 0;
}

static bool is_given(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return value && !json_is_null(value);
}

/* The request, with what a test may leave out. */
static int make_job(const struct testing *testing, json_t *request, struct job **job, struct fault *fault)
{
    const struct job_defaults defaults = {
        .tenant_id =
            is_given(request, "tenant_id") ? NULL : conf_text(testing->tool->conf, "DIST_DEFAULT_TENANT"),
        .data_type = is_given(request, "data_type") ? NULL : "test",
        .max_payload = conf_size(testing->tool->conf, "DIST_MAX_PAYLOAD"),
        .routed = true,
    };
    json_t *whole = json_copy(request);
    char *text;
    int result;

    if (!is_given(whole, "payload") && !is_given(whole, "payload_base64"))
        json_object_set_new(whole, "payload", json_object());
    text = json_text(whole);
    result = job_from_request(text, strlen(text), NULL, &defaults, clock_wall_us(), job, fault);
    if (result == 0) {
        (*job)->submitted_at_us = clock_wall_us();
        job_fix_times(*job);
    }
    free(text);
    json_decref(whole);
    return result < 0 ? fault_wrap(fault, "/request") : 0;
}

static bool holds(const json_t *names, const char *name)
{
    json_t *value;
    size_t index;

    json_array_foreach (names, index, value) {
        if (strcmp(json_string_value(value), name) == 0)
            return true;
    }
    return false;
}

/* What one has and the other has not: " missing a b"; appended. True where there was something. */
static bool add_difference(const json_t *from, const json_t *other, const char *word, struct buf *out)
{
    bool any = false;
    json_t *value;
    size_t index;

    json_array_foreach (from, index, value) {
        if (holds(other, json_string_value(value)))
            continue;
        buf_addf(out, "%s %s", any ? "" : word, json_string_value(value));
        any = true;
    }
    return any;
}

static json_t *targets_of(const struct delivery_list *deliveries)
{
    json_t *names = json_array();

    for (size_t i = 0; i < deliveries->count; i++)
        if (deliveries->items[i]->status != DELIVERY_DEAD)
            json_array_append_new(names, json_string(deliveries->items[i]->target));
    return names;
}

static json_t *rules_of(const struct decision *decision)
{
    json_t *names = json_array();

    for (size_t i = 0; i < decision->step_count; i++)
        if (decision->steps[i].look == RULE_MATCHED)
            json_array_append_new(names, json_string(decision->steps[i].rule->name));
    return names;
}

static int tell(const struct testing *testing, const char *name, const json_t *targets, const json_t *rules,
                struct buf *why, struct fault *fault)
{
    if (testing->json)
        return print_json(json_pack("{s:s, s:b, s:O, s:O, s:s*}", "name", name, "passed", why->len == 0,
                                    "targets", targets, "rules", rules, "error",
                                    why->len ? text_printable(why->data) : NULL),
                          fault);
    return why->len ? print_text(fault, "failed  %s:%s\n", name, text_printable(why->data)) : 0;
}

static int compare(struct testing *testing, const struct test *test, const char *name,
                   const struct delivery_list *deliveries, const struct route_explanation *explanation,
                   struct fault *fault)
{
    json_t *targets = targets_of(deliveries), *rules = rules_of(&explanation->decision);
    struct buf why;

    buf_init(&why, 64 * 1024);
    add_difference(test->expect, targets, " it does not go to", &why);
    add_difference(targets, test->expect, why.len ? "; it goes to" : " it goes to", &why);
    if (test->rules) {
        add_difference(test->rules, rules, why.len ? "; not matched:" : " not matched:", &why);
        add_difference(rules, test->rules, why.len ? "; matched:" : " matched:", &why);
    }
    for (size_t i = 0; why.len && i < deliveries->count; i++)
        if (deliveries->items[i]->last_error)
            buf_addf(&why, "; %s: %s", deliveries->items[i]->target, deliveries->items[i]->last_error);
    *(why.len ? &testing->failed : &testing->passed) += 1;
    int result = tell(testing, name, targets, rules, &why, fault);
    buf_release(&why);
    json_decref(targets);
    json_decref(rules);
    return result;
}

/* -1 with INPUT: it is no test. */
static int run_test(struct testing *testing, const json_t *value, const char *place, struct fault *fault)
{
    struct delivery_list deliveries = {0};
    struct route_explanation explanation;
    struct test test = {0};
    struct job *job;
    char name[200];
    int result;

    if (!json_is_object(value))
        return fault_set(fault, FAULT_INPUT, "an object is wanted");
    if (read_test(value, &test, fault) < 0 || make_job(testing, test.request, &job, fault) < 0)
        return -1;
    text_copy(name, sizeof name, test.name ? test.name : place);
    text_printable(name);
    result = rulebook_route(testing->book, job, clock_wall_us(), NULL, &deliveries, &explanation, fault);
    if (result == 0) {
        result = compare(testing, &test, name, &deliveries, &explanation, fault);
        route_explanation_release(&explanation);
        delivery_list_release(&deliveries);
    }
    job_unref(job);
    return result;
}

/* A test that is none is said and counted, and the rest goes on. */
static int each(void *arg, const json_t *value, const char *place, const struct fault *no_json)
{
    struct testing *testing = arg;
    struct fault problem = {0};

    if (!value)
        problem = *no_json;
    else if (run_test(testing, value, place, &problem) == 0)
        return 0;
    if (problem.class != FAULT_INPUT) {
        *testing->fault = problem;
        return -1;
    }
    msg(MSG_ERROR, "%s: %s", place, problem.text);
    testing->failed++;
    return 0;
}

int rule_test_run(const struct tool *tool, struct programs *programs, char **files, int count, bool json,
                  struct fault *fault)
{
    struct testing testing = {.tool = tool, .json = json, .fault = fault};
    struct catalog *catalog = tool_catalog(tool, tool_mistake, NULL, fault);
    int result = -1;

    if (catalog)
        testing.book = tool_rules(tool, catalog, programs, tool_mistake, NULL, fault);
    if (testing.book)
        result = 0;
    for (int i = 0; result == 0 && i < count; i++)
        result = test_files_each(files[i], each, &testing, fault);
    if (result == 0)
        msg(testing.failed ? MSG_ERROR : MSG_INFO, "%zu tests passed, %zu failed", testing.passed,
            testing.failed);
    rulebook_free(testing.book);
    catalog_free(catalog);
    return result < 0 ? -1 : testing.failed ? EXIT_REJECTED : 0;
}
