/*
 * Event patterns: what each operator matches, what is refused and with which words, the first field that did
 * not fit, wildcards in linear time, what covers what, and the index against asking every pattern
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "fold.h"
#include "json.h"
#include "pattern.h"
#include "pattern_index.h"
#include "xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const members[] = {"tenant_id", "data_type", "priority", "metadata", "payload", NULL};

/* Texts are written with ' for ". */
static json_t *value_of(const char *text)
{
    struct fault fault = {0};
    char *copy = xstrdup(text);
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    json_t *value = json_read(copy, strlen(copy), &fault);
    if (!value)
        fail_msg("%s: %s", copy, fault.text);
    free(copy);
    return value;
}

static struct pattern *pattern_of(const char *text)
{
    struct fault fault = {0};
    json_t *form = value_of(text);
    struct pattern *pattern = pattern_new(form, "/match", NULL, &fault);
    if (!pattern)
        fail_msg("%s: %s", text, fault.text);
    json_decref(form);
    return pattern;
}

static bool matches(const char *pattern_text, const char *event_text)
{
    struct pattern *pattern = pattern_of(pattern_text);
    json_t *event = value_of(event_text);
    struct pattern_miss miss = {0};
    bool result = pattern_match(pattern, event, &miss);

    assert_int_equal(result, pattern_match(pattern, event, NULL));
    if (!result)
        assert_true(*miss.text);
    json_decref(event);
    pattern_free(pattern);
    return result;
}

/* Many events against one pattern: those that match, and those that do not. */
static void expect(const char *pattern, const char *const *yes, const char *const *no)
{
    for (; *yes; yes++)
        if (!matches(pattern, *yes))
            fail_msg("%s does not match %s", pattern, *yes);
    for (; *no; no++)
        if (matches(pattern, *no))
            fail_msg("%s matches %s", pattern, *no);
}
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void values_match_by_type_and_value(void **state)
{
    (void)state;
    expect("{'a':['x']}", LIST("{'a':'x'}", "{'a':['y','x']}", "{'a':[['x']]}", "{'a':'x','b':1}"),
           LIST("{'a':'X'}", "{'a':'xx'}", "{'a':''}", "{'a':null}", "{'b':'x'}", "{'a':{'x':'x'}}",
                "{'a':[]}", "{}"));
    expect("{'a':['']}", LIST("{'a':''}"), LIST("{'a':null}", "{'a':'x'}", "{}"));
    expect("{'a':['x','y',3]}", LIST("{'a':'x'}", "{'a':'y'}", "{'a':3}"),
           LIST("{'a':'z'}", "{'a':'3'}", "{'a':4}"));
    expect("{'a':[true]}", LIST("{'a':true}"), LIST("{'a':false}", "{'a':'true'}", "{'a':1}"));
    expect("{'a':[false]}", LIST("{'a':false}"), LIST("{'a':true}", "{'a':0}", "{'a':null}"));
    expect("{'a':[null]}", LIST("{'a':null}"), LIST("{}", "{'a':''}", "{'a':0}", "{'a':'null'}"));
    expect("{}", LIST("{}", "{'a':1}"), LIST("{'a':1}") + 1);
}

static void numbers_are_compared_without_loss(void **state)
{
    (void)state;
    expect("{'a':[1]}", LIST("{'a':1}", "{'a':1.0}", "{'a':10e-1}"), LIST("{'a':1.0000000001}", "{'a':-1}"));
    expect("{'a':[0.1]}", LIST("{'a':0.1}", "{'a':1e-1}"), LIST("{'a':0}", "{'a':'0.1'}"));
    expect("{'a':[9007199254740993]}", LIST("{'a':9007199254740993}"),
           LIST("{'a':9007199254740992}", "{'a':9007199254740992.0}", "{'a':9007199254740994}"));
    expect("{'a':[{'numeric':['>',9007199254740992.0]}]}", LIST("{'a':9007199254740993}"),
           LIST("{'a':9007199254740992}"));
    expect("{'a':[-0.0]}", LIST("{'a':0}", "{'a':0.0}"), LIST("{'a':1}"));
}

static void ranges_have_open_and_closed_ends(void **state)
{
    (void)state;
    expect("{'a':[{'numeric':['>',0,'<=',5]}]}", LIST("{'a':0.001}", "{'a':5}", "{'a':5.0}", "{'a':[9,3]}"),
           LIST("{'a':0}", "{'a':5.001}", "{'a':'3'}", "{'a':null}", "{'a':true}", "{}"));
    expect("{'a':[{'numeric':['<',5,'>=',0]}]}", LIST("{'a':0}", "{'a':4.9}"), LIST("{'a':5}", "{'a':-1}"));
    expect("{'a':[{'numeric':['=',3e2]}]}", LIST("{'a':300}"), LIST("{'a':301}"));
    expect("{'a':[{'numeric':['>=',-5.5]}]}", LIST("{'a':-5.5}", "{'a':1e300}"), LIST("{'a':-6}"));
    expect("{'a':[{'numeric':['<',-1]},{'numeric':['>',1]}]}", LIST("{'a':2}", "{'a':-2}"), LIST("{'a':0}"));
}

static void texts_begin_and_end(void **state)
{
    (void)state;
    expect("{'a':[{'prefix':'eu-'}]}", LIST("{'a':'eu-west'}", "{'a':'eu-'}"),
           LIST("{'a':'eu'}", "{'a':'EU-west'}", "{'a':'xeu-'}", "{'a':1}", "{'a':''}", "{}"));
    expect("{'a':[{'suffix':'.pdf'}]}", LIST("{'a':'x.pdf'}", "{'a':'.pdf'}"),
           LIST("{'a':'pdf'}", "{'a':'x.PDF'}", "{'a':'x.pdf '}", "{'a':null}"));
    expect("{'a':[{'prefix':{'equals-ignore-case':'\xc3\x89u-'}}]}",
           LIST("{'a':'\xc3\xa9U-west'}", "{'a':'\xc3\x89u-'}"),
           LIST("{'a':'eu-west'}", "{'a':'\xc3\xa9u'}"));
    expect("{'a':[{'suffix':{'equals-ignore-case':'.Pdf'}}]}", LIST("{'a':'x.PDF'}", "{'a':'.pdf'}"),
           LIST("{'a':'pdf'}", "{'a':'x.pdff'}"));
}

static void case_is_ignored_in_many_alphabets(void **state)
{
    (void)state;
    expect("{'a':[{'equals-ignore-case':'Perch\xc3\x89'}]}",
           LIST("{'a':'PERCH\xc3\x89'}", "{'a':'perch\xc3\xa9'}"),
           LIST("{'a':'perche'}", "{'a':'perch\xc3\xa9 '}", "{'a':'perch'}", "{'a':3}"));
    expect("{'a':[{'equals-ignore-case':'\xce\xa3\xce\x8f'}]}",
           LIST("{'a':'\xcf\x83\xcf\x8e'}", "{'a':'\xcf\x82\xcf\x8e'}"), LIST("{'a':'\xcf\x83'}"));
    expect("{'a':[{'equals-ignore-case':''}]}", LIST("{'a':''}"), LIST("{'a':'a'}"));
    static const struct {
        uint32_t from, to;
    } points[] = {{'A', 'a'},       {'Z', 'z'},       {'a', 'a'},       {'@', '@'},        {'[', '['},
                  {0xc0, 0xe0},     {0xd7, 0xd7},     {0xde, 0xfe},     {0xdf, 0xdf},      {0x100, 0x101},
                  {0x101, 0x101},   {0x130, 0x130},   {0x131, 0x131},   {0x139, 0x13a},    {0x13a, 0x13a},
                  {0x147, 0x148},   {0x149, 0x149},   {0x14a, 0x14b},   {0x178, 0xff},     {0x179, 0x17a},
                  {0x17e, 0x17e},   {0x17f, 's'},     {0x386, 0x3ac},   {0x38c, 0x3cc},    {0x391, 0x3b1},
                  {0x3a2, 0x3a2},   {0x400, 0x450},   {0x42f, 0x44f},   {0x460, 0x461},    {0x1e00, 0x1e01},
                  {0x1e9e, 0x1e9e}, {0x1ea0, 0x1ea1}, {0x4e00, 0x4e00}, {0x1f600, 0x1f600}};
    for (size_t i = 0; i < COUNT(points); i++)
        assert_int_equal(fold_point(points[i].from), points[i].to);
}

static void stars_stand_for_anything(void **state)
{
    (void)state;
    expect("{'a':[{'wildcard':'*'}]}", LIST("{'a':''}", "{'a':'x'}"), LIST("{'a':1}", "{'a':null}"));
    expect("{'a':[{'wildcard':'a*b'}]}", LIST("{'a':'ab'}", "{'a':'axxb'}", "{'a':'abab'}"),
           LIST("{'a':'a'}", "{'a':'b'}", "{'a':'abx'}", "{'a':'xab'}"));
    expect("{'a':[{'wildcard':'ab*ba'}]}", LIST("{'a':'abba'}", "{'a':'abxba'}"), LIST("{'a':'aba'}"));
    expect("{'a':[{'wildcard':'*x*y*'}]}", LIST("{'a':'xy'}", "{'a':'-x-x-y-'}"), LIST("{'a':'yx'}"));
    expect("{'a':[{'wildcard':'a*bc*bc'}]}", LIST("{'a':'abcbc'}", "{'a':'a-bc-bc'}"),
           LIST("{'a':'abc'}", "{'a':'abcb'}"));
    expect("{'a':[{'wildcard':'100\\\\**\\\\\\\\'}]}", LIST("{'a':'100*x\\\\'}", "{'a':'100*\\\\'}"),
           LIST("{'a':'100x\\\\'}", "{'a':'100*'}"));
    expect("{'a':[{'wildcard':'?*'}]}", LIST("{'a':'?x'}"), LIST("{'a':'xx'}"));
}

/* What costs a matcher that tries again the whole evening: it ends, or the test never does. */
static void wildcards_cost_no_more_than_the_text(void **state)
{
    (void)state;
    enum { SIZE = 4 * 1024 * 1024 };
    struct pattern *pattern = pattern_of("{'a':[{'wildcard':'*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b'}]}");
    struct pattern *other = pattern_of("{'a':[{'wildcard':'*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab*'}]}");
    char *text = xmalloc(SIZE + 1);

    memset(text, 'a', SIZE);
    text[SIZE] = 0;
    json_t *event = json_pack("{s:s}", "a", text);
    assert_false(pattern_match(pattern, event, NULL));
    assert_false(pattern_match(other, event, NULL));
    json_decref(event);
    free(text);
    pattern_free(pattern);
    pattern_free(other);
}

static void looks_are_counted_and_end(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *event;
        size_t needed;
        bool matches;
    } cases[] = {
        {"{'a':['x']}", "{'a':'x'}", 1, true},
        {"{'a':['x','y','z']}", "{'a':'z'}", 3, true},
        {"{'a':['x'],'b':['y']}", "{'a':'x'}", 2, false},
        {"{'a':['x']}", "{'a':[1,2,3]}", 4, false},
        {"{'a':{'b':[1]}}", "{'a':[{'b':2},{'b':3},{'b':1},{'b':1}]}", 3, true},
        {"{'a':[{'anything-but':['x','y']}]}", "{'a':1}", 3, true},
        {"{'a':[{'exists':false}]}", "{}", 1, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pattern *pattern = pattern_of(cases[i].pattern);
        json_t *event = value_of(cases[i].event);
        struct pattern_miss miss;
        size_t looks = cases[i].needed + 1;
        assert_int_equal(pattern_match_within(pattern, event, &looks, NULL), cases[i].matches);
        assert_int_equal(looks, 1);
        looks = cases[i].needed - 1;
        assert_false(pattern_match_within(pattern, event, &looks, &miss));
        assert_int_equal(looks, 0);
        json_decref(event);
        pattern_free(pattern);
    }
}

static void fields_are_there_or_not(void **state)
{
    (void)state;
    expect("{'a':[{'exists':true}]}", LIST("{'a':1}", "{'a':null}", "{'a':[]}", "{'a':{}}", "{'a':''}"),
           LIST("{}", "{'b':1}"));
    expect("{'a':[{'exists':false}]}", LIST("{}", "{'b':1}"), LIST("{'a':1}", "{'a':null}", "{'a':[]}"));
    expect("{'a':[{'exists':false},'x']}", LIST("{}", "{'a':'x'}"), LIST("{'a':'y'}"));
    expect("{'a':{'b':{'c':[{'exists':false}]}}}",
           LIST("{}", "{'a':1}", "{'a':{}}", "{'a':{'b':{'d':1}}}", "{'a':[]}", "{'a':[{'b':{'c':1}},{}]}"),
           LIST("{'a':{'b':{'c':1}}}", "{'a':[{'b':{'c':1}}]}"));
}

static void anything_but_wants_another_value_that_is_there(void **state)
{
    (void)state;
    expect("{'a':[{'anything-but':'x'}]}", LIST("{'a':'y'}", "{'a':1}", "{'a':null}", "{'a':['x','y']}"),
           LIST("{'a':'x'}", "{}", "{'a':['x']}", "{'a':[]}", "{'a':{}}"));
    expect("{'a':[{'anything-but':['x',2,true,null]}]}", LIST("{'a':'2'}", "{'a':3}", "{'a':false}"),
           LIST("{'a':'x'}", "{'a':2}", "{'a':2.0}", "{'a':true}", "{'a':null}"));
    expect("{'a':[{'anything-but':{'prefix':'x'}}]}", LIST("{'a':'yx'}", "{'a':5}"),
           LIST("{'a':'xy'}", "{}"));
    expect("{'a':[{'anything-but':{'prefix':['x','y']}}]}", LIST("{'a':'z'}"),
           LIST("{'a':'xz'}", "{'a':'yz'}"));
    expect("{'a':[{'anything-but':{'suffix':'.tmp'}}]}", LIST("{'a':'a.csv'}"), LIST("{'a':'a.tmp'}"));
    expect("{'a':[{'anything-but':{'equals-ignore-case':['X','y']}}]}", LIST("{'a':'z'}"),
           LIST("{'a':'x'}", "{'a':'Y'}"));
    expect("{'a':[{'anything-but':{'wildcard':'a*z'}}]}", LIST("{'a':'ab'}"), LIST("{'a':'abz'}"));
    expect("{'a':[{'anything-but':{'cidr':['10.0.0.0/8','::1/128']}}]}",
           LIST("{'a':'11.0.0.1'}", "{'a':'x'}"), LIST("{'a':'10.1.2.3'}", "{'a':'::1'}"));
}

static void networks_have_addresses(void **state)
{
    (void)state;
    expect("{'a':[{'cidr':'10.0.0.0/9'}]}",
           LIST("{'a':'10.127.255.255'}", "{'a':'10.0.0.0'}", "{'a':'::ffff:10.1.2.3'}"),
           LIST("{'a':'10.128.0.0'}", "{'a':'11.0.0.1'}", "{'a':'10.0.0'}", "{'a':'10.0.0.1/32'}",
                "{'a':'10.0.0.01 '}", "{'a':'::10.1.2.3'}", "{'a':'x'}", "{'a':10}", "{}"));
    expect("{'a':[{'cidr':'2001:db8::/33'}]}", LIST("{'a':'2001:db8::1'}", "{'a':'2001:DB8:7fff::'}"),
           LIST("{'a':'2001:db8:8000::'}", "{'a':'2001:db9::'}", "{'a':'10.0.0.1'}"));
    expect("{'a':[{'cidr':'0.0.0.0/0'}]}", LIST("{'a':'255.255.255.255'}"), LIST("{'a':'::'}", "{'a':''}"));
    expect("{'a':[{'cidr':'::/0'}]}", LIST("{'a':'::'}", "{'a':'fe80::1'}"), LIST("{'a':'1.2.3.4'}"));
    expect("{'a':[{'cidr':'::ffff:10.0.0.0/104'}]}", LIST("{'a':'10.1.2.3'}"), LIST("{'a':'11.1.2.3'}"));
    expect("{'a':[{'cidr':'192.0.2.7/32'}]}", LIST("{'a':'192.0.2.7'}"), LIST("{'a':'192.0.2.6'}"));
}

static void all_fields_must_match_and_one_of_or(void **state)
{
    (void)state;
    expect("{'a':['x'],'b':{'c':[1],'d':[2]}}", LIST("{'a':'x','b':{'c':1,'d':2}}"),
           LIST("{'a':'x','b':{'c':1}}", "{'a':'x'}", "{'b':{'c':1,'d':2}}", "{'a':'x','b':{'c':1,'d':3}}"));
    expect("{'a':['x'],'$or':[{'b':[1]},{'c':{'d':[2]}}]}", LIST("{'a':'x','b':1}", "{'a':'x','c':{'d':2}}"),
           LIST("{'b':1}", "{'a':'x'}", "{'a':'x','b':2,'c':{'d':1}}"));
    expect("{'b':{'$or':[{'c':[1]},{'d':[1]}]}}", LIST("{'b':{'d':1}}", "{'b':[{},{'c':1}]}"),
           LIST("{'c':1}", "{'b':{'d':2}}"));
    expect("{'$and':[{'a':[{'prefix':'x'}]},{'a':[{'suffix':'y'}]}]}", LIST("{'a':'xy'}", "{'a':'xzy'}"),
           LIST("{'a':'x'}", "{'a':'y'}"));
    expect("{'$or':[{'$or':[{'a':[1]},{'b':[1]}]},{'$and':[{'c':[1]},{'d':[1]}]}]}",
           LIST("{'a':1}", "{'b':1}", "{'c':1,'d':1}"), LIST("{'c':1}", "{'d':1}", "{}"));
    expect("{'$schema':['s']}", LIST("{'$schema':'s'}"), LIST("{}"));
}

/* Both fields of one and the same element: no mixture of two. */
static void one_element_of_an_array_has_all_the_fields(void **state)
{
    (void)state;
    expect("{'i':{'sku':['a'],'n':[2]}}",
           LIST("{'i':{'sku':'a','n':2}}", "{'i':[{'sku':'b','n':1},{'sku':'a','n':2}]}",
                "{'i':[[{'sku':'a','n':2}]]}"),
           LIST("{'i':[{'sku':'a','n':1},{'sku':'b','n':2}]}", "{'i':[]}", "{'i':['a',2]}"));
}

/* --- what is refused --- */

static void mistakes_say_where_and_what_was_meant(void **state)
{
    (void)state;
    static const struct {
        const char *form, *text;
    } cases[] = {
        {"[]", "/match: an object of fields is wanted"},
        {"'x'", "/match: an object of fields is wanted"},
        {"{'payload':{'amount':[{'gte':5}]}}",
         "/match/payload/amount/0: unknown operator 'gte'; did you mean 'numeric'?"},
        {"{'payload':{'a':[{'prefx':'x'}]}}",
         "/match/payload/a/0: unknown operator 'prefx'; did you mean 'prefix'?"},
        {"{'payload':{'a':[{'startsWith':'x'}]}}",
         "/match/payload/a/0: unknown operator 'startsWith'; did you mean 'prefix'?"},
        {"{'payload':{'a':['x',{'frobnicate':'x'}]}}", "/match/payload/a/1: unknown operator 'frobnicate'"},
        {"{'payload':{'a':[{'prefix':'x','suffix':'y'}]}}",
         "/match/payload/a/0: an object with one operator is wanted, not with 2; each is an alternative of "
         "its own"},
        {"{'payload':{'a':[{}]}}", "/match/payload/a/0: an object with one operator is wanted, not with 0; "
                                   "each is an alternative of its own"},
        {"{'tenant':['x']}", "/match/tenant: no event has this field; did you mean 'tenant_id'?"},
        {"{'$or':[{'data_tipe':['x']}]}",
         "/match/$or/0/data_tipe: no event has this field; did you mean 'data_type'?"},
        {"{'colour':['x']}", "/match/colour: no event has this field"},
        {"{'data_type':'report'}", "/match/data_type: an array of alternatives is wanted, as [\"report\"]"},
        {"{'data_type':[]}", "/match/data_type: an array of 1 to 256 alternatives is wanted"},
        {"{'data_type':[['x']]}",
         "/match/data_type/0: a value or an object with an operator is wanted, not an array"},
        {"{'payload':{}}",
         "/match/payload: an object with a field is wanted; for any value take [{\"exists\": true}]"},
        {"{'payload':{'a':{'exists':true}}}",
         "/match/payload/a: an operator is an alternative in an array: [{\"exists\": ...}]"},
        {"{'payload':{'a':{'numeric':['>',5]}}}",
         "/match/payload/a: an operator is an alternative in an array: [{\"numeric\": ...}]"},
        {"{'payload':{'a':{'anything-but':['x']}}}",
         "/match/payload/a: an operator is an alternative in an array: [{\"anything-but\": ...}]"},
        {"{'payload':{'a/b~c':[{'prefix':''}]}}",
         "/match/payload/a~1b~0c/0/prefix: an empty text is at either end of every text; for any value take "
         "{\"exists\": true}"},
        {"{'payload':{'a':[{'suffix':5}]}}",
         "/match/payload/a/0/suffix: a text of at most 1024 bytes is wanted"},
        {"{'payload':{'a':[{'prefix':{'wildcard':'x'}}]}}",
         "/match/payload/a/0/prefix: a text or {\"equals-ignore-case\": text} is wanted"},
        {"{'payload':{'a':[{'exists':'yes'}]}}", "/match/payload/a/0/exists: true or false is wanted"},
        {"{'payload':{'a':[{'numeric':5}]}}", "/match/payload/a/0/numeric: an array of one or two signs with "
                                              "their numbers is wanted, as [\">\", 0, \"<=\", 5]"},
        {"{'payload':{'a':[{'numeric':['>','5']}]}}", "/match/payload/a/0/numeric: pairs of one of = > >= < "
                                                      "<= and a number are wanted, as [\">\", 0, \"<=\", 5]"},
        {"{'payload':{'a':[{'numeric':['=>',5]}]}}", "/match/payload/a/0/numeric: pairs of one of = > >= < "
                                                     "<= and a number are wanted, as [\">\", 0, \"<=\", 5]"},
        {"{'payload':{'a':[{'numeric':['>',5,'>=',6]}]}}",
         "/match/payload/a/0/numeric: '>=' comes where that end is set already"},
        {"{'payload':{'a':[{'numeric':['=',5,'<',6]}]}}",
         "/match/payload/a/0/numeric: '<' comes where that end is set already"},
        {"{'payload':{'a':[{'numeric':['>',5,'<',5]}]}}",
         "/match/payload/a/0/numeric: no number is within these bounds"},
        {"{'payload':{'a':[{'numeric':['>=',5,'<',5]}]}}",
         "/match/payload/a/0/numeric: no number is within these bounds"},
        {"{'payload':{'a':[{'wildcard':'a**b'}]}}",
         "/match/payload/a/0/wildcard: two stars are as good as one"},
        {"{'payload':{'a':[{'wildcard':'ab'}]}}",
         "/match/payload/a/0/wildcard: there is no star in it; write the text itself, without an operator"},
        {"{'payload':{'a':[{'wildcard':'a*\\\\x'}]}}",
         "/match/payload/a/0/wildcard: behind a backslash only '*' and '\\' may stand"},
        {"{'payload':{'a':[{'wildcard':'a*\\\\'}]}}",
         "/match/payload/a/0/wildcard: behind a backslash only '*' and '\\' may stand"},
        {"{'payload':{'a':[{'wildcard':'1*2*3*4*5*6*7*8*9*0*1*2*3*4*5*6*7*8'}]}}",
         "/match/payload/a/0/wildcard: more than 16 stars"},
        {"{'payload':{'a':[{'cidr':'10.0.0.1/8'}]}}",
         "/match/payload/a/0/cidr: the address has bits behind the network; did you mean '10.0.0.0/8'?"},
        {"{'payload':{'a':[{'cidr':'2001:db8::1/32'}]}}",
         "/match/payload/a/0/cidr: the address has bits behind the network; did you mean '2001:db8::/32'?"},
        {"{'payload':{'a':[{'cidr':'10.0.0.0'}]}}",
         "/match/payload/a/0/cidr: a network is wanted, as \"10.0.0.0/8\" or \"2001:db8::/32\""},
        {"{'payload':{'a':[{'cidr':'10.0.0.0/33'}]}}",
         "/match/payload/a/0/cidr: a network is wanted, as \"10.0.0.0/8\" or \"2001:db8::/32\""},
        {"{'payload':{'a':[{'cidr':'10.0.0.0/'}]}}",
         "/match/payload/a/0/cidr: a network is wanted, as \"10.0.0.0/8\" or \"2001:db8::/32\""},
        {"{'payload':{'a':[{'cidr':'1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111/8'}]}}",
         "/match/payload/a/0/cidr: a network is wanted, as \"10.0.0.0/8\" or \"2001:db8::/32\""},
        {"{'payload':{'a':[{'cidr':7}]}}",
         "/match/payload/a/0/cidr: a network is wanted, as \"10.0.0.0/8\" or \"2001:db8::/32\""},
        {"{'payload':{'a':[{'cidr':'::ffff:10.0.0.0/8'}]}}",
         "/match/payload/a/0/cidr: this network is wider than the IPv4 addresses in IPv6; write it as "
         "\"0.0.0.0/0\""},
        {"{'payload':{'a':[{'anything-but':[]}]}}",
         "/match/payload/a/0/anything-but: an array of 1 to 256 values is wanted"},
        {"{'payload':{'a':[{'anything-but':{'numeric':['=',5]}}]}}",
         "/match/payload/a/0/anything-but: a value, an array of values or one of prefix, suffix, "
         "equals-ignore-case, wildcard and cidr is wanted"},
        {"{'payload':{'a':[{'anything-but':[{'prefix':'x'}]}]}}",
         "/match/payload/a/0/anything-but: a text, a number, true, false or null is wanted in the array"},
        {"{'payload':{'a':[{'anything-but':{'prefix':['x',5]}}]}}",
         "/match/payload/a/0/anything-but: a text of at most 1024 bytes is wanted"},
        {"{'$or':{'a':[1]}}", "/match/$or: an array of 1 to 256 patterns is wanted"},
        {"{'$or':[]}", "/match/$or: an array of 1 to 256 patterns is wanted"},
        {"{'$or':['x']}", "/match/$or/0: an object with a field is wanted"},
        {"{'$and':[{'data_type':['x']},{}]}", "/match/$and/1: an object with a field is wanted"},
        {"{'payload':{'$nor':[{'a':[1]}]}}", "/match/payload/$nor: unknown operator; did you mean '$or'?"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        json_t *form = value_of(cases[i].form);
        struct pattern *pattern = pattern_new(form, "/match", members, &fault);
        if (pattern)
            fail_msg("%s was taken", cases[i].form);
        assert_string_equal(fault.text, cases[i].text);
        assert_int_equal(fault.class, FAULT_INPUT);
        assert_null(pattern_new(form, "/match", members, NULL));
        json_decref(form);
    }
}

/* `count` times an opening, what stands inside, and as many closings. */
static char *nested(const char *open, const char *inside, const char *close, size_t count)
{
    size_t size = (strlen(open) + strlen(close)) * count + strlen(inside) + 1, used = 0;
    char *text = xmalloc(size);

    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, size - used, "%s", open);
    used += (size_t)snprintf(text + used, size - used, "%s", inside);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, size - used, "%s", close);
    return text;
}

static bool is_taken(json_t *form, struct fault *fault)
{
    struct pattern *pattern = pattern_new(form, "", NULL, fault);
    bool taken = pattern != NULL;

    pattern_free(pattern);
    json_decref(form);
    return taken;
}

static void patterns_have_ceilings(void **state)
{
    (void)state;
    struct fault fault = {0};
    char *deep = nested("{'a':", "['x']", "}", PATTERN_DEPTH);
    char *deeper = nested("{'a':", "['x']", "}", PATTERN_DEPTH + 1);
    char *or_deeper = nested("{'$or':[", "{'a':['x']}", "]}", PATTERN_DEPTH);
    json_t *leaf = json_array(), *fields = json_object(), *names = json_object();
    char text[PATTERN_TEXT + 2];

    assert_true(is_taken(value_of(deep), &fault));
    assert_false(is_taken(value_of(deeper), &fault));
    assert_non_null(strstr(fault.text, "nested deeper than 20 levels"));
    assert_false(is_taken(value_of(or_deeper), &fault));
    assert_non_null(strstr(fault.text, "nested deeper than 20 levels"));
    for (int i = 0; i < PATTERN_ALTERNATIVES; i++)
        json_array_append_new(leaf, json_integer(i));
    for (int i = 0; i < PATTERN_TESTS / PATTERN_ALTERNATIVES; i++) {
        snprintf(text, sizeof text, "f%d", i);
        json_object_set(fields, text, leaf);
    }
    assert_true(is_taken(json_deep_copy(fields), &fault));
    json_object_set(fields, "more", leaf);
    assert_false(is_taken(fields, &fault));
    assert_non_null(strstr(fault.text, "the pattern has more than 2000 alternatives"));
    json_array_append_new(leaf, json_integer(-1));
    assert_false(is_taken(json_pack("{s:o}", "a", leaf), &fault));
    assert_string_equal(fault.text, "/a: an array of 1 to 256 alternatives is wanted");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    assert_false(is_taken(json_pack("{s:[s]}", "a", text), &fault));
    assert_string_equal(fault.text, "/a/0: a text of at most 1024 bytes is wanted");
    json_object_set_new(names, text, json_pack("[s]", "x"));
    assert_false(is_taken(names, &fault));
    assert_non_null(strstr(fault.text, "a name of at most 1024 bytes is wanted"));
    free(deep);
    free(deeper);
    free(or_deeper);
}

static void note(void *arg, const struct fault *mistake)
{
    struct buf *text = arg;
    buf_addf(text, "%s\n", mistake->text);
}

static void a_check_finds_all_mistakes(void **state)
{
    (void)state;
    struct buf text;
    json_t *form = value_of("{'tenant':['x'],'payload':{'a':[{'gt':1},'fine',{'exists':1}],'b':'x','c':[1]},"
                            "'$or':[{},{'data_type':[]}]}");
    json_t *scalar = json_true(), *good = value_of("{'payload':{'a':[1]}}");
    char *deep_text = nested("{'payload':", "['x']", "}", PATTERN_DEPTH + 5);
    json_t *deep = value_of(deep_text);

    buf_init(&text, 10000);
    assert_int_equal(pattern_check(form, "", members, note, &text), 6);
    assert_string_equal(text.data, "/tenant: no event has this field; did you mean 'tenant_id'?\n"
                                   "/payload/a/0: unknown operator 'gt'; did you mean 'numeric'?\n"
                                   "/payload/a/2/exists: true or false is wanted\n"
                                   "/payload/b: an array of alternatives is wanted, as [\"x\"]\n"
                                   "/$or/0: an object with a field is wanted\n"
                                   "/$or/1/data_type: an array of 1 to 256 alternatives is wanted\n");
    assert_int_equal(pattern_check(scalar, "/match", members, note, &text), 1);
    assert_int_equal(pattern_check(deep, "/match", members, note, &text), 1);
    assert_int_equal(pattern_check(good, "/match", members, note, &text), 0);
    buf_release(&text);
    free(deep_text);
    json_decref(deep);
    json_decref(form);
    json_decref(good);
}

/* --- why not --- */

static void a_miss_tells_the_first_field_that_did_not_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *event, *path, *text;
    } cases[] = {
        {"{'a':['x'],'b':[1]}", "{'a':'y','b':2}", "/a", "\"y\" does not match [\"x\"]"},
        {"{'a':['x'],'b':[1]}", "{'a':'x','b':2}", "/b", "2 does not match [1]"},
        {"{'a':{'b':[{'numeric':['>',500]}]}}", "{'a':{'b':120}}", "/a/b",
         "120 does not match [{\"numeric\":[\">\",500]}]"},
        {"{'a':{'b':['x']}}", "{'a':5}", "/a/b", "it is missing, and [\"x\"] is wanted"},
        {"{'a':['x']}", "{'a':{'b':1}}", "/a", "an object does not match [\"x\"]"},
        {"{'a':['x']}", "{'a':[1,2,3]}", "/a", "an array of 3 does not match [\"x\"]"},
        {"{'a':['x']}", "{'a':null}", "/a", "null does not match [\"x\"]"},
        {"{'a':[{'exists':false}]}", "{'a':0.5}", "/a", "0.5 does not match [{\"exists\":false}]"},
        {"{'a':{'b':[1]}}", "{'a':[{'b':2},{'b':3}]}", "/a/0/b",
         "none of 2 elements; the first: 2 does not match [1]"},
        {"{'a':{'b':[1]}}", "{'a':[{'b':2}]}", "/a/0/b", "2 does not match [1]"},
        {"{'$or':[{'a':[1]},{'b':[1]}]}", "{'a':2}", "/a",
         "none of 2 in $or; the first: 2 does not match [1]"},
        {"{'a/b~':['x']}", "{}", "/a~1b~0", "it is missing, and [\"x\"] is wanted"},
        {"{'a':['x']}",
         "{'a':'\\u001b["
         "31m0123456789012345678901234567890123456789012345678901234567890123456789\xc3\xa9\xc3\xa9'}",
         "/a",
         "\"\\u001b[31m012345678901234567890123456789012345678901234567890...\" does not match [\"x\"]"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pattern *pattern = pattern_of(cases[i].pattern);
        json_t *event = value_of(cases[i].event);
        struct pattern_miss miss = {0};
        assert_false(pattern_match(pattern, event, &miss));
        assert_string_equal(miss.path, cases[i].path);
        assert_string_equal(miss.text, cases[i].text);
        json_decref(event);
        pattern_free(pattern);
    }
}

static void a_miss_of_something_huge_is_cut(void **state)
{
    (void)state;
    json_t *form = json_object(), *event = json_object(), *alternatives = json_array();
    char name[PATTERN_TEXT];
    struct pattern_miss miss;

    memset(name, '/', sizeof name - 1);
    name[sizeof name - 1] = 0;
    for (int i = 0; i < PATTERN_ALTERNATIVES; i++)
        json_array_append_new(alternatives, json_string(name));
    json_object_set_new(form, name, json_pack("{s:{s:o}}", name, name, alternatives));
    json_object_set_new(event, name, json_pack("[[{s:s}]]", name, name));
    struct pattern *pattern = pattern_new(form, "", NULL, NULL);
    assert_non_null(pattern);
    assert_false(pattern_match(pattern, event, &miss));
    assert_true(strlen(miss.path) < sizeof miss.path);
    assert_true(strlen(miss.text) < sizeof miss.text);
    pattern_free(pattern);
    json_decref(form);
    json_decref(event);
}

/* --- one pattern and another --- */

static void wider_patterns_cover_narrower_ones(void **state)
{
    (void)state;
    static const struct {
        const char *wide, *narrow;
        bool covers;
    } cases[] = {
        {"{}", "{'a':['x']}", true},
        {"{}", "{}", true},
        {"{'a':['x']}", "{}", false},
        {"{'a':['x']}", "{'a':['x']}", true},
        {"{'a':['x','y']}", "{'a':['y']}", true},
        {"{'a':['y']}", "{'a':['x','y']}", false},
        {"{'a':['x']}", "{'a':['x'],'b':[1]}", true},
        {"{'a':['x'],'b':[1]}", "{'a':['x']}", false},
        {"{'a':{'b':[1,2]}}", "{'a':{'b':[1],'c':[2]},'d':[3]}", true},
        {"{'a':[{'exists':true}]}", "{'a':['x',{'prefix':'y'}]}", true},
        {"{'a':[{'exists':true}]}", "{'a':[{'exists':false}]}", false},
        {"{'a':[{'exists':false}]}", "{'a':[{'exists':false}]}", true},
        {"{'a':[{'prefix':'x'}]}", "{'a':[{'prefix':'x'}]}", true},
        {"{'a':[{'prefix':'x'}]}", "{'a':[{'suffix':'x'}]}", false},
        {"{'a':['x']}", "{'a':[{'prefix':'x'}]}", false},
        {"{'$or':[{'a':[1]},{'b':[1]}]}", "{'c':[1],'$or':[{'a':[1]},{'b':[1]}]}", true},
        {"{'$or':[{'a':[1]},{'b':[1]}]}", "{'a':[1]}", false}, /* true, and not seen field by field */
        {"{'a':[1]}", "{'$or':[{'a':[1]},{'b':[1]}]}", false},
        {"{'a':[1]}", "{'a':{'b':[1]}}", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pattern *wide = pattern_of(cases[i].wide), *narrow = pattern_of(cases[i].narrow);
        if (pattern_covers(wide, narrow) != cases[i].covers)
            fail_msg("%s and %s", cases[i].wide, cases[i].narrow);
        pattern_free(wide);
        pattern_free(narrow);
    }
}

static void a_pattern_knows_what_it_asks_for(void **state)
{
    (void)state;
    struct pattern *pattern = pattern_of("{'a':{'c':[1]},'$or':[{'b':[1]},{'$and':[{'d':[1]}]}]}");

    assert_true(pattern_asks(pattern, "a"));
    assert_true(pattern_asks(pattern, "b"));
    assert_true(pattern_asks(pattern, "d"));
    assert_false(pattern_asks(pattern, "c"));
    pattern_free(pattern);
}

/* --- the index --- */

enum { PATTERNS = 1000, EVENTS = 2000 };

/* The same numbers in every run: a failure can be looked at. */
static uint64_t seed = 7;
static size_t below(size_t limit)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(seed >> 33) % limit;
}

static json_t *random_value(void)
{
    static const char *const words[] = {"", "x", "y", "eu-west", "eu-east", "us", "a.pdf", "10.1.2.3"};
    switch (below(6)) {
    case 0:
        return json_integer((json_int_t)below(4));
    case 1:
        return json_real((double)below(8) / 2);
    case 2:
        return below(2) ? json_true() : below(2) ? json_false() : json_null();
    default:
        return json_string(words[below(COUNT(words))]);
    }
}

static json_t *random_test(void)
{
    static const char *const operations[] = {
        "{'prefix':'eu-'}",           "{'suffix':'.pdf'}",     "{'exists':true}",
        "{'exists':false}",           "{'wildcard':'e*t'}",    "{'numeric':['>',0,'<',3]}",
        "{'anything-but':['x']}",     "{'cidr':'10.0.0.0/8'}", "{'anything-but':{'prefix':'eu'}}",
        "{'equals-ignore-case':'US'}"};
    return below(4) ? random_value() : value_of(operations[below(COUNT(operations))]);
}

static const char *random_name(void)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    return names[below(COUNT(names))];
}

static json_t *random_pattern(size_t depth)
{
    json_t *fields = json_object();

    for (size_t i = 0, count = 1 + below(3); i < count; i++) {
        if (depth < 3 && below(8) == 0) {
            json_t *list = json_array();
            for (size_t k = 0, parts = 1 + below(3); k < parts; k++)
                json_array_append_new(list, random_pattern(depth + 1));
            json_object_set_new(fields, below(3) ? "$or" : "$and", list);
        } else if (depth < 3 && below(3) == 0) {
            json_object_set_new(fields, random_name(), random_pattern(depth + 1));
        } else {
            json_t *leaf = json_array();
            for (size_t k = 0, tests = 1 + below(2); k < tests; k++)
                json_array_append_new(leaf, random_test());
            json_object_set_new(fields, random_name(), leaf);
        }
    }
    return fields;
}

static json_t *random_event(size_t depth)
{
    json_t *value;

    if (depth > 3 || (depth && below(2)))
        return random_value();
    if (depth && below(4) == 0) {
        value = json_array();
        for (size_t i = 0, count = below(4); i < count; i++)
            json_array_append_new(value, random_event(depth + 1));
        return value;
    }
    value = json_object();
    for (size_t i = 0, count = below(6); i < count; i++)
        json_object_set_new(value, random_name(), random_event(depth + 1));
    return value;
}

/* What is said to cover must: a rule that is called unreachable must be it. */
static void what_covers_matches_all_that_is_covered(void **state)
{
    (void)state;
    enum { SOME = 400, LOOKS = 300 };
    static struct pattern *patterns[SOME];
    static bool matched[SOME][LOOKS];
    size_t covers = 0, both = 0;

    for (size_t i = 0; i < SOME; i++) {
        json_t *form = random_pattern(1);
        /* Every other one is made from the one before it, so that there is something to cover. */
        patterns[i] = pattern_new(form, "", NULL, NULL);
        if (i % 2 == 0 && i + 1 < SOME) {
            json_t *more = random_pattern(2);
            json_object_update_missing(form, more);
            patterns[++i] = pattern_new(form, "", NULL, NULL);
            json_decref(more);
        }
        json_decref(form);
    }
    for (size_t k = 0; k < LOOKS; k++) {
        json_t *event = random_event(0);
        for (size_t i = 0; i < SOME; i++)
            matched[i][k] = pattern_match(patterns[i], event, NULL);
        json_decref(event);
    }
    for (size_t wide = 0; wide < SOME; wide++) {
        for (size_t narrow = 0; narrow < SOME; narrow++) {
            if (wide == narrow || !pattern_covers(patterns[wide], patterns[narrow]))
                continue;
            covers++;
            for (size_t k = 0; k < LOOKS; k++) {
                both += matched[narrow][k];
                assert_true(matched[wide][k] || !matched[narrow][k]);
            }
        }
    }
    assert_true(covers >= SOME / 2);
    assert_true(both > LOOKS);
    for (size_t i = 0; i < SOME; i++)
        pattern_free(patterns[i]);
}

static bool is_set(const uint64_t *set, size_t number)
{
    return set[number / 64] >> number % 64 & 1;
}

/* Every pattern that matches is found, whatever the patterns and events look like. */
static void the_index_finds_what_asking_all_would_find(void **state)
{
    (void)state;
    static struct pattern *patterns[PATTERNS];
    size_t found = 0, matched = 0;

    for (size_t i = 0; i < PATTERNS; i++) {
        struct fault fault = {0};
        json_t *form = random_pattern(0);
        patterns[i] = pattern_new(form, "", NULL, &fault);
        if (!patterns[i])
            fail_msg("%s", fault.text);
        json_decref(form);
    }
    struct pattern_index *index = pattern_index_new((const struct pattern *const *)patterns, PATTERNS);
    for (size_t k = 0; k < EVENTS; k++) {
        uint64_t set[PATTERN_SET_WORDS(PATTERNS)] = {0};
        json_t *event = random_event(0);
        size_t candidates = pattern_index_find(index, event, set), counted = 0;
        for (size_t i = 0; i < PATTERNS; i++) {
            counted += is_set(set, i);
            if (pattern_match(patterns[i], event, NULL)) {
                matched++;
                if (!is_set(set, i))
                    fail_msg("event %zu: pattern %zu matches and was not found", k, i);
            }
        }
        assert_int_equal(candidates, counted);
        found += candidates;
        json_decref(event);
    }
    assert_true(matched > EVENTS);                      /* the test has something to find */
    assert_true(found < (size_t)PATTERNS * EVENTS / 2); /* and the index leaves most of it out */
    pattern_index_free(index);
    for (size_t i = 0; i < PATTERNS; i++)
        pattern_free(patterns[i]);
}

/* A rule for each customer, as they are in practice: the whole set costs an event one match. */
static void a_thousand_patterns_cost_few_matches(void **state)
{
    (void)state;
    static struct pattern *patterns[PATTERNS];
    size_t found = 0;
    char text[200];

    for (size_t i = 0; i < PATTERNS; i++) {
        snprintf(
            text, sizeof text,
            i % 2
                ? "{'data_type':['report'],'payload':{'customer':['c%zu']}}"
                : "{'data_type':['report'],'$or':[{'metadata':{'site':['c%zu']}},{'payload':{'n':[%zu.0]}}]}",
            i, i);
        patterns[i] = pattern_of(text);
    }
    struct pattern_index *index = pattern_index_new((const struct pattern *const *)patterns, PATTERNS);
    for (size_t i = 0; i < PATTERNS; i++) {
        uint64_t set[PATTERN_SET_WORDS(PATTERNS)] = {0};
        snprintf(text, sizeof text,
                 i % 2 ? "{'data_type':'report','metadata':{'site':'s'},'payload':{'customer':['z','c%zu']}}"
                       : "{'data_type':'report','payload':[{'customer':'y'},{'n':%zu}]}",
                 i);
        json_t *event = value_of(text);
        found += pattern_index_find(index, event, set);
        assert_true(is_set(set, i));
        assert_true(pattern_match(patterns[i], event, NULL));
        json_decref(event);
    }
    assert_int_equal(found, PATTERNS);
    uint64_t set[PATTERN_SET_WORDS(PATTERNS)] = {0};
    json_t *other = value_of("{'data_type':'report','payload':{'customer':'unknown'}}");
    assert_int_equal(pattern_index_find(index, other, set), 0);
    json_decref(other);
    pattern_index_free(index);
    for (size_t i = 0; i < PATTERNS; i++)
        pattern_free(patterns[i]);
}

static void patterns_without_values_are_always_candidates(void **state)
{
    (void)state;
    struct pattern *patterns[] = {pattern_of("{}"), pattern_of("{'a':[{'prefix':'x'}]}"),
                                  pattern_of("{'a':['x',{'prefix':'y'}]}"), pattern_of("{'a':['x']}")};
    struct pattern_index *index = pattern_index_new((const struct pattern *const *)patterns, COUNT(patterns));
    json_t *event = value_of("{'b':1}");
    uint64_t set[1] = {0};

    assert_int_equal(pattern_index_find(index, event, set), 3);
    assert_int_equal(set[0], 7);
    pattern_index_free(index);
    index = pattern_index_new(NULL, 0);
    assert_int_equal(pattern_index_find(index, event, set), 0);
    pattern_index_free(index);
    pattern_index_free(NULL);
    pattern_free(NULL);
    json_decref(event);
    for (size_t i = 0; i < COUNT(patterns); i++)
        pattern_free(patterns[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_match_by_type_and_value),
        cmocka_unit_test(numbers_are_compared_without_loss),
        cmocka_unit_test(ranges_have_open_and_closed_ends),
        cmocka_unit_test(texts_begin_and_end),
        cmocka_unit_test(case_is_ignored_in_many_alphabets),
        cmocka_unit_test(stars_stand_for_anything),
        cmocka_unit_test(wildcards_cost_no_more_than_the_text),
        cmocka_unit_test(looks_are_counted_and_end),
        cmocka_unit_test(fields_are_there_or_not),
        cmocka_unit_test(anything_but_wants_another_value_that_is_there),
        cmocka_unit_test(networks_have_addresses),
        cmocka_unit_test(all_fields_must_match_and_one_of_or),
        cmocka_unit_test(one_element_of_an_array_has_all_the_fields),
        cmocka_unit_test(mistakes_say_where_and_what_was_meant),
        cmocka_unit_test(patterns_have_ceilings),
        cmocka_unit_test(a_check_finds_all_mistakes),
        cmocka_unit_test(a_miss_tells_the_first_field_that_did_not_match),
        cmocka_unit_test(a_miss_of_something_huge_is_cut),
        cmocka_unit_test(wider_patterns_cover_narrower_ones),
        cmocka_unit_test(a_pattern_knows_what_it_asks_for),
        cmocka_unit_test(what_covers_matches_all_that_is_covered),
        cmocka_unit_test(the_index_finds_what_asking_all_would_find),
        cmocka_unit_test(a_thousand_patterns_cost_few_matches),
        cmocka_unit_test(patterns_without_values_are_always_candidates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
