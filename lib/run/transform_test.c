/*
 * transform_test - dist-transform --test; see transform_check.h
 */
#include "transform_check.h"

#include <stdlib.h>
#include <string.h>

#include "ceilings.h"
#include "clock.h"
#include "json.h"
#include "msg.h"
#include "rendering.h"
#include "table.h"
#include "test_files.h"
#include "text.h"
#include "xalloc.h"

enum { SHOWN = 300 };                          /* bytes of a text that is shown */
#define SUBMITTED_US INT64_C(1705312800000000) /* 2024-01-15T10:00:00Z, where a test says nothing of time */

struct testing {
    const struct tool *tool;
    const struct catalog *catalog;
    struct render *render;
    bool json;
    size_t passed, failed;
    struct fault *fault;
};

/* One test as it was read; borrows from its value. */
struct test {
    const char *name, *destination, *body, *content_type, *tenant_id, *data_type, *distribution_id, *error;
    const char *sent_type;
    json_t *rendering, *input, *expect;
    int64_t submitted_at_us;
};

static int read_test(const json_t *value, struct test *test, struct fault *fault)
{
    const struct json_field fields[] = {
        {.name = "name", .kind = JSON_KIND_STRING, .target = &test->name},
        {.name = "description", .kind = JSON_KIND_IGNORED},
        {.name = "destination", .kind = JSON_KIND_NAME, .target = &test->destination},
        {.name = "rendering", .kind = JSON_KIND_OBJECT, .target = &test->rendering},
        {.name = "input", .kind = JSON_KIND_ANY, .target = &test->input},
        {.name = "body", .kind = JSON_KIND_STRING, .target = &test->body},
        {.name = "content_type", .kind = JSON_KIND_STRING, .target = &test->content_type},
        {.name = "tenant_id", .kind = JSON_KIND_NAME, .target = &test->tenant_id},
        {.name = "data_type", .kind = JSON_KIND_NAME, .target = &test->data_type},
        {.name = "distribution_id", .kind = JSON_KIND_STRING, .target = &test->distribution_id},
        {.name = "submitted_at", .kind = JSON_KIND_TIME, .target = &test->submitted_at_us},
        {.name = "expect", .kind = JSON_KIND_ANY, .target = &test->expect},
        {.name = "expect_content_type", .kind = JSON_KIND_STRING, .target = &test->sent_type},
        {.name = "error", .kind = JSON_KIND_STRING, .target = &test->error},
        {0},
    };

    if (json_fields(value, "", fields, fault))
        return -1;
    if (!test->destination && !test->rendering)
        return fault_set(fault, FAULT_INPUT, "either 'destination' or 'rendering' is wanted, or both");
    if (!test->body == !test->input)
        return fault_set(fault, FAULT_INPUT, "either 'input' or 'body' is wanted");
    if (test->error ? test->expect || test->sent_type : !test->expect && !test->sent_type)
        return fault_set(fault, FAULT_INPUT,
                         "either 'error' is wanted, or 'expect' or 'expect_content_type'");
    return 0;
}

static struct job *make_job(const struct testing *testing, const struct test *test, struct fault *fault)
{
    const char *name = test->destination ? test->destination : "test";
    const bool is_json = !test->body || json_check(test->body, strlen(test->body), NULL, NULL) == 0;
    const char *text_type = is_json ? NULL : "text/plain";
    const struct job_defaults defaults = {
        .tenant_id = test->tenant_id ? test->tenant_id : "test",
        .data_type = test->data_type ? test->data_type : "test",
        .content_type = test->content_type ? test->content_type : text_type,
        .to = &name,
        .to_count = 1,
        .max_payload = conf_size(testing->tool->conf, "DIST_MAX_PAYLOAD"),
    };
    char *text = test->body ? xstrdup(test->body) : json_text(test->input);
    struct job *job = NULL;

    if (job_from_payload(text, strlen(text), false, &defaults, clock_wall_us(), &job, fault) == 0) {
        job->submitted_at_us = test->submitted_at_us ? test->submitted_at_us : SUBMITTED_US;
        if (test->distribution_id) {
            free(job->distribution_id);
            job->distribution_id = xstrdup(test->distribution_id);
        }
    }
    free(text);
    return job;
}

/* What is compared is what is there before it is compressed. */
static json_t *uncompressed(const json_t *rendering)
{
    json_t *form = rendering ? json_copy((json_t *)rendering) : json_object();

    json_object_set_new(form, "compress", json_string("none"));
    return form;
}

static struct destination *find(const struct testing *testing, const struct test *test, struct fault *fault)
{
    struct destination *destination;

    if (!test->destination)
        return render_stand_in("test");
    destination = catalog_destination(testing->catalog, test->destination);
    if (destination)
        return destination_ref(destination);
    const char *nearest = catalog_nearest(testing->catalog, test->destination);
    fault_set(fault, FAULT_INPUT, "/destination: no destination is named '%s'%s%s%s", test->destination,
              nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    return NULL;
}

static void show(struct buf *why, const char *label, const char *text)
{
    char cut[SHOWN];

    text_copy(cut, sizeof cut, text);
    buf_addf(why, "%s%s ", why->len ? ", " : "", label);
    buf_add_json(why, cut, strlen(cut));
    if (strlen(text) >= sizeof cut)
        buf_adds(why, "...");
}

/* The bytes, where a text is expected; else what they mean. */
static bool is_expected(const json_t *expect, const char *body, size_t size)
{
    json_t *sent;
    bool equal;

    if (json_is_string(expect))
        return json_string_length(expect) == size && !memcmp(json_string_value(expect), body, size);
    sent = json_read(body, size, NULL);
    equal = sent && json_equal(sent, expect);
    json_decref(sent);
    return equal;
}

static void compare(const struct test *test, const struct delivery *delivery, struct buf *why)
{
    const char *type = delivery_content_type(delivery);
    size_t size;
    const char *body = delivery_body(delivery, &size);

    if (test->error) {
        show(why, "an error was expected, and it sends", body);
        return;
    }
    if (test->expect && !is_expected(test->expect, body, size)) {
        char *wanted =
            json_is_string(test->expect) ? xstrdup(json_string_value(test->expect)) : json_text(test->expect);
        show(why, "it sends", body);
        show(why, "expected was", wanted);
        free(wanted);
    }
    if (test->sent_type && strcmp(test->sent_type, type) != 0) {
        show(why, "it sends the type", type);
        show(why, "expected was", test->sent_type);
    }
}

static int tell(struct testing *testing, const char *name, struct buf *why)
{
    if (why->len)
        testing->failed++;
    else
        testing->passed++;
    if (testing->json)
        return print_json(json_pack("{s:s, s:b, s:s*}", "name", name, "passed", why->len == 0, "error",
                                    why->len ? why->data : NULL),
                          testing->fault);
    return why->len ? print_text(testing->fault, "failed  %s: %s\n", name, why->data) : 0;
}

/* -1, class INPUT: it is no test. Other faults end everything. */
static int run(struct testing *testing, const struct test *test, struct buf *why, struct fault *fault)
{
    struct destination *destination = find(testing, test, fault);
    struct job *job = destination ? make_job(testing, test, fault) : NULL;
    struct fault reason = {0};
    int result = -1;

    if (job) {
        struct delivery *delivery = delivery_new(job, destination->name);
        delivery_add_candidate(delivery, destination->name);
        delivery->rendering = uncompressed(test->rendering);
        result = render_delivery(testing->render, testing->catalog, destination, delivery, NULL, &reason);
        if (result == 0)
            compare(test, delivery, why);
        else if (reason.class != FAULT_INPUT)
            *fault = reason;
        else if (!test->error || !strstr(reason.text, test->error))
            show(why, "it fails:", reason.text);
        if (reason.class == FAULT_INPUT)
            result = 0;
        delivery_free(delivery);
    }
    job_unref(job);
    destination_unref(destination);
    return result;
}

static int each(void *arg, const json_t *value, const char *place, const struct fault *no_json)
{
    struct testing *testing = arg;
    struct test test = {0};
    struct fault problem = {0};
    struct buf why;
    int result = -1;

    buf_init(&why, 8 * SHOWN * 6);
    if (!value)
        problem = *no_json;
    else if (read_test(value, &test, &problem) == 0)
        result = run(testing, &test, &why, &problem);
    if (result == 0) {
        char *name = xstrdup(test.name ? test.name : place);
        result = tell(testing, text_printable(name), &why);
        free(name);
    } else if (problem.class == FAULT_INPUT) {
        msg(MSG_ERROR, "%s: %s", place, problem.text);
        testing->failed++;
        result = 0;
    } else {
        *testing->fault = problem;
    }
    buf_release(&why);
    return result;
}

int transform_test_run(const struct tool *tool, struct render *render, char **files, int count, bool json,
                       struct fault *fault)
{
    struct catalog *catalog = tool_catalog(tool, tool_mistake, NULL, fault);
    struct testing testing = {
        .tool = tool, .catalog = catalog, .render = render, .json = json, .fault = fault};
    int result = catalog ? 0 : -1;

    for (int i = 0; result == 0 && i < count; i++)
        result = test_files_each(files[i], each, &testing, fault);
    if (result == 0)
        msg(testing.failed ? MSG_ERROR : MSG_INFO, "%zu tests passed, %zu failed", testing.passed,
            testing.failed);
    catalog_free(catalog);
    return result < 0 ? -1 : testing.failed ? EXIT_REJECTED : 0;
}
