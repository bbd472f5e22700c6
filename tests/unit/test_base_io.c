/*
 * test_base_io - descriptors read and written to the end; lines with a ceiling
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
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fdio.h"

static char folder[] = "/tmp/test-base-io-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    fdio_ignore_sigpipe();
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static const char *path_of(const char *name)
{
    static char path[200];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *data, size_t size)
{
    struct fault fault;
    int fd = fdio_open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600, &fault);

    assert_true(fd >= 0);
    assert_int_equal(fdio_write_all(fd, data, size, &fault), 0);
    close(fd);
}

/* A descriptor that gives `data` and then the end. */
static int stream_of(const char *data, size_t size)
{
    struct fault fault;
    int fd;

    write_file("stream", data, size);
    fd = fdio_open(path_of("stream"), O_RDONLY, 0, &fault);
    assert_true(fd >= 0);
    unlink(path_of("stream"));
    return fd;
}

/* A thread at the far end of a pipe. It closes its end; join() says whether it went well. */
struct peer {
    pthread_t thread;
    int fd;
    const char *data;
    size_t size, piece;
    pthread_t disturbed; /* the thread that disturb() sends signals to */
};

static void join(struct peer *peer)
{
    void *failed;

    assert_int_equal(pthread_join(peer->thread, &failed), 0);
    assert_null(failed);
}

static void *feed(void *arg)
{
    struct peer *peer = arg;
    bool failed = false;

    for (size_t done = 0; done < peer->size && !failed; done += peer->piece) {
        size_t left = peer->size - done;

        failed =
            fdio_write_all(peer->fd, peer->data + done, left < peer->piece ? left : peer->piece, NULL) != 0;
    }
    close(peer->fd);
    return failed ? peer : NULL;
}

/* The reading end of a pipe that a thread fills with `data` in writes of `piece` bytes. */
static int pipe_of(struct peer *peer, const char *data, size_t size, size_t piece)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    *peer = (struct peer){.fd = ends[1], .data = data, .size = size, .piece = piece};
    assert_int_equal(pthread_create(&peer->thread, NULL, feed, peer), 0);
    return ends[0];
}

/* --- whole files --------------------------------------------------------------------------------------- */

static void a_descriptor_is_closed_on_exec(void **state)
{
    int fd = stream_of("", 0);

    (void)state;
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}

static void a_file_is_read_up_to_its_ceiling(void **state)
{
    struct fault fault;
    struct buf buf;

    (void)state;
    write_file("ten", "0123456789", 10);
    assert_int_equal(fdio_read_file(path_of("ten"), 11, &buf, &fault), 0);
    assert_string_equal(buf.data, "0123456789");
    buf_release(&buf);
    assert_int_equal(fdio_read_file(path_of("ten"), 10, &buf, &fault), 0);
    assert_int_equal(buf.len, 10);
    buf_release(&buf);
    assert_int_equal(fdio_read_file(path_of("ten"), 9, &buf, &fault), -1);
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_non_null(strstr(fault.text, "/ten: larger than 9 bytes"));
    assert_int_equal(buf.len, 0);
    unlink(path_of("ten"));
}

static void an_empty_file_is_an_empty_buffer(void **state)
{
    struct fault fault;
    struct buf buf;

    (void)state;
    write_file("empty", "", 0);
    assert_int_equal(fdio_read_file(path_of("empty"), 0, &buf, &fault), 0);
    assert_string_equal(buf.data, "");
    buf_release(&buf);
    unlink(path_of("empty"));
}

static void a_path_that_is_to_blame_is_an_input_fault(void **state)
{
    struct fault fault;
    struct buf buf;

    (void)state;
    assert_int_equal(fdio_read_file(path_of("missing"), 10, &buf, &fault), -1);
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_non_null(strstr(fault.text, "/missing: No such file or directory"));
    buf_release(&buf);
    assert_int_equal(fdio_read_file(folder, 10, &buf, &fault), -1);
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_non_null(strstr(fault.text, ": Is a directory"));
    buf_release(&buf);
    assert_int_equal(fdio_read_file(folder, 10, &buf, NULL), -1);
    assert_int_equal(fdio_open("/dev/null/x", O_RDONLY, 0, NULL), -1);
    assert_int_equal(errno, ENOTDIR);
}

static void other_refusals_have_their_class(void **state)
{
    struct fault fault;

    (void)state;
    /* No directory takes a write, whoever asks. */
    assert_int_equal(fdio_open(folder, O_WRONLY, 0, &fault), -1);
    assert_int_equal(fault.class, FAULT_INPUT);
    assert_int_equal(fdio_open(path_of("x"), O_RDONLY | O_CREAT | O_DIRECTORY, 0600, &fault), -1);
    if (geteuid() != 0) {
        write_file("secret", "x", 1);
        chmod(path_of("secret"), 0);
        assert_int_equal(fdio_open(path_of("secret"), O_RDONLY, 0, &fault), -1);
        assert_int_equal(fault.class, FAULT_DENIED);
        unlink(path_of("secret"));
    }
    write_file("taken", "x", 1);
    assert_int_equal(fdio_open(path_of("taken"), O_RDWR | O_CREAT | O_EXCL, 0600, &fault), -1);
    assert_int_equal(fault.class, FAULT_SYSTEM);
    assert_int_equal(errno, EEXIST);
    unlink(path_of("taken"));
    unlink(path_of("x"));
}

static void a_pipe_is_read_to_its_end(void **state)
{
    enum { SIZE = 300000 };
    struct fault fault;
    struct buf buf;
    struct peer peer;
    char *data = malloc(SIZE);
    int fd;

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7);
    fd = pipe_of(&peer, data, SIZE, 1000);
    buf_init(&buf, SIZE);
    assert_int_equal(fdio_read_all(fd, &buf, &fault), 0);
    assert_int_equal(buf.len, SIZE);
    assert_memory_equal(buf.data, data, SIZE);
    join(&peer);
    close(fd);
    buf_release(&buf);
    free(data);
}

static void a_descriptor_that_cannot_be_used_is_a_system_fault(void **state)
{
    struct fault fault;
    struct buf buf;

    (void)state;
    buf_init(&buf, 10);
    assert_int_equal(fdio_read_all(-1, &buf, &fault), -1);
    assert_int_equal(fault.class, FAULT_SYSTEM);
    assert_string_equal(fault.text, "cannot read: Bad file descriptor");
    assert_int_equal(fdio_write_all(-1, "x", 1, &fault), -1);
    assert_string_equal(fault.text, "cannot write: Bad file descriptor");
    assert_int_equal(fdio_write_all(-1, "", 0, &fault), 0);
    buf_release(&buf);
}

static void a_reader_that_went_away_is_epipe(void **state)
{
    struct fault fault;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    assert_int_equal(fdio_write_all(ends[1], "x", 1, &fault), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(fault.class, FAULT_CLOSED);
    assert_string_equal(fault.text, "cannot write: Broken pipe");
    close(ends[1]);
}

static void *drain(void *arg)
{
    struct peer *peer = arg;
    struct buf buf;
    bool good;

    buf_init(&buf, peer->size);
    good = fdio_read_all(peer->fd, &buf, NULL) == 0 && buf.len == peer->size;
    buf_release(&buf);
    close(peer->fd);
    return good ? NULL : peer;
}

static void short_writes_to_a_non_blocking_pipe_are_completed(void **state)
{
    enum { SIZE = 1000000 };
    char *data = calloc(1, SIZE);
    struct peer peer = {.size = SIZE};
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    peer.fd = ends[0];
    assert_int_equal(pthread_create(&peer.thread, NULL, drain, &peer), 0);
    assert_int_equal(fdio_write_all(ends[1], data, SIZE, NULL), 0);
    close(ends[1]);
    join(&peer);
    free(data);
}

static void do_nothing(int number)
{
    (void)number;
}

static void *disturb(void *arg)
{
    struct peer *peer = arg;
    bool failed = false;

    for (int i = 0; i < 50 && !failed; i++) {
        pthread_kill(peer->disturbed, SIGUSR1);
        failed = fdio_write_all(peer->fd, "x", 1, NULL) != 0;
    }
    close(peer->fd);
    return failed ? peer : NULL;
}

static void a_signal_does_not_disturb_a_read(void **state)
{
    static const int flags[] = {0, O_NONBLOCK};
    struct sigaction action = {.sa_handler = do_nothing}; /* without SA_RESTART */

    (void)state;
    sigaction(SIGUSR1, &action, NULL);
    for (size_t i = 0; i < 2; i++) {
        struct peer peer = {.disturbed = pthread_self()};
        struct buf buf;
        int ends[2];

        assert_int_equal(pipe(ends), 0);
        assert_int_equal(fcntl(ends[0], F_SETFL, flags[i]), 0);
        peer.fd = ends[1];
        assert_int_equal(pthread_create(&peer.thread, NULL, disturb, &peer), 0);
        buf_init(&buf, 100);
        assert_int_equal(fdio_read_all(ends[0], &buf, NULL), 0);
        assert_int_equal(buf.len, 50);
        join(&peer);
        close(ends[0]);
        buf_release(&buf);
    }
}

/* --- lines --------------------------------------------------------------------------------------------- */

static struct line_reader reader;
static struct fault line_fault;

static void open_lines(const char *data, size_t size, size_t max_line)
{
    line_reader_init(&reader, stream_of(data, size), max_line);
}

static void close_lines(void)
{
    close(reader.fd);
    line_reader_release(&reader);
}

static void expect_line(const char *text, size_t size)
{
    char *line;
    size_t got;

    assert_int_equal(line_reader_next(&reader, &line, &got, &line_fault), LINE_OK);
    assert_int_equal(got, size);
    assert_memory_equal(line, text, size);
    assert_int_equal(line[size], '\0');
    assert_int_equal(reader.line_size, size);
}

static void expect_too_long(uint64_t number, uint64_t size)
{
    char *line;
    size_t got;

    assert_int_equal(line_reader_next(&reader, &line, &got, &line_fault), LINE_TOO_LONG);
    assert_null(line);
    assert_int_equal(reader.number, number);
    assert_int_equal(reader.line_size, size);
}

static void expect_end(void)
{
    char *line;
    size_t got;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(line_reader_next(&reader, &line, &got, &line_fault), LINE_END);
        assert_null(line);
    }
}

static void no_bytes_are_no_lines(void **state)
{
    (void)state;
    open_lines("", 0, 10);
    expect_end();
    close_lines();
    line_reader_release(NULL);
}

static void lines_come_one_by_one_with_their_numbers(void **state)
{
    (void)state;
    open_lines("one\n\ntwo\n", 9, 10);
    expect_line("one", 3);
    assert_int_equal(reader.number, 1);
    expect_line("", 0);
    expect_line("two", 3);
    assert_int_equal(reader.number, 3);
    expect_end();
    close_lines();
}

static void a_last_line_needs_no_newline(void **state)
{
    (void)state;
    open_lines("one\ntwo", 7, 10);
    expect_line("one", 3);
    expect_line("two", 3);
    expect_end();
    close_lines();
}

static void a_cr_before_the_newline_goes_and_others_stay(void **state)
{
    (void)state;
    open_lines("a\r\nb\rc\n\r\r\n\r\nd\r", 14, 10);
    expect_line("a", 1);
    expect_line("b\rc", 3);
    expect_line("\r", 1);
    expect_line("", 0);
    expect_line("d\r", 2);
    expect_end();
    close_lines();
}

static void a_line_may_hold_nul_bytes(void **state)
{
    (void)state;
    open_lines("a\0b\n\0\n\0", 7, 10);
    expect_line("a\0b", 3);
    expect_line("\0", 1);
    expect_line("\0", 1);
    expect_end();
    close_lines();
}

static void the_ceiling_is_the_longest_line(void **state)
{
    static const char *const ends[] = {"\nz\n", "\r\nz\n"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (size_t size = 9; size <= 12; size++) {
            char data[20];
            int total = snprintf(data, sizeof(data), "%.*s%s", (int)size, "abcdefghijkl", ends[i]);

            open_lines(data, (size_t)total, 10);
            if (size <= 10)
                expect_line("abcdefghijkl", size);
            else
                expect_too_long(1, size);
            expect_line("z", 1);
            assert_int_equal(reader.number, 2);
            expect_end();
            close_lines();
        }
    }
}

static void the_ceiling_holds_for_a_last_line_without_newline(void **state)
{
    (void)state;
    for (size_t size = 9; size <= 12; size++) {
        open_lines("abcdefghijkl", size, 10);
        if (size <= 10)
            expect_line("abcdefghijkl", size);
        else
            expect_too_long(1, size);
        expect_end();
        close_lines();
    }
    /* A CR that no newline follows is part of the line. */
    open_lines("abcdefghij\r", 11, 10);
    expect_too_long(1, 11);
    expect_end();
    close_lines();
}

static void a_ceiling_of_zero_takes_empty_lines_only(void **state)
{
    (void)state;
    open_lines("\n\r\na\n\n", 6, 0);
    expect_line("", 0);
    expect_line("", 0);
    expect_too_long(3, 1);
    expect_line("", 0);
    expect_end();
    close_lines();
}

static void a_huge_line_is_one_rejected_record_in_bounded_memory(void **state)
{
    enum { HUGE_LINE = 3000000, CEILING = 100000, SIZE = HUGE_LINE + 8 };
    char *data = malloc(SIZE);
    struct peer peer;

    (void)state;
    memset(data, 'x', SIZE);
    memcpy(data, "first\n", 6);
    memcpy(data + SIZE - 6, "\r\nlast", 6);
    line_reader_init(&reader, pipe_of(&peer, data, SIZE, 777), CEILING);
    expect_line("first", 5);
    expect_too_long(2, SIZE - 12);
    assert_true(reader.buf.cap <= CEILING + 64 * 1024 + 2);
    expect_line("last", 4);
    assert_int_equal(reader.number, 3);
    expect_end();
    join(&peer);
    close_lines();
    free(data);
}

static void lines_of_every_length_survive_the_edges_of_reads(void **state)
{
    enum { LINES = 1500 };
    struct buf buf;
    struct peer peer;

    (void)state;
    buf_init(&buf, 10000000);
    for (size_t i = 0; i < LINES; i++) {
        for (size_t j = 0; j < i; j++)
            buf_addc(&buf, (char)('a' + (i + j) % 26));
        buf_adds(&buf, i % 3 == 0 ? "\r\n" : "\n");
    }
    line_reader_init(&reader, pipe_of(&peer, buf.data, buf.len, 4099), LINES);
    for (size_t i = 0; i < LINES; i++) {
        char *line;
        size_t size;

        assert_int_equal(line_reader_next(&reader, &line, &size, &line_fault), LINE_OK);
        assert_int_equal(size, i);
        if (size > 0) {
            assert_int_equal(line[0], 'a' + i % 26);
            assert_int_equal(line[size - 1], 'a' + (i + i - 1) % 26);
        }
    }
    expect_end();
    join(&peer);
    close_lines();
    buf_release(&buf);
}

static void a_ceiling_past_all_memory_is_taken(void **state)
{
    (void)state;
    open_lines("abc\n", 4, SIZE_MAX);
    expect_line("abc", 3);
    expect_end();
    close_lines();
}

static void a_broken_descriptor_is_a_fault_and_then_the_end(void **state)
{
    char *line;
    size_t size;

    (void)state;
    line_reader_init(&reader, -1, 10);
    assert_int_equal(line_reader_next(&reader, &line, &size, &line_fault), LINE_FAULT);
    assert_string_equal(line_fault.text, "cannot read line 1: Bad file descriptor");
    expect_end();
    line_reader_release(&reader);
}

static void a_fault_inside_a_long_line_does_not_make_lines_of_its_rest(void **state)
{
    char data[70000];
    char *line;
    size_t size;
    int ends[2];

    (void)state;
    memset(data, 'x', sizeof(data));
    assert_int_equal(pipe(ends), 0);
    line_reader_init(&reader, ends[0], 10);
    /* What one read brings is buffered; the next read then finds another descriptor in its place. */
    assert_int_equal(fdio_write_all(ends[1], data, 65536, NULL), 0);
    buf_room(&reader.buf, 65536);
    buf_added(&reader.buf, (size_t)read(ends[0], reader.buf.data, 65536));
    reader.fd = -1;
    assert_int_equal(line_reader_next(&reader, &line, &size, &line_fault), LINE_FAULT);
    expect_end();
    line_reader_release(&reader);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_descriptor_is_closed_on_exec),
        cmocka_unit_test(a_file_is_read_up_to_its_ceiling),
        cmocka_unit_test(an_empty_file_is_an_empty_buffer),
        cmocka_unit_test(a_path_that_is_to_blame_is_an_input_fault),
        cmocka_unit_test(other_refusals_have_their_class),
        cmocka_unit_test(a_pipe_is_read_to_its_end),
        cmocka_unit_test(a_descriptor_that_cannot_be_used_is_a_system_fault),
        cmocka_unit_test(a_reader_that_went_away_is_epipe),
        cmocka_unit_test(short_writes_to_a_non_blocking_pipe_are_completed),
        cmocka_unit_test(a_signal_does_not_disturb_a_read),
        cmocka_unit_test(no_bytes_are_no_lines),
        cmocka_unit_test(lines_come_one_by_one_with_their_numbers),
        cmocka_unit_test(a_last_line_needs_no_newline),
        cmocka_unit_test(a_cr_before_the_newline_goes_and_others_stay),
        cmocka_unit_test(a_line_may_hold_nul_bytes),
        cmocka_unit_test(the_ceiling_is_the_longest_line),
        cmocka_unit_test(the_ceiling_holds_for_a_last_line_without_newline),
        cmocka_unit_test(a_ceiling_of_zero_takes_empty_lines_only),
        cmocka_unit_test(a_huge_line_is_one_rejected_record_in_bounded_memory),
        cmocka_unit_test(lines_of_every_length_survive_the_edges_of_reads),
        cmocka_unit_test(a_ceiling_past_all_memory_is_taken),
        cmocka_unit_test(a_broken_descriptor_is_a_fault_and_then_the_end),
        cmocka_unit_test(a_fault_inside_a_long_line_does_not_make_lines_of_its_rest),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
