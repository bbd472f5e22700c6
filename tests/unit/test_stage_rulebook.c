/*
 * A rulebook: every mistake of rules, groups and settings in one run, jq programs that say yes, no or
 * nothing, and one that cannot be run
 */
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>
#include "batch_limit.h"
#include "rulebook.h"
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

static struct catalog *catalog_of(const char *forms)
{
    struct catalog *catalog = catalog_new();
    char *text = quoted(forms);
    struct fault fault = {0};

    if (catalog_add(catalog, text, strlen(text), NULL, "d.json", &fault) || catalog_check(catalog, &fault))
        fail_msg("%s", fault.text);
    free(text);
    return catalog;
}

static void note(void *arg, const struct rules_mistake *mistake)
{
    buf_addf(arg, "%s:%zu: %s: %s\n", mistake->origin, mistake->line, mistake->path, mistake->text);
}

static struct rulebook *book_of(const struct catalog *catalog, const char *rules, const char *fallback,
                                struct programs *programs, struct buf *mistakes)
{
    const struct rulebook_settings settings = {.default_target = fallback};
    char *text = quoted(rules);
    const struct rules_source source = {.origin = "r.json", .text = text, .size = strlen(text)};
    struct fault fault = {0};
    struct rulebook *book = rulebook_new(catalog, &source, 1, &settings, programs, note, mistakes, &fault);

    if (fault.class)
        fail_msg("%s", fault.text);
    free(text);
    return book;
}

static const char plain[] =
    "[{'name':'a','protocol':'null'},{'name':'b','protocol':'null'},"
    "{'name':'h','group':['a','b'],'policy':'consistent_hash','hash_on':'.payload.k'}]";

static struct job *job_with(const char *payload)
{
    struct job *job = job_new();

    job->distribution_id = xstrdup("d-1");
    job->tenant_id = xstrdup("acme");
    job->data_type = xstrdup("report");
    job->content_type = xstrdup("application/json");
    job->body = quoted(payload);
    job->body_size = strlen(job->body);
    return job;
}

static void mistakes_of_rules_groups_and_settings_come_together(void **state)
{
    struct programs *programs = programs_new(&program_limits_default);
    struct catalog *catalog = catalog_of("[{'name':'a','protocol':'null'},{'name':'h','group':['a'],"
                                         "'policy':'consistent_hash','hash_on':'.a | ('}]");
    struct buf mistakes;

    (void)state;
    buf_init(&mistakes, 10000);
    assert_null(book_of(catalog, "[{'name':'x','to':['a'],'when':'.b ||'},{'name':'y','to':['zz']}]", "aa",
                        programs, &mistakes));
    assert_string_equal(
        mistakes.data, "r.json:1: /0/when: syntax error, unexpected '|' at line 1\n"
                       "r.json:1: /1/to/0: no destination or group is named 'zz'\n"
                       "d.json:0: /hash_on: group 'h': syntax error, unexpected $end at line 1\n"
                       "DIST_DEFAULT_TARGET:0: : no destination or group is named 'aa'; did you mean 'a'?\n");
    buf_release(&mistakes);
    catalog_free(catalog);
    programs_free(programs);
}

/* Whether a rule with this `when` matched; the text of its step. */
static bool matches(struct programs *programs, const char *when, const char *payload, char **text)
{
    struct catalog *catalog = catalog_of(plain);
    char *rules = xasprintf("[{'name':'r','to':['a'],'when':'%s'}]", when);
    struct buf mistakes;

    buf_init(&mistakes, 1000);
    struct rulebook *book = book_of(catalog, rules, NULL, programs, &mistakes);
    if (!book)
        fail_msg("%s", mistakes.data);
    assert_true(book->ask_payload);
    struct job *job = job_with(payload);
    struct delivery_list list = {0};
    struct route_explanation explanation;
    struct fault fault = {0};
    if (rulebook_route(book, job, 1, NULL, &list, &explanation, &fault) < 0)
        fail_msg("%s", fault.text);
    bool matched = explanation.decision.matched == 1;
    *text = xstrdup_null(explanation.decision.steps[0].text);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0]->target, matched ? "a" : CATALOG_NO_TARGET);
    route_explanation_release(&explanation);
    delivery_list_release(&list);
    job_unref(job);
    rulebook_free(book);
    buf_release(&mistakes);
    free(rules);
    catalog_free(catalog);
    return matched;
}

static void a_when_holds_where_it_has_results_and_all_of_them_are_true(void **state)
{
    static const struct {
        const char *when;
        bool matched;
        const char *text; /* begins so */
    } cases[] = {
        {".payload.n > 5", true, "to a"},
        {".payload.n > 7", false, NULL},
        {".payload.none", false, NULL},
        {".payload.n", true, "to a"},
        {"empty", false, NULL},
        {"true, true", true, "to a"},
        {"true, false", false, NULL},
        {"$tenant == (\\'ac\\' + \\'me\\')", true, "to a"},
        {".payload.n | keys", false, "the program failed: number (7) has no keys"},
        {"$ENV.PATH", false, NULL},
        {"def f: f; f", false, "the program ran longer than 200 ms"},
    };
    const struct program_limits limits = {.run_ms = 200,
                                          .compile_ms = program_limits_default.compile_ms,
                                          .memory_bytes = program_limits_default.memory_bytes,
                                          .max_input = program_limits_default.max_input};
    struct programs *programs = programs_new(&limits);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text;

        if (matches(programs, cases[i].when, "{'n':7}", &text) != cases[i].matched)
            fail_msg("%s: %s", cases[i].when, text ? text : "");
        if (cases[i].text && (!text || strncmp(text, cases[i].text, strlen(cases[i].text)) != 0))
            fail_msg("%s: %s", cases[i].when, text ? text : "");
        free(text);
    }
    programs_free(programs);
}

static void the_key_of_a_group_is_the_first_result(void **state)
{
    static const char *const cases[][2] = {
        {"{'k':'x'}", "x"},   {"{'k':5}", "5"}, {"{'k':{'b':[1]}}", "{\"b\":[1]}"},
        {"{'k':null}", NULL}, {"{}", NULL},
    };
    struct programs *programs = programs_new(&program_limits_default);
    struct catalog *catalog = catalog_of(plain);
    struct buf mistakes;

    (void)state;
    buf_init(&mistakes, 1000);
    struct rulebook *book = book_of(catalog, "[{'name':'r','to':['h']}]", NULL, programs, &mistakes);
    assert_non_null(book);
    assert_true(book->ask_payload);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct job *job = job_with(cases[i][0]);
        struct delivery_list list = {0};
        struct route_explanation explanation;
        struct fault fault = {0};

        assert_int_equal(rulebook_route(book, job, 1, NULL, &list, &explanation, &fault), 0);
        if (cases[i][1])
            assert_string_equal(explanation.choices[0].key, cases[i][1]);
        else
            assert_null(explanation.choices[0].key);
        assert_null(explanation.choices[0].note);
        assert_int_equal(list.items[0]->candidate_count, 2);
        route_explanation_release(&explanation);
        delivery_list_release(&list);
        job_unref(job);
    }
    rulebook_free(book);
    buf_release(&mistakes);
    catalog_free(catalog);
    programs_free(programs);
}

struct killing {
    const struct programs *programs;
    atomic_bool stop;
};

/* Whatever worker there is, is killed. */
static void *kill_workers(void *arg)
{
    struct killing *killing = arg;

    while (!atomic_load(&killing->stop)) {
        pid_t worker = programs_worker(killing->programs);
        if (worker > 0)
            kill(worker, SIGKILL);
        usleep(10000); /* the program runs for much longer */
    }
    return NULL;
}

static void a_program_that_cannot_be_run_has_not_said_no(void **state)
{
    struct programs *programs = programs_new(&program_limits_default);
    struct catalog *catalog = catalog_of(plain);
    struct killing killing = {.programs = programs};
    struct job *job = job_with("{'n':7}");
    struct delivery_list list = {0};
    struct fault fault = {0};
    struct buf mistakes;
    pthread_t thread;

    (void)state;
    buf_init(&mistakes, 1000);
    struct rulebook *book =
        book_of(catalog, "[{'name':'r','to':['a'],'when':'[range(100000000)] | length > 0'}]", "b", programs,
                &mistakes);
    assert_non_null(book);
    assert_int_equal(pthread_create(&thread, NULL, kill_workers, &killing), 0);
    assert_int_equal(rulebook_route(book, job, 1, NULL, &list, NULL, &fault), -1);
    atomic_store(&killing.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(fault.class, FAULT_TEMP);
    assert_int_equal(list.count, 0);
    rulebook_free(book);
    job_unref(job);
    buf_release(&mistakes);
    catalog_free(catalog);
    programs_free(programs);
}

/* Those behind are not asked, and nobody can tell what they would have said. */
static void programs_that_take_too_long_together_make_it_unroutable(void **state)
{
    struct program_limits limits = program_limits_default;
    struct catalog *catalog = catalog_of(plain);
    const struct rulebook_settings settings = {.default_target = "b", .programs_ms = 150};
    struct job *job = job_with("{'n':7}");
    struct fault fault = {0};
    struct buf mistakes, rules;

    (void)state;
    limits.run_ms = 100;
    struct programs *programs = programs_new(&limits);
    buf_init(&mistakes, 1000);
    buf_init(&rules, 10000);
    for (int i = 0; i < 20; i++)
        buf_addf(&rules, "%c{\"name\":\"r%d\",\"to\":[\"a\"],\"when\":\"def f: f; f | %d\"}", i ? ',' : '[',
                 i, i);
    buf_addc(&rules, ']');
    const struct rules_source source = {.origin = "r.json", .text = rules.data, .size = rules.len};
    struct rulebook *book = rulebook_new(catalog, &source, 1, &settings, programs, note, &mistakes, &fault);
    assert_non_null(book);
    for (int explained = 0; explained < 2; explained++) {
        struct route_explanation explanation;
        struct delivery_list list = {0};
        assert_int_equal(rulebook_route(book, job, 1, NULL, &list, explained ? &explanation : NULL, &fault),
                         0);
        assert_int_equal(list.count, 1);
        assert_int_equal(list.items[0]->status, DELIVERY_DEAD);
        assert_string_equal(list.items[0]->target, CATALOG_NO_TARGET);
        assert_string_equal(list.items[0]->last_error, "the programs of its rules ran longer than 150 ms");
        if (explained)
            route_explanation_release(&explanation);
        delivery_list_release(&list);
    }
    rulebook_free(book);
    job_unref(job);
    buf_release(&rules);
    buf_release(&mistakes);
    catalog_free(catalog);
    programs_free(programs);
}

/* Whatever the lease: well below the watchdog. */
static void a_batch_ends_by_its_lease_and_by_the_watchdog(void **state)
{
    (void)state;
    assert_int_equal(batch_limit_ms(2000), 500);
    assert_int_equal(batch_limit_ms(20000), 5000);
    assert_int_equal(batch_limit_ms(3600 * 1000), 5000);
}

static int alive_calls;
static void count_alive(void)
{
    alive_calls++;
}

/* From now on no descriptor can be made; the former limit. */
static struct rlimit no_descriptors(void)
{
    struct rlimit usual, none;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return usual;
}

/* There can be no worker: that is no mistake of the rules, and other mistakes are told nevertheless. */
static void what_keeps_programs_from_being_compiled_is_no_mistake(void **state)
{
    static const char good[] = "[{\"name\":\"r\",\"to\":[\"a\"],\"when\":\"true\"}]",
                      bad[] = "[{\"name\":\"r\",\"to\":[\"zz\"],\"when\":\"true\"}]";
    const struct rules_source sources[] = {{.origin = "r.json", .text = good, .size = sizeof good - 1},
                                           {.origin = "r.json", .text = bad, .size = sizeof bad - 1}};
    const struct rulebook_settings settings = {0};
    struct programs *programs = programs_new(&program_limits_default);
    struct catalog *catalog = catalog_of(plain);
    struct fault fault = {0};
    struct buf mistakes;

    (void)state;
    buf_init(&mistakes, 1000);
    struct rlimit usual = no_descriptors();
    struct rulebook *none =
        rulebook_new(catalog, &sources[0], 1, &settings, programs, note, &mistakes, &fault);
    struct fault first = fault;
    fault_clear(&fault);
    struct rulebook *mistaken =
        rulebook_new(catalog, &sources[1], 1, &settings, programs, note, &mistakes, &fault);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    assert_null(none);
    assert_int_equal(first.class, FAULT_SYSTEM);
    assert_null(mistaken);
    assert_int_equal(fault.class, FAULT_NONE);
    assert_string_equal(mistakes.data, "r.json:1: /0/to/0: no destination or group is named 'zz'\n");
    struct rulebook *book =
        rulebook_new(catalog, &sources[0], 1, &settings, programs, note, &mistakes, &fault);
    assert_non_null(book);
    rulebook_free(book);
    buf_release(&mistakes);
    catalog_free(catalog);
    programs_free(programs);
}

static void a_set_has_a_ceiling_of_programs_and_shows_life_while_it_is_made(void **state)
{
    char *text = quoted("[{'name':'1','to':['a'],'when':'.a'},{'name':'2','to':['a'],'when':'.a'},"
                        "{'name':'3','to':['a'],'when':'.b'},{'name':'4','to':['a'],'when':'.c'},"
                        "{'name':'5','to':['a'],'when':'.d'}]");
    const struct rules_source source = {.origin = "r.json", .text = text, .size = strlen(text)};
    struct rulebook_settings settings = {.alive = count_alive, .programs_max = 4};
    struct programs *programs = programs_new(&program_limits_default);
    struct catalog *catalog = catalog_of("[{'name':'a','protocol':'null'}]");
    struct fault fault = {0};
    struct buf mistakes;

    (void)state;
    buf_init(&mistakes, 1000);
    struct rulebook *book = rulebook_new(catalog, &source, 1, &settings, programs, note, &mistakes, &fault);
    assert_non_null(book);
    assert_int_equal(alive_calls, 4);
    rulebook_free(book);
    settings.programs_max = 2;
    assert_null(rulebook_new(catalog, &source, 1, &settings, programs, note, &mistakes, &fault));
    assert_string_equal(mistakes.data, "r.json:1: /3/when: there are more than 2 different programs\n");
    buf_release(&mistakes);
    free(text);
    catalog_free(catalog);
    programs_free(programs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_of_rules_groups_and_settings_come_together),
        cmocka_unit_test(a_when_holds_where_it_has_results_and_all_of_them_are_true),
        cmocka_unit_test(the_key_of_a_group_is_the_first_result),
        cmocka_unit_test(a_program_that_cannot_be_run_has_not_said_no),
        cmocka_unit_test(what_keeps_programs_from_being_compiled_is_no_mistake),
        cmocka_unit_test(a_set_has_a_ceiling_of_programs_and_shows_life_while_it_is_made),
        cmocka_unit_test(a_batch_ends_by_its_lease_and_by_the_watchdog),
        cmocka_unit_test(programs_that_take_too_long_together_make_it_unroutable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
