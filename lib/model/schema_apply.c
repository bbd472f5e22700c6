/*
 * schema_apply - keywords that hand the value, or its members and elements, to other nodes
 *
 * A node that looks at the same value ("in place") adds what it has evaluated to the marks of the frame, as
 * long as the value fits it; that is what the two unevaluated keywords ask for.
 */
#include "schema_parts.h"

/* --- in place --- */

static bool apply_here(struct schema_run *run, struct schema_frame *frame, const struct schema_node *node)
{
    return schema_apply(run, node, frame->value, frame->place, frame->tracks ? &frame->seen : NULL);
}

static bool apply_quietly(struct schema_run *run, struct schema_frame *frame, const struct schema_node *node)
{
    run->quiet++;
    bool fits = apply_here(run, frame, node);
    run->quiet--;
    return fits;
}

bool schema_check_reference(struct schema_run *run, struct schema_frame *frame,
                            const struct schema_keyword *keyword)
{
    return apply_here(run, frame, keyword->node);
}

/* The outermost resource that has the anchor decides, where the reference itself leads to such an anchor. */
bool schema_check_dynamic(struct schema_run *run, struct schema_frame *frame,
                          const struct schema_keyword *keyword)
{
    const struct schema_node *node = keyword->node;
    uint64_t looked = 0;
    if (keyword->dynamic)
        for (const struct schema_scope *scope = run->scope; scope; scope = scope->parent, looked++) {
            const struct schema_node *found = strmap_get(&scope->resource->dynamic, keyword->dynamic);
            node = found ? found : node;
        }
    return schema_step(run, frame, looked) && apply_here(run, frame, node);
}

bool schema_check_all(struct schema_run *run, struct schema_frame *frame,
                      const struct schema_keyword *keyword)
{
    bool fits = true;
    for (size_t i = 0; i < keyword->list_count && (fits || !run->quiet) && !run->halted; i++)
        fits = apply_here(run, frame, keyword->list[i]) && fits;
    return fits;
}

/*
 * How far the value came in each alternative is the deepest place where one refused it (schema_run.c ranks
 * them). Where one alternative stands alone at the front, that is the one that was meant.
 */
struct race {
    size_t leader;
    int best, second;
};

static bool race_run(struct schema_run *run, struct schema_frame *frame, const struct schema_keyword *keyword,
                     size_t index, struct race *race)
{
    int before = run->furthest;
    run->furthest = -1;
    bool fits = apply_quietly(run, frame, keyword->list[index]);
    if (run->furthest > race->best) {
        race->second = race->best;
        race->best = run->furthest;
        race->leader = index;
    } else if (run->furthest > race->second) {
        race->second = run->furthest;
    }
    run->furthest = before;
    return fits;
}

/* The leader is asked again, aloud. Not so within such an answer: each level would double the work. */
static bool fail_race(struct schema_run *run, struct schema_frame *frame,
                      const struct schema_keyword *keyword, const struct race *race)
{
    size_t count = keyword->list_count;
    bool clear = !run->quiet && !run->detailing && race->best > race->second;
    run->furthest = race->best > run->furthest ? race->best : run->furthest;
    if (clear && count > 1)
        schema_fail(run, frame, keyword, "fits none of %zu alternatives; the nearest is number %zu", count,
                    race->leader + 1);
    else if (!clear)
        schema_fail(run, frame, keyword, "fits none of %zu alternatives", count);
    if (clear && !run->halted) {
        run->detailing = true;
        apply_here(run, frame, keyword->list[race->leader]);
        run->detailing = false;
    }
    return false;
}

bool schema_check_any(struct schema_run *run, struct schema_frame *frame,
                      const struct schema_keyword *keyword)
{
    struct race race = {.best = -1, .second = -1};
    bool fits = false;
    /* What is marked is the sum of all that fit, so none is left out where marks are kept. */
    for (size_t i = 0; i < keyword->list_count && (!fits || frame->tracks) && !run->halted; i++)
        fits = race_run(run, frame, keyword, i, &race) || fits;
    return fits || fail_race(run, frame, keyword, &race);
}

bool schema_check_one(struct schema_run *run, struct schema_frame *frame,
                      const struct schema_keyword *keyword)
{
    struct race race = {.best = -1, .second = -1};
    size_t fitting = 0, first = 0;
    for (size_t i = 0; i < keyword->list_count && !run->halted; i++) {
        if (!race_run(run, frame, keyword, i, &race))
            continue;
        if (++fitting == 2)
            return schema_fail(run, frame, keyword, "fits two alternatives, %zu and %zu: one is wanted",
                               first + 1, i + 1);
        first = i;
    }
    return fitting == 1 || fail_race(run, frame, keyword, &race);
}

bool schema_check_not(struct schema_run *run, struct schema_frame *frame,
                      const struct schema_keyword *keyword)
{
    run->quiet++;
    bool fits = schema_apply(run, keyword->node, frame->value, frame->place, NULL);
    run->quiet--;
    return !fits || schema_fail(run, frame, keyword, "fits what it must not fit");
}

bool schema_check_if(struct schema_run *run, struct schema_frame *frame, const struct schema_keyword *keyword)
{
    bool fits = apply_quietly(run, frame, keyword->node);
    const struct schema_keyword *branch = keyword->peers[fits ? 0 : 1];
    return !branch || apply_here(run, frame, branch->node);
}

static bool apply_dependent(struct schema_run *run, struct schema_frame *frame,
                            const struct schema_keyword *keyword)
{
    const char *name;
    json_t *unused;
    bool fits = true;
    json_object_foreach ((json_t *)keyword->value, name, unused) {
        const struct schema_node *node = strmap_get(&keyword->by_name, name);
        if (node && json_object_get(frame->value, name))
            fits = apply_here(run, frame, node) && fits;
    }
    return fits;
}

bool schema_check_dependent(struct schema_run *run, struct schema_frame *frame,
                            const struct schema_keyword *keyword)
{
    return schema_step(run, frame, json_object_size(keyword->value)) && apply_dependent(run, frame, keyword);
}

bool schema_check_dependencies(struct schema_run *run, struct schema_frame *frame,
                               const struct schema_keyword *keyword)
{
    bool names = schema_check_dependent_required(run, frame, keyword);
    return schema_check_dependent(run, frame, keyword) && names;
}

/* --- elements --- */

static bool apply_element(struct schema_run *run, struct schema_frame *frame, const struct schema_node *node,
                          size_t index)
{
    const struct schema_place place = {
        .parent = frame->place, .index = index, .depth = frame->place ? frame->place->depth + 1 : 1};
    if (frame->tracks)
        schema_marks_set(&frame->seen, index);
    return schema_apply(run, node, json_array_get(frame->value, index), &place, NULL);
}

/* The elements from `from` on, each before the same node. */
static bool apply_rest(struct schema_run *run, struct schema_frame *frame, const struct schema_node *node,
                       size_t from)
{
    bool fits = true;
    for (size_t i = from; i < json_array_size(frame->value) && (fits || !run->quiet) && !run->halted; i++)
        fits = apply_element(run, frame, node, i) && fits;
    return fits;
}

bool schema_check_prefix(struct schema_run *run, struct schema_frame *frame,
                         const struct schema_keyword *keyword)
{
    bool fits = true;
    for (size_t i = 0; i < keyword->list_count && i < json_array_size(frame->value) && !run->halted; i++)
        fits = apply_element(run, frame, keyword->list[i], i) && fits;
    return fits;
}

bool schema_check_items(struct schema_run *run, struct schema_frame *frame,
                        const struct schema_keyword *keyword)
{
    return apply_rest(run, frame, keyword->node, keyword->peers[0] ? keyword->peers[0]->list_count : 0);
}

bool schema_check_items_07(struct schema_run *run, struct schema_frame *frame,
                           const struct schema_keyword *keyword)
{
    return keyword->node ? apply_rest(run, frame, keyword->node, 0)
                         : schema_check_prefix(run, frame, keyword);
}

bool schema_check_additional_items(struct schema_run *run, struct schema_frame *frame,
                                   const struct schema_keyword *keyword)
{
    const struct schema_keyword *items = keyword->peers[0];
    /* Behind a list alone is there anything additional. */
    return !items || items->node || apply_rest(run, frame, keyword->node, items->list_count);
}

static size_t count_fitting(struct schema_run *run, struct schema_frame *frame,
                            const struct schema_keyword *keyword, uint64_t enough)
{
    size_t fitting = 0;
    run->quiet++;
    for (size_t i = 0; i < json_array_size(frame->value) && !run->halted; i++) {
        const struct schema_place place = {
            .parent = frame->place, .index = i, .depth = frame->place ? frame->place->depth + 1 : 1};
        if (!schema_apply(run, keyword->node, json_array_get(frame->value, i), &place, NULL))
            continue;
        if (frame->tracks)
            schema_marks_set(&frame->seen, i);
        if (++fitting >= enough && !frame->tracks)
            break;
    }
    run->quiet--;
    return fitting;
}

bool schema_check_contains(struct schema_run *run, struct schema_frame *frame,
                           const struct schema_keyword *keyword)
{
    const struct schema_keyword *min = keyword->peers[0], *max = keyword->peers[1];
    uint64_t least = min ? min->number : 1;
    /* Without a maximum the count of those beyond the least is of no interest. */
    size_t fitting =
        count_fitting(run, frame, keyword, max ? max->number + (max->number < UINT64_MAX) : least);
    if (fitting < least)
        return schema_fail(run, frame, min ? min : keyword,
                           "has %zu fitting element%s, at least %llu %s wanted", fitting,
                           fitting == 1 ? "" : "s", (unsigned long long)least, least == 1 ? "is" : "are");
    if (max && fitting > max->number)
        return schema_fail(run, frame, max, "has more than %llu fitting element%s",
                           (unsigned long long)max->number, max->number == 1 ? "" : "s");
    return true;
}

bool schema_check_unevaluated_items(struct schema_run *run, struct schema_frame *frame,
                                    const struct schema_keyword *keyword)
{
    bool fits = true;
    if (!schema_step(run, frame, json_array_size(frame->value)))
        return false;
    for (size_t i = 0; i < json_array_size(frame->value) && !run->halted; i++)
        if (!schema_marks_has(&frame->seen, i))
            fits = apply_element(run, frame, keyword->node, i) && fits;
    return fits;
}

/* --- members --- */

/* A member and its number in the object. */
struct member {
    const char *name;
    json_t *value;
    size_t index;
};

static bool apply_member(struct schema_run *run, struct schema_frame *frame, const struct schema_node *node,
                         const struct member *member)
{
    const struct schema_place place = {
        .parent = frame->place, .key = member->name, .depth = frame->place ? frame->place->depth + 1 : 1};
    if (frame->tracks)
        schema_marks_set(&frame->seen, member->index);
    return schema_apply(run, node, member->value, &place, NULL);
}

typedef bool member_checker(struct schema_run *run, struct schema_frame *frame,
                            const struct schema_keyword *keyword, const struct member *member);

static bool each_member(struct schema_run *run, struct schema_frame *frame,
                        const struct schema_keyword *keyword, member_checker *check)
{
    struct member member = {0};
    bool fits = true;
    if (!schema_step(run, frame, json_object_size(frame->value)))
        return false;
    json_object_foreach ((json_t *)frame->value, member.name, member.value) {
        fits = check(run, frame, keyword, &member) && fits;
        if (run->halted || (!fits && run->quiet))
            return false;
        member.index++;
    }
    return fits;
}

static void take(struct schema_frame *frame, const struct member *member)
{
    if (frame->node->additional)
        schema_marks_set(&frame->own, member->index);
}

static bool check_named(struct schema_run *run, struct schema_frame *frame,
                        const struct schema_keyword *keyword, const struct member *member)
{
    const struct schema_node *node = strmap_get(&keyword->by_name, member->name);
    if (!node)
        return true;
    take(frame, member);
    return apply_member(run, frame, node, member);
}

bool schema_check_members(struct schema_run *run, struct schema_frame *frame,
                          const struct schema_keyword *keyword)
{
    return each_member(run, frame, keyword, check_named);
}

static bool check_matching(struct schema_run *run, struct schema_frame *frame,
                           const struct schema_keyword *keyword, const struct member *member)
{
    bool fits = true;
    for (size_t i = 0; i < keyword->pattern_count && !run->halted; i++) {
        if (!schema_pattern_match(run, frame, keyword, keyword->patterns[i], member->name,
                                  strlen(member->name)))
            continue;
        take(frame, member);
        fits = apply_member(run, frame, keyword->list[i], member) && fits;
    }
    return fits;
}

bool schema_check_patterns(struct schema_run *run, struct schema_frame *frame,
                           const struct schema_keyword *keyword)
{
    return each_member(run, frame, keyword, check_matching);
}

static bool check_other(struct schema_run *run, struct schema_frame *frame,
                        const struct schema_keyword *keyword, const struct member *member)
{
    return schema_marks_has(&frame->own, member->index) || apply_member(run, frame, keyword->node, member);
}

bool schema_check_additional(struct schema_run *run, struct schema_frame *frame,
                             const struct schema_keyword *keyword)
{
    return each_member(run, frame, keyword, check_other);
}

static bool check_unseen(struct schema_run *run, struct schema_frame *frame,
                         const struct schema_keyword *keyword, const struct member *member)
{
    return schema_marks_has(&frame->seen, member->index) || apply_member(run, frame, keyword->node, member);
}

bool schema_check_unevaluated_members(struct schema_run *run, struct schema_frame *frame,
                                      const struct schema_keyword *keyword)
{
    return each_member(run, frame, keyword, check_unseen);
}

static bool check_name(struct schema_run *run, struct schema_frame *frame,
                       const struct schema_keyword *keyword, const struct member *member)
{
    const struct schema_place place = {.parent = frame->place,
                                       .key = member->name,
                                       .depth = frame->place ? frame->place->depth + 1 : 1,
                                       .is_name = true};
    json_t *name = json_string_nocheck(member->name);
    bool fits = schema_apply(run, keyword->node, name, &place, NULL);
    json_decref(name);
    return fits;
}

bool schema_check_names(struct schema_run *run, struct schema_frame *frame,
                        const struct schema_keyword *keyword)
{
    return each_member(run, frame, keyword, check_name);
}
