/*
 * test_base_misc - faults, maps, heaps, and what msg writes to stderr
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "buf.h"
#include "fault.h"
#include "fdio.h"
#include "heap.h"
#include "msg.h"
#include "rng.h"
#include "strmap.h"
#include "text.h"
#include "xalloc.h"

/* --- fault --------------------------------------------------------------------------------------------- */

static void a_fault_keeps_class_and_text(void **state)
{
    struct fault fault;

    (void)state;
    assert_int_equal(fault_set(&fault, FAULT_CONFIG, "rule %d", 7), -1);
    assert_int_equal(fault.class, FAULT_CONFIG);
    assert_string_equal(fault.text, "rule 7");
    fault_clear(&fault);
    assert_int_equal(fault.class, FAULT_NONE);
    assert_string_equal(fault.text, "");
}

static void a_caller_may_not_want_the_fault(void **state)
{
    (void)state;
    assert_int_equal(fault_set(NULL, FAULT_BUG, "x"), -1);
    assert_int_equal(fault_wrap(NULL, "x"), -1);
    assert_int_equal(fault_errno(NULL, ENOENT, "x"), -1);
    fault_clear(NULL);
}

static void context_goes_in_front_and_the_class_stays(void **state)
{
    struct fault fault;

    (void)state;
    fault_errno(&fault, ENOENT, "open %s", "f");
    assert_int_equal(fault.class, FAULT_SYSTEM);
    assert_string_equal(fault.text, "open f: No such file or directory");
    fault.class = FAULT_INPUT;
    assert_int_equal(fault_wrap(&fault, "line %d", 3), -1);
    assert_int_equal(fault_wrap(&fault, "%s", "dist.conf"), -1);
    assert_string_equal(fault.text, "dist.conf: line 3: open f: No such file or directory");
    assert_int_equal(fault.class, FAULT_INPUT);
}

static void a_fault_may_be_made_of_its_own_text(void **state)
{
    struct fault fault;

    (void)state;
    fault_set(&fault, FAULT_INPUT, "cause");
    fault_set(&fault, FAULT_TEMP, "again: %s", fault.text);
    assert_string_equal(fault.text, "again: cause");
    fault_wrap(&fault, "%s", fault.text);
    assert_string_equal(fault.text, "again: cause: again: cause");
}

static void a_fault_is_one_line(void **state)
{
    struct fault fault;

    (void)state;
    fault_set(&fault, FAULT_INPUT, "ERROR: one\nDETAIL: two\r\n");
    assert_string_equal(fault.text, "ERROR: one DETAIL: two");
    fault_wrap(&fault, "insert\n");
    assert_string_equal(fault.text, "insert: ERROR: one DETAIL: two");
}

static void a_long_fault_is_cut_between_characters(void **state)
{
    char text[3000];
    struct fault fault;

    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'x', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        fault_set(&fault, FAULT_INPUT, "%s", text);
        assert_in_range(strlen(fault.text), sizeof(fault.text) - 4, sizeof(fault.text) - 1);
        assert_true(text_is_utf8(fault.text, strlen(fault.text), NULL));
    }
}

static void context_never_pushes_out_the_cause(void **state)
{
    char text[2000];
    struct fault fault;

    (void)state;
    memset(text, 'c', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    fault_set(&fault, FAULT_INPUT, "the cause");
    fault_wrap(&fault, "%s", text);
    assert_int_equal(strlen(fault.text), sizeof(fault.text) - 1);
    assert_string_equal(fault.text + strlen(fault.text) - 12, "c: the cause");
    fault_wrap(&fault, "no room");
    assert_int_equal(fault.text[0], 'c');
    assert_string_equal(fault.text + strlen(fault.text) - 12, "c: the cause");
}

static void every_class_has_an_exit_code_and_a_word(void **state)
{
    static const int codes[] = {0, 64, 65, 69, 70, 71, 71, 75, 77, 78};

    (void)state;
    assert_int_equal(sizeof(codes) / sizeof(codes[0]), FAULT_CONFIG + 1);
    for (int class = FAULT_NONE; class <= FAULT_CONFIG; class ++) {
        assert_int_equal(fault_exit_code((enum fault_class) class), codes[class]);
        assert_true(strlen(fault_class_name((enum fault_class) class)) > 0);
    }
    assert_string_equal(fault_class_name(FAULT_UNAVAILABLE), "unavailable");
    assert_string_equal(fault_class_name(FAULT_CLOSED), "closed");
}

/* --- strmap -------------------------------------------------------------------------------------------- */

static void a_map_gives_back_what_was_put(void **state)
{
    struct strmap map;
    int one = 1, two = 2;
    char key[] = "key";

    (void)state;
    strmap_init(&map);
    assert_null(strmap_get(&map, "key"));
    assert_null(strmap_remove(&map, "key"));
    assert_null(strmap_put(&map, key, &one));
    key[0] = 'K'; /* the map has its own copy */
    assert_ptr_equal(strmap_get(&map, "key"), &one);
    assert_null(strmap_get(&map, "Key"));
    assert_ptr_equal(strmap_put(&map, "key", &two), &one);
    assert_int_equal(map.count, 1);
    assert_null(strmap_put(&map, "", &one));
    assert_ptr_equal(strmap_get(&map, ""), &one);
    assert_ptr_equal(strmap_remove(&map, "key"), &two);
    assert_null(strmap_remove(&map, "key"));
    assert_int_equal(map.count, 1);
    strmap_release(&map, NULL);
    strmap_release(&map, NULL);
    strmap_release(NULL, NULL);
}

static void count_up(const char *key, void *value, void *arg)
{
    assert_string_equal(key, value);
    ++*(size_t *)arg;
}

static void remove_odd(const char *key, void *value, void *arg)
{
    if ((key[strlen(key) - 1] - '0') % 2 == 0)
        return;
    assert_ptr_equal(strmap_remove(arg, key), value);
    free(value);
}

static void a_walk_sees_all_and_may_remove_where_it_stands(void **state)
{
    struct strmap map;
    char key[32];
    size_t seen = 0;

    (void)state;
    strmap_init(&map);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "key-of-%d", i);
        assert_null(strmap_put(&map, key, xstrdup(key)));
    }
    strmap_each(&map, count_up, &seen);
    assert_int_equal(seen, 5000);
    strmap_each(&map, remove_odd, &map);
    assert_int_equal(map.count, 2500);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "key-of-%d", i);
        if (i % 2 == 0)
            assert_string_equal(strmap_get(&map, key), key);
        else
            assert_null(strmap_get(&map, key));
    }
    strmap_release(&map, free);
    assert_int_equal(map.count, 0);
}

/* --- heap ---------------------------------------------------------------------------------------------- */

static void a_heap_gives_the_smallest_key_first(void **state)
{
    enum { COUNT = 3000 };
    struct heap heap;
    int64_t keys[COUNT];
    int64_t last = INT64_MIN, key;
    int64_t *value;

    (void)state;
    heap_init(&heap);
    assert_null(heap_peek(&heap, &key));
    assert_null(heap_pop(&heap));
    for (size_t i = 0; i < COUNT; i++) {
        rng_bytes(&keys[i], sizeof(keys[i]));
        if (i % 3 == 0)
            keys[i] %= 50; /* some are equal */
        heap_push(&heap, keys[i], &keys[i]);
        if (i % 7 == 6) {
            assert_non_null(heap_peek(&heap, &key));
            value = heap_pop(&heap);
            assert_true(*value == key);
            heap_push(&heap, key, value);
        }
    }
    assert_int_equal(heap.count, COUNT);
    while ((value = heap_peek(&heap, NULL)) != NULL) {
        assert_ptr_equal(heap_pop(&heap), value);
        assert_true(*value >= last);
        last = *value;
    }
    assert_int_equal(heap.count, 0);
    heap_release(&heap);
    heap_release(NULL);
}

/* --- msg ----------------------------------------------------------------------------------------------- */

static int capture_file = -1, kept_stderr = -1;

static void capture_begin_on(int fd)
{
    kept_stderr = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
}

static void capture_begin(void)
{
    char path[] = "/tmp/test-base-misc-XXXXXX";

    capture_file = mkstemp(path);
    assert_true(capture_file >= 0);
    unlink(path);
    capture_begin_on(capture_file);
}

static void capture_restore(void)
{
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
}

static const char *capture_end(void)
{
    static char text[20000];
    ssize_t got;

    capture_restore();
    got = pread(capture_file, text, sizeof(text) - 1, 0);
    assert_true(got >= 0);
    text[got] = '\0';
    close(capture_file);
    return text;
}

static int forget_environment(void **state)
{
    (void)state;
    unsetenv("DIST_LOG_FORMAT");
    unsetenv("JOURNAL_STREAM");
    unsetenv("NO_COLOR");
    setenv("TERM", "xterm", 1);
    msg_set_level(MSG_INFO);
    return 0;
}

static const struct msg_event attempt = {
    .level = MSG_INFO,
    .component = "deliver",
    .action = "distribution_attempt",
    .status = "delivered",
    .distribution_id = "018d0a5c-7c00-7abc-8def-0123456789ab",
    .delivery_id = "018d0a5c-7c00-7abc-8def-0123456789ac",
    .tenant_id = "acme",
    .destination = "hook",
    .text = "ok",
    .latency_ms = 45,
    .attempt = 2,
    .response_code = 200,
};

static void text_has_the_program_in_front(void **state)
{
    (void)state;
    capture_begin();
    msg_open("dist-test", false, NULL);
    msg(MSG_ERROR, "no %s", "luck");
    msg(MSG_WARNING, "low");
    msg(MSG_INFO, "done\n");
    assert_string_equal(capture_end(), "dist-test: no luck\ndist-test: warning: low\ndist-test: done\n");
    assert_string_equal(msg_program(), "dist-test");
}

static void a_fault_is_printed_as_an_error(void **state)
{
    struct fault fault;

    (void)state;
    fault_set(&fault, FAULT_INPUT, "100%% wrong %%s");
    capture_begin();
    msg_open("dist-test", false, NULL);
    msg_fault(&fault);
    assert_string_equal(capture_end(), "dist-test: 100% wrong %s\n");
}

static void the_level_decides_what_is_printed(void **state)
{
    (void)state;
    capture_begin();
    msg_open("dist-test", false, NULL);
    msg(MSG_DEBUG, "unseen");
    msg_set_level(MSG_DEBUG);
    assert_true(msg_would_print(MSG_DEBUG));
    msg(MSG_DEBUG, "seen");
    msg_set_level(MSG_ERROR);
    assert_false(msg_would_print(MSG_WARNING));
    msg(MSG_WARNING, "unseen");
    msg_event(&attempt);
    assert_string_equal(capture_end(), "dist-test: seen\n");
}

static void no_control_character_reaches_stderr(void **state)
{
    (void)state;
    capture_begin();
    msg_open("dist-test", false, NULL);
    msg(MSG_ERROR, "a\nb\x1b[2Jc\xc2\x9b\xff");
    setenv("DIST_LOG_FORMAT", "journal", 1);
    msg_open("dist-test", false, NULL);
    msg(MSG_ERROR, "a\n<0>b");
    assert_string_equal(capture_end(), "dist-test: a?b?[2Jc??\n<3>a?<0>b\n");
}

static void an_event_in_text_names_its_fields(void **state)
{
    struct msg_event bare = {.level = MSG_WARNING, .status = "dead", .latency_ms = -1};

    (void)state;
    capture_begin();
    msg_open("dist-test", false, NULL);
    msg_event(&attempt);
    msg_event(&bare);
    assert_string_equal(capture_end(),
                        "dist-test: distribution_attempt: delivered destination=hook "
                        "distribution=018d0a5c-7c00-7abc-8def-0123456789ab "
                        "delivery=018d0a5c-7c00-7abc-8def-0123456789ac tenant=acme attempt=2 code=200 "
                        "latency=45ms: ok\n"
                        "dist-test: warning: dead\n");
}

/* The captured line must begin with a timestamp; what follows it is compared. */
static void expect_json(const char *line, const char *rest)
{
    static const char lead[] = "{\"timestamp\":\"";
    const char *end;

    assert_memory_equal(line, lead, strlen(lead));
    end = strchr(line, 'Z');
    assert_non_null(end);
    assert_string_equal(end + 1, rest);
}

static void an_event_in_json_has_the_specified_fields(void **state)
{
    (void)state;
    capture_begin();
    msg_open("dist-deliver", true, NULL);
    msg_event(&attempt);
    expect_json(capture_end(),
                "\",\"level\":\"INFO\",\"service\":\"ms07-distributor\",\"component\":\"deliver\","
                "\"distribution_id\":\"018d0a5c-7c00-7abc-8def-0123456789ab\",\"destination\":\"hook\","
                "\"action\":\"distribution_attempt\",\"status\":\"delivered\",\"latency_ms\":45,"
                "\"metadata\":{\"attempt\":2,\"response_code\":200,\"tenant_id\":\"acme\","
                "\"delivery_id\":\"018d0a5c-7c00-7abc-8def-0123456789ac\"},\"message\":\"ok\"}\n");
}

static void absent_fields_are_left_out_of_json(void **state)
{
    (void)state;
    capture_begin();
    msg_open("dist-deliver", true, NULL);
    msg(MSG_ERROR, "say \"no\" \\ %s", "\xc3\xa8\x01");
    expect_json(capture_end(),
                "\",\"level\":\"ERROR\",\"service\":\"ms07-distributor\",\"component\":\"deliver\","
                "\"message\":\"say \\\"no\\\" \\\\ \xc3\xa8?\"}\n");
    capture_begin();
    msg_open("other", true, NULL);
    msg(MSG_WARNING, "x");
    expect_json(capture_end(),
                "\",\"level\":\"WARNING\",\"service\":\"ms07-distributor\",\"component\":\"other\","
                "\"message\":\"x\"}\n");
}

static void metadata_opens_with_whatever_it_has(void **state)
{
    struct msg_event event = {.level = MSG_INFO, .component = "c", .tenant_id = "t", .latency_ms = 0};

    (void)state;
    capture_begin();
    msg_open("dist-deliver", true, NULL);
    msg_event(&event);
    expect_json(capture_end(), "\",\"level\":\"INFO\",\"service\":\"ms07-distributor\",\"component\":\"c\","
                               "\"latency_ms\":0,\"metadata\":{\"tenant_id\":\"t\"}}\n");
}

static void the_environment_chooses_the_form(void **state)
{
    const char *line;

    (void)state;
    setenv("DIST_LOG_FORMAT", "json", 1);
    capture_begin();
    msg_open("dist-test", false, NULL);
    msg(MSG_INFO, "x");
    line = capture_end();
    assert_int_equal(line[0], '{');
    setenv("DIST_LOG_FORMAT", "text", 1);
    capture_begin();
    msg_open("dist-test", true, NULL);
    msg(MSG_INFO, "x");
    assert_string_equal(capture_end(), "dist-test: x\n");
    setenv("DIST_LOG_FORMAT", "", 1);
    capture_begin();
    msg_open("dist-test", false, NULL);
    assert_string_equal(capture_end(), "");
}

static void the_caller_may_choose_the_form(void **state)
{
    const char *line;

    (void)state;
    capture_begin();
    msg_open("dist-test", false, "json");
    msg(MSG_INFO, "x");
    line = capture_end();
    assert_int_equal(line[0], '{');
    setenv("DIST_LOG_FORMAT", "json", 1);
    capture_begin();
    msg_open("dist-test", true, "text");
    msg(MSG_INFO, "x");
    assert_string_equal(capture_end(), "dist-test: x\n");
}

static void an_unknown_form_is_said_and_not_guessed(void **state)
{
    (void)state;
    setenv("DIST_LOG_FORMAT", "jsno", 1);
    capture_begin();
    msg_open("dist-test", false, NULL);
    assert_string_equal(capture_end(),
                        "dist-test: warning: DIST_LOG_FORMAT: 'jsno' is not one of text, json, journal\n");
}

static void a_service_under_systemd_writes_priorities(void **state)
{
    struct stat status;
    char stream[64];

    (void)state;
    capture_begin();
    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    msg_open("dist-test", true, NULL);
    msg(MSG_WARNING, "low");
    setenv("JOURNAL_STREAM", "1:1", 1); /* stderr was redirected since */
    msg_open("dist-test", true, NULL);
    msg(MSG_INFO, "x");
    assert_memory_equal(capture_end(), "<4>low\n{", 8);
}

static void a_very_long_message_is_one_cut_line(void **state)
{
    char text[10000];
    const char *line;
    struct msg_event event = attempt;

    (void)state;
    memset(text, '"', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    event.text = event.component = event.destination = event.status = text;
    event.action = event.tenant_id = event.delivery_id = event.distribution_id = text;
    capture_begin();
    msg_open("dist-test", true, NULL);
    msg(MSG_INFO, "%s", text);
    msg_event(&event);
    line = capture_end();
    line = strchr(line, '\n');
    assert_non_null(line);
    assert_memory_equal(line - 4, "\\\"\"}", 4);
    line = strchr(line + 1, '\n');
    assert_memory_equal(line - 4, "\\\"\"}", 4);
    assert_int_equal(line[1], '\0');
}

static void errno_survives_a_message(void **state)
{
    (void)state;
    capture_begin();
    msg_open("dist-test", false, NULL);
    close(STDERR_FILENO);
    errno = ENOTTY;
    msg(MSG_ERROR, "lost");
    assert_int_equal(errno, ENOTTY);
    assert_string_equal(capture_end(), "");
}

/* --- on a terminal ------------------------------------------------------------------------------------- */

static int terminal_master, terminal_slave;

static void terminal_begin(void)
{
    struct termios settings;

    assert_int_equal(openpty(&terminal_master, &terminal_slave, NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(terminal_slave, &settings), 0);
    cfmakeraw(&settings);
    assert_int_equal(tcsetattr(terminal_slave, TCSANOW, &settings), 0);
    capture_begin_on(terminal_slave);
}

static const char *terminal_end(void)
{
    static char text[4096];
    size_t size = 0;
    ssize_t got;

    capture_restore();
    close(terminal_slave);
    /* With no slave left, a master says EIO behind the last byte. */
    while ((got = read(terminal_master, text + size, sizeof(text) - 1 - size)) > 0)
        size += (size_t)got;
    text[size] = '\0';
    close(terminal_master);
    return text;
}

static void a_terminal_gets_colour(void **state)
{
    (void)state;
    terminal_begin();
    msg_open("dist-test", true, NULL); /* text also for a service */
    msg(MSG_ERROR, "x");
    msg(MSG_WARNING, "y");
    msg(MSG_INFO, "z");
    assert_string_equal(terminal_end(), "\033[31mdist-test:\033[0m x\n"
                                        "\033[33mdist-test:\033[0m warning: y\n"
                                        "dist-test: z\n");
}

static void no_color_and_dumb_terminals_get_none(void **state)
{
    (void)state;
    setenv("NO_COLOR", "1", 1);
    terminal_begin();
    msg_open("dist-test", false, NULL);
    msg(MSG_ERROR, "x");
    assert_string_equal(terminal_end(), "dist-test: x\n");
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    terminal_begin();
    msg_open("dist-test", false, NULL);
    msg(MSG_ERROR, "x");
    assert_string_equal(terminal_end(), "dist-test: x\n");
}

static void progress_is_rewritten_in_place_and_gives_way_to_messages(void **state)
{
    (void)state;
    setenv("NO_COLOR", "1", 1);
    terminal_begin();
    msg_open("dist-test", false, NULL);
    msg_progress("reports", 1, 4);
    msg_progress("reports", 2, 4); /* too soon after the first */
    msg(MSG_INFO, "x");
    msg_progress("reports", 3, 4);
    msg_progress("reports", 4, 4);
    msg_progress("rows", 5, 0);
    msg_progress("rows", 0, 0);
    assert_string_equal(terminal_end(), "\r\033[Kreports: 1/4 (25%)"
                                        "\r\033[Kdist-test: x\n"
                                        "\r\033[Kreports: 3/4 (75%)"
                                        "\r\033[Kreports: 4/4 (100%)\n"
                                        "\r\033[Krows: 5"
                                        "\r\033[Krows: 0\n");
}

static void progress_is_for_terminals_only(void **state)
{
    (void)state;
    capture_begin();
    msg_open("dist-test", false, NULL);
    msg_progress("reports", 1, 4);
    assert_string_equal(capture_end(), "");
}

/* --- out of memory ------------------------------------------------------------------------------------- */

/* Without this the address sanitizer ends the process itself where malloc(3) would return NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void ask_malloc(void)
{
    free(xmalloc(SIZE_MAX / 2));
}

static void ask_calloc(void)
{
    free(xcalloc(SIZE_MAX / 2, 3));
}

static void ask_realloc(void)
{
    free(xrealloc(NULL, SIZE_MAX / 2));
}

static void ask_product(void)
{
    free(xreallocarray(NULL, SIZE_MAX / 2, 3));
}

static void ask_copy(void)
{
    free(xmemdupz("", SIZE_MAX));
}

static void out_of_memory_ends_the_process_with_71_and_one_line(void **state)
{
    static void (*const asks[])(void) = {ask_malloc, ask_calloc, ask_realloc, ask_product, ask_copy};

    (void)state;
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        const char *line;
        int status;
        pid_t child;

        capture_begin();
        child = fork();
        if (child == 0) {
            asks[i]();
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        line = capture_end();
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 71);
        assert_non_null(strstr(line, ": out of memory\n"));
    }
}

int main(void)
{
#define MSG_TEST(name) cmocka_unit_test_setup(name, forget_environment)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_keeps_class_and_text),
        cmocka_unit_test(a_caller_may_not_want_the_fault),
        cmocka_unit_test(context_goes_in_front_and_the_class_stays),
        cmocka_unit_test(a_fault_may_be_made_of_its_own_text),
        cmocka_unit_test(a_fault_is_one_line),
        cmocka_unit_test(a_long_fault_is_cut_between_characters),
        cmocka_unit_test(context_never_pushes_out_the_cause),
        cmocka_unit_test(every_class_has_an_exit_code_and_a_word),
        cmocka_unit_test(a_map_gives_back_what_was_put),
        cmocka_unit_test(a_walk_sees_all_and_may_remove_where_it_stands),
        cmocka_unit_test(a_heap_gives_the_smallest_key_first),
        MSG_TEST(text_has_the_program_in_front),
        MSG_TEST(a_fault_is_printed_as_an_error),
        MSG_TEST(the_level_decides_what_is_printed),
        MSG_TEST(no_control_character_reaches_stderr),
        MSG_TEST(an_event_in_text_names_its_fields),
        MSG_TEST(an_event_in_json_has_the_specified_fields),
        MSG_TEST(absent_fields_are_left_out_of_json),
        MSG_TEST(metadata_opens_with_whatever_it_has),
        MSG_TEST(the_environment_chooses_the_form),
        MSG_TEST(the_caller_may_choose_the_form),
        MSG_TEST(an_unknown_form_is_said_and_not_guessed),
        MSG_TEST(a_service_under_systemd_writes_priorities),
        MSG_TEST(a_very_long_message_is_one_cut_line),
        MSG_TEST(errno_survives_a_message),
        MSG_TEST(a_terminal_gets_colour),
        MSG_TEST(no_color_and_dumb_terminals_get_none),
        MSG_TEST(progress_is_rewritten_in_place_and_gives_way_to_messages),
        MSG_TEST(progress_is_for_terminals_only),
        cmocka_unit_test(out_of_memory_ends_the_process_with_71_and_one_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
