/*
 * options - the command line of every tool, from its one table: parsing, help and completion cannot disagree.
 * Hard rule: nothing is guessed. What is not exactly an option of the table, or a value of its kind, is a
 * fault that names it.
 */
#include "options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "buf.h"
#include "clock.h"
#include "fdio.h"
#include "num.h"
#include "text.h"
#include "utf8.h"
#include "version.h"
#include "xalloc.h"

enum { HELP_MAX_BYTES = 256 * 1024, HELP_WIDTH = 80, HELP_COLUMN_MAX = 30 };

/* The options that every tool has. */
static const struct option help_letter = {
    .letter = 'h', .name = "", .help = "print how to call it, and exit"};
static const struct option help = {.name = "help", .help = "print this help, and exit"};
static const struct option version = {.name = "version", .help = "print the version, and exit"};
static const struct option completion = {.name = "completion", .help = "print what a shell completes"};

struct parse {
    const struct tool_options *tool;
    int argc;
    char **argv;
    int next;   /* index of the argument to look at next */
    bool *seen; /* by index in the tool's table */
    struct fault *fault;
};

static bool has_value(const struct option *option)
{
    return option->kind != OPTION_FLAG && option->kind != OPTION_HEADING;
}

/* --- what the built-in options print ------------------------------------------------------------------- */

static void add_usage(struct buf *out, const struct tool_options *tool)
{
    const char *lead = "usage: ";

    for (const char *const *usage = tool->usage; *usage != NULL; usage++) {
        buf_addf(out, "%s%s%s%s\n", lead, tool->tool, **usage != '\0' ? " " : "", *usage);
        lead = "       ";
    }
}

/* Columns that `size` bytes of UTF-8 take, with every character one column wide. */
static size_t width_of(const char *text, size_t size)
{
    size_t width = 0;

    for (size_t i = 0; i < size; i++)
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    return width;
}

/* Adds words, broken at HELP_WIDTH and at newlines; following lines begin at `indent`, the first is there
 * already. */
static void add_wrapped(struct buf *out, const char *text, size_t indent)
{
    size_t column = indent;

    while (*text != '\0') {
        size_t size = strcspn(text, " \n");
        size_t width = width_of(text, size);

        if (column > indent && column + 1 + width > HELP_WIDTH) {
            buf_addf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent && size > 0) {
            buf_addc(out, ' ');
            column++;
        }
        buf_add(out, text, size);
        column += width;
        text += size;
        if (*text == '\n') {
            buf_addf(out, "\n%*s", text[1] != '\n' ? (int)indent : 0, "");
            column = indent;
        }
        if (*text != '\0')
            text++;
    }
    buf_addc(out, '\n');
}

/* "  -t, --to DEST" */
static void add_option_words(struct buf *out, const struct option *option)
{
    if (option->letter != 0)
        buf_addf(out, "  -%c%s", option->letter, *option->name != '\0' ? ", " : "");
    else
        buf_adds(out, "      ");
    if (*option->name != '\0')
        buf_addf(out, "--%s", option->name);
    if (has_value(option))
        buf_addf(out, " %s", option->argument != NULL ? option->argument : "VALUE");
}

static void add_option_help(struct buf *out, const struct option *option, size_t column)
{
    const size_t before = out->len;
    size_t width;

    add_option_words(out, option);
    if (option->help == NULL) {
        buf_addc(out, '\n');
        return;
    }
    width = width_of(out->data + before, out->len - before);
    if (width + 2 > column)
        buf_addf(out, "\n%*s", (int)column, "");
    else
        buf_addf(out, "%*s", (int)(column - width), "");
    add_wrapped(out, option->help, column);
}

/* Where the help texts begin: behind the longest option that does not pass HELP_COLUMN_MAX. */
static size_t help_column(const struct tool_options *tool)
{
    size_t column = sizeof("      --version  ") - 1;
    struct buf words;

    buf_init(&words, HELP_MAX_BYTES);
    for (const struct option *option = tool->options; option->name != NULL; option++) {
        size_t width;

        if (option->kind == OPTION_HEADING)
            continue;
        buf_clear(&words);
        add_option_words(&words, option);
        width = width_of(words.data, words.len) + 2;
        if (width > column && width <= HELP_COLUMN_MAX)
            column = width;
    }
    buf_release(&words);
    return column;
}

static void add_help(struct buf *out, const struct tool_options *tool)
{
    const size_t column = help_column(tool);

    buf_addf(out, "%s - %s\n\n", tool->tool, tool->purpose);
    add_usage(out, tool);
    buf_addc(out, '\n');
    for (const struct option *option = tool->options; option->name != NULL; option++) {
        if (option->kind == OPTION_HEADING)
            buf_addf(out, "%s%s:\n", option > tool->options ? "\n" : "", option->name);
        else
            add_option_help(out, option, column);
    }
    if (tool->options->name != NULL)
        buf_addc(out, '\n');
    add_option_help(out, &help_letter, column);
    add_option_help(out, &help, column);
    add_option_help(out, &version, column);
    if (tool->notes != NULL) {
        buf_addc(out, '\n');
        add_wrapped(out, tool->notes, 0);
    }
}

static void add_version(struct buf *out, const struct tool_options *tool)
{
    buf_addf(out, "%s (dist) %s\n", tool->tool, DIST_VERSION);
}

static void add_completion_argument(struct buf *out, const struct option *option)
{
    buf_addc(out, '\t');
    if (has_value(option) && option->values != NULL) {
        for (const char *const *value = option->values; *value != NULL; value++)
            buf_addf(out, "%s%s", value > option->values ? "|" : "", *value);
    } else if (has_value(option)) {
        buf_adds(out, option->argument != NULL ? option->argument : "VALUE");
    }
    buf_addc(out, '\n');
}

static void add_completion(struct buf *out, const struct tool_options *tool)
{
    for (const struct option *option = tool->options; option->name != NULL; option++) {
        if (option->kind == OPTION_HEADING)
            continue;
        buf_addf(out, "--%s", option->name);
        add_completion_argument(out, option);
        if (option->letter != 0) {
            buf_addf(out, "-%c", option->letter);
            add_completion_argument(out, option);
        }
    }
    buf_adds(out, "-h\t\n--help\t\n--version\t\n");
    for (const char *const *word = tool->subcommands; word != NULL && *word != NULL; word++)
        buf_addf(out, "%s\t\n", *word);
}

static enum options_result print(const struct parse *parse,
                                 void (*add)(struct buf *, const struct tool_options *))
{
    struct buf out;
    int result;

    buf_init(&out, HELP_MAX_BYTES);
    add(&out, parse->tool);
    result = fdio_write_all(STDOUT_FILENO, out.data, out.len, parse->fault);
    if (result != 0)
        fault_wrap(parse->fault, "standard output");
    buf_release(&out);
    return result == 0 ? OPTIONS_DONE : OPTIONS_FAULT;
}

/* --- values -------------------------------------------------------------------------------------------- */

static int usage_fault(struct fault *fault)
{
    if (fault != NULL)
        fault->class = FAULT_USAGE;
    return -1;
}

static int check_word(const struct option *option, const char *value, struct fault *fault)
{
    struct buf words;
    const char *nearest;
    size_t count = 0;

    if (option->values == NULL)
        return 0;
    for (; option->values[count] != NULL; count++) {
        if (strcmp(option->values[count], value) == 0)
            return 0;
    }
    nearest = text_nearest(value, option->values, count);
    buf_init(&words, 512);
    for (size_t i = 0; i < count; i++)
        buf_addf(&words, "%s%s", i > 0 ? ", " : "", option->values[i]);
    if (nearest != NULL)
        fault_set(fault, FAULT_USAGE, "'%.80s' is not one of %s; did you mean '%s'?", value, words.data,
                  nearest);
    else
        fault_set(fault, FAULT_USAGE, "'%.80s' is not one of %s", value, words.data);
    buf_release(&words);
    return -1;
}

static int set_string(const struct option *option, const char *value, struct fault *fault)
{
    if (check_word(option, value, fault) != 0)
        return -1;
    *(const char **)option->target = value;
    return 0;
}

static int set_list(const struct option *option, const char *value, struct fault *fault)
{
    struct option_list *list = option->target;

    if (check_word(option, value, fault) != 0)
        return -1;
    list->items = xreallocarray(list->items, list->count + 1, sizeof(*list->items));
    list->items[list->count++] = value;
    return 0;
}

static int set_int(const struct option *option, const char *value, struct fault *fault)
{
    return num_parse_int(value, option->min, option->max != 0 ? option->max : INT64_MAX, option->target,
                         fault);
}

static int set_size(const struct option *option, const char *value, struct fault *fault)
{
    char least[NUM_SIZE_SIZE];
    uint64_t bytes;

    if (num_parse_size(value, option->max != 0 ? (uint64_t)option->max : UINT64_MAX, &bytes, fault) != 0)
        return -1;
    if (option->min > 0 && bytes < (uint64_t)option->min)
        return fault_set(fault, FAULT_USAGE, "'%.80s' is less than %s", value,
                         num_format_size((uint64_t)option->min, least));
    *(uint64_t *)option->target = bytes;
    return 0;
}

static int set_duration(const struct option *option, const char *value, struct fault *fault)
{
    char least[NUM_DURATION_SIZE];
    int64_t ms;

    if (num_parse_duration(value, option->max != 0 ? option->max : INT64_MAX, &ms, fault) != 0)
        return -1;
    if (ms < option->min)
        return fault_set(fault, FAULT_USAGE, "'%.80s' is less than %s", value,
                         num_format_duration(option->min, least));
    *(int64_t *)option->target = ms;
    return 0;
}

static int set_time(const struct option *option, const char *value, struct fault *fault)
{
    const int64_t now_us = clock_wall_us();
    bool bare = strspn(value, "0123456789.") == strlen(value); /* a year, rather than seconds */
    int64_t ms;

    if (!bare && num_parse_duration(value, now_us / 1000, &ms, NULL) == 0) {
        *(int64_t *)option->target = now_us - ms * 1000;
        return 0;
    }
    if (strchr(value, '-') != NULL)
        return clock_parse(value, option->target, fault);
    return fault_set(fault, FAULT_USAGE,
                     "'%.80s' is neither a time such as 2024-01-15T10:00:00Z nor a duration such as 2h",
                     value);
}

static int set_value(const struct parse *parse, const struct option *option, const char *value)
{
    static int (*const setters[])(const struct option *, const char *, struct fault *) = {
        [OPTION_STRING] = set_string, [OPTION_LIST] = set_list,         [OPTION_INT] = set_int,
        [OPTION_SIZE] = set_size,     [OPTION_DURATION] = set_duration, [OPTION_TIME] = set_time,
    };
    const size_t index = (size_t)(option - parse->tool->options);

    if (option->kind != OPTION_LIST && parse->seen[index])
        return fault_set(parse->fault, FAULT_USAGE, "--%s is given twice", option->name);
    parse->seen[index] = true;
    if (setters[option->kind](option, value, parse->fault) != 0) {
        fault_wrap(parse->fault, "--%s", option->name);
        return usage_fault(parse->fault);
    }
    return 0;
}

/* --- parsing ------------------------------------------------------------------------------------------- */

/* `value` is what was attached ("--to=X", "-tX"), or NULL: then it is the next argument. */
static int take_option(struct parse *parse, const struct option *option, const char *value)
{
    if (!has_value(option)) {
        if (value != NULL)
            return fault_set(parse->fault, FAULT_USAGE, "--%s takes no value", option->name);
        *(bool *)option->target = true;
        return 0;
    }
    if (value == NULL) {
        if (parse->next == parse->argc)
            return fault_set(parse->fault, FAULT_USAGE, "--%s needs a value: %s", option->name,
                             option->argument != NULL ? option->argument : "VALUE");
        value = parse->argv[parse->next++];
    }
    return set_value(parse, option, value);
}

static int unknown_option(const struct parse *parse, const char *name, size_t len)
{
    const struct option *options = parse->tool->options;
    char *copy = xmemdupz(name, len);
    const char **names;
    const char *nearest;
    size_t count = 0, filled = 0;

    while (options[count].name != NULL)
        count++;
    names = xreallocarray(NULL, count + 2, sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        if (options[i].kind != OPTION_HEADING)
            names[filled++] = options[i].name;
    }
    names[filled++] = help.name;
    names[filled++] = version.name;
    nearest = text_nearest(copy, names, filled);
    if (nearest != NULL)
        fault_set(parse->fault, FAULT_USAGE, "unknown option '--%.80s'; did you mean '--%s'?", copy, nearest);
    else
        fault_set(parse->fault, FAULT_USAGE, "unknown option '--%.80s'", copy);
    free(names);
    free(copy);
    return -1;
}

static bool is_called(const struct option *option, const char *name, size_t len)
{
    return strlen(option->name) == len && memcmp(option->name, name, len) == 0;
}

/* OPTIONS_RUN where it is none of the built-in options. */
static enum options_result parse_builtin(const struct parse *parse, const char *name, size_t len,
                                         const char *value)
{
    static const struct {
        const struct option *option;
        void (*add)(struct buf *, const struct tool_options *);
    } builtins[] = {{&help, add_help}, {&version, add_version}, {&completion, add_completion}};

    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        if (!is_called(builtins[i].option, name, len))
            continue;
        if (value == NULL)
            return print(parse, builtins[i].add);
        fault_set(parse->fault, FAULT_USAGE, "--%s takes no value", builtins[i].option->name);
        return OPTIONS_FAULT;
    }
    return OPTIONS_RUN;
}

/* `text` is what stands behind "--". */
static enum options_result parse_long(struct parse *parse, const char *text)
{
    const size_t len = strcspn(text, "=");
    const char *value = text[len] == '=' ? text + len + 1 : NULL;
    enum options_result result = parse_builtin(parse, text, len, value);

    if (result != OPTIONS_RUN)
        return result;
    for (const struct option *option = parse->tool->options; option->name != NULL; option++) {
        if (option->kind != OPTION_HEADING && is_called(option, text, len))
            return take_option(parse, option, value) == 0 ? OPTIONS_RUN : OPTIONS_FAULT;
    }
    unknown_option(parse, text, len);
    return OPTIONS_FAULT;
}

static const struct option *find_letter(const struct tool_options *tool, char letter)
{
    for (const struct option *option = tool->options; option->name != NULL; option++) {
        if (option->kind != OPTION_HEADING && option->letter == letter)
            return option;
    }
    return NULL;
}

/* `text` is what stands behind "-": letters of flags, at last one that may have its value attached. */
static enum options_result parse_letters(struct parse *parse, const char *text)
{
    for (; *text != '\0'; text++) {
        const struct option *option;
        const char *value = NULL;

        if (*text == help_letter.letter)
            return print(parse, add_usage);
        option = find_letter(parse->tool, *text);
        if (option == NULL) {
            size_t len = utf8_decode(text, strlen(text), NULL);

            fault_set(parse->fault, FAULT_USAGE, "unknown option '-%.*s'", len > 0 ? (int)len : 1, text);
            return OPTIONS_FAULT;
        }
        if (has_value(option) && text[1] != '\0')
            value = text + 1;
        if (take_option(parse, option, value) != 0)
            return OPTIONS_FAULT;
        if (value != NULL)
            break;
    }
    return OPTIONS_RUN;
}

static enum options_result parse_arguments(struct parse *parse, int *operands)
{
    char **const argv = parse->argv;
    bool only_operands = false;

    *operands = 0;
    while (parse->next < parse->argc) {
        char *argument = argv[parse->next++];
        enum options_result result = OPTIONS_RUN;

        if (only_operands || argument[0] != '-' || argument[1] == '\0')
            argv[1 + (*operands)++] = argument;
        else if (strcmp(argument, "--") == 0)
            only_operands = true;
        else if (argument[1] == '-')
            result = parse_long(parse, argument + 2);
        else
            result = parse_letters(parse, argument + 1);
        if (result != OPTIONS_RUN)
            return result;
    }
    if (parse->argc > 0)
        argv[1 + *operands] = NULL;
    return OPTIONS_RUN;
}

enum options_result options_parse(const struct tool_options *tool, int argc, char **argv, int *operands,
                                  struct fault *fault)
{
    struct parse parse = {.tool = tool, .argc = argc, .argv = argv, .next = 1, .fault = fault};
    enum options_result result;
    size_t count = 0;

    while (tool->options[count].name != NULL)
        count++;
    parse.seen = xcalloc(count, sizeof(*parse.seen));
    result = parse_arguments(&parse, operands);
    free(parse.seen);
    return result;
}

void options_release(const struct tool_options *tool)
{
    for (const struct option *option = tool->options; option->name != NULL; option++) {
        if (option->kind == OPTION_LIST) {
            struct option_list *list = option->target;

            free(list->items);
            *list = (struct option_list){0};
        }
    }
}
