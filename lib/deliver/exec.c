/*
 * exec - a command gets the body on its standard input
 *
 *   stdin       the body, a sealed file in memory: it need not be read, and can be read twice
 *   arguments   as configured, placeholders filled in; no shell
 *   environment PATH, DIST_TENANT_ID, DIST_DISTRIBUTION_ID, DIST_DELIVERY_ID, DIST_DATA_TYPE,
 *               DIST_CONTENT_TYPE, DIST_ATTEMPT, DIST_DESTINATION, and nothing else
 *   folder      /
 *   stdout      kept as the response
 *   stderr      its last line is the outcome's text
 *   exit code   see outcomes_exec.c
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
#include <sys/stat.h>
#include <unistd.h>
#include "child.h"
#include "excerpt.h"
#include "ceilings.h"
#include "num.h"
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
static int run_command(void *arg)
{
    struct exec *exec = arg;

    execve(exec->argv[0], exec->argv, exec->envp);
    child_tell((struct child_report){.error = errno});
    return 127;
}

/* The end */

/* Whether the system may start it later: it lacked something, or the file was being written. */
static bool may_start_later(int error)
{
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE || error == ETXTBSY ||
           error == EIO;
}

static void set_ended(struct exec *exec, const struct child_end *end, const char *line)
{
    const struct answer *answer = outcomes_by_code(&outcomes_exec, end->exit_code);

    if (answer->kind == OUTCOME_DELIVERED)
        pending_set(&exec->pending, answer, end->exit_code, "%s", "");
    else
        pending_set(&exec->pending, answer, end->exit_code, "exit code %d%s%s", end->exit_code,
                    *line ? ": " : "", line);
}

static void set_signalled(struct exec *exec, const struct child_end *end, const char *line)
{
    const char *name = sigdescr_np(end->signal);

    pending_set(&exec->pending, outcomes_by_event(&outcomes_exec, EVENT_SIGNAL), 128 + end->signal,
                "killed by signal %d (%s)%s%s", end->signal, name ? name : "unknown", *line ? ": " : "",
                line);
}

static void on_end(void *arg, struct child_end *end)
{
    struct exec *exec = arg;
    struct pending *pending = &exec->pending;
    char line[EXCERPT_SIZE], limit[NUM_DURATION_SIZE];

    exec->child = NULL; /* it is gone when this returns */
    buf_add(&pending->outcome.response, end->output.data, end->output.len);
    excerpt_last_line(&end->errors, line);
    if (end->failed)
        pending_set_event(pending, EVENT_SYSTEM, "%s: %s", end->failed, strerror(end->error));
    else if (end->report.error)
        pending_set_event(pending, may_start_later(end->report.error) ? EVENT_SYSTEM : EVENT_NOT_STARTABLE,
                          "%s: %s", exec->argv[0], strerror(end->report.error));
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

static void set_environment(struct exec *exec)
{
    const struct attempt *attempt = &exec->pending.attempt;
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

    exec->envp = xcalloc(count + json_object_size(attempt->headers) + 3, sizeof *exec->envp);
    exec->envp[used++] = xstrdup("PATH=/usr/local/bin:/usr/bin:/bin");
    exec->envp[used++] = xasprintf("DIST_ATTEMPT=%d", attempt->number);
    for (size_t i = 0; i < count; i++)
        exec->envp[used++] =
            xasprintf("%s=%s", variables[i].name, variables[i].value ? variables[i].value : "");
    json_object_foreach ((json_t *)attempt->headers, header, value)
        exec->envp[used++] = header_variable(header, json_string_value(value));
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
    if (set_arguments(exec, &fault) < 0) {
        pending_set_misconfigured(&exec->pending, "command", &fault);
        pending_report_later(&exec->pending);
    } else {
        set_environment(exec);
        start_command(exec);
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

    if (stat(program, &status) == 0 && S_ISREG(status.st_mode) && euidaccess(program, X_OK) == 0)
        return 0;
    return fault_set(fault, FAULT_CONFIG, "the command %s cannot be run", program);
}

const struct adapter adapter_exec = {PROTOCOL_EXEC, &outcomes_exec, exec_start, exec_cancel, exec_check};
