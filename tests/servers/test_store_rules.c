/*
 * Rules in the database of a PostgreSQL of its own: what is loaded is there, all or nothing, and who did what
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include "store_fixture.h"
#include "store_rules.h"
#include "xalloc.h"

static struct stored_rules read_rules(const struct store_fixture *f)
{
    struct stored_rules rules;

    ok(store_rules_read(f->store, &rules, &problem));
    return rules;
}

static void change(const struct store_fixture *f, enum rule_change_kind kind, const char *tenant,
                   const char *name, const char *form)
{
    const struct rule_change one = {.kind = kind, .tenant_id = tenant, .name = name, .form = form};
    int64_t version;

    ok(store_rules_version(f->store, &version, &problem));
    ok(store_rules_change(f->store, version, &one, 1, "ops@here", &problem));
}

static void without_rules_there_is_a_number(void **state)
{
    struct store_fixture *f = *state;
    struct stored_rules rules = read_rules(f);

    assert_int_equal(rules.count, 0);
    assert_int_equal(rules.version, 0);
    stored_rules_release(&rules);
}

/* Its text is the one that was loaded: members in their order, numbers as they were written. */
static void what_is_loaded_is_there(void **state)
{
    static const char form[] =
        "{\"to\":[\"b\",\"a\"],\"match\":{\"payload\":{\"n\":[{\"numeric\":[\">\",1e20]}]}},"
        "\"description\":\"π \\\"quoted\\\" \\\\ {x}\"}";
    struct store_fixture *f = *state;
    const struct rule_change changes[] = {
        {.kind = RULE_CHANGE_LOADED, .tenant_id = "acme", .name = "r", .form = form},
        {.kind = RULE_CHANGE_LOADED, .name = "r", .form = "{\"stop\":true}"},
        {.kind = RULE_CHANGE_LOADED, .name = "a", .form = "{\"stop\":true}"},
    };

    ok(store_rules_change(f->store, 0, changes, 3, "ops@here", &problem));
    struct stored_rules rules = read_rules(f);
    assert_int_equal(rules.version, 1);
    assert_int_equal(rules.count, 3);
    assert_null(rules.items[0].tenant_id);
    assert_string_equal(rules.items[0].name, "a");
    assert_null(rules.items[1].tenant_id);
    assert_string_equal(rules.items[1].name, "r");
    assert_string_equal(rules.items[2].tenant_id, "acme");
    assert_string_equal(rules.items[2].form, form);
    assert_true(rules.items[2].enabled);
    assert_int_equal(rules.items[2].version, 1);
    assert_string_equal(rules.items[2].created_by, "ops@here");
    assert_true(rules.items[2].created_at_us > 0);
    assert_int_equal(rules.items[2].updated_at_us, rules.items[2].created_at_us);
    stored_rules_release(&rules);
}

static void a_change_by_an_old_number_changes_nothing(void **state)
{
    struct store_fixture *f = *state;
    const struct rule_change load = {.kind = RULE_CHANGE_LOADED, .name = "r", .form = "{\"stop\":true}"};

    change(f, RULE_CHANGE_LOADED, NULL, "first", "{\"stop\":true}");
    refused(store_rules_change(f->store, 0, &load, 1, "ops@here", &problem), FAULT_TEMP);
    struct stored_rules rules = read_rules(f);
    assert_int_equal(rules.count, 1);
    assert_int_equal(rules.version, 1);
    stored_rules_release(&rules);
}

static void one_that_is_refused_takes_the_others_with_it(void **state)
{
    struct store_fixture *f = *state;
    const struct rule_change changes[] = {
        {.kind = RULE_CHANGE_LOADED, .name = "good", .form = "{\"stop\":true}"},
        {.kind = RULE_CHANGE_LOADED, .tenant_id = "nobody", .name = "bad", .form = "{\"stop\":true}"},
    };

    refused(store_rules_change(f->store, 0, changes, 2, "ops@here", &problem), FAULT_INPUT);
    struct stored_rules rules = read_rules(f);
    assert_int_equal(rules.count, 0);
    assert_int_equal(rules.version, 0);
    stored_rules_release(&rules);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_rule_changes"), 0);
}

static void the_switch_stays_where_a_rule_is_loaded_again(void **state)
{
    struct store_fixture *f = *state;

    change(f, RULE_CHANGE_LOADED, "acme", "r", "{\"stop\":true}");
    change(f, RULE_CHANGE_LOADED, NULL, "r", "{\"stop\":true}");
    change(f, RULE_CHANGE_DISABLED, "acme", "r", NULL);
    change(f, RULE_CHANGE_LOADED, "acme", "r", "{\"stop\":true,\"priority\":5}");
    struct stored_rules rules = read_rules(f);
    assert_true(rules.items[0].enabled); /* that of all tenants is another one */
    assert_int_equal(rules.items[0].version, 1);
    assert_false(rules.items[1].enabled);
    assert_int_equal(rules.items[1].version, 3);
    assert_non_null(strstr(rules.items[1].form, "5"));
    stored_rules_release(&rules);
    change(f, RULE_CHANGE_ENABLED, "acme", "r", NULL);
    rules = read_rules(f);
    assert_true(rules.items[1].enabled);
    stored_rules_release(&rules);
}

struct history {
    struct buf text;
    int limit;
};

static int add_change(void *arg, const struct rule_change_view *view)
{
    struct history *history = arg;

    assert_true(view->at_us > 0);
    buf_addf(&history->text, "%s %lld %s %s %s\n", view->tenant_id ? view->tenant_id : "*",
             (long long)view->version, view->change, view->who, view->form ? view->form : "-");
    return --history->limit == 0;
}

static void assert_history(const struct store_fixture *f, const char *tenant, int limit, const char *wanted)
{
    struct history history = {.limit = limit};

    buf_init(&history.text, 10000);
    ok(store_rules_history(f->store, tenant, "r", add_change, &history, &problem));
    assert_string_equal(history.text.data, wanted);
    buf_release(&history.text);
}

static void a_rule_that_was_removed_has_its_history_and_goes_on_counting(void **state)
{
    struct store_fixture *f = *state;

    change(f, RULE_CHANGE_LOADED, "acme", "r", "{\"stop\":true}");
    change(f, RULE_CHANGE_REMOVED, "acme", "r", NULL);
    struct stored_rules rules = read_rules(f);
    assert_int_equal(rules.count, 0);
    stored_rules_release(&rules);
    change(f, RULE_CHANGE_LOADED, "acme", "r", "{\"stop\":false}");
    assert_history(f, "acme", -1,
                   "acme 3 loaded ops@here {\"stop\":false}\n"
                   "acme 2 removed ops@here -\n"
                   "acme 1 loaded ops@here {\"stop\":true}\n");
    assert_history(f, "acme", 1, "acme 3 loaded ops@here {\"stop\":false}\n");
    change(f, RULE_CHANGE_LOADED, NULL, "r", "{\"stop\":true}");
    assert_history(f, "", -1, "* 1 loaded ops@here {\"stop\":true}\n");
    assert_history(f, NULL, 1, "* 1 loaded ops@here {\"stop\":true}\n");
    assert_history(f, "beta", -1, "");
}

struct racer {
    struct store *store;
    pthread_barrier_t *barrier;
    int status;
    struct fault fault;
};

static void *load_many(void *arg)
{
    enum { MANY = 200 };
    struct racer *racer = arg;
    struct rule_change changes[MANY];
    char names[MANY][12];

    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "r%d", i);
        changes[i] =
            (struct rule_change){.kind = RULE_CHANGE_LOADED, .name = names[i], .form = "{\"stop\":true}"};
    }
    pthread_barrier_wait(racer->barrier);
    racer->status = store_rules_change(racer->store, 0, changes, MANY, "ops@here", &racer->fault);
    return NULL;
}

static void of_administrators_at_once_one_is_first(void **state)
{
    enum { RACERS = 4 };
    struct store_fixture *f = *state;
    struct racer racers[RACERS] = {0};
    pthread_t threads[RACERS];
    pthread_barrier_t barrier;
    int won = 0;

    pthread_barrier_init(&barrier, NULL, RACERS);
    for (int i = 0; i < RACERS; i++) {
        racers[i].store = store_fixture_store(f, 20000);
        racers[i].barrier = &barrier;
        ok(store_open(racers[i].store, &problem));
        assert_int_equal(pthread_create(&threads[i], NULL, load_many, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        if (!racers[i].status)
            won++;
        else
            assert_int_equal(racers[i].fault.class, FAULT_TEMP);
        store_free(racers[i].store);
    }
    pthread_barrier_destroy(&barrier);
    assert_int_equal(won, 1);
    assert_int_equal(number_of(f, "SELECT count(*) FROM distribution_rule_changes"), 200);
}

#define with_empty_store(test) cmocka_unit_test_setup(test, store_fixture_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_empty_store(without_rules_there_is_a_number),
        with_empty_store(what_is_loaded_is_there),
        with_empty_store(a_change_by_an_old_number_changes_nothing),
        with_empty_store(one_that_is_refused_takes_the_others_with_it),
        with_empty_store(the_switch_stays_where_a_rule_is_loaded_again),
        with_empty_store(a_rule_that_was_removed_has_its_history_and_goes_on_counting),
        with_empty_store(of_administrators_at_once_one_is_first),
    };

    return cmocka_run_group_tests(tests, store_fixture_setup, store_fixture_teardown);
}
