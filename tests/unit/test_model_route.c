/*
 * Routing by rules: what becomes of the request's targets, what rules set, groups and the health of their
 * members, tenants, and the explanation
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "ceilings.h"
#include "json.h"
#include "route.h"
#include "route_explain.h"
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

static struct catalog *sample_catalog(void)
{
    char *forms = quoted("[{'name':'a','protocol':'null'},{'name':'b','protocol':'null'},"
                         "{'name':'c','protocol':'null'},{'name':'off','protocol':'null','disabled':true},"
                         "{'name':'vip','protocol':'null','tenants':['rich','acme2']},"
                         "{'name':'g','group':['a','b','c']},"
                         "{'name':'turns','group':['a','b','c'],'policy':'round_robin'},"
                         "{'name':'least','group':['a','b','c'],'policy':'least_outstanding'},"
                         "{'name':'hash','group':['a','b','c'],'policy':'consistent_hash','hash_on':'.key'},"
                         "{'name':'short','group':['a','b'],'max_queue':10},"
                         "{'name':'mixed','group':['off','vip','a']},{'name':'vips','group':['vip']},"
                         "{'name':'offs','group':['off']}]");
    struct catalog *catalog = catalog_new();
    struct fault fault = {0};

    if (catalog_add(catalog, forms, strlen(forms), NULL, "test.json", &fault) ||
        catalog_check(catalog, &fault))
        fail_msg("%s", fault.text);
    free(forms);
    return catalog;
}

static void no_mistake(void *arg, const struct rules_mistake *mistake)
{
    (void)arg;
    fail_msg("%s: %s", mistake->path, mistake->text);
}

static struct rules *rules_of(const char *text)
{
    char *copy = quoted(text);
    const struct rules_source source = {.origin = "r.json", .text = copy, .size = strlen(copy)};
    struct rules *rules = rules_new(&source, 1, NULL, no_mistake, NULL);

    free(copy);
    return rules;
}

static struct job *job_to(const char *destinations)
{
    char *text = quoted(destinations);
    json_t *array = json_loads(text, 0, NULL);
    struct job *job = job_new();
    struct fault fault = {0};

    job->distribution_id = xstrdup("d-1");
    job->tenant_id = xstrdup("acme");
    job->data_type = xstrdup("report");
    job->content_type = xstrdup("application/json");
    job->body = xstrdup("{\"total\":7}");
    job->body_size = strlen(job->body);
    job->submitted_at_us = 1000000;
    if (job_set_destinations(job, array, "", &fault))
        fail_msg("%s", fault.text);
    json_decref(array);
    free(text);
    return job;
}

/* "a b=rule g:a,b,c !x" - targets, the rules that named them, candidates that are not the target, dead ones
 */
static void describe(const struct delivery_list *list, struct buf *out)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct delivery *delivery = list->items[i];
        const bool dead = delivery->status == DELIVERY_DEAD;

        if (dead)
            assert_int_equal(delivery->dead_reason, DEAD_UNROUTABLE);
        buf_addf(out, "%s%s%s", i ? " " : "", dead ? "!" : "", delivery->target);
        for (size_t k = 0; k < delivery->candidate_count; k++)
            if (delivery->candidate_count > 1 || strcmp(delivery->candidates[k], delivery->target))
                buf_addf(out, "%s%s", k ? "," : ":", delivery->candidates[k]);
        if (delivery->rule)
            buf_addf(out, "=%s", delivery->rule);
    }
}

/* Routes and checks; the error is that of the first dead delivery. */
static void expect_route(const struct router *router, const char *destinations, const char *wanted,
                         const char *error)
{
    struct job *job = job_to(destinations);
    struct delivery_list list = {0};
    const char *said = NULL;
    struct buf text;

    route_job(router, job, &list, NULL);
    buf_init(&text, 10000);
    describe(&list, &text);
    assert_string_equal(text.data, wanted);
    for (size_t i = 0; i < list.count && !said; i++)
        said = list.items[i]->last_error;
    if (error)
        assert_string_equal(said, error);
    else
        assert_null(said);
    buf_release(&text);
    delivery_list_release(&list);
    assert_int_equal(job->references, 1);
    job_unref(job);
}

static const char two_rules[] = "[{'name':'r1','priority':2,'match':{'data_type':['report']},'to':['b','c']},"
                                "{'name':'r2','match':{'data_type':['other']},'to':['g']},"
                                "{'name':'r3','match':{'data_type':['report']},'to':['c','g']}]";

static void rules_unite_restrict_or_replace_what_the_request_names(void **state)
{
    static const char restricted[] =
        "no rule that matches allows this target, and the rules restrict the request's";
    static const char no_match[] = "[{'name':'r2','match':{'data_type':['other']},'to':['g']}]";
    static const char sets_only[] = "[{'name':'s','set':{'priority':'high'}}]";
    static const struct {
        enum route_mode mode;
        const char *rules, *fallback, *destinations, *wanted, *error;
    } cases[] = {
        {ROUTE_UNITE, two_rules, NULL, "['a','b']", "a b c=r1 g:a,b,c=r3", NULL},
        {ROUTE_UNITE, two_rules, NULL, "[]", "b=r1 c=r1 g:a,b,c=r3", NULL},
        {ROUTE_UNITE, no_match, "c", "['a']", "a", NULL},
        {ROUTE_UNITE, no_match, "c", "[]", "c", NULL},
        {ROUTE_UNITE, no_match, "turns", "[]", "turns:a,b,c", NULL},
        {ROUTE_UNITE, no_match, NULL, "[]", "!unrouted",
         "the request names no destination, no rule matches, and there is no default target"},
        {ROUTE_UNITE, sets_only, NULL, "[]", "!unrouted",
         "the request names no destination, the rules that match name none, and there is no default target"},
        {ROUTE_UNITE, sets_only, "a", "[]", "a", NULL},
        {ROUTE_RESTRICT, two_rules, NULL, "['b','g']", "b g:a,b,c", NULL},
        {ROUTE_RESTRICT, two_rules, NULL, "['a','b']", "!a b", restricted},
        {ROUTE_RESTRICT, two_rules, NULL, "[]", "b=r1 c=r1 g:a,b,c=r3", NULL},
        {ROUTE_RESTRICT, no_match, "c", "['a']", "!a", restricted},
        {ROUTE_RESTRICT, no_match, "c", "[]", "c", NULL},
        {ROUTE_RESTRICT, "[]", NULL, "['a']", "!a", restricted},
        {ROUTE_REPLACE, two_rules, NULL, "['a','b']", "b=r1 c=r1 g:a,b,c=r3", NULL},
        {ROUTE_REPLACE, no_match, "c", "['a']", "a", NULL},
        {ROUTE_REPLACE, no_match, "c", "[]", "c", NULL},
    };
    struct catalog *catalog = sample_catalog();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rules *rules = rules_of(cases[i].rules);
        const struct router router = {
            .catalog = catalog, .rules = rules, .mode = cases[i].mode, .default_target = cases[i].fallback};

        expect_route(&router, cases[i].destinations, cases[i].wanted, cases[i].error);
        rules_free(rules);
    }
    catalog_free(catalog);
}

static void a_form_that_the_request_brings_along_stays_with_its_target(void **state)
{
    struct catalog *catalog = sample_catalog();
    struct rules *rules = rules_of("[{'name':'r','to':['a']}]");
    const struct router router = {.catalog = catalog, .rules = rules};
    struct job *job = job_to("[{'name':'mine','protocol':'null'}]");
    struct delivery_list list = {0};

    (void)state;
    route_job(&router, job, &list, NULL);
    assert_int_equal(list.count, 2);
    assert_non_null(list.items[0]->inline_form);
    assert_null(list.items[0]->rule);
    assert_null(list.items[1]->inline_form);
    assert_string_equal(list.items[1]->rule, "r");
    delivery_list_release(&list);

    /* refused by the mode, it keeps the form: a replay routes it by that */
    const struct router strict = {.catalog = catalog, .rules = rules, .mode = ROUTE_RESTRICT};
    route_job(&strict, job, &list, NULL);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0]->status, DELIVERY_DEAD);
    assert_non_null(list.items[0]->inline_form);
    delivery_list_release(&list);
    job_unref(job);
    rules_free(rules);
    catalog_free(catalog);
}

static void what_rules_set_wins_over_the_request(void **state)
{
    struct catalog *catalog = sample_catalog();
    struct rules *rules = rules_of(
        "[{'name':'r','to':['a'],'set':{'priority':'high','options':{'retry_policy':'none','timeout':'5m'},"
        "'metadata':{'site':'x'}}}]");
    const struct router router = {.catalog = catalog, .rules = rules};
    struct job *job = job_to("['a']");
    struct delivery_list list = {0};

    (void)state;
    job->priority = PRIORITY_LOW;
    job->retry_policy = xstrdup("standard_webhooks");
    job->expires_at_us = 5;
    json_object_set_new(job->metadata, "site", json_string("y"));
    json_object_set_new(job->metadata, "own", json_true());
    route_job(&router, job, &list, NULL);
    assert_true(job->ruled);
    assert_int_equal(job->priority, PRIORITY_HIGH);
    assert_string_equal(job->retry_policy, "none");
    assert_int_equal(job->timeout_ms, 5 * 60 * 1000);
    assert_int_equal(job->expires_at_us, 1000000 + INT64_C(5) * 60 * 1000 * 1000);
    assert_string_equal(json_string_value(json_object_get(job->metadata, "site")), "x");
    assert_true(json_is_true(json_object_get(job->metadata, "own")));
    delivery_list_release(&list);
    job_unref(job);

    /* from its schedule, where that is later */
    job = job_to("['a']");
    job->scheduled_at_us = 9000000;
    route_job(&router, job, &list, NULL);
    assert_int_equal(job->expires_at_us, 9000000 + INT64_C(5) * 60 * 1000 * 1000);
    delivery_list_release(&list);
    job_unref(job);
    rules_free(rules);

    rules = rules_of("[{'name':'r','to':['a']}]");
    job = job_to("['a']");
    route_job(&(struct router){.catalog = catalog, .rules = rules}, job, &list, NULL);
    assert_false(job->ruled);
    delivery_list_release(&list);
    job_unref(job);
    rules_free(rules);
    catalog_free(catalog);
}

static void what_is_too_much_is_a_dead_letter_and_changes_nothing(void **state)
{
    struct catalog *catalog = sample_catalog();
    struct rules *rules =
        rules_of("[{'name':'r','to':['b'],'set':{'priority':'high','metadata':{'site':'x'}}}]");
    const struct router router = {.catalog = catalog, .rules = rules};
    char *large = xcalloc(1, LIMIT_METADATA);
    struct job *job = job_to("['a','c']");
    struct delivery_list list = {0};

    (void)state;
    memset(large, 'x', LIMIT_METADATA - 20);
    json_object_set_new(job->metadata, "large", json_string(large));
    route_job(&router, job, &list, NULL);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.items[0]->status, DELIVERY_DEAD);
    assert_string_equal(list.items[1]->target, "c");
    assert_non_null(strstr(list.items[1]->last_error, "the metadata with what rules set"));
    assert_false(job->ruled);
    assert_int_equal(job->priority, PRIORITY_NORMAL);
    assert_null(json_object_get(job->metadata, "site"));
    delivery_list_release(&list);
    job_unref(job);
    free(large);
    rules_free(rules);

    /* one target more than there may be */
    json_t *names = json_array();
    for (int i = 0; i < LIMIT_TARGETS; i++) {
        char *name = xasprintf("n%d", i);
        json_array_append_new(names, json_string(name));
        free(name);
    }
    char *text = json_text(names);
    rules = rules_of("[{'name':'r','to':['b']}]");
    job = job_to(text);
    route_job(&(struct router){.catalog = catalog, .rules = rules}, job, &list, NULL);
    assert_int_equal(list.count, LIMIT_TARGETS);
    assert_string_equal(list.items[0]->last_error,
                        "request and rules name 1001 targets, more than the limit of 1000");
    delivery_list_release(&list);
    job_unref(job);
    free(text);
    json_decref(names);
    rules_free(rules);
    catalog_free(catalog);
}

static int failing_when(void *arg, const char *program, const json_t *event, bool *holds, struct fault *fault)
{
    (void)arg;
    (void)event;
    *holds = strcmp(program, "true") == 0;
    return strcmp(program, "fail") ? 0 : fault_set(fault, FAULT_INPUT, "cannot add null");
}

static void a_when_that_fails_is_told_where_nothing_matched(void **state)
{
    struct catalog *catalog = sample_catalog();
    struct rules *rules =
        rules_of("[{'name':'x','when':'fail','to':['a']},{'name':'y','when':'false','to':['b']}]");
    const struct router router = {.catalog = catalog, .rules = rules, .when = failing_when};

    (void)state;
    expect_route(
        &router, "[]", "!unrouted",
        "the request names no destination, no rule matches, and there is no default target ('when' of "
        "rule 'x' failed: cannot add null)");
    rules_free(rules);
    rules = rules_of("[{'name':'x','when':'true','to':['a']}]");
    expect_route(&(struct router){.catalog = catalog, .rules = rules, .when = failing_when}, "[]", "a=x",
                 NULL);
    rules_free(rules);
    catalog_free(catalog);
}

/* ---- groups ---- */

/* Names of those that are not fit now, and the load of each: "b" and {"a": 3}. */
struct world {
    const char *broken[3];
    uint64_t load[3]; /* of a, b, c */
};

static const char *unfit(void *arg, const char *destination, int64_t max_queue)
{
    const struct world *world = arg;

    for (size_t i = 0; i < COUNT(world->broken); i++)
        if (world->broken[i] && !strcmp(world->broken[i], destination))
            return "its breaker is open";
    return max_queue && world->load[destination[0] - 'a'] > (uint64_t)max_queue ? "too much waits" : NULL;
}

static uint64_t outstanding(void *arg, const char *destination)
{
    return destination[1] ? 0 : ((const struct world *)arg)->load[destination[0] - 'a'];
}

static void members_that_are_not_fit_stand_behind_the_others(void **state)
{
    static const struct {
        struct world world;
        const char *target, *wanted;
    } cases[] = {
        {{.broken = {NULL}}, "['g']", "g:a,b,c"},
        {{.broken = {"a"}}, "['g']", "g:b,c,a"},
        {{.broken = {"a", "c"}}, "['g']", "g:b,a,c"},
        {{.broken = {"a", "b", "c"}}, "['g']", "g:a,b,c"},
        {{.load = {3, 1, 2}}, "['least']", "least:b,c,a"},
        {{.broken = {"b"}, .load = {3, 1, 2}}, "['least']", "least:c,a,b"},
        {{.load = {11, 10, 0}}, "['short']", "short:b,a"},
        {{.load = {11, 12, 0}}, "['short']", "short:a,b"},
        {{.broken = {NULL}}, "['mixed']", "mixed:a"},
        {{.broken = {"a"}}, "['mixed']", "mixed:a"},
        {{.broken = {NULL}}, "['offs']", "offs:off"},
        {{.broken = {"a"}}, "['a']", "a"},
    };
    struct catalog *catalog = sample_catalog();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct route_health health = {
            .unfit = unfit, .outstanding = outstanding, .arg = (void *)&cases[i].world};
        const struct router router = {.catalog = catalog, .health = &health};

        expect_route(&router, cases[i].target, cases[i].wanted, NULL);
    }
    catalog_free(catalog);
}

static void turns_go_on_from_one_distribution_to_the_next(void **state)
{
    struct catalog *catalog = sample_catalog();
    struct strmap turns;
    struct balance balance = {0};
    const struct router router = {.catalog = catalog, .turns = &turns};

    (void)state;
    strmap_init(&turns);
    strmap_put(&turns, "turns", &balance);
    expect_route(&router, "['turns']", "turns:a,b,c", NULL);
    expect_route(&router, "['turns']", "turns:b,c,a", NULL);
    expect_route(&router, "['turns']", "turns:c,a,b", NULL);
    expect_route(&router, "['turns']", "turns:a,b,c", NULL);
    strmap_release(&turns, NULL);
    catalog_free(catalog);
}

/* The key is the data type. */
static char *key_of(void *arg, const char *program, const json_t *event, struct fault *fault)
{
    (void)arg;
    assert_string_equal(program, ".key");
    if (!strcmp(json_string_value(json_object_get(event, "data_type")), "none")) {
        fault_set(fault, FAULT_INPUT, "there is none");
        return NULL;
    }
    return xstrdup(json_string_value(json_object_get(event, "data_type")));
}

static void a_group_by_hash_asks_for_the_key_of_the_event(void **state)
{
    struct catalog *catalog = sample_catalog();
    const struct router router = {.catalog = catalog, .key = key_of};
    struct route_explanation explanation;
    char *first = NULL;

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct job *job = job_to("['hash']");
        struct delivery_list list = {0};

        if (i == 3) {
            free(job->data_type);
            job->data_type = xstrdup("none");
        }
        route_job(&router, job, &list, &explanation);
        assert_int_equal(list.items[0]->candidate_count, 3);
        if (i == 3) {
            assert_null(explanation.choices[0].key);
            assert_string_equal(explanation.choices[0].note, "hash_on failed: there is none");
        } else {
            assert_string_equal(explanation.choices[0].key, "report");
            if (first)
                assert_string_equal(list.items[0]->candidates[0], first);
            free(first);
            first = xstrdup(list.items[0]->candidates[0]);
        }
        route_explanation_release(&explanation);
        delivery_list_release(&list);
        job_unref(job);
    }
    free(first);
    catalog_free(catalog);
}

/* ---- tenants ---- */

static void a_destination_is_for_the_tenants_that_it_names(void **state)
{
    struct catalog *catalog = sample_catalog();
    const struct router router = {.catalog = catalog};
    struct job *job = job_to("['vip']");
    struct fault fault = {0};

    (void)state;
    expect_route(&router, "['vip']", "!vip", "destination 'vip' is not for tenant 'acme'");
    expect_route(&router, "['vips']", "!vips", "group 'vips': destination 'vip' is not for tenant 'acme'");
    assert_int_equal(route_check(catalog, job, &fault), -1);
    assert_int_equal(fault.class, FAULT_DENIED);
    assert_null(route_resolve(catalog, "vip", NULL, "acme", &fault));
    assert_int_equal(fault.class, FAULT_DENIED);
    struct destination *vip = route_resolve(catalog, "vip", NULL, "rich", &fault);
    assert_non_null(vip);
    destination_unref(vip);
    free(job->tenant_id);
    job->tenant_id = xstrdup("acme2");
    assert_int_equal(route_check(catalog, job, &fault), 0);
    job_unref(job);
    catalog_free(catalog);
}

static void a_request_cannot_say_for_whom_its_own_form_is(void **state)
{
    static const struct {
        const char *form, *error;
    } cases[] = {
        {"[{'name':'mine','protocol':'null','tenants':['x']}]",
         "destination 'mine': /tenants: it is for configured destinations"},
    };
    struct catalog *catalog = sample_catalog();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_route(&(struct router){.catalog = catalog}, cases[i].form, "!mine", cases[i].error);
    catalog_free(catalog);
}

static void tenants_are_names(void **state)
{
    static const char *const cases[][2] = {
        {"[{'name':'x','protocol':'null','tenants':[]}]",
         "/0/tenants: an array of 1 to 1000 elements is wanted, not 0"},
        {"[{'name':'x','protocol':'null','tenants':[5]}]", "/0/tenants/0: the name of a tenant is wanted"},
        {"[{'name':'x','protocol':'null','tenants':['a','b c']}]", "/0/tenants/1: 'b c' is not a name"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct catalog *catalog = catalog_new();
        char *text = quoted(cases[i][0]);
        struct fault fault = {0};

        assert_int_equal(catalog_add(catalog, text, strlen(text), NULL, "t", &fault), -1);
        if (strncmp(fault.text, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("%s", fault.text);
        free(text);
        catalog_free(catalog);
    }
}

/* ---- the explanation ---- */

static void the_explanation_has_every_rule_and_every_drop(void **state)
{
    static const char wanted[] =
        "{'distribution_id':'d-1','tenant_id':'acme','data_type':'report','rules':["
        "{'rule':'r1','origin':'r.json','look':'matched','text':'to mixed; sets priority; stops'},"
        "{'rule':'r0','origin':'r.json','look':'stopped','text':\"'r1' stopped\"}],"
        "'stopped_by':'r1','set':{'priority':'high','by':{'priority':'r1'}},'targets':["
        "{'target':'zz','source':'request','candidates':[],'status':'dead',"
        "'error':\"destination 'zz' is not configured\"},"
        "{'target':'mixed','source':'rule','rule':'r1','policy':'failover','candidates':['a'],'dropped':["
        "{'name':'off','reason':'it is disabled','last':false},"
        "{'name':'vip','reason':\"destination 'vip' is not for tenant 'acme'\",'last':false},"
        "{'name':'a','reason':'its breaker is open','last':true}],'status':'waiting'}]}";
    static const char lines[] = "distribution d-1 of tenant acme, type report\n"
                                "rules:\n"
                                "  matched       r1                   to mixed; sets priority; stops\n"
                                "  stopped       r0                   'r1' stopped\n"
                                "set:\n"
                                "  priority, by rule r1\n"
                                "targets:\n"
                                "  zz, named by the request: unroutable\n"
                                "    destination 'zz' is not configured\n"
                                "  mixed, named by rule r1, by failover: a\n"
                                "    off is left out: it is disabled\n"
                                "    vip is left out: destination 'vip' is not for tenant 'acme'\n"
                                "    a takes no turn, and is tried last: its breaker is open\n"
                                "\n";
    const struct world world = {.broken = {"a"}};
    const struct route_health health = {.unfit = unfit, .outstanding = outstanding, .arg = (void *)&world};
    struct catalog *catalog = sample_catalog();
    struct rules *rules =
        rules_of("[{'name':'r0','to':['b']},{'name':'r1','priority':5,'match':{'data_type':['report']},"
                 "'to':['mixed'],'stop':true,"
                 "'set':{'priority':'high'}}]");
    const struct router router = {.catalog = catalog, .rules = rules, .health = &health};
    struct job *job = job_to("['zz']");
    struct delivery_list list = {0};
    struct route_explanation explanation;
    struct buf text;

    (void)state;
    route_job(&router, job, &list, &explanation);
    json_t *document = route_explain_json(job, &list, &explanation);
    char *said = json_text(document);
    char *plain = xstrdup(wanted);
    for (char *c = plain, in = 0; *c; c++) { /* what stands in " is text with ' in it */
        if (*c == '"')
            in = !in;
        else if (*c == '\'' && !in)
            *c = '"';
    }
    assert_string_equal(said, plain);
    free(plain);
    free(said);
    json_decref(document);
    buf_init(&text, 10000);
    route_explain_text(job, &list, &explanation, &text);
    assert_string_equal(text.data, lines);
    buf_release(&text);
    route_explanation_release(&explanation);
    delivery_list_release(&list);
    job_unref(job);
    rules_free(rules);
    catalog_free(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_unite_restrict_or_replace_what_the_request_names),
        cmocka_unit_test(a_form_that_the_request_brings_along_stays_with_its_target),
        cmocka_unit_test(what_rules_set_wins_over_the_request),
        cmocka_unit_test(what_is_too_much_is_a_dead_letter_and_changes_nothing),
        cmocka_unit_test(a_when_that_fails_is_told_where_nothing_matched),
        cmocka_unit_test(members_that_are_not_fit_stand_behind_the_others),
        cmocka_unit_test(turns_go_on_from_one_distribution_to_the_next),
        cmocka_unit_test(a_group_by_hash_asks_for_the_key_of_the_event),
        cmocka_unit_test(a_destination_is_for_the_tenants_that_it_names),
        cmocka_unit_test(a_request_cannot_say_for_whom_its_own_form_is),
        cmocka_unit_test(tenants_are_names),
        cmocka_unit_test(the_explanation_has_every_rule_and_every_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
