/*
 * Programs of jq: results, mistakes, and what hostile ones cannot do
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "program.h"
#include "xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { OUTPUT_MAX = 1 << 20, RUNS = 2000, SLOW_MS = 60000 };

/* What takes long on a busy machine has time; what must be stopped has little of it in its own test. */
static const struct program_limits patient = {
    .run_ms = SLOW_MS,
    .compile_ms = SLOW_MS,
    .memory_bytes = 64 * 1024 * 1024,
    .max_input = 1 << 20,
};
static const struct program_variables variables = {
    .tenant = "acme",
    .distribution = "0190a0b0-0000-7000-8000-000000000001",
    .destination = "books",
};

static struct program *program_of(struct programs *programs, const char *text, enum program_results results)
{
    struct fault fault = {0};
    struct program *program = program_compile(programs, text, strlen(text), results, &fault);
    if (!program)
        fail_msg("%s: %s", text, fault.text);
    return program;
}

/* Compiles, runs once and frees. */
static int run_once(struct programs *programs, const char *text, enum program_results results,
                    const char *input, struct buf *out, struct fault *fault)
{
    struct program *program = program_of(programs, text, results);
    int result = program_run(program, &variables, input, strlen(input), out, fault);
    program_free(program);
    return result;
}

static void programs_make_values_of_values(void **state)
{
    static const struct {
        enum program_results results;
        const char *text, *input, *output;
    } cases[] = {
        {PROGRAM_ONE, ".", "{\"b\":1,\"a\":[1.5,null,\"\xc3\xa9\"]}",
         "{\"b\":1,\"a\":[1.5,null,\"\xc3\xa9\"]}"},
        {PROGRAM_ONE, "{id: .order.id, n: (.lines | length)}", "{\"order\":{\"id\":7},\"lines\":[1,2]}",
         "{\"id\":7,\"n\":2}"},
        {PROGRAM_ONE, "def f: . + 1; # a comment\n. | f # and one at the end", "1", "2"},
        {PROGRAM_ONE, "[$tenant, $distribution, $destination]", "null",
         "[\"acme\",\"0190a0b0-0000-7000-8000-000000000001\",\"books\"]"},
        {PROGRAM_ARRAY, ".[]", "[1,\"x\",{}]", "[1,\"x\",{}]"},
        {PROGRAM_ARRAY, "empty", "1", "[]"},
        {PROGRAM_ARRAY, "1, halt, 2", "1", "[1]"},
        {PROGRAM_ARRAY, "1, (try error(null) catch .), (try error({a:1}) catch .a), error(null)?, 2", "1",
         "[1,\"null\",1,2]"},
        {PROGRAM_ONE, ".a = 2 | .b.c = 3", "{\"a\":1}", "{\"a\":2,\"b\":{\"c\":3}}"},
        {PROGRAM_ONE, ". as [$a, {b: $c}] | $a + $c", "[1,{\"b\":2}]", "3"},
    };
    struct programs *programs = programs_new(&patient);
    struct buf out;
    (void)state;
    buf_init(&out, OUTPUT_MAX);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        buf_clear(&out);
        if (run_once(programs, cases[i].text, cases[i].results, cases[i].input, &out, &fault))
            fail_msg("%s: %s", cases[i].text, fault.text);
        assert_string_equal(out.data, cases[i].output);
    }
    buf_release(&out);
    programs_free(programs);
}

static void nothing_of_the_process_is_seen(void **state)
{
    static const char *const cases[][2] = {
        {"env", "{}"},
        {"$ENV", "{}"},
        {"env.DIST_TEST_SECRET", "null"},
        {"[inputs]", "[]"},
        {"try input catch .", "\"break\""},
        {"debug", "1"},
        {"stderr", "1"},
        {"input_filename", "null"},
        {"try input_line_number catch .", "\"Unknown input line number\""},
        {"get_search_list", "[]"},
        {"try (\"a\" | modulemeta) catch .", "\"module not found: a\""},
        {"try now catch .", "\"now is not known here: a retry must give the same bytes\""},
        {"0 | strflocaltime(\"%H %Z\")", "\"00 UTC\""},
        {"[get_jq_origin]", "[]"},
        {"[get_prog_origin]", "[]"},
        {"\"0\" | strptime(\"%s\") | mktime", "0"},
        {"try (\"~/a\" | modulemeta) catch .", "\"module not found: ~/a\""},
        {"$__loc__", "{\"file\":\"<top-level>\",\"line\":1}"},
    };
    struct programs *programs = programs_new(&patient);
    struct buf out;
    (void)state;
    assert_int_equal(setenv("DIST_TEST_SECRET", "s3cret", 1), 0);
    assert_int_equal(setenv("TZ", "Asia/Tokyo", 1), 0);
    tzset();
    buf_init(&out, OUTPUT_MAX);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        buf_clear(&out);
        if (run_once(programs, cases[i][0], PROGRAM_ONE, "1", &out, &fault))
            fail_msg("%s: %s", cases[i][0], fault.text);
        assert_string_equal(out.data, cases[i][1]);
    }
    buf_release(&out);
    programs_free(programs);
    unsetenv("TZ");
    unsetenv("DIST_TEST_SECRET");
}

/* jq looks for modules by stat(2), which needs no descriptor. */
static void whether_a_file_is_there_is_not_told(void **state)
{
    char folder[] = "/tmp/dist-program.XXXXXX", path[sizeof folder + sizeof "/there.json"];
    struct programs *programs = programs_new(&patient);
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/there.json", folder);
    const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
    char *text = xasprintf("import \"there\" as $x {search: \"%s\"}; $x", folder);
    struct fault fault = {0};
    assert_null(program_compile(programs, text, strlen(text), PROGRAM_ONE, &fault));
    assert_string_equal(fault.text, "module not found: there");
    free(text);
    unlink(path);
    rmdir(folder);
    programs_free(programs);
}

/* "Seccomp:\t2" in /proc/PID/status is a filter. */
static void a_worker_is_filtered(void **state)
{
    struct programs *programs = programs_new(&patient);
    struct program *program = program_of(programs, ".", PROGRAM_ONE);
    char *path = xasprintf("/proc/%d/status", (int)programs_worker(programs)), line[200];
    FILE *file = fopen(path, "r");
    bool filtered = false;
    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        filtered = filtered || strcmp(line, "Seccomp:\t2\n") == 0;
    assert_true(filtered);
    fclose(file);
    free(path);
    program_free(program);
    programs_free(programs);
}

static void mistakes_are_told_in_the_words_of_jq(void **state)
{
    static const char *const cases[][2] = {
        {".a +", "syntax error, unexpected $end at line 1"},
        {".a\n|\n}", "syntax error, unexpected INVALID_CHARACTER at line 3"},
        {"nope(1)", "nope/1 is not defined at line 1"},
        {". |\n$nope", "$nope is not defined at line 2"},
        {"1) | (2", "syntax error, unexpected INVALID_CHARACTER, expecting $end at line 1"},
        {"import \"a\" as a; .", "module not found: a"},
        {"import \"/etc/passwd\" as $a; .", "module not found: /etc/passwd"},
        {"include \"a\" {search: \"/tmp\"}; .", "module not found: a"},
        {"$__prog_args", "$__prog_args is not defined at line 1"},
        {"$__input", "$__input is not defined at line 1"},
        {"break $__end", "$*label-__end is not defined at line 1"},
        {"", "there is no expression behind its definitions"},
        {"def f: 1;", "there is no expression behind its definitions"},
        {"$attempt", "$attempt is not defined at line 1"},
        {"\xff", "a program is UTF-8 without a NUL"},
    };
    struct programs *programs = programs_new(&patient);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        if (program_compile(programs, cases[i][0], strlen(cases[i][0]), PROGRAM_ONE, &fault))
            fail_msg("%s: taken", cases[i][0]);
        assert_string_equal(fault.text, cases[i][1]);
        assert_int_equal(fault.class, FAULT_INPUT);
    }
    char *large = xcalloc(1, PROGRAM_TEXT_MAX + 1);
    struct fault fault = {0};
    assert_null(program_compile(programs, large, PROGRAM_TEXT_MAX + 1, PROGRAM_ONE, &fault));
    assert_non_null(strstr(fault.text, "at most"));
    free(large);
    programs_free(programs);
}

static void a_run_that_fails_says_why(void **state)
{
    static const struct {
        enum program_results results;
        const char *text, *input, *fault;
    } cases[] = {
        {PROGRAM_ONE, ".a", "[]", "the program failed: Cannot index array with string \"a\""},
        {PROGRAM_ONE, "error(\"no \\(.)\\nmore\")", "1", "the program failed: no 1 more"},
        {PROGRAM_ONE, "error({a: 1})", "1", "the program failed: {\"a\":1}"},
        {PROGRAM_ONE, "\"stop\" | halt_error", "1", "the program failed: stop"},
        {PROGRAM_ONE, "(\"a\" * 40) + \"!\" | test(\"^(a+)+$\")", "1",
         "the program failed: Regex failure: retry-limit-in-match over"},
        {PROGRAM_ONE, "{} | halt_error(3)", "1", "the program failed: {}"},
        {PROGRAM_ONE, "empty", "1", "the program gave 0 results, and one is wanted"},
        {PROGRAM_ONE, "halt", "1", "the program gave 0 results, and one is wanted"},
        {PROGRAM_ONE, "1, 2, 3", "1", "the program gave 3 results, and one is wanted"},
        {PROGRAM_ARRAY, "1, error(\"late\")", "1", "the program failed: late"},
        {PROGRAM_ARRAY, "1, error(null), 2", "1", "the program failed: null"},
        {PROGRAM_ARRAY, "1, (null | error), 2", "1", "the program failed: null"},
        {PROGRAM_ONE, "[1, halt_error]", "null", "the program failed: null"},
        {PROGRAM_ONE, ".", "{\"id\":[\"9007199254740993\",9007199254740993]}",
         "the number 9007199254740993 is none that jq can keep; as a string it would stay as it is"},
        {PROGRAM_ONE, ".", "[1.5e308,-1.5e309]",
         "the number -1.5e309 is none that jq can keep; as a string it would stay as it is"},
        {PROGRAM_ONE, ".", "9223372036854775807",
         "the number 9223372036854775807 is none that jq can keep; as a string it would stay as it is"},
        {PROGRAM_ONE, ".", "-9223372036854775807",
         "the number -9223372036854775807 is none that jq can keep; as a string it would stay as it "
         "is"},
        {PROGRAM_ONE, ".", "[1", "the program failed: Unfinished JSON term at EOF at line 1, column 58"},
    };
    struct programs *programs = programs_new(&patient);
    struct buf out;
    (void)state;
    buf_init(&out, OUTPUT_MAX);
    buf_adds(&out, "kept");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        if (run_once(programs, cases[i].text, cases[i].results, cases[i].input, &out, &fault) == 0)
            fail_msg("%s: %s", cases[i].text, out.data);
        assert_string_equal(fault.text, cases[i].fault);
        assert_int_equal(fault.class, FAULT_INPUT);
        assert_string_equal(out.data, "kept");
    }
    buf_release(&out);
    programs_free(programs);
}

static void numbers_that_a_double_has_pass(void **state)
{
    static const char input[] =
        "[9007199254740992,-9007199254740994,1234567890123456e0,0.1234567890123456789]";
    struct programs *programs = programs_new(&patient);
    struct fault fault = {0};
    struct buf out;
    (void)state;
    buf_init(&out, OUTPUT_MAX);
    if (run_once(programs, ".[:2]", PROGRAM_ONE, input, &out, &fault))
        fail_msg("%s", fault.text);
    assert_string_equal(out.data, "[9007199254740992,-9007199254740994]");
    buf_release(&out);
    programs_free(programs);
}

/* Runs `text` with the limits, expects the fault, and then that another program runs as before. */
static void stopped(const struct program_limits *limits, const char *text, const char *fault_text,
                    pid_t *before)
{
    struct programs *programs = programs_new(limits);
    struct program *good = program_of(programs, ". + 1", PROGRAM_ONE);
    struct program *bad = program_of(programs, text, PROGRAM_ONE);
    struct fault fault = {0};
    struct buf out;

    buf_init(&out, OUTPUT_MAX);
    const pid_t worker = programs_worker(programs);
    assert_true(worker > 0);
    for (int i = 0; i < 2; i++) {
        if (program_run(bad, &variables, "1", 1, &out, &fault) == 0)
            fail_msg("%s: %s", text, out.data);
        if (strcmp(fault.text, fault_text) != 0)
            fail_msg("%s: %s", text, fault.text);
        assert_int_equal(fault.class, FAULT_INPUT);
        assert_int_equal(out.len, 0);
        if (program_run(good, &variables, "1", 1, &out, &fault))
            fail_msg("after %s: %s", text, fault.text);
        assert_string_equal(out.data, "2");
        buf_clear(&out);
    }
    assert_int_not_equal(programs_worker(programs), worker);
    if (before)
        *before = worker;
    program_free(good);
    program_free(bad);
    buf_release(&out);
    programs_free(programs);
}

static void an_endless_program_is_stopped(void **state)
{
    struct program_limits limits = patient;
    pid_t worker;
    (void)state;
    limits.run_ms = 300;
    stopped(&limits, "last(range(1e18))", "the program ran longer than 300 ms", &worker);
    /* It is reaped, too. */
    assert_int_equal(kill(worker, 0), -1);
    assert_int_equal(errno, ESRCH);
    stopped(&limits, "def f: f; f", "the program ran longer than 300 ms", NULL);
}

static void a_program_that_wants_all_memory_is_stopped(void **state)
{
    (void)state;
    stopped(&patient, "[range(1e15)]", "the program needed more than 64 MiB", NULL);
    stopped(&patient, "def f: 1 + f; f", "the program needed more than 64 MiB", NULL);
    stopped(&patient, "reduce range(60) as $i (\"xx\"; . + .) | length",
            "the program needed more than 64 MiB", NULL);
    stopped(&patient, "[] | .[1e8] = 1 | length", "the program needed more than 64 MiB", NULL);
}

static void a_result_has_a_ceiling(void **state)
{
    struct programs *programs = programs_new(&patient);
    struct program *endless = program_of(programs, "repeat(1)", PROGRAM_ARRAY);
    struct program *ten = program_of(programs, "\"12345678\"", PROGRAM_ONE);
    struct fault fault = {0};
    struct buf out;
    (void)state;
    buf_init(&out, 1000);
    const pid_t worker = programs_worker(programs);
    assert_int_equal(program_run(endless, &variables, "1", 1, &out, &fault), -1);
    assert_string_equal(fault.text, "the result of the program is larger than 1000 bytes");
    assert_int_equal(fault.class, FAULT_INPUT);
    buf_release(&out);
    for (size_t max = 0; max < 12; max++) {
        buf_init(&out, max);
        assert_int_equal(program_run(ten, &variables, "1", 1, &out, &fault), max < 10 ? -1 : 0);
        assert_int_equal(out.len, max < 10 ? 0 : 10);
        buf_release(&out);
    }
    /* That costs no worker. */
    assert_int_equal(programs_worker(programs), worker);
    program_free(endless);
    program_free(ten);
    programs_free(programs);
}

static void an_input_has_a_ceiling(void **state)
{
    struct program_limits limits = patient;
    limits.max_input = 10;
    struct programs *programs = programs_new(&limits);
    struct program *program = program_of(programs, ".", PROGRAM_ONE);
    struct fault fault = {0};
    struct buf out;
    (void)state;
    buf_init(&out, OUTPUT_MAX);
    assert_int_equal(program_run(program, &variables, "[123456789]", 11, &out, &fault), -1);
    assert_string_equal(fault.text, "the input of the program is larger than 10 bytes");
    assert_int_equal(program_run(program, &variables, "[12345678]", 10, &out, &fault), 0);
    program_free(program);
    buf_release(&out);
    programs_free(programs);
}

/* Waits until the process is a zombie, so that the next call meets a dead worker and no dying one. */
static void wait_dead(pid_t pid)
{
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void a_worker_that_is_killed_is_replaced(void **state)
{
    struct programs *programs = programs_new(&patient);
    struct program *program = program_of(programs, "[., $tenant]", PROGRAM_ONE);
    struct fault fault = {0};
    struct buf out;
    (void)state;
    buf_init(&out, OUTPUT_MAX);
    for (int i = 0; i < 3; i++) {
        const pid_t worker = programs_worker(programs);
        buf_clear(&out);
        assert_int_equal(kill(worker, SIGKILL), 0);
        wait_dead(worker);
        if (program_run(program, &variables, "1", 1, &out, &fault))
            fail_msg("%s", fault.text);
        assert_string_equal(out.data, "[1,\"acme\"]");
        assert_int_not_equal(programs_worker(programs), worker);
    }
    /* What a terminal or a service sends to all is not for it. */
    const pid_t worker = programs_worker(programs);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < COUNT(signals); i++)
        assert_int_equal(kill(worker, signals[i]), 0);
    assert_int_equal(program_run(program, &variables, "1", 1, &out, &fault), 0);
    assert_int_equal(programs_worker(programs), worker);
    program_free(program);
    buf_release(&out);
    programs_free(programs);
}

/* Kills it when its run has begun, which takes CPU that nothing else of it takes: then, and not before. */
static bool kill_busy(pid_t worker)
{
    char path[64], text[512];
    unsigned long ticks = 0, first = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)worker);
    for (int64_t until = clock_mono_ms() + SLOW_MS; clock_mono_ms() < until;) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
            close(fd);
        if (got <= 0)
            return false;
        text[got] = '\0';
        const char *end = strrchr(text, ')');
        if (!end || sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu", &ticks) != 1)
            return false;
        first = first ? first : ticks + 1;
        if (ticks > first + 5)
            return kill(worker, SIGKILL) == 0;
    }
    return false;
}

/* A run on `input` whose worker is killed in the middle. */
static void run_killed(struct program *program, struct programs *programs, const char *input,
                       struct fault *fault)
{
    struct buf out;
    int pipe_ends[2];
    char said;
    buf_init(&out, OUTPUT_MAX);
    /* A worker that knows the program, so that it is there to be killed. */
    assert_int_equal(program_run(program, &variables, "0", 1, &out, fault), 0);
    const pid_t worker = programs_worker(programs);
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    const pid_t killer = fork();
    if (killer == 0)
        _exit(write(pipe_ends[1], kill_busy(worker) ? "y" : "n", 1) == 1 ? 0 : 1);
    assert_int_equal(program_run(program, &variables, input, 1, &out, fault), -1);
    assert_int_equal(read(pipe_ends[0], &said, 1), 1);
    assert_int_equal(said, 'y');
    assert_int_equal(waitpid(killer, NULL, 0), killer);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    buf_release(&out);
}

/* Killed by somebody else in the middle of a run: not the report's fault, the first time. */
static void a_worker_killed_in_a_run_is_a_temporary_fault_once(void **state)
{
    static const struct {
        const char *input;
        enum fault_class class;
        const char *text;
    } runs[] = {
        {"1", FAULT_TEMP, "the worker of the program was ended by SIGKILL"},
        {"2", FAULT_TEMP, "the worker of the program was ended by SIGKILL"},
        {"2", FAULT_INPUT, "the worker of the program was ended by SIGKILL, perhaps for want of memory"},
    };
    struct programs *programs = programs_new(&patient);
    struct program *program = program_of(programs, "if . > 0 then last(range(1e18)) else . end", PROGRAM_ONE);
    (void)state;
    for (size_t i = 0; i < COUNT(runs); i++) {
        struct fault fault = {0};
        run_killed(program, programs, runs[i].input, &fault);
        assert_string_equal(fault.text, runs[i].text);
        assert_int_equal(fault.class, runs[i].class);
    }
    program_free(program);
    programs_free(programs);
}

/* It has the socket, /dev/null three times and its own size; no more can be opened. */
static void a_worker_has_no_descriptors_of_ours(void **state)
{
    struct programs *programs = programs_new(&patient);
    int secret = open("/etc/hostname", O_RDONLY); /* without close-on-exec */
    struct program *program = program_of(programs, ".", PROGRAM_ONE);
    char path[80], target[200];
    int count = 0;
    (void)state;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)programs_worker(programs));
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        /* valgrind keeps its own above those that a process may have. */
        if (entry->d_name[0] == '.' || strtol(entry->d_name, NULL, 10) >= sysconf(_SC_OPEN_MAX))
            continue;
        snprintf(path, sizeof path, "/proc/%d/fd/%.20s", (int)programs_worker(programs), entry->d_name);
        ssize_t size = readlink(path, target, sizeof target - 1);
        assert_true(size > 0);
        target[size] = '\0';
        if (strcmp(target, "/dev/null") != 0 && strncmp(target, "socket:", 7) != 0 &&
            !strstr(target, "/statm"))
            fail_msg("%s is open", target);
        count++;
    }
    closedir(folder);
    assert_int_equal(count, 5);
    if (secret >= 0)
        close(secret);
    program_free(program);
    programs_free(programs);
}

/* The parent is gone: nothing of the worker stays. */
static void a_worker_ends_with_its_parent(void **state)
{
    int ends[2];
    pid_t worker = 0;
    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const pid_t parent = fork();
    if (parent == 0) {
        struct programs *programs = programs_new(&patient);
        struct program *program = program_compile(programs, ".", 1, PROGRAM_ONE, NULL);
        worker = program ? programs_worker(programs) : 0;
        _exit(write(ends[1], &worker, sizeof worker) == sizeof worker ? 0 : 1);
    }
    assert_int_equal(read(ends[0], &worker, sizeof worker), sizeof worker);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_true(worker > 0);
    /* The pipe is not its own any more, so that tells nothing; the process does. */
    char path[64], name[32] = "dist-program";
    snprintf(path, sizeof path, "/proc/%d/comm", (int)worker);
    for (int64_t until = clock_mono_ms() + SLOW_MS; strncmp(name, "dist-program", 12) == 0;) {
        char state_path[64], line[256] = "";
        int fd = open(path, O_RDONLY);
        ssize_t got = fd < 0 ? 0 : read(fd, name, sizeof name - 1);
        if (fd >= 0)
            close(fd);
        if (got <= 0)
            break;
        snprintf(state_path, sizeof state_path, "/proc/%d/stat", (int)worker);
        fd = open(state_path, O_RDONLY);
        got = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
        if (fd >= 0)
            close(fd);
        if (got <= 0 || strstr(line, ") Z "))
            break;
        assert_true(clock_mono_ms() < until);
    }
    close(ends[0]);
    close(ends[1]);
}

static void many_programs_share_a_worker(void **state)
{
    struct programs *programs = programs_new(&patient);
    struct program *all[8];
    struct buf out;
    char text[40];
    (void)state;
    buf_init(&out, OUTPUT_MAX);
    for (size_t i = 0; i < COUNT(all); i++) {
        snprintf(text, sizeof text, ". * 10 + %zu", i);
        all[i] = program_of(programs, text, PROGRAM_ONE);
    }
    const pid_t worker = programs_worker(programs);
    program_free(all[3]);
    all[3] = program_of(programs, "\"new\"", PROGRAM_ONE);
    for (size_t i = 0; i < COUNT(all); i++) {
        buf_clear(&out);
        assert_int_equal(program_run(all[i], &variables, "1", 1, &out, NULL), 0);
        snprintf(text, sizeof text, "1%zu", i);
        assert_string_equal(out.data, i == 3 ? "\"new\"" : text);
        program_free(all[i]);
    }
    assert_int_equal(programs_worker(programs), worker);
    buf_release(&out);
    programs_free(programs);
}

static void many_runs_are_fast_and_one_worker_does_them(void **state)
{
    static const char input[] = "{\"id\":7,\"customer\":{\"name\":\"Rossi\",\"city\":\"Roma\"},\"lines\":[{"
                                "\"sku\":\"a\",\"n\":1,\"price\":2.5},"
                                "{\"sku\":\"b\",\"n\":3,\"price\":0.5}]}";
    struct programs *programs = programs_new(&patient);
    struct program *program = program_of(
        programs, "{id, name: .customer.name, total: ([.lines[] | .n * .price] | add)}", PROGRAM_ONE);
    struct buf out;
    (void)state;
    buf_init(&out, OUTPUT_MAX);
    const pid_t worker = programs_worker(programs);
    const int64_t began_us = clock_mono_us();
    for (int i = 0; i < RUNS; i++) {
        buf_clear(&out);
        assert_int_equal(program_run(program, &variables, input, sizeof input - 1, &out, NULL), 0);
        assert_string_equal(out.data, "{\"id\":7,\"name\":\"Rossi\",\"total\":4}");
    }
    const int64_t took_us = clock_mono_us() - began_us;
    print_message("%.0f runs per second\n", RUNS * 1e6 / (double)(took_us > 0 ? took_us : 1));
    assert_int_equal(programs_worker(programs), worker);
    program_free(program);
    buf_release(&out);
    programs_free(programs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_make_values_of_values),
        cmocka_unit_test(nothing_of_the_process_is_seen),
        cmocka_unit_test(whether_a_file_is_there_is_not_told),
        cmocka_unit_test(a_worker_is_filtered),
        cmocka_unit_test(mistakes_are_told_in_the_words_of_jq),
        cmocka_unit_test(a_run_that_fails_says_why),
        cmocka_unit_test(numbers_that_a_double_has_pass),
        cmocka_unit_test(an_endless_program_is_stopped),
        cmocka_unit_test(a_program_that_wants_all_memory_is_stopped),
        cmocka_unit_test(a_result_has_a_ceiling),
        cmocka_unit_test(an_input_has_a_ceiling),
        cmocka_unit_test(a_worker_that_is_killed_is_replaced),
        cmocka_unit_test(a_worker_killed_in_a_run_is_a_temporary_fault_once),
        cmocka_unit_test(a_worker_has_no_descriptors_of_ours),
        cmocka_unit_test(a_worker_ends_with_its_parent),
        cmocka_unit_test(many_programs_share_a_worker),
        cmocka_unit_test(many_runs_are_fast_and_one_worker_does_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
