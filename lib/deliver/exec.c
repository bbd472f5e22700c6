/*
 * exec - a command gets the body on its standard input
 *
 *   stdin       the body, a sealed file in memory: it need not be read, and can be read twice
 *   arguments   as configured, placeholders filled in; no shell
 *   environment PATH, LANG, DIST_TENANT_ID, DIST_DISTRIBUTION_ID, DIST_DELIVERY_ID, DIST_DATA_TYPE,
 *               DIST_CONTENT_TYPE, DIST_ATTEMPT, DIST_DESTINATION, DIST_RESULT_FD, DIST_HEADER_*, what the
 * form adds, and nothing else folder      as configured, / limits      as configured; no core file stdout
 * kept as the response; where there is none, the end of stderr stderr      its last line is the outcome's
 * text 3           what it says itself of how it went: exec_result.h exit code   see outcomes_exec.c; of a
 * result, 0 alone confirms "delivered"
 *
 * No secret reaches it: arguments and environments are readable to others. At the deadline its process group
 * gets SIGTERM, two seconds later SIGKILL. What it leaves in the background when it ends by itself goes on
 * unwatched.
 */
#include "placeholders.h"
#include "pending.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "child.h"
#include "excerpt.h"
#include "exec_result.h"
#include "ceilings.h"
#include "num.h"
#include "text.h"
#include "xalloc.h"

#define GRACE_MS 2000

enum { ARGUMENT_MAX = 128 * 1024 /* the kernel's MAX_ARG_STRLEN */ };

struct exec {
    struct pending pending; /* first */
    struct child *child;
    char **argv, **envp; /* ended by NULL */
};

static void free_list(char **list)
{
    for (char **item = list; item && *item; item++)
        free(*item);
    free(list);
}

static void exec_free(struct pending *pending)
{
    struct exec *exec = (struct exec *)pending;

    if (exec->child)
        child_cancel(exec->child);
    free_list(exec->argv);
    free_list(exec->envp);
    pending_release(pending);
    free(exec);
}

/* In the child. */

enum step { STEP_NONE, STEP_FOLDER, STEP_LIMITS, STEP_PROGRAM };

/* Down only: what this process itself may not have, it cannot give. */
static int set_limit(int resource, int64_t value)
{
    struct rlimit limit;

    if (getrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return -1;
    if (limit.rlim_max == RLIM_INFINITY || (rlim_t)value < limit.rlim_max)
        limit.rlim_max = (rlim_t)value;
    limit.rlim_cur = limit.rlim_max;
    if (resource == RLIMIT_CPU && limit.rlim_max != RLIM_INFINITY)
        limit.rlim_cur = limit.rlim_max > 1 ? limit.rlim_max - 1 : 1; /* SIGXCPU before SIGKILL */
    return setrlimit((__rlimit_resource_t)resource, &limit);
}

static int set_limits(const struct exec_limits *limits)
{
    const struct {
        int resource;
        int64_t value;
    } wanted[] = {
        {RLIMIT_CPU, limits->cpu_s ? limits->cpu_s + 1 : 0},
        {RLIMIT_AS, limits->memory},
        {RLIMIT_FSIZE, limits->file_size},
        {RLIMIT_NOFILE, limits->open_files},
        {RLIMIT_NPROC, limits->processes},
    };

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (wanted[i].value && set_limit(wanted[i].resource, wanted[i].value) < 0)
            return -1;
    return set_limit(RLIMIT_CORE, 0); /* the body may be in it */
}

static int fail_step(enum step step)
{
    child_tell((struct child_report){.what = (int)step, .error = errno});
    return 127;
}

static int run_command(void *arg)
{
    struct exec *exec = arg;
    const struct destination *destination = exec->pending.attempt.destination;

    if (destination->folder && chdir(destination->folder) < 0)
        return fail_step(STEP_FOLDER);
    if (set_limits(&destination->limits) < 0)
        return fail_step(STEP_LIMITS);
    umask((mode_t)destination->umask);
    execve(exec->argv[0], exec->argv, exec->envp);
    return fail_step(STEP_PROGRAM);
}

/* The end */

/* Whether the system may start it later: it lacked something, or the file was being written. */
static bool may_start_later(int error)
{
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE || error == ETXTBSY ||
           error == EIO;
}

/* `note`: why its result is not used; "" where there is none. */
static void set_by_code(struct exec *exec, const struct child_end *end, const char *line, const char *note)
{
    const struct answer *answer = outcomes_by_code(&outcomes_exec, end->exit_code);
    struct buf *response = &exec->pending.outcome.response;
    char said[EXCERPT_SIZE + 300];

    snprintf(said, sizeof said, "%s%s%s", line, *line && *note ? "; " : "", note);
    line = said;
    if (answer->kind == OUTCOME_DELIVERED && *note) /* a success has no text */
        buf_addf(response, "%s%s\n", response->len ? "\n" : "", note);
    if (answer->kind == OUTCOME_DELIVERED)
        pending_set(&exec->pending, answer, end->exit_code, "%s", "");
    else
        pending_set(&exec->pending, answer, end->exit_code, "exit code %d%s%s", end->exit_code,
                    *line ? ": " : "", line);
}

static void set_ended(struct exec *exec, const struct child_end *end, const char *line)
{
    struct pending *pending = &exec->pending;
    struct exec_result result;
    struct fault fault = {0};
    char note[300] = "";

    if (end->result.len == 0) {
        set_by_code(exec, end, line, "");
    } else if (exec_result_read(end->result.data, end->result.len, &result, &fault) < 0) {
        snprintf(note, sizeof note, "its result on descriptor 3 is not used: %.200s", fault.text);
        set_by_code(exec, end, line, text_printable(note));
    } else if (result.event == EVENT_SAID_DELIVERED && end->exit_code != 0) {
        set_by_code(exec, end, line, "although its result says delivered");
    } else {
        bool delivered = result.event == EVENT_SAID_DELIVERED;
        pending_set(pending, outcomes_by_event(&outcomes_exec, result.event),
                    result.code < 0 ? end->exit_code : result.code, "%s",
                    delivered      ? ""
                    : *result.text ? result.text
                    : *line        ? line
                                   : "its result says so");
        pending->outcome.retry_after_ms = delivered ? -1 : result.retry_after_ms;
    }
}

static void set_signalled(struct exec *exec, const struct child_end *end, const char *line)
{
    const char *name = sigdescr_np(end->signal);

    pending_set(&exec->pending, outcomes_by_event(&outcomes_exec, EVENT_SIGNAL), 128 + end->signal,
                "killed by signal %d (%s)%s%s", end->signal, name ? name : "unknown", *line ? ": " : "",
                line);
}

static void set_not_started(struct exec *exec, const struct child_report *report)
{
    const char *folder = exec->pending.attempt.destination->folder;
    const char *what[] = {
        [STEP_NONE] = "", [STEP_FOLDER] = folder, [STEP_LIMITS] = "limits", [STEP_PROGRAM] = exec->argv[0]};

    pending_set_event(&exec->pending, may_start_later(report->error) ? EVENT_SYSTEM : EVENT_NOT_STARTABLE,
                      "%s: %s", what[report->what], strerror(report->error));
}

/* The beginning of stdout; where it said nothing there, the end of stderr. */
static void keep_response(struct buf *response, const struct child_end *end)
{
    size_t room = response->max, skipped = end->errors.len > room ? end->errors.len - room : 0;

    if (end->output.len)
        buf_add(response, end->output.data, end->output.len);
    else if (end->errors.len)
        buf_add(response, end->errors.data + skipped, end->errors.len - skipped);
}

static void on_end(void *arg, struct child_end *end)
{
    struct exec *exec = arg;
    struct pending *pending = &exec->pending;
    char line[EXCERPT_SIZE], limit[NUM_DURATION_SIZE];

    exec->child = NULL; /* it is gone when this returns */
    keep_response(&pending->outcome.response, end);
    excerpt_last_line(&end->errors, line);
    if (end->failed)
        pending_set_event(pending, EVENT_SYSTEM, "%s: %s", end->failed, strerror(end->error));
    else if (end->report.error)
        set_not_started(exec, &end->report);
    else if (end->timed_out)
        pending_set_event(pending, EVENT_TIMEOUT, "killed after %s%s%s",
                          num_format_duration(pending->attempt.destination->timeout_ms, limit),
                          *line ? ": " : "", line);
    else if (end->exit_code < 0)
        set_signalled(exec, end, line);
    else
        set_ended(exec, end, line);
    pending_report(&exec->pending);
}

/* The start */

static int set_arguments(struct exec *exec, struct fault *fault)
{
    json_t *command = exec->pending.attempt.destination->command;
    struct placeholders values = pending_placeholders(&exec->pending, false);
    size_t count = json_array_size(command);

    exec->argv = xcalloc(count + 1, sizeof *exec->argv);
    for (size_t i = 0; i < count; i++) {
        const char *pattern = json_string_value(json_array_get(command, i));
        struct buf argument;
        buf_init(&argument, ARGUMENT_MAX);
        int result = i == 0 ? buf_adds(&argument, pattern)
                            : placeholders_expand(pattern, &values, ESCAPE_NONE, &argument, fault);
        if (result == 0)
            exec->argv[i] = xmemdupz(argument.data, argument.len);
        buf_release(&argument);
        if (result < 0)
            return fault_wrap(fault, "argument %zu", i);
    }
    return 0;
}

/* "DIST_HEADER_CONTENT_ENCODING=gzip" */
static char *header_variable(const char *name, const char *value)
{
    static const char prefix[] = "DIST_HEADER_";
    char *variable = xasprintf("%s%s=%s", prefix, name, value);

    for (char *c = variable + strlen(prefix); *c != '='; c++)
        *c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
    return variable;
}

static int add_variable(struct exec *exec, size_t *used, const char *name, const char *pattern,
                        struct fault *fault)
{
    struct placeholders values = pending_placeholders(&exec->pending, false);
    struct buf value;

    buf_init(&value, ARGUMENT_MAX);
    int result = placeholders_expand(pattern, &values, ESCAPE_NONE, &value, fault);
    if (result == 0)
        exec->envp[(*used)++] = xasprintf("%s=%.*s", name, (int)value.len, value.len ? value.data : "");
    buf_release(&value);
    return result == 0 ? 0 : fault_wrap(fault, "environment: %s", name);
}

/* The form's own may say PATH and LANG in another way. */
static int set_environment(struct exec *exec, struct fault *fault)
{
    const struct attempt *attempt = &exec->pending.attempt;
    const json_t *own = attempt->destination->environment;
    const struct {
        const char *name, *value;
    } variables[] = {
        {"DIST_TENANT_ID", attempt->tenant_id},       {"DIST_DISTRIBUTION_ID", attempt->distribution_id},
        {"DIST_DELIVERY_ID", attempt->message_id},    {"DIST_DATA_TYPE", attempt->data_type},
        {"DIST_CONTENT_TYPE", attempt->content_type}, {"DIST_DESTINATION", attempt->destination->name},
    };
    size_t count = sizeof variables / sizeof *variables, used = 0;
    const char *header;
    json_t *value;

    exec->envp =
        xcalloc(count + json_object_size(attempt->headers) + json_object_size(own) + 5, sizeof *exec->envp);
    if (!json_object_get(own, "PATH"))
        exec->envp[used++] = xstrdup("PATH=/usr/local/bin:/usr/bin:/bin");
    if (!json_object_get(own, "LANG"))
        exec->envp[used++] = xstrdup("LANG=C.UTF-8");
    exec->envp[used++] = xasprintf("DIST_RESULT_FD=%d", CHILD_RESULT_FD);
    exec->envp[used++] = xasprintf("DIST_ATTEMPT=%d", attempt->number);
    for (size_t i = 0; i < count; i++)
        exec->envp[used++] =
            xasprintf("%s=%s", variables[i].name, variables[i].value ? variables[i].value : "");
    json_object_foreach ((json_t *)attempt->headers, header, value)
        exec->envp[used++] = header_variable(header, json_string_value(value));
    json_object_foreach ((json_t *)own, header, value)
        if (add_variable(exec, &used, header, json_string_value(value), fault) < 0)
            return -1;
    return 0;
}

/* The body as a file that nobody can change, at its beginning. -1 with errno. */
static int open_body(const struct attempt *attempt)
{
    int fd = memfd_create("dist-body", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    const char *body = attempt->body;
    size_t left = attempt->body_size;

    while (fd >= 0 && left > 0) {
        ssize_t size = write(fd, body, left);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            goto failed;
        body += size;
        left -= (size_t)size;
    }
    if (fd < 0 || (lseek(fd, 0, SEEK_SET) == 0 &&
                   fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0))
        return fd;
failed:;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void start_command(struct exec *exec)
{
    const struct attempt *attempt = &exec->pending.attempt;
    int body = open_body(attempt);

    if (body < 0) {
        pending_set_event(&exec->pending, EVENT_SYSTEM, "memfd: %s", strerror(errno));
        pending_report_later(&exec->pending);
        return;
    }
    const struct child_options options = {
        .base = exec->pending.base,
        .run = run_command,
        .arg = exec,
        .input = body,
        .timeout_ms = attempt->destination->timeout_ms,
        .grace_ms = GRACE_MS,
        .max_output = LIMIT_RESPONSE,
        .max_result = EXEC_RESULT_MAX + 1, /* so that one too many is seen */
    };
    exec->child = child_start(&options, on_end, exec);
    close(body);
}

static struct attempt_handle *exec_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    struct exec *exec = xcalloc(1, sizeof *exec);
    struct fault fault = {0};

    pending_init(&exec->pending, &adapter_exec, context, attempt, done, arg, exec_free);
    if (set_arguments(exec, &fault) == 0 && set_environment(exec, &fault) == 0) {
        start_command(exec);
    } else {
        pending_set_misconfigured(&exec->pending, "command", &fault);
        pending_report_later(&exec->pending);
    }
    return &exec->pending.handle;
}

static void exec_cancel(struct attempt_handle *handle)
{
    exec_free((struct pending *)handle);
}

static int exec_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    const char *program = json_string_value(json_array_get(destination->command, 0));
    struct stat status;
    (void)context;
    (void)secret;

    if (stat(program, &status) < 0 || !S_ISREG(status.st_mode) || euidaccess(program, X_OK) < 0)
        return fault_set(fault, FAULT_CONFIG, "the command %s cannot be run", program);
    if (stat(destination->folder, &status) < 0)
        return fault_set(fault, FAULT_CONFIG, "folder: %s: %s", destination->folder, strerror(errno));
    if (!S_ISDIR(status.st_mode) || euidaccess(destination->folder, X_OK) < 0)
        return fault_set(fault, FAULT_CONFIG, "folder: %s cannot be entered", destination->folder);
    return 0;
}

const struct adapter adapter_exec = {PROTOCOL_EXEC, &outcomes_exec, exec_start, exec_cancel, exec_check};
