/*
 * Sets of JSON Schemas, and which ones a report must fit
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
#include "requirement.h"
#include "schema_name.h"
#include "schemas.h"
#include "xalloc.h"

struct file {
    const char *name, *text;
};

static void note(void *arg, const char *name, const char *text)
{
    buf_addf(arg, "%s: %s\n", name, text);
}

static struct schemas *set_of(const struct file *files, size_t count, const char *wanted)
{
    struct schemas *schemas = schemas_new(true);
    struct fault fault = {0};
    struct buf mistakes;
    buf_init(&mistakes, 16 * 1024);
    for (size_t i = 0; i < count; i++)
        if (schemas_add(schemas, files[i].name, files[i].text, strlen(files[i].text), &fault))
            buf_addf(&mistakes, "%s: %s\n", files[i].name, fault.text);
    schemas_compile(schemas, note, &mistakes);
    assert_string_equal(mistakes.data, wanted);
    buf_release(&mistakes);
    return schemas;
}

static void expect(const struct schemas *schemas, const char *name, const char *value, const char *wanted)
{
    struct schema_errors errors = {0};
    struct fault fault = {0};
    json_t *json = json_read(value, strlen(value), &fault);
    assert_non_null(json);
    const struct schema *schema = schemas_find(schemas, name);
    assert_non_null(schema);
    if (schema_validate(schema, json, &errors))
        schema_errors_fault(&errors, &fault);
    assert_string_equal(fault.text, wanted);
    schema_errors_release(&errors);
    json_decref(json);
}

static void schemas_refer_to_each_other_by_name_and_by_id(void **state)
{
    static const struct file files[] = {
        {"order.json",
         "{\"properties\": {\"price\": {\"$ref\": \"parts.json#/$defs/price\"},"
         " \"who\": {\"$ref\": \"https://example.org/party\"}, \"next\": {\"$ref\": \"order.json\"}}}"},
        {"parts.json", "{\"$defs\": {\"price\": {\"type\": \"number\"}}}"},
        {"party.json", "{\"$id\": \"https://example.org/party\", \"type\": \"string\"}"},
    };
    struct schemas *schemas = set_of(files, 3, "");
    (void)state;
    expect(schemas, "order.json", "{\"price\": 1, \"who\": \"a\", \"next\": {\"price\": 2}}", "");
    expect(schemas, "order.json", "{\"price\": \"SECRET\"}",
           "/price: is a string, a number is wanted (parts.json#/$defs/price/type)");
    expect(schemas, "order.json", "{\"next\": {\"who\": 5}}",
           "/next/who: is an integer, a string is wanted (https://example.org/party#/type)");
    expect(schemas, "parts.json", "true", "");
    assert_null(schemas_find(schemas, "other.json"));
    schemas_free(schemas);
}

static void every_mistake_is_told_with_its_line(void **state)
{
    static const struct file files[] = {
        {"a.json", "{\n\n\"type\": \"nubmer\"}"},
        {"b.json", "{"},
        {"c.json", "{\"$ref\": \"none.json\"}"},
        {"d.json", "{\"$ref\": \"../secret.json\"}"},
        {"e.json", "{\"$ref\": \"file:///etc/passwd\"}"},
        {"f.json", "{\"$ref\": \"http://127.0.0.1:1/x.json\"}"},
        {"a.json", "{}"},
    };
    (void)state;
    schemas_free(set_of(files, 1, "a.json: line 3: /type: \"nubmer\" is no type; did you mean 'number'?\n"));
    schemas_free(set_of(files, 7,
                        "b.json: line 1, column 2: the text ends where a key in double quotes is wanted\n"
                        "a.json: there is one of this name already\n"
                        "a.json: line 3: /type: \"nubmer\" is no type; did you mean 'number'?\n"
                        "c.json: line 1: /$ref: no schema is known as \"none.json\"\n"
                        "d.json: line 1: /$ref: no schema is known as \"secret.json\"\n"
                        "e.json: line 1: /$ref: no schema is known as \"file:///etc/passwd\"\n"
                        "f.json: line 1: /$ref: no schema is known as \"http://127.0.0.1:1/x.json\"\n"));
}

static void a_mistake_is_told_where_it_is_and_not_where_it_is_referred_to(void **state)
{
    static const struct file files[] = {
        {"a.json", "{\"$ref\": \"b.json\"}"},
        {"b.json", "{\"type\": \"nubmer\"}"},
        {"c.json", "{\"$ref\": \"urn:b\"}"},
        {"d.json", "{\"$id\": \"urn:b\", \"minimum\": \"x\"}"},
    };
    (void)state;
    schemas_free(set_of(files, 4,
                        "b.json: line 1: /type: \"nubmer\" is no type; did you mean 'number'?\n"
                        "d.json: line 1: /minimum: a number is wanted, not \"x\"\n"));
}

/* --- names and requirements --- */

static void the_ending_of_a_name_says_the_language(void **state)
{
    static const struct {
        const char *name;
        enum schema_language language;
    } cases[] = {
        {"order.json", SCHEMA_LANGUAGE_JSON}, {"order.v2.xsd", SCHEMA_LANGUAGE_XML},
        {"order", SCHEMA_LANGUAGE_NONE},      {"order.JSON", SCHEMA_LANGUAGE_NONE},
        {"../a.json", SCHEMA_LANGUAGE_NONE},  {"a/b.xsd", SCHEMA_LANGUAGE_NONE},
        {".json", SCHEMA_LANGUAGE_NONE},      {"", SCHEMA_LANGUAGE_NONE},
    };
    struct fault fault = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(schema_name_language(cases[i].name), cases[i].language);
        assert_int_equal(schema_name_check("/schema", cases[i].name, &fault),
                         cases[i].language == SCHEMA_LANGUAGE_NONE ? -1 : 0);
    }
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_non_null(strstr(fault.text, "/schema: the name of a file of schemas.d is wanted"));
}

static void note_line(void *arg, const char *text)
{
    buf_addf(arg, "%s\n", text);
}

static void expect_requirements(const char *text, const char *wanted)
{
    struct requirements requirements = {0};
    struct buf mistakes;
    buf_init(&mistakes, 16 * 1024);
    size_t count = requirements_read(&requirements, text, strlen(text), note_line, &mistakes);
    assert_string_equal(mistakes.data, wanted);
    assert_int_equal(count > 0, *wanted != '\0');
    requirements_release(&requirements);
    buf_release(&mistakes);
}

static void every_mistake_of_requirements_is_told_with_its_line(void **state)
{
    (void)state;
    expect_requirements("[]", "");
    expect_requirements("{}", "an array of objects is wanted\n");
    expect_requirements("[", "line 1, column 2: /0: the text ends where a value is wanted\n");
    expect_requirements("[{\"schema\": \"a.json\"},\n"
                        " {\"tenant\": \"acme\", \"schema\": \"a.jsn\"},\n"
                        " {\"tenent\": \"acme\", \"schema\": \"a.json\"},\n"
                        " {\"tenant\": \"acme\", \"schema\": \"a.json\"},\n"
                        " {\"tenant\": \"acme\", \"schema\": \"a.json\"},\n"
                        " 5]",
                        "line 1: /0: a \"tenant\", a \"data_type\" or both are wanted\n"
                        "line 2: /1/schema: the name of a file of schemas.d is wanted, letters, digits, '.', "
                        "'_' and '-', with "
                        ".json or .xsd at its end, not \"a.jsn\"\n"
                        "line 3: /2: unknown member 'tenent'; did you mean 'tenant'?\n"
                        "line 5: /4: is there twice\n"
                        "line 6: /5: an object is wanted\n");
}

static void a_report_needs_what_is_for_its_tenant_and_its_type(void **state)
{
    static const char text[] = "[{\"tenant\": \"acme\", \"schema\": \"a.json\"},"
                               " {\"data_type\": \"order\", \"schema\": \"b.json\"},"
                               " {\"tenant\": \"acme\", \"data_type\": \"bill\", \"schema\": \"c.xsd\"}]";
    static const struct {
        const char *tenant, *data_type, *schemas;
    } cases[] = {
        {"acme", "order", "a.json b.json "}, {"acme", "bill", "a.json c.xsd "}, {"acme", "x", "a.json "},
        {"umbrella", "order", "b.json "},    {"umbrella", "bill", ""},
    };
    struct requirements requirements = {0};
    (void)state;
    assert_int_equal(requirements_read(&requirements, text, strlen(text), note_line, NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job *job = job_new();
        const struct requirement *item;
        struct buf found;
        size_t index = 0;
        buf_init(&found, 1000);
        job->tenant_id = xstrdup(cases[i].tenant);
        job->data_type = xstrdup(cases[i].data_type);
        while ((item = requirements_next(&requirements, job, &index)))
            buf_addf(&found, "%s ", item->schema);
        assert_string_equal(found.data, cases[i].schemas);
        buf_release(&found);
        job_unref(job);
    }
    requirements_release(&requirements);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_refer_to_each_other_by_name_and_by_id),
        cmocka_unit_test(every_mistake_is_told_with_its_line),
        cmocka_unit_test(a_mistake_is_told_where_it_is_and_not_where_it_is_referred_to),
        cmocka_unit_test(the_ending_of_a_name_says_the_language),
        cmocka_unit_test(every_mistake_of_requirements_is_told_with_its_line),
        cmocka_unit_test(a_report_needs_what_is_for_its_tenant_and_its_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
