/*
 * Rendering: the way of a body through input, program, format and compression, and what stops it
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/resource.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "buf.h"
#include "form.h"
#include "gzip.h"
#include "render.h"
#include "schema_set.h"
#include "xalloc.h"

enum { MAX_OUTPUT = 10000 };

static struct fault problem;

static json_t *json_of(const char *text)
{
    char *copy = xstrdup(text);
    json_t *value;

    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    value = json_loads(copy, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    free(copy);
    return value;
}

static struct render *new_render(void)
{
    struct program_limits limits = program_limits_default;

    limits.run_ms = 200;
    return render_new(&limits, MAX_OUTPUT);
}

static struct destination *make_destination(const char *members)
{
    json_t *form = json_of(members);
    struct destination *destination;

    json_object_set_new(form, "protocol", json_string("null"));
    destination = form_destination("hook", form, NULL, "test", &problem);
    if (!destination)
        fail_msg("%s: %s", members, problem.text);
    json_decref(form);
    return destination;
}

static struct delivery *make_delivery(const char *content_type, const char *body)
{
    struct job *job = job_new();
    struct delivery *delivery;

    job->distribution_id = xstrdup("d-1");
    job->tenant_id = xstrdup("acme");
    job->data_type = xstrdup("disks");
    job->content_type = xstrdup(content_type);
    job->body = xstrdup(body);
    job->body_size = strlen(body);
    job->submitted_at_us = INT64_C(1705312800000000);
    delivery = delivery_new(job, "hook");
    delivery_add_candidate(delivery, "hook");
    job_unref(job);
    return delivery;
}

/* What is sent, or the fault's text; the caller's. */
static char *rendered(const char *members, const char *content_type, const char *body)
{
    struct render *render = new_render();
    struct catalog *catalog = catalog_new();
    struct destination *destination = make_destination(members);
    struct delivery *delivery = make_delivery(content_type, body);
    size_t size;
    char *text;

    catalog_add_program(catalog, "half.jq", xstrdup("map(. / 2)"));
    fault_clear(&problem);
    if (render_delivery(render, catalog, destination, delivery, NULL, &problem)) {
        assert_int_equal(problem.class, FAULT_INPUT);
        assert_null(delivery_output(delivery));
        text = xstrdup(problem.text);
    } else {
        const char *sent = delivery_body(delivery, &size);
        text = xasprintf("%s|%.*s", delivery_content_type(delivery), (int)size, sent);
    }
    delivery_free(delivery);
    destination_unref(destination);
    catalog_free(catalog);
    render_free(render);
    return text;
}

static void bodies_become_what_is_asked(void **state)
{
    static const struct {
        const char *members, *content_type, *body, *sent;
    } cases[] = {
        {"{}", "text/x", "<\xff>", "text/x|<\xff>"},
        {"{'format':'raw'}", "text/x", "<\xff>", "text/x|<\xff>"},
        {"{'format':'json'}", "text/x", "[ 1.50 ]", "application/json|[ 1.50 ]"},
        {"{'format':{'type':'json'}}", "application/json", "[ 1 ]", "application/json|[1]"},
        {"{'transform':'.[0]'}", "application/json", "[ {\"a\": 1}, 2 ]", "application/json|{\"a\":1}"},
        {"{'transform':'.[0]','format':'raw'}", "text/x+json", "[ \"a\\nb\" ]", "text/x+json|a\nb"},
        {"{'transform':{'file':'half.jq'}}", "application/json", "[4,6]", "application/json|[2,3]"},
        {"{'transform':{'program':'.[]','results':'array'}}", "application/json", "[4,6]",
         "application/json|[4,6]"},
        {"{'transform':'[$tenant,$distribution,$destination]'}", "application/json", "0",
         "application/json|[\"acme\",\"d-1\",\"hook\"]"},
        {"{'input':'csv'}", "text/plain", "a,b\n1,2\n", "application/json|[{\"a\":\"1\",\"b\":\"2\"}]"},
        {"{'transform':'length'}", "text/csv", "a,b\n1,2\n3,4\n", "application/json|2"},
        {"{'transform':'.line'}", "application/xml", "<o><line>1</line><line>2</line></o>",
         "application/json|[\"1\",\"2\"]"},
        {"{'input':'xml','format':'form'}", "text/plain", "<o><a>x y</a></o>",
         "application/x-www-form-urlencoded|a=x+y"},
        {"{'format':{'type':'template','text':'{{$data_type}} {{$time}} {{a}}'}}", "application/json",
         "{\"a\":7}", "text/plain; charset=utf-8|disks 2024-01-15T10:00:00Z 7"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *sent = rendered(cases[i].members, cases[i].content_type, cases[i].body);

        if (strcmp(sent, cases[i].sent) != 0)
            fail_msg("%s: %s", cases[i].members, sent);
        free(sent);
    }
}

static void what_stops_a_body_has_its_place(void **state)
{
    static const struct {
        const char *members, *content_type, *body, *text;
    } cases[] = {
        {"{'format':'json'}", "text/x", "[", "the body is no JSON: line 1"},
        {"{'transform':'.'}", "text/x", "[", "the body is no JSON: line 1"},
        {"{'format':'xml'}", "text/csv", "a,b\n1\n", "the body is no CSV that can be read: line 2: "},
        {"{'transform':'.'}", "text/xml", "<a>", "the body is no XML that can be read: "},
        {"{'transform':'.a.b'}", "application/json", "{\"a\":[]}",
         "/transform: '.a.b': the program failed: "},
        {"{'transform':{'file':'half.jq'}}", "application/json", "[\"x\"]", "/transform: 'half.jq': "},
        {"{'transform':'.[]'}", "application/json", "[1,2]", "/transform: '.[]': "},
        {"{'transform':'def f: f; f'}", "application/json", "1",
         "/transform: 'def f: f; f': the program ran longer than 200 ms"},
        {"{'transform':'[range(100000)]'}", "application/json", "1", "/transform: '[range(100000)]': "},
        {"{'transform':'.','format':'raw'}", "application/json", "1",
         "/format: raw: the result of the program is no string"},
        {"{'format':'form'}", "application/json", "[1]", "/format: form: "},
        {"{'format':{'type':'xml'}}", "application/json", "{\"rows\":[{\"a b\":1}]}",
         "/format: xml: /rows/0/a b: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = rendered(cases[i].members, cases[i].content_type, cases[i].body);

        if (strncmp(text, cases[i].text, strlen(cases[i].text)) != 0)
            fail_msg("%s: %s", cases[i].members, text);
        free(text);
    }
}

static void a_file_that_is_not_there_has_its_nearest_name(void **state)
{
    char *text = rendered("{'transform':{'file':'hal.jq'}}", "application/json", "1");

    (void)state;
    assert_string_equal(
        text, "/transform/file: there is no file 'hal.jq' in transforms.d; did you mean 'half.jq'?");
    free(text);
}

static void headers_come_with_the_body(void **state)
{
    struct render *render = new_render();
    struct catalog *catalog = catalog_new();
    struct destination *destination =
        make_destination("{'format':{'type':'soap','action':'urn:x'},'compress':'gzip'}");
    struct delivery *delivery = make_delivery("application/json", "{\"a\":1}");

    (void)state;
    assert_int_equal(render_delivery(render, catalog, destination, delivery, NULL, &problem), 0);
    const struct output *output = delivery_output(delivery);
    assert_string_equal(json_string_value(json_object_get(output->headers, "SOAPAction")), "\"urn:x\"");
    assert_string_equal(json_string_value(json_object_get(output->headers, "Content-Encoding")), "gzip");
    assert_memory_equal(output->body, "\x1f\x8b\x08\0\0\0\0\0", 8); /* no flags, no time */
    delivery_free(delivery);
    destination_unref(destination);
    catalog_free(catalog);
    render_free(render);
}

static void a_rules_rendering_stands_in_front(void **state)
{
    struct render *render = new_render();
    struct catalog *catalog = catalog_new();
    struct destination *destination = make_destination("{'format':'csv'}");
    struct delivery *delivery = make_delivery("application/json", "[ 1 ]");
    size_t size;

    (void)state;
    delivery->rendering = json_of("{'format':'raw'}");
    assert_false(render_makes_output(destination, delivery));
    assert_int_equal(render_delivery(render, catalog, destination, delivery, NULL, &problem), 0);
    assert_null(delivery_output(delivery));
    assert_string_equal(delivery_body(delivery, &size), "[ 1 ]");
    json_decref(delivery->rendering);
    delivery->rendering = json_of("{'transform':'.[0]','format':null}");
    assert_true(render_makes_output(destination, delivery));
    assert_int_equal(render_delivery(render, catalog, destination, delivery, NULL, &problem), 0);
    assert_string_equal(delivery_body(delivery, &size), "1");
    json_decref(delivery->rendering);
    delivery->rendering = json_of("{'charset':'us-ascii','format':'raw'}");
    assert_int_equal(render_delivery(render, catalog, destination, delivery, NULL, &problem), -1);
    assert_int_equal(problem.class, FAULT_INPUT);
    assert_int_equal(strncmp(problem.text, "/rendering/charset: ", 20), 0);
    delivery_free(delivery);
    destination_unref(destination);
    catalog_free(catalog);
    render_free(render);
}

/* REST sends the destination's own header, and the bytes would not be what it says. */
static void a_rule_compresses_for_no_other_encoding(void **state)
{
    struct render *render = new_render();
    struct catalog *catalog = catalog_new();
    json_t *form = json_of("{'protocol':'REST','endpoint':'http://h/','headers':{'content-encoding':'br'}}");
    struct destination *destination = form_destination("hook", form, NULL, "test", &problem);
    struct delivery *delivery = make_delivery("application/json", "[ 1 ]");
    enum dead_reason reason = DEAD_SCHEMA;

    (void)state;
    assert_non_null(destination);
    assert_int_equal(render_delivery(render, catalog, destination, delivery, NULL, &problem), 0);
    delivery->rendering = json_of("{'compress':'gzip'}");
    assert_int_equal(render_delivery(render, catalog, destination, delivery, &reason, &problem), -1);
    assert_int_equal(problem.class, FAULT_INPUT);
    assert_int_equal(reason, DEAD_TRANSFORM);
    assert_string_equal(problem.text, "/headers/content-encoding: \"compress\" sets this field");
    assert_null(delivery_output(delivery));
    delivery_free(delivery);
    destination_unref(destination);
    json_decref(form);
    catalog_free(catalog);
    render_free(render);
}

/* A group whose first member gets the body itself, as JSON, and the second one csv. */
static void an_output_leaves_the_others_their_content_type(void **state)
{
    struct render *render = new_render();
    struct catalog *catalog = catalog_new();
    struct destination *destination = make_destination("{'compress':'gzip','format':'json'}");
    struct delivery *delivery = make_delivery("text/plain", "[ 1 ]");

    (void)state;
    delivery_add_candidate(delivery, "other");
    delivery->content_type = xstrdup("x/first");
    assert_int_equal(render_delivery(render, catalog, destination, delivery, NULL, &problem), 0);
    assert_string_equal(delivery_content_type(delivery), "application/json");
    delivery->skipped = 1;
    assert_string_equal(delivery_content_type(delivery), "x/first");
    delivery_free(delivery);
    destination_unref(destination);
    catalog_free(catalog);
    render_free(render);
}

/* Whoever ends the worker ends no report: the next one finds another. */
static void a_worker_that_was_killed_is_replaced(void **state)
{
    struct render *render = new_render();
    struct catalog *catalog = catalog_new();
    struct destination *destination = make_destination("{'transform':'. + 1'}");
    size_t size;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct delivery *delivery = make_delivery("application/json", "1");
        assert_int_equal(render_delivery(render, catalog, destination, delivery, NULL, &problem), 0);
        assert_string_equal(delivery_body(delivery, &size), "2");
        delivery_free(delivery);
        assert_true(render_worker(render) > 0);
        kill(render_worker(render), SIGKILL);
    }
    destination_unref(destination);
    catalog_free(catalog);
    render_free(render);
}

static void no_mistake(void *arg, const char *name, const char *text)
{
    (void)arg;
    fail_msg("%s: %s", name, text);
}

static struct catalog *catalog_with_schemas(void)
{
    static const char rows[] = "{\"type\": \"array\"}",
                      bill[] = "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>"
                               "<xs:element name='n' type='xs:int'/></xs:schema>";
    struct catalog *catalog = catalog_new();
    struct schema_set *set = schema_set_new(true);

    assert_int_equal(schema_set_add(set, "rows.json", rows, strlen(rows), &problem), 0);
    assert_int_equal(schema_set_add(set, "n.xsd", bill, strlen(bill), &problem), 0);
    assert_int_equal(schema_set_compile(set, no_mistake, NULL), 0);
    catalog->schemas =
        (struct catalog_schemas){.set = set, .free = schema_set_free, .named = schema_set_named};
    return catalog;
}

/* The value before the format, the bytes behind it, and the body that goes as it came. */
static void what_does_not_fit_its_schema_is_no_output(void **state)
{
    static const struct {
        const char *members, *content_type, *body, *fault;
        enum dead_reason reason;
    } cases[] = {
        {"{'schema':'rows.json'}", "application/json", "[ 1 ]", NULL, 0},
        {"{'schema':'rows.json'}", "application/json", "5", "is an integer, an array", DEAD_SCHEMA},
        {"{'schema':'rows.json','compress':'gzip'}", "application/json", "5", "is an integer", DEAD_SCHEMA},
        {"{'schema':'rows.json'}", "text/csv", "a", "it is text/csv", DEAD_SCHEMA},
        {"{'schema':'rows.json','transform':'.a','format':'csv'}", "application/json", "{\"a\": [[1]]}", NULL,
         0},
        {"{'schema':'rows.json','transform':'.a'}", "application/json", "{\"a\": 1}", "is an integer",
         DEAD_SCHEMA},
        {"{'schema':'rows.json','transform':'.a'}", "application/json", "[]", "/transform: ", DEAD_TRANSFORM},
        {"{'schema':'n.xsd','format':{'type':'xml','root':'n'}}", "application/json", "5", NULL, 0},
        {"{'schema':'n.xsd','format':{'type':'xml','root':'n'}}", "application/json", "\"x\"",
         "/n: the value is not", DEAD_SCHEMA},
        {"{'schema':'none.json'}", "application/json", "5", "there is no schema 'none.json'", DEAD_SCHEMA},
    };
    struct render *render = new_render();
    struct catalog *catalog = catalog_with_schemas();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct destination *destination = make_destination(cases[i].members);
        struct delivery *delivery = make_delivery(cases[i].content_type, cases[i].body);
        enum dead_reason reason;
        int result = render_delivery(render, catalog, destination, delivery, &reason, &problem);

        if (cases[i].fault && (result == 0 || !strstr(problem.text, cases[i].fault)))
            fail_msg("%zu: %s", i, result ? problem.text : "taken");
        if (!cases[i].fault && result)
            fail_msg("%zu: %s", i, problem.text);
        assert_int_equal(result == 0, delivery_output(delivery) != NULL);
        if (result)
            assert_int_equal(reason, cases[i].reason);
        delivery_free(delivery);
        destination_unref(destination);
    }
    catalog_free(catalog);
    render_free(render);
}

static void note_mistake(void *arg, const char *text)
{
    buf_addf(arg, "%s\n", text);
}

static void a_check_compiles_all_programs(void **state)
{
    static const char forms[] =
        "[{\"name\":\"a\",\"protocol\":\"null\",\"transform\":\"map(\"},"
        " {\"name\":\"b\",\"protocol\":\"null\",\"transform\":\".\"},"
        " {\"name\":\"c\",\"protocol\":\"null\",\"transform\":{\"program\":\"nothing\",\"results\":\"array\"}"
        "},"
        " {\"name\":\"d\",\"protocol\":\"null\",\"transform\":\"import \\\"a\\\" as a; .\"}]";
    struct render *render = new_render();
    struct catalog *catalog = catalog_new();
    struct buf mistakes;

    (void)state;
    buf_init(&mistakes, 10000);
    assert_int_equal(catalog_add(catalog, forms, strlen(forms), NULL, "d.json", &problem), 0);
    struct rlimit usual, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    size_t found = render_check(render, catalog, note_mistake, &mistakes, NULL, &problem);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    assert_int_equal(found, 0); /* there can be no process: nothing is known */
    assert_int_equal(problem.class, FAULT_SYSTEM);
    assert_int_equal(render_check(render, catalog, note_mistake, &mistakes, NULL, &problem), 3);
    assert_int_equal(problem.class, FAULT_NONE);
    assert_non_null(strstr(mistakes.data, "d.json: destination 'a': /transform: syntax error"));
    assert_non_null(strstr(mistakes.data, "d.json: destination 'c': /transform: nothing/0 is not defined"));
    assert_non_null(strstr(mistakes.data, "d.json: destination 'd': /transform: "));
    buf_release(&mistakes);
    catalog_free(catalog);
    render_free(render);
}

/* --- gzip --- */

static void gzip_is_bounded_and_always_the_same(void **state)
{
    char zeros[100000] = "";
    struct buf one, two, small;
    size_t size = 0;

    (void)state;
    for (size_t i = 0; i < sizeof zeros; i++)
        zeros[i] = (char)((i * i) >> 7);
    buf_init(&one, 1000000);
    buf_init(&two, 1000000);
    buf_init(&small, 1000);
    buf_adds(&small, "kept");
    assert_int_equal(gzip_compress(zeros, sizeof zeros, &one, &problem), 0);
    assert_int_equal(gzip_compress(zeros, sizeof zeros, &two, &problem), 0);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    memcpy(&size, one.data + one.len - 4, 4); /* ISIZE of RFC 1952, little-endian as this machine */
    assert_int_equal(size, sizeof zeros);
    assert_int_equal(gzip_compress(zeros, sizeof zeros, &small, &problem), -1);
    assert_int_equal(problem.class, FAULT_INPUT);
    assert_string_equal(problem.text, "compressed it is larger than 1000 bytes");
    assert_string_equal(small.data, "kept");
    buf_clear(&two);
    assert_int_equal(gzip_compress("", 0, &two, &problem), 0);
    assert_int_equal(two.len, 20); /* an empty member */
    buf_release(&one);
    buf_release(&two);
    buf_release(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_become_what_is_asked),
        cmocka_unit_test(what_stops_a_body_has_its_place),
        cmocka_unit_test(a_file_that_is_not_there_has_its_nearest_name),
        cmocka_unit_test(headers_come_with_the_body),
        cmocka_unit_test(a_rules_rendering_stands_in_front),
        cmocka_unit_test(a_rule_compresses_for_no_other_encoding),
        cmocka_unit_test(an_output_leaves_the_others_their_content_type),
        cmocka_unit_test(a_worker_that_was_killed_is_replaced),
        cmocka_unit_test(what_does_not_fit_its_schema_is_no_output),
        cmocka_unit_test(a_check_compiles_all_programs),
        cmocka_unit_test(gzip_is_bounded_and_always_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
