/*
 * Formats: golden outputs, what is refused and with which words, and random values: xml that libxml2 reads
 * again, csv that csv_read() reads again; and the readers
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>
#include <libxml/parser.h>
#include "csv_read.h"
#include "fdio.h"
#include "formats.h"
#include "inputs.h"
#include "json.h"
#include "paths.h"
#include "xalloc.h"
#include "xml_names.h"
#include "xml_read.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { RESULT_MAX = 1 << 20 };

static const struct xml_reading reading = {.max_nodes = 100000, .max_depth = 100};

static const struct format_context context = {
    .tenant = "acme",
    .distribution = "0190a0b0-0000-7000-8000-000000000001",
    .destination = "books",
    .data_type = "sales_report",
    .time = "2024-01-15T10:00:00Z",
};

static json_t *value_of(const char *text)
{
    struct fault fault = {0};
    json_t *value = json_read(text, strlen(text), &fault);
    if (!value)
        fail_msg("%s: %s", text, fault.text);
    return value;
}

static struct format *format_of(const char *text)
{
    struct fault fault = {0};
    json_t *form = value_of(text);
    struct format *format = format_parse(form, "/format", &fault);
    json_decref(form);
    if (!format)
        fail_msg("%s: %s", text, fault.text);
    return format;
}

/* The result for a form and a value as texts; the caller releases. */
static int write_it(const char *form, const char *text, struct formatted *out, struct fault *fault)
{
    struct format *format = format_of(form);
    json_t *value = value_of(text);
    int result = format_write(format, value, &context, out, fault);

    json_decref(value);
    format_free(format);
    return result;
}

/* --- golden outputs ------------------------------------------------------------------------------------ */

struct golden {
    const char *form, *value, *body, *type;
};

static void each_is(const struct golden *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct formatted out;
        struct fault fault = {0};
        formatted_init(&out, RESULT_MAX);
        if (write_it(cases[i].form, cases[i].value, &out, &fault))
            fail_msg("%s of %s: %s", cases[i].form, cases[i].value, fault.text);
        assert_string_equal(out.body.data, cases[i].body);
        assert_int_equal(out.body.len, strlen(cases[i].body));
        if (cases[i].type)
            assert_string_equal(out.content_type, cases[i].type);
        formatted_release(&out);
    }
}

static void json_is_written_compact_or_indented(void **state)
{
    static const struct golden cases[] = {
        {"\"json\"", "{\"b\": 1, \"a\": [1.5, true, null]}", "{\"b\":1,\"a\":[1.5,true,null]}",
         "application/json"},
        {"\"json\"", "9007199254740993", "9007199254740993", NULL},
        {"{\"type\":\"json\",\"indent\":2}", "{\"b\":[1,{}],\"c\":[]}",
         "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"c\": []\n}\n", NULL},
        {"{\"type\":\"json\",\"charset\":\"us-ascii\"}", "\"a\xc3\xa9\xf0\x9f\x98\x80\"",
         "\"a\\u00e9\\ud83d\\ude00\"", NULL},
        {"\"ndjson\"", "[1,{\"a\":\"x\\ny\"},[2]]", "1\n{\"a\":\"x\\ny\"}\n[2]\n", "application/x-ndjson"},
        {"\"ndjson\"", "{\"a\":1}", "{\"a\":1}\n", NULL},
        {"\"ndjson\"", "[]", "", NULL},
    };
    (void)state;
    each_is(cases, COUNT(cases));
}

static void csv_is_written_by_its_options(void **state)
{
    static const struct golden cases[] = {
        {"\"csv\"", "[{\"id\":1,\"name\":\"a\"},{\"name\":\"b\",\"note\":null,\"ok\":true}]",
         "id,name,note,ok\r\n1,a,,\r\n,b,,true\r\n", "text/csv; charset=utf-8; header=present"},
        {"\"csv\"",
         "[{\"a\":\"x,y\"},{\"a\":\"say \\\"hi\\\"\"},{\"a\":\"two\\nlines\"},{\"a\":\" x\"},{\"a\":\"\"}]",
         "a\r\n\"x,y\"\r\n\"say \"\"hi\"\"\"\r\n\"two\nlines\"\r\n\" x\"\r\n\"\"\r\n", NULL},
        {"{\"type\":\"csv\",\"quoting\":\"all\",\"line_end\":\"lf\"}", "[{\"a\":1,\"b\":null}]",
         "\"a\",\"b\"\n\"1\",\"\"\n", NULL},
        {"{\"type\":\"csv\",\"delimiter\":\";\",\"line_end\":\"lf\"}", "[{\"a\":\"x;y\",\"b\":\"1,5\"}]",
         "a;b\n\"x;y\";1,5\n", NULL},
        {"{\"type\":\"csv\",\"delimiter\":\"\\t\",\"line_end\":\"lf\",\"header\":false}",
         "[{\"a\":\"x\\ty\",\"b\":2.50}]", "\"x\ty\"\t2.5\n", "text/csv; charset=utf-8; header=absent"},
        {"{\"type\":\"csv\",\"line_end\":\"lf\",\"columns\":[\"id\",{\"name\":\"City\",\"path\":\"/to/"
         "a~1b\"},\"to.zip\","
         "\"/tags/0\"]}",
         "[{\"id\":7,\"to\":{\"a/b\":\"Rome\",\"zip\":\"00100\"},\"tags\":[\"x\",\"y\"]},{\"id\":8}]",
         "id,City,to.zip,/tags/0\n7,Rome,00100,x\n8,,,\n", NULL},
        {"{\"type\":\"csv\",\"line_end\":\"lf\",\"rows\":\"/report/rows\"}",
         "{\"report\":{\"rows\":[{\"a\":1},{\"a\":2}]}}", "a\n1\n2\n", NULL},
        {"{\"type\":\"csv\",\"line_end\":\"lf\"}", "[[1,\"a\"],[2,\"b\",3]]", "1,a\n2,b,3\n", NULL},
        {"{\"type\":\"csv\",\"line_end\":\"lf\"}", "[1,null,\"x\"]", "1\n\"\"\nx\n", NULL},
        {"{\"type\":\"csv\",\"line_end\":\"lf\"}", "{\"a\":{\"b\":[1,\"x\"]}}",
         "a\n\"{\"\"b\"\":[1,\"\"x\"\"]}\"\n", NULL},
        {"{\"type\":\"csv\",\"line_end\":\"lf\",\"columns\":[{\"name\":\"v\",\"path\":\".\"}]}", "[1,\"x\"]",
         "v\n1\nx\n", NULL},
        {"\"csv\"", "[]", "", "text/csv; charset=utf-8; header=absent"},
        {"{\"type\":\"csv\",\"line_end\":\"lf\"}", "[{\"\xef\xbb\xbf\":\"\xef\xbb\xbfx\"}]",
         "\"\xef\xbb\xbf\"\n\"\xef\xbb\xbfx\"\n", "text/csv; charset=utf-8; header=present"},
        {"{\"type\":\"csv\",\"byte_order_mark\":true,\"line_end\":\"lf\"}", "[{\"a\":\"\xc3\xa9\"}]",
         "\xef\xbb\xbf"
         "a\n\xc3\xa9\n",
         NULL},
        {"{\"type\":\"csv\",\"charset\":\"iso-8859-1\",\"line_end\":\"lf\"}", "[{\"a\":\"\xc3\xa9\"}]",
         "a\n\xe9\n", "text/csv; charset=iso-8859-1; header=present"},
        {"{\"type\":\"csv\",\"charset\":\"us-ascii\",\"unencodable\":\"replace\",\"line_end\":\"lf\"}",
         "[{\"a\":\"x\xe2\x82\xac\"}]", "a\nx?\n", NULL},
    };
    (void)state;
    each_is(cases, COUNT(cases));
}

static void csv_guards_against_formulas_and_leaves_numbers(void **state)
{
    static const struct golden cases[] = {
        {"{\"type\":\"csv\",\"line_end\":\"lf\",\"header\":false}",
         "[\"=1+1\",\"+1+1\",\"-cmd\",\"@SUM(A1)\",\"\\tx\",\"\\rx\",\"=a,b\",\"a=b\"]",
         "'=1+1\n'+1+1\n'-cmd\n'@SUM(A1)\n'\tx\n\"'\rx\"\n\"'=a,b\"\na=b\n", NULL},
        {"{\"type\":\"csv\",\"line_end\":\"lf\",\"header\":false}",
         "[-5,-1.5e-7,\"-5\",\"+3.25\",\"-1e5\",\"-1e\",\"-\"]", "-5\n-1.5e-07\n-5\n+3.25\n-1e5\n'-1e\n'-\n",
         NULL},
        {"{\"type\":\"csv\",\"line_end\":\"lf\"}", "[{\"=cmd\":1}]", "'=cmd\n1\n", NULL},
        {"{\"type\":\"csv\",\"line_end\":\"lf\",\"header\":false,\"formula_guard\":false}", "[\"=1+1\"]",
         "=1+1\n", NULL},
    };
    (void)state;
    each_is(cases, COUNT(cases));
}

#define XML "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"

static void xml_is_elements_attributes_and_texts(void **state)
{
    static const struct golden cases[] = {
        {"\"xml\"", "{\"order\":{\"@id\":7,\"#text\":\"x\",\"line\":[1,2.5,null,true]}}",
         XML
         "<report><order id=\"7\">x<line>1</line><line>2.5</line><line/><line>true</line></order></report>",
         "application/xml; charset=utf-8"},
        {"\"xml\"", "[1,[2,{\"a\":\"b\"}],[]]",
         XML "<report><item>1</item><item><item>2</item><item><a>b</a></item></item><item/></report>", NULL},
        {"\"xml\"", "\"a<b>&\\\"'\\r\\n]]>\"", XML "<report>a&lt;b&gt;&amp;\"'&#13;\n]]&gt;</report>", NULL},
        {"\"xml\"", "{\"@a\":\"<\\\"&\\t\\n\",\"@gone\":null}",
         XML "<report a=\"&lt;&quot;&amp;&#9;&#10;\"/>", NULL},
        {"{\"type\":\"xml\",\"root\":\"f:rows\",\"item\":\"row\",\"namespaces\":{\"f\":\"urn:f\",\"\":\"urn:"
         "d&e\"}}",
         "[{\"f:a\":1,\"@xml:lang\":\"it\"}]",
         XML
         "<f:rows xmlns:f=\"urn:f\" xmlns=\"urn:d&amp;e\"><row xml:lang=\"it\"><f:a>1</f:a></row></f:rows>",
         NULL},
        {"\"xml\"", "{\"p:a\":{\"@xmlns:p\":\"urn:p\",\"@p:x\":1,\"p:b\":2}}",
         XML "<report><p:a xmlns:p=\"urn:p\" p:x=\"1\"><p:b>2</p:b></p:a></report>", NULL},
        {"{\"type\":\"xml\",\"declaration\":false,\"invalid_names\":\"map\"}",
         "{\"total amount\":1,\"2024\":2,\"\":3,\"p:q\":4,\"a%\":5,\"@x y\":6,\"-\":7}",
         "<report "
         "x_y=\"6\"><total_amount>1</total_amount><_2024>2</_2024><_>3</_><p_q>4</p_q><a_>5</a_><_->7</_-></"
         "report>",
         NULL},
        {"{\"type\":\"xml\",\"declaration\":false,\"control_characters\":\"replace\"}",
         "\"a\\u0001b\\ufffe\"",
         "<report>a\xef\xbf\xbd"
         "b\xef\xbf\xbd</report>",
         NULL},
        {"{\"type\":\"xml\",\"indent\":2}",
         "{\"a\":[{\"b\":1},{\"#text\":\"t\",\"c\":[1,2]}],\"d\":{},\"e\":[]}",
         XML "<report>\n  <a>\n    <b>1</b>\n  </a>\n  <a>t<c>1</c><c>2</c></a>\n  <d/>\n</report>\n", NULL},
        {"{\"type\":\"xml\",\"charset\":\"iso-8859-1\"}", "{\"\xc3\xa9\":\"\xc3\xa9\xe2\x82\xac\"}",
         "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<report><\xe9>\xe9&#8364;</\xe9></report>",
         "application/xml; charset=iso-8859-1"},
    };
    (void)state;
    each_is(cases, COUNT(cases));
}

static void soap_is_an_envelope_around_xml(void **state)
{
    static const struct golden cases[] = {
        {"{\"type\":\"soap\",\"root\":\"m:Send\",\"namespaces\":{\"m\":\"urn:m\"},\"action\":\"urn:m#Send\"}",
         "{\"m:id\":1}",
         XML "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>"
             "<m:Send xmlns:m=\"urn:m\"><m:id>1</m:id></m:Send></soap:Body></soap:Envelope>",
         "text/xml; charset=utf-8"},
        {"{\"type\":\"soap\",\"version\":\"1.2\",\"action\":\"urn:a\",\"indent\":1,"
         "\"header\":{\"h\":{\"@soap:mustUnderstand\":\"true\",\"#text\":\"x\"}}}",
         "{\"a\":1}",
         XML
         "<soap:Envelope xmlns:soap=\"http://www.w3.org/2003/05/soap-envelope\">\n <soap:Header>\n"
         "  <h soap:mustUnderstand=\"true\">x</h>\n </soap:Header>\n <soap:Body>\n  <report>\n   <a>1</a>\n"
         "  </report>\n </soap:Body>\n</soap:Envelope>\n",
         "application/soap+xml; charset=utf-8; action=\"urn:a\""},
    };
    struct formatted out;
    (void)state;
    each_is(cases, COUNT(cases));
    formatted_init(&out, RESULT_MAX);
    assert_int_equal(write_it(cases[0].form, cases[0].value, &out, NULL), 0);
    assert_int_equal(out.header_count, 1);
    assert_string_equal(out.headers[0].name, "SOAPAction");
    assert_string_equal(out.headers[0].value, "\"urn:m#Send\"");
    formatted_release(&out);
}

static void form_is_url_encoded(void **state)
{
    static const struct golden cases[] = {
        {"\"form\"",
         "{\"a "
         "b\":\"x&y=z\",\"n\":-1.5,\"t\":[1,null,{\"k\":\"v\"}],\"e\":\"\xc3\xa9*-._~\",\"x\":true,\"l\":[]}",
         "a+b=x%26y%3Dz&n=-1.5&t=1&t=&t=%7B%22k%22%3A%22v%22%7D&e=%C3%A9*-._%7E&x=true",
         "application/x-www-form-urlencoded"},
        {"{\"type\":\"form\",\"nested\":\"refuse\"}", "{\"a\":[1,2]}", "a=1&a=2", NULL},
        {"\"form\"", "{}", "", NULL},
    };
    (void)state;
    each_is(cases, COUNT(cases));
}

static void cloudevents_are_structured_or_binary(void **state)
{
    static const struct golden cases[] = {
        {"\"cloudevents\"", "{\"a\":1}",
         "{\"specversion\":\"1.0\",\"id\":\"0190a0b0-0000-7000-8000-000000000001\",\"source\":\"/dist/acme\","
         "\"type\":\"sales_report\",\"time\":\"2024-01-15T10:00:00Z\",\"datacontenttype\":\"application/"
         "json\","
         "\"data\":{\"a\":1}}",
         "application/cloudevents+json; charset=utf-8"},
        {"{\"type\":\"cloudevents\",\"mode\":\"binary\"}", "[1]", "[1]", "application/json"},
    };
    static const char *const headers[][2] = {
        {"ce-specversion", "1.0"},
        {"ce-id", "0190a0b0-0000-7000-8000-000000000001"},
        {"ce-source", "/acme"},
        {"ce-type", "com.acme.sold"},
        {"ce-subject", "caf%C3%A9%20%2520%22"},
        {"ce-time", "2024-01-15T10:00:00Z"},
        {"ce-dataschema", "urn:s"},
        {"ce-shop", "7"},
        {"ce-test", "true"},
    };
    struct formatted out;
    (void)state;
    each_is(cases, COUNT(cases));
    formatted_init(&out, RESULT_MAX);
    assert_int_equal(
        write_it(
            "{\"type\":\"cloudevents\",\"mode\":\"binary\",\"source\":\"/acme\","
            "\"event_type\":\"com.acme.sold\",\"subject\":\"caf\xc3\xa9 %20\\\"\",\"dataschema\":\"urn:s\","
            "\"extensions\":{\"shop\":7,\"test\":true}}",
            "{}", &out, NULL),
        0);
    assert_int_equal(out.header_count, COUNT(headers));
    for (size_t i = 0; i < COUNT(headers); i++) {
        assert_string_equal(out.headers[i].name, headers[i][0]);
        assert_string_equal(out.headers[i].value, headers[i][1]);
    }
    formatted_release(&out);
}

static void a_template_fills_in_its_places(void **state)
{
    static const struct golden cases[] = {
        {"{\"type\":\"template\",\"text\":\"Order {{ order.id }} of {{/order/names/1}}, {{$tenant}} "
         "{{{{x}}\"}",
         "{\"order\":{\"id\":7,\"names\":[\"a\",\"b\"]}}", "Order 7 of b, acme {{x}}",
         "text/plain; charset=utf-8"},
        {"{\"type\":\"template\",\"content_type\":\"application/json\",\"text\":\"{\\\"a\\\": {{a|json}}, "
         "\\\"b\\\": \\\"{{b|jsonstring}}\\\"}\"}",
         "{\"a\":{\"x\":[1]},\"b\":\"q\\\"\\n\"}", "{\"a\": {\"x\":[1]}, \"b\": \"q\\\"\\n\"}",
         "application/json"},
        {"{\"type\":\"template\",\"escape\":\"xml\",\"text\":\"<a b='{{x}}'>{{x|none}}{{x|json|url}}</a>\"}",
         "{\"x\":\"<'&\"}", "<a b='&lt;&#39;&amp;'><'&%22%3C%27%26%22</a>", NULL},
        {"{\"type\":\"template\",\"text\":\"{{x|base64}} {{x|line}} {{x | url}}\"}", "{\"x\":\"a\\nb/\"}",
         "YQpiLw== a b/ a%0Ab%2F", NULL},
        {"{\"type\":\"template\",\"unknown\":\"empty\",\"text\":\"[{{no.such}}][{{nil}}][{{no|json}}]\"}",
         "{\"nil\":null}", "[][][null]", NULL},
        {"{\"type\":\"template\",\"text\":\"{{.}}{{a}}\"}", "{\"a\":\"{{b}}\"}", "{\"a\":\"{{b}}\"}{{b}}",
         NULL},
        {"{\"type\":\"template\",\"text\":\"\"}", "{}", "", NULL},
    };
    (void)state;
    each_is(cases, COUNT(cases));
}

/* --- the page ------------------------------------------------------------------------------------------ */

/* roff's escapes in the examples, in place; a line that ends with a backslash goes on in the next. */
static void unescape(char *text)
{
    static const char *const escapes[][2] = {{"\\e\n", ""}, {"\\e", "\\"}, {"\\(aq", "'"}};
    char *to = text;
    while (*text) {
        const char *as = NULL;
        for (size_t i = 0; i < COUNT(escapes) && !as; i++) {
            if (strncmp(text, escapes[i][0], strlen(escapes[i][0])) == 0) {
                as = escapes[i][1];
                text += strlen(escapes[i][0]);
            }
        }
        if (!as)
            *to++ = *text++;
        else if (*as)
            *to++ = *as;
    }
    *to = '\0';
}

/* "value ... format ... gives ..." up to .Ed; the rest of the page behind it. */
static char *check_example(char *example)
{
    char *form = strstr(example, "\nformat "), *gives = strstr(example, "\ngives\n"),
         *end = strstr(example, "\n.Ed");
    assert_non_null(form);
    assert_non_null(gives);
    assert_non_null(end);
    *form = *gives = *end = '\0';
    char *value = example + strlen("value "), *body = gives + strlen("\ngives\n");
    form += strlen("\nformat ");
    unescape(value);
    unescape(form);
    unescape(body);
    char *quoted = form[0] == '{' ? xstrdup(form) : xasprintf("\"%s\"", form);
    struct formatted out;
    struct fault fault = {0};
    formatted_init(&out, RESULT_MAX);
    if (write_it(quoted, value, &out, &fault))
        fail_msg("%s of %s: %s", form, value, fault.text);
    /* The last line end is not seen on a page. */
    while (out.body.len && out.body.data[out.body.len - 1] == '\n')
        buf_cut(&out.body, out.body.len - 1);
    assert_string_equal(out.body.data, body);
    formatted_release(&out);
    free(quoted);
    return end + 1;
}

static void the_examples_of_the_page_are_true(void **state)
{
    struct buf page;
    struct fault fault = {0};
    int count = 0;
    (void)state;
    if (fdio_read_file("man/dist-transform.5", RESULT_MAX, &page, &fault))
        fail_msg("%s", fault.text);
    for (char *at = page.data; (at = strstr(at, "\nvalue ")) != NULL; count++)
        at = check_example(at + 1);
    assert_int_equal(count, FORMAT_TYPE_COUNT - 1); /* json's is ndjson's */
    buf_release(&page);
}

/* --- what is refused ----------------------------------------------------------------------------------- */

static void values_that_do_not_fit_are_refused_with_their_place(void **state)
{
    static const struct {
        const char *form, *value, *fault;
    } cases[] = {
        {"\"csv\"", "[{\"a\":1},[2]]", "/1: objects and other rows do not make one csv"},
        {"{\"type\":\"csv\",\"columns\":[\"a\"]}", "[{\"a\":1},2]",
         "/1: a row is an object or an array where there are columns"},
        {"{\"type\":\"csv\",\"rows\":\"/a/b\"}", "{\"a\":[1]}",
         "/a/b: there are no rows: the value has no such place"},
        {"{\"type\":\"csv\",\"charset\":\"us-ascii\"}", "[\"\xe2\x82\xac\"]",
         "the character U+20AC is not in us-ascii; \"unencodable\": \"replace\" would make it a '?'"},
        {"\"xml\"", "{\"rows\":[{\"total amount\":1}]}",
         "/rows/0/total amount: 'total amount' is no name in XML"},
        {"\"xml\"", "{\"p:a\":1}", "/p:a: 'p:a' is no name in XML, or its prefix is not declared"},
        {"\"xml\"", "{\"xmlns:a\":1}",
         "/xmlns:a: 'xmlns:a' is no name in XML, or its prefix is not declared"},
        {"\"xml\"", "{\"a\":\"\\u0008\"}", "/a: XML has no place for the character U+0008"},
        {"\"xml\"", "{\"a\":{\"@b\":[1]}}", "/a/@b: an attribute is a text or a number, no array or object"},
        {"\"xml\"", "{\"a\":{\"#text\":{}}}", "/a/#text: a text is wanted, no array or object"},
        {"\"xml\"", "{\"@xmlns:p\":\"\"}", "/@xmlns:p: the URI of a namespace is wanted"},
        {"\"xml\"", "{\"@xmlns:xml\":\"urn:x\"}", "/@xmlns:xml: XML keeps this namespace for itself"},
        {"\"xml\"", "{\"@xmlns:a\":\"urn:x\",\"@xmlns:b\":\"urn:x\",\"@a:i\":1,\"@b:i\":2}",
         "/@b:i: the element has another attribute 'b:i'"},
        {"{\"type\":\"xml\",\"invalid_names\":\"map\"}", "{\"@a b\":1,\"@a_b\":2}",
         "/@a_b: the element has another attribute 'a_b'"},
        {"{\"type\":\"xml\",\"charset\":\"us-ascii\"}", "{\"\xc3\xa9\":1}",
         "/\xc3\xa9: '\xc3\xa9' is no name in XML"},
        {"\"form\"", "[1]", "a form is made of an object, and this is none"},
        {"{\"type\":\"form\",\"nested\":\"refuse\"}", "{\"a\":[[1]]}",
         "/a/0: a form has no place for an array or object here"},
        {"{\"type\":\"template\",\"text\":\"{{a.b}}\"}", "{\"a\":{}}",
         "{{a.b}}: the value has no such place"},
        {"{\"type\":\"template\",\"text\":\"{{a.00}}\"}", "{\"a\":[1]}",
         "{{a.00}}: the value has no such place"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct formatted out;
        struct fault fault = {0};
        formatted_init(&out, RESULT_MAX);
        if (write_it(cases[i].form, cases[i].value, &out, &fault) == 0)
            fail_msg("%s of %s: %s", cases[i].form, cases[i].value, out.body.data);
        assert_string_equal(fault.text, cases[i].fault);
        assert_int_equal(fault.class, FAULT_INPUT);
        assert_int_equal(out.body.len, 0);
        assert_null(out.content_type);
        formatted_release(&out);
    }
}

static void mistakes_in_forms_are_named(void **state)
{
    static const struct {
        const char *form, *fault;
    } cases[] = {
        {"1", "/format: the name of a format is wanted, or an object with its 'type'"},
        {"{}", "/format: the name of a format is wanted, or an object with its 'type'"},
        {"\"cvs\"", "/format: there is no format 'cvs'; did you mean 'csv'?"},
        {"{\"type\":\"jsn\"}", "/format/type: there is no format 'jsn'; did you mean 'json'?"},
        {"{\"type\":\"json\",\"indnt\":1}", "/format: unknown member 'indnt'; did you mean 'indent'?"},
        {"{\"type\":\"json\",\"indent\":9}", "/format/indent: a whole number from 0 to 8 is wanted, not 9"},
        {"{\"type\":\"json\",\"charset\":\"iso-8859-1\"}",
         "/format/charset: json is always utf-8, or us-ascii with escapes"},
        {"{\"type\":\"form\",\"charset\":\"us-ascii\"}", "/format/charset: form is always utf-8"},
        {"{\"type\":\"xml\",\"unencodable\":\"replace\"}", "/format: unknown member 'unencodable'"},
        {"{\"type\":\"csv\",\"delimiter\":\"\\\"\"}",
         "/format/delimiter: a tab or a printable ASCII character is wanted, no quote"},
        {"{\"type\":\"csv\",\"columns\":[\"a\",{\"name\":\"b\"}]}", "/format/columns/1: 'path' is missing"},
        {"{\"type\":\"csv\",\"columns\":[\"/a~2\"]}",
         "/format/columns/0: a '~' in a pointer is written \"~0\", a '/' \"~1\""},
        {"{\"type\":\"csv\",\"columns\":[\"a..b\"]}",
         "/format/columns/0: a name is missing between the dots of a path"},
        {"{\"type\":\"csv\",\"columns\":[1]}",
         "/format/columns/0: a name, a path, or an object of both is wanted"},
        {"{\"type\":\"csv\",\"byte_order_mark\":true,\"charset\":\"us-ascii\"}",
         "/format/byte_order_mark: only utf-8 has one"},
        {"{\"type\":\"xml\",\"root\":\"a b\"}", "/format/root: this is no name of an element"},
        {"{\"type\":\"xml\",\"item\":\"p:x\"}", "/format/item: this is no name of an element"},
        {"{\"type\":\"xml\",\"namespaces\":{\"1\":\"urn:x\"}}", "/format/namespaces/1: this is no prefix"},
        {"{\"type\":\"xml\",\"namespaces\":{\"a\":\"u v\"}}", "/format/namespaces/a: a URI is wanted"},
        {"{\"type\":\"xml\",\"namespaces\":{\"xml\":\"u\"}}",
         "/format/namespaces/xml: XML keeps this one for itself"},
        {"{\"type\":\"xml\",\"declaration\":false,\"charset\":\"iso-8859-1\"}",
         "/format/declaration: without one a parser takes it for utf-8"},
        {"{\"type\":\"soap\",\"namespaces\":{\"soap\":\"u\"}}",
         "/format/namespaces/soap: this prefix is the envelope's"},
        {"{\"type\":\"soap\",\"version\":\"1.3\"}",
         "/format/version: \"1.1\" or \"1.2\" is wanted, not \"1.3\""},
        {"{\"type\":\"soap\",\"action\":\"a\\\"b\"}", "/format/action: a URI is wanted"},
        {"{\"type\":\"cloudevents\",\"extensions\":{\"A\":1}}",
         "/format/extensions/A: a name is of lower-case letters and digits"},
        {"{\"type\":\"cloudevents\",\"extensions\":{\"data\":1}}",
         "/format/extensions/data: this is an attribute of its own"},
        {"{\"type\":\"cloudevents\",\"extensions\":{\"a\":1.5}}",
         "/format/extensions/a: a string, a whole number, true or false is wanted"},
        {"{\"type\":\"cloudevents\",\"subject\":\"a\\nb\"}", "/format/subject: it has a control character"},
        {"\"template\"", "/format: 'text' is missing"},
        {"{\"type\":\"template\",\"text\":\"{{a\"}",
         "/format/text: a \"{{\" without \"}}\"; \"{{{{\" is a \"{{\""},
        {"{\"type\":\"template\",\"text\":\"{{}}\"}",
         "/format/text: a path is missing; \".\" is the whole value"},
        {"{\"type\":\"template\",\"text\":\"{{a|xm}}\"}",
         "/format/text: there is no filter 'xm'; did you mean 'xml'?"},
        {"{\"type\":\"template\",\"text\":\"{{a|url|json}}\"}",
         "/format/text: the filter json comes first: jsonstring is for what others made"},
        {"{\"type\":\"template\",\"text\":\"{{$tenent}}\"}",
         "/format/text: there is no variable $tenent; did you mean $tenant?"},
        {"{\"type\":\"template\",\"text\":\"\",\"content_type\":\"text\"}",
         "/format/content_type: a type as \"text/plain\" is wanted"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        json_t *form = value_of(cases[i].form);
        if (format_parse(form, "/format", &fault))
            fail_msg("%s: taken", cases[i].form);
        assert_string_equal(fault.text, cases[i].fault);
        assert_int_equal(fault.class, FAULT_INPUT);
        json_decref(form);
    }
}

/* Every format, at every ceiling below what it needs: a fault that says so; at what it needs: the same bytes.
 */
static void every_format_has_a_ceiling(void **state)
{
    static const char *const forms[] = {
        "\"json\"",
        "{\"type\":\"json\",\"indent\":4}",
        "\"ndjson\"",
        "\"csv\"",
        "{\"type\":\"csv\",\"charset\":\"iso-8859-1\",\"quoting\":\"all\"}",
        "\"xml\"",
        "{\"type\":\"xml\",\"indent\":3,\"charset\":\"us-ascii\"}",
        "\"soap\"",
        "\"form\"",
        "\"cloudevents\"",
        "{\"type\":\"cloudevents\",\"mode\":\"binary\"}",
        "{\"type\":\"template\",\"text\":\"{{a}}{{b|json|url}}{{c|xml|base64}} {{b|jsonstring}}\"}",
    };
    static const char value[] =
        "{\"a\":\"x\xc3\xa9\",\"b\":[1,\"\xc3\xa9\",{\"k\":\"v\"}],\"c\":{\"d\":\"<&>\",\"e\":null}}";
    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct formatted whole, out;
        struct fault fault = {0};
        formatted_init(&whole, RESULT_MAX);
        assert_int_equal(write_it(forms[i], value, &whole, &fault), 0);
        for (size_t max = 0; max < whole.body.len; max++) {
            formatted_init(&out, max);
            assert_int_equal(write_it(forms[i], value, &out, &fault), -1);
            assert_non_null(strstr(fault.text, "is larger than"));
            assert_int_equal(fault.class, FAULT_INPUT);
            formatted_release(&out);
        }
        /* A charset is made of the utf-8 that is written first, so that one must fit too. */
        formatted_init(&out, whole.body.len + 20);
        assert_int_equal(write_it(forms[i], value, &out, &fault), 0);
        assert_string_equal(out.body.data, whole.body.data);
        formatted_release(&out);
        formatted_release(&whole);
    }
}

static void what_was_replaced_is_counted(void **state)
{
    struct formatted out;
    (void)state;
    formatted_init(&out, RESULT_MAX);
    assert_int_equal(write_it("{\"type\":\"csv\",\"charset\":\"iso-8859-1\",\"unencodable\":\"replace\"}",
                              "[\"\xe2\x82\xac\xe2\x82\xac\xc3\xa9\"]", &out, NULL),
                     0);
    assert_int_equal(out.replaced, 2);
    assert_int_equal(write_it("{\"type\":\"xml\",\"control_characters\":\"replace\"}",
                              "[\"\\u0001\",\"\\u001f\\uffff\"]", &out, NULL),
                     0);
    assert_int_equal(out.replaced, 3);
    formatted_release(&out);
}

static void a_csv_has_so_many_columns(void **state)
{
    struct formatted out;
    struct fault fault = {0};
    json_t *rows = json_array(), *wide = json_array();
    struct format *format = format_of("\"csv\"");
    (void)state;
    for (int i = 0; i <= FORMAT_COLUMNS_MAX; i++) {
        char name[20];
        snprintf(name, sizeof name, "c%d", i);
        json_array_append_new(rows, json_pack("{si}", name, i));
        json_array_append_new(wide, json_integer(i));
    }
    formatted_init(&out, RESULT_MAX * 16);
    assert_int_equal(format_write(format, rows, NULL, &out, &fault), -1);
    assert_string_equal(fault.text, "/1000: a csv has at most 1000 columns");
    json_array_remove(rows, FORMAT_COLUMNS_MAX);
    assert_int_equal(format_write(format, rows, NULL, &out, &fault), 0);
    json_array_clear(rows);
    json_array_append_new(rows, wide);
    assert_int_equal(format_write(format, rows, NULL, &out, &fault), -1);
    assert_string_equal(fault.text, "/0: a csv has at most 1000 columns");
    json_decref(rows);
    formatted_release(&out);
    format_free(format);
}

/* A value that jansson built, not json_read(), may be of any depth. */
static void depth_is_bounded_in_xml(void **state)
{
    struct formatted out;
    struct fault fault = {0};
    json_t *value = json_integer(1);
    struct format *format = format_of("\"xml\"");
    (void)state;
    for (int i = 0; i < 1000; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, value);
        value = outer;
    }
    formatted_init(&out, RESULT_MAX);
    assert_int_equal(format_write(format, value, NULL, &out, &fault), -1);
    assert_non_null(strstr(fault.text, "nested deeper than 200 levels"));
    json_decref(value);
    formatted_release(&out);
    format_free(format);
}

/* As strictly as libxml2 looks: by its own options, and every namespace a URI. */
static bool is_strict_xml(const char *text, size_t size)
{
    xmlParserCtxt *parser = xmlNewParserCtxt();
    xmlDoc *document = xmlCtxtReadMemory(parser, text, (int)size, NULL, NULL,
                                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    bool strict = document && parser->wellFormed && parser->nsWellFormed;
    xmlFreeDoc(document);
    xmlFreeParserCtxt(parser);
    return strict;
}

static void a_namespace_is_a_uri(void **state)
{
    static const char *const good[] = {"urn:x",
                                       "http://example.com/a?b#c",
                                       "http://example.com:8080",
                                       "acme/rows",
                                       "a",
                                       "urn:%20",
                                       "x-y.z+1:?",
                                       "//host/x",
                                       "#a"};
    static const char *const bad[] = {"",    "a b",        "urn:%2",       "urn:%zz",   "1:x",
                                      ":x",  "http://",    "a#b#c",        "a\"b",      "\xc3\xa9",
                                      "a<b", "http://a:b", "http://[::1]", "http://u@h"};
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        char *xml = xasprintf("<a xmlns='%s'/>", good[i]);
        if (!xml_is_uri(good[i]))
            fail_msg("%s: refused", good[i]);
        assert_true(is_strict_xml(xml, strlen(xml)));
        free(xml);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        if (xml_is_uri(bad[i]))
            fail_msg("%s: taken", bad[i]);
}

/* --- random values ------------------------------------------------------------------------------------- */

/* A generator of its own, so that a failure can be repeated: the seed is printed. */
static uint64_t dice_state;

static unsigned dice(unsigned sides)
{
    dice_state = dice_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(dice_state >> 33) % sides;
}

static void random_text(char *out, size_t size)
{
    static const char *const pieces[] = {"a",
                                         "B",
                                         "7",
                                         "_",
                                         "-",
                                         ".",
                                         ":",
                                         " ",
                                         "<",
                                         ">",
                                         "&",
                                         "\"",
                                         "'",
                                         "=",
                                         "@",
                                         "#text",
                                         "\n",
                                         "\r",
                                         "\t",
                                         ",",
                                         ";",
                                         "\x01",
                                         "\x1f",
                                         "\x7f",
                                         "]]>",
                                         "xmlns",
                                         "xml",
                                         "p",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "\xef\xbf\xbe",
                                         "\xf0\x9f\x98\x80",
                                         "\xc2\x85",
                                         "\xcc\x81",
                                         "--",
                                         "?>"};
    unsigned count = dice(6);
    *out = '\0';
    for (unsigned i = 0; i < count; i++) {
        const char *piece = pieces[dice(COUNT(pieces))];
        size_t used = strlen(out);
        if (used + strlen(piece) < size)
            memcpy(out + used, piece, strlen(piece) + 1);
    }
}

static json_t *random_value(int depth)
{
    char text[64];
    json_t *value;
    switch (dice(depth > 0 ? 8 : 5)) {
    case 0:
        return json_integer((json_int_t)dice(1000) - 500);
    case 1:
        return json_real(dice(1000) / 8.0);
    case 2:
        return dice(2) ? json_boolean(dice(2)) : json_null();
    case 3:
    case 4:
        random_text(text, sizeof text);
        return json_string(text);
    case 5:
        value = json_array();
        for (unsigned i = dice(4); i > 0; i--)
            json_array_append_new(value, random_value(depth - 1));
        return value;
    default:
        value = json_object();
        for (unsigned i = dice(5); i > 0; i--) {
            random_text(text + 1, sizeof text - 1);
            text[0] = '@';
            bool attribute = dice(4) == 0;
            json_object_set_new(value, attribute ? text : text + 1,
                                attribute && dice(8) ? json_string(text + 1) : random_value(depth - 1));
        }
        return value;
    }
}

static void random_xml_is_read_again_by_libxml2(void **state)
{
    static const char *const forms[] = {
        "{\"type\":\"xml\",\"invalid_names\":\"map\",\"control_characters\":\"replace\"}",
        "{\"type\":\"xml\",\"invalid_names\":\"map\",\"control_characters\":\"replace\",\"indent\":2}",
        "{\"type\":\"xml\",\"invalid_names\":\"map\",\"control_characters\":\"replace\",\"charset\":\"us-"
        "ascii\"}",
        "{\"type\":\"xml\",\"invalid_names\":\"map\",\"control_characters\":\"replace\",\"charset\":\"iso-"
        "8859-1\","
        "\"namespaces\":{\"p\":\"urn:p\",\"a\":\"urn:p\"}}",
        "{\"type\":\"soap\",\"invalid_names\":\"map\",\"control_characters\":\"replace\"}",
        "\"xml\"",
    };
    unsigned written = 0;
    struct formatted out;
    struct buf json;
    (void)state;
    dice_state = (uint64_t)time(NULL);
    const uint64_t seed = dice_state;
    formatted_init(&out, RESULT_MAX);
    buf_init(&json, RESULT_MAX * 8);
    for (size_t f = 0; f < COUNT(forms); f++) {
        struct format *format = format_of(forms[f]);
        for (int i = 0; i < 2000; i++) {
            struct fault fault = {0};
            json_t *value = random_value(5);
            if (format_write(format, value, &context, &out, &fault) == 0) {
                written++;
                buf_clear(&json);
                if (!is_strict_xml(out.body.data, out.body.len))
                    fail_msg("seed %llu: %s", (unsigned long long)seed, out.body.data);
                if (xml_read(out.body.data, out.body.len, &reading, &json, &fault))
                    fail_msg("seed %llu: %s: %s", (unsigned long long)seed, fault.text, out.body.data);
                if (json_check(json.data, json.len, NULL, &fault))
                    fail_msg("seed %llu: %s: %s", (unsigned long long)seed, fault.text, json.data);
            } else if (f < 5 && !strstr(fault.text, "no array or object") &&
                       !strstr(fault.text, "another attribute") &&
                       !strstr(fault.text, "of a namespace is wanted") && !strstr(fault.text, "XML keeps")) {
                fail_msg("seed %llu: refused: %s", (unsigned long long)seed, fault.text);
            }
            json_decref(value);
        }
        format_free(format);
    }
    assert_true(written > 5000);
    buf_release(&json);
    formatted_release(&out);
}

/* Texts alone: what is written is what is read, to the last blank. */
static void random_texts_come_back_from_xml(void **state)
{
    struct format *format = format_of("{\"type\":\"xml\",\"charset\":\"us-ascii\"}");
    struct formatted out;
    struct buf json;
    char text[64];
    unsigned written = 0;
    (void)state;
    dice_state = (uint64_t)time(NULL);
    formatted_init(&out, RESULT_MAX);
    buf_init(&json, RESULT_MAX);
    for (int i = 0; i < 3000; i++) {
        struct fault fault = {0};
        random_text(text, sizeof text);
        json_t *value = json_pack("{s{ssss}ss}", "a", "@b", text, "c", text, "d", text);
        if (format_write(format, value, &context, &out, &fault) == 0) {
            written++;
            buf_clear(&json);
            assert_int_equal(xml_read(out.body.data, out.body.len, &reading, &json, &fault), 0);
            json_t *again = value_of(json.data);
            if (!json_equal(value, again))
                fail_msg("%s became %s", out.body.data, json.data);
            json_decref(again);
        }
        json_decref(value);
    }
    assert_true(written > 1000);
    buf_release(&json);
    formatted_release(&out);
    format_free(format);
}

static void random_csv_is_read_again_as_it_was(void **state)
{
    static const struct {
        const char *form;
        struct csv_reading reading;
    } cases[] = {
        {"{\"type\":\"csv\",\"formula_guard\":false}",
         {.delimiter = ',', .header = true, .max_rows = 1000, .max_field = 1000}},
        {"{\"type\":\"csv\",\"formula_guard\":false,\"quoting\":\"all\",\"line_end\":\"lf\",\"byte_order_"
         "mark\":true}",
         {.delimiter = ',', .header = true, .max_rows = 1000, .max_field = 1000}},
        {"{\"type\":\"csv\",\"formula_guard\":false,\"delimiter\":\";\",\"line_end\":\"lf\"}",
         {.delimiter = ';', .header = true, .max_rows = 1000, .max_field = 1000}},
        {"{\"type\":\"csv\",\"formula_guard\":false,\"delimiter\":\"a\"}",
         {.delimiter = 'a', .header = true, .max_rows = 1000, .max_field = 1000}},
    };
    struct formatted out;
    char text[64], name[80];
    (void)state;
    dice_state = (uint64_t)time(NULL);
    formatted_init(&out, RESULT_MAX);
    for (int i = 0; i < 4000; i++) {
        struct format *format = format_of(cases[i % COUNT(cases)].form);
        json_t *rows = json_array();
        unsigned columns = 1 + dice(5);
        for (unsigned r = 1 + dice(5); r > 0; r--) {
            json_t *row = json_object();
            for (unsigned c = 0; c < columns; c++) {
                snprintf(name, sizeof name, "%u\"a, ", c);
                random_text(text, sizeof text);
                json_object_set_new(row, name, json_string(text));
            }
            json_array_append_new(rows, row);
        }
        struct fault fault = {0};
        assert_int_equal(format_write(format, rows, NULL, &out, &fault), 0);
        json_t *again = csv_read(out.body.data, out.body.len, &cases[i % COUNT(cases)].reading, &fault);
        if (!again)
            fail_msg("%s: %s", fault.text, out.body.data);
        if (!json_equal(rows, again))
            fail_msg("not as it was: %s", out.body.data);
        json_decref(again);
        json_decref(rows);
        format_free(format);
    }
    formatted_release(&out);
}

/* --- csv and inputs ------------------------------------------------------------------------------------ */

static struct input *input_of(const char *text)
{
    struct fault fault = {0};
    json_t *form = value_of(text);
    struct input *input = input_parse(form, "/input", &fault);
    json_decref(form);
    if (!input)
        fail_msg("%s: %s", text, fault.text);
    return input;
}

static void csv_becomes_objects_or_arrays(void **state)
{
    static const struct {
        const char *form, *text, *json;
    } cases[] = {
        {"\"csv\"", "a,b\r\n1,x\r\n2,\"y,\"\"z\"\"\r\nw\"\r\n",
         "[{\"a\":\"1\",\"b\":\"x\"},{\"a\":\"2\",\"b\":\"y,\\\"z\\\"\\r\\nw\"}]"},
        {"\"csv\"",
         "\xef\xbb\xbf"
         "a;b,c\n\n1,\n\n",
         "[{\"a;b\":\"1\",\"c\":\"\"}]"},
        {"\"csv\"", "a\n1\n\n\"\"\n", "[{\"a\":\"1\"},{\"a\":\"\"},{\"a\":\"\"}]"},
        {"\"csv\"", "", "[]"},
        {"\"csv\"", "a,b", "[]"},
        {"\"csv\"", "a,b\n1,", "[{\"a\":\"1\",\"b\":\"\"}]"},
        {"{\"type\":\"csv\",\"header\":false}", "1,2\n\"3\",\n", "[[\"1\",\"2\"],[\"3\",\"\"]]"},
        {"{\"type\":\"csv\",\"columns\":[\"x\",\"y\"],\"delimiter\":\"\\t\"}", "1\t2\n",
         "[{\"x\":\"1\",\"y\":\"2\"}]"},
        {"{\"type\":\"csv\",\"charset\":\"iso-8859-1\"}", "\xe9\n\xff\n", "[{\"\xc3\xa9\":\"\xc3\xbf\"}]"},
        {"\"json\"", "{\"a\": 1}", "{\"a\":1}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        struct input *input = input_of(cases[i].form);
        json_t *value = input_read(input, cases[i].text, strlen(cases[i].text), &fault);
        if (!value)
            fail_msg("%s: %s", cases[i].text, fault.text);
        char *text = json_text(value);
        assert_string_equal(text, cases[i].json);
        free(text);
        json_decref(value);
        input_free(input);
    }
}

/* A short text must not become gigabytes: each row holds its names. */
static void names_of_columns_are_bounded_for_all_rows(void **state)
{
    enum { NAME = CSV_NAME_MAX, ROWS = CSV_NAME_BYTES_MAX / NAME + 1 };
    struct input *input = input_of("\"csv\"");
    struct fault fault = {0};
    struct buf text;

    (void)state;
    buf_init(&text, 4 * 1024 * 1024);
    for (int i = 0; i < NAME; i++)
        buf_addc(&text, 'n');
    for (int i = 0; i <= ROWS; i++)
        buf_adds(&text, "\n1");
    assert_null(input_read(input, text.data, text.len, &fault));
    assert_non_null(strstr(fault.text, "the names of the columns are too long for so many rows"));
    buf_release(&text);
    input_free(input);
}

#define BYTES(text) text, sizeof(text) - 1

static void mistakes_in_csv_are_named_with_their_line(void **state)
{
    static const struct {
        const char *form, *text;
        size_t size;
        const char *fault;
    } cases[] = {
        {"\"csv\"", BYTES("a,b\n1,2\n3\n"), "line 3: 1 fields, and the first line has 2"},
        {"\"csv\"", BYTES("a,b\n\"x\ny\",2\n1,2,3\n"), "line 4: 3 fields, and the first line has 2"},
        {"\"csv\"", BYTES("a\n\"x\ny"), "line 2: the text ends inside of quotes"},
        {"\"csv\"", BYTES("a\nx\"y\n"), "line 2: a quote in a field that is not in quotes"},
        {"\"csv\"", BYTES("a\n\"x\"y\n"), "line 2: text behind a closing quote"},
        {"\"csv\"", BYTES("a\rb\n"), "line 1: a CR without LF"},
        {"\"csv\"", BYTES("a\nx\0y\n"), "line 3: a NUL is not taken"},
        {"\"csv\"", BYTES("a\n\xff\n"), "line 2: the byte 0xff is not UTF-8"},
        {"\"csv\"", BYTES("a,b,a\n"), "line 1: the column 'a' is there twice"},
        {"\"csv\"", BYTES("a,\n"), "line 1: column 2 has no name"},
        {"{\"type\":\"csv\",\"columns\":[\"x\",\"y\"]}", BYTES("1\n"),
         "line 1: 1 fields, and the columns are 2"},
        {"{\"type\":\"csv\",\"max_rows\":2}", BYTES("a\n1\n2\n3\n"), "line 4: more than 2 rows"},
        {"{\"type\":\"csv\",\"max_field\":3}", BYTES("a\n123\n1234\n"),
         "line 3: a field is longer than 3 bytes"},
        {"\"json\"", BYTES("{"), "line 1, column 2: the text ends where a key in double quotes is wanted"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        struct input *input = input_of(cases[i].form);
        char *exact = xmalloc(cases[i].size);
        memcpy(exact, cases[i].text, cases[i].size);
        if (input_read(input, exact, cases[i].size, &fault))
            fail_msg("%s: taken", cases[i].text);
        assert_string_equal(fault.text, cases[i].fault);
        assert_int_equal(fault.class, FAULT_INPUT);
        free(exact);
        input_free(input);
    }
}

static void a_csv_line_has_so_many_fields(void **state)
{
    char text[2 * CSV_COLUMNS_MAX + 2];
    struct fault fault = {0};
    const struct csv_reading plain = {.delimiter = ',', .max_rows = 10, .max_field = 10};
    (void)state;
    memset(text, ',', CSV_COLUMNS_MAX);
    json_t *rows = csv_read(text, CSV_COLUMNS_MAX - 1, &plain, &fault);
    assert_non_null(rows);
    assert_int_equal(json_array_size(json_array_get(rows, 0)), CSV_COLUMNS_MAX);
    json_decref(rows);
    assert_null(csv_read(text, CSV_COLUMNS_MAX, &plain, &fault));
    assert_string_equal(fault.text, "line 1: more than 1000 fields");
}

static void mistakes_in_inputs_are_named(void **state)
{
    static const struct {
        const char *form, *fault;
    } cases[] = {
        {"{}", "/input: json, csv or xml is wanted, or an object with its 'type'"},
        {"\"xlm\"", "/input: there is no input 'xlm'; did you mean 'xml'?"},
        {"{\"type\":\"json\",\"x\":1}", "/input: unknown member 'x'"},
        {"{\"type\":\"csv\",\"colums\":[]}", "/input: unknown member 'colums'; did you mean 'columns'?"},
        {"{\"type\":\"csv\",\"header\":true,\"columns\":[\"a\"]}",
         "/input/columns: with \"header\" the first line has the names"},
        {"{\"type\":\"csv\",\"columns\":[\"a\",\"a\"]}", "/input/columns/1: this column is there twice"},
        {"{\"type\":\"csv\",\"columns\":[\"\"]}", "/input/columns/0: a name of 1 to 1000 bytes is wanted"},
        {"{\"type\":\"csv\",\"delimiter\":\"\\n\"}",
         "/input/delimiter: a tab or a printable ASCII character is wanted, no quote"},
        {"{\"type\":\"xml\",\"namespaces\":\"x\"}",
         "/input/namespaces: \"keep\" or \"strip\" is wanted, not \"x\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        json_t *form = value_of(cases[i].form);
        if (input_parse(form, "/input", &fault))
            fail_msg("%s: taken", cases[i].form);
        assert_string_equal(fault.text, cases[i].fault);
        json_decref(form);
    }
}

/* --- xml_read ------------------------------------------------------------------------------------------ */

static void xml_becomes_json(void **state)
{
    static const char *const arrays[] = {"line"};
    static const struct {
        struct xml_reading reading;
        const char *xml, *json;
    } cases[] = {
        {{.max_nodes = 100, .max_depth = 10},
         "<order id=\"7\"><line>1</line><note/><line a='b'>2</line></order>",
         "{\"@id\":\"7\",\"line\":[\"1\",{\"@a\":\"b\",\"#text\":\"2\"}],\"note\":\"\"}"},
        {{.max_nodes = 100, .max_depth = 10},
         "<a> x &lt;<!-- c --><![CDATA[<y>]]>&#233; </a>",
         "\" x <<y>\xc3\xa9 \""},
        {{.max_nodes = 100, .max_depth = 10}, "<a>\n  <b>1</b>\n  <?pi x?></a>", "{\"b\":\"1\"}"},
        {{.max_nodes = 100, .max_depth = 10}, "<a>x<b/>y</a>", "{\"#text\":\"xy\",\"b\":\"\"}"},
        {{.max_nodes = 100, .max_depth = 10, .arrays = arrays, .array_count = 1},
         "<a><line>1</line></a>",
         "{\"line\":[\"1\"]}"},
        {{.max_nodes = 100, .max_depth = 10},
         "<a xmlns='urn:d?a&amp;b' xmlns:p='urn:p&amp;#38;' x='c&amp;d'>e&amp;f</a>",
         "{\"@xmlns\":\"urn:d?a&b\",\"@xmlns:p\":\"urn:p&#38;\",\"@x\":\"c&d\",\"#text\":\"e&f\"}"},
        {{.max_nodes = 100, .max_depth = 10, .keep_root = true},
         "<p:a xmlns:p='urn:p' p:x='1'><p:b/></p:a>",
         "{\"p:a\":{\"@xmlns:p\":\"urn:p\",\"@p:x\":\"1\",\"p:b\":\"\"}}"},
        {{.max_nodes = 100, .max_depth = 10, .strip_namespaces = true, .keep_root = true},
         "<p:a xmlns:p='urn:p' p:x='1'><p:b/><b>2</b></p:a>",
         "{\"a\":{\"@x\":\"1\",\"b\":[\"\",\"2\"]}}"},
        {{.max_nodes = 100, .max_depth = 10},
         "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>",
         "\"\xc3\xa9\""},
        {{.max_nodes = 100, .max_depth = 10}, "\xef\xbb\xbf<a>\xc3\xa9</a>\n", "\"\xc3\xa9\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        struct buf json;
        buf_init(&json, RESULT_MAX);
        if (xml_read(cases[i].xml, strlen(cases[i].xml), &cases[i].reading, &json, &fault))
            fail_msg("%s: %s", cases[i].xml, fault.text);
        assert_string_equal(json.data, cases[i].json);
        buf_release(&json);
    }
}

static void hostile_xml_is_refused(void **state)
{
    static const struct {
        const char *xml, *fault;
    } cases[] = {
        {"", "line 1: Document is empty"},
        {"{\"a\":1}", "this is no XML: it does not begin with '<'"},
        {"<a>\n<b></a>", "line 2: Opening and ending tag mismatch: b line 2 and a"},
        {"<a>&x;</a>", "line 1: Entity 'x' not defined"},
        {"<a><p:b/></a>", "line 1: Namespace prefix p on b is not defined"},
        {"<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
         "line 1: a DOCTYPE is not taken"},
        {"<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>\n<a>&b;</a>",
         "line 1: a DOCTYPE is not taken"},
        {"<!DOCTYPE a SYSTEM \"http://127.0.0.1:1/x.dtd\"><a/>", "line 1: a DOCTYPE is not taken"},
        {"<?xml version='1.0' encoding='UTF-7'?><a/>", "line 1: the encoding 'UTF-7' is not taken"},
        {"<a>\xff</a>", "line 1: Input is not proper UTF-8, indicate encoding ! Bytes: 0xFF 0x3C 0x2F 0x61"},
        {"<a>\x01</a>", "line 1: PCDATA invalid Char value 1"},
        {"<a/><b/>", "line 1: Extra content at the end of the document"},
        {"<a><b><c><d><e/></d></c></b></a>", "line 1: elements are nested too deeply"},
        {"<a><b><c><d x='1'/><d/></c></b></a>", "line 1: elements are nested too deeply"},
        {"<a b='1' c='2' d='3'><b/><c/><d/><e/><f/><g/></a>",
         "line 1: more elements and attributes than are taken"},
    };
    const struct xml_reading limits = {.max_nodes = 16, .max_depth = 4};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        struct buf json;
        buf_init(&json, RESULT_MAX);
        buf_adds(&json, "kept");
        if (xml_read(cases[i].xml, strlen(cases[i].xml), &limits, &json, &fault) == 0)
            fail_msg("%s: %s", cases[i].xml, json.data);
        assert_string_equal(fault.text, cases[i].fault);
        assert_int_equal(fault.class, FAULT_INPUT);
        assert_string_equal(json.data, "kept");
        buf_release(&json);
    }
}

static void xml_has_a_ceiling_as_json(void **state)
{
    static const char xml[] = "<a><b c='d'>text</b><b>more<x/></b></a>";
    struct fault fault = {0};
    struct buf json;
    (void)state;
    buf_init(&json, RESULT_MAX);
    assert_int_equal(xml_read(xml, strlen(xml), &reading, &json, &fault), 0);
    const size_t whole = json.len;
    buf_release(&json);
    for (size_t max = 0; max < whole; max++) {
        buf_init(&json, max);
        assert_int_equal(xml_read(xml, strlen(xml), &reading, &json, &fault), -1);
        assert_non_null(strstr(fault.text, "as JSON it is larger than"));
        buf_release(&json);
    }
}

static void every_truncation_of_xml_is_refused(void **state)
{
    static const char xml[] =
        "<?xml version='1.0' encoding='utf-8'?><a x='1'><b>&lt;<![CDATA[x]]></b><!-- c --></a>";
    struct buf json;
    (void)state;
    buf_init(&json, RESULT_MAX);
    for (size_t size = 0; size < sizeof xml - 1; size++) {
        char *exact = xmalloc(size ? size : 1);
        memcpy(exact, xml, size);
        assert_int_equal(xml_read(exact, size, &reading, &json, NULL), -1);
        free(exact);
    }
    buf_release(&json);
}

/* Pieces of both languages in any order: taken or refused, never worse, and what is taken is JSON. */
static void random_bytes_break_no_reader(void **state)
{
    static const char *const pieces[] = {"<a>",
                                         "</a>",
                                         "<b x='1'>",
                                         "</b>",
                                         "<c/>",
                                         "&lt;",
                                         "&#1;",
                                         "&x;",
                                         "<!--",
                                         "-->",
                                         "<![CDATA[",
                                         "]]>",
                                         "<?xml version='1.0'?>",
                                         "<!DOCTYPE a>",
                                         "<p:q xmlns:p='u'>",
                                         "</p:q>",
                                         "\"",
                                         "\"\"",
                                         ",",
                                         "\r\n",
                                         "\n",
                                         "\r",
                                         "\xff",
                                         "\xc3\xa9",
                                         "\xef\xbb\xbf",
                                         "text",
                                         " ",
                                         "=",
                                         "'"};
    static const struct csv_reading csv = {.delimiter = ',', .header = true, .max_rows = 20, .max_field = 20};
    unsigned csv_taken = 0, xml_taken = 0;
    struct buf text, json;
    (void)state;
    dice_state = (uint64_t)time(NULL);
    buf_init(&text, RESULT_MAX);
    buf_init(&json, 300);
    for (int i = 0; i < 20000; i++) {
        struct fault fault = {0};
        buf_clear(&text);
        buf_adds(&text, i % 2 ? "<a>" : "x,y\n");
        for (unsigned n = dice(8); n > 0; n--)
            buf_adds(&text, pieces[dice(COUNT(pieces))]);
        buf_adds(&text, i % 2 ? "</a>" : "");
        char *exact = xmalloc(text.len);
        memcpy(exact, text.data, text.len);
        json_t *rows = csv_read(exact, text.len, &csv, &fault);
        csv_taken += rows != NULL;
        json_decref(rows);
        buf_clear(&json);
        if (xml_read(exact, text.len, &reading, &json, &fault) == 0) {
            xml_taken++;
            assert_int_equal(json_check(json.data, json.len, NULL, &fault), 0);
        }
        free(exact);
    }
    assert_true(csv_taken > 100 && xml_taken > 100);
    buf_release(&text);
    buf_release(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_written_compact_or_indented),
        cmocka_unit_test(csv_is_written_by_its_options),
        cmocka_unit_test(csv_guards_against_formulas_and_leaves_numbers),
        cmocka_unit_test(xml_is_elements_attributes_and_texts),
        cmocka_unit_test(soap_is_an_envelope_around_xml),
        cmocka_unit_test(form_is_url_encoded),
        cmocka_unit_test(cloudevents_are_structured_or_binary),
        cmocka_unit_test(a_template_fills_in_its_places),
        cmocka_unit_test(the_examples_of_the_page_are_true),
        cmocka_unit_test(values_that_do_not_fit_are_refused_with_their_place),
        cmocka_unit_test(mistakes_in_forms_are_named),
        cmocka_unit_test(every_format_has_a_ceiling),
        cmocka_unit_test(what_was_replaced_is_counted),
        cmocka_unit_test(a_csv_has_so_many_columns),
        cmocka_unit_test(depth_is_bounded_in_xml),
        cmocka_unit_test(a_namespace_is_a_uri),
        cmocka_unit_test(random_xml_is_read_again_by_libxml2),
        cmocka_unit_test(random_texts_come_back_from_xml),
        cmocka_unit_test(random_csv_is_read_again_as_it_was),
        cmocka_unit_test(csv_becomes_objects_or_arrays),
        cmocka_unit_test(names_of_columns_are_bounded_for_all_rows),
        cmocka_unit_test(mistakes_in_csv_are_named_with_their_line),
        cmocka_unit_test(a_csv_line_has_so_many_fields),
        cmocka_unit_test(mistakes_in_inputs_are_named),
        cmocka_unit_test(xml_becomes_json),
        cmocka_unit_test(hostile_xml_is_refused),
        cmocka_unit_test(xml_has_a_ceiling_as_json),
        cmocka_unit_test(every_truncation_of_xml_is_refused),
        cmocka_unit_test(random_bytes_break_no_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
