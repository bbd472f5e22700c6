/*
 * dead_call - see dead_call.h
 *
 * One table says which action takes an option, and whether a file of dead letters does: an option that would
 * do nothing is refused by its name.
 */
#include "dead_call.h"

#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "replay.h"
#include "text.h"

enum {
    LIST = 1 << DEAD_LIST,
    SHOW = 1 << DEAD_SHOW,
    EXPORT = 1 << DEAD_EXPORT,
    REPLAY = 1 << DEAD_REPLAY,
    DROP = 1 << DEAD_DROP,
    BATCHES = 1 << DEAD_BATCHES,
    LETTERS = LIST | SHOW | EXPORT | REPLAY | DROP,
    ANY = LETTERS | BATCHES,
    OF_FILE = LIST | SHOW | EXPORT | REPLAY,
    WHY_MAX = 1000,
};

static const char *const action_names[DEAD_ACTION_COUNT] = {"list",   "show", "export",
                                                            "replay", "drop", "batches"};

struct call_rule {
    const char *option;
    bool given;
    unsigned actions;      /* that take it */
    unsigned file_actions; /* those of them that take it for a file */
};

static int check_rule(const struct tool *tool, const struct call_rule *rule,
                      const struct dead_request *letters, struct fault *fault)
{
    struct buf names;
    int result = 0;

    if (!rule->given)
        return 0;
    if (letters->file && rule->actions & (1U << letters->action) &&
        !(rule->file_actions & (1U << letters->action)))
        return tool_usage(tool, fault, "--%s works on the store, not on a file", rule->option);
    if (rule->actions & (1U << letters->action))
        return 0;
    buf_init(&names, 100);
    for (int i = 0; i < DEAD_ACTION_COUNT; i++)
        if (rule->actions & (1U << i))
            buf_addf(&names, "%s%s", names.len ? ", " : "", action_names[i]);
    result = tool_usage(tool, fault, "--%s belongs to %s", rule->option, names.data);
    buf_release(&names);
    return result;
}

static int check_rules(const struct tool *tool, const struct dead_request *letters, struct fault *fault)
{
    const struct dead_filter *filter = &letters->filter;
    const struct dead_replay *replay = &letters->replay;
    const struct call_rule rules[] = {
        {"json", letters->json, ANY & ~(unsigned)EXPORT, LIST | SHOW},
        {"body", letters->body, SHOW, SHOW},
        {"dry-run", letters->dry_run, REPLAY | DROP, REPLAY},
        {"yes", letters->yes, REPLAY | DROP, 0},
        {"all", letters->all, REPLAY | DROP, REPLAY},
        {"tenant", filter->tenant_id, LETTERS, OF_FILE},
        {"type", filter->data_type, LETTERS, OF_FILE},
        {"destination", filter->destination, LETTERS, OF_FILE},
        {"reason", filter->reason, LETTERS, OF_FILE},
        {"error", filter->error, LETTERS, OF_FILE},
        {"since", filter->since_us != 0, ANY, 0},
        {"until", filter->until_us != 0, ANY, 0},
        {"limit", filter->limit != 0, ANY, OF_FILE},
        {"to", replay->to, REPLAY, REPLAY},
        {"rate", replay->rate, REPLAY, 0},
        {"canary", replay->canary != 0, REPLAY, 0},
        {"timeout", replay->timeout_ms != 0, REPLAY, 0},
        {"max-replays", replay->max_replays != 0, REPLAY, 0},
        {"why", replay->why, REPLAY, 0},
        {"edited", replay->edited, REPLAY, 0},
        {"edit", replay->edit, REPLAY, 0},
    };

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (check_rule(tool, &rules[i], letters, fault) < 0)
            return -1;
    return 0;
}

static bool has_filters(const struct dead_filter *filter)
{
    return filter->tenant_id || filter->data_type || filter->destination || filter->reason || filter->error ||
           filter->since_us || filter->until_us;
}

/* One letter, which is named, and all of it now. */
static int check_edit(const struct tool *tool, const struct dead_request *letters, size_t operands,
                      struct fault *fault)
{
    const struct dead_replay *replay = &letters->replay;
    const char *option = replay->edit ? "edit" : "edited";

    if (replay->edit && replay->edited)
        return tool_usage(tool, fault, "--edit and --edited exclude each other");
    if (operands != 1 || has_filters(&letters->filter) || letters->filter.limit || letters->all)
        return tool_usage(tool, fault, "--%s takes one id, and no filter", option);
    if (replay->rate || replay->canary || letters->dry_run || letters->yes)
        return tool_usage(tool, fault,
                          "--%s is one letter: --rate, --canary, --dry-run and --yes are for more", option);
    return 0;
}

static int check_replay(const struct tool *tool, const struct dead_replay *replay, struct fault *fault)
{
    int64_t letters, interval_us;

    if (replay->timeout_ms && !replay->canary)
        return tool_usage(tool, fault, "--timeout belongs to --canary");
    if (replay->why &&
        (strlen(replay->why) > WHY_MAX || !text_is_utf8(replay->why, strlen(replay->why), NULL)))
        return tool_usage(tool, fault, "--why: UTF-8 text of at most %d bytes is wanted", WHY_MAX);
    return replay->rate ? replay_parse_rate(replay->rate, &letters, &interval_us, fault) : 0;
}

int dead_call_check(const struct tool *tool, const struct dead_request *letters, size_t operands,
                    struct fault *fault)
{
    bool acts = letters->action == DEAD_REPLAY || letters->action == DEAD_DROP;

    if (check_rules(tool, letters, fault) < 0)
        return -1;
    if (letters->file && !(OF_FILE & (1U << letters->action)))
        return tool_usage(tool, fault, "%s works on the store, not on a file", action_names[letters->action]);
    if (letters->action == DEAD_SHOW && !operands)
        return tool_usage(tool, fault, "show needs an id");
    if (acts && !operands && !has_filters(&letters->filter) && !letters->all)
        return tool_usage(tool, fault, "name dead letters by id, by filters, or say --all");
    if (letters->all && operands)
        return tool_usage(tool, fault, "--all is for replay and drop without ids");
    if (letters->dry_run && letters->yes)
        return tool_usage(tool, fault, "--dry-run and --yes exclude each other");
    if (letters->replay.edit || letters->replay.edited)
        if (check_edit(tool, letters, operands, fault) < 0)
            return -1;
    return check_replay(tool, &letters->replay, fault);
}
