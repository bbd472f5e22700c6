/*
 * file - the body as a new file
 *
 * The path's folder must exist, unless the form says that it is made; the file must not, unless it has the
 * same bytes: then an earlier attempt of ours was killed after its work, and the report is delivered. A
 * report never replaces another one's file. The work is done in a child process, because a disk may block for
 * long (file_write.h).
 */
#include "placeholders.h"
#include "pending.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "child.h"
#include "file_owner.h"
#include "file_write.h"
#include "num.h"
#include "xalloc.h"

struct file {
    struct pending pending; /* first */
    struct child *child;
    char *folder, *name, *temporary;
    struct file_write write;
};

static void file_free(struct pending *pending)
{
    struct file *file = (struct file *)pending;

    if (file->child)
        child_cancel(file->child);
    free(file->folder);
    free(file->name);
    free(file->temporary);
    pending_release(pending);
    free(file);
}

/* In the child. */
static int write_in_child(void *arg)
{
    struct file *file = arg;
    struct child_report report = {0};

    report.what = (int)file_write(&file->write, &report.error);
    child_tell(report);
    return 0;
}

static void set_failed(struct file *file, int error)
{
    pending_set(&file->pending, outcomes_by_code(&outcomes_file, error), 0, "%s%s%s: %s", file->folder,
                error == ENOENT ? "" : "/", error == ENOENT ? "" : file->name, strerror(error));
}

static void set_written(struct file *file, const struct child_end *end)
{
    struct pending *pending = &file->pending;

    switch ((enum file_end)end->report.what) {
    case FILE_WRITTEN:
        pending_set_event(pending, EVENT_WRITTEN, "%s", "");
        break;
    case FILE_THERE_ALREADY:
        pending_set_event(pending, EVENT_THERE_ALREADY, "already there: an earlier attempt wrote it");
        break;
    case FILE_EXISTS:
        pending_set_event(pending, EVENT_EXISTS, "%s/%s exists with other content", file->folder, file->name);
        break;
    case FILE_BUSY:
        pending_set_event(pending, EVENT_BUSY, "another attempt is writing %s/%s", file->folder, file->name);
        break;
    case FILE_FAILED:
        set_failed(file, end->report.error);
        break;
    case FILE_UNKNOWN:
        pending_set_event(pending, EVENT_KILLED, "the writing process was killed by signal %d", end->signal);
        break;
    }
}

static void on_end(void *arg, struct child_end *end)
{
    struct file *file = arg;
    struct pending *pending = &file->pending;
    char limit[NUM_DURATION_SIZE];

    file->child = NULL; /* it is gone when this returns */
    if (end->failed)
        pending_set_event(pending, EVENT_SYSTEM, "%s: %s", end->failed, strerror(end->error));
    else if (end->report.what == FILE_UNKNOWN && end->timed_out)
        pending_set_event(pending, EVENT_TIMEOUT, "not written within %s%s",
                          num_format_duration(pending->attempt.destination->timeout_ms, limit),
                          end->stuck ? "; the disk does not let the process end" : "");
    else
        set_written(file, end);
    pending_report(&file->pending);
}

/* The bytes of a path up to the last '/' before any placeholder: what the operator alone has written. */
static size_t literal_folder(const char *path)
{
    size_t size = strcspn(path, "{");

    while (size > 1 && path[size - 1] != '/')
        size--;
    return size;
}

/* The pattern filled in and cut at its last slash. */
static int file_set_names(struct file *file, struct fault *fault)
{
    struct placeholders values = pending_placeholders(&file->pending, false);
    struct buf path, temporary;
    char *slash = NULL;

    buf_init(&path, PATH_MAX);
    buf_init(&temporary, NAME_MAX);
    int result =
        placeholders_expand(file->pending.attempt.destination->path, &values, ESCAPE_PATH, &path, fault);
    if (result == 0)
        slash = strrchr(path.data, '/');
    if (result == 0 && (!slash || slash[1] == '\0'))
        result = fault_set(fault, FAULT_CONFIG, "no file name at its end");
    if (result == 0)
        result = placeholders_expand(".dist-{delivery_id}.tmp", &values, ESCAPE_PATH, &temporary, fault);
    if (result == 0 && slash) {
        file->name = xstrdup(slash + 1);
        file->folder = xmemdupz(path.data, slash == path.data ? 1 : (size_t)(slash - path.data));
        file->temporary = xstrdup(temporary.data);
    }
    buf_release(&path);
    buf_release(&temporary);
    return result;
}

static void set_write(struct file *file)
{
    const struct attempt *attempt = &file->pending.attempt;
    const struct destination *destination = attempt->destination;

    file->write = (struct file_write){
        .folder = file->folder,
        .fixed = literal_folder(destination->path),
        .name = file->name,
        .temporary = file->temporary,
        .body = attempt->body,
        .size = attempt->body_size,
        .mode = (mode_t)destination->mode,
        .sync = destination->sync,
        .owned = destination->owner.name || destination->group.name,
        .owner = destination->owner.name ? destination->owner.id : (uid_t)-1,
        .group = destination->group.name ? destination->group.id : (gid_t)-1,
        .make_folders = destination->make_folders,
        .folder_mode = (mode_t)destination->folder_mode,
    };
}

static struct attempt_handle *file_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    struct file *file = xcalloc(1, sizeof *file);
    struct fault fault = {0};

    pending_init(&file->pending, &adapter_file, context, attempt, done, arg, file_free);
    if (file_owner_known(attempt->destination, &fault) < 0) {
        pending_set(&file->pending, outcomes_by_code(&outcomes_file, EPERM), 0, "%s", fault.text);
        pending_report_later(&file->pending);
        return &file->pending.handle;
    }
    if (file_set_names(file, &fault) < 0) {
        pending_set_misconfigured(&file->pending, "path", &fault);
        pending_report_later(&file->pending);
        return &file->pending.handle;
    }
    set_write(file);
    const struct child_options options = {
        .base = context->base,
        .run = write_in_child,
        .arg = file,
        .input = -1,
        .timeout_ms = attempt->destination->timeout_ms,
    };
    file->child = child_start(&options, on_end, file);
    return &file->pending.handle;
}

static void file_cancel(struct attempt_handle *handle)
{
    file_free((struct pending *)handle);
}

/* The nearest folder above that is there: what is missing below is made in it. */
static void cut_missing(char *folder)
{
    char *slash;

    while (access(folder, F_OK) < 0 && errno == ENOENT && (slash = strrchr(folder, '/')) != NULL)
        slash[slash == folder] = '\0'; /* "/" is there */
}

/* The folders that do not depend on the report must be there, or can be made; the last one must take files.
 */
static int file_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    const char *path = destination->path, *placeholder = strchr(path, '{');
    bool last = !placeholder || !strchr(placeholder, '/');
    char *folder = xmemdupz(path, literal_folder(path));
    int result = file_owner_check(destination, fault);
    (void)context;
    (void)secret;

    if (destination->make_folders)
        cut_missing(folder);
    if (result == 0 && euidaccess(folder, last || destination->make_folders ? W_OK | X_OK : X_OK) < 0)
        result = fault_set(fault, FAULT_CONFIG, "%s: %s", folder, strerror(errno));
    free(folder);
    return result;
}

const struct adapter adapter_file = {PROTOCOL_FILE, &outcomes_file, file_start, file_cancel, file_check};
