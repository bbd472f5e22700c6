/*
 * program - the parent's side: one question at a time to the worker, under a deadline
 *
 *   none --worker_start--> idle --ask--> busy --answer--> idle
 *                            |            |
 *                            +------------+--died, too late, unclear--> none (killed and reaped)
 *
 * Hard rule: after anything but a whole answer the worker is gone, so that no answer is ever taken for
 * another's.
 */
#include "program.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clock.h"
#include "program_parts.h"
#include "text.h"
#include "xalloc.h"

enum {
    PIECES = 4,           /* of a request */
    CPU_SPARE_S = 2,      /* the worker's own limit is behind the deadline, for when nobody kills it */
    VARIABLES_MAX = 4096, /* bytes of the variables as JSON */
    DIGITS_SAFE = 15,     /* a whole number of so many digits fits a double */
    NUMBER_SHOWN = 40,
    COMPILE_MEMORY = 64 * 1024 * 1024,
};

const struct program_limits program_limits_default = {
    .run_ms = PROGRAM_RUN_MS,
    .compile_ms = PROGRAM_COMPILE_MS,
    .memory_bytes = PROGRAM_MEMORY,
    .max_input = PROGRAM_INPUT_MAX,
};

struct programs {
    struct program_limits limits;
    pid_t pid; /* 0: none */
    int fd;
    uint64_t generation; /* of the worker, from 1 */
    uint64_t data_bytes; /* of the worker, after the last compilation */
    bool killed;         /* SIGKILL ended the last run */
    struct program **slots;
    size_t slot_count;
};

struct program {
    struct programs *programs;
    uint32_t slot;
    enum program_results results;
    char *text;
    size_t size;
    uint64_t known_by; /* the generation that has compiled it */
    bool was_killed;   /* SIGKILL has ended a run of it, */
    uint64_t input;    /* the last one on this input, which is known by its hash */
};

/* What is asked, and within which limits. */
struct question {
    struct program_request header;
    struct iovec pieces[PIECES];
    int piece_count;
    int64_t limit_ms;
};

/* --- the worker's life --------------------------------------------------------------------------------- */

static int worker_start(struct programs *programs, struct fault *fault)
{
    int ends[2];
    sigset_t all, kept;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return fault_errno(fault, errno, "a socket for the worker of programs");
    /* A handler of ours must not run in the child. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &kept);
    pid_t pid = fork();
    if (pid == 0)
        program_child(ends[1]);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    close(ends[1]);
    if (pid < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
        if (pid > 0)
            error = errno;
        close(ends[0]);
        return fault_errno(fault, error, "a worker of programs");
    }
    programs->pid = pid;
    programs->fd = ends[0];
    programs->generation++;
    return 0;
}

/* Kills and reaps; how it ended, as waitpid(2) says it, or -1. */
static int worker_stop(struct programs *programs)
{
    int status = -1;
    pid_t reaped;

    if (programs->pid == 0)
        return -1;
    close(programs->fd);
    kill(programs->pid, SIGKILL); /* changes nothing where it has ended, or is about to */
    do
        reaped = waitpid(programs->pid, &status, 0);
    while (reaped < 0 && errno == EINTR);
    programs->pid = 0;
    return reaped < 0 ? -1 : status;
}

/* Idle, it has nothing to say: whatever can be read is its end. */
static bool worker_is_alive(const struct programs *programs)
{
    struct pollfd end = {.fd = programs->pid ? programs->fd : -1, .events = POLLIN};

    return programs->pid != 0 && poll(&end, 1, 0) == 0;
}

static int fail_memory(const struct programs *programs, struct fault *fault)
{
    return fault_set(fault, FAULT_INPUT, "the program needed more than %llu MiB",
                     (unsigned long long)(programs->limits.memory_bytes >> 20));
}

static int fail_time(const struct question *question, struct fault *fault)
{
    return fault_set(fault, FAULT_INPUT, "the program %s longer than %lld ms",
                     question->header.what == PROGRAM_RUN ? "ran" : "was compiled",
                     (long long)question->limit_ms);
}

/* It closed its end: it has ended, or is about to. */
static int fail_dead(struct programs *programs, const struct question *question, struct fault *fault)
{
    static const int own[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS};
    const int status = worker_stop(programs);

    if (status >= 0 && WIFSIGNALED(status)) {
        const int number = WTERMSIG(status);
        if (number == SIGXCPU)
            return fail_time(question, fault);
        for (size_t i = 0; i < sizeof own / sizeof *own; i++)
            if (number == own[i])
                return fault_set(fault, FAULT_INPUT, "the program crashed jq (SIG%s)", sigabbrev_np(number));
        programs->killed = number == SIGKILL && question->header.what == PROGRAM_RUN;
        return fault_set(fault, FAULT_TEMP, "the worker of the program was ended by SIG%s",
                         sigabbrev_np(number));
    }
    if (status >= 0 && WEXITSTATUS(status) == PROGRAM_EXIT_MEMORY)
        return fail_memory(programs, fault);
    return fault_set(fault, FAULT_TEMP, "the worker of the program ended with exit code %d",
                     status >= 0 ? WEXITSTATUS(status) : -1);
}

/* --- one question -------------------------------------------------------------------------------------- */

/* Waits for the socket: 0, or -1 where the deadline came first; the worker is gone then. */
static int wait_for(struct programs *programs, const struct question *question, short events,
                    int64_t deadline_ms, struct fault *fault)
{
    struct pollfd poller = {.fd = programs->fd, .events = events};

    for (;;) {
        int64_t left = deadline_ms - clock_mono_ms();
        int ready = left > 0 ? poll(&poller, 1, left < 1000 ? (int)left : 1000) : 0;
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR) {
            int error = errno;
            worker_stop(programs);
            return fault_errno(fault, error, "poll");
        }
        if (left <= 0) {
            worker_stop(programs);
            return fail_time(question, fault);
        }
    }
}

/* Takes what has been sent off the front of the pieces. */
static void advance(struct iovec **pieces, int *count, size_t sent)
{
    while (*count > 0 && sent >= (*pieces)->iov_len) {
        sent -= (*pieces)->iov_len;
        ++*pieces;
        --*count;
    }
    if (*count > 0) {
        (*pieces)->iov_base = (char *)(*pieces)->iov_base + sent;
        (*pieces)->iov_len -= sent;
    }
}

static int send_question(struct programs *programs, struct question *question, int64_t deadline_ms,
                         struct fault *fault)
{
    struct iovec all[PIECES + 1], *pieces = all;
    int count = question->piece_count + 1;

    all[0] = (struct iovec){&question->header, sizeof question->header};
    for (int i = 0; i < question->piece_count; i++)
        all[i + 1] = question->pieces[i];
    advance(&pieces, &count, 0);
    while (count > 0) {
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
        ssize_t sent = sendmsg(programs->fd, &message, MSG_NOSIGNAL);
        if (sent >= 0)
            advance(&pieces, &count, (size_t)sent);
        else if (errno != EAGAIN && errno != EINTR)
            return fail_dead(programs, question, fault);
        else if (wait_for(programs, question, POLLOUT, deadline_ms, fault))
            return -1;
    }
    return 0;
}

static int receive(struct programs *programs, const struct question *question, char *data, size_t size,
                   int64_t deadline_ms, struct fault *fault)
{
    while (size > 0) {
        ssize_t got = recv(programs->fd, data, size, 0);
        if (got > 0) {
            data += got;
            size -= (size_t)got;
        } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            return fail_dead(programs, question, fault);
        } else if (wait_for(programs, question, POLLIN, deadline_ms, fault)) {
            return -1;
        }
    }
    return 0;
}

/* One that grows from run to run is replaced. */
static void look_at_size(struct programs *programs, const struct question *question,
                         const struct program_answer *answer)
{
    if (question->header.what != PROGRAM_RUN)
        programs->data_bytes = answer->data_bytes;
    else if (answer->data_bytes > programs->data_bytes + programs->limits.memory_bytes / 2)
        worker_stop(programs);
}

/* Asks, and appends the answer's bytes to `out`: what the answer is, or -1. */
static int ask(struct programs *programs, struct question *question, struct buf *out, struct fault *fault)
{
    const int64_t deadline_ms = clock_mono_ms() + question->limit_ms;
    struct program_answer answer;

    question->header.seconds = (uint32_t)(question->limit_ms / 1000 + CPU_SPARE_S);
    for (int i = 0; i < question->piece_count; i++)
        question->header.size += question->pieces[i].iov_len;
    if (send_question(programs, question, deadline_ms, fault) ||
        receive(programs, question, (char *)&answer, sizeof answer, deadline_ms, fault))
        return -1;
    if (answer.what == PROGRAM_NO_MEMORY) {
        worker_stop(programs);
        return fail_memory(programs, fault);
    }
    char *room = buf_room(out, answer.size);
    if (!room || answer.what >= PROGRAM_ANSWERS) {
        worker_stop(programs);
        return fault_set(fault, FAULT_BUG, "the worker of programs gave an answer that is none");
    }
    if (receive(programs, question, room, answer.size, deadline_ms, fault))
        return -1;
    buf_added(out, answer.size);
    look_at_size(programs, question, &answer);
    return (int)answer.what;
}

/* --- programs ------------------------------------------------------------------------------------------ */

struct programs *programs_new(const struct program_limits *limits)
{
    struct programs *programs = xcalloc(1, sizeof *programs);

    programs->limits = *limits;
    if (programs->limits.max_input > PROGRAM_INPUT_MAX)
        programs->limits.max_input = PROGRAM_INPUT_MAX;
    return programs;
}

void programs_free(struct programs *programs)
{
    if (!programs)
        return;
    worker_stop(programs);
    free(programs->slots);
    free(programs);
}

pid_t programs_worker(const struct programs *programs)
{
    return programs->pid;
}

/* A worker that runs, new where it has to be. */
static int need_worker(struct programs *programs, struct fault *fault)
{
    if (worker_is_alive(programs))
        return 0;
    worker_stop(programs);
    return worker_start(programs, fault);
}

static int compile(struct program *program, uint32_t what, struct fault *fault)
{
    struct programs *programs = program->programs;
    struct question question = {
        .header = {.what = what, .slot = program->slot, .memory_bytes = COMPILE_MEMORY},
        .pieces = {{program->text, program->size}},
        .piece_count = 1,
        .limit_ms = programs->limits.compile_ms,
    };
    struct buf text;

    if (need_worker(programs, fault))
        return -1;
    if (programs->limits.memory_bytes > COMPILE_MEMORY)
        question.header.memory_bytes = programs->limits.memory_bytes;
    buf_init(&text, PROGRAM_TEXT_SHOWN);
    int result = ask(programs, &question, &text, fault);
    if (result > 0)
        result = fault_set(fault, FAULT_INPUT, "%s", text_printable(text.data));
    buf_release(&text);
    if (result == 0)
        program->known_by = programs->generation;
    return result;
}

static void take_slot(struct programs *programs, struct program *program)
{
    size_t slot = 0;

    while (slot < programs->slot_count && programs->slots[slot])
        slot++;
    if (slot == programs->slot_count) {
        programs->slots = xreallocarray(programs->slots, slot + 1, sizeof(*programs->slots));
        programs->slot_count++;
    }
    programs->slots[slot] = program;
    program->slot = (uint32_t)slot;
}

struct program *program_compile(struct programs *programs, const char *text, size_t size,
                                enum program_results results, struct fault *fault)
{
    if (size > PROGRAM_TEXT_MAX) {
        fault_set(fault, FAULT_INPUT, "a program has at most %d bytes", PROGRAM_TEXT_MAX);
        return NULL;
    }
    if (memchr(text, '\0', size) || !text_is_utf8(text, size, NULL)) {
        fault_set(fault, FAULT_INPUT, "a program is UTF-8 without a NUL");
        return NULL;
    }
    struct program *program = xcalloc(1, sizeof *program);
    *program = (struct program){
        .programs = programs, .results = results, .text = xmemdupz(text, size), .size = size};
    take_slot(programs, program);
    if (compile(program, PROGRAM_CHECK, fault)) {
        program_free(program);
        return NULL;
    }
    return program;
}

void program_free(struct program *program)
{
    if (!program)
        return;
    struct programs *programs = program->programs;
    struct program_request drop = {
        .what = PROGRAM_DROP, .slot = program->slot, .memory_bytes = COMPILE_MEMORY, .seconds = CPU_SPARE_S};
    /* The worker is idle and its socket empty: the few bytes fit, or it is dead. */
    if (program->known_by == programs->generation && worker_is_alive(programs) &&
        send(programs->fd, &drop, sizeof drop, MSG_NOSIGNAL) != (ssize_t)sizeof drop)
        worker_stop(programs);
    programs->slots[program->slot] = NULL;
    free(program->text);
    free(program);
}

/* --- runs ---------------------------------------------------------------------------------------------- */

/* Whether a double holds the whole number. */
static bool is_exact(const char *number)
{
    errno = 0;
    const long long value = strtoll(number, NULL, 10);
    const double near = (double)value;
    /* Only what rounds up to 2^63 has no way back. */
    return errno == 0 && near < 0x1p63 && (long long)near == value;
}

static int check_number(const char *text, size_t size, struct fault *fault)
{
    if (size <= DIGITS_SAFE && !memchr(text, 'e', size) && !memchr(text, 'E', size))
        return 0;
    char *number = xmemdupz(text, size), cut[NUMBER_SHOWN];
    const bool whole = number[strcspn(number, ".eE")] == '\0';
    const bool kept = whole ? is_exact(number) : isfinite(strtod(number, NULL));
    text_copy(cut, sizeof cut, number);
    free(number);
    return kept
               ? 0
               : fault_set(fault, FAULT_INPUT,
                           "the number %s is none that jq can keep; as a string it would stay as it is", cut);
}

/* Numbers that a double has not: jq would go on with the nearest. Fractions are always the nearest. */
static int check_numbers(const char *text, size_t size, struct fault *fault)
{
    for (size_t at = 0; at < size;) {
        size_t began = at;
        if (text[at] == '"') {
            for (at++; at < size && text[at] != '"'; at++)
                at += text[at] == '\\';
            at++;
        } else if (isdigit((unsigned char)text[at]) || text[at] == '-') {
            while (at < size && (isdigit((unsigned char)text[at]) || (text[at] && strchr("+-.eE", text[at]))))
                at++;
            if (check_number(text + began, at - began, fault))
                return -1;
        } else {
            at++;
        }
    }
    return 0;
}

static void add_variable(struct buf *out, const char *value)
{
    if (value)
        buf_add_json(out, value, strlen(value));
    else
        buf_adds(out, "null");
    buf_addc(out, ',');
}

/* What an answer to a run means. */
static int take_answer(int what, const char *text, size_t max_output, struct fault *fault)
{
    switch (what) {
    case PROGRAM_DONE:
        return 0;
    case PROGRAM_TOO_LARGE:
        return fault_set(fault, FAULT_INPUT, "the result of the program is larger than %zu bytes",
                         max_output);
    case PROGRAM_COUNT:
        return fault_set(fault, FAULT_INPUT, "the program gave %s results, and one is wanted", text);
    default:
        fault_set(fault, FAULT_INPUT, "the program failed: %s", text);
        if (fault)
            text_printable(fault->text);
        return -1;
    }
}

/* FNV-1a */
static uint64_t hash_of(const char *text, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* By chance the first time. The second time it is what the run does to the machine, and would be for ever. */
static int fail_killed(struct program *program, const char *input, size_t size, struct fault *fault)
{
    const uint64_t hash = hash_of(input, size);

    if (program->was_killed && program->input == hash)
        return fault_set(fault, FAULT_INPUT,
                         "the worker of the program was ended by SIGKILL, perhaps for want of memory");
    program->was_killed = true;
    program->input = hash;
    return -1;
}

int program_run(struct program *program, const struct program_variables *variables, const char *input,
                size_t size, struct buf *output, struct fault *fault)
{
    struct programs *programs = program->programs;
    char end[] = "]";
    struct buf head, answer;

    if (size > programs->limits.max_input)
        return fault_set(fault, FAULT_INPUT, "the input of the program is larger than %zu bytes",
                         programs->limits.max_input);
    if (check_numbers(input, size, fault) || need_worker(programs, fault))
        return -1;
    if (program->known_by != programs->generation && compile(program, PROGRAM_COMPILE, fault))
        return -1;
    buf_init(&head, VARIABLES_MAX);
    buf_addc(&head, '[');
    add_variable(&head, variables->tenant);
    add_variable(&head, variables->distribution);
    add_variable(&head, variables->destination);
    if (head.overflow) {
        buf_release(&head);
        return fault_set(fault, FAULT_INPUT, "the variables of a program have at most %d bytes",
                         VARIABLES_MAX);
    }
    const size_t room = output->max - output->len;
    struct question question = {
        .header = {.what = PROGRAM_RUN,
                   .slot = program->slot,
                   .as_array = program->results == PROGRAM_ARRAY,
                   .memory_bytes = programs->limits.memory_bytes,
                   .max_output = room},
        .pieces = {{head.data, head.len}, {(char *)input, size}, {end, 1}},
        .piece_count = 3,
        .limit_ms = programs->limits.run_ms,
    };
    /* A message may be longer than the room of a result. */
    buf_init(&answer, room > PROGRAM_TEXT_SHOWN ? room : PROGRAM_TEXT_SHOWN);
    programs->killed = false;
    int result = ask(programs, &question, &answer, fault);
    if (result < 0 && programs->killed)
        result = fail_killed(program, input, size, fault);
    if (result >= 0)
        result = take_answer(result, answer.data, output->max, fault);
    if (result == 0)
        result = buf_add(output, answer.data, answer.len);
    buf_release(&answer);
    buf_release(&head);
    return result;
}
