/*
 * Schemas of both languages as one set: what is checked by which, and what is told
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "json.h"
#include "schema_set.h"
#include "xalloc.h"

static const struct {
    const char *name, *text;
} files[] = {
    {"order.json", "{\"type\": \"object\", \"properties\": {\"id\": {\"type\": \"integer\"}},"
                   " \"additionalProperties\": {\"type\": \"number\"}}"},
    {"order.xsd", "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:include "
                  "schemaLocation='part.xsd'/><xs:element name='n' type='t'/>"
                  "<xs:simpleType name='u'><xs:restriction base='xs:int'/></xs:simpleType></xs:schema>"},
    {"part.xsd", "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:simpleType name='t'>"
                 "<xs:restriction base='u'/></xs:simpleType></xs:schema>"},
};

static void note(void *arg, const char *name, const char *text)
{
    buf_addf(arg, "%s: %s\n", name, text);
}

static void note_line(void *arg, const char *text)
{
    buf_addf(arg, "%s\n", text);
}

static struct schema_set *set_of(bool hide, const char *requirements, const char *wanted)
{
    struct schema_set *set = schema_set_new(hide);
    struct fault fault = {0};
    struct buf mistakes;
    buf_init(&mistakes, 16 * 1024);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_int_equal(schema_set_add(set, files[i].name, files[i].text, strlen(files[i].text), &fault), 0);
    schema_set_compile(set, note, &mistakes);
    schema_set_require(set, requirements, strlen(requirements), note_line, &mistakes);
    assert_string_equal(mistakes.data, wanted);
    buf_release(&mistakes);
    return set;
}

static void expect(const struct schema_set *set, const char *name, const char *type, const char *body,
                   const char *wanted)
{
    struct fault fault = {0};
    int result = schema_set_check(set, name, type, body, strlen(body), &fault);
    assert_string_equal(fault.text, wanted);
    assert_int_equal(result, *wanted ? -1 : 0);
    assert_int_equal(fault.class, *wanted ? FAULT_INPUT : FAULT_NONE);
}

static void the_ending_says_what_a_body_must_be(void **state)
{
    struct schema_set *set = set_of(true, "[]", "");
    (void)state;
    expect(set, "order.json", "application/json", "{\"id\": 1}", "");
    expect(set, "order.json", "application/vnd.x+json; charset=utf-8", "{\"id\": \"SECRET\"}",
           "/id: is a string, an integer is wanted (order.json#/properties/id/type)");
    expect(set, "order.json", "text/csv", "id", "it is text/csv, and the schema order.json is for JSON");
    expect(set, "order.json", "application/json", "{\"id\": }",
           "line 1, column 8: /id: a value is wanted, not '}'");
    expect(set, "order.xsd", "text/xml; charset=utf-8", "<n>5</n>", "");
    expect(set, "order.xsd", "application/soap+xml", "<n>SECRET</n>",
           "/n: the value is not a valid value of the atomic type 't' (order.xsd)");
    expect(set, "order.xsd", "application/json", "{}",
           "it is application/json, and the schema order.xsd is for XML");
    expect(set, "none.json", "application/json", "{}", "there is no schema 'none.json'");
    expect(set, "none.xsd", "text/xml", "<a/>", "there is no schema 'none.xsd'");
    expect(set, "part.xsd", "text/xml", "<a/>", "there is no schema 'part.xsd'");
    schema_set_free(set);
}

static void values_are_told_where_that_is_wanted(void **state)
{
    struct schema_set *set = set_of(false, "[]", "");
    (void)state;
    expect(set, "order.json", "application/json", "{\"id\": \"ABC\"}",
           "/id: is \"ABC\", an integer is wanted (order.json#/properties/id/type)");
    expect(set, "order.xsd", "text/xml", "<n>ABC</n>",
           "/n: 'ABC' is not a valid value of the atomic type 't' (order.xsd)");
    schema_set_free(set);
}

/* A line has room for some mistakes; how many there are is told all the same. */
static void several_mistakes_are_told_in_one_line(void **state)
{
    struct schema_set *set = set_of(true, "[]", "");
    struct fault fault = {0};
    struct buf body;
    (void)state;
    expect(set, "order.json", "application/json", "{\"id\": \"x\", \"b\": null}",
           "/id: is a string, an integer is wanted (order.json#/properties/id/type); "
           "/b: is null, a number is wanted (order.json#/additionalProperties/type)");
    buf_init(&body, 4096);
    buf_adds(&body, "{\"id\": 1");
    for (int i = 0; i < 19; i++)
        buf_addf(&body, ", \"member%d\": null", i);
    buf_adds(&body, "}");
    assert_int_equal(schema_set_check(set, "order.json", "application/json", body.data, body.len, &fault),
                     -1);
    const char *end = strstr(fault.text, "; and ");
    assert_non_null(end);
    int told = 1, left = 0;
    for (const char *at = fault.text; (at = strstr(at, "; /")); at++)
        told++;
    assert_int_equal(sscanf(end, "; and %d more", &left), 1);
    assert_int_equal(told + left, 19);
    buf_release(&body);
    schema_set_free(set);
}

static void names_that_are_not_there_are_told_with_what_is_near(void **state)
{
    struct schema_set *set =
        set_of(true,
               "[{\"tenant\": \"acme\", \"schema\": \"ordr.json\"},\n"
               "{\"tenant\": \"acme\", \"schema\": \"part.xsd\"}]",
               "line 1: /0/schema: there is no schema 'ordr.json' in schemas.d; did you mean "
               "'order.json'?\n"
               "line 2: /1/schema: 'part.xsd' does not stand alone: line 1: simple type 't', attribute "
               "'base': The QName value "
               "'u' does not resolve to a(n) simple type definition\n");
    (void)state;
    schema_set_free(set);
}

static void a_report_must_fit_all_that_is_required_of_it(void **state)
{
    struct schema_set *set = set_of(true,
                                    "[{\"tenant\": \"acme\", \"schema\": \"order.json\"},"
                                    "{\"data_type\": \"n\", \"schema\": \"order.xsd\"}]",
                                    "");
    struct job *job = job_new();
    struct fault fault = {0};
    (void)state;
    assert_true(schema_set_requires(set));
    job->tenant_id = xstrdup("other");
    job->data_type = xstrdup("t");
    job->content_type = xstrdup("application/pdf");
    job->body = xstrdup("%PDF");
    job->body_size = 4;
    assert_int_equal(schema_set_check_job(set, job, &fault), 0);
    assert_int_equal(schema_set_check_job(NULL, job, &fault), 0);
    free(job->tenant_id);
    job->tenant_id = xstrdup("acme");
    assert_int_equal(schema_set_check_job(set, job, &fault), -1);
    assert_string_equal(fault.text,
                        "the report does not fit its schema: it is application/pdf, and the schema "
                        "order.json is for JSON");
    free(job->tenant_id);
    free(job->data_type);
    job->tenant_id = xstrdup("other");
    job->data_type = xstrdup("n");
    assert_int_equal(schema_set_check_job(set, job, &fault), -1);
    job_unref(job);
    schema_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ending_says_what_a_body_must_be),
        cmocka_unit_test(values_are_told_where_that_is_wanted),
        cmocka_unit_test(several_mistakes_are_told_in_one_line),
        cmocka_unit_test(names_that_are_not_there_are_told_with_what_is_near),
        cmocka_unit_test(a_report_must_fit_all_that_is_required_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
