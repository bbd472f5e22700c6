/*
 * test_base_options - command lines, and what -h, --help, --version and --completion print
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "clock.h"
#include "fdio.h"
#include "options.h"

static struct {
    bool quiet, verbose;
    const char *to;
    const char *format;
    struct option_list headers, kinds;
    int64_t limit, count;
    uint64_t size, any_size;
    int64_t timeout, any_time, since;
} set;

static const char *const formats[] = {"json", "csv", "xml", NULL};
static const char *const usage[] = {"[-qv] [--to DEST] [FILE ...]", "", NULL};
static const char *const subcommands[] = {"list", "show", NULL};

static const struct option options[] = {
    {.name = "Where to", .kind = OPTION_HEADING},
    {.letter = 't',
     .name = "to",
     .argument = "DEST",
     .kind = OPTION_STRING,
     .target = &set.to,
     .help = "send to DEST"},
    {.letter = 'H',
     .name = "header",
     .argument = "NAME: VALUE",
     .kind = OPTION_LIST,
     .target = &set.headers,
     .help =
         "add a header to every request that goes out to the destination, as often as the option is given"},
    {.name = "Output", .kind = OPTION_HEADING},
    {.letter = 'q', .name = "quiet", .kind = OPTION_FLAG, .target = &set.quiet, .help = "print nothing"},
    {.letter = 'v', .name = "verbose", .kind = OPTION_FLAG, .target = &set.verbose, .help = "print more"},
    {.name = "format",
     .argument = "FORMAT",
     .kind = OPTION_STRING,
     .target = &set.format,
     .help = "json, csv or xml",
     .values = formats},
    {.name = "kind", .kind = OPTION_LIST, .target = &set.kinds, .values = formats},
    {.letter = 'n',
     .name = "limit",
     .argument = "N",
     .kind = OPTION_INT,
     .target = &set.limit,
     .min = 1,
     .max = 10},
    {.name = "count", .argument = "N", .kind = OPTION_INT, .target = &set.count},
    {.name = "max-size",
     .argument = "SIZE",
     .kind = OPTION_SIZE,
     .target = &set.size,
     .min = 1024,
     .max = 65536},
    {.name = "any-size", .argument = "SIZE", .kind = OPTION_SIZE, .target = &set.any_size},
    {.name = "timeout",
     .argument = "TIME",
     .kind = OPTION_DURATION,
     .target = &set.timeout,
     .min = 10,
     .max = 60000},
    {.name = "any-time", .argument = "TIME", .kind = OPTION_DURATION, .target = &set.any_time},
    {.name = "an-option-with-a-very-long-name",
     .argument = "WHEN",
     .kind = OPTION_TIME,
     .target = &set.since,
     .help = "only what is newer"},
    {.name = NULL},
};

static const struct tool_options tool = {
    .tool = "dist-test",
    .purpose = "test the options",
    .usage = usage,
    .options = options,
    .subcommands = subcommands,
    .notes =
        "First paragraph, which is long enough to be broken at the eightieth column of the page.\n\nSecond.",
};

static char *argv[16];
static int operands;
static struct fault fault;

static enum options_result parse(const char *a, const char *b, const char *c, const char *d)
{
    const char *given[] = {"dist-test", a, b, c, d};
    int argc = 0;

    memset(&fault, 0, sizeof(fault));
    while (argc < 5 && given[argc] != NULL) {
        argv[argc] = (char *)(uintptr_t)given[argc];
        argc++;
    }
    argv[argc] = NULL;
    return options_parse(&tool, argc, argv, &operands, &fault);
}

static void expect_fault(const char *a, const char *b, const char *text)
{
    assert_int_equal(parse(a, b, NULL, NULL), OPTIONS_FAULT);
    assert_string_equal(fault.text, text);
    assert_int_equal(fault.class, FAULT_USAGE);
}

static int reset(void **state)
{
    (void)state;
    memset(&set, 0, sizeof(set));
    return 0;
}

static int release(void **state)
{
    (void)state;
    options_release(&tool);
    return set.headers.items == NULL && set.headers.count == 0 ? 0 : -1;
}

static void values_are_taken_in_all_four_forms(void **state)
{
    static const char *const forms[][2] = {{"--to", "X"}, {"--to=X", NULL}, {"-t", "X"}, {"-tX", NULL}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        set.to = NULL;
        assert_int_equal(parse(forms[i][0], forms[i][1], NULL, NULL), OPTIONS_RUN);
        assert_string_equal(set.to, "X");
        assert_int_equal(operands, 0);
    }
    set.to = NULL;
    assert_int_equal(parse("--to=", NULL, NULL, NULL), OPTIONS_RUN);
    assert_string_equal(set.to, "");
    set.to = NULL;
    assert_int_equal(parse("--to=a=b", NULL, NULL, NULL), OPTIONS_RUN);
    assert_string_equal(set.to, "a=b");
}

static void a_value_may_look_like_an_option(void **state)
{
    (void)state;
    assert_int_equal(parse("--to", "--quiet", NULL, NULL), OPTIONS_RUN);
    assert_string_equal(set.to, "--quiet");
    assert_false(set.quiet);
}

static void flags_cluster_and_the_last_letter_may_take_a_value(void **state)
{
    (void)state;
    assert_int_equal(parse("-qvtX", NULL, NULL, NULL), OPTIONS_RUN);
    assert_true(set.quiet && set.verbose);
    assert_string_equal(set.to, "X");
    reset(NULL);
    assert_int_equal(parse("-qt", "Y", NULL, NULL), OPTIONS_RUN);
    assert_true(set.quiet);
    assert_string_equal(set.to, "Y");
}

static void operands_move_to_the_front_in_their_order(void **state)
{
    (void)state;
    assert_int_equal(parse("a", "-q", "b", "-"), OPTIONS_RUN);
    assert_int_equal(operands, 3);
    assert_string_equal(argv[1], "a");
    assert_string_equal(argv[2], "b");
    assert_string_equal(argv[3], "-");
    assert_null(argv[4]);
    assert_true(set.quiet);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    assert_int_equal(parse("-q", "--", "-v", "--"), OPTIONS_RUN);
    assert_int_equal(operands, 2);
    assert_string_equal(argv[1], "-v");
    assert_string_equal(argv[2], "--");
    assert_false(set.verbose);
}

static void no_arguments_are_no_operands(void **state)
{
    (void)state;
    assert_int_equal(parse(NULL, NULL, NULL, NULL), OPTIONS_RUN);
    assert_int_equal(operands, 0);
    operands = 7;
    assert_int_equal(options_parse(&tool, 0, argv, &operands, &fault), OPTIONS_RUN);
    assert_int_equal(operands, 0);
}

static void an_unknown_option_names_its_nearest(void **state)
{
    (void)state;
    expect_fault("--qiuet", NULL, "unknown option '--qiuet'; did you mean '--quiet'?");
    expect_fault("--formt=json", NULL, "unknown option '--formt'; did you mean '--format'?");
    expect_fault("--hlep", NULL, "unknown option '--hlep'; did you mean '--help'?");
    expect_fault("--zzzzzz", NULL, "unknown option '--zzzzzz'");
    expect_fault("-z", NULL, "unknown option '-z'");
    expect_fault("-q\xc3\xa8z", NULL, "unknown option '-\xc3\xa8'");
    assert_int_equal(parse("-\xff", NULL, NULL, NULL), OPTIONS_FAULT);
}

static void a_prefix_of_an_option_is_not_taken(void **state)
{
    (void)state;
    expect_fault("--verb", NULL, "unknown option '--verb'; did you mean '--verbose'?");
    assert_false(set.verbose);
}

static void a_heading_is_no_option(void **state)
{
    (void)state;
    expect_fault("--Output", NULL, "unknown option '--Output'");
}

static void a_flag_takes_no_value(void **state)
{
    (void)state;
    expect_fault("--quiet=1", NULL, "--quiet takes no value");
    expect_fault("--help=1", NULL, "--help takes no value");
}

static void a_missing_value_is_named(void **state)
{
    (void)state;
    expect_fault("-t", NULL, "--to needs a value: DEST");
    expect_fault("-q", "--kind", "--kind needs a value: VALUE");
}

static void an_option_with_one_value_is_given_once(void **state)
{
    (void)state;
    expect_fault("--to=a", "-tb", "--to is given twice");
    expect_fault("-n1", "-n2", "--limit is given twice");
    assert_int_equal(parse("-q", "-q", NULL, NULL), OPTIONS_RUN);
}

static void lists_collect_in_order(void **state)
{
    (void)state;
    assert_int_equal(parse("-Ha: 1", "--header=b: 2", "--header", "c: 3"), OPTIONS_RUN);
    assert_int_equal(set.headers.count, 3);
    assert_string_equal(set.headers.items[0], "a: 1");
    assert_string_equal(set.headers.items[1], "b: 2");
    assert_string_equal(set.headers.items[2], "c: 3");
}

static void a_wrong_word_names_the_words_and_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(parse("--format=csv", "--kind=xml", NULL, NULL), OPTIONS_RUN);
    assert_string_equal(set.format, "csv");
    assert_int_equal(set.kinds.count, 1);
    expect_fault("--format=jsno", NULL,
                 "--format: 'jsno' is not one of json, csv, xml; did you mean 'json'?");
    expect_fault("--format=JSON", NULL,
                 "--format: 'JSON' is not one of json, csv, xml; did you mean 'json'?");
    expect_fault("--kind=pdf", NULL, "--kind: 'pdf' is not one of json, csv, xml");
    assert_int_equal(options_parse(&tool, 2, (char *[]){argv[0], argv[1], NULL}, &operands, NULL),
                     OPTIONS_FAULT);
}

static void numbers_hold_their_range(void **state)
{
    (void)state;
    assert_int_equal(parse("-n10", "--count=9223372036854775807", NULL, NULL), OPTIONS_RUN);
    assert_int_equal(set.limit, 10);
    assert_true(set.count == INT64_MAX);
    expect_fault("-n0", NULL, "--limit: '0' is not from 1 to 10");
    expect_fault("-nx", NULL, "--limit: 'x' is not a whole number");
    expect_fault("--count", "-1", "--count: '-1' is not a whole number");
}

static void sizes_hold_their_range(void **state)
{
    (void)state;
    assert_int_equal(parse("--max-size=64K", "--any-size=18446744073709551615", NULL, NULL), OPTIONS_RUN);
    assert_int_equal(set.size, 65536);
    assert_true(set.any_size == UINT64_MAX);
    expect_fault("--max-size=65K", NULL, "--max-size: '65K' is more than 64K");
    expect_fault("--max-size=1023", NULL, "--max-size: '1023' is less than 1K");
}

static void durations_hold_their_range(void **state)
{
    (void)state;
    assert_int_equal(parse("--timeout=1m", "--any-time=400d", NULL, NULL), OPTIONS_RUN);
    assert_int_equal(set.timeout, 60000);
    assert_true(set.any_time == INT64_C(34560000000));
    expect_fault("--timeout=61", NULL, "--timeout: '61' is more than 1m");
    expect_fault("--timeout=9ms", NULL, "--timeout: '9ms' is less than 10ms");
    expect_fault("--timeout=soon", NULL,
                 "--timeout: 'soon' is not a duration such as 500ms, 30s, 5m or 1h30m");
}

static void a_time_is_a_date_or_a_span_back_from_now(void **state)
{
    int64_t wanted_us = clock_wall_us() - INT64_C(7200000000);

    (void)state;
    assert_int_equal(parse("--an-option-with-a-very-long-name=2024-01-15T10:00:00Z", NULL, NULL, NULL),
                     OPTIONS_RUN);
    assert_true(set.since == INT64_C(1705312800000000));
    assert_int_equal(parse("--an-option-with-a-very-long-name", "2h", NULL, NULL), OPTIONS_RUN);
    assert_true(set.since >= wanted_us && set.since < wanted_us + 60000000);
    expect_fault(
        "--an-option-with-a-very-long-name=2024", NULL,
        "--an-option-with-a-very-long-name: '2024' is neither a time such as 2024-01-15T10:00:00Z nor a "
        "duration such as 2h");
    expect_fault("--an-option-with-a-very-long-name=2024-02-30T10:00:00Z", NULL,
                 "--an-option-with-a-very-long-name: '2024-02-30T10:00:00Z' is a time that does not exist");
}

/* --- what is printed ----------------------------------------------------------------------------------- */

/* What the tool prints on stdout for one argument. */
static void expect_output(const char *argument, const char *wanted)
{
    char path[] = "/tmp/test-base-options-XXXXXX";
    int file = mkstemp(path);
    int kept = dup(STDOUT_FILENO);
    enum options_result result;
    struct buf out;

    unlink(path);
    dup2(file, STDOUT_FILENO);
    result = parse(argument, NULL, NULL, NULL);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    buf_init(&out, 100000);
    lseek(file, 0, SEEK_SET);
    assert_int_equal(fdio_read_all(file, &out, NULL), 0);
    close(file);
    assert_int_equal(result, OPTIONS_DONE);
    assert_string_equal(out.data, wanted);
    buf_release(&out);
}

static void h_prints_the_synopses(void **state)
{
    (void)state;
    expect_output("-h", "usage: dist-test [-qv] [--to DEST] [FILE ...]\n"
                        "       dist-test\n");
}

static void version_prints_tool_and_version(void **state)
{
    (void)state;
    expect_output("--version", "dist-test (dist) 0.1.0\n");
}

static void help_prints_everything_in_two_columns(void **state)
{
    (void)state;
    expect_output("--help", "dist-test - test the options\n"
                            "\n"
                            "usage: dist-test [-qv] [--to DEST] [FILE ...]\n"
                            "       dist-test\n"
                            "\n"
                            "Where to:\n"
                            "  -t, --to DEST             send to DEST\n"
                            "  -H, --header NAME: VALUE  add a header to every request that goes out to the\n"
                            "                            destination, as often as the option is given\n"
                            "\n"
                            "Output:\n"
                            "  -q, --quiet               print nothing\n"
                            "  -v, --verbose             print more\n"
                            "      --format FORMAT       json, csv or xml\n"
                            "      --kind VALUE\n"
                            "  -n, --limit N\n"
                            "      --count N\n"
                            "      --max-size SIZE\n"
                            "      --any-size SIZE\n"
                            "      --timeout TIME\n"
                            "      --any-time TIME\n"
                            "      --an-option-with-a-very-long-name WHEN\n"
                            "                            only what is newer\n"
                            "\n"
                            "  -h                        print how to call it, and exit\n"
                            "      --help                print this help, and exit\n"
                            "      --version             print the version, and exit\n"
                            "\n"
                            "First paragraph, which is long enough to be broken at the eightieth column of\n"
                            "the page.\n"
                            "\n"
                            "Second.\n");
}

static void completion_lists_options_and_subcommands(void **state)
{
    (void)state;
    expect_output("--completion",
                  "--to\tDEST\n-t\tDEST\n"
                  "--header\tNAME: VALUE\n-H\tNAME: VALUE\n"
                  "--quiet\t\n-q\t\n--verbose\t\n-v\t\n"
                  "--format\tjson|csv|xml\n--kind\tjson|csv|xml\n"
                  "--limit\tN\n-n\tN\n--count\tN\n--max-size\tSIZE\n--any-size\tSIZE\n"
                  "--timeout\tTIME\n--any-time\tTIME\n--an-option-with-a-very-long-name\tWHEN\n"
                  "-h\t\n--help\t\n--version\t\n"
                  "list\t\nshow\t\n");
}

static void help_that_cannot_be_written_is_a_fault(void **state)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int kept = dup(STDOUT_FILENO);
    enum options_result result;

    (void)state;
    dup2(full, STDOUT_FILENO);
    result = parse("--help", NULL, NULL, NULL);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(full);
    assert_int_equal(result, OPTIONS_FAULT);
    assert_int_equal(fault.class, FAULT_SYSTEM);
    assert_string_equal(fault.text, "standard output: cannot write: No space left on device");
}

int main(void)
{
#define OPTIONS_TEST(name) cmocka_unit_test_setup_teardown(name, reset, release)
    const struct CMUnitTest tests[] = {
        OPTIONS_TEST(values_are_taken_in_all_four_forms),
        OPTIONS_TEST(a_value_may_look_like_an_option),
        OPTIONS_TEST(flags_cluster_and_the_last_letter_may_take_a_value),
        OPTIONS_TEST(operands_move_to_the_front_in_their_order),
        OPTIONS_TEST(two_dashes_end_the_options),
        OPTIONS_TEST(no_arguments_are_no_operands),
        OPTIONS_TEST(an_unknown_option_names_its_nearest),
        OPTIONS_TEST(a_prefix_of_an_option_is_not_taken),
        OPTIONS_TEST(a_heading_is_no_option),
        OPTIONS_TEST(a_flag_takes_no_value),
        OPTIONS_TEST(a_missing_value_is_named),
        OPTIONS_TEST(an_option_with_one_value_is_given_once),
        OPTIONS_TEST(lists_collect_in_order),
        OPTIONS_TEST(a_wrong_word_names_the_words_and_the_nearest),
        OPTIONS_TEST(numbers_hold_their_range),
        OPTIONS_TEST(sizes_hold_their_range),
        OPTIONS_TEST(durations_hold_their_range),
        OPTIONS_TEST(a_time_is_a_date_or_a_span_back_from_now),
        OPTIONS_TEST(h_prints_the_synopses),
        OPTIONS_TEST(version_prints_tool_and_version),
        OPTIONS_TEST(help_prints_everything_in_two_columns),
        OPTIONS_TEST(completion_lists_options_and_subcommands),
        OPTIONS_TEST(help_that_cannot_be_written_is_a_fault),
    };

    fdio_ignore_sigpipe();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
