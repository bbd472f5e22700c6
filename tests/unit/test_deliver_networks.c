/*
 * networks.json: what is taken from it, for whom, and every mistake with its line
 */
#include "networks.h"

#include <netinet/in.h>
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "buf.h"
#include "guard.h"

static void collect(void *arg, const char *text)
{
    buf_addf(arg, "%s\n", text);
}

static struct networks *read_networks(const char *text, struct buf *mistakes, size_t *count)
{
    buf_init(mistakes, 100000);
    return networks_read(text, strlen(text), collect, mistakes, count);
}

static bool is_open(const struct networks *networks, const char *tenant, const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(443)};
    const struct guard guard = {.lists = networks_of(networks, tenant)};

    assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
    return !guard_refuses(&guard, (const struct sockaddr *)&in);
}

static void each_tenant_has_what_is_its_own_and_what_all_have(void **state)
{
    struct buf mistakes;
    size_t count = 9;
    struct networks *networks =
        read_networks("{\"description\": \"who may go where\",\n"
                      " \"default\": {\"deny\": [\"8.8.8.8\"], \"allow\": [\"10.1.0.0/16\"]},\n"
                      " \"tenants\": {\"acme\": {\"allow\": [\"10.2.0.0/16\"], \"description\": \"x\"},\n"
                      "             \"beta\": {\"only\": []}}}",
                      &mistakes, &count);
    (void)state;

    assert_non_null(networks);
    assert_int_equal(count, 0);
    assert_true(is_open(networks, "acme", "10.1.0.1") && is_open(networks, "acme", "10.2.0.1"));
    assert_true(is_open(networks, "other", "10.1.0.1") && !is_open(networks, "other", "10.2.0.1"));
    assert_true(is_open(networks, NULL, "10.1.0.1") && !is_open(networks, NULL, "8.8.8.8"));
    assert_false(is_open(networks, "acme", "8.8.8.8") || is_open(networks, "beta", "1.1.1.1"));
    struct guard_lists *kept = guard_lists_ref(networks_of(networks, "acme"));
    networks_free(networks); /* an attempt is under way */
    guard_lists_unref(kept);
    assert_null(networks_of(NULL, "acme"));
    buf_release(&mistakes);
}

static void nothing_is_a_choice_too(void **state)
{
    struct buf mistakes;
    size_t count;
    struct networks *networks = read_networks("{}", &mistakes, &count);
    (void)state;

    assert_non_null(networks);
    assert_true(is_open(networks, "acme", "8.8.8.8") && !is_open(networks, "acme", "10.1.0.1"));
    networks_free(networks);
    buf_release(&mistakes);
}

static void every_mistake_is_told_with_its_line(void **state)
{
    static const struct {
        const char *text, *mistakes;
    } cases[] = {
        {"{\"default\": {\n\"deny\": [\"10.0.0.0/8\",\n\"10.1/16\", 7],\n\"alow\": []}}",
         "line 1: /default: unknown member 'alow'; did you mean 'allow'?\n"},
        {"{\"default\": {\n\"deny\": [\"10.0.0.0/8\",\n\"10.1/16\", 7],\n\"allow\": [\"::1/8\"]}}",
         "line 3: /default/deny/1: \"10.1/16\" is no network: an IPv4 or IPv6 address is wanted, behind it "
         "/bits "
         "and :ports if need be\n"
         "line 3: /default/deny/2: a text is wanted, as \"10.1.0.0/16\"\n"
         "line 4: /default/allow/0: \"::1/8\" is no network: its address has bits behind the prefix\n"},
        {"{\"tenants\": {\"acme\": {\"deny\": [\"x\"]},\n\"be ta\": {},\n\"gamma\": []}}", "line 1: "},
        {"[]", "line 1: "},
        {"{\"default\": []}", "line 1: /default"},
        {"{\"tenant\": {}}", "line 1: "},
        {"{", "line 1, column 2"},
        {"", ""},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf mistakes;
        size_t count = 0;
        assert_null(read_networks(cases[i].text, &mistakes, &count));
        assert_true(count > 0);
        if (!strstr(mistakes.data, cases[i].mistakes))
            fail_msg("%s\ngave\n%s", cases[i].text, mistakes.data);
        buf_release(&mistakes);
    }
}

static void there_are_ceilings(void **state)
{
    struct buf text, mistakes;
    size_t count;
    (void)state;

    buf_init(&text, 4 * 1024 * 1024);
    buf_adds(&text, "{\"tenants\": {");
    for (int i = 0; i <= NETWORKS_TENANTS_MAX; i++)
        buf_addf(&text, "%s\"t%d\": {}", i ? ", " : "", i);
    buf_adds(&text, "}}");
    assert_null(read_networks(text.data, &mistakes, &count));
    assert_non_null(strstr(mistakes.data, "/tenants: more than 10000 tenants are not taken"));
    buf_release(&mistakes);
    buf_clear(&text);
    buf_adds(&text, "{\"default\": {\"deny\": [\"1.1.1.1\"");
    for (int i = 0; i < GUARD_NETWORKS_MAX; i++)
        buf_adds(&text, ", \"1.1.1.1\"");
    buf_adds(&text, "]}}");
    assert_null(read_networks(text.data, &mistakes, &count));
    assert_non_null(strstr(mistakes.data, "/default/deny"));
    buf_release(&mistakes);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tenant_has_what_is_its_own_and_what_all_have),
        cmocka_unit_test(nothing_is_a_choice_too),
        cmocka_unit_test(every_mistake_is_told_with_its_line),
        cmocka_unit_test(there_are_ceilings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
