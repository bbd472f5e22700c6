/*
 * schema_run - one validation: a value before a node, what it may cost, and what is told about it
 *
 * Whether is asked far more often than why: below "not", "if" and alternatives the run is quiet, tells
 * nothing and ends at the first mistake. The one hard rule: a limit is never mistaken for a "no", which "not"
 * would turn into a "yes". So it halts the whole run, and the value does not fit.
 */
#include "json.h"
#include "schema_parts.h"
#include "text.h"
#include "xalloc.h"

enum {
    POINTER_MAX = 1000, /* bytes of a pointer in an error; what is longer is cut */
    POINTER_KEY = 100,  /* of one key in it */
    QUOTED_MAX = 60,    /* bytes of a text that is quoted */
    TEXT_MAX = 2000,
    FEW = 64,
};

/* --- marks --- */

void schema_marks_init(struct schema_marks *marks, size_t count)
{
    *marks = (struct schema_marks){.count = count};
    if (count > FEW)
        marks->many = xcalloc(count / 64 + 1, sizeof *marks->many);
}

void schema_marks_release(struct schema_marks *marks)
{
    free(marks->many);
    *marks = (struct schema_marks){0};
}

void schema_marks_set(struct schema_marks *marks, size_t index)
{
    uint64_t *word = marks->many ? &marks->many[index / 64] : &marks->few;
    *word |= UINT64_C(1) << index % 64;
}

void schema_marks_fill(struct schema_marks *marks)
{
    marks->few = UINT64_MAX;
    if (marks->many)
        memset(marks->many, 0xff, (marks->count / 64 + 1) * sizeof *marks->many);
}

bool schema_marks_has(const struct schema_marks *marks, size_t index)
{
    return (marks->many ? marks->many[index / 64] : marks->few) >> index % 64 & 1;
}

void schema_marks_merge(struct schema_marks *marks, const struct schema_marks *from)
{
    marks->few |= from->few;
    for (size_t i = 0; marks->many && from->many && i <= marks->count / 64; i++)
        marks->many[i] |= from->many[i];
}

/* --- what is told --- */

void schema_pointer_add(struct buf *out, const char *name, size_t max)
{
    size_t size = strlen(name), keep = size;
    if (size > max)
        for (keep = max; keep > 0 && (name[keep] & 0xc0) == 0x80;)
            keep--;
    buf_addc(out, '/');
    for (size_t i = 0; i < keep; i++) {
        if (name[i] == '~' || name[i] == '/')
            buf_adds(out, name[i] == '~' ? "~0" : "~1");
        else
            buf_addc(out, name[i]);
    }
    if (keep < size)
        buf_adds(out, "...");
}

const char *schema_quote(const char *text, size_t size, char out[SCHEMA_QUOTED_SIZE])
{
    struct buf quoted;
    size_t keep = size;
    if (size > QUOTED_MAX)
        for (keep = QUOTED_MAX; keep > 0 && (text[keep] & 0xc0) == 0x80;)
            keep--;
    buf_init(&quoted, SCHEMA_QUOTED_SIZE - 1);
    buf_add_json(&quoted, text, keep);
    if (keep < size)
        buf_adds(&quoted, "...");
    text_copy(out, SCHEMA_QUOTED_SIZE, quoted.data);
    buf_release(&quoted);
    return out;
}

static void describe_size(const json_t *value, struct buf *out)
{
    size_t size = json_is_object(value) ? json_object_size(value) : json_array_size(value);
    buf_addf(out, json_is_object(value) ? "an object of %zu member%s" : "an array of %zu element%s", size,
             size == 1 ? "" : "s");
}

void schema_describe(const json_t *value, bool hidden, struct buf *out)
{
    char quoted[SCHEMA_QUOTED_SIZE];
    if (json_is_object(value) || json_is_array(value))
        describe_size(value, out);
    else if (json_is_string(value))
        buf_adds(out, hidden ? "a string"
                             : schema_quote(json_string_value(value), json_string_length(value), quoted));
    else if (json_is_number(value) && hidden)
        buf_adds(out, json_is_integer(value) ? "an integer" : "a number");
    else if (json_is_boolean(value) && hidden)
        buf_adds(out, "a boolean");
    else
        json_write(value, out);
}

static void add_place(struct buf *out, const struct schema_place *place)
{
    const struct schema_place *places[SCHEMA_DEPTH_MAX + 1];
    int count = 0;
    for (; place && count <= SCHEMA_DEPTH_MAX; place = place->parent)
        places[count++] = place;
    while (count-- > 0) {
        if (out->len > POINTER_MAX) {
            buf_adds(out, "/...");
            return;
        }
        if (places[count]->key)
            schema_pointer_add(out, places[count]->key, POINTER_KEY);
        else
            buf_addf(out, "/%zu", places[count]->index);
    }
}

static char *place_text(const struct schema_place *place)
{
    struct buf out;
    buf_init(&out, (size_t)POINTER_MAX * 2);
    add_place(&out, place);
    return text_printable(buf_steal(&out, NULL));
}

static char *keyword_text(const struct schema_node *node, const struct schema_keyword *keyword)
{
    return text_printable(xasprintf("%s#%s%s%s", node->file->uri ? node->file->uri : "", node->pointer,
                                    keyword ? "/" : "", keyword ? keyword->kind->name : ""));
}

static void tell(struct schema_run *run, const struct schema_frame *frame,
                 const struct schema_keyword *keyword, struct buf *text)
{
    struct schema_errors *errors = run->errors;
    errors->items = xreallocarray(errors->items, errors->count + 1, sizeof *errors->items);
    errors->items[errors->count++] = (struct schema_error){
        .instance = place_text(frame->place),
        .keyword = keyword_text(frame->node, keyword),
        .text = buf_steal(text, NULL),
    };
    /* One past the ceiling is not looked for: what is full may be all. */
    if (errors->count >= run->schema->max_errors)
        errors->more = run->halted = true;
}

/*
 * How far a value came before this keyword refused it: "type" says that the whole alternative was another
 * one, "const" and "enum" say it of the object around it, which has them as a tag.
 */
static int rank_of(const struct schema_frame *frame, const struct schema_keyword *keyword)
{
    int depth = frame->place ? frame->place->depth : 0;
    if (keyword && keyword->kind->check == schema_check_type)
        return depth * 2;
    if (keyword && (keyword->kind->check == schema_check_const || keyword->kind->check == schema_check_enum))
        return depth > 0 ? depth * 2 - 2 : 0;
    return depth * 2 + 1;
}

static bool fail(struct schema_run *run, const struct schema_frame *frame,
                 const struct schema_keyword *keyword, bool with_value, const char *format, va_list arguments)
    __attribute__((format(printf, 5, 0)));
static bool fail(struct schema_run *run, const struct schema_frame *frame,
                 const struct schema_keyword *keyword, bool with_value, const char *format, va_list arguments)
{
    int rank = rank_of(frame, keyword);
    if (rank > run->furthest)
        run->furthest = rank;
    if (run->quiet || run->halted)
        return false;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    if (frame->place && frame->place->is_name)
        buf_adds(&text, "the name ");
    if (with_value) {
        buf_adds(&text, "is ");
        schema_describe(frame->value, run->schema->hide_values, &text);
        buf_adds(&text, ", ");
    }
    buf_vaddf(&text, format, arguments);
    tell(run, frame, keyword, &text);
    buf_release(&text);
    return false;
}

bool schema_fail(struct schema_run *run, const struct schema_frame *frame,
                 const struct schema_keyword *keyword, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail(run, frame, keyword, false, format, arguments);
    va_end(arguments);
    return false;
}

bool schema_fail_value(struct schema_run *run, const struct schema_frame *frame,
                       const struct schema_keyword *keyword, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail(run, frame, keyword, true, format, arguments);
    va_end(arguments);
    return false;
}

bool schema_stop(struct schema_run *run, const struct schema_frame *frame,
                 const struct schema_keyword *keyword, const char *format, ...)
{
    va_list arguments;
    struct buf text;
    if (run->halted)
        return false;
    run->halted = true;
    if (!run->errors)
        return false;
    buf_init(&text, TEXT_MAX);
    va_start(arguments, format);
    buf_vaddf(&text, format, arguments);
    va_end(arguments);
    run->errors->stopped = true;
    tell(run, frame, keyword, &text);
    buf_release(&text);
    return false;
}

/* --- a value before a node --- */

bool schema_step(struct schema_run *run, const struct schema_frame *frame, uint64_t count)
{
    if (run->halted)
        return false;
    if (count > run->left)
        return schema_stop(run, frame, NULL, "the validation takes more than %llu steps",
                           (unsigned long long)run->schema->max_steps);
    run->left -= count;
    return true;
}

static bool refuse(struct schema_run *run, const struct schema_frame *frame)
{
    char quoted[SCHEMA_QUOTED_SIZE];
    const struct schema_place *place = frame->place;
    if (place && place->is_name)
        return schema_fail(run, frame, NULL, "is not wanted");
    if (place && place->key)
        return schema_fail(run, frame, NULL, "a member %s is not wanted",
                           schema_quote(place->key, strlen(place->key), quoted));
    return schema_fail(run, frame, NULL,
                       place ? "an element at this index is not wanted" : "no value is wanted");
}

/* What a keyword answers after the run was halted does not count. */
static bool check_keywords(struct schema_run *run, struct schema_frame *frame)
{
    const unsigned type = 1u << json_typeof(frame->value);
    bool fits = true;
    for (size_t i = 0; i < frame->node->count; i++) {
        const struct schema_keyword *keyword = &frame->node->keywords[i];
        if (!keyword->kind->check || !(keyword->kind->types & type))
            continue;
        if (!keyword->kind->check(run, frame, keyword))
            fits = false;
        if (run->halted || (!fits && run->quiet))
            return false;
    }
    return fits;
}

static bool apply_keywords(struct schema_run *run, struct schema_frame *frame, struct schema_marks *seen)
{
    const json_t *value = frame->value;
    size_t size = json_is_object(value) ? json_object_size(value) : json_array_size(value);
    frame->tracks = size > 0 && (seen || frame->node->unevaluated);
    if ((frame->tracks || frame->node->additional) && !schema_step(run, frame, size / 64))
        return false;
    if (frame->node->additional && json_is_object(value))
        schema_marks_init(&frame->own, size);
    if (frame->tracks)
        schema_marks_init(&frame->seen, size);
    bool fits = check_keywords(run, frame);
    if (fits && frame->tracks && seen)
        schema_marks_merge(seen, &frame->seen);
    schema_marks_release(&frame->own);
    schema_marks_release(&frame->seen);
    return fits;
}

bool schema_apply(struct schema_run *run, const struct schema_node *node, const json_t *value,
                  const struct schema_place *place, struct schema_marks *seen)
{
    struct schema_frame frame = {.node = node, .value = value, .place = place};
    struct schema_scope scope = {.parent = run->scope, .resource = node->resource};
    if (!schema_step(run, &frame, 1))
        return false;
    if (node->fixed != SCHEMA_KEYWORDS)
        return node->fixed == SCHEMA_TRUE || refuse(run, &frame);
    if (run->depth == SCHEMA_DEPTH_MAX)
        return schema_stop(run, &frame, NULL, "the schema is entered more than %d levels deep",
                           (int)SCHEMA_DEPTH_MAX);
    bool enters = !run->scope || run->scope->resource != node->resource;
    if (enters)
        run->scope = &scope;
    run->depth++;
    bool fits = apply_keywords(run, &frame, seen);
    run->depth--;
    run->scope = enters ? scope.parent : run->scope;
    return fits;
}

/* --- what the caller sees --- */

int schema_validate(const struct schema *schema, const json_t *instance, struct schema_errors *errors)
{
    struct schema_run run = {
        .schema = schema, .errors = errors, .left = schema->max_steps, .quiet = errors == NULL};
    if (errors)
        schema_errors_release(errors);
    bool fits = schema_apply(&run, schema->root, instance, NULL, NULL);
    schema_matcher_free(run.matcher);
    return fits ? 0 : -1;
}

void schema_errors_release(struct schema_errors *errors)
{
    if (!errors)
        return;
    for (size_t i = 0; i < errors->count; i++) {
        free(errors->items[i].instance);
        free(errors->items[i].keyword);
        free(errors->items[i].text);
    }
    free(errors->items);
    *errors = (struct schema_errors){0};
}

int schema_error_write(const struct schema_error *error, struct buf *out)
{
    buf_addf(out, "%s%s%s (%s)", error->instance, *error->instance ? ": " : "", error->text, error->keyword);
    return out->overflow ? -1 : 0;
}

int schema_errors_fault(const struct schema_errors *errors, struct fault *fault)
{
    struct buf text;
    if (errors->count == 0)
        return fault_set(fault, FAULT_INPUT, "the value does not fit its schema");
    buf_init(&text, (size_t)SCHEMA_URI_MAX * 4);
    if (errors->count > 1)
        buf_addf(&text, "%s%zu mistakes, the first: ", errors->more ? "at least " : "", errors->count);
    schema_error_write(&errors->items[0], &text);
    text_printable(text.data);
    fault_set(fault, FAULT_INPUT, "%s", text.data);
    buf_release(&text);
    return -1;
}
