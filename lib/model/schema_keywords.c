/*
 * schema_keywords - the table of keywords
 *
 * Its order is the order in which they are read and checked: a keyword that reads a neighbour stands behind
 * it, and what asks for all that has been evaluated comes last. "$id", "$schema" and the anchors are read
 * with the node (schema_node.c); what is not here is an annotation.
 */
#include "schema_parts.h"

/* Words that keep a keyword on a line. */
enum {
    BOTH = DRAFT_BOTH,
    OLD = DRAFT_07,
    NEW = DRAFT_2020_12,
    CORE = VOCABULARY_CORE,
    APPLY = VOCABULARY_APPLICATOR,
    VALID = VOCABULARY_VALIDATION,
    REST = VOCABULARY_UNEVALUATED,
    ANY = TYPE_ANY,
    NUMBER = TYPE_NUMBER,
    STRING = TYPE_STRING,
    ARRAY = TYPE_ARRAY,
    OBJECT = TYPE_OBJECT,
};

const struct schema_kind schema_kinds[] = {
    {"$ref", BOTH, CORE, ANY, schema_read_reference, schema_check_reference, {0}},
    {"$dynamicRef", NEW, CORE, ANY, schema_read_reference, schema_check_dynamic, {0}},
    {"$defs", NEW, CORE, ANY, schema_read_members, NULL, {0}},
    {"definitions", BOTH, CORE, ANY, schema_read_members, NULL, {0}},

    {"type", BOTH, VALID, ANY, schema_read_type, schema_check_type, {0}},
    {"enum", BOTH, VALID, ANY, schema_read_enum, schema_check_enum, {0}},
    {"const", BOTH, VALID, ANY, schema_read_const, schema_check_const, {0}},

    {"multipleOf", BOTH, VALID, NUMBER, schema_read_positive, schema_check_multiple, {0}},
    {"maximum", BOTH, VALID, NUMBER, schema_read_number, schema_check_maximum, {0}},
    {"exclusiveMaximum", BOTH, VALID, NUMBER, schema_read_number, schema_check_exclusive_maximum, {0}},
    {"minimum", BOTH, VALID, NUMBER, schema_read_number, schema_check_minimum, {0}},
    {"exclusiveMinimum", BOTH, VALID, NUMBER, schema_read_number, schema_check_exclusive_minimum, {0}},

    {"maxLength", BOTH, VALID, STRING, schema_read_count, schema_check_max_length, {0}},
    {"minLength", BOTH, VALID, STRING, schema_read_count, schema_check_min_length, {0}},
    {"pattern", BOTH, VALID, STRING, schema_read_pattern, schema_check_pattern, {0}},

    {"maxItems", BOTH, VALID, ARRAY, schema_read_count, schema_check_max_items, {0}},
    {"minItems", BOTH, VALID, ARRAY, schema_read_count, schema_check_min_items, {0}},
    {"uniqueItems", BOTH, VALID, ARRAY, schema_read_bool, schema_check_unique, {0}},
    {"maxContains", NEW, VALID, ARRAY, schema_read_count, NULL, {0}},
    {"minContains", NEW, VALID, ARRAY, schema_read_count, NULL, {0}},
    {"contains", BOTH, APPLY, ARRAY, schema_read_node, schema_check_contains, {"minContains", "maxContains"}},
    {"prefixItems", NEW, APPLY, ARRAY, schema_read_list, schema_check_prefix, {0}},
    {"items", NEW, APPLY, ARRAY, schema_read_node, schema_check_items, {"prefixItems"}},
    {"items", OLD, APPLY, ARRAY, schema_read_items_07, schema_check_items_07, {0}},
    {"additionalItems", OLD, APPLY, ARRAY, schema_read_node, schema_check_additional_items, {"items"}},

    {"maxProperties", BOTH, VALID, OBJECT, schema_read_count, schema_check_max_members, {0}},
    {"minProperties", BOTH, VALID, OBJECT, schema_read_count, schema_check_min_members, {0}},
    {"required", BOTH, VALID, OBJECT, schema_read_names, schema_check_required, {0}},
    {"dependentRequired", NEW, VALID, OBJECT, schema_read_name_lists, schema_check_dependent_required, {0}},
    {"propertyNames", BOTH, APPLY, OBJECT, schema_read_node, schema_check_names, {0}},
    {"properties", BOTH, APPLY, OBJECT, schema_read_members, schema_check_members, {0}},
    {"patternProperties", BOTH, APPLY, OBJECT, schema_read_patterns, schema_check_patterns, {0}},
    {"additionalProperties", BOTH, APPLY, OBJECT, schema_read_node, schema_check_additional, {0}},
    {"dependentSchemas", NEW, APPLY, OBJECT, schema_read_members, schema_check_dependent, {0}},
    {"dependencies", BOTH, APPLY, OBJECT, schema_read_dependencies, schema_check_dependencies, {0}},

    {"allOf", BOTH, APPLY, ANY, schema_read_list, schema_check_all, {0}},
    {"anyOf", BOTH, APPLY, ANY, schema_read_list, schema_check_any, {0}},
    {"oneOf", BOTH, APPLY, ANY, schema_read_list, schema_check_one, {0}},
    {"not", BOTH, APPLY, ANY, schema_read_node, schema_check_not, {0}},
    {"then", BOTH, APPLY, ANY, schema_read_node, NULL, {0}},
    {"else", BOTH, APPLY, ANY, schema_read_node, NULL, {0}},
    {"if", BOTH, APPLY, ANY, schema_read_node, schema_check_if, {"then", "else"}},

    {"unevaluatedItems", NEW, REST, ARRAY, schema_read_node, schema_check_unevaluated_items, {0}},
    {"unevaluatedProperties", NEW, REST, OBJECT, schema_read_node, schema_check_unevaluated_members, {0}},
    {0},
};
