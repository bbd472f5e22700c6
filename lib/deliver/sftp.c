/*
 * sftp - the body as a new file on a host that is reached by SSH
 *
 *   compare  the file, after a first attempt         there: the end; not there: write
 *   write    FOLDER/.DELIVERY.NUMBER.tmp             rename
 *   rename   it to the file                          renamed: the end; not renamed: compare
 *   remove   temporary files, where some may be left
 *
 * Nobody sees half a file under its name, and no file is replaced: version 3 of the protocol has no way to.
 * The temporary name is of the attempt, so that an earlier one whose bytes are still on their way writes into
 * another file; what is left of it is removed when the delivery ends. A file that is there with the same
 * bytes is ours: an earlier attempt whose answer was lost. So all of it can be done again over another
 * connection, and nothing is ever there twice.
 */
#include "crew.h"

#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "sftp.h"
#include "text.h"
#include "transfer_event.h"
#include "xalloc.h"

enum {
    PATH_BYTES = 4095,
    HOST_KEYS = 10,
    REMOVE_MS = 2000,
    WRITES = 2,
    EARLIER = 9, /* attempts whose temporary files are looked after */
};

static void watch(void *line, int fd)
{
    crew_watch(line, fd);
}

static size_t one_by_one(const struct destination *destination)
{
    (void)destination;
    return 1;
}

/* The connection */

/* A plain secret that is a private key has no passphrase. False: refused. */
static bool find_login(const struct crew_call *call, struct sftp_peer *peer)
{
    const struct destination_sftp *form = &call->destination->sftp;
    const struct secret *secret = call->secret;

    peer->username = form->username ? form->username : secret ? secret->username : NULL;
    peer->password = secret ? secret->password : NULL;
    peer->private_key = secret ? secret->private_key : NULL;
    if (!peer->private_key && peer->password && text_starts_with(peer->password, "-----BEGIN ")) {
        peer->private_key = peer->password;
        peer->password = NULL;
    }
    if (!peer->username)
        crew_refuse(call, EVENT_CREDENTIALS, "no user name, neither in the form nor in the credentials");
    else if (!peer->password && !peer->private_key)
        crew_refuse(call, EVENT_CREDENTIALS, "no password and no private key: \"credentials\" names none");
    return peer->username && (peer->password || peer->private_key);
}

static void list_host_keys(const json_t *keys, const char *list[HOST_KEYS + 1])
{
    size_t count = 0;

    if (json_is_string(keys))
        list[count++] = json_string_value(keys);
    for (size_t i = 0; i < json_array_size(keys) && count < HOST_KEYS; i++)
        list[count++] = json_string_value(json_array_get(keys, i));
    list[count] = NULL;
}

static void *sftp_connect(const struct crew_call *call)
{
    const struct destination_sftp *form = &call->destination->sftp;
    const char *host_keys[HOST_KEYS + 1];
    struct sftp_peer peer = {
        .peer = {form->host, (int)form->port, call->guard, watch, call->line},
        .known_hosts = form->known_hosts,
        .host_keys = host_keys,
    };
    struct fault fault = {0};
    struct sftp_answer answer;

    list_host_keys(form->host_key, host_keys);
    if (!find_login(call, &peer))
        return NULL;
    struct sftp *sftp = sftp_new(&peer, &fault);
    if (!sftp) {
        crew_refuse(call, EVENT_SYSTEM, "%s", fault.text);
        return NULL;
    }
    sftp_open(sftp, call->deadline_ms, &answer);
    if (answer.result == TRANSFER_DONE)
        return sftp;
    if (answer.result == TRANSFER_ANSWERED)
        crew_refuse_by(call, outcomes_by_code(&outcomes_sftp, answer.code), answer.code, "%s", answer.text);
    else
        crew_refuse(call, transfer_event(answer.result), "%s", answer.text);
    sftp_free(sftp);
    return NULL;
}

static void sftp_close(void *connection)
{
    sftp_free(connection);
}

/* One file */

struct job {
    struct sftp *sftp;
    struct errand *errand; /* the loop's, once it has its outcome */
    char *path;
    char *temporary[EARLIER + 1]; /* of this attempt, and of those before it; NULL where there was none */
    int64_t deadline_ms;
    bool left;  /* there may be a temporary file of this attempt */
    bool ended; /* the delivery has; there may be some of earlier ones */
};

/* As long for every name, which may be as long as the file system allows. */
static void set_temporary(struct job *job, const struct attempt *attempt)
{
    int folder = (int)(strrchr(job->path, '/') + 1 - job->path);

    for (int i = 0; i <= EARLIER && attempt->number - i >= 1; i++)
        job->temporary[i] =
            xasprintf("%.*s.%s.%d.tmp", folder, job->path, attempt->message_id, attempt->number - i);
}

static int set_paths(struct job *job, struct fault *fault)
{
    const struct attempt *attempt = errand_attempt(job->errand);
    const struct placeholders values = errand_placeholders(job->errand, false);
    struct buf path;

    buf_init(&path, PATH_BYTES);
    int result = placeholders_expand(attempt->destination->path, &values, ESCAPE_PATH, &path, fault);
    if (result == 0 && text_starts_with(path.data, "/~/"))
        result = fault_set(fault, FAULT_CONFIG, "\"~\" is no folder"); /* libcurl's word for the home */
    job->path = buf_steal(&path, NULL);
    if (result == 0)
        set_temporary(job, attempt);
    return result;
}

static bool is_missing(const struct sftp_answer *answer)
{
    return answer->result == TRANSFER_ANSWERED &&
           (answer->code == SFTP_NO_SUCH_FILE || answer->code == SFTP_NO_SUCH_PATH);
}

/* Whether that was all, with its outcome. */
static bool compare(struct job *job, struct sftp_answer *answer)
{
    const struct attempt *attempt = errand_attempt(job->errand);
    bool same;

    sftp_compare(job->sftp, job->path, attempt->body, attempt->body_size, job->deadline_ms, &same, answer);
    if (answer->result != TRANSFER_DONE)
        return false;
    job->ended = true;
    errand_set_event(job->errand, same ? EVENT_THERE_ALREADY : EVENT_EXISTS, "%s",
                     same ? "" : "a file with other content is there");
    return true;
}

/* What is of no outcome is the crew's, which goes on over another connection or ends it as broken. */
static int set_answer(const struct job *job, const struct sftp_answer *answer, struct fault *fault)
{
    if (answer->result == TRANSFER_BROKEN)
        return fault_set(fault, FAULT_UNAVAILABLE, "%s", answer->text);
    if (answer->result != TRANSFER_ANSWERED) {
        errand_set_event(job->errand, transfer_event(answer->result), "%s", answer->text);
        return fault_set(fault, FAULT_UNAVAILABLE, "%s", answer->text);
    }
    errand_set(job->errand, outcomes_by_code(&outcomes_sftp, answer->code), answer->code, "%s", answer->text);
    return 0;
}

/* Whether it is there after all: there was something before, or the answer was lost. */
static bool may_be_there(const struct sftp_answer *answer)
{
    return answer->result == TRANSFER_ANSWERED || answer->result == TRANSFER_BROKEN;
}

/*
 * Of a write that fails libcurl does not tell whether the server refused it, having no room, or was gone. So
 * what was written is removed, over another connection; where that can be done, the write is tried once more,
 * and where that fails too, it is refused.
 */
static void write_temporary(struct job *job, const struct sftp_file *file, struct sftp_answer *answer)
{
    const char *const paths[] = {file->path, NULL};
    struct sftp_answer removed;

    for (int tries = 1;; tries++) {
        sftp_write(job->sftp, file, job->deadline_ms, answer);
        if (!answer->unclear)
            return;
        sftp_remove(job->sftp, paths, job->deadline_ms, &removed);
        if (removed.result != TRANSFER_DONE)
            return;
        if (tries == WRITES)
            break;
    }
    *answer = (struct sftp_answer){.result = TRANSFER_ANSWERED, .code = SFTP_FAILURE};
    text_copy(answer->text, sizeof answer->text, "writing failed twice: is there room?");
}

static int put(struct job *job, struct fault *fault)
{
    const struct attempt *attempt = errand_attempt(job->errand);
    const struct destination_sftp *form = &attempt->destination->sftp;
    const struct sftp_file file = {
        .path = job->temporary[0],
        .data = attempt->body,
        .size = attempt->body_size,
        .make_folders = form->make_folders,
    };
    struct sftp_answer answer, there;

    write_temporary(job, &file, &answer);
    bool written = answer.result == TRANSFER_DONE;
    job->left = written || !is_missing(&answer);
    if (written)
        sftp_rename(job->sftp, job->temporary[0], job->path, form->mode, job->deadline_ms, &answer);
    if (answer.result == TRANSFER_DONE) {
        job->left = false;
        job->ended = true;
        errand_set_event(job->errand, EVENT_WRITTEN, "%s", "");
        return 0;
    }
    if (written && may_be_there(&answer) && compare(job, &there))
        return 0;
    return set_answer(job, &answer, fault);
}

static int deliver(struct job *job, struct fault *fault)
{
    struct sftp_answer answer;

    if (set_paths(job, fault) < 0) {
        errand_set_misconfigured(job->errand, "path", fault);
        return 0;
    }
    if (errand_attempt(job->errand)->number <= 1)
        return put(job, fault);
    if (compare(job, &answer))
        return 0;
    return is_missing(&answer) ? put(job, fault) : set_answer(job, &answer, fault);
}

/* The errand is the loop's by now, and is not looked at any more. */
static void clear(const struct job *job)
{
    const char *paths[EARLIER + 2];
    struct sftp_answer answer; /* what stays stays */
    size_t count = 0;

    if (job->left)
        paths[count++] = job->temporary[0];
    for (int i = 1; i <= EARLIER && job->ended && job->temporary[i]; i++)
        paths[count++] = job->temporary[i];
    paths[count] = NULL;
    if (count)
        sftp_remove(job->sftp, paths, clock_mono_ms() + REMOVE_MS, &answer);
}

static void job_release(struct job *job)
{
    for (int i = 0; i <= EARLIER; i++)
        free(job->temporary[i]);
    free(job->path);
}

static int sftp_work(void *connection, struct errand **items, size_t count, int64_t deadline_ms,
                     struct fault *fault)
{
    int result = 0;

    for (size_t i = 0; i < count && result == 0; i++) {
        struct job job = {.sftp = connection, .errand = items[i], .deadline_ms = deadline_ms};
        result = deliver(&job, fault);
        if (result == 0)
            clear(&job);
        job_release(&job);
    }
    return result;
}

static const struct crew_kind kind = {one_by_one, sftp_connect, NULL, sftp_work, sftp_close};

static struct attempt_handle *sftp_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    return crew_start(&kind, &adapter_sftp, context, attempt, done, arg);
}

/* Connects, looks at the host's key and logs in; no file is touched. */
static int sftp_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    return crew_check(&kind, &adapter_sftp, context, destination, secret, fault);
}

const struct adapter adapter_sftp = {PROTOCOL_SFTP, &outcomes_sftp, sftp_start, crew_cancel, sftp_check};
