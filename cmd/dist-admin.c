/*
 * dist-admin - schema, tenants, destinations, settings, audit, rules in the database, secrets
 */
#include <string.h>

#include "admin.h"
#include "admin_rules.h"
#include "admin_secret.h"
#include "audit.h"
#include "tool.h"

static bool json, check, dry_run, replace;
static const char *name, *tenant, *scheme, *keep;

static const struct option options[] = {
    {'j', "json", NULL, OPTION_FLAG, &json, 0, 0, "one JSON object per row", NULL},
    {0, "name", "text", OPTION_STRING, &name, 0, 0, "tenant add: its name for people", NULL},
    {0, "check", NULL, OPTION_FLAG, &check, 0, 0, "config: find every mistake", NULL},
    {'t', "tenant", "name", OPTION_STRING, &tenant, 0, 0,
     "audit, rules, secret and destination check: of this tenant only", NULL},
    {'n', "dry-run", NULL, OPTION_FLAG, &dry_run, 0, 0, "rules load: print what would change", NULL},
    {0, "replace", NULL, OPTION_FLAG, &replace, 0, 0, "rules load and diff: remove what is in no file", NULL},
    {0, "scheme", "word", OPTION_STRING, &scheme, 0, 0, "secret: hmac or ed25519", NULL},
    {0, "keep", "duration", OPTION_STRING, &keep, 0, 0, "secret rotate: how long the old key signs too",
     NULL},
    {0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL},
};
static const char *const usage[] = {
    "init",
    "migrate",
    "tenant add [--name text] id",
    "tenant list [-j]",
    "tenant disable id",
    "tenant enable id",
    "destination list [-j]",
    "destination check [-j] [-t name] [name ...]",
    "destination new protocol",
    "destination resume name",
    "config [-j] [--check]",
    "doctor",
    "audit [-j] [-t name]",
    "rules load [-jn] [-t name] [--replace] file ...",
    "rules diff [-j] [-t name] [--replace] file ...",
    "rules show [-j] [-t name] [name]",
    "rules disable [-t name] name ...",
    "rules enable [-t name] name ...",
    "rules remove [-t name] name ...",
    "secret new [-t name] [--scheme word] name",
    "secret rotate [-t name] [--scheme word] [--keep duration] name",
    "secret show-public [-t name] name",
    NULL,
};
static const char *const subcommands[] = {"init",   "migrate", "tenant", "destination", "config",
                                          "doctor", "audit",   "rules",  "secret",      NULL};
static const struct tool_options tool_options = {
    .tool = "dist-admin",
    .purpose = "administer schema, tenants, destinations, rules, secrets and settings",
    .usage = usage,
    .options = options,
    .subcommands = subcommands,
};

static int run_init(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)words;
    (void)count;
    return admin_folders(tool, fault) < 0 ? -1 : admin_migrate(tool, fault);
}

static int run_migrate(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)words;
    (void)count;
    return admin_migrate(tool, fault);
}

static int run_tenant_add(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)count;
    return admin_tenant_add(tool, words[0], name, fault);
}

static int run_tenant_list(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)words;
    (void)count;
    return admin_tenant_list(tool, json, fault);
}

static int run_tenant_disable(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)count;
    return admin_tenant_disable(tool, words[0], true, fault);
}

static int run_tenant_enable(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)count;
    return admin_tenant_disable(tool, words[0], false, fault);
}

static int run_destination_list(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)words;
    (void)count;
    return admin_destination_list(tool, json, fault);
}

static int run_destination_check(const struct tool *tool, char **words, int count, struct fault *fault)
{
    return admin_destination_reach(tool, words, count, tenant, json, fault);
}

static int run_destination_new(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)count;
    return admin_destination_new(tool, words[0], fault);
}

static int run_destination_resume(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)count;
    return admin_destination_resume(tool, words[0], fault);
}

static int run_config(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)words;
    (void)count;
    return check ? admin_config_check(tool, fault) : admin_config(tool, json, fault);
}

static int run_doctor(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)words;
    (void)count;
    return admin_doctor(tool, fault);
}

static int run_audit(const struct tool *tool, char **words, int count, struct fault *fault)
{
    (void)words;
    (void)count;
    return audit_run(tool, tenant, json, fault);
}

static struct admin_rules rules_request(void)
{
    return (struct admin_rules){.tenant = tenant, .replace = replace, .dry_run = dry_run, .json = json};
}

static int run_rules_load(const struct tool *tool, char **words, int count, struct fault *fault)
{
    const struct admin_rules rules = rules_request();
    return admin_rules_load(tool, &rules, words, count, fault);
}

static int run_rules_diff(const struct tool *tool, char **words, int count, struct fault *fault)
{
    const struct admin_rules rules = rules_request();
    return admin_rules_diff(tool, &rules, words, count, fault);
}

static int run_rules_show(const struct tool *tool, char **words, int count, struct fault *fault)
{
    const struct admin_rules rules = rules_request();
    return admin_rules_show(tool, &rules, count ? words[0] : NULL, fault);
}

static int run_rules_disable(const struct tool *tool, char **words, int count, struct fault *fault)
{
    const struct admin_rules rules = rules_request();
    return admin_rules_set(tool, &rules, RULE_CHANGE_DISABLED, words, count, fault);
}

static int run_rules_enable(const struct tool *tool, char **words, int count, struct fault *fault)
{
    const struct admin_rules rules = rules_request();
    return admin_rules_set(tool, &rules, RULE_CHANGE_ENABLED, words, count, fault);
}

static int run_rules_remove(const struct tool *tool, char **words, int count, struct fault *fault)
{
    const struct admin_rules rules = rules_request();
    return admin_rules_set(tool, &rules, RULE_CHANGE_REMOVED, words, count, fault);
}

static struct admin_secret secret_request(void)
{
    return (struct admin_secret){.tenant = tenant, .scheme = scheme, .keep = keep};
}

static int run_secret_new(const struct tool *tool, char **words, int count, struct fault *fault)
{
    const struct admin_secret secret = secret_request();
    (void)count;
    return admin_secret_new(tool, &secret, words[0], fault);
}

static int run_secret_rotate(const struct tool *tool, char **words, int count, struct fault *fault)
{
    const struct admin_secret secret = secret_request();
    (void)count;
    return admin_secret_rotate(tool, &secret, words[0], fault);
}

static int run_secret_show_public(const struct tool *tool, char **words, int count, struct fault *fault)
{
    const struct admin_secret secret = secret_request();
    (void)count;
    return admin_secret_show_public(tool, &secret, words[0], fault);
}

/* One row per subcommand: its words, how many operands it takes behind them, and whether it needs no folder.
 */
static const struct {
    const char *first, *second;
    int least, most;
    bool without_folder;
    int (*run)(const struct tool *tool, char **words, int count, struct fault *fault);
} commands[] = {
    {"init", NULL, 0, 0, true, run_init},
    {"migrate", NULL, 0, 0, false, run_migrate},
    {"tenant", "add", 1, 1, false, run_tenant_add},
    {"tenant", "list", 0, 0, false, run_tenant_list},
    {"tenant", "disable", 1, 1, false, run_tenant_disable},
    {"tenant", "enable", 1, 1, false, run_tenant_enable},
    {"destination", "list", 0, 0, false, run_destination_list},
    {"destination", "check", 0, 10000, false, run_destination_check},
    {"destination", "new", 1, 1, true, run_destination_new},
    {"destination", "resume", 1, 1, false, run_destination_resume},
    {"config", NULL, 0, 0, false, run_config},
    {"doctor", NULL, 0, 0, false, run_doctor},
    {"audit", NULL, 0, 0, false, run_audit},
    {"rules", "load", 1, 10000, false, run_rules_load},
    {"rules", "diff", 1, 10000, false, run_rules_diff},
    {"rules", "show", 0, 1, false, run_rules_show},
    {"rules", "disable", 1, 10000, false, run_rules_disable},
    {"rules", "enable", 1, 10000, false, run_rules_enable},
    {"rules", "remove", 1, 10000, false, run_rules_remove},
    {"secret", "new", 1, 1, false, run_secret_new},
    {"secret", "rotate", 1, 1, false, run_secret_rotate},
    {"secret", "show-public", 1, 1, false, run_secret_show_public},
};

static int run(const struct tool *tool, int count, char **words, struct fault *fault)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        int own = commands[i].second ? 2 : 1;
        if (count < own || strcmp(words[0], commands[i].first) ||
            (commands[i].second && strcmp(words[1], commands[i].second)))
            continue;
        if (count - own < commands[i].least || count - own > commands[i].most)
            return tool_usage(tool, fault, "wrong number of arguments for '%s%s%s'", commands[i].first,
                              commands[i].second ? " " : "", commands[i].second ? commands[i].second : "");
        if (!commands[i].without_folder && tool_folder(tool, fault) < 0)
            return -1;
        return commands[i].run(tool, words + own, count - own, fault);
    }
    return tool_usage(tool, fault, count ? "unknown command '%s'" : "say what is to be done%s",
                      count ? words[0] : "");
}

int main(int argc, char **argv)
{
    struct fault fault = {0};
    struct tool tool;
    int operands;

    if (!tool_begin_without_folder(&tool, &tool_options, argc, argv, &operands, NULL))
        return tool.exit_code;
    return tool_end(&tool, run(&tool, operands, argv + 1, &fault), &fault);
}
