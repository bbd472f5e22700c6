/*
 * program_child - the worker: alone with libjq behind a socket
 *
 *   confine -> (read a request -> limit -> compile or run -> answer) until the socket ends
 *
 * Hard rule: nothing of the parent is left within a program's reach, and no limit depends on libjq. Memory
 * and CPU are limited anew for every request, because the compiled programs stay; where memory ends, so does
 * the worker.
 */
#include "program_parts.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif
#include <jq.h>
#include <jv.h>
#include "buf.h"
#include "program_filter.h"
#include "xalloc.h"

enum { FD_SOCKET = 3, FD_STATM = 4, FD_FIRST_FREE = 5, FD_LIFTED = 10 };
enum { STATM_DATA = 5 };                /* place of "data" among the numbers of statm, proc(5) */
enum { TRIM_BYTES = 32 * 1024 * 1024 }; /* memory behind a run that is worth giving back */

/*
 * In front of a program, in its first line, so that lines are counted as they are written. The parentheses
 * keep its definitions and its commas together. halt and halt_error are ours because libjq frees twice after
 * its own; error because an error of null is to jq as no result at all, so that a part of them would be sent
 * for all. Each definition sees those before it: the error(.) in the first is jq's own.
 */
static const char before[] = "def now: error(\"now is not known here: a retry must give the same bytes\");"
                             "def error: if . == null then \"null\" else . end | error(.);"
                             "def error(message): message | error;"
                             "def halt_error: error(.); def halt_error($code): error(.);"
                             "label $__end | def halt: break $__end;"
                             ". as [$tenant, $distribution, $destination, $__input] | $__input | (";
static const char after[] = "\n)";

struct slot {
    jq_state *jq;
};

struct worker {
    struct slot *slots;
    size_t slot_count;
    char message[PROGRAM_TEXT_SHOWN]; /* the first that jq has said */
    uint64_t data_bytes;              /* after the last compilation */
};

/* --- the cage ------------------------------------------------------------------------------------------ */

/* Nothing of an answer has been written: that takes no memory. */
static void no_memory(void *arg)
{
    static const struct program_answer answer = {.what = PROGRAM_NO_MEMORY};

    (void)arg;
    _exit(write(FD_SOCKET, &answer, sizeof answer) < 0 ? PROGRAM_EXIT_START : PROGRAM_EXIT_MEMORY);
}

#ifdef __SANITIZE_ADDRESS__
static void sanitizer_ends(void)
{
    no_memory(NULL);
}
#endif

static void set_limit(__rlimit_resource_t resource, rlim_t soft)
{
    struct rlimit limit;

    if (getrlimit(resource, &limit) < 0)
        _exit(PROGRAM_EXIT_START);
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    if (setrlimit(resource, &limit) < 0)
        _exit(PROGRAM_EXIT_START);
}

static void set_descriptors(int socket)
{
    int lifted = fcntl(socket, F_DUPFD, FD_LIFTED);
    int null = open("/dev/null", O_RDWR);
    int statm = open("/proc/self/statm", O_RDONLY);

    /* `statm` is moved up first: it may have got a number that is written over. */
    statm = fcntl(statm, F_DUPFD, FD_LIFTED);
    null = fcntl(null, F_DUPFD, FD_LIFTED);
    if (lifted < 0 || null < 0 || statm < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
        dup2(lifted, FD_SOCKET) < 0 || dup2(statm, FD_STATM) < 0 || close_range(FD_FIRST_FREE, ~0U, 0) < 0)
        _exit(PROGRAM_EXIT_START);
    set_limit(RLIMIT_NOFILE, 0);
}

/* Nothing but the end of the socket ends it: a terminal's or a service's signals are for the parent. */
static void set_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        sigaction(number, &action, NULL);
    action.sa_handler = SIG_IGN;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        sigaction(ignored[i], &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* libc may have read the zone of the machine before; with no descriptor left it cannot read it again. */
static void set_environment(void)
{
    static char zone[] = "TZ=UTC0";
    static char *utc[] = {zone, NULL}, *nothing[] = {NULL};

    environ = utc;
    tzset();
    environ = nothing;
}

static void confine(int socket)
{
    set_signals();
    set_descriptors(socket);
    set_environment();
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_FSIZE, 0);
    set_limit(RLIMIT_NPROC, 0);
    prctl(PR_SET_NAME, "dist-program");
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* without which only root may have a filter */
    if (program_filter())
        _exit(PROGRAM_EXIT_START);
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_set_death_callback(sanitizer_ends);
#endif
}

/* Bytes of address space and of data (private memory that can be written). */
static void get_sizes(uint64_t *all, uint64_t *data)
{
    uint64_t numbers[STATM_DATA + 1];
    char text[200] = "", *at = text;

    if (pread(FD_STATM, text, sizeof text - 1, 0) <= 0)
        _exit(PROGRAM_EXIT_START);
    for (size_t i = 0; i <= STATM_DATA; i++) {
        char *end;
        numbers[i] = strtoull(at, &end, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
        if (end == at)
            _exit(PROGRAM_EXIT_START);
        at = end;
    }
    *all = numbers[0];
    *data = numbers[STATM_DATA];
}

/* From what it has now: the parent's memory and the compiled programs are not this program's. */
static void limit(const struct program_request *request)
{
    struct rusage usage;
    uint64_t all, data;

    get_sizes(&all, &data);
    set_limit(RLIMIT_AS, all + request->memory_bytes);
    set_limit(RLIMIT_DATA, data + request->memory_bytes);
    if (getrusage(RUSAGE_SELF, &usage) < 0)
        _exit(PROGRAM_EXIT_START);
    set_limit(RLIMIT_CPU, (rlim_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + request->seconds);
}

/* --- the socket ---------------------------------------------------------------------------------------- */

static void read_all(void *data, size_t size)
{
    char *at = data;

    while (size > 0) {
        ssize_t got = read(FD_SOCKET, at, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            _exit(0);
        at += got;
        size -= (size_t)got;
    }
}

/* Both go in one piece: with two the parent might wake for the first alone. */
static void write_both(const void *header, size_t header_size, const char *text, size_t size)
{
    for (size_t done = 0; done < header_size + size;) {
        const size_t in_text = done > header_size ? done - header_size : 0;
        struct iovec pieces[2];
        int count = 0;

        if (done < header_size)
            pieces[count++] = (struct iovec){(char *)header + done, header_size - done};
        if (in_text < size)
            pieces[count++] = (struct iovec){(char *)text + in_text, size - in_text};
        ssize_t sent = writev(FD_SOCKET, pieces, count);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            _exit(0);
        done += (size_t)sent;
    }
}

/* The worker's data_bytes, which go along. */
static uint64_t answer(uint32_t what, const char *text, size_t size)
{
    struct program_answer header = {.what = what, .size = size};
    uint64_t all;

    get_sizes(&all, &header.data_bytes);
    write_both(&header, sizeof header, text, size);
    return header.data_bytes;
}

static uint64_t answer_text(uint32_t what, const char *text)
{
    return answer(what, text, strlen(text));
}

/* --- compiling ----------------------------------------------------------------------------------------- */

/* The text with `to` in place of the first `from`. */
static void replace(char *text, size_t text_size, const char *from, const char *to)
{
    char *at = strstr(text, from), *copy = xstrdup(text);

    if (at)
        snprintf(text, text_size, "%.*s%s%s", (int)(at - text), copy, to, copy + (at - text) + strlen(from));
    free(copy);
}

/* "jq: error: syntax error, unexpected $end (Unix shell quoting issues?) at <top-level>, line 1:\n.a+  " */
static void keep_message(void *arg, jv message)
{
    struct worker *worker = arg;
    jv text = jq_format_error(message);

    if (worker->message[0] == '\0' && jv_get_kind(text) == JV_KIND_STRING) {
        snprintf(worker->message, sizeof worker->message, "%s", jv_string_value(text));
        worker->message[strcspn(worker->message, "\n")] = '\0';
        replace(worker->message, sizeof worker->message, "jq: error: ", "");
        replace(worker->message, sizeof worker->message, " (Unix shell quoting issues?)", "");
        replace(worker->message, sizeof worker->message, " at <top-level>, ", " at ");
        size_t size = strlen(worker->message);
        if (size && worker->message[size - 1] == ':')
            worker->message[size - 1] = '\0';
    }
    jv_free(text);
}

static jq_state *compile(struct worker *worker, const char *text, bool with_variables)
{
    static const char *const names[] = {"tenant", "distribution", "destination"};
    jq_state *jq = jq_init();
    jv arguments = jv_object();

    if (!jq)
        no_memory(NULL);
    worker->message[0] = '\0';
    /* jq_init() leaves these three as the memory was. */
    jq_set_nomem_handler(jq, no_memory, NULL);
    jq_set_input_cb(jq, NULL, NULL);
    jq_set_debug_cb(jq, NULL, NULL);
    jq_set_error_cb(jq, keep_message, worker);
    /* Without it an import ends in an assertion. */
    jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
    for (size_t i = 0; with_variables && i < sizeof names / sizeof *names; i++)
        arguments = jv_object_set(arguments, jv_string(names[i]), jv_null());
    if (!jq_compile_args(jq, text, arguments))
        jq_teardown(&jq);
    return jq;
}

static void drop(struct worker *worker, uint32_t slot)
{
    if (slot < worker->slot_count && worker->slots[slot].jq)
        jq_teardown(&worker->slots[slot].jq);
}

static void place(struct worker *worker, uint32_t slot, jq_state *jq)
{
    if (slot >= worker->slot_count) {
        size_t count = (size_t)slot + 16;
        worker->slots = xreallocarray(worker->slots, count, sizeof *worker->slots);
        memset(worker->slots + worker->slot_count, 0, (count - worker->slot_count) * sizeof *worker->slots);
        worker->slot_count = count;
    }
    drop(worker, slot);
    worker->slots[slot].jq = jq;
}

/* As it stands first, for its mistakes in their places; it is run inside of other text. */
static bool is_right(struct worker *worker, const char *text)
{
    jq_state *jq = compile(worker, text, true);
    if (!jq)
        return false;
    jq_teardown(&jq);
    return true;
}

static void do_compile(struct worker *worker, const struct program_request *request, const char *text)
{
    uint64_t all;

    if (request->what == PROGRAM_CHECK && !is_right(worker, text)) {
        answer_text(PROGRAM_MISTAKE, worker->message);
        return;
    }
    char *whole = xasprintf("%s%s%s", before, text, after);
    jq_state *jq = compile(worker, whole, false);
    free(whole);
    if (!jq) {
        answer_text(PROGRAM_MISTAKE, "there is no expression behind its definitions");
        return;
    }
    place(worker, request->slot, jq);
    get_sizes(&all, &worker->data_bytes);
    answer_text(PROGRAM_DONE, "");
}

/* --- running ------------------------------------------------------------------------------------------- */

/* The text of an error, which may be any value. Takes it. An input that jq cannot read is quoted in jq's own.
 */
static uint64_t answer_error(jv message)
{
    char text[PROGRAM_TEXT_SHOWN];

    if (jv_get_kind(message) != JV_KIND_STRING)
        message = jv_dump_string(message, 0);
    snprintf(text, sizeof text, "%s", jv_string_value(message));
    jv_free(message);
    char *quoted = strstr(text, " (while parsing '");
    if (quoted)
        *quoted = '\0';
    return answer_text(PROGRAM_FAILED, text);
}

/* Adds all results; the count of them. *end is what came behind the last. */
static uint64_t take_results(jq_state *jq, struct buf *out, jv *end)
{
    uint64_t count = 0;
    jv result = jq_next(jq);

    while (jv_is_valid(result) && !out->overflow) {
        jv text = jv_dump_string(result, 0);
        if (count++)
            buf_addc(out, ',');
        buf_add(out, jv_string_value(text), (size_t)jv_string_length_bytes(jv_copy(text)));
        jv_free(text);
        result = jq_next(jq);
    }
    *end = result;
    return count;
}

static uint64_t answer_results(const struct program_request *request, const struct buf *out, uint64_t count)
{
    char text[40];

    if (request->as_array || count == 1)
        return answer(PROGRAM_DONE, out->data, out->len);
    snprintf(text, sizeof text, "%llu", (unsigned long long)count);
    return answer_text(PROGRAM_COUNT, text);
}

static uint64_t run(const struct program_request *request, jq_state *jq, jv input)
{
    struct buf out;
    uint64_t data;
    jv end;

    buf_init(&out, request->max_output);
    if (request->as_array)
        buf_addc(&out, '[');
    jq_start(jq, input, 0);
    uint64_t count = take_results(jq, &out, &end);
    if (request->as_array)
        buf_addc(&out, ']');
    if (out.overflow)
        data = answer_text(PROGRAM_TOO_LARGE, "");
    else if (jv_invalid_has_msg(jv_copy(end)))
        data = answer_error(jv_invalid_get_msg(jv_copy(end)));
    else
        data = answer_results(request, &out, count);
    jv_free(end);
    buf_release(&out);
    jq_start(jq, jv_null(), 0); /* lets go of what the run has left on its stack */
    return data;
}

static void do_run(struct worker *worker, const struct program_request *request, char *text)
{
    uint64_t data;
    jv input = jv_parse_sized(text, (int)request->size);

    free(text);
    if (request->slot >= worker->slot_count || !worker->slots[request->slot].jq)
        _exit(PROGRAM_EXIT_START);
    if (jv_is_valid(input))
        data = run(request, worker->slots[request->slot].jq, input);
    else
        data = answer_error(jv_invalid_get_msg(input));
    if (data > worker->data_bytes + TRIM_BYTES)
        malloc_trim(0);
}

_Noreturn void program_child(int socket)
{
    struct worker worker = {0};
    struct program_request request;

    confine(socket);
    for (;;) {
        read_all(&request, sizeof request);
        limit(&request);
        if (request.size >= INT_MAX)
            _exit(PROGRAM_EXIT_START);
        char *text = xmalloc(request.size + 1);
        read_all(text, request.size);
        text[request.size] = '\0';
        if (request.what == PROGRAM_RUN) {
            do_run(&worker, &request, text);
            continue;
        }
        if (request.what == PROGRAM_DROP)
            drop(&worker, request.slot);
        else
            do_compile(&worker, &request, text);
        free(text);
    }
}
