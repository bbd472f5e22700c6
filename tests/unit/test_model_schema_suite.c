/*
 * The official JSON Schema test suite: the required tests of draft 2020-12 and draft-07, as Debian packages
 * it
 *
 * json-schema-test-suite ends with draft-07, so draft 2020-12 (and a newer draft-07) is that of
 * libtest-json-schema-acceptance-perl, which carries the suite as it is. DIST_SCHEMA_SUITE names the folder
 * of another copy (with tests/ and remotes/) that is run beside them.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <glob.h>
#include <cmocka.h>
#include "schema.h"
#include "xalloc.h"

static const char debian[] = "/usr/share/json-schema-test-suite",
                  acceptance[] = "/usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance",
                  host[] = "http://localhost:1234/";

/* Tests that are known to fail, "FILE: CASE: TEST", and why. */
static const struct {
    const char *test, *reason;
} gaps[] = {
    {NULL, NULL},
};

enum { REMOTES_MAX = 500, NUL_AND_ALL = JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL };

struct suite {
    const char *draft, *uri;
    struct schema_document remotes[REMOTES_MAX];
    size_t remote_count;
    size_t passed, total, known;
};

/* Integers stay integers where they fit. */
static json_t *read_json(const char *path)
{
    json_error_t error;
    json_t *json = json_load_file(path, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (!json)
        json = json_load_file(path, NUL_AND_ALL, &error);
    if (!json)
        fail_msg("%s: %s", path, error.text);
    return json;
}

static const char *gap_reason(const char *name)
{
    for (size_t i = 0; gaps[i].test; i++)
        if (strcmp(gaps[i].test, name) == 0)
            return gaps[i].reason;
    return NULL;
}

static void report(struct suite *suite, const char *name, const char *what)
{
    const char *reason = gap_reason(name);
    suite->known += reason != NULL;
    print_message("%s %s: %s%s%s\n", suite->draft, name, what, reason ? "; known: " : "",
                  reason ? reason : "");
}

static const char *string_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* A case without "$schema" is of the draft of its folder. */
static struct schema *compile(const struct suite *suite, const json_t *schema, struct fault *fault)
{
    const struct schema_options options = {.documents = suite->remotes,
                                           .document_count = suite->remote_count};
    json_t *named = json_deep_copy(schema);
    if (json_is_object(named) && !json_object_get(named, "$schema"))
        json_object_set_new(named, "$schema", json_string(suite->uri));
    struct schema *compiled = schema_compile(named, &options, fault);
    json_decref(named);
    return compiled;
}

static void run_case(struct suite *suite, const char *file, const json_t *item)
{
    struct fault fault = {0};
    struct schema *schema = compile(suite, json_object_get(item, "schema"), &fault);
    size_t index;
    json_t *test;
    json_array_foreach (json_object_get(item, "tests"), index, test) {
        char *name =
            xasprintf("%s: %s: %s", file, string_of(item, "description"), string_of(test, "description"));
        bool wanted = json_is_true(json_object_get(test, "valid"));
        struct schema_errors errors = {0};
        suite->total++;
        if (!schema) {
            report(suite, name, fault.text);
            free(name);
            continue;
        }
        bool fits = schema_validate(schema, json_object_get(test, "data"), &errors) == 0;
        /* Without errors wanted it takes shorter ways. */
        bool also = schema_validate(schema, json_object_get(test, "data"), NULL) == 0;
        if (fits == wanted && also == wanted && !errors.stopped && fits == (errors.count == 0))
            suite->passed++;
        else
            report(suite, name, wanted ? "refused" : "taken");
        schema_errors_release(&errors);
        free(name);
    }
    schema_free(schema);
}

static void add_remotes(struct suite *suite, const char *folder, const char *pattern)
{
    char *path = xasprintf("%s/remotes/%s", folder, pattern);
    size_t cut = strlen(folder) + strlen("/remotes/");
    glob_t found;
    if (glob(path, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            assert_true(suite->remote_count < REMOTES_MAX);
            suite->remotes[suite->remote_count++] =
                (struct schema_document){.uri = xasprintf("%s%s", host, found.gl_pathv[i] + cut),
                                         .json = read_json(found.gl_pathv[i])};
        }
        globfree(&found);
    }
    free(path);
}

static void run_suite(const char *folder, const char *draft, const char *uri)
{
    struct suite suite = {.draft = draft, .uri = uri};
    glob_t found;
    char *pattern = xasprintf("%s/tests/%s/*.json", folder, draft);
    add_remotes(&suite, folder, "*.json");
    add_remotes(&suite, folder, "*/*.json");
    add_remotes(&suite, folder, "*/*/*.json");
    if (glob(pattern, 0, NULL, &found))
        fail_msg("%s: no tests (see scripts/install-deps)", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_t *cases = read_json(found.gl_pathv[i]), *item;
        size_t index;
        json_array_foreach (cases, index, item)
            run_case(&suite, strrchr(found.gl_pathv[i], '/') + 1, item);
        json_decref(cases);
    }
    globfree(&found);
    free(pattern);
    for (size_t i = 0; i < suite.remote_count; i++) {
        free((char *)suite.remotes[i].uri);
        json_decref((json_t *)suite.remotes[i].json);
    }
    print_message("# figure: %s of %s: %zu of %zu passed, %zu known not to\n", draft, folder, suite.passed,
                  suite.total, suite.known);
    assert_int_not_equal(suite.total, 0);
    assert_int_equal(suite.passed + suite.known, suite.total);
}

static const char draft7[] = "http://json-schema.org/draft-07/schema#",
                  draft2020[] = "https://json-schema.org/draft/2020-12/schema";

static void required_tests_of_draft_07_pass(void **state)
{
    (void)state;
    run_suite(debian, "draft7", draft7);
}

static void required_tests_of_the_newer_draft_07_pass(void **state)
{
    (void)state;
    run_suite(acceptance, "draft7", draft7);
}

static void required_tests_of_draft_2020_12_pass(void **state)
{
    (void)state;
    run_suite(acceptance, "draft2020-12", draft2020);
}

static void required_tests_of_a_named_copy_pass(void **state)
{
    const char *folder = getenv("DIST_SCHEMA_SUITE");
    (void)state;
    if (!folder || !*folder)
        return;
    run_suite(folder, "draft7", draft7);
    run_suite(folder, "draft2020-12", draft2020);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(required_tests_of_draft_07_pass),
        cmocka_unit_test(required_tests_of_the_newer_draft_07_pass),
        cmocka_unit_test(required_tests_of_draft_2020_12_pass),
        cmocka_unit_test(required_tests_of_a_named_copy_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
