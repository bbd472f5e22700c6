/*
 * rules_apply - asks a set of rules
 *
 * Two ways lead to the same decision. To explain, every rule is looked at. Else the indexes name the few that
 * may match; rules that the indexes leave out cannot match, and their steps are not wanted.
 */
#include <string.h>
#include "buf.h"
#include "ceilings.h"
#include "clock.h"
#include "job.h"
#include "rules.h"
#include "rules_parts.h"
#include "text.h"
#include "xalloc.h"

const char *const rule_look_names[RULE_LOOK_COUNT + 1] = {
    "matched", "missed",  "when_false",   "when_failed", "disabled",
    "not_yet", "no_more", "other_tenant", "stopped",     NULL,
};

/* A set that is being asked. */
struct asking {
    const struct rules_question *question;
    struct decision *decision;
    struct fault *fault;
    size_t looks; /* that are left */
};

static void add_step(struct decision *decision, const struct rule *rule, enum rule_look look,
                     const char *path, const char *text)
{
    if ((decision->step_count & (decision->step_count - 1)) == 0)
        decision->steps = xreallocarray(decision->steps, decision->step_count ? decision->step_count * 2 : 1,
                                        sizeof *decision->steps);
    decision->steps[decision->step_count++] = (struct decision_step){
        .rule = rule, .look = look, .path = xstrdup_null(path), .text = text && *text ? xstrdup(text) : NULL};
}

/* Whether the rule can be asked at all; else why not. */
static bool is_in_force(const struct rule *rule, const struct rules_question *question, enum rule_look *look,
                        char text[100])
{
    char time[CLOCK_TEXT_SIZE];

    *text = '\0';
    if (rule->tenant && strcmp(rule->tenant, question->tenant) != 0) {
        *look = RULE_OTHER_TENANT;
        snprintf(text, 100, "of tenant '%s'", rule->tenant);
    } else if (!rule->enabled) {
        *look = RULE_DISABLED;
    } else if (rule->valid_from_us > question->now_us) {
        *look = RULE_NOT_YET;
        snprintf(text, 100, "in force from %s", clock_format(rule->valid_from_us, time));
    } else if (rule->valid_until_us && rule->valid_until_us <= question->now_us) {
        *look = RULE_NO_MORE;
        snprintf(text, 100, "in force until %s", clock_format(rule->valid_until_us, time));
    } else {
        return true;
    }
    return false;
}

/* Of `match` and `when`. */
static enum rule_look ask_rule(struct asking *asking, const struct rule *rule, struct pattern_miss *miss,
                               struct fault *reason)
{
    const struct rules_question *question = asking->question;
    bool holds = false;

    asking->decision->patterns_asked++;
    if (!pattern_match_within(rule->match, question->event, &asking->looks, miss))
        return RULE_MISSED;
    if (!rule->when)
        return RULE_MATCHED;
    if (!question->when) {
        fault_set(reason, FAULT_INPUT, "nothing is here to run 'when'");
        return RULE_WHEN_FAILED;
    }
    if (question->when(question->when_arg, rule->when, question->event, &holds, reason))
        return RULE_WHEN_FAILED;
    return holds ? RULE_MATCHED : RULE_WHEN_FALSE;
}

/* What a matched rule said, for its step. */
static void note(struct buf *notes, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct buf *notes, const char *format, ...)
{
    va_list arguments;

    if (notes->len)
        buf_adds(notes, "; ");
    va_start(arguments, format);
    buf_vaddf(notes, format, arguments);
    va_end(arguments);
}

static int add_target(struct asking *asking, const struct rule *rule, const char *name, struct buf *notes)
{
    struct decision *decision = asking->decision;

    for (size_t i = 0; i < decision->target_count; i++) {
        if (strcmp(decision->targets[i].name, name) == 0) {
            note(notes, "to %s, as '%s' said already", name, decision->targets[i].rule->name);
            return 0;
        }
    }
    if (decision->target_count == LIMIT_TARGETS)
        return fault_set(asking->fault, FAULT_INPUT,
                         "the rules that match name more than %d targets; '%s' of rule '%s' is one too many",
                         LIMIT_TARGETS, name, rule->name);
    if ((decision->target_count & (decision->target_count - 1)) == 0)
        decision->targets =
            xreallocarray(decision->targets, decision->target_count ? decision->target_count * 2 : 1,
                          sizeof *decision->targets);
    decision->targets[decision->target_count++] = (struct decision_target){.name = name, .rule = rule};
    note(notes, "to %s", name);
    return 0;
}

/* True where `what` is the rule's to set; else who did. */
static bool claim(struct decision *decision, const struct rule *rule, const char *what, struct buf *notes)
{
    const json_t *owner = json_object_get(decision->set_by, what);
    char shown[80];

    text_copy(shown, sizeof shown, what);
    text_printable(shown);
    if (owner) {
        note(notes, "%s is left as '%s' set it", shown, json_string_value(owner));
        return false;
    }
    if (!decision->set_by)
        decision->set_by = json_object();
    json_object_set_new(decision->set_by, what, json_string(rule->name));
    note(notes, "sets %s", shown);
    return true;
}

static void set_members(struct decision *decision, const struct rule *rule, const char *word,
                        const json_t *from, json_t **to, struct buf *notes)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)from, name, value) {
        char *what = xasprintf("%s.%s", word, name);

        if (!*to)
            *to = json_object();
        if (claim(decision, rule, what, notes))
            json_object_set(*to, name, value);
        free(what);
    }
}

/* What a rule that matched does. */
static int take(struct asking *asking, const struct rule *rule, struct buf *notes)
{
    struct decision *decision = asking->decision;

    decision->matched++;
    for (size_t i = 0; i < rule->to_count; i++) {
        if (add_target(asking, rule, rule->to[i], notes))
            return -1;
    }
    if (rule->set_priority && claim(decision, rule, "priority", notes))
        decision->priority = rule->set_priority;
    set_members(decision, rule, "options", rule->set_options, &decision->options, notes);
    set_members(decision, rule, "metadata", rule->set_metadata, &decision->metadata, notes);
    if (decision->metadata &&
        job_check_metadata("the metadata that the matching rules set", decision->metadata, asking->fault))
        return -1;
    if (rule->stop) {
        decision->stopped_by = rule;
        note(notes, "stops");
    }
    return 0;
}

static int look_at(struct asking *asking, const struct rule *rule)
{
    enum { NOTES_SIZE = 4000 }; /* what is beyond is left out of a step's text */
    const bool explain = asking->question->explain;
    struct decision *decision = asking->decision;
    struct pattern_miss miss = {0};
    struct fault reason = {0};
    enum rule_look look;
    struct buf notes;
    char text[100];
    int status;

    if (!is_in_force(rule, asking->question, &look, text)) {
        if (explain)
            add_step(decision, rule, look, NULL, text);
        return 0;
    }
    look = ask_rule(asking, rule, explain ? &miss : NULL, &reason);
    if (!asking->looks)
        return fault_set(
            asking->fault, FAULT_INPUT,
            "there is too much in the distribution for its rules to look at; rule '%s' was not done",
            rule->name);
    if (look != RULE_MATCHED) {
        if (explain || look == RULE_WHEN_FAILED)
            add_step(decision, rule, look, look == RULE_MISSED ? miss.path : NULL,
                     look == RULE_MISSED ? miss.text : reason.text);
        return 0;
    }
    buf_init(&notes, NOTES_SIZE);
    status = take(asking, rule, &notes);
    add_step(decision, rule, look, NULL, notes.data);
    buf_release(&notes);
    return status;
}

static int look_at_all(const struct rules *rules, struct asking *asking)
{
    struct decision *decision = asking->decision;
    char text[200];

    for (size_t i = 0; i < rules->count; i++) {
        if (decision->stopped_by) {
            snprintf(text, sizeof text, "'%s' stopped", decision->stopped_by->name);
            add_step(decision, rules->items[i], RULE_STOPPED, NULL, text);
        } else if (look_at(asking, rules->items[i])) {
            return -1;
        }
    }
    return 0;
}

/* Adds the candidates of a scope to `set`, which has a bit for each rule of the set. */
static void add_candidates(const struct rules_scope *scope, const json_t *event, uint64_t *set)
{
    const size_t words = scope ? PATTERN_SET_WORDS(scope->count) : 0;
    uint64_t *own;

    if (!words)
        return;
    own = xcalloc(words, sizeof *own);
    pattern_index_find(scope->index, event, own);
    for (size_t word = 0; word < words; word++) {
        for (uint64_t bits = own[word]; bits; bits &= bits - 1) {
            size_t number = scope->numbers[word * 64 + (size_t)__builtin_ctzll(bits)];
            set[number / 64] |= UINT64_C(1) << number % 64;
        }
    }
    free(own);
}

static int look_at_candidates(const struct rules *rules, struct asking *asking)
{
    const struct rules_question *question = asking->question;
    const size_t words = PATTERN_SET_WORDS(rules->count);
    uint64_t *set = xcalloc(words, sizeof *set);
    int status = 0;

    add_candidates(rules->all, question->event, set);
    add_candidates(strmap_get(&rules->scopes, question->tenant), question->event, set);
    for (size_t word = 0; word < words && !status; word++) {
        for (uint64_t bits = set[word]; bits && !status && !asking->decision->stopped_by; bits &= bits - 1)
            status = look_at(asking, rules->items[word * 64 + (size_t)__builtin_ctzll(bits)]);
    }
    free(set);
    return status;
}

int rules_apply(const struct rules *rules, const struct rules_question *question, struct decision *decision,
                struct fault *fault)
{
    struct asking asking = {
        .question = question, .decision = decision, .fault = fault, .looks = RULES_LOOKS_MAX};

    *decision = (struct decision){0};
    return question->explain ? look_at_all(rules, &asking) : look_at_candidates(rules, &asking);
}

void decision_release(struct decision *decision)
{
    for (size_t i = 0; i < decision->step_count; i++) {
        free(decision->steps[i].path);
        free(decision->steps[i].text);
    }
    free(decision->steps);
    free(decision->targets);
    json_decref(decision->options);
    json_decref(decision->metadata);
    json_decref(decision->set_by);
    *decision = (struct decision){0};
}
