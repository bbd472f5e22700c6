/*
 * Rules of an engine that is asked over HTTP: the test receiver (DIST_RECEIVER) answers what its path says
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "answers.h"
#include "clock.h"
#include "fdio.h"
#include "rules_engine.h"
#include "xalloc.h"

static char folder[] = "/tmp/dist-engine-XXXXXX";
static pid_t receiver;
static int port;
static struct catalog *catalog;
static struct fault problem;

static void read_text(const char *name, char *text, size_t size)
{
    char path[200];
    struct buf content;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (fdio_read_file(path, 100000, &content, NULL) < 0)
        buf_init(&content, 1);
    snprintf(text, size, "%s", content.data);
    buf_release(&content);
}

static int start_receiver(void **state)
{
    const char *program = getenv("DIST_RECEIVER");
    char port_file[100], bodies[100], record[100], text[20] = "";

    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(port_file, sizeof port_file, "%s/port", folder);
    snprintf(record, sizeof record, "%s/record", folder);
    snprintf(bodies, sizeof bodies, "%s/bodies", folder);
    char *make = xasprintf("mkdir %s", bodies);
    int made = system(make);
    free(make);
    program = program ? program : "build/default/tests/receiver/dist-receiver";
    receiver = fork();
    if (receiver == 0) {
        execl(program, program, "--quiet", "--port-file", port_file, "--record", record, "--bodies", bodies,
              (char *)NULL);
        perror(program);
        _exit(127);
    }
    for (int tries = 0; tries < 500 && !*text; tries++) {
        usleep(20000);
        read_text("port", text, sizeof text);
    }
    port = (int)strtol(text, NULL, 10);
    fdio_ignore_sigpipe();
    catalog = catalog_new();
    for (int i = 0; i < 2; i++) {
        static const char form[] = "{\"protocol\": \"null\"}";
        if (catalog_add(catalog, form, strlen(form), i ? "archive" : "hook", "test", &problem) < 0)
            return -1;
    }
    return made == 0 && port > 0 ? 0 : -1;
}

static int stop_receiver(void **state)
{
    char *command = xasprintf("rm -rf %s", folder);
    int removed = system(command);

    (void)state;
    free(command);
    kill(receiver, SIGTERM);
    waitpid(receiver, NULL, 0);
    catalog_free(catalog);
    return removed;
}

/* --- an engine, and one question --- */

/* "/name" and what the segments say; {} in `path` stands for "body/" and the percent-encoded text. */
static char *url_of(const char *path, const char *body)
{
    struct buf url;

    buf_init(&url, 10000);
    buf_addf(&url, "http://127.0.0.1:%d", port);
    for (; *path; path++) {
        if (*path != '@') {
            buf_addc(&url, *path);
            continue;
        }
        buf_adds(&url, "body/");
        for (const char *c = body; *c; c++)
            buf_addf(&url, "%%%02x", (unsigned char)*c);
    }
    return buf_steal(&url, NULL);
}

static struct rules_engine *engine_of(struct rules_engine_config config, const char *path, const char *body)
{
    char *url = url_of(path, body);

    config.url = url;
    config.timeout_ms = config.timeout_ms ? config.timeout_ms : 5000;
    struct rules_engine *engine = rules_engine_new(&config, &problem);
    if (!engine)
        fail_msg("%s", problem.text);
    free(url);
    return engine;
}

static struct rules_engine *private_engine(enum engine_absent absent, const char *path, const char *body)
{
    return engine_of((struct rules_engine_config){.allow_private = true, .absent = absent}, path, body);
}

static json_t *event_of(const char *type, const char *id)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:{s:s}, s:i}", "tenant_id", "acme", "data_type", type, "id", id,
                     "distribution_id", id, "metadata", "k", "v", "payload_size", (int)strlen(id));
}

static int ask(struct rules_engine *engine, const char *type, const char *id,
               struct engine_question *question)
{
    json_t *event = event_of(type, id);

    *question = (struct engine_question){.event = event};
    fault_clear(&problem);
    int status = rules_engine_ask(engine, catalog, question, 1, &problem);
    json_decref(event);
    return status;
}

/* "archive hook priority=high", or how it ended without rules. */
static void assert_said(struct engine_question *question, const char *wanted)
{
    char said[1200] = "";
    size_t at = 0;

    if (question->verdict == ENGINE_ANSWERED) {
        const struct rule *rule = question->rules->items[0];
        assert_int_equal(question->rules->count, 1);
        assert_string_equal(rule->name, "rules-engine");
        for (size_t i = 0; i < rule->to_count; i++)
            at += (size_t)snprintf(said + at, sizeof said - at, "%s%s", at ? " " : "", rule->to[i]);
        if (rule->set_priority)
            snprintf(said + at, sizeof said - at, " priority=%s", rule->set_priority);
    } else {
        snprintf(said, sizeof said, "%s: %s", question->verdict == ENGINE_SAYS_RULES ? "rules" : "unroutable",
                 question->why.text);
    }
    rules_free(question->rules);
    if (strcmp(said, wanted) && !(strchr(wanted, '*') && !strncmp(said, wanted, strcspn(wanted, "*"))))
        fail_msg("'%s' rather than '%s'", said, wanted);
}

static long requests(const char *path)
{
    char *command =
        xasprintf("curl -fsS -G --data-urlencode 'path=%s' http://127.0.0.1:%d/_/count", path, port);
    FILE *pipe = popen(command, "r");
    char line[20] = "";

    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof line, pipe));
    assert_int_equal(pclose(pipe), 0);
    free(command);
    return strtol(line, NULL, 10);
}

/* --- the tests --- */

static void an_answer_is_a_rule_that_has_its_targets_and_what_it_sets(void **state)
{
    struct rules_engine *engine =
        private_engine(ENGINE_WAIT, "/in/whole/@",
                       "{\"targets\": [\"archive\", \"hook\"], \"priority\": \"high\","
                       " \"options\": {\"timeout\": \"5m\"}, \"metadata\": {\"a\": 1}, \"took_ms\": 3}");
    struct engine_question question;
    char body[1000];

    (void)state;
    assert_int_equal(ask(engine, "report", "1", &question), 0);
    const struct rule *rule = question.rules->items[0];
    assert_int_equal(json_integer_value(json_object_get(rule->set_metadata, "a")), 1);
    assert_string_equal(json_string_value(json_object_get(rule->set_options, "timeout")), "5m");
    assert_true(rule->stop);
    assert_said(&question, "archive hook priority=high");
    read_text("bodies/1.body", body, sizeof body);
    json_t *sent = json_loads(body, 0, NULL), *event = event_of("report", "1");
    assert_true(json_equal(sent, event));
    json_decref(sent);
    json_decref(event);
    rules_engine_free(engine);
}

static void no_target_is_an_answer(void **state)
{
    struct rules_engine *engine = private_engine(ENGINE_WAIT, "/in/none/@", "{\"targets\": []}");
    struct engine_question question;

    (void)state;
    assert_int_equal(ask(engine, "report", "1", &question), 0);
    assert_said(&question, "");
    rules_engine_free(engine);
}

/* It is about this one question, whatever is to be done when the engine is absent. */
static void what_cannot_be_done_makes_it_unroutable(void **state)
{
    static const struct {
        const char *path, *body, *said;
    } cases[] = {
        {"/in/a/@", "{\"targets\": [\"archiv\"]}",
         "unroutable: the rules engine's answer: /targets/0: no destination or group is named 'archiv'; did "
         "you "
         "mean 'archive'?"},
        {"/in/b/@", "{\"targets\": [\"hook\"], \"priority\": \"urgent\"}",
         "unroutable: the rules engine's answer: /priority: *"},
        {"/in/c/@", "[\"hook\"]",
         "unroutable: the rules engine's answer has no \"targets\", an array of names"},
        {"/in/d/422", "", "unroutable: the rules engine refused it: HTTP 422"},
        {"/in/e/400", "", "unroutable: the rules engine refused it: HTTP 400"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int absent = ENGINE_LAST; absent <= ENGINE_WAIT; absent++) {
            struct rules_engine *engine =
                private_engine((enum engine_absent)absent, cases[i].path, cases[i].body);
            struct engine_question question;
            struct fault why;
            assert_int_equal(ask(engine, "report", "1", &question), 0);
            assert_said(&question, cases[i].said);
            assert_int_equal(rules_engine_news(engine, &why), ENGINE_NO_NEWS);
            rules_engine_free(engine);
        }
    }
}

static void an_engine_without_an_answer_is_absent(void **state)
{
    static const struct {
        const char *path, *why;
        int64_t timeout_ms;
    } cases[] = {
        {"/in/f/503", "the rules engine is absent: HTTP 503", 0},
        {"/in/g/404", "the rules engine is absent: HTTP 404", 0},
        {"/in/h/401", "the rules engine is absent: HTTP 401", 0},
        {"/in/i/redirect/http%3A%2F%2Fx", "the rules engine is absent: HTTP 302", 0},
        {"/in/j/hang", "the rules engine is absent: *", 100},
        {"/in/k/reset", "the rules engine is absent: *", 0},
        {"/in/l/@", "the rules engine is absent: its answer is no JSON: *", 0},
        {"/in/m/big/300000", "the rules engine is absent: its answer is larger than 256 KiB", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int absent = ENGINE_LAST; absent <= ENGINE_WAIT; absent++) {
            struct rules_engine_config config = {.allow_private = true,
                                                 .absent = (enum engine_absent)absent,
                                                 .timeout_ms = cases[i].timeout_ms};
            struct rules_engine *engine = engine_of(config, cases[i].path, "{oops");
            struct engine_question question;
            char *said = xasprintf("%s: %s", absent == ENGINE_LAST ? "rules" : "unroutable", cases[i].why);
            int status = ask(engine, "report", "1", &question);
            assert_int_equal(status, absent == ENGINE_WAIT ? -1 : 0);
            if (status) {
                assert_int_equal(problem.class, FAULT_TEMP);
                assert_null(question.rules);
                assert_memory_equal(problem.text, cases[i].why, strcspn(cases[i].why, "*"));
            } else {
                assert_said(&question, said);
            }
            free(said);
            rules_engine_free(engine);
        }
    }
}

static void the_last_answer_holds_for_what_is_alike(void **state)
{
    struct rules_engine *engine =
        private_engine(ENGINE_LAST, "/in/last/@/then/503", "{\"targets\": [\"archive\"]}");
    struct engine_question question;
    struct fault why;

    (void)state;
    assert_int_equal(ask(engine, "report", "1", &question), 0);
    assert_false(question.old);
    assert_said(&question, "archive");
    assert_int_equal(rules_engine_news(engine, &why), ENGINE_NO_NEWS);
    assert_int_equal(ask(engine, "report", "another", &question), 0);
    assert_true(question.old);
    assert_said(&question, "archive");
    assert_int_equal(rules_engine_news(engine, &why), ENGINE_IS_ABSENT);
    assert_string_equal(why.text, "the rules engine is absent: HTTP 503");
    assert_int_equal(rules_engine_news(engine, &why), ENGINE_NO_NEWS);
    assert_int_equal(ask(engine, "invoice", "1", &question), 0);
    assert_said(&question, "rules: the rules engine is absent: HTTP 503");
    rules_engine_free(engine);
}

static void its_return_is_news(void **state)
{
    struct rules_engine *engine =
        private_engine(ENGINE_REFUSE, "/in/back/503/then/@", "{\"targets\": [\"archive\"]}");
    struct engine_question question;
    struct fault why;

    (void)state;
    assert_int_equal(ask(engine, "report", "1", &question), 0);
    assert_said(&question, "unroutable: the rules engine is absent: HTTP 503");
    assert_int_equal(rules_engine_news(engine, &why), ENGINE_IS_ABSENT);
    assert_int_equal(ask(engine, "report", "2", &question), 0);
    assert_said(&question, "archive");
    assert_int_equal(rules_engine_news(engine, &why), ENGINE_IS_BACK);
    rules_engine_free(engine);
}

static void an_answer_is_kept_as_long_as_it_may(void **state)
{
    struct rules_engine *engine =
        engine_of((struct rules_engine_config){.allow_private = true, .cache_ms = 3600 * 1000}, "/in/kept/@",
                  "{\"targets\": [\"archive\"]}");
    struct engine_question question;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(engine, "report", i ? "another" : "1", &question), 0);
        assert_said(&question, "archive");
    }
    assert_int_equal(requests("/in/kept/"), 1);
    assert_int_equal(ask(engine, "invoice", "1", &question), 0);
    assert_said(&question, "archive");
    assert_int_equal(requests("/in/kept/"), 2);
    rules_engine_free(engine);

    engine = engine_of((struct rules_engine_config){.allow_private = true, .cache_ms = 1}, "/in/short/@",
                       "{\"targets\": [\"archive\"]}");
    for (int i = 0; i < 2; i++) {
        int64_t start_ms = clock_mono_ms();
        assert_int_equal(ask(engine, "report", "1", &question), 0);
        assert_said(&question, "archive");
        while (clock_mono_ms() < start_ms + 3)
            usleep(1000);
        usleep(2000); /* it was put after the start, and is too old by now */
    }
    assert_int_equal(requests("/in/short/"), 2);
    rules_engine_free(engine);
}

static void after_three_failures_it_is_left_in_peace(void **state)
{
    struct rules_engine *engine = private_engine(ENGINE_REFUSE, "/in/peace/503", "");
    int64_t start_ms = clock_mono_ms();
    struct engine_question question;

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ask(engine, "report", "1", &question), 0);
        assert_said(&question, "unroutable: the rules engine is absent: HTTP 503");
    }
    /* A machine that took longer than the pause has asked again. */
    assert_in_range(requests("/in/peace/"), 3, 3 + (clock_mono_ms() - start_ms) / ENGINE_PAUSE_MS);
    while (clock_mono_ms() < start_ms + 2 * ENGINE_PAUSE_MS)
        usleep(10000);
    long before = requests("/in/peace/");
    assert_int_equal(ask(engine, "report", "1", &question), 0);
    assert_said(&question, "unroutable: the rules engine is absent: HTTP 503");
    assert_int_equal(requests("/in/peace/"), before + 1);
    rules_engine_free(engine);
}

/* How many there are; each is as it was before the call then. */
static size_t count_verdicts(struct engine_question *questions, size_t count, enum engine_verdict verdict)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        if (!questions[i].event || questions[i].verdict != verdict)
            continue;
        assert_int_equal(questions[i].rules != NULL, verdict == ENGINE_ANSWERED);
        found++;
        rules_free(questions[i].rules);
        questions[i].rules = NULL;
    }
    return found;
}

static void many_are_asked_side_by_side_and_those_without_an_answer_wait_alone(void **state)
{
    struct rules_engine *engine =
        private_engine(ENGINE_WAIT, "/in/many/delay/200/@", "{\"targets\": [\"archive\"]}");
    struct engine_question questions[ENGINE_QUESTIONS] = {0};
    int64_t start_ms = clock_mono_ms();
    struct fault why;

    (void)state;
    for (size_t i = 0; i < ENGINE_QUESTIONS; i++)
        questions[i].event = i == 7 ? NULL : event_of("report", "1");
    assert_int_equal(rules_engine_ask(engine, catalog, questions, ENGINE_QUESTIONS, &problem), 0);
    assert_true(clock_mono_ms() - start_ms < ENGINE_QUESTIONS * 200 / 4);
    for (size_t i = 0; i < ENGINE_QUESTIONS; i++) {
        assert_int_equal(questions[i].rules != NULL, i != 7);
        rules_free(questions[i].rules);
        questions[i].rules = NULL;
    }
    rules_engine_free(engine);
    engine = private_engine(ENGINE_WAIT, "/in/most/@/then/503", "{\"targets\": [\"archive\"]}");
    assert_int_equal(rules_engine_ask(engine, catalog, questions, 20, &problem), -1);
    assert_int_equal(problem.class, FAULT_TEMP);
    assert_int_equal(count_verdicts(questions, 20, ENGINE_ANSWERED), 1);
    assert_int_equal(count_verdicts(questions, 20, ENGINE_AWAITED), 18);
    assert_int_equal(rules_engine_news(engine, &why), ENGINE_NO_NEWS);
    for (size_t i = 0; i < ENGINE_QUESTIONS; i++)
        json_decref((json_t *)questions[i].event);
    rules_engine_free(engine);
}

/* More than three bad answers come first; the others are asked nevertheless, as an engine that answers one of
 * them is there. */
static void bad_answers_leave_those_alone_that_were_not_asked_yet(void **state)
{
    struct engine_question questions[ENGINE_QUESTIONS] = {0};

    (void)state;
    for (size_t i = 0; i < ENGINE_QUESTIONS; i++)
        questions[i].event = event_of("report", "1");
    for (int absent = ENGINE_REFUSE; absent <= ENGINE_WAIT; absent++) {
        char *path = xasprintf("/in/some%d/fail/5/500/then/@", absent);
        struct rules_engine *engine =
            private_engine((enum engine_absent)absent, path, "{\"targets\": [\"archive\"]}");
        int status = rules_engine_ask(engine, catalog, questions, ENGINE_QUESTIONS, &problem);
        assert_int_equal(status, absent == ENGINE_WAIT ? -1 : 0);
        assert_int_equal(count_verdicts(questions, ENGINE_QUESTIONS, ENGINE_ANSWERED), ENGINE_QUESTIONS - 5);
        assert_int_equal(count_verdicts(questions, ENGINE_QUESTIONS,
                                        absent == ENGINE_WAIT ? ENGINE_AWAITED : ENGINE_UNROUTABLE),
                         5);
        rules_engine_free(engine);
        free(path);
    }
    for (size_t i = 0; i < ENGINE_QUESTIONS; i++)
        json_decref((json_t *)questions[i].event);
}

static void credentials_go_along_and_private_addresses_must_be_allowed(void **state)
{
    char token[] = "geheim", user[] = "u", password[] = "p", record[20000];
    const struct secret bearer = {.token = token}, basic = {.username = user, .password = password};
    struct rules_engine_config config = {.allow_private = true, .secret = &bearer};
    struct rules_engine *engine = engine_of(config, "/in/bearer/@", "{\"targets\": []}");
    struct engine_question question;

    (void)state;
    assert_int_equal(ask(engine, "report", "1", &question), 0);
    assert_said(&question, "");
    rules_engine_free(engine);
    config.secret = &basic;
    engine = engine_of(config, "/in/basic/503", "");
    assert_int_equal(ask(engine, "report", "1", &question), 0);
    assert_null(strstr(question.why.text, "basic")); /* no path of the URL */
    rules_engine_free(engine);
    char *command = xasprintf("tail -n 2 %s/record > %s/last", folder, folder);
    assert_int_equal(system(command), 0);
    free(command);
    read_text("last", record, sizeof record);
    assert_non_null(strstr(record, "Bearer geheim"));
    assert_non_null(strstr(record, "Basic dTpw"));

    config.allow_private = false;
    engine = engine_of(config, "/in/guarded/@", "{\"targets\": []}");
    assert_int_equal(ask(engine, "report", "1", &question), 0);
    assert_int_equal(question.verdict, ENGINE_SAYS_RULES);
    assert_non_null(strstr(question.why.text, "loopback"));
    assert_int_equal(requests("/in/guarded/"), 0);
    rules_engine_free(engine);
}

static void a_url_that_is_none_or_has_a_password_is_refused(void **state)
{
    static const char *const urls[] = {"rules", "ftp://x/", "http://", "https:///x", "http://u:p@x/"};

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        const struct rules_engine_config config = {.url = urls[i], .timeout_ms = 1};
        fault_clear(&problem);
        assert_null(rules_engine_new(&config, &problem));
        assert_int_equal(problem.class, FAULT_CONFIG);
        assert_null(strstr(problem.text, "u:p"));
    }
}

static void the_memory_forgets_what_was_used_longest_ago(void **state)
{
    struct answers answers;
    int64_t at_ms = 0;

    (void)state;
    answers_init(&answers, 3, 100000);
    answers_put(&answers, "a", "1", 10);
    answers_put(&answers, "b", "2", 20);
    answers_put(&answers, "c", "3", 30);
    assert_string_equal(answers_get(&answers, "a", &at_ms), "1");
    assert_int_equal(at_ms, 10);
    answers_put(&answers, "d", "4", 40);
    assert_null(answers_get(&answers, "b", &at_ms));
    answers_put(&answers, "a", "5", 50);
    assert_string_equal(answers_get(&answers, "a", &at_ms), "5");
    assert_int_equal(at_ms, 50);
    assert_int_equal(answers.entries.count, 3);
    answers_release(&answers);

    char *large = xmalloc(1001);
    memset(large, 'x', 1000);
    large[1000] = '\0';
    answers_init(&answers, 1000, 5000);
    for (int i = 0; i < 20; i++) {
        char question[12];
        snprintf(question, sizeof question, "%d", i);
        answers_put(&answers, question, large, i);
        assert_true(answers.bytes <= 5000);
    }
    assert_in_range(answers.entries.count, 3, 4);
    assert_non_null(answers_get(&answers, "19", &at_ms));
    answers.max_bytes = 100;
    answers_put(&answers, "19", large, 1); /* what was said before is not true any more */
    assert_null(answers_get(&answers, "19", &at_ms));
    answers_release(&answers);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_a_rule_that_has_its_targets_and_what_it_sets),
        cmocka_unit_test(no_target_is_an_answer),
        cmocka_unit_test(what_cannot_be_done_makes_it_unroutable),
        cmocka_unit_test(an_engine_without_an_answer_is_absent),
        cmocka_unit_test(the_last_answer_holds_for_what_is_alike),
        cmocka_unit_test(its_return_is_news),
        cmocka_unit_test(an_answer_is_kept_as_long_as_it_may),
        cmocka_unit_test(after_three_failures_it_is_left_in_peace),
        cmocka_unit_test(many_are_asked_side_by_side_and_those_without_an_answer_wait_alone),
        cmocka_unit_test(bad_answers_leave_those_alone_that_were_not_asked_yet),
        cmocka_unit_test(credentials_go_along_and_private_addresses_must_be_allowed),
        cmocka_unit_test(a_url_that_is_none_or_has_a_password_is_refused),
        cmocka_unit_test(the_memory_forgets_what_was_used_longest_ago),
    };

    return cmocka_run_group_tests(tests, start_receiver, stop_receiver);
}
