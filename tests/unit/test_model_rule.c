/*
 * Rules: their form, every mistake in one run with its line, sets and their order, what they say of an event,
 * the explanation, and a thousand rules for the cost of few
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ceilings.h"
#include "clock.h"
#include "json.h"
#include "json_where.h"
#include "rules.h"
#include "xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Texts are written with ' for ". */
static char *quoted(const char *text)
{
    char *copy = xstrdup(text);
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

static json_t *value_of(const char *text)
{
    struct fault fault = {0};
    char *copy = quoted(text);
    json_t *value = json_read(copy, strlen(copy), &fault);
    if (!value)
        fail_msg("%s: %s", copy, fault.text);
    free(copy);
    return value;
}

/* "<origin>:<line>: <path>: <text>", a line each */
static void note(void *arg, const struct rules_mistake *mistake)
{
    buf_addf(arg, "%s:%zu: %s%s%s\n", mistake->origin, mistake->line, mistake->path,
             *mistake->path ? ": " : "", mistake->text);
}

/* Programs are "true", "false", anything with "bad" in it, or "fail". */
static int check_when(void *arg, const char *program, struct fault *fault)
{
    (void)arg;
    return strstr(program, "bad") ? fault_set(fault, FAULT_INPUT, "syntax error in %s", program) : 0;
}

static int run_when(void *arg, const char *program, const json_t *event, bool *holds, struct fault *fault)
{
    size_t *count = arg;
    (*count)++;
    assert_non_null(event);
    *holds = strcmp(program, "true") == 0;
    return strcmp(program, "fail") ? 0 : fault_set(fault, FAULT_INPUT, "cannot add null and a number");
}

static struct catalog *catalog(void)
{
    static const char forms[] =
        "[{\"name\":\"archive\",\"protocol\":\"null\"},{\"name\":\"hook\",\"protocol\":"
        "\"null\"},{\"name\":\"eu\",\"group\":[\"archive\",\"hook\"]}]";
    struct catalog *made = catalog_new();
    assert_int_equal(catalog_add(made, forms, sizeof forms - 1, NULL, "test", NULL), 0);
    return made;
}

static struct rules *make_of(const struct rules_source *sources, size_t count, struct buf *mistakes)
{
    struct catalog *known = catalog();
    const struct rule_checks checks = {.catalog = known, .when = check_when};
    struct rules *rules = rules_new(sources, count, &checks, note, mistakes);
    catalog_free(known);
    return rules;
}

static struct rules *make(const char *text)
{
    struct buf mistakes;
    char *copy = quoted(text);
    const struct rules_source source = {.origin = "r.json", .text = copy, .size = strlen(copy), .stem = "r"};

    buf_init(&mistakes, 100000);
    struct rules *rules = make_of(&source, 1, &mistakes);
    if (!rules)
        fail_msg("%s", mistakes.data);
    assert_int_equal(mistakes.len, 0);
    buf_release(&mistakes);
    free(copy);
    return rules;
}

/* Without any checks: names of targets are free. */
static struct rules *make_unchecked(const struct buf *text)
{
    const struct rules_source source = {.origin = "r.json", .text = text->data, .size = text->len};
    struct buf mistakes;

    buf_init(&mistakes, 100000);
    struct rules *rules = rules_new(&source, 1, NULL, note, &mistakes);
    if (!rules)
        fail_msg("%s", mistakes.data);
    buf_release(&mistakes);
    return rules;
}

static void expect_mistakes(const char *text, const char *expected)
{
    struct buf mistakes;
    char *copy = quoted(text);
    const struct rules_source source = {.origin = "r.json", .text = copy, .size = strlen(copy), .stem = "r"};

    buf_init(&mistakes, 100000);
    assert_null(make_of(&source, 1, &mistakes));
    assert_string_equal(mistakes.data, expected);
    buf_release(&mistakes);
    free(copy);
}

/* --- the form --- */

static void a_rule_has_all_its_parts(void **state)
{
    (void)state;
    struct rules *rules =
        make("{'name':'eu','description':{'any':1},'tenant':'acme','enabled':true,'priority':-5,"
             "'valid_from':'2026-01-01T00:00:00Z','valid_until':'2027-01-01T00:00:00+01:00',"
             "'match':{'data_type':['report']},'when':'true','to':['archive','eu'],'stop':true,"
             "'set':{'priority':'HIGH','options':{'retry_policy':'none','timeout':'5m'},'metadata':{'site':'"
             "x'}},'rendering':{'format':{'type':'csv'},'compress':'gzip'}}");
    const struct rule *rule = rules->items[0];

    assert_int_equal(rules->count, 1);
    assert_string_equal(rule->name, "eu");
    assert_string_equal(rule->tenant, "acme");
    assert_string_equal(rule->origin, "r.json");
    assert_true(rule->enabled);
    assert_true(rule->stop);
    assert_int_equal(rule->priority, -5);
    assert_true(rule->valid_until_us - rule->valid_from_us == (INT64_C(365) * 24 - 1) * 3600 * 1000000);
    assert_string_equal(rule->when, "true");
    assert_int_equal(rule->to_count, 2);
    assert_string_equal(rule->to[1], "eu");
    assert_string_equal(rule->set_priority, "high");
    assert_int_equal(json_object_size(rule->set_options), 2);
    assert_string_equal(json_string_value(json_object_get(rule->set_metadata, "site")), "x");
    assert_int_equal(json_object_size(rule->rendering), 2);
    assert_true(rules->ask_payload);
    rules_free(rules);
}

static void a_rule_needs_little(void **state)
{
    (void)state;
    struct rules *rules = make("{'to':['hook']}"), *none = make("[]");
    const struct rule *rule = rules->items[0];

    assert_string_equal(rule->name, "r"); /* that of the file */
    assert_null(rule->tenant);
    assert_null(rule->when);
    assert_true(rule->enabled);
    assert_false(rule->stop);
    assert_int_equal(rule->priority, 0);
    assert_false(rules->ask_payload);
    assert_int_equal(none->count, 0);
    rules_free(rules);
    rules_free(none);
    rules_free(NULL);
    rule_free(NULL);
}

static void the_payload_is_wanted_only_where_a_rule_looks_at_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool wanted;
    } cases[] = {
        {"{'match':{'data_type':['x'],'metadata':{'payload':['x']}},'to':['hook']}", false},
        {"{'match':{'payload':{'a':[1]}},'to':['hook']}", true},
        {"{'match':{'$or':[{'data_type':['x']},{'payload':{'a':[1]}}]},'to':['hook']}", true},
        {"{'when':'true','to':['hook']}", true},
        {"{'when':'true','to':['hook'],'enabled':false}", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rules *rules = make(cases[i].text);
        assert_int_equal(rules->ask_payload, cases[i].wanted);
        rules_free(rules);
    }
}

static void one_run_finds_every_mistake(void **state)
{
    (void)state;
    expect_mistakes(
        "[\n"
        "  {'name': 'a',\n"
        "   'prioritty': 5,\n"
        "   'stop': 'yes',\n"
        "   'priority': 'high',\n"
        "   'match': {'payload': {'amount': [1,\n"
        "                                    {'gte': 5}]},\n"
        "             'tenant': ['acme']},\n"
        "   'when': 'bad |',\n"
        "   'set': {'priority': 'urgent',\n"
        "           'options': {'retries': 5,\n"
        "                       'timeout': 0}},\n"
        "   'to': ['archive', 'hok',\n"
        "          'archive', 7]},\n"
        "  {'name': 'b', 'valid_until': '2026-01-01T00:00:00Z', 'to': ['hook'],\n"
        "   'valid_from': '2026-01-01T00:00:00Z'},\n"
        "  {'name': 'c'},\n"
        "  {'to': ['hook']},\n"
        "  {'name': '-', 'to': ['hook']},\n"
        "  'd',\n"
        "  {'name': 'e', 'to': [], 'set': {}, 'stop': false}\n"
        "]\n",
        "r.json:3: /0/prioritty: unknown member 'prioritty'; did you mean 'priority'?\n"
        "r.json:4: /0/stop: true or false is wanted, not \"yes\"\n"
        "r.json:5: /0/priority: a whole number from -1000000 to 1000000 is wanted, not \"high\"\n"
        "r.json:7: /0/match/payload/amount/1: unknown operator 'gte'; did you mean 'numeric'?\n"
        "r.json:8: /0/match/tenant: no event has this field; did you mean 'tenant_id'?\n"
        "r.json:10: /0/set/priority: \"high\", \"normal\" or \"low\" is wanted, not \"urgent\"\n"
        "r.json:11: /0/set/options/retries: unknown member 'retries'\n"
        "r.json:12: /0/set/options/timeout: a number of seconds or a duration as \"1m30s\" from 1s to "
        "30d is wanted, not 0\n"
        "r.json:13: /0/to/1: no destination or group is named 'hok'; did you mean 'hook'?\n"
        "r.json:14: /0/to/2: 'archive' is there twice\n"
        "r.json:14: /0/to/3: the name of a destination or a group is wanted\n"
        "r.json:9: /0/when: syntax error in bad |\n"
        "r.json:15: /1/valid_until: it is not after valid_from: the rule is never in force\n"
        "r.json:17: /2: the rule does nothing: it has no 'to', no 'set' and no 'stop'\n"
        "r.json:18: /3: 'name' is missing\n"
        "r.json:19: /4/name: a name of 1 to 100 letters, digits, '.', '_' and '-' is wanted, not \"-\"\n"
        "r.json:20: /5: an object is wanted\n"
        "r.json:21: /6: the rule does nothing: it has no 'to', no 'set' and no 'stop'\n");
}

static void a_rendering_is_looked_at_whole(void **state)
{
    (void)state;
    expect_mistakes("[\n"
                    "  {'name': 'a', 'to': ['hook'],\n"
                    "   'rendering': {'input': 'cvs',\n"
                    "                 'transform': {},\n"
                    "                 'format': {'type': 'csv',\n"
                    "                            'header': 'no'}}},\n"
                    "  {'name': 'b', 'stop': true,\n"
                    "   'rendering': {'format': 'csv'}}\n"
                    "]\n",
                    "r.json:3: /0/rendering/input: there is no input 'cvs'; did you mean 'csv'?\n"
                    "r.json:4: /0/rendering/transform: either 'program' or 'file' is wanted\n"
                    "r.json:6: /0/rendering/format/header: true or false is wanted, not \"no\"\n"
                    "r.json:8: /1/rendering: the rule has no 'to', and so no deliveries to render\n");
}

static void all_files_are_looked_at(void **state)
{
    (void)state;
    static const struct {
        const char *origin, *text, *stem, *tenant;
    } files[] = {
        {"a.json", "{'to':\n['hook'],}", "a", NULL},
        {"b.json", "{'to':['hook']}", "b", NULL},
        {"c.json", "{'to':5}", "c", NULL},
        {"d.json", "\n[{'to':['eu'],'name':'b'}]", NULL, NULL},
        {"e.json", "{'to':['eu']}", "-e", NULL},
        {"f.json", "5", "f", NULL},
        {"db", "{'to':['eu'],'name':'b','tenant':'globex'}", NULL, "acme"},
        {"db", "{'to':['eu'],'name':'b'}", NULL, "acme"},
    };
    struct rules_source sources[COUNT(files)];
    char *texts[COUNT(files)];
    struct buf mistakes;

    for (size_t i = 0; i < COUNT(files); i++) {
        texts[i] = quoted(files[i].text);
        sources[i] = (struct rules_source){.origin = files[i].origin,
                                           .text = texts[i],
                                           .size = strlen(texts[i]),
                                           .stem = files[i].stem,
                                           .tenant = files[i].tenant};
    }
    buf_init(&mistakes, 10000);
    assert_null(make_of(sources, COUNT(sources), &mistakes));
    assert_string_equal(
        mistakes.data,
        "a.json:2: column 10: a key in double quotes is wanted, not '}'\n"
        "c.json:1: /to: an array of 0 to 1000 elements is wanted, not 5\n"
        "e.json:1: a name of letters, digits, '.', '_' and '-' is wanted for the rule of this file\n"
        "f.json:1: an object is wanted\n"
        "db:1: /tenant: these are rules of tenant 'acme', and 'globex' is another one\n"
        "d.json:2: /0: the name 'b' is defined in b.json already, in line 1\n");
    buf_release(&mistakes);
    for (size_t i = 0; i < COUNT(files); i++)
        free(texts[i]);
}

static void so_many_mistakes_are_told_and_no_more(void **state)
{
    (void)state;
    struct buf text, mistakes;
    size_t lines = 0;

    buf_init(&text, 1000000);
    buf_init(&mistakes, 1000000);
    buf_adds(&text, "[5");
    for (int i = 1; i < RULES_MISTAKES_MAX + 10; i++)
        buf_adds(&text, ",\n5");
    buf_adds(&text, "]");
    const struct rules_source source = {.origin = "r.json", .text = text.data, .size = text.len};
    assert_null(make_of(&source, 1, &mistakes));
    for (const char *c = mistakes.data; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, RULES_MISTAKES_MAX);
    assert_non_null(strstr(mistakes.data, "r.json:999: /998: an object is wanted\n"
                                          "r.json:1000: /999: there are more mistakes, from here on\n"));
    buf_release(&text);
    buf_release(&mistakes);
}

static void a_name_is_there_once_for_each_tenant(void **state)
{
    (void)state;
    struct rules *rules = make("[{'name':'a','to':['hook']},{'name':'a','tenant':'t','to':['hook']},"
                               "{'name':'a','tenant':'u','to':['hook']}]");
    assert_null(rules->items[0]->tenant);
    assert_string_equal(rules->items[1]->tenant, "t");
    rules_free(rules);
    expect_mistakes("[{'name':'a','tenant':'t','to':['hook']},\n{'name':'a','tenant':'t','to':['eu']}]",
                    "r.json:2: /1: the name 'a' is defined in r.json already, in line 1\n");
}

static void a_set_has_a_ceiling(void **state)
{
    (void)state;
    struct buf text, mistakes;

    buf_init(&text, 10000000);
    buf_init(&mistakes, 10000);
    buf_addc(&text, '[');
    for (int i = 0; i < RULES_MAX; i++)
        buf_addf(&text, "%s{\"name\":\"r%d\",\"to\":[\"hook\"]}", i ? "," : "", i);
    size_t most = text.len;
    buf_adds(&text, "]");
    struct rules_source source = {.origin = "r.json", .text = text.data, .size = text.len};
    struct rules *rules = make_of(&source, 1, &mistakes);
    assert_non_null(rules);
    assert_int_equal(rules->count, RULES_MAX);
    rules_free(rules);
    buf_cut(&text, most);
    buf_adds(&text, ",\n{\"name\":\"x\",\"to\":[\"hook\"]},{\"name\":\"y\",\"to\":[\"hook\"]}]");
    source = (struct rules_source){.origin = "r.json", .text = text.data, .size = text.len};
    assert_null(make_of(&source, 1, &mistakes));
    assert_string_equal(mistakes.data, "r.json:2: /10000: there are more than 10000 rules\n");
    buf_release(&text);
    buf_release(&mistakes);
}

static void rules_that_are_never_reached_are_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *first, *later; /* members of the rules "first", which stops, and "later" */
        bool hidden;
    } cases[] = {
        {"'priority':1", "'priority':0", true},
        {"'priority':0", "'priority':1", false},
        {"'match':{'data_type':['x','y']}", "'match':{'data_type':['x'],'metadata':{'a':[1]}}", true},
        {"'match':{'data_type':['x']}", "'match':{'data_type':['x']}", true},
        {"'match':{'data_type':['x']}", "'match':{'data_type':['y']}", false},
        {"'match':{'data_type':['x']}", "'priority':0", false},
        {"'match':{'data_type':['x']},'when':'true'", "'match':{'data_type':['x']}", false},
        {"'priority':1", "'when':'true'", true},
        {"'priority':1", "'tenant':'t'", true},
        {"'tenant':'t'", "'tenant':'t'", true},
        {"'tenant':'t'", "'tenant':'u'", false},
        {"'tenant':'t'", "'priority':0", false},
        {"'enabled':false", "'priority':0", false},
        {"'priority':1", "'enabled':false", false},
        {"'valid_from':'2026-01-01T00:00:00Z'", "'priority':0", false},
        {"'valid_until':'2026-01-01T00:00:00Z'", "'priority':0", false},
        {"'valid_from':'2026-01-01T00:00:00Z','valid_until':'2026-06-01T00:00:00Z'",
         "'valid_from':'2026-02-01T00:00:00Z','valid_until':'2026-06-01T00:00:00Z'", true},
        {"'valid_from':'2026-01-01T00:00:00Z','valid_until':'2026-06-01T00:00:00Z'",
         "'valid_from':'2026-02-01T00:00:00Z','valid_until':'2026-06-01T00:00:01Z'", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text =
            xasprintf("[{'name':'later','to':['hook'],%s},\n{'name':'first','stop':true,'to':['eu'],%s}]",
                      cases[i].later, cases[i].first);
        if (cases[i].hidden) {
            expect_mistakes(text,
                            "r.json:1: /0: rule 'later' is never reached: 'first' in r.json is asked before "
                            "it, matches all that it matches, and stops\n");
        } else {
            struct rules *rules = make(text);
            assert_int_equal(rules->count, 2);
            rules_free(rules);
        }
        free(text);
    }
}

/* --- asking --- */

struct asked {
    struct decision decision;
    json_t *event;
    size_t whens;
};

static struct asked ask_at(const struct rules *rules, const char *event, const char *tenant, int64_t now_us,
                           bool explain)
{
    struct asked asked = {.event = value_of(event)};
    struct fault fault = {0};
    const struct rules_question question = {.event = asked.event,
                                            .tenant = tenant,
                                            .now_us = now_us,
                                            .when = run_when,
                                            .when_arg = &asked.whens,
                                            .explain = explain};

    if (rules_apply(rules, &question, &asked.decision, &fault))
        fail_msg("%s", fault.text);
    return asked;
}

static struct asked ask(const struct rules *rules, const char *event, const char *tenant, bool explain)
{
    return ask_at(rules, event, tenant, 1000000, explain);
}

static void asked_release(struct asked *asked)
{
    decision_release(&asked->decision);
    json_decref(asked->event);
}

/* "a:hook b:eu" */
static void expect_targets(const struct decision *decision, const char *expected)
{
    struct buf text;

    buf_init(&text, 100000);
    for (size_t i = 0; i < decision->target_count; i++)
        buf_addf(&text, "%s%s:%s", i ? " " : "", decision->targets[i].rule->name, decision->targets[i].name);
    assert_string_equal(text.data, expected);
    buf_release(&text);
}

static void expect_steps(const struct decision *decision, const char *expected)
{
    struct buf text;

    buf_init(&text, 100000);
    for (size_t i = 0; i < decision->step_count; i++) {
        const struct decision_step *step = &decision->steps[i];
        buf_addf(&text, "%s %s%s%s%s%s\n", step->rule->name, rule_look_names[step->look],
                 step->path ? " " : "", step->path ? step->path : "", step->text ? ": " : "",
                 step->text ? step->text : "");
    }
    assert_string_equal(text.data, expected);
    buf_release(&text);
}

static void rules_are_asked_by_priority_then_name(void **state)
{
    (void)state;
    struct rules *rules = make("[{'name':'b','to':['hook']},{'name':'a','tenant':'t','to':['archive']},"
                               "{'name':'a','to':['hook','archive']},{'name':'z','priority':5,'to':['eu']},"
                               "{'name':'0','priority':-5,'to':['eu','hook']}]");
    struct asked asked = ask(rules, "{}", "t", true);

    expect_targets(&asked.decision, "z:eu a:hook a:archive");
    expect_steps(&asked.decision, "z matched: to eu\n"
                                  "a matched: to hook; to archive\n"
                                  "a matched: to archive, as 'a' said already\n"
                                  "b matched: to hook, as 'a' said already\n"
                                  "0 matched: to eu, as 'z' said already; to hook, as 'a' said already\n");
    assert_int_equal(asked.decision.matched, 5);
    assert_null(asked.decision.stopped_by);
    asked_release(&asked);
    rules_free(rules);
}

static void a_rule_that_stops_is_the_last(void **state)
{
    (void)state;
    struct rules *rules =
        make("[{'name':'a','priority':3,'match':{'data_type':['x']},'stop':true},"
             "{'name':'b','priority':2,'match':{'data_type':['y']},'to':['hook'],'stop':true},"
             "{'name':'c','priority':1,'to':['archive']}]");
    struct asked asked = ask(rules, "{'data_type':'x'}", "t", true);

    expect_targets(&asked.decision, "");
    assert_string_equal(asked.decision.stopped_by->name, "a");
    expect_steps(&asked.decision, "a matched: stops\nb stopped: 'a' stopped\nc stopped: 'a' stopped\n");
    asked_release(&asked);
    asked = ask(rules, "{'data_type':'y'}", "t", false);
    expect_targets(&asked.decision, "b:hook");
    expect_steps(&asked.decision, "b matched: to hook; stops\n");
    asked_release(&asked);
    asked = ask(rules, "{'data_type':'z'}", "t", false);
    expect_targets(&asked.decision, "c:archive");
    assert_null(asked.decision.stopped_by);
    asked_release(&asked);
    rules_free(rules);
}

static void the_first_to_set_a_member_decides(void **state)
{
    (void)state;
    struct rules *rules = make("[{'name':'a','priority':2,'set':{'priority':'low','metadata':{'x':1,'y':null}"
                               ",'options':{'timeout':5}}},"
                               "{'name':'b','priority':1,'set':{'priority':'high','metadata':{'x':2,'z':3},"
                               "'options':{'retry_policy':'none','timeout':'1m'}}}]");
    struct asked asked = ask(rules, "{}", "t", true);
    char *metadata = json_text(asked.decision.metadata), *options = json_text(asked.decision.options);

    assert_string_equal(asked.decision.priority, "low");
    assert_string_equal(metadata, "{\"x\":1,\"y\":null,\"z\":3}");
    assert_string_equal(options, "{\"timeout\":5,\"retry_policy\":\"none\"}");
    assert_string_equal(json_string_value(json_object_get(asked.decision.set_by, "metadata.z")), "b");
    expect_steps(
        &asked.decision,
        "a matched: sets priority; sets options.timeout; sets metadata.x; sets metadata.y\n"
        "b matched: priority is left as 'a' set it; sets options.retry_policy; options.timeout is left as "
        "'a' set it; metadata.x is left as 'a' set it; sets metadata.z\n");
    free(metadata);
    free(options);
    asked_release(&asked);
    rules_free(rules);
    rules = make("{'to':['hook'],'set':{'metadata':{}}}");
    asked = ask(rules, "{}", "t", true);
    assert_null(asked.decision.priority);
    assert_null(asked.decision.options);
    assert_null(asked.decision.metadata);
    asked_release(&asked);
    rules_free(rules);
}

static void the_explanation_says_why_not(void **state)
{
    (void)state;
    struct rules *rules =
        make("[{'name':'1','priority':9,'enabled':false,'to':['hook']},"
             "{'name':'2','priority':8,'tenant':'u','to':['hook']},"
             "{'name':'3','priority':7,'valid_from':'2026-01-01T00:00:00Z','to':['hook']},"
             "{'name':'4','priority':6,'valid_until':'1970-01-01T00:00:01Z','to':['hook']},"
             "{'name':'5','priority':5,'match':{'data_type':['x'],'payload':{'n':[5]}},'to':['hook']},"
             "{'name':'6','priority':4,'when':'false','to':['hook']},"
             "{'name':'7','priority':3,'when':'fail','to':['hook']},"
             "{'name':'8','priority':2,'when':'true','to':['eu']},"
             "{'name':'9','priority':1,'match':{'data_type':['y']},'when':'true','to':['hook']}]");
    static const char event[] = "{'data_type':'x','payload':{'n':4}}";
    struct asked asked = ask(rules, event, "t", true);

    expect_targets(&asked.decision, "8:eu");
    expect_steps(&asked.decision, "1 disabled\n"
                                  "2 other_tenant: of tenant 'u'\n"
                                  "3 not_yet: in force from 2026-01-01T00:00:00Z\n"
                                  "4 no_more: in force until 1970-01-01T00:00:01Z\n"
                                  "5 missed /payload/n: 4 does not match [5]\n"
                                  "6 when_false\n"
                                  "7 when_failed: cannot add null and a number\n"
                                  "8 matched: to eu\n"
                                  "9 missed /data_type: \"x\" does not match [\"y\"]\n");
    assert_int_equal(asked.whens, 3); /* of those that matched alone */
    asked_release(&asked);
    asked = ask(rules, event, "t", false);
    expect_targets(&asked.decision, "8:eu");
    expect_steps(&asked.decision, "7 when_failed: cannot add null and a number\n8 matched: to eu\n");
    asked_release(&asked);
    rules_free(rules);
}

static void rules_are_in_force_from_until(void **state)
{
    (void)state;
    struct rules *rules =
        make("{'valid_from':'2026-01-01T00:00:00Z','valid_until':'2026-01-01T00:00:01Z','to':['hook']}");
    int64_t from_us;

    assert_int_equal(clock_parse("2026-01-01T00:00:00Z", &from_us, NULL), 0);
    static const struct {
        int64_t after_us;
        bool in_force;
    } cases[] = {{-1, false}, {0, true}, {999999, true}, {1000000, false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct asked asked = ask_at(rules, "{}", "t", from_us + cases[i].after_us, false);
        assert_int_equal(asked.decision.target_count, cases[i].in_force);
        asked_release(&asked);
    }
    rules_free(rules);
}

static void without_somebody_who_runs_it_when_fails(void **state)
{
    (void)state;
    struct rules *rules = make("{'when':'true','to':['hook']}");
    json_t *event = json_object();
    const struct rules_question question = {.event = event, .tenant = "t"};
    struct decision decision;

    assert_int_equal(rules_apply(rules, &question, &decision, NULL), 0);
    expect_targets(&decision, "");
    expect_steps(&decision, "r when_failed: nothing is here to run 'when'\n");
    decision_release(&decision);
    json_decref(event);
    rules_free(rules);
}

/* Each rule keeps to its own ceiling, and the sum does not. */
static void what_all_rules_say_has_a_ceiling(void **state)
{
    (void)state;
    struct buf text;
    struct fault fault = {0};
    struct decision decision;
    json_t *event = json_object();
    const struct rules_question question = {.event = event, .tenant = "t"};

    buf_init(&text, 10000000);
    buf_adds(&text, "[");
    for (int i = 0; i <= LIMIT_TARGETS; i++)
        buf_addf(&text, "%s{\"name\":\"r%d\",\"to\":[\"t%d\"]}", i ? "," : "", i, i);
    buf_adds(&text, "]");
    struct rules *rules = make_unchecked(&text);
    assert_int_equal(rules_apply(rules, &question, &decision, &fault), -1);
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_non_null(strstr(fault.text, "the rules that match name more than 1000 targets"));
    decision_release(&decision);
    rules_free(rules);

    buf_clear(&text);
    buf_addf(&text,
             "[{\"name\":\"a\",\"set\":{\"metadata\":{\"a\":\"%40000d\"}}},"
             "{\"name\":\"b\",\"set\":{\"metadata\":{\"b\":\"%40000d\"}}}]",
             0, 0);
    rules = make_unchecked(&text);
    assert_int_equal(rules_apply(rules, &question, &decision, &fault), -1);
    assert_non_null(strstr(fault.text, "the metadata that the matching rules set: "));
    decision_release(&decision);
    rules_free(rules);
    buf_release(&text);
    json_decref(event);
}

static void metadata_of_one_rule_has_a_ceiling(void **state)
{
    (void)state;
    char *text = xasprintf("{'set':{'metadata':{'a':'%*d'}}}", LIMIT_METADATA, 0);

    expect_mistakes(text,
                    "r.json:1: /set/metadata: metadata: 65544 bytes are more than the limit of 65536\n");
    free(text);
}

/* A tenant's own rules and reports cannot hold up those of the others. */
static void an_event_that_is_too_much_for_its_rules_ends(void **state)
{
    (void)state;
    enum { ELEMENTS = 30, SIZE = 4 * 1024 * 1024, ALTERNATIVES = 250 };
    struct buf text;
    struct fault fault = {0};
    struct decision decision;
    json_t *elements = json_array();
    const struct rules_question question = {.event = json_pack("{s:{s:o}}", "payload", "a", elements),
                                            .tenant = "t"};

    buf_init(&text, 1000000);
    buf_adds(&text, "{\"name\":\"a\",\"to\":[\"hook\"],\"match\":{\"payload\":{\"a\":[{\"prefix\":\"x\"}");
    for (int i = 1; i < ALTERNATIVES; i++)
        buf_addf(&text, ",%d", i);
    buf_adds(&text, "]}}}");
    struct rules *rules = make_unchecked(&text);
    char *long_text = xmalloc(SIZE + 1);
    memset(long_text, 'y', SIZE);
    long_text[SIZE] = 0;
    json_t *element = json_string(long_text);
    for (int i = 0; i < ELEMENTS; i++)
        json_array_append(elements, element);
    assert_int_equal(rules_apply(rules, &question, &decision, &fault), -1);
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_string_equal(fault.text,
                        "there is too much in the distribution for its rules to look at; rule 'a' was "
                        "not done");
    decision_release(&decision);
    rules_free(rules);
    buf_release(&text);
    json_decref((json_t *)question.event);
    json_decref(element);
    free(long_text);
}

/* The quick way and the way that explains decide the same, and the quick one asks few. */
static void a_thousand_rules_cost_little_more_than_ten(void **state)
{
    (void)state;
    enum { RULES = 1000, TENANTS = 20 };
    struct buf text;
    size_t asked_patterns = 0, matched = 0;

    buf_init(&text, 10000000);
    buf_adds(&text, "[{\"name\":\"all\",\"match\":{\"priority\":[\"high\"]},\"to\":[\"hook\"]}");
    for (int i = 0; i < RULES; i++) {
        buf_addf(&text,
                 ",{\"name\":\"r%d\",\"priority\":%d,\"to\":[\"eu\",\"%s\"],%s"
                 "\"match\":{\"data_type\":[\"report\"],\"payload\":{\"customer\":[\"c%d\"]}}",
                 i, i % 7, i % 2 ? "hook" : "archive", i % 5 ? "" : "\"stop\":true,\"when\":\"true\",",
                 i % 500);
        if (i % 3 == 0)
            buf_addf(&text, ",\"tenant\":\"t%d\"", i % TENANTS);
        buf_adds(&text, "}");
    }
    buf_adds(&text, "]");
    struct rules *rules = make_unchecked(&text);
    for (int i = 0; i < RULES; i += 7) {
        char event[200], tenant[20];
        snprintf(event, sizeof event, "{'data_type':'report','priority':'%s','payload':{'customer':'c%d'}}",
                 i % 4 ? "low" : "high", i % 600);
        snprintf(tenant, sizeof tenant, "t%d", i % (TENANTS + 2));
        struct asked quick = ask(rules, event, tenant, false), slow = ask(rules, event, tenant, true);
        assert_int_equal(quick.decision.matched, slow.decision.matched);
        assert_ptr_equal(quick.decision.stopped_by, slow.decision.stopped_by);
        assert_int_equal(quick.decision.target_count, slow.decision.target_count);
        for (size_t k = 0; k < quick.decision.target_count; k++) {
            assert_string_equal(quick.decision.targets[k].name, slow.decision.targets[k].name);
            assert_ptr_equal(quick.decision.targets[k].rule, slow.decision.targets[k].rule);
        }
        assert_int_equal(slow.decision.step_count, rules->count);
        asked_patterns += quick.decision.patterns_asked;
        matched += quick.decision.matched;
        asked_release(&quick);
        asked_release(&slow);
    }
    assert_true(matched > RULES / 10);
    assert_int_equal(asked_patterns, matched); /* no pattern was asked in vain */
    rules_free(rules);
    buf_release(&text);
}

/* --- events --- */

static struct job *job_of(const char *content_type, const char *body)
{
    struct job *job = job_new();
    job->distribution_id = xstrdup("d-1");
    job->tenant_id = xstrdup("acme");
    job->data_type = xstrdup("report");
    job->content_type = xstrdup(content_type);
    job->submitted_at_us = INT64_C(1767225600000000);
    assert_int_equal(job_set_body(job, "", body, strlen(body), 1000, NULL), 0);
    json_object_set_new(job->metadata, "site", json_string("x"));
    json_t *destinations =
        value_of("['hook',{'name':'own','protocol':'REST','headers':{'Authorization':'secret'}}]");
    assert_int_equal(job_set_destinations(job, destinations, "", NULL), 0);
    json_decref(destinations);
    return job;
}

static char *event_text(struct job *job, bool with_payload)
{
    json_t *event = rule_event(job, with_payload);
    json_object_del(event, "id");
    char *text = json_text(event);
    const char *name;
    json_t *value;

    json_object_foreach (event, name, value) {
        size_t i = 0;
        while (rule_event_members[i] && strcmp(rule_event_members[i], name))
            i++;
        assert_non_null(rule_event_members[i]);
    }
    json_decref(event);
    job_unref(job);
    return text;
}

static void an_event_is_the_distribution_as_rules_see_it(void **state)
{
    (void)state;
    static const char head[] =
        "{\"distribution_id\":\"d-1\",\"tenant_id\":\"acme\",\"data_type\":\"report\",\"priority\":"
        "\"normal\","
        "\"submitted_at\":\"2026-01-01T00:00:00Z\",\"metadata\":{\"site\":\"x\"},\"content_type\":\"%s\","
        "\"destinations\":[\"hook\",\"own\"],\"payload_size\":%zu%s}";
    static const struct {
        const char *type, *body;
        bool with;
        const char *payload;
    } cases[] = {
        {"application/json", "{\"a\": [1]}", true, ",\"payload\":{\"a\":[1]}"},
        {"application/vnd.x+json", "5", true, ",\"payload\":5"},
        {"application/json", "{\"a\":[1]}", false, ""},
        {"application/json", "{\"a\":", true, ""},
        {"application/json", "123456789012345678901", true, ",\"payload\":1.23456789012346e+20"},
        {"application/json", "1e999", true, ""},
        {"text/csv", "5", true, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = event_text(job_of(cases[i].type, cases[i].body), cases[i].with);
        char *expected = xasprintf(head, cases[i].type, strlen(cases[i].body), cases[i].payload);
        if (!strstr(cases[i].body, "123456"))
            assert_string_equal(text, expected);
        else
            assert_non_null(strstr(text, "\"payload\":1.2345678901234568e+20"));
        free(expected);
        free(text);
    }
}

static void lines_are_found_by_pointers(void **state)
{
    (void)state;
    static const char text[] =
        "\n{\n\"a\" : [ 1.5e3,\n\"x\\\"]\",\n{\"b/~\\u0041\":\nnull,\n\"c\":{}}],\n\"d\":true\n}\n";
    static const struct {
        const char *pointer;
        size_t line;
    } cases[] = {{"", 2},       {"/a", 3},           {"/a/0", 3},
                 {"/a/1", 4},   {"/a/2", 5},         {"/a/2/b~1~0A", 5},
                 {"/a/2/c", 7}, {"/d", 8},           {"/e", 2},
                 {"/a/3", 3},   {"/d/x", 8},         {"/a/x", 3},
                 {"/a/2/b", 5}, {"/a/2/b~1~0AB", 5}, {"/a/99999999999999999999999", 3},
                 {"x", 2}};
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(json_where(text, sizeof text - 1, cases[i].pointer), cases[i].line);
    assert_int_equal(json_where("5", 1, "/a"), 1);
    assert_int_equal(json_where("[]", 2, "/0"), 1);
}

/* --- the page --- */

/* The next literal block of the page's examples, its escapes undone, or NULL. *at moves behind it. */
static char *next_block(const char **at)
{
    static const char begin[] = ".Bd -literal -offset indent\n", end[] = "\n.Ed\n";
    const char *from = strstr(*at, begin), *to = from ? strstr(from, end) : NULL;

    if (!to)
        return NULL;
    from += sizeof begin - 1;
    assert_null(memchr(from, '\\', (size_t)(to - from))); /* so nothing has to be undone */
    *at = to + sizeof end - 1;
    return xmemdupz(from, (size_t)(to - from));
}

static char *read_page(void)
{
    FILE *file = fopen("man/dist-rules.5", "r");
    char *page = xcalloc(1, 100000);

    assert_non_null(file);
    assert_in_range(fread(page, 1, 99999, file), 1, 99998);
    fclose(file);
    return page;
}

/* Of the examples, an array is a set of rules, an object an event, and words are where it goes. */
static void the_examples_of_the_page_do_what_it_says(void **state)
{
    (void)state;
    char *page = read_page(), *block;
    const char *at = strstr(page, ".Sh EXAMPLES\n");
    struct rules *rules = NULL;
    struct asked asked = {0};
    size_t checked = 0;

    assert_non_null(at);
    while ((block = next_block(&at))) {
        if (*block == '[') {
            rules_free(rules);
            rules = make_unchecked(&(struct buf){.data = block, .len = strlen(block)});
        } else if (*block == '{') {
            asked_release(&asked);
            asked = ask(rules, block, "acme", false);
        } else {
            struct buf text;
            buf_init(&text, 1000);
            for (size_t i = 0; i < asked.decision.target_count; i++)
                buf_addf(&text, "%s%s", i ? " " : "", asked.decision.targets[i].name);
            assert_string_equal(text.len ? text.data : "(nowhere)", block);
            buf_release(&text);
            checked++;
        }
        free(block);
    }
    assert_int_equal(checked, 4);
    asked_release(&asked);
    rules_free(rules);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_has_all_its_parts),
        cmocka_unit_test(a_rule_needs_little),
        cmocka_unit_test(the_payload_is_wanted_only_where_a_rule_looks_at_it),
        cmocka_unit_test(one_run_finds_every_mistake),
        cmocka_unit_test(a_rendering_is_looked_at_whole),
        cmocka_unit_test(all_files_are_looked_at),
        cmocka_unit_test(so_many_mistakes_are_told_and_no_more),
        cmocka_unit_test(a_name_is_there_once_for_each_tenant),
        cmocka_unit_test(a_set_has_a_ceiling),
        cmocka_unit_test(rules_that_are_never_reached_are_mistakes),
        cmocka_unit_test(rules_are_asked_by_priority_then_name),
        cmocka_unit_test(a_rule_that_stops_is_the_last),
        cmocka_unit_test(the_first_to_set_a_member_decides),
        cmocka_unit_test(the_explanation_says_why_not),
        cmocka_unit_test(rules_are_in_force_from_until),
        cmocka_unit_test(without_somebody_who_runs_it_when_fails),
        cmocka_unit_test(what_all_rules_say_has_a_ceiling),
        cmocka_unit_test(metadata_of_one_rule_has_a_ceiling),
        cmocka_unit_test(an_event_that_is_too_much_for_its_rules_ends),
        cmocka_unit_test(a_thousand_rules_cost_little_more_than_ten),
        cmocka_unit_test(an_event_is_the_distribution_as_rules_see_it),
        cmocka_unit_test(lines_are_found_by_pointers),
        cmocka_unit_test(the_examples_of_the_page_do_what_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
