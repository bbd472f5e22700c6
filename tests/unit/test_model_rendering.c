/*
 * Renderings: which members go together, how one is laid over another, and how a body is read
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "rendering.h"
#include "xalloc.h"

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

static struct rendering *parse(const char *text, bool of_destination, struct fault *fault)
{
    json_t *form = json_of(text);
    struct rendering *rendering = rendering_parse(form, "", of_destination, fault);

    json_decref(form);
    return rendering;
}

static struct rendering *good(const char *text)
{
    struct fault fault = {0};
    struct rendering *rendering = parse(text, false, &fault);

    if (!rendering)
        fail_msg("%s: %s", text, fault.text);
    return rendering;
}

static void what_keeps_the_bytes_is_plain(void **state)
{
    static const struct {
        const char *form;
        bool plain, value;
    } cases[] = {
        {"{}", true, false},
        {"{'format':'identity'}", true, false},
        {"{'format':'raw'}", true, false},
        {"{'format':'JSON'}", true, false},
        {"{'compress':'none'}", true, false},
        {"{'compress':'gzip'}", false, false},
        {"{'format':'json','compress':'gzip'}", false, false},
        {"{'schema':'order.json'}", false, false},
        {"{'format':'json','schema':'order.xsd'}", false, false},
        {"{'format':{'type':'json'}}", false, true},
        {"{'format':'json','charset':'us-ascii'}", false, true},
        {"{'format':'csv'}", false, true},
        {"{'transform':'.'}", false, true},
        {"{'transform':{'file':'x.jq'}}", false, true},
        {"{'transform':'.','format':'raw'}", false, true},
        {"{'input':'csv'}", false, true},
        {"{'input':'csv','format':'json'}", false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rendering *rendering = good(cases[i].form);

        if (rendering_is_plain(rendering) != cases[i].plain ||
            rendering_needs_value(rendering) != cases[i].value)
            fail_msg("%s: plain %d, value %d", cases[i].form, rendering_is_plain(rendering),
                     rendering_needs_value(rendering));
        rendering_free(rendering);
    }
}

static void a_value_without_a_format_is_json(void **state)
{
    static const char *const forms[] = {"{'transform':'.'}", "{'transform':'.','format':'identity'}",
                                        "{'transform':'.','format':'json'}", "{'input':'xml'}"};
    struct rendering *rendering;

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        rendering = good(forms[i]);
        assert_non_null(rendering->format);
        assert_int_equal(format_type(rendering->format), FORMAT_TYPE_JSON);
        rendering_free(rendering);
    }
    rendering = good("{'transform':'.','format':'raw'}");
    assert_null(rendering->format);
    assert_int_equal(rendering->plain, FORMAT_RAW);
    rendering_free(rendering);
}

static void a_program_is_a_text_or_an_object(void **state)
{
    struct rendering *rendering = good("{'transform':'.a'}");

    (void)state;
    assert_string_equal(rendering->program, ".a");
    assert_false(rendering->many_results);
    rendering_free(rendering);
    rendering = good("{'transform':{'program':'.[]','results':'array'}}");
    assert_string_equal(rendering->program, ".[]");
    assert_true(rendering->many_results);
    rendering_free(rendering);
    rendering = good("{'transform':{'file':'disks.jq'}}");
    assert_null(rendering->program);
    assert_string_equal(rendering->program_file, "disks.jq");
    rendering_free(rendering);
}

static void mistakes_have_their_place(void **state)
{
    static const struct {
        const char *form, *text;
    } cases[] = {
        {"{'formt':'csv'}", "unknown member 'formt'; did you mean 'format'?"},
        {"{'format':'cvs'}", "/format: there is no format 'cvs'; did you mean 'csv'?"},
        {"{'format':'identiy'}", "/format: there is no format 'identiy'; did you mean 'identity'?"},
        {"{'format':7}", "/format: the name of a format is wanted, or an object with its 'type'"},
        {"{'format':{'type':'csv','delimiter':';;'}}", "/format/delimiter: "},
        {"{'format':'soap'}", NULL},
        {"{'format':'identity','charset':'us-ascii'}",
         "/charset: identity sends the bytes as they are: there is nothing to encode"},
        {"{'charset':'us-ascii'}", "/charset: identity sends the bytes as they are"},
        {"{'format':'raw','charset':'us-ascii'}", "/charset: raw sends the bytes as they are"},
        {"{'format':'json','charset':'iso-8859-1'}", "/format/charset: json is always utf-8"},
        {"{'format':{'type':'csv','charset':'utf-8'},'charset':'us-ascii'}",
         "/charset: the format has a charset of its own"},
        {"{'charset':'ebcdic','format':'csv'}", "/charset: "},
        {"{'compress':'zip'}", "/compress: "},
        {"{'input':'cvs'}", "/input: there is no input 'cvs'; did you mean 'csv'?"},
        {"{'input':'csv','format':'raw'}",
         "/format: an input makes a value, and raw sends the bytes as they came"},
        {"{'transform':7}",
         "/transform: a jq program is wanted, or an object with its 'program' or its 'file'"},
        {"{'transform':''}", "/transform: a jq program of 1 to 262144 bytes is wanted"},
        {"{'transform':{}}", "/transform: either 'program' or 'file' is wanted"},
        {"{'transform':{'program':'.','file':'x'}}", "/transform: either 'program' or 'file' is wanted"},
        {"{'transform':{'file':'../x'}}", "/transform/file: "},
        {"{'transform':{'program':'.','results':'two'}}", "/transform/results: "},
        {"{'transform':{'progam':'.'}}", "/transform: unknown member 'progam'"},
        {"[]", "an object"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fault fault = {0};
        struct rendering *rendering = parse(cases[i].form, false, &fault);

        if (!cases[i].text != !!rendering || (cases[i].text && !strstr(fault.text, cases[i].text)))
            fail_msg("%s: %s", cases[i].form, fault.text);
        if (cases[i].text)
            assert_int_equal(fault.class, FAULT_INPUT);
        rendering_free(rendering);
    }
}

static void a_destinations_other_members_are_passed_over(void **state)
{
    struct fault fault = {0};
    struct rendering *rendering =
        parse("{'protocol':'REST','endpoint':'https://x/','format':'csv'}", true, &fault);

    (void)state;
    assert_non_null(rendering);
    assert_int_equal(json_object_size(rendering->form), 1);
    rendering_free(rendering);
}

static void count_fault(void *arg, const struct fault *fault)
{
    char *all = arg;

    size_t used = strlen(all);
    snprintf(all + used, 2000 - used, "%s\n", fault->text);
}

static void a_check_finds_all_mistakes(void **state)
{
    json_t *form = json_of("{'input':'cvs','transform':7,'format':'exml'}");
    char all[2000] = "";

    (void)state;
    assert_int_equal(rendering_check(form, "/0/rendering", false, count_fault, all), 3);
    assert_non_null(strstr(all, "/0/rendering/input: there is no input 'cvs'"));
    assert_non_null(strstr(all, "/0/rendering/transform: "));
    assert_non_null(strstr(all, "/0/rendering/format: there is no format 'exml'; did you mean 'xml'?"));
    json_decref(form);
    form = json_of("{'format':'csv'}");
    assert_int_equal(rendering_check(form, "", false, count_fault, all), 0);
    json_decref(form);
}

static char *merged(const char *destination, const char *over)
{
    struct rendering *base = good(destination);
    struct fault fault = {0};
    json_t *form = json_of(over);
    struct rendering *both = rendering_merge(base, form, &fault);
    char *text = both ? json_dumps(both->form, JSON_COMPACT | JSON_SORT_KEYS) : xstrdup(fault.text);

    rendering_free(both);
    rendering_free(base);
    json_decref(form);
    return text;
}

static void a_rules_members_stand_in_front(void **state)
{
    static const struct {
        const char *destination, *over, *both;
    } cases[] = {
        {"{'format':'csv','compress':'gzip'}", "{}", "{\"compress\":\"gzip\",\"format\":\"csv\"}"},
        {"{'format':'csv','compress':'gzip'}", "{'format':'xml'}",
         "{\"compress\":\"gzip\",\"format\":\"xml\"}"},
        {"{'format':'csv'}", "{'transform':'.rows'}", "{\"format\":\"csv\",\"transform\":\".rows\"}"},
        {"{'format':'csv','compress':'gzip'}", "{'compress':null}", "{\"format\":\"csv\"}"},
        {"{'format':'csv','charset':'iso-8859-1'}", "{'format':'json'}", "{\"format\":\"json\"}"},
        {"{'format':'csv','charset':'iso-8859-1'}", "{'charset':'us-ascii'}",
         "{\"charset\":\"us-ascii\",\"format\":\"csv\"}"},
        {"{}", "{'charset':'us-ascii'}",
         "/rendering/charset: identity sends the bytes as they are: there is nothing to encode"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = merged(cases[i].destination, cases[i].over);

        assert_string_equal(text, cases[i].both);
        free(text);
    }
}

static void a_body_is_read_by_its_type(void **state)
{
    static const struct {
        const char *content_type;
        enum input_type type;
    } cases[] = {
        {"text/csv", INPUT_CSV},
        {"Text/CSV; charset=utf-8", INPUT_CSV},
        {"text/csv-schema", INPUT_JSON},
        {"application/xml", INPUT_XML},
        {"text/xml;charset=utf-8", INPUT_XML},
        {"application/soap+xml", INPUT_XML},
        {"+xml", INPUT_JSON},
        {"application/json", INPUT_JSON},
        {"application/pdf", INPUT_JSON},
        {"", INPUT_JSON},
    };
    struct rendering *rendering = good("{'transform':'.'}");

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(rendering_input(rendering, cases[i].content_type)->type, cases[i].type);
    rendering_free(rendering);
    rendering = good("{'input':'xml'}");
    assert_int_equal(rendering_input(rendering, "text/csv")->type, INPUT_XML);
    rendering_free(rendering);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_keeps_the_bytes_is_plain),
        cmocka_unit_test(a_value_without_a_format_is_json),
        cmocka_unit_test(a_program_is_a_text_or_an_object),
        cmocka_unit_test(mistakes_have_their_place),
        cmocka_unit_test(a_destinations_other_members_are_passed_over),
        cmocka_unit_test(a_check_finds_all_mistakes),
        cmocka_unit_test(a_rules_members_stand_in_front),
        cmocka_unit_test(a_body_is_read_by_its_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
