/*
 * fork, and not posix_spawn: that one waits for the exec, which may be a disk's. A pidfd tells of the end, so
 * no SIGCHLD handler is needed and nobody else's children are touched.
 *
 *   running --end--> done                         grace_ms: SIGTERM      CHILD_STUCK_MS: SIGKILL
 *   running --timeout_ms--> asked --grace_ms--> killed --CHILD_STUCK_MS--> stuck, done
 *
 * The one hard rule: the group is signalled only while the child is not reaped, because until then its number
 * belongs to nobody else.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <event2/event.h>
#include "xalloc.h"

enum { OUTPUT, ERRORS, RESULT, REPORT, STREAM_COUNT }; /* their descriptors in the child are 1 to 4 */
enum { READ_SIZE = CHILD_ERRORS_MIN, READS_AT_ONCE = 4, READS_AT_END = 64 /* the largest pipe is 1 MiB */ };
enum { LOOK_MS = 20, CANCEL_STEP_MS = 5 };
enum phase { PHASE_RUNNING, PHASE_ASKED, PHASE_KILLED };

struct stream {
    struct child *child;
    int fd; /* -1: ended */
    struct event *event;
    struct buf *kept;
    bool tail; /* the end is kept, not the beginning */
};

struct child {
    struct child_options options;
    child_done done;
    void *arg;
    pid_t pid; /* 0: none, or reaped */
    int pidfd;
    enum phase phase;
    struct event *ended, *timer;
    struct stream streams[STREAM_COUNT];
    struct buf report;
    struct child_end end;
};

/* In the child */

void child_tell(struct child_report report)
{
    /* Less than PIPE_BUF into an empty pipe: whole or not at all, and nobody to tell where it fails. */
    ssize_t written = write(CHILD_REPORT_FD, &report, sizeof report);
    (void)written;
}

static void close_from(int first)
{
    struct rlimit limit;

    if (close_range((unsigned)first, ~0U, 0) == 0)
        return;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    for (int fd = first; (rlim_t)fd < limit.rlim_cur && fd < 1 << 20; fd++)
        close(fd);
}

/* Signals are blocked until here: a handler of the parent's must not run in the child. */
static void default_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        sigaction(number, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child_main(const struct child_options *options, pid_t parent, int input,
                                 const int *pipes)
{
    setsid();
    prctl(PR_SET_PDEATHSIG, options->grace_ms > 0 ? SIGTERM : SIGKILL);
    if (getppid() != parent)
        _exit(127);
    /* All of these are above 4, so none overwrites another. */
    if (dup2(input, 0) < 0 || dup2(pipes[OUTPUT], 1) < 0 || dup2(pipes[ERRORS], 2) < 0 ||
        (pipes[RESULT] >= 0 && dup2(pipes[RESULT], CHILD_RESULT_FD) < 0) ||
        dup3(pipes[REPORT], CHILD_REPORT_FD, O_CLOEXEC) < 0 || chdir("/") < 0)
        _exit(127);
    if (pipes[RESULT] < 0)
        close(CHILD_RESULT_FD);
    close_from(CHILD_REPORT_FD + 1);
    default_signals();
    _exit(options->run(options->arg));
}

/* In the parent */

static void stream_close(struct stream *stream)
{
    if (stream->event)
        event_free(stream->event);
    if (stream->fd >= 0)
        close(stream->fd);
    stream->event = NULL;
    stream->fd = -1;
}

static void child_free(struct child *child)
{
    for (int i = 0; i < STREAM_COUNT; i++)
        stream_close(&child->streams[i]);
    if (child->ended)
        event_free(child->ended);
    if (child->timer)
        event_free(child->timer);
    if (child->pidfd >= 0)
        close(child->pidfd);
    buf_release(&child->report);
    buf_release(&child->end.output);
    buf_release(&child->end.errors);
    buf_release(&child->end.result);
    free(child);
}

static void signal_group(const struct child *child, int number)
{
    /* Just after the fork there is no such group yet. */
    if (kill(-child->pid, number) < 0)
        kill(child->pid, number);
}

static void reap(struct child *child)
{
    int status;

    if (waitpid(child->pid, &status, WNOHANG) != child->pid)
        return;
    child->pid = 0;
    if (WIFEXITED(status))
        child->end.exit_code = WEXITSTATUS(status);
    else
        child->end.signal = WTERMSIG(status);
}

static void stream_keep(struct stream *stream, const char *data, size_t size)
{
    struct buf *kept = stream->kept;
    size_t room = kept->max - kept->len;

    if (stream->tail && size > room) { /* size is at most half of max */
        size_t half = kept->max / 2, keep = kept->len < half ? kept->len : half;
        memmove(kept->data, kept->data + kept->len - keep, keep);
        buf_cut(kept, keep);
        room = kept->max - keep;
    }
    buf_add(kept, data, size < room ? size : room);
}

/* Reads what is there, so many times at most; the stream is closed at its end. */
static void stream_read(struct stream *stream, int times)
{
    char data[READ_SIZE];

    while (stream->fd >= 0 && times-- > 0) {
        ssize_t size = read(stream->fd, data, sizeof data);
        if (size > 0)
            stream_keep(stream, data, (size_t)size);
        else if (size == 0 || (errno != EAGAIN && errno != EINTR))
            stream_close(stream);
        else if (errno == EAGAIN)
            return;
    }
}

static void on_stream(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    stream_read(arg, READS_AT_ONCE);
}

static void child_finish(struct child *child)
{
    for (int i = 0; i < STREAM_COUNT; i++)
        stream_read(&child->streams[i], READS_AT_END);
    if (child->report.len == sizeof child->end.report)
        memcpy(&child->end.report, child->report.data, sizeof child->end.report);
    child->done(child->arg, &child->end);
    child_free(child);
}

static void child_ended(struct child *child)
{
    if (child->end.timed_out)
        signal_group(child, SIGKILL); /* those of the group that did not heed SIGTERM */
    reap(child);
    child_finish(child);
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    child_ended(arg);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct child *child = arg;
    siginfo_t info = {0};

    (void)fd;
    (void)what;
    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child->pid)
        child_ended(child);
}

static void child_wait(struct child *child, int64_t ms)
{
    struct timeval wait = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    if (evtimer_add(child->timer, &wait) < 0)
        abort(); /* libevent is out of memory, as in xalloc */
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct child *child = arg;

    (void)fd;
    (void)what;
    if (child->end.failed) {
        child_finish(child);
        return;
    }
    child->end.timed_out = true;
    if (child->phase == PHASE_RUNNING && child->options.grace_ms > 0) {
        child->phase = PHASE_ASKED;
        signal_group(child, SIGTERM);
        child_wait(child, child->options.grace_ms);
    } else if (child->phase != PHASE_KILLED) {
        child->phase = PHASE_KILLED;
        signal_group(child, SIGKILL);
        child_wait(child, CHILD_STUCK_MS);
    } else {
        child->end.stuck = true;
        child_finish(child);
    }
}

/* The descriptor moved above those that the child gets; closes the old one. */
static int lift(int fd)
{
    if (fd < 0 || fd > CHILD_REPORT_FD)
        return fd;
    int lifted = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_REPORT_FD + 1);
    int error = errno;
    close(fd);
    errno = error;
    return lifted;
}

static int open_pipe(struct stream *stream, int *write_end)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    *write_end = lift(ends[1]);
    stream->fd = ends[0];
    return *write_end < 0 ? -1 : fcntl(stream->fd, F_SETFL, O_NONBLOCK);
}

/* Returns what failed, with errno, or NULL. */
static const char *fork_child(struct child *child, int input, const int *pipes)
{
    pid_t parent = getpid();
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    child->pid = fork();
    if (child->pid == 0)
        child_main(&child->options, parent, input, pipes);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    if (child->pid < 0) {
        child->pid = 0;
        return "fork";
    }
    child->pidfd = pidfd_open(child->pid, 0);
    return NULL;
}

static const char *launch(struct child *child)
{
    int input, pipes[STREAM_COUNT] = {[OUTPUT] = -1, [ERRORS] = -1, [RESULT] = -1, [REPORT] = -1};
    const char *failed = NULL;

    if (child->options.input >= 0)
        input = fcntl(child->options.input, F_DUPFD_CLOEXEC, CHILD_REPORT_FD + 1);
    else
        input = lift(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (input < 0)
        failed = "open";
    for (int i = 0; i < STREAM_COUNT && !failed; i++)
        if ((i != RESULT || child->options.max_result) && open_pipe(&child->streams[i], &pipes[i]) < 0)
            failed = "pipe";
    if (!failed)
        failed = fork_child(child, input, pipes);
    int error = errno;
    for (int i = 0; i < STREAM_COUNT; i++)
        if (pipes[i] >= 0)
            close(pipes[i]);
    if (input >= 0)
        close(input);
    errno = error;
    return failed;
}

static void watch(struct event **event, struct event_base *base, int fd, event_callback_fn callback,
                  void *arg)
{
    const struct timeval look = {.tv_usec = LOOK_MS * 1000};

    *event = event_new(base, fd, (short)(EV_PERSIST | (fd < 0 ? 0 : EV_READ)), callback, arg);
    if (!*event || event_add(*event, fd < 0 ? &look : NULL) < 0)
        abort(); /* libevent is out of memory, as in xalloc */
}

static void child_watch(struct child *child)
{
    struct event_base *base = child->options.base;

    watch(&child->ended, base, child->pidfd, child->pidfd < 0 ? on_look : on_ended, child);
    for (int i = 0; i < STREAM_COUNT; i++)
        if (child->streams[i].fd >= 0)
            watch(&child->streams[i].event, base, child->streams[i].fd, on_stream, &child->streams[i]);
    child_wait(child, child->options.timeout_ms > 0 ? child->options.timeout_ms : 0);
}

struct child *child_start(const struct child_options *options, child_done done, void *arg)
{
    struct child *child = xcalloc(1, sizeof *child);

    *child = (struct child){.options = *options, .done = done, .arg = arg, .pidfd = -1};
    child->end.exit_code = -1;
    buf_init(&child->end.output, options->max_output);
    buf_init(&child->end.errors, 2 * (size_t)READ_SIZE);
    buf_init(&child->end.result, options->max_result);
    buf_init(&child->report, sizeof child->end.report);
    child->streams[OUTPUT] = (struct stream){.child = child, .fd = -1, .kept = &child->end.output};
    child->streams[ERRORS] =
        (struct stream){.child = child, .fd = -1, .kept = &child->end.errors, .tail = true};
    child->streams[RESULT] = (struct stream){.child = child, .fd = -1, .kept = &child->end.result};
    child->streams[REPORT] = (struct stream){.child = child, .fd = -1, .kept = &child->report};
    child->timer = evtimer_new(options->base, on_timer, child);
    if (!child->timer)
        abort(); /* libevent is out of memory, as in xalloc */
    child->end.failed = launch(child);
    if (child->end.failed) {
        child->end.error = errno;
        child_wait(child, 0); /* told by the timer: never from here */
    } else {
        child_watch(child);
    }
    return child;
}

void child_cancel(struct child *child)
{
    struct pollfd end = {.fd = child->pidfd, .events = POLLIN}; /* where it is -1, poll() just waits */

    if (child->pid > 0)
        signal_group(child, SIGKILL);
    for (int waited_ms = 0; child->pid > 0 && waited_ms <= CHILD_CANCEL_MS; waited_ms += CANCEL_STEP_MS) {
        poll(&end, 1, CANCEL_STEP_MS);
        reap(child);
    }
    child_free(child);
}
