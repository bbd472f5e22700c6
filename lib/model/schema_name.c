/*
 * schema_name - see schema_name.h
 */
#include "schema_name.h"
#include <string.h>
#include "text.h"

enum schema_language schema_name_language(const char *name)
{
    const char *ending = strrchr(name, '.');

    if (!ending || !text_is_name(name))
        return SCHEMA_LANGUAGE_NONE;
    if (strcmp(ending, ".json") == 0)
        return SCHEMA_LANGUAGE_JSON;
    return strcmp(ending, ".xsd") == 0 ? SCHEMA_LANGUAGE_XML : SCHEMA_LANGUAGE_NONE;
}

int schema_name_check(const char *path, const char *name, struct fault *fault)
{
    char cut[60];

    if (schema_name_language(name) != SCHEMA_LANGUAGE_NONE)
        return 0;
    text_copy(cut, sizeof cut, name);
    return fault_set(fault, FAULT_INPUT,
                     "%s: the name of a file of schemas.d is wanted, letters, digits, '.', '_' and '-', with "
                     ".json or .xsd at its end, not \"%s\"",
                     path, text_printable(cut));
}
