/*
 * XML Schema: what fits and what does not, what is told, references between documents, attacks
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "buf.h"
#include "clock.h"
#include "xalloc.h"
#include "xsd.h"

#define SCHEMA(attributes, body)                                                                             \
    "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' " attributes ">" body "</xs:schema>"
#define ORDER                                                                                                \
    "<xs:element name='order'><xs:complexType><xs:sequence>"                                                 \
    "<xs:element name='item' minOccurs='0' maxOccurs='unbounded'><xs:complexType><xs:sequence>"              \
    "<xs:element name='price' type='xs:decimal'/></xs:sequence>"                                             \
    "<xs:attribute name='id' type='xs:integer' use='required'/></xs:complexType></xs:element>"               \
    "</xs:sequence></xs:complexType></xs:element>"

struct file {
    const char *name, *text;
};

/* Mistakes, a line each. */
static void note(void *arg, const char *name, const char *text)
{
    buf_addf(arg, "%s: %s\n", name, text);
}

/* The most that checks take, in tests that are not about it: as long as a busy machine needs. */
static int64_t cpu_ms = 60000;

static struct xsd_set *set_of(bool hide, const struct file *files, size_t count, struct buf *mistakes)
{
    struct xsd_set *set = xsd_set_new(hide, cpu_ms);
    struct fault fault = {0};
    for (size_t i = 0; i < count; i++)
        if (xsd_set_add(set, files[i].name, files[i].text, strlen(files[i].text), &fault))
            buf_addf(mistakes, "%s: %s\n", files[i].name, fault.text);
    size_t told = xsd_set_compile(set, note, mistakes);
    size_t lines = 0;
    for (const char *at = mistakes->data; (at = strchr(at, '\n')); at++)
        lines++;
    assert_true(told <= lines);
    return set;
}

/* The errors of `document` before the only schema of a set, a line each; "" where it fits. */
static const char *errors_of(bool hide, const char *schema, const char *document, size_t size)
{
    static char out[32 * 1024];
    const struct file file = {"s.xsd", schema};
    struct xsd_errors errors = {0};
    struct buf text;
    buf_init(&text, sizeof out - 1);
    struct xsd_set *set = set_of(hide, &file, 1, &text);
    assert_string_equal(text.data, "");
    const struct xsd *xsd = xsd_set_find(set, "s.xsd", NULL);
    assert_non_null(xsd);
    int result = xsd_validate(xsd, document, size, &errors);
    assert_int_equal(result, errors.count ? -1 : 0);
    for (size_t i = 0; i < errors.count; i++)
        buf_addf(&text, "%s\n", errors.items[i]);
    if (errors.more)
        buf_adds(&text, "and more\n");
    snprintf(out, sizeof out, "%s", text.data);
    xsd_errors_release(&errors);
    xsd_set_free(set);
    buf_release(&text);
    return out;
}

static void expect(bool hide, const char *schema, const char *document, const char *wanted)
{
    assert_string_equal(errors_of(hide, schema, document, strlen(document)), wanted);
}

static void what_fits_is_taken_and_what_does_not_is_told_with_its_place(void **state)
{
    static const char schema[] = SCHEMA("", ORDER);
    (void)state;
    expect(true, schema, "<order/>", "");
    expect(true, schema, "<order><item id='1'><price>1.50</price></item></order>", "");
    expect(true, schema,
           "<order><item id='1'><price>1</price></item><item id='x'><price>cheap</price></item>"
           "<item/></order>",
           "/order/item[2]/@id: the value is not a valid value of the atomic type 'xs:integer' (s.xsd)\n"
           "/order/item[2]/price: the value is not a valid value of the atomic type 'xs:decimal' (s.xsd)\n"
           "/order/item[3]: The attribute 'id' is required but missing (s.xsd)\n"
           "/order/item[3]: Missing child element(s). Expected is ( price ) (s.xsd)\n");
    expect(false, schema, "<order><item id='1'><price>cheap</price></item></order>",
           "/order/item/price: 'cheap' is not a valid value of the atomic type 'xs:decimal' (s.xsd)\n");
    expect(true, schema, "<bill/>",
           "/bill: No matching global declaration available for the validation root (s.xsd)\n");
    expect(true, schema, "<order>", "line 1: Premature end of data in tag order line 1 (s.xsd)\n");
}

static void names_are_told_without_their_namespaces(void **state)
{
    static const char schema[] = SCHEMA("targetNamespace='urn:o' elementFormDefault='qualified'",
                                        "<xs:element name='n' type='xs:int'/>");
    (void)state;
    expect(true, schema, "<n xmlns='urn:o'>5</n>", "");
    expect(true, schema, "<o:n xmlns:o='urn:o'>five</o:n>",
           "/n: the value is not a valid value of the atomic type 'xs:int' (s.xsd)\n");
}

/* Each facet, and a document whose value it refuses: "SECRET", or a number that is none else. */
static void values_are_hidden_whatever_refuses_them(void **state)
{
    static const struct {
        const char *type, *value, *secret;
    } cases[] = {
        {"<xs:restriction base='xs:string'><xs:pattern value='[0-9]+'/></xs:restriction>", "SECRET",
         "SECRET"},
        {"<xs:restriction base='xs:string'><xs:enumeration value='a'/></xs:restriction>", "SECRET", "SECRET"},
        {"<xs:restriction base='xs:string'><xs:length value='2'/></xs:restriction>", "SECRET", "SECRET"},
        {"<xs:restriction base='xs:string'><xs:minLength value='20'/></xs:restriction>", "SECRET", "SECRET"},
        {"<xs:restriction base='xs:string'><xs:maxLength value='2'/></xs:restriction>", "SECRET", "SECRET"},
        {"<xs:restriction base='xs:int'><xs:minInclusive value='5'/></xs:restriction>", "-4711", "4711"},
        {"<xs:restriction base='xs:int'><xs:maxInclusive value='5'/></xs:restriction>", "4711", "4711"},
        {"<xs:restriction base='xs:int'><xs:minExclusive value='5'/></xs:restriction>", "-4711", "4711"},
        {"<xs:restriction base='xs:int'><xs:maxExclusive value='5'/></xs:restriction>", "4711", "4711"},
        {"<xs:restriction base='xs:decimal'><xs:totalDigits value='2'/></xs:restriction>", "4711", "4711"},
        {"<xs:restriction base='xs:decimal'><xs:fractionDigits value='1'/></xs:restriction>", "1.4711",
         "4711"},
        {"<xs:list itemType='xs:int'/>", "1 SECRET", "SECRET"},
        {"<xs:union memberTypes='xs:int xs:date'/>", "SECRET", "SECRET"},
        {"<xs:restriction base='xs:int'/>", "SECRET' is not a valid value of 'SECRET", "SECRET"},
        {"<xs:restriction base='xs:NOTATION'/>", "SECRET", "SECRET"},
        {"<xs:restriction base='xs:QName'/>", "no:SECRET", "SECRET"},
        {"<xs:restriction base='xs:IDREF'/>", "9SECRET", "SECRET"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *schema = xasprintf(
            SCHEMA("", "<xs:element name='r'><xs:simpleType>%s</xs:simpleType></xs:element>"), cases[i].type);
        char *document = xasprintf("<r>%s</r>", cases[i].value);
        const char *said = errors_of(true, schema, document, strlen(document));
        assert_string_not_equal(said, "");
        if (strstr(said, cases[i].secret))
            fail_msg("%s: %s", cases[i].type, said);
        said = errors_of(false, schema, document, strlen(document));
        assert_string_not_equal(said, "");
        free(schema);
        free(document);
    }
}

static void keys_and_fixed_values_and_types_by_name_are_hidden_too(void **state)
{
    static const char schema[] = SCHEMA(
        "",
        "<xs:element name='r'><xs:complexType><xs:sequence>"
        "<xs:element name='k' type='xs:string' maxOccurs='9'/><xs:element name='f' type='xs:string' fixed='x'"
        " minOccurs='0'/><xs:element name='a' type='xs:string' minOccurs='0'/></xs:sequence></xs:complexType>"
        "<xs:unique name='u'><xs:selector xpath='k'/><xs:field xpath='.'/></xs:unique>"
        "<xs:key name='ks'><xs:selector xpath='k'/><xs:field xpath='.'/></xs:key>"
        "<xs:keyref name='kr' refer='ks'><xs:selector xpath='a'/><xs:field "
        "xpath='.'/></xs:keyref></xs:element>");
    static const char *const documents[] = {
        "<r><k>SECRET</k><k>SECRET</k></r>",
        "<r><k>1</k><f>SECRET</f></r>",
        "<r><k>1</k><a>SECRET</a></r>",
        "<r><k xsi:type='SECRET' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>1</k></r>",
        "<r>SECRET<k>1</k></r>",
    };
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        const char *said = errors_of(true, schema, documents[i], strlen(documents[i]));
        assert_string_not_equal(said, "");
        if (strstr(said, "SECRET"))
            fail_msg("%s", said);
    }
    expect(true, schema, documents[0],
           "/r/k[2]: a duplicate key-sequence in key identity-constraint 'ks' (s.xsd)\n"
           "/r/k[2]: a duplicate key-sequence in unique identity-constraint 'u' (s.xsd)\n");
}

static void not_all_mistakes_are_told(void **state)
{
    struct buf document;
    (void)state;
    buf_init(&document, 1024 * 1024);
    buf_adds(&document, "<order>");
    for (int i = 0; i < 1000; i++)
        buf_adds(&document, "<item/>");
    buf_adds(&document, "</order>");
    const char *said = errors_of(true, SCHEMA("", ORDER), document.data, document.len);
    assert_non_null(strstr(said, "/order/item[10]: "));
    assert_null(strstr(said, "/order/item[11]: "));
    assert_non_null(strstr(said, "\nand more\n"));
    buf_release(&document);
}

/* --- schemas --- */

static void expect_mistakes(const struct file *files, size_t count, const char *wanted)
{
    struct buf text;
    buf_init(&text, 16 * 1024);
    struct xsd_set *set = set_of(true, files, count, &text);
    assert_string_equal(text.data, wanted);
    xsd_set_free(set);
    buf_release(&text);
}

static void expect_mistake(const char *schema, const char *wanted)
{
    const struct file file = {"s.xsd", schema};
    expect_mistakes(&file, 1, wanted);
}

static void a_mistake_in_a_schema_is_told_with_its_line(void **state)
{
    (void)state;
    expect_mistake("<a/>", "s.xsd: this is no XML Schema: its root is not 'schema' of "
                           "http://www.w3.org/2001/XMLSchema\n");
    expect_mistake("{}", "s.xsd: this is no XML: it does not begin with '<'\n");
    expect_mistake(SCHEMA("", "\n\n<xs:element name='a' type='xs:nubmer'/>"),
                   "s.xsd: line 3: element decl. 'a', attribute 'type': The QName value 'xs:nubmer' does "
                   "not resolve to a(n) type definition\n");
    expect_mistake(SCHEMA("",
                          "<xs:element name='a'><xs:complexType><xs:sequence>\n<xs:element name='b' "
                          "type='xs:int' maxOccurs='10001'/></xs:sequence></xs:complexType></xs:element>"),
                   "s.xsd: line 2: maxOccurs: more than 10000 is not taken but \"unbounded\"\n");
    expect_mistake(SCHEMA("", "<xs:element name='a'><xs:complexType><xs:sequence><xs:element name='b' "
                              "maxOccurs=' 10001 '/></xs:sequence></xs:complexType></xs:element>"),
                   "s.xsd: line 1: maxOccurs: more than 10000 is not taken but \"unbounded\"\n");
}

static void documents_of_a_set_lead_to_each_other(void **state)
{
    static const struct file files[] = {
        {"order.xsd",
         SCHEMA("", "<xs:include schemaLocation='types.xsd'/>"
                    "<xs:import namespace='urn:p' schemaLocation='party.xsd'/>"
                    "<xs:element name='order'><xs:complexType><xs:sequence>"
                    "<xs:element name='price' type='money'/>"
                    "<xs:element ref='p:party' xmlns:p='urn:p'/></xs:sequence></xs:complexType></xs:element>"
                    "<xs:simpleType name='amount'><xs:restriction base='xs:decimal'/></xs:simpleType>")},
        /* It needs what only order.xsd brings along, so it does not stand alone, and need not. */
        {"types.xsd", SCHEMA("", "<xs:simpleType name='money'><xs:restriction base='amount'>"
                                 "<xs:minInclusive value='0'/></xs:restriction></xs:simpleType>")},
        {"party.xsd", SCHEMA("targetNamespace='urn:p'", "<xs:element name='party' type='xs:NCName'/>")},
    };
    static const char good[] = "<order><price>1</price><p:party xmlns:p='urn:p'>a</p:party></order>",
                      bad[] = "<order><price>-1</price><p:party xmlns:p='urn:p'>a b</p:party></order>";
    struct buf text;
    struct xsd_errors errors = {0};
    const char *why;
    (void)state;
    buf_init(&text, 16 * 1024);
    struct xsd_set *set = set_of(true, files, 3, &text);
    assert_string_equal(text.data, "");
    const struct xsd *xsd = xsd_set_find(set, "order.xsd", &why);
    assert_non_null(xsd);
    assert_int_equal(xsd_validate(xsd, good, strlen(good), &errors), 0);
    assert_int_equal(xsd_validate(xsd, bad, strlen(bad), &errors), -1);
    assert_int_equal(errors.count, 2);
    assert_non_null(strstr(errors.items[0], "/order/price: [facet 'minInclusive'] the value is less than"));
    assert_non_null(strstr(errors.items[1], "/order/party: the value is not a valid value of"));
    xsd_errors_release(&errors);
    assert_null(xsd_set_find(set, "types.xsd", &why));
    assert_non_null(strstr(why, "'amount' does not resolve"));
    assert_non_null(xsd_set_find(set, "party.xsd", &why));
    assert_null(xsd_set_find(set, "none.xsd", &why));
    assert_string_equal(why, "");
    xsd_set_free(set);
    buf_release(&text);
}

static void a_mistake_of_an_included_document_is_told_once_in_circles_too(void **state)
{
    static const struct file once[] = {
        {"a.xsd", SCHEMA("", "<xs:include schemaLocation='b.xsd'/>")},
        {"b.xsd", SCHEMA("", "<xs:element name='b' type='none'/>")},
    };
    static const struct file circle[] = {
        {"a.xsd", SCHEMA("", "<xs:include schemaLocation='b.xsd'/>")},
        {"b.xsd", SCHEMA("", "<xs:include schemaLocation='a.xsd'/><xs:element name='b' type='none'/>")},
    };
    static const struct file good[] = {
        {"a.xsd", SCHEMA("", "<xs:include schemaLocation='b.xsd'/>"
                             "<xs:element name='a' type='t'/>")},
        {"b.xsd", SCHEMA("", "<xs:include schemaLocation='a.xsd'/>"
                             "<xs:simpleType name='t'><xs:restriction base='xs:int'/></xs:simpleType>")},
    };
    (void)state;
    expect_mistakes(once, 2,
                    "a.xsd: b.xsd, line 1: element decl. 'b', attribute 'type': The QName value 'none' does "
                    "not resolve to a(n) type definition\n");
    expect_mistakes(circle, 2,
                    "a.xsd: b.xsd, line 1: element decl. 'b', attribute 'type': The QName value 'none' does "
                    "not resolve to a(n) type definition\n");
    expect_mistakes(good, 2, "");
}

/* --- attacks --- */

/* A schema that lies beside this process, and says yes to everything. */
static char *tempting_file(void)
{
    static const char text[] = SCHEMA("", "<xs:element name='evil' type='xs:string'/>");
    const char *folder = getenv("TMPDIR");
    char *path = xasprintf("%s/xsd-test.XXXXXX", folder ? folder : "/tmp");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    return path;
}

static void a_schema_leads_to_no_file_and_no_network(void **state)
{
    static const char *const elements[] = {"include", "import", "redefine"};
    static const char *const prefixes[] = {"", "file://", "http://127.0.0.1:1", "ftp://127.0.0.1:1"};
    char *path = tempting_file();
    (void)state;
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++) {
        for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++) {
            char *schema =
                xasprintf(SCHEMA("", "\n<xs:%s schemaLocation='%s%s'/>"), elements[i], prefixes[k], path);
            char *wanted = xasprintf("s.xsd: line 2: schemaLocation \"%s%s\" is none of the XML Schemas at "
                                     "hand; nothing is fetched\n",
                                     prefixes[k], path);
            expect_mistake(schema, wanted);
            free(wanted);
            free(schema);
        }
    }
    unlink(path);
    free(path);
}

/* xml:base moves what relative references start at, and names of the set must not become others by it. */
static void a_base_that_a_schema_gives_leads_nowhere(void **state)
{
    char *path = tempting_file(), *name = strrchr(path, '/') + 1;
    char *folder = xasprintf("%.*s", (int)(name - path), path);
    char *schema = xasprintf(SCHEMA("xml:base='%s'", "<xs:include schemaLocation='%s'/>"
                                                     "<xs:element name='a' type='xs:int'/>"),
                             folder, name);
    const struct file files[] = {{"s.xsd", schema},
                                 {name, SCHEMA("", "<xs:element name='b' type='xs:int'/>")}};
    struct buf text;
    (void)state;
    buf_init(&text, 16 * 1024);
    struct xsd_set *set = set_of(true, files, 2, &text);
    assert_non_null(strstr(text.data, "s.xsd: "));
    assert_null(xsd_set_find(set, "s.xsd", NULL));
    xsd_set_free(set);
    buf_release(&text);
    unlink(path);
    free(schema);
    free(folder);
    free(path);
}

static void a_document_brings_no_schema_along(void **state)
{
    char *path = tempting_file();
    char *document = xasprintf("<evil xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
                               "xsi:noNamespaceSchemaLocation='file://%s'>x</evil>",
                               path);
    (void)state;
    expect(true, SCHEMA("", ORDER), document,
           "/evil: No matching global declaration available for the validation root (s.xsd)\n");
    unlink(path);
    free(document);
    free(path);
}

static void entities_and_document_types_are_refused(void **state)
{
    static const char *const types[] = {
        "<!DOCTYPE order SYSTEM 'file:///etc/passwd'>",
        "<!DOCTYPE order [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>",
        "<!DOCTYPE order [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>",
    };
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char *document = xasprintf("%s<order/>", types[i]);
        char *schema = xasprintf("%s" SCHEMA("", ORDER), types[i]);
        expect(true, SCHEMA("", ORDER), document, "line 1: a DOCTYPE is not taken (s.xsd)\n");
        expect_mistake(schema, "s.xsd: line 1: a DOCTYPE is not taken\n");
        free(schema);
        free(document);
    }
}

/* `count` times `text`, between `begin` and `end`. */
static struct buf many(const char *begin, const char *text, int count, const char *end)
{
    struct buf out;
    buf_init(&out, 64 * 1024 * 1024);
    buf_adds(&out, begin);
    for (int i = 0; i < count; i++)
        buf_adds(&out, text);
    buf_adds(&out, end);
    return out;
}

static void depth_and_size_have_ceilings(void **state)
{
    static const char schema[] = SCHEMA("", "<xs:element name='a' type='xs:anyType'/>");
    struct buf deep = many("", "<a>", XSD_DEPTH_MAX + 1, ""),
               wide = many("<a>", "<a/>", XSD_NODES_MAX, "</a>");
    (void)state;
    assert_string_equal(errors_of(true, schema, deep.data, deep.len),
                        "line 1: elements are nested too deeply (s.xsd)\n");
    assert_string_equal(errors_of(true, schema, wide.data, wide.len),
                        "line 1: more elements and attributes than are taken (s.xsd)\n");
    buf_release(&deep);
    buf_release(&wide);
}

/* What doubles with each letter would never end. */
static void patterns_end(void **state)
{
    static const char schema[] = SCHEMA("", "<xs:element name='a'><xs:simpleType><xs:restriction "
                                            "base='xs:string'><xs:pattern value='((a|a)*b?)*c'/>"
                                            "</xs:restriction></xs:simpleType></xs:element>");
    struct buf shorter = many("<a>", "a", 9000, "</a>"), longer = many("<a>", "a", 10001, "</a>");
    int64_t begin_ms = clock_mono_ms();
    (void)state;
    assert_non_null(strstr(errors_of(true, schema, shorter.data, shorter.len), "/a: "));
    assert_true(clock_mono_ms() - begin_ms < 60000);
    assert_string_equal(errors_of(true, schema, longer.data, longer.len),
                        "line 1: a text of more than 10000 bytes is not matched with patterns (s.xsd)\n");
    buf_release(&shorter);
    buf_release(&longer);
}

/* libxml2 tries each way through counts within counts: minutes, where nothing looks at the time. */
static void a_check_has_a_time(void **state)
{
    static const char schema[] =
        SCHEMA("", "<xs:element name='r'><xs:complexType><xs:sequence><xs:sequence minOccurs='0' "
                   "maxOccurs='unbounded'><xs:sequence minOccurs='0' maxOccurs='100'><xs:element name='k' "
                   "minOccurs='0' maxOccurs='100'/></xs:sequence></xs:sequence><xs:element name='y'/>"
                   "</xs:sequence></xs:complexType></xs:element>");
    struct buf document = many("<r>", "<k/>", 200000, "<y/></r>");
    int64_t begin_ms = clock_mono_ms();
    (void)state;
    cpu_ms = 100;
    assert_string_equal(errors_of(true, schema, document.data, document.len),
                        "line 1: the check takes more than 100 ms (s.xsd)\n");
    cpu_ms = 60000;
    assert_true(clock_mono_ms() - begin_ms < 60000);
    buf_release(&document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_taken_and_what_does_not_is_told_with_its_place),
        cmocka_unit_test(names_are_told_without_their_namespaces),
        cmocka_unit_test(values_are_hidden_whatever_refuses_them),
        cmocka_unit_test(keys_and_fixed_values_and_types_by_name_are_hidden_too),
        cmocka_unit_test(not_all_mistakes_are_told),
        cmocka_unit_test(a_mistake_in_a_schema_is_told_with_its_line),
        cmocka_unit_test(documents_of_a_set_lead_to_each_other),
        cmocka_unit_test(a_mistake_of_an_included_document_is_told_once_in_circles_too),
        cmocka_unit_test(a_schema_leads_to_no_file_and_no_network),
        cmocka_unit_test(a_base_that_a_schema_gives_leads_nowhere),
        cmocka_unit_test(a_document_brings_no_schema_along),
        cmocka_unit_test(entities_and_document_types_are_refused),
        cmocka_unit_test(depth_and_size_have_ceilings),
        cmocka_unit_test(patterns_end),
        cmocka_unit_test(a_check_has_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
