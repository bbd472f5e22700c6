/*
 * form_help - what the members of a form are for, and a form to start with: see form.h
 *
 * dist-destinations(5) says the same at length.
 */
#include "form_parts.h"

#include <stdlib.h>

const struct form_help form_common_help[] = {
    {"protocol", NULL, "how reports get there (required)"},
    {"name", NULL, "the name of the destination; default: that of the file"},
    {"description", "\"\"", "for people; nothing reads it"},
    {"format", NULL, "what bodies become for it: \"identity\" leaves them as they are (default)"},
    {"credentials", NULL, "the name of a file with secrets in credentials.d; default: none"},
    {"tenants", NULL, "names of the tenants that may use it; default: all"},
    {"disabled", NULL, "true: deliveries wait; default: false"},
    {"timeout", "30", "of one attempt, as seconds or \"1m30s\", 0.1 s to 1 h; default: 30"},
    {"concurrency", NULL, "the most attempts at once of one worker, 1 to 1000; default: 20"},
    {"rate", NULL,
     "attempts that may begin, of all workers: \"50/s\", \"3000/m\", \"100/h\"; default: no limit"},
    {"retry_policy", NULL,
     "the name of a policy, or an object with \"policy\", \"max_attempts\", \"backoff_multiplier\", "
     "\"max_backoff\" (seconds); default: DIST_RETRY_POLICY"},
    {0},
};

static void add_members(json_t *form, const struct form_help *help)
{
    for (; help->name; help++)
        if (help->start) /* of our own tables: a mistake in one is a NULL, which no form takes */
            json_object_set_new(form, help->name, json_loads(help->start, JSON_DECODE_ANY, NULL));
}

json_t *form_start(enum protocol protocol)
{
    json_t *form = json_object();

    if (!form)
        abort(); /* out of memory, as in xalloc */
    json_object_set_new(form, "protocol", json_string(protocol_names[protocol]));
    add_members(form, form_help(protocol));
    add_members(form, form_common_help);
    return form;
}
