/*
 * schema: a schema, a value, and another document that references may lead to. The answer is the same with
 * and without the errors, however many are listed and whether they show values.
 */
#include <string.h>
#include "buf.h"
#include "parts.h"
#include "schema.h"
#include "text.h"

/* Low ceilings: what takes long by its nature is not what is looked for here. */
enum { STEPS = 20000, MATCH_STEPS = 20000, SUBSCHEMAS = 500, ERROR_MAX = 1 << 20 };

static void check_errors(const struct schema_errors *errors, size_t most, int answer)
{
    struct fault fault = {0};

    HOLDS(errors->count <= most && (answer == 0) == (errors->count == 0));
    for (size_t i = 0; i < errors->count; i++) {
        const struct schema_error *error = &errors->items[i];
        struct buf text;
        HOLDS(error->instance && error->keyword && error->text && *error->text);
        buf_init(&text, ERROR_MAX);
        HOLDS(schema_error_write(error, &text) == 0 && text_is_utf8(text.data, text.len, NULL));
        HOLDS(!memchr(text.data, '\n', text.len));
        buf_release(&text);
    }
    if (errors->count)
        HOLDS(schema_errors_fault(errors, &fault) == -1 && fault.text[0]);
}

/* *stopped: a limit ended the work, which is earlier where fewer errors are wanted. */
static int answer_of(const json_t *form, const json_t *value, struct schema_options options, bool *stopped)
{
    struct schema_errors errors = {0};
    struct schema *schema = schema_compile(form, &options, NULL);

    HOLDS(schema);
    int answer = schema_validate(schema, value, &errors);
    check_errors(&errors, options.max_errors, answer);
    *stopped = errors.stopped;
    schema_errors_release(&errors);
    HOLDS(schema_validate(schema, value, NULL) == answer || *stopped);
    schema_free(schema);
    return answer;
}

static void check(const json_t *form, const json_t *value, const json_t *other)
{
    const struct schema_document document = {.uri = "http://example.com/other.json", .json = other};
    struct schema_options options = {
        .uri = "http://example.com/schema.json",
        .documents = &document,
        .document_count = other ? 1 : 0,
        .max_subschemas = SUBSCHEMAS,
        .max_steps = STEPS,
        .max_match_steps = MATCH_STEPS,
        .max_errors = 20,
    };
    struct fault fault = {0};
    bool stopped, again;
    struct schema *schema = schema_compile(form, &options, &fault);

    HOLDS((schema == NULL) == (fault.text[0] != '\0') && text_is_utf8(fault.text, strlen(fault.text), NULL));
    if (schema && value) {
        const int answer = answer_of(form, value, options, &stopped);
        options.max_errors = 1;
        HOLDS(answer_of(form, value, options, &again) == answer || stopped || again);
        options.hide_values = true;
        HOLDS(answer_of(form, value, options, &again) == answer || stopped || again);
    }
    schema_free(schema);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parts parts;

    parts_split(&parts, 3, data, size);
    json_t *form = parts_json(&parts, 0), *value = parts_json(&parts, 1), *other = parts_json(&parts, 2);
    if (form)
        check(form, value, other);
    json_decref(form);
    json_decref(value);
    json_decref(other);
    parts_release(&parts);
    return 0;
}
