/*
 * JSON Schema: what the official suite (test_model_schema_suite.c) does not ask: texts and places of errors,
 * faults of schemas, documents that are handed over, regular expressions, exact numbers, and the limits
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "schema.h"
#include "xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define DRAFT_07 "'$schema':'http://json-schema.org/draft-07/schema#'"

/* JSON with ' for ". */
static json_t *json(const char *text)
{
    char *quoted = xstrdup(text);
    json_error_t error;
    for (char *c = quoted; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *value = json_loads(quoted, JSON_DECODE_ANY, &error);
    if (!value)
        fail_msg("%s: %s", quoted, error.text);
    free(quoted);
    return value;
}

static struct schema *compiled(json_t *document, const struct schema_options *options)
{
    struct fault fault = {0};
    struct schema *schema = schema_compile(document, options, &fault);
    if (!schema)
        fail_msg("%s", fault.text);
    json_decref(document);
    return schema;
}

/* The errors, a line each; "" where it fits. The caller frees. */
static char *errors_of(const struct schema *schema, const json_t *instance, struct schema_errors *errors)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    int result = schema_validate(schema, instance, errors);
    for (size_t i = 0; i < errors->count; i++) {
        buf_adds(&text, i ? "\n" : "");
        assert_int_equal(schema_error_write(&errors->items[i], &text), 0);
    }
    assert_int_equal(result, errors->count ? -1 : 0);
    return buf_steal(&text, NULL);
}

static void check_text(const struct schema *schema, json_t *instance, const char *wanted)
{
    struct schema_errors errors = {0};
    char *text = errors_of(schema, instance, &errors);
    assert_string_equal(text, wanted);
    assert_int_equal(schema_validate(schema, instance, NULL), *wanted ? -1 : 0);
    free(text);
    schema_errors_release(&errors);
    json_decref(instance);
}

static bool fits(const struct schema *schema, json_t *instance)
{
    struct schema_errors errors = {0};
    char *text = errors_of(schema, instance, &errors);
    bool result = *text == '\0';
    if (errors.stopped)
        fail_msg("%s", text);
    free(text);
    schema_errors_release(&errors);
    json_decref(instance);
    return result;
}

static void each_mistake_is_told_with_both_places(void **state)
{
    static const struct {
        const char *schema, *instance, *errors;
    } cases[] = {
        {"{'type':'number'}", "'abc'", "is \"abc\", a number is wanted (#/type)"},
        {"{'type':['integer','null','string']}", "1.5",
         "is 1.5, null, an integer or a string is wanted (#/type)"},
        {"{'type':['number','integer']}", "null", "is null, an integer or a number is wanted (#/type)"},
        {"{'properties':{'items':{'items':{'properties':{'price':{'type':'number'}}}}}}",
         "{'items':[{'price':1},{},{'price':'x'}]}",
         "/items/2/price: is \"x\", a number is wanted (#/properties/items/items/properties/price/type)"},
        {"{'properties':{'a/b~c':{'type':'string'}}}", "{'a/b~c':1}",
         "/a~1b~0c: is 1, a string is wanted (#/properties/a~1b~0c/type)"},
        {"{'properties':{'a\\nb':{'enum':['c\\u0007']}}}", "{'a\\nb':'\\u001b[31m'}",
         "/a?b: is \"\\u001b[31m\", \"c\\u0007\" is wanted (#/properties/a?b/enum)"},
        {"{'const':5}", "5.5", "is 5.5, 5 is wanted (#/const)"},
        {"{'const':{'a':1}}", "[1]",
         "is an array of 1 element, an object of 1 member as the schema has it is wanted (#/const)"},
        {"{'enum':['a',1,null]}", "true", "is true, one of \"a\", 1, null is wanted (#/enum)"},
        {"{'enum':['a']}", "{}", "is an object of 0 members, \"a\" is wanted (#/enum)"},
        {"{'multipleOf':0.01}", "0.015", "is 0.015, a multiple of 0.01 is wanted (#/multipleOf)"},
        {"{'maximum':10}", "11", "is 11, at most 10 is wanted (#/maximum)"},
        {"{'exclusiveMaximum':10}", "10.0", "is 10.0, less than 10 is wanted (#/exclusiveMaximum)"},
        {"{'minimum':10}", "-1", "is -1, at least 10 is wanted (#/minimum)"},
        {"{'exclusiveMinimum':0.5}", "0.5", "is 0.5, more than 0.5 is wanted (#/exclusiveMinimum)"},
        {"{'maxLength':2}", "'\u00e9\u00e9\u00e9'", "has 3 characters, at most 2 are wanted (#/maxLength)"},
        {"{'minLength':1}", "''", "has 0 characters, at least 1 is wanted (#/minLength)"},
        {"{'pattern':'^x'}", "'abc'", "is \"abc\", a match of \"^x\" is wanted (#/pattern)"},
        {"{'maxItems':1}", "[1,2]", "has 2 elements, at most 1 is wanted (#/maxItems)"},
        {"{'minItems':2}", "[1]", "has 1 element, at least 2 are wanted (#/minItems)"},
        {"{'uniqueItems':true}", "[1,2,1.0]",
         "the elements 0 and 2 are equal, different ones are wanted (#/uniqueItems)"},
        {"{'contains':{'type':'null'}}", "[1]", "has 0 fitting elements, at least 1 is wanted (#/contains)"},
        {"{'contains':{'type':'null'},'minContains':2}", "[1,null]",
         "has 1 fitting element, at least 2 are wanted (#/minContains)"},
        {"{'contains':true,'maxContains':1}", "[1,2,3]", "has more than 1 fitting element (#/maxContains)"},
        {"{'maxProperties':0}", "{'a':1}", "has 1 member, at most 0 are wanted (#/maxProperties)"},
        {"{'minProperties':1}", "{}", "has 0 members, at least 1 is wanted (#/minProperties)"},
        {"{'required':['a','b','c']}", "{'b':1}",
         "the member \"a\" is missing (#/required)\nthe member \"c\" is missing (#/required)"},
        {"{'dependentRequired':{'a':['b']}}", "{'a':1}",
         "the member \"b\" is missing, which \"a\" asks for (#/dependentRequired)"},
        {"{'propertyNames':{'maxLength':1}}", "{'ab':1,'c':2}",
         "/ab: the name has 2 characters, at most 1 is wanted (#/propertyNames/maxLength)"},
        {"{'propertyNames':{'pattern':'^c'}}", "{'ab':1}",
         "/ab: the name is \"ab\", a match of \"^c\" is wanted (#/propertyNames/pattern)"},
        {"{'properties':{'a':true},'additionalProperties':false}", "{'a':1,'b':2}",
         "/b: a member \"b\" is not wanted (#/additionalProperties)"},
        {"{'prefixItems':[true],'items':false}", "[1,2]",
         "/1: an element at this index is not wanted (#/items)"},
        {"false", "1", "no value is wanted (#)"},
        {"{'not':{'type':'null'}}", "null", "fits what it must not fit (#/not)"},
        {"{'if':{'type':'number'},'then':{'minimum':1},'else':{'maxLength':1}}", "0",
         "is 0, at least 1 is wanted (#/then/minimum)"},
        {"{'if':{'type':'number'},'then':{'minimum':1},'else':{'maxLength':1}}", "'ab'",
         "has 2 characters, at most 1 is wanted (#/else/maxLength)"},
        {"{'allOf':[{'minimum':3},{'multipleOf':2}]}", "1",
         "is 1, at least 3 is wanted (#/allOf/0/minimum)\nis 1, a multiple of 2 is wanted "
         "(#/allOf/1/multipleOf)"},
        {"{'oneOf':[{'minimum':3},{'maximum':5},true]}", "4",
         "fits two alternatives, 1 and 2: one is wanted (#/oneOf)"},
        {"{'properties':{'a':true},'unevaluatedProperties':false}", "{'a':1,'b':2}",
         "/b: a member \"b\" is not wanted (#/unevaluatedProperties)"},
        {"{'$defs':{'n':{'type':'number'}},'items':{'$ref':'#/$defs/n'}}", "['']",
         "/0: is \"\", a number is wanted (#/$defs/n/type)"},
        {"{'$id':'http://example.com/a.json','type':'null'}", "1", "is 1, null is wanted (#/type)"},
        {"{" DRAFT_07 ",'items':[true,true],'additionalItems':{'type':'null'}}", "[1,2,3]",
         "/2: is 3, null is wanted (#/additionalItems/type)"},
        {"{'dependencies':{'a':['b'],'c':{'required':['d']}}}", "{'a':1,'c':1}",
         "the member \"b\" is missing, which \"a\" asks for (#/dependencies)\n"
         "the member \"d\" is missing (#/dependencies/c/required)"},
        {"{" DRAFT_07 ",'dependencies':{'a':['b'],'c':{'required':['d']}}}", "{'a':1,'c':1}",
         "the member \"b\" is missing, which \"a\" asks for (#/dependencies)\n"
         "the member \"d\" is missing (#/dependencies/c/required)"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct schema *schema = compiled(json(cases[i].schema), NULL);
        check_text(schema, json(cases[i].instance), cases[i].errors);
        schema_free(schema);
    }
}

static void the_nearest_alternative_tells_its_errors(void **state)
{
    static const struct {
        const char *schema, *instance, *errors;
    } cases[] = {
        /* by its type, */
        {"{'anyOf':[{'type':'null'},{'type':'object','required':['id']}]}", "{}",
         "fits none of 2 alternatives; the nearest is number 2 (#/anyOf)\n"
         "the member \"id\" is missing (#/anyOf/1/required)"},
        /* by its tag, */
        {"{'oneOf':[{'properties':{'kind':{'const':'a'},'n':{'type':'null'}}},"
         "{'properties':{'kind':{'const':'b'},'n':{'minimum':1}}}]}",
         "{'kind':'b','n':0}",
         "fits none of 2 alternatives; the nearest is number 2 (#/oneOf)\n"
         "/n: is 0, at least 1 is wanted (#/oneOf/1/properties/n/minimum)"},
        /* by what is within it, */
        {"{'anyOf':[{'minimum':9,'not':true},{'anyOf':[{'items':{'type':'null'}},{'type':'string'}]}]}",
         "[1]",
         "fits none of 2 alternatives; the nearest is number 2 (#/anyOf)\n"
         "fits none of 2 alternatives (#/anyOf/1/anyOf)"},
        /* not at all, */
        {"{'anyOf':[{'type':'null'},{'type':'string'}]}", "1", "fits none of 2 alternatives (#/anyOf)"},
        {"{'anyOf':[{'minimum':3},{'maximum':1}]}", "2", "fits none of 2 alternatives (#/anyOf)"},
        /* or as the only one. */
        {"{'anyOf':[{'type':'null'}]}", "1", "is 1, null is wanted (#/anyOf/0/type)"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct schema *schema = compiled(json(cases[i].schema), NULL);
        check_text(schema, json(cases[i].instance), cases[i].errors);
        schema_free(schema);
    }
}

static void values_are_not_told_where_they_are_hidden(void **state)
{
    const struct schema_options options = {.hide_values = true};
    struct schema *schema = compiled(json("{'items':{'enum':['a','b']}}"), &options);
    (void)state;
    check_text(schema, json("['secret',4711,true,1.5,null]"),
               "/0: is a string, one of \"a\", \"b\" is wanted (#/items/enum)\n"
               "/1: is an integer, one of \"a\", \"b\" is wanted (#/items/enum)\n"
               "/2: is a boolean, one of \"a\", \"b\" is wanted (#/items/enum)\n"
               "/3: is a number, one of \"a\", \"b\" is wanted (#/items/enum)\n"
               "/4: is null, one of \"a\", \"b\" is wanted (#/items/enum)");
    schema_free(schema);
}

static void long_values_and_keys_are_cut_in_errors(void **state)
{
    struct schema *schema = compiled(json("{'additionalProperties':{'type':'null'}}"), NULL);
    struct schema_errors errors = {0};
    char *name = xasprintf("%0300d", 0), *value = xasprintf("%0300d\xc3\xa9", 0);
    json_t *instance = json_pack("{s:s}", name, value);
    (void)state;
    assert_int_equal(schema_validate(schema, instance, &errors), -1);
    assert_int_equal(errors.count, 1);
    assert_int_equal(strlen(errors.items[0].instance), 1 + 100 + 3);
    assert_string_equal(
        errors.items[0].text,
        "is \"000000000000000000000000000000000000000000000000000000000000\"..., null is wanted");
    free(name);
    free(value);
    json_decref(instance);
    schema_errors_release(&errors);
    schema_free(schema);
}

static void errors_are_counted_up_to_the_ceiling(void **state)
{
    const struct schema_options options = {.max_errors = 3};
    struct schema *schema = compiled(json("{'items':{'type':'null'}}"), &options);
    struct schema_errors errors = {0};
    struct fault fault = {0};
    json_t *two = json("[1,null,2]"), *many = json("[1,2,3,4,5]"), *none = json("[null]");
    (void)state;
    assert_int_equal(schema_validate(schema, two, &errors), -1);
    assert_int_equal(errors.count, 2);
    assert_false(errors.more);
    assert_int_equal(schema_errors_fault(&errors, &fault), -1);
    assert_string_equal(fault.text, "2 mistakes, the first: /0: is 1, null is wanted (#/items/type)");
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_int_equal(schema_validate(schema, many, &errors), -1);
    assert_int_equal(errors.count, 3);
    assert_true(errors.more);
    assert_false(errors.stopped);
    schema_errors_fault(&errors, &fault);
    assert_string_equal(fault.text,
                        "at least 3 mistakes, the first: /0: is 1, null is wanted (#/items/type)");
    /* What stood there is gone. */
    assert_int_equal(schema_validate(schema, none, &errors), 0);
    assert_int_equal(errors.count, 0);
    assert_false(errors.more);
    json_decref(two);
    json_decref(many);
    json_decref(none);
    schema_free(schema);
}

static void a_wrong_schema_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *schema, *fault;
    } cases[] = {
        {"3", "a schema is wanted (an object, true or false), not 3"},
        {"{'properties':{'a':{'items':'x'}}}",
         "/properties/a/items: a schema is wanted (an object, true or false), not \"x\""},
        {"{'properties':[]}", "/properties: an object of schemas is wanted, not an array of 0 elements"},
        {"{'type':'text'}", "/type: \"text\" is no type"},
        {"{'properties':{'price':{'type':'nubmer'}}}",
         "/properties/price/type: \"nubmer\" is no type; did you mean 'number'?"},
        {"{'type':3}", "/type: the name of a type, or an array of such names, is wanted, not 3"},
        {"{'type':[]}", "/type: a type at least is wanted, not an array of 0 elements"},
        {"{'enum':'a'}", "/enum: an array is wanted, not \"a\""},
        {"{'multipleOf':0}", "/multipleOf: a number greater than 0 is wanted, not 0"},
        {"{'maximum':'1'}", "/maximum: a number is wanted, not \"1\""},
        {"{'minLength':-1}", "/minLength: a whole number of 0 or more is wanted, not -1"},
        {"{'maxItems':1.5}", "/maxItems: a whole number of 0 or more is wanted, not 1.5"},
        {"{'uniqueItems':1}", "/uniqueItems: true or false is wanted, not 1"},
        {"{'required':'a'}", "/required: an array of names is wanted, not \"a\""},
        {"{'required':['a',1]}", "/required: a name is wanted, not 1"},
        {"{'dependentRequired':{'a':'b'}}", "/dependentRequired: an array of names is wanted, not \"b\""},
        {"{'allOf':[]}", "/allOf: an array of one schema or more is wanted, not an array of 0 elements"},
        {"{'allOf':{}}", "/allOf: an array of one schema or more is wanted, not an object of 0 members"},
        {"{'allOf':[true,{'not':1}]}", "/allOf/1/not: a schema is wanted (an object, true or false), not 1"},
        {"{'items':[true]}",
         "/items: a schema is wanted (an object, true or false), not an array of 1 element"},
        {"{'pattern':1}", "/pattern: a regular expression is wanted, not 1"},
        {"{'pattern':'a('}", "/pattern: the pattern \"a(\" cannot be read: missing closing parenthesis"},
        {"{'patternProperties':{'[':true}}",
         "/patternProperties: the pattern \"[\" cannot be read: missing terminating ] for character class"},
        {"{'$ref':1}", "/$ref: a reference is wanted, not 1"},
        {"{'$ref':'#/$defs/a'}", "/$ref: it leads to \"#/$defs/a\", where nothing is"},
        {"{'$ref':'#a'}", "/$ref: it leads to \"#a\", where nothing is"},
        {"{'$ref':'#/enum/01','enum':[1,{}]}", "/$ref: it leads to \"#/enum/01\", where nothing is"},
        {"{'$ref':'#/enum/0','enum':[1]}", "/enum/0: a schema is wanted (an object, true or false), not 1"},
        {"{'$ref':'other.json'}", "/$ref: no schema is known as \"other.json\""},
        {"{'$id':'http://a/b/c','$ref':'../d#x'}", "/$ref: no schema is known as \"http://a/d\""},
        {"{'$ref':'file:///etc/passwd'}", "/$ref: no schema is known as \"file:///etc/passwd\""},
        {"{'$id':1}", "/$id: a string is wanted"},
        {"{'$id':'a#b'}", "/$id: a URI without a fragment is wanted; \"$anchor\" sets one"},
        {"{'$defs':{'a':{'$anchor':'x'},'b':{'$anchor':'x'}}}",
         "/$defs/b/$anchor: \"x\" names another schema at '#/$defs/a' already"},
        {"{'$defs':{'a':{'$id':'x'},'b':{'$id':'x'}}}",
         "/$defs/b/$id: \"x\" is the name of another schema at '#/$defs/a' already"},
        {"{'$schema':'http://json-schema.org/draft-04/schema#'}",
         "/$schema: draft 2020-12 or draft-07 is wanted, \"http://json-schema.org/draft-04/schema#\" is "
         "neither of them"},
        {"{'$schema':'http://example.com/mine'}",
         "/$schema: no meta-schema is known as \"http://example.com/mine\""},
        {"{" DRAFT_07 ",'dependencies':{'a':3}}",
         "/dependencies/a: a schema is wanted (an object, true or false), not 3"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        json_t *document = json(cases[i].schema);
        struct schema *schema = schema_compile(document, NULL, &fault);
        if (schema)
            fail_msg("%s: taken", cases[i].schema);
        assert_string_equal(fault.text, cases[i].fault);
        assert_int_equal(fault.class, FAULT_INPUT);
        /* Nobody has to want the fault. */
        assert_null(schema_compile(document, NULL, NULL));
        json_decref(document);
    }
}

/* --- documents --- */

static void references_lead_into_documents_that_are_handed_over(void **state)
{
    json_t *price = json("{'type':'number','$defs':{'tax':{'$anchor':'tax','maximum':1}}}"),
           *nested = json("{'$id':'http://other/root','$defs':{'in':{'$id':'inner','type':'null'}}}");
    const struct schema_document documents[] = {{"http://example.com/lib/price.json", price}, {NULL, nested}};
    const struct schema_options options = {
        .uri = "http://example.com/main.json#", .documents = documents, .document_count = 2};
    struct schema *schema =
        compiled(json("{'properties':{'a':{'$ref':'lib/price.json'},'b':{'$ref':'./x/../lib/price.json#tax'},"
                      "'c':{'$ref':'http://other/inner'}}}"),
                 &options);
    (void)state;
    json_decref(price);
    json_decref(nested);
    check_text(schema, json("{'a':'','b':2,'c':1}"),
               "/a: is \"\", a number is wanted (http://example.com/lib/price.json#/type)\n"
               "/b: is 2, at most 1 is wanted (http://example.com/lib/price.json#/$defs/tax/maximum)\n"
               "/c: is 1, null is wanted (http://other/root#/$defs/in/type)");
    schema_free(schema);
}

static void a_fault_of_another_document_names_it(void **state)
{
    json_t *bad = json("{'$defs':{'a':{'type':'numbr'}}}"), *good = json("{'type':'null'}");
    const struct schema_document documents[] = {{"http://a/bad.json", bad}, {"http://a/good.json", good}};
    const struct schema_document nameless[] = {{NULL, good}};
    struct schema_options options = {.documents = documents, .document_count = 2};
    json_t *refers = json("{'$ref':'http://a/bad.json'}");
    struct fault fault = {0};
    (void)state;
    assert_null(schema_compile(refers, &options, &fault));
    assert_string_equal(fault.text,
                        "http://a/bad.json#/$defs/a/type: \"numbr\" is no type; did you mean 'number'?");
    /* One that nothing leads to is not read. */
    schema_free(compiled(json("{'$ref':'http://a/good.json'}"), &options));
    options.documents = nameless;
    options.document_count = 1;
    assert_null(schema_compile(refers, &options, &fault));
    assert_string_equal(fault.text, "document 1 has neither a URI nor an \"$id\"");
    json_decref(refers);
    json_decref(bad);
    json_decref(good);
}

static void a_schema_that_is_handed_over_to_itself_is_the_first_one(void **state)
{
    json_t *document =
        json("{'$id':'http://a/b','$defs':{'x':{'$id':'c','type':'null'}},'items':{'$ref':'http://a/c'},"
             "'additionalProperties':{'$ref':'file:///b'}}");
    const struct schema_document documents[] = {{"http://a/b", document}, {"file:///b", document}};
    const struct schema_options options = {.documents = documents, .document_count = 2};
    struct schema *schema = compiled(document, &options);
    (void)state;
    check_text(schema, json("{'a':[1]}"), "/a/0: is 1, null is wanted (#/$defs/x/type)");
    schema_free(schema);
}

/* The examples of RFC 3986 section 5.4, and some of bases without a path or a hierarchy. */
static void references_are_resolved_as_rfc_3986_says(void **state)
{
    static const char base[] = "http://a/b/c/d;p?q";
    static const struct {
        const char *base, *reference, *uri;
    } cases[] = {
        {base, "g:h", "g:h"},
        {base, "g", "http://a/b/c/g"},
        {base, "./g", "http://a/b/c/g"},
        {base, "g/", "http://a/b/c/g/"},
        {base, "/g", "http://a/g"},
        {base, "//g", "http://g"},
        {base, "?y", "http://a/b/c/d;p?y"},
        {base, "g?y", "http://a/b/c/g?y"},
        {base, "g?y#s", "http://a/b/c/g?y"},
        {base, ";x", "http://a/b/c/;x"},
        {base, ".", "http://a/b/c/"},
        {base, "./", "http://a/b/c/"},
        {base, "..", "http://a/b/"},
        {base, "../", "http://a/b/"},
        {base, "../g", "http://a/b/g"},
        {base, "../..", "http://a/"},
        {base, "../../", "http://a/"},
        {base, "../../g", "http://a/g"},
        {base, "../../../g", "http://a/g"},
        {base, "../../../../g", "http://a/g"},
        {base, "/./g", "http://a/g"},
        {base, "/../g", "http://a/g"},
        {base, "g.", "http://a/b/c/g."},
        {base, ".g", "http://a/b/c/.g"},
        {base, "..g", "http://a/b/c/..g"},
        {base, "./../g", "http://a/b/g"},
        {base, "./g/.", "http://a/b/c/g/"},
        {base, "g/./h", "http://a/b/c/g/h"},
        {base, "g/../h", "http://a/b/c/h"},
        {base, "g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {base, "g;x=1/../y", "http://a/b/c/y"},
        {base, "g?y/../x", "http://a/b/c/g?y/../x"},
        {base, "http:g", "http:g"},
        {"http://a", "b", "http://a/b"},
        {"urn:x:y", "urn:x:./z", "urn:x:./z"},
        {"x.json", "y.json", "y.json"},
        {"x.json", "./y.json", "y.json"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        json_t *document = json_pack("{s:s,s:s}", "$id", cases[i].base, "$ref", cases[i].reference);
        char *wanted = xasprintf("/$ref: no schema is known as \"%s\"", cases[i].uri);
        assert_null(schema_compile(document, NULL, &fault));
        assert_string_equal(fault.text, wanted);
        free(wanted);
        json_decref(document);
    }
}

static void vocabularies_decide_which_keywords_count(void **state)
{
    json_t *annotations = json(
               "{'$id':'http://m/1','$schema':'https://json-schema.org/draft/2020-12/schema','$vocabulary':"
               "{'https://json-schema.org/draft/2020-12/vocab/core':true,"
               "'https://json-schema.org/draft/2020-12/vocab/applicator':true,'http://m/own':false}}"),
           *asserts = json("{'$id':'http://m/2','$vocabulary':{'https://json-schema.org/draft/2020-12/vocab/"
                           "format-assertion':true}}"),
           *old = json("{'$id':'http://m/3'," DRAFT_07 "}");
    const struct schema_document documents[] = {{NULL, annotations}, {NULL, asserts}, {NULL, old}};
    const struct schema_options options = {.documents = documents, .document_count = 3};
    struct schema *schema =
        compiled(json("{'$schema':'http://m/1','items':{'type':'null','not':{}}}"), &options);
    json_t *formats = json("{'$schema':'http://m/2'}");
    struct fault fault = {0};
    (void)state;
    check_text(schema, json("[1]"), "/0: fits what it must not fit (#/items/not)");
    schema_free(schema);
    assert_null(schema_compile(formats, &options, &fault));
    assert_string_equal(fault.text,
                        "/$schema: it requires the vocabulary "
                        "'https://json-schema.org/draft/2020-12/vocab/format-assertion', which is not known");
    schema = compiled(json("{'$schema':'http://m/3#','items':[{'type':'null'}]}"), &options);
    check_text(schema, json("[1]"), "/0: is 1, null is wanted (#/items/0/type)");
    schema_free(schema);
    json_decref(formats);
    json_decref(annotations);
    json_decref(asserts);
    json_decref(old);
}

static void the_meta_schemas_judge_schemas(void **state)
{
    static const char *const metas[] = {"{'$ref':'https://json-schema.org/draft/2020-12/schema'}",
                                        "{'$ref':'http://json-schema.org/draft-07/schema#'}"};
    (void)state;
    for (size_t i = 0; i < COUNT(metas); i++) {
        struct schema *schema = compiled(json(metas[i]), NULL);
        assert_true(fits(
            schema, json("{'type':['string','null'],'minLength':1,'properties':{'a':{'items':false}}}")));
        assert_false(fits(schema, json("{'properties':{'a':{'minLength':-1}}}")));
        assert_false(fits(schema, json("{'properties':{'a':{'type':'text'}}}")));
        assert_false(fits(schema, json("[]")));
        schema_free(schema);
    }
}

/* --- numbers and equality --- */

static void multiples_are_those_of_the_decimal_texts(void **state)
{
    static const struct {
        const char *of, *number;
        bool fits;
    } cases[] = {
        {"0.01", "0.07", true},
        {"0.01", "19.99", true},
        {"0.01", "4.35", true},
        {"0.01", "1e15", true},
        {"0.01", "123456789012.34", true},
        {"0.01", "0.075", false},
        {"0.1", "0.3", true},
        {"0.3", "0.1", false},
        {"0.0001", "0.00751", false},
        {"1e-8", "12391239123", true},
        {"1e-300", "1e300", true},
        {"0.123456789", "1e308", false},
        {"3", "1e300", false},
        {"2", "1e300", true},
        {"1e300", "1", false},
        {"1e300", "0", true},
        {"1e300", "-3e300", true},
        {"7", "-9223372036854775808", false},
        {"2", "-9223372036854775808", true},
        {"9223372036854775807", "9223372036854775807", true},
        {"2.5", "9223372036854775805", true},
        {"0.5", "4.5", true},
        {"1.5", "4.0", false},
        {"3", "4.5", false},
        {"3", "6.0", true},
        {"70", "210.0", true},
        {"70", "215.0", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = xasprintf("{'multipleOf':%s}", cases[i].of);
        struct schema *schema = compiled(json(text), NULL);
        if (fits(schema, json(cases[i].number)) != cases[i].fits)
            fail_msg("%s, %s", text, cases[i].number);
        schema_free(schema);
        free(text);
    }
}

static void numbers_are_compared_without_rounding(void **state)
{
    static const struct {
        const char *schema, *number;
        bool fits;
    } cases[] = {
        {"{'maximum':9007199254740992.0}", "9007199254740993", false},
        {"{'minimum':9007199254740993}", "9007199254740992.0", false},
        {"{'const':9007199254740993}", "9007199254740992.0", false},
        {"{'const':9007199254740992}", "9007199254740992.0", true},
        {"{'maximum':1e19}", "9223372036854775807", true},
        {"{'maximum':9223372036854775807}", "9223372036854775808.0", false},
        {"{'minimum':-1e19}", "-9223372036854775808", true},
        {"{'exclusiveMinimum':-9223372036854775808.0}", "-9223372036854775808", false},
        {"{'exclusiveMaximum':-1}", "-1.5", true},
        {"{'exclusiveMinimum':-1}", "-1.5", false},
        {"{'type':'integer'}", "1e300", true},
        {"{'type':'integer'}", "-0.0", true},
        {"{'type':'integer'}", "1.0000001", false},
        {"{'const':0}", "-0.0", true},
        {"{'maxLength':2.0}", "'ab'", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct schema *schema = compiled(json(cases[i].schema), NULL);
        if (fits(schema, json(cases[i].number)) != cases[i].fits)
            fail_msg("%s, %s", cases[i].schema, cases[i].number);
        schema_free(schema);
    }
}

/* Few elements are compared pair by pair, many by their hashes: both must say the same. */
static void equality_is_that_of_values_among_few_and_among_many(void **state)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"1", "1.0", true},
        {"0", "-0.0", true},
        {"1", "true", false},
        {"0", "false", false},
        {"null", "false", false},
        {"''", "null", false},
        {"'a'", "'a'", true},
        {"'a'", "'b'", false},
        {"9007199254740993", "9007199254740992.0", false},
        {"1e300", "1e300", true},
        {"[1,2]", "[1.0,2]", true},
        {"[1,2]", "[2,1]", false},
        {"[[],[[]]]", "[[],[[]]]", true},
        {"[[],[[]]]", "[[[]],[]]", false},
        {"{'a':1,'b':[2]}", "{'b':[2.0],'a':1}", true},
        {"{'a':1,'b':2}", "{'a':2,'b':1}", false},
        {"{'a':1}", "{'a':1,'b':1}", false},
        {"{}", "[]", false},
    };
    struct schema *schema = compiled(json("{'uniqueItems':true}"), NULL);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int padding = 0; padding <= 100; padding += 50) {
            json_t *array = json_array(), *in_enum = json_array();
            json_array_append_new(array, json(cases[i].a));
            json_array_append_new(in_enum, json(cases[i].a));
            for (int j = 0; j < padding; j++) {
                json_array_append_new(array, json_sprintf("padding %d", j));
                json_array_append_new(in_enum, json_integer(1000 + j));
            }
            json_array_append_new(array, json(cases[i].b));
            if (fits(schema, array) == cases[i].equal)
                fail_msg("%s, %s among %d", cases[i].a, cases[i].b, padding + 2);
            struct schema *one_of = compiled(json_pack("{s:o}", "enum", in_enum), NULL);
            if (fits(one_of, json(cases[i].b)) != cases[i].equal)
                fail_msg("%s, %s by enum", cases[i].a, cases[i].b);
            schema_free(one_of);
        }
    schema_free(schema);
}

static void large_arrays_of_different_elements_cost_little(void **state)
{
    const struct schema_options options = {.max_steps = 1000000};
    struct schema *schema = compiled(json("{'uniqueItems':true}"), &options);
    json_t *array = json_array();
    (void)state;
    for (int i = 0; i < 100000; i++)
        json_array_append_new(array, json_pack("{s:i,s:i}", "a", i / 300, "b", i % 300));
    assert_true(fits(schema, json_incref(array)));
    json_array_set_new(array, 7, json_pack("{s:i,s:i}", "b", 1, "a", 300));
    check_text(schema, array,
               "the elements 7 and 90001 are equal, different ones are wanted (#/uniqueItems)");
    schema_free(schema);
}

/* --- regular expressions --- */

static void patterns_are_those_of_ecma_262(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"b", "abc", true}, /* anywhere */
        {"^a$", "a\n", false},
        {"^\\d$", "\xd9\xa3", false}, /* arabic-indic three */
        {"^\\w$", "\xc3\xa9", false},
        {"^\\s$", "\xc2\xa0", true},
        {"^\\s$", "\xe2\x80\xa8", true},
        {"^\\s$", "\xef\xbb\xbf", true},
        {"^\\S$", "\xc2\xa0", false},
        {"^[\\s,]+$", ",\xc2\xa0", true},
        {"^.$", "\xf0\x9f\x98\x80", true},
        {"^a.b$", "a\rb", false},
        {"^\\p{L}+$", "\xc3\xa9t\xc3\xa9", true},
        {"^\\p{Letter}+$", "\xc3\xa9t\xc3\xa9", true},
        {"^\\p{gc=Letter}+$", "1", false},
        {"^\\p{General_Category=Decimal_Number}$", "\xd9\xa3", true},
        {"^\\P{Letter}$", "1", true},
        {"^\\p{Script=Greek}$", "\xce\xb1", true},
        {"^\\p{ASCII}$", "a", true},
        {"^\\p{ASCII}$", "\xc3\xa9", false},
        {"^\\P{ASCII}$", "\xc3\xa9", true},
        {"^[\\p{ASCII}]$", "a", true},
        {"^\\u00e9$", "\xc3\xa9", true},
        {"^\\ud83d\\ude00$", "\xf0\x9f\x98\x80", true},
        {"^\\u{1f600}$", "\xf0\x9f\x98\x80", true},
        {"^[\\u0041-\\u0043]$", "B", true},
        {"^\\x41$", "A", true},
        {"^\\v$", "\x0b", true},
        {"^\\v$", "\n", false},
        {"^[^]$", "a", true},
        {"[]", "a", false},
        {"^[[:alpha:]]$", ":]", true}, /* a set of [ : a l p h, and a bracket */
        {"^\\/\\-\\.$", "/-.", true},
        {"^(?<year>\\d{4})-\\k<year>$", "2024-2024", true},
        {"^(?=a)(?!ab)..$", "ac", true},
        {"(?<=a)b", "ab", true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct schema *schema = compiled(json_pack("{s:s}", "pattern", cases[i].pattern), NULL);
        if (fits(schema, json_string(cases[i].text)) != cases[i].matches)
            fail_msg("%s, %s", cases[i].pattern, cases[i].text);
        schema_free(schema);
    }
}

static void what_ecma_262_does_not_have_is_refused(void **state)
{
    static const struct {
        const char *pattern, *fault;
    } cases[] = {
        {"\\Aa", "\\A is no escape of ECMA-262"},
        {"a\\Z", "\\Z is no escape of ECMA-262"},
        {"\\Qa.b\\E", "\\Q is no escape of ECMA-262"},
        {"(*UTF)a", "nothing that * could repeat stands before it"},
        {"(*ACCEPT)", "nothing that * could repeat stands before it"},
        {"\\u12", "four hexadecimal digits are wanted behind \\u"},
        {"\\u{110000000}", "1 to 6 hexadecimal digits and '}' are wanted behind \\u{"},
        {"\\u{41", "1 to 6 hexadecimal digits and '}' are wanted behind \\u{"},
        {"\\x4", "two hexadecimal digits are wanted behind \\x"},
        {"\\p", "the name of a property in braces is wanted behind \\p"},
        {"\\p{L", "the name of a property in braces is wanted behind \\p"},
        {"\\p{Nonsense}", "unknown property after \\P or \\p"},
        {"a\\", "it ends with a backslash"},
        {"*a", "quantifier does not follow a repeatable item"},
        {"\\ud800", "disallowed Unicode code point"},
        {"((((a{1,1000}){1,1000}){1,1000}){1,1000})", "regular expression is too large"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        json_t *document = json_pack("{s:s}", "pattern", cases[i].pattern);
        if (schema_compile(document, NULL, &fault))
            fail_msg("%s: taken", cases[i].pattern);
        if (!strstr(fault.text, cases[i].fault))
            fail_msg("%s: %s", cases[i].pattern, fault.text);
        json_decref(document);
    }
}

static void check_stopped(const struct schema *schema, json_t *instance, const char *wanted)
{
    struct schema_errors errors = {0};
    char *text = errors_of(schema, instance, &errors);
    if (!strstr(text, wanted))
        fail_msg("%s", text);
    assert_true(errors.stopped);
    assert_int_equal(schema_validate(schema, instance, NULL), -1);
    free(text);
    schema_errors_release(&errors);
    json_decref(instance);
}

/* What was not decided is neither a yes nor a no: "not" and alternatives do not turn it into one. */
static void a_match_that_takes_too_long_refuses_and_says_so(void **state)
{
    static const char *const schemas[] = {
        "{'pattern':'^(a+)+$'}",
        "{'not':{'pattern':'^(a+)+$'}}",
        "{'if':{'pattern':'^(a+)+$'},'else':true}",
        "{'anyOf':[{'pattern':'^(a+)+$'},true]}",
        "{'oneOf':[{'pattern':'^(a+)+$'},true]}",
    };
    const struct schema_options options = {.max_match_steps = 20000};
    json_t *text = json_sprintf("%s!", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    (void)state;
    for (size_t i = 0; i < COUNT(schemas); i++) {
        struct schema *schema = compiled(json(schemas[i]), &options);
        check_stopped(schema, json_incref(text),
                      "the pattern \"^(a+)+$\" takes more than 20000 steps on this text");
        schema_free(schema);
    }
    struct schema *names = compiled(json("{'not':{'patternProperties':{'^(a+)+$':true}}}"), &options);
    check_stopped(names, json_pack("{s:i}", json_string_value(text), 1), "takes more than 20000 steps");
    schema_free(names);
    json_decref(text);
}

/* Here it is not the steps that are many: each scans thousands of characters, and some move nothing by it. */
static void a_match_that_scans_too_much_is_ended(void **state)
{
    static const char *const too_much[] = {"{'pattern':'[a-z]*[@%]'}", "{'pattern':'[ac-z]{50000}[@%]'}",
                                           "{'pattern':'^(?=(a+))[ab]*?\\\\1[@%]'}"};
    const struct schema_options options = {.max_match_steps = 1000000};
    size_t size = 1 << 20;
    char *text = xmalloc(size);
    (void)state;
    memset(text, 'a', size);
    struct schema *schema = compiled(json("{'pattern':'^(?:[a-z]{4})*$'}"), NULL);
    assert_true(fits(schema, json_stringn(text, size)));
    schema_free(schema);
    for (size_t at = 50000; at < size; at += 50000) /* a run of 50,000, and then of one less */
        text[at] = 'b';
    for (size_t i = 0; i < COUNT(too_much); i++) {
        schema = compiled(json(too_much[i]), &options);
        check_stopped(schema, json_stringn(text, size), "takes more than 1000000 steps on this text");
        schema_free(schema);
    }
    free(text);
}

static void many_matches_are_paid_for_together(void **state)
{
    const struct schema_options options = {.max_steps = 20000};
    struct schema *schema = compiled(json("{'items':{'pattern':'^a'}}"), &options);
    json_t *few = json_array(), *many = json_array();
    (void)state;
    for (int i = 0; i < 10000; i++)
        json_array_append_new(i < 1000 ? few : many, json_string("abc"));
    assert_true(fits(schema, few));
    check_stopped(schema, many, "the validation takes more than 20000 steps");
    schema_free(schema);
}

/* --- limits --- */

/* Sixty levels of two references to the next: 2^60 ways to the end. */
static void exponential_combinators_are_ended(void **state)
{
    static const char *const combinators[] = {"allOf", "anyOf", "oneOf"};
    const struct schema_options options = {.max_steps = 100000};
    (void)state;
    for (size_t i = 0; i < COUNT(combinators); i++) {
        json_t *definitions = json_object();
        for (int level = 0; level < 60; level++) {
            json_t *next = json_pack("{s:o}", "$ref", json_sprintf("#/$defs/%d", level + 1));
            char *name = xasprintf("%d", level);
            json_object_set_new(definitions, name, json_pack("{s:[o,O]}", combinators[i], next, next));
            free(name);
        }
        json_object_set_new(definitions, "60", i == 0 ? json_true() : json_false());
        struct schema *schema =
            compiled(json_pack("{s:o,s:{s:s}}", "$defs", definitions, "not", "$ref", "#/$defs/0"), &options);
        check_stopped(schema, json_integer(1), "the validation takes more than 100000 steps");
        schema_free(schema);
    }
}

static void a_schema_that_refers_to_itself_for_ever_is_ended(void **state)
{
    static const char *const schemas[] = {
        "{'$ref':'#'}",
        "{'not':{'$ref':'#'}}",
        "{'$defs':{'a':{'allOf':[{'$ref':'#/$defs/b'}]},'b':{'anyOf':[{'$ref':'#/$defs/a'}]}},'$ref':'#/"
        "$defs/a'}",
        "{'$dynamicAnchor':'x','$dynamicRef':'#x'}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(schemas); i++) {
        struct schema *schema = compiled(json(schemas[i]), NULL);
        check_stopped(schema, json("1"), "the schema is entered more than 512 levels deep");
        schema_free(schema);
    }
}

static void deep_values_and_many_members_are_walked(void **state)
{
    struct schema *schema = compiled(
        json("{'unevaluatedProperties':false,'unevaluatedItems':false,'properties':{'next':{'$ref':'#'}},"
             "'items':{'$ref':'#'},'allOf':[{'patternProperties':{'^m':{'type':'integer'}}},{'maxProperties':"
             "1000}]}"),
        NULL);
    json_t *value = json_object();
    (void)state;
    for (int i = 0; i < 200; i++) {
        char *name = xasprintf("m%d", i);
        json_object_set_new(value, name, json_integer(i));
        free(name);
    }
    for (int i = 0; i < 90; i++)
        value = i % 2 ? json_pack("{s:o}", "next", value) : json_pack("[o]", value);
    assert_true(fits(schema, json_incref(value)));
    json_t *inner = value;
    while (json_is_array(inner) || json_object_get(inner, "next"))
        inner = json_is_array(inner) ? json_array_get(inner, 0) : json_object_get(inner, "next");
    json_object_set_new(inner, "other", json_null());
    assert_false(fits(schema, value));
    schema_free(schema);
}

static void limits_of_a_schema_hold(void **state)
{
    const struct schema_options few = {.max_subschemas = 3}, short_patterns = {.max_pattern_bytes = 4};
    struct fault fault = {0};
    json_t *four = json("{'anyOf':[true,true,true]}"), *long_pattern = json("{'pattern':'12345'}"),
           *deep = json_true();
    char *key = xasprintf("%05000d", 0);
    json_t *far = json_pack("{s:{s:b}}", "properties", key, 1);
    (void)state;
    assert_null(schema_compile(four, &few, &fault));
    assert_string_equal(fault.text, "/anyOf/2: there are more than 3 subschemas");
    assert_null(schema_compile(long_pattern, &short_patterns, &fault));
    assert_string_equal(fault.text, "/pattern: a pattern of 5 bytes; at most 4 are taken");
    assert_null(schema_compile(far, NULL, &fault));
    assert_non_null(strstr(fault.text, "/properties/0000"));
    for (int i = 0; i < 100; i++)
        deep = json_pack("{s:o}", "not", deep);
    struct schema *schema = schema_compile(deep, NULL, &fault);
    assert_null(schema);
    assert_non_null(strstr(fault.text, "schemas are nested more than 100 levels deep"));
    schema_free(compiled(json_incref(json_object_get(deep, "not")), NULL));
    json_decref(four);
    json_decref(long_pattern);
    json_decref(deep);
    json_decref(far);
    free(key);
    schema_free(NULL);
}

/* --- whatever stands anywhere --- */

static const char *const strange[] = {"null",
                                      "true",
                                      "-1",
                                      "1.5",
                                      "''",
                                      "'#'",
                                      "'['",
                                      "[]",
                                      "[1]",
                                      "['a',null]",
                                      "{}",
                                      "{'':''}",
                                      "{'$ref':'#/x/y'}",
                                      "{'$id':'#a'}",
                                      "'http://[/%zz#%41/~2'"};

/* Compiles, or is refused with a reason; and what compiles judges. */
static void try_document(const json_t *document, const json_t *instance)
{
    struct fault fault = {0};
    struct schema_errors errors = {0};
    struct schema *schema = schema_compile(document, NULL, &fault);
    if (schema) {
        schema_validate(schema, instance, &errors);
        schema_validate(schema, document, &errors);
        schema_errors_release(&errors);
    } else {
        assert_int_equal(fault.class, FAULT_INPUT);
        assert_true(fault.text[0] != '\0');
    }
    schema_free(schema);
}

/* Each value in `part` is replaced by each strange one, one at a time. */
static size_t disturb(json_t *part, const json_t *document, const json_t *instance)
{
    size_t count = 0, index;
    const char *name;
    json_t *value;
    if (json_is_object(part))
        json_object_foreach (part, name, value) {
            count += disturb(value, document, instance);
            for (size_t i = 0; i < COUNT(strange); i++, count++) {
                json_incref(value);
                json_object_set_new(part, name, json(strange[i]));
                try_document(document, instance);
                json_object_set_new(part, name, value);
            }
        }
    if (json_is_array(part))
        json_array_foreach (part, index, value) {
            count += disturb(value, document, instance);
            for (size_t i = 0; i < COUNT(strange); i++, count++) {
                json_incref(value);
                json_array_set_new(part, index, json(strange[i]));
                try_document(document, instance);
                json_array_set_new(part, index, value);
            }
        }
    return count;
}

static void whatever_stands_anywhere_compiles_or_is_refused(void **state)
{
    static const char *const documents[] = {
        "{'$schema':'https://json-schema.org/draft/2020-12/schema','$id':'http://a/"
        "b','$anchor':'c','$dynamicAnchor':'d',"
        "'$defs':{'e':{'$id':'f','type':['array','null']}},'$ref':'f','$dynamicRef':'#d','enum':[1,{}],'"
        "const':[],"
        "'multipleOf':2,'maximum':3,'pattern':'a','maxItems':1,'uniqueItems':true,'contains':{'minimum':1},"
        "'minContains':1,'prefixItems':[{'maxLength':1}],'items':{'exclusiveMinimum':1},'required':['g'],"
        "'dependentRequired':{'h':['i']},'properties':{'j':{'$ref':'#/$defs/"
        "e'}},'patternProperties':{'^k':{'not':{}}},"
        "'additionalProperties':{'$ref':'#c'},'propertyNames':{'minLength':1},'dependentSchemas':{'l':{'"
        "maxProperties':1}},"
        "'allOf':[{'if':{},'then':{},'else':{}}],'anyOf':[true,false],'oneOf':[{}],'unevaluatedItems':false,"
        "'unevaluatedProperties':false}",
        "{" DRAFT_07 ",'$id':'http://a/b#c','definitions':{'e':{'$id':'#f','type':'array'}},"
        "'items':[{'$ref':'#f'}],'additionalItems':{'$ref':'#/definitions/"
        "e'},'dependencies':{'h':['i'],'j':{}},"
        "'properties':{'k':{'$ref':'#c','definitions':{}}},'contains':{}}",
    };
    json_t *instance = json("{'g':1,'h':[1,2,'x'],'j':{'k1':null},'k':[[[1.5]]]}");
    (void)state;
    for (size_t i = 0; i < COUNT(documents); i++) {
        json_t *document = json(documents[i]);
        schema_free(compiled(json_incref(document), NULL));
        assert_true(disturb(document, document, instance) >= 16 * COUNT(strange));
        json_decref(document);
    }
    json_decref(instance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_is_told_with_both_places),
        cmocka_unit_test(the_nearest_alternative_tells_its_errors),
        cmocka_unit_test(values_are_not_told_where_they_are_hidden),
        cmocka_unit_test(long_values_and_keys_are_cut_in_errors),
        cmocka_unit_test(errors_are_counted_up_to_the_ceiling),
        cmocka_unit_test(a_wrong_schema_is_refused_with_its_place),
        cmocka_unit_test(references_lead_into_documents_that_are_handed_over),
        cmocka_unit_test(a_fault_of_another_document_names_it),
        cmocka_unit_test(a_schema_that_is_handed_over_to_itself_is_the_first_one),
        cmocka_unit_test(references_are_resolved_as_rfc_3986_says),
        cmocka_unit_test(vocabularies_decide_which_keywords_count),
        cmocka_unit_test(the_meta_schemas_judge_schemas),
        cmocka_unit_test(multiples_are_those_of_the_decimal_texts),
        cmocka_unit_test(numbers_are_compared_without_rounding),
        cmocka_unit_test(equality_is_that_of_values_among_few_and_among_many),
        cmocka_unit_test(large_arrays_of_different_elements_cost_little),
        cmocka_unit_test(patterns_are_those_of_ecma_262),
        cmocka_unit_test(what_ecma_262_does_not_have_is_refused),
        cmocka_unit_test(a_match_that_takes_too_long_refuses_and_says_so),
        cmocka_unit_test(a_match_that_scans_too_much_is_ended),
        cmocka_unit_test(many_matches_are_paid_for_together),
        cmocka_unit_test(exponential_combinators_are_ended),
        cmocka_unit_test(a_schema_that_refers_to_itself_for_ever_is_ended),
        cmocka_unit_test(deep_values_and_many_members_are_walked),
        cmocka_unit_test(limits_of_a_schema_hold),
        cmocka_unit_test(whatever_stands_anywhere_compiles_or_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
