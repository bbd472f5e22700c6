/*
 * intake - see intake.h
 */
#include "intake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "await.h"
#include "clock.h"
#include "describe.h"
#include "envelope.h"
#include "fdio.h"
#include "ceilings.h"
#include "lines.h"
#include "msg.h"
#include "tool.h"
#include "xalloc.h"

/* One input: a file or standard input. */
struct source {
    struct intake *intake;
    const char *name; /* in messages */
    const char *content_type;
    int fd;
    struct lines *lines; /* where it is read by lines */
    struct buf *out;     /* of lines, for what is printed */
};

static void reject(struct intake *intake, const char *name, uint64_t number, const struct fault *fault)
{
    intake->rejected++;
    intake->last_class = fault->class;
    if (number)
        msg(MSG_ERROR, "%s:%llu: %s", name, (unsigned long long)number, fault->text);
    else if (name)
        msg(MSG_ERROR, "%s: %s", name, fault->text);
    else
        msg_fault(fault);
}

/* What is printed of a job that is kept, here or in the spool. */
static void print(struct source *source, const struct job *job, const char *status, const char *id)
{
    const struct intake *intake = source->intake;
    struct fault problem = {0};

    if (intake->json)
        describe_job(job, status, id, source->out, &problem);
    else if (!intake->quiet)
        buf_addf(source->out, "%s\n", id);
    if (source->out->overflow || problem.class) /* never: the buffer has room for a batch */
        msg(MSG_ERROR, "%s: %s, and could not be printed", id, status);
}

/* Called for each submission once its transaction has committed. */
static void accepted(void *arg, const struct submission *item, uint64_t number)
{
    struct source *source = arg;
    struct intake *intake = source->intake;
    bool same = item->result == SUBMIT_SAME;

    if (item->result == SUBMIT_CONFLICT || item->result == SUBMIT_REFUSED) {
        reject(intake, source->name, number, &item->fault);
        return;
    }
    if (same)
        msg(MSG_INFO, "%s was accepted before", item->distribution_id);
    if (intake->wait) {
        intake->waiting = xreallocarray(intake->waiting, intake->waiting_count + 1, sizeof *intake->waiting);
        intake->waiting[intake->waiting_count++] = xstrdup(item->distribution_id);
    }
    print(source, item->job, same ? "duplicate" : "accepted", item->distribution_id);
}

/* The batch into the spool. What had no room is the caller's to submit again: of it nothing is printed. */
static int keep(struct source *source, struct fault *fault)
{
    struct intake *intake = source->intake;
    struct submit *submit = &intake->submit;
    struct job *jobs[SUBMIT_BATCH];
    size_t kept = 0;
    int result;

    for (size_t i = 0; i < submit->count; i++) {
        jobs[i] = submit->items[i].job;
        job_fix_times(jobs[i]);
    }
    result = spool_keep(intake->spool, jobs, submit->count, &kept, fault);
    for (size_t i = 0; i < kept; i++)
        print(source, jobs[i], "spooled", jobs[i]->distribution_id);
    intake->spooled += kept;
    if (kept)
        msg(MSG_WARNING, "%zu distribution%s spooled in %s: dist-submit --flush-spool submits %s", kept,
            kept == 1 ? " is" : "s are", spool_folder(intake->spool), kept == 1 ? "it" : "them");
    submit_clear(submit);
    return result;
}

/* A batch of which nothing is known to be committed is spooled as it is: under the same ids it is one
 * distribution each, whatever came of the commit. */
static int flush(struct source *source, struct fault *fault)
{
    struct intake *intake = source->intake;
    struct fault problem = {0};

    if (!intake->submit.count)
        return 0;
    if (!intake->spooling) {
        if (submit_flush(&intake->submit, accepted, source, &problem) == 0)
            return 0;
        intake->spooling =
            intake->spool && (problem.class == FAULT_UNAVAILABLE || problem.class == FAULT_TEMP);
        if (!intake->spooling) {
            *fault = problem;
            return -1;
        }
        msg(MSG_WARNING, "%s", problem.text);
    }
    return keep(source, fault);
}

/* Takes the job. -1 with class INPUT or DENIED: this record is refused. */
static int sink(struct source *source, struct job *job, uint64_t number, struct fault *fault)
{
    struct intake *intake = source->intake;
    int result = -1;

    if (submit_check(&intake->submit, job, fault) < 0)
        goto out;
    switch (intake->sink) {
    case INTAKE_PIPE:
        if (!job->delay_ms) /* which is refused, and would be a schedule then */
            job_fix_times(job);
        result = envelope_write_request(job, source->out, fault);
        break;
    case INTAKE_DRY_RUN:
        result = describe_job(job, "valid", job->distribution_id, source->out, fault);
        break;
    case INTAKE_STORE:
        result = submit_add(&intake->submit, job_ref(job), number) ? flush(source, fault) : 0;
        break;
    }
out:
    job_unref(job);
    return result;
}

static int record(void *arg, char *text, size_t size, uint64_t number, struct buf *out, struct fault *fault)
{
    struct source *source = arg;
    struct intake *intake = source->intake;
    struct job_defaults defaults = intake->defaults;
    struct json_members members;
    const struct json_members *checked = NULL;
    bool request = intake->request;
    struct job *job;

    source->out = out;
    intake->records++;
    if (!defaults.content_type)
        defaults.content_type = source->content_type;
    if (intake->ndjson && !request && job_content_is_json(defaults.content_type)) {
        if (json_check(text, size, &members, fault) < 0)
            return -1;
        checked = &members;
        request = job_is_request(text, checked);
    }
    int64_t now_us = clock_wall_us();
    if (request)
        defaults.content_type = intake->defaults.content_type;
    if (request ? job_from_request(text, size, checked, &defaults, now_us, &job, fault) < 0
                : job_from_payload(text, size, checked != NULL, &defaults, now_us, &job, fault) < 0)
        return -1;
    return sink(source, job, number, fault);
}

static int idle(void *arg, struct buf *out, struct fault *fault)
{
    struct source *source = arg;
    source->out = out;
    if (source->intake->sink == INTAKE_STORE && flush(source, fault) < 0)
        return -1;
    msg_progress("records", source->intake->records, 0);
    return 0;
}

/* The most that one record prints: its envelope, or the lines of a batch. */
static size_t pending_bytes(const struct intake *intake)
{
    size_t envelope = LIMIT_ENVELOPE(intake->defaults.max_payload);
    size_t batch = DESCRIBE_BATCH_BYTES(intake->json);
    return envelope > batch ? envelope : batch;
}

static int read_lines(struct source *source, struct fault *fault)
{
    struct intake *intake = source->intake;
    struct lines lines = {
        .in = source->fd,
        .out = STDOUT_FILENO,
        .name = source->name,
        .max_line = LIMIT_ENVELOPE(intake->defaults.max_payload),
        .max_pending = pending_bytes(intake),
        .record = record,
        .idle = idle,
        .arg = source,
    };
    int result = lines_run(&lines, fault);
    intake->rejected += lines.rejected;
    if (lines.rejected)
        intake->last_class = FAULT_INPUT;
    if (intake->records)
        msg_progress("records", intake->records, intake->records);
    return result < 0 ? -1 : 0;
}

static int read_whole(struct source *source, struct fault *fault)
{
    struct intake *intake = source->intake;
    uint64_t max =
        intake->request ? LIMIT_ENVELOPE(intake->defaults.max_payload) : intake->defaults.max_payload;
    struct fault problem = {0};
    struct buf text, out;
    int result = 0;

    buf_init(&text, max);
    buf_init(&out, pending_bytes(intake));
    if (fdio_read_all(source->fd, &text, &problem) < 0) {
        intake->records++;
        result = -1;
    } else {
        result = record(source, text.data, text.len, 0, &out, &problem);
    }
    if (result < 0 && (problem.class == FAULT_INPUT || problem.class == FAULT_DENIED)) {
        reject(intake, source->name, 0, &problem);
        result = 0;
    }
    if (result == 0 && intake->sink == INTAKE_STORE)
        result = flush(source, &problem);
    if (out.len) {
        struct fault unwritten = {0};
        int written = fdio_write_all(STDOUT_FILENO, out.data, out.len, &unwritten);
        if (result == 0 && written < 0) {
            problem = unwritten;
            result = -1;
        }
    }
    if (result < 0)
        *fault = problem;
    source->out = NULL;
    buf_release(&out);
    buf_release(&text);
    return result;
}

static int read_source(struct intake *intake, const char *file, struct fault *fault)
{
    bool is_stdin = !strcmp(file, "-");
    struct fault problem = {0};
    struct source source = {
        .intake = intake,
        .name = is_stdin ? "stdin" : file,
        .content_type = JOB_DEFAULT_TYPE,
        .fd = is_stdin ? STDIN_FILENO : fdio_open(file, O_RDONLY, 0, &problem),
    };
    if (source.fd < 0) {
        problem.class = FAULT_INPUT;
        intake->records++;
        reject(intake, NULL, 0, &problem);
        return 0;
    }
    const char *by_name = is_stdin || intake->ndjson ? NULL : job_content_by_name(file);
    if (by_name)
        source.content_type = by_name;
    int result = intake->ndjson ? read_lines(&source, fault) : read_whole(&source, fault);
    if (!is_stdin)
        close(source.fd);
    return result;
}

static int wait_for_all(struct intake *intake, struct fault *fault)
{
    int64_t deadline_ms = intake->wait_ms ? clock_mono_ms() + intake->wait_ms : 0;
    int worst = 0;

    for (size_t i = 0; i < intake->waiting_count; i++) {
        enum job_status status;
        if (await_job(intake->submit.store, intake->waiting[i], deadline_ms, &status, fault) < 0)
            return -1;
        int code = await_exit_code(status);
        if (code)
            msg(MSG_WARNING, "%s: %s", intake->waiting[i], job_status_names[status]);
        worst = code > worst ? code : worst;
    }
    return worst;
}

int intake_run(struct intake *intake, char **files, int count, struct fault *fault)
{
    for (int i = 0; i < count; i++)
        if (read_source(intake, files[i], fault) < 0)
            return -1;
    if (intake->wait && intake->spooled)
        return fault_set(fault, FAULT_TEMP, "what is spooled cannot be waited for");
    int waited = intake->wait ? wait_for_all(intake, fault) : 0;
    if (waited < 0)
        return -1;
    if (!intake->rejected)
        return waited;
    return intake->records == 1 ? fault_exit_code(intake->last_class) : EXIT_REJECTED;
}

void intake_release(struct intake *intake)
{
    for (size_t i = 0; i < intake->waiting_count; i++)
        free(intake->waiting[i]);
    free(intake->waiting);
    submit_release(&intake->submit);
}
