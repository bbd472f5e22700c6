/*
 * options - one table per tool: parsing, -h, --help, --version and the shell completion
 *
 * GNU conventions: long options, short ones for the common, values as "--to X", "--to=X", "-t X" or "-tX";
 * options and operands may mix; "--" ends the options; unambiguous prefixes of long options are NOT taken
 * (a script that works today would break when an option is added). An unknown option names its nearest.
 * Every fault is class USAGE, but for a write to stdout that failed (SYSTEM, with errno).
 *
 * An option with a value, OPTION_LIST aside, is given once: the second of two would win in silence. "-h",
 * "help", "version" and "completion" belong to this module. In the text of a fault an option is called by its
 * long name.
 */
#ifndef DIST_OPTIONS_H
#define DIST_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"

enum option_kind {
    OPTION_FLAG,     /* bool *      set to true */
    OPTION_STRING,   /* const char **   borrowed from argv */
    OPTION_LIST,     /* struct option_list *   repeatable, borrowed from argv */
    OPTION_INT,      /* int64_t *   from min to max */
    OPTION_SIZE,     /* uint64_t *  bytes, from min to max */
    OPTION_DURATION, /* int64_t *   milliseconds, from min to max */
    OPTION_TIME, /* int64_t *   wall-clock microseconds; RFC 3339, or back from now as "2h" (with a unit) */
    OPTION_HEADING, /* no option: a heading in --help, the words in `name` */
};

struct option_list {
    const char **items;
    size_t count;
};

struct option {
    char letter; /* 0: none */
    const char *name;
    const char *argument; /* its name in the help; NULL for flags */
    enum option_kind kind;
    void *target;
    int64_t min, max;          /* max 0: no limit */
    const char *help;          /* a phrase, no full stop */
    const char *const *values; /* NULL, or the words that STRING and LIST take; also for the completion */
};

struct tool_options {
    const char *tool;               /* "dist-submit" */
    const char *purpose;            /* a phrase: "accept reports for delivery" */
    const char *const *usage;       /* synopses without the tool's name, ended by NULL: as in the man page */
    const struct option *options;   /* ended by a NULL name */
    const char *const *subcommands; /* NULL, or words for the completion, ended by NULL */
    const char *notes;              /* a paragraph below the options in --help, or NULL */
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_FAULT };

/*
 * Parses, from left to right. -h (synopses), --help (everything), --version and --completion (one
 * "option<TAB>argument" per line, a letter on a line of its own, words that it takes as "json|csv" in place
 * of the argument; then "subcommand<TAB>" lines) are handled here: they print to stdout and return
 * OPTIONS_DONE. The operands are moved to the front of argv[1..], counted in *operands and ended by NULL.
 * Lists must be given back to options_release(). A write to stdout that failed is OPTIONS_FAULT.
 */
enum options_result options_parse(const struct tool_options *tool, int argc, char **argv, int *operands,
                                  struct fault *fault);
void options_release(const struct tool_options *tool);

#endif
