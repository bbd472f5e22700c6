/*
 * xsd_message - what libxml2 says of a schema or a document, as we tell it
 *
 * libxml2 has sentences and no parts of them: "Element 'price': 'abc' is not a valid value of the atomic type
 * 'xs:decimal'." The element is told by its place, so it goes. Where values are hidden the rule is that of a
 * guest list: a sentence that is not known to quote names alone, or whose value cannot be cut out, is not
 * told.
 */
#include "xsd_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "buf.h"
#include "text.h"
#include "xalloc.h"

enum { MESSAGE_MAX = 600 };

/* Behind "Element 'price': ", "Element 'price', attribute 'id': ", whose attribute is at `name` then. Names
 * have no quotes in them. */
static const char *skip_prefix(const char *text, const char **name)
{
    static const char element[] = "Element '", attribute[] = "', attribute '";
    const char *at = text;

    *name = NULL;
    if (!text_starts_with(at, element))
        return text;
    at = strchr(at + sizeof element - 1, '\'');
    if (at && text_starts_with(at, attribute)) {
        *name = at + sizeof attribute - 1;
        at = strchr(*name, '\'');
    }
    return at && text_starts_with(at, "': ") ? at + 3 : text;
}

const char *xsd_attribute(const xmlError *error, size_t *size)
{
    const char *name = NULL;

    if (error->message)
        skip_prefix(error->message, &name);
    if (!name)
        return NULL;
    *size = strcspn(name, "'");
    const char *local = memrchr(name, '}', *size);
    if (local) {
        *size -= (size_t)(local + 1 - name);
        name = local + 1;
    }
    return name;
}

/* The last place of `part` in `text`, so that a value which holds the part itself is cut as a whole. */
static const char *last_of(const char *text, const char *part)
{
    const char *found = NULL;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        found = at;
    return found;
}

/* "[facet 'pattern'] The value 'abc' is not accepted by the pattern '[0-9]'." without the value; NULL: not
 * known. What stands behind the value in these sentences is the schema's. */
static char *cut_value(const char *text)
{
    static const struct {
        const char *behind, *instead;
    } sentences[] = {
        {"' is not a valid value of ", "the value"},
        {"' is not accepted by the pattern ", "the value"},
        {"' is less than the minimum value allowed ", "the value"},
        {"' is greater than the maximum value allowed ", "the value"},
        {"' must be less than ", "the value"},
        {"' must be greater than ", "the value"},
        {"' has a length of ", "the value"},
        {"' has more digits than are allowed ", "the value"},
        {"' has more fractional digits than are allowed ", "the value"},
        {"' is not an element of the set ", "the value"},
        {"' does not match the fixed value constraint ", "the value"},
        {"] in ", "a duplicate key-sequence"},
        {"] of keyref ", "no match is found for a key-sequence"},
    };
    const char *facet = strncmp(text, "[facet '", 8) == 0 ? strstr(text, "'] ") : NULL;

    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        const char *at = last_of(text, sentences[i].behind);
        if (at)
            return xasprintf("%.*s%s%s", facet ? (int)(facet + 3 - text) : 0, text, sentences[i].instead,
                             at + 1);
    }
    return NULL;
}

/* Sentences that quote names, and what the schema says, alone. */
static bool quotes_names_alone(const char *text)
{
    static const char *const begins[] = {
        "This element is not expected.",
        "Missing child element(s).",
        "The attribute '",
        "Character content ",
        "Element content is not allowed",
        "Neither character nor element content is allowed",
        "No matching global ",
        "The element is not 'nillable'.",
        "The element definition is abstract.",
    };
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (text_starts_with(text, begins[i]))
            return true;
    return false;
}

static char *hide(const char *text)
{
    bool quotes_value = *text == '\'' || *text == '[' || text_starts_with(text, "The value '") ||
                        text_starts_with(text, "Duplicate key-sequence [") ||
                        text_starts_with(text, "No match found for key-sequence [");
    char *hidden = quotes_value ? cut_value(text) : NULL;

    if (hidden)
        return hidden;
    return xstrdup(quotes_names_alone(text) ? text : "does not fit the schema");
}

char *xsd_message(const xmlError *error, bool hide_values)
{
    const char *name, *text = skip_prefix(error->message ? error->message : "not valid", &name);
    char *message = hide_values ? hide(text) : xstrdup(text), *out = xcalloc(1, MESSAGE_MAX);
    size_t size = strlen(message);

    while (size > 0 && strchr(" \n.", message[size - 1]))
        message[--size] = '\0';
    text_copy(out, MESSAGE_MAX, message);
    free(message);
    return text_printable(out);
}
