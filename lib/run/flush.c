/*
 * flush - see flush.h
 */
#include "flush.h"

#include <stdlib.h>
#include <unistd.h>

#include "describe.h"
#include "fdio.h"
#include "msg.h"
#include "spooled.h"
#include "tool.h"

struct run {
    struct flush *flush;
    char **names;
    size_t count;
    struct buf out;
    uint64_t rejected;
    struct fault fault; /* of the spool, while a batch was settled */
};

static int reject(struct run *run, const char *name, const struct fault *why, struct fault *fault)
{
    msg(MSG_ERROR, "%s/%s: %s; it is in rejected/ now", spool_folder(run->flush->spool), name, why->text);
    run->rejected++;
    return spool_reject(run->flush->spool, name, why->text, fault);
}

/* Called for each once its transaction has committed: only now the file may go. */
static void settled(void *arg, const struct submission *item, uint64_t number)
{
    struct run *run = arg;
    struct flush *flush = run->flush;
    const char *name = run->names[number];
    bool same = item->result == SUBMIT_SAME;
    struct fault problem = {0};
    int result;

    if (item->result == SUBMIT_CONFLICT || item->result == SUBMIT_REFUSED) {
        result = reject(run, name, &item->fault, &problem);
    } else {
        if (same)
            msg(MSG_INFO, "%s was accepted before, as %s", item->job->distribution_id, item->distribution_id);
        if (flush->json)
            describe_job(item->job, same ? "duplicate" : "accepted", item->distribution_id, &run->out, NULL);
        else if (!flush->quiet)
            buf_addf(&run->out, "%s\n", item->distribution_id);
        result = spool_remove(flush->spool, name, &problem);
    }
    if (result < 0 && !run->fault.class)
        run->fault = problem;
}

static int print(struct run *run, struct fault *fault)
{
    int result = run->out.len ? fdio_write_all(STDOUT_FILENO, run->out.data, run->out.len, fault) : 0;

    buf_clear(&run->out);
    return result;
}

static int commit(struct run *run, struct fault *fault)
{
    if (submit_flush(&run->flush->submit, settled, run, fault) < 0)
        return -1;
    if (run->fault.class) {
        *fault = run->fault;
        return -1;
    }
    if (spool_sync(run->flush->spool, fault) < 0)
        return -1;
    return print(run, fault);
}

/* One file into the batch, or into rejected/. */
static int take(struct run *run, size_t index, struct buf *text, struct fault *fault)
{
    struct flush *flush = run->flush;
    const char *name = run->names[index];
    struct fault problem = {0};
    struct job *job = NULL;
    int result = spool_read(flush->spool, name, text, &problem);

    if (result == 0)
        result = spooled_read(text->data, text->len, &job, &problem);
    if (result == 0)
        result = submit_check(&flush->submit, job, &problem);
    if (result < 0) {
        job_unref(job);
        if (problem.class == FAULT_INPUT || problem.class == FAULT_DENIED)
            return reject(run, name, &problem, fault);
        *fault = problem;
        return -1;
    }
    return submit_add(&flush->submit, job, index) ? commit(run, fault) : 0;
}

static int take_all(struct run *run, struct fault *fault)
{
    struct buf text;
    int result = 0;

    buf_init(&text, LIMIT_SPOOLED(LIMIT_PAYLOAD_CEILING));
    for (size_t i = 0; i < run->count && result == 0; i++) {
        result = take(run, i, &text, fault);
        msg_progress("spooled distributions", i + 1, run->count);
    }
    buf_release(&text);
    return result == 0 ? commit(run, fault) : -1;
}

int flush_run(struct flush *flush, struct fault *fault)
{
    struct run run = {.flush = flush};
    int result = spool_flush_lock(flush->spool, fault);

    buf_init(&run.out, DESCRIBE_BATCH_BYTES(flush->json));
    if (result == 0)
        result = spool_list(flush->spool, &run.names, &run.count, fault);
    if (result == 0)
        result = take_all(&run, fault);
    for (size_t i = 0; i < run.count; i++)
        free(run.names[i]);
    free(run.names);
    buf_release(&run.out);
    if (result < 0)
        return -1;
    return run.rejected ? EXIT_REJECTED : 0;
}
