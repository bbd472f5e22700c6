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

static int describe(const struct job *job, const char *status, const char *distribution_id, struct buf *out,
                    struct fault *fault)
{
    json_t *names = json_array();
    size_t i;
    json_t *target;

    json_array_foreach (job->destinations, i, target)
        json_array_append(names, json_object_get(target, "name"));
    json_t *line =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:I}", "distribution_id", distribution_id, "status", status,
                  "tenant_id", job->tenant_id, "data_type", job->data_type, "destinations", names,
                  "content_type", job->content_type, "size", (json_int_t)job->body_size);
    int result = line ? json_write(line, out) : -1;
    json_decref(line);
    if (result < 0 || buf_addc(out, '\n') < 0)
        return fault_set(fault, FAULT_BUG, "the description of a job does not fit its buffer");
    return 0;
}

/* Called for each submission once its transaction has committed. */
static void accepted(void *arg, const struct submission *item, uint64_t number)
{
    struct source *source = arg;
    struct intake *intake = source->intake;
    struct fault problem = {0};

    if (item->result == SUBMIT_CONFLICT || item->result == SUBMIT_REFUSED) {
        reject(intake, source->name, number, &item->fault);
        return;
    }
    if (item->result == SUBMIT_SAME)
        msg(MSG_INFO, "%s was accepted before", item->distribution_id);
    if (intake->wait) {
        intake->waiting = xreallocarray(intake->waiting, intake->waiting_count + 1, sizeof *intake->waiting);
        intake->waiting[intake->waiting_count++] = xstrdup(item->distribution_id);
    }
    if (intake->json)
        describe(item->job, item->result == SUBMIT_SAME ? "duplicate" : "accepted", item->distribution_id,
                 source->out, &problem);
    else if (!intake->quiet)
        buf_addf(source->out, "%s\n", item->distribution_id);
    if (source->out->overflow || problem.class) /* never: the buffer has room for a batch */
        msg(MSG_ERROR, "%s: accepted, and could not be printed", item->distribution_id);
}

static int flush(struct source *source, struct fault *fault)
{
    return submit_flush(&source->intake->submit, accepted, source, fault);
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
        result = describe(job, "valid", job->distribution_id, source->out, fault);
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
    bool request = intake->request;
    struct job *job;

    source->out = out;
    intake->records++;
    if (!defaults.content_type)
        defaults.content_type = source->content_type;
    if (intake->ndjson && !request && job_content_is_json(defaults.content_type)) {
        if (json_check(text, size, &members, fault) < 0)
            return -1;
        request = job_is_request(text, &members);
    }
    int64_t now_us = clock_wall_us();
    if (request)
        defaults.content_type = intake->defaults.content_type;
    if ((request ? job_from_request : job_from_payload)(text, size, &defaults, now_us, &job, fault) < 0)
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
    size_t batch = (size_t)SUBMIT_BATCH * 256 * (intake->json ? 100 : 1);
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
    if (result == 0 && out.len)
        result = fdio_write_all(STDOUT_FILENO, out.data, out.len, &problem);
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
