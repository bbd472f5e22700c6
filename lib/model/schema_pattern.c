/*
 * schema_pattern - regular expressions of ECMA-262, run by PCRE2
 *
 * A pattern is rewritten where the two differ, and refused where it uses what ECMA-262 does not have: PCRE2
 * would take \Q, \A or "(*UTF)" for something else than its author can mean.
 *
 * What a match costs: PCRE2's own limit counts anew at each place where a match may begin, and counts a scan
 * of the whole subject as one step; so it bounds nothing on a long text. Instead each item of the pattern
 * calls us before it is tried (PCRE2_AUTO_CALLOUT): the calls are the steps, and how far the place has moved
 * since the last one is what was scanned. A repeat that fails on its way moves nothing; the longest that it
 * can be is on each step's bill. The one hard rule: what is paid for bounds the time that is spent.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <ctype.h>
#include "schema_parts.h"
#include "text.h"
#include "xalloc.h"

enum {
    STEP_BYTES = 16,      /* of the subject, that are scanned in about the time of a step */
    HEAP_KIB = 64 * 1024, /* of backtracking */
};

struct schema_pattern {
    pcre2_code *code;
    char *text;
    size_t repeat; /* the largest number in braces; with references back there is none */
};

/* Of one match. */
struct meter {
    uint64_t used, most;
    uint64_t each; /* steps of an item that moves nothing */
    PCRE2_SIZE last;
};

struct schema_matcher {
    pcre2_match_context *context;
    pcre2_match_data *data;
    struct meter meter;
};

static void *allocate(size_t size, void *unused)
{
    (void)unused;
    return xmalloc(size);
}

static void release(void *memory, void *unused)
{
    (void)unused;
    free(memory);
}

/* --- from ECMA-262 to PCRE2 --- */

struct translation {
    const char *in;
    size_t size, at;
    struct buf out;
    bool in_class;
    size_t repeat;
    struct fault *fault;
};

/* General categories by their long names (Unicode's PropertyValueAliases), which PCRE2 does not know. */
static const struct {
    const char *name, *category;
} categories[] = {
    {"Cased_Letter", "L&"},
    {"Close_Punctuation", "Pe"},
    {"Connector_Punctuation", "Pc"},
    {"Control", "Cc"},
    {"Currency_Symbol", "Sc"},
    {"Dash_Punctuation", "Pd"},
    {"Decimal_Number", "Nd"},
    {"Enclosing_Mark", "Me"},
    {"Final_Punctuation", "Pf"},
    {"Format", "Cf"},
    {"Initial_Punctuation", "Pi"},
    {"Letter", "L"},
    {"Letter_Number", "Nl"},
    {"Line_Separator", "Zl"},
    {"Lowercase_Letter", "Ll"},
    {"Mark", "M"},
    {"Math_Symbol", "Sm"},
    {"Modifier_Letter", "Lm"},
    {"Modifier_Symbol", "Sk"},
    {"Nonspacing_Mark", "Mn"},
    {"Number", "N"},
    {"Open_Punctuation", "Ps"},
    {"Other", "C"},
    {"Other_Letter", "Lo"},
    {"Other_Number", "No"},
    {"Other_Punctuation", "Po"},
    {"Other_Symbol", "So"},
    {"Paragraph_Separator", "Zp"},
    {"Private_Use", "Co"},
    {"Punctuation", "P"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Spacing_Mark", "Mc"},
    {"Surrogate", "Cs"},
    {"Symbol", "S"},
    {"Titlecase_Letter", "Lt"},
    {"Unassigned", "Cn"},
    {"Uppercase_Letter", "Lu"},
    {"LC", "L&"},
    {"cntrl", "Cc"},
    {"digit", "Nd"},
    {"punct", "P"},
    {"Combining_Mark", "M"},
};

static int hex_digits(const struct translation *translation, size_t at, size_t count, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < count; i++) {
        char c = at + i < translation->size ? translation->in[at + i] : 'x';
        if (!isxdigit((unsigned char)c))
            return -1;
        *value = *value * 16 + (uint32_t)(isdigit((unsigned char)c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return 0;
}

/* \u1234, \ud83d\ude00, \u{1f600}; `at` stands behind the u. */
static int add_unicode(struct translation *translation)
{
    const char *in = translation->in;
    size_t at = translation->at;
    uint32_t point = 0, low;
    if (at < translation->size && in[at] == '{') {
        size_t digits = 0;
        while (at + 1 + digits < translation->size && isxdigit((unsigned char)in[at + 1 + digits]))
            digits++;
        size_t end = at + 1 + digits;
        if (digits == 0 || digits > 6 || end >= translation->size || in[end] != '}')
            return fault_set(translation->fault, FAULT_INPUT,
                             "1 to 6 hexadecimal digits and '}' are wanted behind \\u{");
        hex_digits(translation, at + 1, digits, &point);
        translation->at = end + 1;
    } else {
        if (hex_digits(translation, at, 4, &point))
            return fault_set(translation->fault, FAULT_INPUT,
                             "four hexadecimal digits are wanted behind \\u");
        translation->at = at += 4;
        if (point >> 10 == 0xd800 >> 10 && at + 1 < translation->size && in[at] == '\\' &&
            in[at + 1] == 'u' && hex_digits(translation, at + 2, 4, &low) == 0 && low >> 10 == 0xdc00 >> 10) {
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            translation->at = at + 6;
        }
    }
    buf_addf(&translation->out, "\\x{%x}", point);
    return 0;
}

/* \p{Letter}, \p{General_Category=Letter}, \p{Script=Greek}; `at` stands behind the p. */
static int add_property(struct translation *translation, char kind)
{
    char name[64];
    const char *in = translation->in + translation->at, *known = name, *sign;
    size_t left = translation->size - translation->at, size = 0;
    while (size < left && in[size] != '}')
        size++;
    if (left == 0 || in[0] != '{' || size == left || size - 1 >= sizeof name)
        return fault_set(translation->fault, FAULT_INPUT,
                         "the name of a property in braces is wanted behind \\%c", kind);
    memcpy(name, in + 1, size - 1);
    name[size - 1] = '\0';
    translation->at += size + 1;
    sign = strchr(name, '=');
    if (sign && (text_starts_with(name, "General_Category=") || text_starts_with(name, "gc=")))
        known = sign + 1;
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        if (strcmp(known, categories[i].name) == 0)
            known = categories[i].category;
    if (strcmp(known, "ASCII") == 0)
        buf_adds(&translation->out, kind == 'p' ? "\\x00-\\x7f" : "\\x{80}-\\x{10ffff}");
    else
        buf_addf(&translation->out, "\\%c{%s}", kind, known);
    return 0;
}

/* \p{ASCII} is written as a range, which needs brackets outside of a class. */
static int add_escaped_property(struct translation *translation, char kind)
{
    size_t from = translation->out.len;
    int result = add_property(translation, kind);
    if (result || translation->in_class || translation->out.data[from + 1] != 'x')
        return result;
    char *range = xstrdup(translation->out.data + from);
    buf_cut(&translation->out, from);
    buf_addf(&translation->out, "[%s]", range);
    free(range);
    return 0;
}

/* White space of ECMA-262 that PCRE2's \s leaves out unless all classes are Unicode's. */
#define MORE_SPACE "\\x{feff}\\p{Z}"

static int add_escape(struct translation *translation)
{
    struct buf *out = &translation->out;
    if (translation->at + 1 >= translation->size)
        return fault_set(translation->fault, FAULT_INPUT, "it ends with a backslash");
    char c = translation->in[translation->at + 1];
    uint32_t value;
    translation->at += 2;
    switch (c) {
    case 'u':
        return add_unicode(translation);
    case 'p':
    case 'P':
        return add_escaped_property(translation, c);
    case 'v': /* all vertical space to PCRE2 */
        return buf_adds(out, "\\x0b");
    case 's':
        return buf_adds(out, translation->in_class ? "\\s" MORE_SPACE : "[\\s" MORE_SPACE "]");
    case 'S':
        return buf_adds(out, translation->in_class ? "\\S" : "[^\\s" MORE_SPACE "]");
    case 'x':
        if (hex_digits(translation, translation->at, 2, &value))
            return fault_set(translation->fault, FAULT_INPUT, "two hexadecimal digits are wanted behind \\x");
        break;
    default:
        if (isalpha((unsigned char)c) && !strchr("dDwWbBtnfrck", c))
            return fault_set(translation->fault, FAULT_INPUT, "\\%c is no escape of ECMA-262", c);
    }
    buf_addc(out, '\\');
    return buf_addc(out, c);
}

/* "{3,500}"; PCRE2 takes numbers up to 65535. */
static void note_repeat(struct translation *translation)
{
    size_t number = 0;
    for (size_t i = translation->at + 1; i < translation->size; i++) {
        char c = translation->in[i];
        if (isdigit((unsigned char)c))
            number = number < 100000 ? number * 10 + (size_t)(c - '0') : number;
        else if (c == ',')
            number = 0;
        else
            return;
        translation->repeat = number > translation->repeat ? number : translation->repeat;
    }
}

static int add_plain(struct translation *translation)
{
    const char *in = translation->in + translation->at;
    bool more = translation->at + 1 < translation->size;
    if (!translation->in_class && in[0] == '(' && more && in[1] == '*')
        return fault_set(translation->fault, FAULT_INPUT, "nothing that * could repeat stands before it");
    if (!translation->in_class && in[0] == '{')
        note_repeat(translation);
    /* "[[:" would open a POSIX class. */
    if (translation->in_class && in[0] == '[')
        buf_addc(&translation->out, '\\');
    else if (in[0] == '[')
        translation->in_class = true;
    else if (in[0] == ']')
        translation->in_class = false;
    buf_addc(&translation->out, in[0]);
    translation->at++;
    return 0;
}

static int translate(struct translation *translation)
{
    while (translation->at < translation->size)
        if (translation->in[translation->at] == '\\' ? add_escape(translation) : add_plain(translation))
            return -1;
    return 0;
}

struct schema_pattern *schema_pattern_new(const char *text, size_t size, struct fault *fault)
{
    struct translation translation = {.in = text, .size = size, .fault = fault};
    struct schema_pattern *pattern = NULL;
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    pcre2_compile_context *context = pcre2_compile_context_create(general);
    const uint32_t options = PCRE2_AUTO_CALLOUT | PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS |
                             PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C;
    int error;
    uint32_t references = 0;
    PCRE2_SIZE offset;

    buf_init(&translation.out, size * 16 + 16);
    pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF); /* what "." does not match */
    if (translate(&translation))
        goto out;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)translation.out.data, translation.out.len, options, &error,
                                     &offset, context);
    if (!code) {
        PCRE2_UCHAR message[200];
        pcre2_get_error_message(error, message, sizeof message);
        fault_set(fault, FAULT_INPUT, "%s", (const char *)message);
        goto out;
    }
    pattern = xcalloc(1, sizeof *pattern);
    pattern->code = code;
    pattern->text = xmemdupz(text, size);
    pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &references);
    pattern->repeat = references ? SIZE_MAX : translation.repeat;
out:
    buf_release(&translation.out);
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    return pattern;
}

void schema_pattern_free(struct schema_pattern *pattern)
{
    if (!pattern)
        return;
    pcre2_code_free(pattern->code);
    free(pattern->text);
    free(pattern);
}

const char *schema_pattern_text(const struct schema_pattern *pattern)
{
    return pattern->text;
}

/* --- matching --- */

static int count_step(pcre2_callout_block *block, void *data)
{
    struct meter *meter = data;
    PCRE2_SIZE at = block->current_position, last = meter->last;
    meter->last = at;
    meter->used += meter->each + (at > last ? at - last : last - at) / STEP_BYTES;
    return meter->used > meter->most ? PCRE2_ERROR_CALLOUT : 0;
}

static struct schema_matcher *matcher_new(const struct schema *schema)
{
    struct schema_matcher *matcher = xcalloc(1, sizeof *matcher);
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    matcher->context = pcre2_match_context_create(general);
    matcher->data = pcre2_match_data_create(1, general);
    pcre2_set_callout(matcher->context, count_step, &matcher->meter);
    pcre2_set_match_limit(matcher->context, schema->max_match_steps);
    pcre2_set_depth_limit(matcher->context, schema->max_match_steps);
    pcre2_set_heap_limit(matcher->context, HEAP_KIB);
    pcre2_general_context_free(general);
    return matcher;
}

void schema_matcher_free(struct schema_matcher *matcher)
{
    if (!matcher)
        return;
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    free(matcher);
}

static bool stop_match(struct schema_run *run, const struct schema_frame *frame,
                       const struct schema_keyword *keyword, const struct schema_pattern *pattern, int result)
{
    char quoted[SCHEMA_QUOTED_SIZE];
    PCRE2_UCHAR message[200];
    schema_quote(pattern->text, strlen(pattern->text), quoted);
    if (result == PCRE2_ERROR_CALLOUT || result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_DEPTHLIMIT)
        return schema_stop(run, frame, keyword, "the pattern %s takes more than %u steps on this text",
                           quoted, (unsigned)run->schema->max_match_steps);
    if (result == PCRE2_ERROR_HEAPLIMIT)
        return schema_stop(run, frame, keyword, "the pattern %s takes more than %d KiB on this text", quoted,
                           (int)HEAP_KIB);
    pcre2_get_error_message(result, message, sizeof message);
    return schema_stop(run, frame, keyword, "the pattern %s fails: %s", quoted, (const char *)message);
}

bool schema_pattern_match(struct schema_run *run, const struct schema_frame *frame,
                          const struct schema_keyword *keyword, const struct schema_pattern *pattern,
                          const char *subject, size_t size)
{
    if (!run->matcher)
        run->matcher = matcher_new(run->schema);
    struct schema_matcher *matcher = run->matcher;
    uint64_t most = run->schema->max_match_steps;
    matcher->meter = (struct meter){
        .used = size / STEP_BYTES, /* what every match reads: is it UTF-8, and where may it begin */
        .most = most < run->left ? most : run->left,
        .each = 1 + (pattern->repeat < size ? pattern->repeat : size) / STEP_BYTES,
    };
    int result = pcre2_match(pattern->code, (PCRE2_SPTR)subject, size, 0, 0, matcher->data, matcher->context);
    if (!schema_step(run, frame, 1 + matcher->meter.used))
        return false;
    if (result == PCRE2_ERROR_NOMATCH || result >= 0)
        return result >= 0;
    return stop_match(run, frame, keyword, pattern, result);
}
