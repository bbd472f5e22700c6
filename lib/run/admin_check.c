/*
 * admin_check - see admin.h: destinations and servers
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog.h"
#include "adapter.h"
#include "admin.h"
#include "clock.h"
#include "form.h"
#include "json.h"
#include "msg.h"
#include "networks.h"
#include "num.h"
#include "queue.h"
#include "reach.h"
#include "secret.h"
#include "signing.h"
#include "table.h"
#include "xalloc.h"

/* Where a destination leads, for people. */
static const char *place_of(const struct destination *destination)
{
    if (destination->endpoint)
        return destination->endpoint;
    if (destination->path)
        return destination->path;
    if (destination->command)
        return json_string_value(json_array_get(destination->command, 0));
    return "";
}

static void forget_mistake(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

static int list_one(const struct destination *destination, bool json, struct table *table,
                    struct fault *fault)
{
    const char *state = destination->disabled ? "disabled" : "enabled";
    if (!json) {
        table_row(table, (const char *[]){destination->name, protocol_names[destination->protocol], state,
                                          destination->origin, place_of(destination)});
        return 0;
    }
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", destination->name, "protocol",
                            protocol_names[destination->protocol], "state", state, "origin",
                            destination->origin, "place", place_of(destination));
    return print_json(row, fault);
}

int admin_destination_list(const struct tool *tool, bool json, struct fault *fault)
{
    static const char *const heading[] = {"DESTINATION", "PROTOCOL", "STATE", "ORIGIN", "PLACE"};
    struct catalog *catalog = tool_catalog(tool, tool_mistake, NULL, fault);
    struct table table;
    size_t count;
    int result = 0;

    if (!catalog)
        return -1;
    table_init(&table, heading, 5);
    const char **names = catalog_names(catalog, &count);
    for (size_t i = 0; result == 0 && i < count; i++)
        result = list_one(catalog_destination(catalog, names[i]), json, &table, fault);
    if (result == 0)
        result = table_print(&table, fault);
    free(names);
    table_release(&table);
    catalog_free(catalog);
    return result;
}

/* What has been checked so far. */
struct checking {
    const struct tool *tool;
    const struct catalog *catalog;
    struct render *render;
    struct reach *reach; /* NULL: nothing is connected to */
    const char *tenant;  /* whose networks hold; NULL: nobody's own */
    bool json;
    struct table *table;
    struct fault *fault; /* of the output */
    int output;          /* -1: it failed */
    size_t total, mistakes, unreached;
};

/* What a destination needs on this host, beside a good form. */
static int check_one(const struct checking *checking, const struct destination *destination,
                     struct fault *fault)
{
    const struct tool *tool = checking->tool;
    struct secret secret = {0};
    struct signing_keys keys;

    if (!adapter_for(destination->protocol))
        return fault_set(fault, FAULT_CONFIG, "the form is good, but this version has no adapter for %s",
                         protocol_names[destination->protocol]);
    if (destination->credentials) {
        if (secret_load(conf_dir(tool->conf), NULL, destination->credentials, &secret, fault) < 0)
            return -1;
        secret_release(&secret);
    }
    if (destination->signing) {
        if (signing_keys_load(conf_dir(tool->conf), NULL, destination->signing, &keys, fault) < 0)
            return fault_wrap(fault, "signing");
        int valid = signing_keys_check(&keys, clock_wall_us(), fault);
        signing_keys_wipe(&keys);
        if (valid < 0)
            return fault_set(fault, FAULT_CONFIG, "signing: credential '%s': the time of every key is over",
                             destination->signing);
    }
    if (destination->command && access(place_of(destination), X_OK) < 0)
        return fault_set(fault, FAULT_CONFIG, "the command %s cannot be run", place_of(destination));
    return render_check_program(checking->render, checking->catalog, destination->rendering, "", fault);
}

/* A row of what was connected to; why it failed has its line of its own, but in JSON. */
static void print_row(struct checking *checking, const struct destination *destination,
                      const struct fault *problem)
{
    const char *result = problem->class ? fault_class_name(problem->class) : "ok";
    const char *protocol = protocol_names[destination->protocol];

    if (!checking->reach || checking->output < 0)
        return;
    if (checking->json)
        checking->output = print_json(
            json_pack("{s:s, s:s, s:s, s:s, s:s*}", "name", destination->name, "protocol", protocol, "result",
                      result, "place", place_of(destination), "error", problem->class ? problem->text : NULL),
            checking->fault);
    else
        table_row(checking->table,
                  (const char *[]){destination->name, protocol, result, place_of(destination)});
}

static void check_known(struct checking *checking, const struct destination *destination)
{
    struct fault problem = {0};

    if (check_one(checking, destination, &problem) < 0)
        checking->mistakes++;
    else if (checking->reach && reach_destination(checking->reach, destination, &problem) < 0 &&
             problem.class == FAULT_CONFIG)
        checking->mistakes++;
    else if (problem.class)
        checking->unreached++;
    if (problem.class)
        msg(MSG_ERROR, "%s: %s: %s", destination->origin, destination->name, problem.text);
    print_row(checking, destination, &problem);
}

static void check_destination(struct checking *checking, const char *name)
{
    const struct destination *destination = catalog_destination(checking->catalog, name);

    checking->total++;
    if (!destination) {
        const char *nearest = catalog_nearest(checking->catalog, name);
        msg(MSG_ERROR, "%s: no such destination%s%s%s", name, nearest ? "; did you mean '" : "",
            nearest ? nearest : "", nearest ? "'?" : "");
        checking->mistakes++;
    } else {
        check_known(checking, destination);
    }
}

static void check_named(struct checking *checking, const char *name)
{
    const struct group *group = catalog_group(checking->catalog, name);

    if (!group)
        check_destination(checking, name);
    for (size_t i = 0; group && i < group->member_count; i++)
        check_destination(checking, group->members[i]);
}

/* Those named, or all. */
static int check_all(struct checking *checking, char **names, int count, struct fault *fault)
{
    struct catalog *catalog = tool_catalog(checking->tool, tool_mistake, NULL, fault);
    size_t known = 0;

    if (!catalog)
        return -1;
    checking->catalog = catalog;
    checking->render = tool_render(checking->tool);
    if (checking->reach)
        checking->reach->context.networks = networks_of(catalog->networks.set, checking->tenant);
    const char **all = catalog_names(catalog, &known);
    for (int i = 0; i < count; i++)
        check_named(checking, names[i]);
    for (size_t i = 0; count == 0 && i < known; i++)
        check_destination(checking, all[i]);
    free(all);
    render_free(checking->render);
    catalog_free(catalog);
    if (!checking->mistakes)
        return 0;
    return fault_set(fault, FAULT_CONFIG, "%zu of %zu destinations cannot be delivered to",
                     checking->mistakes, checking->total);
}

int admin_destination_check(const struct tool *tool, char **names, int count, struct fault *fault)
{
    struct checking checking = {.tool = tool};

    return check_all(&checking, names, count, fault);
}

int admin_destination_reach(const struct tool *tool, char **names, int count, const char *tenant, bool json,
                            struct fault *fault)
{
    static const char *const heading[] = {"DESTINATION", "PROTOCOL", "RESULT", "PLACE"};
    struct reach reach = {0};
    struct table table;
    struct checking checking = {
        .tool = tool, .reach = &reach, .tenant = tenant, .json = json, .table = &table, .fault = fault};

    table_init(&table, heading, 4);
    int result = reach_init(&reach, tool, fault);
    if (result == 0)
        result = check_all(&checking, names, count, fault);
    reach_release(&reach);
    if (checking.output < 0 || table_print(&table, fault) < 0)
        result = -1;
    else if (result == 0 && checking.unreached == checking.total && checking.total)
        result =
            fault_set(fault, FAULT_UNAVAILABLE, "none of %zu destinations can be reached", checking.total);
    else if (result == 0 && checking.unreached) {
        msg(MSG_ERROR, "%zu of %zu destinations cannot be reached", checking.unreached, checking.total);
        result = 1;
    }
    table_release(&table);
    return result;
}

static void explain_members(const struct form_help *help)
{
    for (; help->name; help++)
        msg(MSG_INFO, "%s: %s", help->name, help->text);
}

int admin_destination_new(const struct tool *tool, const char *protocol, struct fault *fault)
{
    enum protocol number;
    (void)tool;

    if (form_protocol(protocol, &number, fault) < 0) {
        fault->class = FAULT_USAGE;
        return -1;
    }
    json_t *form = form_start(number);
    char *text = json_dumps(form, JSON_PRESERVE_ORDER | JSON_INDENT(2));
    int result = print_text(fault, "%s\n", text);
    free(text);
    json_decref(form);
    if (result == 0) {
        explain_members(form_help(number));
        explain_members(form_common_help);
    }
    return result;
}

/* Also where the destinations have mistakes: what is wrong with the rules alone is to be seen in the same
 * run. */
static int check_rules(const struct tool *tool, struct fault *fault)
{
    struct fault ignored = {0};
    struct programs *programs = programs_new(&program_limits_default);
    struct catalog *catalog = tool_catalog(tool, forget_mistake, NULL, &ignored);
    struct rulebook *book = tool_rules(tool, catalog, programs, tool_mistake, NULL, fault);
    int result = book ? 0 : -1;

    rulebook_free(book);
    catalog_free(catalog);
    programs_free(programs);
    return result;
}

/* Everything is looked at, and each mistake has its line; the fault is the first one. */
int admin_config_check(const struct tool *tool, struct fault *fault)
{
    struct fault problems[3] = {0};
    const int results[] = {admin_destination_check(tool, NULL, 0, &problems[0]),
                           check_rules(tool, &problems[1]), tool_redis_check(tool, &problems[2])};
    int result = 0;

    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        if (!results[i])
            continue;
        if (result == 0)
            *fault = problems[i];
        else
            tool_mistake(NULL, problems[i].text);
        result = -1;
    }
    return result ? result : print_text(fault, "%s: no mistakes\n", conf_dir(tool->conf));
}

static int examine_store(const struct tool *tool, struct fault *fault)
{
    enum { SKEW_LIMIT_MS = 2000 };
    struct store *store = tool_store(tool);
    char version[64], skew_text[NUM_DURATION_SIZE];
    int64_t skew_ms = 0;
    int have = 0, want = 0;

    int result = store_server(store, version, &skew_ms, fault);
    if (result == 0)
        result = store_schema_version(store, &have, &want, fault);
    if (result == 0)
        result = print_text(fault, "ok       %s: version %s, schema %d, clock %s%s\n", store_address(store),
                            version, have, skew_ms < 0 ? "-" : "+",
                            num_format_duration(skew_ms < 0 ? -skew_ms : skew_ms, skew_text));
    if (result == 0 && have != want)
        result = fault_set(fault, FAULT_CONFIG,
                           "the schema is version %d, this version needs %d: run 'dist-admin migrate'", have,
                           want);
    if (result == 0 && (skew_ms > SKEW_LIMIT_MS || skew_ms < -SKEW_LIMIT_MS))
        result = fault_set(fault, FAULT_CONFIG, "the clocks of this host and of PostgreSQL differ by %s",
                           skew_text);
    store_free(store);
    return result;
}

/* The value of one CONFIG GET, or NULL where the server does not tell; the caller frees. */
static char *redis_setting(struct redis *redis, const char *name)
{
    struct fault ignored = {0};
    redisReply *reply = redis_commandf(redis, 0, &ignored, "CONFIG GET %s", name);
    char *value = NULL;
    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[1]->str)
        value = xstrdup(reply->element[1]->str);
    if (reply)
        freeReplyObject(reply);
    return value;
}

/* The number behind "\r\nname:" in what CLUSTER INFO says, or -1. */
static long cluster_number(const char *info, const char *name)
{
    char start[40];
    snprintf(start, sizeof start, "\n%s:", name);
    const char *found = strstr(info, start);
    return found ? strtol(found + strlen(start), NULL, 10) : -1;
}

static int examine_cluster(struct redis *redis, struct fault *fault)
{
    redisReply *reply = redis_commandf(redis, 0, fault, "CLUSTER INFO");
    int result;

    if (!reply)
        return -1;
    const char *info = reply->str ? reply->str : "";
    long slots = cluster_number(info, "cluster_slots_ok");
    if (strstr(info, "cluster_state:ok"))
        result = print_text(fault, "ok       the cluster: %ld nodes, %ld slots are served\n",
                            cluster_number(info, "cluster_known_nodes"), slots);
    else
        result = fault_set(fault, FAULT_TEMP, "%s: the cluster is down: %ld of 16384 slots are served",
                           redis_address(redis), slots);
    freeReplyObject(reply);
    return result;
}

static int examine_redis(const struct tool *tool, struct fault *fault)
{
    struct redis *redis = tool_redis(tool);
    redisReply *reply = redis_commandf(redis, 0, fault, "INFO server");
    char version[32] = "unknown";
    int result = -1;

    if (!reply)
        goto out;
    const char *found = reply->str ? strstr(reply->str, "redis_version:") : NULL;
    if (found)
        snprintf(version, sizeof version, "%.*s", (int)strcspn(found + 14, "\r\n"), found + 14);
    char *policy = redis_setting(redis, "maxmemory-policy");
    char *append = redis_setting(redis, "appendonly");
    result = print_text(fault, "ok       %s: version %s\n", redis_address(redis), version);
    if (result == 0 && conf_bool(tool->conf, "REDIS_CLUSTER"))
        result = examine_cluster(redis, fault);
    if (result == 0 && policy && strcmp(policy, "noeviction"))
        result =
            print_text(fault,
                       "warning  maxmemory-policy is %s: entries may be evicted and are then queued again "
                       "late; noeviction is better\n",
                       policy);
    if (result == 0 && append && !strcmp(append, "no"))
        result = print_text(fault,
                            "note     appendonly is off: after a restart of Redis everything open is queued "
                            "again\n");
    free(policy);
    free(append);
    freeReplyObject(reply);
out:
    redis_free(redis);
    return result;
}

static int examine_destinations(const struct tool *tool, struct fault *fault)
{
    if (admin_destination_check(tool, NULL, 0, fault) < 0)
        return -1;
    return print_text(fault, "ok       %s/destinations.d\n", conf_dir(tool->conf));
}

static int examine_rules(const struct tool *tool, struct fault *fault)
{
    if (check_rules(tool, fault) < 0)
        return -1;
    return print_text(fault, "ok       %s/rules.d\n", conf_dir(tool->conf));
}

int admin_doctor(const struct tool *tool, struct fault *fault)
{
    static int (*const examinations[])(const struct tool *, struct fault *) = {
        examine_store, examine_redis, examine_destinations, examine_rules};
    int worst = 0;

    for (size_t i = 0; i < sizeof examinations / sizeof *examinations; i++) {
        struct fault problem = {0};
        if (examinations[i](tool, &problem) == 0)
            continue;
        if (print_text(fault, "FAILED   %s\n", problem.text) < 0)
            return -1;
        int code = fault_exit_code(problem.class);
        worst = worst ? worst : code;
    }
    return worst;
}
