/*
 * pattern_index - see pattern_index.h
 *
 * The fields that are asked for values make a tree of names. Building it goes twice through the patterns:
 * first counts how many ask for each value of each field; then files each pattern under the cheapest choice.
 *
 * Hard rule: an event that matches a pattern has one of the values that the pattern is filed under, at that
 * place, whatever arrays stand in between. So arrays are opened at every level of a look-up.
 */
#include <string.h>
#include "pattern_index.h"
#include "pattern_parts.h"
#include "strmap.h"
#include "xalloc.h"

/* A value of a field: who asks for it. */
struct entry {
    size_t asked; /* by so many patterns */
    size_t *ids;  /* of those that are filed here */
    size_t count, cap;
    size_t number; /* among the entries in which something is filed */
};

/* A place in events. */
struct node {
    struct strmap members; /* struct node * */
    struct strmap texts;   /* struct entry *, by the text itself */
    struct strmap others;  /* struct entry *, of numbers, true, false and null, by other_key() */
    bool used;             /* something is filed here or below */
};

struct pattern_index {
    struct node root;
    size_t *rest; /* patterns that are always candidates */
    size_t rest_count;
    size_t entry_count;
};

enum { KEY_SIZE = 40 };

/* One key for all numbers of the same value: 1 and 1.0. */
static const char *other_key(const json_t *value, char key[KEY_SIZE])
{
    static const char *const words[] = {[JSON_TRUE] = "true", [JSON_FALSE] = "false", [JSON_NULL] = "null"};
    const double two_to_63 = 9223372036854775808.0;

    if (!json_is_number(value))
        return words[json_typeof(value)];
    const double real = json_real_value(value);
    if (json_is_integer(value))
        snprintf(key, KEY_SIZE, "%lld", (long long)json_integer_value(value));
    else if (real >= -two_to_63 && real < two_to_63 && real == (double)(long long)real)
        snprintf(key, KEY_SIZE, "%lld", (long long)real);
    else
        snprintf(key, KEY_SIZE, "%.17g", real);
    return key;
}

static struct entry *node_entry(const struct node *node, const json_t *value)
{
    char key[KEY_SIZE];

    if (json_is_string(value))
        return strmap_get(&node->texts, json_string_value(value));
    return strmap_get(&node->others, other_key(value, key));
}

static struct entry *node_need_entry(struct node *node, const json_t *value)
{
    struct entry *entry = node_entry(node, value);
    char key[KEY_SIZE];

    if (entry)
        return entry;
    entry = xcalloc(1, sizeof *entry);
    if (json_is_string(value))
        strmap_put(&node->texts, json_string_value(value), entry);
    else
        strmap_put(&node->others, other_key(value, key), entry);
    return entry;
}

static struct node *node_need_member(struct node *node, const char *name)
{
    struct node *member = strmap_get(&node->members, name);

    if (!member) {
        member = xcalloc(1, sizeof *member);
        strmap_put(&node->members, name, member);
    }
    return member;
}

static void entry_free(void *pointer)
{
    struct entry *entry = pointer;

    free(entry->ids);
    free(entry);
}

static void node_free(void *pointer);

static void node_release(struct node *node)
{
    strmap_release(&node->members, node_free);
    strmap_release(&node->texts, entry_free);
    strmap_release(&node->others, entry_free);
}

/* As deep as the patterns are. */
static void node_free(void *pointer)
{
    node_release(pointer);
    free(pointer);
}

static bool is_exact(const struct pattern_part *leaf)
{
    for (size_t i = 0; i < leaf->count; i++) {
        if (leaf->tests[i].operator!= & pattern_exact)
            return false;
    }
    return true;
}

/* The node of a part that lies in `node`: a field is a member of it. */
static struct node *part_node(const struct pattern_part *part, struct node *node)
{
    return part->name ? node_need_member(node, part->name) : node;
}

static void count_part(const struct pattern_part *part, struct node *node)
{
    if (part->kind == PATTERN_LEAF && is_exact(part)) {
        for (size_t i = 0; i < part->count; i++)
            node_need_entry(node, part->tests[i].operand)->asked++;
    }
    for (size_t i = 0; part->kind != PATTERN_LEAF && i < part->count; i++)
        count_part(&part->parts[i], part_node(&part->parts[i], node));
}

/*
 * How many patterns share the values that a part can be filed under, in all; SIZE_MAX: it cannot. *best is
 * the part of it that is the cheapest.
 */
static size_t part_cost(const struct pattern_part *part, struct node *node, const struct pattern_part **best)
{
    const struct pattern_part *ignored;
    size_t cost = part->kind == PATTERN_FIELDS || part->kind == PATTERN_AND ? SIZE_MAX : 0;

    *best = NULL;
    if (part->kind == PATTERN_LEAF && !is_exact(part))
        return SIZE_MAX;
    for (size_t i = 0; i < part->count; i++) {
        const struct pattern_part *inner = part->kind == PATTERN_LEAF ? NULL : &part->parts[i];
        size_t one = inner ? part_cost(inner, part_node(inner, node), &ignored)
                           : node_entry(node, part->tests[i].operand)->asked;

        if (part->kind == PATTERN_LEAF || part->kind == PATTERN_OR) {
            if (one == SIZE_MAX)
                return SIZE_MAX;
            cost += one;
        } else if (one < cost) {
            cost = one;
            *best = inner;
        }
    }
    return cost;
}

static void entry_add(struct entry *entry, size_t id)
{
    if (entry->count && entry->ids[entry->count - 1] == id)
        return;
    if (entry->count == entry->cap) {
        entry->cap = entry->cap ? entry->cap * 2 : 1;
        entry->ids = xreallocarray(entry->ids, entry->cap, sizeof *entry->ids);
    }
    entry->ids[entry->count++] = id;
}

/* Files a part whose cost is not SIZE_MAX. */
static void file_part(struct pattern_index *index, const struct pattern_part *part, struct node *node,
                      size_t id)
{
    const struct pattern_part *best;
    struct entry *entry;

    node->used = true;
    if (part->kind == PATTERN_LEAF) {
        for (size_t i = 0; i < part->count; i++) {
            entry = node_need_entry(node, part->tests[i].operand);
            if (!entry->count)
                entry->number = index->entry_count++;
            entry_add(entry, id);
        }
    } else if (part->kind == PATTERN_OR) {
        for (size_t i = 0; i < part->count; i++)
            file_part(index, &part->parts[i], part_node(&part->parts[i], node), id);
    } else {
        part_cost(part, node, &best);
        if (best)
            file_part(index, best, part_node(best, node), id);
    }
}

struct pattern_index *pattern_index_new(const struct pattern *const *patterns, size_t count)
{
    struct pattern_index *index = xcalloc(1, sizeof *index);
    const struct pattern_part *best;

    index->rest = xcalloc(count + 1, sizeof *index->rest);
    for (size_t i = 0; i < count; i++)
        count_part(&patterns[i]->root, &index->root);
    for (size_t i = 0; i < count; i++) {
        if (part_cost(&patterns[i]->root, &index->root, &best) == SIZE_MAX)
            index->rest[index->rest_count++] = i;
        else
            file_part(index, &patterns[i]->root, &index->root, i);
    }
    return index;
}

void pattern_index_free(struct pattern_index *index)
{
    if (!index)
        return;
    node_release(&index->root);
    free(index->rest);
    free(index);
}

static size_t set_add(uint64_t *set, const size_t *ids, size_t count)
{
    size_t added = 0;

    for (size_t i = 0; i < count; i++) {
        const uint64_t bit = UINT64_C(1) << ids[i] % 64;
        added += !(set[ids[i] / 64] & bit);
        set[ids[i] / 64] |= bit;
    }
    return added;
}

/*
 * One look-up. An event may have the same value a million times: what was filed under it is added once.
 */
struct search {
    uint64_t *set, *seen; /* patterns; entries */
    const json_t *event;  /* the object whose members are being sought */
    size_t added;
};

static void find(struct search *search, const struct node *node, const json_t *value);

static void find_member(const char *name, void *node, void *arg)
{
    struct search *search = arg;
    const json_t *event = search->event, *value = json_object_get(event, name);

    if (value)
        find(search, node, value);
    search->event = event;
}

/* The members that both the index and the event have, by way of the one that has fewer. */
static void find_members(struct search *search, const struct node *node, const json_t *object)
{
    const char *name;
    json_t *value;

    if (node->members.count <= json_object_size(object)) {
        search->event = object;
        /* strmap_each() asks for a map that it could change; this visit does not. */
        strmap_each((struct strmap *)&node->members, find_member, search);
        return;
    }
    json_object_foreach ((json_t *)object, name, value) {
        const struct node *member = strmap_get(&node->members, name);
        if (member)
            find(search, member, value);
    }
}

static void find_entry(struct search *search, const struct entry *entry)
{
    if (!entry || !entry->count || !set_add(search->seen, &entry->number, 1))
        return;
    search->added += set_add(search->set, entry->ids, entry->count);
}

static void find(struct search *search, const struct node *node, const json_t *value)
{
    size_t index;
    json_t *element;

    if (!node->used)
        return;
    if (json_is_object(value)) {
        find_members(search, node, value);
    } else if (json_is_array(value)) {
        json_array_foreach (value, index, element)
            find(search, node, element);
    } else {
        find_entry(search, node_entry(node, value));
    }
}

size_t pattern_index_find(const struct pattern_index *index, const json_t *event, uint64_t *set)
{
    struct search search = {.set = set,
                            .seen = xcalloc(PATTERN_SET_WORDS(index->entry_count), sizeof *search.seen)};

    search.added = set_add(set, index->rest, index->rest_count);
    find(&search, &index->root, event);
    free(search.seen);
    return search.added;
}
